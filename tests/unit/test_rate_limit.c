#include <stdlib.h>

#include "core/rate_limit.h"
#include "unit.h"

enum { BUCKETS = 1024, PER_S = 100 };

static const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const mono_ns start = 5000 * NS_PER_S;

static struct address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return address_from_v4((uint8_t[]){a, b, c, d});
}

static void make(struct rate_limit *r, uint32_t bucket_count, uint32_t per_s, mono_ns now)
{
	rate_limit_init(r, malloc(rate_limit_memory_bytes(bucket_count)), bucket_count, per_s, &key,
			now);
}

/* How many of `tries` are let through at once. */
static unsigned burst(struct rate_limit *r, struct address client, unsigned tries, mono_ns now)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < tries; i++)
		taken += rate_limit_take(r, &client, now);
	return taken;
}

static void rate_limit_take__allows_a_burst_and_then_the_rate(void)
{
	static const struct {
		const char *says;
		mono_ns after; /* of silence since the bucket was emptied */
		unsigned want;
	} cases[] = {
		{"at once", 0, 0},
		{"just before a token", 10 * NS_PER_MS - 1, 0},
		{"a token's time", 10 * NS_PER_MS, 1},
		{"just before the second", 20 * NS_PER_MS - 1, 1},
		{"half a second", 500 * NS_PER_MS, 50},
		{"a second", NS_PER_S, 100},
		{"an hour", 3600 * NS_PER_S, 100},
		{"40 days", 40 * 86400 * NS_PER_S, 100},
	};
	struct rate_limit r;

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		make(&r, BUCKETS, PER_S, start);
		CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 1000, start), PER_S);
		CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 1000, start + cases[i].after),
				cases[i].want);
		free(r.buckets);
	}
}

static void rate_limit_take__keeps_the_rate_however_often_it_is_asked(void)
{
	static const mono_ns steps[] = {NS_PER_US * 700, NS_PER_MS, NS_PER_MS * 3, NS_PER_MS * 7};
	struct rate_limit r;

	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		unsigned taken = 0;

		make(&r, BUCKETS, PER_S, start);
		CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 1000, start), PER_S);
		for (mono_ns now = start; now <= start + 10 * NS_PER_S; now += steps[i])
			taken += burst(&r, v4(192, 0, 2, 1), 3, now);
		CU_ASSERT(taken >= 10 * PER_S - 1 && taken <= 10 * PER_S);
		free(r.buckets);
	}
}

static void rate_limit_take__survives_the_wrap_of_its_clock(void)
{
	const mono_ns wrap = (UINT64_C(1) << 32) * NS_PER_MS;
	struct rate_limit r;

	make(&r, BUCKETS, PER_S, wrap - 100 * NS_PER_MS);
	CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 1000, wrap - 100 * NS_PER_MS), PER_S);
	CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 1000, wrap + 100 * NS_PER_MS), PER_S / 5);
	free(r.buckets);
}

static void rate_limit_take__counts_a_prefix_as_one_client(void)
{
	static const struct {
		const char *says;
		struct address a, b;
		bool shared;
	} cases[] = {
		{"IPv4 /24",
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 255}},
		 true},
		{"the next /24",
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 3, 0}},
		 false},
		{"IPv6 /56",
		 {{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4}},
		 {{0x20, 1, 0xd, 0xb8, 1, 2, 3, 5, 9, 9, 9, 9, 9, 9, 9, 9}},
		 true},
		{"the next /56",
		 {{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4}},
		 {{0x20, 1, 0xd, 0xb8, 1, 2, 4, 4}},
		 false},
		{"IPv4 and an IPv6 that begins like it",
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 192, 0, 2, 0}},
		 false},
	};
	struct rate_limit r;

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		make(&r, 1u << 16, PER_S, start);
		CU_ASSERT_EQUAL(burst(&r, cases[i].a, 1000, start), PER_S);
		CU_ASSERT_EQUAL(burst(&r, cases[i].b, 1000, start), cases[i].shared ? 0 : PER_S);
		free(r.buckets);
	}
}

static void rate_limit_take__stays_in_its_memory_for_any_client(void)
{
	unsigned long long state = unit_seed();
	struct rate_limit r;
	unsigned taken = 0;

	/* Two buckets: whatever the clients, no more than their tokens. */
	make(&r, 2, PER_S, start);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t words[2] = {unit_random(&state), unit_random(&state)};
		struct address client;

		memcpy(client.bytes, words, sizeof(client.bytes));
		taken += rate_limit_take(&r, &client, start);
	}
	CU_ASSERT_EQUAL(taken, 2 * PER_S);
	free(r.buckets);
}

static void rate_limit_take__refuses_all_at_rate_zero(void)
{
	struct rate_limit r;

	make(&r, BUCKETS, 0, start);
	CU_ASSERT_EQUAL(burst(&r, v4(192, 0, 2, 1), 10, start + 3600 * NS_PER_S), 0);
	free(r.buckets);
}

static const struct unit_test tests[] = {
	UNIT_TEST(rate_limit_take__allows_a_burst_and_then_the_rate),
	UNIT_TEST(rate_limit_take__keeps_the_rate_however_often_it_is_asked),
	UNIT_TEST(rate_limit_take__survives_the_wrap_of_its_clock),
	UNIT_TEST(rate_limit_take__counts_a_prefix_as_one_client),
	UNIT_TEST(rate_limit_take__stays_in_its_memory_for_any_client),
	UNIT_TEST(rate_limit_take__refuses_all_at_rate_zero),
};
UNIT_SUITE(rate_limit, tests)
