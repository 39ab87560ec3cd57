#include <string.h>

#include "core/cookie.h"
#include "unit.h"

#define RFC_KEY "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define RFC_KEY_OLD "dd3bdf9344b678b185a6f5cb60fca715"
#define RFC_KEY_NEW "445536bcd2513298075a5d379663c962"
#define ISSUED_S 1559731985u

static size_t unhex(const char *text, uint8_t *out)
{
	size_t length = strlen(text) / 2;

	for (size_t i = 0; i < length; i++) {
		unsigned value = 0;

		for (unsigned nibble = 0; nibble < 2; nibble++) {
			char c = text[2 * i + nibble];

			value = value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		out[i] = (uint8_t)value;
	}
	return length;
}

static struct hash_key key_from(const char *text)
{
	uint8_t bytes[16];
	struct hash_key key = {0, 0};

	unhex(text, bytes);
	for (unsigned i = 8; i-- > 0;) {
		key.k0 = key.k0 << 8 | bytes[i];
		key.k1 = key.k1 << 8 | bytes[8 + i];
	}
	return key;
}

static struct address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return address_from_v4((const uint8_t[4]){a, b, c, d});
}

static struct address rfc_v6(void)
{
	struct address a;

	unhex("20010db80220000159ded0f4876982b8", a.bytes);
	return a;
}

static enum cookie_result check_text(const char *key_text, const char *option_text,
				     struct address client, uint32_t now_s)
{
	uint8_t option[64];
	struct hash_key key = key_from(key_text);
	size_t length = unhex(option_text, option);

	return cookie_check(&key, (struct span){option, length}, &client, now_s);
}

