#include "dpdk_app/cache_lane.h"

#include <assert.h>
#include <string.h>

static_assert(CACHE_LANE_WORDS >= CACHE_ENTRY_WORDS_MAX, "each entry fits an empty batch");

void cache_lane_init(struct cache_lane *lane, const struct cache *cache)
{
	lane->cache = cache;
	lane->filling = 0;
	lane->taking = 0;
	lane->taken = 0;
	atomic_init(&lane->is_left, 0);
	for (unsigned i = 0; i < ARRAY_COUNT(lane->batches); i++) {
		lane->batches[i].entry_count = 0;
		lane->batches[i].word_count = 0;
		lane->batches[i].is_last = false;
		atomic_init(&lane->batches[i].is_full, 0);
	}
}

bool cache_lane_may_fill(const struct cache_lane *lane)
{
	/* acquire: the worker has done with what it held before it is written over */
	return atomic_load_explicit(&lane->batches[lane->filling].is_full, memory_order_acquire) ==
	       0;
}

bool cache_lane_put(struct cache_lane *lane, uint64_t hash, const uint64_t words[],
		    unsigned word_count)
{
	struct cache_lane_batch *b = &lane->batches[lane->filling];

	CHECK(word_count <= CACHE_ENTRY_WORDS_MAX);
	if (!cache_lane_may_fill(lane) || b->entry_count == CACHE_LANE_ENTRIES ||
	    CACHE_LANE_WORDS - b->word_count < word_count)
		return false;
	b->entries[b->entry_count++] = (struct cache_lane_entry){
		.hash = hash, .at = b->word_count, .word_count = word_count};
	memcpy(b->words + b->word_count, words, word_count * sizeof(words[0]));
	b->word_count += word_count;
	return true;
}

void cache_lane_hand_over(struct cache_lane *lane, bool is_last)
{
	struct cache_lane_batch *b = &lane->batches[lane->filling];

	CHECK(cache_lane_may_fill(lane));
	b->is_last = is_last;
	/* release: the entries stand before the flag */
	atomic_store_explicit(&b->is_full, 1, memory_order_release);
	lane->filling = (lane->filling + 1) % ARRAY_COUNT(lane->batches);
}

bool cache_lane_is_left(const struct cache_lane *lane)
{
	/* acquire: all that the worker did with the lane is over */
	return atomic_load_explicit(&lane->is_left, memory_order_acquire) != 0;
}

void cache_lane_leave(struct cache_lane *lane)
{
	atomic_store_explicit(&lane->is_left, 1, memory_order_release);
}

/* The key stands in the entry, which was checked. */
static void key_of(const uint64_t words[], uint64_t hash, struct cache_key *key)
{
	const uint8_t *image = (const uint8_t *)(words + CACHE_HEAD_WORDS);
	unsigned bytes = CACHE_KEY_NAME + image[CACHE_KEY_NAME - 1];

	*key = (struct cache_key){.hash = hash, .image_bytes = (uint16_t)bytes};
	memcpy(key->image, image, bytes);
}

/* The index's lines of what comes next, all at once rather than one after the other. */
static void prefetch(const struct cache_lane *lane, const struct cache_lane_batch *b)
{
	for (unsigned i = lane->taken; i < b->entry_count && i < lane->taken + CACHE_LANE_PER_TURN;
	     i++)
		cache_prefetch(lane->cache, b->entries[i].hash);
}

enum cache_lane_state cache_lane_take(struct cache_lane *lane, struct engine *engine, mono_ns now)
{
	struct cache_lane_batch *b = &lane->batches[lane->taking];
	struct cache_key key;
	bool was_last;

	/* acquire: the entries were written before the flag */
	if (atomic_load_explicit(&b->is_full, memory_order_acquire) == 0)
		return CACHE_LANE_WAITS;
	prefetch(lane, b);
	for (unsigned i = 0; i < CACHE_LANE_PER_TURN && lane->taken < b->entry_count; i++) {
		const struct cache_lane_entry *entry = &b->entries[lane->taken++];

		key_of(b->words + entry->at, entry->hash, &key);
		/* The thread chose this worker by the same hash; if it were not its own, it would not be kept. */
		(void)engine_cache_restore(engine, &key, b->words + entry->at, entry->word_count,
					   now);
	}
	if (lane->taken < b->entry_count)
		return CACHE_LANE_MOVES;
	lane->taken = 0;
	lane->taking = (lane->taking + 1) % ARRAY_COUNT(lane->batches);
	was_last = b->is_last;
	b->entry_count = 0;
	b->word_count = 0;
	/* release: we have done with it */
	atomic_store_explicit(&b->is_full, 0, memory_order_release);
	if (!was_last)
		return CACHE_LANE_MOVES;
	cache_lane_leave(lane);
	return CACHE_LANE_ENDED;
}
