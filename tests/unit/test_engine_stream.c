/* Servers asked over TCP: when, by which budgets, and what becomes of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_state.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "reloads.h"
#include "unit.h"

static const struct rig_reply plain;
static const struct rig_reply truncated = {.flags_on = DNS_FLAG_TC, .no_records = true};
static const struct rig_reply servfail = {.rcode = DNS_RCODE_SERVFAIL, .edns = true};
static const struct rig_reply wrong_id = {.id_xor = 0x5555};

static struct rig *stream_rig(void)
{
	struct rig *r = rig_new(1);

	r->config.tcp_interfaces = 1;
	return r;
}

static struct rig_query ask(struct rig *r, const char *name)
{
	struct rig_question q = {.name = name};
	struct rig_query query;

	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	return query;
}

static struct rig_query next_udp(struct rig *r)
{
	struct rig_query query;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	return query;
}

static struct rig_query next_tcp(struct rig *r)
{
	struct rig_query query;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_stream_query_next(r, &query));
	return query;
}

static void expect(struct rig *r, uint16_t rcode, bool is_truncated)
{
	struct rig_answer a;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), rcode);
	CU_ASSERT_EQUAL((rig_flags(&a) & DNS_FLAG_TC) != 0, is_truncated);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
}

/* ---- truncated ---- */

static void engine_stream__asks_over_tcp_what_came_truncated(void)
{
	struct rig *r = stream_rig();
	struct rig_question q = {.name = "wWw.example.com", .edns = true, .flags_on = DNS_FLAG_CD};
	struct rig_query udp, tcp;
	struct engine_inflight_row row;
	uint32_t cursor = 0;

	rig_start(r);
	rig_ask(r, &q);
	udp = next_udp(r);
	CU_ASSERT_EQUAL(rig_answer_query(r, &udp, &truncated), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	tcp = next_tcp(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	/* The same server, from the same address; the name as it is kept, with EDNS. */
	CU_ASSERT(endpoint_equal(&tcp.server, &udp.server));
	CU_ASSERT(address_equal(&tcp.local.address, &udp.local.address));
	CU_ASSERT(name_equal(&tcp.parsed.qname, &udp.parsed.qname));
	CU_ASSERT(tcp.parsed.edns.present && tcp.parsed.edns.dnssec_ok);
	CU_ASSERT_EQUAL(tcp.parsed.flags & (DNS_FLAG_CD | DNS_FLAG_RD), DNS_FLAG_CD | DNS_FLAG_RD);
	CU_ASSERT(tcp.timeout_ms > 700 && tcp.timeout_ms <= 800);
	CU_ASSERT_EQUAL(rig_gauges(r).tcp_queries_out, 1);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 0);
	CU_ASSERT_EQUAL(engine_report_inflight(r->engines[0], &row, 1, &cursor, r->now), 1);
	CU_ASSERT_STRING_EQUAL(row.state, "reply over TCP");
	CU_ASSERT_EQUAL(row.packets, 1 + UPSTREAM_TCP_PACKETS);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &tcp, &(struct rig_reply){.record_count = 60}),
			COUNTER_UPSTREAM_TCP_RESPONSE);
	expect(r, DNS_RCODE_NOERROR, false);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_TRUNCATED_TO_TCP), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_ERRORS), 0);
	rig_finish(r);
}

/* Where there is no TCP the client is told that there is more, as ever. */
static void engine_stream__leaves_truncated_what_there_is_no_tcp_for(void)
{
	struct rig *r = rig_new(1);
	struct rig_query udp;

	r->config.tcp_interfaces = 2; /* not the one that leads there */
	rig_start(r);
	udp = ask(r, "www.example.com");
	rig_answer_query(r, &udp, &truncated);
	expect(r, DNS_RCODE_NOERROR, true);
	CU_ASSERT_EQUAL(r->stream_queries_sent, 0);
	rig_finish(r);
}

