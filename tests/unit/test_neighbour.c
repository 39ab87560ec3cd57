#include <string.h>

#include "core/neighbour.h"
#include "unit.h"

enum { CAPACITY = 8 };

static const struct mac owner = {{2, 0, 0, 0, 0, 1}};
static const struct mac stranger = {{2, 0, 0, 0, 0, 2}};
static const struct address gateway = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 254}};
static const mono_ns start = 100 * NS_PER_MS; /* sooner after boot than an answer's second */

struct fixture {
	struct neighbour entries[CAPACITY];
	struct neighbour_table table;
	uint16_t idx;
	mono_ns now;
};

static struct address host(uint8_t last)
{
	return address_from_v4((uint8_t[]){192, 0, 2, last});
}

static enum neighbour_state state_of(const struct fixture *f)
{
	return (enum neighbour_state)f->entries[f->idx].state;
}

static void setup(struct fixture *f)
{
	memset(f, 0xa5, sizeof(*f));
	f->now = start;
	neighbour_init(&f->table, f->entries, CAPACITY);
	f->idx = neighbour_add(&f->table, 0, &gateway, f->now);
	neighbour_check(&f->table);
}

static enum neighbour_learn answer(struct fixture *f, const struct mac *mac)
{
	enum neighbour_learn learn = neighbour_on_answer(&f->table, 0, &gateway, mac, f->now);

	neighbour_check(&f->table);
	return learn;
}

/* Lets time pass in steps of 10 ms; counts what is sent. */
struct sent {
	unsigned broadcasts;
	unsigned probes;
	mono_ns first_at; /* since the call */
	mono_ns last_at;
};
static struct sent pass(struct fixture *f, mono_ns duration)
{
	struct sent sent = {0, 0, MONO_NEVER, MONO_NEVER};
	struct neighbour_solicit solicit;
	mono_ns began = f->now;

	for (;; f->now += 10 * NS_PER_MS) {
		while (neighbour_due(&f->table, f->now, &solicit)) {
			CU_ASSERT(address_equal(&solicit.target, &gateway));
			CU_ASSERT_EQUAL(solicit.neighbour_idx, f->idx);
			CU_ASSERT_EQUAL(solicit.interface_idx, 0);
			if (solicit.unicast != NULL) {
				CU_ASSERT(mac_equal(solicit.unicast, &owner));
				sent.probes++;
			} else {
				sent.broadcasts++;
			}
			if (sent.first_at == MONO_NEVER)
				sent.first_at = f->now - began;
			sent.last_at = f->now - began;
			neighbour_check(&f->table);
		}
		if (f->now >= began + duration)
			return sent;
	}
}

static void learn_owner(struct fixture *f)
{
	CU_ASSERT_EQUAL(pass(f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(answer(f, &owner), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(f), NEIGHBOUR_REACHABLE);
}

/* To where three probes have gone out and the owner has stayed silent. */
static void lose_owner(struct fixture *f)
{
	learn_owner(f);
	f->now += NEIGHBOUR_REACHABLE_S * NS_PER_S;
	CU_ASSERT_EQUAL(pass(f, 740 * NS_PER_MS).probes, NEIGHBOUR_PROBES_MAX);
	CU_ASSERT_EQUAL(state_of(f), NEIGHBOUR_PROBE);
	f->now += 10 * NS_PER_MS;
	CU_ASSERT_EQUAL(pass(f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(state_of(f), NEIGHBOUR_LOST);
}

static void neighbour_due__asks_every_second_while_incomplete(void)
{
	struct fixture f;
	struct sent sent;

	setup(&f);
	CU_ASSERT_PTR_NULL(neighbour_mac(&f.table, f.idx));
	sent = pass(&f, 10 * NS_PER_S);
	CU_ASSERT_EQUAL(sent.broadcasts, 11);
	CU_ASSERT_EQUAL(sent.probes, 0);
	CU_ASSERT_EQUAL(sent.first_at, 0);
	CU_ASSERT_EQUAL(sent.last_at, 10 * NS_PER_S);
	/* For as long as it takes. */
	CU_ASSERT_EQUAL(pass(&f, 400 * NS_PER_S).broadcasts, 400);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_INCOMPLETE);
}

static void neighbour_on_answer__learns_only_when_asked(void)
{
	static const struct address unknown = {
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7}};
	struct fixture f;

	setup(&f);
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_IGNORED); /* nothing was sent yet */
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 0, &unknown, &owner, f.now),
			NEIGHBOUR_IGNORED);
	CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 1, &gateway, &owner, f.now),
			NEIGHBOUR_IGNORED);
	CU_ASSERT_EQUAL(f.table.entry_count, 1);
	f.now += NEIGHBOUR_RETRY_MS * NS_PER_MS + 1;
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_IGNORED); /* too late by a nanosecond */
	CU_ASSERT_PTR_NULL(neighbour_mac(&f.table, f.idx));
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	f.now += NEIGHBOUR_RETRY_MS * NS_PER_MS;
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED); /* just in time */
	CU_ASSERT_PTR_NOT_NULL_FATAL(neighbour_mac(&f.table, f.idx));
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &owner));
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 0);
}

