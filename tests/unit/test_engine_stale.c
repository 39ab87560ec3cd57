/* Answers that have expired, where nothing better comes in time (RFC 8767). */
#include "engine_cache_world.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "unit.h"

#define TTL_S 60
#define CLIENT_TIMEOUT_NS (1800 * NS_PER_MS)
#define TIMER_LATE_NS (3 * NS_PER_MS) /* timers fire up to two ticks late */
#define FAILS_AFTER_NS (2400 * NS_PER_MS + 3 * TIMER_LATE_NS)
#define EDE_STALE 3
#define EDE_STALE_NXDOMAIN 19

/* Started, with an expired answer for a.example. */
static struct rig *stale_rig(unsigned engine_count, uint32_t client_timeout_ms)
{
	struct rig *r = kept_rig(engine_count);

	r->config.cache.serve_stale = true;
	r->config.cache.max_stale_s = 1000;
	r->config.cache.client_timeout_ms = client_timeout_ms;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, TTL_S * NS_PER_S);
	return r;
}

static void expect_stale(const struct kept_got *got)
{
	CU_ASSERT_EQUAL(got->rcode, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(got->last_byte, 1);
	CU_ASSERT(got->ttl_s > 0 && got->ttl_s <= CACHE_STALE_TTL_S);
	CU_ASSERT_EQUAL(got->ede, EDE_STALE);
}

/* The last of the queries that were sent. */
static struct rig_query last_query(struct rig *r)
{
	struct rig_query q = {.server_idx = -1};
	struct rig_query next;

	while (kept_query(r, &next))
		q = next;
	CU_ASSERT_FATAL(q.server_idx >= 0);
	return q;
}

static void engine_stale__is_what_a_client_gets_when_it_has_waited_long_enough(void)
{
	struct rig *r = stale_rig(1, 1800);
	mono_ns asked_at = r->now;
	struct rig_query late;
	struct kept_got got;

	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	rig_advance(r, CLIENT_TIMEOUT_NS - NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_advance(r, NS_PER_MS + TIMER_LATE_NS);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT(got.at >= asked_at + CLIENT_TIMEOUT_NS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 1);
	/* It took as long as that: 1.8 s lie below 2^21 us, and no other wait does. */
	CU_ASSERT_EQUAL(engine_latencies(r->engines[0])->miss.counts[21], 1);
	/* The question is still asked, for nobody. */
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 1);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	/* Who comes now gets the same at once. */
	got = kept_hit(r, "a.example");
	expect_stale(&got);
	/* The true answer is late: it is kept, and the next client has it. */
	late = last_query(r);
	kept_reply_to(r, &late, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 0);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.last_byte, 2);
	CU_ASSERT_EQUAL(got.ttl_s, TTL_S);
	CU_ASSERT_EQUAL(got.ede, -1);
	rig_finish(r);
}

static void engine_stale__gives_way_to_an_answer_in_time(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_got got;

	kept_ask(r, "a.example");
	rig_advance(r, 700 * NS_PER_MS);
	kept_reply(r, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.last_byte, 2);
	CU_ASSERT_EQUAL(got.ede, -1);
	rig_advance(r, 10 * NS_PER_S);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 0);
	rig_finish(r);
}

static void engine_stale__is_what_a_client_gets_when_servers_fail(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_reply servfail = {
		.rcode = DNS_RCODE_SERVFAIL, .negative = true, .no_soa = true};
	mono_ns failed_at;
	struct kept_got got;

	kept_ask(r, "a.example");
	for (unsigned i = 0; i < 3; i++)
		kept_reply(r, &servfail);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(got.at, r->now);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_FAILURES), 0);
	/* For 30 s nobody is asked. */
	failed_at = r->now;
	while (r->now < failed_at + 29 * NS_PER_S) {
		got = kept_hit(r, "a.example");
		expect_stale(&got);
		rig_advance(r, NS_PER_S);
	}
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	rig_advance(r, NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	kept_reply(r, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 2);
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 2);
	rig_finish(r);
}

