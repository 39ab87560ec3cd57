/* The root's servers as they are known without asking anybody: IANA's named.root.
 *
 * Memory: lent by the caller. Threads: pure function. RFC 9609 section 2.
 */
#ifndef PORTICO_ROOT_HINTS_H
#define PORTICO_ROOT_HINTS_H

#include "zone_cut.h"

/* "." with thirteen servers, each with an address of both families; ZONE_CUT_HINTS, never expires. */
void root_hints_builtin(struct zone_cut *out);

#endif
