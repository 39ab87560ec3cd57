/* Reading the cache, inline: what cache_candidates and cache_find (cache.h) do, for the hit path, whose every instruction
 * counts (immintrin.h, of it SSE2 and SSE4.1, which x86-64-v2 has).
 *
 * Memory: the cache's. Threads: any number at once; nothing here waits for another.
 */
#ifndef PORTICO_CACHE_READ_H
#define PORTICO_CACHE_READ_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cache.h"
#include "check.h"

/* Acquire: whoever sees a word of a newer entry sees its reserve, too. */
static inline uint64_t cache_load_word(const _Atomic uint64_t *words, unsigned at)
{
	return atomic_load_explicit(&words[at], memory_order_acquire);
}

/* ---- which words of the bucket ---- */

/* Of two neighbouring words, all ones in their highest 16 bits where these are the tag's. */
static inline __m128i cache_tags_equal(const _Atomic uint64_t *bucket, unsigned at, __m128i tag)
{
	uint64_t first = atomic_load_explicit(&bucket[at], memory_order_relaxed);
	uint64_t second = atomic_load_explicit(&bucket[at + 1], memory_order_relaxed);

	return _mm_cmpeq_epi16(
		_mm_insert_epi64(_mm_cvtsi64_si128((long long)first), (long long)second, 1), tag);
}

