/* What comes back: the true answer wins over everything that is not it (SECURITY.md sections 1.2 A and 3.2). */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define EVIL 66

static const struct rig_reply plain;

static struct rig_query ask(struct rig *r, const struct rig_question *q)
{
	struct rig_query query = {.server_idx = -1};

	CU_ASSERT_EQUAL(rig_ask(r, q), COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	return query;
}

/* The client has exactly one answer, and it is the true one. */
static void expect_good(struct rig *r, const char *says, const struct rig_question *q)
{
	static const uint8_t evil[] = {192, 0, 2, EVIL};
	struct rig_answer a;

	RIG_ROW(says, rig_answer_count(r) == 1);
	if (!rig_answer_next(r, &a))
		return;
	RIG_ROW(says, rig_rcode(&a) == DNS_RCODE_NOERROR);
	RIG_ROW(says, rig_question_is(&a, q));
	RIG_ROW(says, rig_record_count(&a, DNS_TYPE_A) == 1);
	RIG_ROW(says, memmem(a.message, a.length_bytes, evil, sizeof(evil)) == NULL);
}

static const struct bad_row {
	const char *says;
	struct rig_reply reply;
	enum counter outcome;
} bad_rows[] = {
	{"wrong source port", {.server_port_xor = 1}, COUNTER_UNMATCHED},
	{"wrong source address", {.other_server_address = true}, COUNTER_UNMATCHED},
	{"wrong local port", {.local_port_xor = 1}, COUNTER_UNMATCHED},
	{"wrong local address", {.other_local_address = true}, COUNTER_DROP_IP_DST},
	{"wrong QNAME", {.other_qname = true}, COUNTER_MISMATCH_QUESTION},
	{"wrong QTYPE", {.qtype_xor = 3}, COUNTER_MISMATCH_QUESTION},
	{"wrong QCLASS", {.qclass_xor = 2}, COUNTER_MISMATCH_QUESTION},
	{"QNAME case flipped", {.letters = RIG_LETTERS_FLIPPED}, COUNTER_MISMATCH_CASE},
	{"QDCOUNT=0 with answer", {.question_count_0 = true}, COUNTER_RESPONSE_UNPARSABLE},
	{"QR=0", {.flags_off = DNS_FLAG_QR}, COUNTER_RESPONSE_UNPARSABLE},
	{"QR=0 and a wrong ID", {.flags_off = DNS_FLAG_QR, .id_xor = 1}, COUNTER_UNMATCHED},
	{"opcode UPDATE", {.flags_on = 5 << DNS_OPCODE_SHIFT}, COUNTER_RESPONSE_UNPARSABLE},
	{"opcode STATUS", {.flags_on = 2 << DNS_OPCODE_SHIFT}, COUNTER_RESPONSE_UNPARSABLE},
	{"header only", {.header_only = true}, COUNTER_RESPONSE_UNPARSABLE},
	{"header only FORMERR",
	 {.header_only = true, .rcode = DNS_RCODE_FORMERR},
	 COUNTER_RESPONSE_UNPARSABLE},
	{"header only SERVFAIL",
	 {.header_only = true, .rcode = DNS_RCODE_SERVFAIL},
	 COUNTER_RESPONSE_UNPARSABLE},
	{"header only REFUSED",
	 {.header_only = true, .rcode = DNS_RCODE_REFUSED},
	 COUNTER_RESPONSE_UNPARSABLE},
	{"header only NOTIMP",
	 {.header_only = true, .rcode = DNS_RCODE_NOTIMP},
	 COUNTER_RESPONSE_UNPARSABLE},
	{"compression loop in answer", {.compression_loop = true}, COUNTER_RESPONSE_UNPARSABLE},
	{"cut mid answer", {.cut_bytes = 6}, COUNTER_RESPONSE_UNPARSABLE},
	{"cut in the question", {.no_records = true, .cut_bytes = 3}, COUNTER_RESPONSE_UNPARSABLE},
	{"1 trailing byte", {.trailing_bytes = 1}, COUNTER_RESPONSE_UNPARSABLE},
	{"100 trailing bytes", {.trailing_bytes = 100}, COUNTER_RESPONSE_UNPARSABLE},
	{"SERVFAIL to another question",
	 {.other_qname = true, .rcode = DNS_RCODE_SERVFAIL},
	 COUNTER_MISMATCH_QUESTION},
	{"TC to another question",
	 {.other_qname = true, .flags_on = DNS_FLAG_TC},
	 COUNTER_MISMATCH_QUESTION},
};

static void engine_match__lets_the_true_answer_win(void)
{
	static const unsigned copies[] = {1, 10, 300};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t i = 0; i < ARRAY_COUNT(bad_rows); i++)
			for (size_t c = 0; c < ARRAY_COUNT(copies); c++) {
				const struct bad_row *row = &bad_rows[i];
				static const int v4[] = {RIG_SERVER_V4_LINK, -1};
				static const int v6[] = {RIG_SERVER_V6_LINK, -1};
				struct rig *r = rig_new(1);
				struct rig_question q = {.name = "wWw.example.com", .id = 5};
				struct rig_reply bad = row->reply;
				struct rig_query query;

				rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER,
					 family == RIG_V4 ? v4 : v6);
				bad.last_byte = EVIL;
				rig_start(r);
				query = ask(r, &q);
				for (unsigned n = 0; n < copies[c]; n++)
					RIG_ROW(row->says,
						rig_answer_query(r, &query, &bad) == row->outcome);
				rig_advance(r, 250 * NS_PER_MS);
				/* It was no answer, and no reason to ask again either. */
				RIG_ROW(row->says, rig_answer_count(r) == 0);
				RIG_ROW(row->says, rig_query_count(r) == 0);
				RIG_ROW(row->says, rig_count(r, row->outcome) >= copies[c]);
				RIG_ROW(row->says, rig_answer_query(r, &query, &plain) ==
							   COUNTER_UPSTREAM_RESPONSE);
				expect_good(r, row->says, &q);
				rig_finish(r);
			}
}

