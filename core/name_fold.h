/* A name's lower-case copy and its keyed hash in one pass over the bytes, by vectors where the CPU has them: the hit
 * path's way to its key. All variants give the same bytes and the same hash.
 *
 * The hash is a keyed universal hash (NH of UMAC, RFC 4418 section 5.2, over the zero-padded lower-case name, two
 * passes under independent keys, then mixed with the length under further key): without the key nobody can find names
 * that collide more often than chance. All 64 bits are good, so that any of them may choose a bucket, a tag or an
 * owner. It is for tables, not a MAC.
 *
 * Memory: nothing kept. Threads: pure functions; a key is written once at start.
 */
#ifndef PORTICO_NAME_FOLD_H
#define PORTICO_NAME_FOLD_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define NAME_FOLD_STEP_BYTES 64
#define NAME_FOLD_BYTES 256 /* the longest name, rounded up to a step */
#define NAME_FOLD_STEPS (NAME_FOLD_BYTES / NAME_FOLD_STEP_BYTES)
#define NAME_FOLD_PASSES 2

#define NAME_FOLD_STEP_WORDS (NAME_FOLD_STEP_BYTES / 4)
/* A step's words of the first pass, then those of the second, then the next step's: most names are one step. */
struct name_fold_key {
	_Alignas(64) uint32_t words[NAME_FOLD_STEPS * NAME_FOLD_PASSES * NAME_FOLD_STEP_WORDS];
	uint64_t finish[4];
};

/* Expand a short secret (by SipHash in counter mode) into the long one. */
void name_fold_key_init(struct name_fold_key *key, const struct hash_key *secret);

enum name_fold_variant {
	NAME_FOLD_SCALAR,
	NAME_FOLD_AVX2,
	NAME_FOLD_AVX512,
	NAME_FOLD_VARIANT_COUNT
};
extern const char *const name_fold_variant_text[NAME_FOLD_VARIANT_COUNT];

/* Lower-case (ASCII letters only; length bytes are below 'A' and stay) wire[0..length_bytes), an uncompressed name of 1 to 255
 * bytes that was checked, into out, and zeroes behind it up to the next multiple of NAME_FOLD_STEP_BYTES; returns the
 * hash. Reads no byte of wire beyond length_bytes. out has room for NAME_FOLD_BYTES and need not be aligned; it does
 * not overlap wire. */
typedef uint64_t name_fold_function(const struct name_fold_key *key, const uint8_t *wire,
				    size_t length_bytes, uint8_t *out);
/* The driver says what the CPU can (AVX512: F, BW, VL and DQ); core does not ask. */
name_fold_function *name_fold_choose(enum name_fold_variant variant);

#endif
