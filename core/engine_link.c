/* Below DNS, where no kernel does it for us: neighbours, ARP, ND and echo. */
#include "engine_state.h"

/* Is the address, which the parser let pass, one that the interface always has? In a source prefix others may live. */
static bool is_fixed(const struct frame_interface *interface, const struct address *a)
{
	if (interface->source_prefix_count == 0 || address_equal(a, &interface->link_local))
		return true;
	for (unsigned i = 0; i < interface->address_count; i++)
		if (address_equal(a, &interface->addresses[i].address))
			return true;
	return false;
}

/* Is it one that queries leave from, or lately did? */
static bool is_identifier(const struct engine *e, uint8_t interface_idx, const struct address *a)
{
	const struct engine_config *c = e->config;

	for (unsigned o = 0; o < c->outgoing_count; o++) {
		const struct engine_outgoing *out = &c->outgoing[o];
		struct prefix prefix = {out->address, out->prefix_bits};

		if (!out->retired && out->interface_idx == interface_idx &&
		    prefix_contains(&prefix, a) &&
		    source_set_has_identifier(e->sources[o], source_identifier_of(a)))
			return true;
	}
	return false;
}

bool engine_link_is_for_identifier(const struct engine *e, uint8_t interface_idx,
				   const struct frame_view *view)
{
	return view->kind == FRAME_ND_SOLICIT &&
	       !is_fixed(&e->config->interfaces[interface_idx], &view->dst) &&
	       is_identifier(e, interface_idx, &view->dst);
}

/* Ends a question of the link that is for somebody else in a source prefix: true. Before any rate is taken, so that
 * questions for others use none up.
 *
 * A random identifier answers those on the link who ask for it, or nothing would reach it; it answers no echo, which
 * anybody may send: by asking for many he would learn which are alive. */
static bool is_for_another(struct engine *e, struct rx_slot *slot, const struct frame_view *view)
{
	bool is_echo = view->kind == FRAME_ECHO_REQUEST;

	if (is_fixed(&e->config->interfaces[slot->interface_idx], &view->dst) ||
	    (!is_echo && is_identifier(e, slot->interface_idx, &view->dst)))
		return false;
	engine_end(e, slot, is_echo ? COUNTER_DROP_IP_DST : COUNTER_DROP_ND, RX_FREE);
	return true;
}

/* Answer over the packet that asked, if the rate allows. */
static void answer(struct engine *e, struct rx_slot *slot, const struct frame_view *view,
		   struct rate_limit *limit, enum counter answered, enum counter limited)
{
	unsigned length_bytes;

	if (is_for_another(e, slot, view))
		return;
	if (!rate_limit_take(limit, &view->src, e->now)) {
		engine_end(e, slot, limited, RX_FREE);
		return;
	}
	length_bytes = slot->in_place
			       ? frame_build_answer(&e->config->interfaces[slot->interface_idx],
						    engine_room(slot), view)
			       : 0;
	if (length_bytes == 0) {
		engine_end(e, slot, COUNTER_DROP_NO_ROOM, RX_FREE);
		return;
	}
	slot->length_bytes = length_bytes;
	engine_end(e, slot, answered, RX_SEND);
}

static void learn(struct engine *e, struct rx_slot *slot, const struct frame_view *view)
{
	/* An advertisement may leave its MAC out where we asked by unicast (RFC 4861 section 7.2.4): then it is the
	 * frame's own, and confirms. */
	enum neighbour_learn learned = neighbour_on_answer(
		&e->neighbours, slot->interface_idx, &view->target, &view->target_mac, e->now);

	engine_end(e, slot,
		   learned == NEIGHBOUR_LEARNED ? COUNTER_NEIGHBOUR_LEARNED
						: COUNTER_DROP_NEIGHBOUR_UNASKED,
		   RX_FREE);
}

