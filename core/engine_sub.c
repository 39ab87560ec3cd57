/* Sub-questions: a resolution that needs another question's answer asks it, waits for one thing at a time, and is told what has
 * become of it. Who owns the question has a waiter for it, as for a client; whoever asks keeps what it asked, its deadline and
 * a serial number, by which an answer finds its wait.
 *
 * Nothing here acts on a resolution from within another one's step: questions and answers are queued, and the engine's turn
 * works them off. What another worker is to have is built into messages (engine_sub_pass.c). A message may be lost: a
 * question that nothing is heard of for a while is passed once more, until its deadline. */
#include "engine_sub.h"
#include "engine_hit.h"

#include <string.h>

/* Of each turn. */
#define SUBS_PER_TURN 256

const char *const sub_purpose_text[SUB_PURPOSE_COUNT] = {
	[SUB_STEP] = "step",
	[SUB_ADDRESS] = "address",
	[SUB_LINK] = "link",
	[SUB_PRIME] = "prime",
};
static_assert(ARRAY_COUNT(sub_purpose_text) == SUB_PURPOSE_COUNT, "each has its text");

const char *const sub_verdict_text[SUB_VERDICT_COUNT] = {
	[SUB_CUT] = "zone cut",  [SUB_NO_CUT] = "no zone cut", [SUB_NXDOMAIN] = "no such name",
	[SUB_ANSWER] = "answer", [SUB_CACHED] = "cached",      [SUB_FAILED] = "failed",
};
static_assert(ARRAY_COUNT(sub_verdict_text) == SUB_VERDICT_COUNT, "each has its text");

const char *const sub_wait_text[SUB_WAIT_COUNT] = {
	[SUB_WAIT_NONE] = "none",
	[SUB_WAIT_QUEUED] = "queued",
	[SUB_WAIT_OUT] = "to be sent",
	[SUB_WAIT_ASKED] = "asked",
};
static_assert(ARRAY_COUNT(sub_wait_text) == SUB_WAIT_COUNT, "each has its text");

/* ---- states and lists ---- */

void engine_sub_init(struct engine *e)
{
	e->subs.released_head = POOL_NONE;
	e->subs.released_tail = POOL_NONE;
	e->subs.out_head = POOL_NONE;
	e->subs.out_tail = POOL_NONE;
	e->subs.queue = (struct sub_list){POOL_NONE, POOL_NONE, 0};
	e->subs.out = (struct sub_list){POOL_NONE, POOL_NONE, 0};
}

struct sub_state *engine_sub_state_of(struct engine *e, uint32_t idx)
{
	struct sub_table *t = &e->subs;
	struct sub_state *s = &t->states[idx];

	while (t->fresh <= idx)
		t->states[t->fresh++].generation = 0; /* no resolution's that is taken */
	if (s->generation == engine_sub_resolution(e, idx)->generation)
		return s;
	s->generation = engine_sub_resolution(e, idx)->generation;
	s->ancestor_count = 0;
	s->waiter_count = 0;
	s->waiter_head = POOL_NONE;
	s->waiter_tail = POOL_NONE;
	s->wait = SUB_WAIT_NONE;
	s->granted = (struct budget){0};
	return s;
}

static void list_push(struct engine *e, struct sub_list *l, uint32_t idx)
{
	struct sub_state *states = e->subs.states;

	states[idx].previous = l->tail;
	states[idx].next = POOL_NONE;
	if (l->count++ == 0)
		l->head = idx;
	else
		states[l->tail].next = idx;
	l->tail = idx;
}

static void list_remove(struct engine *e, struct sub_list *l, uint32_t idx)
{
	struct sub_state *states = e->subs.states;

	CHECK(l->count > 0);
	l->count--;
	if (states[idx].previous == POOL_NONE)
		l->head = states[idx].next;
	else
		states[states[idx].previous].next = states[idx].next;
	if (states[idx].next == POOL_NONE)
		l->tail = states[idx].previous;
	else
		states[states[idx].next].previous = states[idx].previous;
}

