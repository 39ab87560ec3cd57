/* Counts of values by size, log-linear: 128 slots an octave, so that a value is known to 0.8 % over all 64 bits.
 *
 * Memory: a value of its user, 59 KiB. Threads: one writer. Bound: O(1) a value.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_OCTAVE_BITS 7
#define HISTOGRAM_OCTAVE_SLOTS (1u << HISTOGRAM_OCTAVE_BITS)
#define HISTOGRAM_SLOTS ((64 - HISTOGRAM_OCTAVE_BITS + 1) * HISTOGRAM_OCTAVE_SLOTS)

struct histogram {
	uint64_t counts[HISTOGRAM_SLOTS];
	uint64_t total;
	uint64_t most;
	double sum;
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
/* All of one more. */
void histogram_merge(struct histogram *h, const struct histogram *more);
/* The greatest value that a slot stands for. */
uint64_t histogram_slot_most(unsigned slot);
/* No less than the value below which that share (0 to 1) of all lies, and at most 0.8 % more; 0 where there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);
double histogram_mean(const struct histogram *h);

#endif
