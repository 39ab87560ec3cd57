/* Questions from clients: judged, coalesced, and answered. */
#include "engine_hit.h"
#include "engine_iterate.h"

#include <string.h>

#include "cookie.h"
#include "local_name.h"

/* ---- counting ---- */

const uint8_t engine_rcode_counter[ENGINE_RCODES_COUNTED] = {
	[DNS_RCODE_NOERROR] = COUNTER_ANSWERS_NOERROR,
	[DNS_RCODE_FORMERR] = COUNTER_ANSWERS_FORMERR,
	[DNS_RCODE_SERVFAIL] = COUNTER_ANSWERS_SERVFAIL,
	[DNS_RCODE_NXDOMAIN] = COUNTER_ANSWERS_NXDOMAIN,
	[DNS_RCODE_NOTIMP] = COUNTER_ANSWERS_NOTIMP,
	[DNS_RCODE_REFUSED] = COUNTER_ANSWERS_REFUSED,
};
static_assert(COUNTER_COUNT <= UINT8_MAX, "a byte each");

/* ---- what a waiter is owed ---- */

static void waiter_from_query(struct engine *e, const struct rx_slot *slot,
			      const struct frame_view *view, const struct msg_query *query,
			      struct waiter *out)
{
	struct waiter_udp_client *udp = &out->udp;
	uint8_t flags = 0;

	out->kind = WAITER_UDP_CLIENT;
	out->origin_worker = e->worker_idx;
	out->generation = 0;
	out->client_place = 0;
	out->next = POOL_NONE;
	out->ask_handle = 0;
	out->arrived_at = e->now;
	udp->client = view->src;
	udp->local = view->dst;
	udp->mac = view->src_mac;
	udp->client_port = view->src_port;
	udp->local_port = view->dst_port;
	udp->id = query->id;
	udp->udp_size_bytes = engine_udp_size_for(
		&query->edns,
		engine_udp_bytes_max(&e->config->interfaces[slot->interface_idx], &view->src));
	udp->interface_idx = slot->interface_idx;
	udp->vlan_pcp = view->vlan_pcp;
	flags |= (query->flags & DNS_FLAG_RD) != 0 ? WAITER_RD : 0;
	flags |= (query->flags & DNS_FLAG_CD) != 0 ? WAITER_CD : 0;
	flags |= query->edns.present ? WAITER_EDNS : 0;
	flags |= query->edns.dnssec_ok ? WAITER_DO : 0;
	memset(udp->client_cookie, 0, sizeof(udp->client_cookie));
	if (query->edns.cookie.length_bytes >= DNS_COOKIE_CLIENT_BYTES) {
		flags |= WAITER_COOKIE;
		memcpy(udp->client_cookie, query->edns.cookie.data, DNS_COOKIE_CLIENT_BYTES);
	}
	udp->flags = flags;
	if (query->question_present)
		name_case_take(&query->qname, &udp->letter_case);
	else
		memset(&udp->letter_case, 0, sizeof(udp->letter_case));
}

void engine_waiter_make(struct engine *e, uint8_t interface_idx, const struct frame_view *view,
			const struct msg_query *query, struct waiter *out)
{
	waiter_from_query(e, &(struct rx_slot){.interface_idx = interface_idx}, view, query, out);
}

void engine_cookie_make(const struct engine *e, const uint8_t *client_cookie,
			const struct address *client, uint8_t cookie[COOKIE_BYTES])
{
	memcpy(cookie, client_cookie, DNS_COOKIE_CLIENT_BYTES);
	cookie_make(&e->cookie_key, cookie, client, engine_wall_s(e),
		    cookie + DNS_COOKIE_CLIENT_BYTES);
}

unsigned engine_frame_for(const struct engine *e, const struct waiter *w, uint8_t *frame,
			  size_t payload_bytes, uint8_t *interface_idx)
{
	const struct waiter_udp_client *udp = &w->udp;
	const struct frame_interface *interface = &e->config->interfaces[udp->interface_idx];
	struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = udp->mac,
		.vlan = interface->vlan,
		.vlan_pcp = udp->vlan_pcp,
		.src = udp->local,
		.dst = udp->client,
		.src_port = udp->local_port,
		.dst_port = udp->client_port,
	};

	*interface_idx = udp->interface_idx;
	return frame_build_udp(frame, &params, (unsigned)payload_bytes);
}

