#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "core/source_set.h"
#include "unit.h"

#define BLOCK_BYTES ((size_t)4 << 20)
#define SUBSETS 10 /* of two, or of three, of five */
#define SAMPLES 20000
#define SEED_FIXED 6056 /* of the statistical tests */

/* ---- ports ---- */

static struct port_map map_of(uint16_t first, uint16_t last)
{
	struct port_map m;

	port_map_clear(&m);
	port_map_add(&m, first, last);
	return m;
}

static void source_set_init__takes_what_it_draws_from(void)
{
	static struct source_set s;
	struct port_map ports = map_of(0, 99);

	memset(&s, 0xa5, sizeof(s));
	source_set_init(&s, &ports);
	CU_ASSERT_EQUAL(s.ports.port_count, 99);
	CU_ASSERT_FALSE(source_set_accepts(&s, 0));
	CU_ASSERT_TRUE(source_set_accepts(&s, 1));
	CU_ASSERT_TRUE(source_set_accepts(&s, 99));
	CU_ASSERT_FALSE(source_set_accepts(&s, 100));
	CU_ASSERT_FALSE(s.was_other_kind);
	CU_ASSERT_EQUAL(s.identifier_count, 0);
	CU_ASSERT_FALSE(source_set_has_identifier(&s, 0));
	CU_ASSERT_FALSE(source_set_has_identifier(&s, UINT64_C(0xa5a5a5a5a5a5a5a5)));
}

static void source_set_init__is_small_below_the_bound(void)
{
	static const struct {
		uint32_t count;
		bool want;
	} rows[] = {{1, true},
		    {SOURCE_SET_SMALL - 1, true},
		    {SOURCE_SET_SMALL, false},
		    {PORT_COUNT - 1, false}};
	static struct source_set s;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct port_map ports = map_of(1, (uint16_t)rows[i].count);

		source_set_init(&s, &ports);
		CU_ASSERT_EQUAL(s.ports.port_count, rows[i].count);
		CU_ASSERT_EQUAL(s.is_small, rows[i].want);
	}
}

static void source_set_keep__only_adds_to_what_is_taken(void)
{
	static struct source_set s;
	struct port_map ports = map_of(1000, 1099);
	struct port_map older = map_of(0, 1009);

	source_set_init(&s, &ports);
	source_set_keep(&s, &older);
	CU_ASSERT_EQUAL(s.ports.port_count, 100);
	CU_ASSERT_EQUAL(s.ports.ports[0], 1000);
	CU_ASSERT_FALSE(port_map_has(&s.ports.map, 999));
	CU_ASSERT_TRUE(source_set_accepts(&s, 999));
	CU_ASSERT_TRUE(source_set_accepts(&s, 1));
	CU_ASSERT_TRUE(source_set_accepts(&s, 1099));
	CU_ASSERT_FALSE(source_set_accepts(&s, 0));
	CU_ASSERT_FALSE(source_set_accepts(&s, 1100));
}

/* ---- identifiers ---- */

static void source_set_add_identifier__tells_live_ones_from_retiring(void)
{
	static struct source_set s;
	struct port_map ports = map_of(1, 1);

	source_set_init(&s, &ports);
	CU_ASSERT_TRUE(source_set_add_identifier(&s, 5, SOURCE_LIVE));
	CU_ASSERT_TRUE(source_set_add_identifier(&s, 6, SOURCE_RETIRING));
	CU_ASSERT_FALSE(source_set_add_identifier(&s, 5, SOURCE_RETIRING));
	CU_ASSERT_FALSE(source_set_add_identifier(&s, 6, SOURCE_LIVE));
	CU_ASSERT_FALSE(source_set_add_identifier(&s, 0, SOURCE_LIVE));
	CU_ASSERT_EQUAL(s.identifier_count, 1);
	CU_ASSERT_EQUAL(s.identifiers[0], 5);
	CU_ASSERT_TRUE(source_set_has_identifier(&s, 5));
	CU_ASSERT_TRUE(source_set_has_identifier(&s, 6));
	CU_ASSERT_FALSE(source_set_has_identifier(&s, 7));
	CU_ASSERT_FALSE(source_set_has_identifier(&s, 0));
}

