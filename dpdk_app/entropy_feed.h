/* Random bytes for workers, from OpenSSL's generator (RAND_bytes: AES-256-CTR DRBG, seeded and reseeded from
 * the kernel). The control thread fills; workers never call OpenSSL.
 *
 * Threads: one filler, the control thread.
 */
#ifndef PORTICO_ENTROPY_FEED_H
#define PORTICO_ENTROPY_FEED_H

#include <stddef.h>

#include "core/check.h"
#include "core/entropy.h"

#define ENTROPY_FEED_BLOCK_BYTES ((size_t)1 << 20)

enum entropy_feed_result {
	ENTROPY_FEED_OK,
	ENTROPY_FEED_FAILED, /* the generator failed (logged): going on would mean guessable queries */
};

/* Fill whichever blocks are empty: at most both. */
MUST_USE enum entropy_feed_result entropy_feed_fill(struct entropy *e);

/* Random bytes for keys. length_bytes <= INT_MAX. */
MUST_USE enum entropy_feed_result entropy_feed_key(void *out, size_t length_bytes);

#endif
