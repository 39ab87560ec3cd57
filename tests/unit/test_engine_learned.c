/* Queries to learned servers, whoever decides on them: here a question's second try is turned to one. */
#include <stdio.h>

#include "core/engine_state.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;
static const struct rig_reply servfail = {.rcode = DNS_RCODE_SERVFAIL, .no_records = true};

static struct endpoint stranger(const char *address)
{
	return (struct endpoint){rig_address(address), DNS_PORT};
}

static struct rig *start(unsigned engines)
{
	struct rig *r = rig_new(engines);

	r->asks_strangers = true;
	return r;
}

/* The question that was just answered with SERVFAIL goes on with this server; its index, held. */
static uint16_t turn(struct rig *r, unsigned engine, const struct endpoint *peer)
{
	struct engine *e = r->engines[engine];
	uint16_t idx = server_learn(&e->servers, peer, r->now);

	CU_ASSERT_NOT_EQUAL_FATAL(idx, SERVER_NONE);
	CU_ASSERT_EQUAL_FATAL(e->send_queue.count, 1);
	server_hold(&e->servers, idx);
	e->resolutions.resolutions[e->send_queue.head].server_idx = idx;
	return idx;
}

/* Ask; the first, configured server refuses. */
static void ask_and_refuse(struct rig *r, const char *name, unsigned *engine)
{
	struct rig_question q = {.name = name, .engine = rig_owner(r, name, DNS_TYPE_A)};
	struct rig_query first;

	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &first));
	*engine = first.engine;
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &servfail), COUNTER_UPSTREAM_RESPONSE);
}

static void engine_learned__a_server_behind_the_gateway_is_asked_and_heard(void)
{
	static const struct {
		const char *says;
		const char *address;
		enum rig_host_idx gateway;
	} rows[] = {
		{"IPv4", "203.0.113.77", RIG_HOST_GATEWAY_V4},
		{"IPv6", "2001:db8::77", RIG_HOST_GATEWAY_V6},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = start(1);
		struct endpoint peer = stranger(rows[i].address);
		struct rig_reply other = {.other_server_address = true};
		struct rig_query query;
		struct rig_answer a;
		unsigned engine;
		uint16_t idx;

		rig_start(r);
		ask_and_refuse(r, "www.example.com", &engine);
		idx = turn(r, engine, &peer);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		RIG_ROW(rows[i].says, endpoint_equal(&query.server, &peer));
		RIG_ROW(rows[i].says, mac_equal(&query.mac, &r->hosts[rows[i].gateway].mac));
		/* From anywhere else it is none. */
		RIG_ROW(rows[i].says,
			rig_answer_query(r, &query, &other) != COUNTER_UPSTREAM_RESPONSE);
		RIG_ROW(rows[i].says, rig_query_count(r) == 0);
		rig_advance(r, 30 * NS_PER_MS);
		RIG_ROW(rows[i].says,
			rig_answer_query(r, &query, &plain) == COUNTER_UPSTREAM_RESPONSE);
		rig_poll(r);
		RIG_ROW(rows[i].says, rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, server_rto_ms(&r->engines[0]->servers, idx) >= 90);
		RIG_ROW(rows[i].says, r->engines[0]->learned_latency.sum_ns > 0);
		server_release(&r->engines[0]->servers, idx);
		rig_finish(r);
	}
}

static void engine_learned__a_guess_at_its_query_burns_the_ticket(void)
{
	struct rig *r = start(1);
	struct endpoint peer = stranger("203.0.113.77");
	struct rig_reply wrong_id = {.id_xor = 1};
	struct rig_query query;
	unsigned engine;
	uint16_t idx;

	rig_start(r);
	ask_and_refuse(r, "www.example.com", &engine);
	idx = turn(r, engine, &peer);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &wrong_id), COUNTER_NEAR_MISS);
	CU_ASSERT_EQUAL(server_learned_at(&r->engines[0]->servers.learned,
					  server_learned_position(idx))
				->near_misses,
			1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_LATE_RESPONSE);
	server_release(&r->engines[0]->servers, idx);
	rig_finish(r);
}

