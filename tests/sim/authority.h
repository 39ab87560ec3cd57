/* Authoritative servers for the simulator: the algorithm of RFC 1034 section 4.3.2 (with RFC 4592's wildcards, RFC 6672's DNAME, RFC
 * 2308's negative answers, DS at the parent's side) over the zones of a tree.
 *
 * Threads: pure functions.
 */
#ifndef SIM_AUTHORITY_H
#define SIM_AUTHORITY_H

#include "tests/sim/tree.h"

#define AUTHORITY_MESSAGE_BYTES_MAX 65535

struct authority_question {
	uint16_t id;
	uint16_t qtype;
	uint16_t limit_bytes; /* of the answer: what the query's EDNS says, or 512; over TCP all */
	bool has_edns;
	struct tree_name qname;   /* lower case */
	struct tree_name spelled; /* as asked */
};

/* False: no query that an authority answers. */
bool authority_parse(const uint8_t *query, size_t query_bytes, struct authority_question *out);

/* The answer of this server, into out (AUTHORITY_MESSAGE_BYTES_MAX bytes). With TC and without records where limit_bytes are too few. */
size_t authority_answer(const struct tree *tree, const struct tree_server *server,
			const struct authority_question *question, uint8_t *out);

#endif
