#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/neighbour.h"
#include "unit.h"

static const struct mac owner = {{2, 0, 0, 0, 0, 1}};
static const struct hash_key key = {5, 6};

struct fixture {
	struct neighbour entries[NEIGHBOUR_PLACES_MAX];
	struct neighbour reader_entries[NEIGHBOUR_PLACES_MAX];
	struct neighbour_word words[NEIGHBOUR_PLACES_MAX];
	struct neighbour_shared shared;
	struct neighbour_table keeper, reader;
	mono_ns now;
};

static struct address host(unsigned i)
{
	return address_from_v4((uint8_t[]){198, 18, (uint8_t)(i >> 8), (uint8_t)i});
}

static struct neighbour_wanted wanted(unsigned i)
{
	return (struct neighbour_wanted){.address = host(i), .interface_idx = 1};
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = aligned_alloc(64, sizeof(*f));

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	memset(f, 0xa5, sizeof(*f));
	f->now = 500 * NS_PER_S;
	neighbour_shared_init(&f->shared, f->words, NEIGHBOUR_PLACES_MAX);
	neighbour_demands_key(&f->shared.demands, &key);
	neighbour_init(&f->keeper, f->entries, NEIGHBOUR_SLOTS_MAX, &f->shared, NEIGHBOUR_KEEPER);
	neighbour_init(&f->reader, f->reader_entries, NEIGHBOUR_SLOTS_MAX, &f->shared,
		       NEIGHBOUR_READER);
	return f;
}

static void fixture_free(struct fixture *f)
{
	neighbour_check(&f->keeper);
	neighbour_check(&f->reader);
	free(f);
}

/* What the keeper asks for in that time, in steps of 10 ms. answers: the owner does, at once. */
static unsigned pass(struct fixture *f, mono_ns duration, bool answers)
{
	struct neighbour_solicit solicit;
	unsigned asked = 0;

	for (mono_ns until = f->now + duration; f->now <= until; f->now += 10 * NS_PER_MS) {
		while (neighbour_due(&f->keeper, f->now, &solicit)) {
			asked++;
			if (answers)
				CU_ASSERT_EQUAL(
					neighbour_on_answer(&f->keeper, solicit.interface_idx,
							    &solicit.target, &owner, f->now),
					NEIGHBOUR_LEARNED);
		}
		neighbour_check(&f->keeper);
	}
	return asked;
}

static enum neighbour_knowledge known(const struct fixture *f, uint16_t idx)
{
	struct mac mac;
	enum neighbour_knowledge k = neighbour_mac(&f->reader, idx, &mac);

	CU_ASSERT(k != NEIGHBOUR_KNOWN || mac_equal(&mac, &owner));
	return k;
}

static void neighbour_demand__is_asked_for_at_once_and_told_to_all(void)
{
	struct fixture *f = fixture_new();
	struct neighbour_wanted w = wanted(7);
	uint64_t tenure, again;
	uint16_t idx = neighbour_demand(&f->shared.demands, &w, &tenure, f->now);

	CU_ASSERT_FATAL(idx >= NEIGHBOUR_SLOTS_MAX && idx < NEIGHBOUR_PLACES_MAX);
	CU_ASSERT_EQUAL(neighbour_demand(&f->shared.demands, &w, &again, f->now), idx);
	CU_ASSERT_EQUAL(again, tenure);
	CU_ASSERT_EQUAL(neighbour_find_idx(&f->reader, 1, &w.address), idx);
	CU_ASSERT_EQUAL(neighbour_find_idx(&f->reader, 2, &w.address), UINT16_MAX);
	CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_UNKNOWN);
	CU_ASSERT(neighbour_next_at(&f->keeper, f->now) <= f->now);
	CU_ASSERT_EQUAL(neighbour_next_at(&f->reader, f->now), MONO_NEVER);
	/* What nobody asked for is not learned. */
	CU_ASSERT_EQUAL(neighbour_on_answer(&f->keeper, 1, &w.address, &owner, f->now),
			NEIGHBOUR_IGNORED);
	CU_ASSERT_EQUAL(pass(f, 0, true), 1);
	CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_KNOWN);
	CU_ASSERT(neighbour_demand_use(&f->shared.demands, idx, tenure, f->now));
	/* One who suspects it has it confirmed. */
	pass(f, 2 * NS_PER_S, true);
	neighbour_suspect(&f->reader, idx, f->now);
	CU_ASSERT_EQUAL(pass(f, 2 * NEIGHBOUR_PROBE_MS * NS_PER_MS, true), 1);
	fixture_free(f);
}