static void cookie_make__gives_the_cookies_of_rfc9018_appendix_a(void)
{
	const struct {
		const char *says;
		const char *key;
		const char *client_cookie;
		struct address client;
		uint32_t now_s;
		const char *want;
	} rows[] = {
		{"A.1 learning", RFC_KEY, "2464c4abcf10c957", v4(198, 51, 100, 100), ISSUED_S,
		 "010000005cf79f111f8130c3eee29480"},
		{"A.2 renewed", RFC_KEY, "2464c4abcf10c957", v4(198, 51, 100, 100), 1559734385,
		 "010000005cf7a871d4a564a1442aca77"},
		{"A.3 another client", RFC_KEY, "fc93fc62807ddb86", v4(203, 0, 113, 203),
		 1559734700, "010000005cf7a9acf73a7810aca2381e"},
		{"A.4 IPv6, new secret", RFC_KEY_NEW, "22681ab97d52c298", rfc_v6(), 1559741961,
		 "010000005cf7c609a6bb79d16625507a"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct hash_key key = key_from(rows[i].key);
		uint8_t client_cookie[DNS_COOKIE_CLIENT_BYTES];
		uint8_t got[COOKIE_SERVER_BYTES];
		uint8_t want[COOKIE_SERVER_BYTES];

		unhex(rows[i].client_cookie, client_cookie);
		unhex(rows[i].want, want);
		cookie_make(&key, client_cookie, &rows[i].client, rows[i].now_s, got);
		CU_ASSERT_EQUAL(memcmp(got, want, sizeof(want)), 0);
	}
}

#define A1 "2464c4abcf10c957010000005cf79f111f8130c3eee29480"

static void cookie_check__judges_options(void)
{
	struct address client = v4(198, 51, 100, 100);
	const struct {
		const char *says;
		const char *key;
		const char *option;
		struct address client;
		uint32_t now_s;
		enum cookie_result want;
	} rows[] = {
		{"just made", RFC_KEY, A1, client, ISSUED_S, COOKIE_VALID},
		{"an hour old", RFC_KEY, A1, client, ISSUED_S + 3600, COOKIE_VALID},
		{"older", RFC_KEY, A1, client, ISSUED_S + 3601, COOKIE_STALE},
		{"5 minutes ahead", RFC_KEY, A1, client, ISSUED_S - 300, COOKIE_VALID},
		{"further ahead", RFC_KEY, A1, client, ISSUED_S - 301, COOKIE_STALE},
		{"half the clock away", RFC_KEY, A1, client, ISSUED_S + 0x80000000u, COOKIE_STALE},
		{"another key", RFC_KEY_NEW, A1, client, ISSUED_S, COOKIE_BAD},
		{"another client", RFC_KEY, A1, v4(198, 51, 100, 101), ISSUED_S, COOKIE_BAD},
		{"another client cookie", RFC_KEY,
		 "2564c4abcf10c957010000005cf79f111f8130c3eee29480", client, ISSUED_S, COOKIE_BAD},
		{"another time", RFC_KEY, "2464c4abcf10c957010000005cf79f121f8130c3eee29480",
		 client, ISSUED_S, COOKIE_BAD},
		{"a reserved bit", RFC_KEY, "2464c4abcf10c957010000015cf79f111f8130c3eee29480",
		 client, ISSUED_S, COOKIE_BAD},
		{"version 2", RFC_KEY, "2464c4abcf10c957020000005cf79f111f8130c3eee29480", client,
		 ISSUED_S, COOKIE_BAD},
		{"last byte", RFC_KEY, "2464c4abcf10c957010000005cf79f111f8130c3eee29481", client,
		 ISSUED_S, COOKIE_BAD},
		{"one byte longer", RFC_KEY, A1 "00", client, ISSUED_S, COOKIE_BAD},
		{"8-byte server cookie", RFC_KEY, "2464c4abcf10c9570100000000000000", client,
		 ISSUED_S, COOKIE_BAD},
		{"client cookie alone", RFC_KEY, "2464c4abcf10c957", client, ISSUED_S,
		 COOKIE_CLIENT_ONLY},
		{"nothing", RFC_KEY, "", client, ISSUED_S, COOKIE_BAD},
		{"A.3, reserved bytes set by another server, when it was made", RFC_KEY,
		 "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", v4(203, 0, 113, 203),
		 1559727985, COOKIE_VALID},
		{"A.4, made with the old secret", RFC_KEY_OLD,
		 "22681ab97d52c298010000005cf7c57926556bd0934c72f8", rfc_v6(), 1559741961,
		 COOKIE_VALID},
		{"A.4, judged with the new one", RFC_KEY_NEW,
		 "22681ab97d52c298010000005cf7c57926556bd0934c72f8", rfc_v6(), 1559741961,
		 COOKIE_BAD},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(check_text(rows[i].key, rows[i].option, rows[i].client,
					   rows[i].now_s),
				rows[i].want);
}

static void cookie_check__survives_the_end_of_the_clock(void)
{
	struct hash_key key = key_from(RFC_KEY);
	struct address client = rfc_v6();
	uint8_t option[COOKIE_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct span whole = {option, sizeof(option)};

	cookie_make(&key, option, &client, UINT32_MAX - 10, option + DNS_COOKIE_CLIENT_BYTES);
	CU_ASSERT_EQUAL(cookie_check(&key, whole, &client, 3589), COOKIE_VALID);
	CU_ASSERT_EQUAL(cookie_check(&key, whole, &client, 3590), COOKIE_STALE);
	cookie_make(&key, option, &client, 100, option + DNS_COOKIE_CLIENT_BYTES);
	CU_ASSERT_EQUAL(cookie_check(&key, whole, &client, UINT32_MAX - 199), COOKIE_VALID);
	CU_ASSERT_EQUAL(cookie_check(&key, whole, &client, UINT32_MAX - 200), COOKIE_STALE);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cookie_make__gives_the_cookies_of_rfc9018_appendix_a),
	UNIT_TEST(cookie_check__judges_options),
	UNIT_TEST(cookie_check__survives_the_end_of_the_clock),
};
UNIT_SUITE(cookie, tests)
