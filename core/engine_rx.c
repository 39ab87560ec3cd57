/* A received burst in stages, so that cache misses overlap with each other and with work, and each stage's program stays in the
 * first cache: look at frames (parse, hash, prefetch where the hash leads), reach for what is behind it, step by step, then act
 * on each. */
#include "engine_hit.h"
#include "engine_iterate.h"

#include <assert.h>

#include "dns_const.h"

/* Every reason of frame_parse has its counter. */
const uint16_t engine_frame_outcome[FRAME_RESULT_COUNT] = {
	[FRAME_OK] = COUNTER_OUTCOME_COUNT,
	[FRAME_SHORT] = COUNTER_DROP_SHORT,
	[FRAME_L2_DST] = COUNTER_DROP_L2_DST,
	[FRAME_L2_SRC] = COUNTER_DROP_L2_SRC,
	[FRAME_VLAN] = COUNTER_DROP_VLAN,
	[FRAME_ETHERTYPE] = COUNTER_DROP_ETHERTYPE,
	[FRAME_IP_HEADER] = COUNTER_DROP_IP_HEADER,
	[FRAME_IP_CHECKSUM] = COUNTER_DROP_IP_CHECKSUM,
	[FRAME_IP_OPTIONS] = COUNTER_DROP_IP_OPTIONS,
	[FRAME_IP_FRAGMENT] = COUNTER_DROP_IP_FRAGMENT,
	[FRAME_IP_EXTENSION] = COUNTER_DROP_IP_EXTENSION,
	[FRAME_IP_MARTIAN_SRC] = COUNTER_DROP_IP_MARTIAN_SRC,
	[FRAME_IP_DST] = COUNTER_DROP_IP_DST,
	[FRAME_IP_PROTOCOL] = COUNTER_DROP_IP_PROTOCOL,
	[FRAME_UDP_LENGTH] = COUNTER_DROP_UDP_LENGTH,
	[FRAME_UDP_CHECKSUM] = COUNTER_DROP_UDP_CHECKSUM,
	[FRAME_UDP_PORT] = COUNTER_DROP_UDP_SRC_PORT,
	[FRAME_ARP] = COUNTER_DROP_ARP,
	[FRAME_ND] = COUNTER_DROP_ND,
	[FRAME_ICMP_CHECKSUM] = COUNTER_DROP_ICMP_CHECKSUM,
	[FRAME_ICMP_TYPE] = COUNTER_DROP_ICMP_TYPE,
};
static_assert(FRAME_RESULT_COUNT == 21, "a new reason needs its counter here");

/* The packet's room from the frame's start on: its first lines are in the cache already. */
struct buffer engine_room(const struct rx_slot *slot)
{
	return (struct buffer){slot->data, (size_t)slot->length_bytes + slot->tailroom_bytes};
}

static inline bool is_listen(const struct engine *e, uint8_t interface_idx,
			     const struct frame_view *view)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->listen_count; i++)
		if (c->listen[i].endpoint.port == view->dst_port &&
		    c->listen[i].interface_idx == interface_idx &&
		    address_equal(&c->listen[i].endpoint.address, &view->dst))
			return true;
	return false;
}

static bool is_response(const struct frame_view *view)
{
	return view->payload.length_bytes >= DNS_HEADER_BYTES && msg_is_response(view->payload);
}

static inline __attribute__((always_inline)) void look_question(struct engine *e,
								struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	struct msg_query *query = &e->queries[i];

	if (query_policy_port_is_loop(work->view.src_port)) {
		engine_end(e, slot, COUNTER_DROP_UDP_SRC_PORT, RX_FREE);
		return;
	}
	work->stage = ENGINE_RX_QUESTION;
	work->looks_up = false;
	e->query_results[i] = msg_parse_query(work->view.payload, query);
	if (LIKELY(e->query_results[i] == MSG_QUERY_OK))
		engine_hit_look(e, i, work->view.payload.data + DNS_HEADER_BYTES,
				query->qname.length_bytes, query->qtype,
				query->flags & DNS_FLAG_CD);
}

/* To a port of ours that queries leave from, or to none. Where we send from a port that we listen on, QR tells replies from
 * questions. */
static inline __attribute__((always_inline)) void look_reply(struct engine *e, struct rx_slot *slot,
							     unsigned i, bool listens)
{
	enum counter refused = engine_reply_look(e, slot, i);

	if (LIKELY(refused == COUNTER_OUTCOME_COUNT))
		return;
	if (listens)
		look_question(e, slot, i);
	else
		engine_end(e, slot, refused, refused == COUNTER_KERNEL_RX ? RX_KERNEL : RX_FREE);
}

