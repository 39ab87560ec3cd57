/* What a client's question may still cost, with all that is asked for its sake (SECURITY.md table 1.1). One a question: a
 * sub-question is lent all of it, and what is left comes back with its answer, so that nothing ever resets it.
 *
 * Memory: a value. Threads: one worker's at a time; crosses workers with a sub-question and its answer.
 */
#ifndef PORTICO_BUDGET_H
#define PORTICO_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "limits.h"

struct budget {
	uint32_t bytes;    /* of upstream answers */
	uint8_t packets;   /* upstream, over TCP by UPSTREAM_TCP_PACKETS, */
	uint8_t tcp_tries; /* of which there are so many */
	uint8_t referrals;
	uint8_t address_lookups;  /* names of servers looked up */
	uint8_t address_failures; /* of them, those that may still fail */
	uint8_t steps;            /* minimised names asked */
	uint8_t is_counted;       /* something of it was used up, and has been counted */
	/* By position, they go down with nesting and do not come back: */
	uint8_t links; /* CNAME and DNAME */
	uint8_t depth; /* questions that may wait for each other, beside this one */
};

static inline struct budget budget_whole(void)
{
	return (struct budget){
		.bytes = UPSTREAM_BYTES_MAX,
		.packets = UPSTREAM_PACKETS_MAX,
		.tcp_tries = UPSTREAM_TCP_TRIES_MAX,
		.referrals = REFERRALS_MAX,
		.address_lookups = ADDRESS_LOOKUPS_MAX,
		.address_failures = ADDRESS_FAILURES_MAX,
		.steps = MINIMISED_STEPS_MAX,
		.links = LINKS_MAX,
		.depth = DEPTH_MAX - 1,
	};
}

/* Differences, which wrap around, of what does come back: */
static inline struct budget budget_minus(const struct budget *a, const struct budget *b)
{
	return (struct budget){
		.bytes = a->bytes - b->bytes,
		.packets = (uint8_t)(a->packets - b->packets),
		.tcp_tries = (uint8_t)(a->tcp_tries - b->tcp_tries),
		.referrals = (uint8_t)(a->referrals - b->referrals),
		.address_lookups = (uint8_t)(a->address_lookups - b->address_lookups),
		.address_failures = (uint8_t)(a->address_failures - b->address_failures),
		.steps = (uint8_t)(a->steps - b->steps),
		.is_counted = (uint8_t)(a->is_counted - b->is_counted),
	};
}

static inline struct budget budget_plus(const struct budget *a, const struct budget *b)
{
	const struct budget none = {0};
	struct budget negative = budget_minus(&none, b);

	return budget_minus(a, &negative);
}

static inline uint8_t budget_less(uint8_t from, uint8_t by)
{
	return by < from ? (uint8_t)(from - by) : 0;
}

/* Of what was lent, after that has been spent. */
static inline struct budget budget_rest(const struct budget *lent, const struct budget *spent)
{
	struct budget left = *lent;

	left.bytes = spent->bytes < lent->bytes ? lent->bytes - spent->bytes : 0;
	left.packets = budget_less(lent->packets, spent->packets);
	left.tcp_tries = budget_less(lent->tcp_tries, spent->tcp_tries);
	left.referrals = budget_less(lent->referrals, spent->referrals);
	left.address_lookups = budget_less(lent->address_lookups, spent->address_lookups);
	left.address_failures = budget_less(lent->address_failures, spent->address_failures);
	left.steps = budget_less(lent->steps, spent->steps);
	left.is_counted = lent->is_counted != 0 || spent->is_counted != 0;
	return left;
}

static inline bool budget_is_any(const struct budget *b)
{
	return b->bytes != 0 || b->packets != 0 || b->tcp_tries != 0 || b->referrals != 0 ||
	       b->address_lookups != 0 || b->address_failures != 0 || b->steps != 0;
}

#endif
