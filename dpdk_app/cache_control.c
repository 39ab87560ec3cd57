#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_control.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cache_entry.h"
#include "core/wire_cursor.h"
#include "dpdk_app/cache_clock.h"
#include "dpdk_app/cache_flushed.h"
#include "dpdk_app/log.h"

/* Beyond every time that an entry is kept. */
#define KEPT_S_MAX (UINT32_C(1) << 22)
/* A look at all of the index is repeated when it is this old, or so many times as old as it took. */
#define USAGE_AGE_NS (100 * NS_PER_MS)
#define USAGE_REST 20
/* Until there is place for another flush. */
#define FLUSH_PAUSE_NS 1000000L

const char *const cache_control_text[] = {
	[CACHE_CONTROL_OK] = "done",
	[CACHE_CONTROL_NO_CACHE] = "there is no cache (cache.size_mb is 0)",
	[CACHE_CONTROL_NO_FILE] = "there is no file to save to (cache.file is none)",
	[CACHE_CONTROL_NOT_FOUND] = "not in the cache",
	[CACHE_CONTROL_UNDER_WAY] = "under way",
	[CACHE_CONTROL_BUSY] =
		"others like it are under way, or the file is being read back: try again",
	[CACHE_CONTROL_ENDING] = "Portico is starting or ending",
	[CACHE_CONTROL_FAILED] = "failed",
};
static_assert(ARRAY_COUNT(cache_control_text) == CACHE_CONTROL_RESULT_COUNT, "each has its text");

const uint32_t cache_control_step_s[] = {10, 60, 600, 3600, 86400};
static_assert(ARRAY_COUNT(cache_control_step_s) == CACHE_CONTROL_STEPS - 2, "expired and beyond");

enum save_state { SAVE_NONE, SAVE_RUNNING, SAVE_ENDED };

struct cache_control {
	struct cache *cache; /* NULL: none */
	struct worker *workers;
	unsigned worker_count;
	struct cache_flusher *flusher;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running;
	bool has_run;
	struct cache_restore *restore;
	char path[PATH_MAX]; /* "": no file */
	uint32_t max_stale_s;

	/* One at a time: who finds it RUNNING is too late. */
	enum save_state save_state;
	bool save_thread_made;
	pthread_t save_thread;
	_Atomic uint32_t save_cancel;
	char save_path[PATH_MAX];
	uint32_t save_max_stale_s;
	enum cache_file_result save_result;
	struct cache_saved saved;

	/* Of the lists of what was flushed: held while one is written or deleted. */
	pthread_mutex_t flushed_lock;
	uint64_t flushes; /* noted */

	struct cache_usage usage;
	mono_ns usage_until;
	struct cache_walk sample; /* where the next one begins */
};

static mono_ns now_of(const struct cache_control *c)
{
	return tsc_clock_ns(&c->workers[0].clock, rte_rdtsc());
}

/* ---- life ---- */

void cache_control_configure(struct cache_control *c, const struct config *config)
{
	pthread_mutex_lock(&c->lock);
	snprintf(c->path, sizeof(c->path), "%s",
		 config->cache.file != NULL ? config->cache.file : "");
	c->max_stale_s = config->cache.serve_stale ? config->cache.max_stale_s : 0;
	pthread_mutex_unlock(&c->lock);
}

struct cache_control *cache_control_make(const struct config *config, struct cache *cache,
					 struct worker workers[], unsigned participant_count)
{
	struct cache_control *c = calloc(1, sizeof(*c));
	pthread_condattr_t monotonic;

	if (c == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=cache_control bytes=%zu",
			  sizeof(*c));
		return NULL;
	}
	c->cache = cache;
	c->workers = workers;
	c->worker_count = config->worker_count;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->flushed_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	cache_control_configure(c, config);
	if (cache == NULL)
		return c;
	cache_walk_begin(&c->sample, cache);
	c->flusher = cache_flusher_make(cache, workers, participant_count);
	if (c->flusher != NULL)
		return c;
	free(c);
	return NULL;
}

