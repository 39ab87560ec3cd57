/* The kernel's routes, where it keeps them: on interfaces that it shares, and those that have a TAP. What it has in its main
 * tables, of unicast routes those by these interfaces, all next hops of each that are up; and what leads nowhere
 * (blackhole, unreachable, prohibit, throw). Routes by other interfaces say nothing: queries leave by the interface of their
 * outgoing address, as from a socket that is bound to it. Nor do those for a TOS or a source alone.
 *
 * Memory: ROUTES_MAX routes and what is read beside them; routes beyond that are counted, and what they led to goes the way of
 * shorter prefixes. Threads: one reads (at the start main, then kernel_watch.h); any other may fill a snapshot: a lock.
 * man 7 rtnetlink; RFC 8950 (IPv4 by an IPv6 next hop).
 */
#ifndef PORTICO_KERNEL_ROUTES_H
#define PORTICO_KERNEL_ROUTES_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "core/check.h"
#include "core/engine_config.h"
#include "dpdk_app/kernel_space.h"

struct kernel_routes;

/* With what the kernel has now. spaces stays. NULL: no memory or no answer (logged). */
MUST_USE struct kernel_routes *kernel_routes_open(const struct kernel_spaces *spaces);
void kernel_routes_close(struct kernel_routes *k);

enum kernel_routes_change {
	KERNEL_ROUTES_SAME,
	KERNEL_ROUTES_CHANGED,
	KERNEL_ROUTES_LOST, /* the kernel did not answer, or changed them meanwhile: to be read again */
};
/* Look at all of them again. */
MUST_USE enum kernel_routes_change kernel_routes_read(struct kernel_routes *k);
/* Does a notification (RTM_NEWROUTE, RTM_DELROUTE) of that namespace say anything of what is kept here? */
bool kernel_routes_concern(const struct kernel_routes *k, unsigned space,
			   const struct nlmsghdr *message);

/* Into a snapshot that is being made (engine_plan_routes). */
void kernel_routes_fill(struct kernel_routes *k, struct engine_config *snapshot);
/* To the log: which servers have another way than in the snapshot before (NULL: there was none), or none. */
void kernel_routes_tell(const struct engine_config *last, const struct engine_config *next);

#endif
