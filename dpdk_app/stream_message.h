/* A stream_slot and its message laid out over pieces of memory, as it crosses a ring between a worker and the stream thread:
 * a head that says what it is, then the message, in as many pieces as it takes.
 *
 * Memory: the caller's pieces. Threads: pure functions. Calls nothing of DPDK: stream_mbuf.h has the packet buffers.
 */
#ifndef PORTICO_STREAM_MESSAGE_H
#define PORTICO_STREAM_MESSAGE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "core/stream.h"

/* A question between two workers must fit one piece, and almost all answers do; the longest take 65. */
#define STREAM_PIECE_BYTES 1024

struct stream_message_head {
	uint32_t length_bytes;
	uint8_t kind;
	uint8_t failure;
	uint8_t worker;
	struct stream_handle handle;
	struct endpoint server;
	struct address local;
	uint32_t timeout_ms;
};
#define STREAM_PIECES_MAX                                                                          \
	((sizeof(struct stream_message_head) + STREAM_MESSAGE_BYTES_MAX + STREAM_PIECE_BYTES -     \
	  1) /                                                                                     \
	 STREAM_PIECE_BYTES)

struct stream_piece {
	uint8_t *data;
	uint32_t length_bytes;
};

/* How many pieces of STREAM_PIECE_BYTES it takes. */
static inline unsigned stream_message_piece_count(uint32_t length_bytes)
{
	static_assert(sizeof(struct stream_message_head) <= STREAM_PIECE_BYTES, "in the first one");
	return (unsigned)((sizeof(struct stream_message_head) + length_bytes + STREAM_PIECE_BYTES -
			   1) /
			  STREAM_PIECE_BYTES);
}

/* Into piece_count pieces, as many as it takes; sets their lengths. */
void stream_message_write(const struct stream_slot *slot, struct stream_piece pieces[],
			  unsigned piece_count);

/* Out of them. buffer: STREAM_MESSAGE_BYTES_MAX bytes, where a message that lies in several pieces is put together; else
 * out->data is in the piece. */
void stream_message_read(const struct stream_piece pieces[], unsigned piece_count, uint8_t *buffer,
			 struct stream_slot *out);

#endif
