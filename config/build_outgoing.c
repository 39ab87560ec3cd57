#include "address_class.h"
#include "build.h"

#define KEY "outgoing."

static bool outgoing_is_known(const struct config *c, const struct address *a)
{
	for (unsigned i = 0; i < c->outgoing_count; i++)
		if (address_equal(&c->outgoing[i].address, a))
			return true;
	return false;
}

static void outgoing_add(struct config *c, const struct address *a, int interface_idx)
{
	CHECK(c->outgoing_count < OUTGOING_MAX);
	c->outgoing[c->outgoing_count++] =
		(struct config_outgoing){.address = *a, .interface_idx = (uint8_t)interface_idx};
}

static void addresses_default(struct build *b, const struct setting *setting)
{
	struct config *c = b->config;

	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++) {
			const struct address *a = &c->interfaces[i].addresses[k].address;

			/* Servers beyond the link could not answer it. */
			if (address_class_is_link_local(a))
				continue;
			if (c->outgoing_count == OUTGOING_MAX) {
				settings_error(b->problems, &b->settings->top, setting, NULL,
					       "is missing, and the interfaces have more than %d "
					       "addresses: name those to send from",
					       OUTGOING_MAX);
				return;
			}
			outgoing_add(c, a, (int)i);
		}
	}
}

static void addresses_given(struct build *b, const struct setting *setting)
{
	const struct group *top = &b->settings->top;
	struct config *c = b->config;

	b->outgoing_known = b->addresses_known && !setting->broken;
	for (unsigned i = 0; i < setting->item_count; i++) {
		const struct item *item = &setting->items[i];
		const struct address *a = &item->as.address;
		int owner = build_interface_of(c, a);
		char text[TEXT_ADDRESS_BYTES];

		text_value_of_address(a, text);
		if (owner < 0) {
			b->outgoing_known = false;
			if (b->addresses_known)
				settings_error(b->problems, top, setting, item,
					       "%s is not an address of any interface", text);
		} else if (outgoing_is_known(c, a)) {
			settings_error(b->problems, top, setting, item, "%s is given twice", text);
		} else {
			outgoing_add(c, a, owner);
		}
	}
}

static void add_ranges(struct port_map *map, const struct setting *setting)
{
	for (unsigned i = 0; i < setting->item_count; i++)
		port_map_add(map, setting->items[i].as.ports.first,
			     setting->items[i].as.ports.last);
}

static void remove_ranges(struct port_map *map, const struct setting *setting)
{
	for (unsigned i = 0; i < setting->item_count; i++)
		port_map_remove(map, setting->items[i].as.ports.first,
				setting->items[i].as.ports.last);
}

static void remove_listen_ports(struct config *c)
{
	for (unsigned i = 0; i < c->listen_count; i++)
		if (outgoing_is_known(c, &c->listen[i].endpoint.address))
			port_map_remove(&c->ports, c->listen[i].endpoint.port,
					c->listen[i].endpoint.port);
}

static void build_ports(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *range = settings_find(top, KEY "range");
	const struct setting *exclude = settings_find(top, KEY "exclude");
	struct config *c = b->config;
	unsigned in_range, after_exclude, after_defaults, left;

	port_map_clear(&c->ports);
	add_ranges(&c->ports, range);
	in_range = port_map_count(&c->ports);
	remove_ranges(&c->ports, exclude);
	after_exclude = port_map_count(&c->ports);
	for (unsigned i = 0;
	     settings_bool(top, KEY "exclude_defaults") && i < port_exclusions_default_count; i++)
		port_map_remove(&c->ports, port_exclusions_default[i].first,
				port_exclusions_default[i].last);
	after_defaults = port_map_count(&c->ports);
	remove_listen_ports(c);
	left = port_map_count(&c->ports);
	if (left >= PORT_SET_SIZE_MIN || range->broken || exclude->broken)
		return;
	/* The setting that took the most of what was there is the one to look at. */
	settings_error(b->problems, top, in_range < 2 * PORT_SET_SIZE_MIN ? range : exclude, NULL,
		       "leaves %u source ports: %u in range, %u less by exclude, %u by the "
		       "defaults, %u by listen; fewer than %d is not available yet",
		       left, in_range, in_range - after_exclude, after_exclude - after_defaults,
		       after_defaults - left, PORT_SET_SIZE_MIN);
}

void build_outgoing(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *addresses = settings_find(top, KEY "addresses");
	struct config *c = b->config;

	b->outgoing_known = b->addresses_known;
	if (addresses->item_count > 0 || addresses->broken)
		addresses_given(b, addresses);
	else
		addresses_default(b, addresses);
	build_ports(b);
	c->late_ms = (uint32_t)settings_integer(top, KEY "late_ms");
	c->max_under_way = (uint32_t)settings_integer(top, KEY "max_under_way");
	c->case_randomization = settings_bool(top, KEY "case_randomization");
	c->edns_udp_size_bytes = (uint16_t)settings_integer(top, KEY "edns_udp_size");
}