/* No client gets that; the last server's is the end. */
static void engine_stream__goes_on_from_what_is_truncated_over_tcp(void)
{
	struct rig *r = stream_rig();
	struct rig_query q;
	int last = -1;

	rig_start(r);
	q = ask(r, "www.example.com");
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_NOT_EQUAL(q.server_idx, last);
		last = q.server_idx;
		rig_answer_query(r, &q, &truncated);
		q = next_tcp(r);
		CU_ASSERT_EQUAL(q.server_idx, last);
		CU_ASSERT_EQUAL(rig_stream_reply(r, &q, &truncated), COUNTER_UPSTREAM_TCP_UNUSABLE);
		if (i < 2)
			q = next_udp(r);
	}
	expect(r, DNS_RCODE_SERVFAIL, false);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_finish(r);
}

static const struct {
	const char *says;
	enum stream_failure failure;
	bool counts; /* as unanswered, by the server */
} failures[] = {
	{"refused", STREAM_FAILURE_REFUSED, true},
	{"unreachable", STREAM_FAILURE_UNREACHABLE, true},
	{"timeout", STREAM_FAILURE_TIMEOUT, true},
	{"closed", STREAM_FAILURE_CLOSED, true},
	{"garbage", STREAM_FAILURE_GARBAGE, true},
	{"limit", STREAM_FAILURE_LIMIT, false},
};
static_assert(ARRAY_COUNT(failures) == STREAM_FAILURE_COUNT, "each of them");

static void engine_stream__asks_the_next_server_when_tcp_fails(void)
{
	for (unsigned i = 0; i < ARRAY_COUNT(failures); i++) {
		struct rig *r = stream_rig();
		struct engine_upstream_row row;
		struct rig_query q;

		rig_start(r);
		q = ask(r, "www.example.com");
		rig_answer_query(r, &q, &truncated);
		q = next_tcp(r);
		RIG_ROW(failures[i].says, rig_stream_fail(r, &q, failures[i].failure) ==
						  COUNTER_UPSTREAM_TCP_FAILURE);
		RIG_ROW(failures[i].says, rig_upstream(r, RIG_SERVER_V4_LINK, &row) &&
						  row.timeouts == failures[i].counts &&
						  row.under_way == 0);
		q = next_udp(r);
		RIG_ROW(failures[i].says, q.server_idx == RIG_SERVER_V4_FAR);
		rig_answer_query(r, &q, &plain);
		expect(r, DNS_RCODE_NOERROR, false);
		rig_finish(r);
	}
}

static void engine_stream__takes_no_garbage(void)
{
	static const struct {
		const char *says;
		struct rig_reply reply;
	} rows[] = {
		{"another question", {.other_qname = true}},
		{"another type", {.qtype_xor = 2}},
		{"another class", {.qclass_xor = 2}},
		{"a header", {.header_only = true, .rcode = DNS_RCODE_FORMERR}},
		{"no question", {.question_count_0 = true}},
		{"a query", {.flags_off = DNS_FLAG_QR}},
		{"a loop", {.compression_loop = true}},
		{"cut", {.cut_bytes = 3}},
		{"more than there is", {.trailing_bytes = 1}},
	};

	for (unsigned i = 0; i <= ARRAY_COUNT(rows); i++) {
		struct rig *r = stream_rig();
		const char *says = i < ARRAY_COUNT(rows) ? rows[i].says : "nothing";
		struct rig_query q;

		rig_start(r);
		q = ask(r, "www.example.com");
		rig_answer_query(r, &q, &truncated);
		q = next_tcp(r);
		if (i < ARRAY_COUNT(rows))
			RIG_ROW(says, rig_stream_reply(r, &q, &rows[i].reply) ==
					      COUNTER_UPSTREAM_TCP_UNUSABLE);
		else
			RIG_ROW(says, rig_stream_reply_bytes(r, &q, NULL, 0) ==
					      COUNTER_UPSTREAM_TCP_UNUSABLE);
		q = next_udp(r);
		RIG_ROW(says, q.server_idx == RIG_SERVER_V4_FAR);
		rig_finish(r);
	}
}

