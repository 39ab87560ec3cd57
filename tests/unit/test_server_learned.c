#include <stdlib.h>
#include <string.h>

#include "core/server.h"
#include "unit.h"

#define CAPACITY 32
#define MANY 128 /* more than are looked at to find a place */
#define UNDER_WAY_MAX_HERE 4096
#define BLOCK_BYTES 4096
#define MS NS_PER_MS
#define RTT_US 20000

struct fixture {
	_Alignas(SERVER_LINE_BYTES) uint8_t shared_memory[2 * SERVER_LINE_BYTES];
	struct server_shared_table shared;
	struct server_table table;
	struct server servers[1];
	struct server_health health;
	struct endpoint configured;
	struct entropy entropy;
	uint8_t blocks[2 * BLOCK_BYTES];
	unsigned long long random;
	void *memory;
	mono_ns now;
};

static struct endpoint v4(unsigned i)
{
	return (struct endpoint){
		address_from_v4((uint8_t[]){198, 18, (uint8_t)(i >> 8), (uint8_t)i}), 53};
}

static struct endpoint v6(unsigned i)
{
	struct endpoint e = {{{0x20, 0x01, 0, 2}}, 53};

	e.address.bytes[14] = (uint8_t)(i >> 8);
	e.address.bytes[15] = (uint8_t)i;
	return e;
}

static void fill_entropy(struct fixture *f)
{
	for (struct buffer b; (b = entropy_block_to_fill(&f->entropy)).capacity_bytes > 0;) {
		for (size_t i = 0; i < b.capacity_bytes; i += sizeof(f->random)) {
			unsigned long long value = unit_random(&f->random);

			memcpy(b.data + i, &value, sizeof(value));
		}
		entropy_filled(&f->entropy);
	}
}

static struct fixture *fixture_new(uint16_t capacity)
{
	static const struct hash_key key = {1, 2};
	struct fixture *f = aligned_alloc(SERVER_LINE_BYTES, sizeof(*f));
	size_t bytes = (server_learned_memory_bytes(capacity) + SERVER_LINE_BYTES) /
		       SERVER_LINE_BYTES * SERVER_LINE_BYTES;
	struct server_list list;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	memset(f, 0xee, sizeof(*f));
	f->health = (struct server_health){1000, 1, 3};
	f->configured = v4(1);
	f->now = 1000 * NS_PER_S;
	f->random = 9156;
	list = (struct server_list){&f->configured, &f->health, NULL, 1};
	server_shared_init(&f->shared, f->shared_memory, 1);
	server_table_init(&f->table, f->servers, &f->shared, (struct server_worker){0, 1}, &list);
	f->memory = aligned_alloc(SERVER_LINE_BYTES, bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->memory);
	memset(f->memory, 0xee, bytes); /* it need not be cleared */
	server_table_learn(&f->table, f->memory, capacity, UNDER_WAY_MAX_HERE, &key);
	entropy_init(&f->entropy, f->blocks, BLOCK_BYTES);
	fill_entropy(f);
	server_check(&f->table);
	return f;
}

static void fixture_free(struct fixture *f)
{
	server_check(&f->table);
	free(f->memory);
	free(f);
}

static uint16_t learn(struct fixture *f, struct endpoint peer)
{
	return server_learn(&f->table, &peer, f->now);
}

static void pass(struct fixture *f, mono_ns ns)
{
	f->now += ns;
	server_refresh(&f->table, f->now);
}

static void answer(struct fixture *f, uint16_t idx, uint32_t rtt_us)
{
	server_on_sent(&f->table, idx);
	pass(f, rtt_us * NS_PER_US);
	server_on_answer(&f->table, idx, rtt_us, false, f->now);
}

static void silence(struct fixture *f, uint16_t idx)
{
	mono_ns sent_at = f->now;

	server_on_sent(&f->table, idx);
	pass(f, server_rto_ms(&f->table, idx) * MS);
	server_on_timeout(&f->table, idx, sent_at, false, f->now);
}

static int choose(struct fixture *f, const uint16_t servers[], unsigned count, uint32_t tried)
{
	uint32_t cursor = 0;

	fill_entropy(f);
	return server_choose(&f->table, servers, count, SERVER_POLICY_FASTEST, tried, &cursor, 7,
			     &f->entropy);
}

/* How often position is chosen in so many. */
static unsigned chosen(struct fixture *f, const uint16_t servers[], unsigned count, int position,
		       unsigned times)
{
	unsigned n = 0;

	for (unsigned i = 0; i < times; i++)
		n += choose(f, servers, count, 0) == position;
	return n;
}

static void is_within(unsigned value, unsigned low, unsigned high)
{
	CU_ASSERT(value >= low && value <= high);
}

/* ---- places ---- */

