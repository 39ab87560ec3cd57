/* Making a world, its configuration, turns and time. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "core/arena.h"
#include "core/cache.h"
#include "core/dns_const.h"
#include "core/engine_plan.h"
#include "core/frame.h"
#include "core/limits.h"
#include "world_own.h"

#define START_NS (UINT64_C(1000) * NS_PER_S)
#define START_WALL_S 1750000000u
#define CACHE_BYTES ((size_t)4 << 20)
#define UNDER_WAY 256
#define WAITERS 1024
#define ANSWER_BUFFERS 32
#define LEARNED_SERVERS 256
#define ENTROPY_BLOCK_BYTES 4096
#define CARRIER_ANSWERS 4
#define PORT_FIRST 1024
#define TX_BYTES TX_BUFFER_BYTES_MIN
#define V4_LINK_BITS 120
#define V6_LINK_BITS 64
#define STALLS_MAX 200 /* turns in a row in which nothing happens although something is due */

uint64_t world_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

bool world_address(const char *text, struct address *out)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = address_from_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static struct address own(const char *text)
{
	struct address a;

	CHECK(world_address(text, &a));
	return a;
}

void *world_memory(size_t bytes)
{
	size_t rounded = (bytes + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
	void *memory = aligned_alloc(ARENA_ALIGN_BYTES, rounded);

	CHECK(memory != NULL);
	return memory;
}

/* ---- the configuration ---- */

static void source_default(struct world *w)
{
	struct port_map map;

	w->source = world_memory(sizeof(*w->source));
	port_map_clear(&map);
	port_map_add(&map, PORT_FIRST, UINT16_MAX);
	source_set_init(w->source, &map);
	atomic_init(&w->source_now, w->source);
	atomic_init(&w->source_generation, 1);
}

static void config_default(struct world *w)
{
	struct engine_config *c = w->config;
	struct frame_interface *interface = &c->interfaces[0];
	struct prefix addresses[2] = {{own(WORLD_OWN_V4), V4_LINK_BITS},
				      {own(WORLD_OWN_V6), V6_LINK_BITS}};

	c->interface_count = 1;
	interface->mac = (struct mac){{0x02, 0, 0, 0, 0, 0x53}};
	interface->vlan = FRAME_VLAN_NONE;
	interface->mtu_bytes = 1500;
	interface->address_count = 2;
	interface->link_local = frame_link_local(&interface->mac);
	c->gateway_count = 2;
	c->listen_count = 2;
	c->outgoing_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct address gateway = addresses[i].address;

		gateway.bytes[ADDRESS_BYTES - 1] = 1;
		interface->addresses[i] = addresses[i];
		c->gateways[i] = (struct engine_gateway){gateway, 0};
		c->listen[i] = (struct engine_listen){{addresses[i].address, DNS_PORT}, 0};
		c->outgoing[i] = (struct engine_outgoing){addresses[i].address, ADDRESS_BITS, 0,
							  false, &w->source_now};
	}
	c->source_generation = &w->source_generation;
	c->allow_count = 2;
	c->allow[0] = (struct prefix){own("::"), 0};
	c->allow[1] = (struct prefix){own("0.0.0.0"), 96};
	CHECK(name_from_text(".", &c->health_name));
	c->edns_udp_size_bytes = EDNS_UDP_BYTES;
	c->case_randomization = true;
	c->tcp_interfaces = 1;
	c->late_ms = 3000;
	c->cache = (struct engine_cache_config){.max_ttl_s = 86400,
						.negative_max_ttl_s = 3600,
						.failure_ttl_s = 5,
						.max_stale_s = 86400,
						.client_timeout_ms = 1800};
}

static uint16_t server_place(struct engine_config *c, const struct endpoint *server)
{
	uint16_t idx = 0;

	while (idx < c->server_count && !endpoint_equal(&c->server_endpoints[idx], server))
		idx++;
	if (idx == c->server_count) {
		CHECK(c->server_count++ < WORLD_SERVERS);
		c->server_endpoints[idx] = *server;
		c->server_health[idx] = (struct server_health){1000, 1, 3};
	}
	return idx;
}

void world_zone(struct world *w, const struct engine_zone *zone, const struct endpoint servers[],
		unsigned server_count)
{
	struct engine_zone *place = &w->config->zones[w->config->zone_count++];

	CHECK(w->config->zone_count <= ZONES_MAX && server_count > 0 &&
	      server_count <= ZONE_SERVERS_MAX);
	*place = *zone;
	place->server_count = 0;
	for (unsigned i = 0; i < server_count; i++)
		place->servers[place->server_count++] = server_place(w->config, &servers[i]);
}

struct endpoint world_listen(const struct world *w, const struct address *client)
{
	return w->config->listen[address_is_v4(client) ? 0 : 1].endpoint;
}

