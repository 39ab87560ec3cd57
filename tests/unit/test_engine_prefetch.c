/* Popular answers are asked for again in the last tenth of their time, for nobody. */
#include "engine_cache_world.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "unit.h"

#define TTL_S 100
#define TENTH_S 10
#define REFRESH_AGAIN_S 5 /* failure_ttl_s of the rig */

/* Started, with an answer for a.example that has been asked for twice, so that it is popular, and is in its last tenth. */
static struct rig *prefetch_rig(unsigned engine_count)
{
	struct rig *r = kept_rig(engine_count);

	r->config.cache.prefetch = true;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	for (unsigned i = 0; i < 2; i++)
		kept_hit(r, "a.example");
	rig_advance(r, (TTL_S - TENTH_S) * NS_PER_S);
	return r;
}

static void engine_prefetch__renews_what_is_popular(void)
{
	struct rig *r = prefetch_rig(1);
	struct kept_got got;

	CU_ASSERT_EQUAL(kept_queries(r), 0);
	/* Many hits, one query. */
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(kept_hit(r, "a.example").ttl_s, TENTH_S);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 1);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	rig_advance(r, 100 * NS_PER_MS);
	kept_reply(r, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.ttl_s, TTL_S);
	CU_ASSERT_EQUAL(got.last_byte, 2);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_NEW), 1);
	rig_finish(r);
}

/* Asked for once a second for long: nobody ever waits, and servers are asked once in 90 s. */
static void engine_prefetch__leaves_no_gap(void)
{
	struct rig *r = prefetch_rig(1);
	struct rig_query q;
	unsigned queries = 0;

	for (unsigned s = 0; s < 1000; s++) {
		CU_ASSERT(kept_hit(r, "a.example").ttl_s > TENTH_S - 1);
		if (kept_query(r, &q)) {
			kept_reply_to(r, &q, &(struct kept_reply){.ttl_s = TTL_S});
			queries++;
		}
		rig_advance(r, NS_PER_S);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_NEW), 1);
	CU_ASSERT(queries >= 10 && queries <= 12);
	rig_finish(r);
}

static void engine_prefetch__is_for_what_is_popular_and_about_to_expire(void)
{
	struct rig *r = kept_rig(1);

	r->config.cache.prefetch = true;
	rig_start(r);
	/* Never asked for before its last tenth: once then is not popular. */
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, (TTL_S - 1) * NS_PER_S);
	kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	/* Popular, but not in its last tenth. */
	kept_learn(r, "b.example", TTL_S);
	rig_advance(r, (TTL_S - TENTH_S - 1) * NS_PER_S);
	for (unsigned i = 0; i < 10; i++)
		kept_hit(r, "b.example");
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	rig_advance(r, NS_PER_S);
	kept_hit(r, "b.example");
	CU_ASSERT_EQUAL(kept_queries(r), 1);
	rig_finish(r);
}

static void engine_prefetch__is_nothing_where_it_is_off(void)
{
	struct rig *r = kept_rig(1);

	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, (TTL_S - 1) * NS_PER_S);
	for (unsigned i = 0; i < 10; i++)
		kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 0);
	rig_finish(r);
}

/* The old answer goes on to its end, and servers are not asked with every hit meanwhile. */
static void engine_prefetch__that_fails_changes_nothing(void)
{
	struct rig *r = prefetch_rig(1);
	struct cache_head head = {0};

	for (unsigned s = 0; s < TENTH_S; s++) {
		for (unsigned i = 0; i < 10; i++) {
			struct kept_got got = kept_hit(r, "a.example");

			CU_ASSERT_EQUAL(got.ttl_s, TENTH_S - s);
			CU_ASSERT_EQUAL(got.last_byte, 1);
		}
		rig_advance(r, NS_PER_S);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), TENTH_S / REFRESH_AGAIN_S);
	CU_ASSERT_EQUAL(kept_queries(r), 3 * (TENTH_S / REFRESH_AGAIN_S));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_FAILURES), 0);
	CU_ASSERT(kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(head.ttl_s, TTL_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

/* Who asks when it has expired after all joins what is under way. */
static void engine_prefetch__is_joined_by_clients_that_come_too_late(void)
{
	struct rig *r = prefetch_rig(1);
	struct rig_query q;

	rig_advance(r, (TENTH_S - 1) * NS_PER_S);
	kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	rig_advance(r, NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_COALESCED);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 1);
	CU_ASSERT_FATAL(kept_query(r, &q)); /* the one of the first try, which has timed out */
	CU_ASSERT_FATAL(kept_query(r, &q));
	kept_reply_to(r, &q, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 2);
	rig_finish(r);
}

/* And get what has expired, when they have waited for long enough. */
static void engine_prefetch__that_is_joined_serves_stale_answers(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;
	mono_ns asked_at;

	r->config.cache.prefetch = true;
	r->config.cache.serve_stale = true;
	r->config.cache.client_timeout_ms = 500;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, (TTL_S - 1) * NS_PER_S);
	kept_hit(r, "a.example");
	kept_hit(r, "a.example");
	rig_advance(r, NS_PER_S);
	asked_at = r->now;
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_COALESCED);
	rig_advance(r, NS_PER_S);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.last_byte, 1);
	CU_ASSERT_EQUAL(got.ede, 3);
	CU_ASSERT(got.at >= asked_at + 500 * NS_PER_MS && got.at < asked_at + 505 * NS_PER_MS);
	rig_finish(r);
}

