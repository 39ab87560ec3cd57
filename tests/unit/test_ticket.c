#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "core/ticket.h"
#include "unit.h"

#define BIN_COUNT 1024
#define TICKET_COUNT 1000000
#define LAG_MAX 16
#define CORRELATION_MAX 0.005
#define BLOCK_BYTES 4096
/* Of the statistical tests: fixed, as any bound on p is exceeded by some seed. */
#define STATISTICS_SEED 5452

struct source {
	struct entropy entropy;
	uint8_t memory[2 * BLOCK_BYTES];
	unsigned long long random;
};

static void source_init(struct source *s, unsigned long long seed)
{
	s->random = seed;
	entropy_init(&s->entropy, s->memory, BLOCK_BYTES);
}

static void source_fill(struct source *s)
{
	for (;;) {
		struct buffer block = entropy_block_to_fill(&s->entropy);

		if (block.capacity_bytes == 0)
			return;
		for (size_t i = 0; i < block.capacity_bytes; i += sizeof(s->random)) {
			unsigned long long value = unit_random(&s->random);

			memcpy(block.data + i, &value, sizeof(value));
		}
		entropy_filled(&s->entropy);
	}
}

static void set_default(struct port_set *set)
{
	struct port_map m;

	port_map_clear(&m);
	port_map_add(&m, 1024, PORT_COUNT - 1);
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		port_map_remove(&m, port_exclusions_default[i].first,
				port_exclusions_default[i].last);
	port_set_build(set, &m);
}

static void set_range(struct port_set *set, uint16_t first, uint16_t last)
{
	struct port_map m;

	port_map_clear(&m);
	port_map_add(&m, first, last);
	port_set_build(set, &m);
}

/* A million tickets as ranks of ports and IDs, drawn as a worker draws them. */
struct draws {
	struct port_set set;
	uint16_t ranks[TICKET_COUNT];
	uint16_t ids[TICKET_COUNT];
};

static struct draws *draws_make(void)
{
	static uint16_t rank_of[PORT_COUNT];
	struct draws *d = malloc(sizeof(*d));
	struct source source;
	struct ticket_hand hand;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	set_default(&d->set);
	for (uint32_t i = 0; i < d->set.port_count; i++)
		rank_of[d->set.ports[i]] = (uint16_t)i;
	source_init(&source, STATISTICS_SEED);
	ticket_hand_init(&hand);
	for (size_t i = 0; i < TICKET_COUNT; i++) {
		struct ticket ticket = {0};

		source_fill(&source);
		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &d->set, &source.entropy, &ticket));
		CU_ASSERT_TRUE_FATAL(port_map_has(&d->set.map, ticket.port));
		d->ranks[i] = rank_of[ticket.port];
		d->ids[i] = ticket.id;
	}
	return d;
}

static void ticket_draw__ports_are_uniform(void)
{
	struct draws *d = draws_make();
	static uint32_t observed[BIN_COUNT];
	static double expected[BIN_COUNT];

	memset(observed, 0, sizeof(observed));
	for (uint32_t rank = 0; rank < d->set.port_count; rank++)
		expected[rank * BIN_COUNT / d->set.port_count] +=
			TICKET_COUNT / (double)d->set.port_count;
	for (size_t i = 0; i < TICKET_COUNT; i++)
		observed[(uint32_t)d->ranks[i] * BIN_COUNT / d->set.port_count]++;
	CU_ASSERT_TRUE(chi_square_accepts("ports", observed, expected, BIN_COUNT));
	free(d);
}

static void ticket_draw__ids_are_uniform(void)
{
	struct draws *d = draws_make();
	static uint32_t high[BIN_COUNT], low[BIN_COUNT], joint[BIN_COUNT];

	for (size_t i = 0; i < TICKET_COUNT; i++) {
		high[d->ids[i] / (PORT_COUNT / BIN_COUNT)]++;
		low[d->ids[i] % BIN_COUNT]++;
		/* The port's low bits with the ID's: each must say nothing about the other. */
		joint[d->set.ports[d->ranks[i]] % 32 * 32 + d->ids[i] % 32]++;
	}
	CU_ASSERT_TRUE(chi_square_accepts("high ID bits", high, NULL, BIN_COUNT));
	CU_ASSERT_TRUE(chi_square_accepts("low ID bits", low, NULL, BIN_COUNT));
	CU_ASSERT_TRUE(chi_square_accepts("port with ID", joint, NULL, BIN_COUNT));
	free(d);
}

