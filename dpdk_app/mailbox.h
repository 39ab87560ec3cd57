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
#include <stdint.h>

#include "core/engine.h"

#define MAILBOX_TIMEOUT_MS 1000
/* Rows a page: what fits a telemetry reply of 16 KiB at the longest (telemetry.c). */
#define MAILBOX_UPSTREAM_ROWS 32
#define MAILBOX_INFLIGHT_ROWS 8
#define MAILBOX_NEIGHBOUR_ROWS 32

enum mailbox_report { MAILBOX_UPSTREAMS, MAILBOX_INFLIGHT, MAILBOX_NEIGHBOURS };

enum mailbox_state { MAILBOX_EMPTY, MAILBOX_POSTED, MAILBOX_FILLING, MAILBOX_FILLED };

struct mailbox {
	_Atomic uint32_t state;     /* enum mailbox_state */
	enum mailbox_report report; /* control: writes */
	uint32_t cursor;            /* in: where to begin; out: where to go on */
	unsigned row_count;         /* worker: writes */
	union {
		struct engine_upstream_row upstreams[MAILBOX_UPSTREAM_ROWS];
		struct engine_inflight_row inflight[MAILBOX_INFLIGHT_ROWS];
		struct engine_neighbour_row neighbours[MAILBOX_NEIGHBOUR_ROWS];
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
/* Control: wait for the rows. They are the caller's to read until the next mailbox_post. */
MUST_USE enum mailbox_result mailbox_wait(struct mailbox *m);

/* Worker: answer the request, if one is posted. */
void mailbox_answer(struct mailbox *m, const struct engine *engine, mono_ns now);

#endif
