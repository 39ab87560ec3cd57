/* Resolutions by their questions, and what holds of all of them. */
#include "dns_const.h"
#include "limits.h"
#include "resolution_own.h"

const bool resolution_legal[RESOLUTION_STATE_COUNT][RESOLUTION_STATE_COUNT] = {
	[RESOLUTION_FREE] =
		{[RESOLUTION_SEND] = true, [RESOLUTION_ASK] = true, [RESOLUTION_DONE] = true},
	[RESOLUTION_SEND] = {[RESOLUTION_SEND] = true,
			     [RESOLUTION_WAIT] = true,
			     [RESOLUTION_PAUSE] = true,
			     [RESOLUTION_ASK] = true,
			     [RESOLUTION_DONE] = true},
	[RESOLUTION_WAIT] = {[RESOLUTION_SEND] = true,
			     [RESOLUTION_PAUSE] = true,
			     [RESOLUTION_ASK] = true,
			     [RESOLUTION_DONE] = true},
	[RESOLUTION_PAUSE] =
		{[RESOLUTION_SEND] = true, [RESOLUTION_ASK] = true, [RESOLUTION_DONE] = true},
	[RESOLUTION_ASK] =
		{[RESOLUTION_SEND] = true, [RESOLUTION_ASK] = true, [RESOLUTION_DONE] = true},
	[RESOLUTION_DONE] = {[RESOLUTION_FREE] = true},
};

/* ---- table ---- */

/* 2 to that power: places for so many. */
static unsigned place_bits_for(uint32_t capacity)
{
	unsigned bits = 1;

	while (UINT64_C(1) << bits < (uint64_t)capacity * PLACES_PER_RESOLUTION)
		bits++;
	return bits;
}

static size_t places_bytes(uint32_t capacity)
{
	return sizeof(uint64_t) << place_bits_for(capacity);
}

size_t resolution_table_memory_bytes(uint32_t capacity)
{
	return (size_t)capacity * sizeof(struct resolution) + places_bytes(capacity) +
	       pool_memory_bytes(capacity);
}

void resolution_table_init(struct resolution_table *t, void *memory, uint32_t capacity)
{
	unsigned bits = place_bits_for(capacity);

	CHECK(capacity >= 1 && bits <= PLACE_HASH_SHIFT);
	t->resolutions = memory;
	t->places = (uint64_t *)(void *)(t->resolutions + capacity);
	t->place_mask = (UINT32_C(1) << bits) - 1;
	t->home_shift = 64 - bits;
	t->step_count = 0;
	memset(t->places, 0xff, places_bytes(capacity));
	pool_init(&t->free, (uint8_t *)t->places + places_bytes(capacity), capacity);
}

void resolution_prefetch(const struct resolution_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->places[home_of(t, hash)], 1);
}

/* The place that has this hash, at or after `at`; one that is empty: none. */
static inline uint32_t place_find(const struct resolution_table *t, uint64_t hash, uint32_t at)
{
	while (t->places[at] != PLACE_EMPTY && (t->places[at] ^ hash) >> PLACE_HASH_SHIFT != 0)
		at = (at + 1) & t->place_mask;
	return at;
}

static bool key_equal(const struct resolution_key *a, const struct resolution_key *b)
{
	return a->hash == b->hash && a->qtype == b->qtype && a->qclass == b->qclass &&
	       a->zone_idx == b->zone_idx && a->view == b->view &&
	       a->checking_disabled == b->checking_disabled &&
	       name_equal_exact(&a->qname, &b->qname);
}

/* The questions that steps are: for addresses, of nobody in particular. */
static bool is_for_step(const struct resolution_key *key)
{
	return key->qtype == DNS_TYPE_A && key->qclass == DNS_CLASS_IN && key->view == 0 &&
	       !key->checking_disabled;
}

