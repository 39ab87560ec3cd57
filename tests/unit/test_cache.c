/* The cache's functions one by one. test_cache_property.c compares long histories with a map, test_cache_trace.c
 * counts hits, tests/stress/stress_cache.c has threads. */
#include <string.h>

#include "cache_rig.h"
#include "core/cache.h"
#include "core/cache_read.h"
#include "unit.h"

enum { A = 1, AAAA = 28, TTL = 1000, NOW = 50, WORDS = 9 };

static struct cache_rig rig;
static unsigned next_number; /* of keys that no test names */

static void start(unsigned log_count)
{
	cache_rig_start(&rig, CACHE_BYTES_MIN, log_count);
	next_number = 1000000;
}

static enum cache_put put(const struct cache_key *key, uint64_t version)
{
	return cache_rig_put(&rig, 0, key, version, WORDS, TTL, NOW, NULL);
}

static void cache_put__is_found_as_it_was_put(void)
{
	struct cache_key key;

	start(1);
	cache_rig_key(&key, 1, A);
	CU_ASSERT(cache_rig_find(&rig, &key) == CACHE_RIG_NONE);
	for (unsigned words = cache_rig_words_min(&key); words <= CACHE_ENTRY_WORDS_MAX;
	     words += 97) {
		CU_ASSERT(cache_rig_put(&rig, 0, &key, words, words, TTL + words, NOW, NULL) ==
			  CACHE_PUT_OK);
		CU_ASSERT(cache_rig_find(&rig, &key) == words);
		CU_ASSERT(rig.found.word_count == words);
		CU_ASSERT(rig.found.head.stored_at_s == NOW);
		CU_ASSERT(rig.found.head.ttl_s == TTL + words);
		cache_check(rig.cache);
	}
	cache_rig_stop(&rig);
}

static void cache_put__replaces_what_was_there(void)
{
	struct cache_key key;
	struct cache_usage usage;

	start(2);
	cache_rig_key(&key, 1, A);
	for (uint64_t version = 0; version < 100; version++) {
		CU_ASSERT(cache_rig_put(&rig, version % 2, &key, version, WORDS, TTL, NOW, NULL) ==
			  CACHE_PUT_OK);
		CU_ASSERT(cache_rig_find(&rig, &key) == version);
	}
	cache_usage(rig.cache, &usage);
	CU_ASSERT(usage.index_words_used == 1);
	CU_ASSERT(usage.log_used_bytes == 100 * WORDS * 8);
	CU_ASSERT(rig.writers[0]->stats.displaced + rig.writers[1]->stats.displaced == 0);
	cache_rig_stop(&rig);
}

static void cache_find__compares_the_whole_key(void)
{
	static const struct {
		const char *name;
		uint16_t qtype;
		uint8_t view;
		bool checking_disabled;
	} others[] = {
		{"www.example.com.", AAAA, 0, false}, {"www.example.com.", 257, 0, false},
		{"www.example.com.", A, 1, false},    {"www.example.com.", A, 0, true},
		{"www.example.con.", A, 0, false},    {"vww.example.com.", A, 0, false},
		{"ww.example.com.", A, 0, false},     {"www.example.com.a.", A, 0, false},
	};
	struct cache_key key, other;

	start(1);
	cache_rig_key_of(&key, "www.example.com.", A);
	CU_ASSERT(put(&key, 7) == CACHE_PUT_OK);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		cache_rig_key_of(&other, others[i].name, others[i].qtype);
		cache_key_set(&other, others[i].qtype, others[i].view, others[i].checking_disabled,
			      other.image[CACHE_KEY_NAME - 1]);
		/* Even where the hashes are the same. */
		other.hash = key.hash;
		CU_ASSERT(cache_rig_find(&rig, &other) == CACHE_RIG_NONE);
		CU_ASSERT(put(&other, 100 + i) == CACHE_PUT_OK);
		CU_ASSERT(cache_rig_find(&rig, &other) == 100 + i);
		if (i < 7)
			CU_ASSERT(cache_rig_find(&rig, &key) == 7);
	}
	/* Nine keys of one hash: the oldest went. */
	CU_ASSERT(cache_rig_find(&rig, &key) == CACHE_RIG_NONE);
	CU_ASSERT(rig.writers[0]->stats.displaced == 1);
	cache_rig_stop(&rig);
}

