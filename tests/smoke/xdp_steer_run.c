/* Has the kernel run our BPF programs on crafted packets (BPF_PROG_TEST_RUN), and says for each whether it came out as the
 * table here wants it. xdp_steer_test.sh runs it: xdp_steer_run OBJECT; root.
 *
 * A line each: "ok   PROGRAM: what" or "FAIL ...". Exit status 1 if any failed.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_xdp.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_app/xdp_steer.h"

#define FRAME_BYTES_MAX 256
#define PAYLOAD_BYTES 32
#define OTHER_PORT 40000
#define TAGS_MAX 2

/* How a packet differs from: untagged, IPv4 without options, whole, UDP. 0: as usual. */
struct packet {
	const char *says;
	enum xdp_steer_counter want;
	const char *to;
	uint16_t to_port;
	uint16_t from_port;
	uint32_t vlan;           /* that Portico is configured for; 0: none */
	uint16_t tags[TAGS_MAX]; /* in the packet; 0xf000 as well: of value 0 */
	uint16_t tag_type;       /* of the first; 0: 802.1Q */
	uint8_t first_byte;      /* of the IP header */
	uint16_t fragment;       /* of the IPv4 header */
	uint8_t protocol;
	uint16_t ether_type;
	uint16_t ip_bytes; /* as the IP header says */
	uint8_t cut_to;    /* bytes of the frame that are there */
	const char *from;  /* NULL: a server that we ask */
	bool any_peer;     /* Portico takes replies from whoever has the right port */
};

#define LISTEN_V4 "198.18.0.53"
#define LISTEN_V6 "2001:2:0:1::53"
#define OUT_V4 "198.18.0.54"
#define OUT_V6 "2001:2:0:1::54"
#define SERVER_V4 "198.18.0.7"
#define SERVER_V6 "2001:2:0:1::7"
#define Q XDP_STEER_QUESTIONS
#define R XDP_STEER_REPLIES
#define K XDP_STEER_KERNEL
/* what it says, what it is to be, to which address and port, from which port; and what else is special */
#define P(what, verdict, address, dst_port, src_port, ...)                                         \
	{                                                                                          \
		.says = what, .want = verdict, .to = address, .to_port = dst_port,                 \
		.from_port = src_port, __VA_ARGS__                                                 \
	}

/* We listen on 53 of LISTEN_*, ask ports 53 and 5353 of SERVER_* and a thousand others, and have eligible of OUT_* and of 2001:2:0:9::/64: 1024, 1031, 1032,
 * 49999, 65535. */
