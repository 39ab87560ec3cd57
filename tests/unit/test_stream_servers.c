/* Connections to servers, over real sockets of the loopback. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/dns_const.h"
#include "core/msg_build.h"
#include "core/msg_keepalive.h"
#include "core/wire_cursor.h"
#include "stream_servers_rig.h"
#include "unit.h"

#define SHORT_MS 60

static struct stream_rig rig;
static struct stream_rig_message query, other;

/* Is done number place the answer to question idx? */
static bool is_answer(unsigned place, uint32_t idx)
{
	const struct stream_rig_done *d = &rig.done[place];

	return d->kind == STREAM_RESPONSE && d->handle.idx == idx && d->handle.generation == ~idx &&
	       d->worker == 3 && d->id == 1000 + idx;
}

static bool is_failure(unsigned place, uint32_t idx, enum stream_failure failure)
{
	const struct stream_rig_done *d = &rig.done[place];

	return d->kind == STREAM_FAILED && d->handle.idx == idx && d->failure == failure &&
	       d->worker == 3;
}

/* Ask question idx, let the server at fd (-1: accept) answer it. Returns the connection. */
static int ask_and_answer(int fd, uint32_t idx)
{
	const unsigned done_count = rig.done_count;

	stream_rig_ask(&rig, idx);
	if (fd < 0)
		fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
	stream_rig_reply(&rig, fd, &query, 0);
	CU_ASSERT_FATAL(stream_rig_wait_done(&rig, done_count + 1));
	CU_ASSERT(is_answer(done_count, idx));
	return fd;
}

static void stream_servers__answer_comes_with_the_handle_and_id_of_its_question(void)
{
	int fd;

	stream_rig_start(&rig);
	fd = ask_and_answer(-1, 7);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_RESPONSE) == 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVERS_UNDER_WAY) == 0);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVERS_OPEN) == 1);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__open_connection_is_used_again(void)
{
	int fd;

	stream_rig_start(&rig);
	fd = ask_and_answer(-1, 0);
	for (uint32_t i = 1; i < 5; i++)
		ask_and_answer(fd, i);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_REUSED) == 4);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__pipelined_answers_may_come_in_any_order(void)
{
	enum { COUNT = 10 };
	static struct stream_rig_message queries[COUNT];
	int fd;

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < COUNT; i++)
		stream_rig_ask(&rig, i);
	fd = stream_rig_accept(&rig);
	for (uint32_t i = 0; i < COUNT; i++)
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &queries[i]));
	for (uint32_t i = COUNT; i-- > 0;)
		stream_rig_reply(&rig, fd, &queries[i], 0);
	CU_ASSERT_FATAL(stream_rig_wait_done(&rig, COUNT));
	for (uint32_t i = 0; i < COUNT; i++)
		CU_ASSERT(is_answer(i, COUNT - 1 - i));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 1);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__ids_are_drawn_and_differ_on_a_connection(void)
{
	enum { COUNT = 16 };
	uint16_t ids[COUNT];
	unsigned ours = 0;
	int fd;

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < COUNT; i++)
		stream_rig_ask(&rig, i);
	fd = stream_rig_accept(&rig);
	for (uint32_t i = 0; i < COUNT; i++) {
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		ids[i] = wire_get_u16(query.data);
		ours += ids[i] >= 1000 && ids[i] < 1000 + COUNT;
		for (uint32_t j = 0; j < i; j++)
			CU_ASSERT(ids[i] != ids[j]);
	}
	/* By chance one in 256 runs has one of the engine's, and one in 10^12 has five. */
	CU_ASSERT(ours < 5);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__many_questions_spread_over_connections(void)
{
	enum { COUNT = 40 };
	int fds[3];

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < COUNT; i++)
		stream_rig_ask(&rig, i);
	for (unsigned i = 0; i < ARRAY_COUNT(fds); i++)
		fds[i] = stream_rig_accept(&rig);
	for (unsigned i = 0, left = COUNT; i < ARRAY_COUNT(fds); i++) {
		for (unsigned n = left < 16 ? left : 16; n > 0; n--, left--) {
			CU_ASSERT_FATAL(stream_rig_read(&rig, fds[i], &query));
			stream_rig_reply(&rig, fds[i], &query, 0);
		}
	}
	CU_ASSERT(stream_rig_wait_done(&rig, COUNT));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_RESPONSE) == COUNT);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 3);
	for (unsigned i = 0; i < ARRAY_COUNT(fds); i++)
		close(fds[i]);
	stream_rig_stop(&rig);
}

