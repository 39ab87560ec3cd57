/* Borrowed bytes: where they are and how many. Whoever hands one out says until when it holds. */
#ifndef PORTICO_SPAN_H
#define PORTICO_SPAN_H

#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *data;
	size_t length_bytes;
};

/* Writable bytes lent to a builder. */
struct buffer {
	uint8_t *data;
	size_t capacity_bytes;
};

#endif
