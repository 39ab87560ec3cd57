/* porticoctl: shows and governs what a running Portico does, over DPDK's telemetry socket. */
#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "core/check.h"
#include "dpdk_app/porticoctl_cache.h"
#include "dpdk_app/porticoctl_capture.h"
#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_ports.h"
#include "dpdk_app/porticoctl_reload.h"
#include "dpdk_app/porticoctl_show.h"
#include "dpdk_app/porticoctl_socket.h"
#include "dpdk_app/porticoctl_tcp.h"
#include "dpdk_app/porticoctl_trace.h"
#include "dpdk_app/version.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

#define USAGE_COLUMN 14

/* ---- commands that are telemetry's ---- */

static enum porticoctl_output output_of(const struct porticoctl_options *o)
{
	return porticoctl_options_has(o, PORTICOCTL_JSON) ? PORTICOCTL_AS_JSON : PORTICOCTL_TEXT;
}

static bool show_status(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			const char *const args[])
{
	(void)args;
	return porticoctl_show_object(s, "status", output_of(o));
}

static bool show_stats(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		       const char *const args[])
{
	(void)args;
	return porticoctl_show_numbers(s, "stats", output_of(o));
}

/* upstreams, inflight, neighbours, routes: as they are called there. */
static bool show_rows(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		      const char *const args[])
{
	(void)args;
	return porticoctl_show_rows(s, o->words[0], output_of(o));
}

static bool show_conflicts(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			   const char *const args[])
{
	(void)args;
	return porticoctl_show_rows(s, "ports_conflicts", output_of(o));
}

/* ---- capture ---- */

static bool parse_number(const struct porticoctl_options *o, enum porticoctl_option option,
			 uint64_t minimum, uint64_t maximum, uint64_t *out)
{
	return o->value[option] == NULL ||
	       porticoctl_options_number(porticoctl_option_text[option], o->value[option], minimum,
					 maximum, out);
}

static bool parse_capture(const struct porticoctl_options *o, const char *const args[],
			  struct porticoctl_capture *out)
{
	*out = (struct porticoctl_capture){
		.file = args[0],
		.filter = o->value[PORTICOCTL_FILTER],
		.replace = porticoctl_options_has(o, PORTICOCTL_FORCE),
		.json = porticoctl_options_has(o, PORTICOCTL_JSON),
	};
	return parse_number(o, PORTICOCTL_COUNT, 1, UINT64_MAX - 1, &out->count) &&
	       parse_number(o, PORTICOCTL_SECONDS, 1, CAPTURE_SECONDS_MAX, &out->seconds) &&
	       parse_number(o, PORTICOCTL_SNAPLEN, CAPTURE_SNAPLEN_MIN, CAPTURE_SNAPLEN_MAX,
			    &out->snaplen_bytes);
}

static bool check_capture(const struct porticoctl_options *o, const char *const args[])
{
	struct porticoctl_capture capture;

	return parse_capture(o, args, &capture);
}

static bool run_capture(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			const char *const args[])
{
	struct porticoctl_capture capture;

	return parse_capture(o, args, &capture) &&
	       porticoctl_capture_run(s, &capture) == PORTICOCTL_CAPTURE_OK;
}

/* ---- the table of commands ---- */

#define COMMAND_WORDS_MAX 2

#define ALWAYS                                                                                     \
	(PORTICOCTL_BIT(PORTICOCTL_PREFIX) | PORTICOCTL_BIT(PORTICOCTL_VERSION) |                  \
	 PORTICOCTL_BIT(PORTICOCTL_HELP))
#define JSON PORTICOCTL_BIT(PORTICOCTL_JSON)

