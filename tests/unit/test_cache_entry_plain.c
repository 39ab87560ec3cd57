/* cache_entry_make_plain against cache_entry_make: whatever the short way makes, the long one makes byte for byte. */
#include <stdio.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define NOW_S 5000
#define MESSAGES 60000
#define RECORDS_MOST 140

static struct entry_message message;

static void put_u16(uint16_t value)
{
	wire_put_u16(message.bytes + message.length_bytes, value);
	message.length_bytes += 2;
}

static void put_u32(uint32_t value)
{
	wire_put_u32(message.bytes + message.length_bytes, value);
	message.length_bytes += 4;
}

/* A name of lower-case letters, mostly of ordinary length. */
static void put_name(unsigned long long *state)
{
	unsigned labels = unit_random(state) % 8 == 0 ? 4 : (unsigned)unit_random(state) % 4;
	unsigned longest = unit_random(state) % 8 == 0 ? 62 : 14;

	while (labels-- > 0) {
		unsigned length = 1 + (unsigned)unit_random(state) % longest;

		message.bytes[message.length_bytes++] = (uint8_t)length;
		while (length-- > 0)
			message.bytes[message.length_bytes++] =
				(uint8_t)('a' + unit_random(state) % 26);
	}
	message.bytes[message.length_bytes++] = 0;
}

static uint32_t some_ttl_s(unsigned long long *state)
{
	static const uint32_t ttls[] = {0,     1,     59,         60,         300,       3600,
					86399, 86400, 0x7fffffff, 0x80000000, UINT32_MAX};

	return unit_random(state) % 4 == 0 ? ttls[unit_random(state) % ARRAY_COUNT(ttls)]
					   : 60 + (uint32_t)unit_random(state) % 86340;
}

static void put_address(unsigned long long *state, uint16_t type)
{
	uint16_t rdata_bytes = type == DNS_TYPE_A ? 4 : 16;

	put_u16((uint16_t)(DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES));
	put_u16(type);
	put_u16(DNS_CLASS_IN);
	put_u32(some_ttl_s(state));
	put_u16(rdata_bytes);
	for (unsigned i = 0; i < rdata_bytes; i++)
		message.bytes[message.length_bytes++] = (uint8_t)unit_random(state);
}

/* A response with addresses, and with something about one in three that the short way must not take. */
static void build(unsigned long long *state)
{
	uint16_t type = unit_random(state) % 2 == 0 ? DNS_TYPE_A : DNS_TYPE_AAAA;
	unsigned count = (unsigned)unit_random(state) % 4;
	bool has_opt = unit_random(state) % 4 != 0;
	unsigned odd = (unsigned)unit_random(state) % 24;

	if (unit_random(state) % 64 == 0)
		count = 126 + (unsigned)unit_random(state) % (RECORDS_MOST - 126);
	memset(message.bytes, 0, DNS_HEADER_BYTES);
	message.length_bytes = DNS_HEADER_BYTES;
	put_name(state);
	put_u16(odd == 0 ? DNS_TYPE_TXT : type);
	put_u16(DNS_CLASS_IN);
	for (unsigned i = 0; i < count; i++)
		put_address(state, odd == 1 && i == count / 2 ? DNS_TYPE_A : type);
	if (odd == 2)
		put_address(state, type); /* in another section */
	if (has_opt) {
		message.bytes[message.length_bytes++] = 0;
		put_u16(DNS_TYPE_OPT);
		put_u16(1232);
		put_u32(odd == 3 ? UINT32_C(1) << 24 : 0); /* extended rcode */
		put_u16(0);
	}
	wire_put_u16(message.bytes + 2, (uint16_t)(DNS_FLAG_QR | (odd == 4 ? DNS_FLAG_TC : 0) |
						   (odd == 5 ? DNS_RCODE_NXDOMAIN : 0) |
						   (odd == 6 ? DNS_RCODE_SERVFAIL : 0)));
	wire_put_u16(message.bytes + 4, 1);
	wire_put_u16(message.bytes + 6, (uint16_t)count);
	wire_put_u16(message.bytes + 8, odd == 2 && count % 2 == 0);
	wire_put_u16(message.bytes + 10, (uint16_t)(has_opt + (odd == 2 && count % 2 == 1)));
	/* Any byte behind the header, which the parser may let through. */
	if (odd == 7)
		message.bytes[DNS_HEADER_BYTES +
			      unit_random(state) % (message.length_bytes - DNS_HEADER_BYTES)] ^=
			(uint8_t)(1u << unit_random(state) % 8);
}

