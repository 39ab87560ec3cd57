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
#include "dpdk_app/report.h"
#include "dpdk_app/text.h"
#include "dpdk_app/version.h"

#define STATS_PAGE 200
/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN. */
#define ZONE_CHARS 120
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

static uint64_t worker_counter(unsigned worker_idx, enum counter which)
{
	const struct counters *counters =
		engine_counters(telemetry.sources.workers[worker_idx].engine);

	return __atomic_load_n(&counters->value[which], __ATOMIC_RELAXED);
}

static void put_counters(struct page *p)
{
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < telemetry.sources.worker_count; w++)
			sum += worker_counter(w, (enum counter)c);
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

/* What shows whether the load is spread evenly, and who hands over how much. */
static void put_workers(struct page *p)
{
	static const enum counter shown[] = {
		COUNTER_RX_PACKETS, COUNTER_TX_PACKETS,  COUNTER_QUERIES,
		COUNTER_HANDOFFS,   COUNTER_BUSY_CYCLES, COUNTER_NAPS,
	};
	char name[KEY_BYTES];

	for (unsigned w = 0; w < telemetry.sources.worker_count; w++) {
		for (size_t i = 0; i < ARRAY_COUNT(shown); i++) {
			snprintf(name, sizeof(name), "worker_%u_%s", w,
				 counter_rows[shown[i]].name);
			put_number(p, name, worker_counter(w, shown[i]));
		}
	}
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
	put_workers(&p);
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
		text[ZONE_CHARS] = '\0';
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

static struct report_sources report_sources(void)
{
	return (struct report_sources){
		.config = telemetry.sources.config,
		.workers = telemetry.sources.workers,
		.worker_count = telemetry.sources.worker_count,
	};
}

static void reply_upstreams(uint32_t start, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_upstreams(&from, start, data);
}

static void reply_inflight(uint32_t start, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_inflight(&from, start, data);
}

static void reply_neighbours(uint32_t start, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_neighbours(&from, start, data);
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