static void engine_match__lets_the_true_answer_win_over_junk(void)
{
	static const struct {
		const char *says;
		size_t length_bytes;
		enum counter outcome;
	} rows[] = {
		{"0 bytes", 0, COUNTER_UNMATCHED},
		{"1 byte", 1, COUNTER_UNMATCHED},
		{"11 bytes", 11, COUNTER_UNMATCHED},
		{"12 bytes", 12, COUNTER_RESPONSE_UNPARSABLE},
		{"junk after header", 200, COUNTER_RESPONSE_UNPARSABLE},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com", .id = 5};
		struct rig_query query;
		uint8_t junk[200];

		rig_start(r);
		query = ask(r, &q);
		for (size_t at = 0; at < sizeof(junk); at++)
			junk[at] = (uint8_t)unit_random(&r->random);
		memcpy(junk, query.message, 2);
		junk[2] = 0x81;
		junk[3] = 0x80;
		memcpy(junk + 4, "\0\1\0\1\0\0\0\0\377", 9);
		RIG_ROW(rows[i].says,
			rig_answer_bytes(r, &query, junk, rows[i].length_bytes) == rows[i].outcome);
		RIG_ROW(rows[i].says, rig_query_count(r) == 0);
		RIG_ROW(rows[i].says,
			rig_answer_query(r, &query, &plain) == COUNTER_UPSTREAM_RESPONSE);
		expect_good(r, rows[i].says, &q);
		rig_finish(r);
	}
}

/* ---- near misses ---- */

static void engine_match__asks_again_after_a_near_miss(void)
{
	static const unsigned copies[] = {1, 10, 300};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t c = 0; c < ARRAY_COUNT(copies); c++) {
			static const int v4[] = {RIG_SERVER_V4_FAR, -1};
			static const int v6[] = {RIG_SERVER_V6_FAR, -1};
			struct rig *r = rig_new(1);
			struct rig_question q = {.name = "www.example.com", .id = 5};
			struct rig_query first;
			struct rig_query second = {0};
			struct engine_upstream_row row;

			rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
			rig_start(r);
			first = ask(r, &q);
			for (unsigned n = 1; n <= copies[c]; n++)
				CU_ASSERT_EQUAL(
					rig_answer_query(r, &first,
							 &(struct rig_reply){.id_xor = (uint16_t)n,
									     .last_byte = EVIL}),
					n == 1 ? COUNTER_NEAR_MISS : COUNTER_UNMATCHED);
			CU_ASSERT_EQUAL(rig_gauges(r).tickets_late, 1);
			CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 0);
			/* The burnt ticket's own answer is late, and no answer. */
			CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
			CU_ASSERT_EQUAL(rig_answer_count(r), 0);
			rig_advance(r, (NEAR_MISS_HOLD_OFF_MS - 1) * NS_PER_MS);
			CU_ASSERT_EQUAL(rig_query_count(r), 0);
			rig_advance(r, 4 * NS_PER_MS);
			CU_ASSERT_EQUAL(rig_query_count(r), 1);
			CU_ASSERT_FATAL(rig_query_next(r, &second));
			CU_ASSERT(second.local.port != first.local.port ||
				  second.parsed.id != first.parsed.id);
			CU_ASSERT_EQUAL(second.server_idx, first.server_idx);
			CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
			CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain),
					COUNTER_UPSTREAM_RESPONSE);
			expect_good(r, rig_family_text[family], &q);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 1);
			CU_ASSERT_FATAL(rig_upstream(
				r, family == RIG_V4 ? RIG_SERVER_V4_FAR : RIG_SERVER_V6_FAR, &row));
			CU_ASSERT_EQUAL(row.near_misses, 1);
			CU_ASSERT_EQUAL(row.timeouts, 0);
			rig_finish(r);
		}
}

