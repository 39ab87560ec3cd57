#include <string.h>

#include "core/port_set.h"
#include "unit.h"

#define EPHEMERAL_FIRST 1024

static void map_default(struct port_map *m)
{
	port_map_clear(m);
	port_map_add(m, EPHEMERAL_FIRST, PORT_COUNT - 1);
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		port_map_remove(m, port_exclusions_default[i].first,
				port_exclusions_default[i].last);
}

static void port_map__holds_what_was_added_and_not_removed(void)
{
	static const struct {
		const char *says;
		uint16_t add_first, add_last, remove_first, remove_last;
		uint32_t want_count;
		uint16_t want_in, want_out;
	} rows[] = {
		{"one port", 53, 53, 1, 1, 1, 53, 52},
		{"its removal", 53, 54, 53, 53, 1, 54, 53},
		{"across words", 60, 200, 64, 127, 77, 128, 127},
		{"both ends", 0, 65535, 1, 65534, 2, 65535, 65534},
		{"removing what is not there", 100, 110, 111, 65535, 11, 110, 111},
		{"the last word", 65472, 65535, 65535, 65535, 63, 65534, 65535},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct port_map m;

		memset(&m, 0xff, sizeof(m));
		port_map_clear(&m);
		CU_ASSERT_EQUAL(port_map_count(&m), 0);
		port_map_add(&m, rows[i].add_first, rows[i].add_last);
		port_map_add(&m, rows[i].add_first, rows[i].add_last);
		port_map_remove(&m, rows[i].remove_first, rows[i].remove_last);
		CU_ASSERT_EQUAL(port_map_count(&m), rows[i].want_count);
		CU_ASSERT_TRUE(port_map_has(&m, rows[i].want_in));
		CU_ASSERT_FALSE(port_map_has(&m, rows[i].want_out));
	}
}

static void port_set_build__lists_the_map_ascending(void)
{
	static struct port_set s;
	struct port_map m;
	uint32_t listed = 0;

	map_default(&m);
	port_set_build(&s, &m);
	CU_ASSERT_EQUAL(s.port_count, port_map_count(&m));
	for (uint32_t i = 1; i < s.port_count; i++)
		CU_ASSERT(s.ports[i - 1] < s.ports[i]);
	for (uint32_t port = 0; port < PORT_COUNT; port++) {
		CU_ASSERT_EQUAL(port_map_has(&s.map, (uint16_t)port),
				port_map_has(&m, (uint16_t)port));
		listed += port_map_has(&s.map, (uint16_t)port);
	}
	CU_ASSERT_EQUAL(listed, s.port_count);
}

static void port_set_build__never_takes_port_0(void)
{
	static struct port_set s;
	struct port_map m;

	port_map_clear(&m);
	port_map_add(&m, 0, PORT_COUNT - 1);
	port_set_build(&s, &m);
	CU_ASSERT_EQUAL(s.port_count, PORT_COUNT - 1);
	CU_ASSERT_EQUAL(s.ports[0], 1);
	CU_ASSERT_FALSE(port_map_has(&s.map, 0));
	port_map_clear(&m);
	port_set_build(&s, &m);
	CU_ASSERT_EQUAL(s.port_count, 0);
}

static void port_exclusions_default__leave_64000_ports(void)
{
	struct port_map m;
	uint32_t excluded = 0;
	uint32_t low = 0; /* of these, below the range that there is by default */

	map_default(&m);
	CU_ASSERT(port_map_count(&m) >= 64000);
	for (unsigned i = 0; i < port_exclusions_default_count; i++) {
		const struct port_exclusion *e = &port_exclusions_default[i];

		CU_ASSERT(e->first >= 1 && e->first <= e->last);
		CU_ASSERT((e->first < EPHEMERAL_FIRST) == (e->last < EPHEMERAL_FIRST));
		CU_ASSERT(strlen(e->reason) > 0);
		low += e->last < EPHEMERAL_FIRST ? (uint32_t)e->last - e->first + 1 : 0;
		excluded += (uint32_t)e->last - e->first + 1;
	}
	/* No row repeats what another excludes. */
	CU_ASSERT_EQUAL(port_map_count(&m) + excluded - low, PORT_COUNT - EPHEMERAL_FIRST);
	port_map_clear(&m);
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		port_map_add(&m, port_exclusions_default[i].first, port_exclusions_default[i].last);
	CU_ASSERT_EQUAL(port_map_count(&m), excluded);
}

static void port_exclusions_default__cover_what_nics_parse(void)
{
	static const struct {
		const char *says;
		uint16_t input;
		bool want_eligible;
	} rows[] = {
		{"RoCEv2", 4791, false},
		{"VXLAN", 4789, false},
		{"VXLAN of Linux", 8472, false},
		{"Geneve", 6081, false},
		{"GTP-U", 2152, false},
		{"IPsec NAT traversal", 4500, false},
		{"BFD", 3784, false},
		{"mDNS", 5353, false},
		{"the first port", 1024, true},
		{"the last port", 65535, true},
		{"the one before VXLAN", 4788, true},
	};
	struct port_map m;

	map_default(&m);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(port_map_has(&m, rows[i].input), rows[i].want_eligible);
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_map__holds_what_was_added_and_not_removed),
	UNIT_TEST(port_set_build__lists_the_map_ascending),
	UNIT_TEST(port_set_build__never_takes_port_0),
	UNIT_TEST(port_exclusions_default__leave_64000_ports),
	UNIT_TEST(port_exclusions_default__cover_what_nics_parse),
};
UNIT_SUITE(port_set, tests)
