/* Messages between workers and the stream thread (stream_message.h) in packet buffers: chains of them, from a pool of their own,
 * so that TCP never takes what packets need. A pool that is empty makes messages get lost, counted; nobody waits.
 *
 * Memory: STREAM_MBUF_COUNT of 1,024 bytes and their heads, 21 MiB, ordinary pages beside dpdk.memory_mb. Threads: the pool:
 * any lcore; a chain is its holder's.
 */
#ifndef PORTICO_STREAM_MBUF_H
#define PORTICO_STREAM_MBUF_H

#include "dpdk_app/dpdk.h"

#include <rte_mbuf.h>

#include "core/check.h"
#include "core/stream.h"
#include "dpdk_app/stream_message.h"

/* All questions of clients that may be under way (stream_clients.h) have one each at the same time, at worst. */
#define STREAM_MBUF_COUNT 16383

/* NULL: no memory (logged). */
MUST_USE struct rte_mempool *stream_mbuf_pool_make(void);
/* No buffer of it is used any more. */
void stream_mbuf_pool_free(struct rte_mempool *pool);

/* NULL: the pool has not so many. */
MUST_USE struct rte_mbuf *stream_mbuf_make(struct rte_mempool *pool,
					   const struct stream_slot *slot);
/* out->data points into the chain, or into buffer (of STREAM_MESSAGE_BYTES_MAX). */
void stream_mbuf_read(struct rte_mbuf *chain, uint8_t *buffer, struct stream_slot *out);

#endif
