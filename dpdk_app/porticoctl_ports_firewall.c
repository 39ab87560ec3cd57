#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "dpdk_app/port_firewall.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_ports.h"
#include "dpdk_app/porticoctl_ports_space.h"

static const struct {
	const char *word;
	enum port_firewall_format format;
} formats[] = {
	{"nft", PORT_FIREWALL_NFT},
	{"iptables", PORT_FIREWALL_IPTABLES},
	{"ip6tables", PORT_FIREWALL_IP6TABLES},
};

static const struct {
	const char *word;
	enum port_firewall_place place;
} places[] = {
	{"forward", PORT_FIREWALL_FORWARD},
	{"host", PORT_FIREWALL_HOST},
};

static bool parse_format(const char *word, enum port_firewall_format *out)
{
	for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
		if (strcmp(formats[i].word, word) == 0) {
			*out = formats[i].format;
			return true;
		}
	}
	fprintf(stderr, "porticoctl: ports firewall %s: nft, iptables or ip6tables is wanted\n",
		word);
	return false;
}

static bool parse_place(const char *word, enum port_firewall_place *out)
{
	*out = PORT_FIREWALL_FORWARD;
	if (word == NULL)
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		if (strcmp(places[i].word, word) == 0) {
			*out = places[i].place;
			return true;
		}
	}
	fprintf(stderr, "porticoctl: --chain %s: forward or host is wanted\n", word);
	return false;
}

static bool parse_state(const struct porticoctl_options *o, enum port_firewall_state *out)
{
	bool stateful = porticoctl_options_has(o, PORTICOCTL_STATEFUL);
	bool notrack = porticoctl_options_has(o, PORTICOCTL_NOTRACK);

	if (stateful && notrack) {
		fputs("porticoctl: --stateful needs the connection tracking that --notrack turns off\n",
		      stderr);
		return false;
	}
	*out = PORT_FIREWALL_STATELESS;
	if (stateful)
		*out = PORT_FIREWALL_STATEFUL;
	if (notrack)
		*out = PORT_FIREWALL_NOTRACK;
	return true;
}

static bool parse(const struct porticoctl_options *o, const char *const args[],
		  struct port_firewall *out)
{
	return parse_format(args[0], &out->format) &&
	       parse_place(o->value[PORTICOCTL_CHAIN], &out->place) && parse_state(o, &out->state);
}

bool porticoctl_ports_check_firewall(const struct porticoctl_options *o, const char *const args[])
{
	static struct port_firewall unused; /* too large for a stack */

	return parse(o, args, &unused);
}

/* ADDRESS or ADDRESS@PORT. False: it is neither. */
static bool parse_endpoint(char *text, struct port_firewall_endpoint *out)
{
	char *at = strchr(text, '@');
	char *end = NULL;
	unsigned long port = DNS_PORT;

	if (at != NULL) {
		*at = '\0';
		port = strtoul(at + 1, &end, 10);
	}
	if (!porticoctl_space_is_address(text) || port == 0 || port >= PORT_COUNT ||
	    (end != NULL && *end != '\0') || strlen(text) >= sizeof(out->address))
		return false;
	strcpy(out->address, text);
	out->port = (uint16_t)port;
	return true;
}

static bool refuse_row(const char *what, const char *text)
{
	fprintf(stderr, "porticoctl: %s: \"%s\" is no endpoint\n", what, text);
	return false;
}

struct gathering {
	struct port_firewall *firewall;
	bool good;
};

/* Those at port 53 are left out where anybody is asked there: servers that were learned are among them, any number. */
static bool add_server(struct fy_node *row, void *context)
{
	struct gathering *g = context;
	struct port_firewall *f = g->firewall;
	struct port_firewall_endpoint server;
	char text[PORT_FIREWALL_ADDRESS_BYTES + 8];

	porticoctl_field_text(row, "server", text, sizeof(text));
	g->good = parse_endpoint(text, &server);
	if (g->good && f->any_server && server.port == DNS_PORT)
		return true;
	g->good = g->good && f->server_count < SERVERS_MAX;
	if (!g->good)
		return refuse_row("upstreams", text);
	f->servers[f->server_count++] = server;
	return true;
}