static void engine_prefetch__takes_half_of_what_may_be_under_way(void)
{
	enum { UNDER_WAY = 16 };
	struct rig *r = kept_rig(1);
	char name[40];

	r->config.cache.prefetch = true;
	r->params.under_way_max = UNDER_WAY;
	rig_start(r);
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		kept_learn(r, name, TTL_S);
		kept_hit(r, name);
	}
	rig_advance(r, (TTL_S - 1) * NS_PER_S);
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		kept_hit(r, name);
	}
	CU_ASSERT_EQUAL(kept_queries(r), UNDER_WAY / 2);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, UNDER_WAY / 2);
	/* There is room for clients. */
	for (unsigned i = 0; i < UNDER_WAY / 2; i++) {
		snprintf(name, sizeof(name), "c%u.example", i);
		CU_ASSERT_EQUAL(kept_ask(r, name), COUNTER_QUESTION_NEW);
	}
	rig_finish(r);
}

/* All hits are of a worker that does not own the question: its owner is told. */
static void engine_prefetch__goes_through_the_owner(void)
{
	struct rig *r = prefetch_rig(2);
	unsigned owner = rig_owner(r, "a.example", DNS_TYPE_A);
	struct rig_query q;

	for (unsigned i = 0; i < 10; i++) {
		enum counter outcome = kept_ask_at(r, "a.example", !owner);

		CU_ASSERT(outcome == COUNTER_CACHE_HIT || outcome == COUNTER_QUESTION_HANDED_OFF);
		CU_ASSERT_EQUAL(kept_got(r).ttl_s, TENTH_S);
	}
	CU_ASSERT_FATAL(kept_query(r, &q));
	CU_ASSERT_EQUAL(q.engine, owner);
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	CU_ASSERT_EQUAL(rig_count_of(r, owner, COUNTER_CACHE_PREFETCHES), 1);
	kept_reply_to(r, &q, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(kept_ask_at(r, "a.example", !owner), COUNTER_CACHE_HIT);
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 2);
	rig_finish(r);
}

static void engine_prefetch__is_for_the_owner_only(void)
{
	struct rig *r = prefetch_rig(2);
	unsigned owner = rig_owner(r, "a.example", DNS_TYPE_A);
	struct cache_key key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);

	engine_cache_refresh(r->engines[!owner], &key);
	rig_poll(r);
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	engine_cache_refresh(r->engines[owner], &key);
	rig_poll(r);
	CU_ASSERT_EQUAL(kept_queries(r), 1);
	rig_finish(r);
}

static void engine_prefetch__stops_when_we_do(void)
{
	struct rig *r = prefetch_rig(1);
	struct cache_key key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);

	engine_stop_taking(r->engines[0]);
	engine_cache_refresh(r->engines[0], &key);
	rig_poll(r);
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	rig_finish(r);
	/* Nor is one that is under way waited for. */
	r = prefetch_rig(1);
	kept_hit(r, "a.example");
	CU_ASSERT(!engine_idle(r->engines[0]));
	engine_stop_taking(r->engines[0]);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 1);
	CU_ASSERT(engine_idle(r->engines[0]));
	rig_finish(r);
}

static void engine_prefetch__shows_as_a_resolution_that_nobody_waits_for(void)
{
	struct rig *r = prefetch_rig(1);
	struct engine_inflight_row row;
	uint32_t cursor = 0;

	kept_hit(r, "a.example");
	CU_ASSERT_EQUAL_FATAL(engine_report_inflight(r->engines[0], &row, 1, &cursor, r->now), 1);
	CU_ASSERT_EQUAL(row.waiters, 0);
	CU_ASSERT_EQUAL(row.qtype, DNS_TYPE_A);
	CU_ASSERT_EQUAL(row.packets, 1);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_prefetch__renews_what_is_popular),
	UNIT_TEST(engine_prefetch__leaves_no_gap),
	UNIT_TEST(engine_prefetch__is_for_what_is_popular_and_about_to_expire),
	UNIT_TEST(engine_prefetch__is_nothing_where_it_is_off),
	UNIT_TEST(engine_prefetch__that_fails_changes_nothing),
	UNIT_TEST(engine_prefetch__is_joined_by_clients_that_come_too_late),
	UNIT_TEST(engine_prefetch__that_is_joined_serves_stale_answers),
	UNIT_TEST(engine_prefetch__takes_half_of_what_may_be_under_way),
	UNIT_TEST(engine_prefetch__goes_through_the_owner),
	UNIT_TEST(engine_prefetch__is_for_the_owner_only),
	UNIT_TEST(engine_prefetch__stops_when_we_do),
	UNIT_TEST(engine_prefetch__shows_as_a_resolution_that_nobody_waits_for),
};
UNIT_SUITE(engine_prefetch, tests)