static void stream_servers__closed_after_an_answer_is_asked_again_once(void)
{
	int fd;

	stream_rig_start(&rig);
	fd = ask_and_answer(-1, 0);
	stream_rig_ask(&rig, 1);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	close(fd);
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
	stream_rig_reply(&rig, fd, &query, 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 2));
	CU_ASSERT(is_answer(1, 1));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_RETRIED) == 1);

	/* The second time it fails, though that connection has brought an answer to another. */
	stream_rig_ask(&rig, 2);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	close(fd);
	fd = stream_rig_accept(&rig);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	fd = ask_and_answer(fd, 3);
	close(fd);
	CU_ASSERT(stream_rig_wait_done(&rig, 4));
	CU_ASSERT(is_failure(3, 2, STREAM_FAILURE_CLOSED));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 3);
	stream_rig_stop(&rig);
}

static void stream_servers__server_that_answers_one_a_connection_is_heard(void)
{
	enum { COUNT = 4 };
	int fds[COUNT];

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < COUNT; i++)
		stream_rig_ask(&rig, i);
	for (unsigned i = 0; i < COUNT; i++) {
		fds[i] = stream_rig_accept(&rig);
		CU_ASSERT_FATAL(stream_rig_read(&rig, fds[i], &query));
		stream_rig_reply(&rig, fds[i], &query, 0);
		close(fds[i]);
	}
	CU_ASSERT(stream_rig_wait_done(&rig, COUNT));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_RESPONSE) == COUNT);
	stream_rig_stop(&rig);
}

static void stream_servers__closed_without_any_answer_fails_at_once(void)
{
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	close(fd);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_CLOSED));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_RETRIED) == 0);
	stream_rig_stop(&rig);
}

static void stream_servers__reset_amid_an_answer_fails(void)
{
	const struct linger at_once = {.l_onoff = 1};
	const uint8_t start[] = {0, 40, 1, 2, 3};
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	CU_ASSERT(send(fd, start, sizeof(start), 0) == sizeof(start));
	stream_rig_run_ms(&rig, 5);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_CLOSED));
	stream_rig_stop(&rig);
}

static void stream_servers__refused_connection_fails_later(void)
{
	stream_rig_start(&rig);
	close(rig.listen_fd);
	rig.listen_fd = -1;
	stream_rig_ask(&rig, 0);
	CU_ASSERT(rig.done_count == 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_REFUSED));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_FAILED_REFUSED) == 1);
	stream_rig_stop(&rig);
}

static void stream_servers__address_that_is_not_ours_is_unreachable(void)
{
	static const uint8_t elsewhere[] = {198, 18, 255, 1};
	uint8_t data[512];
	struct stream_slot slot;

	stream_rig_start(&rig);
	slot = stream_rig_query(&rig, 0, data);
	slot.local = address_from_v4(elsewhere);
	stream_rig_ask_slot(&rig, &slot);
	CU_ASSERT(rig.done_count == 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_UNREACHABLE));
	stream_rig_stop(&rig);
}

static void stream_servers__questions_leave_from_the_address_they_say(void)
{
	static const uint8_t second[] = {127, 0, 0, 2};
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	uint8_t data[512];
	struct stream_slot slot;
	int first_fd, fd;

	stream_rig_start(&rig);
	first_fd = ask_and_answer(-1, 0);
	slot = stream_rig_query(&rig, 1, data);
	slot.local = address_from_v4(second);
	stream_rig_ask_slot(&rig, &slot);
	/* Not on the connection that is open: it is of another address. */
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT(getpeername(fd, (struct sockaddr *)&peer, &length) == 0);
	CU_ASSERT(memcmp(&peer.sin_addr, second, sizeof(second)) == 0);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	stream_rig_reply(&rig, fd, &query, 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 2));
	close(fd);
	close(first_fd);
	stream_rig_stop(&rig);
}