/* Letter case proves nothing there. */
static void engine_stream__takes_any_letter_case(void)
{
	struct rig *r = stream_rig();
	struct rig_query q;

	rig_start(r);
	q = ask(r, "www.example.com");
	rig_answer_query(r, &q, &truncated);
	q = next_tcp(r);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &q,
					 &(struct rig_reply){.letters = RIG_LETTERS_FLIPPED}),
			COUNTER_UPSTREAM_TCP_RESPONSE);
	expect(r, DNS_RCODE_NOERROR, false);
	rig_finish(r);
}

static void engine_stream__asks_without_edns_whom_that_confuses(void)
{
	struct rig *r = stream_rig();
	struct rig_query q;

	rig_start(r);
	q = ask(r, "www.example.com");
	rig_answer_query(r, &q, &truncated);
	q = next_tcp(r);
	rig_stream_reply(r, &q, &(struct rig_reply){.rcode = DNS_RCODE_FORMERR});
	q = next_tcp(r);
	CU_ASSERT_EQUAL(q.server_idx, RIG_SERVER_V4_LINK);
	CU_ASSERT(!q.parsed.edns.present);
	rig_stream_reply(r, &q, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
	rig_finish(r);
}

static void engine_stream__ends_a_try_at_an_error(void)
{
	struct rig *r = stream_rig();
	struct rig_query q;

	rig_start(r);
	q = ask(r, "www.example.com");
	rig_answer_query(r, &q, &truncated);
	q = next_tcp(r);
	rig_stream_reply(r, &q, &(struct rig_reply){.rcode = DNS_RCODE_SERVFAIL, .edns = true});
	q = next_udp(r);
	CU_ASSERT_EQUAL(q.server_idx, RIG_SERVER_V4_FAR);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_ERRORS), 1);
	rig_finish(r);
}

/* ---- guesses ---- */

static void engine_stream__moves_what_is_guessed_at_to_tcp(void)
{
	struct rig *r = stream_rig();
	struct rig_query udp, tcp;

	rig_start(r);
	udp = ask(r, "www.example.com");
	CU_ASSERT_EQUAL(rig_answer_query(r, &udp, &wrong_id), COUNTER_NEAR_MISS);
	tcp = next_tcp(r); /* at once */
	CU_ASSERT_EQUAL(tcp.server_idx, udp.server_idx);
	/* By UDP not even the right answer is taken any more. */
	CU_ASSERT_EQUAL(rig_answer_query(r, &udp, &plain), COUNTER_LATE_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_stream_reply(r, &tcp, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISSES_TO_TCP), 1);
	rig_finish(r);
}

