/* Two workers that share in-flight words: a question has one owner, a reply finds the one who asked. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;

/* A name, numbered, and who owns the question. */
static unsigned owner_of(struct rig *r, unsigned number, char name[32])
{
	struct rig_question q = {.name = name, .client = 0x7777};
	struct rig_query query = {.engine = 99};
	struct rig_answer a;

	snprintf(name, 32, "n%u.Example.com", number);
	rig_ask(r, &q);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	return query.engine;
}

/* A name that this worker owns. */
static void name_owned_by(struct rig *r, unsigned owner, char name[32])
{
	for (unsigned i = 0; i < 100; i++)
		if (owner_of(r, i, name) == owner)
			return;
	CU_FAIL_FATAL("one worker owns everything");
}

static void handoff__spreads_questions_over_both_workers(void)
{
	struct rig *r = rig_new(2);
	unsigned owned[2] = {0, 0};
	char name[32];

	rig_start(r);
	for (unsigned i = 0; i < 200; i++)
		owned[owner_of(r, i, name)]++;
	CU_ASSERT(owned[0] > 60 && owned[1] > 60);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_HANDED_OFF), owned[1]);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), owned[1]);
	rig_finish(r);
}

static void handoff__has_the_owner_answer_the_right_client(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned receiver = 0; receiver < 2; receiver++) {
			struct rig *r = rig_new(2);
			unsigned owner = 1 - receiver;
			char name[32];
			struct rig_question q = {.name = name,
						 .id = 0x4321,
						 .family = (enum rig_family)family,
						 .client = 0x0815,
						 .client_port = 6000,
						 .engine = receiver,
						 .edns = true,
						 .dnssec_ok = true,
						 .flags_on = DNS_FLAG_CD,
						 .options = (const uint8_t *)"\0\12\0\01012345678",
						 .options_length_bytes = 12};
			struct endpoint client = rig_client(q.family, q.client, q.client_port);
			struct mac mac = rig_mac(0x15);
			struct rig_query query;
			struct rig_answer a;
			struct msg_edns edns;
			struct span cookie;
			unsigned tries = 0;

			rig_start(r);
			do { /* CD is part of what decides */
				snprintf(name, sizeof(name), "x%u.eXample.com", tries++);
				CU_ASSERT_FATAL(tries < 100);
				rig_forget(r);
			} while (rig_ask(r, &q) != COUNTER_QUESTION_HANDED_OFF);
			rig_poll(r);
			CU_ASSERT_FATAL(rig_query_next(r, &query));
			CU_ASSERT_EQUAL(query.engine, owner);
			CU_ASSERT_EQUAL(query.parsed.flags, DNS_FLAG_RD | DNS_FLAG_CD);
			rig_answer_query(r, &query, &(struct rig_reply){.signature = true});
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			CU_ASSERT_EQUAL(a.engine, owner);
			CU_ASSERT(endpoint_equal(&a.client, &client));
			CU_ASSERT(mac_equal(&a.mac, &mac));
			CU_ASSERT(endpoint_equal(&a.local, &r->config.listen[family].endpoint));
			CU_ASSERT(rig_question_is(&a, &q));
			CU_ASSERT((rig_flags(&a) & DNS_FLAG_CD) != 0);
			CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_RRSIG), 1);
			CU_ASSERT(rig_opt(&a, &edns, NULL) && edns.dnssec_ok);
			CU_ASSERT(rig_option(&a, DNS_OPTION_COOKIE, &cookie));
			CU_ASSERT_EQUAL(cookie_check(&r->params.cookie_key, cookie, &client.address,
						     r->params.wall_s),
					COOKIE_VALID);
			rig_finish(r);
		}
}

/* T-BDAY: from however many flows and workers, one query is under way. */
static void handoff__coalesces_over_workers(void)
{
	struct rig *r = rig_new(2);
	struct rig_query query;
	bool seen[400] = {false};

	rig_start(r);
	for (unsigned i = 0; i < ARRAY_COUNT(seen); i++) {
		struct rig_question q = {.name = i % 3 == 0 ? "www.example.com" : "WWW.example.COM",
					 .id = (uint16_t)i,
					 .client = (uint16_t)i,
					 .family = i % 5 == 0 ? RIG_V6 : RIG_V4,
					 .engine = i % 2};

		rig_ask(r, &q);
	}
	rig_advance(r, 400 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_COALESCED), ARRAY_COUNT(seen) - 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), ARRAY_COUNT(seen));
	for (struct rig_answer a; rig_answer_next(r, &a);) {
		unsigned i = rig_u16(a.message, 0);

		CU_ASSERT_FATAL(i < ARRAY_COUNT(seen) && !seen[i]);
		seen[i] = true;
		CU_ASSERT_EQUAL(a.client.address.bytes[15], i & 0xff);
	}
	rig_finish(r);
}

