/* Packets that wait for their time: a wheel of buckets as wide as the longest delay needs, so that any mixture of
 * delays costs O(1) a packet. None leaves before its time; it leaves at most one bucket after it.
 *
 * Memory: 8 bytes a bucket and 16 a packet, taken at start. Threads: one. Time: cycles of the TSC, given.
 */
#ifndef LOAD_DELAY_H
#define LOAD_DELAY_H

#include "dpdk_app/dpdk.h"

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"

#define DELAY_BUCKETS 8192u

struct delay_entry {
	struct rte_mbuf *mbuf;
	uint32_t next;
};

struct delay {
	uint64_t bucket_cycles;
	uint64_t bucket; /* of now: all before it are empty */
	struct delay_entry *entries;
	uint32_t free;
	uint32_t waiting_count;
	uint32_t first[DELAY_BUCKETS];
	uint32_t last[DELAY_BUCKETS];
};

/* False: no memory. */
MUST_USE bool delay_init(struct delay *d, uint64_t longest_cycles, uint32_t packet_count,
			 uint64_t now_tsc);
/* Frees what still waits. */
void delay_fini(struct delay *d);
/* False: full, the mbuf stays the caller's. */
MUST_USE bool delay_put(struct delay *d, struct rte_mbuf *mbuf, uint64_t due_tsc);
/* The next whose time has come, or NULL. */
struct rte_mbuf *delay_take(struct delay *d, uint64_t now_tsc);

#endif
