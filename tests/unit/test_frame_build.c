#include <stdlib.h>
#include <string.h>

#include "core/frame.h"
#include "frame_samples.h"
#include "unit.h"

/* ---- building ---- */

/* What the other end of the wire is: the peer that our frames are for. */
static struct frame_interface peer(uint16_t vlan)
{
	return (struct frame_interface){
		.mac = {{MAC_CLIENT}},
		.vlan = vlan,
		.mtu_bytes = 1500,
		.address_count = 2,
		.addresses =
			{
				{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_CLIENT}}, 96 + 24},
				{{{V6_CLIENT}}, 64},
			},
		.link_local = {{V6_LOCAL_CLIENT}},
	};
}

static struct frame_udp_params params_of(bool v4, uint16_t vlan)
{
	return (struct frame_udp_params){
		.src_mac = {{MAC_OURS}},
		.dst_mac = {{MAC_CLIENT}},
		.vlan = vlan,
		.vlan_pcp = vlan == FRAME_VLAN_NONE ? 0 : 3,
		.src = frame_sample_ours.addresses[v4 ? 0 : 2].address,
		.dst = peer(vlan).addresses[v4 ? 0 : 1].address,
		.src_port = 53,
		.dst_port = 54321,
	};
}

/* Are the checksums of this frame what the oracle would have written? */
static bool checksums_are_right(const struct test_frame *f, bool with_tag)
{
	static struct test_frame bare;
	static struct test_frame fixed;

	bare = *f;
	if (with_tag) {
		memmove(bare.bytes + ETH_TYPE, f->bytes + ETH_TYPE + 4, f->length - ETH_TYPE - 4);
		bare.length -= 4;
	}
	fixed = bare;
	frame_sample_fix_checksums(&fixed);
	return memcmp(bare.bytes, fixed.bytes, bare.length) == 0;
}

