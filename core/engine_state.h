/* What the engine's own files share: the worker's whole state. Not for drivers: they see engine.h only.
 *
 *   engine.c          memory, timers, what is sent and when, gauges
 *   engine_rx.c       a received burst, in stages
 *   engine_client.c   questions: policy, coalescing, answers to waiters
 *   engine_upstream.c queries to servers: tickets, in-flight slots, timeouts, health probes
 *   engine_reply.c    their replies: matching, near misses, answers to waiters
 *   engine_source.c   what queries leave from, and what becomes of them when that changes
 *   engine_route.c    the ways to learned servers
 *   engine_aim.c      which words a reply to one of few ports may be for
 *   engine_link.c     neighbours, ARP, ND and echo
 *   engine_kernel.c   what goes to and comes from a TAP
 *   engine_reload.c   another snapshot
 *   engine_handoff.c  what goes to other workers and comes from them
 *   engine_sub*.c     sub-questions: asked, waited for, answered, of this worker and others
 *   engine_sub_here.c sub-questions that who needs them asks itself
 *   engine_ask.c      questions of our own
 *   engine_stream.c   TCP: clients and servers
 *   engine_hit.c      answers from the cache, in the packet that the question came in
 *   engine_iterate.c  what a question that iterates does next
 *   engine_denied.c   what is not, as a name above it is not
 *   engine_judge.c    what of a reply is believed
 *   engine_cut.c      zone cuts in the cache; these three with engine_sub*.c: engine_iterate.h
 *   engine_cache.c    what is kept, what is served stale, what is asked for again before it expires
 *   engine_trace.c    what becomes of questions that are traced
 *   engine_report.c   rows for porticoctl
 */
#ifndef PORTICO_ENGINE_STATE_H
#define PORTICO_ENGINE_STATE_H

#include <assert.h>

#include "acl.h"
#include "arena.h"
#include "cache_entry.h"
#include "cache_read.h"
#include "cookie.h"
#include "engine.h"
#include "engine_trace.h"
#include "frame_head.h"
#include "inflight_aim.h"
#include "iteration.h"
#include "msg_build.h"
#include "msg_parse.h"
#include "neighbour.h"
#include "pool.h"
#include "query_policy.h"
#include "rate_limit.h"
#include "resolution.h"
#include "scrub.h"
#include "sub.h"
#include "sub_state.h"
#include "ticket.h"
#include "timer_wheel.h"
#include "waiter.h"
#include "wire_cursor.h"
#include "zone_share.h"

#define NO_MAC_PAUSE_MS 10    /* how soon a send that had no MAC is tried again, at first */
#define NO_ENTROPY_PAUSE_MS 1 /* and one that had no random bytes */
#define PAUSE_DOUBLINGS_MAX 5
#define READY_WAIT_MS 1000
#define LATE_EXPIRED_PER_TURN 128
#define RATE_BUCKETS 4096
#define ROUTE_NONE UINT16_MAX
#define ENGINE_NO_RESOLUTION UINT32_MAX /* inflight_slot.resolution_idx of a health probe */
#define TIMER_KINDS                                                                                \
	3 /* as many timers as may be under way, each: slots, resolutions, their stale answers */

/* An upstream answer that several waiters are to get. */
struct engine_answer {
	struct msg_response response;
	uint32_t sharers; /* of a packed zone cut (waiter_sub.buffer_idx): how many are to get it */
	uint8_t bytes[ANSWER_BUFFER_BYTES];
};

/* The same of one that came over TCP and is longer. */
struct engine_large_answer {
	struct msg_response response;
	uint8_t bytes[STREAM_MESSAGE_BYTES_MAX];
};
#define ENGINE_ANSWER_LARGE (UINT32_C(1) << 31) /* resolution.answer_idx: of a large one */

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
	ENGINE_RX_PASSED_SUB, /* question or answer: the slot's kind says */
	ENGINE_RX_REPLY,
	ENGINE_RX_LINK,
};
struct engine_rx_work {
	/* In whole cache lines, as few as may be: all of a burst has to fit the first cache. */
	_Alignas(64) uint8_t stage; /* enum engine_rx_stage */
	bool looks_up; /* a question that has a key; its hash and candidates are valid */
	uint8_t outgoing_idx;
	uint8_t owner; /* a reply: whose its word was in stage 2, if it had just one, else ours */
	uint32_t
		reached_idx; /* a reply: index of the slot, then of the resolution that it leads to; POOL_NONE: nowhere */
	uint32_t slot_idx; /* a reply: the one its word named in stage 2; POOL_NONE: none */
	uint64_t hash;
	union {
		uint64_t peer_hash; /* a reply */
		uint64_t name_hash; /* a question: keyed, of its name; 0: not made */
	};
	struct frame_view view;
	struct cache_candidates candidates; /* from step 0 of reaching on, if there is a cache */
	/* The first one's entry, from step 1 on, if there are candidates; its copy is in e->copies. */
	struct cache_taken taken;
};

