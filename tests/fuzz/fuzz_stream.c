/* The framing of DNS messages in a stream: whatever the pieces it comes in, the messages are the same.
 *
 * Input: bytes 0 to 3: the sizes of the pieces, in turn (0 counts as 1); then the stream.
 *
 * Promises that are checked: nothing is read past a piece or written past the length that was asked for (buffers are exact,
 * so that ASan sees it); each message is that of a reader who has the whole stream; a buffer is wanted only for a message
 * that is not whole in one piece; all bytes are taken, and what is left over at the end is a partial message.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/stream_frame.h"

enum { PIECE_SIZES = 4 };

/* Who has the whole stream: checks that what is given is the next there. */
struct reference {
	struct span left;
};

static void expect(struct reference *r, const struct span *message)
{
	const size_t length = (size_t)r->left.data[0] << 8 | r->left.data[1];

	CHECK(r->left.length_bytes >= STREAM_FRAME_HEAD_BYTES + length);
	CHECK((length == 0) == (message == NULL));
	if (message != NULL) {
		CHECK(message->length_bytes == length);
		CHECK(memcmp(message->data, r->left.data + STREAM_FRAME_HEAD_BYTES, length) == 0);
	}
	r->left.data += STREAM_FRAME_HEAD_BYTES + length;
	r->left.length_bytes -= STREAM_FRAME_HEAD_BYTES + length;
}

/* A piece, in memory of its own. */
static void take_piece(struct stream_frame *f, uint8_t **lent, struct reference *r,
		       const uint8_t *data, size_t length)
{
	uint8_t *piece = malloc(length);
	struct span received = {piece, length};
	enum stream_frame_result result;
	struct span message;

	memcpy(piece, data, length);
	while ((result = stream_frame_next(f, &received, &message)) != STREAM_FRAME_MORE) {
		switch (result) {
		case STREAM_FRAME_MESSAGE:
			CHECK(f->buffer == NULL && !stream_frame_is_partial(f));
			expect(r, &message);
			free(*lent);
			*lent = NULL;
			break;
		case STREAM_FRAME_WANTS_BUFFER:
			CHECK(*lent == NULL && received.length_bytes < stream_frame_length(f));
			*lent = malloc(stream_frame_length(f));
			stream_frame_lend(f, *lent);
			break;
		case STREAM_FRAME_EMPTY:
			expect(r, NULL);
			break;
		case STREAM_FRAME_MORE:
			break;
		}
	}
	CHECK(received.length_bytes == 0);
	free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *sizes = data;
	struct stream_frame f;
	struct reference r;
	uint8_t *lent = NULL;

	if (size < PIECE_SIZES)
		return 0;
	data += PIECE_SIZES;
	size -= PIECE_SIZES;
	r.left = (struct span){data, size};
	stream_frame_init(&f);
	for (size_t at = 0, turn = 0; at < size; turn++) {
		size_t piece = sizes[turn % PIECE_SIZES] != 0 ? sizes[turn % PIECE_SIZES] : 1;

		if (piece > size - at)
			piece = size - at;
		take_piece(&f, &lent, &r, data + at, piece);
		at += piece;
	}
	CHECK(stream_frame_is_partial(&f) == (r.left.length_bytes > 0));
	if (r.left.length_bytes >= STREAM_FRAME_HEAD_BYTES)
		CHECK(r.left.length_bytes < STREAM_FRAME_HEAD_BYTES + stream_frame_length(&f));
	free(lent);
	return 0;
}
