#include "bench/load/link.h"

#include <string.h>

#include "core/dns_const.h"
#include "core/wire_cursor.h"

#define ETHERNET_BYTES 14
#define TYPE_OFFSET 12
#define TYPE_IPV4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_IPV6 0x86dd
#define IPV4_PLAIN_HEADER 0x45 /* version 4, no options */
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_LENGTH (ETHERNET_BYTES + 2)
#define IPV4_FRAGMENT (ETHERNET_BYTES + 6)
#define IPV4_PROTOCOL (ETHERNET_BYTES + 9)
#define IPV4_SRC (ETHERNET_BYTES + 12)
#define IPV4_DST (ETHERNET_BYTES + 16)
#define ARP_TARGET (ETHERNET_BYTES + 24)
#define ARP_BYTES (ETHERNET_BYTES + 28)
#define IPV4_BYTES (ETHERNET_BYTES + 20)
#define IPV6_BYTES (ETHERNET_BYTES + 40)
#define IPV6_LENGTH (ETHERNET_BYTES + 4)
#define IPV6_NEXT (ETHERNET_BYTES + 6)
#define IPV6_SRC (ETHERNET_BYTES + 8)
#define IPV6_DST (ETHERNET_BYTES + 24)
#define ND_TARGET (IPV6_BYTES + 8)
#define ND_BYTES (IPV6_BYTES + 24)
#define NEXT_UDP 17
#define NEXT_ICMPV6 58
#define UDP_BYTES 8
#define ICMPV6_SOLICIT 135

/* 198.18.0.0/15 and 2001:2::/48 (RFC 2544, RFC 5180). */
#define BITS_V4 (96 + 15)
#define BITS_V6 48
static const uint8_t clients_v4[4] = {198, 19, 0, 1};
static const uint8_t clients_v6[ADDRESS_BYTES] = {0x20, 0x01, 0, 2, 0, 0, 0, 2};

void link_init(struct link *l, const struct options *options, const struct mac *mac)
{
	*l = (struct link){
		.options = options,
		.mac = *mac,
		.interface = {.mac = *mac, .vlan = FRAME_VLAN_NONE, .mtu_bytes = LINK_MTU_BYTES},
	};
	l->interface.link_local = frame_link_local(mac);
	l->interface.address_count = 1;
	if (options->mode == OPTIONS_MODE_ECHO) {
		/* Nobody there has an address; any MAC but ours will do. */
		const struct mac other = {{2, 0, 0, 0, 0, 0x53}};

		for (unsigned v = 0; v < OPTIONS_VERSIONS; v++) {
			l->target_macs[v] = other;
			l->target_known[v] = true;
		}
	}
}

struct address link_client(const struct link *l, uint32_t idx, enum options_version version)
{
	struct address a;
	uint8_t v4[4];

	(void)l;
	if (version == OPTIONS_V6) {
		memcpy(a.bytes, clients_v6, sizeof(a.bytes));
		wire_put_u32(a.bytes + ADDRESS_V4_OFFSET, idx + 1);
		return a;
	}
	wire_put_u32(v4, wire_get_u32(clients_v4) + idx);
	return address_from_v4(v4);
}

static bool is_client(const struct link *l, const struct address *a, uint32_t *idx)
{
	uint32_t last = wire_get_u32(a->bytes + ADDRESS_V4_OFFSET);

	if (address_is_v4(a))
		*idx = last - wire_get_u32(clients_v4);
	else if (memcmp(a->bytes, clients_v6, ADDRESS_V4_OFFSET) == 0)
		*idx = last - 1;
	else
		return false;
	return *idx < l->options->client_count;
}

enum link_owner link_owner(const struct link *l, const struct address *a, uint32_t *idx)
{
	if (is_client(l, a, idx))
		return LINK_CLIENT;
	for (uint32_t i = 0; i < options_all_servers(l->options); i++) {
		if (address_equal(a, &l->options->servers[i])) {
			*idx = i;
			return LINK_SERVER;
		}
	}
	for (unsigned i = 0; i < ARRAY_COUNT(l->options->gateways); i++) {
		if (address_equal(a, &l->options->gateways[i]))
			return LINK_GATEWAY;
	}
	return LINK_NOBODY;
}

/* Where the frame would name an address of ours. core compares it with a list of addresses, which cannot be as long as
 * ours: it is told the one, if it is ours. False: it names none. */
static bool named_address(struct span frame, struct address *out)
{
	const uint8_t *at = frame.data;
	bool solicit;

	if (frame.length_bytes < IPV4_BYTES)
		return false;
	switch (wire_get_u16(at + TYPE_OFFSET)) {
	case TYPE_IPV4:
		*out = address_from_v4(at + IPV4_DST);
		return true;
	case TYPE_ARP:
		if (frame.length_bytes < ARP_BYTES)
			return false;
		*out = address_from_v4(at + ARP_TARGET);
		return true;
	case TYPE_IPV6:
		if (frame.length_bytes <= IPV6_BYTES)
			return false;
		solicit = at[IPV6_NEXT] == NEXT_ICMPV6 && at[IPV6_BYTES] == ICMPV6_SOLICIT;
		if (solicit && frame.length_bytes < ND_BYTES)
			return false;
		memcpy(out->bytes, at + (solicit ? ND_TARGET : IPV6_DST), sizeof(out->bytes));
		return true;
	default:
		return false;
	}
}