static void neighbour_on_answer__ignores_contradiction_of_a_live_owner(void)
{
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_IGNORED);
	f.now += NEIGHBOUR_REACHABLE_S * NS_PER_S;
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_IGNORED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_PROBE);
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &owner));
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 0);
}

static void neighbour_on_answer__moves_when_the_owner_is_silent(void)
{
	struct fixture f;

	setup(&f);
	lose_owner(&f);
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &owner)); /* still the best we know */
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &stranger));
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 1);
}

static void neighbour_on_answer__takes_a_late_owner_back(void)
{
	struct fixture f;

	setup(&f);
	lose_owner(&f);
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 0);
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_IGNORED);
}

static void neighbour_due__probes_every_half_minute(void)
{
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	for (unsigned round = 0; round < 5; round++) {
		struct sent sent = pass(&f, NEIGHBOUR_REACHABLE_S * NS_PER_S - 1);

		CU_ASSERT_EQUAL(sent.probes, 1);
		CU_ASSERT_EQUAL(sent.first_at, NEIGHBOUR_REACHABLE_S * NS_PER_S);
		CU_ASSERT_EQUAL(sent.broadcasts, 0);
		CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	}
}

static void neighbour_due__gives_up_a_silent_owner_step_by_step(void)
{
	struct fixture f;
	struct sent sent;

	setup(&f);
	lose_owner(&f);
	sent = pass(&f, 2990 * NS_PER_MS);
	CU_ASSERT_EQUAL(sent.broadcasts, 2); /* with the one of lose_owner, three */
	CU_ASSERT_EQUAL(sent.first_at, NS_PER_S);
	CU_ASSERT_EQUAL(sent.last_at, 2 * NS_PER_S);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_LOST);
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &owner));
	f.now += 10 * NS_PER_MS;
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_INCOMPLETE);
	CU_ASSERT_PTR_NULL(neighbour_mac(&f.table, f.idx));
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 1); /* it remembers whom it knew */
}

static void neighbour_on_hint__probes_but_never_learns(void)
{
	struct fixture f;
	unsigned probes = 0;

	setup(&f);
	neighbour_on_hint(&f.table, 0, &gateway, f.now); /* incomplete: it asks anyway */
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_INCOMPLETE);
	learn_owner(&f);
	f.now += 2 * NS_PER_S;
	neighbour_on_hint(&f.table, 1, &gateway, f.now);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE); /* another interface's */
	neighbour_on_hint(&f.table, 0, &gateway, f.now);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_PROBE);
	CU_ASSERT(mac_equal(neighbour_mac(&f.table, f.idx), &owner));
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	/* A storm of them costs a probe a second. */
	for (unsigned i = 0; i < 10000; i++, f.now += NS_PER_MS) {
		neighbour_on_hint(&f.table, 0, &gateway, f.now);
		if (pass(&f, 0).probes != 0) {
			probes++;
			CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
		}
	}
	CU_ASSERT(probes >= 9 && probes <= 10);
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 0);
}

static void neighbour_suspect__probes_at_once(void)
{
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	f.now += 5 * NS_PER_S;
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 0);
	CU_ASSERT_EQUAL(f.table.next_at, start + NEIGHBOUR_REACHABLE_S * NS_PER_S);
	neighbour_suspect(&f.table, f.idx, f.now);
	neighbour_check(&f.table);
	CU_ASSERT_EQUAL(f.table.next_at, f.now);
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
	neighbour_suspect(&f.table, f.idx, f.now); /* being probed: no second round */
	CU_ASSERT_EQUAL(pass(&f, 240 * NS_PER_MS).probes, 0);
}

