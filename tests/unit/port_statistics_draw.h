/* Workers that draw tickets from a shared source set as the engine does: each
 * with a hand and random bytes of its own, which a filler renews in blocks; the
 * set is looked up at the start of a turn. And a keeper's random bytes.
 */
#ifndef PORTICO_PORT_STATISTICS_DRAW_H
#define PORTICO_PORT_STATISTICS_DRAW_H

#include <stdint.h>

#include "core/entropy.h"
#include "core/source_set.h"
#include "core/ticket.h"
#include "port_statistics.h"

#define DRAW_BLOCK_BYTES 4096
#define DRAW_KEEPER_BLOCK_BYTES (4u << 20)

struct draw_worker {
	struct entropy entropy;
	struct ticket_hand hand;
	const struct source_set *set; /* as of this turn */
	unsigned long long random;    /* the filler's */
	uint8_t memory[2 * DRAW_BLOCK_BYTES];
};

struct draw_world {
	/* One is published, the other is being made, as the keeper has it. */
	struct source_set sets[2];
	const struct source_set *published;
	struct port_map eligible;
	struct draw_worker workers[PORT_WORKERS_MAX];
	unsigned worker_count;
	struct entropy keeper_entropy;
	uint8_t *keeper_memory;
	unsigned long long random; /* whose turn it is; and the keeper's filler's */
};

/* Eligible: 1024 to 65,535 but for a hundred holes; all of it published. */
struct draw_world *draw_world_make(unsigned worker_count, unsigned long long seed);
void draw_world_free(struct draw_world *w);

/* The set that is not published is made of these ports, then published. Workers
 * know it when their next turn begins. */
void draw_world_publish(struct draw_world *w, const struct port_map *ports);
/* A random subset, of the keeper's random bytes. */
void draw_world_sample(struct draw_world *w, struct port_map *out, uint32_t count);

/* The set of this turn; a hand of another one is thrown away. */
void draw_worker_begin_turn(struct draw_world *w, unsigned worker);
struct ticket draw_worker_ticket(struct draw_world *w, unsigned worker);
/* With another hand, of another set, but of this worker's random bytes. */
struct ticket draw_worker_ticket_of(struct draw_worker *worker, struct ticket_hand *hand,
				    const struct port_set *set);
/* A worker at random: traffic comes as it comes. */
unsigned draw_world_next_worker(struct draw_world *w);
/* Uniform below bound, of the world's generator. */
uint32_t draw_world_below(struct draw_world *w, uint32_t bound);

#endif
