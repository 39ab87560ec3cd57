/* The cache between workers, and at its limits: who owns a question does not matter for a hit, what was passed finds what came
 * meanwhile, popular entries are refreshed by their owners, and expired ones are given out rather than nothing. */
#include <stdio.h>

#include "core/engine_state.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define TTL_S 300 /* of the rig's records */

static const struct rig_reply plain;

/* engines that share a cache, with stale answers, prefetch or neither */
static struct rig *rig_of(unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);

	r->cache_bytes = (size_t)engine_count * CACHE_BYTES_MIN;
	return r;
}

static void learn(struct rig *r, const struct rig_question *q)
{
	enum counter outcome = rig_ask(r, q);
	struct rig_query query;
	struct rig_answer a;

	CU_ASSERT_FATAL(outcome == COUNTER_QUESTION_NEW || outcome == COUNTER_QUESTION_HANDED_OFF);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	(void)rig_answer_query(r, &query, &plain);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
}

/* A name of its own that this engine owns. */
static struct rig_question question_of(const struct rig *r, unsigned owner, char text[64],
				       unsigned number)
{
	do
		snprintf(text, 64, "n%u.example.com", number += 1000);
	while (rig_owner(r, text, DNS_TYPE_A) != owner);
	return (struct rig_question){.name = text};
}

static bool is_stale(const struct rig_answer *a)
{
	struct span ede;

	return rig_option(a, DNS_OPTION_EDE, &ede) && rig_u16(ede.data, 0) == DNS_EDE_STALE_ANSWER;
}

/* ---- between workers ---- */

static void engine_hit__needs_no_owner(void)
{
	struct rig *r = rig_of(3);
	char text[64];
	struct rig_question q;
	struct rig_answer a;

	rig_start(r);
	q = question_of(r, 1, text, 1);
	q.engine = 2;
	learn(r, &q);
	for (q.engine = 0; q.engine < 3; q.engine++) {
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		CU_ASSERT_EQUAL(a.engine, q.engine);
		CU_ASSERT(rig_question_is(&a, &q));
		CU_ASSERT_EQUAL(rig_count_of(r, q.engine, COUNTER_CACHE_HIT), 1);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_HANDED_OFF), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_MISSES), 1); /* not where it was passed on */
	rig_finish(r);
}

/* On its way to the owner while that learns the answer. */
static void engine_hit__answers_passed_questions(void)
{
	struct rig *r = rig_of(2);
	static const struct {
		const char *says;
		struct rig_question question;
	} rows[] = {
		{"plain", {.id = 1}},
		{"EDNS", {.id = 2, .edns = true}},
		{"DO", {.id = 3, .edns = true, .dnssec_ok = true}},
		{"IPv6", {.id = 4, .family = RIG_V6}},
		{"cookie",
		 {.id = 5,
		  .edns = true,
		  .options = (const uint8_t *)"\0\12\0\01012345678",
		  .options_length_bytes = 12}},
	};

	r->passing = RIG_PASS_AT_POLLS;
	rig_start(r);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[64], mixed[64];
		struct rig_question at_owner = question_of(r, 0, text, i);
		struct rig_question q = rows[i].question;
		struct rig_answer a;
		struct span cookie;

		snprintf(mixed, sizeof(mixed), "%s", text);
		mixed[0] = 'N';
		q.name = mixed;
		q.engine = 1;
		RIG_ROW(rows[i].says, rig_ask(r, &q) == COUNTER_QUESTION_HANDED_OFF);
		RIG_ROW(rows[i].says, rig_in_rings(r) == 1);
		learn(r, &at_owner);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, a.engine == 0);
		RIG_ROW(rows[i].says, rig_question_is(&a, &q));
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_A) == 1);
		RIG_ROW(rows[i].says,
			rig_option(&a, DNS_OPTION_COOKIE, &cookie) == (q.options != NULL));
		RIG_ROW(rows[i].says, rig_query_count(r) == 0);
		RIG_ROW(rows[i].says, rig_count(r, COUNTER_CACHE_HIT) == i + 1);
	}
	CU_ASSERT_EQUAL(rig_count_of(r, 0, COUNTER_CACHE_HIT), ARRAY_COUNT(rows));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_MISSES), ARRAY_COUNT(rows));
	rig_finish(r);
}

