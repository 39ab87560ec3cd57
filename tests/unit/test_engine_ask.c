/* Questions of our own: asked like a client's, answered to nobody but us. */
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;

static enum engine_ask ask(struct rig *r, unsigned engine, const char *text, uint32_t *handle)
{
	struct name qname;
	uint8_t owner = UINT8_MAX;
	enum engine_ask result;

	CU_ASSERT_FATAL(name_from_text(text, &qname));
	result = engine_ask(r->engines[engine], &qname, DNS_TYPE_TXT, ENGINE_ASK_PLAIN, r->now,
			    handle, &owner);
	CU_ASSERT_EQUAL(owner != UINT8_MAX, result == ENGINE_ASK_NOT_OURS);
	rig_check(r);
	return result;
}

/* Ask and let it be sent. */
static uint32_t asked(struct rig *r, const char *text)
{
	uint32_t handle = 0;

	CU_ASSERT_EQUAL_FATAL(ask(r, 0, text, &handle), ENGINE_ASK_STARTED);
	rig_poll(r);
	return handle;
}

static struct engine_asked fetch(struct rig *r, uint32_t handle)
{
	struct engine_asked out;

	memset(&out, 0xa5, sizeof(out));
	CU_ASSERT_FATAL(engine_asked(r->engines[0], handle, &out));
	return out;
}

static bool is_gone(struct rig *r, uint32_t handle)
{
	struct engine_asked out;

	return !engine_asked(r->engines[0], handle, &out);
}

/* Was it this query that was answered, with an answer to this name? */
static void expect_answered_by(const struct engine_asked *a, const struct rig_query *q)
{
	struct msg_response response;

	CU_ASSERT(a->done);
	CU_ASSERT_EQUAL(a->rcode, DNS_RCODE_NOERROR);
	CU_ASSERT(endpoint_equal(&a->local, &q->local));
	CU_ASSERT(endpoint_equal(&a->server, &q->server));
	CU_ASSERT_EQUAL(a->id, q->parsed.id);
	CU_ASSERT_FATAL(a->answer_bytes > 0);
	CU_ASSERT_FATAL(msg_parse_response((struct span){a->answer, a->answer_bytes}, &response) ==
			MSG_RESPONSE_OK);
	CU_ASSERT(name_equal(&response.qname, &q->parsed.qname));
	CU_ASSERT_EQUAL(response.answer_count, 1);
}

static void engine_ask__tells_how_the_query_left_and_what_came_back(void)
{
	for (unsigned in_place = 0; in_place < 2; in_place++) {
		struct rig *r = rig_new(1);
		struct engine_asked a;
		struct rig_query q;
		uint32_t handle;

		rig_start(r);
		r->in_place = in_place;
		handle = asked(r, "Abc.Example.COM");
		CU_ASSERT_FATAL(rig_query_next(r, &q));
		CU_ASSERT_EQUAL(q.parsed.qtype, DNS_TYPE_TXT);
		CU_ASSERT_EQUAL(q.parsed.qclass, DNS_CLASS_IN);
		CU_ASSERT_EQUAL(rig_gauges(r).waiters, 1);
		a = fetch(r, handle);
		CU_ASSERT(!a.done);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_answer_count(r), 0);
		a = fetch(r, handle);
		expect_answered_by(&a, &q);
		CU_ASSERT(is_gone(r, handle));
		CU_ASSERT(is_gone(r, handle + 1));
		CU_ASSERT_EQUAL(rig_gauges(r).waiters, 0);
		CU_ASSERT(engine_idle(r->engines[0]));
		/* It was no client's. */
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_QUERIES), 0);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_NOERROR), 0);
		rig_finish(r);
	}
}

