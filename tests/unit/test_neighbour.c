#include <pthread.h>
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
	struct neighbour_word words[CAPACITY];
	struct neighbour_shared shared;
	struct neighbour_table table; /* the keeper's */
	struct neighbour reader_entries[CAPACITY];
	struct neighbour_table reader;
	uint16_t idx;
	mono_ns now;
};

static struct address host(uint8_t last)
{
	return address_from_v4((uint8_t[]){192, 0, 2, last});
}

/* The configuration names one more; the index of its place. */
static uint16_t add(struct neighbour_table *t, uint8_t interface_idx, const struct address *address,
		    bool is_kernels, mono_ns now)
{
	struct neighbour_place places[CAPACITY] = {0};
	uint16_t count = t->entry_count;

	for (uint16_t i = 0; i < count; i++)
		places[i] = (struct neighbour_place){
			.address = t->entries[i].address,
			.interface_idx = t->entries[i].interface_idx,
			.is_kernels = t->entries[i].state == NEIGHBOUR_KERNEL,
			.retired = t->entries[i].is_retired,
		};
	CU_ASSERT_FATAL(count < CAPACITY);
	places[count] = (struct neighbour_place){*address, interface_idx, is_kernels, false};
	neighbour_follow(t, places, (uint16_t)(count + 1), now);
	return count;
}

static enum neighbour_state state_of(const struct fixture *f)
{
	return (enum neighbour_state)f->entries[f->idx].state;
}

static void setup(struct fixture *f)
{
	memset(f, 0xa5, sizeof(*f));
	f->now = start;
	neighbour_shared_init(&f->shared, f->words, CAPACITY);
	neighbour_init(&f->table, f->entries, CAPACITY, &f->shared, NEIGHBOUR_KEEPER);
	neighbour_init(&f->reader, f->reader_entries, CAPACITY, &f->shared, NEIGHBOUR_READER);
	f->idx = add(&f->table, 0, &gateway, false, f->now);
	CU_ASSERT_EQUAL(add(&f->reader, 0, &gateway, false, f->now), f->idx);
	neighbour_check(&f->table);
	neighbour_check(&f->reader);
}

/* What both say of the gateway: the same. */
static enum neighbour_knowledge known(const struct fixture *f)
{
	struct mac mac = {{1}}, read = {{2}};
	enum neighbour_knowledge keeper = neighbour_mac(&f->table, f->idx, &mac);

	CU_ASSERT_EQUAL(neighbour_mac(&f->reader, f->idx, &read), keeper);
	/* The same, or nothing is written. */
	CU_ASSERT(keeper == NEIGHBOUR_KNOWN ? mac_equal(&mac, &read)
					    : mac.bytes[0] == 1 && read.bytes[0] == 2);
	return keeper;
}

static bool mac_is(const struct fixture *f, const struct mac *want)
{
	struct mac mac;

	return known(f) == NEIGHBOUR_KNOWN &&
	       neighbour_mac(&f->reader, f->idx, &mac) == NEIGHBOUR_KNOWN && mac_equal(&mac, want);
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
	CU_ASSERT_NOT_EQUAL(known(&f), NEIGHBOUR_KNOWN);
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
	CU_ASSERT_NOT_EQUAL(known(&f), NEIGHBOUR_KNOWN);
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	f.now += NEIGHBOUR_RETRY_MS * NS_PER_MS;
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED); /* just in time */
	CU_ASSERT(mac_is(&f, &owner));
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
	CU_ASSERT(mac_is(&f, &owner));
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT_EQUAL(f.entries[f.idx].moves, 0);
}

static void neighbour_on_answer__moves_when_the_owner_is_silent(void)
{
	struct fixture f;

	setup(&f);
	lose_owner(&f);
	CU_ASSERT(mac_is(&f, &owner)); /* still the best we know */
	CU_ASSERT_EQUAL(answer(&f, &stranger), NEIGHBOUR_LEARNED);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT(mac_is(&f, &stranger));
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
	CU_ASSERT(mac_is(&f, &owner));
	f.now += 10 * NS_PER_MS;
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_INCOMPLETE);
	CU_ASSERT_NOT_EQUAL(known(&f), NEIGHBOUR_KNOWN);
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
	CU_ASSERT(mac_is(&f, &owner));
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
	/* Suspicions are looked at every NEIGHBOUR_PROBE_MS. */
	CU_ASSERT(probes >= 7 && probes <= 10);
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

