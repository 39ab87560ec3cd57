/* Sub-questions: who asks, who is asked, and what becomes of it, on one worker and between several. What asks is played: the
 * linker gives us what the engine would tell whatever iterates (Makefile: UNIT_PLAYED). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_iterate.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define HEARD_MAX 4096
#define LEFT_MAX 512 /* resolutions of an engine */
#define NAME_TEXTS 64

struct heard {
	unsigned engine;
	uint32_t asker_idx;
	struct sub_answer answer; /* response and cut: whether there was one */
	struct zone_cut cut;
	uint16_t record_count;
	struct name qname;
};

static struct player {
	struct rig *r;
	struct budget left[RIG_ENGINES_MAX][LEFT_MAX];
	struct zone_cut cut;  /* every asker's */
	bool saw_cut;         /* the last question begun had one: */
	struct zone_cut seen; /* this */
	unsigned begun;
	unsigned joined;
	struct heard heard[HEARD_MAX];
	unsigned heard_count;
	void (*on_heard)(unsigned engine, uint32_t asker_idx);
} * player;

static unsigned engine_of(const struct engine *e)
{
	for (unsigned i = 0; i < player->r->engine_count; i++)
		if (player->r->engines[i] == e)
			return i;
	CHECK(false);
	return 0;
}

static struct budget *left_of(const struct engine *e, uint32_t idx)
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
	*left_of(e, idx) = q->lent;
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
	raise(&left_of(e, idx)->packets, q->lent.packets);
}

void __real_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out);
void __wrap_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out);
void __wrap_engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out)
{
	if (player == NULL)
		__real_engine_iterate_left(e, idx, out);
	else
		*out = *left_of(e, idx);
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

static struct rig *play(unsigned engine_count)
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
static void end(struct rig *r)
{
	for (unsigned i = 0; i < r->engine_count; i++)
		for (uint32_t idx = 0; idx < r->engines[i]->resolutions.free.fresh; idx++)
			engine_sub_cancel(r->engines[i], idx);
	rig_finish(r);
	free(player);
	player = NULL;
}

/* The nth name that this engine owns. */
static const char *name_of(const struct rig *r, unsigned engine, unsigned n)
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

static uint32_t find(const struct rig *r, unsigned engine, const char *text)
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
static uint32_t asker(struct rig *r, unsigned engine, const char *text)
{
	uint32_t idx;

	rig_ask(r, &(struct rig_question){.name = text, .engine = engine});
	rig_poll(r);
	idx = find(r, engine, text);
	CU_ASSERT_FATAL(idx != POOL_NONE);
	*left_of(r->engines[engine], idx) = budget_whole();
	return idx;
}

static struct sub_question question(const struct rig *r, enum sub_purpose purpose, const char *text)
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

static void ask(struct rig *r, unsigned engine, uint32_t idx, enum sub_purpose purpose,
		const char *text)
{
	struct sub_question q = question(r, purpose, text);

	engine_sub_ask(r->engines[engine], idx, &q);
	CU_ASSERT(engine_sub_waits_for(r->engines[engine], idx) != NULL);
	rig_check(r);
}

/* The query for this name; those before it are forgotten. */
static bool query_for(struct rig *r, const char *text, struct rig_query *out)
{
	struct name qname;

	CHECK(name_from_text(text, &qname));
	while (rig_query_next(r, out))
		if (name_equal(&out->parsed.qname, &qname))
			return true;
	return false;
}

static void answer(struct rig *r, const char *text, const struct rig_reply *reply)
{
	struct rig_query q;

	CU_ASSERT_FATAL(query_for(r, text, &q));
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, reply), COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
}

/* What was heard last; there was one more than before. */
static const struct heard *heard(unsigned count)
{
	CU_ASSERT_EQUAL_FATAL(player->heard_count, count);
	return &player->heard[count - 1];
}

static const struct rig_reply plain;

/* ---- asked and answered ---- */

