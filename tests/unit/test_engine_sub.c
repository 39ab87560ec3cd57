/* Sub-questions: who asks, who is asked, and what becomes of it, on one worker and between several. */
#include <string.h>

#include "core/limits.h"
#include "engine_sub_play.h"
#include "unit.h"

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
			struct rig *r = sub_play(2);
			const char *text;
			uint32_t idx;

			rig_start(r);
			r->passing = polls ? RIG_PASS_AT_POLLS : RIG_PASS_AT_ONCE;
			text = sub_play_name_of(r, owner, 5);
			idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
			sub_play_ask(r, 0, idx, SUB_LINK, text);
			CU_ASSERT_EQUAL(player->begun, 0); /* nothing within the call */
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 1);
			rig_poll(r);
			CU_ASSERT_EQUAL(player->begun, 1);
			CU_ASSERT_EQUAL(player->heard_count, 0);
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waited_for, 1);
			sub_play_answer(r, text, &plain);
			expect_answer(sub_play_heard(1), 0, idx, text);
			CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 0);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_PASSED), owner == 0 ? 0 : 2);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_ANSWER), owner);
			/* The asker goes on, and may ask again. */
			sub_play_ask(r, 0, idx, SUB_ADDRESS, sub_play_name_of(r, owner, 6));
			rig_poll(r);
			sub_play_answer(r, sub_play_name_of(r, owner, 6),
					&(struct rig_reply){.rcode = DNS_RCODE_NXDOMAIN,
							    .no_records = true});
			CU_ASSERT_EQUAL(sub_play_heard(2)->answer.verdict, SUB_ANSWER);
			CU_ASSERT_EQUAL(sub_play_heard(2)->answer.rcode, DNS_RCODE_NXDOMAIN);
			sub_play_end(r);
		}
	}
}

/* One query, whoever waits, and whoever was first. */
static void engine_sub__shares_the_question_with_all_who_wait(void)
{
	for (unsigned client_first = 0; client_first < 2; client_first++) {
		struct rig *r = sub_play(2);
		const char *text;
		struct rig_question client;
		uint64_t answers;
		uint32_t idx[2];

		rig_start(r);
		text = sub_play_name_of(r, 1, 9);
		client = (struct rig_question){.name = text, .engine = 1, .client = 7};
		idx[0] = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
		idx[1] = sub_play_asker(r, 1, sub_play_name_of(r, 1, 0));
		if (client_first)
			(void)sub_play_asker(r, 1, text);
		sub_play_ask(r, 0, idx[0], SUB_LINK, text);
		sub_play_ask(r, 1, idx[1], SUB_ADDRESS, text);
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_ask(r, &client), COUNTER_COALESCED);
		CU_ASSERT_EQUAL(rig_query_count(r), 3);
		CU_ASSERT_EQUAL(player->begun, !client_first);
		answers = r->answers_sent;
		sub_play_answer(r, text, &plain);
		CU_ASSERT_EQUAL(player->heard_count, 2);
		CU_ASSERT_EQUAL(r->answers_sent - answers, 1u + client_first);
		CU_ASSERT_EQUAL(player->heard[0].answer.verdict, SUB_ANSWER);
		CU_ASSERT_EQUAL(player->heard[1].answer.verdict, SUB_ANSWER);
		sub_play_end(r);
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
			struct rig *r = sub_play(2);
			const char *text;
			uint32_t idx;
			unsigned begun;

			r->cache_bytes = 1 << 20;
			rig_start(r);
			text = sub_play_name_of(r, owner, 5);
			(void)sub_play_asker(r, owner, text);
			for (struct rig_query q; sub_play_query_for(r, text, &q); rig_poll(r))
				(void)rig_answer_query(r, &q, &rows[i].reply);
			CU_ASSERT_EQUAL(sub_play_find(r, owner, text), POOL_NONE);
			idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
			begun = player->begun;
			sub_play_ask(r, 0, idx, SUB_STEP, text);
			rig_poll(r);
			CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, rows[i].step);
			sub_play_ask(r, 0, idx, SUB_LINK, text);
			rig_poll(r);
			CU_ASSERT_EQUAL(sub_play_heard(2)->answer.verdict, rows[i].link);
			CU_ASSERT_EQUAL(player->begun, begun);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_PASSED), 0);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_CACHED), 2);
			sub_play_end(r);
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

	sub_play_answer(r, text, &truncated);
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
		struct rig *r = sub_play(2);
		uint32_t idx;

		r->cache_bytes = cached ? 1 << 20 : 0;
		r->config.tcp_interfaces = 1;
		rig_start(r);
		idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
		sub_play_ask(r, 0, idx, SUB_LINK, sub_play_name_of(r, 1, 5));
		rig_poll(r);
		answer_long(r, sub_play_name_of(r, 1, 5));
		if (cached) {
			CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_ANSWER);
			CU_ASSERT_EQUAL(sub_play_heard(1)->record_count, LONG_RECORDS);
		} else {
			CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_FAILED);
			CU_ASSERT(sub_play_heard(1)->answer.is_ours);
		}
		sub_play_end(r);
	}
}

