#include "engine_rig.h"
#include "engine_rig_list.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/frame.h"
#include "unit.h"

#define RIG_START_NS (UINT64_C(1000) * NS_PER_S)
#define RIG_WALL_S 1750000000u
#define RIG_STALLS_MAX 200 /* polls in a row in which time may stand still */

const char *const rig_family_text[RIG_FAMILY_COUNT] = {"IPv4", "IPv6"};

void rig_row(bool ok, int line, const char *file, const char *says, const char *condition)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", says, condition);
	CU_assertImplementation(ok ? CU_TRUE : CU_FALSE, (unsigned)line, text, file, "", CU_FALSE);
}

/* ---- lists ---- */

/* ---- making one ---- */

struct rig *rig_new(unsigned engine_count)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct port_map map;

	CHECK(r != NULL && engine_count >= 1 && engine_count <= RIG_ENGINES_MAX);
	r->ports = calloc(1, sizeof(*r->ports));
	CHECK(r->ports != NULL);
	port_map_clear(&map);
	port_map_add(&map, 1024, UINT16_MAX);
	port_set_build(r->ports, &map);
	r->engine_count = engine_count;
	r->neighbours_answer = true;
	r->entropy_runs = true;
	r->handoffs_run = true;
	r->checks = true;
	r->ldns_agrees = true;
	r->collects = true;
	r->in_place = true;
	r->tailroom_bytes = UINT16_MAX;
	r->now = RIG_START_NS;
	r->random = unit_seed();
	r->entropy_random = unit_seed() ^ 0x5bd1e995;
	r->burst = calloc(BURST_SLOTS_MAX, sizeof(*r->burst));
	CHECK(r->burst != NULL);
	r->answers = rig_list_new(sizeof(struct rig_answer));
	r->queries = rig_list_new(sizeof(struct rig_query));
	rig_world_default(r);
	r->params = (struct engine_params){
		.under_way_max = 256,
		.waiter_count_max = 1024,
		.answer_buffer_count = 32,
		.entropy_block_bytes = 4096,
		.question_key = {11, 12},
		.table_key = {13, 14},
		.cookie_key = {15, 16},
		.wall_s = RIG_WALL_S,
	};
	return r;
}

/* Whole cache lines, full of garbage: an engine may not count on cleared memory. */
static void *memory_new(size_t bytes)
{
	size_t rounded = (bytes + ARENA_ALIGN_BYTES) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
	void *memory = aligned_alloc(ARENA_ALIGN_BYTES, rounded);

	CHECK(memory != NULL);
	memset(memory, 0xa5, rounded);
	return memory;
}

void rig_start(struct rig *r)
{
	uint32_t slots = r->params.under_way_max * r->engine_count;
	struct hash_key words_key = {17, 18};

	atomic_init(&r->current, &r->config);
	r->words_memory = memory_new(inflight_words_memory_bytes(slots));
	inflight_words_init(&r->words, r->words_memory, slots, &words_key);
	r->params.config = &r->current;
	r->params.words = &r->words;
	r->params.worker_count = (uint8_t)r->engine_count;
	r->params.now = r->now;
	for (unsigned i = 0; i < r->engine_count; i++) {
		r->params.worker_idx = (uint8_t)i;
		r->memory[i] = memory_new(engine_memory_bytes(&r->params));
		r->engines[i] = engine_init(r->memory[i], &r->params);
	}
	rig_poll(r);
}

/* ---- what the engines send ---- */

static bool host_has(const struct rig_host *h, const struct mac *dst)
{
	return (dst->bytes[0] & 1) != 0 || mac_equal(&h->mac, dst);
}

static struct frame_interface interface_of(const struct prefix *address, const struct mac *mac)
{
	struct frame_interface i = {.mac = *mac,
				    .vlan = FRAME_VLAN_NONE,
				    .mtu_bytes = 1500,
				    .address_count = 1,
				    .addresses = {*address},
				    .link_local = frame_link_local(mac)};

	return i;
}

