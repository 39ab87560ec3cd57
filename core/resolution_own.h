/* What resolution.c and resolution_table.c share: how a resolution is found, and the only place that writes its state. */
#ifndef PORTICO_RESOLUTION_OWN_H
#define PORTICO_RESOLUTION_OWN_H

#include "resolution.h"

/* Which states may follow which. */
extern const bool resolution_legal[RESOLUTION_STATE_COUNT][RESOLUTION_STATE_COUNT];

#define PLACES_PER_RESOLUTION 2
#define PLACE_EMPTY UINT64_MAX
#define PLACE_HASH_SHIFT 32

static inline uint64_t place_of(uint64_t hash, uint32_t idx)
{
	return hash >> PLACE_HASH_SHIFT << PLACE_HASH_SHIFT | idx;
}

/* Where the search for it begins: by the highest bits, as low ones of the upper half choose the worker. */
static inline uint32_t home_of(const struct resolution_table *t, uint64_t hash_or_place)
{
	return (uint32_t)(hash_or_place >> t->home_shift);
}

static inline void place_add(struct resolution_table *t, uint64_t hash, uint32_t idx)
{
	uint32_t at = home_of(t, hash);

	while (t->places[at] != PLACE_EMPTY)
		at = (at + 1) & t->place_mask;
	t->places[at] = place_of(hash, idx);
}

/* Those behind it, up to the next empty place, move up as far as their homes allow. */
static inline void place_remove(struct resolution_table *t, uint64_t hash, uint32_t idx)
{
	uint32_t hole = home_of(t, hash);

	while (t->places[hole] != place_of(hash, idx)) {
		CHECK(t->places[hole] != PLACE_EMPTY);
		hole = (hole + 1) & t->place_mask;
	}
	for (uint32_t at = (hole + 1) & t->place_mask; UNLIKELY(t->places[at] != PLACE_EMPTY);
	     at = (at + 1) & t->place_mask) {
		uint32_t from_home = (at - home_of(t, t->places[at])) & t->place_mask;

		if (from_home < ((at - hole) & t->place_mask))
			continue;
		t->places[hole] = t->places[at];
		hole = at;
	}
	t->places[hole] = PLACE_EMPTY;
}

/* ---- states ---- */

/* It asks for its own name again. */
void resolution_end_step(struct resolution_table *t, uint32_t idx);

static inline __attribute__((always_inline)) void resolution_set_state(struct resolution_table *t,
								       uint32_t idx,
								       enum resolution_state to)
{
	struct resolution *r = &t->resolutions[idx];

	CHECK(resolution_legal[r->state][to]);
	if (r->asks_step && to != RESOLUTION_WAIT)
		resolution_end_step(t, idx);
	if (to == RESOLUTION_DONE)
		place_remove(t, r->key.hash, idx);
	if (r->state == RESOLUTION_WAIT)
		r->slot_idx = POOL_NONE;
	r->state = (uint8_t)to;
}

#endif
