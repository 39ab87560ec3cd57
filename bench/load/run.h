/* One run: wait for the other side, send, wait for what is still out, and hand over the figures.
 *
 * Memory: what the parts take at start; nothing in the loop. Threads: one. Time: the TSC.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/load_counter.h"
#include "bench/load/options.h"
#include "core/check.h"

/* What was measured, from the warm-up's end until nothing was out any more. */
struct run_figures {
	struct load_counters counters;
	struct load_counters
		while_sending; /* the same, without what came after the last question */
	struct histogram latency_ns[LOAD_CLASSES];
	double seconds;       /* of sending */
	double warm_seconds;  /* that the set's names took, asked once each */
	uint64_t warm_misses; /* upstream queries when they were asked once more */
	uint64_t carried;     /* questions that waited when the warm-up ended */
	uint64_t tsc_hz;
	unsigned upstream_ports;
	unsigned queue_count;
};

enum run_result { RUN_OK, RUN_NO_DEVICE, RUN_NO_MEMORY, RUN_NO_LINK, RUN_NO_ANSWER };

/* EAL runs. The reason for a failure was said on stderr; *out is written on RUN_OK only. */
MUST_USE enum run_result run(const struct options *options, struct run_figures *out);
/* End it early, from a signal handler. */
void run_stop(void);

#endif