/* ---- steps ---- */

static void engine_sub__tells_who_asks_for_a_step_of_the_cut(void)
{
	struct rig *r = sub_play(2);
	struct zone_cut cut;
	const char *text;
	uint32_t idx[3], asked;

	rig_start(r);
	text = sub_play_name_of(r, 1, 5);
	sub_play_make_cut(&cut, text);
	idx[0] = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
	idx[1] = sub_play_asker(r, 1, sub_play_name_of(r, 1, 0));
	idx[2] = sub_play_asker(r, 1, sub_play_name_of(r, 1, 1));
	sub_play_ask(r, 0, idx[0], SUB_STEP, text);
	sub_play_ask(r, 1, idx[1], SUB_STEP, text);
	sub_play_ask(r, 1, idx[2], SUB_LINK, text);
	rig_poll(r);
	asked = sub_play_find(r, 1, text);
	CU_ASSERT_FATAL(asked != POOL_NONE);
	/* Somebody else waits for the whole of it. */
	CU_ASSERT(engine_sub_release_steps(r->engines[1], asked, SUB_CUT, &cut));
	rig_check(r);
	CU_ASSERT_EQUAL(player->heard_count, 0); /* never within another one's step */
	rig_poll(r);
	CU_ASSERT_EQUAL_FATAL(player->heard_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(player->heard[i].answer.verdict, SUB_CUT);
		CU_ASSERT(sub_play_cut_is(&player->heard[i].cut, &cut));
	}
	CU_ASSERT_EQUAL(rig_gauges(r).answer_buffers_used, 0);
	sub_play_answer(r, text, &plain);
	expect_answer(sub_play_heard(3), 1, idx[2], text);
	/* Nobody else, and one that comes when it has ended. */
	sub_play_ask(r, 0, idx[0], SUB_STEP, sub_play_name_of(r, 1, 6));
	rig_poll(r);
	asked = sub_play_find(r, 1, sub_play_name_of(r, 1, 6));
	CU_ASSERT(!engine_sub_release_steps(r->engines[1], asked, SUB_NO_CUT, NULL));
	rig_poll(r);
	CU_ASSERT_EQUAL(sub_play_heard(4)->answer.verdict, SUB_NO_CUT);
	sub_play_ask(r, 0, idx[0], SUB_STEP, sub_play_name_of(r, 1, 7));
	rig_poll(r);
	sub_play_answer(r, sub_play_name_of(r, 1, 7),
			&(struct rig_reply){.rcode = DNS_RCODE_NXDOMAIN, .no_records = true});
	CU_ASSERT_EQUAL(sub_play_heard(5)->answer.verdict, SUB_NXDOMAIN);
	sub_play_end(r);
}

/* Without a buffer for the cut it fails by our own fault. */
static void engine_sub__fails_a_step_where_no_buffer_is(void)
{
	struct rig *r = sub_play(1);
	struct zone_cut cut;
	uint32_t idx;

	r->params.answer_buffer_count = 0;
	rig_start(r);
	sub_play_make_cut(&cut, "n5.example");
	idx = sub_play_asker(r, 0, "n0.example");
	sub_play_ask(r, 0, idx, SUB_STEP, "n5.example");
	rig_poll(r);
	CU_ASSERT(!engine_sub_release_steps(r->engines[0], sub_play_find(r, 0, "n5.example"),
					    SUB_CUT, &cut));
	rig_poll(r);
	CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_FAILED);
	CU_ASSERT(sub_play_heard(1)->answer.is_ours);
	sub_play_end(r);
}

static void engine_sub__takes_the_askers_cut_along(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = sub_play(2);
		struct sub_question q;
		uint32_t idx;

		rig_start(r);
		sub_play_make_cut(&player->cut, "example");
		idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
		q = sub_play_question(r, SUB_STEP, sub_play_name_of(r, owner, 5));
		q.cut = &player->cut;
		engine_sub_ask(r->engines[0], idx, &q);
		rig_poll(r);
		CU_ASSERT(player->saw_cut);
		CU_ASSERT(sub_play_cut_is(&player->seen, &player->cut));
		sub_play_end(r);
	}
}

