#include "rate_limit.h"

#include <string.h>

/* Tokens are counted in thousandths, so that a millisecond refills a whole number of them. */
#define RATE_LIMIT_TOKEN 1000u

/* The first bytes of an address that make a client: a /24, and a /56 (RFC 6177: a site's). */
#define RATE_LIMIT_V4_BYTES (ADDRESS_V4_OFFSET + 3)
#define RATE_LIMIT_V6_BYTES 7

static uint32_t now_ms(mono_ns now)
{
	return (uint32_t)(now / NS_PER_MS);
}

size_t rate_limit_memory_bytes(uint32_t bucket_count)
{
	return (size_t)bucket_count * sizeof(struct rate_bucket);
}

void rate_limit_init(struct rate_limit *r, void *memory, uint32_t bucket_count, uint32_t per_s,
		     const struct hash_key *key, mono_ns now)
{
	CHECK(bucket_count != 0 && (bucket_count & (bucket_count - 1)) == 0);
	CHECK(per_s <= UINT32_MAX / RATE_LIMIT_TOKEN);
	*r = (struct rate_limit){
		.buckets = memory,
		.bucket_count = bucket_count,
		.per_s = per_s,
		.key = *key,
	};
	for (uint32_t i = 0; i < bucket_count; i++)
		r->buckets[i] = (struct rate_bucket){per_s * RATE_LIMIT_TOKEN, now_ms(now)};
}

static struct rate_bucket *rate_limit_bucket(const struct rate_limit *r,
					     const struct address *client)
{
	uint8_t prefix[RATE_LIMIT_V4_BYTES] = {0};
	size_t length_bytes = address_is_v4(client) ? RATE_LIMIT_V4_BYTES : RATE_LIMIT_V6_BYTES;
	uint64_t hash;

	memcpy(prefix, client->bytes, length_bytes);
	hash = hash_table(&r->key, (struct span){prefix, length_bytes});
	return &r->buckets[hash & (r->bucket_count - 1)];
}

bool rate_limit_take(struct rate_limit *r, const struct address *client, mono_ns now)
{
	struct rate_bucket *b = rate_limit_bucket(r, client);
	uint64_t full = (uint64_t)r->per_s * RATE_LIMIT_TOKEN;
	/* Modulo 2^32: after 49 days of silence a bucket may fill late, never too early. */
	uint32_t elapsed_ms = now_ms(now) - b->refilled_ms;
	uint64_t tokens = b->tokens + (uint64_t)elapsed_ms * r->per_s;

	b->refilled_ms = now_ms(now);
	b->tokens = (uint32_t)(tokens < full ? tokens : full);
	if (b->tokens < RATE_LIMIT_TOKEN)
		return false;
	b->tokens -= RATE_LIMIT_TOKEN;
	return true;
}
