#include "dpdk_app/worker.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "dpdk_app/mbuf_span.h"
#include "dpdk_app/nap_plan.h"
#include "dpdk_app/stream_mbuf.h"

/* A device that takes nothing this often in a row is full for longer than waiting would be worth. */
#define TX_TRIES_MAX 8
#define IDLE_SPELL_NS (200 * NS_PER_US)
#define NAP_MIN_NS (50 * NS_PER_US)
#define NAP_MAX_NS (1 * NS_PER_MS)
/* While something is under way its answer may come any moment. */
#define NAP_MAX_UNDER_WAY_NS (250 * NS_PER_US)
/* A nap ends about this much later than asked for. */
#define NAP_OVERSHOOT_NS (60 * NS_PER_US)
/* A worker that receives from no device, or from such as can wake it, is woken whenever it gets something. */
#define NAP_MAX_WOKEN_NS (10 * NS_PER_MS)
/* What wakes a worker, beside the other workers: descriptors of receive queues. With more queues than this it naps. */
#define WAKERS_MAX 32
/* A device that is down has nothing to wake us with: so long we nap without. */
#define WAKER_FAILED_NS NS_PER_S
/* Between two looks at whether a turn has begun. */
#define TURN_POLL_NS (100 * NS_PER_US)

static_assert(PORT_BURST <= BURST_SLOTS_MAX, "an engine takes a burst at once");

struct tx_queue {
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned count;
};

/* What only the loop knows. */
struct loop {
	struct worker *worker;
	struct engine *engine;
	struct counters *counters;
	const struct port_table *ports;
	struct handoff *handoff;
	struct kernel_pump *pump; /* NULL: no interface has a TAP */
	unsigned worker_idx;
	unsigned worker_count;
	unsigned participant_count; /* of the rings */
	bool receives;              /* from any device */
	bool lane_known;
	struct cache_lane *lane; /* NULL: nothing to restore */
	mono_ns now;
	mono_ns last_packet_at;
	uint64_t idle_spell_ns;
	uint64_t nap_ns;
	struct nap_plan plan;
	struct pollfd waits[1 + WAKERS_MAX]; /* handoff_nap */
	unsigned wait_count;                 /* 1: no device can wake us */
	mono_ns wakers_from;                 /* not before */
	bool ready;
	bool stopping;
	bool quit;
	struct tx_queue tx[INTERFACES_MAX];
};

void worker_order(struct worker *w, uint32_t order)
{
	atomic_fetch_or_explicit(&w->orders, order, memory_order_release);
	handoff_call(w->handoff);
}

bool worker_filled(struct worker workers[], unsigned worker_idx, enum mailbox_result posted,
		   char why[WORKER_WHY_BYTES])
{
	struct worker *worker = &workers[worker_idx];

	if (posted == MAILBOX_OK) {
		worker_order(worker, WORKER_ORDER_REPORT);
		if (mailbox_wait(&worker->mailbox) == MAILBOX_OK)
			return true;
	}
	snprintf(why, WORKER_WHY_BYTES, "worker %u did not answer within %u ms", worker_idx,
		 MAILBOX_TIMEOUT_MS);
	return false;
}

uint32_t worker_orders(const struct worker *w)
{
	return atomic_load_explicit(&w->orders, memory_order_acquire);
}

uint32_t worker_state(const struct worker *w)
{
	return atomic_load_explicit(&w->state, memory_order_acquire);
}

bool worker_wait_turn(struct worker workers[], unsigned worker_count)
{
	const struct timespec pause = {.tv_nsec = (long)TURN_POLL_NS};
	unsigned polls_left = WORKER_TURN_WAIT_MS * (unsigned)(NS_PER_MS / TURN_POLL_NS);

	for (unsigned i = 0; i < worker_count; i++)
		worker_order(&workers[i], WORKER_ORDER_TURN);
	for (unsigned i = 0; i < worker_count; i++) {
		for (; (worker_orders(&workers[i]) & WORKER_ORDER_TURN) != 0; polls_left--) {
			if (polls_left == 0)
				return false;
			clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		}
	}
	return true;
}

