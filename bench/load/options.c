#include "bench/load/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/names.h"
#include "bench/load/random.h"

enum option_kind {
	KIND_TEXT,
	KIND_FLAG,
	KIND_U32,
	KIND_U64,
	KIND_NUMBER,
	KIND_PERCENT,
	KIND_TAKEN, /* by a function */
};

struct option_row {
	const char *name;
	const char *argument; /* for --help; NULL: takes none */
	enum option_kind kind;
	size_t offset;
	double least;
	double most;
	bool (*take)(struct options *o, const char *text);
	const char *help;
};

/* ---- values that take more than a number ---- */

static bool take_mode(struct options *o, const char *text)
{
	static const char *const words[] = {
		[OPTIONS_MODE_BOTH] = "both",
		[OPTIONS_MODE_CLIENT] = "client",
		[OPTIONS_MODE_SERVER] = "server",
		[OPTIONS_MODE_ECHO] = "echo",
	};

	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			o->mode = (enum options_mode)i;
			return true;
		}
	}
	return false;
}

static bool take_family(struct options *o, const char *text)
{
	static const char *const words[] = {
		[OPTIONS_FAMILY_4] = "4",
		[OPTIONS_FAMILY_6] = "6",
		[OPTIONS_FAMILY_MIXED] = "mixed",
	};

	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			o->family = (enum options_family)i;
			return true;
		}
	}
	return false;
}

static bool address_of(const char *text, struct address *out)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = address_from_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out->bytes) == 1 && !address_is_v4(out);
}

/* The next of a list A,B,C; NULL at its end. */
static const char *next_item(const char **list, char item[64])
{
	size_t length = strcspn(*list, ",");

	if (**list == '\0')
		return NULL;
	snprintf(item, 64, "%.*s", (int)length, *list);
	*list += length;
	if (**list == ',')
		(*list)++;
	return item;
}

static bool take_pair(struct address pair[OPTIONS_VERSIONS], const char *text)
{
	struct address address;
	char item[64];

	while (next_item(&text, item) != NULL) {
		if (!address_of(item, &address))
			return false;
		pair[options_version_of(&address)] = address;
	}
	return true;
}

static bool take_targets(struct options *o, const char *text)
{
	return take_pair(o->targets, text);
}

static bool take_gateways(struct options *o, const char *text)
{
	return take_pair(o->gateways, text);
}

/* The list takes the place of the *count addresses from first on; what is behind them moves. */
static bool take_list(struct options *o, uint32_t first, uint32_t *count, const char *text)
{
	struct address list[OPTIONS_SERVERS_MAX];
	uint32_t taken = 0, behind = options_all_servers(o) - first - *count;
	char item[64];

	while (next_item(&text, item) != NULL) {
		if (first + taken + behind == OPTIONS_SERVERS_MAX ||
		    !address_of(item, &list[taken]))
			return false;
		taken++;
	}
	memmove(o->servers + first + taken, o->servers + first + *count,
		behind * sizeof(*o->servers));
	memcpy(o->servers + first, list, taken * sizeof(*list));
	*count = taken;
	return taken > 0;
}

static bool take_servers(struct options *o, const char *text)
{
	return take_list(o, 0, &o->server_count, text);
}

static bool take_tlds(struct options *o, const char *text)
{
	return take_list(o, o->server_count, &o->tld_count, text);
}

static bool take_roots(struct options *o, const char *text)
{
	return take_list(o, o->server_count + o->tld_count, &o->root_count, text);
}

static bool take_cold(struct options *o, const char *text)
{
	o->cold = strcmp(text, "tld") == 0 ? OPTIONS_COLD_TLD : OPTIONS_COLD_ZONE;
	return strcmp(text, "tld") == 0 || strcmp(text, "zone") == 0;
}

static bool take_silent(struct options *o, const char *text)
{
	char item[64], *end;

	while (next_item(&text, item) != NULL) {
		unsigned long number = strtoul(item, &end, 10);

		if (*end != '\0' || number < 1 || number > OPTIONS_SERVERS_MAX)
			return false;
		o->silent_servers |= 1u << (number - 1);
	}
	return true;
}

