#include "dpdk_app/porticoctl_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/porticoctl_table.h"

/* More pages than any table has: a server that goes in circles is not followed for ever. */
#define PAGES_MAX 100000
#define NUMBER_BYTES 32

static struct fy_node *find_field(struct fy_node *mapping, const char *key)
{
	return fy_node_mapping_lookup_by_string(mapping, key, strlen(key));
}

const char *porticoctl_field_text(struct fy_node *row, const char *key, char *out, size_t out_bytes)
{
	struct fy_node *node = find_field(row, key);
	size_t length = 0;
	const char *text = node != NULL ? fy_node_get_scalar(node, &length) : NULL;

	if (text == NULL)
		length = 0;
	if (length > out_bytes - 1)
		length = out_bytes - 1;
	for (size_t i = 0; i < length; i++)
		out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	out[length] = '\0';
	return out;
}

uint64_t porticoctl_field_number(struct fy_node *row, const char *key)
{
	char text[NUMBER_BYTES];

	return strtoull(porticoctl_field_text(row, key, text, sizeof(text)), NULL, 10);
}

double porticoctl_field_decimal(struct fy_node *row, const char *key)
{
	char text[NUMBER_BYTES];

	return strtod(porticoctl_field_text(row, key, text, sizeof(text)), NULL);
}

/* Rows are the mappings among a page's entries. False: on_row has enough. */
static bool give_rows(struct fy_node *body, porticoctl_on_row *on_row, void *context)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	while ((pair = fy_node_mapping_iterate(body, &at)) != NULL) {
		struct fy_node *value = fy_node_pair_value(pair);

		if (fy_node_is_mapping(value) && !on_row(value, context))
			return false;
	}
	return true;
}

bool porticoctl_pages_page(const struct porticoctl_socket *s, const char *command,
			   struct porticoctl_page *page, porticoctl_on_row *on_row, void *context)
{
	struct porticoctl_reply reply;

	if (!porticoctl_socket_ask(s, command, page->cursor, &reply))
		return false;
	page->more = give_rows(reply.body, on_row, context) &&
		     porticoctl_field_number(reply.body, "more") != 0;
	page->cursor = (uint32_t)porticoctl_field_number(reply.body, "next");
	page->set = porticoctl_field_number(reply.body, "set");
	porticoctl_reply_free(&reply);
	return true;
}

bool porticoctl_pages_rows(const struct porticoctl_socket *s, const char *command, uint32_t cursor,
			   porticoctl_on_row *on_row, void *context)
{
	struct porticoctl_page page = {.cursor = cursor, .more = true};

	for (unsigned count = 0; page.more && count < PAGES_MAX; count++) {
		if (!porticoctl_pages_page(s, command, &page, on_row, context))
			return false;
	}
	return true;
}

bool porticoctl_pages_entries(const struct porticoctl_socket *s, const char *command,
			      porticoctl_on_entry *on_entry, void *context)
{
	uint32_t given = 0;
	bool more = true;

	for (unsigned page = 0; more && page < PAGES_MAX; page++) {
		struct porticoctl_reply reply;
		struct fy_node_pair *pair;
		uint32_t before = given;
		bool wanted = true;
		void *at = NULL;

		if (!porticoctl_socket_ask(s, command, given, &reply))
			return false;
		while (wanted && (pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
			char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));

			wanted = on_entry(key, fy_node_pair_value(pair), context);
			free(key);
			given++;
		}
		porticoctl_reply_free(&reply);
		more = wanted && given != before;
	}
	return true;
}
