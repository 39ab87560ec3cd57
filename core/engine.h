/* One worker's whole world: the only header a driver needs. Packets in, packets out, and the time of the
 * next deadline; no clock, no socket, no allocation, no log line in here.
 *
 * One turn of a worker's loop:
 *   engine_rx(what other workers passed, replies before questions); engine_rx(received packets); send, pass or
 *   free them by verdict; engine_tx(lent empty buffers) until it fills none.
 *
 * Between workers go packet buffers only: a packet as it came, for the worker that it is for, or a question that
 * another worker owns, written over the packet that it came in, with all that its answer needs. The driver (or the
 * simulator) owns the rings that carry them.
 *
 * Whoever carries TCP takes part in this with an engine of its own (worker_idx == worker_count), and speaks with the workers'
 * as stream.h says: engine_stream_question on its side; engine_stream_in and engine_stream_out in each worker's turn.
 *
 * Memory: engine_memory_bytes() at start, none after. Threads: one engine, one thread, but for
 * engine_entropy (its filler), the counters (readers, relaxed), and what all workers share: in-flight words,
 * neighbours' MACs, servers.
 * Time: monotonic nanoseconds, never going back between calls; wall-clock seconds only for cookies.
 */
#ifndef PORTICO_ENGINE_H
#define PORTICO_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "check.h"
#include "counter.h"
#include "engine_config.h"
#include "entropy.h"
#include "event_trace.h"
#include "hash.h"
#include "inflight.h"
#include "latency.h"
#include "mono.h"
#include "name_fold.h"
#include "neighbour.h"
#include "source_meter.h"
#include "stream.h"

struct engine;

struct engine_params {
	/* The snapshot: a worker loads the pointer (acquire) once a turn. The one before may be freed when every worker has
	 * begun two more turns. */
	const struct engine_config *_Atomic *config;
	struct inflight_words *words; /* shared by all workers */
	struct server_shared_table
		*servers; /* likewise; of SERVER_SLOTS_MAX, or as many as there will ever be */
	struct neighbour_shared *neighbours; /* likewise; NEIGHBOUR_PLACES_MAX of them */
	struct cache *cache; /* likewise, with a log for each worker; NULL: nothing is kept */
	const struct name_fold_key *
		fold_key; /* the same in all workers: with it a question is hashed, which decides who owns it */
	enum name_fold_variant fold; /* what the CPU can */
	/* TSC, for the stages of one burst in 64; NULL: not measured. */
	uint64_t (*read_cycles)(void);
	uint32_t under_way_max; /* queries and resolutions of this worker; <= UNDER_WAY_MAX */
	uint32_t waiter_count_max;
	uint32_t answer_buffer_count;
	/* Servers that delegations lead to, which this worker may know; 0 where nothing iterates, else SERVERS_LEARNED_DEFAULT
	 * as a rule, SERVERS_LEARNED_MAX at most. Their memory is touched as they are learned. */
	uint16_t learned_server_count;
	/* Below worker_count, or equal to it: of whoever serves TCP clients. That engine owns no question and keeps nothing in
	 * the cache: what it does not find there it passes to the owner. */
	uint8_t worker_idx;
	uint8_t worker_count;
	uint8_t receiver_count; /* workers that receive from a device: they share the rate of error replies */
	size_t entropy_block_bytes;
	struct hash_key table_key;  /* of this worker's own tables */
	struct hash_key cookie_key; /* the same in all workers (RFC 9018) */
	mono_ns now;
	uint32_t wall_s; /* wall-clock seconds at `now` */
	/* Seconds that are added to the clock that TTLs age by and to the wall clock, whenever these are read; NULL: none. Others write,
	 * relaxed. For tests of time. */
	const _Atomic int64_t *clock_offset_s;
};

size_t engine_memory_bytes(const struct engine_params *params);
/* memory: aligned to a cache line. It need not be cleared: pages of tables are touched lazily where they can. */
struct engine *engine_init(void *memory, const struct engine_params *params);

enum rx_verdict {
	RX_FREE, /* the driver frees the packet */
	RX_SEND, /* the frame was changed in place: send data[0..length) on interface_idx */
	RX_WORKER, /* pass data[0..length) to worker to_worker, whose engine_rx takes it with this slot's kind */
	RX_KERNEL, /* give the frame, as it is, to the kernel behind this interface's TAP */
};

enum rx_kind {
	RX_PACKET,        /* received from a device */
	RX_PASSED_PACKET, /* by another worker, and passed on as it came */
	RX_PASSED_QUESTION, /* a question that we own, as the engine of the worker that received it wrote it: no frame */
	RX_PASSED_SUB_QUESTION, /* a question that we own, for a resolution of another worker; from engine_tx */
	RX_PASSED_SUB_ANSWER, /* what has become of one of ours; likewise */
	RX_KIND_COUNT,
};

/* A received packet, in a buffer that the engine may write to before and after the frame. */
struct rx_slot {
	uint8_t *data;           /* in: the frame. out (RX_SEND): the frame to send */
	uint32_t length_bytes;   /* in and out */
	uint16_t headroom_bytes; /* writable before data */
	uint16_t tailroom_bytes; /* writable after data + length */
	uint16_t vlan;           /* tag that the NIC took off, or FRAME_VLAN_NONE */
	uint8_t interface_idx;   /* in: received on; out: to send on */
	bool in_place;           /* one segment, reference count 1: may be written to */
	bool multi_segment;      /* data holds only the first part: dropped by name */
	uint8_t kind;            /* enum rx_kind. in; out (RX_WORKER): what it is for to_worker */
	uint8_t verdict;         /* out: enum rx_verdict */
	uint8_t to_worker;       /* out: for RX_WORKER */
	uint16_t outcome; /* out: enum counter, below COUNTER_OUTCOME_COUNT; already counted */
};

/* Take a burst (slot_count <= BURST_SLOTS_MAX): a verdict for every slot. */
void engine_rx(struct engine *e, struct rx_slot slots[], unsigned slot_count, mono_ns now);

/* An empty buffer lent to be filled with a frame, or with a message for another worker. */
#define TX_BUFFER_BYTES_MIN 1920
#define TX_DEVICE UINT8_MAX
struct tx_slot {
	uint8_t *data;
	uint32_t capacity_bytes; /* TX_BUFFER_BYTES_MIN at least */
	uint32_t length_bytes;   /* out */
	uint8_t interface_idx;   /* out, of a frame */
	/* out: TX_DEVICE: a frame; else pass data[0..length) to this worker, whose engine_rx takes it as kind; engine_not_passed,
	 * where it finds no place */
	uint8_t to_worker;
	uint8_t kind; /* out: enum rx_kind */
};

/* Runs timers that are due, then fills up to slot_count slots (<= BURST_SLOTS_MAX) with what waits to be sent;
 * returns how many. Call with slot_count 0 to run the timers only. */
unsigned engine_tx(struct engine *e, struct tx_slot slots[], unsigned slot_count, mono_ns now);
/* How many frames engine_tx would fill now, at most `most`: what to allocate. Runs the timers. */
unsigned engine_tx_wanted(struct engine *e, unsigned most, mono_ns now);

/* When engine_tx has something to do even if nothing is received; MONO_NEVER: nothing. */
mono_ns engine_next_deadline(const struct engine *e);

/* The answers of the last engine_rx have been given to their devices at `now`: for the latency of those from the cache. */
void engine_burst_sent(struct engine *e, mono_ns now);

/* So many packets of this kind (RX_PASSED_*) with the verdict RX_WORKER, or from engine_tx, found no place in the ring towards
 * their worker and were freed: counted as drops_handoff_full instead of handed off, those of engine_tx as
 * sub_messages_lost instead of sub_messages_passed. */
void engine_not_passed(struct engine *e, enum rx_kind kind, unsigned count);

/* So many packets with the verdict RX_KERNEL found no place and were freed: counted as drops_kernel_full instead. */
void engine_not_kept(struct engine *e, unsigned count);
/* May this frame of the kernel's, from a TAP, leave? Counted. False: it claims to be from a port that is ours, or is none. */
MUST_USE bool engine_kernel_sends(struct engine *e, uint8_t interface_idx, struct span frame);
/* ---- TCP (stream.h); all of it in the engine's own thread ---- */

/* A client's question over TCP. slot->data: the message, untrusted, no frame; tailroom_bytes behind it so that both together are
 * STREAM_MESSAGE_BYTES_MAX at least; of the rest of the slot nothing is looked at but what is said here. It is taken whatever
 * the rate of errors is: who has a connection has the address. Answers to what waits come by engine_stream_out of the owner,
 * with origin->handle, at most one a question: what is dropped there, for want of room, has none.
 *   RX_SEND    data[0..length) is the answer, a message
 *   RX_WORKER  data[0..length) is for to_worker, whose engine_rx takes it as RX_PASSED_QUESTION (engine_not_passed, where it
 *              finds no place)
 *   RX_FREE    outcome says: COUNTER_QUESTION_NEW and COALESCED, if this engine owns it: it waits; DROP_QUERY_SHORT and
 *              DROP_QUERY_IS_RESPONSE: that was no query, and nothing good comes of its stream; else dropped for want of
 *              room or because we stop
 * The verdict is in the slot, too. */
enum rx_verdict engine_stream_question(struct engine *e, struct rx_slot *slot,
				       const struct stream_origin *origin, mono_ns now);
/* STREAM_RESPONSE or STREAM_FAILED, for a handle of engine_stream_out. The message, untrusted, may be written to. */
void engine_stream_in(struct engine *e, const struct stream_slot *slot, mono_ns now);
/* The next STREAM_QUERY or STREAM_ANSWER; false: nothing (more), *slot was not filled. Lent are data and capacity_bytes. Call it
 * until it says false, after engine_tx, which runs the timers. */
bool engine_stream_out(struct engine *e, struct stream_slot *slot, mono_ns now);
/* Would engine_stream_out say true? (It may say false all the same.) */
bool engine_stream_wants_out(const struct engine *e);

/* ---- beside the packet path ---- */

/* What the answer to a question (of class IN) is kept and found under, and which worker owns it, by the key's hash. The same
 * in all engines; any thread. */
void engine_key_make(const struct engine *e, const struct name *qname, uint16_t qtype,
		     bool checking_disabled, struct cache_key *out);
uint8_t engine_owner(const struct engine *e, uint64_t question_hash);

/* Every gateway and on-link server has been resolved or asked for 1 s in vain: ready to serve. */
bool engine_ready(const struct engine *e, mono_ns now);
/* Take no more questions (drops_stopping); those under way are finished. */
void engine_stop_taking(struct engine *e);
/* Nothing under way, nothing to send; when no more questions are taken: nothing that anybody waits for. What other workers have passed is the driver's to know. */
bool engine_idle(const struct engine *e);

struct entropy *engine_entropy(struct engine *e);
const struct counters *engine_counters(const struct engine *e);
struct counters *engine_counters_mut(struct engine *e); /* the driver counts tx, cycles, naps */

/* Readers: any thread, relaxed. */
struct engine_latencies {
	struct latency hit; /* from a burst's reception to its answers from the cache */
	struct latency
		miss; /* from a question's arrival to its answer, if it had to be asked for */
};
const struct engine_latencies *engine_latencies(const struct engine *e);
/* Round trips of the answers of a server of the configuration; NULL: no such server. Readers as above. */
const struct latency *engine_server_latency(const struct engine *e, uint16_t server_idx);
/* What this worker has put into the cache; NULL: there is none. Readers as above. */
const struct cache_writer_stats *engine_cache_stats(const struct engine *e);

/* Put an entry of a file into the cache, if we own its question; it was checked by cache_entry_check. False: it is not
 * ours. The worker's thread. */
bool engine_cache_restore(struct engine *e, struct cache_key *key, uint64_t words[],
			  unsigned word_count, mono_ns now);

struct engine_gauges {
	uint64_t resolutions_active;
	uint64_t waiters;
	uint64_t tickets_out; /* queries under way, health probes apart */
	uint64_t probes_out;
	uint64_t tickets_late;
	uint64_t answer_buffers_used;
	uint64_t large_buffers_used; /* for answers that came over TCP */
	uint64_t tcp_queries_out;    /* under way; not among the tickets */
	uint64_t subs_waiting;       /* resolutions that wait for a sub-question of theirs */
	uint64_t
		subs_waited_for; /* and sub-questions of any worker's that wait for one of ours, among the waiters */
};
void engine_gauges(const struct engine *e, struct engine_gauges *out);

/* Reports for porticoctl, made by the worker itself between bursts. Each fills at most count rows from *cursor on (0
 * at first), moves it, and returns the rows filled; *cursor is ENGINE_REPORT_END when there are no more. A call looks at no
 * more than ENGINE_REPORT_SCAN entries, so that it holds the worker up for microseconds only; it may fill no row and
 * yet not be at the end. */
#define ENGINE_REPORT_END UINT32_MAX
#define ENGINE_REPORT_SCAN 256
struct engine_upstream_row {
	struct endpoint endpoint;
	const char *state;
	const char *edns;        /* "on", "off" */
	const char *letter_case; /* "kept", "lost" */
	const char *tcp;         /* "if needed"; "only": too many replies of late had a wrong ID */
	uint32_t srtt_us, rttvar_us;
	uint32_t under_way;
	uint64_t queries, responses, timeouts, near_misses;
};
/* The configured ones: row for row the same in all workers, but for reloads. */
unsigned engine_report_upstreams(const struct engine *e, struct engine_upstream_row rows[],
				 unsigned count, uint32_t *cursor);
/* The learned ones, each worker's own. */
unsigned engine_report_learned(const struct engine *e, struct engine_upstream_row rows[],
			       unsigned count, uint32_t *cursor);
/* What all workers know of a server: row, of another worker, is added to *sum. Counts are summed; round-trip
 * times are the mean over the responses that they were measured with; the rest is the same in all. */
void engine_upstream_row_add(struct engine_upstream_row *sum,
			     const struct engine_upstream_row *row);
struct engine_inflight_row {
	struct name qname;
	uint16_t qtype;
	uint32_t
		waiters; /* 0: asked for the cache's sake; who has asked for it, if anybody, has an old answer */
	uint32_t age_ms;
	uint32_t packets;       /* sent so far */
	const char *state;      /* what it waits for */
	struct endpoint server; /* asked last; port 0: none was yet */
	struct name zone; /* the zone cut that it is at, or its forward zone; length 0: none */
	/* The question that it has asked and waits for, and of which worker; length 0: none. */
	struct name asks;
	uint16_t asks_type;
	uint8_t asks_worker;
	uint32_t
		bytes; /* of replies so far, with all that was asked for its sake; 0, where it is forwarded */
};
unsigned engine_report_inflight(const struct engine *e, struct engine_inflight_row rows[],
				unsigned count, uint32_t *cursor, mono_ns now);
struct engine_neighbour_row {
	struct address address;
	struct mac mac;
	uint8_t interface_idx;
	const char *state;
	uint32_t moves;
};
unsigned engine_report_neighbours(const struct engine *e, struct engine_neighbour_row rows[],
				  unsigned count, uint32_t *cursor);
/* A way of a server; a server that no way leads to has one row that says so. */
struct engine_route_row {
	struct endpoint server;
	bool has_way;
	/* the rest: if it has */
	struct address source; /* or a prefix */
	uint8_t source_bits;
	uint8_t interface_idx;
	struct address next_hop;
	struct mac mac;    /* zero: not known */
	const char *state; /* of the next hop: known, unknown, silent */
};
unsigned engine_report_routes(const struct engine *e, struct engine_route_row rows[],
			      unsigned count, uint32_t *cursor);

/* What has happened here to questions that are traced, from event number *cursor on; ENGINE_REPORT_END: nothing, and *cursor is the
 * number of the next. There are no more when fewer than count are filled. */
unsigned engine_report_events(const struct engine *e, struct event rows[], unsigned count,
			      uint32_t *cursor);

/* What this worker has sent from this outgoing address, counted in blocks. Readers: any thread, relaxed. */
const struct source_meter *engine_source_meter(const struct engine *e, unsigned outgoing_idx);

/* Queries under way by block of 64 local ports, of one outgoing address, added to counts; as the reports above. */
#define ENGINE_PORT_BLOCKS 1024
void engine_report_ports(const struct engine *e, unsigned outgoing_idx,
			 uint32_t counts[ENGINE_PORT_BLOCKS], uint32_t *cursor);

/* Has this worker seen the sets that are published now, and nothing under way any more on ports or identifiers that they do
 * without? The worker's thread. */
bool engine_sources_settled(const struct engine *e);

/* ---- questions of our own, asked like a client's (porticoctl ports audit); the worker's thread ---- */

#define ENGINE_ASKS_MAX 16
#define ENGINE_ASK_ANSWER_BYTES 512

enum engine_ask {
	ENGINE_ASK_STARTED,
	ENGINE_ASK_NOT_OURS, /* *owner is the worker to ask */
	ENGINE_ASK_FULL, /* as many as there may be, or as may be under way; or no more questions are taken */
	ENGINE_ASK_NO_ZONE, /* nobody to forward it to */
};
enum engine_ask_how {
	ENGINE_ASK_PLAIN,
	ENGINE_ASK_TRACED, /* what becomes of it, and of all that is asked for its sake, is noted: engine_report_events */
};
/* *handle is written if STARTED, *owner if NOT_OURS. It is sent by the next engine_tx, and done within CLIENT_DEADLINE_MS
 * as every question is. An ask that nobody fetches is dropped when its place is needed and it is done. Threads: the
 * worker's. */
MUST_USE enum engine_ask engine_ask(struct engine *e, const struct name *qname, uint16_t qtype,
				    enum engine_ask_how how, mono_ns now, uint32_t *handle,
				    uint8_t *owner);

struct engine_asked {
	bool done; /* else nothing else is valid */
	uint8_t rcode;
	/* Of the query that was answered: as it left us. Port 0: none was. */
	struct endpoint local;
	struct endpoint server;
	uint16_t id;
	uint16_t answer_bytes; /* 0: none, or longer than fits */
	uint8_t answer[ENGINE_ASK_ANSWER_BYTES];
};
/* False: no such ask (any more). What is done is gone after this call. */
MUST_USE bool engine_asked(struct engine *e, uint32_t handle, struct engine_asked *out);

/* Invariants of everything; for tests, simulation and fuzzing. */
void engine_check(const struct engine *e);

#endif