static bool parse_plain_v4(const struct link *l, struct span frame, struct link_plain *out)
{
	const uint8_t *at = frame.data;
	const struct address *target = &l->options->targets[OPTIONS_V4];
	size_t ip_bytes = wire_get_u16(at + IPV4_LENGTH);

	if (at[ETHERNET_BYTES] != IPV4_PLAIN_HEADER ||
	    (wire_get_u16(at + IPV4_FRAGMENT) & ~IPV4_DONT_FRAGMENT) != 0 ||
	    at[IPV4_PROTOCOL] != NEXT_UDP ||
	    memcmp(at + IPV4_SRC, target->bytes + ADDRESS_V4_OFFSET, 4) != 0)
		return false;
	out->client_idx = wire_get_u32(at + IPV4_DST) - wire_get_u32(clients_v4);
	out->version = OPTIONS_V4;
	out->payload = (struct span){at + IPV4_BYTES + UDP_BYTES,
				     wire_get_u16(at + IPV4_BYTES + 4) - (size_t)UDP_BYTES};
	out->dst_port = wire_get_u16(at + IPV4_BYTES + 2);
	return ETHERNET_BYTES + ip_bytes <= frame.length_bytes &&
	       ip_bytes == IPV4_BYTES - ETHERNET_BYTES + UDP_BYTES + out->payload.length_bytes &&
	       wire_get_u16(at + IPV4_BYTES) == DNS_PORT;
}

static bool parse_plain_v6(const struct link *l, struct span frame, struct link_plain *out)
{
	const uint8_t *at = frame.data;
	const struct address *target = &l->options->targets[OPTIONS_V6];
	size_t udp_bytes = wire_get_u16(at + IPV6_LENGTH);

	if (frame.length_bytes < IPV6_BYTES + UDP_BYTES || at[IPV6_NEXT] != NEXT_UDP ||
	    memcmp(at + IPV6_SRC, target->bytes, ADDRESS_BYTES) != 0 ||
	    memcmp(at + IPV6_DST, clients_v6, ADDRESS_V4_OFFSET) != 0)
		return false;
	out->client_idx = wire_get_u32(at + IPV6_DST + ADDRESS_V4_OFFSET) - 1;
	out->version = OPTIONS_V6;
	out->payload = (struct span){at + IPV6_BYTES + UDP_BYTES, udp_bytes - (size_t)UDP_BYTES};
	out->dst_port = wire_get_u16(at + IPV6_BYTES + 2);
	return udp_bytes >= UDP_BYTES && IPV6_BYTES + udp_bytes <= frame.length_bytes &&
	       wire_get_u16(at + IPV6_BYTES + 4) == udp_bytes &&
	       wire_get_u16(at + IPV6_BYTES) == DNS_PORT;
}

bool link_parse_plain(const struct link *l, struct span frame, struct link_plain *out)
{
	bool good;

	if (frame.length_bytes < IPV4_BYTES + UDP_BYTES)
		return false;
	switch (wire_get_u16(frame.data + TYPE_OFFSET)) {
	case TYPE_IPV4:
		good = parse_plain_v4(l, frame, out);
		break;
	case TYPE_IPV6:
		good = parse_plain_v6(l, frame, out);
		break;
	default:
		return false;
	}
	return good && out->client_idx < l->options->client_count;
}

enum frame_result link_parse(struct link *l, struct span frame, struct frame_view *out)
{
	struct prefix *own = &l->interface.addresses[0];
	uint32_t idx;

	if (!named_address(frame, &own->address) ||
	    link_owner(l, &own->address, &idx) == LINK_NOBODY)
		own->address = (struct address){{0}};
	own->bits = address_is_v4(&own->address) ? BITS_V4 : BITS_V6;
	return frame_parse(&l->interface, frame, FRAME_VLAN_NONE, out);
}

unsigned link_answer(struct link *l, struct buffer frame, const struct frame_view *view)
{
	return frame_build_answer(&l->interface, frame, view);
}

void link_learn(struct link *l, const struct frame_view *view)
{
	for (unsigned i = 0; i < ARRAY_COUNT(l->target_macs); i++) {
		if (address_equal(&view->target, &l->options->targets[i])) {
			l->target_macs[i] = view->target_mac;
			l->target_known[i] = true;
		}
	}
}

static bool is_asked(const struct link *l, enum options_version version)
{
	enum options_family family = l->options->family;

	return family == OPTIONS_FAMILY_MIXED ||
	       (family == OPTIONS_FAMILY_6) == (version == OPTIONS_V6);
}

unsigned link_solicit(struct link *l, struct buffer frame, enum options_version version)
{
	const struct address *gateway = &l->options->gateways[version];

	if (l->target_known[version] || !is_asked(l, version))
		return 0;
	l->interface.addresses[0] =
		(struct prefix){*gateway, version == OPTIONS_V6 ? BITS_V6 : BITS_V4};
	return frame_build_solicit(&l->interface, frame, gateway, &l->options->targets[version],
				   NULL);
}

bool link_is_ready(const struct link *l)
{
	return (l->target_known[OPTIONS_V4] || !is_asked(l, OPTIONS_V4)) &&
	       (l->target_known[OPTIONS_V6] || !is_asked(l, OPTIONS_V6));
}