/* ---- loops ---- */

static void engine_sub__refuses_to_wait_for_itself(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = sub_play(2);
		const char *texts[3];
		uint32_t idx[3];

		rig_start(r);
		texts[0] = sub_play_name_of(r, 0, 0);
		texts[1] = sub_play_name_of(r, owner, 5);
		texts[2] = sub_play_name_of(r, 0, 6);
		idx[0] = sub_play_asker(r, 0, texts[0]);
		/* its own question */
		sub_play_ask(r, 0, idx[0], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(sub_play_heard(1)->answer.is_loop);
		CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_FAILED);
		/* 0 waits for 1, 1 for 2, and 2 would for 0 */
		sub_play_ask(r, 0, idx[0], SUB_LINK, texts[1]);
		rig_poll(r);
		idx[1] = sub_play_find(r, owner, texts[1]);
		sub_play_ask(r, owner, idx[1], SUB_LINK, texts[2]);
		rig_poll(r);
		idx[2] = sub_play_find(r, 0, texts[2]);
		sub_play_ask(r, 0, idx[2], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(sub_play_heard(2)->answer.is_loop);
		CU_ASSERT_EQUAL(sub_play_heard(2)->asker_idx, idx[2]);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_LOOPS), 2);
		sub_play_end(r);
	}
}

/* Neither was begun for the other. */
static void engine_sub__refuses_one_that_waits_for_the_asker(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = sub_play(2);
		const char *texts[2];
		uint32_t idx[2];

		rig_start(r);
		texts[0] = sub_play_name_of(r, 0, 0);
		texts[1] = sub_play_name_of(r, owner, 5);
		idx[0] = sub_play_asker(r, 0, texts[0]);
		idx[1] = sub_play_asker(r, owner, texts[1]);
		sub_play_ask(r, 0, idx[0], SUB_LINK, texts[1]);
		rig_poll(r);
		sub_play_ask(r, owner, idx[1], SUB_LINK, texts[0]);
		rig_poll(r);
		CU_ASSERT(sub_play_heard(1)->answer.is_loop);
		CU_ASSERT_EQUAL(sub_play_heard(1)->asker_idx, idx[1]);
		sub_play_end(r);
	}
}

/* ---- budgets ---- */

static void engine_sub__returns_what_was_not_spent(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = sub_play(2);
		struct sub_question q;
		const char *text;
		uint32_t idx[3], asked;

		rig_start(r);
		text = sub_play_name_of(r, owner, 5);
		for (unsigned i = 0; i < 3; i++)
			idx[i] = sub_play_asker(r, 0, sub_play_name_of(r, 0, i));
		q = sub_play_question(r, SUB_LINK, text);
		q.lent.packets = 10;
		q.lent.links = 3;
		engine_sub_ask(r->engines[0], idx[0], &q);
		rig_poll(r);
		asked = sub_play_find(r, owner, text);
		sub_play_left(r->engines[owner], asked)->packets -= 8;
		sub_play_left(r->engines[owner], asked)->bytes -= 1000;
		/* This one brings more: it pays from here on; that one brings less, and pays nothing. */
		q.lent.packets = 20;
		engine_sub_ask(r->engines[0], idx[1], &q);
		rig_poll(r);
		q.lent.packets = 4;
		engine_sub_ask(r->engines[0], idx[2], &q);
		rig_poll(r);
		CU_ASSERT_EQUAL(sub_play_left(r->engines[owner], asked)->packets, 20);
		sub_play_left(r->engines[owner], asked)->packets -= 1;
		sub_play_answer(r, text, &plain);
		CU_ASSERT_EQUAL_FATAL(player->heard_count, 3);
		for (unsigned i = 0; i < 3; i++) {
			/* of all that each has */
			static const uint8_t packets[3] = {9, 1, 0};
			const struct heard *h = &player->heard[i];
			unsigned which = h->asker_idx == idx[0]   ? 0
					 : h->asker_idx == idx[1] ? 1
								  : 2;

			CU_ASSERT_EQUAL(h->answer.left.packets,
					UPSTREAM_PACKETS_MAX - packets[which]);
			CU_ASSERT_EQUAL(h->answer.left.bytes,
					UPSTREAM_BYTES_MAX - (which == 0 ? 1000u : 0u));
			CU_ASSERT_EQUAL(h->answer.left.links, LINKS_MAX);
		}
		sub_play_end(r);
	}
}

