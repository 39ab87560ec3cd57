#include "address_class.h"
#include "build.h"

#define KEY "outgoing."

static struct prefix outgoing_prefix(const struct config_outgoing *o)
{
	return (struct prefix){.address = o->address, .bits = o->prefix_bits};
}

static bool overlap(const struct prefix *a, const struct prefix *b)
{
	return a->bits <= b->bits ? prefix_contains(a, &b->address)
				  : prefix_contains(b, &a->address);
}

static void outgoing_add(struct config *c, const struct prefix *p, int interface_idx)
{
	CHECK(c->outgoing_count < OUTGOING_MAX);
	c->outgoing[c->outgoing_count++] =
		(struct config_outgoing){.address = p->address,
					 .prefix_bits = p->bits,
					 .interface_idx = (uint8_t)interface_idx};
}

static void addresses_default(struct build *b, const struct setting *setting)
{
	struct config *c = b->config;

	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++) {
			const struct prefix p = {.address = c->interfaces[i].addresses[k].address,
						 .bits = ADDRESS_BITS};

			/* Servers beyond the link could not answer it. */
			if (address_class_is_link_local(&p.address))
				continue;
			if (c->outgoing_count == OUTGOING_MAX) {
				settings_error(b->problems, &b->settings->top, setting, NULL,
					       "is missing, and the interfaces have more than %d "
					       "addresses: name those to send from",
					       OUTGOING_MAX);
				return;
			}
			outgoing_add(c, &p, (int)i);
		}
	}
}

static bool has_gateway_v6(const struct config_interface *i)
{
	for (unsigned k = 0; k < i->gateway_count; k++)
		if (!address_is_v4(&i->gateways[k]))
			return true;
	return false;
}

/* The interface that a prefix to send from belongs to: the one whose network is the closest around or within it, else
 * the only one, if a gateway there can route the prefix to it; -1: none. */
static int interface_of_prefix(const struct config *c, const struct prefix *p)
{
	int best = -1;
	uint8_t best_bits = 0;

	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++) {
			const struct prefix *own = &c->interfaces[i].addresses[k];

			if (address_is_v4(&own->address) || !overlap(own, p))
				continue;
			if (best < 0 || own->bits > best_bits) {
				best = (int)i;
				best_bits = own->bits;
			}
		}
	}
	if (best < 0 && c->interface_count == 1 &&
	    (has_gateway_v6(&c->interfaces[0]) || build_may_have_routes(&c->interfaces[0])))
		best = 0;
	return best;
}

/* What is wrong with a prefix to send from, NULL: nothing. */
static const char *prefix_fault(const struct prefix *p)
{
	const char *fault = address_class_fault(&p->address);

	if (fault == NULL && address_class_is_link_local(&p->address))
		fault = "is link-local: servers beyond the link could not answer";
	return fault;
}

/* Its interface, or -1: it has none, and that was said. */
static int owner_of(struct build *b, const struct setting *setting, const struct item *item,
		    const struct prefix *p)
{
	const struct group *top = &b->settings->top;
	bool is_prefix = p->bits < ADDRESS_BITS;
	int owner = is_prefix ? interface_of_prefix(b->config, p)
			      : build_interface_of(b->config, &p->address);
	char text[TEXT_ADDRESS_BYTES];

	if (owner >= 0 || !b->addresses_known || (is_prefix && !b->gateways_known))
		return owner;
	if (is_prefix)
		settings_error(
			b->problems, top, setting, item,
			"%s belongs to no interface: none has an address in it, a network "
			"around it, or, as the only interface, an IPv6 gateway that routes it "
			"here; add such an address to interfaces[].addresses",
			text_value_of_prefix(p, text));
	else
		settings_error(b->problems, top, setting, item,
			       "%s is not an address of any interface; add it to "
			       "interfaces[].addresses",
			       text_value_of_address(&p->address, text));
	return owner;
}

/* Is it, or a part of it, among those before? Then that was said. */
static bool is_repeated(struct build *b, const struct setting *setting, const struct item *item,
			const struct prefix *p)
{
	const struct config *c = b->config;
	char text[TEXT_ADDRESS_BYTES], other_text[TEXT_ADDRESS_BYTES];

	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct prefix other = outgoing_prefix(&c->outgoing[i]);

		if (!overlap(&other, p))
			continue;
		build_outgoing_text(&c->outgoing[i], other_text);
		if (p->bits == other.bits)
			settings_error(b->problems, &b->settings->top, setting, item,
				       "%s is given twice", other_text);
		else
			settings_error(b->problems, &b->settings->top, setting, item,
				       "%s overlaps %s, which is given too: leave out one of them",
				       p->bits == ADDRESS_BITS
					       ? text_value_of_address(&p->address, text)
					       : text_value_of_prefix(p, text),
				       other_text);
		return true;
	}
	return false;
}

static void address_given(struct build *b, const struct setting *setting, const struct item *item)
{
	const struct group *top = &b->settings->top;
	struct prefix p = item->as.prefix;
	char text[TEXT_ADDRESS_BYTES], taken[TEXT_ADDRESS_BYTES];
	int owner;

	if (address_class_clear_host_bits(&p))
		settings_warning(b->problems, top, setting, item,
				 "%s has host bits set, taken as %s",
				 text_value_of_prefix(&item->as.prefix, text),
				 text_value_of_prefix(&p, taken));
	if (p.bits < ADDRESS_BITS && prefix_fault(&p) != NULL) {
		settings_error(b->problems, top, setting, item, "%s %s",
			       text_value_of_prefix(&p, text), prefix_fault(&p));
		b->outgoing_known = false;
		return;
	}
	owner = owner_of(b, setting, item, &p);
	if (owner < 0)
		b->outgoing_known = false;
	else if (!is_repeated(b, setting, item, &p))
		outgoing_add(b->config, &p, owner);
}

static void addresses_given(struct build *b, const struct setting *setting)
{
	b->outgoing_known = b->addresses_known && !setting->broken;
	for (unsigned i = 0; i < setting->item_count; i++)
		address_given(b, setting, &setting->items[i]);
}

const char *build_outgoing_text(const struct config_outgoing *o, char out[TEXT_ADDRESS_BYTES])
{
	const struct prefix p = outgoing_prefix(o);

	return p.bits == ADDRESS_BITS ? text_value_of_address(&p.address, out)
				      : text_value_of_prefix(&p, out);
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
	c->late_ms = (uint32_t)settings_integer(top, KEY "late_ms");
	c->max_under_way = (uint32_t)settings_integer(top, KEY "max_under_way");
	c->case_randomization = settings_bool(top, KEY "case_randomization");
	c->edns_udp_size_bytes = (uint16_t)settings_integer(top, KEY "edns_udp_size");
}