static bool take_types(struct options *o, const char *text)
{
	char item[64];

	o->type_count = 0;
	while (next_item(&text, item) != NULL) {
		if (o->type_count == OPTIONS_TYPES_MAX ||
		    !names_type(item, &o->types[o->type_count]))
			return false;
		o->type_count++;
	}
	return o->type_count > 0;
}

static bool take_zone(struct options *o, const char *text)
{
	/* Room for two labels of 16 digits. */
	return name_from_text(text, &o->zone) &&
	       o->zone.length_bytes <= DNS_NAME_BYTES_MAX - 2 * NAMES_LABEL_BYTES;
}

static bool take_names(struct options *o, const char *text)
{
	o->names = OPTIONS_NAMES_FILE;
	o->names_file = text;
	return true;
}

static bool take_unique(struct options *o, const char *text)
{
	(void)text;
	o->names = OPTIONS_NAMES_UNIQUE;
	return true;
}

static bool take_set(struct options *o, const char *text, char **end)
{
	double count = strtod(text, end);

	o->set_count = (uint32_t)count;
	o->names = OPTIONS_NAMES_SET;
	return *end != text && count >= 1 && count <= 100e6 && count == (double)o->set_count;
}

static bool take_zipf(struct options *o, const char *text)
{
	char *end;

	if (!take_set(o, text, &end) || *end != ',')
		return false;
	o->zipf_exponent = strtod(end + 1, &end);
	return *end == '\0' && o->zipf_exponent > 0 && o->zipf_exponent <= 10;
}

static bool take_uniform(struct options *o, const char *text)
{
	char *end;

	o->zipf_exponent = 0;
	return take_set(o, text, &end) && *end == '\0';
}

static bool take_mutation(struct options *o, const char *text)
{
	static const char *const words[] = {
		[OPTIONS_MUTATION_ADDRESS] = "address,",
		[OPTIONS_MUTATION_TTL] = "ttl,",
		[OPTIONS_MUTATION_GROW] = "grow,",
		[OPTIONS_MUTATION_RCODE] = "rcode,",
	};

	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		size_t length = strlen(words[i]);
		unsigned long every;
		char *end;

		if (strncmp(text, words[i], length) != 0)
			continue;
		every = strtoul(text + length, &end, 10);
		o->mutate_every[i] = (uint32_t)every;
		return *end == '\0' && every >= 1 && every <= 1000000000;
	}
	return false;
}

static bool take_delay(struct options *o, const char *text)
{
	char *end;
	double least = strtod(text, &end), most = least;

	if (*end == '-')
		most = strtod(end + 1, &end);
	if (end == text || *end != '\0' || !(least >= 0 && least <= most && most <= 10e6))
		return false;
	o->delay_least_us = (uint32_t)least;
	o->delay_most_us = (uint32_t)most;
	return true;
}

/* ---- the table ---- */

#define AT(field) offsetof(struct options, field)
#define TAKEN(function) KIND_TAKEN, 0, 0, 0, function
#define TEXT(field) KIND_TEXT, AT(field), 0, 0, NULL
#define FLAG(field) KIND_FLAG, AT(field), 0, 0, NULL
#define U32(field, least, most) KIND_U32, AT(field), least, most, NULL
#define PERCENT(field) KIND_PERCENT, AT(field), 0, 100, NULL