/* The engine asks who has an address: whoever does, and is alive, answers. */
static void take_solicit(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length)
{
	struct mac dst;

	memcpy(dst.bytes, frame, sizeof(dst.bytes));
	if ((dst.bytes[0] & 1) != 0)
		r->solicits_broadcast++;
	else
		r->solicits_unicast++;
	for (unsigned i = 0; i < RIG_HOSTS; i++) {
		struct rig_host *h = &r->hosts[i];
		struct frame_interface interface = interface_of(&h->address, &h->mac);
		struct frame_view view;
		uint8_t answer[RIG_BUFFER_BYTES];
		unsigned answer_length;

		if (!host_has(h, &dst) || frame_parse(&interface, (struct span){frame, length},
						      FRAME_VLAN_NONE, &view) != FRAME_OK)
			continue;
		h->solicited++;
		if (!r->neighbours_answer || !h->alive)
			continue;
		memcpy(answer, frame, length);
		answer_length = frame_build_answer(&interface,
						   (struct buffer){answer, sizeof(answer)}, &view);
		CU_ASSERT_FATAL(answer_length > 0);
		rig_send_frame(r, engine, answer, answer_length);
	}
}

static bool is_listen(const struct rig *r, const struct endpoint *e)
{
	for (unsigned i = 0; i < r->config.listen_count; i++)
		if (endpoint_equal(&r->config.listen[i].endpoint, e))
			return true;
	return false;
}

/* A second opinion on every answer. */
static void ldns_accepts(const struct rig_answer *a)
{
	ldns_pkt *pkt = NULL;
	ldns_status status = ldns_wire2pkt(&pkt, a->message, a->length_bytes);

	CU_ASSERT_EQUAL(status, LDNS_STATUS_OK);
	ldns_pkt_free(pkt);
}

static void take_answer(struct rig *r, unsigned engine, const struct frame_view *view,
			const struct mac *mac)
{
	struct rig_answer a = {.client = {view->dst, view->dst_port},
			       .local = {view->src, view->src_port},
			       .mac = *mac,
			       .at = r->now,
			       .engine = engine,
			       .length_bytes = (uint16_t)view->payload.length_bytes};

	CU_ASSERT_FATAL(view->payload.length_bytes >= DNS_HEADER_BYTES);
	CU_ASSERT_FATAL(view->payload.length_bytes <= EDNS_UDP_BYTES);
	memcpy(a.message, view->payload.data, view->payload.length_bytes);
	CU_ASSERT((rig_flags(&a) & DNS_FLAG_QR) != 0);
	r->answers_sent++;
	if (r->checks && r->ldns_agrees)
		ldns_accepts(&a);
	if (r->on_answer != NULL && r->on_answer(r, &a))
		return;
	if (r->collects)
		rig_list_push(r->answers, &a);
}

static void take_query(struct rig *r, unsigned engine, const struct frame_view *view,
		       const struct mac *mac)
{
	struct rig_query q = {.local = {view->src, view->src_port},
			      .server = {view->dst, view->dst_port},
			      .mac = *mac,
			      .at = r->now,
			      .engine = engine,
			      .server_idx = -1,
			      .length_bytes = (uint16_t)view->payload.length_bytes};

	CU_ASSERT_FATAL(view->payload.length_bytes <= EDNS_UDP_BYTES);
	memcpy(q.message, view->payload.data, view->payload.length_bytes);
	CU_ASSERT_FATAL(msg_parse_query((struct span){q.message, q.length_bytes}, &q.parsed) ==
			MSG_QUERY_OK);
	for (int i = 0; i < r->config.server_count; i++)
		if (endpoint_equal(&r->config.server_endpoints[i], &q.server))
			q.server_idx = i;
	CU_ASSERT(q.server_idx >= 0);
	q.is_probe = q.parsed.qtype == DNS_TYPE_SOA &&
		     name_equal(&q.parsed.qname, &r->config.health_name);
	r->queries_sent++;
	if (r->on_query != NULL && r->on_query(r, &q))
		return;
	if (r->collects)
		rig_list_push(r->queries, &q);
}

