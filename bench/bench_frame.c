/* Cycles of parsing and building the frames that DNS messages travel in, over IPv4 and IPv6, with payloads of 60, 85
 * and 110 bytes; all checks and both checksums included. The same frame again and again: everything is in the
 * first-level cache.
 *
 *   bench_frame [ROUNDS]
 */
#include "bench_timing.h"
#include "core/frame.h"

#define FRAME_BYTES 256

struct framed {
	unsigned payload_bytes;
	bool v6;
	struct frame_udp_params params;
	uint8_t bytes[FRAME_BYTES];
	struct span span;
};

static struct frame_interface interface;
static uint8_t output[FRAME_BYTES];
static struct framed frames[] = {
	{.payload_bytes = 60},
	{.payload_bytes = 85},
	{.payload_bytes = 110},
	{.payload_bytes = 60, .v6 = true},
	{.payload_bytes = 85, .v6 = true},
	{.payload_bytes = 110, .v6 = true},
};

static struct address address_of(bool v6, uint8_t last)
{
	struct address a = {{0x20, 0x01, 0, 2}};

	if (!v6)
		return address_from_v4((const uint8_t[]){198, 18, 0, last});
	a.bytes[ADDRESS_BYTES - 1] = last;
	return a;
}

static void frame_make(struct framed *f)
{
	struct frame_view view;

	f->params = (struct frame_udp_params){.src_mac = {{2, 0, 0, 0, 0, 2}},
					      .dst_mac = interface.mac,
					      .vlan = FRAME_VLAN_NONE,
					      .src = address_of(f->v6, 20),
					      .dst = address_of(f->v6, 53),
					      .src_port = 53,
					      .dst_port = 40000};
	bench_random(f->bytes, sizeof(f->bytes));
	memcpy(output, f->bytes, sizeof(output));
	f->span = (struct span){f->bytes, frame_build_udp(f->bytes, &f->params, f->payload_bytes)};
	CHECK(frame_parse(&interface, f->span, FRAME_VLAN_NONE, &view) == FRAME_OK &&
	      view.kind == FRAME_UDP && view.payload.length_bytes == f->payload_bytes);
}

static uint64_t parse(const void *argument)
{
	const struct framed *f = argument;
	struct frame_view view;

	return frame_parse(&interface, f->span, FRAME_VLAN_NONE, &view) + view.dst_port;
}

static uint64_t build(const void *argument)
{
	const struct framed *f = argument;

	return frame_build_udp(output, &f->params, f->payload_bytes);
}

int main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"parse, IPv4, 60 bytes", parse, &frames[0]},
		{"parse, IPv4, 85 bytes", parse, &frames[1]},
		{"parse, IPv4, 110 bytes", parse, &frames[2]},
		{"parse, IPv6, 60 bytes", parse, &frames[3]},
		{"parse, IPv6, 85 bytes", parse, &frames[4]},
		{"parse, IPv6, 110 bytes", parse, &frames[5]},
		{"build, IPv4, 60 bytes", build, &frames[0]},
		{"build, IPv4, 85 bytes", build, &frames[1]},
		{"build, IPv4, 110 bytes", build, &frames[2]},
		{"build, IPv6, 60 bytes", build, &frames[3]},
		{"build, IPv6, 85 bytes", build, &frames[4]},
		{"build, IPv6, 110 bytes", build, &frames[5]},
	};

	interface = (struct frame_interface){.mac = {{2, 0, 0, 0, 0, 1}},
					     .vlan = FRAME_VLAN_NONE,
					     .mtu_bytes = 1500,
					     .address_count = 2,
					     .addresses = {{address_of(false, 53), 120},
							   {address_of(true, 53), 64}}};
	interface.link_local = frame_link_local(&interface.mac);
	for (unsigned i = 0; i < ARRAY_COUNT(frames); i++)
		frame_make(&frames[i]);
	return bench_cases_main("frame", cases, ARRAY_COUNT(cases), argc, argv);
}
