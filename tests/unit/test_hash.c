#include "core/hash.h"
#include "unit.h"

#define MESSAGE_BYTES_MAX 64

/* Key 00 01 .. 0f, as both papers' vectors have it. */
static const struct hash_key counting_key = {UINT64_C(0x0706050403020100),
					     UINT64_C(0x0f0e0d0c0b0a0908)};

static void counting_message(uint8_t message[MESSAGE_BYTES_MAX])
{
	for (unsigned i = 0; i < MESSAGE_BYTES_MAX; i++)
		message[i] = (uint8_t)i;
}

/* SipHash's reference vectors (vectors_sip64): messages 00, 00 01, .. of every length to 63, the
 * result's bytes read as a little-endian word. Every eighth, and all of the first block. */
static void hash_mac__gives_the_reference_vectors(void)
{
	static const struct {
		size_t length_bytes;
		uint64_t want;
	} rows[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
		{2, UINT64_C(0x0d6c8009d9a94f5a)},  {3, UINT64_C(0x85676696d7fb7e2d)},
		{4, UINT64_C(0xcf2794e0277187b7)},  {5, UINT64_C(0x18765564cd99a68d)},
		{6, UINT64_C(0xcbc9466e58fee3ce)},  {7, UINT64_C(0xab0200f58b01d137)},
		{8, UINT64_C(0x93f5f5799a932462)},  {15, UINT64_C(0xa129ca6149be45e5)},
		{16, UINT64_C(0x3f2acc7f57c29bdb)}, {24, UINT64_C(0xb8ad50c6f649af94)},
		{32, UINT64_C(0x7127512f72f27cce)}, {40, UINT64_C(0x0e3ea96b5304a7d0)},
		{48, UINT64_C(0xe612a3cb9ecba951)}, {56, UINT64_C(0xb78dbfaf3a8d83bd)},
		{63, UINT64_C(0x958a324ceb064572)},
	};
	uint8_t message[MESSAGE_BYTES_MAX];

	counting_message(message);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(hash_mac(&counting_key,
					 (struct span){message, rows[i].length_bytes}),
				rows[i].want);
}

/* SipHash-1-3's vectors, as Rust's and CPython's hashers have them in their tests. */
static void hash_table__gives_the_1_3_vectors(void)
{
	static const struct {
		size_t length_bytes;
		uint64_t want;
	} rows[] = {
		{0, UINT64_C(0xabac0158050fc4dc)},
		{1, UINT64_C(0xc9f49bf37d57ca93)},
		{2, UINT64_C(0x82cb9b024dc7d44d)},
		{3, UINT64_C(0x8bf80ab8e7ddf7fb)},
	};
	uint8_t message[MESSAGE_BYTES_MAX];

	counting_message(message);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(hash_table(&counting_key,
					   (struct span){message, rows[i].length_bytes}),
				rows[i].want);
}

static void hash_table__depends_on_both_halves_of_the_key(void)
{
	uint8_t message[MESSAGE_BYTES_MAX];
	struct span input = {message, sizeof(message)};
	struct hash_key low = counting_key;
	struct hash_key high = counting_key;

	counting_message(message);
	low.k0 ^= 1;
	high.k1 ^= 1;
	CU_ASSERT_NOT_EQUAL(hash_table(&counting_key, input), hash_table(&low, input));
	CU_ASSERT_NOT_EQUAL(hash_table(&counting_key, input), hash_table(&high, input));
	CU_ASSERT_NOT_EQUAL(hash_table(&low, input), hash_table(&high, input));
}

static void hash_combine__spreads_neighbouring_values(void)
{
	uint64_t keyed = UINT64_C(0x726fdb47dd0e0e31);
	unsigned seen[16] = {0};

	/* 4096 consecutive values over 16 bins: 256 each, within 6 standard deviations. */
	for (uint64_t value = 0; value < 4096; value++)
		seen[hash_combine(keyed, value) >> 60]++;
	for (unsigned i = 0; i < ARRAY_COUNT(seen); i++)
		CU_ASSERT(seen[i] > 160 && seen[i] < 352);
	CU_ASSERT_NOT_EQUAL(hash_combine(keyed, 1), hash_combine(keyed + 1, 1));
}

static const struct unit_test tests[] = {
	UNIT_TEST(hash_mac__gives_the_reference_vectors),
	UNIT_TEST(hash_table__gives_the_1_3_vectors),
	UNIT_TEST(hash_table__depends_on_both_halves_of_the_key),
	UNIT_TEST(hash_combine__spreads_neighbouring_values),
};
UNIT_SUITE(hash, tests)
