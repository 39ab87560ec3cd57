/* The ways to learned servers. Those to configured ones are in the snapshot (engine_plan.c); there are too many of these, and
 * nobody knows them before they are asked. Each is found when it is first needed under a snapshot, and kept with the server. */
#include "engine_state.h"

void engine_route_reload(struct engine *e)
{
	e->route_stamp++;
	if (e->route_stamp == 0)
		e->route_stamp = 1;
}

static bool is_own(const struct engine_config *c, const struct address *a)
{
	for (unsigned i = 0; i < c->interface_count; i++)
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++)
			if (address_equal(&c->interfaces[i].addresses[k].address, a))
				return true;
	return false;
}

static void make_route(struct engine *e, const struct endpoint *peer, struct engine_route *to)
{
	const struct engine_config *c = e->config;
	const struct route_ways ways = route_find(&c->route_table, &peer->address);

	to->way_count = 0;
	/* A delegation that leads to ourselves leads nowhere. */
	if (is_own(c, &peer->address))
		return;
	for (uint8_t o = 0; o < c->outgoing_count && to->way_count < OUTGOING_MAX; o++) {
		const struct engine_outgoing *out = &c->outgoing[o];
		const uint64_t peer_hash = inflight_peer_hash(e->inflight.words, o, peer);
		const struct route *way = route_pick(ways, out->interface_idx, peer_hash);
		uint16_t neighbour_idx;

		if (out->retired || way == NULL ||
		    address_is_v4(&out->address) != address_is_v4(&peer->address))
			continue;
		neighbour_idx =
			neighbour_find_idx(&e->neighbours, out->interface_idx,
					   way->is_on_link ? &peer->address : &way->gateway);
		if (neighbour_idx != UINT16_MAX)
			to->ways[to->way_count++] =
				(struct engine_way){o, neighbour_idx, peer_hash};
	}
}

const struct engine_route *engine_route_learned(struct engine *e, uint16_t server_idx)
{
	uint16_t position = server_learned_position(server_idx);
	struct server_learned *server = server_learned_at(&e->servers.learned, position);
	struct engine_route *route = &e->learned_routes[position].route;

	if (UNLIKELY(server->route_stamp != e->route_stamp)) {
		make_route(e, &server->peer, route);
		server->route_stamp = e->route_stamp;
	}
	return route;
}

bool engine_route_has_tcp(struct engine *e, uint16_t server_idx)
{
	const struct engine_route *route = engine_route_to(e, server_idx);

	for (unsigned i = 0; i < route->way_count; i++)
		if (engine_way_has_tcp(e->config, &route->ways[i]))
			return true;
	return false;
}
