#include "stream_servers_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/dns_const.h"
#include "core/msg_build.h"
#include "core/wire_cursor.h"

#define WORKER 3
#define ID_FIRST 1000
#define LAST_BYTE 0xaa

static void on_done(void *context, const struct stream_slot *slot)
{
	struct stream_rig *r = context;
	struct stream_rig_done *d = &r->done[r->done_count++];

	CHECK(!r->asking && r->done_count <= STREAM_RIG_DONE_MAX);
	*d = (struct stream_rig_done){.kind = slot->kind,
				      .failure = slot->failure,
				      .worker = slot->worker,
				      .handle = slot->handle,
				      .length_bytes = slot->length_bytes};
	if (slot->length_bytes >= DNS_HEADER_BYTES) {
		d->id = wire_get_u16(slot->data);
		d->last_byte = slot->data[slot->length_bytes - 1];
	}
	if (r->again > 0) {
		r->again--;
		stream_rig_ask(r, slot->handle.idx + 1);
	}
}

void stream_rig_start(struct stream_rig *r)
{
	static const uint8_t loopback[] = {127, 0, 0, 1};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const struct stream_servers_params params = {
		.on_done = on_done, .context = r, .counters = &r->counters};

	memset(r, 0, sizeof(*r));
	CHECK(uv_loop_init(&r->loop) == 0);
	r->servers = stream_servers_make(&r->loop, &params);
	CHECK(r->servers != NULL);
	r->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(bind(r->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(r->listen_fd, 64) == 0);
	CHECK(getsockname(r->listen_fd, (struct sockaddr *)&address, &length) == 0);
	r->server = (struct endpoint){.address = address_from_v4(loopback),
				      .port = ntohs(address.sin_port)};
}

void stream_rig_stop(struct stream_rig *r)
{
	unsigned done_count = r->done_count;

	stream_servers_close(r->servers);
	while (uv_run(&r->loop, UV_RUN_DEFAULT) != 0)
		continue;
	CHECK(uv_loop_close(&r->loop) == 0);
	CHECK(r->done_count == done_count);
	CHECK(stream_rig_counter(r, STREAM_SERVERS_OPEN) == 0);
	CHECK(stream_rig_counter(r, STREAM_SERVERS_UNDER_WAY) == 0);
	if (r->listen_fd >= 0)
		close(r->listen_fd);
}

struct stream_slot stream_rig_query(struct stream_rig *r, uint32_t idx, uint8_t data[512])
{
	char text[64];
	struct name qname;
	const struct msg_query_params params = {
		.id = (uint16_t)(ID_FIRST + idx),
		.qname = &qname,
		.qtype = DNS_TYPE_A,
		.qclass = DNS_CLASS_IN,
		.recursion_desired = true,
	};

	snprintf(text, sizeof(text), "Name%u.Test.", idx);
	CHECK(name_from_text(text, &qname));
	return (struct stream_slot){
		.data = data,
		.length_bytes = (uint32_t)msg_build_query((struct buffer){data, 512}, &params),
		.kind = STREAM_QUERY,
		.worker = WORKER,
		.handle = {idx, ~idx},
		.server = r->server,
		.timeout_ms = STREAM_RIG_TIMEOUT_MS,
	};
}

void stream_rig_ask_slot(struct stream_rig *r, const struct stream_slot *slot)
{
	/* As from a callback of the loop, which knows the time. */
	uv_update_time(&r->loop);
	r->asking = true;
	stream_servers_ask(r->servers, slot);
	r->asking = false;
}

void stream_rig_ask(struct stream_rig *r, uint32_t idx)
{
	uint8_t data[512];
	const struct stream_slot slot = stream_rig_query(r, idx, data);

	stream_rig_ask_slot(r, &slot);
}

uint64_t stream_rig_counter(const struct stream_rig *r, enum stream_counter which)
{
	return stream_counter_get(&r->counters, which);
}

/* One turn of the loop, of a millisecond at most; false: patience is over. */
static bool turn(struct stream_rig *r, uint64_t since_ns)
{
	const struct timespec pause = {.tv_nsec = 200000};

	uv_run(&r->loop, UV_RUN_NOWAIT);
	nanosleep(&pause, NULL);
	uv_update_time(&r->loop);
	return uv_hrtime() - since_ns < 2 * STREAM_RIG_TIMEOUT_MS * NS_PER_MS;
}

bool stream_rig_wait_done(struct stream_rig *r, unsigned done_count)
{
	const uint64_t since = uv_hrtime();

	while (r->done_count < done_count)
		if (!turn(r, since))
			return false;
	return true;
}

void stream_rig_run_ms(struct stream_rig *r, unsigned ms)
{
	const uint64_t since = uv_hrtime();

	while (uv_hrtime() - since < ms * NS_PER_MS)
		turn(r, since);
}

/* ---- the server ---- */

int stream_rig_accept(struct stream_rig *r)
{
	const uint64_t since = uv_hrtime();
	int fd;

	while ((fd = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK)) < 0)
		if (!turn(r, since))
			return -1;
	return fd;
}

