/* The configuration as workers see it: an immutable snapshot, replaced whole (RCU: a worker takes the
 * pointer once a turn). Interfaces, outgoing addresses, zones, servers and neighbours are indices everywhere.
 *
 * An index stays what it is over reloads: what is still there keeps its place, what is new takes a free one, and what is
 * gone leaves its own behind, marked, until nothing under way can refer to it (engine_plan.h). So what is under way needs
 * no translation, and replies of a server that is gone are still known. Counts are of places, gone ones included; they
 * never go down.
 *
 * Memory: built and owned by who reloads; freed when every worker has begun two turns with the next. Threads: read by all,
 * written by none.
 */
#ifndef PORTICO_ENGINE_CONFIG_H
#define PORTICO_ENGINE_CONFIG_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "acl.h"
#include "address.h"
#include "frame.h"
#include "limits.h"
#include "name.h"
#include "neighbour.h"
#include "route.h"
#include "server.h"
#include "source_set.h"
#include "zone_cut.h"

struct engine_listen {
	struct endpoint endpoint;
	uint8_t interface_idx;
};

struct engine_outgoing {
	struct address address; /* or a prefix: then queries leave from its live identifiers */
	uint8_t prefix_bits;    /* 128: one address; 64 to 120: a prefix (IPv6) */
	uint8_t interface_idx;
	/* Nothing leaves from it any more, nor is taken on it: what is under way is asked again from elsewhere. */
	bool retired;
	/* What its queries leave from now. keeper: stores (release), adds to source_generation, then waits for two turns of
	 * every worker before it reuses the old set; worker: loads (acquire) in the first turn that sees the new
	 * generation. Never NULL. */
	const struct source_set *_Atomic *source;
};

/* Where packets for an address that is not on-link go, from an interface whose routes the kernel does not keep. */
struct engine_gateway {
	struct address address;
	uint8_t interface_idx;
};

/* A forward zone: names at or below it go to these servers. */
struct engine_zone {
	struct name name; /* lower case */
	/* Another one as soon as another zone has the place, or its servers are others: what was noted by their position in
	 * the list holds no more. */
	uint32_t generation;
	uint8_t policy;         /* enum server_policy */
	uint8_t transport;      /* enum zone_transport */
	uint8_t server_count;   /* 0: the zone is gone */
	bool recursion_desired; /* false: a stub zone */
	uint16_t servers[ZONE_SERVERS_MAX];
	uint32_t timeout_ms;
	uint32_t tries;
};

/* How a server is reached: the outgoing addresses of its family, each with the neighbour that its packets go to. */
struct engine_route {
	uint8_t way_count; /* 0: the server is gone, or no way leads there */
	struct engine_way {
		uint8_t outgoing_idx;
		uint16_t neighbour_idx;
		uint64_t peer_hash; /* inflight_peer_hash of this address and the server */
	} ways[OUTGOING_MAX];
};

/* How answers are kept. */
struct engine_cache_config {
	uint32_t min_ttl_s;
	uint32_t max_ttl_s;
	uint32_t negative_max_ttl_s;
	uint32_t failure_ttl_s;
	bool serve_stale;
	bool prefetch;
	bool round_robin;           /* of RRsets with several records */
	uint32_t max_stale_s;       /* beyond the TTL */
	uint32_t client_timeout_ms; /* how long a client waits before it gets a stale answer */
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
	const struct acl *acl; /* made of them; lives as long as the snapshot */

	uint8_t outgoing_count;
	struct engine_outgoing outgoing[OUTGOING_SLOTS_MAX];
	/* Counts up with every change of what they leave from. keeper: adds (release) after it has stored the pointers; worker:
	 * loads (acquire) once a turn, and the pointers only if it is another than before. */
	const _Atomic uint32_t *source_generation;

	/* Names that no zone has are resolved from the deepest known zone cut, in the end from root_hints. Else they are
	 * refused. */
	bool iterates;
	bool asks_whole_names; /* no QNAME minimisation (RFC 9156) */
	uint16_t zone_count;
	struct engine_zone
		zones[ZONE_SLOTS_MAX]; /* in no order: engine_zone_for finds the longest */

	uint16_t server_count; /* of the table that zones index */
	struct endpoint server_endpoints[SERVER_SLOTS_MAX];
	struct server_health server_health[SERVER_SLOTS_MAX];
	bool server_retired[SERVER_SLOTS_MAX]; /* asked no more; its replies are still known */
	struct engine_route routes[SERVER_SLOTS_MAX];
	struct name health_name; /* asked for SOA in probes */
	struct zone_cut
		root_hints; /* if iterates: "." with at least one server that has an address; ZONE_CUT_HINTS */

	/* Of interfaces that queries leave from: the kernel's routes where it keeps them, else prefixes and gateways. */
	bool follows_kernel_routes;
	struct route_table route_table;

	uint16_t neighbour_count;
	struct neighbour_place neighbours[NEIGHBOUR_SLOTS_MAX];

	uint16_t edns_udp_size_bytes; /* in our queries */
	bool case_randomization;
	/* Bit i: whoever carries TCP for us can ask servers by way of interface i. 0: nobody carries it; then what did not
	 * fit stays truncated. */
	uint16_t tcp_interfaces;
	uint32_t late_ms;

	struct engine_cache_config cache;
};

static_assert(INTERFACES_MAX <= 16, "a bit each of tcp_interfaces");

/* Can the server be asked over TCP? */
static inline bool engine_way_has_tcp(const struct engine_config *c, const struct engine_way *way)
{
	return (c->tcp_interfaces >> c->outgoing[way->outgoing_idx].interface_idx & 1) != 0;
}
bool engine_server_has_tcp(const struct engine_config *c, uint16_t server_idx);
/* Can any server of that family be, by what is left from? */
bool engine_family_has_tcp(const struct engine_config *c, bool is_v4);

#define ENGINE_ZONE_NONE UINT16_MAX
#define ENGINE_ZONE_ITERATE (UINT16_MAX - 1) /* from the root, or the deepest known zone cut */
static_assert(ZONE_SLOTS_MAX < ENGINE_ZONE_ITERATE, "no zone has that index");
/* The zone with the longest name at or above qname; none: ENGINE_ZONE_ITERATE if the configuration iterates, else
 * ENGINE_ZONE_NONE. */
uint16_t engine_zone_for_any(const struct engine_config *c, const struct name *qname);
static inline uint16_t engine_zone_for(const struct engine_config *c, const struct name *qname)
{
	/* The root alone has all names. */
	if (LIKELY(c->zone_count == 1 && c->zones[0].name.length_bytes == 1 &&
		   c->zones[0].server_count > 0))
		return 0;
	return engine_zone_for_any(c, qname);
}
static inline uint32_t engine_zone_generation(const struct engine_config *c, uint16_t zone_idx)
{
	return LIKELY(zone_idx < c->zone_count) ? c->zones[zone_idx].generation : 0;
}
/* Are questions that belong there answered by iteration: from the root, or from a stub zone's servers? */
static inline bool engine_zone_iterates(const struct engine_config *c, uint16_t zone_idx)
{
	return zone_idx >= c->zone_count || !c->zones[zone_idx].recursion_desired;
}

#endif
