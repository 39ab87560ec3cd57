/* From settings to struct config: how values fit together is checked here, one file a part of the
 * configuration. Each build_x fills its fields and reports everything that is wrong with them; what
 * follows only from an error that was already reported is not reported again.
 *
 * Order: interfaces, service, outgoing, ports, mode, zones, hints; process at any time. Threads: one.
 */
#ifndef PORTICO_BUILD_H
#define PORTICO_BUILD_H

#include <stdbool.h>

#include "config.h"
#include "problems.h"
#include "settings.h"

struct build {
	struct config *config;
	const struct settings *settings;
	struct problems *problems;
	struct scratch *scratch;
	/* Every interface has valid addresses: "no interface has it" can be said of others. */
	bool addresses_known;
	bool gateways_known;
	bool listen_known;
	bool outgoing_known;
};

void build_process(struct build *b);    /* workers, CPUs, dpdk, log, shutdown */
void build_interfaces(struct build *b); /* interfaces */
void build_service(struct build *b);    /* listen, allow, tcp */
void build_outgoing(struct build *b);   /* outgoing: addresses and limits */
void build_ports(struct build *b);      /* outgoing: source ports */
void build_mode(struct build *b);       /* mode */
void build_zones(struct build *b);      /* forward, stub */
void build_hints(struct build *b);      /* root_hints */
void build_cache(struct build *b);      /* cache */

/* The keys of a file without errors, for config_change.h. */
void build_keys(struct build *b);
void build_keys_free(struct config *c);

/* The interface that has the address, or -1. */
int build_interface_of(const struct config *c, const struct address *a);
/* May the kernel turn out to keep its routes? Then it knows gateways that the file does not. */
bool build_may_have_routes(const struct config_interface *i);
/* What is wrong with asking a server there, NULL: nothing. */
const char *build_server_fault(const struct build *b, const struct endpoint *e);
/* Why our queries do not get there, NULL: they do, as far as the file tells. */
const char *build_way_fault(const struct build *b, const struct endpoint *e);
/* "192.0.2.53", or "2001:db8:53::/64" of a prefix; for messages. */
const char *build_outgoing_text(const struct config_outgoing *o, char out[TEXT_ADDRESS_BYTES]);
/* An owned copy, for struct config. */
char *build_text_copy(const char *text);

#endif