static void source_set_add_identifier__stops_when_full(void)
{
	static struct source_set s;
	struct port_map ports = map_of(1, 1);
	unsigned long long random = unit_seed(), again = random;

	source_set_init(&s, &ports);
	for (unsigned i = 0; i < SOURCE_IDENTIFIERS_MAX; i++)
		CU_ASSERT_TRUE(source_set_add_identifier(&s, unit_random(&random), SOURCE_LIVE));
	CU_ASSERT_FALSE(source_set_add_identifier(&s, 1, SOURCE_LIVE));
	CU_ASSERT_FALSE(source_set_has_identifier(&s, 1));
	for (unsigned i = SOURCE_IDENTIFIERS_MAX; i < SOURCE_IDENTIFIER_PLACES / 2; i++)
		CU_ASSERT_TRUE(
			source_set_add_identifier(&s, unit_random(&random), SOURCE_RETIRING));
	CU_ASSERT_FALSE(source_set_add_identifier(&s, 1, SOURCE_RETIRING));
	CU_ASSERT_FALSE(source_set_has_identifier(&s, 1));
	for (unsigned i = 0; i < SOURCE_IDENTIFIER_PLACES / 2; i++)
		CU_ASSERT_TRUE(source_set_has_identifier(&s, unit_random(&again)));
	for (unsigned i = 0; i < SOURCE_IDENTIFIER_PLACES; i++)
		CU_ASSERT_FALSE(source_set_has_identifier(&s, unit_random(&random)));
}

/* Of a /120 all that differs is one byte: no two may hide each other. */
static void source_set_add_identifier__holds_all_of_a_narrow_prefix(void)
{
	static struct source_set s;
	struct port_map ports = map_of(1, 1);
	struct address prefix = {{0x20, 1, 0xd, 0xb8}};

	source_set_init(&s, &ports);
	for (uint64_t i = 1; i < 256; i++) {
		struct address a = source_address(&prefix, 120, i << 56);

		CU_ASSERT_EQUAL(a.bytes[15], i);
		CU_ASSERT_TRUE(
			source_set_add_identifier(&s, source_identifier_of(&a), SOURCE_LIVE));
	}
	CU_ASSERT_EQUAL(s.identifier_count, 255);
}

/* Places that a look for an identifier that is not there goes through: over all where it may begin. */
static void count_looks(const struct source_set *s, double *mean, unsigned *most)
{
	unsigned long long sum = 0;

	*most = 0;
	for (unsigned from = 0; from < SOURCE_IDENTIFIER_PLACES; from++) {
		unsigned looks = 1;

		while (s->places[(from + looks - 1) % SOURCE_IDENTIFIER_PLACES] != 0)
			looks++;
		sum += looks;
		*most = looks > *most ? looks : *most;
	}
	*mean = (double)sum / SOURCE_IDENTIFIER_PLACES;
}

/* Whichever bits the prefix leaves free. Half full, chance makes 2.5 of the mean (Knuth 6.4) and seldom over 100 of the most;
 * an attacker has us look for any. */
static void source_set_has_identifier__looks_at_few_places(void)
{
	static const uint8_t bits[] = {64, 72, 80, 88, 96, 104, 112, 116, 120, 124};
	static struct source_set s;
	struct port_map ports = map_of(1, 1);
	const struct address prefix = {
		{0x20, 1, 0xd, 0xb8, 0, 0x53, 0, 9, 0xff, 0, 0xa5, 0x11, 0x80, 0x37, 0xc0, 0}};
	unsigned long long random = unit_seed();

	for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
		unsigned free_bits = 128u - bits[i];
		unsigned holds =
			free_bits >= 14 ? SOURCE_IDENTIFIER_PLACES / 2 : (1u << free_bits) / 2;
		double mean;
		unsigned most;

		source_set_init(&s, &ports);
		while (s.place_count < holds) {
			struct address a = source_address(&prefix, bits[i], unit_random(&random));

			(void)source_set_add_identifier(
				&s, source_identifier_of(&a),
				s.place_count < holds / 2 ? SOURCE_LIVE : SOURCE_RETIRING);
		}
		count_looks(&s, &mean, &most);
		if (mean > 3.5 || most > 400)
			printf("/%u: %u identifiers, %.1f looks of the mean, %u of the most\n",
			       bits[i], holds, mean, most);
		CU_ASSERT(mean <= 3.5 && most <= 400);
	}
}