static void stream_servers__silent_server_times_out_and_is_connected_anew(void)
{
	uint8_t data[512];
	struct stream_slot slot;
	uint64_t since;
	int fd, second_fd;

	stream_rig_start(&rig);
	slot = stream_rig_query(&rig, 0, data);
	slot.timeout_ms = SHORT_MS;
	since = uv_hrtime();
	stream_rig_ask_slot(&rig, &slot);
	fd = stream_rig_accept(&rig);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_TIMEOUT));
	CU_ASSERT((uv_hrtime() - since) / 1000000 >= SHORT_MS - 1);
	CU_ASSERT((uv_hrtime() - since) / 1000000 < STREAM_RIG_TIMEOUT_MS);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	CU_ASSERT(stream_rig_wait_closed(&rig, fd));
	second_fd = ask_and_answer(-1, 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 2);
	close(fd);
	close(second_fd);
	stream_rig_stop(&rig);
}

static void stream_servers__one_late_answer_leaves_a_live_connection(void)
{
	uint8_t data[512];
	struct stream_slot slot;
	int fd;

	stream_rig_start(&rig);
	slot = stream_rig_query(&rig, 0, data);
	slot.timeout_ms = 2 * SHORT_MS;
	stream_rig_ask_slot(&rig, &slot);
	fd = stream_rig_accept(&rig);
	CU_ASSERT(stream_rig_read(&rig, fd, &other));
	stream_rig_run_ms(&rig, 5);
	ask_and_answer(fd, 1);
	CU_ASSERT(stream_rig_wait_done(&rig, 2));
	CU_ASSERT(is_failure(1, 0, STREAM_FAILURE_TIMEOUT));
	/* Late, and to nobody; the next is still asked here. */
	stream_rig_reply(&rig, fd, &other, 0);
	ask_and_answer(fd, 2);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_UNMATCHED) == 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == 1);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__only_the_same_question_is_an_answer(void)
{
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));

	other = query; /* another ID */
	other.data[1] ^= 1;
	stream_rig_reply(&rig, fd, &other, 0);
	other = query; /* another name */
	other.data[DNS_HEADER_BYTES + 1] = 'x';
	stream_rig_reply(&rig, fd, &other, 0);
	other = query; /* another type, the fourth byte from the end */
	other.data[query.length_bytes - 3] = DNS_TYPE_AAAA;
	stream_rig_reply(&rig, fd, &other, 0);
	other = query; /* cut amid the question */
	other.length_bytes -= 2;
	stream_rig_reply(&rig, fd, &other, 0);
	other = query; /* no question, and no error either */
	other.data[5] = 0;
	stream_rig_reply(&rig, fd, &other, 0);
	/* a query */
	stream_rig_write(&rig, fd, &query, UINT16_MAX);
	stream_rig_run_ms(&rig, 20);
	CU_ASSERT(rig.done_count == 0);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_UNMATCHED) == 1);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_MISMATCH) == 5);

	other = query; /* another letter case */
	other.data[DNS_HEADER_BYTES + 1] ^= 0x20;
	stream_rig_reply(&rig, fd, &other, 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_answer(0, 0));
	close(fd);
	stream_rig_stop(&rig);
}

