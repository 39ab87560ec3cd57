/* Everything at once, at random: clients, losses, duplicates, wrong IDs, mutated messages and frames, silent and
 * moving neighbours, missing random bytes, jumps of time; and on several workers small rings between them, delays in
 * these, stopped workers; and clients and servers over TCP, with a cache. Invariants hold after every step, a question has at most one query under way over all
 * workers, every client that was taken has exactly one answer, and at the end nothing is left. */
#include <stdio.h>
#include <string.h>

#include "core/engine_state.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define STEPS 50000
#define CHECKED_STEPS                                                                              \
	2000 /* engine_check after each of the first, then after one in CHECK_ONE_IN */
#define CHECK_ONE_IN 100
#define PENDING 64 /* queries that the servers remember */
#define NAMES 300

struct soak {
	struct rig *r;
	bool rings; /* they delay, fill, and workers stop */
	bool tcp;
	unsigned long long stops;
	struct rig_query pending[PENDING];
	unsigned pending_count;
	struct rig_query streams[PENDING]; /* over TCP */
	unsigned stream_count;
	uint32_t connections;
};

static unsigned draw(struct soak *s, unsigned bound)
{
	return (unsigned)(unit_random(&s->r->random) % bound);
}

static bool chance(struct soak *s, unsigned one_in)
{
	return draw(s, one_in) == 0;
}

static bool remember(struct rig *r, const struct rig_query *q)
{
	struct soak *s = r->context;
	unsigned at = s->pending_count < PENDING ? s->pending_count++ : draw(s, PENDING);

	s->pending[at] = *q;
	return true;
}

