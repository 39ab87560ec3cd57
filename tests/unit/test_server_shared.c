/* What workers know of servers together: one shared table, a struct server_table each. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/server.h"
#include "unit.h"

#define COUNT 4
#define WORKERS 4
#define INTERVAL_MS 1000
#define INTERVAL_NS (INTERVAL_MS * NS_PER_MS)
#define GRAIN_NS (SERVER_ANSWER_GRAIN_MS * NS_PER_MS)
#define FALL 3
#define START (50 * NS_PER_S)

static const uint16_t all[COUNT] = {0, 1, 2, 3};

struct fixture {
	_Alignas(SERVER_LINE_BYTES) uint8_t memory[(1 + COUNT) * SERVER_LINE_BYTES];
	struct server_shared_table shared;
	unsigned worker_count;
	struct server_table tables[WORKERS];
	struct server servers[WORKERS][COUNT];
	struct entropy entropy;
	struct server_health health[COUNT];
	uint8_t blocks[2 * 64];
};

static void fixture_init(struct fixture *f, unsigned worker_count, uint16_t rise)
{
	static struct endpoint endpoints[COUNT];
	struct server_list list = {endpoints, f->health, NULL, COUNT};

	memset(f, 0xee, sizeof(*f));
	for (uint8_t i = 0; i < COUNT; i++) {
		endpoints[i] = (struct endpoint){address_from_v4((uint8_t[]){192, 0, 2, i}), 53};
		f->health[i] = (struct server_health){INTERVAL_MS, rise, FALL};
	}
	server_shared_init(&f->shared, f->memory, COUNT);
	f->worker_count = worker_count;
	for (unsigned w = 0; w < worker_count; w++)
		server_table_init(&f->tables[w], f->servers[w], &f->shared,
				  (struct server_worker){.idx = (uint8_t)w,
							 .count = (uint8_t)worker_count},
				  &list);
	entropy_init(&f->entropy, f->blocks, 64);
}

static void check_all(const struct fixture *f)
{
	for (unsigned w = 0; w < f->worker_count; w++)
		server_check(&f->tables[w]);
}

static void answer(struct fixture *f, unsigned worker, uint16_t idx, mono_ns now)
{
	server_on_sent(&f->tables[worker], idx);
	server_on_answer(&f->tables[worker], idx, 100, false, now);
	check_all(f);
}

static void time_out(struct fixture *f, unsigned worker, uint16_t idx, unsigned times, mono_ns now)
{
	for (unsigned i = 0; i < times; i++) {
		server_on_sent(&f->tables[worker], idx);
		server_on_timeout(&f->tables[worker], idx, now, false, now);
		check_all(f);
	}
}

static bool all_see(const struct fixture *f, uint16_t idx, enum server_state state)
{
	for (unsigned w = 0; w < f->worker_count; w++)
		if (server_state(&f->tables[w], idx) != state)
			return false;
	return true;
}

static int choose(struct fixture *f, unsigned worker, uint32_t tried_mask)
{
	uint32_t cursor = 0;

	return server_choose(&f->tables[worker], all, COUNT, SERVER_POLICY_IN_ORDER, tried_mask,
			     &cursor, 0, &f->entropy);
}

/* ---- two workers, one after the other ---- */

static void server_shared__a_down_holds_for_all_at_once(void)
{
	struct fixture f;

	fixture_init(&f, 2, 1);
	time_out(&f, 1, 0, FALL - 1, START);
	CU_ASSERT(all_see(&f, 0, SERVER_UP));
	CU_ASSERT_EQUAL(choose(&f, 0, 0), 0);
	time_out(&f, 1, 0, 1, START);
	CU_ASSERT(all_see(&f, 0, SERVER_DOWN));
	CU_ASSERT_EQUAL(choose(&f, 0, 0), 1);
	CU_ASSERT_EQUAL(choose(&f, 1, 0), 1);
	/* The others' fails in a row are their own. */
	time_out(&f, 0, 1, FALL - 1, START);
	time_out(&f, 1, 1, FALL - 1, START);
	CU_ASSERT(all_see(&f, 1, SERVER_UP));
}

