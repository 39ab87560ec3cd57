/* Iteration, from a root that a test plays: referrals, minimised names, glue, aliases, denials, lame servers, budgets. */
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "iterate_world.h"
#include "unit.h"

#define ROOT "192.0.32.1"
#define NET "192.0.33.1"
#define ORG "192.0.34.1"
#define EXAMPLE "192.0.35.1"
#define OTHER "192.0.36.1"

/* net. and org. below the root; example.net has its glue, other.org is served from below example.net. */
static const struct iterate_zone small[] = {
	{".", ROOT, "net. NS ns.net.\nns.net. A " NET "\norg. NS ns.org.\nns.org. A " ORG "\n"},
	{"net.", NET,
	 "@ NS ns.net.\nns A " NET "\nexample NS ns.example\nns.example A " EXAMPLE "\n"},
	{"org.", ORG, "@ NS ns.org.\nns A " ORG "\nother NS dns.example.net.\n"},
	{"example.net.", EXAMPLE,
	 "@ NS ns\nns A " EXAMPLE "\nwww A 198.18.0.1\nwww A 198.18.0.2\ndns A " OTHER "\n"
	 "alias CNAME www.other.org.\nnear CNAME www\na.b.c.d TXT deep\n*.wild A 198.18.0.3\n"
	 "loop CNAME loop.other.org.\nservice TYPE65 \\# 3 000100\n"},
	{"other.org.", OTHER,
	 "@ NS dns.example.net.\nwww A 198.18.1.1\nloop CNAME loop.example.net.\n"},
};

static struct iterate_world *world_of_small(unsigned engine_count)
{
	struct iterate_world *w = iterate_new(small, ARRAY_COUNT(small), engine_count);

	iterate_start(w);
	return w;
}

static void iterate__goes_from_the_root_to_the_answer(void)
{
	struct iterate_world *w = world_of_small(1);

	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(iterate_answer_count(w), 2);
	CU_ASSERT(iterate_has(w, "www.example.net.", DNS_TYPE_A, "198.18.0.1"));
	CU_ASSERT(iterate_has(w, "www.example.net.", DNS_TYPE_A, "198.18.0.2"));
	/* The root and net. hear no more of the name than they need (RFC 9156). */
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NET, "example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, EXAMPLE, "www.example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "www.example.net.", 0), 1);
	iterate_free(w);
}

static void iterate__begins_at_the_deepest_known_cut(void)
{
	struct iterate_world *w = world_of_small(1);

	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_FATAL(iterate_ask(w, "dns.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(w->query_count, 1);
	CU_ASSERT_EQUAL(iterate_queries(w, EXAMPLE, "dns.example.net.", DNS_TYPE_A), 1);
	iterate_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(iterate__goes_from_the_root_to_the_answer),
	UNIT_TEST(iterate__begins_at_the_deepest_known_cut),
};
UNIT_SUITE(iterate, tests)
