/* Clients over TCP: judged as those by UDP are, answered whole, each once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_state.h"
#include "core/limits.h"
#include "core/wire_cursor.h"
#include "engine_rig.h"
#include "unit.h"

#define TYPE_OPAQUE 65280 /* private use (RFC 6895): any RDATA */
#define RECORD_BYTES 12   /* before RDATA, with a pointer for a name */
#define MINUTE_S 60

static const struct rig_reply plain;
static const struct rig_reply truncated = {.flags_on = DNS_FLAG_TC, .no_records = true};

static struct rig *stream_rig(size_t cache_bytes)
{
	struct rig *r = rig_new(1);

	r->config.tcp_interfaces = 1;
	r->cache_bytes = cache_bytes;
	rig_start(r);
	return r;
}

static struct rig_query next_udp(struct rig *r)
{
	struct rig_query query;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	return query;
}

static struct rig_query next_tcp(struct rig *r)
{
	struct rig_query query;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_stream_query_next(r, &query));
	return query;
}

static bool handle_is(const struct rig_stream_answer *a, uint32_t idx)
{
	return a->handle.idx == idx && a->handle.generation == ~idx;
}

/* The only one there is; of connection idx. */
static const struct rig_stream_answer *got(struct rig *r, uint32_t idx)
{
	static struct rig_stream_answer a;

	rig_poll(r);
	CU_ASSERT_FATAL(rig_stream_answer_next(r, &a));
	CU_ASSERT(handle_is(&a, idx));
	return &a;
}

static uint16_t rcode(const struct rig_stream_answer *a)
{
	return rig_u16(a->message, 2) & DNS_RCODE_MASK;
}

/* An answer to q of so many bytes, with one opaque record. */
static void big_reply(const struct rig_query *q, size_t bytes, uint8_t *out)
{
	struct wire_writer w = wire_writer_init((struct buffer){out, bytes});
	size_t rdata_bytes;

	wire_write_u16(&w, q->parsed.id);
	wire_write_u16(&w, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
	wire_write_u32(&w, 1u << 16 | 1);
	wire_write_u32(&w, 0);
	wire_write_span(&w, (struct span){q->parsed.qname.bytes, q->parsed.qname.length_bytes});
	wire_write_u16(&w, q->parsed.qtype);
	wire_write_u16(&w, DNS_CLASS_IN);
	rdata_bytes = bytes - w.offset - RECORD_BYTES;
	wire_write_u16(&w, DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES);
	wire_write_u16(&w, TYPE_OPAQUE);
	wire_write_u16(&w, DNS_CLASS_IN);
	wire_write_u32(&w, MINUTE_S);
	wire_write_u16(&w, (uint16_t)rdata_bytes);
	for (size_t i = 0; i < rdata_bytes; i++)
		wire_write_u8(&w, (uint8_t)(i * 7 + i / 251));
	CU_ASSERT_FATAL(w.ok && w.offset == bytes);
}

static enum counter reply_big(struct rig *r, const struct rig_query *q, size_t bytes)
{
	uint8_t *message = malloc(bytes);
	enum counter outcome;

	CHECK(message != NULL);
	big_reply(q, bytes, message);
	outcome = rig_stream_reply_bytes(r, q, message, bytes);
	free(message);
	return outcome;
}

/* Does the answer have the record of big_reply, all of it? */
static bool has_record(const struct rig_stream_answer *a, const struct rig_query *q, size_t bytes)
{
	size_t question_end = DNS_HEADER_BYTES + q->parsed.qname.length_bytes + 4;
	uint8_t *message = malloc(bytes);
	bool is_same;

	CHECK(message != NULL);
	big_reply(q, bytes, message);
	is_same = a->length_bytes >= bytes && rig_u16(a->message, 6) == 1 &&
		  (rig_u16(a->message, 2) & DNS_FLAG_TC) == 0 &&
		  memcmp(a->message + question_end, message + question_end, bytes - question_end) ==
			  0;
	free(message);
	return is_same;
}

/* Asked by UDP, truncated, and then over TCP. */
static struct rig_query to_tcp(struct rig *r)
{
	struct rig_query q = next_udp(r);

	rig_answer_query(r, &q, &truncated);
	return next_tcp(r);
}

/* ---- answers ---- */

static void engine_stream_client__has_its_answer(void)
{
	struct rig *r = stream_rig(0);
	struct rig_question q = {.name = "wWw.eXample.com", .id = 77, .edns = true};
	const struct rig_stream_answer *a;
	struct rig_query query;

	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, 0, 5), COUNTER_QUESTION_NEW);
	query = next_udp(r);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &plain), COUNTER_UPSTREAM_RESPONSE);
	a = got(r, 5);
	CU_ASSERT_EQUAL(a->worker, 0);
	CU_ASSERT_EQUAL(rig_u16(a->message, 0), 77);
	CU_ASSERT_EQUAL(rig_u16(a->message, 2),
			DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | DNS_RCODE_NOERROR);
	CU_ASSERT(memcmp(a->message + DNS_HEADER_BYTES, "\3wWw\7eXample\3com", 16) == 0);
	CU_ASSERT_EQUAL(rig_u16(a->message, 6), 1);
	CU_ASSERT_EQUAL(rig_u16(a->message, 10), 1); /* OPT */
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_STREAM_ANSWERS), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_NOERROR), 1);
	rig_finish(r);
}