static const struct command {
	const char *words[COMMAND_WORDS_MAX]; /* the second NULL: the first alone */
	const char *synopsis;                 /* what follows the words */
	const char *help;
	unsigned arg_count;
	uint32_t options; /* besides ALWAYS */
	bool (*check)(const struct porticoctl_options *o, const char *const args[]); /* or NULL */
	bool (*run)(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		    const char *const args[]);
} commands[] = {
	{{"status"}, "", "what runs, on what, since when", 0, JSON, NULL, show_status},
	{{"stats"}, "", "every counter and gauge", 0, JSON, NULL, show_stats},
	{{"reload"},
	 "",
	 "read the configuration again; what is wrong with it, or needs a restart, is told",
	 0,
	 JSON,
	 NULL,
	 porticoctl_reload},
	{{"upstreams"}, "", "what is known of each server", 0, JSON, NULL, show_rows},
	{{"inflight"}, "", "the resolutions under way", 0, JSON, NULL, show_rows},
	{{"trace"},
	 " NAME TYPE",
	 "resolves a question now, and shows every step with its server, port, ID and time",
	 2,
	 JSON,
	 porticoctl_check_trace,
	 porticoctl_trace},
	{{"tcp"},
	 "",
	 "TCP connections: of clients by state, to servers with what came of them",
	 0,
	 JSON,
	 NULL,
	 porticoctl_tcp},
	{{"neighbours"},
	 "",
	 "the link-layer addresses of gateways and servers",
	 0,
	 JSON,
	 NULL,
	 show_rows},
	{{"routes"},
	 "",
	 "which way each server is asked: the next hop, and from where",
	 0,
	 JSON,
	 NULL,
	 show_rows},
	{{"ports"},
	 "",
	 "the source ports of queries: how many, what keeps others out, how random they are",
	 0,
	 JSON,
	 NULL,
	 porticoctl_ports_table},
	{{"ports", "why"},
	 " N",
	 "which rule keeps port N out, which process holds it, or that it is drawn from",
	 1,
	 JSON,
	 porticoctl_ports_check_why,
	 porticoctl_ports_why},
	{{"ports", "conflicts"},
	 "",
	 "ports that processes took while Portico ran: which, who, when",
	 0,
	 JSON,
	 NULL,
	 show_conflicts},
	{{"ports", "picture"},
	 " [--ascii]",
	 "the port space: eligible, kept out and why, under way",
	 0,
	 PORTICOCTL_BIT(PORTICOCTL_ASCII),
	 NULL,
	 porticoctl_ports_picture},
	{{"ports", "firewall"},
	 " nft|iptables|ip6tables [--stateful|--notrack] [--chain forward|host]",
	 "rules that let Portico's packets through, and no others",
	 1,
	 PORTICOCTL_BIT(PORTICOCTL_STATEFUL) | PORTICOCTL_BIT(PORTICOCTL_NOTRACK) |
		 PORTICOCTL_BIT(PORTICOCTL_CHAIN),
	 porticoctl_ports_check_firewall,
	 porticoctl_ports_firewall},
	{{"ports", "set"},
	 " KEY VALUE",
	 "exclude or range (LIST, +LIST, -LIST), exclude_defaults, pool_size, rotate_s or respect_kernel, "
	 "until the next start or reload",
	 2,
	 JSON,
	 porticoctl_ports_check_set,
	 porticoctl_ports_set},
	{{"ports", "audit"},
	 " [--count N] NAME",
	 "asks a server that echoes what it saw: do ports and IDs arrive as they left?",
	 1,
	 JSON | PORTICOCTL_BIT(PORTICOCTL_COUNT),
	 porticoctl_ports_check_audit,
	 porticoctl_ports_audit},
	{{"cache"}, "", "the same as cache stats", 0, JSON, NULL, porticoctl_cache_stats},
	{{"cache", "stats"},
	 "",
	 "how full, how old, how often it knew the answer",
	 0,
	 JSON,
	 NULL,
	 porticoctl_cache_stats},
	{{"cache", "lookup"},
	 " NAME TYPE",
	 "what is kept of a question, and for how long yet",
	 2,
	 JSON,
	 porticoctl_cache_check_lookup,
	 porticoctl_cache_lookup},
	{{"cache", "flush"},
	 " NAME [TYPE]",
	 "take out what is kept of a name",
	 1,
	 JSON,
	 porticoctl_cache_check_flush,
	 porticoctl_cache_flush},
	{{"cache", "flush-zone"},
	 " NAME",
	 "take out a name and all below it",
	 1,
	 JSON,
	 porticoctl_cache_check_flush,
	 porticoctl_cache_flush_zone},
	{{"cache", "flush-all"},
	 "",
	 "take out everything",
	 0,
	 JSON,
	 NULL,
	 porticoctl_cache_flush_all},
	{{"cache", "save"},
	 "",
	 "write it to cache.file, as the end does",
	 0,
	 JSON,
	 NULL,
	 porticoctl_cache_save},
	{{"capture"},
	 " [--filter EXPR] [--count N] [--seconds S] [--snaplen N] [--force] FILE",
	 "packets received and sent, as pcapng; FILE - is standard output",
	 1,
	 JSON | PORTICOCTL_BIT(PORTICOCTL_FILTER) | PORTICOCTL_BIT(PORTICOCTL_COUNT) |
		 PORTICOCTL_BIT(PORTICOCTL_SECONDS) | PORTICOCTL_BIT(PORTICOCTL_SNAPLEN) |
		 PORTICOCTL_BIT(PORTICOCTL_FORCE),
	 check_capture,
	 run_capture},
};

static unsigned words_of(const struct command *c)
{
	return c->words[1] != NULL ? 2 : 1;
}

/* Arguments that may be left out stand in brackets, in capitals. */
static unsigned optional_count(const struct command *c)
{
	unsigned count = 0;

	for (const char *at = c->synopsis; (at = strchr(at, '[')) != NULL; at++)
		count += at[1] >= 'A' && at[1] <= 'Z';
	return count;
}

/* ---- usage ---- */

