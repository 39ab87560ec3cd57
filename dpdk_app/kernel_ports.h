/* The kernel's own port settings of this network namespace: which it never hands out as ephemeral
 * (net.ipv4.ip_local_reserved_ports), and which it does (net.ipv4.ip_local_port_range). They hold for IPv6 too.
 *
 * Threads: one at a time. Documentation/networking/ip-sysctl.rst.
 */
#ifndef PORTICO_KERNEL_PORTS_H
#define PORTICO_KERNEL_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "core/port_set.h"

/* The longest list, two ports in three ("10000-10001,"), is shorter than this. */
#define KERNEL_PORTS_LIST_BYTES (((size_t)PORT_COUNT / 3 + 1) * 12 + 1)

/* "1,5-7,9-9" with an optional newline; port 0 is a port here. False: not such a list; *out is untouched then. */
MUST_USE bool kernel_ports_parse(const char *text, struct port_map *out);

/* Such a list, ascending, without a newline; "": no port. Returns its length, the terminating zero not counted. */
size_t kernel_ports_format(const struct port_map *ports, char out[KERNEL_PORTS_LIST_BYTES]);

/* The length of the first piece of a list to be written in pieces: at most most_bytes (>= 12), up to a comma and not
 * beyond it; all of it if it is short enough. */
size_t kernel_ports_piece(const char *list, size_t length_bytes, size_t most_bytes);

/* False: could not be read (logged once). */
MUST_USE bool kernel_ports_read_reserved(struct port_map *out);
MUST_USE bool kernel_ports_read_ephemeral(struct port_map *out);

/* Exactly these are reserved from now on. False: not permitted, or the kernel has others afterwards (errno; 0 in the second
 * case). `first` are written first, so that they are never missing for longer than it takes. */
MUST_USE bool kernel_ports_write_reserved(const struct port_map *first,
					  const struct port_map *others);

#endif
