/* Draws for the stress, from a seed: what a hand of tickets would give, but repeatable and out of few.
 *
 * Threads: pure functions of the caller's state.
 */
#ifndef PORTICO_STRESS_DRAW_H
#define PORTICO_STRESS_DRAW_H

/* splitmix64 (Steele et al. 2014): test input only. */
static inline unsigned long long draw(unsigned long long *state)
{
	unsigned long long z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline unsigned draw_below(unsigned long long *state, unsigned bound)
{
	return (unsigned)(draw(state) >> 33) % bound;
}

#endif