void worker_set_poll(struct worker *w, enum config_poll poll)
{
	atomic_store_explicit(&w->poll, (uint8_t)poll, memory_order_relaxed);
}

static void set_state(struct worker *w, uint32_t bit, bool on)
{
	uint32_t state = atomic_load_explicit(&w->state, memory_order_relaxed);
	uint32_t wanted = on ? state | bit : state & ~bit;

	if (state != wanted)
		atomic_store_explicit(&w->state, wanted, memory_order_release);
}

/* ---- sending ---- */

/* We have no send queue there: the frames leave through the worker that holds one. */
static void relay(struct loop *l, struct tx_queue *q, const struct port *port)
{
	uint8_t holder = (uint8_t)(l->worker_idx % port->tx_queue_count);
	unsigned lost = 0;

	for (unsigned i = 0; i < q->count; i++) {
		q->mbufs[i]->port = port->port_id;
		lost += handoff_put(l->handoff, holder, HANDOFF_FRAME, q->mbufs[i]);
	}
	counter_add(l->counters, COUNTER_FRAMES_RELAYED, q->count);
	counter_add(l->counters, COUNTER_TX_DROPPED, lost);
}

static void flush(struct loop *l, unsigned interface_idx)
{
	struct tx_queue *q = &l->tx[interface_idx];
	const struct port *port = &l->ports->ports[interface_idx];
	unsigned sent = 0;

	if (l->worker_idx >= port->tx_queue_count) {
		relay(l, q, port);
		q->count = 0;
		return;
	}
	for (unsigned i = 0; sent < q->count && i < TX_TRIES_MAX; i++)
		sent += rte_eth_tx_burst(port->port_id, (uint16_t)l->worker_idx, q->mbufs + sent,
					 (uint16_t)(q->count - sent));
	counter_add(l->counters, COUNTER_TX_PACKETS, sent);
	if (UNLIKELY(sent < q->count)) {
		counter_add(l->counters, COUNTER_TX_DROPPED, q->count - sent);
		rte_pktmbuf_free_bulk(q->mbufs + sent, q->count - sent);
	}
	q->count = 0;
}

static void flush_all(struct loop *l)
{
	for (unsigned i = 0; i < l->ports->port_count; i++) {
		if (l->tx[i].count > 0)
			flush(l, i);
	}
}

/* Takes the mbuf, which holds a frame: it is sent with its interface's next flush. */
static void queue_mbuf(struct loop *l, struct rte_mbuf *mbuf, uint8_t interface_idx)
{
	struct tx_queue *q = &l->tx[interface_idx];

	DCHECK(interface_idx < l->ports->port_count);
	if (q->count == PORT_BURST)
		flush(l, interface_idx);
	q->mbufs[q->count++] = mbuf;
}

static void queue_frame(struct loop *l, struct rte_mbuf *mbuf, const uint8_t *data,
			uint32_t length_bytes, uint8_t interface_idx)
{
	mbuf_set_frame(mbuf, data, length_bytes);
	queue_mbuf(l, mbuf, interface_idx);
}

/* ---- between workers ---- */

static const enum rx_kind rx_kind_of[HANDOFF_KIND_COUNT] = {
	[HANDOFF_PACKET] = RX_PASSED_PACKET,
	[HANDOFF_SUB_ANSWER] = RX_PASSED_SUB_ANSWER,
	[HANDOFF_SUB_QUESTION] = RX_PASSED_SUB_QUESTION,
	[HANDOFF_QUESTION] = RX_PASSED_QUESTION,
};

