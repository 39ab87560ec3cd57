#include "engine_iterate.h"

#include <string.h>

/* ---- memory ---- */

/* A client's prefix may reach us through any of the workers that receive: each has its share of the rate. */
static uint32_t error_replies_per_s(const struct engine_params *p)
{
	uint32_t share = ERROR_REPLIES_PER_S / (uint32_t)p->receiver_count;

	return share > 0 ? share : 1;
}

/* Is it a worker's, which owns questions? */
static bool owns(const struct engine_params *p)
{
	return p->worker_idx < p->worker_count;
}

/* Parts of carve; e: NULL where memory is only measured. */
static void carve_limits(struct arena *a, const struct engine_params *p, struct engine *e)
{
	void *errors = arena_take(a, 1, rate_limit_memory_bytes(RATE_BUCKETS));
	void *links = arena_take(a, 1, rate_limit_memory_bytes(1));
	void *link_answers = arena_take(a, 1, rate_limit_memory_bytes(1));
	void *link_confirms = arena_take(a, 1, rate_limit_memory_bytes(1));
	void *echoes = arena_take(a, 1, rate_limit_memory_bytes(1));

	if (e == NULL)
		return;
	rate_limit_init(&e->error_limit, errors, RATE_BUCKETS, error_replies_per_s(p),
			&p->table_key, p->now);
	rate_limit_init(&e->link_limit, links, 1, ARP_REPLIES_PER_S, &p->table_key, p->now);
	rate_limit_init(&e->link_answer_limit, link_answers, 1, LINK_ANSWERS_PER_S, &p->table_key,
			p->now);
	rate_limit_init(&e->link_confirm_limit, link_confirms, 1, LINK_ANSWERS_PER_S, &p->table_key,
			p->now);
	rate_limit_init(&e->echo_limit, echoes, 1, ECHO_REPLIES_PER_S, &p->table_key, p->now);
}

/* After server_table_init. */
static void carve_learned(struct arena *a, const struct engine_params *p, struct engine *e)
{
	const uint16_t count = owns(p) ? p->learned_server_count : 0;
	void *servers = arena_take(a, 1, server_learned_memory_bytes(count));
	void *routes = arena_take(a, count, sizeof(struct engine_learned_route));

	if (e == NULL)
		return;
	server_table_learn(&e->servers, servers, count, p->under_way_max, &p->table_key);
	e->learned_routes = routes;
}

/* The one list of what an engine is made of: measured with memory NULL, laid out otherwise. */
static struct engine *carve(struct arena *a, const struct engine_params *p)
{
	const struct engine_config *config = atomic_load_explicit(p->config, memory_order_acquire);
	const uint16_t server_count = p->servers->server_count;
	struct engine *e = arena_take(a, 1, sizeof(*e));
	void *resolutions = arena_take(a, 1, resolution_table_memory_bytes(p->under_way_max));
	void *subs = arena_take(a, p->under_way_max, sizeof(struct sub_state));
	void *iterations = arena_take(a, p->under_way_max, sizeof(struct iteration));
	void *shares = arena_take(a, 1, zone_share_memory_bytes(p->under_way_max));
	void *waiters = arena_take(a, p->waiter_count_max, sizeof(struct waiter));
	void *waiters_free = arena_take(a, 1, pool_memory_bytes(p->waiter_count_max));
	void *client_counts = arena_take(a, CLIENT_PLACES, sizeof(uint32_t));
	void *answers = arena_take(a, p->answer_buffer_count, sizeof(struct engine_answer));
	void *answers_free = arena_take(a, 1, pool_memory_bytes(p->answer_buffer_count));
	void *large_answers = arena_take(a, LARGE_ANSWERS, sizeof(struct engine_large_answer));
	void *large_free = arena_take(a, 1, pool_memory_bytes(LARGE_ANSWERS));
	void *slots = arena_take(a, 1, inflight_memory_bytes(p->under_way_max));
	void *timers = arena_take(a, 1, timer_wheel_memory_bytes(TIMER_KINDS * p->under_way_max));
	void *servers = arena_take(a, server_count, sizeof(struct server));
	void *cursors = arena_take(a, ZONE_SLOTS_MAX, sizeof(uint32_t));
	void *entropy = arena_take(a, 2, p->entropy_block_bytes);
	void *meters = arena_take(a, OUTGOING_SLOTS_MAX, sizeof(struct source_meter));
	void *neighbours = arena_take(a, NEIGHBOUR_PLACES_MAX, sizeof(struct neighbour));
	void *latencies = arena_take(a, server_count, sizeof(struct latency));
	void *cache_writer =
		arena_take(a, p->cache != NULL && owns(p), sizeof(struct cache_writer));