/* What follows a question that is cut is not its end: here the next message's length is the class. */
static void stream_servers__question_ends_with_its_message(void)
{
	uint8_t wire[512];
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
	wire_put_u16(wire, (uint16_t)(query.length_bytes - 2));
	memcpy(wire + 2, query.data, query.length_bytes);
	wire[4] |= DNS_FLAG_QR >> 8;
	CU_ASSERT(wire_get_u16(wire + query.length_bytes) == DNS_CLASS_IN);
	wire[query.length_bytes + 2] = 0;
	CU_ASSERT(send(fd, wire, query.length_bytes + 3, 0) > 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_GARBAGE));
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_MISMATCH) == 1);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__error_without_a_question_is_an_answer(void)
{
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
	query.length_bytes = DNS_HEADER_BYTES;
	query.data[5] = 0;
	query.data[3] = DNS_RCODE_FORMERR;
	stream_rig_reply(&rig, fd, &query, 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_answer(0, 0) && rig.done[0].length_bytes == DNS_HEADER_BYTES);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__garbage_closes_the_connection(void)
{
	static const struct {
		const char *says;
		uint8_t bytes[16];
		size_t length;
	} table[] = {
		{"a length of zero", {0, 0}, 2},
		{"less than a header", {0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 13},
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		int fd;

		stream_rig_start(&rig);
		stream_rig_ask(&rig, 0);
		fd = stream_rig_accept(&rig);
		CU_ASSERT(stream_rig_read(&rig, fd, &query));
		CU_ASSERT(send(fd, table[i].bytes, table[i].length, 0) > 0);
		CU_ASSERT(stream_rig_wait_done(&rig, 1));
		CU_ASSERT(is_failure(0, 0, STREAM_FAILURE_GARBAGE));
		CU_ASSERT(stream_rig_wait_closed(&rig, fd));
		close(fd);
		stream_rig_stop(&rig);
	}
}

static void stream_servers__answer_may_come_byte_by_byte(void)
{
	int fd;

	stream_rig_start(&rig);
	stream_rig_ask(&rig, 0);
	stream_rig_ask(&rig, 1);
	fd = stream_rig_accept(&rig);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		query.data[2] |= DNS_FLAG_QR >> 8;
		stream_rig_write(&rig, fd, &query, 1);
	}
	CU_ASSERT(stream_rig_wait_done(&rig, 2));
	CU_ASSERT(is_answer(0, 0) && is_answer(1, 1));
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__answer_of_65535_bytes_comes_whole(void)
{
	int fd;

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < 3; i++) {
		if (i == 0) {
			stream_rig_ask(&rig, i);
			fd = stream_rig_accept(&rig);
		} else {
			stream_rig_ask(&rig, i);
		}
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		stream_rig_reply(&rig, fd, &query, STREAM_MESSAGE_BYTES_MAX - query.length_bytes);
		CU_ASSERT(stream_rig_wait_done(&rig, i + 1));
		CU_ASSERT(is_answer(i, i) && rig.done[i].last_byte == 0xaa);
		CU_ASSERT(rig.done[i].length_bytes == STREAM_MESSAGE_BYTES_MAX);
	}
	close(fd);
	stream_rig_stop(&rig);
}

/* The query's answer with an OPT that has a keepalive of so many tenths of a second. */
static void reply_keepalive(int fd, uint16_t tenths)
{
	const uint8_t opt[] = {0,
			       0,
			       DNS_TYPE_OPT,
			       4,
			       208,
			       0,
			       0,
			       0,
			       0,
			       0,
			       6,
			       0,
			       11,
			       0,
			       2,
			       (uint8_t)(tenths >> 8),
			       (uint8_t)tenths};

	query.data[2] |= DNS_FLAG_QR >> 8;
	query.data[11] = 1;
	memcpy(query.data + query.length_bytes, opt, sizeof(opt));
	query.length_bytes += (uint32_t)sizeof(opt);
	stream_rig_write(&rig, fd, &query, UINT16_MAX);
}

static void stream_servers__idle_connection_closes_when_the_server_says(void)
{
	static const uint16_t tenths[] = {1, 0};

	for (size_t i = 0; i < ARRAY_COUNT(tenths); i++) {
		uint64_t since;
		int fd;

		stream_rig_start(&rig);
		stream_rig_ask(&rig, 0);
		fd = stream_rig_accept(&rig);
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		since = uv_hrtime();
		reply_keepalive(fd, tenths[i]);
		CU_ASSERT(stream_rig_wait_done(&rig, 1));
		CU_ASSERT(stream_rig_wait_closed(&rig, fd));
		CU_ASSERT((uv_hrtime() - since) / 1000000 >= tenths[i] * 98u);
		CU_ASSERT((uv_hrtime() - since) / 1000000 < STREAM_RIG_TIMEOUT_MS);
		CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVERS_OPEN) == 0);
		close(fd);
		stream_rig_stop(&rig);
	}
}

