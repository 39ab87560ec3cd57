/* Where the kernel keeps neighbours (on NICs that it shares, and those that have a TAP), ARP and ND are its own. What our queries
 * need of it, the MACs of gateways and servers on the link, is asked of it by netlink (RTM_GETNEIGH, libmnl), and it is told
 * that they are in use (NTF_USE), so that it resolves and confirms them. What an administrator has set for good (`ip neigh ...
 * nud permanent`) is taken as it is.
 *
 * A MAC is used as long as the kernel has it, and no longer: whoever reads its notifications (kernel_watch.h) has each that is
 * about one of ours looked at at once. One that workers suspect, because nothing comes back from there, is confirmed at
 * once: if its owner is silent for 100 ms, it is asked for anew by broadcast, where the kernel alone would
 * ask him for three seconds more.
 *
 * Memory: an entry a neighbour. Threads: any but workers: a lock. Time: monotonic, given. It takes CAP_NET_ADMIN.
 * RFC 826, 4861; man 7 rtnetlink.
 */
#ifndef PORTICO_KERNEL_NEIGHBOURS_H
#define PORTICO_KERNEL_NEIGHBOURS_H

#include "core/check.h"
#include "core/engine.h"
#include "core/neighbour.h"
#include "dpdk_app/kernel_space.h"
#include "dpdk_app/tsc_clock.h"

struct kernel_neighbours;

/* Of the snapshot, those that are the kernel's; it is not looked at afterwards. spaces, shared and workers_clock, by which workers
 * say when they had use for one, stay. NULL: no memory or no netlink (logged). */
MUST_USE struct kernel_neighbours *kernel_neighbours_open(const struct kernel_spaces *spaces,
							  const struct engine_config *snapshot,
							  struct neighbour_shared *shared,
							  const struct tsc_clock *workers_clock,
							  mono_ns now);
/* The next snapshot, before it is published: those that are new in it are asked for, and waited for, for a moment. */
void kernel_neighbours_prepare(struct kernel_neighbours *n, const struct engine_config *next,
			       mono_ns now);
/* When it is in force: those of this snapshot from now on. What is known of those that stay stays. */
void kernel_neighbours_follow(struct kernel_neighbours *n, const struct engine_config *snapshot,
			      mono_ns now);
/* The kernel has said something of this one; is it ours, it is looked at now. */
void kernel_neighbours_on_news(struct kernel_neighbours *n, unsigned space, unsigned ifindex,
			       const struct address *address, mono_ns now);
/* All of them are looked at with the next call of kernel_neighbours_poll: news were lost. */
void kernel_neighbours_doubt(struct kernel_neighbours *n);
/* Every 20 ms or so: looks at those that are suspected, unknown or being confirmed, and at each once a second: its MAC into the
 * shared words, or that it is silent. Where an answer is lost, it ends there until the next time, after 200 ms at most. */
void kernel_neighbours_poll(struct kernel_neighbours *n, mono_ns now);
void kernel_neighbours_close(struct kernel_neighbours *n);

#endif
