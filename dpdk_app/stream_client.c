#include "dpdk_app/stream_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/msg_keepalive.h"

#define OUT_BYTES_MIN 512
/* RFC 7828 counts in 100 ms. */
#define KEEPALIVE_UNITS_PER_S 10

static struct stream_counters *counters(const struct stream_client *c)
{
	return c->all->params.counters;
}

static uint32_t out_bytes(const struct stream_client *c)
{
	return c->out_end - c->out_at;
}

/* ---- what is received ---- */

/* NULL: there is no more for what clients have sent in part, and the connection is closed. */
static uint8_t *take_in(struct stream_client *c, uint32_t bytes)
{
	struct stream_clients *all = c->all;
	uint8_t *buffer = NULL;

	if (all->in_bytes + bytes <= STREAM_CLIENTS_IN_BYTES_MAX)
		buffer = malloc(bytes);
	if (buffer == NULL)
		stream_client_close(c, STREAM_CLIENT_CLOSED_MEMORY);
	else
		all->in_bytes += bytes;
	return buffer;
}

static void free_in(struct stream_client *c, uint8_t **buffer, uint32_t *bytes)
{
	free(*buffer);
	c->all->in_bytes -= *bytes;
	*buffer = NULL;
	*bytes = 0;
}

/* Look at the rest another time. */
static void keep(struct stream_client *c, const struct span *received)
{
	if (c->rest != NULL) { /* it is part of it */
		c->rest_at = c->rest_bytes - (uint32_t)received->length_bytes;
		return;
	}
	c->rest = take_in(c, STREAM_CLIENT_READ_BYTES);
	if (c->rest == NULL)
		return;
	c->rest_capacity = STREAM_CLIENT_READ_BYTES;
	c->rest_bytes = (uint32_t)received->length_bytes;
	c->rest_at = 0;
	memcpy(c->rest, received->data, received->length_bytes);
}

/* ---- questions ---- */

static bool is_crowded(const struct stream_clients *all)
{
	return pool_used_count(&all->free_questions) * 4 >= STREAM_CLIENTS_QUESTIONS_MAX * 3;
}

/* By what is its own. */
static bool may_ask(const struct stream_client *c)
{
	return c->question_count < STREAM_CLIENT_QUESTIONS_MAX &&
	       out_bytes(c) <= STREAM_CLIENT_OUT_BYTES;
}

/* By what others have. */
static bool has_room(const struct stream_client *c)
{
	const struct stream_clients *all = c->all;

	if (all->room == 0 || pool_peek(&all->free_questions, 0) == POOL_NONE)
		return false;
	return c->question_count < STREAM_CLIENT_QUESTIONS_CROWDED || !is_crowded(all);
}

static uint32_t take_question(struct stream_client *c)
{
	struct stream_clients *all = c->all;
	const uint32_t idx = pool_take(&all->free_questions);
	struct stream_client_question *q;

	CHECK(idx != POOL_NONE);
	q = &all->questions[idx];
	q->client_idx = c->idx;
	q->asked_at = all->now;
	q->before = c->question_tail;
	q->after = POOL_NONE;
	if (c->question_tail != POOL_NONE)
		all->questions[c->question_tail].after = idx;
	else
		c->question_head = idx;
	c->question_tail = idx;
	c->question_count++;
	return idx;
}

/* The answer, with the time that we keep the connection if the client wants to know it; 0: a connection that ends. */
uint32_t stream_client_keepalive(const struct stream_client *c, uint8_t *answer,
				 uint32_t length_bytes, uint32_t capacity_bytes)
{
	const uint32_t idle_s = c->is_ending ? 0 : c->all->params.settings.idle_s;

	return (uint32_t)msg_add_keepalive((struct buffer){answer, capacity_bytes}, length_bytes,
					   (uint16_t)(idle_s * KEEPALIVE_UNITS_PER_S));
}

