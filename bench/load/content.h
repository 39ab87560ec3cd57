/* What our servers say of a name: a function of the name in lower case, its type and the seed, so that whoever sees an
 * answer can tell whether it is the right one. Of a generated name (names.h) it is the word that its label spells, which
 * takes a few cycles only: every answer can be checked.
 *
 * Threads: pure functions.
 */
#ifndef LOAD_CONTENT_H
#define LOAD_CONTENT_H

#include <stdint.h>

#include "core/hash.h"
#include "core/name.h"

struct content {
	struct hash_key key;
	uint32_t nxdomain_per_million;
	uint32_t silent_per_million; /* names of which no server ever says anything */
};

enum content_kind {
	CONTENT_RECORD,   /* one record: A or AAAA */
	CONTENT_NODATA,   /* the name is there, but has no record of other types */
	CONTENT_NXDOMAIN, /* no such name */
	CONTENT_SILENCE,
};

struct content_answer {
	enum content_kind kind;
	uint8_t rdata_bytes; /* 4 or 16, with CONTENT_RECORD */
	uint8_t rdata[16];
};

void content_init(struct content *c, uint64_t seed);
/* Of a generated name. */
void content_of_word(const struct content *c, uint64_t word, uint16_t qtype,
		     struct content_answer *out);
void content_of(const struct content *c, const struct name *qname, uint16_t qtype,
		struct content_answer *out);

#endif
