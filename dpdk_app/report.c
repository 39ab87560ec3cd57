#include "dpdk_app/report.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "dpdk_app/mailbox.h"
#include "dpdk_app/telemetry_rows.h"
#include "dpdk_app/text.h"

/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN; longer names come in parts. */
#define NAME_PART_CHARS 120
#define KEY_BYTES 64
/* A cursor of inflight: the worker above, the place in its table below. */
#define CURSOR_PLACE_BITS 24
#define CURSOR_PLACE_MASK ((UINT32_C(1) << CURSOR_PLACE_BITS) - 1)

static_assert(UNDER_WAY_MAX <= CURSOR_PLACE_MASK, "a place fits its bits");
static_assert(CURSOR_PLACE_BITS == MAILBOX_PORTS_PLACE_BITS, "of MAILBOX_PORTS too");
static_assert(WORKERS_MAX <= ENGINE_REPORT_END >> CURSOR_PLACE_BITS, "no cursor is the end");

/* A cursor of upstreams behind the configured servers: the worker above, the place among those that it has learned below. */
#define CURSOR_LEARNED (UINT32_C(1) << 24)
#define CURSOR_LEARNED_WORKER_BITS 16
#define CURSOR_LEARNED_PLACE_MASK ((UINT32_C(1) << CURSOR_LEARNED_WORKER_BITS) - 1)
static_assert(SERVERS_LEARNED_MAX <= CURSOR_LEARNED_PLACE_MASK &&
		      WORKERS_MAX << CURSOR_LEARNED_WORKER_BITS < CURSOR_LEARNED &&
		      SERVER_SLOTS_MAX < CURSOR_LEARNED,
	      "the parts do not meet");

/* ---- rows ---- */

/* known_by: "all" workers, or the number of one. */
static void add_upstream(struct rte_tel_data *row, const struct engine_upstream_row *from,
			 const char *known_by)
{
	char text[TEXT_ENDPOINT_BYTES];

	rte_tel_data_add_dict_string(row, "server", text_endpoint(&from->endpoint, text));
	rte_tel_data_add_dict_string(row, "state", from->state);
	rte_tel_data_add_dict_u64(row, "srtt_us", from->srtt_us);
	rte_tel_data_add_dict_u64(row, "rttvar_us", from->rttvar_us);
	rte_tel_data_add_dict_u64(row, "under_way", from->under_way);
	rte_tel_data_add_dict_u64(row, "queries", from->queries);
	rte_tel_data_add_dict_u64(row, "responses", from->responses);
	rte_tel_data_add_dict_u64(row, "timeouts", from->timeouts);
	rte_tel_data_add_dict_u64(row, "near_misses", from->near_misses);
	rte_tel_data_add_dict_string(row, "edns", from->edns);
	rte_tel_data_add_dict_string(row, "letter_case", from->letter_case);
	rte_tel_data_add_dict_string(row, "tcp", from->tcp);
	rte_tel_data_add_dict_string(row, "worker", known_by);
}

/* base, and base_1, base_2 … where it is longer than one string may be; "" for none. */
static void add_name(struct rte_tel_data *row, const char *base, const struct name *name)
{
	char text[NAME_TEXT_BYTES_MAX] = "";
	char part[NAME_PART_CHARS + 1];
	char key[KEY_BYTES];
	size_t length = name->length_bytes > 0 ? name_to_text(name, text) : 0;

	snprintf(key, sizeof(key), "%s", base);
	if (length == 0)
		rte_tel_data_add_dict_string(row, key, "");
	for (size_t at = 0, i = 1; at < length; at += NAME_PART_CHARS, i++) {
		snprintf(part, sizeof(part), "%s", text + at);
		rte_tel_data_add_dict_string(row, key, part);
		snprintf(key, sizeof(key), "%s_%zu", base, i);
	}
}

static void add_inflight(struct rte_tel_data *row, const struct engine_inflight_row *from,
			 unsigned worker_idx)
{
	char text[TEXT_ENDPOINT_BYTES] = "";

	add_name(row, "qname", &from->qname);
	rte_tel_data_add_dict_u64(row, "qtype", from->qtype);
	rte_tel_data_add_dict_u64(row, "waiters", from->waiters);
	rte_tel_data_add_dict_u64(row, "age_ms", from->age_ms);
	rte_tel_data_add_dict_u64(row, "packets", from->packets);
	rte_tel_data_add_dict_string(row, "state", from->state);
	if (from->server.port != 0)
		(void)text_endpoint(&from->server, text);
	rte_tel_data_add_dict_string(row, "server", text);
	rte_tel_data_add_dict_u64(row, "worker", worker_idx);
	add_name(row, "zone", &from->zone);
	rte_tel_data_add_dict_u64(row, "bytes", from->bytes);
	add_name(row, "asks", &from->asks);
	rte_tel_data_add_dict_u64(row, "asks_type", from->asks_type);
	rte_tel_data_add_dict_u64(row, "asks_worker", from->asks_worker);
}

