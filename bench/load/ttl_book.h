/* What is left of TTLs: for each name of the set, when its answer runs out. A cache may only count down: an answer that
 * would live longer than the one before has grown.
 *
 * Memory: 4 bytes a name, taken at start. Threads: one user. Time: milliseconds since the book was made.
 */
#ifndef LOAD_TTL_BOOK_H
#define LOAD_TTL_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"

struct ttl_book {
	uint32_t *ends_ms; /* 0: never seen */
	uint32_t count;
	bool servers_begin; /* every new life is told by ttl_book_begin: without it nothing may live on */
};

/* TTLs are whole seconds, and whoever counts them down may round: a second may be gained. The rest is for the way from the
 * server to the cache. */
#define TTL_BOOK_SLACK_MS 1200u

/* False: no memory. With count 0 the book is closed and finds nothing wrong. */
MUST_USE bool ttl_book_init(struct ttl_book *b, uint32_t count, bool servers_begin);
void ttl_book_fini(struct ttl_book *b);

static inline void ttl_book_prefetch(const struct ttl_book *b, uint64_t name)
{
	if (name < b->count)
		__builtin_prefetch(&b->ends_ms[name], 1);
}

/* A server gives the name a new life. */
static inline void ttl_book_begin(struct ttl_book *b, uint64_t name, uint32_t now_ms,
				  uint32_t ttl_s)
{
	if (name < b->count)
		b->ends_ms[name] = now_ms + ttl_s * 1000;
}

/* What an answer says: read at some moment between the two, of which the first may be long before, where the asker was late. */
struct ttl_seen {
	uint32_t asked_ms;
	uint32_t answered_ms;
	uint32_t ttl_s;
};

/* False: it lives longer than it may. */
static inline bool ttl_book_check(struct ttl_book *b, uint64_t name, const struct ttl_seen *seen)
{
	uint32_t known_ms;

	if (name >= b->count)
		return true;
	known_ms = b->ends_ms[name];
	if (known_ms == 0 || (seen->asked_ms >= known_ms && !b->servers_begin)) {
		b->ends_ms[name] = seen->answered_ms + seen->ttl_s * 1000;
		return true;
	}
	return seen->asked_ms + seen->ttl_s * 1000 <= known_ms + TTL_BOOK_SLACK_MS;
}

#endif
