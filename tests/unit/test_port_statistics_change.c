/* The set changes while a million tickets are drawn: pools are redrawn, ports are yielded and come back. What is drawn is
 * even over each set while it lasts and over all ports in the end, and nothing is drawn that is out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "port_statistics_draw.h"
#include "unit.h"

#define SEED 5737
#define POOL 2500
#define EPOCHS 200
#define EPOCH_DRAWS 5000
#define TURN_DRAWS 32 /* of a worker, in a turn */
#define EPOCH_BINS 500
#define BINS 1024
#define NEIGHBOURS_MAX 16

/* port_map_has, inlined: it is asked a billion times here. */
static inline bool is_in(const struct port_map *m, uint32_t port)
{
	return m->bits[port / 64] >> (port % 64) & 1;
}

/* What is drawn in the course of time. */
struct run {
	struct draw_world *world;
	const struct run_kind *kind;
	struct port_map sets[EPOCHS];
	uint32_t set_counts[EPOCHS];
	unsigned epoch;                /* of the set published last */
	unsigned of_set[2];            /* epochs of world->sets */
	uint16_t (*drawn)[PORT_COUNT]; /* by epoch and port */
	uint32_t drawn_counts[EPOCHS];
	uint32_t totals[PORT_COUNT];
	uint16_t rank_of[2][PORT_COUNT];               /* of the ports of world->sets */
	uint32_t worker_bins[PORT_WORKERS_MAX * BINS]; /* by rank in the set of the epoch */
	uint32_t turn_left[PORT_WORKERS_MAX];
	struct ticket kept[PORT_WORKERS_MAX][TICKET_HAND_SIZE];
	unsigned kept_left[PORT_WORKERS_MAX];
	uint32_t outside; /* drawn, but not of the worker's set */
};

/* How sets follow each other, and how tickets are drawn of them. */
struct run_kind {
	void (*next_set)(struct run *r, const struct port_map *now, struct port_map *out);
	struct ticket (*draw)(struct run *r, unsigned worker);
	/* So many ports, drawn from all; 0: sets grow out of each other. */
	uint32_t pool;
};

static struct ticket ticket_of_hand(struct run *r, unsigned worker)
{
	return draw_worker_ticket(r->world, worker);
}

static void begin_turn(struct run *r, unsigned worker)
{
	if (r->turn_left[worker]-- > 0)
		return;
	draw_worker_begin_turn(r->world, worker);
	r->turn_left[worker] = TURN_DRAWS - 1;
}

static void draw_one(struct run *r)
{
	unsigned worker = draw_world_next_worker(r->world);
	const struct source_set *set;
	struct ticket ticket;
	unsigned epoch;

	begin_turn(r, worker);
	set = r->world->workers[worker].set;
	epoch = r->of_set[set == &r->world->sets[1]];
	ticket = r->kind->draw(r, worker);
	if (!port_map_has(&set->ports.map, ticket.port)) {
		r->outside++;
		return;
	}
	r->drawn[epoch][ticket.port]++;
	r->drawn_counts[epoch]++;
	r->totals[ticket.port]++;
	r->worker_bins[worker * BINS +
		       (uint32_t)r->rank_of[set == &r->world->sets[1]][ticket.port] * BINS /
			       set->ports.port_count]++;
}

static void publish_next(struct run *r)
{
	struct draw_world *w = r->world;
	unsigned at;
	const struct port_map *before = r->epoch == 0 ? &w->eligible : &r->sets[r->epoch - 1];

	/* The keeper has waited for all of them. */
	for (unsigned worker = 0; worker < w->worker_count; worker++)
		CU_ASSERT_PTR_EQUAL(w->workers[worker].set, w->published);
	r->kind->next_set(r, before, &r->sets[r->epoch]);
	r->set_counts[r->epoch] = port_map_count(&r->sets[r->epoch]);
	draw_world_publish(w, &r->sets[r->epoch]);
	at = w->published == &w->sets[1];
	r->of_set[at] = r->epoch;
	for (uint32_t rank = 0; rank < w->published->ports.port_count; rank++)
		r->rank_of[at][w->published->ports.ports[rank]] = (uint16_t)rank;
}

