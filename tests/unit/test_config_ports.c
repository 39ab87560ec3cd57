/* Where queries leave from: addresses, prefixes, ports; what is refused, what is warned of. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/text_value.h"
#include "core/source_set.h"
#include "test_config_fixture.h"
#include "unit.h"

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define DUAL                                                                                       \
	"interfaces:\n"                                                                            \
	"  - device: net_null0\n"                                                                  \
	"    addresses: [192.0.2.53/24, \"2001:db8::53/64\"]\n"                                    \
	"    gateway: [192.0.2.1, \"2001:db8::1\"]\n" MODE "forward:\n"                            \
	"  - {zone: \".\", to: \"2001:db8:9::1\"}\n"
#define TWO                                                                                        \
	"interfaces:\n"                                                                            \
	"  - {device: net_null0, addresses: \"2001:db8:1::1/48\", gateway: \"2001:db8:1::9\"}\n"   \
	"  - {device: net_null1, addresses: [\"2001:db8:1:7::1/64\", 192.0.2.53/24]}\n" MODE
#define PREFIX(text) "outgoing: {addresses: \"" text "\"}\n"

static struct loaded load(const char *text)
{
	struct loaded l = test_config_load(text, strlen(text));

	if (l.config == NULL)
		printf("\n%s", l.printed);
	CU_ASSERT_FATAL(l.config != NULL);
	return l;
}

/* ---- ports ---- */

static void config_port_rules__defaults_lack_the_claimed_ones(void)
{
	struct loaded l = load(GOOD);
	struct port_map m = test_config_eligible(l.config, 0);
	unsigned claimed = 0;

	CU_ASSERT(!port_map_has(&m, 1023) && port_map_has(&m, 1024) && port_map_has(&m, 65535));
	CU_ASSERT_FATAL(port_exclusions_default_count > 0);
	for (unsigned i = 0; i < port_exclusions_default_count; i++) {
		const struct port_exclusion *e = &port_exclusions_default[i];

		CU_ASSERT(!port_map_has(&m, e->first) && !port_map_has(&m, e->last));
		claimed += e->first >= 1024 ? e->last - e->first + 1u : 0;
	}
	CU_ASSERT(!port_map_has(&m, 4500) && !port_map_has(&m, 4789));
	CU_ASSERT_EQUAL(port_map_count(&m), 65536 - 1024 - claimed);
	CU_ASSERT(port_map_count(&m) >= 63000); /* SECURITY.md R19 */
	CU_ASSERT(l.config->ports.exclude_defaults && l.config->ports.respect_kernel);
	CU_ASSERT(!l.config->ports.reserve_in_kernel);
	CU_ASSERT_EQUAL(l.config->ports.send_port, 0);
	CU_ASSERT_EQUAL(l.config->ports.pool_size, 0);
	CU_ASSERT_EQUAL(l.config->ports.rotate_s, 300);
	CU_ASSERT_EQUAL(l.config->ports.v6_identifiers, 64);
	test_config_unload(&l);
}

static void config_port_rules__exclusions_reach_below_1024(void)
{
	static const uint16_t rows[] = {67,  69,  88,  111, 123, 161, 389,
					443, 500, 514, 546, 623, 853};
	struct loaded l = load(GOOD "outgoing: {range: 1-65535}\n");
	struct port_map m = test_config_eligible(l.config, 0);

	CU_ASSERT(port_map_has(&m, 1));
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT(!port_map_has(&m, rows[i]));
	test_config_unload(&l);
	l = load(GOOD "outgoing: {exclude_defaults: false, range: 50-65535}\n");
	m = test_config_eligible(l.config, 0);
	CU_ASSERT(port_map_has(&m, 4789) && port_map_has(&m, 500));
	/* Listened on at the same address: it would be told apart, but is left to the listener. */
	CU_ASSERT(!port_map_has(&m, 53) && port_map_has(&m, 54) && !port_map_has(&m, 49));
	test_config_unload(&l);
}

