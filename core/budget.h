/* What a client's question may still cost, with all that is asked for its sake (SECURITY.md table 1.1). One a question: a
 * sub-question is lent all of it, and what is left comes back with its answer, so that nothing ever resets it.
 *
 * Memory: a value. Threads: one worker's at a time; crosses workers with a sub-question and its answer.
 */
#ifndef PORTICO_BUDGET_H
#define PORTICO_BUDGET_H

#include <stdint.h>

#include "limits.h"

struct budget {
	uint32_t bytes;  /* of upstream answers */
	uint8_t packets; /* upstream, over TCP by UPSTREAM_TCP_PACKETS */
	uint8_t referrals;
	uint8_t address_lookups;  /* names of servers looked up */
	uint8_t address_failures; /* of them, those that may still fail */
	uint8_t steps;            /* minimised names asked */
	/* By position, they go down with nesting and do not come back: */
	uint8_t links; /* CNAME and DNAME */
	uint8_t depth;
};

static inline struct budget budget_whole(void)
{
	return (struct budget){
		.bytes = UPSTREAM_BYTES_MAX,
		.packets = UPSTREAM_PACKETS_MAX,
		.referrals = REFERRALS_MAX,
		.address_lookups = ADDRESS_LOOKUPS_MAX,
		.address_failures = ADDRESS_FAILURES_MAX,
		.steps = MINIMISED_STEPS_MAX,
		.links = LINKS_MAX,
		.depth = DEPTH_MAX,
	};
}

/* What comes back: the positional ones stay the asker's. */
static inline void budget_take_back(struct budget *asker, const struct budget *left)
{
	uint8_t links = asker->links;
	uint8_t depth = asker->depth;

	*asker = *left;
	asker->links = links;
	asker->depth = depth;
}

#endif
