/* Entries answered: time, states, failures, stale entries, rotation, sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define NOW_S 5000
#define SOA "example. 3600 SOA ns1.example. host.example. 1 7200 900 1209600 900"
#define DAY_S 86400

static struct entry_made made;
static struct entry_message answer, response;

/* An entry of one A record with this TTL, or of a TXT record, which has the general shape. */
static void one_record(bool compact, uint32_t ttl_s, uint32_t stored_at_s)
{
	static const struct cache_entry_rules rules = {0, CACHE_TTL_S_MAX, 3600};
	struct entry_case c = {.qname = "w.example.", .qtype = compact ? DNS_TYPE_A : DNS_TYPE_TXT};
	char line[64];

	snprintf(line, sizeof(line), "w.example. %u %s", ttl_s,
		 compact ? "A 198.18.0.1" : "TXT \"text\"");
	c.answer[0] = line;
	entry_of(&c, &rules, stored_at_s, &made);
	CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
}

/* ---- time ---- */

static void cache_entry_answer__ages_ttls(void)
{
	static const struct {
		uint32_t stored_at_s, ttl_s, now_s, want, want_stale;
	} rows[] = {
		{1000, 300, 1000, 300, 30},
		{1000, 300, 1001, 299, 30},
		{1000, 300, 1270, 30, 30},
		{1000, 300, 1271, 29, 29},
		{1000, 300, 1299, 1, 1},
		{1000, 300, 1300, 0, 30},
		{1000, 300, 1301, 0, 30},
		{1000, 300, 0x7fffffff, 0, 30},
		{1000, 1, 1001, 0, 30},
		{1000, 300, 999, 300, 30}, /* another worker's clock was read earlier */
		{1000, 300, 990, 300, 30},
		{0, 300, 10, 290, 30},
		{0xfffffff0, 300, 0xfffffff0, 300, 30}, /* the clock wraps */
		{0xfffffff0, 300, 0xffffffff, 285, 30},
		{0xfffffff0, 300, 0, 284, 30},
		{0xfffffff0, 300, 283, 1, 1},
		{0xfffffff0, 300, 284, 0, 30},
		{0, 300, 0xffffffff, 300, 30},
		{0xffffff9c, 300, 5, 195, 30}, /* restored: stored before this clock began */
		{1000, CACHE_TTL_S_MAX, 1001, CACHE_TTL_S_MAX - 1, 30},
	};

	for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
		struct cache_entry_answer asked = entry_asked(rows[i / 2].now_s);

		one_record(i % 2 == 0, rows[i / 2].ttl_s, rows[i / 2].stored_at_s);
		entry_answer(made.words, "w.example.", asked, &answer);
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), rows[i / 2].want);
		asked.stale = true;
		entry_answer(made.words, "w.example.", asked, &answer);
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), rows[i / 2].want_stale);
	}
}

static void cache_entry_state__follows_the_clock(void)
{
	static const struct {
		uint32_t ttl_s, max_stale_s, age_s;
		enum cache_entry_state want;
	} rows[] = {
		{300, DAY_S, 0, CACHE_ENTRY_FRESH},
		{300, DAY_S, 299, CACHE_ENTRY_FRESH},
		{300, DAY_S, 300, CACHE_ENTRY_STALE},
		{300, DAY_S, 300 + DAY_S - 1, CACHE_ENTRY_STALE},
		{300, DAY_S, 300 + DAY_S, CACHE_ENTRY_DEAD},
		{300, 0, 299, CACHE_ENTRY_FRESH},
		{300, 0, 300, CACHE_ENTRY_DEAD},
		{300, UINT32_MAX, 0x7fffffff, CACHE_ENTRY_STALE},
		{300, 0, (uint32_t)-5, CACHE_ENTRY_FRESH},
	};

	for (size_t i = 0; i < 4 * ARRAY_COUNT(rows); i++) {
		uint32_t stored_at_s = i / 2 % 2 == 0 ? NOW_S : (uint32_t)-100;

		one_record(i % 2 == 0, rows[i / 4].ttl_s, stored_at_s);
		CU_ASSERT_EQUAL(cache_entry_state(made.words, rows[i / 4].max_stale_s,
						  stored_at_s + rows[i / 4].age_s),
				rows[i / 4].want);
	}
}

