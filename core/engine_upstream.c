/* The send side: queries to servers, each from an unpredictable port with an unpredictable ID. */
#include "engine_iterate.h"
#include "msg_query.h"
#include "name_case.h"

#include <string.h>

/* Random bytes for one send besides the ticket: letter case, the choice of an address and of an identifier. */
#define SEND_ENTROPY_BYTES (sizeof(struct name_case) + 2 * ENTROPY_UNIFORM_BYTES)

/* ROUTE_NONE: the way is no more. */
static uint16_t way_neighbour(struct engine *e, const struct inflight_slot *slot)
{
	const struct engine_route *route = engine_route_to(e, slot->server_idx);

	for (unsigned i = 0; i < route->way_count; i++)
		if (route->ways[i].outgoing_idx == slot->outgoing_idx)
			return route->ways[i].neighbour_idx;
	return ROUTE_NONE;
}

/* ---- sending ---- */

enum send_result {
	SEND_OK,
	SEND_NO_ROUTE, /* no outgoing address of the server's family with a port left, or no gateway */
	SEND_NO_MAC,      /* the neighbour has not answered yet */
	SEND_UNREACHABLE, /* nor after several questions */
	SEND_NO_ENTROPY,  /* random bytes are being refilled */
	SEND_NO_SLOT,     /* as many under way as there may be */
	SEND_NO_SHARE,    /* as many to this server as it may have */
	SEND_NO_TICKET,   /* every ticket drawn met an equal one or a full bucket */
	SEND_NO_ROOM,     /* the lent buffer is too small */
};

/* One query to one server. */
struct query_spec {
	uint16_t server_idx;
	uint32_t resolution_idx;
	uint32_t resolution_generation;
	uint64_t question_hash;
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
	if (UNLIKELY(e->sources_empty != 0))
		return engine_way_choose(e, route);
	if (route->way_count == 1)
		return &route->ways[0];
	return &route->ways[entropy_uniform(&e->entropy, route->way_count)];
}

/* The last 8 bytes of the address that the next query leaves from: one of those that live, where that is a prefix. */
static uint64_t choose_identifier(struct engine *e, uint8_t outgoing_idx)
{
	const struct engine_outgoing *out = &e->config->outgoing[outgoing_idx];
	const struct source_set *source = e->sources[outgoing_idx];

	if (LIKELY(out->prefix_bits == ADDRESS_BITS))
		return source_identifier_of(&out->address);
	return source->identifiers[entropy_uniform(&e->entropy, source->identifier_count)];
}

/* 0x20 (Dagon et al. 2008): each letter's case is a random bit. Of two sizes only, so that taking them is no loop. Returns the
 * name's sum. */
static inline uint64_t randomize_case(struct engine *e, const struct name *qname, struct name *out)
{
	enum { FEW_BYTES = 8 };
	struct name_case bits = {{0}};

	if (LIKELY(qname->length_bytes <= 8 * FEW_BYTES))
		entropy_take(&e->entropy, bits.bits, FEW_BYTES);
	else
		entropy_take(&e->entropy, bits.bits, sizeof(bits.bits));
	return name_case_copy_summed(&bits, qname, out);
}

static inline uint64_t ticket_hash(const struct engine_way *way, uint64_t identifier,
				   struct ticket ticket, bool is_small)
{
	uint64_t hash = inflight_hash(way->peer_hash, ticket.port);

	return UNLIKELY(is_small) ? inflight_hash_of_few(hash, identifier, ticket.id) : hash;
}

/* Is a query that was sent while the set was of the other kind under way with this ticket? */
static bool is_taken_in_other_kind(const struct engine *e, const struct engine_way *way,
				   uint64_t identifier, struct ticket ticket, bool is_small)
{
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;
	enum inflight_find found =
		inflight_find(e->inflight.words, ticket_hash(way, identifier, ticket, !is_small),
			      ticket.id, hits, &hit_count);

	return found == INFLIGHT_MATCH || found == INFLIGHT_LATE;
}

