/* A received burst in stages, so that each stage's cache misses overlap: look at all frames (parse, hash,
 * prefetch where the hash leads), reach for what is behind it, step by step, then act on each. */
#include "engine_state.h"

#include <assert.h>

#include "dns_const.h"

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

void engine_end(struct engine *e, struct rx_slot *slot, enum counter outcome,
		enum rx_verdict verdict)
{
	DCHECK(outcome < COUNTER_OUTCOME_COUNT);
	slot->outcome = (uint16_t)outcome;
	slot->verdict = (uint8_t)verdict;
	counter_add(&e->counters, outcome, 1);
}

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

/* Where we send from a port that we listen on, QR tells replies from questions. */
static void look_udp(struct engine *e, struct rx_slot *slot, unsigned i)
{
	struct engine_rx_work *work = &e->work[i];
	bool listens = is_listen(e, slot->interface_idx, &work->view);
	enum counter refused;

	if (listens && !is_response(&work->view)) {
		engine_question_look(e, slot, i);
		return;
	}
	refused = engine_source_find(e, slot->interface_idx, &work->view, &work->outgoing_idx);
	if (refused == COUNTER_OUTCOME_COUNT)
		engine_reply_look(e, slot, i);
	else if (listens)
		engine_question_look(e, slot, i);
	else
		engine_end(e, slot, refused, RX_FREE);
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

/* Only prefetches: what it looks at may have changed when the packet's turn comes. */
static void reach(struct engine *e, unsigned slot_count)
{
	for (unsigned step = 0; step < ENGINE_REACH_STEPS; step++) {
		for (unsigned i = 0; i < slot_count; i++) {
			const struct engine_rx_work *work = &e->work[i];

			if (work->stage == ENGINE_RX_REPLY)
				engine_reply_reach(e, i, step);
			else if (step == 0 && (work->stage == ENGINE_RX_QUESTION ||
					       work->stage == ENGINE_RX_PASSED_QUESTION))
				resolution_prefetch_chain(&e->resolutions, work->hash);
		}
	}
}

void engine_rx_burst(struct engine *e, struct rx_slot slots[], unsigned slot_count)
{
	for (unsigned i = 0; i < slot_count; i++) {
		counter_add(&e->counters,
			    slots[i].kind == RX_PACKET ? COUNTER_RX_PACKETS : COUNTER_HANDOFFS, 1);
		look(e, &slots[i], i);
	}
	reach(e, slot_count);
	for (unsigned i = 0; i < slot_count; i++) {
		switch ((enum engine_rx_stage)e->work[i].stage) {
		case ENGINE_RX_ENDED:
			break;
		case ENGINE_RX_QUESTION:
			engine_question(e, &slots[i], i);
			break;
		case ENGINE_RX_PASSED_QUESTION:
			engine_passed(e, &slots[i]);
			break;
		case ENGINE_RX_REPLY:
			engine_reply(e, &slots[i], i);
			break;
		case ENGINE_RX_LINK:
			engine_link_rx(e, &slots[i], i);
			break;
		}
	}
}
