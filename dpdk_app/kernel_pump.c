#include "dpdk_app/kernel_pump.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <rte_ring.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/frame.h"
#include "core/wire_cursor.h"
#include "dpdk_app/log.h"

/* A window of TCP, and more than a burst of every worker's; what is more is the kernel's to drop or ours. */
#define LANE_FRAMES 512
#define LANE_RING 1024 /* a power of two that holds LANE_FRAMES */
/* From a TAP, before the others have their turn. */
#define READS_MAX 32
/* Without an empty mbuf the TAPs are not looked at: the worker does not say when it has lent some. */
#define EMPTY_WAIT_MS 1
#define MACS_BYTES 12
#define TAG_BYTES 4
#define TAG_ETHERTYPE 0x8100
#define NAME_BYTES 32

static_assert(LANE_FRAMES < LANE_RING, "both rings hold all that is on the way");

/* Towards the kernel, of one worker. */
struct lane {
	struct rte_ring *to;
	struct rte_ring *back;
	alignas(RTE_CACHE_LINE_SIZE) unsigned away; /* worker's: given, and not back yet */
	bool gave;                                  /* worker's: since it woke the pump last */
};

struct kernel_pump {
	const struct kernel_tap_table *taps;
	const struct port_table *ports;
	struct handoff *handoff; /* KERNEL_PUMP_WORKER's is the first */
	uint16_t vlans[INTERFACES_MAX];
	bool gone[INTERFACES_MAX]; /* pump's: somebody has deleted the TAP */
	unsigned worker_count;
	struct lane *lanes;
	struct rte_ring *from;  /* frames of the kernel's; KERNEL_PUMP_WORKER takes */
	struct rte_ring *empty; /* lent by it */
	struct rte_mbuf *spare; /* pump's: empty, in hand */
	int wake_fd;
	pthread_t thread;
	bool started;
	_Atomic bool quit;
	alignas(RTE_CACHE_LINE_SIZE) unsigned lent;           /* KERNEL_PUMP_WORKER's */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint32_t asleep; /* as in handoff.h */
};

uint32_t kernel_pump_mbufs_max(unsigned worker_count)
{
	return (worker_count + 1) * LANE_FRAMES;
}

/* ---- making and freeing ---- */

static struct rte_ring *make_ring(const char *what, unsigned idx)
{
	char name[NAME_BYTES];
	struct rte_ring *ring =
		aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)rte_ring_get_memsize(LANE_RING));

	snprintf(name, sizeof(name), "kernel_%s_%u", what, idx);
	if (ring != NULL &&
	    rte_ring_init(ring, name, LANE_RING, RING_F_SP_ENQ | RING_F_SC_DEQ) == 0)
		return ring;
	free(ring);
	return NULL;
}

static void free_ring(struct rte_ring *ring)
{
	struct rte_mbuf *mbuf;

	while (ring != NULL && rte_ring_dequeue(ring, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	free(ring);
}

static void *take_lines(size_t bytes)
{
	size_t whole = RTE_CACHE_LINE_ROUNDUP(bytes);
	void *memory = aligned_alloc(RTE_CACHE_LINE_SIZE, whole);

	if (memory != NULL)
		memset(memory, 0, whole);
	return memory;
}

static bool make_parts(struct kernel_pump *p)
{
	bool whole;

	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->from = make_ring("from", 0);
	p->empty = make_ring("empty", 0);
	p->lanes = take_lines(p->worker_count * sizeof(p->lanes[0]));
	whole = p->wake_fd >= 0 && p->from != NULL && p->empty != NULL && p->lanes != NULL;
	for (unsigned i = 0; whole && i < p->worker_count; i++) {
		p->lanes[i].to = make_ring("to", i);
		p->lanes[i].back = make_ring("back", i);
		whole = p->lanes[i].to != NULL && p->lanes[i].back != NULL;
	}
	return whole;
}

static bool any_tap(const struct kernel_tap_table *taps)
{
	for (unsigned i = 0; i < taps->interface_count; i++)
		if (kernel_tap_has(taps, i))
			return true;
	return false;
}

struct kernel_pump *kernel_pump_make(const struct config *config,
				     const struct kernel_tap_table *taps,
				     const struct port_table *ports, struct handoff *handoff,
				     unsigned worker_count, bool *failed)
{
	struct kernel_pump *p;

	*failed = false;
	if (!any_tap(taps))
		return NULL;
	p = take_lines(sizeof(*p));
	if (p != NULL) {
		p->taps = taps;
		p->ports = ports;
		p->handoff = handoff;
		p->worker_count = worker_count;
		p->wake_fd = -1;
		for (unsigned i = 0; i < config->interface_count; i++)
			p->vlans[i] = config->interfaces[i].vlan;
		if (make_parts(p)) {
			handoff[KERNEL_PUMP_WORKER].kernel_ring = p->from;
			return p;
		}
	}
	log_write(CONFIG_LOG_ERROR, "memory", "no memory for=\"rings to the kernel\" error=\"%m\"");
	kernel_pump_free(p);
	*failed = true;
	return NULL;
}

void kernel_pump_free(struct kernel_pump *p)
{
	if (p == NULL)
		return;
	kernel_pump_stop(p);
	p->handoff[KERNEL_PUMP_WORKER].kernel_ring = NULL;
	for (unsigned i = 0; p->lanes != NULL && i < p->worker_count; i++) {
		free_ring(p->lanes[i].to);
		free_ring(p->lanes[i].back);
	}
	free(p->lanes);
	free_ring(p->from);
	free_ring(p->empty);
	rte_pktmbuf_free(p->spare);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	free(p);
}

/* ---- workers ---- */

/* What the pump is done with. */
static void reclaim(struct lane *lane)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned count;

	do {
		count = rte_ring_sc_dequeue_burst(lane->back, (void **)mbufs, PORT_BURST, NULL);
		rte_pktmbuf_free_bulk(mbufs, count);
		lane->away -= count;
	} while (count == PORT_BURST);
}

bool kernel_pump_give(struct kernel_pump *p, unsigned worker_idx, struct rte_mbuf *mbuf)
{
	struct lane *lane = &p->lanes[worker_idx];

	if (lane->away > 0)
		reclaim(lane);
	if (UNLIKELY(lane->away == LANE_FRAMES)) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	CHECK(rte_ring_sp_enqueue(lane->to, mbuf) == 0);
	lane->away++;
	lane->gave = true;
	return true;
}

void kernel_pump_wake(struct kernel_pump *p, unsigned worker_idx)
{
	struct lane *lane = &p->lanes[worker_idx];
	const uint64_t one = 1;

	if (!lane->gave)
		return;
	lane->gave = false;
	/* Forbids that asleep is read before the ring's tail is seen by others (store, then load). */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&p->asleep, memory_order_relaxed) != 0 &&
	    atomic_exchange_explicit(&p->asleep, 0, memory_order_relaxed) != 0)
		(void)!write(p->wake_fd, &one, sizeof(one));
}