static void server_shared__one_worker_probes_a_server(void)
{
	struct fixture f;
	unsigned seen[2] = {0, 0};

	fixture_init(&f, 2, 1);
	for (uint16_t i = 0; i < COUNT; i++)
		time_out(&f, i < 2, i, FALL, START);
	for (unsigned w = 0; w < 2; w++) {
		server_refresh(&f.tables[w], START);
		CU_ASSERT(f.tables[w].next_probe_at > START + INTERVAL_NS - NS_PER_MS);
		CU_ASSERT(f.tables[w].next_probe_at <= START + INTERVAL_NS);
	}
	for (unsigned round = 0; round < 2 * COUNT; round++) {
		unsigned w = round % 2;
		int due = server_probe_due(&f.tables[w], START + INTERVAL_NS);

		check_all(&f);
		if (due < 0)
			continue;
		CU_ASSERT_EQUAL(seen[w] & 1u << due, 0);
		seen[w] |= 1u << due;
	}
	CU_ASSERT(seen[0] == 5 && seen[1] == 10);
}

static void server_shared__an_answer_to_any_worker_brings_it_up(void)
{
	enum { IDX = 1, PROBER = 1, OTHER = 0 };
	struct fixture f;
	mono_ns now = START;

	for (unsigned last = 0; last < 2; last++) {
		fixture_init(&f, 2, 2);
		time_out(&f, OTHER, IDX, FALL, now);
		server_refresh(&f.tables[PROBER], now);
		now += INTERVAL_NS / 2;
		answer(&f, OTHER, IDX, now);
		CU_ASSERT(all_see(&f, IDX, SERVER_DOWN));
		/* Whoever probes it learns of it, and the probe still wanted follows at once. */
		server_refresh(&f.tables[PROBER], now);
		CU_ASSERT_EQUAL(f.tables[PROBER].next_probe_at, now);
		CU_ASSERT_EQUAL(f.tables[OTHER].next_probe_at, MONO_NEVER);
		CU_ASSERT_EQUAL(server_probe_due(&f.tables[OTHER], now), -1);
		CU_ASSERT_EQUAL(server_probe_due(&f.tables[PROBER], now), IDX);
		server_on_sent(&f.tables[PROBER], IDX);
		if (last == PROBER)
			server_on_answer(&f.tables[PROBER], IDX, 100, true, now + 1);
		else
			answer(&f, OTHER, IDX, now + 1);
		CU_ASSERT(all_see(&f, IDX, SERVER_UP));
		if (last != PROBER)
			server_on_timeout(&f.tables[PROBER], IDX, now, true, now + 2);
		check_all(&f);
		server_refresh(&f.tables[PROBER], now + 2);
		CU_ASSERT_EQUAL(f.tables[PROBER].next_probe_at, MONO_NEVER);
		CU_ASSERT_EQUAL(server_probe_due(&f.tables[PROBER], now + 9 * INTERVAL_NS), -1);
		CU_ASSERT(all_see(&f, IDX, SERVER_UP));
	}
}

static void server_shared__fails_from_before_an_up_are_over(void)
{
	struct fixture f;

	fixture_init(&f, 2, 1);
	answer(&f, 0, 2, START); /* so near the next that the next would not be told */
	time_out(&f, 1, 2, FALL - 1, START + 1);
	time_out(&f, 0, 2, FALL, START + 2);
	CU_ASSERT(all_see(&f, 2, SERVER_DOWN));
	answer(&f, 0, 2, START + NS_PER_MS);
	CU_ASSERT(all_see(&f, 2, SERVER_UP));
	/* Nor does what was sent before that answer, however soon after another it came. */
	for (unsigned i = 0; i < FALL; i++) {
		server_on_sent(&f.tables[1], 2);
		server_on_timeout(&f.tables[1], 2, START + 3, false, START + 2 * NS_PER_MS);
	}
	CU_ASSERT(all_see(&f, 2, SERVER_UP));
	time_out(&f, 1, 2, FALL - 1, START + 2 * NS_PER_MS);
	CU_ASSERT(all_see(&f, 2, SERVER_UP));
	time_out(&f, 1, 2, 1, START + 3 * NS_PER_MS);
	CU_ASSERT(all_see(&f, 2, SERVER_DOWN));
}

