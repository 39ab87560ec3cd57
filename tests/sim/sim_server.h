/* Servers of the simulated internet with habits: most answer as authorities should, some do not. None of them lies about
 * what it may speak for, so that the truth stays one: whatever else a bad one says must have no effect.
 *
 * Threads: pure functions.
 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "tests/sim/authority.h"

/* What a bad one tries to make believed, of names that are not its own to speak for. */
#define SIM_POISON_V4 6, 6, 6, 6

enum sim_habit {
	SIM_HABIT_HONEST,
	SIM_HABIT_DEAD,
	SIM_HABIT_REFUSES,
	SIM_HABIT_FAILS, /* SERVFAIL */
	SIM_HABIT_NOT_IMPLEMENTED,
	SIM_HABIT_UPWARD,            /* refers to the root */
	SIM_HABIT_SELF_REFERRAL,     /* to the zone that it has */
	SIM_HABIT_NOT_AUTHORITATIVE, /* an empty answer without AA */
	SIM_HABIT_POISONS,           /* the truth, and records of others' names in every section */
	SIM_HABIT_FLOODS,            /* a referral has a hundred more servers that do not exist */
	SIM_HABIT_NO_EDNS,           /* FORMERR to what has an OPT */
	SIM_HABIT_LOWER_CASE,        /* does not keep letter case */
	SIM_HABIT_TRUNCATES,         /* over UDP always TC */
	SIM_HABIT_SLOW,              /* two seconds */
	SIM_HABIT_JUNK,              /* bytes behind the header that are no records */
	SIM_HABIT_TRAILING,          /* a byte too many */
	SIM_HABIT_ANOTHER_QUESTION,  /* the truth to another question */
	SIM_HABIT_NO_RESPONSE_BIT,   /* QR=0 */
	SIM_HABIT_LOOPING_NAMES,     /* a compression pointer to itself */
	SIM_HABIT_HEADER_ONLY,       /* NOERROR, and no question */
	SIM_HABIT_COUNT,
};
extern const char *const sim_habit_text[SIM_HABIT_COUNT];

/* What such a server sends; 0: nothing. out: AUTHORITY_MESSAGE_BYTES_MAX bytes. *delay_ms is added to where it is slow. */
size_t sim_server_answer(const struct tree *tree, const struct tree_server *server,
			 enum sim_habit habit, const uint8_t *query, size_t query_bytes,
			 bool over_tcp, uint8_t *out, unsigned *delay_ms);

#endif
