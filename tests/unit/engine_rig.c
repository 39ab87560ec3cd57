#include "engine_rig_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "core/arena.h"
#include "core/engine_state.h"
#include "core/frame.h"
#include "engine_rig_list.h"
#include "unit.h"

#define RIG_START_NS (UINT64_C(1000) * NS_PER_S)
#define RIG_WALL_S 1750000000u
#define RIG_TX_BYTES TX_BUFFER_BYTES_MIN
#define RIG_STALLS_MAX 200 /* polls in a row in which time may stand still */

const char *const rig_family_text[RIG_FAMILY_COUNT] = {"IPv4", "IPv6"};

void rig_row(bool ok, int line, const char *file, const char *says, const char *condition)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", says, condition);
	CU_assertImplementation(ok ? CU_TRUE : CU_FALSE, (unsigned)line, text, file, "", CU_FALSE);
}

/* ---- making one ---- */

struct rig *rig_new(unsigned engine_count)
{
	struct rig *r = calloc(1, sizeof(*r));

	CHECK(r != NULL && engine_count >= 1 && engine_count <= RIG_ENGINES_MAX);
	r->sources = rig_list_new(sizeof(struct source_set *));
	rig_source_publish_all(r, rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX));
	r->engine_count = engine_count;
	r->neighbours_answer = true;
	r->entropy_runs = true;
	r->ring_capacity = RIG_RING_CAPACITY;
	r->device_capacity = RIG_DEVICE_CAPACITY;
	r->checks = true;
	r->ldns_agrees = true;
	r->collects = true;
	r->in_place = true;
	r->tailroom_bytes = UINT16_MAX;
	r->now = RIG_START_NS;
	r->random = unit_seed();
	r->entropy_random = unit_seed() ^ 0x5bd1e995;
	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++) {
		r->tx_frames[i] = malloc(RIG_TX_BYTES);
		CHECK(r->tx_frames[i] != NULL);
	}
	r->answers = rig_list_new(sizeof(struct rig_answer));
	r->queries = rig_list_new(sizeof(struct rig_query));
	r->stream_answers = rig_list_new(sizeof(struct rig_stream_answer));
	r->stream_queries = rig_list_new(sizeof(struct rig_query));
	rig_world_default(r);
	r->params = (struct engine_params){
		.under_way_max = 256,
		.waiter_count_max = 1024,
		.answer_buffer_count = 32,
		.learned_server_count = 64,
		.entropy_block_bytes = 4096,
		.fold = NAME_FOLD_SCALAR,
		.table_key = {13, 14},
		.cookie_key = {15, 16},
		.wall_s = RIG_WALL_S,
	};
	return r;
}

struct source_set *rig_source_new(struct rig *r, uint16_t first, uint16_t last)
{
	struct source_set *source = malloc(sizeof(*source));
	struct port_map map;

	CHECK(source != NULL);
	port_map_clear(&map);
	port_map_add(&map, first, last);
	source_set_init(source, &map);
	rig_list_push(r->sources, &source);
	return source;
}

void rig_source_publish(struct rig *r, unsigned outgoing_idx, const struct source_set *source)
{
	atomic_store_explicit(&r->source_now[outgoing_idx], source, memory_order_release);
	atomic_fetch_add_explicit(&r->source_generation, 1, memory_order_release);
}

void rig_source_publish_all(struct rig *r, const struct source_set *source)
{
	for (unsigned i = 0; i < OUTGOING_SLOTS_MAX; i++)
		rig_source_publish(r, i, source);
}

static void sources_free(struct rig *r)
{
	struct source_set *source;

	while (rig_list_pop(r->sources, &source))
		free(source);
	rig_list_free(r->sources);
}

/* Whole cache lines, full of garbage: an engine may not count on cleared memory. */
static void *memory_new(size_t bytes)
{
	size_t rounded = (bytes + ARENA_ALIGN_BYTES) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
	void *memory = aligned_alloc(ARENA_ALIGN_BYTES, rounded);

	CHECK(memory != NULL);
	memset(memory, 0xa5, rounded);
	return memory;
}

static void cache_new(struct rig *r)
{
	struct cache_params params = {r->cache_bytes, r->engine_count};
	size_t bytes;

	if (r->cache_bytes == 0)
		return;
	bytes = cache_memory_bytes(&params);
	r->cache_memory = memory_new(bytes);
	memset(r->cache_memory, 0, bytes); /* as its header wants it */
	r->cache = cache_init(r->cache_memory, &params);
}

