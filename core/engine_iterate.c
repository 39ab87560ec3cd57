/* Iteration: from the deepest known zone cut to the answer. A resolution that iterates asks a server of the cut at hand, or asks
 * another question and waits for it (sub.h): whether there is a cut at an ancestor of its name, a server's address, what a CNAME
 * leads to. Whatever comes of that leads back here: engine_iterate_advance says what is next. Nothing here calls itself: what
 * another question answers comes by way of engine_sub.c's queue, in another call.
 *
 * RFCs: 1034 section 5.3.3, 8020, 9156, 9520, 9609.
 */
#include "engine_iterate.h"
#include "engine_hit.h"

#include <string.h>

/* The root's servers are asked for at most so often, however many questions begin there. */
#define PRIMING_AGAIN_NS (5 * NS_PER_S)
/* An address of a server may take this share of the time that is left: others may have one, too. */
#define ADDRESS_TIME_SHARE 2

static struct iteration *iteration_of(struct engine *e, uint32_t idx)
{
	return &e->iterations[idx];
}

/* The stub zone that it belongs to; NULL: none. */
static const struct engine_zone *stub_of(const struct engine *e, const struct resolution *r)
{
	return r->key.zone_idx < e->config->zone_count ? &e->config->zones[r->key.zone_idx] : NULL;
}

/* ---- servers of a cut ---- */

static void release_candidates(struct engine *e, struct iteration *it)
{
	for (unsigned i = 0; i < it->candidate_count; i++)
		server_release(&e->servers, it->candidates[i]);
	it->candidate_count = 0;
	it->has_candidates = false;
}

void engine_iterate_hand_over(struct engine *e, uint32_t idx)
{
	struct iteration *it = iteration_of(e, idx);

	release_candidates(e, it);
	if (it->cut.zone.length_bytes == 1)
		engine_share_put(e, idx, ZONE_SHARE_NEITHER);
}

static void adopt(struct engine *e, struct iteration *it, const struct zone_cut *cut)
{
	release_candidates(e, it);
	engine_share_put(e, (uint32_t)(it - e->iterations), ZONE_SHARE_HEARD);
	iteration_adopt(it, cut);
	if (UNLIKELY(e->resolutions.resolutions[it - e->iterations].traced))
		engine_trace_cut(e, (uint32_t)(it - e->iterations), &cut->zone);
	if (cut->server_count > 1 && entropy_ready(&e->entropy, ENTROPY_UNIFORM_BYTES))
		it->first_server = (uint8_t)entropy_uniform(&e->entropy, cut->server_count);
}

void engine_iterate_adopt(struct engine *e, uint32_t idx, const struct zone_cut *cut)
{
	adopt(e, iteration_of(e, idx), cut);
}

static bool is_candidate(const struct iteration *it, uint16_t server_idx)
{
	for (unsigned i = 0; i < it->candidate_count; i++)
		if (it->candidates[i] == server_idx)
			return true;
	return false;
}

static void add_candidate(struct engine *e, struct iteration *it, uint16_t server_idx)
{
	if (it->candidate_count == ZONE_CUT_ADDRESSES_MAX || is_candidate(it, server_idx))
		return;
	server_hold(&e->servers, server_idx);
	it->tried[it->candidate_count] = it->round;
	it->candidates[it->candidate_count++] = server_idx;
}

/* The servers of the cut whose addresses are known, as far as they are not candidates yet. */
static void gather(struct engine *e, const struct resolution *r, struct iteration *it)
{
	const struct engine_zone *stub = stub_of(e, r);
	bool is_trusted = (it->cut.flags & (ZONE_CUT_HINTS | ZONE_CUT_STUB)) != 0;

	it->has_candidates = true;
	if ((it->cut.flags & ZONE_CUT_STUB) != 0) {
		for (unsigned i = 0; stub != NULL && i < stub->server_count; i++)
			add_candidate(e, it, stub->servers[i]);
		return;
	}
	for (unsigned i = 0; i < it->cut.address_count; i++)
		server_learn_prefetch(&e->servers, &it->cut.addresses[i].endpoint);
	for (unsigned i = 0; i < it->cut.address_count; i++) {
		const struct endpoint *peer = &it->cut.addresses[i].endpoint;
		uint16_t server_idx;

		if (!(address_is_v4(&peer->address) ? e->leaves_by_v4 : e->leaves_by_v6) ||
		    (!is_trusted && !zone_cut_may_ask(&peer->address)) ||
		    engine_route_is_own(e, &peer->address))
			continue;
		server_idx = server_learn(&e->servers, peer, e->now);
		if (server_idx != SERVER_NONE)
			add_candidate(e, it, server_idx);
	}
}

