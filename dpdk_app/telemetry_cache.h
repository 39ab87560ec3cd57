/* What porticoctl shows and does with the cache, as commands of DPDK's telemetry socket.
 *
 *   /portico/cache_stats                     one dictionary; what has decimals is a string
 *   /portico/cache_lookup,TYPE CD START NAME an entry: TYPE a number, CD 0 or 1; its message in hexadecimal from byte START on,
 *                                            with "next" and "more"; "set" is another number if the entry is another one
 *   /portico/cache_flush,KIND TYPE NAME      KIND name or zone; TYPE a number, 0: all
 *   /portico/cache_save                      to cache.file
 * A reply to a request that found nothing, or was refused, has "result" and nothing else.
 *
 * Threads: DPDK gives each connection one of its own, and none of our locks is held while one waits, so that a request that takes
 * long keeps nobody else waiting.
 */
#ifndef PORTICO_TELEMETRY_CACHE_H
#define PORTICO_TELEMETRY_CACHE_H

#include "dpdk_app/dpdk.h"

#include "core/check.h"
#include "dpdk_app/cache_control.h"
#include "dpdk_app/stats.h"

/* False: a command cannot be offered (logged). */
MUST_USE bool telemetry_cache_open(struct cache_control *control);
/* From here on every command is answered with "error". */
void telemetry_cache_close(void);

/* The cache's numbers beside the counters, for stats_visit; all 0 where there is no cache, or nothing was opened. */
void telemetry_cache_numbers(stats_put *put, void *context);

#endif
