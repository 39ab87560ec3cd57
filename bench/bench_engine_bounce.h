/* How long a cache line takes from one CPU to the other and back: what passes between workers costs multiples of it, and
 * where a hypervisor puts virtual CPUs, so whether they share an L3 cache, cannot be seen otherwise.
 *
 * Threads: starts one, and moves the calling one to the first CPU.
 */
#ifndef PORTICO_BENCH_ENGINE_BOUNCE_H
#define PORTICO_BENCH_ENGINE_BOUNCE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "bench/bench_timing.h"

#define BOUNCES 1000
#define BOUNCE_ROUNDS 50
#define BOUNCE_SPINS 4096 /* before the CPU is left to others */

struct bounce {
	const cpu_set_t *cpus;
	alignas(64) _Atomic uint32_t count; /* even: the first CPU's turn */
};

/* Waits until the count is `from`, then adds one. */
static inline void bounce_on(struct bounce *b, uint32_t from)
{
	for (unsigned spins = 1; atomic_load_explicit(&b->count, memory_order_acquire) != from;
	     spins++)
		if (spins % BOUNCE_SPINS == 0)
			sched_yield();
	atomic_store_explicit(&b->count, from + 1, memory_order_release);
}

static inline void *bounce_back(void *argument)
{
	struct bounce *b = argument;

	bench_pin(b->cpus, 1);
	for (uint32_t i = 0; i < BOUNCE_ROUNDS * BOUNCES; i++)
		bounce_on(b, 2 * i + 1);
	return NULL;
}

/* Cycles there and back, of the shortest round. cpus: at least two. */
static inline double bounce_cycles(const cpu_set_t *cpus)
{
	struct bounce b = {.cpus = cpus};
	double best = 1e9;
	pthread_t other;

	bench_pin(cpus, 0);
	CHECK(pthread_create(&other, NULL, bounce_back, &b) == 0);
	for (uint32_t round = 0; round < BOUNCE_ROUNDS; round++) {
		unsigned long long begun = __rdtsc();
		double cycles;

		for (uint32_t i = 0; i < BOUNCES; i++)
			bounce_on(&b, 2 * (round * BOUNCES + i));
		cycles = (double)(__rdtsc() - begun) / BOUNCES;
		if (cycles < best)
			best = cycles;
	}
	CHECK(pthread_join(other, NULL) == 0);
	return best;
}

#endif