static void engine_stale__lasts_as_long_as_failures_where_that_is_longer(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;

	r->config.cache.serve_stale = true;
	r->config.cache.failure_ttl_s = 100;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, TTL_S * NS_PER_S);
	kept_ask(r, "a.example");
	rig_advance(r, FAILS_AFTER_NS);
	CU_ASSERT_EQUAL(kept_queries(r), 3);
	rig_forget(r);
	rig_advance(r, 98 * NS_PER_S);
	got = kept_hit(r, "a.example");
	expect_stale(&got);
	rig_advance(r, 3 * NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

static void engine_stale__comes_at_once_where_clients_do_not_wait(void)
{
	struct rig *r = stale_rig(1, 0);
	struct kept_got got;

	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(got.at, r->now);
	/* It is asked again behind, once. */
	for (unsigned i = 0; i < 10; i++) {
		got = kept_hit(r, "a.example");
		expect_stale(&got);
	}
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	kept_reply(r, &(struct kept_reply){.ttl_s = TTL_S, .last_byte = 2});
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 2);
	rig_finish(r);
}

static void engine_stale__never_outlives_its_bound(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_got got;

	/* Still within 1000 s, and nearly not. */
	rig_advance(r, 990 * NS_PER_S);
	kept_ask(r, "a.example");
	rig_advance(r, FAILS_AFTER_NS);
	got = kept_got(r);
	expect_stale(&got);
	got = kept_hit(r, "a.example");
	expect_stale(&got);
	rig_advance(r, 8 * NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	rig_advance(r, FAILS_AFTER_NS);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(got.ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	rig_finish(r);
}

static void engine_stale__is_nothing_where_it_is_off(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;

	r->config.cache.client_timeout_ms = 0;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, TTL_S * NS_PER_S);
	kept_ask(r, "a.example");
	rig_advance(r, FAILS_AFTER_NS);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 0);
	rig_finish(r);
}

static void engine_stale__says_so_of_a_name_that_did_not_exist(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;

	r->config.cache.serve_stale = true;
	rig_start(r);
	kept_ask(r, "no.example");
	kept_reply(r,
		   &(struct kept_reply){
			   .ttl_s = TTL_S, .rcode = 3, .negative = true, .soa_minimum_s = TTL_S});
	rig_forget(r);
	rig_advance(r, TTL_S * NS_PER_S);
	kept_ask(r, "no.example");
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_NXDOMAIN);
	CU_ASSERT_EQUAL(got.ede, EDE_STALE_NXDOMAIN);
	rig_finish(r);
}

/* What was true once does not hide what is true now, even if that cannot be kept. */
static void engine_stale__is_forgotten_when_the_true_answer_cannot_be_kept(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct cache_head head;
	struct rig_query q;

	kept_ask(r, "a.example");
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 1);
	q = last_query(r);
	kept_reply_to(r, &q, &(struct kept_reply){.ttl_s = 0, .last_byte = 2});
	CU_ASSERT(!kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	kept_reply(r, &(struct kept_reply){.ttl_s = 0, .last_byte = 3});
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 3);
	rig_finish(r);
}

/* ---- waiters ---- */

static void engine_stale__reaches_all_who_wait(void)
{
	enum { CLIENTS = 300 };
	struct rig *r = stale_rig(1, 1800);
	unsigned got = 0;
	struct rig_answer a;

	for (unsigned i = 0; i < CLIENTS; i++)
		rig_ask(r, &(struct rig_question){
				   .name = "a.example", .client = (uint16_t)i, .id = (uint16_t)i});
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_COALESCED), CLIENTS - 1);
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	while (rig_answer_next(r, &a)) {
		CU_ASSERT_EQUAL(rig_u16(a.message, 0), got);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
		got++;
	}
	CU_ASSERT_EQUAL(got, CLIENTS);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 1);
	rig_finish(r);
}

