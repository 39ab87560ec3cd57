/* Ports and IDs as four engines really send them, while pools rotate or not: as chance has it; and what the keeper's meter
 * makes of the engines' own counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "dpdk_app/entropy_meter.h"
#include "engine_rig.h"
#include "port_statistics_draw.h"
#include "unit.h"

#define SEED 5452
#define ENGINES 4
#define QUERIES 400000
#define POOL 2500
#define EPOCHS 200
#define EPOCH_QUERIES 1000
#define EPOCH_BINS 100
#define BINS 1024

struct sent {
	struct port_draws draws;
	size_t count;
	/* of a rotation: */
	const struct source_set *source;
	uint16_t rank_of[PORT_COUNT];
	uint32_t outside;
	uint32_t bins[EPOCH_BINS];
	uint32_t worker_bins[ENGINES][BINS];
};

static bool ignore(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static bool note(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;
	struct sent *s = r->context;
	struct port_draws *d = &s->draws;

	if (s->count < d->count) {
		d->ports[s->count] = q->local.port;
		d->ids[s->count] = q->parsed.id;
		d->workers[s->count++] = (uint8_t)q->engine;
	}
	if (s->source != NULL && !port_map_has(&s->source->ports.map, q->local.port)) {
		s->outside++;
	} else if (s->source != NULL) {
		uint32_t rank = s->rank_of[q->local.port];

		s->bins[rank * EPOCH_BINS / POOL]++;
		s->worker_bins[q->engine][rank * BINS / POOL]++;
	}
	rig_answer_query(r, q, &plain);
	return true;
}

static struct rig *rig_of(struct sent *s)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	struct rig *r = rig_new(ENGINES);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, v4);
	/* Fixed: of any bound on p. */
	r->random = SEED;
	r->entropy_random = SEED + 1;
	r->params.under_way_max = 1024;
	r->context = s;
	r->on_query = note;
	r->on_answer = ignore;
	r->checks = false;
	return r;
}

static void ask(struct rig *r, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		char name[32];
		struct rig_question q = {.name = name, .engine = i % ENGINES};

		snprintf(name, sizeof(name), "n%u.example.com", i % 4096);
		rig_ask(r, &q);
		if (i % 64 == 0) /* the filler's turn */
			rig_poll(r);
	}
}

static bool gather(const struct rig *r, const struct source_set *source,
		   struct entropy_meter *meter)
{
	static struct source_meter sum;

	memset(&sum, 0, sizeof(sum));
	for (unsigned engine = 0; engine < ENGINES; engine++) {
		const struct source_meter *m = engine_source_meter(r->engines[engine], 0);

		for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
			sum.ports[i] += m->ports[i];
			sum.ids[i] += m->ids[i];
			sum.port_steps[i] += m->port_steps[i];
			sum.id_steps[i] += m->id_steps[i];
		}
	}
	return entropy_meter_gather(meter, &source->ports.map, &sum);
}

static void finish(struct rig *r, struct sent *s)
{
	port_draws_free(&s->draws);
	free(s);
	r->on_query = NULL;
	rig_finish(r);
}

static void engine__sends_as_chance_has_it(void)
{
	struct sent *s = calloc(1, sizeof(*s));
	struct rig *r = rig_of(s);
	const struct source_set *source = rig_source_new(r, 1024, UINT16_MAX);
	static struct entropy_meter meter;

	rig_source_publish_all(r, source);
	port_draws_make(&s->draws, &source->ports, QUERIES, ENGINES);
	rig_start(r);
	entropy_meter_init(&meter);
	CU_ASSERT_FALSE(gather(r, source, &meter));
	ask(r, 0, QUERIES);
	CU_ASSERT_EQUAL(s->count, QUERIES);
	CU_ASSERT_TRUE(gather(r, source, &meter));
	/* Each engine's last may be counted or not. */
	CU_ASSERT(meter.last.samples >= QUERIES / SOURCE_METER_STRIDE * 2 - 2 * ENGINES);
	CU_ASSERT(meter.last.samples <= QUERIES / SOURCE_METER_STRIDE * 2 + 2 * ENGINES);
	CU_ASSERT_EQUAL(meter.alarms, 0);
	CU_ASSERT_EQUAL(port_statistics(&s->draws, "engines"), 0);
	finish(r, s);
}

/* What the next pool is made in: the set before the last one, which no engine knows any more. */
static void publish_pool(struct rig *r, struct sent *s, struct draw_world *keeper,
			 struct source_set *next)
{
	struct port_map pool;

	draw_world_sample(keeper, &pool, POOL);
	source_set_init(next, &pool);
	if (s->source != NULL)
		source_set_keep(next, &s->source->ports.map);
	rig_source_publish_all(r, next);
	rig_poll(r);
	s->source = next;
	for (uint32_t rank = 0; rank < POOL; rank++)
		s->rank_of[next->ports.ports[rank]] = (uint16_t)rank;
}

static double bins_statistic(const uint32_t bins[], size_t bin_count)
{
	double total = 0, each, statistic = 0;

	for (size_t i = 0; i < bin_count; i++)
		total += bins[i];
	each = total / (double)bin_count;
	for (size_t i = 0; i < bin_count; i++)
		statistic += chi_square_statistic(&bins[i], &each, 1);
	return statistic;
}

static void engine__sends_as_chance_has_it_while_pools_rotate(void)
{
	struct sent *s = calloc(1, sizeof(*s));
	struct rig *r = rig_of(s);
	struct draw_world *keeper = draw_world_make(1, SEED);
	struct source_set *sets[] = {rig_source_new(r, 1024, 9999), rig_source_new(r, 1, 1)};
	static struct entropy_meter meter;
	double statistic = 0, p;
	unsigned judged = 0;

	rig_source_publish_all(r, sets[0]);
	rig_start(r);
	entropy_meter_init(&meter);
	for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
		publish_pool(r, s, keeper, sets[(epoch + 1) % 2]);
		judged += gather(r, s->source, &meter);
		memset(s->bins, 0, sizeof(s->bins));
		ask(r, epoch * EPOCH_QUERIES, EPOCH_QUERIES);
		judged += gather(r, s->source, &meter);
		statistic += bins_statistic(s->bins, EPOCH_BINS);
	}
	CU_ASSERT_EQUAL(s->outside, 0);
	p = chi_square_p(statistic, EPOCHS * (EPOCH_BINS - 1));
	CU_ASSERT(p > CHI_SQUARE_P_MIN && p < 1 - CHI_SQUARE_P_MIN);
	for (unsigned engine = 0; engine < ENGINES; engine++) {
		/* Bins have two or three ranks. */
		double expected[BINS] = {0}, total = 0;

		for (uint32_t rank = 0; rank < POOL; rank++)
			expected[rank * BINS / POOL]++;
		for (unsigned bin = 0; bin < BINS; bin++)
			total += s->worker_bins[engine][bin];
		for (unsigned bin = 0; bin < BINS; bin++)
			expected[bin] *= total / POOL;
		CU_ASSERT(chi_square_accepts("an engine's ranks", s->worker_bins[engine], expected,
					     BINS));
	}
	CU_ASSERT_EQUAL(judged,
			EPOCHS * EPOCH_QUERIES / SOURCE_METER_STRIDE * 2 / ENTROPY_WINDOW_SAMPLES);
	CU_ASSERT_EQUAL(meter.alarms, 0);
	draw_world_free(keeper);
	finish(r, s);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine__sends_as_chance_has_it),
	UNIT_TEST(engine__sends_as_chance_has_it_while_pools_rotate),
};
UNIT_SUITE(port_statistics_engine, tests)
