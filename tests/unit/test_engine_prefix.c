/* Queries that leave from random addresses of a prefix (issue 4): drawn evenly, and only what comes back to the very address
 * matches. */
#include <stdio.h>
#include <string.h>

#include "chi_square.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define LIVE 64
#define STATISTICS_QUERIES 12800
#define IDENTIFIER_BASE UINT64_C(0x1111111111110000)

static const struct rig_reply plain;
static const unsigned engine_counts[] = {1, 2, 4};

static uint64_t identifier(unsigned i)
{
	struct address a = {{0}};

	for (unsigned byte = 0; byte < 8; byte++)
		a.bytes[8 + byte] = (uint8_t)((IDENTIFIER_BASE | i) >> (56 - 8 * byte));
	return source_identifier_of(&a);
}

/* Engines whose IPv6 queries leave from a prefix: of the first `live` identifiers, and the `retiring` ones behind them are still
 * answered to. */
static struct rig *rig_of(unsigned engine_count, const char *prefix, uint8_t bits)
{
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(engine_count);
	struct frame_interface *interface = &r->config.interfaces[0];

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, v6);
	interface->source_prefixes[interface->source_prefix_count++] =
		(struct prefix){rig_address(prefix), bits};
	r->config.outgoing[1].address = rig_address(prefix);
	r->config.outgoing[1].prefix_bits = bits;
	return r;
}

static struct source_set *live(struct rig *r, unsigned first, unsigned count, unsigned retiring)
{
	struct source_set *source = rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX);

	for (unsigned i = first; i < first + count + retiring; i++) {
		struct address a = source_address(&r->config.outgoing[1].address,
						  r->config.outgoing[1].prefix_bits, identifier(i));

		CU_ASSERT_TRUE(source_set_add_identifier(source, source_identifier_of(&a),
							 i < first + count ? SOURCE_LIVE
									   : SOURCE_RETIRING));
	}
	return source;
}

static struct rig_query ask(struct rig *r, unsigned i)
{
	struct rig_query q = {.server_idx = -1};
	char name[32];
	struct rig_question question = {.name = name,
					.client = (uint16_t)i,
					.family = RIG_V6,
					.engine = i % r->engine_count};

	snprintf(name, sizeof(name), "n%u.example.com", i);
	CU_ASSERT(rig_ask(r, &question) != COUNTER_OUTCOME_COUNT);
	rig_poll(r);
	CU_ASSERT_TRUE_FATAL(rig_query_next(r, &q));
	return q;
}

static bool in_prefix(const struct rig *r, const struct address *a)
{
	return prefix_contains(&(struct prefix){r->config.outgoing[1].address,
						r->config.outgoing[1].prefix_bits},
			       a);
}

static void engine_prefix__draws_identifiers_evenly(void)
{
	struct rig *r = rig_of(2, "2001:2:0:53::", 64);
	uint32_t drawn[LIVE] = {0}, pairs[64] = {0};

	rig_source_publish(r, 1, live(r, 0, LIVE, 8));
	r->checks = false;
	rig_start(r);
	for (unsigned i = 0, before = 0; i < STATISTICS_QUERIES; i++) {
		struct rig_query q = ask(r, i);
		unsigned which = q.local.address.bytes[15];

		CU_ASSERT_TRUE(in_prefix(r, &q.local.address));
		CU_ASSERT_TRUE_FATAL(which < LIVE); /* none that only retires */
		drawn[which]++;
		pairs[before % 8 * 8 + which % 8]++;
		before = which;
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		rig_forget(r);
	}
	rig_check(r);
	CU_ASSERT(chi_square_accepts("identifiers", drawn, NULL, LIVE));
	CU_ASSERT(chi_square_accepts("successive identifiers", pairs, NULL, 64));
	rig_finish(r);
}

/* A reply to another address of ours, with the right port and ID, is none. */
static void only_the_address_matches(unsigned engine_count, const char *prefix, uint8_t bits)
{
	struct rig *r = rig_of(engine_count, prefix, bits);
	struct rig_query q, forged;

	rig_source_publish(r, 1, live(r, 1, 8, 4));
	rig_start(r);
	q = ask(r, 0);
	for (unsigned i = 1; i < 16; i++) {
		enum counter want = i < 13 ? COUNTER_UNMATCHED : COUNTER_DROP_IP_DST;

		forged = q;
		forged.engine = i % engine_count;
		forged.local.address.bytes[15] = (uint8_t)i;
		if (address_equal(&forged.local.address, &q.local.address))
			continue;
		CU_ASSERT_EQUAL(rig_answer_query(r, &forged, &plain), want);
		/* Nor is it a near miss, which would burn it. */
		CU_ASSERT_EQUAL(rig_answer_query(r, &forged, &(struct rig_reply){.id_xor = 9}),
				want);
	}
	forged = q;
	forged.local.address.bytes[8] ^= 0x80;
	CU_ASSERT_EQUAL(rig_answer_query(r, &forged, &plain), COUNTER_DROP_IP_DST);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &(struct rig_reply){.local_port_xor = 1}),
			COUNTER_UNMATCHED);
	/* Our fixed address in the same network, or beside it, is none that queries leave from. */
	forged = q;
	forged.local.address = r->config.interfaces[0].addresses[1].address;
	CU_ASSERT_EQUAL(rig_answer_query(r, &forged, &plain), COUNTER_DROP_UDP_PORT);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
	rig_finish(r);
}