/* More than a datagram may have. */
static void engine_stream_client__has_whole_what_udp_cuts(void)
{
	struct rig *r = stream_rig(0);
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;
	struct rig_answer cut;

	rig_ask(r, &q);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, 0, 1), COUNTER_COALESCED);
	query = next_udp(r);
	rig_answer_query(r, &query, &(struct rig_reply){.record_count = 60});
	CU_ASSERT_EQUAL(rig_u16(got(r, 1)->message, 6), 60);
	CU_ASSERT_FATAL(rig_answer_next(r, &cut));
	CU_ASSERT((rig_flags(&cut) & DNS_FLAG_TC) != 0);
	rig_finish(r);
}

static void engine_stream_client__has_an_answer_of_65535_bytes(void)
{
	static const char cookie[] = "\0\12\0\01012345678";
	static const struct rig_question rows[] = {
		{.name = "big.example", .qtype = TYPE_OPAQUE},
		{.name = "big.example", .qtype = TYPE_OPAQUE, .edns = true},
		{.name = "big.example",
		 .qtype = TYPE_OPAQUE,
		 .edns = true,
		 .options = (const uint8_t *)cookie,
		 .options_length_bytes = sizeof(cookie) - 1},
	};
	static const size_t sizes[] = {STREAM_MESSAGE_BYTES_MAX,
				       STREAM_MESSAGE_BYTES_MAX - DNS_OPT_BYTES_MIN,
				       STREAM_MESSAGE_BYTES_MAX - 39,
				       STREAM_MESSAGE_BYTES_MAX - 38, /* no room for a cookie */
				       CACHE_ENTRY_BYTES_MAX,
				       ANSWER_BUFFER_BYTES + 1,
				       ANSWER_BUFFER_BYTES,
				       1000};

	for (unsigned s = 0; s < ARRAY_COUNT(sizes); s++)
		for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig *r = stream_rig(CACHE_BYTES_MIN);
			const struct rig_stream_answer *a;
			struct rig_query query;

			rig_stream_ask(r, &rows[i], 0, 3);
			query = to_tcp(r);
			CU_ASSERT_EQUAL(reply_big(r, &query, sizes[s]),
					COUNTER_UPSTREAM_TCP_RESPONSE);
			CU_ASSERT_EQUAL(rig_gauges(r).large_buffers_used,
					sizes[s] > ANSWER_BUFFER_BYTES);
			a = got(r, 3);
			CU_ASSERT(has_record(a, &query, sizes[s]));
			CU_ASSERT_EQUAL(rig_u16(a->message, 10),
					rows[i].edns && sizes[s] + DNS_OPT_BYTES_MIN <=
								STREAM_MESSAGE_BYTES_MAX);
			CU_ASSERT_EQUAL(rig_gauges(r).large_buffers_used, 0);
			rig_finish(r);
		}
}

