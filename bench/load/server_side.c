#include "bench/load/server_side.h"

#include <stdio.h>
#include <string.h>

#include "bench/load/referral.h"
#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"

/* What an answer adds to its question at most: an SOA, an OPT. */
#define ADDED_BYTES_MAX 64
#define SOA_RDATA_BYTES 22
#define AUTHORITY_LABELS 2 /* of a zone that a top-level domain refers to */
#define POINTER_TO_QNAME (DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES)

/* What one query gets. */
struct reply {
	struct rte_mbuf *mbuf;
	uint8_t *frame;
	uint8_t *dns;
	const struct frame_view *view;
	struct msg_query query;
	struct content_answer answer;
	uint32_t ttl_s;
};

/* ---- building ---- */

/* Is it this one's turn to be wrong? */
static bool is_mutated(struct server_side *s, enum options_mutation mutation)
{
	if (s->options->mutate_every[mutation] == 0 || --s->until_mutation[mutation] > 0)
		return false;
	s->until_mutation[mutation] = s->options->mutate_every[mutation];
	s->counters->of[LOAD_UPSTREAM_MUTATED]++;
	return true;
}

static uint32_t ttl_of(struct server_side *s, uint64_t now_tsc)
{
	uint32_t ttl_s = s->options->ttl_s;
	uint64_t age_s = (now_tsc - s->start_tsc) / s->tsc_hz;

	if (is_mutated(s, OPTIONS_MUTATION_TTL))
		return ttl_s + 1;
	if (!s->options->ttl_clock || is_mutated(s, OPTIONS_MUTATION_GROW))
		return ttl_s;
	return age_s < ttl_s ? ttl_s - (uint32_t)age_s : 1;
}

static uint8_t *put_record_head(uint8_t *at, uint16_t type, uint32_t ttl_s, uint16_t rdata_bytes)
{
	wire_put_u16(at, type);
	wire_put_u16(at + 2, DNS_CLASS_IN);
	wire_put_u32(at + 4, ttl_s);
	wire_put_u16(at + 8, rdata_bytes);
	return at + 10;
}

static uint8_t *put_answer(struct server_side *s, uint8_t *at, const struct reply *r)
{
	wire_put_u16(at, POINTER_TO_QNAME);
	at = put_record_head(at + 2, r->query.qtype, r->ttl_s, r->answer.rdata_bytes);
	memcpy(at, r->answer.rdata, r->answer.rdata_bytes);
	if (is_mutated(s, OPTIONS_MUTATION_ADDRESS))
		at[r->answer.rdata_bytes - 1] ^= 1;
	return at + r->answer.rdata_bytes;
}

/* The zone's in a tree, else the root's: a denial that may be cached needs one (RFC 2308 section 3). */
static uint8_t *put_soa(const struct server_side *s, uint8_t *at, const struct reply *r)
{
	if (options_is_tree(s->options))
		at = referral_put_zone(at, r->dns, &r->query.qname, AUTHORITY_LABELS);
	else
		*at++ = 0;
	at = put_record_head(at, DNS_TYPE_SOA, r->ttl_s, SOA_RDATA_BYTES);
	*at++ = 0; /* primary server */
	*at++ = 0; /* mailbox */
	for (unsigned i = 0; i < 4; i++, at += 4)
		wire_put_u32(at, 3600); /* serial, refresh, retry, expire */
	wire_put_u32(at, r->ttl_s);
	return at + 4;
}

static uint8_t *put_opt(uint8_t *at, const struct msg_edns *asked)
{
	*at++ = 0;
	wire_put_u16(at, DNS_TYPE_OPT);
	wire_put_u16(at + 2, EDNS_UDP_BYTES);
	wire_put_u16(at + 4, 0);
	wire_put_u16(at + 6, asked->dnssec_ok ? DNS_EDNS_FLAG_DO : 0);
	wire_put_u16(at + 8, 0);
	return at + 10;
}

/* Over the query itself: its header and question stay where they are. Returns the message's length. */
static unsigned put_message(struct server_side *s, struct reply *r)
{
	uint8_t *dns = r->dns, *at = dns + r->query.question_end;
	bool record = r->answer.kind == CONTENT_RECORD;
	uint16_t flags = DNS_FLAG_QR | (r->query.flags & (DNS_FLAG_RD | DNS_FLAG_CD));

	flags |= options_is_tree(s->options) ? DNS_FLAG_AA : DNS_FLAG_RA;

	if (r->answer.kind == CONTENT_NXDOMAIN)
		flags |= DNS_RCODE_NXDOMAIN;
	at = record ? put_answer(s, at, r) : put_soa(s, at, r);
	if (r->query.edns.present)
		at = put_opt(at, &r->query.edns);
	wire_put_u16(dns + 2, flags);
	wire_put_u16(dns + 6, record ? 1 : 0);
	wire_put_u16(dns + 8, record ? 0 : 1);
	wire_put_u16(dns + 10, r->query.edns.present ? 1 : 0);
	return (unsigned)(at - dns);
}

