/* Tickets of many workers cannot be told from chance, and whatever draws them badly can (SECURITY.md A3, A4). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_statistics_draw.h"
#include "unit.h"

#define GOOD_DRAWS 1000000
#define BAD_DRAWS 400000
#define BAD_WORKERS 4
#define SEED 6056
#define DESTINATIONS 32
#define LEASED 400
#define RECENT 1000

/* What bad allocators keep in mind. */
struct bad {
	struct draw_world *world;
	unsigned long long random;
	size_t drawn;
	uint64_t lfsr[BAD_WORKERS], xorshift[BAD_WORKERS];
	uint32_t counters[DESTINATIONS];
	uint32_t deck_left;
	uint16_t deck[PORT_COUNT];
	uint16_t leases[BAD_WORKERS][LEASED];
	struct port_map leased;
	struct ticket last[BAD_WORKERS];
	uint16_t recent[BAD_WORKERS][RECENT];
	struct port_map recent_map[BAD_WORKERS];
};

static uint32_t below(struct bad *b, uint32_t bound)
{
	return (uint32_t)(((unit_random(&b->random) >> 32) * bound) >> 32);
}

static const struct port_set *set_of(const struct bad *b)
{
	return &b->world->published->ports;
}

static uint16_t any_port(struct bad *b)
{
	return set_of(b)->ports[below(b, set_of(b)->port_count)];
}

static uint16_t any_id(struct bad *b)
{
	return (uint16_t)below(b, 65536);
}

static struct ticket good(struct bad *b, unsigned worker)
{
	(void)worker;
	return (struct ticket){any_port(b), any_id(b)};
}

/* ---- ports ---- */

static struct ticket slices(struct bad *b, unsigned worker)
{
	uint32_t slice = set_of(b)->port_count / BAD_WORKERS;

	return (struct ticket){set_of(b)->ports[worker * slice + below(b, slice)], any_id(b)};
}

/* Every fourth port is a worker's. */
static struct ticket interleaved_slices(struct bad *b, unsigned worker)
{
	uint32_t slice = set_of(b)->port_count / BAD_WORKERS;

	return (struct ticket){set_of(b)->ports[below(b, slice) * BAD_WORKERS + worker], any_id(b)};
}

/* Each worker holds some ports that no other may use, any of all; now and then it takes another instead of one. */
static struct ticket leases(struct bad *b, unsigned worker)
{
	uint16_t *lease = &b->leases[worker][below(b, LEASED)];

	if (*lease == 0 || below(b, 8) == 0) {
		uint16_t port = any_port(b);

		while (port_map_has(&b->leased, port))
			port = any_port(b);
		if (*lease != 0)
			port_map_remove(&b->leased, *lease, *lease);
		port_map_add(&b->leased, port, port);
		*lease = port;
	}
	return (struct ticket){*lease, any_id(b)};
}

/* A port of its own for each destination. */
static struct ticket destination_hash(struct bad *b, unsigned worker)
{
	uint64_t hash = (below(b, DESTINATIONS) + 1) * UINT64_C(0x9e3779b97f4a7c15);

	(void)worker;
	return (struct ticket){set_of(b)->ports[(hash >> 32) % set_of(b)->port_count], any_id(b)};
}

/* Double hash (RFC 6056 section 3.3.4): each destination counts on from a place of its own. */
static struct ticket destination_counter(struct bad *b, unsigned worker)
{
	uint32_t destination = below(b, DESTINATIONS);
	uint64_t hash = (destination + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	uint64_t rank = (hash + b->counters[destination]++) % set_of(b)->port_count;

	(void)worker;
	return (struct ticket){set_of(b)->ports[rank], any_id(b)};
}

static struct ticket modulo_bias(struct bad *b, unsigned worker)
{
	(void)worker;
	return (struct ticket){set_of(b)->ports[any_id(b) % set_of(b)->port_count], any_id(b)};
}

static struct ticket last_port_missing(struct bad *b, unsigned worker)
{
	(void)worker;
	return (struct ticket){set_of(b)->ports[below(b, set_of(b)->port_count - 1)], any_id(b)};
}

static struct ticket port_deck(struct bad *b, unsigned worker)
{
	uint32_t at;
	uint16_t port;

	(void)worker;
	if (b->deck_left == 0) {
		b->deck_left = set_of(b)->port_count;
		memcpy(b->deck, set_of(b)->ports, b->deck_left * sizeof(b->deck[0]));
	}
	at = below(b, b->deck_left--);
	port = b->deck[at];
	b->deck[at] = b->deck[b->deck_left];
	return (struct ticket){port, any_id(b)};
}

/* The next one up to a hundred on. */
static struct ticket port_short_steps(struct bad *b, unsigned worker)
{
	uint32_t *at = &b->counters[worker];

	*at = (*at + 1 + below(b, 100)) % set_of(b)->port_count;
	return (struct ticket){set_of(b)->ports[*at], any_id(b)};
}

/* In quarters of the range, now this one, now that one. */
static struct ticket port_phases(struct bad *b, unsigned worker)
{
	uint32_t quarter = set_of(b)->port_count / 4;

