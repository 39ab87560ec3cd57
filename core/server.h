/* What is known of the upstream servers: round-trip time, failures, EDNS and letter-case habits;
 * and the choice among a zone's servers.
 *
 * A server is UP until `fall` tries in a row have gone unanswered, then DOWN: it is asked only when
 * no server of the zone is up, and probed every interval until `rise` answers in a row have come.
 * So a server that comes back is used within interval + rise round trips, however long it was gone.
 * Any answer that matches, to a question or to a probe, is a sign of life.
 *
 * SRTT by RFC 6298: srtt = 7/8 srtt + 1/8 rtt, rttvar = 3/4 rttvar + 1/4 |srtt - rtt|.
 *
 * Memory: an array lent at init. Threads: one worker's own view (a shared one comes with issue 3).
 */
#ifndef PORTICO_SERVER_H
#define PORTICO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "entropy.h"
#include "limits.h"
#include "mono.h"

enum server_state { SERVER_UP, SERVER_DOWN, SERVER_STATE_COUNT };
extern const char *const server_state_text[SERVER_STATE_COUNT];

/* With policy fastest, one question in so many goes to another server than the fastest, so that
 * their SRTTs stay known. A power of two. */
#define SERVER_EXPLORE_ONE_IN 32
/* A habit (no EDNS, letter case lost) is believed for so long, then tried again. */
#define SERVER_HABIT_S 3600

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

struct server_health {
	uint32_t interval_ms;
	uint16_t rise;
	uint16_t fall;
};

struct server {
	struct endpoint endpoint;
	struct server_health health;
	uint8_t state; /* enum server_state, written by server_set_state() only */
	bool edns_off; /* answered FORMERR or NOTIMP to EDNS and not without; until edns_retry_at */
	bool case_off; /* does not keep letter case; until case_retry_at */
	bool probe_under_way;
	uint8_t case_proofs; /* answers in a row that lost the letter case */
	uint16_t fails;      /* tries in a row that went unanswered */
	uint16_t rises;      /* answered probes in a row while DOWN */
	uint32_t srtt_us;    /* 0: unknown */
	uint32_t rttvar_us;
	uint32_t under_way; /* queries live now */
	mono_ns probe_at;   /* DOWN: when the next probe is due */
	mono_ns edns_retry_at;
	mono_ns case_retry_at;
	mono_ns down_since;
	mono_ns last_answer_at; /* a timeout of what was sent before it says nothing of the server */
	uint64_t queries, responses, timeouts, near_misses; /* telemetry reads them, relaxed */
};

struct server_table {
	struct server *servers;
	uint16_t server_count;
	/* Earliest probe_at of all DOWN servers without a probe under way; MONO_NEVER: none. */
	mono_ns next_probe_at;
};

/* servers: server_count of them, endpoint and health set by the caller; the rest is cleared. */
void server_table_init(struct server_table *t, struct server *servers, uint16_t server_count);

/* Choose among server_count servers (indices into the table) those not in tried_mask (bit i:
 * position i in the list). UP ones by policy; if none is up and untried: DOWN ones, in order of how
 * long they have been down, shortest first. Returns the position in the list, or -1 when all were
 * tried. cursor         the zone's round-robin position, moved on
 *   question_hash  keyed hash of the question, for SERVER_POLICY_HASH
 *   entropy        for the 1 in 32; if it is not ready, the fastest is taken */
int server_choose(const struct server_table *t, const uint16_t servers[], unsigned server_count,
		  enum server_policy policy, uint32_t tried_mask, uint32_t *cursor,
		  uint64_t question_hash, struct entropy *entropy);

/* Every query sent, probes included, is followed by exactly one of answer, timeout and cancelled; a
 * surplus one counts nothing below zero. */
void server_on_sent(struct server_table *t, uint16_t idx);
/* A matching answer; rtt_us from sending to now. probe: it answers a health probe. Also ends a
 * down. */
void server_on_answer(struct server_table *t, uint16_t idx, uint32_t rtt_us, bool probe,
		      mono_ns now);
/* Nothing came for a query sent at sent_at. Counts against the server only if it has not answered anything that came later:
 * names that it resolves slowly must not bring it down. */
void server_on_timeout(struct server_table *t, uint16_t idx, mono_ns sent_at, bool probe,
		       mono_ns now);
/* A try ended without its query ever being sent: nobody on the link answers for the server. */
void server_on_unreachable(struct server_table *t, uint16_t idx, mono_ns now);
/* Query abandoned without a verdict on the server (near miss, resolution ended). */
void server_on_cancelled(struct server_table *t, uint16_t idx, bool probe);

/* Letter case: an exact echo clears the count; a lost one adds a proof, and CASE_PROOFS in a row
 * switch 0x20 off for this server for an hour. */
void server_on_case_kept(struct server_table *t, uint16_t idx);
void server_on_case_lost(struct server_table *t, uint16_t idx, mono_ns now);
void server_on_edns_refused(struct server_table *t, uint16_t idx,
			    mono_ns now); /* off for an hour */
bool server_case_on(struct server_table *t, uint16_t idx, mono_ns now);
bool server_edns_on(struct server_table *t, uint16_t idx, mono_ns now);

/* The next DOWN server whose probe is due (its probe_at moved on by its interval, probe_under_way
 * set), or -1. A server with a probe under way is not due again. */
int server_probe_due(struct server_table *t, mono_ns now);

void server_check(const struct server_table *t);

#endif