void engine_link_rx(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct frame_view *view = &e->work[i].view;

	switch (view->kind) {
	case FRAME_ARP_REQUEST:
		answer(e, slot, view, &e->link_limit, COUNTER_ARP_ANSWERED, COUNTER_DROP_RATE_ARP);
		return;
	case FRAME_ND_SOLICIT:
		answer(e, slot, view, &e->link_limit, COUNTER_ND_ANSWERED, COUNTER_DROP_RATE_ARP);
		return;
	case FRAME_ECHO_REQUEST:
		answer(e, slot, view, &e->echo_limit, COUNTER_ECHO_ANSWERED,
		       COUNTER_DROP_RATE_ECHO);
		return;
	case FRAME_ARP_REPLY:
	case FRAME_ND_ADVERTISE:
		learn(e, slot, view);
		return;
	case FRAME_NEIGHBOUR_HINT:
		neighbour_on_hint(&e->neighbours, slot->interface_idx, &view->target, e->now);
		engine_end(e, slot, COUNTER_NEIGHBOUR_HINT, RX_FREE);
		return;
	case FRAME_UDP:
		break;
	}
	CHECK(false); /* engine_rx.c sends UDP elsewhere */
}

/* A flood of them at one queue must not fill the ring that replies take as well. */
void engine_link_pass(struct engine *e, struct rx_slot *slot, unsigned i)
{
	const struct frame_view *view = &e->work[i].view;
	struct rate_limit *limit = &e->link_answer_limit;
	enum counter limited = COUNTER_DROP_RATE_ARP;
	uint16_t neighbour_idx;
	struct mac known;

	switch (view->kind) {
	case FRAME_ARP_REQUEST:
	case FRAME_ND_SOLICIT:
		if (is_for_another(e, slot, view))
			return;
		limit = &e->link_limit;
		break;
	case FRAME_ECHO_REQUEST:
		if (is_for_another(e, slot, view))
			return;
		limit = &e->echo_limit;
		limited = COUNTER_DROP_RATE_ECHO;
		break;
	case FRAME_ARP_REPLY:
	case FRAME_ND_ADVERTISE:
	case FRAME_NEIGHBOUR_HINT:
		neighbour_idx =
			neighbour_find_idx(&e->neighbours, slot->interface_idx, &view->target);
		if (neighbour_idx == UINT16_MAX) { /* nobody asks for it, whoever received this */
			engine_end(e, slot,
				   view->kind == FRAME_NEIGHBOUR_HINT
					   ? COUNTER_NEIGHBOUR_HINT
					   : COUNTER_DROP_NEIGHBOUR_UNASKED,
				   RX_FREE);
			return;
		}
		/* What confirms is true, whoever says it: a flood of lies must not take its share. */
		if (neighbour_mac(&e->neighbours, neighbour_idx, &known) == NEIGHBOUR_KNOWN &&
		    mac_equal(&known, &view->target_mac))
			limit = &e->link_confirm_limit;
		break;
	case FRAME_UDP:
		CHECK(false); /* engine_rx.c sends UDP elsewhere */
	}
	if (rate_limit_take(limit, &view->src, e->now))
		engine_packet_pass(e, slot, LINK_WORKER);
	else
		engine_end(e, slot, limited, RX_FREE);
}

/* Our own address to ask from: one whose network holds the target, else any of the family. */
static const struct address *source_for(const struct frame_interface *interface,
					const struct address *target)
{
	const struct address *source = NULL;

	for (unsigned i = 0; i < interface->address_count; i++) {
		const struct prefix *own = &interface->addresses[i];

		if (address_is_v4(&own->address) != address_is_v4(target))
			continue;
		if (prefix_contains(own, target))
			return &own->address;
		if (source == NULL)
			source = &own->address;
	}
	return source;
}

bool engine_solicit_fill(struct engine *e, struct tx_slot *slot)
{
	struct buffer frame = {slot->data, slot->capacity_bytes};
	struct neighbour_solicit solicit;

	while (neighbour_due(&e->neighbours, e->now, &solicit)) {
		const struct frame_interface *interface =
			&e->config->interfaces[solicit.interface_idx];
		const struct address *source = source_for(interface, &solicit.target);

		if (source == NULL) /* config refuses a gateway without an address of its family */
			continue;
		slot->length_bytes = frame_build_solicit(interface, frame, source, &solicit.target,
							 solicit.unicast);
		if (slot->length_bytes == 0)
			continue;
		slot->interface_idx = solicit.interface_idx;
		counter_add(&e->counters, COUNTER_SOLICITS, 1);
		return true;
	}
	return false;
}
