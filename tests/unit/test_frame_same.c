/* The frame path's fast lanes against what is slower and simpler: frame_parse against the parser of frame_reference.c,
 * frame_reflect_udp against frame_build_udp. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame_wire.h"
#include "frame_reference.h"
#include "frame_samples.h"
#include "unit.h"

#define STRIPPED_TCI (5u << 13 | TEST_VLAN)

static bool spans_equal(struct span a, struct span b)
{
	return a.data == b.data && a.length_bytes == b.length_bytes;
}

static bool views_equal(const struct frame_view *a, const struct frame_view *b)
{
	return a->kind == b->kind && mac_equal(&a->src_mac, &b->src_mac) &&
	       address_equal(&a->src, &b->src) && address_equal(&a->dst, &b->dst) &&
	       a->src_port == b->src_port && a->dst_port == b->dst_port &&
	       spans_equal(a->payload, b->payload) && address_equal(&a->target, &b->target) &&
	       mac_equal(&a->target_mac, &b->target_mac) &&
	       a->target_mac_present == b->target_mac_present && a->solicited == b->solicited &&
	       a->vlan_pcp == b->vlan_pcp;
}

/* Returns the outcome. The copy ends where the frame does, so that the sanitizer sees any step beyond. */
static enum frame_result check_same(const struct frame_interface *interface,
				    const struct test_frame *f, uint16_t stripped)
{
	struct frame_view view, wanted, before;
	uint8_t *copy = malloc(f->length > 0 ? f->length : 1);
	struct span frame = {copy, f->length};
	enum frame_result result, want;
	bool same;

	CU_ASSERT_FATAL(copy != NULL);
	memcpy(copy, f->bytes, f->length);
	memset(&view, 0x5a, sizeof(view));
	memset(&before, 0x5a, sizeof(before));
	want = frame_reference_parse(interface, frame, stripped, &wanted);
	result = frame_parse(interface, frame, stripped, &view);
	same = result == want && (result == FRAME_OK ? views_equal(&view, &wanted)
						     : memcmp(&view, &before, sizeof(view)) == 0);
	if (!same)
		printf("\n    %s, wanted %s, %zu bytes\n", frame_result_text[result],
		       frame_result_text[want], f->length);
	CU_ASSERT(same);
	free(copy);
	return result;
}

/* ---- parsing: frames changed at random, in the places and to the values that matter ---- */

enum {
	INTERFACE_PLAIN,
	INTERFACE_TAGGED,
	INTERFACE_PREFIXED,
	INTERFACE_LINK_LOCAL,
	INTERFACE_COUNT
};

/* With link-local addresses of both families among its own. */
static struct frame_interface link_local_interface(void)
{
	struct frame_interface interface = frame_sample_ours;
	static const uint8_t v4[] = {169, 254, 1, 1};

	interface.addresses[interface.address_count++] = (struct prefix){interface.link_local, 64};
	interface.addresses[interface.address_count++] =
		(struct prefix){address_from_v4(v4), 96 + 16};
	return interface;
}

static struct frame_interface interface_of(unsigned kind)
{
	if (kind == INTERFACE_LINK_LOCAL)
		return link_local_interface();
	if (kind == INTERFACE_TAGGED)
		return frame_sample_ours_tagged();
	return kind == INTERFACE_PREFIXED ? frame_sample_prefixed() : frame_sample_ours;
}

/* Whole addresses to stand at either end. */
static const uint8_t v4_ends[][4] = {
	{V4_OURS},        {V4_CLIENT},       {198, 51, 100, 8},    {203, 0, 113, 5},
	{192, 0, 2, 255}, {198, 51, 100, 9}, {203, 0, 113, 4},     {0, 0, 0, 0},
	{0, 1, 2, 3},     {127, 0, 0, 1},    {169, 254, 1, 2},     {169, 254, 1, 1},
	{224, 0, 0, 1},   {240, 0, 0, 1},    {255, 255, 255, 255}, {223, 255, 255, 255},
	{1, 0, 0, 0},     {128, 0, 0, 1},    {126, 255, 255, 255},
};
static const uint8_t v6_ends[][ADDRESS_BYTES] = {
	{V6_OURS},
	{V6_CLIENT},
	{V6_LOCAL_OURS},
	{V6_LOCAL_CLIENT},
	{V6_ALL_NODES},
	{V6_GROUP_OURS},
	{V6_UNSPECIFIED},
	{V6_MAPPED_OURS},
	{V6_IN_PREFIX},
	{V6_IN_PREFIX_LONG},
	{[15] = 1},
	{[12] = 192, 0, 2, 1},
	{[7] = 1, [15] = 1},
	{0xfe, 0xbf, [15] = 7},
	{0xfe, 0xc0, [15] = 7},
	{V6_PREFIX, [15] = 1},
	{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7, [15] = 1},
};

