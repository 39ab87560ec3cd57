/* What the engine's own files share: the worker's whole state. Not for drivers: they see engine.h only.
 *
 *   engine.c          memory, timers, what is sent and when, gauges
 *   engine_rx.c       a received burst, in stages
 *   engine_client.c   questions: policy, coalescing, answers to waiters
 *   engine_upstream.c queries to servers and their replies: tickets, in-flight slots, health probes
 *   engine_link.c     routes, neighbours, ARP, ND and echo
 *   engine_handoff.c  what goes to other workers and comes from them
 *   engine_report.c   rows for porticoctl
 */
#ifndef PORTICO_ENGINE_STATE_H
#define PORTICO_ENGINE_STATE_H

#include "arena.h"
#include "engine.h"
#include "frame.h"
#include "msg_build.h"
#include "msg_parse.h"
#include "neighbour.h"
#include "pool.h"
#include "query_policy.h"
#include "rate_limit.h"
#include "resolution.h"
#include "ticket.h"
#include "timer_wheel.h"
#include "waiter.h"

#define NO_MAC_PAUSE_MS 10    /* how soon a send that had no MAC is tried again, at first */
#define NO_ENTROPY_PAUSE_MS 1 /* and one that had no random bytes */
#define PAUSE_DOUBLINGS_MAX 5
#define READY_WAIT_MS 1000
#define LATE_EXPIRED_PER_TURN 128
#define RATE_BUCKETS 4096
#define ROUTE_NONE UINT16_MAX

/* How a server is reached: the outgoing addresses of its family, each with the neighbour that its packets go to.
 * Built once from the configuration. */
struct engine_route {
	uint8_t way_count;
	struct engine_way {
		uint8_t outgoing_idx;
		uint16_t neighbour_idx;
		uint64_t peer_hash; /* inflight_peer_hash of this address and the server */
	} ways[OUTGOING_MAX];
};

/* An upstream answer that several waiters are to get. */
struct engine_answer {
	struct msg_response response;
	uint8_t bytes[ANSWER_BUFFER_BYTES];
};

/* A list of resolutions by queue_next. */
struct engine_queue {
	uint32_t head;
	uint32_t tail;
	uint32_t count;
};

/* A received packet between the stages of a burst. */
enum engine_rx_stage {
	ENGINE_RX_ENDED,
	ENGINE_RX_QUESTION,
	ENGINE_RX_PASSED_QUESTION,
	ENGINE_RX_REPLY,
	ENGINE_RX_LINK,
};
struct engine_rx_work {
	uint8_t stage; /* enum engine_rx_stage */
	uint8_t outgoing_idx;
	uint32_t
		reached_idx; /* a reply: index of the slot, then of the resolution that it leads to; POOL_NONE: nowhere */
	uint64_t hash;
	struct frame_view view;
};

struct engine {
	const struct engine_config *_Atomic *config_source;
	const struct engine_config *config;         /* this burst's snapshot */
	const struct engine_config *indexed_config; /* whose indices are kept across bursts */
	mono_ns now;
	mono_ns started_at;
	uint32_t wall_s; /* at started_at */
	uint8_t worker_idx;
	uint8_t worker_count;
	bool stopping;
	uint32_t under_way_max;
	struct hash_key question_key;
	struct hash_key cookie_key;

	struct resolution_table resolutions;
	struct waiter_pool waiters;
	struct engine_answer *answers;
	struct pool answers_free;
	struct engine_queue send_queue;   /* resolutions in state SEND that are not sent yet */
	struct engine_queue answer_queue; /* resolutions in state DONE with waiters left */

	struct inflight inflight;
	uint32_t probes_out;       /* of the slots that are live, those of health probes */
	struct timer_wheel timers; /* slots first, then resolutions */
	struct server_table servers;
	struct engine_route *routes; /* a server */
	uint32_t *zone_cursors;
	struct ticket_hand hands[OUTGOING_MAX];
	struct entropy entropy;
	struct neighbour_table neighbours;

	struct rate_limit error_limit;       /* error replies, by client prefix */
	struct rate_limit link_limit;        /* ARP and ND questions; one bucket, as the next two */
	struct rate_limit link_answer_limit; /* ARP and ND answers passed to LINK_WORKER, */
	struct rate_limit link_confirm_limit; /* those apart that say what is known already */
	struct rate_limit echo_limit;

	struct counters counters;
	struct engine_rx_work work[BURST_SLOTS_MAX];
	struct msg_query queries[BURST_SLOTS_MAX];
	enum msg_query_result query_results[BURST_SLOTS_MAX];
	uint8_t scratch[ANSWER_BUFFER_BYTES];
};

/* The most that a UDP payload between us and the peer may hold in one frame of the interface: never more than
 * EDNS_UDP_BYTES, never a fragment (RFC 9715). */
static inline uint16_t engine_udp_bytes_max(const struct frame_interface *interface,
					    const struct address *peer)
{
	unsigned headers = (address_is_v4(peer) ? 20u : 40u) + 8u;
	unsigned room = interface->mtu_bytes - headers;

	DCHECK(interface->mtu_bytes >= headers + DNS_UDP_BYTES_MIN); /* config refuses less */
	return (uint16_t)(room < EDNS_UDP_BYTES ? room : EDNS_UDP_BYTES);
}

