/* `porticoctl capture`: asks Portico for a capture (capture.h) into a named pipe beside the telemetry socket, and
 * copies the pipe to the file, with the rights of whoever runs porticoctl. Never waits for the file's reader alone:
 * it goes on to tell Portico that it is there, and to hear signals.
 *
 * Memory: some buffers, freed. Threads: one. Blocks SIGINT, SIGTERM and SIGHUP, which end the capture in good order;
 * a second one ends porticoctl at once.
 */
#ifndef PORTICO_PORTICOCTL_CAPTURE_H
#define PORTICO_PORTICOCTL_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "dpdk_app/capture_params.h"
#include "dpdk_app/porticoctl_socket.h"

struct porticoctl_capture {
	const char *file;   /* "-": standard output */
	const char *filter; /* NULL: everything */
	uint64_t count;     /* 0: no end; and so the others */
	uint64_t seconds;
	uint64_t snaplen_bytes;
	bool replace; /* the file, if there is one */
	bool json;    /* the summary */
};

enum porticoctl_capture_result {
	PORTICOCTL_CAPTURE_OK,
	PORTICOCTL_CAPTURE_FAILED, /* printed why */
};

/* Until the capture ends; the summary goes to stdout, or to stderr where the packets go to stdout. */
MUST_USE enum porticoctl_capture_result porticoctl_capture_run(const struct porticoctl_socket *s,
							       const struct porticoctl_capture *c);

#endif
