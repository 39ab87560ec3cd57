/* The eligible source ports of an outgoing address: an array, immutable once built, replaced whole
 * (RFC 5452 section 9.2, RFC 6056). All workers draw over all of it: no slices (SECURITY.md section
 * 0 finding 1).
 */
#ifndef PORTICO_PORT_SET_H
#define PORTICO_PORT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"

#define PORT_COUNT 65536

/* Membership while it is being put together. */
struct port_map {
	uint64_t bits[PORT_COUNT / 64];
};

struct port_set {
	uint32_t port_count;
	uint16_t ports[PORT_COUNT]; /* ascending */
	struct port_map map;
};

void port_map_clear(struct port_map *m);
void port_map_add(struct port_map *m, uint16_t first, uint16_t last);    /* inclusive */
void port_map_remove(struct port_map *m, uint16_t first, uint16_t last); /* inclusive */
bool port_map_has(const struct port_map *m, uint16_t port);
uint32_t port_map_count(const struct port_map *m);

/* Build the array of all ports in the map. Port 0 is never eligible. */
void port_set_build(struct port_set *s, const struct port_map *m);

/* Ports that NICs and common services claim: excluded by default, each with its reason. */
struct port_exclusion {
	uint16_t first;
	uint16_t last;
	const char *reason;
};
extern const struct port_exclusion port_exclusions_default[];
extern const unsigned port_exclusions_default_count;

#endif
