/* The workers that bench_engine measures: what a thread does in a turn, the world's side of it and the timed part; visits,
 * that is the life of the threads between nothing and nothing under way; and the books at the end of each.
 *
 * Turns are gone through together. In one, each worker first plays the world for itself: replies to some of its queries,
 * questions in the packets that are free. Then, timed, it receives what the other passed and what came, and passes
 * what is the other's. So once all packets are out, their number is the number of questions under way.
 *
 * Memory: as bench_engine_world.h. Threads: a struct worker is its thread's while it runs, but for its rings and at_home.
 */
#ifndef PORTICO_BENCH_ENGINE_CREW_H
#define PORTICO_BENCH_ENGINE_CREW_H

#include "bench/bench_engine_world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "bench/bench_engine_ring.h"

#define BURST 32
#define LARGE_UNDER_WAY 25000
#define FIFO_SIZE 65536 /* holds every packet there is; a power of two */
#define ROUND_TURNS 16
#define ROUNDS_A_VISIT 32
#define WARM_TURNS 64
#define CACHE_BYTES                                                                                \
	(UINT64_C(64) << 20) /* of a Portico; it is full after half a million questions */
#define STEP_NS (20 * NS_PER_US)
#define AWAY UINT32_MAX /* at home: a worker in trouble */
#define DISTURBED 1e18  /* the yardstick of a round whose thread was switched from */

/* What a question's cycles are spent on. */
enum part {
	PART_QUESTIONS,
	PART_REPLIES,
	PART_PASSED_QUESTIONS,
	PART_PASSED_REPLIES,
	PART_FLUSH,
	PART_COUNT,
};

struct tally {
	unsigned long long cycles[PART_COUNT];
	unsigned long long packets[PART_COUNT];
	unsigned long long answered;
	double yard;
};

struct fifo {
	uint32_t head, tail;
	struct packet *packets[FIFO_SIZE];
};

struct worker {
	struct crew *crew;
	struct engine *engine;
	struct worker *other; /* of the same Portico, or NULL */
	unsigned idx;         /* in the crew, and its CPU */
	unsigned quota;       /* packets at the start of a visit */
	unsigned free_count;
	unsigned asking_count;
	struct packet *asking[BURST]; /* this turn's questions */
	mono_ns now;
	const char *trouble;
	unsigned long long asked, answered;
	struct packet *packets;
	struct packet *spare;
	struct packet **free;
	struct fifo *wire; /* queries */
	uint64_t chance;   /* which of them is answered next */
	struct fifo *rx;   /* replies that came to us */
	struct tally tallies[ROUNDS_A_VISIT];
	struct packet *leaving[PART_PASSED_REPLIES + 1][BURST]; /* to the other, by part there */
	unsigned leaving_count[PART_PASSED_REPLIES + 1];
	pthread_t thread;
	struct ring passed[PART_PASSED_REPLIES + 1]; /* to us, by part */
	struct ring device;                          /* queries whose replies come to us */
	/* Packets free at the end of even and of odd turns: nobody writes one while another may read it. */
	alignas(RING_LINE_BYTES) _Atomic uint32_t at_home[2];
};

struct crew {
	const char *what;
	unsigned worker_count;
	bool sharing; /* one Portico; else each worker is one of its own */
	bool caching; /* with a cache each */
	const cpu_set_t *cpus;
	struct worker *workers[WORKERS_MOST];
	alignas(RING_LINE_BYTES) _Atomic uint32_t arrived;
};

/* ---- packets ---- */

static inline void fifo_put(struct fifo *f, struct packet *p)
{
	f->packets[f->tail++ % FIFO_SIZE] = p;
}

static inline struct packet *fifo_take(struct fifo *f)
{
	return f->packets[f->head++ % FIFO_SIZE];
}

static inline unsigned fifo_count(const struct fifo *f)
{
	return f->tail - f->head;
}

/* A query is as likely to be answered next as any other. In order, as they were sent, a worker's tables would be gone through
 * from one end to the other, which the processor foresees, but only as long as there is one worker. */
static inline struct packet *answered_next(struct worker *w)
{
	struct fifo *f = w->wire;
	struct packet **oldest = &f->packets[f->head % FIFO_SIZE];
	struct packet **next, *p;

	w->chance ^= w->chance << 13;
	w->chance ^= w->chance >> 7;
	w->chance ^= w->chance << 17;
	next = &f->packets[(f->head + w->chance % fifo_count(f)) % FIFO_SIZE];
	p = *next;
	*next = *oldest;
	*oldest = p;
	return fifo_take(f);
}