static void add_neighbour(struct rte_tel_data *row, const struct engine_neighbour_row *from,
			  const struct config *config)
{
	char text[TEXT_ADDRESS_BYTES];
	char mac[TEXT_MAC_BYTES];

	rte_tel_data_add_dict_string(row, "address", text_address(&from->address, text));
	rte_tel_data_add_dict_string(row, "mac", text_mac(&from->mac, mac));
	rte_tel_data_add_dict_string(row, "interface",
				     config->interfaces[from->interface_idx].name);
	rte_tel_data_add_dict_string(row, "state", from->state);
	rte_tel_data_add_dict_u64(row, "moves", from->moves);
}

static void add_route(struct rte_tel_data *row, const struct engine_route_row *from,
		      const struct config *config)
{
	static const struct mac not_known;
	char text[TEXT_ENDPOINT_BYTES];
	char mac[TEXT_MAC_BYTES] = "";

	rte_tel_data_add_dict_string(row, "server", text_endpoint(&from->server, text));
	if (!from->has_way) {
		rte_tel_data_add_dict_string(row, "next_hop", "none");
		return;
	}
	rte_tel_data_add_dict_string(row, "next_hop", text_address(&from->next_hop, text));
	if (!mac_equal(&from->mac, &not_known))
		(void)text_mac(&from->mac, mac);
	rte_tel_data_add_dict_string(row, "mac", mac);
	rte_tel_data_add_dict_string(row, "state", from->state);
	rte_tel_data_add_dict_string(row, "interface",
				     config->interfaces[from->interface_idx].name);
	(void)text_address(&from->source, text);
	if (from->source_bits < ADDRESS_BITS)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%u",
			 from->source_bits);
	rte_tel_data_add_dict_string(row, "source", text);
}

/* ---- asking ---- */

/* A page of a worker's report, its own to keep until it is asked again. NULL: it is silent, and the reply says so. */
static const struct mailbox *ask(const struct report_sources *from, unsigned worker_idx,
				 enum mailbox_report report, uint32_t cursor,
				 struct rte_tel_data *data)
{
	struct mailbox *m = &from->workers[worker_idx].mailbox;
	char why[WORKER_WHY_BYTES];

	if (worker_filled(from->workers, worker_idx, mailbox_post(m, report, cursor), why))
		return m;
	rte_tel_data_add_dict_string(data, "error", why);
	return NULL;
}

static void add_upstreams(struct rte_tel_data *data, const struct engine_upstream_row rows[],
			  unsigned row_count, const char *known_by)
{
	for (unsigned i = 0; i < row_count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_upstream(row, &rows[i], known_by);
		telemetry_row_add(data, i, row);
	}
}

/* A page of those that one worker has learned; the next worker's follow. */
static void report_learned(const struct report_sources *from, uint32_t cursor,
			   struct rte_tel_data *data)
{
	unsigned worker_idx = (cursor - CURSOR_LEARNED) >> CURSOR_LEARNED_WORKER_BITS;
	char known_by[KEY_BYTES];
	const struct mailbox *m;
	uint32_t next = ENGINE_REPORT_END;

	if (worker_idx >= from->worker_count) {
		telemetry_cursor_add(data, ENGINE_REPORT_END);
		return;
	}
	m = ask(from, worker_idx, MAILBOX_LEARNED, cursor & CURSOR_LEARNED_PLACE_MASK, data);
	if (m == NULL)
		return;
	if (m->cursor != ENGINE_REPORT_END)
		next = CURSOR_LEARNED + (worker_idx << CURSOR_LEARNED_WORKER_BITS) + m->cursor;
	else if (worker_idx + 1 < from->worker_count)
		next = CURSOR_LEARNED + ((worker_idx + 1) << CURSOR_LEARNED_WORKER_BITS);
	telemetry_cursor_add(data, next);
	snprintf(known_by, sizeof(known_by), "%u", worker_idx);
	add_upstreams(data, m->rows.upstreams, m->row_count, known_by);
}

/* A page of the configured ones. */
static void report_configured(const struct report_sources *from, uint32_t cursor,
			      struct rte_tel_data *data)
{
	struct engine_upstream_row rows[MAILBOX_UPSTREAM_ROWS];
	const struct mailbox *m = ask(from, 0, MAILBOX_UPSTREAMS, cursor, data);
	unsigned row_count;
	uint32_t next;

	if (m == NULL)
		return;
	row_count = m->row_count;
	next = m->cursor;
	memcpy(rows, m->rows.upstreams, sizeof(rows));
	for (unsigned w = 1; w < from->worker_count; w++) {
		m = ask(from, w, MAILBOX_UPSTREAMS, cursor, data);
		if (m == NULL)
			return;
		/* One table of servers for all: row i is the same server in each, unless a reload comes in between. */
		for (unsigned i = 0; i < row_count && i < m->row_count; i++) {
			if (endpoint_equal(&rows[i].endpoint, &m->rows.upstreams[i].endpoint))
				engine_upstream_row_add(&rows[i], &m->rows.upstreams[i]);
		}
	}
	telemetry_cursor_add(data, next != ENGINE_REPORT_END ? next : CURSOR_LEARNED);
	add_upstreams(data, rows, row_count, "all");
}

