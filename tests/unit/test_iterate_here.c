/* Steps that whoever needs them asks itself (engine_sub_here.c), and what makes them questions of their own. */
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "iterate_world.h"
#include "unit.h"

#define ROOT "192.0.32.1"
#define NET "192.0.33.1"
#define EXAMPLE "192.0.35.1"
#define SECOND "192.0.35.2"

static const struct iterate_zone zones[] = {
	{".", ROOT, "net. NS ns.net.\nns.net. A " NET "\n"},
	{"net.", NET,
	 "@ NS ns\nns A " NET "\nexample NS ns.example\nns.example A " EXAMPLE "\n"
	 "ns.example A " SECOND "\n"},
	{"example.net.", EXAMPLE " " SECOND,
	 "@ NS ns\nns A " EXAMPLE "\nns A " SECOND "\nwww A 198.18.0.1\nmail A 198.18.0.2\n"
	 "www.inner A 198.18.0.3\nalias CNAME www\nbelow.alias TXT x\n"},
};

/* What becomes of the first queries for one name. */
enum trick { TRICK_NONE, TRICK_HOLD, TRICK_SILENCE, TRICK_GUESS, TRICK_REFUSED, TRICK_OTHER_CASE };
static struct {
	struct world_event held;
	uint8_t message[512];
	enum trick trick;
	const char *qname;
	unsigned times;
	uint64_t begun; /* resolutions for others, before the test */
} played;

static size_t play(struct iterate_world *w, const struct iterate_query *query,
		   const struct world_event *event, uint8_t *out)
{
	size_t length = event->length_bytes;

	if (played.times == 0 || strcmp(query->qname, played.qname) != 0)
		return SIZE_MAX;
	played.times--;
	memcpy(out, event->message, length);
	out[2] |= 0x80;
	switch (played.trick) {
	case TRICK_HOLD:
		played.held = *event;
		memcpy(played.message, event->message, length);
		played.held.message = played.message;
		return 0;
	case TRICK_SILENCE:
		return 0;
	case TRICK_GUESS:
		out[0] ^= 1;
		return length;
	case TRICK_REFUSED:
		out[3] = DNS_RCODE_REFUSED;
		return length;
	case TRICK_OTHER_CASE:
		length = iterate_authority(w, event, out);
		for (size_t i = DNS_HEADER_BYTES; out[i] != 0; i++)
			if (out[i] >= 'A' && out[i] <= 'Z')
				out[i] |= 0x20;
		return length;
	case TRICK_NONE:
		break;
	}
	return SIZE_MAX;
}

/* What was held comes now. */
static void let_go(struct iterate_world *w)
{
	static uint8_t out[AUTHORITY_MESSAGE_BYTES_MAX];
	size_t length = iterate_authority(w, &played.held, out);

	CU_ASSERT_FATAL(length > 0);
	world_udp(w->world, played.held.engine, &played.held.peer, &played.held.local,
		  (struct span){out, length});
}

static struct iterate_world *world_of(enum trick trick, const char *qname, unsigned tcp_interfaces)
{
	struct iterate_world *w = iterate_new(zones, ARRAY_COUNT(zones), 1);

	w->world->config->tcp_interfaces = (uint16_t)tcp_interfaces;
	iterate_start(w);
	/* From now on there is nothing to wait for before a query is sent, and the root's servers are known. */
	CU_ASSERT_FATAL(iterate_ask(w, "nx.", DNS_TYPE_A));
	played.trick = trick;
	played.qname = qname;
	played.times = trick == TRICK_NONE ? 0 : 1;
	played.begun = world_count(w->world, COUNTER_SUB_NEW);
	w->server = play;
	return w;
}

static struct iterate_world *world_with(enum trick trick, const char *qname)
{
	return world_of(trick, qname, 1);
}

static uint64_t resolutions_active(const struct iterate_world *w)
{
	struct engine_gauges g;

	engine_gauges(w->world->engines[0], &g);
	return g.resolutions_active;
}

static uint64_t here(const struct iterate_world *w)
{
	return world_count(w->world, COUNTER_SUB_HERE);
}

/* Resolutions that were begun for others. */
static uint64_t begun(const struct iterate_world *w)
{
	return world_count(w->world, COUNTER_SUB_NEW) - played.begun;
}