static void take_udp(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length)
{
	struct mac dst;
	struct frame_interface peer;
	struct frame_view view;
	struct prefix address = {.bits = RIG_V6_LINK_BITS};
	bool v4 = rig_u16(frame, 12) == 0x0800;

	memcpy(dst.bytes, frame, sizeof(dst.bytes));
	if (v4) {
		address = (struct prefix){address_from_v4(frame + 14 + 16), RIG_V4_LINK_BITS};
		CU_ASSERT_EQUAL(rig_u16(frame, 14 + 4), 0);      /* ID */
		CU_ASSERT_EQUAL(rig_u16(frame, 14 + 6), 0x4000); /* DF */
	} else {
		memcpy(address.address.bytes, frame + 14 + 24, ADDRESS_BYTES);
	}
	peer = interface_of(&address, &dst);
	CU_ASSERT_FATAL(frame_parse(&peer, (struct span){frame, length}, FRAME_VLAN_NONE, &view) ==
			FRAME_OK);
	CU_ASSERT_FATAL(view.kind == FRAME_UDP);
	CU_ASSERT(mac_equal(&view.src_mac, &r->config.interfaces[0].mac));
	if (is_listen(r, &(struct endpoint){view.src, view.src_port}))
		take_answer(r, engine, &view, &dst);
	else
		take_query(r, engine, &view, &dst);
}

static void take_frame(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length,
		       uint8_t interface_idx)
{
	CU_ASSERT_FATAL(length >= 42 && length <= RIG_BUFFER_BYTES);
	CU_ASSERT_FATAL(interface_idx == 0);
	memcpy(r->last_frame, frame, length);
	r->last_frame_length_bytes = length;
	switch (rig_u16(frame, 12)) {
	case 0x0806:
		if (frame[21] == 1)
			take_solicit(r, engine, frame, length);
		else
			r->link_answers++;
		return;
	case 0x0800:
		if (frame[23] == 17)
			take_udp(r, engine, frame, length);
		else
			r->link_answers++;
		return;
	case 0x86dd:
		if (frame[20] == 17)
			take_udp(r, engine, frame, length);
		else if (frame[54] == 135)
			take_solicit(r, engine, frame, length);
		else
			r->link_answers++;
		return;
	default:
		CU_FAIL("an engine sent what is neither ARP nor IP");
	}
}

/* ---- packets in ---- */

static void carry_handoffs(struct rig *r)
{
	struct handoff message;

	for (unsigned from = 0; r->handoffs_run && from < r->engine_count; from++)
		while (engine_handoff_out(r->engines[from], &message, 1) == 1) {
			CU_ASSERT_FATAL(message.to_worker < r->engine_count);
			CU_ASSERT(message.from_worker == from && message.to_worker != from);
			r->delivered[message.to_worker]++;
			engine_handoff_in(r->engines[message.to_worker], &message, 1, r->now);
		}
}

/* A packet in a buffer of exactly what is lent, so that a sanitizer sees a step beyond it. */
static struct rx_slot slot_for(const struct rig *r, const struct rig_packet *packet)
{
	uint32_t length = packet->length_bytes;
	uint32_t tailroom = RIG_BUFFER_BYTES - RIG_HEADROOM_BYTES - length;
	uint8_t *memory;

	if (tailroom > r->tailroom_bytes)
		tailroom = r->tailroom_bytes;
	memory = malloc(RIG_HEADROOM_BYTES + length + tailroom);
	CHECK(memory != NULL);
	memcpy(memory + RIG_HEADROOM_BYTES, packet->frame, length);
	return (struct rx_slot){.data = memory + RIG_HEADROOM_BYTES,
				.length_bytes = length,
				.headroom_bytes = RIG_HEADROOM_BYTES,
				.tailroom_bytes = (uint16_t)tailroom,
				.vlan = FRAME_VLAN_NONE,
				.in_place = r->in_place,
				.multi_segment = r->multi_segment,
				.from_worker = packet->from_worker || r->from_worker,
				.verdict = UINT8_MAX,
				.outcome = UINT16_MAX};
}

static enum counter receive(struct rig *r, const struct rig_packet *packet);