static void neighbour_add__is_bounded_and_finds_what_it_has(void)
{
	struct fixture f;
	struct address last = host(CAPACITY);

	setup(&f);
	CU_ASSERT_EQUAL(neighbour_add(&f.table, 0, &gateway, f.now), f.idx);
	CU_ASSERT_NOT_EQUAL(neighbour_add(&f.table, 1, &gateway, f.now), f.idx);
	for (uint8_t i = 2; i < CAPACITY; i++) {
		struct address other = host(i);

		CU_ASSERT_EQUAL(neighbour_add(&f.table, 0, &other, f.now), i);
	}
	CU_ASSERT_EQUAL(neighbour_add(&f.table, 0, &last, f.now), UINT16_MAX);
	CU_ASSERT_EQUAL(neighbour_add(&f.table, 0, &gateway, f.now), f.idx);
	CU_ASSERT_EQUAL(f.table.entry_count, CAPACITY);
	neighbour_check(&f.table);
}

/* Random answers, hints and pauses: the invariants hold, nobody due is forgotten, and the deadline
 * is never later than what there is to do. */
static void neighbour_due__forgets_nobody(void)
{
	unsigned long long random = unit_seed();
	struct fixture f;

	setup(&f);
	for (uint8_t i = 1; i < CAPACITY; i++) {
		struct address other = host(i);

		CU_ASSERT_EQUAL(neighbour_add(&f.table, 0, &other, f.now), i);
	}
	for (unsigned step = 0; step < 20000; step++) {
		struct neighbour *n = &f.entries[unit_random(&random) % CAPACITY];
		struct neighbour_solicit solicit;
		unsigned most = (unsigned)(unit_random(&random) % 12);

		switch (unit_random(&random) % 4) {
		case 0:
			(void)neighbour_on_answer(&f.table, 0, &n->address,
						  unit_random(&random) % 4 ? &owner : &stranger,
						  f.now);
			break;
		case 1:
			neighbour_on_hint(&f.table, 0, &n->address, f.now);
			break;
		default:
			f.now += unit_random(&random) % (400 * NS_PER_MS);
		}
		while (most-- != 0 && neighbour_due(&f.table, f.now, &solicit))
			CU_ASSERT_EQUAL(f.entries[solicit.neighbour_idx].solicited_at, f.now);
		neighbour_check(&f.table);
		if (step % 16 != 0)
			continue;
		while (neighbour_due(&f.table, f.now, &solicit))
			neighbour_check(&f.table);
		if (neighbour_due(&f.table, f.now, &solicit))
			CU_FAIL("false is not the end");
		for (unsigned i = 0; i < CAPACITY; i++)
			CU_ASSERT(f.entries[i].next_at > f.now || f.table.next_at <= f.now);
	}
}

static void neighbour_state_text__names_every_state(void)
{
	for (unsigned i = 0; i < NEIGHBOUR_STATE_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(neighbour_state_text[i]);
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(neighbour_state_text[i],
						   neighbour_state_text[j]);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(neighbour_due__asks_every_second_while_incomplete),
	UNIT_TEST(neighbour_on_answer__learns_only_when_asked),
	UNIT_TEST(neighbour_on_answer__ignores_contradiction_of_a_live_owner),
	UNIT_TEST(neighbour_on_answer__moves_when_the_owner_is_silent),
	UNIT_TEST(neighbour_on_answer__takes_a_late_owner_back),
	UNIT_TEST(neighbour_due__probes_every_half_minute),
	UNIT_TEST(neighbour_due__gives_up_a_silent_owner_step_by_step),
	UNIT_TEST(neighbour_on_hint__probes_but_never_learns),
	UNIT_TEST(neighbour_suspect__probes_at_once),
	UNIT_TEST(neighbour_add__is_bounded_and_finds_what_it_has),
	UNIT_TEST(neighbour_due__forgets_nobody),
	UNIT_TEST(neighbour_state_text__names_every_state),
};
UNIT_SUITE(neighbour, tests)
