/* What is kept of answers and failures, what is served although it has expired, and what is asked for again before it does.
 *
 * All of it is done by the worker that owns the question: one writer a question, and one resolution. An entry at hand stands
 * in e->kept; no function counts on finding there what another one left. */
#include "cache_flush.h"
#include "engine_hit.h"
#include "engine_iterate.h"

#include <string.h>

/* RFC 9520 section 3.2: a failure is kept for 1 s to 5 minutes; each in a row twice as long, up to a bound of ours. */
#define FAILURE_TTL_S_MIN 1
#define FAILURE_TTL_S_MAX 300
#define FAILURE_BACKOFF_S_MAX 60
/* A failure that is over for longer is not the last one in a row. */
#define FAILURE_FORGOTTEN_S 60
/* Of what may be under way, this share at most asks for nobody (1/2). */
#define REFRESH_SHARE 2
#define SOA_MINIMUM_BYTES 4      /* the last of its RDATA (RFC 1035 section 3.3.13) */
#define TTL_BEFORE_RDATA_BYTES 6 /* TTL and RDLENGTH */
#define POINTED_RECORD_BYTES 12  /* pointer, type, class, TTL, RDLENGTH */

/* ---- keys and entries ---- */

static void key_of(const struct resolution_key *from, struct cache_key *to)
{
	engine_key_known(&from->qname, 0, from->qtype, from->view, from->checking_disabled,
			 from->hash, to);
}

/* Put e->kept. False: it is not kept; what is lost is asked for again. */
static bool put(struct engine *e, const struct cache_key *key, unsigned word_count)
{
	switch (cache_put(e->cache_writer, key, e->kept, word_count, e->now_s, e->flush)) {
	case CACHE_PUT_OK:
		return true;
	case CACHE_PUT_LOST: /* counted there */
	case CACHE_PUT_TOO_LONG:
		break;
	}
	return false;
}

/* What there is of a question in e->kept, and what it is good for. */
enum kept {
	KEPT_NONE,
	KEPT_FAILURE, /* of any age */
	KEPT_DEAD,
	KEPT_STALE, /* expired, and may be served */
	KEPT_FRESH_STALE,
	KEPT_FRESH,
};

static enum kept find_kept(struct engine *e, const struct cache_key *key)
{
	const struct engine_cache_config *config = &e->config->cache;
	struct cache_found found;

	if (!engine_cache_find(e, key, e->kept, &found))
		return KEPT_NONE;
	if (cache_entry_is_failure(e->kept))
		return KEPT_FAILURE;
	switch (cache_entry_state(e->kept, config->max_stale_s, e->now_s)) {
	case CACHE_ENTRY_FRESH:
		return KEPT_FRESH;
	case CACHE_ENTRY_FRESH_STALE:
		return config->serve_stale ? KEPT_FRESH_STALE : KEPT_DEAD;
	case CACHE_ENTRY_STALE:
		return config->serve_stale ? KEPT_STALE : KEPT_DEAD;
	case CACHE_ENTRY_DEAD:
		break;
	}
	return KEPT_DEAD;
}

/* May it be given to a client that nothing better comes for? */
static bool is_of_use(enum kept kept)
{
	return kept == KEPT_STALE || kept == KEPT_FRESH_STALE || kept == KEPT_FRESH;
}

/* Serve e->kept, which has expired, for ttl_s more without asking: who comes now finds it in the cache. */
static void put_stale(struct engine *e, const struct cache_key *key, uint32_t ttl_s)
{
	unsigned word_count;

	if (cache_entry_make_stale(e->kept, &word_count, e->kept, ttl_s,
				   e->config->cache.max_stale_s, e->now_s))
		(void)put(e, key, word_count);
}

/* ---- answers ---- */

static uint32_t bounded(const struct engine_cache_config *config, uint32_t ttl_s)
{
	if (ttl_s < config->min_ttl_s)
		ttl_s = config->min_ttl_s;
	return ttl_s < config->max_ttl_s ? ttl_s : config->max_ttl_s;
}

/* The TTL of a negative answer is its SOA's, the lesser of two (RFC 2308 section 5). */
static uint32_t soa_ttl_s(const struct engine_cache_config *config, const uint8_t *message,
			  const struct msg_record *record)
{
	uint32_t ttl_s = bounded(config, record->ttl_s);
	uint32_t minimum_s =
		bounded(config, wire_get_u32(message + record->end_offset - SOA_MINIMUM_BYTES));

	if (minimum_s < ttl_s)
		ttl_s = minimum_s;
	return ttl_s < config->negative_max_ttl_s ? ttl_s : config->negative_max_ttl_s;
}

