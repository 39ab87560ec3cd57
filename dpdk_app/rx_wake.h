/* What can wake a worker when a packet arrives: a descriptor for each receive queue, readable while the queue holds something.
 *
 * net_af_packet has no receive interrupts for DPDK to give us, but its queues are packet sockets of this process, which poll(2)
 * knows: the socket of queue q is the q-th of those on the device's kernel interface, in the order in which they were opened.
 * Of other devices we know none: their workers nap.
 *
 * Memory: none. Threads: at start, one; the descriptors are the driver's, and its to close.
 */
#ifndef PORTICO_RX_WAKE_H
#define PORTICO_RX_WAKE_H

#include <stdbool.h>

#include "core/check.h"

/* The packet sockets of this process on this interface of the kernel, as the count queues of one device: fds[q] of queue q.
 * False: there are not just as many; fds is not written. */
MUST_USE bool rx_wake_find(unsigned if_index, int fds[], unsigned count);

#endif
