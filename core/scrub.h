/* What of a response may be believed: one scrubber for iteration and forwarding alike (SECURITY.md C1 to C3). Says what the response
 * is, and makes a clean message of what is kept.
 *
 * The response matched its query in everything (RFC 5452 section 9.1) and parsed; here it is judged by content: the zone that
 * was asked is all that its servers can speak for. Of the answer section remain the records of the question's name and of the
 * names that CNAMEs and DNAMEs lead to from there, as long as these are in the zone, whatever order they stand in (CNAME first, in
 * the clean message), with their RRSIGs; a name that has a CNAME and other data counts as CNAME, and of several CNAMEs the first.
 * Of the authority section remain the SOA of a negative answer, and the proofs (NSEC, NSEC3, RRSIG) that validators behind us
 * want; of the additional section nothing. What has a record of another class in its answer section, or only of other names, is broken.
 *
 * Threads: pure functions. Bound: SCRUB_RECORDS_MAX records kept, SCRUB_SCANNED_MAX of a section looked at (but of one RRset, which
 * may be any), LINKS_MAX links; two passes a link.
 */
#ifndef PORTICO_SCRUB_H
#define PORTICO_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "limits.h"
#include "msg_parse.h"
#include "name.h"
#include "span.h"

enum scrub_verdict {
	SCRUB_ANSWER, /* has the type that was asked for at the end of its chain (a CNAME itself, for CNAME and ANY) */
	SCRUB_NODATA, /* NOERROR, at the end of its chain; with SOA, or without (then it is not kept long) */
	SCRUB_NXDOMAIN, /* the name at the end of its chain */
	SCRUB_LINK, /* its chain leads to `target`, of which it says nothing that counts: ask for it */
	SCRUB_REFERRAL, /* no answer, no SOA, NS of `target`: below the zone, at or above the question's name */
	/* Nothing in it is believed; another server is to be asked: */
	SCRUB_UPWARD, /* a referral to the zone itself, above it or beside it: lame */
	SCRUB_LAME,   /* neither authoritative for the zone nor a referral; see `if_believed` */
	SCRUB_LOOP,   /* its chain comes back to a name of its own */
	SCRUB_LINKS,  /* more links than LINKS_MAX */
	SCRUB_RCODE, /* neither NOERROR nor NXDOMAIN (YXDOMAIN of a DNAME that makes too long a name apart: an ANSWER) */
	SCRUB_TCP, /* truncated, or a DNAME by UDP without a cookie: ask this server again over TCP */
	SCRUB_BROKEN, /* contradicts itself: a synthesised CNAME that is not what its DNAME makes, too many records, ... */
	SCRUB_VERDICT_COUNT,
};
extern const char *const scrub_verdict_text[SCRUB_VERDICT_COUNT];

struct scrub_question {
	const struct name *zone;  /* asked: the cut's, or the forward zone's; lower case */
	const struct name *qname; /* lower case */
	uint16_t qtype;
	bool is_recursive; /* a forwarder was asked: no AA needed, and a referral is lame */
	bool is_safe; /* came over TCP or with a cookie: DNAMEs count (else as BIND 9.21: ask over TCP; SCRUB_TCP) */
	uint8_t links_max; /* the chain is followed so far: what is beyond is not the zone's to say; 0: as far as it goes */
};

struct scrubbed {
	enum scrub_verdict verdict;
	/* LAME: what it would be if AA were set and the SOA of a negative answer were not that of a zone above (ANSWER, NODATA,
	 * NXDOMAIN, LINK, or LAME), for zones none of whose servers does better; all else is written for that, so that who has
	 * nobody left to ask may put it for verdict. Else as verdict. */
	enum scrub_verdict if_believed;
	uint16_t rcode; /* for the client */
	uint8_t links;  /* followed in here */
	bool is_whole; /* nothing needs to be rewritten: the clean message is the response up to `end_offset` */
	bool has_soa;
	bool has_dnssec;          /* a record that is for those with DO only is kept */
	uint16_t end_offset;      /* is_whole */
	struct name target;       /* LINK, REFERRAL; else the last name of the chain. Lower case */
	unsigned answer_count;    /* kept */
	unsigned authority_count; /* kept, behind those of the answer section in records */
	uint16_t soa_offset;      /* has_soa */
	/* Offsets of those kept in the order of the clean message; not filled in where is_whole. A DNAME that is a link is
	 * followed by the CNAME that it makes, which is ours; where it is a link more than once, it stands here so often, is
	 * written once, and each time a CNAME. */
	uint16_t records[SCRUB_RECORDS_MAX];
};

/* *out is always written. */
void scrub_response(const struct msg_response *response, const struct scrub_question *question,
		    struct scrubbed *out);
/* Of ANSWER, NODATA, NXDOMAIN and LINK: the clean message (question, chain and RRset, SOA of a negative, proofs), with ID and
 * question as in the response, AA clear, RCODE as scrubbed, one TTL a RRset (the least: RFC 2181 section 5.2), no OPT.
 * is_whole: *clean refers to response's message (`message`: the same bytes), whose header is written to. Else it is built into
 * out, which does not overlap it. False: no room. clean may be response. */
MUST_USE bool scrub_clean(const struct msg_response *response, const struct scrubbed *scrubbed,
			  uint8_t *message, struct buffer out, struct msg_response *clean);

#endif