/* As many as are not there; as many as the pool has. */
static void lend(struct kernel_pump *p)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned wanted = LANE_FRAMES - p->lent;

	if (wanted > PORT_BURST)
		wanted = PORT_BURST;
	if (wanted == 0 || rte_pktmbuf_alloc_bulk(p->ports->pool, mbufs, wanted) != 0)
		return;
	CHECK(rte_ring_sp_enqueue_bulk(p->empty, (void **)mbufs, wanted, NULL) == wanted);
	p->lent += wanted;
}

unsigned kernel_pump_take(struct kernel_pump *p, struct rte_mbuf *mbufs[PORT_BURST])
{
	unsigned count = rte_ring_sc_dequeue_burst(p->from, (void **)mbufs, PORT_BURST, NULL);

	p->lent -= count;
	if (p->lent < LANE_FRAMES)
		lend(p);
	return count;
}

/* ---- to the kernel ---- */

/* Without the tag that the interface has and its TAP has not, if it is still there. */
static void write_frame(const struct kernel_pump *p, const struct rte_mbuf *mbuf)
{
	unsigned idx = p->ports->interface_of_port[mbuf->port];
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct iovec parts[2] = {{.iov_base = frame, .iov_len = mbuf->data_len}};
	int count = 1;

	if (p->vlans[idx] != FRAME_VLAN_NONE && mbuf->data_len > MACS_BYTES + TAG_BYTES &&
	    (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0 &&
	    wire_get_u16(frame + MACS_BYTES) == TAG_ETHERTYPE) {
		parts[0].iov_len = MACS_BYTES;
		parts[1].iov_base = frame + MACS_BYTES + TAG_BYTES;
		parts[1].iov_len = (size_t)mbuf->data_len - MACS_BYTES - TAG_BYTES;
		count = 2;
	}
	/* What the kernel does not take it counts itself: ip -s link. */
	(void)!writev(p->taps->taps[idx].fd, parts, count);
}

static unsigned write_out(const struct kernel_pump *p)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	unsigned written = 0;

	for (unsigned i = 0; i < p->worker_count; i++) {
		const struct lane *lane = &p->lanes[i];
		unsigned count =
			rte_ring_sc_dequeue_burst(lane->to, (void **)mbufs, PORT_BURST, NULL);

		if (count == 0)
			continue;
		for (unsigned m = 0; m < count; m++)
			write_frame(p, mbufs[m]);
		CHECK(rte_ring_sp_enqueue_bulk(lane->back, (void **)mbufs, count, NULL) == count);
		written += count;
	}
	return written;
}

/* ---- from the kernel ---- */

static bool have_empty(struct kernel_pump *p)
{
	return p->spare != NULL || rte_ring_sc_dequeue(p->empty, (void **)&p->spare) == 0;
}

