/* Several workers that share in-flight words: a question has one owner, a reply finds the one who asked. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;
static const unsigned counts[] = {2, 4};

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

static void handoff__spreads_questions_over_all_workers(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(counts); c++) {
		struct rig *r = rig_new(counts[c]);
		unsigned owned[RIG_ENGINES_MAX] = {0};
		char name[32];

		rig_start(r);
		for (unsigned i = 0; i < 200; i++)
			owned[owner_of(r, i, name)]++;
		for (unsigned i = 0; i < counts[c]; i++)
			CU_ASSERT(owned[i] > 120 / counts[c]);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_HANDED_OFF), 200 - owned[0]);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), 200 - owned[0]);
		rig_finish(r);
	}
}

/* All that an answer needs comes home, whoever owns the question. */
static void answers_the_right_client(enum rig_family family, unsigned count, unsigned receiver)
{
	struct rig *r = rig_new(count);
	char name[32];
	struct rig_question q = {.name = name,
				 .id = 0x4321,
				 .family = family,
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
	CU_ASSERT_NOT_EQUAL(query.engine, receiver);
	CU_ASSERT_EQUAL(query.parsed.flags, DNS_FLAG_RD | DNS_FLAG_CD);
	rig_answer_query(r, &query, &(struct rig_reply){.signature = true});
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(a.engine, query.engine);
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

static void handoff__has_the_owner_answer_the_right_client(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(counts); c++)
		for (unsigned receiver = 0; receiver < counts[c]; receiver++) {
			answers_the_right_client(RIG_V4, counts[c], receiver);
			answers_the_right_client(RIG_V6, counts[c], receiver);
		}
}

/* The query leaves in the packet that the question came in, though another worker had received it. */
static void handoff__sends_the_query_in_the_packet_passed(void)
{
	struct rig *r = rig_new(2);
	struct rig_query query;
	char name[32];
	struct rig_question q = {.name = name, .client = 0x7778};

	rig_start(r);
	name_owned_by(r, 1, name);
	r->passing = RIG_PASS_NEVER;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
	CU_ASSERT_EQUAL(r->last_verdict, RX_WORKER);
	CU_ASSERT_EQUAL(rig_in_rings(r), 1);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 0);
	r->passing = RIG_PASS_AT_ONCE;
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_in_rings(r), 0);
	CU_ASSERT_FATAL(rig_query_next(r, &query) && query.engine == 1);
	rig_finish(r);
}

/* A question that its packet has no room for, or that may not be written over, is dropped where it is. */
static void handoff__drops_a_question_without_room(void)
{
	struct rig *r = rig_new(2);
	char name[32];
	struct rig_question q = {.name = name, .client = 0x7778};

	rig_start(r);
	name_owned_by(r, 1, name);
	r->in_place = false;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_NO_ROOM);
	r->in_place = true;
	r->tailroom_bytes = 0;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_NO_ROOM);
	r->tailroom_bytes = 300;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
	rig_finish(r);
}

/* T-BDAY: from however many flows and workers, one query is under way. */
static void coalesces(unsigned count, enum rig_passing passing)
{
	struct rig *r = rig_new(count);
	struct rig_query query;
	bool seen[400] = {false};

	r->passing = passing;
	r->ring_delay_ns_max = passing == RIG_PASS_AT_POLLS ? 200 * NS_PER_US : 0;
	rig_start(r);
	for (unsigned i = 0; i < ARRAY_COUNT(seen); i++) {
		struct rig_question q = {.name = i % 3 == 0 ? "www.example.com" : "WWW.example.COM",
					 .id = (uint16_t)i,
					 .client = (uint16_t)i,
					 .client_port = (uint16_t)(1024 + i * 7),
					 .family = i % 5 == 0 ? RIG_V6 : RIG_V4,
					 .engine = i % count};

		rig_ask(r, &q);
		rig_advance(r, 10 * NS_PER_US);
	}
	rig_advance(r, 400 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_COALESCED), ARRAY_COUNT(seen) - 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_advance(r, NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_count(r), ARRAY_COUNT(seen));
	for (struct rig_answer a; rig_answer_next(r, &a);) {
		unsigned i = rig_u16(a.message, 0);

		CU_ASSERT_FATAL(i < ARRAY_COUNT(seen) && !seen[i]);
		seen[i] = true;
		CU_ASSERT_EQUAL(a.client.address.bytes[15], i & 0xff);
		CU_ASSERT_EQUAL(a.client.port, 1024 + i * 7);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_QUERIES), 1);
	rig_finish(r);
}

static void handoff__coalesces_over_workers(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(counts); c++) {
		coalesces(counts[c], RIG_PASS_AT_ONCE);
		coalesces(counts[c], RIG_PASS_AT_POLLS);
	}
}

/* Workers without a device own questions all the same. */
static void handoff__serves_workers_without_a_device(void)
{
	struct rig *r = rig_new(4);
	unsigned owned[RIG_ENGINES_MAX] = {0};
	char name[32];

	r->receiver_count = 1;
	r->link_anywhere = true;
	rig_start(r);
	for (unsigned i = 0; i < 200; i++)
		owned[owner_of(r, i, name)]++;
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT(owned[i] > 30);
		CU_ASSERT((rig_count_of(r, i, COUNTER_RX_PACKETS) > 0) == (i == 0));
	}
	/* A question there, and its reply. */
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), 2 * (200 - owned[0]));
	rig_finish(r);
}