/* What became of a packet: the driver's part. */
static enum counter slot_done(struct rig *r, const struct rig_packet *packet, struct rx_slot *slot,
			      uint8_t *memory)
{
	enum counter outcome = (enum counter)slot->outcome;

	CU_ASSERT_FATAL(slot->outcome < COUNTER_OUTCOME_COUNT);
	CU_ASSERT_FATAL(slot->verdict <= RX_WORKER);
	if (!r->in_place)
		CU_ASSERT(memcmp(memory + RIG_HEADROOM_BYTES, packet->frame,
				 packet->length_bytes) == 0);
	if (slot->verdict == RX_SEND)
		take_frame(r, packet->engine, slot->data, slot->length_bytes, slot->interface_idx);
	CU_ASSERT((slot->verdict == RX_WORKER) == (outcome == COUNTER_REPLY_HANDED_OFF));
	if (slot->verdict == RX_WORKER) {
		struct rig_packet passed = *packet;

		CU_ASSERT_FATAL(slot->to_worker < r->engine_count &&
				slot->to_worker != packet->engine);
		passed.engine = slot->to_worker;
		passed.from_worker = true;
		if (r->handoffs_run) {
			/* As it is: unchanged. */
			CU_ASSERT(memcmp(slot->data, packet->frame, packet->length_bytes) == 0);
			outcome = receive(r, &passed);
		}
	}
	r->last_verdict = slot->verdict;
	free(memory);
	return outcome;
}

static enum counter receive(struct rig *r, const struct rig_packet *packet)
{
	struct rx_slot slot = slot_for(r, packet);
	uint8_t *memory = slot.data - RIG_HEADROOM_BYTES;

	r->delivered[packet->engine]++;
	engine_rx(r->engines[packet->engine], &slot, 1, r->now);
	return slot_done(r, packet, &slot, memory);
}

static enum counter deliver(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length)
{
	struct rig_packet packet = {.engine = engine, .length_bytes = length};
	enum counter outcome;

	CU_ASSERT_FATAL(length <= RIG_BUFFER_BYTES - RIG_HEADROOM_BYTES);
	memcpy(packet.frame, frame, length);
	if (r->bursting) {
		CU_ASSERT_FATAL(r->burst_count < BURST_SLOTS_MAX);
		r->burst[r->burst_count++] = packet;
		return COUNTER_OUTCOME_COUNT;
	}
	outcome = receive(r, &packet);
	carry_handoffs(r);
	if (r->checks)
		rig_check(r);
	return outcome;
}

void rig_burst_begin(struct rig *r)
{
	r->bursting = true;
	r->burst_count = 0;
}

unsigned rig_burst_end(struct rig *r, enum counter outcomes[BURST_SLOTS_MAX])
{
	struct rx_slot slots[BURST_SLOTS_MAX];
	uint8_t *memory[BURST_SLOTS_MAX];
	unsigned idx[BURST_SLOTS_MAX];

	r->bursting = false;
	for (unsigned engine = 0; engine < r->engine_count; engine++) {
		unsigned count = 0;

		for (unsigned i = 0; i < r->burst_count; i++) {
			if (r->burst[i].engine != engine)
				continue;
			slots[count] = slot_for(r, &r->burst[i]);
			memory[count] = slots[count].data - RIG_HEADROOM_BYTES;
			idx[count++] = i;
		}
		r->delivered[engine] += count;
		engine_rx(r->engines[engine], slots, count, r->now);
		for (unsigned i = 0; i < count; i++)
			outcomes[idx[i]] = slot_done(r, &r->burst[idx[i]], &slots[i], memory[i]);
	}
	carry_handoffs(r);
	if (r->checks)
		rig_check(r);
	return r->burst_count;
}

enum counter rig_send_frame(struct rig *r, unsigned engine, const uint8_t *frame,
			    uint32_t length_bytes)
{
	return deliver(r, engine, frame, length_bytes);
}