static void answer_at_once(struct stream_client *c, const struct stream_question *q,
			   bool wants_keepalive)
{
	uint32_t length_bytes = q->answer_bytes;

	if (wants_keepalive)
		length_bytes =
			stream_client_keepalive(c, q->answer, length_bytes, q->answer_capacity);
	if (stream_client_put(c, q->answer, length_bytes))
		stream_counter_add(counters(c), STREAM_CLIENT_ANSWER, 1);
}

static void ask(struct stream_client *c, struct span message)
{
	struct stream_clients *all = c->all;
	const uint32_t idx = take_question(c);
	struct stream_client_question *slot = &all->questions[idx];
	struct stream_question q = {
		.message = message,
		.origin = {.handle = {idx, slot->generation},
			   .client = c->client,
			   .local = c->local},
	};

	stream_counter_add(counters(c), STREAM_CLIENT_QUESTION, 1);
	stream_list_remove(c, STREAM_LIST_IDLE);
	c->active_at = all->now;
	c->has_asked = true;
	slot->wants_keepalive = msg_has_keepalive(message);
	switch (all->params.ask(all->params.context, &q)) {
	case STREAM_ASKED_PASSED:
		all->room--;
		return;
	case STREAM_ASKED_ANSWERED:
		answer_at_once(c, &q, slot->wants_keepalive);
		break;
	case STREAM_ASKED_DROPPED:
		break;
	case STREAM_ASKED_GARBAGE:
		stream_client_close(c, STREAM_CLIENT_CLOSED_GARBAGE);
		return;
	}
	if (!c->is_closed)
		stream_question_free(all, idx);
}

/* A buffer for the message that has come in part. */
static void lend(struct stream_client *c)
{
	const uint32_t bytes = stream_frame_length(&c->frame);
	uint8_t *buffer = take_in(c, bytes);

	if (buffer == NULL)
		return;
	c->partial_bytes = bytes;
	stream_frame_lend(&c->frame, buffer);
}

static void ask_and_free(struct stream_client *c, struct span message, uint8_t *buffer)
{
	ask(c, message);
	/* A connection that is closed had it freed, if it was still lent. */
	if (buffer == NULL)
		return;
	free_in(c, &buffer, &c->partial_bytes);
}

/* Whole messages are asked as long as they may be; what is left is kept. */
static void look(struct stream_client *c, struct span received)
{
	struct span message;

	while (!c->is_closed) {
		uint8_t *lent = c->frame.buffer;
		const bool was_partial = stream_frame_is_partial(&c->frame);

		if (received.length_bytes > 0 && !(may_ask(c) && has_room(c))) {
			keep(c, &received);
			return;
		}
		switch (stream_frame_next(&c->frame, &received, &message)) {
		case STREAM_FRAME_MORE:
			if (!was_partial)
				c->partial_at = c->all->now;
			if (c->rest != NULL)
				free_in(c, &c->rest, &c->rest_capacity);
			c->rest_bytes = 0;
			return;
		case STREAM_FRAME_WANTS_BUFFER:
			if (!was_partial)
				c->partial_at = c->all->now;
			lend(c);
			break;
		case STREAM_FRAME_EMPTY:
			stream_client_close(c, STREAM_CLIENT_CLOSED_GARBAGE);
			return;
		case STREAM_FRAME_MESSAGE:
			ask_and_free(c, message, lent);
			break;
		}
	}
}

static bool may_read(const struct stream_client *c)
{
	return !c->has_ended && !c->is_ending && c->rest_bytes == 0 && may_ask(c);
}

static void receive(struct stream_client *c)
{
	struct stream_clients *all = c->all;
	ssize_t count;

	if (!may_read(c) || !has_room(c))
		return;
	count = recv(c->fd, all->received, sizeof(all->received), 0);
	if (count > 0)
		look(c, (struct span){all->received, (size_t)count});
	else if (count == 0)
		c->has_ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		stream_client_close(c, STREAM_CLIENT_CLOSED_RESET);
}

/* ---- what is sent ---- */

static void free_out(struct stream_client *c)
{
	free(c->out);
	c->all->out_bytes -= c->out_capacity;
	c->out = NULL;
	c->out_at = c->out_end = c->out_capacity = 0;
	stream_list_remove(c, STREAM_LIST_SENDING);
}

