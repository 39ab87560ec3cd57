/* Floods of names below one zone whose servers are silent: what others ask does not suffer (SECURITY.md D8). */
#include <stdio.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/zone_share.h"
#include "iterate_world.h"
#include "unit.h"

#define ROOT "192.0.32.1"
#define NET "192.0.33.1"
#define LIVE "192.0.35.1"
#define DEAD "192.0.40.1 192.0.40.2 192.0.40.3 192.0.40.4 192.0.40.5 192.0.40.6"
#define DEAD_PREFIX "192.0.40."
/* Of the world's engine, which has room for 256 resolutions. */
#define SHARE 64
#define FLOOD 400

/* dead.net has six silent servers; nowhere.net two whose names are below dead.net. */
static const struct iterate_zone zones[] = {
	{".", ROOT, "net. NS ns.net.\nns.net. A " NET "\n"},
	{"net.", NET,
	 "@ NS ns\nns A " NET "\nlive NS ns.live\nns.live A " LIVE "\n"
	 "dead NS a.dead\ndead NS b.dead\na.dead A 192.0.40.1\na.dead A 192.0.40.2\n"
	 "a.dead A 192.0.40.3\nb.dead A 192.0.40.4\nb.dead A 192.0.40.5\nb.dead A 192.0.40.6\n"
	 "nowhere NS a.there.dead\nnowhere NS b.there.dead\n"},
	{"live.net.", LIVE, "@ NS ns\nns A " LIVE "\n* A 198.18.0.1\n"},
	{"dead.net.", DEAD, "@ NS a\nold 10 IN A 198.18.0.9\n* A 198.18.0.2\n"},
};

static bool dead_answers;

static size_t dead_is_silent(struct iterate_world *w, const struct iterate_query *query,
			     const struct world_event *event, uint8_t *out)
{
	(void)w;
	(void)event;
	(void)out;
	return !dead_answers && strncmp(query->server, DEAD_PREFIX, strlen(DEAD_PREFIX)) == 0
		       ? 0
		       : SIZE_MAX;
}

static struct iterate_world *world_of_dead(unsigned engine_count)
{
	struct iterate_world *w = iterate_new(zones, ARRAY_COUNT(zones), engine_count);

	w->world->config->cache.serve_stale = true;
	w->server = dead_is_silent;
	dead_answers = false;
	iterate_start(w);
	CU_ASSERT_FATAL(iterate_ask(w, "www.live.net.", DNS_TYPE_A));
	return w;
}

/* New names below the zone, each from a client of its own. Answers that came within so long. */
static unsigned flood(struct iterate_world *w, const char *zone, unsigned from, uint64_t ns)
{
	char name[64];
	unsigned answers = 0;

	for (unsigned i = 0; i < FLOOD; i++) {
		snprintf(name, sizeof(name), "r%u.x%u.%s", from + i, i % 8, zone);
		iterate_send(w, name, DNS_TYPE_A, (uint16_t)(from + i));
		if (i % 20 == 0)
			answers += iterate_run(w, NS_PER_MS);
	}
	return answers + iterate_run(w, ns);
}

static uint64_t resolutions_active(const struct iterate_world *w)
{
	struct engine_gauges g;

	engine_gauges(w->world->engines[0], &g);
	return g.resolutions_active;
}

