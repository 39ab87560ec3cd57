/* What the queries of one outgoing address leave from: its ports and, where it is a prefix, its live interface
 * identifiers. Immutable once published; replaced whole while workers run (rotation, a port that is yielded, a changed
 * setting), by whoever keeps it: publish the new one (release), wait until every worker has begun another
 * turn, then reuse the old one's memory.
 *
 * A reply is taken on more ports than are drawn from: those of sets lately replaced are kept until no reply to them can
 * come any more. A port that is yielded is in neither.
 *
 * Memory: the keeper's. Threads: one builds it; once published, read by all workers. RFC 5452 section 9.2,
 * RFC 6056, RFC 7217 (identifiers here are random and short-lived).
 */
#ifndef PORTICO_SOURCE_SET_H
#define PORTICO_SOURCE_SET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "entropy.h"
#include "port_set.h"

/* Fewer ports than this hold several queries to one server on one port as a rule. Then the bucket of an in-flight word
 * depends on the ID too, so that one port can carry 65,536 queries, and near misses are found by what they aim
 * at: the question (inflight.h). */
#define SOURCE_SET_SMALL 4096

#define SOURCE_IDENTIFIERS_MAX 4096
#define SOURCE_IDENTIFIER_PLACES                                                                   \
	16384 /* a power of two: live and retiring ones fill half of it at most */

struct source_set {
	struct port_set ports;  /* drawn from */
	struct port_map accept; /* replies are taken on: ports, and those of sets lately replaced */
	/* All that may be drawn one day, and what replies are taken on: a TAP's kernel gets nothing for them, lest its word that
	 * nobody is there told which are drawn. */
	struct port_map withheld;
	bool is_small; /* ports.port_count < SOURCE_SET_SMALL */
	/* Queries of the other kind may be under way still: a reply that is found in the one way must be
	 * looked for in the other too. */
	bool was_other_kind;
	uint16_t identifier_count; /* 0: the outgoing address is one address */
	/* The last 8 bytes of the address, as they lie in memory. */
	uint64_t identifiers[SOURCE_IDENTIFIERS_MAX]; /* drawn from */
	uint16_t place_count;                         /* taken of places */
	uint64_t places
		[SOURCE_IDENTIFIER_PLACES]; /* those we answer to; 0: empty (never an identifier) */
};

/* The ports of the map, no identifiers. */
void source_set_init(struct source_set *s, const struct port_map *ports);
/* Take replies on these ports too. */
void source_set_keep(struct source_set *s, const struct port_map *ports);

/* And these are among those that are withheld. */
void source_set_withhold(struct source_set *s, const struct port_map *ports);

/* How long this identifier has still to be answered to. */
enum source_identifier {
	SOURCE_LIVE,     /* drawn from and answered to */
	SOURCE_RETIRING, /* only answered to */
};
/* False: it is there already, is 0, or there is no place. */
bool source_set_add_identifier(struct source_set *s, uint64_t identifier,
			       enum source_identifier kind);

static inline bool source_set_accepts(const struct source_set *s, uint16_t port)
{
	return (s->accept.bits[port / 64] >> (port % 64)) & 1;
}
static inline bool source_set_withholds(const struct source_set *s, uint16_t port)
{
	return (s->withheld.bits[port / 64] >> (port % 64)) & 1;
}
bool source_set_has_identifier(const struct source_set *s, uint64_t identifier);

/* The last 8 bytes of an address, as they lie in memory. */
static inline uint64_t source_identifier_of(const struct address *a)
{
	uint64_t identifier;

	memcpy(&identifier, a->bytes + ADDRESS_BYTES - sizeof(identifier), sizeof(identifier));
	return identifier;
}
/* The address in a prefix of 64 to 128 bits (over 16 bytes) that has these last 8 bytes, but for those bits that
 * the prefix fixes. Of random bits it so makes an address whose identifier can be added to a set. */
struct address source_address(const struct address *prefix, uint8_t prefix_bits,
			      uint64_t identifier);

/* A uniformly random subset of `count` ports of `from` (all of them if it has no more; port 0 is in none). Random
 * bytes: fewer than PORT_SAMPLE_BYTES, and each of entropy's blocks must hold as many. False: they are not there
 * yet; out is untouched. */
#define PORT_SAMPLE_BYTES (65536 * 4 + 4096)
MUST_USE bool port_map_sample(struct port_map *out, const struct port_map *from, uint32_t count,
			      struct entropy *entropy);

#endif
