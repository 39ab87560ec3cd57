#include "entropy.h"

/* Tries of one uniform draw; each takes 4 bytes. */
#define UNIFORM_TRIES (ENTROPY_UNIFORM_BYTES / sizeof(uint32_t))

void entropy_init(struct entropy *e, void *memory, size_t block_bytes)
{
	CHECK(block_bytes > 0);
	e->blocks[0] = memory;
	e->blocks[1] = e->blocks[0] + block_bytes;
	e->block_bytes = block_bytes;
	e->taking = 0;
	e->next_offset = 0;
	e->filling = 0;
	atomic_init(&e->full[0], 0);
	atomic_init(&e->full[1], 0);
}

struct buffer entropy_block_to_fill(struct entropy *e)
{
	/* Acquire: the filler's writes to the block may not begin before the taker's erasing of it
	 * has ended. As both go in turn, this block full means both are. */
	if (atomic_load_explicit(&e->full[e->filling], memory_order_acquire) != 0)
		return (struct buffer){0};
	return (struct buffer){.data = e->blocks[e->filling], .capacity_bytes = e->block_bytes};
}

void entropy_filled(struct entropy *e)
{
	CHECK(atomic_load_explicit(&e->full[e->filling], memory_order_relaxed) == 0);
	/* Release: the bytes are in the block before the flag says so. */
	atomic_store_explicit(&e->full[e->filling], 1, memory_order_release);
	e->filling ^= 1;
}

void entropy_hand_back(struct entropy *e)
{
	memset(e->blocks[e->taking] + e->next_offset, 0, e->block_bytes - e->next_offset);
	/* Release: taking and erasing end before the filler may write. */
	atomic_store_explicit(&e->full[e->taking], 0, memory_order_release);
	e->taking ^= 1;
	e->next_offset = 0;
}

bool entropy_ready_slow(struct entropy *e, size_t length_bytes)
{
	/* More than a block would be waited for in vain, for ever. */
	CHECK(length_bytes <= e->block_bytes);
	/* Acquire: no byte of the block is read before the filler has written all of them. */
	if (atomic_load_explicit(&e->full[e->taking], memory_order_acquire) == 0)
		return false;
	if (e->block_bytes - e->next_offset >= length_bytes)
		return true;
	entropy_hand_back(e);
	/* Acquire: as above, for the other block. */
	return atomic_load_explicit(&e->full[e->taking], memory_order_acquire) != 0;
}

uint32_t entropy_uniform(struct entropy *e, uint32_t bound)
{
	uint64_t product;
	uint32_t reject_below;

	CHECK(bound >= 1);
	product = (uint64_t)entropy_take_u32(e) * bound;
	if (LIKELY((uint32_t)product >= bound))
		return (uint32_t)(product >> 32);
	/* 2^32 mod bound: so many low products are too many for every result to be equally
	 * likely. */
	reject_below = (0 - bound) % bound;
	for (unsigned try = 1; try < UNIFORM_TRIES && (uint32_t)product < reject_below; try++)
		product = (uint64_t)entropy_take_u32(e) * bound;
	return (uint32_t)(product >> 32);
}