static void not_passed(struct loop *l, enum handoff_kind kind, unsigned count)
{
	if (count == 0)
		return;
	if (kind == HANDOFF_FRAME)
		counter_add(l->counters, COUNTER_TX_DROPPED, count);
	else if (kind == HANDOFF_STREAM)
		counter_add(l->counters, COUNTER_STREAM_LOST, count);
	else
		engine_not_passed(l->engine, rx_kind_of[kind], count);
}

/* Takes the mbuf: it goes to another worker with the turn's flush. */
static void pass(struct loop *l, struct rte_mbuf *mbuf, const struct rx_slot *slot)
{
	enum handoff_kind kind = HANDOFF_PACKET;

	/* What the engine has written there itself. */
	if (slot->kind != RX_PASSED_PACKET) {
		mbuf_set_frame(mbuf, slot->data, slot->length_bytes);
		kind = slot->kind == RX_PASSED_QUESTION ? HANDOFF_QUESTION : HANDOFF_SUB_ANSWER;
	}
	not_passed(l, kind, handoff_put(l->handoff, slot->to_worker, kind, mbuf));
}

/* Takes the mbuf, which has what the engine has for another worker: likewise. */
static void pass_sub(struct loop *l, struct rte_mbuf *mbuf, const struct tx_slot *slot)
{
	enum handoff_kind kind =
		slot->kind == RX_PASSED_SUB_QUESTION ? HANDOFF_SUB_QUESTION : HANDOFF_SUB_ANSWER;

	mbuf_set_frame(mbuf, slot->data, slot->length_bytes);
	mbuf->port = l->ports->ports[0].port_id; /* of no meaning, but looked up */
	not_passed(l, kind, handoff_put(l->handoff, slot->to_worker, kind, mbuf));
}

static void flush_passed(struct loop *l)
{
	if (l->participant_count == 1)
		return;
	for (unsigned kind = 0; kind < HANDOFF_KIND_COUNT; kind++)
		not_passed(l, (enum handoff_kind)kind,
			   handoff_flush(l->handoff, (enum handoff_kind)kind));
	counter_add(l->counters, COUNTER_WAKES, handoff_wake(l->handoff));
}

/* ---- to and from the kernel's TAPs ---- */

/* Takes the mbuf. */
static void give_to_kernel(struct loop *l, struct rte_mbuf *mbuf)
{
	CHECK(l->pump != NULL); /* the engine says RX_KERNEL where there is a TAP */
	if (!kernel_pump_give(l->pump, l->worker_idx, mbuf))
		engine_not_kept(l->engine, 1);
}

/* A burst of the kernel's frames, after ours. Returns how many. */
static unsigned send_kernels(struct loop *l)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned count = kernel_pump_take(l->pump, mbufs);

	for (unsigned i = 0; i < count; i++) {
		const struct span frame = {rte_pktmbuf_mtod(mbufs[i], uint8_t *),
					   mbufs[i]->data_len};
		uint8_t interface_idx = l->ports->interface_of_port[mbufs[i]->port];

		if (engine_kernel_sends(l->engine, interface_idx, frame))
			queue_mbuf(l, mbufs[i], interface_idx);
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	if (count > 0)
		flush_all(l);
	return count;
}

/* ---- receiving ---- */

static void obey_verdicts(struct loop *l, struct rte_mbuf *mbufs[], const struct rx_slot slots[],
			  unsigned count)
{
	struct rte_mbuf *unwanted[PORT_BURST];
	unsigned unwanted_count = 0;

	for (unsigned i = 0; i < count; i++) {
		switch ((enum rx_verdict)slots[i].verdict) {
		case RX_SEND:
			queue_frame(l, mbufs[i], slots[i].data, slots[i].length_bytes,
				    slots[i].interface_idx);
			break;
		case RX_WORKER:
			pass(l, mbufs[i], &slots[i]);
			break;
		case RX_KERNEL:
			give_to_kernel(l, mbufs[i]);
			break;
		case RX_FREE:
			unwanted[unwanted_count++] = mbufs[i];
			break;
		}
	}
	if (unwanted_count > 0)
		rte_pktmbuf_free_bulk(unwanted, unwanted_count);
}

