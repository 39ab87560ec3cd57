#include <string.h>

#include "core/source_set.h"
#include "dpdk_app/port_floor.h"
#include "dpdk_app/port_map_ops.h"
#include "unit.h"

/* Ports of the scenarios: all that the file allows, and what the kernel hands out by itself. */
#define FIRST 1024
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST 60999

static struct port_map map_of(uint16_t first, uint16_t last)
{
	struct port_map map = {{0}};

	port_map_add(&map, first, last);
	return map;
}

/* ---- a world: what the rules say, and what comes of it ---- */

struct world {
	struct port_map range, reserved, ephemeral, held;
	uint32_t pool_size;
	uint32_t reached;
	struct port_map drawn;

	uint32_t floor;
	struct port_floor_supply supply;
};

static struct port_plan plan;

/* Bytes that are not random, and different each time. */
static void fill(struct entropy *e, uint8_t memory[2][PORT_SAMPLE_BYTES])
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	entropy_init(e, memory, PORT_SAMPLE_BYTES);
	for (unsigned block = 0; block < 2; block++) {
		struct buffer b = entropy_block_to_fill(e);

		for (size_t i = 0; i < b.capacity_bytes; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			((uint8_t *)b.data)[i] = (uint8_t)(state >> 32);
		}
		entropy_filled(e);
	}
}

static void look(struct world *w)
{
	const struct port_rules rules = {
		.range = &w->range,
		.reserved = &w->reserved,
		.ephemeral = &w->ephemeral,
		.held = &w->held,
	};

	port_plan_make(&plan, &rules);
	w->reached = port_floor_reached(&plan, w->reached);
	w->floor = port_floor(&plan, w->pool_size, w->reached);
	port_floor_supply(&plan, &w->held, &w->supply);
}

/* As the keeper does. */
static void draw(struct world *w)
{
	static uint8_t memory[2][PORT_SAMPLE_BYTES];
	struct entropy entropy;
	struct port_map drawn;

	fill(&entropy, memory);
	look(w);
	CU_ASSERT_FATAL(port_floor_draw(&w->supply, &w->drawn,
					w->pool_size == 0 ? PORT_COUNT : w->pool_size, w->floor,
					&entropy, &drawn));
	w->drawn = drawn;
}

/* A NIC shared with the kernel, everything else as it comes. */
static struct world shared_world(void)
{
	struct world w = {
		.range = map_of(FIRST, 65535),
		.ephemeral = map_of(EPHEMERAL_FIRST, EPHEMERAL_LAST),
	};

	draw(&w);
	return w;
}

static uint32_t count_in(const struct port_map *map, const struct port_map *of)
{
	struct port_map both = *map;

	port_map_intersect(&both, of);
	return port_map_count(&both);
}

/* ---- the floor ---- */

static void port_floor__is_the_least_of_what_there_may_be(void)
{
	static const struct {
		const char *says;
		uint16_t range_last;
		uint32_t pool_size;
		uint32_t reached;
		uint32_t want;
	} cases[] = {
		{"many ports", 65535, 0, 1024, 1024},
		{"2,048 in the file", FIRST + 2047, 0, 1024, 1024},
		{"half of 2,046", FIRST + 2045, 0, 1024, 1023},
		{"half of an odd number, and one", FIRST + 100, 0, 1024, 51},
		{"the only port", FIRST, 0, 1024, 1},
		{"a pool", 65535, 300, 1024, 300},
		{"a pool of more", 65535, 2500, 1024, 1024},
		{"a pool that is nearly the range", FIRST + 399, 300, 1024, 200},
		{"what there has been", 65535, 0, 17, 17},
		{"there has been none", 65535, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct port_map range = map_of(FIRST, cases[i].range_last);
		/* The kernel's word makes no difference. */
		const struct port_map ephemeral = map_of(FIRST, 40000);
		const struct port_rules rules = {.range = &range, .ephemeral = &ephemeral};

		port_plan_make(&plan, &rules);
		CU_ASSERT_EQUAL(port_floor(&plan, cases[i].pool_size, cases[i].reached),
				cases[i].want);
	}
}

static void port_floor_configured__leaves_out_what_the_file_leaves_out(void)
{
	const struct port_map range = map_of(FIRST, FIRST + 999);
	const struct port_map exclude = map_of(FIRST, FIRST + 99);
	const struct port_map listen = map_of(FIRST + 100, FIRST + 100);
	const struct port_map reserved = map_of(FIRST, FIRST + 500);
	const struct port_map held = map_of(FIRST + 600, FIRST + 900);
	const struct port_rules rules = {.range = &range,
					 .exclude = &exclude,
					 .listen = &listen,
					 .reserved = &reserved,
					 .held = &held};

	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(port_floor_configured(&plan, 0), 899);
	CU_ASSERT_EQUAL(port_floor_configured(&plan, 898), 898);
	CU_ASSERT_EQUAL(port_floor_configured(&plan, 900), 899);
}

static void port_floor_reached__counts_held_ports_and_never_falls(void)
{
	const struct port_map range = map_of(FIRST, FIRST + 99);
	const struct port_map reserved = map_of(FIRST, FIRST + 39);
	const struct port_map held = map_of(FIRST + 50, FIRST + 99);
	const struct port_rules rules = {.range = &range, .reserved = &reserved, .held = &held};

	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(port_floor_reached(&plan, 0), 60);
	CU_ASSERT_EQUAL(port_floor_reached(&plan, 59), 60);
	CU_ASSERT_EQUAL(port_floor_reached(&plan, 61), 61);
}

/* ---- draws ---- */

static void port_floor_draw__takes_all_that_is_eligible(void)
{
	struct world w = shared_world();

	CU_ASSERT(port_map_equal(&w.drawn, &w.supply.eligible));
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 65536 - FIRST - 28232);
}

