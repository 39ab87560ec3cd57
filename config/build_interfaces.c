#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address_class.h"
#include "build.h"
#include "core/frame.h"

#define MTU_V6_MIN 1280 /* RFC 8200 section 5 */
#define PCI_DOMAIN "0000:"

int build_interface_of(const struct config *c, const struct address *a)
{
	for (unsigned i = 0; i < c->interface_count; i++)
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++)
			if (address_equal(&c->interfaces[i].addresses[k].address, a))
				return (int)i;
	return -1;
}

static void build_name(struct build *b, const struct group *g, unsigned idx)
{
	struct config *c = b->config;
	const struct setting *name = settings_find(g, "name");
	char preset[16];

	snprintf(preset, sizeof(preset), "net%u", idx);
	c->interfaces[idx].name =
		build_text_copy(name->item_count > 0 ? name->items[0].as.text : preset);
	for (unsigned before = 0; before < idx; before++)
		if (strcmp(c->interfaces[before].name, c->interfaces[idx].name) == 0)
			settings_error(b->problems, g, name, NULL,
				       "\"%s\" is already the name of interfaces[%u]",
				       c->interfaces[idx].name, before);
}

/* The part that DPDK knows a device by: without arguments, and a PCI address without its domain 0000. */
static size_t device_id(const char *device, const char **id)
{
	size_t domain_bytes = strlen(PCI_DOMAIN);

	*id = strncmp(device, PCI_DOMAIN, domain_bytes) == 0 ? device + domain_bytes : device;
	return strcspn(*id, ",");
}

static void build_device(struct build *b, const struct group *g, unsigned idx)
{
	struct config *c = b->config;
	const struct setting *setting = settings_find(g, "device");
	const struct item *item = settings_item(g, "device");
	char quote[PROBLEMS_QUOTE_BYTES];
	const char *own, *other;
	size_t own_bytes;

	c->interfaces[idx].device = build_text_copy(item != NULL ? item->as.text : "");
	c->interfaces[idx].line = item != NULL ? item->place.line : g->place.line;
	c->interfaces[idx].column = item != NULL ? item->place.column : g->place.column;
	if (item == NULL)
		return;
	if (strpbrk(item->as.text, " \t") != NULL)
		settings_error(b->problems, g, setting, item,
			       "\"%s\" has a space, allowed: a PCI address such as 0000:3b:00.0 or "
			       "a DPDK device string such as net_af_packet0,iface=eth0",
			       problems_quote(quote, item->as.text, strlen(item->as.text)));
	own_bytes = device_id(c->interfaces[idx].device, &own);
	for (unsigned before = 0; before < idx; before++)
		if (device_id(c->interfaces[before].device, &other) == own_bytes &&
		    strncasecmp(own, other, own_bytes) == 0)
			settings_error(b->problems, g, setting, item,
				       "\"%s\" is already the device of interfaces[%u]: number "
				       "virtual devices, as in net_af_packet0, net_af_packet1",
				       problems_quote(quote, own, own_bytes), before);
}

static bool address_is_fit(struct build *b, const struct group *g, const struct setting *setting,
			   const struct item *item)
{
	const struct prefix *prefix = &item->as.prefix;
	const char *fault = address_class_fault(&prefix->address);
	char text[TEXT_ADDRESS_BYTES];
	int owner = build_interface_of(b->config, &prefix->address);

	if (fault == NULL)
		fault = address_class_fault_in(&prefix->address, prefix);
	if (fault != NULL)
		settings_error(b->problems, g, setting, item, "%s %s",
			       text_value_of_prefix(prefix, text), fault);
	else if (owner >= 0)
		settings_error(b->problems, g, setting, item,
			       "%s is given twice, first to interfaces[%d]",
			       text_value_of_address(&prefix->address, text), owner);
	return fault == NULL && owner < 0;
}

static void build_addresses(struct build *b, const struct group *g, struct config_interface *i)
{
	const struct setting *setting = settings_find(g, "addresses");

	for (unsigned k = 0; k < setting->item_count; k++) {
		if (address_is_fit(b, g, setting, &setting->items[k]))
			i->addresses[i->address_count++] = setting->items[k].as.prefix;
		else
			b->addresses_known = false;
	}
	if (setting->broken || !setting->given)
		b->addresses_known = false;
	else if (setting->item_count == 0)
		settings_error(b->problems, g, setting, NULL,
			       "is empty, allowed: addresses such as 192.0.2.53/24");
}

static bool is_on_link(const struct config_interface *i, const struct address *a)
{
	for (unsigned k = 0; k < i->address_count; k++)
		if (prefix_contains(&i->addresses[k], a) &&
		    address_is_v4(&i->addresses[k].address) == address_is_v4(a))
			return true;
	return false;
}

/* What is wrong with a gateway, NULL: nothing. */
static const char *gateway_fault(const struct build *b, const struct config_interface *i,
				 const struct address *a)
{
	const char *fault = address_class_fault(a);

	for (unsigned k = 0; fault == NULL && k < i->address_count; k++)
		fault = address_class_fault_in(a, &i->addresses[k]);
	if (fault != NULL)
		return fault;
	if (build_interface_of(b->config, a) >= 0)
		return "is our own address";
	if (b->addresses_known && !is_on_link(i, a))
		return "is not in the network of any of this interface's addresses";
	for (unsigned k = 0; k < i->gateway_count; k++)
		if (address_is_v4(&i->gateways[k]) == address_is_v4(a))
			return "is a second gateway of its family, allowed: one";
	return NULL;
}

