/* What one zone may hold of a worker: how many questions at a time may ask its servers, or look for their addresses (SECURITY.md
 * D8). So names without end below one zone whose servers are silent do not use up what all others need.
 *
 * A share begins with ZONE_SHARE_FIRST, grows with what is heard of the zone's servers while more than half of it is in use, to a
 * quarter of the worker's resolutions, and is halved with every round of silence, down to ZONE_SHARE_MIN. What was lost to
 * silence comes back at once: up to ZONE_SHARE_FIRST it doubles with every question that its servers had something to say to.
 *
 * Zones are known by a keyed hash only; each has its place in one line of the table while questions hold it, and keeps what was learnt
 * of it until another zone needs that place. A zone whose line is full of others is not limited: then so many different zones
 * are asked at a time that none of these is what the worker suffers from.
 *
 * Memory: lent at init. Threads: one worker's. Bounds: one line is looked at. Tests: test_zone_share.c.
 */
#ifndef PORTICO_ZONE_SHARE_H
#define PORTICO_ZONE_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "mono.h"

#define ZONE_SHARE_FIRST 512
#define ZONE_SHARE_MIN 16
/* Places of a line. */
#define ZONE_SHARE_WAYS 4
#define ZONE_SHARE_NONE UINT32_MAX

struct zone_share {
	uint32_t tag; /* of the zone's hash */
	uint16_t in_use;
	uint16_t share;
	/* Of the worker's time, in ms modulo 2^32: */
	uint32_t heard_ms;  /* its servers last said something, */
	uint32_t halved_ms; /* and did not for a round */
};

struct zone_share_table {
	struct zone_share *zones;
	uint32_t line_mask;
	uint16_t share_max;
	uint16_t share_first;
};

/* What a question that gives its place back has seen of the zone's servers. */
enum zone_share_end {
	ZONE_SHARE_HEARD,
	ZONE_SHARE_SILENT,  /* nothing of use until it was given up */
	ZONE_SHARE_NEITHER, /* what ended it says nothing of them */
};

enum zone_share_result {
	ZONE_SHARE_OK,
	ZONE_SHARE_FULL, /* as many as it may have hold their places */
};

size_t zone_share_memory_bytes(uint32_t under_way_max);
/* memory: aligned to a cache line. */
void zone_share_init(struct zone_share_table *t, void *memory, uint32_t under_way_max);

/* Its line, a while before it is taken. */
static inline void zone_share_prefetch(const struct zone_share_table *t, uint64_t zone_hash)
{
	__builtin_prefetch(&t->zones[((uint32_t)zone_hash & t->line_mask) * ZONE_SHARE_WAYS], 1);
}

/* One more question for the zone with this keyed hash. *place: given back by zone_share_put; ZONE_SHARE_NONE: there is nothing to
 * give back. */
MUST_USE enum zone_share_result zone_share_take(struct zone_share_table *t, uint64_t zone_hash,
						mono_ns now, uint32_t *place);
/* taken_at: when it was taken. */
void zone_share_put(struct zone_share_table *t, uint32_t place, mono_ns taken_at,
		    enum zone_share_end end, mono_ns now);

/* in_use: by all zones together. */
void zone_share_check(const struct zone_share_table *t, uint64_t in_use);

#endif
