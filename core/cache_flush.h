/* Whether rules of a flush cover an entry, for the cache's own files.
 *
 * Memory: the caller's. Threads: a pure function.
 */
#ifndef PORTICO_CACHE_FLUSH_H
#define PORTICO_CACHE_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"

/* position: lap << 32 | offset, all of it. words: the entry's, at least head and key. */
bool cache_flush_covers(const struct cache_flush *flush, unsigned log, uint64_t position,
			const uint64_t words[]);
/* Does a rule name it, wherever it stands? Of what comes from elsewhere: a file. */
bool cache_flush_names(const struct cache_flush *flush, const uint64_t words[]);

#endif
