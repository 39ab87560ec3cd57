#include "options.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/limits.h"
#include "core/source_set.h"

#define NAME_BYTES_MAX 32
#define PATH_BYTES_MAX 255
#define NOTHING ""

/* forward and stub zones have the same keys. */
#define ZONE_OPTIONS(section, example_zone, example_to)                                                  \
	{.path = section "[].zone",                                                                      \
	 .type = OPTION_ZONE,                                                                            \
	 .example = example_zone,                                                                        \
	 .required = true,                                                                               \
	 .help = "names at or below this go to the servers; \".\" is every name; the longest "           \
		 "match wins"},                                                                          \
		{.path = section "[].to",                                                                \
		 .type = OPTION_ENDPOINT,                                                                \
		 .example = example_to,                                                                  \
		 .items_max = ZONE_SERVERS_MAX,                                                          \
		 .required = true,                                                                       \
		 .help = "the servers, port 53 unless given"},                                           \
		{.path = section "[].policy",                                                            \
		 .type = OPTION_WORD,                                                                    \
		 .preset = "fastest",                                                                    \
		 .words = "fastest, round_robin, in_order, hash",                                        \
		 .help = "which server is asked first: by round-trip time, in turn, as listed, or by a " \
			 "hash of the question"},                                                        \
		{.path = section "[].transport",                                                         \
		 .type = OPTION_WORD,                                                                    \
		 .preset = "auto",                                                                       \
		 .words = "auto, tcp", /* as enum zone_transport */                                      \
		 .help = "auto: by UDP, and over TCP what does not fit or is guessed at; tcp: over TCP " \
			 "alone, where the kernel has a way (interfaces[].kernel)"},                     \
		{.path = section "[].timeout_ms",                                                        \
		 .type = OPTION_INTEGER,                                                                 \
		 .unit = "milliseconds",                                                                 \
		 .preset = "800",                                                                        \
		 .min = 10,                                                                              \
		 .max = CLIENT_DEADLINE_MS,                                                              \
		 .help = "how long one try waits for its answer"},                                       \
		{.path = section "[].tries",                                                             \
		 .type = OPTION_INTEGER,                                                                 \
		 .preset = "3",                                                                          \
		 .min = 1,                                                                               \
		 .max = ZONE_SERVERS_MAX,                                                                \
		 .help = "tries over the servers, then SERVFAIL"},                                       \
		{.path = section "[].health",                                                            \
		 .type = OPTION_SECTION,                                                                 \
		 .help = "when a server counts as down, and as up again"},                               \
		{.path = section "[].health.interval_s",                                                 \
		 .type = OPTION_INTEGER,                                                                 \
		 .unit = "seconds",                                                                      \
		 .preset = "1",                                                                          \
		 .min = 1,                                                                               \
		 .max = 3600,                                                                            \
		 .help = "between probes of a server that is down"},                                     \
		{.path = section "[].health.rise",                                                       \
		 .type = OPTION_INTEGER,                                                                 \
		 .preset = "1",                                                                          \
		 .min = 1,                                                                               \
		 .max = 100,                                                                             \
		 .help = "answered probes in a row that make it up"},                                    \
		{.path = section "[].health.fall",                                                       \
		 .type = OPTION_INTEGER,                                                                 \
		 .preset = "3",                                                                          \
		 .min = 1,                                                                               \
		 .max = 100,                                                                             \
		 .help = "unanswered tries in a row that make it down"},                                 \
	{                                                                                                \
		.path = section "[].health.name", .type = OPTION_ZONE, .preset = ".",                    \
		.help = "name whose SOA a probe asks for; the same in all zones"                         \
	}

