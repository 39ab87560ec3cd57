/* Frames: what the engines send, taken apart from the receiver's side, and what is sent to them. */
#include <ldns/ldns.h>
#include <string.h>

#include "core/frame.h"
#include "engine_rig_list.h"
#include "engine_rig_own.h"
#include "unit.h"

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
		if (r->link_anywhere)
			engine = (unsigned)(unit_random(&r->random) % r->engine_count);
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
	/* A test may have published another than the first. */
	const struct engine_config *config = atomic_load(&r->current);

	CU_ASSERT_FATAL(view->payload.length_bytes <= EDNS_UDP_BYTES);
	memcpy(q.message, view->payload.data, view->payload.length_bytes);
	CU_ASSERT_FATAL(msg_parse_query((struct span){q.message, q.length_bytes}, &q.parsed) ==
			MSG_QUERY_OK);
	for (int i = 0; i < config->server_count; i++)
		if (endpoint_equal(&config->server_endpoints[i], &q.server))
			q.server_idx = i;
	CU_ASSERT(q.server_idx >= 0 || r->asks_strangers);
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
	/* Queries may leave from a port that we listen on. */
	if (is_listen(r, &(struct endpoint){view.src, view.src_port}) &&
	    view.payload.length_bytes >= DNS_HEADER_BYTES &&
	    (rig_u16(view.payload.data, 2) & DNS_FLAG_QR) != 0)
		take_answer(r, engine, &view, &dst);
	else
		take_query(r, engine, &view, &dst);
}

void rig_take_frame(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length,
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

/* ---- what is sent to them ---- */

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
	return rig_send_frame(r, engine, frame, length);
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

static uint16_t sum16(uint32_t sum, const uint8_t *bytes, size_t length)
{
	return (uint16_t)~frame_sum(sum, (struct span){bytes, length});
}

uint32_t rig_echo_build(const struct rig *r, enum rig_family family, unsigned data,
			uint8_t frame[RIG_BUFFER_BYTES])
{
	const struct rig_host *h =
		&r->hosts[family == RIG_V4 ? RIG_HOST_GATEWAY_V4 : RIG_HOST_GATEWAY_V6];
	const struct address *own = &r->config.interfaces[0].addresses[family].address;
	unsigned ip_bytes = family == RIG_V4 ? 20 : 40;
	uint8_t *ip = frame + 14;
	uint8_t *icmp = ip + ip_bytes;
	uint16_t length = (uint16_t)(8 + data);
	uint16_t sum;
	uint32_t pseudo = 0;

	memset(frame, 0, 14 + ip_bytes + 8);
	memcpy(frame, r->config.interfaces[0].mac.bytes, 6);
	memcpy(frame + 6, h->mac.bytes, 6);
	if (family == RIG_V4) {
		memcpy(frame + 12, "\x08\x00\x45\x00", 4);
		ip[2] = (uint8_t)((20 + length) >> 8);
		ip[3] = (uint8_t)(20 + length);
		ip[8] = 64;
		ip[9] = 1;
		memcpy(ip + 12, h->address.address.bytes + 12, 4);
		memcpy(ip + 16, own->bytes + 12, 4);
		sum = sum16(0, ip, 20);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
		icmp[0] = 8;
	} else {
		memcpy(frame + 12, "\x86\xdd\x60", 3);
		ip[4] = (uint8_t)(length >> 8);
		ip[5] = (uint8_t)length;
		ip[6] = 58;
		ip[7] = 64;
		memcpy(ip + 8, h->address.address.bytes, 16);
		memcpy(ip + 24, own->bytes, 16);
		icmp[0] = 128;
		pseudo = frame_sum(58u + length, (struct span){ip + 8, 32});
	}
	memcpy(icmp + 4, "\x12\x34\x00\x01", 4);
	for (unsigned i = 0; i < data; i++)
		icmp[8 + i] = (uint8_t)i;
	sum = sum16(pseudo, icmp, length);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	return 14 + ip_bytes + length;
}

enum frame_result rig_last_frame_parse(const struct rig *r, enum rig_host_idx host,
				       struct frame_view *view)
{
	const struct rig_host *h = &r->hosts[host];
	struct frame_interface interface = interface_of(&h->address, &h->mac);

	return frame_parse(&interface, (struct span){r->last_frame, r->last_frame_length_bytes},
			   FRAME_VLAN_NONE, view);
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
