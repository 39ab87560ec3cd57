/* Answers from the cache, in the packet that the question came in: any worker answers any question from what all share.
 *
 * Stage 1 makes the key and prefetches its bucket, stage 2 prefetches the entries that it may be, then copies the first of
 * them, stage 3 compares keys and puts the answer around the question where that stands. Whatever does not go that way
 * (a packet that may not be written to, an entry that was overtaken) is as if it were not in the cache.
 */
#include "engine_hit.h"

#include <string.h>

#include "cache_entry_plain.h"
#include "cache_read.h"

/* A record that is stored without its fixed part takes that much more in a message. */
#define RECORD_FIXED_BYTES 12
/* IEEE 802.1Q */
#define VLAN_TAG_BYTES 4
/* The OPT with a cookie and two extended errors at most. */
#define OPT_BYTES_MAX (DNS_OPT_BYTES_MIN + 4 + COOKIE_BYTES + 2 * (4 + 2))

/* ---- keys ---- */

void engine_key_make(const struct engine *e, const struct name *qname, uint16_t qtype,
		     bool checking_disabled, struct cache_key *out)
{
	uint64_t name_hash = engine_key_fold(e, qname->bytes, qname->length_bytes, qtype,
					     checking_disabled ? DNS_FLAG_CD : 0, out);

	if (qtype == CACHE_ENTRY_CUT_TYPE)
		out->hash = engine_cut_key_hash(name_hash);
}

/* ---- stage 3 ---- */

__attribute__((noinline)) static bool is_flushed(const struct engine *e, uint64_t word,
						 const uint64_t copy[])
{
	struct cache_found found = cache_found_of(word, copy);

	return cache_is_flushed(e->cache, e->flush, &found, copy);
}

/* Of one candidate or more, an intact entry that was not flushed, in copy; its word in the index. */
static inline __attribute__((always_inline)) struct cache_looked find(
	struct engine *e, const struct cache_candidates *candidates, const struct cache_key *key,
	uint64_t copy[CACHE_ENTRY_WORDS_MAX])
{
	struct cache_looked looked =
		cache_find_inline(e->cache, candidates, key, copy, CACHE_ENTRY_WORDS_MAX);

	if (UNLIKELY(looked.found == CACHE_OVERTAKEN))
		counter_add(&e->counters, COUNTER_CACHE_OVERTAKEN, 1);
	else if (UNLIKELY(e->flush != NULL) && looked.found == CACHE_FOUND &&
		 is_flushed(e, looked.word, copy))
		looked.found = CACHE_NOT_FOUND;
	return looked;
}

bool engine_cache_find(struct engine *e, const struct cache_key *key,
		       uint64_t copy[CACHE_ENTRY_WORDS_MAX], struct cache_found *out)
{
	struct cache_candidates candidates;
	struct cache_looked looked;

	if (e->cache == NULL)
		return false;
	cache_candidates(e->cache, key->hash, &candidates);
	if (candidates.count == 0)
		return false;
	looked = find(e, &candidates, key, copy);
	if (looked.found != CACHE_FOUND)
		return false;
	*out = cache_found_of(looked.word, copy);
	return true;
}

/* Of a question's candidates: its entry and the word in the index; entry NULL: there is none. */
struct hit_entry {
	const uint64_t *entry; /* a slot's copy, or e->entry */
	uint64_t word;
};
static_assert(sizeof(struct hit_entry) <= 16, "returned in registers");

__attribute__((noinline)) static struct hit_entry find_any(struct engine *e, unsigned i)
{
	struct cache_looked looked = find(e, &e->work[i].candidates, &e->keys[i], e->entry);

	e->work[i].taken.marked = false; /* which was another's, maybe */
	return (struct hit_entry){looked.found == CACHE_FOUND ? e->entry : NULL, looked.word};
}

/* There is a candidate. Nearly always it is the one that was copied. */
static inline __attribute__((always_inline)) struct hit_entry find_copied(struct engine *e,
									  unsigned i)
{
	const struct engine_rx_work *work = &e->work[i];
	const uint64_t *copy = e->copies[i];

	if (LIKELY(work->taken.copied && e->flush == NULL) &&
	    LIKELY(cache_copy_is_of_key(copy, cache_entry_count(copy[0]), CACHE_COPY_LONG_WORDS,
					&e->keys[i])))
		return (struct hit_entry){copy, work->candidates.words[0]};
	return find_any(e, i);
}