const struct option options[] = {
	{.path = "workers",
	 .type = OPTION_WORKERS,
	 .restart = true,
	 .preset = "1",
	 .min = 1,
	 .max = WORKERS_MAX - 1, /* DPDK has as many lcores, and one is control's */
	 .items_max = CONFIG_CPUS_MAX,
	 .help = "a count (CPUs from the highest down), or a list of CPUs, one worker each"},
	{.path = "control_cpu",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .preset = "auto",
	 .max = OPTIONS_CPU_IDX_MAX,
	 .words = "auto",
	 .help = "CPU of everything but the packet path"},
	{.path = "poll",
	 .type = OPTION_WORD,
	 .preset = "adaptive",
	 .words = "adaptive, busy",
	 .help = "adaptive: short naps when idle; busy: never sleep"},

	{.path = "dpdk", .type = OPTION_SECTION, .help = "the packet library"},
	{.path = "dpdk.memory_mb",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .unit = "MiB",
	 .preset = "512",
	 .min = 64,
	 .max = 1048576,
	 .help = "memory for packet buffers and tables"},
	{.path = "dpdk.hugepages",
	 .type = OPTION_WORD,
	 .restart = true,
	 .preset = "auto",
	 .words = "auto, required, never",
	 .help = "auto: huge pages if there are any, else ordinary ones"},
	{.path = "dpdk.file_prefix",
	 .type = OPTION_IDENTIFIER,
	 .restart = true,
	 .preset = "portico",
	 .max = NAME_BYTES_MAX,
	 .help = "tells several instances on a machine apart; also porticoctl -p"},
	{.path = "dpdk.extra_mbufs",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .preset = "0",
	 .max = 8388608,
	 .help = "packet buffers besides those that devices and workers need: a replay of net_pcap "
		 "(infinite_rx=1) keeps each packet of its file in one"},
	{.path = "dpdk.eal",
	 .type = OPTION_TEXT,
	 .restart = true,
	 .preset = "[]",
	 .max = PATH_BYTES_MAX,
	 .items_max = CONFIG_EAL_ARGS_MAX,
	 .help = "further arguments for DPDK's EAL, passed on as they are"},

	{.path = "interfaces",
	 .type = OPTION_SECTIONS,
	 .restart = true,
	 .items_max = INTERFACES_MAX,
	 .required = true,
	 .help = "the network interfaces that Portico drives"},
	{.path = "interfaces[].name",
	 .type = OPTION_IDENTIFIER,
	 .restart = true,
	 .example = "net0",
	 .max = NAME_BYTES_MAX,
	 .help = "for reports; default: net0, net1, ..."},
	{.path = "interfaces[].device",
	 .type = OPTION_TEXT,
	 .restart = true,
	 .example = "\"net_af_packet0,iface=eth0\"",
	 .max = PATH_BYTES_MAX,
	 .required = true,
	 .help = "a PCI address (0000:3b:00.0) or a DPDK device string"},
	{.path = "interfaces[].mac",
	 .type = OPTION_MAC,
	 .restart = true,
	 .preset = "auto",
	 .words = "auto",
	 .help = "auto: the device's own"},
	{.path = "interfaces[].addresses",
	 .type = OPTION_INTERFACE_ADDRESS,
	 .example = "[192.0.2.53/24, \"2001:db8::53/64\"]",
	 .items_max = INTERFACE_ADDRESSES_MAX,
	 .required = true,
	 .help = "the interface's own addresses, each with its prefix length"},
	{.path = "interfaces[].gateway",
	 .type = OPTION_ADDRESS,
	 .preset = "[]",
	 .example = "[192.0.2.1, \"2001:db8::1\"]",
	 .items_max = INTERFACE_GATEWAYS_MAX,
	 .help = "one a family, for servers that are not on the link; where the kernel shares the "
		 "interface, its routes are followed instead"},
	{.path = "interfaces[].vlan",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .preset = "none",
	 .min = 1,
	 .max = 4094,
	 .words = "none",
	 .help = "802.1Q tag of all traffic"},
	{.path = "interfaces[].mtu",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .unit = "bytes",
	 .preset = "1500",
	 .min = 576,
	 .max = 9000,
	 .help = "largest IP packet; at least 1280 with IPv6"},
	{.path = "interfaces[].kernel",
	 .type = OPTION_WORD,
	 .restart = true,
	 .preset = "auto",
	 .words = "auto, bifurcated, none, tap", /* as enum config_kernel */
	 .help = "what the kernel gets of the rest. bifurcated: all of it, device and addresses are "
		 "shared; tap: all of it, by a TAP with the interface's MAC and addresses; auto: "
		 "bifurcated where the kernel has one of our addresses there, tap for a PCI device"},
	{.path = "interfaces[].tap", .type = OPTION_SECTION, .help = "the TAP of kernel: tap"},
	{.path = "interfaces[].tap.name",
	 .type = OPTION_IDENTIFIER,
	 .restart = true,
	 .preset = "auto",
	 .max = CONFIG_TAP_NAME_BYTES_MAX,
	 .words = "auto",
	 .help = "of the kernel's interface; auto: portico0, portico1, ..."},
	{.path = "interfaces[].tap.netns",
	 .type = OPTION_IDENTIFIER,
	 .restart = true,
	 .preset = "none",
	 .max = NAME_BYTES_MAX,
	 .words = "none",
	 .help = "network namespace that it is in (ip netns); made if it is not there, and removed "
		 "at the end then; none: Portico's own"},

	{.path = "listen",
	 .type = OPTION_ENDPOINT,
	 .example = "[192.0.2.53, \"2001:db8::53\"]",
	 .items_max = LISTEN_MAX,
	 .help = "where questions are taken; default: every interface address, port 53"},
	{.path = "allow",
	 .type = OPTION_NETWORK,
	 .example = "[192.0.2.0/24]",
	 .items_max = ALLOW_PREFIXES_MAX,
	 .help = "clients that are answered, others get REFUSED; default: the interfaces' own "
		 "networks, RFC 1918, fc00::/7 and 100.64.0.0/10"},

	{.path = "tcp", .type = OPTION_SECTION, .help = "questions over TCP (RFC 7766)"},
	{.path = "tcp.enabled",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "answer over TCP too, where the kernel has our addresses (interfaces[].kernel)"},
	{.path = "tcp.max_clients",
	 .type = OPTION_INTEGER,
	 .preset = "8192",
	 .min = 1,
	 .max = 1048576,
	 .help = "connections at a time; then the one that is idle longest gives way. While over 3/4 "
		 "are open, an address (IPv6: /64) may have 1/4 of them"},
	{.path = "tcp.idle_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "10",
	 .min = 1,
	 .max = 3600,
	 .help = "an idle connection is closed after this"},

	{.path = "outgoing", .type = OPTION_SECTION, .help = "the send side"},
	{.path = "outgoing.addresses",
	 .type = OPTION_SOURCE,
	 .preset = "[]",
	 .items_max = OUTGOING_MAX,
	 .help = "source addresses of upstream queries, or IPv6 prefixes of /64 to /120 (each query "
		 "then leaves from a random address in it); []: the interfaces' addresses"},
	{.path = "outgoing.send_port",
	 .type = OPTION_INTEGER,
	 .preset = "random",
	 .min = 1,
	 .max = 65535,
	 .words = "random",
	 .help = "random; a number: every query leaves from that one port (53 included), 0 bits of "
		 "port entropy"},
	{.path = "outgoing.pool_size",
	 .type = OPTION_INTEGER,
	 .unit = "ports",
	 .preset = "all",
	 .min = 1,
	 .max = 64512,
	 .words = "all",
	 .help = "all eligible ports, or that many of them drawn at random; Windows reserves "
		 "2500"},
	{.path = "outgoing.range",
	 .type = OPTION_PORTS,
	 .preset = "1024-65535",
	 .items_max = OPTIONS_PORT_RULES_MAX,
	 .help = "source ports to draw from"},
	{.path = "outgoing.exclude",
	 .type = OPTION_PORTS,
	 .preset = "[]",
	 .items_max = OPTIONS_PORT_RULES_MAX,
	 .help = "ports and ranges never to use, on top of the defaults"},
	{.path = "outgoing.exclude_defaults",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "leave out ports that NICs or common services claim (porticoctl ports why)"},
	{.path = "outgoing.respect_kernel",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "leave out ports that the kernel reserves or processes hold, at start and while "
		 "running, where the kernel has the address too"},
	{.path = "outgoing.rotate_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "300",
	 .min = 1,
	 .max = 86400,
	 .help = "re-draw of a pool smaller than all, and of the addresses of a prefix"},
	{.path = "outgoing.late_ms",
	 .type = OPTION_INTEGER,
	 .unit = "milliseconds",
	 .preset = "3000",
	 .min = 100,
	 .max = 60000,
	 .help = "a timed-out query is remembered this long, so that its reply counts as late"},
	{.path = "outgoing.max_under_way",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .unit = "queries a worker",
	 .preset = "65536",
	 .min = 16,
	 .max = UNDER_WAY_MAX,
	 .help = "upstream queries and resolutions at a time"},
	{.path = "outgoing.case_randomization",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "random letter case in questions (0x20), a further secret for forgers to guess"},
	{.path = "outgoing.edns_udp_size",
	 .type = OPTION_INTEGER,
	 .unit = "bytes",
	 .preset = "1232",
	 .min = 512,
	 .max = EDNS_UDP_BYTES,
	 .help = "largest answer that we say we take over UDP"},
	{.path = "outgoing.reserve_in_kernel",
	 .type = OPTION_BOOL,
	 .preset = "false",
	 .help = "write our ports to ip_local_reserved_ports while running, so that the kernel gives "
		 "them to nobody who asks for any port"},
	{.path = "outgoing.v6_identifiers",
	 .type = OPTION_INTEGER,
	 .preset = "64",
	 .unit = "addresses",
	 .min = 1,
	 .max = SOURCE_IDENTIFIERS_MAX,
	 .help = "live addresses where an outgoing address is a prefix"},

	{.path = "mode",
	 .type = OPTION_WORD,
	 .preset = "iterate",
	 .words = "forward, iterate", /* as enum config_mode */
	 .help = "names that none of the zones below has are, by iterate, resolved from the root, "
		 "and by forward refused"},
	{.path = "root_hints",
	 .type = OPTION_TEXT,
	 .preset = "builtin",
	 .max = PATH_BYTES_MAX,
	 .words = "builtin",
	 .help = "the root's servers: builtin, or a file in zone format with their NS, A and AAAA "
		 "records, as IANA's named.root; read anew with every reload"},

	{.path = "forward",
	 .type = OPTION_SECTIONS,
	 .items_max = ZONES_MAX,
	 .help = "zones whose questions go to other resolvers"},
	ZONE_OPTIONS("forward", "\".\"", "[198.51.100.1, \"2001:db8:1::1@5353\"]"),
	{.path = "stub",
	 .type = OPTION_SECTIONS,
	 .items_max = ZONES_MAX,
	 .help = "zones whose authoritative servers are asked, without recursion desired"},
	ZONE_OPTIONS("stub", "corp.example", "[192.0.2.60]"),

	{.path = "cache", .type = OPTION_SECTION, .help = "answers that are kept"},
	{.path = "cache.size_mb",
	 .type = OPTION_INTEGER,
	 .restart = true,
	 .unit = "MiB",
	 .preset = "256",
	 .max = 1048576,
	 .help = "memory for it, beside dpdk.memory_mb, touched as it fills; 0: nothing is kept"},
	{.path = "cache.min_ttl_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "0",
	 .max = 3600,
	 .help = "shorter TTLs are raised to this"},
	{.path = "cache.max_ttl_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "86400",
	 .min = 1,
	 .max = 604800,
	 .help = "longer TTLs are cut to this"},
	{.path = "cache.negative_max_ttl_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "3600",
	 .min = 1,
	 .max = 86400,
	 .help = "the same for negative answers"},
	{.path = "cache.failure_ttl_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "5",
	 .min = 1,
	 .max = 300,
	 .help = "how long a failure is remembered (RFC 9520)"},
	{.path = "cache.serve_stale",
	 .type = OPTION_SECTION,
	 .help = "expired answers while no server answers (RFC 8767)"},
	{.path = "cache.serve_stale.enabled",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "use them"},
	{.path = "cache.serve_stale.max_stale_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "86400",
	 .min = 1,
	 .max = 604800,
	 .help = "not longer than this after they expired"},
	{.path = "cache.serve_stale.client_timeout_ms",
	 .type = OPTION_INTEGER,
	 .unit = "milliseconds",
	 .preset = "1800",
	 .max = CLIENT_DEADLINE_MS,
	 .help = "a client waits this long for a fresh one first"},
	{.path = "cache.prefetch",
	 .type = OPTION_BOOL,
	 .preset = "true",
	 .help = "refresh popular entries in their last 10 % of TTL"},
	{.path = "cache.rrset_order",
	 .type = OPTION_WORD,
	 .preset = "round_robin",
	 .words = "round_robin, fixed",
	 .help = "order of the records in an answer"},
	{.path = "cache.file",
	 .type = OPTION_TEXT,
	 .preset = "none",
	 .max = PATH_BYTES_MAX,
	 .words = "none",
	 .help = "where the cache is kept over a restart: written at the end and by `porticoctl cache "
		 "save`, read at the start"},

	{.path = "metrics", .type = OPTION_SECTION, .help = "numbers for Prometheus"},
	{.path = "metrics.listen",
	 .type = OPTION_ENDPOINT,
	 .preset = "none",
	 .words = "none",
	 .help = "address@port of this machine: http://address:port/metrics there"},

	{.path = "dnssec", .type = OPTION_SECTION, .help = "signatures"},
	{.path = "dnssec.validate",
	 .type = OPTION_BOOL,
	 .preset = "false",
	 .only = "false",
	 .help = "check them"},
	{.path = "dnssec.trust_anchors",
	 .type = OPTION_TEXT,
	 .preset = "[]",
	 .max = PATH_BYTES_MAX,
	 .only = NOTHING,
	 .items_max = ZONES_MAX,
	 .help = "DS or DNSKEY records that are trusted"},
	{.path = "dnssec.negative_trust_anchors",
	 .type = OPTION_ZONE,
	 .preset = "[]",
	 .only = NOTHING,
	 .items_max = ZONES_MAX,
	 .help = "zones that are not checked"},

	{.path = "log", .type = OPTION_SECTION, .help = "what goes to stderr"},
	{.path = "log.level",
	 .type = OPTION_WORD,
	 .preset = "info",
	 .words = "error, warning, info, debug",
	 .help = "this and what is worse"},
	{.path = "log.format",
	 .type = OPTION_WORD,
	 .preset = "text",
	 .words = "text, json",
	 .help = "one line an event"},
	{.path = "shutdown_s",
	 .type = OPTION_INTEGER,
	 .unit = "seconds",
	 .preset = "5",
	 .max = 3600,
	 .help = "questions under way get this long when Portico stops"},
};
const unsigned options_count = ARRAY_COUNT(options);

