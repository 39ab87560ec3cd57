/* Where hardly a resolution is left for new questions, those that have waited longest are given up (SECURITY.md table 1.1): who
 * asks what can be answered does not wait for who asks servers that never answer. */
#include "engine_state.h"

/* So many are kept for what the next turns bring, or this share of all if that is less. */
#define SHED_RESERVE 256
#define SHED_RESERVE_SHARE 8
/* Whoever has waited less may still be answered: a server that nothing is known of has had its time. */
#define SHED_AGE_MS 400
/* Of a turn. */
#define SHEDS_MAX 64
/* Of these the oldest is given up. Places are taken again in the order in which the hand has freed them, so that it walks
 * from the old to the young once it has been round. */
#define SHED_LOOKS 16

uint32_t engine_shed_above(uint32_t under_way_max)
{
	uint32_t reserve = under_way_max / SHED_RESERVE_SHARE;

	return under_way_max - (reserve < SHED_RESERVE ? reserve : SHED_RESERVE);
}

/* What is to be sent, or answered, is on its way already; over TCP somebody else holds a part of it. */
static bool may_be_shed(const struct engine *e, const struct resolution *r)
{
	switch ((enum resolution_state)r->state) {
	case RESOLUTION_WAIT:
		return e->inflight.slots[r->slot_idx].transport == INFLIGHT_UDP;
	case RESOLUTION_PAUSE:
	case RESOLUTION_ASK:
		return true;
	case RESOLUTION_FREE:
	case RESOLUTION_SEND:
	case RESOLUTION_DONE:
	case RESOLUTION_STATE_COUNT:
		break;
	}
	return false;
}

/* The oldest of the next few; POOL_NONE: none is old. */
static uint32_t oldest(struct engine *e)
{
	mono_ns before = e->now - SHED_AGE_MS * NS_PER_MS;
	uint32_t found = POOL_NONE;

	for (unsigned looks = 0; looks < SHED_LOOKS; looks++) {
		uint32_t idx = e->shed_hand;
		const struct resolution *r = &e->resolutions.resolutions[idx];

		e->shed_hand = idx + 1 < e->resolutions.free.fresh ? idx + 1 : 0;
		if (r->started_at >= before || !may_be_shed(e, r))
			continue;
		before = r->started_at;
		found = idx;
	}
	return found;
}

static void shed(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	counter_add(&e->counters, COUNTER_SHED_OLD, 1);
	if (r->state == RESOLUTION_WAIT) {
		uint32_t slot_idx = r->slot_idx;

		counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
		engine_slot_end(e, slot_idx, true);
		server_on_cancelled(&e->servers, e->inflight.slots[slot_idx].server_idx, false);
	} else if (r->state == RESOLUTION_PAUSE) {
		timer_cancel(&e->timers, engine_resolution_timer(e, idx));
	}
	resolution_on_hindered(&e->resolutions, idx);
	engine_step(e, idx,
		    resolution_on_given_up(&e->resolutions, idx, DNS_EDE_NO_REACHABLE_AUTHORITY),
		    NULL);
}

void engine_shed(struct engine *e)
{
	uint32_t used = pool_used_count(&e->resolutions.free);
	/* Those in the queue have their end, and leave when it is sent. */
	uint32_t stays = used - e->answer_queue.count;

	if (e->shed_at == e->now)
		return;
	e->shed_at = e->now;
	for (unsigned left = SHEDS_MAX; left > 0 && stays > e->shed_above; left--, stays--) {
		uint32_t idx = oldest(e);

		if (idx == POOL_NONE)
			return;
		shed(e, idx);
	}
}
