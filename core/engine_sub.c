/* Sub-questions: a resolution that needs another question's answer asks it, waits for one thing at a time, and is told what has
 * become of it. Who owns the question has a waiter for it, as for a client; whoever asks keeps what it asked, its deadline and
 * a serial number, by which an answer finds its wait.
 *
 * Nothing here acts on a resolution from within another one's step: questions and answers are queued, and the engine's turn
 * works them off. What another worker is to have is built into messages (engine_sub_pass.c). A message may be lost: a
 * question that nothing is heard of for a while is passed once more, until its deadline. */
#include "engine_sub.h"

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

static struct resolution *resolution_at(const struct engine *e, uint32_t idx)
{
	return &e->resolutions.resolutions[idx];
}

/* NULL: the resolution has nothing to do with sub-questions so far. */
static struct sub_state *state_find(const struct engine *e, uint32_t idx)
{
	if (idx >= e->subs.fresh ||
	    e->subs.states[idx].generation != resolution_at(e, idx)->generation)
		return NULL;
	return &e->subs.states[idx];
}

static struct sub_state *state_of(struct engine *e, uint32_t idx)
{
	struct sub_table *t = &e->subs;
	struct sub_state *s = &t->states[idx];

	while (t->fresh <= idx)
		t->states[t->fresh++].generation = 0; /* no resolution's that is taken */
	if (s->generation == resolution_at(e, idx)->generation)
		return s;
	s->generation = resolution_at(e, idx)->generation;
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

/* ---- those who ask: by waiter.next ---- */

static void chain_push(struct engine *e, uint32_t *head, uint32_t *tail, uint32_t waiter_idx)
{
	e->waiters.waiters[waiter_idx].next = POOL_NONE;
	if (*head == POOL_NONE)
		*head = waiter_idx;
	else
		e->waiters.waiters[*tail].next = waiter_idx;
	*tail = waiter_idx;
}

static uint32_t chain_pop(struct engine *e, uint32_t *head, uint32_t *tail)
{
	uint32_t idx = *head;

	if (idx == POOL_NONE)
		return POOL_NONE;
	*head = e->waiters.waiters[idx].next;
	if (*head == POOL_NONE)
		*tail = POOL_NONE;
	return idx;
}

/* ---- budgets ---- */

/* Both wrap around: only differences count. */
static struct budget minus(const struct budget *a, const struct budget *b)
{
	return (struct budget){
		.bytes = a->bytes - b->bytes,
		.packets = (uint8_t)(a->packets - b->packets),
		.referrals = (uint8_t)(a->referrals - b->referrals),
		.address_lookups = (uint8_t)(a->address_lookups - b->address_lookups),
		.address_failures = (uint8_t)(a->address_failures - b->address_failures),
		.steps = (uint8_t)(a->steps - b->steps),
	};
}

static struct budget plus(const struct budget *a, const struct budget *b)
{
	const struct budget none = {0};
	struct budget negative = minus(&none, b);

	return minus(a, &negative);
}

static uint8_t less(uint8_t from, uint8_t by)
{
	return by < from ? (uint8_t)(from - by) : 0;
}

/* Of what was lent, after that has been spent. */
static struct budget rest_of(const struct budget *lent, const struct budget *spent)
{
	struct budget left = *lent;

	left.bytes = spent->bytes < lent->bytes ? lent->bytes - spent->bytes : 0;
	left.packets = less(lent->packets, spent->packets);
	left.referrals = less(lent->referrals, spent->referrals);
	left.address_lookups = less(lent->address_lookups, spent->address_lookups);
	left.address_failures = less(lent->address_failures, spent->address_failures);
	left.steps = less(lent->steps, spent->steps);
	return left;
}

static bool is_any(const struct budget *b)
{
	return b->bytes != 0 || b->packets != 0 || b->referrals != 0 || b->address_lookups != 0 ||
	       b->address_failures != 0 || b->steps != 0;
}

static struct budget spent_by(struct engine *e, uint32_t idx)
{
	struct budget left;

