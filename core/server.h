/* What is known of the upstream servers: round-trip time, failures, EDNS and letter-case habits;
 * and the choice among a zone's servers.
 *
 * A server is UP until one worker's `fall` tries in a row have gone unanswered, then DOWN for all:
 * it is asked only when no server of the zone is up, and probed every interval until `rise` answers
 * in a row have come. So a server that comes back is used within interval + rise round trips,
 * however long it was gone. Any answer that matches, to a question or to a probe, to any worker, is
 * a sign of life. One worker probes a server: the one whose number is the server's modulo the
 * workers.
 *
 * SRTT by RFC 6298: srtt = 7/8 srtt + 1/8 rtt, rttvar = 3/4 rttvar + 1/4 |srtt - rtt|. Each worker
 * measures its own: it changes with every answer, so that sharing it would have all workers write
 * one line a packet; and what is lost is little, as under policy fastest each worker asks a server
 * that it knows nothing of by one question at a time.
 *
 * What all workers know, struct server_shared, is lock-free and seldom written: on changes of
 * state, on answers while DOWN, on lost letter case, and for the time of the last answer once in
 * SERVER_ANSWER_GRAIN_MS. State, rises and the time of the change are one word, so a transition is
 * one compare-and-swap, and exactly one worker makes it. The word is read where it decides; what a
 * worker derives from it (when the next probe is due) it derives anew once the epoch has moved.
 *
 * Memory: server_shared lent once for all workers, servers lent a worker. Threads: the functions
 * that take a struct server_table are called by its worker only; between workers, what is _Atomic.
 */
#ifndef PORTICO_SERVER_H
#define PORTICO_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "entropy.h"
#include "limits.h"
#include "mono.h"
#include "server_habits.h"
#include "server_learned.h"

enum server_state { SERVER_UP, SERVER_DOWN, SERVER_STATE_COUNT };
extern const char *const server_state_text[SERVER_STATE_COUNT];

/* With policy fastest, one question in so many goes to another server than the fastest, so that
 * their SRTTs stay known. A power of two. */
#define SERVER_EXPLORE_ONE_IN 32
/* A habit (no EDNS, letter case lost) is believed for so long, then tried again. */
#define SERVER_HABIT_S 3600
/* A worker tells the others of an answer if the last they know of is this old. Until then a timeout
 * that they have may count against a server that has answered. */
#define SERVER_ANSWER_GRAIN_MS 10
#define SERVER_RISE_MAX 0x7fff            /* rises have 15 bits of the condition */
#define SERVER_CONDITION_DOWN UINT64_C(1) /* a bit of a condition */

enum server_policy {
	/* Lowest SRTT; unknown ones first, one question at a time (a dead one must not draw all of
	 * them); 1 question in 32 goes to another. */
	SERVER_POLICY_FASTEST,
	SERVER_POLICY_ROUND_ROBIN,
	SERVER_POLICY_IN_ORDER,
	/* Of the question: rendezvous hashing, so a lost server moves only its own. */
	SERVER_POLICY_HASH,
	SERVER_POLICY_COUNT,
};
extern const char *const server_policy_text[SERVER_POLICY_COUNT];

/* How a zone's servers are asked. */
enum zone_transport {
	ZONE_TRANSPORT_AUTO, /* by UDP; over TCP what did not fit, and what somebody guesses at */
	ZONE_TRANSPORT_TCP,  /* never by UDP */
	ZONE_TRANSPORT_COUNT,
};

struct server_health {
	uint32_t interval_ms;
	uint16_t rise;
	uint16_t fall;
};

/* What all workers know of a server: one cache line. All loads and stores are relaxed where
 * server.c does not say otherwise, as each word says all by itself. */
struct server_shared {
	/* Upper 48 bits of the time of the last change of state (to 65 us) | rises (answers in a
	 * row while DOWN) 15 | DOWN 1. any worker: writes, by condition_set() in server.c only;
	 * all: read */
	_Alignas(SERVER_LINE_BYTES) _Atomic uint64_t condition;
	_Atomic mono_ns last_answer_at; /* any worker: writes, at most once a grain; all: read */
	struct server_habits habits;
};

