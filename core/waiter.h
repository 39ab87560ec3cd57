/* Who waits for a resolution: {kind, origin, generation}, not a client address. For a client the waiter holds all that its
 * answer needs, whichever worker sends it or gives it to its stream's carrier. The answer to a question of our own stays with
 * the worker that asked it. A resolution that waits for another one (sub.h) is a waiter of that one's, wherever it is.
 *
 * Memory: a pool lent at init. Threads: one worker's; a waiter crosses workers by value, in a passed question.
 */
#ifndef PORTICO_WAITER_H
#define PORTICO_WAITER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "budget.h"
#include "dns_const.h"
#include "mono.h"
#include "name.h"
#include "pool.h"
#include "stream.h"

enum waiter_kind {
	WAITER_UDP_CLIENT,
	WAITER_OWN,    /* a question of our own (engine_ask): no frame is sent */
	WAITER_STREAM, /* a client over TCP: whoever carries it has the answer (stream.h) */
	WAITER_SUB,    /* a resolution of origin_worker's (sub.h): no client's limit counts it */
	WAITER_KIND_COUNT,
};

enum waiter_flag {
	WAITER_RD = 1u << 0,
	WAITER_CD = 1u << 1,
	WAITER_EDNS = 1u << 2,
	WAITER_DO = 1u << 3,
	WAITER_COOKIE = 1u << 4, /* client_cookie is valid */
	WAITER_TRACE = 1u << 5,  /* WAITER_OWN: what becomes of its question is noted */
};

/* Of a client over TCP mac, interface and VLAN are all zeroes, and udp_size_bytes is what a stream's message can have. */
struct waiter_udp_client {
	struct address client;
	struct address
		local; /* the address it asked: answers leave from there (RFC 1123 6.1.2.1) */
	struct name_case letter_case;
	uint8_t client_cookie[DNS_COOKIE_CLIENT_BYTES];
	struct mac mac; /* where the question came from; the answer goes back there */
	uint16_t client_port;
	uint16_t local_port;
	uint16_t id;
	uint16_t udp_size_bytes; /* clamped to what we send */
	uint8_t interface_idx;
	uint8_t vlan_pcp;
	uint8_t flags; /* enum waiter_flag */
};

/* Of a resolution that asks another one. */
struct waiter_sub {
	uint32_t asker_idx;
	uint32_t serial; /* of the wait: another one's answer is not taken */
	uint8_t purpose; /* enum sub_purpose */
	uint8_t verdict; /* once it is released: enum sub_verdict; SUB_VERDICT_COUNT: as the resolution ends */
	bool pays; /* for what is spent from now on; else somebody else does */
	uint32_t
		buffer_idx; /* of the verdict SUB_CUT: the packed cut, in an answer buffer that is shared; or POOL_NONE */
	struct budget lent;
	struct budget spent; /* by the resolution before this one waited for it */
};

struct waiter {
	uint8_t kind;          /* enum waiter_kind */
	uint8_t origin_worker; /* who received the question */
	uint16_t generation;
	uint16_t client_place; /* where its client's waiters are counted */
	uint32_t next; /* in its resolution's list, or in the engine's of streams to be answered */
	union {
		uint32_t ask_handle; /* WAITER_OWN */
		uint32_t
			resolution_idx; /* WAITER_STREAM and WAITER_SUB, where it waits: for this */
	};
	mono_ns arrived_at;
	union {
		struct waiter_udp_client
			udp;           /* of a client; else all zeroes: counted as client :: */
		struct waiter_sub sub; /* WAITER_SUB */
	};
	struct stream_handle stream; /* WAITER_STREAM: with origin_worker, whose answer it is */
};
static_assert(sizeof(struct waiter) == 128, "two cache lines: none is on three");

struct waiter_pool {
	struct waiter *waiters;
	struct pool free;
	uint32_t *client_counts; /* CLIENT_PLACES, by keyed hash of the client's address */
	struct hash_key client_key;
};

#endif
