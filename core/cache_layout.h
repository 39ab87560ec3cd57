/* How the cache lies in memory, bit by bit: for its own files and the few inline functions of cache.h.
 *
 *   index word   tag 16 | log 8 | lap 8 | offset 32                          (0: empty; the tag is never 0)
 *   entry word 0 spare 4 | record_count 8 | lap 8 | words 12 | place 32      (from the high end)
 *
 * place is the entry's offset XOR the upper half of its key's hash. So an entry says both where it stands, which makes it
 * known to whoever came by an index word, and which bucket its index word is in, which the writer must know
 * when it reaches the entry again; and nobody who lacks the hash key can compose bytes that look like a head.
 *
 * The upper half of a hash chooses the bucket, the lowest bits are the tag. A position is lap << 32 | offset, of which an index
 * word holds the lowest 40 bits. A log's laps are counted modulo 256 there: no word outlives its entry (a writer takes the
 * words of what it overwrites out first), so that no word is ever 256 laps old.
 *
 * Memory: nothing of its own. Threads: each function says, or is pure.
 */
#ifndef PORTICO_CACHE_LAYOUT_H
#define PORTICO_CACHE_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_BUCKET_WORDS 8
#define CACHE_LINE_BYTES 64

#define CACHE_WORD_LAP_SHIFT 32
#define CACHE_WORD_LOG_SHIFT 40
#define CACHE_WORD_TAG_SHIFT 48
#define CACHE_POSITION_MASK                                                                        \
	((UINT64_C(1) << CACHE_WORD_LOG_SHIFT) - 1) /* of an index word: lap and offset */

#define CACHE_ENTRY_COUNT_SHIFT 32
#define CACHE_ENTRY_COUNT_MASK 0xfffu
#define CACHE_ENTRY_LAP_SHIFT 44
#define CACHE_ENTRY_RECORDS_SHIFT 52
#define CACHE_ENTRY_IDENTITY_MASK (UINT64_C(0xff) << CACHE_ENTRY_LAP_SHIFT | UINT32_MAX)

#define CACHE_MARK_WORDS                                                                           \
	4 /* words of a log that share a hit mark: 32 bytes, less than nearly every entry */
#define CACHE_LOG_STEP_WORDS (64 * CACHE_MARK_WORDS) /* a log has whole words of marks */

/* A line of its own: its log's writer writes it for each entry, everybody reads it. */
struct cache_reserve {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t
		position; /* first word not yet given to an entry */
};

struct cache_flush;

struct cache {
	_Atomic uint64_t *index;
	uint64_t bucket_count;
	_Atomic uint64_t *words; /* of all logs, one after the other */
	uint64_t log_words;      /* of one log */
	struct cache_reserve *reserve;
	_Atomic uint64_t *marks; /* a bit for CACHE_MARK_WORDS of words */
	unsigned log_count;
	size_t size_bytes;
	/* control: writes; workers: read once a turn, on a line of its own */
	_Alignas(CACHE_LINE_BYTES) _Atomic(const struct cache_flush *) flush;
};

static inline uint32_t cache_hash_upper(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static inline uint64_t cache_tag(uint64_t hash)
{
	uint64_t tag = hash & 0xffff;

	return tag != 0 ? tag : 1;
}

static inline _Atomic uint64_t *cache_bucket(const struct cache *c, uint32_t hash_upper)
{
	return c->index + (hash_upper * c->bucket_count >> 32) * CACHE_BUCKET_WORDS;
}

static inline unsigned cache_word_log(uint64_t word)
{
	return word >> CACHE_WORD_LOG_SHIFT & 0xff;
}

static inline uint32_t cache_word_offset(uint64_t word)
{
	return (uint32_t)word;
}

static inline void cache_fetch(const _Atomic uint64_t *words)
{
	__builtin_prefetch((const void *)(uintptr_t)words);
}

/* Where in all logs' words the entry is. */
static inline uint64_t cache_word_at(const struct cache *c, uint64_t word)
{
	return cache_word_log(word) * c->log_words + cache_word_offset(word);
}

/* What an intact entry's word 0 is under CACHE_ENTRY_IDENTITY_MASK, given its index word and its key's hash. */
static inline uint64_t cache_identity(uint64_t word, uint32_t hash_upper)
{
	return (cache_word_offset(word) ^ hash_upper) | (word >> CACHE_WORD_LAP_SHIFT & 0xff)
								<< CACHE_ENTRY_LAP_SHIFT;
}

static inline unsigned cache_entry_count(uint64_t word0)
{
	return word0 >> CACHE_ENTRY_COUNT_SHIFT & CACHE_ENTRY_COUNT_MASK;
}

/* Is the entry of this index word not yet overwritten, not even in part, when its log's reserve is that? It is not if it
 * was written in this lap, before reserve, or in the lap before and not before reserve: its position is less than reserve
 * by a lap's 2^32 at most. */
static inline bool cache_is_before(uint64_t reserve, uint64_t word)
{
	return ((reserve - word - 1) & CACHE_POSITION_MASK) <= UINT32_MAX;
}

/* A reader takes the reserve before it copies an entry, and asks again when it has copied. */
static inline uint64_t cache_reserve_before(const struct cache *c, uint64_t word)
{
	return atomic_load_explicit(&c->reserve[cache_word_log(word)].position,
				    memory_order_acquire);
}

/* Is what was loaded of the entry (with acquire) since `before` was taken one entry, whole? Whoever has loaded a word that is
 * newer than the entry has with it acquired the reserve that was stored before, which this load then shows. And a
 * reader that slept for 255 laps, after which laps in index words repeat, knows it by `before`. */
static inline bool cache_is_intact(const struct cache *c, uint64_t word, uint64_t before)
{
	uint64_t after = atomic_load_explicit(&c->reserve[cache_word_log(word)].position,
					      memory_order_relaxed);

	/* cache_is_before, of `before` and of as much as it has moved on since. */
	return ((before - word - 1) & CACHE_POSITION_MASK) + (after - before) <= UINT32_MAX;
}

#endif