/* Where the packet has less room than the client, the owner asks again rather than cut off what it has. */
static void engine_hit__does_not_truncate_passed_questions_for_want_of_room(void)
{
	static const struct rig_reply reply = {.edns = true, .record_count = 50};
	struct rig *r = rig_of(2);
	struct rig_question q = {.edns = true};
	struct rig_query query;
	struct rig_answer a;
	char text[64];

	r->passing = RIG_PASS_AT_POLLS;
	rig_start(r);
	q = question_of(r, 0, text, 1);
	q.edns = true;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	q.engine = 1;
	for (unsigned i = 0; i < 2; i++) {
		r->tailroom_bytes = i == 0 ? 600 : UINT16_MAX;
		q.client_port = (uint16_t)(2000 + i);
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
	}
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_NEW), 2);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_HIT), 1);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(a.client.port, 2001);
	CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 50);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_TRUNCATED), 0);
	rig_finish(r);
}

/* ---- refreshing ---- */

/* Ours, popular and about to expire: answered, and asked again. */
static void engine_hit__refreshes_what_is_popular(void)
{
	struct rig *r = rig_of(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;
	struct rig_answer a;

	r->config.cache.prefetch = true;
	rig_start(r);
	learn(r, &q);
	rig_advance(r, (TTL_S * 9 / 10 + 1) * NS_PER_S);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT); /* the first: not popular yet */
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_forget(r);
	rig_advance(r, TTL_S / 10 * NS_PER_S); /* the old one would have expired */
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	rig_finish(r);
}

static void engine_hit__refreshes_only_if_that_is_wanted(void)
{
	struct rig *r = rig_of(1);
	struct rig_question q = {.name = "www.example.com"};

	rig_start(r);
	learn(r, &q);
	rig_advance(r, (TTL_S * 9 / 10 + 1) * NS_PER_S);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_finish(r);
}

/* Another's: it has one question a second, answers it and refreshes. */
static void engine_hit__has_the_owner_refresh(void)
{
	struct rig *r = rig_of(2);
	char text[64];
	struct rig_question q;
	struct rig_answer a;

	r->config.cache.prefetch = true;
	rig_start(r);
	q = question_of(r, 0, text, 7);
	learn(r, &q);
	rig_advance(r, (TTL_S * 9 / 10 + 1) * NS_PER_S);
	q.engine = 1;
	q.id = 99;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_HANDED_OFF), 0);
	rig_forget(r);
	for (unsigned second = 1; second <= 3; second++) {
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		CU_ASSERT_EQUAL(a.engine, 0);
		CU_ASSERT(rig_question_is(&a, &q));
		CU_ASSERT_EQUAL(rig_count_of(r, 0, COUNTER_CACHE_HIT), second);
		for (unsigned i = 0; i < 20; i++)
			CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUESTION_HANDED_OFF), second);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 1); /* under way */
		rig_forget(r);
		rig_advance(r, NS_PER_S);
	}
	rig_finish(r);
}

/* ---- expired, but better than nothing ---- */

static struct rig *rig_with_expired(unsigned engine_count, char text[64], struct rig_question *q)
{
	struct rig *r = rig_of(engine_count);

	r->config.cache.serve_stale = true;
	rig_start(r);
	*q = question_of(r, 0, text, 3);
	learn(r, q);
	q->edns = true;
	rig_advance(r, (TTL_S + 1) * NS_PER_S);
	return r;
}

