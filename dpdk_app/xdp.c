#include "dpdk_app/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/frame.h"
#include "core/mono.h"
#include "dpdk_app/device.h"
#include "dpdk_app/kernel_link.h"
#include "dpdk_app/log.h"
#include "dpdk_app/nic_lock.h"
#include "dpdk_app/text.h"
#include "dpdk_app/xdp_object.h"

#define WHY_BYTES 256

static_assert(XDP_STEER_NO_VLAN == FRAME_VLAN_NONE, "no tag is the same to both");
static_assert(sizeof(struct port_map) == XDP_STEER_PORT_BYTES, "a bit a port in both");

/* One interface while it is decided what becomes of it. */
struct choice {
	const struct config *config;
	const struct config_interface *interface;
	unsigned idx;
	struct log_place place;
	struct xdp_interface *x;
	char kernel_name[IFNAMSIZ];
	char why[WHY_BYTES]; /* it cannot be AF_XDP */
};

enum attempt {
	ATTEMPT_OK,
	ATTEMPT_IMPOSSIBLE, /* fall back; choice.why */
	ATTEMPT_REFUSED,    /* logged */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- what is on the interface ---- */

/* XDP program on the interface; 0: none. */
static uint32_t program_on(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, options);

	if (bpf_xdp_query((int)ifindex, 0, &options) != 0)
		return 0;
	if (options.prog_id != 0)
		return options.prog_id;
	/* Several, of different kinds. */
	return options.drv_prog_id != 0 ? options.drv_prog_id : options.skb_prog_id;
}

/* "": not to be had without CAP_SYS_ADMIN, or gone. */
static void program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	name[0] = '\0';
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0)
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	close(fd);
}

static enum attempt refuse_another(const struct choice *c)
{
	log_refusal(
		c->place,
		"interfaces[%u].device: another Portico has this interface, %s; stop it, or give "
		"this one another interface",
		c->idx, c->kernel_name);
	return ATTEMPT_REFUSED;
}

/* Ours is removed if it is a dead one's: a live one holds it by a link, which nobody else can take off. */
static enum attempt clear_interface(struct choice *c)
{
	uint32_t id = program_on(c->x->ifindex);
	char name[BPF_OBJ_NAME_LEN];
	int error;

	if (id == 0)
		return ATTEMPT_OK;
	program_name(id, name);
	if (name[0] == '\0') {
		snprintf(c->why, sizeof(c->why),
			 "%s has another XDP program: id %u, name not to be known without "
			 "CAP_SYS_ADMIN; if it is a killed Portico's: ip link set dev %s xdp off",
			 c->kernel_name, id, c->kernel_name);
		return ATTEMPT_IMPOSSIBLE;
	}
	if (strcmp(name, XDP_STEER_PROGRAM) != 0) {
		snprintf(c->why, sizeof(c->why), "%s has another XDP program: id %u, name %s",
			 c->kernel_name, id, name);
		return ATTEMPT_IMPOSSIBLE;
	}
	error = bpf_xdp_detach((int)c->x->ifindex, 0, NULL);
	if (error == 0) {
		log_write(CONFIG_LOG_INFO, "xdp",
			  "removed the program of a Portico that was killed interface=%s id=%u",
			  c->kernel_name, id);
		return ATTEMPT_OK;
	}
	if (error == -EBUSY) /* and the names that tell are not to be had */
		return refuse_another(c);
	log_refusal(c->place,
		    "interfaces[%u].device: the XDP program (id %u) of a Portico that was "
		    "killed cannot be taken off %s: %s",
		    c->idx, id, c->kernel_name, strerror(-error));
	return ATTEMPT_REFUSED;
}

/* ---- can it be AF_XDP ---- */

static enum attempt impossible(struct choice *c, const char *what, int error)
{
	snprintf(c->why, sizeof(c->why), "%s: %s%s", what, strerror(error),
		 error == EPERM || error == EACCES
			 ? " (it takes CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_PERFMON)"
			 : "");
	return ATTEMPT_IMPOSSIBLE;
}

/* What net_af_xdp will do, but for putting it on the interface, for which a NIC makes its rings anew: so that what cannot be
 * is known while there is another way. */
static enum attempt try_af_xdp(struct choice *c)
{
	struct bpf_object *object;
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return impossible(c, "AF_XDP sockets", errno);
	close(fd);
	object = xdp_object_load(XDP_STEER_PROGRAM);
	if (object == NULL)
		return impossible(c, "loading the XDP program", errno);
	bpf_object__close(object);
	return ATTEMPT_OK;
}

static void use_device(struct choice *c, char *device)
{
	CHECK(device != NULL);
	free(c->x->device);
	c->x->device = device;
}