static const struct packet packets[] = {
	/* questions */
	P("a question, IPv4", Q, LISTEN_V4, 53, OTHER_PORT),
	P("a question, IPv6", Q, LISTEN_V6, 53, OTHER_PORT),
	P("a question from port 53", Q, LISTEN_V4, 53, 53),
	P("the second listen endpoint, of another port", Q, LISTEN_V4, 5300, OTHER_PORT),
	P("the last listen endpoint", Q, "198.18.0.99", 99, OTHER_PORT),
	P("a port beside the listen port", K, LISTEN_V4, 54, OTHER_PORT),
	P("the listen port with its bytes swapped", K, LISTEN_V4, 0x3500, OTHER_PORT),
	P("the listen port of another address", K, "198.18.0.52", 53, OTHER_PORT),
	P("an address that differs in its first byte", K, "199.18.0.53", 53, OTHER_PORT),
	P("an IPv6 address that differs in its first byte", K, "3001:2:0:1::53", 53, OTHER_PORT),
	P("an IPv6 address that ends like an IPv4 one of ours", K, "::c612:35", 53, OTHER_PORT),
	P("the mapped form of an IPv4 address, over IPv6", K, "::ffff:" LISTEN_V4, 53, OTHER_PORT),
	/* replies */
	P("a reply, IPv4", R, OUT_V4, 49999, 53),
	P("a reply, IPv6", R, OUT_V6, 49999, 53),
	P("a reply from the other port that we ask", R, OUT_V4, 49999, 5353),
	P("a port that we do not ask", K, OUT_V4, 49999, 54),
	P("a port that we do not ask, in the same byte", K, OUT_V4, 49999, 52),
	P("a port that we do not ask, eight further", K, OUT_V4, 49999, 61),
	P("the first eligible port", R, OUT_V4, 1024, 53),
	P("the one below it", K, OUT_V4, 1023, 53),
	P("the one above it", K, OUT_V4, 1025, 53),
	P("the last bit of a byte", R, OUT_V4, 1031, 53),
	P("the first bit of the next", R, OUT_V4, 1032, 53),
	P("the second of the next", K, OUT_V4, 1033, 53),
	P("the highest port", R, OUT_V4, 65535, 53),
	P("the one below that", K, OUT_V4, 65534, 53),
	P("port 0", K, OUT_V4, 0, 53),
	P("an eligible port of another address", K, "198.18.0.56", 49999, 53),
	P("an eligible port of the listen address", K, LISTEN_V4, 49999, 53),
	P("the last outgoing address has a port of its own", R, "198.18.0.98", 98, 53),
	P("which others have not", K, OUT_V4, 98, 53),
	P("an address of the prefix", R, "2001:2:0:9:1234:5678:9abc:def0", 49999, 53),
	P("its first address", R, "2001:2:0:9::", 49999, 53),
	P("its last address", R, "2001:2:0:9:ffff:ffff:ffff:ffff", 49999, 53),
	P("the address behind it", K, "2001:2:0:a::", 49999, 53),
	P("the address before it", K, "2001:2:0:8:ffff:ffff:ffff:ffff", 49999, 53),
	P("an ineligible port of the prefix", K, "2001:2:0:9::1", 50000, 53),
	P("the prefix from a port that we do not ask", K, "2001:2:0:9::1", 49999, 123),
	/* who replies */
	P("another server's reply, IPv4", K, OUT_V4, 49999, 53, .from = "198.18.0.8"),
	P("another server's reply, IPv6", K, OUT_V6, 49999, 53, .from = "2001:2:0:1::8"),
	P("one whose address differs in its first byte", K, OUT_V4, 49999, 53,
	  .from = "199.18.0.7"),
	P("the same over IPv6", K, OUT_V6, 49999, 53, .from = "3001:2:0:1::7"),
	P("another server's, to the prefix", K, "2001:2:0:9::1", 49999, 53,
	  .from = "2001:2:0:1::8"),
	P("a server of one port", R, OUT_V4, 49999, 53, .from = "198.18.1.1"),
	P("the other port of that server", K, OUT_V4, 49999, 5353, .from = "198.18.1.1"),
	P("the last server there is place for", R, OUT_V4, 49999, 53, .from = "198.18.8.252"),
	P("and the one behind it", K, OUT_V4, 49999, 53, .from = "198.18.8.253"),
	P("a server's mapped form, over IPv6", K, OUT_V6, 49999, 53, .from = "::ffff:" SERVER_V4),
	P("a question from no server", Q, LISTEN_V4, 53, 53, .from = "198.18.0.8"),
	P("anybody's reply, IPv4, if any may", R, OUT_V4, 49999, 53, .from = "198.18.0.8",
	  .any_peer = true),
	P("anybody's reply, IPv6, if any may", R, OUT_V6, 49999, 5353, .from = "2001:2:0:1::8",
	  .any_peer = true),
	P("anybody's, from a port that we do not ask", K, OUT_V4, 49999, 54, .from = "198.18.0.8",
	  .any_peer = true),
	/* IPv4 headers */
	P("TCP", K, LISTEN_V4, 53, OTHER_PORT, .protocol = 6),
	P("ICMP", K, LISTEN_V4, 53, OTHER_PORT, .protocol = 1),
	P("UDP-Lite", K, LISTEN_V4, 53, OTHER_PORT, .protocol = 136),
	P("options", K, LISTEN_V4, 53, OTHER_PORT, .first_byte = 0x46),
	P("a header of four words", K, LISTEN_V4, 53, OTHER_PORT, .first_byte = 0x44),
	P("version 6 in an IPv4 packet", K, LISTEN_V4, 53, OTHER_PORT, .first_byte = 0x65),
	P("don't fragment", Q, LISTEN_V4, 53, OTHER_PORT, .fragment = 0x4000),
	P("a first fragment", K, LISTEN_V4, 53, OTHER_PORT, .fragment = 0x2000),
	P("a middle fragment", K, LISTEN_V4, 53, OTHER_PORT, .fragment = 0x2001),
	P("a last fragment", K, LISTEN_V4, 53, OTHER_PORT, .fragment = 0x0001),
	P("the farthest fragment", K, LISTEN_V4, 53, OTHER_PORT, .fragment = 0x1fff),
	P("a first fragment of a reply", K, OUT_V4, 49999, 53, .fragment = 0x2000),
	P("a length that holds both headers", Q, LISTEN_V4, 53, OTHER_PORT, .ip_bytes = 28),
	P("a length that does not", K, LISTEN_V4, 53, OTHER_PORT, .ip_bytes = 27),
	P("ARP", K, LISTEN_V4, 53, OTHER_PORT, .ether_type = 0x0806),
	P("IPv6 by type, IPv4 by content", K, LISTEN_V4, 53, OTHER_PORT, .ether_type = 0x86dd),
	P("IPv4 by type, IPv6 by content", K, LISTEN_V6, 53, OTHER_PORT, .ether_type = 0x0800),
	/* IPv6 headers */
	P("IPv6: TCP", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 6),
	P("IPv6: a fragment", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 44),
	P("IPv6: hop-by-hop options", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 255),
	P("IPv6: destination options", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 60),
	P("IPv6: a routing header", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 43),
	P("IPv6: neighbour discovery", K, LISTEN_V6, 53, OTHER_PORT, .protocol = 58),
	P("IPv6: a traffic class", Q, LISTEN_V6, 53, OTHER_PORT, .first_byte = 0x6f),
	P("IPv6: version 5", K, LISTEN_V6, 53, OTHER_PORT, .first_byte = 0x50),
	P("IPv6: a payload of a UDP header", Q, LISTEN_V6, 53, OTHER_PORT, .ip_bytes = 8),
	P("IPv6: a shorter payload", K, LISTEN_V6, 53, OTHER_PORT, .ip_bytes = 7),
	/* 802.1Q */
	P("a tag, none configured", K, LISTEN_V4, 53, OTHER_PORT, .tags = {10}),
	P("a priority tag, none configured", K, LISTEN_V4, 53, OTHER_PORT, .tags = {0xf000}),
	P("the configured tag", Q, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {10}),
	P("the configured tag with priority", Q, LISTEN_V4, 53, OTHER_PORT, .vlan = 10,
	  .tags = {0xe00a}),
	P("the configured tag, IPv6", R, OUT_V6, 49999, 53, .vlan = 4094, .tags = {4094}),
	P("another tag", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {11}),
	P("no tag, one configured", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10),
	P("the tag twice", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {10, 10}),
	P("a provider's tag", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {10},
	  .tag_type = 0x88a8),
	/* frames that end early */
	P("a byte behind Ethernet", K, LISTEN_V4, 53, OTHER_PORT, .cut_to = 15),
	P("half an IPv4 header", K, LISTEN_V4, 53, OTHER_PORT, .cut_to = 33),
	P("no UDP header", K, LISTEN_V4, 53, OTHER_PORT, .cut_to = 34),
	P("a byte of the UDP header is missing", K, LISTEN_V4, 53, OTHER_PORT, .cut_to = 41),
	P("all of the UDP header", Q, LISTEN_V4, 53, OTHER_PORT, .cut_to = 42),
	P("IPv6: a byte of its header is missing", K, LISTEN_V6, 53, OTHER_PORT, .cut_to = 53),
	P("IPv6: a byte of the UDP header is missing", K, LISTEN_V6, 53, OTHER_PORT, .cut_to = 61),
	P("IPv6: all of the UDP header", Q, LISTEN_V6, 53, OTHER_PORT, .cut_to = 62),
	P("half a tag", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {10}, .cut_to = 16),
	P("tagged: a byte of the UDP header is missing", K, LISTEN_V4, 53, OTHER_PORT, .vlan = 10,
	  .tags = {10}, .cut_to = 45),
	P("tagged: all of the UDP header", Q, LISTEN_V4, 53, OTHER_PORT, .vlan = 10, .tags = {10},
	  .cut_to = 46),
};
#define PACKET_COUNT (sizeof(packets) / sizeof(packets[0]))