/* Names of every length, so that the image ends at every byte of a word. */
static void cache_find__compares_names_of_all_lengths(void)
{
	char text[256];
	struct cache_key key, other;

	start(1);
	for (unsigned length = 1; length <= 250; length++) {
		for (unsigned i = 0; i < length; i++)
			text[i] = i % 50 == 49 && i + 1 < length ? '.' : 'a';
		text[length] = '\0';
		cache_rig_key_of(&key, text, A);
		text[length - 1] = 'b';
		cache_rig_key_of(&other, text, A);
		other.hash = key.hash;
		CU_ASSERT(cache_rig_put(&rig, 0, &key, length, 60, TTL, NOW, NULL) == CACHE_PUT_OK);
		CU_ASSERT(cache_rig_find(&rig, &key) == length);
		CU_ASSERT(cache_rig_find(&rig, &other) == CACHE_RIG_NONE);
	}
	cache_rig_stop(&rig);
}

static void cache_find__leaves_out_what_is_too_long_for_the_copy(void)
{
	struct cache_candidates candidates;
	struct cache_key key;

	start(1);
	cache_rig_key(&key, 1, A);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 1, 20, TTL, NOW, NULL) == CACHE_PUT_OK);
	cache_candidates(rig.cache, key.hash, &candidates);
	CU_ASSERT(candidates.count == 1);
	memset(rig.copy, 0xee, sizeof(rig.copy));
	CU_ASSERT(cache_find(rig.cache, &candidates, &key, rig.copy, 19, &rig.found) ==
		  CACHE_NOT_FOUND);
	CU_ASSERT(rig.copy[19] == UINT64_C(0xeeeeeeeeeeeeeeee));
	CU_ASSERT(cache_find(rig.cache, &candidates, &key, rig.copy, 20, &rig.found) ==
		  CACHE_FOUND);
	CU_ASSERT(rig.copy[20] == UINT64_C(0xeeeeeeeeeeeeeeee));
	cache_rig_stop(&rig);
}

/* Nine keys of one bucket: which of the first eight goes? */
static unsigned displaced_of(uint32_t marked)
{
	struct cache_key keys[9];
	unsigned gone = 9;

	start(2);
	for (unsigned i = 0; i < 9; i++) {
		cache_rig_key(&keys[i], i, A);
		keys[i].hash = UINT64_C(0x123456789) << 28 | (i + 1);
	}
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT(put(&keys[i], i) == CACHE_PUT_OK);
	for (unsigned i = 0; i < 8; i++)
		if ((marked >> i & 1) != 0)
			CU_ASSERT(!cache_rig_mark(&rig, &keys[i]));
	CU_ASSERT(put(&keys[8], 8) == CACHE_PUT_OK);
	CU_ASSERT(rig.writers[0]->stats.displaced == 1);
	CU_ASSERT(cache_rig_find(&rig, &keys[8]) == 8);
	for (unsigned i = 0; i < 8; i++) {
		if (cache_rig_find(&rig, &keys[i]) == i)
			continue;
		CU_ASSERT(gone == 9);
		gone = i;
	}
	cache_rig_stop(&rig);
	return gone;
}

static void cache_put__displaces_the_oldest_that_was_not_hit(void)
{
	CU_ASSERT(displaced_of(0) == 0);
	CU_ASSERT(displaced_of(0x01) == 1);
	CU_ASSERT(displaced_of(0x1f) == 5);
	CU_ASSERT(displaced_of(0x7f) == 7);
	CU_ASSERT(displaced_of(0xff) == 0);
}