static void server_shared__another_workers_answer_speaks_for_a_server(void)
{
	struct fixture f;
	mono_ns now = START + GRAIN_NS;

	fixture_init(&f, 2, 1);
	answer(&f, 1, 3, START);
	time_out(&f, 0, 3, FALL - 1, START + 1);
	answer(&f, 1, 3, now);
	/* Sent before that answer: says nothing. */
	server_on_sent(&f.tables[0], 3);
	server_on_timeout(&f.tables[0], 3, now - 1, false, now + 1);
	CU_ASSERT(all_see(&f, 3, SERVER_UP));
	/* Sent after it: the first of a new row. */
	time_out(&f, 0, 3, FALL - 1, now + 2);
	CU_ASSERT(all_see(&f, 3, SERVER_UP));
	time_out(&f, 0, 3, 1, now + 3);
	CU_ASSERT(all_see(&f, 3, SERVER_DOWN));
}

static void server_shared__an_answer_is_told_once_a_grain(void)
{
	struct fixture f;
	const struct server_shared *shared;

	fixture_init(&f, 2, 1);
	shared = &f.shared.servers[0];
	answer(&f, 0, 0, START);
	CU_ASSERT_EQUAL(atomic_load(&shared->last_answer_at), START);
	answer(&f, 0, 0, START + GRAIN_NS - 1);
	answer(&f, 1, 0, START + GRAIN_NS - 1);
	CU_ASSERT_EQUAL(atomic_load(&shared->last_answer_at), START);
	answer(&f, 1, 0, START + GRAIN_NS);
	CU_ASSERT_EQUAL(atomic_load(&shared->last_answer_at), START + GRAIN_NS);
	/* A worker whose turn began earlier does not set it back. */
	answer(&f, 0, 0, START + 1);
	CU_ASSERT_EQUAL(atomic_load(&shared->last_answer_at), START + GRAIN_NS);
	CU_ASSERT_EQUAL(atomic_load(&f.shared.epoch->count), 0);
}

static void server_shared__habits_are_everybodys(void)
{
	const mono_ns hour = SERVER_HABIT_S * NS_PER_S;
	struct fixture f;

	fixture_init(&f, 2, 1);
	for (unsigned i = 0; i < CASE_PROOFS - 1; i++)
		server_on_case_lost(&f.tables[i % 2], 0, START);
	server_on_case_kept(&f.tables[1], 0);
	for (unsigned i = 0; i < CASE_PROOFS; i++) {
		CU_ASSERT(server_case_on(&f.tables[0], 0, START));
		server_on_case_lost(&f.tables[i % 2], 0, START);
		check_all(&f);
	}
	server_on_edns_refused(&f.tables[1], 1, START);
	for (unsigned w = 0; w < 2; w++) {
		CU_ASSERT_FALSE(server_case_on(&f.tables[w], 0, START + hour - 1));
		CU_ASSERT_TRUE(server_case_on(&f.tables[w], 0, START + hour));
		CU_ASSERT_TRUE(server_case_on(&f.tables[w], 1, START));
		CU_ASSERT_FALSE(server_edns_on(&f.tables[w], 1, START + hour - 1));
		CU_ASSERT_TRUE(server_edns_on(&f.tables[w], 1, START + hour));
		CU_ASSERT_TRUE(server_edns_on(&f.tables[w], 0, START));
		for (uint16_t idx = 0; idx < 2; idx++) {
			CU_ASSERT_TRUE(server_is_doubted(&f.tables[w], idx, START + hour - 1));
			CU_ASSERT_FALSE(server_is_doubted(&f.tables[w], idx, START + hour));
		}
	}
	/* One that ends earlier does not end the doubt. */
	for (unsigned i = 0; i < NEAR_MISSES_TO_TCP_ONLY; i++)
		CU_ASSERT_EQUAL(server_on_guess(&f.tables[i % 2], 0, START),
				i + 1 == NEAR_MISSES_TO_TCP_ONLY);
	CU_ASSERT_TRUE(server_is_doubted(&f.tables[0], 0, START + hour - 1));
}

