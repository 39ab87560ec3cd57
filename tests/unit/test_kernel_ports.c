#include <string.h>

#include "dpdk_app/kernel_ports.h"
#include "dpdk_app/port_map_ops.h"
#include "unit.h"

static struct port_map map_of(const uint16_t pairs[][2], size_t count)
{
	struct port_map map = {{0}};

	for (size_t i = 0; i < count; i++)
		port_map_add(&map, pairs[i][0], pairs[i][1]);
	return map;
}

static void kernel_ports_parse__takes_lists_as_the_kernel_writes_them(void)
{
	static const struct {
		const char *text;
		uint16_t pairs[3][2];
		size_t count;
	} cases[] = {
		{"", {{0}}, 0},
		{"\n", {{0}}, 0},
		{"1\n", {{1, 1}}, 1},
		{"0", {{0, 0}}, 1},
		{"65535", {{65535, 65535}}, 1},
		{"0-65535\n", {{0, 65535}}, 1},
		{"1,5-7,9-9\n", {{1, 1}, {5, 7}, {9, 9}}, 3},
		{"7,7,5-8", {{5, 8}}, 1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct port_map want = map_of(cases[i].pairs, cases[i].count);
		struct port_map got;

		memset(&got, 0xff, sizeof(got));
		CU_ASSERT(kernel_ports_parse(cases[i].text, &got));
		CU_ASSERT(port_map_equal(&got, &want));
	}
}

static void kernel_ports_parse__leaves_out_untouched_at_what_is_no_list(void)
{
	static const char *const cases[] = {
		",",    "1,",    "1,,2",    "-1",     "1-",
		"5-4",  "65536", "1-65536", "100000", "a",
		"1 2",  " 1",    "1\n2",    "\n\n",   "1-2-3",
		"0x10", "+1",    "1, 2",    "1;2",    "99999999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct port_map before, got;

		memset(&before, 0x5a, sizeof(before));
		got = before;
		CU_ASSERT(!kernel_ports_parse(cases[i], &got));
		CU_ASSERT(port_map_equal(&got, &before));
	}
}

static void kernel_ports_format__writes_runs(void)
{
	static const struct {
		const char *text;
		uint16_t pairs[3][2];
		size_t count;
	} cases[] = {
		{"", {{0}}, 0},
		{"0", {{0, 0}}, 1},
		{"65535", {{65535, 65535}}, 1},
		{"0-65535", {{0, 65535}}, 1},
		{"1,5-7,9-10", {{1, 1}, {5, 7}, {9, 10}}, 3},
	};
	static char text[KERNEL_PORTS_LIST_BYTES];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct port_map map = map_of(cases[i].pairs, cases[i].count);

		CU_ASSERT_EQUAL(kernel_ports_format(&map, text), strlen(cases[i].text));
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
	}
}

/* Two in three, five digits each: no list is longer. */
static void kernel_ports_format__has_room_for_the_longest_list(void)
{
	static char text[KERNEL_PORTS_LIST_BYTES];
	struct port_map map = {{0}};
	struct port_map got;

	for (uint32_t port = 0; port + 1 < PORT_COUNT; port += 3)
		port_map_add(&map, (uint16_t)port, (uint16_t)(port + 1));
	CU_ASSERT(kernel_ports_format(&map, text) > 220000);
	CU_ASSERT(kernel_ports_parse(text, &got));
	CU_ASSERT(port_map_equal(&got, &map));
}

static void kernel_ports_format__is_read_back_by_parse(void)
{
	static char text[KERNEL_PORTS_LIST_BYTES];
	unsigned long long state = unit_seed();

	for (unsigned round = 0; round < 50; round++) {
		struct port_map map = {{0}};
		struct port_map got;
		unsigned count = (unsigned)(unit_random(&state) % 5000);

		for (unsigned i = 0; i < count; i++) {
			uint16_t port = (uint16_t)unit_random(&state);

			port_map_add(&map, port, port);
		}
		(void)kernel_ports_format(&map, text);
		CU_ASSERT(kernel_ports_parse(text, &got));
		CU_ASSERT(port_map_equal(&got, &map));
	}
}