static struct run *run_make(const struct run_kind *kind, unsigned worker_count)
{
	struct run *r = calloc(1, sizeof(*r));

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	r->drawn = calloc(EPOCHS, sizeof(*r->drawn));
	CU_ASSERT_PTR_NOT_NULL_FATAL(r->drawn);
	r->kind = kind;
	r->world = draw_world_make(worker_count, SEED + worker_count);
	for (r->epoch = 0; r->epoch < EPOCHS; r->epoch++) {
		publish_next(r);
		/* What all draw before they know of it would be of no epoch. */
		for (unsigned worker = 0; r->epoch == 0 && worker < worker_count; worker++)
			draw_worker_begin_turn(r->world, worker);
		for (unsigned i = 0; i < EPOCH_DRAWS; i++)
			draw_one(r);
	}
	return r;
}

static void run_free(struct run *r)
{
	draw_world_free(r->world);
	free(r->drawn);
	free(r);
}

/* ---- what is judged ---- */

enum fault {
	FAULT_OUTSIDE = 1,      /* a port was drawn that was out */
	FAULT_EPOCHS = 2,       /* uneven over the set while it lasted */
	FAULT_PORTS = 4,        /* a port was drawn more or less often than while it was in */
	FAULT_WORKERS = 8,      /* contingency of workers and ranks in the set */
	FAULT_SHARE = 16,       /* uneven over all eligible ports in the end */
	FAULT_INCLUSION = 32,   /* some ports are in more pools than others */
	FAULT_NEIGHBOURS = 64,  /* ports close to each other are in or out together */
	FAULT_SUCCESSION = 128, /* a pool depends on the one before */
	FAULT_ALL = 255,
};

static bool p_is_fine(const char *who, const char *what, double p)
{
	if (p > CHI_SQUARE_P_MIN && p < 1 - CHI_SQUARE_P_MIN)
		return true;
	if (who != NULL)
		printf("\n%s: %s: p = %g\n", who, what, p);
	return false;
}

static bool deviate_is_fine(const char *who, const char *what, double z)
{
	if (fabs(z) < PORT_DEVIATE_MAX)
		return true;
	if (who != NULL)
		printf("\n%s: %s: z = %g\n", who, what, z);
	return false;
}

static double square_over(double observed, double expected)
{
	return (observed - expected) * (observed - expected) / expected;
}

static double epochs_p(const struct run *r)
{
	double statistic = 0;

	for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
		uint32_t count = r->set_counts[epoch], rank = 0;
		uint32_t observed[EPOCH_BINS] = {0};
		double expected[EPOCH_BINS] = {0};

		for (uint32_t port = 1; port < PORT_COUNT; port++) {
			if (!is_in(&r->sets[epoch], port))
				continue;
			observed[rank * EPOCH_BINS / count] += r->drawn[epoch][port];
			expected[rank * EPOCH_BINS / count] +=
				r->drawn_counts[epoch] / (double)count;
			rank++;
		}
		statistic += chi_square_statistic(observed, expected, EPOCH_BINS);
	}
	return chi_square_p(statistic, EPOCHS * (EPOCH_BINS - 1));
}

/* Given which sets there were. */
static double ports_p(const struct run *r)
{
	static double expected[PORT_COUNT];
	double statistic = 0, freedom = 0;

	memset(expected, 0, sizeof(expected));
	for (unsigned epoch = 0; epoch < EPOCHS; epoch++)
		for (uint32_t port = 1; port < PORT_COUNT; port++)
			if (is_in(&r->sets[epoch], port))
				expected[port] +=
					r->drawn_counts[epoch] / (double)r->set_counts[epoch];
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		if (expected[port] < 1)
			continue;
		statistic += square_over(r->totals[port], expected[port]);
		freedom++;
	}
	return chi_square_p(statistic, freedom);
}

static double workers_p(const struct run *r)
{
	unsigned worker_count = r->world->worker_count;
	double totals[PORT_WORKERS_MAX] = {0}, all = 0, statistic = 0;

	if (worker_count == 1)
		return 0.5;
	for (unsigned worker = 0; worker < worker_count; worker++) {
		for (unsigned bin = 0; bin < BINS; bin++)
			totals[worker] += r->worker_bins[worker * BINS + bin];
		all += totals[worker];
	}
	for (unsigned bin = 0; bin < BINS; bin++) {
		double column = 0;

		for (unsigned worker = 0; worker < worker_count; worker++)
			column += r->worker_bins[worker * BINS + bin];
		for (unsigned worker = 0; worker < worker_count; worker++)
			statistic += square_over(r->worker_bins[worker * BINS + bin],
						 column * totals[worker] / all);
	}
	return chi_square_p(statistic, (worker_count - 1) * (BINS - 1));
}

