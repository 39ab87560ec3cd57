/* What only a build for black-box tests has (make TEST_HOOKS=1): time that a test moves on. A release build has neither the option
 * nor a word of it.
 *
 * --test-clock-offset-file PATH: the file's first 8 bytes, mapped, are seconds (int64, of this machine's byte order) that are added
 * to the clock that TTLs age by and to the wall clock, whenever these are read. Timers do not notice.
 *
 * Threads: opened by the main thread before others are; read by all.
 */
#ifndef PORTICO_TEST_HOOKS_H
#define PORTICO_TEST_HOOKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"

#ifdef PORTICO_TEST_HOOKS

#define TEST_HOOKS_CLOCK 0x1000 /* of getopt_long */
#define TEST_HOOKS_OPTIONS {"test-clock-offset-file", required_argument, NULL, TEST_HOOKS_CLOCK},
#define TEST_HOOKS_USAGE                                                                           \
	"For tests:\n"                                                                             \
	"       --test-clock-offset-file PATH   its int64 is added to the time, in seconds\n"

/* False: it is none of these options, or its file cannot be mapped (printed). */
MUST_USE bool test_hooks_take(int option, const char *value);
/* NULL: no file was given. */
const _Atomic int64_t *test_hooks_clock_offset(void);

#else

#define TEST_HOOKS_OPTIONS
#define TEST_HOOKS_USAGE ""

static inline bool test_hooks_take(int option, const char *value)
{
	(void)option;
	(void)value;
	return false;
}
static inline const _Atomic int64_t *test_hooks_clock_offset(void)
{
	return NULL;
}

#endif

/* As it is now. */
static inline int64_t test_hooks_offset_s(void)
{
	const _Atomic int64_t *offset = test_hooks_clock_offset();

	/* Relaxed: it stands for nothing but itself. */
	return offset != NULL ? atomic_load_explicit(offset, memory_order_relaxed) : 0;
}

#endif