const char *options_key(const struct option *o)
{
	const char *dot = strrchr(o->path, '.');

	return dot != NULL ? dot + 1 : o->path;
}

bool options_is_in(const struct option *o, const char *section)
{
	const char *key = options_key(o);
	size_t section_bytes = key == o->path ? 0 : (size_t)(key - o->path) - 1;

	return strlen(section) == section_bytes && memcmp(o->path, section, section_bytes) == 0;
}

const struct option *options_find(const char *section, const char *key, size_t key_bytes)
{
	for (unsigned i = 0; i < options_count; i++) {
		const char *own = options_key(&options[i]);

		if (strlen(own) == key_bytes && memcmp(own, key, key_bytes) == 0 &&
		    options_is_in(&options[i], section))
			return &options[i];
	}
	return NULL;
}

bool options_word_next(const char *words, const char **at, size_t *length_bytes)
{
	const char *next = words;

	if (words == NULL)
		return false;
	if (*at != NULL) {
		next = *at + *length_bytes;
		if (*next == '\0')
			return false;
		next += strlen(", ");
	}
	if (*next == '\0')
		return false;
	*at = next;
	*length_bytes = strcspn(next, ",");
	return true;
}

int options_word_idx(const char *words, const char *text, size_t length_bytes)
{
	const char *at = NULL;
	size_t word_bytes = 0;

	for (int i = 0; options_word_next(words, &at, &word_bytes); i++)
		if (word_bytes == length_bytes && memcmp(at, text, word_bytes) == 0)
			return i;
	return -1;
}

