/* A world of engines on a simulated wire: what a driver is to them (devices, rings between them, neighbours, a clock, random
 * bytes, who carries TCP) and nothing more. Whoever uses it plays the servers and the clients, and says when what arrives.
 * No library but core, no clock, no file: of the same params, seed and calls comes the same run, byte for byte.
 *
 *   struct world *w = world_new(&params);      params.engine_count, .seed ...; zeroes are defaults
 *   w->config...; world_zone(w, &zone);        the configuration that it begins with may be changed
 *   world_start(w);
 *   while (world_run(w, until))                time goes on, until `until` or until the engines have sent something
 *           while (world_next(w, &event))      that is taken here
 *                   world_udp(w, event.engine, &event.peer, &event.local, reply);
 *   world_free(w);
 *
 * What is handed in arrives at once, in the engine's next turn: delays, losses and reordering of the network are the user's,
 * who keeps it until then. Rings between engines have delays (params.ring_delay_ns) and a capacity; what finds one full is
 * freed and told (engine_not_passed), as the driver does.
 *
 * An engine's turn is as in the driver: what others have passed by kind, its device, what it sends, what it has for TCP.
 * Frames that engines send are taken apart by frame_parse from the receiver's side, so lengths and checksums are tested. A
 * packet is on the heap, in exactly what is lent to the engine, so that a sanitizer sees a step beyond it.
 *
 * Memory: heap. Threads: one. Whatever is wrong with what the engines do at this level ends in CHECK.
 */
#ifndef PORTICO_WORLD_H
#define PORTICO_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/engine.h"
#include "core/engine_config.h"
#include "core/span.h"

#define WORLD_ENGINES_MAX 8
#define WORLD_HEADROOM_BYTES 128
#define WORLD_BUFFER_BYTES 4480
#define WORLD_SERVERS 64 /* places of configured servers */
#define WORLD_RING_PACKETS 1024
/* Addresses of the link; everything else is behind its gateway (the first of each network). */
#define WORLD_OWN_V4 "198.19.255.53"
#define WORLD_OWN_V6 "2001:2:0:ffff::53"

struct world_params {
	unsigned engine_count; /* 0: one */
	uint64_t seed;
	size_t cache_bytes;            /* 0: 4 MiB */
	uint32_t under_way_max;        /* these three: of each engine; 0: 256 */
	uint32_t waiter_count_max;     /* 0: 1024 */
	uint32_t answer_buffer_count;  /* 0: 32 */
	uint16_t learned_server_count; /* 0: 256 */
	unsigned ring_capacity;        /* 0: WORLD_RING_PACKETS */
	bool carries;    /* one more engine, of who carries TCP for clients: number engine_count */
	bool is_dirty;   /* engines get memory full of garbage, as they must not mind */
	bool checks;     /* engine_check of all after every turn */
	uint32_t wall_s; /* at the start; 0: a day of 2025 */
	/* How long a packet is on its way from engine to engine. NULL: no time. It never overtakes another of its ring. */
	uint64_t (*ring_delay_ns)(void *context, unsigned from, unsigned to, enum rx_kind kind);
	void *context;
};

enum world_event_kind {
	WORLD_QUERY,         /* to a server */
	WORLD_ANSWER,        /* to a client */
	WORLD_STREAM_QUERY,  /* to a server, over TCP */
	WORLD_STREAM_ANSWER, /* to a client, over TCP */
};
struct world_event {
	enum world_event_kind kind;
	unsigned engine; /* who has sent it */
	mono_ns at;
	struct endpoint local; /* the engine's side; TCP: no port */
	struct endpoint peer;  /* the server or client; of a STREAM_ANSWER the handle says it */
	struct stream_handle handle;
	uint32_t timeout_ms; /* STREAM_QUERY: answer or fail it by then */
	uint32_t length_bytes;
	uint8_t *message; /* valid until the next call of world_next; may be written to */
};

struct world_packet;
struct world_ring {
	struct world_packet **packets;
	unsigned capacity, first, count;
	mono_ns last_due;
};
struct world_out; /* an event that nobody has taken yet */

