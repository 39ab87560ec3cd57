#include "engine_plan.h"

#include <string.h>

void engine_plan_init(struct engine_plan *p, const struct inflight_words *words,
		      struct server_shared_table *servers, struct neighbour_shared *neighbours)
{
	memset(p, 0, sizeof(*p));
	p->words = words;
	p->servers = servers;
	p->neighbours = neighbours;
}

/* What a snapshot that was thrown away had taken out is still there, and nobody else's. */
static void forget_thrown_away(struct engine_plan *p, const struct engine_config *last)
{
	for (uint16_t i = 0; i < last->server_count; i++)
		if (!last->server_retired[i])
			p->server_gone_at[i] = MONO_NEVER;
	for (uint16_t i = 0; i < last->zone_count; i++)
		if (last->zones[i].server_count != 0)
			p->zone_gone_at[i] = MONO_NEVER;
	for (uint16_t i = 0; i < last->neighbour_count; i++)
		if (!last->neighbours[i].retired)
			p->neighbour_gone_at[i] = MONO_NEVER;
}

void engine_plan_begin(struct engine_plan *p, struct engine_config *next,
		       const struct engine_config *last, mono_ns now, uint64_t grace_ns)
{
	p->now = now;
	p->grace_ns = grace_ns;
	if (last == NULL)
		return;
	p->generation++;
	forget_thrown_away(p, last);
	next->server_count = last->server_count;
	memcpy(next->server_endpoints, last->server_endpoints,
	       last->server_count * sizeof(last->server_endpoints[0]));
	memcpy(next->server_health, last->server_health,
	       last->server_count * sizeof(last->server_health[0]));
	memset(next->server_retired, true, last->server_count * sizeof(last->server_retired[0]));
	next->zone_count = last->zone_count;
	memcpy(next->zones, last->zones, last->zone_count * sizeof(last->zones[0]));
	for (uint16_t i = 0; i < next->zone_count; i++)
		next->zones[i].server_count = 0;
	next->neighbour_count = last->neighbour_count;
	memcpy(next->neighbours, last->neighbours,
	       last->neighbour_count * sizeof(last->neighbours[0]));
	for (uint16_t i = 0; i < next->neighbour_count; i++)
		next->neighbours[i].retired = true;
}

/* May who is new have the place of one that is gone? */
static bool is_free(const struct engine_plan *p, mono_ns gone_at)
{
	return gone_at != MONO_NEVER && p->now - gone_at >= p->grace_ns;
}

/* ---- servers ---- */

/* A place for a new one, or server_count. MONO_NEVER in gone_at: of the last snapshot. */
static uint16_t server_place(const struct engine_plan *p, const struct engine_config *next)
{
	for (uint16_t i = 0; i < next->server_count; i++)
		if (next->server_retired[i] && is_free(p, p->server_gone_at[i]))
			return i;
	return next->server_count;
}

uint16_t engine_plan_server(const struct engine_plan *p, struct engine_config *next,
			    const struct endpoint *endpoint, const struct server_health *health)
{
	uint16_t idx = 0;

	while (idx < next->server_count && !endpoint_equal(&next->server_endpoints[idx], endpoint))
		idx++;
	if (idx < next->server_count && !next->server_retired[idx])
		return idx;
	if (idx == next->server_count) {
		idx = server_place(p, next);
		if (idx == SERVER_SLOTS_MAX)
			return UINT16_MAX;
		if (idx == next->server_count)
			next->server_count++;
		next->server_endpoints[idx] = *endpoint;
		server_shared_forget(p->servers, idx);
	}
	next->server_retired[idx] = false;
	next->server_health[idx] = *health;
	return idx;
}

/* ---- zones ---- */

static bool same_servers(const struct engine_zone *a, const struct engine_zone *b)
{
	return a->server_count == b->server_count &&
	       memcmp(a->servers, b->servers, a->server_count * sizeof(a->servers[0])) == 0;
}

static uint16_t zone_place(const struct engine_plan *p, const struct engine_config *next)
{
	for (uint16_t i = 0; i < next->zone_count; i++)
		if (next->zones[i].server_count == 0 && is_free(p, p->zone_gone_at[i]))
			return i;
	return next->zone_count;
}

