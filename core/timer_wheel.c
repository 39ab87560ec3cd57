#include "timer_wheel.h"

#include <assert.h>
#include <string.h>

#define NONE UINT32_MAX
#define SLOT_BITS 8
#define SLOT_MASK (TIMER_SLOTS - 1)
#define TOP (TIMER_LEVELS - 1)
#define BITMAP_WORDS (TIMER_SLOTS / 64)

static_assert(1 << SLOT_BITS == TIMER_SLOTS, "a level's slot is a byte of the tick");

/* Where a timer is: level * TIMER_SLOTS + slot, or one of these. */
#define PLACE_EXPIRED (TIMER_LEVELS * TIMER_SLOTS)
#define PLACE_UNLINKED (PLACE_EXPIRED + 1)

#define NOT_SET UINT64_MAX

struct timer_node {
	uint64_t
		tick; /* the deadline, rounded up; not before the wheel's when it was set; or NOT_SET */
	uint64_t at;   /* what it is linked by: tick, or an earlier one (see the header) */
	uint32_t prev; /* in its list; NONE: it is the head */
	uint32_t next;
	uint32_t place;
};

size_t timer_wheel_memory_bytes(uint32_t timer_count)
{
	return (size_t)timer_count * sizeof(struct timer_node);
}

void timer_wheel_init(struct timer_wheel *w, void *memory, uint32_t timer_count, mono_ns now)
{
	CHECK(timer_count < NONE);
	memset(w, 0, sizeof(*w));
	w->nodes = memory;
	w->timer_count = timer_count;
	w->now = now;
	w->tick = now >> TIMER_TICK_SHIFT;
	w->expired = NONE;
	w->expired_tail = NONE;
	memset(w->slots, 0xff, sizeof(w->slots));
	for (uint32_t i = 0; i < timer_count; i++)
		w->nodes[i] = (struct timer_node){
			.tick = NOT_SET, .prev = NONE, .next = NONE, .place = PLACE_UNLINKED};
}

/* The slot for a tick that is not before the wheel's. */
static uint32_t timer_place(const struct timer_wheel *w, uint64_t tick)
{
	uint64_t differs = tick ^ w->tick;
	uint64_t blocks;

	if (differs < TIMER_SLOTS)
		return (uint32_t)(tick & SLOT_MASK);
	if (differs < UINT64_C(1) << (2 * SLOT_BITS))
		return TIMER_SLOTS + (uint32_t)((tick >> SLOT_BITS) & SLOT_MASK);
	if (differs < UINT64_C(1) << (3 * SLOT_BITS))
		return 2 * TIMER_SLOTS + (uint32_t)((tick >> (2 * SLOT_BITS)) & SLOT_MASK);
	/* The ring: 1 to 255 slots ahead of the wheel's own, never that one itself. */
	blocks = (tick >> (TOP * SLOT_BITS)) - (w->tick >> (TOP * SLOT_BITS));
	if (blocks > SLOT_MASK)
		blocks = SLOT_MASK;
	return TOP * TIMER_SLOTS +
	       (uint32_t)(((w->tick >> (TOP * SLOT_BITS)) + blocks) & SLOT_MASK);
}

static void timer_link(struct timer_wheel *w, uint32_t idx)
{
	struct timer_node *node = &w->nodes[idx];
	uint32_t place = timer_place(w, node->tick);
	uint32_t *head = &w->slots[place / TIMER_SLOTS][place % TIMER_SLOTS];

	node->at = node->tick;
	node->place = place;
	node->prev = NONE;
	node->next = *head;
	if (*head != NONE)
		w->nodes[*head].prev = idx;
	*head = idx;
	w->occupied[place / TIMER_SLOTS][place % TIMER_SLOTS / 64] |= UINT64_C(1) << (place % 64);
}