/* Over all eligible ports, whatever the pools were. A port's count varies more than that of draws over all ports, as it is in
 * few pools and often drawn then. */
static double share_p(const struct run *r)
{
	double all = port_map_count(&r->world->eligible), in = POOL / all;
	double observed[BINS] = {0}, ports[BINS] = {0};
	double variance = 0, mean = 0, statistic = 0;
	uint32_t rank = 0;

	for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
		double each = r->drawn_counts[epoch] / (double)POOL;

		variance += in * each * (1 - 1.0 / POOL) + each * each * in * (1 - in);
		mean += r->drawn_counts[epoch] / all;
	}
	variance *= all / (all - 1);
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		unsigned bin = (unsigned)(rank * BINS / all);

		if (!is_in(&r->world->eligible, port))
			continue;
		observed[bin] += r->totals[port];
		ports[bin]++;
		rank++;
	}
	for (unsigned bin = 0; bin < BINS; bin++)
		statistic += square_over(observed[bin], ports[bin] * mean) * mean / variance;
	return chi_square_p(statistic, BINS - 1);
}

/* How often each port was in; of EPOCHS samples without replacement. */
static double inclusion_p(const struct run *r)
{
	double all = port_map_count(&r->world->eligible), in = POOL / all, statistic = 0;
	static uint16_t counts[PORT_COUNT];

	memset(counts, 0, sizeof(counts));
	for (unsigned epoch = 0; epoch < EPOCHS; epoch++)
		for (uint32_t port = 1; port < PORT_COUNT; port++)
			counts[port] = (uint16_t)(counts[port] + is_in(&r->sets[epoch], port));
	for (uint32_t port = 1; port < PORT_COUNT; port++)
		if (is_in(&r->world->eligible, port))
			statistic += square_over(counts[port], EPOCHS * in);
	return chi_square_p(statistic / (1 - in) * (all - 1) / all, all - 1);
}

/* Pairs of eligible ports that are so many ranks apart and both in, for each distance. */
static void count_neighbours(const struct run *r, double pairs[NEIGHBOURS_MAX + 1])
{
	static bool in[PORT_COUNT];

	for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
		uint32_t rank = 0;

		for (uint32_t port = 1; port < PORT_COUNT; port++) {
			if (!is_in(&r->world->eligible, port))
				continue;
			in[rank] = is_in(&r->sets[epoch], port);
			for (uint32_t apart = 1; in[rank] && apart <= NEIGHBOURS_MAX; apart++)
				pairs[apart] += rank >= apart && in[rank - apart];
			rank++;
		}
	}
}

static bool neighbours_are_fine(const struct run *r, const char *who)
{
	double all = port_map_count(&r->world->eligible), pairs[NEIGHBOURS_MAX + 1] = {0};
	bool fine = true;

	count_neighbours(r, pairs);
	for (unsigned apart = 1; apart <= NEIGHBOURS_MAX; apart++) {
		double expected = EPOCHS * (all - apart) * POOL / all * (POOL - 1) / (all - 1);

		/* Rare events among many, nearly independent. */
		if (!deviate_is_fine(who, "neighbours", (pairs[apart] - expected) / sqrt(expected)))
			fine = false;
	}
	return fine;
}

static double succession_deviate(const struct run *r)
{
	uint32_t all = port_map_count(&r->world->eligible);
	double sum = 0;

	for (unsigned epoch = 1; epoch < EPOCHS; epoch++)
		sum += port_overlap_deviate(port_overlap(&r->sets[epoch - 1], &r->sets[epoch]),
					    r->set_counts[epoch - 1], r->set_counts[epoch], all);
	return sum / sqrt(EPOCHS - 1);
}

