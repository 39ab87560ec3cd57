/* How random what we send looks from outside: running estimates over the ports and IDs of the queries sent, an outgoing
 * address. It cannot show that a generator is good; it shows within seconds that one has broken.
 *
 * Workers count a sample of what they send (core/source_meter.h: ports, IDs, and the steps from one to the next, in
 * blocks of 64 values); the keeper gathers the sum of all workers' counts here, once a second. A window of
 * ENTROPY_WINDOW_SAMPLES is judged when it is full:
 *   chi-square   of ports over their blocks against what the set would give, of IDs and of ID steps against uniform. Two-sided:
 *                a counter or a shuffled deck is too even
 *   drift        of each of these over the windows, the older ones fading: many small faults in the same direction
 *   min-entropy  by the commonest block (NIST SP 800-90B section 6.3.1: 99 % upper bound of its probability)
 * A tail below ENTROPY_ALARM_P is an alarm, or less than half of the bits that steps between ports could have (chi-square
 * sees what ports and IDs lose long before half is lost); a port outside the set is one at once.
 *
 * What it cannot see: whatever happens below a block, that is the six low bits of a port, an ID or a step (the bits are
 * reported as if these were perfect), and so anything at all within a set whose ports lie in one block; tickets
 * that repeat after more than a window; slices of the set, one a worker, which together are the set; and whether whoever
 * knows the key could tell what comes. A shuffled deck of IDs or ports takes some windows to be seen, as only one ticket in
 * four is counted.
 *
 * False alarms: see ENTROPY_ALARM_P. Sets of fewer than ENTROPY_EVEN_PORTS_MIN ports are not told to be too even: a
 * port that holds tens of thousands of queries draws among the IDs that are left, which is a deck.
 *
 * No DPDK in here. Memory: the struct's, 30 KiB. Threads: one. Time: none; a window is a number of samples.
 */
#ifndef PORTICO_ENTROPY_METER_H
#define PORTICO_ENTROPY_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/port_set.h"
#include "core/source_meter.h"

#define ENTROPY_WINDOW_SAMPLES 20000
/* Three statistics, two sides, a window and its drift: twelve tails. 1e-12 each, a window a second, 3.2e7 seconds a
 * year: 4e-4 false alarms a year if the approximation were exact. It is not: at seven standard deviations the counts'
 * discreteness (10 expected in a bin at least) makes the upper tails up to 2.5 times as likely, the lower ones less
 * likely: below 1e-3, one in a thousand years. */
#define ENTROPY_ALARM_P 1e-12
#define ENTROPY_EVEN_PORTS_MIN 64

/* Why there is an alarm; the first that applies: steps that repeat make values uneven too. */
enum entropy_fault {
	ENTROPY_FAULT_NONE,
	ENTROPY_FAULT_FOREIGN_PORT,   /* a port outside the set was sent */
	ENTROPY_FAULT_PORT_STEP_BITS, /* less than half of the bits that the set could give */
	ENTROPY_FAULT_ID_STEPS,       /* uneven or too even */
	ENTROPY_FAULT_PORTS,          /* uneven or too even over the set */
	ENTROPY_FAULT_IDS,
	ENTROPY_FAULT_COUNT,
};
/* For a log line: "none", "a port outside the set", "ports", ... */
extern const char *const entropy_fault_text[ENTROPY_FAULT_COUNT];

struct entropy_figures {
	uint64_t samples; /* of ports in the window judged last; 0: none yet */
	/* P(a good generator is at least as uneven): near 0 too uneven, near 1 too even. NAN: none yet; of ports also: all
	 * of the set are in one block, or there is one only. */
	double port_p;
	double id_p;
	double id_step_p;
	double port_min_entropy_bits; /* per port sent; at most log2 of the set's ports, which is what there is */
	double id_min_entropy_bits; /* per ID sent, of 16 */
	/* Of the block of the step from one port to the next, of log2(the set's ports) - 6 or more, at most 10: near 0
	 * for a counter or a stride, whatever its length. */
	double port_step_min_entropy_bits;
	bool alarm;
	enum entropy_fault fault;
};

enum entropy_statistic {
	ENTROPY_PORTS,
	ENTROPY_IDS,
	ENTROPY_ID_STEPS,
	ENTROPY_STATISTIC_COUNT,
};

/* Normal deviates of the windows, summed with fading weights. */
struct entropy_drift {
	double sum;
	double variance;
};

struct entropy_meter {
	struct source_meter window;           /* gathered since the last judgement */
	struct source_meter seen;             /* sum of all workers at the last gathering */
	double expected[SOURCE_METER_BLOCKS]; /* of ports, over the window */
	struct port_map ports;                /* drawn from since the last gathering */
	struct entropy_drift drift[ENTROPY_STATISTIC_COUNT];
	uint64_t alarms; /* windows with one, and foreign ports */
	struct entropy_figures last;
};

void entropy_meter_init(struct entropy_meter *m);
/* ports: the set in force now, every worker knowing it. If it has changed since the last call, what was sent in between is
 * left out: call it also right before another set is published, and right after all workers have it, so that little is. sum:
 * over all workers, counting on from their start, wrapping as it may. True: a window was judged, or a foreign port
 * seen (m->last). */
bool entropy_meter_gather(struct entropy_meter *m, const struct port_map *ports,
			  const struct source_meter *sum);

/* P(chi-square of df degrees of freedom <= x), by Wilson and Hilferty. df > 0. */
double entropy_chi_square_p(double x, unsigned df);

#endif
