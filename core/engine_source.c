/* What queries leave from, which others change while we run, and what becomes of those under way when they do. */
#include "engine_iterate.h"

#include <string.h>

/* ---- a turn's sets ---- */

static bool is_empty(const struct engine_outgoing *out, const struct source_set *source)
{
	return source->ports.port_count == 0 ||
	       (out->prefix_bits < ADDRESS_BITS && source->identifier_count == 0);
}

static void source_changed(struct engine *e, unsigned outgoing_idx, const struct source_set *source)
{
	bool is_first = e->sources[outgoing_idx] == NULL;

	e->sources[outgoing_idx] = source;
	/* Drawn from the old one; which the new one may have the address of, one day. */
	ticket_hand_init(&e->hands[outgoing_idx]);
	e->sources_empty &= ~(UINT32_C(1) << outgoing_idx);
	if (is_empty(&e->config->outgoing[outgoing_idx], source))
		e->sources_empty |= UINT32_C(1) << outgoing_idx;
	/* The look goes on from where it is: all the way round, whatever it had left. */
	if (!is_first)
		e->source_scan_left = e->inflight.slot_count;
}

/* The same address, with the same sets? Then what is under way from it goes on. */
static bool is_same(const struct engine_outgoing *a, const struct engine_outgoing *b)
{
	return a->retired == b->retired && a->interface_idx == b->interface_idx &&
	       a->prefix_bits == b->prefix_bits && a->source == b->source &&
	       address_equal(&a->address, &b->address);
}

void engine_sources_reload(struct engine *e, const struct engine_config *last)
{
	const struct engine_config *c = e->config;

	for (unsigned i = 0; i < c->outgoing_count; i++) {
		frame_head_init(&e->heads[i], &c->interfaces[c->outgoing[i].interface_idx],
				&c->outgoing[i].address);
		if (last != NULL && i < last->outgoing_count &&
		    is_same(&last->outgoing[i], &c->outgoing[i]))
			continue;
		e->sources[i] = NULL;
		e->sources_empty &= ~(UINT32_C(1) << i);
		ticket_hand_init(&e->hands[i]);
		memset(&e->meters[i], 0, sizeof(e->meters[i]));
	}
	memset(e->peer_ways, 0, sizeof(e->peer_ways));
	/* Any that is not the one that is loaded next. */
	e->source_generation = atomic_load_explicit(c->source_generation, memory_order_relaxed) - 1;
	/* The look goes on from where it is: all the way round, whatever it had left. */
	if (last != NULL)
		e->source_scan_left = e->inflight.slot_count;
}

void engine_sources_load_all(struct engine *e, uint32_t generation)
{
	const struct engine_config *c = e->config;

	e->source_generation = generation;
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		/* acquire: the set's contents are read after its pointer, which may be newer than the generation */
		const struct source_set *source =
			atomic_load_explicit(c->outgoing[i].source, memory_order_acquire);

		if (!c->outgoing[i].retired && source != e->sources[i])
			source_changed(e, i, source);
	}
}

bool engine_sources_due(const struct engine *e)
{
	/* Relaxed: only to see whether there is something to do. */
	return atomic_load_explicit(e->config->source_generation, memory_order_relaxed) !=
		       e->source_generation ||
	       e->source_scan_left > 0;
}

bool engine_sources_settled(const struct engine *e)
{
	return !engine_sources_due(e);
}

/* ---- queries under way on what is no longer ours ---- */

static bool is_ours_still(const struct engine *e, const struct inflight_slot *slot)
{
	const struct source_set *source = e->sources[slot->outgoing_idx];

	/* A server that is gone may answer, but is not probed. */
	if (source == NULL || (slot->resolution_idx == ENGINE_NO_RESOLUTION &&
			       e->config->server_retired[slot->server_idx]))
		return false;
	/* Over TCP the port is not ours but the kernel's. */
	if (slot->transport == INFLIGHT_TCP)
		return true;
	return source_set_accepts(source, slot->local_port) &&
	       (e->config->outgoing[slot->outgoing_idx].prefix_bits == ADDRESS_BITS ||
		source_set_has_identifier(source, slot->identifier));
}

/* Its reply would reach somebody else: asked again from elsewhere. Nothing stays of it, as nothing can come any more. */
static void withdraw(struct engine *e, uint32_t slot_idx)
{
	const struct inflight_slot *slot = &e->inflight.slots[slot_idx];
	uint16_t server_idx = slot->server_idx;
	struct resolution_env env = engine_env(e);
	uint32_t resolution_idx;

	if (UNLIKELY(!engine_slot_apart(e, slot)))
		return;
	resolution_idx = slot->resolution_idx;
	counter_add(&e->counters,
		    slot->transport == INFLIGHT_TCP ? COUNTER_UPSTREAM_TCP_CANCELLED
						    : COUNTER_UPSTREAM_CANCELLED,
		    1);
	counter_add(&e->counters, COUNTER_UPSTREAM_MOVED, 1);
	engine_slot_end(e, slot_idx, false);
	if (resolution_idx == ENGINE_NO_RESOLUTION) {
		server_on_cancelled(&e->servers, server_idx, true);
		return;
	}
	engine_step(e, resolution_idx, resolution_on_moved(&e->resolutions, resolution_idx, &env),
		    NULL);
}

