/* The send side: queries to servers, each from an unpredictable port with an unpredictable ID, and what
 * comes back. */
#include "engine_state.h"

#include <assert.h>
#include <string.h>

#define NO_RESOLUTION UINT32_MAX /* inflight_slot.resolution_idx of a health probe */
/* What is touched of a slot and a resolution whose names are of ordinary length. */
#define CACHE_LINE_BYTES 64
#define REACH_SLOT_BYTES (2 * CACHE_LINE_BYTES)
#define REACH_RESOLUTION_BYTES (3 * CACHE_LINE_BYTES)
static_assert(NO_RESOLUTION == POOL_NONE, "no index of either");
/* Random bytes for one send besides the ticket: letter case and the choice of an address. */
#define SEND_ENTROPY_BYTES (sizeof(struct name_case) + ENTROPY_UNIFORM_BYTES)

/* ---- routes ---- */

void engine_upstream_init(struct engine *e)
{
	const struct engine_config *c = e->config;

	for (uint16_t s = 0; s < c->server_count; s++) {
		struct engine_route *route = &e->routes[s];

		for (uint8_t o = 0; o < c->outgoing_count; o++) {
			const struct engine_outgoing *out = &c->outgoing[o];
			const struct address *peer = &c->server_endpoints[s].address;
			uint16_t neighbour_idx;

			if (address_is_v4(&out->address) != address_is_v4(peer))
				continue;
			neighbour_idx = engine_neighbour_for(e, out->interface_idx, peer);
			if (neighbour_idx == ROUTE_NONE)
				continue;
			route->ways[route->way_count++] = (struct engine_way){
				o, neighbour_idx,
				inflight_peer_hash(e->inflight.words, o, &c->server_endpoints[s])};
		}
	}
	for (unsigned o = 0; o < OUTGOING_MAX; o++)
		ticket_hand_init(&e->hands[o]);
}

static uint16_t way_neighbour(const struct engine *e, const struct inflight_slot *slot)
{
	const struct engine_route *route = &e->routes[slot->server_idx];

	for (unsigned i = 0; i < route->way_count; i++)
		if (route->ways[i].outgoing_idx == slot->outgoing_idx)
			return route->ways[i].neighbour_idx;
	return ROUTE_NONE;
}

/* ---- sending ---- */

enum send_result {
	SEND_OK,
	SEND_NO_ROUTE,    /* no outgoing address or gateway of the server's family */
	SEND_NO_MAC,      /* the neighbour has not answered yet */
	SEND_UNREACHABLE, /* nor after several questions */
	SEND_NO_ENTROPY,  /* random bytes are being refilled */
	SEND_NO_SLOT,     /* as many under way as there may be */
	SEND_NO_TICKET,   /* every ticket drawn met an equal one or a full bucket */
	SEND_NO_ROOM,     /* the lent buffer is too small */
};

/* One query to one server. */
struct query_spec {
	uint16_t server_idx;
	uint32_t resolution_idx;
	uint32_t resolution_generation;
	const struct name *qname; /* lower case */
	uint16_t qtype;
	uint16_t qclass;
	bool recursion_desired;
	bool checking_disabled;
	bool edns;
	bool letter_case; /* 0x20 */
};

static const struct engine_way *choose_way(struct engine *e, const struct engine_route *route)
{
	if (route->way_count == 1)
		return &route->ways[0];
	return &route->ways[entropy_uniform(&e->entropy, route->way_count)];
}

/* 0x20 (Dagon et al. 2008): each letter's case is a random bit. */
static void randomize_case(struct engine *e, struct name *qname)
{
	struct name_case bits = {{0}};

	entropy_take(&e->entropy, bits.bits, (qname->length_bytes + 7u) / 8u);
	name_case_apply(&bits, qname->bytes, qname->length_bytes);
}

