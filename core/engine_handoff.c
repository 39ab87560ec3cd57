/* Questions that another worker owns: they go there by value, with all that their answer needs, so that the owner
 * answers the client itself. Identical questions from everywhere meet in one place. */
#include "engine_state.h"

#include <assert.h>
#include <string.h>

/* What travels in handoff.bytes. */
struct handoff_question {
	struct waiter waiter;
	struct resolution_key key;
};
static_assert(sizeof(struct handoff_question) <= sizeof(((struct handoff *)0)->bytes),
	      "a question fits in one message");

uint8_t engine_owner(const struct engine *e, uint64_t question_hash)
{
	return (uint8_t)((question_hash >> 32) % e->worker_count);
}

bool engine_handoff_question(struct engine *e, uint8_t owner, const struct resolution_key *key,
			     const struct waiter *waiter)
{
	struct handoff_question question = {.waiter = *waiter, .key = *key};
	struct handoff *message;

	if (e->outbox_count == HANDOFF_OUTBOX_SIZE)
		return false;
	message = &e->outbox[(e->outbox_head + e->outbox_count) % HANDOFF_OUTBOX_SIZE];
	message->to_worker = owner;
	message->from_worker = e->worker_idx;
	message->length_bytes = sizeof(question);
	memcpy(message->bytes, &question, sizeof(question));
	e->outbox_count++;
	return true;
}

unsigned engine_handoff_out(struct engine *e, struct handoff out[], unsigned count)
{
	unsigned taken = 0;

	for (; taken < count && e->outbox_count > 0; taken++) {
		out[taken] = e->outbox[e->outbox_head];
		e->outbox_head = (e->outbox_head + 1) % HANDOFF_OUTBOX_SIZE;
		e->outbox_count--;
	}
	return taken;
}

void engine_handoff_in(struct engine *e, const struct handoff in[], unsigned count, mono_ns now)
{
	DCHECK(now >= e->now);
	e->now = now;
	for (unsigned i = 0; i < count; i++) {
		struct handoff_question question;
		uint32_t resolution_idx;
		enum counter outcome;

		CHECK(in[i].to_worker == e->worker_idx && in[i].length_bytes == sizeof(question));
		memcpy(&question, in[i].bytes, sizeof(question));
		outcome = engine_wait(e, &question.key, &question.waiter, &resolution_idx);
		/* A message is no packet: it counts as one received, so that outcomes add up. */
		counter_add(&e->counters, COUNTER_HANDOFFS, 1);
		counter_add(&e->counters, COUNTER_RX_PACKETS, 1);
		counter_add(&e->counters, outcome, 1);
		if (resolution_idx != POOL_NONE)
			engine_queue_push(e, &e->send_queue, resolution_idx);
	}
}