/* A burst through the engine, and its answers out. */
static void process(struct loop *l, struct rte_mbuf *mbufs[], unsigned count, enum rx_kind kind)
{
	struct rx_slot slots[PORT_BURST];

	/* What another worker wrote last is in its cache. */
	for (unsigned i = 0; kind != RX_PACKET && i < count; i++)
		__builtin_prefetch(mbufs[i], 1);
	for (unsigned i = 0; i < count; i++) {
		mbuf_to_rx_slot(mbufs[i], l->ports->interface_of_port[mbufs[i]->port], kind,
				&slots[i]);
		/* A passed one is fetched by the engine, not all of the burst at once. */
		if (kind == RX_PACKET)
			rte_prefetch0(slots[i].data);
	}
	engine_rx(l->engine, slots, count, l->now);
	obey_verdicts(l, mbufs, slots, count);
	flush_all(l);
	engine_burst_sent(l->engine, tsc_clock_ns(&l->worker->clock, rte_rdtsc()));
}

/* Some drivers leave port as it is; and what is not ours alone to write to cannot become a question for another worker: it is
 * copied where there are others (as it is where there is no mbuf left). */
static struct rte_mbuf *take_over(const struct loop *l, struct rte_mbuf *mbuf,
				  const struct port *port)
{
	struct rte_mbuf *copy = NULL;

	mbuf->port = port->port_id;
	if (UNLIKELY(l->worker_count > 1 && mbuf->nb_segs == 1 && !mbuf_is_ours(mbuf)))
		copy = rte_pktmbuf_copy(mbuf, l->ports->pool, 0, UINT32_MAX);
	if (LIKELY(copy == NULL))
		return mbuf;
	copy->port = port->port_id;
	rte_pktmbuf_free(mbuf);
	return copy;
}

/* A burst from each queue of ours. Returns the packets received. */
static unsigned receive(struct loop *l, unsigned interface_idx)
{
	const struct port *port = &l->ports->ports[interface_idx];
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned received = 0;

	for (unsigned q = l->worker_idx; q < port->rx_queue_count; q += l->worker_count) {
		unsigned count = rte_eth_rx_burst(port->port_id, (uint16_t)q, mbufs, PORT_BURST);

		if (count == 0)
			continue;
		for (unsigned i = 0; i < count; i++)
			mbufs[i] = take_over(l, mbufs[i], port);
		process(l, mbufs, count, RX_PACKET);
		received += count;
	}
	return received;
}

/* What servers have answered over TCP. */
static void receive_messages(struct loop *l, struct rte_mbuf *mbufs[], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct stream_slot slot;

		stream_mbuf_read(mbufs[i], l->worker->stream_message, &slot);
		engine_stream_in(l->engine, &slot, l->now);
	}
	rte_pktmbuf_free_bulk(mbufs, count);
}

/* A burst from each ring towards us. Returns the packets taken. */
static unsigned receive_passed(struct loop *l, enum handoff_kind kind)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned taken = 0;

	for (unsigned from = 0; from < l->participant_count; from++) {
		unsigned count = handoff_take(l->handoff, (uint8_t)from, kind, mbufs);

		if (count == 0)
			continue;
		taken += count;
		if (kind == HANDOFF_STREAM) {
			receive_messages(l, mbufs, count);
			continue;
		}
		if (kind != HANDOFF_FRAME) {
			process(l, mbufs, count, rx_kind_of[kind]);
			continue;
		}
		for (unsigned i = 0; i < count; i++)
			queue_mbuf(l, mbufs[i], l->ports->interface_of_port[mbufs[i]->port]);
		flush_all(l);
	}
	return taken;
}

/* ---- what the engine wants to send ---- */

