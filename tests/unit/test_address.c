#include "core/address.h"
#include "unit.h"

#define V4(a, b, c, d)                                                                             \
	{                                                                                          \
		{                                                                                  \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d                       \
		}                                                                                  \
	}

static void address_from_v4__makes_a_mapped_address(void)
{
	static const uint8_t bytes[4] = {192, 0, 2, 1};
	static const struct address want = V4(192, 0, 2, 1);
	struct address got = address_from_v4(bytes);

	CU_ASSERT(address_equal(&got, &want));
	CU_ASSERT(address_is_v4(&got));
}

static void address_is_v4__knows_mapped_from_the_rest(void)
{
	static const struct {
		const char *says;
		struct address input;
		bool want;
	} cases[] = {
		{"0.0.0.0", V4(0, 0, 0, 0), true},
		{"255.255.255.255", V4(255, 255, 255, 255), true},
		{"::", {{0}}, false},
		{"::192.0.2.1", {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1}}, false},
		{"::fffe:0:0", {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe}}, false},
		{"::1:ffff:0:0", {{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff}}, false},
		{"100::ffff:0:0", {{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, false},
		{"64:ff9b::", {{0, 0x64, 0xff, 0x9b}}, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		CU_ASSERT_EQUAL(address_is_v4(&cases[i].input), cases[i].want);
}

static void address_equal__looks_at_every_byte(void)
{
	static const struct address a = V4(192, 0, 2, 1);

	for (unsigned bit = 0; bit < ADDRESS_BYTES * 8; bit++) {
		struct address b = a;

		CU_ASSERT(address_equal(&a, &b));
		b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_FALSE(address_equal(&a, &b));
	}
}

static void endpoint_equal__needs_address_and_port(void)
{
	static const struct endpoint a = {V4(192, 0, 2, 1), 53};
	struct endpoint b = a;

	CU_ASSERT(endpoint_equal(&a, &b));
	b.port = 54;
	CU_ASSERT_FALSE(endpoint_equal(&a, &b));
	b = a;
	b.address.bytes[15] = 2;
	CU_ASSERT_FALSE(endpoint_equal(&a, &b));
}

static void mac_equal__looks_at_every_byte(void)
{
	static const struct mac a = {{2, 0, 0, 0, 0, 1}};

	for (unsigned i = 0; i < sizeof(a.bytes); i++) {
		struct mac b = a;

		CU_ASSERT(mac_equal(&a, &b));
		b.bytes[i] ^= 0x80;
		CU_ASSERT_FALSE(mac_equal(&a, &b));
	}
}

static void prefix_contains__ends_where_it_ends(void)
{
	static const struct {
		const char *says;
		struct prefix prefix;
		struct address address;
		bool want;
	} cases[] = {
		{"/24: first", {V4(192, 0, 2, 0), 120}, V4(192, 0, 2, 0), true},
		{"/24: last", {V4(192, 0, 2, 0), 120}, V4(192, 0, 2, 255), true},
		{"/24: one before", {V4(192, 0, 2, 0), 120}, V4(192, 0, 1, 255), false},
		{"/24: one after", {V4(192, 0, 2, 0), 120}, V4(192, 0, 3, 0), false},
		{"/24 with host bits", {V4(192, 0, 2, 77), 120}, V4(192, 0, 2, 1), true},
		{"/23: last", {V4(192, 0, 2, 0), 119}, V4(192, 0, 3, 255), true},
		{"/23: one after", {V4(192, 0, 2, 0), 119}, V4(192, 0, 4, 0), false},
		{"/25: last", {V4(192, 0, 2, 0), 121}, V4(192, 0, 2, 127), true},
		{"/25: one after", {V4(192, 0, 2, 0), 121}, V4(192, 0, 2, 128), false},
		{"/31: its pair", {V4(192, 0, 2, 6), 127}, V4(192, 0, 2, 7), true},
		{"/31: one after", {V4(192, 0, 2, 6), 127}, V4(192, 0, 2, 8), false},
		{"/32: itself", {V4(192, 0, 2, 6), 128}, V4(192, 0, 2, 6), true},
		{"/32: another", {V4(192, 0, 2, 6), 128}, V4(192, 0, 2, 7), false},
		{"0.0.0.0/0: any IPv4", {V4(0, 0, 0, 0), 96}, V4(255, 255, 255, 255), true},
		{"0.0.0.0/0: no IPv6", {V4(0, 0, 0, 0), 96}, {{0x20, 1}}, false},
		{"::/0: any", {{{0}}, 0}, {{0x20, 1}}, true},
		{"/3: last", {{{0x20}}, 3}, {{0x3f, 0xff}}, true},
		{"/3: one after", {{{0x20}}, 3}, {{0x40}}, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		CU_ASSERT_EQUAL(prefix_contains(&cases[i].prefix, &cases[i].address),
				cases[i].want);
}

static const struct unit_test tests[] = {
	UNIT_TEST(address_from_v4__makes_a_mapped_address),
	UNIT_TEST(address_is_v4__knows_mapped_from_the_rest),
	UNIT_TEST(address_equal__looks_at_every_byte),
	UNIT_TEST(endpoint_equal__needs_address_and_port),
	UNIT_TEST(mac_equal__looks_at_every_byte),
	UNIT_TEST(prefix_contains__ends_where_it_ends),
};
UNIT_SUITE(address, tests)
