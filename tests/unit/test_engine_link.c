/* Below DNS: neighbours that are unknown, silent, moved or forged; ARP, ND and echo (SECURITY.md section 3.3). */
#include <string.h>

#include "core/frame.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

static const struct rig_reply plain;
static const int far_v4[] = {RIG_SERVER_V4_FAR, -1};
static const int far_v6[] = {RIG_SERVER_V6_FAR, -1};
static const int *const far_servers[RIG_FAMILY_COUNT] = {far_v4, far_v6};
static const enum rig_host_idx gateways[RIG_FAMILY_COUNT] = {RIG_HOST_GATEWAY_V4,
							     RIG_HOST_GATEWAY_V6};
static const struct mac forged = {{0x02, 0xee, 0xee, 0xee, 0xee, 0xee}};

static struct rig *rig_behind_gateway(enum rig_family family)
{
	struct rig *r = rig_new(1);

	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, far_servers[family]);
	return r;
}

static struct mac neighbour_mac_of(const struct rig *r, enum rig_host_idx host, const char **state)
{
	struct engine_neighbour_row row;
	uint32_t cursor = 0;

	while (engine_report_neighbours(r->engines[0], &row, 1, &cursor) == 1)
		if (address_equal(&row.address, &r->hosts[host].address.address)) {
			if (state != NULL)
				*state = row.state;
			return row.mac;
		}
	CU_FAIL("no such neighbour");
	return forged;
}

static void engine_link__makes_a_query_wait_for_the_gateways_mac(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_behind_gateway((enum rig_family)family);
		struct rig_question q = {.name = "www.example.com",
					 .family = (enum rig_family)family};
		struct rig_query query;

		r->neighbours_answer = false;
		rig_start(r);
		CU_ASSERT(!engine_ready(r->engines[0], r->now));
		CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
		rig_advance(r, 500 * NS_PER_MS);
		CU_ASSERT_EQUAL(rig_query_count(r), 0);
		CU_ASSERT(rig_count(r, COUNTER_NEIGHBOUR_WAITS) > 0);
		CU_ASSERT(rig_count(r, COUNTER_SOLICITS) > 0);
		r->neighbours_answer = true;
		rig_advance(r, 1050 * NS_PER_MS); /* asked every second */
		CU_ASSERT(engine_ready(r->engines[0], r->now));
		CU_ASSERT_EQUAL(rig_query_count(r), 1);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		CU_ASSERT(mac_equal(&query.mac, &r->hosts[gateways[family]].mac));
		rig_answer_query(r, &query, &plain);
		CU_ASSERT_EQUAL(rig_answer_count(r), 1);
		rig_finish(r);
	}
}

static void engine_link__is_ready_when_all_are_known_or_asked_in_vain(void)
{
	struct rig *r = rig_new(1);
	mono_ns began;

	rig_start(r);
	CU_ASSERT(engine_ready(r->engines[0], r->now));
	rig_finish(r);
	r = rig_new(1);
	r->hosts[RIG_HOST_V6].alive = false;
	rig_start(r);
	began = r->now;
	rig_advance(r, 900 * NS_PER_MS);
	CU_ASSERT(!engine_ready(r->engines[0], r->now));
	rig_advance(r, 101 * NS_PER_MS);
	CU_ASSERT(engine_ready(r->engines[0], r->now) && r->now > began + NS_PER_S);
	rig_finish(r);
}

static bool lost_if_to_another_mac(struct rig *r, const struct rig_query *q)
{
	const struct mac *mac = r->context;

	if (mac_equal(&q->mac, mac))
		rig_answer_query(r, q, &plain);
	return false;
}

static void engine_link__finds_a_gateway_that_moved(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_behind_gateway((enum rig_family)family);
		struct rig_host *gateway = &r->hosts[gateways[family]];
		struct mac old = gateway->mac;
		struct mac found;
		unsigned late_good = 0;

		r->context = &gateway->mac;
		r->on_query = lost_if_to_another_mac;
		rig_start(r);
		rig_advance(r, 5 * NS_PER_S);
		gateway->mac = (struct mac){{0x02, 0, 0, 0, 0xbb, 1}};
		for (unsigned i = 0; i < 60; i++) {
			struct rig_question q = {.name = "www.example.com",
						 .family = (enum rig_family)family};
			struct rig_answer a;

			rig_ask(r, &q);
			rig_advance(r, 100 * NS_PER_MS);
			while (rig_answer_next(r, &a))
				if (i >= 40)
					late_good += rig_rcode(&a) == DNS_RCODE_NOERROR;
		}
		found = neighbour_mac_of(r, gateways[family], NULL);
		CU_ASSERT(mac_equal(&found, &gateway->mac));
		CU_ASSERT(!mac_equal(&found, &old));
		/* After four seconds at most all is well again. */
		CU_ASSERT(late_good >= 20);
		CU_ASSERT(r->solicits_unicast > 0); /* confirmed before it was given up */
		rig_finish(r);
	}
}

