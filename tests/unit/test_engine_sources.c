/* Sets of ports and addresses that change while queries are under way: no reply is lost that can still come, and what was
 * given up is used no more (issue 4). */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define LOW_FIRST 1024
#define LOW_LAST 32767
#define HIGH_FIRST 32768
#define QUESTIONS 200

static const struct rig_reply plain;
static const unsigned engine_counts[] = {1, 2, 4};

/* One server of the family, so that every query goes to it. */
static struct rig *rig_of(unsigned engine_count, enum rig_family family)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(engine_count);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
	r->params.under_way_max = 1024;
	return r;
}

/* So many new questions, from client addresses and to workers of all kinds. */
static void ask_many(struct rig *r, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		char name[32];
		struct rig_question q = {
			.name = name, .client = (uint16_t)i, .engine = i % r->engine_count};

		snprintf(name, sizeof(name), "n%u.example.com", i);
		CU_ASSERT(rig_ask(r, &q) != COUNTER_OUTCOME_COUNT);
		if (i % 16 == 0)
			rig_poll(r);
	}
	rig_poll(r);
}

/* Answers all that was collected; returns how many of them matched. */
static unsigned answer_all(struct rig *r)
{
	struct rig_query q;
	unsigned matched = 0;

	while (rig_query_next(r, &q)) {
		struct rig_reply reply = {.to_engine = true,
					  .engine = (q.engine + 1) % r->engine_count};

		matched += rig_answer_query(r, &q, &reply) == COUNTER_UPSTREAM_RESPONSE;
	}
	rig_poll(r);
	return matched;
}

static void answered_noerror(struct rig *r, unsigned count)
{
	struct rig_answer a;

	CU_ASSERT_EQUAL(rig_answer_count(r), count);
	while (rig_answer_next(r, &a))
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
}

static bool settled(const struct rig *r)
{
	for (unsigned i = 0; i < r->engine_count; i++)
		if (!engine_sources_settled(r->engines[i]))
			return false;
	return true;
}

/* ---- rotation ---- */

static void rotate(unsigned engine_count, enum rig_family family)
{
	struct rig *r = rig_of(engine_count, family);
	struct source_set *low = rig_source_new(r, LOW_FIRST, LOW_LAST);
	struct source_set *high = rig_source_new(r, HIGH_FIRST, UINT16_MAX);
	struct rig_query q;
	unsigned from_high = 0;

	source_set_keep(high, &low->ports.map);
	rig_source_publish_all(r, low);
	rig_start(r);
	ask_many(r, 0, QUESTIONS);
	rig_source_publish_all(r, high);
	ask_many(r, QUESTIONS, QUESTIONS);
	CU_ASSERT_TRUE(settled(r));
	CU_ASSERT_EQUAL(rig_query_count(r), 2 * QUESTIONS);
	for (unsigned i = 0; i < 2 * QUESTIONS && rig_query_next(r, &q); i++) {
		CU_ASSERT((q.local.port >= HIGH_FIRST) == (i >= QUESTIONS));
		from_high += q.local.port >= HIGH_FIRST;
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	}
	CU_ASSERT_EQUAL(from_high, QUESTIONS);
	answered_noerror(r, 2 * QUESTIONS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_MOVED), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
	rig_finish(r);
}

static void engine_sources__rotate_without_losing_a_reply(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++)
		for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++)
			rotate(engine_counts[i], family);
}

/* ---- yielding ---- */

