/* Records of an upstream's response written one by one into a message of our own: names expanded, then compressed
 * without regard to letter case (so that the question's is the client's, RFC 4343 section 4), at most
 * COMPRESSION_ENTRIES_MAX targets. For what cannot be copied as it stands.
 *
 * Memory: a writer borrows output and response until it is dropped. Threads: a value of its user.
 * Work: linear in the size of the expanded names.
 */
#ifndef PORTICO_MSG_RECORDS_H
#define PORTICO_MSG_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "dns_const.h"
#include "limits.h"
#include "msg_parse.h"
#include "name.h"
#include "span.h"
#include "wire_cursor.h"

enum msg_section {
	MSG_SECTION_ANSWER,
	MSG_SECTION_AUTHORITY,
	MSG_SECTION_ADDITIONAL,
	MSG_SECTION_COUNT
};

/* RRSIG, NSEC, NSEC3, and DS in the authority section, for those with DO only or where they were asked for by type
 * (RFC 4035 section 3.2.1). */
static inline bool msg_records_is_dnssec(enum msg_section section, uint16_t type, uint16_t qtype)
{
	if (type == qtype)
		return false;
	return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3 ||
	       (type == DNS_TYPE_DS && section == MSG_SECTION_AUTHORITY);
}

#define MSG_RECORDS_PLACES (2 * COMPRESSION_ENTRIES_MAX)

/* Suffixes of names that stand in the output, by the hash of their lower-case form. */
struct msg_compression {
	uint16_t count;
	uint16_t false_hits;
	uint16_t offsets[MSG_RECORDS_PLACES]; /* 0: empty, no name stands in the header */
	uint32_t hashes[MSG_RECORDS_PLACES];
};

/* A name, and of each of its suffixes where it begins and its hash; the root is not among them. */
struct msg_suffixes {
	struct name name;
	unsigned label_count;
	uint8_t offsets[DNS_LABELS_MAX];
	uint32_t hashes[DNS_LABELS_MAX];
};

struct msg_records {
	struct wire_writer
		writer; /* its ok: did everything fit? Its offset: the end of what is written */
	const struct msg_response *response;
	bool has_own_question; /* the response's question is not the output's */
	struct msg_compression compression;
	struct msg_suffixes scratch;
};

/* Begin behind the question, whose name (of the response's length) is written to output; header, type and class are the
 * caller's, at any time. output holds at least the question. */
void msg_records_init(struct msg_records *r, struct buffer output,
		      const struct msg_response *response, const struct name *qname);
/* Write a record that msg_record_next read from the response; its TTL is record->ttl_s. */
void msg_records_write(struct msg_records *r, const struct msg_record *record);
/* Go on with the records of another response, whatever its question is. */
void msg_records_go_on(struct msg_records *r, const struct msg_response *response);
/* Write a CNAME of class IN that stands in no response. */
void msg_records_write_cname(struct msg_records *r, const struct name *owner, uint32_t ttl_s,
			     const struct name *target);

#endif
