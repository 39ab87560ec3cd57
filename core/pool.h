/* Which indices of a fixed array are in use: take and put in O(1), last put first taken (its lines are
 * still warm). Entries that were never taken are never touched, so that their pages stay lazy.
 *
 * Memory: 4 bytes an index, lent at init. Threads: one worker's.
 */
#ifndef PORTICO_POOL_H
#define PORTICO_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"

#define POOL_NONE UINT32_MAX

struct pool {
	uint32_t *stack; /* indices put back */
	uint32_t stack_count;
	uint32_t fresh; /* indices from here on were never taken */
	uint32_t capacity;
};

static inline size_t pool_memory_bytes(uint32_t capacity)
{
	return (size_t)capacity * sizeof(uint32_t);
}

static inline void pool_init(struct pool *p, void *memory, uint32_t capacity)
{
	*p = (struct pool){.stack = memory, .capacity = capacity};
}

/* POOL_NONE: all are in use. */
MUST_USE static inline uint32_t pool_take(struct pool *p)
{
	if (p->stack_count > 0)
		return p->stack[--p->stack_count];
	return p->fresh < p->capacity ? p->fresh++ : POOL_NONE;
}

/* What the nth call of pool_take from now will give if nothing is put back meanwhile, n counted from 0; POOL_NONE: nothing.
 * To prefetch it by. */
static inline uint32_t pool_peek(const struct pool *p, uint32_t n)
{
	if (n < p->stack_count)
		return p->stack[p->stack_count - 1 - n];
	n -= p->stack_count;
	return n < p->capacity - p->fresh ? p->fresh + n : POOL_NONE;
}

static inline void pool_put(struct pool *p, uint32_t idx)
{
	DCHECK(idx < p->fresh && p->stack_count < p->fresh);
	p->stack[p->stack_count++] = idx;
}

/* Also for a reader beside the worker: fresh is read after stack_count and only grows, so the difference is never
 * negative, at worst a little too large. */
static inline uint32_t pool_used_count(const struct pool *p)
{
	uint32_t stack_count = __atomic_load_n(&p->stack_count, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&p->fresh, __ATOMIC_RELAXED) - stack_count;
}

#endif
