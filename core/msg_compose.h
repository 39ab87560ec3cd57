/* A whole answer out of parts: the links that one zone's servers gave, and what was found at their end.
 *
 * Threads: pure functions. Bound: one pass over both, COMPRESSION_ENTRIES_MAX names compressed.
 */
#ifndef PORTICO_MSG_COMPOSE_H
#define PORTICO_MSG_COMPOSE_H

#include <stdint.h>

#include "check.h"
#include "msg_parse.h"
#include "span.h"

/* Question and ID of links; its answer section, then that of rest; rest's authority section, RCODE (and EDE, which is the
 * caller's). Both are clean messages (scrub.h) or answers of ours. False: no room, or more records than may be kept; *out is
 * untouched. */
MUST_USE bool msg_compose_chain(const struct msg_response *links, const struct msg_response *rest,
				struct buffer message, struct msg_response *out);

#endif