/* A question of the burst whose query is to leave in its packet. */
struct engine_begun {
	struct rx_slot *slot;
	uint32_t resolution_idx;
};

/* One burst in so many has its stages measured. */
#define ENGINE_SAMPLE_BURSTS 64
/* Names, by hash, that are handed to their owners to be refreshed: each place once a second. */
#define ENGINE_HANDED_OVER 256

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

/* How a learned server is reached: valid if its route_stamp is the engine's. */
struct engine_learned_route {
	struct engine_route route;
	bool is_on_demand; /* some next hops are, and are to be looked at before they are used; */
	uint64_t tenures[OUTGOING_MAX]; /* theirs, by way: neighbour_demand_use */
};

/* Hashes of names that are about to be iterated, one a place, by their question's hash: a burst's. */
#define ENGINE_NAMES_AHEAD 128
static_assert((ENGINE_NAMES_AHEAD & (ENGINE_NAMES_AHEAD - 1)) == 0, "a power of two");
struct engine_name_ahead {
	uint64_t hash; /* the question's */
	struct name_hashes hashes;
};

/* Questions asked again lately before their answers expired, one a place, by hash. */
#define ENGINE_REFRESHES 1024
static_assert((ENGINE_REFRESHES & (ENGINE_REFRESHES - 1)) == 0, "a power of two");
struct engine_refresh {
	uint64_t hash;
	mono_ns again_at; /* not before this */
};

/* inflight_peer_hash of the last peers that replies came from, one a place, by address: SipHash is worth avoiding. */
#define ENGINE_PEERS 64
static_assert((ENGINE_PEERS & (ENGINE_PEERS - 1)) == 0, "a power of two");
struct engine_peer {
	struct endpoint endpoint; /* port 0: none */
	uint8_t outgoing_idx;
	uint64_t hash;
};

/* What goes to whoever carries TCP. */
struct engine_streams {
	/* Resolutions in state SEND that are to be asked over TCP. */
	struct engine_queue send_queue;
	/* Waiters by next, first in first out: their resolutions are DONE, or have a stale answer for them. */
	uint32_t waiter_head, waiter_tail;
	uint32_t under_way;   /* queries over TCP, health probes apart: slots that are live */
	uint32_t last_serial; /* of a query's handle */
	uint32_t probe_slot;  /* the slot of a health probe that is to be sent; POOL_NONE: none */
	bool only_tcp[SERVER_SLOTS_MAX]; /* a server: no zone asks it by UDP */
	struct engine_large_answer *answers;
	struct pool answers_free;
};

/* The last ways that replies came, one a place: to which outgoing address, and the hash of that and the peer. Only of addresses
 * that do not change without a reload, which forgets them all. */
#define ENGINE_PEER_WAYS 64
static_assert((ENGINE_PEER_WAYS & (ENGINE_PEER_WAYS - 1)) == 0, "a power of two");
struct engine_peer_way {
	struct address peer;
	struct address local;
	uint16_t peer_port; /* 0: none */
	uint8_t interface_idx;
	uint8_t outgoing_idx;
	uint64_t hash; /* inflight_peer_hash */
};

struct engine {
	const struct engine_config *_Atomic *config_source;
	const struct engine_config *config; /* this burst's snapshot */
	const struct engine_config
		*followed_config; /* what is kept across turns goes by; else engine_reload is due */
	mono_ns now;
	mono_ns started_at;
	uint32_t wall_s; /* at started_at */
	const _Atomic int64_t *clock_offset_s;
	uint8_t worker_idx;
	uint8_t worker_count;
	bool stopping;
	uint32_t under_way_max;
	const struct name_fold_key *fold_key;
	name_fold_function *fold;
	struct hash_key cookie_key;
	uint64_t (*read_cycles)(void);

