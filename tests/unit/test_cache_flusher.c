/* Flushes, from the call to the end of the sweep: that a name is gone and others are not, whatever workers put meanwhile; that
 * nothing is in force before they know of it; and what happens where many come at once, or all is stopped. The workers are
 * played: a turn of theirs is what the test makes of it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cache_rig.h"
#include "dpdk_app/cache_flusher.h"
#include "dpdk_app/cache_restore.h"
#include "unit.h"

enum { A = 1, AAAA = 28, TTL = 1000, NOW = 50, WORDS = 12 };
enum { POLLS_MAX = 5000 }; /* of a millisecond */

/* ---- workers and a restore, played ---- */

static struct {
	_Atomic bool hangs;     /* they begin no turn */
	_Atomic unsigned turns; /* that they have begun */
	_Atomic bool restoring;
	void (*on_turn)(unsigned turn); /* what a worker does in it; NULL: nothing */
} workers;

bool worker_wait_turn(struct worker *all, unsigned worker_count);

static void sleep_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

bool worker_wait_turn(struct worker *all, unsigned worker_count)
{
	(void)all, (void)worker_count;
	if (atomic_load(&workers.hangs)) {
		sleep_briefly();
		return false;
	}
	if (workers.on_turn != NULL)
		workers.on_turn(atomic_load(&workers.turns));
	atomic_fetch_add(&workers.turns, 1);
	return true;
}

enum cache_restore_state cache_restore_state(const struct cache_restore *r, uint64_t *entry_count)
{
	(void)r;
	*entry_count = 0;
	return atomic_load(&workers.restoring) ? CACHE_RESTORE_RUNNING : CACHE_RESTORE_NONE;
}

/* ---- the rig ---- */

static struct cache_rig rig;
static struct cache_flusher *flusher;

static void start(void)
{
	atomic_store(&workers.hangs, false);
	atomic_store(&workers.turns, 0);
	atomic_store(&workers.restoring, false);
	workers.on_turn = NULL;
	cache_rig_start(&rig, CACHE_BYTES_MIN, 8);
	flusher = cache_flusher_make(rig.cache, NULL, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flusher);
	CU_ASSERT_FATAL(cache_flusher_start(flusher, NULL));
}

/* With nothing active any more: what is, stays so until the process ends. */
static void stop(void)
{
	cache_flusher_stop(flusher);
	free(flusher);
	cache_rig_stop(&rig);
}

static void put(const char *name, uint16_t qtype, const struct cache_flush *flush)
{
	struct cache_key key;

	cache_rig_key_of(&key, name, qtype);
	CU_ASSERT(cache_rig_put(&rig, 0, &key, 1, WORDS, TTL, NOW, flush) == CACHE_PUT_OK);
}

static bool is_there(const char *name, uint16_t qtype)
{
	struct cache_key key;

	cache_rig_key_of(&key, name, qtype);
	return cache_rig_find(&rig, &key) != CACHE_RIG_NONE;
}

static struct cache_flush_what what_of(const char *name, bool below, uint16_t qtype)
{
	struct cache_flush_what what = {.below = below, .qtype = qtype};

	CHECK(name_from_text(name, &what.name));
	return what;
}

/* Waits for its end. Returns how many it took out. */
static uint64_t flush(const char *name, bool below, uint16_t qtype)
{
	struct cache_flush_what what = what_of(name, below, qtype);
	uint64_t removed;
	bool in_force;

	CU_ASSERT_EQUAL(cache_flusher_flush(flusher, &what, &removed, &in_force),
			CACHE_FLUSHER_DONE);
	CU_ASSERT(in_force);
	return removed;
}

static enum cache_flusher_result begin(const char *name)
{
	struct cache_flush_what what = what_of(name, false, 0);

	return cache_flusher_begin(flusher, &what);
}

static bool has_rules(void)
{
	return cache_flush_now(rig.cache) != NULL;
}

/* Until there are rules, or none. */
static bool wait_for_rules(bool wanted)
{
	for (unsigned i = 0; has_rules() != wanted; i++) {
		if (i == POLLS_MAX)
			return false;
		sleep_briefly();
	}
	return true;
}

