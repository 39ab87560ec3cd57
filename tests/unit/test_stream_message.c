#include "dpdk_app/stream_message.h"
#include "unit.h"

#include <string.h>

static uint8_t memory[STREAM_PIECES_MAX][STREAM_PIECE_BYTES];
static uint8_t message[STREAM_MESSAGE_BYTES_MAX];
static uint8_t buffer[STREAM_MESSAGE_BYTES_MAX];

static struct stream_slot sample(uint32_t length_bytes)
{
	const uint8_t server[4] = {198, 18, 0, 20}, local[4] = {198, 18, 0, 53};

	for (uint32_t i = 0; i < length_bytes; i++)
		message[i] = (uint8_t)(i * 7 + (i >> 8));
	return (struct stream_slot){
		.data = message,
		.length_bytes = length_bytes,
		.kind = STREAM_QUERY,
		.failure = STREAM_FAILURE_CLOSED,
		.worker = 127,
		.handle = {0x12345678, 0x9abcdef0},
		.server = {address_from_v4(server), 5353},
		.local = address_from_v4(local),
		.timeout_ms = 1500,
	};
}

static void is_carried(uint32_t length_bytes, unsigned want_pieces)
{
	const struct stream_slot in = sample(length_bytes);
	const unsigned count = stream_message_piece_count(length_bytes);
	struct stream_piece pieces[STREAM_PIECES_MAX];
	struct stream_slot out;

	CU_ASSERT_EQUAL_FATAL(count, want_pieces);
	CU_ASSERT_FATAL(count <= STREAM_PIECES_MAX);
	for (unsigned i = 0; i < count; i++)
		pieces[i] = (struct stream_piece){memory[i], 0};
	stream_message_write(&in, pieces, count);
	for (unsigned i = 0; i < count; i++)
		CU_ASSERT(pieces[i].length_bytes > 0 &&
			  pieces[i].length_bytes <= STREAM_PIECE_BYTES);
	memset(buffer, 0xee, sizeof(buffer));
	stream_message_read(pieces, count, buffer, &out);
	CU_ASSERT_EQUAL(out.length_bytes, length_bytes);
	CU_ASSERT(length_bytes == 0 || memcmp(out.data, message, length_bytes) == 0);
	CU_ASSERT(out.capacity_bytes >= out.length_bytes);
	CU_ASSERT((out.data == buffer) == (count > 1));
	CU_ASSERT(out.kind == in.kind && out.failure == in.failure && out.worker == in.worker);
	CU_ASSERT(out.handle.idx == in.handle.idx && out.handle.generation == in.handle.generation);
	CU_ASSERT(endpoint_equal(&out.server, &in.server) && address_equal(&out.local, &in.local));
	CU_ASSERT_EQUAL(out.timeout_ms, in.timeout_ms);
}

static void a_message_of_any_length_is_carried(void)
{
	const uint32_t head = sizeof(struct stream_message_head), piece = STREAM_PIECE_BYTES;

	is_carried(0, 1);
	is_carried(1, 1);
	is_carried(12, 1);
	is_carried(piece - head, 1);
	is_carried(piece - head + 1, 2);
	is_carried(2 * piece - head, 2);
	is_carried(2 * piece - head + 1, 3);
	is_carried(STREAM_MESSAGE_BYTES_MAX, (unsigned)STREAM_PIECES_MAX);
}

static const struct unit_test tests[] = {UNIT_TEST(a_message_of_any_length_is_carried)};
UNIT_SUITE(stream_message, tests)
