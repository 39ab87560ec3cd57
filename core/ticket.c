#include "ticket.h"

#include <string.h>

/* Erase what the compiler may take for dead: copies of secrets on the stack. */
static void ticket_erase(void *memory, size_t length_bytes)
{
	memset(memory, 0, length_bytes);
	__asm__ volatile("" : : "r"(memory) : "memory");
}

void ticket_hand_init(struct ticket_hand *hand)
{
	*hand = (struct ticket_hand){0};
}

bool ticket_refill(struct ticket_hand *hand, const struct port_set *set, struct entropy *entropy)
{
	uint8_t bytes[TICKET_REFILL_BYTES];
	struct ticket drawn[TICKET_HAND_SIZE];
	uint32_t drawn_count = 0, wanted, reject_below;

	CHECK(set->port_count > 0);
	if (hand->drawn_from != set)
		ticket_hand_init(hand);
	wanted = TICKET_HAND_SIZE - hand->left;
	if (!entropy_ready(entropy, wanted * TICKET_BYTES))
		return false;
	entropy_take(entropy, bytes, wanted * TICKET_BYTES);
	hand->drawn_from = set;
	/* Lemire 2019, as entropy_uniform; but in bulk, and a rejected draw (probability below
	 * 2^-16) is a ticket less in this hand, so a refill needs no more bytes than it began
	 * with. */
	reject_below = (0 - set->port_count) % set->port_count;
	for (uint32_t i = 0; i < wanted; i++) {
		uint32_t draw;
		uint64_t product;
		struct ticket *ticket = &drawn[drawn_count];

		memcpy(&draw, bytes + (size_t)i * TICKET_BYTES, sizeof(draw));
		product = (uint64_t)draw * set->port_count;
		if (UNLIKELY((uint32_t)product < reject_below))
			continue;
		ticket->port = set->ports[product >> 32];
		memcpy(&ticket->id, bytes + (size_t)i * TICKET_BYTES + sizeof(draw),
		       sizeof(ticket->id));
		drawn_count++;
	}
	memmove(hand->tickets + drawn_count, hand->tickets, hand->left * sizeof(drawn[0]));
	memcpy(hand->tickets, drawn, drawn_count * sizeof(drawn[0]));
	hand->left += drawn_count;
	ticket_erase(bytes, sizeof(bytes));
	ticket_erase(drawn, sizeof(drawn));
	return hand->left > 0;
}
