/* The send side: what a query looks like, which server gets it, and what becomes of it when that server is
 * silent, gone, back, or says no. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;

/* Ask, and have the query that results. */
static struct rig_query ask(struct rig *r, const struct rig_question *q)
{
	struct rig_query query = {.server_idx = -1};

	CU_ASSERT_EQUAL(rig_ask(r, q), COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	return query;
}

/* The server that a question for this name goes to; it is answered. */
static int server_for(struct rig *r, const char *name)
{
	struct rig_question q = {.name = name};
	struct rig_query query = ask(r, &q);

	rig_answer_query(r, &query, &plain);
	CU_ASSERT_EQUAL(rig_answer_count(r), 1);
	rig_forget(r);
	return query.server_idx;
}

static void engine_upstream__sends_one_plain_query_with_our_own_opt(void)
{
	for (int server = 0; server < RIG_SERVER_COUNT; server++) {
		int servers[] = {server, -1};
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "wWw.eXample.Com",
					 .qtype = DNS_TYPE_MX,
					 .edns = true,
					 .udp_size_bytes = 4096,
					 .flags_on = DNS_FLAG_AD};
		struct rig_query query;
		struct name want;
		bool v4 = server == RIG_SERVER_V4_LINK || server == RIG_SERVER_V4_FAR;

		rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, servers);
		rig_start(r);
		query = ask(r, &q);
		CU_ASSERT_EQUAL(query.server_idx, server);
		/* On-link by its own MAC, all others by the gateway's. */
		CU_ASSERT(mac_equal(&query.mac,
				    &r->hosts[server == RIG_SERVER_V4_LINK   ? RIG_HOST_V4
					      : server == RIG_SERVER_V4_FAR  ? RIG_HOST_GATEWAY_V4
					      : server == RIG_SERVER_V6_LINK ? RIG_HOST_V6
									     : RIG_HOST_GATEWAY_V6]
					     .mac));
		CU_ASSERT(address_equal(&query.local.address, &r->config.outgoing[!v4].address));
		CU_ASSERT(query.local.port >= 1024);
		CU_ASSERT_EQUAL(query.parsed.flags, DNS_FLAG_RD);
		CU_ASSERT_EQUAL(query.parsed.qtype, DNS_TYPE_MX);
		CU_ASSERT_EQUAL(query.parsed.qclass, DNS_CLASS_IN);
		CU_ASSERT(name_from_text("www.example.com", &want));
		CU_ASSERT(name_equal(&query.parsed.qname, &want));
		CU_ASSERT(query.parsed.edns.present && query.parsed.edns.dnssec_ok);
		CU_ASSERT_EQUAL(query.parsed.edns.version, 0);
		CU_ASSERT_EQUAL(query.parsed.edns.udp_size_bytes, 1232);
		CU_ASSERT_EQUAL(query.parsed.edns.option_count, 0);
		CU_ASSERT_EQUAL(query.length_bytes, DNS_HEADER_BYTES + 17 + 4 + DNS_OPT_BYTES_MIN);
		rig_finish(r);
	}
}

static void engine_upstream__honours_the_configured_edns_size(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};

	r->config.edns_udp_size_bytes = 999;
	rig_start(r);
	CU_ASSERT_EQUAL(ask(r, &q).parsed.edns.udp_size_bytes, 999);
	rig_finish(r);
}

static void engine_upstream__asks_stub_servers_without_rd(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;
	struct rig_answer a;

	r->config.zones[0].recursion_desired = false;
	r->config.asks_whole_names = true;
	rig_start(r);
	query = ask(r, &q);
	CU_ASSERT_EQUAL(query.parsed.flags, 0);
	rig_answer_query(r, &query,
			 &(struct rig_reply){.flags_on = DNS_FLAG_AA,
					     .flags_off = DNS_FLAG_RD | DNS_FLAG_RA});
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_flags(&a), DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
	rig_finish(r);
}