static void neighbour_follow__keeps_what_it_knows_of_who_stays(void)
{
	const struct address other = host(7);
	struct neighbour_place places[2] = {{gateway, 0, false, false}, {other, 0, false, false}};
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	neighbour_follow(&f.table, places, 2, f.now);
	neighbour_follow(&f.reader, places, 2, f.now);
	neighbour_check(&f.table);
	CU_ASSERT(mac_is(&f, &owner));
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT_EQUAL(neighbour_find_idx(&f.table, 0, &other), 1);
	/* The new one is asked for at once. */
	CU_ASSERT_EQUAL(f.table.next_at, f.now);
}

static void neighbour_follow__lets_go_of_who_is_gone_and_takes_him_back(void)
{
	struct neighbour_place place = {gateway, 0, false, true};
	struct neighbour_solicit solicit;
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	neighbour_follow(&f.table, &place, 1, f.now);
	neighbour_check(&f.table);
	f.now += 1000 * NS_PER_S;
	/* Not asked for, not learned, not suspected; who still sends there may. */
	CU_ASSERT(!neighbour_due(&f.table, f.now, &solicit));
	neighbour_suspect(&f.table, f.idx, f.now);
	neighbour_on_hint(&f.table, 0, &gateway, f.now);
	CU_ASSERT(!neighbour_due(&f.table, f.now, &solicit));
	CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 0, &gateway, &stranger, f.now),
			NEIGHBOUR_IGNORED);
	CU_ASSERT_EQUAL(neighbour_find_idx(&f.table, 0, &gateway), UINT16_MAX);
	CU_ASSERT(mac_is(&f, &owner));
	/* Back again: used at once, and confirmed. */
	place.retired = false;
	neighbour_follow(&f.table, &place, 1, f.now);
	neighbour_check(&f.table);
	CU_ASSERT(mac_is(&f, &owner));
	CU_ASSERT(neighbour_due(&f.table, f.now, &solicit));
	CU_ASSERT_PTR_NOT_NULL(solicit.unicast);
}

static void neighbour_follow__knows_nothing_of_who_has_the_place_of_another(void)
{
	const struct address other = host(7);
	struct neighbour_place place = {other, 0, false, false};
	struct fixture f;

	setup(&f);
	learn_owner(&f);
	neighbour_forget(&f.shared, f.idx);
	neighbour_follow(&f.table, &place, 1, f.now);
	neighbour_follow(&f.reader, &place, 1, f.now);
	neighbour_check(&f.table);
	neighbour_check(&f.reader);
	CU_ASSERT_EQUAL(known(&f), NEIGHBOUR_UNKNOWN);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_INCOMPLETE);
	CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 0, &gateway, &owner, f.now),
			NEIGHBOUR_IGNORED);
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

		CU_ASSERT_EQUAL(add(&f.table, 0, &other, false, f.now), i);
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

static void neighbour_mac__says_silence_after_questions_in_vain(void)
{
	struct fixture f;

	setup(&f);
	CU_ASSERT_EQUAL(known(&f), NEIGHBOUR_UNKNOWN);
	CU_ASSERT_EQUAL(pass(&f, (NEIGHBOUR_PROBES_MAX - 1) * NS_PER_S).broadcasts,
			NEIGHBOUR_PROBES_MAX);
	CU_ASSERT_EQUAL(known(&f), NEIGHBOUR_UNKNOWN);
	f.now += NS_PER_S;
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(known(&f), NEIGHBOUR_SILENT);
	CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
	CU_ASSERT(mac_is(&f, &owner));
}

/* All 48 bits, in their order, and nothing of the rest. */
static void neighbour_mac__is_whole(void)
{
	static const struct mac full = {{0xfe, 0xff, 0x80, 0x7f, 0x01, 0xff}};
	struct fixture f;

	setup(&f);
	CU_ASSERT_EQUAL(pass(&f, 0).broadcasts, 1);
	CU_ASSERT_EQUAL(answer(&f, &full), NEIGHBOUR_LEARNED);
	CU_ASSERT(mac_is(&f, &full));
}

