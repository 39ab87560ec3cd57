#include "dpdk_app/porticoctl_show.h"

#include <stdio.h>
#include <stdlib.h>

#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_table.h"

/* ---- one object ---- */

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

static void print_member(const char *key, struct fy_node *value, enum porticoctl_output output,
			 bool first)
{
	switch (output) {
	case PORTICOCTL_TEXT:
		print_value(key, value);
		break;
	case PORTICOCTL_AS_JSON:
		fputs(first ? "{\n  " : ",\n  ", stdout);
		porticoctl_print_json_string(key);
		fputs(": ", stdout);
		print_value_json(value);
		break;
	}
}

bool porticoctl_show_object(const struct porticoctl_socket *s, const char *command,
			    enum porticoctl_output output)
{
	struct porticoctl_reply reply;
	struct fy_node_pair *pair;
	void *at = NULL;
	bool first = true;

	if (!porticoctl_socket_ask(s, command, 0, &reply))
		return false;
	while ((pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
		char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));

		print_member(key, fy_node_pair_value(pair), output, first);
		free(key);
		first = false;
	}
	if (output == PORTICOCTL_AS_JSON)
		puts(first ? "{}" : "\n}");
	porticoctl_reply_free(&reply);
	return true;
}

/* ---- pages of one flat object of numbers ---- */

struct numbers {
	enum porticoctl_output output;
	bool any;
};

static bool print_number(const char *key, struct fy_node *node, void *context)
{
	struct numbers *n = context;
	char *value = porticoctl_copy_scalar(node);

	switch (n->output) {
	case PORTICOCTL_TEXT:
		printf("%-32s%20s\n", key, value);
		break;
	case PORTICOCTL_AS_JSON:
		fputs(n->any ? ",\n  " : "{\n  ", stdout);
		porticoctl_print_json_string(key);
		/* Numbers with decimals come as strings; they are numbers all the same. */
		printf(": %s", porticoctl_is_number(value) ? value : "null");
		break;
	}
	n->any = true;
	free(value);
	return true;
}

bool porticoctl_show_numbers(const struct porticoctl_socket *s, const char *command,
			     enum porticoctl_output output)
{
	struct numbers n = {.output = output};

	if (!porticoctl_pages_entries(s, command, print_number, &n))
		return false;
	if (output == PORTICOCTL_AS_JSON)
		puts(n.any ? "\n}" : "{}");
	return true;
}

/* ---- pages of rows ---- */

static bool add_row(struct fy_node *row, void *context)
{
	struct porticoctl_table *table = context;

	porticoctl_table_add(table, row);
	return true;
}

bool porticoctl_show_rows(const struct porticoctl_socket *s, const char *command,
			  enum porticoctl_output output)
{
	struct porticoctl_table table = {0};
	bool good = porticoctl_pages_rows(s, command, 0, add_row, &table);

	if (good && output == PORTICOCTL_TEXT)
		porticoctl_table_print(&table);
	if (good && output == PORTICOCTL_AS_JSON)
		porticoctl_table_print_json(&table);
	porticoctl_table_free(&table);
	return good;
}
