/* The answer that nearly every hit gets, inline: of a compact entry that is fresh, whole, with neither cookie nor extended
 * error. Whatever else there is, cache_entry_answer does it; where both can they write the same bytes.
 *
 * Memory: the message is the caller's. Threads: pure functions.
 */
#ifndef PORTICO_CACHE_ENTRY_PLAIN_H
#define PORTICO_CACHE_ENTRY_PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cache_entry.h"
#include "cache_entry_layout.h"
#include "frame_wire.h"

/* One record of the compact shape, with so much taken off its TTL: 16 bytes, and 12 more of an AAAA. Returns its sum, made of
 * what is at hand: to load again what was just stored in other pieces takes longer than all else. */
static inline uint64_t cache_entry_put_aged(uint8_t *to, const uint8_t *from, bool is_long,
					    uint32_t age)
{
	uint32_t old_ttl, new_ttl, last;
	uint64_t words[2], sum;

	memcpy(words, from, sizeof(words));
	memcpy(&old_ttl, from + CACHE_ENTRY_TTL, sizeof(old_ttl));
	new_ttl = __builtin_bswap32(old_ttl);
	new_ttl = __builtin_bswap32(new_ttl > age ? new_ttl - age : 0);
	memcpy(to, words, sizeof(words));
	memcpy(to + CACHE_ENTRY_TTL, &new_ttl, sizeof(new_ttl));
	/* UINT32_MAX is as good as 0 to a sum. */
	sum = frame_wire_add(frame_wire_add(words[0], words[1]),
			     (uint64_t)new_ttl + (UINT32_MAX - old_ttl));
	if (is_long) {
		memcpy(words, from + CACHE_ENTRY_A_BYTES, sizeof(words[0]));
		memcpy(&last, from + CACHE_ENTRY_A_BYTES + 8, sizeof(last));
		memcpy(to + CACHE_ENTRY_A_BYTES, words, sizeof(words[0]));
		memcpy(to + CACHE_ENTRY_A_BYTES + 8, &last, sizeof(last));
		sum = frame_wire_add(frame_wire_add(sum, words[0]), last);
	}
	return sum;
}

/* So many records from that of the rotation on; returns their sum. */
static __attribute__((noinline, unused)) uint64_t cache_entry_put_many(
	uint8_t *to, const uint8_t *content, unsigned count, unsigned record_bytes, uint32_t age,
	uint32_t rotation)
{
	bool is_long = record_bytes != CACHE_ENTRY_A_BYTES;
	unsigned from = count > 0 ? rotation % count : 0;
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++, to += record_bytes) {
		sum = frame_wire_add(sum,
				     cache_entry_put_aged(to, content + (size_t)from * record_bytes,
							  is_long, age));
		from = from + 1 < count ? from + 1 : 0;
	}
	return sum;
}

/* The answer's length and its sum for the checksum (frame_wire_sum). Length 0: it is not a plain one. */
struct cache_entry_plain {
	size_t length_bytes;
	uint64_t sum;
};

/* As cache_entry_answer, of an entry that is CACHE_ENTRY_FRESH, for a client that asked for recursion and gave no
 * cookie. Length 0, and nothing is written: that has to do it. */
static inline __attribute__((always_inline)) struct cache_entry_plain cache_entry_answer_plain(
	uint8_t *message, const uint64_t entry[], const struct cache_entry_answer *answer)
{
	unsigned question_bytes = answer->question_end - DNS_HEADER_BYTES;
	const uint8_t *content =
		(const uint8_t *)entry +
		cache_entry_content_at(question_bytes - CACHE_ENTRY_QUESTION_FIXED_BYTES);
	unsigned count = (uint8_t)(entry[0] >> CACHE_ENTRY_RECORDS_SHIFT);
	unsigned edns = answer->client.edns;
	uint32_t age = answer->now_s - (uint32_t)entry[1];
	uint32_t flags = DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA |
			 (answer->client.checking_disabled ? DNS_FLAG_CD : 0);
	uint8_t *to = message + answer->question_end;
	unsigned record_bytes = CACHE_ENTRY_A_BYTES;
	size_t length_bytes;
	uint64_t head, sum;
	uint32_t counts;

	/* Not what seems to come from the future, either. */
	if (UNLIKELY(entry[1] >> 56 != CACHE_ENTRY_COMPACT || (int32_t)age < 0))
		return (struct cache_entry_plain){0, 0};
	if (content[11] != CACHE_ENTRY_A_BYTES - 12) /* RDLENGTH */
		record_bytes = CACHE_ENTRY_AAAA_BYTES;
	length_bytes =
		answer->question_end + (size_t)count * record_bytes + edns * DNS_OPT_BYTES_MIN;
	if (UNLIKELY(length_bytes > answer->client.udp_size_bytes))
		return (struct cache_entry_plain){0, 0};
	if (LIKELY(count == 1))
		sum = cache_entry_put_aged(to, content, record_bytes != CACHE_ENTRY_A_BYTES, age);
	else
		sum = cache_entry_put_many(to, content, count, record_bytes, age, answer->rotation);
	to += (size_t)count * record_bytes;
	if (edns != 0) {
		/* Root, type, size, rcode, version, flags; 8 bytes, and nothing but zeroes behind them. */
		uint64_t opt = __builtin_bswap64(
			(uint64_t)DNS_TYPE_OPT << 40 | (uint64_t)EDNS_UDP_BYTES << 24 |
			(answer->client.dnssec_ok ? DNS_EDNS_FLAG_DO >> 8 : 0));

		memcpy(to, &opt, sizeof(opt));
		memset(to + sizeof(opt), 0, DNS_OPT_BYTES_MIN - sizeof(opt));
		sum = frame_wire_add(sum, opt);
	}
	sum = frame_wire_sum_behind(sum, answer->question_end);
	/* 7 bytes before the question are the header's. */
	if (LIKELY(question_bytes >= sizeof(uint64_t)))
		sum = frame_wire_add(sum, frame_wire_sum_long(message + DNS_HEADER_BYTES,
							      question_bytes, 0));
	else
		sum = frame_wire_sum(sum, message + DNS_HEADER_BYTES, question_bytes);
	head = __builtin_bswap64((uint64_t)answer->client.id << 48 | (uint64_t)flags << 32 |
				 UINT32_C(1) << 16 | count);
	counts = __builtin_bswap32(edns);
	memcpy(message, &head, sizeof(head));
	memcpy(message + 8, &counts, sizeof(counts));
	return (struct cache_entry_plain){length_bytes,
					  frame_wire_add(frame_wire_add(sum, head), counts)};
}

#endif
