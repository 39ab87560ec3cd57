/* The state machine of one question that is forwarded: takes events and time, gives back what to do next.
 * No I/O: the engine sends, sets timers and answers.
 *
 *   FREE   not in use
 *   SEND   server_pos is chosen; wants a query sent to it, by UDP or, as tcp_for and the server's mark say, over TCP
 *   WAIT   one query is under way (slot_idx); never more than one (RFC 5452 section 5)
 *   PAUSE  waits for resume_at: hold-off after a near miss, or a neighbour's MAC or random bytes not there yet
 *   ASK    waits for another question (engine_iterate.c says which), until its deadline at most
 *   DONE   outcome known; its waiters are being answered; no longer found by its question
 *
 * SEND, WAIT, PAUSE and ASK may be without waiters: what is asked for again before it expires has none until a client asks for it
 * too, and what is served stale while it is asked for has no more. It goes on to its end for the cache's sake, within
 * the same budgets. DONE without waiters is given back at once.
 *
 * Beside its state, a resolution whose question has an expired answer in the cache (RFC 8767):
 *   stale_at      MONO_NEVER: nothing such is known of; else when its waiters get that answer, or have got it
 *   stale_queued  they are getting it now: SEND, WAIT or PAUSE, stale_at has come, and there are waiters
 *   from_cache    DONE: what the cache has is given to the waiters, in place of rcode and ede; failed, or only begun to hand that out
 *
 * TCP. A try is by UDP, but for zones and servers that are asked over TCP only. What came truncated, or was guessed at, is asked of
 * the same server over TCP at once, if that can be had (engine_server_has_tcp); what becomes of it there is the end of the
 * try, and after a guess at worst as if there were no TCP: a pause, and another ticket.
 *
 * Clients over TCP wait in a list of their own, so that neither they nor those by UDP hold up the others.
 *
 * Every loop has a budget: tries of the zone, UPSTREAM_PACKETS_MAX packets (of which one over TCP is UPSTREAM_TCP_PACKETS),
 * UPSTREAM_TCP_TRIES_MAX, CLIENT_DEADLINE_MS.
 *
 * A reload may change the configuration between any two calls: servers keep their index, and what was noted by position in
 * the zone's list of them is noted anew when the next step finds the list changed. A zone that is gone leaves its questions
 * to the one that has the name now; if none has, they fail.
 *
 * Memory: a table lent at init. Threads: one worker's. Time: given.
 */
#ifndef PORTICO_RESOLUTION_H
#define PORTICO_RESOLUTION_H

#include <assert.h>
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
#include "stream.h"

/* Timers fire up to two ticks late, and a worker may nap: the client has its answer in time all the same. */
#define RESOLUTION_MARGIN_MS 50

enum resolution_state {
	RESOLUTION_FREE,
	RESOLUTION_SEND,
	RESOLUTION_WAIT,
	RESOLUTION_PAUSE,
	RESOLUTION_ASK,
	RESOLUTION_DONE,
	RESOLUTION_STATE_COUNT,
};
extern const char *const resolution_state_text[RESOLUTION_STATE_COUNT];

/* What identifies a sent question: identical ones meet in one resolution. */
struct resolution_key {
	uint64_t hash; /* keyed; also decides which worker owns it */
	uint16_t qtype;
	uint16_t qclass;
	uint16_t zone_idx;        /* the server set */
	uint32_t zone_generation; /* of the zone when it was chosen; not part of what is compared */
	uint8_t view;
	bool checking_disabled;
	struct name qname; /* lower case */
};

/* Why this try goes over TCP; what all know of the server apart. */
enum resolution_tcp_for {
	RESOLUTION_TCP_FOR_NONE,
	RESOLUTION_TCP_FOR_ZONE, /* the zone wants it so */
	RESOLUTION_TCP_FOR_TRUNCATED,
	RESOLUTION_TCP_FOR_GUESS,
};

