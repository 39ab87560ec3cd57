#include "dpdk_app/port.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>
#include <string.h>
#include <unistd.h>

#include "core/frame.h"
#include "dpdk_app/device.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/handoff.h"
#include "dpdk_app/kernel_pump.h"
#include "dpdk_app/kernel_tap.h"
#include "dpdk_app/log.h"
#include "dpdk_app/mbuf_span.h"
#include "dpdk_app/rx_wake.h"
#include "dpdk_app/text.h"

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
/* net_af_xdp loses what comes while somebody else has our core, without saying so: twice as long as others. It also keeps mbufs of
 * its own in the kernel's fill and completion rings. */
#define AF_XDP_DESCRIPTORS 2048
#define AF_XDP_OWN_MBUFS 4096
/* With many workers on few CPUs not all rings between them are full at once. */
#define STUCK_MBUFS_MAX 32768
#define POOL_NAME "portico_mbufs"
#define POOL_CACHE 256
#define RSS_KEY_BYTES_MAX 64
#define RSS_KEY_BYTES_DEFAULT 40
/* Ethernet header, one tag, FCS: what an MTU does not count. */
#define FRAME_OVERHEAD_BYTES (14 + 4 + 4)
/* The groups of all addresses of an interface, its link-local one, and all nodes. */
#define GROUPS_MAX (INTERFACE_ADDRESSES_MAX + 2)

static_assert(sizeof(struct mac) == sizeof(struct rte_ether_addr), "MACs are 6 bytes to both");

/* Everything one port's set-up needs, so that steps take one argument. */
struct setup {
	const struct config *config;
	const struct config_interface *interface;
	const char *device; /* as users know it */
	const char *opened; /* as DPDK knows it */
	bool shared;        /* the kernel has it too */
	unsigned idx;
	struct log_place place;
	struct port *port;
	struct rte_eth_dev_info info;
};

static void refuse(const struct setup *s, const char *what, int error)
{
	log_refusal(s->place, "interfaces[%u].device: %s: %s failed: %s", s->idx, s->device, what,
		    rte_strerror(error < 0 ? -error : error));
}

static bool find(struct setup *s, struct port_table *table)
{
	char name[DEVICE_NAME_BYTES];

	device_port_name(s->opened, name);
	if (rte_eth_dev_get_port_by_name(name, &s->port->port_id) != 0) {
		const char *why = eal_error_about(name);

		log_refusal(s->place,
			    "interfaces[%u].device: %s: DPDK has no such device, or could not open "
			    "it%s%s; a device is a PCI address bound to vfio-pci, or a vdev like "
			    "net_af_packet0,iface=eth0%s",
			    s->idx, s->device, why != NULL ? ": " : "", why != NULL ? why : "",
			    geteuid() == 0 ? "" : "; this process is not root");
		return false;
	}
	for (unsigned i = 0; i < s->idx; i++) {
		if (table->ports[i].port_id == s->port->port_id) {
			log_refusal(s->place,
				    "interfaces[%u].device: %s: interfaces[%u] uses this device "
				    "already",
				    s->idx, s->device, i);
			return false;
		}
	}
	table->interface_of_port[s->port->port_id] = (uint8_t)s->idx;
	s->port->found = true;
	return true;
}

static bool read_info(struct setup *s)
{
	int error = rte_eth_dev_info_get(s->port->port_id, &s->info);
	uint16_t mtu = s->interface->mtu_bytes;

	if (error != 0) {
		refuse(s, "reading its abilities", error);
		return false;
	}
	s->port->driver = s->info.driver_name;
	if (s->info.max_rx_queues == 0 || s->info.max_tx_queues == 0) {
		log_refusal(s->place,
			    "interfaces[%u].device: %s: it cannot %s: it has no queue for it",
			    s->idx, s->device, s->info.max_rx_queues == 0 ? "receive" : "send");
		return false;
	}
	if (mtu < s->info.min_mtu || mtu > s->info.max_mtu) {
		log_refusal(s->place, "interfaces[%u].mtu: %u is not in %u..%u, what %s can do",
			    s->idx, mtu, s->info.min_mtu, s->info.max_mtu, s->info.driver_name);
		return false;
	}
	return true;
}

