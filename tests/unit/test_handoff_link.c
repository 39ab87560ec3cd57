/* Several workers, one link: ARP, ND and echo are one worker's, whichever receives them, and what it learns is
 * everybody's. */
#include <stdio.h>
#include <string.h>

#include "core/frame.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define KEEPER 0u
#define ENGINES 4u

static const struct rig_reply plain;
static const int v4_only[] = {RIG_SERVER_V4_LINK, -1};
static const int v6_only[] = {RIG_SERVER_V6_LINK, -1};

static struct rig *rig_of(enum rig_family family)
{
	struct rig *r = rig_new(ENGINES);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4_only : v6_only);
	return r;
}

/* New questions until every worker has sent a query; whose MACs, and how many. */
static unsigned ask_by_all(struct rig *r, struct mac macs[ENGINES])
{
	static unsigned number;
	bool seen[ENGINES] = {false};
	unsigned seen_count = 0;

	for (unsigned i = 0; i < 200 && seen_count < ENGINES; i++) {
		char name[32];
		struct rig_question q = {
			.name = name, .client = (uint16_t)i, .engine = i % ENGINES};

		snprintf(name, sizeof(name), "m%u.example.com", number++);
		rig_ask(r, &q);
		rig_poll(r);
		for (struct rig_query query; rig_query_next(r, &query);) {
			if (!seen[query.engine])
				seen_count++;
			seen[query.engine] = true;
			macs[query.engine] = query.mac;
			rig_answer_query(r, &query, &plain);
		}
	}
	rig_forget(r);
	return seen_count;
}

static bool all_send_to(struct rig *r, const struct mac *mac)
{
	struct mac macs[ENGINES];
	bool all = ask_by_all(r, macs) == ENGINES;

	for (unsigned i = 0; all && i < ENGINES; i++)
		all = mac_equal(&macs[i], mac);
	return all;
}

static void handoff_link__answers_wherever_the_question_arrives(void)
{
	static const struct {
		const char *says;
		bool echo;
		enum rig_family family;
		enum counter outcome;
	} rows[] = {
		{"ARP", false, RIG_V4, COUNTER_ARP_ANSWERED},
		{"ND", false, RIG_V6, COUNTER_ND_ANSWERED},
		{"echo", true, RIG_V4, COUNTER_ECHO_ANSWERED},
		{"echo6", true, RIG_V6, COUNTER_ECHO_ANSWERED},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (unsigned at = 0; at < ENGINES; at++) {
			struct rig *r = rig_of(rows[i].family);
			enum rig_host_idx host =
				rows[i].family == RIG_V4 ? RIG_HOST_V4 : RIG_HOST_V6;
			uint8_t frame[RIG_BUFFER_BYTES];
			uint32_t length = rows[i].echo
						  ? rig_echo_build(r, rows[i].family, 56, frame)
						  : rig_solicit_build(r, host, NULL, frame);

			rig_start(r);
			RIG_ROW(rows[i].says,
				rig_send_frame(r, at, frame, length) == rows[i].outcome);
			RIG_ROW(rows[i].says, rig_count_of(r, KEEPER, rows[i].outcome) == 1);
			RIG_ROW(rows[i].says,
				rig_count(r, COUNTER_PACKET_HANDED_OFF) == (at == KEEPER ? 0 : 1));
			RIG_ROW(rows[i].says,
				r->last_verdict == (at == KEEPER ? RX_SEND : RX_WORKER));
			RIG_ROW(rows[i].says, r->link_answers == 1);
			RIG_ROW(rows[i].says,
				memcmp(r->last_frame, frame + 6, sizeof(struct mac)) == 0);
			rig_finish(r);
		}
}

/* A malformed one crosses no worker. */
static void handoff_link__drops_bad_frames_where_they_arrive(void)
{
	struct rig *r = rig_of(RIG_V4);
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length = rig_solicit_build(r, RIG_HOST_V4, "198.18.0.54", frame);

	rig_start(r);
	for (unsigned at = 0; at < ENGINES; at++) {
		CU_ASSERT_EQUAL(rig_send_frame(r, at, frame, length), COUNTER_DROP_ARP);
		CU_ASSERT_EQUAL(rig_count_of(r, at, COUNTER_DROP_ARP), 1);
	}
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_HANDOFFS), 0);
	rig_finish(r);
}

