/* Takes names out of the cache, at once and without stopping a worker.
 *
 * A thread of its own: a flush becomes a rule that all workers obey (core/cache.h), which takes two of their turns; then the
 * thread sweeps the index for what the rule covers and takes the rule out again. Flushes that come meanwhile become
 * rules at once, beside those that are swept for, up to CACHE_FLUSH_RULES_MAX of them; more wait in a queue. While a cache file
 * is read back, rules stay: workers take nothing from it that they name (engine_cache_restore).
 *
 * Memory: a block of rules a flush. Threads: the functions are any thread's but a worker's; one lock.
 */
#ifndef PORTICO_CACHE_FLUSHER_H
#define PORTICO_CACHE_FLUSHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/check.h"

#define CACHE_FLUSHER_QUEUE_MAX 256
/* How long a caller is kept waiting: less than porticoctl waits for us. */
#define CACHE_FLUSHER_WAIT_MS 5000

struct cache_flusher;
struct cache_restore;
struct worker;

/* NULL: no memory (logged). */
MUST_USE struct cache_flusher *cache_flusher_make(struct cache *cache, struct worker *workers,
						  unsigned worker_count);
/* After the launch of the workers. restore: what reads a file back, begun before; NULL: nothing does. False: no thread
 * (logged). */
MUST_USE bool cache_flusher_start(struct cache_flusher *f, const struct cache_restore *restore);
/* While the workers still run; who waits for a flush gets CACHE_FLUSHER_STOPPED. Does nothing where it was not started. */
void cache_flusher_stop(struct cache_flusher *f);

struct cache_flush_what {
	struct name name; /* in any letter case */
	bool below;       /* and all names below it */
	uint16_t qtype;   /* 0: all */
};

enum cache_flusher_result {
	CACHE_FLUSHER_DONE,
	CACHE_FLUSHER_UNDER_WAY, /* in force, if *in_force; the sweep, or the queue, takes longer */
	CACHE_FLUSHER_FULL,
	CACHE_FLUSHER_STOPPED,
};
/* From when it is in force nothing that was kept before the call is answered with any more. *removed: entries taken out so
 * far; those that are overwritten meanwhile are not counted. Waits CACHE_FLUSHER_WAIT_MS at most. */
MUST_USE enum cache_flusher_result cache_flusher_flush(struct cache_flusher *f,
						       const struct cache_flush_what *what,
						       uint64_t *removed, bool *in_force);

/* As cache_flusher_flush, but it does not wait: UNDER_WAY, FULL or STOPPED. */
MUST_USE enum cache_flusher_result cache_flusher_begin(struct cache_flusher *f,
						       const struct cache_flush_what *what);
/* Wait CACHE_FLUSHER_WAIT_MS at most until each that was asked for is in force. False: not yet. */
bool cache_flusher_wait(struct cache_flusher *f);
/* Has each that was asked for so far at least begun? Then cache_flusher_covers knows of it. */
bool cache_flusher_all_begun(struct cache_flusher *f);
/* Is what was found in the cache flushed? copy: the entry's words. */
bool cache_flusher_covers(struct cache_flusher *f, const struct cache_found *found,
			  const uint64_t copy[]);

#endif