/* Guess at the ticket until it is burnt; returns how many guesses it took. */
static unsigned burn(struct rig *r, const struct rig_query *query)
{
	unsigned guesses = 0;

	while (rig_gauges(r).tickets_out > 0) {
		guesses++;
		CU_ASSERT_FATAL(guesses <= NEAR_MISS_TOLERATED + 1);
		CU_ASSERT_EQUAL(rig_answer_query(r, query,
						 &(struct rig_reply){.id_xor = (uint16_t)guesses}),
				COUNTER_NEAR_MISS);
	}
	return guesses;
}

static void engine_match__holds_off_longer_each_time(void)
{
	static const int one[] = {RIG_SERVER_V4_LINK, -1};
	static const unsigned want_ms[] = {20, 40, 80, 160, 320, 640, 640, 640, 640, 640, 640};
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;
	unsigned burnt = 0;
	uint64_t guesses = 0;
	struct rig_answer a;
	mono_ns began;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, one);
	rig_start(r);
	query = ask(r, &q);
	began = r->now;
	for (;;) {
		/* One guess ends a ticket; only the one after NEAR_MISS_BURNS bears some. */
		unsigned took = burn(r, &query);
		mono_ns burnt_at = r->now;

		CU_ASSERT_EQUAL(took, burnt == NEAR_MISS_BURNS ? NEAR_MISS_TOLERATED + 1 : 1);
		guesses += took;
		while (rig_query_count(r) == 0 && rig_answer_count(r) == 0 &&
		       r->now < began + 5 * NS_PER_S)
			rig_advance(r, NS_PER_MS);
		if (!rig_query_next(r, &query))
			break;
		CU_ASSERT_FATAL(burnt < ARRAY_COUNT(want_ms));
		CU_ASSERT(query.at - burnt_at >= want_ms[burnt] * NS_PER_MS);
		CU_ASSERT(query.at - burnt_at <= (want_ms[burnt] + 4) * NS_PER_MS);
		burnt++;
	}
	/* However much is guessed, the client has an answer in time, and it is none of the guesses. */
	CU_ASSERT(burnt >= 6);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT(a.at <= began + 4 * NS_PER_S);
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), guesses);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_BUDGET), 1);
	rig_finish(r);
}

static bool wrong_id_first(struct rig *r, const struct rig_query *q)
{
	unsigned *asked = r->context;

	++*asked;
	rig_answer_query(r, q, &(struct rig_reply){.id_xor = 0x100, .last_byte = EVIL});
	rig_answer_query(r, q, &plain);
	return true;
}

static void engine_match__hears_a_server_that_always_sends_a_wrong_id_first(void)
{
	static const char *const names[] = {"www.example.com", "a.b", "1.2"};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
			static const int v4[] = {RIG_SERVER_V4_LINK, -1};
			static const int v6[] = {RIG_SERVER_V6_LINK, -1};
			struct rig *r = rig_new(1);
			struct rig_question q = {.name = names[i], .id = 3};
			unsigned asked = 0;

			rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
			r->context = &asked;
			r->on_query = wrong_id_first;
			rig_start(r);
			rig_ask(r, &q);
			rig_advance(r, 4 * NS_PER_S);
			expect_good(r, names[i], &q);
			RIG_ROW(names[i], asked == NEAR_MISS_BURNS + 1);
			rig_finish(r);
		}
}

/* Where few letters hide anything, the one ticket bears one wrong ID and no more. */
static void engine_match__bears_less_where_letters_are_few(void)
{
	static const int one[] = {RIG_SERVER_V4_LINK, -1};
	static const struct {
		const char *says;
		bool case_randomization;
		unsigned guesses;
	} rows[] = {{"a.b", true, 2},
		    {"ab.cd.efg", true, 2},
		    {"ab.cd.efgh", true, 17},
		    {"long.example.com", false, 2}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = rows[i].says};
		struct rig_query query;

		rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, one);
		r->config.case_randomization = rows[i].case_randomization;
		rig_start(r);
		query = ask(r, &q);
		for (unsigned burnt = 0; burnt < NEAR_MISS_BURNS; burnt++) {
			RIG_ROW(rows[i].says, burn(r, &query) == 1);
			rig_advance(r, 50 * NS_PER_MS);
			CU_ASSERT_FATAL(rig_query_next(r, &query));
		}
		RIG_ROW(rows[i].says, burn(r, &query) == rows[i].guesses);
		rig_finish(r);
	}
}

