#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/timer_wheel.h"
#include "unit.h"

#define TICK_NS (UINT64_C(1) << TIMER_TICK_SHIFT)
#define HOUR_NS (3600 * NS_PER_S)
#define NONE UINT32_MAX

struct fixture {
	struct timer_wheel wheel;
	void *memory;
};

static void fixture_init(struct fixture *f, uint32_t timer_count, mono_ns now)
{
	f->memory = malloc(timer_wheel_memory_bytes(timer_count));
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->memory);
	memset(f->memory, 0x5a, timer_wheel_memory_bytes(timer_count));
	timer_wheel_init(&f->wheel, f->memory, timer_count, now);
}

static void fixture_fini(struct fixture *f)
{
	free(f->memory);
}

static void timer_wheel_advance__fires_at_the_tick_and_not_before(void)
{
	static const struct {
		const char *says;
		mono_ns start, deadline, not_yet, fires;
	} rows[] = {
		{"on a tick", 0, 5 * TICK_NS, 5 * TICK_NS - 1, 5 * TICK_NS},
		{"past a tick: rounded up", 0, 5 * TICK_NS + 1, 6 * TICK_NS - 1, 6 * TICK_NS},
		{"before a tick", 0, 6 * TICK_NS - 1, 6 * TICK_NS - 1, 6 * TICK_NS},
		{"last slot of level 0", 0, 255 * TICK_NS, 255 * TICK_NS - 1, 255 * TICK_NS},
		{"first of level 1", 0, 256 * TICK_NS, 256 * TICK_NS - 1, 256 * TICK_NS},
		{"level 1, odd", 0, 300 * TICK_NS, 300 * TICK_NS - 1, 300 * TICK_NS},
		{"a block's border near", 255 * TICK_NS, 257 * TICK_NS, 257 * TICK_NS - 1,
		 257 * TICK_NS},
		{"level 2", 77 * TICK_NS, 65536 * TICK_NS, 65536 * TICK_NS - 1, 65536 * TICK_NS},
		{"level 3", 77 * TICK_NS, (TICK_NS << 24) + 9 * TICK_NS,
		 (TICK_NS << 24) + 9 * TICK_NS - 1, (TICK_NS << 24) + 9 * TICK_NS},
		{"over the end of the ring", (TICK_NS << 32) - 1, (TICK_NS << 32) + 1,
		 (TICK_NS << 32) + TICK_NS - 1, (TICK_NS << 32) + TICK_NS},
		{"beyond the ring", 3 * TICK_NS, (TICK_NS << 34) + TICK_NS, (TICK_NS << 34),
		 (TICK_NS << 34) + TICK_NS},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct fixture f;

		fixture_init(&f, 1, rows[i].start);
		timer_set(&f.wheel, 0, rows[i].deadline);
		timer_wheel_check(&f.wheel);
		timer_wheel_advance(&f.wheel, rows[i].not_yet);
		timer_wheel_check(&f.wheel);
		CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
		timer_wheel_advance(&f.wheel, rows[i].fires);
		timer_wheel_check(&f.wheel);
		CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 0);
		CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
		CU_ASSERT_EQUAL(f.wheel.set_count, 0);
		fixture_fini(&f);
	}
}

/* From any tick to any other, a driver that sleeps until timer_wheel_next gets there in a step a
 * level, and the last step fires it exactly on time. */