static void neighbour_demand__is_kept_while_it_is_used(void)
{
	struct fixture *f = fixture_new();
	struct neighbour_wanted w = wanted(7), other = wanted(8);
	uint64_t tenure, other_tenure;
	uint16_t idx = neighbour_demand(&f->shared.demands, &w, &tenure, f->now);
	uint16_t idle = neighbour_demand(&f->shared.demands, &other, &other_tenure, f->now);

	for (unsigned i = 0; i < 20; i++) {
		pass(f, 10 * NS_PER_S, true);
		CU_ASSERT(neighbour_demand_use(&f->shared.demands, idx, tenure, f->now));
		CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_KNOWN);
	}
	CU_ASSERT(!neighbour_demand_use(&f->shared.demands, idle, other_tenure, f->now));
	CU_ASSERT_EQUAL(neighbour_find_idx(&f->reader, 1, &other.address), UINT16_MAX);
	/* Nobody uses it any more: given up, and the place is another's after a rest. */
	pass(f, 2 * NEIGHBOUR_DEMAND_IDLE_S * NS_PER_S, true);
	CU_ASSERT(!neighbour_demand_use(&f->shared.demands, idx, tenure, f->now));
	CU_ASSERT_EQUAL(f->keeper.demand_count, 0);
	CU_ASSERT_EQUAL(pass(f, 100 * NS_PER_S, true), 0);
	CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_UNKNOWN);
	CU_ASSERT_EQUAL(neighbour_demand(&f->shared.demands, &w, &other_tenure, f->now), idx);
	CU_ASSERT_NOT_EQUAL(other_tenure, tenure);
	CU_ASSERT(!neighbour_demand_use(&f->shared.demands, idx, tenure, f->now));
	fixture_free(f);
}

static void neighbour_demand__a_silent_one_is_given_up(void)
{
	struct fixture *f = fixture_new();
	struct neighbour_wanted w = wanted(7);
	uint64_t tenure;
	uint16_t idx = neighbour_demand(&f->shared.demands, &w, &tenure, f->now);
	unsigned asked = pass(f, 5 * NS_PER_S, false);

	CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_SILENT);
	asked += pass(f, 100 * NS_PER_S, false);
	CU_ASSERT_EQUAL(asked, NEIGHBOUR_DEMAND_TRIES);
	CU_ASSERT(!neighbour_demand_use(&f->shared.demands, idx, tenure, f->now));
	/* Whoever wants it again has it asked for again. */
	CU_ASSERT(neighbour_demand(&f->shared.demands, &w, &tenure, f->now) !=
		  NEIGHBOUR_DEMAND_NONE);
	CU_ASSERT_EQUAL(pass(f, 0, true), 1);
	fixture_free(f);
}

/* A delegation to every address of a link: bounded, and what is there stays (RFC 6583). */
static void neighbour_demand__a_sweep_is_bounded(void)
{
	struct fixture *f = fixture_new();
	const struct neighbour_place places[] = {{.address = host(1), .interface_idx = 1}};
	struct neighbour_wanted first = wanted(2);
	uint64_t first_tenure, tenure;
	uint16_t first_idx, configured;
	unsigned taken = 0, asked;

	neighbour_follow(&f->keeper, places, 1, f->now);
	neighbour_follow(&f->reader, places, 1, f->now);
	first_idx = neighbour_demand(&f->shared.demands, &first, &first_tenure, f->now);
	pass(f, 10 * NS_PER_MS, true);
	for (unsigned i = 3; i < 10000; i++) {
		struct neighbour_wanted w = wanted(i);

		taken += neighbour_demand(&f->shared.demands, &w, &tenure, f->now) !=
			 NEIGHBOUR_DEMAND_NONE;
	}
	CU_ASSERT_EQUAL(taken, NEIGHBOUR_DEMAND_MAX - 1);
	asked = pass(f, 990 * NS_PER_MS, false);
	CU_ASSERT_EQUAL(asked, NEIGHBOUR_DEMAND_MAX - 1);
	configured = neighbour_find_idx(&f->reader, 1, &places[0].address);
	CU_ASSERT_EQUAL(configured, 0);
	CU_ASSERT_EQUAL(known(f, configured), NEIGHBOUR_KNOWN);
	CU_ASSERT_EQUAL(known(f, first_idx), NEIGHBOUR_KNOWN);
	/* All that is silent is given up in time, and there is room again. */
	pass(f, 20 * NS_PER_S, false);
	CU_ASSERT_EQUAL(f->keeper.demand_count, 1);
	fixture_free(f);
}