/* What fails there is as it is without TCP: a pause, and another ticket. */
static void engine_stream__pauses_when_tcp_fails_after_a_guess(void)
{
	struct rig *r = stream_rig();
	struct rig_query udp, tcp;

	rig_start(r);
	udp = ask(r, "www.example.com");
	rig_answer_query(r, &udp, &wrong_id);
	tcp = next_tcp(r);
	rig_stream_fail(r, &tcp, STREAM_FAILURE_REFUSED);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_advance(r, (NEAR_MISS_HOLD_OFF_MS - 1) * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_advance(r, 4 * NS_PER_MS);
	udp = next_udp(r);
	CU_ASSERT_EQUAL(udp.server_idx, RIG_SERVER_V4_FAR);
	/* Again, and this time nothing is heard of it: the pause is twice as long. */
	rig_answer_query(r, &udp, &wrong_id);
	tcp = next_tcp(r);
	rig_advance(r, tcp.timeout_ms * NS_PER_MS + 5 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_TCP_TIMEOUTS), 1);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	rig_advance(r, 2 * NEAR_MISS_HOLD_OFF_MS * NS_PER_MS);
	udp = next_udp(r);
	rig_answer_query(r, &udp, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
	rig_finish(r);
}

static void guess_at(struct rig *r, unsigned number)
{
	struct rig_query q;
	char name[32];

	snprintf(name, sizeof(name), "n%u.example.com", number);
	q = ask(r, name);
	CU_ASSERT_EQUAL(q.server_idx, RIG_SERVER_V4_LINK);
	rig_answer_query(r, &q, &wrong_id);
	q = next_tcp(r);
	rig_stream_reply(r, &q, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
}

static bool is_tcp_only(const struct rig *r)
{
	struct engine_upstream_row row;

	CU_ASSERT_FATAL(rig_upstream(r, RIG_SERVER_V4_LINK, &row));
	return strcmp(row.tcp, "only") == 0;
}

static void engine_stream__asks_a_server_over_tcp_only_for_a_while(void)
{
	static const unsigned whiles_s[] = {10, 20, 40, 80, 160, 300, 300};
	struct rig *r = stream_rig();
	struct rig_question q = {.name = "a.example.com"};
	unsigned number = 0;

	rig_start(r);
	for (unsigned i = 0; i < ARRAY_COUNT(whiles_s); i++) {
		struct rig_query query;

		for (unsigned n = 1; n < NEAR_MISSES_TO_TCP_ONLY; n++)
			guess_at(r, number++);
		CU_ASSERT(!is_tcp_only(r));
		guess_at(r, number++);
		CU_ASSERT(is_tcp_only(r));
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SERVERS_TO_TCP_ONLY), i + 1);
		/* From the first packet on. */
		rig_ask(r, &q);
		CU_ASSERT_EQUAL(rig_query_count(r), 0);
		query = next_tcp(r);
		rig_stream_reply(r, &query, &plain);
		expect(r, DNS_RCODE_NOERROR, false);
		rig_advance(r, (whiles_s[i] - 1) * NS_PER_S);
		CU_ASSERT(is_tcp_only(r));
		rig_advance(r, NS_PER_S);
		CU_ASSERT(!is_tcp_only(r));
	}
	/* All quiet for as long as that: it begins anew. */
	rig_advance(r, TCP_ONLY_S_MAX * NS_PER_S);
	for (unsigned n = 0; n < NEAR_MISSES_TO_TCP_ONLY; n++)
		guess_at(r, number++);
	CU_ASSERT(is_tcp_only(r));
	rig_advance(r, 10 * NS_PER_S);
	CU_ASSERT(!is_tcp_only(r));
	rig_finish(r);
}

/* So many, but over a longer time. */
static void engine_stream__marks_nobody_for_few_guesses(void)
{
	struct rig *r = stream_rig();

	rig_start(r);
	for (unsigned n = 0; n < 4 * NEAR_MISSES_TO_TCP_ONLY; n++) {
		guess_at(r, n);
		rig_advance(r,
			    (NEAR_MISSES_WITHIN_S / (NEAR_MISSES_TO_TCP_ONLY - 1) + 1) * NS_PER_S);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SERVERS_TO_TCP_ONLY), 0);
	rig_finish(r);
}

/* Or who guesses could take it away by that. */
static void engine_stream__lifts_the_mark_of_who_has_no_tcp(void)
{
	static const int one[] = {RIG_SERVER_V4_LINK, -1};
	struct rig *r = stream_rig();
	struct rig_question q = {.name = "a.example.com"};
	struct rig_query query;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, one);
	rig_start(r);
	for (unsigned n = 0; n < NEAR_MISSES_TO_TCP_ONLY; n++)
		guess_at(r, n);
	rig_ask(r, &q);
	query = next_tcp(r);
	rig_stream_fail(r, &query, STREAM_FAILURE_CLOSED); /* it has some */
	CU_ASSERT(is_tcp_only(r));
	query = next_tcp(r);
	rig_stream_fail(r, &query, STREAM_FAILURE_REFUSED);
	CU_ASSERT(!is_tcp_only(r));
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
	rig_finish(r);
}

/* ---- zones over TCP ---- */

