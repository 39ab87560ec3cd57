/* DNS server cookies that all servers of a kind understand (RFC 9018 section 4): 16 bytes, made of
 * version 1, 3 reserved bytes, a timestamp, and SipHash-2-4 over client cookie, the former, and the
 * client's address. Nothing is remembered of a client.
 *
 * Threads: pure functions. Time: wall-clock seconds, modulo 2^32, compared by serial arithmetic
 * (RFC 1982): they may wrap.
 */
#ifndef PORTICO_COOKIE_H
#define PORTICO_COOKIE_H

#include <stdint.h>

#include "address.h"
#include "check.h"
#include "dns_const.h"
#include "hash.h"
#include "span.h"

#define COOKIE_SERVER_BYTES 16
#define COOKIE_BYTES (DNS_COOKIE_CLIENT_BYTES + COOKIE_SERVER_BYTES)
#define COOKIE_AGE_S_MAX 3600   /* RFC 9018 section 4.3 */
#define COOKIE_FUTURE_S_MAX 300 /* of another server whose clock is ahead */

enum cookie_result {
	COOKIE_VALID,
	COOKIE_CLIENT_ONLY, /* no server cookie yet: an 8-byte option */
	COOKIE_STALE,       /* ours, but too old or too far in the future */
	COOKIE_BAD,         /* not made with this key for this client */
	COOKIE_RESULT_COUNT,
};
extern const char *const cookie_result_text[COOKIE_RESULT_COUNT];

/* The server cookie for a client (IPv4: its 4 bytes are hashed) and its 8-byte client cookie. */
void cookie_make(const struct hash_key *key, const uint8_t client_cookie[DNS_COOKIE_CLIENT_BYTES],
		 const struct address *client, uint32_t now_s, uint8_t out[COOKIE_SERVER_BYTES]);

/* Judge the contents of a COOKIE option, untrusted and of any length. The MAC is compared in
 * constant time, and before the timestamp is believed. */
MUST_USE enum cookie_result cookie_check(const struct hash_key *key, struct span option,
					 const struct address *client, uint32_t now_s);

#endif
