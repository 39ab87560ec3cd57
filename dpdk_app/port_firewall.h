/* Rules for a packet filter that let Portico's packets through: queries from the outgoing addresses' ports to the servers,
 * replies back, questions of those who may ask to the listen endpoints, answers back; and no others.
 *
 * They are chains of our own, in the table whose policy drops the rest, and filled anew by each load; the one rule of the
 * filter's own chain that jumps to them is not loaded but told, as commands that do nothing the second time: neither nft
 * nor iptables-restore can say "if it is not there yet". A table of our own, deleted and made anew, would need no jump,
 * and would do nothing: what one base chain accepts goes on to the next of its hook, whose policy drops it.
 *
 *   forward   for a router or firewall in front of Portico: hook forward
 *   host      for a machine whose own netfilter sees the packets: hooks input and output
 *   stateless   both directions by addresses and ports
 *   notrack     the same, and connection tracking leaves these packets alone: its table would fill at once
 *   stateful    the way back by connection tracking
 *
 * Memory: the caller's. Threads: pure but for the FILE.
 */
#ifndef PORTICO_PORT_FIREWALL_H
#define PORTICO_PORT_FIREWALL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/limits.h"
#include "core/port_set.h"

#define PORT_FIREWALL_ADDRESS_BYTES 52 /* of text: an address, or a prefix of IPv6 */

enum port_firewall_format { PORT_FIREWALL_NFT, PORT_FIREWALL_IPTABLES, PORT_FIREWALL_IP6TABLES };
enum port_firewall_place { PORT_FIREWALL_FORWARD, PORT_FIREWALL_HOST };
enum port_firewall_state { PORT_FIREWALL_STATELESS, PORT_FIREWALL_NOTRACK, PORT_FIREWALL_STATEFUL };

/* An outgoing address. */
struct port_firewall_source {
	char address[PORT_FIREWALL_ADDRESS_BYTES];
	/* All that it may send from: a pool rotates, and a port that a process holds comes back. */
	struct port_map ports;
	uint32_t pool; /* ports in use at a time; 0: all */
	uint32_t held; /* of ports: by processes, at present */
};

struct port_firewall_endpoint {
	char address[PORT_FIREWALL_ADDRESS_BYTES];
	uint16_t port;
};

/* 192.0.2.0/24. */
struct port_firewall_network {
	char prefix[PORT_FIREWALL_ADDRESS_BYTES];
};

struct port_firewall {
	enum port_firewall_format format;
	enum port_firewall_place place;
	enum port_firewall_state state;
	unsigned source_count;
	struct port_firewall_source sources[OUTGOING_MAX];
	unsigned listen_count;
	struct port_firewall_endpoint listen[LISTEN_MAX];
	/* Who is asked: the servers; and any address at port 53, where names are resolved from the root or a stub on. */
	bool any_server;
	unsigned server_count;
	struct port_firewall_endpoint servers[SERVERS_MAX];
	/* Who may ask; none within another. */
	unsigned client_count;
	struct port_firewall_network clients[ALLOW_PREFIXES_MAX];
};

/* A file for `nft -f`, `iptables-restore --noflush` or `ip6tables-restore --noflush`. */
void port_firewall_print(FILE *out, const struct port_firewall *f);

#endif
