/* The world of tests/sim: what it carries arrives, and the same seed makes the same run. */
#include "tests/sim/world.h"

#include <string.h>

#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define NAMES 24

/* What happened, in order: kind, engine and message of each event. */
struct listing {
	uint64_t digest;
	unsigned queries, answers, stream_queries, stream_answers, count;
	mono_ns last_at;
};

static void list(struct listing *l, const struct world_event *event)
{
	l->digest = (l->digest ^ event->kind ^ event->engine << 8 ^ event->at) * 1099511628211u;
	for (uint32_t i = 0; i < event->length_bytes; i++)
		l->digest = (l->digest ^ event->message[i]) * 1099511628211u;
	l->count++;
	l->last_at = event->at;
	l->queries += event->kind == WORLD_QUERY;
	l->answers += event->kind == WORLD_ANSWER;
	l->stream_queries += event->kind == WORLD_STREAM_QUERY;
	l->stream_answers += event->kind == WORLD_STREAM_ANSWER;
}

static struct world *forwarding(const struct world_params *params)
{
	struct world *w = world_new(params);
	struct engine_zone zone = {.recursion_desired = true, .timeout_ms = 800, .tries = 3};
	struct endpoint servers[2] = {{.port = DNS_PORT}, {.port = DNS_PORT}};

	CU_ASSERT_FATAL(name_from_text(".", &zone.name));
	CU_ASSERT_FATAL(world_address("192.0.2.7", &servers[0].address));
	CU_ASSERT_FATAL(world_address("2001:db8::7", &servers[1].address));
	world_zone(w, &zone, servers, 2);
	world_start(w);
	return w;
}

static struct endpoint client(void)
{
	struct endpoint e = {.port = 40000};

	CU_ASSERT_FATAL(world_address("198.51.100.9", &e.address));
	return e;
}

static size_t question(unsigned number, uint8_t out[64])
{
	struct wire_writer w = wire_writer_init((struct buffer){out, 64});
	uint8_t label[3] = {2, (uint8_t)('a' + number / 10), (uint8_t)('a' + number % 10)};

	wire_write_u16(&w, (uint16_t)number);
	wire_write_u16(&w, DNS_FLAG_RD);
	wire_write_u16(&w, 1);
	for (unsigned i = 0; i < 3; i++)
		wire_write_u16(&w, 0);
	wire_write_span(&w, (struct span){label, sizeof(label)});
	wire_write_u8(&w, 0);
	wire_write_u16(&w, DNS_TYPE_A);
	wire_write_u16(&w, DNS_CLASS_IN);
	CU_ASSERT_FATAL(w.ok);
	return w.offset;
}

/* The query as a reply without records; truncated: TC. */
static struct span reply_of(struct world_event *query, bool truncated)
{
	query->message[2] |= truncated ? 0x82 : 0x80;
	return (struct span){query->message, query->length_bytes};
}

static void ask(struct world *w, unsigned number)
{
	uint8_t message[64];
	struct endpoint from = client();
	struct endpoint to = world_listen(w, &from.address);
	size_t length = question(number, message);

	world_udp(w, number % w->engine_count, &from, &to, (struct span){message, length});
}

static void answer_all(struct world *w, struct listing *l, bool truncated)
{
	struct world_event event;

	while (world_run(w, w->now + 10 * NS_PER_S))
		while (world_next(w, &event)) {
			list(l, &event);
			if (event.kind == WORLD_QUERY)
				world_udp(w, event.engine, &event.peer, &event.local,
					  reply_of(&event, truncated));
			else if (event.kind == WORLD_STREAM_QUERY)
				world_stream_reply(w, &event, reply_of(&event, false));
		}
}

static uint64_t slow_ring(void *context, unsigned from, unsigned to, enum rx_kind kind)
{
	(void)kind;
	return world_random(context) % NS_PER_MS + from + to;
}

