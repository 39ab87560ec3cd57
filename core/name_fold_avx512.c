/* name_fold by AVX-512 (immintrin.h: F, BW, VL, DQ): a step is one register, and what is beyond the name's end is masked. */
#include "name_fold.h"

#include <immintrin.h>

#include "check.h"
#include "dns_const.h"
#include "name_fold_step.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,bmi2")))

/* Both sums of both passes' lanes, one in each half. */
TARGET static inline __m128i sum_lanes(__m512i a, __m512i b)
{
	__m512i pairs = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
	__m256i quads = _mm256_add_epi64(_mm512_castsi512_si256(pairs),
					 _mm512_extracti64x4_epi64(pairs, 1));

	return _mm_add_epi64(_mm256_castsi256_si128(quads), _mm256_extracti128_si256(quads, 1));
}

TARGET static inline __m512i products(const uint32_t *words, __m512i text)
{
	__m512i keyed = _mm512_add_epi32(text, _mm512_load_si512(words));

	return _mm512_mul_epu32(keyed, _mm512_srli_epi64(keyed, 32));
}

/* Fold one step, of which take tells the bytes that are there. */
TARGET static inline __m512i lower_step(const uint8_t *wire, __mmask64 take, uint8_t *out)
{
	__m512i text = _mm512_maskz_loadu_epi8(take, wire);
	__m512i from_a = _mm512_sub_epi8(text, _mm512_set1_epi8('A'));
	__mmask64 upper = _mm512_cmplt_epu8_mask(from_a, _mm512_set1_epi8('Z' - 'A' + 1));

	text = _mm512_mask_add_epi8(text, upper, text, _mm512_set1_epi8('a' - 'A'));
	_mm512_storeu_si512(out, text);
	return text;
}

TARGET uint64_t name_fold_avx512(const struct name_fold_key *key, const uint8_t *wire,
				 size_t length_bytes, uint8_t *out)
{
	size_t whole = (length_bytes - 1) / NAME_FOLD_STEP_BYTES;
	__mmask64 take = ~UINT64_C(0) >> (-(unsigned)length_bytes % NAME_FOLD_STEP_BYTES);
	__m512i a = _mm512_setzero_si512(), b = a, text;
	__m128i sums;
	const uint32_t *words = key->words;

	DCHECK(length_bytes >= 1 && length_bytes <= DNS_NAME_BYTES_MAX);
	for (size_t step = 0; step < whole; step++) {
		text = lower_step(wire, ~UINT64_C(0), out);
		a = _mm512_add_epi64(a, products(words, text));
		b = _mm512_add_epi64(b, products(words + NAME_FOLD_STEP_WORDS, text));
		wire += NAME_FOLD_STEP_BYTES;
		out += NAME_FOLD_STEP_BYTES;
		words += NAME_FOLD_PASSES * NAME_FOLD_STEP_WORDS;
	}
	text = lower_step(wire, take, out);
	a = _mm512_add_epi64(a, products(words, text));
	b = _mm512_add_epi64(b, products(words + NAME_FOLD_STEP_WORDS, text));
	sums = sum_lanes(a, b);
	return name_fold_finish(key, (uint64_t)_mm_cvtsi128_si64(sums),
				(uint64_t)_mm_extract_epi64(sums, 1), length_bytes);
}