static void source_address__keeps_what_the_prefix_fixes(void)
{
	static const struct {
		uint8_t bits;
		uint8_t want[8]; /* of ff, over 11 22 33 44 55 66 77 80 */
	} rows[] = {
		{64, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{65, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{72, {0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{76, {0x11, 0x2f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{120, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0xff}},
		{121, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0xff}},
		{127, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x81}},
		{128, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x80}},
	};
	const struct address prefix = {{0x20, 1, 0xd, 0xb8, 0, 0x53, 0, 9, 0x11, 0x22, 0x33, 0x44,
					0x55, 0x66, 0x77, 0x80}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct address a = source_address(&prefix, rows[i].bits, UINT64_MAX);
		uint64_t identifier;

		CU_ASSERT_EQUAL(memcmp(a.bytes, prefix.bytes, 8), 0);
		CU_ASSERT_EQUAL(memcmp(a.bytes + 8, rows[i].want, 8), 0);
		memcpy(&identifier, rows[i].want, sizeof(identifier));
		CU_ASSERT_EQUAL(source_identifier_of(&a), identifier);
		/* What was made so makes the same again. */
		a = source_address(&prefix, rows[i].bits, identifier);
		CU_ASSERT_EQUAL(source_identifier_of(&a), identifier);
	}
}

/* ---- random subsets ---- */

struct pot {
	struct entropy entropy;
	uint8_t *memory;
	unsigned long long random;
};

static void pot_init(struct pot *p, unsigned long long seed)
{
	p->memory = malloc(2 * BLOCK_BYTES);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->memory);
	p->random = seed;
	entropy_init(&p->entropy, p->memory, BLOCK_BYTES);
}

static void pot_fill(struct pot *p)
{
	for (;;) {
		struct buffer block = entropy_block_to_fill(&p->entropy);

		if (block.capacity_bytes == 0)
			return;
		for (size_t i = 0; i < block.capacity_bytes; i += sizeof(p->random)) {
			unsigned long long value = unit_random(&p->random);

			memcpy(block.data + i, &value, sizeof(value));
		}
		entropy_filled(&p->entropy);
	}
}

static void sample(struct pot *p, struct port_map *out, const struct port_map *from, uint32_t count)
{
	pot_fill(p);
	CU_ASSERT_TRUE_FATAL(port_map_sample(out, from, count, &p->entropy));
}

static void port_map_sample__is_a_subset_of_that_size(void)
{
	static const uint32_t counts[] = {0, 1, 2500, 32767, 32768, 32769, 64000, 65534};
	struct port_map from = map_of(0, UINT16_MAX);
	struct pot p;

	pot_init(&p, unit_seed());
	for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
		struct port_map out, again;

		sample(&p, &out, &from, counts[i]);
		CU_ASSERT_EQUAL(port_map_count(&out), counts[i]);
		CU_ASSERT_FALSE(port_map_has(&out, 0));
		sample(&p, &again, &from, counts[i]);
		CU_ASSERT((memcmp(&out, &again, sizeof(out)) == 0) == (counts[i] == 0));
	}
	from = map_of(4000, 4499);
	for (uint32_t count = 0; count <= 500; count += 125) {
		struct port_map out;

		sample(&p, &out, &from, count);
		CU_ASSERT_EQUAL(port_map_count(&out), count);
		for (size_t i = 0; i < ARRAY_COUNT(out.bits); i++)
			CU_ASSERT_EQUAL(out.bits[i] & ~from.bits[i], 0);
	}
	free(p.memory);
}

static void port_map_sample__takes_all_where_there_are_no_more(void)
{
	struct port_map from = map_of(0, 9);
	struct entropy none;
	uint8_t memory[2];
	struct port_map out;

	entropy_init(&none, memory, 1); /* and needs no random bytes for that */
	CU_ASSERT_TRUE(port_map_sample(&out, &from, 9, &none));
	CU_ASSERT_EQUAL(port_map_count(&out), 9);
	CU_ASSERT_FALSE(port_map_has(&out, 0));
	CU_ASSERT_TRUE(port_map_sample(&out, &from, UINT32_MAX, &none));
	CU_ASSERT_EQUAL(port_map_count(&out), 9);
}