static void engine_stream__asks_a_tcp_zone_never_by_udp(void)
{
	static const int two[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, -1};
	struct rig *r = stream_rig();
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, two);
	r->config.zones[0].transport = ZONE_TRANSPORT_TCP;
	rig_start(r);
	rig_ask(r, &q);
	query = next_tcp(r);
	CU_ASSERT_EQUAL(query.server_idx, RIG_SERVER_V4_LINK);
	rig_stream_fail(r, &query, STREAM_FAILURE_CLOSED);
	query = next_tcp(r);
	CU_ASSERT_EQUAL(query.server_idx, RIG_SERVER_V4_FAR);
	rig_stream_reply(r, &query, &plain);
	expect(r, DNS_RCODE_NOERROR, false);
	CU_ASSERT_EQUAL(r->queries_sent, 0);
	rig_finish(r);
}

static void engine_stream__fails_a_tcp_zone_without_tcp(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};

	r->config.zones[0].transport = ZONE_TRANSPORT_TCP;
	rig_start(r);
	rig_ask(r, &q);
	expect(r, DNS_RCODE_SERVFAIL, false);
	CU_ASSERT_EQUAL(r->queries_sent + r->stream_queries_sent, 0);
	rig_finish(r);
}

/* A server that is down is seen to be back by the way that it is asked. */
static void engine_stream__probes_over_tcp_who_is_asked_so(void)
{
	static const int two[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, -1};
	struct rig *r = stream_rig();
	struct engine_upstream_row row;
	struct rig_query query;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, two);
	r->config.zones[0].transport = ZONE_TRANSPORT_TCP;
	rig_start(r);
	for (unsigned i = 0; i < 3; i++) {
		struct rig_question q = {.name = "www.example.com", .client = (uint16_t)i};

		rig_ask(r, &q);
		query = next_tcp(r);
		CU_ASSERT_EQUAL(query.server_idx, RIG_SERVER_V4_LINK);
		rig_stream_fail(r, &query, STREAM_FAILURE_REFUSED);
		query = next_tcp(r);
		rig_stream_reply(r, &query, &plain);
		expect(r, DNS_RCODE_NOERROR, false);
	}
	CU_ASSERT(rig_upstream(r, RIG_SERVER_V4_LINK, &row) && strcmp(row.state, "down") == 0);
	rig_advance(r, 1100 * NS_PER_MS);
	query = next_tcp(r);
	CU_ASSERT(query.is_probe && query.server_idx == RIG_SERVER_V4_LINK);
	CU_ASSERT_EQUAL(rig_stream_fail(r, &query, STREAM_FAILURE_REFUSED),
			COUNTER_UPSTREAM_TCP_FAILURE);
	rig_advance(r, 1100 * NS_PER_MS);
	query = next_tcp(r);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &query, &plain), COUNTER_UPSTREAM_TCP_RESPONSE);
	CU_ASSERT(rig_upstream(r, RIG_SERVER_V4_LINK, &row) && strcmp(row.state, "up") == 0);
	CU_ASSERT_EQUAL(r->queries_sent, 0);
	rig_finish(r);
}

/* ---- budgets ---- */

struct trouble {
	unsigned errors; /* before by_udp */
	unsigned udp, tcp;
	enum stream_failure failure; /* COUNT: nothing is heard */
	const struct rig_reply *by_udp;
};

static bool trouble_udp(struct rig *r, const struct rig_query *q)
{
	struct trouble *t = r->context;

	t->udp++;
	rig_answer_query(r, q, t->udp <= t->errors ? &servfail : t->by_udp);
	return true;
}

static bool trouble_tcp(struct rig *r, const struct rig_query *q)
{
	struct trouble *t = r->context;

	t->tcp++;
	if (t->failure < STREAM_FAILURE_COUNT)
		rig_stream_fail(r, q, t->failure);
	return true;
}