/* Nothing comes behind it: what is not whole is no answer. */
static void engine_stream_client__has_nothing_truncated(void)
{
	struct rig *r = rig_new(1); /* no TCP to servers */
	struct rig_question q = {.name = "www.example.com"};
	struct rig_query query;
	const struct rig_stream_answer *a;

	rig_start(r);
	rig_stream_ask(r, &q, 0, 1);
	query = next_udp(r);
	rig_answer_query(r, &query, &truncated);
	a = got(r, 1);
	CU_ASSERT_EQUAL(rcode(a), DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(rig_u16(a->message, 2) & DNS_FLAG_TC, 0);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_SERVFAIL), 1);
	rig_finish(r);
}

static void engine_stream_client__shares_a_query_with_others(void)
{
	enum { CLIENTS = 40, BYTES = 60000 };
	struct rig *r = stream_rig(0);
	bool seen[CLIENTS] = {false};
	static struct rig_stream_answer a;
	struct rig_answer cut;
	struct rig_query query;
	unsigned streams = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct rig_question q = {.name = "big.example",
					 .qtype = TYPE_OPAQUE,
					 .id = (uint16_t)i,
					 .client = (uint16_t)i};
		enum counter outcome = i % 2 != 0 ? rig_stream_ask(r, &q, 0, i) : rig_ask(r, &q);

		CU_ASSERT_EQUAL(outcome, i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	}
	query = to_tcp(r);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, CLIENTS);
	reply_big(r, &query, BYTES);
	rig_poll(r);
	/* In the order in which they came. */
	for (; rig_stream_answer_next(r, &a); streams++) {
		CU_ASSERT(handle_is(&a, 2 * streams + 1));
		CU_ASSERT(has_record(&a, &query, BYTES));
		CU_ASSERT_EQUAL(rig_u16(a.message, 0), a.handle.idx);
	}
	CU_ASSERT_EQUAL(streams, CLIENTS / 2);
	while (rig_answer_next(r, &cut)) {
		unsigned i = rig_u16(cut.message, 0);

		CU_ASSERT_FATAL(i < CLIENTS && i % 2 == 0 && !seen[i]);
		seen[i] = true;
		CU_ASSERT((rig_flags(&cut) & DNS_FLAG_TC) != 0);
	}
	for (unsigned i = 0; i < CLIENTS; i += 2)
		CU_ASSERT(seen[i]);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_QUERIES), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_TCP_QUERIES), 1);
	rig_finish(r);
}

/* As many large answers at once as there may be: the next is asked for again. */
static void engine_stream_client__waits_when_large_buffers_are_used(void)
{
	struct rig *r = stream_rig(0);
	struct rig_query queries[LARGE_ANSWERS + 1];
	static struct rig_stream_answer a;
	unsigned answers = 0;
	char name[32];

	for (unsigned i = 0; i <= LARGE_ANSWERS; i++) {
		struct rig_question q = {.name = name, .qtype = TYPE_OPAQUE};

		snprintf(name, sizeof(name), "n%u.example", i);
		rig_stream_ask(r, &q, 0, i);
		queries[i] = to_tcp(r);
	}
	for (unsigned i = 0; i <= LARGE_ANSWERS; i++)
		CU_ASSERT_EQUAL(reply_big(r, &queries[i], 30000),
				i < LARGE_ANSWERS ? COUNTER_UPSTREAM_TCP_RESPONSE
						  : COUNTER_DROP_ANSWERS_FULL);
	CU_ASSERT_EQUAL(rig_gauges(r).large_buffers_used, LARGE_ANSWERS);
	rig_poll(r);
	for (; rig_stream_answer_next(r, &a); answers++)
		CU_ASSERT(has_record(&a, &queries[a.handle.idx], 30000));
	CU_ASSERT_EQUAL(answers, LARGE_ANSWERS);
	CU_ASSERT_EQUAL(rig_gauges(r).large_buffers_used, 0);
	rig_advance(r, 850 * NS_PER_MS);
	queries[0] = next_udp(r);
	rig_answer_query(r, &queries[0], &plain);
	CU_ASSERT_EQUAL(rcode(got(r, LARGE_ANSWERS)), DNS_RCODE_NOERROR);
	rig_finish(r);
}

