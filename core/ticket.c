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
	uint32_t reject_below;

	CHECK(set->port_count > 0);
	ticket_hand_init(hand);
	if (!entropy_ready(entropy, sizeof(bytes)))
		return false;
	entropy_take(entropy, bytes, sizeof(bytes));
	hand->drawn_from = set;
	/* Lemire 2019, as entropy_uniform; but in bulk, and a rejected draw (probability below
	 * 2^-16) is a ticket less in this hand, so a refill needs no more bytes than it began
	 * with. */
	reject_below = (0 - set->port_count) % set->port_count;
	for (size_t i = 0; i < TICKET_HAND_SIZE; i++) {
		uint32_t draw;
		uint64_t product;
		struct ticket *ticket = &hand->tickets[hand->left];

		memcpy(&draw, bytes + i * TICKET_BYTES, sizeof(draw));
		product = (uint64_t)draw * set->port_count;
		if (UNLIKELY((uint32_t)product < reject_below))
			continue;
		ticket->port = set->ports[product >> 32];
		memcpy(&ticket->id, bytes + i * TICKET_BYTES + sizeof(draw), sizeof(ticket->id));
		hand->left++;
	}
	ticket_erase(bytes, sizeof(bytes));
	return hand->left > 0;
}