static bool forget(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static bool remember_stream(struct rig *r, const struct rig_query *q)
{
	struct soak *s = r->context;
	unsigned at = s->stream_count < PENDING ? s->stream_count++ : draw(s, PENDING);

	s->streams[at] = *q;
	return true;
}

static bool forget_stream(struct rig *r, const struct rig_stream_answer *a)
{
	(void)r;
	CU_ASSERT(a->handle.generation == ~a->handle.idx);
	CU_ASSERT((rig_u16(a->message, 2) & DNS_FLAG_TC) == 0);
	return true;
}

/* over_tcp: to who carries it. */
static void ask(struct soak *s, bool over_tcp)
{
	static const uint16_t types[] = {DNS_TYPE_A,  DNS_TYPE_A,   DNS_TYPE_AAAA,
					 DNS_TYPE_MX, DNS_TYPE_ANY, DNS_TYPE_AXFR};
	char name[40];
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length;
	struct rig_question q = {
		.name = name,
		.qtype = types[draw(s, ARRAY_COUNT(types))],
		.id = (uint16_t)draw(s, 65536),
		.flags_on = chance(s, 4) ? DNS_FLAG_CD : 0,
		.rd_off = chance(s, 50),
		.edns = chance(s, 2),
		.dnssec_ok = chance(s, 2),
		.udp_size_bytes = (uint16_t)draw(s, 2000),
		.family = chance(s, 2) ? RIG_V4 : RIG_V6,
		.client = (uint16_t)draw(s, 65536),
		.client_port = (uint16_t)(1 + draw(s, 65535)),
		.engine = draw(s, s->r->engine_count),
	};

	snprintf(name, sizeof(name), "n%u.%s", draw(s, NAMES),
		 chance(s, 3) ? "example.org" : "eXample.com");
	length = rig_question_build(&q, message);
	if (chance(s, 10))
		message[draw(s, (unsigned)length)] ^= (uint8_t)(1u << draw(s, 8));
	if (chance(s, 30))
		length = draw(s, (unsigned)length + 1);
	if (over_tcp)
		rig_stream_send(s->r, &q, message, length,
				s->r->engine_count == 1 && chance(s, 2) ? 0 : RIG_CARRIER,
				s->connections++);
	else
		rig_send(s->r, &q, message, length);
}

static void step_ask(struct soak *s)
{
	ask(s, false);
}

static struct rig_reply mutation(struct soak *s)
{
	static const uint16_t rcodes[] = {DNS_RCODE_NXDOMAIN, DNS_RCODE_SERVFAIL, DNS_RCODE_REFUSED,
					  DNS_RCODE_FORMERR,  DNS_RCODE_NOTIMP,   9};
	struct rig_reply reply = {.edns = chance(s, 2), .signature = chance(s, 4)};

	switch (draw(s, 16)) {
	case 0:
		reply.rcode = rcodes[draw(s, ARRAY_COUNT(rcodes))];
		break;
	case 1:
		reply.id_xor = (uint16_t)draw(s, 65536);
		break;
	case 2:
		reply.qtype_xor = (uint16_t)draw(s, 4);
		break;
	case 3:
		reply.other_qname = true;
		break;
	case 4:
		reply.letters = chance(s, 2) ? RIG_LETTERS_LOWER : RIG_LETTERS_FLIPPED;
		break;
	case 5:
		reply.header_only = true;
		break;
	case 6:
		reply.cut_bytes = (uint16_t)draw(s, 12);
		break;
	case 7:
		reply.flags_on = DNS_FLAG_TC;
		break;
	case 8:
		reply.record_count = (uint16_t)draw(s, 90);
		break;
	case 9:
		reply.server_port_xor = (uint16_t)draw(s, 2);
		reply.local_port_xor = (uint16_t)draw(s, 2);
		reply.other_server_address = chance(s, 2);
		break;
	case 10:
		reply.compression_loop = true;
		break;
	default: /* true and plain */
		break;
	}
	reply.to_engine = true;
	reply.engine = draw(s, s->r->engine_count);
	return reply;
}

static void step_reply(struct soak *s)
{
	unsigned at;
	struct rig_query q;
	struct rig_reply reply;

	if (s->pending_count == 0)
		return;
	at = draw(s, s->pending_count);
	q = s->pending[at];
	reply = mutation(s);
	if (q.is_probe) /* its name has no letters to spoil */
		reply = (struct rig_reply){.id_xor = reply.id_xor, .cut_bytes = reply.cut_bytes};
	if (!chance(s, 8)) /* else it will be answered once more */
		s->pending[at] = s->pending[--s->pending_count];
	if (chance(s, 12)) {
		uint8_t message[RIG_MESSAGE_BYTES_MAX];
		size_t length = rig_reply_build(&q, &reply, message);

		message[draw(s, (unsigned)length)] ^= (uint8_t)(1u << draw(s, 8));
		rig_answer_bytes(s->r, &q, message, length);
		return;
	}
	rig_answer_query(s->r, &q, &reply);
}

/* As long as it may be; some of them garbled. */
static void reply_long(struct soak *s, const struct rig_query *q)
{
	static uint8_t message[STREAM_MESSAGE_BYTES_MAX];
	static const struct rig_reply none = {.no_records = true};
	size_t length = rig_reply_build(q, &none, message);
	unsigned count = 0;

	for (unsigned want = draw(s, 4200); count < want && length + 16 <= sizeof(message);
	     count++, length += 16)
		memcpy(message + length, "\300\14\0\1\0\1\0\0\0\5\0\4abc", 16);
	message[6] = (uint8_t)(count >> 8);
	message[7] = (uint8_t)count;
	if (chance(s, 4))
		message[draw(s, (unsigned)length)] ^= (uint8_t)(1u << draw(s, 8));
	rig_stream_reply_bytes(s->r, q, message, length);
}

static void step_stream_reply(struct soak *s)
{
	struct rig_reply reply;
	struct rig_query q;
	unsigned at;

	if (s->stream_count == 0)
		return;
	at = draw(s, s->stream_count);
	q = s->streams[at];
	if (!chance(s, 8)) /* else it comes once more */
		s->streams[at] = s->streams[--s->stream_count];
	if (chance(s, 20))
		q.handle.generation += draw(s, 3) - 1;
	reply = mutation(s);
	if (q.is_probe)
		reply = (struct rig_reply){.cut_bytes = reply.cut_bytes};
	if (chance(s, 4))
		rig_stream_fail(s->r, &q, (enum stream_failure)draw(s, STREAM_FAILURE_COUNT));
	else if (chance(s, 3))
		reply_long(s, &q);
	else
		rig_stream_reply(s->r, &q, &reply);
}

static void step_frame(struct soak *s)
{
	uint8_t frame[RIG_BUFFER_BYTES];
	enum rig_host_idx host = (enum rig_host_idx)draw(s, RIG_HOSTS);
	struct mac mac = s->r->hosts[host].mac;
	uint32_t length;

	if (chance(s, 4))
		mac = rig_mac((uint8_t)draw(s, 256));
	length = chance(s, 2) ? rig_advertise_build(s->r, host, &mac, frame)
			      : rig_solicit_build(s->r, host, NULL, frame);
	if (chance(s, 4))
		frame[draw(s, length)] ^= (uint8_t)(1u << draw(s, 8));
	if (chance(s, 8))
		length = draw(s, length + 1);
	rig_send_frame(s->r, draw(s, s->r->engine_count), frame, length);
}

static void step_world(struct soak *s)
{
	struct rig *r = s->r;

	switch (draw(s, 8)) {
	case 0:
		r->hosts[draw(s, RIG_HOSTS)].alive = chance(s, 3);
		break;
	case 1:
		for (unsigned i = 0; i < RIG_HOSTS; i++)
			r->hosts[i].alive = true;
		break;
	case 2:
		r->hosts[draw(s, RIG_HOSTS)].mac = rig_mac((uint8_t)(1 + draw(s, 250)));
		break;
	case 3:
		r->entropy_runs = false;
		break;
	case 4:
		r->entropy_runs = true;
		break;
	case 5:
		r->in_place = !chance(s, 3);
		break;
	case 6:
		r->tailroom_bytes = chance(s, 2) ? UINT16_MAX : (uint16_t)draw(s, 1500);
		break;
	default:
		s->pending_count = 0; /* lost, all of them */
		break;
	}
}

/* Rings between workers, and workers that stop. */
static void step_rings(struct soak *s)
{
	static const uint64_t delays_ns[] = {0, 10 * NS_PER_US, NS_PER_MS, 30 * NS_PER_MS};
	struct rig *r = s->r;
	unsigned engine = draw(s, r->engine_count);

	if (!s->rings)
		return;
	switch (draw(s, 6)) {
	case 0:
		r->passing = RIG_PASS_AT_ONCE;
		break;
	case 1:
		r->passing = RIG_PASS_AT_POLLS;
		break;
	case 2:
		r->ring_delay_ns_max = delays_ns[draw(s, ARRAY_COUNT(delays_ns))];
		break;
	case 3:
		if (chance(s, 2)) {
			rig_stop_engine(r, engine);
			s->stops++;
		}
		break;
	default:
		for (unsigned i = 0; i < r->engine_count; i++)
			rig_go_engine(r, i);
		break;
	}
}

/* Over all workers, no two live queries are for the same question. */
static void one_query_a_question(const struct soak *s)
{
	const struct resolution_key *keys[RIG_ENGINES_MAX * 64];
	unsigned count = 0;

	for (unsigned i = 0; i < s->r->engine_count; i++) {
		const struct engine *e = s->r->engines[i];

		for (uint32_t j = 0; j < e->inflight.slot_count; j++) {
			const struct inflight_slot *slot = &e->inflight.slots[j];

			if (slot->state != INFLIGHT_SLOT_LIVE || slot->resolution_idx == UINT32_MAX)
				continue;
			CU_ASSERT_FATAL(count < ARRAY_COUNT(keys));
			keys[count++] = &e->resolutions.resolutions[slot->resolution_idx].key;
		}
	}
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT(keys[i]->hash != keys[j]->hash ||
				  keys[i]->qtype != keys[j]->qtype ||
				  keys[i]->qclass != keys[j]->qclass ||
				  keys[i]->checking_disabled != keys[j]->checking_disabled ||
				  !name_equal(&keys[i]->qname, &keys[j]->qname));
}

static void step_time(struct soak *s)
{
	struct rig *r = s->r;
	unsigned which = draw(s, 400);

	if (which == 0)
		r->now += 3600 * NS_PER_S; /* at one go, as after a suspended machine */
	else if (which < 8)
		r->now += draw(s, 6000) * NS_PER_MS;
	else
		rig_advance(r, draw(s, 12000) * NS_PER_US);
	rig_poll(r);
}

/* Packets that come together, in one burst. */
static void step_burst(struct soak *s)
{
	enum counter outcomes[BURST_SLOTS_MAX];
	unsigned count = draw(s, 20);

	rig_burst_begin(s->r);
	for (unsigned i = 0; i < count; i++) {
		if (chance(s, 2))
			step_ask(s);
		else
			step_reply(s);
		if (chance(s, 6))
			step_frame(s);
	}
	rig_burst_end(s->r, outcomes);
}

static void step(struct soak *s, unsigned which)
{
	if (s->tcp && chance(s, 3)) {
		if (which < 40)
			ask(s, true);
		else if (which < 98)
			step_stream_reply(s);
		else
			s->stream_count = 0; /* nothing is heard of them */
		return;
	}
	if (which < 38)
		step_ask(s);
	else if (which < 74)
		step_reply(s);
	else if (which < 78)
		step_frame(s);
	else if (which < 80)
		step_world(s);
	else if (which < 82 && s->pending_count > 0)
		s->pending_count--;
	else if (which < 84)
		step_burst(s);
	else if (which < 86)
		step_rings(s);
	else
		step_time(s);
}

/* It was a soak: all that could happen did. */
static void all_happened(const struct soak *s)
{
	bool rings = s->rings;

	CU_ASSERT(rig_count(s->r, COUNTER_COALESCED) > 100);
	CU_ASSERT(rig_count(s->r, COUNTER_UPSTREAM_RESPONSE) > 1000);
	CU_ASSERT(rig_count(s->r, COUNTER_UPSTREAM_TIMEOUTS) > 100);
	CU_ASSERT(rig_count(s->r, COUNTER_LATE_RESPONSE) > 20);
	CU_ASSERT(rig_count(s->r, COUNTER_NEAR_MISS) > 20);
	CU_ASSERT(rig_count(s->r, COUNTER_MISMATCH_CASE) > 20);
	CU_ASSERT(rig_count(s->r, COUNTER_ENTROPY_WAITS) > 0);
	CU_ASSERT(rig_count(s->r, COUNTER_NEIGHBOUR_WAITS) > 0);
	CU_ASSERT(rig_count(s->r, COUNTER_PROBES) > 10);
	CU_ASSERT((rig_count(s->r, COUNTER_HANDOFFS) > 0) == (s->r->engine_count > 1));
	CU_ASSERT((s->r->ring_drops[RIG_RING_QUESTIONS] > 20) == rings);
	CU_ASSERT((s->r->ring_drops[RIG_RING_PACKETS] > 5) == rings);
	CU_ASSERT((s->r->device_drops > 10) == rings);
	CU_ASSERT((s->stops > 30) == rings);
}

static void with_tcp(struct soak *s)
{
	struct rig *r = s->r;

	s->tcp = true;
	r->carries = true;
	r->config.tcp_interfaces = 1;
	r->config.zones[0].transport = ZONE_TRANSPORT_TCP;
	r->on_stream_query = remember_stream;
	r->on_stream_answer = forget_stream;
	r->cache_bytes = 4 * CACHE_BYTES_MIN;
	r->config.cache.serve_stale = true;
	r->config.cache.prefetch = true;
	r->config.cache.max_ttl_s = 2;
	r->config.cache.client_timeout_ms = 300;
}

static void tcp_happened(const struct soak *s)
{
	static const enum counter all[] = {
		COUNTER_STREAM_ANSWERS,        COUNTER_UPSTREAM_TCP_RESPONSE,
		COUNTER_UPSTREAM_TCP_UNUSABLE, COUNTER_UPSTREAM_TCP_FAILURE,
		COUNTER_UPSTREAM_TCP_LATE,     COUNTER_UPSTREAM_TCP_TIMEOUTS,
		COUNTER_TRUNCATED_TO_TCP,      COUNTER_NEAR_MISSES_TO_TCP,
		COUNTER_CACHE_STALE,           COUNTER_DROP_ANSWERS_FULL,
	};

	for (unsigned i = 0; i < ARRAY_COUNT(all); i++)
		RIG_ROW(counter_rows[all[i]].name, rig_count(s->r, all[i]) > 20);
}

static void soak_run(unsigned engine_count, enum server_policy policy, bool rings, bool tcp)
{
	static const int all[] = {RIG_SERVER_V4_LINK, RIG_SERVER_V4_FAR, RIG_SERVER_V6_LINK,
				  RIG_SERVER_V6_FAR, -1};
	static const int two[] = {RIG_SERVER_V4_FAR, RIG_SERVER_V6_FAR, -1};
	static struct soak s;

	s = (struct soak){.r = rig_new(engine_count), .rings = rings};
	s.r->params.under_way_max = 64;
	s.r->params.waiter_count_max = 100;
	s.r->params.answer_buffer_count = 2;
	s.r->params.entropy_block_bytes = 1024;
	s.r->link_anywhere = true;
	if (rings) {
		s.r->ring_capacity = 3;
		s.r->device_capacity = 16;
	}
	s.r->context = &s;
	s.r->ldns_agrees = false; /* garbled types are passed on as they are (RFC 3597) */
	s.r->on_query = remember;
	s.r->on_answer = forget;
	rig_zone(s.r, 0, "example.org", policy, two);
	rig_zone(s.r, 1, ".", policy, all);
	s.r->hosts[RIG_HOST_GATEWAY_V4].alive = false; /* it will come */
	if (tcp)
		with_tcp(&s);
	rig_start(s.r);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned which = draw(&s, 100);

		s.r->checks = i < CHECKED_STEPS || i % CHECK_ONE_IN == 0;
		step(&s, which);
		if (s.r->checks)
			one_query_a_question(&s);
	}
	if (tcp)
		tcp_happened(&s);
	else
		all_happened(&s);
	s.r->checks = true;
	rig_finish(s.r);
}