static bool is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_equal(mac, &zero);
}

/* Devices without hardware may have no MAC: a random one of our own (locally administered, unicast). */
static bool random_mac(struct mac *out)
{
	if (entropy_feed_key(out->bytes, sizeof(out->bytes)) != ENTROPY_FEED_OK)
		return false;
	out->bytes[0] = (uint8_t)((out->bytes[0] & 0xfc) | 0x02);
	return true;
}

static bool choose_mac(struct setup *s)
{
	struct port *port = s->port;
	struct rte_ether_addr address;
	int error = rte_eth_macaddr_get(port->port_id, &address);

	if (error != 0) {
		refuse(s, "reading its MAC", error);
		return false;
	}
	memcpy(port->mac_before.bytes, address.addr_bytes, sizeof(port->mac_before.bytes));
	port->mac = port->mac_before;
	if (s->shared && s->interface->mac_given &&
	    !mac_equal(&s->interface->mac, &port->mac_before)) {
		log_refusal(s->place,
			    "interfaces[%u].mac: the kernel shares this device and has another "
			    "MAC: leave mac out, or give it this one: ip link set ... address ...",
			    s->idx);
		return false;
	}
	if (s->interface->mac_given)
		port->mac = s->interface->mac;
	else if (is_zero(&port->mac) && !random_mac(&port->mac))
		return false;
	return true;
}

/* After the start: some drivers take a MAC only then. What the device does not learn it must not filter. */
static bool set_mac(struct setup *s)
{
	struct port *port = s->port;
	struct rte_ether_addr address;
	int error;

	if (mac_equal(&port->mac, &port->mac_before))
		return true;
	memcpy(address.addr_bytes, port->mac.bytes, sizeof(port->mac.bytes));
	error = rte_eth_dev_default_mac_addr_set(port->port_id, &address);
	if (error == 0) {
		port->mac_changed = true;
		return true;
	}
	error = rte_eth_promiscuous_enable(port->port_id);
	if (error != 0 && error != -ENOTSUP) {
		refuse(s, "setting its MAC", error);
		return false;
	}
	log_write(CONFIG_LOG_INFO, "port", "device keeps its MAC, all frames are taken port=%s",
		  s->interface->name);
	return true;
}

static bool draw_rss_key(const struct setup *s, uint8_t key[RSS_KEY_BYTES_MAX],
			 struct rte_eth_conf *conf)
{
	uint8_t length_bytes =
		s->info.hash_key_size != 0 ? s->info.hash_key_size : RSS_KEY_BYTES_DEFAULT;
	uint64_t types = s->info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);

	if (types == 0 || length_bytes > RSS_KEY_BYTES_MAX)
		return true;
	if (entropy_feed_key(key, length_bytes) != ENTROPY_FEED_OK)
		return false;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = length_bytes,
		.rss_hf = types,
	};
	return true;
}

static bool is_af_xdp(const struct port *port)
{
	return strcmp(port->driver, "net_af_xdp") == 0;
}

/* Virtual devices that spread what they receive over all the queues that their arguments make, whether somebody looks at
 * them or not. Of others we take as many as there are workers. */
static bool serves_all_queues(const char *driver)
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "net_pcap",
					      "net_ring"};

	for (size_t i = 0; i < ARRAY_COUNT(drivers); i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	}
	return false;
}

static uint16_t at_most(unsigned count, unsigned most)
{
	return (uint16_t)(count < most ? count : most);
}

static void choose_queue_counts(struct setup *s)
{
	struct port *port = s->port;
	/* What several queues of a TAP receive nobody gets (DPDK 22.11 on this kernel). */
	unsigned workers = strcmp(port->driver, "net_tap") == 0 ? 1 : s->config->worker_count;

	port->tx_queue_count = at_most(workers, s->info.max_tx_queues);
	port->tx_queues_made = port->tx_queue_count;
	port->rx_queue_count = at_most(workers, s->info.max_rx_queues);
	if (!serves_all_queues(port->driver))
		return;
	port->rx_queue_count = s->info.max_rx_queues;
	/* net_af_xdp wants them in pairs. */
	if (port->tx_queues_made < port->rx_queue_count)
		port->tx_queues_made = at_most(port->rx_queue_count, s->info.max_tx_queues);
}

