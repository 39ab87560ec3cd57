#include "dpdk_app/porticoctl_reload.h"

#include <stdio.h>
#include <string.h>

#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_table.h"

#define KEY_BYTES 16
/* More than any line has. */
#define LINE_BYTES 4096

/* A line, which came in parts. */
static void join(struct fy_node *row, char line[LINE_BYTES])
{
	char key[KEY_BYTES] = "text";
	size_t used = 0;
	size_t part_chars = 1;

	for (unsigned i = 1; part_chars > 0; i++) {
		porticoctl_field_text(row, key, line + used, LINE_BYTES - used);
		part_chars = strlen(line + used);
		used += part_chars;
		snprintf(key, sizeof(key), "text_%u", i);
	}
}

static bool print_line(struct fy_node *row, void *context)
{
	char line[LINE_BYTES];

	(void)context;
	join(row, line);
	fprintf(stderr, "%s\n", line);
	return true;
}

static bool print_line_json(struct fy_node *row, void *context)
{
	bool *first = context;
	char line[LINE_BYTES];

	join(row, line);
	fputs(*first ? "\n    " : ",\n    ", stdout);
	porticoctl_print_json_string(line);
	*first = false;
	return true;
}

/* Closed, whatever comes between. */
static bool print_json(const struct porticoctl_socket *s, const char *result)
{
	bool first = true;
	bool good;

	fputs("{\n  \"result\": ", stdout);
	porticoctl_print_json_string(result);
	fputs(",\n  \"report\": [", stdout);
	good = porticoctl_pages_rows(s, "reload_report", 0, print_line_json, &first);
	puts(first ? "]\n}" : "\n  ]\n}");
	return good;
}

bool porticoctl_reload(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		       const char *const args[])
{
	struct porticoctl_reply reply;
	char result[32];
	bool good;

	(void)args;
	if (!porticoctl_socket_ask(s, "reload", 0, &reply))
		return false;
	porticoctl_field_text(reply.body, "result", result, sizeof(result));
	porticoctl_reply_free(&reply);
	good = porticoctl_options_has(o, PORTICOCTL_JSON)
		       ? print_json(s, result)
		       : porticoctl_pages_rows(s, "reload_report", 0, print_line, NULL);
	return good && strcmp(result, "ok") == 0;
}