	struct cache *cache; /* NULL: none */
	struct cache_writer *cache_writer;
	const struct cache_flush *flush; /* this turn's */
	uint32_t now_s;                  /* this turn's, of the cache's clock */
	struct engine_latencies latencies;
	uint32_t rotation;                           /* of the next RRset that we give out */
	uint32_t burst_hits;                         /* of the last engine_rx */
	uint32_t burst_number;                       /* of the next */
	mono_ns ways_full_until;                     /* to other workers, as far as we know */
	uint32_t handed_over_s[ENGINE_HANDED_OVER];  /* when a question was, to be refreshed */
	struct latency *server_latencies;            /* a configured server */
	struct latency learned_latency;              /* of all learned ones */
	struct engine_learned_route *learned_routes; /* a learned server, by its position */
	uint32_t route_stamp; /* counts the snapshots that learned_routes are made of; never 0 */
	/* Of the snapshot: queries leave by IPv4, IPv6; bit i: an address of our own ends with the byte i. */
	bool leaves_by_v4, leaves_by_v6;
	uint64_t own_ends[4];

	struct resolution_table resolutions;
	struct iteration
		*iterations; /* a resolution, at the same index; valid if it has_iteration */
	struct zone_share_table zone_shares;
	uint32_t shed_above; /* with more resolutions than these the old ones are given up, */
	uint32_t shed_hand;  /* of those from here on; */
	mono_ns shed_at;     /* last, as once a turn will do */
	mono_ns primed_at;   /* when the root's servers were last asked for */
	struct waiter_pool waiters;
	struct engine_answer *answers;
	struct pool answers_free;
	struct engine_queue send_queue;   /* resolutions in state SEND that are not sent yet */
	struct engine_queue answer_queue; /* resolutions in state DONE with waiters left */
	struct engine_queue
		stale_queue; /* those that go on while their waiters get a stale answer */
	bool stale_turn;     /* the last answer that was sent was of answer_queue */
	struct engine_streams streams;
	struct sub_table subs;
	struct zone_cut sub_cut;                    /* one at hand, for a call */
	struct msg_response sub_response;           /* likewise, */
	uint8_t sub_message[CACHE_ENTRY_BYTES_MAX]; /* and its bytes */

	struct inflight inflight;
	uint32_t probes_out;       /* of the slots that are live, those of health probes */
	struct timer_wheel timers; /* TIMER_KINDS */
	struct server_table servers;
	uint32_t *zone_cursors;
	struct ticket_hand hands[OUTGOING_SLOTS_MAX];
	const struct source_set *sources[OUTGOING_SLOTS_MAX]; /* this turn's; NULL: retired */
	struct frame_head heads[OUTGOING_SLOTS_MAX];          /* of what leaves from them */
	uint32_t source_generation;                           /* that they are of */
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
	struct engine_begun begun[BURST_SLOTS_MAX];
	unsigned begun_count; /* 0 between bursts */
	struct cache_key keys[BURST_SLOTS_MAX];
	/* Entries of ordinary length, copied a step ahead of their use: what was just stored in other pieces than it is
	 * loaded in has to reach the first cache before it can be. */
	_Alignas(64) uint64_t copies[BURST_SLOTS_MAX][CACHE_COPY_LONG_WORDS];
	uint64_t entry[CACHE_ENTRY_WORDS_MAX]; /* the last one looked up in stage 3 */
	enum msg_query_result query_results[BURST_SLOTS_MAX];
	uint8_t scratch[ANSWER_BUFFER_BYTES];
	struct engine_asks asks;
	struct event_trace trace;
	struct engine_peer peers[ENGINE_PEERS];
	struct engine_peer_way peer_ways[ENGINE_PEER_WAYS];
	struct inflight_mark finished[ENGINE_FINISHED];
	struct engine_refresh refreshes[ENGINE_REFRESHES];
	struct engine_name_ahead names_ahead[ENGINE_NAMES_AHEAD];
	struct frame_head listen_heads[LISTEN_MAX];        /* of answers from where we listen */
	_Alignas(64) uint64_t kept[CACHE_ENTRY_WORDS_MAX]; /* engine_cache.c: an entry at hand */
	struct scrubbed scrubbed;
	struct zone_cut cut;                        /* one at hand */
	uint8_t clean[STREAM_MESSAGE_BYTES_MAX];    /* engine_judge.c: a message that it made, */
	uint8_t composed[STREAM_MESSAGE_BYTES_MAX]; /* and one that it put together */
};

