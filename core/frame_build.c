#include "frame.h"

#include "frame_wire.h"
#include "wire_cursor.h"

/* Who sends what to whom, below the transport. */
struct envelope {
	struct mac src_mac;
	struct mac dst_mac;
	uint16_t vlan;
	uint8_t pcp;
	uint8_t hop_limit;
	uint8_t protocol;
	struct address src;
	struct address dst;
};

struct address frame_link_local(const struct mac *mac)
{
	const uint8_t *m = mac->bytes;

	/* The modified EUI-64: the universal/local bit turned over, ff fe in the middle. */
	return (struct address){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe,
				 m[3], m[4], m[5]}};
}

uint32_t frame_sum(uint32_t sum, struct span bytes)
{
	uint64_t folded = frame_wire_word((uint16_t)(sum >> 16));

	folded += frame_wire_word((uint16_t)sum);
	return frame_wire_word(
		frame_wire_fold(frame_wire_sum(folded, bytes.data, bytes.length_bytes)));
}

static void put_checksum(uint8_t *at, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~frame_wire_fold(sum);

	memcpy(at, &checksum, sizeof(checksum));
}

static unsigned ethernet_bytes(uint16_t vlan)
{
	return FRAME_WIRE_ETHERNET_BYTES + (vlan != FRAME_VLAN_NONE ? FRAME_WIRE_VLAN_BYTES : 0u);
}

/* Returns where the next header begins. */
static uint8_t *put_ethernet(uint8_t *at, const struct envelope *e, uint16_t ethertype)
{
	memcpy(at, e->dst_mac.bytes, FRAME_WIRE_MAC_BYTES);
	memcpy(at + FRAME_WIRE_ETHERNET_SRC, e->src_mac.bytes, FRAME_WIRE_MAC_BYTES);
	at += FRAME_WIRE_ETHERNET_TYPE;
	if (e->vlan != FRAME_VLAN_NONE) {
		wire_put_u16(at, FRAME_WIRE_TYPE_VLAN);
		wire_put_u16(at + 2, (uint16_t)((unsigned)e->pcp << FRAME_WIRE_PCP_SHIFT |
						(e->vlan & FRAME_WIRE_VID_MASK)));
		at += FRAME_WIRE_VLAN_BYTES;
	}
	wire_put_u16(at, ethertype);
	return at + 2;
}

/* The addresses' part of the pseudo-header. */
static uint64_t addresses_sum(const struct envelope *e)
{
	size_t offset = address_is_v4(&e->dst) ? ADDRESS_V4_OFFSET : 0;
	uint64_t sum = frame_wire_sum(0, e->src.bytes + offset, ADDRESS_BYTES - offset);

	return frame_wire_sum(sum, e->dst.bytes + offset, ADDRESS_BYTES - offset);
}

/* No options, no fragments (DF), no counter to watch from afar (ID 0), no class of service taken
 * from a stranger's packet. */