/* As many of `wanted` buffers as the pool has; halved until it has them. */
static unsigned take_mbufs(const struct loop *l, struct rte_mbuf *mbufs[], unsigned wanted)
{
	while (wanted > 0 && rte_pktmbuf_alloc_bulk(l->ports->pool, mbufs, wanted) != 0)
		wanted /= 2;
	return wanted;
}

/* One burst of engine_tx; timers run in any case. Returns the frames sent. */
static unsigned transmit(struct loop *l)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	struct tx_slot slots[PORT_BURST];
	unsigned lent, filled;
	unsigned wanted = engine_tx_wanted(l->engine, PORT_BURST, l->now);

	if (wanted == 0)
		return 0;
	lent = take_mbufs(l, mbufs, wanted);
	for (unsigned i = 0; i < lent; i++)
		mbuf_to_tx_slot(mbufs[i], &slots[i]);
	filled = engine_tx(l->engine, slots, lent, l->now);
	CHECK(filled <= lent);
	for (unsigned i = 0; i < filled; i++) {
		if (UNLIKELY(slots[i].to_worker != TX_DEVICE))
			pass_sub(l, mbufs[i], &slots[i]);
		else
			queue_frame(l, mbufs[i], slots[i].data, slots[i].length_bytes,
				    slots[i].interface_idx);
	}
	if (filled < lent)
		rte_pktmbuf_free_bulk(mbufs + filled, lent - filled);
	flush_all(l);
	return filled;
}

/* At most a burst of messages to the stream thread. Returns how many. */
static unsigned pass_messages(struct loop *l)
{
	unsigned passed = 0;

	while (passed < PORT_BURST && engine_stream_wants_out(l->engine)) {
		struct stream_slot slot = {
			.data = l->worker->stream_message,
			.capacity_bytes = STREAM_MESSAGE_BYTES_MAX,
		};
		struct rte_mbuf *mbuf;

		if (!engine_stream_out(l->engine, &slot, l->now))
			break;
		passed++;
		mbuf = stream_mbuf_make(l->worker->stream_pool, &slot);
		if (mbuf == NULL)
			not_passed(l, HANDOFF_STREAM, 1);
		else
			not_passed(l, HANDOFF_STREAM,
				   handoff_put(l->handoff, (uint8_t)l->worker_count, HANDOFF_STREAM,
					       mbuf));
	}
	return passed;
}

/* ---- control ---- */

static void leave_lane(struct loop *l)
{
	if (l->lane != NULL)
		cache_lane_leave(l->lane);
	l->lane = NULL;
}

/* Once: a later order only calls us, and the lane may be gone by then. */
static void find_lane(struct loop *l)
{
	if (l->lane_known)
		return;
	l->lane_known = true;
	l->lane = l->worker->lane;
	if (l->stopping)
		leave_lane(l);
}

/* Returns whether something was restored. */
static unsigned restore(struct loop *l)
{
	switch (cache_lane_take(l->lane, l->engine, l->now)) {
	case CACHE_LANE_WAITS:
		return 0;
	case CACHE_LANE_ENDED:
		l->lane = NULL;
		break;
	case CACHE_LANE_MOVES:
		break;
	}
	return 1;
}

static void obey_orders(struct loop *l, uint32_t orders)
{
	/* Cleared before it is obeyed: an order that comes meanwhile is seen in the next turn. Release: who sees
	 * it cleared knows that this worker is done with all it did before. */
	atomic_fetch_and_explicit(&l->worker->orders, ~orders, memory_order_acq_rel);
	if ((orders & WORKER_ORDER_REPORT) != 0)
		mailbox_answer(&l->worker->mailbox, l->engine, l->now);
	if ((orders & WORKER_ORDER_STOP_TAKING) != 0) {
		engine_stop_taking(l->engine);
		l->stopping = true;
		leave_lane(l);
	}
	if ((orders & WORKER_ORDER_RESTORE) != 0)
		find_lane(l);
	if ((orders & WORKER_ORDER_QUIT) != 0)
		l->quit = true;
}

