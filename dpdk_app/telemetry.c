#include "dpdk_app/telemetry.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_telemetry.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/text.h"
#include "dpdk_app/version.h"

#define STATS_PAGE 200
/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN; longer names come in parts. */
#define NAME_PART_CHARS 120
#define ZONES_SHOWN_MAX 48
#define KEY_BYTES 64

static const char *const phase_text[] = {
	[TELEMETRY_STARTING] = "starting",
	[TELEMETRY_READY] = "ready",
	[TELEMETRY_DRAINING] = "draining",
};

/* DPDK's callbacks take no argument of ours, so what they read is the file's. */
static struct {
	pthread_mutex_t lock;
	bool open;
	struct telemetry_sources sources;
	_Atomic uint32_t phase; /* enum telemetry_phase; control: writes; telemetry: reads */
	time_t started_s;
} telemetry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static time_t monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static uint32_t parse_start(const char *params)
{
	return params == NULL ? 0 : (uint32_t)strtoul(params, NULL, 10);
}

/* ---- stats: one flat list of numbers, of which a reply holds a page ---- */

struct page {
	struct rte_tel_data *data;
	uint32_t start; /* first entry wanted */
	uint32_t seen;  /* entries so far */
};

static bool page_admits(struct page *p)
{
	uint32_t position = p->seen++;

	return position >= p->start && position - p->start < STATS_PAGE;
}

static void put_number(struct page *p, const char *name, uint64_t value)
{
	if (page_admits(p))
		rte_tel_data_add_dict_u64(p->data, name, value);
}

static void put_counters(struct page *p)
{
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < telemetry.sources.worker_count; w++) {
			const struct counters *counters =
				engine_counters(telemetry.sources.workers[w].engine);

			sum += __atomic_load_n(&counters->value[c], __ATOMIC_RELAXED);
		}
		put_number(p, counter_rows[c].name, sum);
	}
}

static void put_gauges(struct page *p)
{
	struct engine_gauges sum = {0};

	for (unsigned w = 0; w < telemetry.sources.worker_count; w++) {
		struct engine_gauges g;

		engine_gauges(telemetry.sources.workers[w].engine, &g);
		sum.resolutions_active += g.resolutions_active;
		sum.waiters += g.waiters;
		sum.tickets_out += g.tickets_out;
		sum.probes_out += g.probes_out;
		sum.tickets_late += g.tickets_late;
		sum.answer_buffers_used += g.answer_buffers_used;
	}
	put_number(p, "resolutions_active", sum.resolutions_active);
	put_number(p, "waiters", sum.waiters);
	put_number(p, "tickets_out", sum.tickets_out);
	put_number(p, "probes_out", sum.probes_out);
	put_number(p, "tickets_late", sum.tickets_late);
	put_number(p, "answer_buffers_used", sum.answer_buffers_used);
}

/* A number with decimals goes as a string: telemetry knows integers only, porticoctl takes the quotes off. */
static void put_port_entropy(struct page *p)
{
	uint32_t count = telemetry.sources.eligible_port_count;
	char text[32];

	if (!page_admits(p))
		return;
	snprintf(text, sizeof(text), "%.2f", count > 0 ? log2(count) : 0.0);
	rte_tel_data_add_dict_string(p->data, "port_entropy_bits", text);
}

/* Names of entries may only hold letters, digits, _ and /. */
static void put_port_number(struct page *p, const char *interface_name, const char *what,
			    uint64_t value)
{
	char name[KEY_BYTES];

	snprintf(name, sizeof(name), "port_%.32s_%s", interface_name, what);
	for (char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c))
			*c = '_';
	}
	put_number(p, name, value);
}

static void put_ports(struct page *p)
{
	uint64_t missed = 0, no_mbuf = 0;

	for (unsigned i = 0; i < telemetry.sources.ports->port_count; i++) {
		const char *name = telemetry.sources.config->interfaces[i].name;
		struct rte_eth_stats stats = {0};

		if (rte_eth_stats_get(telemetry.sources.ports->ports[i].port_id, &stats) != 0)
			stats = (struct rte_eth_stats){0};
		put_port_number(p, name, "rx_packets", stats.ipackets);
		put_port_number(p, name, "tx_packets", stats.opackets);
		put_port_number(p, name, "rx_missed", stats.imissed);
		put_port_number(p, name, "rx_nombuf", stats.rx_nombuf);
		put_port_number(p, name, "rx_errors", stats.ierrors);
		put_port_number(p, name, "tx_errors", stats.oerrors);
		missed += stats.imissed;
		no_mbuf += stats.rx_nombuf;
	}
	put_number(p, "rx_missed", missed);
	put_number(p, "rx_nombuf", no_mbuf);
}

static void reply_stats(uint32_t start, struct rte_tel_data *data)
{
	struct page p = {.data = data, .start = start};

	put_counters(&p);
	put_gauges(&p);
	put_port_entropy(&p);
	put_number(&p, "eligible_ports", telemetry.sources.eligible_port_count);
	put_number(&p, "workers", telemetry.sources.worker_count);
	put_number(&p, "uptime_s", (uint64_t)(monotonic_s() - telemetry.started_s));
	put_ports(&p);
}

