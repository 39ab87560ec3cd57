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
#include "dpdk_app/reload.h"
#include "dpdk_app/report.h"
#include "dpdk_app/stats.h"
#include "dpdk_app/telemetry_ports.h"
#include "dpdk_app/telemetry_rows.h"
#include "dpdk_app/telemetry_tcp.h"
#include "dpdk_app/text.h"
#include "dpdk_app/trace.h"
#include "dpdk_app/version.h"

#define STATS_PAGE 200
/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN. */
#define ZONE_CHARS 120
#define ZONES_SHOWN_MAX 48
#define KEY_BYTES 64
/* A reply holds 16 KiB. */
#define REPORT_PAGE 12
#define REPORT_PART_CHARS 120
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
	bool tracing;  /* likewise */
	bool auditing; /* one is under way, perhaps without the lock */
	struct telemetry_sources sources;
	struct reload *reload;
	struct stream_report *streams; /* NULL: there is no TCP */
	_Atomic uint32_t phase;        /* enum telemetry_phase; control: writes; telemetry: reads */
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

/* A number with decimals goes as a string: telemetry knows integers only, porticoctl takes the quotes off. */
static void put_number(void *context, const struct stats_number *n)
{
	struct page *p = context;
	char name[STATS_NAME_BYTES];
	char text[32];

	if (!page_admits(p))
		return;
	stats_flat_name(n, name);
	if (!n->has_decimals) {
		rte_tel_data_add_dict_u64(p->data, name, n->value);
		return;
	}
	snprintf(text, sizeof(text), "%.2f", n->decimal);
	rte_tel_data_add_dict_string(p->data, name, text);
}

static void reply_stats(const char *params, struct rte_tel_data *data)
{
	struct page p = {.data = data, .start = parse_start(params)};

	stats_visit(&telemetry.sources.stats, put_number, &p);
}

/* ---- reload ---- */

