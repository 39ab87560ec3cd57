#include "suggest.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned suggest_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	/* Rows i - 2, i - 1 and i of the classic table. */
	unsigned rows[3][SUGGEST_LENGTH_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	if (a_bytes > SUGGEST_LENGTH_MAX || b_bytes > SUGGEST_LENGTH_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= b_bytes; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_bytes; i++) {
		unsigned *spare = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_bytes; j++) {
			unsigned replaced = last[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);

			now[j] = least(replaced, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_bytes];
}

void suggest_init(struct suggest *s, const char *written, size_t written_bytes)
{
	s->written = written;
	s->written_bytes = written_bytes;
	s->best = NULL;
	s->best_bytes = 0;
	s->best_distance = UINT_MAX;
}

void suggest_offer(struct suggest *s, const char *candidate, size_t candidate_bytes)
{
	size_t shorter = candidate_bytes < s->written_bytes ? candidate_bytes : s->written_bytes;
	/* A third of the letters may be wrong: more, and the suggestion is a riddle. */
	unsigned near = (unsigned)(shorter / 3 > 1 ? shorter / 3 : 1);
	unsigned distance =
		suggest_distance(s->written, s->written_bytes, candidate, candidate_bytes);

	if (distance > near || distance >= s->best_distance || shorter < 2)
		return;
	s->best = candidate;
	s->best_bytes = candidate_bytes;
	s->best_distance = distance;
}

const char *suggest_text(const struct suggest *s, char out[SUGGEST_TEXT_BYTES])
{
	out[0] = '\0';
	if (s->best != NULL)
		snprintf(out, SUGGEST_TEXT_BYTES, " (did you mean %.*s?)", (int)s->best_bytes,
			 s->best);
	return out;
}
