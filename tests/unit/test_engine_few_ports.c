/* Few ports, down to one that we listen on as well: SendPort (issue 4). Replies are told from questions, every query finds its
 * reply, and who guesses is noticed whatever port or ID he tries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define PORTS_FIRST 5056 /* 64 of them: a port with its low bits changed is one of them too */
#define PORTS_LAST 5119
#define MANY 45000
#define SHORT_BYTES 96

static const struct rig_reply plain;
static const unsigned engine_counts[] = {1, 2, 4};

static struct rig *rig_of(unsigned engine_count, enum rig_family family)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(engine_count);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
	return r;
}

static void name_of(unsigned i, char name[32])
{
	snprintf(name, 32, "n%u.example.com", i);
}

/* ---- one port, which we listen on too ---- */

/* Questions come from other addresses' port 53 too: they are no replies. */
static void send_port(unsigned engine_count, enum rig_family family, bool same_address)
{
	struct rig *r = rig_of(engine_count, family);
	struct frame_interface *interface = &r->config.interfaces[0];
	struct address other = rig_address(family == RIG_V4 ? "198.18.0.54" : "2001:2:0:1::54");
	struct endpoint listen = r->config.listen[family].endpoint;
	struct endpoint server;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	struct rig_question q = {.name = "peer.example.com", .id = 7};
	struct rig_query query;
	struct rig_answer a;
	size_t length;

	if (!same_address) {
		interface->addresses[interface->address_count++] = (struct prefix){
			other, family == RIG_V4 ? RIG_V4_LINK_BITS : RIG_V6_LINK_BITS};
		r->config.outgoing[family].address = other;
	}
	rig_source_publish_all(r, rig_source_new(r, DNS_PORT, DNS_PORT));
	rig_start(r);
	for (unsigned i = 0; i < 50; i++) {
		char name[32];
		struct rig_question question = {.name = name,
						.client = (uint16_t)i,
						.family = family,
						.engine = i % engine_count,
						.id = (uint16_t)i};

		name_of(i, name);
		rig_ask(r, &question);
		rig_poll(r);
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &query));
		CU_ASSERT_EQUAL(query.local.port, DNS_PORT);
		CU_ASSERT(address_equal(&query.local.address, &r->config.outgoing[family].address));
		/* RSS takes the reply to any worker. */
		CU_ASSERT_EQUAL(
			rig_answer_query(r, &query,
					 &(struct rig_reply){.to_engine = true,
							     .engine = i / 2 % engine_count}),
			COUNTER_UPSTREAM_RESPONSE);
		rig_poll(r);
		CU_ASSERT_TRUE_FATAL(rig_answer_next(r, &a));
		CU_ASSERT(rig_question_is(&a, &question));
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
	}
	/* The server itself asks us, from its port 53. */
	server = query.server;
	length = rig_question_build(&q, message);
	CU_ASSERT_EQUAL(rig_send_udp(r, 0, &server, &listen, (struct span){message, length}),
			engine_count == 1 ? COUNTER_QUESTION_NEW
			: rig_count_of(r, 0, COUNTER_QUESTION_HANDED_OFF) > 0
				? COUNTER_QUESTION_HANDED_OFF
				: COUNTER_QUESTION_NEW);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &query));
	rig_answer_query(r, &query, &plain);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_answer_next(r, &a));
	CU_ASSERT(endpoint_equal(&a.client, &server) && endpoint_equal(&a.local, &listen));
	/* A response that nobody waits for, where we listen: to the outgoing address it is one that matches nothing. */
	message[2] |= 0x80;
	CU_ASSERT_EQUAL(rig_send_udp(r, 0, &server, &listen, (struct span){message, length}),
			same_address ? COUNTER_UNMATCHED : COUNTER_DROP_QUERY_IS_RESPONSE);
	CU_ASSERT_EQUAL(rig_send_udp(r, 0, &server, &listen, (struct span){message, 11}),
			COUNTER_DROP_QUERY_SHORT);
	rig_finish(r);
}

static void engine_send_port__of_53_is_told_from_the_port_we_listen_on(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++)
		for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++) {
			send_port(engine_counts[i], family, true);
			send_port(engine_counts[i], family, false);
		}
}

/* ---- 45,000 under way to one server from one port ---- */

