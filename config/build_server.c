#include "address_class.h"
#include "build.h"

static bool same_family(const struct address *a, const struct address *b)
{
	return address_is_v4(a) == address_is_v4(b);
}

static bool has_gateway(const struct config_interface *i, const struct address *a)
{
	for (unsigned k = 0; k < i->gateway_count; k++)
		if (same_family(&i->gateways[k], a))
			return true;
	return false;
}

static bool is_on_link(const struct config_interface *i, const struct address *a)
{
	for (unsigned k = 0; k < i->address_count; k++)
		if (same_family(&i->addresses[k].address, a) &&
		    prefix_contains(&i->addresses[k], a))
			return true;
	return false;
}

static bool has_outgoing(const struct config *c, const struct address *a)
{
	for (unsigned i = 0; i < c->outgoing_count; i++)
		if (same_family(&c->outgoing[i].address, a))
			return true;
	return false;
}

/* Queries leave by the interface of their source address: that one must know the way. */
static bool is_reachable(const struct config *c, const struct address *a)
{
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct config_interface *via = &c->interfaces[c->outgoing[i].interface_idx];

		if (same_family(&c->outgoing[i].address, a) &&
		    (is_on_link(via, a) || has_gateway(via, a) || build_may_have_routes(via)))
			return true;
	}
	return false;
}

static bool is_listened_on(const struct config *c, const struct endpoint *e)
{
	for (unsigned i = 0; i < c->listen_count; i++)
		if (endpoint_equal(&c->listen[i].endpoint, e))
			return true;
	return false;
}

const char *build_server_fault(const struct build *b, const struct endpoint *e)
{
	const struct config *c = b->config;
	const char *fault = address_class_fault(&e->address);

	for (unsigned i = 0; fault == NULL && i < c->interface_count; i++)
		for (unsigned k = 0; fault == NULL && k < c->interfaces[i].address_count; k++)
			if (same_family(&c->interfaces[i].addresses[k].address, &e->address))
				fault = address_class_fault_in(&e->address,
							       &c->interfaces[i].addresses[k]);
	if (fault != NULL)
		return fault;
	if (is_listened_on(c, e))
		return "is our own listen address: questions would go in a circle";
	if (build_interface_of(c, &e->address) >= 0)
		return "is our own address: Portico cannot ask its own interface";
	return NULL;
}

const char *build_way_fault(const struct build *b, const struct endpoint *e)
{
	const struct config *c = b->config;

	if (b->outgoing_known && !has_outgoing(c, &e->address))
		return "has no outgoing address of its family";
	if (b->outgoing_known && b->gateways_known && !is_reachable(c, &e->address))
		return "cannot be reached: no interface with an outgoing address of its family has "
		       "it on its link, or a gateway of that family";
	return NULL;
}