	if (a->memory == NULL) {
		carve_learned(a, p, NULL);
		carve_limits(a, p, NULL);
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->config = config;
	resolution_table_init(&e->resolutions, resolutions, p->under_way_max);
	e->subs.states = subs;
	e->iterations = iterations;
	zone_share_init(&e->zone_shares, shares, p->under_way_max);
	e->waiters.waiters = waiters;
	pool_init(&e->waiters.free, waiters_free, p->waiter_count_max);
	memset(client_counts, 0, CLIENT_PLACES * sizeof(uint32_t));
	e->waiters.client_counts = client_counts;
	e->waiters.client_key = p->table_key;
	e->answers = answers;
	pool_init(&e->answers_free, answers_free, p->answer_buffer_count);
	e->streams.answers = large_answers;
	pool_init(&e->streams.answers_free, large_free, LARGE_ANSWERS);
	/* Who owns no question sends no query: the number is not used. */
	inflight_init(&e->inflight, slots, p->under_way_max, owns(p) ? p->worker_idx : 0, p->words);
	timer_wheel_init(&e->timers, timers, TIMER_KINDS * p->under_way_max, p->now);
	server_table_init(&e->servers, servers, p->servers,
			  (struct server_worker){p->worker_idx, p->worker_count},
			  &(struct server_list){0});
	memset(cursors, 0, ZONE_SLOTS_MAX * sizeof(uint32_t));
	e->zone_cursors = cursors;
	entropy_init(&e->entropy, entropy, p->entropy_block_bytes);
	memset(meters, 0, OUTGOING_SLOTS_MAX * sizeof(struct source_meter));
	e->meters = meters;
	neighbour_init(&e->neighbours, neighbours, NEIGHBOUR_SLOTS_MAX, p->neighbours,
		       p->worker_idx == LINK_WORKER ? NEIGHBOUR_KEEPER : NEIGHBOUR_READER);
	memset(latencies, 0, server_count * sizeof(struct latency));
	e->server_latencies = latencies;
	e->cache = p->cache;
	if (p->cache != NULL && owns(p)) {
		cache_writer_init(cache_writer, p->cache, p->worker_idx);
		e->cache_writer = cache_writer;
	}
	carve_learned(a, p, e);
	carve_limits(a, p, e);
	return e;
}

size_t engine_memory_bytes(const struct engine_params *params)
{
	struct arena a;

	arena_init(&a, NULL, 0);
	(void)carve(&a, params);
	return a.used_bytes;
}

struct engine *engine_init(void *memory, const struct engine_params *params)
{
	struct arena a;
	struct engine *e;

