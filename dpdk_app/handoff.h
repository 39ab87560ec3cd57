/* Rings between workers, and between them and the stream thread (streams.h), and the waking of those that nap.
 *
 * Who takes part has a number: workers theirs, the stream thread, where there is one, the next: worker_count.
 * An ordered pair of workers has a ring a kind, single producer, single consumer, of mbuf pointers. What is passed is
 * gathered in the sender and flushed once a turn; nobody waits on a full ring: the rest is given back to be
 * counted and freed. A receiver takes frames to send first (they are done already), then packets (replies end what is
 * under way) and answers to sub-questions, then sub-questions (what has begun is to end), then questions (they begin more). Between a worker and the stream thread go questions, towards the worker, and messages.
 *
 * Waking: the napper stores asleep, then a seq_cst fence, then looks into its rings once more before it sleeps; the sender
 * enqueues, then a seq_cst fence, then reads asleep. Whatever the order, one of the two sees the other's store.
 *
 * Memory: rings and event descriptors from start to end. Threads: a struct handoff is its worker's own, but for asleep.
 */
#ifndef PORTICO_HANDOFF_H
#define PORTICO_HANDOFF_H

#include "dpdk_app/dpdk.h"

#include <poll.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "core/limits.h"
#include "dpdk_app/port.h"

enum handoff_kind {
	HANDOFF_FRAME,        /* to be sent on mbuf->port, whose send queue the receiver holds */
	HANDOFF_PACKET,       /* RX_PASSED_PACKET */
	HANDOFF_SUB_ANSWER,   /* RX_PASSED_SUB_ANSWER */
	HANDOFF_SUB_QUESTION, /* RX_PASSED_SUB_QUESTION */
	HANDOFF_QUESTION,     /* RX_PASSED_QUESTION */
	HANDOFF_STREAM, /* a chain with a stream_slot (stream_mbuf.h), from or for the stream thread */
	HANDOFF_KIND_COUNT,
};

enum handoff_streams { HANDOFF_WITHOUT_STREAMS, HANDOFF_WITH_STREAMS };

#define HANDOFF_PARTICIPANTS_MAX (WORKERS_MAX + 1)

/* Towards one worker, of one kind. */
struct handoff_way {
	struct rte_ring *ring;
	unsigned count;
	struct rte_mbuf *mbufs[PORT_BURST];
};

struct handoff {
	uint8_t worker_idx;
	uint8_t worker_count;
	uint8_t participant_count; /* with the stream thread */
	int wake_fd;
	bool has_waiting
		[HANDOFF_PARTICIPANTS_MAX]; /* flushed to in this turn: to be woken if asleep */
	struct handoff_way *ways;           /* [to * HANDOFF_KIND_COUNT + kind] */
	struct rte_ring *kernel_ring;       /* kernel_pump.h: a nap looks into it; NULL: none */
	struct rte_ring **from; /* [from * HANDOFF_KIND_COUNT + kind]; NULL: no such way */
	struct handoff *all;    /* every participant's, in order */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint32_t
		asleep; /* worker: writes; others: read, clear */
};

/* How many mbufs the rings among workers towards one that has stopped can hold. */
uint32_t handoff_mbufs_max(unsigned worker_count);

/* Rings among worker_count workers, and the stream thread if there is one. NULL: no memory or descriptors (logged). */
MUST_USE struct handoff *handoff_make(unsigned worker_count, enum handoff_streams streams);
/* No participant runs any more. What is in the rings goes back to its pool. */
void handoff_free(struct handoff *all);

/* Gather; goes out with the next flush. Returns how many of this way's mbufs found no place, now or before: they have been
 * freed, and the caller counts them. */
MUST_USE unsigned handoff_put(struct handoff *h, uint8_t to_worker, enum handoff_kind kind,
			      struct rte_mbuf *mbuf);
/* How many more of this kind find a place, whichever worker they are for: the receivers can only make it more. */
unsigned handoff_room(const struct handoff *h, enum handoff_kind kind);
/* Flush what was gathered of this kind, towards all; returns how many found no place (freed). */
MUST_USE unsigned handoff_flush(struct handoff *h, enum handoff_kind kind);
/* After the flushes of a turn: end the naps of those who got something. Returns how many naps. */
unsigned handoff_wake(struct handoff *h);

/* Has everything that we have flushed been taken? */
bool handoff_all_taken(const struct handoff *h);

/* At most PORT_BURST mbufs of this kind from this worker. */
unsigned handoff_take(struct handoff *h, uint8_t from_worker, enum handoff_kind kind,
		      struct rte_mbuf *mbufs[PORT_BURST]);

/* For who sleeps by means of his own: he is about to, until wake_fd is readable. False: something was passed to us already,
 * and we are awake. */
MUST_USE bool handoff_asleep(struct handoff *h);
/* He is awake again. */
void handoff_awake(struct handoff *h);
/* Sleep until something is passed to us, one of waits[1 .. wait_count - 1] has something, or the time is over; not at all if something
 * was passed already. waits[0] is ours to set; wait_count is at least 1. False: did not sleep; only otherwise revents are new. */
bool handoff_nap(struct handoff *h, uint64_t nap_ns, struct pollfd waits[], unsigned wait_count);
/* Any thread: end the nap of this worker, if it is in one. One that is about to begin may be missed. */
void handoff_call(struct handoff *h);

#endif