static void check_round_trip(bool v4, uint16_t vlan, unsigned payload_bytes, uint8_t fill)
{
	static struct test_frame f;
	struct frame_udp_params params = params_of(v4, vlan);
	struct frame_interface interface = peer(vlan);
	unsigned header = frame_udp_header_bytes(&params.dst, vlan);
	struct frame_view view;

	memset(f.bytes, 0xee, header);
	for (unsigned i = 0; i < payload_bytes; i++)
		f.bytes[header + i] = (uint8_t)(fill * i);
	f.length = frame_build_udp(f.bytes, &params, payload_bytes);
	CU_ASSERT_EQUAL(f.length, header + payload_bytes);
	frame_sample_expect("own frame", frame_sample_parse(&interface, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT(address_equal(&view.src, &params.src) && address_equal(&view.dst, &params.dst));
	CU_ASSERT(view.src_port == params.src_port && view.dst_port == params.dst_port);
	CU_ASSERT(mac_equal(&view.src_mac, &params.src_mac));
	CU_ASSERT_PTR_EQUAL(view.payload.data, f.bytes + header);
	CU_ASSERT_EQUAL(view.payload.length_bytes, payload_bytes);
	CU_ASSERT_EQUAL(view.vlan_pcp, params.vlan_pcp);
	CU_ASSERT(checksums_are_right(&f, vlan != FRAME_VLAN_NONE));
}

static void frame_build_udp__is_parsed_as_it_was_meant(void)
{
	static const unsigned sizes[] = {0, 1, 2, 3, 12, 17, 63, 64, 65, 511, 512, 1231, 1232};

	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		for (unsigned shape = 0; shape < 4; shape++) {
			uint16_t vlan = shape & 2 ? TEST_VLAN : FRAME_VLAN_NONE;

			check_round_trip((shape & 1) != 0, vlan, sizes[i], 37);
			check_round_trip((shape & 1) != 0, vlan, sizes[i], 255);
			check_round_trip((shape & 1) != 0, vlan, sizes[i], 0);
		}
	}
}

static void frame_build_udp__writes_these_headers(void)
{
	static const uint8_t v4[] = {MAC_CLIENT, MAC_OURS, 0x81, 0x00, 0x60, TEST_VLAN, 0x08,
				     0x00, /* */
				     0x45,       0,        0,    29,   0,    0,         0x40,
				     0,          64,       17,   0,    0,    V4_OURS,   V4_CLIENT,
				     0,          53,       0xd4, 0x31, 0,    9};
	static const uint8_t v6[] = {MAC_CLIENT, MAC_OURS, 0x86,    0xdd, /* */
				     0x60,       0,        0,       0,         0, 9,
				     17,         64,       V6_OURS, V6_CLIENT, /* */
				     0,          53,       0xd4,    0x31,      0, 9};
	struct frame_udp_params params = params_of(true, TEST_VLAN);
	uint8_t frame[80];

	memset(frame, 0xee, sizeof(frame));
	CU_ASSERT_EQUAL(frame_build_udp(frame, &params, 1), sizeof(v4) + 2 + 1);
	frame_sample_put16(frame + V4_CHECKSUM + 4, 0);
	CU_ASSERT_EQUAL(memcmp(frame, v4, sizeof(v4)), 0);
	params = params_of(false, FRAME_VLAN_NONE);
	CU_ASSERT_EQUAL(frame_build_udp(frame, &params, 1), sizeof(v6) + 2 + 1);
	CU_ASSERT_EQUAL(memcmp(frame, v6, sizeof(v6)), 0);
}

static void frame_build_udp__never_sends_checksum_zero(void)
{
	for (unsigned shape = 0; shape < 2; shape++) {
		struct frame_udp_params params = params_of(shape == 0, FRAME_VLAN_NONE);
		unsigned header = frame_udp_header_bytes(&params.dst, FRAME_VLAN_NONE);
		uint8_t frame[80] = {0};

		/* A payload that is its own frame's checksum brings the sum to 0xffff. */
		CU_ASSERT_EQUAL(frame_build_udp(frame, &params, 2), header + 2);
		memcpy(frame + header, frame + header - 2, 2);
		CU_ASSERT_EQUAL(frame_build_udp(frame, &params, 2), header + 2);
		CU_ASSERT_EQUAL(frame_sample_get16(frame + header - 2), 0xffff);
	}
}

static void frame_sum__agrees_with_the_plain_reading(void)
{
	static uint8_t bytes[300];
	unsigned long long state = unit_seed();

	for (unsigned round = 0; round < 400; round++) {
		size_t from = round % 17, length = round % 280, half = length / 4 * 2;
		uint8_t ones = round % 3 == 0 ? 0xff : 0;
		uint32_t in_halves;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)unit_random(&state) | ones;
		CU_ASSERT_EQUAL(frame_sum(0, (struct span){bytes + from, length}),
				frame_sample_naive_sum(0, bytes + from, length));
		in_halves = frame_sum(0, (struct span){bytes + from, half});
		in_halves = frame_sum(in_halves, (struct span){bytes + from + half, length - half});
		CU_ASSERT_EQUAL(in_halves, frame_sample_naive_sum(0, bytes + from, length));
	}
	CU_ASSERT_EQUAL(frame_sum(0x12345, (struct span){bytes, 0}), 0x2346);
}

static void frame_link_local__is_the_rfc_4291_example(void)
{
	static const struct mac mac = {{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}};
	static const struct address want = {
		{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x36, 0x56, 0x78, 0xff, 0xfe, 0x9a, 0xbc, 0xde}};
	struct address got = frame_link_local(&mac);

	CU_ASSERT(address_equal(&got, &want));
}

/* ---- answers ---- */