/* A query, in short. */
struct held_query {
	struct endpoint local, server;
	uint16_t id;
	uint8_t engine;
	uint8_t length_bytes;
	uint8_t message[SHORT_BYTES];
};
struct held {
	struct held_query *queries;
	unsigned count;
	unsigned noerror;
	bool ids[65536];
};

static bool hold(struct rig *r, const struct rig_query *q)
{
	struct held *held = r->context;
	struct held_query *h = &held->queries[held->count];

	CU_ASSERT_TRUE_FATAL(held->count < MANY && q->length_bytes <= SHORT_BYTES);
	*h = (struct held_query){.local = q->local,
				 .server = q->server,
				 .id = q->parsed.id,
				 .engine = (uint8_t)q->engine,
				 .length_bytes = (uint8_t)q->length_bytes};
	memcpy(h->message, q->message, q->length_bytes);
	CU_ASSERT_FALSE(held->ids[h->id]); /* or its reply could not be told from another's */
	held->ids[h->id] = true;
	held->count++;
	return true;
}

static bool count_noerror(struct rig *r, const struct rig_answer *a)
{
	struct held *held = r->context;

	held->noerror += (rig_flags(a) & DNS_RCODE_MASK) == DNS_RCODE_NOERROR &&
			 rig_record_count(a, DNS_TYPE_A) == 1;
	return true;
}

/* As a server would: the query with QR set, and one record. */
static enum counter answer_held(struct rig *r, const struct held_query *h, unsigned engine)
{
	struct rig_query q = {.local = h->local,
			      .server = h->server,
			      .engine = engine,
			      .length_bytes = h->length_bytes};

	memcpy(q.message, h->message, h->length_bytes);
	CU_ASSERT_TRUE_FATAL(msg_parse_query((struct span){q.message, q.length_bytes}, &q.parsed) ==
			     MSG_QUERY_OK);
	return rig_answer_query(r, &q, &plain);
}

static void many_under_way(unsigned engine_count, enum rig_family family)
{
	struct rig *r = rig_of(engine_count, family);
	struct held held = {.queries = calloc(MANY, sizeof(struct held_query))};
	unsigned long long random = unit_seed();
	uint32_t counts[ENGINE_PORT_BLOCKS] = {0};
	unsigned under_way = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(held.queries);
	rig_source_publish_all(r, rig_source_new(r, DNS_PORT, DNS_PORT));
	r->params.under_way_max = engine_count == 1 ? MANY : MANY / 2 + 2000;
	r->params.waiter_count_max = MANY;
	r->params.entropy_block_bytes = 65536;
	r->context = &held;
	r->on_query = hold;
	r->on_answer = count_noerror;
	r->checks = false;
	rig_start(r);
	for (unsigned i = 0; i < MANY; i++) {
		char name[32];
		struct rig_question q = {.name = name,
					 .client = (uint16_t)i,
					 .family = family,
					 .engine = i % engine_count};

		name_of(i, name);
		rig_ask(r, &q);
		if (i % 256 == 0)
			rig_poll(r);
	}
	rig_poll(r);
	rig_check(r);
	CU_ASSERT_EQUAL_FATAL(held.count, MANY);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, MANY);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_TICKETS), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ENTROPY_WAITS), 0);
	for (unsigned i = 0; i < engine_count; i++)
		for (uint32_t cursor = 0; cursor != ENGINE_REPORT_END;)
			engine_report_ports(r->engines[i], family, counts, &cursor);
	under_way = counts[DNS_PORT / 64];
	CU_ASSERT_EQUAL(under_way, MANY);
	/* Answered in random order, to any worker. */
	for (unsigned i = 0; i < MANY; i++) {
		unsigned other = i + (unsigned)(unit_random(&random) % (MANY - i));
		struct held_query h = held.queries[other];

		held.queries[other] = held.queries[i];
		CU_ASSERT_EQUAL(answer_held(r, &h, i % engine_count), COUNTER_UPSTREAM_RESPONSE);
	}
	rig_poll(r);
	rig_check(r);
	CU_ASSERT_EQUAL(held.noerror, MANY);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UNMATCHED), 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_MISMATCH_QUESTION), 0);
	r->context = NULL;
	free(held.queries);
	rig_finish(r);
}

static void engine_send_port__carries_45000_queries_to_one_server(void)
{
	for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++) {
		many_under_way(1, family);
		many_under_way(2, family);
	}
}

