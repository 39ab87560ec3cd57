/* TCP connections of clients (RFC 7766): accepted, limited (SECURITY D16), read, answered in whatever order answers come.
 *
 * Up to STREAM_CLIENT_QUESTIONS_MAX questions of a connection may be under way, and STREAM_CLIENTS_QUESTIONS_MAX in all; beyond
 * that, and while more than STREAM_CLIENT_OUT_BYTES of answers wait for the client, it is not read from: TCP itself tells the
 * client to wait. A client that closes its half still gets its answers. A connection is closed by us
 *   after idle_s without anything under way; after STREAM_CLIENT_MESSAGE_MS if nothing has come at all, or only a part of a
 *   message; after STREAM_CLIENT_STALL_MS in which the client took no byte of its answers; if what comes is no query, or a
 *   length of zero; as the one that has been idle longest, when as many as may be are open and another comes.
 * An answer that does not come (its question was dropped by name) is given up after STREAM_CLIENT_ANSWER_MS.
 *
 * Memory: tables for max_clients at the start and when a reload raises it. A connection: its struct (under 600 bytes); while a
 * message is there in part or may not be asked yet, a buffer of its size or of STREAM_CLIENT_READ_BYTES; while the kernel does not take
 * its answers, a buffer that grows with them. All buffers of the first kind: STREAM_CLIENTS_IN_BYTES_MAX, of the second:
 * STREAM_CLIENTS_OUT_BYTES_MAX at most; beyond that the connection that asks for more is closed, or the one whose answers have
 * waited longest. So the whole is bounded by 64 + 128 MiB, 600 bytes a connection (5 MiB for 8,192) and 1 MiB of questions,
 * and by what the kernel has in its buffers: STREAM_CLIENT_SOCKET_BYTES each way and connection, and net.ipv4.tcp_mem for all.
 * Threads: the loop's. Calls nothing of DPDK. Test: tests/smoke/tcp_clients_test.sh, tcp_load_test.sh.
 */
#ifndef PORTICO_STREAM_CLIENTS_H
#define PORTICO_STREAM_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/address.h"
#include "core/check.h"
#include "core/mono.h"
#include "core/span.h"
#include "core/stream.h"
#include "dpdk_app/stream_counter.h"
#include "dpdk_app/stream_report.h"

#define STREAM_CLIENT_QUESTIONS_MAX 100
/* While three quarters of all that may be under way are, so that those who wait long do not take it all. */
#define STREAM_CLIENT_QUESTIONS_CROWDED 8
#define STREAM_CLIENTS_QUESTIONS_MAX 12288
#define STREAM_CLIENT_READ_BYTES 4096
#define STREAM_CLIENT_OUT_BYTES (256u << 10)
#define STREAM_CLIENT_SOCKET_BYTES (64 << 10)
#define STREAM_CLIENTS_IN_BYTES_MAX (64u << 20)
#define STREAM_CLIENTS_OUT_BYTES_MAX (128u << 20)
#define STREAM_CLIENT_MESSAGE_MS 3000
#define STREAM_CLIENT_STALL_MS 2000
#define STREAM_CLIENT_ANSWER_MS 6000  /* later than CLIENT_DEADLINE_MS: nothing comes any more */
#define STREAM_CLIENTS_ACCEPTS_MAX 64 /* from one listener before others have their turn */
#define STREAM_CLIENTS_REST_MS                                                                     \
	100 /* how long nothing is accepted when the kernel has no descriptor or memory */

/* A message of a client that is to be asked. */
struct stream_question {
	struct span message;
	struct stream_origin origin;
	/* ANSWERED: the answer, with room for more behind it; valid until the next question. */
	uint8_t *answer;
	uint32_t answer_bytes;
	uint32_t answer_capacity;
};

enum stream_asked {
	STREAM_ASKED_ANSWERED,
	STREAM_ASKED_PASSED,  /* the answer comes by stream_clients_answer, or never */
	STREAM_ASKED_DROPPED, /* there is none */
	STREAM_ASKED_GARBAGE, /* it was no query */
};
typedef enum stream_asked stream_clients_ask(void *context, struct stream_question *question);

struct stream_clients_settings {
	uint32_t max_clients;
	uint32_t idle_s;
};

struct stream_clients_params {
	uv_loop_t *loop;
	stream_clients_ask *ask;
	mono_ns (*clock)(void *context); /* never goes back */
	void *context;
	struct stream_counters *counters;
	struct stream_clients_settings settings;
};

struct stream_clients;

/* NULL: no memory or no randomness (errno). */
MUST_USE struct stream_clients *stream_clients_make(const struct stream_clients_params *params);
/* Closes all that is open, at once; freed once the loop, which must run on, has closed its handles. */
void stream_clients_close(struct stream_clients *all);

/* Take connections from a listening socket, which is ours from here on. False: not possible (errno); then it is closed. */
MUST_USE bool stream_clients_listen(struct stream_clients *all, const struct endpoint *endpoint,
				    int fd);
/* No more there, unless it is one of endpoints; connections that came to one that is not are closed when they have their
 * answers. */
void stream_clients_keep(struct stream_clients *all, const struct endpoint endpoints[],
			 unsigned count);
/* From now on. Connections beyond a lower max_clients stay. Where there is no memory for a higher one it remains as it was
 * (false). */
MUST_USE bool stream_clients_follow(struct stream_clients *all,
				    const struct stream_clients_settings *settings);

/* ---- each turn of the loop ---- */

/* At its end, before it sleeps: answers go out, what had to wait is asked, what is over is closed.
 * room: how many questions can be passed on until the next turn. */
void stream_clients_turn(struct stream_clients *all, mono_ns now, unsigned room);
/* When stream_clients_turn has something to do though nothing has come. */
mono_ns stream_clients_next(const struct stream_clients *all);
/* Does one wait for room to ask? */
bool stream_clients_want_room(const struct stream_clients *all);

/* An answer (writable up to capacity_bytes) for the question of that handle; goes out with the turn. */
void stream_clients_answer(struct stream_clients *all, struct stream_handle handle, uint8_t *answer,
			   uint32_t length_bytes, uint32_t capacity_bytes);

/* Nothing under way, and all answers given to the kernel. */
bool stream_clients_idle(const struct stream_clients *all);

/* How many are in each state: stream_report_count_clients, context: struct stream_clients. */
void stream_clients_count(void *context, uint32_t counts[STREAM_CLIENT_STATE_COUNT]);

#endif