	CHECK(params->under_way_max >= 1 && params->under_way_max <= UNDER_WAY_MAX);
	CHECK(params->worker_idx <= params->worker_count && params->worker_count <= WORKERS_MAX);
	CHECK(params->receiver_count >= 1 && params->receiver_count <= params->worker_count);
	CHECK(params->servers->server_count >=
	      atomic_load_explicit(params->config, memory_order_acquire)->server_count);
	arena_init(&a, memory, engine_memory_bytes(params));
	e = carve(&a, params);
	arena_seal(&a);
	e->config_source = params->config;
	e->now = params->now;
	e->started_at = params->now;
	e->wall_s = params->wall_s;
	e->clock_offset_s = params->clock_offset_s;
	e->worker_idx = params->worker_idx;
	e->worker_count = params->worker_count;
	e->under_way_max = params->under_way_max;
	e->shed_above = engine_shed_above(params->under_way_max);
	e->fold_key = params->fold_key;
	e->fold = name_fold_choose(params->fold);
	e->read_cycles = params->read_cycles;
	e->cookie_key = params->cookie_key;
	e->send_queue = (struct engine_queue){POOL_NONE, POOL_NONE, 0};
	e->answer_queue = (struct engine_queue){POOL_NONE, POOL_NONE, 0};
	e->stale_queue = (struct engine_queue){POOL_NONE, POOL_NONE, 0};
	e->streams.send_queue = (struct engine_queue){POOL_NONE, POOL_NONE, 0};
	engine_sub_init(e);
	e->streams.waiter_head = POOL_NONE;
	e->streams.waiter_tail = POOL_NONE;
	e->streams.probe_slot = POOL_NONE;
	engine_reload(e);
	engine_sources_load(e);
	return e;
}

/* ---- queues of resolutions ---- */

void engine_queue_push(struct engine *e, struct engine_queue *q, uint32_t resolution_idx)
{
	e->resolutions.resolutions[resolution_idx].queue_next = POOL_NONE;
	if (q->count == 0)
		q->head = resolution_idx;
	else
		e->resolutions.resolutions[q->tail].queue_next = resolution_idx;
	q->tail = resolution_idx;
	q->count++;
}

uint32_t engine_queue_pop(struct engine *e, struct engine_queue *q)
{
	uint32_t idx = q->head;

	if (q->count == 0)
		return POOL_NONE;
	q->head = e->resolutions.resolutions[idx].queue_next;
	q->count--;
	return idx;
}

/* ---- answers that several wait for ---- */

bool engine_can_keep(const struct engine *e, size_t length_bytes)
{
	const struct pool *pool =
		length_bytes <= ANSWER_BUFFER_BYTES ? &e->answers_free : &e->streams.answers_free;

	return pool_used_count(pool) < pool->capacity;
}

bool engine_keep_answer(struct engine *e, struct resolution *r, const struct msg_response *response)
{
	bool is_large = response->message.length_bytes > ANSWER_BUFFER_BYTES;
	uint32_t idx = pool_take(is_large ? &e->streams.answers_free : &e->answers_free);
	struct msg_response *kept;
	uint8_t *bytes;

	if (idx == POOL_NONE)
		return false;
	kept = is_large ? &e->streams.answers[idx].response : &e->answers[idx].response;
	bytes = is_large ? e->streams.answers[idx].bytes : e->answers[idx].bytes;
	msg_response_copy(kept, response);
	kept->edns.cookie = (struct span){NULL, 0}; /* it points into the packet */
	memcpy(bytes, response->message.data, response->message.length_bytes);
	kept->message.data = bytes;
	r->answer_idx = is_large ? idx | ENGINE_ANSWER_LARGE : idx;
	return true;
}

void engine_drop_answer(struct engine *e, struct resolution *r)
{
	if (r->answer_idx != POOL_NONE && (r->answer_idx & ENGINE_ANSWER_LARGE) != 0)
		pool_put(&e->streams.answers_free, r->answer_idx & ~ENGINE_ANSWER_LARGE);
	else if (r->answer_idx != POOL_NONE)
		pool_put(&e->answers_free, r->answer_idx);
	r->answer_idx = POOL_NONE;
}

const struct msg_response *engine_kept_answer(const struct engine *e, const struct resolution *r)
{
	if (r->answer_idx == POOL_NONE)
		return NULL;
	if (UNLIKELY((r->answer_idx & ENGINE_ANSWER_LARGE) != 0))
		return &e->streams.answers[r->answer_idx & ~ENGINE_ANSWER_LARGE].response;
	return &e->answers[r->answer_idx].response;
}

void engine_resolution_end(struct engine *e, uint32_t resolution_idx)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];

	if (r->waiting != 0)
		return;
	engine_drop_answer(e, r);
	resolution_put(&e->resolutions, resolution_idx);
}

/* ---- steps and timers ---- */

struct resolution_env engine_env(struct engine *e)
{
	return (struct resolution_env){.config = e->config,
				       .servers = &e->servers,
				       .entropy = &e->entropy,
				       .zone_cursors = e->zone_cursors,
				       .now = e->now};
}

/* Modulo 2^32, as all that is counted in seconds. */
static uint32_t offset_s(const struct engine *e)
{
	if (LIKELY(e->clock_offset_s == NULL))
		return 0;
	return (uint32_t)atomic_load_explicit(e->clock_offset_s, memory_order_relaxed);
}

uint32_t engine_wall_s(const struct engine *e)
{
	return e->wall_s + (uint32_t)((e->now - e->started_at) / NS_PER_S) + offset_s(e);
}

