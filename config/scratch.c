#include "scratch.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

#define CHUNK_BYTES 65536

struct scratch_chunk {
	struct scratch_chunk *next;
	size_t used_bytes;
	size_t capacity_bytes;
	alignas(max_align_t) char bytes[];
};

static struct scratch_chunk *chunk_add(struct scratch *s, size_t at_least_bytes)
{
	size_t capacity = at_least_bytes > CHUNK_BYTES ? at_least_bytes : CHUNK_BYTES;
	struct scratch_chunk *chunk = calloc(1, sizeof(*chunk) + capacity);

	CHECK(chunk != NULL);
	chunk->capacity_bytes = capacity;
	chunk->next = s->chunks;
	s->chunks = chunk;
	return chunk;
}

void *scratch_take(struct scratch *s, size_t size_bytes)
{
	size_t rounded = (size_bytes + alignof(max_align_t) - 1) / alignof(max_align_t) *
			 alignof(max_align_t);
	struct scratch_chunk *chunk = s->chunks;
	void *taken;

	if (chunk == NULL || chunk->capacity_bytes - chunk->used_bytes < rounded)
		chunk = chunk_add(s, rounded);
	taken = chunk->bytes + chunk->used_bytes;
	chunk->used_bytes += rounded;
	return taken;
}

char *scratch_copy(struct scratch *s, const char *text, size_t length_bytes)
{
	char *copy = scratch_take(s, length_bytes + 1);

	if (length_bytes > 0)
		memcpy(copy, text, length_bytes);
	return copy;
}

void scratch_fini(struct scratch *s)
{
	while (s->chunks != NULL) {
		struct scratch_chunk *next = s->chunks->next;

		free(s->chunks);
		s->chunks = next;
	}
}
