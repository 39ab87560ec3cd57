#include "bench/load/histogram.h"

#include <string.h>

static unsigned slot_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_OCTAVE_SLOTS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_OCTAVE_BITS;
	return shift * HISTOGRAM_OCTAVE_SLOTS + (unsigned)(value >> shift);
}

uint64_t histogram_slot_most(unsigned slot)
{
	unsigned shift;
	uint64_t first;

	if (slot < 2 * HISTOGRAM_OCTAVE_SLOTS)
		return slot;
	shift = slot / HISTOGRAM_OCTAVE_SLOTS - 1;
	first = (uint64_t)(slot - shift * HISTOGRAM_OCTAVE_SLOTS) << shift;
	return first + ((UINT64_C(1) << shift) - 1);
}

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->counts[slot_of(value)]++;
	h->total++;
	h->sum += (double)value;
	if (value > h->most)
		h->most = value;
}

void histogram_merge(struct histogram *h, const struct histogram *more)
{
	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
		h->counts[i] += more->counts[i];
	h->total += more->total;
	h->sum += more->sum;
	if (more->most > h->most)
		h->most = more->most;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	double wanted = share * (double)h->total;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += h->counts[i];
		if (seen > 0 && (double)seen >= wanted)
			return histogram_slot_most(i) < h->most ? histogram_slot_most(i) : h->most;
	}
	return h->most;
}

double histogram_mean(const struct histogram *h)
{
	return h->total == 0 ? 0 : h->sum / (double)h->total;
}