/* ---- making one ---- */

struct world *world_new(const struct world_params *params)
{
	struct world *w = world_memory(sizeof(*w));
	struct world_params *p = &w->params;

	memset(w, 0, sizeof(*w));
	*p = *params;
	p->engine_count = p->engine_count > 0 ? p->engine_count : 1;
	p->cache_bytes = p->cache_bytes > 0 ? p->cache_bytes : CACHE_BYTES;
	p->under_way_max = p->under_way_max > 0 ? p->under_way_max : UNDER_WAY;
	p->waiter_count_max = p->waiter_count_max > 0 ? p->waiter_count_max : WAITERS;
	p->answer_buffer_count =
		p->answer_buffer_count > 0 ? p->answer_buffer_count : ANSWER_BUFFERS;
	p->learned_server_count =
		p->learned_server_count > 0 ? p->learned_server_count : LEARNED_SERVERS;
	p->ring_capacity = p->ring_capacity > 0 ? p->ring_capacity : WORLD_RING_PACKETS;
	p->wall_s = p->wall_s > 0 ? p->wall_s : START_WALL_S;
	CHECK(p->engine_count <= WORLD_ENGINES_MAX);
	w->engine_count = p->engine_count;
	w->now = START_NS;
	w->config = calloc(1, sizeof(*w->config));
	CHECK(w->config != NULL);
	source_default(w);
	config_default(w);
	return w;
}

static void cache_new(struct world *w)
{
	struct cache_params params = {w->params.cache_bytes, w->engine_count};
	size_t bytes = cache_memory_bytes(&params);

	w->cache_memory = world_memory(bytes);
	memset(w->cache_memory, 0, bytes); /* as its header wants it */
	w->cache = cache_init(w->cache_memory, &params);
}

static void shared_new(struct world *w)
{
	uint32_t slots = w->params.under_way_max * w->engine_count;
	struct hash_key words_key = {17, w->params.seed};
	struct hash_key fold_secret = {11, w->params.seed};

	w->acl_memory = world_memory(acl_memory_bytes());
	w->config->acl = acl_init(w->acl_memory, w->config->allow, w->config->allow_count);
	w->fold_key = world_memory(sizeof(*w->fold_key));
	name_fold_key_init(w->fold_key, &fold_secret);
	cache_new(w);
	w->words_memory = world_memory(inflight_words_memory_bytes(slots));
	inflight_words_init(&w->words, w->words_memory, slots, w->engine_count, &words_key);
	w->neighbour_words = world_memory(NEIGHBOUR_PLACES_MAX * sizeof(struct neighbour_word));
	neighbour_shared_init(&w->neighbours, w->neighbour_words, NEIGHBOUR_PLACES_MAX);
	w->servers_memory = world_memory(server_shared_memory_bytes(WORLD_SERVERS));
	server_shared_init(&w->servers, w->servers_memory, WORLD_SERVERS);
	engine_plan_first(w->config, &w->words);
	atomic_init(&w->current, w->config);
	world_rings_new(w);
}

static void engine_new(struct world *w, unsigned idx, struct engine_params *params)
{
	size_t bytes;

	params->worker_idx = (uint8_t)idx;
	params->table_key = (struct hash_key){13 + idx, w->params.seed};
	bytes = engine_memory_bytes(params);
	w->memory[idx] = world_memory(bytes);
	if (w->params.is_dirty)
		memset(w->memory[idx], 0xa5, bytes);
	w->engines[idx] = engine_init(w->memory[idx], params);
	w->entropy_state[idx] = w->params.seed ^ (uint64_t)(idx + 1) << 56;
}

void world_start(struct world *w)
{
	struct engine_params params;

	shared_new(w);
	params = (struct engine_params){
		.config = &w->current,
		.words = &w->words,
		.servers = &w->servers,
		.neighbours = &w->neighbours,
		.cache = w->cache,
		.fold_key = w->fold_key,
		.fold = NAME_FOLD_SCALAR,
		.under_way_max = w->params.under_way_max,
		.waiter_count_max = w->params.waiter_count_max,
		.answer_buffer_count = w->params.answer_buffer_count,
		.learned_server_count = w->params.learned_server_count,
		.worker_count = (uint8_t)w->engine_count,
		.receiver_count = (uint8_t)w->engine_count,
		.entropy_block_bytes = ENTROPY_BLOCK_BYTES,
		.cookie_key = {15, w->params.seed},
		.now = w->now,
		.wall_s = w->params.wall_s,
	};
	for (unsigned i = 0; i < w->engine_count; i++)
		engine_new(w, i, &params);
	if (!w->params.carries)
		return;
	/* As small as may be: it owns nothing. */
	params.under_way_max = 1;
	params.waiter_count_max = 1;
	params.answer_buffer_count = CARRIER_ANSWERS;
	engine_new(w, w->engine_count, &params);
}

