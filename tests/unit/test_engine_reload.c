/* Snapshots that replace each other with questions under way: what is taken out, added and moved about, and what becomes of
 * what was asked before; every client that was taken has exactly one answer (rig_finish counts). At random: see
 * test_engine_reload_soak.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_state.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "reloads.h"
#include "unit.h"

#define LINK_V4 "198.18.0.10"
#define FAR_V4 "203.0.113.11"
#define OTHER_V4 "203.0.113.12"
#define THIRD_V4 "203.0.113.13"

static const char *const only_far[] = {FAR_V4, NULL};
static const char *const only_other[] = {OTHER_V4, NULL};

static void ask(struct reloads *s, const char *name, struct rig_query *query)
{
	struct rig_question q = {.name = name};

	(void)rig_ask(s->r, &q);
	CU_ASSERT_FATAL(rig_query_next(s->r, query));
}

static bool is_to(const struct rig_query *q, const char *address)
{
	struct address want = rig_address(address);

	return address_equal(&q->server.address, &want);
}

static void expect_answer(struct reloads *s, uint16_t rcode)
{
	struct rig_answer a;

	CU_ASSERT_FATAL(rig_answer_next(s->r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), rcode);
	CU_ASSERT_EQUAL(rig_answer_count(s->r), 0);
}

static const struct rig_reply plain;

/* ---- zones and servers ---- */

/* Its client has it; the next one is told by those who have the name now. */
static void engine_reload__takes_the_reply_of_a_zone_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q;

	reloads_start(&s, 1, CACHE_BYTES_MIN);
	ask(&s, "www.example.org", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UPSTREAM_RESPONSE), 1);
	ask(&s, "www.example.org", &q);
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

/* The same where its names were those of a zone that stays; what it asks again, it asks the new one. */
static void engine_reload__keeps_no_reply_of_the_zone_above_a_new_one(void)
{
	static const char *const link_only[] = {LINK_V4, NULL};
	static struct reloads s;
	struct rig_query q, late;

	reloads_start(&s, 1, CACHE_BYTES_MIN);
	ask(&s, "www.example.net", &q);
	ask(&s, "late.example.net", &late);
	CU_ASSERT(is_to(&q, LINK_V4) && is_to(&late, LINK_V4));
	reloads_begin(&s);
	reloads_zone(&s, ".", link_only);
	reloads_zone(&s, "example.org", only_far);
	reloads_zone(&s, "example.net", only_other);
	reloads_do(&s);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	ask(&s, "www.example.net", &q);
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	/* That one is kept. */
	(void)rig_ask(s.r, &(struct rig_question){.name = "late.example.net"});
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

static void engine_reload__goes_on_with_the_zone_that_has_the_name_now(void)
{
	static struct reloads s;
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

static void engine_reload__fails_what_no_zone_has_any_more(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, LINK_V4));
	reloads_begin(&s);
	reloads_zone(&s, "example.org", only_far);
	reloads_do(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_EQUAL(rig_query_count(s.r), 0);
	expect_answer(&s, DNS_RCODE_SERVFAIL);
	/* Who asks now is told that nobody is to be asked. */
	(void)rig_ask(s.r, &question);
	expect_answer(&s, DNS_RCODE_REFUSED);
	reloads_finish(&s);
}

static void engine_reload__counts_late_replies_of_a_server_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query first, second;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &first);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &second));
	CU_ASSERT_EQUAL(rig_answer_query(s.r, &first, &plain), COUNTER_LATE_RESPONSE);
	(void)rig_answer_query(s.r, &second, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UNMATCHED), 0);
	reloads_finish(&s);
}