	engine_iterate_left(e, idx, &left);
	return minus(&e->subs.states[idx].granted, &left);
}

/* ---- asking ---- */

static bool is_among(uint64_t hash, const uint64_t hashes[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (hashes[i] == hash)
			return true;
	return false;
}

static mono_ns wake_at(const struct engine *e, const struct sub_state *s)
{
	mono_ns resend_at = e->now + (SUB_RESEND_MS * NS_PER_MS << s->resends);

	return s->owner != e->worker_idx && resend_at < s->deadline_at ? resend_at : s->deadline_at;
}

void engine_sub_ask(struct engine *e, uint32_t asker_idx, const struct sub_question *q)
{
	struct cache_key key;
	struct sub_state *s;

	counter_add(&e->counters, COUNTER_SUB_ASKED, 1);
	if (q->purpose == SUB_PRIME) {
		e->subs.primes = true;
		e->subs.prime = *q;
		return;
	}
	engine_key_make(e, &q->qname, q->qtype, q->checking_disabled, &key);
	s = state_of(e, asker_idx);
	CHECK(s->wait == SUB_WAIT_NONE);
	s->purpose = (uint8_t)q->purpose;
	s->owner = engine_owner(e, key.hash);
	s->resends = 0;
	s->traced = q->traced;
	s->checking_disabled = q->checking_disabled;
	s->is_loop = key.hash == resolution_at(e, asker_idx)->key.hash ||
		     is_among(key.hash, s->ancestors, s->ancestor_count);
	s->has_cut = q->cut != NULL;
	s->qtype = q->qtype;
	s->serial = ++e->subs.last_serial;
	s->hash = key.hash;
	s->deadline_at = q->deadline_at;
	s->lent = q->lent;
	name_copy(&s->qname, &q->qname);
	set_wait(e, asker_idx, SUB_WAIT_QUEUED);
	if (UNLIKELY(q->traced))
		engine_trace_asks(e, asker_idx, q, s->owner);
	timer_set(&e->timers, engine_resolution_timer(e, asker_idx), wake_at(e, s));
}

void engine_sub_cancel(struct engine *e, uint32_t asker_idx)
{
	const struct sub_state *s = state_find(e, asker_idx);

	if (s == NULL || s->wait == SUB_WAIT_NONE)
		return;
	set_wait(e, asker_idx, SUB_WAIT_NONE);
	timer_cancel(&e->timers, engine_resolution_timer(e, asker_idx));
}

const struct sub_state *engine_sub_waits_for(const struct engine *e, uint32_t resolution_idx)
{
	const struct sub_state *s = state_find(e, resolution_idx);

	return s != NULL && s->wait != SUB_WAIT_NONE ? s : NULL;
}

void engine_sub_question_of(const struct engine *e, uint32_t asker_idx, struct sub_question *q)
{
	const struct sub_state *s = &e->subs.states[asker_idx];

	q->purpose = (enum sub_purpose)s->purpose;
	q->traced = s->traced;
	q->checking_disabled = s->checking_disabled;
	q->qtype = s->qtype;
	q->deadline_at = s->deadline_at;
	q->lent = s->lent;
	q->ancestor_count = s->ancestor_count;
	memcpy(q->ancestors, s->ancestors, s->ancestor_count * sizeof(s->ancestors[0]));
	/* Beyond that many there is no budget. */
	if (q->ancestor_count < SUB_ANCESTORS_MAX)
		q->ancestors[q->ancestor_count++] = resolution_at(e, asker_idx)->key.hash;
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

	return engine_cache_find(e, key, e->kept, &found) &&
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
static bool answer_from_cache(struct engine *e, const struct cache_key *key,
			      struct sub_answer *answer)
{
	if (e->cache == NULL || !find_fresh(e, key) || !read_kept(e, answer, &e->sub_response))
		return false;
	counter_add(&e->counters, COUNTER_SUB_CACHED, 1);
	return true;
}

/* ---- beginning, for whoever asks ---- */

static bool fail(struct sub_answer *answer, uint16_t ede, bool is_ours)
{
	answer->verdict = SUB_FAILED;
	answer->rcode = DNS_RCODE_SERVFAIL;
	answer->ede = ede;
	answer->is_ours = is_ours;
	return true;
}

static bool fail_full(struct engine *e, struct sub_answer *answer)
{
	counter_add(&e->counters, COUNTER_SUB_FULL, 1);
	return fail(answer, DNS_EDE_NONE, true);
}

static bool fail_loop(struct engine *e, struct sub_answer *answer)
{
	counter_add(&e->counters, COUNTER_SUB_LOOPS, 1);
	answer->is_loop = true;
	return fail(answer, DNS_EDE_NONE, false);
}

static void waiter_push(struct engine *e, uint32_t resolution_idx, uint32_t waiter_idx,
			const struct waiter *waiter)
{
	struct sub_state *s = &e->subs.states[resolution_idx];

	e->waiters.waiters[waiter_idx] = *waiter;
	e->waiters.waiters[waiter_idx].resolution_idx = resolution_idx;
	chain_push(e, &s->waiter_head, &s->waiter_tail, waiter_idx);
	s->waiter_count++;
	e->subs.waiter_count++;
	resolution_at(e, resolution_idx)->apart_count++;
}

static bool join(struct engine *e, uint32_t idx, const struct sub_question *q,
		 const struct waiter *waiter, struct sub_answer *answer)
{
	struct sub_state *s = state_of(e, idx);
	uint32_t waiter_idx;
	struct budget before, after, raised;

	if (s->wait != SUB_WAIT_NONE && is_among(s->hash, q->ancestors, q->ancestor_count))
		return fail_loop(e, answer);
	if (resolution_waiters(resolution_at(e, idx)) >= WAITERS_PER_QUESTION_MAX)
		return fail_full(e, answer);
	waiter_idx = pool_take(&e->waiters.free);
	if (waiter_idx == POOL_NONE)
		return fail_full(e, answer);
	waiter_push(e, idx, waiter_idx, waiter);
	e->waiters.waiters[waiter_idx].sub.spent = spent_by(e, idx);
	counter_add(&e->counters, COUNTER_SUB_COALESCED, 1);
	engine_iterate_left(e, idx, &before);
	engine_iterate_join(e, idx, q);
	engine_iterate_left(e, idx, &after);
	raised = minus(&after, &before);
	s->granted = plus(&s->granted, &raised);
	/* Whoever has it go on for longer pays for what it spends from now on. */
	e->waiters.waiters[waiter_idx].sub.pays = is_any(&raised);
	return false;
}

/* waiter NULL: nobody waits. */
static bool begin_new(struct engine *e, const struct resolution_key *key,
		      const struct sub_question *q, const struct waiter *waiter,
		      struct sub_answer *answer)
{
	uint32_t waiter_idx = waiter != NULL ? pool_take(&e->waiters.free) : POOL_NONE;
	uint32_t idx;
	struct sub_state *s;
	struct resolution *r;

	if (waiter != NULL && waiter_idx == POOL_NONE)
		return fail_full(e, answer);
	idx = resolution_take(&e->resolutions, key, e->now);
	if (idx == POOL_NONE) {
		if (waiter != NULL)
			pool_put(&e->waiters.free, waiter_idx);
		counter_add(&e->counters, COUNTER_SHED_UNDER_WAY, 1);
		return fail_full(e, answer);
	}
	r = resolution_at(e, idx);
	if (q->deadline_at < r->deadline_at)
		r->deadline_at = q->deadline_at;
	s = state_of(e, idx);
	s->granted = q->lent;
	s->ancestor_count = q->ancestor_count;
	memcpy(s->ancestors, q->ancestors, q->ancestor_count * sizeof(q->ancestors[0]));
	if (waiter != NULL) {
		waiter_push(e, idx, waiter_idx, waiter);
		e->waiters.waiters[waiter_idx].sub.pays = true;
		e->waiters.waiters[waiter_idx].sub.spent = (struct budget){0};
	}
	counter_add(&e->counters, COUNTER_SUB_NEW, 1);
	engine_iterate_begin(e, idx, q);
	return false;
}

bool engine_sub_begin(struct engine *e, const struct sub_question *q, const struct waiter *waiter,
		      struct sub_answer *answer)
{
	struct cache_key cached;
	struct resolution_key key = {
		.qtype = q->qtype,
		.qclass = DNS_CLASS_IN,
		.checking_disabled = q->checking_disabled,
	};
	uint32_t idx;

	*answer = (struct sub_answer){.purpose = q->purpose, .left = q->lent};
	engine_key_make(e, &q->qname, q->qtype, q->checking_disabled, &cached);
	DCHECK(engine_owner(e, cached.hash) == e->worker_idx);
	if (waiter != NULL && answer_from_cache(e, &cached, answer))
		return true;
	key.hash = cached.hash;
	name_copy(&key.qname, &q->qname);
	key.zone_idx = engine_zone_for(e->config, &key.qname);
	if (key.zone_idx == ENGINE_ZONE_NONE)
		return fail(answer, DNS_EDE_NOT_AUTHORITATIVE, false);
	if (key.zone_idx < e->config->zone_count)
		key.zone_generation = e->config->zones[key.zone_idx].generation;
	idx = resolution_find(&e->resolutions, &key);
	if (idx == POOL_NONE)
		return begin_new(e, &key, q, waiter, answer);
	return waiter != NULL && join(e, idx, q, waiter, answer);
}

/* ---- answering ---- */

/* Its waiter's place is free. */
static void waiter_end(struct engine *e, uint32_t waiter_idx)
{
	const struct waiter *waiter = &e->waiters.waiters[waiter_idx];
	uint32_t resolution_idx = waiter->resolution_idx;
	uint32_t buffer_idx = waiter->sub.buffer_idx;
	struct resolution *r = resolution_at(e, resolution_idx);

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
	chain_push(e, &e->subs.released_head, &e->subs.released_tail, waiter_idx);
}

void engine_sub_release(struct engine *e, uint32_t resolution_idx)
{
	struct sub_state *s = state_find(e, resolution_idx);
	uint32_t waiter_idx;

	if (s == NULL)
		return;
	while ((waiter_idx = chain_pop(e, &s->waiter_head, &s->waiter_tail)) != POOL_NONE)
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
			chain_push(e, &s->waiter_head, &s->waiter_tail, at);
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
	const struct resolution *r = resolution_at(e, resolution_idx);
	struct sub_state *s = state_find(e, resolution_idx);
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
	const struct resolution *r = resolution_at(e, resolution_idx);

	answer->response = engine_kept_answer(e, r);
	if (answer->response == NULL) {
		answer->verdict = SUB_FAILED;
		answer->rcode = r->rcode;
		answer->ede = r->ede;
		answer->is_ours = r->hindered;
		return;
	}
	answer->rcode = answer->response->flags & DNS_RCODE_MASK;
	answer->verdict = SUB_ANSWER;
	if (answer->purpose == SUB_STEP)
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
		spent = minus(&spent, &waiter->sub.spent);
		answer->left = rest_of(&waiter->sub.lent, &spent);
	}
	if (answer->verdict == SUB_VERDICT_COUNT)
		answer_of_done(e, waiter->resolution_idx, answer);
	else if (answer->verdict == SUB_FAILED) /* no buffer for the cut */
		(void)fail_full(e, answer);
}

uint32_t engine_sub_out_next(struct engine *e)
{
	uint32_t idx = chain_pop(e, &e->subs.out_head, &e->subs.out_tail);

	e->subs.out_count -= idx != POOL_NONE;
	return idx;
}

void engine_sub_out_end(struct engine *e, uint32_t waiter_idx)
{
	waiter_end(e, waiter_idx);
}

struct span engine_sub_packed_cut(const struct engine *e, uint32_t waiter_idx)
{
	uint32_t buffer_idx = e->waiters.waiters[waiter_idx].sub.buffer_idx;

	return buffer_idx == POOL_NONE ? (struct span){NULL, 0}
				       : e->answers[buffer_idx].response.message;
}

/* ---- the asker's side ---- */

/* An answer that says that it is in the cache becomes what is there. */
static void fetch_cached(struct engine *e, const struct sub_state *s, struct sub_answer *answer)
{
	struct cache_key key;

	engine_key_make(e, &s->qname, s->qtype, s->checking_disabled, &key);
	if (e->cache == NULL || !find_fresh(e, &key) || !read_kept(e, answer, &e->sub_response))
		(void)fail(answer, DNS_EDE_NONE, true);
}

bool engine_sub_answered(struct engine *e, uint32_t asker_idx, uint32_t serial,
			 struct sub_answer *answer)
{
	const struct sub_state *s = state_find(e, asker_idx);

	if (s == NULL || s->wait == SUB_WAIT_NONE || s->serial != serial)
		return false;
	if (answer->verdict == SUB_CACHED)
		fetch_cached(e, s, answer);
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
		(void)fail_loop(e, &answer);
	else
		(void)fail(&answer, DNS_EDE_NONE, true);
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
	engine_key_make(e, &s->qname, s->qtype, s->checking_disabled, &key);
	if (answer_from_cache(e, &key, &answer))
		(void)engine_sub_answered(e, idx, s->serial, &answer);
	else
		set_wait(e, idx, SUB_WAIT_OUT);
}

/* The first that is released: to its asker. */
static void answer_next(struct engine *e)
{
	uint32_t idx = chain_pop(e, &e->subs.released_head, &e->subs.released_tail);
	struct waiter_sub asker = e->waiters.waiters[idx].sub;
	struct sub_answer answer;

	if (e->waiters.waiters[idx].origin_worker != e->worker_idx) {
		chain_push(e, &e->subs.out_head, &e->subs.out_tail, idx);
		e->subs.out_count++;
		return;
	}
	engine_sub_answer_of(e, idx, &answer);
	if (answer.verdict == SUB_CUT) {
		if (zone_cut_unpack(engine_sub_packed_cut(e, idx), &e->sub_cut))
			answer.cut = &e->sub_cut;
		else
			(void)fail(&answer, DNS_EDE_NONE, true);
	}
	/* What the answer points to is held by its waiter. */
	(void)engine_sub_answered(e, asker.asker_idx, asker.serial, &answer);
	waiter_end(e, idx);
}

static bool prime_is_ours(const struct engine *e)
{
	struct cache_key key;

	engine_key_make(e, &e->subs.prime.qname, e->subs.prime.qtype,
			e->subs.prime.checking_disabled, &key);
	return engine_owner(e, key.hash) == e->worker_idx;
}

/* (. NS) is ours or is sent. */
static void prime(struct engine *e)
{
	struct sub_question q = e->subs.prime;
	struct sub_answer answer;

	if (!prime_is_ours(e))
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
			answer_next(e);
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

/* ---- invariants ---- */

/* So many waiters, by next, of which each is one of ours and waits for something. */
static uint32_t chain_check(const struct engine *e, uint32_t head, uint32_t tail)
{
	const struct waiter *waiters = e->waiters.waiters;
	uint32_t last = POOL_NONE;
	uint32_t count = 0;

	for (uint32_t i = head; i != POOL_NONE; i = waiters[i].next) {
		const struct resolution *r = resolution_at(e, waiters[i].resolution_idx);
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
		const struct sub_state *s = state_find(e, i);

		if (s == NULL || resolution_at(e, i)->state == RESOLUTION_FREE)
			continue;
		waiters += chain_check(e, s->waiter_head, s->waiter_tail);
		CHECK(s->waiter_head == POOL_NONE || resolution_at(e, i)->state != RESOLUTION_DONE);
		CHECK(s->waiter_count <= resolution_at(e, i)->apart_count);
		sum += s->waiter_count;
		if (s->wait == SUB_WAIT_NONE)
			continue;
		waiting++;
		CHECK(resolution_at(e, i)->state != RESOLUTION_DONE);
		CHECK(s->wait != SUB_WAIT_ASKED || s->owner != e->worker_idx ||
		      has_waiter(e, i, s));
	}
	CHECK(waiting == t->waiting_count);
	CHECK(waiters == t->waiter_count && sum == t->waiter_count);
}
