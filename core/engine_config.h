/* The configuration as workers see it: an immutable snapshot, replaced whole (RCU: a worker takes the
 * pointer once a burst). Interfaces, outgoing addresses, zones and servers are indices everywhere.
 *
 * Memory: built and owned by the control thread. Threads: read by all, written by none.
 */
#ifndef PORTICO_ENGINE_CONFIG_H
#define PORTICO_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "frame.h"
#include "limits.h"
#include "name.h"
#include "server.h"
#include "source_set.h"

struct engine_listen {
	struct endpoint endpoint;
	uint8_t interface_idx;
};

struct engine_outgoing {
	struct address address; /* or a prefix: then queries leave from its live identifiers */
	uint8_t prefix_bits;    /* 128: one address; 64 to 120: a prefix (IPv6) */
	uint8_t interface_idx;
	/* What its queries leave from now. keeper: stores (release), adds to source_generation, then waits for two turns of
	 * every worker before it reuses the old set; worker: loads (acquire) in the first turn that sees the new
	 * generation. Never NULL. */
	const struct source_set *_Atomic *source;
};

/* Where packets for an address that is not on-link go. */
struct engine_gateway {
	struct address address;
	uint8_t interface_idx;
};

/* A forward zone: names at or below it go to these servers. */
struct engine_zone {
	struct name name; /* lower case */
	uint8_t policy;   /* enum server_policy */
	uint8_t server_count;
	bool recursion_desired; /* false: a stub zone */
	uint16_t servers[ZONE_SERVERS_MAX];
	uint32_t timeout_ms;
	uint32_t tries;
};

struct engine_config {
	uint8_t interface_count;
	struct frame_interface interfaces[INTERFACES_MAX];

	uint8_t gateway_count;
	struct engine_gateway gateways[INTERFACES_MAX * INTERFACE_GATEWAYS_MAX];

	uint8_t listen_count;
	struct engine_listen listen[LISTEN_MAX];

	uint16_t allow_count;
	struct prefix allow[ALLOW_PREFIXES_MAX];

	uint8_t outgoing_count;
	struct engine_outgoing outgoing[OUTGOING_MAX];
	/* Counts up with every change of what they leave from. keeper: adds (release) after it has stored the pointers; worker:
	 * loads (acquire) once a turn, and the pointers only if it is another than before. */
	const _Atomic uint32_t *source_generation;

	uint16_t zone_count;
	struct engine_zone
		zones[ZONES_MAX]; /* most labels first: the first that fits is the longest */

	uint16_t server_count; /* of the table that zones index */
	struct endpoint server_endpoints[SERVERS_MAX];
	struct server_health server_health[SERVERS_MAX];
	struct name health_name; /* asked for SOA in probes */

	uint16_t edns_udp_size_bytes; /* in our queries */
	bool case_randomization;
	uint32_t late_ms;
};

#endif