/* Those whose answers have waited longest make room for ours. */
static bool has_out(struct stream_client *c, uint32_t more_bytes)
{
	struct stream_clients *all = c->all;

	while (all->out_bytes + more_bytes > STREAM_CLIENTS_OUT_BYTES_MAX) {
		struct stream_client *slowest = all->heads[STREAM_LIST_SENDING];

		if (slowest == NULL || slowest == c)
			return false;
		stream_client_close(slowest, STREAM_CLIENT_CLOSED_MEMORY);
	}
	return true;
}

static bool grow_out(struct stream_client *c, uint32_t wanted_bytes)
{
	uint32_t capacity = c->out_capacity > 0 ? c->out_capacity : OUT_BYTES_MIN;
	uint8_t *grown;

	while (capacity < wanted_bytes)
		capacity *= 2;
	if (!has_out(c, capacity - c->out_capacity))
		return false;
	grown = realloc(c->out, capacity);
	if (grown == NULL)
		return false;
	c->all->out_bytes += capacity - c->out_capacity;
	c->out = grown;
	c->out_capacity = capacity;
	return true;
}

bool stream_client_put(struct stream_client *c, const uint8_t *answer, uint32_t length_bytes)
{
	const uint32_t bytes = STREAM_FRAME_HEAD_BYTES + length_bytes;
	uint8_t *to;

	CHECK(length_bytes <= STREAM_MESSAGE_BYTES_MAX);
	if (c->out_at > 0 && c->out_end + bytes > c->out_capacity) {
		memmove(c->out, c->out + c->out_at, out_bytes(c));
		c->out_end -= c->out_at;
		c->out_at = 0;
	}
	if (c->out_end + bytes > c->out_capacity && !grow_out(c, c->out_end + bytes)) {
		stream_client_close(c, STREAM_CLIENT_CLOSED_MEMORY);
		return false;
	}
	if (out_bytes(c) == 0) {
		c->moved_at = c->all->now;
		stream_list_remove(c, STREAM_LIST_IDLE);
		stream_list_add(c, STREAM_LIST_SENDING);
	}
	to = c->out + c->out_end;
	to[0] = (uint8_t)(length_bytes >> 8);
	to[1] = (uint8_t)length_bytes;
	memcpy(to + STREAM_FRAME_HEAD_BYTES, answer, length_bytes);
	c->out_end += bytes;
	c->active_at = c->all->now;
	return true;
}

static void send_out(struct stream_client *c)
{
	while (!c->is_closed && out_bytes(c) > 0) {
		ssize_t count = send(c->fd, c->out + c->out_at, out_bytes(c), MSG_NOSIGNAL);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0) {
			stream_client_close(c, STREAM_CLIENT_CLOSED_RESET);
			return;
		}
		c->out_at += (uint32_t)count;
		c->moved_at = c->all->now;
	}
	if (!c->is_closed && c->out != NULL)
		free_out(c);
}

void stream_client_free_buffers(struct stream_client *c)
{
	if (c->frame.buffer != NULL)
		free_in(c, &c->frame.buffer, &c->partial_bytes);
	if (c->rest != NULL)
		free_in(c, &c->rest, &c->rest_capacity);
	c->rest_bytes = 0;
	if (c->out != NULL)
		free_out(c);
}

/* ---- what is next ---- */

static bool is_quiet(const struct stream_client *c)
{
	return c->question_count == 0 && out_bytes(c) == 0 && c->rest_bytes == 0;
}

static mono_ns sooner(mono_ns a, mono_ns b)
{
	return a < b ? a : b;
}