static void build_gateways(struct build *b, const struct group *g, struct config_interface *i)
{
	const struct setting *setting = settings_find(g, "gateway");

	if (setting->broken)
		b->gateways_known = false;
	for (unsigned k = 0; k < setting->item_count; k++) {
		const struct item *item = &setting->items[k];
		const char *fault = gateway_fault(b, i, &item->as.address);
		char text[TEXT_ADDRESS_BYTES];

		if (fault == NULL) {
			i->gateways[i->gateway_count++] = item->as.address;
			continue;
		}
		b->gateways_known = false;
		settings_error(b->problems, g, setting, item, "%s %s",
			       text_value_of_address(&item->as.address, text), fault);
	}
}

static void build_link(struct build *b, const struct group *g, struct config_interface *i)
{
	const struct item *mac = settings_item(g, "mac");
	const struct item *vlan = settings_item(g, "vlan");

	i->mac_given = mac->word < 0;
	if (i->mac_given)
		i->mac = mac->as.mac;
	i->vlan = vlan->word >= 0 ? FRAME_VLAN_NONE : (uint16_t)vlan->as.integer;
	i->mtu_bytes = (uint16_t)settings_integer(g, "mtu");
	for (unsigned k = 0; k < i->address_count; k++)
		if (!address_is_v4(&i->addresses[k].address) && i->mtu_bytes < MTU_V6_MIN) {
			settings_error(b->problems, g, settings_find(g, "mtu"), NULL,
				       "%u is too small for IPv6, allowed: at least %d",
				       i->mtu_bytes, MTU_V6_MIN);
			return;
		}
}

/* Only these drivers stand on an interface that the kernel keeps. */
static bool stands_on_kernel_interface(const char *device)
{
	static const char *const drivers[] = {"net_af_xdp", "net_af_packet", "eth_af_packet"};

	for (size_t i = 0; i < ARRAY_COUNT(drivers); i++)
		if (strncmp(device, drivers[i], strlen(drivers[i])) == 0)
			return true;
	return false;
}

/* 3b:00.0, with its domain or without. */
static bool is_pci(const char *device)
{
	size_t digits = strspn(device, "0123456789abcdefABCDEF");

	return digits >= 2 && device[digits] == ':';
}

bool build_may_have_routes(const struct config_interface *i)
{
	if (i->kernel != CONFIG_KERNEL_AUTO)
		return i->kernel != CONFIG_KERNEL_NONE;
	return stands_on_kernel_interface(i->device) || is_pci(i->device);
}

static void build_kernel(struct build *b, const struct group *g, struct config_interface *i)
{
	const struct setting *kernel = settings_find(g, "kernel");

	i->kernel = (enum config_kernel)settings_word(g, "kernel");
	if (i->kernel == CONFIG_KERNEL_BIFURCATED && settings_item(g, "device") != NULL &&
	    !stands_on_kernel_interface(i->device))
		settings_error(
			b->problems, g, kernel, NULL,
			"bifurcated needs a device on a kernel interface, such as "
			"net_af_xdp0,iface=eth0 (or net_af_packet0,iface=eth0); any other takes "
			"the port from the kernel: tap, none");
}

static char *text_or_null(const struct group *g, const char *key)
{
	const struct item *item = settings_item(g, key);

	return item == NULL || item->word >= 0 ? NULL : build_text_copy(item->as.text);
}

static bool same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void build_tap(struct build *b, const struct group *g, unsigned idx)
{
	struct config_interface *i = &b->config->interfaces[idx];
	const struct setting *name = settings_find(g, "tap.name");

	i->tap_name = text_or_null(g, "tap.name");
	i->tap_netns = text_or_null(g, "tap.netns");
	for (unsigned before = 0; i->tap_name != NULL && before < idx; before++) {
		const struct config_interface *other = &b->config->interfaces[before];

		if (other->tap_name != NULL && same(other->tap_name, i->tap_name) &&
		    same(other->tap_netns, i->tap_netns))
			settings_error(b->problems, g, name, NULL,
				       "\"%s\" is already the TAP of interfaces[%u]", i->tap_name,
				       before);
	}
	if (i->kernel == CONFIG_KERNEL_NONE || i->kernel == CONFIG_KERNEL_BIFURCATED)
		for (unsigned k = 0; k < 2; k++) {
			const struct setting *given = k == 0 ? name : settings_find(g, "tap.netns");

			if (given->given)
				settings_warning(b->problems, g, given, NULL,
						 "says nothing: this interface has no TAP, see "
						 "kernel");
		}
}

void build_interfaces(struct build *b)
{
	const struct group_list *list = &b->settings->interfaces;
	const struct setting *all = settings_find(&b->settings->top, "interfaces");
	struct config *c = b->config;

	b->addresses_known = list->count > 0;
	b->gateways_known = true;
	for (unsigned idx = 0; idx < list->count; idx++) {
		const struct group *g = &list->groups[idx];

		c->interface_count = idx + 1;
		build_name(b, g, idx);
		build_device(b, g, idx);
		build_addresses(b, g, &c->interfaces[idx]);
		build_link(b, g, &c->interfaces[idx]);
		build_kernel(b, g, &c->interfaces[idx]);
		build_tap(b, g, idx);
	}
	/* After all addresses are known: a gateway must be none of ours. */
	for (unsigned idx = 0; idx < list->count; idx++)
		build_gateways(b, &list->groups[idx], &c->interfaces[idx]);
	if (list->count == 0 && all->given && !all->broken)
		settings_error(b->problems, &b->settings->top, all, NULL,
			       "is empty: Portico needs at least one interface");
}
