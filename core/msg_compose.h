/* A whole answer out of parts: the links that one zone's servers gave, and what was found at their end.
 *
 * Memory: message does not overlap the parts. Threads: pure functions. Bound: one pass over both, SCRUB_RECORDS_MAX records a
 * section, COMPRESSION_ENTRIES_MAX names compressed.
 */
#ifndef PORTICO_MSG_COMPOSE_H
#define PORTICO_MSG_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "msg_parse.h"
#include "span.h"

/* ID, question and flags of links; its answer section, then that of rest; rest's authority section, then that of links (proofs
 * of its wildcards); rest's RCODE (its EDE, and an RCODE that only an OPT can say, are the caller's). No additional section. Both are
 * clean messages (scrub.h) or answers of ours. False: no room, or more records than may be kept; *out is untouched. */
MUST_USE bool msg_compose_chain(const struct msg_response *links, const struct msg_response *rest,
				struct buffer message, struct msg_response *out);

#endif
