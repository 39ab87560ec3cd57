#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "core/entropy.h"
#include "unit.h"

#define BLOCK_BYTES 96

/* The nth byte that the filler writes: from it follows which byte it was, at least modulo 251. */
static uint8_t byte_at(size_t n)
{
	return (uint8_t)(n % 251 + 1);
}

/* Fill one block if one is wanted; *filled counts the bytes written so far. */
static bool fill_one(struct entropy *e, size_t *filled)
{
	struct buffer block = entropy_block_to_fill(e);

	if (block.capacity_bytes == 0)
		return false;
	for (size_t i = 0; i < block.capacity_bytes; i++)
		block.data[i] = byte_at((*filled)++);
	entropy_filled(e);
	return true;
}

static bool all_zero(const uint8_t *bytes, size_t length_bytes)
{
	for (size_t i = 0; i < length_bytes; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void entropy_ready__waits_when_empty(void)
{
	struct entropy e;
	uint8_t memory[2 * BLOCK_BYTES];
	uint8_t out[BLOCK_BYTES];
	size_t filled = 0;

	entropy_init(&e, memory, BLOCK_BYTES);
	CU_ASSERT_FALSE(entropy_ready(&e, 1));
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, BLOCK_BYTES));
	entropy_take(&e, out, BLOCK_BYTES);
	CU_ASSERT_FALSE(entropy_ready(&e, 1));
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, 1));
	entropy_take(&e, out, 1);
	CU_ASSERT_EQUAL(out[0], byte_at(BLOCK_BYTES));
}

static void entropy_ready__wastes_nothing_that_fits(void)
{
	struct entropy e;
	uint8_t memory[2 * BLOCK_BYTES];
	uint8_t out[BLOCK_BYTES];
	size_t filled = 0;

	entropy_init(&e, memory, BLOCK_BYTES);
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, 1));
	entropy_take(&e, out, 1);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(entropy_ready(&e, BLOCK_BYTES - 1));
	entropy_take(&e, out, BLOCK_BYTES - 1);
	CU_ASSERT_EQUAL(out[0], byte_at(1));
	CU_ASSERT_EQUAL(out[BLOCK_BYTES - 2], byte_at(BLOCK_BYTES - 1));
}

static void entropy_ready__erases_a_rest_that_is_too_short(void)
{
	struct entropy e;
	uint8_t memory[2 * BLOCK_BYTES];
	uint8_t out[BLOCK_BYTES];
	size_t filled = 0;

	entropy_init(&e, memory, BLOCK_BYTES);
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, 10));
	entropy_take(&e, out, 10);
	/* The other block is not there yet: what was too short is gone all the same. */
	CU_ASSERT_FALSE(entropy_ready(&e, BLOCK_BYTES - 9));
	CU_ASSERT_TRUE(all_zero(memory, sizeof(memory) / 2));
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, BLOCK_BYTES - 9));
	entropy_take(&e, out, 1);
	CU_ASSERT_EQUAL(out[0], byte_at(BLOCK_BYTES));
}

static void entropy_block_to_fill__takes_turns(void)
{
	struct entropy e;
	uint8_t memory[2 * BLOCK_BYTES];
	uint8_t out[BLOCK_BYTES];
	size_t filled = 0;

	entropy_init(&e, memory, BLOCK_BYTES);
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_FALSE(fill_one(&e, &filled));
	CU_ASSERT_TRUE(entropy_ready(&e, BLOCK_BYTES));
	entropy_take(&e, out, BLOCK_BYTES - 1);
	CU_ASSERT_FALSE(fill_one(&e, &filled));
	/* A block is wanted again as soon as its last byte is taken, not at the next ready. */
	entropy_take(&e, out, 1);
	CU_ASSERT_PTR_EQUAL(entropy_block_to_fill(&e).data, memory);
	CU_ASSERT_TRUE(fill_one(&e, &filled));
	CU_ASSERT_FALSE(fill_one(&e, &filled));
}

/* Random lengths against a model that knows only: in order, and a block's rest may be skipped. */
static void entropy_take__erases_and_never_repeats_a_byte(void)
{
	unsigned long long random = unit_seed();
	struct entropy e;
	uint8_t memory[2 * BLOCK_BYTES];
	size_t filled = 0, next = 0;

	entropy_init(&e, memory, BLOCK_BYTES);
	for (int step = 0; step < 20000; step++) {
		size_t length_bytes = 1 + unit_random(&random) % BLOCK_BYTES;
		uint8_t out[BLOCK_BYTES];
		uint8_t *from;

		if (unit_random(&random) % 4 != 0)
			fill_one(&e, &filled);
		if (next % BLOCK_BYTES + length_bytes > BLOCK_BYTES && next < filled)
			next += BLOCK_BYTES - next % BLOCK_BYTES;
		CU_ASSERT_EQUAL_FATAL(entropy_ready(&e, length_bytes), next < filled);
		if (next >= filled)
			continue;
		from = memory + next / BLOCK_BYTES % 2 * BLOCK_BYTES + next % BLOCK_BYTES;
		entropy_take(&e, out, length_bytes);
		for (size_t i = 0; i < length_bytes; i++)
			CU_ASSERT_EQUAL_FATAL(out[i], byte_at(next + i));
		CU_ASSERT_TRUE_FATAL(all_zero(from, length_bytes));
		next += length_bytes;
	}
	CU_ASSERT(filled > 1000 * BLOCK_BYTES);
}

