/* Borrowed bytes: where they are and how many. Whoever hands one out says until when it holds. */
#ifndef PORTICO_SPAN_H
#define PORTICO_SPAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *data;
	size_t length_bytes;
};

/* Writable bytes lent to a builder. */
struct buffer {
	uint8_t *data;
	size_t capacity_bytes;
};

/* memcpy for some ten bytes whose number is known only then: without its call, and without the `rep movs` that compilers make of
 * one whose bound they know, which takes longer to begin than to copy. */
static inline void bytes_copy(void *out, const void *in, size_t length_bytes)
{
	enum { PIECE = 16, HALF = 8, QUARTER = 4 };
	uint8_t *to = out;
	const uint8_t *from = in;
	size_t i = 0;

	/* The last piece overlaps the one before it. */
	if (length_bytes >= PIECE) {
		for (; i + PIECE < length_bytes; i += PIECE)
			memcpy(to + i, from + i, PIECE);
		memcpy(to + length_bytes - PIECE, from + length_bytes - PIECE, PIECE);
	} else if (length_bytes >= HALF) {
		memcpy(to, from, HALF);
		memcpy(to + length_bytes - HALF, from + length_bytes - HALF, HALF);
	} else if (length_bytes >= QUARTER) {
		memcpy(to, from, QUARTER);
		memcpy(to + length_bytes - QUARTER, from + length_bytes - QUARTER, QUARTER);
	} else {
		for (; i < length_bytes; i++)
			to[i] = from[i];
	}
}

#endif
