#include <stdlib.h>
#include <string.h>

#include "core/frame_kernel.h"
#include "frame_samples.h"
#include "unit.h"

/* What of a frame is UDP, in letters: u UDP, f a fragment, p ports are known; "-" nothing. */
struct row {
	const char *says;
	enum base_idx base;
	enum frame_result want;
	const char *flags;
	struct patch patch[2];
};

/* Behind an IPv6 header, of the sample's 28 bytes of payload: extension headers, and where UDP comes, its ports. */
#define PORTS 0x12, 0x34, 0x56, 0x78

static const struct row rows[] = {
	{"UDP", UDP4, FRAME_OK, "up", {{0}}},
	{"UDP over IPv6", UDP6, FRAME_OK, "up", {{0}}},
	{"echo", ECHO4, FRAME_OK, "-", {{0}}},
	{"echo over IPv6", ECHO6, FRAME_OK, "-", {{0}}},
	{"ARP", ARP_ASK, FRAME_OK, "-", {{0}}},
	{"neighbour discovery", NS, FRAME_OK, "-", {{0}}},
	{"another's MAC", UDP4, FRAME_L2_DST, "", {PATCH(0, MAC_OTHER)}},
	{"broadcast", UDP4, FRAME_OK, "up", {PATCH(0, MAC_ALL)}},
	{"a group that is not ours", UDP6, FRAME_OK, "up", {PATCH(0, 0x33, 0x33, 0, 0, 0, 5)}},
	{"from us", UDP4, FRAME_L2_SRC, "", {PATCH(ETH_SRC, MAC_OURS)}},
	{"from a group", UDP4, FRAME_L2_SRC, "", {PATCH(ETH_SRC, MAC_ALL)}},
	{"from nobody", UDP4, FRAME_L2_SRC, "", {PATCH(ETH_SRC, 0, 0, 0, 0, 0, 0)}},
	{"a tag", UDP4, FRAME_VLAN, "", {PATCH(ETH_TYPE, 0x81, 0, 0, 7)}},
	{"a service tag", UDP4, FRAME_VLAN, "", {PATCH(ETH_TYPE, 0x88, 0xa8)}},
	{"something else", UDP4, FRAME_OK, "-", {PATCH(ETH_TYPE, 0x88, 0xcc)}},
	{"version 5", UDP4, FRAME_IP_HEADER, "", {PATCH(IP, 0x55)}},
	{"four words of header", UDP4, FRAME_IP_HEADER, "", {PATCH(IP, 0x44)}},
	{"shorter than its header", UDP4, FRAME_IP_HEADER, "", {PATCH(V4_LENGTH, 0, 19)}},
	{"longer than the frame", UDP4, FRAME_SHORT, "", {PATCH(V4_LENGTH, 8, 0)}},
	{"options: the ports are behind them", UDP4, FRAME_OK, "up", {PATCH(IP, 0x46)}},
	{"options longer than the packet",
	 UDP4,
	 FRAME_IP_HEADER,
	 "",
	 {PATCH(IP, 0x4f), PATCH(V4_LENGTH, 0, 59)}},
	{"first fragment", UDP4, FRAME_OK, "ufp", {PATCH(V4_FRAGMENT, 0x20, 0)}},
	{"last fragment", UDP4, FRAME_OK, "uf", {PATCH(V4_FRAGMENT, 0, 1)}},
	{"a fragment of TCP",
	 UDP4,
	 FRAME_OK,
	 "f",
	 {PATCH(V4_FRAGMENT, 0, 1), PATCH(V4_PROTOCOL, 6)}},
	{"UDP without room for ports", UDP4, FRAME_OK, "u", {PATCH(V4_LENGTH, 0, 23)}},
	{"version 4 over IPv6's type", UDP6, FRAME_IP_HEADER, "", {PATCH(IP, 0x45)}},
	{"longer than the frame, IPv6", UDP6, FRAME_SHORT, "", {PATCH(V6_LENGTH, 8, 0)}},
	{"hop-by-hop, then UDP",
	 UDP6,
	 FRAME_OK,
	 "up",
	 {PATCH(V6_NEXT, 0), PATCH(V6_UDP, 17, 0, 1, 4, 0, 0, 0, 0, PORTS)}},
	{"hop-by-hop, then ICMPv6 (MLD)",
	 UDP6,
	 FRAME_OK,
	 "-",
	 {PATCH(V6_NEXT, 0), PATCH(V6_UDP, 58, 0, 5, 2, 0, 0, 0, 0)}},
	{"routing, then UDP",
	 UDP6,
	 FRAME_OK,
	 "up",
	 {PATCH(V6_NEXT, 43), PATCH(V6_UDP, 17, 0, 4, 0, 0, 0, 0, 0, PORTS)}},
	{"destination options that end beyond the packet",
	 UDP6,
	 FRAME_IP_EXTENSION,
	 "",
	 {PATCH(V6_NEXT, 60), PATCH(V6_UDP, 17, 9)}},
	{"authentication, counted in words",
	 UDP6,
	 FRAME_OK,
	 "up",
	 {PATCH(V6_NEXT, 51), PATCH(V6_UDP, 17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PORTS)}},
	{"an atomic fragment",
	 UDP6,
	 FRAME_OK,
	 "up",
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 17, 0, 0, 0, 0, 0, 0, 0, PORTS)}},
	{"first fragment, IPv6",
	 UDP6,
	 FRAME_OK,
	 "ufp",
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 17, 0, 0, 1, 0, 0, 0, 0, PORTS)}},
	{"a later fragment of UDP",
	 UDP6,
	 FRAME_OK,
	 "uf",
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 17, 0, 0, 8, 0, 0, 0, 0)}},
	{"a later fragment of what begins with options",
	 UDP6,
	 FRAME_OK,
	 "uf",
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 60, 0, 0, 8, 0, 0, 0, 0)}},
	{"a later fragment of TCP, IPv6",
	 UDP6,
	 FRAME_OK,
	 "f",
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 6, 0, 0, 8, 0, 0, 0, 0)}},
	{"no next header", UDP6, FRAME_OK, "-", {PATCH(V6_NEXT, 59)}},
	{"TCP", UDP6, FRAME_OK, "-", {PATCH(V6_NEXT, 6)}},
};