static inline __attribute__((always_inline)) void look_udp(struct engine *e, struct rx_slot *slot,
							   unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	bool listens = is_listen(e, slot->interface_idx, &work->view);

	if (LIKELY(listens) && !is_response(&work->view))
		look_question(e, slot, i);
	else
		look_reply(e, slot, i, listens);
}

/* What frame_udp_parse does not know. */
__attribute__((noinline)) static void look_any(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct frame_interface *interface = &e->config->interfaces[slot->interface_idx];
	struct engine_rx_work *work = &e->work[i];
	struct span frame = {slot->data, slot->length_bytes};
	enum frame_result result = frame_parse_any(interface, frame, slot->vlan, &work->view);

	if (result == FRAME_OK && work->view.kind == FRAME_UDP)
		look_udp(e, slot, i);
	else if (interface->kernel == FRAME_KERNEL_TAP &&
		 (result != FRAME_OK ||
		  !engine_link_is_for_identifier(e, slot->interface_idx, &work->view)))
		engine_kernel_rx(e, slot, result);
	else if (result != FRAME_OK)
		engine_end(e, slot, (enum counter)engine_frame_outcome[result], RX_FREE);
	else if (interface->kernel == FRAME_KERNEL_SHARES)
		engine_end(e, slot, COUNTER_LEFT_TO_KERNEL, RX_FREE);
	else if (e->worker_idx == LINK_WORKER)
		work->stage = ENGINE_RX_LINK;
	else
		engine_link_pass(e, slot, i);
}

__attribute__((noinline)) static void look(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	struct span frame = {slot->data, slot->length_bytes};

	work->stage = ENGINE_RX_ENDED;
	if (UNLIKELY(slot->kind >= RX_PASSED_QUESTION)) {
		if (slot->kind == RX_PASSED_QUESTION)
			engine_passed_look(e, slot, i);
		else
			work->stage = ENGINE_RX_PASSED_SUB;
		return;
	}
	if (UNLIKELY(slot->multi_segment)) {
		engine_end(e, slot, COUNTER_DROP_MULTI_SEGMENT, RX_FREE);
		return;
	}
	DCHECK(slot->interface_idx < e->config->interface_count);
	if (UNLIKELY(!frame_udp_parse(&e->config->interfaces[slot->interface_idx], frame,
				      slot->vlan, &work->view)))
		look_any(e, slot, i);
	else
		look_udp(e, slot, i);
}

/* So many are looked at before what their hashes lead to is fetched, all at once: the CPU then looks several of their pages up at
 * the same time, where one now and then would have it wait each time. */
#define FETCHED_AT_ONCE 8

static inline __attribute__((always_inline)) void fetch(struct engine *e,
							const struct rx_slot *slot, unsigned i)
{
	const struct engine_rx_work *work = &e->work[i];

	switch ((enum engine_rx_stage)work->stage) {
	case ENGINE_RX_QUESTION:
	case ENGINE_RX_PASSED_QUESTION:
		engine_hit_fetch(e, work);
		return;
	case ENGINE_RX_REPLY:
		/* Passed to us, it most likely ends a query of ours; else the word may be another's, whose cache is to keep it. */
		if (slot->kind == RX_PASSED_PACKET)
			inflight_prefetch_write(e->inflight.words, work->hash);
		else
			inflight_prefetch(e->inflight.words, work->hash);
		return;
	case ENGINE_RX_ENDED:
	case ENGINE_RX_PASSED_SUB:
	case ENGINE_RX_LINK:
		return;
	}
}

static inline __attribute__((always_inline)) void look_at_all(struct engine *e,
							      struct rx_slot slots[],
							      unsigned slot_count)
{
	for (unsigned begin = 0; begin < slot_count; begin += FETCHED_AT_ONCE) {
		unsigned end =
			slot_count - begin < FETCHED_AT_ONCE ? slot_count : begin + FETCHED_AT_ONCE;

		for (unsigned i = begin; i < end; i++)
			look(e, &slots[i], i);
		for (unsigned i = begin; i < end; i++)
			fetch(e, &slots[i], i);
	}
}

/* ---- between looking and acting ---- */