/* Play tickets until one finds its place. The slot must be filled: others may match it at once. */
static enum send_result enter(struct engine *e, struct inflight_slot *slot, uint32_t slot_idx,
			      const struct engine_way *way)
{
	const struct port_set *ports = e->config->outgoing[way->outgoing_idx].ports;

	for (unsigned draws = 0; draws < TICKET_DRAWS_MAX; draws++) {
		struct ticket ticket, next;
		uint64_t hash;

		if (!ticket_draw(&e->hands[way->outgoing_idx], ports, &e->entropy, &ticket))
			return SEND_NO_ENTROPY;
		/* The next query goes the same way, as a rule: its bucket comes while this one is built. */
		if (ticket_next(&e->hands[way->outgoing_idx], ports, &next))
			inflight_prefetch(e->inflight.words,
					  inflight_hash(way->peer_hash, next.port));
		slot->local_port = ticket.port;
		slot->id = ticket.id;
		hash = inflight_hash(way->peer_hash, ticket.port);
		if (inflight_enter(e->inflight.words, hash, ticket.id, e->worker_idx,
				   (uint16_t)slot_idx, &slot->position) == INFLIGHT_ENTERED)
			return SEND_OK;
	}
	return SEND_NO_TICKET;
}

static void fill_slot(struct engine *e, struct inflight_slot *slot, const struct query_spec *spec,
		      const struct engine_way *way)
{
	slot->transport = INFLIGHT_UDP;
	slot->outgoing_idx = way->outgoing_idx;
	slot->flags = (uint8_t)((spec->edns ? INFLIGHT_SLOT_EDNS : 0) |
				(spec->letter_case ? INFLIGHT_SLOT_CASE : 0));
	slot->server_idx = spec->server_idx;
	slot->qtype = spec->qtype;
	slot->qclass = spec->qclass;
	slot->resolution_idx = spec->resolution_idx;
	slot->resolution_generation = spec->resolution_generation;
	slot->near_misses = 0;
	slot->sent_at = e->now;
	slot->qname.length_bytes = spec->qname->length_bytes;
	memcpy(slot->qname.bytes, spec->qname->bytes, spec->qname->length_bytes);
	if (spec->letter_case)
		randomize_case(e, &slot->qname);
}

static size_t build_query(struct engine *e, const struct inflight_slot *slot,
			  const struct query_spec *spec, const struct mac *mac, struct buffer frame)
{
	const struct engine_outgoing *out = &e->config->outgoing[slot->outgoing_idx];
	const struct frame_interface *interface = &e->config->interfaces[out->interface_idx];
	const struct endpoint *peer = &e->config->server_endpoints[spec->server_idx];
	unsigned header_bytes = frame_udp_header_bytes(&peer->address, interface->vlan);
	uint16_t most = engine_udp_bytes_max(interface, &peer->address);
	uint16_t edns_size =
		e->config->edns_udp_size_bytes < most ? e->config->edns_udp_size_bytes : most;
	struct msg_query_params query = {
		.id = slot->id,
		.qname = &slot->qname,
		.qtype = spec->qtype,
		.qclass = spec->qclass,
		.recursion_desired = spec->recursion_desired,
		.checking_disabled = spec->checking_disabled,
		.edns = spec->edns,
		.edns_udp_size_bytes = edns_size,
	};
	struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = *mac,
		.vlan = interface->vlan,
		.src = out->address,
		.dst = peer->address,
		.src_port = slot->local_port,
		.dst_port = peer->port,
	};
	size_t length_bytes;

	length_bytes = msg_build_query((struct buffer){frame.data + header_bytes,
						       frame.capacity_bytes - header_bytes},
				       &query);
	CHECK(length_bytes > 0); /* send_query made sure of the room */
	return frame_build_udp(frame.data, &params, (unsigned)length_bytes);
}

static enum send_result send_query(struct engine *e, const struct query_spec *spec,
				   struct buffer frame, uint32_t *slot_idx, unsigned *length_bytes,
				   uint8_t *interface_idx)
{
	const struct engine_route *route = &e->routes[spec->server_idx];
	const struct engine_way *way;
	struct mac mac;
	struct inflight_slot *slot;
	enum send_result result;

	if (frame.capacity_bytes < FRAME_HEADER_BYTES_MAX + MSG_BUILD_BYTES_MIN)
		return SEND_NO_ROOM;
	if (route->way_count == 0)
		return SEND_NO_ROUTE;
	if (!entropy_ready(&e->entropy, SEND_ENTROPY_BYTES))
		return SEND_NO_ENTROPY;
	way = choose_way(e, route);
	switch (neighbour_mac(&e->neighbours, way->neighbour_idx, &mac)) {
	case NEIGHBOUR_KNOWN:
		break;
	case NEIGHBOUR_UNKNOWN:
		return SEND_NO_MAC;
	case NEIGHBOUR_SILENT:
		return SEND_UNREACHABLE;
	}
	*slot_idx = inflight_take(&e->inflight);
	if (*slot_idx == UINT32_MAX)
		return SEND_NO_SLOT;
	slot = &e->inflight.slots[*slot_idx];
	fill_slot(e, slot, spec, way);
	result = enter(e, slot, *slot_idx, way);
	if (result != SEND_OK) {
		inflight_put(&e->inflight, *slot_idx);
		return result;
	}
	*length_bytes = (unsigned)build_query(e, slot, spec, &mac, frame);
	*interface_idx = e->config->outgoing[way->outgoing_idx].interface_idx;
	server_on_sent(&e->servers, spec->server_idx);
	return SEND_OK;
}