static void server_learned__same_endpoint_same_index(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t idx[CAPACITY];
	struct endpoint other_port = v4(3);

	for (unsigned i = 0; i < CAPACITY; i++) {
		struct endpoint peer = i % 2 == 0 ? v4(i) : v6(i);

		idx[i] = learn(f, peer);
		CU_ASSERT_FATAL(idx[i] != SERVER_NONE && server_is_learned(idx[i]));
		CU_ASSERT(endpoint_equal(server_endpoint(&f->table, idx[i]), &peer));
	}
	for (unsigned i = 0; i < CAPACITY; i++)
		CU_ASSERT_EQUAL(learn(f, i % 2 == 0 ? v4(i) : v6(i)), idx[i]);
	other_port.port = 54;
	CU_ASSERT_NOT_EQUAL(learn(f, other_port), idx[3]);
	/* A configured server's endpoint is another's by delegation. */
	CU_ASSERT(endpoint_equal(server_endpoint(&f->table, 0), &f->configured));
	CU_ASSERT(server_is_learned(learn(f, f->configured)));
	fixture_free(f);
}

static void server_learned__what_is_held_or_under_way_keeps_its_place(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t held = learn(f, v4(100)), asked = learn(f, v6(100));
	struct endpoint held_peer = v4(100), asked_peer = v6(100);
	unsigned learned = 0;

	server_hold(&f->table, held);
	server_on_sent(&f->table, asked);
	for (unsigned i = 0; i < 20 * CAPACITY; i++)
		learned += learn(f, v4(1000 + i)) != SERVER_NONE;
	CU_ASSERT_EQUAL(learned, 20 * CAPACITY);
	CU_ASSERT(endpoint_equal(server_endpoint(&f->table, held), &held_peer));
	CU_ASSERT(endpoint_equal(server_endpoint(&f->table, asked), &asked_peer));
	CU_ASSERT_EQUAL(learn(f, v4(100)), held);
	CU_ASSERT_EQUAL(learn(f, v6(100)), asked);
	server_release(&f->table, held);
	server_on_cancelled(&f->table, asked, false);
	for (unsigned i = 0; i < 4 * CAPACITY; i++)
		(void)learn(f, v4(3000 + i));
	CU_ASSERT(!endpoint_equal(server_endpoint(&f->table, held), &held_peer));
	CU_ASSERT(!endpoint_equal(server_endpoint(&f->table, asked), &asked_peer));
	fixture_free(f);
}

/* One more is learned all the same, and who asks for it need not ask twice. */
static void server_learned__where_all_were_used_of_late_one_goes(void)
{
	struct fixture *f = fixture_new(MANY);

	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_NOT_EQUAL(learn(f, v4(i)), SERVER_NONE);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_NOT_EQUAL(learn(f, v4(MANY + i)), SERVER_NONE);
	fixture_free(f);
}

static void server_learned__none_where_all_are_held(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t last = SERVER_NONE;

	for (unsigned i = 0; i < CAPACITY; i++) {
		last = learn(f, v4(i));
		server_hold(&f->table, last);
	}
	CU_ASSERT_EQUAL(learn(f, v4(CAPACITY)), SERVER_NONE);
	CU_ASSERT_EQUAL(learn(f, v4(CAPACITY - 1)), last);
	server_release(&f->table, last);
	/* It was used a moment ago: the hand passes it once. */
	CU_ASSERT_EQUAL(learn(f, v4(CAPACITY)), last);
	fixture_free(f);
	f = fixture_new(0);
	CU_ASSERT_EQUAL(learn(f, v4(1)), SERVER_NONE);
	fixture_free(f);
}

static void server_learned__another_in_the_place_begins_anew(void)
{
	struct fixture *f = fixture_new(1);
	uint16_t idx = learn(f, v4(5));

	answer(f, idx, RTT_US);
	server_on_edns_refused(&f->table, idx, f->now);
	for (unsigned i = 0; i < CASE_PROOFS; i++)
		server_on_case_lost(&f->table, idx, f->now);
	CU_ASSERT(!server_edns_on(&f->table, idx, f->now));
	CU_ASSERT(!server_case_on(&f->table, idx, f->now));
	CU_ASSERT(server_is_doubted(&f->table, idx, f->now));
	CU_ASSERT_EQUAL(learn(f, v4(6)), idx);
	CU_ASSERT(server_edns_on(&f->table, idx, f->now));
	CU_ASSERT(server_case_on(&f->table, idx, f->now));
	CU_ASSERT(!server_is_doubted(&f->table, idx, f->now));
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), SERVER_RTO_MS_UNKNOWN);
	/* And of the configured one nothing was noted. */
	CU_ASSERT(!server_is_doubted(&f->table, 0, f->now));
	fixture_free(f);
}

/* ---- time ---- */