static void timer_wheel_next__leads_to_the_timer_in_a_step_a_level(void)
{
	static const uint64_t starts[] = {0,     1,       255,      256,       65535,
					  65536, 0xfffff, 0xffffff, 0xfffffff, 0xffffffff};
	static const uint64_t distances[] = {0,         1,         2,          254,
					     255,       256,       257,        511,
					     512,       65279,     65535,      65536,
					     65537,     131072,    0xffffff,   0x1000000,
					     0x1000001, 0x7654321, 0xfeffffff, 0xff000000};

	for (size_t i = 0; i < ARRAY_COUNT(starts); i++)
		for (size_t j = 0; j < ARRAY_COUNT(distances); j++) {
			struct fixture f;
			mono_ns deadline = (starts[i] + distances[j]) * TICK_NS;
			unsigned steps = 0;
			uint32_t fired = NONE;

			fixture_init(&f, 2, starts[i] * TICK_NS + 12345);
			CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), MONO_NEVER);
			timer_set(&f.wheel, 1, deadline);
			while (fired == NONE && steps++ < TIMER_LEVELS) {
				mono_ns next = timer_wheel_next(&f.wheel);

				CU_ASSERT_FATAL(next <= deadline);
				timer_wheel_advance(&f.wheel, next);
				timer_wheel_check(&f.wheel);
				fired = timer_next_expired(&f.wheel);
				if (fired != NONE)
					CU_ASSERT_EQUAL(next, deadline);
			}
			CU_ASSERT_EQUAL(fired, 1);
			CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), MONO_NEVER);
			fixture_fini(&f);
		}
}

static void timer_set__past_deadline_fires_at_the_next_advance(void)
{
	struct fixture f;
	mono_ns now = 1000 * TICK_NS + 7;

	fixture_init(&f, 3, now);
	timer_set(&f.wheel, 0, now - 500 * TICK_NS);
	timer_set(&f.wheel, 1, 0);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT(timer_wheel_next(&f.wheel) <= now);
	timer_wheel_advance(&f.wheel, now);
	for (int i = 0; i < 2; i++) {
		uint32_t idx = timer_next_expired(&f.wheel);

		CU_ASSERT_FATAL(idx < 2);
		/* Set again for the past while expired ones are taken: not in this round, or a
		 * handler that does so would never end. */
		timer_set(&f.wheel, idx, now - 1);
	}
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	timer_wheel_advance(&f.wheel, now);
	CU_ASSERT_NOT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT_NOT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	fixture_fini(&f);
}

static void timer_next_expired__allows_set_and_cancel_between(void)
{
	struct fixture f;

	fixture_init(&f, 5, 0);
	for (uint32_t i = 0; i < 5; i++)
		timer_set(&f.wheel, i, (i + 1) * TICK_NS);
	timer_wheel_advance(&f.wheel, 10 * TICK_NS);
	CU_ASSERT_EQUAL(f.wheel.set_count, 5);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 0);
	timer_cancel(&f.wheel, 1);
	timer_cancel(&f.wheel, 1);
	timer_set(&f.wheel, 2, 20 * TICK_NS);
	timer_cancel(&f.wheel, 4);
	timer_wheel_check(&f.wheel);
	CU_ASSERT_EQUAL(f.wheel.set_count, 2);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 3);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), 20 * TICK_NS);
	timer_wheel_advance(&f.wheel, 20 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 2);
	timer_wheel_check(&f.wheel);
	fixture_fini(&f);
}

static void timer_wheel_advance__ignores_a_clock_that_goes_back(void)
{
	struct fixture f;

	fixture_init(&f, 1, 1000 * TICK_NS);
	timer_set(&f.wheel, 0, 1005 * TICK_NS);
	timer_wheel_advance(&f.wheel, 3 * TICK_NS);
	CU_ASSERT_EQUAL(f.wheel.tick, 1000);
	CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), 1005 * TICK_NS);
	timer_wheel_check(&f.wheel);
	fixture_fini(&f);
}

