/* Sub-questions, as those who are asked have them: a waiter for each, which gets what becomes of the resolution, or what it knows of
 * a zone cut before that. What they spend is the resolution's: who has begun it, or has it go on for longer, pays for it. */
#include "engine_sub.h"

#include <string.h>

/* ---- budgets ---- */

static struct budget spent_by(struct engine *e, uint32_t idx)
{
	struct budget left;

	engine_iterate_left(e, idx, &left);
	return budget_minus(&e->subs.states[idx].granted, &left);
}

/* ---- beginning, for whoever asks ---- */

static void waiter_push(struct engine *e, uint32_t resolution_idx, uint32_t waiter_idx,
			const struct waiter *waiter)
{
	struct sub_state *s = &e->subs.states[resolution_idx];

	e->waiters.waiters[waiter_idx] = *waiter;
	e->waiters.waiters[waiter_idx].resolution_idx = resolution_idx;
	engine_sub_chain_push(e, &s->waiter_head, &s->waiter_tail, waiter_idx);
	s->waiter_count++;
	e->subs.waiter_count++;
	engine_sub_resolution(e, resolution_idx)->apart_count++;
}

/* By how much its budget is raised now that q, or a client, waits for it. */
static struct budget raise(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	struct sub_state *s = engine_sub_state_find(e, idx);
	struct budget before, after, raised;

	engine_iterate_left(e, idx, &before);
	engine_iterate_join(e, idx, q);
	engine_iterate_left(e, idx, &after);
	raised = budget_minus(&after, &before);
	if (s != NULL)
		s->granted = budget_plus(&s->granted, &raised);
	return raised;
}

void engine_sub_join_client(struct engine *e, uint32_t resolution_idx)
{
	(void)raise(e, resolution_idx, NULL);
}

static bool join(struct engine *e, uint32_t idx, const struct sub_question *q,
		 const struct waiter *waiter, struct sub_answer *answer)
{
	struct sub_state *s = engine_sub_state_of(e, idx);
	uint32_t waiter_idx;
	struct budget raised;

	if (s->wait != SUB_WAIT_NONE &&
	    engine_sub_is_among(s->hash, q->ancestors, q->ancestor_count))
		return engine_sub_fail_loop(e, answer);
	if (resolution_waiters(engine_sub_resolution(e, idx)) >= WAITERS_PER_QUESTION_MAX)
		return engine_sub_fail_full(e, answer);
	waiter_idx = pool_take(&e->waiters.free);
	if (waiter_idx == POOL_NONE)
		return engine_sub_fail_full(e, answer);
	waiter_push(e, idx, waiter_idx, waiter);
	e->waiters.waiters[waiter_idx].sub.spent = spent_by(e, idx);
	counter_add(&e->counters, COUNTER_SUB_COALESCED, 1);
	raised = raise(e, idx, q);
	/* Whoever has it go on for longer pays for what it spends from now on. */
	e->waiters.waiters[waiter_idx].sub.pays = budget_is_any(&raised);
	return false;
}

/* A resolution of its own, with nothing begun. waiter NULL: nobody waits; else it gets this place. POOL_NONE: there is no room, and
 * the place is given back. */
static uint32_t take_new(struct engine *e, const struct resolution_key *key,
			 const struct sub_question *q, const struct waiter *waiter,
			 uint32_t waiter_idx)
{
	uint32_t idx;
	struct sub_state *s;
	struct resolution *r;

	if (waiter != NULL && waiter_idx == POOL_NONE)
		return POOL_NONE;
	idx = resolution_take(&e->resolutions, key, e->now);
	if (idx == POOL_NONE) {
		if (waiter != NULL)
			pool_put(&e->waiters.free, waiter_idx);
		counter_add(&e->counters, COUNTER_SHED_UNDER_WAY, 1);
		return POOL_NONE;
	}
	r = engine_sub_resolution(e, idx);
	if (q->deadline_at < r->deadline_at)
		r->deadline_at = q->deadline_at;
	s = engine_sub_state_of(e, idx);
	s->granted = q->lent;
	s->ancestor_count = q->ancestor_count;
	memcpy(s->ancestors, q->ancestors, q->ancestor_count * sizeof(q->ancestors[0]));
	if (waiter != NULL) {
		waiter_push(e, idx, waiter_idx, waiter);
		e->waiters.waiters[waiter_idx].sub.pays = true;
		e->waiters.waiters[waiter_idx].sub.spent = (struct budget){0};
	}
	return idx;
}