/* Each pause in a row is twice as long, so that many that wait cost little. */
static uint64_t pause_ns(const struct engine *e, uint32_t resolution_idx, uint64_t first_ms)
{
	uint32_t pauses = e->resolutions.resolutions[resolution_idx].pauses;

	return (first_ms << (pauses < PAUSE_DOUBLINGS_MAX ? pauses : PAUSE_DOUBLINGS_MAX)) *
	       NS_PER_MS;
}

/* A query could not be sent: what becomes of its resolution. */
static void blocked(struct engine *e, uint32_t resolution_idx, enum send_result result)
{
	struct resolution_env env = engine_env(e);
	enum resolution_step step = RESOLUTION_STEP_KEEP;

	switch (result) {
	case SEND_OK:
		return;
	case SEND_NO_ROOM:
		step = RESOLUTION_STEP_SEND;
		break;
	case SEND_NO_MAC:
		counter_add(&e->counters, COUNTER_NEIGHBOUR_WAITS, 1);
		step = resolution_on_blocked(&e->resolutions, resolution_idx, &env,
					     e->now + pause_ns(e, resolution_idx, NO_MAC_PAUSE_MS));
		break;
	case SEND_UNREACHABLE:
		step = resolution_on_unreachable(&e->resolutions, resolution_idx, &env);
		break;
	case SEND_NO_ENTROPY:
		counter_add(&e->counters, COUNTER_ENTROPY_WAITS, 1);
		step = resolution_on_blocked(&e->resolutions, resolution_idx, &env,
					     e->now + pause_ns(e, resolution_idx,
							       NO_ENTROPY_PAUSE_MS));
		break;
	case SEND_NO_TICKET:
		counter_add(&e->counters, COUNTER_SHED_TICKETS, 1);
		step = resolution_on_shed(&e->resolutions, resolution_idx, &env);
		break;
	case SEND_NO_SLOT:
		counter_add(&e->counters, COUNTER_SHED_UNDER_WAY, 1);
		step = resolution_on_shed(&e->resolutions, resolution_idx, &env);
		break;
	case SEND_NO_ROUTE:
		step = resolution_on_no_route(&e->resolutions, resolution_idx, &env);
		break;
	}
	engine_step(e, resolution_idx, step, NULL);
}

unsigned engine_query_send(struct engine *e, uint32_t resolution_idx, struct buffer frame,
			   uint8_t *interface_idx)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	uint16_t server_idx = resolution_server(r, e->config);
	struct query_spec spec = {
		.server_idx = server_idx,
		.resolution_idx = resolution_idx,
		.resolution_generation = r->generation,
		.qname = &r->key.qname,
		.qtype = r->key.qtype,
		.qclass = r->key.qclass,
		.recursion_desired = e->config->zones[r->key.zone_idx].recursion_desired,
		.checking_disabled = r->key.checking_disabled,
		.edns = !r->edns_retry && server_edns_on(&e->servers, server_idx, e->now),
		.letter_case = e->config->case_randomization && r->case_losses < CASE_PROOFS &&
			       server_case_on(&e->servers, server_idx, e->now),
	};
	unsigned length_bytes = 0;
	uint32_t slot_idx;
	enum send_result result =
		send_query(e, &spec, frame, &slot_idx, &length_bytes, interface_idx);

	if (result != SEND_OK) {
		blocked(e, resolution_idx, result);
		return 0;
	}
	counter_add(&e->counters, COUNTER_UPSTREAM_QUERIES, 1);
	if (r->packets > 0)
		counter_add(&e->counters, COUNTER_UPSTREAM_RETRIES, 1);
	resolution_on_sent(&e->resolutions, resolution_idx, slot_idx);
	timer_set(&e->timers, slot_idx, r->try_until);
	return length_bytes;
}

