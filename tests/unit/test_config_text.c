/* The small parts under the reader: numbers, addresses, suggestions, classes of addresses, quoting. */
#include <string.h>

#include "config/address_class.h"
#include "config/problems.h"
#include "config/suggest.h"
#include "config/text_value.h"
#include "config/utf8.h"
#include "unit.h"

static void text_value_integer__takes_decimal_only(void)
{
	static const struct {
		const char *input;
		enum text_result want;
		int64_t value;
	} cases[] = {
		{"0", TEXT_OK, 0},
		{"-7", TEXT_OK, -7},
		{"9223372036854775807", TEXT_OK, INT64_MAX},
		{"9223372036854775808", TEXT_NUMBER_TOO_LARGE, 0},
		{"18446744073709551617", TEXT_NUMBER_TOO_LARGE, 0},
		{"99999999999999999999x", TEXT_NOT_NUMBER, 0},
		{"", TEXT_NOT_NUMBER, 0},
		{"-", TEXT_NOT_NUMBER, 0},
		{"+1", TEXT_NOT_NUMBER, 0},
		{"01", TEXT_NOT_NUMBER, 0},
		{"1 ", TEXT_NOT_NUMBER, 0},
		{"1e3", TEXT_NOT_NUMBER, 0},
		{"1_000", TEXT_NOT_NUMBER, 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t value = 0;

		CU_ASSERT_EQUAL(text_value_integer(cases[i].input, &value), cases[i].want);
		CU_ASSERT_EQUAL(value, cases[i].value);
	}
}

static void text_value_prefix__counts_bits_over_sixteen_bytes(void)
{
	static const struct {
		const char *input;
		enum text_result want;
		const char *printed;
		unsigned bits;
	} cases[] = {
		{"192.0.2.53/24", TEXT_OK, "192.0.2.53/24", 120},
		{"0.0.0.0/0", TEXT_OK, "0.0.0.0/0", 96},
		{"192.0.2.1/32", TEXT_OK, "192.0.2.1/32", 128},
		{"::/0", TEXT_OK, "::/0", 0},
		{"2001:db8::1/128", TEXT_OK, "2001:db8::1/128", 128},
		{"192.0.2.1/33", TEXT_LENGTH, NULL, 0},
		{"2001:db8::1/129", TEXT_LENGTH, NULL, 0},
		{"192.0.2.1/-1", TEXT_LENGTH, NULL, 0},
		{"192.0.2.1/", TEXT_LENGTH, NULL, 0},
		{"192.0.2.1/24/8", TEXT_LENGTH, NULL, 0},
		{"192.0.2.1", TEXT_NO_LENGTH, NULL, 0},
		{"/24", TEXT_NOT_ADDRESS, NULL, 0},
		{"192.0.2/24", TEXT_NOT_ADDRESS, NULL, 0},
		{"::ffff:192.0.2.1/120", TEXT_V4_MAPPED, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct prefix p;
		char text[TEXT_ADDRESS_BYTES];

		CU_ASSERT_EQUAL_FATAL(text_value_prefix(cases[i].input, &p), cases[i].want);
		if (cases[i].want != TEXT_OK)
			continue;
		CU_ASSERT_EQUAL(p.bits, cases[i].bits);
		CU_ASSERT_STRING_EQUAL(text_value_of_prefix(&p, text), cases[i].printed);
	}
}

static void text_value_endpoint__takes_a_port_after_at(void)
{
	static const struct {
		const char *input;
		enum text_result want;
		const char *printed;
	} cases[] = {
		{"192.0.2.1", TEXT_OK, "192.0.2.1@53"},
		{"192.0.2.1@1", TEXT_OK, "192.0.2.1@1"},
		{"2001:db8::1@65535", TEXT_OK, "2001:db8::1@65535"},
		{"192.0.2.1@0", TEXT_ADDRESS_PORT, NULL},
		{"192.0.2.1@65536", TEXT_ADDRESS_PORT, NULL},
		{"192.0.2.1@", TEXT_ADDRESS_PORT, NULL},
		{"192.0.2.1@53@53", TEXT_ADDRESS_PORT, NULL},
		{"@53", TEXT_NOT_ADDRESS, NULL},
		{"192.0.2.1:53", TEXT_NOT_ADDRESS, NULL},
		{"[2001:db8::1]@53", TEXT_NOT_ADDRESS, NULL},
		{"fe80::1%eth0", TEXT_NOT_ADDRESS, NULL},
		{"dns.example", TEXT_NOT_ADDRESS, NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct endpoint e;
		char text[TEXT_ADDRESS_BYTES];

		CU_ASSERT_EQUAL_FATAL(text_value_endpoint(cases[i].input, 53, &e), cases[i].want);
		if (cases[i].want == TEXT_OK)
			CU_ASSERT_STRING_EQUAL(text_value_of_endpoint(&e, text), cases[i].printed);
	}
}

static void text_value_ports__takes_ports_and_ranges(void)
{
	static const struct {
		const char *input;
		enum text_result want;
		unsigned first, last;
	} cases[] = {
		{"1", TEXT_OK, 1, 1},
		{"65535", TEXT_OK, 65535, 65535},
		{"1024-65535", TEXT_OK, 1024, 65535},
		{"7-7", TEXT_OK, 7, 7},
		{"0", TEXT_PORT, 0, 0},
		{"65536", TEXT_PORT, 0, 0},
		{"1-65536", TEXT_PORT, 0, 0},
		{"-5", TEXT_PORT, 0, 0},
		{"5-", TEXT_PORT, 0, 0},
		{"1-2-3", TEXT_PORT, 0, 0},
		{"1 - 2", TEXT_PORT, 0, 0},
		{"8-7", TEXT_RANGE_REVERSED, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct port_range r = {0, 0};

		CU_ASSERT_EQUAL(text_value_ports(cases[i].input, &r), cases[i].want);
		CU_ASSERT(r.first == cases[i].first && r.last == cases[i].last);
	}
}

static void text_value_mac__takes_one_stations_address(void)
{
	static const struct {
		const char *input;
		enum text_result want;
	} cases[] = {
		{"02:00:5e:10:AB:ff", TEXT_OK},
		{"00:00:00:00:00:00", TEXT_MAC_NOT_UNICAST},
		{"ff:ff:ff:ff:ff:ff", TEXT_MAC_NOT_UNICAST},
		{"33:33:00:00:00:01", TEXT_MAC_NOT_UNICAST},
		{"02:00:5e:10:ab:fg", TEXT_NOT_MAC},
		{"02-00-5e-10-ab-ff", TEXT_NOT_MAC},
		{"02:00:5e:10:ab", TEXT_NOT_MAC},
		{"02:00:5e:10:ab:ff:", TEXT_NOT_MAC},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct mac mac;

		CU_ASSERT_EQUAL(text_value_mac(cases[i].input, &mac), cases[i].want);
	}
}

static void address_class_fault_in__knows_network_and_broadcast(void)
{
	static const struct {
		const char *network, *address;
		bool faulty;
	} cases[] = {
		{"192.0.2.53/24", "192.0.2.0", true},       {"192.0.2.53/24", "192.0.2.255", true},
		{"192.0.2.53/24", "192.0.2.1", false},      {"192.0.2.53/24", "192.0.3.255", false},
		{"192.0.2.53/26", "192.0.2.63", true},      {"192.0.2.0/31", "192.0.2.0", false},
		{"192.0.2.0/31", "192.0.2.1", false},       {"192.0.2.1/32", "192.0.2.1", false},
		{"2001:db8::1/64", "2001:db8::", true},     {"2001:db8::/127", "2001:db8::", false},
		{"2001:db8::1/120", "2001:db8::ff", false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct prefix network;
		struct address a;

		CU_ASSERT_FATAL(text_value_prefix(cases[i].network, &network) == TEXT_OK);
		CU_ASSERT_FATAL(text_value_address(cases[i].address, &a) == TEXT_OK);
		CU_ASSERT_EQUAL(address_class_fault_in(&a, &network) != NULL, cases[i].faulty);
	}
}

static void suggest_distance__counts_edits_and_swaps(void)
{
	static const struct {
		const char *a, *b;
		unsigned want;
	} cases[] = {
		{"", "", 0},
		{"abc", "", 3},
		{"", "abc", 3},
		{"workers", "workers", 0},
		{"wrokers", "workers", 1},
		{"worker", "workers", 1},
		{"wokers", "workers", 1},
		{"workerz", "workers", 1},
		{"ca", "abc", 3},
		{"kitten", "sitting", 3},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		CU_ASSERT_EQUAL(suggest_distance(cases[i].a, strlen(cases[i].a), cases[i].b,
						 strlen(cases[i].b)),
				cases[i].want);
}

static void suggest_text__offers_the_nearest_or_nothing(void)
{
	static const char *const candidates[] = {"listen", "allow", "interfaces", "log", "mode"};
	static const struct {
		const char *written, *want;
	} cases[] = {
		{"listn", " (did you mean listen?)"},
		{"lisetn", " (did you mean listen?)"},
		{"interface", " (did you mean interfaces?)"},
		{"inerface", " (did you mean interfaces?)"},
		{"mod", " (did you mean mode?)"},
		{"l", ""},
		{"forward", ""},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct suggest s;
		char text[SUGGEST_TEXT_BYTES];

		suggest_init(&s, cases[i].written, strlen(cases[i].written));
		for (size_t k = 0; k < ARRAY_COUNT(candidates); k++)
			suggest_offer(&s, candidates[k], strlen(candidates[k]));
		CU_ASSERT_STRING_EQUAL(suggest_text(&s, text), cases[i].want);
	}
}

static void problems_quote__prints_nothing_a_terminal_obeys(void)
{
	char out[PROBLEMS_QUOTE_BYTES];
	char longest[4 * PROBLEMS_QUOTE_BYTES];

	CU_ASSERT_STRING_EQUAL(problems_quote(out, "a\x1b[0m\n\x7f", 7), "a\\x1b[0m\\x0a\\x7f");
	CU_ASSERT_STRING_EQUAL(problems_quote(out, "\xc2\x9b", 2), "\\xc2\\x9b");
	CU_ASSERT_STRING_EQUAL(problems_quote(out, "caf\xc3\xa9", 5), "caf\xc3\xa9");
	for (size_t i = 0; i + 1 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	problems_quote(out, longest, sizeof(longest));
	CU_ASSERT(strlen(out) < sizeof(out));
	CU_ASSERT(strlen(out) > 100);
	/* Cut between characters: what is left is UTF-8. */
	CU_ASSERT_EQUAL(utf8_check(out, strlen(out), &(struct place){0, 0}), UTF8_OK);
	CU_ASSERT_STRING_EQUAL(out + strlen(out) - 3, "...");
	memset(longest, 1, sizeof(longest));
	problems_quote(out, longest, sizeof(longest));
	CU_ASSERT(strlen(out) < sizeof(out));
}

static const struct unit_test tests[] = {
	UNIT_TEST(text_value_integer__takes_decimal_only),
	UNIT_TEST(text_value_prefix__counts_bits_over_sixteen_bytes),
	UNIT_TEST(text_value_endpoint__takes_a_port_after_at),
	UNIT_TEST(text_value_ports__takes_ports_and_ranges),
	UNIT_TEST(text_value_mac__takes_one_stations_address),
	UNIT_TEST(address_class_fault_in__knows_network_and_broadcast),
	UNIT_TEST(suggest_distance__counts_edits_and_swaps),
	UNIT_TEST(suggest_text__offers_the_nearest_or_nothing),
	UNIT_TEST(problems_quote__prints_nothing_a_terminal_obeys),
};
UNIT_SUITE(config_text, tests)