static void cache_mark__says_whether_it_was_set(void)
{
	struct cache_key key, other;

	start(1);
	cache_rig_key(&key, 1, A);
	cache_rig_key(&other, 2, A);
	CU_ASSERT(put(&key, 1) == CACHE_PUT_OK);
	CU_ASSERT(put(&other, 1) == CACHE_PUT_OK);
	CU_ASSERT(!cache_rig_mark(&rig, &key));
	CU_ASSERT(cache_rig_mark(&rig, &key));
	CU_ASSERT(!cache_rig_mark(&rig, &other));
	/* What replaces it was not hit. */
	CU_ASSERT(put(&key, 2) == CACHE_PUT_OK);
	CU_ASSERT(!cache_rig_mark(&rig, &key));
	cache_rig_stop(&rig);
}

static void cache_put__refuses_what_is_too_long(void)
{
	struct cache_key key;
	unsigned eighth;

	start(CACHE_LOGS_MAX);
	cache_rig_key(&key, 1, A);
	eighth = (unsigned)rig.cache->log_words / 8;
	CU_ASSERT(eighth > WORDS && eighth < CACHE_ENTRY_WORDS_MAX);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 1, eighth, TTL, NOW, NULL) == CACHE_PUT_OK);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 2, eighth + 1, TTL, NOW, NULL) ==
		  CACHE_PUT_TOO_LONG);
	CU_ASSERT(cache_rig_find(&rig, &key) == 1);
	cache_rig_stop(&rig);
	start(1);
	memset(rig.entry, 0, sizeof(rig.entry));
	CU_ASSERT(cache_put(rig.writers[0], &key, rig.entry, CACHE_ENTRY_WORDS_MAX + 1, NOW,
			    NULL) == CACHE_PUT_TOO_LONG);
	CU_ASSERT(rig.writers[0]->stats.inserts == 0);
	cache_rig_stop(&rig);
}

static void cache_put__forgets_the_oldest_when_the_log_is_full(void)
{
	struct cache_key key;
	unsigned kept = 0, put_count;

	start(1);
	cache_rig_lap(&rig, 0, &next_number, NOW);
	/* The entry that began the lap has just taken the place of the first. */
	put_count = next_number - 1000000;
	CU_ASSERT(rig.writers[0]->stats.evictions == 1);
	for (unsigned i = 0; i < put_count; i++) {
		cache_rig_key(&key, 1000000 + i, A);
		if (cache_rig_find(&rig, &key) == 1)
			kept++;
		else
			CU_ASSERT(i == 0 || rig.writers[0]->stats.displaced > 0);
	}
	CU_ASSERT(kept == put_count - 1 - rig.writers[0]->stats.displaced);
	cache_rig_stop(&rig);
}

static void cache_put__keeps_what_was_hit_over_laps(void)
{
	struct cache_key hot, cold, once;

	start(1);
	cache_rig_key(&hot, 1, A);
	cache_rig_key(&cold, 2, A);
	cache_rig_key(&once, 3, A);
	CU_ASSERT(put(&hot, 11) == CACHE_PUT_OK);
	CU_ASSERT(put(&cold, 12) == CACHE_PUT_OK);
	CU_ASSERT(put(&once, 13) == CACHE_PUT_OK);
	CU_ASSERT(!cache_rig_mark(&rig, &once));
	for (unsigned lap = 0; lap < 300; lap++) {
		/* It has its mark taken when it is appended again. */
		CU_ASSERT(!cache_rig_mark(&rig, &hot));
		cache_rig_lap(&rig, 0, &next_number, NOW);
		CU_ASSERT(cache_rig_find(&rig, &hot) == 11);
		if (lap >= 1)
			CU_ASSERT(cache_rig_find(&rig, &cold) == CACHE_RIG_NONE);
		if (lap >= 2)
			CU_ASSERT(cache_rig_find(&rig, &once) == CACHE_RIG_NONE);
	}
	CU_ASSERT(rig.writers[0]->stats.second_chances >= 300);
	CU_ASSERT(rig.writers[0]->stats.second_chances <= 302);
	cache_rig_stop(&rig);
}

