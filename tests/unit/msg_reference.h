/* A second msg_parse_query, slower and simpler, to compare the first with. */
#ifndef PORTICO_MSG_REFERENCE_H
#define PORTICO_MSG_REFERENCE_H

#include "core/msg_parse.h"

MUST_USE enum msg_query_result msg_reference_query(struct span message, struct msg_query *out);

#endif
