#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/cache.h"
#include "core/cache_entry.h"
#include "core/zone_cut.h"
#include "unit.h"

#define NOW_S 1000u

static struct zone_cut cut_of(const char *zone, uint32_t ttl_s, unsigned servers)
{
	struct name name;
	struct zone_cut cut;

	CU_ASSERT_TRUE_FATAL(name_from_text(zone, &name));
	zone_cut_init(&cut, &name, ZONE_CUT_ENT_LIAR, NOW_S + ttl_s);
	for (unsigned i = 0; i < servers; i++) {
		const uint8_t v4[4] = {198, 18, 0, (uint8_t)i};
		struct endpoint e = {address_from_v4(v4), DNS_PORT};
		char text[] = "ns0.example.net.";

		text[2] = (char)('a' + i);
		CU_ASSERT_TRUE_FATAL(name_from_text(text, &name));
		CU_ASSERT_TRUE_FATAL(zone_cut_add_server(&cut, &name));
		CU_ASSERT_TRUE_FATAL(zone_cut_add_address(&cut, &e, i));
	}
	return cut;
}

static void cache_entry__has_cuts_that_end_when_they_expire(void)
{
	static const char *const zones[] = {".", "com.", "example.com.", "a.b.c.d.e.example.com."};

	for (unsigned servers = 0; servers <= ZONE_CUT_SERVERS_MAX; servers++) {
		const char *zone = zones[servers % ARRAY_COUNT(zones)];
		struct zone_cut cut = cut_of(zone, 60, servers), again;
		struct cache_key key = entry_key(zone, CACHE_ENTRY_CUT_TYPE), checked;
		uint64_t words[CACHE_ENTRY_WORDS_MAX], stale[CACHE_ENTRY_WORDS_MAX];
		unsigned count, stale_count;

		memset(words, 0xa5, sizeof(words));
		CU_ASSERT_TRUE_FATAL(cache_entry_make_cut(words, &count, &key, &cut, NOW_S + 10));
		CU_ASSERT_TRUE(cache_entry_is_cut(words));
		CU_ASSERT_FALSE(cache_entry_is_failure(words));
		CU_ASSERT_EQUAL(cache_head_get(words).word_count, count);
		CU_ASSERT_EQUAL(cache_entry_state(words, 86400, NOW_S + 59), CACHE_ENTRY_FRESH);
		CU_ASSERT_EQUAL(cache_entry_state(words, 86400, NOW_S + 60), CACHE_ENTRY_DEAD);
		CU_ASSERT_FALSE(cache_entry_wants_refresh(words, NOW_S + 59));
		CU_ASSERT_FALSE(
			cache_entry_make_stale(stale, &stale_count, words, 30, 86400, NOW_S + 59));
		memset(&again, 0xa5, sizeof(again));
		CU_ASSERT_TRUE_FATAL(cache_entry_cut(words, &again));
		zone_cut_check(&again);
		CU_ASSERT_EQUAL(again.expires_at_s, NOW_S + 60);
		CU_ASSERT_EQUAL(again.flags, ZONE_CUT_ENT_LIAR);
		CU_ASSERT_EQUAL(again.server_count, servers);
		CU_ASSERT_EQUAL(again.address_count, servers);
		CU_ASSERT_TRUE(name_equal_exact(&again.zone, &cut.zone));
		/* No file has it: one that says so was tampered with. */
		CU_ASSERT_FALSE(cache_entry_check(words, count, &checked));
	}
}

static void cache_entry__makes_no_cut_of_what_is_not_learnt(void)
{
	struct zone_cut cut = cut_of("com.", 60, 1);
	struct cache_key key = entry_key("com.", CACHE_ENTRY_CUT_TYPE);
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	unsigned count;

	CU_ASSERT_FALSE(cache_entry_make_cut(words, &count, &key, &cut, NOW_S + 60));
	cut.flags = ZONE_CUT_HINTS;
	CU_ASSERT_FALSE(cache_entry_make_cut(words, &count, &key, &cut, NOW_S));
	cut.flags = ZONE_CUT_STUB;
	CU_ASSERT_FALSE(cache_entry_make_cut(words, &count, &key, &cut, NOW_S));
	cut.flags = 0;
	cut.expires_at_s = UINT32_MAX;
	CU_ASSERT_TRUE_FATAL(cache_entry_make_cut(words, &count, &key, &cut, NOW_S));
	CU_ASSERT_EQUAL(cache_head_get(words).ttl_s, CUT_TTL_S_MAX);
}

/* Beside an answer of the same name, and replaced by the next cut of it. */
static void cache_entry__keeps_cuts_in_the_cache(void)
{
	const struct cache_params params = {CACHE_BYTES_MIN, 1};
	void *memory = aligned_alloc(64, (cache_memory_bytes(&params) + 63) / 64 * 64);
	struct cache_writer *w = malloc(sizeof(*w));
	struct cache_key key = entry_key("com.", CACHE_ENTRY_CUT_TYPE);
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_candidates candidates;
	struct cache_found found;
	struct zone_cut cut;
	struct cache *cache;
	unsigned count;

	CU_ASSERT_TRUE_FATAL(memory != NULL && w != NULL);
	memset(memory, 0, cache_memory_bytes(&params));
	cache = cache_init(memory, &params);
	cache_writer_init(w, cache, 0);
	key.hash = UINT64_C(0x123456789abcdef0);
	for (unsigned servers = 1; servers < 3; servers++) {
		cut = cut_of("com.", 60, servers);
		CU_ASSERT_TRUE_FATAL(cache_entry_make_cut(words, &count, &key, &cut, NOW_S));
		CU_ASSERT_EQUAL(cache_put(w, &key, words, count, NOW_S, NULL), CACHE_PUT_OK);
		cache_candidates(cache, key.hash, &candidates);
		CU_ASSERT_EQUAL_FATAL(cache_find(cache, &candidates, &key, words,
						 CACHE_ENTRY_WORDS_MAX, &found),
				      CACHE_FOUND);
		CU_ASSERT_TRUE_FATAL(cache_entry_cut(words, &cut));
		CU_ASSERT_EQUAL(cut.server_count, servers);
	}
	cache_check(cache);
	free(w);
	free(memory);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry__has_cuts_that_end_when_they_expire),
	UNIT_TEST(cache_entry__makes_no_cut_of_what_is_not_learnt),
	UNIT_TEST(cache_entry__keeps_cuts_in_the_cache),
};
UNIT_SUITE(cache_entry_cut, tests)
