/* Very many clients: questions from many addresses and ports, matched by flow and ID; latency from the moment a question
 * was due; lost when the timeout is over.
 *
 * Each place for a question belongs to one flow (address and port) and to a few bits of the ID; the ID's other bits count
 * how often the place was used, so that an answer that comes too late meets another ID.
 *
 * Memory: 48 bytes a place, taken at start. Threads: one. Time: cycles of the TSC, given.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/content.h"
#include "bench/load/link.h"
#include "bench/load/load_counter.h"
#include "bench/load/load_port.h"
#include "bench/load/names.h"

struct client_place {
	uint64_t due_tsc;
	uint64_t value; /* of the question */
	uint32_t salt;
	uint32_t older; /* the list of all that wait, in the order in which they were sent */
	uint32_t newer;
	uint16_t id;
	bool waits;
};

struct client {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct histogram *latency_ns;
	struct names names;
	struct random random;
	double ns_per_cycle;
	uint64_t timeout_cycles;
	uint64_t measure_tsc; /* latency counts of questions that were due since then */

	struct client_place *places;
	uint32_t place_count;
	uint32_t flow_count;
	uint32_t places_each; /* of a flow; a power of two */
	uint32_t *free;       /* a ring: what was given back longest ago is used next */
	uint32_t free_first;
	uint32_t free_count;
	uint32_t oldest;
	uint32_t newest;
	uint32_t waiting_count;
	uint32_t answers_until_check;
};

struct client_parts {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct histogram *latency_ns;
	uint64_t tsc_hz;
};

/* When a question should leave, and when it does. */
struct client_moment {
	uint64_t due_tsc;
	uint64_t now_tsc;
};

/* False: said why on stderr. client_fini in any case. */
MUST_USE bool client_init(struct client *c, const struct client_parts *parts);
void client_fini(struct client *c);

/* One question. False: no place or no buffer, counted. */
MUST_USE bool client_ask(struct client *c, struct client_moment moment);
/* A packet to one of the clients, parsed by link_parse. */
void client_take(struct client *c, const struct frame_view *view, uint32_t client_idx,
		 uint64_t now_tsc);
/* Give up what has waited for too long. */
void client_expire(struct client *c, uint64_t now_tsc);

#endif