static void timer_wheel_advance__a_long_jump_fires_in_order_of_ticks(void)
{
	enum { COUNT = 5000 };
	unsigned long long random = unit_seed();
	static mono_ns deadlines[COUNT];
	struct fixture f;
	mono_ns last = 0;
	uint32_t fired = 0;

	fixture_init(&f, COUNT, 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		deadlines[i] = unit_random(&random) % (100 * HOUR_NS);
		timer_set(&f.wheel, i, deadlines[i]);
	}
	timer_wheel_advance(&f.wheel, 50 * HOUR_NS);
	timer_wheel_check(&f.wheel);
	for (uint32_t idx; (idx = timer_next_expired(&f.wheel)) != NONE; fired++) {
		CU_ASSERT(deadlines[idx] <= 50 * HOUR_NS);
		CU_ASSERT(deadlines[idx] + TICK_NS > last);
		last = deadlines[idx] > last ? deadlines[idx] : last;
		deadlines[idx] = MONO_NEVER;
	}
	CU_ASSERT_EQUAL(fired + f.wheel.set_count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		CU_ASSERT(deadlines[i] + 2 * TICK_NS > 50 * HOUR_NS || deadlines[i] == MONO_NEVER);
	fixture_fini(&f);
}

static void timer_set__of_one_that_was_put_off_or_brought_forward_fires_then(void)
{
	struct fixture f;

	fixture_init(&f, 4, 0);
	for (uint32_t i = 0; i < 4; i++)
		timer_set(&f.wheel, i, 300 * TICK_NS);
	timer_set(&f.wheel, 0, 700 * TICK_NS);
	timer_set(&f.wheel, 1, 5 * TICK_NS);
	timer_cancel(&f.wheel, 2);
	timer_cancel(&f.wheel, 3);
	timer_set(&f.wheel, 3, 301 * TICK_NS);
	timer_wheel_check(&f.wheel);
	CU_ASSERT_EQUAL(timer_wheel_lingering(&f.wheel), 3);
	CU_ASSERT_EQUAL(f.wheel.set_count, 3);
	timer_wheel_advance(&f.wheel, 5 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 1);
	timer_wheel_advance(&f.wheel, 300 * TICK_NS);
	timer_wheel_check(&f.wheel);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT_EQUAL(timer_wheel_lingering(&f.wheel), 0);
	timer_wheel_advance(&f.wheel, 301 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 3);
	timer_wheel_advance(&f.wheel, 699 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	timer_wheel_advance(&f.wheel, 700 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), 0);
	CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), MONO_NEVER);
	timer_wheel_check(&f.wheel);
	fixture_fini(&f);
}

/* None is set, but one is linked still: nobody is to wake up for it. */
static void timer_wheel_next__is_never_when_all_are_cancelled(void)
{
	struct fixture f;

	fixture_init(&f, 1, 0);
	timer_set(&f.wheel, 0, 10 * TICK_NS);
	timer_cancel(&f.wheel, 0);
	CU_ASSERT_EQUAL(timer_wheel_next(&f.wheel), MONO_NEVER);
	timer_wheel_advance(&f.wheel, 20 * TICK_NS);
	CU_ASSERT_EQUAL(timer_next_expired(&f.wheel), NONE);
	CU_ASSERT_EQUAL(timer_wheel_lingering(&f.wheel), 0);
	timer_wheel_check(&f.wheel);
	fixture_fini(&f);
}

/* ---- against a naive model: an array of deadlines ---- */

#define MODEL_COUNT 40

struct model {
	mono_ns deadline[MODEL_COUNT];
	bool set[MODEL_COUNT];
	mono_ns now;
};

static mono_ns random_span(unsigned long long *random)
{
	static const mono_ns scales[] = {
		1,           TICK_NS,           300 * NS_PER_MS,   NS_PER_S, 70 * NS_PER_S,
		5 * HOUR_NS, 40 * 24 * HOUR_NS, 200 * 24 * HOUR_NS};

	return unit_random(random) % (scales[unit_random(random) % ARRAY_COUNT(scales)] * 2);
}

/* When it is to fire at the latest, if advance is called then: the tick after its time. */
static mono_ns fires_at(mono_ns deadline)
{
	return (deadline + TICK_NS - 1) / TICK_NS * TICK_NS;
}

static void model_change(struct model *m, struct timer_wheel *w, unsigned long long *random)
{
	uint32_t idx = (uint32_t)(unit_random(random) % MODEL_COUNT);

	if (unit_random(random) % 4 == 0) {
		timer_cancel(w, idx);
		m->set[idx] = false;
		return;
	}
	m->deadline[idx] = m->now + random_span(random);
	if (unit_random(random) % 8 == 0)
		m->deadline[idx] = m->now - random_span(random) % m->now;
	m->set[idx] = true;
	timer_set(w, idx, m->deadline[idx]);
}

