/* Which variants of folding a name (name_fold.h) this CPU has. Apart from there, as core itself asks no CPU: its driver does, at
 * start.
 *
 * Threads: a pure function.
 */
#ifndef PORTICO_NAME_FOLD_CPU_H
#define PORTICO_NAME_FOLD_CPU_H

#include <stdbool.h>

#include "name_fold.h"

static inline bool name_fold_cpu_has(enum name_fold_variant variant)
{
	switch (variant) {
	case NAME_FOLD_SCALAR:
		return true;
	case NAME_FOLD_AVX2:
		return __builtin_cpu_supports("avx2") != 0;
	case NAME_FOLD_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	case NAME_FOLD_VARIANT_COUNT:
		break;
	}
	return false;
}

static inline enum name_fold_variant name_fold_cpu_best(void)
{
	enum name_fold_variant best = NAME_FOLD_SCALAR;

	for (enum name_fold_variant v = best; v < NAME_FOLD_VARIANT_COUNT; v++)
		if (name_fold_cpu_has(v))
			best = v;
	return best;
}

#endif
