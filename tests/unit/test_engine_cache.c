/* What is kept of answers and of failures, and what is not. Times are whole seconds after an answer, as the cache counts. */
#include "engine_cache_world.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "unit.h"

static void engine_cache__answers_again_until_the_ttl_is_over(void)
{
	for (unsigned in_place = 0; in_place < 2; in_place++) {
		struct rig *r = kept_rig(1);

		rig_start(r);
		r->in_place = in_place;
		kept_learn(r, "a.example", 60);
		r->in_place = true; /* else nothing is answered from the cache */
		CU_ASSERT_EQUAL(kept_hit(r, "A.example").ttl_s, 60);
		rig_advance(r, 10 * NS_PER_S);
		CU_ASSERT_EQUAL(kept_hit(r, "a.exAMPle").ttl_s, 50);
		rig_advance(r, 49 * NS_PER_S);
		CU_ASSERT_EQUAL(kept_hit(r, "a.example").ttl_s, 1);
		rig_advance(r, NS_PER_S);
		CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
		CU_ASSERT_EQUAL(kept_queries(r), 1);
		CU_ASSERT_EQUAL(engine_cache_stats(r->engines[0])->inserts, 1);
		rig_finish(r);
	}
}

/* A name of so many bytes in wire form. */
static void name_of_bytes(unsigned bytes, char text[DNS_NAME_BYTES_MAX + 1])
{
	size_t at = 0;

	if (bytes == 1) {
		memcpy(text, ".", 2);
		return;
	}
	for (unsigned left = bytes - 1; left > 0;) {
		unsigned label = left > 64 ? (left == 65 ? 63 : 64) : left;

		memset(text + at, 'x', label - 1);
		text[at + label - 1] = '.';
		at += label;
		left -= label;
	}
	text[at] = '\0';
}

/* What is put and what is looked up are keys made in two ways. */
static void engine_cache__finds_names_of_every_length(void)
{
	struct rig *r = kept_rig(1);
	char name[DNS_NAME_BYTES_MAX + 1];

	rig_start(r);
	for (unsigned bytes = 1; bytes <= DNS_NAME_BYTES_MAX; bytes++) {
		if (bytes == 2) /* a label of no bytes */
			continue;
		name_of_bytes(bytes, name);
		kept_learn(r, name, 60);
		CU_ASSERT_EQUAL(kept_hit(r, name).ttl_s, 60);
	}
	rig_finish(r);
}

/* Whoever waited and whoever finds it in the cache get the same TTL, be it bounded. */
static void engine_cache__gives_waiters_the_ttl_that_is_kept(void)
{
	static const struct {
		const char *says;
		uint32_t min_s, max_s;
		struct kept_reply reply;
		uint32_t want_s;
	} rows[] = {
		{"as it is", 0, 1000, {.ttl_s = 300}, 300},
		{"at least the minimum", 60, 1000, {.ttl_s = 5}, 60},
		{"zero, too", 60, 1000, {.ttl_s = 0}, 60},
		{"at most the maximum", 0, 100, {.ttl_s = 101}, 100},
		{"several records", 60, 1000, {.ttl_s = 5, .record_count = 3}, 60},
		{"a top bit is zero", 7, 1000, {.ttl_s = 0x80000001}, 7},
		{"SOA's TTL", 0, 1000, {.ttl_s = 20, .negative = true, .soa_minimum_s = 30}, 20},
		{"SOA's MINIMUM",
		 0,
		 1000,
		 {.ttl_s = 30, .negative = true, .soa_minimum_s = 20},
		 20},
		{"at most that of negative ones",
		 0,
		 1000,
		 {.ttl_s = 900, .rcode = 3, .negative = true, .soa_minimum_s = 900},
		 500},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = kept_rig(1);
		struct kept_got got[2];

		r->config.cache.min_ttl_s = rows[i].min_s;
		r->config.cache.max_ttl_s = rows[i].max_s;
		r->config.cache.negative_max_ttl_s = 500;
		rig_start(r);
		for (unsigned j = 0; j < 2; j++)
			kept_ask(r, "a.example");
		kept_reply(r, &rows[i].reply);
		RIG_ROW(rows[i].says, rig_answer_count(r) == 2);
		for (unsigned j = 0; j < 2; j++) {
			struct rig_answer a;
			struct msg_response response;
			struct msg_record record;
			size_t offset;

			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			CU_ASSERT_FATAL(msg_parse_response((struct span){a.message, a.length_bytes},
							   &response) == MSG_RESPONSE_OK);
			offset = response.records_offset;
			CU_ASSERT_FATAL(msg_record_next(response.message, &offset, &record));
			got[j].ttl_s = record.ttl_s;
		}
		RIG_ROW(rows[i].says, got[0].ttl_s == rows[i].want_s);
		RIG_ROW(rows[i].says, got[1].ttl_s == rows[i].want_s);
		RIG_ROW(rows[i].says, kept_hit(r, "a.example").ttl_s == rows[i].want_s);
		rig_finish(r);
	}
}