/* The most that a UDP payload between us and the peer may hold in one frame of the interface: never more than
 * EDNS_UDP_BYTES, never a fragment (RFC 9715). */
static inline uint16_t engine_udp_bytes_max(const struct frame_interface *interface,
					    const struct address *peer)
{
	unsigned headers, room;

	if (LIKELY(interface->mtu_bytes >= 40u + 8u + EDNS_UDP_BYTES))
		return EDNS_UDP_BYTES;
	headers = (address_is_v4(peer) ? 20u : 40u) + 8u;
	room = interface->mtu_bytes - headers;
	DCHECK(interface->mtu_bytes >= headers + DNS_UDP_BYTES_MIN); /* config refuses less */
	return (uint16_t)(room < EDNS_UDP_BYTES ? room : EDNS_UDP_BYTES);
}

/* What a client can take, of at most so much. */
static inline uint16_t engine_udp_size_for(const struct msg_edns *edns, uint16_t most)
{
	if (!edns->present || edns->udp_size_bytes < DNS_UDP_BYTES_MIN)
		return DNS_UDP_BYTES_MIN;
	return edns->udp_size_bytes < most ? edns->udp_size_bytes : most;
}

static inline uint64_t engine_key_hash(uint64_t name_hash, uint16_t qtype, uint16_t flag_cd)
{
	return hash_combine(name_hash, (uint64_t)qtype << 32 | flag_cd);
}

/* The key of a question whose name stands here, checked, in any letter case. flag_cd: DNS_FLAG_CD or 0. Returns the name's
 * hash. */
static inline uint64_t engine_key_fold(const struct engine *e, const uint8_t *qname,
				       uint8_t qname_bytes, uint16_t qtype, uint16_t flag_cd,
				       struct cache_key *out)
{
	uint64_t name_hash = e->fold(e->fold_key, qname, qname_bytes, out->image + CACHE_KEY_NAME);

	cache_key_set(out, qtype, 0, flag_cd != 0, qname_bytes);
	out->hash = engine_key_hash(name_hash, qtype, flag_cd);
	return name_hash;
}

/* The key whose hash is known, of what begins at a label of a name in lower case. */
static inline void engine_key_known(const struct name *name, size_t at, uint16_t qtype,
				    uint8_t view, bool checking_disabled, uint64_t hash,
				    struct cache_key *out)
{
	size_t name_bytes = name->length_bytes - at;

	out->hash = hash;
	cache_key_set(out, qtype, view, checking_disabled, (uint8_t)name_bytes);
	if (LIKELY(name_bytes <= NAME_FOLD_STEP_BYTES &&
		   at + NAME_FOLD_STEP_BYTES <= sizeof(name->bytes))) {
		memcpy(out->image + CACHE_KEY_NAME, name->bytes + at, NAME_FOLD_STEP_BYTES);
		/* Compared by words: what stands behind the name in its last one is zero. */
		memset(out->image + CACHE_KEY_NAME + name_bytes, 0, sizeof(uint64_t));
		return;
	}
	memcpy(out->image + CACHE_KEY_NAME, name->bytes + at, name_bytes);
	memset(out->image + CACHE_KEY_NAME + name_bytes, 0,
	       CACHE_KEY_IMAGE_BYTES - CACHE_KEY_NAME - name_bytes);
}

/* The key's name: in lower case. */
static inline const struct name *engine_key_name(const struct cache_key *key)
{
	static_assert(sizeof(struct name) <= CACHE_KEY_IMAGE_BYTES - CACHE_KEY_NAME + 1 &&
			      offsetof(struct name, bytes) == 1,
		      "a length, then the bytes, as in the image");
	return (const void *)(key->image + CACHE_KEY_NAME - 1);
}
static inline struct name *engine_key_name_mut(struct cache_key *key)
{
	return (void *)(key->image + CACHE_KEY_NAME - 1);
}

/* ---- engine.c ---- */

struct resolution_env engine_env(struct engine *e);
/* Act on what the state machine said. response: for RESOLUTION_STEP_ANSWER, or NULL. */
void engine_step(struct engine *e, uint32_t resolution_idx, enum resolution_step step,
		 const struct msg_response *response);
