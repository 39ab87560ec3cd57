/* The memory of the cache, and the cache in it: huge pages where the machine has some to spare, else ordinary ones, which the
 * kernel is asked to make huge. Ordinary ones are touched as it fills; huge ones, which are set aside anyway, are cleared by a thread of their
 * own while questions are answered already. So a large cache costs nothing at the start.
 *
 * It is not taken from dpdk.memory_mb, but where EAL has taken all huge pages and has plenty of them left.
 *
 * Memory: until the process ends. Threads: the main thread; "portico-pages", which ends by itself.
 */
#ifndef PORTICO_CACHE_MEMORY_H
#define PORTICO_CACHE_MEMORY_H

#include <stdbool.h>

#include "config/config.h"
#include "core/cache.h"
#include "core/check.h"

/* With EAL up. *out: the cache, with a log for each worker; NULL where the configuration wants none. False: no memory
 * (logged). */
MUST_USE bool cache_memory_make(const struct config *config, struct cache **out);

#endif
