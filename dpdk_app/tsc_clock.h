/* Monotonic nanoseconds from the processor's time stamp counter, without a system call.
 *
 * Threads: written once at start, read by all. Time: the counter is taken to run at one rate on all
 * cores (invariant TSC, what DPDK's own timers need as well).
 */
#ifndef PORTICO_TSC_CLOCK_H
#define PORTICO_TSC_CLOCK_H

#include <stdint.h>

#include "core/mono.h"

#define TSC_CLOCK_SHIFT 32

struct tsc_clock {
	uint64_t tsc_start;
	uint64_t ns_per_cycle; /* 32.32 fixed point: off by less than 1 in 10^9 */
};

static inline void tsc_clock_init(struct tsc_clock *c, uint64_t tsc_hz, uint64_t tsc_now)
{
	c->tsc_start = tsc_now;
	c->ns_per_cycle = (NS_PER_S << TSC_CLOCK_SHIFT) / tsc_hz;
}

/* One second at tsc_start, so that "a second ago" is never before the beginning of time. */
static inline mono_ns tsc_clock_ns(const struct tsc_clock *c, uint64_t tsc_now)
{
	__extension__ typedef unsigned __int128 u128;
	u128 product = (u128)(tsc_now - c->tsc_start) * c->ns_per_cycle;

	return NS_PER_S + (mono_ns)(product >> TSC_CLOCK_SHIFT);
}

#endif
