/* To be included before any other header of DPDK or core by files that use both: DPDK defines NS_PER_S as an int,
 * core as 64 bits (core/mono.h), and core's is meant everywhere here.
 */
#ifndef PORTICO_DPDK_H
#define PORTICO_DPDK_H

#include <rte_cycles.h>
#undef NS_PER_S

#include "core/mono.h"
/* core/mono.h may have been there before. */
#ifndef NS_PER_S
#define NS_PER_S UINT64_C(1000000000)
#endif

#endif
