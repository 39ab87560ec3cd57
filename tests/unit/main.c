/* Runs every suite that was linked in; exit 1 if anything failed. An argument runs one suite. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct unit_suite *suites;

void unit_register(struct unit_suite *suite)
{
	struct unit_suite **at = &suites;

	while (*at != NULL && strcmp((*at)->name, suite->name) < 0)
		at = &(*at)->next;
	suite->next = *at;
	*at = suite;
}

unsigned long unit_seed(void)
{
	const char *seed = getenv("SEED");

	return seed != NULL && *seed != '\0' ? strtoul(seed, NULL, 0) : 42;
}

int main(int argc, char **argv)
{
	unsigned added = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	for (struct unit_suite *s = suites; s != NULL; s = s->next) {
		CU_pSuite suite;

		if (argc > 1 && strcmp(argv[1], s->name) != 0)
			continue;
		suite = CU_add_suite(s->name, NULL, NULL);
		for (size_t i = 0; suite != NULL && i < s->test_count; i++)
			if (CU_add_test(suite, s->tests[i].name, s->tests[i].run) != NULL)
				added++;
	}
	if (added == 0) {
		fprintf(stderr, "unit: no test to run\n");
		return 2;
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	if (failures != 0)
		fprintf(stderr, "unit: SEED=%lu reproduces this\n", unit_seed());
	CU_cleanup_registry();
	return failures == 0 ? 0 : 1;
}