/* Whoever guesses at one server's queries does not keep the others' answers from us. */
static void engine_match__asks_another_server_after_a_near_miss(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .id = 1};
	struct rig_query first;
	struct rig_query second;

	rig_start(r);
	first = ask(r, &q);
	CU_ASSERT_EQUAL(burn(r, &first), 1);
	rig_advance(r, 30 * NS_PER_MS);
	CU_ASSERT_FATAL(rig_query_next(r, &second));
	CU_ASSERT_EQUAL(first.server_idx, RIG_SERVER_V4_LINK);
	CU_ASSERT_EQUAL(second.server_idx, RIG_SERVER_V4_FAR);
	CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain), COUNTER_UPSTREAM_RESPONSE);
	expect_good(r, "the other server", &q);
	rig_finish(r);
}

/* Only what is live can be missed: a late or finished ticket's port is no oracle. */
static void engine_match__sees_no_near_miss_where_nothing_is_live(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_start(r);
	query = ask(r, &q);
	rig_answer_query(r, &query, &plain);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &(struct rig_reply){.id_xor = 1}),
			COUNTER_UNMATCHED);
	q.name = "other.example.com";
	query = ask(r, &q);
	rig_advance(r, 810 * NS_PER_MS); /* timed out: late */
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &(struct rig_reply){.id_xor = 1}),
			COUNTER_UNMATCHED);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 0);
	rig_finish(r);
}

/* One guess burns one question's ticket, not those of others at the same server. */
static void engine_match__burns_only_the_ticket_that_was_missed(void)
{
	struct rig *r = rig_new(1);
	struct rig_query queries[20];

	rig_start(r);
	for (unsigned i = 0; i < ARRAY_COUNT(queries); i++) {
		char name[32];
		struct rig_question q = {.name = name};

		snprintf(name, sizeof(name), "n%u.example.com", i);
		queries[i] = ask(r, &q);
	}
	CU_ASSERT_EQUAL(rig_answer_query(r, &queries[7], &(struct rig_reply){.id_xor = 9}),
			COUNTER_NEAR_MISS);
	for (unsigned i = 0; i < ARRAY_COUNT(queries); i++)
		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &plain),
				i == 7 ? COUNTER_LATE_RESPONSE : COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), ARRAY_COUNT(queries) - 1);
	rig_finish(r);
}

/* ---- late and twice ---- */

static void engine_match__counts_late_replies_as_late(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		static const int v4[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, -1};
		static const int v6[] = {RIG_SERVER_V6_LINK, RIG_SERVER_V6_FAR, -1};
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com"};
		struct rig_query first;
		struct rig_query second;

		rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
		rig_start(r);
		first = ask(r, &q);
		rig_advance(r, 810 * NS_PER_MS);
		CU_ASSERT_FATAL(rig_query_next(r, &second));
		CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
		CU_ASSERT_EQUAL(rig_answer_count(r), 0);
		/* From elsewhere it is not even late. */
		CU_ASSERT_EQUAL(rig_answer_query(r, &first,
						 &(struct rig_reply){.server_port_xor = 1}),
				COUNTER_UNMATCHED);
		CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain), COUNTER_UPSTREAM_RESPONSE);
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		rig_advance(r, 2900 * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
		rig_advance(r, 200 * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_UNMATCHED);
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		rig_finish(r);
	}
}

static void engine_match__takes_an_answer_once(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_start(r);
	query = ask(r, &q);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UNMATCHED);
	CU_ASSERT_EQUAL(rig_answer_count(r), 1);
	rig_finish(r);
}

/* Forged replies in lower case, each before the true one, are never believed and prove nothing. */
static void engine_match__waits_for_the_truth_after_lower_case(void)
{
	static const struct rig_reply forged = {.letters = RIG_LETTERS_LOWER, .last_byte = EVIL};
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .id = 8};

	rig_start(r);
	for (unsigned i = 0; i < 3 * CASE_PROOFS; i++) {
		struct rig_query query = ask(r, &q);

		CU_ASSERT_EQUAL(rig_answer_query(r, &query, &forged), COUNTER_MISMATCH_CASE);
		rig_advance(r, (CASE_GRACE_MS / 2) * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_answer_query(r, &query, &forged), COUNTER_MISMATCH_CASE);
		rig_advance(r, (CASE_GRACE_MS / 2 - 5) * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
		expect_good(r, "lower case first", &q);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_RETRIES), 0);
	rig_finish(r);
}