unsigned engine_probe_send(struct engine *e, struct buffer frame, uint8_t *interface_idx)
{
	int server_idx = server_probe_due(&e->servers, e->now);
	unsigned length_bytes = 0;
	uint32_t slot_idx;

	if (server_idx < 0)
		return 0;
	struct query_spec spec = {
		.server_idx = (uint16_t)server_idx,
		.resolution_idx = NO_RESOLUTION,
		.qname = &e->config->health_name,
		.qtype = DNS_TYPE_SOA,
		.qclass = DNS_CLASS_IN,
		.recursion_desired = true,
		.edns = server_edns_on(&e->servers, (uint16_t)server_idx, e->now),
	};
	if (send_query(e, &spec, frame, &slot_idx, &length_bytes, interface_idx) != SEND_OK) {
		/* Both, or a question that is under way to it would be taken for ended. */
		server_on_sent(&e->servers, spec.server_idx);
		server_on_cancelled(&e->servers, spec.server_idx, true);
		return 0;
	}
	counter_add(&e->counters, COUNTER_UPSTREAM_QUERIES, 1);
	counter_add(&e->counters, COUNTER_PROBES, 1);
	e->probes_out++;
	timer_set(&e->timers, slot_idx,
		  e->now + e->config->server_health[server_idx].interval_ms * NS_PER_MS);
	return length_bytes;
}

/* ---- ends ---- */

void engine_slot_end(struct engine *e, uint32_t slot_idx, bool late)
{
	if (e->inflight.slots[slot_idx].resolution_idx == NO_RESOLUTION)
		e->probes_out--;
	timer_cancel(&e->timers, slot_idx);
	if (late)
		inflight_late(&e->inflight, slot_idx, e->now + e->config->late_ms * NS_PER_MS);
	else
		inflight_done(&e->inflight, slot_idx);
}

/* The grace after a reply in lower case is over. */
static void case_lost(struct engine *e, uint32_t slot_idx)
{
	uint32_t resolution_idx = e->inflight.slots[slot_idx].resolution_idx;
	struct resolution_env env = engine_env(e);

	counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
	engine_slot_end(e, slot_idx, true);
	engine_step(e, resolution_idx,
		    resolution_on_case_lost(&e->resolutions, resolution_idx, &env), NULL);
}

void engine_slot_timeout(struct engine *e, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint32_t resolution_idx = slot->resolution_idx;
	uint16_t neighbour_idx = way_neighbour(e, slot);

	CHECK(slot->state == INFLIGHT_SLOT_LIVE);
	if ((slot->flags & INFLIGHT_SLOT_LOWER) != 0) {
		case_lost(e, slot_idx);
		return;
	}
	counter_add(&e->counters, COUNTER_UPSTREAM_TIMEOUTS, 1);
	/* Silence may mean that the neighbour has gone or moved: confirm it. */
	if (neighbour_idx != ROUTE_NONE)
		neighbour_suspect(&e->neighbours, neighbour_idx, e->now);
	engine_slot_end(e, slot_idx, true);
	if (resolution_idx == NO_RESOLUTION) {
		server_on_timeout(&e->servers, slot->server_idx, slot->sent_at, true, e->now);
		return;
	}
	struct resolution_env env = engine_env(e);

	engine_step(e, resolution_idx,
		    resolution_on_timeout(&e->resolutions, resolution_idx, &env, slot->sent_at),
		    NULL);
}

/* ---- replies ---- */

void engine_reply_look(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	struct endpoint peer = {work->view.src, work->view.src_port};

	if (work->view.payload.length_bytes < DNS_HEADER_BYTES) {
		engine_end(e, slot, COUNTER_UNMATCHED, RX_FREE);
		return;
	}
	work->hash = inflight_hash(inflight_peer_hash(e->inflight.words, work->outgoing_idx, &peer),
				   work->view.dst_port);
	inflight_prefetch(e->inflight.words, work->hash);
	/* Where an answer might not fit behind the packet's start it leaves in another one. */
	if (engine_room(slot).capacity_bytes < FRAME_HEADER_BYTES_MAX + EDNS_UDP_BYTES)
		slot->in_place = false;
	work->stage = ENGINE_RX_REPLY;
}