uint32_t engine_clock_s(const struct engine *e, mono_ns now)
{
	return (uint32_t)(now / NS_PER_S) + offset_s(e);
}

void engine_step(struct engine *e, uint32_t resolution_idx, enum resolution_step step,
		 const struct msg_response *response)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct msg_response found;

	if (step == RESOLUTION_STEP_ITERATE) {
		step = engine_iterate_advance(e, resolution_idx, &found);
		response = &found;
	}
	if (r->has_iteration && r->state == RESOLUTION_DONE)
		engine_iterate_on_end(e, resolution_idx);
	switch (step) {
	case RESOLUTION_STEP_JUDGE:
	case RESOLUTION_STEP_ITERATE:
		CHECK(false); /* engine_reply and engine_iterate_advance turn them into others */
		return;
	case RESOLUTION_STEP_END:
		break;
	case RESOLUTION_STEP_KEEP:
	case RESOLUTION_STEP_GRACE:
		return;
	case RESOLUTION_STEP_SEND:
		engine_queue_push(e, &e->send_queue, resolution_idx);
		return;
	case RESOLUTION_STEP_PAUSE:
		timer_set(&e->timers, engine_resolution_timer(e, resolution_idx), r->resume_at);
		return;
	case RESOLUTION_STEP_ANSWER:
		if (r->waiting != 0 && !engine_keep_answer(e, r, response))
			CHECK(false); /* engine_reply made sure of a buffer */
		break;
	case RESOLUTION_STEP_FAIL:
		if (r->packets >= r->packets_max || r->tcp_tries >= UPSTREAM_TCP_TRIES_MAX ||
		    e->now >= r->deadline_at)
			counter_add(&e->counters, COUNTER_SHED_BUDGET, 1);
		if (r->has_iteration)
			engine_iterate_on_fail(e, resolution_idx);
		break;
	}
	if (UNLIKELY(r->traced))
		engine_trace_end(e, resolution_idx);
	engine_stale_on_end(e, resolution_idx);
	if (UNLIKELY(resolution_idx < e->subs.fresh))
		engine_sub_cancel(e, resolution_idx);
	if (step == RESOLUTION_STEP_FAIL && e->cache != NULL)
		engine_cache_store_failure(e, r);
	if (UNLIKELY(r->apart_count > 0)) {
		if (r->stream_tail != POOL_NONE)
			engine_stream_release(e, resolution_idx);
		engine_sub_release(e, resolution_idx);
	}
	if (r->waiter_count > 0)
		engine_queue_push(e, &e->answer_queue, resolution_idx);
	else if (LIKELY(r->waiting == 0))
		resolution_put(&e->resolutions, resolution_idx);
}

static void resolution_resume(struct engine *e, uint32_t resolution_idx)
{
	struct resolution_env env = engine_env(e);

	if (UNLIKELY(engine_sub_waits_for(e, resolution_idx) != NULL)) {
		engine_sub_on_timer(e, resolution_idx);
		return;
	}
	engine_step(e, resolution_idx, resolution_on_resume(&e->resolutions, resolution_idx, &env),
		    NULL);
}

static void run_timers(struct engine *e)
{
	uint32_t idx;

	timer_wheel_advance(&e->timers, e->now);
	while ((idx = timer_next_expired(&e->timers)) != UINT32_MAX) {
		if (idx < e->under_way_max)
			engine_slot_timeout(e, idx);
		else if (idx < 2 * e->under_way_max)
			resolution_resume(e, idx - e->under_way_max);
		else
			engine_stale_on_timer(e, idx - 2 * e->under_way_max);
	}
	inflight_expire_late(&e->inflight, e->now, LATE_EXPIRED_PER_TURN);
	engine_sources_scan(e);
	if (UNLIKELY(engine_sub_due(e)))
		engine_sub_turn(e);
	if (UNLIKELY(pool_used_count(&e->resolutions.free) > e->shed_above))
		engine_shed(e);
}

