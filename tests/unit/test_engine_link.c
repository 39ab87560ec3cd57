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

/* ---- source prefixes ---- */

#define IDENTIFIER(last) "2001:2:0:1:abcd:1:2:" last

static uint64_t identifier_of(const char *text)
{
	struct address a = rig_address(text);

	return source_identifier_of(&a);
}

/* The link's own network is a source prefix. Two engines: the second is not the one that answers. */
static struct rig *rig_with_prefix(void)
{
	struct rig *r = rig_new(2);
	struct source_set *source = rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX);
	struct prefix prefix = {rig_address("2001:2:0:1::"), RIG_V6_LINK_BITS};

	r->config.outgoing[1].address = prefix.address;
	r->config.outgoing[1].prefix_bits = prefix.bits;
	r->config.interfaces[0].source_prefix_count = 1;
	r->config.interfaces[0].source_prefixes[0] = prefix;
	CU_ASSERT(source_set_add_identifier(source, identifier_of(IDENTIFIER("1")), SOURCE_LIVE));
	CU_ASSERT(
		source_set_add_identifier(source, identifier_of(IDENTIFIER("2")), SOURCE_RETIRING));
	rig_source_publish(r, 1, source);
	rig_start(r);
	return r;
}

static enum counter solicit(struct rig *r, unsigned engine, const char *target)
{
	uint8_t frame[RIG_BUFFER_BYTES];

	return rig_send_frame(r, engine, frame, rig_solicit_build(r, RIG_HOST_V6, target, frame));
}

static enum counter echo(struct rig *r, unsigned engine, const char *target)
{
	struct address own = r->config.interfaces[0].addresses[RIG_V6].address;
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length;

	r->config.interfaces[0].addresses[RIG_V6].address = rig_address(target);
	length = rig_echo_build(r, RIG_V6, 8, frame);
	r->config.interfaces[0].addresses[RIG_V6].address = own;
	return rig_send_frame(r, engine, frame, length);
}

static void engine_link__answers_for_its_identifiers_only(void)
{
	static const struct {
		const char *says;
		const char *target;
		bool ours;
		bool echoes; /* else who sends them would learn which identifiers are alive */
	} rows[] = {
		{"live", IDENTIFIER("1"), true, false},
		{"retiring", IDENTIFIER("2"), true, false},
		{"nobody's", IDENTIFIER("3"), false, false},
		{"a host's", "2001:2:0:1::77", false, false},
		{"fixed", "2001:2:0:1::53", true, true},
		{"link-local", "fe80::ff:fe00:53", true, true},
		{"the subnet's", "2001:2:0:1::", false, false},
	};
	struct rig *r = rig_with_prefix();

	for (unsigned engine = 0; engine < 2; engine++) {
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			uint64_t answers = r->link_answers;
			struct frame_view view;

			RIG_ROW(rows[i].says,
				solicit(r, engine, rows[i].target) ==
					(rows[i].ours ? COUNTER_ND_ANSWERED : COUNTER_DROP_ND));
			RIG_ROW(rows[i].says, r->link_answers == answers + rows[i].ours);
			if (rows[i].ours) {
				struct address target = rig_address(rows[i].target);

				RIG_ROW(rows[i].says,
					rig_last_frame_parse(r, RIG_HOST_V6, &view) == FRAME_OK);
				RIG_ROW(rows[i].says, view.kind == FRAME_ND_ADVERTISE &&
							      address_equal(&view.target, &target));
			}
			RIG_ROW(rows[i].says, echo(r, engine, rows[i].target) ==
						      (rows[i].echoes ? COUNTER_ECHO_ANSWERED
								      : COUNTER_DROP_IP_DST));
		}
	}
	rig_finish(r);
}

/* With the next set the retired identifier is nobody's. */
static void engine_link__forgets_an_identifier_with_its_set(void)
{
	struct rig *r = rig_with_prefix();
	struct source_set *next = rig_source_new(r, RIG_PORT_FIRST, UINT16_MAX);

	CU_ASSERT(source_set_add_identifier(next, identifier_of(IDENTIFIER("3")), SOURCE_LIVE));
	CU_ASSERT(source_set_add_identifier(next, identifier_of(IDENTIFIER("1")), SOURCE_RETIRING));
	rig_source_publish(r, 1, next);
	rig_poll(r);
	CU_ASSERT_EQUAL(solicit(r, 0, IDENTIFIER("1")), COUNTER_ND_ANSWERED);
	CU_ASSERT_EQUAL(solicit(r, 0, IDENTIFIER("2")), COUNTER_DROP_ND);
	CU_ASSERT_EQUAL(solicit(r, 0, IDENTIFIER("3")), COUNTER_ND_ANSWERED);
	rig_finish(r);
}