static struct xdp_steer steer;
static unsigned failures;

/* ---- packets ---- */

static size_t put16(uint8_t *frame, size_t at, unsigned value)
{
	frame[at] = (uint8_t)(value >> 8);
	frame[at + 1] = (uint8_t)value;
	return at + 2;
}

static size_t put_ip(uint8_t *frame, size_t at, const struct packet *p, bool v6)
{
	/* 255 stands for hop-by-hop options, whose number is 0. */
	uint8_t protocol = p->protocol == 255 ? 0 : p->protocol != 0 ? p->protocol : IPPROTO_UDP;

	if (v6) {
		frame[at] = p->first_byte != 0 ? p->first_byte : 0x60;
		put16(frame, at + 4, p->ip_bytes != 0 ? p->ip_bytes : 8 + PAYLOAD_BYTES);
		frame[at + 6] = protocol;
		frame[at + 7] = 64;
		inet_pton(AF_INET6, p->from != NULL ? p->from : SERVER_V6, frame + at + 8);
		inet_pton(AF_INET6, p->to, frame + at + 24);
		return at + 40;
	}
	frame[at] = p->first_byte != 0 ? p->first_byte : 0x45;
	put16(frame, at + 2, p->ip_bytes != 0 ? p->ip_bytes : 28 + PAYLOAD_BYTES);
	put16(frame, at + 6, p->fragment);
	frame[at + 8] = 64;
	frame[at + 9] = protocol;
	inet_pton(AF_INET, p->from != NULL ? p->from : SERVER_V4, frame + at + 12);
	inet_pton(AF_INET, p->to, frame + at + 16);
	return at + 20;
}