void world_free(struct world *w)
{
	struct world_event event;

	while (world_next(w, &event))
		;
	world_rings_free(w);
	for (unsigned i = 0; i <= w->engine_count; i++)
		free(w->memory[i]);
	free(w->neighbour_words);
	free(w->servers_memory);
	free(w->words_memory);
	free(w->cache_memory);
	free(w->fold_key);
	free(w->acl_memory);
	free(w->source);
	free(w->config);
	free(w);
}

/* ---- turns ---- */

static void fill_entropy(struct world *w, unsigned engine)
{
	struct entropy *entropy = engine_entropy(w->engines[engine]);

	while (!w->entropy_stops) {
		struct buffer block = entropy_block_to_fill(entropy);

		if (block.capacity_bytes == 0)
			return;
		for (size_t at = 0; at < block.capacity_bytes; at += sizeof(uint64_t)) {
			uint64_t word = world_random(&w->entropy_state[engine]);

			memcpy(block.data + at, &word, sizeof(word));
		}
		entropy_filled(entropy);
	}
}
static_assert(ENTROPY_BLOCK_BYTES % sizeof(uint64_t) == 0, "blocks are filled by words");

static void send_all(struct world *w, unsigned engine)
{
	uint8_t frames[BURST_SLOTS_MAX][TX_BYTES];
	struct tx_slot slots[BURST_SLOTS_MAX];
	unsigned filled;

	do {
		for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
			slots[i] = (struct tx_slot){.data = frames[i], .capacity_bytes = TX_BYTES};
		filled = engine_tx(w->engines[engine], slots, BURST_SLOTS_MAX, w->now);
		CHECK(filled <= BURST_SLOTS_MAX);
		for (unsigned i = 0; i < filled; i++) {
			if (slots[i].to_worker == TX_DEVICE)
				world_take_frame(w, engine, slots[i].data, slots[i].length_bytes);
			else
				(void)world_pass(w, engine, slots[i].to_worker,
						 (enum rx_kind)slots[i].kind, slots[i].data,
						 slots[i].length_bytes);
		}
	} while (filled > 0);
}

static void turn(struct world *w, unsigned engine)
{
	fill_entropy(w, engine);
	world_receive(w, engine);
	fill_entropy(w, engine);
	send_all(w, engine);
	world_take_streams(w, engine);
}

mono_ns world_deadline(const struct world *w)
{
	mono_ns next = world_rings_next(w);

	for (unsigned i = 0; i < w->engine_count; i++)
		if (!w->stopped[i] && engine_next_deadline(w->engines[i]) < next)
			next = engine_next_deadline(w->engines[i]);
	return next;
}

/* All that is due now. */
static void turns(struct world *w)
{
	unsigned stalls = 0;

	do {
		uint64_t before = w->steps;

		for (unsigned i = 0; i < w->engine_count; i++)
			if (!w->stopped[i])
				turn(w, i);
		if (w->params.checks)
			for (unsigned i = 0; i < w->engine_count; i++)
				engine_check(w->engines[i]);
		/* A worker that has nothing to do but says that it has would never nap. */
		stalls = before == w->steps ? stalls + 1 : 0;
		CHECK(stalls < STALLS_MAX);
	} while (world_deadline(w) <= w->now && w->first_out == NULL);
}

bool world_run(struct world *w, mono_ns until)
{
	for (;;) {
		mono_ns next;

		turns(w);
		if (w->first_out != NULL)
			return true;
		next = world_deadline(w);
		if (next > until || next == MONO_NEVER)
			break;
		w->now = next;
	}
	if (until != MONO_NEVER && w->now < until) {
		w->now = until;
		turns(w);
	}
	return w->first_out != NULL;
}

/* ---- the books ---- */

uint64_t world_count(const struct world *w, enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->engine_count + w->params.carries; i++)
		sum += engine_counters(w->engines[i])->value[which];
	return sum;
}

void world_check(const struct world *w)
{
	for (unsigned i = 0; i < w->engine_count + w->params.carries; i++) {
		const uint64_t *value = engine_counters(w->engines[i])->value;
		uint64_t outcomes = 0;

		engine_check(w->engines[i]);
		for (unsigned c = 0; c < COUNTER_OUTCOME_COUNT; c++)
			outcomes += value[c];
		CHECK(outcomes == value[COUNTER_RX_PACKETS] + value[COUNTER_HANDOFFS] +
					  value[COUNTER_STREAM_MESSAGES]);
		CHECK(i == w->engine_count || value[COUNTER_RX_PACKETS] == w->rx_packets[i]);
	}
	cache_check(w->cache);
}