static inline void reply_comes(struct worker *w, struct packet *query)
{
	world_put_reply(query);
	fifo_put(w->rx, query);
}

/* The world's side of a turn. Whoever receives a reply also writes it, as it would not be in another core's cache if it
 * came from a device. */
static inline void play_world(struct worker *w, bool may_ask)
{
	unsigned queries = fifo_count(w->wire) < BURST ? fifo_count(w->wire) : BURST;
	void *came[BURST];

	bench_feed(engine_entropy(w->engine));
	if (!world_answer_arp(w->engine, w->spare, w->now))
		w->trouble = "the engine sends what is no ARP question";
	for (unsigned count; (count = ring_take(&w->device, came, BURST)) > 0;)
		for (unsigned i = 0; i < count; i++)
			reply_comes(w, came[i]);
	w->asking_count = may_ask && w->free_count >= BURST ? BURST : 0;
	for (unsigned i = 0; i < w->asking_count; i++) {
		w->asking[i] = w->free[--w->free_count];
		world_put_question(w->asking[i], w->asked * WORKERS_MOST + w->idx);
		w->asked++;
	}
	/* First as many as there are to be under way. */
	if ((may_ask && w->free_count >= BURST) || fifo_count(w->rx) >= BURST * 2)
		return;
	for (unsigned i = 0; i < queries; i++) {
		struct packet *query = answered_next(w);

		if (w->other == NULL || world_receiver(query, WORKERS_MOST) == w->idx)
			reply_comes(w, query);
		else if (ring_put(&w->other->device, (void *[]){query}, 1) != 1)
			w->trouble = "the device's ring is full";
	}
}

/* After the timed part: where each packet goes, and whether it ended as it should. */
static inline void settle(struct worker *w, enum part part, struct packet *packets[],
			  const struct rx_slot slots[], unsigned count)
{
	bool is_question = part == PART_QUESTIONS || part == PART_PASSED_QUESTIONS;
	bool may_pass = w->other != NULL && (part == PART_QUESTIONS || part == PART_REPLIES);

	for (unsigned i = 0; i < count; i++) {
		const struct rx_slot *slot = &slots[i];
		struct packet *p = packets[i];

		if (slot->verdict == RX_WORKER && may_pass &&
		    slot->outcome ==
			    (is_question ? COUNTER_QUESTION_HANDED_OFF : COUNTER_PACKET_HANDED_OFF))
			continue;
		p->data = slot->data;
		p->length_bytes = slot->length_bytes;
		if (slot->verdict == RX_SEND && is_question &&
		    slot->outcome == COUNTER_QUESTION_NEW && world_is_query(p)) {
			fifo_put(w->wire, p);
		} else if (slot->verdict == RX_SEND && !is_question &&
			   slot->outcome == COUNTER_UPSTREAM_RESPONSE && world_is_answer(p)) {
			w->free[w->free_count++] = p;
			w->answered++;
		} else {
			w->trouble = counter_rows[slot->outcome].name;
		}
	}
}

/* ---- the timed part ---- */

/* What dpdk_app/worker.c does with RX_WORKER: gathered until the end of the turn. */
static inline void gather(struct worker *w, struct packet *packets[], const struct rx_slot slots[],
			  unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		enum part part = PART_PASSED_REPLIES;

		if (slots[i].verdict != RX_WORKER)
			continue;
		if (slots[i].kind == RX_PASSED_QUESTION) {
			packets[i]->data = slots[i].data;
			packets[i]->length_bytes = slots[i].length_bytes;
			part = PART_PASSED_QUESTIONS;
		}
		CHECK(w->leaving_count[part] < BURST);
		w->leaving[part][w->leaving_count[part]++] = packets[i];
	}
}

static inline void tally_add(struct tally *t, enum part part, unsigned packets,
			     unsigned long long begun)
{
	t->cycles[part] += __rdtsc() - begun;
	t->packets[part] += packets;
}

static inline void receive(struct worker *w, struct tally *t, enum part part,
			   struct packet *packets[], unsigned count)
{
	struct rx_slot slots[BURST];
	unsigned long long begun;

	for (unsigned i = 0; i < count; i++)
		slots[i] = world_slot(packets[i], RX_PACKET);
	begun = __rdtsc();
	engine_rx(w->engine, slots, count, w->now);
	if (w->other != NULL)
		gather(w, packets, slots, count);
	tally_add(t, part, count, begun);
	settle(w, part, packets, slots, count);
}

