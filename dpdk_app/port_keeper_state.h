/* What the parts of the port keeper share (port_keeper*.c only): its state, all of it under the keeper's lock but for the
 * published pointers and `quit`.
 *
 * One pass, by the thread or for a setting: look at the kernel (port_keeper_kernel.c); where that or the settings changed,
 * a new plan and a new draw (port_keeper_draw.c); publish (port_keeper.c); then note what was yielded and
 * returned (port_keeper_conflict.c), and reserve. Who it is that took something is asked after that, without the lock: a walk
 * of /proc takes as long as there are processes.
 */
#ifndef PORTICO_PORT_KEEPER_STATE_H
#define PORTICO_PORT_KEEPER_STATE_H

#include "dpdk_app/port_keeper.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/entropy.h"
#include "core/mono.h"
#include "dpdk_app/kernel_addresses.h"
#include "dpdk_app/kernel_reservation.h"
#include "dpdk_app/kernel_sockets.h"
#include "dpdk_app/port_map_ops.h"

/* Sets lately replaced, each with its own end; when there are more, the newest are taken together. */
#define KEPT_RETIRED_MAX 8

struct kept_retired {
	struct port_map ports;
	mono_ns until;
};

/* Whom the ports are kept against. */
enum kept_kind {
	KEPT_NONE,
	KEPT_SPOKEN_FOR, /* the kernel's settings alone */
	KEPT_HELD,       /* processes too */
};

struct kept_address {
	const struct config_outgoing
		*outgoing; /* retired: nothing of the rest is valid but the sets' memory */
	bool shared; /* the kernel has the address, or one inside the prefix, as of the last look */
	bool missed; /* not there at the last look */
	bool told_free; /* that respect_kernel has nothing to do */

	/* workers: load (acquire); keeper: stores (release) */
	const struct source_set *_Atomic published;
	struct source_set *current; /* what was published last */
	struct source_set
		*spare;      /* the next one's memory: no worker's as soon as no turn is awaited */
	bool changed;        /* drawn, accept or identifiers differ from what was published */
	uint64_t generation; /* of plan and current, for those who read them bit by bit */

	struct port_plan plan;
	struct port_map eligible;    /* by the plan */
	struct port_map listen;      /* what the plan's rules point to */
	struct port_map held_now;    /* by processes, at the last look and the one before it: */
	struct port_map held_before; /* one that the kernel skipped in a list is not gone */
	struct port_map held;        /* what the plan was made with */
	struct port_map of_interest; /* where being held makes a difference */
	struct port_map drawn;
	struct port_map accept;                        /* drawn, and lately drawn */
	struct kept_retired retired[KEPT_RETIRED_MAX]; /* the first ends first */
	unsigned retired_count;
	mono_ns other_kind_until; /* queries of the other kind (small or not) may be under way */
	struct port_map yielded;  /* ports that we had and a process now holds */
	uint32_t reached, floor;  /* as port_floor.h says */
	struct port_map kept;     /* of those drawn, what the kernel's word is against */
	enum kept_kind kept_kind, kept_told;
	uint32_t loss_told; /* ports drawn when it was told that they are few; 0: it was not */
	mono_ns loss_told_at;

	uint16_t live_count, retiring_count;
	uint64_t live[SOURCE_IDENTIFIERS_MAX];
	uint64_t retiring[SOURCE_IDENTIFIERS_MAX];
	mono_ns retiring_until;

	struct entropy_meter meter;
	mono_ns alarm_told_at; /* 0: never */
};

struct port_keeper {
	const struct config *config;
	struct xdp_table *xdp;
	struct config_ports settings; /* in force now */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool thread_made;
	_Atomic bool quit;

	struct worker *workers;
	unsigned worker_count;              /* 0: not started yet */
	_Atomic uint32_t source_generation; /* workers: load; keeper: adds after it has published */
	unsigned turns_wanted; /* that every worker has to begin before the spare sets are free */
	bool turn_ordered;

	struct entropy entropy;
	uint8_t entropy_memory[2][PORT_SAMPLE_BYTES];

	struct kernel_addresses kernel_addresses;
	struct port_map reserved;  /* by others than us */
	struct port_map ephemeral; /* that the kernel hands out */
	bool sockets_told;         /* that the kernel does not say who holds what */
	bool unreserved;           /* some port of ours is not reserved, as it should be */
	mono_ns reserve_at;        /* after a failure: not again before */
	mono_ns reserve_wait;      /* how long that was; 0: the last time went well */
	bool plans_are_old;        /* settings were changed and put back: plan again */
	struct kernel_reservation reservation;

