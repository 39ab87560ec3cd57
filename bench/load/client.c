#include "bench/load/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/query.h"
#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"

#define NONE UINT32_MAX
#define FIRST_PORT 20000
#define PLACES_MAX (1u << 21)
/* So many uses of a place, at least, until an ID comes again. */
#define PLACES_EACH_MAX 4096u

/* ---- places ---- */

/* As many as can wait at once: open loop, a timeout's worth of questions. */
static uint32_t places_wanted(const struct options *o)
{
	double wanted = o->outstanding;

	if (o->rate_per_s > 0)
		wanted = o->rate_per_s * o->timeout_ms / 1000 * 1.25;
	if (wanted > PLACES_MAX)
		return PLACES_MAX;
	/* With a few to spare an ID rests before it is used again. */
	return (uint32_t)wanted * 2 + LOAD_BURST;
}

static bool make_places(struct client *c)
{
	const struct options *o = c->options;
	uint32_t wanted = places_wanted(o);

	c->flow_count = o->client_count * o->ports_each;
	if (o->family == OPTIONS_FAMILY_MIXED)
		c->flow_count *= 2;
	c->places_each = 1;
	while (c->places_each < PLACES_EACH_MAX && c->flow_count * c->places_each < wanted)
		c->places_each *= 2;
	c->place_count = c->flow_count * c->places_each;
	c->places = calloc(c->place_count, sizeof(*c->places));
	c->free = calloc(c->place_count, sizeof(*c->free));
	if (c->places == NULL || c->free == NULL) {
		fprintf(stderr, "load: no memory for %u questions under way\n", c->place_count);
		return false;
	}
	for (uint32_t i = 0; i < c->place_count; i++)
		c->free[i] = i;
	c->free_count = c->place_count;
	c->oldest = c->newest = NONE;
	return true;
}

static void append(struct client *c, uint32_t idx)
{
	struct client_place *p = &c->places[idx];

	p->older = c->newest;
	p->newer = NONE;
	if (c->newest == NONE)
		c->oldest = idx;
	else
		c->places[c->newest].newer = idx;
	c->newest = idx;
	c->waiting_count++;
}

static void give_back(struct client *c, uint32_t idx)
{
	struct client_place *p = &c->places[idx];
	uint32_t end = c->free_first + c->free_count++;

	p->waits = false;
	if (p->older == NONE)
		c->oldest = p->newer;
	else
		c->places[p->older].newer = p->newer;
	if (p->newer == NONE)
		c->newest = p->older;
	else
		c->places[p->newer].older = p->older;
	c->waiting_count--;
	c->free[end < c->place_count ? end : end - c->place_count] = idx;
}

static uint32_t take_free(struct client *c)
{
	uint32_t idx = c->free[c->free_first];

	c->free_first = c->free_first + 1 == c->place_count ? 0 : c->free_first + 1;
	c->free_count--;
	return idx;
}

/* ---- flows ---- */

struct flow {
	uint32_t client_idx;
	uint16_t port;
	enum options_version version;
};

/* Neighbouring flows have different addresses, so that whoever counts by address sees them all alike. */
static struct flow flow_of(const struct client *c, uint32_t idx)
{
	const struct options *o = c->options;
	struct flow flow = {.version = o->family == OPTIONS_FAMILY_6 ? OPTIONS_V6 : OPTIONS_V4};

	if (o->family == OPTIONS_FAMILY_MIXED) {
		flow.version = (idx & 1) != 0 ? OPTIONS_V6 : OPTIONS_V4;
		idx >>= 1;
	}
	flow.client_idx = idx % o->client_count;
	flow.port = (uint16_t)(FIRST_PORT + idx / o->client_count);
	return flow;
}

/* NONE: no flow of ours. */
static uint32_t flow_index(const struct client *c, const struct flow *flow)
{
	const struct options *o = c->options;
	uint32_t port_idx = (uint32_t)flow->port - FIRST_PORT;
	uint32_t idx = port_idx * o->client_count + flow->client_idx;

	if (port_idx >= o->ports_each)
		return NONE;
	if (o->family == OPTIONS_FAMILY_MIXED)
		return 2 * idx + (flow->version == OPTIONS_V6 ? 1 : 0);
	return (flow->version == OPTIONS_V6) == (o->family == OPTIONS_FAMILY_6) ? idx : NONE;
}

/* What the flow's IDs are mixed with: two flows do not count alike. */
static uint16_t flow_mask(uint32_t flow_idx)
{
	return (uint16_t)random_mix(flow_idx);
}

