/* Upstream queries awaiting replies: words shared by all workers, and each worker's private slots.
 *
 * A bucket is 8 words of 64 bits, one cache line, found by a keyed hash of (outgoing address, port,
 * peer) without the ID, so that a wrong ID is seen in the same line. A word is
 * tag 24 | ID 16 | owner 7 | late 1 | slot 16; 0 is empty (a tag is never 0).
 *   enter   the owner fills its slot, then CASes the word from 0 into an empty place; only then it
 *           looks for an equal tag and ID among the other seven, and if one is there takes its
 *           own word back; where there is but one owner, a load and a store do for the CAS
 *   find    whoever receives a reply loads the 8 words
 *   remove  the owner stores 0; timed out: the late bit is set and the word stays for late_ms, so
 *           that a late reply counts as late and not as a forgery
 *
 * What holds, whatever others do at the same time:
 *   - A word that is not 0 is changed by its owner alone, and stays in its place until removed. One
 *     that was entered before a query was sent is therefore found by every receiver of its reply.
 *   - No two entered words of a bucket have equal tag and ID, be they live or late: that needs a
 *     store-then-load order on both sides, so the CAS and the look after it are sequentially
 *     consistent. A word about to be taken back can be found for these few cycles; its owner
 *     compares everything and refuses. (While it is live and the one that it equals is late, a late
 *     reply may so count as unmatched.)
 *   - The 8 loads of find are no snapshot: words that come and go meanwhile are found or not, and
 *     one that was found may be gone, or name a slot with another query, when its owner hears of
 *     it. Hence only the owner judges, by its own slot.
 *   - Slots are the owner's: nobody else reads them, and a packet gets to the owner through a ring
 *     with orders of its own. So matching would be right with relaxed words; enter and mark_late
 *     release and find acquires so that who finds a word also sees what its owner wrote before
 *     that, which costs nothing on x86.
 *   - The word must be seen before a reply can come. The CAS is a full barrier on x86; elsewhere
 *     the barrier with which a driver tells the device of the query comes after it. A single owner needs none: who finds is the
 *     thread that entered.
 *
 * Memory: words lent once for all workers; slots lent a worker. Threads: inflight_* of words: any;
 * inflight_remove, inflight_mark_late and inflight_word: the owner of the word. A struct inflight
 * and its slots: one worker. tests/stress checks all this with many threads.
 */
#ifndef PORTICO_INFLIGHT_H
#define PORTICO_INFLIGHT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "hash.h"
#include "limits.h"
#include "mono.h"
#include "name.h"
#include "pool.h"
#include "ticket.h"

#define INFLIGHT_BUCKET_WORDS 8

struct inflight_words {
	_Atomic uint64_t *words; /* bucket_count * 8, cache-line aligned */
	uint32_t bucket_mask;
	uint32_t owner_count;
	struct hash_key key; /* secret, drawn at start */
};

/* A power of two of buckets for slot_count slots over all workers, two a slot: mean load at most 1
 * of 16, 2 where few ports are drawn from and each query has an aim word too. With one a slot, a server that holds 60,000 answers back would fill the buckets of 0.6 %
 * of its ports, which are then seldom drawn (SECURITY.md A3 wants no trace of that); with two, of
 * 0.14 %. */
#define INFLIGHT_BUCKETS_PER_SLOT 2
size_t inflight_words_memory_bytes(uint32_t slot_count);
/* owner_count: how many workers may enter words; a single one needs no CAS. */
void inflight_words_init(struct inflight_words *w, void *memory, uint32_t slot_count,
			 unsigned owner_count, const struct hash_key *key);

/* The part of the hash that does not change with the port: outgoing address and peer. Owners keep
 * it with the server, receivers compute it from the packet. */
uint64_t inflight_peer_hash(const struct inflight_words *w, uint8_t outgoing_idx,
			    const struct endpoint *peer);
/* 2^64 over the golden ratio: spreads a port over all 64 bits before it is combined. Without it,
 * the ports of one peer fall into buckets so unevenly that 6 times as many are full. */
