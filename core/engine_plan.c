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

		if (next->zones[i].server_count != 0 && above < last->zone_count &&
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
	next->neighbours[idx].is_kernels =
		next->interfaces[interface_idx].kernel != FRAME_KERNEL_NONE;
	next->neighbours[idx].retired = false;
	return idx;
}

/* ---- the table of routes ---- */

/* Does anything of this family leave from there? */
static bool is_left_from(const struct engine_config *c, unsigned interface_idx, bool is_v4)
{
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct engine_outgoing *out = &c->outgoing[i];

		if (!out->retired && out->interface_idx == interface_idx &&
		    address_is_v4(&out->address) == is_v4)
			return true;
	}
	return false;
}

unsigned engine_plan_routes(struct engine_config *next, const struct route routes[],
			    unsigned route_count)
{
	/* The configuration's own have their places in any case. */
	const unsigned most =
		ROUTES_MAX - INTERFACES_MAX * (INTERFACE_ADDRESSES_MAX + INTERFACE_GATEWAYS_MAX);
	unsigned left_out = 0;

	next->follows_kernel_routes = true;
	for (unsigned i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];

		if (r->interface_idx == ROUTE_NOWHERE ||
		    is_left_from(next, r->interface_idx, address_is_v4(&r->prefix.address)))
			left_out += next->route_table.route_count >= most ||
				    !route_table_add(&next->route_table, r);
	}
	return left_out;
}

/* Is all that is known of its routes the kernel's word? */
static bool is_routed_by_kernel(const struct engine_config *c, unsigned interface_idx)
{
	return c->follows_kernel_routes && c->interfaces[interface_idx].kernel != FRAME_KERNEL_NONE;
}

static void add_own(struct engine_config *next, const struct route *route)
{
	if (is_left_from(next, route->interface_idx, address_is_v4(&route->prefix.address)))
		CHECK(route_table_add(&next->route_table, route));
}

static void add_links(struct engine_config *next, uint8_t interface_idx)
{
	const struct frame_interface *interface = &next->interfaces[interface_idx];

	for (unsigned i = 0; i < interface->address_count; i++) {
		const struct route route = {
			.prefix = interface->addresses[i],
			.interface_idx = interface_idx,
			.is_on_link = true,
		};

		add_own(next, &route);
	}
}

static void add_gateway(struct engine_config *next, const struct engine_gateway *gateway)
{
	const struct prefix all_v4 = {address_from_v4((const uint8_t[4]){0}),
				      ADDRESS_V4_OFFSET * 8};
	const struct prefix all_v6 = {.bits = 0};
	const struct route route = {
		.prefix = address_is_v4(&gateway->address) ? all_v4 : all_v6,
		.metric = ROUTE_METRIC_LAST,
		.interface_idx = gateway->interface_idx,
		.gateway = gateway->address,
	};

	add_own(next, &route);
}

/* What the configuration says, beside the kernel's. */
static void make_table(struct engine_config *next)
{
	for (uint8_t i = 0; i < next->interface_count; i++)
		if (!is_routed_by_kernel(next, i))
			add_links(next, i);
	for (unsigned g = 0; g < next->gateway_count; g++)
		if (!is_routed_by_kernel(next, next->gateways[g].interface_idx))
			add_gateway(next, &next->gateways[g]);
	route_table_end(&next->route_table);
}

/* ---- the ways of servers ---- */

static bool make_route(const struct engine_plan *p, struct engine_config *next, uint16_t server_idx)
{
	const struct endpoint *peer = &next->server_endpoints[server_idx];
	const struct route_ways ways = route_find(&next->route_table, &peer->address);
	struct engine_route *to = &next->routes[server_idx];

	to->way_count = 0;
	if (next->server_retired[server_idx])
		return true;
	for (uint8_t o = 0; o < next->outgoing_count; o++) {
		const struct engine_outgoing *out = &next->outgoing[o];
		const uint64_t peer_hash = inflight_peer_hash(p->words, o, peer);
		const struct route *way = route_pick(ways, out->interface_idx, peer_hash);
		uint16_t idx;

		if (out->retired || way == NULL ||
		    address_is_v4(&out->address) != address_is_v4(&peer->address))
			continue;
		idx = neighbour_of(p, next, out->interface_idx,
				   way->is_on_link ? &peer->address : &way->gateway);
		if (idx == UINT16_MAX)
			return false;
		CHECK(to->way_count < OUTGOING_MAX); /* no more are not retired */
		to->ways[to->way_count++] = (struct engine_way){o, idx, peer_hash};
	}
	return true;
}

/* Next hops: they are asked for whether or not anything goes there yet. Some more are no matter. */
static void warm_gateways(const struct engine_plan *p, struct engine_config *next)
{
	const struct route_table *t = &next->route_table;
	const struct route *before = NULL;
	unsigned left = ROUTE_GATEWAYS_WARM;

	for (unsigned i = 0; i < t->route_count && left > 0; i++) {
		const struct route *r = &t->routes[i];

		/* Most routes of a long list go the way of the one before. */
		if (r->is_on_link || (before != NULL && before->interface_idx == r->interface_idx &&
				      address_equal(&before->gateway, &r->gateway)))
			continue;
		left--;
		before = r;
		if (neighbour_of(p, next, r->interface_idx, &r->gateway) == UINT16_MAX)
			return;
	}
}

static bool make_routes(const struct engine_plan *p, struct engine_config *next)
{
	make_table(next);
	for (unsigned i = 0; i < next->gateway_count; i++)
		if (!is_routed_by_kernel(next, next->gateways[i].interface_idx) &&
		    neighbour_of(p, next, next->gateways[i].interface_idx,
				 &next->gateways[i].address) == UINT16_MAX)
			return false;
	for (uint16_t s = 0; s < next->server_count; s++)
		if (!make_route(p, next, s))
			return false;
	warm_gateways(p, next);
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
