/* What the engine's own files share of iteration: zone cuts in the cache, what a question does next, what of a reply is believed, and
 * sub-questions. Not for drivers.
 */
#ifndef PORTICO_ENGINE_ITERATE_H
#define PORTICO_ENGINE_ITERATE_H

#include "engine_state.h"

/* ---- engine_cut.c ---- */

/* The keyed hash of a resolution's name, which iterates, from the label on that begins at `at`: made once, for its own and the
 * next ones. */
uint64_t engine_name_hash(struct engine *e, uint32_t idx, size_t at);
/* Of a resolution whose iteration has just begun: those that engine_cut_look has made, or engine_name_ahead was told. */
void engine_name_hashes_begin(struct engine *e, uint32_t idx);
/* A question of that key's hash is about to be asked, whose name has this one. */
void engine_name_ahead(struct engine *e, uint64_t question_hash, uint64_t hash);

/* The deepest cut that is known and fresh, at or above a resolution's name from `at` on, of a zone whose name has more than
 * bytes_above bytes. */
MUST_USE bool engine_cut_find(struct engine *e, uint32_t idx, size_t at, unsigned bytes_above,
			      struct zone_cut *out);
/* The hash that a zone's cut is kept under: struct zone_cut's. */
uint64_t engine_cut_hash(const struct engine *e, const struct name *zone);
/* The same of a zone at or above a resolution's name: from `at` on. */
uint64_t engine_cut_hash_of(struct engine *e, uint32_t idx, size_t at);
/* Made is its hash, if it is to be kept and has none. */
void engine_cut_store(struct engine *e, struct zone_cut *cut);

/* ---- engine_iterate.c ---- */

/* A resolution that was just taken, of a zone that iterates: state ASK, with nothing asked yet. q NULL: for a client, or
 * nobody. */
void engine_iterate_init(struct engine *e, uint32_t idx, const struct sub_question *q);
/* STEP_ITERATE: what is next. SEND, KEEP (it has asked another question), FAIL, or ANSWER: *found, which holds until the next
 * call, or of no use where nobody waits. */
enum resolution_step engine_iterate_advance(struct engine *e, uint32_t idx,
					    struct msg_response *found);
/* A resolution that was just taken for a sub-question, which waits for it already: its first step, whatever its zone is. */
void engine_iterate_begin(struct engine *e, uint32_t idx, const struct sub_question *q);
/* Somebody joins one under way, and waits already. q NULL: a client. */
void engine_iterate_join(struct engine *e, uint32_t idx, const struct sub_question *q);
/* What is left of its budget. */
void engine_iterate_left(struct engine *e, uint32_t idx, struct budget *out);
/* The answer to what it has asked. */
void engine_iterate_on_sub(struct engine *e, uint32_t asker_idx, const struct sub_answer *a);
/* The cut at hand of a resolution that iterates; NULL: it does not. */
const struct zone_cut *engine_iterate_cut(const struct engine *e, uint32_t idx);
/* This has come as a reply to it, to be judged yet. */
void engine_iterate_on_bytes(struct engine *e, uint32_t idx, const struct msg_response *response);
/* It has failed: was that for want of time, or of TCP? */
void engine_iterate_on_fail(struct engine *e, uint32_t idx);
/* It is DONE: let go of what it holds, but for its waiters. */
void engine_iterate_on_end(struct engine *e, uint32_t idx);
/* One of a forward zone may ask others, too, from now on. */
void engine_iterate_take_part(struct engine *e, uint32_t idx);
/* This cut is at hand from now on. */
void engine_iterate_adopt(struct engine *e, uint32_t idx, const struct zone_cut *cut);
/* Ends it: a budget, of which *which counts, is used up. */
enum resolution_step engine_iterate_stop(struct engine *e, uint32_t idx, enum counter which);
void engine_iterate_check(const struct engine *e);

/* The question for a step of the resolution: its name from `at` on; hash: its key's. */
void engine_iterate_step(struct engine *e, uint32_t idx, size_t at, uint64_t hash,
			 struct sub_question *out);
/* `to`, which has begun for a step of `from`, asks the servers that `from` has asked so far. False: it may not. */
MUST_USE bool engine_iterate_take_over(struct engine *e, uint32_t from, uint32_t to);

