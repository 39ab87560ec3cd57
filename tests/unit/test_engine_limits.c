/* Coalescing, and every table and buffer at its end: what happens is counted, others go on, nothing is lost
 * that was taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;

static enum counter ask_numbered(struct rig *r, unsigned number)
{
	char name[32];
	/* Another client each time: none is sent twice. */
	struct rig_question q = {
		.name = name, .id = (uint16_t)number, .client = (uint16_t)r->delivered[0]};

	snprintf(name, sizeof(name), "n%u.example.com", number);
	return rig_ask(r, &q);
}

static void engine_limits__coalesces_400_flows_into_one_query(void)
{
	enum { FLOWS = 400 };
	static const char letters[] = "www.example.com";
	static char names[FLOWS][sizeof(letters)];
	static struct rig_question asked[FLOWS];
	bool seen[FLOWS] = {false};
	struct rig *r = rig_new(1);
	struct rig_query query;
	struct rig_answer a;

	rig_start(r);
	for (unsigned i = 0; i < FLOWS; i++) {
		for (size_t at = 0; at < sizeof(letters); at++)
			names[i][at] = unit_random(&r->random) % 2 != 0 && letters[at] >= 'a'
					       ? (char)(letters[at] - 'a' + 'A')
					       : letters[at];
		asked[i] = (struct rig_question){
			.name = names[i],
			.id = (uint16_t)(unit_random(&r->random) & 0xfe00) | (uint16_t)i,
			.family = i % 3 == 0 ? RIG_V6 : RIG_V4,
			.client = (uint16_t)i,
			.client_port = (uint16_t)(2000 + 7 * i),
			.edns = i % 2 != 0,
			.dnssec_ok = i % 4 == 1,
			.flags_on = i % 5 == 0 ? DNS_FLAG_AD : 0,
		};
		CU_ASSERT_EQUAL(rig_ask(r, &asked[i]),
				i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	}
	rig_advance(r, 500 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 1);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, FLOWS);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), FLOWS);
	while (rig_answer_next(r, &a)) {
		unsigned i = rig_u16(a.message, 0) & 0x1ffu;
		struct endpoint client;

		CU_ASSERT_FATAL(i < FLOWS && !seen[i]);
		seen[i] = true;
		client = rig_client(asked[i].family, asked[i].client, asked[i].client_port);
		CU_ASSERT(endpoint_equal(&a.client, &client));
		CU_ASSERT(rig_question_is(&a, &asked[i]));
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_OPT), asked[i].edns);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_COALESCED), FLOWS - 1);
	CU_ASSERT_EQUAL(rig_gauges(r).answer_buffers_used, 0);
	rig_finish(r);
}

static void engine_limits__coalesces_only_what_is_identical(void)
{
	static const struct rig_question rows[] = {
		{.name = "www.example.com"},
		{.name = "www.example.com", .qtype = DNS_TYPE_AAAA},
		{.name = "www.example.com", .flags_on = DNS_FLAG_CD},
		{.name = "ww.example.com"},
		{.name = "w.ww.example.com"},
		{.name = "www.example.co"},
	};
	struct rig *r = rig_new(1);

	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(rig_ask(r, &rows[i]), COUNTER_QUESTION_NEW);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig_question another = rows[i];

		another.client = 1;
		CU_ASSERT_EQUAL(rig_ask(r, &another), COUNTER_COALESCED);
	}
	CU_ASSERT_EQUAL(rig_query_count(r), ARRAY_COUNT(rows));
	rig_finish(r);
}

static void engine_limits__asks_anew_once_the_answer_is_there(void)
{
	struct rig *r = rig_new(1);
	struct rig_query query;

	rig_start(r);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(ask_numbered(r, 1), COUNTER_QUESTION_NEW);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		rig_answer_query(r, &query, &plain);
	}
	CU_ASSERT_EQUAL(rig_answer_count(r), 3);
	rig_finish(r);
}

static void engine_limits__turns_away_too_many_waiters_of_one_question(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	r->params.waiter_count_max = WAITERS_PER_QUESTION_MAX + 100;
	r->checks = false;
	rig_start(r);
	for (unsigned i = 0; i < WAITERS_PER_QUESTION_MAX; i++) {
		q.client = (uint16_t)i;
		CU_ASSERT(rig_ask(r, &q) != COUNTER_DROP_QUESTION_WAITERS);
	}
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_QUESTION_WAITERS);
	/* Others are served. */
	CU_ASSERT_EQUAL(ask_numbered(r, 1), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	r->collects = false;
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(r->answers_sent, WAITERS_PER_QUESTION_MAX);
	r->checks = true;
	rig_finish(r);
}

