/* The wire: what the engines send, taken apart from the receiver's side; what is sent to them, built; and TCP. */
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/frame.h"
#include "world_own.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_UDP 17
#define ICMPV6_SOLICIT 135
/* From the frame's first byte: Ethernet 14, then ARP's target, NS's (behind IPv6 40 and ICMPv6's 8), protocol, next header. */
#define ARP_OPERATION 21
#define ARP_TARGET 38
#define SOLICIT_TARGET 62
#define IPV4_PROTOCOL 23
#define IPV4_DESTINATION 30
#define IPV6_NEXT_HEADER 20
#define IPV6_DESTINATION 38
#define ICMPV6_TYPE 54

struct world_out {
	struct world_out *next;
	struct world_event event;
	uint8_t message[];
};

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- events ---- */

static void put_event(struct world *w, const struct world_event *event, const uint8_t *message)
{
	struct world_out *out = malloc(sizeof(*out) + event->length_bytes);

	CHECK(out != NULL);
	out->next = NULL;
	out->event = *event;
	out->event.at = w->now;
	out->event.message = out->message;
	memcpy(out->message, message, event->length_bytes);
	if (w->last_out != NULL)
		w->last_out->next = out;
	else
		w->first_out = out;
	w->last_out = out;
	w->steps++;
}

bool world_next(struct world *w, struct world_event *out)
{
	free(w->taken);
	w->taken = w->first_out;
	if (w->taken == NULL)
		return false;
	w->first_out = w->taken->next;
	if (w->first_out == NULL)
		w->last_out = NULL;
	*out = w->taken->event;
	return true;
}

/* ---- what the engines send ---- */

/* Whoever has this address, seen from there. */
static struct frame_interface peer_of(const struct address *address, const struct mac *mac)
{
	struct frame_interface i = {.mac = *mac,
				    .vlan = FRAME_VLAN_NONE,
				    .mtu_bytes = 1500,
				    .address_count = 1,
				    .link_local = frame_link_local(mac)};

	i.addresses[0] = (struct prefix){*address, address_is_v4(address) ? 120 : 64};
	return i;
}

/* Everybody who is asked for is there. */
static void take_solicit(struct world *w, unsigned engine, const uint8_t *frame, uint32_t length,
			 const struct address *target)
{
	struct mac mac = {{0x02, 0, 0, 0, target->bytes[14], target->bytes[15]}};
	struct frame_interface peer = peer_of(target, &mac);
	struct frame_view view;
	uint8_t answer[128];
	unsigned answer_length;

	w->steps++;
	if (w->neighbours_are_silent)
		return;
	CHECK(length <= sizeof(answer));
	CHECK(frame_parse(&peer, (struct span){frame, length}, FRAME_VLAN_NONE, &view) == FRAME_OK);
	memcpy(answer, frame, length);
	answer_length = frame_build_answer(&peer, (struct buffer){answer, sizeof(answer)}, &view);
	CHECK(answer_length > 0);
	world_frame(w, engine, answer, answer_length);
}

static bool is_listen(const struct world *w, const struct endpoint *e)
{
	const struct engine_config *c = w->config;

	for (unsigned i = 0; i < c->listen_count; i++)
		if (endpoint_equal(&c->listen[i].endpoint, e))
			return true;
	return false;
}

static void take_udp(struct world *w, unsigned engine, const uint8_t *frame, uint32_t length,
		     const struct address *to)
{
	struct mac mac;
	struct frame_interface peer;
	struct frame_view view;
	struct world_event event = {.kind = WORLD_QUERY, .engine = engine};

	memcpy(mac.bytes, frame, sizeof(mac.bytes));
	peer = peer_of(to, &mac);
	CHECK(frame_parse(&peer, (struct span){frame, length}, FRAME_VLAN_NONE, &view) == FRAME_OK);
	CHECK(view.kind == FRAME_UDP && view.payload.length_bytes >= DNS_HEADER_BYTES &&
	      view.payload.length_bytes <= EDNS_UDP_BYTES);
	event.local = (struct endpoint){view.src, view.src_port};
	event.peer = (struct endpoint){view.dst, view.dst_port};
	event.length_bytes = (uint32_t)view.payload.length_bytes;
	/* Queries may leave from a port that we listen on. */
	if (is_listen(w, &event.local) && (get_u16(view.payload.data + 2) & DNS_FLAG_QR) != 0)
		event.kind = WORLD_ANSWER;
	put_event(w, &event, view.payload.data);
}

void world_take_frame(struct world *w, unsigned engine, const uint8_t *frame, uint32_t length_bytes)
{
	struct address to;

	CHECK(length_bytes >= 42);
	switch (get_u16(frame + 12)) {
	case ETHERTYPE_ARP:
		to = address_from_v4(frame + ARP_TARGET);
		if (frame[ARP_OPERATION] == 1)
			take_solicit(w, engine, frame, length_bytes, &to);
		return;
	case ETHERTYPE_IPV4:
		to = address_from_v4(frame + IPV4_DESTINATION);
		if (frame[IPV4_PROTOCOL] == PROTOCOL_UDP)
			take_udp(w, engine, frame, length_bytes, &to);
		return;
	case ETHERTYPE_IPV6:
		memcpy(to.bytes, frame + IPV6_DESTINATION, ADDRESS_BYTES);
		if (frame[IPV6_NEXT_HEADER] == PROTOCOL_UDP) {
			take_udp(w, engine, frame, length_bytes, &to);
		} else if (frame[ICMPV6_TYPE] == ICMPV6_SOLICIT) {
			memcpy(to.bytes, frame + SOLICIT_TARGET, ADDRESS_BYTES);
			take_solicit(w, engine, frame, length_bytes, &to);
		}
		return;
	default:
		CHECK(false); /* an engine sent what is neither ARP nor IP */
	}
}

