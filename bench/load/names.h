/* What is asked: names from a file, of a set (by Zipf's law or evenly), or never the same twice. A question is a 64-bit
 * value that can be turned into name and type at any time, so that nobody has to remember names. A generated name is a
 * label of 16 hexadecimal digits below the zone, and tells its value in turn; with --cold the same label comes twice or, as
 * the top-level domain too, three times. Values below the set's size are the set's.
 *
 * Memory: taken at start (a file's names; 16 MiB of draws by Zipf's law), given back by names_fini. Threads: one user.
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

#define NAMES_DIGITS 16
#define NAMES_LABEL_BYTES (1 + NAMES_DIGITS)

struct names {
	enum options_names kind;
	uint64_t next;
	uint64_t key; /* of the permutation that turns counters into labels */
	struct name zone;
	uint8_t suffix_bytes; /* of a generated name, behind its first label */
	const struct options *options;
	struct names_line *lines;
	uint8_t *line_bytes;
	uint64_t line_count;
	uint32_t *
		draws; /* by Zipf's law, drawn at start: a hot path cannot wait for a table of millions */
	uint32_t draw_next;
	uint64_t new_next;
	uint64_t in_order_next; /* of the set, asked once each */
	uint64_t in_order_end;
};

struct question {
	struct name qname;
	uint16_t qtype;
};

/* False: said why on stderr. */
MUST_USE bool names_init(struct names *n, const struct options *options);
void names_fini(struct names *n);
uint64_t names_draw(struct names *n, struct random *random);
/* A name that was never asked before. */
uint64_t names_draw_new(struct names *n);
/* The next so many draws are the set's names in order. */
void names_go_in_order(struct names *n);
static inline bool names_is_in_order(const struct names *n)
{
	return n->in_order_next < n->in_order_end;
}
/* Is it of the set, asked again and again? */
static inline bool names_is_of_set(const struct names *n, uint64_t value)
{
	return n->kind == OPTIONS_NAMES_SET && value < n->options->set_count;
}

/* What a generated name's label says, and its type follows from. */
static inline uint64_t names_word(const struct names *n, uint64_t value)
{
	return random_mix(value ^ n->key);
}
static inline uint16_t names_qtype(const struct names *n, uint64_t word)
{
	return n->options->types[random_scale(word, n->options->type_count)];
}
void names_put_digits(uint8_t digits[NAMES_DIGITS], uint64_t word);
/* The word of a label in any letter case. False: not 16 hexadecimal digits. */
MUST_USE bool names_read_digits(const uint8_t digits[NAMES_DIGITS], uint64_t *word);
/* The value of a generated name. False: it is none. */
MUST_USE bool names_value(const struct names *n, const struct name *qname, uint64_t *value);
void names_question(const struct names *n, uint64_t value, struct question *out);
/* A type by its mnemonic or as TYPE123. False: unknown. */
MUST_USE bool names_type(const char *text, uint16_t *out);

#endif
