/* A tap on every queue of every port: callbacks of DPDK's ethdev that copy the frames that match a filter, for one
 * thread to take. Without a capture there is no callback, and a burst pays for nothing.
 *
 * A callback runs on the worker, inside rte_eth_rx_burst and rte_eth_tx_burst. It takes no lock, asks no
 * allocator and waits for nobody: copies are mbufs of a pool of their own, and go into a ring whose producers
 * do not wait for each other; where pool or ring is at its end, the frame is not captured, and counted.
 *
 * Sent frames are seen before the driver takes them. What it refuses a worker offers again: a dynamic flag of the
 * mbuf marks frames that have been seen. mbuf_set_frame() clears it, as it does all flags, before a buffer's next frame.
 *
 * The end: a flag first turns the callbacks off, then they are removed. A worker may be in the middle of one, or hold
 * the list that it was on (rte_eth_call_rx_callbacks() reads the next entry after the callback has returned), so the
 * memory must outlive its burst. Each worker is thus given WORKER_ORDER_TURN, which it clears at the beginning of a
 * turn, where it is in no burst: that it has cleared it says that it has left every burst that began
 * before the removal (it releases with the clearing, we acquire), and that later ones see the lists without the
 * callbacks (we release with the order, it acquires). Then all is freed.
 *
 * Memory: DPDK's; pool and ring are made by the first capture and stay, the rest goes with the capture.
 * Threads: named per function.
 */
#ifndef PORTICO_CAPTURE_TAP_H
#define PORTICO_CAPTURE_TAP_H

#include "dpdk_app/dpdk.h"

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/check.h"
#include "dpdk_app/capture_filter.h"
#include "dpdk_app/capture_pcapng.h"
#include "dpdk_app/port.h"
#include "dpdk_app/worker.h"

#define CAPTURE_TAP_WAIT_S 2

struct capture_tap_points;

struct capture_tap {
	/* From the first capture on. */
	struct rte_mempool *pool;
	struct rte_ring *ring;
	uint64_t seen_flag; /* of an mbuf on its way out */
	/* Of one capture. */
	struct capture_tap_points *points;
};

struct capture_tap_params {
	const struct port_table *ports;
	const struct capture_filter *filter; /* NULL: everything; outlives the tap */
	uint32_t snaplen_bytes;
};

/* What a captured copy says of itself, in its mbuf's private area. */
struct capture_tap_note {
	uint64_t tsc;
	uint32_t original_bytes;
	uint16_t queue_idx;
	uint8_t interface_idx;
	uint8_t direction; /* enum capture_direction */
};

struct capture_tap_drops {
	uint64_t no_buffer;
	uint64_t ring_full;
};

static inline struct capture_tap_note *capture_tap_note(struct rte_mbuf *copy)
{
	return rte_mbuf_to_priv(copy);
}

/* One thread at a time, not a worker: begin to capture. False: `why` says so; stop, wait and close all the same. */
MUST_USE bool capture_tap_open(struct capture_tap *t, const struct capture_tap_params *params,
			       char why[CAPTURE_WHY_BYTES]);

/* Any one thread but a worker's: up to count copies, which the caller frees. */
unsigned capture_tap_take(struct capture_tap *t, struct rte_mbuf *copies[], unsigned count);

/* What was not captured, by interface; any thread, while the tap is open. */
struct capture_tap_drops capture_tap_drops(const struct capture_tap *t, unsigned interface_idx);
unsigned capture_tap_callback_count(const struct capture_tap *t);

/* Capture no more and remove the callbacks. Copies that were made by now can still be taken. */
void capture_tap_stop(struct capture_tap *t);

enum capture_tap_result {
	CAPTURE_TAP_OK,
	CAPTURE_TAP_BUSY, /* a worker has not passed in time: what it may still hold is never freed */
};

/* After stop: wait until no worker can be in a callback (CAPTURE_TAP_WAIT_S, or a little more, at most). workers_gone: none runs any more; it may
 * become so while this waits. Not a worker's thread, and no lock held that control would wait for. */
MUST_USE enum capture_tap_result capture_tap_wait(const struct capture_tap *t,
						  struct worker *workers, unsigned worker_count,
						  const _Atomic bool *workers_gone);
/* After a wait that was OK: free what belongs to the capture, copies that nobody took too. */
void capture_tap_close(struct capture_tap *t);
/* After one that was not: forget it. */
void capture_tap_abandon(struct capture_tap *t);

#endif