/* Under load: what was sent from a port that is given up is asked again from another one at once, and answered. */
static void yield(unsigned engine_count, enum rig_family family)
{
	struct rig *r = rig_of(engine_count, family);
	struct source_set *low = rig_source_new(r, LOW_FIRST, LOW_LAST);
	struct rig_query queries[QUESTIONS];
	struct rig_query q;
	unsigned given_up = 0, again = 0;
	struct engine_upstream_row row;

	rig_start(r);
	ask_many(r, 0, QUESTIONS);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &queries[i]));
		given_up += queries[i].local.port >= HIGH_FIRST;
	}
	CU_ASSERT(given_up > QUESTIONS / 4 && given_up < 3 * QUESTIONS / 4);
	rig_source_publish_all(r, low);
	CU_ASSERT_FALSE(settled(r));
	rig_poll(r);
	CU_ASSERT_TRUE(settled(r));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_MOVED), given_up);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), given_up);
	CU_ASSERT_EQUAL(rig_query_count(r), given_up);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, QUESTIONS);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_late, 0);
	/* What is sent to the ports that were given up is not ours any more; the rest of the replies are. */
	for (unsigned i = 0; i < QUESTIONS; i++)
		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &plain),
				queries[i].local.port >= HIGH_FIRST ? COUNTER_DROP_UDP_PORT
								    : COUNTER_UPSTREAM_RESPONSE);
	ask_many(r, QUESTIONS, QUESTIONS);
	while (rig_query_next(r, &q)) {
		CU_ASSERT(q.local.port < HIGH_FIRST);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		again++;
	}
	CU_ASSERT_EQUAL(again, given_up + QUESTIONS);
	answered_noerror(r, 2 * QUESTIONS);
	/* It was no fault of the server's. */
	CU_ASSERT_TRUE(
		rig_upstream(r, family == RIG_V4 ? RIG_SERVER_V4_LINK : RIG_SERVER_V6_LINK, &row));
	CU_ASSERT_EQUAL(row.timeouts, 0);
	CU_ASSERT_EQUAL(row.under_way, 0);
	rig_finish(r);
}

static void engine_sources__ask_again_what_left_from_a_port_that_is_given_up(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++)
		for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++)
			yield(engine_counts[i], family);
}

/* A look at all slots takes several turns, and the engine wants each of them at once. */
static void engine_sources__are_looked_through_in_bounded_steps(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	unsigned steps = 0;
	uint64_t moved = 0;

	rig_start(r);
	ask_many(r, 0, 1000);
	rig_forget(r);
	rig_source_publish_all(r, rig_source_new(r, LOW_FIRST, LOW_LAST));
	CU_ASSERT_FALSE(engine_sources_settled(r->engines[0]));
	CU_ASSERT_EQUAL(engine_next_deadline(r->engines[0]), r->now);
	while (!engine_sources_settled(r->engines[0])) {
		uint64_t before = rig_count(r, COUNTER_UPSTREAM_MOVED);

		CU_ASSERT_EQUAL(engine_next_deadline(r->engines[0]), r->now);
		(void)engine_tx_wanted(r->engines[0], 0, r->now);
		moved = rig_count(r, COUNTER_UPSTREAM_MOVED);
		CU_ASSERT(moved - before <= ENGINE_REPORT_SCAN);
		CU_ASSERT_TRUE_FATAL(++steps <= 1024 / ENGINE_REPORT_SCAN);
	}
	CU_ASSERT_EQUAL(steps, 1024 / ENGINE_REPORT_SCAN);
	CU_ASSERT(moved > 300 && moved < 700);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), moved);
	CU_ASSERT_EQUAL(answer_all(r), moved);
	rig_finish(r);
}