static void iterate_here__takes_one_resolution_to_the_answer(void)
{
	struct iterate_world *w = world_with(TRICK_NONE, "");

	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT(iterate_has(w, "www.example.net.", DNS_TYPE_A, "198.18.0.1"));
	CU_ASSERT_EQUAL(here(w), 2);
	CU_ASSERT_EQUAL(begun(w), 0);
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NET, "example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "www.example.net.", DNS_TYPE_A), 1);
	/* Its steps are no packets of the question itself, but off what it may cost. */
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_UPSTREAM_RETRIES), 0);
	iterate_free(w);
}

/* Whoever asks the step's question while it is under way, as a client or for a step of its own, gets it by the same query. */
static void iterate_here__is_joined(void)
{
	static const struct {
		const char *qname;
		uint16_t type;
		bool is_nodata;
	} others[] = {
		{"net.", DNS_TYPE_A, true},
		{"mail.example.net.", DNS_TYPE_A, false},
		{"example.net.", DNS_TYPE_TXT, true},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
		struct iterate_world *w = world_with(TRICK_HOLD, "net.");

		w->query_count = 0;
		iterate_send(w, "www.example.net.", DNS_TYPE_A, 1);
		CU_ASSERT_EQUAL(iterate_run(w, 10 * NS_PER_MS), 0);
		CU_ASSERT_EQUAL(here(w), 1);
		CU_ASSERT_EQUAL(begun(w), 0);
		iterate_send(w, others[i].qname, others[i].type, 2);
		CU_ASSERT_EQUAL(iterate_run(w, 10 * NS_PER_MS), 0);
		CU_ASSERT_EQUAL(begun(w), 1);
		let_go(w);
		CU_ASSERT_EQUAL(iterate_run(w, NS_PER_S), 2);
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
		CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "net.", DNS_TYPE_A), 1);
		CU_ASSERT(iterate_queries(w, NET, "example.net.", DNS_TYPE_A) == 1);
		CU_ASSERT_FATAL(iterate_ask(w, others[i].qname, others[i].type));
		CU_ASSERT_EQUAL(iterate_answer_count(w) == 0, others[i].is_nodata);
		CU_ASSERT_EQUAL(w->query_count, 0);
		iterate_free(w);
	}
}

/* Many names below one that nothing is known of, at once: it is asked once. */
static void iterate_here__many_need_one_step(void)
{
	struct iterate_world *w = world_with(TRICK_NONE, "");
	static const char *const names[] = {"www.example.net.", "mail.example.net.",
					    "ns.example.net.", "www.inner.example.net."};

	w->query_count = 0;
	for (uint16_t i = 0; i < ARRAY_COUNT(names); i++)
		iterate_send(w, names[i], DNS_TYPE_A, i);
	CU_ASSERT_EQUAL(iterate_run(w, NS_PER_S), ARRAY_COUNT(names));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(iterate_queries(w, ROOT, "net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NET, "example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_SUB_FULL), 0);
	iterate_free(w);
}

