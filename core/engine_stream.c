/* TCP: whoever carries it has the connections, here are the questions (stream.h). Clients' questions are judged and looked up as
 * those by UDP are, but in a buffer without frames, and whoever waits for an answer has it fetched. Queries to servers take an
 * in-flight slot, as those by UDP do, for their timer, their server and their resolution; but no word leads to it, as only
 * the carrier finds it, by its handle. */
#include "engine_hit.h"
#include "engine_iterate.h"

#include <string.h>

/* ---- clients that wait ---- */

/* At the end of the resolution's ring. */
static void ring_push(struct engine *e, struct resolution *r, uint32_t waiter_idx)
{
	struct waiter *waiters = e->waiters.waiters;

	if (r->stream_tail == POOL_NONE) {
		waiters[waiter_idx].next = waiter_idx;
	} else {
		waiters[waiter_idx].next = waiters[r->stream_tail].next;
		waiters[r->stream_tail].next = waiter_idx;
	}
	r->stream_tail = waiter_idx;
}

void engine_stream_wait(struct engine *e, uint32_t resolution_idx, uint32_t waiter_idx)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];

	e->waiters.waiters[waiter_idx].resolution_idx = resolution_idx;
	ring_push(e, r, waiter_idx);
	r->apart_count++;
}

void engine_stream_release(struct engine *e, uint32_t resolution_idx)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct waiter *waiters = e->waiters.waiters;
	struct engine_streams *s = &e->streams;
	uint32_t last = r->stream_tail;
	uint32_t first = waiters[last].next;

	waiters[last].next = POOL_NONE;
	if (s->waiter_head == POOL_NONE)
		s->waiter_head = first;
	else
		waiters[s->waiter_tail].next = first;
	s->waiter_tail = last;
	r->stream_tail = POOL_NONE;
}

static uint32_t waiter_pop(struct engine *e)
{
	struct engine_streams *s = &e->streams;
	uint32_t idx = s->waiter_head;

	if (idx == POOL_NONE)
		return POOL_NONE;
	s->waiter_head = e->waiters.waiters[idx].next;
	if (s->waiter_head == POOL_NONE)
		s->waiter_tail = POOL_NONE;
	return idx;
}

/* The reply for a waiter of a DONE resolution. What is not whole is no answer over TCP, where there is nothing to go on to. */
static size_t build_answer(struct engine *e, const struct resolution *r,
			   const struct waiter *waiter, struct buffer message, uint16_t *rcode)
{
	const struct msg_response *response = engine_kept_answer(e, r);
	uint8_t cookie[COOKIE_BYTES];
	struct name qname;
	struct msg_reply_params params = {
		.client = engine_client_of(e, waiter, cookie),
		.rcode = r->rcode,
		.recursion_available = true,
		.qname = &qname,
		.qtype = r->key.qtype,
		.qclass = r->key.qclass,
		.ede = DNS_EDE_NONE,
	};
	size_t length_bytes;

	*rcode = r->rcode;
	name_copy(&qname, &r->key.qname);
	name_case_apply(&waiter->udp.letter_case, qname.bytes, qname.length_bytes);
	if (response == NULL) {
		params.ede = r->ede;
		return msg_build_reply(message, &params);
	}
	if (msg_build_answer(message, response, &params, &length_bytes) == MSG_ANSWER_OK)
		return length_bytes;
	/* Where some bytes are missing the client does without its cookie, which proves nothing here, or without an OPT. */
	params.client.cookie = NULL;
	params.client.cookie_length_bytes = 0;
	if (msg_build_answer(message, response, &params, &length_bytes) == MSG_ANSWER_OK)
		return length_bytes;
	params.client.edns = false;
	if (msg_build_answer(message, response, &params, &length_bytes) == MSG_ANSWER_OK)
		return length_bytes;
	params.client.edns = (waiter->udp.flags & WAITER_EDNS) != 0;
	*rcode = DNS_RCODE_SERVFAIL;
	params.rcode = DNS_RCODE_SERVFAIL;
	params.ede = DNS_EDE_OTHER;
	return msg_build_reply(message, &params);
}