uint32_t engine_wall_s(const struct engine *e);
/* Seconds of the cache's clock. */
uint32_t engine_clock_s(const struct engine *e, mono_ns now);
/* Whatever comes in or goes out begins with it: time, snapshot, what others have changed. */
void engine_turn_begin(struct engine *e, mono_ns now);
/* The answer that a DONE resolution keeps for its waiters; NULL: it has none. */
const struct msg_response *engine_kept_answer(const struct engine *e, const struct resolution *r);
/* Keep an answer for the waiters, or links until what they lead to is known. False: no buffer. */
MUST_USE bool engine_keep_answer(struct engine *e, struct resolution *r,
				 const struct msg_response *response);
/* What it keeps, if anything, is not wanted any more. */
void engine_drop_answer(struct engine *e, struct resolution *r);
/* The timer of PAUSE and ASK. */
static inline uint32_t engine_resolution_timer(const struct engine *e, uint32_t resolution_idx)
{
	return e->under_way_max + resolution_idx;
}
/* Is there a buffer to keep an answer of that length? */
bool engine_can_keep(const struct engine *e, size_t length_bytes);
/* Of a DONE resolution that is in no queue: give it back, with what it holds, once nobody waits any more. */
void engine_resolution_end(struct engine *e, uint32_t resolution_idx);
void engine_queue_push(struct engine *e, struct engine_queue *q, uint32_t resolution_idx);
uint32_t engine_queue_pop(struct engine *e, struct engine_queue *q);

/* ---- engine_rx.c ---- */

void engine_rx_burst(struct engine *e, struct rx_slot slots[], unsigned slot_count);

/* The packet ends here, with this outcome. */
static inline void engine_end(struct engine *e, struct rx_slot *slot, enum counter outcome,
			      enum rx_verdict verdict)
{
	DCHECK(outcome < COUNTER_OUTCOME_COUNT);
	slot->outcome = (uint16_t)outcome;
	slot->verdict = (uint8_t)verdict;
	counter_add(&e->counters, outcome, 1);
}
struct buffer engine_room(const struct rx_slot *slot);
extern const uint16_t engine_frame_outcome[FRAME_RESULT_COUNT]; /* enum counter */

/* ---- engine_kernel.c ---- */

/* Is UDP between this address and port of ours and anybody DNS, or might it be: never the kernel's behind a TAP? */
bool engine_kernel_withholds(const struct engine *e, const struct address *own, uint16_t port);
/* A frame on an interface with a TAP that is no UDP to us by frame_parse, or what it was refused for. Ends the packet. */
void engine_kernel_rx(struct engine *e, struct rx_slot *slot, enum frame_result refused);

/* ---- engine_client.c ---- */

/* Stage 3, of what msg_parse_query has made of it. */
void engine_question(struct engine *e, struct rx_slot *slot, unsigned i);
/* Have the waiter wait for the question, which we own; its first query leaves in the slot's packet if it may be
 * written to. Where nobody can wait, it has the expired entry stale, if that is not NULL. Ends the packet. */
void engine_resolve(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		    const struct waiter *waiter, const uint64_t *stale);
/* So many questions ahead the lines that a new one takes are pulled towards the cache: they come while those before it are
 * worked on, whatever they are. */
#define ENGINE_MISSES_AHEAD 4
/* Join the question's resolution, or begin it. Returns the outcome; *resolution_idx: a new one that wants to send
 * its first query, else POOL_NONE. */
enum counter engine_wait(struct engine *e, const struct resolution_key *key,
			 const struct waiter *waiter, uint32_t *resolution_idx);
/* The waiter of a question that came from view's source to its destination; interface_idx: of its device. */
void engine_waiter_make(struct engine *e, uint8_t interface_idx, const struct frame_view *view,
			const struct msg_query *query, struct waiter *out);
/* What policy makes of a question, by UDP or TCP: what is none ends, as all do when no more are taken; who may not ask is refused.
 * verdict: in: query_policy_judge's; out: it is to be resolved, or replied to like this, with ede. False: the packet has ended. */
MUST_USE bool engine_admit(struct engine *e, struct rx_slot *slot, const struct address *client,
			   const struct msg_query *query, struct query_verdict *verdict,
			   uint16_t *ede);
/* Where the DNS message goes in this waiter's frame. */
struct buffer engine_payload_of(const struct engine *e, const struct waiter *w,
				struct buffer frame);
/* Headers around a payload of payload_bytes that stands behind their place; returns the frame's length. */
unsigned engine_frame_for(const struct engine *e, const struct waiter *w, uint8_t *frame,
			  size_t payload_bytes, uint8_t *interface_idx);
