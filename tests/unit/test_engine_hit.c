/* Questions that are answered from the cache: what clients get, and who gets nothing from there. */
#include <string.h>

#include "core/frame.h"
#include "core/limits.h"
#include "core/wire_cursor.h"
#include "engine_rig.h"
#include "unit.h"

#define TTL_S 300 /* of the rig's records */

static struct rig *rig_with_cache(unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);

	r->cache_bytes = CACHE_BYTES_MIN;
	return r;
}

/* Asked for the first time, and answered by the server as reply says. */
static void learn(struct rig *r, const struct rig_question *q, const struct rig_reply *reply)
{
	struct rig_query query;
	struct rig_answer a;

	CU_ASSERT_EQUAL_FATAL(rig_ask(r, q), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, reply), COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_FATAL(rig_answer_next(r, &a));
}

/* Asked again: at once from the cache, and nobody else is asked. */
static void hit(struct rig *r, const struct rig_question *q, struct rig_answer *a)
{
	unsigned queries = rig_query_count(r);

	CU_ASSERT_EQUAL(rig_ask(r, q), COUNTER_CACHE_HIT);
	CU_ASSERT_EQUAL(r->last_verdict, RX_SEND);
	CU_ASSERT_FATAL(rig_answer_next(r, a));
	CU_ASSERT(rig_question_is(a, q));
	CU_ASSERT_EQUAL(rig_query_count(r), queries);
}

/* The TTL of the answer's first record. */
static uint32_t first_ttl_s(const struct rig_answer *a)
{
	size_t offset = DNS_HEADER_BYTES;
	struct span message = {a->message, a->length_bytes};
	struct msg_record record;
	struct name qname;

	CU_ASSERT_FATAL(name_parse_plain(message, &offset, &qname) == NAME_OK);
	offset += 4;
	CU_ASSERT_FATAL(msg_record_next(message, &offset, &record));
	return record.ttl_s;
}

static void engine_hit__answers_what_was_asked_before(void)
{
	static const struct rig_reply reply = {.edns = true};
	struct rig *r = rig_with_cache(1);
	struct rig_question first = {.name = "www.example.com", .id = 1};
	struct rig_question rows[] = {
		{.name = "www.example.com", .id = 2},
		{.name = "wWw.ExAmPlE.cOm", .id = 3, .client = 7},
		{.name = "www.example.com", .id = 4, .edns = true, .client_port = 1},
		{.name = "WWW.EXAMPLE.COM", .id = 5, .edns = true, .dnssec_ok = true},
		{.name = "www.example.com", .id = 6, .family = RIG_V6},
		{.name = "wwW.example.com", .id = 7, .family = RIG_V6, .edns = true},
		{.name = "www.example.com", .id = 8, .udp_size_bytes = 512, .edns = true},
	};

	rig_start(r);
	learn(r, &first, &reply);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct endpoint client =
			rig_client(rows[i].family, rows[i].client, rows[i].client_port);
		struct msg_edns edns = {0};
		struct rig_answer a;

		hit(r, &rows[i], &a);
		CU_ASSERT(endpoint_equal(&a.client, &client));
		CU_ASSERT(endpoint_equal(&a.local, &r->config.listen[rows[i].family].endpoint));
		CU_ASSERT_EQUAL(rig_flags(&a), DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
		CU_ASSERT_EQUAL(first_ttl_s(&a), TTL_S);
		CU_ASSERT_EQUAL(rig_opt(&a, &edns, NULL), rows[i].edns);
		CU_ASSERT_EQUAL(edns.dnssec_ok, rows[i].dnssec_ok);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_HIT), ARRAY_COUNT(rows));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_MISSES), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_NOERROR), ARRAY_COUNT(rows) + 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUERIES), ARRAY_COUNT(rows) + 1);
	rig_finish(r);
}