static void handoff_link__all_use_what_the_keeper_learns(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_of((enum rig_family)family);
		const struct rig_host *host =
			&r->hosts[family == RIG_V4 ? RIG_HOST_V4 : RIG_HOST_V6];
		struct mac macs[ENGINES];

		r->neighbours_answer = false;
		r->link_anywhere = true;
		rig_start(r);
		CU_ASSERT_EQUAL(ask_by_all(r, macs), 0); /* nobody knows where to */
		CU_ASSERT(rig_count(r, COUNTER_NEIGHBOUR_WAITS) >= 200);
		for (unsigned i = 0; i < ENGINES; i++)
			CU_ASSERT(!engine_ready(r->engines[i], r->now));
		r->neighbours_answer = true;
		rig_advance(r, 1100 * NS_PER_MS); /* its answers reach any worker */
		for (unsigned i = 0; i < ENGINES; i++)
			CU_ASSERT(engine_ready(r->engines[i], r->now));
		rig_forget(r);
		CU_ASSERT(all_send_to(r, &host->mac));
		CU_ASSERT_EQUAL(rig_count_of(r, KEEPER, COUNTER_SOLICITS),
				rig_count(r, COUNTER_SOLICITS));
		CU_ASSERT_EQUAL(rig_count_of(r, KEEPER, COUNTER_NEIGHBOUR_LEARNED),
				rig_count(r, COUNTER_NEIGHBOUR_LEARNED));
		rig_finish(r);
	}
}

/* A query of this worker that the server does not answer. */
static void time_out_at(struct rig *r, unsigned owner)
{
	for (unsigned i = 0; i < 100; i++) {
		char name[32];
		struct rig_question q = {.name = name, .client = 0x6000};
		struct rig_query query;

		snprintf(name, sizeof(name), "t%u.example.com", i);
		rig_ask(r, &q);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		if (query.engine == owner) {
			rig_advance(r, 810 * NS_PER_MS);
			return;
		}
		rig_answer_query(r, &query, &plain);
		rig_poll(r);
	}
	CU_FAIL_FATAL("this worker owns nothing");
}

static void handoff_link__keeper_probes_whom_another_suspects(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned owner = 0; owner < ENGINES; owner += 3) {
			struct rig *r = rig_of((enum rig_family)family);
			struct rig_host *host =
				&r->hosts[family == RIG_V4 ? RIG_HOST_V4 : RIG_HOST_V6];

			rig_start(r);
			rig_advance(r, 2 * NS_PER_S);
			CU_ASSERT_EQUAL(r->solicits_unicast, 0);
			time_out_at(r, owner);
			CU_ASSERT_EQUAL(r->solicits_unicast,
					1); /* once, by the keeper, and of it */
			CU_ASSERT_EQUAL(host->solicited, 2);
			CU_ASSERT_EQUAL(rig_count_of(r, KEEPER, COUNTER_SOLICITS),
					rig_count(r, COUNTER_SOLICITS));
			rig_finish(r);
		}
}

static void handoff_link__all_follow_a_neighbour_that_moves(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_of((enum rig_family)family);
		struct rig_host *host = &r->hosts[family == RIG_V4 ? RIG_HOST_V4 : RIG_HOST_V6];

		r->link_anywhere = true;
		rig_start(r);
		rig_advance(r, 2 * NS_PER_S);
		CU_ASSERT(all_send_to(r, &host->mac));
		host->mac = rig_mac(0x77);
		CU_ASSERT(!all_send_to(r, &host->mac)); /* nobody has noticed */
		time_out_at(r, 3);
		rig_advance(r, 1500 * NS_PER_MS); /* three probes in vain, then a broadcast */
		rig_forget(r);
		CU_ASSERT(all_send_to(r, &host->mac));
		rig_finish(r);
	}
}

