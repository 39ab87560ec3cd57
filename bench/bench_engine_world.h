/* What is around the engines that bench_engine measures: packets, one Portico's configuration and what its workers
 * share, clients' questions, servers' replies, neighbours.
 *
 * Memory: on huge pages as far as the kernel gives them, never given back. Threads: a packet is one thread's at a time; a
 * struct portico is made before its threads start.
 */
#ifndef PORTICO_BENCH_ENGINE_WORLD_H
#define PORTICO_BENCH_ENGINE_WORLD_H

#include <stdalign.h>

#include "bench/bench_timing.h"
#include "core/acl.h"
#include "core/engine.h"
#include "core/engine_plan.h"
#include "core/msg_build.h"
#include "core/name_fold_cpu.h"
#include "core/wire_cursor.h"

#define WORKERS_MOST 2
#define PACKET_BYTES 2176
#define HEADROOM_BYTES 128
#define ENTROPY_BYTES (1u << 20)
#define CLIENT_PORT 40000
#define ETHERTYPE_ARP 0x0806
#define DNS_OFFSET 42 /* in a frame without tag and options */
#define SRC_PORT_OFFSET 34
#define DST_PORT_OFFSET 36

/* A line for what DPDK keeps in front of a packet too, then the packet. */
struct packet {
	alignas(64) uint8_t *data;
	uint32_t length_bytes;
	alignas(64) uint8_t bytes[PACKET_BYTES];
};

/* What the workers of one Portico share, as dpdk_app/engine_setup.c makes it. */
struct portico {
	struct engine_config config;
	const struct engine_config *_Atomic config_pointer;
	struct source_set source;
	const struct source_set *_Atomic source_now;
	_Atomic uint32_t source_generation;
	struct inflight_words words;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	struct name_fold_key fold_key;
	struct engine_params params;
};

static const struct mac our_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};

static inline struct address world_v4(uint8_t last)
{
	return address_from_v4((const uint8_t[]){198, 18, 0, last});
}

/* ---- Portico ---- */

static inline void world_configure(struct portico *p)
{
	struct engine_config *c = &p->config;
	struct port_map map;

	port_map_clear(&map);
	port_map_add(&map, 1024, 65535);
	source_set_init(&p->source, &map);
	atomic_init(&p->source_now, &p->source);
	atomic_init(&p->source_generation, 1);
	c->interface_count = 1;
	c->interfaces[0] = (struct frame_interface){
		.mac = our_mac, .vlan = FRAME_VLAN_NONE, .mtu_bytes = 1500, .address_count = 1};
	c->interfaces[0].addresses[0] = (struct prefix){world_v4(53), 120};
	c->interfaces[0].link_local = frame_link_local(&our_mac);
	c->listen_count = 1;
	c->listen[0] = (struct engine_listen){{world_v4(53), DNS_PORT}, 0};
	c->allow_count = 1;
	c->allow[0] = (struct prefix){world_v4(0), 120};
	c->acl = acl_init(bench_memory(acl_memory_bytes(), BENCH_PAGES_HUGE), c->allow,
			  c->allow_count);
	c->outgoing_count = 1;
	c->outgoing[0] = (struct engine_outgoing){world_v4(53), 128, 0, false, &p->source_now};
	c->source_generation = &p->source_generation;
	c->server_count = 1;
	c->server_endpoints[0] = (struct endpoint){world_v4(20), DNS_PORT};
	c->server_health[0] = (struct server_health){1000, 1, 3};
	c->zone_count = 1;
	CHECK(name_from_text(".", &c->zones[0].name));
	c->health_name = c->zones[0].name;
	c->zones[0].server_count = 1;
	c->zones[0].recursion_desired = true;
	c->zones[0].timeout_ms = 800;
	c->zones[0].tries = 3;
	c->edns_udp_size_bytes = EDNS_UDP_BYTES;
	c->case_randomization = true;
	c->late_ms = 3000;
	c->cache = (struct engine_cache_config){.max_ttl_s = 86400,
						.negative_max_ttl_s = 3600,
						.failure_ttl_s = 5,
						.serve_stale = true,
						.prefetch = true,
						.round_robin = true,
						.max_stale_s = 86400,
						.client_timeout_ms = 1800};
}

