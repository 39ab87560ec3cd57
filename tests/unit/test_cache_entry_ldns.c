/* Answers from the cache against those that ldns builds, byte for byte. */
#include <stdio.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "unit.h"

#define SIGNED(name, type)                                                                         \
	name " 300 RRSIG " type " 13 2 300 20300101000000 20200101000000 3 example. AQIDBAUGBwg="
#define SOA "example. 3600 SOA ns1.example. host.example. 1 7200 900 1209600 900"
#define NSEC "a.example. 900 NSEC z.example. A RRSIG NSEC"

static const struct entry_case cases[] = {
	{"A", "www.example.", 1, 0, {"www.example. 300 A 198.18.0.1"}, {NULL}, {NULL}},
	{"two A",
	 "www.example.",
	 1,
	 0,
	 {"www.example. 300 A 198.18.0.1", "www.example. 300 A 198.18.0.2"},
	 {NULL},
	 {NULL}},
	{"ten A",
	 "www.example.",
	 1,
	 0,
	 {"www.example. 300 A 198.18.0.1", "www.example. 301 A 198.18.0.2",
	  "www.example. 302 A 198.18.0.3", "www.example. 303 A 198.18.0.4",
	  "www.example. 304 A 198.18.0.5", "www.example. 305 A 198.18.0.6",
	  "www.example. 306 A 198.18.0.7", "www.example. 307 A 198.18.0.8",
	  "www.example. 308 A 198.18.0.9", "www.example. 309 A 198.18.0.10"},
	 {NULL},
	 {NULL}},
	{"AAAA", "www.example.", 28, 0, {"www.example. 60 AAAA 2001:2::1"}, {NULL}, {NULL}},
	{"two AAAA",
	 "www.example.",
	 28,
	 0,
	 {"www.example. 60 AAAA 2001:2::1", "www.example. 61 AAAA 2001:2:0:1::2"},
	 {NULL},
	 {NULL}},
	{"ten AAAA",
	 "www.example.",
	 28,
	 0,
	 {"www.example. 60 AAAA 2001:2::1", "www.example. 60 AAAA 2001:2::2",
	  "www.example. 60 AAAA 2001:2::3", "www.example. 60 AAAA 2001:2::4",
	  "www.example. 60 AAAA 2001:2::5", "www.example. 60 AAAA 2001:2::6",
	  "www.example. 60 AAAA 2001:2::7", "www.example. 60 AAAA 2001:2::8",
	  "www.example. 60 AAAA 2001:2::9", "www.example. 60 AAAA 2001:2::a"},
	 {NULL},
	 {NULL}},
	{"at the root", ".", 1, 0, {". 60 A 198.18.0.1"}, {NULL}, {NULL}},
	{"A and its signature",
	 "www.example.",
	 1,
	 0,
	 {"www.example. 300 A 198.18.0.1", SIGNED("www.example.", "A")},
	 {NULL},
	 {NULL}},
	{"A, its signature, and what follows both",
	 "www.example.",
	 1,
	 0,
	 {SIGNED("www.example.", "A"), "www.example. 300 A 198.18.0.1"},
	 {"example. 900 NS ns1.example.", SIGNED("example.", "NS")},
	 {"ns1.example. 900 A 198.18.0.53", SIGNED("ns1.example.", "A")}},
	{"CNAME chain",
	 "www.example.",
	 1,
	 0,
	 {"www.example. 300 CNAME www.cdn.example.net.",
	  "www.cdn.example.net. 60 CNAME a1.g.example.org.", "a1.g.example.org. 20 A 198.18.0.1",
	  "a1.g.example.org. 20 A 198.18.0.2"},
	 {NULL},
	 {NULL}},
	{"CNAME", "www.example.", 5, 0, {"www.example. 300 CNAME web.example."}, {NULL}, {NULL}},
	{"MX",
	 "example.",
	 15,
	 0,
	 {"example. 300 MX 10 mx1.example.", "example. 300 MX 20 mx2.example."},
	 {NULL},
	 {"mx1.example. 60 A 198.18.0.25", "mx1.example. 60 AAAA 2001:2::25"}},
	{"TXT",
	 "example.",
	 16,
	 0,
	 {"example. 300 TXT \"v=spf1 -all\"", "example. 300 TXT \"another\" \"one\""},
	 {NULL},
	 {NULL}},
	{"SOA", "example.", 6, 0, {SOA}, {NULL}, {NULL}},
	{"SRV",
	 "_sip._udp.example.",
	 33,
	 0,
	 {"_sip._udp.example. 300 SRV 1 2 5060 sip1.example."},
	 {NULL},
	 {NULL}},
	{"DS", "example.", 43, 0, {"example. 300 DS 1 13 2 00112233"}, {NULL}, {NULL}},
	{"RRSIG is what was asked for",
	 "www.example.",
	 46,
	 0,
	 {SIGNED("www.example.", "A")},
	 {NULL},
	 {NULL}},
	{"NXDOMAIN", "no.such.example.", 1, 3, {NULL}, {SOA}, {NULL}},
	{"NXDOMAIN, signed",
	 "no.such.example.",
	 1,
	 3,
	 {NULL},
	 {NSEC, SIGNED("a.example.", "NSEC"), SOA, SIGNED("example.", "SOA")},
	 {NULL}},
	{"NODATA", "www.example.", 28, 0, {NULL}, {SOA}, {NULL}},
	{"NODATA, signed",
	 "www.example.",
	 28,
	 0,
	 {NULL},
	 {SOA, SIGNED("example.", "SOA"), "www.example. 900 NSEC z.example. A RRSIG NSEC",
	  SIGNED("www.example.", "NSEC")},
	 {NULL}},
	{"CNAME to nothing",
	 "www.example.",
	 1,
	 3,
	 {"www.example. 300 CNAME gone.example."},
	 {SOA},
	 {NULL}},
};

