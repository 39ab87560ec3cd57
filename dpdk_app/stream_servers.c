#include "dpdk_app/stream_servers.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/msg_keepalive.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "dpdk_app/stream_servers_state.h"

#define TIMER_COUNT (STREAM_SERVERS_QUESTIONS_MAX + STREAM_SERVERS_CONNECTIONS_MAX)

static const enum stream_counter failure_counters[STREAM_FAILURE_COUNT] = {
	[STREAM_FAILURE_REFUSED] = STREAM_SERVER_FAILED_REFUSED,
	[STREAM_FAILURE_UNREACHABLE] = STREAM_SERVER_FAILED_UNREACHABLE,
	[STREAM_FAILURE_TIMEOUT] = STREAM_SERVER_FAILED_TIMEOUT,
	[STREAM_FAILURE_CLOSED] = STREAM_SERVER_FAILED_CLOSED,
	[STREAM_FAILURE_GARBAGE] = STREAM_SERVER_FAILED_GARBAGE,
	[STREAM_FAILURE_LIMIT] = STREAM_SERVER_FAILED_LIMIT,
};

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

/* Let the loop wake at the next time that matters. */
static void arm(struct stream_servers *s)
{
	const mono_ns now = stream_servers_now(s);
	const mono_ns next = timer_wheel_next(&s->wheel);
	uint64_t wait_ms = 0;

	if (next >= s->timer_at)
		return;
	if (next > now)
		wait_ms = (next - now + NS_PER_MS - 1) / NS_PER_MS;
	s->timer_at = next;
	uv_timer_start(&s->timer, on_timer, wait_ms, 0);
}

static void set_time(struct stream_servers *s, uint32_t timer_idx, mono_ns at)
{
	timer_set(&s->wheel, timer_idx, at);
	arm(s);
}

void stream_servers_time_question(struct stream_servers *s, uint32_t question_idx, mono_ns at)
{
	set_time(s, question_idx, at);
}

void stream_servers_time_link(struct stream_servers *s, uint32_t link_idx, mono_ns at)
{
	set_time(s, STREAM_SERVERS_QUESTIONS_MAX + link_idx, at);
}

void stream_servers_untime_link(struct stream_servers *s, uint32_t link_idx)
{
	timer_cancel(&s->wheel, STREAM_SERVERS_QUESTIONS_MAX + link_idx);
}

static void on_question_time(struct stream_servers *s, uint32_t question_idx)
{
	struct stream_question *q = &s->questions[question_idx];

	if (q->link_idx != POOL_NONE)
		stream_server_link_drop(&s->links[q->link_idx], question_idx, true);
	stream_servers_failed(s, question_idx, (enum stream_failure)q->failure);
}

static void on_timer(uv_timer_t *timer)
{
	struct stream_servers *s = timer->data;
	uint32_t idx;

	s->timer_at = MONO_NEVER;
	timer_wheel_advance(&s->wheel, stream_servers_now(s));
	while ((idx = timer_next_expired(&s->wheel)) != POOL_NONE) {
		if (idx < STREAM_SERVERS_QUESTIONS_MAX)
			on_question_time(s, idx);
		else
			stream_server_link_on_time(&s->links[idx - STREAM_SERVERS_QUESTIONS_MAX]);
	}
	arm(s);
}

/* ---- questions end ---- */

static void end_question(struct stream_servers *s, uint32_t question_idx)
{
	struct stream_question *q = &s->questions[question_idx];

	timer_cancel(&s->wheel, question_idx);
	if (q->peer_idx != POOL_NONE)
		s->peers[q->peer_idx].row.under_way--;
	stream_servers_count(s, STREAM_SERVERS_UNDER_WAY, -1);
	q->under_way = false;
	pool_put(&s->question_pool, question_idx);
}

void stream_servers_answered(struct stream_servers *s, uint32_t question_idx, struct buffer message)
{
	const struct stream_question *q = &s->questions[question_idx];
	const struct stream_slot done = {
		.data = message.data,
		.capacity_bytes = (uint32_t)message.capacity_bytes,
		.length_bytes = (uint32_t)message.capacity_bytes,
		.kind = STREAM_RESPONSE,
		.worker = q->worker,
		.handle = q->handle,
	};

	wire_put_u16(message.data, q->id);
	stream_servers_count(s, STREAM_SERVER_RESPONSE, 1);
	s->peers[q->peer_idx].row.responses++;
	end_question(s, question_idx);
	s->params.on_done(s->params.context, &done);
}

void stream_servers_failed(struct stream_servers *s, uint32_t question_idx,
			   enum stream_failure failure)
{
	const struct stream_question *q = &s->questions[question_idx];
	const struct stream_slot done = {
		.kind = STREAM_FAILED,
		.failure = (uint8_t)failure,
		.worker = q->worker,
		.handle = q->handle,
	};

	stream_servers_count(s, failure_counters[failure], 1);
	if (q->peer_idx != POOL_NONE)
		s->peers[q->peer_idx].row.failed[failure]++;
	end_question(s, question_idx);
	s->params.on_done(s->params.context, &done);
}

/* ---- questions begin ---- */

/* Calls nobody. False: *failure says why. */
static bool send_question(struct stream_servers *s, uint32_t question_idx,
			  enum stream_failure *failure)
{
	const struct stream_question *q = &s->questions[question_idx];
	uint32_t link_idx;

	*failure = STREAM_FAILURE_LIMIT;
	if (q->peer_idx == POOL_NONE)
		return false;
	link_idx = stream_server_peer_pick(s, q->peer_idx, q->retried, failure);
	return link_idx != POOL_NONE && stream_server_link_put(&s->links[link_idx], question_idx);
}