/* All the queues there are, unless the user has said how many. DPDK takes no more than there are pairs of. */
static unsigned queues_to_add(const struct choice *c)
{
	char given[16], first[16] = "0";
	unsigned there = kernel_link_paired_queues(c->kernel_name);
	int from;

	if (device_argument(c->interface->device, "queue_count", given, sizeof(given)))
		return 0;
	device_argument(c->interface->device, "start_queue", first, sizeof(first));
	from = atoi(first);
	return from >= 0 && (unsigned)from < there ? there - (unsigned)from : 0;
}

static enum attempt choose_af_xdp(struct choice *c)
{
	enum attempt attempt = clear_interface(c);
	char queues[32] = "";
	unsigned queue_count;
	char *device;

	if (attempt == ATTEMPT_OK && c->interface->vlan != FRAME_VLAN_NONE &&
	    kernel_link_strips_vlan(c->kernel_name)) {
		snprintf(c->why, sizeof(c->why),
			 "%s takes VLAN tags off before an XDP program sees them: ethtool -K %s "
			 "rxvlan off",
			 c->kernel_name, c->kernel_name);
		return ATTEMPT_IMPOSSIBLE;
	}
	if (attempt == ATTEMPT_OK)
		attempt = try_af_xdp(c);
	if (attempt != ATTEMPT_OK)
		return attempt;
	c->x->file_fd = xdp_object_file();
	if (c->x->file_fd < 0)
		return impossible(c, "a file in memory", errno);
	queue_count = queues_to_add(c);
	if (queue_count > 1)
		snprintf(queues, sizeof(queues), ",queue_count=%u", queue_count);
	if (asprintf(&device, "%s%s,xdp_prog=/proc/self/fd/%d", c->interface->device, queues,
		     c->x->file_fd) < 0)
		device = NULL;
	use_device(c, device);
	c->x->mode = XDP_MODE_AF_XDP;
	return ATTEMPT_OK;
}

static void fall_back(struct choice *c)
{
	char queues[16] = "", more[32] = "";
	char *device;

	if (device_argument(c->interface->device, "queue_count", queues, sizeof(queues)) &&
	    atoi(queues) > 1)
		snprintf(more, sizeof(more), ",qpairs=%d", atoi(queues));
	if (asprintf(&device, "net_af_packet_shared%u,iface=%s%s", c->idx, c->kernel_name, more) <
	    0)
		device = NULL;
	use_device(c, device);
	c->x->mode = XDP_MODE_AF_PACKET;
	log_write(
		CONFIG_LOG_WARNING, "xdp",
		"no AF_XDP here, packet sockets instead, which are slower interface=%s why=\"%s\"",
		c->kernel_name, c->why);
}

/* ---- who has which addresses ---- */

static unsigned count_held(const struct choice *c, const struct prefix **missing)
{
	unsigned held = 0;

	*missing = NULL;
	for (unsigned i = 0; i < c->interface->address_count; i++) {
		const struct prefix *p = &c->interface->addresses[i];

		if (c->x->address_ifindex != 0 &&
		    kernel_link_has_address(c->x->address_ifindex, &p->address))
			held++;
		else if (*missing == NULL)
			*missing = p;
	}
	return held;
}

static bool refuse_missing(const struct choice *c, const struct prefix *missing)
{
	char address[TEXT_ADDRESS_BYTES], name[IFNAMSIZ + 8];
	unsigned bits = missing->bits;

	if (c->x->address_ifindex == 0) {
		log_refusal(c->place,
			    "interfaces[%u].kernel: bifurcated: the kernel has no VLAN %u on %s: "
			    "ip link add link %s name %s.%u type vlan id %u; or kernel: none",
			    c->idx, c->interface->vlan, c->kernel_name, c->kernel_name,
			    c->kernel_name, c->interface->vlan, c->interface->vlan);
		return false;
	}
	if (if_indextoname(c->x->address_ifindex, name) == NULL)
		snprintf(name, sizeof(name), "%s", c->kernel_name);
	if (address_is_v4(&missing->address) && bits >= 96)
		bits -= 96;
	log_refusal(c->place,
		    "interfaces[%u].addresses: the kernel shares this device and does not have %s: "
		    "ip addr add %s/%u dev %s; or kernel: none, if no address is to be the "
		    "kernel's",
		    c->idx, text_address(&missing->address, address), address, bits, name);
	return false;
}