struct resolution {
	uint8_t state;       /* enum resolution_state; written by resolution_set_state() only */
	bool edns_retry;     /* this try: asked again without EDNS, after FORMERR or NOTIMP */
	uint8_t tcp_for;     /* this try: enum resolution_tcp_for */
	bool hindered;       /* by us, once at least: its failure says nothing about the question */
	uint8_t packets_max; /* that may be sent for this question */
	bool stale_queued : 1; /* in the list by stale_previous and stale_next */
	bool from_cache : 1;   /* DONE: without an answer, but the cache has something */
	bool iterates : 1;     /* its servers are those of a zone cut, not of a forward zone */
	bool has_iteration : 1; /* what the engine keeps for it at the same index (iteration.h) is valid */
	bool traced : 1;
	bool loops : 1; /* what it had left, or that it waited for its asker, made it fail: that says nothing about the question */
	bool is_spent : 1; /* all that a client may cost was spent on his question: that it fails tells */
	bool asks_step : 1; /* SEND, WAIT: it asks for a minimised name, of type A, not for its own (engine_sub_here.c) */
	uint16_t rcode;      /* DONE: what the waiters get if there is no answer */
	uint16_t ede;        /* DONE: with that rcode */
	uint16_t server_idx; /* chosen last */
	int16_t server_pos; /* in the zone's list; -1: none chosen, or it is not in there any more */
	/* Of the next four there are never more than UPSTREAM_PACKETS_MAX and one. */
	uint8_t packets;     /* sent for this question: nothing resets it; at most packets_max, */
	uint8_t tries;       /* tries that ended without an answer */
	uint8_t near_misses; /* tickets burnt */
	uint8_t case_losses; /* replies in lower case: from CASE_PROOFS on it is asked without 0x20 */
	uint8_t pauses; /* in a row, for want of a MAC or random bytes: each longer than the last */
	uint8_t tcp_tries;
	uint32_t generation; /* with the index: a handle that outlives the resolution */
	union {
		uint32_t tried_mask; /* of a forward zone's servers */
		uint32_t
			asked_at; /* asks_step: where in its name that which is asked for begins, */
	};
	uint32_t slot_idx;   /* WAIT: the in-flight slot */
	uint32_t answer_idx; /* DONE: answer buffer (engine_state.h), or POOL_NONE */
	uint32_t waiter_head, waiter_tail;
	union {
		struct {
			uint16_t waiter_count; /* in that list */
			/* Those apart from that list. Clients over TCP: in the ring of stream_tail, or with an answer that waits to
			 * be fetched. Sub-questions: sub_state.waiter_count of them. */
			uint16_t apart_count;
		};
		uint32_t
			waiting; /* both: 0: nobody waits; 1: one of that list does, and nobody else */
	};
	uint32_t stream_tail; /* the last of a ring of waiters; POOL_NONE: none */
	uint32_t queue_next;  /* send queue (SEND) or answer queue (DONE) */
	uint32_t stale_previous, stale_next;
	mono_ns started_at;  /* immutable: later waiters do not make it younger */
	mono_ns deadline_at; /* its first waiter has an answer by then */
	mono_ns try_until;   /* this try's end, pauses included */
	union {
		mono_ns resume_at;   /* PAUSE */
		uint64_t asked_hash; /* asks_step: and the hash of that question's key */
	};
	mono_ns stale_at;
	struct resolution_key key;
};
static_assert(sizeof(struct resolution) % 64 == 0, "each begins on a cache line");
static_assert((int)RESOLUTION_TCP_FOR_NONE == (int)ZONE_TRANSPORT_AUTO &&
		      (int)RESOLUTION_TCP_FOR_ZONE == (int)ZONE_TRANSPORT_TCP,
	      "a try begins as the zone says");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "the first of two counts is the lower half");
static_assert(WAITERS_PER_QUESTION_MAX <= UINT16_MAX, "they are counted by 16 bits");
static_assert(UPSTREAM_PACKETS_MAX + UPSTREAM_TCP_PACKETS < UINT8_MAX, "and these by 8");

struct resolution_table {
	struct resolution *resolutions;
	/* Those that are not DONE, by hash: upper half of key.hash | index, or UINT64_MAX. Linear probing, half full at most,
	 * so that one cache line is nearly always all that finding, adding and removing take. */
	uint64_t *places;
	uint32_t place_mask;
	unsigned home_shift;
	uint32_t
		step_count; /* those in WAIT that ask for a step: each has a second place, by that */
	struct pool free;
};

size_t resolution_table_memory_bytes(uint32_t capacity);
void resolution_table_init(struct resolution_table *t, void *memory, uint32_t capacity);

/* Stage 1: the places; stage 2, when these have come: one of that hash. */
void resolution_prefetch(const struct resolution_table *t, uint64_t hash);
void resolution_prefetch_found(const struct resolution_table *t, uint64_t hash);
/* POOL_NONE: none under way. One whose key has another hash asks the question as a step: it is to be given a resolution of its own
 * before anybody joins it (engine_find). */
MUST_USE uint32_t resolution_find(const struct resolution_table *t,
				  const struct resolution_key *key);