static void expect_answer(const struct heard *h, unsigned engine, uint32_t idx, const char *text)
{
	struct name qname;

	CHECK(name_from_text(text, &qname));
	CU_ASSERT_EQUAL(h->engine, engine);
	CU_ASSERT_EQUAL(h->asker_idx, idx);
	CU_ASSERT_EQUAL(h->answer.verdict, SUB_ANSWER);
	CU_ASSERT_EQUAL(h->answer.rcode, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(h->record_count, 1);
	CU_ASSERT(name_equal(&h->qname, &qname));
}

static void engine_sub__is_asked_and_answered(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		for (unsigned polls = 0; polls < 2; polls++) {
			struct rig *r = play(2);
			const char *text;
			uint32_t idx;

			rig_start(r);
			r->passing = polls ? RIG_PASS_AT_POLLS : RIG_PASS_AT_ONCE;
			text = name_of(r, owner, 5);
			idx = asker(r, 0, name_of(r, 0, 0));
			ask(r, 0, idx, SUB_LINK, text);
			CU_ASSERT_EQUAL(player->begun, 0); /* nothing within the call */
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 1);
			rig_poll(r);
			CU_ASSERT_EQUAL(player->begun, 1);
			CU_ASSERT_EQUAL(player->heard_count, 0);
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waited_for, 1);
			answer(r, text, &plain);
			expect_answer(heard(1), 0, idx, text);
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 0);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_PASSED), owner == 0 ? 0 : 2);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_ANSWER), owner);
			/* The asker goes on, and may ask again. */
			ask(r, 0, idx, SUB_ADDRESS, name_of(r, owner, 6));
			rig_poll(r);
			answer(r, name_of(r, owner, 6),
			       &(struct rig_reply){.rcode = DNS_RCODE_NXDOMAIN,
						   .no_records = true});
			CU_ASSERT_EQUAL(heard(2)->answer.verdict, SUB_ANSWER);
			CU_ASSERT_EQUAL(heard(2)->answer.rcode, DNS_RCODE_NXDOMAIN);
			end(r);
		}
	}
}

/* One query, whoever waits, and whoever was first. */
static void engine_sub__shares_the_question_with_all_who_wait(void)
{
	for (unsigned client_first = 0; client_first < 2; client_first++) {
		struct rig *r = play(2);
		const char *text;
		struct rig_question client;
		uint64_t answers;
		uint32_t idx[2];

		rig_start(r);
		text = name_of(r, 1, 9);
		client = (struct rig_question){.name = text, .engine = 1, .client = 7};
		idx[0] = asker(r, 0, name_of(r, 0, 0));
		idx[1] = asker(r, 1, name_of(r, 1, 0));
		if (client_first)
			(void)asker(r, 1, text);
		ask(r, 0, idx[0], SUB_LINK, text);
		ask(r, 1, idx[1], SUB_ADDRESS, text);
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_ask(r, &client), COUNTER_COALESCED);
		CU_ASSERT_EQUAL(rig_query_count(r), 3);
		CU_ASSERT_EQUAL(player->begun, !client_first);
		answers = r->answers_sent;
		answer(r, text, &plain);
		CU_ASSERT_EQUAL(player->heard_count, 2);
		CU_ASSERT_EQUAL(r->answers_sent - answers, 1u + client_first);
		CU_ASSERT_EQUAL(player->heard[0].answer.verdict, SUB_ANSWER);
		CU_ASSERT_EQUAL(player->heard[1].answer.verdict, SUB_ANSWER);
		end(r);
	}
}