/* The only place that writes wait of a state, with the lists that go by it. */
static void set_wait(struct engine *e, uint32_t idx, enum sub_wait to)
{
	struct sub_state *s = &e->subs.states[idx];

	if (s->wait == SUB_WAIT_QUEUED)
		list_remove(e, &e->subs.queue, idx);
	else if (s->wait == SUB_WAIT_OUT)
		list_remove(e, &e->subs.out, idx);
	e->subs.waiting_count += to != SUB_WAIT_NONE;
	e->subs.waiting_count -= s->wait != SUB_WAIT_NONE;
	s->wait = (uint8_t)to;
	if (to == SUB_WAIT_QUEUED)
		list_push(e, &e->subs.queue, idx);
	else if (to == SUB_WAIT_OUT)
		list_push(e, &e->subs.out, idx);
}

/* ---- asking ---- */

static mono_ns wake_at(const struct engine *e, const struct sub_state *s)
{
	mono_ns resend_at = e->now + (SUB_RESEND_MS * NS_PER_MS << s->resends);

	return s->owner != e->worker_idx && resend_at < s->deadline_at ? resend_at : s->deadline_at;
}

static uint64_t hash_of(const struct engine *e, const struct sub_question *q)
{
	struct cache_key key;

	engine_key_make(e, &q->qname, q->qtype, q->checking_disabled, &key);
	return key.hash;
}

/* What it waits for from now on. */
static struct sub_state *wait_begin(struct engine *e, uint32_t asker_idx,
				    const struct sub_question *q, uint64_t hash)
{
	struct sub_state *s = engine_sub_state_of(e, asker_idx);

	CHECK(s->wait == SUB_WAIT_NONE);
	s->purpose = (uint8_t)q->purpose;
	s->owner = engine_owner(e, hash);
	s->resends = 0;
	s->traced = q->traced;
	s->checking_disabled = q->checking_disabled;
	s->is_loop = hash == engine_sub_resolution(e, asker_idx)->key.hash ||
		     engine_sub_is_among(hash, s->ancestors, s->ancestor_count);
	s->has_cut = q->cut != NULL;
	s->qtype = q->qtype;
	s->serial = ++e->subs.last_serial;
	s->hash = hash;
	s->deadline_at = q->deadline_at;
	s->lent = q->lent;
	name_copy(&s->qname, &q->qname);
	return s;
}

void engine_sub_ask(struct engine *e, uint32_t asker_idx, const struct sub_question *q)
{
	uint64_t hash = q->hash != 0 ? q->hash : hash_of(e, q);
	struct sub_state *s;

	counter_add(&e->counters, COUNTER_SUB_ASKED, 1);
	/* Until its turn comes. */
	resolution_prefetch(&e->resolutions, hash);
	if (e->cache != NULL)
		cache_prefetch(e->cache, hash);
	if (q->purpose == SUB_PRIME) {
		e->subs.primes = true;
		e->subs.prime_owner = engine_owner(e, hash);
		e->subs.prime = *q;
		e->subs.prime.hash = hash;
		return;
	}
	s = wait_begin(e, asker_idx, q, hash);
	set_wait(e, asker_idx, SUB_WAIT_QUEUED);
	if (UNLIKELY(q->traced))
		engine_trace_asks(e, asker_idx, q, s->owner);
	timer_set(&e->timers, engine_resolution_timer(e, asker_idx), wake_at(e, s));
}

void engine_sub_ask_begun(struct engine *e, uint32_t asker_idx, const struct sub_question *q)
{
	struct sub_state *s = wait_begin(e, asker_idx, q, q->hash);

	set_wait(e, asker_idx, SUB_WAIT_ASKED);
	timer_set(&e->timers, engine_resolution_timer(e, asker_idx), wake_at(e, s));
}

void engine_sub_cancel(struct engine *e, uint32_t asker_idx)
{
	const struct sub_state *s = engine_sub_state_find(e, asker_idx);

	if (s == NULL || s->wait == SUB_WAIT_NONE)
		return;
	set_wait(e, asker_idx, SUB_WAIT_NONE);
	timer_cancel(&e->timers, engine_resolution_timer(e, asker_idx));
}

const struct sub_state *engine_sub_waits_for(const struct engine *e, uint32_t resolution_idx)
{
	const struct sub_state *s = engine_sub_state_find(e, resolution_idx);

	return s != NULL && s->wait != SUB_WAIT_NONE ? s : NULL;
}

