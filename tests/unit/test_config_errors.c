/* Bad files: each has exactly one error, at exactly one place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_config_fixture.h"
#include "unit.h"

struct bad {
	const char *says;
	const char *input;
	const char *place; /* LINE:COLUMN */
	const char *fragment;
};

#define IFACE_WITH(more)                                                                           \
	"interfaces:\n  - device: net_null0\n    addresses: [192.0.2.53/24]\n" more MODE           \
	"forward: "                                                                                \
	"[{zone: \".\", to: 192.0.2.1}]\n"
#define TO(servers) INTERFACE MODE "forward:\n  - zone: .\n    to: " servers "\n"

static const struct bad bad_values[] = {
	{"number below its range", IFACE_WITH("    mtu: 70\n"), "4:10",
	 "interfaces[0].mtu: 70 is out of range, allowed: 576 to 9000"},
	{"number above its range", GOOD "shutdown_s: 3601\n", "8:13",
	 "shutdown_s: 3601 is out of range, allowed: 0 to 3600"},
	{"negative number", GOOD "shutdown_s: -1\n", "8:13", "-1 is out of range"},
	{"number beyond 64 bits", GOOD "shutdown_s: 99999999999999999999\n", "8:13",
	 "out of range"},
	{"number with junk", GOOD "shutdown_s: 5s\n", "8:13", "5s is not a whole number"},
	{"hexadecimal number", GOOD "shutdown_s: 0x10\n", "8:13", "is not a whole number"},
	{"number with a leading zero", GOOD "shutdown_s: 010\n", "8:13", "is not a whole number"},
	{"number in quotes", GOOD "shutdown_s: \"5\"\n", "8:13", "is text in quotes"},
	{"fraction", GOOD "shutdown_s: 1.5\n", "8:13", "is not a whole number"},
	{"list for a number", GOOD "shutdown_s: [5]\n", "8:13", "shutdown_s: is a list"},
	{"map for a number", GOOD "shutdown_s: {a: 5}\n", "8:13", "is a map of keys"},
	{"no value", GOOD "shutdown_s:\n", "8:1", "has no value"},
	{"yes for a boolean", GOOD "outgoing: {case_randomization: yes}\n", "8:32",
	 "outgoing.case_randomization: \"yes\" is not true or false"},
	{"boolean in quotes", GOOD "outgoing:\n  exclude_defaults: 'true'\n", "9:21",
	 "is not true or false"},
	{"unknown word", GOOD "poll: adaptiv\n", "8:7",
	 "allowed: adaptive, busy (did you mean adaptive?)"},
	{"unknown word of a nested key", GOOD "log:\n  level: verbose\n", "9:10",
	 "log.level: \"verbose\" is not known here, allowed: error, warning, info, debug"},
	{"word that is neither auto nor a number", GOOD "control_cpu: any\n", "8:14",
	 "allowed: auto or 0 to 1023"},
	{"section that is a scalar", GOOD "log: debug\n", "8:6", "log: is not a map"},
	{"list of maps that is a map", "mode: forward\ninterfaces:\n  device: net_null0\n", "3:3",
	 "interfaces: is not a list"},
	{"item of a list of maps that is a scalar", "interfaces:\n  - net_null0\n" MODE ZONE, "2:5",
	 "interfaces[0]: is not a map"},
	{"name with a space", IFACE_WITH("    name: net 0\n"), "4:11", "character that is not"},
	{"name that is too long", IFACE_WITH("    name: abcdefghijklmnopqrstuvwxyz0123456\n"),
	 "4:11", "is too long"},
	{"empty file prefix", GOOD "dpdk: {file_prefix: \"\"}\n", "8:21", "is empty"},
	{"control character in a text", GOOD "dpdk: {eal: [\"-\\x1b[0m\"]}\n", "8:14",
	 "dpdk.eal[0]: \"-\\x1b[0m\" has a control character"},
	{"NUL in a text", GOOD "dpdk: {eal: \"a\\0b\"}\n", "8:13", "has a NUL character"},
	{"MAC of five bytes", IFACE_WITH("    mac: 02:00:00:00:00\n"), "4:10",
	 "is not a MAC address"},
	{"multicast MAC", IFACE_WITH("    mac: \"03:00:00:00:00:01\"\n"), "4:10",
	 "not the MAC address of one station"},
	{"VLAN 4095", IFACE_WITH("    vlan: 4095\n"), "4:11", "allowed: none or 1 to 4094"},
	{"address that is none", GOOD "listen: [192.0.2.53, 192.0.2.256]\n", "8:22",
	 "listen[1]: \"192.0.2.256\" is not an IP address"},
	{"port after a colon", GOOD "listen: 192.0.2.53:53\n", "8:9", "address or address@port"},
	{"port 0", GOOD "listen: 192.0.2.53@0\n", "8:9", "port that is not 1 to 65535"},
	{"port 65536", GOOD "listen: 192.0.2.53@65536\n", "8:9", "port that is not 1 to 65535"},
	{"mapped IPv4", GOOD "listen: \"::ffff:192.0.2.53\"\n", "8:9", "write it as IPv4"},
	{"prefix length 33", GOOD "allow: 192.0.2.0/33\n", "8:8", "prefix length"},
	{"prefix length 129", GOOD "allow: [\"2001:db8::/129\"]\n", "8:9", "prefix length"},
	{"prefix length that is none", GOOD "allow: 192.0.2.0/x\n", "8:8", "prefix length"},
	{"port range reversed", GOOD "outgoing: {exclude: 8100-8000}\n", "8:21",
	 "outgoing.exclude: \"8100-8000\" ends before it begins, allowed: the smaller port first "
	 "(did you mean 8000-8100?)"},
	{"port range with junk", GOOD "outgoing: {exclude: [4500, 80-x]}\n", "8:28",
	 "outgoing.exclude[1]"},
	{"port range from 0", GOOD "outgoing: {range: 0-65535}\n", "8:19", "not a port or range"},
	{"zone with an empty label", INTERFACE MODE "forward: [{zone: a..b, to: 192.0.2.1}]\n",
	 "6:18", "forward[0].zone: \"a..b\" is not a domain name"},
	{"zone with a label of 64",
	 INTERFACE MODE
	 "forward: [{zone: "
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, to: 192.0.2.1}]\n",
	 "6:18", "is not a domain name"},
	{"too many servers",
	 TO("[10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, "
	    "10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11, 10.0.0.12, "
	    "10.0.0.13, 10.0.0.14, 10.0.0.15, 10.0.0.16, 10.0.0.17]"),
	 "8:9", "forward[0].to: has 17 items, allowed: at most 16"},
	{"health out of range",
	 INTERFACE MODE "forward:\n  - zone: .\n    to: 10.0.0.1\n    health: {fall: 0}\n", "9:20",
	 "forward[0].health.fall: 0 is out of range"},
	{"timeout above the clients' deadline",
	 INTERFACE MODE "forward: [{zone: ., to: 10.0.0.1, timeout_ms: 4001}]\n", "6:47",
	 "allowed: 10 to 4000"},
	{"EDNS size below 512", GOOD "outgoing: {edns_udp_size: 511}\n", "8:27", "512 to 1232"},
};

