/* The state machine of one question that is forwarded: takes events and time, gives back what to do next.
 * No I/O: the engine sends, sets timers and answers.
 *
 *   FREE   not in use
 *   SEND   server_pos is chosen; wants a query sent to it
 *   WAIT   one query is under way (slot_idx); never more than one (RFC 5452 section 5)
 *   PAUSE  waits for resume_at: hold-off after a near miss, or a neighbour's MAC or random bytes not there yet
 *   DONE   outcome known; its waiters are being answered; no longer found by its question
 *
 * Every loop has a budget: tries of the zone, UPSTREAM_PACKETS_MAX packets, CLIENT_DEADLINE_MS.
 *
 * Memory: a table lent at init. Threads: one worker's. Time: given.
 */
#ifndef PORTICO_RESOLUTION_H
#define PORTICO_RESOLUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "counter.h"
#include "engine_config.h"
#include "entropy.h"
#include "hash.h"
#include "inflight.h"
#include "mono.h"
#include "msg_parse.h"
#include "name.h"
#include "pool.h"
#include "server.h"

enum resolution_state {
	RESOLUTION_FREE,
	RESOLUTION_SEND,
	RESOLUTION_WAIT,
	RESOLUTION_PAUSE,
	RESOLUTION_DONE,
	RESOLUTION_STATE_COUNT,
};
extern const char *const resolution_state_text[RESOLUTION_STATE_COUNT];

/* What identifies a sent question: identical ones meet in one resolution. */
struct resolution_key {
	uint64_t hash; /* keyed; also decides which worker owns it */
	uint16_t qtype;
	uint16_t qclass;
	uint16_t zone_idx; /* the server set */
	uint8_t view;
	bool checking_disabled;
	struct name qname; /* lower case */
};

struct resolution {
	uint8_t state;       /* enum resolution_state; written by resolution_set_state() only */
	bool edns_retry;     /* this try: asked again without EDNS, after FORMERR or NOTIMP */
	uint16_t rcode;      /* DONE: what the waiters get if there is no answer */
	uint16_t ede;        /* DONE: with that rcode */
	int16_t server_pos;  /* in the zone's list; -1: none chosen */
	uint32_t generation; /* with the index: a handle that outlives the resolution */
	uint32_t tried_mask;
	uint32_t tries;       /* tries that ended without an answer */
	uint32_t packets;     /* sent for this question: nothing resets it */
	uint32_t near_misses; /* tickets burnt */
	uint32_t
		case_losses; /* replies in lower case: from CASE_PROOFS on it is asked without 0x20 */
	uint32_t
		pauses; /* in a row, for want of a MAC or random bytes: each longer than the last */
	uint32_t slot_idx;   /* WAIT: the in-flight slot */
	uint32_t answer_idx; /* DONE: answer buffer, or POOL_NONE */
	uint32_t waiter_head, waiter_tail, waiter_count;
	uint32_t
		hash_check; /* of key.hash, beside chain_next: tells most others apart by one cache line */
	uint32_t chain_next; /* hash chain, while not DONE */
	uint32_t queue_next; /* send queue (SEND) or answer queue (DONE) */
	mono_ns started_at;  /* immutable: later waiters do not make it younger */
	mono_ns deadline_at; /* its first waiter has an answer by then */
	mono_ns try_until;   /* this try's end, pauses included */
	mono_ns resume_at;   /* PAUSE */
	struct resolution_key key;
};

struct resolution_table {
	struct resolution *resolutions;
	uint32_t *buckets;
	uint32_t bucket_mask;
	struct pool free;
};

size_t resolution_table_memory_bytes(uint32_t capacity);
void resolution_table_init(struct resolution_table *t, void *memory, uint32_t capacity);