/* When it is over, and why, if nothing comes or goes. */
static mono_ns deadline(const struct stream_client *c, enum stream_counter *reason)
{
	mono_ns at = MONO_NEVER;

	*reason = STREAM_CLIENT_CLOSED_SILENT;
	if (out_bytes(c) > 0) {
		*reason = STREAM_CLIENT_CLOSED_STALLED;
		return c->moved_at + STREAM_CLIENT_STALL_MS * NS_PER_MS;
	}
	/* One that may not be read from is not to blame. */
	if (stream_frame_is_partial(&c->frame) && c->rest_bytes == 0)
		at = c->partial_at + STREAM_CLIENT_MESSAGE_MS * NS_PER_MS;
	if (c->question_count > 0 || c->rest_bytes > 0)
		return at;
	if (stream_frame_is_partial(&c->frame))
		return at;
	if (!c->has_asked)
		return c->active_at + STREAM_CLIENT_MESSAGE_MS * NS_PER_MS;
	*reason = STREAM_CLIENT_CLOSED_IDLE;
	return c->active_at + c->all->params.settings.idle_s * NS_PER_S;
}

static mono_ns next_timer(const struct stream_client *c)
{
	enum stream_counter reason;
	mono_ns at = deadline(c, &reason);

	if (c->question_count > 0)
		at = sooner(at, c->all->questions[c->question_head].asked_at +
					STREAM_CLIENT_ANSWER_MS * NS_PER_MS);
	return at;
}

static void wait_for_events(struct stream_client *c)
{
	int events = 0;

	if (may_read(c) && !c->links[STREAM_LIST_ROOM].is_in)
		events |= UV_READABLE;
	if (out_bytes(c) > 0)
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else if (uv_poll_start(&c->poll, events, stream_client_on_event) != 0)
		stream_client_close(c, STREAM_CLIENT_CLOSED_RESET);
}

void stream_client_go_on(struct stream_client *c)
{
	struct stream_clients *all = c->all;

	stream_list_remove(c, STREAM_LIST_TOUCHED);
	send_out(c);
	if (!c->is_closed && c->rest_bytes > 0 && may_ask(c) && has_room(c)) {
		look(c, (struct span){c->rest + c->rest_at, c->rest_bytes - c->rest_at});
		send_out(c);
	}
	if (c->is_closed)
		return;
	if (is_quiet(c) && (c->has_ended || c->is_ending)) {
		stream_client_close(c, c->has_ended ? STREAM_CLIENT_CLOSED_CLIENT
						    : STREAM_CLIENT_CLOSED_STOPPING);
		return;
	}
	if (is_quiet(c))
		stream_list_add(c, STREAM_LIST_IDLE);
	if (may_ask(c) && !has_room(c) && (c->rest_bytes > 0 || may_read(c)))
		stream_list_add(c, STREAM_LIST_ROOM);
	else
		stream_list_remove(c, STREAM_LIST_ROOM);
	wait_for_events(c);
	if (!c->is_closed)
		timer_set(&all->timers, c->idx, next_timer(c));
}

void stream_client_on_event(uv_poll_t *poll, int status, int events)
{
	struct stream_client *c = poll->data;

	c->all->now = c->all->params.clock(c->all->params.context);
	if (status < 0) {
		stream_client_close(c, STREAM_CLIENT_CLOSED_RESET);
		return;
	}
	if ((events & UV_READABLE) != 0)
		receive(c);
	if (!c->is_closed)
		stream_client_go_on(c);
}

void stream_client_on_timer(struct stream_client *c)
{
	struct stream_clients *all = c->all;
	enum stream_counter reason;

	if (deadline(c, &reason) <= all->now) {
		stream_client_close(c, reason);
		return;
	}
	/* What was dropped by name. */
	while (c->question_count > 0 &&
	       all->questions[c->question_head].asked_at + STREAM_CLIENT_ANSWER_MS * NS_PER_MS <=
		       all->now)
		stream_question_free(all, c->question_head);
	stream_client_go_on(c);
}

enum stream_client_state stream_client_state(const struct stream_client *c)
{
	if (c->has_ended)
		return STREAM_CLIENT_HALF_CLOSED;
	if (out_bytes(c) > 0)
		return STREAM_CLIENT_SENDING;
	if (c->question_count > 0 || c->rest_bytes > 0)
		return STREAM_CLIENT_WAITING;
	if (stream_frame_is_partial(&c->frame))
		return STREAM_CLIENT_RECEIVING;
	return c->has_asked ? STREAM_CLIENT_IDLE : STREAM_CLIENT_SILENT;
}