/* Fewer queues than were refused: pairs, a power of two of them, as some drivers want. False: there is only one. */
static bool lower_queue_counts(struct port *port)
{
	uint16_t wanted = port->rx_queue_count < port->tx_queue_count ? port->rx_queue_count
								      : port->tx_queue_count;
	uint16_t count = 1;

	if (serves_all_queues(port->driver) ||
	    (port->rx_queue_count == 1 && port->tx_queue_count == 1))
		return false;
	while (count * 2 < wanted ||
	       (count * 2 == wanted && port->rx_queue_count != port->tx_queue_count))
		count = (uint16_t)(count * 2);
	port->rx_queue_count = count;
	port->tx_queue_count = count;
	port->tx_queues_made = count;
	return true;
}

static int try_configure(const struct port *port, const struct rte_eth_conf *conf)
{
	return rte_eth_dev_configure(port->port_id, port->rx_queue_count, port->tx_queues_made,
				     conf);
}

static bool configure(struct setup *s)
{
	struct port *port = s->port;
	struct rte_eth_conf conf = {.rxmode = {.mtu = s->interface->mtu_bytes}};
	uint8_t key[RSS_KEY_BYTES_MAX];
	int error;

	/* A frame in several segments is dropped by name, but the device must not write past one. */
	if (s->interface->mtu_bytes + FRAME_OVERHEAD_BYTES > MBUF_DATA_BYTES)
		conf.rxmode.offloads |= s->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	/* All mbufs come from one pool and have one owner. */
	conf.txmode.offloads |= s->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	if (!draw_rss_key(s, key, &conf))
		return false;
	choose_queue_counts(s);
	error = try_configure(port, &conf);
	while (error == -EINVAL && lower_queue_counts(port))
		error = try_configure(port, &conf);
	if (error != 0 && conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS) {
		log_write(CONFIG_LOG_INFO, "port", "no RSS port=%s", s->interface->name);
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
		conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){0};
		choose_queue_counts(s);
		/* Without it all packets come to one queue. */
		if (!serves_all_queues(port->driver))
			port->rx_queue_count = 1;
		error = try_configure(port, &conf);
	}
	if (error != 0) {
		refuse(s, "configuring it", error);
		return false;
	}
	port->rx_descriptors = is_af_xdp(port) ? AF_XDP_DESCRIPTORS : RX_DESCRIPTORS;
	port->tx_descriptors = is_af_xdp(port) ? AF_XDP_DESCRIPTORS : TX_DESCRIPTORS;
	error = rte_eth_dev_adjust_nb_rx_tx_desc(port->port_id, &port->rx_descriptors,
						 &port->tx_descriptors);
	if (error != 0) {
		refuse(s, "sizing its queues", error);
		return false;
	}
	return true;
}

/* How many workers at most are off their CPU at once, with full rings: those that share one with others that run, or one that
 * something else has put off. */
static unsigned stopped_workers_max(const struct cpu_plan *cpus)
{
	unsigned sharing = 0;

	for (unsigned i = 0; i < cpus->worker_count; i++)
		sharing += cpu_plan_shares(cpus, i);
	return sharing > 1 ? sharing / 2 : 1;
}

/* What all rings of devices can hold, the rings towards workers that have stopped, what each lcore's cache may keep,
 * and the bursts in the workers' hands. */