/* Whatever servers do, and however many tries there might be, a question costs so much and ends. */
static void engine_stream__ends_within_its_budgets(void)
{
	static const struct rig_reply *const by_udp[] = {&truncated, &wrong_id};

	for (unsigned failure = 0; failure <= STREAM_FAILURE_COUNT; failure++)
		for (unsigned i = 0; i < 2 * ARRAY_COUNT(by_udp); i++) {
			struct rig *r = stream_rig();
			struct trouble t = {.failure = (enum stream_failure)failure,
					    .by_udp = by_udp[i / 2]};
			struct rig_question q = {.name = "www.example.com"};
			struct rig_answer a;
			mono_ns asked_at;

			r->config.zones[0].tries = 200;
			r->config.zones[0].transport =
				i % 2 != 0 ? ZONE_TRANSPORT_TCP : ZONE_TRANSPORT_AUTO;
			r->context = &t;
			r->on_query = trouble_udp;
			r->on_stream_query = trouble_tcp;
			rig_start(r);
			asked_at = r->now;
			rig_ask(r, &q);
			rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
			CU_ASSERT(a.at <= asked_at + CLIENT_DEADLINE_MS * NS_PER_MS);
			CU_ASSERT(t.tcp >= 1 && t.tcp <= UPSTREAM_TCP_TRIES_MAX);
			CU_ASSERT(t.udp + UPSTREAM_TCP_PACKETS * t.tcp <= UPSTREAM_PACKETS_MAX);
			CU_ASSERT((t.udp == 0) == (i % 2 != 0));
			rig_finish(r);
		}
}

/* No more over TCP than packets are left, be it the first. */
static void engine_stream__begins_nothing_that_is_over_its_budget(void)
{
	for (unsigned errors = UPSTREAM_PACKETS_MAX - UPSTREAM_TCP_PACKETS - 2;
	     errors < UPSTREAM_PACKETS_MAX; errors++) {
		struct rig *r = stream_rig();
		struct trouble t = {
			.errors = errors, .failure = STREAM_FAILURE_CLOSED, .by_udp = &truncated};
		struct rig_question q = {.name = "www.example.com"};
		struct rig_answer a;

		r->config.zones[0].tries = 200;
		r->context = &t;
		r->on_query = trouble_udp;
		r->on_stream_query = trouble_tcp;
		rig_start(r);
		rig_ask(r, &q);
		rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
		CU_ASSERT(rig_answer_next(r, &a) && rig_rcode(&a) == DNS_RCODE_SERVFAIL);
		CU_ASSERT(t.udp + UPSTREAM_TCP_PACKETS * t.tcp <= UPSTREAM_PACKETS_MAX);
		CU_ASSERT_EQUAL(t.tcp, errors + 1 + UPSTREAM_TCP_PACKETS <= UPSTREAM_PACKETS_MAX);
		rig_finish(r);
	}
}

/* ---- what comes too late ---- */

static void engine_stream__drops_what_comes_for_an_old_handle(void)
{
	struct rig *r = stream_rig();
	struct rig_query q, old, other;

	rig_start(r);
	q = ask(r, "www.example.com");
	rig_answer_query(r, &q, &truncated);
	old = next_tcp(r);
	rig_advance(r, 850 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_TCP_TIMEOUTS), 1);
	/* Free, then again in use by UDP, then over TCP. */
	CU_ASSERT_EQUAL(rig_stream_reply(r, &old, &plain), COUNTER_UPSTREAM_TCP_LATE);
	CU_ASSERT_EQUAL(rig_stream_fail(r, &old, STREAM_FAILURE_CLOSED), COUNTER_UPSTREAM_TCP_LATE);
	q = next_udp(r);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &old, &plain), COUNTER_UPSTREAM_TCP_LATE);
	rig_answer_query(r, &q, &truncated);
	q = next_tcp(r);
	CU_ASSERT_EQUAL(q.handle.idx, old.handle.idx);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &old, &plain), COUNTER_UPSTREAM_TCP_LATE);
	other = q;
	other.handle.idx = 1000000;
	CU_ASSERT_EQUAL(rig_stream_reply(r, &other, &plain), COUNTER_UPSTREAM_TCP_LATE);
	other = q;
	other.handle.generation ^= 1;
	CU_ASSERT_EQUAL(rig_stream_reply(r, &other, &plain), COUNTER_UPSTREAM_TCP_LATE);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &q, &plain), COUNTER_UPSTREAM_TCP_RESPONSE);
	CU_ASSERT_EQUAL(rig_stream_reply(r, &q, &plain), COUNTER_UPSTREAM_TCP_LATE);
	expect(r, DNS_RCODE_NOERROR, false);
	rig_finish(r);
}