bool engine_plan_zone(const struct engine_plan *p, struct engine_config *next,
		      const struct engine_zone *zone)
{
	uint16_t idx = 0;

	while (idx < next->zone_count && !name_equal(&next->zones[idx].name, &zone->name))
		idx++;
	if (idx == next->zone_count)
		idx = zone_place(p, next);
	if (idx == ZONE_SLOTS_MAX)
		return false;
	if (idx == next->zone_count)
		next->zone_count++;
	next->zones[idx] = *zone;
	/* Until engine_plan_end has seen that it is what it was. */
	next->zones[idx].generation = p->generation;
	return true;
}

/* The names of a zone that has come below another one of the last snapshot were that one's until now: what is under way there
 * may be of one of them, so it is the same zone no more. */
static void unsettle_above(const struct engine_config *last, struct engine_config *next,
			   uint32_t generation)
{
	for (uint16_t i = 0; i < next->zone_count; i++) {
		const struct name *name = &next->zones[i].name;
		uint16_t above = engine_zone_for(last, name);

		if (next->zones[i].server_count != 0 && above != ENGINE_ZONE_NONE &&
		    !name_equal(&last->zones[above].name, name))
			next->zones[above].generation = generation;
	}
}

static void settle_zones(const struct engine_config *last, struct engine_config *next,
			 uint32_t generation)
{
	for (uint16_t i = 0; i < last->zone_count; i++) {
		const struct engine_zone *before = &last->zones[i];
		struct engine_zone *now = &next->zones[i];

		if (name_equal(&before->name, &now->name) && same_servers(before, now))
			now->generation = before->generation;
		else
			now->generation = generation;
	}
	unsettle_above(last, next, generation);
}

/* ---- neighbours ---- */

/* Is the address on the interface's own link? */
static bool is_on_link(const struct frame_interface *interface, const struct address *a)
{
	for (unsigned i = 0; i < interface->address_count; i++) {
		struct prefix network = interface->addresses[i];

		if (address_is_v4(&network.address) == address_is_v4(a) &&
		    prefix_contains(&network, a))
			return true;
	}
	return false;
}

static uint16_t neighbour_place(const struct engine_plan *p, const struct engine_config *next)
{
	for (uint16_t i = 0; i < next->neighbour_count; i++)
		if (next->neighbours[i].retired && is_free(p, p->neighbour_gone_at[i]))
			return i;
	return next->neighbour_count;
}

/* Find or add; UINT16_MAX: full. */
static uint16_t neighbour_of(const struct engine_plan *p, struct engine_config *next,
			     uint8_t interface_idx, const struct address *address)
{
	uint16_t idx = 0;

	while (idx < next->neighbour_count &&
	       !(next->neighbours[idx].interface_idx == interface_idx &&
		 address_equal(&next->neighbours[idx].address, address)))
		idx++;
	if (idx == next->neighbour_count) {
		idx = neighbour_place(p, next);
		if (idx == NEIGHBOUR_SLOTS_MAX)
			return UINT16_MAX;
		if (idx == next->neighbour_count)
			next->neighbour_count++;
		next->neighbours[idx].address = *address;
		next->neighbours[idx].interface_idx = interface_idx;
		if (p->neighbours != NULL)
			neighbour_forget(p->neighbours, idx);
	}
	next->neighbours[idx].is_kernels = next->interfaces[interface_idx].kernel_shares;
	next->neighbours[idx].retired = false;
	return idx;
}

/* Where packets for this address go from the interface. */
enum hop {
	HOP_FOUND,
	HOP_NONE, /* it is not on the link, and there is no gateway */
	HOP_FULL,
};
static enum hop next_hop(const struct engine_plan *p, struct engine_config *next,
			 uint8_t interface_idx, const struct address *destination, uint16_t *idx)
{
	const struct address *address = NULL;

	if (is_on_link(&next->interfaces[interface_idx], destination))
		address = destination;
	for (unsigned i = 0; address == NULL && i < next->gateway_count; i++)
		if (next->gateways[i].interface_idx == interface_idx &&
		    address_is_v4(&next->gateways[i].address) == address_is_v4(destination))
			address = &next->gateways[i].address;
	if (address == NULL)
		return HOP_NONE;
	*idx = neighbour_of(p, next, interface_idx, address);
	return *idx == UINT16_MAX ? HOP_FULL : HOP_FOUND;
}

