/* The cache's own clock beside the wall's, for what crosses a restart.
 *
 * Threads: any.
 */
#ifndef PORTICO_CACHE_CLOCK_H
#define PORTICO_CACHE_CLOCK_H

#include "dpdk_app/dpdk.h"

#include <time.h>

#include "dpdk_app/cache_file.h"
#include "dpdk_app/test_hooks.h"
#include "dpdk_app/tsc_clock.h"

/* clock: the workers'. */
static inline struct cache_file_time cache_clock_now(const struct tsc_clock *clock)
{
	const uint64_t offset_ns = (uint64_t)test_hooks_offset_s() * NS_PER_S;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct cache_file_time){
		.wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec + offset_ns,
		.mono = tsc_clock_ns(clock, rte_rdtsc()) + offset_ns,
	};
}

/* Entries are stored and age in seconds of this. */
static inline uint32_t cache_clock_s(const struct tsc_clock *clock)
{
	return (uint32_t)(tsc_clock_ns(clock, rte_rdtsc()) / NS_PER_S) +
	       (uint32_t)test_hooks_offset_s();
}

#endif