/* ---- what is not resolved ---- */

static void engine_stream_client__is_judged_as_by_udp(void)
{
	static const struct {
		struct rig_question question;
		enum counter outcome;
		uint16_t rcode;
	} rows[] = {
		{{.name = "a.example", .rd_off = true},
		 COUNTER_QUESTION_REPLIED,
		 DNS_RCODE_REFUSED},
		{{.name = "a.example", .qtype = DNS_TYPE_AXFR},
		 COUNTER_QUESTION_REPLIED,
		 DNS_RCODE_REFUSED},
		{{.name = "a.example", .qtype = DNS_TYPE_ANY},
		 COUNTER_QUESTION_REPLIED,
		 DNS_RCODE_NOERROR},
		{{.name = "a.example", .qclass = 3}, COUNTER_QUESTION_REPLIED, DNS_RCODE_REFUSED},
		{{.name = "a.example", .flags_on = 4 << DNS_OPCODE_SHIFT},
		 COUNTER_QUESTION_REPLIED,
		 DNS_RCODE_NOTIMP},
		{{.name = "a.example", .flags_on = DNS_FLAG_TC},
		 COUNTER_QUESTION_REPLIED,
		 DNS_RCODE_FORMERR},
		{{.name = "a.example", .flags_on = DNS_FLAG_QR}, COUNTER_DROP_QUERY_IS_RESPONSE, 0},
	};

	for (unsigned carrier = 0; carrier < 2; carrier++) {
		struct rig *r = rig_new(1);

		r->carries = true;
		rig_start(r);
		for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
			const struct rig_question *q = &rows[i].question;
			unsigned engine = carrier != 0 ? RIG_CARRIER : 0;
			static struct rig_stream_answer a;

			CU_ASSERT_EQUAL(rig_stream_ask(r, q, engine, i), rows[i].outcome);
			CU_ASSERT_EQUAL(rig_stream_answer_next(r, &a),
					rows[i].outcome == COUNTER_QUESTION_REPLIED);
			if (rows[i].outcome != COUNTER_QUESTION_REPLIED)
				continue;
			CU_ASSERT(handle_is(&a, i));
			CU_ASSERT_EQUAL(rcode(&a), rows[i].rcode);
			CU_ASSERT_EQUAL(rig_u16(a.message, 2) & DNS_OPCODE_MASK,
					q->flags_on & DNS_OPCODE_MASK);
		}
		CU_ASSERT_EQUAL(rig_stream_send(r, &rows[0].question,
						(const uint8_t *)"12345678901", 11,
						carrier != 0 ? RIG_CARRIER : 0, 9),
				COUNTER_DROP_QUERY_SHORT);
		CU_ASSERT_EQUAL(rig_stream_send(r, &rows[0].question, (const uint8_t *)"", 0,
						carrier != 0 ? RIG_CARRIER : 0, 9),
				COUNTER_DROP_QUERY_SHORT);
		rig_finish(r);
	}
}

/* Who has a connection has the address: no ration of errors, but the same list of who may ask. */
static void engine_stream_client__is_refused_by_the_list_at_any_rate(void)
{
	struct rig *r = rig_new(1);
	static struct rig_stream_answer a;

	r->config.allow_count = 1;
	r->config.allow[0] = (struct prefix){rig_address("2001:db8::"), 32};
	rig_start(r);
	for (uint32_t i = 0; i < 3 * ERROR_REPLIES_PER_S; i++) {
		struct rig_question q = {.name = "a.example", .edns = true};

		CU_ASSERT_EQUAL(rig_stream_ask(r, &q, 0, i), COUNTER_QUESTION_REPLIED);
		CU_ASSERT(rig_stream_answer_next(r, &a) && rcode(&a) == DNS_RCODE_REFUSED);
	}
	rig_finish(r);
}