static void put_headers(const struct server_side *s, const struct reply *r, uint8_t *frame,
			unsigned message_bytes, struct rte_mbuf *mbuf)
{
	const struct frame_view *v = r->view;
	const struct frame_udp_params params = {
		.src_mac = s->link->mac,
		.dst_mac = v->src_mac,
		.vlan = FRAME_VLAN_NONE,
		.src = v->dst,
		.dst = v->src,
		.src_port = v->dst_port,
		.dst_port = v->src_port,
	};
	unsigned length = frame_build_udp(frame, &params, message_bytes);

	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = length;
}

/* ---- sending ---- */

/* As RSS would: by the flow. */
static uint32_t flow_hash(const struct frame_view *v)
{
	uint64_t word =
		(uint64_t)wire_get_u32(v->dst.bytes + ADDRESS_V4_OFFSET) << 16 | v->src_port;

	return (uint32_t)random_mix(word);
}

static void send_reply(struct server_side *s, struct rte_mbuf *mbuf, const struct frame_view *view,
		       uint64_t now_tsc)
{
	uint64_t due = now_tsc + s->delay_least_cycles;

	if (!s->delays) {
		load_port_send(s->port, mbuf, flow_hash(view));
		return;
	}
	due += random_scale(random_next(&s->random), s->delay_range_us + 1) * s->cycles_per_us;
	mbuf->hash.rss = flow_hash(view);
	if (!delay_put(&s->delay, mbuf, due)) {
		s->counters->of[LOAD_UPSTREAM_NO_BUFFER]++;
		rte_pktmbuf_free(mbuf);
	}
}

/* Answers that are right in all but their ID, ahead of the right one. */
static void send_wrong_ids(struct server_side *s, const struct reply *r, unsigned message_bytes,
			   uint64_t now_tsc)
{
	unsigned headers = (unsigned)(r->dns - r->frame);

	for (uint32_t i = 1; i <= s->options->wrong_ids; i++) {
		struct rte_mbuf *copy = load_port_packet(s->port);
		uint8_t *frame;

		if (copy == NULL) {
			s->counters->of[LOAD_UPSTREAM_NO_BUFFER]++;
			return;
		}
		frame = rte_pktmbuf_mtod(copy, uint8_t *);
		memcpy(frame + headers, r->dns, message_bytes);
		wire_put_u16(frame + headers, (uint16_t)(r->query.id + i));
		put_headers(s, r, frame, message_bytes, copy);
		send_reply(s, copy, r->view, now_tsc);
		s->counters->of[LOAD_UPSTREAM_WRONG_IDS]++;
	}
}

/* ---- queries ---- */

/* Its set knows from here on how long the name's answer lives. */
static void begin_life(struct server_side *s, const struct reply *r, uint64_t now_tsc)
{
	uint64_t latest_tsc = now_tsc + s->options->delay_most_us * s->cycles_per_us;
	uint64_t value;

	if (s->ttl_book->count > 0 && names_value(s->names, &r->query.qname, &value))
		ttl_book_begin(s->ttl_book, value,
			       (uint32_t)((latest_tsc - s->start_tsc) / (s->tsc_hz / 1000)) + 1,
			       r->ttl_s);
}

/* Says nothing for one of several reasons, each counted. */
static bool is_answered(struct server_side *s, const struct reply *r, uint32_t server_idx)
{
	uint64_t *of = s->counters->of;

	if ((s->options->silent_servers >> server_idx & 1) != 0 ||
	    r->answer.kind == CONTENT_SILENCE) {
		of[LOAD_UPSTREAM_SILENT]++;
		return false;
	}
	if (s->options->loss_per_million != 0 &&
	    random_is_within(random_next(&s->random), s->options->loss_per_million)) {
		of[LOAD_UPSTREAM_LOSS]++;
		return false;
	}
	return true;
}

