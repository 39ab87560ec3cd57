#include "arena.h"

#include "check.h"

void arena_init(struct arena *a, void *memory, size_t capacity_bytes)
{
	CHECK((uintptr_t)memory % ARENA_ALIGN_BYTES == 0);
	*a = (struct arena){.memory = memory, .capacity_bytes = capacity_bytes};
}

void *arena_take(struct arena *a, size_t count, size_t size_bytes)
{
	size_t wanted_bytes, end_bytes;
	void *piece;

	CHECK(!a->sealed);
	CHECK(!__builtin_mul_overflow(count, size_bytes, &wanted_bytes));
	/* Rounding up keeps used_bytes a multiple of the line: the next piece starts aligned. */
	CHECK(!__builtin_add_overflow(wanted_bytes, ARENA_ALIGN_BYTES - 1, &wanted_bytes));
	wanted_bytes -= wanted_bytes % ARENA_ALIGN_BYTES;
	CHECK(!__builtin_add_overflow(a->used_bytes, wanted_bytes, &end_bytes));
	if (a->memory == NULL) {
		a->used_bytes = end_bytes;
		return NULL;
	}
	CHECK(end_bytes <= a->capacity_bytes);
	piece = a->memory + a->used_bytes;
	a->used_bytes = end_bytes;
	return piece;
}

void arena_seal(struct arena *a)
{
	a->sealed = true;
}
