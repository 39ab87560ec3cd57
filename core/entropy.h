/* Random bytes, drawn by a worker and filled by somebody else: two blocks, one being used, one full
 * or being filled by the driver from a library's CSPRNG (OpenSSL's RAND_bytes). core has no
 * generator of its own. Bytes are erased as they are taken.
 *
 * Memory: two blocks lent at init. Threads: one taker (the worker), one filler; the block's flag
 * passes between them (release when it is filled or used up, acquire before it is touched). Both
 * go through the blocks in turn, so the bytes come out in the order in which they were filled in.
 */
#ifndef PORTICO_ENTROPY_H
#define PORTICO_ENTROPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "span.h"

#define ENTROPY_AHEAD_BYTES 64 /* behind what is taken: fetched for the takes to come */

struct entropy {
	uint8_t *blocks[2];
	size_t block_bytes;
	uint32_t taking;          /* worker: which block is being used */
	size_t next_offset;       /* worker: first byte not yet taken in it */
	uint32_t filling;         /* filler: which block it fills next */
	_Atomic uint32_t full[2]; /* filler: sets to 1 (release); worker: sets to 0 (release) */
};

/* memory: 2 * block_bytes. Both blocks start empty. */
void entropy_init(struct entropy *e, void *memory, size_t block_bytes);

/* Filler: the block to fill with random bytes, length 0 if both are full. After filling it whole,
 * call entropy_filled. */
struct buffer entropy_block_to_fill(struct entropy *e);
void entropy_filled(struct entropy *e);

/* Worker: can length_bytes (<= block_bytes) be taken now? Moves on to the other block when this one
 * is too short, what is left of it is wasted (erased). False: wait for the filler. */
MUST_USE bool entropy_ready_slow(struct entropy *e, size_t length_bytes);
MUST_USE static inline bool entropy_ready(struct entropy *e, size_t length_bytes)
{
	/* Acquire: no byte of the block is read before the filler has written all of them. */
	if (LIKELY(atomic_load_explicit(&e->full[e->taking], memory_order_acquire) != 0 &&
		   e->block_bytes - e->next_offset >= length_bytes))
		return true;
	return entropy_ready_slow(e, length_bytes);
}

/* The block is used up: what is left of it is erased, then the filler may have it. */
void entropy_hand_back(struct entropy *e);

/* Worker: take bytes; only after entropy_ready said yes for at least as many in sum. */
static inline void entropy_take(struct entropy *e, void *out, size_t length_bytes)
{
	uint8_t *from = e->blocks[e->taking] + e->next_offset;

	/* Relaxed: entropy_ready has acquired the block; this only catches a taker that did not
	 * ask. */
	CHECK(atomic_load_explicit(&e->full[e->taking], memory_order_relaxed) != 0);
	CHECK(length_bytes <= e->block_bytes - e->next_offset);
	/* The filler's CPU has written it. */
	__builtin_prefetch(from + length_bytes + ENTROPY_AHEAD_BYTES, 1);
	memcpy(out, from, length_bytes);
	memset(from, 0, length_bytes);
	e->next_offset += length_bytes;
	if (UNLIKELY(e->next_offset == e->block_bytes))
		entropy_hand_back(e);
}

static inline uint32_t entropy_take_u32(struct entropy *e)
{
	uint32_t value;

	entropy_take(e, &value, sizeof(value));
	return value;
}

/* Uniform in 0..bound-1, exactly (Lemire 2019, with rejection), bound >= 1. Takes 4 bytes a try;
 * at most ENTROPY_UNIFORM_BYTES in sum: after 16 rejections (probability < 2^-16 a try for bounds
 * up to 65536, so < 2^-256) the last value stands. */
#define ENTROPY_UNIFORM_BYTES 64
uint32_t entropy_uniform(struct entropy *e, uint32_t bound);

#endif
