#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/dns_const.h"
#include "core/msg_keepalive.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "dpdk_app/stream_servers_state.h"

/* What may wait for a server to take it before another link is used. */
#define UNWRITTEN_BYTES_MAX 65536
#define ID_DRAWS_MAX 16

#define KEEPALIVE_UNIT_MS 100u

/* ---- states ---- */

static void set_state(struct stream_link *l, enum stream_link_state to)
{
	static const bool legal[STREAM_LINK_STATE_COUNT][STREAM_LINK_STATE_COUNT] = {
		[STREAM_LINK_FREE] =
			{[STREAM_LINK_CONNECTING] = true, [STREAM_LINK_CLOSING] = true},
		[STREAM_LINK_CONNECTING] =
			{[STREAM_LINK_OPEN] = true, [STREAM_LINK_CLOSING] = true},
		[STREAM_LINK_OPEN] = {[STREAM_LINK_CLOSING] = true},
		[STREAM_LINK_CLOSING] = {[STREAM_LINK_FREE] = true},
	};

	CHECK(legal[l->state][to]);
	l->state = to;
}

static uint32_t index_of(const struct stream_link *l)
{
	return (uint32_t)(l - l->servers->links);
}

static struct stream_peer *peer_of(const struct stream_link *l)
{
	return &l->servers->peers[l->peer_idx];
}

static struct stream_question *question_of(const struct stream_link *l, uint32_t place)
{
	return &l->servers->questions[l->questions[place]];
}

/* More than three quarters of all links are in use: then none stays without questions. */
static bool is_crowded(const struct stream_servers *s)
{
	return pool_used_count(&s->link_pool) > STREAM_SERVERS_CONNECTIONS_MAX / 4 * 3;
}

/* After the last question: when to close. */
static void set_idle(struct stream_link *l)
{
	struct stream_servers *s = l->servers;
	mono_ns at = stream_servers_now(s);

	if (!l->retired && !l->broken && !is_crowded(s))
		at += l->idle_ms * NS_PER_MS;
	stream_servers_time_link(s, index_of(l), at);
}

/* It cannot be written to. Closing it would tell its questions, which callers of ask do not expect. */
static void set_broken(struct stream_link *l)
{
	l->broken = true;
	stream_servers_time_link(l->servers, index_of(l), stream_servers_now(l->servers));
}

/* ---- closing ---- */

static void free_pieces(struct stream_link *l)
{
	free(l->pieces);
	l->servers->pieces_bytes -= l->pieces_bytes;
	l->pieces = NULL;
	l->pieces_bytes = 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct stream_link *l = handle->data;
	struct stream_servers *s = l->servers;

	set_state(l, STREAM_LINK_FREE);
	pool_put(&s->link_pool, index_of(l));
	stream_servers_handle_closed(s);
}

static void leave_peer(struct stream_link *l)
{
	struct stream_peer *p = peer_of(l);
	uint32_t place = 0;

	while (p->links[place] != index_of(l))
		place++;
	p->links[place] = p->links[--p->row.connections];
	l->peer_idx = POOL_NONE;
	stream_servers_count(l->servers, STREAM_SERVERS_OPEN, -1);
}

void stream_server_link_abandon(struct stream_link *l)
{
	if (l->state != STREAM_LINK_CONNECTING && l->state != STREAM_LINK_OPEN)
		return;
	l->question_count = 0;
	stream_servers_untime_link(l->servers, index_of(l));
	free_pieces(l);
	leave_peer(l);
	set_state(l, STREAM_LINK_CLOSING);
	uv_close((uv_handle_t *)&l->tcp, on_closed);
}

void stream_server_link_close(struct stream_link *l, enum stream_failure failure)
{
	struct stream_servers *s = l->servers;
	uint32_t questions[STREAM_SERVER_QUESTIONS_MAX];
	const uint32_t question_count = l->question_count;
	/* A server may close one that it has answered on at any time, not knowing of what is on its way to it. */
	const bool again = failure == STREAM_FAILURE_CLOSED && l->proven;

	memcpy(questions, l->questions, question_count * sizeof(questions[0]));
	stream_server_link_abandon(l);
	for (uint32_t i = 0; i < question_count; i++)
		s->questions[questions[i]].link_idx = POOL_NONE;
	for (uint32_t i = 0; i < question_count; i++) {
		if (again && !s->questions[questions[i]].retried)
			stream_servers_ask_again(s, questions[i]);
		else
			stream_servers_failed(s, questions[i], failure);
	}
}

void stream_server_link_on_time(struct stream_link *l)
{
	if (l->state != STREAM_LINK_CONNECTING && l->state != STREAM_LINK_OPEN)
		return;
	if (!l->broken && l->question_count > 0)
		return;
	if (!l->broken && !l->retired)
		stream_servers_count(l->servers, STREAM_SERVER_CLOSED_IDLE, 1);
	stream_server_link_close(l, STREAM_FAILURE_CLOSED);
}