static bool read_all(struct stream_rig *r, int fd, uint8_t *data, size_t length)
{
	const uint64_t since = uv_hrtime();
	size_t filled = 0;

	while (filled < length) {
		ssize_t got = recv(fd, data + filled, length - filled, 0);

		if (got > 0)
			filled += (size_t)got;
		else if (got == 0 || errno != EAGAIN || !turn(r, since))
			return false;
	}
	return true;
}

bool stream_rig_read(struct stream_rig *r, int fd, struct stream_rig_message *query)
{
	uint8_t head[2];

	if (!read_all(r, fd, head, sizeof(head)))
		return false;
	query->length_bytes = wire_get_u16(head);
	return read_all(r, fd, query->data, query->length_bytes);
}

bool stream_rig_wait_closed(struct stream_rig *r, int fd)
{
	const uint64_t since = uv_hrtime();
	uint8_t byte;
	ssize_t got;

	while ((got = recv(fd, &byte, 1, 0)) < 0 && errno == EAGAIN)
		if (!turn(r, since))
			return false;
	return got <= 0;
}

static void write_all(struct stream_rig *r, int fd, const uint8_t *data, size_t length,
		      size_t piece_bytes)
{
	const uint64_t since = uv_hrtime();
	size_t sent = 0;

	while (sent < length) {
		size_t piece = length - sent < piece_bytes ? length - sent : piece_bytes;
		ssize_t took = send(fd, data + sent, piece, MSG_NOSIGNAL);

		if (took > 0)
			sent += (size_t)took;
		/* Between two pieces the other side reads. */
		if (sent < length && !turn(r, since))
			return;
	}
}

void stream_rig_write(struct stream_rig *r, int fd, const struct stream_rig_message *m,
		      uint32_t piece_bytes)
{
	static uint8_t wire[STREAM_MESSAGE_BYTES_MAX + 2];

	wire_put_u16(wire, (uint16_t)m->length_bytes);
	memcpy(wire + 2, m->data, m->length_bytes);
	write_all(r, fd, wire, m->length_bytes + 2, piece_bytes);
}

void stream_rig_reply(struct stream_rig *r, int fd, const struct stream_rig_message *query,
		      uint32_t more_bytes)
{
	static struct stream_rig_message reply;

	reply.length_bytes = query->length_bytes + more_bytes;
	memcpy(reply.data, query->data, query->length_bytes);
	reply.data[2] |= DNS_FLAG_QR >> 8;
	if (more_bytes > 0) {
		memset(reply.data + query->length_bytes, 0, more_bytes);
		reply.data[reply.length_bytes - 1] = LAST_BYTE;
	}
	stream_rig_write(r, fd, &reply, STREAM_MESSAGE_BYTES_MAX + 2);
}