static void cache_entry_wants_refresh__in_the_last_tenth(void)
{
	static const struct {
		uint32_t ttl_s, age_s;
		bool want;
	} rows[] = {
		{300, 0, false},
		{300, 269, false},
		{300, 270, true},
		{300, 299, true},
		{300, 300, false},
		{10, 8, false},
		{10, 9, true},
		{10, 10, false},
		{9, 8, false},
		{9, 9, false},
		{1, 0, false},
		{109, 98, false},
		{109, 99, true},
		{3600, 3239, false},
		{3600, 3240, true},
		{CACHE_TTL_S_MAX, CACHE_TTL_S_MAX - 1, true},
		{300, (uint32_t)-5, false},
	};

	for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
		one_record(i % 2 == 0, rows[i / 2].ttl_s, NOW_S);
		CU_ASSERT_EQUAL(cache_entry_wants_refresh(made.words, NOW_S + rows[i / 2].age_s),
				rows[i / 2].want);
	}
}

/* ---- failures ---- */

static void cache_entry_make_failure__is_answered_without_records(void)
{
	static const struct {
		uint16_t rcode, ede;
	} rows[] = {
		{DNS_RCODE_SERVFAIL, DNS_EDE_NONE},
		{DNS_RCODE_SERVFAIL, DNS_EDE_NO_REACHABLE_AUTHORITY},
		{DNS_RCODE_REFUSED, DNS_EDE_OTHER},
		{DNS_RCODE_BADVERS, DNS_EDE_NETWORK_ERROR},
	};
	struct cache_key key = entry_key("w.example.", DNS_TYPE_A);
	struct cache_key again;
	struct entry_message want;
	struct name qname;

	CU_ASSERT_TRUE_FATAL(name_from_text("w.example.", &qname));
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct cache_entry_answer asked = entry_asked(NOW_S);
		struct msg_reply_params params = {
			.client = asked.client,
			.rcode = rows[i].rcode,
			.recursion_available = true,
			.qname = &qname,
			.qtype = DNS_TYPE_A,
			.qclass = DNS_CLASS_IN,
			.ede = rows[i].ede != DNS_EDE_NONE ? rows[i].ede : DNS_EDE_CACHED_ERROR};

		memset(made.words, 0xa5, sizeof(made.words));
		cache_entry_make_failure(made.words, &made.word_count, &key, rows[i].rcode,
					 rows[i].ede, 5, NOW_S);
		CU_ASSERT_TRUE(cache_entry_check(made.words, made.word_count, &again));
		CU_ASSERT_TRUE(cache_entry_is_failure(made.words));
		CU_ASSERT_FALSE(entry_answer(made.words, "w.example.", asked, &answer));
		want.length_bytes = msg_build_reply((struct buffer){want.bytes, 512}, &params);
		/* Beside its own, that it is an old one (RFC 8914 section 4.14). */
		if (rows[i].ede != DNS_EDE_NONE)
			want.length_bytes += msg_add_ede(want.bytes + want.length_bytes -
								 msg_build_opt_bytes(&params.client,
										     rows[i].ede),
							 DNS_EDE_CACHED_ERROR);
		CU_ASSERT_EQUAL_FATAL(answer.length_bytes, want.length_bytes);
		CU_ASSERT_EQUAL(memcmp(answer.bytes, want.bytes, want.length_bytes), 0);
		CU_ASSERT_EQUAL(cache_entry_state(made.words, DAY_S, NOW_S + 4), CACHE_ENTRY_FRESH);
		CU_ASSERT_EQUAL(cache_entry_state(made.words, DAY_S, NOW_S + 5), CACHE_ENTRY_DEAD);
		CU_ASSERT_FALSE(cache_entry_make_stale(made.words, &made.word_count, made.words, 30,
						       DAY_S, NOW_S + 5));
	}
	cache_entry_make_failure(made.words, &made.word_count, &key, DNS_RCODE_SERVFAIL, 22, 300,
				 NOW_S);
	CU_ASSERT_FALSE(cache_entry_wants_refresh(made.words, NOW_S + 299));
	one_record(true, 300, NOW_S);
	CU_ASSERT_FALSE(cache_entry_is_failure(made.words));
}