/* Nobody has configured that neighbour: whichever worker needs him, the first asks for him. */
static void engine_learned__an_on_link_server_is_found_by_any_worker(void)
{
	static const struct {
		const char *says;
		const char *address;
		enum rig_host_idx host;
	} rows[] = {
		{"IPv4", "198.18.0.77", RIG_HOST_V4},
		{"IPv6", "2001:2:0:1::77", RIG_HOST_V6},
	};

	for (unsigned engines = 1; engines <= 3; engines++)
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig *r = start(engines);
			struct endpoint peer = stranger(rows[i].address);
			struct rig_query query;
			struct rig_answer a;
			unsigned engine;
			uint16_t idx;

			rig_start(r);
			/* The name's owner is the last of the workers. */
			for (unsigned n = 0;; n++) {
				char name[32];

				snprintf(name, sizeof(name), "n%u.example.com", n);
				if (rig_owner(r, name, DNS_TYPE_A) != engines - 1)
					continue;
				ask_and_refuse(r, name, &engine);
				break;
			}
			r->hosts[rows[i].host].address.address = peer.address;
			idx = turn(r, engine, &peer);
			rig_poll(r);
			for (unsigned ms = 0; ms < 100 && rig_query_count(r) == 0; ms++)
				rig_advance(r, NS_PER_MS);
			RIG_ROW(rows[i].says, rig_query_next(r, &query));
			RIG_ROW(rows[i].says, endpoint_equal(&query.server, &peer));
			RIG_ROW(rows[i].says, mac_equal(&query.mac, &r->hosts[rows[i].host].mac));
			RIG_ROW(rows[i].says,
				rig_answer_query(r, &query, &plain) == COUNTER_UPSTREAM_RESPONSE);
			rig_poll(r);
			RIG_ROW(rows[i].says, rig_answer_next(r, &a));
			server_release(&r->engines[engine]->servers, idx);
			rig_finish(r);
		}
}

static void engine_learned__nothing_leads_to_ourselves(void)
{
	struct rig *r = start(1);
	struct engine *e;
	struct endpoint own;
	uint16_t idx;

	rig_start(r);
	e = r->engines[0];
	own = (struct endpoint){r->config.outgoing[0].address, DNS_PORT};
	idx = server_learn(&e->servers, &own, r->now);
	CU_ASSERT_EQUAL(engine_route_to(e, idx)->way_count, 0);
	idx = server_learn(&e->servers, &(struct endpoint){rig_address("203.0.113.1"), 53}, r->now);
	CU_ASSERT_EQUAL(engine_route_to(e, idx)->way_count, 1);
	rig_finish(r);
}

static void engine_learned__a_full_share_turns_queries_away_by_name(void)
{
	struct rig *r = start(1);
	struct endpoint peer = stranger("203.0.113.77");
	struct rig_query query;
	struct engine *e;
	unsigned engine, under_way = 0;
	uint16_t idx;

	rig_start(r);
	e = r->engines[0];
	ask_and_refuse(r, "www.example.com", &engine);
	idx = turn(r, engine, &peer);
	r->checks = false; /* which would miss these queries */
	for (; server_may_ask(&e->servers, idx); under_way++)
		server_on_sent(&e->servers, idx);
	rig_poll(r);
	/* The next server is asked at once. */
	CU_ASSERT_EQUAL(e->counters.value[COUNTER_SHED_SERVER_SHARE], 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT(query.server_idx >= 0);
	rig_answer_query(r, &query, &plain);
	for (; under_way > 0; under_way--)
		server_on_cancelled(&e->servers, idx, false);
	r->checks = true;
	server_release(&e->servers, idx);
	rig_finish(r);
}

static void engine_learned__rows_of_learned_servers_come_in_pages(void)
{
	struct rig *r = start(1);
	struct engine_upstream_row rows[16];
	uint32_t cursor = 0;
	unsigned seen = 0, calls = 0;

	rig_start(r);
	for (uint8_t i = 0; i < 40; i++) {
		struct endpoint peer = {address_from_v4((uint8_t[]){203, 0, 113, i}), DNS_PORT};

		(void)!server_learn(&r->engines[0]->servers, &peer, r->now);
	}
	while (cursor != ENGINE_REPORT_END && calls++ < 10)
		seen += engine_report_learned(r->engines[0], rows, ARRAY_COUNT(rows), &cursor);
	CU_ASSERT_EQUAL(seen, 40);
	CU_ASSERT_EQUAL(calls, 3);
	CU_ASSERT_STRING_EQUAL(rows[0].state, "up");
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_learned__a_server_behind_the_gateway_is_asked_and_heard),
	UNIT_TEST(engine_learned__a_guess_at_its_query_burns_the_ticket),
	UNIT_TEST(engine_learned__an_on_link_server_is_found_by_any_worker),
	UNIT_TEST(engine_learned__nothing_leads_to_ourselves),
	UNIT_TEST(engine_learned__a_full_share_turns_queries_away_by_name),
	UNIT_TEST(engine_learned__rows_of_learned_servers_come_in_pages),
};
UNIT_SUITE(engine_learned, tests)
