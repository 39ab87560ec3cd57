/* How few source ports what the kernel says may leave us, and which are kept then against its word. Reserved, ephemeral
 * and held ports are not ours; but a sysctl, or a local user who binds ports by the thousand, must not decide that all
 * queries leave from one port, nor from which: RFC 5452 section 9.2 rests on an attacker not knowing it.
 *
 * As long as enough are left, nothing is kept. Below the floor, ports that are only reserved or ephemeral are kept first,
 * then ports that processes hold, each a random sample.
 *
 * Threads: pure functions.
 */
#ifndef PORTICO_PORT_FLOOR_H
#define PORTICO_PORT_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "core/entropy.h"
#include "core/port_plan.h"
#include "core/port_set.h"

#define PORT_FLOOR_MAX 1024

/* How many ports the file's rules alone allow, of which pool_size (0: all) are to be drawn. */
uint32_t port_floor_configured(const struct port_plan *plan, uint32_t pool_size);

/* At least so many are drawn from. PORT_FLOOR_MAX; or pool_size if that is fewer; or half of what the file's rules allow if
 * that is fewer, so that a narrow range still yields ports to processes; or what administrators have left us so far
 * (`reached`: see port_floor_reached). */
uint32_t port_floor(const struct port_plan *plan, uint32_t pool_size, uint32_t reached);

/* The most ports, up to PORT_FLOOR_MAX, that file and sysctls have left us until now; `before`: until the plan before this one.
 * Those that processes hold count: they are no administrator's word. */
uint32_t port_floor_reached(const struct port_plan *plan, uint32_t before);

/* What there is to draw from; the three have no port in common. */
struct port_floor_supply {
	struct port_map eligible;
	struct port_map spoken_for; /* reserved or ephemeral, and held by nobody */
	struct port_map held;       /* by a process; whatever else */
};
void port_floor_supply(const struct port_plan *plan, const struct port_map *held,
		       struct port_floor_supply *out);

/* `wanted` eligible ports, or as many as there are; and if those are fewer than the floor (<= wanted), others up to it.
 * Ports of `prefer` before others of their kind; else at random: one port_map_sample. False: it has no random bytes; out
 * is untouched then. */
MUST_USE bool port_floor_draw(const struct port_floor_supply *s, const struct port_map *prefer,
			      uint32_t wanted, uint32_t floor, struct entropy *entropy,
			      struct port_map *out);

#endif