static const uint8_t macs[][6] = {
	{MAC_OURS}, {MAC_CLIENT}, {MAC_ALL}, {MAC_ALL_NODES}, {MAC_GROUP_OURS}, {0}, {[5] = 1}, {1},
};

static uint8_t pick(unsigned long long *state)
{
	static const uint8_t telling[] = {0,  1,  4,    5,    6,    7,    8,    17,  20,
					  28, 40, 0x3f, 0x40, 0x45, 0x60, 0x80, 0xff};

	return unit_random(state) % 2 ? telling[unit_random(state) % sizeof(telling)]
				      : (uint8_t)unit_random(state);
}

/* Makes checksums right, also of an IPv4 header that says nonsense of its length. */
static void fix_checksums(struct test_frame *f)
{
	uint8_t *ip = f->bytes + IP;
	size_t header = (size_t)(ip[0] & 15) * 4;

	if (frame_sample_get16(f->bytes + ETH_TYPE) != 0x0800 ||
	    frame_sample_get16(f->bytes + V4_LENGTH) >= header) {
		frame_sample_fix_checksums(f);
		return;
	}
	frame_sample_put16(f->bytes + V4_CHECKSUM, 0);
	frame_sample_put16(f->bytes + V4_CHECKSUM, ~frame_sample_naive_sum(0, ip, header) & 0xffff);
}

static void change(struct test_frame *f, unsigned long long *state)
{
	size_t at = IP + (frame_sample_get16(f->bytes + ETH_TYPE) == 0x8100 ? 4 : 0);
	bool v4 = f->bytes[at] >> 4 == 4;

	switch (unit_random(state) % 7) {
	case 0: /* any byte of the headers */
		f->bytes[unit_random(state) % 64] = pick(state);
		break;
	case 1:
		f->bytes[unit_random(state) % f->length] ^= (uint8_t)(1u << unit_random(state) % 8);
		break;
	case 2: /* either end */
		if (v4)
			memcpy(f->bytes + at + (unit_random(state) % 2 ? 12 : 16),
			       v4_ends[unit_random(state) % ARRAY_COUNT(v4_ends)], 4);
		else
			memcpy(f->bytes + at + (unit_random(state) % 2 ? 8 : 24),
			       v6_ends[unit_random(state) % ARRAY_COUNT(v6_ends)], ADDRESS_BYTES);
		break;
	case 3: /* another length: too short for what it says, or with padding */
		f->length = unit_random(state) % 2 ? f->length - unit_random(state) % 8
						   : unit_random(state) % (f->length + 20);
		break;
	case 4: /* the IP length, by little */
		f->bytes[at + (v4 ? 3 : 5)] =
			(uint8_t)(f->bytes[at + (v4 ? 3 : 5)] + unit_random(state) % 5 - 2);
		break;
	case 5: /* a checksum of zero, or a port */
		frame_sample_put16(f->bytes + at + (v4 ? 20 : 40) + unit_random(state) % 4 * 2, 0);
		break;
	case 6:
		memcpy(f->bytes + (unit_random(state) % 4 ? ETH_SRC : 0),
		       macs[unit_random(state) % ARRAY_COUNT(macs)], sizeof(macs[0]));
		break;
	}
}

static void frame_parse__agrees_with_its_reference(void)
{
	enum { ROUNDS = 400000 };
	static struct test_frame f;
	unsigned long long state = unit_seed();
	unsigned seen[FRAME_RESULT_COUNT] = {0};
	unsigned udp_count = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned kind = (unsigned)unit_random(&state) % INTERFACE_COUNT;
		struct frame_interface interface = interface_of(kind);
		enum base_idx base = unit_random(&state) % 4 == 0
					     ? (enum base_idx)(unit_random(&state) % BASE_COUNT)
					     : (enum base_idx)(unit_random(&state) % 2);
		uint16_t stripped = FRAME_VLAN_NONE;
		enum frame_result result;

		frame_sample_make(&f, base);
		if (unit_random(&state) % 4 == 0) /* of any length */
			for (size_t to = f.length + unit_random(&state) % 40; f.length < to;
			     f.length++)
				f.bytes[f.length] = (uint8_t)unit_random(&state);
		for (unsigned i = (unsigned)unit_random(&state) % 4; i > 0 && f.length > 64; i--)
			change(&f, &state);
		if (f.length > 64 && unit_random(&state) % 8 != 0)
			fix_checksums(&f);
		if ((kind == INTERFACE_TAGGED) != (unit_random(&state) % 16 == 0) &&
		    f.length > 16) {
			if (unit_random(&state) % 2)
				stripped =
					(uint16_t)(unit_random(&state) % 8 ? STRIPPED_TCI
									   : unit_random(&state));
			else
				frame_sample_insert_tag(
					&f, unit_random(&state) % 8 ? 0x8100 : 0x88a8,
					unit_random(&state) % 8
						? STRIPPED_TCI
						: (unsigned)unit_random(&state) & 0xffff);
		}
		result = check_same(&interface, &f, stripped);
		seen[result]++;
		udp_count += result == FRAME_OK && base < 2;
	}
	/* Hardly anything can have been missed: each outcome came up, and good datagrams did often. */
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++) {
		if (seen[i] == 0)
			printf("\n    no frame was %s\n", frame_result_text[i]);
		CU_ASSERT(seen[i] > 0);
	}
	CU_ASSERT(udp_count > ROUNDS / 5);
}

