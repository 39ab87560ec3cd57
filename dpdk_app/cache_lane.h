/* Entries of a cache file on their way to the worker that owns their questions, and that alone may write them to its log: two
 * batches, of which the restoring thread fills one while the worker empties the other, some entries a turn.
 *
 *   batch: EMPTY (the thread's) → FULL (release: its contents stand before the flag; the worker's, acquire) → EMPTY (release)
 *
 * Memory: the thread's, until the worker has left. Threads: one thread that fills, one worker.
 */
#ifndef PORTICO_CACHE_LANE_H
#define PORTICO_CACHE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"

#define CACHE_LANE_ENTRIES 2048
#define CACHE_LANE_WORDS 32768
/* What a worker inserts beside a turn's packets. */
#define CACHE_LANE_PER_TURN 32

struct cache_lane_batch {
	_Atomic uint32_t is_full;
	bool is_last;
	unsigned entry_count;
	unsigned word_count;
	struct cache_lane_entry {
		uint64_t hash; /* of its key */
		uint32_t at;   /* in words */
		uint32_t word_count;
	} entries[CACHE_LANE_ENTRIES];
	uint64_t words[CACHE_LANE_WORDS];
};

struct cache_lane {
	const struct cache *cache;
	unsigned filling;         /* thread: the batch that is filled */
	unsigned taking;          /* worker: the batch that is emptied, */
	unsigned taken;           /* and how far */
	_Atomic uint32_t is_left; /* worker: will not look at it again (release) */
	struct cache_lane_batch batches[2];
};

/* ---- the thread ---- */

void cache_lane_init(struct cache_lane *lane, const struct cache *cache);
/* False: no place. The batch that is filled must be handed over first, or is not empty yet. */
MUST_USE bool cache_lane_put(struct cache_lane *lane, uint64_t hash, const uint64_t words[],
			     unsigned word_count);
/* Is there a batch to fill? */
bool cache_lane_may_fill(const struct cache_lane *lane);
/* Give what was put to the worker, which wants to be called (worker_order). Only if it may be filled. */
void cache_lane_hand_over(struct cache_lane *lane, bool is_last);
/* Has the worker left? Then nothing of the lane is looked at any more. */
bool cache_lane_is_left(const struct cache_lane *lane);

/* ---- the worker ---- */

enum cache_lane_state {
	CACHE_LANE_WAITS, /* for the thread */
	CACHE_LANE_MOVES,
	CACHE_LANE_ENDED, /* that was all: the worker has left */
};
/* Up to CACHE_LANE_PER_TURN entries into the cache. */
enum cache_lane_state cache_lane_take(struct cache_lane *lane, struct engine *engine, mono_ns now);
/* Whether or not there is more. */
void cache_lane_leave(struct cache_lane *lane);

#endif
