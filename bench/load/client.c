#include "bench/load/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/answer_check.h"
#include "bench/load/query.h"
#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"

#define NONE UINT32_MAX
#define FIRST_PORT 20000
#define PLACES_MAX (1u << 21)
/* So many uses of a place, at least, until an ID comes again. */
#define PLACES_EACH_MAX 4096u
/* Places are looked through so many times within a timeout. */
#define SWEEPS 16
/* So long an answer from a full ring takes at most. */
#define ANSWER_MS 5
/* Ahead of the questions that take them. */
#define PREFETCH_PLACES 8

/* ---- places ---- */

/* As many as can wait at once: open loop, a timeout's worth of questions. */
static uint32_t places_wanted(const struct options *o)
{
	double wanted = o->outstanding;
	double per_s = o->rate_per_s + o->flood_per_s;

	wanted += per_s * o->timeout_ms / 1000 * 1.25;
	if (wanted > PLACES_MAX)
		return PLACES_MAX;
	/* With a few to spare an ID rests before it is used again. */
	return (uint32_t)wanted * 2 + LOAD_BURST;
}

/* What the flow's IDs are mixed with. */
static uint16_t flow_mask(uint32_t flow_idx)
{
	return (uint16_t)random_mix(flow_idx);
}

/* Neighbouring flows have different addresses, so that whoever counts by address sees them all alike. A place begins with
 * its own low bits in the ID, and a use counter by chance. */
static void begin_place(struct client *c, uint32_t idx)
{
	const struct options *o = c->options;
	struct client_place *p = &c->places[idx];
	uint32_t flow_idx = idx % c->flow_count;
	uint32_t uses = (uint32_t)random_next(&c->random) * c->places_each;

	p->id_mask = flow_mask(flow_idx);
	p->id = (uint16_t)((uses + idx / c->flow_count) ^ p->id_mask);
	p->version = o->family == OPTIONS_FAMILY_6 ? OPTIONS_V6 : OPTIONS_V4;
	if (o->family == OPTIONS_FAMILY_MIXED) {
		p->version = (flow_idx & 1) != 0 ? OPTIONS_V6 : OPTIONS_V4;
		flow_idx >>= 1;
	}
	p->client_idx = flow_idx % o->client_count;
	p->port = (uint16_t)(FIRST_PORT + flow_idx / o->client_count);
}

static bool make_places(struct client *c)
{
	const struct options *o = c->options;
	uint32_t wanted = places_wanted(o);
	size_t bytes;

	c->flow_count = o->client_count * o->ports_each;
	if (o->family == OPTIONS_FAMILY_MIXED)
		c->flow_count *= 2;
	c->places_each = 1;
	while (c->places_each < PLACES_EACH_MAX && c->flow_count * c->places_each < wanted)
		c->places_each *= 2;
	c->place_count = c->flow_count * c->places_each;
	bytes = c->place_count * sizeof(*c->places);
	c->places = aligned_alloc(_Alignof(struct client_place), bytes);
	c->free = calloc(c->place_count, sizeof(*c->free));
	if (c->places == NULL || c->free == NULL) {
		fprintf(stderr, "load: no memory for %u questions under way\n", c->place_count);
		return false;
	}
	memset(c->places, 0, bytes);
	for (uint32_t i = 0; i < c->place_count; i++) {
		c->free[i] = i;
		begin_place(c, i);
	}
	c->free_count = c->place_count;
	return true;
}

static bool is_new(const struct client *c, const struct client_place *p)
{
	return !names_is_of_set(&c->names, p->value);
}

static void give_back(struct client *c, struct client_place *p)
{
	uint32_t end = c->free_first + c->free_count++;

	p->waits = false;
	c->waiting_count--;
	c->waiting_new_count -= is_new(c, p);
	c->free[end < c->place_count ? end : end - c->place_count] = (uint32_t)(p - c->places);
}

static struct client_place *take_free(struct client *c)
{
	uint32_t idx = c->free[c->free_first];
	uint32_t ahead = c->free_first + PREFETCH_PLACES;