/* ---- tests ---- */

static void cache_flusher__takes_out_names(void)
{
	start();
	put("www.example.com.", A, NULL);
	put("www.example.com.", AAAA, NULL);
	put("a.www.example.com.", A, NULL);
	put("example.org.", A, NULL);
	CU_ASSERT_EQUAL(flush("WWW.Example.com.", false, AAAA), 1);
	CU_ASSERT(is_there("www.example.com.", A) && !is_there("www.example.com.", AAAA));
	CU_ASSERT_EQUAL(flush("www.example.com.", false, 0), 1);
	CU_ASSERT(!is_there("www.example.com.", A) && is_there("a.www.example.com.", A));
	CU_ASSERT_EQUAL(flush("example.com.", true, 0), 1);
	CU_ASSERT(!is_there("a.www.example.com.", A) && is_there("example.org.", A));
	CU_ASSERT_EQUAL(flush("nothing.example.", true, 0), 0);
	/* The rules are taken back. */
	CU_ASSERT(wait_for_rules(false));
	stop();
}

/* A worker that does not know the rules yet puts what it has just learned: it is from before the flush. */
static void put_on_first_turn(unsigned turn)
{
	if (turn == 0) {
		CU_ASSERT(has_rules());
		put("during.example.", A, NULL);
	}
}

static void cache_flusher__takes_out_what_comes_before_it_is_in_force(void)
{
	start();
	put("early.example.", A, NULL);
	workers.on_turn = put_on_first_turn;
	CU_ASSERT_EQUAL(flush("example.", true, 0), 2);
	CU_ASSERT(!is_there("early.example.", A) && !is_there("during.example.", A));
	stop();
}

/* What a worker learns afterwards stays, though the sweep comes by it. */
static void put_after_force(unsigned turn)
{
	const struct cache_flush *rules = cache_flush_now(rig.cache);

	if (turn == 3)
		put("late.example.", A, rules);
}

static void cache_flusher__leaves_what_comes_when_it_is_in_force(void)
{
	start();
	put("early.example.", A, NULL);
	workers.on_turn = put_after_force;
	CU_ASSERT_EQUAL(flush("example.", true, 0), 1);
	CU_ASSERT(!is_there("early.example.", A) && is_there("late.example.", A));
	stop();
}

/* Is it one that nobody is answered with any more? */
static bool is_covered(const char *name)
{
	CU_ASSERT_FATAL(is_there(name, A));
	return cache_flusher_covers(flusher, &rig.found, rig.copy);
}

static void cache_flusher__is_in_force_when_all_workers_know(void)
{
	start();
	put("a.example.", A, NULL);
	put("b.example.", A, NULL);
	atomic_store(&workers.hangs, true);
	CU_ASSERT_EQUAL(begin("a.example."), CACHE_FLUSHER_UNDER_WAY);
	CU_ASSERT(wait_for_rules(true));
	CU_ASSERT(cache_flusher_all_begun(flusher));
	CU_ASSERT(is_covered("a.example.") && !is_covered("b.example."));
	/* The sweep waits for them as well. */
	sleep_briefly();
	CU_ASSERT(is_there("a.example.", A));
	atomic_store(&workers.hangs, false);
	CU_ASSERT(cache_flusher_wait(flusher));
	CU_ASSERT(atomic_load(&workers.turns) >= 2);
	CU_ASSERT(wait_for_rules(false));
	CU_ASSERT(!is_there("a.example.", A) && is_there("b.example.", A));
	stop();
}

