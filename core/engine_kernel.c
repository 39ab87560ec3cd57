/* Behind a TAP: what is the kernel's of that which is not DNS, and what of the kernel's may leave by our port. */
#include "engine_state.h"

#include "frame_kernel.h"

static bool is_in(const struct engine_outgoing *out, const struct address *a)
{
	const struct prefix prefix = {out->address, out->prefix_bits};

	return !out->retired && prefix_contains(&prefix, a);
}

/* On whatever interface it comes: the kernel takes packets for any of its addresses on any of its own. */
bool engine_kernel_withholds(const struct engine *e, const struct address *own, uint16_t port)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->listen_count; i++)
		if (c->listen[i].endpoint.port == port &&
		    address_equal(&c->listen[i].endpoint.address, own))
			return true;
	for (unsigned i = 0; i < c->outgoing_count; i++)
		if (is_in(&c->outgoing[i], own) && source_set_withholds(e->sources[i], port))
			return true;
	return false;
}

/* Does it answer DNS, or send queries? */
static bool is_own(const struct engine *e, const struct address *a)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->listen_count; i++)
		if (address_equal(&c->listen[i].endpoint.address, a))
			return true;
	for (unsigned i = 0; i < c->outgoing_count; i++)
		if (is_in(&c->outgoing[i], a))
			return true;
	return false;
}

/* Which port a fragment is for is known of the first alone, and the kernel would put them together. */
static bool is_withheld(const struct engine *e, const struct frame_kernel_view *view)
{
	if (!view->is_udp)
		return false;
	if (view->is_fragment || !view->has_ports)
		return is_own(e, &view->dst);
	return engine_kernel_withholds(e, &view->dst, view->dst_port);
}

void engine_kernel_rx(struct engine *e, struct rx_slot *slot, enum frame_result refused)
{
	struct frame_kernel_view view;
	enum frame_result result = frame_kernel_parse(&e->config->interfaces[slot->interface_idx],
						      (struct span){slot->data, slot->length_bytes},
						      slot->vlan, &view);

	if (result != FRAME_OK)
		engine_end(e, slot, (enum counter)engine_frame_outcome[result], RX_FREE);
	else if (is_withheld(e, &view))
		engine_end(e, slot,
			   refused == FRAME_OK ? COUNTER_DROP_IP_PROTOCOL
					       : (enum counter)engine_frame_outcome[refused],
			   RX_FREE);
	else
		engine_end(e, slot, COUNTER_KERNEL_RX, RX_KERNEL);
}

void engine_not_kept(struct engine *e, unsigned count)
{
	CHECK(e->counters.value[COUNTER_KERNEL_RX] >= count);
	e->counters.value[COUNTER_KERNEL_RX] -= count;
	counter_add(&e->counters, COUNTER_DROP_KERNEL_FULL, count);
}

bool engine_kernel_sends(struct engine *e, uint8_t interface_idx, struct span frame)
{
	struct frame_kernel_view view;

	if (frame_kernel_parse_sent(&e->config->interfaces[interface_idx], frame, &view) !=
		    FRAME_OK ||
	    (view.is_udp && view.has_ports &&
	     engine_kernel_withholds(e, &view.src, view.src_port))) {
		counter_add(&e->counters, COUNTER_KERNEL_TX_REFUSED, 1);
		return false;
	}
	counter_add(&e->counters, COUNTER_KERNEL_TX, 1);
	return true;
}
