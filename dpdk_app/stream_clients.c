#include "dpdk_app/stream_clients.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/stream_client.h"

/* ---- lists ---- */

void stream_list_add(struct stream_client *c, enum stream_client_list list)
{
	struct stream_clients *all = c->all;
	struct stream_client_link *link = &c->links[list];

	if (link->is_in)
		return;
	*link = (struct stream_client_link){.before = all->tails[list], .is_in = true};
	if (link->before != NULL)
		link->before->links[list].after = c;
	else
		all->heads[list] = c;
	all->tails[list] = c;
	all->list_counts[list]++;
}

void stream_list_remove(struct stream_client *c, enum stream_client_list list)
{
	struct stream_clients *all = c->all;
	struct stream_client_link *link = &c->links[list];

	if (!link->is_in)
		return;
	if (link->before != NULL)
		link->before->links[list].after = link->after;
	else
		all->heads[list] = link->after;
	if (link->after != NULL)
		link->after->links[list].before = link->before;
	else
		all->tails[list] = link->before;
	*link = (struct stream_client_link){.is_in = false};
	all->list_counts[list]--;
}

/* ---- tables ---- */

static void free_tables(struct stream_clients *all)
{
	free(all->clients);
	free(all->free_memory);
	free(all->timer_memory);
	stream_limits_fini(&all->limits);
}

static bool make_tables(struct stream_clients *out, uint32_t capacity, mono_ns now)
{
	struct hash_key key;

	out->capacity = capacity;
	out->clients = calloc(capacity, sizeof(struct stream_client *));
	out->free_memory = malloc(pool_memory_bytes(capacity));
	out->timer_memory = malloc(timer_wheel_memory_bytes(capacity));
	if (out->clients == NULL || out->free_memory == NULL || out->timer_memory == NULL ||
	    entropy_feed_key(&key, sizeof(key)) != ENTROPY_FEED_OK ||
	    !stream_limits_init(&out->limits, capacity, &key)) {
		free_tables(out);
		return false;
	}
	stream_limits_set(&out->limits, capacity);
	pool_init(&out->free, out->free_memory, capacity);
	timer_wheel_init(&out->timers, out->timer_memory, capacity, now);
	return true;
}

/* The connections that are open keep their places. */
static void move_clients(struct stream_clients *all, struct stream_clients *to)
{
	CHECK(to->capacity >= all->free.fresh);
	to->free.fresh = all->free.fresh;
	to->free.stack_count = all->free.stack_count;
	memcpy(to->free_memory, all->free_memory, all->free.stack_count * sizeof(uint32_t));
	for (uint32_t i = 0; i < all->free.fresh; i++) {
		struct stream_client *c = all->clients[i];

		if (c == NULL)
			continue;
		to->clients[i] = c;
		stream_limits_add(&to->limits, &c->client.address);
		timer_set(&to->timers, i, all->now);
	}
}

static bool grow(struct stream_clients *all, uint32_t capacity)
{
	struct stream_clients *to = calloc(1, sizeof(*to));

	if (to == NULL || !make_tables(to, capacity, all->now)) {
		free(to);
		return false;
	}
	move_clients(all, to);
	free_tables(all);
	all->capacity = to->capacity;
	all->clients = to->clients;
	all->free_memory = to->free_memory;
	all->free = to->free;
	all->timer_memory = to->timer_memory;
	all->timers = to->timers;
	all->limits = to->limits;
	free(to);
	return true;
}

/* ---- questions ---- */

static struct stream_client *client_of(struct stream_clients *all,
				       const struct stream_client_question *q)
{
	return all->clients[q->client_idx];
}

void stream_question_free(struct stream_clients *all, uint32_t question_idx)
{
	struct stream_client_question *q = &all->questions[question_idx];
	struct stream_client *c = client_of(all, q);

	if (q->before != POOL_NONE)
		all->questions[q->before].after = q->after;
	else
		c->question_head = q->after;
	if (q->after != POOL_NONE)
		all->questions[q->after].before = q->before;
	else
		c->question_tail = q->before;
	c->question_count--;
	q->client_idx = POOL_NONE;
	q->generation++;
	pool_put(&all->free_questions, question_idx);
}