static void tell_state(struct loop *l, unsigned packets)
{
	if (UNLIKELY(!l->ready)) {
		l->ready = engine_ready(l->engine, l->now);
		if (l->ready)
			set_state(l->worker, WORKER_STATE_READY, true);
	}
	/* Not before a turn has gone by in which nothing moved: the last answers are out. Another worker may still pass us
	 * something: then we are not idle any more. */
	if (UNLIKELY(l->stopping))
		set_state(l->worker, WORKER_STATE_IDLE,
			  packets == 0 && engine_idle(l->engine) && handoff_all_taken(l->handoff));
}

/* ---- naps ---- */

/* All of its queues, or none: else what comes to the others would wait for the nap's end. */
static void find_wakers(struct loop *l)
{
	l->wait_count = 1;
	for (unsigned i = 0; i < l->ports->port_count; i++) {
		const struct port *port = &l->ports->ports[i];

		for (unsigned q = l->worker_idx; q < port->rx_queue_count; q += l->worker_count) {
			l->receives = true;
			if (q >= port->rx_fd_count || l->wait_count > WAKERS_MAX) {
				l->wakers_from = MONO_NEVER;
				continue;
			}
			l->waits[l->wait_count++] =
				(struct pollfd){.fd = port->rx_fds[q], .events = POLLIN};
		}
	}
}

static bool can_be_woken(const struct loop *l)
{
	return !l->receives || l->now >= l->wakers_from;
}

/* After a sleep: a descriptor that wakes us for nothing else than that its device is down must not keep us awake. */
static void check_wakers(struct loop *l)
{
	for (unsigned i = 1; i < l->wait_count; i++)
		if (UNLIKELY((l->waits[i].revents & ~POLLIN) != 0))
			l->wakers_from = l->now + WAKER_FAILED_NS;
}

static uint64_t longest_nap_ns(const struct loop *l)
{
	if (can_be_woken(l))
		return NAP_MAX_WOKEN_NS;
	return engine_idle(l->engine) ? NAP_MAX_NS : NAP_MAX_UNDER_WAY_NS;
}

/* At most nap_ns, and not past the engine's next deadline. False: did not sleep. */
static bool nap(struct loop *l, uint64_t nap_ns, unsigned wait_count)
{
	mono_ns deadline = engine_next_deadline(l->engine);

	if (deadline < l->now + NAP_MIN_NS + NAP_OVERSHOOT_NS)
		return false;
	if (deadline - l->now - NAP_OVERSHOOT_NS < nap_ns)
		nap_ns = deadline - l->now - NAP_OVERSHOOT_NS;
	if (!handoff_nap(l->handoff, nap_ns, l->waits, wait_count))
		return false;
	counter_add(l->counters, COUNTER_NAPS, 1);
	return true;
}

/* Until something comes; where no device can wake us, longer each time. */
static bool sleep_until_woken(struct loop *l)
{
	uint64_t longest_ns = longest_nap_ns(l);
	uint64_t nap_ns = l->nap_ns < longest_ns ? l->nap_ns : longest_ns;

	if (can_be_woken(l)) {
		if (!nap(l, longest_ns, l->receives ? l->wait_count : 1))
			return false;
		check_wakers(l);
		return true;
	}
	if (l->now - l->last_packet_at < l->idle_spell_ns || !nap(l, nap_ns, 1))
		return false;
	l->nap_ns = l->nap_ns * 2 < longest_ns ? l->nap_ns * 2 : longest_ns;
	return true;
}

static bool rest_adaptively(struct loop *l)
{
	switch (nap_plan_choose(&l->plan, l->now)) {
	case NAP_SPIN:
		if (l->now - l->last_packet_at < l->idle_spell_ns)
			return false;
		return sleep_until_woken(l);
	case NAP_GATHER:
		if (!nap(l, NAP_PLAN_GATHER_NS, 1))
			return false;
		nap_plan_gathered(&l->plan);
		return true;
	case NAP_SLEEP:
		return sleep_until_woken(l);
	}
	return false;
}