/* Which servers there are: of the configuration that a worker runs on, borrowed until it follows another. */
struct server_list {
	const struct endpoint *endpoints;
	const struct server_health *health;
	const bool *retired; /* asked and probed no more; NULL: none is */
	uint16_t count;
};

/* A line of its own: read by every worker once a turn, and written when a condition has changed. */
struct server_epoch {
	_Alignas(SERVER_LINE_BYTES) _Atomic uint64_t count; /* any worker: adds; all: read */
};

struct server_shared_table {
	struct server_epoch *epoch;
	struct server_shared *servers;
	uint16_t server_count;
};

/* Of memory that starts on a cache line. */
size_t server_shared_memory_bytes(uint16_t server_count);
/* Once, before any worker starts. server_count: places, which no list goes beyond. */
void server_shared_init(struct server_shared_table *shared, void *memory, uint16_t server_count);
/* The place is for another server from now on. Nobody asks or awaits the one before; whoever makes the lists, before
 * the list with the other is followed. */
void server_shared_forget(struct server_shared_table *shared, uint16_t idx);

/* What one worker has seen of a server. */
struct server {
	uint64_t seen; /* the condition that probe_at and fails go with */
	bool probe_under_way;
	uint16_t fails;   /* tries in a row that went unanswered, all since fails_after */
	uint32_t srtt_us; /* 0: unknown */
	uint32_t rttvar_us;
	uint32_t under_way;     /* queries live now */
	mono_ns last_answer_at; /* to this worker */
	mono_ns fails_after;    /* the last answer to anybody before the fails */
	mono_ns probe_at;       /* seen DOWN and ours to probe: when the next probe is due */
	uint64_t queries, responses, timeouts, near_misses;
};

/* Which of the workers this is: of count, counted from 0; idx == count: none of those that probe. */
struct server_worker {
	uint8_t idx;
	uint8_t count;
};

struct server_table {
	struct server_shared_table *shared;
	struct server *servers;
	uint16_t server_count; /* of the list */
	struct server_list list;
	struct server_worker worker;
	uint64_t epoch_seen;
	/* Earliest probe_at of all servers seen DOWN that are ours to probe and have no probe under
	 * way; MONO_NEVER: none. As of the last server_refresh(). */
	mono_ns next_probe_at;
	struct server_learned_table learned; /* none, unless server_table_learn is called */
};

/* servers: as many as shared has; cleared as lists name them. */
void server_table_init(struct server_table *t, struct server *servers,
		       struct server_shared_table *shared, struct server_worker worker,
		       const struct server_list *list);
/* Another list: a place that has another endpoint than before is a new server's. It is not shorter than the one before,
 * whose arrays must still be there. */
void server_table_follow(struct server_table *t, const struct server_list *list, mono_ns now);

/* Room for learned servers, once: memory as server_learned_memory_bytes says, aligned to a cache line. under_way_max: the
 * worker's, of which a learned server may have its share. */
void server_table_learn(struct server_table *t, void *memory, uint16_t capacity,
			uint32_t under_way_max, const struct hash_key *key);

/* ---- learned servers (server_learned.h): their indices are taken by all functions below but those of probes ---- */

/* The learned server with this endpoint: the one that is there, or a place for it. SERVER_NONE: all that were looked at are
 * in use. The index is good for the call; who keeps it longer holds it. Configured servers have indices of their own, and are
 * never found here. */
MUST_USE uint16_t server_learn(struct server_table *t, const struct endpoint *peer, mono_ns now);
void server_learn_prefetch(const struct server_table *t, const struct endpoint *peer);
static inline bool server_is_learned(uint16_t idx)
{
	return idx >= SERVER_SLOTS_MAX;
}
/* Its position in t->learned. */
static inline uint16_t server_learned_position(uint16_t idx)
{
	CHECK(server_is_learned(idx));
	return (uint16_t)(idx - SERVER_SLOTS_MAX);
}
/* As often released as held. Of configured ones there is nothing to do. */
void server_hold(struct server_table *t, uint16_t idx);
void server_release(struct server_table *t, uint16_t idx);
/* What the next functions and server_on_sent, server_on_answer do for learned ones, out of the way of the configured. */
const struct endpoint *server_endpoint_learned(const struct server_table *t, uint16_t idx);
struct server_habits *server_habits_learned(const struct server_table *t, uint16_t idx);
void server_on_sent_learned(struct server_table *t, uint16_t idx);
/* Borrowed until the next server_learn or server_table_follow. */
static inline const struct endpoint *server_endpoint(const struct server_table *t, uint16_t idx)
{
	if (idx < t->server_count)
		return &t->list.endpoints[idx];
	return server_endpoint_learned(t, idx);
}
/* How long a query is waited for, SERVER_RTO_MS_MIN to _MAX: by what this worker has measured and, of learned ones, how often
 * they were silent. */
