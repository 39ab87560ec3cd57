#include "dpdk_app/stream_message.h"

#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void stream_message_write(const struct stream_slot *slot, struct stream_piece pieces[],
			  unsigned piece_count)
{
	const struct stream_message_head head = {
		.length_bytes = slot->length_bytes,
		.kind = slot->kind,
		.failure = slot->failure,
		.worker = slot->worker,
		.handle = slot->handle,
		.server = slot->server,
		.local = slot->local,
		.timeout_ms = slot->timeout_ms,
	};
	uint32_t used = sizeof(head), written = 0;

	CHECK(slot->length_bytes <= STREAM_MESSAGE_BYTES_MAX &&
	      piece_count == stream_message_piece_count(slot->length_bytes));
	memcpy(pieces[0].data, &head, sizeof(head));
	for (unsigned i = 0; i < piece_count; i++) {
		uint32_t part = least(slot->length_bytes - written, STREAM_PIECE_BYTES - used);

		if (part > 0)
			memcpy(pieces[i].data + used, slot->data + written, part);
		written += part;
		pieces[i].length_bytes = used + part;
		used = 0;
	}
	CHECK(written == slot->length_bytes);
}

static uint8_t *gather(const struct stream_piece pieces[], unsigned piece_count, uint32_t length,
		       uint8_t *buffer)
{
	uint32_t skipped = sizeof(struct stream_message_head), read = 0;

	for (unsigned i = 0; i < piece_count; i++) {
		uint32_t part = pieces[i].length_bytes - skipped;

		CHECK(read + part <= length);
		memcpy(buffer + read, pieces[i].data + skipped, part);
		read += part;
		skipped = 0;
	}
	CHECK(read == length);
	return buffer;
}

void stream_message_read(const struct stream_piece pieces[], unsigned piece_count, uint8_t *buffer,
			 struct stream_slot *out)
{
	struct stream_message_head head;

	CHECK(piece_count > 0 && pieces[0].length_bytes >= sizeof(head));
	memcpy(&head, pieces[0].data, sizeof(head));
	*out = (struct stream_slot){
		.data = pieces[0].data + sizeof(head),
		.capacity_bytes = STREAM_PIECE_BYTES - sizeof(head),
		.length_bytes = head.length_bytes,
		.kind = head.kind,
		.failure = head.failure,
		.worker = head.worker,
		.handle = head.handle,
		.server = head.server,
		.local = head.local,
		.timeout_ms = head.timeout_ms,
	};
	CHECK(head.length_bytes <= STREAM_MESSAGE_BYTES_MAX);
	if (piece_count == 1) {
		CHECK(pieces[0].length_bytes == sizeof(head) + head.length_bytes);
		return;
	}
	out->data = gather(pieces, piece_count, head.length_bytes, buffer);
	out->capacity_bytes = STREAM_MESSAGE_BYTES_MAX;
}
