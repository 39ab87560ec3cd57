/* Iteration, from a root that a test plays: referrals, minimised names, glue, aliases, denials, lame servers, budgets. */
#include <string.h>

#include "core/cache_entry.h"
#include "core/dns_const.h"
#include "core/engine_hit.h"
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

/* Where a file of entries has it restored, and beside the A question of its name, whose bucket is fetched anyway. */
static void iterate__keeps_cuts_under_the_key_of_type_0(void)
{
	struct iterate_world *w = world_of_small(1);
	struct engine *e = w->world->engines[0];
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key, beside;
	struct cache_found found;
	struct name zone;

	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_FATAL(name_from_text("example.net.", &zone));
	engine_key_make(e, &zone, CACHE_ENTRY_CUT_TYPE, false, &key);
	CU_ASSERT_FATAL(engine_cache_find(e, &key, words, &found));
	CU_ASSERT_TRUE(cache_entry_is_cut(words));
	engine_key_make(e, &zone, DNS_TYPE_A, false, &beside);
	CU_ASSERT_EQUAL(key.hash >> 32, beside.hash >> 32);
	CU_ASSERT_NOT_EQUAL(key.hash, beside.hash);
	iterate_free(w);
}

/* dns.example.net, which serves other.org, has no glue there: its address is a question of its own. */
static void iterate__follows_aliases_across_zones(void)
{
	for (unsigned engines = 1; engines <= 4; engines *= 2) {
		struct iterate_world *w = world_of_small(engines);

		CU_ASSERT_FATAL(iterate_ask(w, "alias.example.net.", DNS_TYPE_A));
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
		CU_ASSERT_EQUAL(iterate_answer_count(w), 2);
		CU_ASSERT(iterate_has(w, "alias.example.net.", DNS_TYPE_CNAME, "www.other.org."));
		CU_ASSERT(iterate_has(w, "www.other.org.", DNS_TYPE_A, "198.18.1.1"));
		CU_ASSERT_EQUAL(iterate_queries(w, NULL, "dns.example.net.", DNS_TYPE_A), 1);
		/* Whole, it is in the cache; its end by itself, too. */
		CU_ASSERT_FATAL(iterate_ask(w, "alias.example.net.", DNS_TYPE_A));
		CU_ASSERT_FATAL(iterate_ask(w, "www.other.org.", DNS_TYPE_A));
		CU_ASSERT_EQUAL(w->query_count, 0);
		iterate_free(w);
	}
}

static void iterate__many_ask_once(void)
{
	struct iterate_world *w = world_of_small(4);

	for (uint16_t i = 0; i < 40; i++)
		iterate_send(w, "alias.example.net.", DNS_TYPE_A, i);
	CU_ASSERT_EQUAL(iterate_run(w, 6 * NS_PER_S), 40);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "alias.example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "www.other.org.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "net.", DNS_TYPE_A), 1);
	iterate_free(w);
}