uint32_t server_rto_ms(const struct server_table *t, uint16_t idx);
/* May one more query go to it now? Of configured ones always. */
bool server_may_ask(const struct server_table *t, uint16_t idx);
/* What is known of its habits. */
static inline struct server_habits *server_habits_of(const struct server_table *t, uint16_t idx)
{
	if (idx < t->server_count)
		return &t->shared->servers[idx].habits;
	return server_habits_learned(t, idx);
}

/* Take note of what other workers have changed since: every turn, before next_probe_at is looked
 * at. One load if they have changed nothing, else one pass over the servers. */
void server_refresh_all(struct server_table *t, mono_ns now);
static inline void server_refresh(struct server_table *t, mono_ns now)
{
	t->learned.now = now;
	/* Relaxed: only to see whether there is more to read; server_refresh_all() loads it anew.
	 */
	if (UNLIKELY(atomic_load_explicit(&t->shared->epoch->count, memory_order_relaxed) !=
		     t->epoch_seen))
		server_refresh_all(t, now);
}

/* As all workers see it now; a learned one is DOWN while it is asked last, as this worker has it. */
enum server_state server_state(const struct server_table *t, uint16_t idx);

/* Choose among server_count servers (indices into the table) those not in tried_mask (bit i:
 * position i in the list). UP ones by policy; if none is up and untried: DOWN ones, in order of how
 * long they have been down, shortest first. Returns the position in the list, or -1 when all were
 * tried. cursor         the zone's round-robin position, moved on
 *   question_hash  keyed hash of the question, for SERVER_POLICY_HASH
 *   entropy        for the 1 in 32; if it is not ready, the fastest is taken
 * Of a list of one the cursor stays where it is. */
int server_choose_of_many(const struct server_table *t, const uint16_t servers[],
			  unsigned server_count, enum server_policy policy, uint32_t tried_mask,
			  uint32_t *cursor, uint64_t question_hash, struct entropy *entropy);
static inline int server_choose(const struct server_table *t, const uint16_t servers[],
				unsigned server_count, enum server_policy policy,
				uint32_t tried_mask, uint32_t *cursor, uint64_t question_hash,
				struct entropy *entropy)
{
	/* Up or down, there is no other; and no cursor to move. */
	if (server_count == 1)
		return (tried_mask & 1) == 0 ? 0 : -1;
	return server_choose_of_many(t, servers, server_count, policy, tried_mask, cursor,
				     question_hash, entropy);
}

/* Every query sent, probes included, is followed by exactly one of answer, timeout and cancelled; a
 * surplus one counts nothing below zero. What of these changes a server's state for all is tried
 * again when another worker has changed it meanwhile, so that each try that fails is another's that
 * did not. */
static inline void server_on_sent(struct server_table *t, uint16_t idx)
{
	if (idx >= t->server_count) {
		server_on_sent_learned(t, idx);
		return;
	}
	t->servers[idx].queries++;
	t->servers[idx].under_way++;
}
/* A matching answer; rtt_us from sending to now. probe: it answers a health probe. Also ends a
 * down, whoever has noticed it. */
void server_on_answer_any(struct server_table *t, uint16_t idx, uint32_t rtt_us, bool probe,
			  mono_ns now);
/* Has this worker seen the server's condition, which is UP, and do the others know of an answer that is young? Then another
 * one changes nothing but this worker's figures. */