static void server_learned__rto_doubles_and_recovers_with_one_answer(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t idx = learn(f, v4(1));
	uint32_t settled;

	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 376);
	silence(f, idx);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 752);
	silence(f, idx);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 1500);
	for (unsigned i = 0; i < 300; i++)
		silence(f, idx);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 1500);
	answer(f, idx, RTT_US);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 60); /* 20 + 4 * 10 */
	for (unsigned i = 0; i < 50; i++)
		answer(f, idx, RTT_US);
	settled = server_rto_ms(&f->table, idx);
	CU_ASSERT_EQUAL(settled, SERVER_RTO_MS_MIN);
	silence(f, idx);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 2 * settled);
	fixture_free(f);
}

static void server_learned__queries_lost_together_are_one_round(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t idx = learn(f, v4(1));
	mono_ns sent_at = f->now;

	for (unsigned i = 0; i < 100; i++)
		server_on_sent(&f->table, idx);
	pass(f, 376 * MS);
	for (unsigned i = 0; i < 99; i++)
		server_on_timeout(&f->table, idx, sent_at, false, f->now);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 752);
	/* One that was sent before an answer came says nothing either. */
	server_on_answer(&f->table, idx, RTT_US, false, f->now);
	server_on_sent(&f->table, idx);
	server_on_timeout(&f->table, idx, sent_at, false, f->now);
	CU_ASSERT_EQUAL(server_rto_ms(&f->table, idx), 60);
	fixture_free(f);
}

static void server_learned__a_silent_one_is_asked_last_and_tried_again_in_seconds(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t servers[] = {learn(f, v4(1)), learn(f, v4(2))};
	unsigned tried = 0;

	answer(f, servers[0], 1000);
	answer(f, servers[1], 200000);
	for (unsigned i = 0; i < 4; i++)
		silence(f, servers[0]);
	CU_ASSERT_EQUAL(server_state(&f->table, servers[0]), SERVER_DOWN);
	CU_ASSERT_EQUAL(chosen(f, servers, 2, 1, 1000), 1000);
	/* Tried already: the silent one is better than none. */
	CU_ASSERT_EQUAL(choose(f, servers, 2, 2), 0);
	/* One question finds out, and those after it do not wait for what becomes of it. */
	pass(f, SERVER_SILENT_MS_MAX * MS);
	CU_ASSERT_EQUAL(server_state(&f->table, servers[0]), SERVER_UP);
	for (unsigned i = 0; i < 100; i++) {
		int position = choose(f, servers, 2, 0);

		if (position == 0) {
			tried++;
			server_on_sent(&f->table, servers[0]);
		}
	}
	CU_ASSERT(tried >= 1 && tried <= 2);
	pass(f, MS);
	server_on_answer(&f->table, servers[0], 1000, false, f->now);
	CU_ASSERT(chosen(f, servers, 2, 0, 1000) > 900);
	fixture_free(f);
}

/* ---- the choice ---- */

static void server_learned__the_fastest_with_exploration(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t servers[] = {learn(f, v4(1)), learn(f, v4(2)), learn(f, v6(3))};
	unsigned slow;

	answer(f, servers[0], 100000);
	answer(f, servers[1], 20000);
	answer(f, servers[2], 22000);
	slow = chosen(f, servers, 3, 0, 32000);
	is_within(slow, 800, 1200);
	/* Nearly as fast: asked as often, whatever the family. */
	is_within(chosen(f, servers, 3, 2, 10000), 4300, 5400);
	CU_ASSERT_EQUAL(choose(f, servers, 3, 6), 0);
	CU_ASSERT_EQUAL(choose(f, servers, 3, 7), -1);
	fixture_free(f);
}

static void server_learned__unknown_ones_by_one_question_at_a_time(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t servers[] = {learn(f, v4(1)), learn(f, v4(2))};

	answer(f, servers[0], 30000);
	CU_ASSERT(chosen(f, servers, 2, 1, 100) > 80);
	server_on_sent(&f->table, servers[1]);
	CU_ASSERT(chosen(f, servers, 2, 1, 1000) < 100);
	server_on_cancelled(&f->table, servers[1], false);
	fixture_free(f);
}

static void server_learned__a_dead_family_costs_no_timeout_a_zone(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	unsigned waited = 0;

	for (unsigned zone = 0; zone < 12; zone++) {
		uint16_t servers[] = {learn(f, v6(zone)), learn(f, v4(zone))};
		uint32_t tried = 0;
		int position;

		/* Until one answers: IPv4 does. */
		while ((position = choose(f, servers, 2, tried)) == 0) {
			silence(f, servers[0]);
			waited++;
			tried |= 1;
		}
		answer(f, servers[position], RTT_US);
	}
	CU_ASSERT(waited >= 1 && waited <= SERVER_FAMILY_ROUNDS + 1);
	/* IPv6 is there again: found within seconds, and for all of its servers. */
	pass(f, SERVER_FAMILY_MS * MS);
	{
		uint16_t servers[] = {learn(f, v6(20)), learn(f, v4(0))};

		CU_ASSERT(chosen(f, servers, 2, 0, 100) > 80);
		answer(f, servers[0], RTT_US);
		CU_ASSERT_EQUAL(server_state(&f->table, learn(f, v6(21))), SERVER_UP);
	}
	fixture_free(f);
}