static void cache_put__never_brings_back_what_was_replaced_or_removed(void)
{
	struct cache_key replaced, removed;

	start(1);
	cache_rig_key(&replaced, 1, A);
	cache_rig_key(&removed, 2, A);
	for (unsigned lap = 0; lap < 3; lap++) {
		CU_ASSERT(put(&replaced, 1) == CACHE_PUT_OK);
		CU_ASSERT(put(&removed, 1) == CACHE_PUT_OK);
		(void)cache_rig_mark(&rig, &removed);
		CU_ASSERT(cache_remove(rig.cache, &rig.found));
		CU_ASSERT(!cache_remove(rig.cache, &rig.found));
		CU_ASSERT(cache_rig_find(&rig, &removed) == CACHE_RIG_NONE);
		(void)cache_rig_mark(&rig, &replaced);
		CU_ASSERT(put(&replaced, 2) == CACHE_PUT_OK);
		cache_rig_lap(&rig, 0, &next_number, NOW);
		CU_ASSERT(cache_rig_find(&rig, &removed) == CACHE_RIG_NONE);
		CU_ASSERT(cache_rig_find(&rig, &replaced) != 1);
		CU_ASSERT(rig.writers[0]->stats.second_chances == 0);
	}
	cache_rig_stop(&rig);
}

static void cache_put__lets_the_expired_go(void)
{
	struct cache_key expired, alive;

	start(1);
	cache_rig_key(&expired, 1, A);
	cache_rig_key(&alive, 2, A);
	CU_ASSERT(cache_rig_put(&rig, 0, &expired, 1, WORDS, 100, NOW, NULL) == CACHE_PUT_OK);
	CU_ASSERT(cache_rig_put(&rig, 0, &alive, 2, WORDS, 101, NOW, NULL) == CACHE_PUT_OK);
	(void)cache_rig_mark(&rig, &expired);
	(void)cache_rig_mark(&rig, &alive);
	/* Found though expired, until the writer comes by. */
	CU_ASSERT(cache_rig_find(&rig, &expired) == 1);
	cache_rig_lap(&rig, 0, &next_number, NOW + 100);
	CU_ASSERT(cache_rig_find(&rig, &expired) == CACHE_RIG_NONE);
	CU_ASSERT(cache_rig_find(&rig, &alive) == 2);
	CU_ASSERT(rig.writers[0]->stats.second_chances == 1);
	/* That was no eviction; the one is of the entry after these two. */
	CU_ASSERT(rig.writers[0]->stats.evictions == 1);
	cache_rig_stop(&rig);
}

/* A hot set that was put in one go is nearly all kept, though an insert appends a few again at most. */
static void cache_put__does_bounded_work(void)
{
	enum { HOT = 2000 };
	struct cache_key key;
	unsigned left = 0;
	uint64_t before, most = 0;

	start(1);
	for (unsigned i = 0; i < HOT; i++) {
		cache_rig_key(&key, i, A);
		CU_ASSERT(put(&key, 1) == CACHE_PUT_OK);
		(void)cache_rig_mark(&rig, &key);
	}
	while (rig.writers[0]->lap == 0 || rig.writers[0]->next < HOT * WORDS) {
		before = rig.writers[0]->stats.second_chances;
		cache_rig_key(&key, next_number++, A);
		CU_ASSERT(put(&key, 1) == CACHE_PUT_OK);
		before = rig.writers[0]->stats.second_chances - before;
		most = before > most ? before : most;
	}
	CU_ASSERT(most == CACHE_CHANCES_MAX);
	for (unsigned i = 0; i < HOT; i++) {
		cache_rig_key(&key, i, A);
		left += cache_rig_find(&rig, &key) == 1;
	}
	CU_ASSERT(left >= HOT * 96 / 100);
	CU_ASSERT(left < HOT);
	cache_rig_stop(&rig);
}

