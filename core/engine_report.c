/* Rows for porticoctl: made by the worker itself between bursts, so that they need no lock. */
#include "engine_state.h"

#include <assert.h>
#include <string.h>

#define PORT_BLOCK_PORTS 64

/* The cursor after a call: where to go on, or the end. */
static uint32_t cursor_after(uint32_t next, uint32_t entry_count)
{
	return next < entry_count ? next : ENGINE_REPORT_END;
}

/* What is the same for every server. */
static void fill_upstream(const struct engine *e, uint16_t idx, struct engine_upstream_row *row)
{
	row->endpoint = *server_endpoint(&e->servers, idx);
	row->state = server_state_text[server_state(&e->servers, idx)];
	row->edns = server_edns_on(&e->servers, idx, e->now) ? "on" : "off";
	row->letter_case = server_case_on(&e->servers, idx, e->now) ? "kept" : "lost";
	row->tcp = server_tcp_only(&e->servers, idx, e->now) ? "only" : "if needed";
}

unsigned engine_report_upstreams(const struct engine *e, struct engine_upstream_row rows[],
				 unsigned count, uint32_t *cursor)
{
	unsigned filled = 0;

	for (; filled < count && *cursor < e->servers.server_count; (*cursor)++) {
		uint16_t idx = (uint16_t)*cursor;
		const struct server *s = &e->servers.servers[idx];

		if (e->config->server_retired[idx])
			continue;
		rows[filled] = (struct engine_upstream_row){
			.srtt_us = s->srtt_us,
			.rttvar_us = s->rttvar_us,
			.under_way = s->under_way,
			.queries = s->queries,
			.responses = s->responses,
			.timeouts = s->timeouts,
			.near_misses = s->near_misses,
		};
		fill_upstream(e, idx, &rows[filled++]);
	}
	*cursor = cursor_after(*cursor, e->servers.server_count);
	return filled;
}

unsigned engine_report_learned(const struct engine *e, struct engine_upstream_row rows[],
			       unsigned count, uint32_t *cursor)
{
	const struct server_learned_table *t = &e->servers.learned;
	unsigned filled = 0;

	for (; filled < count && *cursor < t->fresh; (*cursor)++) {
		const struct server_learned *s = &t->servers[*cursor];

		rows[filled] = (struct engine_upstream_row){
			.srtt_us = s->srtt_us,
			.rttvar_us = s->rttvar_us,
			.under_way = s->under_way,
			.queries = s->queries,
			.responses = s->responses,
			.timeouts = s->timeouts,
			.near_misses = s->near_misses,
		};
		fill_upstream(e, (uint16_t)(SERVER_SLOTS_MAX + *cursor), &rows[filled++]);
	}
	*cursor = cursor_after(*cursor, t->fresh);
	return filled;
}

/* a, measured a_count times, and b b_count times, taken together. */
static uint32_t mean_us(uint32_t a, uint64_t a_count, uint32_t b, uint64_t b_count)
{
	/* The share first: a product might not fit. What a double loses is far below a microsecond. */
	double share = b_count == 0 ? 0 : (double)b_count / ((double)a_count + (double)b_count);

	return (uint32_t)(a + ((double)b - a) * share + 0.5);
}

void engine_upstream_row_add(struct engine_upstream_row *sum, const struct engine_upstream_row *row)
{
	sum->srtt_us = mean_us(sum->srtt_us, sum->responses, row->srtt_us, row->responses);
	sum->rttvar_us = mean_us(sum->rttvar_us, sum->responses, row->rttvar_us, row->responses);
	sum->under_way += row->under_way;
	sum->queries += row->queries;
	sum->responses += row->responses;
	sum->timeouts += row->timeouts;
	sum->near_misses += row->near_misses;
}

/* What a resolution waits for. */
static const char *waits_for(const struct engine *e, const struct resolution *r)
{
	if (r->state == RESOLUTION_WAIT && e->inflight.slots[r->slot_idx].transport == INFLIGHT_TCP)
		return "reply over TCP";
	return resolution_state_text[r->state];
}

