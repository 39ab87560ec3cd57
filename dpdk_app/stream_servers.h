/* TCP connections to servers: reused, pipelined, bounded (RFC 7766, RFC 9210).
 *
 * A connection is of a server and a local address. A question goes on one that is open, else on a new one; up to
 * STREAM_SERVER_CONNECTIONS_MAX to a server, each with STREAM_SERVER_QUESTIONS_MAX under way under IDs of the
 * connection's own, drawn at random. What comes back under an ID is the answer only if its question is the same (letters
 * without case); anything else is counted and ignored. A connection that closes takes its questions with it: those on one
 * that has brought answers, which may have closed while they were on their way, are asked once again elsewhere. No question
 * causes more than two connects. One that is idle is closed after STREAM_SERVER_IDLE_MS, or what the server says (RFC 7828).
 *
 * Memory: tables at the start (lazily touched); a message that comes in pieces has a buffer of its own size meanwhile, at
 * most STREAM_SERVER_PARTIAL_BYTES_MAX of them all. Threads: the loop's. Calls no DPDK.
 */
#ifndef PORTICO_STREAM_SERVERS_H
#define PORTICO_STREAM_SERVERS_H

#include <stdint.h>
#include <uv.h>

#include "core/address.h"
#include "core/check.h"
#include "core/stream.h"
#include "dpdk_app/kernel_path.h"
#include "dpdk_app/stream_counter.h"

#define STREAM_SERVER_CONNECTIONS_MAX 8 /* to one server from one address */
#define STREAM_SERVER_QUESTIONS_MAX 100 /* on one connection */
#define STREAM_SERVERS_CONNECTIONS_MAX 2048
#define STREAM_SERVERS_QUESTIONS_MAX 16384
#define STREAM_SERVERS_MAX 4096 /* pairs of server and local address that are remembered */
#define STREAM_SERVER_IDLE_MS 10000
#define STREAM_SERVER_IDLE_MS_MAX 120000 /* whatever the server offers */
#define STREAM_SERVER_PARTIAL_BYTES_MAX (16u << 20)
#define STREAM_SERVER_QUERY_BYTES_MAX 768 /* a question we send: name, OPT, cookie */

/* Called from the loop, never from within stream_servers_ask: one RESPONSE or FAILED for each QUERY, with its handle and
 * worker, under its ID. data is borrowed until it returns; stream_servers_ask may be called from it. */
typedef void stream_servers_on_done(void *context, const struct stream_slot *done);

struct stream_servers_params {
	stream_servers_on_done *on_done;
	void *context;
	struct stream_counters *counters;
	const struct kernel_path *path; /* where sockets come from; NULL: this network namespace */
};

struct stream_servers;

/* NULL: no memory or no randomness. */
MUST_USE struct stream_servers *stream_servers_make(uv_loop_t *loop,
						    const struct stream_servers_params *params);

/* query: STREAM_QUERY, whose message is a query of ours with one question; copied. */
void stream_servers_ask(struct stream_servers *s, const struct stream_slot *query);

/* Everything under way is forgotten: on_done is not called any more. Frees s once the loop, which must run on, has closed
 * its handles. */
void stream_servers_close(struct stream_servers *s);

/* What is known of a server, from one local address. */
struct stream_server_row {
	struct endpoint server;
	struct address local; /* all zeroes: the kernel's choice */
	uint32_t connections;
	uint32_t under_way;
	uint64_t questions;
	uint64_t responses;
	uint64_t connects;
	uint64_t failed[STREAM_FAILURE_COUNT];
};

/* Rows from place *cursor on, at most row_count; *cursor: the next place, UINT32_MAX: there is none. Returns how many. */
unsigned stream_servers_report(const struct stream_servers *s, uint32_t *cursor,
			       struct stream_server_row rows[], unsigned row_count);

#endif
