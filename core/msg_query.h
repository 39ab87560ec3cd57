/* A query to a server, written from values that are at hand, with the sum of all of it for the checksum.
 *
 * Memory: the lent buffer's. Threads: pure functions. RFCs: 1035, 6891.
 */
#ifndef PORTICO_MSG_QUERY_H
#define PORTICO_MSG_QUERY_H

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "dns_const.h"
#include "frame_wire.h"
#include "msg_build.h"
#include "name.h"
#include "wire_cursor.h"

#define MSG_QUERY_QUESTION_FIXED_BYTES 4 /* type and class */

/* Of the name's bytes as words in memory, the last one filled up with zero. */
static inline uint64_t msg_query_name_sum(const struct name *n)
{
	return frame_wire_sum(0, n->bytes, n->length_bytes);
}

/* Our OPT is all constant but for its size. */
static inline void msg_query_put_opt(uint8_t *p, uint16_t udp_size_bytes)
{
	wire_put_u64(p, (uint64_t)DNS_TYPE_OPT << 40 | (uint64_t)udp_size_bytes << 24 |
				(uint64_t)DNS_EDNS_VERSION << 8 | DNS_EDNS_FLAG_DO >> 8);
	wire_put_u32(p + 7, (uint32_t)DNS_EDNS_FLAG_DO << 16);
}

/* Sums of fields here are of their values. In memory their bytes stand swapped, which to a sum modulo 65,535 is a factor of
 * 256; after a name of odd length, each field's bytes belong to two words, and so are swapped once more. */
static inline __attribute__((always_inline)) size_t msg_query_put(
	uint8_t *message, const struct msg_query_params *params, uint64_t name_sum, uint64_t *sum)
{
	const struct name *qname = params->qname;
	size_t name_bytes = qname->length_bytes;
	uint32_t flags = (params->recursion_desired ? DNS_FLAG_RD : 0u) |
			 (params->checking_disabled ? DNS_FLAG_CD : 0u);
	uint64_t head_sum = (uint64_t)params->id + flags + 1 + params->edns;
	uint64_t tail_sum = (uint64_t)params->qtype + params->qclass;
	uint8_t *tail = message + DNS_HEADER_BYTES + name_bytes;
	size_t length_bytes = DNS_HEADER_BYTES + name_bytes + MSG_QUERY_QUESTION_FIXED_BYTES;

	wire_put_u64(message, (uint64_t)params->id << 48 | (uint64_t)flags << 32 | 1u << 16);
	wire_put_u32(message + 8, params->edns);
	/* What its last piece brings beyond the name is written over, or stands behind the message. */
	name_put(message + DNS_HEADER_BYTES, qname);
	wire_put_u32(tail, (uint32_t)params->qtype << 16 | params->qclass);
	if (LIKELY(params->edns)) {
		uint64_t size = params->edns_udp_size_bytes;

		msg_query_put_opt(tail + MSG_QUERY_QUESTION_FIXED_BYTES, (uint16_t)size);
		length_bytes += DNS_OPT_BYTES_MIN;
		/* Its fields begin at its second byte. */
		tail_sum += (DNS_TYPE_OPT + size + DNS_EDNS_FLAG_DO) << 8;
	}
	tail_sum <<= name_bytes % 2 == 0 ? 8 : 0;
	*sum = frame_wire_add(name_sum, (head_sum << 8) + tail_sum);
	return length_bytes;
}

#endif