/* A key's place in what resolution_take gives next, so that it needs not be copied there; or elsewhere, if it is full. */
static inline struct resolution_key *resolution_key_place(struct resolution_table *t,
							  struct resolution_key *elsewhere)
{
	uint32_t idx = pool_peek(&t->free, 0);

	return LIKELY(idx != POOL_NONE) ? &t->resolutions[idx].key : elsewhere;
}
/* A new one, in FREE state, findable; POOL_NONE: full. key: of a resolution only if resolution_key_place gave it, and nothing
 * was taken since. */
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
	bool judges; /* what the reply at hand says is to be judged before it is an answer */
};

enum resolution_step {
	RESOLUTION_STEP_SEND,   /* state SEND: send a query to resolution_server() */
	RESOLUTION_STEP_PAUSE,  /* state PAUSE until resume_at */
	RESOLUTION_STEP_ANSWER, /* state DONE: the response at hand is the answer */
	RESOLUTION_STEP_FAIL,   /* state DONE: rcode and ede */
	RESOLUTION_STEP_END,    /* state DONE: who wanted anything of it has it already */
	RESOLUTION_STEP_KEEP,   /* nothing changed: the wait for the true answer goes on */
	RESOLUTION_STEP_GRACE,  /* likewise, but for CASE_GRACE_MS at most */
	/* State WAIT: a reply that is one by its form; resolution_on_accepted, _known, _useless or _doubted are next. */
	RESOLUTION_STEP_JUDGE,
	RESOLUTION_STEP_ITERATE, /* state ASK, and it waits for nothing yet: what is next is found out by what is known of zones */
};

/* Index of the chosen server in the server table. */
static inline uint16_t resolution_server(const struct resolution *r)
{
	DCHECK(r->state != RESOLUTION_FREE);
	return r->server_idx;
}
/* Is the zone whose server was chosen still what it was? Else a reload has taken it out or changed it since. */
static inline bool resolution_has_zone(const struct resolution *r,
				       const struct engine_config *config)
{
	if (r->key.zone_idx >= config->zone_count)
		return r->key.zone_idx == ENGINE_ZONE_ITERATE && config->iterates;
	return config->zones[r->key.zone_idx].generation == r->key.zone_generation &&
	       config->zones[r->key.zone_idx].server_count > 0;
}
/* Who waits, by whatever transport. */
static inline uint32_t resolution_waiters(const struct resolution *r)
{
	return (uint32_t)r->waiter_count + r->apart_count;
}
/* May it be asked over TCP once more? */
static inline bool resolution_may_tcp(const struct resolution *r)
{
	return r->packets + UPSTREAM_TCP_PACKETS <= r->packets_max &&
	       r->tcp_tries < UPSTREAM_TCP_TRIES_MAX;
}
/* Does the zone that it asks want recursion? */
static inline bool resolution_wants_recursion(const struct resolution *r,
					      const struct engine_config *config)
{
	/* Of one that is just gone it does not matter any more: its server is not asked. */
	return r->key.zone_idx < config->zone_count &&
	       config->zones[r->key.zone_idx].recursion_desired;
}

/* SEND; or FAIL, where a reload has taken the zone away since it was chosen. */
enum resolution_step resolution_on_start(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env);
/* The same where the key's zone has just been chosen and has one server. False: it has several, and nothing is done. */
MUST_USE bool resolution_on_start_alone(struct resolution_table *t, uint32_t idx,
					const struct engine_zone *zone, mono_ns now);
/* SEND: what it asks for is its name from `at` on, of type A; hash: of that question's key. Until it is in any other state than
 * WAIT. */
void resolution_on_step(struct resolution_table *t, uint32_t idx, uint32_t at, uint64_t hash);
/* May that be sent? Not if somebody asks it already, nor if there is no place to find it by. */
MUST_USE bool resolution_may_send_step(const struct resolution_table *t, uint32_t idx);
/* What it asks for. */
static inline void resolution_step_name(const struct resolution *r, struct name *out)
{
	DCHECK(r->asks_step && r->asked_at < r->key.qname.length_bytes);
	out->length_bytes = (uint8_t)(r->key.qname.length_bytes - r->asked_at);
	bytes_copy(out->bytes, r->key.qname.bytes + r->asked_at, out->length_bytes);
}
/* ASK: the query under way in slot, which `from` has sent for a step, is this one's, which asks that question. */
void resolution_on_taken_over(struct resolution_table *t, uint32_t idx,
			      const struct resolution *from, uint32_t slot_idx);
