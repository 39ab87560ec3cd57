/* The shared side of inflight.h: words that any worker reads and only their owner writes. */
#include <assert.h>

#include "inflight.h"

#define BUCKET_BYTES (INFLIGHT_BUCKET_WORDS * sizeof(uint64_t))

static_assert(BUCKET_BYTES == 64, "a bucket is one cache line");
static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "words are bare");
static_assert(WORKERS_MAX <= WORD_OWNER_MASK + 1, "an owner fits its field");

static uint32_t bucket_count_for(uint32_t slot_count)
{
	uint32_t count = 1;

	CHECK(slot_count >= 1 && slot_count <= (uint32_t)UNDER_WAY_MAX * WORKERS_MAX);
	while (count < slot_count * INFLIGHT_BUCKETS_PER_SLOT)
		count *= 2;
	return count;
}

size_t inflight_words_memory_bytes(uint32_t slot_count)
{
	return bucket_count_for(slot_count) * BUCKET_BYTES;
}

void inflight_words_init(struct inflight_words *w, void *memory, uint32_t slot_count,
			 unsigned owner_count, const struct hash_key *key)
{
	uint32_t bucket_count = bucket_count_for(slot_count);

	CHECK(owner_count >= 1 && owner_count <= WORKERS_MAX);
	CHECK((uintptr_t)memory % BUCKET_BYTES == 0);
	w->words = memory;
	w->bucket_mask = bucket_count - 1;
	w->owner_count = owner_count;
	w->key = *key;
	for (size_t i = 0; i < (size_t)bucket_count * INFLIGHT_BUCKET_WORDS; i++)
		/* Fresh pages are cleared: reading does not make the kernel back them with memory. */
		if (atomic_load_explicit(&w->words[i], memory_order_relaxed) != 0)
			atomic_store_explicit(&w->words[i], 0, memory_order_relaxed);
}

uint64_t inflight_peer_hash(const struct inflight_words *w, uint8_t outgoing_idx,
			    const struct endpoint *peer)
{
	uint8_t bytes[ADDRESS_BYTES + 3];

	memcpy(bytes, peer->address.bytes, ADDRESS_BYTES);
	bytes[ADDRESS_BYTES] = (uint8_t)(peer->port >> 8);
	bytes[ADDRESS_BYTES + 1] = (uint8_t)peer->port;
	bytes[ADDRESS_BYTES + 2] = outgoing_idx;
	return hash_table(&w->key, (struct span){bytes, sizeof(bytes)});
}

void inflight_mark_late(struct inflight_words *w, uint32_t position)
{
	uint64_t word = inflight_word(w, position);

	CHECK(word != 0);
	/* No CAS: others CAS only from 0, and this word is not 0 between our load and our store,
	 * so neither can lose the other's. Release: who finds the word late also sees what its
	 * owner wrote until now. */
	atomic_store_explicit(&w->words[position], word | WORD_LATE, memory_order_release);
}

struct inflight_hit inflight_word_hit(uint64_t word)
{
	return (struct inflight_hit){
		.owner = (uint8_t)(word >> WORD_OWNER_SHIFT & WORD_OWNER_MASK),
		.slot = (uint16_t)word,
	};
}

/* Keep hits in ascending order of owner, then slot. Most often there is but one. */
static void hit_insert(struct inflight_hit hits[], unsigned hit_count, struct inflight_hit hit)
{
	unsigned at = hit_count;

	for (; at > 0; at--) {
		const struct inflight_hit *before = &hits[at - 1];

		if (before->owner < hit.owner ||
		    (before->owner == hit.owner && before->slot <= hit.slot))
			break;
		hits[at] = *before;
	}
	hits[at] = hit;
}

bool inflight_word_names(uint64_t word, uint8_t owner, uint16_t slot)
{
	struct inflight_hit hit = inflight_word_hit(word);

	return word != 0 && hit.owner == owner && hit.slot == slot;
}

bool inflight_word_is_late(uint64_t word)
{
	return (word & WORD_LATE) != 0;
}

enum inflight_find inflight_find(const struct inflight_words *w, uint64_t hash, uint16_t id,
				 struct inflight_hit hits[INFLIGHT_BUCKET_WORDS],
				 unsigned *hit_count)
{
	const _Atomic uint64_t *bucket = w->words + word_bucket_start(w, hash);
	uint64_t wanted_word = word_tag(hash) << WORD_TAG_SHIFT | (uint64_t)id << WORD_ID_SHIFT;
	uint64_t words[INFLIGHT_BUCKET_WORDS];
	uint32_t same_tag = 0, same_id = 0, late = 0, wanted;
	enum inflight_find found;

#pragma GCC unroll 8
	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Acquire: what the owner wrote before it entered the word, or marked it late, is
		 * written for whoever finds it so. */
		words[i] = atomic_load_explicit(&bucket[i], memory_order_acquire);
		same_id |= (uint32_t)((words[i] ^ wanted_word) >> WORD_ID_SHIFT == 0) << i;
	}
	/* Nearly always there is just one, and it is live. */
	if (LIKELY(same_id != 0 && (same_id & (same_id - 1)) == 0)) {
		uint64_t word = words[__builtin_ctz(same_id)];

		hits[0] = inflight_word_hit(word);
		*hit_count = 1;
		return (word & WORD_LATE) != 0 ? INFLIGHT_LATE : INFLIGHT_MATCH;
	}
	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		same_tag |= (uint32_t)((words[i] ^ wanted_word) >> WORD_TAG_SHIFT == 0) << i;
		late |= (uint32_t)((words[i] & WORD_LATE) != 0) << i;
	}
	if ((same_id & ~late) != 0) {
		found = INFLIGHT_MATCH;
		wanted = same_id & ~late;
	} else if (same_id != 0) {
		found = INFLIGHT_LATE;
		wanted = same_id;
	} else {
		wanted = same_tag & ~late;
		found = wanted != 0 ? INFLIGHT_NEAR_MISS : INFLIGHT_NONE;
	}
	*hit_count = 0;
	for (; wanted != 0; wanted &= wanted - 1)
		hit_insert(hits, (*hit_count)++, inflight_word_hit(words[__builtin_ctz(wanted)]));
	return found;
}