static uint32_t mbufs_wanted(const struct config *config, const struct cpu_plan *cpus,
			     const struct port_table *table)
{
	uint32_t kernel =
		kernel_tap_any_wanted(config) ? kernel_pump_mbufs_max(cpus->worker_count) : 0;
	uint32_t stuck = stopped_workers_max(cpus) * handoff_mbufs_max(cpus->worker_count);
	uint32_t count = (cpus->worker_count + 1) * POOL_CACHE * 2 +
			 (stuck < STUCK_MBUFS_MAX ? stuck : STUCK_MBUFS_MAX) + kernel;

	for (unsigned i = 0; i < table->port_count; i++) {
		const struct port *port = &table->ports[i];

		count += (uint32_t)port->rx_descriptors * port->rx_queue_count +
			 (uint32_t)port->tx_descriptors * port->tx_queues_made +
			 4 * PORT_BURST * cpus->worker_count;
		if (is_af_xdp(port))
			count += AF_XDP_OWN_MBUFS * (uint32_t)port->rx_queue_count;
	}
	return count;
}

/* The ring behind the pool. Where workers share a CPU, one that is put off inside it must not keep the others waiting for it
 * (rte_ring.h: relaxed tail sync). */
static const char *pool_ops(const struct cpu_plan *cpus)
{
	for (unsigned i = 0; i < cpus->worker_count; i++)
		if (cpu_plan_shares(cpus, i))
			return "ring_mt_rts";
	return "ring_mp_mc";
}

/* Into one stretch of memory, without gaps. */
static bool populate_packed(struct rte_mempool *pool, uint32_t count)
{
	const struct rte_memzone *zone;
	size_t least_bytes, align_bytes;
	ssize_t bytes =
		rte_mempool_op_calc_mem_size_default(pool, count, 0, &least_bytes, &align_bytes);

	if (bytes <= 0)
		return false;
	zone = rte_memzone_reserve_aligned(POOL_NAME "_memory", (size_t)bytes, SOCKET_ID_ANY, 0,
					   (unsigned)align_bytes);
	if (zone == NULL)
		return false;
	if (rte_mempool_populate_iova(pool, zone->addr, zone->iova, zone->len, NULL, NULL) ==
	    (int)count)
		return true;
	rte_memzone_free(zone);
	return false;
}

/* Mbufs one after the other, across pages. DPDK keeps each within a page; net_af_xdp counts on the contrary: it tells the kernel
 * that the pool is as long as its mbufs, and what lies behind is lost. */
static struct rte_mempool *make_packed_pool(uint32_t count, const char *ops)
{
	struct rte_pktmbuf_pool_private sizes = {
		.mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + MBUF_DATA_BYTES,
	};
	unsigned element_bytes = (unsigned)sizeof(struct rte_mbuf) + sizes.mbuf_data_room_size;
	struct rte_mempool *pool =
		rte_mempool_create_empty(POOL_NAME, count, element_bytes, POOL_CACHE, sizeof(sizes),
					 SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &sizes);
	if (rte_mempool_set_ops_byname(pool, ops, NULL) != 0 || !populate_packed(pool, count)) {
		rte_mempool_free(pool);
		return NULL;
	}
	/* Devices may use it: its memory is one piece for them too. */
	pool->flags &= ~(unsigned)RTE_MEMPOOL_F_NON_IO;
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static struct rte_mempool *make_pool_of(uint32_t count, const struct cpu_plan *cpus,
					const struct port_table *table)
{
	for (unsigned i = 0; i < table->port_count; i++)
		if (is_af_xdp(&table->ports[i]))
			return make_packed_pool(count, pool_ops(cpus));
	return rte_pktmbuf_pool_create_by_ops(POOL_NAME, count, POOL_CACHE, 0,
					      RTE_PKTMBUF_HEADROOM + MBUF_DATA_BYTES, SOCKET_ID_ANY,
					      pool_ops(cpus));
}

static bool make_pool(const struct config *config, const struct cpu_plan *cpus,
		      struct port_table *table)
{
	uint32_t count = mbufs_wanted(config, cpus, table) + config->extra_mbuf_count;

