/* The world that the rig begins with: one interface, two gateways, four servers, everybody allowed. */
#include <arpa/inet.h>

#include "core/frame.h"
#include "core/limits.h"
#include "engine_rig.h"

#define RIG_CLIENT_PORT 40000

/* ---- addresses ---- */

struct address rig_address(const char *text)
{
	struct address a;
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		return address_from_v4(v4);
	CHECK(inet_pton(AF_INET6, text, a.bytes) == 1);
	return a;
}

struct mac rig_mac(uint8_t last)
{
	return (struct mac){{0x02, 0, 0, 0, 0xcc, last}};
}

struct endpoint rig_client(enum rig_family family, uint16_t client, uint16_t port)
{
	struct endpoint e = {rig_address(family == RIG_V4 ? "10.1.0.0" : "2001:4860:1::"),
			     port != 0 ? port : RIG_CLIENT_PORT};

	e.address.bytes[14] = (uint8_t)(client >> 8);
	e.address.bytes[15] = (uint8_t)client;
	return e;
}

/* ---- the engine's configuration ---- */

static void config_default(struct rig *r)
{
	static const char *const servers[RIG_SERVER_COUNT] = {
		[RIG_SERVER_V4_LINK] = "198.18.0.10",
		[RIG_SERVER_V4_FAR] = "203.0.113.11",
		[RIG_SERVER_V6_LINK] = "2001:2:0:1::10",
		[RIG_SERVER_V6_FAR] = "2001:4860::11",
	};
	static const int all[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, RIG_SERVER_V6_LINK,
				  RIG_SERVER_V6_FAR, -1};
	struct engine_config *c = &r->config;
	struct frame_interface *interface = &c->interfaces[0];
	struct prefix own[2] = {{rig_address("198.18.0.53"), RIG_V4_LINK_BITS},
				{rig_address("2001:2:0:1::53"), RIG_V6_LINK_BITS}};

	c->interface_count = 1;
	interface->mac = (struct mac){{0x02, 0, 0, 0, 0, 0x53}};
	interface->vlan = FRAME_VLAN_NONE;
	interface->mtu_bytes = 1500;
	interface->address_count = 2;
	interface->link_local = frame_link_local(&interface->mac);
	c->gateway_count = 2;
	c->gateways[0] = (struct engine_gateway){rig_address("198.18.0.1"), 0};
	c->gateways[1] = (struct engine_gateway){rig_address("2001:2:0:1::1"), 0};
	c->listen_count = 2;
	c->outgoing_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		interface->addresses[i] = own[i];
		c->listen[i] = (struct engine_listen){{own[i].address, DNS_PORT}, 0};
		c->outgoing[i] =
			(struct engine_outgoing){own[i].address, 128, 0, false, &r->source_now[i]};
	}
	c->source_generation = &r->source_generation;
	c->allow_count = 2;
	c->allow[0] = (struct prefix){rig_address("::"), 0};
	c->allow[1] = (struct prefix){rig_address("0.0.0.0"), 96};
	c->server_count = RIG_SERVER_COUNT;
	for (unsigned i = 0; i < RIG_SERVER_COUNT; i++) {
		c->server_endpoints[i] = (struct endpoint){rig_address(servers[i]), DNS_PORT};
		c->server_health[i] = (struct server_health){1000, 1, 3};
	}
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, all);
	CHECK(name_from_text(".", &c->health_name));
	c->edns_udp_size_bytes = EDNS_UDP_BYTES;
	c->case_randomization = true;
	c->late_ms = 3000;
	c->cache = (struct engine_cache_config){.max_ttl_s = 86400,
						.negative_max_ttl_s = 3600,
						.failure_ttl_s = 5,
						.max_stale_s = 86400,
						.client_timeout_ms = 1800};
}

void rig_zone(struct rig *r, unsigned idx, const char *name, enum server_policy policy,
	      const int servers[])
{
	struct engine_zone *zone = &r->config.zones[idx];

	*zone = (struct engine_zone){.policy = (uint8_t)policy,
				     .recursion_desired = true,
				     .timeout_ms = 800,
				     .tries = 3};
	CHECK(name_from_text(name, &zone->name));
	for (; servers[zone->server_count] >= 0; zone->server_count++)
		zone->servers[zone->server_count] = (uint16_t)servers[zone->server_count];
	if (r->config.zone_count <= idx)
		r->config.zone_count = (uint16_t)(idx + 1);
}

/* ---- its neighbours ---- */

static void hosts_default(struct rig *r)
{
	static const char *const addresses[RIG_HOSTS] = {
		[RIG_HOST_GATEWAY_V4] = "198.18.0.1",
		[RIG_HOST_GATEWAY_V6] = "2001:2:0:1::1",
		[RIG_HOST_V4] = "198.18.0.10",
		[RIG_HOST_V6] = "2001:2:0:1::10",
	};

	for (unsigned i = 0; i < RIG_HOSTS; i++) {
		struct address a = rig_address(addresses[i]);

		r->hosts[i] = (struct rig_host){
			.address = {a, address_is_v4(&a) ? RIG_V4_LINK_BITS : RIG_V6_LINK_BITS},
			.mac = {{0x02, 0, 0, 0, 0xaa, (uint8_t)i}},
			.alive = true,
		};
	}
}

void rig_world_default(struct rig *r)
{
	config_default(r);
	hosts_default(r);
}
