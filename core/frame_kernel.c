#include "frame_kernel.h"

#include <string.h>

#include "frame_wire.h"
#include "wire_cursor.h"

#define IPV4_WORD_BYTES 4
#define IPV4_IHL_MASK 0x0f
#define IPV4_IHL_MIN 5
#define IPV4_OFFSET_MASK 0x1fff
#define IPV6_EXTENSION_UNIT_BYTES 8
#define IPV6_FRAGMENT_BYTES 8
#define IPV6_FRAGMENT_OFFSET_MASK 0xfff8
#define IPV6_FRAGMENT_MORE_OFFSET 0xfff9
#define PORTS_BYTES 4

/* ---- Ethernet ---- */

static bool is_tag(uint16_t ethertype)
{
	return ethertype == FRAME_WIRE_TYPE_VLAN || ethertype == FRAME_WIRE_TYPE_SERVICE_VLAN ||
	       ethertype == FRAME_WIRE_TYPE_OLD_QINQ;
}

static enum frame_result check_macs(const struct frame_interface *interface, const uint8_t *frame)
{
	static const struct mac zero;
	struct mac dst, src;

	memcpy(dst.bytes, frame, sizeof(dst.bytes));
	memcpy(src.bytes, frame + FRAME_WIRE_ETHERNET_SRC, sizeof(src.bytes));
	if ((dst.bytes[0] & FRAME_WIRE_MAC_GROUP) == 0 && !mac_equal(&dst, &interface->mac))
		return FRAME_L2_DST;
	if ((src.bytes[0] & FRAME_WIRE_MAC_GROUP) != 0 || mac_equal(&src, &zero) ||
	    mac_equal(&src, &interface->mac))
		return FRAME_L2_SRC;
	return FRAME_OK;
}

/* Past the tag, if it is in the frame. */
static enum frame_result pass_tag(const struct frame_interface *interface, uint16_t stripped_vlan,
				  struct wire_reader *r, uint16_t *ethertype)
{
	uint16_t tci = stripped_vlan;

	if (stripped_vlan == FRAME_VLAN_NONE && *ethertype == FRAME_WIRE_TYPE_VLAN) {
		tci = wire_read_u16(r);
		*ethertype = wire_read_u16(r);
		if (!r->ok)
			return FRAME_SHORT;
	} else if (stripped_vlan == FRAME_VLAN_NONE) {
		return interface->vlan == FRAME_VLAN_NONE && !is_tag(*ethertype) ? FRAME_OK
										 : FRAME_VLAN;
	}
	/* Without a VLAN of ours FRAME_VLAN_NONE, which no tag equals. */
	return (tci & FRAME_WIRE_VID_MASK) == interface->vlan && !is_tag(*ethertype) ? FRAME_OK
										     : FRAME_VLAN;
}

/* ---- IP ---- */

static void take_ports(struct frame_kernel_view *view, struct span payload)
{
	if (payload.length_bytes < PORTS_BYTES)
		return;
	view->has_ports = true;
	view->src_port = wire_get_u16(payload.data);
	view->dst_port = wire_get_u16(payload.data + FRAME_WIRE_UDP_DST);
}

static enum frame_result parse_ipv4(struct span packet, struct frame_kernel_view *view)
{
	const uint8_t *ip = packet.data;
	size_t header_bytes, total_bytes;
	uint16_t fragment;

	if (packet.length_bytes < FRAME_WIRE_IPV4_BYTES)
		return FRAME_SHORT;
	header_bytes = (size_t)(ip[0] & IPV4_IHL_MASK) * IPV4_WORD_BYTES;
	total_bytes = wire_get_u16(ip + FRAME_WIRE_IPV4_LENGTH);
	if (ip[0] >> 4 != FRAME_WIRE_IPV4_VERSION_IHL >> 4 ||
	    (ip[0] & IPV4_IHL_MASK) < IPV4_IHL_MIN || total_bytes < header_bytes)
		return FRAME_IP_HEADER;
	if (total_bytes > packet.length_bytes)
		return FRAME_SHORT;
	if (frame_sum(0, (struct span){ip, header_bytes}) != UINT16_MAX)
		return FRAME_IP_CHECKSUM;
	fragment = wire_get_u16(ip + FRAME_WIRE_IPV4_FRAGMENT);
	view->is_udp = ip[FRAME_WIRE_IPV4_PROTOCOL] == FRAME_WIRE_UDP;
	view->is_fragment = (fragment & FRAME_WIRE_IPV4_MF_OFFSET) != 0;
	view->src = address_from_v4(ip + FRAME_WIRE_IPV4_SRC);
	view->dst = address_from_v4(ip + FRAME_WIRE_IPV4_DST);
	if (view->is_udp && (fragment & IPV4_OFFSET_MASK) == 0)
		take_ports(view, (struct span){ip + header_bytes, total_bytes - header_bytes});
	return FRAME_OK;
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case FRAME_WIRE_HOP_BY_HOP:
	case FRAME_WIRE_ROUTING:
	case FRAME_WIRE_FRAGMENT:
	case FRAME_WIRE_AH:
	case FRAME_WIRE_DST_OPTIONS:
	case FRAME_WIRE_MOBILITY:
	case FRAME_WIRE_HIP:
	case FRAME_WIRE_SHIM6:
	case FRAME_WIRE_EXPERIMENT_1:
	case FRAME_WIRE_EXPERIMENT_2:
		return true;
	default: /* a number of 256 */
		return false;
	}
}