static size_t build(const struct packet *p, uint8_t frame[FRAME_BYTES_MAX])
{
	bool v6 = strchr(p->to, ':') != NULL;
	unsigned type = p->ether_type != 0 ? p->ether_type : v6 ? 0x86dd : 0x0800;
	size_t at = 12;

	memset(frame, 0, FRAME_BYTES_MAX);
	memcpy(frame, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	for (unsigned i = 0; i < TAGS_MAX && p->tags[i] != 0; i++) {
		at = put16(frame, at, i == 0 && p->tag_type != 0 ? p->tag_type : 0x8100);
		at = put16(frame, at, p->tags[i]);
	}
	at = put16(frame, at, type);
	at = put_ip(frame, at, p, v6);
	at = put16(frame, at, p->from_port);
	at = put16(frame, at, p->to_port);
	at = put16(frame, at, 8 + PAYLOAD_BYTES);
	at += 2 + PAYLOAD_BYTES;
	return p->cut_to != 0 ? p->cut_to : at;
}

/* ---- what Portico would have written ---- */

static struct xdp_steer_address address_of(const char *text)
{
	uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
	struct xdp_steer_address out;

	if (strchr(text, ':') != NULL)
		inet_pton(AF_INET6, text, bytes);
	else
		inet_pton(AF_INET, text, bytes + 12);
	memcpy(&out, bytes, sizeof(out));
	return out;
}

static void add_port(uint8_t ports[XDP_STEER_PORT_BYTES], unsigned port)
{
	ports[port / 8] = (uint8_t)(ports[port / 8] | 1u << port % 8);
}

static void listen_on(const char *address, uint16_t port)
{
	steer.listen[steer.listen_count].address = address_of(address);
	steer.listen[steer.listen_count++].port = port;
}

static void send_from(const char *address, const char *mask)
{
	struct xdp_steer_outgoing *row = &steer.outgoing[steer.outgoing_count++];
	static const uint16_t ports[] = {1024, 1031, 1032, 49999, 65535};

	row->address = address_of(address);
	row->mask = address_of(mask);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		add_port(row->ports, ports[i]);
}

static void fill_steer(void)
{
	const char *ones = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

	listen_on(LISTEN_V4, 53);
	listen_on(LISTEN_V4, 5300);
	listen_on(LISTEN_V6, 53);
	while (steer.listen_count < XDP_STEER_LISTEN_MAX - 1)
		listen_on("198.18.0.200", (uint16_t)(1000 + steer.listen_count));
	listen_on("198.18.0.99", 99);
	send_from(OUT_V4, ones);
	send_from(OUT_V6, ones);
	send_from("2001:2:0:9::", "ffff:ffff:ffff:ffff::");
	while (steer.outgoing_count < XDP_STEER_OUTGOING_MAX - 1)
		send_from("198.18.0.201", ones);
	send_from("198.18.0.98", ones);
	add_port(steer.outgoing[XDP_STEER_OUTGOING_MAX - 1].ports, 98);
	add_port(steer.asked_ports, 53);
	add_port(steer.asked_ports, 5353);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the kernel ---- */

struct programs {
	int xdp_fd, tc_fd, steer_fd, peers_fd, count_fd, sockets_fd;
};

static void die(const char *what)
{
	printf("FAIL %s: %s\n", what, strerror(errno));
	exit(1);
}

static int fd_of_map(const struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		die(name);
	return fd;
}

static void load(const char *file, struct programs *out)
{
	struct bpf_object *object = bpf_object__open(file);
	struct bpf_program *tc;

	if (object == NULL)
		die(file);
	tc = bpf_object__find_program_by_name(object, XDP_STEER_DROP_PROGRAM);
	bpf_program__set_autoload(tc, true);
	if (bpf_object__load(object) != 0)
		die("the verifier");
	out->xdp_fd = bpf_program__fd(bpf_object__find_program_by_name(object, XDP_STEER_PROGRAM));
	out->tc_fd = bpf_program__fd(tc);
	out->steer_fd = fd_of_map(object, XDP_STEER_MAP);
	out->peers_fd = fd_of_map(object, XDP_STEER_PEERS);
	out->count_fd = fd_of_map(object, XDP_STEER_COUNTERS);
	out->sockets_fd = fd_of_map(object, XDP_STEER_SOCKETS);
}

/* An AF_XDP socket that has a ring to receive on is enough for the map. */
static int make_socket(void)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	int entries = 64;

	if (fd < 0 || setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)) != 0)
		die("an AF_XDP socket");
	return fd;
}

