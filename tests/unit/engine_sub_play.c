/* Whoever iterates, played. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "engine_sub_play.h"
#include "unit.h"

#define NAME_TEXTS 64

struct player *player;

static unsigned engine_of(const struct engine *e)
{
	for (unsigned i = 0; i < player->r->engine_count; i++)
		if (player->r->engines[i] == e)
			return i;
	CHECK(false);
	return 0;
}

struct budget *sub_play_left(const struct engine *e, uint32_t idx)
{
	CHECK(idx < LEFT_MAX);
	return &player->left[engine_of(e)][idx];
}

static void raise(uint8_t *left, uint8_t to)
{
	if (*left < to)
		*left = to;
}

void __real_engine_iterate_begin(struct engine *e, uint32_t idx, const struct sub_question *q);
void __wrap_engine_iterate_begin(struct engine *e, uint32_t idx, const struct sub_question *q);
void __wrap_engine_iterate_begin(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	struct resolution_env env;

	if (player == NULL) {
		__real_engine_iterate_begin(e, idx, q);
		return;
	}
	player->begun++;
	*sub_play_left(e, idx) = q->lent;
	player->saw_cut = q->cut != NULL;
	if (q->cut != NULL)
		player->seen = *q->cut;
	env = engine_env(e);
	engine_step(e, idx, resolution_on_start(&e->resolutions, idx, &env), NULL);
}

void __real_engine_iterate_join(struct engine *e, uint32_t idx, const struct sub_question *q);
void __wrap_engine_iterate_join(struct engine *e, uint32_t idx, const struct sub_question *q);
void __wrap_engine_iterate_join(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	if (player == NULL) {
		__real_engine_iterate_join(e, idx, q);
		return;
	}
	player->joined++;
	raise(&sub_play_left(e, idx)->packets, q != NULL ? q->lent.packets : UPSTREAM_PACKETS_MAX);
}

void __real_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out);
void __wrap_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out);
void __wrap_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out)
{
	if (player == NULL)
		__real_engine_iterate_left(e, idx, out);
	else
		*out = *sub_play_left(e, idx);
}

const struct zone_cut *__real_engine_iterate_cut(const struct engine *e, uint32_t idx);
const struct zone_cut *__wrap_engine_iterate_cut(const struct engine *e, uint32_t idx);
const struct zone_cut *__wrap_engine_iterate_cut(const struct engine *e, uint32_t idx)
{
	return player == NULL ? __real_engine_iterate_cut(e, idx) : &player->cut;
}

void __real_engine_iterate_on_sub(struct engine *e, uint32_t idx, const struct sub_answer *a);
void __wrap_engine_iterate_on_sub(struct engine *e, uint32_t idx, const struct sub_answer *a);
void __wrap_engine_iterate_on_sub(struct engine *e, uint32_t idx, const struct sub_answer *a)
{
	struct heard *h;

	if (player == NULL) {
		__real_engine_iterate_on_sub(e, idx, a);
		return;
	}
	CHECK(player->heard_count < HEARD_MAX);
	h = &player->heard[player->heard_count++];
	h->engine = engine_of(e);
	h->asker_idx = idx;
	h->answer = *a;
	/* What is there is what the verdict says. */
	CU_ASSERT((a->cut != NULL) == (a->verdict == SUB_CUT));
	CU_ASSERT((a->response != NULL) == (a->verdict == SUB_ANSWER));
	CU_ASSERT(engine_sub_waits_for(e, idx) == NULL);
	if (a->cut != NULL)
		h->cut = *a->cut;
	if (a->response != NULL) {
		h->record_count = a->response->answer_count;
		name_lower(&a->response->qname, &h->qname);
	}
	if (player->on_heard != NULL)
		player->on_heard(h->engine, idx);
}

/* ---- a play ---- */

struct rig *sub_play(unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);

	player = calloc(1, sizeof(*player));
	CHECK(player != NULL);
	player->r = r;
	zone_cut_init(&player->cut, &(struct name){1, {0}}, 0, 1000);
	r->params.under_way_max = LEFT_MAX;
	return r;
}

/* Who asks is a forwarded question, and may have its answer while it waits: what iterates has not. */
void sub_play_end(struct rig *r)
{
	for (unsigned i = 0; i < r->engine_count; i++)
		for (uint32_t idx = 0; idx < r->engines[i]->resolutions.free.fresh; idx++)
			engine_sub_cancel(r->engines[i], idx);
	rig_finish(r);
	free(player);
	player = NULL;
}