static struct cache_key key_of(const struct msg_response *r)
{
	struct cache_key key = {.hash = 7};
	struct name lower;

	name_lower(&r->qname, &lower);
	cache_key_set(&key, r->qtype, 0, false, lower.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, lower.bytes, lower.length_bytes);
	return key;
}

static void cache_entry_make_plain__makes_what_the_long_way_makes(void)
{
	static const struct cache_entry_rules rules[] = {
		{0, 86400, 3600}, {60, 3600, 900}, {0, CACHE_TTL_S_MAX, 3600}};
	static uint64_t words[CACHE_ENTRY_WORDS_MAX], wanted[CACHE_ENTRY_WORDS_MAX];
	unsigned long long state = unit_seed();
	unsigned plain_count = 0, parsed_count = 0;

	for (unsigned i = 0; i < MESSAGES; i++) {
		const struct cache_entry_rules *rule = &rules[i % ARRAY_COUNT(rules)];
		struct msg_response r;
		struct cache_key key;
		unsigned word_count = 0, wanted_count = 0;
		enum cache_entry_make want;

		build(&state);
		if (msg_parse_response((struct span){message.bytes, message.length_bytes}, &r) !=
		    MSG_RESPONSE_OK)
			continue;
		parsed_count++;
		key = key_of(&r);
		memset(words, 0x5a, sizeof(words[0]) * 1024);
		memset(wanted, 0xa5, sizeof(wanted[0]) * 1024);
		want = cache_entry_make(wanted, &wanted_count, &key, &r, rule, NOW_S);
		if (!cache_entry_make_plain(words, &word_count, &key, &r, message.bytes, rule,
					    NOW_S))
			continue;
		plain_count++;
		CU_ASSERT_EQUAL_FATAL(want, CACHE_ENTRY_OK);
		CU_ASSERT_EQUAL_FATAL(word_count, wanted_count);
		CU_ASSERT_EQUAL_FATAL(memcmp(words, wanted, word_count * sizeof(words[0])), 0);
		/* And who waits for the answer gets the TTLs that are kept. */
		CU_ASSERT_EQUAL_FATAL(
			memcmp((uint8_t *)(words + CACHE_HEAD_WORDS) + key.image_bytes,
			       message.bytes + r.records_offset,
			       (size_t)r.opt_offset - r.records_offset),
			0);
	}
	CU_ASSERT_TRUE(parsed_count > MESSAGES * 9 / 10);
	/* Neither is rare. */
	CU_ASSERT_TRUE(plain_count > parsed_count / 3 && plain_count < parsed_count * 9 / 10);
}

/* What the engine's speed relies on: one question, addresses, an OPT. */
static void cache_entry_make_plain__takes_ordinary_answers(void)
{
	static const struct {
		const char *says;
		struct entry_case c;
		bool want;
	} rows[] = {
		{"an A",
		 {.qname = "www.example.",
		  .qtype = DNS_TYPE_A,
		  .answer = {"www.example. 300 A 198.18.0.1"}},
		 true},
		{"two AAAA",
		 {.qname = "www.example.",
		  .qtype = DNS_TYPE_AAAA,
		  .answer = {"www.example. 300 AAAA 2001:2::1", "www.example. 300 AAAA 2001:2::2"}},
		 true},
		{"an alias",
		 {.qname = "www.example.",
		  .qtype = DNS_TYPE_A,
		  .answer = {"www.example. 300 CNAME a.example.", "a.example. 300 A 198.18.0.1"}},
		 false},
		{"a text",
		 {.qname = "www.example.",
		  .qtype = DNS_TYPE_TXT,
		  .answer = {"www.example. 300 TXT \"text\""}},
		 false},
		{"nothing", {.qname = "www.example.", .qtype = DNS_TYPE_A}, false},
		{"TTL 0",
		 {.qname = "www.example.",
		  .qtype = DNS_TYPE_A,
		  .answer = {"www.example. 0 A 198.18.0.1"}},
		 false},
	};
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		unsigned word_count;
		struct msg_response r;
		struct cache_key key;
		bool took;

		entry_response(&rows[i].c, true, &message);
		r = entry_parsed(&message);
		key = key_of(&r);
		took = cache_entry_make_plain(words, &word_count, &key, &r, message.bytes,
					      &entry_rules, NOW_S);
		if (took != rows[i].want)
			printf("\n    %s\n", rows[i].says);
		CU_ASSERT_EQUAL(took, rows[i].want);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry_make_plain__makes_what_the_long_way_makes),
	UNIT_TEST(cache_entry_make_plain__takes_ordinary_answers),
};
UNIT_SUITE(cache_entry_plain, tests)