void stream_servers_ask_again(struct stream_servers *s, uint32_t question_idx)
{
	enum stream_failure failure;

	s->questions[question_idx].retried = true;
	stream_servers_count(s, STREAM_SERVER_RETRIED, 1);
	if (!send_question(s, question_idx, &failure))
		stream_servers_failed(s, question_idx, failure);
}

static void fill(struct stream_question *q, const struct stream_slot *query)
{
	const struct span message = {query->data, query->length_bytes};
	const struct buffer ours = {q->wire + STREAM_FRAME_HEAD_BYTES,
				    STREAM_SERVER_QUERY_BYTES_MAX};
	struct msg_query parsed;
	size_t length;

	CHECK(query->kind == STREAM_QUERY && message.length_bytes <= STREAM_SERVER_QUERY_BYTES_MAX);
	CHECK(msg_parse_query(message, &parsed) == MSG_QUERY_OK);
	q->under_way = true;
	q->link_idx = POOL_NONE;
	q->handle = query->handle;
	q->worker = query->worker;
	q->failure = STREAM_FAILURE_TIMEOUT;
	q->sent = false;
	q->retried = false;
	q->id = parsed.id;
	q->question_end = parsed.question_end;
	memcpy(ours.data, message.data, message.length_bytes);
	length = msg_ask_keepalive(ours, message.length_bytes);
	wire_put_u16(q->wire, (uint16_t)length);
	q->wire_bytes = (uint16_t)(STREAM_FRAME_HEAD_BYTES + length);
}

void stream_servers_ask(struct stream_servers *s, const struct stream_slot *query)
{
	const mono_ns now = stream_servers_now(s);
	struct stream_question *q;
	enum stream_failure failure;
	uint32_t idx;

	CHECK(!s->closing);
	stream_servers_count(s, STREAM_SERVER_QUESTION, 1);
	idx = pool_take(&s->question_pool);
	if (idx == POOL_NONE) {
		stream_servers_count(s, STREAM_SERVER_FAILED_LIMIT, 1);
		return;
	}
	q = &s->questions[idx];
	fill(q, query);
	stream_servers_count(s, STREAM_SERVERS_UNDER_WAY, 1);
	q->peer_idx = stream_server_peer_find(s, &query->server, &query->local);
	if (q->peer_idx != POOL_NONE) {
		s->peers[q->peer_idx].row.questions++;
		s->peers[q->peer_idx].row.under_way++;
	}
	stream_servers_time_question(s, idx, now + query->timeout_ms * NS_PER_MS);
	if (send_question(s, idx, &failure))
		return;
	q->failure = (uint8_t)failure;
	stream_servers_time_question(s, idx, now);
}

/* ---- start and end ---- */

static void free_all(struct stream_servers *s)
{
	free(s->wheel_memory);
	free(s->pool_memory);
	free(s->questions);
	free(s->links);
	free(s->peers);
	free(s);
}

static bool allocate(struct stream_servers *s)
{
	s->wheel_memory = calloc(1, timer_wheel_memory_bytes(TIMER_COUNT));
	s->pool_memory = calloc(TIMER_COUNT, sizeof(*s->pool_memory));
	s->questions = calloc(STREAM_SERVERS_QUESTIONS_MAX, sizeof(*s->questions));
	s->links = calloc(STREAM_SERVERS_CONNECTIONS_MAX, sizeof(*s->links));
	s->peers = calloc(STREAM_SERVERS_MAX, sizeof(*s->peers));
	return s->wheel_memory != NULL && s->pool_memory != NULL && s->questions != NULL &&
	       s->links != NULL && s->peers != NULL;
}

struct stream_servers *stream_servers_make(uv_loop_t *loop,
					   const struct stream_servers_params *params)
{
	struct stream_servers *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->params = *params;
	s->timer_at = MONO_NEVER;
	if (!allocate(s) || RAND_bytes((void *)&s->hash_key, sizeof(s->hash_key)) != 1) {
		free_all(s);
		return NULL;
	}
	timer_wheel_init(&s->wheel, s->wheel_memory, TIMER_COUNT, stream_servers_now(s));
	pool_init(&s->question_pool, s->pool_memory, STREAM_SERVERS_QUESTIONS_MAX);
	pool_init(&s->link_pool, s->pool_memory + STREAM_SERVERS_QUESTIONS_MAX,
		  STREAM_SERVERS_CONNECTIONS_MAX);
	stream_server_peer_init(s);
	CHECK(uv_timer_init(loop, &s->timer) == 0);
	s->timer.data = s;
	s->handle_count = 1;
	return s;
}

void stream_servers_handle_closed(struct stream_servers *s)
{
	if (--s->handle_count == 0 && s->closing)
		free_all(s);
}

static void on_timer_closed(uv_handle_t *timer)
{
	stream_servers_handle_closed(timer->data);
}

void stream_servers_close(struct stream_servers *s)
{
	s->closing = true;
	for (uint32_t i = 0; i < s->question_pool.fresh; i++) {
		if (s->questions[i].under_way) {
			stream_servers_count(s, STREAM_SERVER_FORGOTTEN, 1);
			end_question(s, i);
		}
	}
	for (uint32_t i = 0; i < s->link_pool.fresh; i++)
		stream_server_link_abandon(&s->links[i]);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* ---- report ---- */

unsigned stream_servers_report(const struct stream_servers *s, uint32_t *cursor,
			       struct stream_server_row rows[], unsigned row_count)
{
	unsigned count = 0;
	uint32_t place = *cursor;

	for (; place < STREAM_SERVERS_MAX && count < row_count; place++)
		if (s->peers[place].is_there)
			rows[count++] = s->peers[place].row;
	*cursor = place < STREAM_SERVERS_MAX ? place : UINT32_MAX;
	return count;
}
