/* DNS messages in a stream of bytes: each behind its length in two bytes (RFC 1035 section 4.2.2, RFC 7766 section 8),
 * in pieces of any size.
 *
 * A message that is whole in the bytes received is given where it stands; one that is not is put together in a buffer that
 * the caller lends once its length is known, so that a connection that is between two messages needs none.
 *
 * Memory: the buffer that was lent, until the message has been given. Threads: a value of its user. Bound: each byte is
 * looked at once, copied at most once.
 */
#ifndef PORTICO_STREAM_FRAME_H
#define PORTICO_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "span.h"

#define STREAM_FRAME_HEAD_BYTES 2

struct stream_frame {
	uint8_t head[STREAM_FRAME_HEAD_BYTES];
	uint8_t head_count;    /* of its bytes that are known */
	uint32_t filled_bytes; /* of the message, in buffer */
	uint8_t *buffer;       /* NULL: none is lent */
};

enum stream_frame_result {
	STREAM_FRAME_MESSAGE,      /* one is whole */
	STREAM_FRAME_MORE,         /* all bytes are taken; there is no whole message in them */
	STREAM_FRAME_WANTS_BUFFER, /* of stream_frame_length bytes at least: lend it, and call again */
	STREAM_FRAME_EMPTY, /* a length of zero: no message; what follows is read as the next */
};

static inline void stream_frame_init(struct stream_frame *f)
{
	*f = (struct stream_frame){.head_count = 0};
}

/* Take from *received, which is moved past what was taken; call until MORE. *message is written on MESSAGE only: it lies in
 * *received or in the buffer, and holds until either is used again; the buffer is the caller's again (buffer is NULL). */
MUST_USE enum stream_frame_result stream_frame_next(struct stream_frame *f, struct span *received,
						    struct span *message);

/* After WANTS_BUFFER. */
void stream_frame_lend(struct stream_frame *f, uint8_t *buffer);

/* Of the message that has begun; 0: its length is not known yet. */
static inline uint32_t stream_frame_length(const struct stream_frame *f)
{
	return f->head_count == STREAM_FRAME_HEAD_BYTES ? (uint32_t)f->head[0] << 8 | f->head[1]
							: 0;
}

/* Has a part of a message come, its length or more? */
static inline bool stream_frame_is_partial(const struct stream_frame *f)
{
	return f->head_count > 0;
}

#endif