struct buffer engine_payload_of(const struct engine *e, const struct waiter *w, struct buffer frame)
{
	unsigned header_bytes = frame_udp_header_bytes(
		&w->udp.client, e->config->interfaces[w->udp.interface_idx].vlan);

	if (frame.capacity_bytes < header_bytes)
		return (struct buffer){frame.data, 0};
	return (struct buffer){frame.data + header_bytes, frame.capacity_bytes - header_bytes};
}

void engine_count_wait(struct engine *e, const struct waiter *waiter)
{
	/* Workers' clocks may differ a little. */
	latency_add(&e->latencies.miss,
		    e->now > waiter->arrived_at ? e->now - waiter->arrived_at : 0, 1);
}

unsigned engine_answer_waiter(struct engine *e, const struct resolution *r,
			      const struct waiter *waiter, const struct msg_response *response,
			      struct buffer frame, uint8_t *interface_idx)
{
	uint8_t cookie[COOKIE_BYTES];
	struct buffer payload = engine_payload_of(e, waiter, frame);
	struct name qname;
	struct msg_reply_params params = {
		.client = engine_client_of(e, waiter, cookie),
		.rcode = r->rcode,
		.recursion_available = true,
		.qname = &qname,
		.qtype = r->key.qtype,
		.qclass = r->key.qclass,
		.ede = response == NULL ? r->ede : DNS_EDE_NONE,
	};
	size_t length_bytes = 0;

	if (UNLIKELY(waiter->kind == WAITER_OWN)) {
		engine_ask_on_answer(e, waiter->ask_handle, r, response);
		return 0;
	}
	if (UNLIKELY(r->from_cache)) {
		length_bytes = engine_stale_answer(e, &r->key, waiter, frame, interface_idx);
		if (length_bytes > 0) /* else it has gone since the resolution ended */
			return (unsigned)length_bytes;
	}
	engine_count_wait(e, waiter);
	name_copy(&qname, &r->key.qname);
	name_case_apply(&waiter->udp.letter_case, qname.bytes, qname.length_bytes);
	if (response == NULL) {
		length_bytes = msg_build_reply(payload, &params);
	} else if (msg_build_answer(payload, response, &params, &length_bytes) ==
			   MSG_ANSWER_TRUNCATED &&
		   length_bytes > 0) {
		counter_add(&e->counters, COUNTER_ANSWERS_TRUNCATED, 1);
	}
	if (length_bytes == 0)
		return 0;
	engine_count_answer(e, r->rcode);
	return engine_frame_for(e, waiter, frame.data, length_bytes, interface_idx);
}

/* ---- replies made at once, over the query's own packet ---- */

static void reply_now(struct engine *e, struct rx_slot *slot, const struct engine_rx_work *work,
		      const struct msg_query *query, struct query_verdict verdict, uint16_t ede)
{
	uint8_t cookie[COOKIE_BYTES];
	struct buffer frame = engine_room(slot);
	struct waiter w;
	struct buffer payload;
	size_t length_bytes;

	waiter_from_query(e, slot, &work->view, query, &w);
	payload = engine_payload_of(e, &w, frame);
	struct msg_reply_params params = {
		.client = engine_client_of(e, &w, cookie),
		.rcode = verdict.rcode,
		.recursion_available = true,
		.qname = verdict.question_echoed ? &query->qname : NULL,
		.qtype = query->qtype,
		.qclass = query->qclass,
		.ede = ede,
		.any_hinfo = verdict.action == QUERY_REPLY_ANY,
	};
	if (!slot->in_place) {
		engine_end(e, slot, COUNTER_DROP_NO_ROOM, RX_FREE);
		return;
	}
	length_bytes = msg_build_reply(payload, &params);
	/* An error never says more than was asked (SECURITY.md section 3.1): what it could do without goes, but
	 * for the cookie of BADCOOKIE, which is what that is for. */
	if (verdict.rcode != DNS_RCODE_NOERROR && verdict.action != QUERY_REPLY_COOKIE &&
	    length_bytes > work->view.payload.length_bytes) {
		params.ede = DNS_EDE_NONE;
		params.client.cookie = NULL;
		params.client.cookie_length_bytes = 0;
		length_bytes = msg_build_reply(payload, &params);
	}
	if (length_bytes == 0) {
		engine_end(e, slot, COUNTER_DROP_NO_ROOM, RX_FREE);
		return;
	}
	/* RFC 1035 section 4.1.1: the opcode is copied, even of one that we do not know. */
	payload.data[2] |= (uint8_t)((query->flags & DNS_OPCODE_MASK) >> 8);
	slot->length_bytes =
		engine_frame_for(e, &w, frame.data, length_bytes, &slot->interface_idx);
	engine_count_answer(e, verdict.rcode);
	engine_end(e, slot, COUNTER_QUESTION_REPLIED, RX_SEND);
}