/* ---- stale ---- */

static void cache_entry_make_stale__ages_from_when_it_was_first_stored(void)
{
	static uint64_t stale[CACHE_ENTRY_WORDS_MAX];
	unsigned word_count;

	for (unsigned compact = 0; compact < 2; compact++) {
		struct cache_key key;

		one_record(compact != 0, 300, NOW_S);
		CU_ASSERT_TRUE(cache_entry_make_stale(stale, &word_count, made.words, 30, 1000,
						      NOW_S + 400));
		CU_ASSERT_EQUAL(word_count, made.word_count);
		CU_ASSERT_TRUE(cache_entry_check(stale, word_count, &key));
		CU_ASSERT_EQUAL(cache_head_get(stale).stored_at_s, NOW_S);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 400),
				CACHE_ENTRY_FRESH_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 429),
				CACHE_ENTRY_FRESH_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 430), CACHE_ENTRY_STALE);
		CU_ASSERT_FALSE(cache_entry_wants_refresh(stale, NOW_S + 429));
		/* Again, in place; its own TTL is still 300. */
		CU_ASSERT_TRUE(
			cache_entry_make_stale(stale, &word_count, stale, 30, 1000, NOW_S + 1200));
		CU_ASSERT_TRUE(cache_entry_check(stale, word_count, &key));
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1229),
				CACHE_ENTRY_FRESH_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1230), CACHE_ENTRY_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1299), CACHE_ENTRY_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1300), CACHE_ENTRY_DEAD);
		/* Not beyond the end of all time, and not beyond it once there. */
		CU_ASSERT_TRUE(
			cache_entry_make_stale(stale, &word_count, stale, 30, 1000, NOW_S + 1290));
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1299),
				CACHE_ENTRY_FRESH_STALE);
		CU_ASSERT_EQUAL(cache_entry_state(stale, 1000, NOW_S + 1300), CACHE_ENTRY_DEAD);
		CU_ASSERT_FALSE(
			cache_entry_make_stale(stale, &word_count, stale, 30, 1000, NOW_S + 1300));
		CU_ASSERT_FALSE(
			cache_entry_make_stale(stale, &word_count, made.words, 30, 0, NOW_S + 300));
	}
}

static void cache_entry_make_stale__leaves_a_fresh_entry_as_it_is(void)
{
	static uint64_t stale[CACHE_ENTRY_WORDS_MAX];
	unsigned word_count;

	one_record(true, 300, NOW_S);
	CU_ASSERT_TRUE(
		cache_entry_make_stale(stale, &word_count, made.words, 30, 1000, NOW_S + 299));
	CU_ASSERT_EQUAL(word_count, made.word_count);
	CU_ASSERT_EQUAL(memcmp(stale, made.words, word_count * 8), 0);
}

static void cache_entry_make_stale__stops_where_the_ttl_cannot_say_it(void)
{
	one_record(true, 300, NOW_S);
	CU_ASSERT_TRUE(cache_entry_make_stale(made.words, &made.word_count, made.words, 30,
					      UINT32_MAX, NOW_S + CACHE_TTL_S_MAX - 1));
	CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, CACHE_TTL_S_MAX);
	CU_ASSERT_FALSE(cache_entry_make_stale(made.words, &made.word_count, made.words, 30,
					       UINT32_MAX, NOW_S + CACHE_TTL_S_MAX));
}

