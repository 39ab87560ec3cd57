/* What the words hold while nobody else touches them: the sequential half of what the stress checks.
 *
 * Threads: one, the others wait.
 */
#ifndef PORTICO_STRESS_QUIET_H
#define PORTICO_STRESS_QUIET_H

#include "core/inflight.h"

/* Words that are not empty. */
unsigned quiet_words_count(const struct inflight_words *words, uint32_t bucket_count);

/* Of empty words: a bucket takes eight, whatever their IDs, finds each, refuses what is taken, live or
 * late, and is empty again. What is wrong, or NULL. round: another bucket and other IDs each time. */
const char *quiet_check(struct inflight_words *words, uint32_t bucket_count, unsigned round);

#endif