void rig_start(struct rig *r)
{
	uint32_t slots = r->params.under_way_max * r->engine_count;
	struct hash_key words_key = {17, 18};
	struct hash_key fold_secret = {11, 12};

	r->acl_memory = memory_new(acl_memory_bytes());
	r->config.acl = acl_init(r->acl_memory, r->config.allow, r->config.allow_count);
	r->fold_key = memory_new(sizeof(*r->fold_key));
	name_fold_key_init(r->fold_key, &fold_secret);
	cache_new(r);
	atomic_init(&r->current, &r->config);
	r->words_memory = memory_new(inflight_words_memory_bytes(slots));
	inflight_words_init(&r->words, r->words_memory, slots, r->engine_count, &words_key);
	r->neighbour_words = memory_new(NEIGHBOUR_PLACES_MAX * sizeof(struct neighbour_word));
	neighbour_shared_init(&r->neighbours, r->neighbour_words, NEIGHBOUR_PLACES_MAX);
	rig_rings_new(r);
	r->params.config = &r->current;
	r->params.neighbours = &r->neighbours;
	r->params.receiver_count =
		(uint8_t)(r->receiver_count > 0 ? r->receiver_count : r->engine_count);
	r->params.words = &r->words;
	r->servers_memory = memory_new(server_shared_memory_bytes(RIG_SERVER_PLACES));
	server_shared_init(&r->servers, r->servers_memory, RIG_SERVER_PLACES);
	r->params.servers = &r->servers;
	engine_plan_first(&r->config, &r->words);
	r->params.fold_key = r->fold_key;
	r->params.cache = r->cache;
	r->params.worker_count = (uint8_t)r->engine_count;
	r->params.now = r->now;
	for (unsigned i = 0; i < r->engine_count; i++) {
		r->params.worker_idx = (uint8_t)i;
		r->memory[i] = memory_new(engine_memory_bytes(&r->params));
		r->engines[i] = engine_init(r->memory[i], &r->params);
	}
	if (r->carries)
		rig_carrier_new(r);
	rig_poll(r);
}

/* ---- the cache ---- */

struct cache_key rig_cache_key(const struct rig *r, const char *name, uint16_t qtype,
			       bool checking_disabled)
{
	struct cache_key key;
	struct name qname;

	CU_ASSERT_FATAL(name_from_text(name, &qname));
	engine_key_make(r->engines[0], &qname, qtype, checking_disabled, &key);
	return key;
}

unsigned rig_owner(const struct rig *r, const char *name, uint16_t qtype)
{
	struct cache_key key = rig_cache_key(r, name, qtype, false);

	return engine_owner(r->engines[0], key.hash);
}

/* ---- what was sent ---- */

bool rig_query_next(struct rig *r, struct rig_query *out)
{
	return rig_list_pop(r->queries, out);
}

bool rig_answer_next(struct rig *r, struct rig_answer *out)
{
	return rig_list_pop(r->answers, out);
}

unsigned rig_query_count(const struct rig *r)
{
	return (unsigned)r->queries->count;
}

unsigned rig_answer_count(const struct rig *r)
{
	return (unsigned)r->answers->count;
}

void rig_forget(struct rig *r)
{
	r->queries->count = 0;
	r->answers->count = 0;
	r->stream_queries->count = 0;
	r->stream_answers->count = 0;
}

/* ---- time ---- */

static void fill_entropy(struct rig *r)
{
	for (unsigned i = 0; r->entropy_runs && i < r->engine_count; i++) {
		struct entropy *entropy = engine_entropy(r->engines[i]);

		for (;;) {
			struct buffer block = entropy_block_to_fill(entropy);

			if (block.capacity_bytes == 0)
				break;
			for (size_t at = 0; at < block.capacity_bytes; at += 8) {
				unsigned long long word = unit_random(&r->entropy_random);
				size_t left = block.capacity_bytes - at;

				memcpy(block.data + at, &word, left < 8 ? left : 8);
			}
			entropy_filled(entropy);
		}
	}
}

