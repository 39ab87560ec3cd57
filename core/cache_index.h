/* The cache's index, for its own files.
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

/* The same for a writer to whom it makes no difference whether the old word is there or control has just taken it out
 * (cache_remove): to enter, replace or take out, not to append again. Where it is the only writer, nobody else enters anything,
 * and no locked instruction is needed, which would wait for all that was stored before. */
static inline bool cache_index_write(const struct cache *c, _Atomic uint64_t *place,
				     uint64_t old_word, uint64_t new_word)
{
	if (c->log_count > 1)
		return cache_index_swap(place, old_word, new_word);
	if (atomic_load_explicit(place, memory_order_relaxed) != old_word)
		return false;
	atomic_store_explicit(place, new_word, memory_order_release);
	return true;
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

/* Clears an entry's hit mark; was it set? */
bool cache_mark_take(const struct cache *c, uint64_t word);

#endif