/* Does r ask for this step? */
static bool asks_for_step(const struct resolution *r, uint64_t hash, uint16_t zone_idx,
			  const uint8_t *name, size_t length_bytes)
{
	return r->asks_step && r->asked_hash == hash && r->key.zone_idx == zone_idx &&
	       r->key.qname.length_bytes - r->asked_at == length_bytes &&
	       memcmp(r->key.qname.bytes + r->asked_at, name, length_bytes) == 0;
}

uint32_t resolution_find(const struct resolution_table *t, const struct resolution_key *key)
{
	uint32_t at = place_find(t, key->hash, home_of(t, key->hash));

	while (UNLIKELY(t->places[at] != PLACE_EMPTY)) {
		uint32_t idx = (uint32_t)t->places[at];
		const struct resolution *r = &t->resolutions[idx];

		if (LIKELY(key_equal(&r->key, key)))
			return idx;
		if (UNLIKELY(r->asks_step) && is_for_step(key) &&
		    asks_for_step(r, key->hash, key->zone_idx, key->qname.bytes,
				  key->qname.length_bytes))
			return idx;
		at = place_find(t, key->hash, (at + 1) & t->place_mask);
	}
	return POOL_NONE;
}

void resolution_prefetch_found(const struct resolution_table *t, uint64_t hash)
{
	uint64_t place = t->places[place_find(t, hash, home_of(t, hash))];

	if (place != PLACE_EMPTY)
		__builtin_prefetch(&t->resolutions[(uint32_t)place]);
}

/* What one that begins has in common with all others, up to its key. */
static const struct resolution fresh = {
	.state = RESOLUTION_FREE,
	.rcode = DNS_RCODE_SERVFAIL,
	.ede = DNS_EDE_NONE,
	.server_pos = -1,
	.packets_max = UPSTREAM_PACKETS_MAX,
	.slot_idx = POOL_NONE,
	.answer_idx = POOL_NONE,
	.waiter_head = POOL_NONE,
	.waiter_tail = POOL_NONE,
	.stream_tail = POOL_NONE,
	.queue_next = POOL_NONE,
	.stale_previous = POOL_NONE,
	.stale_next = POOL_NONE,
	.stale_at = MONO_NEVER,
	.resume_at = MONO_NEVER,
};

/* memcpy without its call; the last piece overlaps the one before it. */
static inline void fresh_copy(struct resolution *r)
{
	enum { BYTES = offsetof(struct resolution, key), PIECE = 16 };

#pragma GCC unroll 16
	for (size_t i = 0; i + PIECE < BYTES; i += PIECE)
		memcpy((uint8_t *)r + i, (const uint8_t *)&fresh + i, PIECE);
	memcpy((uint8_t *)r + BYTES - PIECE, (const uint8_t *)&fresh + BYTES - PIECE, PIECE);
}

uint32_t resolution_take(struct resolution_table *t, const struct resolution_key *key, mono_ns now)
{
	bool is_new = t->free.stack_count == 0;
	uint32_t idx = pool_take(&t->free);
	struct resolution *r;
	uint32_t generation;

	if (idx == POOL_NONE)
		return POOL_NONE;
	r = &t->resolutions[idx];
	generation = is_new ? 1 : r->generation + 1;
	fresh_copy(r);
	r->generation = generation;
	r->started_at = now;
	r->deadline_at = now + (CLIENT_DEADLINE_MS - RESOLUTION_MARGIN_MS) * NS_PER_MS;
	r->try_until = now;
	if (UNLIKELY(key != &r->key)) {
		memcpy(&r->key, key, offsetof(struct resolution_key, qname));
		name_copy(&r->key.qname, &key->qname);
	}
	place_add(t, key->hash, idx);
	return idx;
}

void resolution_put(struct resolution_table *t, uint32_t idx)
{
	struct resolution *r = &t->resolutions[idx];

	CHECK(r->waiting == 0 && r->answer_idx == POOL_NONE && !r->stale_queued);
	resolution_set_state(t, idx, RESOLUTION_FREE);
	r->generation++; /* handles to it end here */
	pool_put(&t->free, idx);
}

/* ---- steps ---- */