static void engine_cache__leaves_ttls_alone_where_nothing_is_kept(void)
{
	struct rig *r = kept_rig(1);

	r->cache_bytes = 0;
	r->config.cache.max_ttl_s = 10;
	rig_start(r);
	kept_ask(r, "a.example");
	kept_reply(r, &(struct kept_reply){.ttl_s = 100});
	CU_ASSERT_EQUAL(kept_got(r).ttl_s, 100);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	CU_ASSERT_PTR_NULL(engine_cache_stats(r->engines[0]));
	rig_finish(r);
}

static void engine_cache__does_not_keep_what_cannot_be_kept(void)
{
	static const struct {
		const char *says;
		struct kept_reply reply;
		uint16_t rcode;
	} rows[] = {
		{"TTL 0", {.ttl_s = 0}, DNS_RCODE_NOERROR},
		{"truncated", {.ttl_s = 60, .flags_on = DNS_FLAG_TC}, DNS_RCODE_NOERROR},
		{"YXDOMAIN", {.ttl_s = 60, .rcode = DNS_RCODE_YXDOMAIN}, DNS_RCODE_YXDOMAIN},
		{"NXDOMAIN without SOA",
		 {.ttl_s = 60, .rcode = 3, .negative = true, .no_soa = true},
		 DNS_RCODE_NXDOMAIN},
		{"SOA for no time",
		 {.ttl_s = 60, .rcode = 3, .negative = true, .soa_minimum_s = 0},
		 DNS_RCODE_NXDOMAIN},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = kept_rig(1);
		struct cache_head head;
		struct rig_answer a;

		rig_start(r);
		CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
		CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_COALESCED);
		kept_reply(r, &rows[i].reply);
		RIG_ROW(rows[i].says, rig_answer_count(r) == 2);
		while (rig_answer_next(r, &a))
			RIG_ROW(rows[i].says, rig_rcode(&a) == rows[i].rcode);
		RIG_ROW(rows[i].says, !kept_entry(r, "a.example", &head));
		RIG_ROW(rows[i].says, kept_ask(r, "a.example") == COUNTER_QUESTION_NEW);
		RIG_ROW(rows[i].says, kept_queries(r) == 1);
		rig_finish(r);
	}
}

static void engine_cache__keeps_negative_answers_and_replaces_them(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;

	rig_start(r);
	kept_ask(r, "a.example");
	kept_reply(r, &(struct kept_reply){
			      .ttl_s = 60, .rcode = 3, .negative = true, .soa_minimum_s = 5});
	CU_ASSERT_EQUAL(kept_got(r).rcode, DNS_RCODE_NXDOMAIN);
	rig_advance(r, 4 * NS_PER_S);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_NXDOMAIN);
	CU_ASSERT_EQUAL(got.ttl_s, 1);
	rig_advance(r, NS_PER_S);
	kept_learn(r, "a.example", 60);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(got.last_byte, 1);
	rig_advance(r, 60 * NS_PER_S);
	/* And no data in place of the address. */
	kept_ask(r, "a.example");
	kept_reply(r, &(struct kept_reply){.ttl_s = 60, .negative = true, .soa_minimum_s = 60});
	CU_ASSERT_EQUAL(kept_got(r).record_count, 0);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(got.record_count, 0);
	rig_finish(r);
}