static void engine_hit__needs_a_cache(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com"};
	static const struct rig_reply reply;

	rig_start(r);
	learn(r, &q, &reply);
	learn(r, &q, &reply);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_MISSES), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_HIT), 0);
	rig_finish(r);
}

/* What differs in the key is another question. */
static void engine_hit__tells_questions_apart(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question rows[] = {
		{.name = "www.example.com"},
		{.name = "ww.example.com"},
		{.name = "www.example.com", .flags_on = DNS_FLAG_CD},
		{.name = "w.ww.example.com"},
		{.name = "www.example.co"},
		{.name = "."},
	};

	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		learn(r, &rows[i], &reply);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig_answer a;

		hit(r, &rows[i], &a);
		CU_ASSERT_EQUAL(rig_flags(&a),
				DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | rows[i].flags_on);
	}
	rows[0].qtype = DNS_TYPE_AAAA;
	CU_ASSERT_EQUAL(rig_ask(r, &rows[0]), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

/* What is refused, wrong or answered at once is so whatever the cache has. */
static void engine_hit__is_not_for_everybody(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question known = {.name = "www.example.com", .client = 0x0107};
	struct {
		const char *says;
		struct rig_question question;
		uint16_t rcode;
	} rows[] = {
		{"not allowed", {.name = "www.example.com", .client = 0x0207}, DNS_RCODE_REFUSED},
		{"no recursion wanted, another name",
		 {.name = "w.example.com", .client = 0x0107, .rd_off = true},
		 DNS_RCODE_REFUSED},
		{"another class",
		 {.name = "www.example.com", .client = 0x0107, .qclass = DNS_CLASS_CH},
		 DNS_RCODE_REFUSED},
		{"opcode",
		 {.name = "www.example.com", .client = 0x0107, .flags_on = 4u << DNS_OPCODE_SHIFT},
		 DNS_RCODE_NOTIMP},
		{"TC in a query",
		 {.name = "www.example.com", .client = 0x0107, .flags_on = DNS_FLAG_TC},
		 DNS_RCODE_FORMERR},
		{"ANY",
		 {.name = "www.example.com", .client = 0x0107, .qtype = DNS_TYPE_ANY},
		 DNS_RCODE_NOERROR},
	};

	r->config.allow_count = 1;
	r->config.allow[0] = (struct prefix){rig_address("10.1.1.0"), 120};
	rig_start(r);
	learn(r, &known, &reply);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig_answer a;

		RIG_ROW(rows[i].says, rig_ask(r, &rows[i].question) == COUNTER_QUESTION_REPLIED);
		CU_ASSERT_FATAL(rig_answer_next(r, &a));
		RIG_ROW(rows[i].says, rig_rcode(&a) == rows[i].rcode);
		RIG_ROW(rows[i].says, rig_record_count(&a, DNS_TYPE_A) == 0);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_HIT), 0);
	engine_stop_taking(r->engines[0]);
	CU_ASSERT_EQUAL(rig_ask(r, &known), COUNTER_DROP_STOPPING);
	rig_finish(r);
}

static void engine_hit__lets_ttls_run_down(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com"};
	uint32_t before = TTL_S;
	struct rig_answer a;

	rig_start(r);
	learn(r, &q, &reply);
	for (unsigned age_s = 0; age_s < TTL_S; age_s += 7) {
		hit(r, &q, &a);
		CU_ASSERT(first_ttl_s(&a) <= before && first_ttl_s(&a) >= 1);
		CU_ASSERT(first_ttl_s(&a) <= TTL_S - age_s);
		CU_ASSERT(first_ttl_s(&a) + 1 >= TTL_S - age_s);
		before = first_ttl_s(&a);
		rig_advance(r, 7 * NS_PER_S);
	}
	rig_advance(r, NS_PER_S);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 0);
	rig_finish(r);
}