/* A rig in which this worker has asked the family's server on the link. */
static struct rig *asked_by(unsigned count, enum rig_family family, unsigned owner,
			    struct rig_query *query)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(count);
	char name[32];
	struct rig_question q = {.name = name, .engine = owner, .family = family};

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
	rig_start(r);
	name_owned_by(r, owner, name);
	rig_ask(r, &q);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, query));
	CU_ASSERT_FATAL(query->engine == owner);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF), 0);
	return r;
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
		for (unsigned pair = 0; pair < 16; pair++)
			for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
				struct rig_reply reply = rows[i].reply;
				unsigned owner = pair / 4;
				struct rig_query query;
				struct rig *r;

				reply.engine = pair % 4;
				if (reply.engine == owner)
					continue;
				r = asked_by(4, (enum rig_family)family, owner, &query);
				RIG_ROW(rows[i].says,
					rig_answer_query(r, &query, &reply) == rows[i].outcome);
				RIG_ROW(rows[i].says, r->last_verdict == RX_WORKER);
				RIG_ROW(rows[i].says, rig_count_of(r, reply.engine,
								   COUNTER_PACKET_HANDED_OFF) == 1);
				RIG_ROW(rows[i].says, rig_count_of(r, owner, rows[i].outcome) >= 1);
				RIG_ROW(rows[i].says, rig_answer_count(r) == rows[i].answers);
				rig_finish(r);
			}
}

/* At whichever worker: once it matches, then it does nothing and goes nowhere. */
static void handoff__takes_one_of_many_duplicates(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned first = 0; first < 4; first++) {
			struct rig_query query;
			struct rig *r = asked_by(4, (enum rig_family)family, 2, &query);
			struct rig_reply reply = {.to_engine = true, .engine = first};
			uint64_t passed;

			CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply),
					COUNTER_UPSTREAM_RESPONSE);
			passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
			for (unsigned i = 0; i < 8; i++) {
				reply.engine = i % 4;
				CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply),
						COUNTER_UNMATCHED);
				CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
			}
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF), passed);
			CU_ASSERT_EQUAL(rig_answer_count(r), 1);
			rig_finish(r);
		}
}

static void handoff__counts_late_replies_at_any_worker(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned at = 0; at < 4; at++) {
			struct rig_query query;
			struct rig *r = asked_by(4, (enum rig_family)family, 1, &query);
			struct rig_reply reply = {.to_engine = true, .engine = at};

			rig_advance(r, 810 * NS_PER_MS);
			CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply), COUNTER_LATE_RESPONSE);
			CU_ASSERT_EQUAL(rig_count_of(r, 1, COUNTER_LATE_RESPONSE), 1);
			CU_ASSERT_EQUAL(rig_answer_count(r), 0);
			rig_advance(r, 3010 * NS_PER_MS); /* late_ms: nobody remembers it */
			CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply), COUNTER_UNMATCHED);
			rig_finish(r);
		}
}

/* A packet that was passed on goes to higher workers only, so that it ends however words come and go meanwhile. */
static void handoff__passes_a_passed_reply_upwards_only(void)
{
	struct rig_query query;
	struct rig *r = asked_by(4, RIG_V4, 1, &query);
	uint64_t passed;

	r->kind = RX_PASSED_PACKET; /* as from a worker that has just seen a word of these */
	for (unsigned at = 1; at < 4; at++) {
		struct rig_reply reply = {.to_engine = true, .engine = at, .id_xor = at == 1};

		passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
		CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply),
				at == 1 ? COUNTER_NEAR_MISS : COUNTER_UNMATCHED);
		CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF), passed);
	}
	rig_advance(r, 30 * NS_PER_MS); /* the near miss has made it ask anew */
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query,
					 &(struct rig_reply){.to_engine = true, .engine = 0}),
			COUNTER_UPSTREAM_RESPONSE);
	r->kind = RX_PACKET;
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

/* A question that has been passed on was taken: it is answered, though no new ones are. */
static void handoff__finishes_what_is_in_the_rings_when_stopping(void)
{
	struct rig *r = rig_new(2);
	char name[32];
	struct rig_question q = {.name = name, .client = 0x7778};
	struct rig_query query;
	struct rig_answer a;

	rig_start(r);
	name_owned_by(r, 1, name);
	r->passing = RIG_PASS_NEVER;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
	for (unsigned i = 0; i < 2; i++)
		engine_stop_taking(r->engines[i]);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_STOPPING);
	r->passing = RIG_PASS_AT_ONCE;
	rig_poll(r);
	CU_ASSERT(!engine_idle(r->engines[1]));
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	CU_ASSERT(rig_answer_next(r, &a) && rig_rcode(&a) == DNS_RCODE_NOERROR);
	CU_ASSERT(engine_idle(r->engines[1]));
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff__spreads_questions_over_all_workers),
	UNIT_TEST(handoff__has_the_owner_answer_the_right_client),
	UNIT_TEST(handoff__sends_the_query_in_the_packet_passed),
	UNIT_TEST(handoff__drops_a_question_without_room),
	UNIT_TEST(handoff__coalesces_over_workers),
	UNIT_TEST(handoff__serves_workers_without_a_device),
	UNIT_TEST(handoff__passes_replies_to_the_worker_that_asked),
	UNIT_TEST(handoff__takes_one_of_many_duplicates),
	UNIT_TEST(handoff__counts_late_replies_at_any_worker),
	UNIT_TEST(handoff__passes_a_passed_reply_upwards_only),
	UNIT_TEST(handoff__finishes_what_is_in_the_rings_when_stopping),
	UNIT_TEST(handoff__refuses_where_the_question_arrived),
};
UNIT_SUITE(handoff, tests)
