#include "dpdk_app/porticoctl_ports_space.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/porticoctl_pages.h"

/* So many times the ports of an address are read anew because they changed meanwhile; a rotation takes a second at least,
 * reading them a few milliseconds. */
#define LOADS_MAX 20

struct loading {
	struct porticoctl_space *space;
	unsigned outgoing_idx; /* whose ports are being read */
	const char *wrong;     /* NULL: nothing so far */
};

bool porticoctl_space_is_address(const char *text)
{
	size_t length = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	struct in6_addr bytes;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	text += length;
	if (*text == '/') {
		if (!isdigit((unsigned char)*++text))
			return false;
		while (isdigit((unsigned char)*text))
			text++;
	}
	return *text == '\0' && (inet_pton(AF_INET, address, &bytes) == 1 ||
				 inet_pton(AF_INET6, address, &bytes) == 1);
}

static bool add_outgoing(struct fy_node *row, void *context)
{
	struct loading *l = context;
	struct porticoctl_outgoing *o;

	if (l->space->outgoing_count == OUTGOING_MAX) {
		l->wrong = "more outgoing addresses than this porticoctl knows";
		return false;
	}
	o = &l->space->outgoing[l->space->outgoing_count++];
	porticoctl_field_text(row, "address", o->address, sizeof(o->address));
	if (!porticoctl_space_is_address(o->address)) {
		l->wrong = "an outgoing address that is none";
		return false;
	}
	return true;
}

static bool add_run(struct fy_node *row, void *context)
{
	struct loading *l = context;
	uint64_t outgoing = porticoctl_field_number(row, "outgoing");
	uint64_t first = porticoctl_field_number(row, "first");
	uint64_t last = porticoctl_field_number(row, "last");
	struct porticoctl_outgoing *o;
	char word[32];
	unsigned verdict = 0;

	porticoctl_field_text(row, "verdict", word, sizeof(word));
	while (verdict < PORT_VERDICT_COUNT && strcmp(port_verdict_text[verdict], word) != 0)
		verdict++;
	if (outgoing != l->outgoing_idx || first > last || last >= PORT_COUNT ||
	    verdict == PORT_VERDICT_COUNT) {
		l->wrong = "ports_ranges: a row that this porticoctl does not understand";
		return false;
	}
	o = &l->space->outgoing[outgoing];
	memset(o->verdict + first, (int)verdict, last - first + 1);
	if (porticoctl_field_number(row, "drawn") != 0)
		port_map_add(&o->drawn, (uint16_t)first, (uint16_t)last);
	return true;
}

enum load_result { LOAD_OK, LOAD_CHANGED, LOAD_FAILED };

/* The ports of one address, whose pages must all be of one set. */
static enum load_result load_once(const struct porticoctl_socket *s, struct loading *l)
{
	struct porticoctl_outgoing *o = &l->space->outgoing[l->outgoing_idx];
	struct porticoctl_page page = {.cursor = PORTICOCTL_RANGES_CURSOR(l->outgoing_idx, 0)};
	uint64_t set = 0;

	memset(o->verdict, PORT_OUT_OF_RANGE, sizeof(o->verdict));
	port_map_clear(&o->drawn);
	for (unsigned count = 0; count < PORT_COUNT; count++) {
		if (!porticoctl_pages_page(s, "ports_ranges", &page, add_run, l) ||
		    l->wrong != NULL)
			return LOAD_FAILED;
		if (count > 0 && page.set != set)
			return LOAD_CHANGED;
		if (!page.more || PORTICOCTL_RANGES_OUTGOING(page.cursor) != l->outgoing_idx)
			return LOAD_OK;
		set = page.set;
	}
	l->wrong = "ports_ranges: pages without end";
	return LOAD_FAILED;
}

static bool load_ports(const struct porticoctl_socket *s, struct loading *l)
{
	for (unsigned tries = 0; tries < LOADS_MAX; tries++) {
		switch (load_once(s, l)) {
		case LOAD_OK:
			return true;
		case LOAD_FAILED:
			return false;
		case LOAD_CHANGED:
			break;
		}
	}
	l->wrong = "they change faster than they can be read: ask again";
	return false;
}

struct porticoctl_space *porticoctl_space_load(const struct porticoctl_socket *s)
{
	struct loading l = {.space = calloc(1, sizeof(*l.space))};
	bool good;

	if (l.space == NULL) {
		fputs("porticoctl: out of memory\n", stderr);
		return NULL;
	}
	good = porticoctl_pages_rows(s, "ports", 0, add_outgoing, &l) && l.wrong == NULL;
	for (; good && l.outgoing_idx < l.space->outgoing_count; l.outgoing_idx++)
		good = load_ports(s, &l);
	if (good)
		return l.space;
	if (l.wrong != NULL)
		fprintf(stderr, "porticoctl: ports: %s\n", l.wrong);
	free(l.space);
	return NULL;
}