/* A second change in the middle of the look is not overlooked in the slots that were looked at already. */
static void engine_sources__changed_twice_are_looked_through_twice(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct rig_query q;

	rig_start(r);
	ask_many(r, 0, 1000);
	rig_forget(r);
	rig_source_publish_all(r, rig_source_new(r, LOW_FIRST, LOW_LAST));
	for (unsigned i = 0; i < 2; i++)
		(void)engine_tx_wanted(r->engines[0], 0, r->now);
	CU_ASSERT_FALSE(engine_sources_settled(r->engines[0]));
	rig_source_publish_all(r, rig_source_new(r, LOW_FIRST, LOW_LAST - 8192));
	rig_poll(r); /* engine_check sees that nothing is under way on what is not ours */
	CU_ASSERT_TRUE(settled(r));
	while (rig_query_next(r, &q))
		if (q.local.port <= LOW_LAST - 8192)
			CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

/* A health probe is not asked again for that: the next one is due soon. */
static void engine_sources__probes_on_what_is_given_up_are_just_cancelled(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct rig_question q = {.name = "down.example.com"};
	struct rig_query query = {0};

	rig_start(r);
	/* Nobody answers: the server goes down and is probed. */
	for (unsigned i = 0; i < 100 && !query.is_probe; i++) {
		rig_ask(r, &q);
		rig_advance(r, 100 * NS_PER_MS);
		while (!query.is_probe && rig_query_next(r, &query))
			;
	}
	CU_ASSERT_TRUE_FATAL(query.is_probe);
	CU_ASSERT_EQUAL(rig_gauges(r).probes_out, 1);
	rig_forget(r);
	rig_source_publish_all(r, query.local.port < HIGH_FIRST
					  ? rig_source_new(r, HIGH_FIRST, UINT16_MAX)
					  : rig_source_new(r, LOW_FIRST, LOW_LAST));
	rig_poll(r);
	CU_ASSERT_TRUE(settled(r));
	CU_ASSERT_EQUAL(rig_gauges(r).probes_out, 0);
	CU_ASSERT(rig_count(r, COUNTER_UPSTREAM_MOVED) >= 1);
	while (rig_query_next(r, &query))
		CU_ASSERT_FALSE(query.is_probe);
	/* And it is probed again. */
	rig_advance(r, 3 * NS_PER_S);
	query.is_probe = false;
	while (!query.is_probe && rig_query_next(r, &query))
		;
	CU_ASSERT_TRUE(query.is_probe);
	rig_finish(r);
}

/* ---- sets in the same place, and empty ones ---- */

/* A set that was replaced and whose memory holds another one now: tickets drawn from the old one are not played. */
static void engine_sources__a_set_in_an_old_ones_place_is_another(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct source_set *place = rig_source_new(r, LOW_FIRST, LOW_LAST);
	struct source_set *between = rig_source_new(r, LOW_FIRST, LOW_LAST);
	struct port_map high;
	struct rig_query q;

	port_map_clear(&high);
	port_map_add(&high, HIGH_FIRST, UINT16_MAX);
	rig_source_publish_all(r, place);
	rig_start(r);
	ask_many(r, 0, 1); /* the rest of the hand stays */
	rig_source_publish_all(r, between);
	rig_poll(r); /* every worker has begun another turn, and drawn nothing in it */
	source_set_init(place, &high);
	source_set_keep(place, &between->ports.map);
	rig_source_publish_all(r, place);
	ask_many(r, 1, QUESTIONS);
	CU_ASSERT_TRUE(rig_query_next(r, &q));
	CU_ASSERT(q.local.port <= LOW_LAST);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
		CU_ASSERT(q.local.port >= HIGH_FIRST);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	}
	rig_finish(r);
}

/* No port is left to one address: queries leave from the others, and from none if there are none. */
static void engine_sources__an_empty_set_is_passed_over(void)
{
	static const int both[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(1);
	struct source_set *empty = rig_source_new(r, 0, 0);
	struct source_set *full = rig_source_new(r, LOW_FIRST, LOW_LAST);
	struct rig_question question = {.name = "none.example.com"};
	struct rig_answer a;
	struct rig_query q;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, both);
	CU_ASSERT_EQUAL(empty->ports.port_count, 0);
	rig_source_publish(r, 0, empty);
	rig_start(r);
	ask_many(r, 0, 20);
	for (unsigned i = 0; i < 20; i++) {
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
		CU_ASSERT_EQUAL(q.server_idx, RIG_SERVER_V6_LINK);
		rig_answer_query(r, &q, &plain);
	}
	answered_noerror(r, 20);
	/* What is under way when the last port goes ends. */
	CU_ASSERT_EQUAL(rig_ask(r, &question), COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	rig_forget(r);
	rig_source_publish_all(r, empty);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	CU_ASSERT_TRUE_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_MOVED), 1);
	/* And ports that come back are drawn from at once. */
	rig_source_publish_all(r, full);
	ask_many(r, 20, 1);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	CU_ASSERT_EQUAL(q.server_idx, RIG_SERVER_V4_LINK);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

