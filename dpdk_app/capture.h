/* `porticoctl capture`: what the workers receive and send, as a stream of pcapng.
 *
 *   /portico/capture_start,PARAMS   begins one (capture_params.h); replies with its id
 *   /portico/capture_status,ID      how it is; with its ID: its owner is there
 *   /portico/capture_stop,ID        ends it, soon after the reply
 *
 * The stream goes into a named pipe that porticoctl has made beside the telemetry socket, the one place that
 * both see whatever sandbox Portico is in; whose right to the socket's directory is the right to capture. Portico
 * opens no file of anybody's choice: porticoctl writes the file, with its user's rights.
 *
 * One capture at a time. It ends by count, by time, when it is told to, when nobody reads the pipe, when its
 * owner has not asked for CAPTURE_SILENCE_MS, and when Portico ends. A thread on the control CPU moves the
 * packets; capture_tap.h says what the workers do.
 *
 * Memory: DPDK's pool of copies from the first capture on, 20 MB (as little as 1 MB where there is not more); the rest
 * goes with each capture. Threads: open and close on the main thread; commands on telemetry's; one lock, which no worker
 * takes.
 */
#ifndef PORTICO_CAPTURE_H
#define PORTICO_CAPTURE_H

#include <stdbool.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/port.h"
#include "dpdk_app/worker.h"

/* What captures are made from; all of it outlives capture_close(). */
struct capture_sources {
	const struct config *config;
	const struct port_table *ports;
	struct worker *workers;
	unsigned worker_count;
	unsigned control_cpu;
};

/* Offer the commands. False: the reason is logged. */
MUST_USE bool capture_open(const struct capture_sources *sources);

/* When no worker runs any more, and before ports stop: end the capture that runs, if any, and let no other begin.
 * Takes half a second at most beyond what the file takes, so that porticoctl can ask for the figures. Without
 * capture_open() before: does nothing. */
void capture_close(void);

#endif
