/* name_fold by AVX2 (immintrin.h): a step is two registers. There is no masked load of bytes, so that a name's last
 * bytes come from loads that end with the name, shifted down. */
#include "name_fold.h"

#include <immintrin.h>
#include <string.h>

#include "check.h"
#include "dns_const.h"
#include "name_fold_step.h"

#define TARGET __attribute__((target("avx2,bmi2")))
#define HALF_BYTES 32 /* a register's, half a step */
#define LANE_BYTES 16

TARGET static inline __m128i load_lane(const uint8_t *p)
{
	return _mm_loadu_si128((const void *)p);
}

TARGET static inline __m256i load_half(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

/* Bytes s.. of a lane, then zeroes. */
TARGET static inline __m128i lane_shift(__m128i lane, size_t s)
{
	return _mm_shuffle_epi8(lane, load_lane(name_fold_shift + LANE_BYTES + s));
}

/* Bytes s.. of a register, s <= 31, then zeroes: within each lane, and from the upper lane into the lower. */
TARGET static inline __m256i half_shift(__m256i v, size_t s)
{
	__m256i within = _mm256_broadcastsi128_si256(load_lane(name_fold_shift + LANE_BYTES + s));
	__m256i across = _mm256_broadcastsi128_si256(load_lane(name_fold_shift + s));
	/* Upper lane to the lower, zero to the upper. */
	__m256i down = _mm256_permute2x128_si256(v, v, 0x81);

	return _mm256_or_si256(_mm256_shuffle_epi8(v, within), _mm256_shuffle_epi8(down, across));
}

/* A whole name of 1 to 15 bytes. */
TARGET static inline __m128i load_short(const uint8_t *wire, size_t length_bytes)
{
	uint64_t low, high = 0;
	uint32_t first, last;

	if (length_bytes >= 8) {
		memcpy(&low, wire, sizeof(low));
		memcpy(&high, wire + length_bytes - sizeof(high), sizeof(high));
		/* In two shifts: by 64 at once is not defined. */
		high = high >> 8 >> (8 * (LANE_BYTES - 1 - length_bytes));
	} else if (length_bytes >= 4) {
		memcpy(&first, wire, sizeof(first));
		memcpy(&last, wire + length_bytes - sizeof(last), sizeof(last));
		low = first | (uint64_t)last << (8 * (length_bytes - sizeof(last)));
	} else {
		/* The first, the middle and the last may be the same. */
		low = wire[0] | (uint64_t)wire[length_bytes / 2] << (8 * (length_bytes / 2)) |
		      (uint64_t)wire[length_bytes - 1] << (8 * (length_bytes - 1));
	}
	return _mm_set_epi64x((long long)high, (long long)low);
}

/* The last `rest` bytes of a name, 1 to 31, then zeroes. */
TARGET static inline __m256i load_last(const uint8_t *wire, size_t length_bytes, size_t rest)
{
	if (length_bytes >= HALF_BYTES)
		return half_shift(load_half(wire + length_bytes - HALF_BYTES), HALF_BYTES - rest);
	if (length_bytes >= LANE_BYTES)
		return _mm256_set_m128i(lane_shift(load_lane(wire + length_bytes - LANE_BYTES),
						   HALF_BYTES - length_bytes),
					load_lane(wire));
	return _mm256_zextsi128_si256(load_short(wire, length_bytes));
}

TARGET static inline __m256i lower_half(__m256i text, uint8_t *out)
{
	/* Signed: bytes from 0x80 on are below 'A'. */
	__m256i from_a = _mm256_cmpgt_epi8(text, _mm256_set1_epi8('A' - 1));
	__m256i past_z = _mm256_cmpgt_epi8(text, _mm256_set1_epi8('Z'));
	__m256i upper = _mm256_andnot_si256(past_z, from_a);

	text = _mm256_add_epi8(text, _mm256_and_si256(upper, _mm256_set1_epi8('a' - 'A')));
	_mm256_storeu_si256((void *)out, text);
	return text;
}

TARGET static inline __m256i products(const uint32_t *words, __m256i text)
{
	__m256i keyed = _mm256_add_epi32(text, _mm256_load_si256((const void *)words));

	return _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32));
}

TARGET uint64_t name_fold_avx2(const struct name_fold_key *key, const uint8_t *wire,
			       size_t length_bytes, uint8_t *out)
{
	const uint32_t *words = key->words;
	__m256i a = _mm256_setzero_si256(), b = a, quads;
	__m128i sums;

	DCHECK(length_bytes >= 1 && length_bytes <= DNS_NAME_BYTES_MAX);
	/* Both halves of a step, until the name and the step it ends in have. */
	for (size_t at = 0; at < length_bytes || at % NAME_FOLD_STEP_BYTES != 0; at += HALF_BYTES) {
		__m256i text = _mm256_setzero_si256();

		if (at + HALF_BYTES <= length_bytes)
			text = load_half(wire + at);
		else if (at < length_bytes)
			text = load_last(wire, length_bytes, length_bytes - at);
		text = lower_half(text, out + at);
		a = _mm256_add_epi64(a, products(words, text));
		b = _mm256_add_epi64(b, products(words + NAME_FOLD_STEP_WORDS, text));
		/* The next half's words, or, behind the second pass's, those of the next step. */
		words += HALF_BYTES / 4;
		if (at % NAME_FOLD_STEP_BYTES != 0)
			words += NAME_FOLD_STEP_WORDS;
	}
	quads = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
	sums = _mm_add_epi64(_mm256_castsi256_si128(quads), _mm256_extracti128_si256(quads, 1));
	return name_fold_finish(key, (uint64_t)_mm_cvtsi128_si64(sums),
				(uint64_t)_mm_extract_epi64(sums, 1), length_bytes);
}
