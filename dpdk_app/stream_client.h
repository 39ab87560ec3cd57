/* One TCP connection of a client, and what stream_clients.c and stream_client.c share. No other file includes it.
 *
 * A connection is on the lists
 *   IDLE     nothing under way and no answer waits, in the order in which they became so: the first is closed for a new one
 *   SENDING  answers wait for the kernel, by since when
 *   ROOM     something was read that may not be asked, as others have all that may be under way
 *   TOUCHED  something is to be done at the end of the turn
 */
#ifndef PORTICO_STREAM_CLIENT_H
#define PORTICO_STREAM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/pool.h"
#include "core/stream_frame.h"
#include "core/timer_wheel.h"
#include "dpdk_app/stream_clients.h"
#include "dpdk_app/stream_limits.h"

struct stream_client;

enum stream_client_list {
	STREAM_LIST_IDLE,
	STREAM_LIST_SENDING,
	STREAM_LIST_ROOM,
	STREAM_LIST_TOUCHED,
	STREAM_LIST_COUNT,
};

struct stream_client_link {
	struct stream_client *before, *after;
	bool is_in;
};

struct stream_client {
	uv_poll_t poll; /* data: this */
	struct stream_clients *all;
	int fd;
	int events; /* that are polled for */
	uint32_t idx;
	struct endpoint client, local;
	struct stream_client_link links[STREAM_LIST_COUNT];

	struct stream_frame frame;
	uint32_t partial_bytes; /* of the buffer that is lent to frame */
	uint8_t *rest;          /* received, not looked at yet */
	uint32_t rest_bytes, rest_capacity;
	uint32_t rest_at; /* the first of them */

	uint8_t *out; /* answers with their lengths, [out_at, out_end) of out_capacity bytes */
	uint32_t out_at, out_end, out_capacity;

	uint32_t question_head, question_tail; /* in the order in which they were asked */
	uint32_t question_count;

	mono_ns active_at;  /* accepted, asked or answered last */
	mono_ns partial_at; /* since when a part of a message is there */
	mono_ns moved_at;   /* out has been empty, or the kernel has taken some of it */
	bool has_asked;
	bool has_ended; /* the client sends no more */
	bool is_ending; /* we take no more, and close when all is answered */
	bool is_closed;
};

/* A question under way: what its handle names. */
struct stream_client_question {
	uint32_t generation;
	uint32_t client_idx;    /* POOL_NONE: free */
	uint32_t before, after; /* of the same connection */
	bool wants_keepalive;
	mono_ns asked_at;
};

struct stream_listener {
	uv_poll_t poll; /* data: this */
	struct stream_clients *all;
	struct endpoint endpoint;
	int fd;
	struct stream_listener *next;
};

struct stream_clients {
	struct stream_clients_params params;
	mono_ns now;
	unsigned room;
	bool is_closing;
	unsigned handles; /* that the loop has not closed yet */
	struct stream_listener *listeners;
	mono_ns accept_from; /* nothing is accepted before; 0: now */

	uint32_t capacity; /* connections that the tables hold */
	struct stream_client **clients;
	uint32_t *free_memory;
	struct pool free;
	void *timer_memory;
	struct timer_wheel timers; /* by connection */
	struct stream_limits limits;
	struct stream_client *heads[STREAM_LIST_COUNT], *tails[STREAM_LIST_COUNT];
	uint32_t list_counts[STREAM_LIST_COUNT];

	struct pool free_questions;
	uint32_t *free_questions_memory;
	struct stream_client_question *questions;
	uint64_t in_bytes, out_bytes; /* of all buffers */

	uint8_t received[STREAM_CLIENT_READ_BYTES];
};

/* ---- stream_clients.c ---- */

void stream_list_add(struct stream_client *c, enum stream_client_list list);
void stream_list_remove(struct stream_client *c, enum stream_client_list list);
/* Its questions are given up; the struct goes when the loop has closed its handle. */
void stream_client_close(struct stream_client *c, enum stream_counter reason);
void stream_question_free(struct stream_clients *all, uint32_t question_idx);

/* ---- stream_client.c ---- */

void stream_client_on_event(uv_poll_t *poll, int status, int events);
/* Everything that can be done now: ask, send, close, and what to wait for next. */
void stream_client_go_on(struct stream_client *c);
/* Its timer: close it, if it is over. */
void stream_client_on_timer(struct stream_client *c);
/* False: there is no room for it, and the connection is closed. */
MUST_USE bool stream_client_put(struct stream_client *c, const uint8_t *answer,
				uint32_t length_bytes);
/* The answer's new length, with how long we keep the connection (RFC 7828). */
uint32_t stream_client_keepalive(const struct stream_client *c, uint8_t *answer,
				 uint32_t length_bytes, uint32_t capacity_bytes);
void stream_client_free_buffers(struct stream_client *c);
enum stream_client_state stream_client_state(const struct stream_client *c);

#endif