bool cache_control_start(struct cache_control *c)
{
	struct cache_restore *restore = NULL;

	if (c->cache == NULL)
		return true;
	/* Without it the cache begins empty, which is no reason not to begin. */
	if (c->path[0] != '\0')
		restore = cache_restore_start(c->path, c->max_stale_s, c->cache, c->workers,
					      c->worker_count);
	/* After it, so that no flush goes by before it is known that there is a file. */
	if (!cache_flusher_start(c->flusher, restore)) {
		cache_restore_stop(restore);
		return false;
	}
	pthread_mutex_lock(&c->lock);
	c->restore = restore;
	c->running = true;
	c->has_run = true;
	pthread_mutex_unlock(&c->lock);
	return true;
}

static void stop_saving(struct cache_control *c)
{
	bool made;

	pthread_mutex_lock(&c->lock);
	atomic_store_explicit(&c->save_cancel, 1, memory_order_relaxed);
	made = c->save_thread_made;
	c->save_thread_made = false;
	pthread_mutex_unlock(&c->lock);
	if (made)
		pthread_join(c->save_thread, NULL);
}

void cache_control_stop(struct cache_control *c)
{
	if (c == NULL || c->cache == NULL || !c->running)
		return;
	pthread_mutex_lock(&c->lock);
	c->running = false;
	pthread_mutex_unlock(&c->lock);
	cache_restore_stop(c->restore);
	cache_flusher_stop(c->flusher);
	stop_saving(c);
}

/* ---- saving ---- */

/* Only if it has no names that were flushed: each flush that is noted had begun before it. */
static void forget_flushes(struct cache_control *c, uint64_t before, bool had_begun)
{
	pthread_mutex_lock(&c->flushed_lock);
	if (had_begun && c->flushes == before)
		cache_flushed_forget(c->save_path);
	pthread_mutex_unlock(&c->flushed_lock);
}

static enum cache_file_result save(struct cache_control *c, _Atomic uint32_t *cancel,
				   struct cache_saved *saved)
{
	const struct cache_save what = {
		.cache = c->cache,
		.flusher = c->flusher,
		.clock = &c->workers[0].clock,
		.max_stale_s = c->save_max_stale_s,
		.path = c->save_path,
		.cancel = cancel,
	};

	enum cache_file_result result;
	uint64_t before;
	bool had_begun;

	pthread_mutex_lock(&c->flushed_lock);
	before = c->flushes;
	pthread_mutex_unlock(&c->flushed_lock);
	had_begun = cache_flusher_all_begun(c->flusher);
	result = cache_save_run(&what, saved);
	if (result == CACHE_FILE_OK)
		forget_flushes(c, before, had_begun);
	return result;
}

/* Under the lock: what is saved, and where to. */
static void settle_save(struct cache_control *c)
{
	memcpy(c->save_path, c->path, sizeof(c->save_path));
	c->save_max_stale_s = c->max_stale_s;
}

void cache_control_save_at_end(struct cache_control *c)
{
	uint64_t entry_count;

	if (c == NULL || c->cache == NULL || c->path[0] == '\0' || c->running || !c->has_run)
		return;
	switch (cache_restore_state(c->restore, &entry_count)) {
	case CACHE_RESTORE_RUNNING:
	case CACHE_RESTORE_BROKEN_OFF:
		log_write(CONFIG_LOG_INFO, "cache",
			  "not saved: the file holds more than was read back file=%s", c->path);
		return;
	case CACHE_RESTORE_NONE:
	case CACHE_RESTORE_DONE:
	case CACHE_RESTORE_REFUSED:
		break;
	}
	settle_save(c);
	/* What it could not do is in the log; there is nobody else to tell. */
	c->save_result = save(c, NULL, &c->saved);
}

