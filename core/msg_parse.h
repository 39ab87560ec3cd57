/* Untrusted DNS messages (RFC 1035 section 4, RFC 6891) → views: offsets and values, no copies of
 * records.
 *
 * Memory: a view borrows the message's bytes; it holds as long as they do.
 * Threads: pure functions. Bound: one pass over the message, at most RECORDS_PARSED_MAX records.
 */
#ifndef PORTICO_MSG_PARSE_H
#define PORTICO_MSG_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "dns_const.h"
#include "name.h"
#include "span.h"

struct msg_referral;

/* The OPT record's contents (RFC 6891 section 6). Options: of each kind the first counts. */
struct msg_edns {
	bool present;
	bool dnssec_ok;
	uint8_t version;
	uint8_t extended_rcode;  /* upper 8 bits */
	uint16_t udp_size_bytes; /* as sent; not yet clamped */
	uint16_t option_count;   /* looked at: at most EDNS_OPTIONS_PARSED_MAX */
	struct span cookie;      /* the option's contents: 8, or 16..40 bytes; length 0: none */
};

/* A client's question, as far as it could be read. */
struct msg_query {
	uint16_t id;
	uint16_t flags; /* the header's second word */
	uint16_t qtype;
	uint16_t qclass;
	bool question_present; /* qname, qtype, qclass are valid */
	uint16_t question_end; /* offset of the first byte after the question; 12 without one */
	struct name qname;
	struct msg_edns edns;
};

/* Why a query is not a plain good one. Each maps to one row of SECURITY.md section 3.1. Trailing
 * bytes are ignored. */
enum msg_query_result {
	MSG_QUERY_OK,
	MSG_QUERY_SHORT,       /* < 12 bytes: no header, nothing can be answered */
	MSG_QUERY_IS_RESPONSE, /* QR=1 */
	MSG_QUERY_OPCODE,      /* opcode != 0; out->id and flags valid */
	MSG_QUERY_COUNTS,      /* QDCOUNT != 1, ANCOUNT or NSCOUNT != 0, ARCOUNT not as allowed or
	                            more than is there */
	MSG_QUERY_QUESTION,    /* question cut short, label type, > 255, any pointer in qname */
	MSG_QUERY_OPT,         /* OPT twice, owner not the root, RDLEN or option overflow, > 16
	                            options are not an error: the rest is skipped */
	MSG_QUERY_OPTION,      /* cookie of bad length, client subnet malformed (RFC 7871 sec. 6) */
	MSG_QUERY_VERSION,     /* EDNS version != 0: BADVERS */
	MSG_QUERY_COOKIE_ONLY, /* QDCOUNT = 0 with a good COOKIE (RFC 7873 section 5.4) */
	MSG_QUERY_TRUNCATED_FLAG, /* TC=1 in a query */
	MSG_QUERY_RESULT_COUNT,
};

/* Parse a client's query. *out is always written as far as the message could be read (zeroes
 * otherwise, but for the name's bytes), so that an error reply can carry ID, question and OPT.
 * edns.present with an error in its options still means that the OPT's fixed part could be read.
 * ARCOUNT may be 0, 1 (OPT), or 2 where the second record is a TSIG (RFC 8945: it stands last),
 * which is then ignored: any other record is COUNTS. Options of another EDNS version are not looked
 * at. Not found is an OPT behind records that have no business in a query. */
MUST_USE enum msg_query_result msg_parse_query(struct span message, struct msg_query *out);

/* One resource record inside a message that msg_parse_response accepted (or is being parsed). */
struct msg_record {
	uint16_t type;
	uint16_t class_or_size;
	uint32_t ttl_s; /* 0 where the top bit is set (RFC 2181 section 8); the OPT's as it is */
	uint16_t owner_offset; /* of the owner name, possibly compressed */
	uint16_t rdata_offset;
	uint16_t rdata_length_bytes;
	uint16_t end_offset; /* first byte after the record */
};

/* An upstream's answer. Every record's framing and every compressed name, owner and RDATA (for the
 * types of which msg_rdata_layout knows where the names stand), was checked, so that later walks
 * cannot fail. */
struct msg_response {
	struct span message;
	uint16_t id;
	uint16_t flags;
	uint16_t qtype;
	uint16_t qclass;
	struct name qname;       /* letter case as received */
	uint16_t records_offset; /* first byte after the question */
	uint16_t answer_count;
	uint16_t authority_count;
	uint16_t additional_count; /* with the OPT, if any */
	bool opt_is_last;          /* no record follows the OPT, or there is none */
	uint16_t opt_offset;       /* of the OPT record; message length if there is none */
	bool has_dnssec_records;   /* a RRSIG, NSEC or NSEC3, or a DS in the authority section */
	bool has_ttl_over_max; /* a TTL with its top bit set, which counts as 0 (RFC 2181 sec. 8) */
	struct msg_edns edns;
	const struct msg_referral *referral; /* what it was found to be (msg_referral.h), or NULL */
};

/* Of the name only what is used. */
static inline void msg_response_copy(struct msg_response *to, const struct msg_response *from)
{
	enum { REST = offsetof(struct msg_response, records_offset) };

	memcpy(to, from, offsetof(struct msg_response, qname));
	name_copy(&to->qname, &from->qname);
	memcpy((uint8_t *)to + REST, (const uint8_t *)from + REST, sizeof(*to) - REST);
}