static const struct bad bad_keys[] = {
	{"unknown key", GOOD "wrokers: 1\n", "8:1",
	 "wrokers: is not a key that exists (did you mean workers?)"},
	{"unknown key in a list item", IFACE_WITH("    mtuu: 1500\n"), "4:5",
	 "interfaces[0].mtuu: is not a key that exists (did you mean mtu?)"},
	{"unknown key in a nested section",
	 INTERFACE MODE "forward:\n  - zone: .\n    to: 10.0.0.1\n    health: {intervals: 1}\n",
	 "9:14", "forward[0].health.intervals: is not a key that exists"},
	{"key of another section", GOOD "timeout_ms: 5\n", "8:1",
	 "did you mean forward[].timeout_ms?"},
	{"key unlike any", GOOD "zzzzzz: 1\n", "8:1", "zzzzzz: is not a key that exists\n"},
	{"key with control characters", GOOD "\"a\\x1b\": 1\n", "8:1", "a\\x1b: is not a key"},
	{"duplicate key", GOOD "poll: busy\nlog: {}\npoll: busy\n", "10:1",
	 "poll: is given twice, first in line 8"},
	{"duplicate section", GOOD "log: {level: info}\nlog: {format: json}\n", "9:1",
	 "log: is given twice"},
	{"duplicate key in a list item", IFACE_WITH("    mtu: 1500\n    mtu: 1400\n"), "5:5",
	 "interfaces[0].mtu: is given twice"},
	{"interfaces missing", MODE "shutdown_s: 1\n", "1:1", "interfaces: is missing"},
	{"no interface", MODE "interfaces: []\n", "2:13", "interfaces: is empty"},
	{"device missing", "interfaces:\n  - addresses: 192.0.2.53/24\n" MODE, "2:5",
	 "interfaces[0].device: is missing"},
	{"addresses missing", "interfaces:\n  - device: net_null0\n" MODE, "2:5",
	 "interfaces[0].addresses: is missing"},
	{"zone missing", INTERFACE MODE "forward:\n  - to: 10.0.0.1\n", "7:5",
	 "forward[0].zone: is missing"},
	{"to missing", INTERFACE MODE "stub:\n  - zone: a.example\n", "7:5",
	 "stub[0].to: is missing"},
};