/* A reply that lost the letter case may be forged, or a server's that does not keep it: asked again. */
static void engine_match__asks_again_when_the_case_was_lost(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .id = 8};
	struct rig_query first;
	struct rig_query second;

	rig_start(r);
	first = ask(r, &q);
	CU_ASSERT_EQUAL(rig_answer_query(r, &first,
					 &(struct rig_reply){.letters = RIG_LETTERS_LOWER,
							     .last_byte = EVIL}),
			COUNTER_MISMATCH_CASE);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_advance(r, (CASE_GRACE_MS + 5) * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_FATAL(rig_query_next(r, &second));
	CU_ASSERT_EQUAL(second.server_idx, first.server_idx);
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_query(r, &second, &plain), COUNTER_UPSTREAM_RESPONSE);
	expect_good(r, "case lost", &q);
	rig_finish(r);
}

static void engine_match__drops_replies_to_ports_that_are_none_of_ours(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_start(r);
	query = ask(r, &q);
	query.local.port = 1023;
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_DROP_UDP_PORT);
	/* A reply to the port that we listen on is a response sent to a server. */
	query.local.port = DNS_PORT;
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_DROP_QUERY_IS_RESPONSE);
	rig_finish(r);
}

/* A word holds a hash of addresses and ports, 24 bits of it. Where another peer and port have the same, what
 * the owner keeps must tell them apart (RFC 5452 section 9.1): neither an answer nor a guess. */
static void engine_match__compares_addresses_and_ports_behind_the_hash(void)
{
	enum { PEERS_MAX = 8192 }; /* times 64,512 ports: 2^29 */
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .id = 5};
	struct rig_query query;
	struct rig_query twin;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;
	bool found = false;

	r->params.under_way_max = 1; /* few buckets: found sooner */
	rig_start(r);
	query = ask(r, &q);
	twin = query;
	for (unsigned peer = 0; peer < PEERS_MAX && !found; peer++) {
		uint64_t peer_hash;

		twin.server.address.bytes[14] = (uint8_t)(1 + (peer >> 8));
		twin.server.address.bytes[15] = (uint8_t)peer;
		peer_hash = inflight_peer_hash(&r->words, 0, &twin.server);
		for (uint32_t port = 1024; port <= UINT16_MAX && !found; port++) {
			twin.local.port = (uint16_t)port;
			found = inflight_find(&r->words, inflight_hash(peer_hash, twin.local.port),
					      query.parsed.id, hits, &hit_count) == INFLIGHT_MATCH;
		}
	}
	CU_ASSERT_FATAL(found);
	CU_ASSERT_EQUAL(rig_answer_query(r, &twin, &(struct rig_reply){.last_byte = EVIL}),
			COUNTER_UNMATCHED);
	CU_ASSERT_EQUAL(rig_answer_query(r, &twin, &(struct rig_reply){.id_xor = 1}),
			COUNTER_UNMATCHED);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	expect_good(r, "after its twin", &q);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_match__lets_the_true_answer_win),
	UNIT_TEST(engine_match__lets_the_true_answer_win_over_junk),
	UNIT_TEST(engine_match__asks_again_after_a_near_miss),
	UNIT_TEST(engine_match__holds_off_longer_each_time),
	UNIT_TEST(engine_match__hears_a_server_that_always_sends_a_wrong_id_first),
	UNIT_TEST(engine_match__bears_less_where_letters_are_few),
	UNIT_TEST(engine_match__asks_another_server_after_a_near_miss),
	UNIT_TEST(engine_match__sees_no_near_miss_where_nothing_is_live),
	UNIT_TEST(engine_match__burns_only_the_ticket_that_was_missed),
	UNIT_TEST(engine_match__counts_late_replies_as_late),
	UNIT_TEST(engine_match__takes_an_answer_once),
	UNIT_TEST(engine_match__waits_for_the_truth_after_lower_case),
	UNIT_TEST(engine_match__asks_again_when_the_case_was_lost),
	UNIT_TEST(engine_match__compares_addresses_and_ports_behind_the_hash),
	UNIT_TEST(engine_match__drops_replies_to_ports_that_are_none_of_ours),
};
UNIT_SUITE(engine_match, tests)