/* Also where the steps of folding end. */
static void engine_hit__knows_names_of_every_length(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	char text[300];

	rig_start(r);
	for (unsigned length = 1; length <= 250; length++) {
		struct rig_question q = {.name = text};
		struct rig_answer a;

		for (unsigned i = 0; i < length; i++)
			text[i] = i % 60 == 59 && i + 1 < length ? '.' : (char)('A' + i % 26);
		text[length] = '\0';
		learn(r, &q, &reply);
		for (unsigned i = 0; i < length; i++)
			text[i] |= text[i] != '.' && i % 3 == 0 ? 0x20 : 0;
		hit(r, &q, &a);
		text[length - 1] = '-';
		learn(r, &q, &reply);
		rig_poll(r); /* new random bytes */
	}
	rig_finish(r);
}

static void engine_hit__gives_server_cookies(void)
{
	static const struct rig_reply reply;
	static const struct hash_key cookie_key = {15, 16};
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com",
				 .edns = true,
				 .options = (const uint8_t *)"\0\12\0\01012345678",
				 .options_length_bytes = 12};

	rig_start(r);
	learn(r, &q, &reply);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct endpoint client = rig_client((enum rig_family)family, 0, 0);
		struct span cookie;
		struct rig_answer a;

		q.family = (enum rig_family)family;
		hit(r, &q, &a);
		CU_ASSERT_FATAL(rig_option(&a, DNS_OPTION_COOKIE, &cookie));
		CU_ASSERT_EQUAL_FATAL(cookie.length_bytes, COOKIE_BYTES);
		CU_ASSERT(memcmp(cookie.data, "12345678", 8) == 0);
		CU_ASSERT_EQUAL(cookie_check(&cookie_key, cookie, &client.address, 1750000000),
				COOKIE_VALID);
	}
	rig_finish(r);
}

/* DNSSEC records only for those who want them, from one entry. */
static void engine_hit__strips_dnssec_without_do(void)
{
	static const struct rig_reply reply = {.edns = true, .signature = true};
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com", .edns = true};
	struct rig_answer a;

	rig_start(r);
	learn(r, &q, &reply);
	for (unsigned i = 0; i < 4; i++) {
		q.dnssec_ok = i % 2 == 0;
		hit(r, &q, &a);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_RRSIG), q.dnssec_ok);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_DS), q.dnssec_ok);
	}
	q.edns = q.dnssec_ok = false;
	hit(r, &q, &a);
	CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_RRSIG), 0);
	rig_finish(r);
}

static void engine_hit__truncates_at_the_clients_size(void)
{
	static const struct rig_reply reply = {.edns = true, .record_count = 50};
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com", .edns = true};
	static const struct {
		uint16_t size_bytes; /* 0: no EDNS */
		bool truncated;
	} rows[] = {{0, true},    {1, true},     {512, true},   {843, true},
		    {844, false}, {1232, false}, {4096, false}, {65535, false}};

	/* 12 + 21 + 50 * 16 + 11 = 844 */
	rig_start(r);
	learn(r, &q, &reply);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig_answer a;

		q.edns = rows[i].size_bytes != 0;
		q.udp_size_bytes = rows[i].size_bytes;
		hit(r, &q, &a);
		CU_ASSERT_EQUAL((rig_flags(&a) & DNS_FLAG_TC) != 0, rows[i].truncated);
		CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), rows[i].truncated ? 0 : 50);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_TRUNCATED), 4);
	rig_finish(r);
}

/* A packet that may not be written to, or is too small, goes the miss way. */
static void engine_hit__leaves_packets_alone_that_are_not_its(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com", .edns = true};
	struct rig_answer a;

	rig_start(r);
	learn(r, &q, &reply);
	r->in_place = false;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	r->in_place = true;
	r->multi_segment = true;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_DROP_MULTI_SEGMENT);
	r->multi_segment = false;
	rig_advance(r, 5 * NS_PER_S);
	rig_forget(r);
	r->tailroom_bytes = 100; /* less than 512 from the message's beginning on */
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	r->tailroom_bytes = 600; /* less than the client would take, but the answer is short */
	rig_advance(r, 5 * NS_PER_S);
	rig_forget(r);
	hit(r, &q, &a);
	CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 1);
	rig_finish(r);
}

