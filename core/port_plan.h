/* Why each port of an outgoing address may be drawn, or may not: the one place where range, exclusions, listen ports
 * and the kernel's ports come together. Who asks: the configuration (is anything left?), the keeper of the sets
 * (what to draw from), `porticoctl ports` (why not this one).
 *
 * Memory: the caller's; 64 KiB a plan. Threads: pure functions. RFC 6056 section 3.2.
 */
#ifndef PORTICO_PORT_PLAN_H
#define PORTICO_PORT_PLAN_H

#include <stdint.h>

#include "port_set.h"

/* In order of precedence: a port that several rules exclude is the first one's. */
enum port_verdict {
	PORT_ELIGIBLE,
	PORT_OUT_OF_RANGE, /* not in outgoing.range; or outgoing.send_port is another; port 0 */
	PORT_EXCLUDED,     /* outgoing.exclude */
	PORT_CLAIMED,      /* outgoing.exclude_defaults: port_exclusions_default */
	PORT_LISTENS,      /* we listen on it, on this address */
	PORT_RESERVED,     /* net.ipv4.ip_local_reserved_ports */
	PORT_EPHEMERAL,    /* net.ipv4.ip_local_port_range: the kernel hands it out to others */
	PORT_HELD,         /* a process on this machine holds it */
	PORT_VERDICT_COUNT,
};
/* One word each, as reports show it: "eligible", "range", "exclude", "default", "listen", "reserved", "ephemeral",
 * "held". */
extern const char *const port_verdict_text[PORT_VERDICT_COUNT];

/* What the rules say; NULL: the rule does not apply. */
struct port_rules {
	uint16_t
		send_port; /* not 0: this port alone, whatever range, exclude, defaults and listen say */
	bool exclude_defaults;
	const struct port_map *range;
	const struct port_map *exclude;
	const struct port_map *listen;
	const struct port_map *reserved;
	const struct port_map *ephemeral;
	const struct port_map *held;
};

struct port_plan {
	uint8_t verdict[PORT_COUNT]; /* enum port_verdict */
	uint32_t counts[PORT_VERDICT_COUNT];
};

/* send_port excludes all others as out of range; of itself it is held back by `held` alone. */
void port_plan_make(struct port_plan *plan, const struct port_rules *rules);
void port_plan_eligible(const struct port_plan *plan, struct port_map *out);

/* The row of port_exclusions_default that claims the port, or NULL. */
const struct port_exclusion *port_exclusion_of(uint16_t port);

#endif