/* Another asks for its step: it lets go of the servers, and of the root's share, which who waits for others has none of. */
void engine_iterate_hand_over(struct engine *e, uint32_t idx);
/* Too many wait for its zone already. */
enum resolution_step engine_iterate_refuse(struct engine *e, uint32_t idx);

/* ---- engine_sub_here.c ---- */

/* The step that a resolution in state WAIT asks for itself becomes a resolution of its own, whose query is now the one under way,
 * and which it waits for. Returns that; POOL_NONE: there is no room; its query has ended, and it asks anew in a later turn. */
uint32_t engine_sub_here_part(struct engine *e, uint32_t idx);
/* The resolution that asks this question, to be joined; POOL_NONE: none does. */
static inline uint32_t engine_find(struct engine *e, const struct resolution_key *key)
{
	uint32_t idx = resolution_find(&e->resolutions, key);

	if (idx != POOL_NONE && UNLIKELY(e->resolutions.resolutions[idx].key.hash != key->hash))
		return engine_sub_here_part(e, idx);
	return idx;
}
/* Something has become of a query other than the referral that a step is asked for: it is that of the question that it asks.
 * False: it was a step's, and there was no room for that: the query has ended. */
static inline bool engine_slot_apart(struct engine *e, const struct inflight_slot *slot)
{
	return LIKELY(slot->resolution_idx == ENGINE_NO_RESOLUTION ||
		      !e->resolutions.resolutions[slot->resolution_idx].asks_step) ||
	       engine_sub_here_part(e, slot->resolution_idx) != POOL_NONE;
}

/* May the resolution ask for a step of this name, whose key has this hash, itself? */
bool engine_sub_here_may(const struct engine *e, uint32_t idx, const struct name *name,
			 uint64_t hash);
/* SEND: it may after all not. Asked as any other sub-question is. */
void engine_sub_here_leave(struct engine *e, uint32_t idx);
/* Is that all that it can be, the referral that a step is asked for? has_name: its name is the query's, byte for byte. */
bool engine_sub_here_is_referral(const struct engine *e, const struct inflight_slot *sent,
				 const struct msg_response *response, bool has_name);

/* ---- engine_denied.c ---- */

/* Is one of the names between the resolution's cut and its own, or its own, known not to be? Then *found says so of its own. */
MUST_USE bool engine_denied_above(struct engine *e, uint32_t idx, struct msg_response *found);

/* ---- engine_share.c ---- */

/* May the resolution ask the servers of its cut now (zone_share.h)? Then it holds a place of their zone's share, until
 * engine_share_put. False: it is to be refused. */
MUST_USE bool engine_share_take(struct engine *e, uint32_t idx);
void engine_share_put(struct engine *e, uint32_t idx, enum zone_share_end end);
/* It is DONE. */
void engine_share_on_end(struct engine *e, uint32_t idx);
void engine_share_check(const struct engine *e);

/* ---- engine_local.c ---- */

/* A resolution that was just taken, of whatever zone: has it ended, because its name is answered here? */
MUST_USE bool engine_local_answer(struct engine *e, uint32_t idx);

/* ---- engine_judge.c ---- */

/* Of a record whose owner is a pointer. */
#define PLAIN_RDATA_OFFSET 12

/* Does a forwarder answer with anything beside records of the question's own name, which lead nowhere else? Then it is judged, as
 * what servers say is (scrub.h). */
static inline bool engine_is_judged(const struct engine_config *c, const struct resolution *r,
				    const struct msg_response *response)
{
	const uint8_t *at = response->message.data + response->records_offset;

	/* A forwarder of all names is believed whatever it says of any. */
	if (r->key.zone_idx >= c->zone_count || c->zones[r->key.zone_idx].name.length_bytes == 1)
		return false;
	for (unsigned i = 0; i < response->answer_count; i++) {
		uint16_t type;

		if (UNLIKELY(wire_get_u16(at) != (DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES)))
			return true;
		type = wire_get_u16(at + 2);
		if (UNLIKELY(type == DNS_TYPE_CNAME || type == DNS_TYPE_DNAME))
			return true;
		at += PLAIN_RDATA_OFFSET + (size_t)wire_get_u16(at + PLAIN_RDATA_OFFSET - 2);
	}
	return false;
}
/* RESOLUTION_STEP_JUDGE: what the reply in slot is worth. message: the response's, to be written to. ANSWER: *clean is to be
 * kept and given to the waiters; its bytes are message's, or hold until the next call. */
