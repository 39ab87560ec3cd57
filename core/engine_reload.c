/* From one snapshot to the next, at the beginning of a turn. Indices stay what they are (engine_plan.h), so nothing under way
 * needs to be touched here: a resolution sees by its zone's generation that the list of servers is another
 * (resolution.h), a query that waits for a server that is gone is matched or times out as ever, and what has left from an
 * address that is gone is found by the look at all slots (engine_source.c) and asked again. */
#include "engine_state.h"

#include <string.h>

struct server_list engine_server_list(const struct engine_config *c)
{
	return (struct server_list){c->server_endpoints, c->server_health, c->server_retired,
				    c->server_count};
}

/* Whoever gets the place of a server that is gone begins anew. */
static void forget_latencies(struct engine *e, const struct engine_config *last)
{
	const struct engine_config *c = e->config;

	for (uint16_t i = 0; i < last->server_count; i++)
		if (!endpoint_equal(&last->server_endpoints[i], &c->server_endpoints[i]))
			memset(&e->server_latencies[i], 0, sizeof(e->server_latencies[i]));
}

static void listen_heads_make(struct engine *e)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->listen_count; i++)
		frame_head_init(&e->listen_heads[i], &c->interfaces[c->listen[i].interface_idx],
				&c->listen[i].endpoint.address);
}

void engine_reload(struct engine *e)
{
	const struct engine_config *last = e->followed_config;
	const struct server_list servers = engine_server_list(e->config);

	e->followed_config = e->config;
	server_table_follow(&e->servers, &servers, e->now);
	neighbour_follow(&e->neighbours, e->config->neighbours, e->config->neighbour_count, e->now);
	if (last != NULL)
		forget_latencies(e, last);
	engine_sources_reload(e, last);
	engine_route_reload(e);
	engine_stream_reload(e);
	listen_heads_make(e);
}