/* The same burst at one worker, and spread over four: answered and not. */
static void handoff_link__rates_are_not_multiplied(void)
{
	static const struct {
		const char *says;
		bool echo;
		enum counter outcome;
		enum counter limited;
		unsigned rate;
	} rows[] = {
		{"ARP", false, COUNTER_ARP_ANSWERED, COUNTER_DROP_RATE_ARP, ARP_REPLIES_PER_S},
		{"echo", true, COUNTER_ECHO_ANSWERED, COUNTER_DROP_RATE_ECHO, ECHO_REPLIES_PER_S},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_of(RIG_V4);
		uint8_t frame[RIG_BUFFER_BYTES];
		uint32_t length = rows[i].echo ? rig_echo_build(r, RIG_V4, 8, frame)
					       : rig_solicit_build(r, RIG_HOST_V4, NULL, frame);

		rig_start(r);
		r->checks = false;
		for (unsigned n = 0; n < 3 * rows[i].rate; n++)
			rig_send_frame(r, n % ENGINES, frame, length);
		RIG_ROW(rows[i].says, rig_count(r, rows[i].outcome) <= rows[i].rate);
		RIG_ROW(rows[i].says, rig_count(r, rows[i].outcome) >= rows[i].rate * 9 / 10);
		RIG_ROW(rows[i].says, rig_count(r, rows[i].outcome) +
						      rig_count(r, rows[i].limited) +
						      rig_count(r, COUNTER_DROP_HANDOFF_FULL) ==
					      3 * rows[i].rate);
		r->checks = true;
		rig_finish(r);
	}
}

/* What floods one queue fills no ring and starves no truth: it is stopped where it arrives, and answers that confirm what is
 * known have a rate of their own. */
static void handoff_link__floods_are_stopped_where_they_arrive(void)
{
	const unsigned receiver = 3;
	struct rig *r = rig_of(RIG_V4);
	uint8_t frame[RIG_BUFFER_BYTES];
	struct mac liar = rig_mac(0x66);
	uint64_t passed;
	uint32_t length;

	rig_start(r);
	rig_advance(r, 2 * NS_PER_S);
	r->checks = false;
	passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
	length = rig_echo_build(r, RIG_V4, 8, frame);
	for (unsigned n = 0; n < 3 * ECHO_REPLIES_PER_S; n++)
		rig_send_frame(r, receiver, frame, length);
	CU_ASSERT(rig_count(r, COUNTER_PACKET_HANDED_OFF) - passed <= ECHO_REPLIES_PER_S);

	passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
	length = rig_advertise_build(r, RIG_HOST_V4, &liar, frame);
	for (unsigned n = 0; n < 3 * LINK_ANSWERS_PER_S; n++)
		rig_send_frame(r, receiver, frame, length);
	CU_ASSERT(rig_count(r, COUNTER_PACKET_HANDED_OFF) - passed <= LINK_ANSWERS_PER_S);

	passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
	length = rig_advertise_build(r, RIG_HOST_V4, &r->hosts[RIG_HOST_V4].mac, frame);
	rig_send_frame(r, receiver, frame, length);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF) - passed, 1);
	r->checks = true;
	rig_finish(r);
}

/* Refusals to one prefix: over all workers that receive, the rate of one. */
static void handoff_link__error_rate_is_shared_by_receivers(void)
{
	for (unsigned receivers = 1; receivers <= ENGINES; receivers++) {
		struct rig *r = rig_of(RIG_V4);

		r->receiver_count = receivers;
		rig_start(r);
		for (unsigned n = 0; n < 4 * ERROR_REPLIES_PER_S; n++)
			rig_ask(r, &(struct rig_question){.name = "www.example.com",
							  .qtype = DNS_TYPE_AXFR,
							  .engine = n % ENGINES});
		CU_ASSERT(rig_count(r, COUNTER_QUESTION_REPLIED) <= ERROR_REPLIES_PER_S);
		CU_ASSERT(rig_count(r, COUNTER_QUESTION_REPLIED) >= ERROR_REPLIES_PER_S * 9 / 10);
		rig_finish(r);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff_link__answers_wherever_the_question_arrives),
	UNIT_TEST(handoff_link__drops_bad_frames_where_they_arrive),
	UNIT_TEST(handoff_link__all_use_what_the_keeper_learns),
	UNIT_TEST(handoff_link__keeper_probes_whom_another_suspects),
	UNIT_TEST(handoff_link__all_follow_a_neighbour_that_moves),
	UNIT_TEST(handoff_link__rates_are_not_multiplied),
	UNIT_TEST(handoff_link__floods_are_stopped_where_they_arrive),
	UNIT_TEST(handoff_link__error_rate_is_shared_by_receivers),
};
UNIT_SUITE(handoff_link, tests)