/* As msg_record_next, of a message that was checked, and quicker where the owner is nothing but a pointer. */
static bool next_record(struct span message, size_t *offset, struct msg_record *out)
{
	const uint8_t *at = message.data + *offset;

	if (*offset + POINTED_RECORD_BYTES > message.length_bytes || at[0] < DNS_POINTER_FLAG)
		return msg_record_next(message, offset, out);
	out->type = wire_get_u16(at + 2);
	out->ttl_s = wire_get_u32(at + POINTED_RECORD_BYTES - TTL_BEFORE_RDATA_BYTES);
	out->rdata_offset = (uint16_t)(*offset + POINTED_RECORD_BYTES);
	out->end_offset =
		(uint16_t)(out->rdata_offset + wire_get_u16(at + POINTED_RECORD_BYTES - 2));
	*offset = out->end_offset;
	if (out->ttl_s > INT32_MAX) /* RFC 2181 section 8 */
		out->ttl_s = 0;
	return out->end_offset <= message.length_bytes;
}

/* TTLs as the configuration allows them, and as cache_entry_make makes them. message: the response's, to be written to. */
static void bound_ttls(const struct engine_cache_config *config,
		       const struct msg_response *response, uint8_t *message)
{
	unsigned authority = response->answer_count;
	unsigned additional = authority + response->authority_count;
	unsigned count = additional + response->additional_count;
	size_t offset = response->records_offset;
	struct msg_record record;

	for (unsigned i = 0; i < count; i++) {
		uint32_t ttl_s;

		if (!next_record(response->message, &offset, &record))
			return; /* what was whole was counted, so this cannot be */
		if (record.type == DNS_TYPE_OPT)
			continue;
		if (record.type == DNS_TYPE_SOA && i >= authority && i < additional)
			ttl_s = soa_ttl_s(config, message, &record);
		else
			ttl_s = bounded(config, record.ttl_s);
		if (UNLIKELY(ttl_s != record.ttl_s))
			wire_put_u32(message + record.rdata_offset - TTL_BEFORE_RDATA_BYTES, ttl_s);
	}
}

/* What has been served stale must not outlive an answer that cannot be kept itself. */
static void forget(struct engine *e, const struct cache_key *key)
{
	struct cache_found found;

	if (engine_cache_find(e, key, e->kept, &found))
		(void)cache_remove(e->cache, &found);
}

/* The answer as an entry in e->kept; false: it is not to be kept. Its TTLs are bounded in any case. */
static bool make(struct engine *e, const struct cache_key *key, const struct msg_response *response,
		 uint8_t *message, unsigned *word_count)
{
	const struct engine_cache_config *config = &e->config->cache;
	struct cache_entry_rules rules = {config->min_ttl_s, config->max_ttl_s,
					  config->negative_max_ttl_s};

	if (LIKELY(cache_entry_make_plain(e->kept, word_count, key, response, message, &rules,
					  e->now_s)))
		return true;
	bound_ttls(config, response, message);
	switch (cache_entry_make(e->kept, word_count, key, response, &rules, e->now_s)) {
	case CACHE_ENTRY_OK:
		return true;
	case CACHE_ENTRY_TTL_ZERO:
	case CACHE_ENTRY_TRUNCATED:
	case CACHE_ENTRY_RCODE:
	case CACHE_ENTRY_NO_SOA:
	case CACHE_ENTRY_TOO_MANY:
	case CACHE_ENTRY_TOO_LONG:
	case CACHE_ENTRY_MAKE_COUNT:
		break;
	}
	return false;
}

/* A name that there is not has nothing of any type: its denial is found under A as well, where those who iterate look for
 * denials of their own names and of names above them (RFC 2308 section 5, RFC 8020). Another worker may own that question: then two
 * entries of it may stand for a while, which say the same. */
static void put_denial(struct engine *e, const struct resolution *r,
		       const struct msg_response *response, uint8_t *message)
{
	struct cache_key key;
	unsigned word_count;

	if (r->key.qtype == DNS_TYPE_A || response->answer_count != 0 ||
	    !engine_zone_iterates(e->config, r->key.zone_idx))
		return;
	engine_key_make(e, &r->key.qname, DNS_TYPE_A, false, &key);
	/* Some servers deny names of which they are asked for a type that they do not know (RFC 4074 section 4.2). */
	if (find_kept(e, &key) == KEPT_FRESH)
		return;
	if (make(e, &key, response, message, &word_count))
		(void)put(e, &key, word_count);
}

