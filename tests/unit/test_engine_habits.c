/* Servers that say no, that do not know EDNS, that truncate, or that do not keep letter case. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;

/* Ask, and have the query that results. */
static struct rig_query ask(struct rig *r, const struct rig_question *q)
{
	struct rig_query query = {.server_idx = -1};

	CU_ASSERT_EQUAL(rig_ask(r, q), COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	return query;
}

/* ---- errors ---- */

static void engine_habits__goes_on_to_the_next_after_an_error(void)
{
	static const struct {
		const char *says;
		uint16_t rcode;
		bool goes_on;
	} rows[] = {
		{"SERVFAIL", DNS_RCODE_SERVFAIL, true},
		{"REFUSED", DNS_RCODE_REFUSED, true},
		{"NOTIMP", DNS_RCODE_NOTIMP, true},
		{"FORMERR", DNS_RCODE_FORMERR, true},
		{"NOTAUTH", 9, true},
		{"NXDOMAIN", DNS_RCODE_NXDOMAIN, false},
		{"YXDOMAIN", DNS_RCODE_YXDOMAIN, false},
		{"NOERROR", DNS_RCODE_NOERROR, false},
	};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig *r = rig_new(1);
			struct rig_question q = {.name = "www.example.com",
						 .family = (enum rig_family)family};
			struct rig_reply reply = {.rcode = rows[i].rcode, .no_records = true};
			struct rig_query query;
			struct rig_answer a;

			rig_start(r);
			query = ask(r, &q);
			CU_ASSERT_EQUAL(rig_answer_query(r, &query, &reply),
					COUNTER_UPSTREAM_RESPONSE);
			rig_poll(r);
			if (rows[i].goes_on) {
				CU_ASSERT_FATAL(rig_query_next(r, &query));
				if (query.server_idx == RIG_SERVER_V4_LINK) { /* without EDNS */
					CU_ASSERT(!query.parsed.edns.present);
					rig_answer_query(r, &query, &reply);
					rig_poll(r);
					CU_ASSERT_FATAL(rig_query_next(r, &query));
				}
				RIG_ROW(rows[i].says, query.server_idx == RIG_SERVER_V4_FAR);
				RIG_ROW(rows[i].says, query.parsed.edns.present);
				RIG_ROW(rows[i].says, rig_answer_count(r) == 0);
				rig_answer_query(r, &query, &plain);
			}
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			RIG_ROW(rows[i].says, rig_rcode(&a) == (rows[i].goes_on ? DNS_RCODE_NOERROR
										: rows[i].rcode));
			RIG_ROW(rows[i].says,
				(rig_count(r, COUNTER_UPSTREAM_ERRORS) > 0) == rows[i].goes_on);
			rig_finish(r);
		}
}

static void engine_habits__says_servfail_when_all_say_no(void)
{
	static const uint16_t rcodes[] = {DNS_RCODE_SERVFAIL, DNS_RCODE_REFUSED, DNS_RCODE_NOTIMP,
					  DNS_RCODE_FORMERR};

	for (size_t i = 0; i < ARRAY_COUNT(rcodes); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com", .edns = true};
		struct rig_query query;
		struct rig_answer a;
		struct span ede;
		unsigned servers = 0;

		rig_start(r);
		rig_ask(r, &q);
		for (rig_poll(r); rig_query_next(r, &query); rig_poll(r)) {
			servers |= 1u << query.server_idx;
			rig_answer_query(r, &query,
					 &(struct rig_reply){.rcode = rcodes[i],
							     .no_records = true});
		}
		CU_ASSERT_EQUAL(servers, 7); /* tries: 3 */
		CU_ASSERT_EQUAL_FATAL(rig_answer_count(r), 1);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
		/* RFC 8914 section 4.23: "or they potentially refused to reply". */
		CU_ASSERT_FATAL(rig_option(&a, DNS_OPTION_EDE, &ede));
		CU_ASSERT_EQUAL(rig_u16(ede.data, 0), DNS_EDE_NO_REACHABLE_AUTHORITY);
		rig_finish(r);
	}
}

