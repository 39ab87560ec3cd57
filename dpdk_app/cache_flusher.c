#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_flusher.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dpdk_app/cache_restore.h"
#include "dpdk_app/log.h"
#include "dpdk_app/worker.h"

/* Entries between two looks at whether another flush waits. */
#define SWEEP_ENTRIES 4096
/* Replaced rules are nobody's after so many turns of all workers. */
#define FREE_TURNS 2
/* Between two looks while rules only wait for the end of a file that is read back. */
#define RESTORE_PAUSE_NS 1000000L

enum flush_state {
	FLUSH_WAITS,
	FLUSH_IN_FORCE,
	FLUSH_DONE,
	FLUSH_STOPPED, /* while it was swept for: it goes on covering */
	FLUSH_REFUSED, /* stopped while it was in the queue */
};

/* One call of cache_flusher_flush. Under the lock, but for rule and what the sweep alone uses. */
struct flush {
	enum flush_state state;
	bool is_left;             /* the caller waits no more: the thread frees it */
	_Atomic uint64_t removed; /* thread: adds; caller: reads, relaxed */
	struct flush *next;
	struct cache_flush rule; /* this one alone; the thread's, from when it is taken on */
	bool is_fixed;
	/* Where in which pass over the index it came into force: it is done when the sweep has come by again. */
	uint64_t pass, place;
};

struct cache_flusher {
	struct cache *cache;
	struct worker *workers;
	unsigned worker_count;
	const struct cache_restore *restore; /* NULL: none; since before the thread */
	pthread_t thread;
	bool is_started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	unsigned queue_count;
	struct flush *queue; /* oldest first */
	unsigned active_count;
	struct flush *active[CACHE_FLUSH_RULES_MAX];

	/* The thread's. */
	struct cache_flush *published; /* NULL: none */
	struct cache_walk walk;
	uint64_t pass;
	uint64_t copy[CACHE_ENTRY_WORDS_MAX];
};

struct cache_flusher *cache_flusher_make(struct cache *cache, struct worker *workers,
					 unsigned worker_count)
{
	struct cache_flusher *f = calloc(1, sizeof(*f));
	pthread_condattr_t monotonic;

	if (f == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=flusher bytes=%zu",
			  sizeof(*f));
		return NULL;
	}
	f->cache = cache;
	f->workers = workers;
	f->worker_count = worker_count;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return f;
}

/* ---- rules: the thread ---- */

/* All workers have begun so many turns since. False: told to stop. */
static bool wait_turns(struct cache_flusher *f, unsigned count)
{
	while (count > 0) {
		bool stop;

		if (worker_wait_turn(f->workers, f->worker_count)) {
			count--;
			continue;
		}
		log_write(CONFIG_LOG_WARNING, "cache",
			  "a worker has not begun a turn in %u ms: a flush waits for it",
			  WORKER_TURN_WAIT_MS);
		pthread_mutex_lock(&f->lock);
		stop = f->stop;
		pthread_mutex_unlock(&f->lock);
		if (stop)
			return false;
	}
	return true;
}

/* Let the workers have these rules instead of those before, which are freed when nobody looks at them any more. False: told to
 * stop before all workers had them. */
static bool publish(struct cache_flusher *f)
{
	struct cache_flush *old = f->published;
	struct cache_flush *new = NULL;

	if (f->active_count > 0) {
		/* Without them a flush would not be one: memory of this size cannot fail but where all else does. */
		new = calloc(1, sizeof(*new));
		CHECK(new != NULL);
		for (unsigned i = 0; i < f->active_count; i++)
			new->rules[new->count++] = f->active[i]->rule.rules[0];
	}
	f->published = new;
	cache_flush_publish(f->cache, new);
	/* Where a worker hangs, what it may be looking at stays. */
	if (!wait_turns(f, FREE_TURNS))
		return false;
	free(old);
	return true;
}

/* From the queue, as far as there is place. Returns how many. */
static unsigned take_on(struct cache_flusher *f)
{
	unsigned count = 0;

	pthread_mutex_lock(&f->lock);
	while (f->queue != NULL && f->active_count < CACHE_FLUSH_RULES_MAX) {
		struct flush *flush = f->queue;

		f->queue = flush->next;
		f->queue_count--;
		cache_flush_begin(&flush->rule.rules[0]);
		f->active[f->active_count++] = flush;
		count++;
	}
	pthread_mutex_unlock(&f->lock);
	return count;
}