static void engine_upstream__takes_the_longest_zone(void)
{
	static const int first[] = {RIG_SERVER_V4_LINK, -1};
	static const int second[] = {RIG_SERVER_V4_FAR, -1};
	static const int third[] = {RIG_SERVER_V6_LINK, -1};
	static const int fourth[] = {RIG_SERVER_V6_FAR, -1};
	static const struct {
		const char *name;
		int server;
	} rows[] = {
		{"a.b.example.com", RIG_SERVER_V4_LINK},
		{"b.EXAMPLE.com", RIG_SERVER_V4_LINK},
		{"xb.example.com", RIG_SERVER_V4_FAR},
		{"example.com", RIG_SERVER_V4_FAR},
		{"b.example.com.x", RIG_SERVER_V6_FAR},
		{"b.com", RIG_SERVER_V6_LINK},
		{"com", RIG_SERVER_V6_LINK},
		{"notcom", RIG_SERVER_V6_FAR},
		{".", RIG_SERVER_V6_FAR},
	};
	struct rig *r = rig_new(1);

	rig_zone(r, 0, "b.example.com", SERVER_POLICY_IN_ORDER, first);
	rig_zone(r, 1, "example.com", SERVER_POLICY_IN_ORDER, second);
	rig_zone(r, 2, "com", SERVER_POLICY_IN_ORDER, third);
	rig_zone(r, 3, ".", SERVER_POLICY_IN_ORDER, fourth);
	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		RIG_ROW(rows[i].name, server_for(r, rows[i].name) == rows[i].server);
	rig_finish(r);
}

/* ---- policies ---- */

static const int all_servers[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, RIG_SERVER_V6_LINK,
				  RIG_SERVER_V6_FAR, -1};

static void engine_upstream__spreads_round_robin(void)
{
	struct rig *r = rig_new(1);
	unsigned counts[RIG_SERVER_COUNT] = {0};

	rig_zone(r, 0, ".", SERVER_POLICY_ROUND_ROBIN, all_servers);
	rig_start(r);
	for (unsigned i = 0; i < 40; i++) {
		char name[32];
		int server;

		snprintf(name, sizeof(name), "n%u.example.com", i);
		server = server_for(r, name);
		CU_ASSERT_FATAL(server >= 0);
		counts[server]++;
	}
	for (unsigned i = 0; i < RIG_SERVER_COUNT; i++)
		CU_ASSERT_EQUAL(counts[i], 10);
	rig_finish(r);
}

static void engine_upstream__takes_servers_in_order(void)
{
	struct rig *r = rig_new(1);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, all_servers);
	rig_start(r);
	for (unsigned i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u.example.com", i);
		CU_ASSERT_EQUAL(server_for(r, name), RIG_SERVER_V4_LINK);
	}
	rig_finish(r);
}

static void engine_upstream__keeps_a_question_on_its_server_by_hash(void)
{
	struct rig *r = rig_new(1);
	unsigned counts[RIG_SERVER_COUNT] = {0};

	rig_zone(r, 0, ".", SERVER_POLICY_HASH, all_servers);
	rig_start(r);
	for (unsigned i = 0; i < 100; i++) {
		char name[32];
		int server;

		snprintf(name, sizeof(name), "n%u.example.com", i);
		server = server_for(r, name);
		CU_ASSERT_FATAL(server >= 0);
		counts[server]++;
		CU_ASSERT_EQUAL(server_for(r, name), server);
	}
	for (unsigned i = 0; i < RIG_SERVER_COUNT; i++)
		CU_ASSERT(counts[i] >= 8 && counts[i] <= 50);
	rig_finish(r);
}

static void engine_upstream__prefers_the_fastest(void)
{
	static const uint64_t delay_ms[RIG_SERVER_COUNT] = {40, 5, 80, 20};
	struct rig *r = rig_new(1);
	unsigned counts[RIG_SERVER_COUNT] = {0};
	struct engine_upstream_row row;

	rig_zone(r, 0, ".", SERVER_POLICY_FASTEST, all_servers);
	rig_start(r);
	for (unsigned i = 0; i < 400; i++) {
		char name[32];
		struct rig_question q = {.name = name};
		struct rig_query query;

		snprintf(name, sizeof(name), "n%u.example.com", i);
		query = ask(r, &q);
		CU_ASSERT_FATAL(query.server_idx >= 0);
		counts[query.server_idx]++;
		rig_advance(r, delay_ms[query.server_idx] * NS_PER_MS);
		rig_answer_query(r, &query, &plain);
		rig_forget(r);
	}
	/* The fastest nearly always, every other now and then (1 in 32). */
	CU_ASSERT(counts[RIG_SERVER_V4_FAR] > 350);
	for (unsigned i = 0; i < RIG_SERVER_COUNT; i++) {
		CU_ASSERT(counts[i] >= 1);
		CU_ASSERT_FATAL(rig_upstream(r, (enum rig_server)i, &row));
		CU_ASSERT(row.srtt_us >= delay_ms[i] * 1000 - 1 &&
			  row.srtt_us <= delay_ms[i] * 1000 + 1);
	}
	rig_finish(r);
}