/* More than there is place for: the rest waits, and what the queue does not hold is refused. */
static void cache_flusher__takes_many_at_once(void)
{
	const unsigned most = CACHE_FLUSH_RULES_MAX + CACHE_FLUSHER_QUEUE_MAX;
	char name[32];
	unsigned begun = 0, left = 0;

	start();
	for (unsigned i = 0; i <= most; i++) {
		snprintf(name, sizeof(name), "n%u.test.", i);
		put(name, A, NULL);
	}
	atomic_store(&workers.hangs, true);
	CU_ASSERT_EQUAL(begin("first.test."), CACHE_FLUSHER_UNDER_WAY);
	CU_ASSERT(wait_for_rules(true));
	/* Taken on are those that were there when it last looked. */
	for (; begun <= most; begun++) {
		snprintf(name, sizeof(name), "n%u.test.", begun);
		if (begin(name) != CACHE_FLUSHER_UNDER_WAY)
			break;
	}
	CU_ASSERT_EQUAL(begun, CACHE_FLUSHER_QUEUE_MAX);
	CU_ASSERT_EQUAL(begin("one.more.test."), CACHE_FLUSHER_FULL);
	CU_ASSERT(!cache_flusher_all_begun(flusher));
	atomic_store(&workers.hangs, false);
	CU_ASSERT(cache_flusher_wait(flusher));
	CU_ASSERT(cache_flusher_all_begun(flusher));
	CU_ASSERT(wait_for_rules(false));
	for (unsigned i = 0; i <= most; i++) {
		snprintf(name, sizeof(name), "n%u.test.", i);
		left += is_there(name, A);
	}
	CU_ASSERT_EQUAL(left, most + 1 - begun);
	stop();
}

/* What it names may yet come from the file: the rule stays until that has been read. */
static void cache_flusher__keeps_rules_while_a_file_is_read(void)
{
	start();
	put("a.example.", A, NULL);
	atomic_store(&workers.restoring, true);
	CU_ASSERT_EQUAL(begin("a.example."), CACHE_FLUSHER_UNDER_WAY);
	CU_ASSERT(cache_flusher_wait(flusher));
	for (unsigned i = 0; i < POLLS_MAX && is_there("a.example.", A); i++)
		sleep_briefly();
	CU_ASSERT(!is_there("a.example.", A));
	for (unsigned i = 0; i < 20; i++)
		sleep_briefly();
	CU_ASSERT(has_rules());
	atomic_store(&workers.restoring, false);
	CU_ASSERT(wait_for_rules(false));
	stop();
}

static void *flush_until_stopped(void *name)
{
	struct cache_flush_what what = what_of(name, false, 0);
	uint64_t removed;
	bool in_force = true;
	uintptr_t result = cache_flusher_flush(flusher, &what, &removed, &in_force);

	CU_ASSERT(!in_force && removed == 0);
	return (void *)result;
}

static void cache_flusher__tells_who_waits_that_it_is_stopped(void)
{
	/* Those in force are still to be had, for what is saved at the end. */
	static struct cache_flusher *stopped;
	static char names[2][16] = {"active.test.", "waits.test."};
	pthread_t threads[2];
	void *result;

	start();
	stopped = flusher;
	put("active.test.", A, NULL);
	atomic_store(&workers.hangs, true);
	CU_ASSERT_EQUAL(pthread_create(&threads[0], NULL, flush_until_stopped, names[0]), 0);
	CU_ASSERT(wait_for_rules(true));
	CU_ASSERT_EQUAL(pthread_create(&threads[1], NULL, flush_until_stopped, names[1]), 0);
	for (unsigned i = 0; i < POLLS_MAX && cache_flusher_all_begun(flusher); i++)
		sleep_briefly();
	cache_flusher_stop(flusher);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(pthread_join(threads[i], &result), 0);
		CU_ASSERT_EQUAL((uintptr_t)result, CACHE_FLUSHER_STOPPED);
	}
	CU_ASSERT_EQUAL(begin("later.test."), CACHE_FLUSHER_STOPPED);
	CU_ASSERT(is_covered("active.test."));
	CU_ASSERT_PTR_NOT_NULL(stopped);
	cache_rig_stop(&rig);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_flusher__takes_out_names),
	UNIT_TEST(cache_flusher__takes_out_what_comes_before_it_is_in_force),
	UNIT_TEST(cache_flusher__leaves_what_comes_when_it_is_in_force),
	UNIT_TEST(cache_flusher__is_in_force_when_all_workers_know),
	UNIT_TEST(cache_flusher__takes_many_at_once),
	UNIT_TEST(cache_flusher__keeps_rules_while_a_file_is_read),
	UNIT_TEST(cache_flusher__tells_who_waits_that_it_is_stopped),
};
UNIT_SUITE(cache_flusher, tests)