static void engine_prefix__only_the_very_address_matches(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(engine_counts); i++) {
		only_the_address_matches(engine_counts[i], "2001:2:0:53::", 64);
		only_the_address_matches(engine_counts[i], "2001:2:0:1:1111:1111:1111::", 112);
		only_the_address_matches(engine_counts[i], "2001:2:0:1::a00", 120);
	}
}

/* New identifiers: the old ones are answered to while they retire; what is under way on one that has gone is asked again. */
static void engine_prefix__identifiers_retire_and_go(void)
{
	for (size_t c = 0; c < ARRAY_COUNT(engine_counts); c++) {
		struct rig *r = rig_of(engine_counts[c], "2001:2:0:53::", 64);
		struct source_set *first = live(r, 1, 4, 0);
		struct source_set *both = live(r, 5, 4, 0);
		struct source_set *second = live(r, 5, 4, 0);
		struct rig_query queries[20];
		struct rig_query q;

		for (unsigned i = 1; i < 5; i++)
			CU_ASSERT_TRUE(
				source_set_add_identifier(both, identifier(i), SOURCE_RETIRING));
		rig_source_publish(r, 1, first);
		rig_start(r);
		for (unsigned i = 0; i < 20; i++)
			queries[i] = ask(r, i);
		rig_source_publish(r, 1, both);
		for (unsigned i = 0; i < 10; i++) {
			CU_ASSERT(queries[i].local.address.bytes[15] < 5);
			CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &plain),
					COUNTER_UPSTREAM_RESPONSE);
		}
		q = ask(r, 20);
		CU_ASSERT(q.local.address.bytes[15] >= 5);
		CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_MOVED), 0);
		rig_source_publish(r, 1, second);
		rig_poll(r);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_MOVED), 10);
		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[10], &plain), COUNTER_DROP_IP_DST);
		CU_ASSERT_EQUAL(rig_query_count(r), 10);
		while (rig_query_next(r, &q)) {
			CU_ASSERT(q.local.address.bytes[15] >= 5);
			CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_UPSTREAM_RESPONSE);
		}
		CU_ASSERT_EQUAL(rig_answer_count(r), 21);
		rig_finish(r);
	}
}

/* One port and many addresses: near misses are judged by the question, at whichever address; one with the right ID at the
 * wrong address is one, too. */
static void engine_prefix__near_misses_of_few_ports_are_judged(void)
{
	struct rig *r = rig_of(2, "2001:2:0:53::", 64);
	struct source_set *source = live(r, 1, 8, 0);
	struct port_map one;
	struct rig_query q;

	port_map_clear(&one);
	port_map_add(&one, DNS_PORT, DNS_PORT);
	source_set_init(source, &one);
	for (unsigned i = 1; i < 9; i++)
		CU_ASSERT_TRUE(source_set_add_identifier(source, identifier(i), SOURCE_LIVE));
	rig_source_publish(r, 1, source);
	rig_start(r);
	q = ask(r, 0);
	q.local.address.bytes[15] = (uint8_t)(q.local.address.bytes[15] % 8 + 1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &(struct rig_reply){.id_xor = 3}),
			COUNTER_NEAR_MISS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 1);
	q = ask(r, 1);
	q.local.address.bytes[15] = (uint8_t)(q.local.address.bytes[15] % 8 + 1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &q, &plain), COUNTER_NEAR_MISS);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 2);
	rig_forget(r);
	rig_finish(r);
}

/* A prefix without a live identifier is an address that nothing leaves from. */
static void engine_prefix__without_identifiers_is_passed_over(void)
{
	struct rig *r = rig_of(1, "2001:2:0:53::", 64);
	struct rig_question question = {.name = "none.example.com"};
	struct rig_answer a;

	rig_source_publish(r, 1, live(r, 1, 0, 4));
	rig_start(r);
	rig_ask(r, &question);
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_query_count(r), 0);
	CU_ASSERT_TRUE_FATAL(rig_answer_next(r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_prefix__draws_identifiers_evenly),
	UNIT_TEST(engine_prefix__only_the_very_address_matches),
	UNIT_TEST(engine_prefix__identifiers_retire_and_go),
	UNIT_TEST(engine_prefix__near_misses_of_few_ports_are_judged),
	UNIT_TEST(engine_prefix__without_identifiers_is_passed_over),
};
UNIT_SUITE(engine_prefix, tests)