static void poll_engine(struct rig *r, unsigned engine)
{
	struct tx_slot slots[BURST_SLOTS_MAX];
	unsigned wanted = engine_tx_wanted(r->engines[engine], BURST_SLOTS_MAX, r->now);
	unsigned filled;

	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
		slots[i] = (struct tx_slot){.data = r->tx_frames[i],
					    .capacity_bytes = RIG_TX_BYTES,
					    .interface_idx = UINT8_MAX};
	filled = engine_tx(r->engines[engine], slots, wanted, r->now);
	CU_ASSERT_FATAL(filled <= wanted);
	if (filled == 0) /* nothing was wanted, and nothing there is */
		CU_ASSERT(wanted > 0 ||
			  engine_tx(r->engines[engine], slots, BURST_SLOTS_MAX, r->now) == 0);
	/* Messages first: the books must balance when a frame that is taken has the engine called again, which uses no
	 * frame of this burst. */
	for (unsigned i = 0; i < filled; i++)
		if (slots[i].to_worker != TX_DEVICE)
			rig_pass_message(r, engine, &slots[i]);
	for (unsigned i = 0; i < filled; i++) {
		CU_ASSERT(slots[i].data == r->tx_frames[i]);
		if (slots[i].to_worker == TX_DEVICE)
			rig_take_frame(r, engine, r->tx_frames[i], slots[i].length_bytes,
				       slots[i].interface_idx);
	}
	rig_stream_take(r, engine);
}

static mono_ns next_deadline(const struct rig *r)
{
	mono_ns next = rig_rings_next(r);

	for (unsigned i = 0; i < r->engine_count; i++)
		if (!r->stopped[i] && engine_next_deadline(r->engines[i]) < next)
			next = engine_next_deadline(r->engines[i]);
	return next;
}

/* Grows with all that happens. */
static uint64_t happened(const struct rig *r)
{
	uint64_t sum = r->queries_sent + r->answers_sent + r->solicits_broadcast +
		       r->solicits_unicast + r->stream_queries_sent;

	for (unsigned i = 0; i < r->engine_count; i++)
		sum += r->delivered[i];
	return sum;
}

void rig_poll(struct rig *r)
{
	/* A worker that has nothing to do but says so nevertheless would never nap. */
	for (unsigned stalls = 0; stalls < RIG_STALLS_MAX;) {
		uint64_t before = happened(r);
		unsigned first = r->ring_delay_ns_max > 0
					 ? (unsigned)(unit_random(&r->random) % r->engine_count)
					 : 0;

		fill_entropy(r);
		for (unsigned i = 0; i < r->engine_count; i++) {
			unsigned engine = (first + i) % r->engine_count;

			if (r->stopped[engine])
				continue;
			rig_receive(r, engine);
			fill_entropy(r);
			poll_engine(r, engine);
			rig_rings_run(r);
		}
		if (r->checks)
			rig_check(r);
		if (before != happened(r)) {
			stalls = 0;
			continue;
		}
		if (next_deadline(r) > r->now)
			return;
		stalls++;
	}
	CU_FAIL_FATAL("a deadline that does not pass");
}

void rig_advance(struct rig *r, uint64_t ns)
{
	mono_ns target = r->now + ns;

	for (;;) {
		mono_ns next;

		rig_poll(r);
		next = next_deadline(r);
		if (next > target)
			break;
		r->now = next;
	}
	r->now = target;
	rig_poll(r);
}

/* ---- the books ---- */

static uint64_t carrier_count(const struct rig *r, enum counter which)
{
	return r->carrier != NULL ? engine_counters(r->carrier)->value[which] : 0;
}

/* Of each query, by UDP or over TCP, one thing has become, or it is under way. A probe that is may be either. */
static void queries_check(const uint64_t value[COUNTER_COUNT], const struct engine_gauges *gauges)
{
	uint64_t ended = value[COUNTER_UPSTREAM_RESPONSE] + value[COUNTER_UPSTREAM_TIMEOUTS] +
			 value[COUNTER_UPSTREAM_CANCELLED];
	uint64_t tcp_ended =
		value[COUNTER_UPSTREAM_TCP_RESPONSE] + value[COUNTER_UPSTREAM_TCP_UNUSABLE] +
		value[COUNTER_UPSTREAM_TCP_FAILURE] + value[COUNTER_UPSTREAM_TCP_TIMEOUTS] +
		value[COUNTER_UPSTREAM_TCP_CANCELLED];
	uint64_t probes = value[COUNTER_UPSTREAM_QUERIES] - ended - gauges->tickets_out;
	uint64_t tcp_probes =
		value[COUNTER_UPSTREAM_TCP_QUERIES] - tcp_ended - gauges->tcp_queries_out;

	CU_ASSERT_FATAL(probes <= gauges->probes_out && tcp_probes <= gauges->probes_out);
	CU_ASSERT_FATAL(probes + tcp_probes == gauges->probes_out);
}