/* Both by the owner, at once, and by whoever asks, before anything is passed. */
static void engine_sub__is_answered_out_of_the_cache(void)
{
	static const struct {
		struct rig_reply reply;
		enum sub_verdict step, link;
	} rows[] = {
		{{0}, SUB_NO_CUT, SUB_ANSWER},
		{{.rcode = DNS_RCODE_SERVFAIL, .no_records = true}, SUB_FAILED, SUB_FAILED},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		for (unsigned owner = 0; owner < 2; owner++) {
			struct rig *r = play(2);
			const char *text;
			uint32_t idx;
			unsigned begun;

			r->cache_bytes = 1 << 20;
			rig_start(r);
			text = name_of(r, owner, 5);
			(void)asker(r, owner, text);
			for (struct rig_query q; query_for(r, text, &q); rig_poll(r))
				(void)rig_answer_query(r, &q, &rows[i].reply);
			CU_ASSERT_EQUAL(find(r, owner, text), POOL_NONE);
			idx = asker(r, 0, name_of(r, 0, 0));
			begun = player->begun;
			ask(r, 0, idx, SUB_STEP, text);
			rig_poll(r);
			CU_ASSERT_EQUAL(heard(1)->answer.verdict, rows[i].step);
			ask(r, 0, idx, SUB_LINK, text);
			rig_poll(r);
			CU_ASSERT_EQUAL(heard(2)->answer.verdict, rows[i].link);
			CU_ASSERT_EQUAL(player->begun, begun);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_PASSED), 0);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_CACHED), 2);
			end(r);
		}
	}
}

#define LONG_RECORDS 125 /* some 2,000 bytes */

/* The server says so over TCP. */
static void answer_long(struct rig *r, const char *text)
{
	static const struct rig_reply truncated = {.flags_on = DNS_FLAG_TC, .no_records = true};
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2};
	uint8_t message[4096];
	struct rig_query q;
	size_t at;

	answer(r, text, &truncated);
	CU_ASSERT_FATAL(rig_stream_query_next(r, &q));
	at = q.parsed.question_end;
	memcpy(message, q.message, at);
	memcpy(message + 2, (const uint8_t[]){0x81, 0x80, 0, 1, 0, LONG_RECORDS, 0, 0, 0, 0}, 10);
	for (unsigned i = 0; i < LONG_RECORDS; i++) {
		memcpy(message + at, record, sizeof(record));
		at += sizeof(record);
		message[at++] = (uint8_t)i;
	}
	CU_ASSERT_EQUAL(rig_stream_reply_bytes(r, &q, message, at), COUNTER_UPSTREAM_TCP_RESPONSE);
	rig_poll(r);
}

/* What no message holds is fetched from the cache; where there is none it fails, by our own fault. */
static void engine_sub__fetches_a_long_answer_from_the_cache(void)
{
	for (unsigned cached = 0; cached < 2; cached++) {
		struct rig *r = play(2);
		uint32_t idx;

		r->cache_bytes = cached ? 1 << 20 : 0;
		r->config.tcp_interfaces = 1;
		rig_start(r);
		idx = asker(r, 0, name_of(r, 0, 0));
		ask(r, 0, idx, SUB_LINK, name_of(r, 1, 5));
		rig_poll(r);
		answer_long(r, name_of(r, 1, 5));
		if (cached) {
			CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_ANSWER);
			CU_ASSERT_EQUAL(heard(1)->record_count, LONG_RECORDS);
		} else {
			CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_FAILED);
			CU_ASSERT(heard(1)->answer.is_ours);
		}
		end(r);
	}
}

/* ---- steps ---- */

/* As long as a cut can be. */
static void make_cut(struct zone_cut *cut, const char *zone)
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

static bool cut_is(const struct zone_cut *a, const struct zone_cut *b)
{
	return name_equal_exact(&a->zone, &b->zone) && a->expires_at_s == b->expires_at_s &&
	       a->flags == b->flags && a->server_count == b->server_count &&
	       a->address_count == b->address_count &&
	       endpoint_equal(&a->addresses[25].endpoint, &b->addresses[25].endpoint);
}