static inline struct portico *world_portico(uint8_t worker_count, mono_ns now)
{
	struct portico *p = bench_memory(sizeof(*p), BENCH_PAGES_HUGE);
	uint32_t slot_count = worker_count * (uint32_t)UNDER_WAY_MAX;
	struct hash_key keys[3];

	world_configure(p);
	atomic_init(&p->config_pointer, &p->config);
	bench_random(keys, sizeof(keys));
	name_fold_key_init(&p->fold_key, &keys[1]);
	neighbour_shared_init(&p->neighbours,
			      bench_memory(NEIGHBOUR_PLACES_MAX * sizeof(struct neighbour_word),
					   BENCH_PAGES_HUGE),
			      NEIGHBOUR_PLACES_MAX);
	inflight_words_init(&p->words,
			    bench_memory(inflight_words_memory_bytes(slot_count), BENCH_PAGES_HUGE),
			    slot_count, worker_count, &keys[0]);
	server_shared_init(&p->servers,
			   bench_memory(server_shared_memory_bytes(p->config.server_count),
					BENCH_PAGES_HUGE),
			   p->config.server_count);
	engine_plan_first(&p->config, &p->words);
	p->params = (struct engine_params){
		.config = &p->config_pointer,
		.words = &p->words,
		.servers = &p->servers,
		.neighbours = &p->neighbours,
		.under_way_max = UNDER_WAY_MAX,
		.waiter_count_max = 2 * UNDER_WAY_MAX,
		.answer_buffer_count = 4096,
		.worker_count = worker_count,
		.receiver_count = worker_count,
		.entropy_block_bytes = ENTROPY_BYTES,
		.fold_key = &p->fold_key,
		.fold = name_fold_cpu_best(),
		.cookie_key = keys[2],
		.now = now,
	};
	return p;
}

/* Before the engines are made: they iterate from this root server on. */
static inline void world_iterate(struct portico *p, uint8_t root_server)
{
	struct zone_cut *hints = &p->config.root_hints;
	struct endpoint server = {world_v4(root_server), DNS_PORT};
	struct name root, name;

	CHECK(name_from_text(".", &root) && name_from_text("ns", &name));
	p->config.zone_count = 0;
	p->config.server_count = 0;
	p->config.iterates = true;
	zone_cut_init(hints, &root, ZONE_CUT_HINTS, UINT32_MAX);
	CHECK(zone_cut_add_server(hints, &name) && zone_cut_add_address(hints, &server, 0));
	p->params.learned_server_count = SERVERS_LEARNED_DEFAULT;
}

/* Before the engines are made: what they are to keep answers in. Pages come as they are touched. */
static inline void world_cache(struct portico *p, size_t bytes)
{
	struct cache_params params = {bytes, p->params.worker_count};

	p->params.cache =
		cache_init(bench_memory(cache_memory_bytes(&params), BENCH_PAGES_HUGE), &params);
}

static inline struct engine *world_engine(const struct portico *p, uint8_t worker_idx)
{
	struct engine_params params = p->params;
	struct engine *e;

	params.worker_idx = worker_idx;
	bench_random(&params.table_key, sizeof(params.table_key));
	e = engine_init(bench_memory(engine_memory_bytes(&params), BENCH_PAGES_HUGE), &params);
	bench_feed(engine_entropy(e));
	return e;
}

/* ---- slots ---- */

static inline struct rx_slot world_slot(const struct packet *p, enum rx_kind kind)
{
	size_t headroom = (size_t)(p->data - p->bytes);

	return (struct rx_slot){
		.data = p->data,
		.length_bytes = p->length_bytes,
		.headroom_bytes = (uint16_t)headroom,
		.tailroom_bytes = (uint16_t)(PACKET_BYTES - headroom - p->length_bytes),
		.vlan = FRAME_VLAN_NONE,
		.in_place = true,
		.kind = (uint8_t)kind,
	};
}

/* ---- clients and servers ---- */

static inline void world_put_udp(struct packet *p, uint8_t from, uint16_t src_port,
				 uint16_t dst_port, unsigned payload_bytes)
{
	struct frame_udp_params params = {.src_mac = peer_mac,
					  .dst_mac = our_mac,
					  .vlan = FRAME_VLAN_NONE,
					  .src = world_v4(from),
					  .dst = world_v4(53),
					  .src_port = src_port,
					  .dst_port = dst_port};

	p->length_bytes = frame_build_udp(p->data, &params, payload_bytes);
}

/* The numberth question: its name is the format's, with the number once or twice. */
static inline void world_put_named_question(struct packet *p, const char *format,
					    unsigned long long number)
{
	char text[64];
	struct name qname;
	struct msg_query_params query = {.id = (uint16_t)number,
					 .qname = &qname,
					 .qtype = DNS_TYPE_A,
					 .qclass = DNS_CLASS_IN,
					 .recursion_desired = true,
					 .edns = true,
					 .edns_udp_size_bytes = EDNS_UDP_BYTES};
	size_t length;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format, number, number);
