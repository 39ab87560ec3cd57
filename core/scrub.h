/* What of a response may be believed: one scrubber for iteration and forwarding alike (SECURITY.md C1 to C3). Says what the response
 * is, and makes a clean message of what is kept.
 *
 * The response matched its query in everything (RFC 5452 section 9.1) and parsed; here it is judged by content: the zone that
 * was asked is all that its servers can speak for. Of the answer section remain the records of the question's name and of the
 * names that CNAMEs and DNAMEs lead to from there, as long as these are in the zone, whatever order they stand in (CNAME first, in
 * the clean message); a name that has a CNAME and other data counts as CNAME. Of the authority section remains the SOA of a
 * negative answer, of the additional section nothing.
 *
 * Threads: pure functions. Bound: SCRUB_RECORDS_MAX records kept, LINKS_MAX links; one pass a link.
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
	SCRUB_REFERRAL, /* AA is not set, no answer, NS of `target`: below the zone, at or above the question's name */
	/* Nothing in it is believed; another server is to be asked: */
	SCRUB_UPWARD, /* a referral to the zone itself, above it or beside it: lame */
	SCRUB_LAME,   /* neither authoritative nor a referral */
	SCRUB_LOOP,   /* its chain comes back to a name of its own */
	SCRUB_LINKS,  /* more links than LINKS_MAX */
	SCRUB_RCODE, /* neither NOERROR nor NXDOMAIN (YXDOMAIN of a DNAME that makes too long a name apart: an ANSWER) */
	SCRUB_TCP, /* a DNAME by UDP without a cookie: ask this server again over TCP, then believe it */
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
};

struct scrubbed {
	enum scrub_verdict verdict;
	uint16_t rcode; /* for the client */
	uint8_t links;  /* followed in here */
	bool is_whole; /* nothing needs to be rewritten: the message up to `end_offset` with only the answer section */
	bool has_soa;
	uint16_t end_offset; /* is_whole: of the answer section */
	struct name target;  /* LINK, REFERRAL; else the last name of the chain */
	uint16_t record_count;
	uint16_t records
		[SCRUB_RECORDS_MAX]; /* offsets of those kept, in the order of the clean message */
	uint16_t soa_offset;
	bool makes_cname; /* the CNAME that a DNAME makes for the last of records is missing: the clean message has it */
};

/* *out is always written. */
void scrub_response(const struct msg_response *response, const struct scrub_question *question,
		    struct scrubbed *out);
/* Of ANSWER, NODATA, NXDOMAIN and LINK: the clean message (question, chain and RRset, SOA of a negative), with ID and
 * question as in the response, AA clear, RCODE as scrubbed, no OPT. is_whole: *clean refers to response's message, which is
 * written to: its counts. Else it is built into out. False: no room. */
MUST_USE bool scrub_clean(const struct msg_response *response, const struct scrubbed *scrubbed,
			  uint8_t *message, struct buffer out, struct msg_response *clean);

#endif
