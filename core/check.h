/* Assertions and compiler attributes that every file of core may use.
 *
 * CHECK is for our own mistakes and stays on in release; it never looks at network bytes (an
 * assertion that a packet can reach is a kill switch). DCHECK is for debug, simulation and fuzzing.
 */
#ifndef PORTICO_CHECK_H
#define PORTICO_CHECK_H

#define MUST_USE __attribute__((warn_unused_result))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (UNLIKELY(!(condition)))                                                        \
			__builtin_trap();                                                          \
	} while (0)

#ifdef PORTICO_DEBUG
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif

#endif