/* Stage 1: the bucket; stage 2, when that has come: the first of its chain. */
void resolution_prefetch(const struct resolution_table *t, uint64_t hash);
void resolution_prefetch_chain(const struct resolution_table *t, uint64_t hash);
/* POOL_NONE: none under way. */
MUST_USE uint32_t resolution_find(const struct resolution_table *t,
				  const struct resolution_key *key);
/* A new one, in FREE state, findable; POOL_NONE: full. */
MUST_USE uint32_t resolution_take(struct resolution_table *t, const struct resolution_key *key,
				  mono_ns now);
/* DONE and without waiters: back to the pool. */
void resolution_put(struct resolution_table *t, uint32_t idx);

/* What the state machine decides with. */
struct resolution_env {
	const struct engine_config *config;
	struct server_table *servers;
	struct entropy *entropy;
	uint32_t *zone_cursors; /* round-robin position a zone */
	mono_ns now;
};

enum resolution_step {
	RESOLUTION_STEP_SEND,   /* state SEND: send a query to resolution_server() */
	RESOLUTION_STEP_PAUSE,  /* state PAUSE until resume_at */
	RESOLUTION_STEP_ANSWER, /* state DONE: the response at hand is the answer */
	RESOLUTION_STEP_FAIL,   /* state DONE: rcode and ede */
	RESOLUTION_STEP_KEEP,   /* nothing changed: the wait for the true answer goes on */
	RESOLUTION_STEP_GRACE,  /* likewise, but for CASE_GRACE_MS at most */
};

/* Index of the chosen server in the server table. */
uint16_t resolution_server(const struct resolution *r, const struct engine_config *config);

enum resolution_step resolution_on_start(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env);
/* A query is under way in slot. */
void resolution_on_sent(struct resolution_table *t, uint32_t idx, uint32_t slot_idx);
/* It could not be sent now: again at resume_at, or the try is over (a neighbour that does not answer counts as a
 * server that does not). */
enum resolution_step resolution_on_blocked(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env, mono_ns resume_at);
/* Nobody on the link answers for the server or its gateway: this try is over at once. */
enum resolution_step resolution_on_unreachable(struct resolution_table *t, uint32_t idx,
					       const struct resolution_env *env);
/* It cannot be sent at all (no ticket, no slot): shed. */
enum resolution_step resolution_on_shed(struct resolution_table *t, uint32_t idx,
					const struct resolution_env *env);
/* No outgoing address or gateway leads to the chosen server: the next one, at once. */
enum resolution_step resolution_on_no_route(struct resolution_table *t, uint32_t idx,
					    const struct resolution_env *env);
enum resolution_step resolution_on_resume(struct resolution_table *t, uint32_t idx,
					  const struct resolution_env *env);
/* The query under way timed out. */
enum resolution_step resolution_on_timeout(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env, mono_ns sent_at);
/* The port or address that the query under way left from is no longer ours: the same server is asked from another, and
 * it is no try of its. */
enum resolution_step resolution_on_moved(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env);
/* Somebody guessed at the query under way: its ticket is burnt. */
enum resolution_step resolution_on_near_miss(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env);
/* How many wrong IDs the query under way in slot may see before its ticket is burnt: none, but for one ticket of a
 * question, the one after NEAR_MISS_BURNS burnt ones. */
unsigned resolution_near_miss_tolerance(const struct resolution *r,
					const struct inflight_slot *slot);
/* Only replies in lower case came in CASE_GRACE_MS: the server does not keep letter case. Asked again. */
enum resolution_step resolution_on_case_lost(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env);
/* A reply whose addresses, ports and ID match slot, and which parses. *outcome says what it was. KEEP and
 * GRACE: it is not the answer; the slot stays live. Any other step: the query is over, the caller ends the slot. */
enum resolution_step resolution_on_response(struct resolution_table *t, uint32_t idx,
					    const struct resolution_env *env,
					    const struct inflight_slot *slot,
					    const struct msg_response *response,
					    enum counter *outcome);

void resolution_check(const struct resolution_table *t);

#endif