/* Every worker knows the new rules: from here on they cover what stands before the logs' ends. */
static void fix(struct cache_flusher *f)
{
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->active_count; i++) {
		struct flush *flush = f->active[i];

		if (flush->is_fixed)
			continue;
		cache_flush_fix(f->cache, &flush->rule.rules[0]);
		flush->is_fixed = true;
		flush->pass = f->pass;
		flush->place = f->walk.next;
		flush->state = FLUSH_IN_FORCE;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* ---- the sweep: the thread ---- */

/* Under the lock. */
static void end_flush(struct flush *flush, enum flush_state state)
{
	flush->state = state;
	if (flush->is_left)
		free(flush);
}

/* The sweep has come by all the index since these came into force. Returns whether any has ended. */
static bool end_swept(struct cache_flusher *f)
{
	unsigned kept = 0, before;

	pthread_mutex_lock(&f->lock);
	before = f->active_count;
	for (unsigned i = 0; i < before; i++) {
		struct flush *flush = f->active[i];

		if (f->pass > flush->pass + 1 ||
		    (f->pass == flush->pass + 1 && f->walk.next >= flush->place))
			end_flush(flush, FLUSH_DONE);
		else
			f->active[kept++] = flush;
	}
	f->active_count = kept;
	if (kept < before)
		pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return kept < before;
}

static void remove_if_flushed(struct cache_flusher *f, const struct cache_found *found)
{
	for (unsigned i = 0; i < f->active_count; i++) {
		struct flush *flush = f->active[i];

		if (!cache_is_flushed(f->cache, &flush->rule, found, f->copy))
			continue;
		if (cache_remove(f->cache, found))
			atomic_fetch_add_explicit(&flush->removed, 1, memory_order_relaxed);
		return;
	}
}

static void sweep_some(struct cache_flusher *f)
{
	struct cache_found found;

	for (unsigned i = 0; i < SWEEP_ENTRIES; i++) {
		if (!cache_walk_next(&f->walk, f->copy, &found)) {
			cache_walk_begin(&f->walk, f->cache);
			f->pass++;
			return;
		}
		remove_if_flushed(f, &found);
	}
}

/* ---- the thread ---- */

/* What stands in the file may yet be given to the workers. */
static bool is_restoring(const struct cache_flusher *f)
{
	uint64_t entry_count;

	return cache_restore_state(f->restore, &entry_count) == CACHE_RESTORE_RUNNING;
}

static void pause_briefly(void)
{
	const struct timespec pause = {.tv_nsec = RESTORE_PAUSE_NS};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/* False: told to stop. */
static bool wait_for_work(struct cache_flusher *f)
{
	bool stop;

	pthread_mutex_lock(&f->lock);
	while (!f->stop && f->queue == NULL && f->active_count == 0)
		pthread_cond_wait(&f->changed, &f->lock);
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return !stop;
}

static void *run(void *argument)
{
	struct cache_flusher *f = argument;

	cache_walk_begin(&f->walk, f->cache);
	while (wait_for_work(f)) {
		if (take_on(f) > 0) {
			if (!publish(f))
				break;
			fix(f);
			if (!publish(f))
				break;
		}
		sweep_some(f);
		if (is_restoring(f))
			pause_briefly();
		else if (end_swept(f) && !publish(f))
			break;
	}
	return NULL;
}

bool cache_flusher_start(struct cache_flusher *f, const struct cache_restore *restore)
{
	int error;

	f->restore = restore;
	error = pthread_create(&f->thread, NULL, run, f);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "cache", "no thread for=flusher error=\"%s\"",
			  strerror(error));
		return false;
	}
	pthread_setname_np(f->thread, "portico-flush");
	f->is_started = true;
	return true;
}

