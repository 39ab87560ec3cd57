#include "cookie.h"

#include <assert.h>
#include <string.h>

#include "wire_cursor.h"

#define VERSION 1
#define VERSION_AND_RESERVED_BYTES 4
#define STAMP_BYTES 8 /* version, reserved, timestamp */
#define MAC_BYTES 8

const char *const cookie_result_text[] = {
	[COOKIE_VALID] = "valid",
	[COOKIE_CLIENT_ONLY] = "client only",
	[COOKIE_STALE] = "stale",
	[COOKIE_BAD] = "bad",
};
static_assert(ARRAY_COUNT(cookie_result_text) == COOKIE_RESULT_COUNT, "a text each");
static_assert(STAMP_BYTES + MAC_BYTES == COOKIE_SERVER_BYTES, "RFC 9018 section 4");

/* The MAC, its bytes in the order of SipHash's reference: little-endian. */
static void cookie_mac(const struct hash_key *key, const uint8_t *client_cookie,
		       const uint8_t *stamp, const struct address *client, uint8_t mac[MAC_BYTES])
{
	uint8_t input[DNS_COOKIE_CLIENT_BYTES + STAMP_BYTES + ADDRESS_BYTES];
	size_t skipped = address_is_v4(client) ? ADDRESS_V4_OFFSET : 0;

	memcpy(input, client_cookie, DNS_COOKIE_CLIENT_BYTES);
	memcpy(input + DNS_COOKIE_CLIENT_BYTES, stamp, STAMP_BYTES);
	memcpy(input + DNS_COOKIE_CLIENT_BYTES + STAMP_BYTES, client->bytes + skipped,
	       ADDRESS_BYTES - skipped);

	uint64_t hash = hash_mac(key, (struct span){input, sizeof(input) - skipped});

	for (unsigned i = 0; i < MAC_BYTES; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}

void cookie_make(const struct hash_key *key, const uint8_t client_cookie[DNS_COOKIE_CLIENT_BYTES],
		 const struct address *client, uint32_t now_s, uint8_t out[COOKIE_SERVER_BYTES])
{
	memset(out, 0, VERSION_AND_RESERVED_BYTES);
	out[0] = VERSION;
	wire_put_u32(out + VERSION_AND_RESERVED_BYTES, now_s);
	cookie_mac(key, client_cookie, out, client, out + STAMP_BYTES);
}

enum cookie_result cookie_check(const struct hash_key *key, struct span option,
				const struct address *client, uint32_t now_s)
{
	if (option.length_bytes == DNS_COOKIE_CLIENT_BYTES)
		return COOKIE_CLIENT_ONLY;
	if (option.length_bytes != COOKIE_BYTES || option.data[DNS_COOKIE_CLIENT_BYTES] != VERSION)
		return COOKIE_BAD;

	const uint8_t *stamp = option.data + DNS_COOKIE_CLIENT_BYTES;
	uint8_t mac[MAC_BYTES];
	uint8_t difference = 0;

	/* Reserved bytes are not ours to judge, but the MAC covers them (RFC 9018 section 4.2). */
	cookie_mac(key, option.data, stamp, client, mac);
	for (unsigned i = 0; i < MAC_BYTES; i++)
		difference |= (uint8_t)(mac[i] ^ stamp[STAMP_BYTES + i]);
	if (difference != 0)
		return COOKIE_BAD;

	uint32_t age_s = now_s - wire_get_u32(stamp + VERSION_AND_RESERVED_BYTES);
	uint32_t future_s = 0 - age_s;

	return age_s <= COOKIE_AGE_S_MAX || future_s <= COOKIE_FUTURE_S_MAX ? COOKIE_VALID
									    : COOKIE_STALE;
}
