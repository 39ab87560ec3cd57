#include <string.h>

#include "chi_square.h"
#include "core/server.h"
#include "unit.h"

#define COUNT 4
#define INTERVAL_MS 1000
#define INTERVAL_NS (INTERVAL_MS * NS_PER_MS)
#define RISE 2
#define FALL 3
#define BLOCK_BYTES 4096
/* The finest time that a server's condition knows. */
#define TICK (UINT64_C(1) << 16)
#define TRIED(position) (1u << (position))

static const uint16_t all[COUNT] = {0, 1, 2, 3};

struct fixture {
	_Alignas(SERVER_LINE_BYTES) uint8_t memory[(1 + COUNT) * SERVER_LINE_BYTES];
	struct server_shared_table shared;
	struct server_table table;
	struct server servers[COUNT];
	struct entropy entropy;
	struct server_health health[COUNT];
	uint8_t blocks[2 * BLOCK_BYTES];
	unsigned long long random;
	uint32_t cursor;
};

static void fixture_init(struct fixture *f, uint16_t rise)
{
	static struct endpoint endpoints[COUNT];
	struct server_list list = {endpoints, f->health, NULL, COUNT};

	memset(f, 0xee, sizeof(*f)); /* all is cleared by init */
	for (uint8_t i = 0; i < COUNT; i++) {
		endpoints[i] = (struct endpoint){address_from_v4((uint8_t[]){192, 0, 2, i}), 53};
		f->health[i] = (struct server_health){
			.interval_ms = INTERVAL_MS, .rise = rise, .fall = FALL};
	}
	CU_ASSERT_EQUAL_FATAL(server_shared_memory_bytes(COUNT), sizeof(f->memory));
	server_shared_init(&f->shared, f->memory, COUNT);
	server_table_init(&f->table, f->servers, &f->shared, (struct server_worker){0, 1}, &list);
	entropy_init(&f->entropy, f->blocks, BLOCK_BYTES);
	f->random = 6298;
	f->cursor = 0;
	server_check(&f->table);
}

static void fixture_fill(struct fixture *f)
{
	for (struct buffer b; (b = entropy_block_to_fill(&f->entropy)).capacity_bytes > 0;) {
		for (size_t i = 0; i < b.capacity_bytes; i += sizeof(f->random)) {
			unsigned long long value = unit_random(&f->random);

			memcpy(b.data + i, &value, sizeof(value));
		}
		entropy_filled(&f->entropy);
	}
}

static int choose(struct fixture *f, enum server_policy policy, uint32_t tried_mask)
{
	return server_choose(&f->table, all, COUNT, policy, tried_mask, &f->cursor, 0, &f->entropy);
}

static void answer(struct fixture *f, uint16_t idx, uint32_t rtt_us)
{
	server_on_sent(&f->table, idx);
	server_on_answer(&f->table, idx, rtt_us, false, 0);
	server_check(&f->table);
}

static void time_out(struct fixture *f, uint16_t idx, unsigned times, mono_ns now)
{
	for (unsigned i = 0; i < times; i++) {
		server_on_sent(&f->table, idx);
		server_on_timeout(&f->table, idx, now, false, now);
		server_check(&f->table);
	}
}

/* ---- what is known ---- */

static void server_on_answer__follows_rfc_6298(void)
{
	static const struct {
		const char *says;
		uint32_t rtts[4];
		unsigned rtt_count;
		uint32_t want_srtt_us, want_rttvar_us;
	} rows[] = {
		{"the first is taken whole", {8000}, 1, 8000, 4000},
		{"the same again", {8000, 8000}, 2, 8000, 3000},
		{"a slower one", {8000, 16000}, 2, 9000, 5000},
		{"a faster one", {8000, 800}, 2, 7100, 4800},
		{"0 is not unknown", {0, 0, 0}, 3, 1, 0},
		{"the largest", {UINT32_MAX, UINT32_MAX}, 2, UINT32_MAX, 1610612735},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct fixture f;

		fixture_init(&f, RISE);
		for (unsigned j = 0; j < rows[i].rtt_count; j++)
			answer(&f, 1, rows[i].rtts[j]);
		CU_ASSERT_EQUAL(f.servers[1].srtt_us, rows[i].want_srtt_us);
		CU_ASSERT_EQUAL(f.servers[1].rttvar_us, rows[i].want_rttvar_us);
		CU_ASSERT_EQUAL(f.servers[1].responses, rows[i].rtt_count);
		CU_ASSERT_EQUAL(f.servers[0].srtt_us, 0);
	}
}