static bool add_listen(struct port_firewall *f, struct fy_node *list)
{
	struct fy_node *item;
	void *at = NULL;

	while ((item = fy_node_sequence_iterate(list, &at)) != NULL) {
		char text[PORT_FIREWALL_ADDRESS_BYTES + 8];
		size_t length = 0;
		const char *scalar = fy_node_get_scalar(item, &length);

		snprintf(text, sizeof(text), "%.*s", scalar != NULL ? (int)length : 0, scalar);
		if (f->listen_count == LISTEN_MAX ||
		    !parse_endpoint(text, &f->listen[f->listen_count]))
			return refuse_row("listen", text);
		f->listen_count++;
	}
	return true;
}

/* Where we listen, and whether it is only our servers that we ask. */
static bool add_status(const struct porticoctl_socket *s, struct port_firewall *f)
{
	struct porticoctl_reply reply;
	struct fy_node *list;
	char asks[16];
	bool good;

	if (!porticoctl_socket_ask(s, "status", 0, &reply))
		return false;
	list = fy_node_mapping_lookup_by_string(reply.body, "listen", strlen("listen"));
	good = list == NULL || add_listen(f, list);
	f->any_server = strcmp(porticoctl_field_text(reply.body, "asks", asks, sizeof(asks)),
			       "its servers") != 0;
	porticoctl_reply_free(&reply);
	return good;
}

static bool add_servers(const struct porticoctl_socket *s, struct port_firewall *f)
{
	struct gathering g = {.firewall = f, .good = true};

	return porticoctl_pages_rows(s, "upstreams", 0, add_server, &g) && g.good;
}

static bool add_client(struct fy_node *row, void *context)
{
	struct gathering *g = context;
	struct port_firewall *f = g->firewall;
	char text[PORT_FIREWALL_ADDRESS_BYTES];

	porticoctl_field_text(row, "prefix", text, sizeof(text));
	g->good = f->client_count < ALLOW_PREFIXES_MAX && strchr(text, '/') != NULL &&
		  porticoctl_space_is_address(text);
	if (!g->good) {
		fprintf(stderr, "porticoctl: ports_allow: \"%s\" is no network\n", text);
		return false;
	}
	strcpy(f->clients[f->client_count++].prefix, text);
	return true;
}

/* Who may ask. */
static bool add_clients(const struct porticoctl_socket *s, struct port_firewall *f)
{
	struct gathering g = {.firewall = f, .good = true};

	return porticoctl_pages_rows(s, "ports_allow", 0, add_client, &g) && g.good;
}

static void add_source(struct port_firewall *f, const struct porticoctl_outgoing *o)
{
	struct port_firewall_source *source = &f->sources[f->source_count++];
	uint32_t drawn = port_map_count(&o->drawn);

	strcpy(source->address, o->address);
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		bool held = o->verdict[port] == PORT_HELD;

		if (held || o->verdict[port] == PORT_ELIGIBLE)
			port_map_add(&source->ports, (uint16_t)port, (uint16_t)port);
		source->held += held;
	}
	if (drawn < port_map_count(&source->ports) - source->held)
		source->pool = drawn;
}

bool porticoctl_ports_firewall(const struct porticoctl_socket *s,
			       const struct porticoctl_options *o, const char *const args[])
{
	struct port_firewall *f = calloc(1, sizeof(*f));
	struct porticoctl_space *space = f != NULL ? porticoctl_space_load(s) : NULL;
	bool good = space != NULL && parse(o, args, f) && add_status(s, f) && add_servers(s, f) &&
		    add_clients(s, f);

	for (unsigned i = 0; good && i < space->outgoing_count; i++)
		add_source(f, &space->outgoing[i]);
	if (good)
		port_firewall_print(stdout, f);
	free(space);
	free(f);
	return good;
}
