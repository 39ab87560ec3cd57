/* An upstream's answer made a client's where it stands: header, letter case and OPT are written over, records stay. With the sum
 * of all of it, for the checksum.
 *
 * Memory: the message's, lent. Threads: a pure function. RFCs: 1035, 6891.
 */
#ifndef PORTICO_MSG_IN_PLACE_H
#define PORTICO_MSG_IN_PLACE_H

#include <stdint.h>

#include "check.h"
#include "dns_const.h"
#include "frame_wire.h"
#include "limits.h"
#include "msg_build.h"
#include "msg_parse.h"
#include "name_case.h"
#include "span.h"
#include "wire_cursor.h"

/* Our OPT without options at p, which is so many bytes into the message. Returns its sum. */
static inline uint64_t msg_in_place_opt(uint8_t *p, size_t before_bytes, uint16_t rcode,
					bool dnssec_ok)
{
	/* Root, type, size, upper bits of the rcode, version, the first byte of the flags. */
	uint64_t head = (uint64_t)DNS_TYPE_OPT << 40 | (uint64_t)EDNS_UDP_BYTES << 24 |
			(uint64_t)(rcode >> 4) << 16 | DNS_EDNS_VERSION << 8 |
			(dnssec_ok ? DNS_EDNS_FLAG_DO >> 8 : 0u);
	const uint32_t rest = 0; /* of the flags, and the length of the options */

	wire_put_u64(p, head);
	memcpy(p + DNS_OPT_BYTES_MIN - sizeof(rest), &rest, sizeof(rest));
	p[7] = (uint8_t)head;
	return frame_wire_sum_behind(__builtin_bswap64(head), before_bytes);
}

/* The sum of the message from the question's type to the last record, as it is to be added to that of what is before. */
static inline uint64_t msg_in_place_rest(const uint8_t *message, size_t at, size_t end)
{
	uint64_t sum = LIKELY(end - at >= sizeof(uint64_t))
			       ? frame_wire_sum_long(message + at, end - at, 0)
			       : frame_wire_sum(0, message + at, end - at);

	return frame_wire_sum_behind(sum, at);
}

/* The answer over the response itself, for one client whose question had that letter case: byte for byte what
 * msg_build_answer makes of it with recursion_available and nothing else. 0, and nothing is written: records would have to
 * go, or it does not fit. message: the response's, and the room behind it. *sum: of the answer, as frame_wire_sum has it. */
MUST_USE static inline __attribute__((always_inline)) size_t msg_in_place_answer(
	struct buffer message, const struct msg_response *response, const struct msg_client *client,
	const struct name_case *letter_case, uint64_t *sum)
{
	size_t name_bytes = response->qname.length_bytes;
	size_t opt_offset = response->opt_offset;
	size_t length_bytes = opt_offset;
	uint16_t rcode = (uint16_t)((unsigned)response->edns.extended_rcode << 4 |
				    (response->flags & DNS_RCODE_MASK));
	uint32_t flags = DNS_FLAG_QR | DNS_FLAG_RA | (rcode & DNS_RCODE_MASK);
	uint32_t additional =
		(uint32_t)response->additional_count - response->edns.present + client->edns;
	uint8_t *p = message.data;
	uint64_t head;

	CHECK(response->message.data == p);
	if (client->edns)
		length_bytes += UNLIKELY(client->cookie != NULL)
					? msg_build_opt_bytes(client, DNS_EDE_NONE)
					: DNS_OPT_BYTES_MIN;
	if (!response->opt_is_last || response->has_ttl_over_max ||
	    (response->has_dnssec_records && !client->dnssec_ok) ||
	    (response->flags & DNS_FLAG_TC) != 0 || length_bytes > client->udp_size_bytes ||
	    length_bytes + NAME_CASE_PIECE > message.capacity_bytes)
		return 0;
	flags |= client->recursion_desired ? DNS_FLAG_RD : 0;
	flags |= client->checking_disabled ? DNS_FLAG_CD : 0;
	/* A field's value is its bytes swapped, which to a sum modulo 65,535 is a factor of 256. */
	head = (uint64_t)client->id + flags + 1 + response->answer_count +
	       response->authority_count + additional;
	/* Before anything close to it is written: bytes that were just stored in other pieces are slow to read. */
	*sum = msg_in_place_rest(p, DNS_HEADER_BYTES + name_bytes, opt_offset);
	*sum = frame_wire_add(*sum, head << 8);
	*sum = frame_wire_add(*sum, name_case_apply_summed(letter_case, p + DNS_HEADER_BYTES,
							   name_bytes));
	wire_put_u32(p, (uint32_t)client->id << 16 | flags);
	wire_put_u16(p + 10, (uint16_t)additional);
	if (LIKELY(length_bytes == opt_offset + DNS_OPT_BYTES_MIN)) {
		*sum = frame_wire_add(*sum, msg_in_place_opt(p + opt_offset, opt_offset, rcode,
							     client->dnssec_ok));
	} else if (length_bytes > opt_offset) {
		msg_build_opt(p + opt_offset, client, rcode, DNS_EDE_NONE);
		*sum = frame_wire_add(
			*sum, frame_wire_sum_behind(frame_wire_sum(0, p + opt_offset,
								   length_bytes - opt_offset),
						    opt_offset));
	}
	return length_bytes;
}

#endif
