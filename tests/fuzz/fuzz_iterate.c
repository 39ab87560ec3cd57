/* Iteration against servers that say anything: engines that begin at a root, clients that ask, and servers (all that there are)
 * whose replies are made of the input: plausible records put together at will, raw bytes, silence; at once, late, twice, over TCP.
 *
 * Input, read by and by: byte 0: how many engines, and whether names are asked minimised; then, where an engine asks a
 * server, a recipe for the reply (REPLY_*, WITH_*), and where all are quiet, what happens next (a client's question, time).
 * When it is used up, all servers are silent.
 *
 * Promises that are checked: those of engine_check, of the cache and of the books, now and then and at the end; a question gets at most
 * one answer, and what is sent for it is within its budget (SECURITY.md table 1.1); when all is over, nothing is left.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/name.h"
#include "core/wire_cursor.h"
#include "tests/sim/world.h"

#define REPLY_BYTES_MAX 2048
#define RECORDS_MAX 16
#define HELD_MAX 8
#define STEPS_MAX 4000
#define STEPS_TO_CHECK 16 /* they take long */
#define END_NS (20 * NS_PER_S)
#define PRIMING_NS (5 * NS_PER_S)

enum {
	REPLY_SILENCE,
	REPLY_TRUNCATED,
	REPLY_RCODE,
	REPLY_RAW, /* behind the question */
	REPLY_REFERRAL,
	REPLY_RECORDS, /* this and what is above: any */
	REPLY_MASK = 7,
	WITH_DELAY = 8,
	WITH_COPY = 16,
	WITH_OTHER_ID = 32,
	WITH_FLIP = 64, /* one byte of it */
	WITH_AA = 128,
};
enum { ENGINES_MASK = 1, WHOLE_NAMES = 2 };
enum { NEXT_TIME = 128, TIME_SHIFT_MASK = 15 };

struct held {
	unsigned engine;
	struct endpoint local, peer;
	size_t length_bytes;
	uint8_t message[REPLY_BYTES_MAX];
};

struct play {
	struct span input;
	struct world *world;
	struct held held[HELD_MAX];
	unsigned held_count;
	unsigned asked, answered;
	mono_ns from;
};

/* 0 when there is none left. */
static uint8_t take(struct play *p)
{
	if (p->input.length_bytes == 0)
		return 0;
	p->input.length_bytes--;
	return *p->input.data++;
}

/* ---- names ---- */

static const char *const pool[] = {"",      "a",    "b.a",    "c.b.a", "d.c.b.a", "e", "f.e",
				   "g.f.e", "ns.a", "ns.b.a", "ns.e",  "ns.f.e",  "r", "x.y.z.f.e"};

/* Of the pool, or what is above or below the question's. */
static void put_name(struct play *p, const struct name *qname, struct name *out)
{
	uint8_t which = take(p);
	size_t at = 0;

	if (which < 128) {
		char text[32];

		strcpy(text, pool[which % ARRAY_COUNT(pool)]);
		strcat(text, ".");
		CHECK(name_from_text(text, out));
		return;
	}
	for (unsigned skip = which & 7; skip > 0 && qname->bytes[at] != 0; skip--)
		at += qname->bytes[at] + 1u;
	out->length_bytes = 0;
	/* A label in front. */
	if ((which & 64) != 0 && qname->length_bytes - at + 2 <= DNS_NAME_BYTES_MAX) {
		out->bytes[0] = 1;
		out->bytes[1] = (uint8_t)('a' + (which >> 3 & 7));
		out->length_bytes = 2;
	}
	memcpy(out->bytes + out->length_bytes, qname->bytes + at, qname->length_bytes - at);
	out->length_bytes = (uint8_t)(out->length_bytes + qname->length_bytes - at);
}

/* ---- replies ---- */

struct paper {
	uint8_t *bytes;
	size_t length, room;
};

static bool has_room(const struct paper *o, size_t more)
{
	return o->room - o->length >= more;
}