/* ---- questions on it ---- */

bool stream_server_link_has_room(const struct stream_link *l)
{
	return !l->retired && !l->broken && l->question_count < STREAM_SERVER_QUESTIONS_MAX &&
	       uv_stream_get_write_queue_size((const uv_stream_t *)&l->tcp) < UNWRITTEN_BYTES_MAX;
}

/* The question's place under this ID; question_count: there is none. */
static uint32_t find_id(const struct stream_link *l, uint16_t id)
{
	uint32_t place = 0;

	while (place < l->question_count && l->ids[place] != id)
		place++;
	return place;
}

bool stream_server_link_put(struct stream_link *l, uint32_t question_idx)
{
	struct stream_servers *s = l->servers;
	struct stream_question *q = &s->questions[question_idx];
	uint16_t id;
	unsigned draws = 0;

	do {
		if (draws++ == ID_DRAWS_MAX || RAND_bytes((void *)&id, sizeof(id)) != 1)
			return false;
	} while (find_id(l, id) < l->question_count);
	wire_put_u16(q->wire + STREAM_FRAME_HEAD_BYTES, id);
	q->link_idx = index_of(l);
	q->sent = false;
	l->ids[l->question_count] = id;
	l->questions[l->question_count++] = question_idx;
	stream_servers_untime_link(s, index_of(l));
	if (l->state == STREAM_LINK_OPEN) {
		stream_servers_count(s, STREAM_SERVER_REUSED, 1);
		stream_server_link_send(l);
	}
	return true;
}

void stream_server_link_drop(struct stream_link *l, uint32_t question_idx, bool is_late)
{
	struct stream_question *q = &l->servers->questions[question_idx];
	uint32_t place = 0;

	while (l->questions[place] != question_idx)
		place++;
	l->question_count--;
	l->questions[place] = l->questions[l->question_count];
	l->ids[place] = l->ids[l->question_count];
	q->link_idx = POOL_NONE;
	/* Nothing has come since it was sent: as far as we know there is nobody any more. */
	if (is_late && (!q->sent || l->heard_ms <= q->sent_ms))
		l->retired = true;
	if (l->question_count == 0)
		set_idle(l);
}

/* ---- writing ---- */

struct unwritten {
	uv_write_t write;
	uint8_t data[];
};

static void on_written(uv_write_t *write, int status)
{
	struct stream_link *l = write->data;

	if (status < 0 && l->state == STREAM_LINK_OPEN)
		set_broken(l);
	free(write);
}

/* Keep what the kernel did not take of bufs, the first skip_bytes of which it did. */
static bool write_rest(struct stream_link *l, const uv_buf_t bufs[], unsigned buf_count,
		       size_t skip_bytes)
{
	struct unwritten *rest;
	size_t length = 0;
	uv_buf_t buf;

	for (unsigned i = 0; i < buf_count; i++)
		length += bufs[i].len;
	rest = malloc(sizeof(*rest) + length - skip_bytes);
	if (rest == NULL)
		return false;
	length = 0;
	for (unsigned i = 0; i < buf_count; i++) {
		const size_t skipped = skip_bytes < bufs[i].len ? skip_bytes : bufs[i].len;

		memcpy(rest->data + length, bufs[i].base + skipped, bufs[i].len - skipped);
		length += bufs[i].len - skipped;
		skip_bytes -= skipped;
	}
	rest->write.data = l;
	buf = uv_buf_init((char *)rest->data, (unsigned)length);
	if (uv_write(&rest->write, (uv_stream_t *)&l->tcp, &buf, 1, on_written) == 0)
		return true;
	free(rest);
	return false;
}

void stream_server_link_send(struct stream_link *l)
{
	uv_buf_t bufs[STREAM_SERVER_QUESTIONS_MAX];
	unsigned buf_count = 0;
	size_t length = 0, taken;
	int written;

	for (uint32_t i = 0; i < l->question_count; i++) {
		struct stream_question *q = question_of(l, i);

		if (q->sent)
			continue;
		q->sent = true;
		q->sent_ms = uv_now(l->servers->loop);
		bufs[buf_count++] = uv_buf_init((char *)q->wire, q->wire_bytes);
		length += q->wire_bytes;
	}
	if (buf_count == 0)
		return;
	written = uv_try_write((uv_stream_t *)&l->tcp, bufs, buf_count);
	taken = written > 0 ? (size_t)written : 0;
	if ((written < 0 && written != UV_EAGAIN) ||
	    (taken < length && !write_rest(l, bufs, buf_count, taken)))
		set_broken(l);
}

