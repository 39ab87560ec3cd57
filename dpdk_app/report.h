/* Reports that workers make of themselves, as pages of a telemetry reply: the rows "0", "1", … each a dictionary,
 * "next" the cursor to go on from, and "more", 0 at the end.
 *
 *   upstreams   a row a server, over all workers: the same page of each, added up
 *   inflight    the rows of worker 0, then those of worker 1 …; the worker is in the cursor's upper bits
 *   neighbours  of worker 0, who keeps them for all
 *   routes      of worker 0: all go by the same
 *   ports_use   no rows: "low" and "high", queries under way by block of 64 local ports, of all workers
 *
 * Threads: one at a time, the caller's lock; each worker answers between two of its bursts (mailbox.h), or after
 * MAILBOX_TIMEOUT_MS the reply is an "error" that names it.
 */
#ifndef PORTICO_REPORT_H
#define PORTICO_REPORT_H

#include <rte_telemetry.h>
#include <stdint.h>

#include "config/config.h"
#include "dpdk_app/worker.h"

struct report_sources {
	const struct config *config;
	struct worker *workers;
	unsigned worker_count;
};

/* data: a dictionary that has been started. cursor: 0, or the "next" of the page before. */
void report_upstreams(const struct report_sources *from, uint32_t cursor,
		      struct rte_tel_data *data);
void report_inflight(const struct report_sources *from, uint32_t cursor, struct rte_tel_data *data);
void report_neighbours(const struct report_sources *from, uint32_t cursor,
		       struct rte_tel_data *data);
void report_routes(const struct report_sources *from, uint32_t cursor, struct rte_tel_data *data);
/* outgoing_idx: anything; of an address that is not there: "error". */
void report_ports_use(const struct report_sources *from, uint32_t number,
		      struct rte_tel_data *data);

#endif