static void port_floor_draw__yields_every_held_port_while_enough_are_left(void)
{
	struct world w = shared_world();

	/* All but 1,024 of those eligible: 31,744 below the ephemeral range, 4,536 above. */
	w.held = map_of(FIRST + 1024, 65535);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 1024);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.held), 0);
}

/* sysctl net.ipv4.ip_local_port_range="1024 65535" */
static void port_floor_draw__keeps_ephemeral_ports_when_all_are(void)
{
	struct world w = shared_world();
	struct port_map before = w.drawn, kept;

	w.ephemeral = map_of(FIRST, 65535);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), PORT_FLOOR_MAX);
	/* Those that were ours, sampled from all over. */
	CU_ASSERT(port_map_within(&w.drawn, &before));
	kept = map_of(FIRST, FIRST + 15871);
	CU_ASSERT(count_in(&w.drawn, &kept) > 300 && count_in(&w.drawn, &kept) < 600);
	/* The same from then on, and all again when it is over. */
	before = w.drawn;
	draw(&w);
	CU_ASSERT(port_map_equal(&w.drawn, &before));
	w.ephemeral = map_of(EPHEMERAL_FIRST, EPHEMERAL_LAST);
	draw(&w);
	CU_ASSERT(port_map_equal(&w.drawn, &w.supply.eligible));
}

static void port_floor_draw__yields_kept_ports_that_a_process_binds(void)
{
	struct world w = shared_world();
	uint16_t port;

	w.ephemeral = map_of(FIRST, 65535);
	draw(&w);
	port = port_map_first(&w.drawn);
	port_map_add(&w.held, port, port);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), PORT_FLOOR_MAX);
	CU_ASSERT(!port_map_has(&w.drawn, port));
}

/* An unprivileged user binds all but ten of our ports. */
static void port_floor_draw__keeps_what_the_binder_of_36000_ports_cannot_know(void)
{
	struct world w = shared_world();
	struct port_map ten = map_of(FIRST, FIRST + 9);

	w.held = w.drawn;
	port_map_subtract(&w.held, &ten);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), PORT_FLOOR_MAX);
	CU_ASSERT(port_map_within(&ten, &w.drawn));
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.held), 0);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.supply.spoken_for), PORT_FLOOR_MAX - 10);
}

static void port_floor_draw__keeps_held_ports_when_nothing_else_is_left(void)
{
	struct world w = shared_world();
	struct port_map free_ones = map_of(EPHEMERAL_FIRST, EPHEMERAL_FIRST + 99);
	struct port_map first;

	w.held = w.range;
	port_map_subtract(&w.held, &free_ones);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), PORT_FLOOR_MAX);
	CU_ASSERT(port_map_within(&free_ones, &w.drawn));
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.supply.held), PORT_FLOOR_MAX - 100);
	/* Which ones is drawn by lot. */
	first = w.drawn;
	w.drawn = (struct port_map){{0}};
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), PORT_FLOOR_MAX);
	CU_ASSERT(count_in(&w.drawn, &first) < 300);
}

static void port_floor_draw__yields_of_a_narrow_range_up_to_its_half(void)
{
	struct world w = {.range = map_of(4000, 4099)};

	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 100);
	w.held = map_of(4000, 4049);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 50);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.held), 0);
	w.held = map_of(4000, 4089);
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 50);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.held), 40);
}