static void ticket_draw__reaches_both_ends(void)
{
	struct draws *d = draws_make();
	uint16_t rank_min = UINT16_MAX, rank_max = 0, id_min = UINT16_MAX, id_max = 0;

	for (size_t i = 0; i < TICKET_COUNT; i++) {
		rank_min = d->ranks[i] < rank_min ? d->ranks[i] : rank_min;
		rank_max = d->ranks[i] > rank_max ? d->ranks[i] : rank_max;
		id_min = d->ids[i] < id_min ? d->ids[i] : id_min;
		id_max = d->ids[i] > id_max ? d->ids[i] : id_max;
	}
	CU_ASSERT_EQUAL(rank_min, 0);
	CU_ASSERT_EQUAL(rank_max, d->set.port_count - 1);
	CU_ASSERT_EQUAL(id_min, 0);
	CU_ASSERT_EQUAL(id_max, UINT16_MAX);
	free(d);
}

static void ticket_draw__draws_are_not_correlated(void)
{
	struct draws *d = draws_make();

	for (size_t lag = 1; lag <= LAG_MAX; lag++) {
		CU_ASSERT(fabs(serial_correlation(d->ranks, TICKET_COUNT, lag)) < CORRELATION_MAX);
		CU_ASSERT(fabs(serial_correlation(d->ids, TICKET_COUNT, lag)) < CORRELATION_MAX);
	}
	free(d);
}

static void ticket_draw__waits_for_random_bytes(void)
{
	static struct port_set set;
	struct source source;
	struct ticket_hand hand;
	struct ticket ticket = {1, 2};
	unsigned drawn = 0;

	set_default(&set);
	source_init(&source, unit_seed());
	ticket_hand_init(&hand);
	CU_ASSERT_FALSE(ticket_draw(&hand, &set, &source.entropy, &ticket));
	CU_ASSERT(ticket.port == 1 && ticket.id == 2);
	source_fill(&source);
	while (ticket_draw(&hand, &set, &source.entropy, &ticket))
		drawn++;
	/* Ten whole hands a block; a draw rejected here or there. */
	CU_ASSERT(drawn <= 2 * (BLOCK_BYTES / TICKET_REFILL_BYTES) * TICKET_HAND_SIZE);
	CU_ASSERT(drawn >= 2 * (BLOCK_BYTES / TICKET_REFILL_BYTES) * TICKET_HAND_SIZE - 4);
	source_fill(&source);
	CU_ASSERT_TRUE(ticket_draw(&hand, &set, &source.entropy, &ticket));
}

static void ticket_draw__erases_what_it_played(void)
{
	static const struct ticket none = {0};
	static struct port_set set;
	struct source source;
	struct ticket_hand hand;
	struct ticket ticket = {0};

	set_default(&set);
	source_init(&source, unit_seed());
	source_fill(&source);
	ticket_hand_init(&hand);
	for (unsigned i = 0; i < TICKET_HAND_SIZE; i++) {
		uint32_t left;

		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &set, &source.entropy, &ticket));
		left = hand.left;
		for (; left < TICKET_HAND_SIZE; left++)
			CU_ASSERT_EQUAL(memcmp(&hand.tickets[left], &none, sizeof(none)), 0);
		CU_ASSERT_NOT_EQUAL(ticket.port, 0);
	}
	/* And the bytes that it was drawn from. */
	for (size_t i = 0; i < TICKET_REFILL_BYTES; i++)
		CU_ASSERT_EQUAL(source.memory[i], 0);
	CU_ASSERT_NOT_EQUAL(source.memory[BLOCK_BYTES], 0);
}

static void ticket_draw__throws_away_a_hand_of_an_older_set(void)
{
	static struct port_set older, newer;
	struct source source;
	struct ticket_hand hand;
	struct ticket ticket = {0};

	set_range(&older, 2000, 2999);
	set_range(&newer, 5000, 9095);
	source_init(&source, unit_seed());
	ticket_hand_init(&hand);
	for (unsigned i = 0; i < 1000; i++) {
		const struct port_set *set = i / 10 % 2 == 0 ? &older : &newer;

		source_fill(&source);
		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, set, &source.entropy, &ticket));
		CU_ASSERT_TRUE_FATAL(port_map_has(&set->map, ticket.port));
	}
	/* Also if the new one cannot be drawn at once. */
	CU_ASSERT(hand.left > 0);
	while (entropy_ready(&source.entropy, TICKET_REFILL_BYTES))
		entropy_take(&source.entropy, (uint8_t[TICKET_REFILL_BYTES]){0},
			     TICKET_REFILL_BYTES);
	CU_ASSERT_FALSE(ticket_draw(&hand, &older, &source.entropy, &ticket));
	CU_ASSERT_EQUAL(hand.left, 0);
	CU_ASSERT_FALSE(ticket_draw(&hand, &newer, &source.entropy, &ticket));
}

