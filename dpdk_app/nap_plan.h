/* How a worker waits when there is nothing to do: it goes by how busy it has been, and by what comes in.
 *
 * Looks back over the last window of a millisecond or more. Loaded (half of the time busy): it spins for a while, naps would
 * only add to latency. Else, where packets come so fast that a short nap gathers several, it gathers: a nap, its wake-up and
 * the driver's system calls then cost once for all of them. Else it sleeps, woken by what arrives where the driver can wake.
 * A gathering nap that brings nothing to speak of (a client that waits for each answer) was a mistake: the next one is put off, twice
 * as long each time.
 *
 * Memory: a value of its user. Time: mono_ns, given. Threads: one.
 */
#ifndef PORTICO_NAP_PLAN_H
#define PORTICO_NAP_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mono.h"

#define NAP_PLAN_WINDOW_NS (1 * NS_PER_MS)
/* A gathering nap, which ends some 25 us late: adds half of it to the middle answer's latency. */
#define NAP_PLAN_GATHER_NS (200 * NS_PER_US)
#define NAP_PLAN_PUT_OFF_MIN_NS (1 * NS_PER_MS)
#define NAP_PLAN_PUT_OFF_MAX_NS (256 * NS_PER_MS)

enum nap_kind {
	NAP_SPIN,   /* look again at once */
	NAP_GATHER, /* a short nap that no packet ends */
	NAP_SLEEP,  /* until something comes, if it can wake us */
};

struct nap_plan {
	mono_ns window_start;
	uint64_t busy_ns; /* of the window so far */
	uint64_t packets;
	bool loaded;   /* by the last window, as is the next */
	bool dense;    /* a gathering nap would bring several packets */
	bool gathered; /* the last nap was for gathering, and has not been judged yet */
	uint64_t put_off_ns;
	mono_ns gather_from;
};

void nap_plan_init(struct nap_plan *p, mono_ns now);
/* A turn that moved something: begun at start, over at end, with so many packets received. */
void nap_plan_moved(struct nap_plan *p, mono_ns start, mono_ns end, unsigned packets);
/* A turn at `now` that moved nothing: what to do next. */
enum nap_kind nap_plan_choose(struct nap_plan *p, mono_ns now);
/* The nap for gathering that was chosen last was slept. */
void nap_plan_gathered(struct nap_plan *p);

#endif