/* ---- the carrier's engine ---- */

static struct rig *carrier_rig(unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);

	r->carries = true;
	r->config.tcp_interfaces = 1;
	r->cache_bytes = 2 * CACHE_BYTES_MIN;
	return r;
}

static void engine_stream_client__is_answered_by_the_owner(void)
{
	struct rig *r = carrier_rig(3);
	char name[32];

	rig_start(r);
	for (uint32_t i = 0; i < 30; i++) {
		struct rig_question q = {.name = name, .id = (uint16_t)i};
		const struct rig_stream_answer *a;
		struct rig_query query;

		snprintf(name, sizeof(name), "n%u.example", i);
		CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, i), COUNTER_QUESTION_HANDED_OFF);
		query = next_udp(r);
		CU_ASSERT_EQUAL(query.engine, rig_owner(r, name, DNS_TYPE_A));
		rig_answer_query(r, &query, &plain);
		a = got(r, i);
		CU_ASSERT_EQUAL(a->engine, query.engine);
		CU_ASSERT_EQUAL(a->worker, 3);
		CU_ASSERT_EQUAL(rig_u16(a->message, 0), i);
		/* Again: the carrier finds it itself, and so does who asks by UDP. */
		CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, i), COUNTER_CACHE_HIT);
		a = got(r, i);
		CU_ASSERT_EQUAL(rig_u16(a->message, 6), 1);
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	}
	rig_finish(r);
}

/* Up to what the cache keeps; a client by UDP has of the same entry what it can take. */
static void engine_stream_client__has_large_answers_from_the_cache(void)
{
	enum { BYTES = 12000 };
	struct rig *r = carrier_rig(1);
	struct rig_question q = {.name = "big.example", .qtype = TYPE_OPAQUE, .edns = true};
	struct rig_query query;
	struct rig_answer cut;

	rig_start(r);
	rig_stream_ask(r, &q, RIG_CARRIER, 1);
	query = to_tcp(r);
	reply_big(r, &query, BYTES);
	CU_ASSERT(has_record(got(r, 1), &query, BYTES));
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, 2), COUNTER_CACHE_HIT);
	CU_ASSERT(has_record(got(r, 2), &query, BYTES));
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_CACHE_HIT);
	CU_ASSERT_FATAL(rig_answer_next(r, &cut));
	CU_ASSERT((rig_flags(&cut) & DNS_FLAG_TC) != 0);
	CU_ASSERT_EQUAL(r->stream_queries_sent, 1);
	rig_finish(r);
}

static void engine_stream_client__counts_what_finds_no_place(void)
{
	struct rig *r = carrier_rig(1);
	char name[32];
	uint32_t i = 0;

	r->ring_capacity = 3;
	rig_start(r);
	r->passing = RIG_PASS_NEVER;
	for (; i < 5; i++) {
		struct rig_question q = {.name = name};

		snprintf(name, sizeof(name), "n%u.example", i);
		CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, i),
				i < 3 ? COUNTER_QUESTION_HANDED_OFF : COUNTER_DROP_HANDOFF_FULL);
	}
	rig_finish(r);
}

/* Just before it expires the owner has it, and asks again; the client has what there is. */
static void engine_stream_client__has_popular_answers_refreshed(void)
{
	struct rig *r = carrier_rig(2);
	struct rig_question q = {.name = "a.example"};
	struct rig_query query;

	r->config.cache.prefetch = true;
	r->config.cache.max_ttl_s = 100;
	rig_start(r);
	rig_stream_ask(r, &q, RIG_CARRIER, 1);
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	(void)got(r, 1);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, 2), COUNTER_CACHE_HIT);
	(void)got(r, 2);
	rig_advance(r, 95 * NS_PER_S);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, 3), COUNTER_QUESTION_HANDED_OFF);
	CU_ASSERT_EQUAL(rcode(got(r, 3)), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 1);
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, RIG_CARRIER, 4), COUNTER_CACHE_HIT);
	(void)got(r, 4);
	rig_finish(r);
}