static void ticket_ahead__is_what_the_nth_draw_plays(void)
{
	static struct port_set set, other;
	struct source source;
	struct ticket_hand hand;
	struct ticket next = {1, 2}, ticket = {0};
	unsigned foretold = 0;

	set_default(&set);
	set_range(&other, 5000, 9095);
	source_init(&source, unit_seed());
	ticket_hand_init(&hand);
	CU_ASSERT_FALSE(ticket_ahead(&hand, &set, 0, &next)); /* nothing drawn yet */
	for (unsigned i = 0; i < 3 * TICKET_HAND_SIZE; i++) {
		bool known = ticket_ahead(&hand, &set, 0, &next);
		uint32_t left = hand.left;

		CU_ASSERT_EQUAL(known, left > 0);
		source_fill(&source);
		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &set, &source.entropy, &ticket));
		if (!known)
			continue;
		foretold++;
		CU_ASSERT_EQUAL(hand.left, left - 1);
		CU_ASSERT(ticket.port == next.port && ticket.id == next.id);
	}
	CU_ASSERT(foretold >= 3 * (TICKET_HAND_SIZE - 2));
	/* A hand of another set will be thrown away: it says nothing. */
	CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &set, &source.entropy, &ticket));
	next = (struct ticket){1, 2};
	CU_ASSERT_FALSE(ticket_ahead(&hand, &other, 0, &next));
	CU_ASSERT(next.port == 1 && next.id == 2);
}

static void ticket_refill__plays_what_is_left_first(void)
{
	struct port_set set, other;
	struct source source;
	struct ticket_hand hand;
	struct ticket left[TICKET_HAND_SIZE], next;
	uint32_t count;

	set_default(&set);
	set_range(&other, 2000, 2000);
	source_init(&source, STATISTICS_SEED);
	source_fill(&source);
	ticket_hand_init(&hand);
	for (unsigned i = 0; i < TICKET_HAND_SIZE * 2 / 3; i++)
		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &set, &source.entropy, &next));
	count = hand.left;
	CU_ASSERT_TRUE_FATAL(count > 10);
	for (uint32_t n = 0; n < count; n++)
		CU_ASSERT_TRUE(ticket_ahead(&hand, &set, n, &left[n]));
	CU_ASSERT_TRUE(ticket_refill(&hand, &set, &source.entropy));
	CU_ASSERT_TRUE(hand.left >= TICKET_HAND_SIZE - 2);
	for (uint32_t n = 0; n < count; n++) {
		CU_ASSERT_TRUE(ticket_draw(&hand, &set, &source.entropy, &next));
		CU_ASSERT(next.port == left[n].port && next.id == left[n].id);
	}
	/* The new ones are new. */
	CU_ASSERT_TRUE(ticket_draw(&hand, &set, &source.entropy, &next));
	for (uint32_t n = 0; n < count; n++)
		CU_ASSERT(next.port != left[n].port || next.id != left[n].id);
	/* What was drawn from another set goes. */
	CU_ASSERT_TRUE(ticket_refill(&hand, &other, &source.entropy));
	CU_ASSERT(hand.left == TICKET_HAND_SIZE);
	while (hand.left > 0) {
		CU_ASSERT_TRUE(ticket_draw(&hand, &other, &source.entropy, &next));
		CU_ASSERT_EQUAL(next.port, 2000);
	}
	/* Without random bytes what is left stays. */
	CU_ASSERT_TRUE(ticket_draw(&hand, &other, &source.entropy, &next));
	count = hand.left;
	while (entropy_ready(&source.entropy, 1))
		entropy_take(&source.entropy, (uint8_t[1]){0}, 1);
	CU_ASSERT_FALSE(ticket_refill(&hand, &other, &source.entropy));
	CU_ASSERT_EQUAL(hand.left, count);
}