/* A reader that has its candidates and is then overtaken. */
static void cache_find__sees_that_it_was_overtaken(void)
{
	struct cache_candidates candidates;
	struct cache_key key, other;

	start(1);
	cache_rig_key(&key, 1, A);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 1, 100, TTL, NOW, NULL) == CACHE_PUT_OK);
	cache_candidates(rig.cache, key.hash, &candidates);
	while (cache_find(rig.cache, &candidates, &key, rig.copy, CACHE_ENTRY_WORDS_MAX,
			  &rig.found) == CACHE_FOUND) {
		CU_ASSERT(cache_rig_version(&rig, &key) == 1);
		CU_ASSERT(rig.writers[0]->lap == 0 || rig.writers[0]->next == 0);
		cache_rig_key(&other, next_number++, A);
		CU_ASSERT(cache_rig_put(&rig, 0, &other, 2, 30, TTL, NOW, NULL) == CACHE_PUT_OK);
	}
	/* Only its beginning was written over. */
	CU_ASSERT(rig.writers[0]->lap == 1 && rig.writers[0]->next == 30);
	CU_ASSERT(cache_find(rig.cache, &candidates, &key, rig.copy, CACHE_ENTRY_WORDS_MAX,
			     &rig.found) == CACHE_OVERTAKEN);
	for (unsigned lap = 1; lap < 255; lap++) {
		cache_rig_lap(&rig, 0, &next_number, NOW);
		CU_ASSERT(cache_find(rig.cache, &candidates, &key, rig.copy, CACHE_ENTRY_WORDS_MAX,
				     &rig.found) == CACHE_OVERTAKEN);
	}
	/* Laps come round: the word is that of another entry now. */
	cache_rig_lap(&rig, 0, &next_number, NOW);
	CU_ASSERT(rig.writers[0]->lap == 256);
	CU_ASSERT(cache_find(rig.cache, &candidates, &key, rig.copy, CACHE_ENTRY_WORDS_MAX,
			     &rig.found) == CACHE_NOT_FOUND);
	CU_ASSERT(cache_rig_find(&rig, &key) == CACHE_RIG_NONE);
	cache_rig_stop(&rig);
}

/* The first candidate's entry, into rig.copy and rig.found; nothing is written behind what may be. */
static struct cache_taken take(const struct cache_key *key,
			       const struct cache_candidates *candidates)
{
	struct cache_taken taken;

	memset(rig.copy, 0xee, sizeof(rig.copy));
	CU_ASSERT_FATAL(candidates->count > 0);
	taken = cache_take(rig.cache, candidates->words[0], cache_hash_upper(key->hash), rig.copy);
	CU_ASSERT(rig.copy[CACHE_COPY_LONG_WORDS] == UINT64_C(0xeeeeeeeeeeeeeeee));
	if (taken.copied)
		rig.found = cache_found_of(candidates->words[0], rig.copy);
	return taken;
}

static void cache_take__copies_what_is_not_long(void)
{
	struct cache_candidates candidates;
	struct cache_key key;

	start(1);
	cache_rig_key(&key, 1, A);
	for (unsigned count = cache_rig_words_min(&key); count < 40; count++) {
		CU_ASSERT(cache_rig_put(&rig, 0, &key, count, count, TTL, NOW, NULL) ==
			  CACHE_PUT_OK);
		cache_candidates(rig.cache, key.hash, &candidates);
		CU_ASSERT(take(&key, &candidates).copied == (count <= CACHE_COPY_LONG_WORDS));
		if (count > CACHE_COPY_LONG_WORDS)
			continue;
		CU_ASSERT(cache_rig_version(&rig, &key) == count);
		CU_ASSERT(!take(&key, &candidates).marked);
		CU_ASSERT(!cache_rig_mark(&rig, &key));
		CU_ASSERT(take(&key, &candidates).marked);
		/* Of another bucket: not what the word led to. */
		CU_ASSERT(!cache_take(rig.cache, candidates.words[0],
				      cache_hash_upper(key.hash) ^ 1, rig.copy)
				   .copied);
	}
	cache_rig_stop(&rig);
}

