/* A question's way to the cache, in the stages of a burst (engine_rx.c): for engine_hit.c, which gives the answer, and those who look
 * up. Not for drivers.
 */
#ifndef PORTICO_ENGINE_HIT_H
#define PORTICO_ENGINE_HIT_H

#include "engine_state.h"

/* Of a question that is not in the cache: makes the hashes by which its zone cut is found, and keeps them for
 * engine_name_hashes_begin. name_hash: of its name; 0: not made yet. */
void engine_cut_look(struct engine *e, const struct cache_key *key, uint64_t name_hash);
/* After that, in the same burst: fetch what they lead to. */
void engine_cut_fetch(struct engine *e, uint64_t question_hash);

/* Stage 1 of a question whose key is made: where that leads. name_hash: of its name; 0: not made. */
static inline void engine_hit_look_key(struct engine *e, unsigned i, uint64_t name_hash)
{
	struct engine_rx_work *work = &e->work[i];

	work->hash = e->keys[i].hash;
	work->name_hash = name_hash;
	work->looks_up = true;
}
/* Its key, too. qname, flag_cd: as engine_key_fold has them. */
static inline void engine_hit_look(struct engine *e, unsigned i, const uint8_t *qname,
				   uint8_t qname_bytes, uint16_t qtype, uint16_t flag_cd)
{
	engine_hit_look_key(e, i,
			    engine_key_fold(e, qname, qname_bytes, qtype, flag_cd, &e->keys[i]));
}
/* Where its hash leads. */
static inline __attribute__((always_inline)) void engine_hit_fetch(
	const struct engine *e, const struct engine_rx_work *work)
{
	if (UNLIKELY(!work->looks_up))
		return;
	if (LIKELY(e->cache != NULL))
		cache_prefetch(e->cache, work->hash);
	else
		resolution_prefetch(&e->resolutions, work->hash);
}
/* Stage 2, a step further each time; false: there is no further step. */
static inline __attribute__((always_inline)) bool engine_hit_reach(struct engine *e, unsigned i,
								   unsigned step)
{
	struct engine_rx_work *work = &e->work[i];

	if (UNLIKELY(!work->looks_up))
		return false;
	if (step == 0 && e->cache != NULL) {
		cache_candidates_inline(e->cache, work->hash, &work->candidates);
		if (UNLIKELY(work->candidates.count == 0)) {
			resolution_prefetch(&e->resolutions, work->hash);
			if (e->config->iterates)
				engine_cut_look(e, &e->keys[i], work->name_hash);
		}
		return true;
	}
	if (LIKELY(e->cache != NULL && work->candidates.count > 0)) {
		work->taken = cache_take(e->cache, work->candidates.words[0],
					 cache_hash_upper(work->hash), e->copies[i]);
		return false;
	}
	if (e->cache != NULL && e->config->iterates)
		engine_cut_fetch(e, work->hash);
	resolution_prefetch_found(&e->resolutions, work->hash);
	return false;
}
/* Stage 3. */
enum engine_hit {
	ENGINE_HIT_ANSWERED, /* the packet has ended */
	ENGINE_HIT_NONE,
	ENGINE_HIT_FOR_OWNER, /* it is to go to its owner, who answers it and refreshes the entry */
	ENGINE_HIT_STALE, /* as NONE, but e->entry has an expired entry, until the cache is asked again */
};
enum engine_hit engine_hit(struct engine *e, struct rx_slot *slot, unsigned i);
/* Of a question that was passed to us, and was taken out of its packet. */
enum engine_hit engine_hit_passed(struct engine *e, struct rx_slot *slot, unsigned i,
				  const struct resolution_key *key, const struct waiter *waiter);
/* Stage 3 of a question that has no packet around it: what the cache has for it, in e->entry, unless NONE; STALE as above. It is
 * refreshed, or to go to its owner, as others are. *stale: of ANSWERED: served on although it has expired. */
enum engine_hit engine_hit_entry(struct engine *e, unsigned i, bool *stale);
/* Answer with an expired entry, in the packet. False: it may not be written to, or has no room. */
MUST_USE bool engine_hit_stale(struct engine *e, struct rx_slot *slot,
			       const struct resolution_key *key, const struct waiter *waiter,
			       const uint64_t entry[]);
/* Build the answer for a waiter out of an entry into a frame, and count it. Returns the length; 0: no room, or the waiter is
 * one of our own. */
unsigned engine_answer_entry(struct engine *e, const struct resolution_key *key,
			     const struct waiter *waiter, const uint64_t entry[], bool stale,
			     struct buffer frame, uint8_t *interface_idx);
/* The same without a frame: for a waiter over TCP, too. */
size_t engine_entry_message(struct engine *e, const struct resolution_key *key,
			    const struct waiter *waiter, const uint64_t entry[], bool stale,
			    struct buffer message);
/* False: the cache has nothing under a key of this hash. */
static inline bool engine_cache_may_have(const struct engine *e, uint64_t hash)
{
	return e->cache != NULL && cache_may_have(e->cache, hash);
}
/* Of a zone's cut: in the bucket of the name's A question, as who looks for one looks for the other. */
static inline uint64_t engine_cut_key_hash(uint64_t name_hash)
{
	uint64_t bucket = engine_key_hash(name_hash, DNS_TYPE_A, 0) >> 32 << 32;

	return bucket | (uint32_t)engine_key_hash(name_hash, CACHE_ENTRY_CUT_TYPE, 0);
}

/* An entry of this key, whatever its age, that was not flushed; its words in copy. For what is not the hit path:
 * it prefetches nothing ahead. */
MUST_USE bool engine_cache_find(struct engine *e, const struct cache_key *key,
				uint64_t copy[CACHE_ENTRY_WORDS_MAX], struct cache_found *out);

#endif
