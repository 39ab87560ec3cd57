/* Few ports: what is aimed at a question under way with the port and ID of another query, and what only looks like it. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define PORTS_FIRST 5056
#define PORTS_LAST 5119
#define PAIRS 24
#define FORGED_BYTE 66 /* the last of the address in forged answers */

static const struct rig_reply plain;
static const unsigned engine_counts[] = {1, 2, 4};

static struct rig *rig_of(unsigned engine_count, enum rig_family family)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(engine_count);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
	rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
	return r;
}

static struct rig_query ask(struct rig *r, const char *name, uint16_t client)
{
	struct rig_question question = {
		.name = name, .client = client, .engine = client % r->engine_count};
	struct rig_query q = {.server_idx = -1};

	rig_ask(r, &question);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	return q;
}

static void ask_numbered(struct rig *r, struct rig_query queries[PAIRS], char prefix)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%c%u.example.com", prefix, i);
		queries[i] = ask(r, name, (uint16_t)i);
	}
}

/* All is answered, and nobody has a forged answer. */
static void answered_truly(struct rig *r, unsigned count)
{
	struct rig_query q;
	struct rig_answer a;

	rig_advance(r, 2 * NEAR_MISS_HOLD_OFF_MS * NS_PER_MS);
	while (rig_query_next(r, &q))
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), count);
	while (rig_answer_next(r, &a))
		CU_ASSERT(rig_rcode(&a) == DNS_RCODE_NOERROR &&
			  a.message[a.length_bytes - 1] != FORGED_BYTE);
}

/* ---- forged with another query's port and ID ---- */

/* The owners of the two are any pair, and whichever worker receives the forgery. late: the other has timed out. */
static void with_the_id_of_another(unsigned engine_count, enum rig_family family, bool late)
{
	struct rig *r = rig_of(engine_count, family);
	struct rig_query others[PAIRS], aims[PAIRS], again;

	rig_start(r);
	ask_numbered(r, others, 'o');
	if (late) { /* asked again, and answered */
		rig_advance(r, 900 * NS_PER_MS);
		for (unsigned i = 0; i < PAIRS; i++) {
			CU_ASSERT_TRUE_FATAL(rig_query_next(r, &again));
			CU_ASSERT_EQUAL(rig_answer_query(r, &again, &plain),
					COUNTER_UPSTREAM_RESPONSE);
		}
	}
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_late, late ? PAIRS : 0);
	ask_numbered(r, aims, 'a');
	for (unsigned i = 0; i < PAIRS; i++) {
		struct rig_reply reply = {.to_engine = true,
					  .engine = i / 2 % engine_count,
					  .last_byte = FORGED_BYTE};
		struct rig_query forged = aims[i];

		forged.local = others[i].local;
		forged.parsed.id = others[i].parsed.id;
		CU_ASSERT_EQUAL(rig_answer_query(r, &forged, &reply), COUNTER_NEAR_MISS);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), i + 1);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), i + 1);
		/* It is burnt: its true reply is late, and the other's is none the worse. */
		reply.last_byte = 1;
		CU_ASSERT_EQUAL(rig_answer_query(r, &aims[i], &reply), COUNTER_LATE_RESPONSE);
		CU_ASSERT_EQUAL(rig_answer_query(r, &others[i], &reply),
				late ? COUNTER_LATE_RESPONSE : COUNTER_UPSTREAM_RESPONSE);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), PAIRS);
	answered_truly(r, 2 * PAIRS);
	rig_finish(r);
}

static void engine_aim__with_the_id_of_another_live_query_is_noticed(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++)
		for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++)
			with_the_id_of_another(engine_counts[i], family, false);
}

static void engine_aim__with_the_id_of_a_late_query_is_noticed(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++)
		for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++)
			with_the_id_of_another(engine_counts[i], family, true);
}

/* With another's ID and a question that nobody asks it is nobody's. */
static void engine_aim__at_no_question_burns_nothing(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(engine_counts); c++) {
		struct rig *r = rig_of(engine_counts[c], RIG_V4);
		struct rig_query q;

		rig_start(r);
		q = ask(r, "live.example.com", 0);
		for (unsigned engine = 0; engine < engine_counts[c]; engine++)
			CU_ASSERT_EQUAL(rig_answer_query(r, &q,
							 &(struct rig_reply){.other_qname = true,
									     .to_engine = true,
									     .engine = engine}),
					COUNTER_MISMATCH_QUESTION);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
		answered_truly(r, 1);
		rig_finish(r);
	}
}

/* ---- true replies ---- */

/* One question with and without CD: the true reply to one does not aim at the other, whoever owns them. */
static void engine_aim__true_replies_do_not(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(engine_counts); c++) {
		struct rig *r = rig_of(engine_counts[c], RIG_V6);
		struct rig_query queries[2 * PAIRS];

		rig_start(r);
		for (unsigned i = 0; i < 2 * PAIRS; i++) {
			char name[32];
			struct rig_question question = {.name = name,
							.client = (uint16_t)i,
							.flags_on = i % 2 == 0 ? 0 : DNS_FLAG_CD};

			snprintf(name, sizeof(name), "n%u.example.com", i / 2);
			rig_ask(r, &question);
			rig_poll(r);
			CU_ASSERT_TRUE_FATAL(rig_query_next(r, &queries[i]));
		}
		for (unsigned i = 0; i < 2 * PAIRS; i++) {
			struct rig_reply reply = {.to_engine = true,
						  .engine = i / 3 % engine_counts[c]};

			CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i * 5 % (2 * PAIRS)], &reply),
					COUNTER_UPSTREAM_RESPONSE);
		}
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
		answered_truly(r, 2 * PAIRS);
		rig_finish(r);
	}
}

/* A reply that comes twice, when its question is asked again already: it is late. Another ID, or port, is a guess. */
static void engine_aim__duplicates_do_not(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(engine_counts); c++) {
		struct rig *r = rig_of(engine_counts[c], RIG_V4);

		rig_start(r);
		for (unsigned i = 0; i < PAIRS; i++) {
			struct rig_reply reply = {.to_engine = true,
						  .engine = i % engine_counts[c]};
			char name[32];
			struct rig_query first, second;

			snprintf(name, sizeof(name), "n%u.example.com", i);
			first = ask(r, name, (uint16_t)(2 * i));
			CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain),
					COUNTER_UPSTREAM_RESPONSE);
			second = ask(r, name, (uint16_t)(2 * i + 1));
			CU_ASSERT_EQUAL(rig_answer_query(r, &first, &reply), COUNTER_LATE_RESPONSE);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), i);
			if (i % 2 == 0)
				reply.id_xor = 0x10;
			else
				reply.local_port_xor = 2;
			CU_ASSERT_EQUAL(rig_answer_query(r, &first, &reply), COUNTER_NEAR_MISS);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), i + 1);
			CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain),
					COUNTER_LATE_RESPONSE);
		}
		answered_truly(r, 2 * PAIRS);
		rig_finish(r);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_aim__with_the_id_of_another_live_query_is_noticed),
	UNIT_TEST(engine_aim__with_the_id_of_a_late_query_is_noticed),
	UNIT_TEST(engine_aim__at_no_question_burns_nothing),
	UNIT_TEST(engine_aim__true_replies_do_not),
	UNIT_TEST(engine_aim__duplicates_do_not),
};
UNIT_SUITE(engine_aim, tests)