static void engine_soak__survives_on_one_worker(void)
{
	soak_run(1, SERVER_POLICY_FASTEST, false, false);
}

static void engine_soak__survives_on_two_workers(void)
{
	soak_run(2, SERVER_POLICY_ROUND_ROBIN, false, false);
}

static void engine_soak__survives_on_four_workers(void)
{
	soak_run(4, SERVER_POLICY_FASTEST, false, false);
}

static void engine_soak__survives_small_rings_and_stopped_workers(void)
{
	soak_run(2, SERVER_POLICY_FASTEST, true, false);
	soak_run(4, SERVER_POLICY_ROUND_ROBIN, true, false);
}

static void engine_soak__survives_tcp_beside_udp(void)
{
	soak_run(1, SERVER_POLICY_FASTEST, false, true);
	soak_run(3, SERVER_POLICY_ROUND_ROBIN, false, true);
	soak_run(2, SERVER_POLICY_FASTEST, true, true);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_soak__survives_on_one_worker),
	UNIT_TEST(engine_soak__survives_on_two_workers),
	UNIT_TEST(engine_soak__survives_on_four_workers),
	UNIT_TEST(engine_soak__survives_small_rings_and_stopped_workers),
	UNIT_TEST(engine_soak__survives_tcp_beside_udp),
};
UNIT_SUITE(engine_soak, tests)