/* ---- routes ---- */

static bool make_route(const struct engine_plan *p, struct engine_config *next, uint16_t server_idx)
{
	const struct endpoint *peer = &next->server_endpoints[server_idx];
	struct engine_route *route = &next->routes[server_idx];

	route->way_count = 0;
	if (next->server_retired[server_idx])
		return true;
	for (uint8_t o = 0; o < next->outgoing_count; o++) {
		const struct engine_outgoing *out = &next->outgoing[o];
		uint16_t neighbour_idx;

		if (out->retired || address_is_v4(&out->address) != address_is_v4(&peer->address))
			continue;
		switch (next_hop(p, next, out->interface_idx, &peer->address, &neighbour_idx)) {
		case HOP_FOUND:
			break;
		case HOP_NONE:
			continue;
		case HOP_FULL:
			return false;
		}
		CHECK(route->way_count < OUTGOING_MAX); /* no more are not retired */
		route->ways[route->way_count++] = (struct engine_way){
			o, neighbour_idx, inflight_peer_hash(p->words, o, peer)};
	}
	return true;
}

/* Gateways first: they are asked for whether or not anything goes there yet. */
static bool make_routes(const struct engine_plan *p, struct engine_config *next)
{
	for (unsigned i = 0; i < next->gateway_count; i++)
		if (neighbour_of(p, next, next->gateways[i].interface_idx,
				 &next->gateways[i].address) == UINT16_MAX)
			return false;
	for (uint16_t s = 0; s < next->server_count; s++)
		if (!make_route(p, next, s))
			return false;
	return true;
}

/* ---- the end ---- */

/* Since when is a place gone? MONO_NEVER: it is not. */
static mono_ns gone_at(const struct engine_plan *p, mono_ns before, bool is_gone)
{
	if (!is_gone)
		return MONO_NEVER;
	return before != MONO_NEVER ? before : p->now;
}

static void remember_gone(struct engine_plan *p, const struct engine_config *next)
{
	for (uint16_t i = 0; i < next->server_count; i++)
		p->server_gone_at[i] = gone_at(p, p->server_gone_at[i], next->server_retired[i]);
	for (uint16_t i = 0; i < next->zone_count; i++)
		p->zone_gone_at[i] =
			gone_at(p, p->zone_gone_at[i], next->zones[i].server_count == 0);
	for (uint16_t i = 0; i < next->neighbour_count; i++)
		p->neighbour_gone_at[i] =
			gone_at(p, p->neighbour_gone_at[i], next->neighbours[i].retired);
}

bool engine_plan_end(struct engine_plan *p, struct engine_config *next,
		     const struct engine_config *last)
{
	if (last != NULL)
		settle_zones(last, next, p->generation);
	if (!make_routes(p, next))
		return false;
	remember_gone(p, next);
	return true;
}

/* Gone with the last snapshot, and not before. */
static void move_gone(mono_ns gone_at_of[], uint16_t count, mono_ns planned_at, mono_ns now)
{
	for (uint16_t i = 0; i < count; i++)
		if (gone_at_of[i] == planned_at)
			gone_at_of[i] = now;
}

void engine_plan_on_taken(struct engine_plan *p, mono_ns now)
{
	move_gone(p->server_gone_at, SERVER_SLOTS_MAX, p->now, now);
	move_gone(p->zone_gone_at, ZONE_SLOTS_MAX, p->now, now);
	move_gone(p->neighbour_gone_at, NEIGHBOUR_SLOTS_MAX, p->now, now);
	p->now = now;
}

bool engine_plan_server_is_over(const struct engine_plan *p, uint16_t idx)
{
	return is_free(p, p->server_gone_at[idx]);
}

void engine_plan_first(struct engine_config *config, const struct inflight_words *words)
{
	const struct engine_plan none = {.words = words};

	config->neighbour_count = 0;
	CHECK(make_routes(&none, config));
}