static uint8_t *put_ipv4(uint8_t *at, const struct envelope *e, size_t payload_bytes)
{
	uint64_t sum = addresses_sum(e);

	memset(at, 0, FRAME_WIRE_IPV4_BYTES);
	at[0] = FRAME_WIRE_IPV4_VERSION_IHL;
	wire_put_u16(at + FRAME_WIRE_IPV4_LENGTH,
		     (uint16_t)(FRAME_WIRE_IPV4_BYTES + payload_bytes));
	wire_put_u16(at + FRAME_WIRE_IPV4_FRAGMENT, FRAME_WIRE_IPV4_DF);
	at[FRAME_WIRE_IPV4_TTL] = e->hop_limit;
	at[FRAME_WIRE_IPV4_PROTOCOL] = e->protocol;
	memcpy(at + FRAME_WIRE_IPV4_SRC, e->src.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	memcpy(at + FRAME_WIRE_IPV4_DST, e->dst.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	/* Summed from the values: reading back what was just written in pieces stalls. */
	sum += frame_wire_word(FRAME_WIRE_IPV4_VERSION_IHL << 8);
	sum += frame_wire_word((unsigned)(FRAME_WIRE_IPV4_BYTES + payload_bytes));
	sum += frame_wire_word(FRAME_WIRE_IPV4_DF);
	sum += frame_wire_word((unsigned)e->hop_limit << 8 | e->protocol);
	put_checksum(at + FRAME_WIRE_IPV4_CHECKSUM, sum);
	return at + FRAME_WIRE_IPV4_BYTES;
}

static uint8_t *put_ipv6(uint8_t *at, const struct envelope *e, size_t payload_bytes)
{
	memset(at, 0, FRAME_WIRE_IPV6_SRC);
	at[0] = FRAME_WIRE_IPV6_VERSION;
	wire_put_u16(at + FRAME_WIRE_IPV6_LENGTH, (uint16_t)payload_bytes);
	at[FRAME_WIRE_IPV6_NEXT] = e->protocol;
	at[FRAME_WIRE_IPV6_HOP_LIMIT] = e->hop_limit;
	memcpy(at + FRAME_WIRE_IPV6_SRC, e->src.bytes, ADDRESS_BYTES);
	memcpy(at + FRAME_WIRE_IPV6_DST, e->dst.bytes, ADDRESS_BYTES);
	return at + FRAME_WIRE_IPV6_BYTES;
}

/* Ethernet and IP for a payload of that size; returns where it begins. */
static uint8_t *put_headers(uint8_t *at, const struct envelope *e, size_t payload_bytes)
{
	if (address_is_v4(&e->dst))
		return put_ipv4(put_ethernet(at, e, FRAME_WIRE_TYPE_IPV4), e, payload_bytes);
	return put_ipv6(put_ethernet(at, e, FRAME_WIRE_TYPE_IPV6), e, payload_bytes);
}

/* ---- UDP ---- */

/* A header field as it lies in memory, `at` bytes into a word. */
static inline uint64_t field_u16(unsigned value, unsigned at)
{
	return (uint64_t)frame_wire_word(value) << 8 * at;
}

static inline uint64_t field_u8(unsigned value, unsigned at)
{
	return (uint64_t)value << 8 * at;
}

/* put_ipv4, written by words; address_sum: of both addresses. */
static inline uint8_t *put_udp_ipv4(uint8_t *at, const struct frame_udp_params *p, size_t udp_bytes,
				    uint64_t addresses_sum_v4)
{
	unsigned length = (unsigned)(FRAME_WIRE_IPV4_BYTES + udp_bytes);
	uint64_t first = field_u8(FRAME_WIRE_IPV4_VERSION_IHL, 0) |
			 field_u16(length, FRAME_WIRE_IPV4_LENGTH) |
			 field_u16(FRAME_WIRE_IPV4_DF, FRAME_WIRE_IPV4_FRAGMENT);
	uint32_t second = (uint32_t)field_u16(FRAME_WIRE_HOP_LIMIT << 8 | FRAME_WIRE_UDP, 0);
	uint16_t checksum = (uint16_t)~frame_wire_fold(
		addresses_sum_v4 + frame_wire_word(FRAME_WIRE_IPV4_VERSION_IHL << 8) +
		frame_wire_word(length) + frame_wire_word(FRAME_WIRE_IPV4_DF) + second);

	second |= (uint32_t)checksum << 16;
	memcpy(at, &first, sizeof(first));
	memcpy(at + FRAME_WIRE_IPV4_TTL, &second, sizeof(second));
	memcpy(at + FRAME_WIRE_IPV4_SRC, p->src.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	memcpy(at + FRAME_WIRE_IPV4_DST, p->dst.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	return at + FRAME_WIRE_IPV4_BYTES;
}

static inline uint8_t *put_udp_ipv6(uint8_t *at, const struct frame_udp_params *p, size_t udp_bytes)
{
	uint64_t first = field_u8(FRAME_WIRE_IPV6_VERSION, 0) |
			 field_u16((unsigned)udp_bytes, FRAME_WIRE_IPV6_LENGTH) |
			 field_u8(FRAME_WIRE_UDP, FRAME_WIRE_IPV6_NEXT) |
			 field_u8(FRAME_WIRE_HOP_LIMIT, FRAME_WIRE_IPV6_HOP_LIMIT);

	memcpy(at, &first, sizeof(first));
	memcpy(at + FRAME_WIRE_IPV6_SRC, p->src.bytes, ADDRESS_BYTES);
	memcpy(at + FRAME_WIRE_IPV6_DST, p->dst.bytes, ADDRESS_BYTES);
	return at + FRAME_WIRE_IPV6_BYTES;
}

static inline uint8_t *put_udp_ethernet(uint8_t *at, const struct frame_udp_params *p, bool is_v4)
{
	memcpy(at, p->dst_mac.bytes, FRAME_WIRE_MAC_BYTES);
	memcpy(at + FRAME_WIRE_ETHERNET_SRC, p->src_mac.bytes, FRAME_WIRE_MAC_BYTES);
	at += FRAME_WIRE_ETHERNET_TYPE;
	if (UNLIKELY(p->vlan != FRAME_VLAN_NONE)) {
		wire_put_u16(at, FRAME_WIRE_TYPE_VLAN);
		wire_put_u16(at + 2, (uint16_t)((unsigned)p->vlan_pcp << FRAME_WIRE_PCP_SHIFT |
						(p->vlan & FRAME_WIRE_VID_MASK)));
		at += FRAME_WIRE_VLAN_BYTES;
	}
	wire_put_u16(at, is_v4 ? FRAME_WIRE_TYPE_IPV4 : FRAME_WIRE_TYPE_IPV6);
	return at + 2;
}

static inline uint64_t halves_sum(uint64_t sum, const struct address *a)
{
	uint64_t halves[2];

	memcpy(halves, a->bytes, sizeof(halves));
	return frame_wire_add(frame_wire_add(sum, halves[0]), halves[1]);
}

static inline uint32_t load_v4(const struct address *a)
{
	uint32_t word;

	memcpy(&word, a->bytes + ADDRESS_V4_OFFSET, sizeof(word));
	return word;
}

unsigned frame_build_udp(uint8_t *frame, const struct frame_udp_params *params,
			 unsigned payload_bytes)
{
	bool is_v4 = address_is_v4(&params->dst);
	unsigned udp_bytes = FRAME_WIRE_UDP_BYTES + payload_bytes;
	uint8_t *udp = put_udp_ethernet(frame, params, is_v4);
	uint64_t sum, header;
	uint16_t checksum;

	CHECK(udp_bytes <= FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES);
	CHECK(address_is_v4(&params->src) == is_v4);
	if (LIKELY(is_v4)) {
		sum = (uint64_t)load_v4(&params->src) + load_v4(&params->dst);
		udp = put_udp_ipv4(udp, params, udp_bytes, sum);
	} else {
		sum = halves_sum(halves_sum(0, &params->src), &params->dst);
		udp = put_udp_ipv6(udp, params, udp_bytes);
	}
	header = field_u16(params->src_port, 0) | field_u16(params->dst_port, FRAME_WIRE_UDP_DST) |
		 field_u16(udp_bytes, FRAME_WIRE_UDP_LENGTH);
	sum = frame_wire_add(sum, header);
	sum = frame_wire_add(sum, frame_wire_pseudo(FRAME_WIRE_UDP, udp_bytes));
	sum = frame_wire_sum(sum, udp + FRAME_WIRE_UDP_BYTES, payload_bytes);
	checksum = (uint16_t)~frame_wire_fold(sum);
	if (checksum == 0) /* which would say: not computed (RFC 768) */
		checksum = UINT16_MAX;
	header |= (uint64_t)checksum << 8 * FRAME_WIRE_UDP_CHECKSUM;
	memcpy(udp, &header, sizeof(header));
	return (unsigned)(udp - frame) + udp_bytes;
}

/* The ICMPv6 checksum over a message that is otherwise finished. */
static void finish_icmpv6(uint8_t *message, const struct envelope *e, size_t length_bytes)
{
	uint64_t sum = frame_wire_pseudo(e->protocol, length_bytes);

	sum = frame_wire_add(sum, addresses_sum(e));
	wire_put_u16(message + FRAME_WIRE_ICMP_CHECKSUM, 0);
	put_checksum(message + FRAME_WIRE_ICMP_CHECKSUM,
		     frame_wire_sum(sum, message, length_bytes));
}

/* An ARP packet from e->src to e->dst, whose MAC in the packet is target_mac. */
static unsigned build_arp(struct buffer frame, const struct envelope *e, uint16_t operation,
			  const struct mac *target_mac)
{
	static const uint8_t kinds[FRAME_WIRE_ARP_OPERATION] = {0, 1, 8, 0, 6, 4};
	unsigned length_bytes = ethernet_bytes(e->vlan) + FRAME_WIRE_ARP_BYTES;
	uint8_t *arp;

	if (length_bytes > frame.capacity_bytes)
		return 0;
	arp = put_ethernet(frame.data, e, FRAME_WIRE_TYPE_ARP);
	memcpy(arp, kinds, sizeof(kinds));
	wire_put_u16(arp + FRAME_WIRE_ARP_OPERATION, operation);
	memcpy(arp + FRAME_WIRE_ARP_SENDER_MAC, e->src_mac.bytes, FRAME_WIRE_MAC_BYTES);
	memcpy(arp + FRAME_WIRE_ARP_SENDER, e->src.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	memcpy(arp + FRAME_WIRE_ARP_TARGET_MAC, target_mac->bytes, FRAME_WIRE_MAC_BYTES);
	memcpy(arp + FRAME_WIRE_ARP_TARGET, e->dst.bytes + ADDRESS_V4_OFFSET,
	       FRAME_WIRE_IPV4_ADDRESS_BYTES);
	return length_bytes;
}

/* A neighbour solicitation or advertisement with our MAC as its one option. */
static unsigned build_nd(struct buffer frame, const struct envelope *e, uint8_t type, uint8_t flags,
			 const struct address *target)
{
	static const uint8_t nd_bytes = FRAME_WIRE_ND_BYTES + FRAME_WIRE_ND_OPTION_UNIT_BYTES;
	unsigned length_bytes = ethernet_bytes(e->vlan) + FRAME_WIRE_IPV6_BYTES + nd_bytes;
	uint8_t *nd, *option;

	if (length_bytes > frame.capacity_bytes)
		return 0;
	nd = put_headers(frame.data, e, nd_bytes);
	memset(nd, 0, FRAME_WIRE_ND_TARGET);
	nd[0] = type;
	nd[FRAME_WIRE_ND_FLAGS] = flags;
	memcpy(nd + FRAME_WIRE_ND_TARGET, target->bytes, ADDRESS_BYTES);
	option = nd + FRAME_WIRE_ND_BYTES;
	option[0] = type == FRAME_WIRE_ND_SOLICIT ? FRAME_WIRE_ND_OPTION_SOURCE
						  : FRAME_WIRE_ND_OPTION_TARGET;
	option[1] = 1; /* its length, in units */
	memcpy(option + FRAME_WIRE_ND_OPTION_MAC, e->src_mac.bytes, FRAME_WIRE_MAC_BYTES);
	finish_icmpv6(nd, e, nd_bytes);
	return length_bytes;
}

static unsigned build_advertise(struct buffer frame, struct envelope *e,
				const struct frame_view *view)
{
	static const struct address unspecified;
	uint8_t flags = FRAME_WIRE_NA_OVERRIDE | FRAME_WIRE_NA_SOLICITED;

	e->hop_limit = FRAME_WIRE_ND_HOP_LIMIT;
	e->protocol = FRAME_WIRE_ICMPV6;
	/* Who asks from nowhere is told with everybody else (RFC 4861 section 7.2.4). */
	if (address_equal(&view->src, &unspecified)) {
		e->dst = frame_wire_all_nodes;
		e->dst_mac = frame_wire_multicast_mac(&frame_wire_all_nodes);
		flags = FRAME_WIRE_NA_OVERRIDE;
	}
	return build_nd(frame, e, FRAME_WIRE_ND_ADVERTISE, flags, &view->dst);
}

static unsigned build_echo_reply(struct buffer frame, struct envelope *e,
				 const struct frame_view *view)
{
	bool v4 = address_is_v4(&view->dst);
	size_t message_bytes = view->payload.length_bytes;
	size_t header_bytes =
		ethernet_bytes(e->vlan) + (v4 ? FRAME_WIRE_IPV4_BYTES : FRAME_WIRE_IPV6_BYTES);
	uint8_t *message = frame.data + header_bytes;

	if (header_bytes + message_bytes > frame.capacity_bytes)
		return 0;
	/* A tag that the NIC took off on the way in makes the headers longer on the way out: the
	 * message moves before anything is written over it. */
	memmove(message, view->payload.data, message_bytes);
	e->hop_limit = FRAME_WIRE_HOP_LIMIT;
	e->protocol = v4 ? FRAME_WIRE_ICMP : FRAME_WIRE_ICMPV6;
	put_headers(frame.data, e, message_bytes);
	message[0] = v4 ? FRAME_WIRE_ICMP_ECHO_REPLY : FRAME_WIRE_ICMPV6_ECHO_REPLY;
	if (v4) {
		wire_put_u16(message + FRAME_WIRE_ICMP_CHECKSUM, 0);
		put_checksum(message + FRAME_WIRE_ICMP_CHECKSUM,
			     frame_wire_sum(0, message, message_bytes));
	} else {
		finish_icmpv6(message, e, message_bytes);
	}
	return (unsigned)(header_bytes + message_bytes);
}

unsigned frame_build_answer(const struct frame_interface *interface, struct buffer frame,
			    const struct frame_view *view)
{
	struct envelope e = {
		.src_mac = interface->mac,
		.dst_mac = view->src_mac,
		.vlan = interface->vlan,
		.pcp = view->vlan_pcp,
		.src = view->dst,
		.dst = view->src,
	};

	switch (view->kind) {
	case FRAME_ARP_REQUEST:
		return build_arp(frame, &e, FRAME_WIRE_ARP_REPLY, &view->src_mac);
	case FRAME_ND_SOLICIT:
		return build_advertise(frame, &e, view);
	case FRAME_ECHO_REQUEST:
		return build_echo_reply(frame, &e, view);
	case FRAME_UDP:
	case FRAME_ARP_REPLY:
	case FRAME_ND_ADVERTISE:
	case FRAME_NEIGHBOUR_HINT:
		break;
	}
	CHECK(false); /* these are not questions: the caller has mixed them up */
	return 0;
}

unsigned frame_build_solicit(const struct frame_interface *interface, struct buffer frame,
			     const struct address *src, const struct address *target,
			     const struct mac *dst_mac)
{
	static const struct mac unknown;
	struct envelope e = {
		.src_mac = interface->mac,
		.vlan = interface->vlan,
		.hop_limit = FRAME_WIRE_ND_HOP_LIMIT,
		.protocol = FRAME_WIRE_ICMPV6,
		.src = *src,
		.dst = *target,
	};

	CHECK(address_is_v4(src) == address_is_v4(target));
	if (address_is_v4(target)) {
		e.dst_mac = dst_mac != NULL ? *dst_mac : frame_wire_broadcast;
		return build_arp(frame, &e, FRAME_WIRE_ARP_REQUEST, &unknown);
	}
	if (dst_mac != NULL) {
		e.dst_mac = *dst_mac;
	} else {
		e.dst = frame_wire_solicited_group(target);
		e.dst_mac = frame_wire_multicast_mac(&e.dst);
	}
	return build_nd(frame, &e, FRAME_WIRE_ND_SOLICIT, 0, target);
}