enum msg_response_result {
	MSG_RESPONSE_OK,
	MSG_RESPONSE_SHORT,    /* < 12 bytes */
	MSG_RESPONSE_IS_QUERY, /* QR=0 */
	MSG_RESPONSE_OPCODE,   /* opcode != 0 */
	MSG_RESPONSE_QUESTION, /* QDCOUNT != 1, or the question cannot be read */
	MSG_RESPONSE_RECORD,   /* a record runs past the end, a bad name, RDATA that does not fit */
	MSG_RESPONSE_OPT,      /* OPT twice, in another section, owner not the root, overflow */
	MSG_RESPONSE_TRAILING, /* bytes after the last record */
	MSG_RESPONSE_TOO_MANY, /* more than RECORDS_PARSED_MAX records */
	MSG_RESPONSE_RESULT_COUNT,
};
extern const char *const msg_response_result_text[MSG_RESPONSE_RESULT_COUNT];
extern const char *const msg_query_result_text[MSG_QUERY_RESULT_COUNT];

/* Parse what claims to be an answer; *out is written on OK only. For a message with TC=1 a last
 * record cut off mid-way (or fewer records than counted) is MSG_RESPONSE_OK with the counts of what
 * is whole (RFC 2181 section 9: it is not used anyway). The question's name must be uncompressed.
 * A COOKIE option of bad length counts as none. */
MUST_USE enum msg_response_result msg_parse_response(struct span message, struct msg_response *out);
/* The same of a message whose question begins with that name, which is one, byte for byte. NULL: it may be any. What it notes
 * of a referral goes to *referral, which out->referral borrows. */
MUST_USE enum msg_response_result msg_parse_response_of(struct span message,
							const struct name *qname,
							struct msg_referral *referral,
							struct msg_response *out);
/* The same without the short ways of plain answers and referrals: for the tests that all are the same. */
MUST_USE enum msg_response_result msg_parse_response_any(struct span message,
							 struct msg_response *out);

/* The ID without parsing; the message has at least DNS_HEADER_BYTES. */
static inline uint16_t msg_id(struct span message)
{
	return (uint16_t)((message.data[0] << 8) | message.data[1]);
}

/* QR without parsing, likewise. */
static inline bool msg_is_response(struct span message)
{
	return (message.data[2] & (DNS_FLAG_QR >> 8)) != 0;
}

/* Read the record at *offset and move past it. False: malformed. Does not look into RDATA. */
MUST_USE bool msg_record_next(struct span message, size_t *offset, struct msg_record *out);

/* The same of a message that msg_parse_response accepted, within the counts that it gave: nothing is checked again. */
static inline void msg_record_next_checked(const uint8_t *message, size_t *offset,
					   struct msg_record *out)
{
	enum { TYPE = 0, CLASS = 2, TTL = 4, RDLENGTH = 8, FIXED_BYTES = 10 };
	size_t at = *offset;
	const uint8_t *fixed;

	while (message[at] != 0 && message[at] < DNS_POINTER_FLAG)
		at += 1 + (size_t)message[at];
	at += message[at] == 0 ? 1 : 2;
	fixed = message + at;
	out->owner_offset = (uint16_t)*offset;
	out->type = (uint16_t)(fixed[TYPE] << 8 | fixed[TYPE + 1]);
	out->class_or_size = (uint16_t)(fixed[CLASS] << 8 | fixed[CLASS + 1]);
	out->ttl_s = (uint32_t)fixed[TTL] << 24 | (uint32_t)fixed[TTL + 1] << 16 |
		     (uint32_t)fixed[TTL + 2] << 8 | fixed[TTL + 3];
	if (out->ttl_s > INT32_MAX && out->type != DNS_TYPE_OPT)
		out->ttl_s = 0;
	out->rdata_offset = (uint16_t)(at + FIXED_BYTES);
	out->rdata_length_bytes = (uint16_t)(fixed[RDLENGTH] << 8 | fixed[RDLENGTH + 1]);
	out->end_offset = (uint16_t)(out->rdata_offset + out->rdata_length_bytes);
	*offset = out->end_offset;
}

/* The shape of a type's RDATA: prefix_bytes, then string_count character-strings, then name_count
 * names one after another, then suffix_bytes.
 *
 * Known are the types whose names may come compressed (RFC 1035 section 3.3, RFC 3597 section 4),
 * those whose names must not but might (DNAME, KX, RRSIG, NSEC), and of those without names A and
 * AAAA, whose length is fixed in class IN. All others are opaque: all zero but for the suffix. */
struct msg_rdata_layout {
	uint8_t prefix_bytes;
	uint8_t name_count;   /* 0: nothing to expand, the RDATA is copied as it is */
	uint8_t suffix_bytes; /* MSG_RDATA_REST: whatever is left */
	uint8_t string_count; /* character-strings between prefix and names (NAPTR: 3) */
	bool compressible;    /* we may compress the names when we send (types of RFC 1035 only) */
};
#define MSG_RDATA_REST UINT8_MAX
struct msg_rdata_layout msg_rdata_layout(uint16_t type);

#endif