/* Counted together, and marked once, by whoever counts the last. */
static void server_shared__guesses_are_everybodys(void)
{
	const mono_ns end = START + TCP_ONLY_S_MIN * NS_PER_S;
	struct fixture f;

	fixture_init(&f, 2, 2);
	for (unsigned i = 0; i < NEAR_MISSES_TO_TCP_ONLY; i++) {
		CU_ASSERT_FALSE(server_tcp_only(&f.tables[0], 0, START));
		CU_ASSERT_EQUAL(server_on_guess(&f.tables[i % 2], 0, START),
				i + 1 == NEAR_MISSES_TO_TCP_ONLY);
		check_all(&f);
	}
	/* Meanwhile no more are counted. */
	for (unsigned i = 0; i < NEAR_MISSES_TO_TCP_ONLY; i++)
		CU_ASSERT_FALSE(server_on_guess(&f.tables[i % 2], 0, end - 1));
	for (unsigned w = 0; w < 2; w++) {
		CU_ASSERT_TRUE(server_tcp_only(&f.tables[w], 0, end - 1));
		CU_ASSERT_TRUE(server_is_doubted(&f.tables[w], 0, end - 1));
		CU_ASSERT_FALSE(server_tcp_only(&f.tables[w], 0, end));
		CU_ASSERT_FALSE(server_is_doubted(&f.tables[w], 0, end));
		CU_ASSERT_FALSE(server_tcp_only(&f.tables[w], 1, START));
	}
	server_on_tcp_useless(&f.tables[1], 0, START + 5);
	CU_ASSERT_FALSE(server_tcp_only(&f.tables[0], 0, START + 5));
	/* Another server has the place. */
	for (unsigned i = 1; i < NEAR_MISSES_TO_TCP_ONLY; i++)
		CU_ASSERT_FALSE(server_on_guess(&f.tables[0], 0, end));
	server_shared_forget(&f.shared, 0);
	CU_ASSERT_FALSE(server_on_guess(&f.tables[0], 0, end));
}

