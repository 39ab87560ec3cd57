/* What the cache keeps, counted on traces: against an LRU of the same bytes, and against scans. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_rig.h"
#include "core/cache.h"
#include "unit.h"

enum { A = 1, WORDS = 9, TTL = 100000, NOW = 50, FOOTPRINT = 10, TRACE = 600000, SCAN_EVERY = 5 };
#define ZIPF 0.95
#define LRU_NONE UINT32_MAX

/* Least recently used goes first: a list through an array of all names. Its links and its index cost it nothing here, and
 * it has as many bytes for entries as the cache's logs. */
struct lru {
	uint32_t *newer;
	uint32_t *older;
	bool *is_in;
	uint32_t newest, oldest;
	unsigned count, capacity;
};

static void lru_start(struct lru *l, unsigned names, unsigned capacity)
{
	l->newer = calloc(names, sizeof(l->newer[0]));
	l->older = calloc(names, sizeof(l->older[0]));
	l->is_in = calloc(names, sizeof(l->is_in[0]));
	CHECK(l->newer != NULL && l->older != NULL && l->is_in != NULL);
	l->newest = l->oldest = LRU_NONE;
	l->count = 0;
	l->capacity = capacity;
}

static void lru_stop(struct lru *l)
{
	free(l->newer);
	free(l->older);
	free(l->is_in);
}

static void lru_take_out(struct lru *l, uint32_t name)
{
	uint32_t newer = l->newer[name], older = l->older[name];

	*(newer == LRU_NONE ? &l->newest : &l->older[newer]) = older;
	*(older == LRU_NONE ? &l->oldest : &l->newer[older]) = newer;
	l->is_in[name] = false;
	l->count--;
}

/* Was it in? Then it is the newest. */
static bool lru_ask(struct lru *l, uint32_t name)
{
	bool hit = l->is_in[name];

	if (hit)
		lru_take_out(l, name);
	else if (l->count == l->capacity)
		lru_take_out(l, l->oldest);
	l->newer[name] = LRU_NONE;
	l->older[name] = l->newest;
	*(l->newest == LRU_NONE ? &l->oldest : &l->newer[l->newest]) = name;
	l->newest = name;
	l->is_in[name] = true;
	l->count++;
	return hit;
}

/* As a resolver does it: what is not there is put. */
static bool ask(struct cache_rig *rig, uint32_t name)
{
	struct cache_key key;

	cache_rig_key(&key, name, A);
	if (cache_rig_find(rig, &key) != CACHE_RIG_NONE) {
		(void)cache_mark(rig->cache, rig->found.word);
		return true;
	}
	CU_ASSERT(cache_rig_put(rig, 0, &key, name, WORDS, TTL, NOW, NULL) == CACHE_PUT_OK);
	return false;
}

static uint32_t draw_zipf(const double sums[], unsigned names, unsigned long long *random)
{
	double point = (double)(unit_random(random) >> 11) * 0x1p-53 * sums[names - 1];
	unsigned low = 0, high = names - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (sums[middle] < point)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Requests of which one in `scan_every` is of a name that is never asked for again (0: none). */
static void compare_with_lru(const char *what, unsigned scan_every)
{
	static struct cache_rig rig;
	unsigned long long random = unit_seed();
	unsigned capacity, names, misses = 0, lru_misses = 0, counted = 0, fresh;
	struct lru lru;
	double *sums, sum = 0;

	cache_rig_start(&rig, CACHE_BYTES_MIN, 1);
	capacity = (unsigned)(rig.cache->log_words / WORDS);
	names = fresh = FOOTPRINT * capacity;
	sums = malloc(names * sizeof(sums[0]));
	CHECK(sums != NULL);
	for (unsigned i = 0; i < names; i++)
		sums[i] = sum += 1 / pow(i + 1, ZIPF);
	lru_start(&lru, names + TRACE, capacity);
	for (unsigned i = 0; i < TRACE; i++) {
		bool scans = scan_every != 0 && i % scan_every == 0;
		uint32_t name = scans ? fresh++ : draw_zipf(sums, names, &random);
		bool missed = !ask(&rig, name), lru_missed = !lru_ask(&lru, name);

		/* A third to fill them. */
		if (scans || i < TRACE / 3)
			continue;
		counted++;
		misses += missed;
		lru_misses += lru_missed;
	}
	printf("cache, %s: miss ratio %.4f, of an LRU %.4f\n", what, (double)misses / counted,
	       (double)lru_misses / counted);
	CU_ASSERT(misses * 100.0 <= lru_misses * 102.0);
	lru_stop(&lru);
	free(sums);
	cache_rig_stop(&rig);
}

static void cache_trace__misses_no_more_than_an_lru(void)
{
	compare_with_lru("Zipf 0.95 at 10 % footprint", 0);
	compare_with_lru("the same and a fifth scans", SCAN_EVERY);
}

/* Names asked for once, five times what fits, while a set of a quarter of what fits is asked for as well. */
static void cache_trace__keeps_its_hot_set_over_a_scan(void)
{
	static struct cache_rig rig;
	unsigned long long random = unit_seed();
	unsigned capacity, hot, left = 0, fresh = 10000000;

	cache_rig_start(&rig, CACHE_BYTES_MIN, 1);
	capacity = (unsigned)(rig.cache->log_words / WORDS);
	hot = capacity / 4;
	for (unsigned i = 0; i < 2 * hot; i++)
		(void)ask(&rig, i % hot);
	for (unsigned i = 0; i < 5 * capacity; i++) {
		(void)ask(&rig, fresh++);
		(void)ask(&rig, (uint32_t)(unit_random(&random) % hot));
		(void)ask(&rig, (uint32_t)(unit_random(&random) % hot));
	}
	CU_ASSERT(rig.writers[0]->lap >= 5);
	for (unsigned i = 0; i < hot; i++) {
		struct cache_key key;

		cache_rig_key(&key, i, A);
		left += cache_rig_find(&rig, &key) == i;
	}
	printf("cache, scan of 5 times its size: %.2f %% of the hot set is left\n",
	       100.0 * left / hot);
	CU_ASSERT(left * 100.0 >= hot * 95.0);
	cache_rig_stop(&rig);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_trace__misses_no_more_than_an_lru),
	UNIT_TEST(cache_trace__keeps_its_hot_set_over_a_scan),
};
UNIT_SUITE(cache_trace, tests)