enum counter rig_send_udp(struct rig *r, unsigned engine, const struct endpoint *src,
			  const struct endpoint *dst, struct span payload)
{
	uint8_t frame[RIG_BUFFER_BYTES];
	unsigned header_bytes = frame_udp_header_bytes(&dst->address, FRAME_VLAN_NONE);
	struct frame_udp_params params = {
		.src_mac = rig_mac(src->address.bytes[15]),
		.dst_mac = r->config.interfaces[0].mac,
		.vlan = FRAME_VLAN_NONE,
		.src = src->address,
		.dst = dst->address,
		.src_port = src->port,
		.dst_port = dst->port,
	};
	unsigned length;

	CU_ASSERT_FATAL(header_bytes + payload.length_bytes <= sizeof(frame));
	memcpy(frame + header_bytes, payload.data, payload.length_bytes);
	length = frame_build_udp(frame, &params, (unsigned)payload.length_bytes);
	return deliver(r, engine, frame, length);
}

enum counter rig_send(struct rig *r, const struct rig_question *from, const uint8_t *payload,
		      size_t length_bytes)
{
	struct endpoint client = rig_client(from->family, from->client, from->client_port);

	return rig_send_udp(r, from->engine, &client, &r->config.listen[from->family].endpoint,
			    (struct span){payload, length_bytes});
}

enum counter rig_ask(struct rig *r, const struct rig_question *q)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];

	return rig_send(r, q, message, rig_question_build(q, message));
}

uint32_t rig_solicit_build(const struct rig *r, enum rig_host_idx host, const char *target,
			   uint8_t frame[RIG_BUFFER_BYTES])
{
	const struct rig_host *h = &r->hosts[host];
	struct frame_interface interface = interface_of(&h->address, &h->mac);
	bool v4 = address_is_v4(&h->address.address);
	struct address asked = target != NULL ? rig_address(target)
					      : r->config.interfaces[0].addresses[!v4].address;

	return frame_build_solicit(&interface, (struct buffer){frame, RIG_BUFFER_BYTES},
				   &h->address.address, &asked, NULL);
}

uint32_t rig_advertise_build(const struct rig *r, enum rig_host_idx host, const struct mac *mac,
			     uint8_t frame[RIG_BUFFER_BYTES])
{
	const struct rig_host *h = &r->hosts[host];
	struct frame_interface interface = interface_of(&h->address, mac);
	const struct frame_interface *engine = &r->config.interfaces[0];
	bool v4 = address_is_v4(&h->address.address);
	struct buffer buffer = {frame, RIG_BUFFER_BYTES};
	struct frame_view view;
	uint32_t length = frame_build_solicit(engine, buffer, &engine->addresses[!v4].address,
					      &h->address.address, NULL);

	CU_ASSERT_FATAL(frame_parse(&interface, (struct span){frame, length}, FRAME_VLAN_NONE,
				    &view) == FRAME_OK);
	return frame_build_answer(&interface, buffer, &view);
}

enum frame_result rig_last_frame_parse(const struct rig *r, enum rig_host_idx host,
				       struct frame_view *view)
{
	const struct rig_host *h = &r->hosts[host];
	struct frame_interface interface = interface_of(&h->address, &h->mac);

	return frame_parse(&interface, (struct span){r->last_frame, r->last_frame_length_bytes},
			   FRAME_VLAN_NONE, view);
}

/* ---- what was sent ---- */

bool rig_query_next(struct rig *r, struct rig_query *out)
{
	return rig_list_pop(r->queries, out);
}

bool rig_answer_next(struct rig *r, struct rig_answer *out)
{
	return rig_list_pop(r->answers, out);
}

unsigned rig_query_count(const struct rig *r)
{
	return (unsigned)r->queries->count;
}

unsigned rig_answer_count(const struct rig *r)
{
	return (unsigned)r->answers->count;
}

void rig_forget(struct rig *r)
{
	r->queries->count = 0;
	r->answers->count = 0;
}

/* ---- servers ---- */

enum counter rig_answer_bytes(struct rig *r, const struct rig_query *q, const uint8_t *message,
			      size_t length_bytes)
{
	return rig_send_udp(r, q->engine, &q->server, &q->local,
			    (struct span){message, length_bytes});
}

enum counter rig_answer_query(struct rig *r, const struct rig_query *q,
			      const struct rig_reply *reply)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length = rig_reply_build(q, reply, message);
	struct endpoint server = q->server;
	struct endpoint local = q->local;

	server.port ^= reply->server_port_xor;
	local.port ^= reply->local_port_xor;
	if (reply->other_server_address)
		server.address.bytes[15] ^= 0x08;
	if (reply->other_local_address) /* the engine's other family's would not route: another of ours */
		local.address.bytes[15] = 0x54;
	return rig_send_udp(r, reply->to_engine ? reply->engine : q->engine, &server, &local,
			    (struct span){message, length});
}