/* ---- 64 ports, 4,096 under way ---- */

static void engine_few_ports__of_64_carry_4096_queries(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(engine_counts); c++) {
		struct rig *r = rig_of(engine_counts[c], RIG_V4);
		struct rig_query q;
		struct rig_answer a;
		unsigned answered = 0;

		rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
		r->params.under_way_max = 4096;
		r->params.waiter_count_max = 8192;
		r->checks = false;
		rig_start(r);
		for (unsigned i = 0; i < 4096; i++) {
			char name[32];
			struct rig_question question = {
				.name = name, .client = (uint16_t)i, .engine = i % r->engine_count};

			name_of(i, name);
			rig_ask(r, &question);
			if (i % 64 == 0)
				rig_poll(r);
		}
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_query_count(r), 4096);
		while (rig_query_next(r, &q)) {
			CU_ASSERT(q.local.port >= PORTS_FIRST && q.local.port <= PORTS_LAST);
			CU_ASSERT_EQUAL(
				rig_answer_query(r, &q,
						 &(struct rig_reply){.to_engine = true,
								     .engine = q.local.port %
									       r->engine_count}),
				COUNTER_UPSTREAM_RESPONSE);
		}
		rig_poll(r);
		while (rig_answer_next(r, &a))
			answered += rig_rcode(&a) == DNS_RCODE_NOERROR;
		CU_ASSERT_EQUAL(answered, 4096);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 0);
		rig_finish(r);
	}
}

/* ---- near misses ---- */

static const struct aim_row {
	const char *says;
	struct rig_reply reply;
	enum counter outcome;
} aim_rows[] = {
	{"wrong ID", {.id_xor = 1}, COUNTER_NEAR_MISS},
	{"wrong ID, SERVFAIL", {.id_xor = 0x8000, .rcode = DNS_RCODE_SERVFAIL}, COUNTER_NEAR_MISS},
	{"wrong port", {.local_port_xor = 1}, COUNTER_NEAR_MISS},
	{"wrong port and ID", {.id_xor = 0x101, .local_port_xor = 32}, COUNTER_NEAR_MISS},
	{"wrong ID, lower case", {.id_xor = 1, .letters = RIG_LETTERS_LOWER}, COUNTER_NEAR_MISS},
	{"wrong ID, another case",
	 {.id_xor = 1, .letters = RIG_LETTERS_FLIPPED},
	 COUNTER_NEAR_MISS},
	{"wrong ID, trailing bytes", {.id_xor = 1, .trailing_bytes = 9}, COUNTER_NEAR_MISS},
	{"wrong ID, no answer in it", {.id_xor = 1, .no_records = true}, COUNTER_NEAR_MISS},
	{"wrong ID and question", {.id_xor = 1, .other_qname = true}, COUNTER_UNMATCHED},
	{"wrong ID and type", {.id_xor = 1, .qtype_xor = 3}, COUNTER_UNMATCHED},
	{"wrong ID and class", {.id_xor = 1, .qclass_xor = 2}, COUNTER_UNMATCHED},
	{"wrong port and question", {.local_port_xor = 1, .other_qname = true}, COUNTER_UNMATCHED},
	{"wrong ID, header only", {.id_xor = 1, .header_only = true}, COUNTER_UNMATCHED},
	{"wrong ID, QDCOUNT=0", {.id_xor = 1, .question_count_0 = true}, COUNTER_UNMATCHED},
	{"wrong ID, cut in the question",
	 {.id_xor = 1, .no_records = true, .cut_bytes = 1},
	 COUNTER_UNMATCHED},
	{"wrong ID, cut in the name",
	 {.id_xor = 1, .no_records = true, .cut_bytes = 8},
	 COUNTER_UNMATCHED},
	{"wrong ID, other server", {.id_xor = 1, .other_server_address = true}, COUNTER_UNMATCHED},
	{"wrong ID, server's port", {.id_xor = 1, .server_port_xor = 2}, COUNTER_UNMATCHED},
	{"right ID, wrong question", {.other_qname = true}, COUNTER_MISMATCH_QUESTION},
	{"port that is not ours", {.local_port_xor = 64}, COUNTER_DROP_UDP_PORT},
};

