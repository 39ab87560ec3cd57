/* Deadlines by index: a hierarchical wheel (Varghese and Lauck 1987), ticks of 2^20 ns (1.05 ms),
 * 4 levels of 256. Set, move and cancel are O(1); a deadline fires at or up to two ticks after its
 * time, never before.
 *
 * A timer sits at the level of the highest byte in which its tick differs from the wheel's, so
 * every slot of a level comes before every slot of the next one, and the first occupied slot is
 * found in the bitmaps: a jump of hours costs no more than the timers it moves, each at most once a
 * level. The top level is a ring (52 days); a timer beyond it waits in the last slot and is placed
 * again.
 *
 * Most timers are cancelled, or set anew for later, long before they fire. Neither moves them: one stays where it is linked
 * until that tick comes, and is then placed again by its deadline, or taken out if it has none. So a timer of T seconds costs
 * a list's links once in T seconds, however often it is set and cancelled meanwhile, and else one cache line.
 *
 * Memory: fixed by the number of timers. Threads: one worker's.
 */
#ifndef PORTICO_TIMER_WHEEL_H
#define PORTICO_TIMER_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "mono.h"

#define TIMER_TICK_SHIFT 20
#define TIMER_LEVELS 4
#define TIMER_SLOTS 256

struct timer_node;
struct timer_wheel {
	struct timer_node *nodes;
	uint32_t timer_count;
	uint32_t set_count;
	mono_ns now;   /* of the last advance: a deadline not after it is over */
	uint64_t tick; /* everything before it has fired; its own slot is looked at again */
	uint32_t slots[TIMER_LEVELS][TIMER_SLOTS]; /* heads, UINT32_MAX: empty */
	uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64];
	uint32_t expired; /* head of what timer_next_expired hands out, in order of ticks */
	uint32_t expired_tail;
};

size_t timer_wheel_memory_bytes(uint32_t timer_count);
void timer_wheel_init(struct timer_wheel *w, void *memory, uint32_t timer_count, mono_ns now);

/* Set or move timer idx. A deadline in the past fires at the next advance. */
void timer_set(struct timer_wheel *w, uint32_t idx, mono_ns deadline);
void timer_cancel(struct timer_wheel *w, uint32_t idx); /* no-op if it is not set */

/* Before timer_set and timer_cancel of many: pull timer idx towards the cache. */
void timer_prefetch(const struct timer_wheel *w, uint32_t idx);

/* Move to now (a now that went back moves nothing); then take out what has expired, one by one,
 * until UINT32_MAX. A timer that is taken is no longer set; setting or cancelling any timer between
 * calls is allowed. */
void timer_wheel_advance(struct timer_wheel *w, mono_ns now);
uint32_t timer_next_expired(struct timer_wheel *w);

/* When timer_wheel_advance next has something to do: never later than the earliest timer's firing
 * (its deadline rounded up to a tick), at most one slot of its level early; each advance to that
 * time makes progress. Once for each timer that has been cancelled or put off since it was linked it may be
 * earlier. MONO_NEVER: none is set. */
mono_ns timer_wheel_next(const struct timer_wheel *w);

/* Timers that are linked by another tick than their deadline's: then timer_wheel_next may be early. For tests; a pass over all. */
uint32_t timer_wheel_lingering(const struct timer_wheel *w);
void timer_wheel_check(const struct timer_wheel *w);

#endif
