/* What an engine and whoever carries TCP for it say to each other: the stream thread, or the simulator, which plays it
 * with delays of its own. Messages are whole DNS messages without their two bytes of length (RFC 7766 section 8).
 *
 *   engine_stream_out  STREAM_QUERY     ask this server over TCP
 *                      STREAM_ANSWER    for the stream of a client
 *   engine_stream_in   STREAM_RESPONSE  what the server has answered
 *                      STREAM_FAILED    it has not, and why
 *   engine_stream_question              a client's question (engine.h)
 *
 * A handle is whoever's it is who expects something: of a QUERY it is the engine's and comes back with RESPONSE or FAILED; of an ANSWER
 * it is the carrier's, as it was given with the question. What comes back to a handle that is no more is dropped by name. The
 * carrier answers a QUERY once, or not at all: it may forget one after timeout_ms, as the engine does.
 *
 * Memory: a slot's data is lent for the call; that of a RESPONSE is written to. Threads: an engine's own.
 */
#ifndef PORTICO_STREAM_H
#define PORTICO_STREAM_H

#include <stdint.h>

#include "address.h"

#define STREAM_MESSAGE_BYTES_MAX 65535 /* what two bytes of length can say */

enum stream_kind {
	STREAM_QUERY,
	STREAM_ANSWER,
	STREAM_RESPONSE,
	STREAM_FAILED,
	STREAM_KIND_COUNT,
};

/* Why there is no answer. */
enum stream_failure {
	STREAM_FAILURE_REFUSED,     /* the connection was refused or reset before it was open */
	STREAM_FAILURE_UNREACHABLE, /* no route, or the kernel says so */
	STREAM_FAILURE_TIMEOUT,     /* not in time */
	STREAM_FAILURE_CLOSED,      /* closed or reset before the answer */
	STREAM_FAILURE_GARBAGE,     /* what came is no DNS message stream */
	STREAM_FAILURE_LIMIT,       /* ours: as many connections or questions as there may be */
	STREAM_FAILURE_COUNT,
};

struct stream_handle {
	uint32_t idx;
	uint32_t generation;
};

struct stream_slot {
	uint8_t *data;           /* the message */
	uint32_t capacity_bytes; /* of engine_stream_out: STREAM_MESSAGE_BYTES_MAX at least */
	uint32_t length_bytes;   /* FAILED: 0 */
	uint8_t kind;            /* enum stream_kind */
	uint8_t failure;         /* FAILED: enum stream_failure */
	uint8_t worker; /* QUERY, RESPONSE, FAILED: the engine whose handle it is; ANSWER: whose answer it is */
	struct stream_handle handle;
	struct endpoint server; /* QUERY */
	struct address local;   /* QUERY: to ask from; all zeroes: the kernel's choice */
	uint32_t timeout_ms;    /* QUERY: from now */
};

/* Where a client's question came from, and where its answer is to go. */
struct stream_origin {
	struct stream_handle handle;
	struct endpoint client;
	struct endpoint local; /* the listen endpoint that it came to */
};

#endif
