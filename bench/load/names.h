/* What is asked: names from a file, by Zipf's law, or never the same twice. A question is a 64-bit value that can be
 * turned into name and type at any time, so that nobody has to remember names.
 *
 * Memory: taken at start (a file's names; 8 bytes a name for Zipf), given back by names_fini. Threads: one user.
 */
#ifndef LOAD_NAMES_H
#define LOAD_NAMES_H

#include <stdio.h>

#include "bench/load/options.h"
#include "bench/load/random.h"
#include "core/check.h"
#include "core/name.h"

struct names_line {
	uint64_t offset; /* of the name in `names_bytes` */
	uint16_t qtype;
	uint8_t length_bytes;
};

/* Walker's alias method: one draw a value, whatever the distribution. */
struct names_alias {
	uint32_t threshold; /* of 2^32: below it the slot itself, else the other */
	uint32_t other;
};

struct names {
	enum options_names kind;
	uint64_t next;
	uint64_t key; /* of the permutation that turns counters into labels */
	struct name zone;
	const struct options *options;
	struct names_line *lines;
	uint8_t *line_bytes;
	uint64_t line_count;
	struct names_alias *aliases;
	uint32_t alias_count;
};

struct question {
	struct name qname;
	uint16_t qtype;
};

/* False: said why on stderr. */
MUST_USE bool names_init(struct names *n, const struct options *options);
void names_fini(struct names *n);
uint64_t names_draw(struct names *n, struct random *random);
void names_question(const struct names *n, uint64_t value, struct question *out);
/* A type by its mnemonic or as TYPE123. False: unknown. */
MUST_USE bool names_type(const char *text, uint16_t *out);

#endif
