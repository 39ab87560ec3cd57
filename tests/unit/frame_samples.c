#include "frame_samples.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

const struct frame_interface frame_sample_ours = {
	.mac = {{MAC_OURS}},
	.vlan = FRAME_VLAN_NONE,
	.mtu_bytes = 1500,
	.address_count = 4,
	.addresses =
		{
			{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_OURS}}, 96 + 24},
			{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 8}}, 96 + 31},
			{{{V6_OURS}}, 64},
			{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 5}}, 96 + 32},
		},
	.link_local = {{V6_LOCAL_OURS}},
};

struct frame_interface frame_sample_ours_tagged(void)
{
	struct frame_interface interface = frame_sample_ours;

	interface.vlan = TEST_VLAN;
	return interface;
}

struct frame_interface frame_sample_prefixed(void)
{
	struct frame_interface interface = frame_sample_ours;

	interface.source_prefix_count = 2;
	interface.source_prefixes[0] = (struct prefix){{{V6_PREFIX_LONG}}, 112};
	interface.source_prefixes[1] = (struct prefix){{{V6_PREFIX}}, 64};
	return interface;
}

unsigned frame_sample_get16(const uint8_t *at)
{
	return at[0] * 256u + at[1];
}

void frame_sample_put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value / 256);
	at[1] = (uint8_t)(value % 256);
}

