/* Token buckets by keyed hash of a client's prefix (IPv4 /24, IPv6 /56): so many events a second to
 * one prefix. A direct-mapped table: prefixes that collide share a bucket, which is safe
 * (stricter), and with a secret key not aimable.
 *
 * Memory: lent at init, fixed. Threads: one worker's. Time: given.
 */
#ifndef PORTICO_RATE_LIMIT_H
#define PORTICO_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "hash.h"
#include "mono.h"

struct rate_bucket {
	uint32_t tokens;      /* in thousandths */
	uint32_t refilled_ms; /* low 32 bits of milliseconds */
};

struct rate_limit {
	struct rate_bucket *buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t per_s;        /* rate, and burst size */
	struct hash_key key;
};

size_t rate_limit_memory_bytes(uint32_t bucket_count);
void rate_limit_init(struct rate_limit *r, void *memory, uint32_t bucket_count, uint32_t per_s,
		     const struct hash_key *key, mono_ns now);
/* May one more go to this client now? Takes a token if so. */
MUST_USE bool rate_limit_take(struct rate_limit *r, const struct address *client, mono_ns now);

#endif