/* Too many wait for what is asked: the old answer at once. */
static void engine_hit__gives_stale_answers_where_nobody_can_wait(void)
{
	char text[64], other[64];
	struct rig_question q, filler;
	struct rig *r = rig_with_expired(1, text, &q);
	unsigned number = 50;
	struct rig_answer a;
	unsigned waiting;

	q.client = 1;
	filler = question_of(r, 0, other, number);
	for (waiting = 0; waiting < 4096; waiting++) {
		filler = question_of(r, 0, other, ++number);
		filler.client = (uint16_t)(100 + waiting);
		if (rig_ask(r, &filler) == COUNTER_DROP_WAITERS_FULL)
			break;
	}
	CU_ASSERT(waiting >= 256 && waiting < 4096);
	rig_forget(r);
	for (unsigned i = 0; i < 5; i++) {
		q.id = (uint16_t)(i + 1);
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		CU_ASSERT(is_stale(&a));
		CU_ASSERT(rig_question_is(&a, &q));
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 5);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_HIT), 5);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_DROP_WAITERS_FULL), 1);
	rig_forget(r);
	rig_finish(r);
}

/* The same, without stale answers: dropped as ever. */
static void engine_hit__gives_none_where_they_are_off(void)
{
	char text[64], other[64];
	struct rig_question q, filler;
	struct rig *r = rig_of(1);
	unsigned number = 50;

	rig_start(r);
	q = question_of(r, 0, text, 3);
	learn(r, &q);
	rig_advance(r, (TTL_S + 1) * NS_PER_S);
	do {
		filler = question_of(r, 0, other, ++number);
		filler.client = (uint16_t)(100 + number);
	} while (rig_ask(r, &filler) == COUNTER_QUESTION_NEW && number < 4096);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_WAITERS_FULL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 0);
	rig_forget(r);
	rig_finish(r);
}

/* The owner does not take what is passed to it: its ring is full, and it has been so for some milliseconds. */
static void engine_hit__gives_stale_answers_where_rings_are_full(void)
{
	char text[64], other[64];
	struct rig_question q, filler;
	struct rig *r;
	unsigned number = 50;
	struct rig_answer a;
	uint64_t lost;

	r = rig_with_expired(2, text, &q);
	rig_stop_engine(r, 0);
	q.engine = 1;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF); /* nothing is known yet */
	for (unsigned i = 0; i < RIG_RING_CAPACITY + 5; i++) {
		filler = question_of(r, 0, other, ++number);
		filler.engine = 1;
		(void)rig_ask(r, &filler);
	}
	lost = rig_count(r, COUNTER_DROP_HANDOFF_FULL);
	CU_ASSERT(lost >= 5);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(a.engine, 1);
	CU_ASSERT(is_stale(&a));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_DROP_HANDOFF_FULL), lost);
	r->now += 20 * NS_PER_MS; /* then it is tried again */
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_HANDOFF_FULL);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	rig_go_engine(r, 0);
	rig_forget(r);
	rig_finish(r);
}

/* It waits for its answer as long as there is room to wait. */
static void engine_hit__does_not_give_stale_answers_at_once_otherwise(void)
{
	char text[64];
	struct rig_question q;
	struct rig *r = rig_with_expired(1, text, &q);

	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 0);
	rig_finish(r);
}

/* A question that was passed to its owner, where nobody can wait: the same. */
static void engine_hit__gives_stale_answers_to_passed_questions(void)
{
	char text[64], other[64];
	struct rig_question q, filler;
	struct rig *r = rig_with_expired(2, text, &q);
	unsigned number = 50;
	enum counter outcome;
	struct rig_answer a;

	do {
		filler = question_of(r, 0, other, ++number);
		filler.client = (uint16_t)(100 + number);
		outcome = rig_ask(r, &filler);
	} while (outcome == COUNTER_QUESTION_NEW && number < 4096);
	CU_ASSERT_EQUAL(outcome, COUNTER_DROP_WAITERS_FULL);
	rig_forget(r);
	q.engine = 1;
	q.id = 4711;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_HANDED_OFF);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(a.engine, 0);
	CU_ASSERT(rig_question_is(&a, &q));
	CU_ASSERT(is_stale(&a));
	CU_ASSERT_EQUAL(rig_count_of(r, 0, COUNTER_CACHE_HIT), 1);
	rig_forget(r);
	rig_finish(r);
}

/* ---- any mixture ---- */

/* Workers, rings that deliver late, names that are hit, missed, refreshed and expire: the books balance after every step, and
 * every client has what its question's server said. */