/* SECURITY.md section 3.1: what there is, but nobody is asked, neither now nor to have it afresh. */
static void engine_stream_client__without_recursion_has_what_is_cached(void)
{
	struct rig *r = carrier_rig(2);
	struct rig_question q = {.name = "a.example"};
	struct rig_question only = {.name = "a.example", .rd_off = true};
	struct rig_query query;

	r->config.cache.prefetch = true;
	r->config.cache.max_ttl_s = 100;
	rig_start(r);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &only, RIG_CARRIER, 1), COUNTER_QUESTION_REPLIED);
	CU_ASSERT_EQUAL(rcode(got(r, 1)), DNS_RCODE_REFUSED);
	rig_stream_ask(r, &q, RIG_CARRIER, 2);
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	(void)got(r, 2);
	for (unsigned i = 3; i < 5; i++) {
		const struct rig_stream_answer *a;

		CU_ASSERT_EQUAL(rig_stream_ask(r, &only, RIG_CARRIER, i), COUNTER_CACHE_HIT);
		a = got(r, i);
		CU_ASSERT_EQUAL(rig_u16(a->message, 2), DNS_FLAG_QR | DNS_FLAG_RA);
		CU_ASSERT_EQUAL(rig_u16(a->message, 6), 1);
		rig_advance(r, 95 * NS_PER_S);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_PREFETCHES), 0);
	CU_ASSERT_EQUAL(rig_stream_ask(r, &only, RIG_CARRIER, 5), COUNTER_QUESTION_REPLIED);
	CU_ASSERT_EQUAL(rcode(got(r, 5)), DNS_RCODE_REFUSED);
	rig_finish(r);
}

/* Of many that wait by both ways: all have the old one, and the query goes on. */
static void engine_stream_client__has_an_old_answer_in_time(void)
{
	struct rig *r = carrier_rig(1);
	struct rig_question q = {.name = "a.example", .edns = true};
	static struct rig_stream_answer a;
	struct rig_query query;
	unsigned streams = 0;

	r->config.cache.serve_stale = true;
	r->config.cache.max_ttl_s = 10;
	rig_start(r);
	rig_stream_ask(r, &q, RIG_CARRIER, 1);
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	(void)got(r, 1);
	rig_advance(r, 11 * NS_PER_S);
	for (uint32_t i = 0; i < 6; i++) {
		q.id = (uint16_t)i;
		q.client_port = (uint16_t)(1000 + i);
		if (i % 3 == 2)
			rig_ask(r, &q);
		else
			rig_stream_ask(r, &q, RIG_CARRIER, i);
	}
	rig_advance(r, 1700 * NS_PER_MS);
	CU_ASSERT(!rig_stream_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_advance(r, 200 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_answer_count(r), 2);
	for (; rig_stream_answer_next(r, &a); streams++) {
		CU_ASSERT_EQUAL(rcode(&a), DNS_RCODE_NOERROR);
		CU_ASSERT_EQUAL(rig_u16(a.message, 6), 1);
	}
	CU_ASSERT_EQUAL(streams, 4);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 6);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 1);
	CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
	rig_finish(r);
}

/* The servers fail: the old answer instead of that. */
static void engine_stream_client__has_an_old_answer_instead_of_none(void)
{
	struct rig *r = carrier_rig(1);
	struct rig_question q = {.name = "a.example"};
	struct rig_query query;

	r->config.cache.serve_stale = true;
	r->config.cache.max_ttl_s = 10;
	rig_start(r);
	rig_stream_ask(r, &q, RIG_CARRIER, 1);
	query = next_udp(r);
	rig_answer_query(r, &query, &plain);
	(void)got(r, 1);
	rig_advance(r, 11 * NS_PER_S);
	rig_stream_ask(r, &q, RIG_CARRIER, 2);
	for (unsigned i = 0; i < 3; i++) {
		query = next_udp(r);
		rig_answer_query(r, &query, &(struct rig_reply){.rcode = DNS_RCODE_SERVFAIL});
	}
	CU_ASSERT_EQUAL(rcode(got(r, 2)), DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_CACHE_STALE), 1);
	rig_finish(r);
}

