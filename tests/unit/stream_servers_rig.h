/* A stream_servers on a loop of its own, and a server on 127.0.0.1 that does what a test says, by plain system calls.
 *
 * Memory: the rig's, until stop. Threads: one.
 */
#ifndef PORTICO_STREAM_SERVERS_RIG_H
#define PORTICO_STREAM_SERVERS_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/msg_parse.h"
#include "dpdk_app/stream_servers.h"

#define STREAM_RIG_DONE_MAX 1024
#define STREAM_RIG_TIMEOUT_MS 2000 /* of questions that say no other, and of the test's patience */

struct stream_rig_done {
	uint8_t kind;
	uint8_t failure;
	uint8_t worker;
	struct stream_handle handle;
	uint32_t length_bytes;
	uint16_t id;
	uint8_t last_byte;
};

struct stream_rig {
	uv_loop_t loop;
	struct stream_servers *servers;
	struct stream_counters counters;
	int listen_fd;
	struct endpoint server;
	bool asking; /* within stream_servers_ask */
	unsigned done_count;
	struct stream_rig_done done[STREAM_RIG_DONE_MAX];
	uint32_t again; /* so many times the answer to a question begins the next, from on_done */
};

/* A message, as the server has it. */
struct stream_rig_message {
	uint32_t length_bytes;
	uint8_t data[STREAM_MESSAGE_BYTES_MAX];
};

void stream_rig_start(struct stream_rig *r);
/* Closes all; CHECKs that the loop has nothing left. */
void stream_rig_stop(struct stream_rig *r);

/* Question number idx: a name of its own, its handle {idx, ~idx}, worker 3, ID 1000 + idx. */
void stream_rig_ask(struct stream_rig *r, uint32_t idx);
struct stream_slot stream_rig_query(struct stream_rig *r, uint32_t idx, uint8_t data[512]);
void stream_rig_ask_slot(struct stream_rig *r, const struct stream_slot *slot);

/* Run the loop until so many are done; false: not in time. */
bool stream_rig_wait_done(struct stream_rig *r, unsigned done_count);
/* Run the loop for a while. */
void stream_rig_run_ms(struct stream_rig *r, unsigned ms);
uint64_t stream_rig_counter(const struct stream_rig *r, enum stream_counter which);

/* ---- the server: each runs the loop meanwhile ---- */

/* -1: nobody came. */
int stream_rig_accept(struct stream_rig *r);
/* False: it was closed, or nothing came. */
bool stream_rig_read(struct stream_rig *r, int fd, struct stream_rig_message *query);
/* Has the other side closed it? */
bool stream_rig_wait_closed(struct stream_rig *r, int fd);
/* Both lengths and the message, in pieces of at most so many bytes. */
void stream_rig_write(struct stream_rig *r, int fd, const struct stream_rig_message *m,
		      uint32_t piece_bytes);
/* The query with QR set, and so many bytes of zeroes behind it, the last of which is 0xaa. */
void stream_rig_reply(struct stream_rig *r, int fd, const struct stream_rig_message *query,
		      uint32_t more_bytes);

#endif
