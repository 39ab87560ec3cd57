/* The servers that the tested program asks: each answers any name by content.h, with the question byte for byte as it
 * came, at once or late, and with the faults that the options ask for. What they say of a name of the set begins a new life
 * in the book of TTLs. With --roots they are a tree: the root's and the top-level domains' servers refer (referral.h).
 *
 * Memory: of delay.h. Threads: one. Time: cycles of the TSC, given.
 */
#ifndef LOAD_SERVER_SIDE_H
#define LOAD_SERVER_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/content.h"
#include "bench/load/delay.h"
#include "bench/load/link.h"
#include "bench/load/load_counter.h"
#include "bench/load/load_port.h"
#include "bench/load/names.h"
#include "bench/load/random.h"
#include "bench/load/ttl_book.h"

#define SERVER_SIDE_PORTS 65536

struct server_side {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct ttl_book *ttl_book;
	const struct names *names;
	uint64_t start_tsc;
	uint64_t tsc_hz;
	struct random random;
	struct delay delay;
	bool delays;
	uint64_t cycles_per_us;
	uint64_t delay_least_cycles;
	uint32_t delay_range_us;
	unsigned added_bytes_max; /* what an answer adds to its question at most */
	uint32_t until_mutation[OPTIONS_MUTATIONS];
	uint64_t ports_seen[SERVER_SIDE_PORTS / 64]; /* that queries came from */
};

struct server_side_parts {
	const struct options *options;
	const struct link *link;
	struct load_port *port;
	const struct content *content;
	struct load_counters *counters;
	struct ttl_book *ttl_book;
	const struct names *names;
	uint64_t tsc_hz;
	uint64_t now_tsc;
};

/* False: said why on stderr. server_side_fini in any case, before the port is closed. */
MUST_USE bool server_side_init(struct server_side *s, const struct server_side_parts *parts);
void server_side_fini(struct server_side *s);

/* A packet to server server_idx, parsed by link_parse; takes the mbuf. */
void server_side_take(struct server_side *s, struct rte_mbuf *mbuf, const struct frame_view *view,
		      uint32_t server_idx, uint64_t now_tsc);
/* Send what was delayed until now. Returns how many. */
unsigned server_side_send_due(struct server_side *s, uint64_t now_tsc);
unsigned server_side_ports_seen(const struct server_side *s);

#endif