static const struct bad bad_cache[] = {
	{"size", GOOD "cache: {size_mb: -1}\n", "8:18", "cache.size_mb: "},
	{"TTLs that cross", GOOD "cache: {min_ttl_s: 60, max_ttl_s: 59}\n", "8:20",
	 "cache.min_ttl_s: min_ttl_s 60 is more than max_ttl_s 59"},
	{"least TTL above the default", GOOD "cache: {max_ttl_s: 0}\n", "8:20",
	 "cache.max_ttl_s: 0 is out of range, allowed: 1 to 604800"},
	{"file without a name", GOOD "cache: {file: \"\"}\n", "8:15", "cache.file: "},
	{"order of records", GOOD "cache: {rrset_order: random}\n", "8:22",
	 "allowed: round_robin, fixed"},
	{"stale time", GOOD "cache: {serve_stale: {max_stale_s: 0}}\n", "8:36",
	 "allowed: 1 to 604800"},
	{"no TCP clients", GOOD "tcp: {max_clients: 0}\n", "8:20", "allowed: 1 to 1048576"},
	{"idle for no time", GOOD "tcp: {idle_s: 0}\n", "8:15", "allowed: 1 to 3600"},
};

#define LATER "not available yet"
static const struct bad bad_later[] = {
	{"a wrong value of what is not there", GOOD "dnssec: {negative_trust_anchors: [a..b]}\n",
	 "8:34", LATER},
	{"metrics", GOOD "metrics: {listen: 127.0.0.1}\n", "8:19", "write the one for metrics"},
	{"validation", GOOD "dnssec: {validate: true}\n", "8:20", LATER},
	{"trust anchors", GOOD "dnssec: {trust_anchors: [x]}\n", "8:25", LATER},
	{"another probe name a zone",
	 INTERFACE MODE "forward:\n  - {zone: ., to: 10.0.0.1}\n"
			"  - {zone: a, to: 10.0.0.2, health: {name: a}}\n",
	 "8:44", "forward[1].health.name: differs from that of forward[0], which is " LATER},
};