/* What an entry is good for. */
struct judged {
	enum engine_hit hit;
	bool stale;
	bool young; /* nor does it want to be refreshed */
};
__attribute__((noinline)) static struct judged judge_old(struct engine *e, const uint64_t entry[])
{
	const struct engine_cache_config *config = &e->config->cache;
	struct judged judged = {ENGINE_HIT_NONE, false, false};

	switch (cache_entry_state(entry, config->max_stale_s, e->now_s)) {
	case CACHE_ENTRY_FRESH:
		judged.hit = ENGINE_HIT_ANSWERED;
		break;
	case CACHE_ENTRY_FRESH_STALE:
		judged.stale = true;
		judged.hit = config->serve_stale ? ENGINE_HIT_ANSWERED : ENGINE_HIT_NONE;
		break;
	case CACHE_ENTRY_STALE:
		judged.hit = config->serve_stale ? ENGINE_HIT_STALE : ENGINE_HIT_NONE;
		if (entry != e->entry)
			memcpy(e->entry, entry, sizeof(e->copies[0]));
		break;
	case CACHE_ENTRY_DEAD:
		break;
	}
	return judged;
}

static inline __attribute__((always_inline)) struct judged judge(struct engine *e,
								 const uint64_t entry[])
{
	if (LIKELY(cache_entry_is_young(entry, e->now_s)))
		return (struct judged){ENGINE_HIT_ANSWERED, false, true};
	return judge_old(e, entry);
}

/* Of an answer from that entry. Of single records there is nothing to rotate. */
static inline uint32_t next_rotation(struct engine *e, const uint64_t entry[])
{
	if (LIKELY((uint8_t)(entry[0] >> CACHE_ENTRY_RECORDS_SHIFT) <= 1))
		return 0;
	return e->config->cache.round_robin ? e->rotation++ : 0;
}

static void count_answer(struct engine *e, uint16_t rcode, bool truncated, bool stale)
{
	engine_count_answer(e, rcode);
	if (UNLIKELY(truncated))
		counter_add(&e->counters, COUNTER_ANSWERS_TRUNCATED, 1);
	if (UNLIKELY(stale))
		counter_add(&e->counters, COUNTER_CACHE_STALE, 1);
}

static void end_hit(struct engine *e, struct rx_slot *slot)
{
	e->burst_hits++;
	engine_end(e, slot, COUNTER_CACHE_HIT, RX_SEND);
}

/* ---- a question in the packet that it came in ---- */

/* How much a packet has from its message on, if that is less than any answer may be long; 0: it may not be written to. Where
 * the NIC has taken a tag off, which the answer is to have, headers begin before the packet. */
static inline size_t room_of(const struct rx_slot *slot, const struct frame_view *view)
{
	if (UNLIKELY(!slot->in_place ||
		     (slot->vlan != FRAME_VLAN_NONE && slot->headroom_bytes < VLAN_TAG_BYTES)))
		return 0;
	if (LIKELY(slot->tailroom_bytes >= EDNS_UDP_BYTES))
		return EDNS_UDP_BYTES;
	return slot->length_bytes + slot->tailroom_bytes -
	       (size_t)(view->payload.data - slot->data);
}

/* May the answer have to be cut off for want of room, and not because the client can take no more? */
static inline bool is_tight(const uint64_t entry[], uint16_t question_end, size_t room_bytes)
{
	struct cache_head head;

	if (LIKELY(room_bytes >= EDNS_UDP_BYTES))
		return false;
	head = cache_head_get(entry);
	return question_end + 8u * head.word_count +
		       (size_t)RECORD_FIXED_BYTES * head.record_count + OPT_BYTES_MAX >
	       room_bytes;
}

