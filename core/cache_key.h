/* What an answer is kept and found under: name, type, view and CD (the class is always IN: nothing else is
 * resolved).
 *
 * The image is the key as it stands in an entry, so that a look-up compares whole words: type (host order), view and
 * CD, length of the name, the name in lower case, then zeroes.
 *
 * Memory: a value. Threads: pure functions.
 */
#ifndef PORTICO_CACHE_KEY_H
#define PORTICO_CACHE_KEY_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dns_const.h"
#include "name_fold.h"

#define CACHE_KEY_NAME 4 /* offset of the name in the image */
#define CACHE_KEY_CD 0x80u
#define CACHE_KEY_VIEW_MAX 0x7fu
/* Zeroed or overwritten in steps of NAME_FOLD_STEP_BYTES behind the name's offset. */
#define CACHE_KEY_IMAGE_BYTES (CACHE_KEY_NAME + NAME_FOLD_BYTES + 4)

struct cache_key {
	uint64_t hash;        /* keyed; also decides which worker owns the question */
	uint16_t image_bytes; /* in use: CACHE_KEY_NAME + the name's length */
	_Alignas(8) uint8_t image[CACHE_KEY_IMAGE_BYTES];
};
static_assert(CACHE_KEY_IMAGE_BYTES % 8 == 0, "compared by words");

static inline void cache_key_set(struct cache_key *key, uint16_t qtype, uint8_t view,
				 bool checking_disabled, uint8_t name_bytes)
{
	memcpy(key->image, &qtype, sizeof(qtype));
	key->image[2] = (uint8_t)(view | (checking_disabled ? CACHE_KEY_CD : 0));
	key->image[3] = name_bytes;
	key->image_bytes = (uint16_t)(CACHE_KEY_NAME + name_bytes);
}

static inline uint16_t cache_key_type(const struct cache_key *key)
{
	uint16_t qtype;

	memcpy(&qtype, key->image, sizeof(qtype));
	return qtype;
}

#endif