/* What the type allows, its words left aside. */
static void allowed_by_type(const struct option *o, char out[OPTIONS_ALLOWED_BYTES])
{
	const char *text = "";

	out[0] = '\0';
	switch (o->type) {
	case OPTION_SECTION:
		text = "keys with values";
		break;
	case OPTION_SECTIONS:
		text = "a list of items, each with keys and values";
		break;
	case OPTION_BOOL:
		text = "true or false";
		break;
	case OPTION_WORD:
		break;
	case OPTION_MAC:
		text = "six bytes such as 02:00:00:00:00:01";
		break;
	case OPTION_ADDRESS:
		text = "IP address";
		break;
	case OPTION_SOURCE:
		text = "IP address, or IPv6 prefix of /64 to /120";
		break;
	case OPTION_INTERFACE_ADDRESS:
		text = "address/length such as 192.0.2.53/24";
		break;
	case OPTION_NETWORK:
		text = "network such as 192.0.2.0/24";
		break;
	case OPTION_ENDPOINT:
		text = "address or address@port";
		break;
	case OPTION_PORTS:
		text = "port 1 to 65535 or range such as 8000-8100";
		break;
	case OPTION_ZONE:
		text = "domain name";
		break;
	case OPTION_WORKERS:
		snprintf(out, OPTIONS_ALLOWED_BYTES, "%lld to %lld, or a list of CPUs 0 to %d",
			 (long long)o->min, (long long)o->max, OPTIONS_CPU_IDX_MAX);
		return;
	case OPTION_INTEGER:
		snprintf(out, OPTIONS_ALLOWED_BYTES, "%lld to %lld", (long long)o->min,
			 (long long)o->max);
		return;
	case OPTION_TEXT:
		snprintf(out, OPTIONS_ALLOWED_BYTES, "text of 1 to %lld bytes", (long long)o->max);
		return;
	case OPTION_IDENTIFIER:
		snprintf(out, OPTIONS_ALLOWED_BYTES,
			 "1 to %lld letters, digits, '.', '_' and '-', a letter or digit first",
			 (long long)o->max);
		return;
	}
	snprintf(out, OPTIONS_ALLOWED_BYTES, "%s", text);
}

const char *options_allowed_item(const struct option *o, char out[OPTIONS_ALLOWED_BYTES])
{
	char by_type[OPTIONS_ALLOWED_BYTES];
	const char *words = o->words != NULL ? o->words : "";

	if (o->only != NULL && o->only[0] != '\0')
		snprintf(out, OPTIONS_ALLOWED_BYTES, "%s until the rest is available", o->only);
	else {
		allowed_by_type(o, by_type);
		snprintf(out, OPTIONS_ALLOWED_BYTES, "%s%s%.200s", words,
			 words[0] != '\0' && by_type[0] != '\0' ? " or " : "", by_type);
	}
	return out;
}

const char *options_allowed(const struct option *o, char out[OPTIONS_ALLOWED_BYTES])
{
	char item[OPTIONS_ALLOWED_BYTES];

	options_allowed_item(o, item);
	if (o->items_max > 0 && o->type != OPTION_SECTIONS && o->type != OPTION_WORKERS)
		snprintf(out, OPTIONS_ALLOWED_BYTES, "one or a list of: %.200s", item);
	else
		snprintf(out, OPTIONS_ALLOWED_BYTES, "%s", item);
	return out;
}