/* Of the root's share only who asks it has a part, not all those who wait for the same step. */
static void iterate_here__who_waits_leaves_the_root_to_others(void)
{
	struct iterate_world *w = world_with(TRICK_HOLD, "net.");
	char name[64];

	for (unsigned i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "r%u.example.net.", i);
		iterate_send(w, name, DNS_TYPE_A, (uint16_t)i);
		CU_ASSERT_EQUAL(iterate_run(w, 10000), 0);
	}
	CU_ASSERT(resolutions_active(w) > 120);
	CU_ASSERT_FATAL(iterate_ask(w, "other.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NXDOMAIN);
	let_go(w);
	CU_ASSERT_EQUAL(iterate_run(w, NS_PER_S), 120);
	iterate_free(w);
}

/* What is no referral to it is an answer to the step's question, and kept as such. */
static void iterate_here__keeps_what_is_no_referral(void)
{
	struct iterate_world *w = world_with(TRICK_NONE, "");

	CU_ASSERT_FATAL(iterate_ask(w, "www.inner.example.net.", DNS_TYPE_A));
	CU_ASSERT(iterate_has(w, "www.inner.example.net.", DNS_TYPE_A, "198.18.0.3"));
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "inner.example.net.", DNS_TYPE_A), 1);
	CU_ASSERT_EQUAL(here(w), 3);
	CU_ASSERT_EQUAL(begun(w), 1);
	CU_ASSERT_FATAL(iterate_ask(w, "inner.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(w->query_count, 0);
	/* An alias has nothing to do with what is below it. */
	CU_ASSERT_FATAL(iterate_ask(w, "below.alias.example.net.", DNS_TYPE_TXT));
	CU_ASSERT_EQUAL(iterate_answer_count(w), 1);
	CU_ASSERT_EQUAL(iterate_queries(w, NULL, "alias.example.net.", DNS_TYPE_A), 1);
	iterate_free(w);
}

/* Whatever else becomes of its query is as if another had asked. */
static void iterate_here__goes_on_by_another(void)
{
	static const struct {
		enum trick trick;
		const char *qname;
		enum counter counts;
		unsigned queries; /* for that name */
	} cases[] = {
		{TRICK_SILENCE, "net.", COUNTER_UPSTREAM_TIMEOUTS, 2},
		{TRICK_SILENCE, "example.net.", COUNTER_UPSTREAM_TIMEOUTS, 2},
		{TRICK_GUESS, "example.net.", COUNTER_NEAR_MISS, 2},
		{TRICK_REFUSED, "example.net.", COUNTER_UPSTREAM_ERRORS, 2},
		{TRICK_OTHER_CASE, "example.net.", COUNTER_MISMATCH_CASE, 2},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct iterate_world *w = world_with(cases[i].trick, cases[i].qname);

		CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
		CU_ASSERT(iterate_has(w, "www.example.net.", DNS_TYPE_A, "198.18.0.1"));
		CU_ASSERT_EQUAL(world_count(w->world, cases[i].counts), 1);
		CU_ASSERT_EQUAL(iterate_queries(w, NULL, cases[i].qname, DNS_TYPE_A),
				cases[i].queries);
		CU_ASSERT_EQUAL(here(w), 2);
		CU_ASSERT_EQUAL(begun(w), 1);
		iterate_free(w);
	}
}

/* A guess at a step's query counts against that question, as at any other's: what is asked next waits longer each time. */
static void iterate_here__guesses_hold_it_off(void)
{
	struct iterate_world *w = world_of(TRICK_GUESS, "example.net.", 0);

	played.times = 2;
	CU_ASSERT_FATAL(iterate_ask(w, "www.example.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_NEAR_MISS), 2);
	CU_ASSERT(iterate_queries(w, NET, "example.net.", DNS_TYPE_A) >= 2);
	CU_ASSERT_EQUAL(begun(w), 1);
	CU_ASSERT(w->log[w->query_count - 1].at - w->log[0].at >=
		  NEAR_MISS_HOLD_OFF_MS * 3 * NS_PER_MS);
	iterate_free(w);
}

/* With no place for a question of its own the step fails, and the name is asked for as a whole. */
static void iterate_here__without_room_it_asks_on(void)
{
	struct iterate_world *w = world_with(TRICK_SILENCE, "net.");
	struct engine *e = w->world->engines[0];
	uint64_t most = w->world->params.under_way_max;
	char name[64];

	CU_ASSERT_FATAL(most >= 8 && e != NULL);
	played.times = UINT32_MAX;
	/* Types that nobody has asked for, each a resolution, all for one step. */
	for (unsigned i = 0; i < 2 * most; i++) {
		snprintf(name, sizeof(name), "r%u.net.", i);
		iterate_send(w, name, DNS_TYPE_A, (uint16_t)i);
		(void)iterate_run(w, 10000);
	}
	CU_ASSERT(resolutions_active(w) <= most);
	(void)iterate_run(w, 2 * CLIENT_DEADLINE_MS * NS_PER_MS);
	CU_ASSERT_EQUAL(resolutions_active(w), 0);
	iterate_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(iterate_here__takes_one_resolution_to_the_answer),
	UNIT_TEST(iterate_here__is_joined),
	UNIT_TEST(iterate_here__many_need_one_step),
	UNIT_TEST(iterate_here__who_waits_leaves_the_root_to_others),
	UNIT_TEST(iterate_here__keeps_what_is_no_referral),
	UNIT_TEST(iterate_here__goes_on_by_another),
	UNIT_TEST(iterate_here__guesses_hold_it_off),
	UNIT_TEST(iterate_here__without_room_it_asks_on),
};
UNIT_SUITE(iterate_here, tests)