#define ENGINE_REACH_STEPS 3
#define CACHE_LINE_BYTES 64
/* What is touched of a slot and a resolution whose names are of ordinary length. */
#define REACH_SLOT_LINES 2
#define REACH_RESOLUTION_LINES 2
#define REACH_KEY_LINES 3 /* with the key's name */
/* Of a passed packet, as far as names of ordinary length go. */
#define PASSED_QUESTION_LINES 3
#define PASSED_REPLY_LINES 2
static_assert(ENGINE_NO_RESOLUTION == POOL_NONE, "no index of either");
static_assert(RX_PASSED_QUESTION > RX_PASSED_PACKET && RX_PASSED_QUESTION > RX_PACKET &&
		      RX_PASSED_SUB_QUESTION > RX_PASSED_QUESTION &&
		      RX_PASSED_SUB_ANSWER > RX_PASSED_QUESTION,
	      "what is no frame comes from this kind on");

/* Always inline: GCC leaves out calls of functions that do nothing but prefetch. */
static inline __attribute__((always_inline)) void prefetch_lines(const void *memory,
								 unsigned line_count)
{
#pragma GCC unroll 4
	for (unsigned i = 0; i < line_count; i++)
		__builtin_prefetch((const uint8_t *)memory + (size_t)i * CACHE_LINE_BYTES, 1);
}

/* The bucket is here: whose it is, and which slot of ours, most likely. */
static inline uint32_t reply_slot(const struct engine *e, struct engine_rx_work *work)
{
	uint16_t id = msg_id(work->view.payload);
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;

	if (UNLIKELY(!inflight_find_first(e->inflight.words, work->hash, id, &hits[0])) &&
	    (inflight_find(e->inflight.words, work->hash, id, hits, &hit_count) != INFLIGHT_MATCH ||
	     hit_count > 1))
		return POOL_NONE;
	work->owner = hits[0].owner;
	return hits[0].owner == e->worker_idx ? hits[0].slot : POOL_NONE;
}

/* The slot is here: its timer, its resolution, and where the question of that is found and kept. */
static inline __attribute__((always_inline)) void reach_resolution(struct engine *e,
								   struct engine_rx_work *work)
{
	const struct inflight_slot *sent = &e->inflight.slots[work->slot_idx];

	work->reached_idx = sent->resolution_idx;
	timer_prefetch(&e->timers, work->slot_idx);
	if (work->reached_idx == POOL_NONE)
		return;
	prefetch_lines(&e->resolutions.resolutions[work->reached_idx],
		       e->cache != NULL ? REACH_KEY_LINES : REACH_RESOLUTION_LINES);
	resolution_prefetch(&e->resolutions, sent->question_hash);
	if (e->cache != NULL)
		cache_prefetch(e->cache, sent->question_hash);
}

/* The resolution is here: its first waiter. */
static inline __attribute__((always_inline)) void reach_waiter(struct engine *e,
							       const struct engine_rx_work *work)
{
	uint32_t waiter_idx = e->resolutions.resolutions[work->reached_idx].waiter_head;

	if (LIKELY(waiter_idx != POOL_NONE))
		prefetch_lines(&e->waiters.waiters[waiter_idx],
			       sizeof(struct waiter) / CACHE_LINE_BYTES);
}

/* What a reply leads to; false: no further step. */
static inline __attribute__((always_inline)) bool reach_reply(struct engine *e, unsigned i,
							      unsigned step)
{
	struct engine_rx_work *work = &e->work[i];

	if (step == 0) {
		work->reached_idx = POOL_NONE;
		work->slot_idx = reply_slot(e, work);
		if (LIKELY(work->slot_idx != POOL_NONE))
			prefetch_lines(&e->inflight.slots[work->slot_idx], REACH_SLOT_LINES);
	} else if (step == 1) {
		if (LIKELY(work->slot_idx != POOL_NONE))
			reach_resolution(e, work);
	} else if (LIKELY(work->reached_idx != POOL_NONE)) {
		reach_waiter(e, work);
	}
	return step + 1 < ENGINE_REACH_STEPS;
}

/* Only prefetches: what it looks at may have changed when the packet's turn comes. False: no further step. */
static inline __attribute__((always_inline)) bool reach(struct engine *e, unsigned i, unsigned step)
{
	switch ((enum engine_rx_stage)e->work[i].stage) {
	case ENGINE_RX_QUESTION:
	case ENGINE_RX_PASSED_QUESTION:
		return engine_hit_reach(e, i, step);
	case ENGINE_RX_REPLY:
		return reach_reply(e, i, step);
	case ENGINE_RX_ENDED:
	case ENGINE_RX_PASSED_SUB:
	case ENGINE_RX_LINK:
		break;
	}
	return false;
}