/* clang-format off */
static const struct option_row rows[] = {
	{"vdev", "DEVICE", TEXT(vdev), "DPDK's words for the device: net_memif0,role=client,id=0,socket=/tmp/x.sock,socket-abstract=no"},
	{"cpu", "N", U32(cpu, 0, 1023), "the CPU to run on (0)"},
	{"file-prefix", "WORD", TEXT(file_prefix), "of DPDK (portico-load)"},
	{"hugepages", NULL, FLAG(hugepages), "use huge pages (without: ordinary ones)"},
	{"memory-mb", "N", U32(memory_mb, 64, 65536), "memory for DPDK (512)"},
	{"queues", "N", U32(queue_count, 1, OPTIONS_QUEUES_MAX), "queues each way; what is sent is spread by a hash of the flow (1)"},
	{"mbufs", "N", U32(mbuf_count, 4096, 4194304), "packet buffers (65535); answers that are delayed wait in them"},
	{"ring", "N", U32(ring_entries, 64, 16384), "descriptors a queue (1024)"},
	{"drop-refused", NULL, FLAG(drop_refused), "what a full device refuses is dropped, as on a wire; without, it waits"},

	{"mode", "WORD", TAKEN(take_mode), "both: clients and servers (default) · client · server · echo: packets are counted that come back swapped"},
	{"rate", "N", KIND_NUMBER, AT(rate_per_s), 0.001, 1e9, NULL, "open loop: so many questions a second, by schedule"},
	{"outstanding", "N", U32(outstanding, 1, 1u << 21), "closed loop: so many questions waiting at any time (256, without --rate)"},
	{"seconds", "S", KIND_NUMBER, AT(seconds), 0.001, 86400, NULL, "send this long"},
	{"count", "N", KIND_U64, AT(count), 1, 1e15, NULL, "send so many; this or --seconds is needed, the first reached ends it"},
	{"warmup-s", "S", KIND_NUMBER, AT(warmup_s), 0, 3600, NULL, "at first, counted in no figure (0)"},
	{"timeout-ms", "N", U32(timeout_ms, 1, 60000), "unanswered for so long is lost (5000)"},
	{"wait-s", "N", U32(wait_s, 1, 600), "for the other side's device and its MAC (20)"},
	{"nap-us", "N", U32(nap_us, 0, 1000), "rest this long when there is nothing to do, where the CPU is not ours alone (0: never)"},
	{"check-every", "N", U32(check_every, 1, 1e9), "every Nth answer is compared in full (1000)"},
	{"seed", "N", KIND_U64, AT(seed), 0, 9e15, NULL, "of names and chances (1)"},
	{"json", "FILE", TEXT(json_file), "the figures as one flat JSON object; - is standard output"},
	{"cdf", "FILE", TEXT(cdf_file), "latencies as CSV: class (warm: of the set, new), microseconds, share of answers that took no longer"},

	{"trace", "FILE", TEXT(trace_file), "do not ask: write --count questions to this file (pcap), to be replayed by net_pcap"},

	{"target", "A[,A]", TAKEN(take_targets), "who is asked, at port 53 (198.18.0.53,2001:2:0:1::53)"},
	{"family", "4|6|mixed", TAKEN(take_family), "of clients (4)"},
	{"clients", "N", U32(client_count, 1, 65000), "addresses, from 198.19.0.1 and 2001:2:0:2::1 (1024)"},
	{"ports", "N", U32(ports_each, 1, 32768), "source ports of each, from 20000 (16)"},
	{"edns", "PERCENT", PERCENT(edns_per_million), "of questions with an OPT record (100)"},
	{"do", "PERCENT", PERCENT(dnssec_ok_per_million), "of those, with DO=1 (0)"},
	{"mixed-case", NULL, FLAG(mixed_case), "letters of questions are upper or lower case at random"},

	{"unique", NULL, TAKEN(take_unique), "no name twice (default)"},
	{"zipf", "N,S", TAKEN(take_zipf), "a set of N names, the i-th with weight 1/i^S"},
	{"uniform", "N", TAKEN(take_uniform), "a set of N names, each as likely as any other"},
	{"hit-ratio", "PERCENT", PERCENT(warm_per_million), "of questions for names of the set; the others are never asked twice (100)"},
	{"warm", NULL, FLAG(warm), "before all else, ask for each name of the set, in order; then once more, for what was lost"},
	{"flood", "N", KIND_NUMBER, AT(flood_per_s), 0, 1e9, NULL, "so many questions a second for new names besides; a closed loop does not wait for them (0)"},
	{"unique-from", "N", KIND_U64, AT(unique_from), 0, 1e15, NULL, "where the count of new names begins: another run with this seed must begin elsewhere (0)"},
	{"names", "FILE", TAKEN(take_names), "lines `name type`, in turn"},
	{"zone", "NAME", TAKEN(take_zone), "of generated names (load.test)"},
	{"cold", "zone|tld", TAKEN(take_cold), "each generated name is in a zone of its own, below --zone, or below a top-level domain of its own, too"},
	{"types", "T[,T]", TAKEN(take_types), "of generated names (A)"},

	{"servers", "A[,A]", TAKEN(take_servers), "whose port 53 answers (198.18.0.20,2001:2:0:1::20)"},
	{"roots", "A[,A]", TAKEN(take_roots), "play the root, for who iterates: refer to --tlds; --servers are authoritative then. As hints: `. NS n1. n2. ...`"},
	{"tlds", "A[,A]", TAKEN(take_tlds), "play every top-level domain: refer to --servers for the name's last two labels"},
	{"gateway", "A[,A]", TAKEN(take_gateways), "answers ARP and ND too (198.18.0.1,2001:2:0:1::1)"},
	{"delay-us", "N[-N]", TAKEN(take_delay), "of answers, the same or drawn for each (0)"},
	{"loss", "PERCENT", PERCENT(loss_per_million), "of upstream queries that get no answer"},
	{"silent", "I[,I]", TAKEN(take_silent), "servers that say nothing: the first is 1"},
	{"silent-share", "PERCENT", PERCENT(silent_per_million), "of names of which no server says anything"},
	{"nxdomain", "PERCENT", PERCENT(nxdomain_per_million), "of names that do not exist"},
	{"wrong-id", "N", U32(wrong_ids, 0, 16), "so many answers with a wrong ID before the right one"},
	{"mutate", "WHAT,N", TAKEN(take_mutation), "one answer in N is wrong: its address, ttl, grow (a TTL that is more than --ttl-clock leaves) or rcode"},
	{"ttl", "S", U32(ttl_s, 0, 2147483647), "of records, the most that an answer may have (300)"},
	{"ttl-clock", NULL, FLAG(ttl_clock), "servers' TTLs fall by one a second from their start, as a cache's do"},
	{"ttl-falls", NULL, FLAG(ttl_falls), "with --mode=client: who answers is a cache, and what is left of a TTL must never grow"},
};
/* clang-format on */