/* Of whoever serves TCP clients: it sees what all see, and probes nobody. */
static void server_shared__who_is_no_worker_probes_nobody(void)
{
	struct server_health health[3] = {
		{INTERVAL_MS, 1, 1}, {INTERVAL_MS, 1, 1}, {INTERVAL_MS, 1, 1}};
	struct endpoint endpoints[3] = {{.port = 53}, {.port = 54}, {.port = 55}};
	struct server_list list = {.endpoints = endpoints, .health = health, .count = 3};
	struct server servers[3];
	struct server_table beside;
	struct fixture f;

	fixture_init(&f, 2, 3);
	server_table_init(&beside, servers, &f.shared, (struct server_worker){2, 2}, &list);
	for (uint16_t i = 0; i < 3; i++)
		for (unsigned n = 0; n < 10; n++) {
			server_on_sent(&f.tables[0], i);
			server_on_timeout(&f.tables[0], i, START, false, START);
		}
	server_refresh(&beside, START);
	for (uint16_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(server_state(&beside, i), SERVER_DOWN);
	CU_ASSERT_EQUAL(beside.next_probe_at, MONO_NEVER);
	CU_ASSERT_EQUAL(server_probe_due(&beside, START + 3600 * NS_PER_S), -1);
	server_check(&beside);
}

static void server_shared__counts_and_round_trips_are_ones_own(void)
{
	struct fixture f;

	fixture_init(&f, 2, 1);
	server_on_sent(&f.tables[0], 0);
	server_on_answer(&f.tables[0], 0, 8000, false, START);
	server_on_sent(&f.tables[0], 0);
	time_out(&f, 1, 0, 1, START);
	CU_ASSERT(f.servers[0][0].queries == 2 && f.servers[1][0].queries == 1);
	CU_ASSERT(f.servers[0][0].responses == 1 && f.servers[1][0].responses == 0);
	CU_ASSERT(f.servers[0][0].timeouts == 0 && f.servers[1][0].timeouts == 1);
	CU_ASSERT(f.servers[0][0].under_way == 1 && f.servers[1][0].under_way == 0);
	CU_ASSERT(f.servers[0][0].srtt_us == 8000 && f.servers[1][0].srtt_us == 0);
}

static void server_shared__a_late_worker_sees_what_was_before(void)
{
	struct fixture f;
	struct server_list list;

	fixture_init(&f, 2, 1);
	time_out(&f, 0, 1, FALL, START);
	list = f.tables[0].list;
	server_table_init(&f.tables[1], f.servers[1], &f.shared, (struct server_worker){1, 2},
			  &list);
	CU_ASSERT_EQUAL(server_probe_due(&f.tables[1], START), -1);
	CU_ASSERT_EQUAL(server_probe_due(&f.tables[1], START + INTERVAL_NS), 1);
	check_all(&f);
}

/* ---- threads ---- */

/* All threads of a test meet here, as nearly at once as can be had. */
struct meeting {
	_Atomic unsigned arrived;
	unsigned thread_count;
};

static void meet(struct meeting *m, unsigned *met)
{
	*met += m->thread_count;
	atomic_fetch_add(&m->arrived, 1);
	while (atomic_load(&m->arrived) < *met)
		sched_yield();
}

struct thread {
	pthread_t id;
	struct stage *stage;
	uint8_t worker;
	unsigned long long random;
	unsigned met;
	unsigned wrong; /* CUnit's assertions are for one thread */
	unsigned probes;
	uint32_t out[COUNT]; /* questions under way, */
	mono_ns sent_at[COUNT];
	bool probe_out[COUNT];
};

struct stage {
	struct fixture f;
	struct meeting meeting;
	unsigned rounds;
	_Atomic mono_ns clock;
	_Atomic uint32_t probed[COUNT]; /* probes under way over all threads */
	struct thread threads[WORKERS];
};

static void run_threads(struct stage *s, unsigned thread_count, void *(*run)(void *))
{
	s->meeting.thread_count = thread_count;
	atomic_init(&s->meeting.arrived, 0);
	for (unsigned w = 0; w < thread_count; w++) {
		struct thread *t = &s->threads[w];

		*t = (struct thread){.stage = s, .worker = (uint8_t)w, .random = unit_seed() + w};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t->id, NULL, run, t), 0);
	}
	for (unsigned w = 0; w < thread_count; w++) {
		CU_ASSERT_EQUAL_FATAL(pthread_join(s->threads[w].id, NULL), 0);
		CU_ASSERT_EQUAL(s->threads[w].wrong, 0);
	}
}