/* A forged reply to a query among others: burnt or not, its client has the true answer in the end. */
static void aim_at_one(const struct aim_row *row, unsigned engine_count, unsigned at,
		       enum rig_family family)
{
	struct rig *r = rig_of(engine_count, family);
	struct rig_reply forged = row->reply;
	bool burns = row->outcome == COUNTER_NEAR_MISS;
	struct rig_query q, again;
	struct rig_answer a;

	rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
	rig_start(r);
	for (unsigned i = 0; i < 40; i++) {
		char name[32];
		struct rig_question question = {.name = name, .client = (uint16_t)i};

		name_of(i, name);
		rig_ask(r, &question);
	}
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	forged.to_engine = true;
	forged.engine = at;
	forged.last_byte = 66;
	RIG_ROW(row->says, rig_answer_query(r, &q, &forged) == row->outcome);
	RIG_ROW(row->says, rig_count(r, COUNTER_UPSTREAM_CANCELLED) == burns);
	RIG_ROW(row->says, rig_gauges(r).tickets_late == burns);
	RIG_ROW(row->says, rig_answer_count(r) == 0);
	/* The true answer: too late where the ticket was burnt. */
	RIG_ROW(row->says, rig_answer_query(r, &q, &plain) ==
				   (burns ? COUNTER_LATE_RESPONSE : COUNTER_UPSTREAM_RESPONSE));
	while (rig_query_next(r, &again)) /* the others */
		RIG_ROW(row->says,
			rig_answer_query(r, &again, &plain) == COUNTER_UPSTREAM_RESPONSE);
	rig_advance(r, NEAR_MISS_HOLD_OFF_MS * NS_PER_MS + 5 * NS_PER_MS);
	RIG_ROW(row->says, rig_query_next(r, &again) == burns);
	if (burns) {
		RIG_ROW(row->says, name_equal(&again.parsed.qname, &q.parsed.qname));
		RIG_ROW(row->says,
			again.parsed.id != q.parsed.id || again.local.port != q.local.port);
		RIG_ROW(row->says,
			rig_answer_query(r, &again, &plain) == COUNTER_UPSTREAM_RESPONSE);
	}
	RIG_ROW(row->says, rig_answer_count(r) == 40);
	while (rig_answer_next(r, &a))
		RIG_ROW(row->says,
			a.message[a.length_bytes - 1] != 66 && rig_rcode(&a) == DNS_RCODE_NOERROR);
	rig_finish(r);
}

static void engine_few_ports__notice_who_aims_at_a_question(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(aim_rows); i++) {
		aim_at_one(&aim_rows[i], 1, 0, RIG_V4);
		aim_at_one(&aim_rows[i], 1, 0, RIG_V6);
		aim_at_one(&aim_rows[i], 2, 0, RIG_V4);
		aim_at_one(&aim_rows[i], 2, 1, RIG_V6);
		aim_at_one(&aim_rows[i], 4, 3, RIG_V4);
	}
}

/* The same question with and without CD is two resolutions', of two workers: a forgery aims at both, visits each once and is
 * counted once. */
static void engine_few_ports__a_question_of_two_owners_is_burnt_at_both(void)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < 16; i++) {
		struct rig *r = rig_of(4, RIG_V4);
		unsigned at = i % 4;
		struct rig_query queries[2];
		struct rig_query q;
		uint64_t passed;

		r->entropy_random += i; /* other IDs: their words lie in another order */
		rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
		rig_start(r);
		do {
			char name[32];
			struct rig_question question = {.name = name};

			CU_ASSERT_TRUE_FATAL(tried < 4000);
			while (rig_query_next(r, &q))
				rig_answer_query(r, &q, &plain);
			name_of(tried++, name);
			rig_ask(r, &question);
			question.flags_on = DNS_FLAG_CD;
			rig_ask(r, &question);
			rig_poll(r);
			CU_ASSERT_TRUE_FATAL(rig_query_next(r, &queries[0]));
			CU_ASSERT_TRUE_FATAL(rig_query_next(r, &queries[1]));
			if (queries[0].engine == queries[1].engine) {
				rig_answer_query(r, &queries[0], &plain);
				rig_answer_query(r, &queries[1], &plain);
			}
		} while (queries[0].engine == queries[1].engine);
		passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
		q = queries[0];
		q.parsed.id ^= 0x5a5a;
		if (q.parsed.id == queries[1].parsed.id)
			q.parsed.id ^= 1;
		CU_ASSERT_EQUAL(
			rig_answer_query(r, &q,
					 &(struct rig_reply){.to_engine = true, .engine = at}),
			COUNTER_NEAR_MISS);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 1);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 2);
		passed = rig_count(r, COUNTER_PACKET_HANDED_OFF) - passed;
		/* To the first owner, unless that received it, and from there to the second. */
		CU_ASSERT_EQUAL(passed,
				(queries[0].engine < queries[1].engine ? queries[0].engine
								       : queries[1].engine) == at
					? 1
					: 2);
		rig_forget(r);
		rig_finish(r);
	}
}

