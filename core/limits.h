/* Every compile-time bound of core, with its unit and its reason. */
#ifndef PORTICO_LIMITS_H
#define PORTICO_LIMITS_H

#include <assert.h>

/* Slots that one engine_rx or engine_tx call takes: the scratch of a burst is sized by it. */
#define BURST_SLOTS_MAX 64

#define INTERFACES_MAX 16          /* fits the index in a waiter; a server has a handful of NICs */
#define INTERFACE_ADDRESSES_MAX 32 /* of both families, an interface */
#define INTERFACE_GATEWAYS_MAX 2   /* one a family */
#define LISTEN_MAX 64              /* endpoints that questions are taken on */
#define ALLOW_PREFIXES_MAX 1024    /* client networks; compiled: ten steps at most (acl.h) */
#define OUTGOING_MAX 16            /* outgoing addresses, of both families */
#define ZONES_MAX 1024             /* forward and stub zones */
#define SERVERS_MAX 1024           /* distinct upstream endpoints over all zones */
/* Places of a snapshot: what a reload has taken out keeps its place for a while, so that all may be others at once. */
#define OUTGOING_SLOTS_MAX 32 /* a bit each of engine.sources_empty */
#define ZONE_SLOTS_MAX 2048
#define SERVER_SLOTS_MAX 2048
#define NEIGHBOUR_SLOTS_MAX 4096 /* gateways and on-link servers, by interface */
#define NEIGHBOUR_DEMAND_MAX 512 /* beside these, on-link servers that delegations lead to */
#define NEIGHBOUR_PLACES_MAX (NEIGHBOUR_SLOTS_MAX + NEIGHBOUR_DEMAND_MAX)
#define ROUTES_MAX 4096         /* ways of all prefixes; a machine that is no router has a few */
#define ROUTE_GATEWAYS_WARM 256 /* whose link-layer address is known before anything goes there */
#define ZONE_SERVERS_MAX 16     /* servers of one zone: what one question may try */
#define WORKERS_MAX 128         /* owner is 7 bits in an in-flight word */

#define UNDER_WAY_MAX 65536 /* slots a worker: the slot field of an in-flight word has 16 bits */

#define EDNS_UDP_BYTES 1232 /* RFC 9715: what never fragments; the most we ever emit over UDP */
#define EDNS_OPTIONS_PARSED_MAX 16
#define COMPRESSION_ENTRIES_MAX 128 /* targets remembered while building one message */
#define NAME_POINTERS_MAX 126       /* hops of one compressed name, each strictly backwards */
#define RECORDS_PARSED_MAX 4096     /* records of one message that are looked at */

#define ANSWER_BUFFER_BYTES 4096 /* an upstream answer over UDP: never more than one mbuf holds */

#define LARGE_ANSWERS                                                                              \
	16 /* of an engine: answers over TCP that are longer and have not been given to all yet */