static inline bool server_is_settled(const struct server_table *t, uint16_t idx, mono_ns now)
{
	const struct server_shared *shared = &t->shared->servers[idx];
	uint64_t condition = atomic_load_explicit(&shared->condition, memory_order_relaxed);
	mono_ns told = atomic_load_explicit(&shared->last_answer_at, memory_order_relaxed);

	CHECK(idx < t->server_count);
	return condition == t->servers[idx].seen && (condition & SERVER_CONDITION_DOWN) == 0 &&
	       (now <= told || now - told < SERVER_ANSWER_GRAIN_MS * NS_PER_MS);
}
/* server_on_answer_any, of a question that was asked: the short way for a settled server. */
static inline void server_on_answer(struct server_table *t, uint16_t idx, uint32_t rtt_us,
				    bool probe, mono_ns now)
{
	struct server *s = &t->servers[idx];

	if (idx >= t->server_count || probe || !server_is_settled(t, idx, now)) {
		server_on_answer_any(t, idx, rtt_us, probe, now);
		return;
	}
	s->under_way -= s->under_way > 0;
	s->responses++;
	s->last_answer_at = now;
	s->fails = 0;
	server_rtt_note(&s->srtt_us, &s->rttvar_us, rtt_us);
}
/* Nothing came for a query sent at sent_at. Counts against the server only if it has not answered
 * anybody since: names that it resolves slowly must not bring it down. An answer that another
 * worker receives while this one decides may come too late to be seen; it is then followed by a
 * probe. */
void server_on_timeout(struct server_table *t, uint16_t idx, mono_ns sent_at, bool probe,
		       mono_ns now);
/* A try ended without its query ever being sent: nobody on the link answers for the server. */
void server_on_unreachable(struct server_table *t, uint16_t idx, mono_ns now);
/* Query abandoned without a verdict on the server (near miss, resolution ended). */
void server_on_cancelled(struct server_table *t, uint16_t idx, bool probe);
/* Somebody guessed at a query under way to it: for the report. */
void server_on_near_miss(struct server_table *t, uint16_t idx);

/* Letter case: an exact echo clears the count; a lost one adds a proof, and CASE_PROOFS in a row
 * switch 0x20 off for this server for an hour. */
void server_on_case_kept(struct server_table *t, uint16_t idx);
/* Is there anything for server_on_case_kept to do? */
static inline bool server_case_doubted(const struct server_table *t, uint16_t idx)
{
	return atomic_load_explicit(&server_habits_of(t, idx)->case_proofs, memory_order_relaxed) !=
	       0;
}
void server_on_case_lost(struct server_table *t, uint16_t idx, mono_ns now);
void server_on_edns_refused(struct server_table *t, uint16_t idx,
			    mono_ns now); /* off for an hour */
/* May one of server_edns_on, server_case_on be false, or server_tcp_only true? */
static inline bool server_is_doubted(const struct server_table *t, uint16_t idx, mono_ns now)
{
	return now <
	       atomic_load_explicit(&server_habits_of(t, idx)->doubted_until, memory_order_relaxed);
}
static inline bool server_case_on(const struct server_table *t, uint16_t idx, mono_ns now)
{
	return now >= atomic_load_explicit(&server_habits_of(t, idx)->case_off_until,
					   memory_order_relaxed);
}
static inline bool server_edns_on(const struct server_table *t, uint16_t idx, mono_ns now)
{
	return now >= atomic_load_explicit(&server_habits_of(t, idx)->edns_off_until,
					   memory_order_relaxed);
}

/* Somebody guessed at a query to it: NEAR_MISSES_TO_TCP_ONLY in NEAR_MISSES_WITHIN_S mark it as one that is asked over TCP only, for
 * all. True: this one did. */
bool server_on_guess(struct server_table *t, uint16_t idx, mono_ns now);
/* Over TCP it cannot be asked: the mark goes, as a server that is not asked at all is no better protected. */
void server_on_tcp_useless(struct server_table *t, uint16_t idx, mono_ns now);
static inline bool server_tcp_only(const struct server_table *t, uint16_t idx, mono_ns now)
{
	return now < atomic_load_explicit(&server_habits_of(t, idx)->tcp_only_until,
					  memory_order_relaxed);
}

/* The next DOWN server whose probe is due and this worker's to send (its probe_at moved on by its
 * interval, probe_under_way set), or -1. A server with a probe under way is not due again. */
int server_probe_due(struct server_table *t, mono_ns now);

/* What holds whenever this worker is between calls, whatever the others are doing. */
void server_check(const struct server_table *t);

#endif