bool resolution_may_send_step(const struct resolution_table *t, uint32_t idx)
{
	const struct resolution *r = &t->resolutions[idx];
	const uint8_t *name = r->key.qname.bytes + r->asked_at;
	size_t length_bytes = r->key.qname.length_bytes - r->asked_at;
	uint32_t at = place_find(t, r->asked_hash, home_of(t, r->asked_hash));

	DCHECK(r->asks_step && r->state == RESOLUTION_SEND);
	for (; t->places[at] != PLACE_EMPTY;
	     at = place_find(t, r->asked_hash, (at + 1) & t->place_mask)) {
		uint32_t other_idx = (uint32_t)t->places[at];
		const struct resolution *other = &t->resolutions[other_idx];

		if (other_idx == idx)
			continue;
		if (asks_for_step(other, r->asked_hash, r->key.zone_idx, name, length_bytes))
			return false;
		if (other->key.hash == r->asked_hash && is_for_step(&other->key) &&
		    other->key.zone_idx == r->key.zone_idx &&
		    other->key.qname.length_bytes == length_bytes &&
		    memcmp(other->key.qname.bytes, name, length_bytes) == 0)
			return false;
	}
	/* With a place for each of so many resolutions three quarters are taken at most. */
	return t->step_count < t->free.capacity / 2;
}

void resolution_end_step(struct resolution_table *t, uint32_t idx)
{
	struct resolution *r = &t->resolutions[idx];

	if (r->state == RESOLUTION_WAIT) {
		place_remove(t, r->asked_hash, idx);
		t->step_count--;
	}
	r->asks_step = false;
}

/* ---- invariants ---- */

void resolution_check(const struct resolution_table *t)
{
	uint32_t placed = 0;
	uint32_t active = 0, steps = 0;

	for (uint32_t at = 0; at <= t->place_mask; at++) {
		uint64_t place = t->places[at];
		const struct resolution *r;

		if (place == PLACE_EMPTY)
			continue;
		CHECK((uint32_t)place < t->free.fresh);
		r = &t->resolutions[(uint32_t)place];
		CHECK(place == place_of(r->key.hash, (uint32_t)place) ||
		      (r->asks_step && place == place_of(r->asked_hash, (uint32_t)place)));
		for (uint32_t i = home_of(t, place); i != at; i = (i + 1) & t->place_mask)
			CHECK(t->places[i] != PLACE_EMPTY && t->places[i] != place);
		CHECK(r->state == RESOLUTION_SEND || r->state == RESOLUTION_WAIT ||
		      r->state == RESOLUTION_PAUSE || r->state == RESOLUTION_ASK);
		CHECK(r->state != RESOLUTION_ASK || r->has_iteration);
		CHECK((r->slot_idx != POOL_NONE) == (r->state == RESOLUTION_WAIT));
		CHECK(r->packets <= UPSTREAM_PACKETS_MAX);
		CHECK(!r->from_cache);
		placed++;
	}
	for (uint32_t i = 0; i < t->free.fresh; i++) {
		const struct resolution *r = &t->resolutions[i];

		CHECK((r->waiter_count == 0) == (r->waiter_head == POOL_NONE));
		CHECK(r->stream_tail == POOL_NONE || r->apart_count > 0);
		CHECK(r->tcp_tries <= UPSTREAM_TCP_TRIES_MAX);
		CHECK(!r->stale_queued ||
		      (r->waiter_count > 0 && r->stale_at != MONO_NEVER &&
		       r->state != RESOLUTION_FREE && r->state != RESOLUTION_DONE));
		active += r->state != RESOLUTION_FREE && r->state != RESOLUTION_DONE;
		CHECK(!r->asks_step ||
		      ((r->state == RESOLUTION_SEND || r->state == RESOLUTION_WAIT) &&
		       r->iterates && r->asked_at > 0 && r->asked_at < r->key.qname.length_bytes));
		steps += r->asks_step && r->state == RESOLUTION_WAIT;
	}
	CHECK(steps == t->step_count);
	CHECK(active + steps == placed);
}