/* Port 0: it asks none now. */
static struct endpoint server_of(const struct engine *e, const struct resolution *r)
{
	if (r->state == RESOLUTION_ASK || r->state == RESOLUTION_DONE)
		return (struct endpoint){.port = 0};
	return *server_endpoint(&e->servers, resolution_server(r));
}

static void add_iteration(const struct engine *e, uint32_t idx, struct engine_inflight_row *row)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct iteration *it = &e->iterations[idx];
	const struct sub_state *sub = &e->subs.states[idx];

	row->bytes = UPSTREAM_BYTES_MAX - it->budget.bytes;
	if (r->iterates)
		row->zone = it->cut.zone;
	if (r->asks_step) {
		resolution_step_name(r, &row->asks);
		row->asks_type = DNS_TYPE_A;
		row->asks_worker = e->worker_idx;
	}
	if (r->state != RESOLUTION_ASK || idx >= e->subs.fresh ||
	    sub->generation != r->generation || sub->wait == SUB_WAIT_NONE)
		return;
	row->state = sub_purpose_text[sub->purpose];
	row->asks = sub->qname;
	row->asks_type = sub->qtype;
	row->asks_worker = sub->owner;
}

unsigned engine_report_inflight(const struct engine *e, struct engine_inflight_row rows[],
				unsigned count, uint32_t *cursor, mono_ns now)
{
	unsigned filled = 0;
	unsigned scanned = 0;

	for (;
	     filled < count && scanned < ENGINE_REPORT_SCAN && *cursor < e->resolutions.free.fresh;
	     (*cursor)++, scanned++) {
		const struct resolution *r = &e->resolutions.resolutions[*cursor];

		if (r->state == RESOLUTION_FREE)
			continue;
		rows[filled] = (struct engine_inflight_row){
			.qname = r->key.qname,
			.qtype = r->key.qtype,
			.waiters = resolution_waiters(r),
			.age_ms = (uint32_t)((now - r->started_at) / NS_PER_MS),
			.packets = r->packets,
			.state = waits_for(e, r),
			.server = server_of(e, r),
		};
		if (r->key.zone_idx < e->config->zone_count)
			rows[filled].zone = e->config->zones[r->key.zone_idx].name;
		if (r->has_iteration && r->state != RESOLUTION_DONE)
			add_iteration(e, *cursor, &rows[filled]);
		filled++;
	}
	*cursor = cursor_after(*cursor, e->resolutions.free.fresh);
	return filled;
}

unsigned engine_report_events(const struct engine *e, struct event rows[], unsigned count,
			      uint32_t *cursor)
{
	if (*cursor == ENGINE_REPORT_END) {
		*cursor = e->trace.count;
		return 0;
	}
	return event_trace_read(&e->trace, cursor, rows, count);
}

const struct source_meter *engine_source_meter(const struct engine *e, unsigned outgoing_idx)
{
	CHECK(outgoing_idx < OUTGOING_SLOTS_MAX);
	return &e->meters[outgoing_idx];
}

static_assert(ENGINE_PORT_BLOCKS * PORT_BLOCK_PORTS == PORT_COUNT, "blocks of equal size");

void engine_report_ports(const struct engine *e, unsigned outgoing_idx,
			 uint32_t counts[ENGINE_PORT_BLOCKS], uint32_t *cursor)
{
	for (unsigned scanned = 0; scanned < ENGINE_REPORT_SCAN && *cursor < e->inflight.slot_count;
	     (*cursor)++, scanned++) {
		const struct inflight_slot *s = &e->inflight.slots[*cursor];

		if (s->state == INFLIGHT_SLOT_LIVE && s->transport == INFLIGHT_UDP &&
		    s->outgoing_idx == outgoing_idx)
			counts[s->local_port / PORT_BLOCK_PORTS]++;
	}
	*cursor = cursor_after(*cursor, e->inflight.slot_count);
}