void engine_cache_store(struct engine *e, const struct resolution *r,
			const struct msg_response *response, uint8_t *message)
{
	struct cache_key key;
	unsigned word_count;

	DCHECK(response->message.data == message);
	/* Who asked has the answer of a server that a reload has taken its zone from meanwhile; those to come have the next. */
	if (UNLIKELY(!resolution_has_zone(r, e->config))) {
		bound_ttls(&e->config->cache, response, message);
		return;
	}
	key_of(&r->key, &key);
	if (UNLIKELY(response->message.length_bytes > CACHE_ENTRY_BYTES_MAX)) {
		bound_ttls(&e->config->cache, response, message);
	} else if (LIKELY(make(e, &key, response, message, &word_count) &&
			  put(e, &key, word_count))) {
		if (UNLIKELY((response->flags & DNS_RCODE_MASK) == DNS_RCODE_NXDOMAIN))
			put_denial(e, r, response, message);
		return;
	}
	if (r->stale_at != MONO_NEVER)
		forget(e, &key);
}

/* ---- failures ---- */

static uint32_t failure_ttl_s(const struct engine *e)
{
	uint32_t ttl_s = e->config->cache.failure_ttl_s;

	if (ttl_s < FAILURE_TTL_S_MIN)
		return FAILURE_TTL_S_MIN;
	return ttl_s < FAILURE_TTL_S_MAX ? ttl_s : FAILURE_TTL_S_MAX;
}

/* After the failure in e->kept. */
static uint32_t next_failure_ttl_s(const struct engine *e)
{
	struct cache_head last = cache_head_get(e->kept);
	uint32_t first_s = failure_ttl_s(e);
	uint32_t twice_s = 2 * last.ttl_s;

	if (e->now_s - last.stored_at_s > last.ttl_s + FAILURE_FORGOTTEN_S)
		return first_s;
	if (twice_s > FAILURE_BACKOFF_S_MAX)
		twice_s = FAILURE_BACKOFF_S_MAX;
	return twice_s > first_s ? twice_s : first_s;
}

void engine_cache_store_failure(struct engine *e, struct resolution *r)
{
	uint32_t ttl_s = failure_ttl_s(e);
	bool tells = resolution_failure_tells(r);
	struct cache_key key;
	unsigned word_count;
	enum kept kept;

	key_of(&r->key, &key);
	kept = find_kept(e, &key);
	r->from_cache = is_of_use(kept);
	if (!tells || kept == KEPT_FRESH)
		return;
	if (r->from_cache) {
		put_stale(e, &key, ttl_s > CACHE_STALE_TTL_S ? ttl_s : CACHE_STALE_TTL_S);
		return;
	}
	if (kept == KEPT_FAILURE)
		ttl_s = next_failure_ttl_s(e);
	cache_entry_make_failure(e->kept, &word_count, &key, r->rcode, r->ede, ttl_s, e->now_s);
	if (put(e, &key, word_count))
		counter_add(&e->counters, COUNTER_CACHE_FAILURES, 1);
}

/* ---- stale answers (RFC 8767) ---- */

static uint32_t stale_timer(const struct engine *e, uint32_t resolution_idx)
{
	return 2 * e->under_way_max + resolution_idx;
}

static void stale_push(struct engine *e, uint32_t idx)
{
	struct engine_queue *q = &e->stale_queue;
	struct resolution *r = &e->resolutions.resolutions[idx];

	r->stale_queued = true;
	r->stale_previous = q->tail;
	r->stale_next = POOL_NONE;
	if (q->count++ == 0)
		q->head = idx;
	else
		e->resolutions.resolutions[q->tail].stale_next = idx;
	q->tail = idx;
}

static void stale_remove(struct engine *e, uint32_t idx)
{
	struct engine_queue *q = &e->stale_queue;
	struct resolution *r = &e->resolutions.resolutions[idx];

	CHECK(r->stale_queued && q->count > 0);
	if (r->stale_previous == POOL_NONE)
		q->head = r->stale_next;
	else
		e->resolutions.resolutions[r->stale_previous].stale_next = r->stale_next;
	if (r->stale_next == POOL_NONE)
		q->tail = r->stale_previous;
	else
		e->resolutions.resolutions[r->stale_next].stale_previous = r->stale_previous;
	q->count--;
	r->stale_queued = false;
	r->stale_previous = POOL_NONE;
	r->stale_next = POOL_NONE;
}

