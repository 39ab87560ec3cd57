/* Log lines of the control side, to stderr: `level component: what key=value`, or one JSON object a
 * line. Workers never log.
 *
 * Lines of one call site (its format string) beyond LOG_LINES_PER_SITE in LOG_WINDOW_S seconds are
 * counted and left out; the next line of that site that is shown says how many.
 *
 * Memory: a fixed table of sites. Threads: any but workers; one lock.
 */
#ifndef PORTICO_LOG_H
#define PORTICO_LOG_H

#include "config/config.h"

#define LOG_LINES_PER_SITE 20
#define LOG_WINDOW_S 10

/* Before this: level info, format text. */
void log_init(enum config_log_level level, enum config_log_format format);
enum config_log_level log_level(void);

/* format must be a literal: its address is the call site. Control characters in the result are
 * escaped, so that one event is one line whatever strangers put into it. */
__attribute__((format(printf, 3, 4))) void log_write(enum config_log_level level,
						     const char *component, const char *format,
						     ...);

/* An error in the user's file that only the running machine can show, in the form of `--check`:
 * FILE:LINE:COLUMN: key.path: what is wrong and what to do. line 0: FILE: without a place. */
struct log_place {
	const char *file;
	unsigned line;
	unsigned column;
};
/* A line in that form, as config_load has printed it. */
void log_checked(const char *line);
/* From now on what this thread logs in that form, and its errors, go to copy as well, a line each; NULL: no more. */
void log_copy_to(FILE *copy);
__attribute__((format(printf, 2, 3))) void log_refusal(struct log_place place, const char *format,
						       ...);

#endif
