/* What our XDP program steers by: one value of a BPF array that is mapped into Portico's memory. Portico writes it, the
 * program reads it for every packet; neither calls the other. Included by the BPF program as well: plain C, fixed
 * widths, no other headers of ours.
 *
 * A packet is ours if it is UDP, not a fragment, without IP options or extension headers, with the configured VLAN tag
 * or none, and
 *   - goes to an endpoint that we listen on, or
 *   - goes to an eligible port of an outgoing address, from an endpoint that we ask: one of a map of peers, or, for who
 *     asks servers that cannot be known beforehand, any of a port that we ask.
 * All else is the kernel's, untouched: replies to programs here that choose their own source ports too, and to flows that
 * this host masquerades, unless they ask the same servers from one of our ports.
 *
 * Threads: Portico writes bits with plain byte stores, one thread at a time (the keeper's lock), who reloads the lists, its
 * control thread alive_ns; the program may see them a moment later. Rows of the lists have gaps: what nobody has is all
 * zeroes, with a mask of ones, and no packet is like that.
 */
#ifndef PORTICO_XDP_STEER_H
#define PORTICO_XDP_STEER_H

#include <linux/types.h>

#define XDP_STEER_LISTEN_MAX                                                                       \
	128 /* LISTEN_MAX, twice: while a reload lasts, those before and after */
#define XDP_STEER_OUTGOING_MAX 32 /* OUTGOING_SLOTS_MAX */
#define XDP_STEER_PORT_BYTES 8192 /* a bit a port: byte port / 8, bit port % 8 */
#define XDP_STEER_PEERS_MAX 2048  /* SERVER_SLOTS_MAX */
#define XDP_STEER_QUEUES_MAX 1024 /* of a NIC: indices of its sockets' map */
#define XDP_STEER_NO_VLAN 0xffff
/* The fallback on af_packet drops the kernel's copies of our packets only while Portico lives: so long after its last
 * word, the kernel gets everything again. */
#define XDP_STEER_ALIVE_NS 2000000000ULL

/* 16 bytes in network order, IPv4 mapped, as struct address; in words, so that two loads compare one. */
struct xdp_steer_address {
	__u64 words[2];
};

struct xdp_steer_listen {
	struct xdp_steer_address address;
	__u16 port; /* host order */
	__u16 unused[3];
};

/* Key of the map of peers; its values say nothing. All bytes count: unused is 0. */
struct xdp_steer_peer {
	struct xdp_steer_address address;
	__u32 port; /* host order */
	__u32 unused;
};

struct xdp_steer_outgoing {
	struct xdp_steer_address address;
	struct xdp_steer_address mask;    /* all ones: one address; else a prefix */
	__u8 ports[XDP_STEER_PORT_BYTES]; /* eligible */
};

struct xdp_steer {
	__u64 alive_ns; /* CLOCK_MONOTONIC of Portico's last sign of life */
	__u32 vlan;     /* 1..4094, or XDP_STEER_NO_VLAN */
	__u32 listen_count;
	__u32 outgoing_count;
	__u32 only_peers; /* 1: replies come from endpoints of the map of peers only */
	/* 1: the fallback's program drops every packet with our tag (or without one): the kernel has what is its by a TAP. */
	__u32 drop_all;
	__u32 unused;
	struct xdp_steer_listen listen[XDP_STEER_LISTEN_MAX];
	__u8 asked_ports[XDP_STEER_PORT_BYTES]; /* ports that we ask: replies come from them */
	struct xdp_steer_outgoing outgoing[XDP_STEER_OUTGOING_MAX];
};

/* Counters of the program, an entry a CPU each. */
enum xdp_steer_counter {
	XDP_STEER_QUESTIONS, /* to us: UDP to a listen endpoint */
	XDP_STEER_REPLIES,   /* to us: UDP to an eligible port from who we ask */
	XDP_STEER_KERNEL,    /* the rest */
	XDP_STEER_COUNTER_COUNT,
};

/* Names, by which the program and its maps are known in the kernel (15 bytes at most), after a crash too. */
#define XDP_STEER_PROGRAM "portico_steer"     /* XDP */
#define XDP_STEER_DROP_PROGRAM "portico_drop" /* tc ingress, the fallback */
#define XDP_STEER_MAP "portico_ports"         /* struct xdp_steer */
#define XDP_STEER_PEERS "portico_peers"
#define XDP_STEER_COUNTERS "portico_count"
#define XDP_STEER_SOCKETS "xsks_map" /* the AF_XDP sockets by queue; net_af_xdp's name for it */

#endif
