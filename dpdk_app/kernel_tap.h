/* `kernel: tap`: a TAP of ours by which the kernel has what is not DNS of an interface that it knows nothing of: its MAC, MTU,
 * addresses and gateways are the kernel's then, and with them ARP, ND, ICMP, TCP, routing and whoever uses them. Frames go
 * to and fro by kernel_pump.h.
 *
 * The TAP goes with this process, however it ends, and its addresses and routes with it. What stays behind after a kill,
 * rules (kernel_rule.h) and a network namespace that we made (netns.h), the next start removes. Where the device is a packet
 * socket on a kernel interface, the kernel's own copies of what comes in there are dropped (xdp.h): else everything would
 * reach it twice.
 *
 * A default route goes to the main table, where others come before it (its metric is high), and by the rules to all that
 * leaves from our addresses.
 *
 * It takes /dev/net/tun and CAP_NET_ADMIN; for another namespace CAP_SYS_ADMIN. Memory: one table. Threads: main opens and
 * closes; who reloads widens and narrows. man 7 netdevice, rtnetlink; linux/if_tun.h, libmnl.
 * Test: tests/smoke/kernel_tap_test.sh.
 */
#ifndef PORTICO_KERNEL_TAP_H
#define PORTICO_KERNEL_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "core/limits.h"
#include "dpdk_app/netns.h"
#include "dpdk_app/port.h"

/* What the kernel has been given of an interface: while a reload lasts, of two configurations. */
struct kernel_tap_given {
	uint8_t address_count;
	struct prefix addresses[2 * INTERFACE_ADDRESSES_MAX];
	uint8_t gateway_count;
	struct address gateways[2 * INTERFACE_GATEWAYS_MAX];
};

struct kernel_tap {
	bool is_there;
	int fd; /* frames: read and write; not blocking */
	unsigned ifindex;
	char name[IFNAMSIZ];
	struct netns netns; /* .fd -1: this process's own */
	struct kernel_tap_given given;
};

struct kernel_tap_table {
	unsigned interface_count;
	struct kernel_tap taps[INTERFACES_MAX];
};

static inline bool kernel_tap_has(const struct kernel_tap_table *table, unsigned interface_idx)
{
	return table->taps[interface_idx].is_there;
}

/* Does any interface have one, if it can be? */
bool kernel_tap_any_wanted(const struct config *config);
/* Before anything is touched that a living instance may be using, but for what dead ones left, which is removed: can they be had?
 * False: refused (logged). */
MUST_USE bool kernel_tap_prepare(const struct config *config);
/* After the ports have started: theirs are the MACs. `kernel: tap`: refused where it cannot be (false; logged); `auto`: a
 * warning, and there is none. */
MUST_USE bool kernel_tap_open_all(const struct config *config, const struct port_table *ports,
				  struct kernel_tap_table *table);
/* On every way out; of a table that is all zeroes or was opened in part, as often as one likes. */
void kernel_tap_close_all(struct kernel_tap_table *table);

/* ---- reload: one thread at a time ---- */

/* What the next configuration adds. False: the kernel does not take it (logged); what was there still is. */
MUST_USE bool kernel_tap_widen(struct kernel_tap_table *table, const struct config *next);
/* What it does not have any more. */
void kernel_tap_narrow(struct kernel_tap_table *table, const struct config *next);

#endif
