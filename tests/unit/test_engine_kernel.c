/* What goes to and comes from a TAP (engine_kernel.c). The rig's servers, hosts and ports: engine_rig.h. */
#include <string.h>

#include "core/frame.h"
#include "engine_rig.h"
#include "frame_samples.h"
#include "unit.h"

#define DRAWN_FIRST 20000
#define DRAWN_LAST 20099
#define ELIGIBLE_LAST 29999 /* from DRAWN_FIRST on: withheld, too */
#define OTHER_PORT 30001
#define FROM_PORT 4000

static const struct span payload = {(const uint8_t *)"0123456789abcdef", 16};

static struct rig *rig_with_tap(unsigned engine_count)
{
	struct rig *r = rig_new(engine_count);
	struct source_set *source;
	struct port_map eligible;

	r->config.interfaces[0].kernel = FRAME_KERNEL_TAP;
	r->neighbours_answer = false;
	source = rig_source_new(r, DRAWN_FIRST, DRAWN_LAST);
	port_map_clear(&eligible);
	port_map_add(&eligible, DRAWN_FIRST, ELIGIBLE_LAST);
	source_set_withhold(source, &eligible);
	rig_source_publish_all(r, source);
	rig_start(r);
	return r;
}

static const char *const ours_text[RIG_FAMILY_COUNT] = {"198.18.0.53", "2001:2:0:1::53"};

static enum counter send(struct rig *r, enum rig_family family, uint16_t port)
{
	const struct endpoint from = rig_client(family, 7, FROM_PORT);
	const struct endpoint to = {rig_address(ours_text[family]), port};

	return rig_send_udp(r, 0, &from, &to, payload);
}

static void engine_kernel__gets_what_is_not_dns(void)
{
	struct rig *r = rig_with_tap(1);
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length;

	length = rig_solicit_build(r, RIG_HOST_GATEWAY_V4, NULL, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
	CU_ASSERT_EQUAL(r->last_verdict, RX_KERNEL);
	length = rig_solicit_build(r, RIG_HOST_GATEWAY_V6, NULL, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
	length = rig_advertise_build(r, RIG_HOST_GATEWAY_V4, &r->hosts[RIG_HOST_GATEWAY_V4].mac,
				     frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
	for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++) {
		length = rig_echo_build(r, family, 56, frame);
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
		/* TCP, which frame_parse does not take at all. */
		frame[family == RIG_V4 ? V4_PROTOCOL : V6_NEXT] = 6;
		if (family == RIG_V4) {
			frame_sample_put16(frame + V4_CHECKSUM, 0);
			frame_sample_put16(frame + V4_CHECKSUM,
					   ~frame_sample_naive_sum(0, frame + IP, 20) & 0xffff);
		}
		CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
		CU_ASSERT_EQUAL(send(r, family, OTHER_PORT), COUNTER_KERNEL_RX);
		CU_ASSERT_EQUAL(r->last_verdict, RX_KERNEL);
	}
	/* Nobody's MAC. */
	frame[0] ^= 0x04;
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_L2_DST);
	CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
	CU_ASSERT_EQUAL(r->link_answers, 0);
	CU_ASSERT_EQUAL(r->solicits_broadcast + r->solicits_unicast, 0);
	rig_finish(r);
}

static void engine_kernel__gets_nothing_of_eligible_ports(void)
{
	static const uint16_t ports[] = {DRAWN_FIRST, DRAWN_LAST, DRAWN_LAST + 1, ELIGIBLE_LAST};
	struct rig *r = rig_with_tap(1);

	for (enum rig_family family = 0; family < RIG_FAMILY_COUNT; family++) {
		for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
			enum counter got = send(r, family, ports[i]);

			CU_ASSERT(got == COUNTER_UNMATCHED || got == COUNTER_DROP_UDP_PORT);
			CU_ASSERT_EQUAL(r->last_verdict, RX_FREE);
		}
		CU_ASSERT_EQUAL(send(r, family, ELIGIBLE_LAST + 1), COUNTER_KERNEL_RX);
		CU_ASSERT_EQUAL(send(r, family, DRAWN_FIRST - 1), COUNTER_KERNEL_RX);
	}
	rig_finish(r);
}

/* An IPv4 datagram of the client's to this port, as the samples have it, with our addresses. */
static uint32_t build(const struct rig *r, uint16_t port, uint16_t fragment,
		      uint8_t frame[RIG_BUFFER_BYTES])
{
	const struct frame_udp_params params = {
		.src_mac = rig_mac(0x77),
		.dst_mac = r->config.interfaces[0].mac,
		.vlan = FRAME_VLAN_NONE,
		.src = rig_client(RIG_V4, 7, FROM_PORT).address,
		.dst = rig_address(ours_text[RIG_V4]),
		.src_port = FROM_PORT,
		.dst_port = port,
	};
	uint32_t length;

	memset(frame, 0, RIG_BUFFER_BYTES);
	length = frame_build_udp(frame, &params, 16);
	frame_sample_put16(frame + V4_FRAGMENT, fragment);
	frame_sample_put16(frame + V4_CHECKSUM, 0);
	frame_sample_put16(frame + V4_CHECKSUM,
			   ~frame_sample_naive_sum(0, frame + IP, 20) & 0xffff);
	return length;
}

