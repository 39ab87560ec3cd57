#include "config_zones.h"

static const struct config_forward *find_zone(const struct config *c, const struct name *zone)
{
	for (unsigned i = 0; i < c->forward_count; i++) {
		if (name_equal(&c->forwards[i].zone, zone))
			return &c->forwards[i];
	}
	return NULL;
}

static bool has_zone_above(const struct config *c, const struct name *zone)
{
	for (unsigned i = 0; i < c->forward_count; i++) {
		if (name_is_below(zone, &c->forwards[i].zone))
			return true;
	}
	return false;
}

static bool shares_server(const struct config_forward *a, const struct config_forward *b)
{
	for (unsigned i = 0; i < a->server_count; i++) {
		for (unsigned k = 0; k < b->server_count; k++) {
			if (endpoint_equal(&a->servers[i], &b->servers[k]))
				return true;
		}
	}
	return false;
}

unsigned config_zones_moved(const struct config *running, const struct config *next,
			    const struct name *moved[CONFIG_ZONES_MOVED_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < running->forward_count; i++) {
		const struct config_forward *before = &running->forwards[i];
		const struct config_forward *now = find_zone(next, &before->zone);

		if (now == NULL || !shares_server(before, now))
			moved[count++] = &before->zone;
	}
	for (unsigned i = 0; i < next->forward_count; i++) {
		const struct name *zone = &next->forwards[i].zone;

		if (find_zone(running, zone) == NULL && has_zone_above(running, zone))
			moved[count++] = zone;
	}
	return count;
}