static const struct bad bad_together[] = {
	{"address without length",
	 "interfaces: [{device: net_null0, addresses: 192.0.2.53}]\n" MODE, "1:45",
	 "192.0.2.53\" has no prefix length, allowed: address/length"},
	{"no addresses", "interfaces: [{device: net_null0, addresses: []}]\n" MODE, "1:45",
	 "interfaces[0].addresses: is empty"},
	{"multicast address", "interfaces: [{device: net_null0, addresses: 224.0.0.1/4}]\n" MODE,
	 "1:45", "multicast"},
	{"network address", "interfaces: [{device: net_null0, addresses: 192.0.2.0/24}]\n" MODE,
	 "1:45", "address of the network itself"},
	{"broadcast address", "interfaces: [{device: net_null0, addresses: 192.0.2.255/24}]\n" MODE,
	 "1:45", "broadcast"},
	{"address twice",
	 "interfaces: [{device: net_null0, addresses: [192.0.2.53/24, 192.0.2.53/25]}]\n" MODE,
	 "1:61", "interfaces[0].addresses[1]: 192.0.2.53 is given twice"},
	{"address on two interfaces",
	 "interfaces:\n  - {device: net_null0, addresses: 10.0.0.1/24}\n"
	 "  - {device: net_null1, addresses: 10.0.0.1/24}\n" MODE,
	 "3:36", "10.0.0.1 is given twice, first to interfaces[0]"},
	{"name twice",
	 "interfaces:\n  - {name: a, device: net_null0, addresses: 10.0.0.1/24}\n"
	 "  - {name: a, device: net_null1, addresses: 10.0.0.2/24}\n" MODE,
	 "3:12", "\"a\" is already the name of interfaces[0]"},
	{"name equal to a default name",
	 "interfaces:\n  - {name: net1, device: net_null0, addresses: 10.0.0.1/24}\n"
	 "  - {device: net_null1, addresses: 10.0.0.2/24}\n" MODE,
	 "3:5", "\"net1\" is already the name"},
	{"device twice",
	 "interfaces:\n  - {device: \"0000:3b:00.0\", addresses: 10.0.0.1/24}\n"
	 "  - {device: \"3B:00.0\", addresses: 10.0.0.2/24}\n" MODE,
	 "3:14", "already the device of interfaces[0]"},
	{"device with a space",
	 "interfaces: [{device: net_null0 eth0, addresses: 10.0.0.1/24}]\n" MODE, "1:23",
	 "interfaces[0].device: \"net_null0 eth0\" has a space"},
	{"broadcast address as gateway", IFACE_WITH("    gateway: 192.0.2.255\n"), "4:14",
	 "192.0.2.255 is the broadcast address of its network"},
	{"more addresses than outgoing ones may be",
	 "interfaces: [{device: net_null0, addresses: [10.0.0.1/24, 10.0.0.2/24, 10.0.0.3/24, "
	 "10.0.0.4/24, 10.0.0.5/24, 10.0.0.6/24, 10.0.0.7/24, 10.0.0.8/24, 10.0.0.9/24, "
	 "10.0.0.10/24, 10.0.0.11/24, 10.0.0.12/24, 10.0.0.13/24, 10.0.0.14/24, 10.0.0.15/24, "
	 "10.0.0.16/24, 10.0.0.17/24]}]\n" MODE,
	 "1:1", "outgoing.addresses: is missing, and the interfaces have more than 16 addresses"},
	{"gateway off the link", IFACE_WITH("    gateway: 198.51.100.1\n"), "4:14",
	 "interfaces[0].gateway: 198.51.100.1 is not in the network"},
	{"gateway of a family without address", IFACE_WITH("    gateway: \"2001:db8::1\"\n"),
	 "4:14", "is not in the network"},
	{"two gateways of a family", IFACE_WITH("    gateway: [192.0.2.1, 192.0.2.2]\n"), "4:26",
	 "interfaces[0].gateway[1]: 192.0.2.2 is a second gateway of its family"},
	{"our own address as gateway", IFACE_WITH("    gateway: 192.0.2.53\n"), "4:14",
	 "192.0.2.53 is our own address"},
	{"MTU too small for IPv6",
	 "interfaces:\n  - device: net_null0\n    mtu: 1279\n    addresses: [\"fd00::1/64\"]\n" MODE,
	 "3:10", "1279 is too small for IPv6, allowed: at least 1280"},
	{"listen on a foreign address", GOOD "listen: [192.0.2.54]\n", "8:10",
	 "listen[0]: 192.0.2.54 is not an address of any interface"},
	{"listen on any address", GOOD "listen: 0.0.0.0\n", "8:9", "not an address of any"},
	{"listen twice", GOOD "listen: [192.0.2.53, 192.0.2.53@53]\n", "8:22",
	 "192.0.2.53@53 is given twice"},
	{"listen empty", GOOD "listen: []\n", "8:9", "listen: is empty"},
	{"allow empty", GOOD "allow: []\n", "8:8", "allow: is empty"},
	{"foreign outgoing address", GOOD "outgoing:\n  addresses:\n  - 192.0.2.54\n", "10:5",
	 "outgoing.addresses[0]: 192.0.2.54 is not an address of any interface; add it to "
	 "interfaces[].addresses"},
	{"outgoing address twice", GOOD "outgoing: {addresses: [192.0.2.53, 192.0.2.53]}\n", "8:36",
	 "192.0.2.53 is given twice"},
	{"zone without servers", INTERFACE MODE "forward: [{zone: ., to: []}]\n", "6:25",
	 "forward[0].to: is empty"},
	{"zone twice",
	 INTERFACE MODE "forward:\n  - {zone: ., to: 10.0.0.1}\n  - {zone: Ab.c, to: 10.0.0.1}\n"
			"stub: [{zone: aB.C., to: 10.0.0.2}]\n",
	 "9:15", "stub[0].zone: ab.c. is already the zone of forward[1]"},
	{"server twice", TO("[10.0.0.1, 10.0.0.1@53]"), "8:20", "10.0.0.1@53 is given twice"},
	{"our own listen address", TO("192.0.2.53"), "8:9", "questions would go in a circle"},
	{"our own address", TO("[10.0.0.1, 192.0.2.53@54]"), "8:20", "is our own address"},
	{"multicast server", TO("224.0.0.251"), "8:9", "224.0.0.251@53 is a multicast address"},
	{"multicast server, IPv6", TO("\"ff02::fb\""), "8:9", "is a multicast address"},
	{"unspecified server", TO("\"::\""), "8:9", "unspecified"},
	{"server in 0/8", TO("0.0.0.1"), "8:9", "0.0.0.0/8"},
	{"limited broadcast", TO("255.255.255.255"), "8:9", "broadcast"},
	{"broadcast of our network", TO("192.0.2.255"), "8:9", "broadcast address of its network"},
	{"loopback server", TO("127.0.0.53"), "8:9", "loopback"},
	{"server without outgoing address", TO("\"2001:db8::9\""), "8:9",
	 "has no outgoing address of its family"},
	{"server without a way", IFACE_WITH("stub: [{zone: a, to: 198.51.100.9}]\n"), "4:22",
	 "stub[0].to: 198.51.100.9@53 cannot be reached"},
	{"server with two kinds of health",
	 INTERFACE MODE "forward:\n  - {zone: ., to: 10.0.0.1}\n"
			"  - {zone: a, to: 10.0.0.1, health: {fall: 9}}\n",
	 "8:19", "forward[1].to: is also a server of forward[0], with another health"},
	{"no CPU", GOOD "workers: []\n", "8:10", "workers: is empty"},
};