#pragma GCC diagnostic pop
	CHECK(name_from_text(text, &qname));
	p->data = p->bytes + HEADROOM_BYTES;
	length = msg_build_query((struct buffer){p->data + DNS_OFFSET, 512}, &query);
	/* DO off, as most clients ask: the OPT's flags are its bytes 7 and 8. */
	p->data[DNS_OFFSET + length - DNS_OPT_BYTES_MIN + 7] = 0;
	world_put_udp(p, (uint8_t)(60 + number % 100), CLIENT_PORT, DNS_PORT, (unsigned)length);
}

/* The same, each with a name of its own. */
static inline void world_put_question(struct packet *p, unsigned long long number)
{
	world_put_named_question(p, "n%llu.perf.example", number);
}

/* The query that the engine left in the packet becomes its own answer: one A record before the OPT. */
static inline void world_put_reply(struct packet *p)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 198, 18, 3, 1};
	uint8_t *dns = p->data + DNS_OFFSET;
	size_t length = p->length_bytes - DNS_OFFSET;
	uint16_t port = wire_get_u16(p->data + SRC_PORT_OFFSET);

	memmove(dns + length - DNS_OPT_BYTES_MIN + sizeof(record), dns + length - DNS_OPT_BYTES_MIN,
		DNS_OPT_BYTES_MIN);
	memcpy(dns + length - DNS_OPT_BYTES_MIN, record, sizeof(record));
	wire_put_u16(dns + 2, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
	wire_put_u16(dns + 6, 1);
	world_put_udp(p, 20, DNS_PORT, port, (unsigned)(length + sizeof(record)));
}

static inline bool world_is_query(const struct packet *p)
{
	return wire_get_u16(p->data + DST_PORT_OFFSET) == DNS_PORT &&
	       (wire_get_u16(p->data + DNS_OFFSET + 2) & DNS_FLAG_QR) == 0;
}

/* NOERROR with the one record, to the client. */
static inline bool world_is_answer(const struct packet *p)
{
	uint16_t flags = wire_get_u16(p->data + DNS_OFFSET + 2);

	return wire_get_u16(p->data + DST_PORT_OFFSET) == CLIENT_PORT &&
	       (flags & DNS_FLAG_QR) != 0 && (flags & 0xf) == 0 &&
	       wire_get_u16(p->data + DNS_OFFSET + 6) == 1;
}

/* Which of the workers the device gives the reply to a query to: as RSS, by addresses and ports, of which only our
 * port differs here. */
static inline unsigned world_receiver(const struct packet *query, unsigned worker_count)
{
	uint64_t port = wire_get_u16(query->data + SRC_PORT_OFFSET);

	return (unsigned)(port * INFLIGHT_PORT_SPREAD >> 33) % worker_count;
}

/* ---- neighbours ---- */

/* The ARP question in the packet becomes its answer. */
static inline void world_reply_arp(struct packet *p)
{
	uint8_t *arp = p->data + 14, asked[4];

	memcpy(asked, arp + 24, 4);
	memcpy(p->data, our_mac.bytes, 6);
	memcpy(p->data + 6, peer_mac.bytes, 6);
	arp[7] = 2; /* reply */
	memcpy(arp + 18, arp + 8, 10);
	memcpy(arp + 8, peer_mac.bytes, 6);
	memcpy(arp + 14, asked, 4);
	p->length_bytes = DNS_OFFSET;
}

/* If the engine has a frame to send by itself, it is an ARP question (there is nothing else here): answer it. False:
 * it was something else. */
static inline bool world_answer_arp(struct engine *e, struct packet *spare, mono_ns now)
{
	struct tx_slot tx = {.data = spare->bytes, .capacity_bytes = PACKET_BYTES};
	struct rx_slot rx;

	/* Wanted says at least as many as there are. */
	if (engine_tx_wanted(e, 1, now) == 0 || engine_tx(e, &tx, 1, now) == 0)
		return true;
	if (wire_get_u16(spare->bytes + 12) != ETHERTYPE_ARP)
		return false;
	spare->data = spare->bytes;
	world_reply_arp(spare);
	rx = world_slot(spare, RX_PACKET);
	engine_rx(e, &rx, 1, now);
	return rx.outcome == COUNTER_NEIGHBOUR_LEARNED;
}

#endif
