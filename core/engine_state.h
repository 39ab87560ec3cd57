/* What the engine's own files share: the worker's whole state. Not for drivers: they see engine.h only.
 *
 *   engine.c          memory, timers, what is sent and when, gauges
 *   engine_rx.c       a received burst, in stages
 *   engine_client.c   questions: policy, coalescing, answers to waiters
 *   engine_upstream.c queries to servers: tickets, in-flight slots, timeouts, health probes
 *   engine_reply.c    their replies: matching, near misses, answers to waiters
 *   engine_source.c   what queries leave from, and what becomes of them when that changes
 *   engine_aim.c      which words a reply to one of few ports may be for
 *   engine_link.c     routes, neighbours, ARP, ND and echo
 *   engine_handoff.c  what goes to other workers and comes from them
 *   engine_ask.c      questions of our own
 *   engine_report.c   rows for porticoctl
 */
#ifndef PORTICO_ENGINE_STATE_H
#define PORTICO_ENGINE_STATE_H

#include <assert.h>

#include "arena.h"
#include "engine.h"
#include "frame.h"
#include "inflight_aim.h"
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
#define ENGINE_NO_RESOLUTION UINT32_MAX /* inflight_slot.resolution_idx of a health probe */

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
	uint64_t peer_hash; /* a reply */
	struct frame_view view;
};

/* A question of our own. */
enum engine_ask_state {
	ENGINE_ASK_FREE,
	ENGINE_ASK_WAITING, /* a waiter of the resolution has its handle */
	ENGINE_ASK_DONE,    /* until it is fetched, or its place is needed */
};
struct engine_ask_entry {
	uint8_t state; /* enum engine_ask_state */
	uint32_t handle;
	uint32_t resolution_idx; /* WAITING */
	struct engine_asked result;
};
struct engine_asks {
	uint32_t waiting_count;
	uint32_t last_handle;
	struct engine_ask_entry entries[ENGINE_ASKS_MAX];
};

/* The last queries from few ports that were answered, one a place: by question, as is the place. Networks duplicate packets,
 * and a duplicate must not pass for a guess where the question is asked again at once. At 100,000 a second each is known for
 * 10 ms. */
#define ENGINE_FINISHED 1024
static_assert((ENGINE_FINISHED & (ENGINE_FINISHED - 1)) == 0, "a power of two");

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
	const struct source_set *sources[OUTGOING_MAX]; /* this turn's */
	uint32_t source_generation;                     /* that they are of */
	uint32_t sources_empty;      /* bit i: nothing leaves from outgoing address i now */
	uint32_t source_scan_left;   /* slots yet to be looked at since a set has changed, */
	uint32_t source_scan_next;   /* from this one on */
	struct source_meter *meters; /* an outgoing address */
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
	struct engine_asks asks;
	struct inflight_mark finished[ENGINE_FINISHED];
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
/* The zone with the longest name at or above qname; ZONES_MAX: none. */
uint16_t engine_zone_for(const struct engine_config *c, const struct name *qname);
/* Decides who owns the question. flag_cd: DNS_FLAG_CD or 0. */
uint64_t engine_question_hash(const struct engine *e, const struct name *qname, uint16_t qtype,
			      uint16_t qclass, uint16_t flag_cd);
/* Build the answer for one waiter of a DONE resolution into a frame. response NULL: only an rcode. Returns the length; 0:
 * no room, or the waiter is one of our own, who has it now. */
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
void engine_slot_timeout(struct engine *e, uint32_t slot_idx);
/* Ends the query of a slot: answered (late_until 0) or given up (its word stays LATE). */
void engine_slot_end(struct engine *e, uint32_t slot_idx, bool late);

/* ---- engine_reply.c ---- */

/* Stage 1 and 2. */
void engine_reply_look(struct engine *e, struct rx_slot *slot, unsigned i);
/* Between the two: prefetch what the reply leads to, a step further each time. */
#define ENGINE_REACH_STEPS 3
void engine_reply_reach(struct engine *e, unsigned i, unsigned step);
void engine_reply(struct engine *e, struct rx_slot *slot, unsigned i);

/* ---- engine_source.c ---- */