static void live_answers_soon(struct iterate_world *w, const char *name)
{
	mono_ns from = w->world->now;

	CU_ASSERT_FATAL(iterate_ask(w, name, DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT(w->answered_at - from < 50 * NS_PER_MS);
}

static void iterate_load__a_dead_zone_has_its_share_only(void)
{
	static const char *const dead[] = {"dead.net.", "nowhere.net."};

	for (unsigned i = 0; i < ARRAY_COUNT(dead); i++) {
		struct iterate_world *w = world_of_dead(1);
		unsigned refused = flood(w, dead[i], 1000, 20 * NS_PER_MS);

		/* All that is beyond it is told so at once. */
		CU_ASSERT(resolutions_active(w) <= SHARE + 8);
		CU_ASSERT(refused >= FLOOD - SHARE - 8);
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
		CU_ASSERT_EQUAL(iterate_ede(w), DNS_EDE_NO_REACHABLE_AUTHORITY);
		CU_ASSERT(world_count(w->world, COUNTER_SHED_ZONE_SHARE) >= FLOOD - SHARE - 8);
		CU_ASSERT_EQUAL(world_count(w->world, COUNTER_SHED_UNDER_WAY), 0);
		live_answers_soon(w, "new.live.net.");
		iterate_free(w);
	}
}

/* What it had to say before is better than nothing; and a refusal says nothing about the name. */
static void iterate_load__a_refusal_is_stale_and_is_not_kept(void)
{
	struct iterate_world *w;

	w = world_of_dead(1);
	dead_answers = true;
	CU_ASSERT_FATAL(iterate_ask(w, "old.dead.net.", DNS_TYPE_A));
	(void)iterate_run(w, 20 * NS_PER_S);
	dead_answers = false;
	(void)flood(w, "dead.net.", 1000, 20 * NS_PER_MS);
	CU_ASSERT_FATAL(iterate_ask(w, "old.dead.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	CU_ASSERT(iterate_has(w, "old.dead.net.", DNS_TYPE_A, "198.18.0.9"));
	CU_ASSERT_EQUAL(iterate_ede(w), DNS_EDE_STALE_ANSWER);
	CU_ASSERT_FATAL(iterate_ask(w, "new.dead.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	dead_answers = true;
	(void)iterate_run(w, 6 * NS_PER_S);
	CU_ASSERT_FATAL(iterate_ask(w, "new.dead.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
	iterate_free(w);
}

/* Rounds of floods, and the servers are back: as many as ever are answered within two seconds. */
static void iterate_load__what_was_dead_is_asked_as_ever_soon(void)
{
	struct iterate_world *w = world_of_dead(1);
	unsigned refused;

	for (unsigned i = 0; i < 6; i++)
		(void)flood(w, "dead.net.", 1000 * (i + 1), 4 * NS_PER_S);
	dead_answers = true;
	for (unsigned i = 0; i < 20; i++) {
		char name[64];

		snprintf(name, sizeof(name), "back%u.dead.net.", i);
		iterate_send(w, name, DNS_TYPE_A, (uint16_t)i);
		(void)iterate_run(w, 100 * NS_PER_MS);
	}
	refused = (unsigned)world_count(w->world, COUNTER_ANSWERS_SERVFAIL);
	for (unsigned i = 0; i < SHARE; i++) {
		char name[64];

		snprintf(name, sizeof(name), "more%u.dead.net.", i);
		iterate_send(w, name, DNS_TYPE_A, (uint16_t)i);
	}
	CU_ASSERT_EQUAL(iterate_run(w, 200 * NS_PER_MS), SHARE);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_ANSWERS_SERVFAIL), refused);
	iterate_free(w);
}

/* More questions than there is room for, for servers that have no share, as they are configured: those that have waited for some
 * time make room for others, which are answered. */
static void iterate_load__old_questions_make_room(void)
{
	struct iterate_world *w = iterate_new(zones, ARRAY_COUNT(zones), 1);
	struct engine_zone zone = {.recursion_desired = true, .timeout_ms = 1500, .tries = 2};
	struct endpoint server = {.port = DNS_PORT};
	unsigned answers;

	CU_ASSERT_FATAL(name_from_text("forwarded.", &zone.name));
	CU_ASSERT_FATAL(world_address("192.0.40.9", &server.address));
	world_zone(w->world, &zone, &server, 1);
	w->server = dead_is_silent;
	dead_answers = false;
	iterate_start(w);
	CU_ASSERT_FATAL(iterate_ask(w, "www.live.net.", DNS_TYPE_A));
	CU_ASSERT_EQUAL(flood(w, "forwarded.", 1000, 300 * NS_PER_MS), 0);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_SHED_OLD), 0);
	/* All that wait are too young to be given up. */
	CU_ASSERT_EQUAL(resolutions_active(w), 256);
	answers = iterate_run(w, 200 * NS_PER_MS);
	iterate_send(w, "another.forwarded.", DNS_TYPE_A, 1);
	answers += iterate_run(w, 2 * NS_PER_MS);
	CU_ASSERT(answers >= 256 / 8 && answers <= 256 / 8 + 1);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_SHED_OLD), answers);
	CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(iterate_ede(w), DNS_EDE_NO_REACHABLE_AUTHORITY);
	iterate_send(w, "new.live.net.", DNS_TYPE_A, 2);
	(void)iterate_run(w, 20 * NS_PER_MS);
	CU_ASSERT_EQUAL(world_count(w->world, COUNTER_ANSWERS_NOERROR), 2);
	iterate_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(iterate_load__a_dead_zone_has_its_share_only),
	UNIT_TEST(iterate_load__a_refusal_is_stale_and_is_not_kept),
	UNIT_TEST(iterate_load__old_questions_make_room),
	UNIT_TEST(iterate_load__what_was_dead_is_asked_as_ever_soon),
};
UNIT_SUITE(iterate_load, tests)
