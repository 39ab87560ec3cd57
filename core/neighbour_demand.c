#include "neighbour_demand.h"

#include <assert.h>
#include <string.h>

#include "check.h"

#define STATE_BITS 8
#define LINK_KERNELS (UINT32_C(1) << 8)

static_assert(NEIGHBOUR_DEMAND_MAX % NEIGHBOUR_DEMAND_WAYS == 0, "whole buckets");

static enum neighbour_demand_state state_of(uint64_t tenure)
{
	return (enum neighbour_demand_state)(tenure & ((1u << STATE_BITS) - 1));
}

static uint64_t with_state(uint64_t tenure, enum neighbour_demand_state state)
{
	return tenure >> STATE_BITS << STATE_BITS | state;
}

void neighbour_demands_init(struct neighbour_demands *d, uint16_t first, uint16_t count)
{
	CHECK(count <= NEIGHBOUR_DEMAND_MAX && count % NEIGHBOUR_DEMAND_WAYS == 0);
	memset(d, 0, sizeof(*d));
	d->first = first;
	d->count = count;
}

void neighbour_demands_key(struct neighbour_demands *d, const struct hash_key *key)
{
	d->key = *key;
}

/* ---- who is where ---- */

static uint32_t link_of(const struct neighbour_wanted *wanted)
{
	return wanted->interface_idx | (wanted->is_kernels ? LINK_KERNELS : 0);
}

/* Tenure of a place that is WANTED, and by whom; false: it is in no use, or just being changed. */
static bool look(const struct neighbour_demand *p, uint64_t *tenure, struct neighbour_wanted *out)
{
	uint64_t halves[2];
	uint32_t link;

	/* Acquire: what was written down before it was WANTED is read after that. */
	*tenure = atomic_load_explicit(&p->tenure, memory_order_acquire);
	if (state_of(*tenure) != NEIGHBOUR_DEMAND_WANTED)
		return false;
	link = atomic_load_explicit(&p->link, memory_order_relaxed);
	for (unsigned i = 0; i < 2; i++)
		halves[i] = atomic_load_explicit(&p->address[i], memory_order_relaxed);
	/* Acquire: the tenure is looked at again after them. */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&p->tenure, memory_order_relaxed) != *tenure)
		return false;
	memcpy(out->address.bytes, halves, sizeof(halves));
	out->interface_idx = (uint8_t)link;
	out->is_kernels = (link & LINK_KERNELS) != 0;
	return true;
}

static uint16_t bucket_of(const struct neighbour_demands *d, uint8_t interface_idx,
			  const struct address *address)
{
	uint64_t hash = hash_address(&d->key, address->bytes, interface_idx);

	return (uint16_t)(hash % (d->count / NEIGHBOUR_DEMAND_WAYS) * NEIGHBOUR_DEMAND_WAYS);
}

/* The first place of the bucket that is theirs, before `end`. */
static uint16_t find_before(const struct neighbour_demands *d, uint8_t interface_idx,
			    const struct address *address, uint16_t end, uint64_t *tenure)
{
	uint16_t bucket = bucket_of(d, interface_idx, address);
	struct neighbour_wanted wanted;

	for (uint16_t i = bucket; i < bucket + NEIGHBOUR_DEMAND_WAYS && i < end; i++)
		if (look(&d->places[i], tenure, &wanted) && wanted.interface_idx == interface_idx &&
		    address_equal(&wanted.address, address))
			return i;
	return NEIGHBOUR_DEMAND_NONE;
}

uint16_t neighbour_demand_find(const struct neighbour_demands *d, uint8_t interface_idx,
			       const struct address *address)
{
	uint64_t tenure;
	uint16_t position;

	if (d->count == 0)
		return NEIGHBOUR_DEMAND_NONE;
	position = find_before(d, interface_idx, address, d->count, &tenure);
	return position == NEIGHBOUR_DEMAND_NONE ? position : (uint16_t)(d->first + position);
}

/* ---- workers ---- */

