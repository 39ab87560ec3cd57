/* Names that are answered here, in both modes; and what a denial of one type says of the others. */
#include <string.h>

#include "core/dns_const.h"
#include "core/local_name.h"
#include "engine_rig.h"
#include "iterate_world.h"
#include "unit.h"

#define ROOT "192.0.32.1"
#define NET "192.0.33.1"

static const struct iterate_zone small[] = {
	{".", ROOT, "net. NS ns.net.\nns.net. A " NET "\n"},
	{"net.", NET, "@ NS ns.net.\nns A " NET "\nwww A 198.18.0.1\nto CNAME app.localhost.\n"},
};

static struct iterate_world *world_of_small(unsigned engine_count)
{
	struct iterate_world *w = iterate_new(small, ARRAY_COUNT(small), engine_count);

	iterate_start(w);
	return w;
}

static void engine_local__asks_nobody(void)
{
	static const struct {
		const char *qname;
		uint16_t qtype;
		uint16_t rcode;
		const char *address;
	} cases[] = {
		{"localhost.", DNS_TYPE_A, DNS_RCODE_NOERROR, "127.0.0.1"},
		{"a.LocalHost.", DNS_TYPE_A, DNS_RCODE_NOERROR, "127.0.0.1"},
		{"x.invalid.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, NULL},
		{"x.local.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, NULL},
		{"1.0.168.192.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, NULL},
		{"resolver.arpa.", DNS_TYPE_A, DNS_RCODE_NOERROR, NULL},
	};

	for (unsigned engines = 1; engines <= 3; engines += 2) {
		struct iterate_world *w = world_of_small(engines);

		/* The second time from the cache. */
		for (unsigned i = 0; i < 2 * ARRAY_COUNT(cases); i++) {
			unsigned c = i % ARRAY_COUNT(cases);

			CU_ASSERT_FATAL(iterate_ask(w, cases[c].qname, cases[c].qtype));
			CU_ASSERT_EQUAL(iterate_rcode(w), cases[c].rcode);
			CU_ASSERT_EQUAL(iterate_answer_count(w), cases[c].address != NULL);
			CU_ASSERT_EQUAL(w->answer.authority_count, cases[c].address == NULL);
			if (cases[c].address != NULL)
				CU_ASSERT(iterate_has(w, cases[c].qname, DNS_TYPE_A,
						      cases[c].address));
			CU_ASSERT_EQUAL(w->query_count, 0);
		}
		iterate_free(w);
	}
}

static void engine_local__is_what_an_alias_may_lead_to(void)
{
	for (unsigned engines = 1; engines <= 3; engines += 2) {
		struct iterate_world *w = world_of_small(engines);

		CU_ASSERT_FATAL(iterate_ask(w, "to.net.", DNS_TYPE_A));
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
		CU_ASSERT(iterate_has(w, "app.localhost.", DNS_TYPE_A, "127.0.0.1"));
		CU_ASSERT_EQUAL(iterate_queries(w, NULL, "app.localhost.", 0), 0);
		CU_ASSERT_EQUAL(iterate_queries(w, NULL, "localhost.", 0), 0);
		iterate_free(w);
	}
}

/* In forward mode, by UDP and TCP; but for what a forwarder may know, and where there is a zone for it. */
static void engine_local__asks_no_forwarder_but_where_it_is_configured(void)
{
	static const struct {
		const char *name;
		uint16_t qtype;
		bool is_local;
	} cases[] = {
		{"localhost", DNS_TYPE_A, true},
		{"x.invalid", DNS_TYPE_A, true},
		{"1.0.168.192.in-addr.arpa", DNS_TYPE_PTR, true},
		{"printer.local", DNS_TYPE_A, false},
		{"1.2.3.10.in-addr.arpa", DNS_TYPE_PTR, false},
		{"tv.home.arpa", DNS_TYPE_A, false},
		{"www.example.com", DNS_TYPE_A, false},
	};
	struct rig *r = rig_new(1);
	const int servers[] = {RIG_SERVER_V4_LINK, -1};

	r->config.zone_count = 3;
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, servers);
	rig_zone(r, 1, "10.in-addr.arpa.", SERVER_POLICY_IN_ORDER, servers);
	rig_zone(r, 2, "tv.home.arpa.", SERVER_POLICY_IN_ORDER, servers);
	rig_start(r);
	for (uint16_t i = 0; i < 2 * ARRAY_COUNT(cases); i++) {
		struct rig_question q = {.name = cases[i / 2].name,
					 .qtype = cases[i / 2].qtype,
					 .id = i,
					 .client = i};
		struct rig_stream_answer streamed;
		struct rig_answer a;
		bool answered;

		if (i % 2 == 0) {
			rig_ask(r, &q);
			rig_poll(r);
			answered = rig_answer_next(r, &a);
			CU_ASSERT(!answered || rig_question_is(&a, &q));
		} else {
			rig_stream_ask(r, &q, 0, i);
			rig_poll(r);
			answered = rig_stream_answer_next(r, &streamed);
		}
		CU_ASSERT_EQUAL(answered, cases[i / 2].is_local);
		CU_ASSERT_EQUAL(rig_query_count(r) > 0, !cases[i / 2].is_local && i % 2 == 0);
		rig_forget(r);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_LOCAL_NAMES), 6);
	rig_finish(r);
}

/* The root's own name has nothing above it that could be denied. */
static void engine_local__leaves_the_root_alone(void)
{
	struct iterate_world *w = world_of_small(1);

	CU_ASSERT_FATAL(iterate_ask(w, ".", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(w->answer.authority_count, 1);
	iterate_free(w);
}

static void engine_local__knows_a_denied_name_by_any_type(void)
{
	static const uint16_t types[] = {DNS_TYPE_TXT, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX};

	for (unsigned engines = 1; engines <= 3; engines += 2) {
		struct iterate_world *w = world_of_small(engines);

		CU_ASSERT_FATAL(iterate_ask(w, "www.net.", DNS_TYPE_A));
		for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
			CU_ASSERT_FATAL(iterate_ask(w, "no.net.", types[i]));
			CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NXDOMAIN);
			CU_ASSERT_EQUAL(w->answer.authority_count, 1);
			CU_ASSERT_EQUAL(w->query_count, i == 0);
		}
		CU_ASSERT_FATAL(iterate_ask(w, "below.no.net.", DNS_TYPE_TXT));
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NXDOMAIN);
		CU_ASSERT_EQUAL(w->query_count, 0);
		iterate_free(w);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_local__asks_nobody),
	UNIT_TEST(engine_local__is_what_an_alias_may_lead_to),
	UNIT_TEST(engine_local__asks_no_forwarder_but_where_it_is_configured),
	UNIT_TEST(engine_local__leaves_the_root_alone),
	UNIT_TEST(engine_local__knows_a_denied_name_by_any_type),
};
UNIT_SUITE(engine_local, tests)
