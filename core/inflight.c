/* One worker's private side: slots, and the order in which late ones end. */
#include "inflight.h"

#define NONE UINT32_MAX

size_t inflight_memory_bytes(uint32_t slot_count)
{
	return (size_t)slot_count * sizeof(struct inflight_slot) + pool_memory_bytes(slot_count);
}

void inflight_init(struct inflight *f, void *memory, uint32_t slot_count, uint8_t owner,
		   struct inflight_words *words)
{
	CHECK(slot_count >= 1 && slot_count <= UNDER_WAY_MAX);
	CHECK(owner < WORKERS_MAX);
	*f = (struct inflight){
		.words = words,
		.slots = memory,
		.slot_count = slot_count,
		.late_head = NONE,
		.late_tail = NONE,
		.owner = owner,
	};
	pool_init(&f->free, f->slots + slot_count, slot_count);
	for (uint32_t i = 0; i < slot_count; i++) {
		struct inflight_slot *s = &f->slots[i];

		s->state = INFLIGHT_SLOT_FREE;
		s->generation = 0;
		s->position = INFLIGHT_NO_POSITION;
		s->aim_position = INFLIGHT_NO_POSITION;
		s->resolution_idx = NONE;
		s->resolution_generation = 0;
		s->next = NONE;
	}
}

static void aim_remove(struct inflight *f, struct inflight_slot *s)
{
	if (LIKELY(s->aim_position == INFLIGHT_NO_POSITION))
		return;
	inflight_remove(f->words, s->aim_position);
	s->aim_position = INFLIGHT_NO_POSITION;
}

/* The only place that makes a slot free: everything that names something else goes. */
static void slot_free(struct inflight *f, uint32_t slot)
{
	struct inflight_slot *s = &f->slots[slot];

	aim_remove(f, s);
	s->state = INFLIGHT_SLOT_FREE;
	s->position = INFLIGHT_NO_POSITION;
	s->resolution_idx = NONE;
	s->resolution_generation = 0;
	s->next = NONE;
	pool_put(&f->free, slot);
}

static struct inflight_slot *slot_live(struct inflight *f, uint32_t slot)
{
	CHECK(slot < f->slot_count);
	CHECK(f->slots[slot].state == INFLIGHT_SLOT_LIVE);
	return &f->slots[slot];
}

static void word_check(const struct inflight *f, uint32_t slot)
{
	const struct inflight_slot *s = &f->slots[slot];
	uint64_t word = inflight_word(f->words, s->position);

	CHECK(inflight_word_names(word, f->owner, (uint16_t)slot));
	CHECK(inflight_word_is_late(word) == (s->state == INFLIGHT_SLOT_LATE));
	if (s->aim_position == INFLIGHT_NO_POSITION)
		return;
	CHECK(s->state == INFLIGHT_SLOT_LIVE && s->aim_position != s->position);
	word = inflight_word(f->words, s->aim_position);
	CHECK(inflight_word_names(word, f->owner, (uint16_t)slot) && !inflight_word_is_late(word));
}

/* Free the oldest late slot and its word. */
static void late_free_oldest(struct inflight *f)
{
	uint32_t slot = f->late_head;
	struct inflight_slot *s = &f->slots[slot];

	inflight_remove(f->words, s->position);
	f->late_head = s->next;
	if (f->late_head == NONE)
		f->late_tail = NONE;
	f->late_count--;
	slot_free(f, slot);
}

uint32_t inflight_take(struct inflight *f)
{
	uint32_t slot;
	struct inflight_slot *s;

	if (UNLIKELY(pool_used_count(&f->free) == f->slot_count) && f->late_head != NONE)
		late_free_oldest(f);
	slot = pool_take(&f->free);
	if (slot == POOL_NONE)
		return NONE;
	s = &f->slots[slot];
	f->live_count++;
	s->state = INFLIGHT_SLOT_LIVE;
	s->generation++;
	return slot;
}

void inflight_put(struct inflight *f, uint32_t slot)
{
	(void)slot_live(f, slot);
	f->live_count--;
	slot_free(f, slot);
}

void inflight_done(struct inflight *f, uint32_t slot)
{
	struct inflight_slot *s = slot_live(f, slot);

	CHECK(s->position != INFLIGHT_NO_POSITION);
	DCHECK(inflight_word_names(inflight_word(f->words, s->position), f->owner, (uint16_t)slot));
	inflight_remove(f->words, s->position);
	f->live_count--;
	slot_free(f, slot);
}

void inflight_late(struct inflight *f, uint32_t slot, mono_ns until)
{
	struct inflight_slot *s = slot_live(f, slot);

	CHECK(s->position != INFLIGHT_NO_POSITION);
	inflight_mark_late(f->words, s->position);
	aim_remove(f, s);
	f->live_count--;
	f->late_count++;
	s->state = INFLIGHT_SLOT_LATE;
	s->resolution_idx = NONE;
	s->resolution_generation = 0;
	s->late_until = until;
	s->next = NONE;
	if (f->late_tail == NONE) {
		f->late_head = slot;
	} else {
		struct inflight_slot *last = &f->slots[f->late_tail];

		if (s->late_until < last->late_until)
			s->late_until = last->late_until;
		last->next = slot;
	}
	f->late_tail = slot;
}

void inflight_expire_late(struct inflight *f, mono_ns now, unsigned budget)
{
	for (; budget > 0 && f->late_head != NONE && inflight_next_late(f) <= now; budget--)
		late_free_oldest(f);
}

mono_ns inflight_next_late(const struct inflight *f)
{
	return f->late_head == NONE ? MONO_NEVER : f->slots[f->late_head].late_until;
}

static void free_check(const struct inflight *f, uint32_t free_count)
{
	uint32_t count = 0;

	CHECK(f->slot_count - pool_used_count(&f->free) == free_count);
	for (uint32_t i = 0; i < f->free.stack_count; i++) {
		CHECK(f->free.stack[i] < f->slot_count);
		CHECK(f->slots[f->free.stack[i]].state == INFLIGHT_SLOT_FREE);
	}
	for (uint32_t i = 0; i < f->slot_count; i++) {
		if (f->slots[i].state != INFLIGHT_SLOT_FREE)
			continue;
		CHECK(f->slots[i].position == INFLIGHT_NO_POSITION);
		CHECK(f->slots[i].aim_position == INFLIGHT_NO_POSITION);
		count++;
	}
	CHECK(count == free_count);
}

static void late_list_check(const struct inflight *f)
{
	uint32_t count = 0;
	uint32_t last = NONE;

	for (uint32_t i = f->late_head; i != NONE; i = f->slots[i].next) {
		CHECK(i < f->slot_count);
		CHECK(f->slots[i].state == INFLIGHT_SLOT_LATE);
		CHECK(last == NONE || f->slots[last].late_until <= f->slots[i].late_until);
		CHECK(++count <= f->late_count);
		word_check(f, i);
		last = i;
	}
	CHECK(count == f->late_count);
	CHECK(last == f->late_tail);
}

void inflight_check(const struct inflight *f)
{
	uint32_t live = 0;

	for (uint32_t i = 0; i < f->slot_count; i++) {
		if (f->slots[i].state != INFLIGHT_SLOT_LIVE)
			continue;
		live++;
		if (f->slots[i].position != INFLIGHT_NO_POSITION)
			word_check(f, i);
		else
			CHECK(f->slots[i].aim_position == INFLIGHT_NO_POSITION);
	}
	CHECK(live == f->live_count);
	CHECK(f->live_count + f->late_count <= f->slot_count);
	free_check(f, f->slot_count - f->live_count - f->late_count);
	late_list_check(f);
}
