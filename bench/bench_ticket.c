/* Cycles of a ticket's life in the shared in-flight words: drawn, entered, removed, in bursts of 32: with each query
 * of a burst a ticket of the next burst is drawn and its bucket prefetched, with that of the oldest word, which is
 * removed when the new one is entered (first in, first out). One worker, and two that share the words, each bound to
 * a CPU of its own and with half of what is under way; a table of production's size for four workers. And what a
 * receiver does: look words up, present and absent.
 *
 *   bench_ticket [ROUNDS] [--limit ONE,TWO]
 *
 *   ROUNDS   rounds of each row (200)
 *   --limit  exit 1 if with huge pages the median of all rounds of one worker or of two is above so many cycles,
 *            at 64 or at 200,000 under way, or cannot be measured
 *
 * Not in the rows: refilling the 1 MiB blocks of random bytes, which is done between rounds (in the program,
 * by another thread); its cost has a row of its own. A round of two workers is the mean of both. Under way beyond
 * 65,536 is more than one worker's slots: slot numbers repeat then, which the words do not mind.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bench_timing.h"
#include "core/inflight.h"
#include "core/port_set.h"
#include "core/ticket.h"

#define BURST 32
#define ROUND_BURSTS 1024
#define WARM_ROUNDS 8
#define WORKERS_MOST 2
#define SLOTS (4 * UNDER_WAY_MAX)
#define PEERS 8
#define ENTROPY_BYTES ((size_t)1 << 20) /* ENTROPY_FEED_BLOCK_BYTES */
#define UNDER_WAY_MOST 200000
#define NO_LIMIT 1e9

/* One query under way: what its owner must know to remove or find it. Its peer is idx % PEERS. */
struct entry {
	uint32_t position;
	struct ticket ticket;
};

struct bench;
struct worker {
	struct bench *bench;
	pthread_t thread;
	uint8_t number;
	uint32_t entry_count; /* a multiple of BURST */
	uint32_t oldest;
	struct entry *entries;
	struct ticket_hand hand;
	struct entropy entropy;
	struct ticket tickets[BURST]; /* of the next burst */
	uint64_t hashes[BURST];
	uint64_t again; /* tickets drawn again: an equal one was there, or the bucket full */
	double cycles[WARM_ROUNDS + BENCH_ROUNDS_MAX];
	double yard[WARM_ROUNDS + BENCH_ROUNDS_MAX];
};

struct bench {
	struct inflight_words words;
	struct port_set ports;
	uint64_t peer_hashes[2 * PEERS]; /* the second half: peers that nothing is sent to */
	cpu_set_t cpus;
	unsigned round_count;
	unsigned worker_count;
	_Atomic unsigned arrived;
	struct worker workers[WORKERS_MOST];
};

static struct endpoint peer(unsigned i)
{
	return (struct endpoint){address_from_v4((const uint8_t[]){198, 18, 1, (uint8_t)i}), 53};
}

static void ports_default(struct port_set *ports)
{
	struct port_map map;

	port_map_clear(&map);
	port_map_add(&map, 1024, PORT_COUNT - 1);
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		port_map_remove(&map, port_exclusions_default[i].first,
				port_exclusions_default[i].last);
	port_set_build(ports, &map);
}

static void start(struct bench *b, enum bench_pages pages)
{
	struct hash_key key;

	bench_random(&key, sizeof(key));
	inflight_words_init(&b->words, bench_memory(inflight_words_memory_bytes(SLOTS), pages),
			    SLOTS, 2 /* with CAS */, &key);
	for (unsigned i = 0; i < ARRAY_COUNT(b->peer_hashes); i++) {
		struct endpoint to = peer(i);

		b->peer_hashes[i] = inflight_peer_hash(&b->words, 0, &to);
	}
	for (uint8_t w = 0; w < WORKERS_MOST; w++) {
		struct worker *worker = &b->workers[w];

		worker->bench = b;
		worker->number = w;
		worker->entries = bench_memory(UNDER_WAY_MOST * sizeof(struct entry), pages);
		entropy_init(&worker->entropy, bench_memory(2 * ENTROPY_BYTES, pages),
			     ENTROPY_BYTES);
		ticket_hand_init(&worker->hand);
	}
}

