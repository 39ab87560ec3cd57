#include "acl.h"

#include <assert.h>

#include "check.h"

__extension__ typedef unsigned __int128 u128;

static inline u128 value_of(struct acl_number n)
{
	return (u128)n.high << 64 | n.low;
}

static inline struct acl_number number_of(u128 value)
{
	return (struct acl_number){(uint64_t)(value >> 64), (uint64_t)value};
}

/* Big-endian, as addresses stand. */
static inline uint64_t load_be64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return __builtin_bswap64(word);
}

static inline unsigned block_of(struct acl_number n)
{
	return (unsigned)(n.high >> (64 - ACL_BLOCK_BITS));
}

size_t acl_memory_bytes(void)
{
	return sizeof(struct acl);
}

/* ---- compiling ---- */

static struct acl_range range_of(const struct prefix *prefix)
{
	u128 first =
		(u128)load_be64(prefix->address.bytes) << 64 | load_be64(prefix->address.bytes + 8);
	unsigned bits = prefix->bits;
	u128 hosts;

	if (address_is_v4(&prefix->address) && bits >= ADDRESS_V4_OFFSET * 8) {
		first <<= ADDRESS_V4_OFFSET * 8;
		bits -= ADDRESS_V4_OFFSET * 8;
	}
	hosts = bits < ADDRESS_BITS ? ~(u128)0 >> bits : 0;
	return (struct acl_range){number_of(first & ~hosts), number_of(first | hosts)};
}

static struct acl_family *family_of(struct acl *acl, const struct prefix *prefix)
{
	bool is_v4 = address_is_v4(&prefix->address) && prefix->bits >= ADDRESS_V4_OFFSET * 8;

	return is_v4 ? &acl->v4 : &acl->v6;
}

/* Into its place by its first address. */
static void range_insert(struct acl_family *f, struct acl_range range)
{
	unsigned at = f->range_count++;

	for (; at > 0 && value_of(f->ranges[at - 1].first) > value_of(range.first); at--)
		f->ranges[at] = f->ranges[at - 1];
	f->ranges[at] = range;
}

/* Does the next range begin within this one or right behind it? Nothing is behind the end of all addresses. */
static bool touches(const struct acl_range *range, const struct acl_range *next)
{
	return value_of(range->last) == ~(u128)0 ||
	       value_of(next->first) <= value_of(range->last) + 1;
}

/* Make ranges that touch or overlap one. */
static void ranges_join(struct acl_family *f)
{
	unsigned joined = 0;

	for (unsigned i = 0; i < f->range_count; i++) {
		struct acl_range next = f->ranges[i];
		struct acl_range *before = joined > 0 ? &f->ranges[joined - 1] : NULL;

		if (before == NULL || !touches(before, &next))
			f->ranges[joined++] = next;
		else if (value_of(next.last) > value_of(before->last))
			before->last = next.last;
	}
	f->range_count = joined;
}

/* Ranges are disjoint, but two may lie in one block: neither fills it then. */
static void block_set(struct acl_family *f, unsigned block, enum acl_block state)
{
	unsigned shift = block % ACL_STATES_OF_WORD * ACL_STATE_BITS;
	uint64_t *word = &f->states[block / ACL_STATES_OF_WORD];

	*word = (*word & ~((uint64_t)ACL_STATE_MASK << shift)) | (uint64_t)state << shift;
}

/* Set the blocks of all ranges, and keep those ranges that have to be searched. */
static void blocks_fill(struct acl_family *f)
{
	const unsigned rest_bits = ADDRESS_BITS - ACL_BLOCK_BITS;
	unsigned kept = 0;

	for (unsigned i = 0; i < f->range_count; i++) {
		struct acl_range range = f->ranges[i];
		bool some = false;

		for (unsigned block = block_of(range.first); block <= block_of(range.last);
		     block++) {
			u128 first = (u128)block << rest_bits;
			u128 last = first | ~(u128)0 >> ACL_BLOCK_BITS;
			bool all = value_of(range.first) <= first && value_of(range.last) >= last;

			block_set(f, block, all ? ACL_BLOCK_ALL : ACL_BLOCK_SOME);
			some = some || !all;
		}
		if (some)
			f->ranges[kept++] = range;
	}
	f->range_count = kept;
}

struct acl *acl_init(void *memory, const struct prefix prefixes[], unsigned prefix_count)
{
	struct acl *acl = memory;

	CHECK(prefix_count <= ALLOW_PREFIXES_MAX);
	memset(acl, 0, sizeof(*acl));
	for (unsigned i = 0; i < prefix_count; i++)
		range_insert(family_of(acl, &prefixes[i]), range_of(&prefixes[i]));
	ranges_join(&acl->v4);
	ranges_join(&acl->v6);
	blocks_fill(&acl->v4);
	blocks_fill(&acl->v6);
	return acl;
}

/* ---- looking up ---- */

/* Is it in the last of the ranges that begin at or before it? There is one range or more. */
static bool ranges_contain(const struct acl_family *f, struct acl_number n)
{
	const struct acl_range *at = f->ranges;

	for (unsigned left = f->range_count; left > 1;) {
		unsigned half = left / 2;

		if (value_of(at[half].first) <= value_of(n))
			at += half;
		left -= half;
	}
	return value_of(at->first) <= value_of(n) && value_of(n) <= value_of(at->last);
}

/* Of IPv4 ranges the lower halves are nothing but zeroes in first, and ones in last. */
bool acl_contains_v4(const struct acl *acl, uint32_t address)
{
	const struct acl_range *at = acl->v4.ranges;
	uint64_t high = (uint64_t)address << 32;

	for (unsigned left = acl->v4.range_count; left > 1;) {
		unsigned half = left / 2;

		at += at[half].first.high <= high ? half : 0;
		left -= half;
	}
	return at->first.high <= high && high <= at->last.high;
}

bool acl_contains_v6(const struct acl *acl, const struct address *address)
{
	struct acl_number n = {load_be64(address->bytes), load_be64(address->bytes + 8)};
	enum acl_block state = acl_block_state(&acl->v6, block_of(n));

	if (LIKELY(state != ACL_BLOCK_SOME))
		return state == ACL_BLOCK_ALL;
	return ranges_contain(&acl->v6, n);
}
