/* Which addresses a station may have, and which a question may be sent to.
 *
 * Threads: pure functions. RFCs: 6890 (special-purpose addresses), 4291, 3021 (/31), 6164 (/127).
 */
#ifndef PORTICO_ADDRESS_CLASS_H
#define PORTICO_ADDRESS_CLASS_H

#include <stdbool.h>

#include "core/address.h"

/* Why it is not the address of one reachable station ("is a multicast address"), NULL: it is. */
const char *address_class_fault(const struct address *a);
/* The same, for an address within a network: its own or its broadcast address. */
const char *address_class_fault_in(const struct address *a, const struct prefix *network);
bool address_class_is_link_local(const struct address *a);
/* Clear the host bits; true: there were any. */
bool address_class_clear_host_bits(struct prefix *p);

#endif
