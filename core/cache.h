/* Answers kept, shared by all workers: concurrent read, exclusive write (after MICA, NSDI 2014). No lock and no version.
 *
 * Index: buckets of 8 words, one cache line, shared by all. A word is tag 16 | log 8 | lap 8 | offset 32; 0 is empty. Each
 * writer (a worker) appends to a circular log of its own. A position is (lap, offset in 8-byte words); an entry is
 * immutable, 8-byte aligned, and begins with its own position and length (struct cache_head, below), so that a reader
 * knows it for what its word said. It never straddles the log's end: a lap ends where the next entry does not fit.
 *
 *   writer: `reserve` moves on before the first byte of an entry is written (relaxed), the entry's words are stored
 *           with release, then the index word is published by CAS (release; a store, where there is but one writer). A lost
 *           CAS is a lost insert, counted. The index words of what is about to be overwritten are taken out before `reserve` moves.
 *   reader: the word (acquire), the head (acquire; bounds-checked before anything is copied), the entry by 8-byte
 *           acquire loads into memory of the reader's, then `reserve` (relaxed): if it has passed the entry, the copy
 *           is worth nothing (a miss). Self-address and key are compared in the copy. Nothing is used before.
 *   Why it holds: a reader that has loaded a word of a newer entry has acquired that release store, and with it the
 *           `reserve` before it; so the load of `reserve` behind it shows the entry overtaken. No fence is needed (nor would
 *           ThreadSanitizer understand it), and on x86 all of these but the CAS are plain moves.
 *
 * Second chance: a hit mark an entry, outside the entry (one bit for 32 bytes of log), set only where it is clear; marked entries
 * that are still current are appended again when the writer reaches them, a bounded number an insert, so that hot names survive
 * scans. A hit set each mark, so hits pay for what is appended again. Inserts may be lost: nothing may depend on finding
 * what it has just put.
 *
 * Two workers that put the same key at the same moment may leave two entries of it; the next put leaves one. (The owner of a
 * question is one worker.)
 *
 * Flushing: struct cache_flush below. Time: whole seconds of the monotonic clock, given by the caller.
 * Memory: one block at start (zeroed by the system, touched lazily); none after. Threads: each function says.
 * An example of use is tests/unit/test_cache.c.
 */
#ifndef PORTICO_CACHE_H
#define PORTICO_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_key.h"
#include "cache_layout.h"
#include "check.h"
#include "limits.h"
#include "name.h"

#define CACHE_LOGS_MAX WORKERS_MAX
#define CACHE_ENTRY_BYTES_MAX 16384 /* SECURITY.md table 1.1; what is longer is not kept */
#define CACHE_ENTRY_WORDS_MAX (CACHE_ENTRY_BYTES_MAX / 8)

/* What every entry begins with. The key's image follows at word CACHE_HEAD_WORDS, then, at the next byte, what
 * cache_entry.h makes of it: opaque here.
 *
 *   word 0  place 32 | words 12 | lap 8 | record_count 8 | spare 4       (from the low end; place: cache_layout.h)
 *   word 1  stored_at_s 32 | ttl_s 20 | rcode 4 | flags 8                (flags: cache_entry.h)
 */
#define CACHE_HEAD_WORDS 2
#define CACHE_TTL_S_MAX 0xfffffu

struct cache_head {
	uint32_t stored_at_s;
	uint32_t ttl_s;
	uint16_t word_count;
	uint8_t record_count;
	uint8_t rcode;
	uint8_t flags;
};
/* Place and lap are filled in by cache_put. */
static inline void cache_head_set(uint64_t words[CACHE_HEAD_WORDS], const struct cache_head *head)
{
	words[0] = (uint64_t)head->record_count << CACHE_ENTRY_RECORDS_SHIFT |
		   (uint64_t)head->word_count << CACHE_ENTRY_COUNT_SHIFT;
	words[1] = (uint64_t)head->flags << 56 | (uint64_t)(head->rcode & 0xf) << 52 |
		   (uint64_t)(head->ttl_s & CACHE_TTL_S_MAX) << 32 | head->stored_at_s;
}

static inline struct cache_head cache_head_get(const uint64_t words[CACHE_HEAD_WORDS])
{
	return (struct cache_head){
		.stored_at_s = (uint32_t)words[1],
		.ttl_s = words[1] >> 32 & CACHE_TTL_S_MAX,
		.word_count = (uint16_t)cache_entry_count(words[0]),
		.record_count = (uint8_t)(words[0] >> CACHE_ENTRY_RECORDS_SHIFT),
		.rcode = words[1] >> 52 & 0xf,
		.flags = (uint8_t)(words[1] >> 56),
	};
}

struct cache_params {
	size_t size_bytes; /* all of it: index, logs, marks */
	unsigned log_count;
};
#define CACHE_BYTES_MIN ((size_t)1 << 20)
size_t cache_memory_bytes(const struct cache_params *params);
/* memory: zeroed, cache-line aligned. */
struct cache *cache_init(void *memory, const struct cache_params *params);

/* ---- reading: any thread ---- */

static inline void cache_prefetch(const struct cache *c, uint64_t hash)
{
	cache_fetch(cache_bucket(c, cache_hash_upper(hash)));
}
/* The bucket is here: which of its words have the tag; prefetches the beginnings of their entries. */
struct cache_candidates {
	uint8_t count;
	uint64_t words[8];
};
void cache_candidates(const struct cache *c, uint64_t hash, struct cache_candidates *out);

