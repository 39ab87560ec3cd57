/* What clients see: who is served, cookies, header bits, stripping and truncation. */
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static void engine_client__refuses_clients_that_are_not_allowed(void)
{
	struct rig *r = rig_new(1);
	struct rig_question rows[] = {
		{.name = "www.example.com", .id = 1, .client = 0x0107},
		{.name = "www.example.com", .id = 2, .client = 0x0207},
		{.name = "www.example.com", .id = 3, .client = 0x0107, .family = RIG_V6},
		{.name = "www.example.com", .id = 4, .client = 0x0207, .family = RIG_V6},
		{.name = "www.example.com", .id = 5, .client = 0x0207, .edns = true},
		{.name = "www.example.com", .qtype = DNS_TYPE_ANY, .client = 0x0207},
		{.name = "www.example.com",
		 .id = 6,
		 .client = 0x0207,
		 .edns = true,
		 .options = (const uint8_t *)"\0\12\0\01012345678",
		 .options_length_bytes = 12},
	};

	r->config.allow_count = 2;
	r->config.allow[0] = (struct prefix){rig_address("10.1.1.0"), 120};
	r->config.allow[1] = (struct prefix){rig_address("2001:4860:1::100"), 120};
	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		bool allowed = rows[i].client == 0x0107;
		uint8_t message[RIG_MESSAGE_BYTES_MAX];
		struct rig_answer a;

		CU_ASSERT_EQUAL(rig_ask(r, &rows[i]), !allowed ? COUNTER_QUESTION_REPLIED
						      : i == 0 ? COUNTER_QUESTION_NEW
							       : COUNTER_COALESCED);
		CU_ASSERT_EQUAL(rig_answer_next(r, &a), !allowed);
		if (allowed)
			continue;
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_REFUSED);
		CU_ASSERT(rig_question_is(&a, &rows[i]));
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_HINFO), 0);
		CU_ASSERT(a.length_bytes <= rig_question_build(&rows[i], message));
	}
	rig_finish(r);
}

/* All of one family is not all. */
static void engine_client__allows_families_apart(void)
{
	static const struct {
		const char *address;
		uint8_t bits;
		enum rig_family family;
	} all[] = {{"::", 0, RIG_V6}, {"0.0.0.0", 96, RIG_V4}};

	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		struct rig *r = rig_new(1);
		struct rig_question v4 = {.name = "www.example.com", .family = RIG_V4};
		struct rig_question v6 = {.name = "www.example.com", .family = RIG_V6};

		r->config.allow_count = 1;
		r->config.allow[0] = (struct prefix){rig_address(all[i].address), all[i].bits};
		rig_start(r);
		CU_ASSERT_EQUAL(rig_ask(r, &v4), all[i].family == RIG_V4
							 ? COUNTER_QUESTION_NEW
							 : COUNTER_QUESTION_REPLIED);
		CU_ASSERT_EQUAL(rig_ask(r, &v6), all[i].family == RIG_V6
							 ? COUNTER_QUESTION_NEW
							 : COUNTER_QUESTION_REPLIED);
		rig_forget(r);
		rig_finish(r);
	}
}

static void engine_client__refuses_names_of_no_zone(void)
{
	static const int servers[] = {RIG_SERVER_V4_LINK, -1};
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.org", .id = 77};
	struct rig_answer a;

	rig_zone(r, 0, "example.com", SERVER_POLICY_IN_ORDER, servers);
	rig_start(r);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_REPLIED);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_REFUSED);
	CU_ASSERT(rig_question_is(&a, &q));
	rig_finish(r);
}

/* RFC 8482 section 4.2. */
static void engine_client__answers_any_with_hinfo(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "WWW.example.com", .qtype = DNS_TYPE_ANY, .id = 3};
	struct rig_answer a;

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		q.family = (enum rig_family)family;
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_REPLIED);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_HINFO), 1);
		CU_ASSERT(rig_question_is(&a, &q));
		CU_ASSERT_EQUAL(rig_query_count(r), 0);
	}
	rig_finish(r);
}

/* ---- cookies ---- */

static const uint8_t client_cookie_option[] = "\0\12\0\010\1\2\3\4\5\6\7\10";

static void cookie_check_answer(const struct rig *r, const struct rig_answer *a,
				uint8_t out[COOKIE_BYTES])
{
	struct span cookie = {NULL, 0};
	uint32_t wall_s = r->params.wall_s + (uint32_t)((r->now - r->params.now) / NS_PER_S);

	CU_ASSERT_FATAL(rig_option(a, DNS_OPTION_COOKIE, &cookie));
	CU_ASSERT_EQUAL_FATAL(cookie.length_bytes, COOKIE_BYTES);
	CU_ASSERT(memcmp(cookie.data, client_cookie_option + 4, DNS_COOKIE_CLIENT_BYTES) == 0);
	CU_ASSERT_EQUAL(cookie_check(&r->params.cookie_key, cookie, &a->client.address, wall_s),
			COOKIE_VALID);
	memcpy(out, cookie.data, COOKIE_BYTES);
}