static void engine_sub__tells_who_asks_for_a_step_of_the_cut(void)
{
	struct rig *r = play(2);
	struct zone_cut cut;
	const char *text;
	uint32_t idx[3], asked;

	rig_start(r);
	text = name_of(r, 1, 5);
	make_cut(&cut, text);
	idx[0] = asker(r, 0, name_of(r, 0, 0));
	idx[1] = asker(r, 1, name_of(r, 1, 0));
	idx[2] = asker(r, 1, name_of(r, 1, 1));
	ask(r, 0, idx[0], SUB_STEP, text);
	ask(r, 1, idx[1], SUB_STEP, text);
	ask(r, 1, idx[2], SUB_LINK, text);
	rig_poll(r);
	asked = find(r, 1, text);
	CU_ASSERT_FATAL(asked != POOL_NONE);
	/* Somebody else waits for the whole of it. */
	CU_ASSERT(engine_sub_release_steps(r->engines[1], asked, SUB_CUT, &cut));
	rig_check(r);
	CU_ASSERT_EQUAL(player->heard_count, 0); /* never within another one's step */
	rig_poll(r);
	CU_ASSERT_EQUAL_FATAL(player->heard_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(player->heard[i].answer.verdict, SUB_CUT);
		CU_ASSERT(cut_is(&player->heard[i].cut, &cut));
	}
	CU_ASSERT_EQUAL(rig_gauges(r).answer_buffers_used, 0);
	answer(r, text, &plain);
	expect_answer(heard(3), 1, idx[2], text);
	/* Nobody else, and one that comes when it has ended. */
	ask(r, 0, idx[0], SUB_STEP, name_of(r, 1, 6));
	rig_poll(r);
	asked = find(r, 1, name_of(r, 1, 6));
	CU_ASSERT(!engine_sub_release_steps(r->engines[1], asked, SUB_NO_CUT, NULL));
	rig_poll(r);
	CU_ASSERT_EQUAL(heard(4)->answer.verdict, SUB_NO_CUT);
	ask(r, 0, idx[0], SUB_STEP, name_of(r, 1, 7));
	rig_poll(r);
	answer(r, name_of(r, 1, 7),
	       &(struct rig_reply){.rcode = DNS_RCODE_NXDOMAIN, .no_records = true});
	CU_ASSERT_EQUAL(heard(5)->answer.verdict, SUB_NXDOMAIN);
	end(r);
}

/* Without a buffer for the cut it fails by our own fault. */
static void engine_sub__fails_a_step_where_no_buffer_is(void)
{
	struct rig *r = play(1);
	struct zone_cut cut;
	uint32_t idx;

	r->params.answer_buffer_count = 0;
	rig_start(r);
	make_cut(&cut, "n5.example");
	idx = asker(r, 0, "n0.example");
	ask(r, 0, idx, SUB_STEP, "n5.example");
	rig_poll(r);
	CU_ASSERT(
		!engine_sub_release_steps(r->engines[0], find(r, 0, "n5.example"), SUB_CUT, &cut));
	rig_poll(r);
	CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_FAILED);
	CU_ASSERT(heard(1)->answer.is_ours);
	end(r);
}

static void engine_sub__takes_the_askers_cut_along(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = play(2);
		struct sub_question q;
		uint32_t idx;

		rig_start(r);
		make_cut(&player->cut, "example");
		idx = asker(r, 0, name_of(r, 0, 0));
		q = question(r, SUB_STEP, name_of(r, owner, 5));
		q.cut = &player->cut;
		engine_sub_ask(r->engines[0], idx, &q);
		rig_poll(r);
		CU_ASSERT(player->saw_cut);
		CU_ASSERT(cut_is(&player->seen, &player->cut));
		end(r);
	}
}

/* ---- loops ---- */