#define INFLIGHT_PORT_SPREAD UINT64_C(0x9e3779b97f4a7c15)

/* The whole hash; pull its bucket towards the cache with inflight_prefetch. */
static inline uint64_t inflight_hash(uint64_t peer_hash, uint16_t local_port)
{
	return hash_combine(peer_hash, local_port * INFLIGHT_PORT_SPREAD);
}

/* The hash of a query that leaves from one of few ports: bucket and tag depend on the ID too, or one port's queries to one
 * server would all meet in one bucket; and on the last 8 bytes of the address, which may be random. Who has any of them
 * wrong is found by his question only (inflight_aim.h). */
static inline uint64_t inflight_hash_of_few(uint64_t hash, uint64_t identifier, uint16_t id)
{
	return hash_combine(hash, identifier ^ id * INFLIGHT_PORT_SPREAD);
}

static inline void inflight_prefetch(const struct inflight_words *w, uint64_t hash)
{
	size_t bucket = (size_t)(hash & w->bucket_mask);

	__builtin_prefetch(w->words + bucket * INFLIGHT_BUCKET_WORDS);
}
/* Likewise, where a word of it is about to be entered or removed: it may be in another worker's cache, and is taken out of that
 * at once. */
static inline void inflight_prefetch_write(const struct inflight_words *w, uint64_t hash)
{
	size_t bucket = (size_t)(hash & w->bucket_mask);

	__builtin_prefetch(w->words + bucket * INFLIGHT_BUCKET_WORDS, 1);
}

enum inflight_enter {
	INFLIGHT_ENTERED,
	/* The same tag and ID is there, or the bucket is full: draw another ticket. */
	INFLIGHT_TAKEN,
};
/* On ENTERED *position says where the word is, for removal. TAKEN may also be said of an equal word
 * that is being taken back at this moment. At most 8 CASes, none repeated. */
MUST_USE static inline enum inflight_enter inflight_enter(struct inflight_words *w, uint64_t hash,
							  uint16_t id, uint8_t owner, uint16_t slot,
							  uint32_t *position);
static inline void inflight_remove(struct inflight_words *w, uint32_t position)
{
	/* Release: who CASes its word into this place is ordered after all that was done with it
	 * here, and so after our own look at the bucket. No CAS: nobody changes a word but us. */
	atomic_store_explicit(&w->words[position], 0, memory_order_release);
}
/* The word at position, as it is now; 0: empty. For checks. */
static inline uint64_t inflight_word(const struct inflight_words *w, uint32_t position)
{
	/* Relaxed: asked by the owner, who alone changes it. */
	return atomic_load_explicit(&w->words[position], memory_order_relaxed);
}
/* What a word that is not 0 says apart from its tag and ID. */
struct inflight_hit {
	uint8_t owner;
	uint16_t slot;
};
struct inflight_hit inflight_word_hit(uint64_t word);
bool inflight_word_names(uint64_t word, uint8_t owner, uint16_t slot);
bool inflight_word_is_late(uint64_t word);
void inflight_mark_late(struct inflight_words *w, uint32_t position);

enum inflight_find {
	INFLIGHT_MATCH,     /* tag and ID equal: the owner must compare everything */
	INFLIGHT_LATE,      /* tag and ID equal, timed out */
	INFLIGHT_NEAR_MISS, /* tag equal, ID not, and the query is live */
	INFLIGHT_AIMED, /* never said by inflight_find: by its question (inflight_aim.h), live */
	INFLIGHT_NONE,
};
/* Look a reply up. An equal ID wins over a near miss, a live word over a late one.
 *   hits    MATCH: all live words with this tag and ID; LATE: all late ones; NEAR_MISS: all live
 *           words with this tag. In ascending order of owner, then slot, so that a packet can pass
 *           along its owners. More than one for MATCH or LATE only while one of them is being
 *           taken back; one owner may have several, and a word that moves during the look may be
 *           there twice. Beyond *hit_count hits is not written.
 *   *hit_count is written always: 0 for NONE, else 1 to 8. */
