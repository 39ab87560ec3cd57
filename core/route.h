/* Where packets for an address go: prefixes of both families, each with its ways, of which the longest that has the address
 * counts. The kernel's routes are in it, and what the configuration says of links and gateways.
 *
 * Of a prefix, each interface has its ways of the least metric, several if the kernel spreads packets over them. A prefix
 * of which packets go nowhere (blackhole, unreachable, prohibit) hides shorter ones, and ways of its own that have a
 * greater metric. An IPv4 address (which is kept as a mapped one) is in IPv4 prefixes only.
 *
 * A look-up is a search among the ends of prefixes: ROUTE_STEPS_MAX steps, however they lie in each other.
 *
 * Memory: one struct, in a snapshot. Threads: immutable once it is made, read by all. Tests: test_route.c.
 */
#ifndef PORTICO_ROUTE_H
#define PORTICO_ROUTE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "limits.h"

/* The metric of a way that is taken if there is no other. */
#define ROUTE_METRIC_LAST UINT32_MAX
/* In interface_idx: packets for the prefix go nowhere. */
#define ROUTE_NOWHERE UINT8_MAX
static_assert(INTERFACES_MAX <= ROUTE_NOWHERE, "no interface is nowhere");

/* One way of a prefix. */
struct route {
	struct prefix prefix; /* bits beyond its length do not count; cleared in a table */
	uint32_t metric;
	uint8_t interface_idx;  /* or ROUTE_NOWHERE: what follows says nothing then */
	uint8_t weight;         /* how much of what is spread goes this way; 0 as 1 */
	bool is_on_link;        /* packets go to the destination itself */
	struct address gateway; /* unless on link; of either family (RFC 8950) */
};

/* Only route.c and the look-up below look inside. */
struct route_table {
	uint16_t route_count, run_count, start_count;
	struct route routes[ROUTES_MAX];
	/* The ways of one prefix stand together. Two more: everything, and all of IPv4, which lead nowhere by themselves. */
	struct route_run {
		struct prefix prefix;
		uint16_t first, count;
	} runs[ROUTES_MAX + 2];
	/* From this address to the next start the run is the one that counts. In order, the first is ::. */
	struct route_start {
		uint64_t high, low; /* the address as a number */
	} starts[2 * (ROUTES_MAX + 2)];
	uint16_t run_of[2 * (ROUTES_MAX + 2)];
};

#define ROUTE_STEPS_MAX 15
static_assert(2 * (ROUTES_MAX + 2) <= 1 << ROUTE_STEPS_MAX, "a search halves what is left");
static_assert(2 * (ROUTES_MAX + 2) <= UINT16_MAX, "indices have 16 bits");

/* A table that is all zeroes is filled in any order, a prefix as often as it has ways; nothing is to be found before
 * route_table_end. False: it is full. */
MUST_USE bool route_table_add(struct route_table *t, const struct route *route);
void route_table_end(struct route_table *t);

/* Of the longest prefix; by interface; count 0: packets go nowhere. Valid as long as the table is. */
struct route_ways {
	const struct route *routes;
	unsigned count;
};
MUST_USE static inline struct route_ways route_find(const struct route_table *t,
						    const struct address *address)
{
	const struct route_run *run;
	uint64_t word[2];
	unsigned at = 0;

	memcpy(word, address->bytes, sizeof(word));
	word[0] = __builtin_bswap64(word[0]);
	word[1] = __builtin_bswap64(word[1]);
	/* The last start that is not beyond the address is among `left` of them from `at` on. */
	for (unsigned left = t->start_count; left > 1;) {
		unsigned half = left / 2;
		const struct route_start *s = &t->starts[at + half];

		if (s->high < word[0] || (s->high == word[0] && s->low <= word[1]))
			at += half;
		left -= half;
	}
	run = &t->runs[t->run_of[at]];
	return (struct route_ways){&t->routes[run->first], run->count};
}

/* One of the ways by this interface, always the same for a hash; NULL: there is none. */
const struct route *route_pick(struct route_ways ways, uint8_t interface_idx, uint64_t hash);

#endif