/* ---- the timed part ---- */

/* One drawn ticket to its place; another where it has none, as the engine does. */
static inline void play(struct worker *w, uint32_t idx, struct ticket ticket, uint64_t hash)
{
	struct entry *entry = &w->entries[idx];

	while (UNLIKELY(inflight_enter(&w->bench->words, hash, ticket.id, w->number, (uint16_t)idx,
				       &entry->position) != INFLIGHT_ENTERED)) {
		w->again++;
		CHECK(ticket_draw(&w->hand, &w->bench->ports, &w->entropy, &ticket));
		hash = inflight_hash(w->bench->peer_hashes[idx % PEERS], ticket.port);
	}
	entry->ticket = ticket;
}

/* Draw the ticket for one query of the next burst and pull its bucket towards the cache, and that of the word whose
 * place it will take. */
static inline void draw(struct worker *w, uint32_t first, uint32_t i)
{
	const struct bench *b = w->bench;

	CHECK(ticket_draw(&w->hand, &b->ports, &w->entropy, &w->tickets[i]));
	w->hashes[i] = inflight_hash(b->peer_hashes[(first + i) % PEERS], w->tickets[i].port);
	inflight_prefetch(&b->words, w->hashes[i]);
	__builtin_prefetch(b->words.words + w->entries[first + i].position, 0, 2);
}

static void burst(struct worker *w, bool removes)
{
	uint32_t first = w->oldest;
	uint32_t next = first + BURST < w->entry_count ? first + BURST : 0;

	for (uint32_t i = 0; i < BURST; i++) {
		struct ticket ticket = w->tickets[i];
		uint64_t hash = w->hashes[i];

		draw(w, next, i);
		if (removes)
			inflight_remove(&w->bench->words, w->entries[first + i].position);
		play(w, first + i, ticket, hash);
	}
	w->oldest = next;
}

/* Look up a burst of what is under way; beyond: from peers that nothing was sent to. */
static unsigned look_up(struct worker *w, unsigned beyond)
{
	const struct bench *b = w->bench;
	uint32_t first = w->oldest;
	uint64_t hashes[BURST];
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count, matches = 0;

	for (uint32_t i = 0; i < BURST; i++) {
		hashes[i] = inflight_hash(b->peer_hashes[(first + i) % PEERS + beyond],
					  w->entries[first + i].ticket.port);
		inflight_prefetch(&b->words, hashes[i]);
	}
	for (uint32_t i = 0; i < BURST; i++)
		matches += inflight_find(&b->words, hashes[i], w->entries[first + i].ticket.id,
					 hits, &hit_count) == INFLIGHT_MATCH &&
			   hits[0].slot == (uint16_t)(first + i);
	w->oldest = first + BURST < w->entry_count ? first + BURST : 0;
	return matches;
}

/* ---- rounds ---- */

/* Nobody begins a round before all are there. */
static void meet(struct bench *b, unsigned round)
{
	atomic_fetch_add(&b->arrived, 1);
	while (atomic_load(&b->arrived) < (round + 1) * b->worker_count)
		_mm_pause();
}

static void fill(struct worker *w)
{
	w->oldest = 0;
	bench_feed(&w->entropy);
	for (uint32_t i = 0; i < BURST; i++)
		draw(w, 0, i);
	for (uint32_t i = 0; i < w->entry_count; i += BURST) {
		bench_feed(&w->entropy);
		burst(w, false);
	}
}

static void empty(struct worker *w)
{
	for (uint32_t i = 0; i < w->entry_count; i++)
		inflight_remove(&w->bench->words, w->entries[i].position);
}