static void engine_client__gives_server_cookies(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com",
				 .edns = true,
				 .options = client_cookie_option,
				 .options_length_bytes = sizeof(client_cookie_option) - 1};
	struct rig_query query;
	struct rig_answer a;
	uint8_t cookie[COOKIE_BYTES];

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		q.family = (enum rig_family)family;
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		CU_ASSERT_EQUAL(query.parsed.edns.cookie.length_bytes, 0);
		rig_answer_query(r, &query, &(struct rig_reply){.edns = true});
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		cookie_check_answer(r, &a, cookie);
		rig_advance(r, 100 * NS_PER_S);
	}
	rig_finish(r);
}

/* RFC 7873 section 5.4: a query for a cookie alone. */
static void engine_client__answers_questions_for_a_cookie_alone(void)
{
	static const struct {
		const char *says;
		uint64_t wait_s;
		uint8_t flip;
		uint16_t rcode;
	} rows[] = {
		{"fresh", 0, 0, DNS_RCODE_NOERROR},
		{"half an hour old", 1800, 0, DNS_RCODE_NOERROR},
		{"two hours old", 7200, 0, DNS_RCODE_BADCOOKIE},
		{"forged", 0, 1, DNS_RCODE_BADCOOKIE},
	};
	/* Header with ARCOUNT 1 and RD, OPT with RDLENGTH 12, an 8-byte cookie. */
	static const uint8_t client_only[] = "\xab\xcd\1\0\0\0\0\0\0\0\0\1"
					     "\0\0\51\4\320\0\0\0\0\0\14"
					     "\0\12\0\10\1\2\3\4\5\6\7\10";

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question from = {.family = i % 2 == 0 ? RIG_V4 : RIG_V6};
		uint8_t message[RIG_MESSAGE_BYTES_MAX];
		size_t length = sizeof(client_only) - 1;
		uint8_t cookie[COOKIE_BYTES];
		struct rig_answer a;

		memcpy(message, client_only, length);
		rig_start(r);
		CU_ASSERT_EQUAL(rig_send(r, &from, message, length), COUNTER_QUESTION_REPLIED);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, rig_rcode(&a) == DNS_RCODE_NOERROR);
		RIG_ROW(rows[i].says, rig_u16(a.message, 0) == 0xabcd);
		RIG_ROW(rows[i].says, rig_u16(a.message, 4) == 0);
		RIG_ROW(rows[i].says, rig_flags(&a) == (DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA));
		cookie_check_answer(r, &a, cookie);
		/* And once more with the server cookie. */
		rig_advance(r, rows[i].wait_s * NS_PER_S);
		cookie[COOKIE_BYTES - 1] ^= rows[i].flip;
		message[22] = 4 + COOKIE_BYTES;
		message[26] = COOKIE_BYTES;
		memcpy(message + 27, cookie, COOKIE_BYTES);
		CU_ASSERT_EQUAL(rig_send(r, &from, message, 27 + COOKIE_BYTES),
				COUNTER_QUESTION_REPLIED);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, rig_rcode(&a) == rows[i].rcode);
		RIG_ROW(rows[i].says, rig_u16(a.message, 4) == 0);
		cookie_check_answer(r, &a, cookie);
		rig_finish(r);
	}
}

/* ---- answers ---- */