static void read_counters(const struct programs *p, uint64_t out[XDP_STEER_COUNTER_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));

	for (uint32_t key = 0; key < XDP_STEER_COUNTER_COUNT; key++) {
		out[key] = 0;
		if (bpf_map_lookup_elem(p->count_fd, &key, values) != 0)
			die("reading a counter");
		for (int i = 0; i < cpus; i++)
			out[key] += values[i];
	}
	free(values);
}

static void write_steer(const struct programs *p, const struct packet *packet, uint64_t alive_ns)
{
	uint32_t key = 0;

	steer.vlan = packet->vlan != 0 ? packet->vlan : XDP_STEER_NO_VLAN;
	steer.only_peers = packet->any_peer ? 0 : 1;
	steer.alive_ns = alive_ns;
	if (bpf_map_update_elem(p->steer_fd, &key, &steer, 0) != 0)
		die("writing what steers");
}

static void add_peer(const struct programs *p, const char *address, uint16_t port)
{
	const struct xdp_steer_peer key = {.address = address_of(address), .port = port};
	const uint32_t value = 1;

	if (bpf_map_update_elem(p->peers_fd, &key, &value, BPF_NOEXIST) != 0)
		die("writing a peer");
}

/* As many as there is place for. */
static void fill_peers(const struct programs *p)
{
	unsigned count = 4;

	add_peer(p, SERVER_V4, 53);
	add_peer(p, SERVER_V4, 5353);
	add_peer(p, SERVER_V6, 53);
	add_peer(p, SERVER_V6, 5353);
	for (; count < XDP_STEER_PEERS_MAX; count++) {
		unsigned n = count - 3 + 256;
		char address[16];

		snprintf(address, sizeof(address), "198.18.%u.%u", n / 256, n % 256);
		add_peer(p, address, 53);
	}
}