/* ---- time ---- */

static void fill_entropy(struct rig *r)
{
	for (unsigned i = 0; r->entropy_runs && i < r->engine_count; i++) {
		struct entropy *entropy = engine_entropy(r->engines[i]);

		for (;;) {
			struct buffer block = entropy_block_to_fill(entropy);

			if (block.capacity_bytes == 0)
				break;
			for (size_t at = 0; at < block.capacity_bytes; at += 8) {
				unsigned long long word = unit_random(&r->entropy_random);
				size_t left = block.capacity_bytes - at;

				memcpy(block.data + at, &word, left < 8 ? left : 8);
			}
			entropy_filled(entropy);
		}
	}
}

static void poll_engine(struct rig *r, unsigned engine)
{
	static uint8_t frames[BURST_SLOTS_MAX][RIG_BUFFER_BYTES];
	struct tx_slot slots[BURST_SLOTS_MAX];
	unsigned wanted = engine_tx_wanted(r->engines[engine], BURST_SLOTS_MAX, r->now);
	unsigned filled;

	for (unsigned i = 0; i < BURST_SLOTS_MAX; i++)
		slots[i] =
			(struct tx_slot){.data = frames[i],
					 .capacity_bytes = FRAME_HEADER_BYTES_MAX + EDNS_UDP_BYTES,
					 .interface_idx = UINT8_MAX};
	filled = engine_tx(r->engines[engine], slots, wanted, r->now);
	CU_ASSERT_FATAL(filled <= wanted);
	if (filled == 0) /* nothing was wanted, and nothing there is */
		CU_ASSERT(wanted > 0 ||
			  engine_tx(r->engines[engine], slots, BURST_SLOTS_MAX, r->now) == 0);
	/* take_frame may call the engine again, and that uses no frame of this burst. */
	for (unsigned i = 0; i < filled; i++) {
		CU_ASSERT(slots[i].data == frames[i]);
		take_frame(r, engine, frames[i], slots[i].length_bytes, slots[i].interface_idx);
	}
}

static mono_ns next_deadline(const struct rig *r)
{
	mono_ns next = MONO_NEVER;

	for (unsigned i = 0; i < r->engine_count; i++)
		if (engine_next_deadline(r->engines[i]) < next)
			next = engine_next_deadline(r->engines[i]);
	return next;
}

static uint64_t sent_count(const struct rig *r)
{
	return r->queries_sent + r->answers_sent + r->solicits_broadcast + r->solicits_unicast;
}

void rig_poll(struct rig *r)
{
	/* A worker that has nothing to do but says so nevertheless would never nap. */
	for (unsigned stalls = 0; stalls < RIG_STALLS_MAX;) {
		uint64_t before = sent_count(r);

		for (unsigned i = 0; i < r->engine_count; i++) {
			fill_entropy(r);
			poll_engine(r, i);
			carry_handoffs(r);
		}
		if (r->checks)
			rig_check(r);
		if (before != sent_count(r)) {
			stalls = 0;
			continue;
		}
		if (next_deadline(r) > r->now || !r->handoffs_run) /* or the outbox stays full */
			return;
		stalls++;
	}
	CU_FAIL_FATAL("a deadline that does not pass");
}

void rig_advance(struct rig *r, uint64_t ns)
{
	mono_ns target = r->now + ns;

	for (;;) {
		mono_ns next;

		rig_poll(r);
		next = next_deadline(r);
		if (next > target)
			break;
		r->now = next;
	}
	r->now = target;
	rig_poll(r);
}

/* ---- the books ---- */