	if (ahead < c->place_count)
		__builtin_prefetch(&c->places[c->free[ahead]], 1);
	c->free_first = c->free_first + 1 == c->place_count ? 0 : c->free_first + 1;
	c->free_count--;
	c->waiting_count++;
	return &c->places[idx];
}

/* NONE: no flow of ours. */
static uint32_t flow_index(const struct client *c, uint32_t client_idx, uint16_t port,
			   enum options_version version)
{
	const struct options *o = c->options;
	uint32_t port_idx = (uint32_t)port - FIRST_PORT;
	uint32_t idx = port_idx * o->client_count + client_idx;

	if (port_idx >= o->ports_each)
		return NONE;
	if (o->family == OPTIONS_FAMILY_MIXED)
		return 2 * idx + (version == OPTIONS_V6 ? 1 : 0);
	return (version == OPTIONS_V6) == (o->family == OPTIONS_FAMILY_6) ? idx : NONE;
}

/* The only place that may wait for it: the ID's low bits are the place's, the others count its uses. */
static struct client_place *place_of(const struct client *c, uint32_t flow_idx, uint16_t id)
{
	uint32_t low = (uint32_t)(id ^ flow_mask(flow_idx)) & (c->places_each - 1);

	return &c->places[low * c->flow_count + flow_idx];
}

/* ---- asking ---- */

static void note_behind(struct client *c, struct client_moment moment)
{
	uint64_t *most = &c->counters->behind_tsc_most;

	if (moment.now_tsc > moment.due_tsc && moment.now_tsc - moment.due_tsc > *most)
		*most = moment.now_tsc - moment.due_tsc;
}

static struct rte_mbuf *take_packet(struct client *c)
{
	if (c->packet_count == 0) {
		if (!load_port_packets(c->port, c->packets, LOAD_BURST))
			return NULL;
		c->packet_count = LOAD_BURST;
	}
	return c->packets[--c->packet_count];
}

/* The way for every kind of question. Returns the frame's length. */
static unsigned put_slowly(const struct client *c, const struct client_place *p, uint8_t *frame)
{
	const struct frame_udp_params params = {
		.vlan = FRAME_VLAN_NONE,
		.src_mac = c->link->mac,
		.dst_mac = c->link->target_macs[p->version],
		.src = link_client(c->link, p->client_idx, (enum options_version)p->version),
		.dst = c->options->targets[p->version],
		.src_port = p->port,
		.dst_port = DNS_PORT,
	};
	unsigned headers = frame_udp_header_bytes(&params.dst, FRAME_VLAN_NONE);
	struct question question;

	names_question(&c->names, p->value, &question);
	return frame_build_udp(frame, &params,
			       query_put(frame + headers, c->options,
					 &(struct query){p->id, p->salt, &question}));
}

static unsigned put_frame(const struct client *c, const struct client_place *p, uint8_t *frame)
{
	uint64_t word;

	if (!c->template.usable)
		return put_slowly(c, p, frame);
	word = names_word(&c->names, p->value);
	return template_put(&c->template, c->options, frame,
			    &(struct template_fields){
				    .word = word,
				    .salt = p->salt,
				    .client_idx = p->client_idx,
				    .port = p->port,
				    .id = p->id,
				    .qtype = names_qtype(&c->names, word),
				    .version = (enum options_version)p->version,
			    });
}

bool client_ask(struct client *c, struct client_moment moment, enum client_wish wish)
{
	struct client_place *p;
	struct rte_mbuf *mbuf;
	unsigned length;

	if (c->free_count == 0) {
		c->counters->of[LOAD_UNSENT_NO_SLOT]++;
		return false;
	}
	mbuf = take_packet(c);
	if (mbuf == NULL) {
		c->counters->of[LOAD_UNSENT_NO_BUFFER]++;
		return false;
	}
	p = take_free(c);
	p->id = (uint16_t)(((uint32_t)(p->id ^ p->id_mask) + c->places_each) ^ p->id_mask);
	p->value =
		wish == CLIENT_NEW ? names_draw_new(&c->names) : names_draw(&c->names, &c->random);
	p->salt = (uint32_t)random_next(&c->random);
	p->due_tsc = moment.due_tsc;
	p->waits = true;
	c->waiting_new_count += is_new(c, p);
	c->counters->of[LOAD_SENT_SET] += !is_new(c, p);

	length = put_frame(c, p, rte_pktmbuf_mtod(mbuf, uint8_t *));
	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = length;
	load_port_send(c->port, mbuf, (uint32_t)p->id_mask << 16);
	c->counters->of[LOAD_SENT]++;
	note_behind(c, moment);
	return true;
}