static void timer_unlink(struct timer_wheel *w, uint32_t idx)
{
	struct timer_node *node = &w->nodes[idx];
	uint32_t level = node->place / TIMER_SLOTS;
	uint32_t slot = node->place % TIMER_SLOTS;

	if (node->next != NONE)
		w->nodes[node->next].prev = node->prev;
	else if (node->place == PLACE_EXPIRED)
		w->expired_tail = node->prev;
	if (node->prev != NONE)
		w->nodes[node->prev].next = node->next;
	else if (node->place == PLACE_EXPIRED)
		w->expired = node->next;
	else
		w->slots[level][slot] = node->next;
	if (node->place != PLACE_EXPIRED && w->slots[level][slot] == NONE)
		w->occupied[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	node->place = PLACE_UNLINKED;
	node->prev = NONE;
	node->next = NONE;
}

void timer_set(struct timer_wheel *w, uint32_t idx, mono_ns deadline)
{
	const mono_ns part_of_tick = (UINT64_C(1) << TIMER_TICK_SHIFT) - 1;
	uint64_t tick = (deadline >> TIMER_TICK_SHIFT) + ((deadline & part_of_tick) != 0);
	struct timer_node *node = &w->nodes[idx];

	if (deadline <= w->now)
		tick = w->tick;
	CHECK(idx < w->timer_count);
	w->set_count += node->tick == NOT_SET;
	node->tick = tick;
	/* Linked by an earlier tick it is found in time, and then linked by this one. */
	if (LIKELY(node->place < PLACE_EXPIRED && node->at <= tick))
		return;
	if (node->place != PLACE_UNLINKED)
		timer_unlink(w, idx);
	timer_link(w, idx);
}

void timer_prefetch(const struct timer_wheel *w, uint32_t idx)
{
	__builtin_prefetch(&w->nodes[idx], 1);
}

void timer_cancel(struct timer_wheel *w, uint32_t idx)
{
	struct timer_node *node = &w->nodes[idx];

	CHECK(idx < w->timer_count);
	if (node->tick == NOT_SET)
		return;
	node->tick = NOT_SET;
	w->set_count--;
	if (UNLIKELY(node->place == PLACE_EXPIRED))
		timer_unlink(w, idx);
}

/* The first occupied slot of a level at or after `from`, going round; NONE: the level is empty. */
static uint32_t timer_first_slot(const uint64_t occupied[BITMAP_WORDS], uint32_t from)
{
	uint64_t word = occupied[from / 64] & (UINT64_MAX << (from % 64));

	/* One turn and the beginning of the first word again. */
	for (uint32_t i = 0; i <= BITMAP_WORDS; i++) {
		uint32_t word_idx = (from / 64 + i) % BITMAP_WORDS;

		if (i > 0)
			word = occupied[word_idx];
		if (word != 0)
			return word_idx * 64 + (uint32_t)__builtin_ctzll(word);
	}
	return NONE;
}

/* The place of the earliest occupied slot and the tick at which it begins; NONE: no timer waits. */
static uint32_t timer_first_place(const struct timer_wheel *w, uint64_t *start_tick)
{
	for (uint32_t level = 0; level < TIMER_LEVELS; level++) {
		unsigned shift = level * SLOT_BITS;
		uint32_t own = (uint32_t)(w->tick >> shift) & SLOT_MASK;
		uint32_t slot = timer_first_slot(w->occupied[level], own);

		if (slot == NONE)
			continue;
		/* Below the top every occupied slot is ahead; there the ring may have wrapped. */
		*start_tick = ((w->tick >> shift) + ((slot - own) & SLOT_MASK)) << shift;
		return level * TIMER_SLOTS + slot;
	}
	return NONE;
}

/* Empty a slot; its timers, newest first, are returned as a list. */
static uint32_t timer_slot_take(struct timer_wheel *w, uint32_t place)
{
	uint32_t level = place / TIMER_SLOTS;
	uint32_t slot = place % TIMER_SLOTS;
	uint32_t head = w->slots[level][slot];

	w->slots[level][slot] = NONE;
	w->occupied[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	return head;
}

static void timer_expire(struct timer_wheel *w, uint32_t idx)
{
	struct timer_node *node = &w->nodes[idx];

	node->place = PLACE_EXPIRED;
	node->prev = w->expired_tail;
	node->next = NONE;
	if (w->expired_tail != NONE)
		w->nodes[w->expired_tail].next = idx;
	else
		w->expired = idx;
	w->expired_tail = idx;
}

void timer_wheel_advance(struct timer_wheel *w, mono_ns now)
{
	uint64_t target, start_tick;
	uint32_t place;

	if (now > w->now)
		w->now = now;
	target = w->now >> TIMER_TICK_SHIFT;
	while ((place = timer_first_place(w, &start_tick)) != NONE && start_tick <= target) {
		uint32_t next;

		/* From here on the slot's timers differ from the wheel's tick in a lower byte. */
		w->tick = start_tick;
		for (uint32_t idx = timer_slot_take(w, place); idx != NONE; idx = next) {
			struct timer_node *node = &w->nodes[idx];

			next = node->next;
			if (node->tick == NOT_SET)
				node->place = PLACE_UNLINKED;
			else if (place < TIMER_SLOTS && node->tick <= start_tick)
				timer_expire(w, idx);
			else
				timer_link(w, idx);
		}
	}
	w->tick = target;
}

uint32_t timer_next_expired(struct timer_wheel *w)
{
	uint32_t idx = w->expired;

	if (idx != NONE) {
		timer_unlink(w, idx);
		w->nodes[idx].tick = NOT_SET;
		w->set_count--;
	}
	return idx;
}

mono_ns timer_wheel_next(const struct timer_wheel *w)
{
	uint64_t start_tick;

	if (w->expired != NONE)
		return w->tick << TIMER_TICK_SHIFT;
	if (w->set_count == 0 || timer_first_place(w, &start_tick) == NONE)
		return MONO_NEVER;
	if (start_tick > MONO_NEVER >> TIMER_TICK_SHIFT)
		return MONO_NEVER;
	return start_tick << TIMER_TICK_SHIFT;
}

uint32_t timer_wheel_lingering(const struct timer_wheel *w)
{
	uint32_t count = 0;

	for (uint32_t idx = 0; idx < w->timer_count; idx++)
		count += w->nodes[idx].place < PLACE_EXPIRED &&
			 w->nodes[idx].at != w->nodes[idx].tick;
	return count;
}

/* Check one list; returns how many timers are in it. *set_count: how many of them are set, added. */
static uint32_t timer_list_check(const struct timer_wheel *w, uint32_t head, uint32_t place,
				 uint32_t *set_count)
{
	uint32_t count = 0;
	uint32_t prev = NONE;

	for (uint32_t idx = head; idx != NONE; idx = w->nodes[idx].next) {
		const struct timer_node *node = &w->nodes[idx];

		CHECK(idx < w->timer_count);
		CHECK(count < w->timer_count); /* no ring */
		CHECK(node->prev == prev);
		CHECK(node->place == place);
		if (place == PLACE_EXPIRED)
			CHECK(node->tick <= w->tick);
		else
			CHECK(node->at >= w->tick && node->at <= node->tick);
		/* A timer of the last slot of the ring may have come nearer since; all others are
		 * where they would be put now. */
		if (place < TOP * TIMER_SLOTS)
			CHECK(timer_place(w, node->at) == place);
		*set_count += node->tick != NOT_SET;
		prev = idx;
		count++;
	}
	if (place == PLACE_EXPIRED)
		CHECK(w->expired_tail == prev);
	return count;
}

void timer_wheel_check(const struct timer_wheel *w)
{
	uint32_t set = 0;
	uint32_t linked = timer_list_check(w, w->expired, PLACE_EXPIRED, &set);
	uint32_t unlinked = 0;

	for (uint32_t level = 0; level < TIMER_LEVELS; level++)
		for (uint32_t slot = 0; slot < TIMER_SLOTS; slot++) {
			uint32_t head = w->slots[level][slot];

			CHECK(((w->occupied[level][slot / 64] >> (slot % 64)) & 1) ==
			      (head != NONE));
			linked += timer_list_check(w, head, level * TIMER_SLOTS + slot, &set);
		}
	for (uint32_t idx = 0; idx < w->timer_count; idx++) {
		CHECK(w->nodes[idx].place != PLACE_UNLINKED || w->nodes[idx].tick == NOT_SET);
		unlinked += w->nodes[idx].place == PLACE_UNLINKED;
	}
	CHECK(set == w->set_count);
	CHECK(linked + unlinked == w->timer_count);
}
