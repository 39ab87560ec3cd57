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

/* What has been read so far. In registers: *out must not be touched before all checks have passed, and what is written
 * in small pieces would be slow to copy. */
struct datagram {
	uint8_t vlan_pcp;
	uint16_t type; /* of what the Ethernet frame holds, as it lies in memory */
	struct halves src;
	struct halves dst;
	uint64_t addresses_sum;
	const uint8_t *udp;
	size_t udp_bytes;
};

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

static inline uint64_t load_be8(const uint8_t *at)
{
	return __builtin_bswap64(load_8(at));
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

/* frame_wire_sum for 8 bytes or more, with no branch for the last 15: their number is a stranger's choice. */
static inline uint64_t sum_long(uint64_t sum, const uint8_t *at, size_t length_bytes)
{
	const uint8_t *last = at + length_bytes - sizeof(uint64_t);
	uint64_t other = 0;
	uint64_t whole, part;

	for (; length_bytes >= 2 * sizeof(uint64_t); length_bytes -= 2 * sizeof(uint64_t)) {
		sum = frame_wire_add(sum, load_8(at));
		other = frame_wire_add(other, load_8(at + sizeof(uint64_t)));
		at += 2 * sizeof(uint64_t);
	}
	whole = load_8(length_bytes & 8 ? at : last) & (0 - (uint64_t)(length_bytes >> 3));
	/* The bytes behind the whole words, in the low ones of a word. In two shifts: by 64 at once is not defined. */
	part = load_8(last) >> 8 >> (56 - 8 * (length_bytes & 7));
	return frame_wire_add(frame_wire_add(sum, whole), frame_wire_add(other, part));
}

/* frame_wire_fold: the halves are added each way round, so that the upper one has both carries. */
static inline uint16_t fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* ---- parsing ---- */

/* Where the network header begins; 0: not a frame of ours, or not a plain one. */
static inline size_t parse_ethernet(const struct frame_interface *interface, struct span frame,
				    uint16_t stripped_vlan, struct datagram *d)
{
	uint64_t own = load_8((const uint8_t *)interface) & MAC_MASK;
	uint64_t dst = load_8(frame.data) & MAC_MASK;
	uint64_t src = load_8(frame.data + FRAME_WIRE_ETHERNET_SRC) & MAC_MASK;
	unsigned tci = stripped_vlan;
	size_t at = FRAME_WIRE_ETHERNET_BYTES;

	if (((dst ^ own) | (src & MAC_GROUP_BIT)) != 0 || src == 0 || src == own)
		return 0;
	d->vlan_pcp = 0;
	d->type = load_2(frame.data + FRAME_WIRE_ETHERNET_TYPE);
	if (LIKELY(interface->vlan == FRAME_VLAN_NONE))
		return stripped_vlan == FRAME_VLAN_NONE ? at : 0;
	if (stripped_vlan == FRAME_VLAN_NONE) {
		if (d->type != frame_wire_word(FRAME_WIRE_TYPE_VLAN))
			return 0;
		tci = wire_get_u16(frame.data + at);
		d->type = load_2(frame.data + at + 2);
		at += FRAME_WIRE_VLAN_BYTES;
	}
	d->vlan_pcp = (uint8_t)(tci >> FRAME_WIRE_PCP_SHIFT);
	return (tci & FRAME_WIRE_VID_MASK) == interface->vlan ? at : 0;
}

/* Is dst ours, and src an address that somebody else may have? */
static inline bool v4_ends_ok(const struct frame_interface *interface, uint32_t src, uint32_t dst)
{
	uint32_t first = src >> 24;
	bool dst_own = false, src_bad = false;

	/* 0/8, 127/8 and 224/3; and 169.254/16, which may be good on its own link. */
	if (first - 1 >= 223 || first == 127 || src >> 16 == 0xa9fe)
		return false;
	for (unsigned i = 0; i < interface->address_count; i++) {
		const struct prefix *own = &interface->addresses[i];
		uint64_t low = load_be8(own->address.bytes + 8);
		uint32_t address = (uint32_t)low, host_mask;

		if (load_8(own->address.bytes) != 0 || low >> 32 != 0xffff ||
		    own->bits < ADDRESS_V4_OFFSET * 8)
			continue;
		host_mask = (uint32_t)(UINT64_C(0xffffffff) >> (own->bits - ADDRESS_V4_OFFSET * 8));
		dst_own |= dst == address;
		src_bad |= src == address;
		src_bad |= host_mask > 1 && src == (address | host_mask);
	}
	return dst_own && !src_bad;
}

static inline bool parse_v4(const struct frame_interface *interface, struct span packet,
			    struct datagram *d)
{
	enum { BYTES_MIN = FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES };
	const uint64_t v4_mapped = UINT64_C(0xffff) << 16; /* bytes 8 to 11 of a mapped address */
	const uint8_t *ip = packet.data;
	uint64_t head, addresses, ends, sum;
	size_t total_bytes;

	if (packet.length_bytes < BYTES_MIN)
		return false;
	head = load_be8(ip);
	addresses = load_8(ip + FRAME_WIRE_IPV4_SRC);
	total_bytes = head >> 32 & UINT16_MAX;
	if (head >> 56 != FRAME_WIRE_IPV4_VERSION_IHL || (head & FRAME_WIRE_IPV4_MF_OFFSET) != 0 ||
	    ip[FRAME_WIRE_IPV4_PROTOCOL] != FRAME_WIRE_UDP || total_bytes < BYTES_MIN ||
	    total_bytes > FRAME_WIRE_IP_BYTES_MAX || total_bytes > packet.length_bytes)
		return false;
	sum = frame_wire_add(frame_wire_add(load_8(ip), addresses),
			     load_4(ip + FRAME_WIRE_IPV4_TTL));
	ends = __builtin_bswap64(addresses);
	if (fold(sum) != UINT16_MAX ||
	    !v4_ends_ok(interface, (uint32_t)(ends >> 32), (uint32_t)ends))
		return false;
	d->src = (struct halves){0, v4_mapped | addresses << 32};
	d->dst = (struct halves){0, v4_mapped | (addresses & ~(uint64_t)UINT32_MAX)};
	d->addresses_sum = addresses;
	d->udp = ip + FRAME_WIRE_IPV4_BYTES;
	d->udp_bytes = total_bytes - FRAME_WIRE_IPV4_BYTES;
	return true;
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
	bool dst_own = false, src_own = false;

	/* ::/64 has all that no packet may carry, and ff00::/8 is no source. */
	if (src.high == 0 || dst.high == 0 || src_first >> 56 == 0xff ||
	    src_first >> 54 == link_local || dst_first >> 54 == link_local)
		return false;
	for (unsigned i = 0; i < interface->address_count; i++) {
		struct halves own = halves_at(interface->addresses[i].address.bytes);

		dst_own |= halves_equal(own, dst);
		src_own |= halves_equal(own, src);
	}
	if (UNLIKELY(!dst_own))
		dst_own = v6_in_source_prefix(interface, dst) && !halves_equal(src, dst);
	return dst_own && !src_own;
}

static inline bool parse_v6(const struct frame_interface *interface, struct span packet,
			    struct datagram *d)
{
	enum { BYTES_MIN = FRAME_WIRE_IPV6_BYTES + FRAME_WIRE_UDP_BYTES };
	const uint8_t *ip = packet.data;
	size_t payload_bytes;
	uint64_t head;

	if (packet.length_bytes < BYTES_MIN)
		return false;
	head = load_be8(ip);
	d->src = halves_at(ip + FRAME_WIRE_IPV6_SRC);
	d->dst = halves_at(ip + FRAME_WIRE_IPV6_DST);
	payload_bytes = head >> 16 & UINT16_MAX;
	/* The last byte is the hop limit. */
	if (head >> 60 != FRAME_WIRE_IPV6_VERSION >> 4 ||
	    (head >> 8 & UINT8_MAX) != FRAME_WIRE_UDP || (head & UINT8_MAX) == 0 ||
	    payload_bytes < FRAME_WIRE_UDP_BYTES ||
	    payload_bytes > FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES ||
	    payload_bytes > packet.length_bytes - FRAME_WIRE_IPV6_BYTES)
		return false;
	if (!v6_ends_ok(interface, d->src, d->dst))
		return false;
	d->addresses_sum = frame_wire_add(frame_wire_add(d->src.high, d->src.low),
					  frame_wire_add(d->dst.high, d->dst.low));
	d->udp = ip + FRAME_WIRE_IPV6_BYTES;
	d->udp_bytes = payload_bytes;
	return true;
}

/* The datagram's own checks; on true, *out but for its source MAC. */
static inline bool parse_udp(const struct datagram *d, bool is_v4, struct frame_view *out)
{
	/* Source port, destination port, length, checksum. */
	uint64_t head = load_be8(d->udp);

	if ((head >> 16 & UINT16_MAX) != d->udp_bytes || head >> 48 == 0)
		return false;
	if (LIKELY((head & UINT16_MAX) != 0)) {
		uint64_t sum = frame_wire_add(d->addresses_sum,
					      frame_wire_pseudo(FRAME_WIRE_UDP, d->udp_bytes));

		if (fold(sum_long(sum, d->udp, d->udp_bytes)) != UINT16_MAX)
			return false;
	} else if (!is_v4) {
		return false;
	}
	out->kind = FRAME_UDP;
	store_8(out->src.bytes, d->src.high);
	store_8(out->src.bytes + 8, d->src.low);
	store_8(out->dst.bytes, d->dst.high);
	store_8(out->dst.bytes + 8, d->dst.low);
	out->src_port = (uint16_t)(head >> 48);
	out->dst_port = (uint16_t)(head >> 32);
	out->payload =
		(struct span){d->udp + FRAME_WIRE_UDP_BYTES, d->udp_bytes - FRAME_WIRE_UDP_BYTES};
	out->target = (struct address){{0}};
	out->target_mac = (struct mac){{0}};
	out->target_mac_present = false;
	out->solicited = false;
	out->vlan_pcp = d->vlan_pcp;
	return true;
}

bool frame_udp_parse(const struct frame_interface *interface, struct span frame,
		     uint16_t stripped_vlan, struct frame_view *out)
{
	enum {
		BYTES_MIN = FRAME_WIRE_ETHERNET_BYTES + FRAME_WIRE_IPV4_BYTES + FRAME_WIRE_UDP_BYTES
	};
	struct datagram d;
	struct span packet;
	size_t at;
	bool is_v4;

	if (UNLIKELY(frame.length_bytes < BYTES_MIN))
		return false;
	at = parse_ethernet(interface, frame, stripped_vlan, &d);
	if (at == 0)
		return false;
	packet = (struct span){frame.data + at, frame.length_bytes - at};
	is_v4 = d.type == frame_wire_word(FRAME_WIRE_TYPE_IPV4);
	if (is_v4 ? !parse_v4(interface, packet, &d)
		  : d.type != frame_wire_word(FRAME_WIRE_TYPE_IPV6) ||
			    !parse_v6(interface, packet, &d))
		return false;
	if (!parse_udp(&d, is_v4, out))
		return false;
	memcpy(out->src_mac.bytes, frame.data + FRAME_WIRE_ETHERNET_SRC, FRAME_WIRE_MAC_BYTES);
	return true;
}

/* ---- reflecting ---- */

/* The checksum to send; 0 would say: not computed (RFC 768). */
static inline uint16_t udp_checksum(uint64_t sum)
{
	uint16_t checksum = (uint16_t)~fold(sum);

	return checksum != 0 ? checksum : UINT16_MAX;
}

/* An IPv4 header at ip, over the one that is there; returns the sum of its addresses. */
static inline uint64_t reflect_v4(uint8_t *ip, size_t udp_bytes)
{
	size_t total_bytes = FRAME_WIRE_IPV4_BYTES + udp_bytes;
	uint64_t addresses = load_8(ip + FRAME_WIRE_IPV4_SRC);
	uint64_t head = __builtin_bswap64((uint64_t)FRAME_WIRE_IPV4_VERSION_IHL << 56 |
					  (uint64_t)total_bytes << 32 | FRAME_WIRE_IPV4_DF);
	uint16_t life = frame_wire_word(FRAME_WIRE_HOP_LIMIT << 8 | FRAME_WIRE_UDP);
	uint64_t sum = frame_wire_add(frame_wire_add(head, addresses), life);

	store_8(ip, head);
	store_4(ip + FRAME_WIRE_IPV4_TTL, life | (uint32_t)(uint16_t)~fold(sum) << 16);
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

unsigned frame_reflect_udp(const struct frame_interface *interface, uint8_t *frame,
			   const struct frame_view *view, unsigned payload_bytes)
{
	bool is_v4 = address_is_v4(&view->dst);
	size_t network = FRAME_WIRE_ETHERNET_BYTES +
			 (interface->vlan != FRAME_VLAN_NONE ? FRAME_WIRE_VLAN_BYTES : 0);
	size_t transport = network + (is_v4 ? FRAME_WIRE_IPV4_BYTES : FRAME_WIRE_IPV6_BYTES);
	size_t udp_bytes = FRAME_WIRE_UDP_BYTES + payload_bytes;
	uint8_t *udp = frame + transport;
	uint64_t sum, macs;
	uint32_t ports;

	CHECK(udp_bytes <= FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES);
	if (view->payload.data != udp + FRAME_WIRE_UDP_BYTES)
		return 0;
	/* Theirs to the front; ours, with two bytes of the type that are theirs again, behind it. */
	macs = load_8(frame + FRAME_WIRE_ETHERNET_SRC);
	store_8(frame + FRAME_WIRE_ETHERNET_SRC,
		(load_8((const uint8_t *)interface) & MAC_MASK) | (macs & ~MAC_MASK));
	store_4(frame, (uint32_t)macs);
	store_2(frame + 4, (uint16_t)(macs >> 32));
	if (UNLIKELY(interface->vlan != FRAME_VLAN_NONE))
		wire_put_u16(frame + FRAME_WIRE_ETHERNET_BYTES,
			     (uint16_t)((unsigned)view->vlan_pcp << FRAME_WIRE_PCP_SHIFT |
					(interface->vlan & FRAME_WIRE_VID_MASK)));
	sum = is_v4 ? reflect_v4(frame + network, udp_bytes)
		    : reflect_v6(frame + network, udp_bytes);
	ports = load_4(udp);
	ports = ports << 16 | ports >> 16;
	store_4(udp, ports);
	sum = frame_wire_add(sum, ports);
	/* Twice: in the header and in the pseudo-header. */
	sum = frame_wire_add(sum, frame_wire_pseudo(FRAME_WIRE_UDP, udp_bytes));
	sum = frame_wire_add(sum, frame_wire_word((unsigned)udp_bytes));
	sum = payload_bytes >= sizeof(uint64_t)
		      ? sum_long(sum, udp + FRAME_WIRE_UDP_BYTES, payload_bytes)
		      : frame_wire_sum(sum, udp + FRAME_WIRE_UDP_BYTES, payload_bytes);
	store_4(udp + FRAME_WIRE_UDP_LENGTH,
		frame_wire_word((unsigned)udp_bytes) | (uint32_t)udp_checksum(sum) << 16);
	return (unsigned)(transport + udp_bytes);
}