static void touch(struct neighbour_demand *p, mono_ns now)
{
	uint32_t now_s = (uint32_t)(now / NS_PER_S);

	if (atomic_load_explicit(&p->used_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&p->used_s, now_s, memory_order_relaxed);
}

static bool claim(struct neighbour_demand *p, const struct neighbour_wanted *wanted,
		  uint64_t *tenure, mono_ns now)
{
	uint64_t free = atomic_load_explicit(&p->tenure, memory_order_relaxed);
	uint64_t halves[2];

	/* Acquire: nothing is written before the place is ours. */
	if (state_of(free) != NEIGHBOUR_DEMAND_FREE ||
	    !atomic_compare_exchange_strong_explicit(&p->tenure, &free,
						     with_state(free, NEIGHBOUR_DEMAND_CLAIMED),
						     memory_order_acquire, memory_order_relaxed))
		return false;
	memcpy(halves, wanted->address.bytes, sizeof(halves));
	atomic_store_explicit(&p->link, link_of(wanted), memory_order_relaxed);
	for (unsigned i = 0; i < 2; i++)
		atomic_store_explicit(&p->address[i], halves[i], memory_order_relaxed);
	touch(p, now);
	*tenure = with_state(free, NEIGHBOUR_DEMAND_WANTED);
	/* Release: all of that before it is WANTED. */
	atomic_store_explicit(&p->tenure, *tenure, memory_order_release);
	return true;
}

uint16_t neighbour_demand(struct neighbour_demands *d, const struct neighbour_wanted *wanted,
			  uint64_t *tenure, mono_ns now)
{
	uint16_t bucket, position;

	if (d->count == 0)
		return NEIGHBOUR_DEMAND_NONE;
	position = find_before(d, wanted->interface_idx, &wanted->address, d->count, tenure);
	if (position != NEIGHBOUR_DEMAND_NONE) {
		touch(&d->places[position], now);
		return (uint16_t)(d->first + position);
	}
	bucket = bucket_of(d, wanted->interface_idx, &wanted->address);
	for (uint16_t i = bucket; i < bucket + NEIGHBOUR_DEMAND_WAYS; i++) {
		if (!claim(&d->places[i], wanted, tenure, now))
			continue;
		/* Release: the demand before the flag that says there is one. */
		atomic_store_explicit(&d->any_new, 1, memory_order_release);
		return (uint16_t)(d->first + i);
	}
	return NEIGHBOUR_DEMAND_NONE;
}

bool neighbour_demand_use(struct neighbour_demands *d, uint16_t idx, uint64_t tenure, mono_ns now)
{
	struct neighbour_demand *p = &d->places[idx - d->first];

	CHECK(idx >= d->first && idx - d->first < d->count);
	/* Relaxed: whoever gives it up lets it rest until what goes by this look is sent. */
	if (atomic_load_explicit(&p->tenure, memory_order_relaxed) != tenure)
		return false;
	touch(p, now);
	return true;
}

/* ---- who keeps them ---- */

bool neighbour_demand_take_new(struct neighbour_demands *d)
{
	/* Acquire: demands made before the flag are seen after it. */
	return neighbour_demand_any_new(d) &&
	       atomic_exchange_explicit(&d->any_new, 0, memory_order_acquire) != 0;
}

enum neighbour_demand_state neighbour_demand_state(const struct neighbour_demands *d,
						   uint16_t position)
{
	return state_of(atomic_load_explicit(&d->places[position].tenure, memory_order_relaxed));
}

bool neighbour_demand_at(const struct neighbour_demands *d, uint16_t position,
			 struct neighbour_wanted *out)
{
	uint64_t tenure;

	return look(&d->places[position], &tenure, out);
}

bool neighbour_demand_is_double(const struct neighbour_demands *d, uint16_t position)
{
	struct neighbour_wanted wanted;
	uint64_t tenure;

	return look(&d->places[position], &tenure, &wanted) &&
	       find_before(d, wanted.interface_idx, &wanted.address, position, &tenure) !=
		       NEIGHBOUR_DEMAND_NONE;
}

bool neighbour_demand_is_idle(const struct neighbour_demands *d, uint16_t position, mono_ns now)
{
	uint32_t used_s = atomic_load_explicit(&d->places[position].used_s, memory_order_relaxed);

	/* Workers' clocks may differ a little. */
	return now / NS_PER_S > (uint64_t)used_s + NEIGHBOUR_DEMAND_IDLE_S;
}

static void set_state(struct neighbour_demand *p, enum neighbour_demand_state from,
		      enum neighbour_demand_state to, uint64_t uses)
{
	uint64_t tenure = atomic_load_explicit(&p->tenure, memory_order_relaxed);

	CHECK(state_of(tenure) == from);
	/* Release: what was known of the one before is cleared before the place can be claimed. */
	atomic_store_explicit(&p->tenure, with_state(tenure + (uses << STATE_BITS), to),
			      memory_order_release);
}

void neighbour_demand_give_up(struct neighbour_demands *d, uint16_t position)
{
	set_state(&d->places[position], NEIGHBOUR_DEMAND_WANTED, NEIGHBOUR_DEMAND_RESTING, 0);
}

void neighbour_demand_free(struct neighbour_demands *d, uint16_t position)
{
	set_state(&d->places[position], NEIGHBOUR_DEMAND_RESTING, NEIGHBOUR_DEMAND_FREE, 1);
}