/* As dpdk_app/worker.c's process(). */
static inline void receive_passed(struct worker *w, struct tally *t, enum part part,
				  enum rx_kind kind)
{
	struct packet *packets[BURST];
	struct rx_slot slots[BURST];
	unsigned long long begun = __rdtsc();
	unsigned count = ring_take(&w->passed[part], (void **)packets, BURST);

	for (unsigned i = 0; i < count; i++)
		__builtin_prefetch(packets[i], 1);
	for (unsigned i = 0; i < count; i++)
		slots[i] = world_slot(packets[i], kind);
	if (count > 0)
		engine_rx(w->engine, slots, count, w->now);
	tally_add(t, part, count, begun);
	settle(w, part, packets, slots, count);
}

static inline void flush_passed(struct worker *w, struct tally *t)
{
	unsigned long long begun = __rdtsc();
	unsigned count = 0;

	for (enum part part = PART_PASSED_QUESTIONS; part <= PART_PASSED_REPLIES; part++) {
		if (ring_put(&w->other->passed[part], (void **)w->leaving[part],
			     w->leaving_count[part]) != w->leaving_count[part])
			w->trouble = "a ring between the workers is full";
		count += w->leaving_count[part];
		w->leaving_count[part] = 0;
	}
	tally_add(t, PART_FLUSH, count, begun);
}

/* As dpdk_app/worker.c: what was passed before what is received, replies before questions. */
static inline void turn(struct worker *w, struct tally *t, bool draining)
{
	unsigned replies = fifo_count(w->rx) < BURST ? fifo_count(w->rx) : BURST;
	struct packet *packets[BURST];
	unsigned long long answered = w->answered;

	if (w->other != NULL) {
		receive_passed(w, t, PART_PASSED_REPLIES, RX_PASSED_PACKET);
		receive_passed(w, t, PART_PASSED_QUESTIONS, RX_PASSED_QUESTION);
	}
	if (replies == BURST || (draining && replies > 0)) {
		for (unsigned i = 0; i < replies; i++)
			packets[i] = fifo_take(w->rx);
		receive(w, t, PART_REPLIES, packets, replies);
	}
	if (w->asking_count > 0)
		receive(w, t, PART_QUESTIONS, w->asking, w->asking_count);
	if (w->other != NULL)
		flush_passed(w, t);
	t->answered += w->answered - answered;
}

/* ---- a visit: filled, warm, rounds, drained ---- */

static inline void meet(struct crew *c, uint32_t turn_number)
{
	atomic_fetch_add(&c->arrived, 1);
	for (unsigned spins = 0; atomic_load(&c->arrived) < (turn_number + 1) * c->worker_count;) {
		_mm_pause();
		if (++spins % 65536 == 0)
			sched_yield();
	}
}

static inline long switches(void)
{
	struct rusage usage;

	CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

/* Free packets of all workers; AWAY: one is in trouble. */
static inline uint32_t at_home(const struct crew *c, uint32_t turn_number)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < c->worker_count; i++) {
		uint32_t count = atomic_load_explicit(&c->workers[i]->at_home[turn_number % 2],
						      memory_order_relaxed);

		if (count == AWAY)
			return AWAY;
		sum += count;
	}
	return sum;
}

/* The world's side of a turn, together. False: the visit is over. */
static inline bool turn_begins(struct worker *w, uint32_t turn_number, bool draining)
{
	uint32_t home;

	play_world(w, !draining);
	atomic_store_explicit(&w->at_home[turn_number % 2],
			      w->trouble != NULL ? AWAY : w->free_count, memory_order_relaxed);
	meet(w->crew, turn_number);
	home = at_home(w->crew, turn_number);
	return home != AWAY && !(draining && home == w->quota * w->crew->worker_count);
}

static inline void *visit(void *argument)
{
	struct worker *w = argument;
	uint32_t warm_end = w->quota / BURST + WARM_TURNS;
	uint32_t end = warm_end + ROUND_TURNS * ROUNDS_A_VISIT;
	uint32_t latest = end + w->quota * WORKERS_MOST + WARM_TURNS;
	struct tally unused;
	long switched = 0;

	bench_pin(w->crew->cpus, w->idx);
	memset(&unused, 0, sizeof(unused));
	memset(w->tallies, 0, sizeof(w->tallies));
	for (uint32_t i = 0; turn_begins(w, i, i >= end); i++) {
		bool measured = i >= warm_end && i < end;
		struct tally *t = measured ? &w->tallies[(i - warm_end) / ROUND_TURNS] : &unused;

		if (measured && (i - warm_end) % ROUND_TURNS == 0) {
			switched = switches();
			t->yard = bench_yardstick();
		}
		turn(w, t, i >= end);
		if (measured && (i - warm_end) % ROUND_TURNS == ROUND_TURNS - 1) {
			t->yard = bench_longer(t->yard, bench_yardstick());
			if (switches() != switched)
				t->yard = DISTURBED;
		}
		w->now += STEP_NS;
		if (i > latest)
			w->trouble = "packets are missing";
	}
	return NULL;
}

