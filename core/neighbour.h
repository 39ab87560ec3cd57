/* The link-layer addresses that upstream queries go to: gateways and on-link servers. Answers to
 * clients go back to the MAC they came from and need no entry here.
 *
 * An entry exists because the configuration names it (a bounded set: no sweep can fill the
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
 *   KERNEL      the kernel keeps it, on a NIC that it shares with us: from neighbour_follow on and for good. Never
 *               asked for nor learned; what is known of it comes by neighbour_tell
 *
 * One worker, the keeper, asks, learns and forgets; what it knows stands in words that all workers read. The configuration
 * says who has which place, so that an index means the same to all. One that it has retired is neither asked for nor
 * learned, but what is known of it stays, should it come back. A reader that suspects one raises a flag, which the keeper
 * takes down.
 *
 * Behind the places of the configuration, from NEIGHBOUR_SLOTS_MAX on, are those on demand (neighbour_demand.h).
 *
 * Memory: one array a worker, one of shared words for all, sized at init. Threads: a table is one worker's. A word
 * has one writer: the keeper or, of a neighbour that the kernel keeps, the one thread that calls neighbour_tell.
 * Time: monotonic, given.
 * RFCs: 826, 4861 section 7.3, 5227.
 */
#ifndef PORTICO_NEIGHBOUR_H
#define PORTICO_NEIGHBOUR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "mono.h"
#include "neighbour_demand.h"

#define NEIGHBOUR_REACHABLE_S 30
#define NEIGHBOUR_PROBES_MAX 3
#define NEIGHBOUR_PROBE_MS 250
#define NEIGHBOUR_RETRY_MS 1000

enum neighbour_state {
	NEIGHBOUR_INCOMPLETE,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_PROBE,
	NEIGHBOUR_LOST,
	NEIGHBOUR_KERNEL,
	NEIGHBOUR_STATE_COUNT,
};
extern const char *const neighbour_state_text[NEIGHBOUR_STATE_COUNT];

struct neighbour {
	struct address address;
	struct mac mac; /* unless INCOMPLETE (then the last one known, or zero) or KERNEL (zero) */
	uint8_t interface_idx;
	uint8_t state; /* enum neighbour_state; written by neighbour_set_state() only */
	bool is_retired;
	uint8_t tries;        /* solicitations sent in this state */
	uint16_t moves;       /* how often its MAC has changed: a flap is seen here */
	mono_ns next_at;      /* when it next has something to send or expire */
	mono_ns solicited_at; /* of the last solicitation, or MONO_NEVER; an answer counts for
				 NEIGHBOUR_RETRY_MS after it */
};

/* What all workers see. */
struct neighbour_shared {
	struct neighbour_word {
		/* MAC 48 | enum neighbour_knowledge 16, so that nobody reads half of a MAC. Its one writer (above): writes;
		 * all: read, relaxed: it says all by itself */
		_Atomic uint64_t word;
		_Atomic uint32_t suspect; /* workers: set; who writes the word: clears */
	} * words;
	/* likewise, over all that the keeper keeps; a cache line away from words, which is read for every query */
	uint8_t apart[64];
	_Atomic uint32_t any_suspect;
	uint8_t apart_too[64];
	struct neighbour_demands demands;
};

enum neighbour_role {
	NEIGHBOUR_KEEPER, /* the one worker that asks and learns */
	NEIGHBOUR_READER,
};