struct answer_case {
	const char *says;
	enum base_idx base;
	struct patch patch;
	size_t length;
	uint8_t want[90]; /* its checksums are filled in */
};
static const struct answer_case answers[] = {
	{"ARP",
	 ARP_ASK,
	 {.at = 0},
	 42,                                                           /* */
	 {MAC_CLIENT, MAC_OURS, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2, /* */
	  MAC_OURS, V4_OURS, MAC_CLIENT, V4_CLIENT}},
	{"ARP probe",
	 ARP_ASK,
	 PATCH(ARP_SENDER, 0, 0, 0, 0),
	 42,
	 {MAC_CLIENT, MAC_OURS, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2, /* */
	  MAC_OURS, V4_OURS, MAC_CLIENT, 0, 0, 0, 0}},
	{"NS", NS, {.at = 0}, 86, {MAC_CLIENT, MAC_OURS, 0x86, 0xdd, /* */
				   0x60,       0,        0,    0,       0,
				   32,         58,       255,  V6_OURS, V6_LOCAL_CLIENT, /* */
				   136,        0,        0,    0,       0x60,
				   0,          0,        0,    V6_OURS, 2,
				   1,          MAC_OURS}},
	{"DAD",
	 DAD,
	 {.at = 0},
	 86,
	 {MAC_ALL_NODES,
	  MAC_OURS,
	  0x86,
	  0xdd, /* */
	  0x60,
	  0,
	  0,
	  0,
	  0,
	  32,
	  58,
	  255,
	  V6_OURS,
	  V6_ALL_NODES, /* */
	  136,
	  0,
	  0,
	  0,
	  0x20,
	  0,
	  0,
	  0,
	  V6_OURS,
	  2,
	  1,
	  MAC_OURS}},
	{"echo", ECHO4, {.at = 0}, 47, {MAC_CLIENT, MAC_OURS, 0x08,    0x00, /* */
					0x45,       0,        0,       33,        0,
					0,          0x40,     0,       64,        1,
					0,          0,        V4_OURS, V4_CLIENT, /* */
					0,          0,        0,       0,         0xab,
					0xcd,       0,        1,       'p',       'i',
					'n',        'g',      '!'}},
	{"v6 echo", ECHO6, {.at = 0}, 67, {MAC_CLIENT, MAC_OURS, 0x86,      0xdd, /* */
					   0x60,       0,        0,         0,    0,    13,   58,
					   64,         V6_OURS,  V6_CLIENT, /* */
					   129,        0,        0,         0,    0xab, 0xcd, 0,
					   1,          'p',      'i',       'n',  'g',  '!'}},
};

enum tagging { TAGGING_NONE, TAGGING_IN_FRAME, TAGGING_STRIPPED, TAGGING_COUNT };

