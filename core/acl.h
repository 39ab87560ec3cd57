/* Which addresses may ask: a list of prefixes, compiled so that one look-up is a few loads however long the list is.
 *
 * Of each family, two bits for the first 16 bits of an address tell: nobody, everybody, or some. Only for "some" the
 * ranges are searched that do not fill such a block: at most ALLOW_PREFIXES_MAX, disjoint and in order, hence in ten
 * steps.
 *
 * Memory: lent; built once with a snapshot. Threads: immutable after acl_init, read by all.
 */
#ifndef PORTICO_ACL_H
#define PORTICO_ACL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "limits.h"

/* An address as a number, its first bit the highest; of an IPv4 address the first 32 bits, zeroes below, so that one code
 * serves both families. */
struct acl_number {
	uint64_t high;
	uint64_t low;
};

struct acl_range {
	struct acl_number first;
	struct acl_number last;
};

enum acl_block { ACL_BLOCK_NONE, ACL_BLOCK_ALL, ACL_BLOCK_SOME };

#define ACL_BLOCK_BITS 16 /* of an address, which choose its block */
#define ACL_BLOCK_COUNT (1u << ACL_BLOCK_BITS)
#define ACL_STATE_BITS 2
#define ACL_STATE_MASK 3u
#define ACL_STATES_OF_WORD (64 / ACL_STATE_BITS)
static_assert(ACL_BLOCK_SOME <= ACL_STATE_MASK, "a block's state fits its bits");

/* Only acl.c and acl_contains look inside. */
struct acl_family {
	uint64_t states[ACL_BLOCK_COUNT / ACL_STATES_OF_WORD];
	unsigned range_count;
	/* In order; those with blocks that they do not fill. */
	struct acl_range ranges[ALLOW_PREFIXES_MAX];
};

struct acl {
	struct acl_family v4;
	struct acl_family v6;
};

size_t acl_memory_bytes(void);
/* memory: acl_memory_bytes() of them, aligned as a uint64_t is.
 * prefixes: prefix_count <= ALLOW_PREFIXES_MAX of both families, in any order, overlapping or not; bits beyond a prefix's
 * length do not count. ::/0 is every IPv6 address, not the IPv4 ones (which are kept as mapped addresses: theirs
 * have 96 bits or more). Quadratic in prefix_count. */
struct acl *acl_init(void *memory, const struct prefix prefixes[], unsigned prefix_count);

static inline enum acl_block acl_block_state(const struct acl_family *f, unsigned block)
{
	return (enum acl_block)(f->states[block / ACL_STATES_OF_WORD] >>
					(block % ACL_STATES_OF_WORD * ACL_STATE_BITS) &
				ACL_STATE_MASK);
}

/* Where the block of an IPv4 address (in host order), or of any other, does not tell. */
bool acl_contains_v4(const struct acl *acl, uint32_t address);
bool acl_contains_v6(const struct acl *acl, const struct address *address);

static inline bool acl_contains(const struct acl *acl, const struct address *address)
{
	uint32_t v4;
	enum acl_block state;

	if (UNLIKELY(!address_is_v4(address)))
		return acl_contains_v6(acl, address);
	memcpy(&v4, address->bytes + ADDRESS_V4_OFFSET, sizeof(v4));
	v4 = __builtin_bswap32(v4);
	state = acl_block_state(&acl->v4, v4 >> (32 - ACL_BLOCK_BITS));
	if (LIKELY(state != ACL_BLOCK_SOME))
		return state == ACL_BLOCK_ALL;
	return acl_contains_v4(acl, v4);
}

#endif