static void engine_sub__refuses_to_wait_for_itself(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = play(2);
		const char *texts[3];
		uint32_t idx[3];

		rig_start(r);
		texts[0] = name_of(r, 0, 0);
		texts[1] = name_of(r, owner, 5);
		texts[2] = name_of(r, 0, 6);
		idx[0] = asker(r, 0, texts[0]);
		/* its own question */
		ask(r, 0, idx[0], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(heard(1)->answer.is_loop);
		CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_FAILED);
		/* 0 waits for 1, 1 for 2, and 2 would for 0 */
		ask(r, 0, idx[0], SUB_LINK, texts[1]);
		rig_poll(r);
		idx[1] = find(r, owner, texts[1]);
		ask(r, owner, idx[1], SUB_LINK, texts[2]);
		rig_poll(r);
		idx[2] = find(r, 0, texts[2]);
		ask(r, 0, idx[2], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(heard(2)->answer.is_loop);
		CU_ASSERT_EQUAL(heard(2)->asker_idx, idx[2]);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_LOOPS), 2);
		end(r);
	}
}

/* Neither was begun for the other. */
static void engine_sub__refuses_one_that_waits_for_the_asker(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = play(2);
		const char *texts[2];
		uint32_t idx[2];

		rig_start(r);
		texts[0] = name_of(r, 0, 0);
		texts[1] = name_of(r, owner, 5);
		idx[0] = asker(r, 0, texts[0]);
		idx[1] = asker(r, owner, texts[1]);
		ask(r, 0, idx[0], SUB_LINK, texts[1]);
		rig_poll(r);
		ask(r, owner, idx[1], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(heard(1)->answer.is_loop);
		CU_ASSERT_EQUAL(heard(1)->asker_idx, idx[1]);
		end(r);
	}
}

/* ---- budgets ---- */

static void engine_sub__returns_what_was_not_spent(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = play(2);
		struct sub_question q;
		const char *text;
		uint32_t idx[3], asked;

		rig_start(r);
		text = name_of(r, owner, 5);
		for (unsigned i = 0; i < 3; i++)
			idx[i] = asker(r, 0, name_of(r, 0, i));
		q = question(r, SUB_LINK, text);
		q.lent.packets = 10;
		q.lent.links = 3;
		engine_sub_ask(r->engines[0], idx[0], &q);
		rig_poll(r);
		asked = find(r, owner, text);
		left_of(r->engines[owner], asked)->packets -= 8;
		left_of(r->engines[owner], asked)->bytes -= 1000;
		/* This one brings more: it pays from here on; that one brings less, and pays nothing. */
		q.lent.packets = 20;
		engine_sub_ask(r->engines[0], idx[1], &q);
		rig_poll(r);
		q.lent.packets = 4;
		engine_sub_ask(r->engines[0], idx[2], &q);
		rig_poll(r);
		CU_ASSERT_EQUAL(left_of(r->engines[owner], asked)->packets, 20);
		left_of(r->engines[owner], asked)->packets -= 1;
		answer(r, text, &plain);
		CU_ASSERT_EQUAL_FATAL(player->heard_count, 3);
		for (unsigned i = 0; i < 3; i++) {
			static const uint8_t packets[3] = {1, 19, 4};
			const struct heard *h = &player->heard[i];
			unsigned which = h->asker_idx == idx[0]   ? 0
					 : h->asker_idx == idx[1] ? 1
								  : 2;

			CU_ASSERT_EQUAL(h->answer.left.packets, packets[which]);
			CU_ASSERT_EQUAL(h->answer.left.bytes,
					UPSTREAM_BYTES_MAX - (which == 0 ? 1000u : 0u));
			CU_ASSERT_EQUAL(h->answer.left.links, 3);
		}
		end(r);
	}
}

/* ---- what goes wrong ---- */

