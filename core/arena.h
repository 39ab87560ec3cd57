/* Carves one block of start-up memory into aligned pieces. The same run of arena_take calls with
 * memory NULL measures how much is needed, so that size and layout cannot drift apart.
 */
#ifndef PORTICO_ARENA_H
#define PORTICO_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGN_BYTES 64 /* a cache line */

struct arena {
	uint8_t *memory; /* NULL: measuring */
	size_t used_bytes;
	size_t capacity_bytes;
	bool sealed;
};

void arena_init(struct arena *a, void *memory, size_t capacity_bytes);
/* count * size_bytes bytes, cache-line aligned, not cleared; NULL while measuring. CHECKs against
 * overflow, capacity and the seal. */
void *arena_take(struct arena *a, size_t count, size_t size_bytes);
/* After this nobody may ask. */
void arena_seal(struct arena *a);

#endif