/* For a waiter of a resolution that is DONE, or goes on while it has an old one; 0: that has gone meanwhile. */
static size_t answer(struct engine *e, const struct resolution *r, const struct waiter *waiter,
		     struct buffer message)
{
	size_t length_bytes = 0;
	uint16_t rcode;

	if (r->state != RESOLUTION_DONE || r->from_cache)
		length_bytes = engine_stale_message(e, &r->key, waiter, message);
	if (r->state != RESOLUTION_DONE || length_bytes > 0)
		return length_bytes;
	length_bytes = build_answer(e, r, waiter, message, &rcode);
	CHECK(length_bytes > 0); /* any reply fits a stream */
	engine_count_wait(e, waiter);
	engine_count_answer(e, rcode);
	return length_bytes;
}

static bool answer_out(struct engine *e, struct stream_slot *slot)
{
	struct buffer message = {slot->data, STREAM_MESSAGE_BYTES_MAX};
	uint32_t waiter_idx;

	while ((waiter_idx = waiter_pop(e)) != POOL_NONE) {
		const struct waiter *waiter = &e->waiters.waiters[waiter_idx];
		uint32_t resolution_idx = waiter->resolution_idx;
		struct resolution *r = &e->resolutions.resolutions[resolution_idx];
		size_t length_bytes = answer(e, r, waiter, message);

		if (length_bytes == 0) {
			ring_push(e, r, waiter_idx); /* it waits for the end */
			continue;
		}
		slot->length_bytes = (uint32_t)length_bytes;
		slot->kind = STREAM_ANSWER;
		slot->worker = waiter->origin_worker;
		slot->handle = waiter->stream;
		counter_add(&e->counters, COUNTER_STREAM_ANSWERS, 1);
		engine_waiter_end(e, waiter_idx);
		r->apart_count--;
		if (r->state == RESOLUTION_DONE && r->waiter_count == 0)
			engine_resolution_end(e, resolution_idx);
		return true;
	}
	return false;
}

bool engine_stream_hit(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		       const struct waiter *waiter)
{
	uint32_t waiter_idx = engine_waiter_take(e, waiter);
	uint32_t resolution_idx;

	if (waiter_idx == POOL_NONE)
		return false;
	resolution_idx = resolution_take(&e->resolutions, key, e->now);
	if (resolution_idx == POOL_NONE) {
		engine_waiter_end(e, waiter_idx);
		return false;
	}
	resolution_on_cached(&e->resolutions, resolution_idx);
	engine_stream_wait(e, resolution_idx, waiter_idx);
	engine_stream_release(e, resolution_idx);
	engine_end(e, slot, COUNTER_CACHE_HIT, RX_FREE);
	return true;
}

/* ---- a client's question ---- */

static void make_waiter(struct engine *e, const struct stream_origin *origin,
			const struct msg_query *query, struct waiter *out)
{
	const struct frame_view view = {
		.src = origin->client.address,
		.src_port = origin->client.port,
		.dst = origin->local.address,
		.dst_port = origin->local.port,
	};

	engine_waiter_make(e, 0, &view, query, out);
	out->kind = WAITER_STREAM;
	out->stream = origin->handle;
	out->udp.udp_size_bytes = STREAM_MESSAGE_BYTES_MAX;
}

static void reply(struct engine *e, struct rx_slot *slot, const struct stream_origin *origin,
		  struct query_verdict verdict, uint16_t ede)
{
	const struct msg_query *query = &e->queries[0];
	uint8_t cookie[COOKIE_BYTES];
	struct waiter waiter;
	struct msg_reply_params params = {
		.rcode = verdict.rcode,
		.recursion_available = true,
		.qname = verdict.question_echoed ? &query->qname : NULL,
		.qtype = query->qtype,
		.qclass = query->qclass,
		.ede = ede,
		.any_hinfo = verdict.action == QUERY_REPLY_ANY,
	};