/* One slot at a time: neither kind of answer waits for the end of the other. */
static void engine_stale__takes_turns_with_true_answers(void)
{
	enum { CLIENTS = 20 };
	struct rig *r = stale_rig(1, 1800);
	static uint8_t frame[RIG_BUFFER_BYTES];
	uint64_t stale_before;
	unsigned switches = 0;
	struct rig_query q;
	bool was_stale = false;

	for (unsigned i = 0; i < CLIENTS; i++)
		rig_ask(r, &(struct rig_question){.name = "a.example", .client = (uint16_t)i});
	rig_advance(r, CLIENT_TIMEOUT_NS - 10 * NS_PER_MS);
	rig_forget(r);
	for (unsigned i = 0; i < CLIENTS; i++)
		rig_ask(r, &(struct rig_question){.name = "b.example", .client = (uint16_t)i});
	rig_poll(r);
	CU_ASSERT_FATAL(kept_query(r, &q));
	rig_stop_engine(r, 0);
	r->now += 20 * NS_PER_MS;
	rig_go_engine(r, 0);
	r->in_place = false; /* all twenty wait in the answer queue */
	rig_answer_query(r, &q, &(struct rig_reply){0});
	for (unsigned i = 0; i < 2 * CLIENTS; i++) {
		struct tx_slot slot = {.data = frame, .capacity_bytes = sizeof(frame)};

		stale_before = rig_count(r, COUNTER_CACHE_STALE);
		CU_ASSERT_EQUAL_FATAL(engine_tx(r->engines[0], &slot, 1, r->now), 1);
		engine_check(r->engines[0]);
		r->answers_sent++;
		switches +=
			i > 0 && was_stale != (rig_count(r, COUNTER_CACHE_STALE) > stale_before);
		was_stale = rig_count(r, COUNTER_CACHE_STALE) > stale_before;
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), CLIENTS);
	CU_ASSERT_EQUAL(switches, 2 * CLIENTS - 1);
	rig_finish(r);
}

/* An audit of ports wants to know what a server says now. */
static void engine_stale__is_not_for_questions_of_our_own(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct engine_asked asked;
	struct rig_answer first;
	struct kept_got got;
	struct name qname;
	uint32_t handle;
	uint8_t owner;

	CU_ASSERT_FATAL(name_from_text("a.example", &qname));
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(engine_ask(r->engines[0], &qname, DNS_TYPE_A, ENGINE_ASK_PLAIN, r->now,
				   &handle, &owner),
			ENGINE_ASK_STARTED);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_COALESCED);
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	/* The clients before and behind it have the stale answer; it waits for the end. */
	CU_ASSERT_EQUAL(rig_answer_count(r), 2);
	CU_ASSERT(rig_answer_next(r, &first));
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 1);
	rig_advance(r, FAILS_AFTER_NS - CLIENT_TIMEOUT_NS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_FATAL(engine_asked(r->engines[0], handle, &asked));
	CU_ASSERT(asked.done);
	CU_ASSERT_EQUAL(asked.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(asked.answer_bytes, 0);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	rig_finish(r);
}

/* Who joins a question of our own has waited no less for it. */
static void engine_stale__is_for_clients_that_join_questions_of_our_own(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_got got;
	struct name qname;
	uint32_t handles[2];
	uint8_t owner;

	CU_ASSERT_FATAL(name_from_text("a.example", &qname));
	for (unsigned i = 0; i < ARRAY_COUNT(handles); i++)
		CU_ASSERT_EQUAL(engine_ask(r->engines[0], &qname, DNS_TYPE_A, ENGINE_ASK_PLAIN,
					   r->now, &handles[i], &owner),
				ENGINE_ASK_STARTED);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_COALESCED);
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 2);
	rig_advance(r, FAILS_AFTER_NS - CLIENT_TIMEOUT_NS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	rig_finish(r);
}

static void forget_entry(struct rig *r, const char *name)
{
	static uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key = rig_cache_key(r, name, DNS_TYPE_A, false);
	struct cache_found found;

	CU_ASSERT_FATAL(engine_cache_find(r->engines[0], &key, copy, &found));
	CU_ASSERT(cache_remove(r->cache, &found));
}