/* ---- the cut at hand ---- */

static void stub_cut(struct zone_cut *out, const struct engine_zone *stub)
{
	zone_cut_init(out, &stub->name, ZONE_CUT_STUB, UINT32_MAX);
}

/* May a question for this type be asked of the name's own zone? DS is the parent's (RFC 4035 section 3.1.4.1). */
static bool is_of_parent(const struct resolution_key *key)
{
	return key->qtype == DNS_TYPE_DS && key->qname.length_bytes > 1;
}

/* The deepest known cut that the question may be asked at, deeper than so many bytes of name. */
static bool find_cut(struct engine *e, uint32_t idx, unsigned bytes_above, struct zone_cut *out)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct engine_zone *stub = stub_of(e, r);
	size_t at = is_of_parent(&r->key) ? (size_t)r->key.qname.bytes[0] + 1 : 0;

	if (stub != NULL && stub->name.length_bytes > bytes_above)
		bytes_above = stub->name.length_bytes;
	return engine_cut_find(e, idx, at, bytes_above, out);
}

static void begin_cut(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	const struct engine_zone *stub = stub_of(e, r);

	if (q != NULL && q->cut != NULL && name_is_below(&r->key.qname, &q->cut->zone))
		adopt(e, it, q->cut);
	else if (find_cut(e, idx, 0, &it->cut))
		adopt(e, it, &it->cut);
	else if (stub == NULL)
		adopt(e, it, &e->config->root_hints);
	else {
		stub_cut(&e->cut, stub);
		adopt(e, it, &e->cut);
	}
}

/* Somebody may have learnt of a deeper one since. */
static void deepen(struct engine *e, uint32_t idx)
{
	struct iteration *it = iteration_of(e, idx);

	if (find_cut(e, idx, it->cut.zone.length_bytes, &e->cut))
		adopt(e, it, &e->cut);
}

void engine_iterate_init(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);

	iteration_begin(it, q);
	r->has_iteration = true;
	r->iterates = engine_zone_iterates(e->config, r->key.zone_idx);
	if (q != NULL) {
		if (UNLIKELY(q->traced))
			engine_trace_begin(e, idx);
		if (q->deadline_at < r->deadline_at)
			r->deadline_at = q->deadline_at;
	}
	iteration_grant(it, r);
	if (!r->iterates)
		return;
	if (e->config->asks_whole_names)
		it->asks_whole = true;
	engine_name_hashes_begin(e, idx);
	begin_cut(e, idx, q);
	resolution_on_ask(&e->resolutions, idx);
}

void engine_iterate_take_part(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];

	if (r->has_iteration)
		return;
	iteration_begin(iteration_of(e, idx), NULL);
	r->has_iteration = true;
	iteration_book(iteration_of(e, idx), r);
}

/* ---- asking others ---- */

/* What all that it asks has in common; the name is the caller's to write. */
static void question_begin(struct engine *e, uint32_t idx, enum sub_purpose purpose, uint16_t qtype,
			   struct sub_question *q)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct iteration *it = iteration_of(e, idx);

	q->purpose = purpose;
	q->traced = r->traced;
	q->checking_disabled = false;
	q->qtype = qtype;
	q->deadline_at = r->deadline_at;
	q->hash = 0;
	q->lent = it->budget;
	q->cut = NULL;
}