static void model_advance(struct model *m, struct timer_wheel *w, unsigned long long *random)
{
	mono_ns next = timer_wheel_next(w);
	uint32_t idx;

	/* As a driver does: to the next deadline; or to anywhere. */
	if (unit_random(random) % 2 == 0 && next != MONO_NEVER)
		m->now = next > m->now ? next : m->now;
	else
		m->now += random_span(random);
	timer_wheel_advance(w, m->now);
	timer_wheel_check(w);
	while ((idx = timer_next_expired(w)) != NONE) {
		CU_ASSERT_TRUE_FATAL(m->set[idx]);
		CU_ASSERT_FATAL(m->deadline[idx] <= m->now);
		m->set[idx] = false;
		if (unit_random(random) % 4 == 0)
			model_change(m, w, random);
	}
}

static void model_check(const struct model *m, const struct timer_wheel *w)
{
	mono_ns earliest = MONO_NEVER;
	mono_ns next = timer_wheel_next(w);
	uint32_t set_count = 0;

	for (uint32_t i = 0; i < MODEL_COUNT; i++) {
		if (!m->set[i])
			continue;
		set_count++;
		if (fires_at(m->deadline[i]) < earliest)
			earliest = fires_at(m->deadline[i]);
	}
	CU_ASSERT_EQUAL_FATAL(set_count, w->set_count);
	CU_ASSERT_EQUAL_FATAL(next == MONO_NEVER, set_count == 0);
	if (set_count == 0)
		return;
	/* Never later than the first timer, unless that one is overdue: then now. */
	CU_ASSERT_FATAL(next <= earliest || next <= m->now);
	if (timer_wheel_lingering(w) > 0)
		return;
	for (unsigned level = 0; level < TIMER_LEVELS; level++)
		if (earliest > m->now &&
		    earliest / TICK_NS - m->now / TICK_NS < UINT64_C(1) << (8 * level)) {
			CU_ASSERT_FATAL(next + (TICK_NS << (8 * level)) > earliest);
			break;
		}
}

static void timer_wheel__agrees_with_a_naive_model(void)
{
	unsigned long long random = unit_seed();

	for (int round = 0; round < 20; round++) {
		struct model m = {.now = 1 + unit_random(&random) % (60 * 24 * HOUR_NS)};
		struct fixture f;

		fixture_init(&f, MODEL_COUNT, m.now);
		for (int step = 0; step < 2000; step++) {
			if (unit_random(&random) % 3 == 0) {
				model_advance(&m, &f.wheel, &random);
				/* All that are set and over are those set since in the loop. */
				timer_wheel_advance(&f.wheel, m.now);
				for (uint32_t i; (i = timer_next_expired(&f.wheel)) != NONE;)
					m.set[i] = false;
				for (uint32_t i = 0; i < MODEL_COUNT; i++)
					CU_ASSERT_FATAL(!m.set[i] ||
							m.deadline[i] + TICK_NS > m.now);
			} else {
				model_change(&m, &f.wheel, &random);
			}
			timer_wheel_check(&f.wheel);
			model_check(&m, &f.wheel);
		}
		fixture_fini(&f);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(timer_wheel_advance__fires_at_the_tick_and_not_before),
	UNIT_TEST(timer_wheel_next__leads_to_the_timer_in_a_step_a_level),
	UNIT_TEST(timer_wheel_next__is_never_when_all_are_cancelled),
	UNIT_TEST(timer_set__of_one_that_was_put_off_or_brought_forward_fires_then),
	UNIT_TEST(timer_set__past_deadline_fires_at_the_next_advance),
	UNIT_TEST(timer_next_expired__allows_set_and_cancel_between),
	UNIT_TEST(timer_wheel_advance__ignores_a_clock_that_goes_back),
	UNIT_TEST(timer_wheel_advance__a_long_jump_fires_in_order_of_ticks),
	UNIT_TEST(timer_wheel__agrees_with_a_naive_model),
};
UNIT_SUITE(timer_wheel, tests)
