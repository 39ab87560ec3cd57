/* /portico/trace,TYPE NAME: resolves a question now, whatever the cache has of it, and tells what happened to it and to all that was
 * asked for its sake, on every worker, in order of time. The reply says what came of it; the steps are kept for
 * /portico/trace_steps until the next one.
 *
 * Memory: the steps', from the first trace on. Threads: one trace at a time, under the caller's lock, which is given up while there is
 * nothing to do but wait (pause); it takes 4.5 s at most. The workers ask between two of their bursts (mailbox.h).
 */
#ifndef PORTICO_TRACE_H
#define PORTICO_TRACE_H

#include <rte_telemetry.h>
#include <stdbool.h>
#include <stdint.h>

#include "dpdk_app/worker.h"

/* A question ends after CLIENT_DEADLINE_MS; porticoctl waits for 5 s. */
#define TRACE_TIMEOUT_MS 4500

struct trace_sources {
	struct worker *workers;
	unsigned worker_count;
	/* A few milliseconds, with the caller's lock free for others. False: it is ending, workers are not to be touched any more. */
	bool (*pause)(void);
};

/* data: a dictionary that has been started. question: "TYPE NAME", the type as a number. Into it: rcode, done (0: it was not in
 * time), steps, lost (how many there was no room for), and first, the cursor of the first step. If it cannot be asked: "error". */
void trace_reply(const struct trace_sources *from, const char *question, struct rte_tel_data *data);
/* A page of rows: time_us, worker, event, name, type and what else the event has (core/event_trace.h). cursor: first, or the
 * "next" of the page before; of an older trace: "error". */
void trace_steps_reply(uint32_t cursor, struct rte_tel_data *data);

#endif
