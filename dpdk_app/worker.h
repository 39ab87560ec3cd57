/* A worker: one lcore that moves packets between the ports, the other workers and its engine, and never blocks,
 * locks, allocates or logs. It makes no system call but the nap, and the wake of a worker that naps.
 *
 * A turn: answer what control wants (one load if nothing); what other workers have passed, then a receive burst
 * from every queue of ours, through engine_rx; what engine_tx has to send; flush what goes to other workers. While a cache file is
 * read back, some of its entries are inserted each turn (cache_lane.h).
 *
 * `poll: adaptive`: a turn without a packet is followed by what nap_plan.h says. Under load the worker spins for IDLE_SPELL first. At
 * middling rates it naps for NAP_PLAN_GATHER so that packets come several at a time. Else it sleeps: until a packet arrives, where all its
 * devices can wake it (rx_wake.h), or it receives from none; otherwise after IDLE_SPELL, for NAP_MIN first, doubling to a bound, so that a
 * nap is never longer than the pause before it. Never past the engine's next deadline; what another worker passes ends any of them.
 * Workers that share a CPU do not spin.
 *
 * Cycles: a turn in which something moved counts as busy, any other as idle, a nap as neither: those cycles are not
 * ours.
 *
 * Queue q of a port is worker q % worker_count's to receive; worker w sends on queue w, or, where a device has
 * too few, through the worker that holds queue w % tx_queue_count.
 *
 * The stream thread (streams.h) is a worker to those who give orders; its loop is another.
 *
 * Threads: control writes `orders`, worker writes `state`; each on a cache line of its own.
 */
#ifndef PORTICO_WORKER_H
#define PORTICO_WORKER_H

#include "dpdk_app/dpdk.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/engine.h"
#include "dpdk_app/cache_lane.h"
#include "dpdk_app/handoff.h"
#include "dpdk_app/kernel_pump.h"
#include "dpdk_app/mailbox.h"
#include "dpdk_app/port.h"
#include "dpdk_app/tsc_clock.h"

#define WORKER_CACHE_LINE_BYTES 64

/* What control asks for: bits that the worker clears as it obeys. */
#define WORKER_ORDER_REPORT 1u      /* look into the mailbox */
#define WORKER_ORDER_STOP_TAKING 2u /* engine_stop_taking */
#define WORKER_ORDER_QUIT 4u        /* leave the loop */
#define WORKER_ORDER_TURN 8u        /* nothing: that it is cleared says that a new turn has begun */
#define WORKER_ORDER_RESTORE 16u    /* take entries from the lane, until it ends */

/* What the worker says of itself. */
#define WORKER_STATE_READY 1u /* engine_ready() has said yes */
#define WORKER_STATE_IDLE 2u  /* after STOP_TAKING: nothing under way, nothing to send, now */

struct worker {
	/* Set before the launch, read by the worker. */
	struct engine *engine;
	const struct port_table *ports;
	struct handoff *handoff;
	struct kernel_pump *pump; /* NULL: no interface has a TAP */
	struct tsc_clock clock;   /* the same in all: times go from worker to worker */
	_Atomic uint8_t poll;     /* enum config_poll. control: writes; worker: reads, relaxed */
	unsigned lcore_id;
	unsigned cpu;
	bool shares_cpu; /* with another worker */
	/* Of messages for the stream thread, and where one is put together; NULL: there is none. */
	struct rte_mempool *stream_pool;
	uint8_t *stream_message; /* STREAM_MESSAGE_BYTES_MAX; the thread's own */

	/* Set before the first WORKER_ORDER_RESTORE; there is one in a process's life. */
	struct cache_lane *lane;

	alignas(WORKER_CACHE_LINE_BYTES) _Atomic uint32_t
		orders; /* control: sets; worker: clears */
	alignas(WORKER_CACHE_LINE_BYTES) _Atomic uint32_t
		state; /* worker: writes; control: reads */
	alignas(WORKER_CACHE_LINE_BYTES) struct mailbox mailbox;
};

/* Control: give an order, with all that was written before it (release). */
void worker_order(struct worker *w, uint32_t order);
/* Control: after a post to its mailbox: has worker worker_idx of these filled the rows? False: *why says what it did not do. */
#define WORKER_WHY_BYTES 64
MUST_USE bool worker_filled(struct worker workers[], unsigned worker_idx,
			    enum mailbox_result posted, char why[WORKER_WHY_BYTES]);
/* Which of them the worker has not taken yet. After one is gone, all that the worker did before it took it is seen
 * (acquire). */
uint32_t worker_orders(const struct worker *w);
/* Control: every worker begins another turn; what they did before is seen (acquire), and what was written before is seen by them.
 * False: one of them did not within WORKER_TURN_WAIT_MS. */
#define WORKER_TURN_WAIT_MS 1000
MUST_USE bool worker_wait_turn(struct worker workers[], unsigned worker_count);
/* Control: what the worker said last. */
uint32_t worker_state(const struct worker *w);

/* Control: sleep in naps when idle, or never; from the next pause on. */
void worker_set_poll(struct worker *w, enum config_poll poll);

/* The loop, for rte_eal_remote_launch; argument is a struct worker. Returns 0 on QUIT. */
int worker_main(void *argument);

#endif
