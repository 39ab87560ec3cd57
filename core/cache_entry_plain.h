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

static inline void cache_entry_store_be64(uint8_t *p, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(p, &value, sizeof(value));
}

static inline void cache_entry_store_be32(uint8_t *p, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(p, &value, sizeof(value));
}

static inline uint32_t cache_entry_load_be32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return __builtin_bswap32(value);
}

/* One record of the compact shape, with so much taken off its TTL: 16 bytes, and 12 more of an AAAA. */
static inline void cache_entry_put_aged(uint8_t *to, const uint8_t *from, bool is_long,
					uint32_t age)
{
	uint32_t ttl_s = cache_entry_load_be32(from + CACHE_ENTRY_TTL);
	uint64_t words[2];

	memcpy(words, from, sizeof(words));
	memcpy(to, words, sizeof(words));
	cache_entry_store_be32(to + CACHE_ENTRY_TTL, ttl_s > age ? ttl_s - age : 0);
	if (is_long) {
		memcpy(words, from + CACHE_ENTRY_A_BYTES, sizeof(words[0]));
		memcpy(to + CACHE_ENTRY_A_BYTES, words, sizeof(words[0]));
		memcpy(to + CACHE_ENTRY_A_BYTES + 8, from + CACHE_ENTRY_A_BYTES + 8, 4);
	}
}

/* As cache_entry_answer, of an entry that is fresh (cache_entry_is_fresh), for a client that asked for recursion and gave no
 * cookie. 0, and nothing is written: that has to do it. */
static inline size_t cache_entry_answer_plain(uint8_t *message, const uint64_t entry[],
					      const struct cache_entry_answer *answer)
{
	unsigned name_bytes =
		answer->question_end - DNS_HEADER_BYTES - CACHE_ENTRY_QUESTION_FIXED_BYTES;
	const uint8_t *content = (const uint8_t *)entry + cache_entry_content_at(name_bytes);
	unsigned count = (uint8_t)(entry[0] >> CACHE_ENTRY_RECORDS_SHIFT);
	unsigned edns = answer->client.edns;
	uint32_t age = answer->now_s - (uint32_t)entry[1];
	uint32_t flags = DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA |
			 (answer->client.checking_disabled ? DNS_FLAG_CD : 0);
	uint8_t *to = message + answer->question_end;
	size_t record_bytes, length_bytes;
	unsigned from = 0;
	bool is_long;

	/* Not what seems to come from the future, either. */
	if (UNLIKELY(entry[1] >> 56 != CACHE_ENTRY_COMPACT || (int32_t)age < 0))
		return 0;
	is_long = content[11] != CACHE_ENTRY_A_BYTES - 12; /* RDLENGTH */
	record_bytes = is_long ? CACHE_ENTRY_AAAA_BYTES : CACHE_ENTRY_A_BYTES;
	length_bytes = answer->question_end + count * record_bytes + edns * DNS_OPT_BYTES_MIN;
	if (UNLIKELY(length_bytes > answer->client.udp_size_bytes))
		return 0;
	if (count > 1 && answer->rotation != 0)
		from = answer->rotation % count;
	for (unsigned i = 0; i < count; i++, to += record_bytes) {
		cache_entry_put_aged(to, content + from * record_bytes, is_long, age);
		from = from + 1 < count ? from + 1 : 0;
	}
	cache_entry_store_be64(message, (uint64_t)answer->client.id << 48 | (uint64_t)flags << 32 |
						UINT32_C(1) << 16 | count);
	cache_entry_store_be32(message + 8, edns);
	if (edns != 0) {
		/* Root, type, size, rcode, version, flags; 8 bytes, and 4 over the last of them. */
		uint32_t opt_flags = answer->client.dnssec_ok ? DNS_EDNS_FLAG_DO : 0;

		cache_entry_store_be64(to, (uint64_t)DNS_TYPE_OPT << 40 |
						   (uint64_t)EDNS_UDP_BYTES << 24 | opt_flags >> 8);
		cache_entry_store_be32(to + 7, opt_flags << 16);
	}
	return length_bytes;
}

#endif