/* What this worker and all know, but for the bytes between. */
static bool is_same(const struct fixture *a, const struct fixture *b)
{
	for (uint16_t i = 0; i < COUNT; i++) {
		const struct server *x = &a->servers[i], *y = &b->servers[i];
		const struct server_shared *of_x = &a->shared.servers[i];
		const struct server_shared *of_y = &b->shared.servers[i];

		if (x->seen != y->seen || x->probe_under_way != y->probe_under_way ||
		    x->fails != y->fails || x->srtt_us != y->srtt_us ||
		    x->rttvar_us != y->rttvar_us || x->under_way != y->under_way ||
		    x->last_answer_at != y->last_answer_at || x->probe_at != y->probe_at ||
		    x->responses != y->responses || of_x->condition != of_y->condition ||
		    of_x->last_answer_at != of_y->last_answer_at)
			return false;
	}
	return a->table.next_probe_at == b->table.next_probe_at;
}

static void server_on_answer__does_what_the_general_one_does(void)
{
	struct fixture a, b;
	unsigned long long state = unit_seed();
	unsigned settled = 0, wrong = 0;
	mono_ns now = 0;

	fixture_init(&a, RISE);
	fixture_init(&b, RISE);
	for (unsigned i = 0; i < 100000; i++) {
		uint16_t idx = (uint16_t)(unit_random(&state) % COUNT);
		uint32_t rtt_us = (uint32_t)(unit_random(&state) >> unit_random(&state) % 64);
		bool probe = unit_random(&state) % 16 == 0;

		now += unit_random(&state) % (SERVER_ANSWER_GRAIN_MS * NS_PER_MS);
		if (unit_random(&state) % 4 == 0) {
			time_out(&a, idx, 1, now);
			time_out(&b, idx, 1, now);
			continue;
		}
		if (unit_random(&state) % 8 != 0) { /* else a surplus one */
			server_on_sent(&a.table, idx);
			server_on_sent(&b.table, idx);
		}
		settled += server_is_settled(&a.table, idx, now);
		server_on_answer(&a.table, idx, rtt_us, probe, now);
		server_on_answer_any(&b.table, idx, rtt_us, probe, now);
		wrong += !is_same(&a, &b);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(settled > 10000 && settled < 70000);
}

static void server_on_timeout__down_after_fall_in_a_row(void)
{
	struct fixture f;

	fixture_init(&f, RISE);
	time_out(&f, 0, FALL - 1, 5);
	answer(&f, 0, 100); /* begins the row anew */
	time_out(&f, 0, FALL - 1, 6);
	CU_ASSERT_EQUAL(server_state(&f.table, 0), SERVER_UP);
	CU_ASSERT_EQUAL(f.table.next_probe_at, MONO_NEVER);
	time_out(&f, 0, 1, 7 * TICK);
	CU_ASSERT_EQUAL(server_state(&f.table, 0), SERVER_DOWN);
	CU_ASSERT_EQUAL(f.table.next_probe_at, 7 * TICK + INTERVAL_NS);
	CU_ASSERT_EQUAL(f.servers[0].timeouts, 2 * FALL - 1);
}

static void server__probes_every_interval_until_rise_answers(void)
{
	struct fixture f;
	mono_ns now = INTERVAL_NS;

	fixture_init(&f, RISE);
	time_out(&f, 2, FALL, 0);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now - 1), -1);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now), 2);
	server_on_sent(&f.table, 2);
	/* None is due while one is under way, and no deadline lies in the past for it. */
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now + 5 * INTERVAL_NS), -1);
	CU_ASSERT_EQUAL(f.table.next_probe_at, MONO_NEVER);
	server_on_timeout(&f.table, 2, now + 400, true, now + 400);
	server_check(&f.table);
	CU_ASSERT_EQUAL(f.table.next_probe_at, now + INTERVAL_NS);

	now += INTERVAL_NS;
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now), 2);
	server_on_sent(&f.table, 2);
	server_on_answer(&f.table, 2, 10, true, now + 10);
	server_check(&f.table);
	CU_ASSERT_EQUAL(server_state(&f.table, 2), SERVER_DOWN);
	/* The second probe follows at once: back within interval + rise round trips. */
	CU_ASSERT_EQUAL(f.table.next_probe_at, now + 10);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now + 10), 2);
	server_on_sent(&f.table, 2);
	server_on_answer(&f.table, 2, 10, true, now + 20);
	server_check(&f.table);
	CU_ASSERT_EQUAL(server_state(&f.table, 2), SERVER_UP);
	CU_ASSERT_EQUAL(f.table.next_probe_at, MONO_NEVER);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, now + 100 * INTERVAL_NS), -1);
}

