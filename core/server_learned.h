/* Servers that nobody has configured: those that delegations lead to. Each worker has its own, found by endpoint; their
 * indices follow those of the configured ones (server.h), from SERVER_SLOTS_MAX on, and are used in the same way.
 *
 * A place is given to another server when it is needed (second chance: not if it was learned anew since the hand last came by),
 * but never while somebody holds it or has a query under way to it. So whoever keeps an index across turns holds it.
 *
 * A server that does not answer is waited for twice as long with every round of silence (SERVER_RTO_MS_MAX at most), and asked
 * last from its second round on: it is tried again after a second, then two, then four, by one question at a time. One
 * answer undoes all of that. Where no server of a family has answered and several did not, that family is asked last likewise,
 * but for servers known to answer: a machine without IPv6 to the world pays for that once in a few seconds, not for each zone.
 *
 * What it is allowed to hold of us, its share of queries under way, begins with SERVER_SHARE_FIRST, grows with its answers while
 * it is in use, to a quarter of all, and is halved with every round of silence. What it has lost so it has back a few answers
 * later: up to SERVER_SHARE_FIRST its share doubles with each.
 *
 * Memory: lent at init, touched as servers are learned. Threads: one worker's. Time: given, or the turn's.
 * Tests: test_server_learned.c.
 */
#ifndef PORTICO_SERVER_LEARNED_H
#define PORTICO_SERVER_LEARNED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "hash.h"
#include "limits.h"
#include "mono.h"
#include "server_habits.h"

#define SERVER_NONE UINT16_MAX
/* Most that indices allow, and what a resolver for many comes by. */
#define SERVERS_LEARNED_MAX (SERVER_NONE - SERVER_SLOTS_MAX)
#define SERVERS_LEARNED_DEFAULT 32768
/* Round trip of one that is not known, until it is, and bounds of what is waited for. */
#define SERVER_RTO_MS_UNKNOWN 376
#define SERVER_RTO_MS_MIN 50
#define SERVER_RTO_MS_MAX 1500
/* Rounds of silence from which a server is asked last, and how long at first and at most. */
#define SERVER_SILENT_ROUNDS 2
#define SERVER_SILENT_MS_MIN 1000
#define SERVER_SILENT_MS_MAX 4000
/* Silent rounds of servers of a family in a row without an answer by any, and for how long that is believed. */
#define SERVER_FAMILY_ROUNDS 3
#define SERVER_FAMILY_MS 4000
#define SERVER_SHARE_FIRST 256
#define SERVER_SHARE_MIN 16
/* Places looked at for one to give up. */
#define SERVER_LOOKS_MAX 64
/* Servers so much slower than the fastest are asked as often as it is: who is asked next is not to be foreseen. */
#define SERVER_BAND_US 5000

struct server_learned {
	struct endpoint peer;
	uint16_t next; /* of its bucket; SERVER_NONE: none */
	uint32_t holds : 31;
	uint32_t used : 1;          /* since the hand came by */
	uint32_t under_way : 24;    /* queries live now */
	uint32_t silent_rounds : 8; /* in a row */
	uint32_t srtt_us;           /* 0: unknown */
	uint32_t rttvar_us;
	uint16_t share; /* queries under way, at most */
	uint16_t near_misses;
	mono_ns round_at;       /* the last round of silence: what was sent before does not count */
	mono_ns last_answer_at; /* 0: never */
	mono_ns retry_at;       /* asked last until then; 0: not at all */
	uint32_t queries, responses, timeouts;
	/* The engine's: which of its routes this server's was made under; 0: none. */
	uint32_t route_stamp;
	struct server_habits habits; /* of this worker only */
};
static_assert(sizeof(struct server_learned) == 2 * SERVER_LINE_BYTES, "two lines");
static_assert(UNDER_WAY_MAX < 1 << 24, "and so many queries of one are counted");

struct server_family {
	uint32_t silent_rounds; /* in a row without an answer of any */
	mono_ns retry_at;
};

struct server_learned_table {
	struct server_learned *servers;
	uint16_t *buckets; /* SERVER_NONE: empty */
	uint32_t bucket_mask;
	uint16_t capacity;
	uint16_t fresh; /* places from here on were never taken */
	uint16_t hand;
	uint16_t share_max;
	uint64_t evicted;
	struct hash_key key;
	mono_ns now;                      /* the turn's */
	struct server_family families[2]; /* IPv6, IPv4 */
};

/* capacity 0: there are none. */
size_t server_learned_memory_bytes(uint16_t capacity);
/* memory: aligned to a cache line; need not be cleared. under_way_max: of the worker. */
void server_learned_init(struct server_learned_table *t, void *memory, uint16_t capacity,
			 uint32_t under_way_max, const struct hash_key *key);

/* By position in t->servers: what the functions of server.h do with the index of a learned server. */
/* SERVER_NONE: it is not there. */
uint16_t server_learned_find(const struct server_learned_table *t, const struct endpoint *peer);
/* It is not there: a place for it. SERVER_NONE: SERVER_LOOKS_MAX servers are all in use. */
uint16_t server_learned_take(struct server_learned_table *t, const struct endpoint *peer);
void server_learned_prefetch(const struct server_learned_table *t, const struct endpoint *peer);
static inline struct server_learned *server_learned_at(const struct server_learned_table *t,
						       uint16_t position)
{
	CHECK(position < t->fresh);
	return &t->servers[position];
}
void server_learned_on_sent(struct server_learned_table *t, uint16_t position);
void server_learned_on_answer(struct server_learned_table *t, uint16_t position, uint32_t rtt_us,
			      mono_ns now);
void server_learned_on_timeout(struct server_learned_table *t, uint16_t position, mono_ns sent_at,
			       mono_ns now);
/* Silence, but no query of its was under way. */
void server_learned_on_unreachable(struct server_learned_table *t, uint16_t position, mono_ns now);
void server_learned_on_cancelled(struct server_learned_table *t, uint16_t position);
/* RFC 6298 section 2, within bounds, doubled that often. srtt_us 0: SERVER_RTO_MS_UNKNOWN. */
uint32_t server_rto_of(uint32_t srtt_us, uint32_t rttvar_us, unsigned doublings);
uint32_t server_learned_rto_ms(const struct server_learned_table *t, uint16_t position);
/* Asked last now, by itself or as its family is? */
bool server_learned_is_silent(const struct server_learned_table *t, uint16_t position);
/* How early it is asked: lower is earlier; SERVER_SLOWNESS_SILENT and more: last. */
#define SERVER_SLOWNESS_SILENT (UINT64_C(1) << 40)
uint64_t server_learned_slowness(const struct server_learned_table *t, uint16_t position);

void server_learned_check(const struct server_learned_table *t);

#endif
