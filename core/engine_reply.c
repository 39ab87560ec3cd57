/* What comes back from servers: the one true reply of each query, and all that only looks like it. */
#include "engine_iterate.h"
#include "msg_in_place.h"
#include "msg_referral.h"

#include <assert.h>
#include <string.h>

/* inflight_peer_hash of whom the packet is from. */
static uint64_t peer_hash(struct engine *e, const struct engine_rx_work *work)
{
	struct endpoint peer = {work->view.src, work->view.src_port};
	uint8_t outgoing_idx = work->outgoing_idx;
	uint8_t last_byte = peer.address.bytes[ADDRESS_BYTES - 1];
	struct engine_peer *known = &e->peers[(last_byte ^ outgoing_idx) % ENGINE_PEERS];

	if (UNLIKELY(known->outgoing_idx != outgoing_idx ||
		     !endpoint_equal(&known->endpoint, &peer))) {
		known->endpoint = peer;
		known->outgoing_idx = outgoing_idx;
		known->hash = inflight_peer_hash(e->inflight.words, outgoing_idx, &peer);
	}
	return known->hash;
}

static inline bool is_way(const struct engine_peer_way *way, uint8_t interface_idx,
			  const struct frame_view *view)
{
	return address_equal(&way->peer, &view->src) && address_equal(&way->local, &view->dst) &&
	       way->peer_port == view->src_port && way->interface_idx == interface_idx;
}

/* The way that most replies come: from a peer that is known to an address of ours that is one, not a prefix. False: it is to be
 * found out. */
static inline bool known_way(struct engine *e, const struct rx_slot *slot,
			     struct engine_rx_work *work)
{
	const struct frame_view *view = &work->view;
	const struct engine_peer_way *way = engine_peer_way_of(e, view);

	if (UNLIKELY(!is_way(way, slot->interface_idx, view) ||
		     !source_set_accepts(e->sources[way->outgoing_idx], view->dst_port)))
		return false;
	work->outgoing_idx = way->outgoing_idx;
	work->peer_hash = way->hash;
	return true;
}

__attribute__((noinline)) static enum counter find_way(struct engine *e, const struct rx_slot *slot,
						       struct engine_rx_work *work)
{
	const struct frame_view *view = &work->view;
	enum counter refused =
		engine_source_find(e, slot->interface_idx, view, &work->outgoing_idx);

	if (refused != COUNTER_OUTCOME_COUNT)
		return refused;
	work->peer_hash = peer_hash(e, work);
	if (e->config->outgoing[work->outgoing_idx].prefix_bits == ADDRESS_BITS)
		*engine_peer_way_of(e, view) = (struct engine_peer_way){
			.peer = view->src,
			.local = view->dst,
			.peer_port = view->src_port,
			.interface_idx = slot->interface_idx,
			.outgoing_idx = work->outgoing_idx,
			.hash = work->peer_hash,
		};
	return COUNTER_OUTCOME_COUNT;
}

enum counter engine_reply_look(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];

	if (UNLIKELY(!known_way(e, slot, work))) {
		enum counter refused = find_way(e, slot, work);

		if (refused != COUNTER_OUTCOME_COUNT)
			return refused;
	}
	work->slot_idx = POOL_NONE;
	work->owner = e->worker_idx;
	if (UNLIKELY(work->view.payload.length_bytes < DNS_HEADER_BYTES)) {
		engine_end(e, slot, COUNTER_UNMATCHED, RX_FREE);
		return COUNTER_OUTCOME_COUNT;
	}
	work->hash = inflight_hash(work->peer_hash, work->view.dst_port);
	if (UNLIKELY(e->sources[work->outgoing_idx]->is_small))
		work->hash = inflight_hash_of_few(work->hash, source_identifier_of(&work->view.dst),
						  msg_id(work->view.payload));
	/* Where an answer might not fit behind the packet's start it leaves in another one. */
	if (UNLIKELY((size_t)slot->length_bytes + slot->tailroom_bytes <
		     FRAME_HEADER_BYTES_MAX + EDNS_UDP_BYTES))
		slot->in_place = false;
	work->stage = ENGINE_RX_REPLY;
	return COUNTER_OUTCOME_COUNT;
}