/* Where replies find it by its question. Its bucket is full for one query in 100,000 when as many are under way as there
 * may be: that one goes without, as another ticket would lead to the same bucket. */
static void enter_aim(struct engine *e, struct inflight_slot *slot, uint32_t slot_idx,
		      const struct engine_way *way)
{
	uint64_t hash = inflight_aim_hash(e->inflight.words, way->peer_hash, &slot->qname,
					  slot->qtype, slot->qclass);

	if (inflight_enter(e->inflight.words, hash, slot->id, e->worker_idx, (uint16_t)slot_idx,
			   &slot->aim_position) != INFLIGHT_ENTERED)
		slot->aim_position = INFLIGHT_NO_POSITION;
}

/* Where reach_sending cannot say what the next queries play, as one of several ways is drawn for each: they go the same way
 * now and then, and their buckets come while this one is built. Of a new hand the first few, else
 * the one that is that far ahead. */
static inline __attribute__((always_inline)) void prefetch_ahead(const struct engine *e,
								 const struct source_set *source,
								 const struct ticket_hand *hand,
								 const struct engine_way *way,
								 uint64_t identifier)
{
	bool is_new = hand->left == TICKET_HAND_SIZE - 1;
	struct ticket ticket;

	if (LIKELY(!is_new)) {
		if (LIKELY(ticket_ahead(hand, &source->ports, ENGINE_MISSES_AHEAD - 1, &ticket)))
			inflight_prefetch_write(e->inflight.words,
						ticket_hash(way, identifier, ticket,
							    source->is_small));
		return;
	}
	for (uint32_t n = 0; n < ENGINE_MISSES_AHEAD; n++)
		if (ticket_ahead(hand, &source->ports, n, &ticket))
			inflight_prefetch_write(e->inflight.words,
						ticket_hash(way, identifier, ticket,
							    source->is_small));
}

/* Play tickets until one finds its place. The slot must be filled: others may match it at once. */
static inline __attribute__((always_inline)) enum send_result enter(struct engine *e,
								    struct inflight_slot *slot,
								    uint32_t slot_idx,
								    const struct engine_way *way,
								    bool is_only_way)
{
	const struct source_set *source = e->sources[way->outgoing_idx];
	struct ticket_hand *hand = &e->hands[way->outgoing_idx];
	bool is_small = source->is_small;
	bool guesses_ahead = is_small || !is_only_way; /* what reach_sending left */
	unsigned draws_max = is_small ? TICKET_DRAWS_SMALL_MAX : TICKET_DRAWS_MAX;

	for (unsigned draws = 0; draws < draws_max; draws++) {
		struct ticket ticket;

		if (!ticket_draw(hand, &source->ports, &e->entropy, &ticket))
			return SEND_NO_ENTROPY;
		if (UNLIKELY(guesses_ahead))
			prefetch_ahead(e, source, hand, way, slot->identifier);
		slot->local_port = ticket.port;
		slot->id = ticket.id;
		if (UNLIKELY(source->was_other_kind) &&
		    is_taken_in_other_kind(e, way, slot->identifier, ticket, is_small))
			continue;
		if (inflight_enter(e->inflight.words,
				   ticket_hash(way, slot->identifier, ticket, is_small), ticket.id,
				   e->worker_idx, (uint16_t)slot_idx,
				   &slot->position) != INFLIGHT_ENTERED)
			continue;
		if (UNLIKELY(is_small))
			enter_aim(e, slot, slot_idx, way);
		return SEND_OK;
	}
	return SEND_NO_TICKET;
}

/* Returns the sum of the name as it is sent. */
static inline __attribute__((always_inline)) uint64_t fill_slot(struct engine *e,
								struct inflight_slot *slot,
								const struct query_spec *spec,
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
	slot->question_hash = spec->question_hash;
	slot->identifier = choose_identifier(e, way->outgoing_idx);
	if (LIKELY(spec->letter_case))
		return randomize_case(e, spec->qname, &slot->qname);
	name_copy(&slot->qname, spec->qname);
	return msg_query_name_sum(&slot->qname);
}