/* From a source whose nth draw of a port is given, the tickets of one hand. */
static void ticket_refill__rejects_what_would_be_biased(void)
{
	static const struct {
		const char *says;
		uint16_t last; /* ports 1..last */
		uint32_t draw;
		uint32_t want_left;
		uint16_t want_port;
	} rows[] = {
		{"one port takes every draw", 1, 0, 64, 1},
		{"a power of two takes every draw", 4096, 0, 64, 1},
		{"5 ports reject 0", 5, 0, 0, 0},
		{"5 ports take 1", 5, 1, 64, 1},
		{"5 ports, the largest draw", 5, UINT32_MAX, 64, 5},
		{"all ports reject 0, as 2^32 mod 65535 = 1", 65535, 0, 0, 0},
		{"all ports, the largest draw", 65535, UINT32_MAX, 64, 65535},
	};
	static struct port_set set;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct entropy e;
		uint8_t memory[2 * TICKET_REFILL_BYTES];
		struct ticket_hand hand;
		struct buffer block;

		set_range(&set, 1, rows[i].last);
		entropy_init(&e, memory, TICKET_REFILL_BYTES);
		block = entropy_block_to_fill(&e);
		memset(block.data, 0xa5, block.capacity_bytes);
		for (size_t at = 0; at < block.capacity_bytes; at += TICKET_BYTES)
			memcpy(block.data + at, &rows[i].draw, sizeof(rows[i].draw));
		entropy_filled(&e);
		ticket_hand_init(&hand);
		CU_ASSERT_EQUAL(ticket_refill(&hand, &set, &e), rows[i].want_left > 0);
		CU_ASSERT_EQUAL(hand.left, rows[i].want_left);
		CU_ASSERT_EQUAL(hand.tickets[0].port, rows[i].want_port);
		CU_ASSERT_EQUAL(hand.tickets[0].id, rows[i].want_left > 0 ? 0xa5a5 : 0);
	}
}

/* The test of the tests: known values, and what is plainly not random is refused. */
static void chi_square__knows_even_from_uneven(void)
{
	static uint32_t counter[BIN_COUNT], uneven[BIN_COUNT];

	/* Abramowitz and Stegun, table 26.8: upper 5 % points. */
	CU_ASSERT(fabs(chi_square_p(3.841459, 1) - 0.05) < 1e-6);
	CU_ASSERT(fabs(chi_square_p(18.307038, 10) - 0.05) < 1e-6);
	CU_ASSERT(fabs(chi_square_p(124.342113, 100) - 0.05) < 1e-6);
	CU_ASSERT(fabs(chi_square_p(77.929465, 100) - 0.95) < 1e-6);
	/* Two degrees of freedom: exp(-x / 2). */
	CU_ASSERT(fabs(chi_square_p(30, 2) / exp(-15) - 1) < 1e-9);
	for (size_t i = 0; i < TICKET_COUNT; i++) {
		counter[i % BIN_COUNT]++;
		uneven[i % 100 == 0 ? 0 : i % BIN_COUNT]++;
	}
	CU_ASSERT(chi_square_p(900, BIN_COUNT - 1) > 0.99);
	CU_ASSERT_FALSE(chi_square_accepts("(expected) a counter", counter, NULL, BIN_COUNT));
	CU_ASSERT_FALSE(chi_square_accepts("(expected) a loaded bin", uneven, NULL, BIN_COUNT));
}

static const struct unit_test tests[] = {
	UNIT_TEST(chi_square__knows_even_from_uneven),
	UNIT_TEST(ticket_draw__ports_are_uniform),
	UNIT_TEST(ticket_draw__ids_are_uniform),
	UNIT_TEST(ticket_draw__reaches_both_ends),
	UNIT_TEST(ticket_draw__draws_are_not_correlated),
	UNIT_TEST(ticket_draw__waits_for_random_bytes),
	UNIT_TEST(ticket_draw__erases_what_it_played),
	UNIT_TEST(ticket_draw__throws_away_a_hand_of_an_older_set),
	UNIT_TEST(ticket_ahead__is_what_the_nth_draw_plays),
	UNIT_TEST(ticket_refill__plays_what_is_left_first),
	UNIT_TEST(ticket_refill__rejects_what_would_be_biased),
};
UNIT_SUITE(ticket, tests)