static void put_tag(struct rte_mbuf *mbuf, uint16_t vlan)
{
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(mbuf, TAG_BYTES);

	CHECK(frame != NULL); /* an empty one has its whole headroom */
	memmove(frame, frame + TAG_BYTES, MACS_BYTES);
	wire_put_u16(frame + MACS_BYTES, TAG_ETHERTYPE);
	wire_put_u16(frame + MACS_BYTES + 2, vlan);
}

/* False: there is none, or nothing to put it into. */
static bool read_frame(struct kernel_pump *p, unsigned idx)
{
	struct rte_mbuf *mbuf;
	ssize_t got;

	if (!have_empty(p))
		return false;
	mbuf = p->spare;
	got = read(p->taps->taps[idx].fd, rte_pktmbuf_mtod(mbuf, uint8_t *),
		   rte_pktmbuf_tailroom(mbuf));
	if (got <= MACS_BYTES)
		return false;
	p->spare = NULL;
	mbuf->data_len = (uint16_t)got;
	mbuf->pkt_len = (uint32_t)got;
	mbuf->port = p->ports->ports[idx].port_id;
	if (p->vlans[idx] != FRAME_VLAN_NONE)
		put_tag(mbuf, p->vlans[idx]);
	CHECK(rte_ring_sp_enqueue(p->from, mbuf) == 0);
	return true;
}

static bool reads_from(const struct kernel_pump *p, unsigned idx)
{
	return kernel_tap_has(p->taps, idx) && !p->gone[idx];
}

static unsigned read_in(struct kernel_pump *p)
{
	unsigned total = 0;

	for (unsigned i = 0; i < p->taps->interface_count; i++) {
		unsigned count = 0;

		if (!reads_from(p, i))
			continue;
		while (count < READS_MAX && read_frame(p, i))
			count++;
		total += count;
	}
	if (total > 0) {
		/* Forbids that asleep is read before the ring's tail is seen by others (store, then load). */
		atomic_thread_fence(memory_order_seq_cst);
		handoff_call(&p->handoff[KERNEL_PUMP_WORKER]);
	}
	return total;
}

/* ---- the thread ---- */

static bool has_something(const struct kernel_pump *p)
{
	for (unsigned i = 0; i < p->worker_count; i++)
		if (rte_ring_empty(p->lanes[i].to) == 0)
			return true;
	return atomic_load_explicit(&p->quit, memory_order_relaxed);
}

/* It would say so for ever, and wake us each time. */
static void tell_gone(struct kernel_pump *p, unsigned idx)
{
	p->gone[idx] = true;
	log_write(CONFIG_LOG_ERROR, "tap",
		  "the TAP was deleted: the kernel gets nothing of the interface any more until "
		  "Portico is restarted tap=%s",
		  p->taps->taps[idx].name);
}

static void nap(struct kernel_pump *p)
{
	struct pollfd waits[1 + INTERFACES_MAX] = {{.fd = p->wake_fd, .events = POLLIN}};
	const bool reads = have_empty(p);
	unsigned interfaces[1 + INTERFACES_MAX];
	unsigned count = 1;
	uint64_t woken;

	for (unsigned i = 0; reads && i < p->taps->interface_count; i++) {
		if (!reads_from(p, i))
			continue;
		interfaces[count] = i;
		waits[count++] = (struct pollfd){.fd = p->taps->taps[i].fd, .events = POLLIN};
	}
	atomic_store_explicit(&p->asleep, 1, memory_order_relaxed);
	/* Forbids that the rings are read before asleep is seen by others (store, then load). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_something(p) && poll(waits, count, reads ? -1 : EMPTY_WAIT_MS) > 0 &&
	    waits[0].revents != 0)
		(void)!read(p->wake_fd, &woken, sizeof(woken));
	atomic_store_explicit(&p->asleep, 0, memory_order_relaxed);
	for (unsigned i = 1; i < count; i++)
		if ((waits[i].revents & (POLLERR | POLLNVAL)) != 0)
			tell_gone(p, interfaces[i]);
}

static void *run(void *argument)
{
	struct kernel_pump *p = argument;

	while (!atomic_load_explicit(&p->quit, memory_order_relaxed)) {
		unsigned moved = write_out(p);

		moved += read_in(p);
		if (moved == 0)
			nap(p);
	}
	return NULL;
}

bool kernel_pump_start(struct kernel_pump *p, unsigned control_cpu)
{
	pthread_attr_t attributes;
	cpu_set_t cpus;
	int error;

	if (p == NULL)
		return true;
	CPU_ZERO(&cpus);
	CPU_SET(control_cpu, &cpus);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	error = pthread_create(&p->thread, &attributes, run, p);
	pthread_attr_destroy(&attributes);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "tap", "no thread error=\"%s\"", strerror(error));
		return false;
	}
	pthread_setname_np(p->thread, "kernel pump");
	p->started = true;
	return true;
}

void kernel_pump_stop(struct kernel_pump *p)
{
	const uint64_t one = 1;

	if (p == NULL || !p->started)
		return;
	atomic_store(&p->quit, true);
	(void)!write(p->wake_fd, &one, sizeof(one));
	pthread_join(p->thread, NULL);
	p->started = false;
}