static void engine_link__never_believes_what_it_did_not_ask(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (uint64_t after_ms = 0; after_ms <= 40000; after_ms += 5000) {
			struct rig *r = rig_behind_gateway((enum rig_family)family);
			enum rig_host_idx host = gateways[family];
			uint8_t frame[RIG_BUFFER_BYTES];
			struct rig_host gateway;
			struct mac mac;
			const char *state;

			rig_start(r);
			rig_advance(r, after_ms * NS_PER_MS + 1100 * NS_PER_MS);
			gateway = r->hosts[host];
			for (unsigned i = 0; i < 10; i++)
				CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame,
							       rig_advertise_build(r, host, &forged,
										   frame)),
						COUNTER_DROP_NEIGHBOUR_UNASKED);
			/* Asking for our address from the gateway's, with another MAC, teaches nothing either. */
			r->hosts[host].mac = forged;
			CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame,
						       rig_solicit_build(r, host, NULL, frame)),
					family == RIG_V4 ? COUNTER_ARP_ANSWERED
							 : COUNTER_ND_ANSWERED);
			r->hosts[host] = gateway;
			mac = neighbour_mac_of(r, host, &state);
			CU_ASSERT(mac_equal(&mac, &gateway.mac));
			rig_advance(r, 10 * NS_PER_S);
			mac = neighbour_mac_of(r, host, &state);
			CU_ASSERT(mac_equal(&mac, &gateway.mac));
			CU_ASSERT_STRING_EQUAL(state, "reachable");
			rig_finish(r);
		}
}

/* An announcement is a hint: the gateway is asked, and what it says counts. */
static void engine_link__takes_an_announcement_for_a_hint(void)
{
	struct rig *r = rig_behind_gateway(RIG_V4);
	uint8_t frame[RIG_BUFFER_BYTES];
	struct rig_host gateway;
	struct mac mac;
	uint32_t length;
	uint64_t asked;

	rig_start(r);
	rig_advance(r, 5 * NS_PER_S);
	gateway = r->hosts[RIG_HOST_GATEWAY_V4];
	r->hosts[RIG_HOST_GATEWAY_V4].mac = forged;
	length = rig_solicit_build(r, RIG_HOST_GATEWAY_V4, "198.18.0.1", frame);
	r->hosts[RIG_HOST_GATEWAY_V4] = gateway;
	asked = r->solicits_unicast;
	for (unsigned i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_NEIGHBOUR_HINT);
	rig_advance(r, 200 * NS_PER_MS);
	CU_ASSERT_EQUAL(r->solicits_unicast, asked + 1); /* a storm of hints costs one question */
	mac = neighbour_mac_of(r, RIG_HOST_GATEWAY_V4, NULL);
	CU_ASSERT(mac_equal(&mac, &gateway.mac));
	rig_finish(r);
}