/* The writer has said that it comes, and has not written yet. */
static void cache_take__sees_that_it_is_being_overtaken(void)
{
	_Atomic uint64_t *reserve;
	struct cache_candidates candidates;
	struct cache_key key;
	uint64_t position;

	start(1);
	cache_rig_key(&key, 1, A);
	CU_ASSERT(put(&key, 1) == CACHE_PUT_OK);
	cache_candidates(rig.cache, key.hash, &candidates);
	reserve = &rig.cache->reserve[0].position;
	position = atomic_load(reserve);
	CU_ASSERT(take(&key, &candidates).copied);
	atomic_store(reserve, UINT64_C(1) << 32 | 1);
	CU_ASSERT(!take(&key, &candidates).copied);
	atomic_store(reserve, position);
	CU_ASSERT(take(&key, &candidates).copied);
	cache_rig_stop(&rig);
}

/* All over the log, up to its end, and none once its word is overtaken. */
static void cache_take__takes_no_mixture(void)
{
	struct cache_candidates candidates, first;
	struct cache_key key, first_key;
	unsigned number = 1, left_out = 0;

	start(1);
	cache_rig_key(&first_key, 0, A);
	CU_ASSERT(put(&first_key, 0) == CACHE_PUT_OK);
	cache_candidates(rig.cache, first_key.hash, &first);
	for (; rig.writers[0]->lap < 2; number++) {
		bool has_room;

		cache_rig_key(&key, number, A);
		CU_ASSERT_FATAL(put(&key, number) == CACHE_PUT_OK);
		cache_candidates(rig.cache, key.hash, &candidates);
		if (candidates.count != 1)
			continue;
		has_room = rig.cache->log_words - cache_word_offset(candidates.words[0]) >=
			   CACHE_COPY_LONG_WORDS;
		CU_ASSERT(take(&key, &candidates).copied == has_room);
		CU_ASSERT(!has_room || cache_rig_version(&rig, &key) == number);
		left_out += !has_room;
		CU_ASSERT(take(&first_key, &first).copied == (rig.writers[0]->lap == 0));
	}
	CU_ASSERT(left_out <= 4);
	cache_rig_stop(&rig);
}

static void cache_walk__finds_every_entry_once(void)
{
	enum { COUNT = 3000 };
	static uint8_t seen[COUNT];
	struct cache_walk walk;
	struct cache_key key;
	unsigned found = 0;
	uint64_t displaced;

	start(2);
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < COUNT; i++) {
		cache_rig_key(&key, i, A);
		CU_ASSERT(cache_rig_put(&rig, i % 2, &key, i, WORDS, TTL, NOW, NULL) ==
			  CACHE_PUT_OK);
	}
	cache_walk_begin(&walk, rig.cache);
	while (cache_walk_next(&walk, rig.copy, &rig.found)) {
		uint64_t version = rig.copy[rig.found.word_count - 1];

		if (version >= COUNT) {
			CU_FAIL("not an entry");
			continue;
		}
		cache_rig_key(&key, (unsigned)version, A);
		CU_ASSERT(cache_rig_version(&rig, &key) == version);
		CU_ASSERT(seen[version]++ == 0);
		found++;
		if (version % 2 == 0)
			CU_ASSERT(cache_remove(rig.cache, &rig.found));
	}
	displaced = rig.writers[0]->stats.displaced + rig.writers[1]->stats.displaced;
	CU_ASSERT(found == COUNT - displaced);
	for (unsigned i = 0; i < COUNT; i++) {
		cache_rig_key(&key, i, A);
		CU_ASSERT((cache_rig_find(&rig, &key) == i) == (i % 2 == 1 && seen[i] == 1));
	}
	cache_rig_stop(&rig);
}