static void say(bool good, const char *program, const char *says)
{
	printf("%s %s: %s\n", good ? "ok  " : "FAIL", program, says);
	failures += !good;
}

/* Newer kernels run tc programs on no packet whose IP header is not whole. */
#define NOT_RUN INT_MIN

/* Returns the verdict; *counted: which counter rose by one, or COUNT: none. */
static int run(const struct programs *p, int fd, const struct packet *packet,
	       enum xdp_steer_counter *counted)
{
	uint8_t frame[FRAME_BYTES_MAX];
	uint64_t before[XDP_STEER_COUNTER_COUNT], after[XDP_STEER_COUNTER_COUNT];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .repeat = 1);

	options.data_size_in = (uint32_t)build(packet, frame);
	read_counters(p, before);
	if (bpf_prog_test_run_opts(fd, &options) != 0) {
		if (packet->cut_to != 0 && errno == EINVAL)
			return NOT_RUN;
		die(packet->says);
	}
	read_counters(p, after);
	*counted = XDP_STEER_COUNTER_COUNT;
	for (unsigned i = 0; i < XDP_STEER_COUNTER_COUNT; i++) {
		if (after[i] == before[i] + 1)
			*counted = (enum xdp_steer_counter)i;
	}
	return (int)options.retval;
}

static void run_all(const struct programs *p, int fd, const char *name, int ours, int kernels)
{
	for (size_t i = 0; i < PACKET_COUNT; i++) {
		const struct packet *packet = &packets[i];
		enum xdp_steer_counter counted;
		int verdict;

		write_steer(p, packet, now_ns());
		verdict = run(p, fd, packet, &counted);
		if (verdict == NOT_RUN) {
			printf("skip %s: %s: not run by this kernel\n", name, packet->says);
			continue;
		}
		say(verdict == (packet->want == K ? kernels : ours) && counted == packet->want,
		    name, packet->says);
	}
}

int main(int argc, char **argv)
{
	const struct packet *question = &packets[0];
	struct programs p;
	enum xdp_steer_counter counted;
	uint32_t queue = 0;
	int socket_fd;

	if (argc != 2) {
		fputs("usage: xdp_steer_run OBJECT\n", stderr);
		return 2;
	}
	load(argv[1], &p);
	say(true, "both", "the verifier takes them");
	say(run(&p, p.xdp_fd, question, &counted) == XDP_PASS && counted == K, "portico_steer",
	    "nothing is ours before Portico has written what is");
	fill_steer();
	fill_peers(&p);
	write_steer(&p, question, 0);
	say(run(&p, p.xdp_fd, question, &counted) == XDP_PASS && counted == Q, "portico_steer",
	    "the kernel has ours where no socket is");
	socket_fd = make_socket();
	if (bpf_map_update_elem(p.sockets_fd, &queue, &socket_fd, 0) != 0)
		die("the map of sockets");
	run_all(&p, p.xdp_fd, "portico_steer", XDP_REDIRECT, XDP_PASS);
	run_all(&p, p.tc_fd, "portico_drop", TC_ACT_SHOT, TC_ACT_UNSPEC);
	write_steer(&p, question, now_ns() - XDP_STEER_ALIVE_NS * 95 / 100);
	say(run(&p, p.tc_fd, question, &counted) == TC_ACT_SHOT, "portico_drop",
	    "drops a while after the last sign of life");
	write_steer(&p, question, now_ns() - XDP_STEER_ALIVE_NS);
	say(run(&p, p.tc_fd, question, &counted) == TC_ACT_UNSPEC, "portico_drop",
	    "drops nothing two seconds after it");
	close(socket_fd);
	say(run(&p, p.xdp_fd, question, &counted) == XDP_PASS, "portico_steer",
	    "the kernel has ours when the socket is closed");
	return failures == 0 ? 0 : 1;
}
