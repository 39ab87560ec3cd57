/* The way of nearly every frame: a UDP datagram to one of our addresses, plain in every respect. frame_udp_parse takes what
 * the parser proper (frame.c) would take as it is and nothing else; whatever it does not know, that one looks at. And
 * the way back: the headers of an answer out of those of its question. */
#include <assert.h>
#include <stddef.h>

#include "frame.h"
#include "frame_wire.h"

#define MAC_MASK UINT64_C(0xffffffffffff) /* of eight bytes that begin with a MAC */
#define MAC_GROUP_BIT UINT64_C(1)

static_assert(offsetof(struct frame_interface, mac) == 0 &&
		      sizeof(struct frame_interface) >= sizeof(uint64_t),
	      "our MAC is loaded as the low six of eight bytes");

/* Two halves of an address of either family, as they lie in memory. */
struct halves {
	uint64_t high;
	uint64_t low;
};

/* The low half of an IPv4 address: bytes 8 to 11 of a mapped one, and itself above them. */
#define V4_MAPPED (UINT64_C(0xffff) << 16)

static inline uint64_t load_8(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t load_4(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint16_t load_2(const uint8_t *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void store_8(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void store_4(uint8_t *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void store_2(uint8_t *at, uint16_t word)
{
	memcpy(at, &word, sizeof(word));
}

/* Does it hold its right checksum, of whichever words it was? A sum with anything but zeroes in it is never 0. */
static inline bool is_zero(uint64_t sum)
{
	return sum % UINT16_MAX == 0;
}

/* ---- parsing ---- */

/* Whatever stands in the upper two bytes of a word that begins with a MAC. */
static inline bool macs_differ(uint64_t a, uint64_t b)
{
	return (a ^ b) << 16 != 0;
}

/* What stands before the network header. */
struct ethernet {
	uint32_t end_bytes; /* 0: not a frame of ours, or not a plain one */
	uint32_t vlan_pcp;
};

/* Where frames have tags. */
__attribute__((noinline)) static struct ethernet parse_tag(const struct frame_interface *interface,
							   struct span frame,
							   uint16_t stripped_vlan)
{
	unsigned tci = stripped_vlan;
	uint32_t at = FRAME_WIRE_ETHERNET_BYTES;

	if (interface->vlan == FRAME_VLAN_NONE)
		return (struct ethernet){0, 0};
	if (stripped_vlan == FRAME_VLAN_NONE) {
		if (load_2(frame.data + FRAME_WIRE_ETHERNET_TYPE) !=
		    frame_wire_word(FRAME_WIRE_TYPE_VLAN))
			return (struct ethernet){0, 0};
		tci = wire_get_u16(frame.data + at);
		at += FRAME_WIRE_VLAN_BYTES;
	}
	return (struct ethernet){(tci & FRAME_WIRE_VID_MASK) == interface->vlan ? at : 0,
				 tci >> FRAME_WIRE_PCP_SHIFT};
}

static inline struct ethernet parse_ethernet(const struct frame_interface *interface,
					     struct span frame, uint16_t stripped_vlan)
{
	uint64_t own = load_8((const uint8_t *)interface);
	uint64_t src = load_8(frame.data + FRAME_WIRE_ETHERNET_SRC);

	if (UNLIKELY(macs_differ(load_8(frame.data), own) || (src & MAC_GROUP_BIT) != 0 ||
		     !macs_differ(src, 0) || !macs_differ(src, own)))
		return (struct ethernet){0, 0};
	if (UNLIKELY((interface->vlan & stripped_vlan) != FRAME_VLAN_NONE))
		return parse_tag(interface, frame, stripped_vlan);
	return (struct ethernet){FRAME_WIRE_ETHERNET_BYTES, 0};
}

/* The host bits of IPv4 prefixes by length, in the upper half of a word as addresses are; none where no address is the
 * broadcast's (RFC 3021). */
#define HOST_BITS(bits) ((uint64_t)__builtin_bswap32(UINT32_MAX >> (bits)) << 32)
static const uint64_t v4_host_bits[] = {
	HOST_BITS(0),
	HOST_BITS(1),
	HOST_BITS(2),
	HOST_BITS(3),
	HOST_BITS(4),
	HOST_BITS(5),
	HOST_BITS(6),
	HOST_BITS(7),
	HOST_BITS(8),
	HOST_BITS(9),
	HOST_BITS(10),
	HOST_BITS(11),
	HOST_BITS(12),
	HOST_BITS(13),
	HOST_BITS(14),
	HOST_BITS(15),
	HOST_BITS(16),
	HOST_BITS(17),
	HOST_BITS(18),
	HOST_BITS(19),
	HOST_BITS(20),
	HOST_BITS(21),
	HOST_BITS(22),
	HOST_BITS(23),
	HOST_BITS(24),
	HOST_BITS(25),
	HOST_BITS(26),
	HOST_BITS(27),
	HOST_BITS(28),
	HOST_BITS(29),
	HOST_BITS(30),
	0,
	0,
};
static_assert(ARRAY_COUNT(v4_host_bits) == ADDRESS_BITS - ADDRESS_V4_OFFSET * 8 + 1,
	      "from 0 to 32 bits");

/* Is dst ours, and src an address that somebody else may have? */
static inline bool v4_ends_ok(const struct frame_interface *interface, uint64_t src, uint64_t dst)
{
	const struct prefix *own = interface->addresses;
	unsigned first = (unsigned)(src >> 32) & UINT8_MAX;
	bool dst_own = false;

	/* 0/8, 127/8 and 224/3; and 169.254/16, which may be good on its own link. */
	if (UNLIKELY(first - 1 >= 223 || first == 127 ||
		     (src >> 32 & UINT16_MAX) == frame_wire_word(0xa9fe)))
		return false;
	for (unsigned left = interface->address_count; left > 0; left--, own++) {
		uint64_t low = load_8(own->address.bytes + 8);
		unsigned bits = own->bits - ADDRESS_V4_OFFSET * 8u;

		if (load_8(own->address.bytes) != 0 || bits >= ARRAY_COUNT(v4_host_bits))
			continue;
		dst_own |= dst == low;
		if (UNLIKELY(src == low || src == (low | v4_host_bits[bits])))
			return false;
	}
	return dst_own;
}

static inline bool halves_equal(struct halves a, struct halves b)
{
	return ((a.high ^ b.high) | (a.low ^ b.low)) == 0;
}

static inline struct halves halves_at(const uint8_t *at)
{
	return (struct halves){load_8(at), load_8(at + 8)};
}

/* May it be an address of ours for a while? Not inlined: most interfaces have no such prefixes. */
__attribute__((noinline)) static bool v6_in_source_prefix(const struct frame_interface *interface,
							  struct halves a)
{
	struct address address;

	store_8(address.bytes, a.high);
	store_8(address.bytes + 8, a.low);
	for (unsigned i = 0; i < interface->source_prefix_count; i++)
		if (prefix_contains(&interface->source_prefixes[i], &address))
			return true;
	return false;
}

/* Likewise. */
static inline bool v6_ends_ok(const struct frame_interface *interface, struct halves src,
			      struct halves dst)
{
	const uint64_t link_local = 0xfe80 >> 6; /* the first ten bits */
	uint64_t src_first = __builtin_bswap64(src.high), dst_first = __builtin_bswap64(dst.high);
	bool dst_own = false;

	/* ::/64 has all that no packet may carry, and ff00::/8 is no source. */
	if (src.high == 0 || dst.high == 0 || src_first >> 56 == 0xff ||
	    src_first >> 54 == link_local || dst_first >> 54 == link_local)
		return false;
	for (unsigned i = 0; i < interface->address_count; i++) {
		struct halves own = halves_at(interface->addresses[i].address.bytes);

		dst_own |= halves_equal(own, dst);
		if (UNLIKELY(halves_equal(own, src)))
			return false;
	}
	if (UNLIKELY(!dst_own))
		return v6_in_source_prefix(interface, dst) && !halves_equal(src, dst);
	return true;
}

/* What the datagram at udp says of itself; its checksum is looked at by the caller. */
static inline void view_fill(struct frame_view *out, struct halves src, struct halves dst,
			     const uint8_t *udp, size_t udp_bytes)
{
	out->kind = FRAME_UDP;
	store_8(out->src.bytes, src.high);
	store_8(out->src.bytes + 8, src.low);
	store_8(out->dst.bytes, dst.high);
	store_8(out->dst.bytes + 8, dst.low);
	out->src_port = wire_get_u16(udp);
	out->dst_port = wire_get_u16(udp + FRAME_WIRE_UDP_DST);
	out->payload = (struct span){udp + FRAME_WIRE_UDP_BYTES, udp_bytes - FRAME_WIRE_UDP_BYTES};
	out->target = (struct address){{0}};
	out->target_mac = (struct mac){{0}};
	out->target_mac_present = false;
	out->solicited = false;
}

/* With the sum from the addresses to the datagram's end. The length in the datagram is known to be right. */
static inline bool checksum_ok(const uint8_t *addresses, const uint8_t *udp, size_t udp_bytes)
{
	size_t length_bytes = (size_t)(udp - addresses) + udp_bytes;
	uint64_t pseudo =
		(uint64_t)frame_wire_word(FRAME_WIRE_UDP) + load_2(udp + FRAME_WIRE_UDP_LENGTH);

	return is_zero(frame_wire_sum_long(addresses, length_bytes, pseudo));
}

static inline bool parse_v4(const struct frame_interface *interface, struct span packet,
			    const uint8_t *frame, uint32_t vlan_pcp, struct frame_view *out)
{
	/* Of the header's first eight bytes: version and length, more fragments and offset; as they lie in memory. */
	const uint64_t head_mask = UINT8_MAX | (uint64_t)frame_wire_word(FRAME_WIRE_IPV4_MF_OFFSET)
						       << 48;
	const uint8_t *ip = packet.data, *udp = ip + FRAME_WIRE_IPV4_BYTES;
	size_t total_bytes = wire_get_u16(ip + FRAME_WIRE_IPV4_LENGTH);
	size_t udp_bytes = total_bytes - FRAME_WIRE_IPV4_BYTES;
	uint64_t head = load_8(ip), addresses = load_8(ip + FRAME_WIRE_IPV4_SRC);
	struct halves src = {0, V4_MAPPED | addresses << 32};
	struct halves dst = {0, V4_MAPPED | (addresses >> 32 << 32)};

	if (UNLIKELY((head & head_mask) != FRAME_WIRE_IPV4_VERSION_IHL ||
		     ip[FRAME_WIRE_IPV4_PROTOCOL] != FRAME_WIRE_UDP ||
		     total_bytes > packet.length_bytes || total_bytes > FRAME_WIRE_IP_BYTES_MAX ||
		     total_bytes < FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES ||
		     wire_get_u16(udp + FRAME_WIRE_UDP_LENGTH) != udp_bytes || load_2(udp) == 0))
		return false;
	if (UNLIKELY(!is_zero(frame_wire_add(frame_wire_add(head, addresses),
					     load_4(ip + FRAME_WIRE_IPV4_TTL)))))
		return false;
	if (UNLIKELY(!v4_ends_ok(interface, src.low, dst.low)))
		return false;
	if (LIKELY(load_2(udp + FRAME_WIRE_UDP_CHECKSUM) != 0) &&
	    UNLIKELY(!checksum_ok(ip + FRAME_WIRE_IPV4_SRC, udp, udp_bytes)))
		return false;
	view_fill(out, src, dst, udp, udp_bytes);
	memcpy(out->src_mac.bytes, frame + FRAME_WIRE_ETHERNET_SRC, FRAME_WIRE_MAC_BYTES);
	out->vlan_pcp = (uint8_t)vlan_pcp;
	return true;
}

/* Not inlined: what it keeps in registers is not for IPv4 to save. */
__attribute__((noinline)) static bool parse_v6(const struct frame_interface *interface,
					       struct span packet, const uint8_t *frame,
					       uint32_t vlan_pcp, struct frame_view *out)
{
	const uint8_t *ip = packet.data, *udp = ip + FRAME_WIRE_IPV6_BYTES;
	struct halves src, dst;
	size_t udp_bytes;

	if (UNLIKELY(packet.length_bytes < FRAME_WIRE_IPV6_BYTES + FRAME_WIRE_UDP_BYTES))
		return false;
	src = halves_at(ip + FRAME_WIRE_IPV6_SRC);
	dst = halves_at(ip + FRAME_WIRE_IPV6_DST);
	udp_bytes = wire_get_u16(ip + FRAME_WIRE_IPV6_LENGTH);
	if (UNLIKELY(ip[0] >> 4 != FRAME_WIRE_IPV6_VERSION >> 4 ||
		     ip[FRAME_WIRE_IPV6_NEXT] != FRAME_WIRE_UDP ||
		     ip[FRAME_WIRE_IPV6_HOP_LIMIT] == 0 || udp_bytes < FRAME_WIRE_UDP_BYTES ||
		     udp_bytes > FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES ||
		     udp_bytes > packet.length_bytes - FRAME_WIRE_IPV6_BYTES ||
		     load_2(udp + FRAME_WIRE_UDP_LENGTH) != load_2(ip + FRAME_WIRE_IPV6_LENGTH) ||
		     load_2(udp) == 0))
		return false;
	if (UNLIKELY(!v6_ends_ok(interface, src, dst)))
		return false;
	if (UNLIKELY(load_2(udp + FRAME_WIRE_UDP_CHECKSUM) == 0 ||
		     !checksum_ok(ip + FRAME_WIRE_IPV6_SRC, udp, udp_bytes)))
		return false;
	view_fill(out, src, dst, udp, udp_bytes);
	memcpy(out->src_mac.bytes, frame + FRAME_WIRE_ETHERNET_SRC, FRAME_WIRE_MAC_BYTES);
	out->vlan_pcp = (uint8_t)vlan_pcp;
	return true;
}

bool frame_udp_parse(const struct frame_interface *interface, struct span frame,
		     uint16_t stripped_vlan, struct frame_view *out)
{
	enum {
		BYTES_MIN = FRAME_WIRE_ETHERNET_BYTES + FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES
	};
	struct ethernet ethernet;
	struct span packet;
	uint16_t type;

	if (UNLIKELY(frame.length_bytes < BYTES_MIN))
		return false;
	ethernet = parse_ethernet(interface, frame, stripped_vlan);
	if (UNLIKELY(ethernet.end_bytes == 0))
		return false;
	packet = (struct span){frame.data + ethernet.end_bytes,
			       frame.length_bytes - ethernet.end_bytes};
	type = load_2(packet.data - sizeof(type));
	if (LIKELY(type == frame_wire_word(FRAME_WIRE_TYPE_IPV4)))
		return parse_v4(interface, packet, frame.data, ethernet.vlan_pcp, out);
	if (type == frame_wire_word(FRAME_WIRE_TYPE_IPV6))
		return parse_v6(interface, packet, frame.data, ethernet.vlan_pcp, out);
	return false;
}

/* ---- reflecting ---- */

/* The checksum to send; 0 would say: not computed (RFC 768). */
static inline uint16_t udp_checksum(uint64_t sum)
{
	uint16_t checksum = (uint16_t)~frame_wire_fold(sum);

	return checksum != 0 ? checksum : UINT16_MAX;
}

/* An IPv4 header at ip, over the one that is there; returns the sum of its addresses. */
static inline uint64_t reflect_v4(uint8_t *ip, size_t udp_bytes)
{
	const uint64_t head_fixed =
		FRAME_WIRE_IPV4_VERSION_IHL | (uint64_t)frame_wire_word(FRAME_WIRE_IPV4_DF) << 48;
	uint64_t addresses = load_8(ip + FRAME_WIRE_IPV4_SRC);
	uint64_t head = head_fixed |
			(uint64_t)frame_wire_word((unsigned)(FRAME_WIRE_IPV4_BYTES + udp_bytes))
				<< 16;
	uint16_t life = frame_wire_word(FRAME_WIRE_HOP_LIMIT << 8 | FRAME_WIRE_UDP);
	/* head is far from a carry: its last bytes are the fragment's. */
	uint64_t sum = frame_wire_add(head + life, addresses);

	store_8(ip, head);
	store_4(ip + FRAME_WIRE_IPV4_TTL, life | (uint32_t)(uint16_t)~frame_wire_fold(sum) << 16);
	store_8(ip + FRAME_WIRE_IPV4_SRC, addresses << 32 | addresses >> 32);
	return addresses;
}

static inline uint64_t reflect_v6(uint8_t *ip, size_t udp_bytes)
{
	struct halves src = halves_at(ip + FRAME_WIRE_IPV6_SRC);
	struct halves dst = halves_at(ip + FRAME_WIRE_IPV6_DST);

	store_8(ip, __builtin_bswap64((uint64_t)FRAME_WIRE_IPV6_VERSION << 56 |
				      (uint64_t)udp_bytes << 16 | FRAME_WIRE_UDP << 8 |
				      FRAME_WIRE_HOP_LIMIT));
	store_8(ip + FRAME_WIRE_IPV6_SRC, dst.high);
	store_8(ip + FRAME_WIRE_IPV6_SRC + 8, dst.low);
	store_8(ip + FRAME_WIRE_IPV6_DST, src.high);
	store_8(ip + FRAME_WIRE_IPV6_DST + 8, src.low);
	return frame_wire_add(frame_wire_add(src.high, src.low), frame_wire_add(dst.high, dst.low));
}

/* The datagram's header at udp. addresses_sum, payload_sum: unfolded. */
static inline void reflect_datagram(uint8_t *udp, size_t udp_bytes, uint64_t addresses_sum,
				    uint64_t payload_sum)
{
	uint16_t length = frame_wire_word((unsigned)udp_bytes);
	uint32_t ports = load_4(udp);
	uint64_t head = (ports << 16 | ports >> 16) | (uint64_t)length << 32;
	/* The length stands in the pseudo-header too. */
	uint64_t pseudo = (uint64_t)frame_wire_word(FRAME_WIRE_UDP) + length;
	uint64_t sum = frame_wire_add(addresses_sum, head + pseudo);

	store_8(udp, head | (uint64_t)udp_checksum(frame_wire_add(sum, payload_sum)) << 48);
}

unsigned frame_reflect_udp_summed(const struct frame_interface *interface, uint8_t *frame,
				  const struct frame_view *view, unsigned payload_bytes,
				  uint64_t payload_sum)
{
	enum {
		HEADERS_V4 = FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES,
		HEADERS_V6 = FRAME_WIRE_IPV6_BYTES + FRAME_WIRE_UDP_BYTES,
	};
	size_t payload_at = (size_t)(view->payload.data - frame);
	size_t udp_bytes = FRAME_WIRE_UDP_BYTES + (size_t)payload_bytes;
	uint8_t *udp = frame + payload_at - FRAME_WIRE_UDP_BYTES;
	size_t network = FRAME_WIRE_ETHERNET_BYTES;
	uint64_t macs, addresses_sum;

	CHECK(udp_bytes <= FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES);
	if (UNLIKELY(interface->vlan != FRAME_VLAN_NONE))
		network += FRAME_WIRE_VLAN_BYTES;
	/* Neither family's headers end where the other's do, tag or not. */
	if (UNLIKELY(payload_at != network + HEADERS_V4 && payload_at != network + HEADERS_V6))
		return 0;
	/* Theirs to the front; ours, with two bytes of the type that are theirs again, behind it. */
	macs = load_8(frame + FRAME_WIRE_ETHERNET_SRC);
	store_8(frame + FRAME_WIRE_ETHERNET_SRC,
		(load_8((const uint8_t *)interface) & MAC_MASK) | (macs & ~MAC_MASK));
	store_4(frame, (uint32_t)macs);
	store_2(frame + 4, (uint16_t)(macs >> 32));
	if (UNLIKELY(network != FRAME_WIRE_ETHERNET_BYTES))
		wire_put_u16(frame + FRAME_WIRE_ETHERNET_BYTES,
			     (uint16_t)((unsigned)view->vlan_pcp << FRAME_WIRE_PCP_SHIFT |
					(interface->vlan & FRAME_WIRE_VID_MASK)));
	addresses_sum = LIKELY(payload_at == network + HEADERS_V4)
				? reflect_v4(frame + network, udp_bytes)
				: reflect_v6(frame + network, udp_bytes);
	reflect_datagram(udp, udp_bytes, addresses_sum, payload_sum);
	return (unsigned)(payload_at + payload_bytes);
}

unsigned frame_reflect_udp(const struct frame_interface *interface, uint8_t *frame,
			   const struct frame_view *view, unsigned payload_bytes)
{
	return frame_reflect_udp_summed(interface, frame, view, payload_bytes,
					frame_wire_sum(0, view->payload.data, payload_bytes));
}