/* A round: all of them lose the try that makes `fall`; then each has one of the `rise` answers. */
static void *run_transitions(void *argument)
{
	struct thread *t = argument;
	struct stage *s = t->stage;
	struct server_table *table = &s->f.tables[t->worker];
	_Atomic uint64_t *epoch = &s->f.shared.epoch->count;

	for (unsigned round = 0; round < s->rounds; round++) {
		mono_ns now = START + round * NS_PER_S;
		uint64_t before = round * (1 + s->meeting.thread_count);

		for (unsigned i = 1; i < FALL; i++)
			server_on_timeout(table, 0, now, false, now);
		t->wrong += server_state(table, 0) != SERVER_UP;
		meet(&s->meeting, &t->met);
		server_on_timeout(table, 0, now + 1, false, now + 1);
		t->wrong += server_state(table, 0) != SERVER_DOWN;
		meet(&s->meeting, &t->met);
		t->wrong += atomic_load(epoch) != before + 1; /* one of them won */
		meet(&s->meeting, &t->met);
		server_on_answer(table, 0, 100, false, now + NS_PER_MS);
		meet(&s->meeting, &t->met);
		t->wrong += atomic_load(epoch) != before + 1 + s->meeting.thread_count;
		t->wrong += server_state(table, 0) != SERVER_UP; /* no rise was lost */
		server_refresh(table, now + 2 * NS_PER_MS);
		t->wrong += table->next_probe_at != MONO_NEVER;
		server_check(table);
		meet(&s->meeting, &t->met);
	}
	return NULL;
}

static struct stage *stage_new(unsigned thread_count, uint16_t rise, unsigned rounds)
{
	struct stage *s = aligned_alloc(SERVER_LINE_BYTES, sizeof(*s));

	CHECK(s != NULL);
	memset(s, 0, sizeof(*s));
	fixture_init(&s->f, thread_count, rise);
	s->rounds = rounds;
	atomic_init(&s->clock, START);
	return s;
}

static void server_shared__one_thread_makes_a_transition(void)
{
	for (unsigned thread_count = 2; thread_count <= WORKERS; thread_count += 2) {
		struct stage *s = stage_new(thread_count, (uint16_t)thread_count, 2000);

		run_threads(s, thread_count, run_transitions);
		check_all(&s->f);
		free(s);
	}
}

/* Server idx is dead for every other second, each of them at other times. */
static bool is_dead(uint16_t idx, mono_ns now)
{
	return (now / NS_PER_S + idx) % 2 == 0;
}

static void end_one(struct thread *t, uint16_t idx, bool probe, mono_ns now)
{
	struct server_table *table = &t->stage->f.tables[t->worker];

	if (probe) {
		t->probe_out[idx] = false;
		atomic_fetch_sub(&t->stage->probed[idx], 1);
	} else {
		t->out[idx]--;
	}
	switch (unit_random(&t->random) % 8) {
	case 0:
		server_on_cancelled(table, idx, probe);
		return;
	case 1:
		server_on_case_lost(table, idx, now);
		break;
	case 2:
		server_on_case_kept(table, idx);
		break;
	}
	if (is_dead(idx, now))
		server_on_timeout(table, idx, t->sent_at[idx], probe, now);
	else
		server_on_answer(table, idx, (uint32_t)(now % 1000), probe, now);
}

static void probe_all_due(struct thread *t, mono_ns now)
{
	struct stage *s = t->stage;
	int due;

	while ((due = server_probe_due(&s->f.tables[t->worker], now)) >= 0) {
		server_on_sent(&s->f.tables[t->worker], (uint16_t)due);
		t->wrong += due % (int)s->f.worker_count != t->worker;
		t->wrong += t->probe_out[due];
		t->wrong += atomic_fetch_add(&s->probed[due], 1) != 0;
		t->probe_out[due] = true;
		t->sent_at[due] = now;
		t->probes++;
	}
}