static const struct bad bad_yaml[] = {
	{"empty file", "", "1:1", "the file is empty"},
	{"only a comment", "# nothing\n", "1:1", "the file is empty"},
	{"null", "~\n", "1:1", "the file is empty"},
	{"a list", "- a\n- b\n", "1:1", "the file: is not a map"},
	{"a scalar", "portico\n", "1:1", "the file: is not a map"},
	{"quote that does not end", GOOD "poll: \"busy\n", "8:8", "syntax: "},
	{"bracket that does not end", "listen: [192.0.2.53\n", "2:1", "closing bracket"},
	{"character that begins nothing", GOOD "poll: @busy\n", "8:7", "cannot start with '@'"},
	{"doubled quotes in a row", GOOD "poll: 'busy'''''\n", "8:7", "use double quotes"},
	{"anchor", GOOD "poll: &p busy\n", "8:8", "anchors (&) are not supported"},
	{"alias", GOOD "poll: *p\n", "8:7", "aliases (*) are not supported"},
	{"tag", GOOD "shutdown_s: !!int 5\n", "8:13", "tags (!) are not supported"},
	{"two documents", GOOD "---\npoll: busy\n", "8:1", "a second document"},
	{"key that is a list", GOOD "? [a]\n: b\n", "8:3", "a key must be plain text"},
	{"too deep", "a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", "1:19", "nested too deeply"},
	{"byte that is not UTF-8", GOOD "log: {}\npo\xffll: busy\n", "9:3", "is not UTF-8"},
	{"overlong UTF-8", GOOD "# \xc3\xa9\xc0\x80\n", "8:4", "is not UTF-8"},
	{"surrogate in UTF-8", GOOD "#\xed\xa0\x80\n", "8:2", "is not UTF-8"},
	{"UTF-8 cut short", GOOD "#\xe2\x82", "8:2", "is not UTF-8"},
};

static void check_table(const struct bad *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct bad *bad = &table[i];
		struct loaded l = test_config_load(bad->input, strlen(bad->input));
		char start[64];
		bool fits;

		snprintf(start, sizeof(start), "x.yaml:%s: ", bad->place);
		fits = l.config == NULL && l.error_count == 1 && strstr(l.printed, start) != NULL &&
		       strstr(l.printed, bad->fragment) != NULL;
		if (!fits)
			printf("\n%s: want %s... %s\ngot %u errors:\n%s", bad->says, start,
			       bad->fragment, l.error_count, l.printed);
		CU_ASSERT(fits);
		test_config_unload(&l);
	}
}

static void config_load__refuses_wrong_values_at_their_place(void)
{
	check_table(bad_values, ARRAY_COUNT(bad_values));
}

static void config_load__refuses_unknown_duplicate_and_missing_keys(void)
{
	check_table(bad_keys, ARRAY_COUNT(bad_keys));
}

static void config_load__refuses_a_cache_that_cannot_be(void)
{
	check_table(bad_cache, ARRAY_COUNT(bad_cache));
}

static void config_load__refuses_what_is_not_available_yet(void)
{
	check_table(bad_later, ARRAY_COUNT(bad_later));
}

