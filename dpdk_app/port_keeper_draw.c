#include "dpdk_app/port_keeper_state.h"

#include <string.h>

#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/port_floor.h"

/* A reply may come until its client's deadline has passed and the query has been late for late_ms. */
#define KEEP_MARGIN_MS 1000
/* With reserve_in_kernel, so many of the kernel's ephemeral ports are left to it in any case (half of them at most): without
 * any, no process of this machine could open a connection. */
#define EPHEMERAL_LEFT_MIN 4096
/* Tries to find an identifier that is nobody's: in the smallest prefix half of them may be taken. */
#define IDENTIFIER_TRIES 256

static mono_ns keep_ns(const struct port_keeper *k)
{
	return (CLIENT_DEADLINE_MS + k->config->late_ms + KEEP_MARGIN_MS) * NS_PER_MS;
}

/* ---- plans ---- */

/* Would what we reserve leave the kernel enough? Replies to what was drawn before are taken for a while, so that is reserved
 * too. */
static bool leaves_enough(const struct port_keeper *k, const struct config_ports *settings,
			  uint32_t ephemeral_count, uint32_t left_min)
{
	uint64_t sets = 2 + keep_ns(k) / (settings->rotate_s * NS_PER_S);
	uint64_t most = sets * settings->pool_size * k->address_count;

	return settings->send_port != 0 ||
	       (settings->pool_size != 0 && most + left_min <= ephemeral_count);
}

/* Of the kernel's ephemeral ports, those that are not for us. */
static void left_to_kernel(const struct port_keeper *k, const struct config_ports *settings,
			   struct port_map *out)
{
	uint32_t count, left_min;

	*out = k->ephemeral;
	if (!settings->reserve_in_kernel)
		return;
	/* What others have reserved is of no use to the kernel. */
	port_map_subtract(out, &k->reserved);
	count = port_map_count(out);
	left_min = count / 2 < EPHEMERAL_LEFT_MIN ? count / 2 : EPHEMERAL_LEFT_MIN;
	if (leaves_enough(k, settings, count, left_min))
		left_min = 0;
	/* The highest of them stay. */
	for (uint32_t port = 0; count > left_min; port++) {
		if (!port_map_has(out, (uint16_t)port))
			continue;
		port_map_remove(out, (uint16_t)port, (uint16_t)port);
		count--;
	}
}

void port_keeper_draw_plan(const struct port_keeper *k, const struct kept_address *a,
			   const struct config_ports *settings, struct port_plan *plan,
			   struct port_map *listen)
{
	struct port_rules rules =
		config_port_rules(k->config, (unsigned)(a - k->addresses), listen);
	bool respects = settings->respect_kernel && a->shared;
	struct port_map ephemeral;

	rules.exclude_defaults = settings->exclude_defaults;
	rules.range = &settings->range;
	rules.exclude = &settings->exclude;
	left_to_kernel(k, settings, &ephemeral);
	if (respects || settings->reserve_in_kernel)
		rules.ephemeral = &ephemeral;
	if (respects) {
		rules.reserved = &k->reserved;
		rules.held = &a->held;
	}
	port_plan_make(plan, &rules);
}

/* ---- ports ---- */

/* Replies to these come for a while. */
static void retire(struct port_keeper *k, struct kept_address *a, const struct port_map *ports,
		   mono_ns now)
{
	struct kept_retired *last;

	if (port_map_is_empty(ports))
		return;
	if (a->retired_count < KEPT_RETIRED_MAX) {
		last = &a->retired[a->retired_count++];
		port_map_clear(&last->ports);
	} else {
		last = &a->retired[KEPT_RETIRED_MAX - 1];
	}
	port_map_unite(&last->ports, ports);
	last->until = now + keep_ns(k);
}

static void collect_accept(struct kept_address *a)
{
	struct port_map accept = a->drawn;

	for (unsigned i = 0; i < a->retired_count; i++)
		port_map_unite(&accept, &a->retired[i].ports);
	a->changed = a->changed || !port_map_equal(&accept, &a->accept);
	a->accept = accept;
}