/* A client has both go on for longer: what they have spent stays what it was. */
static void engine_sub__knows_what_was_spent_when_a_client_joins(void)
{
	struct rig *r = sub_play(1);
	struct sub_question q;
	uint32_t idx, asked;

	rig_start(r);
	idx = sub_play_asker(r, 0, "n0.example");
	q = sub_play_question(r, SUB_LINK, "n5.example");
	q.lent.packets = 10;
	sub_play_left(r->engines[0], idx)->packets = 10;
	engine_sub_ask(r->engines[0], idx, &q);
	rig_poll(r);
	asked = sub_play_find(r, 0, "n5.example");
	sub_play_left(r->engines[0], asked)->packets -= 3;
	engine_sub_join_client(r->engines[0], asked);
	CU_ASSERT_EQUAL(sub_play_left(r->engines[0], asked)->packets, UPSTREAM_PACKETS_MAX);
	engine_sub_join_client(r->engines[0], idx);
	sub_play_answer(r, "n5.example", &plain);
	CU_ASSERT_EQUAL(sub_play_heard(1)->answer.left.packets, UPSTREAM_PACKETS_MAX - 3);
	sub_play_end(r);
}

/* ---- what goes wrong ---- */

static void engine_sub__fails_at_its_deadline(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		struct rig *r = sub_play(2);
		struct sub_question q;
		uint32_t idx;
		mono_ns begun;

		rig_start(r);
		idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
		q = sub_play_question(r, SUB_LINK, sub_play_name_of(r, owner, 5));
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
		CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_FAILED);
		/* What ends by itself comes back before. */
		CU_ASSERT_EQUAL(sub_play_heard(1)->answer.is_ours, owner == 1);
		rig_go_engine(r, 1);
		sub_play_end(r);
	}
}

/* Its owner hears of it later, and what it then says finds nobody. */
static void engine_sub__drops_what_comes_for_a_wait_that_is_over(void)
{
	struct rig *r = sub_play(2);
	const char *text;
	uint32_t idx;

	rig_start(r);
	text = sub_play_name_of(r, 1, 5);
	idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
	sub_play_ask(r, 0, idx, SUB_LINK, text);
	rig_poll(r);
	engine_sub_cancel(r->engines[0], idx);
	/* The next wait is another one. */
	sub_play_ask(r, 0, idx, SUB_LINK, sub_play_name_of(r, 1, 6));
	rig_poll(r);
	sub_play_answer(r, text, &plain);
	CU_ASSERT_EQUAL(player->heard_count, 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_ANSWER_LATE), 1);
	rig_forget(r);
	/* Cancelled in each of the queues. */
	engine_sub_cancel(r->engines[0], idx);
	sub_play_ask(r, 0, idx, SUB_LINK, sub_play_name_of(r, 1, 7));
	engine_sub_cancel(r->engines[0], idx);
	CU_ASSERT_EQUAL(rig_gauges(r).subs_waiting, 0);
	sub_play_ask(r, 0, idx, SUB_LINK, sub_play_name_of(r, 1, 8));
	CU_ASSERT_EQUAL(engine_tx_wanted(r->engines[0], 1, r->now), 1);
	engine_sub_cancel(r->engines[0], idx);
	rig_check(r);
	rig_poll(r);
	CU_ASSERT_EQUAL(sub_play_find(r, 1, sub_play_name_of(r, 1, 8)), POOL_NONE);
	sub_play_end(r);
}

static void engine_sub__fails_where_there_is_no_place(void)
{
	for (unsigned owner = 0; owner < 2; owner++) {
		for (unsigned waiters = 0; waiters < 2; waiters++) {
			struct rig *r = sub_play(2);
			uint32_t idx;
			unsigned taken = 1;

			if (waiters)
				r->params.waiter_count_max = 3;
			else
				r->params.under_way_max = 3;
			rig_start(r);
			idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
			if (owner == 1)
				taken = 0;
			for (; taken < 3; taken++)
				(void)sub_play_asker(r, owner,
						     sub_play_name_of(r, owner, 10 + taken));
			sub_play_ask(r, 0, idx, SUB_LINK, sub_play_name_of(r, owner, 5));
			rig_poll(r);
			CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_FAILED);
			CU_ASSERT(sub_play_heard(1)->answer.is_ours);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_FULL), 1);
			sub_play_end(r);
		}
	}
}