/* Every worker reads these lines for every query: they change with the neighbour only. */
static void neighbour_due__writes_words_only_when_they_change(void)
{
	struct fixture f;
	uint64_t word;

	setup(&f);
	learn_owner(&f);
	word = atomic_load(&f.words[f.idx].word);
	for (unsigned round = 0; round < 3; round++) {
		/* A value that only a write would take away. */
		atomic_store(&f.words[f.idx].word, word);
		f.now += NEIGHBOUR_REACHABLE_S * NS_PER_S;
		CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
		CU_ASSERT_EQUAL(atomic_load(&f.words[f.idx].word), word);
		CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
		CU_ASSERT_EQUAL(atomic_load(&f.words[f.idx].word), word);
	}
	for (uint16_t i = 0; i < CAPACITY; i++)
		if (i != f.idx)
			CU_ASSERT_EQUAL(atomic_load(&f.words[i].word), 0);
}

static void neighbour_suspect__of_a_reader_makes_the_keeper_probe(void)
{
	struct fixture f;
	struct neighbour_solicit solicit;

	setup(&f);
	learn_owner(&f);
	f.now += 5 * NS_PER_S;
	(void)pass(&f, 0);
	CU_ASSERT(neighbour_next_at(&f.table, f.now) > f.now);
	for (unsigned i = 0; i < 100; i++)
		neighbour_suspect(&f.reader, f.idx, f.now);
	CU_ASSERT_EQUAL(f.reader_entries[f.idx].state, NEIGHBOUR_INCOMPLETE); /* not its business */
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE); /* until the keeper's turn */
	CU_ASSERT_EQUAL(neighbour_next_at(&f.table, f.now), f.now);
	CU_ASSERT_EQUAL(neighbour_next_at(&f.reader, f.now), MONO_NEVER);
	CU_ASSERT(!neighbour_due(&f.reader, f.now, &solicit));
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 0);
	CU_ASSERT(neighbour_next_at(&f.table, f.now) > f.now); /* the flags are down */
	neighbour_suspect(&f.reader, f.idx, f.now);            /* being probed: no second round */
	CU_ASSERT_EQUAL(pass(&f, 240 * NS_PER_MS).probes, 0);
	CU_ASSERT(mac_is(&f, &owner));
}

/* Everybody suspects all the time: a probe a second, no more. */
static void neighbour_suspect__of_readers_costs_a_probe_a_second(void)
{
	struct fixture f;
	unsigned probes = 0;

	setup(&f);
	learn_owner(&f);
	for (unsigned i = 0; i < 10000; i++, f.now += NS_PER_MS) {
		neighbour_suspect(&f.reader, f.idx, f.now);
		if (pass(&f, 0).probes != 0) {
			probes++;
			CU_ASSERT_EQUAL(answer(&f, &owner), NEIGHBOUR_LEARNED);
		}
	}
	/* Suspicions are looked at every NEIGHBOUR_PROBE_MS. */
	CU_ASSERT(probes >= 7 && probes <= 10);
}

/* A suspicion of one neighbour is none of another. */
static void neighbour_suspect__names_its_neighbour(void)
{
	struct fixture f;
	struct address other = host(7);
	uint16_t other_idx;

	setup(&f);
	learn_owner(&f);
	other_idx = add(&f.table, 0, &other, false, f.now);
	CU_ASSERT_EQUAL(add(&f.reader, 0, &other, false, f.now), other_idx);
	for (struct neighbour_solicit s; neighbour_due(&f.table, f.now, &s);)
		CU_ASSERT_EQUAL(s.neighbour_idx, other_idx);
	CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 0, &other, &stranger, f.now),
			NEIGHBOUR_LEARNED);
	f.now += 5 * NS_PER_S;
	neighbour_suspect(&f.reader, other_idx, f.now);
	for (struct neighbour_solicit s; neighbour_due(&f.table, f.now, &s);)
		CU_ASSERT_EQUAL(s.neighbour_idx, other_idx);
	CU_ASSERT_EQUAL(f.entries[other_idx].state, NEIGHBOUR_PROBE);
	CU_ASSERT_EQUAL(state_of(&f), NEIGHBOUR_REACHABLE);
	CU_ASSERT(mac_is(&f, &owner));
}

/* ---- with threads ---- */

#define SMOKE_ROUNDS 20000
#define SMOKE_READERS 2

struct smoke {
	struct neighbour_shared shared;
	struct neighbour_word words[CAPACITY];
	_Atomic bool over;
	unsigned torn; /* MACs that no neighbour has */
	unsigned read;
};

