/* Cycles that one worker's engine spends on a forwarded miss, without any device: a question in, its query out, the
 * server's reply in, the answer out, each in the packet it came in. Names are never the same. Only engine_rx() is timed
 * (TSC cycles), in bursts of 32, with 32 and with 25,000 questions under way.
 *
 *   bench_engine [ROUNDS]    rounds of each (40); the median round is printed, and the fastest
 *
 * The random bytes are refilled between bursts, outside the timed part, as in the program.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "core/engine.h"
#include "core/msg_build.h"
#include "core/wire_cursor.h"

#define BURST 32
#define UNDER_WAY_MOST 25000
#define PACKET_BYTES 2176
#define HEADROOM_BYTES 128
#define ENTROPY_BYTES (1u << 20)
#define ROUNDS_MAX 1000
#define STEP_NS (20 * NS_PER_US)
#define CLIENT_PORT 40000

struct packet {
	uint8_t bytes[PACKET_BYTES];
	uint8_t *data;
	uint32_t length_bytes;
};

struct bench {
	struct engine_config config;
	const struct engine_config *_Atomic config_pointer;
	struct port_set ports;
	struct inflight_words words;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	struct engine *engine;
	struct packet *packets;
	mono_ns now;
	unsigned long long asked;
	unsigned long long cycles;
};

static const struct mac our_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};

static void *memory_for(size_t bytes)
{
	void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

	CHECK(memory != NULL);
	return memory;
}

static struct address v4(uint8_t last)
{
	return address_from_v4((const uint8_t[]){198, 18, 0, last});
}

static void configure(struct bench *b)
{
	struct engine_config *c = &b->config;
	struct port_map map;

	port_map_clear(&map);
	port_map_add(&map, 1024, 65535);
	port_set_build(&b->ports, &map);
	c->interface_count = 1;
	c->interfaces[0] = (struct frame_interface){
		.mac = our_mac, .vlan = FRAME_VLAN_NONE, .mtu_bytes = 1500, .address_count = 1};
	c->interfaces[0].addresses[0] = (struct prefix){v4(53), 120};
	c->interfaces[0].link_local = frame_link_local(&our_mac);
	c->listen_count = 1;
	c->listen[0] = (struct engine_listen){{v4(53), DNS_PORT}, 0};
	c->allow_count = 1;
	c->allow[0] = (struct prefix){v4(0), 120};
	c->outgoing_count = 1;
	c->outgoing[0] = (struct engine_outgoing){v4(53), 0, &b->ports};
	c->server_count = 1;
	c->server_endpoints[0] = (struct endpoint){v4(20), DNS_PORT};
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
}

static void feed(struct bench *b)
{
	struct entropy *e = engine_entropy(b->engine);

	for (struct buffer block = entropy_block_to_fill(e); block.capacity_bytes > 0;
	     block = entropy_block_to_fill(e)) {
		CHECK(RAND_bytes(block.data, (int)block.capacity_bytes) == 1);
		entropy_filled(e);
	}
}

static void start(struct bench *b)
{
	struct engine_params params = {
		.config = &b->config_pointer,
		.words = &b->words,
		.servers = &b->servers,
		.neighbours = &b->neighbours,
		.under_way_max = UNDER_WAY_MAX,
		.waiter_count_max = 2 * UNDER_WAY_MAX,
		.answer_buffer_count = 1024,
		.worker_count = 1,
		.receiver_count = 1,
		.entropy_block_bytes = ENTROPY_BYTES,
		.now = b->now,
	};
	struct hash_key key;
	uint16_t neighbours;

	configure(b);
	neighbours = engine_neighbour_count_max(&b->config);
	neighbour_shared_init(&b->neighbours,
			      memory_for(neighbours * sizeof(struct neighbour_word)), neighbours);
	atomic_init(&b->config_pointer, &b->config);
	CHECK(RAND_bytes((void *)&key, sizeof(key)) == 1);
	inflight_words_init(&b->words, memory_for(inflight_words_memory_bytes(UNDER_WAY_MAX)),
			    UNDER_WAY_MAX, &key);
	server_shared_init(&b->servers,
			   memory_for(server_shared_memory_bytes(b->config.server_count)),
			   b->config.server_endpoints, b->config.server_health,
			   b->config.server_count);
	params.question_key = params.table_key = params.cookie_key = key;
	b->engine = engine_init(memory_for(engine_memory_bytes(&params)), &params);
	b->packets = memory_for(sizeof(struct packet) * UNDER_WAY_MOST);
	feed(b);
}

/* ---- the world's side ---- */

static void put_udp(struct packet *p, uint8_t from, uint16_t src_port, uint16_t dst_port,
		    unsigned payload_bytes)
{
	struct frame_udp_params params = {.src_mac = peer_mac,
					  .dst_mac = our_mac,
					  .vlan = FRAME_VLAN_NONE,
					  .src = v4(from),
					  .dst = v4(53),
					  .src_port = src_port,
					  .dst_port = dst_port};

	p->length_bytes = frame_build_udp(p->data, &params, payload_bytes);
}