/* What was tried is known by its position in the list: after the list has changed nobody is taken for another. */
static void engine_reload__follows_servers_that_change_places(void)
{
	static const char *const before[] = {FAR_V4, OTHER_V4, THIRD_V4, NULL};
	static const char *const after[] = {THIRD_V4, FAR_V4, NULL};
	static struct reloads s;
	struct rig_query q;

	reloads_start(&s, 1, 0);
	reloads_begin(&s);
	reloads_zone(&s, ".", before);
	reloads_do(&s);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	reloads_begin(&s);
	reloads_zone(&s, ".", after);
	reloads_do(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	/* FAR has not answered: it is the other's turn, although FAR has the place of the second now. */
	CU_ASSERT(is_to(&q, THIRD_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

/* Begun with one zone, coalesced while nothing changes for it. */
static void engine_reload__coalesces_over_a_reload_that_is_not_the_zones(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.org", .client = 2};
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	reloads_begin(&s);
	reloads_zone(&s, "example.org", only_far);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	CU_ASSERT_EQUAL(rig_ask(s.r, &question), COUNTER_COALESCED);
	CU_ASSERT_EQUAL(rig_query_count(s.r), 0);
	(void)rig_answer_query(s.r, &q, &plain);
	rig_poll(s.r);
	CU_ASSERT_EQUAL(rig_answer_count(s.r), 2);
	rig_forget(s.r);
	reloads_finish(&s);
}

static uint16_t index_of(const struct reloads *s, const char *address)
{
	struct endpoint endpoint = reloads_server(address);
	uint16_t i = 0;

	while (i < reloads_running(s)->server_count &&
	       !endpoint_equal(&reloads_running(s)->server_endpoints[i], &endpoint))
		i++;
	return i;
}

static void engine_reload__knows_a_server_that_comes_back(void)
{
	static struct reloads s;
	const struct server *far_server;
	struct rig_query q;
	uint16_t idx;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	rig_advance(s.r, 20 * NS_PER_MS);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	idx = index_of(&s, FAR_V4);
	far_server = &s.r->engines[0]->servers.servers[idx];
	CU_ASSERT(far_server->srtt_us >= 20000 && far_server->responses == 1);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	CU_ASSERT(reloads_running(&s)->server_retired[idx]);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	reloads_do(&s);
	CU_ASSERT_EQUAL(index_of(&s, FAR_V4), idx);
	CU_ASSERT(!reloads_running(&s)->server_retired[idx]);
	CU_ASSERT(far_server->srtt_us >= 20000 && far_server->responses == 1);
	reloads_finish(&s);
}

static void engine_reload__is_a_stranger_to_who_has_the_place_of_another(void)
{
	static struct reloads s;
	const struct server *in_place;
	struct rig_query q;
	uint16_t idx;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	idx = index_of(&s, FAR_V4);
	in_place = &s.r->engines[0]->servers.servers[idx];
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	/* Too early: he gets another place. */
	reloads_begin(&s);
	reloads_zone(&s, ".", (const char *const[]){OTHER_V4, THIRD_V4, NULL});
	reloads_do(&s);
	CU_ASSERT_NOT_EQUAL(index_of(&s, THIRD_V4), idx);
	rig_advance(s.r, RELOADS_GRACE_NS);
	reloads_begin(&s);
	reloads_zone(&s, ".",
		     (const char *const[]){"203.0.113.14", "203.0.113.15", "203.0.113.16",
					   "203.0.113.17", "203.0.113.18", NULL});
	reloads_do(&s);
	CU_ASSERT_EQUAL(index_of(&s, FAR_V4), reloads_running(&s)->server_count);
	CU_ASSERT(!reloads_running(&s)->server_retired[idx]);
	CU_ASSERT(in_place->responses == 0 && in_place->srtt_us == 0 && in_place->queries == 0);
	CU_ASSERT_EQUAL(engine_server_latency(s.r->engines[0], idx)->counts[0], 0);
	reloads_finish(&s);
}

static void engine_reload__probes_no_server_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q;
	uint64_t probes;

	reloads_start(&s, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		ask(&s, i == 0 ? "a.example.org" : "b.example.org", &q);
		rig_advance(s.r, 3 * NS_PER_S);
	}
	rig_forget(s.r);
	rig_advance(s.r, 1500 * NS_PER_MS);
	probes = rig_count(s.r, COUNTER_PROBES);
	CU_ASSERT(probes > 0);
	CU_ASSERT_EQUAL(rig_gauges(s.r).probes_out, 1);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_other);
	reloads_do(&s);
	rig_advance(s.r, 100 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_gauges(s.r).probes_out, 0);
	rig_advance(s.r, 10 * NS_PER_S);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_PROBES), probes);
	/* Back again, it is as down as it was, and probed. */
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	reloads_do(&s);
	rig_advance(s.r, 2 * NS_PER_S);
	CU_ASSERT(rig_count(s.r, COUNTER_PROBES) > probes);
	reloads_finish(&s);
}

/* ---- addresses ---- */

