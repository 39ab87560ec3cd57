/* The control thread's loop: signals, randomness for the workers, signs of life, readiness, and the way out. What
 * may take its time is the port keeper's.
 *
 * Threads: the main thread. Signals are blocked in all threads (control_block_signals, before any is made) and
 * read here.
 */
#ifndef PORTICO_CONTROL_H
#define PORTICO_CONTROL_H

#include <stdatomic.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

struct reload;

struct control {
	_Atomic uint32_t shutdown_s;       /* who reloads: stores; control: loads, relaxed */
	unsigned listen_count, zone_count; /* at the start, to be told */
	struct reload *reload;             /* asked at SIGHUP; NULL: none yet */
	struct worker *workers;
	unsigned worker_count;
	struct port_keeper *keeper; /* asked for what it keeps, once all is ready */
	struct xdp_table *xdp;      /* told that we live */
	int signal_fd;
};

enum control_result {
	CONTROL_STOPPED, /* asked to, and did */
	CONTROL_FAILED,  /* had to stop (logged) */
};

/* Block the signals that control reads, and open signal_fd. False: failed (logged). */
MUST_USE bool control_block_signals(struct control *c);

/* What of the configuration control goes by, from now on. Any thread. */
void control_follow(struct control *c, const struct config *config);

/* Runs until SIGTERM or SIGINT, then until all workers are idle, shutdown_s is over or a second
 * signal comes. Workers are still in their loops when it returns. */
MUST_USE enum control_result control_run(struct control *c);

#endif