/* ---- status ---- */

static struct rte_tel_data *start_strings(void)
{
	struct rte_tel_data *list = rte_tel_data_alloc();

	if (list != NULL)
		rte_tel_data_start_array(list, RTE_TEL_STRING_VAL);
	return list;
}

static void add_list(struct rte_tel_data *data, const char *name, struct rte_tel_data *list)
{
	if (list != NULL)
		rte_tel_data_add_dict_container(data, name, list, 0);
}

static void add_devices(struct rte_tel_data *data)
{
	const struct port_table *ports = telemetry.sources.ports;
	struct rte_tel_data *list = start_strings();
	char line[RTE_TEL_MAX_STRING_LEN];
	char mac[TEXT_MAC_BYTES];

	for (unsigned i = 0; list != NULL && i < ports->port_count; i++) {
		const struct config_interface *interface = &telemetry.sources.config->interfaces[i];

		snprintf(line, sizeof(line), "%s %s %s %s", interface->name, interface->device,
			 ports->ports[i].driver, text_mac(&ports->ports[i].mac, mac));
		rte_tel_data_add_array_string(list, line);
	}
	add_list(data, "devices", list);
}

static void add_listen(struct rte_tel_data *data)
{
	const struct config *config = telemetry.sources.config;
	struct rte_tel_data *list = start_strings();
	char text[TEXT_ENDPOINT_BYTES];

	for (unsigned i = 0; list != NULL && i < config->listen_count; i++)
		rte_tel_data_add_array_string(list,
					      text_endpoint(&config->listen[i].endpoint, text));
	add_list(data, "listen", list);
}

static void add_zones(struct rte_tel_data *data)
{
	const struct config *config = telemetry.sources.config;
	struct rte_tel_data *list = start_strings();
	char text[NAME_TEXT_BYTES_MAX];

	for (unsigned i = 0; list != NULL && i < config->forward_count && i < ZONES_SHOWN_MAX;
	     i++) {
		name_to_text(&config->forwards[i].zone, text);
		text[NAME_PART_CHARS] = '\0';
		rte_tel_data_add_array_string(list, text);
	}
	add_list(data, "zones", list);
}

static void reply_status(uint32_t start, struct rte_tel_data *data)
{
	const struct config *config = telemetry.sources.config;

	(void)start;
	rte_tel_data_add_dict_string(data, "version", PORTICO_VERSION);
	rte_tel_data_add_dict_string(
		data, "state",
		phase_text[atomic_load_explicit(&telemetry.phase, memory_order_relaxed)]);
	rte_tel_data_add_dict_u64(data, "pid", (uint64_t)getpid());
	rte_tel_data_add_dict_u64(data, "uptime_s",
				  (uint64_t)(monotonic_s() - telemetry.started_s));
	rte_tel_data_add_dict_u64(data, "workers", telemetry.sources.worker_count);
	rte_tel_data_add_dict_string(data, "mode", "forward");
	rte_tel_data_add_dict_string(data, "poll",
				     config->poll == CONFIG_POLL_BUSY ? "busy" : "adaptive");
	rte_tel_data_add_dict_u64(data, "memory_mb", config->memory_mb);
	rte_tel_data_add_dict_string(data, "hugepages",
				     telemetry.sources.eal->pages == EAL_PAGES_HUGE ? "yes" : "no");
	rte_tel_data_add_dict_u64(data, "packet_buffers", telemetry.sources.ports->mbuf_count);
	rte_tel_data_add_dict_u64(data, "zone_count", config->forward_count);
	add_devices(data);
	add_listen(data);
	add_zones(data);
}

/* ---- reports that workers make ---- */

/* Rows "0", "1", … of a page, each a dictionary; telemetry 22.11 has no lists of dictionaries. */
static struct rte_tel_data *start_row(void)
{
	struct rte_tel_data *row = rte_tel_data_alloc();

	if (row != NULL)
		rte_tel_data_start_dict(row);
	return row;
}

static void add_upstream(struct rte_tel_data *row, const struct engine_upstream_row *from)
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
}

/* qname, and qname_1, qname_2 … where it is longer than one string may be. */
static void add_name(struct rte_tel_data *row, const struct name *name)
{
	char text[NAME_TEXT_BYTES_MAX];
	char part[NAME_PART_CHARS + 1];
	char key[KEY_BYTES] = "qname";
	size_t length = name_to_text(name, text);

	for (size_t at = 0, i = 1; at < length; at += NAME_PART_CHARS, i++) {
		snprintf(part, sizeof(part), "%s", text + at);
		rte_tel_data_add_dict_string(row, key, part);
		snprintf(key, sizeof(key), "qname_%zu", i);
	}
}