/* Of a copy that ends where the frame ends. */
static enum frame_result parse(const struct frame_interface *interface, const struct test_frame *f,
			       uint16_t stripped, struct frame_kernel_view *view)
{
	uint8_t *copy = malloc(f->length);
	enum frame_result result;

	memcpy(copy, f->bytes, f->length);
	result = frame_kernel_parse(interface, (struct span){copy, f->length}, stripped, view);
	free(copy);
	return result;
}

static const char *flags_of(const struct frame_kernel_view *view, char out[4])
{
	char *at = out;

	if (view->is_udp)
		*at++ = 'u';
	if (view->is_fragment)
		*at++ = 'f';
	if (view->has_ports)
		*at++ = 'p';
	*at = '\0';
	return out[0] == '\0' ? "-" : out;
}

static void frame_kernel_parse__finds_udp_wherever_it_is(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct frame_kernel_view view;
		struct test_frame f;
		enum frame_result got;
		char flags[4];

		frame_sample_make(&f, row->base);
		for (size_t p = 0; p < ARRAY_COUNT(row->patch); p++)
			memcpy(f.bytes + row->patch[p].at, row->patch[p].bytes,
			       row->patch[p].length);
		if (row->base == UDP4 || row->base == ECHO4) {
			/* Of all the header, with its options, and nothing else. */
			size_t header = (size_t)(f.bytes[IP] & 15) * 4;

			frame_sample_put16(f.bytes + V4_CHECKSUM, 0);
			frame_sample_put16(f.bytes + V4_CHECKSUM,
					   ~frame_sample_naive_sum(0, f.bytes + IP, header) &
						   0xffff);
		}
		got = parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view);
		frame_sample_expect(row->says, got, row->want);
		if (got == FRAME_OK && strcmp(flags_of(&view, flags), row->flags) != 0) {
			printf("%s: %s, want %s\n", row->says, flags_of(&view, flags), row->flags);
			CU_FAIL("flags");
		}
	}
}