static bool read_query(struct server_side *s, struct reply *r)
{
	const struct frame_view *v = r->view;
	size_t message_end;

	if (v->dst_port != DNS_PORT || r->mbuf->nb_segs != 1 ||
	    msg_parse_query(v->payload, &r->query) != MSG_QUERY_OK) {
		s->counters->of[LOAD_UPSTREAM_MALFORMED]++;
		return false;
	}
	r->frame = rte_pktmbuf_mtod(r->mbuf, uint8_t *);
	r->dns = r->frame + (v->payload.data - r->frame);
	message_end = (size_t)(r->dns - r->frame) + r->query.question_end;
	if (message_end + s->added_bytes_max > r->mbuf->data_len + rte_pktmbuf_tailroom(r->mbuf)) {
		s->counters->of[LOAD_UPSTREAM_MALFORMED]++;
		return false;
	}
	return true;
}

/* Of the root or a top-level domain: it refers, or says that there is no more. */
static void refer(struct server_side *s, const struct reply *r, uint32_t server_idx,
		  uint64_t now_tsc)
{
	unsigned message_bytes =
		referral_put(s->options, server_idx, r->dns, &r->query, s->options->ttl_s);

	put_headers(s, r, r->frame, message_bytes, r->mbuf);
	s->counters->of[LOAD_UPSTREAM_ANSWERED]++;
	s->counters->of[LOAD_UPSTREAM_REFERRALS]++;
	send_reply(s, r->mbuf, r->view, now_tsc);
}

void server_side_take(struct server_side *s, struct rte_mbuf *mbuf, const struct frame_view *view,
		      uint32_t server_idx, uint64_t now_tsc)
{
	struct reply r = {.mbuf = mbuf, .view = view};
	unsigned message_bytes;
	bool refers;

	s->counters->of[LOAD_UPSTREAM_QUERIES]++;
	s->counters->upstream_by_server[server_idx]++;
	s->ports_seen[view->src_port / 64] |= UINT64_C(1) << (view->src_port % 64);
	if (!read_query(s, &r)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	refers = options_role_of(s->options, server_idx) != OPTIONS_ROLE_AUTHORITY;
	if (!refers && !referral_own_name(s->options, &r.query, &r.answer))
		content_of(s->content, &r.query.qname, r.query.qtype, &r.answer);
	if (!is_answered(s, &r, server_idx)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (refers) {
		refer(s, &r, server_idx, now_tsc);
		return;
	}
	if (is_mutated(s, OPTIONS_MUTATION_RCODE))
		r.answer.kind = CONTENT_NXDOMAIN;
	r.ttl_s = ttl_of(s, now_tsc);
	begin_life(s, &r, now_tsc);
	message_bytes = put_message(s, &r);
	if (s->options->wrong_ids != 0)
		send_wrong_ids(s, &r, message_bytes, now_tsc);
	put_headers(s, &r, r.frame, message_bytes, mbuf);
	s->counters->of[LOAD_UPSTREAM_ANSWERED]++;
	send_reply(s, mbuf, view, now_tsc);
}

unsigned server_side_send_due(struct server_side *s, uint64_t now_tsc)
{
	struct rte_mbuf *mbuf;
	unsigned count = 0;

	if (!s->delays)
		return 0;
	while ((mbuf = delay_take(&s->delay, now_tsc)) != NULL) {
		load_port_send(s->port, mbuf, mbuf->hash.rss);
		if (++count % LOAD_BURST == 0)
			load_port_flush(s->port);
	}
	return count;
}

unsigned server_side_ports_seen(const struct server_side *s)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SERVER_SIDE_PORTS / 64; i++)
		count += (unsigned)__builtin_popcountll(s->ports_seen[i]);
	return count;
}

bool server_side_init(struct server_side *s, const struct server_side_parts *parts)
{
	const struct options *o = parts->options;

	*s = (struct server_side){
		.options = o,
		.link = parts->link,
		.port = parts->port,
		.content = parts->content,
		.counters = parts->counters,
		.random = {o->seed + 1},
		.delays = o->delay_most_us > 0,
		.cycles_per_us = parts->tsc_hz / 1000000,
		.delay_range_us = o->delay_most_us - o->delay_least_us,
		.added_bytes_max = ADDED_BYTES_MAX + referral_bytes_max(o),
		.ttl_book = parts->ttl_book,
		.names = parts->names,
		.start_tsc = parts->now_tsc,
		.tsc_hz = parts->tsc_hz,
	};
	memcpy(s->until_mutation, o->mutate_every, sizeof(s->until_mutation));
	s->delay_least_cycles = o->delay_least_us * s->cycles_per_us;
	/* Half of all buffers may wait: the device needs some, and so do the clients. */
	if (!s->delays || delay_init(&s->delay, o->delay_most_us * s->cycles_per_us,
				     o->mbuf_count / 2, parts->now_tsc))
		return true;
	fprintf(stderr, "load: --delay-us: no memory\n");
	return false;
}

void server_side_fini(struct server_side *s)
{
	if (s->delays)
		delay_fini(&s->delay);
}