static void engine_kernel__gets_no_fragments_of_udp(void)
{
	struct rig *r = rig_with_tap(1);
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length;

	length = build(r, OTHER_PORT, 0x2000, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_IP_FRAGMENT);
	length = build(r, OTHER_PORT, 0x0003, frame);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_IP_FRAGMENT);
	/* To an address that is the kernel's alone they go. */
	length = build(r, DRAWN_FIRST, 0x2000, frame);
	frame[V4_DST + 3] = 99;
	frame_sample_put16(frame + V4_CHECKSUM, 0);
	frame_sample_put16(frame + V4_CHECKSUM,
			   ~frame_sample_naive_sum(0, frame + IP, 20) & 0xffff);
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_KERNEL_RX);
	rig_finish(r);
}

static void engine_kernel__gets_no_broken_questions(void)
{
	struct rig *r = rig_with_tap(1);
	uint8_t frame[RIG_BUFFER_BYTES];
	uint32_t length = build(r, 53, 0, frame);

	frame[V4_PAYLOAD] ^= 1;
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_UDP_CHECKSUM);
	length = build(r, DRAWN_FIRST, 0, frame);
	frame[V4_PAYLOAD] ^= 1;
	CU_ASSERT_EQUAL(rig_send_frame(r, 0, frame, length), COUNTER_DROP_UDP_CHECKSUM);
	rig_finish(r);
}

static void engine_kernel__frames_for_which_there_is_no_place_are_drops(void)
{
	struct rig *r = rig_with_tap(1);

	CU_ASSERT_EQUAL(send(r, RIG_V4, OTHER_PORT), COUNTER_KERNEL_RX);
	CU_ASSERT_EQUAL(send(r, RIG_V4, OTHER_PORT), COUNTER_KERNEL_RX);
	engine_not_kept(r->engines[0], 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_KERNEL_RX), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_DROP_KERNEL_FULL), 1);
	rig_finish(r);
}

static void engine_kernel_sends__nothing_from_our_ports(void)
{
	static const struct {
		const char *src;
		uint16_t port;
		bool want;
	} rows[] = {
		{"198.18.0.53", 53, false},
		{"198.18.0.53", DRAWN_FIRST, false},
		{"198.18.0.53", ELIGIBLE_LAST, false},
		{"198.18.0.53", OTHER_PORT, true},
		{"198.18.0.99", DRAWN_FIRST, true},
		{"2001:2:0:1::53", 53, false},
		{"2001:2:0:1::53", DRAWN_LAST + 1, false},
		{"2001:2:0:1::53", 123, true},
	};
	struct rig *r = rig_with_tap(1);
	uint8_t frame[RIG_BUFFER_BYTES];
	uint64_t sent = 0;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct address src = rig_address(rows[i].src);
		const struct frame_udp_params params = {
			.src_mac = r->config.interfaces[0].mac,
			.dst_mac = rig_mac(0x77),
			.vlan = FRAME_VLAN_NONE,
			.src = src,
			.dst = rig_client(address_is_v4(&src) ? RIG_V4 : RIG_V6, 7, 1).address,
			.src_port = rows[i].port,
			.dst_port = FROM_PORT,
		};
		uint32_t length;

		memset(frame, 0, sizeof(frame));
		length = frame_build_udp(frame, &params, 16);
		CU_ASSERT_EQUAL(engine_kernel_sends(r->engines[0], 0, (struct span){frame, length}),
				rows[i].want);
		sent += rows[i].want;
	}
	CU_ASSERT(!engine_kernel_sends(r->engines[0], 0, (struct span){frame, 13}));
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_KERNEL_TX), sent);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_KERNEL_TX_REFUSED), ARRAY_COUNT(rows) + 1 - sent);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_kernel__gets_what_is_not_dns),
	UNIT_TEST(engine_kernel__gets_nothing_of_eligible_ports),
	UNIT_TEST(engine_kernel__gets_no_fragments_of_udp),
	UNIT_TEST(engine_kernel__gets_no_broken_questions),
	UNIT_TEST(engine_kernel__frames_for_which_there_is_no_place_are_drops),
	UNIT_TEST(engine_kernel_sends__nothing_from_our_ports),
};
UNIT_SUITE(engine_kernel, tests)
