#include <stdlib.h>
#include <string.h>

#include "core/frame_head.h"
#include "core/limits.h"
#include "core/msg_query.h"
#include "frame_samples.h"
#include "unit.h"

#define TRIES 4000

static uint64_t random_u64(void)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value = value << 16 ^ (uint64_t)rand();
	return value;
}

static void random_bytes(void *out, size_t length_bytes)
{
	for (size_t i = 0; i < length_bytes; i++)
		((uint8_t *)out)[i] = (uint8_t)random_u64();
}

static struct address random_address(bool v4)
{
	struct address a;

	random_bytes(a.bytes, sizeof(a.bytes));
	if (v4)
		a = address_from_v4(a.bytes);
	else
		a.bytes[0] = 0x20;
	return a;
}

/* One datagram, built either way. */
static void check_same(bool v4, uint16_t vlan, unsigned payload_bytes)
{
	static struct test_frame want, got;
	struct frame_interface interface = {.vlan = vlan};
	struct address prefix;
	struct frame_udp_params params = {.vlan = vlan, .src = random_address(v4)};
	struct endpoint peer = {random_address(v4), (uint16_t)random_u64()};
	struct frame_head head;
	unsigned header_bytes = frame_udp_header_bytes(&params.src, vlan);
	struct frame_head_to to = {
		.mac = &params.dst_mac,
		.endpoint = &peer,
		.src_port = (uint16_t)random_u64(),
	};
	uint64_t sum;

	random_bytes(interface.mac.bytes, sizeof(interface.mac.bytes));
	random_bytes(params.dst_mac.bytes, sizeof(params.dst_mac.bytes));
	memcpy(&to.src_identifier, params.src.bytes + 8, sizeof(to.src_identifier));
	params.src_mac = interface.mac;
	params.dst = peer.address;
	params.src_port = to.src_port;
	params.dst_port = peer.port;
	prefix = params.src;
	if (!v4) /* what it has here does not count */
		random_bytes(prefix.bytes + 8, 8);
	frame_head_init(&head, &interface, &prefix);
	CU_ASSERT_EQUAL_FATAL(head.header_bytes, header_bytes);
	memset(&want, 0xee, sizeof(want));
	random_bytes(want.bytes + header_bytes, payload_bytes);
	got = want;
	want.length = frame_build_udp(want.bytes, &params, payload_bytes);
	sum = frame_wire_sum(0, got.bytes + header_bytes, payload_bytes);
	got.length = frame_head_build(&head, got.bytes, &to, payload_bytes, sum);
	CU_ASSERT_EQUAL(got.length, want.length);
	CU_ASSERT_EQUAL(memcmp(got.bytes, want.bytes, sizeof(want.bytes)), 0);
}

static void frame_head_build__writes_what_frame_build_udp_does(void)
{
	srand(42);
	for (unsigned i = 0; i < TRIES; i++)
		check_same((i & 1) != 0, (i & 2) != 0 ? TEST_VLAN : FRAME_VLAN_NONE,
			   (unsigned)(random_u64() % 600));
	check_same(true, FRAME_VLAN_NONE, EDNS_UDP_BYTES);
	check_same(false, TEST_VLAN, EDNS_UDP_BYTES);
}

static void frame_head_build__never_sends_checksum_zero(void)
{
	struct frame_interface interface = {.vlan = FRAME_VLAN_NONE};
	struct address src = random_address(true);
	struct endpoint peer = {random_address(true), 53};
	struct mac mac = {{2}};
	struct frame_head_to to = {.mac = &mac, .endpoint = &peer, .src_port = 1024};
	struct frame_head head;
	uint8_t frame[FRAME_HEADER_BYTES_MAX + 2] = {0};
	uint8_t *udp = frame + V4_UDP;
	uint8_t *payload = frame + V4_PAYLOAD;
	unsigned checksum;

	frame_head_init(&head, &interface, &src);
	(void)frame_head_build(&head, frame, &to, 2, 0);
	/* The payload that brings the sum to all ones is the checksum that there was without it. */
	memcpy(payload, udp + FRAME_WIRE_UDP_CHECKSUM, 2);
	(void)frame_head_build(&head, frame, &to, 2, frame_wire_sum(0, payload, 2));
	checksum = wire_get_u16(udp + FRAME_WIRE_UDP_CHECKSUM);
	CU_ASSERT_EQUAL(checksum, UINT16_MAX);
}

static void random_name(struct name *out, unsigned length_bytes)
{
	unsigned at = 0;

	out->length_bytes = (uint8_t)length_bytes;
	random_bytes(out->bytes, sizeof(out->bytes)); /* and behind its end */
	while (at + 1 < length_bytes) {
		unsigned label = length_bytes - 2 - at;

		if (label > 20)
			label = 20;
		if (label + 2 ==
		    length_bytes - at - 1) /* else a zero would have to follow at once */
			label--;
		out->bytes[at] = (uint8_t)label;
		at += 1 + label;
	}
	out->bytes[length_bytes - 1] = 0;
}

static void check_sum_of_query(unsigned length_bytes)
{
	static uint8_t message[MSG_BUILD_BYTES_MIN];
	uint8_t exact[MSG_BUILD_BYTES_MIN];
	struct name qname;
	uint64_t draw = random_u64();
	struct msg_query_params params = {
		.id = (uint16_t)draw,
		.qname = &qname,
		.qtype = (uint16_t)(draw >> 16),
		.qclass = (uint16_t)(draw >> 32),
		.recursion_desired = (draw >> 48 & 1) != 0,
		.checking_disabled = (draw >> 49 & 1) != 0,
		.edns = (draw >> 50 & 1) != 0,
		.edns_udp_size_bytes = (uint16_t)random_u64(),
	};
	size_t got;
	uint64_t sum;

	random_name(&qname, length_bytes);
	got = msg_query_put(message, &params, msg_query_name_sum(&qname), &sum);
	CU_ASSERT_EQUAL(got, DNS_HEADER_BYTES + length_bytes + 4u + (params.edns ? 11u : 0u));
	CU_ASSERT_EQUAL(memcmp(message + DNS_HEADER_BYTES, qname.bytes, length_bytes), 0);
	CU_ASSERT_EQUAL(frame_wire_fold(sum), frame_wire_fold(frame_wire_sum(0, message, got)));
	CU_ASSERT_EQUAL(msg_build_query((struct buffer){exact, got}, &params), got);
	CU_ASSERT_EQUAL(memcmp(exact, message, got), 0);
}

static void msg_query_put__sums_what_it_writes(void)
{
	srand(43);
	for (unsigned i = 0; i < TRIES; i++)
		check_sum_of_query(1 + i % DNS_NAME_BYTES_MAX);
}

static const struct unit_test tests[] = {
	UNIT_TEST(frame_head_build__writes_what_frame_build_udp_does),
	UNIT_TEST(frame_head_build__never_sends_checksum_zero),
	UNIT_TEST(msg_query_put__sums_what_it_writes),
};
UNIT_SUITE(frame_head, tests)
