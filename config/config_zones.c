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

/* ---- names that no zone has, if they are resolved from the root: a zone "." that is not in the list ---- */

static const struct name root = {.length_bytes = 1};

static bool iterates_root(const struct config *c)
{
	return c->mode == CONFIG_MODE_ITERATE && find_zone(c, &root) == NULL;
}

static bool shares_hint(const struct zone_cut *a, const struct zone_cut *b)
{
	for (unsigned i = 0; i < a->address_count; i++) {
		for (unsigned k = 0; k < b->address_count; k++) {
			if (endpoint_equal(&a->addresses[i].endpoint, &b->addresses[k].endpoint))
				return true;
		}
	}
	return false;
}

/* They were resolved from there, and now are not, or from another root. */
static bool root_moved(const struct config *running, const struct config *next)
{
	return iterates_root(running) &&
	       !(iterates_root(next) && shares_hint(&running->root_hints, &next->root_hints));
}

/* ---- all ---- */

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

		if (find_zone(running, zone) == NULL &&
		    (has_zone_above(running, zone) || iterates_root(running)))
			moved[count++] = zone;
	}
	/* A zone "." that has come is among them. */
	if (root_moved(running, next) && find_zone(next, &root) == NULL)
		moved[count++] = &root;
	return count;
}
