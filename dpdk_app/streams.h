/* The stream thread: TCP of clients (stream_clients.h) and to servers (stream_servers.h), over kernel sockets, in a libuv loop.
 *
 * To the workers it is one more of them: participant worker_count of the rings (handoff.h), with an engine of its own, which owns
 * no question and receives from no device. A client's question goes through that engine, which answers it from the cache or
 * passes it to its owner; the owner's answer comes back as a message (stream_mbuf.h). What workers want to ask over TCP comes as
 * messages, too. It takes the workers' orders (worker.h): STOP_TAKING closes the listeners, takes no more questions, and each
 * connection is closed when it has its answers; it calls itself idle when nothing is under way and all answers are sent.
 *
 * It sleeps in the loop: until a socket or the wake descriptor of its rings has something, or the next deadline. It runs on
 * the control thread's CPU with a nice value of STREAMS_NICE: of a CPU that it has to share with a worker it gets no more than a fifth
 * (SECURITY D16).
 *
 * Memory: what stream_clients.h and stream_servers.h say, and STREAM_MBUF_COUNT buffers. Threads: main makes and frees; one thread at
 * a time prepares and commits; counters are read by all.
 */
#ifndef PORTICO_STREAMS_H
#define PORTICO_STREAMS_H

#include "dpdk_app/dpdk.h"

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/kernel_path.h"
#include "dpdk_app/stream_counter.h"
#include "dpdk_app/stream_report.h"
#include "dpdk_app/worker.h"

#define STREAMS_NICE 7

struct streams_params {
	const struct config *config;
	const struct kernel_path *path;
	struct worker *worker; /* with engine, handoff, clock and stream_pool */
	unsigned cpu;
};

struct streams;

/* The listening sockets are open. NULL: refused or no memory (logged). */
MUST_USE struct streams *streams_make(const struct streams_params *params);
/* False: no thread (logged). */
MUST_USE bool streams_start(struct streams *s);
/* After WORKER_ORDER_QUIT to its worker: until the thread has ended. No-op if it was not started, or s is NULL. */
void streams_join(struct streams *s);
/* The thread has ended, or never begun. s may be NULL. */
void streams_free(struct streams *s);

/* ---- reload: one thread at a time ---- */

/* What the next configuration listens on besides. False: refused (logged). s may be NULL. */
MUST_USE bool streams_prepare(struct streams *s, const struct config *next);
/* From now on it is so: connections to endpoints that remain are kept. s may be NULL. */
void streams_commit(struct streams *s);
/* It is not to be. s may be NULL. */
void streams_abandon(struct streams *s);

/* ---- readers ---- */

const struct stream_counters *streams_counters(const struct streams *s);
struct stream_report *streams_report(struct streams *s);

#endif
