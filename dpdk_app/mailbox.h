/* Questions of the control side to a worker ("show me your servers"), answered by the worker itself
 * between two bursts, so that no table of the packet path needs a lock.
 *
 *   EMPTY → POSTED (control; release: the request stands before the flag) → FILLING (worker; acquire)
 *   → FILLED (worker; release: the rows stand before the flag) → EMPTY (control; acquire)
 * A worker that does not answer in time: POSTED → EMPTY by CAS, so that exactly one side has it.
 *
 * Memory: rows are part of the struct. Threads: one asker at a time (the caller's lock), one worker.
 */
#ifndef PORTICO_MAILBOX_H
#define PORTICO_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"

#define MAILBOX_TIMEOUT_MS 1000
/* Rows a page: what fits a telemetry reply of 16 KiB at the longest (telemetry.c). */
#define MAILBOX_UPSTREAM_ROWS 32
#define MAILBOX_INFLIGHT_ROWS 3
#define MAILBOX_NEIGHBOUR_ROWS 32
#define MAILBOX_ROUTE_ROWS 32
#define MAILBOX_EVENT_ROWS 16

enum mailbox_report {
	MAILBOX_UPSTREAMS,
	MAILBOX_LEARNED, /* likewise rows.upstreams */
	MAILBOX_INFLIGHT,
	MAILBOX_NEIGHBOURS,
	MAILBOX_ROUTES,
	MAILBOX_PORTS,
	MAILBOX_EVENTS,
	MAILBOX_ASK,   /* begin questions of our own: rows.asks, in and out (mailbox_post_asks) */
	MAILBOX_ASKED, /* what has become of them: rows.asked, in and out (mailbox_post_asked) */
};

/* A question of our own: the worker writes what engine_ask says. */
struct mailbox_ask {
	struct name qname;
	uint16_t qtype;
	enum engine_ask_how how;
	enum engine_ask result;
	uint32_t handle; /* if ENGINE_ASK_STARTED */
	uint8_t owner;   /* if ENGINE_ASK_NOT_OURS */
};
/* The worker writes what engine_asked says. */
struct mailbox_asked {
	uint32_t handle;
	bool known;
	struct engine_asked asked; /* if known */
};

/* The cursor of MAILBOX_PORTS: the outgoing address above, the place in the worker's table below. */
#define MAILBOX_PORTS_PLACE_BITS 24

enum mailbox_state { MAILBOX_EMPTY, MAILBOX_POSTED, MAILBOX_FILLING, MAILBOX_FILLED };

struct mailbox {
	_Atomic uint32_t state;     /* enum mailbox_state */
	enum mailbox_report report; /* control: writes */
	uint32_t cursor;            /* in: where to begin; out: where to go on */
	unsigned row_count;         /* worker: writes; of questions of our own: control */
	union {
		struct engine_upstream_row upstreams[MAILBOX_UPSTREAM_ROWS];
		struct engine_inflight_row inflight[MAILBOX_INFLIGHT_ROWS];
		struct engine_neighbour_row neighbours[MAILBOX_NEIGHBOUR_ROWS];
		struct engine_route_row routes[MAILBOX_ROUTE_ROWS];
		uint32_t port_counts[ENGINE_PORT_BLOCKS];
		struct event events[MAILBOX_EVENT_ROWS];
		struct mailbox_ask asks[ENGINE_ASKS_MAX];
		struct mailbox_asked asked[ENGINE_ASKS_MAX];
	} rows;
};

enum mailbox_result {
	MAILBOX_OK,
	MAILBOX_SILENT, /* the worker did not answer within MAILBOX_TIMEOUT_MS */
};

void mailbox_init(struct mailbox *m);

/* Control: post a request; then wake the worker's attention (worker_order) and mailbox_wait. SILENT: a former
 * request is still being filled. */
MUST_USE enum mailbox_result mailbox_post(struct mailbox *m, enum mailbox_report report,
					  uint32_t cursor);
/* The same with rows to begin with (row_count <= ENGINE_ASKS_MAX, copied): the worker completes them. */
MUST_USE enum mailbox_result mailbox_post_asks(struct mailbox *m, const struct mailbox_ask asks[],
					       unsigned row_count);
MUST_USE enum mailbox_result mailbox_post_asked(struct mailbox *m, const uint32_t handles[],
						unsigned row_count);
/* Control: wait for the rows. They are the caller's to read until the next mailbox_post. */
MUST_USE enum mailbox_result mailbox_wait(struct mailbox *m);

/* Worker: answer the request, if one is posted. */
void mailbox_answer(struct mailbox *m, struct engine *engine, mono_ns now);

#endif