	make_waiter(e, origin, query, &waiter);
	params.client = engine_client_of(e, &waiter, cookie);
	slot->length_bytes = (uint32_t)msg_build_reply(engine_room(slot), &params);
	CHECK(slot->length_bytes > 0);
	/* RFC 1035 section 4.1.1: the opcode is copied, even of one that we do not know. */
	slot->data[2] |= (uint8_t)((query->flags & DNS_OPCODE_MASK) >> 8);
	engine_count_answer(e, verdict.rcode);
	engine_end(e, slot, COUNTER_QUESTION_REPLIED, RX_SEND);
}

/* With e->entry. False: it has no room, whatever the reason. */
static bool reply_entry(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
			const struct waiter *waiter, bool stale)
{
	size_t length_bytes =
		engine_entry_message(e, key, waiter, e->entry, stale, engine_room(slot));

	if (length_bytes == 0)
		return false;
	slot->length_bytes = (uint32_t)length_bytes;
	engine_end(e, slot, COUNTER_CACHE_HIT, RX_SEND);
	return true;
}

/* From the cache, or to whoever owns it. */
static void resolve(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		    const struct waiter *waiter)
{
	bool stale = false;
	enum engine_hit hit = engine_hit_entry(e, 0, &stale);

	if (hit == ENGINE_HIT_ANSWERED && reply_entry(e, slot, key, waiter, stale))
		return;
	if (engine_owner(e, key->hash) == e->worker_idx) {
		slot->in_place = false; /* its query leaves from elsewhere */
		engine_resolve(e, slot, key, waiter, NULL);
		return;
	}
	if (hit == ENGINE_HIT_STALE && engine_ways_full(e) &&
	    reply_entry(e, slot, key, waiter, true))
		return;
	engine_question_pass(e, slot, key, waiter);
}

/* What it is kept and found under, but for its zone. */
static void make_key(struct engine *e, const struct rx_slot *slot, struct resolution_key *key)
{
	const struct msg_query *query = &e->queries[0];
	uint16_t flag_cd = query->flags & DNS_FLAG_CD;

	engine_key_fold(e, slot->data + DNS_HEADER_BYTES, query->qname.length_bytes, query->qtype,
			flag_cd, &e->keys[0]);
	e->work[0].hash = e->keys[0].hash;
	*key = (struct resolution_key){
		.hash = e->keys[0].hash,
		.qtype = query->qtype,
		.qclass = query->qclass,
		.checking_disabled = flag_cd != 0,
	};
	name_copy(&key->qname, engine_key_name(&e->keys[0]));
}

static void question(struct engine *e, struct rx_slot *slot, const struct stream_origin *origin)
{
	const struct msg_query *query = &e->queries[0];
	struct resolution_key key;
	struct waiter waiter;

	make_key(e, slot, &key);
	key.zone_idx = engine_zone_for(e->config, &key.qname);
	if (key.zone_idx == ENGINE_ZONE_NONE) {
		reply(e, slot, origin, (struct query_verdict){QUERY_REPLY, DNS_RCODE_REFUSED, true},
		      DNS_EDE_NOT_AUTHORITATIVE);
		return;
	}
	key.zone_generation = engine_zone_generation(e->config, key.zone_idx);
	make_waiter(e, origin, query, &waiter);
	resolve(e, slot, &key, &waiter);
}

/* From the cache; false: nothing fit is there. */
static bool reply_cached(struct engine *e, struct rx_slot *slot, const struct stream_origin *origin)
{
	struct resolution_key key;
	struct waiter waiter;
	bool stale = false;

	make_key(e, slot, &key);
	if (engine_hit_entry(e, 0, &stale) != ENGINE_HIT_ANSWERED)
		return false;
	make_waiter(e, origin, &e->queries[0], &waiter);
	return reply_entry(e, slot, &key, &waiter, stale);
}

