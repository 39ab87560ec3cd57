/* What a resolution that iterates knows beside itself: the zone cut at hand, which of its servers were asked, how far the name
 * was asked for in minimised form (RFC 9156), what it waits for, and what all of it may still cost. Pure decisions on that;
 * what comes of them is engine_iterate.c's.
 *
 * Memory: one a resolution, at the same index; begun by iteration_begin. Threads: one worker's.
 */
#ifndef PORTICO_ITERATION_H
#define PORTICO_ITERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "check.h"
#include "limits.h"
#include "name.h"
#include "resolution.h"
#include "sub.h"
#include "zone_cut.h"

enum iteration_wait {
	ITERATION_WAIT_NONE,
	ITERATION_WAIT_STEP,    /* what is at an ancestor of its name? */
	ITERATION_WAIT_ADDRESS, /* of a server of the cut */
	ITERATION_WAIT_LINK, /* what its CNAME leads to; the links so far are the resolution's kept answer */
	ITERATION_WAIT_COUNT,
};
extern const char *const iteration_wait_text[ITERATION_WAIT_COUNT];

/* Keyed hashes of a name and of the names above it: where most zone cuts are, and what is asked on the way there. */
#define NAME_HASHES 3
struct name_hashes {
	uint64_t of[NAME_HASHES]; /* [i]: of the name without its first i labels; 0: not made yet */
};

struct iteration {
	uint8_t wait; /* enum iteration_wait: state ASK */
	bool is_new;  /* nothing was looked at yet but for the cut */
	bool is_sub; /* begun for another question: its failure may be for want of what that had left */
	bool is_step; /* of those, a step: it ends when it has told of a cut and nobody else waits */
	bool has_told;       /* its steps were told of a cut, or of none */
	bool has_client;     /* a client has been among its waiters: its deadline stays as it is */
	bool asks_whole;     /* no minimised names any more */
	bool has_target;     /* target is valid: ask for it next */
	bool has_candidates; /* made for the cut at hand */
	bool doubts_glue; /* all its addresses were asked in vain: those of names with glue are looked up, too */
	uint8_t denied_labels; /* a step was told that there is no such name as this many labels of ours; 0: none */
	uint8_t probed_labels; /* so many labels of the name are known to be of the cut's zone */
	uint8_t step_labels;   /* WAIT_STEP: so many are asked for */
	uint8_t step_count;
	uint8_t packets_booked; /* of the resolution's, taken off the budget */
	uint8_t address_server; /* WAIT_ADDRESS: of the cut's servers */
	uint8_t first_server;   /* whose addresses are looked up first */
	uint16_t address_type;
	uint16_t asked_a, asked_aaaa; /* bit i: server i's were looked up, or are not to be */
	uint16_t counted;             /* bit i: server i is in the budget of look-ups */
	bool has_share;               /* share_place is held since share_at */
	uint32_t share_place;
	mono_ns share_at;
	uint8_t candidate_count;
	uint8_t round; /* tries that every candidate may have had by now, less one */
	uint8_t tried[ZONE_CUT_ADDRESSES_MAX]; /* queries to a candidate */
	uint16_t candidates
		[ZONE_CUT_ADDRESSES_MAX]; /* indices in the server table; held, if learned */
	struct budget budget;
	struct name_hashes name_hashes; /* of the resolution's own; engine_name_hash's */
	struct name target;             /* of the link */
	struct zone_cut cut;
};
static_assert(ZONE_CUT_ADDRESSES_MAX <= 32, "a bit each of a mask");
static_assert(ZONE_CUT_SERVERS_MAX <= 16, "a bit each of asked_a");

/* q NULL: a client's, or nobody's. The cut is the caller's to set (iteration_adopt). */
void iteration_begin(struct iteration *it, const struct sub_question *q);
/* cut is at hand from now on; candidates are the caller's to have released. */
void iteration_adopt(struct iteration *it, const struct zone_cut *cut);

/* The resolution is told how much it may still send; of a budget that has changed otherwise than by what it has sent. */
void iteration_grant(const struct iteration *it, struct resolution *r);
/* The same, when what it has sent is taken off the budget. */
void iteration_book(struct iteration *it, struct resolution *r);
/* The last packet was sent for a step, and is answered: it is off the budget, and none of those for the question itself. */
void iteration_book_step(struct iteration *it, struct resolution *r);
/* The last packet is another's. */
void iteration_unsend(struct iteration *it, struct resolution *r);
/* Of a reply, be it of use or not. */
void iteration_book_bytes(struct iteration *it, struct resolution *r, size_t length_bytes);

/* The next minimised name to be asked for, in *out, and how many labels of qname that is; 0: the whole name is. */
unsigned iteration_step_next(const struct iteration *it, const struct name *qname,
			     struct name *out);
/* The last labels of a name. label_count: at most as many as it has. */
void iteration_suffix(const struct name *name, unsigned label_count, struct name *out);

/* The servers that it asks are from now on another's, which is at the same cut. */
void iteration_move_candidates(struct iteration *from, struct iteration *to);
/* Which candidates server_choose is not to look at: those that had their tries in this round. */
uint32_t iteration_tried_mask(const struct iteration *it);
/* May any candidate have another try, this round being over? */
bool iteration_has_round(const struct iteration *it);
/* Everybody has had one more: is there another round for any? */
MUST_USE bool iteration_next_round(struct iteration *it);
/* It is not asked any more. */
void iteration_spend(struct iteration *it, int16_t candidate);

/* A server of the cut that has no address to which we can go, or none that is not in doubt, and may be looked up: its index, and
 * of which type; -1: none. Names at or below the cut's zone cannot be found without the addresses themselves. */
int iteration_address_next(const struct iteration *it, bool has_v4, bool has_v6, uint16_t *type);
/* It is being looked up, or not to be. */
void iteration_address_asked(struct iteration *it, unsigned server, uint16_t type);

/* What remains of what was lent: no more of anything than was. */
void iteration_take_back(struct iteration *it, const struct budget *left);
/* Somebody with more left waits for it too. */
void iteration_raise(struct iteration *it, const struct budget *budget);

void iteration_check(const struct iteration *it, const struct resolution *r);

#endif