/* Headers before the message where the question's will not do. */
__attribute__((noinline)) static void other_headers(const struct engine *e, struct rx_slot *slot,
						    const struct frame_view *view, uint8_t *message,
						    size_t payload_bytes)
{
	const struct frame_interface *interface = &e->config->interfaces[slot->interface_idx];
	struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = view->src_mac,
		.vlan = interface->vlan,
		.vlan_pcp = view->vlan_pcp,
		.src = view->dst,
		.dst = view->src,
		.src_port = view->dst_port,
		.dst_port = view->src_port,
	};

	slot->data = message - frame_udp_header_bytes(&view->src, interface->vlan);
	slot->length_bytes = frame_build_udp(slot->data, &params, (unsigned)payload_bytes);
}

/* Where cache_entry_answer_plain will not do. Returns the message's length, and counts it. */
static __attribute__((noinline)) size_t answer_any(struct engine *e, const struct rx_slot *slot,
						   unsigned i, const uint64_t entry[],
						   size_t room_bytes, uint32_t rotation, bool stale)
{
	const struct frame_view *view = &e->work[i].view;
	const struct msg_query *query = &e->queries[i];
	uint16_t size_bytes = engine_udp_size_for(
		&query->edns,
		engine_udp_bytes_max(&e->config->interfaces[slot->interface_idx], &view->src));
	struct cache_entry_answer to = {
		.client = {.id = query->id,
			   .recursion_desired = (query->flags & DNS_FLAG_RD) != 0,
			   .checking_disabled = (query->flags & DNS_FLAG_CD) != 0,
			   .edns = query->edns.present,
			   .dnssec_ok = query->edns.dnssec_ok,
			   .udp_size_bytes =
				   (uint16_t)(size_bytes < room_bytes ? size_bytes : room_bytes)},
		.question_end = query->question_end,
		.now_s = e->now_s,
		.rotation = rotation,
		.stale = stale,
	};
	uint8_t cookie[COOKIE_BYTES];
	size_t length_bytes;
	uint16_t rcode;
	bool truncated;

	if (query->edns.cookie.length_bytes > 0) {
		/* Out of the OPT before that is written over. */
		engine_cookie_make(e, query->edns.cookie.data, &view->src, cookie);
		to.client.cookie = cookie;
		to.client.cookie_length_bytes = COOKIE_BYTES;
	}
	length_bytes = cache_entry_answer(slot->data + (view->payload.data - slot->data), entry,
					  &to, &truncated, &rcode);
	count_answer(e, rcode, truncated, stale);
	return length_bytes;
}

/* The answer that any client can take whole; length 0: it is not a plain one. */
static inline __attribute__((always_inline)) struct cache_entry_plain answer_plain(
	const struct engine *e, const uint64_t entry[], uint8_t *message,
	const struct msg_query *query, size_t room_bytes, uint32_t rotation)
{
	const struct cache_entry_answer to = {
		.client = {.id = query->id,
			   .recursion_desired = true,
			   .checking_disabled = (query->flags & DNS_FLAG_CD) != 0,
			   .edns = query->edns.present,
			   .dnssec_ok = query->edns.dnssec_ok,
			   .udp_size_bytes =
				   (uint16_t)(room_bytes < DNS_UDP_BYTES_MIN ? room_bytes
									     : DNS_UDP_BYTES_MIN)},
		.question_end = query->question_end,
		.now_s = e->now_s,
		.rotation = rotation,
	};

	if (UNLIKELY(query->edns.cookie.length_bytes > 0) ||
	    UNLIKELY((query->flags & DNS_FLAG_RD) == 0))
		return (struct cache_entry_plain){0, 0};
	return cache_entry_answer_plain(message, entry, &to);
}

static inline __attribute__((always_inline)) void answer(struct engine *e, struct rx_slot *slot,
							 unsigned i, const uint64_t entry[],
							 size_t room_bytes, bool stale)
{
	const struct frame_view *view = &e->work[i].view;
	const struct frame_interface *interface = &e->config->interfaces[slot->interface_idx];
	uint8_t *message = slot->data + (view->payload.data - slot->data);
	uint32_t rotation = next_rotation(e, entry);
	struct cache_entry_plain plain = {0, 0};
	size_t length_bytes;

	if (LIKELY(!stale))
		plain = answer_plain(e, entry, message, &e->queries[i], room_bytes, rotation);
	length_bytes = plain.length_bytes;
	if (LIKELY(length_bytes > 0)) {
		counter_add(&e->counters, COUNTER_ANSWERS_NOERROR, 1);
		slot->length_bytes = frame_reflect_udp_summed(interface, slot->data, view,
							      (unsigned)length_bytes, plain.sum);
	} else {
		length_bytes = answer_any(e, slot, i, entry, room_bytes, rotation, stale);
		slot->length_bytes =
			frame_reflect_udp(interface, slot->data, view, (unsigned)length_bytes);
	}
	if (UNLIKELY(slot->length_bytes == 0))
		other_headers(e, slot, view, message, length_bytes);
	end_hit(e, slot);
}