static void *smoke_reader(void *context)
{
	struct smoke *s = context;
	struct neighbour entries[CAPACITY];
	struct neighbour_table t;
	unsigned torn = 0, read = 0;
	uint16_t idx;

	neighbour_init(&t, entries, CAPACITY, &s->shared, NEIGHBOUR_READER);
	idx = add(&t, 0, &gateway, false, start);
	while (!atomic_load(&s->over)) {
		struct mac mac;

		if (neighbour_mac(&t, idx, &mac) == NEIGHBOUR_KNOWN) {
			read++;
			for (unsigned i = 2; i < sizeof(mac.bytes); i++)
				torn += mac.bytes[i] != mac.bytes[1];
		}
		neighbour_suspect(&t, idx, start);
	}
	__atomic_fetch_add(&s->torn, torn, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->read, read, __ATOMIC_RELAXED);
	return NULL;
}

/* The keeper's neighbour moves all the time; readers see whole MACs, and what they suspect is probed. */
static void neighbour__is_shared_with_threads(void)
{
	static struct smoke s;
	struct neighbour entries[CAPACITY];
	struct neighbour_table t;
	pthread_t readers[SMOKE_READERS];
	mono_ns now = start;
	unsigned probes = 0;
	uint16_t idx;

	neighbour_shared_init(&s.shared, s.words, CAPACITY);
	neighbour_init(&t, entries, CAPACITY, &s.shared, NEIGHBOUR_KEEPER);
	idx = add(&t, 0, &gateway, false, now);
	for (unsigned i = 0; i < SMOKE_READERS; i++)
		CU_ASSERT_FATAL(pthread_create(&readers[i], NULL, smoke_reader, &s) == 0);
	for (unsigned round = 0; round < SMOKE_ROUNDS; round++) {
		uint8_t b = (uint8_t)(round / 16 % 250);
		struct mac mac = {{2, b, b, b, b, b}};
		struct neighbour_solicit solicit;

		now += 2 * NS_PER_S;
		while (neighbour_due(&t, now, &solicit)) {
			probes += solicit.unicast != NULL;
			(void)neighbour_on_answer(&t, 0, &gateway, &mac, now);
		}
		neighbour_check(&t);
	}
	atomic_store(&s.over, true);
	for (unsigned i = 0; i < SMOKE_READERS; i++)
		pthread_join(readers[i], NULL);
	CU_ASSERT_EQUAL(s.torn, 0);
	CU_ASSERT(entries[idx].moves > 100);
	CU_ASSERT(probes > SMOKE_ROUNDS / 16);
}

/* ---- neighbours that the kernel keeps ---- */

/* Beside the gateway, which is ours: index 1 of both tables. */
static uint16_t add_kernels(struct fixture *f, struct address *address)
{
	uint16_t idx;

	*address = host(7);
	idx = add(&f->table, 1, address, true, f->now);
	CU_ASSERT_EQUAL(add(&f->reader, 1, address, true, f->now), idx);
	neighbour_check(&f->table);
	neighbour_check(&f->reader);
	return idx;
}

static void neighbour_due__leaves_the_kernels_alone(void)
{
	struct neighbour_solicit solicit;
	struct address address;
	struct fixture f;
	uint16_t idx;

	setup(&f);
	idx = add_kernels(&f, &address);
	learn_owner(&f);
	/* Never asked for, whatever is heard or suspected; pass() wants only the gateway to be. */
	for (unsigned i = 0; i < 200; i++) {
		neighbour_on_hint(&f.table, 1, &address, f.now);
		CU_ASSERT_EQUAL(neighbour_on_answer(&f.table, 1, &address, &stranger, f.now),
				NEIGHBOUR_IGNORED);
		neighbour_suspect(i % 2 == 0 ? &f.table : &f.reader, idx, f.now);
		(void)pass(&f, 500 * NS_PER_MS);
		(void)answer(&f, &owner);
		neighbour_check(&f.table);
	}
	CU_ASSERT_EQUAL(f.entries[idx].state, NEIGHBOUR_KERNEL);
	CU_ASSERT_STRING_EQUAL(neighbour_state_text[f.entries[idx].state], "kernel");
	/* A table of nothing else has nothing to do at any time. */
	neighbour_init(&f.table, f.entries, CAPACITY, &f.shared, NEIGHBOUR_KEEPER);
	CU_ASSERT_EQUAL(add(&f.table, 1, &address, true, f.now), 0);
	neighbour_suspect(&f.table, 0, f.now);
	neighbour_suspect(&f.reader, idx, f.now);
	CU_ASSERT_EQUAL(neighbour_next_at(&f.table, f.now), MONO_NEVER);
	CU_ASSERT(!neighbour_due(&f.table, f.now + 1000 * NS_PER_S, &solicit));
}