static inline __attribute__((always_inline)) unsigned build_query(
	struct engine *e, const struct inflight_slot *slot, const struct query_spec *spec,
	uint64_t name_sum, const struct mac *mac, uint8_t *frame)
{
	const struct engine_outgoing *out = &e->config->outgoing[slot->outgoing_idx];
	const struct frame_interface *interface = &e->config->interfaces[out->interface_idx];
	const struct endpoint *peer = server_endpoint(&e->servers, spec->server_idx);
	const struct frame_head *head = &e->heads[slot->outgoing_idx];
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
	struct frame_head_to to = {
		.mac = mac,
		.endpoint = peer,
		.src_identifier = slot->identifier,
		.src_port = slot->local_port,
	};
	uint64_t sum;
	size_t length_bytes;

	if (UNLIKELY(out->prefix_bits != ADDRESS_BITS)) {
		struct address src =
			source_address(&out->address, out->prefix_bits, slot->identifier);

		to.src_identifier = source_identifier_of(&src);
	}
	/* send_query made sure of the room. */
	length_bytes = msg_query_put(frame + head->header_bytes, &query, name_sum, &sum);
	return frame_head_build(head, frame, &to, (unsigned)length_bytes, sum);
}

static inline __attribute__((always_inline)) enum send_result send_query(
	struct engine *e, const struct query_spec *spec, struct buffer frame, uint32_t *slot_idx,
	unsigned *length_bytes, uint8_t *interface_idx)
{
	const struct engine_route *route = engine_route_to(e, spec->server_idx);
	const struct engine_way *way;
	struct mac mac;
	struct inflight_slot *slot;
	enum send_result result;
	uint64_t name_sum;

	if (frame.capacity_bytes < FRAME_HEADER_BYTES_MAX + MSG_BUILD_BYTES_MIN)
		return SEND_NO_ROOM;
	if (route->way_count == 0)
		return SEND_NO_ROUTE;
	if (!entropy_ready(&e->entropy, SEND_ENTROPY_BYTES))
		return SEND_NO_ENTROPY;
	way = choose_way(e, route);
	if (way == NULL)
		return SEND_NO_ROUTE;
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
	name_sum = fill_slot(e, slot, spec, way);
	result = enter(e, slot, *slot_idx, way, route->way_count == 1);
	if (result != SEND_OK) {
		inflight_put(&e->inflight, *slot_idx);
		return result;
	}
	*length_bytes = build_query(e, slot, spec, name_sum, &mac, frame.data);
	*interface_idx = e->config->outgoing[way->outgoing_idx].interface_idx;
	source_meter_add(&e->meters[way->outgoing_idx],
			 (struct ticket){slot->local_port, slot->id});
	server_on_sent(&e->servers, spec->server_idx);
	return SEND_OK;
}

/* The slot of the nth query from now on, and the bucket of the ticket that it will play. */
static void reach_sending(struct engine *e, uint16_t server_idx, uint32_t n,
			  uint8_t drawn_of[OUTGOING_SLOTS_MAX])
{
	const struct engine_route *route = engine_route_to(e, server_idx);
	const struct engine_way *way = &route->ways[0];
	uint32_t slot_idx = pool_peek(&e->inflight.free, n);
	const struct source_set *source;
	struct ticket_hand *hand;
	struct ticket ticket;
	uint8_t nth;

	if (LIKELY(slot_idx != POOL_NONE)) {
		__builtin_prefetch(&e->inflight.slots[slot_idx], 1);
		__builtin_prefetch((const uint8_t *)&e->inflight.slots[slot_idx] + 64, 1);
		timer_prefetch(&e->timers, slot_idx);
	}
	/* Of several ways one is drawn when it is sent. */
	if (UNLIKELY(route->way_count != 1))
		return;
	source = e->sources[way->outgoing_idx];
	hand = &e->hands[way->outgoing_idx];
	if (UNLIKELY(source->is_small) || UNLIKELY(source->ports.port_count == 0))
		return;
	nth = drawn_of[way->outgoing_idx]++;
	if (UNLIKELY(!ticket_ahead(hand, &source->ports, nth, &ticket)) &&
	    (!ticket_refill(hand, &source->ports, &e->entropy) ||
	     !ticket_ahead(hand, &source->ports, nth, &ticket)))
		return;
	inflight_prefetch_write(e->inflight.words, inflight_hash(way->peer_hash, ticket.port));
}

