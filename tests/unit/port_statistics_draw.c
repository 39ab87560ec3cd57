#include "port_statistics_draw.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void fill(struct entropy *entropy, unsigned long long *random)
{
	for (;;) {
		struct buffer block = entropy_block_to_fill(entropy);

		if (block.capacity_bytes == 0)
			return;
		for (size_t i = 0; i < block.capacity_bytes; i += sizeof(*random)) {
			unsigned long long value = unit_random(random);

			memcpy(block.data + i, &value, sizeof(value));
		}
		entropy_filled(entropy);
	}
}

struct draw_world *draw_world_make(unsigned worker_count, unsigned long long seed)
{
	struct draw_world *w = calloc(1, sizeof(*w));

	CHECK(w != NULL && worker_count <= PORT_WORKERS_MAX);
	w->worker_count = worker_count;
	w->random = seed;
	w->keeper_memory = malloc(2 * (size_t)DRAW_KEEPER_BLOCK_BYTES);
	CHECK(w->keeper_memory != NULL);
	entropy_init(&w->keeper_entropy, w->keeper_memory, DRAW_KEEPER_BLOCK_BYTES);
	port_map_add(&w->eligible, 1024, PORT_COUNT - 1);
	/* Some holes; the default exclusions would change what seeds give whenever a row is added. */
	for (uint32_t port = 1024; port < PORT_COUNT; port += 600)
		port_map_remove(&w->eligible, (uint16_t)port + 7, (uint16_t)port + 7);
	source_set_init(&w->sets[0], &w->eligible);
	w->published = &w->sets[0];
	for (unsigned i = 0; i < worker_count; i++) {
		struct draw_worker *worker = &w->workers[i];

		worker->random = unit_random(&w->random);
		entropy_init(&worker->entropy, worker->memory, DRAW_BLOCK_BYTES);
		ticket_hand_init(&worker->hand);
		draw_worker_begin_turn(w, i);
	}
	return w;
}

void draw_world_free(struct draw_world *w)
{
	free(w->keeper_memory);
	free(w);
}

void draw_world_publish(struct draw_world *w, const struct port_map *ports)
{
	struct source_set *next = &w->sets[w->published == &w->sets[0]];

	source_set_init(next, ports);
	source_set_keep(next, &w->published->accept);
	w->published = next;
}

void draw_world_sample(struct draw_world *w, struct port_map *out, uint32_t count)
{
	/* The filler comes when it comes: a sample that does not find enough is drawn when it does. */
	while (!port_map_sample(out, &w->eligible, count, &w->keeper_entropy))
		fill(&w->keeper_entropy, &w->random);
}

void draw_worker_begin_turn(struct draw_world *w, unsigned worker)
{
	if (w->workers[worker].set == w->published)
		return;
	w->workers[worker].set = w->published;
	ticket_hand_init(&w->workers[worker].hand);
}

struct ticket draw_worker_ticket_of(struct draw_worker *worker, struct ticket_hand *hand,
				    const struct port_set *set)
{
	struct ticket ticket = {0};

	while (!ticket_draw(hand, set, &worker->entropy, &ticket))
		fill(&worker->entropy, &worker->random);
	return ticket;
}

struct ticket draw_worker_ticket(struct draw_world *w, unsigned worker)
{
	struct draw_worker *self = &w->workers[worker];

	return draw_worker_ticket_of(self, &self->hand, &self->set->ports);
}

uint32_t draw_world_below(struct draw_world *w, uint32_t bound)
{
	return (uint32_t)(((unit_random(&w->random) >> 32) * bound) >> 32);
}

unsigned draw_world_next_worker(struct draw_world *w)
{
	return draw_world_below(w, w->worker_count);
}
