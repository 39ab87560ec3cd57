#include "dpdk_app/capture_tap.h"

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <stdalign.h>
#include <stdlib.h>
#include <time.h>

#include "dpdk_app/mbuf_span.h"

/* Copies on their way to the file: at a million frames a second 8 ms, longer than the writer naps. Fewer where DPDK's
 * memory is short, but not less than a few bursts. */
#define COPIES_MAX 8191u
#define COPIES_MIN 511u
/* Few, as the copies come back from a thread that has no cache: what a worker keeps to itself others lack. */
#define COPIES_CACHE 32
#define WAIT_STEP_NS 1000000L
#define VLAN_TAG_BYTES 4u

/* Where frames come by; a queue has one worker. */
struct point {
	alignas(WORKER_CACHE_LINE_BYTES) struct capture_tap_points *points;
	const struct rte_eth_rxtx_callback *callback; /* NULL: none is there */
	uint16_t port_id;
	uint16_t queue_idx;
	uint8_t interface_idx;
	enum capture_direction direction;
	_Atomic uint64_t no_buffer; /* workers: add; others: read, relaxed */
	_Atomic uint64_t ring_full;
};

struct capture_tap_points {
	_Atomic bool running; /* stop: writes; workers: read, relaxed */
	struct rte_mempool *pool;
	struct rte_ring *ring;
	uint64_t seen_flag;
	const struct capture_filter *filter;
	uint32_t snaplen_bytes;
	_Atomic unsigned callback_count; /* start and stop: write; others: read */
	unsigned point_count;
	struct point list[];
};

/* ---- on the worker ---- */

static bool matches(const struct capture_tap_points *s, const struct rte_mbuf *m)
{
	return s->filter == NULL ||
	       capture_filter_matches(s->filter, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len,
				      m->data_len);
}

static struct rte_mbuf *drop_copy(struct point *p, struct rte_mbuf *copy)
{
	rte_pktmbuf_free(copy);
	atomic_fetch_add_explicit(&p->no_buffer, 1, memory_order_relaxed);
	return NULL;
}

/* The tag that the device took out of the frame is put back, and only then can the filter judge it. */
static struct rte_mbuf *copy_tagged(struct point *p, const struct rte_mbuf *m)
{
	const struct capture_tap_points *s = p->points;
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, s->pool, 0, s->snaplen_bytes - VLAN_TAG_BYTES);

	if (copy == NULL || rte_vlan_insert(&copy) != 0)
		return drop_copy(p, copy);
	if (matches(s, copy))
		return copy;
	rte_pktmbuf_free(copy);
	return NULL;
}

/* NULL: it is not wanted, or there is no buffer (counted). */
static struct rte_mbuf *copy_frame(struct point *p, const struct rte_mbuf *m)
{
	const struct capture_tap_points *s = p->points;
	struct rte_mbuf *copy;

	if (UNLIKELY((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)) {
		copy = copy_tagged(p, m);
		if (copy != NULL)
			capture_tap_note(copy)->original_bytes = m->pkt_len + VLAN_TAG_BYTES;
		return copy;
	}
	if (!matches(s, m))
		return NULL;
	copy = rte_pktmbuf_copy(m, s->pool, 0, s->snaplen_bytes);
	if (copy == NULL)
		return drop_copy(p, NULL);
	capture_tap_note(copy)->original_bytes = m->pkt_len;
	return copy;
}

static void hand_over(struct point *p, struct rte_mbuf *copies[], unsigned count)
{
	unsigned taken =
		rte_ring_enqueue_burst(p->points->ring, (void *const *)copies, count, NULL);

	if (taken == count)
		return;
	rte_pktmbuf_free_bulk(copies + taken, count - taken);
	atomic_fetch_add_explicit(&p->ring_full, count - taken, memory_order_relaxed);
}

static void capture_burst(struct point *p, struct rte_mbuf *mbufs[], unsigned count)
{
	const struct capture_tap_points *s = p->points;
	struct rte_mbuf *copies[PORT_BURST];
	uint64_t tsc = rte_rdtsc();
	unsigned copy_count = 0;

	if (!atomic_load_explicit(&s->running, memory_order_relaxed))
		return;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *copy;

		if (p->direction == CAPTURE_SENT) {
			if ((mbufs[i]->ol_flags & s->seen_flag) != 0)
				continue;
			mbufs[i]->ol_flags |= s->seen_flag;
		}
		copy = copy_frame(p, mbufs[i]);
		if (copy == NULL)
			continue;
		capture_tap_note(copy)->tsc = tsc;
		capture_tap_note(copy)->queue_idx = p->queue_idx;
		capture_tap_note(copy)->interface_idx = p->interface_idx;
		capture_tap_note(copy)->direction = (uint8_t)p->direction;
		copies[copy_count++] = copy;
		if (copy_count == PORT_BURST) {
			hand_over(p, copies, copy_count);
			copy_count = 0;
		}
	}
	if (copy_count > 0)
		hand_over(p, copies, copy_count);
}