/* Its waiters have waited long enough. Those who come later find what is put here, until the resolution has ended. */
static void stale_begin(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	uint64_t left_ns = r->deadline_at > e->now ? r->deadline_at - e->now : 0;
	struct cache_key key;
	enum kept kept;

	key_of(&r->key, &key);
	kept = find_kept(e, &key);
	if (!is_of_use(kept))
		return;
	if (kept == KEPT_STALE)
		put_stale(e, &key, (uint32_t)(left_ns / NS_PER_S) + 1);
	if (r->waiter_count > 0 && !r->stale_queued)
		stale_push(e, idx);
	if (UNLIKELY(r->stream_tail != POOL_NONE))
		engine_stream_release(e, idx);
}

void engine_stale_on_wait(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct cache_key key;
	enum kept kept;

	if (!e->config->cache.serve_stale)
		return;
	if (r->stale_at == MONO_NEVER) {
		if (!engine_cache_may_have(e, r->key.hash))
			return;
		key_of(&r->key, &key);
		kept = find_kept(e, &key);
		if (kept == KEPT_STALE)
			r->stale_at = e->now + e->config->cache.client_timeout_ms * NS_PER_MS;
		else if (kept == KEPT_FRESH_STALE)
			r->stale_at = e->now;
		else
			return;
	}
	if (r->stale_at <= e->now)
		stale_begin(e, idx);
	else
		timer_set(&e->timers, stale_timer(e, idx), r->stale_at);
}

void engine_stale_on_timer(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	CHECK(r->state != RESOLUTION_FREE && r->state != RESOLUTION_DONE && e->now >= r->stale_at);
	stale_begin(e, idx);
}

void engine_stale_on_end(struct engine *e, uint32_t idx)
{
	if (e->resolutions.resolutions[idx].stale_at == MONO_NEVER)
		return;
	timer_cancel(&e->timers, stale_timer(e, idx));
	if (e->resolutions.resolutions[idx].stale_queued)
		stale_remove(e, idx);
}

unsigned engine_stale_answer(struct engine *e, const struct resolution_key *key,
			     const struct waiter *waiter, struct buffer frame,
			     uint8_t *interface_idx)
{
	struct cache_key cache_key;
	unsigned length_bytes;
	enum kept kept;

	key_of(key, &cache_key);
	kept = find_kept(e, &cache_key);
	if (!is_of_use(kept))
		return 0;
	length_bytes = engine_answer_entry(e, key, waiter, e->kept, kept != KEPT_FRESH, frame,
					   interface_idx);
	if (length_bytes > 0)
		engine_count_wait(e, waiter);
	return length_bytes;
}

size_t engine_stale_message(struct engine *e, const struct resolution_key *key,
			    const struct waiter *waiter, struct buffer message)
{
	struct cache_key cache_key;
	size_t length_bytes;
	enum kept kept;

	key_of(key, &cache_key);
	kept = find_kept(e, &cache_key);
	if (!is_of_use(kept))
		return 0;
	length_bytes = engine_entry_message(e, key, waiter, e->kept, kept != KEPT_FRESH, message);
	if (length_bytes > 0)
		engine_count_wait(e, waiter);
	return length_bytes;
}

/* The first waiter that is a client. One of our own wants no answer from the cache: it goes to the end of the line. */
static const struct waiter *client_at_head(struct engine *e, struct resolution *r)
{
	struct waiter *waiters = e->waiters.waiters;

	for (unsigned i = 0; i < ENGINE_ASKS_MAX && r->waiter_count > 1; i++) {
		uint32_t idx = r->waiter_head;

		if (LIKELY(waiters[idx].kind != WAITER_OWN))
			break;
		r->waiter_head = waiters[idx].next;
		waiters[idx].next = POOL_NONE;
		waiters[r->waiter_tail].next = idx;
		r->waiter_tail = idx;
	}
	return &waiters[r->waiter_head];
}

/* What is left is our own, or the entry has gone meanwhile: they wait for the end. */
bool engine_stale_fill(struct engine *e, struct tx_slot *slot)
{
	struct buffer frame = {slot->data, slot->capacity_bytes};

	while (e->stale_queue.count > 0) {
		uint32_t idx = e->stale_queue.head;
		struct resolution *r = &e->resolutions.resolutions[idx];
		const struct waiter *waiter = client_at_head(e, r);

		slot->length_bytes =
			engine_stale_answer(e, &r->key, waiter, frame, &slot->interface_idx);
		if (slot->length_bytes == 0) {
			stale_remove(e, idx);
			continue;
		}
		engine_waiter_end(e, engine_waiter_next(e, r));
		if (r->waiter_count == 0)
			stale_remove(e, idx);
		return true;
	}
	return false;
}