static void engine_ask__is_the_owners(void)
{
	struct rig *r = rig_new(3);
	unsigned owned[3] = {0};

	rig_start(r);
	for (unsigned i = 0; i < 12; i++) {
		char text[] = "x.example.com";
		unsigned started = 0;
		uint8_t owners[3];

		text[0] = (char)('a' + i);
		for (uint8_t e = 0; e < 3; e++) {
			uint32_t handle;
			struct name qname;

			owners[e] = e;
			CU_ASSERT_FATAL(name_from_text(text, &qname));
			switch (engine_ask(r->engines[e], &qname, DNS_TYPE_TXT, ENGINE_ASK_PLAIN,
					   r->now, &handle, &owners[e])) {
			case ENGINE_ASK_STARTED:
				started++;
				owned[e]++;
				break;
			case ENGINE_ASK_NOT_OURS:
				break;
			case ENGINE_ASK_FULL:
			case ENGINE_ASK_NO_ZONE:
				CU_FAIL("neither asked nor another's");
			}
		}
		CU_ASSERT_EQUAL(started, 1);
		CU_ASSERT(owners[0] == owners[1] && owners[1] == owners[2]);
	}
	for (unsigned e = 0; e < 3; e++)
		CU_ASSERT(owned[e] > 0);
	rig_finish(r);
}

static void engine_ask__needs_a_zone(void)
{
	static const int servers[] = {RIG_SERVER_V4_LINK, -1};
	struct rig *r = rig_new(1);
	uint32_t handle;

	rig_zone(r, 0, "example.com", SERVER_POLICY_IN_ORDER, servers);
	r->config.zone_count = 1;
	rig_start(r);
	CU_ASSERT_EQUAL(ask(r, 0, "www.example.org", &handle), ENGINE_ASK_NO_ZONE);
	CU_ASSERT_EQUAL(ask(r, 0, "www.EXAMPLE.com", &handle), ENGINE_ASK_STARTED);
	rig_finish(r);
}

/* As many as fit; what is done makes place, the oldest first. */
static void engine_ask__forgets_the_oldest_that_is_done(void)
{
	struct rig *r = rig_new(1);
	uint32_t handles[ENGINE_ASKS_MAX + 2];
	struct rig_query q;

	rig_start(r);
	for (unsigned i = 0; i < ENGINE_ASKS_MAX; i++) {
		char text[] = "x.example.com";

		text[0] = (char)('a' + i);
		CU_ASSERT_EQUAL(ask(r, 0, text, &handles[i]), ENGINE_ASK_STARTED);
	}
	CU_ASSERT_EQUAL(ask(r, 0, "full.example.com", &handles[ENGINE_ASKS_MAX]), ENGINE_ASK_FULL);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), ENGINE_ASKS_MAX);
	/* The second one asked, then the first. */
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_FATAL(rig_query_next(r, &q));
		rig_answer_query(r, &q, &plain);
	}
	CU_ASSERT_EQUAL(ask(r, 0, "one.example.com", &handles[ENGINE_ASKS_MAX]),
			ENGINE_ASK_STARTED);
	CU_ASSERT(is_gone(r, handles[0]));
	CU_ASSERT(fetch(r, handles[1]).done); /* which makes its place free */
	CU_ASSERT_EQUAL(ask(r, 0, "two.example.com", &handles[ENGINE_ASKS_MAX + 1]),
			ENGINE_ASK_STARTED);
	for (unsigned i = 2; i < ENGINE_ASKS_MAX + 2; i++)
		CU_ASSERT(!fetch(r, handles[i]).done);
	CU_ASSERT_EQUAL(ask(r, 0, "full.example.com", &handles[0]), ENGINE_ASK_FULL);
	rig_finish(r);
}

/* Identical questions of clients and of ours meet in one query, whoever was first. */
static void engine_ask__coalesces_with_clients(void)
{
	static const struct rig_question client = {.name = "www.example.com",
						   .qtype = DNS_TYPE_TXT};

	for (unsigned variant = 0; variant < 4; variant++) {
		bool client_first = variant & 1;
		struct rig *r = rig_new(1);
		struct rig_answer answer;
		struct engine_asked a, b;
		uint32_t first, second;
		struct rig_query q;

		rig_start(r);
		if (client_first)
			CU_ASSERT_EQUAL(rig_ask(r, &client), COUNTER_QUESTION_NEW);
		first = asked(r, "www.example.com");
		if (!client_first)
			CU_ASSERT_EQUAL(rig_ask(r, &client), COUNTER_COALESCED);
		second = asked(r, "WWW.example.com");
		CU_ASSERT_FATAL(rig_query_next(r, &q));
		CU_ASSERT_EQUAL(rig_query_count(r), 0);
		CU_ASSERT_EQUAL(rig_gauges(r).waiters, 3);
		r->in_place = variant & 2;
		rig_answer_query(r, &q, &plain);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_answer_next(r, &answer));
		CU_ASSERT(rig_question_is(&answer, &client));
		CU_ASSERT(!rig_answer_next(r, &answer));
		a = fetch(r, first);
		b = fetch(r, second);
		expect_answered_by(&a, &q);
		expect_answered_by(&b, &q);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_ANSWERS_NOERROR), 1);
		rig_finish(r);
	}
}

