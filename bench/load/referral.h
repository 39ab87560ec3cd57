/* What the root and top-level domains say with --roots: of a name, a referral to who serves its last label, or its last two, with
 * addresses for every server; of their own names, who serves the root (priming, RFC 8109), or that there is no such record.
 *
 * A zone's servers are n1, n2 ... below its name.
 *
 * Threads: pure functions.
 */
#ifndef LOAD_REFERRAL_H
#define LOAD_REFERRAL_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/content.h"
#include "bench/load/options.h"
#include "core/msg_parse.h"

/* The longest that a referral can be, behind its question. */
unsigned referral_bytes_max(const struct options *options);
/* The name of the zone that so many of qname's last labels are: a pointer to it in the question of the message at dns, or the
 * root. */
uint8_t *referral_put_zone(uint8_t *at, const uint8_t *dns, const struct name *qname,
			   unsigned labels);
/* Over the query at dns, which has room; server_idx plays the root or a top-level domain. Returns the message's length. */
unsigned referral_put(const struct options *options, uint32_t server_idx, uint8_t *dns,
		      const struct msg_query *query, uint32_t ttl_s);
/* What a zone's server says of its own name. False: it is no such name. */
MUST_USE bool referral_own_name(const struct options *options, const struct msg_query *query,
				struct content_answer *out);

#endif
