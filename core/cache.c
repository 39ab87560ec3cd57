#include "cache.h"

#include "cache_index.h"
#include "cache_read.h"

/* one part in so many: entries of 48 to 72 bytes fill their words by 0.8 to 0.55 */
#define INDEX_SHARE 6
/* What the offset in an index word and the ages of entries leave room for. */
#define LOG_WORDS_MAX ((UINT64_C(1) << 31) - CACHE_LOG_STEP_WORDS)

struct layout {
	size_t size_bytes;
	size_t reserve_at, index_at, marks_at, words_at;
	uint64_t bucket_count;
	uint64_t log_words;
};

static size_t round_up_to_line(size_t bytes)
{
	return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

static struct layout layout_of(const struct cache_params *params)
{
	struct layout l = {.size_bytes = params->size_bytes / CACHE_LINE_BYTES * CACHE_LINE_BYTES};
	size_t mark_bytes, rest;

	CHECK(params->size_bytes >= CACHE_BYTES_MIN);
	CHECK(params->log_count >= 1 && params->log_count <= CACHE_LOGS_MAX);
	l.reserve_at = round_up_to_line(sizeof(struct cache));
	l.index_at = l.reserve_at + params->log_count * sizeof(struct cache_reserve);
	l.bucket_count = l.size_bytes / INDEX_SHARE / CACHE_LINE_BYTES;
	CHECK(l.bucket_count <= UINT32_MAX);
	l.marks_at = l.index_at + l.bucket_count * CACHE_LINE_BYTES;
	/* A step of a log and its marks; a line is kept for rounding those up. */
	rest = (l.size_bytes - l.marks_at - CACHE_LINE_BYTES) / params->log_count;
	l.log_words = rest / (CACHE_LOG_STEP_WORDS * 8 + 8) * CACHE_LOG_STEP_WORDS;
	if (l.log_words > LOG_WORDS_MAX)
		l.log_words = LOG_WORDS_MAX;
	mark_bytes = params->log_count * l.log_words / CACHE_MARK_WORDS / 8;
	l.words_at = round_up_to_line(l.marks_at + mark_bytes);
	CHECK(l.log_words > 0);
	CHECK(l.words_at + params->log_count * l.log_words * 8 <= l.size_bytes);
	return l;
}

size_t cache_memory_bytes(const struct cache_params *params)
{
	return layout_of(params).size_bytes;
}

struct cache *cache_init(void *memory, const struct cache_params *params)
{
	struct layout l = layout_of(params);
	struct cache *c = memory;
	uint8_t *bytes = memory;

	CHECK((uintptr_t)memory % CACHE_LINE_BYTES == 0);
	*c = (struct cache){
		.index = (_Atomic uint64_t *)(void *)(bytes + l.index_at),
		.bucket_count = l.bucket_count,
		.words = (_Atomic uint64_t *)(void *)(bytes + l.words_at),
		.log_words = l.log_words,
		.reserve = (struct cache_reserve *)(void *)(bytes + l.reserve_at),
		.marks = (_Atomic uint64_t *)(void *)(bytes + l.marks_at),
		.log_count = params->log_count,
		.size_bytes = l.size_bytes,
	};
	return c;
}

/* ---- reading ---- */

void cache_candidates(const struct cache *c, uint64_t hash, struct cache_candidates *out)
{
	cache_candidates_inline(c, hash, out);
}

struct cache_looked cache_find_any(const struct cache *c, const struct cache_candidates *candidates,
				   const struct cache_key *key, uint64_t copy[],
				   unsigned most_words)
{
	struct cache_looked result = {CACHE_NOT_FOUND, 0};

	for (unsigned i = 0; i < candidates->count; i++) {
		uint64_t word = candidates->words[i];
		enum cache_find found = cache_read(c, word, cache_hash_upper(key->hash), key,
						   most_words, copy, most_words);

		if (found == CACHE_FOUND)
			return (struct cache_looked){CACHE_FOUND, word};
		if (found == CACHE_OVERTAKEN)
			result.found = CACHE_OVERTAKEN;
	}
	return result;
}

enum cache_find cache_find(const struct cache *c, const struct cache_candidates *candidates,
			   const struct cache_key *key, uint64_t copy[], unsigned most_words,
			   struct cache_found *out)
{
	struct cache_looked looked = cache_find_any(c, candidates, key, copy, most_words);

	if (looked.found == CACHE_FOUND)
		*out = cache_found_of(looked.word, copy);
	return looked.found;
}

/* ---- walking ---- */

void cache_walk_begin(struct cache_walk *w, const struct cache *c)
{
	*w = (struct cache_walk){.cache = c};
}

/* The entry of a word that was found in this bucket, whatever its key: its head must lead back to the bucket. */
static bool copy_of_bucket(const struct cache *c, uint64_t word, const _Atomic uint64_t *bucket,
			   uint64_t copy[CACHE_ENTRY_WORDS_MAX], struct cache_found *out)
{
	uint64_t first =
		atomic_load_explicit(&c->words[cache_word_at(c, word)], memory_order_relaxed);
	uint32_t hash_upper = (uint32_t)first ^ cache_word_offset(word);

	if (cache_bucket(c, hash_upper) != bucket ||
	    cache_read(c, word, hash_upper, NULL, CACHE_ENTRY_WORDS_MAX, copy,
		       CACHE_ENTRY_WORDS_MAX) != CACHE_FOUND)
		return false;
	*out = cache_found_of(word, copy);
	return true;
}

bool cache_walk_next(struct cache_walk *w, uint64_t copy[CACHE_ENTRY_WORDS_MAX],
		     struct cache_found *out)
{
	const struct cache *c = w->cache;

	while (w->next < c->bucket_count * CACHE_BUCKET_WORDS) {
		uint64_t at = w->next++;
		uint64_t word = atomic_load_explicit(&c->index[at], memory_order_acquire);

		if (word != 0 &&
		    copy_of_bucket(c, word, c->index + at / CACHE_BUCKET_WORDS * CACHE_BUCKET_WORDS,
				   copy, out))
			return true;
	}
	return false;
}

bool cache_remove(struct cache *c, const struct cache_found *found)
{
	/* If the entry is overwritten by now, this leads to a bucket where its word is not. */
	uint64_t first = atomic_load_explicit(&c->words[cache_word_at(c, found->word)],
					      memory_order_relaxed);
	uint64_t word;
	_Atomic uint64_t *place = cache_index_place(
		c, (uint32_t)first ^ cache_word_offset(found->word), found->word, &word);

	return place != NULL && cache_index_swap(place, word, 0);
}

/* ---- reports ---- */

void cache_usage(const struct cache *c, struct cache_usage *out)
{
	*out = (struct cache_usage){
		.size_bytes = c->size_bytes,
		.index_bytes = c->bucket_count * CACHE_LINE_BYTES,
		.log_bytes = c->log_count * c->log_words * 8,
		.index_words = c->bucket_count * CACHE_BUCKET_WORDS,
	};
	for (unsigned i = 0; i < c->log_count; i++) {
		uint64_t position =
			atomic_load_explicit(&c->reserve[i].position, memory_order_relaxed);

		out->log_used_bytes +=
			8 * (position >> 32 != 0 ? c->log_words : cache_word_offset(position));
	}
	for (uint64_t i = 0; i < out->index_words; i++)
		out->index_words_used +=
			atomic_load_explicit(&c->index[i], memory_order_relaxed) != 0;
}

static void check_word(const struct cache *c, uint64_t at, uint64_t word)
{
	const _Atomic uint64_t *bucket = c->index + at / CACHE_BUCKET_WORDS * CACHE_BUCKET_WORDS;
	uint64_t first, same;

	CHECK(word >> CACHE_WORD_TAG_SHIFT != 0);
	CHECK(cache_word_log(word) < c->log_count);
	CHECK(cache_word_offset(word) < c->log_words);
	CHECK(cache_is_before(cache_reserve_before(c, word), word));
	first = atomic_load_explicit(&c->words[cache_word_at(c, word)], memory_order_relaxed);
	CHECK(cache_entry_count(first) > CACHE_HEAD_WORDS);
	CHECK(cache_entry_count(first) <= c->log_words - cache_word_offset(word));
	CHECK((first >> CACHE_ENTRY_LAP_SHIFT & 0xff) == (word >> CACHE_WORD_LAP_SHIFT & 0xff));
	CHECK(cache_bucket(c, (uint32_t)first ^ cache_word_offset(word)) == bucket);
	CHECK(cache_index_place(c, (uint32_t)first ^ cache_word_offset(word), word, &same) ==
	      c->index + at);
}

void cache_check(const struct cache *c)
{
	for (unsigned i = 0; i < c->log_count; i++)
		CHECK(cache_word_offset(atomic_load_explicit(
			      &c->reserve[i].position, memory_order_relaxed)) <= c->log_words);
	for (uint64_t i = 0; i < c->bucket_count * CACHE_BUCKET_WORDS; i++) {
		uint64_t word = atomic_load_explicit(&c->index[i], memory_order_relaxed);

		if (word != 0)
			check_word(c, i, word);
	}
}
