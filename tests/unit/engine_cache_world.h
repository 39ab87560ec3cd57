/* A rig with a cache and one server, that server's answers with TTLs of the test's choice, and what clients got, in a word.
 *
 *   struct rig *r = kept_rig(1);   change r->config.cache; rig_start(r)
 *   kept_learn(r, "a.example", 60) asked, answered 192.0.2.1 with that TTL, and forgotten
 *   kept_ask(r, "a.example")       the packet's outcome
 *   kept_got(r)                    the one answer that a client has got since
 */
#ifndef PORTICO_TEST_ENGINE_CACHE_WORLD_H
#define PORTICO_TEST_ENGINE_CACHE_WORLD_H

#include "core/engine_hit.h"
#include "engine_rig.h"

/* A server's answer: one A record 192.0.2.<last_byte> or, if it is negative, an SOA. */
struct kept_reply {
	uint32_t ttl_s;    /* of all records */
	uint8_t last_byte; /* 0: 1 */
	uint16_t rcode;
	uint16_t flags_on;
	uint16_t record_count; /* 0: one */
	bool negative;
	uint32_t soa_minimum_s;
	bool no_soa;
};

/* What a client got. */
struct kept_got {
	uint16_t rcode;
	uint16_t record_count; /* in the answer section */
	uint32_t ttl_s;        /* of the first record of answer or authority; UINT32_MAX: none */
	uint8_t last_byte;     /* of the first A record; 0: none */
	int ede;               /* -1: none */
	mono_ns at;
	bool truncated;
};

/* Not started: serve-stale and prefetch are off. */
struct rig *kept_rig(unsigned engine_count);
/* With EDNS, so that EDEs show. From client 0 to the engine that owns the question; ask_at: to this one. */
enum counter kept_ask(struct rig *r, const char *name);
enum counter kept_ask_at(struct rig *r, const char *name, unsigned engine);
/* The query that was sent since, health probes apart; false: none. */
bool kept_query(struct rig *r, struct rig_query *out);
/* So many were sent since, probes apart; they are forgotten. */
unsigned kept_queries(struct rig *r);
/* That answer's bytes; returns the length. */
size_t kept_reply_build(const struct rig_query *q, const struct kept_reply *reply,
			uint8_t out[RIG_MESSAGE_BYTES_MAX]);
/* The next query is answered so. */
void kept_reply(struct rig *r, const struct kept_reply *reply);
/* This one, without a turn of the engine after it: for r->on_query, too. */
void kept_reply_to(struct rig *r, const struct rig_query *q, const struct kept_reply *reply);
/* The one answer; rcode UINT16_MAX: none. */
struct kept_got kept_got(struct rig *r);
void kept_learn(struct rig *r, const char *name, uint32_t ttl_s);
/* Asked, and answered from the cache, with this. */
struct kept_got kept_hit(struct rig *r, const char *name);
/* Servers stay silent until the question under way has failed. */
void kept_fail(struct rig *r);
/* The entry of the question, whatever its age; false: none. */
bool kept_entry(struct rig *r, const char *name, struct cache_head *head);

#endif