static void engine_link__answers_arp_and_nd_in_place(void)
{
	static const struct {
		const char *says;
		enum rig_host_idx host;
		const char *target; /* NULL: ours */
		enum counter outcome;
		enum frame_kind kind;
	} rows[] = {
		{"ARP", RIG_HOST_V4, NULL, COUNTER_ARP_ANSWERED, FRAME_ARP_REPLY},
		{"ND", RIG_HOST_V6, NULL, COUNTER_ND_ANSWERED, FRAME_ND_ADVERTISE},
		{"ARP for another", RIG_HOST_V4, "198.18.0.54", COUNTER_DROP_ARP, FRAME_UDP},
	};
	struct rig *r = rig_new(1);

	rig_start(r);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint8_t frame[RIG_BUFFER_BYTES];
		uint64_t answers = r->link_answers;
		struct frame_view view;
		bool answered = rows[i].target == NULL;

		RIG_ROW(rows[i].says,
			rig_send_frame(r, 0, frame,
				       rig_solicit_build(r, rows[i].host, rows[i].target, frame)) ==
				rows[i].outcome);
		RIG_ROW(rows[i].says, r->last_verdict == (answered ? RX_SEND : RX_FREE));
		RIG_ROW(rows[i].says, r->link_answers == answers + answered);
		if (!answered)
			continue;
		RIG_ROW(rows[i].says, rig_last_frame_parse(r, rows[i].host, &view) == FRAME_OK);
		RIG_ROW(rows[i].says, view.kind == rows[i].kind);
		RIG_ROW(rows[i].says,
			view.target_mac_present &&
				mac_equal(&view.target_mac, &r->config.interfaces[0].mac));
	}
	rig_finish(r);
}

static void engine_link__answers_echo_in_place(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_new(1);
		uint8_t frame[RIG_BUFFER_BYTES];
		uint32_t length = rig_echo_build(r, (enum rig_family)family, 56, frame);
		unsigned data_at = family == RIG_V4 ? 14 + 20 + 4 : 14 + 40 + 4;

		rig_start(r);
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_ECHO_ANSWERED);
		CU_ASSERT_EQUAL(r->last_verdict, RX_SEND);
		CU_ASSERT_EQUAL(r->last_frame_length_bytes, length);
		CU_ASSERT(memcmp(r->last_frame, frame + 6, 6) == 0);
		CU_ASSERT(memcmp(r->last_frame + 6, frame, 6) == 0);
		/* ID, sequence and data come back. */
		CU_ASSERT(memcmp(r->last_frame + data_at, frame + data_at, length - data_at) == 0);
		CU_ASSERT_EQUAL(r->last_frame[data_at - 4], family == RIG_V4 ? 0 : 129);
		frame[data_at + 3] ^= 1;
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_ICMP_CHECKSUM);
		rig_finish(r);
	}
}

static void engine_link__rations_what_it_answers(void)
{
	static const struct {
		const char *says;
		bool echo;
		enum rig_family family;
		unsigned per_s;
		enum counter answered;
		enum counter limited;
	} rows[] = {
		{"ARP", false, RIG_V4, ARP_REPLIES_PER_S, COUNTER_ARP_ANSWERED,
		 COUNTER_DROP_RATE_ARP},
		{"ND", false, RIG_V6, ARP_REPLIES_PER_S, COUNTER_ND_ANSWERED,
		 COUNTER_DROP_RATE_ARP},
		{"echo", true, RIG_V4, ECHO_REPLIES_PER_S, COUNTER_ECHO_ANSWERED,
		 COUNTER_DROP_RATE_ECHO},
		{"echo6", true, RIG_V6, ECHO_REPLIES_PER_S, COUNTER_ECHO_ANSWERED,
		 COUNTER_DROP_RATE_ECHO},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rig *r = rig_new(1);
		uint8_t frame[RIG_BUFFER_BYTES];
		uint32_t length =
			rows[i].echo ? rig_echo_build(r, rows[i].family, 8, frame)
				     : rig_solicit_build(r, gateways[rows[i].family], NULL, frame);

		rig_start(r);
		for (unsigned n = 0; n < 3 * rows[i].per_s; n++)
			RIG_ROW(rows[i].says,
				rig_send_frame(r, 0, frame, length) ==
					(n < rows[i].per_s ? rows[i].answered : rows[i].limited));
		rig_advance(r, NS_PER_S);
		RIG_ROW(rows[i].says, rig_send_frame(r, 0, frame, length) == rows[i].answered);
		rig_finish(r);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_link__makes_a_query_wait_for_the_gateways_mac),
	UNIT_TEST(engine_link__is_ready_when_all_are_known_or_asked_in_vain),
	UNIT_TEST(engine_link__finds_a_gateway_that_moved),
	UNIT_TEST(engine_link__never_believes_what_it_did_not_ask),
	UNIT_TEST(engine_link__takes_an_announcement_for_a_hint),
	UNIT_TEST(engine_link__answers_arp_and_nd_in_place),
	UNIT_TEST(engine_link__answers_echo_in_place),
	UNIT_TEST(engine_link__rations_what_it_answers),
};
UNIT_SUITE(engine_link, tests)
