#include "dpdk_app/handoff.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/mono.h"
#include "dpdk_app/log.h"

/* 50 ms of 20,000 passed questions/s, longer than a scheduler takes a core away for. Smaller where there are many rings, so that
 * a worker that stops cannot keep more than a few thousand mbufs. */
#define RING_SIZE_MAX 1024
#define RING_SIZE_MIN 64
#define RING_SIZES_SUM 8192
/* Answers for clients of TCP and to questions over TCP: as many as may be under way, so that none is lost for want of a place. */
#define RING_SIZE_STREAM 16384

static unsigned ring_size(unsigned worker_count)
{
	unsigned size = RING_SIZE_MAX;

	while (size > RING_SIZE_MIN && size * worker_count > RING_SIZES_SUM)
		size /= 2;
	return size;
}

uint32_t handoff_mbufs_max(unsigned worker_count)
{
	return (worker_count - 1) * HANDOFF_KIND_COUNT * ring_size(worker_count);
}

static struct handoff_way *way_to(struct handoff *h, unsigned to, unsigned kind)
{
	return &h->ways[to * HANDOFF_KIND_COUNT + kind];
}

/* ---- making and freeing ---- */

/* Of a stream thread: questions to workers, and messages. */
static bool is_way(const struct handoff *from, const struct handoff *to, unsigned kind)
{
	const unsigned streams = from->worker_count;

	if (from == to)
		return false;
	if (from->worker_idx == streams)
		return kind == HANDOFF_QUESTION || kind == HANDOFF_STREAM;
	return (to->worker_idx == streams) == (kind == HANDOFF_STREAM);
}

static bool make_ring(struct handoff *from, struct handoff *to, unsigned kind)
{
	static const char kind_letters[HANDOFF_KIND_COUNT] = {'f', 'p', 'a', 'u', 'q', 's'};
	unsigned size = kind == HANDOFF_STREAM ? RING_SIZE_STREAM : ring_size(from->worker_count);
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	snprintf(name, sizeof(name), "handoff_%u_%u_%c", from->worker_idx, to->worker_idx,
		 kind_letters[kind]);
	/* Not rte_ring_create: of its memory zones there are too few for the pairs of 30 workers. */
	ring = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)rte_ring_get_memsize(size));
	if (ring == NULL || rte_ring_init(ring, name, size, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(ring);
		log_write(CONFIG_LOG_ERROR, "memory",
			  "no memory for=\"rings between workers\" workers=%u", from->worker_count);
		return false;
	}
	way_to(from, to->worker_idx, kind)->ring = ring;
	to->from[from->worker_idx * HANDOFF_KIND_COUNT + kind] = ring;
	return true;
}

/* Cleared, and on cache lines that no other worker's things are on. NULL: no memory. */
static void *take_lines(size_t bytes)
{
	size_t whole = RTE_CACHE_LINE_ROUNDUP(bytes);
	void *memory = aligned_alloc(RTE_CACHE_LINE_SIZE, whole);

	if (memory != NULL)
		memset(memory, 0, whole);
	return memory;
}

static bool make_one(struct handoff *h, struct handoff *all, unsigned idx, unsigned worker_count)
{
	const size_t way_count = (size_t)all->participant_count * HANDOFF_KIND_COUNT;

	h->worker_idx = (uint8_t)idx;
	h->worker_count = (uint8_t)worker_count;
	h->participant_count = all->participant_count;
	h->all = all;
	h->ways = take_lines(way_count * sizeof(*h->ways));
	h->from = take_lines(way_count * sizeof(struct rte_ring *));
	h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_init(&h->asleep, 0);
	if (h->ways != NULL && h->from != NULL && h->wake_fd >= 0)
		return true;
	log_write(CONFIG_LOG_ERROR, "worker", "cannot prepare its rings worker=%u error=\"%m\"",
		  idx);
	return false;
}

static bool make_rings(struct handoff *all)
{
	const unsigned count = all->participant_count;

	for (unsigned i = 0; i < count * count * HANDOFF_KIND_COUNT; i++) {
		unsigned kind = i % HANDOFF_KIND_COUNT;
		struct handoff *from = &all[i / HANDOFF_KIND_COUNT / count];
		struct handoff *to = &all[i / HANDOFF_KIND_COUNT % count];

		if (is_way(from, to, kind) && !make_ring(from, to, kind))
			return false;
	}
	return true;
}

struct handoff *handoff_make(unsigned worker_count, enum handoff_streams streams)
{
	const unsigned count = worker_count + (streams == HANDOFF_WITH_STREAMS ? 1 : 0);
	struct handoff *all;
	bool made = true;

	CHECK(worker_count >= 1 && worker_count <= WORKERS_MAX);
	all = take_lines(count * sizeof(struct handoff));
	if (all == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=\"rings between workers\"");
		return NULL;
	}
	for (unsigned i = 0; i < count; i++)
		all[i].wake_fd = -1;
	all[0].participant_count = (uint8_t)count;
	for (unsigned i = 0; made && i < count; i++)
		made = make_one(&all[i], all, i, worker_count);
	if (made && make_rings(all))
		return all;
	handoff_free(all);
	return NULL;
}