static void engine_client__sets_the_header_right(void)
{
	static const struct {
		const char *says;
		uint16_t query_on;
		uint16_t reply_on;
		uint16_t reply_off;
		uint16_t want;
	} rows[] = {
		{"plain", 0, 0, 0, DNS_FLAG_RD | DNS_FLAG_RA},
		{"AA is cleared", 0, DNS_FLAG_AA, 0, DNS_FLAG_RD | DNS_FLAG_RA},
		{"AD is cleared", DNS_FLAG_AD, DNS_FLAG_AD, 0, DNS_FLAG_RD | DNS_FLAG_RA},
		{"RA is ours", 0, 0, DNS_FLAG_RA, DNS_FLAG_RD | DNS_FLAG_RA},
		{"RD is the client's", 0, 0, DNS_FLAG_RD, DNS_FLAG_RD | DNS_FLAG_RA},
		{"CD is the client's", DNS_FLAG_CD, 0, 0, DNS_FLAG_RD | DNS_FLAG_RA | DNS_FLAG_CD},
		{"CD is not the server's", 0, DNS_FLAG_CD, 0, DNS_FLAG_RD | DNS_FLAG_RA},
		{"Z is cleared", DNS_FLAG_Z, DNS_FLAG_Z, 0, DNS_FLAG_RD | DNS_FLAG_RA},
	};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_new(1);

		rig_start(r);
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig_question q = {.name = "wWw.ExAmple.CoM",
						 .id = (uint16_t)(i * 7919),
						 .flags_on = rows[i].query_on,
						 .family = (enum rig_family)family,
						 .client = (uint16_t)(0x0300 + i),
						 .client_port = (uint16_t)(5000 + i)};
			struct endpoint client = rig_client(q.family, q.client, q.client_port);
			struct mac mac = rig_mac((uint8_t)i);
			struct rig_query query;
			struct rig_answer a;

			rig_ask(r, &q);
			CU_ASSERT_FATAL(rig_query_next(r, &query));
			RIG_ROW(rows[i].says, (query.parsed.flags & DNS_FLAG_CD) ==
						      (rows[i].query_on & DNS_FLAG_CD));
			rig_answer_query(r, &query,
					 &(struct rig_reply){.flags_on = rows[i].reply_on,
							     .flags_off = rows[i].reply_off});
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			RIG_ROW(rows[i].says, rig_flags(&a) == (rows[i].want | DNS_FLAG_QR));
			RIG_ROW(rows[i].says, rig_question_is(&a, &q));
			RIG_ROW(rows[i].says, endpoint_equal(&a.client, &client));
			RIG_ROW(rows[i].says,
				endpoint_equal(&a.local, &r->config.listen[family].endpoint));
			RIG_ROW(rows[i].says, mac_equal(&a.mac, &mac));
		}
		rig_finish(r);
	}
}

static void engine_client__strips_dnssec_without_do(void)
{
	static const struct {
		const char *says;
		bool edns;
		bool dnssec_ok;
		unsigned records;
	} rows[] = {
		{"no EDNS", false, false, 0},
		{"EDNS without DO", true, false, 0},
		{"DO", true, true, 1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {.name = "www.example.com",
					 .edns = rows[i].edns,
					 .dnssec_ok = rows[i].dnssec_ok};
		struct rig_query query;
		struct rig_answer a;
		struct msg_edns edns = {0};

		rig_start(r);
		rig_ask(r, &q);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		rig_answer_query(r, &query, &(struct rig_reply){.signature = true, .edns = true});
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_A) == 1);
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_RRSIG) == rows[i].records);
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_NSEC) == rows[i].records);
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_DS) == rows[i].records);
		RIG_ROW(rows[i].says, rig_opt(&a, &edns, NULL) == rows[i].edns);
		RIG_ROW(rows[i].says, edns.dnssec_ok == rows[i].dnssec_ok);
		rig_finish(r);
	}
}

static void engine_client__truncates_at_the_clients_size(void)
{
	/* header 12, question 21, OPT 11; each A record 16. */
	static const struct {
		const char *says;
		uint16_t size; /* 0: no EDNS */
		uint16_t records;
		bool truncated;
	} rows[] = {
		{"no EDNS, 512 to the byte", 0, 29, false}, /* 33 + 464 = 497 */
		{"no EDNS, over 512", 0, 30, true},         /* 513 */
		{"size below 512 is 512", 100, 29, false},  /* 508 */
		{"size 511, over 512", 511, 30, true},      /* 524 */
		{"size 700", 700, 41, false},               /* 700 */
		{"size 700, over it", 700, 42, true},
		{"1232", 1232, 74, false}, /* 1228 */
		{"over 1232", 1232, 75, true},
		{"never over 1232", 4096, 75, true},
		{"65535 is 1232", 65535, 74, false},
	};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_new(1);
		uint64_t truncated = 0;

		rig_start(r);
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig_question q = {.name = "www.example.com",
						 .family = (enum rig_family)family,
						 .edns = rows[i].size != 0,
						 .udp_size_bytes = rows[i].size};
			struct rig_query query;
			struct rig_answer a;
			struct msg_edns edns;

			rig_ask(r, &q);
			CU_ASSERT_FATAL(rig_query_next(r, &query));
			rig_answer_query(r, &query,
					 &(struct rig_reply){.record_count = rows[i].records});
			CU_ASSERT_FATAL(rig_answer_next(r, &a));
			RIG_ROW(rows[i].says,
				((rig_flags(&a) & DNS_FLAG_TC) != 0) == rows[i].truncated);
			RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_A) ==
						      (rows[i].truncated ? 0 : rows[i].records));
			RIG_ROW(rows[i].says, rig_opt(&a, &edns, NULL) == q.edns);
			RIG_ROW(rows[i].says, !q.edns || edns.udp_size_bytes == EDNS_UDP_BYTES);
			RIG_ROW(rows[i].says, rig_question_is(&a, &q));
			truncated += rows[i].truncated;
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_TRUNCATED), truncated);
		}
		rig_finish(r);
	}
}

