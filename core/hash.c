#include "hash.h"

#include <stddef.h>

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t word, unsigned bits)
{
	return (word << bits) | (word >> (64 - bits));
}

static inline uint64_t load_le(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

__attribute__((always_inline)) static inline void sip_rounds(struct sip_state *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate_left(s->v1, 13) ^ s->v0;
		s->v3 = rotate_left(s->v3, 16) ^ s->v2;
		s->v0 = rotate_left(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate_left(s->v1, 17) ^ s->v2;
		s->v3 = rotate_left(s->v3, 21) ^ s->v0;
		s->v2 = rotate_left(s->v2, 32);
	}
}

__attribute__((always_inline)) static inline void sip_absorb(struct sip_state *s, uint64_t word,
							     unsigned rounds)
{
	s->v3 ^= word;
	sip_rounds(s, rounds);
	s->v0 ^= word;
}

/* Inlined twice, so that both counts of rounds are constants. */
__attribute__((always_inline)) static inline uint64_t sip_hash(const struct hash_key *key,
							       struct span input,
							       unsigned word_rounds,
							       unsigned final_rounds)
{
	struct sip_state s = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t whole = input.length_bytes & ~(size_t)7;
	uint64_t last = (uint64_t)input.length_bytes << 56;

	for (size_t i = 0; i < whole; i += 8)
		sip_absorb(&s, load_le(input.data + i), word_rounds);
	for (size_t i = whole; i < input.length_bytes; i++)
		last |= (uint64_t)input.data[i] << (8 * (i - whole));
	sip_absorb(&s, last, word_rounds);
	s.v2 ^= 0xff;
	sip_rounds(&s, final_rounds);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_table(const struct hash_key *key, struct span input)
{
	return sip_hash(key, input, 1, 3);
}

uint64_t hash_mac(const struct hash_key *key, struct span input)
{
	return sip_hash(key, input, 2, 4);
}