void client_note_away(struct client *c, uint64_t begin_tsc, uint64_t end_tsc)
{
	c->aways[c->away_next] = (struct client_away){begin_tsc, end_tsc};
	c->away_next = (c->away_next + 1) % CLIENT_AWAYS;
}

/* Was it asked while we were away, or so shortly before that its answer came then? */
static bool was_under_way_then(const struct client *c, const struct client_place *p)
{
	for (unsigned i = 0; i < CLIENT_AWAYS; i++) {
		const struct client_away *away = &c->aways[i];

		if (p->due_tsc + c->answer_cycles >= away->begin_tsc && p->due_tsc <= away->end_tsc)
			return true;
	}
	return false;
}

static void expire_place(struct client *c, struct client_place *p, uint64_t now_tsc)
{
	if (!p->waits || now_tsc <= p->due_tsc + c->timeout_cycles)
		return;
	c->counters->of[LOAD_LOST]++;
	c->counters->of[LOAD_LOST_AWAY] += was_under_way_then(c, p);
	c->counters->of[LOAD_LOST_SET] += !is_new(c, p);
	give_back(c, p);
}

/* A share of the places that goes with the time since the last look; a lost question found late is no worse. */
void client_expire(struct client *c, uint64_t now_tsc)
{
	uint64_t step_cycles = c->timeout_cycles / SWEEPS / c->place_count + 1;
	uint64_t steps = (now_tsc - c->sweep_tsc) / step_cycles;

	if (c->waiting_count == 0)
		c->sweep_tsc = now_tsc;
	if (steps < LOAD_BURST || c->waiting_count == 0)
		return;
	c->sweep_tsc = now_tsc;
	if (steps > c->place_count)
		steps = c->place_count;
	for (; steps > 0; steps--) {
		expire_place(c, &c->places[c->sweep_next], now_tsc);
		c->sweep_next = c->sweep_next + 1 == c->place_count ? 0 : c->sweep_next + 1;
	}
}

/* ---- answers ---- */

/* UINT32_MAX: the answer has no TTL. */
static bool has_grown(const struct client *c, const struct client_place *p, uint32_t ttl_s,
		      uint64_t now_tsc)
{
	const struct ttl_seen seen = {
		.asked_ms = client_ms(c, p->due_tsc),
		.answered_ms = client_ms(c, now_tsc),
		.ttl_s = ttl_s,
	};

	return ttl_s != UINT32_MAX && !ttl_book_check(c->ttl_book, p->value, &seen);
}

/* All of it: the question byte for byte, and what the servers say of the name. */
static enum load_counter judge_message(struct client *c, const struct client_place *p,
				       struct span payload, uint64_t now_tsc)
{
	uint8_t asked[QUERY_BYTES_MAX];
	struct question question;
	struct answer_want want = {.ttl_most_s = c->options->ttl_s};
	struct msg_response response;
	unsigned asked_bytes;
	uint32_t ttl_s = UINT32_MAX;
	enum load_counter verdict;