/* The same around a payload whose sum is known (frame_wire_sum). */
static inline __attribute__((always_inline)) unsigned engine_frame_summed(
	const struct engine *e, const struct waiter *w, uint8_t *frame, size_t payload_bytes,
	uint64_t payload_sum, uint8_t *interface_idx)
{
	const struct waiter_udp_client *udp = &w->udp;
	const struct endpoint client = {udp->client, udp->client_port};
	const struct frame_head_to to = {.mac = &udp->mac,
					 .endpoint = &client,
					 .src_identifier = source_identifier_of(&udp->local),
					 .src_port = udp->local_port};

	for (unsigned i = 0; LIKELY(udp->vlan_pcp == 0) && i < e->config->listen_count; i++) {
		const struct engine_listen *listen = &e->config->listen[i];

		if (LIKELY(listen->interface_idx == udp->interface_idx &&
			   address_equal(&listen->endpoint.address, &udp->local))) {
			*interface_idx = udp->interface_idx;
			return frame_head_build(&e->listen_heads[i], frame, &to,
						(unsigned)payload_bytes, payload_sum);
		}
	}
	return engine_frame_for(e, w, frame, payload_bytes, interface_idx);
}
/* The cookie that this client is to have (RFC 9018). cookie does not overlap client_cookie. */
void engine_cookie_make(const struct engine *e, const uint8_t *client_cookie,
			const struct address *client, uint8_t cookie[COOKIE_BYTES]);
/* The client's side of a reply. cookie: what its option is built in. */
static inline __attribute__((always_inline)) struct msg_client engine_client_of(
	const struct engine *e, const struct waiter *w, uint8_t cookie[COOKIE_BYTES])
{
	const struct waiter_udp_client *udp = &w->udp;
	struct msg_client client = {
		.id = udp->id,
		.recursion_desired = (udp->flags & WAITER_RD) != 0,
		.checking_disabled = (udp->flags & WAITER_CD) != 0,
		.edns = (udp->flags & WAITER_EDNS) != 0,
		.dnssec_ok = (udp->flags & WAITER_DO) != 0,
		.udp_size_bytes = udp->udp_size_bytes,
	};

	if (UNLIKELY((udp->flags & WAITER_COOKIE) != 0)) {
		engine_cookie_make(e, udp->client_cookie, &udp->client, cookie);
		client.cookie = cookie;
		client.cookie_length_bytes = COOKIE_BYTES;
	}
	return client;
}
/* answers_<rcode>, one more. */
#define ENGINE_RCODES_COUNTED (DNS_RCODE_REFUSED + 1)
extern const uint8_t engine_rcode_counter[ENGINE_RCODES_COUNTED]; /* enum counter */
static inline void engine_count_answer(struct engine *e, uint16_t rcode)
{
	counter_add(&e->counters,
		    rcode < ENGINE_RCODES_COUNTED ? (enum counter)engine_rcode_counter[rcode]
						  : COUNTER_ANSWERS_OTHER,
		    1);
}
/* This waiter has its answer now: how long it took. */
void engine_count_wait(struct engine *e, const struct waiter *waiter);
/* A waiter has an answer that was asked for. */
static inline void engine_answered(struct engine *e, const struct waiter *waiter, uint16_t rcode)
{
	/* Workers' clocks may differ a little. */
	uint64_t waited_ns = e->now > waiter->arrived_at ? e->now - waiter->arrived_at : 0;

	latency_add(&e->latencies.miss, waited_ns, 1);
	engine_count_answer(e, rcode);
}
/* Build the answer for one waiter of a DONE resolution into a frame. response NULL: only an rcode. Returns the length; 0:
 * no room, or the waiter is one of our own, who has it now. */
unsigned engine_answer_waiter(struct engine *e, const struct resolution *r,
			      const struct waiter *waiter, const struct msg_response *response,
			      struct buffer frame, uint8_t *interface_idx);
/* Take the first waiter off; POOL_NONE: no more. The caller puts it back to the pool. */
uint32_t engine_waiter_next(struct engine *e, struct resolution *r);
/* A place for one that waits outside of the list of a resolution; POOL_NONE: there is none, or its client has as many as it may. */
uint32_t engine_waiter_take(struct engine *e, const struct waiter *waiter);
/* It has its answer: back to the pool. */
void engine_waiter_end(struct engine *e, uint32_t waiter_idx);
/* Frames for waiters of DONE resolutions, into one slot; false: nothing (more) to send. */
bool engine_answer_fill(struct engine *e, struct tx_slot *slot);