	table->pool = make_pool_of(count, cpus, table);
	table->mbuf_count = count;
	if (table->pool != NULL)
		return true;
	log_refusal((struct log_place){.file = config->file},
		    "dpdk.memory_mb: %u is too little for %u packet buffers of %u bytes: %s",
		    config->memory_mb, count, RTE_PKTMBUF_HEADROOM + MBUF_DATA_BYTES,
		    rte_strerror(rte_errno));
	return false;
}

static bool set_queues(struct setup *s, struct rte_mempool *pool)
{
	struct port *port = s->port;
	int socket_id = rte_eth_dev_socket_id(port->port_id);
	unsigned socket = socket_id < 0 ? (unsigned)SOCKET_ID_ANY : (unsigned)socket_id;
	int error;

	for (uint16_t q = 0; q < port->rx_queue_count; q++) {
		error = rte_eth_rx_queue_setup(port->port_id, q, port->rx_descriptors, socket, NULL,
					       pool);
		if (error != 0) {
			/* All that is left of the reason is a line of the driver's. */
			refuse(s,
			       eal_error_about("Failed to create umem") == NULL
				       ? "setting up its receive queues"
				       : "sharing packet memory with the kernel (it takes "
					 "CAP_IPC_LOCK, or ulimit -l unlimited)",
			       error);
			return false;
		}
	}
	for (uint16_t q = 0; q < port->tx_queues_made; q++) {
		error = rte_eth_tx_queue_setup(port->port_id, q, port->tx_descriptors, socket,
					       NULL);
		if (error != 0) {
			refuse(s, "setting up its send queues", error);
			return false;
		}
	}
	return true;
}

static bool set_mtu(struct setup *s)
{
	uint16_t current;
	int error;

	if (rte_eth_dev_get_mtu(s->port->port_id, &current) == 0 &&
	    current == s->interface->mtu_bytes)
		return true;
	error = rte_eth_dev_set_mtu(s->port->port_id, s->interface->mtu_bytes);
	if (error == 0 || error == -ENOTSUP)
		return true;
	refuse(s, "setting its MTU", error);
	return false;
}

/* RFC 4291 section 2.7.1 over Ethernet (RFC 2464 section 7): 33:33:ff and the last three bytes. */
static struct rte_ether_addr solicited_node(const struct address *address)
{
	const uint8_t *last = address->bytes + ADDRESS_BYTES - 3;