static void engine_limits__sheds_at_max_under_way(void)
{
	enum { MAX = 8 };
	struct rig *r = rig_new(1);
	struct rig_query query;
	struct rig_answer a;

	r->params.under_way_max = MAX;
	rig_start(r);
	for (unsigned i = 0; i < MAX; i++)
		CU_ASSERT_EQUAL(ask_numbered(r, i), COUNTER_QUESTION_NEW);
	for (unsigned i = MAX; i < 3 * MAX; i++)
		CU_ASSERT_EQUAL(ask_numbered(r, i), COUNTER_DROP_WAITERS_FULL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_UNDER_WAY), 2 * MAX);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, MAX);
	/* Joining is no new resolution. */
	CU_ASSERT_EQUAL(ask_numbered(r, 3), COUNTER_COALESCED);
	CU_ASSERT_EQUAL(rig_query_count(r), MAX);
	/* Those under way go on, and one that ends makes room for one. */
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(ask_numbered(r, 100), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(ask_numbered(r, 101), COUNTER_DROP_WAITERS_FULL);
	while (rig_query_next(r, &query))
		rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), MAX + 1);
	rig_finish(r);
}

/* Late tickets give their slots to new queries. */
static void engine_limits__reuses_late_slots(void)
{
	enum { MAX = 4 };
	struct rig *r = rig_new(1);

	r->params.under_way_max = MAX;
	rig_start(r);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MAX; i++)
			CU_ASSERT_EQUAL(ask_numbered(r, round * MAX + i), COUNTER_QUESTION_NEW);
		rig_advance(r, 2500 * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_answer_count(r), MAX);
		rig_forget(r);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_UNDER_WAY), 0);
	rig_finish(r);
}

static void engine_limits__turns_away_when_the_waiters_are_all_out(void)
{
	enum { MAX = 5 };
	struct rig *r = rig_new(1);
	struct rig_query query;

	r->params.waiter_count_max = MAX;
	rig_start(r);
	for (unsigned i = 0; i < MAX; i++)
		CU_ASSERT_EQUAL(ask_numbered(r, i % 2),
				i < 2 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	CU_ASSERT_EQUAL(ask_numbered(r, 0), COUNTER_DROP_WAITERS_FULL);
	CU_ASSERT_EQUAL(ask_numbered(r, 9), COUNTER_DROP_WAITERS_FULL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_UNDER_WAY), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 2);
	while (rig_query_next(r, &query))
		rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), MAX);
	CU_ASSERT_EQUAL(ask_numbered(r, 9), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

static void engine_limits__keeps_places_for_other_clients(void)
{
	enum { PLACES = 4 * CLIENT_WAITERS_CROWDED };
	struct rig *r = rig_new(1);
	struct rig_question greedy = {.name = "www.example.com", .client = 1};
	struct rig_question modest = {.name = "www.example.com", .client = 2};
	struct rig_query query;

	r->params.waiter_count_max = PLACES;
	rig_start(r);
	/* One more than half of all places: from then on it is crowded. */
	for (unsigned i = 0; i <= PLACES / 2; i++) {
		greedy.client_port = (uint16_t)(20000 + i);
		CU_ASSERT_EQUAL(rig_ask(r, &greedy),
				i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	}
	greedy.client_port = 30000;
	CU_ASSERT_EQUAL(rig_ask(r, &greedy), COUNTER_DROP_CLIENT_WAITERS);
	for (unsigned i = 0; i < CLIENT_WAITERS_CROWDED; i++) {
		modest.client_port = (uint16_t)(20000 + i);
		CU_ASSERT_EQUAL(rig_ask(r, &modest), COUNTER_COALESCED);
	}
	modest.client_port = 30000;
	CU_ASSERT_EQUAL(rig_ask(r, &modest), COUNTER_DROP_CLIENT_WAITERS);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), PLACES / 2 + 1 + CLIENT_WAITERS_CROWDED);
	/* Who has been answered may ask again. */
	CU_ASSERT_EQUAL(rig_ask(r, &greedy), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

static void engine_limits__asks_again_when_no_answer_buffer_is_left(void)
{
	struct rig *r = rig_new(1);
	struct rig_query first;
	struct rig_query second;
	struct rig_query third;

	r->params.answer_buffer_count = 1;
	rig_start(r);
	for (unsigned i = 0; i < 4; i++)
		ask_numbered(r, i % 2);
	ask_numbered(r, 7);
	CU_ASSERT(rig_query_next(r, &first) && rig_query_next(r, &second));
	CU_ASSERT_FATAL(rig_query_next(r, &third));
	/* All in one burst: the second answer finds no buffer for its second waiter. */
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_gauges(r).answer_buffers_used, 1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain), COUNTER_DROP_ANSWERS_FULL);
	/* One waiter alone is answered in the packet, and needs none. */
	CU_ASSERT_EQUAL(rig_answer_query(r, &third, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), 3);
	CU_ASSERT_EQUAL(rig_gauges(r).answer_buffers_used, 0);
	/* Nothing is lost: it is asked again. */
	rig_advance(r, 900 * NS_PER_MS);
	CU_ASSERT_FATAL(rig_query_next(r, &second));
	CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), 5);
	rig_finish(r);
}