static bool answers_by_name(struct rig *r, const struct rig_query *q)
{
	struct rig_reply reply = {.last_byte = q->parsed.qname.bytes[2] | 0x20};

	(void)rig_answer_query(r, q, &reply);
	return true;
}

static bool answered_by_name(struct rig *r, const struct rig_answer *a)
{
	unsigned *answered = r->context;
	struct name qname;
	size_t offset = DNS_HEADER_BYTES;

	CU_ASSERT_FATAL(name_parse_plain((struct span){a->message, a->length_bytes}, &offset,
					 &qname) == NAME_OK);
	if (rig_rcode(a) == DNS_RCODE_NOERROR) {
		CU_ASSERT_EQUAL(rig_record_count(a, DNS_TYPE_A), 1);
		CU_ASSERT_EQUAL(a->message[offset + 4 + 12 + 3], qname.bytes[2] | 0x20);
	}
	(*answered)++;
	return true;
}

static void engine_hit__balances_its_books(void)
{
	struct rig *r = rig_of(3);
	unsigned long long random = unit_seed();
	unsigned answered = 0, asked = 0;

	r->config.cache.prefetch = true;
	r->config.cache.serve_stale = true;
	r->config.cache.max_ttl_s = 20;
	r->passing = RIG_PASS_AT_POLLS;
	r->ring_delay_ns_max = NS_PER_MS;
	r->on_query = answers_by_name;
	r->on_answer = answered_by_name;
	r->context = &answered;
	rig_start(r);
	for (unsigned round = 0; round < 400; round++) {
		enum counter outcomes[BURST_SLOTS_MAX];
		char texts[16][64];

		rig_burst_begin(r);
		for (unsigned i = 0; i < 16; i++) {
			struct rig_question q = {.name = texts[i],
						 .id = (uint16_t)unit_random(&random),
						 .edns = unit_random(&random) % 2 == 0,
						 .family = unit_random(&random) % 2,
						 .client = (uint16_t)(unit_random(&random) % 50),
						 .engine = (unsigned)(unit_random(&random) % 3)};

			snprintf(texts[i], sizeof(texts[i]), "%c%c%u.example.com",
				 unit_random(&random) % 2 == 0 ? 'x' : 'X',
				 (int)('a' + unit_random(&random) % 26),
				 (unsigned)(unit_random(&random) % 8));
			if (unit_random(&random) % 2 == 0)
				texts[i][1] = (char)(texts[i][1] & ~0x20);
			rig_ask(r, &q);
			asked++;
		}
		(void)rig_burst_end(r, outcomes);
		rig_poll(r);
		rig_advance(r, unit_random(&random) % (200 * NS_PER_MS));
	}
	rig_advance(r, 5 * NS_PER_S);
	CU_ASSERT_EQUAL(answered, asked);
	CU_ASSERT(rig_count(r, COUNTER_CACHE_HIT) > asked / 4);
	CU_ASSERT(rig_count(r, COUNTER_CACHE_PREFETCHES) > 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_MISSES),
			rig_count(r, COUNTER_QUESTION_NEW) + rig_count(r, COUNTER_COALESCED));
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_hit__needs_no_owner),
	UNIT_TEST(engine_hit__answers_passed_questions),
	UNIT_TEST(engine_hit__does_not_truncate_passed_questions_for_want_of_room),
	UNIT_TEST(engine_hit__refreshes_what_is_popular),
	UNIT_TEST(engine_hit__refreshes_only_if_that_is_wanted),
	UNIT_TEST(engine_hit__has_the_owner_refresh),
	UNIT_TEST(engine_hit__gives_stale_answers_where_nobody_can_wait),
	UNIT_TEST(engine_hit__gives_none_where_they_are_off),
	UNIT_TEST(engine_hit__gives_stale_answers_where_rings_are_full),
	UNIT_TEST(engine_hit__does_not_give_stale_answers_at_once_otherwise),
	UNIT_TEST(engine_hit__gives_stale_answers_to_passed_questions),
	UNIT_TEST(engine_hit__balances_its_books),
};
UNIT_SUITE(engine_hit_owner, tests)