/* ---- several workers ---- */

static void engine_cache__is_written_by_the_owner_and_read_by_all(void)
{
	struct rig *r = kept_rig(2);
	unsigned owner;

	rig_start(r);
	owner = rig_owner(r, "a.example", DNS_TYPE_A);
	CU_ASSERT_EQUAL(kept_ask_at(r, "a.example", !owner), COUNTER_QUESTION_HANDED_OFF);
	kept_reply(r, &(struct kept_reply){.ttl_s = 60});
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 1);
	CU_ASSERT_EQUAL(engine_cache_stats(r->engines[owner])->inserts, 1);
	CU_ASSERT_EQUAL(engine_cache_stats(r->engines[!owner])->inserts, 0);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(kept_ask_at(r, "a.example", i), COUNTER_CACHE_HIT);
		CU_ASSERT_EQUAL(kept_got(r).ttl_s, 60);
		CU_ASSERT_EQUAL(rig_count_of(r, i, COUNTER_CACHE_HIT), 1);
	}
	rig_finish(r);
}

/* ---- failures ---- */

static void engine_cache__keeps_a_failure_for_a_while(void)
{
	struct rig *r = kept_rig(1);
	struct kept_got got;

	rig_start(r);
	kept_ask(r, "a.example");
	rig_advance(r, 2 * 800 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	kept_fail(r);
	CU_ASSERT_EQUAL(kept_queries(r), 3);
	got = kept_got(r);
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(got.ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_FAILURES), 1);
	got = kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(got.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(got.ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT_EQUAL(kept_queries(r), 0);
	/* It was kept for 5 s from 2.4 s on; kept_fail has waited until 5.6 s. */
	rig_advance(r, 2 * NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(kept_queries(r), 1);
	rig_finish(r);
}

/* Fails once more, and says for how long that is kept. */
static uint32_t fail_again(struct rig *r, uint64_t after_s)
{
	struct cache_head head = {0};

	rig_advance(r, after_s * NS_PER_S);
	CU_ASSERT_EQUAL(kept_ask(r, "a.example"), COUNTER_QUESTION_NEW);
	kept_fail(r);
	rig_forget(r);
	CU_ASSERT(kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(head.rcode, DNS_RCODE_SERVFAIL);
	return head.ttl_s;
}

static void engine_cache__keeps_failures_in_a_row_for_longer_each(void)
{
	struct rig *r = kept_rig(1);

	rig_start(r);
	CU_ASSERT_EQUAL(fail_again(r, 0), 5);
	CU_ASSERT_EQUAL(fail_again(r, 5), 10);
	CU_ASSERT_EQUAL(fail_again(r, 10), 20);
	CU_ASSERT_EQUAL(fail_again(r, 20), 40);
	CU_ASSERT_EQUAL(fail_again(r, 40), 60);
	CU_ASSERT_EQUAL(fail_again(r, 60), 60);
	/* Long after the last one it is the first one. */
	CU_ASSERT_EQUAL(fail_again(r, 60 + 61), 5);
	/* As it is after a success. */
	CU_ASSERT_EQUAL(fail_again(r, 5), 10);
	rig_advance(r, 10 * NS_PER_S);
	kept_learn(r, "a.example", 1);
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 1);
	CU_ASSERT_EQUAL(fail_again(r, 1), 5);
	rig_finish(r);
}

static void engine_cache__bounds_what_is_configured_for_failures(void)
{
	static const struct {
		uint32_t configured_s, first_s, second_s;
	} rows[] = {{0, 1, 2}, {1, 1, 2}, {40, 40, 60}, {100, 100, 100}, {1000, 300, 300}};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = kept_rig(1);

		r->config.cache.failure_ttl_s = rows[i].configured_s;
		rig_start(r);
		CU_ASSERT_EQUAL(fail_again(r, 0), rows[i].first_s);
		CU_ASSERT_EQUAL(fail_again(r, rows[i].first_s), rows[i].second_s);
		rig_finish(r);
	}
}

static void engine_cache__keeps_a_failure_that_servers_reported(void)
{
	struct rig *r = kept_rig(1);

	rig_start(r);
	kept_ask(r, "a.example");
	for (unsigned i = 0; i < 3; i++)
		kept_reply(r, &(struct kept_reply){.rcode = DNS_RCODE_SERVFAIL,
						   .negative = true,
						   .no_soa = true});
	CU_ASSERT_EQUAL(kept_got(r).rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").rcode, DNS_RCODE_SERVFAIL);
	rig_advance(r, 5 * NS_PER_S);
	kept_learn(r, "a.example", 60);
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 1);
	rig_finish(r);
}

/* Our own trouble says nothing about the name, and nobody may keep it from us by guessing. */
static void engine_cache__keeps_no_failure_of_our_own_making(void)
{
	struct cache_head head;
	struct rig *r = kept_rig(1);
	struct rig_query q;

	rig_start(r);
	/* Nothing to draw ports and IDs from. */
	r->entropy_runs = false;
	for (unsigned i = 0; rig_count(r, COUNTER_ENTROPY_WAITS) == 0; i++) {
		char name[40];

		snprintf(name, sizeof(name), "n%u.example", i);
		kept_ask(r, name);
		if (kept_query(r, &q))
			kept_reply_to(r, &q, &(struct kept_reply){.ttl_s = 60});
		CU_ASSERT_FATAL(i < 10000);
	}
	CU_ASSERT(rig_count(r, COUNTER_ENTROPY_WAITS) > 0);
	kept_ask(r, "dry.example");
	kept_fail(r);
	CU_ASSERT(rig_answer_count(r) > 2);
	CU_ASSERT(!kept_entry(r, "dry.example", &head));
	r->entropy_runs = true;
	rig_advance(r, 60 * NS_PER_S);
	rig_forget(r);
	/* Somebody guesses at the first query; then there is silence. */
	CU_ASSERT_EQUAL(kept_ask(r, "guessed.example"), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(kept_query(r, &q));
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &(struct rig_reply){.id_xor = 1}),
			COUNTER_NEAR_MISS);
	kept_fail(r);
	CU_ASSERT_EQUAL(kept_got(r).rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT(!kept_entry(r, "guessed.example", &head));
	CU_ASSERT_EQUAL(kept_ask(r, "guessed.example"), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

/* ---- how long it takes ---- */

static void engine_cache__measures_what_was_waited_for(void)
{
	struct rig *r = kept_rig(1);
	const struct latency *miss, *server;
	unsigned bucket = latency_bucket(5 * NS_PER_MS);

	rig_start(r);
	miss = &engine_latencies(r->engines[0])->miss;
	server = engine_server_latency(r->engines[0], RIG_SERVER_V4_LINK);
	CU_ASSERT_FATAL(server != NULL);
	CU_ASSERT_PTR_NULL(engine_server_latency(r->engines[0], RIG_SERVER_COUNT));
	kept_ask(r, "a.example");
	rig_advance(r, 5 * NS_PER_MS);
	kept_ask(r, "a.example");
	kept_reply(r, &(struct kept_reply){.ttl_s = 60});
	rig_forget(r);
	CU_ASSERT_EQUAL(miss->counts[bucket], 1);
	CU_ASSERT_EQUAL(miss->counts[0], 1);
	CU_ASSERT_EQUAL(miss->sum_ns, 5 * NS_PER_MS);
	CU_ASSERT_EQUAL(server->counts[bucket], 1);
	CU_ASSERT_EQUAL(server->sum_ns, 5 * NS_PER_MS);
	kept_hit(r, "a.example");
	CU_ASSERT_EQUAL(miss->counts[0], 1);
	CU_ASSERT_EQUAL(engine_server_latency(r->engines[0], RIG_SERVER_V4_FAR)->sum_ns, 0);
	rig_finish(r);
}

/* ---- from a file ---- */

/* The entry of a question in r, as a file would have it. */
static unsigned entry_of(struct rig *r, const char *name, uint64_t words[CACHE_ENTRY_WORDS_MAX])
{
	struct cache_key key = rig_cache_key(r, name, DNS_TYPE_A, false);
	struct cache_found found;

	CU_ASSERT_FATAL(engine_cache_find(r->engines[0], &key, words, &found));
	return found.word_count;
}

static void engine_cache__restores_what_it_owns(void)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct rig *r = kept_rig(2);
	struct rig *before = kept_rig(1);
	struct cache_head head;
	struct cache_key key;
	unsigned owner, count;

	rig_start(before);
	rig_start(r);
	kept_learn(before, "a.example", 60);
	count = entry_of(before, "a.example", words);
	key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);
	owner = rig_owner(r, "a.example", DNS_TYPE_A);
	CU_ASSERT(!engine_cache_restore(r->engines[!owner], &key, words, count, r->now));
	CU_ASSERT(!kept_entry(r, "a.example", &head));
	CU_ASSERT(engine_cache_restore(r->engines[owner], &key, words, count, r->now));
	CU_ASSERT(kept_entry(r, "a.example", &head));
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 1);
	rig_finish(before);
	rig_finish(r);
}

static void engine_cache__restores_nothing_over_what_is_newer(void)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct rig *r = kept_rig(1);
	struct cache_key key;
	unsigned count;

	rig_start(r);
	kept_learn(r, "a.example", 60);
	count = entry_of(r, "a.example", words);
	rig_advance(r, 60 * NS_PER_S);
	kept_ask(r, "a.example");
	kept_reply(r, &(struct kept_reply){.ttl_s = 60, .last_byte = 2});
	rig_forget(r);
	key = rig_cache_key(r, "a.example", DNS_TYPE_A, false);
	CU_ASSERT(engine_cache_restore(r->engines[0], &key, words, count, r->now));
	CU_ASSERT_EQUAL(kept_hit(r, "a.example").last_byte, 2);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_cache__answers_again_until_the_ttl_is_over),
	UNIT_TEST(engine_cache__finds_names_of_every_length),
	UNIT_TEST(engine_cache__gives_waiters_the_ttl_that_is_kept),
	UNIT_TEST(engine_cache__leaves_ttls_alone_where_nothing_is_kept),
	UNIT_TEST(engine_cache__does_not_keep_what_cannot_be_kept),
	UNIT_TEST(engine_cache__keeps_negative_answers_and_replaces_them),
	UNIT_TEST(engine_cache__is_written_by_the_owner_and_read_by_all),
	UNIT_TEST(engine_cache__keeps_a_failure_for_a_while),
	UNIT_TEST(engine_cache__keeps_failures_in_a_row_for_longer_each),
	UNIT_TEST(engine_cache__bounds_what_is_configured_for_failures),
	UNIT_TEST(engine_cache__keeps_a_failure_that_servers_reported),
	UNIT_TEST(engine_cache__keeps_no_failure_of_our_own_making),
	UNIT_TEST(engine_cache__measures_what_was_waited_for),
	UNIT_TEST(engine_cache__restores_what_it_owns),
	UNIT_TEST(engine_cache__restores_nothing_over_what_is_newer),
};
UNIT_SUITE(engine_cache, tests)
