/* Steps that whoever needs them asks itself. Where a step's question is this worker's, nobody asks it yet and the cache has nothing
 * of it, the resolution sends its query as if it were its own, and nearly always gets what it needs by that: a referral to
 * the zone of that name. That saves a resolution, a waiter and two turns through the queue.
 *
 * While the query is under way the resolution is found by the step's question, too: no question is asked twice at a time. When
 * somebody else asks it, or anything but that referral becomes of the query, the step is given a resolution of its own
 * (engine_sub_here_part), which has the query from then on, and whose asker waits for it: as if it had been begun so. */
#include "engine_hit.h"
#include "engine_sub.h"
#include "local_name.h"

bool engine_sub_here_may(const struct engine *e, uint32_t idx, const struct name *name,
			 uint64_t hash)
{
	const struct resolution *r = engine_sub_resolution(e, idx);
	const struct iteration *it = &e->iterations[idx];
	const struct sub_state *s = engine_sub_state_find(e, idx);

	return engine_owner(e, hash) == e->worker_idx && !engine_cache_may_have(e, hash) &&
	       (it->cut.flags & ZONE_CUT_STUB) == 0 && !r->traced && !local_name_may_be(name) &&
	       /* Guesses at its own queries, and what became of those, are its own. */
	       r->near_misses == 0 && r->case_losses == 0 && r->packets < r->packets_max &&
	       engine_zone_for(e->config, name) == r->key.zone_idx &&
	       (s == NULL || !engine_sub_is_among(hash, s->ancestors, s->ancestor_count));
}

/* It goes to the queue. */
static void ask_other(struct engine *e, uint32_t idx, const struct sub_question *q)
{
	e->iterations[idx].wait = ITERATION_WAIT_STEP;
	engine_sub_ask(e, idx, q);
}

void engine_sub_here_leave(struct engine *e, uint32_t idx)
{
	const struct resolution *r = engine_sub_resolution(e, idx);
	struct sub_question q;

	engine_iterate_step(e, idx, r->asked_at, r->asked_hash, &q);
	resolution_on_ask(&e->resolutions, idx);
	engine_iterate_hand_over(e, idx);
	ask_other(e, idx, &q);
}

/* The query is given up, for want of room. */
static void cancel(struct engine *e, uint32_t slot_idx)
{
	counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
	engine_slot_end(e, slot_idx, true);
	server_on_cancelled(&e->servers, e->inflight.slots[slot_idx].server_idx, false);
}

uint32_t engine_sub_here_part(struct engine *e, uint32_t idx)
{
	struct resolution *r = engine_sub_resolution(e, idx);
	uint32_t slot_idx = r->slot_idx;
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	struct sub_question q;
	uint32_t own_idx = POOL_NONE;

	DCHECK(r->asks_step && r->state == RESOLUTION_WAIT);
	iteration_unsend(&e->iterations[idx], r);
	engine_iterate_step(e, idx, r->asked_at, r->asked_hash, &q);
	resolution_on_ask(&e->resolutions, idx);
	/* Else a reload has changed its zone: it comes to know when it goes on. */
	if (resolution_has_zone(r, e->config))
		own_idx = engine_sub_part(e, idx, &q);
	if (own_idx == POOL_NONE) {
		cancel(e, slot_idx);
		engine_iterate_hand_over(e, idx);
		ask_other(e, idx, &q);
		return POOL_NONE;
	}
	e->iterations[idx].wait = ITERATION_WAIT_STEP;
	counter_add(&e->counters, COUNTER_SUB_NEW, 1);
	if (!engine_iterate_take_over(e, idx, own_idx)) {
		cancel(e, slot_idx);
		engine_iterate_hand_over(e, idx);
		engine_step(e, own_idx, engine_iterate_refuse(e, own_idx), NULL);
		return POOL_NONE;
	}
	resolution_on_taken_over(&e->resolutions, own_idx, r, slot_idx);
	slot->resolution_idx = own_idx;
	slot->resolution_generation = engine_sub_resolution(e, own_idx)->generation;
	return own_idx;
}

bool engine_sub_here_is_referral(const struct engine *e, const struct inflight_slot *sent,
				 const struct msg_response *response, bool has_name)
{
	return has_name && response->qtype == sent->qtype && response->qclass == sent->qclass &&
	       (response->flags & (DNS_RCODE_MASK | DNS_FLAG_TC)) == DNS_RCODE_NOERROR &&
	       response->edns.extended_rcode == 0 && response->answer_count == 0 &&
	       response->authority_count > 0 &&
	       !server_is_doubted(&e->servers, sent->server_idx, e->now);
}