/* Every byte of both datagrams set to every value, checksums right and not. */
static void frame_parse__agrees_on_every_byte(void)
{
	static struct test_frame f;
	struct frame_interface interface = frame_sample_prefixed();

	for (enum base_idx base = UDP4; base <= UDP6; base++)
		for (unsigned at = 0; at < 64; at++)
			for (unsigned value = 0; value < 256; value++) {
				frame_sample_make(&f, base);
				f.bytes[at] = (uint8_t)value;
				check_same(&interface, &f, FRAME_VLAN_NONE);
				fix_checksums(&f);
				check_same(&interface, &f, FRAME_VLAN_NONE);
			}
}

/* A datagram of that payload, right in all but maybe its size. */
static void datagram_make(struct test_frame *f, enum base_idx base, unsigned payload_bytes,
			  unsigned long long *state)
{
	size_t header = base == UDP4 ? V4_PAYLOAD : V6_UDP + 8;

	frame_sample_make(f, base);
	f->length = header + payload_bytes;
	for (size_t i = header; i < f->length; i++)
		f->bytes[i] = (uint8_t)(unit_random(state) % 4 ? unit_random(state) : 0xff);
	frame_sample_put16(f->bytes + (base == UDP4 ? V4_LENGTH : V6_LENGTH),
			   (base == UDP4 ? 28 : 8) + payload_bytes);
	frame_sample_put16(f->bytes + header - 4, 8 + payload_bytes);
	frame_sample_fix_checksums(f);
}

/* Whatever the length, the last byte counts, and the checksum is that of the plain reading. */
static void frame_parse__agrees_on_every_length(void)
{
	static struct test_frame f;
	unsigned long long state = unit_seed();

	for (enum base_idx base = UDP4; base <= UDP6; base++) {
		for (unsigned payload = 0; payload <= 300; payload++) {
			datagram_make(&f, base, payload, &state);
			CU_ASSERT(check_same(&frame_sample_ours, &f, FRAME_VLAN_NONE) == FRAME_OK);
			f.bytes[f.length - 1] ^= 1;
			CU_ASSERT(check_same(&frame_sample_ours, &f, FRAME_VLAN_NONE) ==
				  FRAME_UDP_CHECKSUM);
		}
		/* The biggest packet of 9,000 bytes, and the next one. */
		datagram_make(&f, base, base == UDP4 ? 8972 : 8952, &state);
		CU_ASSERT(check_same(&frame_sample_ours, &f, FRAME_VLAN_NONE) == FRAME_OK);
		datagram_make(&f, base, base == UDP4 ? 8973 : 8953, &state);
		CU_ASSERT(check_same(&frame_sample_ours, &f, FRAME_VLAN_NONE) == FRAME_IP_HEADER);
	}
}

/* ---- reflecting ---- */

enum tag { TAG_NONE, TAG_IN_FRAME, TAG_STRIPPED, TAG_COUNT };

/* A question from a host that sets every field which an answer must not repeat. */
static void question_make(struct test_frame *f, enum base_idx base, enum tag tag)
{
	frame_sample_make(f, base);
	if (base == UDP4) {
		f->bytes[IP + 1] = 0xb9;
		frame_sample_put16(f->bytes + IP + 4, 0x1234);
		frame_sample_put16(f->bytes + V4_FRAGMENT, 0);
		f->bytes[IP + 8] = 3;
	} else {
		f->bytes[IP] = 0x6b;
		f->bytes[IP + 1] = 0x97;
		frame_sample_put16(f->bytes + IP + 2, 0x5a5a);
		f->bytes[V6_HOP_LIMIT] = 2;
	}
	frame_sample_fix_checksums(f);
	if (tag == TAG_IN_FRAME)
		frame_sample_insert_tag(f, 0x8100, STRIPPED_TCI | 0x1000); /* DEI set */
}