static void put_address(struct play *p, struct paper *o, size_t bytes)
{
	uint8_t last = take(p);

	memset(o->bytes + o->length, 0, bytes);
	o->bytes[o->length] = bytes == ADDRESS_BYTES ? 0x20 : (last & 128) != 0 ? last : 198;
	o->bytes[o->length + 1] = bytes == ADDRESS_BYTES ? 0x01 : 18;
	o->bytes[o->length + bytes - 1] = last & 15;
	o->length += bytes;
}

static void put_rdata(struct play *p, const struct name *qname, uint16_t type, struct paper *o)
{
	struct name name;
	size_t more;

	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		put_address(p, o, type == DNS_TYPE_A ? 4 : ADDRESS_BYTES);
		return;
	case DNS_TYPE_NS:
	case DNS_TYPE_CNAME:
	case DNS_TYPE_DNAME:
		put_name(p, qname, &name);
		memcpy(o->bytes + o->length, name.bytes, name.length_bytes);
		o->length += name.length_bytes;
		return;
	case DNS_TYPE_SOA:
		memset(o->bytes + o->length, 0, 22);
		o->bytes[o->length + 21] = take(p);
		o->length += 22;
		return;
	default:
		for (more = take(p); more > 0 && p->input.length_bytes > 0; more--)
			o->bytes[o->length++] = take(p);
	}
}

static void put_record(struct play *p, const struct name *qname, uint16_t type,
		       const struct name *owner, struct paper *o)
{
	uint8_t ttl = take(p);
	size_t head = o->length + owner->length_bytes;

	memcpy(o->bytes + o->length, owner->bytes, owner->length_bytes);
	wire_put_u16(o->bytes + head, type);
	wire_put_u16(o->bytes + head + 2, DNS_CLASS_IN);
	wire_put_u32(o->bytes + head + 4, (uint32_t)ttl << (ttl >> 4));
	o->length = head + 10;
	put_rdata(p, qname, type, o);
	wire_put_u16(o->bytes + head + 8, (uint16_t)(o->length - head - 10));
}

static void count_more(struct paper *o, unsigned section)
{
	uint8_t *at = o->bytes + 6 + 2 * (size_t)section;

	wire_put_u16(at, (uint16_t)(wire_get_u16(at) + 1));
}

enum { RECORD_ROOM = 2 * DNS_NAME_BYTES_MAX + 10 + 256 };

/* A zone and its servers, each with an address. */
static void put_referral(struct play *p, const struct name *qname, struct paper *o)
{
	unsigned count = take(p) & 3;
	struct name zone, server[4];

	put_name(p, qname, &zone);
	for (unsigned i = 0; i <= count && has_room(o, RECORD_ROOM); i++) {
		put_name(p, qname, &server[i]);
		put_record(p, &server[i], DNS_TYPE_NS, &zone, o);
		count_more(o, 1);
	}
	for (unsigned i = take(p) & 3; i <= count && has_room(o, RECORD_ROOM); i++) {
		put_record(p, qname, i % 2 == 0 ? DNS_TYPE_A : DNS_TYPE_AAAA, &server[i], o);
		count_more(o, 2);
	}
}

static void put_records(struct play *p, const struct name *qname, uint16_t qtype, struct paper *o)
{
	static const uint16_t types[] = {0,
					 DNS_TYPE_A,
					 DNS_TYPE_AAAA,
					 DNS_TYPE_NS,
					 DNS_TYPE_CNAME,
					 DNS_TYPE_DNAME,
					 DNS_TYPE_SOA,
					 DNS_TYPE_TXT};
	unsigned count = take(p) % RECORDS_MAX;
	unsigned section = 0;

	for (; count > 0 && has_room(o, RECORD_ROOM); count--) {
		uint8_t what = take(p);
		uint16_t type = types[what & 7];
		struct name owner;

		section += what >> 6;
		if (section > 2)
			return;
		if ((what & 8) != 0)
			name_copy(&owner, qname);
		else
			put_name(p, qname, &owner);
		put_record(p, qname, type == 0 ? qtype : type, &owner, o);
		count_more(o, section);
	}
}