static void port_map_sample__without_random_bytes_changes_nothing(void)
{
	struct port_map from = map_of(1, 1000);
	struct port_map out = map_of(7, 7), before = out;
	struct pot p;

	pot_init(&p, unit_seed());
	CU_ASSERT_FALSE(port_map_sample(&out, &from, 10, &p.entropy));
	CU_ASSERT_EQUAL(memcmp(&out, &before, sizeof(out)), 0);
	free(p.memory);
}

/* Not even a generator that is stuck makes it fail, or run on. */
static void port_map_sample__ends_whatever_the_bytes_are(void)
{
	struct port_map from = map_of(1, UINT16_MAX);
	struct pot p;
	struct port_map out = map_of(7, 7);

	pot_init(&p, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct buffer block = entropy_block_to_fill(&p.entropy);

		memset(block.data, 0, block.capacity_bytes);
		entropy_filled(&p.entropy);
	}
	CU_ASSERT_TRUE(port_map_sample(&out, &from, 30000, &p.entropy));
	CU_ASSERT_EQUAL(port_map_count(&out), 30000);
	free(p.memory);
}

/* Each of the ten subsets is as likely as any other, whether it is drawn or what stays out of it. */
static void port_map_sample__makes_every_subset_equally_likely(void)
{
	static const uint16_t ports[5] = {1, 63, 64, 5353, 65535};
	struct port_map from;
	struct pot p;

	port_map_clear(&from);
	for (unsigned i = 0; i < 5; i++)
		port_map_add(&from, ports[i], ports[i]);
	pot_init(&p, SEED_FIXED);
	for (uint32_t count = 2; count <= 3; count++) {
		uint32_t seen[32] = {0}, subsets[SUBSETS];
		unsigned subset_count = 0;

		for (unsigned s = 0; s < SAMPLES; s++) {
			struct port_map out;
			unsigned mask = 0;

			sample(&p, &out, &from, count);
			for (unsigned i = 0; i < 5; i++)
				mask |= port_map_has(&out, ports[i]) ? 1u << i : 0;
			seen[mask]++;
		}
		for (unsigned mask = 0; mask < 32; mask++)
			if (seen[mask] > 0 && subset_count < SUBSETS)
				subsets[subset_count++] = seen[mask];
		CU_ASSERT_EQUAL_FATAL(subset_count, SUBSETS);
		CU_ASSERT(chi_square_accepts("subsets", subsets, NULL, SUBSETS));
	}
	free(p.memory);
}

/* A pool of 2,500 of the default's size: no part of the range is preferred. */
static void port_map_sample__is_even_over_the_range(void)
{
	static uint32_t blocks[63]; /* of 1,024 ports */
	struct port_map from = map_of(1024, UINT16_MAX);
	struct pot p;

	pot_init(&p, SEED_FIXED);
	memset(blocks, 0, sizeof(blocks));
	for (unsigned s = 0; s < 100; s++) {
		struct port_map out;

		sample(&p, &out, &from, 2500);
		for (uint32_t port = 1024; port < PORT_COUNT; port++)
			blocks[port / 1024 - 1] += port_map_has(&out, (uint16_t)port);
	}
	CU_ASSERT(chi_square_accepts("ports of pools", blocks, NULL, ARRAY_COUNT(blocks)));
	free(p.memory);
}

static const struct unit_test tests[] = {
	UNIT_TEST(source_set_init__takes_what_it_draws_from),
	UNIT_TEST(source_set_init__is_small_below_the_bound),
	UNIT_TEST(source_set_keep__only_adds_to_what_is_taken),
	UNIT_TEST(source_set_add_identifier__tells_live_ones_from_retiring),
	UNIT_TEST(source_set_add_identifier__stops_when_full),
	UNIT_TEST(source_set_add_identifier__holds_all_of_a_narrow_prefix),
	UNIT_TEST(source_set_has_identifier__looks_at_few_places),
	UNIT_TEST(source_address__keeps_what_the_prefix_fixes),
	UNIT_TEST(port_map_sample__is_a_subset_of_that_size),
	UNIT_TEST(port_map_sample__takes_all_where_there_are_no_more),
	UNIT_TEST(port_map_sample__without_random_bytes_changes_nothing),
	UNIT_TEST(port_map_sample__ends_whatever_the_bytes_are),
	UNIT_TEST(port_map_sample__makes_every_subset_equally_likely),
	UNIT_TEST(port_map_sample__is_even_over_the_range),
};
UNIT_SUITE(source_set, tests)