/* ---- engine_upstream.c ---- */

/* So many of the queries that wait are sent next: what they need comes while those before them are built. */
void engine_queries_ahead(struct engine *e, unsigned most);
/* The same of those in e->begun. */
void engine_begun_ahead(struct engine *e);
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

/* Stage 1 of what is to no port that we listen on, or no question. COUNTER_OUTCOME_COUNT: it is to a port that queries leave
 * from, and goes on or has ended; else how the packet is to end. */
MUST_USE enum counter engine_reply_look(struct engine *e, struct rx_slot *slot, unsigned i);
/* Its place in peer_ways. */
static inline struct engine_peer_way *engine_peer_way_of(struct engine *e,
							 const struct frame_view *view)
{
	uint8_t last_bytes =
		view->src.bytes[ADDRESS_BYTES - 1] ^ view->dst.bytes[ADDRESS_BYTES - 1];

	return &e->peer_ways[last_bytes % ENGINE_PEER_WAYS];
}
void engine_reply(struct engine *e, struct rx_slot *slot, unsigned i);

/* ---- engine_reload.c ---- */

/* e->config is another snapshot than the last one that was followed (NULL: there was none), which is still there: what is
 * kept across turns goes by it from here on. A few thousand comparisons; no look at what is under way, but for the one that
 * engine_sources_scan goes on with. */
void engine_reload(struct engine *e);
/* The servers of the snapshot. */
struct server_list engine_server_list(const struct engine_config *c);

/* ---- engine_source.c ---- */

/* After a reload: which addresses are others than in the last snapshot; NULL: all. */
void engine_sources_reload(struct engine *e, const struct engine_config *last);
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

/* ---- engine_route.c ---- */

/* A learned server's; see engine_route_to. */
const struct engine_route *engine_route_learned(struct engine *e, uint16_t server_idx);
/* How the server is reached: the outgoing addresses that it can be asked from. way_count 0: none. A learned one's is found when
 * it is first needed under a snapshot. Borrowed for the call. */
static inline const struct engine_route *engine_route_to(struct engine *e, uint16_t server_idx)
{
	if (!server_is_learned(server_idx))
		return &e->config->routes[server_idx];
	return engine_route_learned(e, server_idx);
}
/* The snapshot is another: the ways to learned servers are found anew as they are needed. */
void engine_route_reload(struct engine *e);
/* Does whatever is sent there come back to us? */
bool engine_route_is_own_any(const struct engine *e, const struct address *a);
static inline bool engine_route_is_own(const struct engine *e, const struct address *a)
{
	uint8_t end = a->bytes[ADDRESS_BYTES - 1];

	return UNLIKELY((e->own_ends[end / 64] >> end % 64 & 1) != 0) &&
	       engine_route_is_own_any(e, a);
}
/* Can the server be asked over TCP now? */
bool engine_route_has_tcp(struct engine *e, uint16_t server_idx);
/* A query's answer has come: its round trip. */
static inline void engine_round_trip(struct engine *e, const struct inflight_slot *sent)
{
	struct latency *latency = &e->server_latencies[sent->server_idx];

	if (server_is_learned(sent->server_idx))
		latency = &e->learned_latency;
	latency_add(latency, e->now - sent->sent_at, 1);
}

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

void engine_link_rx(struct engine *e, struct rx_slot *slot, unsigned i);
/* On other workers than LINK_WORKER: pass the packet there, if the rate allows. */
void engine_link_pass(struct engine *e, struct rx_slot *slot, unsigned i);
/* A solicitation for a random identifier of ours, which no kernel answers for. */
bool engine_link_is_for_identifier(const struct engine *e, uint8_t interface_idx,
				   const struct frame_view *view);
bool engine_solicit_fill(struct engine *e, struct tx_slot *slot);

/* ---- engine_ask.c ---- */

/* The address that the query left from: of a prefix, with that query's identifier. */
struct address engine_slot_address(const struct engine *e, const struct inflight_slot *slot);
/* The slot's query has been answered with what the resolution's waiters get. Only while asks.waiting_count > 0. */
void engine_ask_on_match(struct engine *e, uint32_t resolution_idx,
			 const struct inflight_slot *slot);
