#include <stdlib.h>
#include <string.h>

#include "core/stream_frame.h"
#include "unit.h"

/* Two messages, an empty one between them, as bytes of a stream. */
static const uint8_t stream[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};

/* Feeds the stream in pieces; notes what comes as text: messages in brackets, E for empty. */
static void read_in_pieces(size_t piece_bytes, char *out)
{
	struct stream_frame f;
	uint8_t buffer[3];

	stream_frame_init(&f);
	for (size_t at = 0; at < sizeof(stream); at += piece_bytes) {
		size_t left = sizeof(stream) - at;
		struct span received = {stream + at, left < piece_bytes ? left : piece_bytes};
		enum stream_frame_result result;
		struct span message;

		while ((result = stream_frame_next(&f, &received, &message)) != STREAM_FRAME_MORE) {
			if (result == STREAM_FRAME_WANTS_BUFFER) {
				CU_ASSERT(stream_frame_length(&f) <= sizeof(buffer));
				stream_frame_lend(&f, buffer);
			} else if (result == STREAM_FRAME_EMPTY) {
				*out++ = 'E';
			} else {
				CU_ASSERT(!stream_frame_is_partial(&f) && f.buffer == NULL);
				*out++ = '[';
				memcpy(out, message.data, message.length_bytes);
				out += message.length_bytes;
				*out++ = ']';
			}
		}
		CU_ASSERT(received.length_bytes == 0);
	}
	CU_ASSERT(!stream_frame_is_partial(&f));
	*out = '\0';
}

static void stream_frame__pieces_of_any_size_give_the_same_messages(void)
{
	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		char got[32];

		read_in_pieces(piece, got);
		CU_ASSERT_STRING_EQUAL(got, "[abc]E[d]");
	}
}

static void stream_frame__whole_message_is_not_copied(void)
{
	struct span received = {stream, sizeof(stream)};
	struct stream_frame f;
	struct span message;

	stream_frame_init(&f);
	CU_ASSERT(stream_frame_next(&f, &received, &message) == STREAM_FRAME_MESSAGE);
	CU_ASSERT(message.data == stream + 2 && message.length_bytes == 3);
}

static void stream_frame__says_what_has_come(void)
{
	struct span received = {stream, 1};
	struct stream_frame f;
	struct span message;

	stream_frame_init(&f);
	CU_ASSERT(!stream_frame_is_partial(&f));
	CU_ASSERT(stream_frame_next(&f, &received, &message) == STREAM_FRAME_MORE);
	CU_ASSERT(stream_frame_is_partial(&f) && stream_frame_length(&f) == 0);
	received = (struct span){stream + 1, 1};
	CU_ASSERT(stream_frame_next(&f, &received, &message) == STREAM_FRAME_MORE);
	CU_ASSERT(stream_frame_length(&f) == 3);
}

static void stream_frame__longest_message_comes_whole(void)
{
	enum { LENGTH = 65535, PIECE = 1000 };
	uint8_t *bytes = calloc(1, 2 + LENGTH), *buffer = malloc(LENGTH);
	struct stream_frame f;
	struct span message = {NULL, 0};
	enum stream_frame_result result = STREAM_FRAME_MORE;

	memset(bytes, 0xff, 2);
	bytes[1 + LENGTH] = 7;
	stream_frame_init(&f);
	for (size_t at = 0; at < 2 + LENGTH; at += PIECE) {
		size_t left = 2 + LENGTH - at;
		struct span received = {bytes + at, left < PIECE ? left : PIECE};

		result = stream_frame_next(&f, &received, &message);
		if (result == STREAM_FRAME_WANTS_BUFFER) {
			stream_frame_lend(&f, buffer);
			result = stream_frame_next(&f, &received, &message);
		}
	}
	CU_ASSERT(result == STREAM_FRAME_MESSAGE);
	CU_ASSERT(message.length_bytes == LENGTH && message.data[LENGTH - 1] == 7);
	free(bytes);
	free(buffer);
}

static const struct unit_test tests[] = {
	UNIT_TEST(stream_frame__pieces_of_any_size_give_the_same_messages),
	UNIT_TEST(stream_frame__whole_message_is_not_copied),
	UNIT_TEST(stream_frame__says_what_has_come),
	UNIT_TEST(stream_frame__longest_message_comes_whole),
};
UNIT_SUITE(stream_frame, tests)