static void port_floor_draw__keeps_the_only_port(void)
{
	struct world w = {.range = map_of(53, 53)};

	draw(&w);
	w.held = w.range;
	draw(&w);
	CU_ASSERT(port_map_equal(&w.drawn, &w.range));
}

static void port_floor_draw__never_keeps_what_it_had_not_reached(void)
{
	/* An administrator who reserves 9 of 10 ports before the start means it. */
	struct world w = {.range = map_of(4000, 4009), .reserved = map_of(4000, 4008)};

	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 1);
	CU_ASSERT(port_map_has(&w.drawn, 4009));
}

static void port_floor_draw__replaces_a_pools_held_ports_by_others(void)
{
	struct world w = {.range = map_of(FIRST, 9999), .pool_size = 500};
	struct port_map before, taken;

	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 500);
	before = w.drawn;
	w.held = map_of(FIRST, 5000);
	taken = before;
	port_map_intersect(&taken, &w.held);
	CU_ASSERT(!port_map_is_empty(&taken));
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 500);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &w.held), 0);
	CU_ASSERT_EQUAL(count_in(&w.drawn, &before), 500 - port_map_count(&taken));
}

static void port_floor_draw__shrinks_a_pool_within_what_it_had(void)
{
	struct world w = {.range = map_of(FIRST, 9999), .pool_size = 500};
	struct port_map before;

	draw(&w);
	before = w.drawn;
	w.pool_size = 200;
	draw(&w);
	CU_ASSERT_EQUAL(port_map_count(&w.drawn), 200);
	CU_ASSERT(port_map_within(&w.drawn, &before));
}

static void port_floor_draw__leaves_out_untouched_without_random_bytes(void)
{
	static uint8_t memory[2][PORT_SAMPLE_BYTES];
	struct world w = {.range = map_of(FIRST, 9999), .pool_size = 500};
	struct port_map before, out;
	struct entropy entropy;

	look(&w);
	entropy_init(&entropy, memory, PORT_SAMPLE_BYTES);
	memset(&before, 0x5a, sizeof(before));
	out = before;
	CU_ASSERT(!port_floor_draw(&w.supply, &w.drawn, 500, w.floor, &entropy, &out));
	CU_ASSERT(port_map_equal(&out, &before));
}

/* Every combination of who is in the way, so that one block of random bytes is enough for each. */
static void port_floor_draw__never_falls_below_the_floor(void)
{
	for (uint32_t last = FIRST; last < 65000; last += 3331) {
		for (uint32_t held_last = FIRST; held_last < 65000; held_last += 4447) {
			struct world w = shared_world();

			w.ephemeral = map_of(FIRST, (uint16_t)last);
			w.held = map_of((uint16_t)(65535 - (held_last - FIRST)), 65535);
			draw(&w);
			CU_ASSERT_EQUAL(w.floor, PORT_FLOOR_MAX);
			CU_ASSERT(port_map_count(&w.drawn) >= w.floor);
			if (port_map_count(&w.drawn) > w.floor)
				CU_ASSERT(port_map_equal(&w.drawn, &w.supply.eligible));
		}
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_floor__is_the_least_of_what_there_may_be),
	UNIT_TEST(port_floor_configured__leaves_out_what_the_file_leaves_out),
	UNIT_TEST(port_floor_reached__counts_held_ports_and_never_falls),
	UNIT_TEST(port_floor_draw__takes_all_that_is_eligible),
	UNIT_TEST(port_floor_draw__yields_every_held_port_while_enough_are_left),
	UNIT_TEST(port_floor_draw__keeps_ephemeral_ports_when_all_are),
	UNIT_TEST(port_floor_draw__yields_kept_ports_that_a_process_binds),
	UNIT_TEST(port_floor_draw__keeps_what_the_binder_of_36000_ports_cannot_know),
	UNIT_TEST(port_floor_draw__keeps_held_ports_when_nothing_else_is_left),
	UNIT_TEST(port_floor_draw__yields_of_a_narrow_range_up_to_its_half),
	UNIT_TEST(port_floor_draw__keeps_the_only_port),
	UNIT_TEST(port_floor_draw__never_keeps_what_it_had_not_reached),
	UNIT_TEST(port_floor_draw__replaces_a_pools_held_ports_by_others),
	UNIT_TEST(port_floor_draw__shrinks_a_pool_within_what_it_had),
	UNIT_TEST(port_floor_draw__leaves_out_untouched_without_random_bytes),
	UNIT_TEST(port_floor_draw__never_falls_below_the_floor),
};
UNIT_SUITE(port_floor, tests)