/* ---- silence ---- */

static void engine_upstream__retries_on_the_next_server_then_servfail(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (int edns = 0; edns < 2; edns++) {
			struct rig *r = rig_new(1);
			struct rig_question q = {.name = "wWw.example.com",
						 .id = 99,
						 .family = (enum rig_family)family,
						 .edns = edns != 0};
			mono_ns began;
			struct rig_query tries[3];
			struct rig_answer a;
			struct span ede;

			rig_start(r);
			began = r->now;
			rig_ask(r, &q);
			rig_advance(r, 4 * NS_PER_S);
			CU_ASSERT_EQUAL_FATAL(rig_query_count(r), 3);
			for (unsigned i = 0; i < 3; i++) {
				CU_ASSERT(rig_query_next(r, &tries[i]));
				CU_ASSERT_EQUAL(tries[i].server_idx, (int)i);
				CU_ASSERT(tries[i].at >= began + i * 800 * NS_PER_MS);
				CU_ASSERT(tries[i].at <= began + i * 803 * NS_PER_MS);
			}
			/* Fresh tickets for every transmission. */
			CU_ASSERT(tries[0].local.port != tries[1].local.port ||
				  tries[0].parsed.id != tries[1].parsed.id);
			CU_ASSERT_EQUAL_FATAL(rig_answer_count(r), 1);
			CU_ASSERT(rig_answer_next(r, &a));
			CU_ASSERT(a.at <= began + 4 * NS_PER_S);
			CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
			CU_ASSERT_EQUAL(rig_flags(&a), DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA |
							       DNS_RCODE_SERVFAIL);
			CU_ASSERT(rig_question_is(&a, &q));
			CU_ASSERT_EQUAL_FATAL(rig_option(&a, DNS_OPTION_EDE, &ede), q.edns);
			if (q.edns) {
				CU_ASSERT(ede.length_bytes >= 2);
				CU_ASSERT_EQUAL(rig_u16(ede.data, 0),
						DNS_EDE_NO_REACHABLE_AUTHORITY);
			}
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_TIMEOUTS), 3);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_RETRIES), 2);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_SERVFAIL), 1);
			rig_finish(r);
		}
}

static void engine_upstream__answers_within_4_s_whatever_the_timeout(void)
{
	static const struct {
		const char *says;
		uint32_t timeout_ms;
		uint32_t tries;
	} rows[] = {{"one long try", 10000, 1},
		    {"many long tries", 3000, 9},
		    {"very many short tries", 20, 1000},
		    {"one short try", 100, 1}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com"};
		mono_ns began;
		struct rig_answer a;

		r->config.zones[0].timeout_ms = rows[i].timeout_ms;
		r->config.zones[0].tries = rows[i].tries;
		rig_start(r);
		began = r->now;
		rig_ask(r, &q);
		rig_advance(r, 5 * NS_PER_S);
		RIG_ROW(rows[i].says, rig_answer_count(r) == 1);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, rig_rcode(&a) == DNS_RCODE_SERVFAIL);
		RIG_ROW(rows[i].says, a.at <= began + CLIENT_DEADLINE_MS * NS_PER_MS);
		RIG_ROW(rows[i].says, r->queries_sent <= UPSTREAM_PACKETS_MAX + 20 /* probes */);
		rig_finish(r);
	}
}

/* A client that joins late has its answer no later than the first. */
static void engine_upstream__answers_late_joiners_with_the_first(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	mono_ns began;

	rig_start(r);
	began = r->now;
	for (unsigned i = 0; i < 23; i++) {
		q.id = (uint16_t)i;
		rig_ask(r, &q);
		rig_advance(r, 100 * NS_PER_MS);
	}
	rig_advance(r, began + 4 * NS_PER_S - r->now);
	CU_ASSERT_EQUAL(rig_answer_count(r), 23);
	CU_ASSERT_EQUAL(rig_query_count(r), 3);
	rig_finish(r);
}

/* Servers that are dead are asked by probes only; answers and silence are counted per server. */
static bool dead_until_back(struct rig *r, const struct rig_query *q)
{
	const bool *is_back = r->context;

	if (q->server_idx == RIG_SERVER_V4_LINK && !*is_back)
		return false;
	rig_answer_query(r, q, &plain);
	return q->is_probe;
}