MUST_USE enum inflight_find inflight_find(const struct inflight_words *w, uint64_t hash,
					  uint16_t id,
					  struct inflight_hit hits[INFLIGHT_BUCKET_WORDS],
					  unsigned *hit_count);

/* ---- slots: one worker's private side ---- */

enum inflight_slot_state { INFLIGHT_SLOT_FREE, INFLIGHT_SLOT_LIVE, INFLIGHT_SLOT_LATE };

enum inflight_transport { INFLIGHT_UDP, INFLIGHT_TCP };

#define INFLIGHT_NO_POSITION UINT32_MAX

/* What was sent: all that a reply is compared with (RFC 5452 section 9.1). */
struct inflight_slot {
	uint8_t state;        /* enum inflight_slot_state */
	uint8_t transport;    /* enum inflight_transport */
	uint8_t outgoing_idx; /* our address */
	uint8_t flags;        /* INFLIGHT_SLOT_* */
	uint16_t id;
	uint16_t local_port;
	uint16_t server_idx;
	uint16_t qtype;
	uint16_t qclass;
	uint8_t near_misses;     /* wrong IDs borne by this ticket */
	uint16_t generation;     /* counts up with every use of the slot */
	uint32_t position;       /* of the word; INFLIGHT_NO_POSITION: not entered */
	uint32_t aim_position;   /* likewise, of the word that its question is found by */
	uint32_t resolution_idx; /* whose query it is; UINT32_MAX: a health probe's */
	uint32_t resolution_generation;
	uint32_t next; /* the list of late slots in order of age */
	mono_ns sent_at;
	union {
		mono_ns late_until; /* LATE */
		uint64_t
			question_hash; /* LIVE: resolution_key.hash, to prefetch by; a probe's is 0 */
		uint32_t stream_serial; /* LIVE over TCP: of its handle, another with every query */
	};
	uint64_t identifier; /* the last 8 bytes of the address that it was sent from */
	struct name qname;   /* as sent, letter case included */
};
static_assert(offsetof(struct inflight_slot, qname) == 64 && sizeof(struct inflight_slot) % 64 == 0,
	      "one line, then the name");
#define INFLIGHT_SLOT_EDNS 1u
#define INFLIGHT_SLOT_CASE 2u  /* 0x20 was on */
#define INFLIGHT_SLOT_LOWER 4u /* a reply in lower case came; the true one may still come */

struct inflight {
	struct inflight_words *words;
	struct inflight_slot *slots;
	uint32_t slot_count;
	struct pool free;
	uint32_t late_head, late_tail; /* oldest first */
	uint32_t live_count;
	uint32_t late_count;
	uint8_t owner;
};

size_t inflight_memory_bytes(uint32_t slot_count);
void inflight_init(struct inflight *f, void *memory, uint32_t slot_count, uint8_t owner,
		   struct inflight_words *words);

/* A free slot, or the oldest late one (its word removed), LIVE from now on; UINT32_MAX: all are
 * live. The caller fills it (but for state, generation, next and the positions) and enters its word, or both; if it
 * cannot, it puts the slot back. */
MUST_USE uint32_t inflight_take(struct inflight *f);
/* Not entered after all: back to free. */
void inflight_put(struct inflight *f, uint32_t slot);
/* A LIVE slot's query was answered or abandoned without trace: words removed, slot free. */
void inflight_done(struct inflight *f, uint32_t slot);
/* A LIVE slot's query timed out or was burnt by a near miss: word marked late until `until`, its aim word
 * removed, slot kept as LATE. late times are appended in order: an `until` earlier than the last one's (late_ms
 * was lowered by a reload) is raised to it. */
void inflight_late(struct inflight *f, uint32_t slot, mono_ns until);
/* Free all late slots whose time is over. At most `budget`. */
void inflight_expire_late(struct inflight *f, mono_ns now, unsigned budget);
/* The earliest end of a late slot, or MONO_NEVER. */
mono_ns inflight_next_late(const struct inflight *f);

void inflight_check(const struct inflight *f);

#include "inflight_word.h" /* inflight_enter */

#endif