enum rx_verdict engine_stream_question(struct engine *e, struct rx_slot *slot,
				       const struct stream_origin *origin, mono_ns now)
{
	struct span message = {slot->data, slot->length_bytes};
	struct query_verdict verdict;
	enum msg_query_result result;
	uint16_t ede;

	engine_turn_begin(e, now);
	counter_add(&e->counters, COUNTER_STREAM_MESSAGES, 1);
	slot->in_place = true;
	result = msg_parse_query(message, &e->queries[0]);
	verdict = query_policy_judge(result, &e->queries[0]);
	if (engine_admit(e, slot, &origin->client.address, &e->queries[0], &verdict, &ede)) {
		if (verdict.action == QUERY_RESOLVE)
			question(e, slot, origin);
		else if (verdict.action != QUERY_REPLY_CACHED || !reply_cached(e, slot, origin))
			reply(e, slot, origin, verdict, ede);
	}
	return (enum rx_verdict)slot->verdict;
}

/* ---- queries to servers ---- */

static struct stream_handle handle_of(const struct engine *e, uint32_t slot_idx)
{
	return (struct stream_handle){slot_idx, e->inflight.slots[slot_idx].stream_serial};
}

static uint32_t slot_of(const struct engine *e, const struct stream_handle *handle)
{
	const struct inflight_slot *slot;

	if (handle->idx >= e->inflight.slot_count)
		return POOL_NONE;
	slot = &e->inflight.slots[handle->idx];
	if (slot->state != INFLIGHT_SLOT_LIVE || slot->transport != INFLIGHT_TCP ||
	    handle_of(e, handle->idx).generation != handle->generation)
		return POOL_NONE;
	return handle->idx;
}

/* One of those that TCP can be had by; NULL: there is none. */
static const struct engine_way *choose_way(struct engine *e, uint16_t server_idx)
{
	const struct engine_route *route = engine_route_to(e, server_idx);
	const struct engine_way *ways[OUTGOING_MAX];
	unsigned way_count = 0;

	for (unsigned i = 0; i < route->way_count; i++)
		if (engine_way_has_tcp(e->config, &route->ways[i]) &&
		    e->sources[route->ways[i].outgoing_idx] != NULL)
			ways[way_count++] = &route->ways[i];
	if (way_count == 0)
		return NULL;
	if (way_count == 1 || !entropy_ready(&e->entropy, ENTROPY_UNIFORM_BYTES))
		return ways[0];
	return ways[entropy_uniform(&e->entropy, way_count)];
}

/* Of a slot that was just taken: what is neither the resolution's nor the question's. */
static void fill_slot(struct engine *e, struct inflight_slot *slot, uint16_t server_idx,
		      const struct engine_way *way)
{
	bool edns = server_edns_on(&e->servers, server_idx, e->now);

	slot->transport = INFLIGHT_TCP;
	slot->outgoing_idx = way->outgoing_idx;
	slot->flags = edns ? INFLIGHT_SLOT_EDNS : 0;
	slot->server_idx = server_idx;
	slot->id = 0; /* the carrier draws one */
	slot->local_port = 0;
	slot->near_misses = 0;
	slot->stream_serial = ++e->streams.last_serial;
	slot->sent_at = e->now;
	slot->identifier = source_identifier_of(&e->config->outgoing[way->outgoing_idx].address);
	server_on_sent(&e->servers, server_idx);
	counter_add(&e->counters, COUNTER_UPSTREAM_TCP_QUERIES, 1);
}

