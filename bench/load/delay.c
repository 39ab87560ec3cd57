#include "bench/load/delay.h"

#include <stdlib.h>

#define NONE UINT32_MAX

bool delay_init(struct delay *d, uint64_t longest_cycles, uint32_t packet_count, uint64_t now_tsc)
{
	/* Two buckets to spare: the one of now, and the rounding up. */
	d->bucket_cycles = longest_cycles / (DELAY_BUCKETS - 2) + 1;
	d->bucket = now_tsc / d->bucket_cycles;
	d->waiting_count = 0;
	d->free = 0;
	d->entries = calloc(packet_count, sizeof(*d->entries));
	if (d->entries == NULL)
		return false;
	for (uint32_t i = 0; i < packet_count; i++)
		d->entries[i].next = i + 1 < packet_count ? i + 1 : NONE;
	for (uint32_t i = 0; i < DELAY_BUCKETS; i++)
		d->first[i] = d->last[i] = NONE;
	return true;
}

bool delay_put(struct delay *d, struct rte_mbuf *mbuf, uint64_t due_tsc)
{
	uint64_t bucket = due_tsc / d->bucket_cycles + 1;
	uint32_t slot, idx = d->free;

	if (idx == NONE)
		return false;
	/* A wheel that was not turned for a while stands behind: nothing may overtake it. */
	if (bucket < d->bucket)
		bucket = d->bucket;
	if (bucket >= d->bucket + DELAY_BUCKETS)
		bucket = d->bucket + DELAY_BUCKETS - 1;
	slot = bucket % DELAY_BUCKETS;
	d->free = d->entries[idx].next;
	d->entries[idx] = (struct delay_entry){mbuf, NONE};
	if (d->first[slot] == NONE)
		d->first[slot] = idx;
	else
		d->entries[d->last[slot]].next = idx;
	d->last[slot] = idx;
	d->waiting_count++;
	return true;
}

struct rte_mbuf *delay_take(struct delay *d, uint64_t now_tsc)
{
	uint64_t now = now_tsc / d->bucket_cycles;

	if (d->waiting_count == 0) {
		d->bucket = now;
		return NULL;
	}
	for (; d->bucket <= now; d->bucket++) {
		uint32_t slot = d->bucket % DELAY_BUCKETS;
		uint32_t idx = d->first[slot];
		struct delay_entry *e;

		if (idx == NONE)
			continue;
		e = &d->entries[idx];
		d->first[slot] = e->next;
		e->next = d->free;
		d->free = idx;
		d->waiting_count--;
		return e->mbuf;
	}
	/* The bucket of now may still be filled. */
	d->bucket = now;
	return NULL;
}

void delay_fini(struct delay *d)
{
	uint64_t all = (d->bucket + 2 * DELAY_BUCKETS) * d->bucket_cycles;
	struct rte_mbuf *mbuf;

	if (d->entries == NULL)
		return;
	while ((mbuf = delay_take(d, all)) != NULL)
		rte_pktmbuf_free(mbuf);
	free(d->entries);
	d->entries = NULL;
}
