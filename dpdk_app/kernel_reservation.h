/* reserve_in_kernel: our ports are among those that the kernel never hands out as ephemeral
 * (net.ipv4.ip_local_reserved_ports of this network namespace), and taken out of them again at the end. What is ours
 * there is kept in a file under /run/portico, named by network namespace and file_prefix, so that the next start takes it
 * out after a crash. The file is there before the kernel has them, and goes after they are gone.
 *
 * Whoever sets that list with sysctl replaces all of it. Where most of ours is not in it any more, the list is somebody
 * else's, and all that it has is, whether or not it is among what we reserved before. Where a few are missing it is ours,
 * edited: to take it for another's would leave us those few to send from.
 *
 * Memory: the struct's. Threads: one at a time.
 */
#ifndef PORTICO_KERNEL_RESERVATION_H
#define PORTICO_KERNEL_RESERVATION_H

#include <stdbool.h>

#include "config/config.h"
#include "core/check.h"
#include "core/port_set.h"

struct kernel_reservation {
	bool active;
	bool told;            /* that it cannot be done; once, until it can */
	char path[256];       /* of the file */
	struct port_map ours; /* reserved by us, and by nobody before */
};

/* At start, when no living instance has this file_prefix, whether or not reserve_in_kernel is set: take out what a killed
 * one of this network namespace left reserved. False: there is something, and it could not be taken out (logged). Where the
 * directory is not ours to look into, nothing is there, unless we are to reserve ports ourselves. */
MUST_USE bool kernel_reservation_recover(const struct config *config);

/* Reserve these ports too, but for those that others have reserved, instead of those reserved by the call before.
 * False: not permitted (logged once, until it is); what was reserved before stays. */
MUST_USE bool kernel_reservation_set(struct kernel_reservation *r, const char *file_prefix,
				     const struct port_map *ports);

/* Of all that are reserved in the kernel: those that others have reserved. */
void kernel_reservation_others(const struct kernel_reservation *r, const struct port_map *reserved,
			       struct port_map *others);

/* Ours are taken out, what others have changed meanwhile stays; the file goes. */
void kernel_reservation_end(struct kernel_reservation *r);

#endif