#define THREAD_BYTES (1u << 20)
#define THREAD_BLOCK_BYTES 4096

static void *fill_until_enough(void *argument)
{
	struct entropy *e = argument;
	size_t filled = 0;

	while (filled < THREAD_BYTES)
		if (!fill_one(e, &filled))
			sched_yield();
	return NULL;
}

static void entropy__two_threads_pass_the_exact_sequence(void)
{
	static uint8_t memory[2 * THREAD_BLOCK_BYTES];
	struct entropy e;
	pthread_t filler;
	size_t taken = 0, wrong = 0;

	entropy_init(&e, memory, THREAD_BLOCK_BYTES);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&filler, NULL, fill_until_enough, &e), 0);
	while (taken < THREAD_BYTES) {
		uint8_t out[64]; /* divides the block: nothing is wasted */

		if (!entropy_ready(&e, sizeof(out))) {
			sched_yield();
			continue;
		}
		entropy_take(&e, out, sizeof(out));
		for (size_t i = 0; i < sizeof(out); i++)
			wrong += out[i] != byte_at(taken++);
	}
	CU_ASSERT_EQUAL(pthread_join(filler, NULL), 0);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_FALSE(entropy_ready(&e, 1));
	CU_ASSERT_TRUE(all_zero(memory, sizeof(memory)));
}

#define DRAW_BLOCK_BYTES (2 * ENTROPY_UNIFORM_BYTES)

/* One uniform draw from a source that gives `first`, then ever `rest`; *tries says how many it
 * took. */
static uint32_t draw(uint32_t bound, uint32_t first, uint32_t rest, size_t *tries)
{
	struct entropy e;
	uint8_t memory[2 * DRAW_BLOCK_BYTES];
	struct buffer block;
	uint32_t result;

	entropy_init(&e, memory, DRAW_BLOCK_BYTES);
	block = entropy_block_to_fill(&e);
	for (size_t i = 0; i < block.capacity_bytes; i += sizeof(uint32_t))
		memcpy(block.data + i, i == 0 ? &first : &rest, sizeof(uint32_t));
	entropy_filled(&e);
	CU_ASSERT_TRUE_FATAL(entropy_ready(&e, ENTROPY_UNIFORM_BYTES));
	result = entropy_uniform(&e, bound);
	*tries = e.next_offset / sizeof(uint32_t);
	return result;
}

/* Every result has the same number of draws that give it: the draws for a result are an interval,
 * of which at most the first is rejected for bounds so small that the second low product is >=
 * bound. */
static void entropy_uniform__is_exact_for_small_bounds(void)
{
	for (uint32_t bound = 1; bound <= 300; bound++) {
		const uint64_t all = UINT64_C(1) << 32;
		uint64_t first = 0;

		for (uint32_t result = 0; result < bound; result++) {
			uint64_t end = ((result + UINT64_C(1)) * all + bound - 1) / bound;
			size_t first_tries, tries;
			uint64_t accepted;

			(void)draw(bound, (uint32_t)first, UINT32_MAX, &first_tries);
			accepted = end - first - (first_tries > 1);
			CU_ASSERT_EQUAL_FATAL(accepted, all / bound);
			CU_ASSERT_EQUAL_FATAL(draw(bound, (uint32_t)first + 1, 0, &tries), result);
			CU_ASSERT_EQUAL_FATAL(tries, 1);
			CU_ASSERT_EQUAL_FATAL(draw(bound, (uint32_t)(end - 1), 0, &tries), result);
			CU_ASSERT_EQUAL_FATAL(tries, 1);
			first = end;
		}
		CU_ASSERT_EQUAL(first, all);
	}
}

static void entropy_uniform__draws_again_and_ends(void)
{
	static const struct {
		const char *says;
		uint32_t bound, first, rest;
		uint32_t want;
		size_t want_tries;
	} rows[] = {
		{"bound 1 takes the first", 1, 0, 0, 0, 1},
		{"a power of two rejects nothing", 65536, 0, 0, 0, 1},
		{"largest draw, largest result", 65536, UINT32_MAX, 0, 65535, 1},
		{"3 rejects 0 and draws again", 3, 0, UINT32_MAX, 2, 2},
		{"the 16th rejected draw stands", 3, 0, 0, 0, ENTROPY_UNIFORM_BYTES / 4},
		{"the largest bound", UINT32_MAX, UINT32_MAX, 0, UINT32_MAX - 1, 1},
		{"half of all and one", 0x80000001u, 0, UINT32_MAX, 0x80000000u, 2},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		size_t tries;

		CU_ASSERT_EQUAL(draw(rows[i].bound, rows[i].first, rows[i].rest, &tries),
				rows[i].want);
		CU_ASSERT_EQUAL(tries, rows[i].want_tries);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(entropy_ready__waits_when_empty),
	UNIT_TEST(entropy_ready__wastes_nothing_that_fits),
	UNIT_TEST(entropy_ready__erases_a_rest_that_is_too_short),
	UNIT_TEST(entropy_block_to_fill__takes_turns),
	UNIT_TEST(entropy_take__erases_and_never_repeats_a_byte),
	UNIT_TEST(entropy__two_threads_pass_the_exact_sequence),
	UNIT_TEST(entropy_uniform__is_exact_for_small_bounds),
	UNIT_TEST(entropy_uniform__draws_again_and_ends),
};
UNIT_SUITE(entropy, tests)