static void prefetch_lines(const void *memory, size_t length_bytes)
{
	for (size_t at = 0; at < length_bytes; at += CACHE_LINE_BYTES)
		__builtin_prefetch((const uint8_t *)memory + at);
}

void engine_reply_reach(struct engine *e, unsigned i, unsigned step)
{
	struct engine_rx_work *work = &e->work[i];
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	const struct resolution *r;
	unsigned hit_count;

	switch (step) {
	case 0: /* the bucket is here: the slot */
		work->reached_idx = POOL_NONE;
		if (inflight_find(e->inflight.words, work->hash, msg_id(work->view.payload), hits,
				  &hit_count) != INFLIGHT_MATCH ||
		    hits[0].owner != e->worker_idx)
			return;
		work->reached_idx = hits[0].slot;
		prefetch_lines(&e->inflight.slots[hits[0].slot], REACH_SLOT_BYTES);
		return;
	case 1: /* the slot is here: the resolution, and its timer */
		if (work->reached_idx == POOL_NONE)
			return;
		timer_prefetch(&e->timers, work->reached_idx);
		work->reached_idx = e->inflight.slots[work->reached_idx].resolution_idx;
		if (work->reached_idx != POOL_NONE)
			prefetch_lines(&e->resolutions.resolutions[work->reached_idx],
				       REACH_RESOLUTION_BYTES);
		return;
	default: /* the resolution is here: its first waiter, and its place in the chain */
		if (work->reached_idx == POOL_NONE)
			return;
		r = &e->resolutions.resolutions[work->reached_idx];
		resolution_prefetch(&e->resolutions, r->key.hash);
		if (r->slot_idx != POOL_NONE)
			timer_prefetch_links(&e->timers, r->slot_idx);
		if (r->waiter_head != POOL_NONE)
			prefetch_lines(&e->waiters.waiters[r->waiter_head], sizeof(struct waiter));
		return;
	}
}

/* Everything that the word's hash only hinted at (RFC 5452 section 9.1). */
static bool tuple_matches(const struct engine *e, const struct inflight_slot *slot,
			  const struct engine_rx_work *work)
{
	const struct endpoint *peer = &e->config->server_endpoints[slot->server_idx];

	return slot->state != INFLIGHT_SLOT_FREE && slot->local_port == work->view.dst_port &&
	       slot->outgoing_idx == work->outgoing_idx && peer->port == work->view.src_port &&
	       address_equal(&peer->address, &work->view.src);
}

/* Somebody knows the port and guesses IDs: this ticket is burnt, and its query asked again with another. */
static void burn(struct engine *e, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint32_t resolution_idx = slot->resolution_idx;
	struct resolution_env env = engine_env(e);

	counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
	engine_slot_end(e, slot_idx, true);
	if (resolution_idx == NO_RESOLUTION) {
		server_on_cancelled(&e->servers, slot->server_idx, true);
		return;
	}
	engine_step(e, resolution_idx,
		    resolution_on_near_miss(&e->resolutions, resolution_idx, &env), NULL);
}

/* May this ticket see one more wrong ID? Counts it if so. */
static bool borne(struct engine *e, struct inflight_slot *slot)
{
	const struct resolution *r;

	if (slot->resolution_idx == NO_RESOLUTION)
		return false;
	r = &e->resolutions.resolutions[slot->resolution_idx];
	if (slot->near_misses >= resolution_near_miss_tolerance(r, slot))
		return false;
	slot->near_misses++;
	return true;
}

/* A wrong ID at a ticket of ours: is it ours? */
static bool near_miss(struct engine *e, const struct engine_rx_work *work, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];

	if (slot->state != INFLIGHT_SLOT_LIVE || !tuple_matches(e, slot, work))
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
	engine_slot_end(e, slot_idx, false);
	engine_end(e, slot, COUNTER_UPSTREAM_RESPONSE, RX_FREE);
}

/* Can any answer be built in the packet itself? */
static bool takes_answer(const struct rx_slot *slot)
{
	return slot->in_place &&
	       engine_room(slot).capacity_bytes >= FRAME_HEADER_BYTES_MAX + EDNS_UDP_BYTES;
}

/* The answer goes to its first waiter in the packet that it came in, if that may be written to; the rest wait in the
 * answer queue. */