/* A bit for each word of the bucket that has the tag: bit 4 * i + 3. */
static inline uint32_t cache_tags_find(const _Atomic uint64_t *bucket, uint64_t hash)
{
	const uint32_t highest = 0x88888888; /* of each word's four 16-bit lanes, the last one's */
	__m128i tag = _mm_set1_epi16((short)cache_tag(hash));
	__m128i low =
		_mm_packs_epi16(cache_tags_equal(bucket, 0, tag), cache_tags_equal(bucket, 2, tag));
	__m128i high =
		_mm_packs_epi16(cache_tags_equal(bucket, 4, tag), cache_tags_equal(bucket, 6, tag));

	return ((uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16) &
	       highest;
}

static inline void cache_candidates_inline(const struct cache *c, uint64_t hash,
					   struct cache_candidates *out)
{
	const _Atomic uint64_t *bucket = cache_bucket(c, cache_hash_upper(hash));
	uint32_t left = cache_tags_find(bucket, hash);
	uint64_t tag = cache_tag(hash);
	unsigned count = 0;

	for (; left != 0; left &= left - 1) {
		/* Once more, in case it is another word by now; acquire: who finds a word finds its entry written. */
		uint64_t word = cache_load_word(bucket, (unsigned)__builtin_ctz(left) / 4);
		uint64_t at = cache_word_at(c, word);

		/* An empty word leads to the beginning of the first log: no harm. */
		cache_fetch(c->words + at);
		cache_fetch(c->words + at + CACHE_LINE_BYTES / 8);
		cache_fetch(&c->marks[at / CACHE_MARK_WORDS / 64]);
		out->words[count] = word;
		count += word >> CACHE_WORD_TAG_SHIFT == tag;
	}
	out->count = (uint8_t)count;
}

/* ---- an entry ---- */

#define CACHE_COPY_WORDS 8 /* at once: an entry of one record and an ordinary name */

static inline void cache_copy_few(uint64_t copy[], const _Atomic uint64_t *entry)
{
#pragma GCC unroll 8
	for (unsigned i = 0; i < CACHE_COPY_WORDS; i++)
		copy[i] = cache_load_word(entry, i);
}

/* Copies count words, and perhaps some that follow them: neither beyond copy[0..most_words) nor beyond entry[0..left_words). */
static inline void cache_copy(uint64_t copy[], const _Atomic uint64_t *entry, unsigned count,
			      unsigned most_words, uint64_t left_words)
{
	unsigned i = 0;

	if (LIKELY(left_words >= CACHE_COPY_WORDS && most_words >= CACHE_COPY_WORDS)) {
		cache_copy_few(copy, entry);
		if (LIKELY(count <= CACHE_COPY_WORDS))
			return;
		for (i = CACHE_COPY_WORDS; i + CACHE_COPY_WORDS <= count; i += CACHE_COPY_WORDS)
			cache_copy_few(copy + i, entry + i);
	}
	for (; i < count; i++)
		copy[i] = cache_load_word(entry, i);
}

/* Bit i: byte i of the two is equal. */
static inline uint32_t cache_bytes_equal(const uint8_t *a, const uint8_t *b)
{
	return (uint32_t)_mm_movemask_epi8(
		_mm_cmpeq_epi8(_mm_loadu_si128((const void *)a), _mm_loadu_si128((const void *)b)));
}

#define CACHE_KEY_SHORT_BYTES 32

/* The first CACHE_KEY_SHORT_BYTES at most, without a branch: names' lengths are what no CPU can foresee. Both have so many bytes,
 * whatever is in the rest. */
static inline bool cache_image_short_equal(const uint8_t *a, const uint8_t *b, unsigned image_bytes)
{
	uint32_t equal = cache_bytes_equal(a, b) | cache_bytes_equal(a + 16, b + 16) << 16;

	return (uint64_t)(uint32_t)~equal << (64 - image_bytes) == 0;
}

/* Does the copy of an entry that is long enough begin with this key? */
static inline __attribute__((always_inline)) bool cache_copy_is_of_key(const uint64_t copy[],
								       unsigned most_words,
								       const struct cache_key *key)
{
	const uint8_t *image = (const uint8_t *)(copy + CACHE_HEAD_WORDS);

	if (LIKELY(key->image_bytes <= CACHE_KEY_SHORT_BYTES &&
		   most_words >= CACHE_HEAD_WORDS + CACHE_KEY_SHORT_BYTES / 8))
		return cache_image_short_equal(key->image, image, key->image_bytes);

	unsigned whole = key->image_bytes / 8, rest = key->image_bytes % 8;
	uint64_t differs = 0, ours, theirs;

	for (unsigned i = 0; i < whole; i++) {
		memcpy(&ours, key->image + (size_t)8 * i, sizeof(ours));
		memcpy(&theirs, image + (size_t)8 * i, sizeof(theirs));
		differs |= ours ^ theirs;
	}
	if (rest != 0) {
		memcpy(&ours, key->image + (size_t)8 * whole, sizeof(ours));
		memcpy(&theirs, image + (size_t)8 * whole, sizeof(theirs));
		differs |= (ours ^ theirs) << (64 - 8 * rest);
	}
	return differs == 0;
}

/* The entry of an index word, copied, if it is intact, and the key's. */
MUST_USE static inline __attribute__((always_inline)) enum cache_find cache_find_word(
	const struct cache *c, uint64_t word, const struct cache_key *key, uint64_t copy[],
	unsigned most_words)
{
	const _Atomic uint64_t *entry = c->words + cache_word_at(c, word);
	uint64_t left_words = c->log_words - cache_word_offset(word);
	uint64_t before = cache_reserve_before(c, word);
	uint64_t first = cache_load_word(entry, 0);
	unsigned count = cache_entry_count(first);
	bool same = false;

	if (LIKELY(((first ^ cache_identity(word, cache_hash_upper(key->hash))) &
		    CACHE_ENTRY_IDENTITY_MASK) == 0 &&
		   count >= CACHE_HEAD_WORDS + (key->image_bytes + 7u) / 8 && count <= most_words &&
		   count <= left_words && cache_is_before(before, word))) {
		cache_copy(copy, entry, count, most_words, left_words);
		/* Of the copy only: between the two loads of its first word it may have become another one. */
		same = copy[0] == first && cache_copy_is_of_key(copy, most_words, key);
	}
	if (UNLIKELY(!cache_is_intact(c, word, before)))
		return CACHE_OVERTAKEN;
	return same ? CACHE_FOUND : CACHE_NOT_FOUND;
}

MUST_USE static inline __attribute__((always_inline)) enum cache_find cache_find_inline(
	const struct cache *c, const struct cache_candidates *candidates,
	const struct cache_key *key, uint64_t copy[], unsigned most_words, struct cache_found *out)
{
	enum cache_find result = CACHE_NOT_FOUND;

	for (unsigned i = 0; i < candidates->count; i++) {
		uint64_t word = candidates->words[i];
		enum cache_find found = cache_find_word(c, word, key, copy, most_words);

		if (LIKELY(found == CACHE_FOUND)) {
			out->word = word;
			out->head = cache_head_get(copy);
			out->word_count = out->head.word_count;
			return CACHE_FOUND;
		}
		if (found == CACHE_OVERTAKEN)
			result = CACHE_OVERTAKEN;
	}
	return result;
}

#endif