/* ---- reading ---- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* The same question, letters without case; or none in an error that says no more. */
static bool is_answer_to(const struct stream_question *q, struct span message)
{
	const uint8_t *asked = q->wire + STREAM_FRAME_HEAD_BYTES;
	const uint16_t count = wire_get_u16(message.data + 4);
	const uint16_t rcode = wire_get_u16(message.data + 2) & DNS_RCODE_MASK;
	const size_t fixed = q->question_end - 2 * sizeof(uint16_t); /* type and class */

	if (!msg_is_response(message))
		return false;
	if (count == 0)
		return rcode != DNS_RCODE_NOERROR;
	if (count != 1 || message.length_bytes < q->question_end)
		return false;
	/* Bytes of length are no letters. */
	for (size_t i = DNS_HEADER_BYTES; i < fixed; i++)
		if (lower(asked[i]) != lower(message.data[i]))
			return false;
	return memcmp(asked + fixed, message.data + fixed, q->question_end - fixed) == 0;
}

/* What the server says of how long it stays open for us (RFC 7828 section 3.3.2). */
static void follow_keepalive(struct stream_link *l, struct span message)
{
	uint16_t timeout_100ms;

	if (!msg_keepalive_timeout(message, &timeout_100ms))
		return;
	l->idle_ms = timeout_100ms * KEEPALIVE_UNIT_MS;
	if (l->idle_ms > STREAM_SERVER_IDLE_MS_MAX)
		l->idle_ms = STREAM_SERVER_IDLE_MS_MAX;
	l->retired = l->retired || l->idle_ms == 0;
}

/* The message lies in what was received or in pieces, both ours to write. */
static uint8_t *writable(struct stream_link *l, struct span message)
{
	uint8_t *received = l->servers->read_buffer;

	return message.data == l->pieces ? l->pieces : received + (message.data - received);
}

static void on_message(struct stream_link *l, struct span message)
{
	struct stream_servers *s = l->servers;
	uint32_t place, question_idx;

	if (message.length_bytes < DNS_HEADER_BYTES) {
		stream_server_link_close(l, STREAM_FAILURE_GARBAGE);
		return;
	}
	place = find_id(l, msg_id(message));
	if (place == l->question_count) {
		stream_servers_count(s, STREAM_SERVER_UNMATCHED, 1);
		return;
	}
	if (!is_answer_to(question_of(l, place), message)) {
		stream_servers_count(s, STREAM_SERVER_MISMATCH, 1);
		return;
	}
	question_idx = l->questions[place];
	l->proven = true;
	follow_keepalive(l, message);
	stream_server_link_drop(l, question_idx, false);
	stream_servers_answered(s, question_idx,
				(struct buffer){writable(l, message), message.length_bytes});
}

static bool lend_pieces(struct stream_link *l)
{
	struct stream_servers *s = l->servers;
	const uint32_t length = stream_frame_length(&l->frame);

	if (length > STREAM_SERVER_PARTIAL_BYTES_MAX - s->pieces_bytes)
		return false;
	l->pieces = malloc(length);
	if (l->pieces == NULL)
		return false;
	l->pieces_bytes = length;
	s->pieces_bytes += length;
	stream_frame_lend(&l->frame, l->pieces);
	return true;
}