static void put_raw(struct play *p, struct paper *o)
{
	unsigned length = take(p);

	for (unsigned i = 0; i < 3; i++)
		o->bytes[7 + 2 * i] = take(p) & 15;
	for (; length > 0 && p->input.length_bytes > 0 && has_room(o, 1); length--)
		o->bytes[o->length++] = take(p);
}

/* To the query. Its length; 0: silence. */
static size_t reply(struct play *p, uint8_t recipe, const struct world_event *event,
		    uint8_t out[REPLY_BYTES_MAX])
{
	struct msg_query query;
	struct paper o = {out, 0, REPLY_BYTES_MAX};

	/* What the engines send is in order. */
	CHECK(msg_parse_query((struct span){event->message, event->length_bytes}, &query) ==
	      MSG_QUERY_OK);
	memcpy(out, event->message, query.question_end);
	wire_put_u16(out + 2,
		     (uint16_t)(DNS_FLAG_QR | ((recipe & WITH_AA) != 0 ? DNS_FLAG_AA : 0)));
	memset(out + 6, 0, 6);
	o.length = query.question_end;
	switch (recipe & REPLY_MASK) {
	case REPLY_SILENCE:
		return 0;
	case REPLY_TRUNCATED:
		out[2] |= DNS_FLAG_TC >> 8;
		break;
	case REPLY_RCODE:
		out[3] = take(p) & DNS_RCODE_MASK;
		break;
	case REPLY_RAW:
		put_raw(p, &o);
		break;
	case REPLY_REFERRAL:
		put_referral(p, &query.qname, &o);
		break;
	default:
		if ((recipe & REPLY_MASK) == REPLY_MASK)
			out[3] = DNS_RCODE_NXDOMAIN;
		put_records(p, &query.qname, query.qtype, &o);
	}
	if ((recipe & WITH_OTHER_ID) != 0)
		out[1] ^= 1;
	if ((recipe & WITH_FLIP) != 0)
		out[((size_t)take(p) << 3 | (take(p) & 7)) % o.length] ^= take(p);
	return o.length;
}

static void on_query(struct play *p, const struct world_event *event)
{
	uint8_t recipe = take(p);
	static uint8_t out[REPLY_BYTES_MAX];
	size_t length = reply(p, recipe, event, out);
	struct held *h = &p->held[p->held_count];

	if (event->kind == WORLD_STREAM_QUERY) {
		if (length > 0)
			world_stream_reply(p->world, event, (struct span){out, length});
		else
			world_stream_fail(p->world, event, STREAM_FAILURE_TIMEOUT);
		return;
	}
	if (length > 0 && (recipe & WITH_DELAY) == 0)
		world_udp(p->world, event->engine, &event->peer, &event->local,
			  (struct span){out, length});
	if (length == 0 || (recipe & (WITH_DELAY | WITH_COPY)) == 0 || p->held_count == HELD_MAX)
		return;
	*h = (struct held){event->engine, event->local, event->peer, length, {0}};
	memcpy(h->message, out, length);
	p->held_count++;
}

/* ---- clients ---- */

static void ask(struct play *p)
{
	static const uint16_t types[] = {DNS_TYPE_A,   DNS_TYPE_AAAA, DNS_TYPE_NS,    DNS_TYPE_DS,
					 DNS_TYPE_TXT, DNS_TYPE_ANY,  DNS_TYPE_CNAME, 65};
	struct endpoint from = {.port = (uint16_t)(40000 + p->asked)}, to;
	uint8_t message[512];
	struct name none = {.length_bytes = 1}, name;
	struct msg_query_params params = {
		.id = (uint16_t)p->asked,
		.qname = &name,
		.qclass = DNS_CLASS_IN,
		.recursion_desired = true,
	};
	size_t length;

	put_name(p, &none, &name);
	params.qtype = types[take(p) % ARRAY_COUNT(types)];
	CHECK(world_address("198.51.100.9", &from.address));
	to = world_listen(p->world, &from.address);
	length = msg_build_query((struct buffer){message, sizeof(message)}, &params);
	world_udp(p->world, p->asked % p->world->engine_count, &from, &to,
		  (struct span){message, length});
	p->asked++;
}

