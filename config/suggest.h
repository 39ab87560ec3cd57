/* "Did you mean …?": the candidate nearest to what was written.
 *
 * Distance: optimal string alignment (Damerau-Levenshtein without overlapping transpositions): insert,
 * delete, replace a letter or swap two neighbours.
 */
#ifndef PORTICO_SUGGEST_H
#define PORTICO_SUGGEST_H

#include <stddef.h>

#include "core/check.h"

#define SUGGEST_LENGTH_MAX 48 /* longer texts are never suggested nor searched for */

struct suggest {
	const char *written;
	size_t written_bytes;
	const char *best; /* NULL: nothing is near */
	size_t best_bytes;
	unsigned best_distance;
};

void suggest_init(struct suggest *s, const char *written, size_t written_bytes);
/* candidate is borrowed as long as `best` is read. The first of equally near ones stays. */
void suggest_offer(struct suggest *s, const char *candidate, size_t candidate_bytes);

#define SUGGEST_TEXT_BYTES (SUGGEST_LENGTH_MAX + 64)
/* " (did you mean X?)", or "" when nothing is near. */
const char *suggest_text(const struct suggest *s, char out[SUGGEST_TEXT_BYTES]);

unsigned suggest_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