/* What a slot asks, for the carrier. until: the end of the wait. */
static void put_query(const struct engine *e, uint32_t slot_idx, bool recursion_desired,
		      bool checking_disabled, mono_ns until, struct stream_slot *out)
{
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	const struct engine_outgoing *from = &e->config->outgoing[slot->outgoing_idx];
	struct msg_query_params query = {
		.id = slot->id,
		.qname = &slot->qname,
		.qtype = slot->qtype,
		.qclass = slot->qclass,
		.recursion_desired = recursion_desired,
		.checking_disabled = checking_disabled,
		.edns = (slot->flags & INFLIGHT_SLOT_EDNS) != 0,
		.edns_udp_size_bytes = e->config->edns_udp_size_bytes,
	};
	uint64_t left_ms = until > e->now ? (until - e->now) / NS_PER_MS : 0;

	out->length_bytes = (uint32_t)msg_build_query(
		(struct buffer){out->data, STREAM_MESSAGE_BYTES_MAX}, &query);
	out->kind = STREAM_QUERY;
	out->worker = e->worker_idx;
	out->handle = handle_of(e, slot_idx);
	out->server = *server_endpoint(&e->servers, slot->server_idx);
	/* Of a prefix the kernel has whatever it has. */
	memset(&out->local, 0, sizeof(out->local));
	if (from->prefix_bits == ADDRESS_BITS)
		out->local = from->address;
	out->timeout_ms = left_ms > 0 ? (uint32_t)left_ms : 1;
}

bool engine_stream_send(struct engine *e, uint32_t resolution_idx)
{
	const struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct resolution_env env = engine_env(e);

	if (r->tcp_for == RESOLUTION_TCP_FOR_NONE &&
	    !server_tcp_only(&e->servers, resolution_server(r), e->now))
		return false;
	if (engine_route_has_tcp(e, resolution_server(r))) {
		engine_queue_push(e, &e->streams.send_queue, resolution_idx);
		return true;
	}
	/* UDP is better than nothing, but where it has been tried or is not wanted. */
	if (r->tcp_for == RESOLUTION_TCP_FOR_NONE || r->tcp_for == RESOLUTION_TCP_FOR_GUESS)
		return false;
	engine_step(e, resolution_idx,
		    resolution_on_no_route(&e->resolutions, resolution_idx, &env), NULL);
	return true;
}

/* False: it could not be sent, and the resolution has moved on by itself. */
static bool query_send(struct engine *e, uint32_t resolution_idx, struct stream_slot *out)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct resolution_env env = engine_env(e);
	const struct engine_way *way = choose_way(e, resolution_server(r));
	struct inflight_slot *slot;
	uint32_t slot_idx = POOL_NONE;

	if (way == NULL) {
		engine_step(e, resolution_idx,
			    resolution_on_no_route(&e->resolutions, resolution_idx, &env), NULL);
		return false;
	}
	if (resolution_may_tcp(r))
		slot_idx = inflight_take(&e->inflight);
	if (slot_idx == POOL_NONE) {
		if (resolution_may_tcp(r))
			counter_add(&e->counters, COUNTER_SHED_UNDER_WAY, 1);
		engine_step(e, resolution_idx,
			    resolution_on_shed(&e->resolutions, resolution_idx, &env), NULL);
		return false;
	}
	slot = &e->inflight.slots[slot_idx];
	fill_slot(e, slot, resolution_server(r), way);
	if (r->edns_retry)
		slot->flags = 0;
	slot->qtype = r->key.qtype;
	slot->qclass = r->key.qclass;
	slot->resolution_idx = resolution_idx;
	slot->resolution_generation = r->generation;
	name_copy(&slot->qname, &r->key.qname);
	e->streams.under_way++;
	resolution_on_tcp_sent(&e->resolutions, resolution_idx, slot_idx);
	if (UNLIKELY(r->traced))
		engine_trace_sent(e, resolution_idx, slot);
	timer_set(&e->timers, slot_idx, r->try_until);
	put_query(e, slot_idx, resolution_wants_recursion(r, e->config), r->key.checking_disabled,
		  r->try_until, out);
	return true;
}