static uint16_t on_received(uint16_t port_id, uint16_t queue_idx, struct rte_mbuf *mbufs[],
			    uint16_t count, uint16_t count_max, void *point)
{
	(void)port_id;
	(void)queue_idx;
	(void)count_max;
	capture_burst(point, mbufs, count);
	return count;
}

static uint16_t on_sending(uint16_t port_id, uint16_t queue_idx, struct rte_mbuf *mbufs[],
			   uint16_t count, void *point)
{
	(void)port_id;
	(void)queue_idx;
	capture_burst(point, mbufs, count);
	return count;
}

/* ---- beside the workers ---- */

static bool register_flag(struct capture_tap *t)
{
	static const struct rte_mbuf_dynflag flag = {.name = "portico_capture_seen"};
	int bit = t->seen_flag != 0 ? 0 : rte_mbuf_dynflag_register(&flag);

	if (bit < 0)
		return false;
	if (t->seen_flag == 0)
		t->seen_flag = UINT64_C(1) << bit;
	return true;
}

/* A worker that is taken off its CPU in the middle of a get or put must not hold up another: hence rings whose ends
 * move apart as far as they may, and "ring_mt_rts" for the pool. */
static bool make_pool(struct capture_tap *t)
{
	unsigned count = COPIES_MAX;

	if (t->pool != NULL)
		return true;
	for (; t->pool == NULL && count >= COPIES_MIN; count /= 2)
		t->pool = rte_pktmbuf_pool_create_by_ops(
			"portico_capture", count, COPIES_CACHE,
			RTE_ALIGN(sizeof(struct capture_tap_note), RTE_MBUF_PRIV_ALIGN),
			RTE_PKTMBUF_HEADROOM + MBUF_DATA_BYTES, SOCKET_ID_ANY, "ring_mt_rts");
	return t->pool != NULL;
}

static bool make_ring(struct capture_tap *t)
{
	if (t->ring != NULL)
		return true;
	t->ring = rte_ring_create("portico_capture", t->pool->size, SOCKET_ID_ANY,
				  RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (t->ring == NULL)
		return false;
	return rte_ring_set_prod_htd_max(t->ring, rte_ring_get_capacity(t->ring)) == 0;
}

static bool make_lasting(struct capture_tap *t, char why[CAPTURE_WHY_BYTES])
{
	if (!register_flag(t)) {
		snprintf(why, CAPTURE_WHY_BYTES, "no mark for sent packets: %s",
			 rte_strerror(rte_errno));
		return false;
	}
	if (make_pool(t) && make_ring(t))
		return true;
	snprintf(why, CAPTURE_WHY_BYTES,
		 "%s: DPDK's memory has no room for copies of packets: raise dpdk.memory_mb by 32",
		 rte_strerror(rte_errno));
	return false;
}

static unsigned count_points(const struct port_table *ports)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ports->port_count; i++)
		count += (unsigned)ports->ports[i].rx_queue_count + ports->ports[i].tx_queue_count;
	return count;
}

static bool attach(struct capture_tap_points *s, const struct point *where)
{
	struct point *p = &s->list[s->point_count++];

	*p = *where;
	p->points = s;
	switch (p->direction) {
	case CAPTURE_RECEIVED:
		p->callback = rte_eth_add_rx_callback(p->port_id, p->queue_idx, on_received, p);
		break;
	case CAPTURE_SENT:
		p->callback = rte_eth_add_tx_callback(p->port_id, p->queue_idx, on_sending, p);
		break;
	}
	s->callback_count += p->callback != NULL;
	return p->callback != NULL;
}

static bool attach_port(struct capture_tap_points *s, const struct port *port, unsigned idx)
{
	struct point where = {.port_id = port->port_id, .interface_idx = (uint8_t)idx};

	for (uint16_t q = 0; q < port->rx_queue_count; q++) {
		where.queue_idx = q;
		where.direction = CAPTURE_RECEIVED;
		if (!attach(s, &where))
			return false;
	}
	for (uint16_t q = 0; q < port->tx_queue_count; q++) {
		where.queue_idx = q;
		where.direction = CAPTURE_SENT;
		if (!attach(s, &where))
			return false;
	}
	return true;
}

static struct capture_tap_points *make_points(const struct capture_tap *t,
					      const struct capture_tap_params *params)
{
	unsigned count = count_points(params->ports);
	struct capture_tap_points *s =
		rte_zmalloc("portico_capture", sizeof(*s) + count * sizeof(s->list[0]),
			    WORKER_CACHE_LINE_BYTES);

	if (s == NULL)
		return NULL;
	s->pool = t->pool;
	s->ring = t->ring;
	s->seen_flag = t->seen_flag;
	s->filter = params->filter;
	s->snaplen_bytes = params->snaplen_bytes;
	return s;
}