/* The reply that a query timed out waiting for comes while the same question is under way again: it is late, not a forgery. */
static void engine_few_ports__a_late_reply_does_not_aim(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct rig_question question = {.name = "slow.example.com"};
	struct rig_query first, again;

	rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
	rig_start(r);
	rig_ask(r, &question);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &first));
	rig_advance(r, NS_PER_S);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &again));
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
	CU_ASSERT_EQUAL(rig_answer_query(r, &again, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

/* The first tickets end at their first wrong ID, the next one bears some: each forgery counts once. */
static void engine_few_ports__burn_tickets_as_many_ports_do(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct rig_question question = {.name = "abcdefghijkl.example.com"};
	struct rig_query q;
	unsigned burnt = 0;

	rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
	rig_start(r);
	rig_ask(r, &question);
	rig_poll(r);
	for (; burnt < NEAR_MISS_BURNS; burnt++) {
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &(struct rig_reply){.id_xor = 1}),
				COUNTER_NEAR_MISS);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), burnt + 1);
		rig_advance(r, NEAR_MISS_HOLD_OFF_MS_MAX * NS_PER_MS);
	}
	/* This one bears some. */
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	for (unsigned i = 0; i < NEAR_MISS_TOLERATED; i++)
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &(struct rig_reply){.id_xor = 1}),
				COUNTER_NEAR_MISS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), burnt);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

/* Any bytes: no step outside of them, and no other outcome than these. */
static void engine_few_ports__bear_any_reply(void)
{
	struct rig *r = rig_of(2, RIG_V4);
	struct rig_question question = {.name = "target.example.com"};
	unsigned long long random = unit_seed();
	struct rig_query q;

	rig_source_publish_all(r, rig_source_new(r, PORTS_FIRST, PORTS_LAST));
	r->checks = false;
	rig_start(r);
	rig_ask(r, &question);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t message[RIG_MESSAGE_BYTES_MAX];
		size_t length = rig_reply_build(&q, &(struct rig_reply){.other_qname = i % 2 == 0},
						message);
		unsigned changes = (unsigned)(unit_random(&random) % 8);
		enum counter outcome;

		for (; changes > 0; changes--)
			message[unit_random(&random) % length] = (uint8_t)unit_random(&random);
		message[0] = (uint8_t)~q.message[0]; /* never the right ID */
		outcome = rig_answer_bytes(r, &q, message, unit_random(&random) % (length + 1));
		CU_ASSERT(outcome == COUNTER_UNMATCHED || outcome == COUNTER_NEAR_MISS);
		while (rig_query_count(r) > 0)
			CU_ASSERT_TRUE(rig_query_next(r, &q));
		if (i % 1000 == 0)
			rig_check(r);
	}
	rig_forget(r);
	rig_finish(r);
}

/* ---- from many ports to few and back ---- */

/* Does one of these 60, sent from many ports, have the port of this query? Then a wrong ID is a near miss at both. */
static bool shares_port(const struct rig_query many[60], const struct rig_query *query)
{
	for (unsigned i = 0; i < 60; i++)
		if (&many[i] != query && many[i].local.port == query->local.port)
			return true;
	return false;
}