/* Of two addresses of the family the one that has ports left gets all queries, and half of them when both have. */
static void engine_sources__of_two_addresses_the_one_with_ports_is_taken(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct frame_interface *interface = &r->config.interfaces[0];
	struct source_set *full = rig_source_new(r, LOW_FIRST, LOW_LAST);
	unsigned from_second = 0;
	struct rig_query q;

	interface->addresses[interface->address_count++] =
		(struct prefix){rig_address("198.18.0.54"), RIG_V4_LINK_BITS};
	r->config.outgoing[2] = (struct engine_outgoing){rig_address("198.18.0.54"), 128, 0, false,
							 &r->source_now[2]};
	r->config.outgoing_count = 3;
	rig_source_publish(r, 0, rig_source_new(r, 0, 0));
	rig_start(r);
	ask_many(r, 0, QUESTIONS);
	while (rig_query_next(r, &q)) {
		from_second += address_equal(&q.local.address, &r->config.outgoing[2].address);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	}
	CU_ASSERT_EQUAL(from_second, QUESTIONS);
	rig_source_publish(r, 0, full);
	ask_many(r, QUESTIONS, QUESTIONS);
	while (rig_query_next(r, &q)) {
		from_second += address_equal(&q.local.address, &r->config.outgoing[2].address);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	}
	CU_ASSERT(from_second > QUESTIONS + QUESTIONS / 4 &&
		  from_second < QUESTIONS + 3 * QUESTIONS / 4);
	rig_finish(r);
}

/* ---- a device that the kernel shares ---- */

static void learn_all(struct rig *r)
{
	for (uint16_t i = 0; i < r->config.neighbour_count; i++)
		neighbour_tell(&r->neighbours, i, NEIGHBOUR_KNOWN, &r->hosts[RIG_HOST_V4].mac);
}

static void engine_sources__leave_to_the_kernel_what_is_its(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct endpoint stranger = {rig_address("198.18.0.10"), 123};
	struct endpoint other = {rig_address("198.18.0.53"), 123};
	struct rig_query q;
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length;
	struct rig_host *gateway = &r->hosts[RIG_HOST_GATEWAY_V4];

	r->config.interfaces[0].kernel = FRAME_KERNEL_SHARES;
	rig_source_publish_all(r, rig_source_new(r, LOW_FIRST, LOW_LAST));
	rig_start(r);
	learn_all(r);
	length = rig_solicit_build(r, RIG_HOST_GATEWAY_V4, NULL, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_LEFT_TO_KERNEL);
	length = rig_solicit_build(r, RIG_HOST_GATEWAY_V6, NULL, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_LEFT_TO_KERNEL);
	length = rig_advertise_build(r, RIG_HOST_GATEWAY_V4, &gateway->mac, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_LEFT_TO_KERNEL);
	for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++) {
		length = rig_echo_build(r, family, 56, frame);
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_LEFT_TO_KERNEL);
	}
	CU_ASSERT_EQUAL(rig_send_udp(r, 0, &stranger, &other,
				     (struct span){(const uint8_t *)"0123456789abcdef", 16}),
			COUNTER_LEFT_TO_KERNEL);
	CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
	CU_ASSERT_EQUAL(r->link_answers, 0);
	/* All that is DNS and ours is ours as ever, and nothing else is. */
	ask_many(r, 0, 1);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	q.local.port ^= 0x8000;
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_LEFT_TO_KERNEL);
	q.local.port ^= 0x8000;
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	answered_noerror(r, 1);
	CU_ASSERT_EQUAL(r->solicits_broadcast + r->solicits_unicast, 0);
	rig_finish(r);
}

/* ---- reports ---- */