/* Every waiter gets what it asked for, out of one upstream answer. */
static void engine_client__gives_each_waiter_its_own_form(void)
{
	struct rig *r = rig_new(1);
	struct rig_question asked[] = {
		{.name = "www.example.com", .id = 1},
		{.name = "WWW.EXAMPLE.COM", .id = 2, .edns = true, .dnssec_ok = true, .client = 2},
		{.name = "wWw.eXaMpLe.cOm", .id = 3, .family = RIG_V6, .client = 3},
		{.name = "www.example.coM",
		 .id = 4,
		 .edns = true,
		 .family = RIG_V6,
		 .client = 4,
		 .options = client_cookie_option,
		 .options_length_bytes = sizeof(client_cookie_option) - 1},
	};
	struct rig_query query;

	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(asked); i++)
		CU_ASSERT_EQUAL(rig_ask(r, &asked[i]),
				i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	CU_ASSERT_EQUAL(rig_query_count(r), 1);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &(struct rig_reply){.signature = true, .edns = true});
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_answer_count(r), ARRAY_COUNT(asked));
	for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
		struct rig_answer a;
		const struct rig_question *q;
		struct msg_edns edns = {0};
		struct span cookie;

		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		q = &asked[(rig_u16(a.message, 0) - 1u) % ARRAY_COUNT(asked)];
		CU_ASSERT(rig_question_is(&a, q));
		CU_ASSERT(endpoint_equal(
			&a.client,
			&(struct endpoint){rig_client(q->family, q->client, 0).address, 40000}));
		CU_ASSERT_EQUAL(rig_opt(&a, &edns, NULL), q->edns);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_RRSIG), q->dnssec_ok);
		CU_ASSERT_EQUAL(rig_option(&a, DNS_OPTION_COOKIE, &cookie), q->options != NULL);
	}
	rig_finish(r);
}

static void engine_client__stops_taking_but_finishes(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;

	rig_start(r);
	CU_ASSERT(engine_idle(r->engines[0]));
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT(!engine_idle(r->engines[0]));
	engine_stop_taking(r->engines[0]);
	q.id = 2;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_STOPPING);
	q.name = "other.example.com";
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_STOPPING);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &(struct rig_reply){0});
	CU_ASSERT_EQUAL(rig_answer_count(r), 1);
	CU_ASSERT(engine_idle(r->engines[0]));
	rig_finish(r);
}

/* A small MTU bounds what we send and what we tell servers that we take (SECURITY.md section 3.3 row 46). */
static void engine_client__keeps_within_the_mtu(void)
{
	enum { MTU = 576, PAYLOAD_MAX = MTU - 28 };
	static const struct {
		const char *says;
		uint16_t records;
		bool truncated;
	} rows[] = {{"fits", 25, false}, {"does not fit", 40, true}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		struct rig_question q = {
			.name = "www.example.com", .edns = true, .udp_size_bytes = 4096};
		struct rig_query query;
		struct rig_answer a;

		r->config.interfaces[0].mtu_bytes = MTU;
		rig_start(r);
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		RIG_ROW(rows[i].says, query.parsed.edns.udp_size_bytes == PAYLOAD_MAX);
		rig_answer_query(r, &query,
				 &(struct rig_reply){.edns = true,
						     .record_count = rows[i].records});
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, a.length_bytes <= PAYLOAD_MAX);
		RIG_ROW(rows[i].says, ((rig_flags(&a) & DNS_FLAG_TC) != 0) == rows[i].truncated);
		rig_finish(r);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_client__keeps_within_the_mtu),
	UNIT_TEST(engine_client__refuses_clients_that_are_not_allowed),
	UNIT_TEST(engine_client__allows_families_apart),
	UNIT_TEST(engine_client__refuses_names_of_no_zone),
	UNIT_TEST(engine_client__answers_any_with_hinfo),
	UNIT_TEST(engine_client__gives_server_cookies),
	UNIT_TEST(engine_client__answers_questions_for_a_cookie_alone),
	UNIT_TEST(engine_client__sets_the_header_right),
	UNIT_TEST(engine_client__strips_dnssec_without_do),
	UNIT_TEST(engine_client__truncates_at_the_clients_size),
	UNIT_TEST(engine_client__gives_each_waiter_its_own_form),
	UNIT_TEST(engine_client__stops_taking_but_finishes),
};
UNIT_SUITE(engine_client, tests)
