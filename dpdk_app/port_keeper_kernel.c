#include "dpdk_app/port_keeper_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/kernel_ports.h"
#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

/* Of this process, of any kind: telemetry, AF_XDP, netlink. */
#define OWN_SOCKETS_MAX 1024

static struct prefix network_of(const struct kept_address *a)
{
	return (struct prefix){.address = a->outgoing->address, .bits = a->outgoing->prefix_bits};
}

/* ---- addresses ---- */

static void tell_shared(const struct port_keeper *k, struct kept_address *a)
{
	char text[TEXT_ADDRESS_BYTES];

	text_address(&a->outgoing->address, text);
	if (a->shared) {
		log_write(CONFIG_LOG_INFO, "ports",
			  "the kernel has this address too address=%s respect_kernel=%s", text,
			  k->settings.respect_kernel ? "true" : "false");
		return;
	}
	if (!k->settings.respect_kernel || a->told_free)
		return;
	a->told_free = true;
	log_write(CONFIG_LOG_INFO, "ports",
		  "the kernel does not have this address: respect_kernel has nothing to do there "
		  "address=%s",
		  text);
}

/* True: one is the kernel's too that was not, or is not any more. */
static bool look_at_addresses(struct port_keeper *k)
{
	bool changed = false;

	/* If it does not answer: as it was. */
	if (!kernel_addresses_read(&k->kernel_addresses))
		return false;
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];
		const struct prefix network = network_of(a);
		bool seen = !a->outgoing->retired &&
			    kernel_addresses_any(&k->kernel_addresses, &network);
		/* One that goes with its link for a moment is not gone: to draw what is the kernel's meanwhile would take it from
		 * processes later. */
		bool shared = seen || (a->shared && !a->missed);

		a->missed = !seen;
		if (shared == a->shared && (shared || a->told_free))
			continue;
		changed = changed || shared != a->shared;
		a->shared = shared;
		tell_shared(k, a);
	}
	return changed;
}

static bool any_shared(const struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		if (k->addresses[i].shared)
			return true;
	}
	return false;
}

/* ---- reserved and ephemeral ports ---- */

static bool replace(struct port_map *map, const struct port_map *with)
{
	if (port_map_equal(map, with))
		return false;
	*map = *with;
	return true;
}

static bool look_at_ports(struct port_keeper *k)
{
	struct port_map reserved, others, ephemeral;
	bool changed = false;

	if (kernel_ports_read_reserved(&reserved)) {
		(void)kernel_reservation_others(&k->reservation, &reserved, &others);
		changed = replace(&k->reserved, &others);
		k->unreserved = false;
		for (unsigned i = 0; k->settings.reserve_in_kernel && i < k->address_count; i++)
			k->unreserved = k->unreserved ||
					!port_map_within(&k->addresses[i].accept, &reserved);
	}
	if (kernel_ports_read_ephemeral(&ephemeral))
		changed = replace(&k->ephemeral, &ephemeral) || changed;
	return changed;
}

/* ---- sockets ---- */

/* A look at all sockets. */
struct look {
	struct port_keeper *k;
	unsigned own_count;
	uint32_t own[OWN_SOCKETS_MAX];
};

static bool is_own(const struct look *l, uint32_t inode)
{
	for (unsigned i = 0; i < l->own_count; i++) {
		if (l->own[i] == inode)
			return true;
	}
	return false;
}

/* Questions to an endpoint on a NIC that the kernel shares are ours from the start, whoever binds it later. */
static void note_listener(struct port_keeper *k, const struct kernel_socket *socket)
{
	for (unsigned i = 0; i < k->config->listen_count; i++) {
		const struct config_listen *l = &k->config->listen[i];
		const struct prefix one = {.address = l->endpoint.address, .bits = ADDRESS_BITS};

		if (socket->bound.port == l->endpoint.port &&
		    xdp_is_shared(k->xdp, l->interface_idx) && kernel_socket_meets(socket, &one) &&
		    kernel_addresses_reach(&k->kernel_addresses, &one, socket->ifindex))
			k->listen_now[i] = true;
	}
}

static void note_socket(const struct kernel_socket *socket, void *context)
{
	const struct look *l = context;
	struct port_keeper *k = l->k;
	const uint16_t port = socket->bound.port;

	if (is_own(l, socket->inode))
		return;
	note_listener(k, socket);
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];
		const struct prefix network = network_of(a);

		if (a->shared && kernel_socket_meets(socket, &network) &&
		    kernel_addresses_reach(&k->kernel_addresses, &network, socket->ifindex))
			port_map_add(&a->held_now, port, port);
	}
}

static bool differs(const struct kept_address *a)
{
	for (size_t i = 0; i < ARRAY_COUNT(a->held.bits); i++) {
		uint64_t raw = a->held_now.bits[i] | a->held_before.bits[i];

		if (((raw ^ a->held.bits[i]) & a->of_interest.bits[i]) != 0)
			return true;
	}
	return false;
}

