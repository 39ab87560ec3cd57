#include "core/latency.h"
#include "unit.h"

static void latency_bucket__holds_up_to_its_power_of_two(void)
{
	static const struct {
		uint64_t ns;
		unsigned want;
	} rows[] = {
		{0, 0},
		{1, 0},
		{1000, 0},
		{1001, 1},
		{2000, 1},
		{2001, 2},
		{4000, 2},
		{4001, 3},
		{1024 * NS_PER_US, 10},
		{1024 * NS_PER_US + 1, 11},
		{(UINT64_C(1) << 22) * NS_PER_US, 22},
		{(UINT64_C(1) << 22) * NS_PER_US + 1, LATENCY_BUCKETS - 1},
		{3600 * NS_PER_S, LATENCY_BUCKETS - 1},
		{UINT64_MAX - NS_PER_US, LATENCY_BUCKETS - 1},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(latency_bucket(rows[i].ns), rows[i].want);
}

static void latency_add__counts_and_sums(void)
{
	struct latency l = {{0}, 0};
	uint64_t sum = 0;

	latency_add(&l, 1500, 3);
	latency_add(&l, 1500, 1);
	latency_add(&l, 10 * NS_PER_S, 2);
	latency_add(&l, 7, 0);
	CU_ASSERT_EQUAL(l.counts[1], 4);
	CU_ASSERT_EQUAL(l.counts[LATENCY_BUCKETS - 1], 2);
	CU_ASSERT_EQUAL(l.sum_ns, 4 * 1500 + 20 * NS_PER_S);
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		sum += l.counts[i];
	CU_ASSERT_EQUAL(sum, 6);
}

static const struct unit_test tests[] = {
	UNIT_TEST(latency_bucket__holds_up_to_its_power_of_two),
	UNIT_TEST(latency_add__counts_and_sums),
};
UNIT_SUITE(latency, tests)