/* From the server that was asked, to the outgoing address that it was asked from? */
static inline __attribute__((always_inline)) bool peer_matches(const struct engine *e,
							       const struct inflight_slot *slot,
							       const struct engine_rx_work *work)
{
	const struct endpoint *peer = server_endpoint(&e->servers, slot->server_idx);

	return slot->outgoing_idx == work->outgoing_idx && peer->port == work->view.src_port &&
	       address_equal(&peer->address, &work->view.src);
}

/* Everything that the word's hash only hinted at (RFC 5452 section 9.1). */
static __attribute__((noinline)) bool tuple_matches(const struct engine *e,
						    const struct inflight_slot *slot,
						    const struct engine_rx_work *work)
{
	return slot->state != INFLIGHT_SLOT_FREE && slot->local_port == work->view.dst_port &&
	       slot->identifier == source_identifier_of(&work->view.dst) &&
	       peer_matches(e, slot, work);
}

/* Somebody knows the port and guesses IDs: this ticket is burnt, and its query asked again with another. */
static void burn(struct engine *e, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	struct resolution_env env = engine_env(e);
	enum resolution_step step;
	uint32_t resolution_idx;

	if (UNLIKELY(!engine_slot_apart(e, slot)))
		return;
	resolution_idx = slot->resolution_idx;
	counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
	engine_slot_end(e, slot_idx, true);
	if (engine_route_has_tcp(e, slot->server_idx) &&
	    server_on_guess(&e->servers, slot->server_idx, e->now))
		counter_add(&e->counters, COUNTER_SERVERS_TO_TCP_ONLY, 1);
	if (resolution_idx == ENGINE_NO_RESOLUTION) {
		server_on_cancelled(&e->servers, slot->server_idx, true);
		return;
	}
	if (UNLIKELY(e->resolutions.resolutions[resolution_idx].traced))
		engine_trace_silence(e, resolution_idx, slot, "a reply with a wrong ID");
	step = resolution_on_near_miss(&e->resolutions, resolution_idx, &env);
	if (step == RESOLUTION_STEP_SEND)
		counter_add(&e->counters, COUNTER_NEAR_MISSES_TO_TCP, 1);
	engine_step(e, resolution_idx, step, NULL);
}

/* May this ticket see one more wrong ID? Counts it if so. */
static bool borne(struct engine *e, struct inflight_slot *slot)
{
	const struct resolution *r;

	if (slot->resolution_idx == ENGINE_NO_RESOLUTION)
		return false;
	r = &e->resolutions.resolutions[slot->resolution_idx];
	if (slot->near_misses >= resolution_near_miss_tolerance(r, slot))
		return false;
	slot->near_misses++;
	return true;
}

/* A wrong ID at a ticket of ours: is it ours? What is no response (QR=0) is nobody's guess. */
static bool near_miss(struct engine *e, const struct engine_rx_work *work, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];

	if (slot->state != INFLIGHT_SLOT_LIVE || !tuple_matches(e, slot, work) ||
	    !msg_is_response(work->view.payload))
		return false;
	if (!borne(e, slot))
		burn(e, slot_idx);
	return true;
}

static bool question_matches(const struct inflight_slot *slot, const struct name *qname,
			     uint16_t qtype, uint16_t qclass)
{
	return slot->qtype == qtype && slot->qclass == qclass && name_equal(&slot->qname, qname);
}

/* A wrong ID or port at a question of ours: is it ours? */
static bool aimed(struct engine *e, const struct engine_rx_work *work, uint32_t slot_idx,
		  const struct inflight_aim *aim)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];

	if (slot->state != INFLIGHT_SLOT_LIVE || !peer_matches(e, slot, work) ||
	    !question_matches(slot, &aim->qname, aim->qtype, aim->qclass) ||
	    !msg_is_response(work->view.payload))
		return false;
	if (!borne(e, slot))
		burn(e, slot_idx);
	return true;
}

static void probe_reply(struct engine *e, struct rx_slot *slot, uint32_t slot_idx,
			const struct msg_response *response)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];

	if (response->qtype != sent->qtype || response->qclass != sent->qclass ||
	    !name_equal(&response->qname, &sent->qname)) {
		engine_end(e, slot, COUNTER_MISMATCH_QUESTION, RX_FREE);
		return;
	}
	server_on_answer(&e->servers, sent->server_idx,
			 (uint32_t)((e->now - sent->sent_at) / NS_PER_US), true, e->now);
	engine_round_trip(e, sent);
	engine_slot_end(e, slot_idx, false);
	engine_end(e, slot, COUNTER_UPSTREAM_RESPONSE, RX_FREE);
}

/* Can any answer be built in the packet itself? */
static bool takes_answer(const struct rx_slot *slot)
{
	return slot->in_place && (size_t)slot->length_bytes + slot->tailroom_bytes >=
					 FRAME_HEADER_BYTES_MAX + EDNS_UDP_BYTES;
}

/* The answer goes to its first waiter, if there is one, in the packet that it came in, if that may be written to; the rest
 * wait in the answer queue. */
static void answer_first(struct engine *e, struct rx_slot *slot, uint32_t resolution_idx,
			 const struct msg_response *response)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	const struct waiter *waiter;
	unsigned length_bytes;
	uint32_t waiter_idx;
	bool is_own;

	if (!takes_answer(slot) || r->waiter_count == 0)
		return;
	waiter_idx = engine_waiter_next(e, r);
	waiter = &e->waiters.waiters[waiter_idx];
	is_own = waiter->kind == WAITER_OWN;
	length_bytes = engine_answer_waiter(e, r, waiter, response, engine_room(slot),
					    &slot->interface_idx);
	engine_waiter_end(e, waiter_idx);
	if (UNLIKELY(is_own)) /* nothing to send: the packet is freed, as it came */
		return;
	CHECK(length_bytes > 0); /* takes_answer made sure of the room */
	slot->length_bytes = length_bytes;
	slot->verdict = RX_SEND;
}

/* The answer goes to the one who waits for it by itself, in its packet, where the message stays: other headers before it,
 * another OPT behind it. False, and nothing is written: it cannot be so. */
static bool answer_in_place(struct engine *e, struct rx_slot *slot, struct resolution *r,
			    const struct msg_response *response, uint8_t *message)
{
	const struct waiter *waiter = &e->waiters.waiters[r->waiter_head];
	const struct waiter_udp_client *udp = &waiter->udp;
	unsigned header_bytes = frame_udp_header_bytes(
		&udp->client, e->config->interfaces[udp->interface_idx].vlan);
	size_t before_bytes = (size_t)(message - slot->data);
	size_t room_bytes = slot->length_bytes + slot->tailroom_bytes - before_bytes;
	uint8_t cookie[COOKIE_BYTES];
	struct msg_client client = engine_client_of(e, waiter, cookie);
	size_t length_bytes;
	uint64_t sum;

	if (header_bytes > before_bytes + slot->headroom_bytes)
		return false;
	length_bytes = msg_in_place_answer((struct buffer){message, room_bytes}, response, &client,
					   &udp->letter_case, &sum);
	if (length_bytes == 0)
		return false;
	engine_answered(e, waiter, r->rcode);
	slot->data = message - header_bytes;
	slot->length_bytes =
		engine_frame_summed(e, waiter, slot->data, length_bytes, sum, &slot->interface_idx);
	slot->verdict = RX_SEND;
	engine_waiter_end(e, engine_waiter_next(e, r));
	return true;
}

/* It is kept, and goes to who waits for it. message: the response's, in the packet, or elsewhere where it may be written to. */
static void answer_all(struct engine *e, struct rx_slot *slot, uint32_t resolution_idx,
		       struct msg_response *response, uint8_t *message)
{
	bool is_here = message >= slot->data && message < slot->data + slot->length_bytes;
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	bool in_place = is_here && takes_answer(slot) && r->waiting == 1 &&
			e->waiters.waiters[r->waiter_head].kind == WAITER_UDP_CLIENT;

	if (is_here && !in_place) {
		memcpy(e->scratch, message, response->message.length_bytes);
		message = e->scratch;
		response->message.data = message;
	}
	if (e->cache != NULL)
		engine_cache_store(e, r, response, message);
	if (in_place) {
		if (LIKELY(answer_in_place(e, slot, r, response, message)))
			return;
		memcpy(e->scratch, message, response->message.length_bytes);
		response->message.data = e->scratch;
	}
	answer_first(e, slot, resolution_idx, response);
}

/* A reply in lower case: the true one may still come, but is waited for less long. */
static void grace(struct engine *e, uint32_t slot_idx, mono_ns try_until)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	mono_ns until = e->now + CASE_GRACE_MS * NS_PER_MS;

	if ((sent->flags & INFLIGHT_SLOT_LOWER) != 0)
		return;
	sent->flags |= INFLIGHT_SLOT_LOWER;
	timer_set(&e->timers, slot_idx, until < try_until ? until : try_until);
}

/* Does anybody wait whose answer does not leave in this packet? */
static inline bool has_queued(const struct resolution *r, const struct rx_slot *slot)
{
	if (LIKELY(r->waiting == 1))
		return !takes_answer(slot);
	return r->waiting != 0;
}

/* What its content makes of a reply. *message: in: in the packet; out: *clean's. */
__attribute__((noinline)) static enum resolution_step judged_reply(
	struct engine *e, const struct rx_slot *slot, uint32_t idx,
	const struct inflight_slot *sent, struct msg_response *response, uint8_t **message,
	struct msg_response *clean)
{
	enum resolution_step step;

	if (!slot->in_place) {
		memcpy(e->scratch, *message, response->message.length_bytes);
		*message = e->scratch;
		response->message.data = e->scratch;
	}
	step = engine_judge(e, idx, sent, response, *message, clean);
	if (step == RESOLUTION_STEP_ANSWER && clean->message.data != *message)
		*message = e->clean;
	return step;
}

/* has_name: its name is the query's, byte for byte. */
static void resolution_reply(struct engine *e, struct rx_slot *slot, uint32_t slot_idx,
			     struct msg_response *response, bool has_name)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	uint32_t idx = sent->resolution_idx;
	struct resolution *r = &e->resolutions.resolutions[idx];
	uint8_t *message = slot->data + (response->message.data - slot->data);
	struct msg_response clean;
	enum resolution_step step;
	enum counter outcome;
	bool judges = r->iterates || engine_is_judged(e->config, r, response);
	bool judged = false;

	CHECK(r->generation == sent->resolution_generation && r->slot_idx == slot_idx);
	if (has_queued(r, slot) && pool_used_count(&e->answers_free) == e->answers_free.capacity) {
		/* As if it were lost on the way: the wait goes on. */
		resolution_on_hindered(&e->resolutions, idx);
		engine_end(e, slot, COUNTER_DROP_ANSWERS_FULL, RX_FREE);
		return;
	}
	if (has_name && !judges &&
	    resolution_on_answer(&e->resolutions, idx, &e->servers, e->now, sent, response)) {
		step = RESOLUTION_STEP_ANSWER;
		outcome = COUNTER_UPSTREAM_RESPONSE;
	} else {
		struct resolution_env env = engine_env(e);

		env.judges = judges;
		engine_iterate_on_bytes(e, idx, response);
		step = resolution_on_response(&e->resolutions, idx, &env, sent, response, &outcome);
	}
	if (step == RESOLUTION_STEP_JUDGE) {
		judged = true;
		step = judged_reply(e, slot, idx, sent, response, &message, &clean);
		response = &clean;
		if (step == RESOLUTION_STEP_KEEP) { /* a step's, and there was no room */
			engine_end(e, slot, outcome, RX_FREE);
			return;
		}
		/* What was a step's may be its own question's now. */
		idx = sent->resolution_idx;
		r = &e->resolutions.resolutions[idx];
	} else if (UNLIKELY(r->traced)) {
		engine_trace_reply(e, idx, sent, response, engine_trace_step_text[step]);
	}
	engine_end(e, slot, outcome, RX_FREE);
	if (outcome == COUNTER_UPSTREAM_RESPONSE)
		engine_round_trip(e, sent);
	if (step == RESOLUTION_STEP_GRACE)
		grace(e, slot_idx, r->try_until);
	if (step == RESOLUTION_STEP_KEEP || step == RESOLUTION_STEP_GRACE)
		return;
	if (step != RESOLUTION_STEP_ANSWER && !judged)
		counter_add(&e->counters,
			    step == RESOLUTION_STEP_SEND &&
					    r->tcp_for == RESOLUTION_TCP_FOR_TRUNCATED
				    ? COUNTER_TRUNCATED_TO_TCP
				    : COUNTER_UPSTREAM_ERRORS,
			    1);
	if (UNLIKELY(e->asks.waiting_count > 0) && step == RESOLUTION_STEP_ANSWER)
		engine_ask_on_match(e, idx, sent);
	engine_slot_end(e, slot_idx, false);
	if (step == RESOLUTION_STEP_ANSWER)
		answer_all(e, slot, idx, response, message);
	if (r->state == RESOLUTION_DONE && r->waiting == 0 && r->stale_at == MONO_NEVER &&
	    step == RESOLUTION_STEP_ANSWER && !r->has_iteration && !r->traced)
		resolution_put(&e->resolutions, idx); /* as engine_step does */
	else
		engine_step(e, idx, step, response);
}

/* Is the question's name what was sent, byte for byte? */
static inline bool begins_with_name(struct span message, const struct name *qname)
{
	return message.length_bytes >= DNS_HEADER_BYTES + (size_t)qname->length_bytes &&
	       name_bytes_equal(message.data + DNS_HEADER_BYTES, qname->bytes, qname->length_bytes);
}

/* Does the packet answer this query of ours? If so, it ends here. among_few: another question's does not, as it may be
 * aimed at one whose ID it guesses; *outcome says so. */
static bool match(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
		  uint32_t slot_idx, bool among_few, enum counter *outcome)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	struct msg_response response;
	struct msg_referral referral;
	bool has_name;

	if (sent->state != INFLIGHT_SLOT_LIVE || !tuple_matches(e, sent, work) ||
	    sent->id != msg_id(work->view.payload))
		return false;
	has_name = begins_with_name(work->view.payload, &sent->qname);
	if (work->view.payload.length_bytes > ANSWER_BUFFER_BYTES ||
	    msg_parse_response_of(work->view.payload, has_name ? &sent->qname : NULL, &referral,
				  &response) != MSG_RESPONSE_OK) {
		engine_end(e, slot, COUNTER_RESPONSE_UNPARSABLE, RX_FREE);
		return true;
	}
	if (UNLIKELY(among_few) &&
	    !question_matches(sent, &response.qname, response.qtype, response.qclass)) {
		*outcome = COUNTER_MISMATCH_QUESTION;
		return false;
	}
	if (sent->resolution_idx == ENGINE_NO_RESOLUTION)
		probe_reply(e, slot, slot_idx, &response);
	else if (e->resolutions.resolutions[sent->resolution_idx].asks_step &&
		 !engine_sub_here_is_referral(e, sent, &response, has_name) &&
		 !engine_slot_apart(e, sent))
		engine_end(e, slot, COUNTER_UPSTREAM_RESPONSE, RX_FREE);
	else
		resolution_reply(e, slot, slot_idx, &response, has_name);
	return true;
}

/* What a reply is for one word of ours. True: the packet has ended. *outcome: what it is if it does not end
 * with a later word. */
static bool judge(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
		  enum inflight_find found, uint32_t slot_idx, enum counter *outcome)
{
	switch (found) {
	case INFLIGHT_MATCH:
		return match(e, slot, work, slot_idx, false, outcome);
	case INFLIGHT_LATE:
		if (tuple_matches(e, &e->inflight.slots[slot_idx], work))
			*outcome = COUNTER_LATE_RESPONSE;
		return false;
	case INFLIGHT_NEAR_MISS:
		if (near_miss(e, work, slot_idx))
			*outcome = COUNTER_NEAR_MISS;
		return false;
	case INFLIGHT_AIMED:
	case INFLIGHT_NONE:
		break;
	}
	return false;
}

/* ---- few ports: words of several buckets may be meant ---- */

/* Does the packet come late, for this query of ours? One without a question may. */
static bool comes_late(const struct engine *e, const struct engine_rx_work *work, uint32_t slot_idx)
{
	const struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	struct inflight_aim aim;

	return tuple_matches(e, sent, work) && sent->id == msg_id(work->view.payload) &&
	       (!inflight_aim_parse(work->view.payload, &aim) ||
		question_matches(sent, &aim.qname, aim.qtype, aim.qclass));
}

/* Is it the reply of one of our words of its ID? True: the packet has ended. */
static bool judge_by_id(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
			const struct engine_reply_words *by_id, enum counter *outcome)
{
	for (unsigned i = 0; by_id->has_id && i < by_id->count; i++) {
		const struct engine_reply_word *word = &by_id->words[i];

		if (word->at.owner != e->worker_idx)
			continue;
		if (word->found == INFLIGHT_MATCH) {
			if (match(e, slot, work, word->at.slot, true, outcome))
				return true;
		} else if (comes_late(e, work, word->at.slot)) {
			engine_end(e, slot, COUNTER_LATE_RESPONSE, RX_FREE);
			return true;
		}
	}
	return false;
}

