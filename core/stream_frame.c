#include "stream_frame.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void take(struct span *received, size_t length_bytes)
{
	received->data += length_bytes;
	received->length_bytes -= length_bytes;
}

static void take_head(struct stream_frame *f, struct span *received)
{
	while (f->head_count < STREAM_FRAME_HEAD_BYTES && received->length_bytes > 0) {
		f->head[f->head_count++] = received->data[0];
		take(received, 1);
	}
}

/* The message is whole: the next begins with its head, in another buffer if in any. */
static enum stream_frame_result give(struct stream_frame *f, struct span *message,
				     const uint8_t *data, uint32_t length_bytes)
{
	*message = (struct span){data, length_bytes};
	stream_frame_init(f);
	return STREAM_FRAME_MESSAGE;
}

enum stream_frame_result stream_frame_next(struct stream_frame *f, struct span *received,
					   struct span *message)
{
	uint32_t length;
	size_t piece;

	take_head(f, received);
	if (f->head_count < STREAM_FRAME_HEAD_BYTES)
		return STREAM_FRAME_MORE;
	length = stream_frame_length(f);
	if (length == 0) {
		stream_frame_init(f);
		return STREAM_FRAME_EMPTY;
	}
	if (f->buffer == NULL) {
		const uint8_t *whole = received->data;

		if (received->length_bytes < length)
			return received->length_bytes == 0 ? STREAM_FRAME_MORE
							   : STREAM_FRAME_WANTS_BUFFER;
		take(received, length);
		return give(f, message, whole, length);
	}
	piece = least(received->length_bytes, length - f->filled_bytes);
	memcpy(f->buffer + f->filled_bytes, received->data, piece);
	take(received, piece);
	f->filled_bytes += (uint32_t)piece;
	if (f->filled_bytes < length)
		return STREAM_FRAME_MORE;
	return give(f, message, f->buffer, length);
}

void stream_frame_lend(struct stream_frame *f, uint8_t *buffer)
{
	CHECK(f->buffer == NULL && f->head_count == STREAM_FRAME_HEAD_BYTES);
	f->buffer = buffer;
	f->filled_bytes = 0;
}
