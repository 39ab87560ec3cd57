/* What the kernel says of its own accord, where it keeps routes and neighbours: a thread that listens to netlink in every
 * namespace that has our interfaces.
 *
 * A neighbour of ours that changes is looked at at once (kernel_neighbours.h). Routes, links and addresses that change are
 * gathered for 100 ms, then all routes are read (kernel_routes.h), and if there is any difference, a snapshot is made of it
 * (reload.h): so a storm of a routing protocol costs a snapshot now and then. Many routes take their time: then there are
 * longer pauses. Where notifications were lost (ENOBUFS), everything is looked at.
 *
 * Memory: its own struct. Threads: one of its own, from kernel_watch_start to kernel_watch_stop. man 7 rtnetlink.
 */
#ifndef PORTICO_KERNEL_WATCH_H
#define PORTICO_KERNEL_WATCH_H

#include "core/check.h"
#include "dpdk_app/kernel_neighbours.h"
#include "dpdk_app/kernel_routes.h"
#include "dpdk_app/kernel_space.h"
#include "dpdk_app/reload.h"

struct kernel_watch_parts {
	const struct kernel_spaces *spaces;
	struct kernel_routes *routes;
	struct kernel_neighbours *neighbours;
	struct reload *reload;
};

struct kernel_watch;

/* With the workers running; the parts stay until kernel_watch_stop. NULL: no memory, no netlink or no thread (logged). */
MUST_USE struct kernel_watch *kernel_watch_start(const struct kernel_watch_parts *parts);
/* w may be NULL. */
void kernel_watch_stop(struct kernel_watch *w);

#endif
