/* Entries of a cache file on their way to the worker: in which turns they come, when there is place for more, and that none is
 * lost or torn between the two threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_lane.h"
#include "engine_cache_world.h"
#include "unit.h"

enum { TTL_S = 300, CACHE_BYTES = 8 << 20, MANY = 5000 };

struct lane_world {
	struct rig *r;
	struct cache_lane *lane;
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
};

static void setup(struct lane_world *w)
{
	w->r = kept_rig(1);
	w->r->cache_bytes = CACHE_BYTES;
	rig_start(w->r);
	w->lane = malloc(sizeof(*w->lane));
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->lane);
	cache_lane_init(w->lane, w->r->cache);
}

static void teardown(struct lane_world *w)
{
	free(w->lane);
	rig_finish(w->r);
}

static struct cache_key key_of(const struct lane_world *w, unsigned number)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u.example", number);
	return rig_cache_key(w->r, name, DNS_TYPE_A, false);
}

/* An entry of this number, TTL_S + number % 100 seconds to live. */
static bool put(struct lane_world *w, unsigned number)
{
	struct cache_key key = key_of(w, number);
	unsigned count;

	cache_entry_make_failure(w->words, &count, &key, DNS_RCODE_SERVFAIL, 22,
				 TTL_S + number % 100, (uint32_t)(w->r->now / NS_PER_S));
	return cache_lane_put(w->lane, key.hash, w->words, count);
}

static bool is_kept(struct lane_world *w, unsigned number)
{
	struct cache_key key = key_of(w, number);
	struct cache_found found;

	return engine_cache_find(w->r->engines[0], &key, w->words, &found) &&
	       found.head.rcode == DNS_RCODE_SERVFAIL && found.head.ttl_s == TTL_S + number % 100;
}

static unsigned kept_count(struct lane_world *w, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++)
		kept += is_kept(w, i);
	return kept;
}

static enum cache_lane_state take(struct lane_world *w)
{
	return cache_lane_take(w->lane, w->r->engines[0], w->r->now);
}

static void cache_lane__gives_a_batch_turn_by_turn(void)
{
	static struct lane_world w;
	const unsigned count = 2 * CACHE_LANE_PER_TURN + 1;

	setup(&w);
	for (unsigned i = 0; i < count; i++)
		CU_ASSERT(put(&w, i));
	/* Before it is handed over, nothing is there. */
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_WAITS);
	CU_ASSERT_EQUAL(kept_count(&w, count), 0);
	cache_lane_hand_over(w.lane, true);
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_MOVES);
	CU_ASSERT_EQUAL(kept_count(&w, count), CACHE_LANE_PER_TURN);
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_MOVES);
	CU_ASSERT_EQUAL(kept_count(&w, count), 2 * CACHE_LANE_PER_TURN);
	CU_ASSERT(!cache_lane_is_left(w.lane));
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_ENDED);
	CU_ASSERT_EQUAL(kept_count(&w, count), count);
	CU_ASSERT(cache_lane_is_left(w.lane));
	teardown(&w);
}

static void cache_lane__has_two_batches(void)
{
	static struct lane_world w;
	unsigned count = 0;
	enum cache_lane_state state = CACHE_LANE_MOVES;

	setup(&w);
	while (put(&w, count))
		count++;
	CU_ASSERT_EQUAL(count, CACHE_LANE_ENTRIES);
	cache_lane_hand_over(w.lane, false);
	CU_ASSERT(cache_lane_may_fill(w.lane));
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT(put(&w, count + i));
	cache_lane_hand_over(w.lane, true);
	/* The worker has both: the thread has none. */
	CU_ASSERT(!cache_lane_may_fill(w.lane) && !put(&w, count + 3));
	for (unsigned i = 0; i + 1 < CACHE_LANE_ENTRIES / CACHE_LANE_PER_TURN; i++)
		CU_ASSERT_EQUAL(take(&w), CACHE_LANE_MOVES);
	CU_ASSERT(!cache_lane_may_fill(w.lane));
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_MOVES);
	CU_ASSERT(cache_lane_may_fill(w.lane));
	CU_ASSERT_EQUAL(kept_count(&w, count), count);
	for (unsigned turns = 0; state == CACHE_LANE_MOVES && turns < 2; turns++)
		state = take(&w);
	CU_ASSERT_EQUAL(state, CACHE_LANE_ENDED);
	CU_ASSERT_EQUAL(kept_count(&w, count + 4), count + 3);
	teardown(&w);
}

/* An empty last batch is the end, too. */
static void cache_lane__ends_with_nothing(void)
{
	static struct lane_world w;

	setup(&w);
	cache_lane_hand_over(w.lane, true);
	CU_ASSERT_EQUAL(take(&w), CACHE_LANE_ENDED);
	CU_ASSERT(cache_lane_is_left(w.lane));
	teardown(&w);
}

static void cache_lane__is_full_by_words(void)
{
	static struct lane_world w;
	const unsigned most = CACHE_LANE_WORDS / CACHE_ENTRY_WORDS_MAX;
	const unsigned left = CACHE_LANE_WORDS - most * CACHE_ENTRY_WORDS_MAX;

	setup(&w);
	for (unsigned i = 0; i < most; i++)
		CU_ASSERT(cache_lane_put(w.lane, i, w.words, CACHE_ENTRY_WORDS_MAX));
	CU_ASSERT(!cache_lane_put(w.lane, most, w.words, left + 1));
	CU_ASSERT(cache_lane_put(w.lane, most, w.words, left));
	CU_ASSERT(!cache_lane_put(w.lane, most, w.words, 1));
	/* The worker is told to stop before it has taken anything. */
	cache_lane_leave(w.lane);
	CU_ASSERT(cache_lane_is_left(w.lane));
	teardown(&w);
}

static void *empty_it(void *argument)
{
	struct lane_world *w = argument;
	uintptr_t turns = 0;

	while (take(w) != CACHE_LANE_ENDED)
		turns++;
	return (void *)turns;
}

/* Both at once, over several times both batches. */
static void cache_lane__loses_nothing_between_two_threads(void)
{
	static struct lane_world w;
	static struct lane_world own; /* the thread that fills has words of its own */
	pthread_t worker;

	setup(&w);
	own = w;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&worker, NULL, empty_it, &w), 0);
	for (unsigned i = 0; i < MANY;) {
		if (!cache_lane_may_fill(own.lane))
			continue;
		if (put(&own, i))
			i++;
		else
			cache_lane_hand_over(own.lane, false);
	}
	while (!cache_lane_may_fill(own.lane))
		;
	cache_lane_hand_over(own.lane, true);
	CU_ASSERT_EQUAL(pthread_join(worker, NULL), 0);
	CU_ASSERT(cache_lane_is_left(w.lane));
	CU_ASSERT_EQUAL(kept_count(&w, MANY), MANY);
	teardown(&w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_lane__gives_a_batch_turn_by_turn),
	UNIT_TEST(cache_lane__has_two_batches),
	UNIT_TEST(cache_lane__ends_with_nothing),
	UNIT_TEST(cache_lane__is_full_by_words),
	UNIT_TEST(cache_lane__loses_nothing_between_two_threads),
};
UNIT_SUITE(cache_lane, tests)