void engine_queries_ahead(struct engine *e, unsigned most)
{
	uint8_t drawn_of[OUTGOING_SLOTS_MAX] = {0};
	uint32_t idx = e->send_queue.head;

	CHECK(most <= BURST_SLOTS_MAX);
	for (uint32_t n = 0; n < e->send_queue.count && n < most; n++) {
		const struct resolution *r = &e->resolutions.resolutions[idx];

		reach_sending(e, resolution_server(r), n, drawn_of);
		idx = r->queue_next;
	}
}

void engine_begun_ahead(struct engine *e)
{
	uint8_t drawn_of[OUTGOING_SLOTS_MAX] = {0};

	for (uint32_t n = 0; n < e->begun_count; n++)
		reach_sending(
			e,
			resolution_server(&e->resolutions.resolutions[e->begun[n].resolution_idx]),
			n, drawn_of);
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
	case SEND_NO_SHARE:
		/* The next server, at once, and this one no more; that none had room for it says nothing about the question. */
		counter_add(&e->counters, COUNTER_SHED_SERVER_SHARE, 1);
		if (e->resolutions.resolutions[resolution_idx].has_iteration)
			iteration_spend(&e->iterations[resolution_idx],
					e->resolutions.resolutions[resolution_idx].server_pos);
		resolution_on_hindered(&e->resolutions, resolution_idx);
		step = resolution_on_no_route(&e->resolutions, resolution_idx, &env);
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
	uint16_t server_idx = resolution_server(r);
	bool doubted = server_is_doubted(&e->servers, server_idx, e->now);
	struct name step_name; /* not cleared: names are long */

	if (r->asks_step) {
		if (UNLIKELY(doubted ||
			     !resolution_may_send_step(&e->resolutions, resolution_idx))) {
			engine_sub_here_leave(e, resolution_idx);
			return 0;
		}
		resolution_step_name(r, &step_name);
	}
	if ((UNLIKELY(r->tcp_for != RESOLUTION_TCP_FOR_NONE) || UNLIKELY(doubted)) &&
	    engine_stream_send(e, resolution_idx))
		return 0;
	struct query_spec spec = {
		.server_idx = server_idx,
		.resolution_idx = resolution_idx,
		.resolution_generation = r->generation,
		.question_hash = r->asks_step ? r->asked_hash : r->key.hash,
		.qname = r->asks_step ? &step_name : &r->key.qname,
		.qtype = r->asks_step ? DNS_TYPE_A : r->key.qtype,
		.qclass = r->key.qclass,
		.recursion_desired = resolution_wants_recursion(r, e->config),
		.checking_disabled = r->key.checking_disabled && !r->asks_step,
		.edns = !r->edns_retry &&
			(LIKELY(!doubted) || server_edns_on(&e->servers, server_idx, e->now)),
		.letter_case =
			e->config->case_randomization && r->case_losses < CASE_PROOFS &&
			(LIKELY(!doubted) || server_case_on(&e->servers, server_idx, e->now)),
	};
	unsigned length_bytes = 0;
	uint32_t slot_idx;
	enum send_result result = SEND_NO_SHARE;

	if (!server_is_learned(server_idx) || server_may_ask(&e->servers, server_idx))
		result = send_query(e, &spec, frame, &slot_idx, &length_bytes, interface_idx);

	if (result != SEND_OK) {
		if (r->asks_step)
			engine_sub_here_leave(e, resolution_idx);
		else
			blocked(e, resolution_idx, result);
		return 0;
	}
	counter_add(&e->counters, COUNTER_UPSTREAM_QUERIES, 1);
	if (r->asks_step) {
		counter_add(&e->counters, COUNTER_SUB_ASKED, 1);
		counter_add(&e->counters, COUNTER_SUB_HERE, 1);
	} else if (r->packets > 0) {
		counter_add(&e->counters, COUNTER_UPSTREAM_RETRIES, 1);
	}
	resolution_on_sent(&e->resolutions, resolution_idx, slot_idx);
	if (UNLIKELY(r->traced))
		engine_trace_sent(e, resolution_idx, &e->inflight.slots[slot_idx]);
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
	if (e->streams.only_tcp[server_idx]) {
		engine_stream_probe(e, (uint16_t)server_idx);
		return 0;
	}
	struct query_spec spec = {
		.server_idx = (uint16_t)server_idx,
		.resolution_idx = ENGINE_NO_RESOLUTION,
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
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];

	if (slot->resolution_idx == ENGINE_NO_RESOLUTION)
		e->probes_out--;
	timer_cancel(&e->timers, slot_idx);
	if (UNLIKELY(slot->transport == INFLIGHT_TCP)) {
		engine_stream_slot_end(e, slot_idx);
		return;
	}
	if (late) {
		inflight_late(&e->inflight, slot_idx, e->now + e->config->late_ms * NS_PER_MS);
		return;
	}
	if (UNLIKELY(slot->aim_position != INFLIGHT_NO_POSITION))
		engine_finished_add(e, slot);
	inflight_done(&e->inflight, slot_idx);
}