/* An entry found: its intact copy, expired or not. */
struct cache_found {
	uint64_t word;       /* of the index */
	uint16_t word_count; /* of the copy */
	struct cache_head head;
};
static inline struct cache_found cache_found_of(uint64_t word, const uint64_t copy[])
{
	struct cache_head head = cache_head_get(copy);

	return (struct cache_found){word, head.word_count, head};
}
enum cache_find {
	CACHE_FOUND,
	CACHE_NOT_FOUND,
	CACHE_OVERTAKEN, /* the writer reached it while it was read: as not found */
};
/* Copies to copy[0..most_words); an entry longer than that is not found. */
MUST_USE enum cache_find cache_find(const struct cache *c,
				    const struct cache_candidates *candidates,
				    const struct cache_key *key, uint64_t copy[],
				    unsigned most_words, struct cache_found *out);
/* Was it marked already? Sets the mark where it is clear. */
bool cache_mark(struct cache *c, uint64_t word);

/* ---- writing: the log's one writer ---- */

struct cache_writer_stats {    /* writer: writes; control: reads, relaxed */
	uint64_t inserts;      /* entries put, those of a second chance apart */
	uint64_t inserts_lost; /* the index word changed under us */
	uint64_t evictions;    /* entries overwritten while current and not expired */
	uint64_t
		displaced; /* index words of current entries given up for want of place in their bucket */
	uint64_t second_chances; /* entries appended again */
	uint64_t evicted_age_s;  /* sum over evictions: how long they had been there */
};
struct cache_writer {
	struct cache *cache;
	uint8_t log;
	struct cache_writer_stats stats;
	/* The rest is cache_log.c's. Entries of this lap stand in [0, next), those of the lap before that still stand in
	 * [old, old_end); what is between is free. */
	uint32_t lap;
	uint32_t next;
	uint32_t old;
	uint32_t old_end;
	uint32_t ahead; /* entries before this are on their way into the CPU's cache */
	uint64_t scratch[CACHE_ENTRY_WORDS_MAX];
};
void cache_writer_init(struct cache_writer *w, struct cache *c, uint8_t log);

enum cache_put {
	CACHE_PUT_OK,
	CACHE_PUT_LOST,
	CACHE_PUT_TOO_LONG, /* more than CACHE_ENTRY_WORDS_MAX, or than an eighth of the log */
};
/* words: an entry made by cache_entry.h; its position is filled in (in words[0] too). Replaces the entry of the same key.
 * flush: what re-appended entries must survive, or NULL. Work: bounded, whatever the log holds: at most an entry's words'
 * worth of old entries are looked at for each word put, and CACHE_CHANCES_MAX entries appended again. */
#define CACHE_CHANCES_MAX 32
MUST_USE enum cache_put cache_put(struct cache_writer *w, const struct cache_key *key,
				  uint64_t words[], unsigned word_count, uint32_t now_s,
				  const struct cache_flush *flush);

/* ---- flushing: at once, without stopping workers ----
 * Control publishes rules (cache_flush_publish); an entry that a rule covers and that stands before the rule's position in its
 * log is as not there. Meanwhile control sweeps the index (cache_walk_next, cache_is_flushed, cache_remove), and takes the
 * rules out when that is done, so that no rule costs anything for long.
 *
 * Publishing takes two steps, as a writer that does not know the rule yet may append an old entry again: first with
 * positions "everything" (cache_flush_begin), then, when every worker has begun another turn, with the logs' present
 * ones (cache_flush_fix). Each publish is of a new block; the old is freed two turns later. */
#define CACHE_FLUSH_RULES_MAX 32
struct cache_flush_rule {
	struct name name;                /* lower case */
	bool below;                      /* and all names below it */
	uint16_t qtype;                  /* 0: all */
	uint64_t before[CACHE_LOGS_MAX]; /* virtual positions; UINT64_MAX: everything */
};
struct cache_flush {
	unsigned count;
	struct cache_flush_rule rules[CACHE_FLUSH_RULES_MAX];
};
void cache_flush_publish(struct cache *c,
			 const struct cache_flush *flush);        /* NULL: none. control */
const struct cache_flush *cache_flush_now(const struct cache *c); /* acquire; once a turn */
void cache_flush_begin(struct cache_flush_rule *rule);
void cache_flush_fix(const struct cache *c, struct cache_flush_rule *rule);
/* Is what was found flushed? copy: the entry's words. */
bool cache_is_flushed(const struct cache *c, const struct cache_flush *flush,
		      const struct cache_found *found, const uint64_t copy[]);

/* ---- walking: control ----
 * Every current entry once (and perhaps one that moved meanwhile twice), some buckets a call. */
struct cache_walk {
	const struct cache *cache;
	uint64_t next; /* index word to look at */
};
void cache_walk_begin(struct cache_walk *w, const struct cache *c);
/* The next intact entry, expired ones too. False: no more. */
MUST_USE bool cache_walk_next(struct cache_walk *w, uint64_t copy[CACHE_ENTRY_WORDS_MAX],
			      struct cache_found *out);
/* Take an entry out, if it is still there. Any thread. */
bool cache_remove(struct cache *c, const struct cache_found *found);

struct cache_usage {
	uint64_t size_bytes, index_bytes, log_bytes, log_used_bytes;
	uint64_t index_words, index_words_used; /* a pass over the index: milliseconds a 10 MB */
};
void cache_usage(const struct cache *c, struct cache_usage *out); /* control */

/* Invariants; no writer at work meanwhile. */
void cache_check(const struct cache *c);

#endif