	names_question(&c->names, p->value, &question);
	asked_bytes = query_put(asked, c->options, &(struct query){p->id, p->salt, &question});
	if (c->options->mode == OPTIONS_MODE_ECHO)
		return payload.length_bytes == asked_bytes &&
				       memcmp(payload.data, asked, asked_bytes) == 0
			       ? ANSWER_RIGHT
			       : LOAD_WRONG_MESSAGE;
	if (msg_parse_response(payload, &response) != MSG_RESPONSE_OK ||
	    memcmp(payload.data + DNS_HEADER_BYTES, asked + DNS_HEADER_BYTES,
		   question.qname.length_bytes + 4u) != 0)
		return LOAD_WRONG_MESSAGE;
	want.qtype = question.qtype;
	content_of(c->content, &question.qname, question.qtype, &want.content);
	verdict = answer_check(&want, payload, response.records_offset, &ttl_s);
	if (verdict == ANSWER_RIGHT && has_grown(c, p, ttl_s, now_tsc))
		return LOAD_WRONG_GROWN;
	return verdict;
}

/* Of a generated name: without parsing the whole. The payload holds header and question. */
static enum load_counter judge_quickly(struct client *c, const struct client_place *p,
				       struct span payload, uint64_t now_tsc)
{
	uint64_t word = names_word(&c->names, p->value);
	struct answer_want want = {.ttl_most_s = c->options->ttl_s};
	uint8_t digits[NAMES_DIGITS];
	uint32_t ttl_s = UINT32_MAX;
	enum load_counter verdict;
	size_t records_offset = DNS_HEADER_BYTES + NAMES_LABEL_BYTES + c->names.suffix_bytes + 4u;

	names_put_digits(digits, word);
	if (memcmp(payload.data + DNS_HEADER_BYTES + 1, digits, sizeof(digits)) != 0)
		return LOAD_WRONG_MESSAGE;
	if (c->options->mode == OPTIONS_MODE_ECHO)
		return ANSWER_RIGHT;
	if ((payload.data[2] & DNS_FLAG_QR >> 8) == 0)
		return LOAD_WRONG_MESSAGE;
	want.qtype = names_qtype(&c->names, word);
	content_of_word(c->content, word, want.qtype, &want.content);
	verdict = answer_check(&want, payload, records_offset, &ttl_s);
	if (verdict == ANSWER_RIGHT && has_grown(c, p, ttl_s, now_tsc))
		return LOAD_WRONG_GROWN;
	return verdict;
}

static void count_verdict(struct client *c, enum load_counter verdict)
{
	if (verdict == ANSWER_RIGHT)
		return;
	c->counters->of[verdict]++;
	c->counters->of[LOAD_WRONG]++;
}

static void count_answer(struct client *c, const struct client_place *p, struct span payload)
{
	uint64_t *of = c->counters->of;
	uint16_t flags = wire_get_u16(payload.data + 2);
	uint16_t rcode = flags & DNS_RCODE_MASK;

	of[LOAD_ANSWERED]++;
	if (c->options->mode == OPTIONS_MODE_ECHO)
		return;
	c->counters->rcodes[rcode]++;
	of[LOAD_TRUNCATED] += (flags & DNS_FLAG_TC) != 0;
	if (rcode == DNS_RCODE_NOERROR || rcode == DNS_RCODE_NXDOMAIN)
		of[is_new(c, p) ? LOAD_ANSWERED_NEW : LOAD_ANSWERED_SET]++;
}

static void note_latency(struct client *c, const struct client_place *p, uint64_t now_tsc)
{
	uint64_t cycles = now_tsc > p->due_tsc ? now_tsc - p->due_tsc : 0;
	enum load_class class = is_new(c, p) ? LOAD_CLASS_NEW : LOAD_CLASS_SET;

	if (p->due_tsc >= c->measure_tsc)
		histogram_add(&c->latency_ns[class], (uint64_t)((double)cycles * c->ns_per_cycle));
}

void client_take(struct client *c, const struct frame_view *view, uint32_t client_idx,
		 uint64_t now_tsc)
{
	enum options_version version = options_version_of(&view->dst);
	uint32_t flow_idx = flow_index(c, client_idx, view->dst_port, version);
	const struct address *target = &c->options->targets[version];
	struct client_place *p;

	if (flow_idx == NONE || view->payload.length_bytes < DNS_HEADER_BYTES) {
		c->counters->of[LOAD_LATE]++;
		return;
	}
	p = place_of(c, flow_idx, msg_id(view->payload));
	if (!p->waits || p->id != msg_id(view->payload)) {
		c->counters->of[LOAD_LATE]++;
		return;
	}
	if (view->src_port != DNS_PORT || !address_equal(&view->src, target)) {
		count_verdict(c, LOAD_WRONG_SOURCE);
		return;
	}
	note_latency(c, p, now_tsc);
	count_answer(c, p, view->payload);
	c->counters->of[LOAD_CHECKED]++;
	count_verdict(c, judge_message(c, p, view->payload, now_tsc));
	give_back(c, p);
}

