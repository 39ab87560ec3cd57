/* The numbers and small tools of the layers below DNS, shared by frame.c and frame_udp.c (which
 * parse) and frame_build.c. Nobody else needs them.
 *
 * RFCs: 768, 791, 792, 826, 1071, 4443, 4861, 8200; IEEE 802.3, 802.1Q.
 */
#ifndef PORTICO_FRAME_WIRE_H
#define PORTICO_FRAME_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "frame.h"
#include "wire_cursor.h"

/* IEEE 802.3, 802.1Q */
#define FRAME_WIRE_ETHERNET_BYTES 14
#define FRAME_WIRE_ETHERNET_SRC 6
#define FRAME_WIRE_ETHERNET_TYPE 12
#define FRAME_WIRE_VLAN_BYTES 4
#define FRAME_WIRE_MAC_BYTES 6
#define FRAME_WIRE_MAC_GROUP 0x01 /* the individual/group bit of the first byte */
#define FRAME_WIRE_VID_MASK 0x0fff
#define FRAME_WIRE_PCP_SHIFT 13
#define FRAME_WIRE_TYPE_IPV4 0x0800
#define FRAME_WIRE_TYPE_ARP 0x0806
#define FRAME_WIRE_TYPE_IPV6 0x86dd
#define FRAME_WIRE_TYPE_VLAN 0x8100
#define FRAME_WIRE_TYPE_SERVICE_VLAN 0x88a8 /* 802.1ad */
#define FRAME_WIRE_TYPE_OLD_QINQ 0x9100     /* what double tagging used before 802.1ad */

/* What the biggest jumbo frame in use carries (SECURITY.md section 3.3 row 5: 9 018 bytes with
 * header and FCS). */
#define FRAME_WIRE_IP_BYTES_MAX 9000

/* RFC 791 section 3.1 */
#define FRAME_WIRE_IPV4_BYTES 20
#define FRAME_WIRE_IPV4_LENGTH 2
#define FRAME_WIRE_IPV4_FRAGMENT 6
#define FRAME_WIRE_IPV4_TTL 8
#define FRAME_WIRE_IPV4_PROTOCOL 9
#define FRAME_WIRE_IPV4_CHECKSUM 10
#define FRAME_WIRE_IPV4_SRC 12
#define FRAME_WIRE_IPV4_DST 16
#define FRAME_WIRE_IPV4_ADDRESS_BYTES 4
#define FRAME_WIRE_IPV4_VERSION_IHL 0x45 /* version 4, five words */
#define FRAME_WIRE_IPV4_DF 0x4000
#define FRAME_WIRE_IPV4_MF_OFFSET 0x3fff /* more fragments, and the offset */

/* RFC 8200 section 3 */
#define FRAME_WIRE_IPV6_BYTES 40
#define FRAME_WIRE_IPV6_LENGTH 4
#define FRAME_WIRE_IPV6_NEXT 6
#define FRAME_WIRE_IPV6_HOP_LIMIT 7
#define FRAME_WIRE_IPV6_SRC 8
#define FRAME_WIRE_IPV6_DST 24
#define FRAME_WIRE_IPV6_VERSION 0x60

#define FRAME_WIRE_HOP_LIMIT 64     /* RFC 1700: what hosts send with */
#define FRAME_WIRE_ND_HOP_LIMIT 255 /* RFC 4861: proves that no router forwarded it */

/* IANA protocol numbers; the extension headers are those of RFC 7045 section 4. */
#define FRAME_WIRE_HOP_BY_HOP 0
#define FRAME_WIRE_ICMP 1
#define FRAME_WIRE_UDP 17
#define FRAME_WIRE_ROUTING 43
#define FRAME_WIRE_FRAGMENT 44
#define FRAME_WIRE_ESP 50
#define FRAME_WIRE_AH 51
#define FRAME_WIRE_ICMPV6 58
#define FRAME_WIRE_DST_OPTIONS 60
#define FRAME_WIRE_MOBILITY 135
#define FRAME_WIRE_HIP 139
#define FRAME_WIRE_SHIM6 140
#define FRAME_WIRE_EXPERIMENT_1 253
#define FRAME_WIRE_EXPERIMENT_2 254

/* RFC 768 */
#define FRAME_WIRE_UDP_BYTES 8
#define FRAME_WIRE_UDP_DST 2
#define FRAME_WIRE_UDP_LENGTH 4
#define FRAME_WIRE_UDP_CHECKSUM 6

/* RFC 826 */
#define FRAME_WIRE_ARP_BYTES 28
#define FRAME_WIRE_ARP_OPERATION 6
#define FRAME_WIRE_ARP_SENDER_MAC 8
#define FRAME_WIRE_ARP_SENDER 14
#define FRAME_WIRE_ARP_TARGET_MAC 18
#define FRAME_WIRE_ARP_TARGET 24
#define FRAME_WIRE_ARP_REQUEST 1
#define FRAME_WIRE_ARP_REPLY 2

/* RFC 792, RFC 4443 */
#define FRAME_WIRE_ICMP_BYTES 8
#define FRAME_WIRE_ICMP_CODE 1
#define FRAME_WIRE_ICMP_CHECKSUM 2
#define FRAME_WIRE_ICMP_ECHO 8
#define FRAME_WIRE_ICMP_ECHO_REPLY 0
#define FRAME_WIRE_ICMPV6_ECHO 128
#define FRAME_WIRE_ICMPV6_ECHO_REPLY 129
#define FRAME_WIRE_ECHO_DATA_BYTES_MAX 1472 /* SECURITY.md section 3.3 row 28 */