/* ---- refreshing what is popular ---- */

/* Sets the mark. Is it not for the first time, and is the entry, which is not young, about to expire? */
__attribute__((noinline)) static bool wants_refresh(struct engine *e, uint64_t word,
						    const uint64_t entry[])
{
	return cache_mark(e->cache, word) && e->config->cache.prefetch &&
	       cache_entry_wants_refresh(entry, e->now_s);
}

/* Whoever does not want recursion has nobody asked, not even for the cache's sake. */
static inline bool may_refresh(const struct engine *e, unsigned i)
{
	return (e->queries[i].flags & DNS_FLAG_RD) != 0;
}

/* May the owner of the question have it instead of us, so that it refreshes the entry? Once a second a name, and of
 * all names no more a second than there are places: where upstreams are dead, entries stay as they are, and we answer. */
static bool may_hand_over(struct engine *e, const struct engine_rx_work *work,
			  const struct msg_query *query)
{
	uint32_t *second = &e->handed_over_s[work->hash % ENGINE_HANDED_OVER];

	if (*second == e->now_s || e->stopping || engine_ways_full(e) ||
	    engine_zone_for(e->config, &query->qname) == ENGINE_ZONE_NONE)
		return false;
	*second = e->now_s;
	return true;
}

/* Of an entry that is about to expire. True: the packet is to go to its owner. */
static bool refresh(struct engine *e, unsigned i)
{
	if (engine_owner(e, e->work[i].hash) != e->worker_idx)
		return may_hand_over(e, &e->work[i], &e->queries[i]);
	engine_cache_refresh(e, &e->keys[i]); /* sends later */
	return false;
}

enum engine_hit engine_hit(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct engine_rx_work *work = &e->work[i];
	size_t room_bytes = room_of(slot, &work->view);
	struct hit_entry hit;
	struct judged judged;

	if (UNLIKELY(e->cache == NULL || room_bytes < MSG_BUILD_BYTES_MIN) ||
	    work->candidates.count == 0)
		return ENGINE_HIT_NONE;
	hit = find_copied(e, i);
	if (UNLIKELY(hit.entry == NULL))
		return ENGINE_HIT_NONE;
	judged = judge(e, hit.entry);
	if (UNLIKELY(judged.hit != ENGINE_HIT_ANSWERED))
		return judged.hit;
	if (UNLIKELY(is_tight(hit.entry, e->queries[i].question_end, room_bytes)))
		return ENGINE_HIT_NONE;
	if (LIKELY(judged.young)) {
		if (UNLIKELY(!work->taken.marked))
			(void)cache_mark(e->cache, hit.word);
	} else if (wants_refresh(e, hit.word, hit.entry) && may_refresh(e, i) && refresh(e, i)) {
		return ENGINE_HIT_FOR_OWNER;
	}
	answer(e, slot, i, hit.entry, room_bytes, judged.stale);
	return ENGINE_HIT_ANSWERED;
}

enum engine_hit engine_hit_entry(struct engine *e, unsigned i, bool *stale)
{
	struct cache_candidates candidates;
	struct cache_looked looked;
	struct judged judged;

	if (e->cache == NULL)
		return ENGINE_HIT_NONE;
	cache_candidates(e->cache, e->keys[i].hash, &candidates);
	if (candidates.count == 0)
		return ENGINE_HIT_NONE;
	looked = find(e, &candidates, &e->keys[i], e->entry);
	if (looked.found != CACHE_FOUND)
		return ENGINE_HIT_NONE;
	judged = judge(e, e->entry);
	*stale = judged.stale;
	if (judged.hit == ENGINE_HIT_ANSWERED && wants_refresh(e, looked.word, e->entry) &&
	    may_refresh(e, i) && refresh(e, i))
		return ENGINE_HIT_FOR_OWNER;
	return judged.hit;
}