static void cache_usage__adds_up(void)
{
	static const unsigned logs[] = {1, 2, 7, 64, CACHE_LOGS_MAX};
	struct cache_usage usage;

	for (size_t i = 0; i < ARRAY_COUNT(logs); i++) {
		for (size_t size = CACHE_BYTES_MIN; size < 9 * CACHE_BYTES_MIN;
		     size += CACHE_BYTES_MIN + 1) {
			struct cache_params params = {.size_bytes = size, .log_count = logs[i]};
			size_t bytes = cache_memory_bytes(&params);

			CU_ASSERT(bytes <= size && bytes > size - 64);
			cache_rig_start(&rig, size, logs[i]);
			cache_usage(rig.cache, &usage);
			CU_ASSERT(usage.size_bytes == bytes);
			CU_ASSERT(usage.index_bytes >= bytes / 6 - 64);
			CU_ASSERT(usage.index_bytes == usage.index_words * 8);
			CU_ASSERT(usage.index_bytes + usage.log_bytes <= bytes);
			/* Whole steps a log: what is left over is little. */
			CU_ASSERT(usage.log_bytes > bytes * 7 / 10);
			CU_ASSERT(usage.log_used_bytes == 0 && usage.index_words_used == 0);
			cache_rig_stop(&rig);
		}
	}
}

/* Every entry put is found, or counted among those that went. */
static void cache_writer_stats__balance(void)
{
	struct cache_usage usage;
	uint64_t inserts = 0, gone = 0, chances = 0;

	start(2);
	for (unsigned i = 0; i < 60000; i++) {
		struct cache_key key;

		cache_rig_key(&key, i, A);
		CU_ASSERT(cache_rig_put(&rig, i % 3 == 0, &key, i, WORDS + i % 5, TTL, i / 1000,
					NULL) == CACHE_PUT_OK);
		if (i % 7 == 0)
			(void)cache_rig_mark(&rig, &key);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct cache_writer_stats *s = &rig.writers[i]->stats;

		inserts += s->inserts;
		gone += s->inserts_lost + s->evictions + s->displaced;
		chances += s->second_chances;
		CU_ASSERT(s->evictions > 0 && s->displaced > 0 && s->inserts_lost == 0);
		CU_ASSERT(s->evicted_age_s > 0 && s->evicted_age_s < s->evictions * 60);
	}
	cache_usage(rig.cache, &usage);
	CU_ASSERT(inserts == 60000 && chances > 0);
	CU_ASSERT(inserts == gone + usage.index_words_used);
	cache_rig_stop(&rig);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_put__is_found_as_it_was_put),
	UNIT_TEST(cache_put__replaces_what_was_there),
	UNIT_TEST(cache_find__compares_the_whole_key),
	UNIT_TEST(cache_find__compares_names_of_all_lengths),
	UNIT_TEST(cache_find__leaves_out_what_is_too_long_for_the_copy),
	UNIT_TEST(cache_put__displaces_the_oldest_that_was_not_hit),
	UNIT_TEST(cache_mark__says_whether_it_was_set),
	UNIT_TEST(cache_put__refuses_what_is_too_long),
	UNIT_TEST(cache_put__forgets_the_oldest_when_the_log_is_full),
	UNIT_TEST(cache_put__keeps_what_was_hit_over_laps),
	UNIT_TEST(cache_put__never_brings_back_what_was_replaced_or_removed),
	UNIT_TEST(cache_put__lets_the_expired_go),
	UNIT_TEST(cache_put__does_bounded_work),
	UNIT_TEST(cache_find__sees_that_it_was_overtaken),
	UNIT_TEST(cache_take__copies_what_is_not_long),
	UNIT_TEST(cache_take__sees_that_it_is_being_overtaken),
	UNIT_TEST(cache_take__takes_no_mixture),
	UNIT_TEST(cache_walk__finds_every_entry_once),
	UNIT_TEST(cache_usage__adds_up),
	UNIT_TEST(cache_writer_stats__balance),
};
UNIT_SUITE(cache, tests)