static bool query_out(struct engine *e, struct stream_slot *out)
{
	uint32_t resolution_idx;

	/* What is sent again at once waits for the next engine_tx: no more than there are now. */
	while ((resolution_idx = engine_queue_pop(e, &e->streams.send_queue)) != POOL_NONE)
		if (query_send(e, resolution_idx, out))
			return true;
	return false;
}

/* ---- health probes over TCP ---- */

void engine_stream_reload(struct engine *e)
{
	const struct engine_config *c = e->config;
	bool *only_tcp = e->streams.only_tcp;

	memset(only_tcp, 0, sizeof(e->streams.only_tcp));
	for (unsigned pass = ZONE_TRANSPORT_COUNT; pass-- > 0;)
		for (uint16_t i = 0; i < c->zone_count; i++)
			for (uint8_t j = 0; j < c->zones[i].server_count; j++)
				if (c->zones[i].transport == pass)
					only_tcp[c->zones[i].servers[j]] =
						pass == ZONE_TRANSPORT_TCP;
}

static void probe_failed(struct engine *e, uint16_t server_idx)
{
	/* Both, or a question that is under way to it would be taken for ended. */
	server_on_sent(&e->servers, server_idx);
	server_on_cancelled(&e->servers, server_idx, true);
}

void engine_stream_probe(struct engine *e, uint16_t server_idx)
{
	const struct engine_way *way = choose_way(e, server_idx);
	struct inflight_slot *slot;
	uint32_t slot_idx;

	CHECK(e->streams.probe_slot == POOL_NONE);
	slot_idx = way != NULL ? inflight_take(&e->inflight) : POOL_NONE;
	if (slot_idx == POOL_NONE) {
		probe_failed(e, server_idx);
		return;
	}
	slot = &e->inflight.slots[slot_idx];
	fill_slot(e, slot, server_idx, way);
	slot->qtype = DNS_TYPE_SOA;
	slot->qclass = DNS_CLASS_IN;
	slot->resolution_idx = ENGINE_NO_RESOLUTION;
	slot->resolution_generation = 0;
	name_copy(&slot->qname, &e->config->health_name);
	counter_add(&e->counters, COUNTER_PROBES, 1);
	e->probes_out++;
	e->streams.probe_slot = slot_idx;
	timer_set(&e->timers, slot_idx,
		  e->now + e->config->server_health[server_idx].interval_ms * NS_PER_MS);
}

static bool probe_out(struct engine *e, struct stream_slot *out)
{
	uint32_t slot_idx = e->streams.probe_slot;
	const struct inflight_slot *slot;

	if (slot_idx == POOL_NONE)
		return false;
	slot = &e->inflight.slots[slot_idx];
	e->streams.probe_slot = POOL_NONE;
	put_query(e, slot_idx, true, false,
		  slot->sent_at +
			  e->config->server_health[slot->server_idx].interval_ms * NS_PER_MS,
		  out);
	return true;
}

/* ---- out ---- */

bool engine_stream_wants_out(const struct engine *e)
{
	return e->streams.waiter_head != POOL_NONE || e->streams.send_queue.count > 0 ||
	       e->streams.probe_slot != POOL_NONE;
}

bool engine_stream_out(struct engine *e, struct stream_slot *slot, mono_ns now)
{
	CHECK(slot->capacity_bytes >= STREAM_MESSAGE_BYTES_MAX);
	engine_turn_begin(e, now);
	/* Answers first, they free resolutions. */
	return answer_out(e, slot) || query_out(e, slot) || probe_out(e, slot);
}

/* ---- what comes back ---- */

void engine_stream_slot_end(struct engine *e, uint32_t slot_idx)
{
	if (e->inflight.slots[slot_idx].resolution_idx != ENGINE_NO_RESOLUTION)
		e->streams.under_way--;
	if (e->streams.probe_slot == slot_idx)
		e->streams.probe_slot = POOL_NONE;
	inflight_put(&e->inflight, slot_idx);
}