/* ---- books ---- */

static inline bool balanced(const char *what, uint64_t is, uint64_t wanted)
{
	if (is != wanted)
		fprintf(stderr, "bench_engine: %s: %llu, not %llu\n", what, (unsigned long long)is,
			(unsigned long long)wanted);
	return is == wanted;
}

/* Nothing is under way, nothing was lost, and every packet is counted once. */
static inline bool books_balance(const struct crew *c)
{
	uint64_t sums[COUNTER_COUNT] = {0}, asked = 0, answered = 0;
	bool ok = true;

	for (unsigned i = 0; i < c->worker_count; i++) {
		const struct worker *w = c->workers[i];
		const uint64_t *value = engine_counters(w->engine)->value;
		uint64_t outcomes = 0;

		if (w->trouble != NULL) {
			fprintf(stderr, "bench_engine: %s, worker %u: unexpected: %s\n", c->what, i,
				w->trouble);
			ok = false;
		}
		for (unsigned j = 0; j < COUNTER_COUNT; j++)
			sums[j] += value[j];
		for (unsigned j = 0; j < COUNTER_OUTCOME_COUNT; j++)
			outcomes += value[j];
		ok &= balanced("outcomes of received and passed packets", outcomes,
			       value[COUNTER_RX_PACKETS] + value[COUNTER_HANDOFFS]);
		ok &= balanced("engine idle", engine_idle(w->engine), 1);
		asked += w->asked;
		answered += w->answered;
		engine_check(w->engine);
	}
	ok &= balanced("answers", answered, asked);
	ok &= balanced("questions resolved", sums[COUNTER_QUESTION_NEW], asked);
	ok &= balanced("replies used", sums[COUNTER_UPSTREAM_RESPONSE], asked);
	ok &= balanced("taken from workers", sums[COUNTER_HANDOFFS],
		       sums[COUNTER_QUESTION_HANDED_OFF] + sums[COUNTER_PACKET_HANDED_OFF]);
	return ok;
}

/* ---- crews ---- */

static inline void crew_make(struct crew *c, const cpu_set_t *cpus)
{
	struct portico *p = NULL;

	c->cpus = cpus;
	for (unsigned i = 0; i < c->worker_count; i++) {
		struct worker *w = bench_memory(sizeof(*w), BENCH_PAGES_HUGE);

		if (p == NULL || !c->sharing)
			p = world_portico(c->sharing ? (uint8_t)c->worker_count : 1, NS_PER_S);
		if (c->caching && p->params.cache == NULL)
			world_cache(p, CACHE_BYTES);
		w->crew = c;
		w->idx = i;
		w->now = NS_PER_S;
		w->chance = i + 1;
		w->engine = world_engine(p, c->sharing ? (uint8_t)i : 0);
		w->packets =
			bench_memory(sizeof(struct packet) * LARGE_UNDER_WAY, BENCH_PAGES_HUGE);
		w->spare = bench_memory(sizeof(struct packet), BENCH_PAGES_HUGE);
		w->free = bench_memory(sizeof(struct packet *) * FIFO_SIZE, BENCH_PAGES_HUGE);
		w->wire = bench_memory(sizeof(struct fifo), BENCH_PAGES_HUGE);
		w->rx = bench_memory(sizeof(struct fifo), BENCH_PAGES_HUGE);
		c->workers[i] = w;
	}
	if (c->sharing && c->worker_count == WORKERS_MOST) {
		c->workers[0]->other = c->workers[1];
		c->workers[1]->other = c->workers[0];
	}
}

/* False: something was lost, or counted wrongly; stderr says what. */
static inline bool crew_visit(struct crew *c, unsigned quota)
{
	atomic_store(&c->arrived, 0);
	for (unsigned i = 0; i < c->worker_count; i++) {
		struct worker *w = c->workers[i];

		w->quota = w->free_count = quota;
		for (unsigned j = 0; j < quota; j++)
			w->free[j] = &w->packets[j];
	}
	for (unsigned i = 0; i < c->worker_count; i++)
		CHECK(pthread_create(&c->workers[i]->thread, NULL, visit, c->workers[i]) == 0);
	for (unsigned i = 0; i < c->worker_count; i++)
		CHECK(pthread_join(c->workers[i]->thread, NULL) == 0);
	return books_balance(c);
}

#endif
