/* Is there a process that already answers on an address and port we are to listen on? Both would answer, and
 * clients would get whichever is faster.
 */
#ifndef PORTICO_LISTEN_CONFLICT_H
#define PORTICO_LISTEN_CONFLICT_H

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/xdp.h"

/* By UDP, and by TCP on interfaces that the kernel shares (xdp). running: what we already answer by; NULL: not yet. False: at least
 * one listen address is taken; each is an error that names the process and its pid. */
MUST_USE bool listen_conflict_check(const struct config *config, const struct config *running,
				    const struct xdp_table *xdp);

#endif