static void engine_reload__asks_again_from_an_address_that_stays(void)
{
	static struct reloads s;
	struct address second = rig_address("198.18.0.54"), first;
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	first = q.local.address;
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	s.next->interfaces[0].addresses[s.next->interfaces[0].address_count++] =
		(struct prefix){second, RIG_V4_LINK_BITS};
	s.next->outgoing[0].retired = true;
	s.next->outgoing[s.next->outgoing_count++] =
		(struct engine_outgoing){second, ADDRESS_BITS, 0, false, &s.r->source_now[2]};
	reloads_do(&s);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UPSTREAM_MOVED), 1);
	/* A reply to the old one is nobody's. */
	CU_ASSERT_EQUAL(rig_answer_query(s.r, &q, &plain), COUNTER_DROP_UDP_PORT);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	CU_ASSERT(address_equal(&q.local.address, &second) && !address_equal(&first, &second));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

/* What is asked again stands in a queue; a new question's query leaves with its burst. */
static void engine_reload__asks_from_the_last_place_that_an_address_may_have(void)
{
	static struct reloads s;
	struct address second = rig_address("198.18.0.54");
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	s.next->interfaces[0].addresses[s.next->interfaces[0].address_count++] =
		(struct prefix){second, RIG_V4_LINK_BITS};
	s.next->outgoing[0].retired = true;
	for (unsigned i = s.next->outgoing_count; i < OUTGOING_SLOTS_MAX; i++) {
		s.next->outgoing[i] = s.next->outgoing[0];
		s.next->outgoing[i].source = &s.r->source_now[i];
	}
	s.next->outgoing_count = OUTGOING_SLOTS_MAX;
	s.next->outgoing[OUTGOING_SLOTS_MAX - 1].address = second;
	s.next->outgoing[OUTGOING_SLOTS_MAX - 1].retired = false;
	reloads_do(&s);
	for (unsigned i = 0; i < 2; i++) {
		if (i == 1)
			ask(&s, "mail.example.org", &q);
		else
			CU_ASSERT_FATAL(rig_query_next(s.r, &q));
		CU_ASSERT(address_equal(&q.local.address, &second));
		(void)rig_answer_query(s.r, &q, &plain);
		expect_answer(&s, DNS_RCODE_NOERROR);
	}
	reloads_finish(&s);
}

static void engine_reload__answers_from_where_it_was_asked(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct endpoint other = {rig_address("198.18.0.53"), 5300}, before;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	struct endpoint client = rig_client(RIG_V4, 0, 40000);
	struct rig_query q;
	struct rig_answer a;
	size_t length;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	before = reloads_running(&s)->listen[0].endpoint;
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	s.next->listen[0].endpoint = other;
	reloads_do(&s);
	(void)rig_answer_query(s.r, &q, &plain);
	CU_ASSERT_FATAL(rig_answer_next(s.r, &a));
	CU_ASSERT(endpoint_equal(&a.local, &before));
	/* From now on questions are taken there, and not here. */
	CU_ASSERT_EQUAL(rig_ask(s.r, &question), COUNTER_DROP_UDP_PORT);
	length = rig_question_build(&question, message);
	CU_ASSERT_EQUAL(rig_send_udp(s.r, 0, &client, &other, (struct span){message, length}),
			COUNTER_QUESTION_NEW);
	rig_forget(s.r);
	/* The rig tells answers from queries by what it knows of. */
	s.r->config.listen[s.r->config.listen_count++].endpoint = other;
	reloads_finish(&s);
}

static void engine_reload__refuses_who_may_not_ask_any_more(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct rig_query q;

	reloads_start(&s, 1, 0);
	ask(&s, "www.example.org", &q);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	s.next->allow_count = 1;
	s.next->allow[0] = (struct prefix){rig_address("192.0.2.0"), 120};
	reloads_do(&s);
	/* Who was taken has his answer. */
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	(void)rig_ask(s.r, &question);
	expect_answer(&s, DNS_RCODE_REFUSED);
	reloads_finish(&s);
}

static void engine_reload__asks_for_a_new_gateway(void)
{
	static struct reloads s;
	struct rig_query q;

	reloads_start(&s, 1, 0);
	reloads_begin(&s);
	reloads_zone(&s, ".", only_far);
	/* The host on the link becomes the gateway. */
	s.next->gateways[0].address = rig_address(LINK_V4);
	reloads_do(&s);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	CU_ASSERT(mac_equal(&q.mac, &s.r->hosts[RIG_HOST_V4].mac));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	reloads_finish(&s);
}

