/* A received burst in stages, so that cache misses overlap with each other and with work: look at frames (parse, hash,
 * prefetch where the hash leads), reach for what is behind it, step by step, then act on each. */
#include "engine_state.h"

#include <assert.h>

#include "dns_const.h"

/* Slots that go through the stages together: half of the cache lines that a core can wait for, at three a question. */
#define ENGINE_RX_GROUP 8

/* Every reason of frame_parse has its counter. */
static const uint16_t frame_outcome[FRAME_RESULT_COUNT] = {
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

static bool is_listen(const struct engine *e, uint8_t interface_idx, const struct frame_view *view)
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

static void look_question(struct engine *e, struct rx_slot *slot, unsigned i)
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

/* Where we send from a port that we listen on, QR tells replies from questions. */
static void look_udp(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	bool listens = is_listen(e, slot->interface_idx, &work->view);

	if (!listens || is_response(&work->view)) {
		enum counter refused = engine_source_find(e, slot->interface_idx, &work->view,
							  &work->outgoing_idx);

		if (refused == COUNTER_OUTCOME_COUNT) {
			engine_reply_look(e, slot, i);
			return;
		}
		if (!listens) {
			engine_end(e, slot, refused, RX_FREE);
			return;
		}
	}
	look_question(e, slot, i);
}

static void look(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	struct span frame = {slot->data, slot->length_bytes};
	const struct frame_interface *interface;
	enum frame_result result;

	work->stage = ENGINE_RX_ENDED;
	if (slot->kind == RX_PASSED_QUESTION) {
		engine_passed_look(e, slot, i);
		return;
	}
	if (slot->multi_segment) {
		engine_end(e, slot, COUNTER_DROP_MULTI_SEGMENT, RX_FREE);
		return;
	}
	DCHECK(slot->interface_idx < e->config->interface_count);
	interface = &e->config->interfaces[slot->interface_idx];
	result = frame_parse(interface, frame, slot->vlan, &work->view);
	if (result != FRAME_OK) {
		engine_end(e, slot, (enum counter)frame_outcome[result], RX_FREE);
		return;
	}
	if (work->view.kind == FRAME_UDP)
		look_udp(e, slot, i);
	else if (interface->kernel_shares)
		engine_end(e, slot, COUNTER_LEFT_TO_KERNEL, RX_FREE);
	else if (e->worker_idx == LINK_WORKER)
		work->stage = ENGINE_RX_LINK;
	else
		engine_link_pass(e, slot, i);
}

/* Only prefetches: what it looks at may have changed when the packet's turn comes. False: no further step. */
static inline bool reach(struct engine *e, unsigned i, unsigned step)
{
	switch ((enum engine_rx_stage)e->work[i].stage) {
	case ENGINE_RX_QUESTION:
	case ENGINE_RX_PASSED_QUESTION:
		return engine_hit_reach(e, i, step);
	case ENGINE_RX_REPLY:
		engine_reply_reach(e, i, step);
		return true;
	case ENGINE_RX_ENDED:
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
	case ENGINE_RX_REPLY:
		engine_reply(e, slot, i);
		return;
	case ENGINE_RX_LINK:
		engine_link_rx(e, slot, i);
		return;
	}
}

/* ---- a burst ---- */

struct burst {
	struct rx_slot *slots;
	unsigned slot_count;
	uint32_t reaching; /* bit g: group g has a further step to reach */
};
static_assert(BURST_SLOTS_MAX / ENGINE_RX_GROUP <= 32, "a bit a group");

/* One behind the last slot of the group. */
static inline unsigned group_end(const struct burst *b, unsigned group)
{
	unsigned end = (group + 1) * ENGINE_RX_GROUP;

	return end < b->slot_count ? end : b->slot_count;
}

static void look_at_group(struct engine *e, struct burst *b, unsigned group)
{
	for (unsigned i = group * ENGINE_RX_GROUP; i < group_end(b, group); i++)
		look(e, &b->slots[i], i);
	b->reaching |= UINT32_C(1) << group;
}

static void reach_group(struct engine *e, struct burst *b, unsigned group, unsigned step)
{
	bool goes_on = false;

	if ((b->reaching >> group & 1) == 0)
		return;
	for (unsigned i = group * ENGINE_RX_GROUP; i < group_end(b, group); i++)
		goes_on |= reach(e, i, step);
	if (!goes_on)
		b->reaching &= ~(UINT32_C(1) << group);
}

static void act_on_group(struct engine *e, struct burst *b, unsigned group)
{
	for (unsigned i = group * ENGINE_RX_GROUP; i < group_end(b, group); i++)
		act(e, &b->slots[i], i);
}

/* One stage after the other, and what each takes. */
static void sampled_burst(struct engine *e, struct burst *b, unsigned group_count)
{
	uint64_t begun = e->read_cycles();
	uint64_t parsed, reached;

	for (unsigned group = 0; group < group_count; group++)
		look_at_group(e, b, group);
	parsed = e->read_cycles();
	for (unsigned step = 0; step < ENGINE_REACH_STEPS; step++)
		for (unsigned group = 0; group < group_count; group++)
			reach_group(e, b, group, step);
	reached = e->read_cycles();
	for (unsigned group = 0; group < group_count; group++)
		act_on_group(e, b, group);
	counter_add(&e->counters, COUNTER_CYCLES_ACT, e->read_cycles() - reached);
	counter_add(&e->counters, COUNTER_CYCLES_REACH, reached - parsed);
	counter_add(&e->counters, COUNTER_CYCLES_PARSE, parsed - begun);
	counter_add(&e->counters, COUNTER_SAMPLED_PACKETS, b->slot_count);
}

/* Each group a stage behind the one that came after it: while one computes, what others have prefetched arrives, and there
 * are never more lines under way than a core can have. */
static void pipelined_burst(struct engine *e, struct burst *b, unsigned group_count)
{
	const unsigned behind_max = ENGINE_REACH_STEPS + 1;

	for (unsigned group = 0; group < group_count + behind_max; group++) {
		if (group < group_count)
			look_at_group(e, b, group);
		for (unsigned behind = 1; behind <= ENGINE_REACH_STEPS; behind++)
			if (group >= behind && group - behind < group_count)
				reach_group(e, b, group - behind, behind - 1);
		if (group >= behind_max)
			act_on_group(e, b, group - behind_max);
	}
}

void engine_rx_burst(struct engine *e, struct rx_slot slots[], unsigned slot_count)
{
	struct burst b = {slots, slot_count, 0};
	unsigned group_count = (slot_count + ENGINE_RX_GROUP - 1) / ENGINE_RX_GROUP;
	unsigned received = 0;

	for (unsigned i = 0; i < slot_count; i++)
		received += slots[i].kind == RX_PACKET;
	counter_add(&e->counters, COUNTER_RX_PACKETS, received);
	counter_add(&e->counters, COUNTER_HANDOFFS, slot_count - received);
	e->burst_hits = 0;
	if (UNLIKELY(e->burst_number++ % ENGINE_SAMPLE_BURSTS == 0) && e->read_cycles != NULL)
		sampled_burst(e, &b, group_count);
	else
		pipelined_burst(e, &b, group_count);
}
