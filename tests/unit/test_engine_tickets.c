/* Ports and IDs of what was really sent: even, independent, and not shaped by what is out (SECURITY.md A3, A4). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "engine_rig.h"
#include "unit.h"

#define QUERIES 60000
#define BINS 1024
#define PORT_FIRST 1024
#define PORTS_ELIGIBLE (65536 - PORT_FIRST)
#define HELD 200 /* questions whose answers the server keeps back */

struct seen {
	uint32_t ports[BINS];
	uint32_t ids[BINS];
	uint32_t port_low[64],
		id_low[64]; /* lowest bits: what a counter or an index would show in */
	uint16_t *port_values;
	uint16_t *id_values;
	unsigned count;
	unsigned held;
	unsigned engine; /* whose queries are looked at */
};

static bool note(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;
	struct seen *seen = r->context;

	CU_ASSERT(q->local.port >= PORT_FIRST);
	if (seen->count < QUERIES && q->engine == seen->engine) {
		unsigned eligible = q->local.port - (unsigned)PORT_FIRST;

		seen->ports[eligible * BINS / PORTS_ELIGIBLE]++;
		seen->ids[q->parsed.id / (65536 / BINS)]++;
		seen->port_low[q->local.port % 64]++;
		seen->id_low[q->parsed.id % 64]++;
		seen->port_values[seen->count] = q->local.port;
		seen->id_values[seen->count] = q->parsed.id;
		seen->count++;
	}
	if (seen->held > 0) {
		seen->held--;
		return true;
	}
	rig_answer_query(r, q, &plain);
	return true;
}

static bool ignore(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static void judge(const struct seen *seen)
{
	CU_ASSERT(chi_square_accepts("ports", seen->ports, NULL, BINS));
	CU_ASSERT(chi_square_accepts("IDs", seen->ids, NULL, BINS));
	CU_ASSERT(chi_square_accepts("low bits of ports", seen->port_low, NULL, 64));
	CU_ASSERT(chi_square_accepts("low bits of IDs", seen->id_low, NULL, 64));
	for (size_t lag = 1; lag <= 16; lag++) {
		/* Five standard deviations. */
		double limit = 5.0 / 244.9;
		double port = serial_correlation(seen->port_values, QUERIES, lag);
		double id = serial_correlation(seen->id_values, QUERIES, lag);

		CU_ASSERT(port > -limit && port < limit);
		CU_ASSERT(id > -limit && id < limit);
	}
}

static void draw_and_judge(unsigned held, unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);
	struct seen seen = {.held = held, .engine = engine_count - 1};
	struct rig_question q = {.name = "www.example.com"};

	seen.port_values = calloc(QUERIES, sizeof(uint16_t));
	seen.id_values = calloc(QUERIES, sizeof(uint16_t));
	r->params.under_way_max = 1024;
	r->context = &seen;
	r->on_query = note;
	r->on_answer = ignore;
	r->checks = false;
	/* The held ones stay out for the whole run; time does not move in it. */
	rig_start(r);
	for (unsigned i = 0; seen.count < QUERIES; i++) {
		char name[32];

		CU_ASSERT_FATAL(i < 4 * QUERIES);
		/* The held ones' names are asked once. */
		snprintf(name, sizeof(name), "n%u.example.com", i < held ? i : held + i % 4096);
		q.name = name;
		q.engine = i % engine_count;
		rig_ask(r, &q);
		if (i % 64 == 0) /* the filler's turn */
			rig_poll(r);
	}
	r->checks = true;
	rig_check(r);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, held);
	judge(&seen);
	free(seen.port_values);
	free(seen.id_values);
	r->context = NULL;
	rig_finish(r);
}

static void engine_tickets__are_even_over_ports_and_ids(void)
{
	draw_and_judge(0, 1);
}

static void engine_tickets__are_even_while_a_server_holds_answers_back(void)
{
	draw_and_judge(HELD, 1);
}

/* Each worker draws over all ports: no slices. */
static void engine_tickets__are_even_on_each_of_two_workers(void)
{
	draw_and_judge(0, 2);
}

/* Four bits of every query's port and ID say nothing about each other. */
static void engine_tickets__draw_port_and_id_apart(void)
{
	struct rig *r = rig_new(1);
	struct seen seen = {0};
	uint32_t pairs[256] = {0};

	seen.port_values = calloc(QUERIES, sizeof(uint16_t));
	seen.id_values = calloc(QUERIES, sizeof(uint16_t));
	r->context = &seen;
	r->on_query = note;
	r->on_answer = ignore;
	r->checks = false;
	rig_start(r);
	for (unsigned i = 0; seen.count < QUERIES; i++) {
		struct rig_question q = {.name = "www.example.com"};

		rig_ask(r, &q);
		if (i % 64 == 0)
			rig_poll(r);
	}
	for (unsigned i = 0; i < QUERIES; i++)
		pairs[seen.port_values[i] % 16 * 16 + seen.id_values[i] % 16]++;
	CU_ASSERT(chi_square_accepts("port and ID", pairs, NULL, 256));
	memset(pairs, 0, sizeof(pairs));
	for (unsigned i = 0; i + 1 < QUERIES; i++) /* and neither says the next */
		pairs[seen.id_values[i] % 16 * 16 + seen.port_values[i + 1] % 16]++;
	CU_ASSERT(chi_square_accepts("ID and next port", pairs, NULL, 256));
	free(seen.port_values);
	free(seen.id_values);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_tickets__are_even_over_ports_and_ids),
	UNIT_TEST(engine_tickets__are_even_while_a_server_holds_answers_back),
	UNIT_TEST(engine_tickets__are_even_on_each_of_two_workers),
	UNIT_TEST(engine_tickets__draw_port_and_id_apart),
};
UNIT_SUITE(engine_tickets, tests)
