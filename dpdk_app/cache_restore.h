/* Reads a cache file back while the workers answer already: a thread of its own verifies the file, then gives each entry to
 * the worker that owns its question (cache_lane.h). What has expired is left out, as is what was learned meanwhile; a file
 * that is not good is refused with a word, and nothing of it is used.
 *
 * Memory: a lane of some 600 KiB a worker, freed at the end. Threads: start and stop are the main thread's; the rest is any.
 */
#ifndef PORTICO_CACHE_RESTORE_H
#define PORTICO_CACHE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/check.h"

struct worker;

enum cache_restore_state {
	CACHE_RESTORE_NONE, /* no file, or none was asked for */
	CACHE_RESTORE_RUNNING,
	CACHE_RESTORE_DONE,
	CACHE_RESTORE_REFUSED, /* the file was not good (logged) */
	CACHE_RESTORE_BROKEN_OFF,
};
extern const char *const cache_restore_state_text[];

struct cache_restore;

/* With the workers launched. NULL: no thread or no memory (logged): the cache begins empty. */
MUST_USE struct cache_restore *cache_restore_start(const char *path, uint32_t max_stale_s,
						   const struct cache *cache,
						   struct worker *workers, unsigned worker_count);
/* While the workers still run. r may be NULL. */
void cache_restore_stop(struct cache_restore *r);
/* r may be NULL: NONE. *entry_count: given to the workers so far. */
enum cache_restore_state cache_restore_state(const struct cache_restore *r, uint64_t *entry_count);

#endif