static void engine_limits__waits_for_random_bytes(void)
{
	struct rig *r = rig_new(1);

	rig_start(r);
	r->entropy_runs = false;
	/* Until both blocks are used up. */
	unsigned asked = 0;

	while (rig_count(r, COUNTER_ENTROPY_WAITS) == 0) {
		struct rig_query query;

		CU_ASSERT_FATAL(asked < 5000);
		ask_numbered(r, asked++);
		if (rig_query_next(r, &query))
			rig_answer_query(r, &query, &plain);
	}
	rig_forget(r);
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(ask_numbered(r, asked + i), COUNTER_QUESTION_NEW);
	rig_advance(r, 100 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 21);
	r->entropy_runs = true;
	rig_advance(r, 40 * NS_PER_MS); /* it looks again in growing steps */
	CU_ASSERT_EQUAL(rig_query_count(r), 21);
	for (struct rig_query query; rig_query_next(r, &query);)
		CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 21);
	rig_finish(r);
}

static void engine_limits__answers_in_time_even_without_random_bytes(void)
{
	struct rig *r = rig_new(1);
	mono_ns began;
	struct rig_answer a;

	r->entropy_runs = false;
	rig_start(r);
	began = r->now;
	ask_numbered(r, 1);
	rig_advance(r, 5 * NS_PER_S);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
	CU_ASSERT(a.at <= began + 4 * NS_PER_S);
	rig_finish(r);
}

/* ---- buffers ---- */

static void engine_limits__leaves_shared_packets_alone(void)
{
	struct rig *r = rig_new(1);
	struct rig_question axfr = {.name = "www.example.com", .qtype = DNS_TYPE_AXFR};
	struct rig_query query;
	uint8_t frame[RIG_BUFFER_BYTES];

	rig_start(r);
	r->in_place = false; /* the rig checks that nothing is written */
	CU_ASSERT_EQUAL(ask_numbered(r, 1), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
	CU_ASSERT_EQUAL(ask_numbered(r, 1), COUNTER_COALESCED);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), 2);
	CU_ASSERT_EQUAL(rig_ask(r, &axfr), COUNTER_DROP_NO_ROOM);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame,
				       rig_solicit_build(r, RIG_HOST_GATEWAY_V4, NULL, frame)),
			COUNTER_DROP_NO_ROOM);
	rig_finish(r);
}

static void engine_limits__drops_what_is_in_several_pieces(void)
{
	struct rig *r = rig_new(1);

	rig_start(r);
	r->multi_segment = true;
	CU_ASSERT_EQUAL(ask_numbered(r, 1), COUNTER_DROP_MULTI_SEGMENT);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 0);
	rig_finish(r);
}

/* Where the packet has no room behind it, the query or answer leaves in another, whole. */
static void engine_limits__loses_nothing_in_tight_packets(void)
{
	static const struct {
		const char *says;
		uint16_t tailroom_bytes;
	} rows[] = {{"none", 0}, {"10", 10}, {"40", 40}, {"100", 100}, {"600", 600}};
	static const struct rig_question axfr = {.name = "www.example.com", .qtype = DNS_TYPE_AXFR};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com",
					 .edns = true,
					 .options = (const uint8_t *)"\0\12\0\01012345678",
					 .options_length_bytes = 12};
		struct rig_query query;
		struct rig_answer a;

		rig_start(r);
		r->tailroom_bytes = rows[i].tailroom_bytes;
		RIG_ROW(rows[i].says, rig_ask(r, &q) == COUNTER_QUESTION_NEW);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		rig_answer_query(r, &query, &plain);
		rig_poll(r);
		RIG_ROW(rows[i].says, rig_answer_count(r) == 1);
		if (rig_answer_next(r, &a)) {
			RIG_ROW(rows[i].says, (rig_flags(&a) & DNS_FLAG_TC) == 0);
			RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_A) == 1);
		}
		/* An error is no longer than the question, so it always has room. */
		RIG_ROW(rows[i].says, rig_ask(r, &axfr) == COUNTER_QUESTION_REPLIED);
		rig_finish(r);
	}
}

/* ---- bursts ---- */