static void config_port_rules__leave_out_what_is_listened_on_there(void)
{
	struct loaded l =
		load("interfaces:\n"
		     "  - device: net_null0\n"
		     "    addresses: [10.0.0.1/24, 10.0.0.2/24, \"2001:db8::1/64\"]\n"
		     "listen: [10.0.0.1@2000, 10.0.0.1@2001, \"2001:db8::1@2002\"]\n"
		     "outgoing: {addresses: [10.0.0.1, 10.0.0.2, \"2001:db8::/64\"]}\n" MODE);
	struct port_map m = test_config_eligible(l.config, 0);

	CU_ASSERT(!port_map_has(&m, 2000) && !port_map_has(&m, 2001) && port_map_has(&m, 2002));
	m = test_config_eligible(l.config, 1);
	CU_ASSERT(port_map_has(&m, 2000) && port_map_has(&m, 2001) && port_map_has(&m, 2002));
	/* A prefix has the addresses in it. */
	m = test_config_eligible(l.config, 2);
	CU_ASSERT(port_map_has(&m, 2000) && !port_map_has(&m, 2002));
	test_config_unload(&l);
}

static void config_port_rules__send_port_overrides_the_rest(void)
{
	static const char *const rows[] = {
		"outgoing: {send_port: 53}\n",
		"outgoing: {send_port: 53, range: 1024-65535, exclude: 1-100}\n",
		"outgoing: {send_port: 53, range: []}\n",
		"outgoing: {send_port: 53, exclude: 1-65535, pool_size: all}\n",
		"outgoing: {send_port: 53, pool_size: 1}\n",
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[1024];
		struct loaded l;
		struct port_map m;

		snprintf(text, sizeof(text), DUAL "%s", rows[i]);
		l = load(text);
		CU_ASSERT_EQUAL(l.warning_count, 1);
		CU_ASSERT_EQUAL(l.config->ports.send_port, 53);
		for (unsigned k = 0; k < 2; k++) {
			m = test_config_eligible(l.config, k);
			CU_ASSERT(port_map_has(&m, 53) && port_map_count(&m) == 1);
		}
		test_config_unload(&l);
	}
}

