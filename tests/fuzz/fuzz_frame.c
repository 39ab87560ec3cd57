/* Fuzzes frame_parse and what is built from its views.
 *
 * Input: one byte of FUZZ_* flags, then the frame. Every buffer is of exact size, so that the
 * sanitizer sees any step beyond.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/frame.h"
#include "core/frame_kernel.h"
#include "core/wire_cursor.h"

enum {
	FUZZ_VLAN = 1, /* the interface has VLAN 7 */
	FUZZ_FIX_CHECKSUMS =
		2,         /* first make the checksums right, so that what lies behind is reached */
	FUZZ_STRIPPED = 4, /* the NIC has taken tag 7 off */
	FUZZ_PREFIXES = 8, /* the interface has source prefixes */
};

#define TEST_VLAN 7
#define STRIPPED_TCI (5u << 13 | TEST_VLAN)
#define ETHERNET_BYTES 14
#define TAG_BYTES 4
#define PAYLOAD_BYTES_MAX 8900 /* what a jumbo frame has room for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_interface interface_of(unsigned flags)
{
	struct frame_interface interface = {
		.mac = {{2, 0, 0, 0, 0, 1}},
		.vlan = flags & FUZZ_VLAN ? TEST_VLAN : FRAME_VLAN_NONE,
		.mtu_bytes = 1500,
		.address_count = 4,
		.addresses =
			{
				{{{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}, 120},
				{{{[10] = 0xff, [11] = 0xff, 198, 51, 100, 8}}, 127},
				{{{0x20, 0x01, 0x0d, 0xb8, [13] = 0x11, 0x22, 0x33}}, 64},
				{{{[10] = 0xff, [11] = 0xff, 203, 0, 113, 5}}, 128},
			},
		.source_prefix_count = flags & FUZZ_PREFIXES ? 2 : 0,
		.source_prefixes =
			{
				{{{0x20, 0x01, 0x0d, 0xb8, [7] = 5}}, 64},
				{{{0x20, 0x01, 0x0d, 0xb8, [7] = 6, [13] = 0x42}}, 112},
			},
	};

	interface.link_local = frame_link_local(&interface.mac);
	return interface;
}

static bool is_own(const struct frame_interface *interface, const struct address *a)
{
	if (address_equal(a, &interface->link_local))
		return true;
	for (unsigned i = 0; i < interface->address_count; i++)
		if (address_equal(a, &interface->addresses[i].address))
			return true;
	return false;
}

/* Or, for a while, maybe. */
static bool may_be_own(const struct frame_interface *interface, const struct address *a)
{
	for (unsigned i = 0; i < interface->source_prefix_count; i++)
		if (prefix_contains(&interface->source_prefixes[i], a))
			return true;
	return is_own(interface, a);
}

/* ---- making checksums right ---- */

static void put_checksum(uint8_t *at, uint32_t sum)
{
	wire_put_u16(at, (uint16_t)~sum);
}

/* The checksum at `field` of the IP payload, with a pseudo-header if protocol is not 0. */
static void fix_transport(struct buffer payload, size_t field, struct span addresses,
			  uint8_t protocol)
{
	uint8_t pseudo[4] = {0, protocol};
	uint32_t sum = 0;

	if (payload.capacity_bytes < field + 2)
		return;
	wire_put_u16(payload.data + field, 0);
	if (protocol != 0) {
		wire_put_u16(pseudo + 2, (uint16_t)payload.capacity_bytes);
		sum = frame_sum(0, (struct span){pseudo, sizeof(pseudo)});
		sum = frame_sum(sum, addresses);
	}
	sum = frame_sum(sum, (struct span){payload.data, payload.capacity_bytes});
	put_checksum(payload.data + field, protocol == 17 && sum == 0xffff ? 0 : sum);
}

static void fix_ip(uint8_t *ip, size_t left)
{
	struct buffer payload;

	if (left >= 20 && ip[0] == 0x45) {
		size_t total = wire_get_u16(ip + 2);

		wire_put_u16(ip + 10, 0);
		put_checksum(ip + 10, frame_sum(0, (struct span){ip, 20}));
		if (total < 20 || total > left)
			return;
		payload = (struct buffer){ip + 20, total - 20};
		if (ip[9] == 17)
			fix_transport(payload, 6, (struct span){ip + 12, 8}, 17);
		if (ip[9] == 1)
			fix_transport(payload, 2, (struct span){ip + 12, 8}, 0);
	} else if (left >= 40 && ip[0] >> 4 == 6) {
		size_t length = wire_get_u16(ip + 4);

		if (length > left - 40)
			return;
		payload = (struct buffer){ip + 40, length};
		if (ip[6] == 17 || ip[6] == 58)
			fix_transport(payload, ip[6] == 17 ? 6 : 2, (struct span){ip + 8, 32},
				      ip[6]);
	}
}

static void fix_checksums(uint8_t *frame, size_t length)
{
	size_t at = ETHERNET_BYTES;

	if (length < ETHERNET_BYTES + TAG_BYTES)
		return;
	if (wire_get_u16(frame + 12) == 0x8100)
		at += TAG_BYTES;
	fix_ip(frame + at, length - at);
}

/* ---- what must hold ---- */

static void check_view(const struct frame_interface *interface, struct span frame,
		       const struct frame_view *view)
{
	const uint8_t *payload = view->payload.data;
	bool has_payload = view->kind == FRAME_UDP || view->kind == FRAME_ECHO_REQUEST;

	CHECK(has_payload == (payload != NULL));
	if (has_payload) {
		CHECK(payload >= frame.data && payload <= frame.data + frame.length_bytes);
		CHECK(view->payload.length_bytes <=
		      (size_t)(frame.data + frame.length_bytes - payload));
	}
	CHECK(view->vlan_pcp < 8);
	CHECK(!is_own(interface, &view->src));
	CHECK((view->src_mac.bytes[0] & 1) == 0 && !mac_equal(&view->src_mac, &interface->mac));
	CHECK(view->kind == FRAME_NEIGHBOUR_HINT || view->kind == FRAME_ND_ADVERTISE ||
	      may_be_own(interface, &view->dst));
	CHECK(address_is_v4(&view->src) == address_is_v4(&view->dst));
	if (view->kind == FRAME_UDP)
		CHECK(view->src_port != 0);
	if (view->kind == FRAME_ARP_REPLY || view->kind == FRAME_ND_ADVERTISE ||
	    view->kind == FRAME_NEIGHBOUR_HINT) {
		CHECK(!is_own(interface, &view->target));
		CHECK((view->target_mac.bytes[0] & 1) == 0);
		CHECK(!mac_equal(&view->target_mac, &interface->mac));
	}
}

/* The host that sent the frame, as far as its answer is concerned. */
static struct frame_interface peer_of(const struct frame_interface *interface,
				      const struct frame_view *view)
{
	struct frame_interface peer = {
		.mac = view->src_mac,
		.vlan = interface->vlan,
		.mtu_bytes = interface->mtu_bytes,
		.address_count = 1,
		.addresses = {{view->src, address_is_v4(&view->src) ? 96 : 64}},
	};

	peer.link_local = frame_link_local(&peer.mac);
	return peer;
}

static void check_udp_answer(const struct frame_interface *interface, const struct frame_view *view)
{
	struct frame_interface peer = peer_of(interface, view);
	struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = view->src_mac,
		.vlan = interface->vlan,
		.vlan_pcp = view->vlan_pcp,
		.src = view->dst,
		.dst = view->src,
		.src_port = view->dst_port | 1,
		.dst_port = view->src_port,
	};
	unsigned header = frame_udp_header_bytes(&params.dst, params.vlan);
	unsigned payload = (unsigned)view->payload.length_bytes;
	struct frame_view back;
	uint8_t *frame;
	unsigned length;

	if (payload > PAYLOAD_BYTES_MAX)
		payload = PAYLOAD_BYTES_MAX;
	frame = malloc(header + payload);
	CHECK(frame != NULL);
	memcpy(frame + header, view->payload.data, payload);
	length = frame_build_udp(frame, &params, payload);
	CHECK(length == header + payload);
	CHECK(frame_parse(&peer, (struct span){frame, length}, FRAME_VLAN_NONE, &back) == FRAME_OK);
	CHECK(back.kind == FRAME_UDP && back.vlan_pcp == view->vlan_pcp);
	CHECK(address_equal(&back.src, &view->dst) && address_equal(&back.dst, &view->src));
	CHECK(back.src_port == params.src_port && back.dst_port == view->src_port);
	CHECK(back.payload.data == frame + header && back.payload.length_bytes == payload);
	CHECK(memcmp(back.payload.data, view->payload.data, payload) == 0);
	free(frame);
}

