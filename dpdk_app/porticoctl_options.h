/* porticoctl's command line: options anywhere, the words between them are the command and its arguments. Not getopt:
 * `ports set exclude -4500` has an argument that begins with a dash, and each command has options of its own.
 *
 * Memory: borrows argv. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_OPTIONS_H
#define PORTICO_PORTICOCTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"

#define PORTICOCTL_WORDS_MAX 8

enum porticoctl_option {
	PORTICOCTL_PREFIX,
	PORTICOCTL_JSON,
	PORTICOCTL_VERSION,
	PORTICOCTL_HELP,
	PORTICOCTL_FILTER,
	PORTICOCTL_COUNT,
	PORTICOCTL_SECONDS,
	PORTICOCTL_SNAPLEN,
	PORTICOCTL_FORCE,
	PORTICOCTL_STATEFUL,
	PORTICOCTL_NOTRACK,
	PORTICOCTL_CHAIN,
	PORTICOCTL_ASCII,
	PORTICOCTL_OPTION_COUNT,
};
/* A set of options. */
#define PORTICOCTL_BIT(option) (UINT32_C(1) << (option))

/* "--prefix" and so on. */
extern const char *const porticoctl_option_text[PORTICOCTL_OPTION_COUNT];

struct porticoctl_options {
	const char *value[PORTICOCTL_OPTION_COUNT]; /* NULL: not given; "": given, and takes none */
	unsigned word_count;
	const char *words[PORTICOCTL_WORDS_MAX];
};

/* False: printed what is wrong. A dash alone, or before a digit, begins a word; after "--" all are words. */
MUST_USE bool porticoctl_options_parse(int argc, char **argv, struct porticoctl_options *out);

/* False: printed what is wrong with the value of what. */
MUST_USE bool porticoctl_options_number(const char *what, const char *value, uint64_t minimum,
					uint64_t maximum, uint64_t *out);

static inline bool porticoctl_options_has(const struct porticoctl_options *o,
					  enum porticoctl_option option)
{
	return o->value[option] != NULL;
}

#endif
