#include "dpdk_app/telemetry_tcp.h"

#include <assert.h>
#include <stdio.h>

#include "dpdk_app/telemetry_rows.h"
#include "dpdk_app/text.h"

#define KEY_BYTES 32

static const char *const failure_text[] = {
	[STREAM_FAILURE_REFUSED] = "refused", [STREAM_FAILURE_UNREACHABLE] = "unreachable",
	[STREAM_FAILURE_TIMEOUT] = "timeout", [STREAM_FAILURE_CLOSED] = "closed",
	[STREAM_FAILURE_GARBAGE] = "garbage", [STREAM_FAILURE_LIMIT] = "limit",
};
static_assert(ARRAY_COUNT(failure_text) == STREAM_FAILURE_COUNT, "a text for every failure");

/* False: the reply says why not. */
static bool ask(struct stream_report *report, struct stream_report_page *page,
		struct rte_tel_data *data)
{
	if (report == NULL) {
		rte_tel_data_add_dict_string(
			data, "error",
			"there is no TCP: the kernel has none of our addresses (interfaces[].kernel)");
		return false;
	}
	if (stream_report_ask(report, page))
		return true;
	rte_tel_data_add_dict_string(data, "error", "the stream thread did not answer in time");
	return false;
}

void telemetry_tcp_clients(struct stream_report *report, struct rte_tel_data *data)
{
	struct stream_report_page page = {.cursor = 0};
	uint64_t open = 0;

	if (!ask(report, &page, data))
		return;
	for (unsigned i = 0; i < STREAM_CLIENT_STATE_COUNT; i++)
		open += page.clients[i];
	rte_tel_data_add_dict_u64(data, "open", open);
	for (unsigned i = 0; i < STREAM_CLIENT_STATE_COUNT; i++)
		rte_tel_data_add_dict_u64(data, stream_client_state_text[i], page.clients[i]);
}

static bool is_any(const struct address *a)
{
	static const struct address any;

	return address_equal(a, &any);
}

static void add_server(struct rte_tel_data *row, const struct stream_server_row *from)
{
	char server[TEXT_ENDPOINT_BYTES], local[TEXT_ADDRESS_BYTES];
	char key[KEY_BYTES];

	rte_tel_data_add_dict_string(row, "server", text_endpoint(&from->server, server));
	rte_tel_data_add_dict_string(
		row, "from", is_any(&from->local) ? "any" : text_address(&from->local, local));
	rte_tel_data_add_dict_u64(row, "connections", from->connections);
	rte_tel_data_add_dict_u64(row, "under_way", from->under_way);
	rte_tel_data_add_dict_u64(row, "connects", from->connects);
	rte_tel_data_add_dict_u64(row, "queries", from->questions);
	rte_tel_data_add_dict_u64(row, "responses", from->responses);
	for (unsigned i = 0; i < STREAM_FAILURE_COUNT; i++) {
		snprintf(key, sizeof(key), "failed_%s", failure_text[i]);
		rte_tel_data_add_dict_u64(row, key, from->failed[i]);
	}
}

void telemetry_tcp_servers(struct stream_report *report, uint32_t cursor, struct rte_tel_data *data)
{
	struct stream_report_page page = {.cursor = cursor};

	if (!ask(report, &page, data))
		return;
	telemetry_cursor_add(data, page.cursor);
	for (unsigned i = 0; i < page.row_count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_server(row, &page.rows[i]);
		telemetry_row_add(data, i, row);
	}
}
