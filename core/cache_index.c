#include "cache_index.h"

_Atomic uint64_t *cache_index_place(const struct cache *c, uint32_t hash_upper, uint64_t position,
				    uint64_t *word)
{
	_Atomic uint64_t *bucket = cache_bucket(c, hash_upper);

	for (unsigned i = 0; i < CACHE_BUCKET_WORDS; i++) {
		*word = atomic_load_explicit(&bucket[i], memory_order_relaxed);
		if (*word != 0 && (*word ^ position) << (64 - CACHE_WORD_TAG_SHIFT) == 0)
			return &bucket[i];
	}
	return NULL;
}

/* ---- entering ---- */

static bool is_of_key(const struct cache *c, uint64_t word, const struct cache_key *key)
{
	uint64_t copy[CACHE_HEAD_WORDS + CACHE_KEY_WORDS_MAX];

	return word >> CACHE_WORD_TAG_SHIFT == cache_tag(key->hash) &&
	       cache_read(c, word, cache_hash_upper(key->hash), key, CACHE_ENTRY_WORDS_MAX, copy,
			  ARRAY_COUNT(copy)) == CACHE_FOUND;
}

/* Words put into its log since the entry was: logs are of equal size, so that this is an age. */
static uint64_t age_words(const struct cache *c, uint64_t reserve, uint64_t word)
{
	uint64_t age = (reserve - word) & CACHE_POSITION_MASK;

	return age <= c->log_words ? age : age - (UINT64_C(1) << 32) + c->log_words;
}

/* The place to take in a bucket that has nothing of the key: an empty word, a dead one, else the oldest that was not hit, else
 * the oldest. *displaces: somebody could still have found it. */
static unsigned choose_victim(const struct cache *c, const uint64_t words[CACHE_BUCKET_WORDS],
			      bool *displaces)
{
	uint64_t most = 0;
	unsigned victim = 0;

	*displaces = false;
	for (unsigned i = 0; i < CACHE_BUCKET_WORDS; i++)
		if (words[i] == 0)
			return i;
	for (unsigned i = 0; i < CACHE_BUCKET_WORDS; i++) {
		uint64_t reserve = cache_reserve_before(c, words[i]);
		uint64_t score;

		if (!cache_is_before(reserve, words[i]))
			return i;
		score = age_words(c, reserve, words[i]) +
			(cache_mark_is_set(c, words[i]) ? 0 : 2 * c->log_words);
		if (score > most) {
			most = score;
			victim = i;
		}
	}
	*displaces = true;
	return victim;
}

enum cache_index_enter cache_index_enter(const struct cache *c, const struct cache_key *key,
					 uint64_t word)
{
	_Atomic uint64_t *bucket = cache_bucket(c, cache_hash_upper(key->hash));
	uint32_t empty = cache_tags_find(bucket, 0); /* which is no entry's tag */
	uint64_t words[CACHE_BUCKET_WORDS];
	bool entered = false, displaces;
	unsigned victim;

	if (LIKELY(cache_tags_find(bucket, cache_tag(key->hash)) == 0 && empty != 0))
		return cache_index_write(c, &bucket[__builtin_ctz(empty) / 4], 0, word)
			       ? CACHE_INDEX_ENTERED
			       : CACHE_INDEX_LOST;
	for (unsigned i = 0; i < CACHE_BUCKET_WORDS; i++)
		words[i] = atomic_load_explicit(&bucket[i], memory_order_acquire);
	for (unsigned i = 0; i < CACHE_BUCKET_WORDS; i++) {
		if (words[i] == 0 || !is_of_key(c, words[i], key))
			continue;
		if (entered)
			(void)cache_index_write(c, &bucket[i], words[i], 0);
		else if (cache_index_write(c, &bucket[i], words[i], word))
			entered = true;
		else
			return CACHE_INDEX_LOST;
	}
	if (entered)
		return CACHE_INDEX_ENTERED;
	victim = choose_victim(c, words, &displaces);
	if (!cache_index_write(c, &bucket[victim], words[victim], word))
		return CACHE_INDEX_LOST;
	return displaces ? CACHE_INDEX_DISPLACED : CACHE_INDEX_ENTERED;
}

/* ---- marks ---- */

bool cache_mark(struct cache *c, uint64_t word)
{
	uint64_t bit;
	_Atomic uint64_t *marks = cache_mark_of(c, word, &bit);

	if (LIKELY((atomic_load_explicit(marks, memory_order_relaxed) & bit) != 0))
		return true;
	return (atomic_fetch_or_explicit(marks, bit, memory_order_relaxed) & bit) != 0;
}

bool cache_mark_take(const struct cache *c, uint64_t word)
{
	uint64_t bit;
	_Atomic uint64_t *marks = cache_mark_of(c, word, &bit);

	if ((atomic_load_explicit(marks, memory_order_relaxed) & bit) == 0)
		return false;
	atomic_fetch_and_explicit(marks, ~bit, memory_order_relaxed);
	return true;
}
