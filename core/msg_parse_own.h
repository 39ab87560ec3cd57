/* What the ways of reading a response share (msg_parse.c, msg_referral.c). */
#ifndef PORTICO_MSG_PARSE_OWN_H
#define PORTICO_MSG_PARSE_OWN_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "msg_parse.h"

#define MSG_RECORD_FIXED_BYTES 10 /* type, class, TTL, RDLENGTH */
#define MSG_QUESTION_FIXED_BYTES 4
#define MSG_TTL_TOP_BIT UINT32_C(0x80000000)

/* The whole record at that offset, none of an OPT's: framing, owner, and RDATA of its type's shape. */
MUST_USE bool msg_parse_record(struct span message, size_t offset, struct msg_record *out);

/* The OPT record, the first of its message, into r->edns and r->opt_offset. False: malformed. */
MUST_USE bool msg_parse_opt(struct msg_response *r, const struct msg_record *record);

#endif
