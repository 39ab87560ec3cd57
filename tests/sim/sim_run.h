/* One run of the simulator: a random internet, engines that iterate through it, clients that ask, and what goes wrong on the way,
 * all of it by a seed. Every answer is compared with the reference; what must always hold is looked at after every step.
 *
 * Violations end the process by sim_violated() with where and what; CHECKs in core end it by a trap. Both are for the parent to
 * see (sim.c), which runs each seed in a child.
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

enum sim_fault {
	SIM_FAULT_LOSS,
	SIM_FAULT_JITTER, /* which reorders, too */
	SIM_FAULT_DUPLICATES,
	SIM_FAULT_CORRUPTION, /* of what a checksum does not save: counts, IDs, names, lengths */
	SIM_FAULT_PARTITION,  /* a part of the servers cannot be reached for a while */
	SIM_FAULT_BAD_SERVERS,
	SIM_FAULT_ATTACKER, /* off-path; it sees ports sometimes, and tries IDs */
	SIM_FAULT_RINGS,    /* between engines: slow and full */
	SIM_FAULT_PAUSES,   /* nothing runs for a while, and time goes on */
	SIM_FAULT_TCP,      /* connections fail */
	SIM_FAULT_SMALL_CACHE,
	SIM_FAULT_STOPPED_ENGINE,
	SIM_FAULT_COUNT,
};
extern const char *const sim_fault_text[SIM_FAULT_COUNT];
#define SIM_QUESTIONS_MIN 200

struct sim_options {
	uint64_t seed;
	unsigned question_count; /* 0: as the seed says */
	uint32_t faults_off;     /* a bit each */
	uint64_t step_max;       /* 0: to the end */
	bool verbose;
};

struct sim_outcome {
	uint64_t steps;
	uint64_t queries;
	unsigned engines;
	unsigned zones;
	unsigned questions;
	unsigned answered;
	unsigned servfails;
	unsigned silent;
	uint32_t faults;
	uint64_t fingerprint; /* of all that was sent: replays are the same, bit for bit */
};

void sim_run(const struct sim_options *options, struct sim_outcome *out);

#endif
