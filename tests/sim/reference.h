/* What a question's answer is, by a direct walk over the zones of a tree: no messages, no servers, nothing that core has.
 *
 * Threads: pure functions.
 */
#ifndef SIM_REFERENCE_H
#define SIM_REFERENCE_H

#include "tests/sim/tree.h"

#define REFERENCE_RECORDS_MAX 256
#define REFERENCE_LINKS_MAX 10 /* more are refused (SECURITY.md table 1.1) */

struct reference_record {
	struct tree_name owner;
	uint16_t type;
	uint16_t rdata_bytes;
	uint32_t ttl_s;       /* at most */
	const uint8_t *rdata; /* NULL: name, of a CNAME that a DNAME makes */
	struct tree_name name;
};

struct reference {
	bool is_unanswerable; /* a chain that is too long or never ends: SERVFAIL */
	bool is_unreachable;  /* it ends in a zone that nobody can reach */
	uint16_t rcode;
	unsigned links;
	unsigned record_count;
	struct reference_record
		records[REFERENCE_RECORDS_MAX]; /* of the answer section, as a set */
};

void reference_answer(const struct tree *tree, const struct tree_name *qname, uint16_t qtype,
		      struct reference *out);

#endif