static void engine_upstream__backs_off_from_the_dead_and_is_quick_when_it_returns(void)
{
	/* How long after a probe the server comes back. */
	static const uint64_t phases_ms[] = {0, 1, 250, 500, 900, 999};

	for (size_t phase = 0; phase < ARRAY_COUNT(phases_ms); phase++)
		for (int link = 0; link < 2; link++) {
			struct rig *r = rig_new(1);
			bool is_back = false;
			struct engine_upstream_row row;
			unsigned lost = 0;
			mono_ns back_at;
			mono_ns used_at = MONO_NEVER;
			unsigned asked = 0;

			r->context = &is_back;
			r->on_query = dead_until_back;
			rig_start(r);
			if (link != 0) { /* its host is gone altogether */
				rig_advance(r, 10 * NS_PER_MS);
				r->hosts[RIG_HOST_V4].alive = false;
			}
			/* Ten minutes of silence, a question every 10 s and 20 in the first 2 s. */
			for (mono_ns end = r->now + 600 * NS_PER_S; r->now < end;) {
				char name[32];
				struct rig_question q = {.name = name};

				snprintf(name, sizeof(name), "n%u.example.com", asked++);
				rig_ask(r, &q);
				rig_advance(r, asked < 20 ? 100 * NS_PER_MS : 10 * NS_PER_S);
			}
			for (struct rig_query q; rig_query_next(r, &q);)
				lost += !q.is_probe && q.server_idx == RIG_SERVER_V4_LINK;
			/* fall is 3; those under way when it fell are lost as well (800 ms). */
			CU_ASSERT(lost >= 3 && lost <= 12);
			CU_ASSERT_FATAL(rig_upstream(r, RIG_SERVER_V4_LINK, &row));
			CU_ASSERT_STRING_EQUAL(row.state, "down");
			CU_ASSERT_EQUAL(rig_answer_count(r), asked);
			rig_forget(r);
			rig_advance(r, phases_ms[phase] * NS_PER_MS);
			is_back = true;
			r->hosts[RIG_HOST_V4].alive = true;
			back_at = r->now;
			while (r->now < back_at + 3 * NS_PER_S && used_at == MONO_NEVER) {
				char name[32];
				struct rig_question q = {.name = name};
				struct rig_query query;

				snprintf(name, sizeof(name), "n%u.example.com", asked++);
				rig_ask(r, &q);
				rig_poll(r);
				while (rig_query_next(r, &query))
					if (!query.is_probe &&
					    query.server_idx == RIG_SERVER_V4_LINK)
						used_at = query.at;
				rig_advance(r, 20 * NS_PER_MS);
			}
			CU_ASSERT(used_at - back_at <= 2 * NS_PER_S);
			rig_finish(r);
		}
}

static void engine_upstream__asks_the_dead_when_all_are(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_start(r);
	for (unsigned i = 0; i < 20; i++) {
		char name[32];
		struct rig_question lost = {.name = name};

		snprintf(name, sizeof(name), "n%u.example.com", i);
		rig_ask(r, &lost);
		rig_advance(r, 2500 * NS_PER_MS);
	}
	for (unsigned i = 0; i < RIG_SERVER_COUNT; i++) {
		struct engine_upstream_row row;

		CU_ASSERT_FATAL(rig_upstream(r, (enum rig_server)i, &row));
		CU_ASSERT_STRING_EQUAL(row.state, "down");
	}
	rig_forget(r);
	rig_ask(r, &q);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	CU_ASSERT_EQUAL(rig_answer_count(r), 1);
	rig_finish(r);
}

/* A neighbour that does not answer ARP or ND counts as a server that does not: after a few tries the questions
 * no longer wait for it. */
