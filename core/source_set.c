#include "source_set.h"

#include <assert.h>

#define BYTE_BITS 8
#define IDENTIFIER_OFFSET (ADDRESS_BYTES - sizeof(uint64_t))
/* Half of the places stay empty, so that a look for one that is not there ends soon. */
#define PLACES_TAKEN_MAX (SOURCE_IDENTIFIER_PLACES / 2)
#define PLACE_SHIFT (64 - 14)
static_assert(UINT64_C(1) << (64 - PLACE_SHIFT) == SOURCE_IDENTIFIER_PLACES, "any place");
static_assert(SOURCE_IDENTIFIERS_MAX <= PLACES_TAKEN_MAX, "all that are live have a place");

void source_set_init(struct source_set *s, const struct port_map *ports)
{
	port_set_build(&s->ports, ports);
	s->accept = s->ports.map;
	s->withheld = s->ports.map;
	s->is_small = s->ports.port_count < SOURCE_SET_SMALL;
	s->was_other_kind = false;
	s->identifier_count = 0;
	s->place_count = 0;
	memset(s->identifiers, 0, sizeof(s->identifiers));
	memset(s->places, 0, sizeof(s->places));
}

void source_set_keep(struct source_set *s, const struct port_map *ports)
{
	for (size_t i = 0; i < ARRAY_COUNT(s->accept.bits); i++)
		s->accept.bits[i] |= ports->bits[i];
	port_map_remove(&s->accept, 0, 0);
	source_set_withhold(s, ports);
}

void source_set_withhold(struct source_set *s, const struct port_map *ports)
{
	for (size_t i = 0; i < ARRAY_COUNT(s->withheld.bits); i++)
		s->withheld.bits[i] |= ports->bits[i];
	port_map_remove(&s->withheld, 0, 0);
}

/* Where the identifier is, or the empty place where it would be. There always is one. */
static size_t place_of(const struct source_set *s, uint64_t identifier)
{
	/* 2^64 over the golden ratio. The product's top bits: all bits of the identifier have a say in them, and only in
	 * them have those that a long prefix leaves free, which are the word's top ones where the first byte
	 * of an address is its lowest. */
	size_t at = (size_t)(identifier * UINT64_C(0x9e3779b97f4a7c15) >> PLACE_SHIFT);

	while (s->places[at] != 0 && s->places[at] != identifier)
		at = (at + 1) & (SOURCE_IDENTIFIER_PLACES - 1);
	return at;
}

bool source_set_add_identifier(struct source_set *s, uint64_t identifier,
			       enum source_identifier kind)
{
	size_t at;

	if (identifier == 0 || s->place_count == PLACES_TAKEN_MAX ||
	    (kind == SOURCE_LIVE && s->identifier_count == SOURCE_IDENTIFIERS_MAX))
		return false;
	at = place_of(s, identifier);
	if (s->places[at] != 0)
		return false;
	s->places[at] = identifier;
	s->place_count++;
	if (kind == SOURCE_LIVE)
		s->identifiers[s->identifier_count++] = identifier;
	return true;
}

bool source_set_has_identifier(const struct source_set *s, uint64_t identifier)
{
	return identifier != 0 && s->places[place_of(s, identifier)] == identifier;
}

struct address source_address(const struct address *prefix, uint8_t prefix_bits,
			      uint64_t identifier)
{
	struct address a = *prefix;
	uint8_t bytes[sizeof(identifier)];

	CHECK(prefix_bits >= IDENTIFIER_OFFSET * BYTE_BITS && prefix_bits <= ADDRESS_BITS);
	memcpy(bytes, &identifier, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		size_t bits_before = (IDENTIFIER_OFFSET + i) * BYTE_BITS;
		unsigned fixed_bits =
			prefix_bits <= bits_before ? 0 : (unsigned)(prefix_bits - bits_before);
		uint8_t *to = &a.bytes[IDENTIFIER_OFFSET + i];
		uint8_t free_mask = (uint8_t)(fixed_bits >= BYTE_BITS ? 0 : 0xff >> fixed_bits);

		*to = (uint8_t)((*to & ~free_mask) | (bytes[i] & free_mask));
	}
	return a;
}

/* ---- random subsets ---- */

/* A uniformly random set of `count` ranks below `bound` (Floyd; Bentley 1987): each round adds one, the last
 * possible rank or one below it, so that no round needs to know more than what is in. False: no random bytes. */
static bool ranks_sample(struct port_map *ranks, uint32_t bound, uint32_t count,
			 struct entropy *entropy)
{
	port_map_clear(ranks);
	for (uint32_t last = bound - count; last < bound; last++) {
		uint16_t rank;

		if (!entropy_ready(entropy, ENTROPY_UNIFORM_BYTES))
			return false;
		rank = (uint16_t)entropy_uniform(entropy, last + 1);
		if (port_map_has(ranks, rank))
			rank = (uint16_t)last;
		port_map_add(ranks, rank, rank);
	}
	return true;
}

bool port_map_sample(struct port_map *out, const struct port_map *from, uint32_t count,
		     struct entropy *entropy)
{
	struct port_map all = *from;
	struct port_map ranks, sample;
	uint32_t all_count, rank = 0;
	bool draws_in; /* the sample is drawn; else what stays out of it */

	port_map_remove(&all, 0, 0);
	all_count = port_map_count(&all);
	if (count >= all_count) {
		*out = all;
		return true;
	}
	draws_in = count <= all_count / 2;
	if (!entropy_ready(entropy, PORT_SAMPLE_BYTES) ||
	    !ranks_sample(&ranks, all_count, draws_in ? count : all_count - count, entropy))
		return false;
	port_map_clear(&sample);
	for (size_t word = 0; word < ARRAY_COUNT(all.bits); word++)
		for (uint64_t left = all.bits[word]; left != 0; left &= left - 1) {
			if (port_map_has(&ranks, (uint16_t)rank) == draws_in)
				sample.bits[word] |= left & (0 - left); /* the lowest */
			rank++;
		}
	*out = sample;
	return true;
}