/* ---- a question, stage 3 ---- */

/* Did this client come back with a server cookie of ours (RFC 7873 section 5.4)? */
static uint16_t cookie_rcode(const struct engine *e, const struct address *client,
			     const struct msg_query *query)
{
	switch (cookie_check(&e->cookie_key, query->edns.cookie, client, engine_wall_s(e))) {
	case COOKIE_VALID:
	case COOKIE_CLIENT_ONLY:
		return DNS_RCODE_NOERROR;
	case COOKIE_STALE:
	case COOKIE_BAD:
	case COOKIE_RESULT_COUNT:
		break;
	}
	return DNS_RCODE_BADCOOKIE;
}

/* Refusals and errors are rationed by the client's prefix, so that spoofed ones reflect little. */
static void reply_error(struct engine *e, struct rx_slot *slot, unsigned i,
			struct query_verdict verdict, uint16_t ede)
{
	if (!rate_limit_take(&e->error_limit, &e->work[i].view.src, e->now)) {
		engine_end(e, slot, COUNTER_DROP_RATE_ERROR, RX_FREE);
		return;
	}
	reply_now(e, slot, &e->work[i], &e->queries[i], verdict, ede);
}

/* Where the next waiter is taken from the pool: what is made there needs not be copied. */
static inline struct waiter *waiter_place(const struct engine *e, struct waiter *elsewhere)
{
	uint32_t idx = pool_peek(&e->waiters.free, 0);

	return LIKELY(idx != POOL_NONE) ? &e->waiters.waiters[idx] : elsewhere;
}

/* It goes to its owner, or waits for its answer here. stale: an expired entry that answers it if it can do neither; or NULL. */
__attribute__((noinline)) static void resolve(struct engine *e, struct rx_slot *slot, unsigned i,
					      const uint64_t *stale)
{
	const struct msg_query *query = &e->queries[i];
	struct resolution_key key_elsewhere; /* not cleared: names are long */
	struct resolution_key *key = resolution_key_place(&e->resolutions, &key_elsewhere);
	struct waiter elsewhere;
	struct waiter *waiter;

	key->hash = e->work[i].hash;
	key->qtype = query->qtype;
	key->qclass = query->qclass;
	key->view = 0;
	key->checking_disabled = (query->flags & DNS_FLAG_CD) != 0;
	name_copy(&key->qname, engine_key_name(&e->keys[i]));
	key->zone_idx = engine_zone_for(e->config, &key->qname);
	if (key->zone_idx == ENGINE_ZONE_NONE) {
		reply_error(e, slot, i,
			    (struct query_verdict){QUERY_REPLY, DNS_RCODE_REFUSED, true},
			    DNS_EDE_NOT_AUTHORITATIVE);
		return;
	}
	key->zone_generation = engine_zone_generation(e->config, key->zone_idx);
	waiter = waiter_place(e, &elsewhere);
	waiter_from_query(e, slot, &e->work[i].view, query, waiter);
	if (engine_owner(e, key->hash) == e->worker_idx) {
		engine_resolve(e, slot, key, waiter, stale);
		return;
	}
	if (UNLIKELY(stale != NULL) && engine_ways_full(e) &&
	    engine_hit_stale(e, slot, key, waiter, stale))
		return;
	engine_question_pass(e, slot, key, waiter);
}

/* From the cache, if it is there; else on. */
static inline void answer(struct engine *e, struct rx_slot *slot, unsigned i)
{
	enum engine_hit hit = engine_hit(e, slot, i);

	if (LIKELY(hit == ENGINE_HIT_ANSWERED))
		return;
	switch (hit) {
	case ENGINE_HIT_ANSWERED:
		return;
	case ENGINE_HIT_NONE:
	case ENGINE_HIT_FOR_OWNER:
		resolve(e, slot, i, NULL);
		return;
	case ENGINE_HIT_STALE:
		resolve(e, slot, i, e->entry);
		return;
	}
}