void engine_turn_begin(struct engine *e, mono_ns now)
{
	DCHECK(now >= e->now);
	e->now = now;
	e->now_s = engine_clock_s(e, now);
	if (e->cache != NULL)
		e->flush = cache_flush_now(e->cache);
	/* acquire: the snapshot's contents are read after its pointer */
	e->config = atomic_load_explicit(e->config_source, memory_order_acquire);
	if (UNLIKELY(e->config != e->followed_config))
		engine_reload(e);
	engine_sources_load(e);
	server_refresh(&e->servers, now);
}

/* ---- sending ---- */

/* The first queued query that can be sent now. */
static bool query_fill(struct engine *e, struct tx_slot *slot)
{
	struct buffer frame = {slot->data, slot->capacity_bytes};
	/* One round at most: what is blocked comes back by its timer, not in this turn. */
	for (uint32_t left = e->send_queue.count; left > 0; left--) {
		uint32_t idx = engine_queue_pop(e, &e->send_queue);

		slot->length_bytes = engine_query_send(e, idx, frame, &slot->interface_idx);
		if (slot->length_bytes > 0)
			return true;
	}
	return false;
}

static bool probe_fill(struct engine *e, struct tx_slot *slot)
{
	struct buffer frame = {slot->data, slot->capacity_bytes};

	if (e->servers.next_probe_at > e->now || e->streams.probe_slot != POOL_NONE)
		return false;
	slot->length_bytes = engine_probe_send(e, frame, &slot->interface_idx);
	return slot->length_bytes > 0;
}

unsigned engine_tx_wanted(struct engine *e, unsigned most, mono_ns now)
{
	uint64_t wanted;

	engine_turn_begin(e, now);
	run_timers(e);
	wanted = (uint64_t)e->send_queue.count + e->subs.out.count + e->subs.out_count +
		 e->subs.primes;
	for (uint32_t i = e->answer_queue.head, n = e->answer_queue.count; n > 0 && wanted < most;
	     n--, i = e->resolutions.resolutions[i].queue_next)
		wanted += e->resolutions.resolutions[i].waiter_count;
	for (uint32_t i = e->stale_queue.head; i != POOL_NONE && wanted < most;
	     i = e->resolutions.resolutions[i].stale_next)
		wanted += e->resolutions.resolutions[i].waiter_count;
	if (neighbour_next_at(&e->neighbours, now) <= now)
		wanted += e->neighbours.entry_count + NEIGHBOUR_DEMAND_MAX;
	if (e->servers.next_probe_at <= now)
		wanted += e->servers.server_count;
	return wanted < most ? (unsigned)wanted : most;
}

unsigned engine_tx(struct engine *e, struct tx_slot slots[], unsigned slot_count, mono_ns now)
{
	unsigned filled = 0, before;

	CHECK(slot_count <= BURST_SLOTS_MAX);
	engine_turn_begin(e, now);
	run_timers(e);
	for (unsigned i = 0; i < slot_count; i++)
		slots[i].to_worker = TX_DEVICE;
	engine_queries_ahead(e, slot_count);
	/* Neighbours first: nothing else leaves without them. Then what others wait for, answers, which free resolutions, and
	 * queries. Again, as a query that cannot be sent has neighbours asked for, or an answer. */
	do {
		before = filled;
		while (filled < slot_count && engine_solicit_fill(e, &slots[filled]))
			filled++;
		while (filled < slot_count && engine_sub_fill(e, &slots[filled]))
			filled++;
		while (filled < slot_count && engine_answer_fill(e, &slots[filled]))
			filled++;
		while (filled < slot_count && query_fill(e, &slots[filled]))
			filled++;
		while (filled < slot_count && probe_fill(e, &slots[filled]))
			filled++;
	} while (filled > before);
	return filled;
}

mono_ns engine_next_deadline(const struct engine *e)
{
	mono_ns next = timer_wheel_next(&e->timers);
	mono_ns late = inflight_next_late(&e->inflight);
	mono_ns neighbours = neighbour_next_at(&e->neighbours, e->now);

	if (e->send_queue.count > 0 || e->answer_queue.count > 0 || e->stale_queue.count > 0 ||
	    engine_stream_wants_out(e) || engine_sources_due(e) || engine_sub_due(e))
		return e->now;
	if (late < next)
		next = late;
	if (neighbours < next)
		next = neighbours;
	if (e->servers.next_probe_at < next)
		next = e->servers.next_probe_at;
	return next;
}

/* ---- receiving: see engine_rx.c; this is its frame ---- */