/* The slot's query brings no answer. */
static void failed(struct engine *e, uint32_t slot_idx, enum stream_failure failure)
{
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint32_t resolution_idx = slot->resolution_idx;
	uint16_t server_idx = slot->server_idx;
	mono_ns sent_at = slot->sent_at;
	struct resolution_env env = engine_env(e);

	if (resolution_idx != ENGINE_NO_RESOLUTION &&
	    UNLIKELY(e->resolutions.resolutions[resolution_idx].traced))
		engine_trace_silence(e, resolution_idx, slot, engine_trace_tcp_text[failure]);
	engine_slot_end(e, slot_idx, false);
	if (resolution_idx != ENGINE_NO_RESOLUTION)
		engine_step(e, resolution_idx,
			    resolution_on_tcp_failed(&e->resolutions, resolution_idx, &env, sent_at,
						     failure),
			    NULL);
	else if (failure == STREAM_FAILURE_LIMIT)
		server_on_cancelled(&e->servers, server_idx, true);
	else
		server_on_timeout(&e->servers, server_idx, sent_at, true, e->now);
}

void engine_stream_timeout(struct engine *e, uint32_t slot_idx)
{
	counter_add(&e->counters, COUNTER_UPSTREAM_TCP_TIMEOUTS, 1);
	failed(e, slot_idx, STREAM_FAILURE_TIMEOUT);
}

/* It parses, is the slot's question's, and is whole. */
static bool is_usable(const struct inflight_slot *slot, struct span message,
		      struct msg_response *response)
{
	return msg_parse_response(message, response) == MSG_RESPONSE_OK &&
	       response->qtype == slot->qtype && response->qclass == slot->qclass &&
	       name_equal(&response->qname, &slot->qname) && (response->flags & DNS_FLAG_TC) == 0;
}

static void probe_answered(struct engine *e, uint32_t slot_idx)
{
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];

	server_on_answer(&e->servers, slot->server_idx,
			 (uint32_t)((e->now - slot->sent_at) / NS_PER_US), true, e->now);
	engine_slot_end(e, slot_idx, false);
}

/* message: the response's, to be written to. */
static enum counter answered(struct engine *e, uint32_t slot_idx, struct msg_response *response,
			     uint8_t *message)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint32_t idx = slot->resolution_idx;
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct resolution_env env = engine_env(e);
	struct msg_response clean;
	enum resolution_step step;
	enum counter outcome;
	bool judged;

	CHECK(r->generation == slot->resolution_generation && r->slot_idx == slot_idx);
	if (resolution_waiters(r) > 0 && !engine_can_keep(e, response->message.length_bytes)) {
		/* As if it were lost on the way: it is asked again when its time is over. */
		resolution_on_hindered(&e->resolutions, idx);
		return COUNTER_DROP_ANSWERS_FULL;
	}
	env.judges = r->iterates || engine_is_judged(e->config, r, response);
	engine_iterate_on_bytes(e, idx, response);
	step = resolution_on_response(&e->resolutions, idx, &env, slot, response, &outcome);
	judged = step == RESOLUTION_STEP_JUDGE;
	if (judged) {
		step = engine_judge(e, idx, slot, response, message, &clean);
		if (step == RESOLUTION_STEP_ANSWER && clean.message.data != message)
			message = e->clean;
		response = &clean;
	} else if (UNLIKELY(r->traced)) {
		engine_trace_reply(e, idx, slot, response, engine_trace_step_text[step]);
	}
	engine_round_trip(e, slot);
	if (step != RESOLUTION_STEP_ANSWER && !judged)
		counter_add(&e->counters, COUNTER_UPSTREAM_ERRORS, 1);
	engine_slot_end(e, slot_idx, false);
	if (step == RESOLUTION_STEP_ANSWER && e->cache != NULL)
		engine_cache_store(e, r, response, message);
	engine_step(e, idx, step, response);
	return COUNTER_UPSTREAM_TCP_RESPONSE;
}