static void engine_sub__fails_at_its_deadline(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = play(2);
		struct sub_question q;
		uint32_t idx;
		mono_ns begun;

		rig_start(r);
		idx = asker(r, 0, name_of(r, 0, 0));
		q = question(r, SUB_LINK, name_of(r, owner, 5));
		begun = r->now;
		q.deadline_at = begun + 1000 * NS_PER_MS;
		/* Nobody answers, nor does its owner run. */
		if (owner == 1)
			rig_stop_engine(r, 1);
		engine_sub_ask(r->engines[0], idx, &q);
		rig_poll(r);
		rig_advance(r, 990 * NS_PER_MS);
		CU_ASSERT_EQUAL(player->heard_count, 0);
		rig_advance(r, 20 * NS_PER_MS);
		CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_FAILED);
		CU_ASSERT(heard(1)->answer.is_ours);
		rig_go_engine(r, 1);
		end(r);
	}
}

/* Its owner hears of it later, and what it then says finds nobody. */
static void engine_sub__drops_what_comes_for_a_wait_that_is_over(void)
{
	struct rig *r = play(2);
	const char *text;
	uint32_t idx;

	rig_start(r);
	text = name_of(r, 1, 5);
	idx = asker(r, 0, name_of(r, 0, 0));
	ask(r, 0, idx, SUB_LINK, text);
	rig_poll(r);
	engine_sub_cancel(r->engines[0], idx);
	/* The next wait is another one. */
	ask(r, 0, idx, SUB_LINK, name_of(r, 1, 6));
	rig_poll(r);
	answer(r, text, &plain);
	CU_ASSERT_EQUAL(player->heard_count, 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_ANSWER_LATE), 1);
	rig_forget(r);
	/* Cancelled in each of the queues. */
	engine_sub_cancel(r->engines[0], idx);
	ask(r, 0, idx, SUB_LINK, name_of(r, 1, 7));
	engine_sub_cancel(r->engines[0], idx);
	CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 0);
	ask(r, 0, idx, SUB_LINK, name_of(r, 1, 8));
	CU_ASSERT_EQUAL(engine_tx_wanted(r->engines[0], 1, r->now), 1);
	engine_sub_cancel(r->engines[0], idx);
	rig_check(r);
	rig_poll(r);
	CU_ASSERT_EQUAL(find(r, 1, name_of(r, 1, 8)), POOL_NONE);
	end(r);
}

static void engine_sub__fails_where_there_is_no_place(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		for (unsigned waiters = 0; waiters < 2; waiters++) {
			struct rig *r = play(2);
			uint32_t idx;
			unsigned taken = 1;

			if (waiters)
				r->params.waiter_count_max = 3;
			else
				r->params.under_way_max = 3;
			rig_start(r);
			idx = asker(r, 0, name_of(r, 0, 0));
			if (owner == 1)
				taken = 0;
			for (; taken < 3; taken++)
				(void)asker(r, owner, name_of(r, owner, 10 + taken));
			ask(r, 0, idx, SUB_LINK, name_of(r, owner, 5));
			rig_poll(r);
			CU_ASSERT_EQUAL(heard(1)->answer.verdict, SUB_FAILED);
			CU_ASSERT(heard(1)->answer.is_ours);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_FULL), 1);
			end(r);
		}
	}
}

/* A full ring loses questions, or answers: they are passed again. */
static void engine_sub__passes_again_what_was_lost(void)
{
	for (unsigned answers = 0; answers < 2; answers++) {
		struct rig *r = play(2);
		unsigned kind = answers ? RIG_RING_SUB_ANSWERS : RIG_RING_SUB_QUESTIONS;
		uint32_t idx[4];

		r->cache_bytes = 1 << 20;
		r->ring_capacity = 2;
		rig_start(r);
		r->passing = RIG_PASS_AT_POLLS;
		for (unsigned i = 0; i < 4; i++)
			idx[i] = asker(r, 0, name_of(r, 0, i));
		if (!answers)
			rig_stop_engine(r, 1);
		for (unsigned i = 0; i < 4; i++) {
			ask(r, 0, idx[i], SUB_LINK, name_of(r, 1, 5 + i));
			if (answers)
				rig_poll(r);
		}
		if (answers)
			rig_stop_engine(r, 0);
		rig_poll(r);
		for (unsigned i = 0; i < 4 && answers; i++)
			answer(r, name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(r->ring_drops[kind], 2);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_LOST), 2);
		rig_go_engine(r, answers ? 0 : 1);
		rig_poll(r);
		for (unsigned i = 0; i < 2 && !answers; i++)
			answer(r, name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(player->heard_count, 2);
		rig_forget(r);
		rig_advance(r, 500 * NS_PER_MS);
		for (unsigned i = 2; i < 4 && !answers; i++)
			answer(r, name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(player->heard_count, 4);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_RESENT), 2);
		for (unsigned i = 0; i < player->heard_count; i++)
			CU_ASSERT_EQUAL(player->heard[i].answer.verdict, SUB_ANSWER);
		end(r);
	}
}