static void act(struct engine *e, struct rx_slot *slot, unsigned i)
{
	switch ((enum engine_rx_stage)e->work[i].stage) {
	case ENGINE_RX_ENDED:
		return;
	case ENGINE_RX_QUESTION:
		engine_question(e, slot, i);
		return;
	case ENGINE_RX_PASSED_QUESTION:
		engine_passed(e, slot, i);
		return;
	case ENGINE_RX_PASSED_SUB:
		engine_sub_passed(e, slot);
		return;
	case ENGINE_RX_REPLY:
		engine_reply(e, slot, i);
		return;
	case ENGINE_RX_LINK:
		engine_link_rx(e, slot, i);
		return;
	}
}

/* ---- a burst ---- */

/* In *reaching bit i says that slot i has a further step to reach. */
static_assert(BURST_SLOTS_MAX <= 64, "a bit a slot");
static inline __attribute__((always_inline)) void reach_once(struct engine *e, uint64_t *reaching,
							     unsigned i, unsigned step)
{
	if ((*reaching >> i & 1) != 0 && !reach(e, i, step))
		*reaching &= ~(UINT64_C(1) << i);
}

/* What another worker wrote last comes from its cache, and is written over here. */
static inline __attribute__((always_inline)) void fetch_passed(const struct rx_slot *slot)
{
	prefetch_lines(slot->data, slot->kind >= RX_PASSED_QUESTION ? PASSED_QUESTION_LINES
								    : PASSED_REPLY_LINES);
}

/* The slots of which fetch_passed is to be called, of a burst that comes from one place. */
static inline unsigned passed_count(const struct rx_slot slots[], unsigned slot_count)
{
	return slot_count > 0 && slots[0].kind != RX_PACKET ? slot_count : 0;
}

/* Queries leave in the packets that their questions came in. */
static void send_begun(struct engine *e)
{
	engine_begun_ahead(e);
	for (unsigned i = 0; i < e->begun_count; i++) {
		struct rx_slot *slot = e->begun[i].slot;
		unsigned length_bytes = engine_query_send(e, e->begun[i].resolution_idx,
							  engine_room(slot), &slot->interface_idx);

		if (length_bytes == 0) /* the packet is freed, as it came */
			continue;
		slot->length_bytes = length_bytes;
		slot->verdict = RX_SEND;
	}
	e->begun_count = 0;
}

/* Questions and the rest, then replies, then what the questions send: by kind, as what one kind takes of the program is more than
 * half of a core's first cache. A question that a reply of the burst answers joins those who wait for it. */
static void act_all(struct engine *e, struct rx_slot slots[], unsigned slot_count)
{
	uint64_t replies = 0;

	for (unsigned i = 0; i < slot_count; i++)
		if (e->work[i].stage == ENGINE_RX_REPLY)
			replies |= UINT64_C(1) << i;
		else
			act(e, &slots[i], i);
	for (; replies != 0; replies &= replies - 1) {
		unsigned i = (unsigned)__builtin_ctzll(replies);

		act(e, &slots[i], i);
	}
	send_begun(e);
}

void engine_rx_burst(struct engine *e, struct rx_slot slots[], unsigned slot_count)
{
	bool samples =
		UNLIKELY(e->burst_number++ % ENGINE_SAMPLE_BURSTS == 0) && e->read_cycles != NULL;
	uint64_t begun = samples ? e->read_cycles() : 0;
	uint64_t reaching = UINT64_MAX;
	uint64_t parsed, reached;
	unsigned received = 0;

	for (unsigned i = 0; i < slot_count; i++)
		received += slots[i].kind == RX_PACKET;
	counter_add(&e->counters, COUNTER_RX_PACKETS, received);
	counter_add(&e->counters, COUNTER_HANDOFFS, slot_count - received);
	e->burst_hits = 0;
	for (unsigned i = 0; i < passed_count(slots, slot_count); i++)
		fetch_passed(&slots[i]);
	look_at_all(e, slots, slot_count);
	parsed = samples ? e->read_cycles() : 0;
	for (unsigned step = 0; step < ENGINE_REACH_STEPS; step++)
		for (unsigned i = 0; i < slot_count; i++)
			reach_once(e, &reaching, i, step);
	reached = samples ? e->read_cycles() : 0;
	act_all(e, slots, slot_count);
	if (!samples)
		return;
	counter_add(&e->counters, COUNTER_CYCLES_ACT, e->read_cycles() - reached);
	counter_add(&e->counters, COUNTER_CYCLES_REACH, reached - parsed);
	counter_add(&e->counters, COUNTER_CYCLES_PARSE, parsed - begun);
	counter_add(&e->counters, COUNTER_SAMPLED_PACKETS, slot_count);
}