static void *work(void *argument)
{
	struct worker *w = argument;

	bench_pin(&w->bench->cpus, w->number);
	fill(w);
	for (unsigned round = 0; round < WARM_ROUNDS + w->bench->round_count; round++) {
		unsigned long long begun;

		bench_feed(&w->entropy);
		w->yard[round] = bench_yardstick();
		meet(w->bench, round);
		begun = __rdtsc();
		for (unsigned i = 0; i < ROUND_BURSTS; i++)
			burst(w, true);
		w->cycles[round] = (double)(__rdtsc() - begun) / (ROUND_BURSTS * BURST);
		w->yard[round] = bench_longer(w->yard[round], bench_yardstick());
	}
	/* Every word is where its owner believes it to be. */
	for (uint32_t i = 0; i < w->entry_count; i += BURST)
		CHECK(look_up(w, 0) == BURST);
	empty(w);
	return NULL;
}

static struct bench_figures lives(struct bench *b, unsigned worker_count, unsigned under_way)
{
	struct bench_rounds rounds = {0};

	atomic_store(&b->arrived, 0);
	b->worker_count = worker_count;
	for (unsigned i = 0; i < worker_count; i++) {
		b->workers[i].entry_count = under_way / worker_count / BURST * BURST;
		CHECK(pthread_create(&b->workers[i].thread, NULL, work, &b->workers[i]) == 0);
	}
	for (unsigned i = 0; i < worker_count; i++)
		CHECK(pthread_join(b->workers[i].thread, NULL) == 0);
	for (unsigned round = WARM_ROUNDS; round < WARM_ROUNDS + b->round_count; round++) {
		double sum = 0, yard = 0;

		for (unsigned i = 0; i < worker_count; i++) {
			sum += b->workers[i].cycles[round];
			yard = bench_longer(yard, b->workers[i].yard[round]);
		}
		bench_rounds_add(&rounds, sum / worker_count, yard);
	}
	return bench_figures_of(&rounds);
}

static struct bench_figures look_ups(struct bench *b, unsigned under_way, bool present)
{
	struct worker *w = &b->workers[0];
	struct bench_rounds rounds = {0};

	w->entry_count = under_way / BURST * BURST;
	fill(w);
	for (unsigned round = 0; round < b->round_count; round++) {
		double yard = bench_yardstick();
		unsigned long long begun = __rdtsc();
		unsigned matches = 0;
		double cycles;

		for (unsigned i = 0; i < ROUND_BURSTS; i++)
			matches += look_up(w, present ? 0 : PEERS);
		cycles = (double)(__rdtsc() - begun) / (ROUND_BURSTS * BURST);
		bench_rounds_add(&rounds, cycles, bench_longer(yard, bench_yardstick()));
		CHECK(matches == (present ? ROUND_BURSTS * BURST : 0));
	}
	empty(w);
	return bench_figures_of(&rounds);
}

/* What stands before a look-up: the hash of the reply's source and our address. */
static struct bench_figures peer_hashes(struct bench *b)
{
	struct bench_rounds rounds = {0};

	for (unsigned round = 0; round < b->round_count; round++) {
		struct endpoint from = peer(round);
		double yard = bench_yardstick();
		unsigned long long begun = __rdtsc();
		double cycles;

		for (unsigned i = 0; i < ROUND_BURSTS * BURST; i++) {
			from.port = (uint16_t)i;
			bench_keep(inflight_peer_hash(&b->words, 0, &from));
		}
		cycles = (double)(__rdtsc() - begun) / (ROUND_BURSTS * BURST);
		bench_rounds_add(&rounds, cycles, bench_longer(yard, bench_yardstick()));
	}
	return bench_figures_of(&rounds);
}

static struct bench_figures refills(struct bench *b)
{
	struct bench_rounds rounds = {0};
	uint8_t *block = bench_memory(ENTROPY_BYTES, BENCH_PAGES_ORDINARY);