/* ---- the play ---- */

static void on_events(struct play *p)
{
	struct world_event event;

	while (world_next(p->world, &event))
		if (event.kind == WORLD_ANSWER || event.kind == WORLD_STREAM_ANSWER)
			p->answered++;
		else
			on_query(p, &event);
	CHECK(p->answered <= p->asked);
}

static void deliver(struct play *p)
{
	for (unsigned i = 0; i < p->held_count; i++) {
		const struct held *h = &p->held[i];

		world_udp(p->world, h->engine, &h->peer, &h->local,
			  (struct span){h->message, h->length_bytes});
	}
	p->held_count = 0;
}

static void run(struct play *p)
{
	mono_ns until = p->world->now;

	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		uint8_t next;

		if (steps % STEPS_TO_CHECK == STEPS_TO_CHECK - 1)
			world_check(p->world);
		if (world_run(p->world, until)) {
			on_events(p);
			continue;
		}
		if (p->held_count > 0) {
			deliver(p);
			continue;
		}
		if (p->input.length_bytes == 0)
			break;
		next = take(p);
		if ((next & NEXT_TIME) != 0)
			until = p->world->now + (NS_PER_MS << (next & TIME_SHIFT_MASK));
		else
			ask(p);
	}
	p->input.length_bytes = 0;
	until = p->world->now + END_NS;
	while (p->world->now < until && world_run(p->world, until))
		on_events(p);
}

/* Nothing is left, and no more was sent than what clients' questions and priming may cost. */
static void check_end(const struct play *p)
{
	struct world *w = p->world;
	uint64_t primings = w->engine_count * (2 + (w->now - p->from) / PRIMING_NS);
	uint64_t packets = world_count(w, COUNTER_UPSTREAM_QUERIES) +
			   UPSTREAM_TCP_PACKETS * world_count(w, COUNTER_UPSTREAM_TCP_QUERIES);

	world_check(w);
	CHECK(packets <= (p->asked + primings) * UPSTREAM_PACKETS_MAX);
	for (unsigned i = 0; i < w->engine_count; i++) {
		struct engine_gauges g;

		engine_gauges(w->engines[i], &g);
		CHECK(g.resolutions_active == 0 && g.waiters == 0 && g.answer_buffers_used == 0 &&
		      g.tickets_out == 0);
	}
}

static void hints(struct zone_cut *cut)
{
	static const char *const addresses[] = {"198.18.0.1", "2001::1"};
	struct name root = {.length_bytes = 1}, server;

	zone_cut_init(cut, &root, ZONE_CUT_HINTS, UINT32_MAX);
	CHECK(name_from_text("r.", &server) && zone_cut_add_server(cut, &server));
	for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++) {
		struct endpoint peer = {.port = DNS_PORT};

		CHECK(world_address(addresses[i], &peer.address));
		CHECK(zone_cut_add_address(cut, &peer, 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play p;
	struct world_params params = {
		.seed = 1,
		.under_way_max = 64,
		.waiter_count_max = 64,
		.answer_buffer_count = 16,
		.learned_server_count = 64,
	};
	uint8_t first;

	memset(&p, 0, sizeof(p));
	p.input = (struct span){data, size};
	first = take(&p);
	params.engine_count = 1 + (first & ENGINES_MASK);
	p.world = world_new(&params);
	p.world->config->iterates = true;
	p.world->config->asks_whole_names = (first & WHOLE_NAMES) != 0;
	hints(&p.world->config->root_hints);
	world_start(p.world);
	p.from = p.world->now;
	run(&p);
	check_end(&p);
	world_free(p.world);
	return 0;
}
