/* Inside of stream_servers: what its files share. Indices everywhere; UINT32_MAX (POOL_NONE) is none.
 *
 *   stream_servers.c      questions: taken, timed, ended; the loop's timer; start and end
 *   stream_server_peer.c  servers by endpoint and local address, and which connection a question goes on
 *   stream_server_link.c  connections ("links"): opened, written, read, matched, closed
 *
 * Threads: the loop's.
 */
#ifndef PORTICO_STREAM_SERVERS_STATE_H
#define PORTICO_STREAM_SERVERS_STATE_H

#include <stdbool.h>

#include "core/hash.h"
#include "core/limits.h"
#include "core/mono.h"
#include "core/pool.h"
#include "core/span.h"
#include "core/stream_frame.h"
#include "core/timer_wheel.h"
#include "dpdk_app/stream_servers.h"

#define STREAM_READ_BYTES 65536

/* Free, or under way on a link, or without one: then it is to fail as soon as the timer looks. */
struct stream_question {
	bool under_way;
	uint32_t peer_idx; /* POOL_NONE: there was no place for it */
	uint32_t link_idx; /* POOL_NONE: on none */
	struct stream_handle handle;
	uint8_t worker;
	uint8_t failure; /* enum stream_failure, if its time is over */
	bool sent;
	bool retried; /* on a second link, the last */
	uint16_t id;  /* the engine's; the message carries the link's */
	uint64_t sent_ms;
	uint16_t question_end; /* in the message */
	uint16_t wire_bytes;
	uint8_t wire[STREAM_FRAME_HEAD_BYTES + STREAM_SERVER_QUERY_BYTES_MAX]; /* length, message */
};

enum stream_link_state {
	STREAM_LINK_FREE,
	STREAM_LINK_CONNECTING, /* questions on it are not sent */
	STREAM_LINK_OPEN,
	STREAM_LINK_CLOSING, /* no question, no peer; libuv has its handle yet */
	STREAM_LINK_STATE_COUNT,
};

struct stream_link {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct stream_servers *servers;
	enum stream_link_state state;
	uint32_t peer_idx;
	bool proven;       /* has brought an answer */
	bool retired;      /* takes no new questions, and closes after the last */
	bool broken;       /* cannot be written: closes as soon as the timer looks */
	uint64_t heard_ms; /* when something last came */
	uint32_t idle_ms;  /* how long it stays without questions */
	struct stream_frame frame;
	uint8_t *pieces; /* what frame puts a message together in; NULL: none */
	uint32_t pieces_bytes;
	uint32_t question_count;
	uint32_t questions[STREAM_SERVER_QUESTIONS_MAX];
	uint16_t ids[STREAM_SERVER_QUESTIONS_MAX]; /* of each, on this link */
};

/* A server, from one local address. It keeps its place while it has links or questions, else until the place is needed. */
struct stream_peer {
	bool is_there;
	struct stream_server_row row; /* its counts of links and questions are right now */
	uint32_t next;                /* in its bucket */
	uint32_t links[STREAM_SERVER_CONNECTIONS_MAX]; /* row.connections of them */
};

#define STREAM_PEER_BUCKETS 4096 /* a power of two */

struct stream_servers {
	uv_loop_t *loop;
	struct stream_servers_params params;
	struct hash_key hash_key;
	bool closing;
	uint32_t handle_count; /* that libuv has not closed */
	uv_timer_t timer;
	mono_ns timer_at; /* MONO_NEVER: it is not set */
	/* Questions, then links. */
	struct timer_wheel wheel;
	void *wheel_memory;
	struct pool question_pool;
	struct pool link_pool;
	uint32_t *pool_memory;
	struct stream_question *questions;
	struct stream_link *links;
	struct stream_peer *peers;
	uint32_t peer_hand; /* where to look for one that can go */
	uint32_t buckets[STREAM_PEER_BUCKETS];
	uint32_t pieces_bytes; /* of all links */
	uint8_t read_buffer[STREAM_READ_BYTES];
};

static inline void stream_servers_count(struct stream_servers *s, enum stream_counter which,
					int64_t n)
{
	stream_counter_add(s->params.counters, which, n);
}

static inline mono_ns stream_servers_now(const struct stream_servers *s)
{
	return uv_now(s->loop) * NS_PER_MS;
}

/* ---- stream_servers.c ---- */

/* Look at this question's, or link's, time then. */
void stream_servers_time_question(struct stream_servers *s, uint32_t question_idx, mono_ns at);
void stream_servers_time_link(struct stream_servers *s, uint32_t link_idx, mono_ns at);
void stream_servers_untime_link(struct stream_servers *s, uint32_t link_idx);

/* From callbacks of the loop only, as they call on_done. The question is on no link any more. */
void stream_servers_answered(struct stream_servers *s, uint32_t question_idx,
			     struct buffer message);
void stream_servers_failed(struct stream_servers *s, uint32_t question_idx,
			   enum stream_failure failure);
/* Its link is gone; within its time it may still be answered on another. */
void stream_servers_ask_again(struct stream_servers *s, uint32_t question_idx);

/* A handle is closed. */
void stream_servers_handle_closed(struct stream_servers *s);

/* ---- stream_server_peer.c ---- */

void stream_server_peer_init(struct stream_servers *s);
/* POOL_NONE: all places are in use. */
MUST_USE uint32_t stream_server_peer_find(struct stream_servers *s, const struct endpoint *server,
					  const struct address *local);
/* The link that a question should go on, opened if need be. Not POOL_NONE, or *failure is written. */
MUST_USE uint32_t stream_server_peer_pick(struct stream_servers *s, uint32_t peer_idx, bool alone,
					  enum stream_failure *failure);

/* ---- stream_server_link.c ---- */

/* POOL_NONE: *failure says why. */
MUST_USE uint32_t stream_server_link_open(struct stream_servers *s, uint32_t peer_idx,
					  enum stream_failure *failure);
/* May one more question go on it? */
bool stream_server_link_has_room(const struct stream_link *l);
/* It has room. Calls nobody. False: no random bytes. */
MUST_USE bool stream_server_link_put(struct stream_link *l, uint32_t question_idx);
/* Send what is not sent. Calls nobody. */
void stream_server_link_send(struct stream_link *l);
/* The question is not under way on it any more; is_late: because its time is over. */
void stream_server_link_drop(struct stream_link *l, uint32_t question_idx, bool is_late);
/* From callbacks of the loop only: its questions fail so, or are asked again. */
void stream_server_link_close(struct stream_link *l, enum stream_failure failure);
/* The time that was set for it has come. */
void stream_server_link_on_time(struct stream_link *l);
/* At the end: its questions are forgotten already. */
void stream_server_link_abandon(struct stream_link *l);

#endif
