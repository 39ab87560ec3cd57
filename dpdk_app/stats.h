/* Every number of a running Portico: one list for `porticoctl stats` and for Prometheus (metrics.h).
 *
 * A number's name is its family's, or, where there is one an interface or a worker, PREFIX_VALUE_WHAT: "worker_0_queries" is
 * of the family "worker_queries" with the label worker="0".
 *
 * Threads: any; numbers are read beside the workers (aligned words, relaxed).
 */
#ifndef PORTICO_STATS_H
#define PORTICO_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/latency.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/stream_counter.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

#define STATS_NAME_BYTES 64
#define STATS_LABEL_BYTES 33

enum stats_kind { STATS_COUNTER, STATS_GAUGE };

struct stats_number {
	const char *prefix; /* of a family with a label: "port", "xdp", "worker"; NULL: without */
	const char *what;   /* the name, or its end behind prefix and label */
	const char *label;  /* "interface", "worker" */
	char label_value[STATS_LABEL_BYTES];
	const char *help;
	enum stats_kind kind;
	uint64_t value;
	bool has_decimals; /* then it is decimal, with two places */
	double decimal;
};

/* As porticoctl shows it: letters, digits and _ only. */
void stats_flat_name(const struct stats_number *n, char name[STATS_NAME_BYTES]);
/* As Prometheus shows it, without the label. */
void stats_family_name(const struct stats_number *n, char name[STATS_NAME_BYTES]);

/* All of it outlives whoever asks. */
struct stats_sources {
	const struct port_table *ports;
	const struct xdp_table *xdp;
	struct port_keeper *keeper;
	const struct worker *workers;
	unsigned worker_count;
	/* NULL: there is no TCP, else workers[worker_count] is the stream thread. */
	const struct stream_counters *streams;
	/* copied: they cannot change while we run */
	char interface_names[INTERFACES_MAX][STATS_LABEL_BYTES];
	int64_t started_s; /* CLOCK_MONOTONIC */
};

/* All numbers, one call each; those of a family follow one another. */
typedef void stats_put(void *context, const struct stats_number *n);
void stats_visit(const struct stats_sources *from, stats_put *put, void *context);

/* Sums over the workers and the stream thread. */
void stats_latencies(const struct stats_sources *from, struct engine_latencies *sum);
void stats_server_latency(const struct stats_sources *from, uint16_t server_idx,
			  struct latency *sum);

#endif