void engine_rx(struct engine *e, struct rx_slot slots[], unsigned slot_count, mono_ns now)
{
	CHECK(slot_count <= BURST_SLOTS_MAX);
	engine_turn_begin(e, now);
	engine_rx_burst(e, slots, slot_count);
}

/* ---- state of things ---- */

bool engine_ready(const struct engine *e, mono_ns now)
{
	if (now >= e->started_at + READY_WAIT_MS * NS_PER_MS)
		return true;
	for (uint16_t i = 0; i < e->neighbours.entry_count; i++) {
		struct mac mac;

		if (!e->neighbours.entries[i].is_retired &&
		    neighbour_mac(&e->neighbours, i, &mac) != NEIGHBOUR_KNOWN)
			return false;
	}
	return true;
}

void engine_stop_taking(struct engine *e)
{
	e->stopping = true;
}

bool engine_idle(const struct engine *e)
{
	return pool_used_count(e->stopping ? &e->waiters.free : &e->resolutions.free) == 0;
}

struct entropy *engine_entropy(struct engine *e)
{
	return &e->entropy;
}

const struct counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}

struct counters *engine_counters_mut(struct engine *e)
{
	return &e->counters;
}

const struct engine_latencies *engine_latencies(const struct engine *e)
{
	return &e->latencies;
}

const struct latency *engine_server_latency(const struct engine *e, uint16_t server_idx)
{
	return server_idx < e->servers.server_count ? &e->server_latencies[server_idx] : NULL;
}

void engine_gauges(const struct engine *e, struct engine_gauges *out)
{
	uint32_t live_count = e->inflight.live_count;
	uint32_t probes_out = e->probes_out;
	uint32_t elsewhere = probes_out + e->streams.under_way;

	*out = (struct engine_gauges){
		.resolutions_active = pool_used_count(&e->resolutions.free),
		.waiters = pool_used_count(&e->waiters.free),
		/* Whoever reads beside the worker may see a probe that is not among the live ones yet. */
		.tickets_out = live_count > elsewhere ? live_count - elsewhere : 0,
		.probes_out = probes_out,
		.tickets_late = e->inflight.late_count,
		.answer_buffers_used = pool_used_count(&e->answers_free),
		.large_buffers_used = pool_used_count(&e->streams.answers_free),
		.tcp_queries_out = e->streams.under_way,
		.subs_waiting = e->subs.waiting_count,
		.subs_waited_for = e->subs.waiter_count,
	};
}

void engine_check(const struct engine *e)
{
	uint64_t outcomes = 0;
	uint64_t waiters = 0;

	CHECK(e->begun_count == 0);
	resolution_check(&e->resolutions);
	inflight_check(&e->inflight);
	timer_wheel_check(&e->timers);
	neighbour_check(&e->neighbours);
	server_check(&e->servers);
	engine_ask_check(e);
	engine_stale_check(e);
	engine_stream_check(e);
	engine_sub_check(e);
	engine_iterate_check(e);
	engine_share_check(e);
	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++) {
		const struct resolution *r = &e->resolutions.resolutions[i];

		waiters += resolution_waiters(r);
		CHECK(r->state != RESOLUTION_DONE || resolution_waiters(r) > 0);
		if (r->state == RESOLUTION_WAIT) {
			const struct inflight_slot *s = &e->inflight.slots[r->slot_idx];

			CHECK(s->state == INFLIGHT_SLOT_LIVE && s->resolution_idx == i &&
			      s->resolution_generation == r->generation);
		}
	}
	CHECK(e->probes_out <= e->inflight.live_count);
	engine_sources_check(e);
	CHECK(waiters == pool_used_count(&e->waiters.free));
	waiters -= e->subs.waiter_count; /* which no client's limit counts */
	for (uint32_t i = 0; i < CLIENT_PLACES; i++)
		waiters -= e->waiters.client_counts[i];
	CHECK(waiters == 0);
	for (unsigned i = 0; i < COUNTER_OUTCOME_COUNT; i++)
		outcomes += e->counters.value[i];
	CHECK(outcomes == e->counters.value[COUNTER_RX_PACKETS] +
				  e->counters.value[COUNTER_HANDOFFS] +
				  e->counters.value[COUNTER_STREAM_MESSAGES]);
}