static enum counter response_in(struct engine *e, uint32_t slot_idx, const struct stream_slot *in)
{
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	struct span message = {in->data, in->length_bytes};
	struct msg_response response;

	if (!is_usable(slot, message, &response)) {
		failed(e, slot_idx, STREAM_FAILURE_GARBAGE);
		return COUNTER_UPSTREAM_TCP_UNUSABLE;
	}
	if (slot->resolution_idx != ENGINE_NO_RESOLUTION)
		return answered(e, slot_idx, &response, in->data);
	probe_answered(e, slot_idx);
	return COUNTER_UPSTREAM_TCP_RESPONSE;
}

void engine_stream_in(struct engine *e, const struct stream_slot *in, mono_ns now)
{
	enum counter outcome = COUNTER_UPSTREAM_TCP_LATE;
	uint32_t slot_idx;

	CHECK(in->kind == STREAM_RESPONSE || in->kind == STREAM_FAILED);
	engine_turn_begin(e, now);
	slot_idx = slot_of(e, &in->handle);
	if (slot_idx != POOL_NONE && in->kind == STREAM_RESPONSE) {
		outcome = response_in(e, slot_idx, in);
	} else if (slot_idx != POOL_NONE) {
		failed(e, slot_idx, (enum stream_failure)in->failure);
		outcome = COUNTER_UPSTREAM_TCP_FAILURE;
	}
	counter_add(&e->counters, COUNTER_STREAM_MESSAGES, 1);
	counter_add(&e->counters, outcome, 1);
}

/* ---- invariants ---- */

/* Every client over TCP is in its resolution's ring or among those that are answered. */
static void waiters_check(const struct engine *e)
{
	const struct waiter *waiters = e->waiters.waiters;
	uint32_t counted = 0;
	uint32_t waiting = 0;
	uint32_t last = POOL_NONE;

	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++) {
		const struct resolution *r = &e->resolutions.resolutions[i];
		uint32_t at = r->stream_tail;

		counted += r->apart_count;
		CHECK(at == POOL_NONE || r->state != RESOLUTION_DONE);
		for (unsigned n = 0; at != POOL_NONE && n < r->apart_count; n++) {
			CHECK(waiters[at].kind == WAITER_STREAM && waiters[at].resolution_idx == i);
			waiting++;
			at = waiters[at].next;
			if (at == r->stream_tail)
				break;
		}
		CHECK(at == r->stream_tail);
	}
	for (uint32_t i = e->streams.waiter_head; i != POOL_NONE; i = waiters[i].next) {
		const struct resolution *r = &e->resolutions.resolutions[waiters[i].resolution_idx];

		CHECK(waiters[i].kind == WAITER_STREAM && r->apart_count > 0 &&
		      r->state != RESOLUTION_FREE);
		CHECK(++waiting <= counted);
		last = i;
	}
	CHECK(waiting + e->subs.waiter_count == counted && last == e->streams.waiter_tail);
}

void engine_stream_check(const struct engine *e)
{
	uint32_t under_way = 0;

	waiters_check(e);
	for (uint32_t i = 0; i < e->inflight.slot_count; i++) {
		const struct inflight_slot *slot = &e->inflight.slots[i];

		if (slot->state != INFLIGHT_SLOT_LIVE || slot->transport != INFLIGHT_TCP)
			continue;
		CHECK(slot->position == INFLIGHT_NO_POSITION);
		under_way += slot->resolution_idx != ENGINE_NO_RESOLUTION;
	}
	CHECK(under_way == e->streams.under_way);
	for (uint32_t i = e->streams.send_queue.head, n = e->streams.send_queue.count; n > 0;
	     n--, i = e->resolutions.resolutions[i].queue_next)
		CHECK(e->resolutions.resolutions[i].state == RESOLUTION_SEND);
}