/* What has been served stale was put as fresh for some seconds: clients get the answer that has come since, kept or not. */
static void engine_stale__does_not_outlive_an_answer_that_finds_no_place(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_reply reply = {.ttl_s = 60, .record_count = 20};
	uint64_t log_words = r->cache->log_words;
	struct rig_query query;
	struct cache_head head;
	struct kept_got got;

	kept_ask(r, "a.example");
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT(kept_entry(r, "a.example", &head));
	r->cache->log_words = 72; /* an entry of more than an eighth of that is not taken */
	query = last_query(r);
	kept_reply_to(r, &query, &reply);
	r->cache->log_words = log_words;
	CU_ASSERT(!kept_entry(r, "a.example", &head));
	rig_finish(r);
}

/* Nothing holds what is in the cache: it may be gone when it is wanted. */
static void engine_stale__may_be_gone_when_it_is_wanted(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_got got;

	kept_ask(r, "a.example");
	rig_advance(r, NS_PER_S);
	forget_entry(r, "a.example");
	rig_advance(r, NS_PER_S);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 1);
	rig_advance(r, FAILS_AFTER_NS);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(got.ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	rig_finish(r);
}

/* Where nobody can wait, for want of room, an old answer is better than none. */
static void engine_stale__is_served_where_nobody_can_wait(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;
	char name[40];

	r->config.cache.serve_stale = true;
	r->params.under_way_max = 16;
	rig_start(r);
	kept_learn(r, "a.example", TTL_S);
	rig_advance(r, TTL_S * NS_PER_S);
	for (unsigned i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		CU_ASSERT_EQUAL(kept_ask(r, name), COUNTER_QUESTION_NEW);
	}
	CU_ASSERT_EQUAL(kept_ask(r, "x.example"), COUNTER_DROP_WAITERS_FULL);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	got = kept_hit(r, "a.example");
	expect_stale(&got);
	rig_finish(r);
}

/* Such a packet cannot be written over, so its question goes where others wait; but it need not wait itself. */
static void engine_stale__that_is_served_already_reaches_packets_that_may_not_be_written_to(void)
{
	struct rig *r = stale_rig(1, 1800);
	struct kept_got got;

	kept_ask(r, "a.example");
	rig_advance(r, FAILS_AFTER_NS);
	rig_forget(r);
	r->in_place = false;
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(got.at, r->now);
	rig_finish(r);
}

static void engine_stale__reaches_clients_through_other_workers(void)
{
	struct rig *r = stale_rig(2, 1800);
	unsigned owner = rig_owner(r, "a.example", DNS_TYPE_A);
	struct kept_got got;

	CU_ASSERT_EQUAL(kept_ask_at(r, "a.example", !owner), COUNTER_QUESTION_HANDED_OFF);
	rig_advance(r, CLIENT_TIMEOUT_NS + TIMER_LATE_NS);
	got = kept_got(r);
	expect_stale(&got);
	CU_ASSERT_EQUAL(kept_ask_at(r, "a.example", !owner), COUNTER_CACHE_HIT);
	got = kept_got(r);
	expect_stale(&got);
	rig_finish(r);
}

/* ---- everybody dead ---- */

struct dead {
	uint64_t queries;
	uint64_t answers;
	uint64_t stale;
};

static bool count_query(struct rig *r, const struct rig_query *q)
{
	struct dead *d = r->context;

	d->queries += !q->is_probe;
	return true;
}

static bool count_answer(struct rig *r, const struct rig_answer *a)
{
	struct dead *d = r->context;

	d->answers++;
	d->stale += rig_record_count(a, DNS_TYPE_A) == 1;
	return true;
}

static bool answer_it(struct rig *r, const struct rig_query *q)
{
	if (!q->is_probe)
		kept_reply_to(r, q, &(struct kept_reply){.ttl_s = TTL_S});
	return true;
}

