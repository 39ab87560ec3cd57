/* Memory for reading one file: everything is taken piece by piece and given back at once, so that no
 * error path can leak.
 *
 * Memory: chunks from malloc; running out of it ends the program (the file is at most 1 MiB).
 * Threads: one.
 */
#ifndef PORTICO_SCRATCH_H
#define PORTICO_SCRATCH_H

#include <stddef.h>

struct scratch {
	struct scratch_chunk *chunks; /* the newest first; NULL: nothing taken yet */
};

/* Zeroed, aligned for any type; lives until scratch_fini. */
void *scratch_take(struct scratch *s, size_t size_bytes);
/* A NUL-terminated copy of length_bytes bytes. */
char *scratch_copy(struct scratch *s, const char *text, size_t length_bytes);
void scratch_fini(struct scratch *s);

#endif
