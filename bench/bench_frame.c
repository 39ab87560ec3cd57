/* Cycles of parsing and building the frames that DNS messages travel in, over IPv4 and IPv6, with payloads of 60, 85
 * and 110 bytes, and of reflecting a question's headers; all checks and both checksums included. The same frame again
 * and again: everything is in the first-level cache. In the rows "mixed" the payload's length changes from call to
 * call, so that its branches are not foreseen. And of asking the access list.
 *
 *   bench_frame [ROUNDS]
 */
#include "bench_timing.h"
#include "core/acl.h"
#include "core/frame.h"

#define FRAME_BYTES 256

struct framed {
	unsigned payload_bytes;
	bool v6;
	struct frame_udp_params params;
	uint8_t bytes[FRAME_BYTES];
	struct span span;
	uint8_t reflected[FRAME_BYTES]; /* to and fro */
	struct frame_view reflected_view;
};

#define MIXED_FRAMES 1024 /* a power of two */
#define MIXED_BYTES_MIN 30
#define MIXED_BYTES_MAX 130

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

static struct framed mixed[2][MIXED_FRAMES];
static unsigned mixed_next;

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
	memcpy(f->reflected, f->bytes, sizeof(f->bytes));
	CHECK(frame_parse(&interface, (struct span){f->reflected, f->span.length_bytes},
			  FRAME_VLAN_NONE, &f->reflected_view) == FRAME_OK);
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

static uint64_t reflect(const void *argument)
{
	const struct framed *f = argument;
	/* Of frames[], which are not constant. */
	struct framed *own = &frames[f - frames];

	return frame_reflect_udp(&interface, own->reflected, &own->reflected_view,
				 f->payload_bytes);
}

static uint64_t parse_mixed(const void *argument)
{
	const struct framed *all = argument;

	return parse(&all[mixed_next++ % MIXED_FRAMES]);
}

static uint64_t build_mixed(const void *argument)
{
	const struct framed *all = argument;

	return build(&all[mixed_next++ % MIXED_FRAMES]);
}

/* ---- the access list ---- */

#define CLIENTS 1024 /* a power of two */

static struct acl *acl;
static struct address clients[CLIENTS];

/* The default list and two networks of our own; clients of all of them, and some strangers. */
static void acl_make(void)
{
	const struct prefix prefixes[] = {
		{address_from_v4((const uint8_t[]){10, 0, 0, 0}), 96 + 8},
		{address_from_v4((const uint8_t[]){172, 16, 0, 0}), 96 + 12},
		{address_from_v4((const uint8_t[]){192, 168, 0, 0}), 96 + 16},
		{address_from_v4((const uint8_t[]){100, 64, 0, 0}), 96 + 10},
		{address_from_v4((const uint8_t[]){169, 254, 0, 0}), 96 + 16},
		{address_of(false, 0), 96 + 24},
		{{{0xfc}}, 7},
		{{{0xfe, 0x80}}, 10},
		{address_of(true, 0), 64},
	};

	acl = acl_init(bench_memory(acl_memory_bytes(), BENCH_PAGES_ORDINARY), prefixes,
		       ARRAY_COUNT(prefixes));
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct prefix *p = &prefixes[(unsigned)rand() % ARRAY_COUNT(prefixes)];

		bench_random(clients[i].bytes, ADDRESS_BYTES);
		for (unsigned bit = 0; bit < (i % 16 != 0 ? p->bits : 12); bit++) {
			uint8_t mask = (uint8_t)(0x80u >> bit % 8);

			clients[i].bytes[bit / 8] = (uint8_t)((clients[i].bytes[bit / 8] & ~mask) |
							      (p->address.bytes[bit / 8] & mask));
		}
	}
}

static uint64_t ask_one(const void *argument)
{
	return acl_contains(acl, argument);
}

static uint64_t ask_mixed(const void *argument)
{
	const struct address *all = argument;

	return acl_contains(acl, &all[mixed_next++ % CLIENTS]);
}

static const struct address in_ten = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3}};

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
		{"reflect, IPv4, 60 bytes", reflect, &frames[0]},
		{"reflect, IPv4, 85 bytes", reflect, &frames[1]},
		{"reflect, IPv4, 110 bytes", reflect, &frames[2]},
		{"reflect, IPv6, 60 bytes", reflect, &frames[3]},
		{"reflect, IPv6, 85 bytes", reflect, &frames[4]},
		{"reflect, IPv6, 110 bytes", reflect, &frames[5]},
		{"parse, IPv4, mixed", parse_mixed, mixed[0]},
		{"parse, IPv6, mixed", parse_mixed, mixed[1]},
		{"build, IPv4, mixed", build_mixed, mixed[0]},
		{"access list, in 10/8", ask_one, &in_ten},
		{"access list, in our IPv4 network", ask_one, &frames[0].params.src},
		{"access list, in our IPv6 network", ask_one, &frames[3].params.src},
		{"access list, mixed clients", ask_mixed, clients},
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
	for (unsigned i = 0; i < 2 * MIXED_FRAMES; i++) {
		struct framed *f = &mixed[i / MIXED_FRAMES][i % MIXED_FRAMES];

		f->v6 = i >= MIXED_FRAMES;
		f->payload_bytes = MIXED_BYTES_MIN +
				   (unsigned)rand() % (MIXED_BYTES_MAX - MIXED_BYTES_MIN + 1);
		frame_make(f);
	}
	acl_make();
	return bench_cases_main("frame", cases, ARRAY_COUNT(cases), argc, argv);
}
