/* A ring from one thread to another, as the driver's are: it carries what a receiver found to the owner
 * of the word.
 *
 * Memory: inside the struct; all zero is empty. Threads: one pushes, one pops.
 */
#ifndef PORTICO_STRESS_RING_H
#define PORTICO_STRESS_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_SIZE 64

struct message {
	uint64_t hash;
	uint16_t id;
	uint16_t slot;
	uint8_t found; /* enum inflight_find */
};

struct ring {
	_Alignas(64) _Atomic uint32_t pushed; /* pusher: writes; popper: reads */
	_Alignas(64) _Atomic uint32_t popped; /* the other way round */
	struct message messages[RING_SIZE];
};

static inline bool ring_push(struct ring *r, const struct message *message)
{
	uint32_t at = atomic_load_explicit(&r->pushed, memory_order_relaxed);

	/* Acquire: the popper has read the message that was in this place. */
	if (at - atomic_load_explicit(&r->popped, memory_order_acquire) == RING_SIZE)
		return false;
	r->messages[at % RING_SIZE] = *message;
	/* Release: the message is written before it is counted. */
	atomic_store_explicit(&r->pushed, at + 1, memory_order_release);
	return true;
}

static inline bool ring_pop(struct ring *r, struct message *message)
{
	uint32_t at = atomic_load_explicit(&r->popped, memory_order_relaxed);

	if (at == atomic_load_explicit(&r->pushed, memory_order_acquire))
		return false;
	*message = r->messages[at % RING_SIZE];
	atomic_store_explicit(&r->popped, at + 1, memory_order_release);
	return true;
}

#endif