static void answer_first(struct engine *e, struct rx_slot *slot, uint32_t resolution_idx,
			 struct msg_response *response)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	uint32_t waiter_idx;

	memcpy(e->scratch, response->message.data, response->message.length_bytes);
	response->message.data = e->scratch;
	if (!takes_answer(slot))
		return;
	waiter_idx = engine_waiter_next(e, r);
	CHECK(waiter_idx != POOL_NONE); /* a resolution that is not DONE has a waiter */
	slot->length_bytes = engine_answer_waiter(e, r, &e->waiters.waiters[waiter_idx], response,
						  engine_room(slot), &slot->interface_idx);
	engine_waiter_end(e, waiter_idx);
	CHECK(slot->length_bytes > 0); /* takes_answer made sure of the room */
	slot->verdict = RX_SEND;
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

static void resolution_reply(struct engine *e, struct rx_slot *slot, uint32_t slot_idx,
			     struct msg_response *response)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	uint32_t idx = sent->resolution_idx;
	struct resolution *r = &e->resolutions.resolutions[idx];
	uint32_t queued_waiters = r->waiter_count - (takes_answer(slot) ? 1 : 0);
	struct resolution_env env = engine_env(e);
	enum resolution_step step;
	enum counter outcome;

	CHECK(r->generation == sent->resolution_generation && r->slot_idx == slot_idx);
	if (queued_waiters > 0 && pool_used_count(&e->answers_free) == e->answers_free.capacity) {
		/* As if it were lost on the way: the wait goes on. */
		engine_end(e, slot, COUNTER_DROP_ANSWERS_FULL, RX_FREE);
		return;
	}
	step = resolution_on_response(&e->resolutions, idx, &env, sent, response, &outcome);
	engine_end(e, slot, outcome, RX_FREE);
	if (step == RESOLUTION_STEP_GRACE)
		grace(e, slot_idx, r->try_until);
	if (step == RESOLUTION_STEP_KEEP || step == RESOLUTION_STEP_GRACE)
		return;
	if (step != RESOLUTION_STEP_ANSWER)
		counter_add(&e->counters, COUNTER_UPSTREAM_ERRORS, 1);
	engine_slot_end(e, slot_idx, false);
	if (step == RESOLUTION_STEP_ANSWER)
		answer_first(e, slot, idx, response);
	engine_step(e, idx, step, response);
}

/* Does the packet answer this query of ours? If so, it ends here. */
static bool match(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
		  uint32_t slot_idx)
{
	struct inflight_slot *sent = &e->inflight.slots[slot_idx];
	struct msg_response response;

	if (sent->state != INFLIGHT_SLOT_LIVE || !tuple_matches(e, sent, work) ||
	    sent->id != msg_id(work->view.payload))
		return false;
	if (work->view.payload.length_bytes > ANSWER_BUFFER_BYTES ||
	    msg_parse_response(work->view.payload, &response) != MSG_RESPONSE_OK) {
		engine_end(e, slot, COUNTER_RESPONSE_UNPARSABLE, RX_FREE);
		return true;
	}
	if (sent->resolution_idx == NO_RESOLUTION)
		probe_reply(e, slot, slot_idx, &response);
	else
		resolution_reply(e, slot, slot_idx, &response);
	return true;
}

/* What a reply is for one word of ours. True: the packet has ended. *outcome: what it is if it does not end
 * with a later word. */
static bool judge(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
		  enum inflight_find found, uint32_t slot_idx, enum counter *outcome)
{
	switch (found) {
	case INFLIGHT_MATCH:
		return match(e, slot, work, slot_idx);
	case INFLIGHT_LATE:
		if (tuple_matches(e, &e->inflight.slots[slot_idx], work))
			*outcome = COUNTER_LATE_RESPONSE;
		return false;
	case INFLIGHT_NEAR_MISS:
		if (near_miss(e, work, slot_idx))
			*outcome = COUNTER_NEAR_MISS;
		return false;
	case INFLIGHT_NONE:
		break;
	}
	return false;
}

/* A bucket may name several owners: the packet visits each once, in ascending order, and each looks at its own words
 * only. Whoever received it from the device gives it to the first, whoever was passed it to the next. */
void engine_reply(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct engine_rx_work *work = &e->work[i];
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	enum counter outcome = COUNTER_UNMATCHED;
	unsigned hit_count;
	unsigned h = 0;
	enum inflight_find found = inflight_find(e->inflight.words, work->hash,
						 msg_id(work->view.payload), hits, &hit_count);

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
