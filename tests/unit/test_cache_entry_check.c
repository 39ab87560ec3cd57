/* Entries from a file that nobody vouches for. */
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/cache_entry_layout.h"
#include "unit.h"

#define NOW_S 5000
#define SOA "example. 3600 SOA ns1.example. host.example. 1 7200 900 1209600 900"
#define RRSIG(name, type)                                                                          \
	name " 300 RRSIG " type " 13 2 300 20300101000000 20200101000000 3 example. AQIDBA=="

static const struct entry_case cases[] = {
	{"compact",
	 "w.example.",
	 1,
	 0,
	 {"w.example. 60 A 198.18.0.1", "w.example. 60 A 198.18.0.2"},
	 {NULL},
	 {NULL}},
	{"compact, long", "w.example.", 28, 0, {"w.example. 60 AAAA 2001:2::1"}, {NULL}, {NULL}},
	{"one form", "w.example.", 1, 3, {NULL}, {SOA}, {NULL}},
	{"one form that rotates",
	 "w.example.",
	 1,
	 0,
	 {"w.example. 60 CNAME v.example.", "v.example. 60 A 198.18.0.1",
	  "v.example. 60 A 198.18.0.2"},
	 {"example. 60 NS ns.example."},
	 {"ns.example. 60 A 198.18.0.53"}},
	{"two forms, one set of records",
	 "w.example.",
	 1,
	 0,
	 {"w.example. 60 A 198.18.0.1", RRSIG("w.example.", "A")},
	 {NULL},
	 {NULL}},
	{"two forms, two sets",
	 "w.example.",
	 1,
	 0,
	 {"w.example. 60 A 198.18.0.1", RRSIG("w.example.", "A")},
	 {"example. 60 NS ns.example."},
	 {"ns.example. 60 A 198.18.0.53"}},
	/* A pointer to the last byte of its TTL finds the root's name, a second later something else. */
	{"TTL of 256",
	 "w.example.",
	 16,
	 0,
	 {"w.example. 256 TXT \"x\"", "w.example. 256 TXT \"y\""},
	 {NULL},
	 {NULL}},
};

static struct entry_made made;
static uint64_t words[CACHE_ENTRY_WORDS_MAX];

static void cache_entry_check__takes_what_was_made(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct cache_key key;

		entry_of(&cases[i], &entry_rules, NOW_S, &made);
		CU_ASSERT_EQUAL_FATAL(made.result, CACHE_ENTRY_OK);
		/* The position in the log is the cache's. */
		made.words[0] |= UINT64_C(0xff00012345678);
		made.words[0] &= ~(UINT64_C(0xfff) << 32);
		made.words[0] |= (uint64_t)made.word_count << 32;
		memset(&key, 0xa5, sizeof(key));
		CU_ASSERT_TRUE(cache_entry_check(made.words, made.word_count, &key));
		CU_ASSERT_EQUAL(key.image_bytes, made.key.image_bytes);
		CU_ASSERT_EQUAL(memcmp(key.image, made.key.image, sizeof(key.image)), 0);
		CU_ASSERT_EQUAL(key.hash, 0);
	}
}