static void check_answer(const struct answer_case *c, enum tagging tagging)
{
	static struct test_frame f, want;
	struct frame_interface interface =
		tagging == TAGGING_NONE ? frame_sample_ours : frame_sample_ours_tagged();
	uint16_t tci = 5u << 13 | TEST_VLAN;
	struct frame_view view;
	uint8_t *frame;
	size_t room;

	frame_sample_make(&f, c->base);
	memcpy(f.bytes + c->patch.at, c->patch.bytes, c->patch.length);
	memcpy(want.bytes, c->want, c->length);
	want.length = c->length;
	if (frame_sample_get16(want.bytes + ETH_TYPE) != 0x0806)
		frame_sample_fix_checksums(&want);
	if (tagging == TAGGING_IN_FRAME)
		frame_sample_insert_tag(&f, 0x8100, tci);
	if (tagging != TAGGING_NONE)
		frame_sample_insert_tag(&want, 0x8100, tci);
	room = want.length > f.length ? want.length : f.length;
	frame = malloc(room);
	memcpy(frame, f.bytes, f.length);
	frame_sample_expect(c->says,
			    frame_parse(&interface, (struct span){frame, f.length},
					tagging == TAGGING_STRIPPED ? tci : FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT_EQUAL(
		frame_build_answer(&interface, (struct buffer){frame, want.length - 1}, &view), 0);
	CU_ASSERT_EQUAL(frame_build_answer(&interface, (struct buffer){frame, room}, &view),
			want.length);
	CU_ASSERT_EQUAL(memcmp(frame, want.bytes, want.length), 0);
	if (memcmp(frame, want.bytes, want.length) != 0)
		fprintf(stderr, "\n  %s: answer differs\n", c->says);
	free(frame);
}

static void frame_build_answer__writes_these_bytes(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(answers); i++)
		for (unsigned tagging = 0; tagging < TAGGING_COUNT; tagging++)
			check_answer(&answers[i], (enum tagging)tagging);
}

struct solicit_case {
	const char *says;
	unsigned src_idx; /* of plain's addresses */
	bool probe;
	size_t length;
	uint8_t want[90];
};
static const struct solicit_case solicits[] = {
	{"ARP", 0, false, 42, {MAC_ALL,  MAC_OURS, 0x08, 0x06, 0, 1, 0x08, 0, 6,
			       4,        0,        1, /* */
			       MAC_OURS, V4_OURS,  0,    0,    0, 0, 0,    0, V4_CLIENT}},
	{"ARP, unicast", 0, true, 42, {MAC_CLIENT, MAC_OURS, 0x08, 0x06, 0, 1, 0x08, 0, 6,
				       4,          0,        1, /* */
				       MAC_OURS,   V4_OURS,  0,    0,    0, 0, 0,    0, V4_CLIENT}},
	{"NS", 2, false, 86, {0x33, 0x33, 0xff,    0,    0, 0x77, MAC_OURS, 0x86, 0xdd,    /* */
			      0x60, 0,    0,       0,    0, 32,   58,       255,  V6_OURS, /* */
			      0xff, 0x02, 0,       0,    0, 0,    0,        0,    0,
			      0,    0,    1,       0xff, 0, 0,    0x77, /* */
			      135,  0,    0,       0,    0, 0,    0,        0,    V6_CLIENT,
			      1,    1,    MAC_OURS}},
	{"NS, unicast", 2, true, 86, {MAC_CLIENT, MAC_OURS, 0x86,      0xdd, /* */
				      0x60,       0,        0,         0,         0, 32,
				      58,         255,      V6_OURS,   V6_CLIENT, /* */
				      135,        0,        0,         0,         0, 0,
				      0,          0,        V6_CLIENT, 1,         1, MAC_OURS}},
};

static void frame_build_solicit__is_answered_by_the_peer(void)
{
	static struct test_frame f, want;
	static const struct mac client_mac = {{MAC_CLIENT}};

	for (size_t i = 0; i < ARRAY_COUNT(solicits); i++) {
		const struct solicit_case *c = &solicits[i];
		const struct mac *to = c->probe ? &client_mac : NULL;
		struct frame_interface with_vlan = frame_sample_ours_tagged();
		struct frame_interface other = peer(TEST_VLAN);
		const struct address *src = &frame_sample_ours.addresses[c->src_idx].address;
		const struct address *target = &other.addresses[c->src_idx / 2].address;
		struct buffer room = {f.bytes, 90};
		struct frame_view view;

		memcpy(want.bytes, c->want, c->length);
		want.length = c->length;
		if (frame_sample_get16(want.bytes + ETH_TYPE) != 0x0806)
			frame_sample_fix_checksums(&want);
		f.length = frame_build_solicit(&frame_sample_ours, room, src, target, to);
		CU_ASSERT_EQUAL(f.length, want.length);
		CU_ASSERT_EQUAL(memcmp(f.bytes, want.bytes, want.length), 0);
		room.capacity_bytes = c->length - 1;
		CU_ASSERT_EQUAL(frame_build_solicit(&frame_sample_ours, room, src, target, to), 0);
		room.capacity_bytes = c->length + 3;
		CU_ASSERT_EQUAL(frame_build_solicit(&with_vlan, room, src, target, to), 0);
		room.capacity_bytes = c->length + 4;
		f.length = frame_build_solicit(&with_vlan, room, src, target, to);
		frame_sample_expect(c->says, frame_sample_parse(&other, &f, FRAME_VLAN_NONE, &view),
				    FRAME_OK);
		room.capacity_bytes = 90;
		f.length = frame_build_answer(&other, room, &view);
		frame_sample_expect(c->says,
				    frame_sample_parse(&with_vlan, &f, FRAME_VLAN_NONE, &view),
				    FRAME_OK);
		CU_ASSERT(view.solicited && address_equal(&view.target, target));
		CU_ASSERT(mac_equal(&view.target_mac, &client_mac));
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(frame_build_udp__is_parsed_as_it_was_meant),
	UNIT_TEST(frame_build_udp__writes_these_headers),
	UNIT_TEST(frame_build_udp__never_sends_checksum_zero),
	UNIT_TEST(frame_sum__agrees_with_the_plain_reading),
	UNIT_TEST(frame_link_local__is_the_rfc_4291_example),
	UNIT_TEST(frame_build_answer__writes_these_bytes),
	UNIT_TEST(frame_build_solicit__is_answered_by_the_peer),
};
UNIT_SUITE(frame_build, tests)