static void config_load__refuses_values_that_do_not_fit_together(void)
{
	check_table(bad_together, ARRAY_COUNT(bad_together));
}

static void config_load__refuses_what_is_not_plain_yaml(void)
{
	check_table(bad_yaml, ARRAY_COUNT(bad_yaml));
}

static void config_load__refuses_nul_bytes(void)
{
	static const char text[] = GOOD "po\0ll: busy\n";
	struct loaded l = test_config_load(text, sizeof(text) - 1);

	CU_ASSERT(l.config == NULL);
	CU_ASSERT(strstr(l.printed, "x.yaml:8:3: syntax: a NUL byte") != NULL);
	test_config_unload(&l);
}

static void config_load__reports_all_errors_in_order_of_place(void)
{
	static const char text[] = "pol: busy\n"                      /* 1: unknown */
				   "interfaces:\n"                    /* 2 */
				   "  - device: net_null0\n"          /* 3 */
				   "    addresses: [192.0.2.53/24]\n" /* 4 */
				   "    mtu: 70\n"                    /* 5: out of range */
				   "listen: 192.0.2.54\n"             /* 6: foreign */
				   "shutdown_s: soon\n"               /* 7: not a number */
				   "mode: iterated\n"                 /* 8: no such word */
				   "stub:\n"                          /* 9 */
				   "  - {zone: a., to: 127.0.0.1, polcy: hash}\n"; /* 10: two */
	static const char *const places[] = {"1:1", "5:10", "6:9", "7:13", "8:7", "10:20", "10:31"};
	struct loaded l = test_config_load(text, strlen(text));
	unsigned at = 0;

	CU_ASSERT(l.config == NULL);
	CU_ASSERT_EQUAL(l.error_count, ARRAY_COUNT(places));
	for (unsigned i = 0; i < l.error_count + l.warning_count; i++) {
		char line[512], start[64];

		test_config_line(&l, i, line);
		if (strstr(line, ": warning: ") != NULL)
			continue;
		CU_ASSERT_FATAL(at < ARRAY_COUNT(places));
		snprintf(start, sizeof(start), "x.yaml:%s: ", places[at++]);
		CU_ASSERT(strncmp(line, start, strlen(start)) == 0);
		if (strncmp(line, start, strlen(start)) != 0)
			printf("want %s\ngot  %s\n", start, line);
	}
	CU_ASSERT_EQUAL(at, ARRAY_COUNT(places));
	test_config_unload(&l);
}

static void config_load__reports_a_cpu_that_is_listed_twice(void)
{
	struct loaded l =
		test_config_load(GOOD "workers: [7, 7]\n", strlen(GOOD "workers: [7, 7]\n"));

	CU_ASSERT(strstr(l.printed, "x.yaml:8:14: workers[1]: CPU 7 is listed twice\n") != NULL);
	test_config_unload(&l);
}

static void config_load__reports_one_cause_once(void)
{
	/* The interface's address is wrong: that listen, gateway and servers miss it is no news. */
	static const char text[] = "interfaces:\n"
				   "  - device: net_null0\n"
				   "    addresses: 192.0.2.530/24\n"
				   "    gateway: 192.0.2.1\n"
				   "listen: 192.0.2.53\n"
				   "outgoing: {addresses: 192.0.2.53}\n" MODE ZONE;
	struct loaded l = test_config_load(text, strlen(text));

	CU_ASSERT_EQUAL(l.error_count, 1);
	CU_ASSERT(strstr(l.printed, "x.yaml:3:16: interfaces[0].addresses: ") == l.printed);
	test_config_unload(&l);
}

static void config_load__bounds_what_it_prints(void)
{
	static char text[600000];
	size_t used = 0;
	unsigned lines = 0;
	struct loaded l;

	for (unsigned i = 0; i < 30000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "k%u: 1\n", i);
	l = test_config_load(text, used);
	CU_ASSERT(l.error_count >= 30000);
	for (const char *at = l.printed; *at != '\0'; at++)
		lines += *at == '\n';
	CU_ASSERT_EQUAL(lines, 1001);
	CU_ASSERT(strstr(l.printed, "more are not shown") != NULL);
	test_config_unload(&l);
}

