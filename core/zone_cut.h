/* Zone cuts: a delegated zone's name, its servers' names and what addresses of theirs are known, from the parent's side only
 * (a child's NS set never extends or replaces it: ghost domains, SECURITY.md C4).
 *
 * Unpacked it is worked with; packed it is what a cache entry holds and what crosses workers.
 *
 * Memory: lent by the caller. Threads: pure functions. Bounds: ZONE_CUT_SERVERS_MAX names, ZONE_CUT_ADDRESSES_MAX addresses,
 * ZONE_CUT_NAMES_BYTES of names; what goes beyond is left out.
 */
#ifndef PORTICO_ZONE_CUT_H
#define PORTICO_ZONE_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "limits.h"
#include "msg_parse.h"
#include "name.h"
#include "span.h"

enum zone_cut_flag {
	ZONE_CUT_HINTS = 1u << 0, /* of the root hints: never an answer */
	ZONE_CUT_STUB = 1u << 1,  /* configured: any address may be asked */
	ZONE_CUT_ENT_LIAR =
		1u
		<< 2, /* its servers say NXDOMAIN where there are names below: no RFC 8020, no minimised names */
	ZONE_CUT_HAS_DS = 1u << 3, /* the referral had a DS RRset */
};

/* Of an address that has no name: a stub's. */
#define ZONE_CUT_NO_SERVER UINT8_MAX

struct zone_cut_server {
	uint16_t name_offset; /* in names: wire form, lower case, uncompressed */
	uint8_t name_bytes;
	bool has_addresses; /* one at least of its own is in addresses */
};
struct zone_cut_address {
	struct endpoint endpoint; /* port 53, but of a stub */
	uint8_t server;           /* whose, of servers; or ZONE_CUT_NO_SERVER */
};
struct zone_cut {
	uint64_t hash; /* keyed, of its zone in the cache (engine_cut_hash); 0: not made yet */
	uint32_t
		expires_at_s; /* of the cache's clock (seconds); never later than the parent's cut */
	uint16_t names_bytes;
	uint8_t flags; /* enum zone_cut_flag */
	uint8_t server_count;
	uint8_t address_count;
	struct name zone; /* lower case */
	struct zone_cut_server servers[ZONE_CUT_SERVERS_MAX];
	struct zone_cut_address addresses[ZONE_CUT_ADDRESSES_MAX];
	uint8_t names[ZONE_CUT_NAMES_BYTES];
};

/* The delegation that a referral is (scrub.h says whether it is one): the NS set of `zone` in its authority section, with those
 * A and AAAA records of the additional section whose owner is one of its servers and lies at or below the asked zone
 * (`parent->zone`: in bailiwick), at most ADDRESSES_PER_SERVER_MAX each, no address twice, none that zone_cut_may_ask forbids.
 * TTL: the least of the NS set's, of the glue's that is kept, of what parent has left, and CUT_TTL_S_MAX. Of more servers than
 * fit, those with glue come first. False: no server at all remains, *out is not to be used. */
MUST_USE bool zone_cut_from_referral(const struct msg_response *response, const struct name *zone,
				     const struct zone_cut *parent, uint32_t now_s,
				     struct zone_cut *out);
/* From the answer to the priming question (. NS): RFC 9609 section 4. False: it is not authoritative, has no NS of the root, or
 * no address of them. */
MUST_USE bool zone_cut_from_priming(const struct msg_response *response, uint32_t now_s,
				    struct zone_cut *out);

/* Building one by hand: hints, stubs, tests. False: no room, or there already. server_idx may be ZONE_CUT_NO_SERVER. */
void zone_cut_init(struct zone_cut *out, const struct name *zone, uint8_t flags,
		   uint32_t expires_at_s);
MUST_USE bool zone_cut_add_server(struct zone_cut *cut, const struct name *server);
MUST_USE bool zone_cut_add_address(struct zone_cut *cut, const struct endpoint *endpoint,
				   unsigned server_idx);
/* The addresses in the answer section of what a server's name was looked up with (clean: scrub.h), whatever aliases led to
 * them. Returns how many were added; none that zone_cut_may_ask forbids. */
unsigned zone_cut_take_addresses(struct zone_cut *cut, unsigned server_idx,
				 const struct msg_response *answer);

/* Packed: only what is used, in a form of our own (same machine, same build), for the cache's memory and other workers: it has
 * never been anybody else's. Returns the length; 0: no room. */
size_t zone_cut_pack(const struct zone_cut *cut, struct buffer out);
#define ZONE_CUT_PACKED_BYTES_MAX sizeof(struct zone_cut)
/* Bytes behind what was packed do no harm. False: not what zone_cut_pack made. Its sizes and what refers to what are looked at,
 * its names are not. */
MUST_USE bool zone_cut_unpack(struct span packed, struct zone_cut *out);
/* Only what is used. */
void zone_cut_copy(struct zone_cut *to, const struct zone_cut *from);

void zone_cut_server_name(const struct zone_cut *cut, unsigned server_idx, struct name *out);
/* May a delegation send us to this address (SECURITY.md C11)? Our own are the caller's to know. */
bool zone_cut_may_ask(const struct address *address);
void zone_cut_check(const struct zone_cut *cut);

#endif