/* Of the extension header at `at`, whose first two bytes are there. */
static size_t extension_bytes(uint8_t kind, const uint8_t *at)
{
	if (kind == FRAME_WIRE_FRAGMENT)
		return IPV6_FRAGMENT_BYTES;
	if (kind == FRAME_WIRE_AH)
		return ((size_t)at[1] + 2) * IPV4_WORD_BYTES; /* RFC 4302 section 2.2 */
	return ((size_t)at[1] + 1) * IPV6_EXTENSION_UNIT_BYTES;
}

/* What comes after the extension headers; next is the first's kind. */
static enum frame_result follow_extensions(struct span rest, uint8_t next,
					   struct frame_kernel_view *view)
{
	for (unsigned i = 0; is_extension(next); i++) {
		size_t bytes;

		if (i == FRAME_KERNEL_EXTENSIONS_MAX || rest.length_bytes < 2)
			return FRAME_IP_EXTENSION;
		bytes = extension_bytes(next, rest.data);
		if (bytes > rest.length_bytes)
			return FRAME_IP_EXTENSION;
		if (next == FRAME_WIRE_FRAGMENT) {
			uint16_t fragment = wire_get_u16(rest.data + 2);

			view->is_fragment =
				view->is_fragment || (fragment & IPV6_FRAGMENT_MORE_OFFSET) != 0;
			/* What follows is the middle of something. */
			if ((fragment & IPV6_FRAGMENT_OFFSET_MASK) != 0) {
				view->is_udp = rest.data[0] == FRAME_WIRE_UDP ||
					       is_extension(rest.data[0]);
				return FRAME_OK;
			}
		}
		next = rest.data[0];
		rest = (struct span){rest.data + bytes, rest.length_bytes - bytes};
	}
	view->is_udp = next == FRAME_WIRE_UDP;
	if (view->is_udp)
		take_ports(view, rest);
	return FRAME_OK;
}

static enum frame_result parse_ipv6(struct span packet, struct frame_kernel_view *view)
{
	const uint8_t *ip = packet.data;
	size_t payload_bytes;

	if (packet.length_bytes < FRAME_WIRE_IPV6_BYTES)
		return FRAME_SHORT;
	if ((ip[0] & 0xf0) != FRAME_WIRE_IPV6_VERSION)
		return FRAME_IP_HEADER;
	payload_bytes = wire_get_u16(ip + FRAME_WIRE_IPV6_LENGTH);
	if (payload_bytes > packet.length_bytes - FRAME_WIRE_IPV6_BYTES)
		return FRAME_SHORT;
	memcpy(view->src.bytes, ip + FRAME_WIRE_IPV6_SRC, ADDRESS_BYTES);
	memcpy(view->dst.bytes, ip + FRAME_WIRE_IPV6_DST, ADDRESS_BYTES);
	return follow_extensions((struct span){ip + FRAME_WIRE_IPV6_BYTES, payload_bytes},
				 ip[FRAME_WIRE_IPV6_NEXT], view);
}

static enum frame_result parse_packet(struct span packet, uint16_t ethertype,
				      struct frame_kernel_view *out)
{
	struct frame_kernel_view view = {.is_udp = false};
	enum frame_result result = FRAME_OK;

	if (ethertype == FRAME_WIRE_TYPE_IPV4)
		result = parse_ipv4(packet, &view);
	else if (ethertype == FRAME_WIRE_TYPE_IPV6)
		result = parse_ipv6(packet, &view);
	if (result == FRAME_OK)
		*out = view;
	return result;
}

/* ---- frames ---- */

enum frame_result frame_kernel_parse(const struct frame_interface *interface, struct span frame,
				     uint16_t stripped_vlan, struct frame_kernel_view *out)
{
	struct wire_reader r = wire_reader_at(frame, FRAME_WIRE_ETHERNET_TYPE);
	uint16_t ethertype = wire_read_u16(&r);
	enum frame_result result;

	if (!r.ok)
		return FRAME_SHORT;
	result = check_macs(interface, frame.data);
	if (result == FRAME_OK)
		result = pass_tag(interface, stripped_vlan, &r, &ethertype);
	if (result != FRAME_OK)
		return result;
	return parse_packet((struct span){frame.data + r.offset, wire_left(&r)}, ethertype, out);
}

enum frame_result frame_kernel_parse_sent(const struct frame_interface *interface,
					  struct span frame, struct frame_kernel_view *out)
{
	struct wire_reader r = wire_reader_at(frame, FRAME_WIRE_ETHERNET_TYPE);
	uint16_t ethertype = wire_read_u16(&r);
	enum frame_result result;

	if (!r.ok)
		return FRAME_SHORT;
	result = pass_tag(interface, FRAME_VLAN_NONE, &r, &ethertype);
	if (result != FRAME_OK)
		return result;
	return parse_packet((struct span){frame.data + r.offset, wire_left(&r)}, ethertype, out);
}
