/* What `porticoctl tcp` shows, fetched from the stream thread by another: connections of clients by state, and a row a
 * server. The asker posts and waits; the stream thread answers from its loop, so that its tables need no lock.
 *
 * Memory: from make to close. Threads: stream_report_ask: any, one at a time (the caller's lock); the rest: the loop's.
 */
#ifndef PORTICO_STREAM_REPORT_H
#define PORTICO_STREAM_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/check.h"
#include "dpdk_app/stream_servers.h"

#define STREAM_REPORT_ROWS 16 /* what fits a telemetry reply at the longest */
#define STREAM_REPORT_TIMEOUT_MS 1000

/* X(symbol, name shown to users) */
#define STREAM_CLIENT_STATES(X)                                                                    \
	X(SILENT, "silent")       /* nothing whole has come yet */                                 \
	X(IDLE, "idle")           /* all is answered */                                            \
	X(RECEIVING, "receiving") /* a part of a message has come, nothing else is under way */    \
	X(WAITING, "waiting")     /* questions are under way */                                    \
	X(SENDING, "sending")     /* answers are not taken yet */                                  \
	X(HALF_CLOSED, "half_closed") /* the client sends no more, but gets its answers */

enum stream_client_state {
#define X(symbol, text) STREAM_CLIENT_##symbol,
	STREAM_CLIENT_STATES(X)
#undef X
		STREAM_CLIENT_STATE_COUNT,
};
extern const char *const stream_client_state_text[STREAM_CLIENT_STATE_COUNT];

/* How many connections of clients are in each state. */
typedef void stream_report_count_clients(void *context, uint32_t counts[STREAM_CLIENT_STATE_COUNT]);

struct stream_report_page {
	uint32_t cursor; /* in: 0, or that of the page before; out: the next, UINT32_MAX: none */
	unsigned row_count;
	struct stream_server_row rows[STREAM_REPORT_ROWS];
	uint32_t clients[STREAM_CLIENT_STATE_COUNT];
};

struct stream_report;

/* On the loop's thread, or before it runs. NULL: no memory or descriptors (errno). */
MUST_USE struct stream_report *stream_report_make(uv_loop_t *loop,
						  const struct stream_servers *servers,
						  stream_report_count_clients *count_clients,
						  void *context);
/* False: the stream thread did not answer in time. */
MUST_USE bool stream_report_ask(struct stream_report *r, struct stream_report_page *page);
/* On the loop's thread, which runs on until the handle is closed. Nobody asks any more. */
void stream_report_close(struct stream_report *r);

#endif