/* Does the kernel share it? False: refused (logged). */
static bool is_to_share(struct choice *c, bool *shared)
{
	const struct prefix *missing;
	bool wanted = c->interface->kernel == CONFIG_KERNEL_BIFURCATED;
	bool sharable = device_is_of(c->interface->device, "net_af_xdp") ||
			device_is_of(c->interface->device, "net_af_packet") ||
			device_is_of(c->interface->device, "eth_af_packet");
	char program[8];
	unsigned held;

	*shared = false;
	if (c->interface->kernel == CONFIG_KERNEL_NONE || c->interface->kernel == CONFIG_KERNEL_TAP)
		return true;
	if (!sharable || c->kernel_name[0] == '\0') {
		if (wanted)
			log_refusal(
				c->place,
				"interfaces[%u].kernel: bifurcated takes a device on an interface "
				"of the kernel, e.g. net_af_xdp0,iface=eth0; for %s: kernel: none",
				c->idx, c->interface->device);
		return !wanted;
	}
	if (device_argument(c->interface->device, "xdp_prog", program, sizeof(program))) {
		if (wanted)
			log_refusal(
				c->place,
				"interfaces[%u].kernel: bifurcated brings its own XDP program: take "
				"xdp_prog= out of %s, or kernel: none",
				c->idx, c->interface->device);
		return !wanted;
	}
	c->x->address_ifindex = c->interface->vlan == FRAME_VLAN_NONE
					? c->x->ifindex
					: kernel_link_of_vlan(c->x->ifindex, c->interface->vlan);
	held = count_held(c, &missing);
	if (held == 0 && !wanted)
		return true;
	*shared = missing == NULL;
	return missing == NULL || refuse_missing(c, missing);
}

/* ---- what the user should know ---- */

static void warn_of_queues(const struct choice *c)
{
	bool af_xdp = c->x->mode == XDP_MODE_AF_XDP;
	unsigned there = kernel_link_rx_queues(c->kernel_name);
	char count[16] = "1", first[16] = "0";

	if (!af_xdp)
		return;
	device_argument(c->x->device, "queue_count", count, sizeof(count));
	device_argument(c->x->device, "start_queue", first, sizeof(first));
	if (atoi(first) == 0 && there <= (unsigned)atoi(count))
		return;
	log_write(
		CONFIG_LOG_WARNING, "xdp",
		"what comes in on queues that this device does not serve goes to the kernel and is "
		"lost to Portico interface=%s queues=%u served=%s from=%s remedy=\"ethtool -L %s "
		"combined %s (or rx %s), or queue_count=%u in device\"",
		c->kernel_name, there, count, first, c->kernel_name, count, count, there);
}

static void warn_of_merging(const struct choice *c)
{
	if (kernel_link_merges(c->kernel_name))
		log_write(CONFIG_LOG_WARNING, "xdp",
			  "TCP segments for the kernel's TAP are put together here and then too "
			  "long: TCP will be slow interface=%s remedy=\"ethtool -K %s gro off lro "
			  "off\"",
			  c->kernel_name, c->kernel_name);
}

/* With a VLAN of ours it is on packet sockets (choose_af_xdp). */
static void warn_of_vlans(const struct choice *c)
{
	if (c->x->mode != XDP_MODE_AF_XDP || !kernel_link_has_vlans(c->x->ifindex) ||
	    !kernel_link_strips_vlan(c->kernel_name))
		return;
	log_write(
		CONFIG_LOG_WARNING, "xdp",
		"VLANs of the kernel's are on this interface, which takes their tags off before an "
		"XDP program sees them: packets that come in on a VLAN to Portico's own addresses "
		"are taken for Portico's interface=%s remedy=\"ethtool -K %s rxvlan off\"",
		c->kernel_name, c->kernel_name);
}

static void warn_of_prefixes(const struct choice *c)
{
	for (unsigned i = 0; i < c->config->outgoing_count; i++) {
		const struct config_outgoing *outgoing = &c->config->outgoing[i];
		char text[TEXT_ADDRESS_BYTES];

		if (outgoing->interface_idx != c->idx || outgoing->prefix_bits >= ADDRESS_BITS)
			continue;
		log_write(
			CONFIG_LOG_WARNING, "xdp",
			"the kernel shares this interface and answers neighbour solicitations for "
			"its own addresses only: this prefix must be routed to it prefix=%s/%u "
			"interface=%s",
			text_address(&outgoing->address, text), outgoing->prefix_bits,
			c->kernel_name);
	}
}

/* ---- the choice ---- */

/* Has an interface before this one the same NIC? Then it is ours. */
static bool is_locked_before(const struct choice *c)
{
	const struct xdp_interface *first = c->x - c->idx;

	for (unsigned i = 0; i < c->idx; i++) {
		if (first[i].ifindex == c->x->ifindex && first[i].lock_fd >= 0)
			return true;
	}
	return false;
}