static void engine_habits__asks_again_without_edns_and_remembers(void)
{
	static const struct {
		const char *says;
		uint16_t rcode;
		bool edns;
	} rows[] = {{"FORMERR", DNS_RCODE_FORMERR, false}, {"NOTIMP", DNS_RCODE_NOTIMP, false}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com"};
		struct rig_query first;
		struct rig_query second;
		struct engine_upstream_row row;

		rig_start(r);
		first = ask(r, &q);
		CU_ASSERT(first.parsed.edns.present);
		rig_answer_query(r, &first,
				 &(struct rig_reply){.rcode = rows[i].rcode,
						     .edns = rows[i].edns,
						     .no_records = true});
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &second));
		RIG_ROW(rows[i].says, second.server_idx == first.server_idx);
		RIG_ROW(rows[i].says, !second.parsed.edns.present);
		rig_answer_query(r, &second, &plain);
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		CU_ASSERT_FATAL(rig_upstream(r, RIG_SERVER_V4_LINK, &row));
		RIG_ROW(rows[i].says, strcmp(row.edns, "off") == 0);
		/* Other questions to that server go without at once, to other servers with. */
		rig_forget(r);
		q.name = "other.example.com";
		first = ask(r, &q);
		RIG_ROW(rows[i].says, !first.parsed.edns.present);
		rig_advance(r, 810 * NS_PER_MS);
		CU_ASSERT_FATAL(rig_query_next(r, &second));
		RIG_ROW(rows[i].says, second.server_idx == RIG_SERVER_V4_FAR);
		RIG_ROW(rows[i].says, second.parsed.edns.present);
		rig_answer_query(r, &second, &plain);
		/* Not for good. */
		rig_advance(r, (SERVER_HABIT_S + 1) * NS_PER_S);
		rig_forget(r);
		q.name = "third.example.com";
		first = ask(r, &q);
		RIG_ROW(rows[i].says, first.parsed.edns.present);
		rig_finish(r);
	}
}

static void engine_habits__does_not_blame_edns_when_it_was_not(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_reply formerr = {.rcode = DNS_RCODE_FORMERR, .no_records = true};
	struct rig_query query;
	struct engine_upstream_row row;

	rig_start(r);
	query = ask(r, &q);
	rig_answer_query(r, &query, &formerr);
	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT(!query.parsed.edns.present);
	rig_answer_query(r, &query, &formerr);
	CU_ASSERT_FATAL(rig_upstream(r, RIG_SERVER_V4_LINK, &row));
	CU_ASSERT_STRING_EQUAL(row.edns, "on");
	rig_finish(r);
}

static void engine_habits__passes_tc_on_without_records(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .edns = true};
	struct rig_reply rows[] = {{.flags_on = DNS_FLAG_TC, .record_count = 5},
				   {.flags_on = DNS_FLAG_TC, .record_count = 5, .cut_bytes = 7},
				   {.flags_on = DNS_FLAG_TC, .no_records = true, .edns = true}};

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig_query query;
			struct rig_answer a;
			struct msg_edns edns;

			q.family = (enum rig_family)family;
			query = ask(r, &q);
			CU_ASSERT_EQUAL(rig_answer_query(r, &query, &rows[i]),
					COUNTER_UPSTREAM_RESPONSE);
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			CU_ASSERT_EQUAL(rig_flags(&a),
					DNS_FLAG_QR | DNS_FLAG_TC | DNS_FLAG_RD | DNS_FLAG_RA);
			CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 0);
			CU_ASSERT(rig_opt(&a, &edns, NULL));
		}
	rig_finish(r);
}

/* ---- 0x20 ---- */

