#include <string.h>

#include "core/port_plan.h"
#include "unit.h"

static struct port_map map_of(uint16_t first, uint16_t last)
{
	struct port_map m;

	port_map_clear(&m);
	port_map_add(&m, first, last);
	return m;
}

static uint32_t sum_of(const struct port_plan *plan)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < PORT_VERDICT_COUNT; i++)
		sum += plan->counts[i];
	return sum;
}

/* Each rule has a port more than the one before it, from 4500 on, which the defaults claim: all seven are there at 4500,
 * then one after the other is taken away. */
static void port_plan_make__names_the_first_rule_that_excludes(void)
{
	static struct port_plan plan;
	struct port_map range = map_of(1, 4499);
	struct port_map all = map_of(0, UINT16_MAX);
	struct port_rules rules = {.exclude_defaults = true,
				   .range = &range,
				   .exclude = &all,
				   .listen = &all,
				   .reserved = &all,
				   .ephemeral = &all,
				   .held = &all};

	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(plan.verdict[4499], PORT_EXCLUDED);
	rules.range = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_EXCLUDED);
	rules.exclude = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_CLAIMED);
	CU_ASSERT_EQUAL(plan.verdict[4501], PORT_LISTENS);
	rules.exclude_defaults = false;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_LISTENS);
	rules.listen = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_RESERVED);
	rules.reserved = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_EPHEMERAL);
	rules.ephemeral = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_HELD);
	rules.held = NULL;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_ELIGIBLE);
}

static void port_plan_make__counts_every_port_once(void)
{
	static struct port_plan plan;
	struct port_map range = map_of(1024, UINT16_MAX);
	struct port_map exclude = map_of(2000, 2999);
	struct port_map listen = map_of(53, 53);
	struct port_map reserved = map_of(2990, 3009);
	struct port_map ephemeral = map_of(32768, 60999);
	struct port_map held = map_of(60990, 61009);
	struct port_rules rules = {.range = &range,
				   .exclude = &exclude,
				   .listen = &listen,
				   .reserved = &reserved,
				   .ephemeral = &ephemeral,
				   .held = &held};
	struct port_map eligible;

	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(sum_of(&plan), PORT_COUNT);
	CU_ASSERT_EQUAL(plan.counts[PORT_OUT_OF_RANGE], 1024);
	CU_ASSERT_EQUAL(plan.counts[PORT_EXCLUDED], 1000);
	CU_ASSERT_EQUAL(plan.counts[PORT_CLAIMED], 0);
	CU_ASSERT_EQUAL(plan.counts[PORT_LISTENS], 0); /* it is out of range anyway */
	CU_ASSERT_EQUAL(plan.counts[PORT_RESERVED], 10);
	CU_ASSERT_EQUAL(plan.counts[PORT_EPHEMERAL], 28232);
	CU_ASSERT_EQUAL(plan.counts[PORT_HELD], 10);
	memset(&eligible, 0xff, sizeof(eligible));
	port_plan_eligible(&plan, &eligible);
	CU_ASSERT_EQUAL(port_map_count(&eligible), plan.counts[PORT_ELIGIBLE]);
	for (uint32_t port = 0; port < PORT_COUNT; port++)
		CU_ASSERT((plan.verdict[port] == PORT_ELIGIBLE) ==
			  port_map_has(&eligible, (uint16_t)port));
}

static void port_plan_make__without_rules_excludes_port_0_only(void)
{
	static struct port_plan plan;
	struct port_rules rules = {0};
	struct port_map eligible;

	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.counts[PORT_ELIGIBLE], PORT_COUNT - 1);
	CU_ASSERT_EQUAL(plan.verdict[0], PORT_OUT_OF_RANGE);
	port_plan_eligible(&plan, &eligible);
	CU_ASSERT_FALSE(port_map_has(&eligible, 0));
}

/* A fixed port is what the operator says, whatever else he says; only who holds it is stronger. */
static void port_plan_make__send_port_yields_to_its_holder_alone(void)
{
	static struct port_plan plan;
	struct port_map all = map_of(0, UINT16_MAX);
	struct port_map none;
	struct port_rules rules = {.send_port = 4500,
				   .exclude_defaults = true,
				   .range = &none,
				   .exclude = &all,
				   .listen = &all,
				   .reserved = &all,
				   .ephemeral = &all};

	port_map_clear(&none);
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_ELIGIBLE);
	CU_ASSERT_EQUAL(plan.counts[PORT_ELIGIBLE], 1);
	CU_ASSERT_EQUAL(plan.counts[PORT_OUT_OF_RANGE], PORT_COUNT - 1);
	rules.held = &all;
	port_plan_make(&plan, &rules);
	CU_ASSERT_EQUAL(plan.verdict[4500], PORT_HELD);
	CU_ASSERT_EQUAL(plan.counts[PORT_ELIGIBLE], 0);
	CU_ASSERT_EQUAL(plan.counts[PORT_OUT_OF_RANGE], PORT_COUNT - 1);
}

static void port_exclusion_of__finds_the_row(void)
{
	const struct port_exclusion *e = port_exclusion_of(4500);

	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT(e->first <= 4500 && e->last >= 4500);
	CU_ASSERT_PTR_NOT_NULL(strstr(e->reason, "IPsec"));
	e = port_exclusion_of(3785); /* the last of a row of two */
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_EQUAL(e->first, 3784);
	CU_ASSERT_PTR_NULL(port_exclusion_of(4501));
	CU_ASSERT_PTR_NULL(port_exclusion_of(0));
	CU_ASSERT_PTR_NULL(port_exclusion_of(UINT16_MAX));
}

static void port_verdict_text__has_a_word_for_each(void)
{
	for (unsigned i = 0; i < PORT_VERDICT_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(port_verdict_text[i]);
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(port_verdict_text[i], port_verdict_text[j]);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_plan_make__names_the_first_rule_that_excludes),
	UNIT_TEST(port_plan_make__counts_every_port_once),
	UNIT_TEST(port_plan_make__without_rules_excludes_port_0_only),
	UNIT_TEST(port_plan_make__send_port_yields_to_its_holder_alone),
	UNIT_TEST(port_exclusion_of__finds_the_row),
	UNIT_TEST(port_verdict_text__has_a_word_for_each),
};
UNIT_SUITE(port_plan, tests)
