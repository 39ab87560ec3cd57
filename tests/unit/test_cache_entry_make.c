/* What is kept of a response, for how long, and in how little room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define NOW_S 5000
#define SOA "example. 3600 SOA ns1.example. host.example. 1 7200 900 1209600 900"

static struct entry_made made;
static struct entry_message response, answer;

/* ---- room ---- */

/* One record at a name of this length. */
static void one_record(unsigned name_bytes, uint16_t type, unsigned rdata_bytes)
{
	uint8_t *p = response.bytes;
	unsigned left = name_bytes - 1;

	memset(p, 0, DNS_HEADER_BYTES);
	wire_put_u16(p + 2, DNS_FLAG_QR);
	wire_put_u16(p + 4, 1);
	wire_put_u16(p + 6, 1);
	p += DNS_HEADER_BYTES;
	while (left > 0) {
		unsigned label = left - 1 < DNS_LABEL_BYTES_MAX ? left - 1 : DNS_LABEL_BYTES_MAX;

		if (left - 1 - label == 1)
			label--; /* no room for another label's byte */
		*p++ = (uint8_t)label;
		memset(p, 'n', label);
		p += label;
		left -= label + 1;
	}
	*p++ = 0;
	wire_put_u16(p, type);
	wire_put_u16(p + 2, DNS_CLASS_IN);
	p += 4;
	wire_put_u16(p, 0xc00c);
	wire_put_u16(p + 2, type);
	wire_put_u16(p + 4, DNS_CLASS_IN);
	wire_put_u32(p + 6, 300);
	wire_put_u16(p + 10, (uint16_t)rdata_bytes);
	memset(p + 12, 1, rdata_bytes);
	response.length_bytes = (size_t)(p + 12 + rdata_bytes - response.bytes);
}

static void cache_entry_make__one_record_costs_name_rdata_and_40_bytes(void)
{
	static const struct {
		uint16_t type;
		unsigned rdata_bytes;
	} rows[] = {{DNS_TYPE_A, 4}, {DNS_TYPE_AAAA, 16}};

	for (unsigned name_bytes = 1; name_bytes <= DNS_NAME_BYTES_MAX; name_bytes++)
		for (size_t i = 0; i < ARRAY_COUNT(rows) && name_bytes != 2; i++) {
			one_record(name_bytes, rows[i].type, rows[i].rdata_bytes);
			entry_of_message(&response, &entry_rules, NOW_S, &made);
			CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
			CU_ASSERT_EQUAL(made.key.image_bytes, CACHE_KEY_NAME + name_bytes);
			CU_ASSERT_TRUE(made.word_count * 8 <=
				       name_bytes + rows[i].rdata_bytes + 40);
		}
}

/* ---- for how long ---- */

static void cache_entry_make__keeps_ttls_within_the_rules(void)
{
	static const struct {
		uint32_t ttl_s, min_ttl_s, max_ttl_s, want; /* 0: not kept */
	} rows[] = {
		{300, 0, 86400, 300},
		{0, 0, 86400, 0},
		{1, 0, 86400, 1},
		{0, 60, 86400, 60},
		{59, 60, 86400, 60},
		{60, 60, 86400, 60},
		{61, 60, 86400, 61},
		{86400, 0, 86400, 86400},
		{86401, 0, 86400, 86400},
		{0x7fffffff, 0, 86400, 86400},
		{0x7fffffff, 0, CACHE_TTL_S_MAX, CACHE_TTL_S_MAX},
		{0x80000000, 0, 86400, 0}, /* RFC 2181 section 8 */
		{0xffffffff, 0, 86400, 0},
		{0xffffffff, 5, 86400, 5},
	};
	/* Both shapes: as it came, and with owners written out. */
	static const char *const lines[] = {"www.example. 77 A 198.18.0.1",
					    "www.example. 77 TXT \"text\""};

	for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
		struct cache_entry_rules rules = {rows[i / 2].min_ttl_s, rows[i / 2].max_ttl_s,
						  3600};
		struct entry_case c = {.qname = "www.example.", .answer = {lines[i % 2]}};
		size_t ttl;

		c.qtype = i % 2 == 0 ? DNS_TYPE_A : DNS_TYPE_TXT;
		entry_response(&c, true, &response);
		ttl = entry_parsed(&response).records_offset + 6u;
		CU_ASSERT_EQUAL_FATAL(wire_get_u32(response.bytes + ttl), 77);
		wire_put_u32(response.bytes + ttl, rows[i / 2].ttl_s);
		entry_of_message(&response, &rules, NOW_S, &made);
		CU_ASSERT_EQUAL(made.result,
				rows[i / 2].want == 0 ? CACHE_ENTRY_TTL_ZERO : CACHE_ENTRY_OK);
		if (made.result != CACHE_ENTRY_OK)
			continue;
		CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, rows[i / 2].want);
		CU_ASSERT_EQUAL(cache_head_get(made.words).stored_at_s, NOW_S);
		entry_answer(made.words, c.qname, entry_asked(NOW_S), &answer);
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), rows[i / 2].want);
	}
}

