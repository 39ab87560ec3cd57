/* What porticoctl shows, as commands of DPDK's telemetry socket under /portico/.
 *
 * A reply holds at most 256 entries and 16 KiB, so lists come in pages: `/portico/stats,START` from the START'th
 * number on, `/portico/upstreams,CURSOR` and the like with "next" to go on from and "more" 0 at the end. What is
 * about source ports is in telemetry_ports.h.
 *
 * Threads: called on DPDK's telemetry threads; one lock, which workers never take, and which an audit gives up while it
 * waits.
 */
#ifndef PORTICO_TELEMETRY_H
#define PORTICO_TELEMETRY_H

#include <stdatomic.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/stats.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

struct reload;
struct stream_report;

enum telemetry_phase { TELEMETRY_STARTING, TELEMETRY_READY, TELEMETRY_DRAINING };

/* What the replies are made from; all of it outlives telemetry_close(). */
struct telemetry_sources {
	const struct config *config;
	const struct eal *eal;
	const struct port_table *ports;
	const struct xdp_table *xdp;
	struct port_keeper *keeper;
	struct worker *workers;
	unsigned worker_count;
	struct stats_sources stats; /* made of the same */
};

MUST_USE bool telemetry_open(const struct telemetry_sources *sources);
void telemetry_set_phase(enum telemetry_phase phase);
/* A reload: from here on nobody looks at the last configuration. */
void telemetry_follow(const struct config *config);
/* Once it can be had; before, and with NULL, `reload` is refused. */
void telemetry_set_reload(struct reload *reload);
/* While the stream thread runs; before, and with NULL, there is no TCP. */
void telemetry_set_streams(struct stream_report *report);
/* From here on every command is answered with an error; waits for one that is being answered, but for an audit:
 * that touches nothing of ours from here on. */
void telemetry_close(void);

#endif