/* Where in which case which byte becomes what. */
static const struct damage {
	unsigned case_idx;
	enum { IN_HEAD, IN_IMAGE, IN_CONTENT, IN_RECORDS, IN_TTLS } place;
	unsigned offset;
	uint8_t value;
} damages[] = {
	{0, IN_HEAD, 4, 1},   /* length */
	{0, IN_HEAD, 12, 61}, /* TTL */
	{0, IN_HEAD, 12, 59},
	{0, IN_HEAD, 15, 0x11}, /* an unknown flag */
	{0, IN_HEAD, 15, 0x00}, /* of another shape */
	{0, IN_HEAD, 15, 0x02},
	{0, IN_HEAD, 15, 0x03},
	{0, IN_HEAD, 15, 0x08},
	{0, IN_HEAD, 15, 0x06},
	{0, IN_HEAD, 14, 0x30}, /* NXDOMAIN */
	{0, IN_HEAD, 6, 0x10},  /* one record */
	{0, IN_HEAD, 6, 0x30},  /* three */
	{0, IN_HEAD, 6, 0x00},
	{0, IN_IMAGE, 0, 28}, /* type */
	{0, IN_IMAGE, 0, 16},
	{0, IN_IMAGE, 3, 10}, /* length of the name */
	{0, IN_IMAGE, 3, 0},
	{0, IN_IMAGE, 3, 255},
	{0, IN_IMAGE, 4, 2}, /* its labels */
	{0, IN_IMAGE, 4, 64},
	{0, IN_IMAGE, 4, 0xc0},
	{0, IN_IMAGE, 4, 0},
	{0, IN_IMAGE, 5, 'W'}, /* upper case: no look-up would find it */
	{0, IN_CONTENT, 0, 0}, /* owner */
	{0, IN_CONTENT, 1, 13},
	{0, IN_CONTENT, 3, 2},  /* type */
	{0, IN_CONTENT, 5, 3},  /* class */
	{0, IN_CONTENT, 9, 59}, /* TTL */
	{0, IN_CONTENT, 11, 5}, /* length */
	{0, IN_CONTENT, 16, 0}, /* the second record */
	{1, IN_CONTENT, 11, 4},
	{2, IN_HEAD, 14, 0x20}, /* SERVFAIL */
	{2, IN_CONTENT, 0, 1},  /* records_at */
	{2, IN_CONTENT, 1, 1},
	{2, IN_CONTENT, 2, 1}, /* length_bytes */
	{2, IN_CONTENT, 3, 0xff},
	{2, IN_CONTENT, 4, 0xff}, /* ttls_at */
	{2, IN_CONTENT, 5, 0xff},
	{2, IN_CONTENT, 6, 1},  /* additional_offset */
	{2, IN_CONTENT, 12, 1}, /* rotate_count */
	{2, IN_CONTENT, 13, 1}, /* counts */
	{2, IN_CONTENT, 14, 2},
	{2, IN_CONTENT, 15, 1},
	{2, IN_TTLS, 0, 0},
	{2, IN_TTLS, 1, 0xff},
	{2, IN_RECORDS, 1, 0xff}, /* owner: a pointer forward */
	{2, IN_RECORDS, 1, 13},   /* into a label */
	{2, IN_RECORDS, 6, 0x80}, /* TTL */
	{2, IN_RECORDS, 11, 0xff},
	{3, IN_RECORDS, 7, 0x10}, /* a TTL beyond what a head can say */
	{3, IN_CONTENT, 8, 1},    /* rotate_offset */
	{3, IN_CONTENT, 10, 1},   /* rotate_bytes */
	{3, IN_CONTENT, 12, 3},   /* rotate_count */
	{3, IN_CONTENT, 12, 200},
	{4, IN_CONTENT, 16, 0}, /* the full form */
	{4, IN_CONTENT, 29, 1},
	{5, IN_CONTENT, 18, 1},
	{5, IN_RECORDS, 6, 0x80},    /* a TTL of the plain form */
	{6, IN_RECORDS, 15, 27 + 9}, /* owner: the last byte of the first one's TTL */
};

static size_t place_of(const struct damage *d)
{
	size_t content = CACHE_HEAD_WORDS * 8 + made.key.image_bytes;
	struct cache_form form = cache_entry_form((const uint8_t *)made.words + content, 0);

	switch (d->place) {
	case IN_HEAD:
		return d->offset;
	case IN_IMAGE:
		return CACHE_HEAD_WORDS * 8 + d->offset;
	case IN_CONTENT:
		return content + d->offset;
	case IN_RECORDS:
		return content + form.records_at + d->offset;
	case IN_TTLS:
		return content + form.ttls_at + d->offset;
	}
	return 0;
}