/* What the peer must make of our answer. */
static void check_answer_at_peer(const struct frame_interface *interface,
				 const struct frame_view *view, struct span answer)
{
	static const struct address nobody4 = {{[10] = 0xff, [11] = 0xff}}, nobody6;
	struct frame_interface peer = peer_of(interface, view);
	struct frame_view back;
	enum frame_result result;

	if (address_equal(&view->src, &nobody4) || address_equal(&view->src, &nobody6))
		peer.address_count = 0;
	result = frame_parse(&peer, answer, FRAME_VLAN_NONE, &back);
	if (view->kind == FRAME_ECHO_REQUEST) {
		CHECK(result == FRAME_ICMP_TYPE); /* a reply */
		return;
	}
	if (address_equal(&view->src, &nobody4)) {
		CHECK(result == FRAME_ARP); /* to an address that is not one yet */
		return;
	}
	CHECK(result == FRAME_OK);
	CHECK(address_equal(&back.target, &view->dst));
	CHECK(mac_equal(&back.target_mac, &interface->mac));
	CHECK(back.kind == FRAME_ARP_REPLY || back.kind == FRAME_ND_ADVERTISE ||
	      (back.kind == FRAME_NEIGHBOUR_HINT && address_equal(&view->src, &nobody6)));
}

static void check_answer(const struct frame_interface *interface, struct span frame, uint16_t vlan)
{
	size_t room = frame.length_bytes + TAG_BYTES + FRAME_HEADER_BYTES_MAX;
	uint8_t *in_place = malloc(room);
	struct frame_view view;
	unsigned length, again;

	/* How long it gets, then the same with not a byte to spare. */
	CHECK(in_place != NULL);
	memcpy(in_place, frame.data, frame.length_bytes);
	CHECK(frame_parse(interface, (struct span){in_place, frame.length_bytes}, vlan, &view) ==
	      FRAME_OK);
	length = frame_build_answer(interface, (struct buffer){in_place, room}, &view);
	CHECK(length != 0 && length <= room);
	free(in_place);
	room = length > frame.length_bytes ? length : frame.length_bytes;
	in_place = malloc(room);
	CHECK(in_place != NULL);
	memcpy(in_place, frame.data, frame.length_bytes);
	CHECK(frame_parse(interface, (struct span){in_place, frame.length_bytes}, vlan, &view) ==
	      FRAME_OK);
	CHECK(frame_build_answer(interface, (struct buffer){in_place, length - 1}, &view) == 0);
	again = frame_build_answer(interface, (struct buffer){in_place, room}, &view);
	CHECK(again == length);
	check_answer_at_peer(interface, &view, (struct span){in_place, length});
	free(in_place);
}

