/* From the tap to the file: takes copies of frames, puts them into pcapng with the time of day, and lets the pipe have
 * what it takes. Never waits.
 *
 * Memory: a buffer, from init to fini. Threads: the capture's; captured is read by others.
 * Time: frames carry the time stamp counter; each second it is set against the clock again, so that times follow the
 * clock's corrections.
 */
#ifndef PORTICO_CAPTURE_WRITER_H
#define PORTICO_CAPTURE_WRITER_H

#include "dpdk_app/dpdk.h"

#include <stdatomic.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/capture_pcapng.h"
#include "dpdk_app/capture_tap.h"

struct capture_writer_params {
	const struct config *config;
	const struct port_table *ports;
	const char *filter; /* its text; until init returns */
	uint64_t count_max; /* frames; UINT64_MAX: no end */
	uint32_t snaplen_bytes;
	int fd; /* does not block; the caller closes it */
};

struct capture_writer {
	struct capture_tap *tap;
	struct capture_pcapng file;
	uint64_t count_max;
	/* The time stamp counter and the time of day at one moment. */
	uint64_t anchor_tsc;
	uint64_t anchor_ns;
	uint64_t tsc_hz;
	unsigned interface_count;
	uint64_t written[INTERFACES_MAX];
	_Atomic uint64_t captured; /* writer: writes; others: read, relaxed */
};

enum capture_writer_result {
	CAPTURE_WRITER_MOVED, /* there may be more */
	CAPTURE_WRITER_IDLE,  /* nothing came, or the pipe is full: come back in a moment */
	CAPTURE_WRITER_COUNT, /* count_max frames are in the file, or on their way there */
	CAPTURE_WRITER_GONE,  /* nobody reads any more */
};

/* False: out of memory. */
MUST_USE bool capture_writer_init(struct capture_writer *w, struct capture_tap *tap,
				  const struct capture_writer_params *params);
/* A few frames at most. */
MUST_USE enum capture_writer_result capture_writer_step(struct capture_writer *w);
/* After the last frame: what was captured and dropped. */
void capture_writer_put_stats(struct capture_writer *w);
MUST_USE enum capture_pcapng_result capture_writer_flush(struct capture_writer *w);
void capture_writer_fini(struct capture_writer *w);

#endif