#define STORED_AT_S 1000
#define AGE_MAX_S 19 /* of the shortest TTL there is one second left */

static void compare(const struct entry_case *c, const struct entry_made *made,
		    struct cache_entry_answer asked, const char *qname)
{
	static struct entry_message got, want;

	CU_ASSERT_FALSE(entry_answer(made->words, qname, asked, &got));
	entry_expect(c, &asked, qname, asked.now_s - STORED_AT_S, &want);
	CU_ASSERT_EQUAL(got.length_bytes, want.length_bytes);
	if (got.length_bytes != want.length_bytes ||
	    memcmp(got.bytes, want.bytes, want.length_bytes) != 0) {
		printf("\n%s: edns %d DO %d\n", c->says, asked.client.edns, asked.client.dnssec_ok);
		CU_FAIL("not as ldns builds it");
	}
}

static void cache_entry_answer__is_what_ldns_builds(void)
{
	static struct entry_message response;
	static struct entry_made made;

	for (size_t i = 0; i < 2 * ARRAY_COUNT(cases); i++) {
		const struct entry_case *c = &cases[i / 2];
		char upper[64];

		entry_response(c, i % 2 != 0, &response);
		entry_of_message(&response, &entry_rules, STORED_AT_S, &made);
		CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
		snprintf(upper, sizeof(upper), "%s", c->qname);
		for (char *p = upper; *p != '\0'; p += p[1] == '\0' ? 1 : 2)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
		for (uint32_t age = 0; age <= AGE_MAX_S; age += AGE_MAX_S) {
			struct cache_entry_answer asked = entry_asked(STORED_AT_S + age);

			compare(c, &made, asked, c->qname);
			asked.client.dnssec_ok = true;
			asked.client.checking_disabled = true;
			compare(c, &made, asked, upper);
			asked.client.dnssec_ok = false;
			asked.client.edns = false;
			asked.client.recursion_desired = false;
			compare(c, &made, asked, upper);
		}
	}
}

/* However the upstream compressed its names, the entry is the same. */
static void cache_entry_make__does_not_depend_on_compression(void)
{
	static struct entry_message response;
	static struct entry_made compressed, plain;

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		entry_response(&cases[i], true, &response);
		entry_of_message(&response, &entry_rules, STORED_AT_S, &compressed);
		entry_response(&cases[i], false, &response);
		entry_of_message(&response, &entry_rules, STORED_AT_S, &plain);
		CU_ASSERT_EQUAL_FATAL(plain.word_count, compressed.word_count);
		CU_ASSERT_EQUAL(memcmp(plain.words, compressed.words, plain.word_count * 8), 0);
	}
}

static void cache_entry_message__is_the_whole_answer(void)
{
	static struct entry_message got, want;
	static struct entry_made made;

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct cache_entry_answer asked = {
			.client = {.dnssec_ok = true, .recursion_desired = true}};

		entry_of(&cases[i], &entry_rules, STORED_AT_S, &made);
		got.length_bytes = cache_entry_message(
			(struct buffer){got.bytes, sizeof(got.bytes)}, made.words, STORED_AT_S + 1);
		entry_expect(&cases[i], &asked, cases[i].qname, 1, &want);
		CU_ASSERT_EQUAL_FATAL(got.length_bytes, want.length_bytes);
		CU_ASSERT_EQUAL(memcmp(got.bytes, want.bytes, want.length_bytes), 0);
		CU_ASSERT_EQUAL(cache_entry_message((struct buffer){got.bytes, 20}, made.words,
						    STORED_AT_S),
				0);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry_answer__is_what_ldns_builds),
	UNIT_TEST(cache_entry_make__does_not_depend_on_compression),
	UNIT_TEST(cache_entry_message__is_the_whole_answer),
};
UNIT_SUITE(cache_entry_ldns, tests)