void engine_sub_question_of(const struct engine *e, uint32_t asker_idx, struct sub_question *q)
{
	const struct sub_state *s = &e->subs.states[asker_idx];

	q->purpose = (enum sub_purpose)s->purpose;
	q->traced = s->traced;
	q->checking_disabled = s->checking_disabled;
	q->qtype = s->qtype;
	/* It ends a little earlier, so that what it has spent comes back before its asker gives up. */
	q->deadline_at = s->deadline_at - SUB_RETURN_NS;
	q->hash = s->hash;
	q->lent = s->lent;
	q->ancestor_count = s->ancestor_count;
	memcpy(q->ancestors, s->ancestors, s->ancestor_count * sizeof(s->ancestors[0]));
	/* Beyond that many there is no budget. */
	if (q->ancestor_count < SUB_ANCESTORS_MAX)
		q->ancestors[q->ancestor_count++] = engine_sub_resolution(e, asker_idx)->key.hash;
	name_copy(&q->qname, &s->qname);
	q->cut = s->has_cut ? engine_iterate_cut(e, asker_idx) : NULL;
}

struct waiter engine_sub_waiter_of(const struct engine *e, uint32_t asker_idx)
{
	const struct sub_state *s = &e->subs.states[asker_idx];

	return (struct waiter){
		.kind = WAITER_SUB,
		.origin_worker = e->worker_idx,
		.next = POOL_NONE,
		.arrived_at = e->now,
		.sub = {.asker_idx = asker_idx,
			.serial = s->serial,
			.purpose = s->purpose,
			.verdict = SUB_VERDICT_COUNT,
			.buffer_idx = POOL_NONE,
			.lent = s->lent},
	};
}

/* ---- what the cache knows ---- */

/* A fresh entry in e->kept. */
static bool find_fresh(struct engine *e, const struct cache_key *key)
{
	struct cache_found found;

	return engine_cache_may_have(e, key->hash) && engine_cache_find(e, key, e->kept, &found) &&
	       cache_entry_state(e->kept, e->config->cache.max_stale_s, e->now_s) ==
		       CACHE_ENTRY_FRESH;
}

/* What e->kept says, to the purpose. False: it cannot be read. */
static bool read_kept(struct engine *e, struct sub_answer *answer, struct msg_response *response)
{
	struct buffer room = {e->sub_message, sizeof(e->sub_message)};
	uint8_t rcode = cache_head_get(e->kept).rcode;
	size_t length_bytes;

	answer->rcode = rcode;
	if (cache_entry_is_failure(e->kept)) {
		answer->verdict = SUB_FAILED;
		answer->ede = DNS_EDE_CACHED_ERROR;
		return true;
	}
	if (answer->purpose == SUB_STEP) {
		answer->verdict = rcode == DNS_RCODE_NXDOMAIN ? SUB_NXDOMAIN : SUB_NO_CUT;
		return true;
	}
	length_bytes = cache_entry_message(room, e->kept, e->now_s);
	if (length_bytes == 0 ||
	    msg_parse_response((struct span){room.data, length_bytes}, response) != MSG_RESPONSE_OK)
		return false;
	answer->verdict = SUB_ANSWER;
	answer->response = response;
	return true;
}

/* The answer's purpose is set. */
bool engine_sub_from_cache(struct engine *e, const struct cache_key *key, struct sub_answer *answer)
{
	if (!find_fresh(e, key) || !read_kept(e, answer, &e->sub_response))
		return false;
	counter_add(&e->counters, COUNTER_SUB_CACHED, 1);
	return true;
}

/* ---- the asker's side ---- */

/* An answer that says that it is in the cache becomes what is there. */
static void fetch_cached(struct engine *e, const struct sub_state *s, struct sub_answer *answer)
{
	struct cache_key key;

	engine_key_known(&s->qname, 0, s->qtype, 0, s->checking_disabled, s->hash, &key);
	if (!find_fresh(e, &key) || !read_kept(e, answer, &e->sub_response))
		(void)engine_sub_fail(answer, DNS_EDE_NONE, true);
}

bool engine_sub_answered(struct engine *e, uint32_t asker_idx, uint32_t serial,
			 struct sub_answer *answer)
{
	const struct sub_state *s = engine_sub_state_find(e, asker_idx);
	struct budget spent, now;