void engine_sources_init(struct engine *e);
/* Load what queries leave from; where it is another set, its hand is thrown away and a look at all slots begins. */
void engine_sources_load_all(struct engine *e, uint32_t generation);
/* At a turn's beginning, if anything has changed.
 *
 * Who publishes counts source_generation up after the pointers and orders turns after that. Whoever takes such an order
 * therefore sees the new count at the next beginning of a turn and lets go of the old sets; when he takes the next order,
 * that turn is over. So two ordered turns are enough, as if each had loaded the pointers. */
static inline void engine_sources_load(struct engine *e)
{
	/* acquire: the pointers are loaded after the count, and are at least as new */
	uint32_t generation =
		atomic_load_explicit(e->config->source_generation, memory_order_acquire);

	if (UNLIKELY(generation != e->source_generation))
		engine_sources_load_all(e, generation);
}
/* A look at some slots, if any are left to look at: queries under way on what is no longer ours are asked again. */
void engine_sources_scan(struct engine *e);
/* Nothing is under way on what is not ours, unless the look at all slots goes on. */
void engine_sources_check(const struct engine *e);
/* Is there something for engine_sources_load or engine_sources_scan to do? */
bool engine_sources_due(const struct engine *e);
/* One of those ways that something can leave by now, at random; NULL: there is none. Takes at most
 * ENTROPY_UNIFORM_BYTES. Only needed if sources_empty is not 0. */
const struct engine_way *engine_way_choose(struct engine *e, const struct engine_route *route);
/* Is it to a port and address that queries leave from? COUNTER_OUTCOME_COUNT: yes, *outgoing_idx says which; else how the
 * packet ends. */
enum counter engine_source_find(const struct engine *e, uint8_t interface_idx,
				const struct frame_view *view, uint8_t *outgoing_idx);

/* ---- engine_aim.c ---- */

/* Words that a reply may be for. */
struct engine_reply_words {
	unsigned count;
	/* Tag and ID are equal, of all of them: MATCH or LATE. Else they are near misses. */
	bool has_id;
	struct engine_reply_word {
		struct inflight_hit at;
		uint8_t found;              /* enum inflight_find */
	} words[2 * INFLIGHT_BUCKET_WORDS]; /* in ascending order of owner, each slot once */
};
/* By address, port and ID, of an outgoing address whose set is small or has lately been. */
void engine_reply_find(const struct engine *e, const struct engine_rx_work *work,
		       struct engine_reply_words *out);
/* By its question, where no word of its ID is the reply's: of us, and of those workers that have none of its ID, as the
 * others have had the packet. With near misses of engine_reply_find, if it has found such. */
struct engine_reply_aim {
	struct inflight_aim question; /* valid, as is its mark, if any word was found by it */
	struct inflight_mark mark;
	struct engine_reply_words words;
};
void engine_reply_aim(const struct engine *e, const struct engine_rx_work *work,
		      const struct engine_reply_words *by_id, struct engine_reply_aim *out);
/* Who has the packet next, UINT8_MAX: nobody. The owners of words of its ID come first, in ascending order, then those of
 * aimed words only, likewise: each is visited once, and whoever has the packet knows by its own words how far it is. */
uint8_t engine_reply_next(const struct engine *e, const struct engine_reply_words *by_id,
			  const struct engine_reply_words *aimed);
/* A query that has an aim word ends, answered: the duplicate of its reply is to be known. */
void engine_finished_add(struct engine *e, const struct inflight_slot *slot);
bool engine_finished_has(const struct engine *e, const struct inflight_mark *mark);

/* ---- engine_link.c ---- */

void engine_link_init(struct engine *e);
uint16_t engine_neighbour_for(struct engine *e, uint8_t interface_idx,
			      const struct address *destination);
void engine_link_rx(struct engine *e, struct rx_slot *slot, unsigned i);
/* On other workers than LINK_WORKER: pass the packet there, if the rate allows. */
void engine_link_pass(struct engine *e, struct rx_slot *slot, unsigned i);
bool engine_solicit_fill(struct engine *e, struct tx_slot *slot);

/* ---- engine_ask.c ---- */

/* The slot's query has been answered with what the resolution's waiters get. Only while asks.waiting_count > 0. */
void engine_ask_on_match(struct engine *e, uint32_t resolution_idx,
			 const struct inflight_slot *slot);
/* The waiter with this handle has its answer; response NULL: only the resolution's rcode. */
void engine_ask_on_answer(struct engine *e, uint32_t handle, const struct resolution *r,
			  const struct msg_response *response);
void engine_ask_check(const struct engine *e);

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
