#include "dpdk_app/dpdk.h"

#include "dpdk_app/stats.h"

#include <ctype.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <time.h>

#include "dpdk_app/telemetry_cache.h"

struct visit {
	const struct stats_sources *from;
	stats_put *put;
	void *context;
};

void stats_flat_name(const struct stats_number *n, char name[STATS_NAME_BYTES])
{
	if (n->prefix == NULL)
		snprintf(name, STATS_NAME_BYTES, "%s", n->what);
	else
		snprintf(name, STATS_NAME_BYTES, "%s_%s_%s", n->prefix, n->label_value, n->what);
	for (char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c))
			*c = '_';
	}
}

void stats_family_name(const struct stats_number *n, char name[STATS_NAME_BYTES])
{
	snprintf(name, STATS_NAME_BYTES, "%s%s%s", n->prefix != NULL ? n->prefix : "",
		 n->prefix != NULL ? "_" : "", n->what);
}

static void put(const struct visit *v, enum stats_kind kind, const char *name, const char *help,
		uint64_t value)
{
	const struct stats_number n = {.what = name, .help = help, .kind = kind, .value = value};

	v->put(v->context, &n);
}

/* Workers, and the stream thread: each has an engine. */
static unsigned engine_count(const struct stats_sources *from)
{
	return from->worker_count + (from->streams != NULL);
}

static uint64_t worker_counter(const struct stats_sources *from, unsigned worker_idx,
			       enum counter which)
{
	const struct counters *counters = engine_counters(from->workers[worker_idx].engine);

	return __atomic_load_n(&counters->value[which], __ATOMIC_RELAXED);
}

static void visit_counters(const struct visit *v)
{
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < engine_count(v->from); w++)
			sum += worker_counter(v->from, w, (enum counter)c);
		put(v, STATS_COUNTER, counter_rows[c].name, counter_rows[c].help, sum);
	}
}

static void visit_gauges(const struct visit *v)
{
	struct engine_gauges sum = {0};

	for (unsigned w = 0; w < engine_count(v->from); w++) {
		struct engine_gauges g;

		engine_gauges(v->from->workers[w].engine, &g);
		sum.resolutions_active += g.resolutions_active;
		sum.waiters += g.waiters;
		sum.tickets_out += g.tickets_out;
		sum.probes_out += g.probes_out;
		sum.tickets_late += g.tickets_late;
		sum.answer_buffers_used += g.answer_buffers_used;
		sum.large_buffers_used += g.large_buffers_used;
		sum.tcp_queries_out += g.tcp_queries_out;
		sum.subs_waiting += g.subs_waiting;
		sum.subs_waited_for += g.subs_waited_for;
	}
	put(v, STATS_GAUGE, "resolutions_active", "questions being resolved",
	    sum.resolutions_active);
	put(v, STATS_GAUGE, "waiters", "clients that wait for an answer", sum.waiters);
	put(v, STATS_GAUGE, "tickets_out", "queries under way", sum.tickets_out);
	put(v, STATS_GAUGE, "probes_out", "health probes under way", sum.probes_out);
	put(v, STATS_GAUGE, "tickets_late", "timed-out queries that are remembered",
	    sum.tickets_late);
	put(v, STATS_GAUGE, "answer_buffers_used", "answers that wait to be sent",
	    sum.answer_buffers_used);
	put(v, STATS_GAUGE, "large_buffers_used", "answers over TCP that wait to be sent",
	    sum.large_buffers_used);
	put(v, STATS_GAUGE, "tcp_queries_out", "questions that wait for a server over TCP",
	    sum.tcp_queries_out);
	put(v, STATS_GAUGE, "subs_waiting", "questions that wait for a sub-question of theirs",
	    sum.subs_waiting);
	put(v, STATS_GAUGE, "subs_waited_for",
	    "sub-questions that wait for a question, among the waiters", sum.subs_waited_for);
}

/* All zero without TCP, so that names do not come and go. */
static void visit_streams(const struct visit *v)
{
	static const struct stream_counters none;
	const struct stream_counters *from = v->from->streams != NULL ? v->from->streams : &none;

	for (unsigned c = 0; c < STREAM_COUNTER_COUNT; c++)
		put(v, c < STREAM_COUNTER_END ? STATS_COUNTER : STATS_GAUGE,
		    stream_counter_rows[c].name, stream_counter_rows[c].help,
		    stream_counter_get(from, (enum stream_counter)c));
}

static void visit_source_ports(const struct visit *v)
{
	struct port_keeper_stats stats;
	struct stats_number bits = {
		.what = "port_entropy_bits",
		.help = "log2 of the ports of the weakest outgoing address",
		.kind = STATS_GAUGE,
		.has_decimals = true,
	};

	port_keeper_stats(v->from->keeper, &stats);
	bits.decimal = stats.entropy_bits;
	v->put(v->context, &bits);
	put(v, STATS_GAUGE, "eligible_ports", "ports of the smallest set", stats.eligible);
	put(v, STATS_COUNTER, "ports_yielded", "ports given to a process that bound them",
	    stats.yielded);
	put(v, STATS_COUNTER, "ports_returned", "ports taken back when it left", stats.returned);
	put(v, STATS_GAUGE, "ports_kept", "ports drawn though a process holds them", stats.kept);
	put(v, STATS_COUNTER, "port_rotations", "sets drawn anew", stats.rotations);
	put(v, STATS_GAUGE, "port_conflicts", "ports yielded now", stats.conflicts_now);
	put(v, STATS_COUNTER, "entropy_alarms", "alarms of the meter of ports and IDs",
	    stats.entropy_alarms);
}

/* ---- one number an interface ---- */

