/* Writes what is in the cache to its file (cache_file.h), beside the workers or after they have stopped.
 *
 * Left out: what has expired beyond use, failures (a restart is a chance), and what was flushed before it began; what is flushed
 * meanwhile may be in it (cache_flushed.h).
 *
 * Memory: the file's buffer, freed. Threads: one call at a time.
 */
#ifndef PORTICO_CACHE_SAVE_H
#define PORTICO_CACHE_SAVE_H

#include "dpdk_app/dpdk.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/check.h"
#include "dpdk_app/cache_file.h"
#include "dpdk_app/cache_flusher.h"
#include "dpdk_app/tsc_clock.h"

struct cache_save {
	const struct cache *cache;
	struct cache_flusher *flusher;
	const struct tsc_clock *clock; /* the workers' */
	uint32_t max_stale_s;          /* 0: nothing that has expired */
	const char *path;
	_Atomic uint32_t *cancel; /* set by another thread: break off; NULL: never */
};

struct cache_saved {
	uint64_t entry_count;
	uint64_t bytes; /* of the file */
	uint64_t ms;
	int error; /* errno, where the result is NOT_OPENED, NOT_READ or NOT_WRITTEN; 0: told to break off */
};

/* Logs what it has done, or what is wrong. On anything but OK the former file is still in its place. */
MUST_USE enum cache_file_result cache_save_run(const struct cache_save *save,
					       struct cache_saved *out);

#endif