void engine_stale_check(const struct engine *e)
{
	uint32_t before = POOL_NONE;
	uint32_t count = 0;

	for (uint32_t i = e->stale_queue.head; i != POOL_NONE && count <= e->stale_queue.count;
	     i = e->resolutions.resolutions[i].stale_next, count++) {
		const struct resolution *r = &e->resolutions.resolutions[i];

		CHECK(r->stale_queued && r->stale_previous == before && r->stale_at <= e->now);
		before = i;
	}
	CHECK(count == e->stale_queue.count);
	CHECK(count == 0 || before == e->stale_queue.tail);
	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++)
		count -= e->resolutions.resolutions[i].stale_queued;
	CHECK(count == 0);
}

/* ---- asked again before it expires ---- */

static void resolution_key_of(const struct engine *e, const struct cache_key *from,
			      struct resolution_key *to)
{
	*to = (struct resolution_key){
		.hash = from->hash,
		.qtype = cache_key_type(from),
		.qclass = DNS_CLASS_IN,
		.view = from->image[2] & CACHE_KEY_VIEW_MAX,
		.checking_disabled = (from->image[2] & CACHE_KEY_CD) != 0,
	};
	to->qname.length_bytes = (uint8_t)(from->image_bytes - CACHE_KEY_NAME);
	memcpy(to->qname.bytes, from->image + CACHE_KEY_NAME, to->qname.length_bytes);
	to->zone_idx = engine_zone_for(e->config, &to->qname);
}

void engine_cache_refresh(struct engine *e, const struct cache_key *key)
{
	struct engine_refresh *last = &e->refreshes[key->hash & (ENGINE_REFRESHES - 1)];
	struct resolution_key wanted;
	struct resolution_env env;
	uint32_t idx;

	if (last->hash == key->hash && e->now < last->again_at)
		return;
	if (!e->config->cache.prefetch || e->stopping ||
	    engine_owner(e, key->hash) != e->worker_idx ||
	    pool_used_count(&e->resolutions.free) >= e->under_way_max / REFRESH_SHARE)
		return;
	resolution_key_of(e, key, &wanted);
	if (wanted.zone_idx == ENGINE_ZONE_NONE ||
	    resolution_find(&e->resolutions, &wanted) != POOL_NONE)
		return;
	wanted.zone_generation = engine_zone_generation(e->config, wanted.zone_idx);
	idx = resolution_take(&e->resolutions, &wanted, e->now);
	if (idx == POOL_NONE)
		return;
	/* Who fails to refresh it does not try with every client that is answered meanwhile. */
	*last = (struct engine_refresh){key->hash, e->now + failure_ttl_s(e) * NS_PER_S};
	counter_add(&e->counters, COUNTER_CACHE_PREFETCHES, 1);
	if (engine_zone_iterates(e->config, wanted.zone_idx)) {
		engine_iterate_init(e, idx, NULL);
		engine_step(e, idx, RESOLUTION_STEP_ITERATE, NULL);
		return;
	}
	env = engine_env(e);
	engine_step(e, idx, resolution_on_start(&e->resolutions, idx, &env), NULL);
}

/* ---- beside the packet path ---- */

const struct cache_writer_stats *engine_cache_stats(const struct engine *e)
{
	return e->cache_writer != NULL ? &e->cache_writer->stats : NULL;
}

bool engine_cache_restore(struct engine *e, struct cache_key *key, uint64_t words[],
			  unsigned word_count, mono_ns now)
{
	uint32_t now_s = engine_clock_s(e, now);
	struct cache_found found;

	if (e->cache == NULL || engine_owner(e, key->hash) != e->worker_idx)
		return false;
	if (cache_flush_names(e->flush, words))
		return true;
	/* What was learned since the start is newer than any file; that nothing was learned is worth less. */
	if (engine_cache_find(e, key, e->kept, &found) &&
	    (!cache_entry_is_failure(e->kept) || cache_entry_is_failure(words)))
		return true;
	switch (cache_put(e->cache_writer, key, words, word_count, now_s, e->flush)) {
	case CACHE_PUT_OK:
	case CACHE_PUT_LOST:
	case CACHE_PUT_TOO_LONG:
		break;
	}
	return true;
}