void rig_check(const struct rig *r)
{
	for (unsigned i = 0; i < r->engine_count; i++) {
		const uint64_t *value = engine_counters(r->engines[i])->value;
		const struct server_table *servers = &r->engines[i]->servers;
		struct engine_gauges gauges;
		uint64_t outcomes = 0;
		uint64_t under_way = 0;

		engine_check(r->engines[i]);
		engine_gauges(r->engines[i], &gauges);
		for (unsigned c = 0; c < COUNTER_OUTCOME_COUNT; c++)
			outcomes += value[c];
		CU_ASSERT_FATAL(value[COUNTER_RX_PACKETS] == r->from_device[i]);
		CU_ASSERT_FATAL(outcomes == value[COUNTER_RX_PACKETS] + value[COUNTER_HANDOFFS] +
						    value[COUNTER_STREAM_MESSAGES]);
		CU_ASSERT_FATAL(outcomes == r->delivered[i]);
		queries_check(value, &gauges);
		/* Of all, also those that a reload has taken out. */
		for (unsigned s = 0; s < servers->server_count; s++)
			under_way += servers->servers[s].under_way;
		for (unsigned s = 0; s < servers->learned.fresh; s++)
			under_way += servers->learned.servers[s].under_way;
		CU_ASSERT_FATAL(under_way ==
				gauges.tickets_out + gauges.probes_out + gauges.tcp_queries_out);
	}
	if (r->carrier != NULL)
		engine_check(r->carrier);
	/* Whatever was passed on is in a ring or has arrived. */
	CU_ASSERT_FATAL(rig_count(r, COUNTER_PACKET_HANDED_OFF) +
				rig_count(r, COUNTER_QUESTION_HANDED_OFF) +
				rig_count(r, COUNTER_SUB_PASSED) + r->injected +
				carrier_count(r, COUNTER_QUESTION_HANDED_OFF) ==
			rig_count(r, COUNTER_HANDOFFS) + rig_in_rings(r));
	CU_ASSERT_FATAL(rig_count(r, COUNTER_DROP_HANDOFF_FULL) +
				carrier_count(r, COUNTER_DROP_HANDOFF_FULL) ==
			r->ring_drops[RIG_RING_PACKETS] + r->ring_drops[RIG_RING_QUESTIONS]);
	CU_ASSERT_FATAL(rig_count(r, COUNTER_SUB_LOST) ==
			r->ring_drops[RIG_RING_SUB_ANSWERS] +
				r->ring_drops[RIG_RING_SUB_QUESTIONS]);
}

uint64_t rig_count_of(const struct rig *r, unsigned engine, enum counter which)
{
	return engine_counters(r->engines[engine])->value[which];
}

uint64_t rig_count(const struct rig *r, enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->engine_count; i++)
		sum += rig_count_of(r, i, which);
	return sum;
}

struct engine_gauges rig_gauges(const struct rig *r)
{
	struct engine_gauges sum = {0};

	for (unsigned i = 0; i < r->engine_count; i++) {
		struct engine_gauges one;

		engine_gauges(r->engines[i], &one);
		sum.resolutions_active += one.resolutions_active;
		sum.waiters += one.waiters;
		sum.tickets_out += one.tickets_out;
		sum.probes_out += one.probes_out;
		sum.tickets_late += one.tickets_late;
		sum.answer_buffers_used += one.answer_buffers_used;
		sum.large_buffers_used += one.large_buffers_used;
		sum.tcp_queries_out += one.tcp_queries_out;
		sum.subs_waiting += one.subs_waiting;
		sum.subs_waited_for += one.subs_waited_for;
	}
	return sum;
}

