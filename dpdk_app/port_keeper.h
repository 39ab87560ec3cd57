/* Keeps the source sets of all outgoing addresses: builds them from the configuration and from what the kernel says,
 * publishes them to the workers, rotates, yields and takes back ports, and knows why each port is what it is.
 *
 * A thread of its own, every PORT_KEEPER_TICK_MS: where the kernel shares an outgoing address and respect_kernel is on, ask
 * it which ports are reserved and held; what has changed is taken out of the XDP map, then out of the set, and the workers
 * ask what is under way there again. Never below a floor (port_floor.h). Rotation every rotate_s. Replaced sets are freed after every worker has begun another turn
 * (WORKER_ORDER_TURN); replies to their ports are taken until none can come.
 *
 * Memory: two sets an address and what is being retired. Threads: made by main before the engines; one thread of its
 * own from port_keeper_start to port_keeper_stop; the report functions on telemetry's threads, under the keeper's lock, which
 * workers never take.
 */
#ifndef PORTICO_PORT_KEEPER_H
#define PORTICO_PORT_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/check.h"
#include "core/port_plan.h"
#include "core/source_set.h"
#include "dpdk_app/entropy_meter.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

#define PORT_KEEPER_TICK_MS 200
#define PORT_KEEPER_CONFLICTS_MAX 256

struct port_keeper;

/* The first sets, with what the kernel says now; after xdp_attach. reserve_in_kernel: they are reserved when it returns.
 * NULL: refused (logged): a set is empty, and which rule emptied it; send_port is held, and by whom. */
MUST_USE struct port_keeper *port_keeper_make(const struct config *config, struct xdp_table *xdp);
/* Where the workers find the set of this outgoing address. */
const struct source_set *_Atomic *port_keeper_source(struct port_keeper *k, unsigned outgoing_idx);
/* Counts up whenever any of them has changed (core/engine_config.h). */
const _Atomic uint32_t *port_keeper_generation(struct port_keeper *k);
/* After the launch of the workers. False: no thread (logged). */
MUST_USE bool port_keeper_start(struct port_keeper *k, struct worker *workers,
				unsigned worker_count);

/* ---- reload ----
 * Addresses are in the places that config_align_outgoing gave them, in both configurations. Threads: who reloads. */

/* New addresses get their first sets, published, and replies to them are let through; all others go on as they were.
 * False: refused (logged): what is wrong with the ports of next. Then nothing has changed. */
MUST_USE bool port_keeper_prepare(struct port_keeper *k, const struct config *next);
/* After prepare: it is not to be after all. */
void port_keeper_abandon(struct port_keeper *k);
/* After prepare, when every worker knows the next snapshot: the settings of next are in force, and nobody looks at the last
 * configuration any more when it returns. */
void port_keeper_commit(struct port_keeper *k);

/* Ends the thread, while the workers still run; reservations in the kernel are undone. The sets stay. k may be NULL, or not
 * started. */
void port_keeper_stop(struct port_keeper *k);

/* ---- reports: any thread ---- */

struct port_keeper_stats {
	uint64_t yielded;  /* ports given to a process that bound them while we ran */
	uint64_t returned; /* and taken back when it left */
	uint64_t rotations;
	uint64_t entropy_alarms;
	uint64_t conflicts_now; /* ports yielded and not returned */
	uint64_t
		kept; /* ports drawn now against the kernel's word, lest too few be left (port_floor.h) */
	uint64_t eligible;   /* the smallest set's ports */
	double entropy_bits; /* of the weakest outgoing address: log2 of its ports */
};
void port_keeper_stats(struct port_keeper *k, struct port_keeper_stats *out);

/* Of the outgoing address that has the fewest ports. Does not wait: all that is under the lock may, for seconds. */
struct port_keeper_least {
	uint32_t ports;
	double entropy_bits;
};
struct port_keeper_least port_keeper_least(const struct port_keeper *k);

struct port_keeper_row {
	struct address address;
	uint8_t prefix_bits;
	uint8_t interface_idx;
	bool shared;        /* the kernel has the address too */
	uint16_t send_port; /* 0: random */
	uint32_t drawn;     /* ports in the set */
	uint32_t accepted;  /* ports on which replies are taken */
	uint16_t identifiers;
	uint32_t counts[PORT_VERDICT_COUNT];
	double port_bits, identifier_bits;
	struct entropy_figures figures;
	uint64_t alarms;
};
/* Of those that are not retired, by index. */
unsigned port_keeper_rows(struct port_keeper *k, struct port_keeper_row rows[OUTGOING_MAX]);

/* The plan of one outgoing address, the ports drawn from and those on which replies are taken. Returns a number that is
 * another as soon as any of these is. */
uint64_t port_keeper_plan(struct port_keeper *k, unsigned outgoing_idx, struct port_plan *plan,
			  struct port_map *drawn, struct port_map *accepted);
/* One sentence: why this port of this address may be drawn, or may not, and who holds it. */
#define PORT_KEEPER_WHY_BYTES 120
void port_keeper_why(struct port_keeper *k, unsigned outgoing_idx, uint16_t port,
		     char out[PORT_KEEPER_WHY_BYTES]);

struct port_conflict {
	uint16_t port;
	struct address bound; /* as the process bound it */
	char process[64];
	long pid;                 /* 0: unknown */
	int64_t since_s, until_s; /* wall clock; until 0: still */
};
/* Newest first, from the start'th on; the last PORT_KEEPER_CONFLICTS_MAX are known. Returns how many, count at most. */
unsigned port_keeper_conflicts(struct port_keeper *k, unsigned start, struct port_conflict rows[],
			       unsigned count);

/* exclude, exclude_defaults, range, pool_size, rotate_s, respect_kernel: from now on, until the next start or reload. value as in
 * the file; "exclude" and "range" take a list with commas, "+4500" adds, "-4500" takes off, "none" is the empty list.
 * False: nothing was changed, and why. */
#define PORT_KEEPER_SET_BYTES 120
MUST_USE bool port_keeper_set(struct port_keeper *k, const char *key, const char *value,
			      char why[PORT_KEEPER_SET_BYTES]);

#endif
