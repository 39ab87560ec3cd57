/* porticoctl: shows what a running Portico does, over DPDK's telemetry socket. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "dpdk_app/porticoctl_capture.h"
#include "dpdk_app/porticoctl_socket.h"
#include "dpdk_app/porticoctl_table.h"
#include "dpdk_app/version.h"

/* More pages than any table has: a server that goes in circles is not followed for ever. */
#define PAGES_MAX 100000

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

enum output { OUTPUT_TEXT, OUTPUT_JSON };

static const char usage[] =
	"Usage: porticoctl [-p PREFIX] [--json] COMMAND\n"
	"  status      what runs, on what, since when\n"
	"  stats       every counter and gauge\n"
	"  upstreams   what is known of each server\n"
	"  inflight    the resolutions under way\n"
	"  neighbours  the link-layer addresses of gateways and servers\n"
	"  capture [--filter EXPR] [--count N] [--seconds S] [--snaplen N] [--force] FILE\n"
	"              packets received and sent, as pcapng; FILE - is standard output\n"
	"Options:\n"
	"  -p PREFIX   the instance's dpdk.file_prefix (portico)\n"
	"  --json      machine-readable output\n"
	"  --version, --help\n"
	"Exit codes: 0 done, 1 refused or failed with a reason on stderr, 2 usage.\n"
	"Manual: porticoctl(8)\n";

/* ---- status: one reply ---- */

static void print_scalar_json(struct fy_node *node)
{
	char *text = porticoctl_copy_scalar(node);

	if (fy_node_get_style(node) == FYNS_PLAIN && porticoctl_is_number(text))
		fputs(text, stdout);
	else
		porticoctl_print_json_string(text);
	free(text);
}

static void print_value_json(struct fy_node *node)
{
	struct fy_node *item;
	void *at = NULL;
	bool first = true;

	if (!fy_node_is_sequence(node)) {
		print_scalar_json(node);
		return;
	}
	putchar('[');
	while ((item = fy_node_sequence_iterate(node, &at)) != NULL) {
		fputs(first ? "" : ", ", stdout);
		print_scalar_json(item);
		first = false;
	}
	putchar(']');
}

static void print_line(const char *key, struct fy_node *node)
{
	char *text = porticoctl_copy_scalar(node);

	printf("%-16s%s\n", key, text);
	free(text);
}

/* A list one item a line, the key before the first. */
static void print_value(const char *key, struct fy_node *node)
{
	struct fy_node *item;
	void *at = NULL;

	if (!fy_node_is_sequence(node)) {
		print_line(key, node);
		return;
	}
	while ((item = fy_node_sequence_iterate(node, &at)) != NULL) {
		print_line(key, item);
		key = "";
	}
}

static void print_status(const char *key, struct fy_node *value, enum output output, bool first)
{
	switch (output) {
	case OUTPUT_TEXT:
		print_value(key, value);
		break;
	case OUTPUT_JSON:
		fputs(first ? "{\n  " : ",\n  ", stdout);
		porticoctl_print_json_string(key);
		fputs(": ", stdout);
		print_value_json(value);
		break;
	}
}

static int show_status(const struct porticoctl_socket *s, const char *command, enum output output)
{
	struct porticoctl_reply reply;
	struct fy_node_pair *pair;
	void *at = NULL;
	bool first = true;

	if (!porticoctl_socket_ask(s, command, 0, &reply))
		return EXIT_REFUSED;
	while ((pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
		char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));

		print_status(key, fy_node_pair_value(pair), output, first);
		free(key);
		first = false;
	}
	if (output == OUTPUT_JSON)
		puts(first ? "{}" : "\n}");
	porticoctl_reply_free(&reply);
	return EXIT_DONE;
}

/* ---- stats: pages of one flat object ---- */

static void print_stat(struct fy_node_pair *pair, enum output output, bool first)
{
	char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));
	char *value = porticoctl_copy_scalar(fy_node_pair_value(pair));

	switch (output) {
	case OUTPUT_TEXT:
		printf("%-32s%20s\n", key, value);
		break;
	case OUTPUT_JSON:
		fputs(first ? "{\n  " : ",\n  ", stdout);
		porticoctl_print_json_string(key);
		/* Numbers with decimals come as strings; they are numbers all the same. */
		printf(": %s", porticoctl_is_number(value) ? value : "null");
		break;
	}
	free(key);
	free(value);
}

static int show_stats(const struct porticoctl_socket *s, const char *command, enum output output)
{
	uint32_t shown = 0;
	bool more = true;

	for (unsigned page = 0; more && page < PAGES_MAX; page++) {
		struct porticoctl_reply reply;
		struct fy_node_pair *pair;
		void *at = NULL;

		if (!porticoctl_socket_ask(s, command, shown, &reply))
			return EXIT_REFUSED;
		more = false;
		while ((pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
			print_stat(pair, output, shown == 0);
			shown++;
			more = true;
		}
		porticoctl_reply_free(&reply);
	}
	if (output == OUTPUT_JSON)
		puts(shown == 0 ? "{}" : "\n}");
	return EXIT_DONE;
}

/* ---- lists: pages of rows ---- */

/* The number of a field; 0 if it is not there. */
static uint32_t field_number(struct fy_node *mapping, const char *key)
{
	struct fy_node *node = fy_node_mapping_lookup_by_string(mapping, key, strlen(key));
	char *text = porticoctl_copy_scalar(node);
	uint32_t number = (uint32_t)strtoul(text, NULL, 10);

	free(text);
	return number;
}

static void add_rows(struct porticoctl_table *table, struct fy_node *body)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	while ((pair = fy_node_mapping_iterate(body, &at)) != NULL) {
		if (fy_node_is_mapping(fy_node_pair_value(pair)))
			porticoctl_table_add(table, fy_node_pair_value(pair));
	}
}

