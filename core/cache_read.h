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
static inline uint32_t cache_tags_find(const _Atomic uint64_t *bucket, uint64_t tag)
{
	const uint32_t highest = 0x88888888; /* of each word's four 16-bit lanes, the last one's */
	__m128i tags = _mm_set1_epi16((short)tag);
	__m128i low = _mm_packs_epi16(cache_tags_equal(bucket, 0, tags),
				      cache_tags_equal(bucket, 2, tags));
	__m128i high = _mm_packs_epi16(cache_tags_equal(bucket, 4, tags),
				       cache_tags_equal(bucket, 6, tags));

	return ((uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16) &
	       highest;
}

/* Has it a word that may lead to the key's entry? Where mostly there is none, cheaper than to look for it. */
static inline bool cache_may_have(const struct cache *c, uint64_t hash)
{
	return cache_tags_find(cache_bucket(c, cache_hash_upper(hash)), cache_tag(hash)) != 0;
}

static inline void cache_candidates_inline(const struct cache *c, uint64_t hash,
					   struct cache_candidates *out)
{
	const _Atomic uint64_t *bucket = cache_bucket(c, cache_hash_upper(hash));
	uint64_t tag = cache_tag(hash);
	uint32_t left = cache_tags_find(bucket, tag);
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

/* At once: an entry of one record and an ordinary name; and one with a longer name, an AAAA or a few records. */
#define CACHE_COPY_WORDS 8
#define CACHE_COPY_LONG_WORDS 16

static inline __attribute__((always_inline)) void cache_copy_words(uint64_t copy[],
								   const _Atomic uint64_t *entry,
								   unsigned from, unsigned to)
{
#pragma GCC unroll 8
	for (unsigned i = from; i < to; i++)
		copy[i] = cache_load_word(entry, i);
}

/* Copies an entry of so many words, of which the first is there already. False: it is longer than most_words, or than
 * left_words, up to the log's end. Of an entry longer than copy_words so many are copied; behind a shorter one's end copy may
 * get what follows it, up to CACHE_COPY_WORDS. */
static inline __attribute__((always_inline)) bool cache_copy(uint64_t copy[],
							     const _Atomic uint64_t *entry,
							     unsigned count, unsigned most_words,
							     unsigned copy_words,
							     uint64_t left_words)
{
	if (LIKELY(count <= CACHE_COPY_WORDS && CACHE_COPY_WORDS <= left_words) &&
	    CACHE_COPY_WORDS <= most_words && CACHE_COPY_WORDS <= copy_words) {
		cache_copy_words(copy, entry, 1, CACHE_COPY_WORDS);
		return true;
	}
	if (count > most_words || count > left_words)
		return false;
	for (unsigned i = 1; i < count && i < copy_words; i++)
		copy[i] = cache_load_word(entry, i);
	return true;
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

/* Does the copy of an entry of so many words begin with this key? One of the same image is as long, as the image says how long
 * the name is. */
static inline __attribute__((always_inline)) bool cache_copy_is_of_key(const uint64_t copy[],
								       unsigned count,
								       unsigned copy_words,
								       const struct cache_key *key)
{
	const uint8_t *image = (const uint8_t *)(copy + CACHE_HEAD_WORDS);
	unsigned whole = key->image_bytes / 8, rest = key->image_bytes % 8;
	uint64_t differs = 0, ours, theirs;

	if (LIKELY(key->image_bytes <= CACHE_KEY_SHORT_BYTES &&
		   copy_words >= CACHE_HEAD_WORDS + CACHE_KEY_SHORT_BYTES / 8))
		return cache_image_short_equal(key->image, image, key->image_bytes);
	if (count < CACHE_HEAD_WORDS + whole + (rest != 0))
		return false;
	for (unsigned i = 0; i < whole; i++) {
		memcpy(&ours, key->image + (size_t)8 * i, sizeof(ours));
		differs |= ours ^ copy[CACHE_HEAD_WORDS + i];
	}
	if (rest != 0) {
		memcpy(&ours, key->image + (size_t)8 * whole, sizeof(ours));
		theirs = copy[CACHE_HEAD_WORDS + whole];
		differs |= (ours ^ theirs) << (64 - 8 * rest);
	}
	return differs == 0;
}

struct cache_looked {
	enum cache_find found;
	uint64_t word; /* of the index, of what was found */
};
/* cache.c: of all candidates. */
MUST_USE struct cache_looked cache_find_any(const struct cache *c,
					    const struct cache_candidates *candidates,
					    const struct cache_key *key, uint64_t copy[],
					    unsigned most_words);

/* The entry of an index word, if it is intact and of this bucket: its words in copy.
 *   hash_upper   what its head must say
 *   key          what its key must be; NULL: whatever it is
 *   most_words   an entry that is longer is not found
 *   copy_words   of copy: enough for head and key; of a longer entry so many are copied */
MUST_USE static inline __attribute__((always_inline)) enum cache_find cache_read(
	const struct cache *c, uint64_t word, uint32_t hash_upper, const struct cache_key *key,
	unsigned most_words, uint64_t copy[], unsigned copy_words)
{
	const _Atomic uint64_t *entry = c->words + cache_word_at(c, word);
	uint64_t left_words = c->log_words - cache_word_offset(word);
	uint64_t before = cache_reserve_before(c, word);
	uint64_t first = cache_load_word(entry, 0);
	unsigned count = cache_entry_count(first);
	bool same = false;

	if (LIKELY(((first ^ cache_identity(word, hash_upper)) & CACHE_ENTRY_IDENTITY_MASK) == 0 &&
		   count > CACHE_HEAD_WORDS)) {
		copy[0] = first; /* not once more: it may be another one's by now */
		same = cache_copy(copy, entry, count, most_words, copy_words, left_words) &&
		       (key == NULL || cache_copy_is_of_key(copy, count, copy_words, key));
	}
	if (UNLIKELY(!cache_is_intact(c, word, before)))
		return CACHE_OVERTAKEN;
	return same ? CACHE_FOUND : CACHE_NOT_FOUND;
}

/* cache_find of one candidate or more; of what is found only its word in the index is told, as the copy has its head. */
MUST_USE static inline __attribute__((always_inline)) struct cache_looked cache_find_inline(
	const struct cache *c, const struct cache_candidates *candidates,
	const struct cache_key *key, uint64_t copy[], unsigned most_words)
{
	uint64_t word = candidates->words[0];

	if (LIKELY(cache_read(c, word, cache_hash_upper(key->hash), key, most_words, copy,
			      most_words) == CACHE_FOUND))
		return (struct cache_looked){CACHE_FOUND, word};
	return cache_find_any(c, candidates, key, copy, most_words);
}

/* ---- the hit mark ---- */

static inline bool cache_mark_is_set_at(const struct cache *c, uint64_t at)
{
	uint64_t marks =
		atomic_load_explicit(&c->marks[at / (64 * CACHE_MARK_WORDS)], memory_order_relaxed);

	return (marks >> at / CACHE_MARK_WORDS % 64 & 1) != 0;
}

static inline bool cache_mark_is_set(const struct cache *c, uint64_t word)
{
	return cache_mark_is_set_at(c, cache_word_at(c, word));
}

static inline _Atomic uint64_t *cache_mark_of(const struct cache *c, uint64_t word, uint64_t *bit)
{
	uint64_t mark = cache_word_at(c, word) / CACHE_MARK_WORDS;

	*bit = UINT64_C(1) << mark % 64;
	return &c->marks[mark / 64];
}

/* ---- ahead of its use ---- */

/* What cache_take has found. */
struct cache_taken {
	bool copied; /* else copy is worth nothing, */
	bool marked; /* and nothing is known of its mark */
};

/* The entry of an index word, if it is intact, of this bucket and no longer than CACHE_COPY_LONG_WORDS: copied as cache_read
 * does, whatever its key (cache_copy_is_of_key). For those who come back for it: by then it can be loaded in other pieces
 * than it was stored in, for which a CPU has to wait at first. */
static inline __attribute__((always_inline)) struct cache_taken cache_take(
	const struct cache *c, uint64_t word, uint32_t hash_upper,
	uint64_t copy[CACHE_COPY_LONG_WORDS])
{
	uint64_t at = cache_word_at(c, word);
	const _Atomic uint64_t *entry = c->words + at;
	uint64_t before = cache_reserve_before(c, word);
	uint64_t first = cache_load_word(entry, 0);
	unsigned count = cache_entry_count(first);

	if (UNLIKELY(((first ^ cache_identity(word, hash_upper)) & CACHE_ENTRY_IDENTITY_MASK) !=
			     0 ||
		     count <= CACHE_HEAD_WORDS || count > CACHE_COPY_LONG_WORDS ||
		     c->log_words - cache_word_offset(word) < CACHE_COPY_LONG_WORDS))
		return (struct cache_taken){false, false};
	copy[0] = first; /* not once more: it may be another one's by now */
	cache_copy_words(copy, entry, 1, CACHE_COPY_WORDS);
	if (count > CACHE_COPY_WORDS)
		cache_copy_words(copy, entry, CACHE_COPY_WORDS, CACHE_COPY_LONG_WORDS);
	return (struct cache_taken){cache_is_intact(c, word, before), cache_mark_is_set_at(c, at)};
}

#endif