static void add_inflight(struct rte_tel_data *row, const struct engine_inflight_row *from)
{
	char text[TEXT_ENDPOINT_BYTES];

	add_name(row, &from->qname);
	rte_tel_data_add_dict_u64(row, "qtype", from->qtype);
	rte_tel_data_add_dict_u64(row, "waiters", from->waiters);
	rte_tel_data_add_dict_u64(row, "age_ms", from->age_ms);
	rte_tel_data_add_dict_u64(row, "packets", from->packets);
	rte_tel_data_add_dict_string(row, "state", from->state);
	rte_tel_data_add_dict_string(row, "server", text_endpoint(&from->server, text));
}

static void add_neighbour(struct rte_tel_data *row, const struct engine_neighbour_row *from)
{
	char text[TEXT_ADDRESS_BYTES];
	char mac[TEXT_MAC_BYTES];

	rte_tel_data_add_dict_string(row, "address", text_address(&from->address, text));
	rte_tel_data_add_dict_string(row, "mac", text_mac(&from->mac, mac));
	rte_tel_data_add_dict_string(
		row, "interface", telemetry.sources.config->interfaces[from->interface_idx].name);
	rte_tel_data_add_dict_string(row, "state", from->state);
	rte_tel_data_add_dict_u64(row, "moves", from->moves);
}

static void add_row(struct rte_tel_data *data, const struct mailbox *m, unsigned idx)
{
	struct rte_tel_data *row = start_row();
	char key[KEY_BYTES];

	if (row == NULL)
		return;
	switch (m->report) {
	case MAILBOX_UPSTREAMS:
		add_upstream(row, &m->rows.upstreams[idx]);
		break;
	case MAILBOX_INFLIGHT:
		add_inflight(row, &m->rows.inflight[idx]);
		break;
	case MAILBOX_NEIGHBOURS:
		add_neighbour(row, &m->rows.neighbours[idx]);
		break;
	}
	snprintf(key, sizeof(key), "%u", idx);
	rte_tel_data_add_dict_container(data, key, row, 0);
}

static void reply_report(enum mailbox_report report, uint32_t start, struct rte_tel_data *data)
{
	struct worker *worker = &telemetry.sources.workers[0];
	struct mailbox *m = &worker->mailbox;

	if (mailbox_post(m, report, start) == MAILBOX_OK) {
		worker_order(worker, WORKER_ORDER_REPORT);
		if (mailbox_wait(m) == MAILBOX_OK) {
			rte_tel_data_add_dict_u64(data, "next", m->cursor);
			rte_tel_data_add_dict_u64(data, "more", m->cursor != ENGINE_REPORT_END);
			for (unsigned i = 0; i < m->row_count; i++)
				add_row(data, m, i);
			return;
		}
	}
	rte_tel_data_add_dict_string(data, "error", "the worker did not answer within a second");
}

static void reply_upstreams(uint32_t start, struct rte_tel_data *data)
{
	reply_report(MAILBOX_UPSTREAMS, start, data);
}

static void reply_inflight(uint32_t start, struct rte_tel_data *data)
{
	reply_report(MAILBOX_INFLIGHT, start, data);
}

static void reply_neighbours(uint32_t start, struct rte_tel_data *data)
{
	reply_report(MAILBOX_NEIGHBOURS, start, data);
}

/* ---- the socket ---- */

static const struct command {
	const char *name;
	void (*reply)(uint32_t start, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/portico/status", reply_status, "What runs, on what, since when."},
	{"/portico/stats", reply_stats, "Every counter and gauge. Parameter: first entry."},
	{"/portico/upstreams", reply_upstreams, "What is known of each server. Parameter: cursor."},
	{"/portico/inflight", reply_inflight, "Resolutions under way. Parameter: cursor."},
	{"/portico/neighbours", reply_neighbours,
	 "Gateways and servers on the link. Parameter: cursor."},
};

static int on_command(const char *name, const char *params, struct rte_tel_data *data)
{
	int result = -1;

	pthread_mutex_lock(&telemetry.lock);
	for (size_t i = 0; telemetry.open && i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		rte_tel_data_start_dict(data);
		commands[i].reply(parse_start(params), data);
		result = 0;
		break;
	}
	pthread_mutex_unlock(&telemetry.lock);
	return result;
}

bool telemetry_open(const struct telemetry_sources *sources)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.sources = *sources;
	telemetry.started_s = monotonic_s();
	telemetry.open = true;
	pthread_mutex_unlock(&telemetry.lock);
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		int error =
			rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);

		if (error != 0) {
			log_write(CONFIG_LOG_ERROR, "telemetry",
				  "cannot offer command=%s error=\"%s\"", commands[i].name,
				  strerror(-error));
			return false;
		}
	}
	return true;
}

void telemetry_set_phase(enum telemetry_phase phase)
{
	/* Not under the lock: a request that waits for a worker holds it, and control must not wait. */
	atomic_store_explicit(&telemetry.phase, phase, memory_order_relaxed);
}

void telemetry_close(void)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.open = false;
	pthread_mutex_unlock(&telemetry.lock);
}