	for (unsigned round = 0; round < b->round_count; round++) {
		double yard = bench_yardstick();
		unsigned long long begun = __rdtsc();
		double cycles;

		bench_random(block, ENTROPY_BYTES);
		cycles = (double)(__rdtsc() - begun) / ((double)ENTROPY_BYTES / TICKET_BYTES);
		bench_rounds_add(&rounds, cycles, bench_longer(yard, bench_yardstick()));
	}
	return bench_figures_of(&rounds);
}

/* ---- the table ---- */

static void row(const char *what, unsigned worker_count, unsigned under_way, const char *pages,
		struct bench_figures f)
{
	printf("| %s | %u | %u | %s | %.1f | %.1f (%u) | %.1f | %.1f |\n", what, worker_count,
	       under_way, pages, f.median, f.quiet, f.quiet_count, f.best, f.worst);
	fflush(stdout);
}

/* The rows of one size of pages. Returns false if a median is above its limit. */
static bool rows(struct bench *b, const double limits[WORKERS_MOST], enum bench_pages pages)
{
	static const unsigned sizes[] = {64, UNDER_WAY_MOST};
	const char *name = pages == BENCH_PAGES_HUGE ? "huge" : "ordinary";
	unsigned workers_most = CPU_COUNT(&b->cpus) < WORKERS_MOST ? 1 : WORKERS_MOST;
	/* Two workers on one CPU would measure the scheduler. */
	bool within = workers_most == WORKERS_MOST || limits[1] == NO_LIMIT;

	start(b, pages);
	if (pages == BENCH_PAGES_HUGE && bench_huge_kb() <= 0)
		name = "huge refused";
	for (unsigned s = 0; s < ARRAY_COUNT(sizes); s++) {
		for (unsigned workers = 1; workers <= workers_most; workers++) {
			struct bench_figures f = lives(b, workers, sizes[s]);

			row("drawn + entered + removed", workers, sizes[s], name, f);
			within = within && f.median <= limits[workers - 1];
		}
		row("found: present", 1, sizes[s], name, look_ups(b, sizes[s], true));
		row("found: absent", 1, sizes[s], name, look_ups(b, sizes[s], false));
	}
	return within;
}

/* False: not as the head of this file says. */
static bool arguments(int argc, char **argv, unsigned *round_count, double limits[WORKERS_MOST])
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc) {
			if (sscanf(argv[++i], "%lf,%lf", &limits[0], &limits[1]) != 2)
				return false;
			continue;
		}
		*round_count = bench_round_count(argv[i]);
		if (*round_count == 0)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct bench b = {.round_count = 200};
	const double no_limits[WORKERS_MOST] = {NO_LIMIT, NO_LIMIT};
	double limits[WORKERS_MOST] = {NO_LIMIT, NO_LIMIT};
	uint64_t again = 0;
	bool within;

	if (!arguments(argc, argv, &b.round_count, limits)) {
		fprintf(stderr, "usage: bench_ticket [ROUNDS, 1 to %d] [--limit ONE,TWO]\n",
			BENCH_ROUNDS_MAX);
		return 2;
	}
	CHECK(sched_getaffinity(0, sizeof(b.cpus), &b.cpus) == 0);
	ports_default(&b.ports);
	bench_yardsticks();
	printf("| ticket, cycles (%u rounds of %u) | workers | under way | pages | median | of quiet "
	       "rounds | best | worst |\n|---|---|---|---|---|---|---|---|\n",
	       b.round_count, ROUND_BURSTS * BURST);
	within = rows(&b, limits, BENCH_PAGES_HUGE);
	(void)rows(&b, no_limits, BENCH_PAGES_ORDINARY);
	row("hash of a peer", 1, 0, "-", peer_hashes(&b));
	row("random bytes of a ticket", 1, 0, "-", refills(&b));
	for (unsigned i = 0; i < WORKERS_MOST; i++)
		again += b.workers[i].again;
	printf("\nTickets drawn again: %llu\n", (unsigned long long)again);
	if (!within)
		fprintf(stderr, "bench_ticket: above the limit of %.0f,%.0f cycles\n", limits[0],
			limits[1]);
	return within ? 0 : 1;
}