/* After a turn in which nothing moved. */
static void rest(struct loop *l, uint64_t tsc_start)
{
	uint64_t tsc_end = rte_rdtsc();

	if (atomic_load_explicit(&l->worker->poll, memory_order_relaxed) != CONFIG_POLL_ADAPTIVE ||
	    !rest_adaptively(l)) {
		rte_pause();
		tsc_end = rte_rdtsc();
	}
	counter_add(l->counters, COUNTER_IDLE_CYCLES, tsc_end - tsc_start);
}

static void turn(struct loop *l)
{
	uint64_t tsc_start = rte_rdtsc();
	mono_ns now = tsc_clock_ns(&l->worker->clock, tsc_start);
	/* acquire: what control wrote before the order is seen after it. */
	uint32_t orders = atomic_load_explicit(&l->worker->orders, memory_order_acquire);
	unsigned packets = 0, received;
	uint64_t tsc_end;

	/* A counter that a hypervisor sets back must not make time go back. */
	if (LIKELY(now > l->now))
		l->now = now;
	if (UNLIKELY(orders != 0))
		obey_orders(l, orders);
	/* Before anything is taken from a ring: its sender may call itself idle when it is empty. */
	if (UNLIKELY(l->stopping))
		set_state(l->worker, WORKER_STATE_IDLE, false);
	for (unsigned kind = 0; l->participant_count > 1 && kind < HANDOFF_KIND_COUNT; kind++)
		packets += receive_passed(l, (enum handoff_kind)kind);
	for (unsigned i = 0; i < l->ports->port_count; i++)
		packets += receive(l, i);
	received = packets;
	/* As much as may have come in, so that the answers of many waiters do not pile up. */
	for (unsigned i = 0; i < l->ports->port_count; i++) {
		unsigned sent = transmit(l);

		packets += sent;
		if (sent < PORT_BURST)
			break;
	}
	if (l->worker->stream_pool != NULL)
		packets += pass_messages(l);
	if (l->pump != NULL) {
		if (l->worker_idx == KERNEL_PUMP_WORKER)
			packets += send_kernels(l);
		kernel_pump_wake(l->pump, l->worker_idx);
	}
	flush_passed(l);
	if (UNLIKELY(l->lane != NULL))
		packets += restore(l);
	tell_state(l, packets);
	if (packets == 0) {
		rest(l, tsc_start);
		return;
	}
	l->last_packet_at = l->now;
	l->nap_ns = NAP_MIN_NS;
	tsc_end = rte_rdtsc();
	nap_plan_moved(&l->plan, l->now, tsc_clock_ns(&l->worker->clock, tsc_end), received);
	counter_add(l->counters, COUNTER_BUSY_CYCLES, tsc_end - tsc_start);
}

int worker_main(void *argument)
{
	struct worker *w = argument;
	struct loop l = {
		.worker = w,
		.engine = w->engine,
		.counters = engine_counters_mut(w->engine),
		.ports = w->ports,
		.handoff = w->handoff,
		.pump = w->pump,
		.worker_idx = w->handoff->worker_idx,
		.worker_count = w->handoff->worker_count,
		.participant_count = w->handoff->participant_count,
		.now = tsc_clock_ns(&w->clock, rte_rdtsc()),
		/* Whoever has its CPU to share leaves it to the others at once. */
		.idle_spell_ns = w->shares_cpu ? 0 : IDLE_SPELL_NS,
		.nap_ns = NAP_MIN_NS,
	};

	find_wakers(&l);
	nap_plan_init(&l.plan, l.now);
	l.last_packet_at = l.now;
	/* The kernel's default rounds a nap up by as much as the shortest nap. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	while (!l.quit)
		turn(&l);
	return 0;
}
