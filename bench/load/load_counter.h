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
	LOAD_LOST_AWAY,    /* of these: were under way while we were off our core */
	LOAD_LATE,         /* nobody waits for it: late, twice, or never asked */
	LOAD_SENT_SET,     /* of these, for names of the set (--zipf, --uniform) */
	LOAD_ANSWERED_SET, /* NOERROR or NXDOMAIN, for names of the set */
	LOAD_ANSWERED_NEW, /* the same, for all others */
	LOAD_LOST_SET,
	LOAD_WRONG, /* an answer that a check refused: by one of the following */
	LOAD_WRONG_RCODE,
	LOAD_WRONG_RECORD,  /* number of records, type, class, address */
	LOAD_WRONG_TTL,     /* none, or more than the servers gave */
	LOAD_WRONG_GROWN,   /* more is left of a TTL than there was */
	LOAD_WRONG_MESSAGE, /* what does not parse, another question, flags */
	LOAD_WRONG_SOURCE,  /* not from the address and port that was asked; counted as wrong too */
	LOAD_CHECKED,       /* answers compared in full */
	LOAD_TRUNCATED,     /* TC=1 */
	LOAD_UNSENT_NO_SLOT, /* times that a question was due and every (flow, ID) was in use */
	LOAD_UNSENT_NO_BUFFER,
	LOAD_UNSENT_AWAY, /* due while we were off our core: never asked */
	LOAD_AWAY,        /* times that we were */
	LOAD_UPSTREAM_QUERIES,
	LOAD_UPSTREAM_ANSWERED,
	LOAD_UPSTREAM_REFERRALS, /* of these: what --roots and --tlds say */
	LOAD_UPSTREAM_WRONG_IDS,
	LOAD_UPSTREAM_SILENT,  /* by --silent, --silent-share */
	LOAD_UPSTREAM_LOSS,    /* by --loss */
	LOAD_UPSTREAM_MUTATED, /* by --mutate */
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

/* Latencies apart: names that a cache may know, and those that it cannot. */
enum load_class { LOAD_CLASS_SET, LOAD_CLASS_NEW, LOAD_CLASSES };
extern const char *const load_class_text[LOAD_CLASSES];

#define LOAD_RCODES 16

struct load_counters {
	uint64_t of[LOAD_COUNTER_COUNT];
	uint64_t rcodes[LOAD_RCODES];
	uint64_t garbage[FRAME_RESULT_COUNT];
	uint64_t upstream_by_server[16];
	uint64_t behind_tsc_most; /* how late, at worst, a question left after it was due */
	uint64_t away_tsc_most;   /* how long, at worst, we were off our core */
};

/* What was counted between two moments; the most of something is the later one's. */
void load_counter_subtract(struct load_counters *later, const struct load_counters *earlier);

#endif