static int show_rows(const struct porticoctl_socket *s, const char *command, enum output output)
{
	struct porticoctl_table table = {0};
	uint32_t cursor = 0;
	bool more = true;

	for (unsigned page = 0; more && page < PAGES_MAX; page++) {
		struct porticoctl_reply reply;

		if (!porticoctl_socket_ask(s, command, cursor, &reply)) {
			porticoctl_table_free(&table);
			return EXIT_REFUSED;
		}
		add_rows(&table, reply.body);
		cursor = field_number(reply.body, "next");
		more = field_number(reply.body, "more") != 0;
		porticoctl_reply_free(&reply);
	}
	switch (output) {
	case OUTPUT_TEXT:
		porticoctl_table_print(&table);
		break;
	case OUTPUT_JSON:
		porticoctl_table_print_json(&table);
		break;
	}
	porticoctl_table_free(&table);
	return EXIT_DONE;
}

/* ---- commands ---- */

static const struct command {
	const char *name;
	int (*show)(const struct porticoctl_socket *s, const char *command, enum output output);
} commands[] = {
	{"status", show_status}, {"stats", show_stats},     {"upstreams", show_rows},
	{"inflight", show_rows}, {"neighbours", show_rows},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* What the command line says. */
struct command_line {
	const char *prefix;
	enum output output;
	struct porticoctl_capture capture;
	bool has_capture_options;
};

static int run_capture(const struct command_line *line)
{
	struct porticoctl_socket s;
	int exit_code;

	if (!porticoctl_socket_open(&s, line->prefix))
		return EXIT_REFUSED;
	exit_code = porticoctl_capture_run(&s, &line->capture) == PORTICOCTL_CAPTURE_OK
			    ? EXIT_DONE
			    : EXIT_REFUSED;
	porticoctl_socket_close(&s);
	return fflush(stdout) == 0 ? exit_code : EXIT_REFUSED;
}

static int run(const struct command *command, const char *prefix, enum output output)
{
	struct porticoctl_socket s;
	int exit_code;

	if (!porticoctl_socket_open(&s, prefix))
		return EXIT_REFUSED;
	exit_code = command->show(&s, command->name, output);
	porticoctl_socket_close(&s);
	return fflush(stdout) == 0 ? exit_code : EXIT_REFUSED;
}

enum option_code {
	OPTION_FILTER = 256,
	OPTION_COUNT,
	OPTION_SECONDS,
	OPTION_SNAPLEN,
	OPTION_FORCE
};

static const struct option options[] = {
	{"prefix", required_argument, NULL, 'p'},
	{"json", no_argument, NULL, 'j'},
	{"filter", required_argument, NULL, OPTION_FILTER},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"seconds", required_argument, NULL, OPTION_SECONDS},
	{"snaplen", required_argument, NULL, OPTION_SNAPLEN},
	{"force", no_argument, NULL, OPTION_FORCE},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* False: no such option, or no such value. */
static bool parse_capture_option(int option, const char *value, struct porticoctl_capture *out)
{
	switch (option) {
	case OPTION_FILTER:
		out->filter = value;
		return true;
	case OPTION_COUNT:
		return porticoctl_capture_number("--count", value, 1, UINT64_MAX - 1, &out->count);
	case OPTION_SECONDS:
		return porticoctl_capture_number("--seconds", value, 1, CAPTURE_SECONDS_MAX,
						 &out->seconds);
	case OPTION_SNAPLEN:
		return porticoctl_capture_number("--snaplen", value, CAPTURE_SNAPLEN_MIN,
						 CAPTURE_SNAPLEN_MAX, &out->snaplen_bytes);
	case OPTION_FORCE:
		out->replace = true;
		return true;
	default:
		return false;
	}
}

static int refuse_usage(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

static int run_command(int argc, char **argv, struct command_line *line)
{
	const struct command *command;
	bool is_capture = optind < argc && strcmp(argv[optind], "capture") == 0;

	if (is_capture && optind + 2 == argc) {
		line->capture.file = argv[optind + 1];
		line->capture.json = line->output == OUTPUT_JSON;
		return run_capture(line);
	}
	if (is_capture) {
		fputs("porticoctl: capture: one FILE, or - for standard output\n", stderr);
		return refuse_usage();
	}
	if (line->has_capture_options) {
		fputs("porticoctl: --filter, --count, --seconds, --snaplen and --force are "
		      "capture's\n",
		      stderr);
		return refuse_usage();
	}
	command = optind + 1 == argc ? find_command(argv[optind]) : NULL;
	if (command != NULL)
		return run(command, line->prefix, line->output);
	if (optind < argc)
		fprintf(stderr, "porticoctl: what is \"%s\"?\n", argv[argc - 1]);
	return refuse_usage();
}

int main(int argc, char **argv)
{
	struct command_line line = {.prefix = "portico", .output = OUTPUT_TEXT};
	int option;

	while ((option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			line.prefix = optarg;
			break;
		case 'j':
			line.output = OUTPUT_JSON;
			break;
		case 'V':
			puts("porticoctl " PORTICO_VERSION);
			return EXIT_DONE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		default:
			if (!parse_capture_option(option, optarg, &line.capture))
				return refuse_usage();
			line.has_capture_options = true;
			break;
		}
	}
	return run_command(argc, argv, &line);
}