static void neighbour_demand__the_kernels_are_left_to_who_asks_it(void)
{
	struct fixture *f = fixture_new();
	struct neighbour_demands *d = &f->shared.demands;
	struct neighbour_wanted w = wanted(7), seen;
	uint64_t tenure;
	uint16_t idx, position;

	w.is_kernels = true;
	idx = neighbour_demand(d, &w, &tenure, f->now);
	position = (uint16_t)(idx - d->first);
	CU_ASSERT_EQUAL(pass(f, 5 * NS_PER_S, true), 0);
	CU_ASSERT(neighbour_demand_at(d, position, &seen));
	CU_ASSERT(seen.is_kernels && seen.interface_idx == 1 &&
		  address_equal(&seen.address, &w.address));
	neighbour_tell(&f->shared, idx, NEIGHBOUR_KNOWN, &owner);
	CU_ASSERT_EQUAL(known(f, idx), NEIGHBOUR_KNOWN);
	neighbour_suspect(&f->reader, idx, f->now);
	neighbour_suspect(&f->keeper, idx, f->now);
	CU_ASSERT_EQUAL(pass(f, NS_PER_S, true), 0);
	CU_ASSERT(!neighbour_demand_is_idle(d, position, f->now));
	CU_ASSERT(neighbour_demand_is_idle(d, position,
					   f->now + 2 * NEIGHBOUR_DEMAND_IDLE_S * NS_PER_S));
	neighbour_demand_give_up(d, position);
	CU_ASSERT(!neighbour_demand_use(d, idx, tenure, f->now));
	/* While it rests, nobody has its place. */
	CU_ASSERT_NOT_EQUAL(neighbour_demand(d, &w, &tenure, f->now), idx);
	neighbour_forget(&f->shared, idx);
	neighbour_demand_free(d, position);
	fixture_free(f);
}

/* ---- many workers at once ---- */

/* So few that their doubles find room, however they fall. */
#define CLAIMERS 2
#define CLAIMED 16

struct claimer {
	struct fixture *f;
	unsigned number;
	uint16_t idx[CLAIMED];
};

static void *claim(void *context)
{
	struct claimer *c = context;

	for (unsigned i = 0; i < ARRAY_COUNT(c->idx); i++) {
		struct neighbour_wanted w = wanted(i);
		uint64_t tenure;

		c->idx[i] = neighbour_demand(&c->f->shared.demands, &w, &tenure, c->f->now);
	}
	return NULL;
}

static void neighbour_demand__doubles_of_workers_are_given_up(void)
{
	for (unsigned round = 0; round < 20; round++) {
		struct fixture *f = fixture_new();
		struct claimer claimers[CLAIMERS];
		pthread_t threads[CLAIMERS];
		unsigned wrong = 0;

		for (unsigned i = 0; i < CLAIMERS; i++) {
			claimers[i] = (struct claimer){.f = f, .number = i};
			CU_ASSERT_EQUAL_FATAL(
				pthread_create(&threads[i], NULL, claim, &claimers[i]), 0);
		}
		for (unsigned i = 0; i < CLAIMERS; i++)
			pthread_join(threads[i], NULL);
		pass(f, 3 * NS_PER_S, true);
		CU_ASSERT_EQUAL(f->keeper.demand_count, CLAIMED);
		/* Whoever looks again finds the one that stays, and it is known. */
		for (unsigned i = 0; i < CLAIMED; i++) {
			struct neighbour_wanted w = wanted(i);
			uint64_t tenure;
			uint16_t idx = neighbour_demand(&f->shared.demands, &w, &tenure, f->now);

			for (unsigned k = 0; k < CLAIMERS; k++)
				wrong += claimers[k].idx[i] == NEIGHBOUR_DEMAND_NONE;
			wrong += known(f, idx) != NEIGHBOUR_KNOWN;
		}
		CU_ASSERT_EQUAL(wrong, 0);
		fixture_free(f);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(neighbour_demand__is_asked_for_at_once_and_told_to_all),
	UNIT_TEST(neighbour_demand__is_kept_while_it_is_used),
	UNIT_TEST(neighbour_demand__a_silent_one_is_given_up),
	UNIT_TEST(neighbour_demand__a_sweep_is_bounded),
	UNIT_TEST(neighbour_demand__the_kernels_are_left_to_who_asks_it),
	UNIT_TEST(neighbour_demand__doubles_of_workers_are_given_up),
};
UNIT_SUITE(neighbour_demand, tests)
