/* Flushing the cache: which entries a rule covers, and that none comes back. */
#include <string.h>

#include "cache_rig.h"
#include "core/cache.h"
#include "unit.h"

enum { A = 1, AAAA = 28, TTL = 1000, NOW = 50, WORDS = 12 };

static struct cache_rig rig;
static unsigned next_number;

static void start(void)
{
	cache_rig_start(&rig, CACHE_BYTES_MIN, 8);
	next_number = 1000000;
}

static void rule_set(struct cache_flush *flush, const char *name, bool below, uint16_t qtype)
{
	struct cache_flush_rule *rule = &flush->rules[flush->count++];

	CHECK(name_from_text(name, &rule->name));
	rule->below = below;
	rule->qtype = qtype;
	cache_flush_begin(rule);
}

/* It must be there. */
static bool is_flushed(const struct cache_key *key, const struct cache_flush *flush)
{
	CU_ASSERT(cache_rig_find(&rig, key) < CACHE_RIG_DAMAGED);
	return cache_is_flushed(rig.cache, flush, &rig.found, rig.copy);
}

static void cache_is_flushed__goes_by_name_and_type(void)
{
	static const struct {
		const char *rule;
		bool below;
		uint16_t rule_type;
		const char *name;
		bool want;
	} cases[] = {
		{"example.com.", false, 0, "example.com.", true},
		{"example.com.", false, A, "example.com.", true},
		{"example.com.", false, AAAA, "example.com.", false},
		{"example.com.", false, 0, "www.example.com.", false},
		{"example.com.", true, 0, "www.example.com.", true},
		{"example.com.", true, 0, "a.b.c.example.com.", true},
		{"example.com.", true, A, "www.example.com.", true},
		{"example.com.", true, AAAA, "www.example.com.", false},
		{"example.com.", true, 0, "example.com.", true},
		{"example.com.", true, 0, "com.", false},
		{"example.com.", true, 0, "xexample.com.", false},
		{"example.com.", true, 0, "a.xexample.com.", false},
		/* The same bytes, but within a label. */
		{"example.com.", true, 0, "a\\007example\\003com.", false},
		{"example.com.", true, 0, "example.com.a.", false},
		{"example.com.", true, 0, "example.org.", false},
		{".", true, 0, "example.com.", true},
		{".", true, 0, ".", true},
		{".", false, 0, ".", true},
		{".", false, 0, "example.com.", false},
	};

	start();
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		static struct cache_flush flush;
		struct cache_key key;

		flush.count = 0;
		rule_set(&flush, cases[i].rule, cases[i].below, cases[i].rule_type);
		cache_rig_key_of(&key, cases[i].name, A);
		CU_ASSERT(cache_rig_put(&rig, 0, &key, i, 20, TTL, NOW, NULL) == CACHE_PUT_OK);
		CU_ASSERT(!is_flushed(&key, NULL));
		if (is_flushed(&key, &flush) != cases[i].want)
			CU_FAIL(cases[i].name);
		flush.count = 0;
		CU_ASSERT(!is_flushed(&key, &flush));
	}
	cache_rig_stop(&rig);
}

static void cache_flush_fix__spares_what_is_put_later(void)
{
	static struct cache_flush flush;
	struct cache_key old, new_in_log, in_other_log, other;

	start();
	flush.count = 0;
	rule_set(&flush, "other.", true, 0);
	rule_set(&flush, "test.", true, 0);
	cache_rig_key(&old, 1, A);
	cache_rig_key(&new_in_log, 2, A);
	cache_rig_key(&in_other_log, 3, A);
	cache_rig_key_of(&other, "n1.other.", A);
	/* Over some laps, of which an index word knows the lowest bits. */
	for (unsigned lap = 0; lap < 300; lap++) {
		CU_ASSERT(cache_rig_put(&rig, 1, &old, 1, WORDS, TTL, NOW, NULL) == CACHE_PUT_OK);
		CU_ASSERT(cache_rig_put(&rig, 1, &other, 1, WORDS, TTL, NOW, NULL) == CACHE_PUT_OK);
		cache_flush_begin(&flush.rules[0]);
		cache_flush_begin(&flush.rules[1]);
		CU_ASSERT(is_flushed(&old, &flush));
		CU_ASSERT(is_flushed(&other, &flush));
		cache_flush_fix(rig.cache, &flush.rules[1]);
		CU_ASSERT(cache_rig_put(&rig, 1, &new_in_log, 1, WORDS, TTL, NOW, &flush) ==
			  CACHE_PUT_OK);
		CU_ASSERT(cache_rig_put(&rig, 0, &in_other_log, 1, WORDS, TTL, NOW, &flush) ==
			  CACHE_PUT_OK);
		CU_ASSERT(is_flushed(&old, &flush));
		CU_ASSERT(is_flushed(&other, &flush));
		CU_ASSERT(!is_flushed(&new_in_log, &flush));
		CU_ASSERT(!is_flushed(&in_other_log, &flush));
		/* What stood before is replaced, and so is there again. */
		CU_ASSERT(cache_rig_put(&rig, 1, &old, 2, WORDS, TTL, NOW, &flush) == CACHE_PUT_OK);
		CU_ASSERT(!is_flushed(&old, &flush));
		cache_rig_lap(&rig, 1, &next_number, NOW);
	}
	cache_rig_stop(&rig);
}