void rig_check(const struct rig *r)
{
	for (unsigned i = 0; i < r->engine_count; i++) {
		const uint64_t *value = engine_counters(r->engines[i])->value;
		struct engine_upstream_row rows[RIG_SERVER_COUNT];
		struct engine_gauges gauges;
		uint32_t cursor = 0;
		uint64_t outcomes = 0;
		uint64_t under_way = 0;
		unsigned row_count;

		engine_check(r->engines[i]);
		engine_gauges(r->engines[i], &gauges);
		for (unsigned c = 0; c < COUNTER_OUTCOME_COUNT; c++)
			outcomes += value[c];
		CU_ASSERT_FATAL(outcomes == value[COUNTER_RX_PACKETS]);
		CU_ASSERT_FATAL(outcomes == r->delivered[i]);
		CU_ASSERT_FATAL(value[COUNTER_UPSTREAM_QUERIES] ==
				value[COUNTER_UPSTREAM_RESPONSE] +
					value[COUNTER_UPSTREAM_TIMEOUTS] +
					value[COUNTER_UPSTREAM_CANCELLED] + gauges.tickets_out +
					gauges.probes_out);
		row_count = engine_report_upstreams(r->engines[i], rows, RIG_SERVER_COUNT, &cursor);
		for (unsigned s = 0; s < row_count; s++)
			under_way += rows[s].under_way;
		CU_ASSERT_FATAL(under_way == gauges.tickets_out + gauges.probes_out);
	}
}

uint64_t rig_count(const struct rig *r, enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->engine_count; i++)
		sum += engine_counters(r->engines[i])->value[which];
	return sum;
}

struct engine_gauges rig_gauges(const struct rig *r)
{
	struct engine_gauges sum = {0};

	for (unsigned i = 0; i < r->engine_count; i++) {
		struct engine_gauges one;

		engine_gauges(r->engines[i], &one);
		sum.resolutions_active += one.resolutions_active;
		sum.waiters += one.waiters;
		sum.tickets_out += one.tickets_out;
		sum.probes_out += one.probes_out;
		sum.tickets_late += one.tickets_late;
		sum.answer_buffers_used += one.answer_buffers_used;
	}
	return sum;
}

bool rig_upstream(const struct rig *r, enum rig_server server, struct engine_upstream_row *out)
{
	uint32_t cursor = server;

	return engine_report_upstreams(r->engines[0], out, 1, &cursor) == 1;
}

static bool answer_at_once(struct rig *r, const struct rig_query *q)
{
	static const struct rig_reply plain;

	rig_answer_query(r, q, &plain);
	return true;
}

static bool ignore_answer(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

void rig_finish(struct rig *r)
{
	struct engine_gauges left;

	r->on_query = answer_at_once;
	r->on_answer = ignore_answer;
	r->in_place = true;
	r->multi_segment = false;
	r->tailroom_bytes = UINT16_MAX;
	r->entropy_runs = true;
	r->handoffs_run = true;
	r->neighbours_answer = true;
	for (unsigned i = 0; i < RIG_HOSTS; i++)
		r->hosts[i].alive = true;
	rig_advance(r, 15 * NS_PER_S);
	rig_check(r);
	left = rig_gauges(r);
	CU_ASSERT_EQUAL(left.resolutions_active, 0);
	CU_ASSERT_EQUAL(left.waiters, 0);
	CU_ASSERT_EQUAL(left.tickets_out, 0);
	CU_ASSERT_EQUAL(left.probes_out, 0);
	CU_ASSERT_EQUAL(left.tickets_late, 0);
	CU_ASSERT_EQUAL(left.answer_buffers_used, 0);
	/* Nothing that was taken is lost: one answer each. */
	CU_ASSERT_EQUAL(r->answers_sent, rig_count(r, COUNTER_QUESTION_NEW) +
						 rig_count(r, COUNTER_COALESCED) +
						 rig_count(r, COUNTER_QUESTION_REPLIED));
	CU_ASSERT_EQUAL(r->queries_sent, rig_count(r, COUNTER_UPSTREAM_QUERIES));
	for (unsigned i = 0; i < r->engine_count; i++) {
		CU_ASSERT(engine_idle(r->engines[i]));
		free(r->memory[i]);
	}
	free(r->words_memory);
	free(r->ports);
	free(r->burst);
	rig_list_free(r->answers);
	rig_list_free(r->queries);
	free(r);
}