static bool tcp_at_once(struct rig *r, const struct rig_query *q)
{
	rig_stream_reply(r, q, &plain);
	return true;
}

/* Slots count their uses by 16 bits, and each question here is one: an old handle is not mistaken for a new one. */
static void engine_stream__knows_handles_apart_for_long(void)
{
	enum { USES = 1 << 16, AROUND = 4 };
	struct rig_question question = {.name = "www.example.com"};
	struct rig *r = stream_rig();
	struct rig_query old, q;

	r->config.zones[0].tries = 1;
	r->config.zones[0].transport = ZONE_TRANSPORT_TCP;
	rig_start(r);
	rig_ask(r, &question);
	old = next_tcp(r);
	rig_stream_fail(r, &old, STREAM_FAILURE_CLOSED);
	expect(r, DNS_RCODE_SERVFAIL, false);
	r->checks = false;
	r->on_stream_query = tcp_at_once;
	for (unsigned i = 0; i < USES - AROUND; i++) {
		rig_ask(r, &question);
		rig_poll(r);
		rig_forget(r);
	}
	r->checks = true;
	r->on_stream_query = NULL;
	for (unsigned i = 0; i < 2 * AROUND; i++) {
		rig_ask(r, &question);
		q = next_tcp(r);
		CU_ASSERT_EQUAL(q.handle.idx, old.handle.idx);
		CU_ASSERT_EQUAL(rig_stream_fail(r, &old, STREAM_FAILURE_CLOSED),
				COUNTER_UPSTREAM_TCP_LATE);
		rig_stream_reply(r, &q, &plain);
		expect(r, DNS_RCODE_NOERROR, false);
	}
	rig_finish(r);
}

/* ---- reload ---- */

static const char *const other_server[] = {"203.0.113.12", NULL};

static struct rig_query reload_ask(struct reloads *s)
{
	struct rig_query q;

	reloads_start(s, 1, CACHE_BYTES_MIN);
	reloads_begin(s);
	s->next->tcp_interfaces = 1;
	reloads_zone(s, ".", other_server);
	reloads_zone(s, "example.org", (const char *const[]){"203.0.113.11", NULL});
	reloads_do(s);
	q = ask(s->r, "www.example.org");
	rig_answer_query(s->r, &q, &truncated);
	return next_tcp(s->r);
}

static void engine_stream__takes_the_answer_of_a_zone_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q = reload_ask(&s);

	reloads_begin(&s);
	s.next->tcp_interfaces = 1;
	reloads_zone(&s, ".", other_server);
	reloads_do(&s);
	CU_ASSERT_EQUAL(rig_stream_reply(s.r, &q, &plain), COUNTER_UPSTREAM_TCP_RESPONSE);
	expect(s.r, DNS_RCODE_NOERROR, false);
	/* Who asks now asks the other. */
	q = ask(s.r, "www.example.org");
	rig_answer_query(s.r, &q, &plain);
	expect(s.r, DNS_RCODE_NOERROR, false);
	reloads_finish(&s);
}

static void engine_stream__goes_on_elsewhere_when_its_zone_is_gone(void)
{
	static struct reloads s;
	struct rig_query q = reload_ask(&s);
	struct endpoint other = reloads_server(other_server[0]);

	reloads_begin(&s);
	reloads_zone(&s, ".", other_server); /* no TCP any more, either */
	reloads_do(&s);
	rig_stream_fail(s.r, &q, STREAM_FAILURE_CLOSED);
	q = next_udp(s.r);
	CU_ASSERT(endpoint_equal(&q.server, &other));
	rig_answer_query(s.r, &q, &truncated);
	expect(s.r, DNS_RCODE_NOERROR, true);
	reloads_finish(&s);
}