/* ---- what is sent to them ---- */

void world_udp(struct world *w, unsigned engine, const struct endpoint *src,
	       const struct endpoint *dst, struct span payload)
{
	uint8_t frame[WORLD_BUFFER_BYTES];
	unsigned header_bytes = frame_udp_header_bytes(&dst->address, FRAME_VLAN_NONE);
	struct frame_udp_params params = {
		.src_mac = {{0x02, 0, 0, 0, 0xff, 0x01}},
		.dst_mac = w->config->interfaces[0].mac,
		.vlan = FRAME_VLAN_NONE,
		.src = src->address,
		.dst = dst->address,
		.src_port = src->port,
		.dst_port = dst->port,
	};

	CHECK(header_bytes + payload.length_bytes <= sizeof(frame));
	memcpy(frame + header_bytes, payload.data, payload.length_bytes);
	world_frame(w, engine, frame,
		    frame_build_udp(frame, &params, (unsigned)payload.length_bytes));
}

/* ---- TCP ---- */

static void take_stream(struct world *w, unsigned engine, const struct stream_slot *slot)
{
	struct world_event event = {
		.kind = slot->kind == STREAM_ANSWER ? WORLD_STREAM_ANSWER : WORLD_STREAM_QUERY,
		.engine = engine,
		.handle = slot->handle,
		.length_bytes = slot->length_bytes,
	};

	CHECK(slot->kind == STREAM_ANSWER || slot->kind == STREAM_QUERY);
	if (slot->kind == STREAM_QUERY) {
		event.local.address = slot->local;
		event.peer = slot->server;
		event.timeout_ms = slot->timeout_ms;
	}
	put_event(w, &event, slot->data);
}

void world_take_streams(struct world *w, unsigned engine)
{
	while (engine_stream_wants_out(w->engines[engine])) {
		struct stream_slot slot = {.data = malloc(STREAM_MESSAGE_BYTES_MAX),
					   .capacity_bytes = STREAM_MESSAGE_BYTES_MAX};
		bool is_there;

		CHECK(slot.data != NULL);
		is_there = engine_stream_out(w->engines[engine], &slot, w->now);
		if (is_there)
			take_stream(w, engine, &slot);
		free(slot.data);
		if (!is_there)
			return;
	}
}

static void stream_in(struct world *w, const struct world_event *query, enum stream_kind kind,
		      struct span message, enum stream_failure failure)
{
	/* Not aligned, as behind the frame's length. */
	uint8_t *data = malloc(message.length_bytes + 1);
	struct stream_slot slot = {.data = data + 1,
				   .capacity_bytes = (uint32_t)message.length_bytes,
				   .length_bytes = (uint32_t)message.length_bytes,
				   .kind = (uint8_t)kind,
				   .failure = (uint8_t)failure,
				   .worker = (uint8_t)query->engine,
				   .handle = query->handle};

	CHECK(data != NULL && query->kind == WORLD_STREAM_QUERY);
	if (message.length_bytes > 0)
		memcpy(slot.data, message.data, message.length_bytes);
	engine_stream_in(w->engines[query->engine], &slot, w->now);
	free(data);
	w->steps++;
}

void world_stream_reply(struct world *w, const struct world_event *query, struct span message)
{
	stream_in(w, query, STREAM_RESPONSE, message, STREAM_FAILURE_COUNT);
}

void world_stream_fail(struct world *w, const struct world_event *query,
		       enum stream_failure failure)
{
	stream_in(w, query, STREAM_FAILED, (struct span){NULL, 0}, failure);
}

bool world_stream_ask(struct world *w, unsigned engine, const struct endpoint *client,
		      struct stream_handle handle, struct span message, enum counter *outcome)
{
	struct stream_origin origin = {handle, *client, world_listen(w, &client->address)};
	struct rx_slot slot = {
		.data = malloc(STREAM_MESSAGE_BYTES_MAX),
		.length_bytes = (uint32_t)message.length_bytes,
		.tailroom_bytes = (uint16_t)(STREAM_MESSAGE_BYTES_MAX - message.length_bytes),
	};
	uint8_t *data = slot.data;
	enum rx_verdict verdict;

	CHECK(data != NULL && engine < w->engine_count + w->params.carries);
	memcpy(data, message.data, message.length_bytes);
	verdict = engine_stream_question(w->engines[engine], &slot, &origin, w->now);
	*outcome = (enum counter)slot.outcome;
	w->steps++;
	if (verdict == RX_SEND)
		take_stream(w, engine,
			    &(struct stream_slot){.data = slot.data,
						  .length_bytes = slot.length_bytes,
						  .kind = STREAM_ANSWER,
						  .handle = handle});
	else if (verdict == RX_WORKER && !world_pass(w, engine, slot.to_worker, RX_PASSED_QUESTION,
						     slot.data, slot.length_bytes))
		*outcome = COUNTER_DROP_HANDOFF_FULL;
	free(data);
	return *outcome == COUNTER_QUESTION_NEW || *outcome == COUNTER_COALESCED ||
	       *outcome == COUNTER_QUESTION_HANDED_OFF || verdict == RX_SEND;
}
