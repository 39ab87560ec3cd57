/* What the kernel says of its network interfaces: addresses, VLANs on them, what their hardware does.
 *
 * Threads: any. getifaddrs; rtnetlink (libmnl); ethtool's ioctls.
 */
#ifndef PORTICO_KERNEL_LINK_H
#define PORTICO_KERNEL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"

/* Has this interface exactly this address? */
bool kernel_link_has_address(unsigned ifindex, const struct address *address);
/* The VLAN interface (802.1Q) of this tag on that one, in this network namespace; 0: there is none. */
unsigned kernel_link_of_vlan(unsigned ifindex, uint16_t vlan);
/* Is there any VLAN interface on that one? */
bool kernel_link_has_vlans(unsigned ifindex);
/* How many queues it receives on; 0: it does not say. */
unsigned kernel_link_rx_queues(const char *name);
/* How many of them send as well (ethtool's "combined"); 0: none, or it does not say. */
unsigned kernel_link_paired_queues(const char *name);
/* Does the kernel or the hardware put received TCP segments together (GRO, LRO), so that a packet socket sees frames longer than the
 * MTU? */
bool kernel_link_merges(const char *name);
/* Does the hardware take VLAN tags off, so that an XDP program does not see them? */
bool kernel_link_strips_vlan(const char *name);

/* The alias (IFLA_IFALIAS) of interfaces that Portico has made, in the namespace of the calling thread. */
#define KERNEL_LINK_MARK "portico"
bool kernel_link_is_marked(unsigned ifindex);

#endif
