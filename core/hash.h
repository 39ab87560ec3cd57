/* Keyed hashing for tables that strangers fill (SipHash, Aumasson and Bernstein 2012).
 *
 * hash_table has 1-3 rounds, enough for tables (as in the Linux kernel and most language runtimes);
 * hash_mac has 2-4 rounds, the published MAC, used for DNS cookies (RFC 9018).
 *
 * Threads: pure functions; a key is written once at start.
 */
#ifndef PORTICO_HASH_H
#define PORTICO_HASH_H

#include <stdint.h>
#include <string.h>

#include "span.h"

struct hash_key {
	uint64_t k0;
	uint64_t k1;
};

/* SipHash-1-3 of the bytes. */
uint64_t hash_table(const struct hash_key *key, struct span input);

/* SipHash-2-4 of the bytes: the reference MAC. */
uint64_t hash_mac(const struct hash_key *key, struct span input);

/* One keyed multiply-and-fold of two words: cheap, for combining an already keyed hash with a
 * value that strangers do not choose. */
static inline uint64_t hash_combine(uint64_t keyed_hash, uint64_t value)
{
	__extension__ typedef unsigned __int128 u128;
	u128 product = (u128)(keyed_hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint64_t)product ^ (uint64_t)(product >> 64) ^ keyed_hash;
}

/* A keyed hash of 16 bytes and a word, for tables of which strangers see nothing but how long an answer takes: the two
 * halves under the key, multiplied and folded, twice. 10 cycles where SipHash takes 50. */
static inline uint64_t hash_address(const struct hash_key *key, const uint8_t bytes[16],
				    uint64_t value)
{
	__extension__ typedef unsigned __int128 u128;
	uint64_t halves[2];
	u128 product;

	memcpy(halves, bytes, sizeof(halves));
	/* The fractions of pi keep a poor key, a test's, from making factors of few bits. */
	product = (u128)(halves[0] ^ key->k0 ^ UINT64_C(0x243f6a8885a308d3)) *
		  (halves[1] ^ key->k1 ^ UINT64_C(0x13198a2e03707344));
	product = (u128)((uint64_t)product ^ (uint64_t)(product >> 64) ^ value ^ key->k1) *
		  ((key->k0 ^ UINT64_C(0xa4093822299f31d0)) | 1);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