bool capture_tap_open(struct capture_tap *t, const struct capture_tap_params *params,
		      char why[CAPTURE_WHY_BYTES])
{
	bool attached = true;

	if (!make_lasting(t, why))
		return false;
	t->points = make_points(t, params);
	if (t->points == NULL) {
		snprintf(why, CAPTURE_WHY_BYTES,
			 "DPDK's memory is at its end: raise dpdk.memory_mb");
		return false;
	}
	for (unsigned i = 0; attached && i < params->ports->port_count; i++)
		attached = attach_port(t->points, &params->ports->ports[i], i);
	if (attached) {
		/* From here on: callbacks see all that was written above. */
		atomic_store_explicit(&t->points->running, true, memory_order_release);
		return true;
	}
	snprintf(why, CAPTURE_WHY_BYTES, "a queue takes no callback: %s", rte_strerror(rte_errno));
	return false;
}

unsigned capture_tap_take(struct capture_tap *t, struct rte_mbuf *copies[], unsigned count)
{
	return rte_ring_dequeue_burst(t->ring, (void **)copies, count, NULL);
}

struct capture_tap_drops capture_tap_drops(const struct capture_tap *t, unsigned interface_idx)
{
	struct capture_tap_drops sum = {0};

	for (unsigned i = 0; t->points != NULL && i < t->points->point_count; i++) {
		const struct point *p = &t->points->list[i];

		if (p->interface_idx != interface_idx)
			continue;
		sum.no_buffer += atomic_load_explicit(&p->no_buffer, memory_order_relaxed);
		sum.ring_full += atomic_load_explicit(&p->ring_full, memory_order_relaxed);
	}
	return sum;
}

unsigned capture_tap_callback_count(const struct capture_tap *t)
{
	return t->points == NULL ? 0 : atomic_load(&t->points->callback_count);
}

static void detach(struct capture_tap_points *s, struct point *p)
{
	int error = -EINVAL;

	if (p->callback == NULL)
		return;
	switch (p->direction) {
	case CAPTURE_RECEIVED:
		error = rte_eth_remove_rx_callback(p->port_id, p->queue_idx, p->callback);
		break;
	case CAPTURE_SENT:
		error = rte_eth_remove_tx_callback(p->port_id, p->queue_idx, p->callback);
		break;
	}
	/* It was added to this very queue. */
	CHECK(error == 0);
	s->callback_count--;
}

void capture_tap_stop(struct capture_tap *t)
{
	struct capture_tap_points *s = t->points;

	if (s == NULL)
		return;
	atomic_store_explicit(&s->running, false, memory_order_relaxed);
	for (unsigned i = 0; s->callback_count > 0 && i < s->point_count; i++)
		detach(s, &s->list[i]);
}

/* Steps and not the clock: a pause of the whole machine is not the worker's. */
static bool has_passed(const struct worker *w, const _Atomic bool *workers_gone,
		       unsigned *steps_left)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_NS};

	while ((worker_orders(w) & WORKER_ORDER_TURN) != 0 &&
	       !atomic_load_explicit(workers_gone, memory_order_acquire)) {
		if (*steps_left == 0)
			return false;
		--*steps_left;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
	}
	return true;
}

enum capture_tap_result capture_tap_wait(const struct capture_tap *t, struct worker *workers,
					 unsigned worker_count, const _Atomic bool *workers_gone)
{
	unsigned steps_left = CAPTURE_TAP_WAIT_S * (unsigned)(NS_PER_S / WAIT_STEP_NS);
	bool passed = true;

	if (t->points == NULL)
		return CAPTURE_TAP_OK;
	CHECK(t->points->callback_count == 0);
	for (unsigned i = 0; i < worker_count; i++)
		worker_order(&workers[i], WORKER_ORDER_TURN);
	for (unsigned i = 0; i < worker_count; i++)
		passed = has_passed(&workers[i], workers_gone, &steps_left) && passed;
	return passed ? CAPTURE_TAP_OK : CAPTURE_TAP_BUSY;
}

void capture_tap_close(struct capture_tap *t)
{
	struct rte_mbuf *copies[PORT_BURST];
	unsigned count;

	if (t->points == NULL)
		return;
	while ((count = capture_tap_take(t, copies, ARRAY_COUNT(copies))) > 0)
		rte_pktmbuf_free_bulk(copies, count);
	for (unsigned i = 0; i < t->points->point_count; i++) {
		/* What rte_eth_add_*_callback() gave is the caller's to free, and const only by its type. */
		rte_free((void *)(uintptr_t)t->points->list[i].callback);
	}
	rte_free(t->points);
	t->points = NULL;
}

void capture_tap_abandon(struct capture_tap *t)
{
	t->points = NULL;
}