	struct port_map yielded; /* of all addresses */
	struct port_map untold;  /* yielded, and it was not asked yet to whom */
	/* Listen endpoints that a process holds, at the last look and the one before it; it has been warned of. */
	bool listen_now[LISTEN_MAX], listen_before[LISTEN_MAX], listen_told[LISTEN_MAX];
	uint64_t conflict_total; /* conflict n is at n % PORT_KEEPER_CONFLICTS_MAX */
	struct port_conflict conflicts[PORT_KEEPER_CONFLICTS_MAX];

	_Atomic uint32_t
		fewest; /* ports of the smallest set published; keeper: stores; others: load */
	mono_ns rotate_at;
	mono_ns gather_at;
	uint64_t yielded_count, returned_count, rotation_count;

	unsigned address_count;
	bool reloading; /* from prepare to commit: the thread leaves the sets alone */
	/* meanwhile: */
	const struct config *last_config;
	struct config_ports last_settings;
	struct kept_address addresses[OUTGOING_SLOTS_MAX];
};

/* ---- port_keeper.c ---- */

/* Its address in a place that nobody has. False: no memory (logged). */
MUST_USE bool port_keeper_take_place(struct kept_address *a);
void port_keeper_publish_one(struct kept_address *a, mono_ns now);
void port_keeper_plan_all(struct port_keeper *k);
void port_keeper_note_interest(struct kept_address *a);
/* False: not permitted (logged). */
MUST_USE bool port_keeper_reserve(struct port_keeper *k);

mono_ns port_keeper_now(void);
/* A new plan and draw for all addresses, published, with all that follows. After port_keeper_kernel_look. */
void port_keeper_apply(struct port_keeper *k, mono_ns now);

/* ---- port_keeper_kernel.c: what the kernel says ---- */

/* Ask it. True: plans may differ now. */
bool port_keeper_kernel_look(struct port_keeper *k);
/* Its word as of the last look becomes the plans': which ports are held. */
void port_keeper_kernel_take(struct port_keeper *k);

struct port_holder {
	struct kernel_socket socket;
	struct kernel_process process;
};
/* Where a socket is looked for. */
struct port_networks {
	unsigned count;
	struct prefix list[OUTGOING_MAX];
};
/* Those of this address, or, a NULL, of all, that the kernel shares. */
void port_keeper_kernel_networks(const struct port_keeper *k, const struct kept_address *a,
				 struct port_networks *out);
/* Who holds the first `most` of these ports that are held there. Asks the kernel and walks /proc once: not under the lock, once
 * there is a thread. Returns how many were found. */
unsigned port_keeper_kernel_holders(const struct port_networks *networks,
				    const struct port_map *ports, struct port_holder holders[],
				    unsigned most);

/* ---- port_keeper_draw.c: plans, ports, identifiers; pure but for randomness and log lines ---- */

enum port_draw {
	PORT_DRAW_FRESH,   /* all anew */
	PORT_DRAW_KEEPING, /* as many of those drawn as may stay; the rest anew */
};
/* The verdicts under these settings; plan may be the address's own. */
void port_keeper_draw_plan(const struct port_keeper *k, const struct kept_address *a,
			   const struct config_ports *settings, struct port_plan *plan,
			   struct port_map *listen);
/* Draw from the address's plan; what is replaced is kept for replies. False: no randomness (logged), nothing changed. */
MUST_USE bool port_keeper_draw_ports(struct port_keeper *k, struct kept_address *a,
				     enum port_draw how, mono_ns now);
/* The same of interface identifiers, if the address is a prefix. */
MUST_USE bool port_keeper_draw_identifiers(struct port_keeper *k, struct kept_address *a,
					   mono_ns now);
/* Forget what no reply can come to any more. */
void port_keeper_draw_expire(struct kept_address *a, mono_ns now);
/* The set as it is to be published. */
void port_keeper_draw_build(const struct kept_address *a, struct source_set *out, mono_ns now);
/* Is it worth to draw anew from time to time? */
bool port_keeper_draw_rotates(const struct port_keeper *k, const struct kept_address *a);

/* ---- port_keeper_conflict.c: what was yielded and returned ---- */

/* After a publication: note what is new since the last call. */
void port_keeper_conflict_update(struct port_keeper *k);
/* By the keeper's thread: ask who it was, and tell. Under the lock, which is free while it asks. */
void port_keeper_conflict_tell(struct port_keeper *k);

/* ---- port_keeper_start.c: what is refused at start ---- */

/* With the first plans made: does each address have what it is to have? False: no (logged). */
MUST_USE bool port_keeper_start_check(const struct port_keeper *k);
/* "1024 in range, 12 less by outgoing.exclude, …": what the rules took. */
#define PORT_KEEPER_COUNTS_BYTES 256
const char *port_keeper_start_counts(const struct port_plan *plan,
				     char out[PORT_KEEPER_COUNTS_BYTES]);

/* ---- port_keeper_meter.c: how random what was sent looks ---- */

/* Once a second: gather what the workers have counted. */
void port_keeper_meter_gather(struct port_keeper *k, mono_ns now);

#endif
