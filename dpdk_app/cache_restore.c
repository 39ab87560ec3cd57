#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_restore.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_clock.h"
#include "dpdk_app/cache_file.h"
#include "dpdk_app/cache_flushed.h"
#include "dpdk_app/log.h"
#include "dpdk_app/worker.h"

/* Between two looks at whether a worker has emptied its batch: it takes some hundred microseconds for one. */
#define POLL_NS 50000L
/* A worker that has its orders leaves within some turns; one that hangs is not waited for. */
#define LEAVE_POLLS_MAX (2000 * (unsigned)(NS_PER_MS / POLL_NS))

const char *const cache_restore_state_text[] = {
	[CACHE_RESTORE_NONE] = "none",
	[CACHE_RESTORE_RUNNING] = "running",
	[CACHE_RESTORE_DONE] = "done",
	[CACHE_RESTORE_REFUSED] = "refused",
	[CACHE_RESTORE_BROKEN_OFF] = "broken off",
};
static_assert(ARRAY_COUNT(cache_restore_state_text) == CACHE_RESTORE_BROKEN_OFF + 1,
	      "each has its text");

struct cache_restore {
	pthread_t thread;
	char path[PATH_MAX];
	uint32_t max_stale_s;
	const struct cache *cache;
	struct worker *workers;
	unsigned worker_count;
	_Atomic uint32_t stop;  /* main: sets; thread: reads */
	_Atomic uint32_t state; /* enum cache_restore_state. thread: writes */
	_Atomic uint64_t given; /* thread: writes */

	/* The thread's. */
	struct cache_lane *lanes; /* one a worker */
	uint32_t now_s;
	uint64_t expired;
	uint64_t odd; /* what this Portico has no key like */
	uint64_t flushed_count;
	struct cache_flushed flushed; /* since the file was saved */
	struct cache_file_reader reader;
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
};

static bool is_stopped(const struct cache_restore *r)
{
	return atomic_load_explicit(&r->stop, memory_order_relaxed) != 0;
}

static void set_state(struct cache_restore *r, enum cache_restore_state state)
{
	atomic_store_explicit(&r->state, state, memory_order_release);
}

static void pause_briefly(void)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/* ---- lanes ---- */

static bool make_lanes(struct cache_restore *r)
{
	r->lanes = malloc(r->worker_count * sizeof(*r->lanes));
	if (r->lanes == NULL) {
		log_write(CONFIG_LOG_ERROR, "cache", "no memory for=restoring bytes=%zu",
			  r->worker_count * sizeof(*r->lanes));
		return false;
	}
	for (unsigned i = 0; i < r->worker_count; i++) {
		cache_lane_init(&r->lanes[i], r->cache);
		r->workers[i].lane = &r->lanes[i];
	}
	return true;
}

/* Until there is a batch to fill. False: the worker has left, or we are to stop. */
static bool wait_for_batch(const struct cache_restore *r, const struct cache_lane *lane)
{
	while (!cache_lane_may_fill(lane)) {
		if (cache_lane_is_left(lane) || is_stopped(r))
			return false;
		pause_briefly();
	}
	return !cache_lane_is_left(lane);
}

static void hand_over(struct cache_restore *r, unsigned worker_idx, bool is_last)
{
	cache_lane_hand_over(&r->lanes[worker_idx], is_last);
	worker_order(&r->workers[worker_idx], WORKER_ORDER_RESTORE);
}

/* r->words to their worker. False: it takes no more. */
static bool give(struct cache_restore *r, uint64_t hash, unsigned word_count)
{
	unsigned worker_idx = engine_owner(r->workers[0].engine, hash);
	struct cache_lane *lane = &r->lanes[worker_idx];

	if (!wait_for_batch(r, lane))
		return false;
	if (!cache_lane_put(lane, hash, r->words, word_count)) {
		hand_over(r, worker_idx, false);
		if (!wait_for_batch(r, lane))
			return false;
		CHECK(cache_lane_put(lane, hash, r->words, word_count));
	}
	atomic_fetch_add_explicit(&r->given, 1, memory_order_relaxed);
	return true;
}

static bool wait_until_left(const struct cache_lane *lane, unsigned *polls_left)
{
	for (; !cache_lane_is_left(lane); (*polls_left)--) {
		if (*polls_left == 0)
			return false;
		pause_briefly();
	}
	return true;
}

/* The last batch to each worker; and their leave. */
static void end_lanes(struct cache_restore *r)
{
	unsigned polls_left = LEAVE_POLLS_MAX;
	bool all_left = true;

	for (unsigned i = 0; i < r->worker_count; i++) {
		struct cache_lane *lane = &r->lanes[i];

		for (; !cache_lane_may_fill(lane) && polls_left > 0; polls_left--) {
			if (cache_lane_is_left(lane))
				break;
			pause_briefly();
		}
		if (cache_lane_may_fill(lane))
			hand_over(r, i, true);
	}
	for (unsigned i = 0; i < r->worker_count; i++)
		all_left = wait_until_left(&r->lanes[i], &polls_left) && all_left;
	if (all_left)
		free(r->lanes);
	else
		log_write(CONFIG_LOG_WARNING, "cache",
			  "a worker does not move on: what it may be reading is not freed");
	r->lanes = NULL;
}

/* ---- entries ---- */

/* The hash of an entry's key. False: no question of ours is kept under such a key. */
static bool hash_of(const struct cache_restore *r, const struct cache_key *key, uint64_t *hash)
{
	const uint8_t *image = key->image;
	struct cache_key made;
	struct name name;

	name.length_bytes = image[CACHE_KEY_NAME - 1];
	memcpy(name.bytes, image + CACHE_KEY_NAME, name.length_bytes);
	engine_key_make(r->workers[0].engine, &name, cache_key_type(key),
			(image[CACHE_KEY_NAME - 2] & CACHE_KEY_CD) != 0, &made);
	*hash = made.hash;
	return made.image_bytes == key->image_bytes &&
	       memcmp(made.image, image, key->image_bytes) == 0;
}