static void begin_look(struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		k->addresses[i].held_before = k->addresses[i].held_now;
		port_map_clear(&k->addresses[i].held_now);
	}
	memcpy(k->listen_before, k->listen_now, sizeof(k->listen_before));
	memset(k->listen_now, 0, sizeof(k->listen_now));
}

/* What was known stays. */
static void give_up_look(struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++)
		port_map_unite(&k->addresses[i].held_now, &k->addresses[i].held_before);
	for (unsigned i = 0; i < k->config->listen_count; i++)
		k->listen_now[i] = k->listen_now[i] || k->listen_before[i];
	if (!k->sockets_told)
		log_write(CONFIG_LOG_WARNING, "ports",
			  "the kernel does not say which ports processes hold error=\"%m\" "
			  "remedy=\"load the kernel module udp_diag\"");
	k->sockets_told = true;
}

static bool look_at_sockets(struct port_keeper *k)
{
	struct look l = {.k = k};
	bool changed = false;

	l.own_count = kernel_sockets_ours(l.own, OWN_SOCKETS_MAX);
	begin_look(k);
	if (!kernel_sockets_each(note_socket, &l)) {
		give_up_look(k);
		return false;
	}
	k->sockets_told = false;
	for (unsigned i = 0; k->settings.respect_kernel && i < k->address_count; i++)
		changed = changed || (k->addresses[i].shared && differs(&k->addresses[i]));
	return changed;
}

static bool any_listen_shared(const struct port_keeper *k)
{
	for (unsigned i = 0; i < k->config->listen_count; i++) {
		if (xdp_is_shared(k->xdp, k->config->listen[i].interface_idx))
			return true;
	}
	return false;
}

bool port_keeper_kernel_look(struct port_keeper *k)
{
	bool changed = look_at_addresses(k);

	if (k->settings.respect_kernel || k->settings.reserve_in_kernel)
		changed = look_at_ports(k) || changed;
	if ((k->settings.respect_kernel && any_shared(k)) || any_listen_shared(k))
		changed = look_at_sockets(k) || changed;
	return changed;
}

void port_keeper_kernel_take(struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		port_map_clear(&a->held);
		if (!a->shared || !k->settings.respect_kernel)
			continue;
		a->held = a->held_now;
		port_map_unite(&a->held, &a->held_before);
	}
}

/* ---- who ---- */

void port_keeper_kernel_networks(const struct port_keeper *k, const struct kept_address *a,
				 struct port_networks *out)
{
	out->count = 0;
	for (unsigned i = 0; i < k->address_count; i++) {
		if ((a == NULL || a == &k->addresses[i]) && k->addresses[i].shared)
			out->list[out->count++] = network_of(&k->addresses[i]);
	}
}

struct search {
	const struct port_networks *networks;
	const struct kernel_addresses *addresses;
	struct port_map ports;
	struct port_holder *holders;
	unsigned count, most;
};

static void find_holder(const struct kernel_socket *socket, void *context)
{
	struct search *s = context;
	bool meets = false;

	if (s->count == s->most || !port_map_has(&s->ports, socket->bound.port))
		return;
	for (unsigned i = 0; i < s->networks->count; i++) {
		const struct prefix *network = &s->networks->list[i];

		meets = meets || (kernel_socket_meets(socket, network) &&
				  kernel_addresses_reach(s->addresses, network, socket->ifindex));
	}
	if (!meets)
		return;
	port_map_remove(&s->ports, socket->bound.port, socket->bound.port);
	s->holders[s->count++].socket = *socket;
}

static void name_holders(struct port_holder holders[], unsigned count)
{
	struct kernel_process *processes = calloc(count, sizeof(*processes));
	uint32_t *inodes = calloc(count, sizeof(*inodes));

	for (unsigned i = 0; inodes != NULL && i < count; i++)
		inodes[i] = holders[i].socket.inode;
	if (inodes != NULL && processes != NULL)
		kernel_processes_of(inodes, count, processes);
	for (unsigned i = 0; i < count; i++) {
		struct kernel_process *p = &holders[i].process;

		*p = processes != NULL ? processes[i] : (struct kernel_process){.name = "?"};
		/* Who may not look into processes knows the user at least. */
		if (p->pid == 0)
			snprintf(p->name, sizeof(p->name), "uid %" PRIu32, holders[i].socket.uid);
	}
	free(inodes);
	free(processes);
}

unsigned port_keeper_kernel_holders(const struct port_networks *networks,
				    const struct port_map *ports, struct port_holder holders[],
				    unsigned most)
{
	struct kernel_addresses *addresses = calloc(1, sizeof(*addresses));
	struct search s = {.networks = networks,
			   .addresses = addresses,
			   .ports = *ports,
			   .holders = holders,
			   .most = most};

	/* If the kernel does not say who has which, all zeroes: any interface may have any. */
	if (addresses == NULL)
		return 0;
	if (!kernel_addresses_read(addresses))
		addresses->is_whole = false;
	if (kernel_sockets_each(find_holder, &s))
		name_holders(holders, s.count);
	else
		s.count = 0;
	free(addresses);
	return s.count;
}