static void engine_source_meter__counts_what_was_sent(void)
{
	struct rig *r = rig_of(1, RIG_V6);
	const struct source_meter *v4, *v6;
	uint64_t ports = 0, ids = 0, port_steps = 0, id_steps = 0;
	struct rig_query q;

	rig_source_publish_all(r, rig_source_new(r, LOW_FIRST, LOW_LAST));
	rig_start(r);
	ask_many(r, 0, 8 * SOURCE_METER_STRIDE);
	v4 = engine_source_meter(r->engines[0], 0);
	v6 = engine_source_meter(r->engines[0], 1);
	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
		ports += v6->ports[i];
		ids += v6->ids[i];
		port_steps += v6->port_steps[i];
		id_steps += v6->id_steps[i];
		CU_ASSERT(v6->ports[i] == 0 || (i >= LOW_FIRST >> SOURCE_METER_BLOCK_SHIFT &&
						i <= LOW_LAST >> SOURCE_METER_BLOCK_SHIFT));
	}
	CU_ASSERT_EQUAL(v6->sent, 8 * SOURCE_METER_STRIDE);
	CU_ASSERT_EQUAL(ports, 16);
	CU_ASSERT_EQUAL(ids, 16);
	CU_ASSERT_EQUAL(port_steps, 8);
	CU_ASSERT_EQUAL(id_steps, 8);
	CU_ASSERT_EQUAL(v4->sent, 0);
	/* It is the tickets that it counts: the first and the second of each eight. */
	for (unsigned i = 0; rig_query_next(r, &q); i++) {
		if (i % SOURCE_METER_STRIDE <= 1) {
			CU_ASSERT(v6->ports[q.local.port >> SOURCE_METER_BLOCK_SHIFT] > 0);
			CU_ASSERT(v6->ids[q.parsed.id >> SOURCE_METER_BLOCK_SHIFT] > 0);
		}
		rig_answer_query(r, &q, &plain);
	}
	rig_finish(r);
}

static void engine_report_ports__counts_queries_under_way_by_block(void)
{
	struct rig *r = rig_of(2, RIG_V4);
	static uint32_t counts[ENGINE_PORT_BLOCKS], want[ENGINE_PORT_BLOCKS];
	struct rig_query q;

	memset(counts, 0, sizeof(counts));
	memset(want, 0, sizeof(want));
	rig_start(r);
	ask_many(r, 0, QUESTIONS);
	for (unsigned i = 0; rig_query_next(r, &q); i++) {
		if (i % 2 == 0)
			rig_answer_query(r, &q, &plain); /* no longer under way */
		else
			want[q.local.port / 64]++;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint32_t cursor = 0;
		unsigned calls = 0;

		while (cursor != ENGINE_REPORT_END) {
			engine_report_ports(r->engines[i], 0, counts, &cursor);
			CU_ASSERT_TRUE_FATAL(++calls <= 1024 / ENGINE_REPORT_SCAN);
		}
		CU_ASSERT_EQUAL(calls, 1024 / ENGINE_REPORT_SCAN);
		cursor = 0;
		engine_report_ports(r->engines[i], 1, counts,
				    &cursor); /* no query of that address */
	}
	CU_ASSERT_EQUAL(memcmp(counts, want, sizeof(counts)), 0);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_sources__rotate_without_losing_a_reply),
	UNIT_TEST(engine_sources__ask_again_what_left_from_a_port_that_is_given_up),
	UNIT_TEST(engine_sources__are_looked_through_in_bounded_steps),
	UNIT_TEST(engine_sources__changed_twice_are_looked_through_twice),
	UNIT_TEST(engine_sources__probes_on_what_is_given_up_are_just_cancelled),
	UNIT_TEST(engine_sources__a_set_in_an_old_ones_place_is_another),
	UNIT_TEST(engine_sources__an_empty_set_is_passed_over),
	UNIT_TEST(engine_sources__of_two_addresses_the_one_with_ports_is_taken),
	UNIT_TEST(engine_sources__leave_to_the_kernel_what_is_its),
	UNIT_TEST(engine_source_meter__counts_what_was_sent),
	UNIT_TEST(engine_report_ports__counts_queries_under_way_by_block),
};
UNIT_SUITE(engine_sources, tests)