/* False: enough. */
static bool take(struct cache_restore *r, const struct cache_key *key, unsigned word_count)
{
	uint64_t hash;

	switch (cache_entry_state(r->words, r->max_stale_s, r->now_s)) {
	case CACHE_ENTRY_FRESH:
	case CACHE_ENTRY_FRESH_STALE:
	case CACHE_ENTRY_STALE:
		break;
	case CACHE_ENTRY_DEAD:
		r->expired++;
		return true;
	}
	if (cache_flushed_names(&r->flushed, r->words)) {
		r->flushed_count++;
		return true;
	}
	if (!hash_of(r, key, &hash)) {
		r->odd++;
		return true;
	}
	return give(r, hash, word_count);
}

static enum cache_restore_state move_entries(struct cache_restore *r)
{
	for (;;) {
		struct cache_key key;
		unsigned word_count;

		if (is_stopped(r))
			return CACHE_RESTORE_BROKEN_OFF;
		if (cache_file_next(&r->reader, r->words, &word_count, &key) != CACHE_FILE_OK) {
			log_write(CONFIG_LOG_WARNING, "cache",
				  "file changed while it was read file=%s: the rest of it is left "
				  "out",
				  r->path);
			return CACHE_RESTORE_BROKEN_OFF;
		}
		if (word_count == 0)
			return CACHE_RESTORE_DONE;
		if (!take(r, &key, word_count))
			return CACHE_RESTORE_BROKEN_OFF;
	}
}

/* ---- the thread ---- */

static void log_refusal_of(const struct cache_restore *r, enum cache_file_result result)
{
	const struct cache_file_text *text = &cache_file_text[result];
	const bool has_error = result == CACHE_FILE_NOT_OPENED || result == CACHE_FILE_NOT_READ;

	if (result == CACHE_FILE_MISSING) {
		log_write(CONFIG_LOG_INFO, "cache", "no file to begin with file=%s", r->path);
		return;
	}
	log_write(CONFIG_LOG_WARNING, "cache",
		  "file refused, the cache begins empty file=%s problem=\"%s%s%s\" remedy=\"%s\"",
		  r->path, text->problem, has_error ? ": " : "",
		  has_error ? strerror(r->reader.error) : "", text->remedy);
}

static void *run(void *argument)
{
	struct cache_restore *r = argument;
	struct cache_file_time now = cache_clock_now(&r->workers[0].clock);
	const mono_ns started = now.mono;
	uint64_t verified_ms;
	enum cache_file_result result;
	enum cache_restore_state state;

	prctl(PR_SET_TIMERSLACK, 1UL);
	cache_flushed_read(r->path, &r->flushed);
	result = cache_file_open(&r->reader, r->path);
	if (result != CACHE_FILE_OK || !make_lanes(r)) {
		if (result != CACHE_FILE_OK)
			log_refusal_of(r, result);
		else
			cache_file_close(&r->reader);
		set_state(r, result == CACHE_FILE_MISSING ? CACHE_RESTORE_NONE
							  : CACHE_RESTORE_REFUSED);
		return NULL;
	}
	now = cache_clock_now(&r->workers[0].clock);
	r->now_s = (uint32_t)(now.mono / NS_PER_S);
	verified_ms = (now.mono - started) / NS_PER_MS;
	cache_file_rebase(&r->reader, &now);
	state = move_entries(r);
	end_lanes(r);
	cache_file_close(&r->reader);
	now = cache_clock_now(&r->workers[0].clock);
	set_state(r, state);
	log_write(CONFIG_LOG_INFO, "cache",
		  "restored file=%s entries=%" PRIu64 " expired=%" PRIu64 " flushed=%" PRIu64
		  " other=%" PRIu64 " verified_ms=%" PRIu64 " ms=%" PRIu64 " state=\"%s\"",
		  r->path, atomic_load_explicit(&r->given, memory_order_relaxed), r->expired,
		  r->flushed_count, r->odd, verified_ms, (now.mono - started) / NS_PER_MS,
		  cache_restore_state_text[state]);
	return NULL;
}

struct cache_restore *cache_restore_start(const char *path, uint32_t max_stale_s,
					  const struct cache *cache, struct worker *workers,
					  unsigned worker_count)
{
	struct cache_restore *r = calloc(1, sizeof(*r));
	int error = r == NULL ? ENOMEM : 0;

	if (r != NULL) {
		strncpy(r->path, path, sizeof(r->path) - 1);
		r->max_stale_s = max_stale_s;
		r->cache = cache;
		r->workers = workers;
		r->worker_count = worker_count;
		set_state(r, CACHE_RESTORE_RUNNING);
		error = pthread_create(&r->thread, NULL, run, r);
	}
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "cache", "not restored, no thread error=\"%s\"",
			  strerror(error));
		free(r);
		return NULL;
	}
	pthread_setname_np(r->thread, "portico-restore");
	return r;
}

void cache_restore_stop(struct cache_restore *r)
{
	if (r == NULL)
		return;
	atomic_store_explicit(&r->stop, 1, memory_order_relaxed);
	pthread_join(r->thread, NULL);
}

enum cache_restore_state cache_restore_state(const struct cache_restore *r, uint64_t *entry_count)
{
	*entry_count = 0;
	if (r == NULL)
		return CACHE_RESTORE_NONE;
	*entry_count = atomic_load_explicit(&r->given, memory_order_relaxed);
	return (enum cache_restore_state)atomic_load_explicit(&r->state, memory_order_acquire);
}
