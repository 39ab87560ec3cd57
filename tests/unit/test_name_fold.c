#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chi_square.h"
#include "core/name.h"
#include "core/name_fold.h"
#include "core/name_fold_cpu.h"
#include "unit.h"

static struct name_fold_key key;
static const struct hash_key secret = {0x0123456789abcdef, 0xfedcba9876543210};

static uint64_t fold(const void *wire, size_t length_bytes)
{
	uint8_t out[NAME_FOLD_BYTES];

	return name_fold_choose(NAME_FOLD_SCALAR)(&key, wire, length_bytes, out);
}

/* The definition in name_fold_step.h, byte by byte, and nothing that the module itself uses. */
static uint64_t fold_slowly(const uint8_t *wire, size_t length_bytes, uint8_t *out)
{
	__extension__ typedef unsigned __int128 u128;
	size_t padded = (length_bytes + 63) / 64 * 64;
	uint64_t sums[2] = {0, 0};
	uint32_t words[64];
	u128 product;
	uint64_t mixed;

	for (size_t i = 0; i < padded; i++) {
		uint8_t c = i < length_bytes ? wire[i] : 0;

		out[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
	}
	for (size_t i = 0; i < padded / 4; i++)
		words[i] = out[4 * i] | (uint32_t)out[4 * i + 1] << 8 |
			   (uint32_t)out[4 * i + 2] << 16 | (uint32_t)out[4 * i + 3] << 24;
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < padded / 4; i += 2) {
			const uint32_t *k = &key.words[i / 16 * 32 + pass * 16 + i % 16];

			sums[pass] += (uint64_t)(uint32_t)(words[i] + k[0]) *
				      (uint32_t)(words[i + 1] + k[1]);
		}
	product = (u128)(sums[0] ^ key.finish[0]) * (sums[1] ^ key.finish[1]);
	mixed = (uint64_t)product ^ (uint64_t)(product >> 64) ^ key.finish[2];
	product = (u128)mixed * (key.finish[3] ^ length_bytes);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* wire[0..length): all variants, at all places of out, against the definition; nothing beyond the step is written. */
static void check_all(const uint8_t *wire, size_t length_bytes, size_t out_offset)
{
	enum { GUARD = 0xa5 };
	uint8_t wanted[NAME_FOLD_BYTES], out[NAME_FOLD_BYTES + 128];
	size_t padded = (length_bytes + 63) / 64 * 64;
	uint64_t hash = fold_slowly(wire, length_bytes, wanted);

	for (enum name_fold_variant v = 0; v < NAME_FOLD_VARIANT_COUNT; v++) {
		bool same;

		if (!name_fold_cpu_has(v))
			continue;
		memset(out, GUARD, sizeof(out));
		same = name_fold_choose(v)(&key, wire, length_bytes, out + out_offset) == hash &&
		       memcmp(out + out_offset, wanted, padded) == 0;
		for (size_t i = 0; i < sizeof(out); i++)
			if ((i < out_offset || i >= out_offset + padded) && out[i] != GUARD)
				same = false;
		if (!same)
			printf("\n    %s, %zu bytes\n", name_fold_variant_text[v], length_bytes);
		CU_ASSERT(same);
	}
}

static void name_fold__is_the_same_in_all_variants(void)
{
	unsigned long long state = unit_seed();
	uint8_t wire[DNS_NAME_BYTES_MAX];

	name_fold_key_init(&key, &secret);
	for (size_t length = 1; length <= sizeof(wire); length++)
		for (unsigned round = 0; round < 40; round++) {
			for (size_t i = 0; i < length; i++)
				wire[i] = (uint8_t)unit_random(&state);
			check_all(wire, length, (size_t)unit_random(&state) % 64);
		}
}

static void name_fold__lowers_letters_and_nothing_else(void)
{
	uint8_t wire[128], out[NAME_FOLD_BYTES];

	name_fold_key_init(&key, &secret);
	for (unsigned v = 0; v < NAME_FOLD_VARIANT_COUNT; v++)
		for (unsigned c = 0; c < 256 && name_fold_cpu_has(v); c++)
			for (size_t length = 1; length <= sizeof(wire); length += 21) {
				bool right = true;

				memset(wire, (int)c, length);
				name_fold_choose(v)(&key, wire, length, out);
				for (size_t i = 0; i < length; i++)
					right = right &&
						out[i] == (c >= 'A' && c <= 'Z' ? c + 32 : c);
				CU_ASSERT(right);
			}
	check_all((const uint8_t *)"@AZ[`az{\xc1\xda", 10, 0);
}

/* The page behind the name, and the one before it, must not be touched. */
static void name_fold__reads_no_byte_beyond_the_name(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	name_fold_key_init(&key, &secret);
	CU_ASSERT_FATAL(pages != MAP_FAILED);
	memset(pages + page, 'Q', page);
	CU_ASSERT_FATAL(mprotect(pages, page, PROT_NONE) == 0 &&
			mprotect(pages + 2 * page, page, PROT_NONE) == 0);
	for (size_t length = 1; length <= DNS_NAME_BYTES_MAX; length++) {
		check_all(pages + 2 * page - length, length, 1);
		check_all(pages + page, length, 1);
	}
	munmap(pages, 3 * page);
}

static void name_fold__depends_on_length_case_apart_and_key(void)
{
	static const uint8_t zeroes[NAME_FOLD_BYTES];
	static const struct hash_key other = {0x0123456789abcdef, 0xfedcba9876543211};
	uint64_t hash;

	name_fold_key_init(&key, &secret);
	for (size_t a = 1; a <= DNS_NAME_BYTES_MAX; a++)
		for (size_t b = 1; b < a; b++)
			CU_ASSERT(fold(zeroes, a) != fold(zeroes, b));
	CU_ASSERT(fold("\3wWw\4eXAm\0", 10) == fold("\3www\4exam\0", 10));
	CU_ASSERT(fold("\3www\4exan\0", 10) != fold("\3www\4exam\0", 10));
	hash = fold("\3www\4exam\0", 10);
	name_fold_key_init(&key, &other);
	CU_ASSERT(fold("\3www\4exam\0", 10) != hash);
}

static void name_fold__key_has_no_word_twice(void)
{
	name_fold_key_init(&key, &secret);
	for (size_t i = 0; i < ARRAY_COUNT(key.words); i++)
		for (size_t j = 0; j < i; j++)
			CU_ASSERT(key.words[i] != key.words[j]);
}

/* ---- how good the bits are ---- */

enum pattern { PATTERN_COUNTED, PATTERN_PADDED, PATTERN_ONE_BYTE, PATTERN_REVERSE, PATTERN_COUNT };

/* The i-th of a million names that look much alike. */
static size_t name_alike(enum pattern pattern, unsigned i, uint8_t wire[DNS_NAME_BYTES_MAX])
{
	static const char *const texts[PATTERN_COUNT] = {
		[PATTERN_COUNTED] = "host%u.customers.portico.example.",
		[PATTERN_PADDED] =
			"%07u.a-rather-long-label-in-the-middle-of-a-name-of-two-steps.net.",
		[PATTERN_ONE_BYTE] = "%c%c%c%c.example.",
		[PATTERN_REVERSE] = "%u.%u.%u.198.in-addr.arpa.",
	};
	char text[128];
	struct name n;

	switch (pattern) {
	case PATTERN_ONE_BYTE:
		snprintf(text, sizeof(text), texts[pattern], 'a' + i % 26, 'a' + i / 26 % 26,
			 'a' + i / 676 % 26, 'a' + i / 17576 % 26);
		/* 26^4 of them; the others have one more label. */
		if (i >= 456976)
			snprintf(text, sizeof(text), "%u.%u.example.", i % 1000, i / 1000);
		break;
	case PATTERN_REVERSE:
		snprintf(text, sizeof(text), texts[pattern], i % 256, i / 256 % 256, i / 65536);
		break;
	case PATTERN_COUNTED:
	case PATTERN_PADDED:
	case PATTERN_COUNT:
		snprintf(text, sizeof(text), texts[pattern], i);
		break;
	}
	CU_ASSERT_FATAL(name_from_text(text, &n));
	memcpy(wire, n.bytes, n.length_bytes);
	return n.length_bytes;
}

#define ALIKE_COUNT 1000000
#define BIN_BITS 12

static void name_fold__chooses_buckets_tags_and_owners_evenly(void)
{
	static const unsigned shifts[] = {64 - BIN_BITS, 32, 20, 0};
	static uint32_t bins[ARRAY_COUNT(shifts)][1 << BIN_BITS];
	static uint32_t both[1 << BIN_BITS]; /* half from each end: bucket and tag together */
	uint8_t wire[DNS_NAME_BYTES_MAX];
	char what[64];

	name_fold_key_init(&key, &secret);
	for (enum pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
		memset(bins, 0, sizeof(bins));
		memset(both, 0, sizeof(both));
		for (unsigned i = 0; i < ALIKE_COUNT; i++) {
			size_t length = name_alike(pattern, i, wire);
			uint64_t hash = fold(wire, length);

			for (size_t j = 0; j < ARRAY_COUNT(shifts); j++)
				bins[j][hash >> shifts[j] & ((1 << BIN_BITS) - 1)]++;
			both[(hash >> 58) << 6 | (hash & 63)]++;
		}
		for (size_t j = 0; j < ARRAY_COUNT(shifts); j++) {
			snprintf(what, sizeof(what), "pattern %u, bits from %u", pattern,
				 shifts[j]);
			CU_ASSERT(chi_square_accepts(what, bins[j], NULL, 1 << BIN_BITS));
		}
		snprintf(what, sizeof(what), "pattern %u, both ends", pattern);
		CU_ASSERT(chi_square_accepts(what, both, NULL, 1 << BIN_BITS));
	}
}

/* Whichever bit of a name changes, each bit of the hash changes in half of all names. */
static void name_fold__turns_half_of_all_bits(void)
{
	enum { NAMES = 2000, LENGTH = 24 };
	/* Six standard deviations of a mean of so many coins. */
	const double allowed = 6 * 0.5 / sqrt(NAMES);
	static uint32_t turned[LENGTH * 8][64];
	unsigned long long state = unit_seed();
	uint8_t wire[LENGTH];
	double total = 0;

	name_fold_key_init(&key, &secret);
	memset(turned, 0, sizeof(turned));
	for (unsigned n = 0; n < NAMES; n++) {
		uint64_t hash;

		/* Bytes whose bits can be turned without making or unmaking a letter: digits from 0x80 on. */
		for (size_t i = 0; i < LENGTH; i++)
			wire[i] = (uint8_t)(unit_random(&state) | 0x80);
		hash = fold(wire, LENGTH);
		for (size_t bit = 0; bit < LENGTH * 8; bit++) {
			uint64_t difference;

			if (bit % 8 == 7)
				continue;
			wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
			difference = hash ^ fold(wire, LENGTH);
			wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
			for (unsigned i = 0; i < 64; i++)
				turned[bit][i] += (uint32_t)(difference >> i & 1);
		}
	}
	for (size_t bit = 0; bit < LENGTH * 8; bit++)
		for (unsigned i = 0; i < 64 && bit % 8 != 7; i++) {
			double share = (double)turned[bit][i] / NAMES;

			CU_ASSERT(fabs(share - 0.5) < allowed);
			total += share;
		}
	CU_ASSERT(fabs(total / (LENGTH * 7 * 64) - 0.5) < 0.002);
}

static const struct unit_test tests[] = {
	UNIT_TEST(name_fold__is_the_same_in_all_variants),
	UNIT_TEST(name_fold__lowers_letters_and_nothing_else),
	UNIT_TEST(name_fold__reads_no_byte_beyond_the_name),
	UNIT_TEST(name_fold__depends_on_length_case_apart_and_key),
	UNIT_TEST(name_fold__key_has_no_word_twice),
	UNIT_TEST(name_fold__chooses_buckets_tags_and_owners_evenly),
	UNIT_TEST(name_fold__turns_half_of_all_bits),
};
UNIT_SUITE(name_fold, tests)
