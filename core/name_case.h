/* Letter case of names, 16 bytes at a time, and the sums of what was written, for checksums: out of registers, as bytes that
 * were just stored in pieces are slow to read.
 *
 * Memory: borrowed for the call. Threads: pure functions. immintrin.h: SSE 4.1, which every CPU that we are built for has.
 */
#ifndef PORTICO_NAME_CASE_H
#define PORTICO_NAME_CASE_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "frame_wire.h"
#include "name.h"

#define NAME_CASE_PIECE sizeof(__m128i)

/* 0xff in every byte that is an ASCII letter of the case that a is of. Lengths of labels are below 'A', so that whole names can
 * be treated as if they were text. */
static inline __m128i name_case_letters(__m128i bytes, char a)
{
	__m128i from_a = _mm_sub_epi8(bytes, _mm_set1_epi8(a));

	return _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8('z' - 'a')), from_a);
}

/* Letters get the case that the 16 lower bits of `upper` say. */
static inline __m128i name_case_piece(__m128i bytes, unsigned upper)
{
	const __m128i each = _mm_set1_epi64x((long long)UINT64_C(0x8040201008040201));
	const __m128i halves = _mm_set_epi64x((long long)UINT64_C(0x0101010101010101), 0);
	__m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)upper), halves);
	__m128i is_upper = _mm_cmpeq_epi8(_mm_and_si128(spread, each), each);
	__m128i is_letter = name_case_letters(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a');
	__m128i bit = _mm_and_si128(is_letter, _mm_set1_epi8(0x20));

	return _mm_or_si128(_mm_andnot_si128(bit, bytes), _mm_andnot_si128(is_upper, bit));
}

/* The 16 bits from the nth one on. */
static inline unsigned name_case_bits(const struct name_case *letter_case, size_t nth)
{
	const uint8_t *at = letter_case->bits + nth / 8;
	unsigned bits = at[0] | (unsigned)at[1] << 8;

	if (nth % 8 == 0)
		return bits;
	return (bits | (unsigned)at[2] << 16) >> nth % 8;
}

/* Likewise, of a multiple of 16. */
static inline unsigned name_case_bits_even(const struct name_case *letter_case, size_t nth)
{
	uint16_t bits;

	memcpy(&bits, letter_case->bits + nth / 8, sizeof(bits));
	return bits;
}

/* 0xff in the first so many bytes of 1 to 16. */
static inline __m128i name_case_first(size_t byte_count)
{
	static const uint8_t ones_then_zeroes[2 * NAME_CASE_PIECE] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};

	return _mm_loadu_si128((const void *)(ones_then_zeroes + NAME_CASE_PIECE - byte_count));
}

static inline uint64_t name_case_sum(uint64_t sum, __m128i bytes)
{
	sum = frame_wire_add(sum, (uint64_t)_mm_cvtsi128_si64(bytes));
	return frame_wire_add(sum, (uint64_t)_mm_extract_epi64(bytes, 1));
}

/* name_case_apply where 15 bytes behind the name may be read and written, which stay as they are. Returns the name's sum, as
 * frame_wire_sum has it. */
static inline uint64_t name_case_apply_summed(const struct name_case *letter_case, uint8_t *wire,
					      size_t length_bytes)
{
	uint64_t sum = 0;
	size_t i = 0;
	__m128i bytes, cased, first;

	for (; i + NAME_CASE_PIECE < length_bytes; i += NAME_CASE_PIECE) {
		bytes = _mm_loadu_si128((const void *)(wire + i));
		cased = name_case_piece(bytes, name_case_bits_even(letter_case, i));
		_mm_storeu_si128((void *)(wire + i), cased);
		sum = name_case_sum(sum, cased);
	}
	bytes = _mm_loadu_si128((const void *)(wire + i));
	cased = name_case_piece(bytes, name_case_bits_even(letter_case, i));
	first = name_case_first(length_bytes - i);
	_mm_storeu_si128((void *)(wire + i), _mm_blendv_epi8(bytes, cased, first));
	return name_case_sum(sum, _mm_and_si128(cased, first));
}

/* name_case_copy where as many bytes behind *to's name may be written as it has room for; returns the name's sum likewise. */
static inline uint64_t name_case_copy_summed(const struct name_case *letter_case,
					     const struct name *from, struct name *to)
{
	size_t length_bytes = from->length_bytes;
	uint64_t sum = 0;
	size_t i = 0;
	__m128i cased;

	if (UNLIKELY(length_bytes > DNS_NAME_BYTES_MAX / NAME_CASE_PIECE * NAME_CASE_PIECE)) {
		name_case_copy(letter_case, from, to);
		return frame_wire_sum(0, to->bytes, length_bytes);
	}
	to->length_bytes = (uint8_t)length_bytes;
	for (; i + NAME_CASE_PIECE < length_bytes; i += NAME_CASE_PIECE) {
		cased = name_case_piece(_mm_loadu_si128((const void *)(from->bytes + i)),
					name_case_bits_even(letter_case, i));
		_mm_storeu_si128((void *)(to->bytes + i), cased);
		sum = name_case_sum(sum, cased);
	}
	cased = name_case_piece(_mm_loadu_si128((const void *)(from->bytes + i)),
				name_case_bits_even(letter_case, i));
	_mm_storeu_si128((void *)(to->bytes + i), cased);
	return name_case_sum(sum, _mm_and_si128(cased, name_case_first(length_bytes - i)));
}

#endif
