/* A cache for tests: keys by number, entries whose every word is a function of key, version and index, so that a copy
 * shows by itself whether it is one entry, whole.
 *
 * Memory: malloc. Threads: one.
 */
#ifndef PORTICO_CACHE_RIG_H
#define PORTICO_CACHE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache.h"

#define CACHE_RIG_LOGS 2 /* that have writers; a cache may have more logs */

struct cache_rig {
	struct cache *cache;
	struct cache_writer *writers[CACHE_RIG_LOGS];
	uint64_t entry[CACHE_ENTRY_WORDS_MAX];
	uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_found found;
};

void cache_rig_start(struct cache_rig *r, size_t size_bytes, unsigned log_count);
void cache_rig_stop(struct cache_rig *r);

/* n<number>.test. of this type */
void cache_rig_key(struct cache_key *key, unsigned number, uint16_t qtype);
void cache_rig_key_of(struct cache_key *key, const char *name, uint16_t qtype);

/* Into r->entry: word_count words of this version, at least cache_rig_words_min(key). */
unsigned cache_rig_words_min(const struct cache_key *key);
void cache_rig_make(struct cache_rig *r, const struct cache_key *key, uint64_t version,
		    unsigned word_count, uint32_t ttl_s, uint32_t now_s);
enum cache_put cache_rig_put(struct cache_rig *r, unsigned log, const struct cache_key *key,
			     uint64_t version, unsigned word_count, uint32_t ttl_s, uint32_t now_s,
			     const struct cache_flush *flush);

#define CACHE_RIG_NONE UINT64_MAX          /* not found */
#define CACHE_RIG_DAMAGED (UINT64_MAX - 1) /* not one entry of this key, whole */
/* The version found. The copy is in r->copy, r->found. */
uint64_t cache_rig_find(struct cache_rig *r, const struct cache_key *key);
/* What r->copy, r->found hold for this key. */
uint64_t cache_rig_version(const struct cache_rig *r, const struct cache_key *key);
bool cache_rig_mark(struct cache_rig *r, const struct cache_key *key);

/* The position of the next entry of a log: lap << 32 | offset. */
uint64_t cache_rig_position(const struct cache_rig *r, unsigned log);
/* Put entries of keys from *number on until the log has come to the next lap. */
void cache_rig_lap(struct cache_rig *r, unsigned log, unsigned *number, uint32_t now_s);

#endif
