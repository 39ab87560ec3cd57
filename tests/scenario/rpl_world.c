/* The world that a scenario is played on: engines that are configured as it wants them. */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/root_hints.h"
#include "rpl.h"
#include "tests/sim/world.h"

#define CLIENT_PORT 40000
#define CLIENT_STAND_IN "198.19.254.0"

static void set_hints(const struct rpl_zone *zone, struct engine_config *c)
{
	struct name name;

	CHECK(name_from_text(".", &name));
	zone_cut_init(&c->root_hints, &name, ZONE_CUT_HINTS, UINT32_MAX);
	for (unsigned i = 0; i < zone->server_count && i < ZONE_CUT_SERVERS_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%c.root-servers.net.", (char)('a' + i));
		CHECK(name_from_text(text, &name));
		CHECK(zone_cut_add_server(&c->root_hints, &name));
		/* Whoever is named twice is there already. */
		(void)!zone_cut_add_address(&c->root_hints, &zone->servers[i], i);
	}
}

static void set_zones(struct rpl_file *f, struct world *w)
{
	struct engine_config *c = w->config;
	bool forwards_all = false;
	bool has_hints = false;
	unsigned servers = 0;

	for (struct rpl_zone *z = f->config.zones; z != NULL; z = z->next) {
		struct engine_zone zone = {.recursion_desired = !z->is_stub,
					   .timeout_ms = 800,
					   .tries = 3,
					   .transport = z->by_tcp ? ZONE_TRANSPORT_TCP
								  : ZONE_TRANSPORT_AUTO};

		servers += z->server_count;
		if (servers > WORLD_SERVERS)
			rpl_stop(f, RPL_SKIP, "line %u: config: too many servers", z->line);
		if (!name_from_text(z->name, &zone.name))
			rpl_stop(f, RPL_SKIP, "line %u: config: no name: %.200s", z->line, z->name);
		name_lower(&zone.name, &zone.name);
		if (z->is_stub && zone.name.length_bytes == 1) {
			set_hints(z, c);
			has_hints = true;
			continue;
		}
		forwards_all = forwards_all || zone.name.length_bytes == 1;
		world_zone(w, &zone, z->servers, z->server_count);
	}
	c->iterates = !forwards_all;
	if (!has_hints)
		root_hints_builtin(&c->root_hints);
}

/* Clients on the loopback interface, as scenarios have them, would be no guests on a wire. */
struct endpoint rpl_client(const struct rpl_step *s)
{
	static const uint8_t loopback[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
	struct endpoint client = {.port = CLIENT_PORT};

	CHECK(world_address(CLIENT_STAND_IN, &client.address));
	client.address.bytes[ADDRESS_BYTES - 1] = 1;
	if (!s->has_address || memcmp(s->address.bytes, loopback, ADDRESS_BYTES) == 0)
		return client;
	if (address_is_v4(&s->address) && s->address.bytes[ADDRESS_V4_OFFSET] == 127)
		client.address.bytes[ADDRESS_BYTES - 1] = s->address.bytes[ADDRESS_BYTES - 1];
	else
		client.address = s->address;
	return client;
}

/* By the longest prefix that has it; who is in none may ask if he is on the loopback interface. */
static bool may_ask(const struct rpl_access *rules, const struct rpl_step *s)
{
	struct address client;
	unsigned longest = 0;
	bool is_allowed;

	CHECK(world_address("127.0.0.1", &client));
	if (s->has_address)
		client = s->address;
	is_allowed = address_is_v4(&client) && client.bytes[ADDRESS_V4_OFFSET] == 127;
	for (const struct rpl_access *rule = rules; rule != NULL; rule = rule->next)
		if (rule->clients.bits >= longest && prefix_contains(&rule->clients, &client)) {
			longest = rule->clients.bits;
			is_allowed = rule->is_allowed;
		}
	return is_allowed;
}

/* The clients that there are, one by one: rules of longest prefixes are none of the engine's. */
static void set_access(const struct rpl_file *f, struct engine_config *c)
{
	if (f->config.access == NULL)
		return;
	c->allow_count = 0;
	for (unsigned i = 0; i < f->step_count; i++) {
		const struct rpl_step *s = &f->steps[i];

		if (s->kind == RPL_STEP_QUERY && c->allow_count < ALLOW_PREFIXES_MAX &&
		    may_ask(f->config.access, s))
			c->allow[c->allow_count++] =
				(struct prefix){rpl_client(s).address, ADDRESS_BITS};
	}
}

static void set_families(const struct rpl_file *f, struct engine_config *c)
{
	if (f->config.no_ip4)
		c->outgoing[0] = c->outgoing[1];
	if (f->config.no_ip4 || f->config.no_ip6)
		c->outgoing_count = 1;
}

struct world *rpl_world_new(struct rpl_file *f, const struct rpl_options *options)
{
	const struct rpl_config *c = &f->config;
	struct world_params params = {.engine_count = options->workers,
				      .seed = options->seed,
				      .carries = true,
				      .is_dirty = true,
				      .checks = true,
				      .wall_s = c->wall_s};
	struct engine_config *config;
	struct world *w;

	w = world_new(&params);
	config = w->config;
	CHECK(name_from_text(RPL_PROBE_NAME, &config->health_name));
	config->case_randomization = c->case_randomization;
	config->asks_whole_names = !c->minimises;
	if (c->udp_size_bytes > 0 && c->udp_size_bytes < EDNS_UDP_BYTES)
		config->edns_udp_size_bytes = (uint16_t)c->udp_size_bytes;
	config->cache = (struct engine_cache_config){.min_ttl_s = c->min_ttl_s,
						     .max_ttl_s = c->max_ttl_s,
						     .negative_max_ttl_s = c->negative_max_ttl_s,
						     .failure_ttl_s = c->failure_ttl_s,
						     .serve_stale = c->serve_stale,
						     .prefetch = c->prefetch,
						     .round_robin = c->round_robin,
						     .max_stale_s = c->max_stale_s,
						     .client_timeout_ms = c->client_timeout_ms};
	set_families(f, config);
	set_access(f, config);
	set_zones(f, w);
	world_start(w);
	return w;
}