static void ask_all(struct rig *r, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[40];

		snprintf(name, sizeof(name), "n%u.example", i);
		rig_ask(r, &(struct rig_question){.name = name,
						  .engine = rig_owner(r, name, DNS_TYPE_A)});
	}
}

static void engine_stale__carries_all_names_through_a_dead_upstream(void)
{
	enum { NAMES = 1000, SECONDS = 120 };
	struct rig *r = kept_rig(1);
	struct dead d = {0};
	uint64_t before;

	r->params.under_way_max = 2 * NAMES;
	r->params.waiter_count_max = 4 * NAMES;
	r->params.entropy_block_bytes = 65536; /* who waits for it is not remembered as failed */
	r->cache_bytes = 4 * CACHE_BYTES_MIN;
	r->checks = false;
	r->config.cache.serve_stale = true;
	r->on_query = answer_it;
	r->on_answer = count_answer;
	r->context = &d;
	rig_start(r);
	ask_all(r, NAMES);
	rig_advance(r, TTL_S * NS_PER_S);
	CU_ASSERT_EQUAL(d.answers, NAMES);
	rig_advance(r, NS_PER_S);
	/* From now on nobody answers, for two minutes; each name is asked for every second. */
	r->on_query = count_query;
	d = (struct dead){0};
	for (unsigned s = 0; s < SECONDS; s++) {
		ask_all(r, NAMES);
		rig_advance(r, NS_PER_S);
	}
	rig_advance(r, 4 * NS_PER_S);
	r->checks = true;
	rig_check(r);
	CU_ASSERT_EQUAL(d.answers, NAMES * SECONDS);
	CU_ASSERT_EQUAL(d.stale, NAMES * SECONDS);
	/* Three packets a name every half minute: it was to be 120,000 questions. */
	CU_ASSERT(d.queries <= NAMES * 3 * (SECONDS / 30 + 1));
	CU_ASSERT(d.queries >= NAMES * 3);
	/* Servers are back: within half a minute each name is fresh. */
	r->on_query = answer_it;
	rig_advance(r, 30 * NS_PER_S);
	ask_all(r, NAMES);
	rig_advance(r, NS_PER_S);
	before = rig_count(r, COUNTER_CACHE_STALE);
	ask_all(r, NAMES);
	rig_advance(r, NS_PER_S);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), before);
	CU_ASSERT_EQUAL(d.answers, NAMES * (SECONDS + 2));
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_stale__is_what_a_client_gets_when_it_has_waited_long_enough),
	UNIT_TEST(engine_stale__gives_way_to_an_answer_in_time),
	UNIT_TEST(engine_stale__is_what_a_client_gets_when_servers_fail),
	UNIT_TEST(engine_stale__lasts_as_long_as_failures_where_that_is_longer),
	UNIT_TEST(engine_stale__comes_at_once_where_clients_do_not_wait),
	UNIT_TEST(engine_stale__never_outlives_its_bound),
	UNIT_TEST(engine_stale__is_nothing_where_it_is_off),
	UNIT_TEST(engine_stale__says_so_of_a_name_that_did_not_exist),
	UNIT_TEST(engine_stale__is_forgotten_when_the_true_answer_cannot_be_kept),
	UNIT_TEST(engine_stale__reaches_all_who_wait),
	UNIT_TEST(engine_stale__takes_turns_with_true_answers),
	UNIT_TEST(engine_stale__is_not_for_questions_of_our_own),
	UNIT_TEST(engine_stale__is_for_clients_that_join_questions_of_our_own),
	UNIT_TEST(engine_stale__does_not_outlive_an_answer_that_finds_no_place),
	UNIT_TEST(engine_stale__may_be_gone_when_it_is_wanted),
	UNIT_TEST(engine_stale__is_served_where_nobody_can_wait),
	UNIT_TEST(engine_stale__that_is_served_already_reaches_packets_that_may_not_be_written_to),
	UNIT_TEST(engine_stale__reaches_clients_through_other_workers),
	UNIT_TEST(engine_stale__carries_all_names_through_a_dead_upstream),
};
UNIT_SUITE(engine_stale, tests)