static void handoff__passes_replies_to_the_worker_that_asked(void)
{
	static const struct {
		const char *says;
		struct rig_reply reply;
		enum counter outcome;
		unsigned answers;
	} rows[] = {
		{"true answer", {.to_engine = true}, COUNTER_UPSTREAM_RESPONSE, 1},
		{"near miss", {.to_engine = true, .id_xor = 1}, COUNTER_NEAR_MISS, 0},
		{"other question",
		 {.to_engine = true, .other_qname = true},
		 COUNTER_MISMATCH_QUESTION,
		 0},
		{"unparsable",
		 {.to_engine = true, .trailing_bytes = 1},
		 COUNTER_RESPONSE_UNPARSABLE,
		 0},
	};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned owner = 0; owner < 2; owner++)
			for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
				static const int v4[] = {RIG_SERVER_V4_LINK, -1};
				static const int v6[] = {RIG_SERVER_V6_LINK, -1};
				struct rig *r = rig_new(2);
				char name[32];
				struct rig_question q = {.name = name};
				struct rig_reply reply = rows[i].reply;
				struct rig_query query;

				rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER,
					 family == RIG_V4 ? v4 : v6);
				rig_start(r);
				name_owned_by(r, owner, name);
				rig_ask(r, &q);
				rig_poll(r);
				CU_ASSERT_FATAL(rig_query_next(r, &query));
				CU_ASSERT_EQUAL(query.engine, owner);
				reply.engine = 1 - owner;
				RIG_ROW(rows[i].says,
					rig_answer_query(r, &query, &reply) == rows[i].outcome);
				RIG_ROW(rows[i].says, r->last_verdict == RX_WORKER);
				RIG_ROW(rows[i].says, rig_count(r, COUNTER_REPLY_HANDED_OFF) == 1);
				RIG_ROW(rows[i].says, rig_answer_count(r) == rows[i].answers);
				rig_finish(r);
			}
}

static void handoff__counts_late_replies_at_either_worker(void)
{
	struct rig *r = rig_new(2);
	char name[32];
	struct rig_question q = {.name = name};
	struct rig_query query;

	rig_start(r);
	name_owned_by(r, 1, name);
	rig_ask(r, &q);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_advance(r, 810 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query,
					 &(struct rig_reply){.to_engine = true, .engine = 0}),
			COUNTER_LATE_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_finish(r);
}

/* A packet that was passed on and whose query has ended meanwhile goes no further. */
static void handoff__passes_a_reply_once(void)
{
	struct rig *r = rig_new(2);
	char name[32];
	struct rig_question q = {.name = name};
	struct rig_query query;

	rig_start(r);
	name_owned_by(r, 1, name);
	rig_ask(r, &q);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	r->from_worker = true; /* worker 0 gets it from a worker that took 0 for the owner */
	CU_ASSERT_EQUAL(rig_answer_query(r, &query,
					 &(struct rig_reply){.to_engine = true, .engine = 0}),
			COUNTER_UNMATCHED);
	CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
	r->from_worker = false;
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	r->from_worker = true;
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UNMATCHED);
	r->from_worker = false;
	rig_finish(r);
}

static void handoff__drops_questions_when_the_outbox_is_full(void)
{
	struct rig *r = rig_new(2);
	unsigned handed_off = 0;
	unsigned dropped = 0;

	rig_start(r);
	r->handoffs_run = false;
	r->params.waiter_count_max = 1024;
	for (unsigned i = 0; i < 1000; i++) {
		char name[32];
		struct rig_question q = {.name = name};
		enum counter outcome;

		snprintf(name, sizeof(name), "m%u.example.com", i % 250);
		q.client = (uint16_t)i;
		outcome = rig_ask(r, &q);
		handed_off += outcome == COUNTER_QUESTION_HANDED_OFF;
		dropped += outcome == COUNTER_DROP_HANDOFF_FULL;
	}
	CU_ASSERT(handed_off >= 64 && dropped > 0);
	CU_ASSERT(!engine_idle(r->engines[0]));
	rig_forget(r);
	r->handoffs_run = true;
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), handed_off);
	rig_finish(r);
}

/* Policy is the receiver's: refusals and errors cross no worker. */
static void handoff__refuses_where_the_question_arrived(void)
{
	struct rig *r = rig_new(2);

	rig_start(r);
	for (unsigned i = 0; i < 40; i++) {
		char name[32];
		struct rig_question q = {.name = name, .qtype = DNS_TYPE_AXFR, .engine = i % 2};
		struct rig_answer a;

		snprintf(name, sizeof(name), "n%u.example.com", i);
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_REPLIED);
		CU_ASSERT(rig_answer_next(r, &a) && a.engine == i % 2);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), 0);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff__spreads_questions_over_both_workers),
	UNIT_TEST(handoff__has_the_owner_answer_the_right_client),
	UNIT_TEST(handoff__coalesces_over_workers),
	UNIT_TEST(handoff__passes_replies_to_the_worker_that_asked),
	UNIT_TEST(handoff__counts_late_replies_at_either_worker),
	UNIT_TEST(handoff__passes_a_reply_once),
	UNIT_TEST(handoff__drops_questions_when_the_outbox_is_full),
	UNIT_TEST(handoff__refuses_where_the_question_arrived),
};
UNIT_SUITE(handoff, tests)