struct world {
	struct world_params params;   /* zeroes replaced */
	struct engine_config *config; /* whole, may be changed until world_start */
	mono_ns now;                  /* moved by world_run only */
	unsigned engine_count;
	struct engine *engines[WORLD_ENGINES_MAX + 1]; /* the carrier's is the last */
	bool stopped
		[WORLD_ENGINES_MAX]; /* has no turn while it is: its rings and its device fill */
	bool neighbours_are_silent;  /* nobody answers ARP and ND */
	bool entropy_stops;          /* no more random bytes */
	struct cache *cache;
	struct inflight_words words;

	/* what happened */
	uint64_t rx_packets[WORLD_ENGINES_MAX];   /* that came from its device */
	uint64_t outcomes[COUNTER_OUTCOME_COUNT]; /* of all that engines were given, but over TCP */
	uint64_t ring_drops[RX_KIND_COUNT];
	uint64_t steps; /* grows with everything that happens */

	/* world_*.c's own */
	const struct engine_config *_Atomic current;
	const struct source_set *_Atomic source_now;
	_Atomic uint32_t source_generation;
	struct source_set *source;
	void *acl_memory;
	struct name_fold_key *fold_key;
	void *cache_memory;
	void *words_memory;
	void *servers_memory;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	struct neighbour_word *neighbour_words;
	void *memory[WORLD_ENGINES_MAX + 1];
	uint64_t entropy_state[WORLD_ENGINES_MAX + 1];
	struct world_ring rings[RX_KIND_COUNT][WORLD_ENGINES_MAX]
			       [WORLD_ENGINES_MAX + 1]; /* [][to][from] */
	struct world_ring devices[WORLD_ENGINES_MAX];
	struct world_out *first_out, *last_out, *taken;
};

/* splitmix64: a user's own randomness, apart from the engines'. */
uint64_t world_random(uint64_t *state);

struct world *world_new(const struct world_params *params);
/* A zone of the configuration that is asked of these servers (64 different ones in all); zone: all but its servers. */
void world_zone(struct world *w, const struct engine_zone *zone, const struct endpoint servers[],
		unsigned server_count);
void world_start(struct world *w);
void world_free(struct world *w);

/* Textual, IPv4 or IPv6; false: neither. */
bool world_address(const char *text, struct address *out);

/* Time goes on until `until` (MONO_NEVER: as long as there is a deadline), or until there is an event: true. At least everything
 * that is due now is done. */
bool world_run(struct world *w, mono_ns until);
/* When there is something to do next by itself; MONO_NEVER: never. */
mono_ns world_deadline(const struct world *w);
/* The next event in the order in which they were sent. False: none is left. */
bool world_next(struct world *w, struct world_event *out);

/* A datagram for this engine's device, from any source: a client's question (to the listen endpoint), a server's reply (to the
 * endpoint that the query came from), a forgery. It is received in the engine's next turn. */
void world_udp(struct world *w, unsigned engine, const struct endpoint *src,
	       const struct endpoint *dst, struct span payload);
/* Where clients ask: of the address's family. */
struct endpoint world_listen(const struct world *w, const struct address *client);
/* Over TCP: what becomes of an event's query. */
void world_stream_reply(struct world *w, const struct world_event *query, struct span message);
void world_stream_fail(struct world *w, const struct world_event *query,
		       enum stream_failure failure);
/* A client's question over TCP; engine: of a worker or, with params.carries, engine_count. The answer is a STREAM_ANSWER with
 * this handle. False: there will be none, *outcome says why. */
bool world_stream_ask(struct world *w, unsigned engine, const struct endpoint *client,
		      struct stream_handle handle, struct span message, enum counter *outcome);

/* What is in the rings between engines and in devices. */
uint64_t world_in_rings(const struct world *w);
/* Of all engines. */
uint64_t world_count(const struct world *w, enum counter which);
/* Invariants of all engines, of the cache, and the books. */
void world_check(const struct world *w);

#endif
