/* Addresses without sockaddr: 16 bytes for both families, IPv4 as ::ffff:a.b.c.d (RFC 4291
 * section 2.5.5.2), so that one comparison, one hash and one table serve both.
 *
 * Threads: pure functions on values.
 */
#ifndef PORTICO_ADDRESS_H
#define PORTICO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

#define ADDRESS_BYTES 16
#define ADDRESS_BITS 128 /* the length of a prefix that is one address */
#define ADDRESS_V4_OFFSET 12

struct address {
	uint8_t bytes[ADDRESS_BYTES];
};

/* An address and a UDP port in host byte order. */
struct endpoint {
	struct address address;
	uint16_t port;
};

/* A network: bits counts over the 16 bytes, so an IPv4 /24 has 120. */
struct prefix {
	struct address address;
	uint8_t bits;
};

struct mac {
	uint8_t bytes[6];
};

/* IPv4 from its four bytes in network order. */
static inline struct address address_from_v4(const uint8_t bytes[4])
{
	static const uint8_t mapped[ADDRESS_V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct address a;

	memcpy(a.bytes, mapped, sizeof(mapped));
	memcpy(a.bytes + ADDRESS_V4_OFFSET, bytes, 4);
	return a;
}

static inline bool address_is_v4(const struct address *a)
{
	static const uint8_t mapped[ADDRESS_V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

static inline bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, ADDRESS_BYTES) == 0;
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_equal(&a->address, &b->address);
}

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool prefix_contains(const struct prefix *p, const struct address *a)
{
	size_t whole = p->bits / 8;
	unsigned rest = p->bits % 8;

	if (memcmp(p->address.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || ((p->address.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

#endif