bool engine_admit(struct engine *e, struct rx_slot *slot, const struct address *client,
		  const struct msg_query *query, struct query_verdict *verdict, uint16_t *ede)
{
	*ede = DNS_EDE_NONE;
	if (verdict->action == QUERY_DROP_SHORT) {
		engine_end(e, slot, COUNTER_DROP_QUERY_SHORT, RX_FREE);
		return false;
	}
	if (verdict->action == QUERY_DROP_IS_RESPONSE) {
		engine_end(e, slot, COUNTER_DROP_QUERY_IS_RESPONSE, RX_FREE);
		return false;
	}
	if (e->stopping) {
		engine_end(e, slot, COUNTER_DROP_STOPPING, RX_FREE);
		return false;
	}
	counter_add(&e->counters, COUNTER_QUERIES, 1);
	if (!acl_contains(e->config->acl, client)) {
		verdict->action = QUERY_REPLY;
		verdict->rcode = DNS_RCODE_REFUSED;
		*ede = DNS_EDE_PROHIBITED;
	} else if (verdict->action == QUERY_REPLY_COOKIE) {
		verdict->rcode = cookie_rcode(e, client, query);
	}
	return true;
}

/* What is not to be resolved, or not yet known to be. */
__attribute__((noinline)) static void judge(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct msg_query *query = &e->queries[i];
	struct query_verdict verdict = query_policy_judge(e->query_results[i], query);
	uint16_t ede;

	if (!engine_admit(e, slot, &e->work[i].view.src, query, &verdict, &ede))
		return;
	switch (verdict.action) {
	case QUERY_RESOLVE:
		answer(e, slot, i);
		return;
	case QUERY_REPLY_CACHED:
		if (engine_hit(e, slot, i) == ENGINE_HIT_ANSWERED)
			return;
		break;
	case QUERY_REPLY_COOKIE:
	case QUERY_REPLY_ANY:
		reply_now(e, slot, &e->work[i], query, verdict, ede);
		return;
	case QUERY_REPLY:
	case QUERY_DROP_SHORT:
	case QUERY_DROP_IS_RESPONSE:
		break;
	}
	reply_error(e, slot, i, verdict, ede);
}

void engine_question(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct msg_query *query = &e->queries[i];

	if (UNLIKELY(e->stopping || !query_policy_is_ordinary(e->query_results[i], query) ||
		     !acl_contains(e->config->acl, &e->work[i].view.src))) {
		judge(e, slot, i);
		return;
	}
	counter_add(&e->counters, COUNTER_QUERIES, 1);
	answer(e, slot, i);
}

/* ---- waiting ---- */

static_assert(CLIENT_WAITERS_CROWDED <= CLIENT_WAITERS_MIN,
	      "below this every client may hold more");

/* How many waiters one client address may hold now. */
static uint32_t client_waiters_max(const struct engine *e)
{
	uint32_t share = e->waiters.free.capacity / CLIENT_SHARE;

	if (pool_used_count(&e->waiters.free) > e->waiters.free.capacity / 2 ||
	    pool_used_count(&e->resolutions.free) > e->resolutions.free.capacity / 2)
		return CLIENT_WAITERS_CROWDED;
	return share > CLIENT_WAITERS_MIN ? share : CLIENT_WAITERS_MIN;
}

static uint16_t client_place(const struct engine *e, const struct waiter *waiter)
{
	return (uint16_t)(hash_address(&e->waiters.client_key, waiter->udp.client.bytes, 0) %
			  CLIENT_PLACES);
}

uint32_t engine_waiter_take(struct engine *e, const struct waiter *waiter)
{
	uint16_t place = client_place(e, waiter);
	uint32_t idx;

	if (e->waiters.client_counts[place] >= client_waiters_max(e))
		return POOL_NONE;
	idx = pool_take(&e->waiters.free);
	if (idx == POOL_NONE)
		return POOL_NONE;
	e->waiters.waiters[idx] = *waiter;
	e->waiters.waiters[idx].client_place = place;
	e->waiters.client_counts[place]++;
	return idx;
}