/* Which of our queries does it try to answer for? True: the packet has ended. */
static bool judge_aimed(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
			const struct engine_reply_aim *aim, enum counter *outcome)
{
	for (unsigned i = 0; i < aim->words.count; i++) {
		const struct engine_reply_word *word = &aim->words.words[i];

		if (word->at.owner != e->worker_idx)
			continue;
		if (word->found == INFLIGHT_NEAR_MISS) {
			if (near_miss(e, work, word->at.slot))
				*outcome = COUNTER_NEAR_MISS;
			continue;
		}
		if (engine_finished_has(e, &aim->mark)) {
			engine_end(e, slot, COUNTER_LATE_RESPONSE, RX_FREE);
			return true;
		}
		if (aimed(e, work, word->at.slot, &aim->question))
			*outcome = COUNTER_NEAR_MISS;
	}
	return false;
}

/* As engine_reply. First by its ID: who owns the query that it answers never looks at what else it may be aimed at.
 * Whatever it is found not to answer is a guess at the queries of its question. */
static void reply_among_few(struct engine *e, struct rx_slot *slot,
			    const struct engine_rx_work *work)
{
	struct engine_reply_words by_id;
	struct engine_reply_aim aim;
	enum counter outcome = COUNTER_UNMATCHED;
	bool is_first = slot->kind != RX_PASSED_PACKET;
	uint8_t next;

	engine_reply_find(e, work, &by_id);
	if (is_first && by_id.has_id && by_id.words[0].at.owner != e->worker_idx) {
		engine_packet_pass(e, slot, by_id.words[0].at.owner);
		return;
	}
	if (judge_by_id(e, slot, work, &by_id, &outcome))
		return;
	engine_reply_aim(e, work, &by_id, &aim);
	if (is_first && !by_id.has_id && aim.words.count > 0 &&
	    aim.words.words[0].at.owner != e->worker_idx) {
		engine_packet_pass(e, slot, aim.words.words[0].at.owner);
		return;
	}
	if (judge_aimed(e, slot, work, &aim, &outcome))
		return;
	next = engine_reply_next(e, &by_id, &aim.words);
	if (next != UINT8_MAX)
		engine_packet_pass(e, slot, next);
	else
		engine_end(e, slot, outcome, RX_FREE);
}

/* A bucket may name several owners: the packet visits each once, in ascending order, and each looks at its own words
 * only. Whoever received it from the device gives it to the first, whoever was passed it to the next. */
void engine_reply(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct engine_rx_work *work = &e->work[i];
	const struct source_set *source = e->sources[work->outgoing_idx];
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	enum counter outcome = COUNTER_UNMATCHED;
	enum inflight_find found;
	unsigned hit_count;
	unsigned h = 0;

	if (UNLIKELY(source->is_small || source->was_other_kind)) {
		reply_among_few(e, slot, work);
		return;
	}
	/* Another's, who compares everything. What was passed to us has been with those before us. */
	if (work->owner != e->worker_idx && slot->kind != RX_PASSED_PACKET) {
		engine_packet_pass(e, slot, work->owner);
		return;
	}
	/* The word that it was found by in stage 2 was only a hint: everything is compared, so it is this query's reply, or it
	 * is looked for again, as words may have come and gone meanwhile. */
	if (LIKELY(work->slot_idx != POOL_NONE) &&
	    match(e, slot, work, work->slot_idx, false, &outcome))
		return;
	found = inflight_find(e->inflight.words, work->hash, msg_id(work->view.payload), hits,
			      &hit_count);
	if (slot->kind == RX_PASSED_PACKET)
		while (h < hit_count && hits[h].owner < e->worker_idx)
			h++;
	for (; h < hit_count && hits[h].owner == e->worker_idx; h++)
		if (judge(e, slot, work, found, hits[h].slot, &outcome))
			return;
	if (h < hit_count)
		engine_packet_pass(e, slot, hits[h].owner);
	else
		engine_end(e, slot, outcome, RX_FREE);
}
