#include "dpdk_app/porticoctl_tcp.h"

#include <stdio.h>
#include <stdlib.h>

#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_table.h"

static bool add_row(struct fy_node *row, void *context)
{
	porticoctl_table_add(context, row);
	return true;
}

static void print_clients(struct fy_node *counts)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	const char *before = "clients: ";

	while ((pair = fy_node_mapping_iterate(counts, &at)) != NULL) {
		char *state = porticoctl_copy_scalar(fy_node_pair_key(pair));
		char *count = porticoctl_copy_scalar(fy_node_pair_value(pair));

		printf("%s%s %s", before, count, state);
		before = ", ";
		free(state);
		free(count);
	}
	puts("");
}

static void print_clients_json(struct fy_node *counts)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	const char *before = "{";

	while ((pair = fy_node_mapping_iterate(counts, &at)) != NULL) {
		char *state = porticoctl_copy_scalar(fy_node_pair_key(pair));
		char *count = porticoctl_copy_scalar(fy_node_pair_value(pair));

		fputs(before, stdout);
		porticoctl_print_json_string(state);
		printf(": %s", porticoctl_is_number(count) ? count : "0");
		before = ", ";
		free(state);
		free(count);
	}
	putchar('}');
}

bool porticoctl_tcp(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		    const char *const args[])
{
	struct porticoctl_table servers = {0};
	struct porticoctl_reply clients;

	(void)args;
	if (!porticoctl_socket_ask(s, "tcp", 0, &clients))
		return false;
	if (!porticoctl_pages_rows(s, "tcp_servers", 0, add_row, &servers)) {
		porticoctl_table_free(&servers);
		porticoctl_reply_free(&clients);
		return false;
	}
	if (porticoctl_options_has(o, PORTICOCTL_JSON)) {
		fputs("{\"clients\": ", stdout);
		print_clients_json(clients.body);
		fputs(",\n\"servers\": ", stdout);
		porticoctl_table_print_json(&servers);
		puts("}");
	} else {
		print_clients(clients.body);
		puts("servers:");
		porticoctl_table_print(&servers);
	}
	porticoctl_table_free(&servers);
	porticoctl_reply_free(&clients);
	return true;
}