static void frame_kernel_parse__reads_ports_and_addresses(void)
{
	static const uint8_t ports[] = {0x12, 0x34, 0x56, 0x78}, ours[] = {V6_OURS};
	struct frame_kernel_view view;
	struct test_frame f;

	frame_sample_make(&f, UDP6);
	memcpy(f.bytes + V6_UDP, ports, sizeof(ports));
	CU_ASSERT_EQUAL_FATAL(parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view), FRAME_OK);
	CU_ASSERT_EQUAL(view.src_port, 0x1234);
	CU_ASSERT_EQUAL(view.dst_port, 0x5678);
	CU_ASSERT(memcmp(view.dst.bytes, ours, sizeof(ours)) == 0);
}

static void frame_kernel_parse__refuses_a_wrong_checksum(void)
{
	struct frame_kernel_view view;
	struct test_frame f;

	frame_sample_make(&f, UDP4);
	f.bytes[V4_CHECKSUM] ^= 1;
	CU_ASSERT_EQUAL(parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view), FRAME_IP_CHECKSUM);
}

static void frame_kernel_parse__wants_the_interfaces_tag(void)
{
	const struct frame_interface tagged = frame_sample_ours_tagged();
	struct frame_kernel_view view;
	struct test_frame f;

	frame_sample_make(&f, UDP4);
	CU_ASSERT_EQUAL(parse(&tagged, &f, FRAME_VLAN_NONE, &view), FRAME_VLAN);
	CU_ASSERT_EQUAL(parse(&tagged, &f, TEST_VLAN, &view), FRAME_OK);
	CU_ASSERT_EQUAL(parse(&tagged, &f, TEST_VLAN + 1, &view), FRAME_VLAN);
	frame_sample_insert_tag(&f, 0x8100, 5u << 13 | TEST_VLAN);
	CU_ASSERT_EQUAL(parse(&tagged, &f, FRAME_VLAN_NONE, &view), FRAME_OK);
	CU_ASSERT(view.is_udp && view.has_ports);
	CU_ASSERT_EQUAL(frame_kernel_parse_sent(&tagged, (struct span){f.bytes, f.length}, &view),
			FRAME_OK);
	CU_ASSERT(view.is_udp && view.has_ports);
	CU_ASSERT_EQUAL(frame_kernel_parse_sent(&frame_sample_ours,
						(struct span){f.bytes, f.length}, &view),
			FRAME_VLAN);
	frame_sample_insert_tag(&f, 0x8100, TEST_VLAN);
	CU_ASSERT_EQUAL(parse(&tagged, &f, FRAME_VLAN_NONE, &view), FRAME_VLAN);
}

static void frame_kernel_parse__never_reads_beyond(void)
{
	struct frame_kernel_view view;
	struct test_frame f;

	for (unsigned base = 0; base < BASE_COUNT; base++) {
		frame_sample_make(&f, (enum base_idx)base);
		for (size_t length = f.length; length-- > 1;) {
			f.length = length;
			(void)parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view);
		}
	}
}

static void frame_kernel_parse__follows_so_many_extensions(void)
{
	enum { COUNT = FRAME_KERNEL_EXTENSIONS_MAX };
	static const struct {
		unsigned count;
		enum frame_result want;
	} cases[] = {{COUNT, FRAME_OK}, {COUNT + 1, FRAME_IP_EXTENSION}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct frame_kernel_view view;
		struct test_frame f;
		size_t at = V6_UDP;

		frame_sample_make(&f, UDP6);
		f.bytes[V6_NEXT] = 60;
		for (unsigned n = 1; n <= cases[i].count; n++, at += 8) {
			memset(f.bytes + at, 0, 8);
			f.bytes[at] = n < cases[i].count ? 60 : 17;
		}
		memset(f.bytes + at, 0, 8);
		frame_sample_put16(f.bytes + V6_LENGTH, (unsigned)(at + 8 - V6_UDP));
		f.length = at + 8;
		CU_ASSERT_EQUAL(parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
				cases[i].want);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(frame_kernel_parse__finds_udp_wherever_it_is),
	UNIT_TEST(frame_kernel_parse__reads_ports_and_addresses),
	UNIT_TEST(frame_kernel_parse__refuses_a_wrong_checksum),
	UNIT_TEST(frame_kernel_parse__wants_the_interfaces_tag),
	UNIT_TEST(frame_kernel_parse__never_reads_beyond),
	UNIT_TEST(frame_kernel_parse__follows_so_many_extensions),
};
UNIT_SUITE(frame_kernel, tests)
