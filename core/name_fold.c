#include "name_fold.h"

#include <assert.h>
#include <string.h>

#include "check.h"
#include "dns_const.h"
#include "name_fold_step.h"
#include "wire_cursor.h"

static_assert(DNS_NAME_BYTES_MAX <= NAME_FOLD_BYTES, "every name fits");

const char *const name_fold_variant_text[NAME_FOLD_VARIANT_COUNT] = {
	[NAME_FOLD_SCALAR] = "scalar",
	[NAME_FOLD_AVX2] = "avx2",
	[NAME_FOLD_AVX512] = "avx512",
};

const uint8_t name_fold_shift[64] = {
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0,    1,    2,    3,    4,    5,    6,    7,    8,    9,
	10,   11,   12,   13,   14,   15,   0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
};

static uint64_t key_word(const struct hash_key *secret, uint32_t counter)
{
	static const char use[] = "name_fold";
	uint8_t input[sizeof(use) + sizeof(counter)];

	memcpy(input, use, sizeof(use)); /* so that no other use of the secret hashes the same */
	wire_put_u32(input + sizeof(use), counter);
	return hash_mac(secret, (struct span){input, sizeof(input)});
}

void name_fold_key_init(struct name_fold_key *key, const struct hash_key *secret)
{
	uint32_t counter = 0;

	for (size_t i = 0; i < ARRAY_COUNT(key->words); i++)
		key->words[i] = (uint32_t)key_word(secret, counter++);
	for (size_t i = 0; i < ARRAY_COUNT(key->finish); i++)
		key->finish[i] = key_word(secret, counter++);
}

/* ---- the reference: eight bytes at a time ---- */

#define EVERY_BYTE UINT64_C(0x0101010101010101)

static inline uint64_t load_8(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* The last 1 to 7 bytes of a name; zeroes follow. Of a longer name the word that ends with it is shifted, so that no
 * byte beyond is read and none in a loop. */
static inline uint64_t load_last(const uint8_t *wire, size_t length_bytes, size_t rest)
{
	if (length_bytes >= sizeof(uint64_t))
		return load_8(wire + length_bytes - sizeof(uint64_t)) >> (64 - 8 * rest);
	if (rest >= 4) {
		uint32_t first, last;

		memcpy(&first, wire, sizeof(first));
		memcpy(&last, wire + rest - sizeof(last), sizeof(last));
		return first | (uint64_t)last << (8 * (rest - sizeof(last)));
	}
	/* One to three: the first, the middle and the last may be the same. */
	return wire[0] | (uint64_t)wire[rest / 2] << (8 * (rest / 2)) |
	       (uint64_t)wire[rest - 1] << (8 * (rest - 1));
}

static inline uint64_t lower_8(uint64_t word)
{
	uint64_t low7 = word & (0x7f * EVERY_BYTE);
	uint64_t from_a = low7 + (0x80 - 'A') * EVERY_BYTE;
	uint64_t past_z = low7 + (0x80 - 'Z' - 1) * EVERY_BYTE;

	/* 0x80 where an upper-case letter stands; two to the right is the bit that makes it lower case. */
	return word | (from_a & ~past_z & ~word & (0x80 * EVERY_BYTE)) >> 2;
}

/* One pair's product in a pass. */
static inline uint64_t pair_product(const uint32_t *words, uint64_t pair)
{
	uint32_t low = (uint32_t)pair + words[0];
	uint32_t high = (uint32_t)(pair >> 32) + words[1];

	return (uint64_t)low * high;
}

struct sums {
	uint64_t a;
	uint64_t b;
};

/* Fold the pair that stands at that place of the name. */
static inline struct sums fold_pair(const struct name_fold_key *key, struct sums sums, size_t at,
				    uint64_t pair, uint8_t *out)
{
	/* Before it: the words of so many bytes, twice in each whole step. */
	const uint32_t *words = &key->words[(at + (at & ~(size_t)(NAME_FOLD_STEP_BYTES - 1))) / 4];

	memcpy(out + at, &pair, sizeof(pair));
	return (struct sums){sums.a + pair_product(words, pair),
			     sums.b + pair_product(words + NAME_FOLD_STEP_WORDS, pair)};
}

uint64_t name_fold_scalar(const struct name_fold_key *key, const uint8_t *wire, size_t length_bytes,
			  uint8_t *out)
{
	struct sums sums = {0, 0};
	size_t rest = length_bytes % sizeof(uint64_t);
	size_t at = 0;

	DCHECK(length_bytes >= 1 && length_bytes <= DNS_NAME_BYTES_MAX);
	for (; at + rest < length_bytes; at += sizeof(uint64_t))
		sums = fold_pair(key, sums, at, lower_8(load_8(wire + at)), out);
	if (rest != 0) {
		sums = fold_pair(key, sums, at, lower_8(load_last(wire, length_bytes, rest)), out);
		at += sizeof(uint64_t);
	}
	for (; at % NAME_FOLD_STEP_BYTES != 0; at += sizeof(uint64_t))
		sums = fold_pair(key, sums, at, 0, out);
	return name_fold_finish(key, sums.a, sums.b, length_bytes);
}

name_fold_function *name_fold_choose(enum name_fold_variant variant)
{
	switch (variant) {
	case NAME_FOLD_SCALAR:
		return name_fold_scalar;
	case NAME_FOLD_AVX2:
		return name_fold_avx2;
	case NAME_FOLD_AVX512:
		return name_fold_avx512;
	case NAME_FOLD_VARIANT_COUNT:
		break;
	}
	CHECK(false);
	return name_fold_scalar;
}
