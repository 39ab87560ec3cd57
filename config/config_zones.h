/* Which zones' names are answered by other servers since the configuration has changed: what is kept of them is of servers
 * that nobody would ask any more.
 *
 * Memory: names are borrowed from both configurations. Threads: any; both are immutable.
 */
#ifndef PORTICO_CONFIG_ZONES_H
#define PORTICO_CONFIG_ZONES_H

#include "config.h"
#include "core/limits.h"

#define CONFIG_ZONES_MOVED_MAX (2 * ZONES_MAX + 1)
/* Zones that have gone, zones whose servers are all others now, and zones that have come below one that was there. Not those that
 * have come where there was none, nor those that keep a server, whatever else changes. Where names that no zone has are resolved
 * from the root, that is as good as a zone "." with the root hints for its servers. Returns how many. */
unsigned config_zones_moved(const struct config *running, const struct config *next,
			    const struct name *moved[CONFIG_ZONES_MOVED_MAX]);

#endif