void stream_clients_answer(struct stream_clients *all, struct stream_handle handle, uint8_t *answer,
			   uint32_t length_bytes, uint32_t capacity_bytes)
{
	struct stream_client_question *q;
	struct stream_client *c;

	CHECK(handle.idx < STREAM_CLIENTS_QUESTIONS_MAX);
	q = &all->questions[handle.idx];
	if (q->client_idx == POOL_NONE || q->generation != handle.generation) {
		stream_counter_add(all->params.counters, STREAM_CLIENT_ANSWER_GONE, 1);
		return;
	}
	c = client_of(all, q);
	if (q->wants_keepalive)
		length_bytes = stream_client_keepalive(c, answer, length_bytes, capacity_bytes);
	stream_question_free(all, handle.idx);
	if (!stream_client_put(c, answer, length_bytes))
		return;
	stream_counter_add(all->params.counters, STREAM_CLIENT_ANSWER, 1);
	stream_list_add(c, STREAM_LIST_TOUCHED);
}

/* ---- connections ---- */

static void free_all(struct stream_clients *all)
{
	free_tables(all);
	free(all->free_questions_memory);
	free(all->questions);
	free(all);
}

static void release(struct stream_clients *all)
{
	all->handles--;
	if (all->is_closing && all->handles == 0)
		free_all(all);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct stream_client *c = handle->data;
	struct stream_clients *all = c->all;

	free(c);
	release(all);
}

void stream_client_close(struct stream_client *c, enum stream_counter reason)
{
	struct stream_clients *all = c->all;

	if (c->is_closed)
		return;
	c->is_closed = true;
	while (c->question_count > 0)
		stream_question_free(all, c->question_head);
	for (unsigned list = 0; list < STREAM_LIST_COUNT; list++)
		stream_list_remove(c, (enum stream_client_list)list);
	stream_client_free_buffers(c);
	timer_cancel(&all->timers, c->idx);
	stream_limits_close(&all->limits, &c->client.address);
	all->clients[c->idx] = NULL;
	pool_put(&all->free, c->idx);
	stream_counter_add(all->params.counters, reason, 1);
	stream_counter_add(all->params.counters, STREAM_CLIENTS_OPEN, -1);
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	close(c->fd);
}

static void read_address(const struct sockaddr_storage *from, struct endpoint *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		out->address = address_from_v4((const uint8_t *)&v4.sin_addr);
		out->port = ntohs(v4.sin_port);
		return;
	}
	memcpy(&v6, from, sizeof(v6));
	memcpy(out->address.bytes, &v6.sin6_addr, sizeof(out->address.bytes));
	out->port = ntohs(v6.sin6_port);
}

/* At once, and nothing of it stays in the kernel. */
static void refuse(struct stream_clients *all, int fd, enum stream_counter reason)
{
	const struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	stream_counter_add(all->params.counters, reason, 1);
}

/* Whoever has been idle longest gives way. */
static enum stream_limits_result count_in(struct stream_clients *all, const struct address *client)
{
	enum stream_limits_result result = stream_limits_open(&all->limits, client);
	struct stream_client *oldest = all->heads[STREAM_LIST_IDLE];

	if (result != STREAM_LIMITS_FULL || oldest == NULL)
		return result;
	stream_client_close(oldest, STREAM_CLIENT_CLOSED_EVICTED);
	return stream_limits_open(&all->limits, client);
}

static struct stream_client *make_client(struct stream_clients *all, int fd,
					 const struct endpoint *client,
					 const struct endpoint *local)
{
	struct stream_client *c = calloc(1, sizeof(*c));

	if (c == NULL || uv_poll_init(all->params.loop, &c->poll, fd) != 0) {
		free(c);
		return NULL;
	}
	c->poll.data = c;
	c->all = all;
	c->fd = fd;
	c->client = *client;
	c->local = *local;
	c->question_head = c->question_tail = POOL_NONE;
	c->active_at = all->now;
	stream_frame_init(&c->frame);
	return c;
}