/* What the kernel behind a TAP would get: UDP that frame_parse takes is seen as that, with its ports. */
static void check_kernel(const struct frame_interface *interface, struct span frame, uint16_t vlan)
{
	struct frame_kernel_view kernel;
	struct frame_view view;
	enum frame_result result = frame_kernel_parse(interface, frame, vlan, &kernel);

	if (result == FRAME_OK && kernel.has_ports)
		CHECK(kernel.is_udp);
	if (frame_parse(interface, frame, vlan, &view) == FRAME_OK) {
		CHECK(result == FRAME_OK);
		CHECK((view.kind == FRAME_UDP) == kernel.is_udp);
		if (view.kind == FRAME_UDP)
			CHECK(kernel.has_ports && !kernel.is_fragment &&
			      kernel.src_port == view.src_port &&
			      kernel.dst_port == view.dst_port &&
			      address_equal(&kernel.dst, &view.dst));
	}
	if (frame_kernel_parse_sent(interface, frame, &kernel) == FRAME_OK && kernel.has_ports)
		CHECK(kernel.is_udp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_interface interface;
	struct frame_view view;
	struct span frame;
	uint16_t vlan;
	uint8_t *copy;

	if (size == 0)
		return 0;
	interface = interface_of(data[0]);
	vlan = data[0] & FUZZ_STRIPPED ? STRIPPED_TCI : FRAME_VLAN_NONE;
	copy = malloc(size); /* one more than the frame: malloc(0) may be NULL */
	CHECK(copy != NULL);
	memcpy(copy + 1, data + 1, size - 1);
	if (data[0] & FUZZ_FIX_CHECKSUMS)
		fix_checksums(copy + 1, size - 1);
	frame = (struct span){copy + 1, size - 1};
	if (frame_parse(&interface, frame, vlan, &view) == FRAME_OK) {
		check_view(&interface, frame, &view);
		switch (view.kind) {
		case FRAME_UDP:
			check_udp_answer(&interface, &view);
			break;
		case FRAME_ARP_REQUEST:
		case FRAME_ND_SOLICIT:
		case FRAME_ECHO_REQUEST:
			check_answer(&interface, frame, vlan);
			break;
		case FRAME_ARP_REPLY:
		case FRAME_ND_ADVERTISE:
		case FRAME_NEIGHBOUR_HINT:
			break;
		}
	}
	check_kernel(&interface, frame, vlan);
	free(copy);
	return 0;
}