static void print_command(FILE *out, const struct command *c)
{
	int chars = fprintf(out, "  %s%s%s%s", c->words[0], c->words[1] != NULL ? " " : "",
			    c->words[1] != NULL ? c->words[1] : "", c->synopsis);

	if (chars + 1 >= USAGE_COLUMN)
		fprintf(out, "\n%*s%s\n", USAGE_COLUMN, "", c->help);
	else
		fprintf(out, "%*s%s\n", USAGE_COLUMN - chars, "", c->help);
}

static void print_usage(FILE *out)
{
	fputs("Usage: porticoctl [-p PREFIX] [--json] COMMAND\n", out);
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		print_command(out, &commands[i]);
	fputs("Options:\n"
	      "  -p PREFIX   the instance's dpdk.file_prefix (portico)\n"
	      "  --json      machine-readable output\n"
	      "  --version, --help\n"
	      "Exit codes: 0 done, 1 refused or failed with a reason on stderr, 2 usage.\n"
	      "Manual: porticoctl(8)\n",
	      out);
}

static int refuse_usage(void)
{
	print_usage(stderr);
	return EXIT_USAGE;
}

/* A mistake within a command shows that command alone. */
static int refuse_usage_of(const struct command *c)
{
	fputs("Usage: porticoctl [-p PREFIX] [--json] COMMAND\n", stderr);
	print_command(stderr, c);
	return EXIT_USAGE;
}

/* ---- finding the command ---- */

/* place: of the word that is not understood; before it, first is. */
static void say_what_is(const struct porticoctl_options *o, unsigned place)
{
	struct suggest suggest;
	char text[SUGGEST_TEXT_BYTES];

	suggest_init(&suggest, o->words[place], strlen(o->words[place]));
	for (size_t i = 0; place < COMMAND_WORDS_MAX && i < ARRAY_COUNT(commands); i++) {
		const struct command *c = &commands[i];

		if (place < words_of(c) && (place == 0 || strcmp(c->words[0], o->words[0]) == 0))
			suggest_offer(&suggest, c->words[place], strlen(c->words[place]));
	}
	fprintf(stderr, "porticoctl: what is \"%s\"?%s\n", o->words[place],
		suggest_text(&suggest, text));
}

static bool begins_with(const struct porticoctl_options *o, const struct command *c)
{
	if (o->word_count < words_of(c))
		return false;
	for (unsigned i = 0; i < words_of(c); i++) {
		if (strcmp(o->words[i], c->words[i]) != 0)
			return false;
	}
	return true;
}

/* The one of most words. NULL: there is none. */
static const struct command *find_command(const struct porticoctl_options *o)
{
	const struct command *best = NULL;

	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		if (begins_with(o, &commands[i]) &&
		    (best == NULL || words_of(&commands[i]) > words_of(best)))
			best = &commands[i];
	}
	return best;
}

/* False: printed what is wrong. */
static bool check_args(const struct porticoctl_options *o, const struct command *c)
{
	unsigned given = o->word_count - words_of(c);

	if (given > c->arg_count + optional_count(c)) {
		say_what_is(o, words_of(c) + c->arg_count + optional_count(c));
		return false;
	}
	if (given < c->arg_count) {
		fprintf(stderr, "porticoctl: %s%s%s: something is missing\n", c->words[0],
			c->words[1] != NULL ? " " : "", c->words[1] != NULL ? c->words[1] : "");
		return false;
	}
	for (unsigned i = 0; i < PORTICOCTL_OPTION_COUNT; i++) {
		if (o->value[i] != NULL && ((c->options | ALWAYS) & PORTICOCTL_BIT(i)) == 0) {
			fprintf(stderr, "porticoctl: %s is not an option of %s%s%s\n",
				porticoctl_option_text[i], c->words[0],
				c->words[1] != NULL ? " " : "",
				c->words[1] != NULL ? c->words[1] : "");
			return false;
		}
	}
	return c->check == NULL || c->check(o, o->words + words_of(c));
}

static int run(const struct command *c, const struct porticoctl_options *o)
{
	const char *prefix = o->value[PORTICOCTL_PREFIX];
	struct porticoctl_socket s;
	bool good;

	if (!porticoctl_socket_open(&s, prefix != NULL ? prefix : "portico"))
		return EXIT_REFUSED;
	good = c->run(&s, o, o->words + words_of(c));
	porticoctl_socket_close(&s);
	return fflush(stdout) == 0 && good ? EXIT_DONE : EXIT_REFUSED;
}

int main(int argc, char **argv)
{
	struct porticoctl_options o;
	const struct command *command;

	if (!porticoctl_options_parse(argc, argv, &o))
		return refuse_usage();
	if (porticoctl_options_has(&o, PORTICOCTL_VERSION)) {
		puts("porticoctl " PORTICO_VERSION);
		return EXIT_DONE;
	}
	if (porticoctl_options_has(&o, PORTICOCTL_HELP)) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	command = find_command(&o);
	if (command == NULL) {
		if (o.word_count > 0)
			say_what_is(&o, 0);
		return refuse_usage();
	}
	if (!check_args(&o, command))
		return refuse_usage_of(command);
	return run(command, &o);
}