static void cache_entry_make__lives_as_long_as_its_shortest_record(void)
{
	static const struct {
		struct entry_case c;
		uint32_t want;
	} rows[] = {
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 9 A 198.18.0.1", "w.example. 8 A 198.18.0.2"}},
		 8},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 300 CNAME v.example.", "v.example. 20 A 198.18.0.2"}},
		 20},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 300 A 198.18.0.1"},
		  .authority = {"example. 200 NS ns.example."},
		  .additional = {"ns.example. 100 A 198.18.0.53"}},
		 100},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer =
			  {"w.example. 300 A 198.18.0.1",
			   "w.example. 50 RRSIG A 13 2 300 20300101000000 20200101000000 3 example. AQIDBA=="}},
		 50},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .rcode = 3,
		  .answer = {"w.example. 5 CNAME v.example."},
		  .authority = {SOA}},
		 5},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		entry_of(&rows[i].c, &entry_rules, NOW_S, &made);
		CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
		CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, rows[i].want);
	}
}

/* RFC 2308 sections 3 and 5. */
static void cache_entry_make__keeps_negative_answers_as_long_as_the_soa_says(void)
{
	static const struct {
		uint32_t ttl_s, minimum_s, negative_max_ttl_s, min_ttl_s, want; /* 0: not kept */
	} rows[] = {
		{3600, 900, 3600, 0, 900}, {600, 900, 3600, 0, 600},
		{900, 900, 3600, 0, 900},  {86400, 86400, 3600, 0, 3600},
		{86400, 86400, 10, 0, 10}, {86400, 0, 3600, 0, 0},
		{0, 900, 3600, 0, 0},      {86400, 1, 3600, 30, 30},
		{86400, 1, 20, 30, 20},    {86400, 0x80000000, 3600, 0, 0},
	};

	for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
		struct cache_entry_rules rules = {rows[i / 2].min_ttl_s, 86400,
						  rows[i / 2].negative_max_ttl_s};
		struct entry_case c = {.qname = "no.example.", .qtype = DNS_TYPE_A};
		char soa[100];

		c.rcode = i % 2 == 0 ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
		snprintf(soa, sizeof(soa), "example. %u SOA ns.example. h.example. 1 2 3 4 %u",
			 rows[i / 2].ttl_s, rows[i / 2].minimum_s);
		c.authority[0] = soa;
		entry_of(&c, &rules, NOW_S, &made);
		CU_ASSERT_EQUAL(made.result,
				rows[i / 2].want == 0 ? CACHE_ENTRY_TTL_ZERO : CACHE_ENTRY_OK);
		if (made.result != CACHE_ENTRY_OK)
			continue;
		CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, rows[i / 2].want);
		entry_answer(made.words, c.qname, entry_asked(NOW_S), &answer);
		CU_ASSERT_EQUAL(entry_ttl(&answer, 0), rows[i / 2].want);
	}
}

/* A SOA that was asked for, or that stands beside an answer, is a record like any other. */
static void cache_entry_make__looks_at_the_soa_of_negative_answers_only(void)
{
	static const struct entry_case cases[] = {
		{.qname = "example.", .qtype = DNS_TYPE_SOA, .answer = {SOA}},
		{.qname = "example.",
		 .qtype = DNS_TYPE_A,
		 .answer = {"example. 3600 A 198.18.0.1"},
		 .authority = {SOA}},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		entry_of(&cases[i], &entry_rules, NOW_S, &made);
		CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
		CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, 3600);
	}
}

/* ---- what is not kept ---- */