static unsigned judge(const struct run *r, const char *who)
{
	unsigned faults = r->outside > 0 ? FAULT_OUTSIDE : 0;

	if (!p_is_fine(who, "within sets", epochs_p(r)))
		faults |= FAULT_EPOCHS;
	if (!p_is_fine(who, "ports while they are in", ports_p(r)))
		faults |= FAULT_PORTS;
	if (!p_is_fine(who, "workers", workers_p(r)))
		faults |= FAULT_WORKERS;
	if (r->kind->pool == 0)
		return faults;
	if (!p_is_fine(who, "share of all ports", share_p(r)))
		faults |= FAULT_SHARE;
	if (!p_is_fine(who, "inclusion", inclusion_p(r)))
		faults |= FAULT_INCLUSION;
	if (!neighbours_are_fine(r, who))
		faults |= FAULT_NEIGHBOURS;
	if (!deviate_is_fine(who, "succession", succession_deviate(r)))
		faults |= FAULT_SUCCESSION;
	return faults;
}

static unsigned run_and_judge(const struct run_kind *kind, unsigned worker_count, const char *who)
{
	struct run *r = run_make(kind, worker_count);
	unsigned faults = judge(r, who);

	run_free(r);
	return faults;
}

/* ---- rotation ---- */

static void pool_sampled(struct run *r, const struct port_map *now, struct port_map *out)
{
	(void)now;
	draw_world_sample(r->world, out, POOL);
}

/* A run of ports from a random one on. */
static void pool_in_a_row(struct run *r, const struct port_map *now, struct port_map *out)
{
	uint32_t port = draw_world_below(r->world, PORT_COUNT);

	(void)now;
	port_map_clear(out);
	for (uint32_t count = 0; count < POOL; port = (port + 1) % PORT_COUNT) {
		if (!port_map_has(&r->world->eligible, (uint16_t)port))
			continue;
		port_map_add(out, (uint16_t)port, (uint16_t)port);
		count++;
	}
}

/* None that was in the one before. */
static void pool_all_new(struct run *r, const struct port_map *now, struct port_map *out)
{
	struct port_map eligible = r->world->eligible;

	for (size_t i = 0; r->epoch > 0 && i < ARRAY_COUNT(now->bits); i++)
		r->world->eligible.bits[i] &= ~now->bits[i];
	draw_world_sample(r->world, out, POOL);
	r->world->eligible = eligible;
}

/* Port numbers of 16 bits modulo the count: some twice as likely. */
static void pool_modulo(struct run *r, const struct port_map *now, struct port_map *out)
{
	static struct port_set eligible;

	(void)now;
	port_set_build(&eligible, &r->world->eligible);
	port_map_clear(out);
	for (uint32_t count = 0; count < POOL;) {
		uint16_t port = eligible.ports[draw_world_below(r->world, PORT_COUNT) % 50000];

		count += !port_map_has(out, port);
		port_map_add(out, port, port);
	}
}

/* Tickets of the set before are played first. */
static struct ticket ticket_kept(struct run *r, unsigned worker)
{
	unsigned *left = &r->kept_left[worker];

	if (*left == 0)
		while (*left < TICKET_HAND_SIZE)
			r->kept[worker][(*left)++] = draw_worker_ticket(r->world, worker);
	return r->kept[worker][--*left];
}

static struct ticket ticket_of_slice(struct run *r, unsigned worker)
{
	const struct port_set *set = &r->world->workers[worker].set->ports;
	uint32_t slice = set->port_count / r->world->worker_count;
	struct ticket ticket = draw_worker_ticket(r->world, worker);

	ticket.port = set->ports[slice * worker + draw_world_below(r->world, slice)];
	return ticket;
}

/* Of the set's first 2,400, say: an index that was not updated. */
static struct ticket ticket_of_most(struct run *r, unsigned worker)
{
	struct ticket ticket = draw_worker_ticket(r->world, worker);

	while (ticket.port > r->world->workers[worker].set->ports.ports[POOL - 100])
		ticket = draw_worker_ticket(r->world, worker);
	return ticket;
}

static const struct run_kind rotation = {pool_sampled, ticket_of_hand, POOL};

static void rotation__is_as_chance_has_it(void)
{
	static const unsigned worker_counts[] = {1, 2, 4, 8};

	for (size_t i = 0; i < ARRAY_COUNT(worker_counts); i++)
		CU_ASSERT_EQUAL(run_and_judge(&rotation, worker_counts[i], "rotation"), 0);
}