static void iterate__denies_what_is_below_what_is_not(void)
{
	struct iterate_world *w = world_of_small(1);

	CU_ASSERT_FATAL(iterate_ask(w, "nx.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NXDOMAIN);
	CU_ASSERT_EQUAL(w->answer.authority_count, 1);
	CU_ASSERT_FATAL(iterate_ask(w, "a.b.nx.example.net.", DNS_TYPE_TXT));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NXDOMAIN);
	CU_ASSERT_EQUAL(w->answer.authority_count, 1);
	CU_ASSERT_EQUAL(w->query_count, 0);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_DENIED_ABOVE), 1);
	/* An empty non-terminal is a name. */
	CU_ASSERT_FATAL(iterate_ask(w, "b.c.d.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(iterate_answer_count(w), 0);
	CU_ASSERT_FATAL(iterate_ask(w, "a.b.c.d.example.net.", DNS_TYPE_TXT));
	CU_ASSERT_EQUAL(iterate_answer_count(w), 1);
	iterate_free(w);
}

/* Says NXDOMAIN of empty non-terminals. */
static size_t liar(struct iterate_world *w, const struct iterate_query *query,
		   const struct world_event *event, uint8_t *out)
{
	size_t length = iterate_authority(w, event, out);

	if (strcmp(query->qname, "d.example.net.") == 0 ||
	    strcmp(query->qname, "c.d.example.net.") == 0)
		out[3] = (uint8_t)((out[3] & 0xf0) | DNS_RCODE_NXDOMAIN);
	return length;
}

static void iterate__finds_what_is_below_a_name_denied_wrongly(void)
{
	struct iterate_world *w = world_of_small(1);

	w->server = liar;
	CU_ASSERT_FATAL(iterate_ask(w, "a.b.c.d.example.net.", DNS_TYPE_TXT));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(iterate_answer_count(w), 1);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_DENIED_WRONGLY), 1);
	/* From now on nothing is concluded from its denials, and nothing minimised. */
	CU_ASSERT_FATAL(iterate_ask(w, "a.b.c.d.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(w->query_count, 1);
	iterate_free(w);
}

static void iterate__ends_circles_of_aliases(void)
{
	struct iterate_world *w = world_of_small(2);

	CU_ASSERT_FATAL(iterate_ask(w, "loop.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	CU_ASSERT(w->query_count <= 12);
	CU_ASSERT_FATAL(iterate_ask(w, "loop.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(w->query_count, 0);
	iterate_free(w);
}

static void iterate__asks_the_parent_for_ds(void)
{
	struct iterate_world *w = world_of_small(1);

	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_FATAL(iterate_ask(w, "example.net.", DNS_TYPE_DS));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(iterate_queries(w, NET, "example.net.", DNS_TYPE_DS), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, EXAMPLE, "example.net.", DNS_TYPE_DS), 0);
	iterate_free(w);
}

static size_t refuse(struct iterate_world *w, const struct iterate_query *query,
		     const struct world_event *event, uint8_t *out)
{
	(void)w;
	if (strcmp(query->server, EXAMPLE) != 0)
		return SIZE_MAX;
	memcpy(out, event->message, event->length_bytes);
	out[2] |= 0x80;
	out[3] = DNS_RCODE_REFUSED;
	return event->length_bytes;
}

static void iterate__fails_where_all_are_lame_and_keeps_that(void)
{
	struct iterate_world *w = world_of_small(1);

	w->server = refuse;
	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(iterate_ede(w), DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT_EQUAL(iterate_queries(w, EXAMPLE, NULL, 0), SERVER_TRIES_PER_QUESTION_MAX);
	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(w->query_count, 0);
	iterate_free(w);
}

static size_t silent(struct iterate_world *w, const struct iterate_query *query,
		     const struct world_event *event, uint8_t *out)
{
	(void)w;
	(void)event;
	(void)out;
	return strcmp(query->server, ROOT) == 0 ? SIZE_MAX : 0;
}

static void iterate__answers_in_time_whatever_is_silent(void)
{
	struct iterate_world *w = world_of_small(2);
	mono_ns from = w->world->now;

	w->server = silent;
	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	CU_ASSERT(w->answered_at - from <= CLIENT_DEADLINE_MS * NS_PER_MS);
	iterate_free(w);
}

static void iterate__primes_once(void)
{
	struct iterate_world *w = world_of_small(4);

	for (uint16_t i = 0; i < 8; i++)
		iterate_send(w, "www.example.net.", DNS_TYPE_A, i);
	iterate_send(w, "www.other.org.", DNS_TYPE_A, 9);
	CU_ASSERT_EQUAL(iterate_run(w, 6 * NS_PER_S), 9);
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, ".", DNS_TYPE_NS), 1);
	iterate_free(w);
}

static void iterate__asks_whole_names_if_told_to(void)
{
	struct iterate_world *w = iterate_new(small, ARRAY_COUNT(small), 1);

	w->world->config->asks_whole_names = true;
	iterate_start(w);
	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "www.example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "www.example.net.", DNS_TYPE_A), 3);
	iterate_free(w);
}

/* What a forwarder's alias leads to is asked for where it belongs. */
static void iterate__takes_only_its_zone_from_a_forwarder(void)
{
	struct iterate_world *w = iterate_new(small, ARRAY_COUNT(small), 2);
	struct engine_zone zone = {.recursion_desired = true, .timeout_ms = 800, .tries = 3};
	struct endpoint server = {.port = DNS_PORT};

	CU_ASSERT_FATAL(name_from_text("example.net.", &zone.name));
	CU_ASSERT_FATAL(world_address(EXAMPLE, &server.address));
	world_zone(w->world, &zone, &server, 1);
	iterate_start(w);
	CU_ASSERT_FATAL(iterate_ask(w, "alias.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT(iterate_has(w, "alias.example.net.", DNS_TYPE_CNAME, "www.other.org."));
	CU_ASSERT(iterate_has(w, "www.other.org.", DNS_TYPE_A, "198.18.1.1"));
	CU_ASSERT_EQUAL(iterate_queries(w, OTHER, "www.other.org.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NET, NULL, 0), 0);
	iterate_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(iterate__goes_from_the_root_to_the_answer),
	UNIT_TEST(iterate__begins_at_the_deepest_known_cut),
	UNIT_TEST(iterate__keeps_cuts_under_the_key_of_type_0),
	UNIT_TEST(iterate__follows_aliases_across_zones),
	UNIT_TEST(iterate__many_ask_once),
	UNIT_TEST(iterate__denies_what_is_below_what_is_not),
	UNIT_TEST(iterate__finds_what_is_below_a_name_denied_wrongly),
	UNIT_TEST(iterate__ends_circles_of_aliases),
	UNIT_TEST(iterate__asks_the_parent_for_ds),
	UNIT_TEST(iterate__fails_where_all_are_lame_and_keeps_that),
	UNIT_TEST(iterate__answers_in_time_whatever_is_silent),
	UNIT_TEST(iterate__primes_once),
	UNIT_TEST(iterate__asks_whole_names_if_told_to),
	UNIT_TEST(iterate__takes_only_its_zone_from_a_forwarder),
};
UNIT_SUITE(iterate, tests)