void cache_flusher_stop(struct cache_flusher *f)
{
	if (!f->is_started)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	f->is_started = false;
	pthread_mutex_lock(&f->lock);
	/* Those in force stay so, until the process ends: what they cover shall not be saved. */
	for (unsigned i = 0; i < f->active_count; i++)
		f->active[i]->state = FLUSH_STOPPED;
	while (f->queue != NULL) {
		struct flush *flush = f->queue;

		f->queue = flush->next;
		end_flush(flush, FLUSH_REFUSED);
	}
	f->queue_count = 0;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* ---- callers ---- */

static struct flush *make_flush(const struct cache_flush_what *what)
{
	struct flush *flush = calloc(1, sizeof(*flush));

	if (flush == NULL)
		return NULL;
	flush->rule.count = 1;
	name_lower(&what->name, &flush->rule.rules[0].name);
	flush->rule.rules[0].below = what->below;
	flush->rule.rules[0].qtype = what->qtype;
	return flush;
}

/* Under the lock. False: *result says why not. */
static bool enqueue(struct cache_flusher *f, struct flush *flush, enum cache_flusher_result *result)
{
	struct flush **last = &f->queue;

	if (f->stop || !f->is_started) {
		*result = CACHE_FLUSHER_STOPPED;
		return false;
	}
	if (f->queue_count == CACHE_FLUSHER_QUEUE_MAX) {
		*result = CACHE_FLUSHER_FULL;
		return false;
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = flush;
	f->queue_count++;
	pthread_cond_broadcast(&f->changed);
	return true;
}

static void wait_until_ended(struct cache_flusher *f, const struct flush *flush)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CACHE_FLUSHER_WAIT_MS / 1000;
	while (flush->state < FLUSH_DONE &&
	       pthread_cond_timedwait(&f->changed, &f->lock, &until) != ETIMEDOUT)
		;
}

enum cache_flusher_result cache_flusher_flush(struct cache_flusher *f,
					      const struct cache_flush_what *what,
					      uint64_t *removed, bool *in_force)
{
	enum cache_flusher_result result = CACHE_FLUSHER_DONE;
	struct flush *flush = make_flush(what);

	*removed = 0;
	*in_force = false;
	if (flush == NULL)
		return CACHE_FLUSHER_FULL;
	pthread_mutex_lock(&f->lock);
	if (!enqueue(f, flush, &result)) {
		pthread_mutex_unlock(&f->lock);
		free(flush);
		return result;
	}
	wait_until_ended(f, flush);
	*removed = atomic_load_explicit(&flush->removed, memory_order_relaxed);
	*in_force = flush->state == FLUSH_IN_FORCE || flush->state == FLUSH_DONE;
	switch (flush->state) {
	case FLUSH_WAITS:
	case FLUSH_IN_FORCE:
		result = CACHE_FLUSHER_UNDER_WAY;
		flush->is_left = true;
		break;
	case FLUSH_DONE:
		free(flush);
		break;
	case FLUSH_STOPPED:
		result = CACHE_FLUSHER_STOPPED;
		break;
	case FLUSH_REFUSED:
		result = CACHE_FLUSHER_STOPPED;
		free(flush);
		break;
	}
	pthread_mutex_unlock(&f->lock);
	return result;
}

enum cache_flusher_result cache_flusher_begin(struct cache_flusher *f,
					      const struct cache_flush_what *what)
{
	enum cache_flusher_result result = CACHE_FLUSHER_UNDER_WAY;
	struct flush *flush = make_flush(what);

	/* As for rules (publish): a flush that was lost would not be known of. */
	CHECK(flush != NULL);
	flush->is_left = true;
	pthread_mutex_lock(&f->lock);
	if (!enqueue(f, flush, &result))
		free(flush);
	pthread_mutex_unlock(&f->lock);
	return result;
}

/* Under the lock. */
static bool all_in_force(const struct cache_flusher *f)
{
	for (unsigned i = 0; i < f->active_count; i++) {
		if (f->active[i]->state == FLUSH_WAITS)
			return false;
	}
	return f->queue == NULL;
}

bool cache_flusher_wait(struct cache_flusher *f)
{
	struct timespec until;
	bool in_force;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CACHE_FLUSHER_WAIT_MS / 1000;
	pthread_mutex_lock(&f->lock);
	while (!(in_force = all_in_force(f)) && !f->stop &&
	       pthread_cond_timedwait(&f->changed, &f->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&f->lock);
	return in_force;
}

bool cache_flusher_all_begun(struct cache_flusher *f)
{
	bool all_begun;

	pthread_mutex_lock(&f->lock);
	all_begun = f->queue_count == 0;
	pthread_mutex_unlock(&f->lock);
	return all_begun;
}

bool cache_flusher_covers(struct cache_flusher *f, const struct cache_found *found,
			  const uint64_t copy[])
{
	bool covers = false;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->active_count && !covers; i++)
		covers = cache_is_flushed(f->cache, &f->active[i]->rule, found, copy);
	pthread_mutex_unlock(&f->lock);
	return covers;
}