static void engine_upstream__backs_off_from_a_host_without_a_mac(void)
{
	static const struct {
		const char *says;
		int servers[3];
		enum rig_host_idx host;
	} rows[] = {
		{"IPv4", {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, -1}, RIG_HOST_V4},
		{"IPv6", {RIG_SERVER_V6_LINK, RIG_SERVER_V6_FAR, -1}, RIG_HOST_V6},
	};
	static const enum server_policy policies[] = {SERVER_POLICY_IN_ORDER, SERVER_POLICY_FASTEST,
						      SERVER_POLICY_ROUND_ROBIN};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (size_t p = 0; p < ARRAY_COUNT(policies); p++) {
			struct rig *r = rig_new(1);
			struct engine_upstream_row row;
			bool is_back = true;

			r->context = &is_back;
			r->on_query = dead_until_back;
			r->hosts[rows[i].host].alive = false;
			rig_zone(r, 0, ".", policies[p], rows[i].servers);
			rig_start(r);
			for (unsigned n = 0; n < 40; n++) {
				char name[32];
				struct rig_question q = {.name = name};

				snprintf(name, sizeof(name), "n%u.example.com", n);
				rig_ask(r, &q);
				rig_advance(r, NS_PER_S);
			}
			RIG_ROW(rows[i].says, rig_answer_count(r) == 40);
			CU_ASSERT_FATAL(rig_upstream(r, (enum rig_server)rows[i].servers[0], &row));
			RIG_ROW(rows[i].says, strcmp(row.state, "down") == 0);
			rig_forget(r);
			for (unsigned n = 0; n < 40; n++) {
				char name[32];
				struct rig_question q = {.name = name};

				snprintf(name, sizeof(name), "m%u.example.com", n);
				rig_ask(r, &q);
				rig_poll(r);
				RIG_ROW(rows[i].says, rig_answer_count(r) == n + 1);
			}
			rig_finish(r);
		}
}

/* A server that no outgoing address can reach (other family, or no gateway) is passed over at once. */
static void engine_upstream__passes_over_servers_without_a_route(void)
{
	static const int servers[] = {RIG_SERVER_V6_LINK, RIG_SERVER_V6_FAR, RIG_SERVER_V4_FAR,
				      RIG_SERVER_V4_LINK, -1};
	static const enum server_policy policies[] = {SERVER_POLICY_FASTEST,
						      SERVER_POLICY_ROUND_ROBIN,
						      SERVER_POLICY_IN_ORDER, SERVER_POLICY_HASH};

	for (size_t p = 0; p < ARRAY_COUNT(policies); p++) {
		struct rig *r = rig_new(1);

		r->config.outgoing_count = 1; /* IPv4 alone */
		rig_zone(r, 0, ".", policies[p], servers);
		rig_start(r);
		for (unsigned i = 0; i < 40; i++) {
			char name[32];
			int server;

			snprintf(name, sizeof(name), "n%u.example.com", i);
			server = server_for(r, name);
			RIG_ROW(server_policy_text[policies[p]],
				server == RIG_SERVER_V4_FAR || server == RIG_SERVER_V4_LINK);
		}
		rig_finish(r);
	}
}

static void engine_upstream__fails_at_once_without_any_route(void)
{
	static const int servers[] = {RIG_SERVER_V6_LINK, RIG_SERVER_V6_FAR, -1};
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_answer a;

	r->config.outgoing_count = 1;
	rig_zone(r, 0, ".", SERVER_POLICY_FASTEST, servers);
	rig_start(r);
	rig_ask(r, &q);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_QUERIES), 0);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_upstream__sends_one_plain_query_with_our_own_opt),
	UNIT_TEST(engine_upstream__honours_the_configured_edns_size),
	UNIT_TEST(engine_upstream__asks_stub_servers_without_rd),
	UNIT_TEST(engine_upstream__takes_the_longest_zone),
	UNIT_TEST(engine_upstream__spreads_round_robin),
	UNIT_TEST(engine_upstream__takes_servers_in_order),
	UNIT_TEST(engine_upstream__keeps_a_question_on_its_server_by_hash),
	UNIT_TEST(engine_upstream__prefers_the_fastest),
	UNIT_TEST(engine_upstream__retries_on_the_next_server_then_servfail),
	UNIT_TEST(engine_upstream__answers_within_4_s_whatever_the_timeout),
	UNIT_TEST(engine_upstream__answers_late_joiners_with_the_first),
	UNIT_TEST(engine_upstream__backs_off_from_the_dead_and_is_quick_when_it_returns),
	UNIT_TEST(engine_upstream__asks_the_dead_when_all_are),
	UNIT_TEST(engine_upstream__backs_off_from_a_host_without_a_mac),
	UNIT_TEST(engine_upstream__passes_over_servers_without_a_route),
	UNIT_TEST(engine_upstream__fails_at_once_without_any_route),
};
UNIT_SUITE(engine_upstream, tests)