static void config_load__takes_pools_up_to_what_is_eligible(void)
{
	static const struct {
		const char *line;
		uint32_t pool_size;
		unsigned warning_count;
	} rows[] = {
		{"{pool_size: all}", 0, 0},
		{"{pool_size: 2500}", 2500, 1},
		{"{pool_size: 1, rotate_s: 60}", 1, 1},
		{"{pool_size: 4095}", 4095, 1},
		{"{pool_size: 4096}", 4096, 0},
		{"{pool_size: 64512, exclude_defaults: false}", 64512, 0},
		{"{pool_size: 8000, range: 12000-19999}", 8000, 0},
		/* One warning of it is enough. */
		{"{pool_size: 100, range: 20000-20099}", 100, 1},
		{"{range: 20000-24095}", 0, 0},
		{"{range: 20000-24094}", 0, 1},
		{"{range: 20000}", 0, 1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[1024];
		struct loaded l;

		snprintf(text, sizeof(text), GOOD "outgoing: %s\n", rows[i].line);
		l = load(text);
		CU_ASSERT_EQUAL(l.config->ports.pool_size, rows[i].pool_size);
		CU_ASSERT_EQUAL(l.warning_count, rows[i].warning_count);
		test_config_unload(&l);
	}
}

/* ---- prefixes to send from ---- */

static void config_load__takes_prefixes_to_send_from(void)
{
	static const struct {
		const char *says;
		const char *input;
		const char *prefix;
		unsigned interface_idx;
	} rows[] = {
		{"an address lies in it", DUAL PREFIX("2001:db8::/64"), "2001:db8::/64", 0},
		{"a network contains it", DUAL PREFIX("2001:db8::7:0/112"), "2001:db8::7:0/112", 0},
		{"the shortest", DUAL PREFIX("2001:db8::/64"), "2001:db8::/64", 0},
		{"the longest", DUAL PREFIX("2001:db8::1:ff00/120"), "2001:db8::1:ff00/120", 0},
		{"routed to the only interface", DUAL PREFIX("2001:db8:53::/64"),
		 "2001:db8:53::/64", 0},
		{"the first's network", TWO PREFIX("2001:db8:1:6::/64"), "2001:db8:1:6::/64", 0},
		{"the closer network", TWO PREFIX("2001:db8:1:7::/64"), "2001:db8:1:7::/64", 1},
		{"a part of the closer network", TWO PREFIX("2001:db8:1:7::5:0/112"),
		 "2001:db8:1:7::5:0/112", 1},
		{"on a shared interface",
		 "interfaces:\n  - device: \"net_af_xdp0,iface=eth0\"\n"
		 "    addresses: \"2001:db8::53/64\"\n    kernel: bifurcated\n" MODE PREFIX(
			 "2001:db8::/64"),
		 "2001:db8::/64", 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct loaded l = load(rows[i].input);
		const struct config_outgoing *o = &l.config->outgoing[0];
		struct prefix want;
		bool fits;

		CU_ASSERT_FATAL(text_value_prefix(rows[i].prefix, &want) == TEXT_OK);
		CU_ASSERT_EQUAL_FATAL(l.config->outgoing_count, 1);
		fits = address_equal(&o->address, &want.address) && o->prefix_bits == want.bits &&
		       o->interface_idx == rows[i].interface_idx;
		if (!fits)
			printf("\n%s: /%u on interfaces[%u]\n", rows[i].says, o->prefix_bits,
			       o->interface_idx);
		CU_ASSERT(fits);
		test_config_unload(&l);
	}
}

static void config_load__takes_prefixes_beside_addresses(void)
{
	struct loaded l = load(DUAL "outgoing: {addresses: [192.0.2.53, \"2001:db8:53::/64\", "
				    "\"2001:db8:54::/120\"], v6_identifiers: 64}\n");

	CU_ASSERT_EQUAL(l.warning_count, 0);
	CU_ASSERT_EQUAL_FATAL(l.config->outgoing_count, 3);
	CU_ASSERT_EQUAL(l.config->outgoing[0].prefix_bits, 128);
	CU_ASSERT_EQUAL(l.config->outgoing[1].prefix_bits, 64);
	CU_ASSERT_EQUAL(l.config->outgoing[2].prefix_bits, 120);
	test_config_unload(&l);
	/* Identifiers without a prefix: harmless. */
	l = load(DUAL "outgoing: {addresses: \"2001:db8::53\", v6_identifiers: 4096}\n");
	CU_ASSERT_EQUAL(l.warning_count, 0);
	test_config_unload(&l);
}

/* ---- what the kernel keeps ---- */

static void config_load__takes_what_the_kernel_keeps(void)
{
	static const struct {
		const char *device;
		const char *kernel;
		enum config_kernel want;
	} rows[] = {
		{"net_af_xdp0,iface=eth0", "auto", CONFIG_KERNEL_AUTO},
		{"net_af_xdp0,iface=eth0", "bifurcated", CONFIG_KERNEL_BIFURCATED},
		{"net_af_packet7,iface=eth0", "bifurcated", CONFIG_KERNEL_BIFURCATED},
		{"net_af_xdp0,iface=eth0", "none", CONFIG_KERNEL_NONE},
		{"0000:3b:00.0", "auto", CONFIG_KERNEL_AUTO},
		{"0000:3b:00.0", "tap", CONFIG_KERNEL_TAP},
		{"net_af_packet0,iface=eth0", "tap", CONFIG_KERNEL_TAP},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[1024];
		struct loaded l;

		snprintf(text, sizeof(text),
			 "interfaces: [{device: \"%s\", addresses: 192.0.2.53/24, gateway: "
			 "192.0.2.1, kernel: %s}]\n" MODE ZONE,
			 rows[i].device, rows[i].kernel);
		l = load(text);
		CU_ASSERT_EQUAL(l.config->interfaces[0].kernel, rows[i].want);
		CU_ASSERT_EQUAL(l.warning_count, 0);
		test_config_unload(&l);
	}
}

/* ---- errors and warnings, each at its place ---- */

struct said {
	const char *says;
	const char *input;
	const char *place; /* LINE:COLUMN */
	const char *fragment;
};

static const struct said refused[] = {
	{"range reversed", GOOD "outgoing: {range: 65535-1024}\n", "8:19",
	 "outgoing.range: \"65535-1024\" ends before it begins, allowed: the smaller port first (did "
	 "you mean 1024-65535?)"},
	{"a range of the list reversed", GOOD "outgoing: {range: [1-2, 9-8]}\n", "8:25",
	 "outgoing.range[1]: \"9-8\" ends before it begins"},
	{"port 0", GOOD "outgoing: {exclude: 0}\n", "8:21",
	 "outgoing.exclude: \"0\" is not a port or range of ports, allowed: port 1 to 65535"},
	{"range from port 0", GOOD "outgoing: {range: 0-1024}\n", "8:19", "allowed: port 1 to"},
	{"send from port 0", GOOD "outgoing: {send_port: 0}\n", "8:23",
	 "outgoing.send_port: 0 is out of range, allowed: random or 1 to 65535"},
	{"send from port 65536", GOOD "outgoing: {send_port: 65536}\n", "8:23", "is out of range"},
	{"pool of none", GOOD "outgoing: {pool_size: 0}\n", "8:23",
	 "outgoing.pool_size: 0 is out of range, allowed: all or 1 to 64512"},
	{"pool of too many", GOOD "outgoing: {pool_size: 64513}\n", "8:23", "out of range"},
	{"no range", GOOD "outgoing: {range: []}\n", "8:19",
	 "outgoing.range: no source port is left for 192.0.2.53: 0 in range, 0 less by exclude, 0 by "
	 "exclude_defaults, 0 by listen; outgoing.range took the last: name ports"},
	{"everything excluded", GOOD "outgoing: {exclude: 1-65535}\n", "8:21",
	 "outgoing.exclude: no source port is left for 192.0.2.53: 64512 in range, 64512 less by "
	 "exclude, 0 by exclude_defaults, 0 by listen; outgoing.exclude took the last: exclude fewer"},
	{"the defaults take the last", GOOD "outgoing: {range: [4500, 7000], exclude: 7000}\n",
	 "8:19",
	 "2 in range, 1 less by exclude, 1 by exclude_defaults, 0 by listen; "
	 "outgoing.exclude_defaults took the last: widen outgoing.range, or set it to false"},
	{"the defaults, asked for, take the last",
	 GOOD "outgoing:\n  range: 4500\n  exclude_defaults: true\n", "10:21",
	 "outgoing.exclude_defaults: no source port is left"},
	{"listening takes the last", GOOD "outgoing: {range: [53, 4500]}\n", "8:19",
	 "2 in range, 0 less by exclude, 1 by exclude_defaults, 1 by listen; listen took the last: "
	 "listen on another port"},
	{"listening, asked for, takes the last",
	 GOOD "outgoing: {range: 5300}\nlisten: 192.0.2.53@5300\n", "9:9",
	 "listen: no source port is left for 192.0.2.53"},
	{"only one address is without ports",
	 "interfaces: [{device: net_null0, addresses: [10.0.0.1/24, 10.0.0.2/24]}]\n" MODE
	 "listen: 10.0.0.2@5300\noutgoing: {range: 5300}\n",
	 "3:9", "no source port is left for 10.0.0.2"},
	{"a prefix without ports",
	 DUAL "listen: \"2001:db8::53@5300\"\n"
	      "outgoing: {range: 5300, addresses: \"2001:db8::/64\"}\n",
	 "8:9", "no source port is left for 2001:db8::/64"},
	{"pool larger than what is eligible",
	 GOOD "outgoing: {range: 5000-6000, pool_size: 997, exclude: 5500}\n", "8:41",
	 "outgoing.pool_size: 997 is more than the "},
	{"how many are eligible", GOOD "outgoing: {range: 20000-20009, pool_size: 11}\n", "8:43",
	 "11 is more than the 10 ports that 192.0.2.53 may use (10 in range, 0 less by exclude, 0 by "
	 "exclude_defaults, 0 by listen), allowed: all or 1 to 10"},
	{"bifurcated PCI device",
	 "interfaces:\n  - {device: \"0000:3b:00.0\", addresses: 10.0.0.1/24, kernel: bifurcated}\n" MODE,
	 "2:62", "interfaces[0].kernel: bifurcated needs a device on a kernel interface"},
	{"IPv4 prefix", GOOD "outgoing: {addresses: 192.0.2.0/24}\n", "8:23",
	 "outgoing.addresses: \"192.0.2.0/24\" is an IPv4 prefix, allowed: IP address, or IPv6 prefix "
	 "of /64 to /120"},
	{"prefix of /63", DUAL PREFIX("2001:db8::/63"), "8:23",
	 "\"2001:db8::/63\" has a prefix length that is not 64 to 120"},
	{"prefix of /121", DUAL PREFIX("2001:db8::/121"), "8:23", "that is not 64 to 120"},
	{"prefix of /128", DUAL PREFIX("2001:db8::53/128"), "8:23", "that is not 64 to 120"},
	{"prefix of /129", DUAL PREFIX("2001:db8::/129"), "8:23", "its family does not know"},
	{"prefix of nothing", DUAL PREFIX("2001:db8::/"), "8:23", "prefix length"},
	{"multicast prefix", DUAL PREFIX("ff05::/64"), "8:23", "is a multicast address"},
	{"link-local prefix",
	 "interfaces: [{device: net_null0, addresses: \"fe80::1/64\"}]\n" MODE PREFIX("fe80::/64"),
	 "3:23", "fe80::/64 is link-local"},
	{"prefix of no interface", TWO PREFIX("2001:db8:2::/64"), "5:23",
	 "outgoing.addresses: 2001:db8:2::/64 belongs to no interface"},
	{"prefix that nobody routes here", GOOD PREFIX("2001:db8:2::/64"), "8:23",
	 "belongs to no interface: none has an address in it, a network around it"},
	{"prefix twice", DUAL "outgoing: {addresses: [\"2001:db8::/64\", \"2001:db8::/64\"]}\n",
	 "8:41", "outgoing.addresses[1]: 2001:db8::/64 is given twice"},
	{"prefix in a prefix",
	 DUAL "outgoing: {addresses: [\"2001:db8::/64\", \"2001:db8::7:0/112\"]}\n", "8:41",
	 "2001:db8::7:0/112 overlaps 2001:db8::/64, which is given too"},
	{"prefix around a prefix",
	 DUAL "outgoing: {addresses: [\"2001:db8::7:0/112\", \"2001:db8::/64\"]}\n", "8:45",
	 "2001:db8::/64 overlaps 2001:db8::7:0/112"},
	{"prefix around an address",
	 DUAL "outgoing: {addresses: [\"2001:db8::53\", \"2001:db8::/64\"]}\n", "8:40",
	 "2001:db8::/64 overlaps 2001:db8::53"},
	{"address in a prefix",
	 DUAL "outgoing: {addresses: [\"2001:db8::/64\", \"2001:db8::53\"]}\n", "8:41",
	 "2001:db8::53 overlaps 2001:db8::/64"},
	{"more identifiers than a prefix can spare",
	 DUAL "outgoing: {addresses: \"2001:db8:2::/120\", v6_identifiers: 65}\n", "8:59",
	 "outgoing.v6_identifiers: 65 is too many for 2001:db8:2::/120, which has 256 addresses, "
	 "allowed: 1 to 64"},
	{"more identifiers than there may be", GOOD "outgoing: {v6_identifiers: 4097}\n", "8:28",
	 "4097 is out of range, allowed: 1 to 4096"},
	{"rotation every 0 seconds", GOOD "outgoing: {rotate_s: 0}\n", "8:22", "1 to 86400"},
};

static const struct said warned[] = {
	{"one port", GOOD "outgoing: {send_port: 53}\n", "8:23",
	 "warning: outgoing.send_port: every query leaves from port 53: 0 bits of port entropy, an "
	 "attacker has only the ID (16 bits) and the letter case to guess; let the firewall pass the "
	 "range and set outgoing.send_port: random; see `porticoctl ports firewall`"},
	{"one port, no letter case", GOOD "outgoing: {send_port: 53, case_randomization: false}\n",
	 "8:23", "only the ID (16 bits) to guess; let the firewall"},
	{"the pool of Windows", GOOD "outgoing: {pool_size: 2500}\n", "8:23",
	 "warning: outgoing.pool_size: 2500 is 11.3 bits of port entropy, all ("},
	{"what all would be", GOOD "outgoing: {pool_size: 2500, exclude_defaults: false}\n", "8:23",
	 "all (64512 ports) is 16.0: forged answers are that much easier"},
	{"a small range", GOOD "outgoing: {range: 20000-20999}\n", "8:19",
	 "warning: outgoing.range: 1000 ports are left for 192.0.2.53: 10.0 bits of port entropy"},
	{"a small rest", GOOD "outgoing: {exclude: 1024-65000}\n", "8:21",
	 "warning: outgoing.exclude: 535 ports are left for 192.0.2.53: 9.1 bits"},
	{"host bits of a prefix", DUAL PREFIX("2001:db8::53/64"), "8:23",
	 "warning: outgoing.addresses: 2001:db8::53/64 has host bits set, taken as 2001:db8::/64"},
};

/* Exactly one problem, there, and that. */
static void check_said(const struct said *rows, size_t count, bool is_error)
{
	for (size_t i = 0; i < count; i++) {
		struct loaded l = test_config_load(rows[i].input, strlen(rows[i].input));
		char start[64];
		bool fits;

		snprintf(start, sizeof(start), "x.yaml:%s: ", rows[i].place);
		fits = (l.config == NULL) == is_error && l.error_count == (is_error ? 1 : 0) &&
		       (is_error || l.warning_count == 1) && strstr(l.printed, start) != NULL &&
		       strstr(l.printed, rows[i].fragment) != NULL;
		if (!fits)
			printf("\n%s: want %s... %s\ngot %u errors, %u warnings:\n%s", rows[i].says,
			       start, rows[i].fragment, l.error_count, l.warning_count, l.printed);
		CU_ASSERT(fits);
		test_config_unload(&l);
	}
}

static void config_load__refuses_ports_and_prefixes_that_cannot_be(void)
{
	check_said(refused, ARRAY_COUNT(refused), true);
}

static void config_load__warns_of_ports_that_are_easy_to_guess(void)
{
	check_said(warned, ARRAY_COUNT(warned), false);
}

static void config_load__warns_of_a_pool_beside_one_port(void)
{
	struct loaded l = load(GOOD "outgoing: {send_port: 53, pool_size: 2500}\n");

	CU_ASSERT_EQUAL(l.warning_count, 2);
	CU_ASSERT(strstr(l.printed, "x.yaml:8:38: warning: outgoing.pool_size: 2500 has no effect: "
				    "outgoing.send_port: 53 leaves one port\n") != NULL);
	test_config_unload(&l);
}

static void config_load__says_that_reserving_needs_root(void)
{
	static const char text[] = GOOD "outgoing: {reserve_in_kernel: true}\n";
	uid_t before = geteuid();
	struct loaded l = load(text);

	CU_ASSERT(l.config->ports.reserve_in_kernel);
	CU_ASSERT_EQUAL(l.warning_count, euidaccess(RESERVED, W_OK) != 0);
	test_config_unload(&l);
	if (before != 0 || seteuid(65534) != 0)
		return; /* it was nobody special already */
	l = test_config_load(text, strlen(text));
	CU_ASSERT_FATAL(seteuid(before) == 0);
	CU_ASSERT(l.config != NULL && l.warning_count == 1);
	CU_ASSERT(strstr(l.printed, "x.yaml:8:31: warning: outgoing.reserve_in_kernel: needs root: "
				    "this user may not write " RESERVED) != NULL);
	test_config_unload(&l);
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_port_rules__defaults_lack_the_claimed_ones),
	UNIT_TEST(config_port_rules__exclusions_reach_below_1024),
	UNIT_TEST(config_port_rules__leave_out_what_is_listened_on_there),
	UNIT_TEST(config_port_rules__send_port_overrides_the_rest),
	UNIT_TEST(config_load__takes_pools_up_to_what_is_eligible),
	UNIT_TEST(config_load__takes_prefixes_to_send_from),
	UNIT_TEST(config_load__takes_prefixes_beside_addresses),
	UNIT_TEST(config_load__takes_what_the_kernel_keeps),
	UNIT_TEST(config_load__refuses_ports_and_prefixes_that_cannot_be),
	UNIT_TEST(config_load__warns_of_ports_that_are_easy_to_guess),
	UNIT_TEST(config_load__warns_of_a_pool_beside_one_port),
	UNIT_TEST(config_load__says_that_reserving_needs_root),
};
UNIT_SUITE(config_ports, tests)