#define TICKET_DRAWS_MAX 16       /* tries for a free (port, ID, bucket), then shed */
#define TICKET_DRAWS_SMALL_MAX 64 /* from a set of few ports: 45,000 IDs of 65,536 may be taken */
#define CLIENT_DEADLINE_MS 4000   /* every waiter has its answer by then (SECURITY table 1.1) */
#define WAITERS_PER_QUESTION_MAX 10000
#define CLIENT_PLACES 65536     /* counts of waiting questions by client address; a power of two */
#define CLIENT_SHARE 4          /* one address may hold 1/4 of all waiters, */
#define CLIENT_WAITERS_MIN 1000 /* and this many in any case, */
#define CLIENT_WAITERS_CROWDED 64 /* but only so many while more than half of all are in use */
#define UPSTREAM_PACKETS_MAX 64   /* of one client question, all retries counted */
#define UPSTREAM_TCP_PACKETS 3 /* what one over TCP counts: connecting 2, asking 1 (SECURITY D6) */
#define UPSTREAM_TCP_TRIES_MAX 8 /* of one client question, among these */
/* Iteration (SECURITY table 1.1, column Ours): of one client question, with all that is asked for its sake. */
#define UPSTREAM_BYTES_MAX (128 * 1024)
#define QUESTION_PACKETS_MAX 24 /* of one sent question, by itself */
#define LINKS_MAX 10            /* CNAME and DNAME, in messages and fetched */
#define DEPTH_MAX 7 /* questions that wait for each other, the first and the last counted */
#define REFERRALS_MAX 32
#define ADDRESS_LOOKUPS_MAX 6
#define ADDRESS_FAILURES_MAX 5
#define MINIMISED_STEPS_MAX 10    /* RFC 9156 section 2.3: MAX_MINIMISE_COUNT, */
#define MINIMISED_ONE_LABEL_MAX 4 /* and MINIMISE_ONE_LAB */
#define SUB_ANCESTORS_MAX (DEPTH_MAX + LINKS_MAX)
#define ZONE_CUT_SERVERS_MAX 13 /* names of a delegation that are kept, */
#define ADDRESSES_PER_SERVER_MAX 4
#define ZONE_CUT_ADDRESSES_MAX 26 /* addresses of all of them, */
#define ZONE_CUT_NAMES_BYTES 1024 /* and bytes of the names */
#define CUT_TTL_S_MAX 86400
#define TCP_TIMEOUT_MS_MIN                                                                         \
	1000 /* of a try over TCP: connecting and asking take two round trips and more */
#define SERVER_TRIES_PER_QUESTION_MAX 2 /* of one address (SECURITY D7) */
#define SCRUB_RECORDS_MAX 128           /* of one answer that are kept */
#define SCRUB_SCANNED_MAX 256 /* of one section that are looked at, but of a single RRset */

#define NEAR_MISS_HOLD_OFF_MS 20 /* first pause before another ticket; doubles */
#define NEAR_MISS_HOLD_OFF_MS_MAX 640
/* The first tickets of a question end at their first wrong ID. The one after them bears a few, since where there is no TCP a
 * server that always sends a wrong ID first would never be heard: so many where 0x20 hides at
 * least NEAR_MISS_LETTERS bits more, else one. */
#define NEAR_MISS_BURNS 2
#define NEAR_MISS_TOLERATED 16
#define NEAR_MISS_LETTERS 8
/* A server at whose queries somebody guesses so often is asked over TCP only: for a while, and twice as long each time that it
 * begins again before all was quiet for the longest while (SECURITY A2). */
#define NEAR_MISSES_TO_TCP_ONLY 16
#define NEAR_MISSES_WITHIN_S 60
#define TCP_ONLY_S_MIN 10
#define TCP_ONLY_S_MAX 300
#define CASE_GRACE_MS 300 /* after a reply in lower case: how long the true one may still come */
#define CASE_PROOFS 3     /* letter case lost this often in a row: the server drops it */
#define ERROR_REPLIES_PER_S 100 /* to one client prefix */
#define ARP_REPLIES_PER_S 100
#define ECHO_REPLIES_PER_S 1000
#define LINK_ANSWERS_PER_S 1000 /* ARP and ND answers that a worker passes to the one that asks */

static_assert(UNDER_WAY_MAX <= 65536, "the slot field of an in-flight word has 16 bits");
static_assert(EDNS_UDP_BYTES <= ANSWER_BUFFER_BYTES, "an answer fits its buffer");
static_assert(OUTGOING_SLOTS_MAX >= 2 * OUTGOING_MAX && ZONE_SLOTS_MAX >= 2 * ZONES_MAX &&
		      SERVER_SLOTS_MAX >= 2 * SERVERS_MAX,
	      "a whole configuration and the one before it have their places");
static_assert(INTERFACES_MAX <= 255 && OUTGOING_SLOTS_MAX <= 32, "indices are bytes");

#endif