static struct listing run(uint64_t seed, unsigned engine_count)
{
	uint64_t random = seed;
	struct world_params params = {.engine_count = engine_count,
				      .seed = seed,
				      .is_dirty = true,
				      .checks = true,
				      .ring_delay_ns = slow_ring,
				      .context = &random};
	struct world *w = forwarding(&params);
	struct listing l = {0};

	for (unsigned i = 0; i < NAMES; i++)
		ask(w, i);
	answer_all(w, &l, false);
	CU_ASSERT_EQUAL(world_in_rings(w), 0);
	CU_ASSERT_EQUAL(world_count(w, COUNTER_QUESTION_NEW), NAMES);
	world_check(w);
	world_free(w);
	return l;
}

static void world__questions_reach_their_owners_and_are_answered(void)
{
	for (unsigned engines = 1; engines <= 4; engines++) {
		struct listing l = run(1, engines);

		CU_ASSERT_EQUAL(l.queries, NAMES);
		CU_ASSERT_EQUAL(l.answers, NAMES);
	}
}

static void world__same_seed_same_run(void)
{
	struct listing first = run(7, 3);
	struct listing again = run(7, 3);
	struct listing other = run(8, 3);

	CU_ASSERT_EQUAL(first.digest, again.digest);
	CU_ASSERT_NOT_EQUAL(first.digest, other.digest);
}

static void world__tcp_both_ways(void)
{
	struct world_params params = {.engine_count = 2, .carries = true, .checks = true};
	struct world *w = forwarding(&params);
	struct endpoint from = client();
	struct listing l = {0};
	uint8_t message[64];

	for (unsigned i = 0; i < NAMES; i++) {
		size_t length = question(i, message);
		enum counter outcome;

		CU_ASSERT(world_stream_ask(w, i % 3, &from, (struct stream_handle){i, 1},
					   (struct span){message, length}, &outcome));
	}
	answer_all(w, &l, true);
	CU_ASSERT_EQUAL(l.queries, NAMES);
	CU_ASSERT_EQUAL(l.stream_queries, NAMES);
	CU_ASSERT_EQUAL(l.stream_answers, NAMES);
	world_check(w);
	world_free(w);
}

static void world__silence_ends_at_the_deadline(void)
{
	struct world_params params = {.checks = true};
	struct world *w = forwarding(&params);
	struct listing l = {0};
	struct world_event event;
	mono_ns asked_at = w->now;

	ask(w, 1);
	while (world_run(w, asked_at + 10 * NS_PER_S))
		while (world_next(w, &event))
			list(&l, &event);
	CU_ASSERT_EQUAL(w->now, asked_at + 10 * NS_PER_S);
	CU_ASSERT_EQUAL(l.answers, 1);
	CU_ASSERT(l.queries > 1);
	world_free(w);
}

static void world__full_rings_drop_and_tell(void)
{
	struct world_params params = {.engine_count = 2, .ring_capacity = 2};
	struct world *w = forwarding(&params);
	struct listing l = {0};

	w->stopped[0] = true;
	for (unsigned i = 0; i < NAMES; i++) {
		ask(w, 2 * i + 1); /* to engine 1 */
		(void)world_run(w, w->now);
	}
	CU_ASSERT(w->ring_drops[RX_PASSED_QUESTION] > 0);
	CU_ASSERT_EQUAL(world_count(w, COUNTER_DROP_HANDOFF_FULL),
			w->ring_drops[RX_PASSED_QUESTION]);
	w->stopped[0] = false;
	answer_all(w, &l, false);
	CU_ASSERT_EQUAL(l.answers + w->ring_drops[RX_PASSED_QUESTION], NAMES);
	world_check(w);
	world_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(world__questions_reach_their_owners_and_are_answered),
	UNIT_TEST(world__same_seed_same_run),
	UNIT_TEST(world__tcp_both_ways),
	UNIT_TEST(world__silence_ends_at_the_deadline),
	UNIT_TEST(world__full_rings_drop_and_tell),
};
UNIT_SUITE(world, tests)