static bool begin_new(struct engine *e, const struct resolution_key *key,
		      const struct sub_question *q, const struct waiter *waiter,
		      struct sub_answer *answer)
{
	uint32_t waiter_idx = waiter != NULL ? pool_take(&e->waiters.free) : POOL_NONE;
	uint32_t idx = take_new(e, key, q, waiter, waiter_idx);

	if (idx == POOL_NONE)
		return engine_sub_fail_full(e, answer);
	counter_add(&e->counters, COUNTER_SUB_NEW, 1);
	engine_iterate_begin(e, idx, q);
	return false;
}

/* But for the zone, which the caller chooses. */
static void key_fill(struct resolution_key *key, const struct sub_question *q)
{
	key->hash = q->hash;
	key->qtype = q->qtype;
	key->qclass = DNS_CLASS_IN;
	key->view = 0;
	key->checking_disabled = q->checking_disabled;
	name_copy(&key->qname, &q->qname);
}

bool engine_sub_begin(struct engine *e, const struct sub_question *q, const struct waiter *waiter,
		      struct sub_answer *answer)
{
	struct cache_key cached;
	struct resolution_key elsewhere; /* not cleared: names are long */
	struct resolution_key *key = resolution_key_place(&e->resolutions, &elsewhere);
	uint32_t idx;

	*answer = (struct sub_answer){.purpose = q->purpose, .left = q->lent};
	engine_key_known(&q->qname, 0, q->qtype, 0, q->checking_disabled, q->hash, &cached);
	DCHECK(engine_owner(e, q->hash) == e->worker_idx);
	if (waiter != NULL && engine_sub_from_cache(e, &cached, answer))
		return true;
	key_fill(key, q);
	key->zone_idx = engine_zone_for(e->config, &key->qname);
	if (key->zone_idx == ENGINE_ZONE_NONE)
		return engine_sub_fail(answer, DNS_EDE_NOT_AUTHORITATIVE, false);
	key->zone_generation = engine_zone_generation(e->config, key->zone_idx);
	idx = engine_find(e, key);
	if (idx == POOL_NONE)
		return begin_new(e, key, q, waiter, answer);
	return waiter != NULL && join(e, idx, q, waiter, answer);
}

/* The next place may have the waiter of who joins already, as waiters are made where they will be: the one after it. */
static uint32_t waiter_take_second(struct engine *e)
{
	uint32_t first = pool_take(&e->waiters.free);
	uint32_t second = pool_take(&e->waiters.free);

	if (first != POOL_NONE)
		pool_put(&e->waiters.free, first);
	return second;
}

uint32_t engine_sub_part(struct engine *e, uint32_t asker_idx, const struct sub_question *q)
{
	const struct resolution_key *asker = &engine_sub_resolution(e, asker_idx)->key;
	struct resolution_key elsewhere; /* not cleared: names are long */
	struct resolution_key *key = resolution_key_place(&e->resolutions, &elsewhere);
	struct sub_question asked;
	struct waiter waiter;
	uint32_t idx;

	engine_sub_ask_begun(e, asker_idx, q);
	engine_sub_question_of(e, asker_idx, &asked);
	waiter = engine_sub_waiter_of(e, asker_idx);
	key_fill(key, &asked);
	key->zone_idx = asker->zone_idx;
	key->zone_generation = asker->zone_generation;
	idx = take_new(e, key, &asked, &waiter, waiter_take_second(e));
	if (idx == POOL_NONE)
		engine_sub_cancel(e, asker_idx);
	else
		engine_iterate_init(e, idx, &asked);
	return idx;
}