static void cache_flush_publish__is_seen(void)
{
	static struct cache_flush flush;

	start();
	CU_ASSERT(cache_flush_now(rig.cache) == NULL);
	cache_flush_publish(rig.cache, &flush);
	CU_ASSERT(cache_flush_now(rig.cache) == &flush);
	cache_flush_publish(rig.cache, NULL);
	CU_ASSERT(cache_flush_now(rig.cache) == NULL);
	cache_rig_stop(&rig);
}

/* Put entries until the log's next lap, knowing of a flush; they are of names that it does not cover. */
static void lap_knowing(const struct cache_flush *flush)
{
	uint32_t lap = rig.writers[0]->lap;

	while (rig.writers[0]->lap == lap) {
		struct cache_key key;

		cache_rig_key(&key, next_number++, AAAA);
		CU_ASSERT(cache_rig_put(&rig, 0, &key, 1, 60, TTL, NOW, flush) == CACHE_PUT_OK);
	}
}

/* A writer that does not know the rule yet appends an old entry again, behind where the logs then were. It stays flushed,
 * as positions are fixed only when every worker knows the rule; and who knows it lets such entries go. */
static void cache_flush_begin__covers_what_is_appended_again(void)
{
	static struct cache_flush flush;
	struct cache_key hit, kept;
	uint64_t chances;

	start();
	flush.count = 0;
	rule_set(&flush, "test.", true, A);
	cache_rig_key(&hit, 1, A);
	cache_rig_key(&kept, 2, AAAA);
	CU_ASSERT(cache_rig_put(&rig, 0, &hit, 1, WORDS, TTL, NOW, NULL) == CACHE_PUT_OK);
	CU_ASSERT(cache_rig_put(&rig, 0, &kept, 1, WORDS, TTL, NOW, NULL) == CACHE_PUT_OK);
	(void)cache_rig_mark(&rig, &hit);
	(void)cache_rig_mark(&rig, &kept);
	lap_knowing(NULL);
	chances = rig.writers[0]->stats.second_chances;
	CU_ASSERT(chances == 2);
	CU_ASSERT(is_flushed(&hit, &flush));
	CU_ASSERT(!is_flushed(&kept, &flush));
	cache_flush_fix(rig.cache, &flush.rules[0]);
	CU_ASSERT(is_flushed(&hit, &flush));
	(void)cache_rig_mark(&rig, &hit);
	(void)cache_rig_mark(&rig, &kept);
	lap_knowing(&flush);
	CU_ASSERT(rig.writers[0]->stats.second_chances == chances + 1);
	CU_ASSERT(cache_rig_find(&rig, &hit) == CACHE_RIG_NONE);
	CU_ASSERT(cache_rig_find(&rig, &kept) == 1);
	cache_rig_stop(&rig);
}

/* As control does it: when the sweep is done, nothing that was flushed is left without the rule. */
static void cache_flush__is_done_by_a_sweep(void)
{
	enum { COUNT = 2000 };
	static struct cache_flush flush;
	struct cache_walk walk;
	struct cache_key key;
	unsigned left = 0, removed = 0;

	start();
	flush.count = 0;
	rule_set(&flush, "test.", true, A);
	for (unsigned i = 0; i < COUNT; i++) {
		cache_rig_key(&key, i, i % 2 == 0 ? A : AAAA);
		CU_ASSERT(cache_rig_put(&rig, i % 2, &key, i, WORDS, TTL, NOW, NULL) ==
			  CACHE_PUT_OK);
	}
	cache_flush_fix(rig.cache, &flush.rules[0]);
	cache_rig_key(&key, 0, A);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 7, WORDS, TTL, NOW, &flush) == CACHE_PUT_OK);
	cache_walk_begin(&walk, rig.cache);
	while (cache_walk_next(&walk, rig.copy, &rig.found))
		if (cache_is_flushed(rig.cache, &flush, &rig.found, rig.copy))
			removed += cache_remove(rig.cache, &rig.found);
	CU_ASSERT(removed > COUNT / 2 * 9 / 10 && removed < COUNT / 2);
	for (unsigned i = 1; i < COUNT; i++) {
		cache_rig_key(&key, i, i % 2 == 0 ? A : AAAA);
		left += cache_rig_find(&rig, &key) != CACHE_RIG_NONE;
		CU_ASSERT(i % 2 == 1 || cache_rig_find(&rig, &key) == CACHE_RIG_NONE);
	}
	CU_ASSERT(left > COUNT / 2 * 9 / 10);
	cache_rig_key(&key, 0, A);
	CU_ASSERT(cache_rig_find(&rig, &key) == 7);
	cache_rig_stop(&rig);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_is_flushed__goes_by_name_and_type),
	UNIT_TEST(cache_flush_fix__spares_what_is_put_later),
	UNIT_TEST(cache_flush_publish__is_seen),
	UNIT_TEST(cache_flush_begin__covers_what_is_appended_again),
	UNIT_TEST(cache_flush__is_done_by_a_sweep),
};
UNIT_SUITE(cache_flush, tests)
