/* Neighbours that no configuration names: on-link servers that delegations lead to, and gateways of routes beyond those that
 * are kept warm. Any worker demands one when it first has something to send there; whoever keeps the neighbours of the
 * interface (neighbour.h: the keeper, or who asks the kernel) finds the demand, asks, and tells as of the configured ones.
 *
 * Bounded: what a delegation names can neither push a configured neighbour out nor have more than NEIGHBOUR_DEMAND_MAX asked
 * for at once (RFC 6583). A place is given up by its keeper when it was not used for NEIGHBOUR_DEMAND_IDLE_S, or nobody has
 * answered NEIGHBOUR_DEMAND_TRIES times; then it rests for NEIGHBOUR_DEMAND_REST_MS, so that a worker that has just looked at
 * it has sent its packet before another neighbour has the place.
 *
 *   FREE     nobody's
 *   CLAIMED  a worker is writing down whom it wants
 *   WANTED   in use; *what* is wanted does not change
 *   RESTING  given up
 *
 * Memory: in struct neighbour_shared. Threads: FREE to WANTED by any worker; WANTED to RESTING to FREE by the one who keeps it.
 * Tests: test_neighbour_demand.c.
 */
#ifndef PORTICO_NEIGHBOUR_DEMAND_H
#define PORTICO_NEIGHBOUR_DEMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "hash.h"
#include "limits.h"
#include "mono.h"

#define NEIGHBOUR_DEMAND_WAYS 8 /* places for one hash */
#define NEIGHBOUR_DEMAND_IDLE_S 60
#define NEIGHBOUR_DEMAND_TRIES 8
#define NEIGHBOUR_DEMAND_REST_MS 1000
#define NEIGHBOUR_DEMAND_NONE UINT16_MAX

enum neighbour_demand_state {
	NEIGHBOUR_DEMAND_FREE,
	NEIGHBOUR_DEMAND_CLAIMED,
	NEIGHBOUR_DEMAND_WANTED,
	NEIGHBOUR_DEMAND_RESTING,
	NEIGHBOUR_DEMAND_STATE_COUNT,
};

struct neighbour_demand {
	/* Count of uses 56 | state 8: equal to what it was, the place is whose it was. */
	_Alignas(64) _Atomic uint64_t tenure;
	_Atomic uint32_t used_s; /* any worker: writes, once a second at most */
	/* Interface 8 | the kernel keeps it 1, and the address. Who claims: writes; others: read, relaxed, between two looks at
	 * the tenure. */
	_Atomic uint32_t link;
	_Atomic uint64_t address[2];
};

struct neighbour_demands {
	uint16_t first; /* index of the first place among all neighbours; */
	uint16_t count; /* 0: there are none on demand */
	struct hash_key key;
	/* workers: set; the keeper: clears. Likewise for who asks the kernel, who looks anyhow. */
	_Alignas(64) _Atomic uint32_t any_new;
	_Alignas(64) struct neighbour_demand places[NEIGHBOUR_DEMAND_MAX];
};

/* Who is wanted. */
struct neighbour_wanted {
	struct address address;
	uint8_t interface_idx;
	bool is_kernels;
};

/* Once, before any worker. first: their indices among all neighbours begin there. */
void neighbour_demands_init(struct neighbour_demands *d, uint16_t first, uint16_t count);
/* Secret, so that nobody can choose addresses that share places. Once, before any worker. */
void neighbour_demands_key(struct neighbour_demands *d, const struct hash_key *key);

/* The index of whom is wanted, from d->first on; its place is taken if it has none. NEIGHBOUR_DEMAND_NONE: no place is free.
 * *tenure, if it has one: for neighbour_demand_use. Any worker. */
uint16_t neighbour_demand(struct neighbour_demands *d, const struct neighbour_wanted *wanted,
			  uint64_t *tenure, mono_ns now);
/* The same where it is there already. */
uint16_t neighbour_demand_find(const struct neighbour_demands *d, uint8_t interface_idx,
			       const struct address *address);
/* It is to be used now. False: it is somebody else's place by now, or nobody's. */
bool neighbour_demand_use(struct neighbour_demands *d, uint16_t idx, uint64_t tenure, mono_ns now);

/* ---- for who keeps them; position: idx - first ---- */

/* Has anybody demanded one since the last call? */
bool neighbour_demand_take_new(struct neighbour_demands *d);
static inline bool neighbour_demand_any_new(const struct neighbour_demands *d)
{
	return atomic_load_explicit(&d->any_new, memory_order_relaxed) != 0;
}
enum neighbour_demand_state neighbour_demand_state(const struct neighbour_demands *d,
						   uint16_t position);
/* Who is WANTED there; false: nobody. */
bool neighbour_demand_at(const struct neighbour_demands *d, uint16_t position,
			 struct neighbour_wanted *out);
/* Is an earlier place the same one's? Two workers may have claimed at once. */
bool neighbour_demand_is_double(const struct neighbour_demands *d, uint16_t position);
bool neighbour_demand_is_idle(const struct neighbour_demands *d, uint16_t position, mono_ns now);
/* WANTED to RESTING: found by nobody any more. What is known of it stays until it is freed. */
void neighbour_demand_give_up(struct neighbour_demands *d, uint16_t position);
/* RESTING to FREE. */
void neighbour_demand_free(struct neighbour_demands *d, uint16_t position);

#endif