static void put_interface(const struct visit *v, unsigned interface_idx, struct stats_number *n,
			  uint64_t value)
{
	n->label = "interface";
	snprintf(n->label_value, sizeof(n->label_value), "%s",
		 v->from->interface_names[interface_idx]);
	n->value = value;
	v->put(v->context, n);
}

static void visit_ports(const struct visit *v)
{
	static const struct {
		const char *what;
		const char *help;
		size_t offset;
	} shown[] = {
		{"rx_packets", "packets that the device received",
		 offsetof(struct rte_eth_stats, ipackets)},
		{"tx_packets", "packets that the device sent",
		 offsetof(struct rte_eth_stats, opackets)},
		{"rx_missed", "packets lost before the workers: the device's ring was full",
		 offsetof(struct rte_eth_stats, imissed)},
		{"rx_nombuf", "packets lost for want of a buffer",
		 offsetof(struct rte_eth_stats, rx_nombuf)},
		{"rx_errors", "packets received with errors",
		 offsetof(struct rte_eth_stats, ierrors)},
		{"tx_errors", "packets that could not be sent",
		 offsetof(struct rte_eth_stats, oerrors)},
	};
	struct rte_eth_stats stats[INTERFACES_MAX];
	uint64_t missed = 0, no_mbuf = 0;

	for (unsigned i = 0; i < v->from->ports->port_count; i++) {
		if (rte_eth_stats_get(v->from->ports->ports[i].port_id, &stats[i]) != 0)
			stats[i] = (struct rte_eth_stats){0};
		missed += stats[i].imissed;
		no_mbuf += stats[i].rx_nombuf;
	}
	for (size_t s = 0; s < ARRAY_COUNT(shown); s++) {
		for (unsigned i = 0; i < v->from->ports->port_count; i++) {
			struct stats_number n = {
				.prefix = "port", .what = shown[s].what, .help = shown[s].help};
			uint64_t value;

			memcpy(&value, (const char *)&stats[i] + shown[s].offset, sizeof(value));
			put_interface(v, i, &n, value);
		}
	}
	put(v, STATS_COUNTER, "rx_missed", "packets lost before the workers, of all devices",
	    missed);
	put(v, STATS_COUNTER, "rx_nombuf", "packets lost for want of a buffer, of all devices",
	    no_mbuf);
}

/* Of interfaces that the kernel shares: what the XDP program, or the fallback's, has given to whom. */
static void visit_xdp(const struct visit *v)
{
	static const struct {
		enum xdp_steer_counter counter;
		const char *name;
		const char *help;
	} shown[] = {
		{XDP_STEER_QUESTIONS, "questions", "packets to the DNS port, for us"},
		{XDP_STEER_REPLIES, "replies", "packets from servers to our ports, for us"},
		{XDP_STEER_KERNEL, "kernel", "packets left to the kernel"},
	};

	for (size_t c = 0; c < ARRAY_COUNT(shown); c++) {
		for (unsigned i = 0; i < v->from->ports->port_count; i++) {
			struct stats_number n = {
				.prefix = "xdp", .what = shown[c].name, .help = shown[c].help};

			if (xdp_is_shared(v->from->xdp, i))
				put_interface(v, i, &n,
					      xdp_counter(v->from->xdp, i, shown[c].counter));
		}
	}
}

/* ---- one number a worker ---- */

/* What shows whether the load is spread evenly, and who hands over how much. */
static void visit_workers(const struct visit *v)
{
	static const enum counter shown[] = {
		COUNTER_RX_PACKETS, COUNTER_TX_PACKETS,  COUNTER_QUERIES,     COUNTER_CACHE_HIT,
		COUNTER_HANDOFFS,   COUNTER_BUSY_CYCLES, COUNTER_IDLE_CYCLES, COUNTER_NAPS,
	};

	for (size_t i = 0; i < ARRAY_COUNT(shown); i++) {
		for (unsigned w = 0; w < v->from->worker_count; w++) {
			struct stats_number n = {
				.prefix = "worker",
				.what = counter_rows[shown[i]].name,
				.label = "worker",
				.help = counter_rows[shown[i]].help,
				.value = worker_counter(v->from, w, shown[i]),
			};

			snprintf(n.label_value, sizeof(n.label_value), "%u", w);
			v->put(v->context, &n);
		}
	}
}

static uint64_t uptime_s(const struct stats_sources *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - from->started_s);
}

void stats_visit(const struct stats_sources *from, stats_put *each, void *context)
{
	const struct visit v = {from, each, context};

	visit_counters(&v);
	visit_gauges(&v);
	visit_streams(&v);
	telemetry_cache_numbers(each, context);
	visit_source_ports(&v);
	put(&v, STATS_GAUGE, "workers", "workers", from->worker_count);
	put(&v, STATS_GAUGE, "uptime_s", "seconds since the start", uptime_s(from));
	visit_ports(&v);
	visit_xdp(&v);
	visit_workers(&v);
}

/* ---- latencies ---- */

static void latency_sum(struct latency *sum, const struct latency *from)
{
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		sum->counts[i] += __atomic_load_n(&from->counts[i], __ATOMIC_RELAXED);
	sum->sum_ns += __atomic_load_n(&from->sum_ns, __ATOMIC_RELAXED);
}

void stats_latencies(const struct stats_sources *from, struct engine_latencies *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned w = 0; w < engine_count(from); w++) {
		const struct engine_latencies *l = engine_latencies(from->workers[w].engine);

		latency_sum(&sum->hit, &l->hit);
		latency_sum(&sum->miss, &l->miss);
	}
}

void stats_server_latency(const struct stats_sources *from, uint16_t server_idx,
			  struct latency *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned w = 0; w < engine_count(from); w++) {
		const struct latency *l =
			engine_server_latency(from->workers[w].engine, server_idx);

		if (l != NULL)
			latency_sum(sum, l);
	}
}