enum resolution_step engine_iterate_stop(struct engine *e, uint32_t idx, enum counter which)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);

	if (it->budget.is_counted == 0)
		counter_add(&e->counters, which, 1);
	it->budget.is_counted = 1;
	/* What it was lent says nothing about it; what it may send by itself does, and what a client may cost. */
	r->loops |= it->is_sub && which != COUNTER_BUDGET_QUESTION_PACKETS;
	r->is_spent |= !it->is_sub;
	return resolution_on_given_up(&e->resolutions, idx, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

/* Whoever begins with the hints has the root's servers asked for: for the cache's sake, nobody waits. */
static void prime(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct sub_question q;

	if ((iteration_of(e, idx)->cut.flags & ZONE_CUT_HINTS) == 0 || e->cache == NULL ||
	    (e->primed_at != 0 && e->now < e->primed_at + PRIMING_AGAIN_NS) ||
	    (r->key.qname.length_bytes == 1 && r->key.qtype == DNS_TYPE_NS))
		return;
	e->primed_at = e->now;
	question_begin(e, idx, SUB_PRIME, DNS_TYPE_NS, &q);
	q.lent = budget_whole();
	q.qname = (struct name){.length_bytes = 1};
	engine_sub_ask(e, idx, &q);
}

/* ---- what is next ---- */

static void ask_link(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct sub_question q;

	it->wait = ITERATION_WAIT_LINK;
	question_begin(e, idx, SUB_LINK, r->key.qtype, &q);
	name_copy(&q.qname, &it->target);
	engine_sub_ask(e, idx, &q);
}

/* Is there budget for the look-up of a server's addresses? *lacks: if not, of what there is none. */
static bool may_look_up(const struct iteration *it, unsigned server, enum counter *lacks)
{
	if (it->budget.depth == 0)
		*lacks = COUNTER_BUDGET_DEPTH;
	else if (it->budget.address_failures == 0)
		*lacks = COUNTER_BUDGET_ADDRESS_FAILURES;
	else if ((it->counted >> server & 1) == 0 && it->budget.address_lookups == 0)
		*lacks = COUNTER_BUDGET_ADDRESS_LOOKUPS;
	else
		return true;
	return false;
}

/* Of servers that have no address yet one is looked up, in the cache or by asking. Where the budget forbids it those that have
 * one may still do better in the next round.
 * KEEP: asked. ITERATE: there are new ones. FAIL: that is all. */
static enum resolution_step look_up(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct msg_response cached;
	struct sub_question q;
	enum counter lacks;
	uint16_t type;
	int server;

	while ((server = iteration_address_next(it, e->leaves_by_v4, e->leaves_by_v6, &type)) >=
	       0) {
		zone_cut_server_name(&it->cut, (unsigned)server, &q.qname);
		iteration_address_asked(it, (unsigned)server, type);
		if (engine_cached_message(e, &q.qname, type, false, &cached)) {
			if (zone_cut_take_addresses(&it->cut, (unsigned)server, &cached) > 0)
				return RESOLUTION_STEP_ITERATE;
			continue;
		}
		if (!may_look_up(it, (unsigned)server, &lacks))
			return iteration_has_round(it) ? RESOLUTION_STEP_FAIL
						       : engine_iterate_stop(e, idx, lacks);
		if ((it->counted >> server & 1) == 0) {
			it->counted |= (uint16_t)(1u << server);
			it->budget.address_lookups--;
		}
		it->wait = ITERATION_WAIT_ADDRESS;
		it->address_server = (uint8_t)server;
		it->address_type = type;
		question_begin(e, idx, SUB_ADDRESS, type, &q);
		q.lent.depth--;
		q.deadline_at = e->now + (r->deadline_at - e->now) / ADDRESS_TIME_SHARE;
		engine_sub_ask(e, idx, &q);
		return RESOLUTION_STEP_KEEP;
	}
	return RESOLUTION_STEP_FAIL;
}

/* One of the candidates that had no try in this round; -1: none. */
static int choose(struct engine *e, const struct resolution *r, struct iteration *it)
{
	const struct engine_zone *stub = stub_of(e, r);
	enum server_policy policy = (it->cut.flags & ZONE_CUT_STUB) != 0 && stub != NULL
					    ? (enum server_policy)stub->policy
					    : SERVER_POLICY_FASTEST;
	uint32_t any = 0;
	uint32_t *cursor = stub != NULL ? &e->zone_cursors[r->key.zone_idx] : &any;

	if (it->candidate_count == 0)
		return -1;
	return server_choose(&e->servers, it->candidates, it->candidate_count, policy,
			     iteration_tried_mask(it), cursor, r->key.hash, &e->entropy);
}

/* Of the try that has just begun: is there no other after it? */
static bool is_last_try(const struct iteration *it)
{
	uint16_t type;

	for (unsigned i = 0; i < it->candidate_count; i++)
		if (it->tried[i] < SERVER_TRIES_PER_QUESTION_MAX)
			return false;
	return iteration_address_next(it, true, true, &type) < 0;
}

/* ---- minimised names are asked for first ---- */

/* All of it but for the name. */
static void step_begin(struct engine *e, uint32_t idx, uint64_t hash, struct sub_question *q)
{
	const struct iteration *it = iteration_of(e, idx);

	question_begin(e, idx, SUB_STEP, DNS_TYPE_A, q);
	q->cut = (it->cut.flags & ZONE_CUT_STUB) == 0 ? &it->cut : NULL;
	q->hash = hash;
}

void engine_iterate_step(struct engine *e, uint32_t idx, size_t at, uint64_t hash,
			 struct sub_question *out)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	step_begin(e, idx, hash, out);
	out->qname.length_bytes = (uint8_t)(r->key.qname.length_bytes - at);
	bytes_copy(out->qname.bytes, r->key.qname.bytes + at, out->qname.length_bytes);
}

