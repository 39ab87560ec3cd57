/* What the variants of name_fold share: the end of the hash. Nobody else needs it.
 *
 * The hash of a name: for each step of NAME_FOLD_STEP_BYTES of its zero-padded lower-case form and each of two passes,
 * every 8 bytes are two little-endian words a and b, to which two words of the key are added (modulo 2^32); the
 * products of such pairs are summed (modulo 2^64). Two different names of the same number of steps have the same two sums
 * for at most one key in 2^64 (NH, RFC 4418 section 5.2: 2^-32 a pass). The sums and the length are then mixed.
 *
 * Threads: pure functions.
 */
#ifndef PORTICO_NAME_FOLD_STEP_H
#define PORTICO_NAME_FOLD_STEP_H

#include <stdint.h>

#include "name_fold.h"

/* Shifts a vector's bytes down by s <= 31 of them: 16 bytes at [16 + s] choose within a half, 16 at [s] from
 * the upper half into the lower; 0x80 chooses zero. */
extern const uint8_t name_fold_shift[64];

name_fold_function name_fold_scalar, name_fold_avx2, name_fold_avx512;

static inline uint64_t name_fold_multiply(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 u128;
	u128 product = (u128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t name_fold_finish(const struct name_fold_key *key, uint64_t sum_a,
					uint64_t sum_b, size_t length_bytes)
{
	uint64_t mixed = name_fold_multiply(sum_a ^ key->finish[0], sum_b ^ key->finish[1]);

	return name_fold_multiply(mixed ^ key->finish[2], key->finish[3] ^ length_bytes);
}

#endif