static void server__a_lost_probe_breaks_the_row_of_rises(void)
{
	struct fixture f;

	fixture_init(&f, RISE);
	time_out(&f, 1, FALL, 0);
	for (mono_ns now = INTERVAL_NS; now < 10 * INTERVAL_NS; now += 3 * INTERVAL_NS) {
		CU_ASSERT_EQUAL(server_probe_due(&f.table, now), 1);
		server_on_sent(&f.table, 1);
		server_on_answer(&f.table, 1, 10, true, now);
		CU_ASSERT_EQUAL(server_probe_due(&f.table, now), 1);
		server_on_sent(&f.table, 1);
		server_on_timeout(&f.table, 1, now + 10, true, now + 10);
		server_check(&f.table);
		CU_ASSERT_EQUAL(server_state(&f.table, 1), SERVER_DOWN);
	}
}

static void server_on_answer__of_a_question_ends_a_down_too(void)
{
	struct fixture f;

	fixture_init(&f, 1);
	time_out(&f, 3, FALL, 0);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, INTERVAL_NS), 3);
	server_on_sent(&f.table, 3);
	server_on_sent(&f.table, 3);
	server_on_answer(&f.table, 3, 10, false, INTERVAL_NS + 5);
	CU_ASSERT_EQUAL(server_state(&f.table, 3), SERVER_UP);
	server_check(&f.table);
	/* The probe that is still out is no obstacle to the next down's. */
	server_on_timeout(&f.table, 3, INTERVAL_NS + 50, true, INTERVAL_NS + 50);
	CU_ASSERT_FALSE(f.servers[3].probe_under_way);
	server_check(&f.table);
}

static void server_probe_due__hands_out_every_due_server_once(void)
{
	struct fixture f;
	unsigned seen = 0;

	fixture_init(&f, RISE);
	for (uint16_t i = 0; i < COUNT; i++)
		time_out(&f, i, FALL, i * TICK);
	CU_ASSERT_EQUAL(f.table.next_probe_at, INTERVAL_NS);
	for (int i = 0; i < 3; i++) {
		int idx = server_probe_due(&f.table, INTERVAL_NS + 2 * TICK);

		CU_ASSERT_FATAL(idx >= 0 && idx < COUNT);
		seen |= 1u << idx;
		server_check(&f.table);
	}
	CU_ASSERT_EQUAL(seen, 7);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, INTERVAL_NS + 2 * TICK), -1);
	CU_ASSERT_EQUAL(f.table.next_probe_at, INTERVAL_NS + 3 * TICK);
	/* A probe that could not be sent is tried again an interval later. */
	server_on_cancelled(&f.table, 0, true);
	server_check(&f.table);
	CU_ASSERT_EQUAL(server_probe_due(&f.table, INTERVAL_NS + 3 * TICK), 3);
	CU_ASSERT_EQUAL(f.table.next_probe_at, 2 * INTERVAL_NS + 2 * TICK);
}

static void server__surplus_ends_do_not_underflow(void)
{
	struct fixture f;

	fixture_init(&f, RISE);
	server_on_cancelled(&f.table, 0, false);
	server_on_cancelled(&f.table, 0, true);
	server_on_timeout(&f.table, 0, 1, false, 1);
	server_on_timeout(&f.table, 0, 2, true, 2);
	server_on_answer(&f.table, 0, 5, false, 3);
	server_on_answer(&f.table, 0, 5, true, 4);
	CU_ASSERT_EQUAL(f.servers[0].under_way, 0);
	server_on_sent(&f.table, 0);
	CU_ASSERT_EQUAL(f.servers[0].under_way, 1);
	for (unsigned i = 0; i < 2u * UINT16_MAX; i++)
		server_on_timeout(&f.table, 0, i, false, i);
	CU_ASSERT_EQUAL(f.servers[0].fails, UINT16_MAX);
	server_check(&f.table);
}