static void cache_entry_check__refuses_damaged_entries(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
		struct cache_key key;
		size_t place;

		entry_of(&cases[damages[i].case_idx], &entry_rules, NOW_S, &made);
		CU_ASSERT_TRUE_FATAL(cache_entry_check(made.words, made.word_count, &key));
		place = place_of(&damages[i]);
		CU_ASSERT_TRUE_FATAL(((uint8_t *)made.words)[place] != damages[i].value);
		((uint8_t *)made.words)[place] = damages[i].value;
		CU_ASSERT_FALSE(cache_entry_check(made.words, made.word_count, &key));
	}
}

static void cache_entry_check__refuses_another_length(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		for (unsigned count = 0; count < 80; count++) {
			struct cache_key key;
			uint64_t *exact = malloc(count == 0 ? 1 : count * sizeof(*exact));

			CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
			entry_of(&cases[i], &entry_rules, NOW_S, &made);
			memset(words, 0, sizeof(words));
			memcpy(words, made.words, made.word_count * sizeof(*words));
			words[0] &= ~(UINT64_C(0xfff) << 32);
			words[0] |= (uint64_t)count << 32;
			memcpy(exact, words, count * sizeof(*exact));
			CU_ASSERT_EQUAL(cache_entry_check(exact, count, &key),
					count == made.word_count);
			free(exact);
		}
	CU_ASSERT_FALSE(cache_entry_check(words, CACHE_ENTRY_WORDS_MAX + 1, &made.key));
}

/* Bytes changed at will: what is refused is refused, and what is taken is safe to use (under ASan: for sure). */
static void cache_entry_check__takes_nothing_that_is_not_safe(void)
{
	unsigned long long state = unit_seed();
	static struct entry_message message;
	unsigned taken = 0;

	for (unsigned round = 0; round < 20000; round++) {
		const struct entry_case *c = &cases[round % ARRAY_COUNT(cases)];
		struct cache_key key;
		uint64_t *exact;
		unsigned count;

		entry_of(c, &entry_rules, NOW_S, &made);
		count = made.word_count;
		exact = malloc(count * sizeof(*exact));
		CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
		memcpy(exact, made.words, count * sizeof(*exact));
		for (unsigned n = 1 + (unsigned)(unit_random(&state) % 3); n > 0; n--)
			((uint8_t *)exact)[8 + unit_random(&state) % (count * 8 - 8)] =
				(uint8_t)(unit_random(&state) % 5 == 0 ? unit_random(&state)
								       : unit_random(&state) % 32);
		if (cache_entry_check(exact, count, &key)) {
			struct cache_entry_answer asked =
				entry_asked(NOW_S + (uint32_t)(round % 100));

			taken++;
			asked.client.dnssec_ok = round % 2 != 0;
			asked.rotation = round % 7;
			asked.question_end =
				(uint16_t)(DNS_HEADER_BYTES + key.image_bytes - CACHE_KEY_NAME + 4);
			message.length_bytes = cache_entry_message(
				(struct buffer){message.bytes, sizeof(message.bytes)}, exact,
				asked.now_s);
			CU_ASSERT_FATAL(message.length_bytes != 0);
			entry_parsed(&message);

			bool truncated;
			uint16_t rcode;

			message.length_bytes = cache_entry_answer(message.bytes, exact, &asked,
								  &truncated, &rcode);
			entry_parsed(&message);
		}
		free(exact);
	}
	CU_ASSERT_TRUE(taken > 100 && taken < 10000);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry_check__takes_what_was_made),
	UNIT_TEST(cache_entry_check__refuses_damaged_entries),
	UNIT_TEST(cache_entry_check__refuses_another_length),
	UNIT_TEST(cache_entry_check__takes_nothing_that_is_not_safe),
};
UNIT_SUITE(cache_entry_check, tests)