/* Long, and the packet has room for less than the client would take: the truth is not cut off for that. */
static void engine_hit__does_not_truncate_for_want_of_room(void)
{
	static const struct rig_reply reply = {.edns = true, .record_count = 50};
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com", .edns = true};

	rig_start(r);
	learn(r, &q, &reply);
	r->tailroom_bytes = 600;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	rig_finish(r);
}

/* A VLAN, in the frame or taken off by the NIC: the answer has the tag, its priority too. */
static void engine_hit__answers_in_the_vlan(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com", .id = 9};
	uint8_t message[RIG_MESSAGE_BYTES_MAX], memory[RIG_BUFFER_BYTES];
	unsigned length = (unsigned)rig_question_build(&q, message);

	rig_start(r);
	learn(r, &q, &reply);
	/* Only now, as the rig's own clients and servers have no tag. */
	r->config.interfaces[0].vlan = 77;
	for (unsigned i = 0; i < 4; i++) {
		bool stripped = i % 2 == 1;
		enum rig_family family = i < 2 ? RIG_V4 : RIG_V6;
		struct endpoint client = rig_client(family, 3, 0);
		struct frame_udp_params params = {.src_mac = rig_mac(9),
						  .dst_mac = r->config.interfaces[0].mac,
						  .vlan = stripped ? FRAME_VLAN_NONE : 77,
						  .vlan_pcp = stripped ? 0 : 5,
						  .src = client.address,
						  .dst = r->config.listen[family].endpoint.address,
						  .src_port = client.port,
						  .dst_port = DNS_PORT};
		unsigned header_bytes = frame_udp_header_bytes(&params.dst, params.vlan);
		struct frame_interface peer = {.mac = params.src_mac,
					       .vlan = 77,
					       .mtu_bytes = 1500,
					       .address_count = 1,
					       .addresses = {{client.address, 128}}};
		struct rx_slot slot = {.data = memory + 128,
				       .headroom_bytes = 128,
				       .vlan = stripped ? 5u << 13 | 77u : FRAME_VLAN_NONE,
				       .in_place = true};
		struct frame_view view;

		memcpy(slot.data + header_bytes, message, length);
		slot.length_bytes = frame_build_udp(slot.data, &params, length);
		slot.tailroom_bytes = (uint16_t)(sizeof(memory) - 128 - slot.length_bytes);
		engine_rx(r->engines[0], &slot, 1, r->now);
		CU_ASSERT_EQUAL_FATAL(slot.outcome, COUNTER_CACHE_HIT);
		CU_ASSERT_EQUAL(slot.verdict, RX_SEND);
		CU_ASSERT(slot.data >= memory);
		CU_ASSERT_EQUAL_FATAL(frame_parse(&peer,
						  (struct span){slot.data, slot.length_bytes},
						  FRAME_VLAN_NONE, &view),
				      FRAME_OK);
		CU_ASSERT_EQUAL(view.vlan_pcp, 5);
		CU_ASSERT_EQUAL(view.payload.length_bytes, length + 16);
		CU_ASSERT(mac_equal(&view.src_mac, &r->config.interfaces[0].mac));
		CU_ASSERT_EQUAL(view.dst_port, client.port);
		CU_ASSERT_EQUAL(view.src_port, DNS_PORT);
		/* The rig keeps books of what it has sent and received itself. */
		r->delivered[0]++;
		r->from_device[0]++;
		r->answers_sent++;
	}
	r->config.interfaces[0].vlan = FRAME_VLAN_NONE;
	rig_finish(r);
}

