/* Every key of portico.yaml, in one table: the reader, --defaults and --schema all read it. A new key is
 * one row here, and the line in build_*.c that takes its value.
 *
 * A path is as in the file, with [] for the items of a list of maps: interfaces[].mtu. Rows of a section
 * follow it. Threads: constant data.
 */
#ifndef PORTICO_OPTIONS_H
#define PORTICO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"

#define OPTIONS_CPU_IDX_MAX 1023    /* the largest CPU number Linux builds commonly know */
#define OPTIONS_PORT_RULES_MAX 1024 /* items of a port list */
#define OPTIONS_DNS_PORT 53
/* Prefixes to send from: an identifier has 64 bits, and fewer than 8 are not worth a prefix. */
#define OPTIONS_SOURCE_BITS_MIN 64
#define OPTIONS_SOURCE_BITS_MAX 120

enum option_type {
	OPTION_SECTION,  /* a map of further keys */
	OPTION_SECTIONS, /* a list of such maps */
	OPTION_WORKERS,  /* a count (min..max), or a list of CPUs */
	OPTION_BOOL,
	OPTION_INTEGER,    /* min..max */
	OPTION_WORD,       /* one of words, and nothing else */
	OPTION_TEXT,       /* printable, at most max bytes */
	OPTION_IDENTIFIER, /* letters, digits, . _ - ; at most max bytes */
	OPTION_MAC,
	OPTION_ADDRESS, /* plain */
	OPTION_SOURCE,  /* plain, or an IPv6 prefix OPTIONS_SOURCE_BITS_MIN to _MAX long */
	OPTION_INTERFACE_ADDRESS, /* address/length, host bits kept */
	OPTION_NETWORK,           /* address/length */
	OPTION_ENDPOINT,          /* address or address@port */
	OPTION_PORTS,             /* port or range */
	OPTION_ZONE,              /* domain name */
};

struct option {
	const char *path;
	enum option_type type;
	const char *unit;    /* NULL: none */
	const char *preset;  /* the default as YAML; NULL: none, or worked out (help says how) */
	const char *example; /* as YAML, for --defaults where there is no preset; NULL: none */
	int64_t min, max;
	const char *words; /* separated by ", "; allowed besides what the type allows; NULL: none */
	/* What of it is available: NULL: all; "": nothing yet; else these words, ", " between. */
	const char *only;
	unsigned items_max; /* 0: a single value, else a list, which one scalar may stand for */
	bool required;
	/* It cannot change while Portico runs: a reload that wants it to is refused. */
	bool restart;
	const char *help;
};

extern const struct option options[];
extern const unsigned options_count;

/* The row of a path given in two parts ("interfaces[]", "mtu"; "" for the top), or NULL. */
const struct option *options_find(const char *section, const char *key, size_t key_bytes);
/* The last part of the path: "mtu". */
const char *options_key(const struct option *o);
/* Is o a direct key of the section ("": the top)? */
bool options_is_in(const struct option *o, const char *section);

/* Iterate a word list: the next word after *at (NULL: the first); false at the end. */
bool options_word_next(const char *words, const char **at, size_t *length_bytes);
/* Position of text in the word list, -1: not in it. */
int options_word_idx(const char *words, const char *text, size_t length_bytes);

#define OPTIONS_ALLOWED_BYTES 256
/* What may be written: "auto or 0 to 1023". */
const char *options_allowed(const struct option *o, char out[OPTIONS_ALLOWED_BYTES]);
/* The same for one item, where o is a list. */
const char *options_allowed_item(const struct option *o, char out[OPTIONS_ALLOWED_BYTES]);

/* JSON Schema (draft 2020-12): schema.c. A commented YAML of every key: defaults.c. Both are declared in
 * config.h. */

#endif
