/* What engine_sub.c and engine_sub_pass.c share. */
#ifndef PORTICO_ENGINE_SUB_H
#define PORTICO_ENGINE_SUB_H

#include "engine_iterate.h"

/* Nothing was heard of what another worker was asked: it is passed once more, as it or its answer may have found a ring full.
 * Doubles each time. */
#define SUB_RESEND_MS 400

/* What the resolution waits for, as its owner is to have it. */
void engine_sub_question_of(const struct engine *e, uint32_t asker_idx, struct sub_question *q);
struct waiter engine_sub_waiter_of(const struct engine *e, uint32_t asker_idx);
/* It is on its way to its owner. */
void engine_sub_sent(struct engine *e, uint32_t asker_idx);

/* The next waiter whose answer is to be sent; POOL_NONE: none. engine_sub_out_end gives its place back. */
uint32_t engine_sub_out_next(struct engine *e);
void engine_sub_out_end(struct engine *e, uint32_t waiter_idx);
/* What a released waiter is told, but for answer->cut of SUB_CUT; holds until its place is given back. */
void engine_sub_answer_of(struct engine *e, uint32_t waiter_idx, struct sub_answer *answer);
/* The cut of SUB_CUT; empty: another verdict. */
struct span engine_sub_packed_cut(const struct engine *e, uint32_t waiter_idx);

#endif