/* A sweep of the network leaves the rate to those who ask for us, and the ring to the answers. */
static void engine_link__spends_no_rate_on_others(void)
{
	struct rig *r = rig_with_prefix();

	for (unsigned engine = 0; engine < 2; engine++) {
		uint64_t passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);

		for (unsigned i = 0; i < 3 * ARP_REPLIES_PER_S; i++)
			CU_ASSERT_EQUAL(solicit(r, engine, IDENTIFIER("3")), COUNTER_DROP_ND);
		for (unsigned i = 0; i < 2 * ECHO_REPLIES_PER_S; i++)
			CU_ASSERT_EQUAL(echo(r, engine,
					     i % 2 == 0 ? IDENTIFIER("3") : IDENTIFIER("1")),
					COUNTER_DROP_IP_DST);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF), passed);
		CU_ASSERT_EQUAL(solicit(r, engine, IDENTIFIER("1")), COUNTER_ND_ANSWERED);
		CU_ASSERT_EQUAL(echo(r, engine, "2001:2:0:1::53"), COUNTER_ECHO_ANSWERED);
	}
	rig_finish(r);
}

/* ---- neighbours that the kernel keeps ---- */

static void engine_link__leaves_neighbours_to_the_kernel(void)
{
	static const struct mac first = {{0x02, 0, 0, 0, 0xcc, 1}};
	static const struct mac second = {{0x02, 0, 0, 0, 0xcc, 2}};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_behind_gateway((enum rig_family)family);
		struct rig_question q = {.name = "www.example.com",
					 .family = (enum rig_family)family};
		const struct address *gateway = &r->hosts[gateways[family]].address.address;
		uint16_t count, idx = UINT16_MAX;
		uint8_t frame[RIG_BUFFER_BYTES];
		struct rig_query query;
		const char *state;
		struct mac mac;

		r->config.interfaces[0].kernel = FRAME_KERNEL_SHARES;
		rig_start(r);
		CU_ASSERT(!engine_ready(r->engines[0], r->now));
		count = r->config.neighbour_count;
		CU_ASSERT(count > 0);
		for (uint16_t i = 0; i < count; i++) {
			CU_ASSERT_EQUAL(r->config.neighbours[i].interface_idx, 0);
			CU_ASSERT(r->config.neighbours[i].is_kernels);
			if (address_equal(&r->config.neighbours[i].address, gateway))
				idx = i;
		}
		CU_ASSERT_FATAL(idx != UINT16_MAX);
		for (uint16_t i = 0; i < count; i++)
			neighbour_tell(&r->neighbours, i, NEIGHBOUR_KNOWN, &first);
		CU_ASSERT(engine_ready(r->engines[0], r->now));
		(void)rig_ask(r, &q);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		CU_ASSERT(mac_equal(&query.mac, &first));
		/* Its timeout is a suspicion, which the kernel's messenger finds. */
		CU_ASSERT(!neighbour_take_suspicion(&r->neighbours, idx));
		neighbour_tell(&r->neighbours, idx, NEIGHBOUR_KNOWN, &second);
		rig_advance(r, 5 * NS_PER_S);
		CU_ASSERT(neighbour_take_suspicion(&r->neighbours, idx));
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		CU_ASSERT(mac_equal(&query.mac, &second));
		mac = neighbour_mac_of(r, gateways[family], &state);
		CU_ASSERT(mac_equal(&mac, &second));
		CU_ASSERT_STRING_EQUAL(state, "kernel");
		neighbour_tell(&r->neighbours, idx, NEIGHBOUR_SILENT, NULL);
		mac = neighbour_mac_of(r, gateways[family], &state);
		CU_ASSERT(mac_equal(&mac, &(struct mac){{0}}));
		/* ARP, ND and echo are the kernel's to answer and to ask. */
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame,
					       rig_solicit_build(r, gateways[family], NULL, frame)),
				COUNTER_LEFT_TO_KERNEL);
		CU_ASSERT_EQUAL(
			rig_send_frame(r, 0, frame,
				       rig_advertise_build(r, gateways[family], &forged, frame)),
			COUNTER_LEFT_TO_KERNEL);
		CU_ASSERT_EQUAL(
			rig_send_frame(r, 0, frame,
				       rig_echo_build(r, (enum rig_family)family, 8, frame)),
			COUNTER_LEFT_TO_KERNEL);
		CU_ASSERT_EQUAL(r->link_answers, 0);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SOLICITS), 0);
		for (uint16_t i = 0; i < count; i++)
			neighbour_tell(&r->neighbours, i, NEIGHBOUR_KNOWN, &first);
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
	UNIT_TEST(engine_link__answers_for_its_identifiers_only),
	UNIT_TEST(engine_link__forgets_an_identifier_with_its_set),
	UNIT_TEST(engine_link__spends_no_rate_on_others),
	UNIT_TEST(engine_link__leaves_neighbours_to_the_kernel),
};
UNIT_SUITE(engine_link, tests)