static void *run_save(void *argument)
{
	struct cache_control *c = argument;
	struct cache_saved saved;
	enum cache_file_result result = save(c, &c->save_cancel, &saved);

	pthread_mutex_lock(&c->lock);
	c->saved = saved;
	c->save_result = result;
	c->save_state = SAVE_ENDED;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Under the lock. */
static enum cache_control_result begin_save(struct cache_control *c)
{
	uint64_t entry_count;

	if (!c->running)
		return CACHE_CONTROL_ENDING;
	if (c->path[0] == '\0')
		return CACHE_CONTROL_NO_FILE;
	/* The file holds more than was read back yet. */
	if (c->save_state == SAVE_RUNNING ||
	    cache_restore_state(c->restore, &entry_count) == CACHE_RESTORE_RUNNING)
		return CACHE_CONTROL_BUSY;
	/* It has ended, all but for its return. */
	if (c->save_thread_made)
		pthread_join(c->save_thread, NULL);
	settle_save(c);
	c->save_thread_made = pthread_create(&c->save_thread, NULL, run_save, c) == 0;
	if (!c->save_thread_made)
		return CACHE_CONTROL_BUSY;
	c->save_state = SAVE_RUNNING;
	return CACHE_CONTROL_OK;
}

/* Under the lock. */
static enum cache_control_result wait_for_save(struct cache_control *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CACHE_CONTROL_SAVE_WAIT_MS / 1000;
	while (c->save_state == SAVE_RUNNING) {
		if (pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT)
			return CACHE_CONTROL_UNDER_WAY;
	}
	return c->save_result == CACHE_FILE_OK ? CACHE_CONTROL_OK : CACHE_CONTROL_FAILED;
}

enum cache_control_result cache_control_save(struct cache_control *c, struct cache_saved *out,
					     char why[CACHE_CONTROL_WHY_BYTES])
{
	enum cache_control_result result;

	if (c->cache == NULL)
		return CACHE_CONTROL_NO_CACHE;
	pthread_mutex_lock(&c->lock);
	result = begin_save(c);
	if (result == CACHE_CONTROL_OK)
		result = wait_for_save(c);
	*out = c->saved;
	if (result == CACHE_CONTROL_FAILED)
		snprintf(why, CACHE_CONTROL_WHY_BYTES, "%s%s%s; %s",
			 cache_file_text[c->save_result].problem, out->error != 0 ? ": " : "",
			 out->error != 0 ? strerror(out->error) : "",
			 cache_file_text[c->save_result].remedy);
	pthread_mutex_unlock(&c->lock);
	return result;
}

/* ---- flushing ---- */

/* What was saved may still hold it. */
static void note_flush(struct cache_control *c, const struct cache_flush_what *what)
{
	char path[PATH_MAX];

	pthread_mutex_lock(&c->lock);
	memcpy(path, c->path, sizeof(path));
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&c->flushed_lock);
	c->flushes++;
	if (path[0] != '\0')
		cache_flushed_note(path, &what->name, what->below, what->qtype);
	pthread_mutex_unlock(&c->flushed_lock);
}

enum cache_control_result cache_control_flush(struct cache_control *c,
					      const struct cache_flush_what *what,
					      uint64_t *removed, bool *in_force)
{
	*removed = 0;
	*in_force = false;
	if (c->cache == NULL)
		return CACHE_CONTROL_NO_CACHE;
	switch (cache_flusher_flush(c->flusher, what, removed, in_force)) {
	case CACHE_FLUSHER_DONE:
		break;
	case CACHE_FLUSHER_UNDER_WAY:
		note_flush(c, what);
		return CACHE_CONTROL_UNDER_WAY;
	case CACHE_FLUSHER_FULL:
		return CACHE_CONTROL_BUSY;
	case CACHE_FLUSHER_STOPPED:
		return CACHE_CONTROL_ENDING;
	}
	note_flush(c, what);
	return CACHE_CONTROL_OK;
}

/* False: Portico ends. */
static bool begin_flush(struct cache_control *c, const struct cache_flush_what *what)
{
	const struct timespec pause = {.tv_nsec = FLUSH_PAUSE_NS};
	enum cache_flusher_result result;

	while ((result = cache_flusher_begin(c->flusher, what)) == CACHE_FLUSHER_FULL)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	if (result == CACHE_FLUSHER_STOPPED)
		return false;
	note_flush(c, what);
	return true;
}

