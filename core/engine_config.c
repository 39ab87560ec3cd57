#include "engine_config.h"

uint16_t engine_zone_for_any(const struct engine_config *c, const struct name *qname)
{
	uint16_t best = c->iterates ? ENGINE_ZONE_ITERATE : ENGINE_ZONE_NONE;
	unsigned best_bytes = 0;

	/* All that fit are ends of the same name: the longest in bytes has the most labels. */
	for (uint16_t i = 0; i < c->zone_count; i++) {
		const struct engine_zone *zone = &c->zones[i];

		if (zone->name.length_bytes <= best_bytes || zone->server_count == 0 ||
		    !name_is_below(qname, &zone->name))
			continue;
		best = i;
		best_bytes = zone->name.length_bytes;
	}
	return best;
}

bool engine_family_has_tcp(const struct engine_config *c, bool is_v4)
{
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct engine_outgoing *out = &c->outgoing[i];

		if (!out->retired && address_is_v4(&out->address) == is_v4 &&
		    (c->tcp_interfaces >> out->interface_idx & 1) != 0)
			return true;
	}
	return false;
}

bool engine_server_has_tcp(const struct engine_config *c, uint16_t server_idx)
{
	const struct engine_route *route = &c->routes[server_idx];

	for (unsigned i = 0; i < route->way_count; i++)
		if (engine_way_has_tcp(c, &route->ways[i]))
			return true;
	return false;
}