struct neighbour_table {
	struct neighbour *entries;
	struct neighbour_shared *shared;
	uint8_t role; /* enum neighbour_role */
	uint16_t entry_count;
	uint16_t capacity;
	uint16_t demand_count; /* keeper: of the entries on demand, those in use or resting */
	mono_ns next_at; /* not after the earliest of all entries'; a reader's is MONO_NEVER */
	mono_ns suspicions_at; /* when what others suspect is looked at again: a storm costs a look a NEIGHBOUR_PROBE_MS */
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

/* Once for all workers, before any table: nothing is known of any. capacity: NEIGHBOUR_PLACES_MAX; or less, then there are none
 * on demand. */
void neighbour_shared_init(struct neighbour_shared *shared, struct neighbour_word words[],
			   uint16_t capacity);

/* The place is for another neighbour from now on: nothing is known of him. Whoever makes the lists of places, before the
 * list with him is followed, when nobody sends to the one before. */
void neighbour_forget(struct neighbour_shared *shared, uint16_t idx);

/* The caller owns the array, of as many entries as there are shared words; capacity: of the configuration's places. */
void neighbour_init(struct neighbour_table *t, struct neighbour *entries, uint16_t capacity,
		    struct neighbour_shared *shared, enum neighbour_role role);

/* A place in the configuration. */
struct neighbour_place {
	struct address address;
	uint8_t interface_idx;
	bool is_kernels; /* the kernel asks for it and learns its MAC; so of all of an interface */
	bool retired;
};
/* From now on these are the places: not fewer than before. Who has the place of another is a new one. */
void neighbour_follow(struct neighbour_table *t, const struct neighbour_place places[],
		      uint16_t count, mono_ns now);

enum neighbour_knowledge {
	NEIGHBOUR_UNKNOWN, /* not answered yet; what all zeroes say */
	NEIGHBOUR_KNOWN,
	NEIGHBOUR_SILENT, /* unknown, and has left more than NEIGHBOUR_PROBES_MAX questions unanswered */
};
#define NEIGHBOUR_KNOWLEDGE_SHIFT 48

/* The MAC to send to; *mac is written if it is KNOWN. Any worker. */
MUST_USE static inline enum neighbour_knowledge neighbour_mac(const struct neighbour_table *t,
							      uint16_t idx, struct mac *mac)
{
	uint64_t word = atomic_load_explicit(&t->shared->words[idx].word, memory_order_relaxed);
	enum neighbour_knowledge known =
		(enum neighbour_knowledge)(word >> NEIGHBOUR_KNOWLEDGE_SHIFT);

	if (LIKELY(known == NEIGHBOUR_KNOWN))
		memcpy(mac->bytes, &word, sizeof(mac->bytes));
	return known;
}

/* Where the kernel keeps the neighbours of an interface (a shared NIC), its word goes straight into what all workers
 * see: by one thread, of places that are the kernel's only. mac: read if KNOWN. */
void neighbour_tell(struct neighbour_shared *shared, uint16_t idx,
		    enum neighbour_knowledge knowledge, const struct mac *mac);
/* Has a worker suspected it since the last call? The same thread, the same entries. */
bool neighbour_take_suspicion(struct neighbour_shared *shared, uint16_t idx);

/* Is the address a neighbour that the configuration names, or that is there on demand? Its index, else UINT16_MAX. Any worker. */
uint16_t neighbour_find_idx(const struct neighbour_table *t, uint8_t interface_idx,
			    const struct address *address);

enum neighbour_learn {
	NEIGHBOUR_LEARNED, /* answer to our question: entry made, confirmed or moved */
	NEIGHBOUR_IGNORED, /* unasked for, unknown address, or contradicting a live entry */
};

/* Keeper: an ARP reply or neighbour advertisement came (already validated by frame_parse). */
enum neighbour_learn neighbour_on_answer(struct neighbour_table *t, uint8_t interface_idx,
					 const struct address *address, const struct mac *mac,
					 mono_ns now);

/* A hint that the neighbour may have moved or died (an announcement with another MAC: the keeper hears of it; timeouts
 * of servers behind it: any worker suspects it): probe it now, unless it is being asked or was within the last
 * second. Never changes the MAC by itself. So hints cost at most one round of probes a second an entry. One that the
 * kernel keeps is only marked as suspected, by neighbour_suspect: hints are the kernel's. */
void neighbour_on_hint(struct neighbour_table *t, uint8_t interface_idx,
		       const struct address *address, mono_ns now);
void neighbour_suspect(struct neighbour_table *t, uint16_t idx, mono_ns now);

/* Not after the time when neighbour_due next has something to do, what other workers suspect included. For
 * readers MONO_NEVER. */
mono_ns neighbour_next_at(const struct neighbour_table *t, mono_ns now);
/* The next solicitation that is due at now; false: none. Call until false. */
MUST_USE bool neighbour_due(struct neighbour_table *t, mono_ns now, struct neighbour_solicit *out);

void neighbour_check(const struct neighbour_table *t);

#endif
