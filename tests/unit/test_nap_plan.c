/* How a worker waits: by how busy it was, and by what comes in. */
#include "dpdk_app/nap_plan.h"
#include "unit.h"

#define BUSY_NS (8 * NS_PER_US)

/* Packets one by one, `gap_ns` apart, each busy_ns of work, for `length_ns`: as a worker that does not gather sees them. Returns
 * the end. */
static mono_ns stream(struct nap_plan *p, mono_ns from, uint64_t length_ns, uint64_t gap_ns,
		      uint64_t busy_ns)
{
	mono_ns now;

	for (now = from; now < from + length_ns; now += gap_ns)
		nap_plan_moved(p, now, now + busy_ns, 1);
	return now;
}

static void nap_plan__goes_by_load_and_density(void)
{
	static const struct {
		const char *says;
		uint64_t gap_ns;
		uint64_t busy_ns;
		enum nap_kind want;
	} cases[] = {
		{"a question now and then", 10 * NS_PER_MS, BUSY_NS, NAP_SLEEP},
		{"5,000 a second", 200 * NS_PER_US, BUSY_NS, NAP_SLEEP},
		{"less than two in a nap", 130 * NS_PER_US, BUSY_NS, NAP_SLEEP},
		{"two in a nap", 100 * NS_PER_US, BUSY_NS, NAP_GATHER},
		{"20,000 a second", 50 * NS_PER_US, BUSY_NS, NAP_GATHER},
		{"less than half of the time", 20 * NS_PER_US, 9 * NS_PER_US, NAP_GATHER},
		{"half of the time", 20 * NS_PER_US, 10 * NS_PER_US, NAP_SPIN},
		{"all of it, by few packets", 500 * NS_PER_US, 500 * NS_PER_US, NAP_SPIN},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct nap_plan p;
		mono_ns now = NS_PER_S;

		nap_plan_init(&p, now);
		CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_SLEEP);
		now = stream(&p, now, 20 * NS_PER_MS, cases[i].gap_ns, cases[i].busy_ns);
		if (nap_plan_choose(&p, now) != cases[i].want)
			CU_FAIL(cases[i].says);
	}
}

static void nap_plan__load_ends_later_than_it_begins(void)
{
	struct nap_plan p;
	mono_ns now = NS_PER_S;

	nap_plan_init(&p, now);
	now = stream(&p, now, 10 * NS_PER_MS, 20 * NS_PER_US, 12 * NS_PER_US);
	now = stream(&p, now, 10 * NS_PER_MS, 20 * NS_PER_US, 8 * NS_PER_US);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_SPIN);
	now = stream(&p, now, 10 * NS_PER_MS, 20 * NS_PER_US, 7 * NS_PER_US);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_GATHER);
}

/* What was before a pause counts no more after it. */
static void nap_plan__a_pause_ends_it(void)
{
	struct nap_plan p;
	mono_ns now = NS_PER_S;

	nap_plan_init(&p, now);
	now = stream(&p, now, 10 * NS_PER_MS, 20 * NS_PER_US, 12 * NS_PER_US);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_SPIN);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now + 50 * NS_PER_MS), NAP_SLEEP);
}

/* A client that asks again when it has its answer: each nap brings one question. */
static void nap_plan__naps_that_bring_nothing_are_put_off(void)
{
	struct nap_plan p;
	mono_ns now = NS_PER_S, end;
	unsigned naps = 0;

	nap_plan_init(&p, now);
	now = stream(&p, now, 10 * NS_PER_MS, 50 * NS_PER_US, BUSY_NS);
	for (end = now + NS_PER_S; now < end; now += 50 * NS_PER_US) {
		if (nap_plan_choose(&p, now) == NAP_GATHER) {
			nap_plan_gathered(&p);
			naps++;
			now += NAP_PLAN_GATHER_NS;
		}
		nap_plan_moved(&p, now, now + BUSY_NS, 1);
	}
	/* After 1, 2, 4 ... 256 ms, then every 256. */
	CU_ASSERT(naps >= 8 && naps <= 12);
}

static void nap_plan__naps_that_bring_something_go_on(void)
{
	struct nap_plan p;
	mono_ns now = NS_PER_S, end;
	unsigned naps = 0;

	nap_plan_init(&p, now);
	now = stream(&p, now, 10 * NS_PER_MS, 50 * NS_PER_US, BUSY_NS);
	for (end = now + 100 * NS_PER_MS; now < end; now += 4 * BUSY_NS) {
		CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_GATHER);
		nap_plan_gathered(&p);
		naps++;
		now += NAP_PLAN_GATHER_NS;
		nap_plan_moved(&p, now, now + 4 * BUSY_NS, 4);
	}
	CU_ASSERT(naps > 400);
	/* One of them for nothing: the first putting-off is short. */
	nap_plan_gathered(&p);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_SLEEP);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now + NAP_PLAN_PUT_OFF_MIN_NS / 2), NAP_SLEEP);
	now = stream(&p, now, NAP_PLAN_PUT_OFF_MIN_NS, 50 * NS_PER_US, BUSY_NS);
	CU_ASSERT_EQUAL(nap_plan_choose(&p, now), NAP_GATHER);
}

static const struct unit_test tests[] = {
	UNIT_TEST(nap_plan__goes_by_load_and_density),
	UNIT_TEST(nap_plan__load_ends_later_than_it_begins),
	UNIT_TEST(nap_plan__a_pause_ends_it),
	UNIT_TEST(nap_plan__naps_that_bring_nothing_are_put_off),
	UNIT_TEST(nap_plan__naps_that_bring_something_go_on),
};
UNIT_SUITE(nap_plan, tests)
