/* SIGHUP and `porticoctl reload`: the file is read again, and what it says is in force without a question lost.
 *
 * First all that can be refused, in this order; then nothing has changed, and every reason is told:
 *   the file, as at the start; keys that need a restart (config_change.h); endpoints that processes answer on; addresses
 *   that the kernel does not have; new source sets (port_keeper.h); places in the tables (engine_plan.h); the XDP
 *   program's lists and the TAPs' addresses and routes, widened by what is new; metrics.listen.
 * Then what cannot fail:
 *   the snapshot is published; every worker begins two turns; XDP's lists and the TAPs' addresses are narrowed; the port keeper, the kernel's
 *   neighbours, telemetry, the log, the cache's file and control follow; the old snapshot and configuration are freed. So
 *   nobody else may keep a pointer into a struct config beyond what he locks, but into the first: that stays, for what cannot
 *   change.
 * Then the cache is rid of zones that other servers answer now (config_zones.h). What a former one still replies
 * until the flush is in force (two turns, core/cache.h) goes with it; what it replies after that goes to its clients and is not
 * kept, as the zone that was asked is not what it was (engine_plan.h).
 * Before a snapshot is published, the kernel's neighbours that are new in it are asked for: what follows goes there.
 * What is under way goes on by the next snapshot, whose indices mean the same (engine_plan.h); what reloads have taken out
 * keeps its place for a grace time (engine_setup_grace_ns), by which all that refers to it is over.
 *
 * Memory: two configurations and two snapshots, while one lasts. Threads: a thread of its own; reload_ask, reload_run and
 * reload_status: any but a worker. Tests: test_engine_reload.c, test_engine_reload_soak.c, test_engine_plan.c,
 * tests/smoke/reload_test.sh, reload_keys_test.sh, reload_shared_test.sh.
 */
#ifndef PORTICO_RELOAD_H
#define PORTICO_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/cache_control.h"
#include "dpdk_app/control.h"
#include "dpdk_app/engine_setup.h"
#include "dpdk_app/kernel_neighbours.h"
#include "dpdk_app/kernel_tap.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/streams.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

struct reload;

/* What follows the configuration. */
struct reload_parts {
	const struct config *config; /* the first one */
	struct engine_setup *setup;
	struct port_keeper *keeper;
	struct xdp_table *xdp;
	struct kernel_tap_table *taps;
	struct kernel_neighbours *neighbours; /* NULL: none are the kernel's */
	struct cache_control *cache;
	struct control *control;
	struct streams *streams; /* NULL: there is no TCP */
	struct worker *workers;
	unsigned worker_count; /* and the stream thread, the last of them */
};

/* With the workers running. NULL: no memory or no thread (logged). */
MUST_USE struct reload *reload_start(const struct reload_parts *parts);
/* Portico is to stop: a reload under way is finished, none is begun, and systemd hears no more of them. Does not wait for one;
 * r may be NULL. */
void reload_quit(struct reload *r);
/* While the workers still run: the same, and waits for its end. r may be NULL. */
void reload_stop(struct reload *r);

/* Soon; does not wait. */
void reload_ask(struct reload *r);
/* The kernel's routes are others (kernel_routes.h): soon, a snapshot of the same configuration, by the same steps. It is no reload:
 * nobody is told, and one that finds no place is made again a second later. */
void reload_routes(struct reload *r);

enum reload_result {
	RELOAD_DONE,
	RELOAD_REFUSED, /* the report says why */
	RELOAD_ENDING,  /* Portico is */
};
/* Now, and wait for it. */
MUST_USE enum reload_result reload_run(struct reload *r);

#define RELOAD_LINE_BYTES 1024
/* Line `idx` of what the last reload had to say: warnings, and why it was refused. False: there are no more. */
MUST_USE bool reload_report_line(struct reload *r, unsigned idx, char line[RELOAD_LINE_BYTES]);

struct reload_status {
	uint64_t done, refused;
	int64_t last_done_s;         /* wall clock; 0: never */
	int64_t last_refused_s;      /* likewise */
	char why[RELOAD_LINE_BYTES]; /* the last refusal's first line */
};
void reload_status(struct reload *r, struct reload_status *out);

#endif