/* ---- engine.c ---- */

struct resolution_env engine_env(struct engine *e);
/* Act on what the state machine said. response: for RESOLUTION_STEP_ANSWER, or NULL. */
void engine_step(struct engine *e, uint32_t resolution_idx, enum resolution_step step,
		 const struct msg_response *response);
uint32_t engine_wall_s(const struct engine *e);
void engine_queue_push(struct engine *e, struct engine_queue *q, uint32_t resolution_idx);
uint32_t engine_queue_pop(struct engine *e, struct engine_queue *q);

/* ---- engine_rx.c ---- */

void engine_rx_burst(struct engine *e, struct rx_slot slots[], unsigned slot_count);

/* The packet ends here, with this outcome. */
void engine_end(struct engine *e, struct rx_slot *slot, enum counter outcome,
		enum rx_verdict verdict);
struct buffer engine_room(const struct rx_slot *slot);

/* ---- engine_client.c ---- */

/* Stage 1: parse, judge; stage 2: act. */
void engine_question_look(struct engine *e, struct rx_slot *slot, unsigned i);
void engine_question(struct engine *e, struct rx_slot *slot, unsigned i);
/* Have the waiter wait for the question, which we own; its first query leaves in the slot's packet if it may be
 * written to. Ends the packet. */
void engine_resolve(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		    const struct waiter *waiter);
/* Join the question's resolution, or begin it. Returns the outcome; *resolution_idx: a new one that wants to send
 * its first query, else POOL_NONE. */
enum counter engine_wait(struct engine *e, const struct resolution_key *key,
			 const struct waiter *waiter, uint32_t *resolution_idx);
/* Build the answer for one waiter of a DONE resolution into a frame. response NULL: only an rcode. Returns the length; 0:
 * no room. */
unsigned engine_answer_waiter(struct engine *e, const struct resolution *r,
			      const struct waiter *waiter, const struct msg_response *response,
			      struct buffer frame, uint8_t *interface_idx);
/* Take the first waiter off; POOL_NONE: no more. The caller puts it back to the pool. */
uint32_t engine_waiter_next(struct engine *e, struct resolution *r);
/* It has its answer: back to the pool. */
void engine_waiter_end(struct engine *e, uint32_t waiter_idx);
/* Frames for waiters of DONE resolutions, into one slot; false: nothing (more) to send. */
bool engine_answer_fill(struct engine *e, struct tx_slot *slot);

/* ---- engine_upstream.c ---- */

void engine_upstream_init(struct engine *e);
/* Send the query that a resolution in state SEND wants, into the frame. Returns the frame's length; 0: nothing was
 * sent, and the resolution has moved on by itself (paused or ended). */
unsigned engine_query_send(struct engine *e, uint32_t resolution_idx, struct buffer frame,
			   uint8_t *interface_idx);
/* A health probe that is due, into the frame; 0: none or not possible now. */
unsigned engine_probe_send(struct engine *e, struct buffer frame, uint8_t *interface_idx);
void engine_reply_look(struct engine *e, struct rx_slot *slot, unsigned i);
/* Between the two: prefetch what the reply leads to, a step further each time. */
#define ENGINE_REACH_STEPS 3
void engine_reply_reach(struct engine *e, unsigned i, unsigned step);
void engine_reply(struct engine *e, struct rx_slot *slot, unsigned i);
void engine_slot_timeout(struct engine *e, uint32_t slot_idx);
/* Ends the query of a slot: answered (late_until 0) or given up (its word stays LATE). */
void engine_slot_end(struct engine *e, uint32_t slot_idx, bool late);

/* ---- engine_link.c ---- */

void engine_link_init(struct engine *e);
uint16_t engine_neighbour_for(struct engine *e, uint8_t interface_idx,
			      const struct address *destination);
void engine_link_rx(struct engine *e, struct rx_slot *slot, unsigned i);
/* On other workers than LINK_WORKER: pass the packet there, if the rate allows. */
void engine_link_pass(struct engine *e, struct rx_slot *slot, unsigned i);
bool engine_solicit_fill(struct engine *e, struct tx_slot *slot);

/* ---- engine_handoff.c ---- */

/* The worker that keeps the neighbours, and answers ARP, ND and echo for all. */
#define LINK_WORKER 0

/* Which worker owns the question. */
uint8_t engine_owner(const struct engine *e, uint64_t question_hash);
/* Write the question over its packet, for its owner; ends the packet. */
void engine_question_pass(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
			  const struct waiter *waiter);
/* Give the packet as it is to this worker; ends it. */
void engine_packet_pass(struct engine *e, struct rx_slot *slot, uint8_t to_worker);
/* A question that another worker has passed, stage 1 and 2. */
void engine_passed_look(struct engine *e, struct rx_slot *slot, unsigned i);
void engine_passed(struct engine *e, struct rx_slot *slot);

#endif
