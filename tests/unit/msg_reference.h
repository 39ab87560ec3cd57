/* What readings of messages are compared with: a second msg_parse_query, slower and simpler, and equality of responses. */
#ifndef PORTICO_MSG_REFERENCE_H
#define PORTICO_MSG_REFERENCE_H

#include <stdbool.h>

#include "core/msg_parse.h"

MUST_USE enum msg_query_result msg_reference_query(struct span message, struct msg_query *out);
/* In all but what was noted of a referral. */
bool msg_responses_equal(const struct msg_response *a, const struct msg_response *b);

#endif
