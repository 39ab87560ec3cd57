/* What a client's query gets, by SECURITY.md section 3.1: resolved, answered at once, or nothing. One table
 * of verdicts; no state. RFCs 1035, 6891, 7873 section 5.4, 8482, 8906, 9619.
 *
 * Threads: pure functions.
 */
#ifndef PORTICO_QUERY_POLICY_H
#define PORTICO_QUERY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "dns_const.h"
#include "msg_parse.h"

enum query_action {
	QUERY_RESOLVE,
	QUERY_REPLY,        /* with rcode */
	QUERY_REPLY_CACHED, /* what the cache has; with rcode, if it has nothing. Nobody is asked */
	QUERY_REPLY_ANY,    /* NOERROR with RFC 8482's HINFO */
	QUERY_REPLY_COOKIE, /* NOERROR or BADCOOKIE without a question */
	QUERY_DROP_SHORT,
	QUERY_DROP_IS_RESPONSE,
};

struct query_verdict {
	enum query_action action;
	uint16_t rcode;
	bool question_echoed;
};

/* Most are: a well-formed question that is to be resolved, whatever else query_policy_judge would look at. */
static inline bool query_policy_is_ordinary(enum msg_query_result result,
					    const struct msg_query *query)
{
	uint16_t qtype = query->qtype;

	if (UNLIKELY(result != MSG_QUERY_OK) || UNLIKELY(query->qclass != DNS_CLASS_IN) ||
	    UNLIKELY((query->flags & DNS_FLAG_RD) == 0))
		return false;
	/* In one comparison each: 0 is beyond any type, and what is below the first beyond the last. */
	return LIKELY((uint16_t)(qtype - 1) < DNS_TYPE_META_FIRST - 1) &&
	       LIKELY((uint16_t)(qtype - DNS_TYPE_OPT) > DNS_TYPE_RRSIG - DNS_TYPE_OPT);
}
/* result and query as msg_parse_query gave them. */
struct query_verdict query_policy_judge(enum msg_query_result result,
					const struct msg_query *query);

/* Source ports that questions never come from in earnest, but loops do (RFC 862 to 868): 0, 7, 13, 17, 19, 37. */
static inline bool query_policy_port_is_loop(uint16_t src_port)
{
	const uint64_t loops = UINT64_C(1) << 0 | UINT64_C(1) << 7 | UINT64_C(1) << 13 |
			       UINT64_C(1) << 17 | UINT64_C(1) << 19 | UINT64_C(1) << 37;

	return src_port < 64 && (loops >> src_port & 1) != 0;
}

#endif
