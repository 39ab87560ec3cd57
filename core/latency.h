/* How long things took: counts by powers of two of a microsecond.
 *
 * Threads: worker: writes; control: reads, relaxed (aligned 8-byte words).
 */
#ifndef PORTICO_LATENCY_H
#define PORTICO_LATENCY_H

#include <stdint.h>

#include "mono.h"

/* Bucket i: at most 2^i us, and more than bucket i - 1; the last one: all beyond 2^(LATENCY_BUCKETS - 2) us (4.2 s). */
#define LATENCY_BUCKETS 24

struct latency {
	uint64_t counts[LATENCY_BUCKETS];
	uint64_t sum_ns;
};

static inline unsigned latency_bucket(uint64_t ns)
{
	uint64_t us = (ns + NS_PER_US - 1) / NS_PER_US;
	unsigned bucket = us <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(us - 1);

	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* count things took ns each. */
static inline void latency_add(struct latency *l, uint64_t ns, uint64_t count)
{
	l->counts[latency_bucket(ns)] += count;
	l->sum_ns += ns * count;
}

#endif
