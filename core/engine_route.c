/* The ways to learned servers. Those to configured ones are in the snapshot (engine_plan.c); there are too many of these, and
 * nobody knows them before they are asked. Each is found when it is first needed under a snapshot, and kept with the server. */
#include "engine_state.h"

#include <string.h>

static void add_own(struct engine *e, const struct address *a)
{
	uint8_t end = a->bytes[ADDRESS_BYTES - 1];

	e->own_ends[end / 64] |= UINT64_C(1) << end % 64;
}

void engine_route_reload(struct engine *e)
{
	const struct engine_config *c = e->config;

	e->route_stamp++;
	if (e->route_stamp == 0)
		e->route_stamp = 1;
	e->leaves_by_v4 = e->leaves_by_v6 = false;
	memset(e->own_ends, 0, sizeof(e->own_ends));
	for (unsigned i = 0; i < c->interface_count; i++)
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++)
			add_own(e, &c->interfaces[i].addresses[k].address);
	for (unsigned i = 0; i < c->listen_count; i++)
		add_own(e, &c->listen[i].endpoint.address);
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct engine_outgoing *out = &c->outgoing[i];
		bool is_v4 = address_is_v4(&out->address);

		add_own(e, &out->address);
		e->leaves_by_v4 = e->leaves_by_v4 || (!out->retired && is_v4);
		e->leaves_by_v6 = e->leaves_by_v6 || (!out->retired && !is_v4);
	}
}

bool engine_route_is_own_any(const struct engine *e, const struct address *a)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->interface_count; i++)
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++)
			if (address_equal(&c->interfaces[i].addresses[k].address, a))
				return true;
	for (unsigned i = 0; i < c->listen_count; i++)
		if (address_equal(&c->listen[i].endpoint.address, a))
			return true;
	for (unsigned i = 0; i < c->outgoing_count; i++)
		if (address_equal(&c->outgoing[i].address, a))
			return true;
	return false;
}

/* The neighbour's index; *tenure if it is there on demand. UINT16_MAX: there are too many of those. */
static uint16_t next_hop(struct engine *e, uint8_t interface_idx, const struct address *address,
			 uint64_t *tenure)
{
	const struct neighbour_wanted wanted = {
		.address = *address,
		.interface_idx = interface_idx,
		.is_kernels = e->config->interfaces[interface_idx].kernel != FRAME_KERNEL_NONE,
	};
	uint16_t idx = neighbour_find_idx(&e->neighbours, interface_idx, address);

	if (idx < NEIGHBOUR_SLOTS_MAX)
		return idx;
	return neighbour_demand(&e->neighbours.shared->demands, &wanted, tenure, e->now);
}

/* False: a next hop found no place now. */
static bool make_route(struct engine *e, const struct endpoint *peer,
		       struct engine_learned_route *learned)
{
	const struct engine_config *c = e->config;
	const struct route_ways ways = route_find(&c->route_table, &peer->address);
	struct engine_route *to = &learned->route;
	bool is_whole = true;

	to->way_count = 0;
	learned->is_on_demand = false;
	/* A delegation that leads to ourselves leads nowhere. */
	if (engine_route_is_own(e, &peer->address))
		return true;
	for (uint8_t o = 0; o < c->outgoing_count && to->way_count < OUTGOING_MAX; o++) {
		const struct engine_outgoing *out = &c->outgoing[o];
		const uint64_t peer_hash = inflight_peer_hash(e->inflight.words, o, peer);
		const struct route *way = route_pick(ways, out->interface_idx, peer_hash);
		uint16_t idx;

		if (out->retired || way == NULL ||
		    address_is_v4(&out->address) != address_is_v4(&peer->address))
			continue;
		idx = next_hop(e, out->interface_idx,
			       way->is_on_link ? &peer->address : &way->gateway,
			       &learned->tenures[to->way_count]);
		if (idx == UINT16_MAX) {
			is_whole = false;
			continue;
		}
		learned->is_on_demand = learned->is_on_demand || idx >= NEIGHBOUR_SLOTS_MAX;
		to->ways[to->way_count++] = (struct engine_way){o, idx, peer_hash};
	}
	return is_whole;
}

/* Are its next hops on demand still there? */
static bool is_kept(struct engine *e, const struct engine_learned_route *learned)
{
	for (unsigned i = 0; i < learned->route.way_count; i++) {
		uint16_t idx = learned->route.ways[i].neighbour_idx;

		if (idx >= NEIGHBOUR_SLOTS_MAX &&
		    !neighbour_demand_use(&e->neighbours.shared->demands, idx, learned->tenures[i],
					  e->now))
			return false;
	}
	return true;
}

const struct engine_route *engine_route_learned(struct engine *e, uint16_t server_idx)
{
	uint16_t position = server_learned_position(server_idx);
	struct server_learned *server = server_learned_at(&e->servers.learned, position);
	struct engine_learned_route *learned = &e->learned_routes[position];

	if (LIKELY(server->route_stamp == e->route_stamp) &&
	    (LIKELY(!learned->is_on_demand) || is_kept(e, learned)))
		return &learned->route;
	server->route_stamp = make_route(e, &server->peer, learned) ? e->route_stamp : 0;
	return &learned->route;
}

bool engine_route_has_tcp(struct engine *e, uint16_t server_idx)
{
	const struct engine_route *route = engine_route_to(e, server_idx);

	for (unsigned i = 0; i < route->way_count; i++)
		if (engine_way_has_tcp(e->config, &route->ways[i]))
			return true;
	return false;
}