	return (struct rte_ether_addr){{0x33, 0x33, 0xff, last[0], last[1], last[2]}};
}

/* Are some of its addresses drawn out of a prefix, while it runs? */
static bool has_source_prefix(const struct setup *s)
{
	for (unsigned i = 0; i < s->config->outgoing_count; i++) {
		const struct config_outgoing *outgoing = &s->config->outgoing[i];

		if (outgoing->interface_idx == s->idx && outgoing->prefix_bits < ADDRESS_BITS)
			return true;
	}
	return false;
}

static unsigned list_groups(const struct setup *s, struct rte_ether_addr groups[GROUPS_MAX])
{
	const struct address link_local = frame_link_local(&s->port->mac);
	unsigned count = 0;

	for (unsigned i = 0; i < s->interface->address_count; i++) {
		if (!address_is_v4(&s->interface->addresses[i].address))
			groups[count++] = solicited_node(&s->interface->addresses[i].address);
	}
	if (count == 0)
		return 0;
	groups[count++] = solicited_node(&link_local);
	groups[count++] = (struct rte_ether_addr){{0x33, 0x33, 0, 0, 0, 1}};
	return count;
}

/* Neighbour solicitations come to multicast groups: let those in, and as little else as the device can. Those of a prefix
 * come to any group; those of a shared device are the kernel's, and so are its filters. */
static void join_groups(const struct setup *s)
{
	uint16_t port_id = s->port->port_id;
	const char *name = s->interface->name;
	struct rte_ether_addr groups[GROUPS_MAX];
	unsigned count = list_groups(s, groups);
	bool all = has_source_prefix(s);

	if (s->shared || (count == 0 && !all))
		return;
	if (!all && rte_eth_dev_set_mc_addr_list(port_id, groups, count) == 0)
		return;
	if (rte_eth_allmulticast_enable(port_id) == 0) {
		log_write(CONFIG_LOG_INFO, "port",
			  "cannot filter multicast, all of it is taken port=%s", name);
		return;
	}
	if (rte_eth_promiscuous_enable(port_id) == 0) {
		log_write(CONFIG_LOG_INFO, "port",
			  "cannot filter multicast, all frames are taken port=%s", name);
		return;
	}
	log_write(CONFIG_LOG_INFO, "port",
		  "device has no filter for multicast, it is taken to let all in port=%s", name);
}

/* What wakes the workers that receive from it, where we know of something. */
static void find_wakers(struct setup *s)
{
	struct port *port = s->port;

	port->rx_fd_count = 0;
	if (strcmp(port->driver, "net_af_packet") == 0 &&
	    rx_wake_find(s->info.if_index, port->rx_fds, port->rx_queue_count))
		port->rx_fd_count = port->rx_queue_count;
}

static bool start(struct setup *s)
{
	struct port *port = s->port;
	char mac[TEXT_MAC_BYTES];
	int error = rte_eth_dev_start(port->port_id);

	if (error != 0) {
		refuse(s, "starting it", error);
		return false;
	}
	port->started = true;
	if (!set_mac(s))
		return false;
	join_groups(s);
	find_wakers(s);
	log_write(CONFIG_LOG_INFO, "port",
		  "started name=%s device=%s driver=%s mac=%s mtu=%u rx_queues=%u tx_queues=%u",
		  s->interface->name, s->device, port->driver, text_mac(&port->mac, mac),
		  s->interface->mtu_bytes, port->rx_queue_count, port->tx_queue_count);
	return true;
}

bool port_start_all(const struct config *config, const struct xdp_table *xdp,
		    const struct cpu_plan *cpus, struct port_table *table)
{
	struct setup setups[INTERFACES_MAX];

	table->port_count = 0;
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		struct setup *s = &setups[i];

		*s = (struct setup){
			.config = config,
			.interface = interface,
			.device = xdp->interfaces[i].mode == XDP_MODE_AF_PACKET
					  ? xdp->interfaces[i].device
					  : interface->device,
			.opened = xdp->interfaces[i].device,
			.shared = xdp_is_shared(xdp, i),
			.idx = i,
			.place = {config->file, interface->line, interface->column},
			.port = &table->ports[i],
		};
		table->ports[i] = (struct port){0};
		table->port_count = i + 1;
		if (!find(s, table) || !read_info(s) || !choose_mac(s) || !configure(s))
			return false;
	}
	if (!make_pool(config, cpus, table))
		return false;
	for (unsigned i = 0; i < config->interface_count; i++) {
		struct setup *s = &setups[i];

		if (!set_queues(s, table->pool) || !set_mtu(s) || !start(s))
			return false;
	}
	return true;
}

unsigned port_receiver_count(const struct port_table *table, unsigned worker_count)
{
	unsigned most = 1;

	for (unsigned i = 0; i < table->port_count; i++) {
		if (table->ports[i].rx_queue_count > most)
			most = table->ports[i].rx_queue_count;
	}
	return most < worker_count ? most : worker_count;
}

static void put_mac_back(const struct port *port)
{
	struct rte_ether_addr address;

	memcpy(address.addr_bytes, port->mac_before.bytes, sizeof(port->mac_before.bytes));
	if (rte_eth_dev_default_mac_addr_set(port->port_id, &address) != 0)
		log_write(CONFIG_LOG_WARNING, "port", "device keeps the MAC it was given port=%u",
			  port->port_id);
}

void port_stop_all(struct port_table *table)
{
	for (unsigned i = 0; i < table->port_count; i++) {
		struct port *port = &table->ports[i];
		int error = 0;

		if (!port->found)
			continue;
		if (port->mac_changed)
			put_mac_back(port);
		if (port->started)
			error = rte_eth_dev_stop(port->port_id);
		if (error != 0)
			log_write(CONFIG_LOG_WARNING, "port", "did not stop port=%u error=\"%s\"",
				  port->port_id, rte_strerror(-error));
		rte_eth_dev_close(port->port_id);
		port->found = false;
		port->started = false;
	}
	table->port_count = 0;
}