/* Ports that a process holds are out of everything, but for those that are drawn all the same. */
static void yield(struct kept_address *a)
{
	struct port_map taken = a->accept;

	port_map_intersect(&taken, &a->held);
	port_map_subtract(&taken, &a->drawn);
	for (unsigned i = 0; i < a->retired_count; i++)
		port_map_subtract(&a->retired[i].ports, &taken);
	port_map_intersect(&a->yielded, &a->held);
	port_map_subtract(&a->yielded, &a->drawn);
	port_map_unite(&a->yielded, &taken);
}

static void replace_drawn(struct port_keeper *k, struct kept_address *a,
			  const struct port_map *drawn, mono_ns now)
{
	struct port_map replaced = a->drawn;
	bool is_small = port_map_count(drawn) < SOURCE_SET_SMALL;

	port_map_subtract(&replaced, drawn);
	port_map_subtract(&replaced, &a->held);
	a->changed = a->changed || !port_map_equal(&a->drawn, drawn);
	a->drawn = *drawn;
	retire(k, a, &replaced, now);
	yield(a);
	collect_accept(a);
	if (a->current->ports.port_count > 0 && a->current->is_small != is_small)
		a->other_kind_until = now + keep_ns(k);
}

/* Which of those drawn the kernel's word is against. */
static void note_kept(struct kept_address *a, const struct port_floor_supply *supply)
{
	struct port_map kept_held = a->drawn;

	a->kept = a->drawn;
	port_map_subtract(&a->kept, &supply->eligible);
	port_map_intersect(&kept_held, &supply->held);
	if (port_map_is_empty(&a->kept))
		a->kept_kind = KEPT_NONE;
	else
		a->kept_kind = port_map_is_empty(&kept_held) ? KEPT_SPOKEN_FOR : KEPT_HELD;
}

bool port_keeper_draw_ports(struct port_keeper *k, struct kept_address *a, enum port_draw how,
			    mono_ns now)
{
	static const struct port_map none;
	const uint32_t pool_size = k->settings.send_port != 0 ? 0 : k->settings.pool_size;
	struct port_floor_supply supply;
	struct port_map drawn;
	bool ok = false;

	/* Both blocks are full, or what is left of one and the other. */
	if (entropy_feed_fill(&k->entropy) != ENTROPY_FEED_OK)
		return false;
	a->reached = port_floor_reached(&a->plan, a->reached);
	a->floor = port_floor(&a->plan, pool_size, a->reached);
	port_floor_supply(&a->plan, &a->held, &supply);
	switch (how) {
	case PORT_DRAW_FRESH:
		ok = port_floor_draw(&supply, &none, pool_size == 0 ? PORT_COUNT : pool_size,
				     a->floor, &k->entropy, &drawn);
		break;
	case PORT_DRAW_KEEPING:
		ok = port_floor_draw(&supply, &a->drawn, pool_size == 0 ? PORT_COUNT : pool_size,
				     a->floor, &k->entropy, &drawn);
		break;
	}
	if (!ok)
		return false;
	replace_drawn(k, a, &drawn, now);
	note_kept(a, &supply);
	return true;
}

/* ---- interface identifiers ---- */

static bool is_server(const struct config *c, const struct address *address)
{
	for (unsigned f = 0; f < c->forward_count; f++) {
		for (unsigned s = 0; s < c->forwards[f].server_count; s++) {
			if (address_equal(&c->forwards[f].servers[s].address, address))
				return true;
		}
	}
	for (unsigned i = 0; i < c->root_hints.address_count; i++) {
		if (address_equal(&c->root_hints.addresses[i].endpoint.address, address))
			return true;
	}
	return false;
}

/* On our interfaces, a gateway, a server or the kernel's own: not to be taken by chance. */
static bool is_somebodys(const struct port_keeper *k, const struct address *address)
{
	const struct prefix one = {.address = *address, .bits = ADDRESS_BITS};
	const struct config *c = k->config;

	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned n = 0; n < c->interfaces[i].address_count; n++) {
			if (address_equal(&c->interfaces[i].addresses[n].address, address))
				return true;
		}
		for (unsigned n = 0; n < c->interfaces[i].gateway_count; n++) {
			if (address_equal(&c->interfaces[i].gateways[n], address))
				return true;
		}
	}
	return is_server(c, address) || kernel_addresses_any(&k->kernel_addresses, &one);
}

