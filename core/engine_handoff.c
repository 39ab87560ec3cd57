/* What goes to other workers and comes from them. A question goes to the worker that owns it, with all that its
 * answer needs, so that the owner answers the client itself and identical questions from everywhere meet in one
 * place. It is written over the packet that it came in: the owner has a buffer for its query at hand, and
 * only a pointer crosses between cores. A packet that is for another worker goes there as it came. */
#include "engine_hit.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* What travels; of the name, last, only the bytes that there are. */
struct passed_question {
	struct waiter waiter;
	struct resolution_key key;
};
#define PASSED_FIXED_BYTES (offsetof(struct passed_question, key.qname.bytes))
static_assert(offsetof(struct passed_question, key.qname) + sizeof(struct name) + sizeof(uint64_t) >
		      sizeof(struct passed_question),
	      "the name is last, but for padding");

/* Out of the packet, which is as long as its name. */
static inline void take_name(const struct rx_slot *slot, struct name *out)
{
	struct buffer room = engine_room(slot);

	name_copy_plain(out, (struct span){room.data, room.capacity_bytes}, PASSED_FIXED_BYTES,
			slot->length_bytes - PASSED_FIXED_BYTES);
}

uint8_t engine_owner(const struct engine *e, uint64_t question_hash)
{
	return (uint8_t)((question_hash >> 32) % e->worker_count);
}

static void pass(struct engine *e, struct rx_slot *slot, uint8_t to_worker, enum rx_kind kind,
		 enum counter outcome)
{
	DCHECK(to_worker != e->worker_idx && to_worker < e->worker_count);
	slot->to_worker = to_worker;
	slot->kind = (uint8_t)kind;
	engine_end(e, slot, outcome, RX_WORKER);
}

void engine_packet_pass(struct engine *e, struct rx_slot *slot, uint8_t to_worker)
{
	pass(e, slot, to_worker, RX_PASSED_PACKET, COUNTER_PACKET_HANDED_OFF);
}

void engine_question_pass(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
			  const struct waiter *waiter)
{
	uint32_t length_bytes = PASSED_FIXED_BYTES + key->qname.length_bytes;

	if (!slot->in_place || engine_room(slot).capacity_bytes < length_bytes) {
		engine_end(e, slot, COUNTER_DROP_NO_ROOM, RX_FREE);
		return;
	}
	memcpy(slot->data + offsetof(struct passed_question, waiter), waiter, sizeof(*waiter));
	memcpy(slot->data + offsetof(struct passed_question, key), key,
	       offsetof(struct resolution_key, qname.bytes) + key->qname.length_bytes);
	slot->length_bytes = length_bytes;
	pass(e, slot, engine_owner(e, key->hash), RX_PASSED_QUESTION, COUNTER_QUESTION_HANDED_OFF);
}

/* A ring that has been full is so for a while: until the others have caught up nobody's question is worth losing for whom
 * there is an answer, if an old one. Which of the rings it was is not asked: where one is full the others are, as
 * questions are spread evenly. */
#define WAYS_FULL_NS (10 * NS_PER_MS)

bool engine_ways_full(const struct engine *e)
{
	return e->now < e->ways_full_until;
}

static enum counter counted_as(enum rx_kind kind)
{
	switch (kind) {
	case RX_PASSED_QUESTION:
		return COUNTER_QUESTION_HANDED_OFF;
	case RX_PASSED_SUB_QUESTION:
	case RX_PASSED_SUB_ANSWER:
		return COUNTER_SUB_PASSED;
	case RX_PASSED_PACKET:
	case RX_PACKET:
	case RX_KIND_COUNT:
		break;
	}
	CHECK(kind == RX_PASSED_PACKET);
	return COUNTER_PACKET_HANDED_OFF;
}

void engine_not_passed(struct engine *e, enum rx_kind kind, unsigned count)
{
	enum counter counted = counted_as(kind);

	CHECK(e->counters.value[counted] >= count);
	e->counters.value[counted] -= count;
	/* What we passed of ourselves is no packet that we received. */
	counter_add(&e->counters,
		    counted == COUNTER_SUB_PASSED ? COUNTER_SUB_LOST : COUNTER_DROP_HANDOFF_FULL,
		    count);
	if (kind == RX_PASSED_QUESTION)
		e->ways_full_until = e->now + WAYS_FULL_NS;
}

void engine_passed_look(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct resolution_key key;

	/* Written by an engine of ours: no bytes of the network. */
	CHECK(slot->length_bytes > PASSED_FIXED_BYTES &&
	      slot->length_bytes <= sizeof(struct passed_question));
	memcpy(&key, slot->data + offsetof(struct passed_question, key),
	       offsetof(struct resolution_key, qname));
	e->work[i].stage = ENGINE_RX_PASSED_QUESTION;
	/* The name is in lower case, and all engines hash alike. */
	take_name(slot, engine_key_name_mut(&e->keys[i]));
	cache_key_set(&e->keys[i], key.qtype, 0, key.checking_disabled,
		      (uint8_t)(slot->length_bytes - PASSED_FIXED_BYTES));
	e->keys[i].hash = key.hash;
	engine_hit_look_key(e, i, 0);
}

void engine_passed(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct passed_question question;

	memcpy(&question, slot->data, offsetof(struct passed_question, key.qname));
	take_name(slot, &question.key.qname);
	/* That packet is of whoever carries TCP: nothing of ours leaves in it. */
	if (UNLIKELY(question.waiter.kind == WAITER_STREAM))
		slot->in_place = false;
	switch (engine_hit_passed(e, slot, i, &question.key, &question.waiter)) {
	case ENGINE_HIT_ANSWERED:
		return;
	case ENGINE_HIT_NONE:
	case ENGINE_HIT_FOR_OWNER: /* which we are */
		engine_resolve(e, slot, &question.key, &question.waiter, NULL);
		return;
	case ENGINE_HIT_STALE:
		engine_resolve(e, slot, &question.key, &question.waiter, e->entry);
		return;
	}
}