/* ---- yielding ---- */

/* Of those in, one of 100 is given away; of those out, one of 10 comes back. */
static void some_yielded(struct run *r, const struct port_map *now, struct port_map *out)
{
	*out = *now;
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		if (!is_in(&r->world->eligible, port))
			continue;
		if (!is_in(now, port)) {
			if (draw_world_below(r->world, 10) == 0)
				port_map_add(out, (uint16_t)port, (uint16_t)port);
		} else if (draw_world_below(r->world, 100) == 0) {
			port_map_remove(out, (uint16_t)port, (uint16_t)port);
		}
	}
}

/* Ports that have come back are not drawn for some time. */
static struct ticket ticket_not_returned(struct run *r, unsigned worker)
{
	enum { WAIT_EPOCHS = 20 };
	const struct source_set *set = r->world->workers[worker].set;
	unsigned epoch = r->of_set[set == &r->world->sets[1]];
	unsigned first = epoch > WAIT_EPOCHS ? epoch - WAIT_EPOCHS : 0;

	for (;;) {
		struct ticket ticket = draw_worker_ticket(r->world, worker);
		unsigned at = first;

		while (at < epoch && is_in(&r->sets[at], ticket.port))
			at++;
		if (at == epoch)
			return ticket;
	}
}

static const struct run_kind yielding = {some_yielded, ticket_of_hand, 0};

static void yielding__is_as_chance_has_it(void)
{
	static const unsigned worker_counts[] = {1, 2, 4, 8};

	for (size_t i = 0; i < ARRAY_COUNT(worker_counts); i++)
		CU_ASSERT_EQUAL(run_and_judge(&yielding, worker_counts[i], "yielding"), 0);
}

/* A test that cannot fail is no test. */
static void change_statistics__refuse_bad_keepers_and_workers(void)
{
	static const struct {
		const char *says;
		struct run_kind kind;
		unsigned by;
	} rows[] = {
		{"pools in a row",
		 {pool_in_a_row, ticket_of_hand, POOL},
		 FAULT_NEIGHBOURS | FAULT_INCLUSION | FAULT_SHARE},
		{"pools without those of before",
		 {pool_all_new, ticket_of_hand, POOL},
		 FAULT_SUCCESSION},
		{"modulo bias", {pool_modulo, ticket_of_hand, POOL}, FAULT_INCLUSION | FAULT_SHARE},
		{"the old hand is kept", {pool_sampled, ticket_kept, POOL}, FAULT_OUTSIDE},
		{"slices of the pool", {pool_sampled, ticket_of_slice, POOL}, FAULT_WORKERS},
		{"the last hundred are forgotten",
		 {pool_sampled, ticket_of_most, POOL},
		 FAULT_EPOCHS | FAULT_PORTS},
		{"the old hand is kept", {some_yielded, ticket_kept, 0}, FAULT_OUTSIDE},
		{"what has returned waits", {some_yielded, ticket_not_returned, 0}, FAULT_PORTS},
		{"slices of what is left", {some_yielded, ticket_of_slice, 0}, FAULT_WORKERS},
	};
	unsigned shown = 0;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		unsigned faults = run_and_judge(&rows[i].kind, 4, NULL);

		if ((faults & rows[i].by) != rows[i].by)
			printf("\n%s: refused by %#x, not by all of %#x\n", rows[i].says, faults,
			       rows[i].by);
		CU_ASSERT_EQUAL(faults & rows[i].by, rows[i].by);
		shown |= rows[i].by;
	}
	CU_ASSERT_EQUAL(shown, FAULT_ALL);
}

/* ---- samples ---- */

