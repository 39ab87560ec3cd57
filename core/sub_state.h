/* What a resolution has to do with sub-questions (sub.h): those that it asks, one at a time, and those that ask it.
 *
 * Beside the resolutions, at the same index, and only touched for those that have to do with any. A state is that of the
 * resolution whose generation it has; of any other it is as if it were empty.
 *
 * Memory: a table lent at init, which need not be cleared. Threads: one worker's.
 */
#ifndef PORTICO_SUB_STATE_H
#define PORTICO_SUB_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "limits.h"
#include "mono.h"
#include "name.h"
#include "sub.h"

enum sub_wait {
	SUB_WAIT_NONE,
	SUB_WAIT_QUEUED, /* in sub_table.queue: it is looked up, begun or passed on in the next turn */
	SUB_WAIT_OUT,    /* in sub_table.out: it is to be sent to its owner */
	SUB_WAIT_ASKED, /* its owner has it, be it this worker */
	SUB_WAIT_COUNT,
};
extern const char *const sub_wait_text[SUB_WAIT_COUNT];

struct sub_state {
	uint32_t generation; /* the resolution's */

	/* As one that is asked. */
	uint8_t ancestor_count;
	uint16_t waiter_count; /* who ask it, those that are released and not answered yet, too */
	uint32_t waiter_head;  /* those that are not released, by waiter.next */
	uint32_t waiter_tail;
	struct budget granted; /* less what is left: what it has spent, but for a constant */
	uint64_t ancestors[SUB_ANCESTORS_MAX];

	/* As one that asks: what it waits for. */
	uint8_t wait;    /* enum sub_wait */
	uint8_t purpose; /* enum sub_purpose */
	uint8_t owner;   /* the worker that has the question */
	uint8_t resends;
	bool traced;
	bool checking_disabled;
	bool is_loop; /* QUEUED: it would wait for itself */
	bool has_cut; /* engine_iterate_cut goes with it */
	uint16_t qtype;
	uint32_t serial;         /* with the index: a handle that does not outlive the wait */
	uint32_t previous, next; /* QUEUED, OUT */
	uint64_t hash;           /* of what it waits for */
	mono_ns deadline_at;
	struct budget lent;
	struct name qname;
};

/* Of states, by previous and next. */
struct sub_list {
	uint32_t head, tail, count;
};

struct sub_table {
	struct sub_state *states;
	uint32_t fresh; /* states from here on were never touched */
	uint32_t last_serial;
	struct sub_list queue, out;
	uint32_t waiting_count; /* states that wait */
	uint32_t waiter_count;  /* WAITER_SUB in the engine's pool; of them, by waiter.next: */
	uint32_t released_head, released_tail; /* those that are to be answered, */
	uint32_t out_head,
		out_tail;    /* and those of these whose answer is to be sent to another worker, */
	uint32_t out_count;  /* so many */
	bool primes;         /* there is a SUB_PRIME to be asked, */
	uint8_t prime_owner; /* of this worker: */
	struct sub_question prime;
};

#endif
