/* Referrals as nearly all of them look, read in one pass: no answer; NS records of one owner, which is a pointer to a label of the
 * question, and what a parent says of DNSSEC with them (DS, RRSIG, NSEC, NSEC3); A and AAAA records whose owners are pointers to
 * the names of those servers; an OPT behind them or none. All of class IN, no TTL above 2^31 - 1.
 *
 * What is noted here spares scrub.h and zone_cut.h their walks over the records. Whatever looks different is read by
 * msg_parse_response_any, and nothing is noted of it: both ways come to the same (test_msg_referral.c, fuzz_scrub.c).
 *
 * Memory: offsets into the message, which stays lent; the struct is the caller's. Threads: pure functions. Bounds: one pass,
 * ZONE_CUT_SERVERS_MAX servers, ZONE_CUT_ADDRESSES_MAX addresses. RFCs: 1034 section 4.3.2 (3b), 4035 section 3.1.4.
 */
#ifndef PORTICO_MSG_REFERRAL_H
#define PORTICO_MSG_REFERRAL_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "limits.h"
#include "msg_parse.h"
#include "name.h"
#include "span.h"

struct msg_referral_server {
	uint16_t offset; /* of its name, the NS record's RDATA */
	uint16_t
		rest_at; /* of the question's labels that its own are followed by; 0: written otherwise */
	uint8_t own_bytes; /* of its own labels */
};

struct msg_referral_glue {
	uint32_t ttl_s;
	uint16_t rdata_offset;
	uint8_t server; /* whose, of servers */
	bool is_v6;
};

struct msg_referral {
	uint32_t ttl_s;       /* the least of its NS records' */
	uint16_t zone_offset; /* of their owner: a label of the question */
	uint8_t server_count; /* 1 or more; the same name may come twice, in different writing */
	uint8_t glue_count;
	bool has_ds;
	struct msg_referral_server servers[ZONE_CUT_SERVERS_MAX];
	struct msg_referral_glue glue[ZONE_CUT_ADDRESSES_MAX]; /* in the message's order */
};

/* Is the message one? Then *out is what msg_parse_response_any makes of it, with its `referral` set to *referral. Else both
 * are undefined. qname: the name that its question begins with, byte for byte. */
MUST_USE bool msg_referral_parse(struct span message, const struct name *qname,
				 struct msg_referral *referral, struct msg_response *out);

/* The name of that server, in lower case. False: it cannot be read. */
MUST_USE bool msg_referral_server_name(const struct msg_response *response, unsigned server_idx,
				       struct name *out);

#endif