/* What frame_build_udp makes of the answer whose payload is given; returns the frame's length. */
static unsigned answer_build(uint8_t *frame, const struct frame_interface *interface,
			     const struct frame_view *view, const uint8_t *payload,
			     unsigned payload_bytes)
{
	const struct frame_udp_params params = {
		.src_mac = interface->mac,
		.dst_mac = view->src_mac,
		.vlan = interface->vlan,
		.vlan_pcp = view->vlan_pcp,
		.src = view->dst,
		.dst = view->src,
		.src_port = view->dst_port,
		.dst_port = view->src_port,
	};

	memcpy(frame + frame_udp_header_bytes(&view->dst, interface->vlan), payload, payload_bytes);
	return frame_build_udp(frame, &params, payload_bytes);
}

static void check_reflected(enum base_idx base, enum tag tag, const uint8_t *payload,
			    unsigned payload_bytes)
{
	static struct test_frame f, before, summed;
	static uint8_t wanted[ROOM_BYTES];
	struct frame_interface interface =
		tag == TAG_NONE ? frame_sample_ours : frame_sample_ours_tagged();
	uint16_t stripped = tag == TAG_STRIPPED ? STRIPPED_TCI : FRAME_VLAN_NONE;
	struct frame_view view;
	unsigned length, wanted_length;

	question_make(&f, base, tag);
	CU_ASSERT_FATAL(frame_parse(&interface, (struct span){f.bytes, f.length}, stripped,
				    &view) == FRAME_OK);
	memset(wanted, 0xa5, sizeof(wanted));
	wanted_length = answer_build(wanted, &interface, &view, payload, payload_bytes);
	memcpy(f.bytes + (view.payload.data - f.bytes), payload, payload_bytes);
	before = f;
	length = frame_reflect_udp_summed(&interface, f.bytes, &view, payload_bytes,
					  frame_wire_sum(0, payload, payload_bytes));
	summed = f;
	f = before;
	CU_ASSERT_EQUAL(frame_reflect_udp(&interface, f.bytes, &view, payload_bytes), length);
	CU_ASSERT(memcmp(&f, &summed, sizeof(f)) == 0);
	if (tag == TAG_STRIPPED) {
		CU_ASSERT_EQUAL(length, 0);
		CU_ASSERT(memcmp(&f, &before, sizeof(f)) == 0);
		return;
	}
	CU_ASSERT_EQUAL(length, wanted_length);
	CU_ASSERT(memcmp(f.bytes, wanted, wanted_length) == 0);
	CU_ASSERT(memcmp(f.bytes + wanted_length, before.bytes + wanted_length,
			 sizeof(f.bytes) - wanted_length) == 0);
}

static void frame_reflect_udp__is_what_frame_build_udp_writes(void)
{
	static const unsigned lengths[] = {512, 1231, 1232, 1472, 8000};
	static uint8_t payload[ROOM_BYTES];
	unsigned long long state = unit_seed();

	for (enum base_idx base = UDP4; base <= UDP6; base++)
		for (enum tag tag = TAG_NONE; tag < TAG_COUNT; tag++) {
			for (size_t i = 0; i < sizeof(payload); i++)
				payload[i] = (uint8_t)(unit_random(&state) % 4 ? unit_random(&state)
									       : 0xff);
			for (unsigned bytes = 0; bytes <= 200; bytes++)
				check_reflected(base, tag, payload, bytes);
			for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++)
				check_reflected(base, tag, payload, lengths[i]);
		}
}

static void frame_reflect_udp__never_sends_checksum_zero(void)
{
	for (enum base_idx base = UDP4; base <= UDP6; base++) {
		unsigned checksum_at = (base == UDP4 ? V4_UDP : V6_UDP) + 6u;
		struct frame_interface interface = frame_sample_ours;
		static struct test_frame f;
		uint8_t payload[12] = {0};
		struct frame_view view;

		question_make(&f, base, TAG_NONE);
		CU_ASSERT_FATAL(frame_parse(&interface, (struct span){f.bytes, f.length},
					    FRAME_VLAN_NONE, &view) == FRAME_OK);
		answer_build(f.bytes, &interface, &view, payload, sizeof(payload));
		/* The word that brings the sum to 0xffff. */
		memcpy(payload, f.bytes + checksum_at, 2);
		question_make(&f, base, TAG_NONE);
		memcpy(f.bytes + (view.payload.data - f.bytes), payload, sizeof(payload));
		CU_ASSERT(frame_reflect_udp(&interface, f.bytes, &view, sizeof(payload)) != 0);
		CU_ASSERT_EQUAL(frame_sample_get16(f.bytes + checksum_at), 0xffff);
		check_reflected(base, TAG_NONE, payload, sizeof(payload));
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(frame_parse__agrees_with_its_reference),
	UNIT_TEST(frame_parse__agrees_on_every_byte),
	UNIT_TEST(frame_parse__agrees_on_every_length),
	UNIT_TEST(frame_reflect_udp__is_what_frame_build_udp_writes),
	UNIT_TEST(frame_reflect_udp__never_sends_checksum_zero),
};
UNIT_SUITE(frame_same, tests)
