/* Very many clients: questions from many addresses and ports, matched by flow and ID; latency from the moment a question
 * was due; lost when the timeout is over.
 *
 * Each place for a question belongs to one flow (address and port) and to a few bits of the ID; the ID's other bits count
 * how often the place was used, so that an answer that comes too late meets another ID.
 *
 * Every answer is looked at: flags, rcode, question, address and what is left of the TTL; one in --check-every in full,
 * with the frame's checksums and all records (client_take).
 *
 * Memory: 32 bytes a place, taken at start. Threads: one. Time: cycles of the TSC, given.
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
#include "bench/load/template.h"
#include "bench/load/ttl_book.h"

/* Half a cache line. */
struct client_place {
	_Alignas(32) uint64_t due_tsc;
	uint64_t value; /* of the question */
	uint32_t salt;
	uint32_t client_idx;
	uint16_t port;
	uint16_t id;
	uint16_t id_mask; /* of the flow: two flows do not count alike */
	bool waits;
	uint8_t version;
};

/* The last times that we were off our core: rings that nobody empties overflow, and what was in them is lost. */
#define CLIENT_AWAYS 256

struct client_away {
	uint64_t begin_tsc;
	uint64_t end_tsc;
};

struct client {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct histogram *latency_ns; /* of each class */
	struct ttl_book *ttl_book;
	struct names names;
	struct random random;
	struct template template;
	double ns_per_cycle;
	double ms_per_cycle;
	uint64_t start_tsc; /* of the book's time */
	uint64_t timeout_cycles;
	uint64_t answer_cycles;
	struct client_away aways[CLIENT_AWAYS];
	unsigned away_next;
	uint64_t measure_tsc; /* latency counts of questions that were due since then */

	struct client_place *places;
	uint32_t place_count;
	uint32_t flow_count;
	uint32_t places_each; /* of a flow; a power of two */
	uint32_t *free;       /* a ring: what was given back longest ago is used next */
	uint32_t free_first;
	uint32_t free_count;
	uint32_t waiting_count;
	uint32_t waiting_new_count; /* of these, for names that are not of the set */
	uint32_t sweep_next;
	uint64_t sweep_tsc;
	uint32_t answers_until_check;

	struct rte_mbuf *packets[LOAD_BURST]; /* empty ones, taken together */
	uint32_t packet_count;
};

struct client_parts {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct histogram *latency_ns;
	struct ttl_book *ttl_book;
	uint64_t tsc_hz;
	uint64_t now_tsc;
};

/* When a question should leave, and when it does. */
struct client_moment {
	uint64_t due_tsc;
	uint64_t now_tsc;
};

enum client_wish { CLIENT_ANY, CLIENT_NEW };

/* False: said why on stderr. client_fini in any case. */
MUST_USE bool client_init(struct client *c, const struct client_parts *parts);
void client_fini(struct client *c);
/* The targets' MACs are known now. */
void client_begin(struct client *c);

/* One question, any or one for a name never asked before. False: no place or no buffer, counted. */
MUST_USE bool client_ask(struct client *c, struct client_moment moment, enum client_wish wish);
/* Plain answers among received packets: takes and frees these; the others stay, first in mbufs. Returns how many. */
unsigned client_take_plain(struct client *c, struct rte_mbuf *mbufs[], unsigned count,
			   uint64_t now_tsc);
/* A packet to one of the clients, parsed by link_parse: compared in full. */
void client_take(struct client *c, const struct frame_view *view, uint32_t client_idx,
		 uint64_t now_tsc);
/* Nobody looked at the device meanwhile. */
void client_note_away(struct client *c, uint64_t begin_tsc, uint64_t end_tsc);
/* Give up what has waited for too long: found within a sixteenth of the timeout. */
void client_expire(struct client *c, uint64_t now_tsc);

/* The book's time. */
static inline uint32_t client_ms(const struct client *c, uint64_t tsc)
{
	return tsc > c->start_tsc ? (uint32_t)((double)(tsc - c->start_tsc) * c->ms_per_cycle) + 1
				  : 1;
}

#endif