/* ---- habits ---- */

static void server_case_on__ends_after_proofs_in_a_row_for_an_hour(void)
{
	const mono_ns hour = SERVER_HABIT_S * NS_PER_S;
	struct fixture f;

	fixture_init(&f, RISE);
	for (unsigned i = 0; i < CASE_PROOFS - 1; i++)
		server_on_case_lost(&f.table, 0, 10);
	server_on_case_kept(&f.table, 0);
	for (unsigned i = 0; i < CASE_PROOFS - 1; i++)
		server_on_case_lost(&f.table, 0, 20);
	CU_ASSERT_TRUE(server_case_on(&f.table, 0, 20));
	server_on_case_lost(&f.table, 0, 30);
	CU_ASSERT_FALSE(server_case_on(&f.table, 0, 30));
	/* What was under way with 0x20 on does not prolong it. */
	server_on_case_lost(&f.table, 0, 40);
	server_check(&f.table);
	CU_ASSERT_FALSE(server_case_on(&f.table, 0, 30 + hour - 1));
	CU_ASSERT_TRUE(server_case_on(&f.table, 1, 30));
	CU_ASSERT_TRUE(server_case_on(&f.table, 0, 30 + hour));
	/* And then it takes all proofs again. */
	server_on_case_lost(&f.table, 0, 31 + hour);
	CU_ASSERT_TRUE(server_case_on(&f.table, 0, 31 + hour));
}

static void server_edns_on__is_off_for_an_hour(void)
{
	const mono_ns hour = SERVER_HABIT_S * NS_PER_S;
	struct fixture f;

	fixture_init(&f, RISE);
	CU_ASSERT_TRUE(server_edns_on(&f.table, 0, 0));
	server_on_edns_refused(&f.table, 0, 100);
	CU_ASSERT_FALSE(server_edns_on(&f.table, 0, 100));
	CU_ASSERT_TRUE(server_edns_on(&f.table, 1, 100));
	CU_ASSERT_FALSE(server_edns_on(&f.table, 0, 99 + hour));
	CU_ASSERT_TRUE(server_edns_on(&f.table, 0, 100 + hour));
}

/* ---- the choice ---- */

static void server_choose__in_order_takes_the_first_that_is_up_and_untried(void)
{
	static const struct {
		const char *says;
		uint32_t down, tried;
		int want;
	} rows[] = {
		{"all up", 0, 0, 0},
		{"the first is down", TRIED(0), 0, 1},
		{"the first was tried", 0, TRIED(0), 1},
		{"down and tried", TRIED(0), TRIED(1), 2},
		{"the last", TRIED(1) | TRIED(2), TRIED(0), 3},
		{"none is up and untried: the last to go down", TRIED(1) | TRIED(2),
		 TRIED(0) | TRIED(3), 2},
		{"all down", 15, 0, 3},
		{"all down, the last of them tried", 15, TRIED(3), 2},
		{"all tried", 0, 15, -1},
		{"all down and tried", 15, 15, -1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (int policy = 0; policy < SERVER_POLICY_COUNT; policy++) {
			struct fixture f;
			int position;

			fixture_init(&f, RISE);
			for (uint16_t s = 0; s < COUNT; s++)
				if (rows[i].down & TRIED(s))
					time_out(&f, s, FALL, s * TICK);
			position = choose(&f, (enum server_policy)policy, rows[i].tried);
			/* Other policies may prefer another, of the same kind. */
			if (policy == SERVER_POLICY_IN_ORDER || position < 0 ||
			    server_state(&f.table, (uint16_t)position) == SERVER_DOWN)
				CU_ASSERT_EQUAL(position, rows[i].want);
			if (position >= 0)
				CU_ASSERT((rows[i].tried & TRIED(position)) == 0);
		}
}

static void server_choose__positions_are_of_the_list(void)
{
	static const uint16_t list[] = {3, 1};
	struct fixture f;

	fixture_init(&f, RISE);
	time_out(&f, 3, FALL, 1);
	CU_ASSERT_EQUAL(server_choose(&f.table, list, 2, SERVER_POLICY_IN_ORDER, 0, &f.cursor, 0,
				      &f.entropy),
			1);
	CU_ASSERT_EQUAL(server_choose(&f.table, list, 2, SERVER_POLICY_IN_ORDER, 2, &f.cursor, 0,
				      &f.entropy),
			0);
}

static void server_choose__round_robin_shares_evenly_among_those_up(void)
{
	struct fixture f;
	unsigned chosen[COUNT] = {0};

	fixture_init(&f, RISE);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_ROUND_ROBIN, 0), (int)(i % COUNT));
	time_out(&f, 1, FALL, 0);
	for (unsigned i = 0; i < 300; i++)
		chosen[choose(&f, SERVER_POLICY_ROUND_ROBIN, 0)]++;
	/* The one after the lost one does not get its share as well. */
	CU_ASSERT(chosen[0] == 100 && chosen[1] == 0 && chosen[2] == 100 && chosen[3] == 100);
	f.cursor = UINT32_MAX;
	CU_ASSERT(choose(&f, SERVER_POLICY_ROUND_ROBIN, 0) >= 0);
	CU_ASSERT(choose(&f, SERVER_POLICY_ROUND_ROBIN, 0) >= 0);
}