/* ---- between workers ---- */

/* A question that is on its way to its owner when the zone goes: he answers it all the same. */
static void engine_reload__answers_passed_questions_of_a_zone_that_is_gone(void)
{
	static struct reloads s;
	unsigned passed = 0, answers = 0;
	struct engine_config *last;
	char name[] = "a.example.com";
	struct rig_answer a;

	reloads_start(&s, 2, 0);
	s.r->passing = RIG_PASS_NEVER;
	for (; name[0] <= 'z'; name[0]++) {
		struct rig_question q = {.name = name, .engine = 0};

		passed += rig_ask(s.r, &q) == COUNTER_QUESTION_HANDED_OFF;
	}
	CU_ASSERT(passed > 3 && passed < 23);
	reloads_begin(&s);
	reloads_zone(&s, "example.org", only_far);
	last = reloads_publish(&s);
	s.r->passing = RIG_PASS_AT_POLLS;
	reloads_settle(&s, last);
	rig_advance(s.r, 2 * NS_PER_S);
	while (rig_answer_next(s.r, &a)) {
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
		answers++;
	}
	CU_ASSERT_EQUAL(answers, 26);
	rig_forget(s.r);
	reloads_finish(&s);
}

/* Passed by a worker that has the next snapshot already to one that has not. */
static void engine_reload__takes_passed_questions_of_a_zone_that_it_does_not_know_yet(void)
{
	static struct reloads s;
	struct engine_config *last;
	unsigned passed = 0, answers = 0;
	char name[] = "a.new.example";
	struct rig_query q;
	struct rig_answer a;

	reloads_start(&s, 2, 0);
	reloads_begin(&s);
	reloads_zone(&s, "new.example", only_other);
	reloads_zone(&s, ".", only_far);
	last = reloads_publish(&s);
	/* Worker 1 sleeps. */
	rig_stop_engine(s.r, 1);
	s.r->passing = RIG_PASS_AT_POLLS;
	for (; name[0] <= 'z'; name[0]++) {
		struct rig_question question = {.name = name, .engine = 0};

		passed += rig_ask(s.r, &question) == COUNTER_QUESTION_HANDED_OFF;
	}
	CU_ASSERT(passed > 3);
	/* It wakes up in a burst, with what has been passed before it looks at the snapshot; whichever it then goes by. */
	rig_go_engine(s.r, 1);
	reloads_settle(&s, last);
	rig_advance(s.r, 10 * NS_PER_MS);
	while (rig_query_next(s.r, &q))
		(void)rig_answer_query(s.r, &q, &plain);
	rig_advance(s.r, 10 * NS_PER_MS);
	while (rig_answer_next(s.r, &a)) {
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
		answers++;
	}
	CU_ASSERT_EQUAL(answers, 26);
	reloads_finish(&s);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_reload__takes_the_reply_of_a_zone_that_is_gone),
	UNIT_TEST(engine_reload__keeps_no_reply_of_the_zone_above_a_new_one),
	UNIT_TEST(engine_reload__goes_on_with_the_zone_that_has_the_name_now),
	UNIT_TEST(engine_reload__fails_what_no_zone_has_any_more),
	UNIT_TEST(engine_reload__counts_late_replies_of_a_server_that_is_gone),
	UNIT_TEST(engine_reload__follows_servers_that_change_places),
	UNIT_TEST(engine_reload__coalesces_over_a_reload_that_is_not_the_zones),
	UNIT_TEST(engine_reload__knows_a_server_that_comes_back),
	UNIT_TEST(engine_reload__is_a_stranger_to_who_has_the_place_of_another),
	UNIT_TEST(engine_reload__probes_no_server_that_is_gone),
	UNIT_TEST(engine_reload__asks_again_from_an_address_that_stays),
	UNIT_TEST(engine_reload__asks_from_the_last_place_that_an_address_may_have),
	UNIT_TEST(engine_reload__answers_from_where_it_was_asked),
	UNIT_TEST(engine_reload__refuses_who_may_not_ask_any_more),
	UNIT_TEST(engine_reload__asks_for_a_new_gateway),
	UNIT_TEST(engine_reload__answers_passed_questions_of_a_zone_that_is_gone),
	UNIT_TEST(engine_reload__takes_passed_questions_of_a_zone_that_it_does_not_know_yet),
};
UNIT_SUITE(engine_reload, tests)
