/* The cache's index and reading its entries, for its own files.
 *
 * Memory: the cache's. Threads: any number at once; nothing here waits for another.
 */
#ifndef PORTICO_CACHE_INDEX_H
#define PORTICO_CACHE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cache.h"
#include "cache_read.h"
#include "check.h"

#define CACHE_KEY_WORDS_MAX (CACHE_KEY_IMAGE_BYTES / 8)

/* Copy the words of the key's image, which is as long as this key's, and compare them. */
static inline bool cache_load_image(uint64_t copy[], const _Atomic uint64_t *words,
				    const struct cache_key *key)
{
	unsigned whole = key->image_bytes / 8, rest = key->image_bytes % 8;
	uint64_t differs = 0, image;

	for (unsigned i = 0; i < whole; i++) {
		memcpy(&image, key->image + (size_t)8 * i, sizeof(image));
		copy[i] = cache_load_word(words, i);
		differs |= copy[i] ^ image;
	}
	if (rest != 0) {
		memcpy(&image, key->image + (size_t)8 * whole, sizeof(image));
		copy[whole] = cache_load_word(words, whole);
		differs |= (copy[whole] ^ image) << (64 - 8 * rest);
	}
	return differs == 0;
}

/* The entry of an index word, if it is intact and of this bucket: its words in copy[0..most_words).
 *   hash_upper   what its head must say
 *   key          what its key must be; NULL: whatever it is
 *   copy_words   copy so many at most (but its head and key in any case); an entry longer than most_words is not found */
MUST_USE static inline __attribute__((always_inline)) enum cache_find cache_index_read(
	const struct cache *c, uint64_t word, uint32_t hash_upper, const struct cache_key *key,
	uint64_t copy[], unsigned most_words, unsigned copy_words)
{
	const _Atomic uint64_t *entry = c->words + cache_word_at(c, word);
	uint64_t before = cache_reserve_before(c, word);
	uint64_t first = atomic_load_explicit(&entry[0], memory_order_acquire);
	unsigned count = cache_entry_count(first);
	unsigned key_end = CACHE_HEAD_WORDS + (key != NULL ? (key->image_bytes + 7u) / 8 : 1);
	bool same = key == NULL;

	if (LIKELY((first & CACHE_ENTRY_IDENTITY_MASK) == cache_identity(word, hash_upper) &&
		   count >= key_end && count <= most_words &&
		   count <= c->log_words - cache_word_offset(word) &&
		   cache_is_before(before, word))) {
		copy[0] = first;
		copy[1] = cache_load_word(entry, 1);
		if (key != NULL)
			same = cache_load_image(copy + CACHE_HEAD_WORDS, entry + CACHE_HEAD_WORDS,
						key);
		else
			copy[CACHE_HEAD_WORDS] = cache_load_word(entry, CACHE_HEAD_WORDS);
		if (count > copy_words)
			count = copy_words;
		for (unsigned i = key_end; LIKELY(same) && i < count; i++)
			copy[i] = cache_load_word(entry, i);
	} else {
		same = false;
	}
	if (UNLIKELY(!cache_is_intact(c, word, before)))
		return CACHE_OVERTAKEN;
	return same ? CACHE_FOUND : CACHE_NOT_FOUND;
}

/* The place in its bucket of the one word with this log, lap and offset, whatever its tag, and the word; NULL: it is not there,
 * the entry is not current. */
_Atomic uint64_t *cache_index_place(const struct cache *c, uint32_t hash_upper, uint64_t position,
				    uint64_t *word);

/* Replace a word by another or by 0. False: it is there no more. */
static inline bool cache_index_swap(_Atomic uint64_t *place, uint64_t old_word, uint64_t new_word)
{
	return atomic_compare_exchange_strong_explicit(place, &old_word, new_word,
						       memory_order_release, memory_order_relaxed);
}

enum cache_index_enter {
	CACHE_INDEX_ENTERED,
	CACHE_INDEX_DISPLACED, /* entered in the place of another key's word */
	CACHE_INDEX_LOST,      /* somebody else changed the word that was to be replaced */
};
/* Publish the word of an entry that is written: in the place of the same key's, of none, of a dead one, or of the oldest,
 * unmarked ones first. Further words of the same key are taken out. */
MUST_USE enum cache_index_enter cache_index_enter(const struct cache *c,
						  const struct cache_key *key, uint64_t word);

/* The hit mark of an entry. */
bool cache_mark_is_set(const struct cache *c, uint64_t word);
/* Clears it; was it set? */
bool cache_mark_take(const struct cache *c, uint64_t word);

#endif
