#include "dpdk_app/stream_limits.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static const struct hash_key key = {1, 2};

static struct address v4(uint32_t number)
{
	const uint8_t bytes[4] = {198, 18, (uint8_t)(number >> 8), (uint8_t)number};

	return address_from_v4(bytes);
}

static struct address v6(uint8_t network, uint8_t host)
{
	struct address a = {{0x20, 0x01, 0, 2}};

	a.bytes[7] = network;
	a.bytes[15] = host;
	return a;
}

static unsigned open_many(struct stream_limits *l, const struct address *client, unsigned count)
{
	unsigned opened = 0;

	for (unsigned i = 0; i < count; i++)
		opened += stream_limits_open(l, client) == STREAM_LIMITS_OK;
	return opened;
}

static void one_client_has_three_quarters_while_nobody_else_comes(void)
{
	struct stream_limits l;
	struct address one = v4(1), two = v4(2);

	CU_ASSERT_FATAL(stream_limits_init(&l, 100, &key));
	stream_limits_set(&l, 100);
	CU_ASSERT_EQUAL(open_many(&l, &one, 100), 75);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &one), STREAM_LIMITS_SHARE);
	CU_ASSERT_EQUAL(open_many(&l, &two, 100), 25);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &one), 75);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &two), 25);
	CU_ASSERT_EQUAL(l.open_count, 100);
	stream_limits_fini(&l);
}

static void all_that_may_be_are_open(void)
{
	struct stream_limits l;
	struct address client;

	CU_ASSERT_FATAL(stream_limits_init(&l, 8, &key));
	stream_limits_set(&l, 8);
	for (uint32_t i = 0; i < 8; i++) {
		client = v4(i);
		CU_ASSERT_EQUAL(stream_limits_open(&l, &client), STREAM_LIMITS_OK);
	}
	client = v4(9);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &client), STREAM_LIMITS_FULL);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &client), 0);
	client = v4(3);
	stream_limits_close(&l, &client);
	client = v4(9);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &client), STREAM_LIMITS_OK);
	stream_limits_fini(&l);
}

static void one_may_always_be_open(void)
{
	struct stream_limits l;
	struct address client = v4(1);

	CU_ASSERT_FATAL(stream_limits_init(&l, 1, &key));
	stream_limits_set(&l, 1);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &client), STREAM_LIMITS_OK);
	client = v4(2);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &client), STREAM_LIMITS_FULL);
	stream_limits_fini(&l);
}

static void a_v6_network_counts_as_one(void)
{
	struct stream_limits l;
	struct address a = v6(1, 1), b = v6(1, 2), c = v6(2, 1);

	CU_ASSERT_FATAL(stream_limits_init(&l, 100, &key));
	stream_limits_set(&l, 100);
	CU_ASSERT_EQUAL(open_many(&l, &a, 40) + open_many(&l, &b, 60), 75);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &a), 75);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &b), 75);
	CU_ASSERT_EQUAL(open_many(&l, &c, 60), 25);
	stream_limits_close(&l, &b);
	CU_ASSERT_EQUAL(stream_limits_count(&l, &a), 74);
	stream_limits_fini(&l);
}

static void a_lower_limit_holds_for_those_that_come(void)
{
	struct stream_limits l;
	struct address a = v4(1), b = v4(2);

	CU_ASSERT_FATAL(stream_limits_init(&l, 100, &key));
	stream_limits_set(&l, 100);
	CU_ASSERT_EQUAL(open_many(&l, &a, 50), 50);
	stream_limits_set(&l, 40);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &b), STREAM_LIMITS_FULL);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &a), STREAM_LIMITS_SHARE);
	for (unsigned i = 0; i < 11; i++)
		stream_limits_close(&l, &a);
	CU_ASSERT_EQUAL(stream_limits_open(&l, &b), STREAM_LIMITS_OK);
	stream_limits_fini(&l);
}

/* Against plain counts: as many networks as there are places for, opened and closed at random. */
static void counts_are_right_whatever_the_order(void)
{
	enum { NETWORKS = 64, OPEN_MAX = 40, STEPS = 20000 };
	unsigned long long state = unit_seed();
	uint32_t counts[NETWORKS] = {0};
	struct stream_limits l;
	uint32_t open = 0;
	bool right = true;

	CU_ASSERT_FATAL(stream_limits_init(&l, OPEN_MAX, &key));
	stream_limits_set(&l, OPEN_MAX);
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t n = (uint32_t)(unit_random(&state) % NETWORKS);
		struct address client = v4(n);

		if (unit_random(&state) % 2 == 0 && counts[n] > 0) {
			stream_limits_close(&l, &client);
			counts[n]--;
			open--;
		} else if (stream_limits_open(&l, &client) == STREAM_LIMITS_OK) {
			counts[n]++;
			open++;
		}
		for (uint32_t i = 0; step % 100 == 0 && i < NETWORKS; i++) {
			client = v4(i);
			right = right && stream_limits_count(&l, &client) == counts[i];
		}
		right = right && l.open_count == open;
	}
	CU_ASSERT(right);
	stream_limits_fini(&l);
}

static const struct unit_test tests[] = {
	UNIT_TEST(one_client_has_three_quarters_while_nobody_else_comes),
	UNIT_TEST(all_that_may_be_are_open),
	UNIT_TEST(one_may_always_be_open),
	UNIT_TEST(a_v6_network_counts_as_one),
	UNIT_TEST(a_lower_limit_holds_for_those_that_come),
	UNIT_TEST(counts_are_right_whatever_the_order),
};
UNIT_SUITE(stream_limits, tests)