static void admit(struct stream_listener *l, int fd, const struct endpoint *client)
{
	struct stream_clients *all = l->all;
	struct stream_client *c;
	const int one = 1;

	switch (count_in(all, &client->address)) {
	case STREAM_LIMITS_OK:
		break;
	case STREAM_LIMITS_FULL:
		refuse(all, fd, STREAM_CLIENT_REFUSED_LIMIT);
		return;
	case STREAM_LIMITS_SHARE:
		refuse(all, fd, STREAM_CLIENT_REFUSED_SHARE);
		return;
	}
	c = make_client(all, fd, client, &l->endpoint);
	if (c == NULL) {
		stream_limits_close(&all->limits, &client->address);
		refuse(all, fd, STREAM_CLIENT_ACCEPT_ERROR);
		return;
	}
	/* There are as many places as connections that may be open. */
	c->idx = pool_take(&all->free);
	CHECK(c->idx != POOL_NONE);
	all->clients[c->idx] = c;
	all->handles++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	stream_counter_add(all->params.counters, STREAM_CLIENT_ACCEPTED, 1);
	stream_counter_add(all->params.counters, STREAM_CLIENTS_OPEN, 1);
	stream_client_go_on(c);
}

/* ---- listeners ---- */

/* What is waiting is told so again and again as long as nobody takes it: not to spin. */
static void rest(struct stream_clients *all)
{
	struct stream_client *oldest = all->heads[STREAM_LIST_IDLE];

	stream_counter_add(all->params.counters, STREAM_CLIENT_ACCEPT_ERROR, 1);
	if (oldest != NULL)
		stream_client_close(oldest, STREAM_CLIENT_CLOSED_EVICTED);
	all->accept_from = all->now + STREAM_CLIENTS_REST_MS * NS_PER_MS;
	for (struct stream_listener *l = all->listeners; l != NULL; l = l->next)
		uv_poll_stop(&l->poll);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct stream_listener *l = poll->data;

	l->all->now = l->all->params.clock(l->all->params.context);
	(void)status;
	(void)events;
	for (unsigned i = 0; i < STREAM_CLIENTS_ACCEPTS_MAX; i++) {
		struct sockaddr_storage from;
		socklen_t from_bytes = sizeof(from);
		struct endpoint client;
		int fd = accept4(l->fd, (struct sockaddr *)&from, &from_bytes,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			read_address(&from, &client);
			admit(l, fd, &client);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			rest(l->all);
			return;
		}
		/* ECONNABORTED and others are about the connection that was waiting. */
	}
}

static void go_on_accepting(struct stream_clients *all)
{
	if (all->accept_from == 0 || all->now < all->accept_from)
		return;
	all->accept_from = 0;
	for (struct stream_listener *l = all->listeners; l != NULL; l = l->next)
		(void)uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct stream_listener *l = handle->data;
	struct stream_clients *all = l->all;

	free(l);
	release(all);
}

static void close_listener(struct stream_listener **at)
{
	struct stream_listener *l = *at;

	*at = l->next;
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	close(l->fd);
}

bool stream_clients_listen(struct stream_clients *all, const struct endpoint *endpoint, int fd)
{
	struct stream_listener *l = calloc(1, sizeof(*l));
	int result = UV_ENOMEM;

	if (l != NULL)
		result = uv_poll_init(all->params.loop, &l->poll, fd);
	if (result != 0) {
		free(l);
		close(fd);
		errno = -result;
		return false;
	}
	l->poll.data = l;
	l->all = all;
	l->endpoint = *endpoint;
	l->fd = fd;
	l->next = all->listeners;
	all->listeners = l;
	all->handles++;
	if (all->accept_from == 0)
		(void)uv_poll_start(&l->poll, UV_READABLE, on_connection);
	return true;
}

static bool is_among(const struct endpoint *endpoint, const struct endpoint endpoints[],
		     unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (endpoint_equal(endpoint, &endpoints[i]))
			return true;
	return false;
}

void stream_clients_keep(struct stream_clients *all, const struct endpoint endpoints[],
			 unsigned count)
{
	for (struct stream_listener **at = &all->listeners; *at != NULL;) {
		if (is_among(&(*at)->endpoint, endpoints, count))
			at = &(*at)->next;
		else
			close_listener(at);
	}
	for (uint32_t i = 0; i < all->free.fresh; i++) {
		struct stream_client *c = all->clients[i];

		if (c == NULL || is_among(&c->local, endpoints, count))
			continue;
		c->is_ending = true;
		stream_list_add(c, STREAM_LIST_TOUCHED);
	}
}

