#include "bench/load/load_port.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <string.h>

#define POOL_CACHE 512
#define DATA_BYTES 2048
#define NAME_BYTES 64
#define TRIES_PER_S 10

static bool refuse(const char *what, int error)
{
	fprintf(stderr, "load: %s: %s\n", what, rte_strerror(error < 0 ? -error : error));
	return false;
}

static bool find(struct load_port *p, const char *vdev)
{
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(vdev, ","), vdev);
	if (rte_eth_dev_get_port_by_name(name, &p->port_id) != 0) {
		fprintf(stderr, "load: DPDK has no device %s\n", name);
		return false;
	}
	p->found = true;
	return true;
}

static bool set_queues(struct load_port *p, uint16_t rx_descriptors, uint16_t tx_descriptors)
{
	unsigned socket = (unsigned)SOCKET_ID_ANY;

	for (uint16_t q = 0; q < p->queue_count; q++) {
		int error = rte_eth_rx_queue_setup(p->port_id, q, rx_descriptors, socket, NULL,
						   p->pool);

		if (error == 0)
			error = rte_eth_tx_queue_setup(p->port_id, q, tx_descriptors, socket, NULL);
		if (error != 0)
			return refuse("setting up queues", error);
	}
	return true;
}

static bool configure(struct load_port *p, const struct options *options)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx_descriptors = (uint16_t)options->ring_entries;
	uint16_t tx_descriptors = (uint16_t)options->ring_entries;
	int error = rte_eth_dev_configure(p->port_id, p->queue_count, p->queue_count, &conf);

	if (error != 0)
		return refuse("configuring the device", error);
	error = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rx_descriptors, &tx_descriptors);
	if (error != 0)
		return refuse("sizing its queues", error);
	return set_queues(p, rx_descriptors, tx_descriptors);
}

/* net_memif in its client role does not start before there is a server: wait for one. */
static bool start(struct load_port *p, uint32_t wait_s)
{
	struct rte_ether_addr mac;
	uint32_t tries_left = wait_s * TRIES_PER_S;
	int error = rte_eth_dev_start(p->port_id);

	for (; error != 0 && tries_left > 0; tries_left--) {
		rte_delay_us_sleep(1000000 / TRIES_PER_S);
		error = rte_eth_dev_start(p->port_id);
	}
	if (error != 0)
		return refuse("starting the device (is the other side there?)", error);
	p->started = true;
	error = rte_eth_macaddr_get(p->port_id, &mac);
	if (error != 0)
		return refuse("reading its MAC", error);
	memcpy(p->mac.bytes, mac.addr_bytes, sizeof(p->mac.bytes));
	return true;
}

bool load_port_open(struct load_port *p, const struct options *options,
		    struct load_counters *counters)
{
	*p = (struct load_port){.queue_count = (uint16_t)options->queue_count,
				.drop_refused = options->drop_refused,
				.counters = counters};
	if (!find(p, options->vdev))
		return false;
	p->pool = rte_pktmbuf_pool_create("load_mbufs", options->mbuf_count, POOL_CACHE, 0,
					  RTE_PKTMBUF_HEADROOM + DATA_BYTES, SOCKET_ID_ANY);
	if (p->pool == NULL)
		return refuse("packet buffers (--mbufs, --memory-mb)", rte_errno);
	return configure(p, options) && start(p, options->wait_s);
}

static void drop_waiting(struct load_port *p, struct load_queue *q)
{
	p->counters->of[LOAD_TX_DROPPED] += q->count;
	for (; q->count > 0; q->count--)
		rte_pktmbuf_free(q->mbufs[q->first++ % LOAD_WAITING_MAX]);
}

void load_port_close(struct load_port *p)
{
	if (!p->found)
		return;
	for (unsigned i = 0; i < p->queue_count; i++) {
		drop_waiting(p, &p->queues[i]);
	}
	if (p->started && rte_eth_dev_stop(p->port_id) != 0)
		fprintf(stderr, "load: the device does not stop\n");
	rte_eth_dev_close(p->port_id);
	p->found = p->started = false;
}

bool load_port_is_up(const struct load_port *p)
{
	struct rte_eth_link status;

	return rte_eth_link_get_nowait(p->port_id, &status) == 0 &&
	       status.link_status == RTE_ETH_LINK_UP;
}

unsigned load_port_receive(struct load_port *p, unsigned queue, struct rte_mbuf *mbufs[LOAD_BURST])
{
	unsigned count = rte_eth_rx_burst(p->port_id, (uint16_t)queue, mbufs, LOAD_BURST);

	p->counters->of[LOAD_RX_PACKETS] += count;
	return count;
}

void load_port_send(struct load_port *p, struct rte_mbuf *mbuf, uint32_t flow_hash)
{
	struct load_queue *q = &p->queues[(uint64_t)flow_hash * p->queue_count >> 32];

	if (UNLIKELY(q->count == LOAD_WAITING_MAX)) {
		p->counters->of[LOAD_TX_DROPPED]++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	q->mbufs[(q->first + q->count++) % LOAD_WAITING_MAX] = mbuf;
}

static void flush(struct load_port *p, uint16_t queue)
{
	struct load_queue *q = &p->queues[queue];

	while (q->count > 0) {
		uint32_t first = q->first % LOAD_WAITING_MAX;
		uint32_t wanted = LOAD_WAITING_MAX - first;
		unsigned sent;

		if (wanted > q->count)
			wanted = q->count;
		if (wanted > LOAD_BURST)
			wanted = LOAD_BURST;
		sent = rte_eth_tx_burst(p->port_id, queue, q->mbufs + first, (uint16_t)wanted);
		p->counters->of[LOAD_TX_PACKETS] += sent;
		q->first += sent;
		q->count -= sent;
		if (sent < wanted) {
			p->counters->of[LOAD_TX_REFUSED]++;
			if (p->drop_refused)
				drop_waiting(p, q);
			return;
		}
	}
}

void load_port_flush(struct load_port *p)
{
	for (uint16_t i = 0; i < p->queue_count; i++)
		flush(p, i);
}

bool load_port_has_room(const struct load_port *p)
{
	for (unsigned i = 0; i < p->queue_count; i++) {
		if (p->queues[i].count > LOAD_WAITING_MAX / 4)
			return false;
	}
	return true;
}