/* "": never. */
static void add_time(struct rte_tel_data *data, const char *name, int64_t wall_s)
{
	const time_t seconds = wall_s;
	char text[32] = "";
	struct tm utc;

	if (wall_s != 0 && gmtime_r(&seconds, &utc) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	rte_tel_data_add_dict_string(data, name, text);
}

static void add_reload_status(struct rte_tel_data *data)
{
	struct reload_status status = {0};
	char why[RTE_TEL_MAX_STRING_LEN];

	if (telemetry.reload != NULL)
		reload_status(telemetry.reload, &status);
	rte_tel_data_add_dict_u64(data, "reloads", status.done);
	rte_tel_data_add_dict_u64(data, "reload_refusals", status.refused);
	add_time(data, "reloaded", status.last_done_s);
	add_time(data, "reload_refused", status.last_refused_s);
	snprintf(why, sizeof(why), "%.*s", RTE_TEL_MAX_STRING_LEN - 1, status.why);
	rte_tel_data_add_dict_string(data, "reload_error", why);
}

static void reply_reload(const char *params, struct rte_tel_data *data)
{
	struct reload *r = telemetry.reload;
	enum reload_result result = RELOAD_ENDING;

	(void)params;
	/* Before it is ready systemd would be told so too early; when it stops there is nothing to reload for. */
	if (r != NULL &&
	    atomic_load_explicit(&telemetry.phase, memory_order_relaxed) == TELEMETRY_READY) {
		/* It takes this lock itself. */
		pthread_mutex_unlock(&telemetry.lock);
		result = reload_run(r);
		pthread_mutex_lock(&telemetry.lock);
	}
	switch (result) {
	case RELOAD_DONE:
		rte_tel_data_add_dict_string(data, "result", "ok");
		break;
	case RELOAD_REFUSED:
		rte_tel_data_add_dict_string(data, "result", "refused");
		break;
	case RELOAD_ENDING:
		rte_tel_data_add_dict_string(data, "error", "Portico starts or ends");
		break;
	}
}

/* A line in parts, as one string may not be longer. */
static void add_line(struct rte_tel_data *row, const char *line)
{
	char part[REPORT_PART_CHARS + 1];
	char key[KEY_BYTES] = "text";
	size_t length = strlen(line);

	for (size_t at = 0, i = 1; i == 1 || at < length; at += REPORT_PART_CHARS, i++) {
		snprintf(part, sizeof(part), "%s", line + at);
		rte_tel_data_add_dict_string(row, key, part);
		snprintf(key, sizeof(key), "text_%zu", i);
	}
}

static void reply_reload_report(const char *params, struct rte_tel_data *data)
{
	const uint32_t first = parse_start(params);
	char line[RELOAD_LINE_BYTES];
	unsigned count = 0;
	bool more = telemetry.reload != NULL;

	for (; more && count < REPORT_PAGE; count++) {
		struct rte_tel_data *row;

		more = reload_report_line(telemetry.reload, first + count, line);
		if (!more)
			break;
		row = telemetry_row_start();
		if (row == NULL)
			break;
		add_line(row, line);
		telemetry_row_add(data, count, row);
	}
	telemetry_cursor_add(data, more ? first + count : TELEMETRY_CURSOR_END);
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
				  (uint64_t)(monotonic_s() - telemetry.sources.stats.started_s));
	rte_tel_data_add_dict_u64(data, "workers", telemetry.sources.worker_count);
	rte_tel_data_add_dict_string(data, "mode",
				     config->mode == CONFIG_MODE_ITERATE ? "iterate" : "forward");
	rte_tel_data_add_dict_string(data, "asks",
				     config_asks_any(config) ? "any server" : "its servers");
	rte_tel_data_add_dict_string(data, "poll",
				     config->poll == CONFIG_POLL_BUSY ? "busy" : "adaptive");
	rte_tel_data_add_dict_u64(data, "memory_mb", config->memory_mb);
	rte_tel_data_add_dict_string(data, "hugepages",
				     telemetry.sources.eal->pages == EAL_PAGES_HUGE ? "yes" : "no");
	rte_tel_data_add_dict_u64(data, "packet_buffers", telemetry.sources.ports->mbuf_count);
	rte_tel_data_add_dict_u64(data, "zone_count", config->forward_count);
	add_reload_status(data);
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

static void reply_routes(const char *params, struct rte_tel_data *data)
{
	struct report_sources from = report_sources();

	report_routes(&from, parse_start(params), data);
}

/* ---- TCP ---- */

static void reply_tcp(const char *params, struct rte_tel_data *data)
{
	(void)params;
	telemetry_tcp_clients(telemetry.streams, data);
}

static void reply_tcp_servers(const char *params, struct rte_tel_data *data)
{
	telemetry_tcp_servers(telemetry.streams, parse_start(params), data);
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

static void reply_trace(const char *params, struct rte_tel_data *data)
{
	struct trace_sources from = {
		.workers = telemetry.sources.workers,
		.worker_count = telemetry.sources.worker_count,
		.pause = pause_unlocked,
	};

	if (telemetry.tracing) {
		rte_tel_data_add_dict_string(data, "error", "another trace is running");
		return;
	}
	telemetry.tracing = true;
	trace_reply(&from, params, data);
	telemetry.tracing = false;
}

static void reply_trace_steps(const char *params, struct rte_tel_data *data)
{
	trace_steps_reply(parse_start(params), data);
}

/* ---- the socket ---- */

static const struct command {
	const char *name;
	void (*reply)(const char *params, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/portico/status", reply_status, "What runs, on what, since when."},
	{"/portico/stats", reply_stats, "Every counter and gauge. Parameter: first entry."},
	{"/portico/reload", reply_reload, "Reads the configuration again."},
	{"/portico/reload_report", reply_reload_report,
	 "What the last reload had to say. Parameter: cursor."},
	{"/portico/upstreams", reply_upstreams, "What is known of each server. Parameter: cursor."},
	{"/portico/inflight", reply_inflight, "Resolutions under way. Parameter: cursor."},
	{"/portico/neighbours", reply_neighbours,
	 "Gateways and servers on the link. Parameter: cursor."},
	{"/portico/routes", reply_routes, "Which way servers are asked. Parameter: cursor."},
	{"/portico/tcp", reply_tcp, "TCP connections of clients by state."},
	{"/portico/tcp_servers", reply_tcp_servers,
	 "Servers that were asked over TCP. Parameter: cursor."},
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
	{"/portico/trace", reply_trace,
	 "Resolves a question and notes each step. Parameter: TYPE NAME."},
	{"/portico/trace_steps", reply_trace_steps, "The steps of the last. Parameter: cursor."},
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
	telemetry.open = true;
	pthread_mutex_unlock(&telemetry.lock);
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (!telemetry_offer(commands[i].name, on_command, commands[i].help))
			return false;
	return true;
}

void telemetry_set_phase(enum telemetry_phase phase)
{
	/* Not under the lock: a request that waits for a worker holds it, and control must not wait. */
	atomic_store_explicit(&telemetry.phase, phase, memory_order_relaxed);
}

void telemetry_follow(const struct config *config)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.sources.config = config;
	pthread_mutex_unlock(&telemetry.lock);
}

void telemetry_set_reload(struct reload *reload)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.reload = reload;
	pthread_mutex_unlock(&telemetry.lock);
}

void telemetry_set_streams(struct stream_report *report)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.streams = report;
	pthread_mutex_unlock(&telemetry.lock);
}

void telemetry_close(void)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.open = false;
	pthread_mutex_unlock(&telemetry.lock);
}