void cache_control_flush_zones(struct cache_control *c, const struct name *const zones[],
			       unsigned count)
{
	struct cache_flush_what what = {.below = true};

	if (c == NULL || c->cache == NULL)
		return;
	for (unsigned i = 0; i < count; i++) {
		what.name = *zones[i];
		if (!begin_flush(c, &what))
			return;
	}
	if (count > 0 && cache_flusher_wait(c->flusher))
		log_write(CONFIG_LOG_INFO, "cache", "flushed zones=%u: other servers have them now",
			  count);
}

/* ---- looking up ---- */

static uint32_t max_stale_of(struct cache_control *c)
{
	uint32_t max_stale_s;

	pthread_mutex_lock(&c->lock);
	max_stale_s = c->max_stale_s;
	pthread_mutex_unlock(&c->lock);
	return max_stale_s;
}

/* How long from now on it may be served: states only follow one another. */
static uint32_t kept_s_of(const uint64_t entry[], uint32_t max_stale_s, uint32_t now_s)
{
	uint32_t alive_s = 0, dead_s = KEPT_S_MAX;

	while (dead_s - alive_s > 1) {
		uint32_t middle_s = alive_s + (dead_s - alive_s) / 2;

		if (cache_entry_state(entry, max_stale_s, now_s + middle_s) == CACHE_ENTRY_DEAD)
			dead_s = middle_s;
		else
			alive_s = middle_s;
	}
	return dead_s;
}

static const char *state_text(const uint64_t entry[], enum cache_entry_state state)
{
	switch (state) {
	case CACHE_ENTRY_FRESH:
		return cache_entry_is_failure(entry) ? "failure" : "fresh";
	case CACHE_ENTRY_FRESH_STALE:
		return "served stale";
	case CACHE_ENTRY_STALE:
		return "stale";
	case CACHE_ENTRY_DEAD:
		break;
	}
	return "expired";
}

static uint32_t ttl_left(const struct cache_head *head, uint32_t now_s)
{
	uint32_t age_s = now_s - head->stored_at_s;

	return age_s < head->ttl_s ? head->ttl_s - age_s : 0;
}

enum cache_control_result cache_control_lookup(struct cache_control *c, const struct name *qname,
					       uint16_t qtype, bool checking_disabled,
					       struct cache_control_entry *out)
{
	uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	const uint32_t max_stale_s = max_stale_of(c);
	const uint32_t now_s = cache_clock_s(&c->workers[0].clock);
	struct cache_candidates candidates;
	enum cache_entry_state state;
	struct cache_found found;
	struct cache_key key;

	if (c->cache == NULL)
		return CACHE_CONTROL_NO_CACHE;
	engine_key_make(c->workers[0].engine, qname, qtype, checking_disabled, &key);
	cache_candidates(c->cache, key.hash, &candidates);
	if (cache_find(c->cache, &candidates, &key, copy, CACHE_ENTRY_WORDS_MAX, &found) !=
		    CACHE_FOUND ||
	    cache_entry_is_cut(copy) || cache_flusher_covers(c->flusher, &found, copy))
		return CACHE_CONTROL_NOT_FOUND;
	state = cache_entry_state(copy, max_stale_s, now_s);
	if (state == CACHE_ENTRY_DEAD)
		return CACHE_CONTROL_NOT_FOUND;
	out->word = found.word;
	out->state = state_text(copy, state);
	out->rcode = found.head.rcode;
	out->age_s = now_s - found.head.stored_at_s;
	out->ttl_s = ttl_left(&found.head, now_s);
	out->kept_s = kept_s_of(copy, max_stale_s, now_s);
	out->wants_refresh = cache_entry_wants_refresh(copy, now_s);
	out->entry_bytes = found.word_count * 8u;
	out->message_bytes = cache_entry_message(
		(struct buffer){.data = out->message, .capacity_bytes = sizeof(out->message)}, copy,
		now_s);
	return CACHE_CONTROL_OK;
}