static void engine_hit__keeps_flush_rules(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_question other = {.name = "www.example.org"};
	struct cache_flush flush = {.count = 1};
	struct rig_answer a;

	rig_start(r);
	learn(r, &q, &reply);
	learn(r, &other, &reply);
	CU_ASSERT(name_from_text("example.com", &flush.rules[0].name));
	flush.rules[0].below = true;
	cache_flush_begin(&flush.rules[0]);
	cache_flush_fix(r->cache, &flush.rules[0]);
	cache_flush_publish(r->cache, &flush);
	hit(r, &other, &a);
	learn(r, &q, &reply); /* it is as if it were not there */
	hit(r, &q, &a);       /* but what was learned since is */
	cache_flush_publish(r->cache, NULL);
	hit(r, &q, &a);
	rig_finish(r);
}

/* Records of an RRset take turns at being the first, if that is wanted. */
static void engine_hit__turns_rrsets_round(void)
{
	static const struct rig_reply reply = {.record_count = 4};

	for (unsigned round_robin = 0; round_robin < 2; round_robin++) {
		struct rig *r = rig_with_cache(1);
		struct rig_question q = {.name = "www.example.com"};
		unsigned first[4] = {0};

		r->config.cache.round_robin = round_robin == 1;
		rig_start(r);
		learn(r, &q, &reply);
		for (unsigned i = 0; i < 40; i++) {
			struct rig_answer a;

			hit(r, &q, &a);
			CU_ASSERT_EQUAL(rig_record_count(&a, DNS_TYPE_A), 4);
			/* 12, the question, the first record's 12: its address ends with its number */
			first[a.message[DNS_HEADER_BYTES + 21 + 12 + 3] % 4]++;
		}
		for (unsigned i = 0; i < 4; i++)
			CU_ASSERT_EQUAL(first[i], round_robin == 1 ? 10 : i == 0 ? 40 : 0);
		rig_finish(r);
	}
}

/* ---- books ---- */

static uint64_t cycles_now;

static uint64_t count_cycles(void)
{
	return cycles_now += 100;
}

static void engine_hit__measures_one_burst_in_64(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_answer a;

	r->params.read_cycles = count_cycles;
	r->neighbours_answer = true;
	rig_start(r);
	learn(r, &q, &reply);
	for (unsigned i = 0; i < 640; i++)
		hit(r, &q, &a);
	CU_ASSERT(rig_count(r, COUNTER_SAMPLED_PACKETS) >= 10);
	CU_ASSERT(rig_count(r, COUNTER_SAMPLED_PACKETS) <= 12);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CYCLES_PARSE),
			100 * rig_count(r, COUNTER_SAMPLED_PACKETS));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CYCLES_REACH),
			100 * rig_count(r, COUNTER_SAMPLED_PACKETS));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CYCLES_ACT),
			100 * rig_count(r, COUNTER_SAMPLED_PACKETS));
	rig_finish(r);
}

static void engine_burst_sent__counts_hits_by_their_time(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question q = {.name = "www.example.com"};
	enum counter outcomes[BURST_SLOTS_MAX];
	const struct latency *l;

	rig_start(r);
	l = &engine_latencies(r->engines[0])->hit;
	learn(r, &q, &reply);
	rig_burst_begin(r);
	for (unsigned i = 0; i < 5; i++)
		rig_ask(r, &q);
	CU_ASSERT_EQUAL(rig_burst_end(r, outcomes), 5);
	engine_burst_sent(r->engines[0], r->now + 3 * NS_PER_US);
	CU_ASSERT_EQUAL(l->counts[latency_bucket(3 * NS_PER_US)], 5);
	CU_ASSERT_EQUAL(l->sum_ns, 15 * NS_PER_US);
	engine_burst_sent(r->engines[0], r->now + 9 * NS_PER_US); /* no burst since */
	CU_ASSERT_EQUAL(l->sum_ns, 15 * NS_PER_US);
	q.name = "www.example.org";
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	engine_burst_sent(r->engines[0], r->now + 9 * NS_PER_US); /* no hit in it */
	CU_ASSERT_EQUAL(l->sum_ns, 15 * NS_PER_US);
	rig_finish(r);
}