static void neighbour_tell__reaches_all_workers(void)
{
	static const struct mac full = {{0xfe, 0xff, 0x80, 0x7f, 0x01, 0xff}};
	struct address address;
	struct fixture f;
	struct mac mac = {{1}};
	uint16_t idx;

	setup(&f);
	idx = add_kernels(&f, &address);
	CU_ASSERT_EQUAL(neighbour_mac(&f.reader, idx, &mac), NEIGHBOUR_UNKNOWN);
	neighbour_tell(&f.shared, idx, NEIGHBOUR_KNOWN, &full);
	CU_ASSERT_EQUAL(neighbour_mac(&f.reader, idx, &mac), NEIGHBOUR_KNOWN);
	CU_ASSERT(mac_equal(&mac, &full));
	mac.bytes[0] = 1;
	CU_ASSERT_EQUAL(neighbour_mac(&f.table, idx, &mac), NEIGHBOUR_KNOWN);
	CU_ASSERT(mac_equal(&mac, &full));
	neighbour_tell(&f.shared, idx, NEIGHBOUR_SILENT, NULL);
	CU_ASSERT_EQUAL(neighbour_mac(&f.reader, idx, &mac), NEIGHBOUR_SILENT);
	neighbour_tell(&f.shared, idx, NEIGHBOUR_KNOWN, &owner);
	CU_ASSERT_EQUAL(neighbour_mac(&f.reader, idx, &mac), NEIGHBOUR_KNOWN);
	CU_ASSERT(mac_equal(&mac, &owner));
	neighbour_tell(&f.shared, idx, NEIGHBOUR_UNKNOWN, NULL);
	CU_ASSERT_EQUAL(neighbour_mac(&f.table, idx, &mac), NEIGHBOUR_UNKNOWN);
	/* The other's word is its keeper's. */
	CU_ASSERT_EQUAL(known(&f), NEIGHBOUR_UNKNOWN);
	neighbour_check(&f.table);
}

static void neighbour_take_suspicion__tells_once(void)
{
	struct address address;
	struct fixture f;
	uint16_t idx;

	setup(&f);
	idx = add_kernels(&f, &address);
	learn_owner(&f);
	f.now += 5 * NS_PER_S;
	CU_ASSERT(!neighbour_take_suspicion(&f.shared, idx));
	neighbour_suspect(&f.reader, idx, f.now);
	neighbour_suspect(&f.reader, idx, f.now);
	/* The keeper has a suspicion of its own to look at, and leaves this one. */
	neighbour_suspect(&f.reader, f.idx, f.now);
	CU_ASSERT_EQUAL(pass(&f, 0).probes, 1);
	CU_ASSERT(neighbour_take_suspicion(&f.shared, idx));
	CU_ASSERT(!neighbour_take_suspicion(&f.shared, idx));
	neighbour_suspect(&f.table, idx, f.now); /* the keeper's own */
	CU_ASSERT(neighbour_take_suspicion(&f.shared, idx));
	CU_ASSERT(!neighbour_take_suspicion(&f.shared, idx));
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
	UNIT_TEST(neighbour_follow__keeps_what_it_knows_of_who_stays),
	UNIT_TEST(neighbour_follow__lets_go_of_who_is_gone_and_takes_him_back),
	UNIT_TEST(neighbour_follow__knows_nothing_of_who_has_the_place_of_another),
	UNIT_TEST(neighbour_due__forgets_nobody),
	UNIT_TEST(neighbour_mac__says_silence_after_questions_in_vain),
	UNIT_TEST(neighbour_mac__is_whole),
	UNIT_TEST(neighbour_due__writes_words_only_when_they_change),
	UNIT_TEST(neighbour_suspect__of_a_reader_makes_the_keeper_probe),
	UNIT_TEST(neighbour_suspect__of_readers_costs_a_probe_a_second),
	UNIT_TEST(neighbour_suspect__names_its_neighbour),
	UNIT_TEST(neighbour__is_shared_with_threads),
	UNIT_TEST(neighbour_due__leaves_the_kernels_alone),
	UNIT_TEST(neighbour_tell__reaches_all_workers),
	UNIT_TEST(neighbour_take_suspicion__tells_once),
	UNIT_TEST(neighbour_state_text__names_every_state),
};
UNIT_SUITE(neighbour, tests)