/* RFC 8914: 3 Stale Answer, 19 Stale NXDOMAIN Answer; to those with EDNS. */
static void cache_entry_answer__says_that_it_is_stale(void)
{
	static const struct {
		struct entry_case c;
		uint8_t ede;
	} rows[] = {
		{{.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 A 198.18.0.1"}}, 3},
		{{.qname = "w.example.", .qtype = 16, .answer = {"w.example. 60 TXT \"x\""}}, 3},
		{{.qname = "w.example.", .qtype = 1, .authority = {SOA}}, 3},
		{{.qname = "w.example.", .qtype = 1, .rcode = 3, .authority = {SOA}}, 19},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct cache_entry_answer asked = entry_asked(NOW_S + 5000);
		uint8_t option[] = {0, 15, 0, 2, 0, rows[i].ede};
		size_t with_edns;

		asked.stale = true;
		entry_of(&rows[i].c, &entry_rules, NOW_S, &made);
		entry_answer(made.words, "w.example.", asked, &answer);
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), CACHE_STALE_TTL_S);
		CU_ASSERT_EQUAL(entry_parsed(&answer).edns.option_count, 1);
		CU_ASSERT_EQUAL(memcmp(answer.bytes + answer.length_bytes - sizeof(option), option,
				       sizeof(option)),
				0);
		with_edns = answer.length_bytes;
		asked.client.edns = false;
		entry_answer(made.words, "w.example.", asked, &answer);
		CU_ASSERT_EQUAL(answer.length_bytes, with_edns - 11 - sizeof(option));
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), CACHE_STALE_TTL_S);
	}
}

/* ---- rotation ---- */

/* The last byte of the RDATA of an answer's record. */
static uint8_t last_byte(unsigned record_idx)
{
	struct msg_response r = entry_parsed(&answer);
	size_t at = r.records_offset;
	struct msg_record record;

	for (unsigned i = 0; i <= record_idx; i++)
		CU_ASSERT_TRUE_FATAL(msg_record_next(r.message, &at, &record));
	return answer.bytes[record.end_offset - 1];
}

static void cache_entry_answer__rotation_begins_with_every_record_in_turn(void)
{
	static const struct {
		struct entry_case c;
		unsigned first, count; /* the run of records that changes places */
	} rows[] = {
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 60 A 198.18.0.0", "w.example. 60 A 198.18.0.1",
			     "w.example. 60 A 198.18.0.2"}},
		 0,
		 3},
		{{.qname = "w.example.",
		  .qtype = 28,
		  .answer = {"w.example. 60 AAAA 2001:2::", "w.example. 60 AAAA 2001:2::1"}},
		 0,
		 2},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 60 CNAME v.example.", "v.example. 60 A 198.18.0.0",
			     "v.example. 60 A 198.18.0.1", "v.example. 60 A 198.18.0.2",
			     "v.example. 60 A 198.18.0.3"},
		  .authority = {"example. 60 NS ns.example."}},
		 1,
		 4},
		{{.qname = "w.example.",
		  .qtype = 16,
		  .answer = {"w.example. 60 TXT \"\\000\"", "w.example. 60 TXT \"\\001\""}},
		 0,
		 2},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (uint32_t rotation = 0; rotation < 13; rotation++) {
			struct cache_entry_answer asked = entry_asked(NOW_S + 1);

			asked.rotation = rotation;
			entry_of(&rows[i].c, &entry_rules, NOW_S, &made);
			entry_answer(made.words, "w.example.", asked, &answer);
			for (unsigned k = 0; k < rows[i].count; k++)
				CU_ASSERT_EQUAL(last_byte(rows[i].first + k),
						(rotation + k) % rows[i].count);
			for (unsigned k = 0; k < rows[i].first + rows[i].count; k++)
				CU_ASSERT_EQUAL(entry_ttl(&answer, k), 59);
		}
}