/* ---- plain answers: those to questions of a template ---- */

struct plain {
	struct client_place *place;
	struct span payload;
};

/* Addresses, ports, lengths and ID of an answer that somebody waits for, or NULL: whoever parses in full shall judge. */
static struct client_place *find_plain(const struct client *c, const struct rte_mbuf *mbuf,
				       struct span *payload)
{
	const struct span frame = {rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len};
	struct link_plain plain;
	uint32_t flow_idx;

	if (mbuf->nb_segs != 1 || !link_parse_plain(c->link, frame, &plain) ||
	    plain.payload.length_bytes <
		    DNS_HEADER_BYTES + NAMES_LABEL_BYTES + c->names.suffix_bytes + 4u)
		return NULL;
	flow_idx = flow_index(c, plain.client_idx, plain.dst_port, plain.version);
	if (flow_idx == NONE)
		return NULL;
	*payload = plain.payload;
	return place_of(c, flow_idx, msg_id(plain.payload));
}

static bool is_time_to_check(struct client *c)
{
	if (--c->answers_until_check > 0)
		return false;
	c->answers_until_check = c->options->check_every;
	return true;
}

unsigned client_take_plain(struct client *c, struct rte_mbuf *mbufs[], unsigned count,
			   uint64_t now_tsc)
{
	struct plain plain[LOAD_BURST];
	struct rte_mbuf *done[LOAD_BURST];
	unsigned done_count = 0, kept_count = 0;

	if (!c->template.usable)
		return count;
	for (unsigned i = 0; i < count; i++) {
		plain[i].place = find_plain(c, mbufs[i], &plain[i].payload);
		if (plain[i].place != NULL)
			__builtin_prefetch(plain[i].place, 1);
	}
	for (unsigned i = 0; i < count; i++) {
		struct client_place *p = plain[i].place;

		if (p != NULL && (!p->waits || p->id != msg_id(plain[i].payload)))
			p = plain[i].place = NULL;
		if (p != NULL)
			ttl_book_prefetch(c->ttl_book, p->value);
	}
	for (unsigned i = 0; i < count; i++) {
		struct client_place *p = plain[i].place;

		/* The same answer may come twice in a burst. */
		if (p == NULL || !p->waits || is_time_to_check(c)) {
			mbufs[kept_count++] = mbufs[i];
			continue;
		}
		note_latency(c, p, now_tsc);
		count_answer(c, p, plain[i].payload);
		count_verdict(c, judge_quickly(c, p, plain[i].payload, now_tsc));
		give_back(c, p);
		done[done_count++] = mbufs[i];
	}
	rte_pktmbuf_free_bulk(done, done_count);
	return kept_count;
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
		.ttl_book = parts->ttl_book,
		.random = {parts->options->seed},
		.ns_per_cycle = 1e9 / (double)parts->tsc_hz,
		.ms_per_cycle = 1e3 / (double)parts->tsc_hz,
		.start_tsc = parts->now_tsc,
		.sweep_tsc = parts->now_tsc,
		.timeout_cycles = parts->tsc_hz / 1000 * parts->options->timeout_ms,
		.answer_cycles = parts->tsc_hz / 1000 * ANSWER_MS,
		.answers_until_check = parts->options->check_every,
	};
	return names_init(&c->names, parts->options) && make_places(c);
}

void client_begin(struct client *c)
{
	template_init(&c->template, c->options, c->link);
}

void client_fini(struct client *c)
{
	rte_pktmbuf_free_bulk(c->packets, c->packet_count);
	names_fini(&c->names);
	free(c->places);
	free(c->free);
}