/* ---- turns ---- */

static bool can_ask(const struct stream_clients *all)
{
	return all->room > 0 && pool_peek(&all->free_questions, 0) != POOL_NONE;
}

static void give_room(struct stream_clients *all)
{
	for (uint32_t left = all->list_counts[STREAM_LIST_ROOM]; left > 0 && can_ask(all); left--) {
		struct stream_client *c = all->heads[STREAM_LIST_ROOM];

		if (c == NULL)
			return;
		stream_list_remove(c, STREAM_LIST_ROOM);
		stream_client_go_on(c);
	}
}

void stream_clients_turn(struct stream_clients *all, mono_ns now, unsigned room)
{
	uint32_t idx;

	all->now = now;
	all->room = room;
	while (all->heads[STREAM_LIST_TOUCHED] != NULL)
		stream_client_go_on(all->heads[STREAM_LIST_TOUCHED]);
	give_room(all);
	timer_wheel_advance(&all->timers, now);
	while ((idx = timer_next_expired(&all->timers)) != UINT32_MAX)
		stream_client_on_timer(all->clients[idx]);
	go_on_accepting(all);
}

bool stream_clients_want_room(const struct stream_clients *all)
{
	return all->heads[STREAM_LIST_ROOM] != NULL;
}

mono_ns stream_clients_next(const struct stream_clients *all)
{
	mono_ns at = timer_wheel_next(&all->timers);

	return all->accept_from != 0 && all->accept_from < at ? all->accept_from : at;
}

bool stream_clients_idle(const struct stream_clients *all)
{
	return pool_used_count(&all->free_questions) == 0 &&
	       all->heads[STREAM_LIST_SENDING] == NULL && all->heads[STREAM_LIST_ROOM] == NULL;
}

void stream_clients_count(void *context, uint32_t counts[STREAM_CLIENT_STATE_COUNT])
{
	const struct stream_clients *all = context;

	memset(counts, 0, STREAM_CLIENT_STATE_COUNT * sizeof(counts[0]));
	for (uint32_t i = 0; i < all->free.fresh; i++)
		if (all->clients[i] != NULL)
			counts[stream_client_state(all->clients[i])]++;
}

/* ---- beginning and end ---- */

static bool make_questions(struct stream_clients *all)
{
	const uint32_t count = STREAM_CLIENTS_QUESTIONS_MAX;

	all->questions = calloc(count, sizeof(*all->questions));
	all->free_questions_memory = malloc(pool_memory_bytes(count));
	if (all->questions == NULL || all->free_questions_memory == NULL)
		return false;
	pool_init(&all->free_questions, all->free_questions_memory, count);
	for (uint32_t i = 0; i < count; i++)
		all->questions[i].client_idx = POOL_NONE;
	return true;
}

struct stream_clients *stream_clients_make(const struct stream_clients_params *params)
{
	struct stream_clients *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->params = *params;
	all->now = params->clock(params->context);
	if (!make_tables(all, params->settings.max_clients, all->now)) {
		free(all);
		return NULL;
	}
	if (make_questions(all))
		return all;
	free_all(all);
	return NULL;
}

bool stream_clients_follow(struct stream_clients *all,
			   const struct stream_clients_settings *settings)
{
	struct stream_clients_settings next = *settings;
	bool has_grown = settings->max_clients <= all->capacity || grow(all, settings->max_clients);

	if (!has_grown)
		next.max_clients = all->capacity;
	stream_limits_set(&all->limits, next.max_clients);
	/* Their timers are looked at with the new times. */
	for (uint32_t i = 0; next.idle_s != all->params.settings.idle_s && i < all->free.fresh; i++)
		if (all->clients[i] != NULL)
			stream_list_add(all->clients[i], STREAM_LIST_TOUCHED);
	all->params.settings = next;
	return has_grown;
}

void stream_clients_close(struct stream_clients *all)
{
	while (all->listeners != NULL)
		close_listener(&all->listeners);
	for (uint32_t i = 0; i < all->free.fresh; i++)
		if (all->clients[i] != NULL)
			stream_client_close(all->clients[i], STREAM_CLIENT_CLOSED_STOPPING);
	all->is_closing = true;
	if (all->handles == 0)
		free_all(all);
}
