/* A NIC shared with the kernel (`kernel: bifurcated`): our XDP program gives the workers what is theirs and leaves
 * the rest to the kernel. The program is loaded by the AF_XDP driver (libbpf), then held by a BPF link of ours, so that the
 * kernel takes it off the interface when this process ends, however it ends. A program that somebody else has put there
 * is never touched.
 *
 * Where AF_XDP cannot be had (another XDP program is there, the kernel has no support) the device becomes net_af_packet, with a
 * warning; the kernel's copies of our packets are then dropped at tc ingress by a program that stops doing so
 * XDP_STEER_ALIVE_NS after our last sign of life.
 *
 * A packet socket's interface whose kernel has a TAP (`kernel: tap`) is not shared, but has the same program, which then drops
 * all copies.
 *
 * One Portico at most shares a NIC (nic_lock.h); another on it is refused.
 *
 * What it takes: CAP_NET_RAW (the sockets), CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON (the programs: the verifier refuses
 * them as an unprivileged user's), CAP_IPC_LOCK or as much RLIMIT_MEMLOCK as packet memory (rings and AF_XDP). Between the
 * driver's loading of the program and our link nothing holds it: the next start knows it by its name, for which the kernel
 * wants CAP_SYS_ADMIN as well; without, it falls back and says what to do.
 *
 * Memory: one table; mapped maps. Threads: main prepares, attaches, detaches and tells that we live; the port keeper writes the
 * ports, who reloads the rest of the maps; telemetry reads counters. Tests: tests/smoke/shared_nic*_test.sh, xdp_steer_test.sh.
 */
#ifndef PORTICO_XDP_H
#define PORTICO_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "core/port_set.h"
#include "dpdk_app/tc_drop.h"
#include "dpdk_app/xdp_steer.h"

enum xdp_mode {
	XDP_MODE_NONE,      /* the kernel gets nothing from this interface */
	XDP_MODE_AF_XDP,    /* our XDP program on the kernel's interface */
	XDP_MODE_AF_PACKET, /* the fallback */
};

struct xdp_interface {
	uint8_t mode;            /* enum xdp_mode */
	char *device;            /* what DPDK is to open: as configured, or as the mode wants it */
	struct xdp_steer *steer; /* mapped; NULL: not attached, or mode NONE */
	unsigned
		address_ifindex; /* the kernel's interface with our addresses: the NIC, or a VLAN on it */
	/* the rest is xdp.c's */
	unsigned ifindex; /* the NIC */
	int file_fd;      /* the program as a file, for net_af_xdp */
	int link_fd;
	int lock_fd; /* of the NIC */
	/* Open as long as they are in use: /proc says whose they are. */
	int program_fd;
	int steer_fd;
	int peers_fd;
	int counter_fd;
	bool drop_qdisc_is_ours; /* a killed one of us made it */
	bool drops_all; /* the kernel's copies: a packet socket on its interface, and it has a TAP (kernel_tap.h) */
	struct tc_drop drop;
};

struct xdp_table {
	unsigned interface_count;
	struct xdp_interface interfaces[INTERFACES_MAX];
};

/* Before EAL: what every interface becomes (`kernel: auto`: bifurcated where the device stands on a kernel interface that has
 * one of our addresses), remains of a killed Portico removed. False: refused (logged). Fills `device` of
 * every interface. */
MUST_USE bool xdp_prepare(const struct config *config, struct xdp_table *table);
/* After the ports have started: the program held by our link, its maps mapped, listen endpoints and servers written; no
 * port is eligible yet. False: refused (logged). */
MUST_USE bool xdp_attach(const struct config *config, struct xdp_table *table);
/* On every way out, before the ports are closed; of a table that is all zeroes or was prepared, as often as one likes. */
void xdp_detach(struct xdp_table *table);

static inline bool xdp_is_shared(const struct xdp_table *table, unsigned interface_idx)
{
	return table->interfaces[interface_idx].mode != XDP_MODE_NONE;
}

/* Keeper: these ports of this outgoing address (index in the configuration), which is on this interface, are ours from now on,
 * all others the kernel's. */
void xdp_set_ports(struct xdp_table *table, unsigned outgoing_idx, unsigned interface_idx,
		   const struct port_map *ports);

/* ---- reload: one thread at a time ---- */

/* May interfaces that the kernel shares have these addresses? False: the kernel does not have one (logged). */
MUST_USE bool xdp_check(const struct xdp_table *table, const struct config *next);
/* Before workers know the next configuration: what it adds is ours, too, what it takes out still is. peers: all whose replies
 * may be awaited, by either; others are none any more. False: the kernel does not take them (logged); what was ours still is. */
MUST_USE bool xdp_widen(const struct xdp_table *table, const struct config *next,
			const struct endpoint peers[], unsigned peer_count);
/* The first configuration, at xdp_attach. */
MUST_USE bool xdp_widen_first(const struct xdp_table *table, const struct config *config);
/* When they all do: what it has taken out is the kernel's. */
void xdp_narrow(const struct xdp_table *table, const struct config *next);

/* Control: still alive; a few times a second at least. */
void xdp_tell_alive(struct xdp_table *table);
/* Sums over CPUs; 0 where there is no program. */
uint64_t xdp_counter(const struct xdp_table *table, unsigned interface_idx,
		     enum xdp_steer_counter which);

#endif
