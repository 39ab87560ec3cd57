/* Repeatable random numbers for load (splitmix64, Steele, Lea and Flood 2014): fast, seeded, and nothing that secrecy
 * depends on.
 *
 * Threads: a value of its user.
 */
#ifndef LOAD_RANDOM_H
#define LOAD_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define RANDOM_MILLION 1000000u

struct random {
	uint64_t state;
};

/* One to one over 64 bits: different words stay different. */
static inline uint64_t random_mix(uint64_t word)
{
	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	return word ^ word >> 31;
}

/* The word that random_mix turned into this one. */
static inline uint64_t random_unmix(uint64_t word)
{
	word = (word ^ word >> 31 ^ word >> 62) * UINT64_C(0x319642b2d24d8ec3);
	word = (word ^ word >> 27 ^ word >> 54) * UINT64_C(0x96de1b173f119089);
	return word ^ word >> 30 ^ word >> 60;
}

static inline uint64_t random_next(struct random *r)
{
	r->state += UINT64_C(0x9e3779b97f4a7c15);
	return random_mix(r->state);
}

/* A word's top half onto 0..bound-1. */
static inline uint32_t random_scale(uint64_t word, uint32_t bound)
{
	return (uint32_t)((word >> 32) * bound >> 32);
}

/* True for so many of a million words. */
static inline bool random_is_within(uint64_t word, uint32_t per_million)
{
	return random_scale(word, RANDOM_MILLION) < per_million;
}

#endif