/* ---- figures ---- */

static uint64_t load(const uint64_t *number)
{
	return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static void add_worker(struct cache_control_stats *out, const struct engine *engine)
{
	const struct cache_writer_stats *from = engine_cache_stats(engine);
	const uint64_t *counters = engine_counters(engine)->value;

	out->hits += load(&counters[COUNTER_CACHE_HIT]);
	out->misses += load(&counters[COUNTER_CACHE_MISSES]);
	out->stale += load(&counters[COUNTER_CACHE_STALE]);
	out->prefetches += load(&counters[COUNTER_CACHE_PREFETCHES]);
	out->failures += load(&counters[COUNTER_CACHE_FAILURES]);
	out->overtaken += load(&counters[COUNTER_CACHE_OVERTAKEN]);
	if (from == NULL)
		return;
	out->writers.inserts += load(&from->inserts);
	out->writers.inserts_lost += load(&from->inserts_lost);
	out->writers.evictions += load(&from->evictions);
	out->writers.displaced += load(&from->displaced);
	out->writers.second_chances += load(&from->second_chances);
	out->writers.evicted_age_s += load(&from->evicted_age_s);
}

/* Under the lock. */
static void refresh_usage(struct cache_control *c)
{
	mono_ns now = now_of(c), after, rest_ns;

	if (now < c->usage_until)
		return;
	cache_usage(c->cache, &c->usage);
	after = now_of(c);
	rest_ns = (after - now) * USAGE_REST;
	c->usage_until = after + (rest_ns > USAGE_AGE_NS ? rest_ns : USAGE_AGE_NS);
}

void cache_control_stats(struct cache_control *c, struct cache_control_stats *out)
{
	*out = (struct cache_control_stats){.has_cache = c->cache != NULL};
	for (unsigned i = 0; i < c->worker_count; i++)
		add_worker(out, c->workers[i].engine);
	if (c->cache == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	refresh_usage(c);
	out->usage = c->usage;
	out->restore = cache_restore_state(c->restore, &out->restored);
	pthread_mutex_unlock(&c->lock);
}

static void sample_one(struct cache_control_sample *s, const struct cache_found *found,
		       const uint64_t copy[], uint32_t now_s)
{
	uint32_t left_s = ttl_left(&found->head, now_s);
	unsigned step = 0;

	if (left_s > 0)
		step++;
	while (left_s > 0 && step < CACHE_CONTROL_STEPS - 1 &&
	       left_s > cache_control_step_s[step - 1])
		step++;
	s->entries++;
	s->failures += cache_entry_is_failure(copy);
	s->bytes += found->word_count * 8u;
	s->age_s += (uint32_t)(now_s - found->head.stored_at_s);
	s->ttl_left[step]++;
}

enum cache_control_result cache_control_sample(struct cache_control *c,
					       struct cache_control_sample *out)
{
	uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_found found;
	bool has_wrapped = false;
	uint32_t now_s;

	*out = (struct cache_control_sample){0};
	if (c->cache == NULL)
		return CACHE_CONTROL_NO_CACHE;
	now_s = cache_clock_s(&c->workers[0].clock);
	pthread_mutex_lock(&c->lock);
	if (c->sample.next == 0)
		has_wrapped = true;
	while (out->entries < CACHE_CONTROL_SAMPLE) {
		if (cache_walk_next(&c->sample, copy, &found)) {
			sample_one(out, &found, copy, now_s);
			continue;
		}
		cache_walk_begin(&c->sample, c->cache);
		/* From the beginning, so that a small cache is counted whole and nothing twice. */
		if (has_wrapped)
			break;
		has_wrapped = true;
		*out = (struct cache_control_sample){0};
	}
	pthread_mutex_unlock(&c->lock);
	return CACHE_CONTROL_OK;
}