/* ---- shares ---- */

static void server_learned__share_grows_with_answers_and_halves_with_silence(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t idx = learn(f, v4(1));
	unsigned under_way = 0;
	mono_ns sent_at = f->now;

	while (server_may_ask(&f->table, idx)) {
		server_on_sent(&f->table, idx);
		under_way++;
	}
	CU_ASSERT_EQUAL(under_way, SERVER_SHARE_FIRST);
	CU_ASSERT(server_may_ask(&f->table, 0));
	/* It answers: more may be under way, up to a quarter of all. */
	for (unsigned i = 0; i < 10000; i++) {
		server_on_answer(&f->table, idx, RTT_US, false, f->now);
		under_way--;
		while (server_may_ask(&f->table, idx)) {
			server_on_sent(&f->table, idx);
			under_way++;
		}
	}
	CU_ASSERT_EQUAL(under_way, UNDER_WAY_MAX_HERE / 4);
	pass(f, SERVER_RTO_MS_MAX * MS);
	server_on_answer(&f->table, idx, RTT_US, false, sent_at);
	/* Silence, a round at a time: down to what is always allowed. */
	for (; under_way > 1; under_way--)
		server_on_timeout(&f->table, idx, f->now - MS, false, f->now);
	for (unsigned i = 0; i < 20; i++)
		silence(f, idx);
	for (under_way = 0; server_may_ask(&f->table, idx); under_way++)
		server_on_sent(&f->table, idx);
	CU_ASSERT_EQUAL(under_way, SERVER_SHARE_MIN);
	/* It is back: after five answers it has what it began with, although few are under way. */
	for (; under_way > 1; under_way--)
		server_on_cancelled(&f->table, idx, false);
	server_on_answer(&f->table, idx, RTT_US, false, f->now);
	for (unsigned i = 1; i < 5; i++)
		answer(f, idx, RTT_US);
	for (under_way = 0; server_may_ask(&f->table, idx); under_way++)
		server_on_sent(&f->table, idx);
	CU_ASSERT_EQUAL(under_way, SERVER_SHARE_FIRST);
	for (; under_way > 0; under_way--)
		server_on_cancelled(&f->table, idx, false);
	fixture_free(f);
}

static void server_learned__guesses_mark_it_for_tcp(void)
{
	struct fixture *f = fixture_new(CAPACITY);
	uint16_t idx = learn(f, v4(1)), other = learn(f, v4(2));
	unsigned marked = 0;

	for (unsigned i = 0; i < NEAR_MISSES_TO_TCP_ONLY; i++) {
		server_on_near_miss(&f->table, idx);
		marked += server_on_guess(&f->table, idx, f->now);
	}
	CU_ASSERT_EQUAL(marked, 1);
	CU_ASSERT(server_tcp_only(&f->table, idx, f->now));
	CU_ASSERT(!server_tcp_only(&f->table, other, f->now));
	server_on_tcp_useless(&f->table, idx, f->now);
	CU_ASSERT(!server_tcp_only(&f->table, idx, f->now));
	fixture_free(f);
}

static const struct unit_test tests[] = {
	UNIT_TEST(server_learned__same_endpoint_same_index),
	UNIT_TEST(server_learned__what_is_held_or_under_way_keeps_its_place),
	UNIT_TEST(server_learned__where_all_were_used_of_late_one_goes),
	UNIT_TEST(server_learned__none_where_all_are_held),
	UNIT_TEST(server_learned__another_in_the_place_begins_anew),
	UNIT_TEST(server_learned__rto_doubles_and_recovers_with_one_answer),
	UNIT_TEST(server_learned__queries_lost_together_are_one_round),
	UNIT_TEST(server_learned__a_silent_one_is_asked_last_and_tried_again_in_seconds),
	UNIT_TEST(server_learned__the_fastest_with_exploration),
	UNIT_TEST(server_learned__unknown_ones_by_one_question_at_a_time),
	UNIT_TEST(server_learned__a_dead_family_costs_no_timeout_a_zone),
	UNIT_TEST(server_learned__share_grows_with_answers_and_halves_with_silence),
	UNIT_TEST(server_learned__guesses_mark_it_for_tcp),
};
UNIT_SUITE(server_learned, tests)
