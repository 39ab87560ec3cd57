/* What the control side does with the cache: look-ups, flushes, figures, saving to a file and reading back.
 *
 * What may take long is done by threads of its own (cache_flusher.h, cache_restore.h, and one that saves); callers wait for
 * some seconds at most. Where there is no cache (cache.size_mb: 0) each request says so.
 *
 * Order: make (before the launch, with the engines made), start (after it), stop (while the workers still run), save_at_end
 * (after they have stopped). configure: at any time after make.
 * Memory: until the process ends. Threads: make, start, stop, save_at_end are the main thread's, configure control's; the
 * requests are any thread's but a worker's.
 */
#ifndef PORTICO_CACHE_CONTROL_H
#define PORTICO_CACHE_CONTROL_H

#include "dpdk_app/dpdk.h"

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/cache.h"
#include "core/check.h"
#include "dpdk_app/cache_flusher.h"
#include "dpdk_app/cache_restore.h"
#include "dpdk_app/cache_save.h"
#include "dpdk_app/worker.h"

struct cache_control;

/* cache: NULL: there is none. participant_count: the workers, and the stream thread if there is one, the last of them: it reads
 * the cache, too. NULL: no memory (logged). */
MUST_USE struct cache_control *cache_control_make(const struct config *config, struct cache *cache,
						  struct worker workers[],
						  unsigned participant_count);
/* Begins to read the file back, if there is one. False: no thread (logged). */
MUST_USE bool cache_control_start(struct cache_control *c);
/* c may be NULL, or not started. */
void cache_control_stop(struct cache_control *c);
/* Only where it was started, and nothing of the file was left unread. */
void cache_control_save_at_end(struct cache_control *c);
/* The configuration has changed: file, serve_stale. config is not kept. */
void cache_control_configure(struct cache_control *c, const struct config *config);

enum cache_control_result {
	CACHE_CONTROL_OK,
	CACHE_CONTROL_NO_CACHE,
	CACHE_CONTROL_NO_FILE, /* cache.file is none */
	CACHE_CONTROL_NOT_FOUND,
	CACHE_CONTROL_UNDER_WAY, /* it takes longer than a caller waits, and goes on */
	CACHE_CONTROL_BUSY,      /* too many of them, or a save or the restore is under way */
	CACHE_CONTROL_ENDING,    /* Portico starts or ends */
	CACHE_CONTROL_FAILED,
	CACHE_CONTROL_RESULT_COUNT,
};
extern const char *const cache_control_text[CACHE_CONTROL_RESULT_COUNT];

/* ---- requests ---- */

struct cache_control_entry {
	uint64_t word;     /* another one if the entry is */
	const char *state; /* "fresh", "failure", "stale" (served for want of better), "expired" */
	uint16_t rcode;
	uint32_t age_s;
	uint32_t ttl_s;  /* left; 0: expired */
	uint32_t kept_s; /* how long it may be served yet, stale or not */
	bool wants_refresh;
	unsigned entry_bytes;
	size_t message_bytes;
	uint8_t message[UINT16_MAX]; /* the answer as a message, TTLs as they are now */
};
/* NOT_FOUND: nothing that would be served. */
MUST_USE enum cache_control_result cache_control_lookup(struct cache_control *c,
							const struct name *qname, uint16_t qtype,
							bool checking_disabled,
							struct cache_control_entry *out);

/* As cache_flusher_flush; and a restart does not bring it back (cache_flushed.h). */
MUST_USE enum cache_control_result cache_control_flush(struct cache_control *c,
						       const struct cache_flush_what *what,
						       uint64_t *removed, bool *in_force);

/* Of each of these zones all names, as a reload may want it: in force when it returns, or soon after. */
void cache_control_flush_zones(struct cache_control *c, const struct name *const zones[],
			       unsigned count);

/* why: a sentence, on FAILED. */
#define CACHE_CONTROL_WHY_BYTES 256
#define CACHE_CONTROL_SAVE_WAIT_MS 6000
MUST_USE enum cache_control_result cache_control_save(struct cache_control *c,
						      struct cache_saved *out,
						      char why[CACHE_CONTROL_WHY_BYTES]);

/* Of what is in the cache: at most so many entries are looked at. */
#define CACHE_CONTROL_SAMPLE 65536
/* TTLs left: expired, then up to the bound of each step, then beyond. */
#define CACHE_CONTROL_STEPS 7
extern const uint32_t cache_control_step_s[CACHE_CONTROL_STEPS - 2];
struct cache_control_sample {
	uint64_t entries; /* looked at */
	uint64_t failures;
	uint64_t bytes;
	uint64_t age_s;                         /* sum */
	uint64_t ttl_left[CACHE_CONTROL_STEPS]; /* entries by what is left of their TTL */
};
struct cache_control_stats {
	bool has_cache;
	struct cache_usage usage;          /* a tenth of a second old, or 20 times what it takes */
	struct cache_writer_stats writers; /* of all workers */
	uint64_t hits, misses, stale, prefetches, failures, overtaken;
	enum cache_restore_state restore;
	uint64_t restored;
};
void cache_control_stats(struct cache_control *c, struct cache_control_stats *out);
/* From another place in the cache each time. NO_CACHE. */
MUST_USE enum cache_control_result cache_control_sample(struct cache_control *c,
							struct cache_control_sample *out);

#endif
