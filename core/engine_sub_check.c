/* Invariants of sub-questions: whoever waits has a waiter or is about to, and every waiter is somewhere. */
#include "engine_sub.h"

/* So many waiters, by next, of which each is one of ours and waits for something. */
static uint32_t chain_check(const struct engine *e, uint32_t head, uint32_t tail)
{
	const struct waiter *waiters = e->waiters.waiters;
	uint32_t last = POOL_NONE;
	uint32_t count = 0;

	for (uint32_t i = head; i != POOL_NONE; i = waiters[i].next) {
		const struct resolution *r = engine_sub_resolution(e, waiters[i].resolution_idx);
		uint32_t buffer_idx = waiters[i].sub.buffer_idx;

		CHECK(++count <= e->subs.waiter_count);
		CHECK(waiters[i].kind == WAITER_SUB && r->state != RESOLUTION_FREE &&
		      r->apart_count > 0);
		CHECK(buffer_idx == POOL_NONE || e->answers[buffer_idx].sharers > 0);
		last = i;
	}
	CHECK(last == tail);
	return count;
}

static void list_check(const struct engine *e, const struct sub_list *l, enum sub_wait wait)
{
	uint32_t before = POOL_NONE;
	uint32_t count = 0;

	for (uint32_t i = l->head; i != POOL_NONE; i = e->subs.states[i].next) {
		CHECK(++count <= l->count);
		CHECK(engine_sub_waits_for(e, i) != NULL && e->subs.states[i].wait == wait &&
		      e->subs.states[i].previous == before);
		before = i;
	}
	CHECK(count == l->count && before == l->tail);
}

/* Of this worker's own, every one that asks has its waiter, or is about to be answered or to ask. */
static bool has_waiter(const struct engine *e, uint32_t asker_idx, const struct sub_state *s)
{
	const struct waiter *waiters = e->waiters.waiters;

	for (uint32_t i = 0; i < e->waiters.free.fresh; i++)
		if (waiters[i].kind == WAITER_SUB && waiters[i].origin_worker == e->worker_idx &&
		    waiters[i].sub.asker_idx == asker_idx && waiters[i].sub.serial == s->serial)
			return true;
	return false;
}

void engine_sub_check(const struct engine *e)
{
	const struct sub_table *t = &e->subs;
	uint32_t waiters = chain_check(e, t->released_head, t->released_tail);
	uint32_t out = chain_check(e, t->out_head, t->out_tail);
	uint32_t waiting = 0, sum = 0;

	CHECK(out == t->out_count);
	waiters += out;
	list_check(e, &t->queue, SUB_WAIT_QUEUED);
	list_check(e, &t->out, SUB_WAIT_OUT);
	for (uint32_t i = 0; i < t->fresh; i++) {
		const struct sub_state *s = engine_sub_state_find(e, i);

		if (s == NULL || engine_sub_resolution(e, i)->state == RESOLUTION_FREE)
			continue;
		waiters += chain_check(e, s->waiter_head, s->waiter_tail);
		CHECK(s->waiter_head == POOL_NONE ||
		      engine_sub_resolution(e, i)->state != RESOLUTION_DONE);
		CHECK(s->waiter_count <= engine_sub_resolution(e, i)->apart_count);
		sum += s->waiter_count;
		if (s->wait == SUB_WAIT_NONE)
			continue;
		waiting++;
		CHECK(engine_sub_resolution(e, i)->state != RESOLUTION_DONE);
		CHECK(s->wait != SUB_WAIT_ASKED || s->owner != e->worker_idx ||
		      has_waiter(e, i, s));
	}
	CHECK(waiting == t->waiting_count);
	CHECK(waiters == t->waiter_count && sum == t->waiter_count);
}