enum resolution_step engine_judge(struct engine *e, uint32_t idx, const struct inflight_slot *slot,
				  const struct msg_response *response, uint8_t *message,
				  struct msg_response *clean);
/* The links at hand and what was found at their end. False: it is no answer. *out holds until the next call. */
MUST_USE bool engine_compose(struct engine *e, uint32_t idx, const struct msg_response *rest,
			     struct msg_response *out);
/* What the cache has fresh for this question, as a message; false: nothing. *out holds until the next call. */
MUST_USE bool engine_cached_message(struct engine *e, const struct name *qname, uint16_t qtype,
				    bool checking_disabled, struct msg_response *out);
/* The same of the question whose key this is. */
MUST_USE bool engine_cached_by_key(struct engine *e, const struct cache_key *key,
				   struct msg_response *out);

/* ---- engine_sub.c ---- */

/* Ask q for the resolution, which is (or is about to be) in state ASK and asks nothing else: one thing at a time. Never answers
 * within the call: engine_iterate_on_sub is called once, in a later turn, whatever becomes of it; at the latest at
 * q->deadline_at. Until then the resolution's timer is not its own. Ancestors are filled in here. SUB_PRIME: it goes on as it
 * is, and hears no more of it. */
void engine_sub_ask(struct engine *e, uint32_t asker_idx, const struct sub_question *q);
/* It waits no more, and ends or goes on for another reason: whatever comes is dropped. */
void engine_sub_cancel(struct engine *e, uint32_t asker_idx);
/* What it waits for; NULL: nothing. */
const struct sub_state *engine_sub_waits_for(const struct engine *e, uint32_t resolution_idx);
/* The resolution, which goes on, knows whether there is a zone cut at its name: who asks for that only (SUB_STEP) gets the
 * verdict. cut: of SUB_CUT; lent for the call. False: nobody else waits for it, and the caller may end it. */
bool engine_sub_release_steps(struct engine *e, uint32_t resolution_idx, enum sub_verdict verdict,
			      const struct zone_cut *cut);

/* A resolution for q, which is asked for another one, with nothing begun but its zone cut; that waits for it. POOL_NONE: there is
 * no room, and nobody waits. */
uint32_t engine_sub_part(struct engine *e, uint32_t asker_idx, const struct sub_question *q);

/* For the engine's own: */
void engine_sub_init(struct engine *e);
/* q has come, from this worker or another one. True: *answer is what the asker gets, lent until the engine's next call; false:
 * waiter waits, as q's resolution was found or begun. waiter: all that the asker knows of it. SUB_PRIME: false. */
bool engine_sub_begin(struct engine *e, const struct sub_question *q, const struct waiter *waiter,
		      struct sub_answer *answer);
/* A client waits for the resolution now, too, which has an iteration. */
void engine_sub_join_client(struct engine *e, uint32_t resolution_idx);
/* What an asker of this worker waits for has come. False: that wait is over, and it is dropped. */
bool engine_sub_answered(struct engine *e, uint32_t asker_idx, uint32_t serial,
			 struct sub_answer *answer);
/* The resolution is DONE: those who ask it are to be answered. */
void engine_sub_release(struct engine *e, uint32_t resolution_idx);
/* Is there something for engine_sub_turn to do, or to be sent? */
bool engine_sub_due(const struct engine *e);
/* Questions begun and answers given within this worker; bounded. Not from within anything that acts on a resolution. */
void engine_sub_turn(struct engine *e);
/* The timer of a resolution that waits. */
void engine_sub_on_timer(struct engine *e, uint32_t resolution_idx);
void engine_sub_check(const struct engine *e);

/* ---- engine_sub_pass.c ---- */

/* A message for another worker into the slot; false: nothing (more) to send. */
bool engine_sub_fill(struct engine *e, struct tx_slot *slot);
/* One that has come, stage 3. Ends the packet. */
void engine_sub_passed(struct engine *e, struct rx_slot *slot);

#endif