static void engine_habits__draws_every_letters_case(void)
{
	struct rig *r = rig_new(1);
	unsigned upper[12] = {0};
	enum { ASKED = 2000 };

	rig_start(r);
	for (unsigned i = 0; i < ASKED; i++) {
		struct rig_question q = {.name = "abcdefghijkl"};
		struct rig_query query = ask(r, &q);

		for (unsigned at = 0; at < 12; at++)
			upper[at] += (query.parsed.qname.bytes[1 + at] & 0x20) == 0;
		rig_answer_query(r, &query, &plain);
		rig_forget(r);
	}
	/* 0.5 within 5 standard deviations of 2,000 draws (0.011 each). */
	for (unsigned at = 0; at < 12; at++)
		CU_ASSERT(upper[at] > ASKED / 2 - 112 && upper[at] < ASKED / 2 + 112);
	rig_finish(r);
}

static void engine_habits__leaves_case_alone_where_it_is_off(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "aBcdEfghijKl.example.com"};
	struct name lower;
	struct rig_query query;

	r->config.case_randomization = false;
	rig_start(r);
	CU_ASSERT(name_from_text("abcdefghijkl.example.com", &lower));
	query = ask(r, &q);
	CU_ASSERT(name_equal_exact(&query.parsed.qname, &lower));
	/* What was sent is what must come back, there as well. */
	CU_ASSERT_EQUAL(rig_answer_query(r, &query,
					 &(struct rig_reply){.letters = RIG_LETTERS_FLIPPED}),
			COUNTER_MISMATCH_CASE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 1);
	rig_finish(r);
}

static bool lowers_letters(struct rig *r, const struct rig_query *q)
{
	rig_answer_query(r, q, &(struct rig_reply){.letters = RIG_LETTERS_LOWER});
	return false;
}

static void engine_habits__falls_back_for_servers_that_lose_case(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		static const int v4[] = {RIG_SERVER_V4_FAR, -1};
		static const int v6[] = {RIG_SERVER_V6_FAR, -1};
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "twelveletter.example.com",
					 .family = (enum rig_family)family};
		struct engine_upstream_row row;
		struct rig_query query;
		struct name lower;

		rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
		r->on_query = lowers_letters;
		rig_start(r);
		rig_ask(r, &q);
		rig_advance(r, (CASE_PROOFS * (CASE_GRACE_MS + 5)) * NS_PER_MS);
		/* The client does not notice, and after 3 proofs the server is known. */
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_MISMATCH_CASE), CASE_PROOFS);
		CU_ASSERT_EQUAL(rig_query_count(r), CASE_PROOFS + 1);
		CU_ASSERT_FATAL(rig_upstream(
			r, family == RIG_V4 ? RIG_SERVER_V4_FAR : RIG_SERVER_V6_FAR, &row));
		CU_ASSERT_STRING_EQUAL(row.letter_case, "lost");
		rig_forget(r);
		q.name = "OtherName.example.com";
		rig_ask(r, &q);
		CU_ASSERT_EQUAL(rig_query_count(r), 1);
		CU_ASSERT(rig_query_next(r, &query));
		CU_ASSERT(name_from_text("othername.example.com", &lower));
		CU_ASSERT(name_equal_exact(&query.parsed.qname, &lower));
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		rig_finish(r);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_habits__goes_on_to_the_next_after_an_error),
	UNIT_TEST(engine_habits__says_servfail_when_all_say_no),
	UNIT_TEST(engine_habits__asks_again_without_edns_and_remembers),
	UNIT_TEST(engine_habits__does_not_blame_edns_when_it_was_not),
	UNIT_TEST(engine_habits__passes_tc_on_without_records),
	UNIT_TEST(engine_habits__draws_every_letters_case),
	UNIT_TEST(engine_habits__leaves_case_alone_where_it_is_off),
	UNIT_TEST(engine_habits__falls_back_for_servers_that_lose_case),
};
UNIT_SUITE(engine_habits, tests)