void engine_sources_scan(struct engine *e)
{
	for (unsigned scanned = 0; scanned < ENGINE_REPORT_SCAN && e->source_scan_left > 0;
	     scanned++, e->source_scan_left--) {
		uint32_t idx = e->source_scan_next;
		const struct inflight_slot *slot = &e->inflight.slots[idx];

		e->source_scan_next = idx + 1 < e->inflight.slot_count ? idx + 1 : 0;
		if (slot->state == INFLIGHT_SLOT_LIVE && !is_ours_still(e, slot))
			withdraw(e, idx);
	}
}

/* What is known of a way is what is configured. */
static void way_check(const struct engine *e, const struct engine_peer_way *way)
{
	const struct engine_outgoing *out = &e->config->outgoing[way->outgoing_idx];

	CHECK(way->peer_port == 0 ||
	      (way->outgoing_idx < e->config->outgoing_count && !out->retired &&
	       out->interface_idx == way->interface_idx && out->prefix_bits == ADDRESS_BITS &&
	       address_equal(&out->address, &way->local)));
}

void engine_sources_check(const struct engine *e)
{
	/* As of the snapshot that the ways were learned under. */
	for (unsigned i = 0; i < ENGINE_PEER_WAYS && e->config == e->followed_config; i++)
		way_check(e, &e->peer_ways[i]);
	CHECK(e->source_scan_next < e->inflight.slot_count);
	if (e->source_scan_left > 0)
		return;
	for (uint32_t i = 0; i < e->inflight.slot_count; i++)
		CHECK(e->inflight.slots[i].state != INFLIGHT_SLOT_LIVE ||
		      is_ours_still(e, &e->inflight.slots[i]));
}

/* ---- what the next query leaves from ---- */

const struct engine_way *engine_way_choose(struct engine *e, const struct engine_route *route)
{
	const struct engine_way *ways[OUTGOING_MAX];
	unsigned way_count = 0;

	if (LIKELY(route->way_count == 1 && e->sources_empty == 0))
		return &route->ways[0];
	for (unsigned i = 0; i < route->way_count; i++)
		if ((e->sources_empty >> route->ways[i].outgoing_idx & 1) == 0)
			ways[way_count++] = &route->ways[i];
	return way_count == 0 ? NULL : ways[entropy_uniform(&e->entropy, way_count)];
}

/* ---- what comes back ---- */

static bool is_interface_address(const struct engine *e, uint8_t interface_idx,
				 const struct address *a)
{
	const struct frame_interface *interface = &e->config->interfaces[interface_idx];

	for (unsigned i = 0; i < interface->address_count; i++)
		if (address_equal(&interface->addresses[i].address, a))
			return true;
	return false;
}

enum counter engine_source_find(const struct engine *e, uint8_t interface_idx,
				const struct frame_view *view, uint8_t *outgoing_idx)
{
	const struct engine_config *c = e->config;
	bool is_known = false;
	bool is_stranger = false; /* in a prefix of ours, but not one of those that are alive */

	for (uint8_t i = 0; i < c->outgoing_count; i++) {
		const struct engine_outgoing *out = &c->outgoing[i];

		if (out->interface_idx != interface_idx || out->retired)
			continue;
		if (out->prefix_bits < ADDRESS_BITS) {
			if (!prefix_contains(&(struct prefix){out->address, out->prefix_bits},
					     &view->dst))
				continue;
			if (!source_set_has_identifier(e->sources[i],
						       source_identifier_of(&view->dst))) {
				is_stranger = true;
				continue;
			}
		} else if (!address_equal(&out->address, &view->dst)) {
			continue;
		}
		if (source_set_accepts(e->sources[i], view->dst_port)) {
			*outgoing_idx = i;
			return COUNTER_OUTCOME_COUNT;
		}
		is_known = true;
	}
	switch ((enum frame_kernel)c->interfaces[interface_idx].kernel) {
	case FRAME_KERNEL_SHARES:
		return COUNTER_LEFT_TO_KERNEL;
	case FRAME_KERNEL_TAP:
		if (!engine_kernel_withholds(e, &view->dst, view->dst_port))
			return COUNTER_KERNEL_RX;
		break;
	case FRAME_KERNEL_NONE:
		break;
	}
	return is_stranger && !is_known && !is_interface_address(e, interface_idx, &view->dst)
		       ? COUNTER_DROP_IP_DST
		       : COUNTER_DROP_UDP_PORT;
}
