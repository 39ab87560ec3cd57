/* What every unit test file uses: it defines its suite with UNIT_SUITE and needs no other registration.
 *
 *   static void name_parse__rejects_forward_pointer(void) { CU_ASSERT(...); }
 *   static const struct unit_test tests[] = {UNIT_TEST(name_parse__rejects_forward_pointer)};
 *   UNIT_SUITE(name, tests)
 */
#ifndef PORTICO_UNIT_H
#define PORTICO_UNIT_H

#include <CUnit/CUnit.h>
#include <stddef.h>

#include "core/check.h"

struct unit_test {
	const char *name;
	void (*run)(void);
};

struct unit_suite {
	const char *name;
	const struct unit_test *tests;
	size_t test_count;
	struct unit_suite *next;
};

void unit_register(struct unit_suite *suite);

/* The seed of this run's generated inputs: SEED from the environment, else fixed. Printed on failure. */
unsigned long unit_seed(void);

#define UNIT_TEST(function)                                                                        \
	{                                                                                          \
#function, function                                                                \
	}
#define UNIT_SUITE(module, test_table)                                                             \
	static struct unit_suite unit_suite_##module = {#module, test_table,                       \
							ARRAY_COUNT(test_table), NULL};            \
	__attribute__((constructor)) static void unit_register_##module(void)                      \
	{                                                                                          \
		unit_register(&unit_suite_##module);                                               \
	}

/* Deterministic generator for test inputs only (splitmix64, Steele et al. 2014). */
static inline unsigned long long unit_random(unsigned long long *state)
{
	unsigned long long z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif
