/* A rig around one engine, or several that share in-flight words, neighbours and servers: it plays the clients, the
 * neighbours and the servers, owns the clock and the rings between the engines, and takes apart whatever they send.
 *
 *   struct rig *r = rig_new(1);       defaults; change r->config, r->params, r->... as the test wants
 *   rig_start(r);                     engines made; neighbours resolved if r->neighbours_answer
 *   rig_ask(r, &question); ...        a question in; returns the packet's outcome
 *   rig_query_next(r, &query)         what was sent to a server
 *   rig_answer_query(r, &query, ...)  the server's answer, with any mutation
 *   rig_answer_next(r, &answer)       what was sent to a client
 *   rig_finish(r);                    runs until nothing is under way, checks all gauges, frees
 *
 * After every step engine_check() runs and the books are balanced (rig_check). All frames that the engine
 * sends are parsed with frame_parse from the receiver's side, so checksums and lengths are always tested.
 *
 * Rings: for every ordered pair of engines one a kind of what is passed, each bounded; and one a
 * device, of what came for an engine that is stopped. What finds one full is freed and counted, as the driver does.
 * An engine's turn (rig_poll) is as in the driver: what was passed, by kind, the device, then what it sends.
 * A packet is on the heap, in exactly what is lent to the engine, and goes from engine to engine as it is.
 *
 * Cache: none, unless cache_bytes says so before rig_start (config.cache: TTLs as they come, up to a day; no stale, no
 * prefetch, records in their order). Entries are looked at with engine_cache_find, by a key of rig_cache_key.
 *
 * TCP: none, unless config.tcp_interfaces says so before rig_start (and carries, for clients). Then the rig is who carries it: what
 * the engines want to be asked is taken with rig_stream_query_next and answered with rig_stream_reply, rig_stream_reply_bytes
 * or rig_stream_fail; a client asks with rig_stream_ask and has rig_stream_answer_next. Messages are lent in exactly as many
 * bytes as are promised.
 *
 * Time: r->now moves only by rig_advance. Randomness: splitmix64 from the run's seed.
 */
#ifndef PORTICO_ENGINE_RIG_H
#define PORTICO_ENGINE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cache_key.h"
#include "core/cookie.h"
#include "core/dns_const.h"
#include "core/engine.h"
#include "core/engine_plan.h"
#include "core/msg_parse.h"

#define RIG_ENGINES_MAX 4
#define RIG_MESSAGE_BYTES_MAX 1800
#define RIG_BUFFER_BYTES 2048
#define RIG_HEADROOM_BYTES 128
#define RIG_V4_LINK_BITS 120 /* the link's prefixes, over 16 bytes */
#define RIG_V6_LINK_BITS 64
#define RIG_PORT_FIRST 1024 /* that queries leave from at first; the last is 65535 */

/* Servers of the default configuration, in the order of its server table. */
enum rig_server {
	RIG_SERVER_V4_LINK, /* 198.18.0.10, on-link */
	RIG_SERVER_V4_FAR,  /* 203.0.113.11, behind the gateway */
	RIG_SERVER_V6_LINK, /* 2001:2:0:1::10, on-link */
	RIG_SERVER_V6_FAR,  /* 2001:4860::11, behind the gateway */
	RIG_SERVER_COUNT,
};

enum rig_family { RIG_V4, RIG_V6, RIG_FAMILY_COUNT };
extern const char *const rig_family_text[RIG_FAMILY_COUNT];

/* A machine on the link: it answers ARP or ND for its address while it is alive. */
struct rig_host {
	struct prefix address; /* with the link's prefix length */
	struct mac mac;
	bool alive;
	unsigned solicited; /* how often it was asked for, by unicast or broadcast */
};

enum rig_host_idx { RIG_HOST_GATEWAY_V4, RIG_HOST_GATEWAY_V6, RIG_HOST_V4, RIG_HOST_V6, RIG_HOSTS };

/* A client's question; zeroes are the plain case: class IN, RD=1, no EDNS, client 0, port 40000. */
struct rig_question {
	const char *name;
	uint16_t qtype;  /* 0: A */
	uint16_t qclass; /* 0: IN */
	uint16_t id;
	uint16_t flags_on;
	bool rd_off;
	bool edns;
	bool dnssec_ok;
	uint16_t udp_size_bytes; /* 0 with edns: 1232 */
	const uint8_t *options;
	uint16_t options_length_bytes;
	enum rig_family family;
	uint16_t client;      /* which of the clients: the address's last two bytes */
	uint16_t client_port; /* 0: 40000 */
	unsigned engine;
};

/* What a client got. */
struct rig_answer {
	struct endpoint client;
	struct endpoint local;
	struct mac mac;
	mono_ns at;
	unsigned engine;
	uint16_t length_bytes;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
};

/* What a server got. */
struct rig_query {
	struct endpoint local;
	struct endpoint server;
	struct mac mac;
	mono_ns at;
	unsigned engine;
	int server_idx; /* enum rig_server; -1: not one of the table's */
	uint16_t length_bytes;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	struct msg_query parsed;
	bool is_probe; /* SOA of the health name */
	/* over TCP */
	struct stream_handle handle;
	uint32_t timeout_ms;
};

/* What a client over TCP got. */
struct rig_stream_answer {
	struct stream_handle handle;
	unsigned engine; /* who gave it, and */
	uint8_t worker;  /* for whom */
	uint32_t length_bytes;
	uint8_t message[STREAM_MESSAGE_BYTES_MAX];
};
#define RIG_CARRIER RIG_ENGINES_MAX /* rig_stream_ask: the engine that is no worker's */

/* A server's answer and what is wrong with it; zeroes: NOERROR with one A record 192.0.2.1. */
struct rig_reply {
	uint16_t rcode; /* 12 bits: above 15 with edns */
	uint16_t flags_on;
	uint16_t flags_off;
	bool no_records;
	bool edns;
	uint16_t record_count; /* of A records; 0: one */
	bool signature; /* an RRSIG behind the A records, NSEC and DS in the authority section */
	uint16_t trailing_bytes;
	uint8_t last_byte; /* of the A record's address, 0: 1 */
	/* mutations */
	uint16_t id_xor;
	uint16_t qtype_xor;
	uint16_t qclass_xor;
	bool other_qname;
	enum rig_letters { RIG_LETTERS_KEPT, RIG_LETTERS_LOWER, RIG_LETTERS_FLIPPED } letters;
	bool header_only;      /* QDCOUNT 0, nothing behind the header */
	bool question_count_0; /* QDCOUNT 0, but all the rest is there */
	bool compression_loop;
	uint16_t cut_bytes; /* taken off the end */
	/* where it seems to come from and where it goes */
	uint16_t server_port_xor;
	uint16_t local_port_xor;
	bool other_server_address;
	bool other_local_address;
	unsigned engine; /* which worker receives it, with to_engine */
	bool to_engine;
};

/* When what an engine has passed reaches the other. */
enum rig_passing {
	RIG_PASS_AT_ONCE,  /* before the call that made it pass returns */
	RIG_PASS_AT_POLLS, /* in the other's turn, not before ring_delay_ns_max at random */
	RIG_PASS_NEVER,
};

/* Bounded, first in first out. Its capacity may be changed while it is empty. */
struct rig_packet;
struct rig_ring {
	struct rig_packet **packets;
	unsigned capacity, first, count;
	mono_ns last_due;
};
/* In the order in which an engine takes them. */
enum {
	RIG_RING_PACKETS,
	RIG_RING_SUB_ANSWERS,
	RIG_RING_SUB_QUESTIONS,
	RIG_RING_QUESTIONS,
	RIG_RING_KINDS
};
#define RIG_RING_CAPACITY 1024
#define RIG_DEVICE_CAPACITY 1024
#define RIG_SERVER_PLACES 64 /* that the engines have room for */

struct rig_list;

struct rig {
	/* set before rig_start */
	struct engine_config config;
	/* config, words, fold_key, cache and worker numbers are rig_start's */
	struct engine_params params;
	size_t cache_bytes; /* shared by the engines; 0: there is no cache */
	unsigned engine_count;
	bool neighbours_answer;
	bool entropy_runs;
	unsigned receiver_count; /* only so many engines have a device; 0: all */
	unsigned ring_capacity;  /* of each ring between two engines */
	unsigned device_capacity;
	enum rig_passing passing;   /* may change any time */
	uint64_t ring_delay_ns_max; /* with RIG_PASS_AT_POLLS; then turns are in random order too */
	bool link_anywhere; /* what neighbours answer reaches any engine; else the one that asked */
	bool checks;        /* engine_check after every step */
	bool ldns_agrees;   /* what clients get must parse with ldns: not where types are garbled */
	bool asks_strangers; /* queries to servers that are not configured are to be */
	bool carries;        /* there is an engine for clients over TCP, RIG_CARRIER */
	bool collects; /* keep answers and queries for *_next; else only count and call back */
	/* Called for every upstream query. True: dealt with, it is not kept. */
	bool (*on_query)(struct rig *r, const struct rig_query *query);
	bool (*on_answer)(struct rig *r, const struct rig_answer *answer);
	/* The same over TCP. */
	bool (*on_stream_query)(struct rig *r, const struct rig_query *query);
	bool (*on_stream_answer)(struct rig *r, const struct rig_stream_answer *answer);
	void *context;

	/* how packets are received */
	bool in_place;
	bool multi_segment;
	uint8_t kind;            /* RX_PASSED_PACKET: as if another engine had passed it */
	uint16_t tailroom_bytes; /* at most; default: the rest of RIG_BUFFER_BYTES */

	/* the world */
	mono_ns now;
	struct rig_host hosts[RIG_HOSTS];
	unsigned long long random;
	unsigned long long entropy_random;

	/* what happened */
	struct engine *engines[RIG_ENGINES_MAX];
	struct engine *carrier;
	uint64_t queries_sent;
	uint64_t answers_sent; /* over TCP, too */
	uint64_t stream_queries_sent;
	uint64_t link_answers; /* ARP, ND and echo answers of the engines */
	uint64_t solicits_broadcast;
	uint64_t solicits_unicast;
	uint8_t last_frame[RIG_BUFFER_BYTES]; /* the last one that an engine sent, of any kind */
	uint32_t last_frame_length_bytes;
	uint8_t last_verdict; /* of the last packet delivered, where it was received */
	/* passed packets and questions that found a ring full */
	uint64_t ring_drops[RIG_RING_KINDS];
	uint64_t device_drops; /* what a stopped engine's device had no room for */
	unsigned ring_most;    /* how full a ring between engines was at most */

	/* the rig's own */
	const struct engine_config *_Atomic current;
	struct rig_list *sources; /* sets that were made, by pointer */
	const struct source_set *_Atomic source_now[OUTGOING_SLOTS_MAX];
	_Atomic uint32_t source_generation;
	struct name_fold_key *fold_key;
	void *acl_memory;
	struct cache *cache;
	void *cache_memory;
	struct inflight_words words;
	void *words_memory;
	struct server_shared_table servers;
	void *servers_memory;
	struct neighbour_shared neighbours;
	struct neighbour_word *neighbour_words;
	void *memory[RIG_ENGINES_MAX];
	uint8_t *tx_frames[BURST_SLOTS_MAX];
	bool stopped[RIG_ENGINES_MAX];
	struct rig_ring rings[RIG_RING_KINDS][RIG_ENGINES_MAX][RIG_ENGINES_MAX]; /* [][to][from] */
	struct rig_ring devices[RIG_ENGINES_MAX];
	struct rig_packet *burst[BURST_SLOTS_MAX];
	unsigned burst_engines[BURST_SLOTS_MAX];
	unsigned burst_count;
	bool bursting;
	struct rig_watch *watch;
	uint64_t serial; /* of the last packet */
	struct rig_list *answers;
	struct rig_list *queries;
	struct rig_list *stream_answers;
	struct rig_list *stream_queries;
	void *carrier_memory;
	uint64_t carried;                    /* questions that the carrier was given */
	uint64_t delivered[RIG_ENGINES_MAX]; /* all that the engine was given */
	uint64_t from_device[RIG_ENGINES_MAX];
	uint64_t injected; /* with r->kind: no engine has passed it */
};

/* An assertion of a table's row: a failure names the row. */
#define RIG_ROW(says, condition) rig_row((condition), __LINE__, __FILE__, (says), #condition)
void rig_row(bool ok, int line, const char *file, const char *says, const char *condition);

struct rig *rig_new(unsigned engine_count);
void rig_start(struct rig *r);
/* Runs until everything has ended (at most 15 s), asserts that nothing is left, frees. */
void rig_finish(struct rig *r);

/* The configuration and the hosts that rig_new begins with. */
void rig_world_default(struct rig *r);
/* Replace zone idx; servers ends with -1. */
void rig_zone(struct rig *r, unsigned idx, const char *name, enum server_policy policy,
	      const int servers[]);

/* A set of these ports, which lives until rig_finish. It may be changed until it is published: then all engines see it from
 * their next turn on. */
struct source_set *rig_source_new(struct rig *r, uint16_t first, uint16_t last);
void rig_source_publish(struct rig *r, unsigned outgoing_idx, const struct source_set *source);
/* The same set for every outgoing address. */
void rig_source_publish_all(struct rig *r, const struct source_set *source);

/* What an entry of the cache for this question is found under. */
struct cache_key rig_cache_key(const struct rig *r, const char *name, uint16_t qtype,
			       bool checking_disabled);
/* Which of the engines owns the question (IN, without CD). */
unsigned rig_owner(const struct rig *r, const char *name, uint16_t qtype);

struct endpoint rig_client(enum rig_family family, uint16_t client, uint16_t port);
struct address rig_address(const char *text);
struct mac rig_mac(uint8_t last);

/* A question's bytes; returns the length. */
size_t rig_question_build(const struct rig_question *q, uint8_t out[RIG_MESSAGE_BYTES_MAX]);
/* Send one; returns the packet's outcome: of a question that is passed on, that; of a packet that is passed on at once,
 * what it is where it goes. COUNTER_OUTCOME_COUNT: it is in or was dropped at a stopped engine's device. */
enum counter rig_ask(struct rig *r, const struct rig_question *q);
/* Any payload from this client to the listen address of its family. */
enum counter rig_send(struct rig *r, const struct rig_question *from, const uint8_t *payload,
		      size_t length_bytes);
/* Any UDP payload, from any MAC. */
enum counter rig_send_udp(struct rig *r, unsigned engine, const struct endpoint *src,
			  const struct endpoint *dst, struct span payload);
/* Any frame. */
enum counter rig_send_frame(struct rig *r, unsigned engine, const uint8_t *frame,
			    uint32_t length_bytes);
/* ARP request or NS from a host for one of the engine's addresses (NULL: its first of the family). */
uint32_t rig_solicit_build(const struct rig *r, enum rig_host_idx host, const char *target,
			   uint8_t frame[RIG_BUFFER_BYTES]);

/* The answer of a host to a question that nobody may have asked, with any MAC. */
uint32_t rig_advertise_build(const struct rig *r, enum rig_host_idx host, const struct mac *mac,
			     uint8_t frame[RIG_BUFFER_BYTES]);
/* An echo request of `data` bytes from the gateway of the family. */
uint32_t rig_echo_build(const struct rig *r, enum rig_family family, unsigned data,
			uint8_t frame[RIG_BUFFER_BYTES]);
/* Parse the last frame that an engine sent as this host would. */
enum frame_result rig_last_frame_parse(const struct rig *r, enum rig_host_idx host,
				       struct frame_view *view);

/* From begin to end packets are only kept (whoever sends them gets COUNTER_OUTCOME_COUNT); end gives them to the
 * engines, each its own in one burst. Returns how many; outcomes in the order in which they were sent. */
void rig_burst_begin(struct rig *r);
unsigned rig_burst_end(struct rig *r, enum counter outcomes[BURST_SLOTS_MAX]);

bool rig_query_next(struct rig *r, struct rig_query *out);
bool rig_answer_next(struct rig *r, struct rig_answer *out);
unsigned rig_query_count(const struct rig *r);
unsigned rig_answer_count(const struct rig *r);
void rig_forget(struct rig *r); /* queries and answers not yet taken */

/* The reply's bytes; returns the length. */
size_t rig_reply_build(const struct rig_query *q, const struct rig_reply *reply,
		       uint8_t out[RIG_MESSAGE_BYTES_MAX]);
enum counter rig_answer_query(struct rig *r, const struct rig_query *q,
			      const struct rig_reply *reply);
/* These bytes as the answer to q. */
enum counter rig_answer_bytes(struct rig *r, const struct rig_query *q, const uint8_t *message,
			      size_t length_bytes);

/* ---- TCP ---- */

/* The client's question, its connection being handle idx; engine: of a worker, or RIG_CARRIER. Returns the outcome; an answer
 * that is there at once is one that rig_stream_answer_next has. q->engine and client_port as in rig_ask. */
enum counter rig_stream_ask(struct rig *r, const struct rig_question *q, unsigned engine,
			    uint32_t idx);
/* The same of these bytes. */
enum counter rig_stream_send(struct rig *r, const struct rig_question *from, const uint8_t *message,
			     size_t length_bytes, unsigned engine, uint32_t idx);
bool rig_stream_query_next(struct rig *r, struct rig_query *out);
bool rig_stream_answer_next(struct rig *r, struct rig_stream_answer *out);
/* What becomes of a query: returns how it was counted. */
enum counter rig_stream_reply(struct rig *r, const struct rig_query *q,
			      const struct rig_reply *reply);
enum counter rig_stream_reply_bytes(struct rig *r, const struct rig_query *q,
				    const uint8_t *message, size_t length_bytes);
enum counter rig_stream_fail(struct rig *r, const struct rig_query *q, enum stream_failure failure);

/* Every engine that is not stopped has its turn, until nobody has anything to do now. */
void rig_poll(struct rig *r);
/* A stopped engine has no turn and receives nothing: its rings fill. Going on, it has its turn at the next poll. */
void rig_stop_engine(struct rig *r, unsigned engine);
void rig_go_engine(struct rig *r, unsigned engine);
/* What is in the rings between engines, and in those of stopped engines' devices. */
uint64_t rig_in_rings(const struct rig *r);
uint64_t rig_in_devices(const struct rig *r);
/* Time goes on, from deadline to deadline. */
void rig_advance(struct rig *r, uint64_t ns);
void rig_check(const struct rig *r);
uint64_t rig_count(const struct rig *r, enum counter which); /* over all engines */
uint64_t rig_count_of(const struct rig *r, unsigned engine, enum counter which);
struct engine_gauges rig_gauges(const struct rig *r);
bool rig_upstream(const struct rig *r, enum rig_server server, struct engine_upstream_row *out);

/* Reading a message that a client or server got. */
uint16_t rig_u16(const uint8_t *message, size_t offset);
uint16_t rig_flags(const struct rig_answer *a);
uint16_t rig_rcode(const struct rig_answer *a); /* with the OPT's upper bits */
/* The OPT of an answer; false: there is none. options may be NULL. */
bool rig_opt(const struct rig_answer *a, struct msg_edns *edns, struct span *options);
/* Find an EDNS option; contents on true. */
bool rig_option(const struct rig_answer *a, uint16_t code, struct span *contents);
/* How many records of a type, in any section. */
unsigned rig_record_count(const struct rig_answer *a, uint16_t type);
/* The question asked, all of it, byte for byte in the client's letter case. */
bool rig_question_is(const struct rig_answer *a, const struct rig_question *q);

#endif
