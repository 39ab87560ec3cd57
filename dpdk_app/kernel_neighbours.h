/* On a NIC shared with the kernel, ARP and ND are the kernel's. What our queries need of it, the MACs of gateways and
 * servers on the link, is asked of it by netlink (RTM_GETNEIGH, libmnl), and it is told that they are in use
 * (NTF_USE), so that it resolves and confirms them. What an administrator has set for good (`ip neigh ... nud permanent`) is
 * taken as it is.
 *
 * Memory: an entry a neighbour. Threads: one (the port keeper's) looks, another may say who is to be looked at: a lock. Time: monotonic, given. It takes
 * CAP_NET_ADMIN. RFC 826, 4861; man 7 rtnetlink.
 */
#ifndef PORTICO_KERNEL_NEIGHBOURS_H
#define PORTICO_KERNEL_NEIGHBOURS_H

#include "core/check.h"
#include "core/engine.h"
#include "core/neighbour.h"
#include "dpdk_app/xdp.h"

struct kernel_neighbours;

/* Of the snapshot, those that are the kernel's; it is not looked at afterwards. NULL: no memory or no netlink (logged);
 * where the kernel shares no interface, there is just nothing to look at. */
MUST_USE struct kernel_neighbours *kernel_neighbours_open(const struct xdp_table *xdp,
							  const struct engine_config *snapshot,
							  struct neighbour_shared *shared);
/* A reload: those of this snapshot from now on. What is known of those that stay stays. Any thread; waits for a look that is
 * under way. */
void kernel_neighbours_follow(struct kernel_neighbours *n, const struct engine_config *snapshot);
/* Look at each once: its MAC into the shared words, or that it is silent. Every 200 ms or so, every 20 ms until all are known;
 * where an answer is lost, it ends there until the next time, after 200 ms at most. Returns how many are not known yet. */
unsigned kernel_neighbours_poll(struct kernel_neighbours *n, mono_ns now);
void kernel_neighbours_close(struct kernel_neighbours *n);

#endif
