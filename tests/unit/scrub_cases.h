/* Responses, what they are judged to be, and what of them is kept: for tests of the scrubber. */
#ifndef PORTICO_SCRUB_CASES_H
#define PORTICO_SCRUB_CASES_H

#include <stdint.h>

#include "cache_entry_rig.h"
#include "core/scrub.h"

#define SCRUB_CASE_LINES 14

enum scrub_case_how {
	NO_AA = 1,
	RECURSIVE = 2, /* a forwarder's, with RA */
	NO_RA = 4,
	UNSAFE = 8, /* by UDP, without a cookie */
	TRUNCATED = 16,
	IS_WHOLE = 32, /* what is wanted of it */
};

struct scrub_case {
	struct entry_case response;
	const char *zone;
	unsigned how;
	enum scrub_verdict verdict;
	const char *target; /* NULL: the qname */
	const char *clean
		[SCRUB_CASE_LINES]; /* all records of the clean message, "--" before the authority section; as the zone file has them */
	uint8_t rcode; /* for the client */
	enum scrub_verdict if_believed;
};

extern const struct scrub_case scrub_cases[];
extern const unsigned scrub_case_count;

#endif