/* The waiter with this handle has its answer; response NULL: only the resolution's rcode. */
void engine_ask_on_answer(struct engine *e, uint32_t handle, const struct resolution *r,
			  const struct msg_response *response);
void engine_ask_check(const struct engine *e);

/* ---- engine_cache.c ---- */

/* The question has its answer: keep it. Its TTLs become what the configuration allows, so that who has waited for it and
 * who finds it in the cache get the same. message: the response's, to be written to. */
void engine_cache_store(struct engine *e, const struct resolution *r,
			const struct msg_response *response, uint8_t *message);
/* It has failed: keep that, or what has expired for longer. r->from_cache says whether its waiters get that. */
void engine_cache_store_failure(struct engine *e, struct resolution *r);
/* A popular entry of a question of ours is about to expire: ask again, for nobody. At most once a while, and not beyond what
 * may be under way. */
void engine_cache_refresh(struct engine *e, const struct cache_key *key);
/* A client waits for a resolution that nobody has waited for: when does it get what has expired, if there is such? */
void engine_stale_on_wait(struct engine *e, uint32_t resolution_idx);
void engine_stale_on_timer(struct engine *e, uint32_t resolution_idx);
/* It ends: those who were to get a stale answer get whatever it ends with. */
void engine_stale_on_end(struct engine *e, uint32_t resolution_idx);
/* What the cache has, be it expired, into the frame; 0: it has nothing of use (any more), or no room. */
unsigned engine_stale_answer(struct engine *e, const struct resolution_key *key,
			     const struct waiter *waiter, struct buffer frame,
			     uint8_t *interface_idx);
/* The same for a waiter over TCP, as a message. */
size_t engine_stale_message(struct engine *e, const struct resolution_key *key,
			    const struct waiter *waiter, struct buffer message);
/* The next answer of stale_queue; false: nothing (more) to send. */
bool engine_stale_fill(struct engine *e, struct tx_slot *slot);
void engine_stale_check(const struct engine *e);

/* ---- engine_stream.c ---- */

/* A question's waiter over TCP, as resolution.waiter_head's list has the others. */
void engine_stream_wait(struct engine *e, uint32_t resolution_idx, uint32_t waiter_idx);
/* There is something for those of the resolution that wait over TCP: from now on engine_stream_out fetches it. */
void engine_stream_release(struct engine *e, uint32_t resolution_idx);
/* A resolution in state SEND whose server may have to be asked over TCP. True: it goes that way, or has moved on by itself, as there is no
 * such way; false: it is to be asked by UDP after all. */
bool engine_stream_send(struct engine *e, uint32_t resolution_idx);
/* engine_slot_end's, of a query over TCP: no word of it stays. */
void engine_stream_slot_end(struct engine *e, uint32_t slot_idx);
/* The slot's query, over TCP, is over for the engine: nothing was heard in time. */
void engine_stream_timeout(struct engine *e, uint32_t slot_idx);
/* A question that was passed to us has its answer in the cache: the waiter, over TCP, gets that. Ends the packet. False: it
 * cannot, for want of room. */
bool engine_stream_hit(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		       const struct waiter *waiter);
/* A health probe of a server that is asked over TCP only. */
void engine_stream_probe(struct engine *e, uint16_t server_idx);
/* The snapshot is another. */
void engine_stream_reload(struct engine *e);
void engine_stream_check(const struct engine *e);

/* ---- engine_shed.c ---- */

/* engine.shed_above. */
uint32_t engine_shed_above(uint32_t under_way_max);
/* Old resolutions are given up, until there is room or none is old. From within nothing. */
void engine_shed(struct engine *e);

/* ---- engine_handoff.c ---- */

/* The worker that keeps the neighbours, and answers ARP, ND and echo for all. */
#define LINK_WORKER 0

/* Write the question over its packet, for its owner; ends the packet. */
void engine_question_pass(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
			  const struct waiter *waiter);
/* Give the packet as it is to this worker; ends it. */
void engine_packet_pass(struct engine *e, struct rx_slot *slot, uint8_t to_worker);
/* A question that another worker has passed, stage 1 and 2. */
void engine_passed_look(struct engine *e, struct rx_slot *slot, unsigned i);
void engine_passed(struct engine *e, struct rx_slot *slot, unsigned i);
/* Has a question found no place in a ring to another worker lately? */
bool engine_ways_full(const struct engine *e);

#endif