/* The NIC to ourselves, if we are to keep it, and what a killed fallback left removed, whatever is chosen this time. */
static enum attempt take_nic(struct choice *c, bool keep)
{
	enum nic_lock_result result;
	bool recovered = true;

	if (is_locked_before(c))
		return ATTEMPT_OK;
	result = nic_lock_take(c->x->ifindex, &c->x->lock_fd);
	if (result == NIC_LOCK_TAKEN && keep)
		return refuse_another(c);
	if (result == NIC_LOCK_HELD)
		recovered = tc_drop_recover(c->x->ifindex, &c->x->drop_qdisc_is_ours);
	/* EPERM: not ours to look at, and nothing that we could have put there. */
	if (!recovered && errno != EPERM) {
		log_refusal(
			c->place,
			"interfaces[%u].device: the tc filter of a Portico that was killed cannot "
			"be taken off %s: %s",
			c->idx, c->kernel_name, strerror(errno));
		return ATTEMPT_REFUSED;
	}
	if (!keep)
		close_fd(&c->x->lock_fd);
	return ATTEMPT_OK;
}

static bool choose(struct choice *c)
{
	enum attempt attempt;
	bool shared, af_xdp = device_is_of(c->interface->device, "net_af_xdp");

	if (!device_kernel_interface(c->interface->device, c->kernel_name))
		c->kernel_name[0] = '\0';
	c->x->ifindex = c->kernel_name[0] == '\0' ? 0 : if_nametoindex(c->kernel_name);
	if (!is_to_share(c, &shared))
		return false;
	if (c->x->ifindex == 0)
		return true;
	c->x->drops_all = c->interface->kernel == CONFIG_KERNEL_TAP && !af_xdp;
	attempt = take_nic(c, af_xdp || shared || c->x->drops_all);
	if (c->x->drops_all)
		warn_of_merging(c);
	if (attempt == ATTEMPT_OK && af_xdp)
		attempt = shared ? choose_af_xdp(c) : clear_interface(c);
	else if (attempt == ATTEMPT_OK && shared)
		c->x->mode = XDP_MODE_AF_PACKET;
	if (attempt == ATTEMPT_IMPOSSIBLE && shared)
		fall_back(c);
	if (attempt == ATTEMPT_REFUSED)
		return false;
	if (shared) {
		warn_of_queues(c);
		warn_of_vlans(c);
		warn_of_prefixes(c);
		log_write(CONFIG_LOG_INFO, "xdp",
			  "the kernel shares the interface interface=%s by=%s", c->kernel_name,
			  c->x->mode == XDP_MODE_AF_XDP ? "XDP" : "packet sockets and tc");
	}
	return true;
}

bool xdp_check(const struct xdp_table *table, const struct config *next)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		const struct config_interface *interface = &next->interfaces[i];
		struct xdp_interface x = table->interfaces[i];
		struct choice c = {
			.config = next,
			.interface = interface,
			.idx = i,
			.place = {next->file, interface->line, interface->column},
			.x = &x,
		};
		const struct prefix *missing;

		if (!xdp_is_shared(table, i))
			continue;
		if (!device_kernel_interface(interface->device, c.kernel_name))
			c.kernel_name[0] = '\0';
		(void)count_held(&c, &missing);
		if (missing != NULL)
			return refuse_missing(&c, missing);
	}
	return true;
}

bool xdp_prepare(const struct config *config, struct xdp_table *table)
{
	bool shared[INTERFACES_MAX] = {false};

	xdp_object_take_over_log();
	*table = (struct xdp_table){0};
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		struct choice c = {
			.config = config,
			.interface = interface,
			.idx = i,
			.place = {config->file, interface->line, interface->column},
			.x = &table->interfaces[i],
		};

		*c.x = (struct xdp_interface){
			.file_fd = -1,
			.link_fd = -1,
			.lock_fd = -1,
			.program_fd = -1,
			.steer_fd = -1,
			.peers_fd = -1,
			.counter_fd = -1,
		};
		table->interface_count = i + 1;
		use_device(&c, strdup(interface->device));
		if (!choose(&c))
			return false;
		shared[i] = xdp_is_shared(table, i);
	}
	device_warn_of_kernel_addresses(config, shared);
	return true;
}

/* ---- the program in place ---- */

static size_t steer_bytes(void)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct xdp_steer) + page_bytes - 1) / page_bytes * page_bytes;
}