/* A full ring loses questions, or answers: they are passed again. */
static void engine_sub__passes_again_what_was_lost(void)
{
	for (unsigned answers = 0; answers < 2; answers++) {
		struct rig *r = sub_play(2);
		unsigned kind = answers ? RIG_RING_SUB_ANSWERS : RIG_RING_SUB_QUESTIONS;
		uint32_t idx[4];

		r->cache_bytes = 1 << 20;
		r->ring_capacity = 2;
		rig_start(r);
		r->passing = RIG_PASS_AT_POLLS;
		for (unsigned i = 0; i < 4; i++)
			idx[i] = sub_play_asker(r, 0, sub_play_name_of(r, 0, i));
		if (!answers)
			rig_stop_engine(r, 1);
		for (unsigned i = 0; i < 4; i++) {
			sub_play_ask(r, 0, idx[i], SUB_LINK, sub_play_name_of(r, 1, 5 + i));
			if (answers)
				rig_poll(r);
		}
		if (answers)
			rig_stop_engine(r, 0);
		rig_poll(r);
		for (unsigned i = 0; i < 4 && answers; i++)
			sub_play_answer(r, sub_play_name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(r->ring_drops[kind], 2);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_LOST), 2);
		rig_go_engine(r, answers ? 0 : 1);
		rig_poll(r);
		for (unsigned i = 0; i < 2 && !answers; i++)
			sub_play_answer(r, sub_play_name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(player->heard_count, 2);
		rig_forget(r);
		rig_advance(r, 500 * NS_PER_MS);
		for (unsigned i = 2; i < 4 && !answers; i++)
			sub_play_answer(r, sub_play_name_of(r, 1, 5 + i), &plain);
		CU_ASSERT_EQUAL(player->heard_count, 4);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SUB_RESENT), 2);
		for (unsigned i = 0; i < player->heard_count; i++)
			CU_ASSERT_EQUAL(player->heard[i].answer.verdict, SUB_ANSWER);
		sub_play_end(r);
	}
}

/* ---- the root's servers, for the cache's sake ---- */

/* In the middle of a turn. */
static void prime_on_heard(unsigned engine, uint32_t asker_idx)
{
	struct sub_question q = sub_play_question(player->r, SUB_PRIME, ".");

	q.qtype = DNS_TYPE_NS;
	engine_sub_ask(player->r->engines[engine], asker_idx, &q);
}

static void engine_sub__primes_for_nobody(void)
{
	for (unsigned engine = 0; engine < 2; engine++) {
		struct rig *r = sub_play(2);
		unsigned owner;
		uint32_t idx;
		struct sub_question q;

		rig_start(r);
		owner = rig_owner(r, ".", DNS_TYPE_NS);
		idx = sub_play_asker(r, engine, sub_play_name_of(r, engine, 0));
		q = sub_play_question(r, SUB_PRIME, ".");
		q.qtype = DNS_TYPE_NS;
		engine_sub_ask(r->engines[engine], idx, &q);
		engine_sub_ask(r->engines[engine], idx, &q);
		sub_play_ask(r, engine, idx, SUB_LINK,
			     sub_play_name_of(r, engine, 5)); /* meanwhile */
		rig_poll(r);
		engine_sub_cancel(r->engines[engine], idx);
		CU_ASSERT(sub_play_find(r, owner, ".") != POOL_NONE);
		engine_sub_ask(r->engines[engine], idx, &q);
		rig_poll(r);
		CU_ASSERT_EQUAL(player->begun, 2);
		CU_ASSERT_EQUAL(player->heard_count, 0);
		sub_play_answer(r, ".", &(struct rig_reply){.no_records = true});
		CU_ASSERT_EQUAL(sub_play_find(r, owner, "."), POOL_NONE);
		CU_ASSERT_EQUAL(player->heard_count, 0);
		player->on_heard = prime_on_heard;
		sub_play_ask(r, engine, idx, SUB_LINK, sub_play_name_of(r, engine, 6));
		rig_poll(r);
		sub_play_answer(r, sub_play_name_of(r, engine, 6), &plain);
		CU_ASSERT_EQUAL(sub_play_heard(1)->answer.verdict, SUB_ANSWER);
		CU_ASSERT_EQUAL(player->begun, 4);
		sub_play_end(r);
	}
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
	UNIT_TEST(engine_sub__knows_what_was_spent_when_a_client_joins),
	UNIT_TEST(engine_sub__fails_at_its_deadline),
	UNIT_TEST(engine_sub__drops_what_comes_for_a_wait_that_is_over),
	UNIT_TEST(engine_sub__fails_where_there_is_no_place),
	UNIT_TEST(engine_sub__passes_again_what_was_lost),
	UNIT_TEST(engine_sub__primes_for_nobody),
};

UNIT_SUITE(engine_sub, tests)
