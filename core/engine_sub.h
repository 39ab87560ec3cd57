/* What engine_sub*.c share.
 *
 *   engine_sub.c        who asks: its wait, from the queue to the answer; a turn
 *   engine_sub_wait.c   who is asked: waiters, from the question to their answers
 *   engine_sub_pass.c   both as messages
 *   engine_sub_check.c  invariants
 */
#ifndef PORTICO_ENGINE_SUB_H
#define PORTICO_ENGINE_SUB_H

#include "engine_iterate.h"

/* Nothing was heard of what another worker was asked: it is passed once more, as it or its answer may have found a ring full.
 * Doubles each time. */
#define SUB_RESEND_MS 400

static inline struct resolution *engine_sub_resolution(const struct engine *e, uint32_t idx)
{
	return &e->resolutions.resolutions[idx];
}

/* NULL: the resolution has nothing to do with sub-questions so far. */
static inline struct sub_state *engine_sub_state_find(const struct engine *e, uint32_t idx)
{
	if (idx >= e->subs.fresh ||
	    e->subs.states[idx].generation != engine_sub_resolution(e, idx)->generation)
		return NULL;
	return &e->subs.states[idx];
}

/* The same, made. */
struct sub_state *engine_sub_state_of(struct engine *e, uint32_t idx);

static inline bool engine_sub_is_among(uint64_t hash, const uint64_t hashes[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (hashes[i] == hash)
			return true;
	return false;
}

/* Chains of waiters, by next. */

static inline void engine_sub_chain_push(struct engine *e, uint32_t *head, uint32_t *tail,
					 uint32_t waiter_idx)
{
	e->waiters.waiters[waiter_idx].next = POOL_NONE;
	if (*head == POOL_NONE)
		*head = waiter_idx;
	else
		e->waiters.waiters[*tail].next = waiter_idx;
	*tail = waiter_idx;
}

static inline uint32_t engine_sub_chain_pop(struct engine *e, uint32_t *head, uint32_t *tail)
{
	uint32_t idx = *head;

	if (idx == POOL_NONE)
		return POOL_NONE;
	*head = e->waiters.waiters[idx].next;
	if (*head == POOL_NONE)
		*tail = POOL_NONE;
	return idx;
}

/* Of an answer whose purpose and what is left are set; true, for the caller to return. */
static inline bool engine_sub_fail(struct sub_answer *answer, uint16_t ede, bool is_ours)
{
	answer->verdict = SUB_FAILED;
	answer->rcode = DNS_RCODE_SERVFAIL;
	answer->ede = ede;
	answer->is_ours = is_ours;
	return true;
}

static inline bool engine_sub_fail_full(struct engine *e, struct sub_answer *answer)
{
	counter_add(&e->counters, COUNTER_SUB_FULL, 1);
	return engine_sub_fail(answer, DNS_EDE_NONE, true);
}

static inline bool engine_sub_fail_loop(struct engine *e, struct sub_answer *answer)
{
	counter_add(&e->counters, COUNTER_SUB_LOOPS, 1);
	answer->is_loop = true;
	return engine_sub_fail(answer, DNS_EDE_NONE, false);
}

/* What the cache has fresh to the answer's purpose, which is set; refers to *e. False: nothing. */
bool engine_sub_from_cache(struct engine *e, const struct cache_key *key,
			   struct sub_answer *answer);

/* q is asked for the resolution, and is begun here and now. */
void engine_sub_ask_begun(struct engine *e, uint32_t asker_idx, const struct sub_question *q);
/* What the resolution waits for, as its owner is to have it. */
void engine_sub_question_of(const struct engine *e, uint32_t asker_idx, struct sub_question *q);
struct waiter engine_sub_waiter_of(const struct engine *e, uint32_t asker_idx);
/* It is on its way to its owner. */
void engine_sub_sent(struct engine *e, uint32_t asker_idx);

/* The first that is released: to its asker, or among those whose answers are to be sent. */
void engine_sub_answer_next(struct engine *e);
/* The next waiter whose answer is to be sent; POOL_NONE: none. */
uint32_t engine_sub_out_next(struct engine *e);
/* What a released waiter is told, but for the cut of SUB_CUT; holds until its place is given back. */
void engine_sub_answer_of(struct engine *e, uint32_t waiter_idx, struct sub_answer *answer);
/* The cut of SUB_CUT; empty: another verdict. */
struct span engine_sub_packed_cut(const struct engine *e, uint32_t waiter_idx);
/* It is answered: its place is free. */
void engine_sub_waiter_end(struct engine *e, uint32_t waiter_idx);

#endif