static void set_defaults(struct options *o)
{
	*o = (struct options){
		.file_prefix = "portico-load",
		.memory_mb = 512,
		.queue_count = 1,
		.mbuf_count = 65535,
		.ring_entries = 1024,
		.timeout_ms = 5000,
		.wait_s = 20,
		.check_every = 1000,
		.seed = 1,
		.client_count = 1024,
		.ports_each = 16,
		.edns_per_million = RANDOM_MILLION,
		.warm_per_million = RANDOM_MILLION,
		.ttl_s = 300,
	};
	CHECK(take_pair(o->targets, "198.18.0.53,2001:2:0:1::53") &&
	      take_pair(o->gateways, "198.18.0.1,2001:2:0:1::1") &&
	      take_servers(o, "198.18.0.20,2001:2:0:1::20") && take_zone(o, "load.test") &&
	      take_types(o, "A"));
}

static void print_help(void)
{
	printf("Usage: load --vdev=DEVICE [OPTIONS] [-- ARGUMENTS FOR DPDK]\n"
	       "Asks a DNS forwarder over one DPDK device, and is the servers that it asks.\n");
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
			 rows[i].argument != NULL ? "=" : "",
			 rows[i].argument != NULL ? rows[i].argument : "");
		printf("  %-24s %s\n", left, rows[i].help);
	}
	printf("Exit codes: 0 done, 1 failed, a wrong answer among the reasons, 2 usage.\n");
}

/* ---- parsing ---- */

static bool set_number(const struct option_row *row, void *field, const char *text)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 ||
	    !(value >= row->least && value <= row->most))
		return false;
	if (row->kind == KIND_U32 || row->kind == KIND_U64) {
		if (floor(value) != value)
			return false;
	}
	if (row->kind == KIND_U32)
		*(uint32_t *)field = (uint32_t)value;
	else if (row->kind == KIND_U64)
		*(uint64_t *)field = (uint64_t)value;
	else if (row->kind == KIND_PERCENT)
		*(uint32_t *)field = (uint32_t)(value * (RANDOM_MILLION / 100) + 0.5);
	else
		*(double *)field = value;
	return true;
}