/* Replies to queries of the kind before are matched, and near misses judged, in either direction. */
static void change_kind(unsigned engine_count, bool to_few)
{
	struct rig *r = rig_of(engine_count, RIG_V4);
	struct source_set *few = rig_source_new(r, PORTS_FIRST, PORTS_LAST);
	struct source_set *many = rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX);
	struct source_set *before = to_few ? many : few;
	struct source_set *after = to_few ? few : many;
	struct rig_query queries[120];
	struct rig_answer a;
	unsigned answered = 0, aimed = 0;

	source_set_keep(after, &before->ports.map);
	after->was_other_kind = true;
	rig_source_publish_all(r, before);
	rig_start(r);
	for (unsigned i = 0; i < 120; i++) {
		char name[32];
		struct rig_question question = {
			.name = name, .client = (uint16_t)i, .engine = i % engine_count};

		if (i == 60)
			rig_source_publish_all(r, after);
		name_of(i, name);
		rig_ask(r, &question);
		rig_poll(r);
		CU_ASSERT_TRUE_FATAL(rig_query_next(r, &queries[i]));
		CU_ASSERT(port_map_has(i < 60 ? &before->ports.map : &after->ports.map,
				       queries[i].local.port));
	}
	for (unsigned i = 0; i < 120; i++) {
		struct rig_reply reply = {.to_engine = true, .engine = i / 3 % engine_count};
		/* Before and after the change: one of three is aimed at. */
		bool is_aimed =
			i % 3 == 0 && !shares_port(to_few ? queries : queries + 60, &queries[i]);

		aimed += is_aimed;
		if (is_aimed) {
			reply.id_xor = 0x4000;
			CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &reply),
					COUNTER_NEAR_MISS);
			reply.id_xor = 0;
		}
		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &reply),
				is_aimed ? COUNTER_LATE_RESPONSE : COUNTER_UPSTREAM_RESPONSE);
	}
	CU_ASSERT(aimed >= 20);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), aimed);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), aimed);
	rig_advance(r, 2 * NEAR_MISS_HOLD_OFF_MS * NS_PER_MS);
	while (rig_query_next(r, &queries[0]))
		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[0], &plain),
				COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
	while (rig_answer_next(r, &a))
		answered += rig_rcode(&a) == DNS_RCODE_NOERROR;
	CU_ASSERT_EQUAL(answered, 120);
	rig_finish(r);
}

static void engine_few_ports__change_to_many_and_back_without_losing_a_reply(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++) {
		change_kind(engine_counts[i], true);
		change_kind(engine_counts[i], false);
	}
}

/* One port on both sides of the change: no two queries of it have one ID, or one's reply would be taken for the other's. */
static void engine_few_ports__change_without_two_equal_tickets(void)
{
	struct rig *r = rig_of(1, RIG_V4);
	struct source_set *few = rig_source_new(r, 53, 53);
	struct source_set *many = rig_source_new(r, 53, 53);
	static bool ids[65536];
	struct rig_query q;

	memset(ids, 0, sizeof(ids));
	many->was_other_kind = true;
	many->is_small = false;
	few->was_other_kind = true;
	r->params.under_way_max = 32768;
	r->params.waiter_count_max = 32768;
	r->params.entropy_block_bytes = 65536;
	r->checks = false;
	rig_source_publish_all(r, few);
	rig_start(r);
	for (unsigned i = 0; i < 16000; i++) {
		char name[32];
		struct rig_question question = {.name = name, .client = (uint16_t)i};

		/* A bucket holds eight at most of those that are found without their ID. */
		rig_source_publish_all(r, i % 3000 == 2999 ? many : few);
		name_of(i, name);
		rig_ask(r, &question);
		if (i % 64 == 0)
			rig_poll(r);
	}
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 16000);
	while (rig_query_next(r, &q)) {
		CU_ASSERT_FALSE(ids[q.parsed.id]);
		ids[q.parsed.id] = true;
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	}
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_send_port__of_53_is_told_from_the_port_we_listen_on),
	UNIT_TEST(engine_send_port__carries_45000_queries_to_one_server),
	UNIT_TEST(engine_few_ports__of_64_carry_4096_queries),
	UNIT_TEST(engine_few_ports__notice_who_aims_at_a_question),
	UNIT_TEST(engine_few_ports__a_question_of_two_owners_is_burnt_at_both),
	UNIT_TEST(engine_few_ports__a_late_reply_does_not_aim),
	UNIT_TEST(engine_few_ports__burn_tickets_as_many_ports_do),
	UNIT_TEST(engine_few_ports__bear_any_reply),
	UNIT_TEST(engine_few_ports__change_to_many_and_back_without_losing_a_reply),
	UNIT_TEST(engine_few_ports__change_without_two_equal_tickets),
};
UNIT_SUITE(engine_few_ports, tests)
