/* A worker's hand: (port, ID) tickets drawn ahead, uniformly over all eligible ports × 65,536 IDs,
 * by a CSPRNG, seen by no other core (DESIGN.md section 2, "tickets, never slices"). A draw never
 * depends on what is under way.
 *
 * Memory: inside the struct. Threads: one worker's. RFC 5452 section 9.2.
 */
#ifndef PORTICO_TICKET_H
#define PORTICO_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "entropy.h"
#include "port_set.h"

#define TICKET_HAND_SIZE 64
#define TICKET_BYTES 6 /* of randomness: 4 for the port, 2 for the ID */
/* What one refill takes at once; an entropy block must hold at least as many. */
#define TICKET_REFILL_BYTES (TICKET_HAND_SIZE * TICKET_BYTES)

struct ticket {
	uint16_t port;
	uint16_t id;
};

struct ticket_hand {
	uint32_t left; /* tickets not yet played: tickets[0..left) */
	/* A hand of an older set is thrown away. Sets are told apart by address: whoever builds
	 * another one in the same place calls ticket_hand_init. */
	const struct port_set *drawn_from;
	struct ticket tickets[TICKET_HAND_SIZE];
};

void ticket_hand_init(struct ticket_hand *hand);

/* Fill the hand up. What is left is played before what is new; of another set it is thrown away. False: not enough random bytes
 * now, or none of them was a ticket. */
MUST_USE bool ticket_refill(struct ticket_hand *hand, const struct port_set *set,
			    struct entropy *entropy);

/* One ticket. False: not enough random bytes now, wait for the refill. Played tickets are
 * erased. */
MUST_USE static inline bool ticket_draw(struct ticket_hand *hand, const struct port_set *set,
					struct entropy *entropy, struct ticket *out)
{
	if (UNLIKELY(hand->left == 0 || hand->drawn_from != set) &&
	    !ticket_refill(hand, set, entropy))
		return false;
	hand->left--;
	*out = hand->tickets[hand->left];
	hand->tickets[hand->left] = (struct ticket){0};
	return true;
}

/* The ticket that the nth draw from now on from this set plays, n counted from 0, to prefetch its in-flight bucket by: false
 * if it is not drawn yet (ticket_refill). It stays in the hand. */
MUST_USE static inline bool ticket_ahead(const struct ticket_hand *hand, const struct port_set *set,
					 uint32_t n, struct ticket *out)
{
	if (hand->left <= n || hand->drawn_from != set)
		return false;
	*out = hand->tickets[hand->left - 1 - n];
	return true;
}

#endif