/* ---- answering ---- */

void engine_sub_waiter_end(struct engine *e, uint32_t waiter_idx)
{
	const struct waiter *waiter = &e->waiters.waiters[waiter_idx];
	uint32_t resolution_idx = waiter->resolution_idx;
	uint32_t buffer_idx = waiter->sub.buffer_idx;
	struct resolution *r = engine_sub_resolution(e, resolution_idx);

	if (buffer_idx != POOL_NONE && --e->answers[buffer_idx].sharers == 0)
		pool_put(&e->answers_free, buffer_idx);
	pool_put(&e->waiters.free, waiter_idx);
	e->subs.states[resolution_idx].waiter_count--;
	e->subs.waiter_count--;
	r->apart_count--;
	if (r->state == RESOLUTION_DONE)
		engine_resolution_end(e, resolution_idx);
}

static void released_push(struct engine *e, uint32_t waiter_idx)
{
	engine_sub_chain_push(e, &e->subs.released_head, &e->subs.released_tail, waiter_idx);
}

void engine_sub_release(struct engine *e, uint32_t resolution_idx)
{
	struct sub_state *s = engine_sub_state_find(e, resolution_idx);
	uint32_t waiter_idx;

	if (s == NULL)
		return;
	while ((waiter_idx = engine_sub_chain_pop(e, &s->waiter_head, &s->waiter_tail)) !=
	       POOL_NONE)
		released_push(e, waiter_idx);
}

/* A buffer with the packed cut; POOL_NONE: there is none. */
static uint32_t keep_cut(struct engine *e, const struct zone_cut *cut)
{
	uint32_t idx = pool_take(&e->answers_free);
	struct engine_answer *kept;
	size_t length_bytes;

	if (idx == POOL_NONE)
		return POOL_NONE;
	kept = &e->answers[idx];
	length_bytes = zone_cut_pack(cut, (struct buffer){kept->bytes, sizeof(kept->bytes)});
	CHECK(length_bytes > 0); /* any fits */
	kept->response.message = (struct span){kept->bytes, length_bytes};
	kept->sharers = 0;
	return idx;
}

/* The waiters of s that ask for the step get the verdict, with that buffer. */
static void release_steps(struct engine *e, struct sub_state *s, enum sub_verdict verdict,
			  uint32_t buffer_idx)
{
	uint32_t head = s->waiter_head;
	uint32_t next;

	s->waiter_head = POOL_NONE;
	s->waiter_tail = POOL_NONE;
	for (uint32_t at = head; at != POOL_NONE; at = next) {
		struct waiter *waiter = &e->waiters.waiters[at];

		next = waiter->next;
		if (waiter->sub.purpose != SUB_STEP) {
			engine_sub_chain_push(e, &s->waiter_head, &s->waiter_tail, at);
			continue;
		}
		waiter->sub.verdict = (uint8_t)verdict;
		waiter->sub.buffer_idx = buffer_idx;
		if (buffer_idx != POOL_NONE)
			e->answers[buffer_idx].sharers++;
		released_push(e, at);
	}
}

static bool has_step(const struct engine *e, const struct sub_state *s)
{
	for (uint32_t at = s->waiter_head; at != POOL_NONE; at = e->waiters.waiters[at].next)
		if (e->waiters.waiters[at].sub.purpose == SUB_STEP)
			return true;
	return false;
}

