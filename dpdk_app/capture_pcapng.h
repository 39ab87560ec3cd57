/* A pcapng file as it is written (draft-ietf-opsawg-pcapng): a section, an interface block each, packets with time
 * in nanoseconds, direction and queue, and at the end what was received and dropped.
 *
 * DPDK 22.11's rte_pcapng cannot name interfaces as the configuration does, and fixes its clock at the start.
 *
 * Blocks are put into a buffer, and a descriptor that does not block takes of it what it can; a put needs
 * CAPTURE_PCAPNG_ROOM bytes free. Memory: the buffer, lent. Threads: one.
 */
#ifndef PORTICO_CAPTURE_PCAPNG_H
#define PORTICO_CAPTURE_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"
#include "core/span.h"
#include "dpdk_app/capture_params.h"

/* The largest block: a frame and less than this around it. */
#define CAPTURE_PCAPNG_ROOM (CAPTURE_SNAPLEN_MAX + 128)

enum capture_direction { CAPTURE_RECEIVED = 1, CAPTURE_SENT = 2 }; /* as in epb_flags */

enum capture_pcapng_result {
	CAPTURE_PCAPNG_OK,   /* nothing is left in the buffer */
	CAPTURE_PCAPNG_FULL, /* the descriptor takes no more at the moment */
	CAPTURE_PCAPNG_GONE, /* the reader has gone, or writing failed */
};

struct capture_pcapng {
	int fd;
	uint8_t *buffer;
	size_t capacity_bytes;
	size_t start; /* first byte that is not written yet */
	size_t end;
};

struct capture_pcapng_interface {
	const char *name;
	const char *device;
	const struct mac *mac;
	const char *filter;
	uint32_t snaplen_bytes;
};

struct capture_pcapng_frame {
	uint64_t time_ns; /* since 1970 */
	uint32_t interface_idx;
	uint32_t queue_idx;
	uint32_t present_bytes; /* what the parts hold together */
	uint32_t original_bytes;
	enum capture_direction direction;
};

struct capture_pcapng_stats {
	uint64_t time_ns;
	uint64_t written; /* frames that passed the filter and are in the file */
	uint64_t dropped;
};

size_t capture_pcapng_room(const struct capture_pcapng *p);
/* Bytes that are not written yet. */
size_t capture_pcapng_waiting(const struct capture_pcapng *p);

/* Begin the section; then an interface block each, in the order of their indices. */
void capture_pcapng_put_section(struct capture_pcapng *p, const char *application);
void capture_pcapng_put_interface(struct capture_pcapng *p,
				  const struct capture_pcapng_interface *interface);
void capture_pcapng_put_stats(struct capture_pcapng *p, uint32_t interface_idx,
			      const struct capture_pcapng_stats *stats);

/* A packet: begin, its bytes in parts that make up present_bytes, end. */
void capture_pcapng_begin_frame(struct capture_pcapng *p, const struct capture_pcapng_frame *frame);
void capture_pcapng_put_bytes(struct capture_pcapng *p, const void *bytes, size_t count);
void capture_pcapng_end_frame(struct capture_pcapng *p, const struct capture_pcapng_frame *frame);

/* Write what the descriptor takes without waiting. */
MUST_USE enum capture_pcapng_result capture_pcapng_flush(struct capture_pcapng *p);

#endif