/* The step's question is sent to a server of the cut as if it were the resolution's own. False: it is to be asked by another. */
static bool ask_here(struct engine *e, uint32_t idx, const struct name *name, uint64_t hash)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct resolution_env env = engine_env(e);
	mono_ns until = r->deadline_at - SUB_RETURN_NS;
	int at;

	if (!engine_sub_here_may(e, idx, name, hash) || !engine_share_take(e, idx))
		return false;
	if (!it->has_candidates)
		gather(e, r, it);
	at = choose(e, r, it);
	if (at < 0 || server_is_doubted(&e->servers, it->candidates[at], e->now)) {
		engine_iterate_hand_over(e, idx);
		return false;
	}
	it->tried[at]++;
	(void)resolution_on_choice(&e->resolutions, idx, &env, (int16_t)at, it->candidates[at],
				   is_last_try(it));
	/* As it would be by another. */
	if (r->try_until > until)
		r->try_until = until;
	resolution_on_step(&e->resolutions, idx,
			   (uint32_t)(r->key.qname.length_bytes - name->length_bytes), hash);
	resolution_prefetch(&e->resolutions, hash);
	return true;
}

bool engine_iterate_take_over(struct engine *e, uint32_t from, uint32_t to)
{
	struct iteration *it = iteration_of(e, from);
	struct iteration *taker = iteration_of(e, to);

	/* Who waits for a step has a share itself, but for the root's. */
	if (it->cut.zone.length_bytes == 1) {
		taker->has_share = it->has_share;
		taker->share_place = it->share_place;
		taker->share_at = it->share_at;
		it->has_share = false;
	} else if (!engine_share_take(e, to)) {
		return false;
	}
	taker->is_new = false;
	iteration_move_candidates(it, taker);
	return true;
}

/* SEND: it asks for one itself; KEEP: another does; ITERATE: there is none to be asked for. */
static enum resolution_step ask_step(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct sub_question q;
	unsigned labels;
	uint64_t name_hash, hash;

	labels = iteration_step_next(it, &r->key.qname, &q.qname);
	if (labels == 0) {
		if (it->budget.steps > 0 || it->asks_whole ||
		    name_label_count(&r->key.qname) <= it->probed_labels + 1u)
			return RESOLUTION_STEP_ITERATE;
		it->asks_whole = true;
		counter_add(&e->counters, COUNTER_BUDGET_STEPS, 1);
		return RESOLUTION_STEP_ITERATE;
	}
	it->budget.steps--;
	it->step_count++;
	it->step_labels = (uint8_t)labels;
	name_hash = engine_name_hash(e, idx,
				     (size_t)(r->key.qname.length_bytes - q.qname.length_bytes));
	hash = engine_key_hash(name_hash, DNS_TYPE_A, 0);
	if (ask_here(e, idx, &q.qname, hash))
		return RESOLUTION_STEP_SEND;
	it->wait = ITERATION_WAIT_STEP;
	step_begin(e, idx, hash, &q);
	engine_name_ahead(e, hash, name_hash);
	engine_sub_ask(e, idx, &q);
	return RESOLUTION_STEP_KEEP;
}