	if (s == NULL || s->wait == SUB_WAIT_NONE || s->serial != serial)
		return false;
	if (answer->verdict == SUB_CACHED)
		fetch_cached(e, s, answer);
	/* It may have been given more while it waited: what was spent comes off that. */
	spent = budget_minus(&s->lent, &answer->left);
	engine_iterate_left(e, asker_idx, &now);
	answer->left = budget_rest(&now, &spent);
	engine_sub_cancel(e, asker_idx);
	engine_iterate_on_sub(e, asker_idx, answer);
	return true;
}

/* It cannot be or was not asked: its wait is over. */
static void fail_wait(struct engine *e, uint32_t asker_idx, bool is_loop)
{
	const struct sub_state *s = &e->subs.states[asker_idx];
	struct sub_answer answer = {.purpose = (enum sub_purpose)s->purpose, .left = s->lent};

	if (is_loop)
		(void)engine_sub_fail_loop(e, &answer);
	else
		(void)engine_sub_fail(&answer, DNS_EDE_NONE, true);
	(void)engine_sub_answered(e, asker_idx, s->serial, &answer);
}

void engine_sub_on_timer(struct engine *e, uint32_t resolution_idx)
{
	struct sub_state *s = &e->subs.states[resolution_idx];

	if (e->now >= s->deadline_at) {
		counter_add(&e->counters, COUNTER_SUB_TIMEOUTS, 1);
		fail_wait(e, resolution_idx, false);
		return;
	}
	if (s->wait == SUB_WAIT_ASKED) {
		counter_add(&e->counters, COUNTER_SUB_RESENT, 1);
		s->resends++;
		set_wait(e, resolution_idx, SUB_WAIT_OUT);
	}
	timer_set(&e->timers, engine_resolution_timer(e, resolution_idx), wake_at(e, s));
}

void engine_sub_sent(struct engine *e, uint32_t asker_idx)
{
	set_wait(e, asker_idx, SUB_WAIT_ASKED);
}

/* ---- a turn ---- */

/* The first of the queue: to its owner, or answered. */
static void ask_next(struct engine *e)
{
	uint32_t idx = e->subs.queue.head;
	const struct sub_state *s = &e->subs.states[idx];
	struct sub_answer answer = {.purpose = (enum sub_purpose)s->purpose, .left = s->lent};
	struct sub_question q;
	struct waiter waiter;
	struct cache_key key;

	if (s->is_loop) {
		fail_wait(e, idx, true);
		return;
	}
	if (s->owner == e->worker_idx) {
		set_wait(e, idx, SUB_WAIT_ASKED);
		engine_sub_question_of(e, idx, &q);
		waiter = engine_sub_waiter_of(e, idx);
		if (engine_sub_begin(e, &q, &waiter, &answer))
			(void)engine_sub_answered(e, idx, waiter.sub.serial, &answer);
		return;
	}
	engine_key_known(&s->qname, 0, s->qtype, 0, s->checking_disabled, s->hash, &key);
	if (engine_sub_from_cache(e, &key, &answer))
		(void)engine_sub_answered(e, idx, s->serial, &answer);
	else
		set_wait(e, idx, SUB_WAIT_OUT);
}

/* (. NS) is ours or is sent. */
static void prime(struct engine *e)
{
	struct sub_question q = e->subs.prime;
	struct sub_answer answer;

	if (e->subs.prime_owner != e->worker_idx)
		return;
	e->subs.primes = false;
	q.ancestor_count = 0;
	(void)engine_sub_begin(e, &q, NULL, &answer);
}

void engine_sub_turn(struct engine *e)
{
	if (UNLIKELY(e->subs.primes))
		prime(e);
	for (unsigned left = SUBS_PER_TURN; left > 0; left--) {
		if (e->subs.released_head != POOL_NONE)
			engine_sub_answer_next(e);
		else if (e->subs.queue.count > 0)
			ask_next(e);
		else
			return;
	}
}

bool engine_sub_due(const struct engine *e)
{
	const struct sub_table *t = &e->subs;

	return t->queue.count > 0 || t->released_head != POOL_NONE || t->out.count > 0 ||
	       t->out_count > 0 || t->primes;
}