static void put_question(struct bench *b, struct packet *p)
{
	char text[64];
	struct name qname;
	struct msg_query_params query = {.id = (uint16_t)b->asked,
					 .qname = &qname,
					 .qtype = DNS_TYPE_A,
					 .qclass = DNS_CLASS_IN,
					 .recursion_desired = true,
					 .edns = true,
					 .edns_udp_size_bytes = EDNS_UDP_BYTES};
	size_t length;

	snprintf(text, sizeof(text), "n%llu.perf.example", b->asked);
	CHECK(name_from_text(text, &qname));
	p->data = p->bytes + HEADROOM_BYTES;
	length = msg_build_query((struct buffer){p->data + 42, 512}, &query);
	/* DO off, as most clients ask: the OPT's flags are its bytes 7 and 8. */
	p->data[42 + length - DNS_OPT_BYTES_MIN + 7] = 0;
	put_udp(p, (uint8_t)(60 + b->asked % 100), CLIENT_PORT, DNS_PORT, (unsigned)length);
	b->asked++;
}

/* The query that the engine left in the packet becomes its own answer: one A record before the OPT. */
static void put_reply(struct packet *p)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 198, 18, 3, 1};
	uint8_t *dns = p->data + 42;
	size_t length = p->length_bytes - 42;
	uint16_t port = wire_get_u16(p->data + 34);

	CHECK(wire_get_u16(p->data + 36) == DNS_PORT);
	memmove(dns + length - DNS_OPT_BYTES_MIN + sizeof(record), dns + length - DNS_OPT_BYTES_MIN,
		DNS_OPT_BYTES_MIN);
	memcpy(dns + length - DNS_OPT_BYTES_MIN, record, sizeof(record));
	wire_put_u16(dns + 2, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
	wire_put_u16(dns + 6, 1);
	put_udp(p, 20, DNS_PORT, port, (unsigned)(length + sizeof(record)));
}

/* ---- the timed part ---- */

static void receive(struct bench *b, struct packet *packets, unsigned count, uint16_t want)
{
	struct rx_slot slots[BURST];
	unsigned long long begun;

	for (unsigned i = 0; i < count; i++) {
		struct packet *p = &packets[i];

		slots[i] = (struct rx_slot){
			.data = p->data,
			.length_bytes = p->length_bytes,
			.headroom_bytes = HEADROOM_BYTES,
			.tailroom_bytes =
				(uint16_t)(PACKET_BYTES - HEADROOM_BYTES - p->length_bytes),
			.vlan = FRAME_VLAN_NONE,
			.in_place = true,
		};
	}
	begun = __rdtsc();
	engine_rx(b->engine, slots, count, b->now);
	b->cycles += __rdtsc() - begun;
	for (unsigned i = 0; i < count; i++) {
		CHECK(slots[i].outcome == want && slots[i].verdict == RX_SEND);
		packets[i].data = slots[i].data;
		packets[i].length_bytes = slots[i].length_bytes;
	}
	b->now += STEP_NS;
	feed(b);
}

/* Cycles a question, with `under_way` of them open at once. */
static double round_of(struct bench *b, unsigned under_way)
{
	b->cycles = 0;
	for (unsigned i = 0; i < under_way; i++)
		put_question(b, &b->packets[i]);
	for (unsigned i = 0; i < under_way; i += BURST)
		receive(b, b->packets + i, under_way - i < BURST ? under_way - i : BURST,
			COUNTER_QUESTION_NEW);
	for (unsigned i = 0; i < under_way; i++)
		put_reply(&b->packets[i]);
	for (unsigned i = 0; i < under_way; i += BURST)
		receive(b, b->packets + i, under_way - i < BURST ? under_way - i : BURST,
			COUNTER_UPSTREAM_RESPONSE);
	(void)engine_tx_wanted(b->engine, 0, b->now);
	return (double)b->cycles / under_way;
}

/* Our MAC table is empty at first: answer what the engine asks for by ARP. */
static void resolve_neighbour(struct bench *b)
{
	struct packet *p = &b->packets[0];
	struct tx_slot tx = {.data = p->bytes, .capacity_bytes = PACKET_BYTES};
	struct rx_slot rx = {.data = p->bytes,
			     .length_bytes = 42,
			     .tailroom_bytes = 1000,
			     .vlan = FRAME_VLAN_NONE,
			     .in_place = true};

	CHECK(engine_tx(b->engine, &tx, 1, b->now) == 1 && tx.length_bytes >= 42);
	memcpy(p->bytes, our_mac.bytes, 6);
	memcpy(p->bytes + 6, peer_mac.bytes, 6);
	p->bytes[21] = 2; /* reply */
	memcpy(p->bytes + 32, p->bytes + 22, 10);
	memcpy(p->bytes + 22, peer_mac.bytes, 6);
	memcpy(p->bytes + 28, v4(20).bytes + ADDRESS_V4_OFFSET, 4);
	engine_rx(b->engine, &rx, 1, b->now);
	CHECK(rx.outcome == COUNTER_NEIGHBOUR_LEARNED);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {BURST, UNDER_WAY_MOST};
	static struct bench b = {.now = NS_PER_S};
	static double rounds[ROUNDS_MAX];
	unsigned round_count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 40;

	if (round_count < 1 || round_count > ROUNDS_MAX) {
		fprintf(stderr, "bench_engine: rounds: 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	start(&b);
	resolve_neighbour(&b);
	for (unsigned s = 0; s < ARRAY_COUNT(sizes); s++) {
		for (unsigned i = 0; i < round_count; i++)
			rounds[i] = round_of(&b, sizes[s]);
		qsort(rounds, round_count, sizeof(rounds[0]), by_value);
		printf("engine: forwarded miss, %u under way: %.0f cycles (median of %u rounds), %.0f (fastest)\n",
		       sizes[s], rounds[round_count / 2], round_count, rounds[0]);
	}
	return 0;
}