static void engine_stream__asks_again_what_left_from_an_address_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q = reload_ask(&s);

	reloads_begin(&s);
	s.next->tcp_interfaces = 1;
	s.next->outgoing[0].retired = true;
	reloads_zone(&s, ".", (const char *const[]){"2001:2:0:1::10", NULL});
	reloads_do(&s);
	rig_poll(s.r);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UPSTREAM_TCP_CANCELLED), 1);
	CU_ASSERT_EQUAL(rig_stream_reply(s.r, &q, &plain), COUNTER_UPSTREAM_TCP_LATE);
	reloads_finish(&s);
}

/* ---- two engines ---- */

/* A question of a passed packet and all that comes of it stay with its owner; the mark holds for all. */
static void engine_stream__marks_a_server_for_all_workers(void)
{
	struct rig *r = rig_new(2);
	char name[32];

	r->config.tcp_interfaces = 1;
	rig_start(r);
	for (unsigned n = 0; n < NEAR_MISSES_TO_TCP_ONLY; n++) {
		struct rig_question q = {.name = name, .engine = n % 2};
		struct rig_query query;

		snprintf(name, sizeof(name), "n%u.example.com", n);
		rig_ask(r, &q);
		query = next_udp(r);
		rig_answer_query(r, &query, &wrong_id);
		query = next_tcp(r);
		CU_ASSERT_EQUAL(query.engine, rig_owner(r, name, DNS_TYPE_A));
		rig_stream_reply(r, &query, &plain);
		expect(r, DNS_RCODE_NOERROR, false);
	}
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT(server_tcp_only(&r->engines[i]->servers, RIG_SERVER_V4_LINK, r->now));
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_stream__asks_over_tcp_what_came_truncated),
	UNIT_TEST(engine_stream__leaves_truncated_what_there_is_no_tcp_for),
	UNIT_TEST(engine_stream__goes_on_from_what_is_truncated_over_tcp),
	UNIT_TEST(engine_stream__asks_the_next_server_when_tcp_fails),
	UNIT_TEST(engine_stream__takes_no_garbage),
	UNIT_TEST(engine_stream__takes_any_letter_case),
	UNIT_TEST(engine_stream__asks_without_edns_whom_that_confuses),
	UNIT_TEST(engine_stream__ends_a_try_at_an_error),
	UNIT_TEST(engine_stream__moves_what_is_guessed_at_to_tcp),
	UNIT_TEST(engine_stream__pauses_when_tcp_fails_after_a_guess),
	UNIT_TEST(engine_stream__asks_a_server_over_tcp_only_for_a_while),
	UNIT_TEST(engine_stream__marks_nobody_for_few_guesses),
	UNIT_TEST(engine_stream__lifts_the_mark_of_who_has_no_tcp),
	UNIT_TEST(engine_stream__asks_a_tcp_zone_never_by_udp),
	UNIT_TEST(engine_stream__fails_a_tcp_zone_without_tcp),
	UNIT_TEST(engine_stream__probes_over_tcp_who_is_asked_so),
	UNIT_TEST(engine_stream__ends_within_its_budgets),
	UNIT_TEST(engine_stream__begins_nothing_that_is_over_its_budget),
	UNIT_TEST(engine_stream__drops_what_comes_for_an_old_handle),
	UNIT_TEST(engine_stream__knows_handles_apart_for_long),
	UNIT_TEST(engine_stream__takes_the_answer_of_a_zone_that_is_gone),
	UNIT_TEST(engine_stream__goes_on_elsewhere_when_its_zone_is_gone),
	UNIT_TEST(engine_stream__asks_again_what_left_from_an_address_that_is_gone),
	UNIT_TEST(engine_stream__marks_a_server_for_all_workers),
};
UNIT_SUITE(engine_stream, tests)
