/* Pointers to packets from one thread to another, as DPDK's rings with one producer and one consumer carry them for
 * dpdk_app/handoff: in bursts, each side reading the other's index every time.
 *
 * Memory: within the struct. Threads: one puts, one takes.
 */
#ifndef PORTICO_BENCH_ENGINE_RING_H
#define PORTICO_BENCH_ENGINE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#define RING_SIZE 1024 /* dpdk_app/handoff.c's for two workers; a power of two */
#define RING_LINE_BYTES 64

struct ring {
	alignas(RING_LINE_BYTES) _Atomic uint32_t head; /* put so far. producer: writes */
	alignas(RING_LINE_BYTES) _Atomic uint32_t tail; /* taken so far. consumer: writes */
	alignas(RING_LINE_BYTES) void *places[RING_SIZE];
};

/* Returns how many found a place. */
static inline unsigned ring_put(struct ring *r, void *const pointers[], unsigned count)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	/* Acquire: the consumer has read the places that we are about to write. */
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t room = RING_SIZE - (head - tail);

	if (count > room)
		count = room;
	for (unsigned i = 0; i < count; i++)
		r->places[(head + i) % RING_SIZE] = pointers[i];
	/* Release: who sees the head sees the places, and what was written to the packets. */
	atomic_store_explicit(&r->head, head + count, memory_order_release);
	return count;
}

/* Returns how many were taken, at most `most`. */
static inline unsigned ring_take(struct ring *r, void *pointers[], unsigned most)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&r->head, memory_order_acquire) - tail;

	if (count > most)
		count = most;
	for (unsigned i = 0; i < count; i++)
		pointers[i] = r->places[(tail + i) % RING_SIZE];
	if (count > 0)
		atomic_store_explicit(&r->tail, tail + count, memory_order_release);
	return count;
}

#endif