static void config_load__refuses_a_file_of_more_than_a_mebibyte(void)
{
	static char text[(1 << 20) + 1];
	struct loaded l;

	memset(text, '#', sizeof(text));
	memcpy(text, GOOD, strlen(GOOD));
	l = test_config_load(text, sizeof(text) - 1);
	CU_ASSERT(l.config != NULL);
	test_config_unload(&l);
	l = test_config_load(text, sizeof(text));
	CU_ASSERT(l.config == NULL);
	CU_ASSERT(strstr(l.printed, "larger than 1 MiB") != NULL);
	test_config_unload(&l);
}

static void config_load__refuses_too_many_values(void)
{
	static char text[500000];
	struct loaded l;

	memset(text, 0, sizeof(text));
	strcpy(text, "listen: [");
	for (size_t i = strlen(text); i + 2 < 300000; i += 2)
		memcpy(text + i, "1,", 2);
	strcat(text, "1]\n");
	l = test_config_load(text, strlen(text));
	CU_ASSERT(l.config == NULL);
	CU_ASSERT(strstr(l.printed, "too many values") != NULL);
	test_config_unload(&l);
}

/* Write `count` zones, each with a server of its own that no other zone of this file has. */
static size_t put_zones(char *at, size_t left_bytes, const char *section, unsigned count)
{
	size_t used = (size_t)snprintf(at, left_bytes, "%s:\n", section);

	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(at + used, left_bytes - used,
					 "- {zone: %s%u, to: 10.1.%u.%u}\n", section, i,
					 section[0] == 's' ? 200 + i / 200 : i / 200, i % 200 + 1);
	CHECK(used < left_bytes);
	return used;
}

static void config_load__bounds_zones_and_servers(void)
{
	static char text[200000];
	static const char root[] = "- {zone: ., to: 10.1.0.1}\n";
	struct loaded l;
	size_t used;

	/* As many as there may be: 1023 zones and the root, 1023 servers. */
	memcpy(text, INTERFACE MODE, strlen(INTERFACE MODE));
	used = strlen(INTERFACE MODE);
	used += put_zones(text + used, sizeof(text) - used, "stub", 23);
	used += put_zones(text + used, sizeof(text) - used, "forward", 1000);
	memcpy(text + used, root, strlen(root));
	l = test_config_load(text, used + strlen(root));
	CU_ASSERT_FATAL(l.config != NULL);
	CU_ASSERT_EQUAL(l.config->forward_count, 1024);
	test_config_unload(&l);

	used = strlen(INTERFACE MODE);
	used += put_zones(text + used, sizeof(text) - used, "stub", 25);
	used += put_zones(text + used, sizeof(text) - used, "forward", 1000);
	l = test_config_load(text, used);
	CU_ASSERT(l.config == NULL);
	CU_ASSERT_EQUAL(l.error_count, 2);
	CU_ASSERT(strstr(l.printed, "x.yaml:7:1: stub: makes 1025 zones together with forward, "
				    "allowed: 1024\n") != NULL);
	CU_ASSERT(strstr(l.printed, "is one server too many, allowed: 1024 over all zones\n") !=
		  NULL);
	test_config_unload(&l);
}

static void config_load__bounds_the_listen_default(void)
{
	static char text[8192];
	struct loaded l;

	for (unsigned count = 64; count <= 65; count++) {
		size_t used = (size_t)snprintf(text, sizeof(text),
					       MODE "outgoing: {addresses: "
						    "10.9.0.1}\ninterfaces:");

		for (unsigned i = 0; i < count; i++) {
			if (i % 32 == 0)
				used += (size_t)snprintf(text + used, sizeof(text) - used,
							 "%s\n- device: net_null%u\n  addresses: [",
							 i > 0 ? "]" : "", i / 32);
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%s10.9.%u.%u/24", i % 32 > 0 ? ", " : "", i / 32,
						 i % 32 + 1);
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, "]\n");
		l = test_config_load(text, used);
		CU_ASSERT_EQUAL_FATAL(l.config != NULL, count == 64);
		CU_ASSERT(count != 64 || l.config->listen_count == 64);
		CU_ASSERT(count == 64 ||
			  strstr(l.printed, "x.yaml:1:1: listen: is missing, and the "
					    "interfaces have more than 64 addresses"));
		test_config_unload(&l);
	}
}

static void config_load__says_why_a_file_cannot_be_read(void)
{
	struct loaded l = test_config_load_file("/nonexistent/portico.yaml");

	CU_ASSERT(l.config == NULL);
	CU_ASSERT_STRING_EQUAL(l.printed, "/nonexistent/portico.yaml:1:1: the file: cannot be "
					  "read: No such file or directory\n");
	test_config_unload(&l);
	l = test_config_load_file("/");
	CU_ASSERT(l.config == NULL);
	CU_ASSERT_STRING_EQUAL(l.printed, "/:1:1: the file: cannot be read: Is a directory\n");
	test_config_unload(&l);
}

