/* What each port of each outgoing address is, as Portico tells it.
 *
 * Memory: 80 KiB an address, the caller's. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_PORTS_SPACE_H
#define PORTICO_PORTICOCTL_PORTS_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "core/limits.h"
#include "core/port_plan.h"
#include "dpdk_app/port_firewall.h"
#include "dpdk_app/porticoctl_socket.h"

#define PORTICOCTL_RANGES_CURSOR(outgoing, port) ((uint32_t)(outgoing) << 16 | (port))
#define PORTICOCTL_RANGES_OUTGOING(cursor) ((cursor) >> 16)

struct porticoctl_outgoing {
	char address[PORT_FIREWALL_ADDRESS_BYTES]; /* or a prefix */
	uint8_t verdict[PORT_COUNT];               /* enum port_verdict */
	struct port_map drawn;
};

struct porticoctl_space {
	unsigned outgoing_count;
	struct porticoctl_outgoing outgoing[OUTGOING_MAX];
};

/* Each address's ports as they were at one moment. NULL: printed why. To be freed with free(). */
MUST_USE struct porticoctl_space *porticoctl_space_load(const struct porticoctl_socket *s);

/* Is the text an address, or a prefix of one? What others made goes into scripts only if it is. */
MUST_USE bool porticoctl_space_is_address(const char *text);

#endif