/* The ID of a place's next use: the low bits are the place's, the others count. */
static uint16_t next_id(const struct client *c, uint32_t flow_idx, uint16_t last)
{
	uint32_t mask = flow_mask(flow_idx);

	return (uint16_t)(((last ^ mask) + c->places_each) ^ mask);
}

static uint32_t place_of_id(const struct client *c, uint32_t flow_idx, uint16_t id)
{
	return ((uint32_t)(id ^ flow_mask(flow_idx)) & (c->places_each - 1)) * c->flow_count +
	       flow_idx;
}

/* ---- asking ---- */

static void note_behind(struct client *c, struct client_moment moment)
{
	uint64_t *most = &c->counters->behind_tsc_most;

	if (moment.now_tsc > moment.due_tsc && moment.now_tsc - moment.due_tsc > *most)
		*most = moment.now_tsc - moment.due_tsc;
}

bool client_ask(struct client *c, struct client_moment moment)
{
	struct frame_udp_params params = {.vlan = FRAME_VLAN_NONE, .dst_port = DNS_PORT};
	struct client_place *p;
	struct question question;
	struct rte_mbuf *mbuf;
	struct flow flow;
	uint32_t idx, flow_idx;
	unsigned headers, length;
	uint8_t *frame;

	if (c->free_count == 0) {
		c->counters->of[LOAD_UNSENT_NO_SLOT]++;
		return false;
	}
	mbuf = load_port_packet(c->port);
	if (mbuf == NULL) {
		c->counters->of[LOAD_UNSENT_NO_BUFFER]++;
		return false;
	}
	idx = take_free(c);
	flow_idx = idx % c->flow_count;
	flow = flow_of(c, flow_idx);
	p = &c->places[idx];
	p->id = next_id(c, flow_idx, p->id);
	p->value = names_draw(&c->names, &c->random);
	p->salt = (uint32_t)random_next(&c->random);
	p->due_tsc = moment.due_tsc;
	p->waits = true;
	append(c, idx);

	params.src_mac = c->link->mac;
	params.dst_mac = c->link->target_macs[flow.version];
	params.src = link_client(c->link, flow.client_idx, flow.version);
	params.dst = c->options->targets[flow.version];
	params.src_port = flow.port;
	headers = frame_udp_header_bytes(&params.dst, FRAME_VLAN_NONE);
	frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	names_question(&c->names, p->value, &question);
	length = query_put(frame + headers, c->options, &(struct query){p->id, p->salt, &question});
	length = frame_build_udp(frame, &params, length);
	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = length;
	load_port_send(c->port, mbuf, (uint32_t)random_mix((uint64_t)flow_idx << 1));
	c->counters->of[LOAD_SENT]++;
	note_behind(c, moment);
	return true;
}

void client_expire(struct client *c, uint64_t now_tsc)
{
	while (c->oldest != NONE && now_tsc > c->places[c->oldest].due_tsc + c->timeout_cycles) {
		c->counters->of[LOAD_LOST]++;
		give_back(c, c->oldest);
	}
}

/* ---- answers ---- */

/* The record that our servers gave for this name, or their denial. */
static bool is_right_answer(const struct msg_response *response, const struct content_answer *want)
{
	uint16_t rcode = response->flags & DNS_RCODE_MASK;
	size_t offset = response->records_offset;
	struct msg_record record;

	switch (want->kind) {
	case CONTENT_SILENCE:
		return false;
	case CONTENT_NXDOMAIN:
		return rcode == DNS_RCODE_NXDOMAIN && response->answer_count == 0;
	case CONTENT_NODATA:
		return rcode == DNS_RCODE_NOERROR && response->answer_count == 0;
	case CONTENT_RECORD:
		break;
	}
	return rcode == DNS_RCODE_NOERROR && response->answer_count == 1 &&
	       msg_record_next(response->message, &offset, &record) &&
	       record.type == response->qtype && record.class_or_size == DNS_CLASS_IN &&
	       record.rdata_length_bytes == want->rdata_bytes &&
	       memcmp(response->message.data + record.rdata_offset, want->rdata,
		      want->rdata_bytes) == 0;
}

/* All of it: the question byte for byte, and what the servers say of the name. An rcode that says "I could not" is
 * counted by its name and is not a wrong answer. */
