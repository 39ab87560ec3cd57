#include "dpdk_app/stream_mbuf.h"

#include <rte_errno.h>
#include <rte_mempool.h>
#include <sys/mman.h>

#include "dpdk_app/log.h"

#define POOL_NAME "portico_stream"
#define ROOM_BYTES (RTE_PKTMBUF_HEADROOM + STREAM_PIECE_BYTES)

static void unmap(struct rte_mempool_memhdr *memory, void *length_bytes)
{
	munmap(memory->addr, (size_t)(uintptr_t)length_bytes);
}

/* Memory that no device looks at. */
static bool populate(struct rte_mempool *pool)
{
	size_t least_bytes, align_bytes;
	ssize_t bytes = rte_mempool_op_calc_mem_size_default(pool, STREAM_MBUF_COUNT, 0,
							     &least_bytes, &align_bytes);
	void *memory;

	if (bytes <= 0)
		return false;
	memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED) {
		rte_errno = ENOMEM;
		return false;
	}
	return rte_mempool_populate_iova(pool, memory, RTE_BAD_IOVA, (size_t)bytes, unmap,
					 (void *)(uintptr_t)bytes) == STREAM_MBUF_COUNT;
}

struct rte_mempool *stream_mbuf_pool_make(void)
{
	struct rte_pktmbuf_pool_private sizes = {.mbuf_data_room_size = ROOM_BYTES};
	struct rte_mempool *pool = rte_mempool_create_empty(
		POOL_NAME, STREAM_MBUF_COUNT, (unsigned)sizeof(struct rte_mbuf) + ROOM_BYTES, 0,
		sizeof(sizes), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (pool != NULL) {
		rte_pktmbuf_pool_init(pool, &sizes);
		/* Threads of different weight may share a CPU (port.c). */
		if (rte_mempool_set_ops_byname(pool, "ring_mt_rts", NULL) == 0 && populate(pool)) {
			rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
			return pool;
		}
		rte_mempool_free(pool);
	}
	log_write(CONFIG_LOG_ERROR, "memory", "no memory for=\"messages of TCP\" error=\"%s\"",
		  rte_strerror(rte_errno));
	return NULL;
}

void stream_mbuf_pool_free(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}

static void chain(struct rte_mbuf *mbufs[], const struct stream_piece pieces[], unsigned count)
{
	struct rte_mbuf *first = mbufs[0];

	first->nb_segs = (uint16_t)count;
	first->pkt_len = 0;
	for (unsigned i = 0; i < count; i++) {
		mbufs[i]->data_len = (uint16_t)pieces[i].length_bytes;
		first->pkt_len += pieces[i].length_bytes;
		mbufs[i]->next = i + 1 < count ? mbufs[i + 1] : NULL;
	}
}

struct rte_mbuf *stream_mbuf_make(struct rte_mempool *pool, const struct stream_slot *slot)
{
	const unsigned count = stream_message_piece_count(slot->length_bytes);
	struct rte_mbuf *mbufs[STREAM_PIECES_MAX];
	struct stream_piece pieces[STREAM_PIECES_MAX];

	if (rte_pktmbuf_alloc_bulk(pool, mbufs, count) != 0)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		pieces[i].data = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
	stream_message_write(slot, pieces, count);
	chain(mbufs, pieces, count);
	return mbufs[0];
}

void stream_mbuf_read(struct rte_mbuf *first, uint8_t *buffer, struct stream_slot *out)
{
	struct stream_piece pieces[STREAM_PIECES_MAX];
	unsigned count = 0;

	for (struct rte_mbuf *mbuf = first; mbuf != NULL; mbuf = mbuf->next) {
		CHECK(count < STREAM_PIECES_MAX);
		pieces[count++] =
			(struct stream_piece){rte_pktmbuf_mtod(mbuf, uint8_t *), mbuf->data_len};
	}
	stream_message_read(pieces, count, buffer, out);
}
