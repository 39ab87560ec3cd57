#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/counter.h"
#include "unit.h"

static void counter_rows__have_unique_names_and_help(void)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		const char *name = counter_rows[i].name;

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		CU_ASSERT_PTR_NOT_NULL_FATAL(counter_rows[i].help);
		CU_ASSERT(strlen(name) > 0 && strlen(counter_rows[i].help) > 0);
		for (const char *c = name; *c != '\0'; c++)
			CU_ASSERT(islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
				  *c == '_');
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(name, counter_rows[j].name);
	}
}

static void counter_rows__drops_are_outcomes(void)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		bool is_drop = strncmp(counter_rows[i].name, "drops_", 6) == 0;

		if (is_drop)
			CU_ASSERT(i < COUNTER_OUTCOME_COUNT);
	}
	CU_ASSERT_STRING_EQUAL(counter_rows[COUNTER_OUTCOME_COUNT].name, "rx_packets");
	CU_ASSERT_STRING_EQUAL(counter_rows[COUNTER_NEAR_MISS].name, "near_misses");
}

static void counter_add__adds_to_its_counter_alone(void)
{
	struct counters c = {{0}};

	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		counter_add(&c, (enum counter)i, i + 1);
	counter_add(&c, COUNTER_NAPS, 5);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		CU_ASSERT_EQUAL(c.value[i], i + 1 + (i == COUNTER_NAPS ? 5 : 0));
}

static const struct unit_test tests[] = {
	UNIT_TEST(counter_rows__have_unique_names_and_help),
	UNIT_TEST(counter_rows__drops_are_outcomes),
	UNIT_TEST(counter_add__adds_to_its_counter_alone),
};
UNIT_SUITE(counter, tests)
