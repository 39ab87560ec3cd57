#include "dpdk_app/telemetry.h"

#include <ctype.h>
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
#include "dpdk_app/ports_audit.h"
#include "dpdk_app/report.h"
#include "dpdk_app/telemetry_ports.h"
#include "dpdk_app/text.h"
#include "dpdk_app/version.h"

#define STATS_PAGE 200
/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN. */
#define ZONE_CHARS 120
#define ZONES_SHOWN_MAX 48
#define KEY_BYTES 64
/* Between two looks at what an audit has brought. */
#define AUDIT_PAUSE_NS 5000000L

static const char *const phase_text[] = {
	[TELEMETRY_STARTING] = "starting",
	[TELEMETRY_READY] = "ready",
	[TELEMETRY_DRAINING] = "draining",
};

/* DPDK's callbacks take no argument of ours, so what they read is the file's. */
static struct {
	pthread_mutex_t lock;
	bool open;
	bool auditing; /* one is under way, perhaps without the lock */
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

/* A first entry, a cursor, an index or a port. */
static uint32_t parse_start(const char *params)
{
	return (uint32_t)strtoul(params, NULL, 10);
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
static void put_decimal(struct page *p, const char *name, double value)
{
	char text[32];

	if (!page_admits(p))
		return;
	snprintf(text, sizeof(text), "%.2f", value);
	rte_tel_data_add_dict_string(p->data, name, text);
}

static void put_source_ports(struct page *p)
{
	struct port_keeper_stats stats;

	port_keeper_stats(telemetry.sources.keeper, &stats);
	put_decimal(p, "port_entropy_bits", stats.entropy_bits);
	put_number(p, "eligible_ports", stats.eligible);
	put_number(p, "ports_yielded", stats.yielded);
	put_number(p, "ports_returned", stats.returned);
	put_number(p, "ports_kept", stats.kept);
	put_number(p, "port_rotations", stats.rotations);
	put_number(p, "port_conflicts", stats.conflicts_now);
	put_number(p, "entropy_alarms", stats.entropy_alarms);
}

/* Names of entries may only hold letters, digits, _ and /. */
static void put_interface_number(struct page *p, const char *kind, const char *interface_name,
				 const char *what, uint64_t value)
{
	char name[KEY_BYTES];

	snprintf(name, sizeof(name), "%s_%.32s_%s", kind, interface_name, what);
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
		put_interface_number(p, "port", name, "rx_packets", stats.ipackets);
		put_interface_number(p, "port", name, "tx_packets", stats.opackets);
		put_interface_number(p, "port", name, "rx_missed", stats.imissed);
		put_interface_number(p, "port", name, "rx_nombuf", stats.rx_nombuf);
		put_interface_number(p, "port", name, "rx_errors", stats.ierrors);
		put_interface_number(p, "port", name, "tx_errors", stats.oerrors);
		missed += stats.imissed;
		no_mbuf += stats.rx_nombuf;
	}
	put_number(p, "rx_missed", missed);
	put_number(p, "rx_nombuf", no_mbuf);
}

/* Of interfaces that the kernel shares: what the XDP program, or the fallback's, has given to whom. */
static void put_xdp(struct page *p)
{
	static const struct {
		enum xdp_steer_counter counter;
		const char *name;
	} shown[] = {
		{XDP_STEER_QUESTIONS, "questions"},
		{XDP_STEER_REPLIES, "replies"},
		{XDP_STEER_KERNEL, "kernel"},
	};
	const struct telemetry_sources *from = &telemetry.sources;

	for (unsigned i = 0; i < from->config->interface_count; i++) {
		for (size_t c = 0; xdp_is_shared(from->xdp, i) && c < ARRAY_COUNT(shown); c++)
			put_interface_number(p, "xdp", from->config->interfaces[i].name,
					     shown[c].name,
					     xdp_counter(from->xdp, i, shown[c].counter));
	}
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

static void reply_stats(const char *params, struct rte_tel_data *data)
{
	struct page p = {.data = data, .start = parse_start(params)};

	put_counters(&p);
	put_gauges(&p);
	put_source_ports(&p);
	put_number(&p, "workers", telemetry.sources.worker_count);
	put_number(&p, "uptime_s", (uint64_t)(monotonic_s() - telemetry.started_s));
	put_ports(&p);
	put_xdp(&p);
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

static void reply_status(const char *params, struct rte_tel_data *data)
{
	const struct config *config = telemetry.sources.config;

	(void)params;
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

static void reply_upstreams(const char *params, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_upstreams(&from, parse_start(params), data);
}

static void reply_inflight(const char *params, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_inflight(&from, parse_start(params), data);
}

static void reply_neighbours(const char *params, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_neighbours(&from, parse_start(params), data);
}

/* ---- source ports ---- */

static struct telemetry_ports_sources ports_sources(void)
{
	return (struct telemetry_ports_sources){
		.config = telemetry.sources.config,
		.keeper = telemetry.sources.keeper,
	};
}

static void reply_ports(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_rows(&from, parse_start(params), data);
}

static void reply_ports_ranges(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_ranges(&from, parse_start(params), data);
}

static void reply_ports_use(const char *params, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_ports_use(&from, parse_start(params), data);
}

static void reply_ports_why(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_why(&from, params, data);
}

static void reply_ports_conflicts(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_conflicts(&from, parse_start(params), data);
}

static void reply_ports_allow(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_allow(&from, parse_start(params), data);
}

static void reply_ports_set(const char *params, struct rte_tel_data *data)
{
	struct telemetry_ports_sources from = ports_sources();

	telemetry_ports_set(&from, params, data);
}

/* So that an audit keeps nobody waiting. */
static bool pause_unlocked(void)
{
	const struct timespec pause = {.tv_nsec = AUDIT_PAUSE_NS};

	pthread_mutex_unlock(&telemetry.lock);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	pthread_mutex_lock(&telemetry.lock);
	return telemetry.open;
}

static void reply_ports_audit(const char *params, struct rte_tel_data *data)
{
	struct ports_audit_sources from = {
		.workers = telemetry.sources.workers,
		.worker_count = telemetry.sources.worker_count,
		.pause = pause_unlocked,
	};

	if (telemetry.auditing) {
		rte_tel_data_add_dict_string(data, "error", "an audit is running");
		return;
	}
	telemetry.auditing = true;
	ports_audit_reply(&from, params, data);
	telemetry.auditing = false;
}

/* ---- the socket ---- */

static const struct command {
	const char *name;
	void (*reply)(const char *params, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/portico/status", reply_status, "What runs, on what, since when."},
	{"/portico/stats", reply_stats, "Every counter and gauge. Parameter: first entry."},
	{"/portico/upstreams", reply_upstreams, "What is known of each server. Parameter: cursor."},
	{"/portico/inflight", reply_inflight, "Resolutions under way. Parameter: cursor."},
	{"/portico/neighbours", reply_neighbours,
	 "Gateways and servers on the link. Parameter: cursor."},
	{"/portico/ports", reply_ports, "Source ports by outgoing address. Parameter: cursor."},
	{"/portico/ports_ranges", reply_ports_ranges,
	 "Source ports in runs of equal verdict. Parameter: cursor."},
	{"/portico/ports_use", reply_ports_use,
	 "Queries under way by 64 ports. Parameter: which outgoing address."},
	{"/portico/ports_why", reply_ports_why, "Why a port may be drawn or not. Parameter: port."},
	{"/portico/ports_conflicts", reply_ports_conflicts,
	 "Ports given to processes. Parameter: cursor."},
	{"/portico/ports_allow", reply_ports_allow, "Networks that may ask. Parameter: cursor."},
	{"/portico/ports_set", reply_ports_set, "Changes a setting. Parameter: KEY=VALUE."},
	{"/portico/ports_audit", reply_ports_audit,
	 "Asks a name 16 times, to see what leaves. Parameter: the name."},
};

static int on_command(const char *name, const char *params, struct rte_tel_data *data)
{
	int result = -1;

	pthread_mutex_lock(&telemetry.lock);
	for (size_t i = 0; telemetry.open && i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		rte_tel_data_start_dict(data);
		commands[i].reply(params == NULL ? "" : params, data);
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
