#include "dpdk_app/porticoctl_ports.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/port_set.h"
#include "dpdk_app/porticoctl_audit.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_ports_space.h"
#include "dpdk_app/porticoctl_table.h"

/* Of KEY=VALUE: what telemetry takes less the command. */
#define SETTING_BYTES 1000
#define SENTENCE_BYTES 256
#define WORD_BYTES 64

/* ---- why ---- */

bool porticoctl_ports_check_why(const struct porticoctl_options *o, const char *const args[])
{
	uint64_t port;

	(void)o;
	return porticoctl_options_number("ports why", args[0], 1, PORT_COUNT - 1, &port);
}

struct why_row {
	char address[WORD_BYTES];
	char verdict[WORD_BYTES];
	char sentence[SENTENCE_BYTES];
	bool drawn;
};

struct why {
	uint32_t port;
	unsigned row_count;
	struct why_row rows[OUTGOING_MAX];
};

static bool add_why(struct fy_node *row, void *context)
{
	struct why *w = context;
	struct why_row *r = &w->rows[w->row_count];

	if (w->row_count == OUTGOING_MAX)
		return false;
	w->row_count++;
	porticoctl_field_text(row, "address", r->address, sizeof(r->address));
	porticoctl_field_text(row, "verdict", r->verdict, sizeof(r->verdict));
	porticoctl_field_text(row, "why", r->sentence, sizeof(r->sentence));
	return true;
}

struct drawn {
	unsigned outgoing_idx;
	uint32_t port;
	bool drawn;
};

/* The run that holds the port. */
static bool look_at_run(struct fy_node *row, void *context)
{
	struct drawn *d = context;

	if (porticoctl_field_number(row, "outgoing") != d->outgoing_idx ||
	    porticoctl_field_number(row, "first") > d->port)
		return false;
	if (porticoctl_field_number(row, "last") < d->port)
		return true;
	d->drawn = porticoctl_field_number(row, "drawn") != 0;
	return false;
}

static bool load_why(const struct porticoctl_socket *s, struct why *w)
{
	if (!porticoctl_pages_rows(s, "ports_why", w->port, add_why, w))
		return false;
	for (unsigned i = 0; i < w->row_count; i++) {
		struct drawn d = {.outgoing_idx = i, .port = w->port};

		if (!porticoctl_pages_rows(s, "ports_ranges", PORTICOCTL_RANGES_CURSOR(i, w->port),
					   look_at_run, &d))
			return false;
		w->rows[i].drawn = d.drawn;
	}
	return true;
}

static void print_why_json(const struct why *w)
{
	putchar('[');
	for (unsigned i = 0; i < w->row_count; i++) {
		const struct why_row *r = &w->rows[i];

		fputs(i == 0 ? "\n  {\"address\": " : ",\n  {\"address\": ", stdout);
		porticoctl_print_json_string(r->address);
		printf(", \"port\": %" PRIu32 ", \"verdict\": ", w->port);
		porticoctl_print_json_string(r->verdict);
		printf(", \"drawn\": %s, \"why\": ", r->drawn ? "true" : "false");
		porticoctl_print_json_string(r->sentence);
		putchar('}');
	}
	puts("\n]");
}

/* Most sentences on what is eligible begin with that word. */
static void print_why(const struct why *w)
{
	for (unsigned i = 0; i < w->row_count; i++) {
		const struct why_row *r = &w->rows[i];

		printf("%s port %" PRIu32 ": ", r->address, w->port);
		if (strncmp(r->sentence, r->verdict, strlen(r->verdict)) != 0)
			printf("%s: ", r->verdict);
		puts(r->sentence);
	}
}

bool porticoctl_ports_why(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			  const char *const args[])
{
	struct why w = {.port = (uint32_t)strtoul(args[0], NULL, 10)};

	if (!load_why(s, &w))
		return false;
	if (porticoctl_options_has(o, PORTICOCTL_JSON))
		print_why_json(&w);
	else
		print_why(&w);
	return true;
}

/* ---- set ---- */

bool porticoctl_ports_check_set(const struct porticoctl_options *o, const char *const args[])
{
	(void)o;
	if (args[0][0] == '\0' || strpbrk(args[0], "=,") != NULL) {
		fprintf(stderr, "porticoctl: ports set %s: this is no key\n", args[0]);
		return false;
	}
	if (strlen(args[0]) + strlen(args[1]) + 2 > SETTING_BYTES) {
		fprintf(stderr,
			"porticoctl: ports set %s: the value is too long to be sent: set it bit by bit, or in "
			"the file\n",
			args[0]);
		return false;
	}
	return true;
}

bool porticoctl_ports_set(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			  const char *const args[])
{
	struct porticoctl_reply reply;
	char setting[SETTING_BYTES];
	char result[WORD_BYTES];
	char why[SENTENCE_BYTES];
	bool done;

	snprintf(setting, sizeof(setting), "%s=%s", args[0], args[1]);
	if (!porticoctl_socket_ask_with(s, "ports_set", setting, &reply))
		return false;
	porticoctl_field_text(reply.body, "result", result, sizeof(result));
	porticoctl_field_text(reply.body, "why", why, sizeof(why));
	porticoctl_reply_free(&reply);
	done = strcmp(result, "ok") == 0;
	if (porticoctl_options_has(o, PORTICOCTL_JSON)) {
		fputs("{\"result\": ", stdout);
		porticoctl_print_json_string(result);
		fputs(", \"why\": ", stdout);
		porticoctl_print_json_string(why);
		puts("}");
	} else if (done) {
		printf("%s: %s%s%s (until the next start; the file is as it was)\n", args[0],
		       args[1], why[0] != '\0' ? ": " : "", why);
	}
	if (!done)
		fprintf(stderr, "porticoctl: ports set %s: %s: %s\n", args[0], result, why);
	return done;
}

/* ---- audit ---- */

bool porticoctl_ports_check_audit(const struct porticoctl_options *o, const char *const args[])
{
	const char *count = o->value[PORTICOCTL_COUNT];
	uint64_t number;

	(void)args;
	return count == NULL ||
	       porticoctl_options_number("--count", count, PORTICOCTL_AUDIT_COUNT_MIN,
					 PORTICOCTL_AUDIT_COUNT_MAX, &number);
}

bool porticoctl_ports_audit(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			    const char *const args[])
{
	const char *count = o->value[PORTICOCTL_COUNT];
	const struct porticoctl_audit audit = {
		.name = args[0],
		.count = count != NULL ? strtoull(count, NULL, 10) : 0,
		.json = porticoctl_options_has(o, PORTICOCTL_JSON),
	};

	return porticoctl_audit_run(s, &audit) == PORTICOCTL_AUDIT_OK;
}