static void stream_servers__server_is_asked_how_long_it_stays_open(void)
{
	uint8_t data[512];
	struct stream_slot slot;
	struct name qname;
	int fd;

	stream_rig_start(&rig);
	slot = stream_rig_query(&rig, 0, data);
	CU_ASSERT(name_from_text("name.test", &qname));
	slot.length_bytes =
		(uint32_t)msg_build_query((struct buffer){data, sizeof(data)},
					  &(struct msg_query_params){.id = 1000,
								     .qname = &qname,
								     .qtype = DNS_TYPE_A,
								     .qclass = DNS_CLASS_IN,
								     .edns = true,
								     .edns_udp_size_bytes = 1232});
	stream_rig_ask_slot(&rig, &slot);
	fd = stream_rig_accept(&rig);
	CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
	CU_ASSERT(query.length_bytes == slot.length_bytes + 4);
	CU_ASSERT(msg_has_keepalive((struct span){query.data, query.length_bytes}));
	stream_rig_reply(&rig, fd, &query, 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 1));
	CU_ASSERT(is_answer(0, 0));
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__more_than_the_limit_fails_later(void)
{
	enum { MAX = STREAM_SERVER_CONNECTIONS_MAX * STREAM_SERVER_QUESTIONS_MAX };

	stream_rig_start(&rig);
	for (uint32_t i = 0; i < MAX + 2; i++)
		stream_rig_ask(&rig, i);
	CU_ASSERT(rig.done_count == 0);
	CU_ASSERT(stream_rig_wait_done(&rig, 2));
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT(rig.done[i].handle.idx >= MAX &&
			  is_failure(i, rig.done[i].handle.idx, STREAM_FAILURE_LIMIT));
	stream_rig_run_ms(&rig, 20);
	CU_ASSERT(rig.done_count == 2);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_CONNECT) == STREAM_SERVER_CONNECTIONS_MAX);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVERS_UNDER_WAY) == MAX);
	stream_rig_stop(&rig);
	CU_ASSERT(stream_rig_counter(&rig, STREAM_SERVER_FORGOTTEN) == MAX);
}

/* A server that takes nothing: what cannot be written waits, and times out; nothing grows. */
static void stream_servers__server_that_reads_nothing_times_out(void)
{
	const int little = 1;
	uint8_t data[512];
	struct stream_slot slot;
	int fd;

	stream_rig_start(&rig);
	setsockopt(rig.listen_fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	slot = stream_rig_query(&rig, 0, data);
	stream_rig_ask_slot(&rig, &slot);
	fd = stream_rig_accept(&rig);
	for (uint32_t i = 1; i < 600; i++) {
		slot = stream_rig_query(&rig, i, data);
		slot.timeout_ms = SHORT_MS;
		stream_rig_ask_slot(&rig, &slot);
	}
	CU_ASSERT(stream_rig_wait_done(&rig, 599));
	for (unsigned i = 0; i < 599; i++)
		CU_ASSERT(is_failure(i, rig.done[i].handle.idx, STREAM_FAILURE_TIMEOUT));
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__on_done_may_ask(void)
{
	int fd;

	stream_rig_start(&rig);
	rig.again = 3;
	stream_rig_ask(&rig, 0);
	fd = stream_rig_accept(&rig);
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		stream_rig_reply(&rig, fd, &query, 0);
	}
	CU_ASSERT(stream_rig_wait_done(&rig, 4));
	CU_ASSERT(is_answer(3, 3));
	/* Also when the connection is about to go. */
	rig.again = 2;
	stream_rig_ask(&rig, 10);
	CU_ASSERT(stream_rig_read(&rig, fd, &query));
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		fd = stream_rig_accept(&rig);
		CU_ASSERT_FATAL(stream_rig_read(&rig, fd, &query));
		close(fd);
	}
	CU_ASSERT(stream_rig_wait_done(&rig, 7));
	CU_ASSERT(is_failure(6, 12, STREAM_FAILURE_CLOSED));
	stream_rig_stop(&rig);
}

static void stream_servers__report_counts_by_server(void)
{
	struct stream_server_row rows[4];
	uint32_t cursor = 0;
	int fd;

	stream_rig_start(&rig);
	fd = ask_and_answer(-1, 0);
	stream_rig_ask(&rig, 1);
	stream_rig_ask(&rig, 2);
	CU_ASSERT(stream_servers_report(rig.servers, &cursor, rows, ARRAY_COUNT(rows)) == 1);
	CU_ASSERT(cursor == UINT32_MAX);
	CU_ASSERT(endpoint_equal(&rows[0].server, &rig.server));
	CU_ASSERT(rows[0].connections == 1 && rows[0].connects == 1 && rows[0].under_way == 2);
	CU_ASSERT(rows[0].questions == 3 && rows[0].responses == 1);
	close(fd);
	stream_rig_stop(&rig);
}

