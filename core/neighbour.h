/* The link-layer addresses that upstream queries go to: gateways and on-link servers. Answers to
 * clients go back to the MAC they came from and need no entry here.
 *
 * An entry exists because the configuration names it (a bounded, fixed set: no sweep can fill the
 * table, RFC 6583). It is learned only from an answer to our own question, kept fresh by unicast
 * probes, and never changed while its old owner still answers (SECURITY.md section 3.3 rows 25
 * and 26).
 *
 *   INCOMPLETE  nothing known; asks by broadcast/multicast every second, from neighbour_init on
 *   REACHABLE   known and confirmed less than NEIGHBOUR_REACHABLE_S ago
 *   PROBE       known, being confirmed by unicast (3 tries, 250 ms apart); still used
 *   LOST        its owner no longer answers probes: asks by broadcast; the old MAC is still used
 *               until an answer comes (then REACHABLE, maybe with a new MAC) or 3 broadcasts went
 *               unanswered (then INCOMPLETE)
 *
 * Memory: one array, sized at init. Threads: one worker's. Time: monotonic, given.
 * RFCs: 826, 4861 section 7.3, 5227.
 */
#ifndef PORTICO_NEIGHBOUR_H
#define PORTICO_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "mono.h"

#define NEIGHBOUR_REACHABLE_S 30
#define NEIGHBOUR_PROBES_MAX 3
#define NEIGHBOUR_PROBE_MS 250
#define NEIGHBOUR_RETRY_MS 1000

enum neighbour_state {
	NEIGHBOUR_INCOMPLETE,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_PROBE,
	NEIGHBOUR_LOST,
	NEIGHBOUR_STATE_COUNT,
};
extern const char *const neighbour_state_text[NEIGHBOUR_STATE_COUNT];

struct neighbour {
	struct address address;
	struct mac mac; /* valid unless INCOMPLETE; then the last one known, or zero */
	uint8_t interface_idx;
	uint8_t state;        /* enum neighbour_state; written by neighbour_set_state() only */
	uint8_t tries;        /* solicitations sent in this state */
	uint16_t moves;       /* how often its MAC has changed: a flap is seen here */
	mono_ns next_at;      /* when it next has something to send or expire */
	mono_ns solicited_at; /* of the last solicitation, or MONO_NEVER; an answer counts for
				 NEIGHBOUR_RETRY_MS after it */
};

struct neighbour_table {
	struct neighbour *entries;
	uint16_t entry_count;
	uint16_t capacity;
	mono_ns next_at; /* not after the earliest of all entries' */
	/* neighbour_due's pass over the table: where it goes on, and the earliest it has seen. */
	uint16_t scan_idx;
	mono_ns scan_next_at;
};

/* A solicitation to send now. */
struct neighbour_solicit {
	uint16_t neighbour_idx;
	uint8_t interface_idx;
	struct address target;
	const struct mac *unicast; /* NULL: broadcast; valid until the next call */
};

/* The caller owns the array. */
void neighbour_init(struct neighbour_table *t, struct neighbour *entries, uint16_t capacity);

/* Find or add; the index stays valid for good. UINT16_MAX: full. Start only. */
MUST_USE uint16_t neighbour_add(struct neighbour_table *t, uint8_t interface_idx,
				const struct address *address, mono_ns now);

/* The MAC to send to, or NULL while it is not known. */
static inline const struct mac *neighbour_mac(const struct neighbour_table *t, uint16_t idx)
{
	const struct neighbour *n = &t->entries[idx];

	return n->state == NEIGHBOUR_INCOMPLETE ? NULL : &n->mac;
}

/* Has it left NEIGHBOUR_PROBES_MAX questions unanswered, with no MAC known? */
static inline bool neighbour_is_silent(const struct neighbour_table *t, uint16_t idx)
{
	const struct neighbour *n = &t->entries[idx];

	return n->state == NEIGHBOUR_INCOMPLETE && n->tries > NEIGHBOUR_PROBES_MAX;
}

enum neighbour_learn {
	NEIGHBOUR_LEARNED, /* answer to our question: entry made, confirmed or moved */
	NEIGHBOUR_IGNORED, /* unasked for, unknown address, or contradicting a live entry */
};

/* An ARP reply or neighbour advertisement came (already validated by frame_parse). */
enum neighbour_learn neighbour_on_answer(struct neighbour_table *t, uint8_t interface_idx,
					 const struct address *address, const struct mac *mac,
					 mono_ns now);

/* A hint that the neighbour may have moved or died (an announcement with another MAC, timeouts of
 * servers behind it): probe it now, unless it is being asked or was within the last second. Never
 * changes the MAC by itself. So hints cost at most one round of probes a second an entry. */
void neighbour_on_hint(struct neighbour_table *t, uint8_t interface_idx,
		       const struct address *address, mono_ns now);
void neighbour_suspect(struct neighbour_table *t, uint16_t idx, mono_ns now);

/* The next solicitation that is due at now; false: none. Call until false. */
MUST_USE bool neighbour_due(struct neighbour_table *t, mono_ns now, struct neighbour_solicit *out);

void neighbour_check(const struct neighbour_table *t);

#endif
