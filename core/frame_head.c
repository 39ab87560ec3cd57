#include "frame_head.h"

#include <assert.h>

static_assert(FRAME_HEAD_BYTES >= FRAME_HEADER_BYTES_MAX, "the longest headers fit");
static_assert(FRAME_WIRE_ETHERNET_BYTES + FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES >=
			      2 * FRAME_HEAD_PIECE &&
		      FRAME_HEADER_BYTES_MAX <= 5 * FRAME_HEAD_PIECE &&
		      FRAME_WIRE_ETHERNET_BYTES + FRAME_WIRE_VLAN_BYTES + FRAME_WIRE_IPV4_BYTES +
				      FRAME_WIRE_UDP_BYTES <=
			      3 * FRAME_HEAD_PIECE,
	      "two pieces and the last one, or three and the last two: no byte is left out");

void frame_head_init(struct frame_head *out, const struct frame_interface *interface,
		     const struct address *src)
{
	static const struct mac unknown;
	struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = unknown,
		.vlan = interface->vlan,
		.src = *src,
	};
	uint64_t halves[2];
	uint8_t *ip;
	uint32_t v4;

	memset(out, 0, sizeof(*out));
	out->is_v4 = address_is_v4(src);
	if (out->is_v4)
		params.dst = address_from_v4((const uint8_t[FRAME_WIRE_IPV4_ADDRESS_BYTES]){0});
	out->header_bytes = (uint8_t)frame_udp_header_bytes(&params.dst, interface->vlan);
	out->ip_offset = (uint8_t)(out->header_bytes - FRAME_WIRE_UDP_BYTES -
				   (out->is_v4 ? FRAME_WIRE_IPV4_BYTES : FRAME_WIRE_IPV6_BYTES));
	(void)frame_build_udp(out->bytes, &params, 0);
	ip = out->bytes + out->ip_offset;
	memset(out->bytes + out->header_bytes - FRAME_WIRE_UDP_BYTES, 0, FRAME_WIRE_UDP_BYTES);
	out->udp_sum = frame_wire_word(FRAME_WIRE_UDP);
	if (out->is_v4) {
		memset(ip + FRAME_WIRE_IPV4_LENGTH, 0, sizeof(uint16_t));
		memset(ip + FRAME_WIRE_IPV4_CHECKSUM, 0, sizeof(uint16_t));
		memcpy(&v4, ip + FRAME_WIRE_IPV4_SRC, sizeof(v4));
		out->ip_sum = frame_wire_fold(frame_wire_sum(0, ip, FRAME_WIRE_IPV4_BYTES));
		out->udp_sum += v4;
		return;
	}
	memset(ip + FRAME_WIRE_IPV6_LENGTH, 0, sizeof(uint16_t));
	memset(ip + FRAME_WIRE_IPV6_SRC + sizeof(uint64_t), 0, sizeof(uint64_t));
	memcpy(halves, ip + FRAME_WIRE_IPV6_SRC, sizeof(halves));
	out->udp_sum += frame_wire_fold(halves[0]);
}