static void free_ring(struct rte_ring *ring)
{
	struct rte_mbuf *mbuf;

	while (ring != NULL && rte_ring_dequeue(ring, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	free(ring);
}

void handoff_free(struct handoff *all)
{
	if (all == NULL)
		return;
	for (unsigned i = 0, count = all[0].participant_count; i < count; i++) {
		struct handoff *h = &all[i];

		for (unsigned w = 0; h->ways != NULL && w < count * HANDOFF_KIND_COUNT; w++) {
			rte_pktmbuf_free_bulk(h->ways[w].mbufs, h->ways[w].count);
			free_ring(h->ways[w].ring);
		}
		free(h->ways);
		free(h->from);
		if (h->wake_fd >= 0)
			close(h->wake_fd);
	}
	free(all);
}

/* ---- passing ---- */

static unsigned flush_way(struct handoff *h, unsigned to, struct handoff_way *way)
{
	unsigned count = way->count;
	unsigned taken = rte_ring_sp_enqueue_burst(way->ring, (void **)way->mbufs, count, NULL);

	way->count = 0;
	h->has_waiting[to] = true;
	if (UNLIKELY(taken < count))
		rte_pktmbuf_free_bulk(way->mbufs + taken, count - taken);
	return count - taken;
}

unsigned handoff_put(struct handoff *h, uint8_t to_worker, enum handoff_kind kind,
		     struct rte_mbuf *mbuf)
{
	struct handoff_way *way = way_to(h, to_worker, kind);
	unsigned lost = 0;

	CHECK(to_worker < h->participant_count && way->ring != NULL);
	if (way->count == PORT_BURST)
		lost = flush_way(h, to_worker, way);
	way->mbufs[way->count++] = mbuf;
	return lost;
}

unsigned handoff_room(const struct handoff *h, enum handoff_kind kind)
{
	unsigned room = UINT_MAX;

	for (unsigned to = 0; to < h->worker_count; to++) {
		const struct handoff_way *way = &h->ways[to * HANDOFF_KIND_COUNT + kind];
		unsigned places = way->ring != NULL ? rte_ring_free_count(way->ring) : UINT_MAX;

		places = places > way->count ? places - way->count : 0;
		room = places < room ? places : room;
	}
	return room;
}

unsigned handoff_flush(struct handoff *h, enum handoff_kind kind)
{
	unsigned lost = 0;

	for (unsigned to = 0; to < h->participant_count; to++) {
		struct handoff_way *way = way_to(h, to, kind);

		if (way->count > 0)
			lost += flush_way(h, to, way);
	}
	return lost;
}

/* One of several is enough: whoever takes the flag down writes. */
static bool end_nap(struct handoff *other)
{
	const uint64_t one = 1;

	if (atomic_load_explicit(&other->asleep, memory_order_relaxed) == 0 ||
	    atomic_exchange_explicit(&other->asleep, 0, memory_order_relaxed) == 0)
		return false;
	return write(other->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

void handoff_call(struct handoff *h)
{
	(void)end_nap(h);
}

unsigned handoff_wake(struct handoff *h)
{
	unsigned woken = 0;
	bool fenced = false;

	for (unsigned to = 0; to < h->participant_count; to++) {
		struct handoff *other = &h->all[to];

		if (!h->has_waiting[to])
			continue;
		h->has_waiting[to] = false;
		/* Forbids that asleep is read before the ring's tail is seen by others (store, then load). */
		if (!fenced)
			atomic_thread_fence(memory_order_seq_cst);
		fenced = true;
		woken += end_nap(other);
	}
	return woken;
}

unsigned handoff_take(struct handoff *h, uint8_t from_worker, enum handoff_kind kind,
		      struct rte_mbuf *mbufs[PORT_BURST])
{
	struct rte_ring *ring = h->from[from_worker * HANDOFF_KIND_COUNT + kind];

	return ring == NULL ? 0 : rte_ring_sc_dequeue_burst(ring, (void **)mbufs, PORT_BURST, NULL);
}

bool handoff_all_taken(const struct handoff *h)
{
	for (unsigned i = 0; i < (unsigned)h->participant_count * HANDOFF_KIND_COUNT; i++)
		if (h->ways[i].ring != NULL && rte_ring_empty(h->ways[i].ring) == 0)
			return false;
	return true;
}

/* ---- naps ---- */

static bool has_something(const struct handoff *h)
{
	for (unsigned i = 0; i < (unsigned)h->participant_count * HANDOFF_KIND_COUNT; i++)
		if (h->from[i] != NULL && rte_ring_empty(h->from[i]) == 0)
			return true;
	return h->kernel_ring != NULL && rte_ring_empty(h->kernel_ring) == 0;
}

bool handoff_asleep(struct handoff *h)
{
	atomic_store_explicit(&h->asleep, 1, memory_order_relaxed);
	/* Forbids that the rings are read before asleep is seen by others (store, then load). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_something(h))
		return true;
	atomic_store_explicit(&h->asleep, 0, memory_order_relaxed);
	return false;
}

void handoff_awake(struct handoff *h)
{
	atomic_store_explicit(&h->asleep, 0, memory_order_relaxed);
}

bool handoff_nap(struct handoff *h, uint64_t nap_ns, struct pollfd waits[], unsigned wait_count)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(nap_ns / NS_PER_S),
		.tv_nsec = (long)(nap_ns % NS_PER_S),
	};
	uint64_t count;

	waits[0] = (struct pollfd){.fd = h->wake_fd, .events = POLLIN};
	if (!handoff_asleep(h))
		return false;
	if (ppoll(waits, wait_count, &pause, NULL) > 0 && waits[0].revents != 0)
		(void)!read(h->wake_fd, &count, sizeof(count));
	handoff_awake(h);
	return true;
}