static bool is_among(const uint64_t list[], unsigned count, uint64_t identifier)
{
	for (unsigned i = 0; i < count; i++) {
		if (list[i] == identifier)
			return true;
	}
	return false;
}

/* A random one that is in no list yet. 0: none found. */
static uint64_t draw_identifier(const struct port_keeper *k, const struct kept_address *a,
				const uint64_t drawn[], unsigned drawn_count)
{
	const struct config_outgoing *o = a->outgoing;

	for (unsigned try = 0; try < IDENTIFIER_TRIES; try++) {
		uint64_t random, identifier;
		struct address address;

		if (entropy_feed_key(&random, sizeof(random)) != ENTROPY_FEED_OK)
			return 0;
		address = source_address(&o->address, o->prefix_bits, random);
		identifier = source_identifier_of(&address);
		/* The prefix itself is all routers' (RFC 4291 section 2.6.1). */
		if (identifier == 0 || address_equal(&address, &o->address) ||
		    is_among(drawn, drawn_count, identifier) ||
		    is_among(a->live, a->live_count, identifier) ||
		    is_among(a->retiring, a->retiring_count, identifier) ||
		    is_somebodys(k, &address))
			continue;
		return identifier;
	}
	return 0;
}

bool port_keeper_draw_identifiers(struct port_keeper *k, struct kept_address *a, mono_ns now)
{
	static_assert(2 * SOURCE_IDENTIFIERS_MAX <= SOURCE_IDENTIFIER_PLACES / 2,
		      "live and retiring ones have a place each");
	uint64_t drawn[SOURCE_IDENTIFIERS_MAX];
	uint16_t count = 0;

	/* Those that were replaced last must be through first. */
	if (a->outgoing->prefix_bits == ADDRESS_BITS || a->retiring_count > 0)
		return true;
	while (count < k->settings.v6_identifiers) {
		uint64_t identifier = draw_identifier(k, a, drawn, count);

		if (identifier == 0)
			break;
		drawn[count++] = identifier;
	}
	if (count == 0)
		return false;
	memcpy(a->retiring, a->live, a->live_count * sizeof(a->live[0]));
	a->retiring_count = a->live_count;
	a->retiring_until = now + keep_ns(k);
	memcpy(a->live, drawn, count * sizeof(drawn[0]));
	a->live_count = count;
	a->changed = true;
	return true;
}

/* ---- time, and the set ---- */

void port_keeper_draw_expire(struct kept_address *a, mono_ns now)
{
	unsigned gone = 0;

	while (gone < a->retired_count && a->retired[gone].until <= now)
		gone++;
	if (gone > 0) {
		a->retired_count -= gone;
		memmove(a->retired, a->retired + gone, a->retired_count * sizeof(a->retired[0]));
		collect_accept(a);
	}
	if (a->retiring_count > 0 && a->retiring_until <= now) {
		a->retiring_count = 0;
		a->changed = true;
	}
	if (a->current->was_other_kind && a->other_kind_until <= now)
		a->changed = true;
}

void port_keeper_draw_build(const struct kept_address *a, struct source_set *out, mono_ns now)
{
	source_set_init(out, &a->drawn);
	source_set_keep(out, &a->accept);
	source_set_withhold(out, &a->eligible);
	out->was_other_kind = now < a->other_kind_until;
	/* There is a place for each, and none is there twice. */
	for (unsigned i = 0; i < a->live_count; i++)
		CHECK(source_set_add_identifier(out, a->live[i], SOURCE_LIVE));
	for (unsigned i = 0; i < a->retiring_count; i++)
		CHECK(source_set_add_identifier(out, a->retiring[i], SOURCE_RETIRING));
}

bool port_keeper_draw_rotates(const struct port_keeper *k, const struct kept_address *a)
{
	return a->outgoing->prefix_bits < ADDRESS_BITS ||
	       (k->settings.send_port == 0 && k->settings.pool_size != 0 &&
		k->settings.pool_size < a->plan.counts[PORT_ELIGIBLE]);
}