/* ---- what is next ---- */

enum resolution_step engine_iterate_refuse(struct engine *e, uint32_t idx)
{
	counter_add(&e->counters, COUNTER_SHED_ZONE_SHARE, 1);
	resolution_on_hindered(&e->resolutions, idx);
	return resolution_on_given_up(&e->resolutions, idx, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

/* A server is asked, or what is missing for that is asked for. */
static enum resolution_step ask_server(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct resolution_env env = engine_env(e);
	enum resolution_step step;
	int at;

	if (r->packets >= QUESTION_PACKETS_MAX)
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_QUESTION_PACKETS);
	if (!engine_share_take(e, idx))
		return engine_iterate_refuse(e, idx);
	for (;;) {
		if (!it->has_candidates)
			gather(e, r, it);
		at = choose(e, r, it);
		if (at >= 0)
			break;
		step = look_up(e, idx);
		if (step == RESOLUTION_STEP_ITERATE) {
			it->has_candidates = false;
			continue;
		}
		if (step == RESOLUTION_STEP_KEEP || r->state == RESOLUTION_DONE)
			return step;
		if (iteration_next_round(it))
			continue;
		/* What the parent says of their addresses may be old. */
		if (it->doubts_glue)
			return resolution_on_given_up(&e->resolutions, idx,
						      r->tries > 0 || r->hindered
							      ? DNS_EDE_NO_REACHABLE_AUTHORITY
							      : DNS_EDE_NETWORK_ERROR);
		it->doubts_glue = true;
	}
	it->tried[at]++;
	return resolution_on_choice(&e->resolutions, idx, &env, (int16_t)at, it->candidates[at],
				    is_last_try(it));
}

enum resolution_step engine_iterate_advance(struct engine *e, uint32_t idx,
					    struct msg_response *found)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	enum resolution_step step;

	DCHECK(r->state == RESOLUTION_ASK);
	it->wait = ITERATION_WAIT_NONE;
	iteration_book(it, r);
	if (!resolution_has_zone(r, e->config))
		return resolution_on_given_up(&e->resolutions, idx, DNS_EDE_OTHER);
	if (e->now >= r->deadline_at) {
		r->loops |= it->is_sub;
		return resolution_on_given_up(&e->resolutions, idx, DNS_EDE_NO_REACHABLE_AUTHORITY);
	}
	/* It has told of its cut, and nobody wants more. */
	if (it->has_told)
		return resolution_on_unwanted(&e->resolutions, idx);
	if (it->has_target) {
		engine_share_put(e, idx, ZONE_SHARE_HEARD);
		ask_link(e, idx);
		return RESOLUTION_STEP_KEEP;
	}
	if (it->is_new) {
		it->is_new = false;
		prime(e, idx);
		if (engine_denied_above(e, idx, found)) {
			counter_add(&e->counters, COUNTER_DENIED_ABOVE, 1);
			return resolution_on_found(&e->resolutions, idx, DNS_RCODE_NXDOMAIN);
		}
	}
	if (it->budget.packets == 0)
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_PACKETS);
	if (it->budget.bytes == 0)
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_BYTES);
	/* Whoever waits for a step waits for the zone's servers. All that begins anew does so at the root, for the same few steps. */
	if (it->cut.zone.length_bytes > 1 && !engine_share_take(e, idx))
		return engine_iterate_refuse(e, idx);
	step = ask_step(e, idx);
	return step == RESOLUTION_STEP_ITERATE ? ask_server(e, idx) : step;
}

/* ---- what was asked is answered ---- */

/* A zone cut that is closer to the name than the one at hand? */
static bool is_closer(const struct resolution *r, const struct iteration *it,
		      const struct zone_cut *cut)
{
	return cut->zone.length_bytes > it->cut.zone.length_bytes &&
	       name_is_below(&cut->zone, &it->cut.zone) && name_is_below(&r->key.qname, &cut->zone);
}