void engine_waiter_end(struct engine *e, uint32_t waiter_idx)
{
	uint32_t *count = &e->waiters.client_counts[e->waiters.waiters[waiter_idx].client_place];

	CHECK(*count > 0);
	(*count)--;
	pool_put(&e->waiters.free, waiter_idx);
}

static inline void prefetch_to_write(const void *memory, unsigned line_count)
{
	enum { LINE_BYTES = 64 };

	for (unsigned i = 0; i < line_count; i++)
		__builtin_prefetch((const uint8_t *)memory + (size_t)i * LINE_BYTES, 1);
}

/* What questions after this one will take, if they are new too; as far as names of ordinary length go. */
static inline void prefetch_ahead(const struct engine *e)
{
	uint32_t resolution = pool_peek(&e->resolutions.free, ENGINE_MISSES_AHEAD);
	uint32_t slot = pool_peek(&e->inflight.free, ENGINE_MISSES_AHEAD);
	uint32_t waiter = pool_peek(&e->waiters.free, ENGINE_MISSES_AHEAD);

	if (LIKELY(resolution != POOL_NONE))
		prefetch_to_write(&e->resolutions.resolutions[resolution], 3);
	if (LIKELY(waiter != POOL_NONE))
		prefetch_to_write(&e->waiters.waiters[waiter], 2);
	if (LIKELY(slot != POOL_NONE)) {
		prefetch_to_write(&e->inflight.slots[slot], 2);
		timer_prefetch(&e->timers, slot);
	}
}

static inline void waiter_push(struct engine *e, struct resolution *r, uint32_t waiter_idx)
{
	if (r->waiter_count == 0)
		r->waiter_head = waiter_idx;
	else
		e->waiters.waiters[r->waiter_tail].next = waiter_idx;
	r->waiter_tail = waiter_idx;
	r->waiter_count++;
}

/* False: it has ended at once. A question that was passed may be of a zone that a reload has just taken away. */
static inline bool begin(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct msg_response found;
	struct resolution_env env;
	enum resolution_step step;

	if (UNLIKELY(local_name_may_be(&r->key.qname)) && engine_local_answer(e, idx))
		return false;
	if (engine_zone_iterates(e->config, r->key.zone_idx)) {
		engine_iterate_init(e, idx, NULL);
		step = engine_iterate_advance(e, idx, &found);
		if (step != RESOLUTION_STEP_SEND)
			engine_step(e, idx, step, &found);
		return step == RESOLUTION_STEP_SEND;
	}
	if (LIKELY(resolution_has_zone(r, e->config) &&
		   resolution_on_start_alone(&e->resolutions, idx,
					     &e->config->zones[r->key.zone_idx], e->now)))
		return true;
	env = engine_env(e);
	step = resolution_on_start(&e->resolutions, idx, &env);
	if (step == RESOLUTION_STEP_SEND)
		return true;
	engine_step(e, idx, step, NULL);
	return false;
}

