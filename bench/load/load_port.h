/* The device: one DPDK port with as many queues each way as asked for. What a full device refuses waits its turn,
 * or is dropped.
 *
 * Memory: DPDK's. Threads: one.
 */
#ifndef LOAD_LOAD_PORT_H
#define LOAD_LOAD_PORT_H

#include "dpdk_app/dpdk.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdbool.h>

#include "bench/load/load_counter.h"
#include "bench/load/options.h"
#include "core/address.h"
#include "core/check.h"

#define LOAD_BURST 32
/* What may wait for a device that is full: beyond it packets are dropped, and counted. A power of two. */
#define LOAD_WAITING_MAX 2048

struct load_queue {
	struct rte_mbuf *mbufs[LOAD_WAITING_MAX];
	uint32_t first;
	uint32_t count;
};

struct load_port {
	uint16_t port_id;
	uint16_t queue_count;
	bool drop_refused; /* instead of waiting */
	bool found;
	bool started;
	struct mac mac;
	struct rte_mempool *pool;
	struct load_counters *counters;
	struct load_queue queues[OPTIONS_QUEUES_MAX];
};

/* False: said why on stderr; call port_close all the same. */
MUST_USE bool load_port_open(struct load_port *p, const struct options *options,
			     struct load_counters *counters);
void load_port_close(struct load_port *p);
bool load_port_is_up(const struct load_port *p);

/* Up to LOAD_BURST packets of one queue. */
unsigned load_port_receive(struct load_port *p, unsigned queue, struct rte_mbuf *mbufs[LOAD_BURST]);
/* Takes the mbuf; it leaves with the next flush that finds room. The hash says through which queue. */
void load_port_send(struct load_port *p, struct rte_mbuf *mbuf, uint32_t flow_hash);
void load_port_flush(struct load_port *p);
/* Is there room for another burst of questions? */
bool load_port_has_room(const struct load_port *p);

/* An empty packet; NULL: none left. */
static inline struct rte_mbuf *load_port_packet(const struct load_port *p)
{
	return rte_pktmbuf_alloc(p->pool);
}

/* So many, or none. */
static inline bool load_port_packets(const struct load_port *p, struct rte_mbuf *mbufs[],
				     unsigned count)
{
	return rte_pktmbuf_alloc_bulk(p->pool, mbufs, count) == 0;
}

#endif