static void cache_entry_answer__rotation_keeps_each_records_ttl(void)
{
	static const struct entry_case cases[] = {
		{.qname = "w.example.",
		 .qtype = 1,
		 .answer = {"w.example. 60 A 198.18.0.60", "w.example. 70 A 198.18.0.70",
			    "w.example. 80 A 198.18.0.80"}},
		{.qname = "w.example.",
		 .qtype = 16,
		 .answer = {"w.example. 60 TXT \"\\060\"", "w.example. 70 TXT \"\\070\"",
			    "w.example. 80 TXT \"\\080\""}},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		for (uint32_t rotation = 0; rotation < 3; rotation++) {
			struct cache_entry_answer asked = entry_asked(NOW_S);

			asked.rotation = rotation;
			entry_of(&cases[i], &entry_rules, NOW_S, &made);
			entry_answer(made.words, "w.example.", asked, &answer);
			for (unsigned k = 0; k < 3; k++)
				CU_ASSERT_EQUAL(entry_ttl(&answer, k), last_byte(k));
		}
}

/* The names of additional records point into the RRset: its records stay where they are. */
static void cache_entry_answer__rotates_nothing_that_is_pointed_into(void)
{
	static const struct {
		struct entry_case c;
		bool rotates;
	} rows[] = {
		{{.qname = "example.",
		  .qtype = 15,
		  .answer = {"example. 60 MX 1 m1.example.", "example. 60 MX 2 m2.example."}},
		 true},
		{{.qname = "example.",
		  .qtype = 15,
		  .answer = {"example. 60 MX 1 m1.example.", "example. 60 MX 2 m2.example."},
		  .additional = {"m2.example. 60 A 198.18.0.1"}},
		 false},
		{{.qname = "example.",
		  .qtype = 15,
		  .answer = {"example. 60 MX 1 m1.example.", "example. 60 MX 2 other.example."}},
		 false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (unsigned compressed = 0; compressed < 2; compressed++) {
			struct cache_entry_answer asked = entry_asked(NOW_S);
			static struct entry_message as_stored;

			entry_response(&rows[i].c, compressed != 0, &response);
			entry_of_message(&response, &entry_rules, NOW_S, &made);
			entry_answer(made.words, "example.", asked, &as_stored);
			asked.rotation = 1;
			entry_answer(made.words, "example.", asked, &answer);
			CU_ASSERT_EQUAL_FATAL(answer.length_bytes, as_stored.length_bytes);
			CU_ASSERT_EQUAL(memcmp(answer.bytes, as_stored.bytes,
					       answer.length_bytes) != 0,
					rows[i].rotates);
		}
}

/* ---- sizes, flags, OPT ---- */

static void cache_entry_answer__leaves_out_additional_records_before_it_truncates(void)
{
	static const struct entry_case c = {
		.qname = "example.",
		.qtype = 15,
		.answer = {"example. 60 MX 1 m1.example.", "example. 60 MX 2 m2.example."},
		.authority = {"example. 60 NS ns.example."},
		.additional = {"m1.example. 60 A 198.18.0.1", "m2.example. 60 AAAA 2001:2::1"},
	};
	struct cache_entry_answer asked = entry_asked(NOW_S);
	size_t whole, without;

	entry_of(&c, &entry_rules, NOW_S, &made);
	entry_answer(made.words, "example.", asked, &answer);
	whole = answer.length_bytes;
	without = whole - 16 - 28;
	for (size_t room = whole + 1; room > 60; room--) {
		bool truncated;
		struct msg_response r;

		asked.client.udp_size_bytes = (uint16_t)room;
		truncated = entry_answer(made.words, "example.", asked, &answer);
		r = entry_parsed(&answer);
		CU_ASSERT_TRUE(answer.length_bytes <= room);
		CU_ASSERT_EQUAL(truncated, room < without);
		CU_ASSERT_EQUAL((r.flags & DNS_FLAG_TC) != 0, truncated);
		CU_ASSERT_EQUAL(r.answer_count, truncated ? 0 : 2);
		CU_ASSERT_EQUAL(r.authority_count, truncated ? 0 : 1);
		CU_ASSERT_EQUAL(r.additional_count, room >= whole ? 3 : 1);
	}
}

static void cache_entry_answer__truncates_a_compact_entry_at_the_byte(void)
{
	struct cache_entry_answer asked = entry_asked(NOW_S);

	for (unsigned edns = 0; edns < 2; edns++) {
		size_t whole = 12 + 11 + 4 + 16 + 11 * edns;

		one_record(true, 300, NOW_S);
		asked.client.edns = edns != 0;
		asked.client.udp_size_bytes = (uint16_t)whole;
		CU_ASSERT_FALSE(entry_answer(made.words, "w.example.", asked, &answer));
		CU_ASSERT_EQUAL(answer.length_bytes, whole);
		asked.client.udp_size_bytes--;
		CU_ASSERT_TRUE(entry_answer(made.words, "w.example.", asked, &answer));
		CU_ASSERT_EQUAL(answer.length_bytes, whole - 16);
		CU_ASSERT_EQUAL(entry_parsed(&answer).flags,
				DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | DNS_FLAG_TC);
	}
}

/* The OPT with a cookie is msg_build's, to the byte. */
static void cache_entry_answer__echoes_the_cookie(void)
{
	static const uint8_t cookie[24] = "clientckserverckserverc";
	static const struct entry_case c = {
		.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 A 198.18.0.1"}};
	struct cache_entry_answer asked = entry_asked(NOW_S);
	struct name qname;
	struct msg_response r;
	struct entry_message want;

	CU_ASSERT_TRUE_FATAL(name_from_text("W.eXample.", &qname));
	entry_response(&c, true, &response);
	entry_of_message(&response, &entry_rules, NOW_S, &made);
	r = entry_parsed(&response);
	for (unsigned i = 0; i < 16; i++) {
		struct msg_reply_params params = {.recursion_available = true,
						  .qname = &qname,
						  .qtype = 1,
						  .qclass = 1,
						  .ede = DNS_EDE_NONE};

		asked.client.cookie = (i & 1) != 0 ? cookie : NULL;
		asked.client.cookie_length_bytes = 24;
		asked.client.dnssec_ok = (i & 2) != 0;
		asked.client.checking_disabled = (i & 4) != 0;
		asked.client.recursion_desired = (i & 8) != 0;
		params.client = asked.client;
		CU_ASSERT_EQUAL(msg_build_answer((struct buffer){want.bytes, sizeof(want.bytes)},
						 &r, &params, &want.length_bytes),
				MSG_ANSWER_OK);
		entry_answer(made.words, "W.eXample.", asked, &answer);
		CU_ASSERT_EQUAL_FATAL(answer.length_bytes, want.length_bytes);
		CU_ASSERT_EQUAL(memcmp(answer.bytes, want.bytes, want.length_bytes), 0);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry_answer__ages_ttls),
	UNIT_TEST(cache_entry_state__follows_the_clock),
	UNIT_TEST(cache_entry_wants_refresh__in_the_last_tenth),
	UNIT_TEST(cache_entry_make_failure__is_answered_without_records),
	UNIT_TEST(cache_entry_make_stale__ages_from_when_it_was_first_stored),
	UNIT_TEST(cache_entry_make_stale__leaves_a_fresh_entry_as_it_is),
	UNIT_TEST(cache_entry_make_stale__stops_where_the_ttl_cannot_say_it),
	UNIT_TEST(cache_entry_answer__says_that_it_is_stale),
	UNIT_TEST(cache_entry_answer__rotation_begins_with_every_record_in_turn),
	UNIT_TEST(cache_entry_answer__rotation_keeps_each_records_ttl),
	UNIT_TEST(cache_entry_answer__rotates_nothing_that_is_pointed_into),
	UNIT_TEST(cache_entry_answer__leaves_out_additional_records_before_it_truncates),
	UNIT_TEST(cache_entry_answer__truncates_a_compact_entry_at_the_byte),
	UNIT_TEST(cache_entry_answer__echoes_the_cookie),
};
UNIT_SUITE(cache_entry, tests)
