/* The headers of UDP datagrams that leave from one of our addresses, made once: a datagram is a copy of them, what differs
 * from one to the next, and checksums of that alone. Byte for byte what frame_build_udp writes.
 *
 * Memory: a head is a value. Threads: pure functions. RFCs: 768, 791, 1071, 8200; IEEE 802.1Q.
 */
#ifndef PORTICO_FRAME_HEAD_H
#define PORTICO_FRAME_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "frame.h"
#include "frame_wire.h"

#define FRAME_HEAD_PIECE 16
#define FRAME_HEAD_BYTES 80 /* FRAME_HEADER_BYTES_MAX in whole pieces */

struct frame_head {
	/* Zero where datagrams differ: destinations, our port, lengths, checksums, the last 8 bytes of an IPv6 source. */
	uint8_t bytes[FRAME_HEAD_BYTES];
	uint64_t ip_sum;  /* IPv4: of the header so far */
	uint64_t udp_sum; /* of the pseudo-header so far */
	uint8_t ip_offset;
	uint8_t header_bytes; /* where the payload stands */
	bool is_v4;
};

/* src: of the interface; of IPv6 only its first 8 bytes count. */
void frame_head_init(struct frame_head *out, const struct frame_interface *interface,
		     const struct address *src);

/* What a datagram has of its own. */
struct frame_head_to {
	const struct mac *mac;
	const struct endpoint *endpoint; /* of the head's family */
	uint64_t src_identifier; /* IPv6: the last 8 bytes of the source, as they lie in memory */
	uint16_t src_port;
};

static inline void frame_head_copy(const struct frame_head *head, uint8_t *frame)
{
	unsigned last = head->header_bytes - (unsigned)FRAME_HEAD_PIECE;

	/* The last pieces overlap those before them: the payload is there already. */
	memcpy(frame, head->bytes, FRAME_HEAD_PIECE);
	memcpy(frame + FRAME_HEAD_PIECE, head->bytes + FRAME_HEAD_PIECE, FRAME_HEAD_PIECE);
	if (UNLIKELY(!head->is_v4)) {
		memcpy(frame + 2 * FRAME_HEAD_PIECE, head->bytes + 2 * FRAME_HEAD_PIECE,
		       FRAME_HEAD_PIECE);
		memcpy(frame + last - FRAME_HEAD_PIECE, head->bytes + last - FRAME_HEAD_PIECE,
		       FRAME_HEAD_PIECE);
	}
	memcpy(frame + last, head->bytes + last, FRAME_HEAD_PIECE);
}

/* Destination and length of the IP header. Returns what the pseudo-header has beyond head->udp_sum, but for the length. */
static inline uint64_t frame_head_put_ip(const struct frame_head *head, uint8_t *ip,
					 const struct frame_head_to *to, unsigned udp_bytes)
{
	const uint8_t *address = to->endpoint->address.bytes;
	uint16_t length, checksum;
	uint64_t halves[2];
	uint32_t dst;

	if (LIKELY(head->is_v4)) {
		memcpy(&dst, address + ADDRESS_V4_OFFSET, sizeof(dst));
		length = frame_wire_word(FRAME_WIRE_IPV4_BYTES + udp_bytes);
		checksum = (uint16_t)~frame_wire_fold(head->ip_sum + length + dst);
		memcpy(ip + FRAME_WIRE_IPV4_LENGTH, &length, sizeof(length));
		memcpy(ip + FRAME_WIRE_IPV4_CHECKSUM, &checksum, sizeof(checksum));
		memcpy(ip + FRAME_WIRE_IPV4_DST, &dst, sizeof(dst));
		return dst;
	}
	memcpy(halves, address, sizeof(halves));
	length = frame_wire_word(udp_bytes);
	memcpy(ip + FRAME_WIRE_IPV6_LENGTH, &length, sizeof(length));
	memcpy(ip + FRAME_WIRE_IPV6_DST - sizeof(to->src_identifier), &to->src_identifier,
	       sizeof(to->src_identifier));
	memcpy(ip + FRAME_WIRE_IPV6_DST, halves, sizeof(halves));
	return frame_wire_add(frame_wire_add(halves[0], halves[1]), to->src_identifier);
}

/* The headers before a payload that stands at frame + header_bytes; payload_sum: its unfolded sum (frame_wire_sum). Returns the
 * frame's length. */
static inline __attribute__((always_inline)) unsigned frame_head_build(
	const struct frame_head *head, uint8_t *frame, const struct frame_head_to *to,
	unsigned payload_bytes, uint64_t payload_sum)
{
	unsigned udp_bytes = FRAME_WIRE_UDP_BYTES + payload_bytes;
	uint16_t length = frame_wire_word(udp_bytes);
	uint64_t header = (uint64_t)frame_wire_word(to->src_port) |
			  (uint64_t)frame_wire_word(to->endpoint->port) << 8 * FRAME_WIRE_UDP_DST |
			  (uint64_t)length << 8 * FRAME_WIRE_UDP_LENGTH;
	uint64_t sum;
	uint16_t checksum;

	CHECK(udp_bytes <= FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES);
	DCHECK(address_is_v4(&to->endpoint->address) == head->is_v4);
	frame_head_copy(head, frame);
	memcpy(frame, to->mac->bytes, FRAME_WIRE_MAC_BYTES);
	sum = frame_wire_add(payload_sum,
			     frame_head_put_ip(head, frame + head->ip_offset, to, udp_bytes));
	sum = frame_wire_add(sum, header);
	sum = frame_wire_add(sum, head->udp_sum + length);
	checksum = (uint16_t)~frame_wire_fold(sum);
	if (checksum == 0) /* which would say: not computed (RFC 768) */
		checksum = UINT16_MAX;
	header |= (uint64_t)checksum << 8 * FRAME_WIRE_UDP_CHECKSUM;
	memcpy(frame + head->header_bytes - FRAME_WIRE_UDP_BYTES, &header, sizeof(header));
	return head->header_bytes + payload_bytes;
}

#endif
