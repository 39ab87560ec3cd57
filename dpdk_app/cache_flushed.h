/* What was flushed since a cache file was saved: a list beside that file, on the disk before the flush is said to be done, so
 * that what the file still holds of it does not come back after a crash. A save that holds nothing of it takes the list away.
 *
 * A text file, the cache file's name and ".flushed", mode 0600; a line a flush:
 *
 *   name|zone QTYPE NAME        zone: and all names below; QTYPE 0: all
 *
 * A list that is too long, or that cannot be understood, says that all is flushed. Where it cannot be written the cache file
 * itself is deleted: an empty cache is better than one that gives back what an operator has taken out.
 *
 * Threads: one call a file at a time. Tests: tests/unit/test_cache_flushed.c.
 */
#ifndef PORTICO_CACHE_FLUSHED_H
#define PORTICO_CACHE_FLUSHED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/check.h"

#define CACHE_FLUSHED_BLOCKS 8
#define CACHE_FLUSHED_MAX (CACHE_FLUSHED_BLOCKS * CACHE_FLUSH_RULES_MAX)
/* A list of so many bytes says all, and grows no more. */
#define CACHE_FLUSHED_BYTES_MAX 65536

struct cache_flushed {
	bool all;
	unsigned count;
	struct cache_flush blocks[CACHE_FLUSHED_BLOCKS];
};

/* path: of the cache file. Logs what goes wrong. */
void cache_flushed_note(const char *path, const struct name *name, bool below, uint16_t qtype);
/* A list that is not there says nothing. */
void cache_flushed_read(const char *path, struct cache_flushed *out);
/* words: an entry's, at least head and key. */
bool cache_flushed_names(const struct cache_flushed *f, const uint64_t words[]);
/* The file holds nothing of it any more. */
void cache_flushed_forget(const char *path);

#endif