bool engine_sub_release_steps(struct engine *e, uint32_t resolution_idx, enum sub_verdict verdict,
			      const struct zone_cut *cut)
{
	const struct resolution *r = engine_sub_resolution(e, resolution_idx);
	struct sub_state *s = engine_sub_state_find(e, resolution_idx);
	uint32_t buffer_idx = POOL_NONE;

	if (s != NULL && has_step(e, s)) {
		if (verdict == SUB_CUT)
			buffer_idx = keep_cut(e, cut);
		if (verdict == SUB_CUT && buffer_idx == POOL_NONE)
			verdict = SUB_FAILED;
		release_steps(e, s, verdict, buffer_idx);
	}
	return r->waiter_count > 0 || r->stream_tail != POOL_NONE ||
	       (s != NULL && s->waiter_head != POOL_NONE);
}

/* What a DONE resolution says to the purpose. */
static void answer_of_done(const struct engine *e, uint32_t resolution_idx,
			   struct sub_answer *answer)
{
	const struct resolution *r = engine_sub_resolution(e, resolution_idx);

	answer->response = engine_kept_answer(e, r);
	if (answer->response == NULL) {
		answer->verdict = SUB_FAILED;
		answer->rcode = r->rcode;
		answer->ede = r->ede;
		answer->is_ours = r->hindered;
		answer->is_loop = r->loops;
		return;
	}
	answer->rcode = answer->response->flags & DNS_RCODE_MASK;
	answer->verdict = SUB_ANSWER;
	if (answer->purpose != SUB_STEP)
		return;
	answer->response = NULL;
	answer->verdict = answer->rcode == DNS_RCODE_NXDOMAIN ? SUB_NXDOMAIN : SUB_NO_CUT;
}

void engine_sub_answer_of(struct engine *e, uint32_t waiter_idx, struct sub_answer *answer)
{
	const struct waiter *waiter = &e->waiters.waiters[waiter_idx];
	struct budget spent;

	*answer = (struct sub_answer){
		.verdict = (enum sub_verdict)waiter->sub.verdict,
		.purpose = (enum sub_purpose)waiter->sub.purpose,
		.left = waiter->sub.lent,
	};
	if (waiter->sub.pays) {
		spent = spent_by(e, waiter->resolution_idx);
		spent = budget_minus(&spent, &waiter->sub.spent);
		answer->left = budget_rest(&waiter->sub.lent, &spent);
	}
	if (answer->verdict == SUB_VERDICT_COUNT)
		answer_of_done(e, waiter->resolution_idx, answer);
	else if (answer->verdict == SUB_FAILED) /* no buffer for the cut */
		(void)engine_sub_fail_full(e, answer);
}

uint32_t engine_sub_out_next(struct engine *e)
{
	uint32_t idx = engine_sub_chain_pop(e, &e->subs.out_head, &e->subs.out_tail);

	e->subs.out_count -= idx != POOL_NONE;
	return idx;
}

struct span engine_sub_packed_cut(const struct engine *e, uint32_t waiter_idx)
{
	uint32_t buffer_idx = e->waiters.waiters[waiter_idx].sub.buffer_idx;

	return buffer_idx == POOL_NONE ? (struct span){NULL, 0}
				       : e->answers[buffer_idx].response.message;
}

void engine_sub_answer_next(struct engine *e)
{
	uint32_t idx = engine_sub_chain_pop(e, &e->subs.released_head, &e->subs.released_tail);
	struct waiter_sub asker = e->waiters.waiters[idx].sub;
	struct sub_answer answer;

	if (e->waiters.waiters[idx].origin_worker != e->worker_idx) {
		engine_sub_chain_push(e, &e->subs.out_head, &e->subs.out_tail, idx);
		e->subs.out_count++;
		return;
	}
	engine_sub_answer_of(e, idx, &answer);
	if (answer.verdict == SUB_CUT) {
		if (zone_cut_unpack(engine_sub_packed_cut(e, idx), &e->sub_cut))
			answer.cut = &e->sub_cut;
		else
			(void)engine_sub_fail(&answer, DNS_EDE_NONE, true);
	}
	/* What the answer points to is held by its waiter. */
	(void)engine_sub_answered(e, asker.asker_idx, asker.serial, &answer);
	engine_sub_waiter_end(e, idx);
}
