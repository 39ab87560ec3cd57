/* Long histories of the cache against a map of what was last put: whatever is found is that, whole, and never another's.
 * The map says what may be found, not what must be: entries may go at any time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_rig.h"
#include "core/cache.h"
#include "unit.h"

enum { KEYS = 1500, A = 1 };

struct history {
	struct cache_rig rig;
	struct cache_key keys[KEYS];
	uint64_t last[KEYS]; /* version; 0: none, or removed */
	uint64_t version;
	uint32_t now_s;
	unsigned longest; /* words */
	unsigned long long random;
	uint64_t found, looked, wrong;
};

static struct history h;

static unsigned below(unsigned bound)
{
	return (unsigned)(unit_random(&h.random) >> 33) % bound;
}

static void put(unsigned number)
{
	unsigned least = cache_rig_words_min(&h.keys[number]);

	/* A key has one writer, as a question has one owner; now and then it changes. */
	h.version++;
	if (cache_rig_put(&h.rig, below(50) == 0 ? below(2) : number % 2, &h.keys[number],
			  h.version, least + below(h.longest - least + 1), below(2000), h.now_s,
			  NULL) != CACHE_PUT_OK)
		CU_FAIL("alone, and lost");
	h.last[number] = h.version;
}

static void look(unsigned number)
{
	uint64_t version = cache_rig_find(&h.rig, &h.keys[number]);

	h.looked++;
	if (version == CACHE_RIG_NONE)
		return;
	h.found++;
	h.wrong += version != h.last[number] || version == 0;
	if (below(3) == 0)
		(void)cache_mark(h.rig.cache, h.rig.found.word);
	if (below(200) == 0 && cache_remove(h.rig.cache, &h.rig.found))
		h.last[number] = 0;
}

/* Every entry that is there is that of the map. */
static void look_at_all(void)
{
	struct cache_walk walk;

	cache_walk_begin(&walk, h.rig.cache);
	while (cache_walk_next(&walk, h.rig.copy, &h.rig.found)) {
		unsigned number = 0;

		while (number < KEYS && memcmp(h.rig.copy + CACHE_HEAD_WORDS, h.keys[number].image,
					       h.keys[number].image_bytes) != 0)
			number++;
		h.wrong += number == KEYS ||
			   cache_rig_version(&h.rig, &h.keys[number]) != h.last[number];
	}
	cache_check(h.rig.cache);
}

/* tags: of how many values the keys' hashes are, in their lowest 16 bits; buckets: in their upper half. */
static void run(unsigned log_count, unsigned laps, unsigned tags, unsigned buckets)
{
	h.random = unit_seed() + log_count;
	h.version = h.now_s = 0;
	h.found = h.looked = h.wrong = 0;
	cache_rig_start(&h.rig, CACHE_BYTES_MIN, log_count);
	h.longest = (unsigned)h.rig.cache->log_words / 8;
	if (h.longest > CACHE_ENTRY_WORDS_MAX)
		h.longest = CACHE_ENTRY_WORDS_MAX;
	for (unsigned i = 0; i < KEYS; i++) {
		cache_rig_key(&h.keys[i], i, A);
		h.keys[i].hash = (h.keys[i].hash >> 32) % buckets * (UINT32_MAX / buckets) << 32 |
				 (uint16_t)h.keys[i].hash % tags;
		h.last[i] = 0;
	}
	for (unsigned op = 0; h.rig.writers[0]->lap < laps; op++) {
		/* Some keys are put but rarely, so that their places are laps old. */
		unsigned number = below(4) == 0 ? below(KEYS) : below(100);

		h.now_s += below(100) == 0;
		if (below(3) == 0)
			put(number);
		else
			look(number);
		if (op % 50000 == 0)
			look_at_all();
	}
	look_at_all();
	CU_ASSERT(h.wrong == 0);
	CU_ASSERT(h.found > h.looked / 50);
	CU_ASSERT(h.found < h.looked);
	CU_ASSERT(h.rig.writers[0]->stats.second_chances > 0);
	CU_ASSERT(h.rig.writers[1]->lap > laps / 4);
	cache_rig_stop(&h.rig);
}

static void cache__finds_what_was_last_put_over_600_laps(void)
{
	run(CACHE_LOGS_MAX, 600, 65536, 65536);
}

static void cache__finds_what_was_last_put_in_long_logs(void)
{
	run(2, 5, 65536, 65536);
	run(16, 40, 65536, 65536);
}

static void cache__finds_what_was_last_put_where_hashes_collide(void)
{
	run(CACHE_LOGS_MAX, 300, 2, 7);
	run(CACHE_LOGS_MAX, 300, 1, 1);
	run(32, 60, 3, 500);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache__finds_what_was_last_put_over_600_laps),
	UNIT_TEST(cache__finds_what_was_last_put_in_long_logs),
	UNIT_TEST(cache__finds_what_was_last_put_where_hashes_collide),
};
UNIT_SUITE(cache_property, tests)