bool rig_upstream(const struct rig *r, enum rig_server server, struct engine_upstream_row *out)
{
	for (unsigned i = 0; i < r->engine_count; i++) {
		struct engine_upstream_row row;
		uint32_t cursor = server;

		if (engine_report_upstreams(r->engines[i], &row, 1, &cursor) != 1)
			return false;
		if (i == 0)
			*out = row;
		else
			engine_upstream_row_add(out, &row);
	}
	return true;
}

static bool answer_at_once(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;

	rig_answer_query(r, q, &plain);
	return true;
}

static bool reply_at_once(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;

	rig_stream_reply(r, q, &plain);
	return true;
}

static bool ignore_stream_answer(struct rig *r, const struct rig_stream_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static bool ignore_answer(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

/* Everybody well, everything answered. */
static void calm_down(struct rig *r)
{
	r->on_query = answer_at_once;
	r->on_answer = ignore_answer;
	r->on_stream_query = reply_at_once;
	r->on_stream_answer = ignore_stream_answer;
	r->in_place = true;
	r->multi_segment = false;
	r->kind = RX_PACKET;
	r->tailroom_bytes = UINT16_MAX;
	r->entropy_runs = true;
	r->passing = RIG_PASS_AT_ONCE;
	r->neighbours_answer = true;
	for (unsigned i = 0; i < RIG_HOSTS; i++)
		r->hosts[i].alive = true;
	for (unsigned i = 0; i < r->engine_count; i++)
		r->stopped[i] = false;
}

static void nothing_is_left(const struct rig *r)
{
	struct engine_gauges left = rig_gauges(r);

	CU_ASSERT_EQUAL(left.resolutions_active, 0);
	CU_ASSERT_EQUAL(left.waiters, 0);
	CU_ASSERT_EQUAL(left.tickets_out, 0);
	CU_ASSERT_EQUAL(left.probes_out, 0);
	CU_ASSERT_EQUAL(left.tickets_late, 0);
	CU_ASSERT_EQUAL(left.answer_buffers_used, 0);
	CU_ASSERT_EQUAL(left.large_buffers_used, 0);
	CU_ASSERT_EQUAL(left.tcp_queries_out, 0);
	CU_ASSERT_EQUAL(left.subs_waiting, 0);
	CU_ASSERT_EQUAL(left.subs_waited_for, 0);
	CU_ASSERT_EQUAL(rig_in_rings(r) + rig_in_devices(r), 0);
	for (uint32_t i = 0; i < (r->words.bucket_mask + 1) * INFLIGHT_BUCKET_WORDS; i++)
		if (inflight_word(&r->words, i) != 0) {
			CU_FAIL("an in-flight word is left");
			break;
		}
	/* Nothing that was taken is lost: one answer each. */
	CU_ASSERT_EQUAL(r->answers_sent, rig_count(r, COUNTER_QUESTION_NEW) +
						 rig_count(r, COUNTER_COALESCED) +
						 rig_count(r, COUNTER_CACHE_HIT) +
						 rig_count(r, COUNTER_QUESTION_REPLIED) +
						 carrier_count(r, COUNTER_CACHE_HIT) +
						 carrier_count(r, COUNTER_QUESTION_REPLIED));
	CU_ASSERT_EQUAL(r->queries_sent, rig_count(r, COUNTER_UPSTREAM_QUERIES));
	CU_ASSERT_EQUAL(r->stream_queries_sent, rig_count(r, COUNTER_UPSTREAM_TCP_QUERIES));
}

void rig_finish(struct rig *r)
{
	calm_down(r);
	rig_advance(r, 15 * NS_PER_S);
	rig_check(r);
	nothing_is_left(r);
	if (r->cache != NULL)
		cache_check(r->cache);
	for (unsigned i = 0; i < r->engine_count; i++) {
		CU_ASSERT(engine_idle(r->engines[i]));
		free(r->memory[i]);
	}
	rig_rings_free(r);
	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
		free(r->tx_frames[i]);
	free(r->acl_memory);
	free(r->fold_key);
	free(r->cache_memory);
	free(r->words_memory);
	free(r->servers_memory);
	free(r->neighbour_words);
	sources_free(r);
	rig_list_free(r->answers);
	rig_list_free(r->queries);
	rig_list_free(r->stream_answers);
	rig_list_free(r->stream_queries);
	free(r->carrier_memory);
	free(r);
}