static void engine_ask__tells_of_failure(void)
{
	static const struct rig_reply refused = {.rcode = DNS_RCODE_REFUSED};
	static const struct rig_reply no_name = {.rcode = DNS_RCODE_NXDOMAIN, .no_records = true};
	struct rig *r = rig_new(1);
	struct engine_asked a;
	uint32_t handle, other;
	struct rig_query q;

	rig_start(r);
	/* Silence: as long as any question may take. */
	handle = asked(r, "silent.example.com");
	other = asked(r, "www.example.com");
	CU_ASSERT_FATAL(rig_query_next(r, &q) && rig_query_next(r, &q));
	rig_answer_query(r, &q, &plain);
	a = fetch(r, other);
	expect_answered_by(&a, &q);
	rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
	a = fetch(r, handle);
	CU_ASSERT(a.done);
	CU_ASSERT_EQUAL(a.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(a.local.port, 0);
	CU_ASSERT_EQUAL(a.answer_bytes, 0);
	rig_forget(r);
	handle = asked(r, "refused.example.com");
	while (rig_query_next(r, &q)) {
		rig_answer_query(r, &q, &refused);
		rig_poll(r);
	}
	a = fetch(r, handle);
	CU_ASSERT(a.done);
	CU_ASSERT_EQUAL(a.rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(a.local.port, 0);
	/* That there is no such name is an answer. */
	handle = asked(r, "nothing.example.com");
	do {
		CU_ASSERT_FATAL(rig_query_next(r, &q));
	} while (q.is_probe);
	rig_answer_query(r, &q, &no_name);
	a = fetch(r, handle);
	CU_ASSERT(a.done);
	CU_ASSERT_EQUAL(a.rcode, DNS_RCODE_NXDOMAIN);
	CU_ASSERT(endpoint_equal(&a.local, &q.local));
	CU_ASSERT(a.answer_bytes > 0);
	rig_finish(r);
}

/* A guess burns the first ticket: what is told is the ticket that was answered. */
static void engine_ask__tells_of_the_query_that_was_answered(void)
{
	static const struct rig_reply guess = {.id_xor = 1};
	struct rig *r = rig_new(1);
	struct rig_query first, second;
	struct engine_asked a;
	uint32_t handle;

	rig_start(r);
	handle = asked(r, "www.example.com");
	CU_ASSERT_FATAL(rig_query_next(r, &first));
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &guess), COUNTER_NEAR_MISS);
	CU_ASSERT_EQUAL(rig_answer_query(r, &first, &plain), COUNTER_LATE_RESPONSE);
	rig_advance(r, 2 * NEAR_MISS_HOLD_OFF_MS * NS_PER_MS);
	CU_ASSERT_FATAL(rig_query_next(r, &second));
	CU_ASSERT_FALSE(fetch(r, handle).done);
	rig_answer_query(r, &second, &plain);
	a = fetch(r, handle);
	expect_answered_by(&a, &second);
	CU_ASSERT(a.id != first.parsed.id || a.local.port != first.local.port);
	rig_finish(r);
}

static void engine_ask__leaves_out_what_is_too_long(void)
{
	struct rig *r = rig_new(1);
	bool fitted = false, too_long = false;

	rig_start(r);
	for (uint16_t records = 26; records < 32; records++) {
		struct rig_reply reply = {.record_count = records};
		uint8_t message[RIG_MESSAGE_BYTES_MAX];
		struct engine_asked a;
		struct rig_query q;
		uint32_t handle = asked(r, "www.example.com");
		size_t bytes;

		CU_ASSERT_FATAL(rig_query_next(r, &q));
		bytes = rig_reply_build(&q, &reply, message);
		rig_answer_query(r, &q, &reply);
		a = fetch(r, handle);
		CU_ASSERT(a.done && a.id == q.parsed.id && a.rcode == DNS_RCODE_NOERROR);
		CU_ASSERT_EQUAL(a.answer_bytes, bytes <= ENGINE_ASK_ANSWER_BYTES ? bytes : 0);
		CU_ASSERT_EQUAL(memcmp(a.answer, message, a.answer_bytes), 0);
		fitted |= bytes <= ENGINE_ASK_ANSWER_BYTES;
		too_long |= bytes > ENGINE_ASK_ANSWER_BYTES;
	}
	CU_ASSERT(fitted && too_long);
	rig_finish(r);
}