/* Hits, misses, replies, refusals and rubbish in one burst: each as if it came alone. */
static void engine_hit__goes_with_all_else_in_a_burst(void)
{
	static const struct rig_reply reply;
	struct rig *r = rig_with_cache(1);
	struct rig_question known = {.name = "known.example.com", .edns = true};
	struct rig_question asked = {.name = "asked.example.com"};
	struct rig_question fresh = {.name = "fresh.example.com"};
	struct rig_question any = {.name = "known.example.com", .qtype = DNS_TYPE_ANY};
	struct rig_question refused = {.name = "no.example.com", .rd_off = true};
	enum counter outcomes[BURST_SLOTS_MAX];
	struct rig_query query;
	unsigned answers[2] = {0};
	struct rig_answer a;

	rig_start(r);
	learn(r, &known, &reply);
	CU_ASSERT_EQUAL(rig_ask(r, &asked), COUNTER_QUESTION_NEW);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	rig_burst_begin(r);
	rig_ask(r, &known);
	rig_ask(r, &fresh);
	rig_answer_query(r, &query, &reply);
	rig_ask(r, &any);
	rig_ask(r, &known);
	rig_send(r, &known, (const uint8_t *)"rubbish", 7);
	rig_ask(r, &refused);
	rig_ask(r, &fresh);
	rig_ask(r, &known);
	CU_ASSERT_EQUAL(rig_burst_end(r, outcomes), 9);
	CU_ASSERT_EQUAL(outcomes[0], COUNTER_CACHE_HIT);
	CU_ASSERT_EQUAL(outcomes[1], COUNTER_QUESTION_NEW);
	CU_ASSERT_EQUAL(outcomes[2], COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(outcomes[3], COUNTER_QUESTION_REPLIED);
	CU_ASSERT_EQUAL(outcomes[4], COUNTER_CACHE_HIT);
	CU_ASSERT_EQUAL(outcomes[5], COUNTER_DROP_QUERY_SHORT);
	CU_ASSERT_EQUAL(outcomes[6], COUNTER_QUESTION_REPLIED);
	CU_ASSERT_EQUAL(outcomes[7], COUNTER_COALESCED);
	CU_ASSERT_EQUAL(outcomes[8], COUNTER_CACHE_HIT);
	while (rig_answer_next(r, &a))
		answers[rig_rcode(&a) == DNS_RCODE_NOERROR]++;
	CU_ASSERT_EQUAL(answers[0], 1);
	CU_ASSERT_EQUAL(answers[1], 5);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_hit__answers_what_was_asked_before),
	UNIT_TEST(engine_hit__needs_a_cache),
	UNIT_TEST(engine_hit__tells_questions_apart),
	UNIT_TEST(engine_hit__is_not_for_everybody),
	UNIT_TEST(engine_hit__lets_ttls_run_down),
	UNIT_TEST(engine_hit__knows_names_of_every_length),
	UNIT_TEST(engine_hit__gives_server_cookies),
	UNIT_TEST(engine_hit__strips_dnssec_without_do),
	UNIT_TEST(engine_hit__truncates_at_the_clients_size),
	UNIT_TEST(engine_hit__leaves_packets_alone_that_are_not_its),
	UNIT_TEST(engine_hit__does_not_truncate_for_want_of_room),
	UNIT_TEST(engine_hit__answers_in_the_vlan),
	UNIT_TEST(engine_hit__keeps_flush_rules),
	UNIT_TEST(engine_hit__turns_rrsets_round),
	UNIT_TEST(engine_hit__measures_one_burst_in_64),
	UNIT_TEST(engine_burst_sent__counts_hits_by_their_time),
	UNIT_TEST(engine_hit__goes_with_all_else_in_a_burst),
};
UNIT_SUITE(engine_hit, tests)