static void take_messages(struct stream_link *l, struct span received)
{
	struct span message;

	while (l->state == STREAM_LINK_OPEN) {
		switch (stream_frame_next(&l->frame, &received, &message)) {
		case STREAM_FRAME_MESSAGE:
			on_message(l, message);
			if (l->frame.buffer == NULL)
				free_pieces(l);
			break;
		case STREAM_FRAME_WANTS_BUFFER:
			if (!lend_pieces(l))
				stream_server_link_close(l, STREAM_FAILURE_LIMIT);
			break;
		case STREAM_FRAME_EMPTY:
			stream_server_link_close(l, STREAM_FAILURE_GARBAGE);
			break;
		case STREAM_FRAME_MORE:
			return;
		}
	}
}

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *out)
{
	struct stream_link *l = handle->data;

	(void)suggested_bytes;
	*out = uv_buf_init((char *)l->servers->read_buffer, sizeof(l->servers->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf)
{
	struct stream_link *l = stream->data;

	if (length == 0)
		return;
	if (length < 0) {
		stream_servers_count(l->servers, STREAM_SERVER_CLOSED_SERVER, 1);
		stream_server_link_close(l, STREAM_FAILURE_CLOSED);
		return;
	}
	l->heard_ms = uv_now(l->servers->loop);
	take_messages(l, (struct span){(const uint8_t *)buf->base, (size_t)length});
}

/* ---- opening ---- */

static enum stream_failure failure_of(int error)
{
	switch (error) {
	case UV_ECONNREFUSED:
	case UV_ECONNRESET:
		return STREAM_FAILURE_REFUSED;
	case UV_ETIMEDOUT:
		return STREAM_FAILURE_TIMEOUT;
	case UV_EMFILE:
	case UV_ENFILE:
	case UV_ENOMEM:
	case UV_ENOBUFS:
		return STREAM_FAILURE_LIMIT;
	default:
		return STREAM_FAILURE_UNREACHABLE;
	}
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct stream_link *l = connect->data;

	if (l->state != STREAM_LINK_CONNECTING)
		return;
	if (status == 0)
		status = uv_read_start((uv_stream_t *)&l->tcp, on_buffer_wanted, on_read);
	if (status < 0) {
		stream_server_link_close(l, failure_of(status));
		return;
	}
	uv_tcp_nodelay(&l->tcp, 1);
	l->heard_ms = uv_now(l->servers->loop);
	set_state(l, STREAM_LINK_OPEN);
	stream_server_link_send(l);
}

struct socket_address {
	socklen_t length_bytes;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} of;
};

static struct socket_address to_socket(const struct endpoint *from)
{
	struct socket_address to = {.length_bytes = sizeof(to.of.v6)};

	if (address_is_v4(&from->address)) {
		to.length_bytes = sizeof(to.of.v4);
		to.of.v4 =
			(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(from->port)};
		memcpy(&to.of.v4.sin_addr, from->address.bytes + ADDRESS_V4_OFFSET,
		       sizeof(to.of.v4.sin_addr));
	} else {
		to.of.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
						 .sin6_port = htons(from->port)};
		memcpy(&to.of.v6.sin6_addr, from->address.bytes, sizeof(to.of.v6.sin6_addr));
	}
	return to;
}

static bool is_any(const struct address *a)
{
	static const struct address any;

	return address_equal(a, &any);
}

/* -1: errno. */
static int make_socket(const struct stream_servers *s, const struct stream_server_row *row)
{
	static const uint8_t any_v4[4];
	const struct address family = is_any(&row->local) && address_is_v4(&row->server.address)
					      ? address_from_v4(any_v4)
					      : row->local;

	if (s->params.path != NULL)
		return kernel_path_socket(s->params.path, &family);
	return socket(address_is_v4(&family) ? AF_INET : AF_INET6,
		      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

/* A socket that sends from where it should. Negative: -errno. */
static int make_bound_socket(const struct stream_servers *s, const struct stream_server_row *row)
{
	const struct socket_address local = to_socket(&(struct endpoint){.address = row->local});
	const int on = 1;
	int fd = make_socket(s, row), error;

	if (fd < 0)
		return -errno;
	if (is_any(&row->local))
		return fd;
	/* The port is chosen by connect, which knows the other end: then as many connections as ports go to each server. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0 &&
	    bind(fd, &local.of.any, local.length_bytes) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* 0, or libuv's error. */
static int begin_connect(struct stream_link *l, const struct stream_server_row *row, int fd)
{
	const struct socket_address server = to_socket(&row->server);
	int error = uv_tcp_open(&l->tcp, fd);

	if (error != 0) {
		close(fd);
		return error;
	}
	l->connect.data = l;
	return uv_tcp_connect(&l->connect, &l->tcp, &server.of.any, on_connected);
}

uint32_t stream_server_link_open(struct stream_servers *s, uint32_t peer_idx,
				 enum stream_failure *failure)
{
	struct stream_peer *p = &s->peers[peer_idx];
	struct stream_link *l;
	uint32_t link_idx;
	int fd, error;

	*failure = STREAM_FAILURE_LIMIT;
	link_idx = pool_take(&s->link_pool);
	if (link_idx == POOL_NONE)
		return POOL_NONE;
	fd = make_bound_socket(s, &p->row);
	if (fd < 0) {
		pool_put(&s->link_pool, link_idx);
		*failure = failure_of(fd);
		return POOL_NONE;
	}
	l = &s->links[link_idx];
	*l = (struct stream_link){
		.servers = s, .peer_idx = peer_idx, .idle_ms = STREAM_SERVER_IDLE_MS};
	CHECK(uv_tcp_init(s->loop, &l->tcp) == 0);
	l->tcp.data = l;
	s->handle_count++;
	stream_servers_count(s, STREAM_SERVER_CONNECT, 1);
	p->row.connects++;
	error = begin_connect(l, &p->row, fd);
	if (error != 0) {
		*failure = failure_of(error);
		set_state(l, STREAM_LINK_CLOSING);
		uv_close((uv_handle_t *)&l->tcp, on_closed);
		return POOL_NONE;
	}
	set_state(l, STREAM_LINK_CONNECTING);
	p->links[p->row.connections++] = link_idx;
	stream_servers_count(s, STREAM_SERVERS_OPEN, 1);
	return link_idx;
}