/* The grace after a reply in lower case is over. */
static void case_lost(struct engine *e, uint32_t slot_idx)
{
	uint32_t resolution_idx = e->inflight.slots[slot_idx].resolution_idx;
	struct resolution_env env = engine_env(e);

	counter_add(&e->counters, COUNTER_UPSTREAM_CANCELLED, 1);
	if (UNLIKELY(e->resolutions.resolutions[resolution_idx].traced))
		engine_trace_silence(e, resolution_idx, &e->inflight.slots[slot_idx],
				     "no reply in the query's letter case");
	engine_slot_end(e, slot_idx, true);
	engine_step(e, resolution_idx,
		    resolution_on_case_lost(&e->resolutions, resolution_idx, &env), NULL);
}

void engine_slot_timeout(struct engine *e, uint32_t slot_idx)
{
	struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint32_t resolution_idx;
	uint16_t neighbour_idx;

	CHECK(slot->state == INFLIGHT_SLOT_LIVE);
	if (UNLIKELY(!engine_slot_apart(e, slot)))
		return;
	resolution_idx = slot->resolution_idx;
	if (UNLIKELY(slot->transport == INFLIGHT_TCP)) {
		engine_stream_timeout(e, slot_idx);
		return;
	}
	if ((slot->flags & INFLIGHT_SLOT_LOWER) != 0) {
		case_lost(e, slot_idx);
		return;
	}
	counter_add(&e->counters, COUNTER_UPSTREAM_TIMEOUTS, 1);
	/* Silence may mean that the neighbour has gone or moved: confirm it. */
	neighbour_idx = way_neighbour(e, slot);
	if (neighbour_idx != ROUTE_NONE)
		neighbour_suspect(&e->neighbours, neighbour_idx, e->now);
	engine_slot_end(e, slot_idx, true);
	if (resolution_idx == ENGINE_NO_RESOLUTION) {
		server_on_timeout(&e->servers, slot->server_idx, slot->sent_at, true, e->now);
		return;
	}
	if (UNLIKELY(e->resolutions.resolutions[resolution_idx].traced))
		engine_trace_silence(e, resolution_idx, slot, "no reply");
	struct resolution_env env = engine_env(e);

	engine_step(e, resolution_idx,
		    resolution_on_timeout(&e->resolutions, resolution_idx, &env, slot->sent_at),
		    NULL);
}
