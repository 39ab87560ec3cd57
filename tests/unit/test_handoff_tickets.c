/* Ports and IDs of several workers: each draws over all of them, nothing of a worker or of a client's flow shows in
 * them, nor of what others have out (SECURITY.md A3, A4; section 0 finding 1). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "engine_rig.h"
#include "unit.h"

#define QUERIES 100000
#define BINS 1024
#define PORT_FIRST 1024
#define PORTS_ELIGIBLE (65536 - PORT_FIRST)
#define FLOWS 8
#define Z_MAX 4.5
#ifdef __SANITIZE_ADDRESS__ /* ten times slower, and not what it is for */
#define HELD 12000
#else
#define HELD 60000
#endif

struct port_use {
	bool used[65536];
	unsigned count; /* distinct ones */
};

/* Fixed, as any bound on p is exceeded by some seed. */
#define STATISTICS_SEED 5452

struct spread {
	uint32_t ports[RIG_ENGINES_MAX][BINS];
	uint32_t ids[RIG_ENGINES_MAX][BINS];
	uint32_t owner_and_port[RIG_ENGINES_MAX * 64]; /* lowest bits: where a slice would show */
	uint32_t owner_and_id[RIG_ENGINES_MAX * 64];
	uint32_t drawn[RIG_ENGINES_MAX];
	struct port_use by_engine[RIG_ENGINES_MAX];
	struct port_use by_flow[FLOWS];
	struct port_use held[RIG_ENGINES_MAX + 1]; /* by each, and by anybody */
	/* Of the ports that a worker drew, those that are not in a set held. */
	uint32_t missed[RIG_ENGINES_MAX][RIG_ENGINES_MAX + 1];
	unsigned count;
	bool holding;
};

static void use(struct port_use *u, uint16_t port)
{
	u->count += !u->used[port];
	u->used[port] = true;
}

static bool note(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;
	struct spread *s = r->context;
	unsigned eligible = q->local.port - (unsigned)PORT_FIRST;

	CU_ASSERT(q->local.port >= PORT_FIRST);
	if (s->holding) {
		use(&s->held[q->engine], q->local.port);
		use(&s->held[RIG_ENGINES_MAX], q->local.port);
		return true;
	}
	s->count++;
	s->drawn[q->engine]++;
	s->ports[q->engine][eligible * BINS / PORTS_ELIGIBLE]++;
	s->ids[q->engine][q->parsed.id / (65536 / BINS)]++;
	s->owner_and_port[q->engine * 64 + q->local.port % 64]++;
	s->owner_and_id[q->engine * 64 + q->parsed.id % 64]++;
	use(&s->by_engine[q->engine], q->local.port);
	use(&s->by_flow[q->parsed.qname.bytes[2] - '0'], q->local.port);
	for (unsigned h = 0; h <= RIG_ENGINES_MAX; h++)
		s->missed[q->engine][h] += !s->held[h].used[q->local.port];
	rig_answer_query(r, q, &plain);
	return true;
}

static bool ignore(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static void z_is_small(const char *what, unsigned i, unsigned j, double value, double mean,
		       double variance)
{
	double z = (value - mean) / sqrt(variance);

	CU_ASSERT(fabs(z) < Z_MAX);
	if (fabs(z) >= Z_MAX)
		printf("\n%s %u and %u: %g, not %g: z = %g\n", what, i, j, value, mean, z);
}

/* Two sets drawn apart have as many ports in common as the hypergeometric distribution says. */
static void overlaps_by_chance(const char *what, const struct port_use sets[], unsigned count)
{
	const double n = PORTS_ELIGIBLE;

	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < i; j++) {
			double a = sets[i].count, b = sets[j].count;
			unsigned common = 0;

			for (unsigned p = 0; p < 65536; p++)
				common += sets[i].used[p] && sets[j].used[p];
			z_is_small(what, i, j, common, a * b / n,
				   a * b * (n - a) * (n - b) / (n * n * (n - 1)));
		}
}

/* Whoever holds answers back and guesses among the other ports only is right as often as ever. */
static void guesser_gains_nothing(const struct spread *s, unsigned engine_count)
{
	for (unsigned i = 0; i < engine_count; i++)
		for (unsigned h = 0; h <= RIG_ENGINES_MAX; h++) {
			double p = 1 - (double)s->held[h].count / PORTS_ELIGIBLE;
			double n = s->drawn[i];

			if (s->held[h].count == 0)
				continue;
			z_is_small("ports that are not held", i, h, s->missed[i][h], n * p,
				   n * p * (1 - p));
		}
}

static void judge(const struct spread *s, unsigned engine_count)
{
	for (unsigned i = 0; i < engine_count; i++) {
		CU_ASSERT(s->drawn[i] > QUERIES / engine_count * 9 / 10);
		CU_ASSERT(chi_square_accepts("a worker's ports", s->ports[i], NULL, BINS));
		CU_ASSERT(chi_square_accepts("a worker's IDs", s->ids[i], NULL, BINS));
		CU_ASSERT(chi_square_accepts("low bits of its ports", s->owner_and_port + i * 64,
					     NULL, 64));
		CU_ASSERT(chi_square_accepts("low bits of its IDs", s->owner_and_id + i * 64, NULL,
					     64));
	}
	overlaps_by_chance("ports of workers", s->by_engine, engine_count);
	overlaps_by_chance("ports of flows", s->by_flow, FLOWS);
}

/* Names never the same; each flow is received by one worker, always. */
static void ask(struct rig *r, unsigned number, unsigned client)
{
	char name[32];
	unsigned flow = number % FLOWS;
	struct rig_question q = {.name = name,
				 .client = (uint16_t)client,
				 .client_port = (uint16_t)(40000 + flow),
				 .engine = flow % r->engine_count};

	snprintf(name, sizeof(name), "f%u-%u.example.com", flow, number);
	rig_ask(r, &q);
	if (number % 32 == 0) /* the filler's turn */
		rig_poll(r);
}

static void draw_and_judge(unsigned engine_count, unsigned held)
{
	struct rig *r = rig_new(engine_count);
	struct spread *s = calloc(1, sizeof(*s));
	unsigned number = 0;

	CU_ASSERT_FATAL(s != NULL);
	r->params.under_way_max = held / engine_count * 11 / 10 + 256;
	r->params.waiter_count_max = 2 * r->params.under_way_max;
	r->context = s;
	r->on_query = note;
	r->on_answer = ignore;
	r->checks = false;
	r->entropy_random = STATISTICS_SEED;
	rig_start(r);
	s->holding = true;
	for (; number < held; number++)
		ask(r, number, number);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, held);
	s->holding = false;
	for (; s->count < QUERIES; number++)
		ask(r, number, number % FLOWS);
	CU_ASSERT_EQUAL(number, held + QUERIES); /* one query each */
	rig_check(r);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, held);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_TICKETS), 0);
	judge(s, engine_count);
	guesser_gains_nothing(s, engine_count);
	free(s);
	r->context = NULL;
	rig_finish(r);
}

static void handoff_tickets__are_even_on_each_worker(void)
{
	draw_and_judge(2, 0);
	draw_and_judge(4, 0);
}

static void handoff_tickets__are_even_while_a_server_holds_answers_back(void)
{
	draw_and_judge(2, HELD);
	draw_and_judge(4, HELD);
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff_tickets__are_even_on_each_worker),
	UNIT_TEST(handoff_tickets__are_even_while_a_server_holds_answers_back),
};
UNIT_SUITE(handoff_tickets, tests)