void report_upstreams(const struct report_sources *from, uint32_t cursor, struct rte_tel_data *data)
{
	if (cursor >= CURSOR_LEARNED)
		report_learned(from, cursor, data);
	else
		report_configured(from, cursor, data);
}

/* Where to go on after a worker's page. */
static uint32_t inflight_next(const struct report_sources *from, unsigned worker_idx,
			      uint32_t place)
{
	if (place != ENGINE_REPORT_END)
		return worker_idx << CURSOR_PLACE_BITS | place;
	return worker_idx + 1 < from->worker_count ? (worker_idx + 1) << CURSOR_PLACE_BITS
						   : ENGINE_REPORT_END;
}

void report_inflight(const struct report_sources *from, uint32_t cursor, struct rte_tel_data *data)
{
	unsigned worker_idx = cursor >> CURSOR_PLACE_BITS;
	const struct mailbox *m;

	if (worker_idx >= from->worker_count) {
		telemetry_cursor_add(data, ENGINE_REPORT_END);
		return;
	}
	m = ask(from, worker_idx, MAILBOX_INFLIGHT, cursor & CURSOR_PLACE_MASK, data);
	if (m == NULL)
		return;
	telemetry_cursor_add(data, inflight_next(from, worker_idx, m->cursor));
	for (unsigned i = 0; i < m->row_count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_inflight(row, &m->rows.inflight[i], worker_idx);
		telemetry_row_add(data, i, row);
	}
}

void report_neighbours(const struct report_sources *from, uint32_t cursor,
		       struct rte_tel_data *data)
{
	const struct mailbox *m = ask(from, 0, MAILBOX_NEIGHBOURS, cursor, data);

	if (m == NULL)
		return;
	telemetry_cursor_add(data, m->cursor);
	for (unsigned i = 0; i < m->row_count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_neighbour(row, &m->rows.neighbours[i], from->config);
		telemetry_row_add(data, i, row);
	}
}

void report_routes(const struct report_sources *from, uint32_t cursor, struct rte_tel_data *data)
{
	const struct mailbox *m = ask(from, 0, MAILBOX_ROUTES, cursor, data);

	if (m == NULL)
		return;
	telemetry_cursor_add(data, m->cursor);
	for (unsigned i = 0; i < m->row_count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_route(row, &m->rows.routes[i], from->config);
		telemetry_row_add(data, i, row);
	}
}

/* ---- ports in use ---- */

/* A worker's counts, added. False: it is silent, and the reply says so. */
static bool add_port_counts(const struct report_sources *from, unsigned worker_idx,
			    uint32_t outgoing_idx, uint32_t counts[ENGINE_PORT_BLOCKS],
			    struct rte_tel_data *data)
{
	uint32_t cursor = outgoing_idx << MAILBOX_PORTS_PLACE_BITS;

	while (cursor != ENGINE_REPORT_END) {
		const struct mailbox *m = ask(from, worker_idx, MAILBOX_PORTS, cursor, data);

		if (m == NULL)
			return false;
		for (unsigned i = 0; i < ENGINE_PORT_BLOCKS; i++)
			counts[i] += m->rows.port_counts[i];
		cursor = m->cursor;
	}
	return true;
}

static void add_half(struct rte_tel_data *data, const char *name,
		     const uint32_t counts[ENGINE_PORT_BLOCKS / 2])
{
	struct rte_tel_data *list = rte_tel_data_alloc();

	static_assert(ENGINE_PORT_BLOCKS / 2 <= RTE_TEL_MAX_ARRAY_ENTRIES, "a list holds a half");
	if (list == NULL)
		return;
	rte_tel_data_start_array(list, RTE_TEL_U64_VAL);
	for (unsigned i = 0; i < ENGINE_PORT_BLOCKS / 2; i++)
		rte_tel_data_add_array_u64(list, counts[i]);
	rte_tel_data_add_dict_container(data, name, list, 0);
}

/* Outgoing addresses are numbered without those that a reload has taken out. */
static unsigned index_of(const struct config *c, unsigned number)
{
	unsigned idx = 0;

	for (; idx < c->outgoing_count; idx++) {
		if (!c->outgoing[idx].retired && number-- == 0)
			break;
	}
	return idx;
}

void report_ports_use(const struct report_sources *from, uint32_t number, struct rte_tel_data *data)
{
	const unsigned outgoing_idx = index_of(from->config, number);
	uint32_t counts[ENGINE_PORT_BLOCKS] = {0};

	if (outgoing_idx >= from->config->outgoing_count) {
		rte_tel_data_add_dict_string(data, "error", "there is no such outgoing address");
		return;
	}
	for (unsigned w = 0; w < from->worker_count; w++) {
		if (!add_port_counts(from, w, outgoing_idx, counts, data))
			return;
	}
	add_half(data, "low", counts);
	add_half(data, "high", counts + ENGINE_PORT_BLOCKS / 2);
}