/* The nth name that this engine owns. */
const char *sub_play_name_of(const struct rig *r, unsigned engine, unsigned n)
{
	static char texts[NAME_TEXTS][32];
	static unsigned next;
	char *text = texts[next++ % NAME_TEXTS];

	for (unsigned i = 0;; i++) {
		snprintf(text, sizeof(texts[0]), "n%u.example", i);
		if (rig_owner(r, text, DNS_TYPE_A) == engine && n-- == 0)
			return text;
	}
}

uint32_t sub_play_find(const struct rig *r, unsigned engine, const char *text)
{
	const struct engine *e = r->engines[engine];
	struct name qname;

	CHECK(name_from_text(text, &qname));
	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++)
		if (e->resolutions.resolutions[i].state != RESOLUTION_FREE &&
		    name_equal(&e->resolutions.resolutions[i].key.qname, &qname))
			return i;
	return POOL_NONE;
}

/* A client's question, under way at the engine that owns it: whoever asks others. */
uint32_t sub_play_asker(struct rig *r, unsigned engine, const char *text)
{
	uint32_t idx;

	rig_ask(r, &(struct rig_question){.name = text, .engine = engine});
	rig_poll(r);
	idx = sub_play_find(r, engine, text);
	CU_ASSERT_FATAL(idx != POOL_NONE);
	*sub_play_left(r->engines[engine], idx) = budget_whole();
	return idx;
}

struct sub_question sub_play_question(const struct rig *r, enum sub_purpose purpose,
				      const char *text)
{
	struct sub_question q = {
		.purpose = purpose,
		.qtype = DNS_TYPE_A,
		.deadline_at = r->now + 2000 * NS_PER_MS,
		.lent = budget_whole(),
	};

	CHECK(name_from_text(text, &q.qname));
	return q;
}

void sub_play_ask(struct rig *r, unsigned engine, uint32_t idx, enum sub_purpose purpose,
		  const char *text)
{
	struct sub_question q = sub_play_question(r, purpose, text);

	engine_sub_ask(r->engines[engine], idx, &q);
	CU_ASSERT(engine_sub_waits_for(r->engines[engine], idx) != NULL);
	rig_check(r);
}

/* The query for this name; those before it are forgotten. */
bool sub_play_query_for(struct rig *r, const char *text, struct rig_query *out)
{
	struct name qname;

	CHECK(name_from_text(text, &qname));
	while (rig_query_next(r, out))
		if (name_equal(&out->parsed.qname, &qname))
			return true;
	return false;
}

void sub_play_answer(struct rig *r, const char *text, const struct rig_reply *reply)
{
	struct rig_query q;

	CU_ASSERT_FATAL(sub_play_query_for(r, text, &q));
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, reply), COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
}

/* What was heard last; there was one more than before. */
const struct heard *sub_play_heard(unsigned count)
{
	CU_ASSERT_EQUAL_FATAL(player->heard_count, count);
	return &player->heard[count - 1];
}

/* As long as a cut can be. */
void sub_play_make_cut(struct zone_cut *cut, const char *zone)
{
	struct name name;
	char text[96];

	CHECK(name_from_text(zone, &name));
	zone_cut_init(cut, &name, ZONE_CUT_HAS_DS, 12345);
	for (unsigned i = 0; i < ZONE_CUT_SERVERS_MAX; i++) {
		snprintf(text, sizeof(text), "ns%02u.%055u.example.net", i, i);
		CHECK(name_from_text(text, &name));
		CHECK(zone_cut_add_server(cut, &name));
		for (unsigned a = 0; a < 2; a++) {
			struct endpoint endpoint = {rig_address("2001:2::"), 53};

			endpoint.address.bytes[14] = (uint8_t)a;
			endpoint.address.bytes[15] = (uint8_t)(i + 1);
			CHECK(zone_cut_add_address(cut, &endpoint, i));
		}
	}
}

bool sub_play_cut_is(const struct zone_cut *a, const struct zone_cut *b)
{
	return name_equal_exact(&a->zone, &b->zone) && a->expires_at_s == b->expires_at_s &&
	       a->flags == b->flags && a->server_count == b->server_count &&
	       a->address_count == b->address_count &&
	       endpoint_equal(&a->addresses[25].endpoint, &b->addresses[25].endpoint);
}