/* Who has the place, kept by us or the kernel; false: nobody. */
static bool neighbour_at(const struct engine *e, uint32_t idx, struct engine_neighbour_row *row)
{
	const struct neighbour *n = &e->neighbours.entries[idx];
	const struct neighbour_demands *demands = &e->neighbours.shared->demands;
	struct neighbour_wanted wanted;

	if (!n->is_retired) {
		*row = (struct engine_neighbour_row){
			.address = n->address,
			.interface_idx = n->interface_idx,
			.state = neighbour_state_text[n->state],
			.moves = n->moves,
		};
		return true;
	}
	if (idx < demands->first ||
	    !neighbour_demand_at(demands, (uint16_t)(idx - demands->first), &wanted) ||
	    !wanted.is_kernels)
		return false;
	*row = (struct engine_neighbour_row){
		.address = wanted.address,
		.interface_idx = wanted.interface_idx,
		.state = neighbour_state_text[NEIGHBOUR_KERNEL],
	};
	return true;
}

unsigned engine_report_neighbours(const struct engine *e, struct engine_neighbour_row rows[],
				  unsigned count, uint32_t *cursor)
{
	const struct neighbour_demands *demands = &e->neighbours.shared->demands;
	const uint32_t end = (uint32_t)demands->first + demands->count;
	unsigned filled = 0;

	for (; filled < count && *cursor < end; (*cursor)++) {
		if (*cursor == e->neighbours.entry_count && *cursor < demands->first)
			*cursor = demands->first;
		if (*cursor >= end || !neighbour_at(e, *cursor, &rows[filled]))
			continue;
		/* Of one that the kernel keeps, only the word tells. */
		if (neighbour_mac(&e->neighbours, (uint16_t)*cursor, &rows[filled].mac) !=
		    NEIGHBOUR_KNOWN)
			memset(&rows[filled].mac, 0, sizeof(rows[filled].mac));
		filled++;
	}
	*cursor = cursor_after(*cursor, end);
	return filled;
}

/* A cursor of routes: the server above, its way below. */
#define CURSOR_WAY_BITS 8
#define CURSOR_WAY_MASK ((UINT32_C(1) << CURSOR_WAY_BITS) - 1)
static_assert(OUTGOING_MAX <= CURSOR_WAY_MASK, "a way fits its bits");

static void fill_way(const struct engine *e, const struct engine_way *way,
		     struct engine_route_row *row)
{
	static const char *const text[] = {[NEIGHBOUR_UNKNOWN] = "unknown",
					   [NEIGHBOUR_KNOWN] = "known",
					   [NEIGHBOUR_SILENT] = "silent"};
	const struct engine_outgoing *out = &e->config->outgoing[way->outgoing_idx];

	row->has_way = true;
	row->source = out->address;
	row->source_bits = out->prefix_bits;
	row->interface_idx = out->interface_idx;
	row->next_hop = e->config->neighbours[way->neighbour_idx].address;
	row->state = text[neighbour_mac(&e->neighbours, way->neighbour_idx, &row->mac)];
}

unsigned engine_report_routes(const struct engine *e, struct engine_route_row rows[],
			      unsigned count, uint32_t *cursor)
{
	const struct engine_config *c = e->config;
	uint32_t server = *cursor >> CURSOR_WAY_BITS, way = *cursor & CURSOR_WAY_MASK;
	unsigned filled = 0;

	while (filled < count && server < c->server_count) {
		const struct engine_route *route = &c->routes[server];

		/* One row at least, however many ways are left. */
		if (!c->server_retired[server] && (way == 0 || way < route->way_count)) {
			rows[filled] = (struct engine_route_row){
				.server = c->server_endpoints[server], .state = ""};
			if (way < route->way_count)
				fill_way(e, &route->ways[way], &rows[filled]);
			filled++;
		}
		way++;
		if (c->server_retired[server] || way >= route->way_count) {
			server++;
			way = 0;
		}
	}
	*cursor = server < c->server_count ? server << CURSOR_WAY_BITS | way : ENGINE_REPORT_END;
	return filled;
}
