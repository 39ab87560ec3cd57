/* Sub-questions at random: rings that are full and late, answers that are lost, askers that give up. Each is heard of exactly
 * once, and nothing is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "engine_sub_play.h"
#include "unit.h"

static const struct rig_reply plain;

#define SOAK_ASKS 1500
#define SOAK_NAMES 40

static struct soak {
	unsigned long long random;
	unsigned asked, heard, failed;
	uint32_t waiting[RIG_ENGINES_MAX][LEFT_MAX]; /* how often it has asked and not heard */
} soak;

static void soak_ask(struct rig *r, unsigned engine, uint32_t idx)
{
	static const enum sub_purpose purposes[] = {SUB_STEP, SUB_ADDRESS, SUB_LINK};
	const struct resolution *asker = &r->engines[engine]->resolutions.resolutions[idx];
	mono_ns ends_at = asker->deadline_at - 10 * NS_PER_MS;
	char text[32];
	struct sub_question q;

	snprintf(text, sizeof(text), "n%llu.example", unit_random(&soak.random) % SOAK_NAMES);
	q = sub_play_question(r, purposes[unit_random(&soak.random) % ARRAY_COUNT(purposes)], text);
	q.deadline_at = r->now + (1 + unit_random(&soak.random) % 3000) * NS_PER_MS;
	/* Whoever asks does not end while it waits. */
	if (q.deadline_at > ends_at)
		q.deadline_at = ends_at;
	if (q.deadline_at <= r->now)
		return;
	q.lent.packets = (uint8_t)(unit_random(&soak.random) % UPSTREAM_PACKETS_MAX);
	q.cut = unit_random(&soak.random) % 2 != 0 ? &player->cut : NULL;
	soak.asked++;
	soak.waiting[engine][idx]++;
	engine_sub_ask(r->engines[engine], idx, &q);
}

static void soak_on_heard(unsigned engine, uint32_t idx)
{
	soak.heard++;
	CU_ASSERT_EQUAL(soak.waiting[engine][idx], 1);
	soak.waiting[engine][idx] = 0;
	soak.failed += player->heard[player->heard_count - 1].answer.verdict == SUB_FAILED;
	player->heard_count = 0;
	/* As whoever iterates does: on with the next one. */
	if (unit_random(&soak.random) % 3 == 0 && soak.asked < SOAK_ASKS)
		soak_ask(player->r, engine, idx);
}

/* Somebody who waits for nothing asks; somebody who waits gives up. */
static void soak_step(struct rig *r)
{
	unsigned engine = (unsigned)(unit_random(&soak.random) % r->engine_count);
	struct engine *e = r->engines[engine];
	uint32_t idx;

	if (e->resolutions.free.fresh == 0)
		return;
	idx = (uint32_t)(unit_random(&soak.random) % e->resolutions.free.fresh);
	if (e->resolutions.resolutions[idx].state != RESOLUTION_WAIT)
		return;
	if (engine_sub_waits_for(e, idx) == NULL) {
		soak_ask(r, engine, idx);
	} else if (unit_random(&soak.random) % 8 == 0) {
		engine_sub_cancel(e, idx);
		soak.waiting[engine][idx] = 0;
		soak.heard++;
	} else if (unit_random(&soak.random) % 4 == 0) {
		(void)engine_sub_release_steps(e, idx, SUB_CUT, &player->cut);
	}
}

/* Before it is answered whoever asks has given up: what iterates does not end while it waits. */
static bool soak_on_query(struct rig *r, const struct rig_query *query)
{
	(void)r;
	(void)query;
	return unit_random(&soak.random) % 4 == 0; /* lost */
}

static void soak_answer(struct rig *r)
{
	struct rig_query q;

	while (rig_query_next(r, &q)) {
		struct engine *e = r->engines[q.engine];
		char text[NAME_TEXT_BYTES_MAX];
		uint32_t idx;

		name_to_text(&q.parsed.qname, text);
		idx = sub_play_find(r, q.engine, text);
		if (idx != POOL_NONE && engine_sub_waits_for(e, idx) != NULL) {
			engine_sub_cancel(e, idx);
			soak.waiting[q.engine][idx] = 0;
			soak.heard++;
		}
		(void)rig_answer_query(r, &q, &plain);
	}
}

static void soak_run(unsigned engine_count, unsigned ring_capacity, bool cached)
{
	struct rig *r = sub_play(engine_count);

	soak = (struct soak){.random = unit_seed()};
	player->on_heard = soak_on_heard;
	sub_play_make_cut(&player->cut, "example");
	r->ring_capacity = ring_capacity;
	r->cache_bytes = cached ? 1 << 20 : 0;
	r->config.cache.max_ttl_s = 1;
	r->on_query = soak_on_query;
	r->config.zones[0].tries = 100; /* until the deadline */
	rig_start(r);
	r->passing = RIG_PASS_AT_POLLS;
	r->ring_delay_ns_max = 2 * NS_PER_MS;
	while (soak.asked < SOAK_ASKS) {
		char text[32];

		snprintf(text, sizeof(text), "n%llu.example",
			 unit_random(&soak.random) % SOAK_NAMES);
		(void)rig_ask(
			r, &(struct rig_question){
				   .name = text,
				   .engine = (unsigned)(unit_random(&soak.random) % engine_count)});
		for (unsigned i = 0; i < 8; i++)
			soak_step(r);
		rig_advance(r, unit_random(&soak.random) % 20 * NS_PER_MS);
		if (unit_random(&soak.random) % 4 == 0)
			soak_answer(r);
	}
	/* Whatever waits hears of it, at its deadline at the latest. */
	r->on_query = NULL;
	soak_answer(r);
	rig_advance(r, 4000 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 0);
	CU_ASSERT(soak.heard >= SOAK_ASKS);
	CU_ASSERT_EQUAL(soak.heard, soak.asked);
	CU_ASSERT(soak.failed > 10 && soak.failed < soak.heard / 2);
	player->on_heard = NULL;
	sub_play_end(r);
}

static void engine_sub__hears_of_each_exactly_once(void)
{
	soak_run(1, 16, false);
	soak_run(3, 16, true);
	soak_run(4, 2, false);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_sub__hears_of_each_exactly_once),
};

UNIT_SUITE(engine_sub_soak, tests)
