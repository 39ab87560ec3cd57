/* How a word of inflight.h is made up, and entered: in a header of its own so that it is inlined where queries are sent (a
 * call costs 5 of 50 cycles). For inflight.h, inflight_words.c and inflight_aim.c only; contract, threads and orders: see there.
 */
#ifndef PORTICO_INFLIGHT_WORD_H
#define PORTICO_INFLIGHT_WORD_H

#include "inflight.h"

/* tag 24 | ID 16 | owner 7 | late 1 | slot 16, from the top. */
#define WORD_TAG_SHIFT 40
#define WORD_ID_SHIFT 24
#define WORD_OWNER_SHIFT 17
#define WORD_OWNER_MASK 0x7f
#define WORD_LATE (UINT64_C(1) << 16)

/* The bucket is the hash's low bits, the tag its highest: independent. */
static inline uint64_t word_tag(uint64_t hash)
{
	uint64_t tag = hash >> WORD_TAG_SHIFT;

	return tag != 0 ? tag : 1;
}

static inline size_t word_bucket_start(const struct inflight_words *w, uint64_t hash)
{
	return (size_t)(hash & w->bucket_mask) * INFLIGHT_BUCKET_WORDS;
}

/* Is this, our word, the only one of the bucket with its tag and ID? Unrolled and without branches:
 * eight loads of a line that the CAS has just made ours. */
static inline bool word_is_only(const _Atomic uint64_t *bucket, uint64_t ours)
{
	unsigned same = 0;

#pragma GCC unroll 8
	for (size_t i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Sequentially consistent, as is the CAS before it: of two that enter the same at
		 * once, each stores its own word and then loads the other's, and at least one
		 * must see the other (store buffering; acquire and release would let both see
		 * the words as they were). On x86 the CAS is a full barrier and these are plain
		 * loads. */
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_seq_cst);

		same += (word ^ ours) < UINT64_C(1) << WORD_ID_SHIFT;
	}
	return same == 1;
}

/* Put the word into the place if that is empty. */
static inline bool word_claim(struct inflight_words *w, size_t at, uint64_t word)
{
	uint64_t expected = 0;

	/* Nobody else enters anything: no locked instruction, which would wait for all that was stored before. Release: see
	 * below. */
	if (w->owner_count == 1) {
		if (atomic_load_explicit(&w->words[at], memory_order_relaxed) != 0)
			return false;
		atomic_store_explicit(&w->words[at], word, memory_order_release);
		return true;
	}
	/* Sequentially consistent for word_is_only's sake; the release in it publishes what the
	 * owner wrote before to whoever finds the word, the acquire orders us after the
	 * removal that made the place empty. Relaxed on failure: nothing was learnt but
	 * that the place is taken. */
	return atomic_compare_exchange_strong_explicit(&w->words[at], &expected, word,
						       memory_order_seq_cst, memory_order_relaxed);
}

static inline enum inflight_enter inflight_enter(struct inflight_words *w, uint64_t hash,
						 uint16_t id, uint8_t owner, uint16_t slot,
						 uint32_t *position)
{
	size_t start = word_bucket_start(w, hash);
	uint64_t word = word_tag(hash) << WORD_TAG_SHIFT | (uint64_t)id << WORD_ID_SHIFT |
			(uint64_t)owner << WORD_OWNER_SHIFT | slot;

	CHECK(owner < WORKERS_MAX);
	/* The ID says where to begin: the first place is empty 15 times of 16 at the highest mean
	 * load, so that most CASes are the only look for a place. */
	for (unsigned try = 0; try < INFLIGHT_BUCKET_WORDS; try++) {
		size_t at = start + (id + try) % INFLIGHT_BUCKET_WORDS;

		if (!word_claim(w, at, word))
			continue;
		/* Looked for after the CAS, not before it: what two enter at the same time, at
		 * least one of them then sees. Both may back out; each draws again. */
		if (UNLIKELY(!word_is_only(w->words + start, word))) {
			inflight_remove(w, (uint32_t)at);
			return INFLIGHT_TAKEN;
		}
		*position = (uint32_t)at;
		return INFLIGHT_ENTERED;
	}
	return INFLIGHT_TAKEN;
}

/* The live word with this tag and ID, whoever owns it, if it stands in the first place that inflight_enter tried, as nearly
 * all do. As one tag and ID are in a bucket but once, there is no other, but for one that is just being taken back. False: ask
 * inflight_find. */
static inline bool inflight_find_first(const struct inflight_words *w, uint64_t hash, uint16_t id,
				       struct inflight_hit *out)
{
	size_t at = word_bucket_start(w, hash) + id % INFLIGHT_BUCKET_WORDS;
	uint64_t wanted = word_tag(hash) << WORD_TAG_SHIFT | (uint64_t)id << WORD_ID_SHIFT;
	/* Relaxed: what a word of ours leads to we have written ourselves, and of another's only its owner is of use. */
	uint64_t rest = atomic_load_explicit(&w->words[at], memory_order_relaxed) ^ wanted;

	if (rest >= UINT64_C(1) << WORD_ID_SHIFT || (rest & WORD_LATE) != 0)
		return false;
	out->owner = (uint8_t)(rest >> WORD_OWNER_SHIFT);
	out->slot = (uint16_t)rest;
	return true;
}

#endif