/* What the kernel is given in pieces is the list: each piece is one, and none is too long. */
static void kernel_ports_piece__cuts_at_commas_and_loses_nothing(void)
{
	static char text[KERNEL_PORTS_LIST_BYTES], piece_text[4096];
	unsigned long long state = unit_seed();
	struct port_map map = {{0}}, sum = {{0}};
	const size_t most = 100;
	const char *at = text;
	size_t left;

	for (unsigned i = 0; i < 2500; i++) {
		uint16_t port = (uint16_t)unit_random(&state);

		port_map_add(&map, port, port);
	}
	left = kernel_ports_format(&map, text);
	while (left > 0) {
		size_t piece = kernel_ports_piece(at, left, most);
		struct port_map part;

		CU_ASSERT_FATAL(piece > 0 && piece <= most && piece <= left);
		CU_ASSERT(piece == left || at[piece - 1] == ',');
		memcpy(piece_text, at, piece);
		piece_text[piece == left ? piece : piece - 1] = '\0';
		CU_ASSERT(kernel_ports_parse(piece_text, &part));
		port_map_unite(&sum, &part);
		at += piece;
		left -= piece;
	}
	CU_ASSERT(port_map_equal(&sum, &map));
}

static void kernel_ports_piece__takes_a_short_list_whole(void)
{
	CU_ASSERT_EQUAL(kernel_ports_piece("1,22,333", 8, 12), 8);
	CU_ASSERT_EQUAL(kernel_ports_piece("1,22,333-4444", 13, 13), 13);
	CU_ASSERT_EQUAL(kernel_ports_piece("1,22,333-4444", 13, 12), 5);
	CU_ASSERT_EQUAL(kernel_ports_piece("10000-10001,10003", 17, 12), 12);
}

static void port_map_ops__are_those_of_sets(void)
{
	static const uint16_t a_pairs[][2] = {{0, 0}, {60, 70}, {65535, 65535}};
	static const uint16_t b_pairs[][2] = {{65, 128}};
	static const uint16_t both_pairs[][2] = {{65, 70}};
	static const uint16_t rest_pairs[][2] = {{0, 0}, {60, 64}, {65535, 65535}};
	static const uint16_t all_pairs[][2] = {{0, 0}, {60, 128}, {65535, 65535}};
	const struct port_map none = {{0}};
	const struct port_map a = map_of(a_pairs, 3), b = map_of(b_pairs, 1);
	const struct port_map both = map_of(both_pairs, 1), rest = map_of(rest_pairs, 3);
	const struct port_map all = map_of(all_pairs, 3);
	struct port_map m = a;

	port_map_intersect(&m, &b);
	CU_ASSERT(port_map_equal(&m, &both));
	CU_ASSERT(port_map_within(&m, &a) && port_map_within(&m, &b) && !port_map_within(&a, &m));
	m = a;
	port_map_subtract(&m, &b);
	CU_ASSERT(port_map_equal(&m, &rest));
	m = a;
	port_map_unite(&m, &b);
	CU_ASSERT(port_map_equal(&m, &all));
	CU_ASSERT(port_map_is_empty(&none) && !port_map_is_empty(&a));
	CU_ASSERT_EQUAL(port_map_first(&b), 65);
	CU_ASSERT_EQUAL(port_map_first(&none), 0);
}

static const struct unit_test tests[] = {
	UNIT_TEST(kernel_ports_parse__takes_lists_as_the_kernel_writes_them),
	UNIT_TEST(kernel_ports_parse__leaves_out_untouched_at_what_is_no_list),
	UNIT_TEST(kernel_ports_format__writes_runs),
	UNIT_TEST(kernel_ports_format__has_room_for_the_longest_list),
	UNIT_TEST(kernel_ports_format__is_read_back_by_parse),
	UNIT_TEST(kernel_ports_piece__cuts_at_commas_and_loses_nothing),
	UNIT_TEST(kernel_ports_piece__takes_a_short_list_whole),
	UNIT_TEST(port_map_ops__are_those_of_sets),
};
UNIT_SUITE(kernel_ports, tests)