static void *run_anything(void *argument)
{
	struct thread *t = argument;
	struct stage *s = t->stage;
	struct server_table *table = &s->f.tables[t->worker];

	for (unsigned round = 0; round < s->rounds; round++) {
		mono_ns now = atomic_fetch_add(&s->clock, unit_random(&t->random) % NS_PER_MS);
		uint16_t idx = (uint16_t)(unit_random(&t->random) % COUNT);
		int chosen = choose(&s->f, t->worker, 0);

		server_refresh(table, now);
		t->wrong += chosen < 0;
		t->wrong += choose(&s->f, t->worker, 7) != 3;
		t->wrong += choose(&s->f, t->worker, 15) != -1;
		if (unit_random(&t->random) % 2 == 0) {
			server_on_sent(table, idx);
			t->sent_at[idx] = now;
			t->out[idx]++;
		} else if (t->probe_out[idx] || t->out[idx] > 0) {
			end_one(t, idx, t->probe_out[idx], now);
		}
		probe_all_due(t, now);
		t->wrong += table->servers[idx].under_way != t->out[idx] + t->probe_out[idx];
		server_check(table);
	}
	return NULL;
}

/* At rest everybody knows the same; and every server comes back by probes. */
static void check_at_rest(struct stage *s)
{
	mono_ns now = atomic_load(&s->clock);
	uint64_t changes = atomic_load(&s->f.shared.epoch->count);

	for (unsigned w = 0; w < s->f.worker_count; w++) {
		server_refresh(&s->f.tables[w], now);
		CU_ASSERT_EQUAL(s->f.tables[w].epoch_seen, changes);
		for (uint16_t i = 0; i < COUNT; i++) {
			struct thread *t = &s->threads[w];

			CU_ASSERT_EQUAL(s->f.servers[w][i].seen,
					atomic_load(&s->f.shared.servers[i].condition));
			if (t->probe_out[i])
				server_on_cancelled(&s->f.tables[w], i, true);
			CU_ASSERT_EQUAL(s->f.servers[w][i].under_way, t->out[i]);
		}
	}
	check_all(&s->f);
	for (unsigned i = 0; i < 2; i++, now += 2 * INTERVAL_NS)
		for (unsigned w = 0; w < s->f.worker_count; w++)
			for (int due; (due = server_probe_due(&s->f.tables[w], now)) >= 0;)
				server_on_answer(&s->f.tables[w], (uint16_t)due, 10, true, now);
	for (unsigned w = 0; w < s->f.worker_count; w++) {
		server_refresh(&s->f.tables[w], now);
		CU_ASSERT_EQUAL(s->f.tables[w].next_probe_at, MONO_NEVER);
	}
	for (uint16_t i = 0; i < COUNT; i++)
		CU_ASSERT(all_see(&s->f, i, SERVER_UP));
	check_all(&s->f);
}

static void server_shared__invariants_hold_through_threads(void)
{
	for (unsigned thread_count = 2; thread_count <= WORKERS; thread_count += 2) {
		struct stage *s = stage_new(thread_count, 2, 150000);
		unsigned probes = 0;

		run_threads(s, thread_count, run_anything);
		check_at_rest(s);
		for (unsigned w = 0; w < thread_count; w++)
			probes += s->threads[w].probes;
		CU_ASSERT(atomic_load(&s->f.shared.epoch->count) > 40 && probes > 10);
		free(s);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(server_shared__a_down_holds_for_all_at_once),
	UNIT_TEST(server_shared__one_worker_probes_a_server),
	UNIT_TEST(server_shared__an_answer_to_any_worker_brings_it_up),
	UNIT_TEST(server_shared__fails_from_before_an_up_are_over),
	UNIT_TEST(server_shared__another_workers_answer_speaks_for_a_server),
	UNIT_TEST(server_shared__an_answer_is_told_once_a_grain),
	UNIT_TEST(server_shared__habits_are_everybodys),
	UNIT_TEST(server_shared__guesses_are_everybodys),
	UNIT_TEST(server_shared__who_is_no_worker_probes_nobody),
	UNIT_TEST(server_shared__counts_and_round_trips_are_ones_own),
	UNIT_TEST(server_shared__a_late_worker_sees_what_was_before),
	UNIT_TEST(server_shared__one_thread_makes_a_transition),
	UNIT_TEST(server_shared__invariants_hold_through_threads),
};
UNIT_SUITE(server_shared, tests)