/* All subsets of so many ports: hence also each port and each pair of them. */
static void port_map_sample__is_uniform_over_subsets(void)
{
	enum { SAMPLES = 2000, SUBSETS_MAX = 126 };
	static const struct {
		unsigned ports, count, subsets;
	} rows[] = {{6, 1, 6}, {6, 3, 20}, {9, 2, 36}, {9, 7, 36}, {9, 5, 126}};
	struct draw_world *w = draw_world_make(1, SEED);

	for (size_t row = 0; row < ARRAY_COUNT(rows); row++) {
		uint32_t of_members[1 << 9] = {0}, observed[SUBSETS_MAX] = {0};
		unsigned subsets = 0;

		/* Far apart: 7, 7007, 14007, ... */
		port_map_clear(&w->eligible);
		for (unsigned i = 0; i < rows[row].ports; i++)
			port_map_add(&w->eligible, (uint16_t)(7 + i * 7000),
				     (uint16_t)(7 + i * 7000));
		for (unsigned n = 0; n < SAMPLES; n++) {
			struct port_map sample;
			unsigned members = 0;

			draw_world_sample(w, &sample, rows[row].count);
			CU_ASSERT_EQUAL(port_map_count(&sample), rows[row].count);
			for (unsigned i = 0; i < rows[row].ports; i++)
				members |= (unsigned)port_map_has(&sample, (uint16_t)(7 + i * 7000))
					   << i;
			of_members[members]++;
		}
		for (unsigned members = 0; members < ARRAY_COUNT(of_members); members++)
			if ((unsigned)__builtin_popcount(members) == rows[row].count &&
			    members < 1u << rows[row].ports)
				observed[subsets++] = of_members[members];
		CU_ASSERT_EQUAL(subsets, rows[row].subsets);
		CU_ASSERT(chi_square_accepts("subsets", observed, NULL, subsets));
	}
	draw_world_free(w);
}

/* Two addresses, each with a pool of the same ports; a worker draws for both of the same random bytes. Whether draw n for
 * the one says anything of draw n for the other. */
static double addresses_p(struct draw_world *w, const struct port_set *const sets[2])
{
	enum { SIDE = 32, DRAWS = 200000 };
	uint32_t cells[SIDE][SIDE] = {0};
	double rows[SIDE] = {0}, columns[SIDE] = {0}, statistic = 0;
	struct ticket_hand hands[2];

	ticket_hand_init(&hands[0]);
	ticket_hand_init(&hands[1]);
	for (unsigned i = 0; i < DRAWS; i++) {
		unsigned at[2];

		for (unsigned address = 0; address < 2; address++)
			at[address] = draw_worker_ticket_of(&w->workers[0], &hands[address],
							    sets[address])
					      .port /
				      (PORT_COUNT / SIDE);
		cells[at[0]][at[1]]++;
		rows[at[0]]++;
		columns[at[1]]++;
	}
	/* Ports below 1024 are in no pool; all others' bins have some. */
	for (unsigned i = 0; i < SIDE; i++)
		for (unsigned k = 0; k < SIDE; k++)
			statistic += square_over(cells[i][k], rows[i] * columns[k] / DRAWS);
	return chi_square_p(statistic, (SIDE - 1) * (SIDE - 1));
}

static void port_map_sample__two_addresses_have_nothing_in_common(void)
{
	struct draw_world *w = draw_world_make(1, SEED);
	const struct port_set *sets[] = {&w->sets[0].ports, &w->sets[1].ports};
	uint32_t all = port_map_count(&w->eligible);
	double sum = 0;

	for (unsigned i = 0; i < EPOCHS; i++) {
		struct port_map pools[2];

		draw_world_sample(w, &pools[0], POOL);
		draw_world_sample(w, &pools[1], POOL);
		sum += port_overlap_deviate(port_overlap(&pools[0], &pools[1]), POOL, POOL, all);
		if (i == 0) {
			source_set_init(&w->sets[0], &pools[0]);
			source_set_init(&w->sets[1], &pools[1]);
		}
	}
	CU_ASSERT(deviate_is_fine("two addresses", "overlap", sum / sqrt(EPOCHS)));
	CU_ASSERT(p_is_fine("two addresses", "draws", addresses_p(w, sets)));
	/* And the same pool for both would be seen. */
	CU_ASSERT_FALSE(deviate_is_fine(NULL, "", port_overlap_deviate(POOL, POOL, POOL, all)));
	draw_world_free(w);
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_map_sample__is_uniform_over_subsets),
	UNIT_TEST(port_map_sample__two_addresses_have_nothing_in_common),
	UNIT_TEST(change_statistics__refuse_bad_keepers_and_workers),
	UNIT_TEST(rotation__is_as_chance_has_it),
	UNIT_TEST(yielding__is_as_chance_has_it),
};
UNIT_SUITE(port_statistics_change, tests)