/* ---- a question that is known by its waiter only ---- */

size_t engine_entry_message(struct engine *e, const struct resolution_key *key,
			    const struct waiter *waiter, const uint64_t entry[], bool stale,
			    struct buffer payload)
{
	uint8_t cookie[COOKIE_BYTES];
	uint8_t *qname = payload.data + DNS_HEADER_BYTES;
	struct cache_entry_answer to = {
		.client = engine_client_of(e, waiter, cookie),
		.question_end = (uint16_t)(DNS_HEADER_BYTES + key->qname.length_bytes + 4),
		.now_s = e->now_s,
		.rotation = next_rotation(e, entry),
		.stale = stale,
	};
	size_t length_bytes;
	bool truncated;
	uint16_t rcode;

	if (waiter->kind == WAITER_OWN || payload.capacity_bytes < MSG_BUILD_BYTES_MIN ||
	    is_tight(entry, to.question_end, payload.capacity_bytes))
		return 0;
	if (to.client.udp_size_bytes > payload.capacity_bytes)
		to.client.udp_size_bytes = (uint16_t)payload.capacity_bytes;
	memcpy(qname, key->qname.bytes, key->qname.length_bytes);
	name_case_apply(&waiter->udp.letter_case, qname, key->qname.length_bytes);
	wire_put_u16(qname + key->qname.length_bytes, key->qtype);
	wire_put_u16(qname + key->qname.length_bytes + 2, key->qclass);
	length_bytes = cache_entry_answer(payload.data, entry, &to, &truncated, &rcode);
	count_answer(e, rcode, truncated, stale);
	return length_bytes;
}

unsigned engine_answer_entry(struct engine *e, const struct resolution_key *key,
			     const struct waiter *waiter, const uint64_t entry[], bool stale,
			     struct buffer frame, uint8_t *interface_idx)
{
	size_t length_bytes = engine_entry_message(e, key, waiter, entry, stale,
						   engine_payload_of(e, waiter, frame));

	return length_bytes == 0
		       ? 0
		       : engine_frame_for(e, waiter, frame.data, length_bytes, interface_idx);
}

static bool answer_over(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
			const struct waiter *waiter, const uint64_t entry[], bool stale)
{
	unsigned length_bytes;

	if (UNLIKELY(waiter->kind == WAITER_STREAM))
		return engine_stream_hit(e, slot, key, waiter);
	if (!slot->in_place)
		return false;
	length_bytes = engine_answer_entry(e, key, waiter, entry, stale, engine_room(slot),
					   &slot->interface_idx);
	if (length_bytes == 0)
		return false;
	slot->length_bytes = length_bytes;
	end_hit(e, slot);
	return true;
}

bool engine_hit_stale(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		      const struct waiter *waiter, const uint64_t entry[])
{
	return answer_over(e, slot, key, waiter, entry, true);
}

enum engine_hit engine_hit_passed(struct engine *e, struct rx_slot *slot, unsigned i,
				  const struct resolution_key *key, const struct waiter *waiter)
{
	struct hit_entry hit;
	struct judged judged;

	if (e->cache == NULL || e->work[i].candidates.count == 0)
		return ENGINE_HIT_NONE;
	hit = find_copied(e, i);
	if (hit.entry == NULL)
		return ENGINE_HIT_NONE;
	judged = judge(e, hit.entry);
	if (judged.hit != ENGINE_HIT_ANSWERED)
		return judged.hit;
	if (!answer_over(e, slot, key, waiter, hit.entry, judged.stale))
		return ENGINE_HIT_NONE;
	if (wants_refresh(e, hit.word, hit.entry))
		engine_cache_refresh(e, &e->keys[i]);
	return ENGINE_HIT_ANSWERED;
}

/* ---- how long it took ---- */

void engine_burst_sent(struct engine *e, mono_ns now)
{
	if (e->burst_hits > 0)
		latency_add(&e->latencies.hit, now > e->now ? now - e->now : 0, e->burst_hits);
	e->burst_hits = 0;
}
