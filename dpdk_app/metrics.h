/* Numbers for Prometheus, at http://ADDRESS:PORT/metrics (text format 0.0.4): those of `porticoctl stats` under the same
 * names with "portico_" before them, and histograms of latency: of answers from the cache and of others, and of each
 * upstream server.
 *
 * Served by a thread of libmicrohttpd's, off the workers' CPUs, a few connections at a time, fewer from one address, closed
 * when nothing has moved for some seconds; anything but GET and HEAD of /metrics is refused. No TLS and no passwords: listen
 * where only the monitoring comes.
 *
 * Threads: opened and closed by the main thread, changed by who reloads, in between; one lock, which workers never take.
 */
#ifndef PORTICO_METRICS_H
#define PORTICO_METRICS_H

#include <stdbool.h>

#include "core/address.h"
#include "core/check.h"
#include "core/engine_config.h"
#include "dpdk_app/stats.h"

/* sources are copied; the snapshot is the one whose servers are shown. listen.port 0: nothing is served. False: it cannot listen
 * there (logged with the remedy). */
MUST_USE bool metrics_open(const struct stats_sources *sources,
			   const struct engine_config *snapshot, const struct endpoint *listen);
/* A reload: from here on nobody looks at the old snapshot. False: it cannot listen at the new place (logged): it goes on at
 * the old one. That is open until the new one is; but where only one of them can be (a wildcard among them, the same port), it is
 * closed first. */
MUST_USE bool metrics_change(const struct engine_config *snapshot, const struct endpoint *listen);
/* The same, of a snapshot of the same configuration. */
void metrics_follow(const struct engine_config *snapshot);
void metrics_close(void);

#endif