static void server_choose__fastest_takes_unknown_ones_first_but_once(void)
{
	struct fixture f;

	fixture_init(&f, RISE); /* without random bytes: nothing is left to chance */
	answer(&f, 0, 5000);
	answer(&f, 1, 3000);
	answer(&f, 2, 4000);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 0), 3);
	server_on_sent(&f.table, 3);
	/* While it owes its first answer, the others get the questions. */
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 0), 1);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, TRIED(1)), 2);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, TRIED(0) | TRIED(1) | TRIED(2)), 3);
	server_on_cancelled(&f.table, 3, false);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 0), 3);
	answer(&f, 3, 2999);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 0), 3);
	answer(&f, 3, 90000);
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 0), 1);
}

static void server_choose__fastest_gives_one_in_32_to_another(void)
{
	enum { QUESTIONS = 100000 };
	struct fixture f;
	uint32_t chosen[COUNT] = {0};
	double expected[COUNT];

	fixture_init(&f, RISE);
	for (uint16_t i = 0; i < COUNT; i++) {
		answer(&f, i, i == 2 ? 100 : 1000u + i);
		expected[i] = QUESTIONS / 32.0 / (COUNT - 1);
	}
	expected[2] = QUESTIONS * 31 / 32.0;
	for (unsigned i = 0; i < QUESTIONS; i++) {
		fixture_fill(&f);
		chosen[choose(&f, SERVER_POLICY_FASTEST, 0)]++;
	}
	CU_ASSERT_TRUE(chi_square_accepts("fastest and others", chosen, expected, COUNT));
	/* With nobody else to go to, no randomness is spent. */
	fixture_fill(&f);
	size_t before = f.entropy.next_offset;
	CU_ASSERT_EQUAL(choose(&f, SERVER_POLICY_FASTEST, 15 & ~TRIED(0)), 0);
	CU_ASSERT_EQUAL(f.entropy.next_offset, before);
}

static int choose_hash(struct fixture *f, uint64_t question_hash)
{
	return server_choose(&f->table, all, COUNT, SERVER_POLICY_HASH, 0, &f->cursor,
			     question_hash, &f->entropy);
}

