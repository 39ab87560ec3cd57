/* Shares of zones: what they begin with, how they grow, shrink and come back. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/zone_share.h"
#include "unit.h"

#define MS NS_PER_MS
#define DEAD UINT64_C(0x0123456789abcdef)
#define OTHER UINT64_C(0xfedcba9876543210)

struct fixture {
	struct zone_share_table table;
	void *memory;
	mono_ns now;
	uint64_t held;
	uint32_t places[UNDER_WAY_MAX];
	mono_ns taken_at[UNDER_WAY_MAX];
};

static struct fixture *fixture_new(uint32_t under_way_max)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = aligned_alloc(64, zone_share_memory_bytes(under_way_max));
	memset(f->memory, 0xa5, zone_share_memory_bytes(under_way_max));
	zone_share_init(&f->table, f->memory, under_way_max);
	f->now = 3600 * NS_PER_S;
	return f;
}

static void fixture_free(struct fixture *f)
{
	zone_share_check(&f->table, f->held);
	free(f->memory);
	free(f);
}

static bool take(struct fixture *f, uint64_t zone)
{
	uint32_t place;

	if (zone_share_take(&f->table, zone, f->now, &place) != ZONE_SHARE_OK)
		return false;
	f->places[f->held] = place;
	f->taken_at[f->held++] = f->now;
	return true;
}

static unsigned take_all(struct fixture *f, uint64_t zone)
{
	unsigned count = 0;

	while (take(f, zone))
		count++;
	return count;
}

/* The last that was taken. */
static void put(struct fixture *f, enum zone_share_end end)
{
	f->held--;
	zone_share_put(&f->table, f->places[f->held], f->taken_at[f->held], end, f->now);
}

static void put_all(struct fixture *f, enum zone_share_end end)
{
	while (f->held > 0)
		put(f, end);
}

static void zone_share__limits_each_zone_by_itself(void)
{
	struct fixture *f = fixture_new(UNDER_WAY_MAX);

	CU_ASSERT_EQUAL(take_all(f, DEAD), ZONE_SHARE_FIRST);
	CU_ASSERT(take(f, OTHER));
	put(f, ZONE_SHARE_NEITHER);
	put(f, ZONE_SHARE_NEITHER);
	CU_ASSERT_EQUAL(take_all(f, DEAD), 1);
	put_all(f, ZONE_SHARE_NEITHER);
	CU_ASSERT_EQUAL(take_all(f, DEAD), ZONE_SHARE_FIRST);
	put_all(f, ZONE_SHARE_NEITHER);
	fixture_free(f);
}

/* One more for each that is heard while more than half of it is in use, to a quarter of all; none where few ask. */
static void zone_share__grows_while_it_is_needed(void)
{
	struct fixture *f = fixture_new(UNDER_WAY_MAX);

	for (unsigned i = 0; i < 100; i++) {
		CU_ASSERT(take(f, DEAD));
		put(f, ZONE_SHARE_HEARD);
	}
	CU_ASSERT_EQUAL(take_all(f, DEAD), ZONE_SHARE_FIRST);
	for (unsigned i = 0; i < UNDER_WAY_MAX; i++) {
		put(f, ZONE_SHARE_HEARD);
		(void)take_all(f, DEAD);
	}
	CU_ASSERT_EQUAL(f->held, UNDER_WAY_MAX / 4);
	put_all(f, ZONE_SHARE_NEITHER);
	fixture_free(f);
}

static void zone_share__halves_once_a_round_and_comes_back(void)
{
	struct fixture *f = fixture_new(UNDER_WAY_MAX);
	unsigned want = ZONE_SHARE_FIRST;

	for (unsigned round = 0; round < 8; round++) {
		CU_ASSERT_EQUAL(take_all(f, DEAD), want);
		f->now += 4000 * MS;
		put_all(f, ZONE_SHARE_SILENT);
		want = want / 2 > ZONE_SHARE_MIN ? want / 2 : ZONE_SHARE_MIN;
	}
	CU_ASSERT_EQUAL(take_all(f, DEAD), ZONE_SHARE_MIN);
	/* Whatever is heard while others wait in vain: it is not the zone. */
	f->now += 1000 * MS;
	put(f, ZONE_SHARE_HEARD);
	put_all(f, ZONE_SHARE_SILENT);
	CU_ASSERT_EQUAL(take_all(f, DEAD), 2 * ZONE_SHARE_MIN);
	f->now += 1000 * MS;
	for (unsigned i = 0; i < 5; i++)
		put(f, ZONE_SHARE_HEARD);
	put_all(f, ZONE_SHARE_NEITHER);
	CU_ASSERT_EQUAL(take_all(f, DEAD), ZONE_SHARE_FIRST);
	put_all(f, ZONE_SHARE_NEITHER);
	fixture_free(f);
}

/* Zones that meet in one line: its places are given to others when nobody holds them, never before; who finds none goes on. */
static void zone_share__gives_places_to_others(void)
{
	struct fixture *f = fixture_new(64);
	const uint64_t zone = UINT64_C(1) << 32;

	for (unsigned i = 1; i <= ZONE_SHARE_WAYS * 4; i++)
		CU_ASSERT(take(f, i * zone));
	zone_share_check(&f->table, ZONE_SHARE_WAYS);
	CU_ASSERT_EQUAL(f->places[ZONE_SHARE_WAYS], ZONE_SHARE_NONE);
	while (f->held > ZONE_SHARE_WAYS)
		put(f, ZONE_SHARE_SILENT);
	put(f, ZONE_SHARE_NEITHER);
	CU_ASSERT_EQUAL(take_all(f, 100 * zone), 64 / 4);
	put_all(f, ZONE_SHARE_NEITHER);
	fixture_free(f);
}

static const struct unit_test tests[] = {
	UNIT_TEST(zone_share__limits_each_zone_by_itself),
	UNIT_TEST(zone_share__grows_while_it_is_needed),
	UNIT_TEST(zone_share__halves_once_a_round_and_comes_back),
	UNIT_TEST(zone_share__gives_places_to_others),
};
UNIT_SUITE(zone_share, tests)