/* RFC 4861 sections 4.3, 4.4, 4.6 */
#define FRAME_WIRE_ND_BYTES 24
#define FRAME_WIRE_ND_FLAGS 4
#define FRAME_WIRE_ND_TARGET 8
#define FRAME_WIRE_ND_SOLICIT 135
#define FRAME_WIRE_ND_ADVERTISE 136
#define FRAME_WIRE_NA_SOLICITED 0x40
#define FRAME_WIRE_NA_OVERRIDE 0x20
#define FRAME_WIRE_ND_OPTION_UNIT_BYTES 8
#define FRAME_WIRE_ND_OPTION_MAC 2 /* where the address stands in a link-layer address option */
#define FRAME_WIRE_ND_OPTION_SOURCE 1
#define FRAME_WIRE_ND_OPTION_TARGET 2

static const struct mac frame_wire_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
/* Before the last 24 bits of an address: its solicited-node group (RFC 4291 section 2.7.1). */
#define FRAME_WIRE_GROUP_ID_BYTES 3
static const uint8_t frame_wire_solicited_node[] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
static const struct address frame_wire_all_nodes = {
	{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static inline struct address frame_wire_solicited_group(const struct address *of)
{
	struct address group = *of;

	memcpy(group.bytes, frame_wire_solicited_node, sizeof(frame_wire_solicited_node));
	return group;
}

/* The group MAC of a multicast address (RFC 2464 section 7). */
static inline struct mac frame_wire_multicast_mac(const struct address *group)
{
	struct mac mac = {{0x33, 0x33}};

	memcpy(mac.bytes + 2, group->bytes + ADDRESS_BYTES - 4, 4);
	return mac;
}

/* RFC 1071 sums here stand in memory order, not in host order: words are added as they are loaded
 * and the folded sum is stored as it is, right on either kind of machine (section 2 (B)). */
static inline uint16_t frame_wire_word(unsigned value)
{
	uint8_t bytes[2];
	uint16_t word;

	wire_put_u16(bytes, (uint16_t)value);
	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* a + b with the carry brought round. */
static inline uint64_t frame_wire_add(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

/* Adds bytes to an unfolded sum. Only the last piece of a sum may be of odd length. */
static inline uint64_t frame_wire_sum(uint64_t sum, const uint8_t *at, size_t length_bytes)
{
	uint64_t other = 0; /* a second chain: the carries of one would be waited for */
	uint64_t pair[2];
	uint64_t tail = 0;

	for (; length_bytes >= sizeof(pair); length_bytes -= sizeof(pair), at += sizeof(pair)) {
		memcpy(pair, at, sizeof(pair));
		sum = frame_wire_add(sum, pair[0]);
		other = frame_wire_add(other, pair[1]);
	}
	if (length_bytes & 8) {
		memcpy(pair, at, 8);
		at += 8;
		sum = frame_wire_add(sum, pair[0]);
	}
	if (length_bytes & 4) {
		uint32_t word;

		memcpy(&word, at, 4);
		at += 4;
		other = frame_wire_add(other, word);
	}
	if (length_bytes & 2) {
		uint16_t word;

		memcpy(&word, at, 2);
		at += 2;
		tail = word;
	}
	if (length_bytes & 1)
		tail += frame_wire_word((unsigned)*at << 8);
	return frame_wire_add(frame_wire_add(sum, other), tail);
}

__extension__ typedef unsigned __int128 frame_wire_u128;

/* The same for 8 bytes or more behind 7 that may be read, and `small`, which is less than 2^32. No branch for the last 15: their number is a stranger's choice. */
static inline uint64_t frame_wire_sum_long(const uint8_t *at, size_t length_bytes, uint64_t small)
{
	const uint8_t *last = at + length_bytes - sizeof(uint64_t);
	uint64_t carries = small; /* each counts 2^128, which is 1 modulo 2^16 - 1 */
	frame_wire_u128 pairs = 0, pair;
	uint64_t whole, part;

	for (size_t left = length_bytes / sizeof(pair); left > 0; left--, at += sizeof(pair)) {
		memcpy(&pair, at, sizeof(pair));
		carries += __builtin_add_overflow(pairs, pair, &pairs);
	}
	/* A whole word if there is one, and the bytes behind it, in the low ones of a word. In two shifts: by 64 at once is
	 * not defined. */
	memcpy(&whole, last - (length_bytes & 7), sizeof(whole));
	memcpy(&part, last, sizeof(part));
	whole &= 0 - (uint64_t)(length_bytes >> 3 & 1);
	part = part >> 8 >> (56 - 8 * (length_bytes & 7));
	whole = frame_wire_add(whole, part + carries);
	return frame_wire_add(frame_wire_add((uint64_t)pairs, (uint64_t)(pairs >> 64)), whole);
}

/* The sum of what stands behind so many bytes, which was made as if it stood at an even place. */
static inline uint64_t frame_wire_sum_behind(uint64_t sum, size_t before_bytes)
{
	/* A byte further on is a factor of 256 to a sum modulo 2^16 - 1. */
	return (before_bytes & 1) != 0 ? sum << 8 | sum >> 56 : sum;
}

/* Folds to 16 bits; 0xffff for a sum that holds its right checksum. The halves are added each way round, so that the upper
 * one has both carries. */
static inline uint16_t frame_wire_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* The pseudo-header but for its addresses: protocol and length (RFC 768, RFC 8200 section 8.1). */
static inline uint64_t frame_wire_pseudo(unsigned protocol, size_t length_bytes)
{
	return (uint64_t)frame_wire_word(protocol) + frame_wire_word((unsigned)length_bytes);
}

#endif