static void on_step(struct engine *e, uint32_t idx, const struct sub_answer *a)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	uint8_t labels = it->step_labels;

	switch (a->verdict) {
	case SUB_CUT:
		if (is_closer(r, it, a->cut)) {
			adopt(e, it, a->cut);
			return;
		}
		break;
	case SUB_NO_CUT:
	case SUB_ANSWER:
	case SUB_CACHED:
		deepen(e, idx);
		if (it->probed_labels < labels)
			it->probed_labels = labels;
		return;
	case SUB_NXDOMAIN:
		/* Perhaps: some say so of empty non-terminals. The name itself tells. */
		deepen(e, idx);
		it->denied_labels = labels;
		break;
	case SUB_FAILED:
	case SUB_VERDICT_COUNT:
		break;
	}
	it->asks_whole = true;
}

static void on_address(struct engine *e, uint32_t idx, const struct sub_answer *a)
{
	struct iteration *it = iteration_of(e, idx);
	uint8_t server = it->address_server;
	struct msg_response cached;
	const struct msg_response *response = a->verdict == SUB_ANSWER ? a->response : NULL;
	struct name name;
	uint16_t type;

	if (a->verdict == SUB_CACHED) {
		zone_cut_server_name(&it->cut, server, &name);
		if (engine_cached_message(e, &name, it->address_type, false, &cached))
			response = &cached;
	}
	if (response != NULL && zone_cut_take_addresses(&it->cut, server, response) > 0) {
		it->has_candidates = false;
		return;
	}
	/* Neither family has one. */
	if (!it->cut.servers[server].has_addresses &&
	    iteration_address_next(it, e->leaves_by_v4, e->leaves_by_v6, &type) != server &&
	    it->budget.address_failures > 0)
		it->budget.address_failures--;
}

/* The end of a chain. */
static void on_link(struct engine *e, uint32_t idx, const struct sub_answer *a)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct msg_response cached, whole;
	const struct msg_response *rest = a->verdict == SUB_ANSWER ? a->response : NULL;
	uint16_t rcode;

	if (a->verdict == SUB_CACHED &&
	    engine_cached_message(e, &it->target, r->key.qtype, false, &cached))
		rest = &cached;
	if (rest == NULL || !engine_compose(e, idx, rest, &whole)) {
		if (a->verdict != SUB_FAILED)
			resolution_on_hindered(&e->resolutions, idx);
		engine_step(e, idx,
			    resolution_on_given_up(&e->resolutions, idx,
						   a->verdict == SUB_FAILED &&
								   a->ede != DNS_EDE_NONE
							   ? a->ede
							   : DNS_EDE_NO_REACHABLE_AUTHORITY),
			    NULL);
		return;
	}
	rcode = whole.flags & DNS_RCODE_MASK;
	if (e->cache != NULL)
		engine_cache_store(e, r, &whole, e->composed);
	engine_step(e, idx, resolution_on_found(&e->resolutions, idx, rcode), &whole);
}

void engine_iterate_on_sub(struct engine *e, uint32_t asker_idx, const struct sub_answer *a)
{
	static const uint8_t purpose_of[ITERATION_WAIT_COUNT] = {
		[ITERATION_WAIT_NONE] = SUB_PURPOSE_COUNT,
		[ITERATION_WAIT_STEP] = SUB_STEP,
		[ITERATION_WAIT_ADDRESS] = SUB_ADDRESS,
		[ITERATION_WAIT_LINK] = SUB_LINK,
	};
	struct resolution *r = &e->resolutions.resolutions[asker_idx];
	struct iteration *it = iteration_of(e, asker_idx);

	/* The root's servers are in the cache now, or are not: nobody waits for that. */
	if (r->state != RESOLUTION_ASK || purpose_of[it->wait] != a->purpose)
		return;
	if (UNLIKELY(r->traced))
		engine_trace_told(e, asker_idx, a);
	iteration_take_back(it, &a->left);
	iteration_grant(it, r);
	r->loops |= a->is_loop && it->is_sub;
	if (a->is_ours)
		resolution_on_hindered(&e->resolutions, asker_idx);
	switch (a->purpose) {
	case SUB_STEP:
		on_step(e, asker_idx, a);
		break;
	case SUB_ADDRESS:
		on_address(e, asker_idx, a);
		break;
	case SUB_LINK:
		on_link(e, asker_idx, a);
		return;
	case SUB_PRIME:
	case SUB_PURPOSE_COUNT:
		return;
	}
	engine_step(e, asker_idx, RESOLUTION_STEP_ITERATE, NULL);
}