	(void)worker;
	return (struct ticket){set_of(b)->ports[b->drawn / 5 % 4 * quarter + below(b, quarter)],
			       any_id(b)};
}

static struct ticket port_of_all(struct bad *b, unsigned worker)
{
	(void)worker;
	return (struct ticket){(uint16_t)(1 + below(b, 65535)), any_id(b)};
}

/* ---- IDs, and both ---- */

static struct ticket worker_in_high_id(struct bad *b, unsigned worker)
{
	return (struct ticket){any_port(b), (uint16_t)(worker << 14 | below(b, 1 << 14))};
}

static struct ticket worker_in_low_id(struct bad *b, unsigned worker)
{
	return (struct ticket){any_port(b), (uint16_t)(below(b, 1 << 14) << 2 | worker)};
}

/* x^64 + x^63 + x^61 + x^60 + 1, 16 steps a draw. */
static struct ticket id_lfsr(struct bad *b, unsigned worker)
{
	uint64_t *state = &b->lfsr[worker];

	for (unsigned i = 0; i < 16; i++)
		*state = *state >> 1 ^ (*state & 1 ? UINT64_C(0xd800000000000000) : 0);
	return (struct ticket){any_port(b), (uint16_t)*state};
}

/* Marsaglia's xorshift64, ports and IDs of one generator a worker. */
static struct ticket xorshift(struct bad *b, unsigned worker)
{
	uint64_t *state = &b->xorshift[worker];

	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (struct ticket){set_of(b)->ports[(*state >> 32) * set_of(b)->port_count >> 32],
			       (uint16_t)*state};
}

static struct ticket id_counter(struct bad *b, unsigned worker)
{
	return (struct ticket){any_port(b), (uint16_t)b->counters[worker]++};
}

/* None of this worker's last thousand. */
static struct ticket id_not_again_soon(struct bad *b, unsigned worker)
{
	struct ticket ticket = good(b, worker);
	uint16_t *oldest = &b->recent[worker][b->counters[worker]++ % RECENT];

	while (port_map_has(&b->recent_map[worker], ticket.id))
		ticket.id = any_id(b);
	port_map_remove(&b->recent_map[worker], *oldest, *oldest);
	port_map_add(&b->recent_map[worker], ticket.id, ticket.id);
	*oldest = ticket.id;
	return ticket;
}

static struct ticket id_of_port(struct bad *b, unsigned worker)
{
	struct ticket ticket = good(b, worker);

	ticket.id = (uint16_t)((ticket.id & ~31) | (ticket.port & 31));
	return ticket;
}

static struct ticket port_of_id_before(struct bad *b, unsigned worker)
{
	struct ticket ticket = good(b, worker);

	while ((ticket.port & 15) != (b->last[0].id & 15))
		ticket = good(b, worker);
	b->last[0] = ticket;
	return ticket;
}

/* Two workers with the same key: the second says what the first has said. */
static struct ticket same_key(struct bad *b, unsigned worker)
{
	struct ticket ticket = good(b, worker);

	if (worker == 1 && b->last[0].port != 0) {
		ticket = b->last[0];
		b->last[0].port = 0;
	} else if (worker == 0) {
		b->last[0] = ticket;
	}
	return ticket;
}

static struct ticket id_above_127(struct bad *b, unsigned worker)
{
	struct ticket ticket = good(b, worker);

