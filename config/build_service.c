#include <string.h>

#include "address_class.h"
#include "build.h"

static bool listen_is_known(const struct config *c, const struct endpoint *e)
{
	for (unsigned i = 0; i < c->listen_count; i++)
		if (endpoint_equal(&c->listen[i].endpoint, e))
			return true;
	return false;
}

static void listen_add(struct config *c, const struct endpoint *e, int interface_idx)
{
	CHECK(c->listen_count < LISTEN_MAX);
	c->listen[c->listen_count++] =
		(struct config_listen){.endpoint = *e, .interface_idx = (uint8_t)interface_idx};
}

static void listen_default(struct build *b, const struct setting *setting)
{
	struct config *c = b->config;

	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++) {
			struct endpoint e = {c->interfaces[i].addresses[k].address,
					     OPTIONS_DNS_PORT};

			if (c->listen_count == LISTEN_MAX) {
				settings_error(b->problems, &b->settings->top, setting, NULL,
					       "is missing, and the interfaces have more than %d "
					       "addresses: name those to listen on",
					       LISTEN_MAX);
				return;
			}
			listen_add(c, &e, (int)i);
		}
	}
}

static void listen_given(struct build *b, const struct setting *setting)
{
	const struct group *top = &b->settings->top;
	struct config *c = b->config;

	b->listen_known = !setting->broken && b->addresses_known;
	if (setting->item_count == 0 && !setting->broken)
		settings_error(b->problems, top, setting, NULL,
			       "is empty: nobody could ask; leave it out to listen on every "
			       "interface address");
	for (unsigned i = 0; i < setting->item_count; i++) {
		const struct item *item = &setting->items[i];
		const struct endpoint *e = &item->as.endpoint;
		int owner = build_interface_of(c, &e->address);
		char text[TEXT_ADDRESS_BYTES];

		if (owner < 0) {
			b->listen_known = false;
			if (b->addresses_known)
				settings_error(b->problems, top, setting, item,
					       "%s is not an address of any interface",
					       text_value_of_address(&e->address, text));
		} else if (listen_is_known(c, e)) {
			settings_error(b->problems, top, setting, item, "%s is given twice",
				       text_value_of_endpoint(e, text));
		} else {
			listen_add(c, e, owner);
		}
	}
}

static bool allow_is_known(const struct config *c, const struct prefix *p)
{
	for (unsigned i = 0; i < c->allow_count; i++)
		if (c->allow[i].bits == p->bits && address_equal(&c->allow[i].address, &p->address))
			return true;
	return false;
}

static void allow_add(struct config *c, const struct prefix *p)
{
	if (allow_is_known(c, p))
		return;
	CHECK(c->allow_count < ALLOW_PREFIXES_MAX);
	c->allow[c->allow_count++] = *p;
}

static void allow_default(struct config *c)
{
	static const char *const private_networks[] = {
		"10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16", /* RFC 1918 */
		"fc00::/7",                                         /* RFC 4193 */
		"100.64.0.0/10",                                    /* RFC 6598 */
	};
	struct prefix p;

	static_assert(INTERFACES_MAX * INTERFACE_ADDRESSES_MAX + ARRAY_COUNT(private_networks) <=
			      ALLOW_PREFIXES_MAX,
		      "the default fits");
	for (unsigned i = 0; i < c->interface_count; i++) {
		for (unsigned k = 0; k < c->interfaces[i].address_count; k++) {
			p = c->interfaces[i].addresses[k];
			address_class_clear_host_bits(&p);
			allow_add(c, &p);
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(private_networks); i++) {
		CHECK(text_value_prefix(private_networks[i], &p) == TEXT_OK);
		allow_add(c, &p);
	}
}

static void allow_given(struct build *b, const struct setting *setting)
{
	const struct group *top = &b->settings->top;

	if (setting->item_count == 0 && !setting->broken)
		settings_error(b->problems, top, setting, NULL,
			       "is empty: everybody would be refused; leave it out for the "
			       "interfaces' own and private networks");
	for (unsigned i = 0; i < setting->item_count; i++) {
		const struct item *item = &setting->items[i];
		struct prefix p = item->as.prefix;
		char written[TEXT_ADDRESS_BYTES], taken[TEXT_ADDRESS_BYTES];

		if (address_class_clear_host_bits(&p))
			settings_warning(b->problems, top, setting, item,
					 "%s has host bits set, taken as %s",
					 text_value_of_prefix(&item->as.prefix, written),
					 text_value_of_prefix(&p, taken));
		allow_add(b->config, &p);
	}
}

static void build_tcp(struct build *b)
{
	const struct group *top = &b->settings->top;

	b->config->tcp = (struct config_tcp){
		.enabled = settings_bool(top, "tcp.enabled"),
		.max_clients = (uint32_t)settings_integer(top, "tcp.max_clients"),
		.idle_s = (uint32_t)settings_integer(top, "tcp.idle_s"),
	};
}

void build_service(struct build *b)
{
	const struct setting *listen = settings_find(&b->settings->top, "listen");
	const struct setting *allow = settings_find(&b->settings->top, "allow");

	b->listen_known = b->addresses_known;
	if (listen->given)
		listen_given(b, listen);
	else
		listen_default(b, listen);
	if (allow->given)
		allow_given(b, allow);
	else
		allow_default(b->config);
	build_tcp(b);
}
