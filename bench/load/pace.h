/* When questions are due: at an even rate by a schedule that does not wait for answers, so that a slow answer makes the
 * following ones late instead of making them disappear (no coordinated omission). Only what the asker itself has slept through is left out:
 * asked all at once it would be a burst that nobody meant, and its latency the asker's.
 *
 * Time: cycles of the TSC, given. Threads: a value of its user.
 */
#ifndef LOAD_PACE_H
#define LOAD_PACE_H

#include <stdint.h>

struct pace {
	uint64_t start_tsc;
	double cycles_each;
	uint64_t taken_count;
};

static inline void pace_init(struct pace *p, uint64_t start_tsc, double per_s, uint64_t tsc_hz)
{
	*p = (struct pace){.start_tsc = start_tsc, .cycles_each = (double)tsc_hz / per_s};
}

/* When the next one is due. */
static inline uint64_t pace_next(const struct pace *p)
{
	return p->start_tsc + (uint64_t)((double)p->taken_count * p->cycles_each);
}

static inline void pace_take(struct pace *p)
{
	p->taken_count++;
}

/* Leave out as much as is due in so long a time: all that follows is as late as it would have been. Returns how many that is. */
static inline uint64_t pace_skip(struct pace *p, uint64_t away_cycles)
{
	uint64_t count = (uint64_t)((double)away_cycles / p->cycles_each);

	p->taken_count += count;
	return count;
}

#endif
