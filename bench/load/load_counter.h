/* Everything that is counted, by name; and what the report needs to know of the run besides.
 *
 * Threads: one writer, who also reads.
 */
#ifndef LOAD_LOAD_COUNTER_H
#define LOAD_LOAD_COUNTER_H

#include <stdint.h>

#include "bench/load/histogram.h"
#include "core/frame.h"

enum load_counter {
	LOAD_SENT,         /* questions (echo: packets) handed to the device */
	LOAD_ANSWERED,     /* matched by flow and ID */
	LOAD_LOST,         /* not answered within the timeout */
	LOAD_LATE,         /* nobody waits for it: late, twice, or never asked */
	LOAD_WRONG,        /* an answer that a check refused */
	LOAD_WRONG_SOURCE, /* not from the address and port that was asked; counted as wrong too */
	LOAD_CHECKED,      /* answers compared in full */
	LOAD_TRUNCATED,    /* TC=1 */
	LOAD_UNSENT_NO_SLOT, /* times that a question was due and every (flow, ID) was in use */
	LOAD_UNSENT_NO_BUFFER,
	LOAD_UPSTREAM_QUERIES,
	LOAD_UPSTREAM_ANSWERED,
	LOAD_UPSTREAM_WRONG_IDS,
	LOAD_UPSTREAM_SILENT,  /* by --silent, --silent-share */
	LOAD_UPSTREAM_LOSS,    /* by --loss */
	LOAD_UPSTREAM_CORRUPT, /* by --corrupt */
	LOAD_UPSTREAM_MALFORMED,
	LOAD_UPSTREAM_NO_BUFFER,
	LOAD_LINK_ANSWERS, /* to ARP requests and ND solicitations */
	LOAD_GARBAGE,      /* frames that are no frames for us: named in garbage[] */
	LOAD_RX_PACKETS,
	LOAD_TX_PACKETS,
	LOAD_TX_REFUSED, /* times that the device took fewer packets than were offered */
	LOAD_TX_DROPPED, /* given up: more waited than a queue holds */
	LOAD_BUSY_CYCLES,
	LOAD_COUNTER_COUNT,
};
extern const char *const load_counter_text[LOAD_COUNTER_COUNT];

#define LOAD_RCODES 16

struct load_counters {
	uint64_t of[LOAD_COUNTER_COUNT];
	uint64_t rcodes[LOAD_RCODES];
	uint64_t garbage[FRAME_RESULT_COUNT];
	uint64_t upstream_by_server[16];
	uint64_t behind_tsc_most; /* how late, at worst, a question left after it was due */
};

/* What was counted between two moments; behind_tsc_most is the later one's. */
void load_counter_subtract(struct load_counters *later, const struct load_counters *earlier);

#endif
