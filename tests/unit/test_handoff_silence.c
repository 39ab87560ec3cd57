/* A million timeouts in a row on four workers: servers of one zone are silent while as much as there may be is under
 * way to them. Nothing grows, nothing is left, and the other zone does not notice. */
#include <stdio.h>
#include <string.h>

#include "engine_rig.h"
#include "unit.h"

#define ENGINES 4u
#ifdef __SANITIZE_ADDRESS__ /* ten times slower */
#define SCALE 10u
#else
#define SCALE 1u
#endif
#define UNDER_WAY (200000u / SCALE) /* over all workers */
#define TIMEOUTS (1000000u / SCALE)
#define STEP_NS (10 * NS_PER_MS)
#define RAMP (UNDER_WAY / 100) /* new questions a step, at most */
#define OTHERS 4               /* of the other zone, a step */
#define STEPS_MAX 3000

struct silence {
	uint64_t others_answered;
	uint64_t failed;
	uint64_t most_under_way;
};

static bool is_silent(const struct rig_query *q)
{
	return q->server_idx == RIG_SERVER_V4_LINK || q->server_idx == RIG_SERVER_V6_FAR;
}

static bool serve(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;

	if (!is_silent(q))
		rig_answer_query(r, q, &plain);
	return true;
}

static bool count(struct rig *r, const struct rig_answer *a)
{
	struct silence *s = r->context;

	if (rig_rcode(a) == DNS_RCODE_SERVFAIL)
		s->failed++;
	else
		s->others_answered++;
	return true;
}

static void ask(struct rig *r, const char *zone, unsigned number)
{
	char name[40];
	struct rig_question q = {.name = name,
				 .client = (uint16_t)number,
				 .family = number % 2 == 0 ? RIG_V4 : RIG_V6,
				 .engine = number % ENGINES};

	snprintf(name, sizeof(name), "n%u.%s", number, zone);
	rig_ask(r, &q);
}

static struct rig *rig_of_silence(struct silence *s)
{
	static const int silent[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V6_FAR, -1};
	static const int other[] = {RIG_SERVER_V6_LINK, RIG_SERVER_V4_FAR, -1};
	struct rig *r = rig_new(ENGINES);

	r->params.under_way_max = UNDER_WAY / ENGINES * 21 / 20; /* owners are by hash */
	r->params.waiter_count_max = r->params.under_way_max;
	r->params.entropy_block_bytes = 65536;
	r->context = s;
	r->on_query = serve;
	r->on_answer = count;
	r->checks = false;
	rig_zone(r, 0, "silent.example", SERVER_POLICY_ROUND_ROBIN, silent);
	rig_zone(r, 1, ".", SERVER_POLICY_ROUND_ROBIN, other);
	return r;
}

static void handoff_silence__leaves_nothing_after_a_million_timeouts(void)
{
	struct silence s = {0};
	struct rig *r = rig_of_silence(&s);
	unsigned asked = 0, others = 0, steps = 0;
	struct engine_gauges now;

	rig_start(r);
	for (; rig_count(r, COUNTER_UPSTREAM_TIMEOUTS) < TIMEOUTS; steps++) {
		uint64_t under_way = rig_gauges(r).resolutions_active;

		CU_ASSERT_FATAL(steps < STEPS_MAX);
		if (under_way > s.most_under_way)
			s.most_under_way = under_way;
		for (unsigned i = 0; i < RAMP && under_way + i < UNDER_WAY; i++)
			ask(r, "silent.example", asked++);
		for (unsigned i = 0; i < OTHERS; i++)
			ask(r, "example.com", others++);
		rig_advance(r, STEP_NS);
		CU_ASSERT_EQUAL(s.others_answered, others);
	}
	rig_check(r);
	CU_ASSERT(s.most_under_way > UNDER_WAY * 9 / 10);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_NEW), asked + others); /* none turned away */
	for (unsigned i = 0; i < ENGINES; i++)
		CU_ASSERT(rig_count_of(r, i, COUNTER_UPSTREAM_TIMEOUTS) > TIMEOUTS / ENGINES / 2);
	rig_advance(
		r,
		8 * NS_PER_S); /* still silent: all that were asked have failed, nothing is late */
	CU_ASSERT_EQUAL(s.failed, asked);
	now = rig_gauges(r);
	CU_ASSERT_EQUAL(now.resolutions_active + now.waiters + now.tickets_out, 0);
	/* But for health probes: one a second to each silent server, late for 3 s. */
	CU_ASSERT(now.probes_out <= 2 && now.tickets_late <= 2 * 4);
	/* As much again is under way at once: nothing was lost. */
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		ask(r, "silent.example", asked++);
		if (i % 256 == 0)
			rig_poll(r);
	}
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, UNDER_WAY);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff_silence__leaves_nothing_after_a_million_timeouts),
};
UNIT_SUITE(handoff_silence, tests)
