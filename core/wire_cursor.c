#include "wire_cursor.h"

/* Move past length_bytes of input; false, and the error sticks, if they are not there. */
static bool reader_take(struct wire_reader *r, size_t length_bytes)
{
	if (!r->ok || length_bytes > r->input.length_bytes - r->offset) {
		r->ok = false;
		return false;
	}
	r->offset += length_bytes;
	return true;
}

uint8_t wire_read_u8(struct wire_reader *r)
{
	return reader_take(r, 1) ? r->input.data[r->offset - 1] : 0;
}

uint16_t wire_read_u16(struct wire_reader *r)
{
	return reader_take(r, 2) ? wire_get_u16(r->input.data + r->offset - 2) : 0;
}

uint32_t wire_read_u32(struct wire_reader *r)
{
	return reader_take(r, 4) ? wire_get_u32(r->input.data + r->offset - 4) : 0;
}

struct span wire_read_span(struct wire_reader *r, size_t length_bytes)
{
	if (!reader_take(r, length_bytes))
		return (struct span){NULL, 0};
	return (struct span){r->input.data + r->offset - length_bytes, length_bytes};
}

static bool writer_take(struct wire_writer *w, size_t length_bytes)
{
	if (!w->ok || length_bytes > w->output.capacity_bytes - w->offset) {
		w->ok = false;
		return false;
	}
	w->offset += length_bytes;
	return true;
}

void wire_write_u8(struct wire_writer *w, uint8_t value)
{
	if (writer_take(w, 1))
		w->output.data[w->offset - 1] = value;
}

void wire_write_u16(struct wire_writer *w, uint16_t value)
{
	if (writer_take(w, 2))
		wire_put_u16(w->output.data + w->offset - 2, value);
}

void wire_write_u32(struct wire_writer *w, uint32_t value)
{
	if (writer_take(w, 4))
		wire_put_u32(w->output.data + w->offset - 4, value);
}

void wire_write_span(struct wire_writer *w, struct span bytes)
{
	/* memcpy must not be given NULL, not even for no bytes. */
	if (writer_take(w, bytes.length_bytes) && bytes.length_bytes != 0)
		memcpy(w->output.data + w->offset - bytes.length_bytes, bytes.data,
		       bytes.length_bytes);
}