/* The maps of the program, open in this process. */
static bool map_steer(struct xdp_interface *x)
{
	void *memory = MAP_FAILED;

	x->peers_fd = xdp_object_find_map(x->program_fd, XDP_STEER_PEERS);
	x->steer_fd = xdp_object_find_map(x->program_fd, XDP_STEER_MAP);
	x->counter_fd = xdp_object_find_map(x->program_fd, XDP_STEER_COUNTERS);
	if (x->peers_fd >= 0 && x->steer_fd >= 0 && x->counter_fd >= 0)
		memory = mmap(NULL, steer_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, x->steer_fd,
			      0);
	x->steer = memory == MAP_FAILED ? NULL : memory;
	return x->steer != NULL;
}

/* The driver attached it so that it stays when we die: in exchange for a link. What comes in between has the
 * kernel. */
static bool hold_by_link(struct xdp_interface *x)
{
	int error = bpf_xdp_detach((int)x->ifindex, 0, NULL);

	if (error != 0) {
		errno = -error;
		return false;
	}
	x->link_fd = bpf_link_create(x->program_fd, (int)x->ifindex, BPF_XDP, NULL);
	return x->link_fd >= 0;
}

static bool attach_xdp(struct xdp_interface *x)
{
	x->program_fd = xdp_object_find_program(program_on(x->ifindex));
	if (x->program_fd < 0) {
		errno = ENOENT;
		return false;
	}
	return map_steer(x) && hold_by_link(x);
}

static bool attach_tc(struct xdp_interface *x)
{
	struct bpf_object *object = xdp_object_load(XDP_STEER_DROP_PROGRAM);
	const struct bpf_program *program;
	bool done;
	int error;

	if (object == NULL)
		return false;
	program = bpf_object__find_program_by_name(object, XDP_STEER_DROP_PROGRAM);
	x->program_fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0);
	done = x->program_fd >= 0 && map_steer(x) &&
	       tc_drop_attach(&x->drop, x->ifindex, x->program_fd, x->drop_qdisc_is_ours);
	error = errno;
	bpf_object__close(object);
	errno = error;
	return done;
}

bool xdp_attach(const struct config *config, struct xdp_table *table)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		struct xdp_interface *x = &table->interfaces[i];
		bool af_xdp = x->mode == XDP_MODE_AF_XDP;

		if (x->mode == XDP_MODE_NONE && !x->drops_all)
			continue;
		if (!(af_xdp ? attach_xdp(x) : attach_tc(x))) {
			log_refusal(
				(struct log_place){config->file, interface->line,
						   interface->column},
				"interfaces[%u].device: %s: attaching the %s program failed: %s; "
				"or kernel: none",
				i, interface->device, af_xdp ? "XDP" : "tc", strerror(errno));
			return false;
		}
		close_fd(&x->file_fd);
		x->steer->vlan = interface->vlan;
		x->steer->only_peers = 1;
		x->steer->drop_all = x->drops_all;
	}
	xdp_tell_alive(table);
	return xdp_widen_first(table, config);
}

/* The last first: the filter that came with the qdisc is the first of a NIC. */
void xdp_detach(struct xdp_table *table)
{
	for (unsigned i = table->interface_count; i-- > 0;) {
		struct xdp_interface *x = &table->interfaces[i];

		tc_drop_detach(&x->drop);
		close_fd(&x->link_fd);
		if (x->steer != NULL)
			munmap(x->steer, steer_bytes());
		x->steer = NULL;
		close_fd(&x->counter_fd);
		close_fd(&x->steer_fd);
		close_fd(&x->peers_fd);
		close_fd(&x->program_fd);
		close_fd(&x->file_fd);
		close_fd(&x->lock_fd);
	}
}

/* ---- while it runs ---- */

void xdp_tell_alive(struct xdp_table *table)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (unsigned i = 0; i < table->interface_count; i++) {
		struct xdp_steer *steer = table->interfaces[i].steer;

		if (steer != NULL)
			__atomic_store_n(&steer->alive_ns,
					 (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec,
					 __ATOMIC_RELAXED);
	}
}

uint64_t xdp_counter(const struct xdp_table *table, unsigned interface_idx,
		     enum xdp_steer_counter which)
{
	int fd = table->interfaces[interface_idx].counter_fd;
	int cpu_count = libbpf_num_possible_cpus();
	uint32_t key = which;
	uint64_t *values;
	uint64_t sum = 0;

	if (table->interfaces[interface_idx].steer == NULL || cpu_count <= 0)
		return 0;
	values = calloc((size_t)cpu_count, sizeof(*values));
	if (values != NULL && bpf_map_lookup_elem(fd, &key, values) == 0) {
		for (int i = 0; i < cpu_count; i++)
			sum += values[i];
	}
	free(values);
	return sum;
}