/* ---- the root's servers, for the cache's sake ---- */

static void engine_sub__primes_for_nobody(void)
{
	for (unsigned engine = 0; engine < 2; engine++) {
		struct rig *r = play(2);
		unsigned owner;
		uint32_t idx;
		struct sub_question q;

		rig_start(r);
		owner = rig_owner(r, ".", DNS_TYPE_NS);
		idx = asker(r, engine, name_of(r, engine, 0));
		q = question(r, SUB_PRIME, ".");
		q.qtype = DNS_TYPE_NS;
		engine_sub_ask(r->engines[engine], idx, &q);
		engine_sub_ask(r->engines[engine], idx, &q);
		ask(r, engine, idx, SUB_LINK, name_of(r, engine, 5)); /* meanwhile */
		rig_poll(r);
		CU_ASSERT(find(r, owner, ".") != POOL_NONE);
		engine_sub_ask(r->engines[engine], idx, &q);
		rig_poll(r);
		CU_ASSERT_EQUAL(player->begun, 2);
		answer(r, ".", &(struct rig_reply){.no_records = true});
		CU_ASSERT_EQUAL(find(r, owner, "."), POOL_NONE);
		CU_ASSERT_EQUAL(player->heard_count, 0);
		end(r);
	}
}

/* ---- at random ---- */

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
	q = question(r, purposes[unit_random(&soak.random) % ARRAY_COUNT(purposes)], text);
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
		idx = find(r, q.engine, text);
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
	struct rig *r = play(engine_count);

	soak = (struct soak){.random = unit_seed()};
	player->on_heard = soak_on_heard;
	make_cut(&player->cut, "example");
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
	end(r);
}

static void engine_sub__hears_of_each_exactly_once(void)
{
	soak_run(1, 16, false);
	soak_run(3, 16, true);
	soak_run(4, 2, false);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_sub__is_asked_and_answered),
	UNIT_TEST(engine_sub__shares_the_question_with_all_who_wait),
	UNIT_TEST(engine_sub__is_answered_out_of_the_cache),
	UNIT_TEST(engine_sub__fetches_a_long_answer_from_the_cache),
	UNIT_TEST(engine_sub__tells_who_asks_for_a_step_of_the_cut),
	UNIT_TEST(engine_sub__fails_a_step_where_no_buffer_is),
	UNIT_TEST(engine_sub__takes_the_askers_cut_along),
	UNIT_TEST(engine_sub__refuses_to_wait_for_itself),
	UNIT_TEST(engine_sub__refuses_one_that_waits_for_the_asker),
	UNIT_TEST(engine_sub__returns_what_was_not_spent),
	UNIT_TEST(engine_sub__fails_at_its_deadline),
	UNIT_TEST(engine_sub__drops_what_comes_for_a_wait_that_is_over),
	UNIT_TEST(engine_sub__fails_where_there_is_no_place),
	UNIT_TEST(engine_sub__passes_again_what_was_lost),
	UNIT_TEST(engine_sub__primes_for_nobody),
	UNIT_TEST(engine_sub__hears_of_each_exactly_once),
};

UNIT_SUITE(engine_sub, tests)
