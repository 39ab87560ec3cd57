/* Everything that is wrong with one file, collected so that a user sees it all at once, in the order of
 * the file:
 *
 *   FILE:LINE:COLUMN: key.path: what is wrong, what is allowed (did you mean …?)
 *   FILE:LINE:COLUMN: warning: key.path: what to look at
 *
 * Memory: the text is in the scratch lent at init. Threads: one.
 */
#ifndef PORTICO_PROBLEMS_H
#define PORTICO_PROBLEMS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "scratch.h"

#define PROBLEMS_MAX 1000 /* more than anybody reads; the rest is counted only */

/* 1-based, columns in characters. */
struct place {
	unsigned line;
	unsigned column;
};

enum problem_kind { PROBLEM_ERROR, PROBLEM_WARNING };

struct problem {
	enum problem_kind kind;
	struct place place;
	unsigned order; /* of arrival: the second key at one place */
	const char *path;
	const char *text;
};

struct problems {
	struct scratch *scratch;
	struct problem *list;
	unsigned list_count;
	unsigned error_count;
	unsigned warning_count;
};

void problems_init(struct problems *p, struct scratch *scratch);
/* path is borrowed until problems_print. */
__attribute__((format(printf, 5, 6))) void problems_add(struct problems *p, enum problem_kind kind,
							struct place place, const char *path,
							const char *format, ...);
__attribute__((format(printf, 5, 0))) void problems_add_va(struct problems *p,
							   enum problem_kind kind,
							   struct place place, const char *path,
							   const char *format, va_list args);
/* No further one will be printed: the caller may spare itself the work of a good text. */
bool problems_full(const struct problems *p);
/* Sorted by place. */
void problems_print(struct problems *p, const char *file, FILE *out);

#define PROBLEMS_QUOTE_BYTES 160
/* Text from the file as it may safely be printed: control characters as \xNN, cut after a while. */
const char *problems_quote(char out[PROBLEMS_QUOTE_BYTES], const char *text, size_t length_bytes);

#endif