/* ---- warnings ---- */

static const struct bad warnings[] = {
	{"host bits", GOOD "allow: [10.0.0.0/8, 192.0.2.53/24]\n", "8:21",
	 "warning: allow[1]: 192.0.2.53/24 has host bits set, taken as 192.0.2.0/24"},
	{"no root zone", INTERFACE MODE "forward: [{zone: a, to: 10.0.0.1}]\n", "6:10",
	 "warning: forward: has no zone \".\""},
	{"no zones", INTERFACE MODE, "1:1", "warning: forward: has no zone \".\""},
	{"tries beyond the deadline",
	 INTERFACE MODE "forward: [{zone: ., to: 10.0.0.1, timeout_ms: 1001, tries: 4}]\n", "6:60",
	 "warning: forward[0].tries: 4 tries of 1001 ms take longer than 4000 ms"},
	{"TCP alone, and no way of the kernel's",
	 INTERFACE "    kernel: none\n" MODE "forward: [{zone: ., to: 10.0.0.1, transport: tcp}]\n",
	 "7:46",
	 "warning: forward[0].transport: there is no TCP, as every interface has kernel: none"},
	{"control CPU on a worker's", GOOD "workers: [3]\ncontrol_cpu: 3\n", "9:14",
	 "warning: control_cpu: CPU 3 is a worker's"},
};

static void config_load__warns_and_loads(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(warnings); i++) {
		struct loaded l = test_config_load(warnings[i].input, strlen(warnings[i].input));
		char start[64];
		bool fits;

		snprintf(start, sizeof(start), "x.yaml:%s: ", warnings[i].place);
		fits = l.config != NULL && l.error_count == 0 && l.warning_count == 1 &&
		       strstr(l.printed, start) == l.printed &&
		       strstr(l.printed, warnings[i].fragment) != NULL;
		if (!fits)
			printf("\n%s: got\n%s", warnings[i].says, l.printed);
		CU_ASSERT(fits);
		test_config_unload(&l);
	}
}

static void config_load__warns_of_a_file_that_everybody_may_write(void)
{
	char file[] = "/tmp/portico_test_config_XXXXXX";
	int fd = mkstemp(file);
	struct loaded l;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(write(fd, GOOD, strlen(GOOD)) == (ssize_t)strlen(GOOD));
	CU_ASSERT_FATAL(fchmod(fd, 0644) == 0);
	l = test_config_load_file(file);
	CU_ASSERT(l.config != NULL && l.warning_count == 0);
	test_config_unload(&l);
	CU_ASSERT_FATAL(fchmod(fd, 0646) == 0);
	l = test_config_load_file(file);
	CU_ASSERT(l.config != NULL && l.warning_count == 1);
	CU_ASSERT(strstr(l.printed, ":1:1: warning: the file: is writable by everybody") != NULL);
	test_config_unload(&l);
	close(fd);
	unlink(file);
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_load__refuses_wrong_values_at_their_place),
	UNIT_TEST(config_load__refuses_unknown_duplicate_and_missing_keys),
	UNIT_TEST(config_load__refuses_a_cache_that_cannot_be),
	UNIT_TEST(config_load__refuses_what_is_not_available_yet),
	UNIT_TEST(config_load__refuses_values_that_do_not_fit_together),
	UNIT_TEST(config_load__refuses_what_is_not_plain_yaml),
	UNIT_TEST(config_load__refuses_nul_bytes),
	UNIT_TEST(config_load__reports_all_errors_in_order_of_place),
	UNIT_TEST(config_load__reports_a_cpu_that_is_listed_twice),
	UNIT_TEST(config_load__reports_one_cause_once),
	UNIT_TEST(config_load__bounds_what_it_prints),
	UNIT_TEST(config_load__refuses_a_file_of_more_than_a_mebibyte),
	UNIT_TEST(config_load__refuses_too_many_values),
	UNIT_TEST(config_load__bounds_zones_and_servers),
	UNIT_TEST(config_load__bounds_the_listen_default),
	UNIT_TEST(config_load__says_why_a_file_cannot_be_read),
	UNIT_TEST(config_load__warns_and_loads),
	UNIT_TEST(config_load__warns_of_a_file_that_everybody_may_write),
};
UNIT_SUITE(config_errors, tests)
