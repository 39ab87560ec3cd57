/* What the servers of the simulated internet see of the engines, question by question: how often they are asked, for what names,
 * by whose leave, for how long. Where a client asks at a time (sim.is_alone), what one question may cost is told from the next.
 *
 * Threads: one's own.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "core/address.h"
#include "core/mono.h"
#include "tests/sim/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_WIRE_NAMES 16384 /* a power of two */
#define SIM_WIRE_TRIES 256
#define SIM_WIRE_ENGINES 8

struct sim;
struct sim_question;
struct world_event;

struct sim_try {
	uint64_t question; /* a hash of name and type */
	int server_idx;
	unsigned count;
};

struct sim_wire {
	uint64_t names[SIM_WIRE_NAMES];      /* hashes of all that were ever asked for; 0: free */
	mono_ns referred_at[TREE_ZONES_MAX]; /* when somebody was last told of it; 0: never */
	bool is_bridged[TREE_ZONES_MAX];     /* whoever is asked above it may answer below it */
	uint8_t edns_refused[SIM_WIRE_ENGINES][TREE_SERVERS_MAX];
	/* Of the question at hand: */
	const struct sim_question *question; /* NULL: clients ask at the same time */
	bool is_beside;                      /* something else was asked for its sake */
	unsigned try_count;
	struct sim_try tries[SIM_WIRE_TRIES];
	unsigned referrals;
	uint64_t bytes;
};

void sim_wire_init(struct sim *s);
/* A client asks, and nobody else does for a while. */
void sim_wire_begin(struct sim *s, const struct sim_question *q);
/* server_idx: -1: nobody is there. */
void sim_wire_query(struct sim *s, const struct world_event *event, int server_idx);
/* What the server says to that. */
void sim_wire_reply(struct sim *s, const struct world_event *query, int server_idx,
		    const uint8_t *message, size_t bytes);

#endif