unsigned frame_sample_naive_sum(unsigned sum, const uint8_t *at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		sum += i % 2 == 0 ? at[i] * 256u : at[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

void frame_sample_fix_checksums(struct test_frame *f)
{
	uint8_t *b = f->bytes;
	bool v4 = frame_sample_get16(b + ETH_TYPE) == 0x0800;
	size_t header = v4 ? (size_t)(b[IP] & 15) * 4 : 40;
	size_t at = IP + header;
	size_t length =
		v4 ? frame_sample_get16(b + V4_LENGTH) - header : frame_sample_get16(b + V6_LENGTH);
	unsigned protocol = v4 ? b[V4_PROTOCOL] : b[V6_NEXT];
	size_t field;
	unsigned sum = 0;

	if (v4) {
		frame_sample_put16(b + V4_CHECKSUM, 0);
		frame_sample_put16(b + V4_CHECKSUM,
				   ~frame_sample_naive_sum(0, b + IP, header) & 0xffff);
	}
	if (protocol != 17 && protocol != 1 && protocol != 58)
		return;
	field = at + (protocol == 17 ? 6 : 2);
	if (at + length > f->length || length < field - at + 2)
		return;
	if (protocol != 1) {
		uint8_t pseudo[4] = {0, (uint8_t)protocol};

		frame_sample_put16(pseudo + 2, (unsigned)length);
		sum = frame_sample_naive_sum(0, pseudo, sizeof(pseudo));
		sum = v4 ? frame_sample_naive_sum(sum, b + V4_SRC, 8)
			 : frame_sample_naive_sum(sum, b + V6_SRC, 32);
	}
	frame_sample_put16(b + field, 0);
	sum = frame_sample_naive_sum(sum, b + at, length);
	frame_sample_put16(b + field, protocol == 17 && sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

/* A header a line. */
// clang-format off
static const uint8_t udp4[] = {
	MAC_OURS, MAC_CLIENT, 0x08, 0x00,
	0x45, 0, 0, 48, 0x12, 0x34, 0, 0, 64, 17, 0, 0, V4_CLIENT, V4_OURS,
	0x30, 0x39, 0, 53, 0, 28, 0, 0,
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
static const uint8_t udp6[] = {
	MAC_OURS, MAC_CLIENT, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 28, 17, 57, V6_CLIENT, V6_OURS,
	0x30, 0x39, 0, 53, 0, 28, 0, 0,
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
static const uint8_t echo4[] = {
	MAC_OURS, MAC_CLIENT, 0x08, 0x00,
	0x45, 0x2e, 0, 33, 0, 9, 0, 0, 1, 1, 0, 0, V4_CLIENT, V4_OURS,
	8, 0, 0, 0, 0xab, 0xcd, 0, 1, 'p', 'i', 'n', 'g', '!'};
static const uint8_t echo6[] = {
	MAC_OURS, MAC_CLIENT, 0x86, 0xdd,
	0x6f, 0xff, 0xff, 0xff, 0, 13, 58, 1, V6_CLIENT, V6_OURS,
	128, 0, 0, 0, 0xab, 0xcd, 0, 1, 'p', 'i', 'n', 'g', '!'};
static const uint8_t arp_request[] = {
	MAC_ALL, MAC_CLIENT, 0x08, 0x06,
	0, 1, 0x08, 0, 6, 4, 0, 1, MAC_CLIENT, V4_CLIENT, 0, 0, 0, 0, 0, 0, V4_OURS};
static const uint8_t arp_reply[] = {
	MAC_OURS, MAC_CLIENT, 0x08, 0x06,
	0, 1, 0x08, 0, 6, 4, 0, 2, MAC_CLIENT, V4_CLIENT, MAC_OURS, V4_OURS};
static const uint8_t solicit[] = {
	MAC_GROUP_OURS, MAC_CLIENT, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 32, 58, 255, V6_LOCAL_CLIENT, V6_GROUP_OURS,
	135, 0, 0, 0, 0, 0, 0, 0, V6_OURS, 1, 1, MAC_CLIENT};
static const uint8_t probe6[] = {
	MAC_GROUP_OURS, MAC_CLIENT, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 24, 58, 255, V6_UNSPECIFIED, V6_GROUP_OURS,
	135, 0, 0, 0, 0, 0, 0, 0, V6_OURS};
static const uint8_t advertise[] = {
	MAC_OURS, MAC_CLIENT, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 32, 58, 255, V6_CLIENT, V6_OURS,
	136, 0, 0, 0, 0x60, 0, 0, 0, V6_CLIENT, 2, 1, MAC_CLIENT};
static const uint8_t advertise_all[] = {
	MAC_ALL_NODES, MAC_CLIENT, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 32, 58, 255, V6_LOCAL_CLIENT, V6_ALL_NODES,
	136, 0, 0, 0, 0x20, 0, 0, 0, V6_CLIENT, 2, 1, MAC_CLIENT};
// clang-format on

#define SAMPLE(name, kind)                                                                         \
	{                                                                                          \
#name, name, sizeof(name), kind                                                    \
	}
const struct frame_sample frame_samples[BASE_COUNT] = {
	[UDP4] = SAMPLE(udp4, FRAME_UDP),
	[UDP6] = SAMPLE(udp6, FRAME_UDP),
	[ECHO4] = SAMPLE(echo4, FRAME_ECHO_REQUEST),
	[ECHO6] = SAMPLE(echo6, FRAME_ECHO_REQUEST),
	[ARP_ASK] = SAMPLE(arp_request, FRAME_ARP_REQUEST),
	[ARP_TELL] = SAMPLE(arp_reply, FRAME_ARP_REPLY),
	[NS] = SAMPLE(solicit, FRAME_ND_SOLICIT),
	[DAD] = SAMPLE(probe6, FRAME_ND_SOLICIT),
	[NA] = SAMPLE(advertise, FRAME_ND_ADVERTISE),
	[NA_ALL] = SAMPLE(advertise_all, FRAME_NEIGHBOUR_HINT),
};

void frame_sample_make(struct test_frame *f, enum base_idx base)
{
	memcpy(f->bytes, frame_samples[base].bytes, frame_samples[base].length);
	f->length = frame_samples[base].length;
	if (frame_sample_get16(f->bytes + ETH_TYPE) != 0x0806)
		frame_sample_fix_checksums(f);
}

void frame_sample_insert_tag(struct test_frame *f, unsigned type, unsigned tci)
{
	memmove(f->bytes + ETH_TYPE + 4, f->bytes + ETH_TYPE, f->length - ETH_TYPE);
	frame_sample_put16(f->bytes + ETH_TYPE, type);
	frame_sample_put16(f->bytes + ETH_TYPE + 2, tci);
	f->length += 4;
}

enum frame_result frame_sample_parse(const struct frame_interface *interface,
				     const struct test_frame *f, uint16_t stripped,
				     struct frame_view *view)
{
	uint8_t *copy = malloc(f->length + (f->length == 0));
	enum frame_result result;

	memcpy(copy, f->bytes, f->length);
	result = frame_parse(interface, (struct span){copy, f->length}, stripped, view);
	if (result == FRAME_OK && view->payload.data != NULL)
		view->payload.data = f->bytes + (view->payload.data - copy);
	free(copy);
	return result;
}

void frame_sample_expect(const char *says, enum frame_result got, enum frame_result want)
{
	if (got != want)
		fprintf(stderr, "\n  %s: got %s, want %s\n", says, frame_result_text[got],
			frame_result_text[want]);
	CU_ASSERT_EQUAL(got, want);
}