static void stream_servers__ipv6_server_is_asked(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

	/* There are machines without it. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return;
	}
	stream_rig_start(&rig);
	close(rig.listen_fd);
	rig.listen_fd = fd;
	CU_ASSERT(listen(fd, 8) == 0);
	CU_ASSERT(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	rig.server.port = ntohs(address.sin6_port);
	memcpy(rig.server.address.bytes, &address.sin6_addr, sizeof(address.sin6_addr));
	fd = ask_and_answer(-1, 0);
	close(fd);
	stream_rig_stop(&rig);
}

static unsigned count_places(void)
{
	struct stream_server_row rows[4];
	uint32_t cursor = 0;
	unsigned count = 0;

	while (cursor != UINT32_MAX)
		count += stream_servers_report(rig.servers, &cursor, rows, ARRAY_COUNT(rows));
	return count;
}

/* A place is another's when all are taken and its server is not in use. */
static void stream_servers__places_of_servers_are_used_again(void)
{
	enum { ASKED = STREAM_RIG_DONE_MAX - 1 };
	uint8_t data[512];

	stream_rig_start(&rig);
	for (unsigned round = 0; round < STREAM_SERVERS_MAX / ASKED + 2; round++) {
		for (uint32_t i = 0; i < ASKED; i++) {
			const uint8_t elsewhere[] = {198, 18, (uint8_t)(i / 250),
						     (uint8_t)(i % 250)};
			struct stream_slot slot = stream_rig_query(&rig, i, data);

			slot.local = address_from_v4(elsewhere);
			slot.server.port = (uint16_t)(1 + round);
			stream_rig_ask_slot(&rig, &slot);
		}
		CU_ASSERT(stream_rig_wait_done(&rig, ASKED));
		for (uint32_t i = 0; i < ASKED; i++)
			CU_ASSERT(
				is_failure(i, rig.done[i].handle.idx, STREAM_FAILURE_UNREACHABLE));
		if ((round + 1) * ASKED <= STREAM_SERVERS_MAX)
			CU_ASSERT(count_places() == (round + 1) * ASKED);
		rig.done_count = 0;
	}
	CU_ASSERT(count_places() == STREAM_SERVERS_MAX);
	stream_rig_stop(&rig);
}

static const struct unit_test tests[] = {
	UNIT_TEST(stream_servers__answer_comes_with_the_handle_and_id_of_its_question),
	UNIT_TEST(stream_servers__open_connection_is_used_again),
	UNIT_TEST(stream_servers__pipelined_answers_may_come_in_any_order),
	UNIT_TEST(stream_servers__ids_are_drawn_and_differ_on_a_connection),
	UNIT_TEST(stream_servers__many_questions_spread_over_connections),
	UNIT_TEST(stream_servers__closed_after_an_answer_is_asked_again_once),
	UNIT_TEST(stream_servers__server_that_answers_one_a_connection_is_heard),
	UNIT_TEST(stream_servers__closed_without_any_answer_fails_at_once),
	UNIT_TEST(stream_servers__reset_amid_an_answer_fails),
	UNIT_TEST(stream_servers__refused_connection_fails_later),
	UNIT_TEST(stream_servers__address_that_is_not_ours_is_unreachable),
	UNIT_TEST(stream_servers__questions_leave_from_the_address_they_say),
	UNIT_TEST(stream_servers__silent_server_times_out_and_is_connected_anew),
	UNIT_TEST(stream_servers__one_late_answer_leaves_a_live_connection),
	UNIT_TEST(stream_servers__only_the_same_question_is_an_answer),
	UNIT_TEST(stream_servers__question_ends_with_its_message),
	UNIT_TEST(stream_servers__error_without_a_question_is_an_answer),
	UNIT_TEST(stream_servers__garbage_closes_the_connection),
	UNIT_TEST(stream_servers__answer_may_come_byte_by_byte),
	UNIT_TEST(stream_servers__answer_of_65535_bytes_comes_whole),
	UNIT_TEST(stream_servers__idle_connection_closes_when_the_server_says),
	UNIT_TEST(stream_servers__server_is_asked_how_long_it_stays_open),
	UNIT_TEST(stream_servers__more_than_the_limit_fails_later),
	UNIT_TEST(stream_servers__server_that_reads_nothing_times_out),
	UNIT_TEST(stream_servers__on_done_may_ask),
	UNIT_TEST(stream_servers__report_counts_by_server),
	UNIT_TEST(stream_servers__ipv6_server_is_asked),
	UNIT_TEST(stream_servers__places_of_servers_are_used_again),
};
UNIT_SUITE(stream_servers, tests)