/* ---- who asks ---- */

void engine_iterate_begin(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	struct resolution_env env = engine_env(e);

	engine_iterate_init(e, idx, q);
	if (engine_local_answer(e, idx))
		return;
	if (e->resolutions.resolutions[idx].iterates)
		engine_step(e, idx, RESOLUTION_STEP_ITERATE, NULL);
	else
		engine_step(e, idx, resolution_on_start(&e->resolutions, idx, &env), NULL);
}

/* What it knows already of a cut at its own name. */
static void tell_step(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct iteration *it = iteration_of(e, idx);

	if (name_equal_exact(&it->cut.zone, &r->key.qname) && !is_of_parent(&r->key))
		(void)engine_sub_release_steps(e, idx, SUB_CUT, &it->cut);
	else if (it->has_target)
		(void)engine_sub_release_steps(e, idx, SUB_NO_CUT, NULL);
}

void engine_iterate_join(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);
	struct budget whole = budget_whole();
	mono_ns deadline_at = e->now + (CLIENT_DEADLINE_MS - RESOLUTION_MARGIN_MS) * NS_PER_MS;

	if (q != NULL && UNLIKELY(q->traced))
		engine_trace_begin(e, idx);
	if (!r->has_iteration || r->state == RESOLUTION_DONE)
		return;
	if (q != NULL)
		deadline_at = q->deadline_at;
	/* The first client's answer is due when it is; the others' with it. */
	if (!it->has_client && deadline_at > r->deadline_at)
		r->deadline_at = deadline_at;
	it->has_client = it->has_client || q == NULL;
	iteration_book(it, r);
	iteration_raise(it, q != NULL ? &q->lent : &whole);
	iteration_grant(it, r);
	if (q != NULL && q->purpose == SUB_STEP && r->iterates)
		tell_step(e, idx);
}

void engine_iterate_on_bytes(struct engine *e, uint32_t idx, const struct msg_response *response)
{
	struct resolution *r = &e->resolutions.resolutions[idx];

	if (r->has_iteration)
		iteration_book_bytes(iteration_of(e, idx), r, response->message.length_bytes);
}

void engine_iterate_on_fail(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	/* What it has asked ends with it, and is not counted. */
	if (!iteration_of(e, idx)->has_client)
		return;
	/* Those that wait for each other end one after the other. */
	if (e->now + SUB_ANCESTORS_MAX * SUB_RETURN_NS >= r->deadline_at)
		counter_add(&e->counters, COUNTER_BUDGET_TIME, 1);
	else if (r->tcp_tries >= UPSTREAM_TCP_TRIES_MAX)
		counter_add(&e->counters, COUNTER_BUDGET_TCP, 1);
}

const struct zone_cut *engine_iterate_cut(const struct engine *e, uint32_t idx)
{
	return e->resolutions.resolutions[idx].iterates ? &e->iterations[idx].cut : NULL;
}

void engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out)
{
	struct resolution *r = &e->resolutions.resolutions[idx];

	if (!r->has_iteration) {
		*out = budget_whole();
		return;
	}
	iteration_book(iteration_of(e, idx), r);
	*out = iteration_of(e, idx)->budget;
}

void engine_iterate_on_end(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = iteration_of(e, idx);

	release_candidates(e, it);
	engine_share_on_end(e, idx);
	it->wait = ITERATION_WAIT_NONE;
	engine_sub_cancel(e, idx);
	engine_drop_answer(e, r);
}

void engine_iterate_check(const struct engine *e)
{
	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++) {
		const struct resolution *r = &e->resolutions.resolutions[i];

		if (r->has_iteration && r->state != RESOLUTION_FREE && r->state != RESOLUTION_DONE)
			iteration_check(&e->iterations[i], r);
	}
}