/* ---- limits, and the end ---- */

static void engine_stream_client__holds_no_more_than_one_may(void)
{
	struct rig *r = rig_new(1);
	char name[32];
	unsigned taken = 0;

	r->params.waiter_count_max = 4 * CLIENT_WAITERS_CROWDED;
	r->params.under_way_max = 4 * CLIENT_WAITERS_CROWDED;
	rig_start(r);
	for (uint32_t i = 0; i < 4 * CLIENT_WAITERS_CROWDED; i++) {
		struct rig_question q = {.name = name};
		enum counter outcome;

		snprintf(name, sizeof(name), "n%u.example", i);
		outcome = rig_stream_ask(r, &q, 0, i);
		taken += outcome == COUNTER_QUESTION_NEW;
		CU_ASSERT(outcome == COUNTER_QUESTION_NEW ||
			  outcome == COUNTER_DROP_CLIENT_WAITERS);
	}
	/* Half of all, then it is crowded. */
	CU_ASSERT_EQUAL(taken, 2 * CLIENT_WAITERS_CROWDED + 1);
	rig_finish(r);
}

static void engine_stream_client__is_answered_before_the_end(void)
{
	struct rig *r = stream_rig(0);
	struct rig_question q = {.name = "a.example"};
	struct rig_query query;

	rig_stream_ask(r, &q, 0, 1);
	engine_stop_taking(r->engines[0]);
	q.name = "b.example";
	CU_ASSERT_EQUAL(rig_stream_ask(r, &q, 0, 2), COUNTER_DROP_STOPPING);
	query = next_udp(r);
	CU_ASSERT(!engine_idle(r->engines[0]));
	rig_answer_query(r, &query, &plain);
	/* It is not gone before it is fetched. */
	CU_ASSERT(!engine_idle(r->engines[0]));
	CU_ASSERT(engine_stream_wants_out(r->engines[0]));
	CU_ASSERT_EQUAL(engine_next_deadline(r->engines[0]), r->now);
	(void)got(r, 1);
	CU_ASSERT(engine_idle(r->engines[0]));
	CU_ASSERT(!engine_stream_wants_out(r->engines[0]));
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_stream_client__has_its_answer),
	UNIT_TEST(engine_stream_client__has_whole_what_udp_cuts),
	UNIT_TEST(engine_stream_client__has_an_answer_of_65535_bytes),
	UNIT_TEST(engine_stream_client__has_nothing_truncated),
	UNIT_TEST(engine_stream_client__shares_a_query_with_others),
	UNIT_TEST(engine_stream_client__waits_when_large_buffers_are_used),
	UNIT_TEST(engine_stream_client__is_judged_as_by_udp),
	UNIT_TEST(engine_stream_client__is_refused_by_the_list_at_any_rate),
	UNIT_TEST(engine_stream_client__is_answered_by_the_owner),
	UNIT_TEST(engine_stream_client__has_large_answers_from_the_cache),
	UNIT_TEST(engine_stream_client__counts_what_finds_no_place),
	UNIT_TEST(engine_stream_client__has_popular_answers_refreshed),
	UNIT_TEST(engine_stream_client__without_recursion_has_what_is_cached),
	UNIT_TEST(engine_stream_client__has_an_old_answer_in_time),
	UNIT_TEST(engine_stream_client__has_an_old_answer_instead_of_none),
	UNIT_TEST(engine_stream_client__holds_no_more_than_one_may),
	UNIT_TEST(engine_stream_client__is_answered_before_the_end),
};
UNIT_SUITE(engine_stream_client, tests)