static inline __attribute__((always_inline)) enum counter wait_for(struct engine *e,
								   const struct resolution_key *key,
								   const struct waiter *waiter,
								   uint32_t *resolution_idx)
{
	uint32_t idx = engine_find(e, key);
	bool is_new = idx == POOL_NONE;
	uint16_t place = client_place(e, waiter);
	struct resolution *r;
	uint32_t waiter_idx;

	*resolution_idx = POOL_NONE;
	if (!is_new &&
	    resolution_waiters(&e->resolutions.resolutions[idx]) >= WAITERS_PER_QUESTION_MAX)
		return COUNTER_DROP_QUESTION_WAITERS;
	/* The least of its values first: it is what most are below. */
	if (UNLIKELY(e->waiters.client_counts[place] >= CLIENT_WAITERS_CROWDED) &&
	    e->waiters.client_counts[place] >= client_waiters_max(e))
		return COUNTER_DROP_CLIENT_WAITERS;
	waiter_idx = pool_take(&e->waiters.free);
	if (waiter_idx == POOL_NONE)
		return COUNTER_DROP_WAITERS_FULL;
	if (is_new) {
		prefetch_ahead(e);
		idx = resolution_take(&e->resolutions, key, e->now);
	}
	if (idx == POOL_NONE) {
		pool_put(&e->waiters.free, waiter_idx);
		counter_add(&e->counters, COUNTER_SHED_UNDER_WAY, 1);
		return COUNTER_DROP_WAITERS_FULL;
	}
	r = &e->resolutions.resolutions[idx];
	if (waiter != &e->waiters.waiters[waiter_idx]) /* else it was made there */
		e->waiters.waiters[waiter_idx] = *waiter;
	e->waiters.waiters[waiter_idx].client_place = place;
	e->waiters.client_counts[place]++;
	if (UNLIKELY(waiter->kind == WAITER_STREAM))
		engine_stream_wait(e, idx, waiter_idx);
	else
		waiter_push(e, r, waiter_idx);
	/* The first client, or one that has joined what we ask ourselves, or is in a list of its own. */
	if ((r->waiting == 1 || r->waiter_count == 0 ||
	     e->waiters.waiters[r->waiter_head].kind == WAITER_OWN) &&
	    e->cache != NULL && waiter->kind != WAITER_OWN)
		engine_stale_on_wait(e, idx);
	if (UNLIKELY((waiter->udp.flags & WAITER_TRACE) != 0))
		engine_trace_begin(e, idx);
	if (!is_new && r->has_iteration)
		engine_sub_join_client(e, idx);
	if (is_new && begin(e, idx))
		*resolution_idx = idx;
	return is_new ? COUNTER_QUESTION_NEW : COUNTER_COALESCED;
}

enum counter engine_wait(struct engine *e, const struct resolution_key *key,
			 const struct waiter *waiter, uint32_t *resolution_idx)
{
	return wait_for(e, key, waiter, resolution_idx);
}

static bool is_waiting(enum counter outcome)
{
	return outcome == COUNTER_QUESTION_NEW || outcome == COUNTER_COALESCED;
}

void engine_resolve(struct engine *e, struct rx_slot *slot, const struct resolution_key *key,
		    const struct waiter *waiter, const uint64_t *stale)
{
	uint32_t resolution_idx = POOL_NONE;
	enum counter outcome = wait_for(e, key, waiter, &resolution_idx);

	if (UNLIKELY(!is_waiting(outcome)) && stale != NULL &&
	    engine_hit_stale(e, slot, key, waiter, stale))
		return;
	if (e->cache != NULL)
		counter_add(&e->counters, COUNTER_CACHE_MISSES, 1);
	engine_end(e, slot, outcome, RX_FREE);
	if (resolution_idx == POOL_NONE)
		return;
	if (slot->in_place)
		e->begun[e->begun_count++] = (struct engine_begun){slot, resolution_idx};
	else
		engine_queue_push(e, &e->send_queue, resolution_idx);
}

uint32_t engine_waiter_next(struct engine *e, struct resolution *r)
{
	uint32_t idx = r->waiter_head;

	if (idx == POOL_NONE)
		return POOL_NONE;
	r->waiter_head = e->waiters.waiters[idx].next;
	if (--r->waiter_count == 0)
		r->waiter_tail = POOL_NONE;
	return idx;
}

/* The resolution at the head of the answer queue has no waiter left: give back what it holds. */
static void answered(struct engine *e)
{
	engine_resolution_end(e, engine_queue_pop(e, &e->answer_queue));
}

bool engine_answer_fill(struct engine *e, struct tx_slot *slot)
{
	struct buffer frame = {slot->data, slot->capacity_bytes};

	/* By turns, so that neither keeps the other waiting. */
	e->stale_turn = !e->stale_turn;
	if (e->stale_turn && engine_stale_fill(e, slot))
		return true;
	while (e->answer_queue.count > 0) {
		struct resolution *r = &e->resolutions.resolutions[e->answer_queue.head];
		uint32_t waiter_idx = engine_waiter_next(e, r);

		CHECK(waiter_idx != POOL_NONE);
		/* One of our own leaves the frame to the next. */
		slot->length_bytes =
			engine_answer_waiter(e, r, &e->waiters.waiters[waiter_idx],
					     engine_kept_answer(e, r), frame, &slot->interface_idx);
		engine_waiter_end(e, waiter_idx);
		if (r->waiter_count == 0)
			answered(e);
		if (slot->length_bytes > 0)
			return true;
	}
	return engine_stale_fill(e, slot);
}