/* All kinds of packets in one burst: each is what it would be alone, questions first. */
static void engine_limits__takes_a_mixed_burst(void)
{
	struct rig *r = rig_new(1);
	struct rig_question old = {.name = "old.example.com", .id = 1, .edns = true};
	struct rig_question joins = {.name = "OLD.example.com", .id = 2, .family = RIG_V6};
	struct rig_question axfr = {.name = "www.example.com", .qtype = DNS_TYPE_AXFR, .id = 3};
	struct rig_question fresh = {.name = "new.example.com", .id = 4};
	struct rig_query query;
	struct rig_query sent;
	enum counter outcomes[BURST_SLOTS_MAX];
	static const enum counter want[] = {
		COUNTER_QUESTION_NEW,      COUNTER_COALESCED, COUNTER_QUESTION_REPLIED,
		COUNTER_UPSTREAM_RESPONSE, COUNTER_UNMATCHED, COUNTER_COALESCED,
		COUNTER_ARP_ANSWERED,      COUNTER_COALESCED, COUNTER_DROP_QUERY_SHORT,
	};
	uint8_t frame[RIG_BUFFER_BYTES];
	unsigned seen = 0;

	rig_start(r);
	rig_ask(r, &old);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_burst_begin(r);
	rig_ask(r, &fresh);
	rig_ask(r, &joins);
	rig_ask(r, &axfr);
	rig_answer_query(r, &query, &plain);
	rig_answer_query(r, &query, &plain);
	rig_ask(r, &old); /* nothing is cached, and yet nobody is asked once more */
	rig_send_frame(r, 0, frame, rig_solicit_build(r, RIG_HOST_V4, NULL, frame));
	fresh.client = 9;
	rig_ask(r, &fresh);
	rig_send(r, &old, frame, 5);
	CU_ASSERT_EQUAL_FATAL(rig_burst_end(r, outcomes), ARRAY_COUNT(want));
	for (size_t i = 0; i < ARRAY_COUNT(want); i++)
		RIG_ROW(counter_rows[want[i]].name, outcomes[i] == want[i]);
	rig_poll(r);
	/* A query for new; answers to old, twice, joins and axfr. */
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_answer_count(r), 4);
	for (struct rig_answer a; rig_answer_next(r, &a);) {
		uint16_t id = rig_u16(a.message, 0);

		seen |= 1u << id;
		CU_ASSERT(rig_question_is(&a, id == 1 ? &old : id == 2 ? &joins : &axfr));
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), id == 3 ? 0 : 1);
	}
	CU_ASSERT_EQUAL(seen, 1u << 1 | 1u << 2 | 1u << 3);
	while (rig_query_next(r, &sent))
		CU_ASSERT_EQUAL(rig_answer_query(r, &sent, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

/* 64 flows with one question in one burst: one query. */
static void engine_limits__coalesces_within_a_burst(void)
{
	struct rig *r = rig_new(1);
	enum counter outcomes[BURST_SLOTS_MAX];
	struct rig_query query;

	rig_start(r);
	rig_burst_begin(r);
	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
		rig_ask(r, &(struct rig_question){.name = "www.example.com",
						  .id = (uint16_t)i,
						  .client = (uint16_t)i});
	CU_ASSERT_EQUAL(rig_burst_end(r, outcomes), BURST_SLOTS_MAX);
	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
		CU_ASSERT_EQUAL(outcomes[i], i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), BURST_SLOTS_MAX);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_limits__coalesces_400_flows_into_one_query),
	UNIT_TEST(engine_limits__coalesces_only_what_is_identical),
	UNIT_TEST(engine_limits__asks_anew_once_the_answer_is_there),
	UNIT_TEST(engine_limits__turns_away_too_many_waiters_of_one_question),
	UNIT_TEST(engine_limits__sheds_at_max_under_way),
	UNIT_TEST(engine_limits__reuses_late_slots),
	UNIT_TEST(engine_limits__turns_away_when_the_waiters_are_all_out),
	UNIT_TEST(engine_limits__keeps_places_for_other_clients),
	UNIT_TEST(engine_limits__asks_again_when_no_answer_buffer_is_left),
	UNIT_TEST(engine_limits__waits_for_random_bytes),
	UNIT_TEST(engine_limits__answers_in_time_even_without_random_bytes),
	UNIT_TEST(engine_limits__leaves_shared_packets_alone),
	UNIT_TEST(engine_limits__drops_what_is_in_several_pieces),
	UNIT_TEST(engine_limits__loses_nothing_in_tight_packets),
	UNIT_TEST(engine_limits__takes_a_mixed_burst),
	UNIT_TEST(engine_limits__coalesces_within_a_burst),
};
UNIT_SUITE(engine_limits, tests)