/* A query is under way in slot. */
void resolution_on_sent(struct resolution_table *t, uint32_t idx, uint32_t slot_idx);
/* The same over TCP. */
void resolution_on_tcp_sent(struct resolution_table *t, uint32_t idx, uint32_t slot_idx);
/* It could not be sent now: again at resume_at, or the try is over (a neighbour that does not answer counts as a
 * server that does not). */
enum resolution_step resolution_on_blocked(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env, mono_ns resume_at);
/* A reply could not be taken, for want of room here: as if it had been lost on the way. */
void resolution_on_hindered(struct resolution_table *t, uint32_t idx);
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
/* The query under way over TCP brings no answer. Where nothing was heard in time: STREAM_FAILURE_TIMEOUT. */
enum resolution_step resolution_on_tcp_failed(struct resolution_table *t, uint32_t idx,
					      const struct resolution_env *env, mono_ns sent_at,
					      enum stream_failure failure);
/* A question that was passed to us has its answer in the cache: DONE, with from_cache. */
void resolution_on_cached(struct resolution_table *t, uint32_t idx);
/* Somebody guessed at the query under way: its ticket is burnt, and it is asked over TCP. */
enum resolution_step resolution_on_near_miss(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env);
/* How many wrong IDs the query under way in slot may see before its ticket is burnt: none, but for one ticket of a
 * question, the one after NEAR_MISS_BURNS burnt ones. */
unsigned resolution_near_miss_tolerance(const struct resolution *r,
					const struct inflight_slot *slot);
/* Only replies in lower case came in CASE_GRACE_MS: the server does not keep letter case. Asked again. */
enum resolution_step resolution_on_case_lost(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env);
/* A reply whose addresses, ports and ID match slot, or to its handle if it went over TCP, and which parses. *outcome says what
 * it was. KEEP and GRACE: it is not the answer; the slot stays live. Any other step: the query is over, the caller ends the
 * slot. Over TCP the caller has made sure of the question, and that it is whole. */
enum resolution_step resolution_on_response(struct resolution_table *t, uint32_t idx,
					    const struct resolution_env *env,
					    const struct inflight_slot *slot,
					    const struct msg_response *response,
					    enum counter *outcome);

/* ---- of STEP_JUDGE ---- */

/* It is the answer, and says rcode. */
enum resolution_step resolution_on_accepted(struct resolution_table *t, uint32_t idx,
					    uint16_t rcode);
/* It says where to ask, not what was asked for. */
enum resolution_step resolution_on_known(struct resolution_table *t, uint32_t idx);
/* Nothing in it is believed: another server, or the end. */
enum resolution_step resolution_on_useless(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env);
/* It is believed over TCP only. */
enum resolution_step resolution_on_doubted(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env);

/* ---- iterating: of whoever knows the servers (engine_iterate.c) ---- */

/* State ASK, from wherever there is no query under way. */
void resolution_on_ask(struct resolution_table *t, uint32_t idx);
/* ASK (is_last: there is no other, and it is waited for as long as any would be): this server, at that position of the list that the caller keeps, is asked: SEND. */
enum resolution_step resolution_on_choice(struct resolution_table *t, uint32_t idx,
					  const struct resolution_env *env, int16_t server_pos,
					  uint16_t server_idx, bool is_last);
/* ASK: there is no answer to be had: FAIL. */
enum resolution_step resolution_on_given_up(struct resolution_table *t, uint32_t idx, uint16_t ede);
/* ASK: nobody wants to know any more: END. */
enum resolution_step resolution_on_unwanted(struct resolution_table *t, uint32_t idx);
/* ASK: somebody else had the answer: ANSWER. */
enum resolution_step resolution_on_found(struct resolution_table *t, uint32_t idx, uint16_t rcode);

/* The short way of most: a reply whose name is the slot's, byte for byte, if it is the answer and nothing of its server is
 * doubted. True: all is done that resolution_on_response does, which would have said STEP_ANSWER and
 * COUNTER_UPSTREAM_RESPONSE. False: nothing is. */
MUST_USE bool resolution_on_answer(struct resolution_table *t, uint32_t idx,
				   struct server_table *servers, mono_ns now,
				   const struct inflight_slot *slot,
				   const struct msg_response *response);

/* RESOLUTION_STEP_FAIL: does it say something about the question (RFC 9520 section 2)? Not what we refused for want of room
 * or were late for, nor what failed before anything was sent, nor where somebody has guessed at its queries: he could keep the name
 * from us that way. */
bool resolution_failure_tells(const struct resolution *r);

void resolution_check(const struct resolution_table *t);

#endif
