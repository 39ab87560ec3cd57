/* Bounds-checked reading and writing of wire bytes, with an error that sticks: after the first
 * access outside the bounds every read gives zero, every write does nothing, and ok is false, so
 * that a parser may check once at the end of a run of fields (as in Knot's wire_ctx).
 *
 * Memory: borrows the span or buffer until it is dropped. Threads: a value of its user.
 */
#ifndef PORTICO_WIRE_CURSOR_H
#define PORTICO_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "span.h"

struct wire_reader {
	struct span input;
	size_t offset;
	bool ok;
};

struct wire_writer {
	struct buffer output;
	size_t offset;
	bool ok;
};

static inline uint16_t wire_get_u16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t wire_get_u32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static inline void wire_put_u16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void wire_put_u32(uint8_t *p, uint32_t value)
{
	wire_put_u16(p, (uint16_t)(value >> 16));
	wire_put_u16(p + 2, (uint16_t)value);
}

static inline void wire_put_u64(uint8_t *p, uint64_t value)
{
	value = __builtin_bswap64(value); /* x86-64 is little-endian */
	memcpy(p, &value, sizeof(value));
}

static inline struct wire_reader wire_reader_at(struct span input, size_t offset)
{
	return (struct wire_reader){input, offset, offset <= input.length_bytes};
}

static inline size_t wire_left(const struct wire_reader *r)
{
	return r->ok ? r->input.length_bytes - r->offset : 0;
}

uint8_t wire_read_u8(struct wire_reader *r);
uint16_t wire_read_u16(struct wire_reader *r);
uint32_t wire_read_u32(struct wire_reader *r);
/* length_bytes of the input; {NULL, 0} once the cursor has failed. */
struct span wire_read_span(struct wire_reader *r, size_t length_bytes);

static inline struct wire_writer wire_writer_init(struct buffer output)
{
	return (struct wire_writer){output, 0, true};
}

void wire_write_u8(struct wire_writer *w, uint8_t value);
void wire_write_u16(struct wire_writer *w, uint16_t value);
void wire_write_u32(struct wire_writer *w, uint32_t value);
void wire_write_span(struct wire_writer *w, struct span bytes);

#endif
