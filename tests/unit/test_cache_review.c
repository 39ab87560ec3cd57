/* What a review of the cache found wrong, each as the scenario that shows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_file.h"
#include "engine_cache_world.h"
#include "unit.h"

enum { TTL_S = 300, SAVED_S = 1000 };

/* An entry in the file of this path: saved when the machine had no wall clock yet. */
static void file_make(const char *path)
{
	const struct cache_file_time saved = {.wall_ns = 1, .mono = SAVED_S * NS_PER_S};
	struct cache_key key = {.hash = 0};
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_file_writer w;
	struct name name;
	unsigned count;

	CU_ASSERT_FATAL(name_from_text("a.example", &name));
	cache_key_set(&key, DNS_TYPE_A, 0, false, name.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, name.bytes, name.length_bytes);
	cache_entry_make_failure(words, &count, &key, DNS_RCODE_SERVFAIL, 22, TTL_S, SAVED_S);
	CU_ASSERT_EQUAL_FATAL(cache_file_create(&w, path), CACHE_FILE_OK);
	cache_file_add(&w, words, count);
	CU_ASSERT_EQUAL_FATAL(cache_file_finish(&w, &saved), CACHE_FILE_OK);
}

static void cache_file_rebase__makes_nothing_fresh_that_is_very_old(void)
{
	static const uint64_t elapsed_s[] = {UINT64_C(1) << 30, (UINT64_C(1) << 31) - 1,
					     UINT64_C(1) << 31, UINT64_C(1) << 33};
	char directory[] = "/tmp/portico-unit.XXXXXX";
	char path[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/cache", directory);
	file_make(path);
	for (size_t i = 0; i < ARRAY_COUNT(elapsed_s); i++) {
		const struct cache_file_time now = {elapsed_s[i] * NS_PER_S, 2000 * NS_PER_S};
		uint64_t words[CACHE_ENTRY_WORDS_MAX];
		struct cache_file_reader r;
		struct cache_key key;
		unsigned count;

		CU_ASSERT_EQUAL_FATAL(cache_file_open(&r, path), CACHE_FILE_OK);
		cache_file_rebase(&r, &now);
		CU_ASSERT_EQUAL(cache_file_next(&r, words, &count, &key), CACHE_FILE_OK);
		CU_ASSERT_EQUAL(cache_entry_state(words, 0, 2000), CACHE_ENTRY_DEAD);
		cache_file_close(&r);
	}
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(directory), 0);
}

static unsigned entry_of(struct rig *r, const char *name, uint64_t words[CACHE_ENTRY_WORDS_MAX])
{
	struct cache_key key = rig_cache_key(r, name, DNS_TYPE_A, false);
	struct cache_found found;

	CU_ASSERT_FATAL(engine_cache_find(r->engines[0], &key, words, &found));
	return found.word_count;
}

/* As dpdk_app/cache_flusher.c does it, to the moment when the flush is in force. */
static void flush_to_force(struct rig *r, struct cache_flush *flush, const char *name)
{
	memset(flush, 0, sizeof(*flush));
	flush->count = 1;
	CU_ASSERT_FATAL(name_from_text(name, &flush->rules[0].name));
	cache_flush_begin(&flush->rules[0]);
	cache_flush_publish(r->cache, flush);
	rig_advance(r, NS_PER_MS);
	cache_flush_fix(r->cache, &flush->rules[0]);
	rig_advance(r, NS_PER_MS);
}

/* The file is still being read back when a name is flushed that stands further on in it. */
static void engine_cache_restore__brings_back_nothing_that_was_flushed(void)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	static struct cache_flush flush;
	struct rig *before = kept_rig(1);
	struct rig *r = kept_rig(1);
	struct cache_head head;
	struct cache_key key;
	unsigned count;

	rig_start(before);
	rig_start(r);
	kept_learn(before, "a.example", 600);
	count = entry_of(before, "a.example", words);
	flush_to_force(r, &flush, "a.example");
	key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);
	(void)engine_cache_restore(r->engines[0], &key, words, count, r->now);
	CU_ASSERT(!kept_entry(r, "a.example", &head));
	cache_flush_publish(r->cache, NULL);
	rig_finish(before);
	rig_finish(r);
}

/* The machine comes up without its upstreams, which is what the file is for. */
static void engine_cache_restore__prefers_an_answer_to_a_failure(void)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct rig *before = kept_rig(1);
	struct rig *r = kept_rig(1);
	struct cache_head head;
	struct cache_key key;
	unsigned count;

	rig_start(before);
	rig_start(r);
	kept_learn(before, "a.example", 600);
	count = entry_of(before, "a.example", words);
	kept_ask(r, "a.example");
	kept_fail(r);
	CU_ASSERT_FATAL(kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(head.rcode, DNS_RCODE_SERVFAIL);
	key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);
	CU_ASSERT(engine_cache_restore(r->engines[0], &key, words, count, r->now));
	CU_ASSERT(kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(head.rcode, DNS_RCODE_NOERROR);
	rig_finish(before);
	rig_finish(r);
}

/* The server answers each time; it is we who have no buffer for its answer. */
static void engine_cache__keeps_no_failure_that_is_our_own(void)
{
	struct rig *r = kept_rig(1);
	struct engine *e;
	uint32_t taken[4096];
	uint32_t count = 0;
	struct cache_head head;
	struct rig_query q;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length_bytes;

	rig_start(r);
	e = r->engines[0];
	r->in_place = false;
	kept_ask(r, "a.example");
	for (uint32_t idx;
	     count < ARRAY_COUNT(taken) && (idx = pool_take(&e->answers_free)) != POOL_NONE;)
		taken[count++] = idx;
	CU_ASSERT_FATAL(kept_query(r, &q));
	length_bytes = kept_reply_build(&q, &(struct kept_reply){.ttl_s = 60}, message);
	CU_ASSERT_EQUAL(rig_answer_bytes(r, &q, message, length_bytes), COUNTER_DROP_ANSWERS_FULL);
	kept_fail(r);
	CU_ASSERT(!kept_entry(r, "a.example", &head));
	while (count > 0)
		pool_put(&e->answers_free, taken[--count]);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_file_rebase__makes_nothing_fresh_that_is_very_old),
	UNIT_TEST(engine_cache_restore__brings_back_nothing_that_was_flushed),
	UNIT_TEST(engine_cache_restore__prefers_an_answer_to_a_failure),
	UNIT_TEST(engine_cache__keeps_no_failure_that_is_our_own),
};
UNIT_SUITE(cache_review, tests)