static void engine_ask__ends_when_the_engine_stops(void)
{
	struct rig *r = rig_new(1);
	uint32_t handle, none;

	rig_start(r);
	handle = asked(r, "www.example.com");
	engine_stop_taking(r->engines[0]);
	CU_ASSERT_EQUAL(ask(r, 0, "more.example.com", &none), ENGINE_ASK_FULL);
	CU_ASSERT(!engine_idle(r->engines[0]));
	rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
	CU_ASSERT(engine_idle(r->engines[0]));
	CU_ASSERT(fetch(r, handle).done);
	rig_finish(r);
}

/* As many as may be under way: no place is lost. */
static void engine_ask__is_refused_when_nothing_more_fits(void)
{
	struct rig *r = rig_new(1);
	uint32_t handle;

	r->params.under_way_max = 2;
	rig_start(r);
	(void)asked(r, "a.example.com");
	(void)asked(r, "b.example.com");
	for (unsigned i = 0; i < 2 * ENGINE_ASKS_MAX; i++)
		CU_ASSERT_EQUAL(ask(r, 0, "c.example.com", &handle), ENGINE_ASK_FULL);
	rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
	CU_ASSERT_EQUAL(ask(r, 0, "c.example.com", &handle), ENGINE_ASK_STARTED);
	rig_finish(r);
}

/* Of a prefix, the address is that of the one query. */
static void engine_ask__tells_the_identifier(void)
{
	static const int servers[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(1);
	struct source_set *source = rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX);
	unsigned different = 0;

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, servers);
	r->config.outgoing[1].address = rig_address("2001:2:0:1::");
	r->config.outgoing[1].prefix_bits = 64;
	r->config.interfaces[0].source_prefix_count = 1;
	r->config.interfaces[0].source_prefixes[0] =
		(struct prefix){rig_address("2001:2:0:1::"), 64};
	for (uint64_t i = 1; i <= 64; i++)
		CU_ASSERT_FATAL(source_set_add_identifier(source, i * UINT64_C(0x0123456789abcdef),
							  SOURCE_LIVE));
	rig_source_publish(r, 1, source);
	rig_start(r);
	for (unsigned i = 0; i < 20; i++) {
		static struct address last;
		struct engine_asked a;
		struct rig_query q;
		uint32_t handle = asked(r, "www.example.com");

		CU_ASSERT_FATAL(rig_query_next(r, &q));
		rig_answer_query(r, &q, &plain);
		a = fetch(r, handle);
		expect_answered_by(&a, &q);
		CU_ASSERT(
			source_set_has_identifier(source, source_identifier_of(&a.local.address)));
		different += !address_equal(&last, &a.local.address);
		last = a.local.address;
	}
	CU_ASSERT(different > 10);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_ask__tells_how_the_query_left_and_what_came_back),
	UNIT_TEST(engine_ask__is_the_owners),
	UNIT_TEST(engine_ask__needs_a_zone),
	UNIT_TEST(engine_ask__forgets_the_oldest_that_is_done),
	UNIT_TEST(engine_ask__coalesces_with_clients),
	UNIT_TEST(engine_ask__tells_of_failure),
	UNIT_TEST(engine_ask__tells_of_the_query_that_was_answered),
	UNIT_TEST(engine_ask__leaves_out_what_is_too_long),
	UNIT_TEST(engine_ask__ends_when_the_engine_stops),
	UNIT_TEST(engine_ask__is_refused_when_nothing_more_fits),
	UNIT_TEST(engine_ask__tells_the_identifier),
};
UNIT_SUITE(engine_ask, tests)