static bool set_option(const struct option_row *row, struct options *o, const char *text)
{
	void *field = (char *)o + row->offset;

	switch (row->kind) {
	case KIND_TEXT:
		*(const char **)field = text;
		return *text != '\0';
	case KIND_FLAG:
		*(bool *)field = true;
		return true;
	case KIND_TAKEN:
		return row->take(o, text);
	case KIND_U32:
	case KIND_U64:
	case KIND_NUMBER:
	case KIND_PERCENT:
		return set_number(row, field, text);
	}
	return false;
}

static const struct option_row *find_row(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (strncmp(rows[i].name, name, length) == 0 && rows[i].name[length] == '\0')
			return &rows[i];
	}
	return NULL;
}

/* --name=value, or --name value. False: said why. */
static bool take_option(int argc, char **argv, int *at, struct options *o)
{
	const char *argument = argv[*at];
	size_t length = strcspn(argument, "=");
	const struct option_row *row = NULL;
	const char *value = NULL;

	if (strncmp(argument, "--", 2) == 0)
		row = find_row(argument + 2, length - 2);
	if (row == NULL) {
		fprintf(stderr, "load: what is \"%s\"? --help lists the options\n", argument);
		return false;
	}
	if (argument[length] == '=')
		value = argument + length + 1;
	else if (row->argument != NULL && *at + 1 < argc)
		value = argv[++*at];
	if ((value != NULL) == (row->argument != NULL) && set_option(row, o, value))
		return true;
	if (value == NULL || row->argument == NULL)
		fprintf(stderr, "load: --%s: takes %s\n", row->name,
			row->argument != NULL ? row->argument : "no value");
	else
		fprintf(stderr, "load: --%s: \"%s\" is not allowed: %s (%s)\n", row->name, value,
			row->argument, row->help);
	return false;
}

/* Three exchanges lead from the root to a name: the zone's cut is at two labels, its parent's at one. */
static bool check_tree(const struct options *o)
{
	unsigned labels = name_label_count(&o->zone);

	if (!options_is_tree(o) && o->tld_count == 0)
		return true;
	if (options_is_tree(o) != (o->tld_count > 0))
		fprintf(stderr, "load: --roots and --tlds: one needs the other\n");
	else if (o->names != OPTIONS_NAMES_FILE && o->cold != OPTIONS_COLD_TLD &&
		 labels != (o->cold == OPTIONS_COLD_ZONE ? 1 : 2))
		fprintf(stderr, "load: --zone: must have %s with --roots\n",
			o->cold == OPTIONS_COLD_ZONE ? "one label (--cold=zone)" : "two labels");
	else
		return true;
	return false;
}

static bool check_together(struct options *o)
{
	if (!check_tree(o))
		return false;
	if (o->trace_file != NULL && o->count == 0)
		fprintf(stderr, "load: --trace: how many? --count is missing\n");
	else if (o->trace_file == NULL && o->vdev == NULL)
		fprintf(stderr, "load: which device? --vdev=DEVICE is missing\n");
	else if (o->seconds == 0 && o->count == 0)
		fprintf(stderr, "load: how long? --seconds or --count is missing\n");
	else if (o->mode == OPTIONS_MODE_SERVER && o->seconds == 0)
		fprintf(stderr, "load: --mode=server needs --seconds\n");
	else if (o->rate_per_s != 0 && o->outstanding != 0)
		fprintf(stderr,
			"load: --rate is an open loop, --outstanding a closed one: which?\n");
	else if ((o->warm || o->warm_per_million != RANDOM_MILLION) &&
		 o->names != OPTIONS_NAMES_SET)
		fprintf(stderr,
			"load: --warm and --hit-ratio are of a set: --zipf or --uniform is missing\n");
	else
		return true;
	return false;
}

enum options_result options_parse(int argc, char **argv, struct options *out)
{
	set_defaults(out);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help();
			return OPTIONS_HELP;
		}
		if (strcmp(argv[i], "--") == 0) {
			out->eal_argc = argc - i - 1;
			out->eal_argv = argv + i + 1;
			break;
		}
		if (!take_option(argc, argv, &i, out))
			return OPTIONS_USAGE;
	}
	if (!check_together(out))
		return OPTIONS_USAGE;
	if (out->rate_per_s == 0 && out->outstanding == 0)
		out->outstanding = 256;
	return OPTIONS_OK;
}