	while (ticket.id < 128)
		ticket.id = any_id(b);
	return ticket;
}

/* ---- tests ---- */

typedef struct ticket (*allocator)(struct bad *b, unsigned worker);

static uint32_t judge_allocator(allocator draw, size_t count)
{
	struct draw_world *world = draw_world_make(BAD_WORKERS, SEED);
	struct bad *b = calloc(1, sizeof(*b));
	struct port_draws d;
	uint32_t refused;

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	b->world = world;
	b->random = SEED + 1;
	for (unsigned i = 0; i < BAD_WORKERS; i++)
		b->lfsr[i] = b->xorshift[i] = unit_random(&b->random);
	port_draws_make(&d, set_of(b), count, BAD_WORKERS);
	for (; b->drawn < count; b->drawn++) {
		unsigned worker = draw_world_next_worker(world);
		struct ticket ticket = draw(b, worker);

		d.ports[b->drawn] = ticket.port;
		d.ids[b->drawn] = ticket.id;
		d.workers[b->drawn] = (uint8_t)worker;
	}
	refused = port_statistics(&d, NULL);
	port_draws_free(&d);
	free(b);
	draw_world_free(world);
	return refused;
}

/* A test that cannot fail is no test: each of these is refused, by that statistic which is there for it. */
static void port_statistics__refuse_bad_allocators(void)
{
	static const struct {
		const char *says;
		allocator draw;
		size_t draws;
		enum port_statistic by, also; /* the same if there is no other */
	} rows[] = {
		{"slices of the range", slices, BAD_DRAWS, PORT_WORKER, PORT_OVERLAP},
		{"every fourth port", interleaved_slices, BAD_DRAWS, PORT_WORKER, PORT_OVERLAP},
		{"leases", leases, BAD_DRAWS, PORT_OVERLAP, PORT_PREDICTED},
		{"a port a destination", destination_hash, BAD_DRAWS, PORT_BINS, PORT_EACH},
		{"a counter a destination", destination_counter, BAD_DRAWS, PORT_PREDICTED,
		 PORT_BINS},
		{"modulo of 16 bits", modulo_bias, BAD_DRAWS, PORT_EACH, PORT_BINS},
		{"one port is missing", last_port_missing, GOOD_DRAWS, PORT_ENDS, PORT_ENDS},
		{"a deck of ports", port_deck, BAD_DRAWS, PORT_EACH, PORT_PREDICTED},
		{"short steps", port_short_steps, BAD_DRAWS, PORT_PREDICTED, PORT_SERIAL},
		{"a quarter at a time", port_phases, BAD_DRAWS, PORT_SERIAL, PORT_SERIAL},
		{"a port that is not eligible", port_of_all, BAD_DRAWS, PORT_FOREIGN, PORT_FOREIGN},
		{"worker in the ID's high bits", worker_in_high_id, BAD_DRAWS, PORT_WORKER_ID,
		 PORT_WORKER_ID},
		{"worker in the ID's low bits", worker_in_low_id, BAD_DRAWS, PORT_WORKER_ID,
		 PORT_WORKER_ID},
		{"IDs of a shift register", id_lfsr, BAD_DRAWS, PORT_COMPLEXITY, PORT_COMPLEXITY},
		{"all of a xorshift", xorshift, BAD_DRAWS, PORT_COMPLEXITY, PORT_COMPLEXITY},
		{"an ID counter a worker", id_counter, BAD_DRAWS, PORT_ID_PREDICTED, PORT_ID_BINS},
		{"IDs not of the last thousand", id_not_again_soon, BAD_DRAWS, PORT_ID_PREDICTED,
		 PORT_ID_PREDICTED},
		{"the port's bits in the ID", id_of_port, BAD_DRAWS, PORT_WITH_ID, PORT_WITH_ID},
		{"the ID's bits in the next port", port_of_id_before, BAD_DRAWS, PORT_WITH_ID,
		 PORT_WITH_ID},
		{"two workers with one key", same_key, BAD_DRAWS, PORT_OVERLAP, PORT_OVERLAP},
		{"IDs below 128 are missing", id_above_127, GOOD_DRAWS, PORT_ID_EACH, PORT_ENDS},
	};
	uint32_t shown = 0;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint32_t refused = judge_allocator(rows[i].draw, rows[i].draws);
		uint32_t want = PORT_STATISTIC_BIT(rows[i].by) | PORT_STATISTIC_BIT(rows[i].also);

		if ((refused & want) != want)
			printf("\n%s: refused by %#x, not by all of %#x\n", rows[i].says, refused,
			       want);
		CU_ASSERT_EQUAL(refused & want, want);
		shown |= want;
	}
	/* Every statistic has been seen to refuse something. */
	CU_ASSERT_EQUAL(shown, PORT_STATISTIC_BIT(PORT_STATISTIC_COUNT) - 1);
	CU_ASSERT_EQUAL(judge_allocator(good, BAD_DRAWS), 0);
}

static void million_draws(unsigned worker_count)
{
	struct draw_world *world = draw_world_make(worker_count, SEED + worker_count);
	struct port_draws d;
	char who[20];

	port_draws_make(&d, &world->published->ports, GOOD_DRAWS, worker_count);
	for (size_t i = 0; i < GOOD_DRAWS; i++) {
		unsigned worker = draw_world_next_worker(world);
		struct ticket ticket = draw_worker_ticket(world, worker);

		d.ports[i] = ticket.port;
		d.ids[i] = ticket.id;
		d.workers[i] = (uint8_t)worker;
	}
	snprintf(who, sizeof(who), "%u workers", worker_count);
	CU_ASSERT_EQUAL(port_statistics(&d, who), 0);
	port_draws_free(&d);
	draw_world_free(world);
}

static void ticket_draw__a_million_of_one_worker_are_as_chance_has_it(void)
{
	million_draws(1);
}

static void ticket_draw__a_million_of_two_workers_are_as_chance_has_it(void)
{
	million_draws(2);
}

static void ticket_draw__a_million_of_four_workers_are_as_chance_has_it(void)
{
	million_draws(4);
}

static void ticket_draw__a_million_of_eight_workers_are_as_chance_has_it(void)
{
	million_draws(8);
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_statistics__refuse_bad_allocators),
	UNIT_TEST(ticket_draw__a_million_of_one_worker_are_as_chance_has_it),
	UNIT_TEST(ticket_draw__a_million_of_two_workers_are_as_chance_has_it),
	UNIT_TEST(ticket_draw__a_million_of_four_workers_are_as_chance_has_it),
	UNIT_TEST(ticket_draw__a_million_of_eight_workers_are_as_chance_has_it),
};
UNIT_SUITE(port_statistics, tests)
