/* From what a configuration wants to a snapshot whose indices fit the one before it (engine_config.h): who is still there
 * keeps its place; who comes back soon finds its own again, with all that is known of it; who is new takes a place that was
 * never used or that is free again, and is a stranger there.
 *
 *   engine_plan_begin(p, next, last, now, grace_ns);   next: all places of last, gone until they are asked for
 *   fill next: interfaces, gateways, listen, outgoing (in places of their own) and the plain values
 *   engine_plan_server(...), engine_plan_zone(...)     every server and zone
 *   engine_plan_routes(next, list, count);             where the kernel keeps routes
 *   engine_plan_end(p, next, last);                    neighbours, routes; what is gone is remembered
 *   publish next, wait for every worker
 *   engine_plan_on_taken(p, now);                      what is gone in it is gone since now
 *
 * A zone whose servers are others, or below which one has come that has some of its names now, counts its generation up: what is
 * under way goes on with whoever has the name, and a reply of those asked before is not kept.
 *
 * A server is asked from every outgoing address of its family from whose interface the longest prefix that has it leads there
 * (route.h). Interfaces from which nothing of a family leaves have no say in it. Next hops are neighbours before anything
 * goes there, ROUTE_GATEWAYS_WARM of them.
 *
 * A snapshot that is not published after all is just thrown away. One that is begun must be published, or thrown away, before
 * the next is; and every worker must have taken the last one.
 *
 * Memory: what the plan remembers; snapshots are the caller's. Threads: one at a time. Workers meanwhile run on the last
 * snapshot: only places that nobody refers to are cleared. Time: monotonic, given. Tests: test_engine_plan.c.
 */
#ifndef PORTICO_ENGINE_PLAN_H
#define PORTICO_ENGINE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "engine_config.h"
#include "inflight.h"
#include "mono.h"

struct engine_plan {
	const struct inflight_words *words;
	struct server_shared_table *servers;
	struct neighbour_shared *neighbours;
	mono_ns now;
	/* How long what is gone may be referred to: a place is free after it. */
	uint64_t grace_ns;
	uint32_t generation; /* of snapshots begun; 0: the first */
	/* Of places that are gone in the last snapshot. */
	mono_ns server_gone_at[SERVER_SLOTS_MAX];
	mono_ns zone_gone_at[ZONE_SLOTS_MAX];
	mono_ns neighbour_gone_at[NEIGHBOUR_SLOTS_MAX];
};

/* servers: of SERVER_SLOTS_MAX; neighbours: of NEIGHBOUR_SLOTS_MAX; all initialised. */
void engine_plan_init(struct engine_plan *p, const struct inflight_words *words,
		      struct server_shared_table *servers, struct neighbour_shared *neighbours);

/* last NULL: there is none yet. next: all zeroes. */
void engine_plan_begin(struct engine_plan *p, struct engine_config *next,
		       const struct engine_config *last, mono_ns now, uint64_t grace_ns);

/* One endpoint, one server, however many zones name it; the first decides how its health is watched. Its index;
 * UINT16_MAX: no place is free. */
MUST_USE uint16_t engine_plan_server(const struct engine_plan *p, struct engine_config *next,
				     const struct endpoint *endpoint,
				     const struct server_health *health);
/* zone: with servers; its name is in no other. False: no place is free. */
MUST_USE bool engine_plan_zone(const struct engine_plan *p, struct engine_config *next,
			       const struct engine_zone *zone);
/* What the kernel has of routes; it says all of interfaces that it shares, and nothing of others, which go by their own
 * prefixes and gateways. Without this all do. Returns how many had no place. */
unsigned engine_plan_routes(struct engine_config *next, const struct route routes[],
			    unsigned route_count);
/* False: more neighbours than there are places. */
MUST_USE bool engine_plan_end(struct engine_plan *p, struct engine_config *next,
			      const struct engine_config *last);

/* Once every worker has taken the snapshot planned last: until now what is gone in it was referred to anew. */
void engine_plan_on_taken(struct engine_plan *p, mono_ns now);

/* Of a server that the snapshot planned last has retired: can no reply of it come any more? */
bool engine_plan_server_is_over(const struct engine_plan *p, uint16_t idx);

/* A configuration that was filled by hand, servers and zones too, and is the first and only one. */
void engine_plan_first(struct engine_config *config, const struct inflight_words *words);

#endif