static bool is_right(const struct client *c, const struct client_place *p, struct span payload)
{
	uint8_t asked[QUERY_BYTES_MAX];
	struct question question;
	struct content_answer want;
	struct msg_response response;
	size_t question_bytes;
	unsigned asked_bytes;
	uint16_t rcode;

	names_question(&c->names, p->value, &question);
	asked_bytes = query_put(asked, c->options, &(struct query){p->id, p->salt, &question});
	if (c->options->mode == OPTIONS_MODE_ECHO)
		return payload.length_bytes == asked_bytes &&
		       memcmp(payload.data, asked, asked_bytes) == 0;
	question_bytes = question.qname.length_bytes + 4u;
	if (msg_parse_response(payload, &response) != MSG_RESPONSE_OK ||
	    memcmp(payload.data + DNS_HEADER_BYTES, asked + DNS_HEADER_BYTES, question_bytes) != 0)
		return false;
	rcode = response.flags & DNS_RCODE_MASK;
	if ((rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN) ||
	    (response.flags & DNS_FLAG_TC) != 0)
		return true;
	content_of(c->content, &question.qname, question.qtype, &want);
	return is_right_answer(&response, &want);
}

static bool is_from_target(const struct client *c, const struct frame_view *view)
{
	const struct address *target = &c->options->targets[options_version_of(&view->src)];

	return view->src_port == DNS_PORT && address_equal(&view->src, target);
}

static void count_answer(struct client *c, const struct client_place *p, struct span payload)
{
	uint64_t *of = c->counters->of;
	uint16_t flags = wire_get_u16(payload.data + 2);

	of[LOAD_ANSWERED]++;
	if (c->options->mode != OPTIONS_MODE_ECHO) {
		c->counters->rcodes[flags & DNS_RCODE_MASK]++;
		if ((flags & DNS_FLAG_TC) != 0)
			of[LOAD_TRUNCATED]++;
		if ((flags & DNS_FLAG_QR) == 0) {
			of[LOAD_WRONG]++;
			return;
		}
	}
	if (--c->answers_until_check > 0)
		return;
	c->answers_until_check = c->options->check_every;
	of[LOAD_CHECKED]++;
	if (!is_right(c, p, payload))
		of[LOAD_WRONG]++;
}

static void note_latency(struct client *c, const struct client_place *p, uint64_t now_tsc)
{
	uint64_t cycles = now_tsc > p->due_tsc ? now_tsc - p->due_tsc : 0;

	if (p->due_tsc >= c->measure_tsc)
		histogram_add(c->latency_ns, (uint64_t)((double)cycles * c->ns_per_cycle));
}

void client_take(struct client *c, const struct frame_view *view, uint32_t client_idx,
		 uint64_t now_tsc)
{
	const struct flow flow = {client_idx, view->dst_port, options_version_of(&view->dst)};
	uint32_t flow_idx = flow_index(c, &flow);
	struct client_place *p;
	uint32_t idx;

	if (flow_idx == NONE || view->payload.length_bytes < DNS_HEADER_BYTES) {
		c->counters->of[LOAD_LATE]++;
		return;
	}
	idx = place_of_id(c, flow_idx, msg_id(view->payload));
	p = &c->places[idx];
	if (!p->waits || p->id != msg_id(view->payload)) {
		c->counters->of[LOAD_LATE]++;
		return;
	}
	if (!is_from_target(c, view)) {
		c->counters->of[LOAD_WRONG_SOURCE]++;
		c->counters->of[LOAD_WRONG]++;
		return;
	}
	note_latency(c, p, now_tsc);
	count_answer(c, p, view->payload);
	give_back(c, idx);
}

/* ---- start ---- */

bool client_init(struct client *c, const struct client_parts *parts)
{
	*c = (struct client){
		.options = parts->options,
		.link = parts->link,
		.port = parts->port,
		.content = parts->content,
		.counters = parts->counters,
		.latency_ns = parts->latency_ns,
		.random = {parts->options->seed},
		.ns_per_cycle = 1e9 / (double)parts->tsc_hz,
		.timeout_cycles = parts->tsc_hz / 1000 * parts->options->timeout_ms,
		.answers_until_check = parts->options->check_every,
	};
	if (!names_init(&c->names, parts->options) || !make_places(c))
		return false;
	/* Each place begins with its own low bits, and a use counter by chance. */
	for (uint32_t i = 0; i < c->place_count; i++) {
		uint32_t uses = (uint32_t)random_next(&c->random) * c->places_each;

		c->places[i].id =
			(uint16_t)((uses + i / c->flow_count) ^ flow_mask(i % c->flow_count));
	}
	return true;
}

void client_fini(struct client *c)
{
	names_fini(&c->names);
	free(c->places);
	free(c->free);
}
