/* Time as core knows it: nanoseconds of a clock that never goes back, given by the caller. */
#ifndef PORTICO_MONO_H
#define PORTICO_MONO_H

#include <stdint.h>

typedef uint64_t mono_ns;

#define MONO_NEVER UINT64_MAX
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

#endif
