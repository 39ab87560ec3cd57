/* What sim_run's files share. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "tests/sim/reference.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_run.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_wire.h"
#include "tests/sim/world.h"

#define SIM_QUERIES_KEPT 1024

struct sim_question {
	struct tree_name qname;
	uint16_t qtype;
	uint16_t id;
	bool over_tcp;
	bool has_edns;
	bool is_truncated; /* it was, over UDP */
	unsigned engine;
	unsigned answers;
	mono_ns asked_at; /* 0: not yet */
	struct endpoint client;
};

/* A query that was sent. */
struct sim_query {
	struct endpoint local;
	struct endpoint peer;
	uint16_t id;
	mono_ns at;
};

struct sim {
	struct sim_options options;
	struct sim_outcome *outcome;
	struct random random;  /* of the world's making */
	struct random network; /* of what happens in it */
	struct tree *tree;
	struct world *world;
	struct sim_net net;
	enum sim_habit habits[TREE_SERVERS_MAX];
	uint16_t delays_ms[TREE_SERVERS_MAX];
	bool cut_off[TREE_SERVERS_MAX]; /* during the partition */
	mono_ns partition_from, partition_until;
	unsigned question_count;
	struct sim_question *questions;
	bool is_alone;           /* a question at a time */
	bool is_calm;            /* no fault at all: nothing may fail */
	uint64_t packets;        /* to servers; over TCP as many as a budget counts */
	uint64_t packets_before; /* is_alone: the last question */
	uint64_t query_count;
	struct sim_query queries[SIM_QUERIES_KEPT];
	unsigned flips; /* forgeries that lack letter case only */
	struct sim_wire wire;
};

static inline bool sim_has(const struct sim *s, enum sim_fault fault)
{
	return (s->outcome->faults >> fault & 1) != 0;
}
/* Can it not be reached now? */
static inline bool sim_is_cut_off(const struct sim *s, unsigned server_idx)
{
	return sim_has(s, SIM_FAULT_PARTITION) && s->cut_off[server_idx] &&
	       s->world->now >= s->partition_from && s->world->now < s->partition_until;
}
static inline unsigned sim_below(struct random *r, unsigned bound)
{
	return random_scale(random_next(r), bound);
}

/* Ends the process: step, time and what it is. */
_Noreturn void sim_violated(const struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void sim_note(const struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- sim_check.c ---- */

/* A client's answer. */
void sim_check_answer(struct sim *s, struct sim_question *q, const uint8_t *message, size_t bytes,
		      bool over_tcp);
/* A query that was just sent. */
void sim_check_query(struct sim *s, const struct world_event *event);
/* is_alone: the question before is over, and this is what it has cost. */
void sim_check_cost(struct sim *s);
/* What holds between steps. */
void sim_check_step(const struct sim *s);
/* All is over. */
void sim_check_end(struct sim *s);

#endif
