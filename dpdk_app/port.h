/* DPDK ports of the configured interfaces: found, configured, started; and stopped on every way out.
 *
 * Interface and port have the same index here; the PMD's own port number is port_id.
 * Memory: one pool of mbufs for all ports. Threads: the main thread starts and stops; workers read.
 */
#ifndef PORTICO_PORT_H
#define PORTICO_PORT_H

#include "dpdk_app/dpdk.h"

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/cpu_plan.h"
#include "dpdk_app/xdp.h"

#define PORT_BURST 32           /* packets a rte_eth_rx_burst */
#define PORT_WAKE_QUEUES_MAX 16 /* net_af_packet makes no more */

struct port {
	uint16_t port_id;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t rx_queue_count; /* queue q is worker q % worker_count's */
	uint16_t
		tx_queue_count; /* worker w's is w, if there is one, else w % tx_queue_count's holder's */
	int rx_fds
		[PORT_WAKE_QUEUES_MAX]; /* of the first rx_fd_count queues: readable while there is something (rx_wake.h) */
	uint16_t rx_fd_count;    /* all queues, or none */
	uint16_t tx_queues_made; /* set up, as many as that at least: some drivers want pairs */
	bool found;
	bool started;
	bool mac_changed; /* to what the configuration says: put back at the end */
	struct mac mac;
	struct mac mac_before;
	const char *driver;
};

struct port_table {
	unsigned port_count;
	struct port ports[INTERFACES_MAX];
	struct rte_mempool *pool;
	uint32_t mbuf_count;
	uint8_t interface_of_port[RTE_MAX_ETHPORTS]; /* the way back from mbuf->port */
};

/* How many of worker_count workers receive from any device. */
unsigned port_receiver_count(const struct port_table *table, unsigned worker_count);

/* xdp: which devices to open, and which of them the kernel shares: of those nothing is changed that is the kernel's to
 * set. False: the reason is logged; call port_stop_all all the same. */
MUST_USE bool port_start_all(const struct config *config, const struct xdp_table *xdp,
			     const struct cpu_plan *cpus, struct port_table *table);
/* Stop and close what was found. No worker may use the ports any more. */
void port_stop_all(struct port_table *table);

#endif
