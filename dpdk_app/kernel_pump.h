/* Frames between workers and the kernel's TAPs (kernel_tap.h), carried by a thread of its own, so that no worker makes a system
 * call for one.
 *
 * Each worker has a lane: a ring of what it gives to the kernel, and one by which its mbufs come back to be freed. So many are on
 * the way that both rings have room for all; more are refused, at once, and counted: a flood for the kernel takes nothing
 * from DNS but that. The other way there is one lane, to KERNEL_PUMP_WORKER, which lends empty mbufs; with none left the
 * frames wait in the TAP's own queue, where the kernel sees to it. That worker sends them after its own, PORT_BURST a turn.
 * The thread touches no mempool: it may be put off at any moment, and then nobody must wait for it.
 *
 * Waking is as in handoff.h, both ways. The tag of an interface's VLAN is taken off and put on here.
 *
 * Memory: rings and an eventfd from start to end. Threads: as each function says.
 */
#ifndef PORTICO_KERNEL_PUMP_H
#define PORTICO_KERNEL_PUMP_H

#include "dpdk_app/dpdk.h"

#include <rte_mbuf.h>
#include <stdbool.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/handoff.h"
#include "dpdk_app/kernel_tap.h"
#include "dpdk_app/port.h"

#define KERNEL_PUMP_WORKER 0

struct kernel_pump;

/* How many mbufs lanes can hold. */
uint32_t kernel_pump_mbufs_max(unsigned worker_count);

/* NULL: no TAP (*failed: false), or no memory or descriptors (true; logged). */
MUST_USE struct kernel_pump *kernel_pump_make(const struct config *config,
					      const struct kernel_tap_table *taps,
					      const struct port_table *ports,
					      struct handoff *handoff, unsigned worker_count,
					      bool *failed);
/* With the rest ready to run; p may be NULL. False: no thread (logged). */
MUST_USE bool kernel_pump_start(struct kernel_pump *p, unsigned control_cpu);
/* The thread ends; p may be NULL. */
void kernel_pump_stop(struct kernel_pump *p);
/* No worker runs any more. */
void kernel_pump_free(struct kernel_pump *p);

/* ---- workers ---- */

/* Takes the mbuf, a frame as it was received on mbuf->port. False: no place; it has been freed, and the caller counts it. */
MUST_USE bool kernel_pump_give(struct kernel_pump *p, unsigned worker_idx, struct rte_mbuf *mbuf);
/* After a turn in which something was given. */
void kernel_pump_wake(struct kernel_pump *p, unsigned worker_idx);
/* KERNEL_PUMP_WORKER: at most PORT_BURST frames of the kernel's, each for mbuf->port. Lends new mbufs for them. */
unsigned kernel_pump_take(struct kernel_pump *p, struct rte_mbuf *mbufs[PORT_BURST]);

#endif