static void server_choose__hash_moves_only_a_lost_servers_questions(void)
{
	enum { QUESTIONS = 40000, LOST = 1 };
	struct fixture f, lost;
	uint32_t chosen[COUNT] = {0};
	uint32_t moved[COUNT - 1] = {0};
	unsigned long long random = 9;

	fixture_init(&f, RISE);
	fixture_init(&lost, RISE);
	time_out(&lost, LOST, FALL, 0);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		uint64_t question_hash = unit_random(&random);
		int before = choose_hash(&f, question_hash);
		int after = choose_hash(&lost, question_hash);

		chosen[before]++;
		CU_ASSERT_NOT_EQUAL_FATAL(after, LOST);
		if (before == LOST)
			moved[after == 0 ? 0 : after - 1]++;
		CU_ASSERT_FATAL(before == LOST || after == before);
		CU_ASSERT_EQUAL_FATAL(choose_hash(&f, question_hash), before);
	}
	CU_ASSERT_TRUE(chi_square_accepts("questions by hash", chosen, NULL, COUNT));
	CU_ASSERT_TRUE(chi_square_accepts("questions moved", moved, NULL, COUNT - 1));
}

/* ---- random events against a naive view ---- */

static void server__invariants_hold_through_random_events(void)
{
	struct fixture f;
	unsigned long long random = unit_seed();
	mono_ns now = 0;
	uint32_t questions[COUNT] = {0};
	bool probes[COUNT] = {false};
	unsigned downs = 0, ups = 0;

	fixture_init(&f, RISE);
	for (unsigned step = 0; step < 50000; step++) {
		uint16_t idx = (uint16_t)(unit_random(&random) % COUNT);
		enum server_state was = server_state(&f.table, idx);
		bool probe = probes[idx] && unit_random(&random) % 2 == 0;
		unsigned event = (unsigned)(unit_random(&random) % 5);
		int due;

		now += unit_random(&random) % (INTERVAL_NS / 4);
		if (event == 0) {
			server_on_sent(&f.table, idx);
			questions[idx]++;
		} else if (probe || questions[idx] > 0) {
			if (event == 1)
				server_on_answer(&f.table, idx, (uint32_t)step, probe, now);
			else if (event == 2)
				server_on_cancelled(&f.table, idx, probe);
			else
				server_on_timeout(&f.table, idx, now, probe, now);
			if (probe)
				probes[idx] = false;
			else
				questions[idx]--;
		}
		downs += was == SERVER_UP && server_state(&f.table, idx) == SERVER_DOWN;
		ups += was == SERVER_DOWN && server_state(&f.table, idx) == SERVER_UP;
		server_check(&f.table);
		while (unit_random(&random) % 2 == 0 &&
		       (due = server_probe_due(&f.table, now)) >= 0) {
			CU_ASSERT_FALSE_FATAL(probes[due]);
			CU_ASSERT_EQUAL_FATAL(server_state(&f.table, (uint16_t)due), SERVER_DOWN);
			probes[due] = true;
			server_on_sent(&f.table, (uint16_t)due);
			server_check(&f.table);
		}
		for (uint16_t i = 0; i < COUNT; i++)
			CU_ASSERT_EQUAL_FATAL(f.servers[i].under_way, questions[i] + probes[i]);
	}
	CU_ASSERT(downs > 100 && ups > 100);
}

static const struct unit_test tests[] = {
	UNIT_TEST(server_on_answer__follows_rfc_6298),
	UNIT_TEST(server_on_answer__does_what_the_general_one_does),
	UNIT_TEST(server_on_timeout__down_after_fall_in_a_row),
	UNIT_TEST(server__probes_every_interval_until_rise_answers),
	UNIT_TEST(server__a_lost_probe_breaks_the_row_of_rises),
	UNIT_TEST(server_on_answer__of_a_question_ends_a_down_too),
	UNIT_TEST(server_probe_due__hands_out_every_due_server_once),
	UNIT_TEST(server__surplus_ends_do_not_underflow),
	UNIT_TEST(server_case_on__ends_after_proofs_in_a_row_for_an_hour),
	UNIT_TEST(server_edns_on__is_off_for_an_hour),
	UNIT_TEST(server_choose__in_order_takes_the_first_that_is_up_and_untried),
	UNIT_TEST(server_choose__positions_are_of_the_list),
	UNIT_TEST(server_choose__round_robin_shares_evenly_among_those_up),
	UNIT_TEST(server_choose__fastest_takes_unknown_ones_first_but_once),
	UNIT_TEST(server_choose__fastest_gives_one_in_32_to_another),
	UNIT_TEST(server_choose__hash_moves_only_a_lost_servers_questions),
	UNIT_TEST(server__invariants_hold_through_random_events),
};
UNIT_SUITE(server, tests)