static void cache_entry_make__refuses_what_may_not_be_kept(void)
{
	static const struct {
		struct entry_case c;
		uint16_t flags; /* set in the header */
		uint8_t extended_rcode;
		enum cache_entry_make want;
	} rows[] = {
		{{.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 A 198.18.0.1"}},
		 0,
		 0,
		 CACHE_ENTRY_OK},
		{{.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 A 198.18.0.1"}},
		 DNS_FLAG_TC,
		 0,
		 CACHE_ENTRY_TRUNCATED},
		{{.qname = "w.example.", .qtype = 1, .rcode = 2}, 0, 0, CACHE_ENTRY_RCODE},
		{{.qname = "w.example.", .qtype = 1, .rcode = 5, .authority = {SOA}},
		 0,
		 0,
		 CACHE_ENTRY_RCODE},
		{{.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 A 198.18.0.1"}},
		 0,
		 1,
		 CACHE_ENTRY_RCODE},
		{{.qname = "w.example.", .qtype = 1, .rcode = 3, .authority = {SOA}},
		 0,
		 1,
		 CACHE_ENTRY_RCODE},
		{{.qname = "w.example.", .qtype = 1, .rcode = 3}, 0, 0, CACHE_ENTRY_NO_SOA},
		{{.qname = "w.example.", .qtype = 1}, 0, 0, CACHE_ENTRY_NO_SOA},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .authority = {"example. 60 NS ns.example."},
		  .additional = {"ns.example. 60 A 198.18.0.53"}},
		 0,
		 0,
		 CACHE_ENTRY_NO_SOA},
		{{.qname = "w.example.", .qtype = 1, .answer = {"w.example. 60 CNAME v.example."}},
		 0,
		 0,
		 CACHE_ENTRY_NO_SOA},
		{{.qname = "w.example.", .qtype = 1, .answer = {SOA}}, 0, 0, CACHE_ENTRY_NO_SOA},
		{{.qname = "w.example.",
		  .qtype = 1,
		  .answer = {"w.example. 60 CNAME v.example."},
		  .authority = {SOA}},
		 0,
		 0,
		 CACHE_ENTRY_OK},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		entry_response(&rows[i].c, true, &response);
		response.bytes[2] |= (uint8_t)(rows[i].flags >> 8);
		response.bytes[response.length_bytes - 6] = rows[i].extended_rcode;
		entry_of_message(&response, &entry_rules, NOW_S, &made);
		CU_ASSERT_EQUAL(made.result, rows[i].want);
	}
}

/* A response with so many TXT records of so many bytes, and as many of another type. */
static void many_records(uint16_t type, unsigned count, unsigned rdata_bytes, unsigned others)
{
	struct entry_case c = {.qname = "w.example.", .qtype = type};
	uint8_t *p;

	entry_response(&c, true, &response);
	p = response.bytes + entry_parsed(&response).records_offset;
	for (unsigned i = 0; i < count + others; i++) {
		wire_put_u16(p, 0xc00c);
		/* Mixed, and the one that there is more of is not the first. */
		wire_put_u16(p + 2, i % 2 == 0 && i / 2 < others ? DNS_TYPE_HINFO : type);
		wire_put_u16(p + 4, DNS_CLASS_IN);
		wire_put_u32(p + 6, 300);
		wire_put_u16(p + 10, (uint16_t)rdata_bytes);
		memset(p + 12, 0, rdata_bytes);
		p += 12 + rdata_bytes;
	}
	wire_put_u16(response.bytes + 6, (uint16_t)(count + others));
	wire_put_u16(response.bytes + 10, 0);
	response.length_bytes = (size_t)(p - response.bytes);
}

static void cache_entry_make__keeps_within_its_limits(void)
{
	static const struct {
		uint16_t type;
		unsigned count, rdata_bytes, others;
		enum cache_entry_make want;
	} rows[] = {
		{DNS_TYPE_A, 128, 4, 0, CACHE_ENTRY_OK},
		{DNS_TYPE_A, 129, 4, 0, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_A, 255, 4, 0, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 128, 4, 0, CACHE_ENTRY_OK},
		{DNS_TYPE_TXT, 129, 4, 0, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 128, 4, 127, CACHE_ENTRY_OK},
		{DNS_TYPE_TXT, 128, 4, 128, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 129, 4, 100, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 129, 4, 126, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 4000, 4, 0, CACHE_ENTRY_TOO_MANY},
		{DNS_TYPE_TXT, 16, 1000, 0, CACHE_ENTRY_OK},
		{DNS_TYPE_TXT, 17, 1000, 0, CACHE_ENTRY_TOO_LONG},
		{DNS_TYPE_TXT, 1, 16384 - 16 - 4 - 11 - 16 - 2 - 12, 0, CACHE_ENTRY_OK},
		{DNS_TYPE_TXT, 1, 16384 - 16 - 4 - 11 - 16 - 2 - 11, 0, CACHE_ENTRY_TOO_LONG},
		{DNS_TYPE_TXT, 60, 1000, 0, CACHE_ENTRY_TOO_LONG},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		many_records(rows[i].type, rows[i].count, rows[i].rdata_bytes, rows[i].others);
		entry_of_message(&response, &entry_rules, NOW_S, &made);
		CU_ASSERT_EQUAL(made.result, rows[i].want);
		if (made.result == CACHE_ENTRY_OK) {
			CU_ASSERT_TRUE(made.word_count <= CACHE_ENTRY_WORDS_MAX);
			CU_ASSERT_FALSE(entry_answer(made.words, "w.example.", entry_asked(NOW_S),
						     &answer));
			CU_ASSERT_EQUAL(entry_parsed(&answer).answer_count,
					rows[i].count + rows[i].others);
		}
	}
}

/* A pointer may lead into another record's TTL, which is a name today and none a second later. */
static void cache_entry_make__expands_names_that_point_into_a_ttl(void)
{
	static const struct entry_case c = {.qname = "w.example.",
					    .qtype = 16,
					    .answer = {"w.example. 256 TXT \"x\"",
						       "w.example. 256 TXT \"y\""}};
	struct msg_record record;
	struct msg_response r;
	size_t at;

	entry_response(&c, true, &response);
	at = entry_parsed(&response).records_offset;
	CU_ASSERT_EQUAL_FATAL(response.bytes[at + 9], 0); /* a name: the root */
	wire_put_u16(response.bytes + at + 14, (uint16_t)(0xc000 | (at + 9)));
	entry_of_message(&response, &entry_rules, NOW_S, &made);
	CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
	entry_answer(made.words, c.qname, entry_asked(NOW_S + 1), &answer);
	r = entry_parsed(&answer);
	at = r.records_offset;
	CU_ASSERT_TRUE_FATAL(msg_record_next(r.message, &at, &record));
	CU_ASSERT_EQUAL(answer.bytes[record.end_offset], 0);
	CU_ASSERT_EQUAL(entry_ttl(&answer, 1), 255);
}

/* Nothing of what stood in the words before gets into the entry: it may be written to a file. */
static void cache_entry_make__leaves_no_byte_unwritten(void)
{
	static const struct entry_case c = {
		.qname = "w.example.", .qtype = 16, .answer = {"w.example. 60 TXT \"x\""}};
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	unsigned word_count;

	for (unsigned fill = 0; fill < 2; fill++) {
		struct msg_response r;

		entry_of(&c, &entry_rules, NOW_S, &made);
		entry_response(&c, true, &response);
		r = entry_parsed(&response);
		memset(words, fill == 0 ? 0 : 0xff, sizeof(words));
		CU_ASSERT_EQUAL(cache_entry_make(words, &word_count, &made.key, &r, &entry_rules,
						 NOW_S),
				CACHE_ENTRY_OK);
		CU_ASSERT_EQUAL(memcmp(words, made.words, word_count * 8), 0);
		memset(words, fill == 0 ? 0 : 0xff, sizeof(words));
		cache_entry_make_failure(words, &word_count, &made.key, DNS_RCODE_SERVFAIL, 22, 5,
					 NOW_S);
		CU_ASSERT_EQUAL(words[word_count - 1] >> 24, 0);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry_make__one_record_costs_name_rdata_and_40_bytes),
	UNIT_TEST(cache_entry_make__keeps_ttls_within_the_rules),
	UNIT_TEST(cache_entry_make__lives_as_long_as_its_shortest_record),
	UNIT_TEST(cache_entry_make__keeps_negative_answers_as_long_as_the_soa_says),
	UNIT_TEST(cache_entry_make__looks_at_the_soa_of_negative_answers_only),
	UNIT_TEST(cache_entry_make__refuses_what_may_not_be_kept),
	UNIT_TEST(cache_entry_make__keeps_within_its_limits),
	UNIT_TEST(cache_entry_make__expands_names_that_point_into_a_ttl),
	UNIT_TEST(cache_entry_make__leaves_no_byte_unwritten),
};
UNIT_SUITE(cache_entry_make, tests)
