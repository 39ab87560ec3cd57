#include "zone_share.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "limits.h"

#define TAG_SHIFT 32
/* One zone in so many of the worker's resolutions has its place: most ask the same few. */
#define RESOLUTIONS_PER_ZONE 4
/* The most that a share grows to, of the worker's resolutions. */
#define SHARE_OF_ALL 4

static_assert(sizeof(struct zone_share) * ZONE_SHARE_WAYS == 64, "a line");
static_assert(UNDER_WAY_MAX / SHARE_OF_ALL <= UINT16_MAX, "shares have 16 bits");

static uint32_t line_count_for(uint32_t under_way_max)
{
	uint32_t count = 1;

	while (count * ZONE_SHARE_WAYS * RESOLUTIONS_PER_ZONE < under_way_max)
		count *= 2;
	return count;
}

size_t zone_share_memory_bytes(uint32_t under_way_max)
{
	return line_count_for(under_way_max) * ZONE_SHARE_WAYS * sizeof(struct zone_share);
}

void zone_share_init(struct zone_share_table *t, void *memory, uint32_t under_way_max)
{
	uint32_t most = under_way_max / SHARE_OF_ALL;

	if (most < ZONE_SHARE_MIN)
		most = ZONE_SHARE_MIN;
	t->zones = memory;
	t->line_mask = line_count_for(under_way_max) - 1;
	t->share_max = (uint16_t)most;
	t->share_first = (uint16_t)(most < ZONE_SHARE_FIRST ? most : ZONE_SHARE_FIRST);
	memset(memory, 0, zone_share_memory_bytes(under_way_max));
}

static uint32_t ms_of(mono_ns at)
{
	return (uint32_t)(at / NS_PER_MS);
}

/* The zone's place, or one that nobody holds; ZONE_SHARE_NONE: neither. */
static uint32_t find(const struct zone_share_table *t, uint64_t zone_hash)
{
	uint32_t line = ((uint32_t)zone_hash & t->line_mask) * ZONE_SHARE_WAYS;
	uint32_t free_place = ZONE_SHARE_NONE;

	for (uint32_t i = line; i < line + ZONE_SHARE_WAYS; i++) {
		const struct zone_share *z = &t->zones[i];

		if (z->share != 0 && z->tag == (uint32_t)(zone_hash >> TAG_SHIFT))
			return i;
		/* Rather one that was never anybody's. */
		if (z->in_use == 0 && (free_place == ZONE_SHARE_NONE ||
				       (z->share == 0 && t->zones[free_place].share != 0)))
			free_place = i;
	}
	return free_place;
}

enum zone_share_result zone_share_take(struct zone_share_table *t, uint64_t zone_hash, mono_ns now,
				       uint32_t *place)
{
	uint32_t tag = (uint32_t)(zone_hash >> TAG_SHIFT);
	uint32_t at = find(t, zone_hash);
	struct zone_share *z;

	if (at != ZONE_SHARE_NONE) {
		z = &t->zones[at];
		if (z->share == 0 || z->tag != tag)
			*z = (struct zone_share){.tag = tag, .share = t->share_first};
		/* What those to come see is of now. */
		if (z->in_use == 0)
			z->heard_ms = z->halved_ms = ms_of(now);
		if (z->in_use >= z->share)
			return ZONE_SHARE_FULL;
		z->in_use++;
	}
	*place = at;
	return ZONE_SHARE_OK;
}

static uint16_t grown(const struct zone_share_table *t, const struct zone_share *z)
{
	unsigned twice = 2u * z->share;

	if (z->share < t->share_first)
		return (uint16_t)(twice < t->share_first ? twice : t->share_first);
	if (z->in_use > z->share / 2u && z->share < t->share_max)
		return (uint16_t)(z->share + 1);
	return z->share;
}

/* Is it after that moment, or within its millisecond? */
static bool is_since(uint32_t taken_ms, uint32_t moment_ms)
{
	return (int32_t)(taken_ms - moment_ms) >= 0;
}

void zone_share_put(struct zone_share_table *t, uint32_t place, mono_ns taken_at,
		    enum zone_share_end end, mono_ns now)
{
	struct zone_share *z;

	if (place == ZONE_SHARE_NONE)
		return;
	z = &t->zones[place];
	CHECK(z->in_use > 0);
	switch (end) {
	case ZONE_SHARE_HEARD:
		z->share = grown(t, z);
		z->heard_ms = ms_of(now);
		break;
	case ZONE_SHARE_SILENT:
		/* Of many that waited together the first to give up has said it all; and while others are answered, it is not the
		 * zone. */
		if (!is_since(ms_of(taken_at), z->heard_ms) ||
		    !is_since(ms_of(taken_at), z->halved_ms))
			break;
		z->halved_ms = ms_of(now);
		z->share = z->share / 2 > ZONE_SHARE_MIN ? z->share / 2 : ZONE_SHARE_MIN;
		break;
	case ZONE_SHARE_NEITHER:
		break;
	}
	z->in_use--;
}

void zone_share_check(const struct zone_share_table *t, uint64_t in_use)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < (t->line_mask + 1) * ZONE_SHARE_WAYS; i++) {
		const struct zone_share *z = &t->zones[i];

		sum += z->in_use;
		CHECK(z->share <= t->share_max && z->in_use <= t->share_max);
		CHECK(z->share == 0 ? z->in_use == 0 : z->share >= ZONE_SHARE_MIN);
	}
	CHECK(sum == in_use);
}
