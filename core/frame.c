#include "frame.h"

#include <assert.h>

#include "frame_wire.h"
#include "limits.h"
#include "wire_cursor.h"

const char *const frame_result_text[FRAME_RESULT_COUNT] = {
	[FRAME_OK] = "ok",
	[FRAME_SHORT] = "short",
	[FRAME_L2_DST] = "l2_dst",
	[FRAME_L2_SRC] = "l2_src",
	[FRAME_VLAN] = "vlan",
	[FRAME_ETHERTYPE] = "ethertype",
	[FRAME_IP_HEADER] = "ip_header",
	[FRAME_IP_CHECKSUM] = "ip_csum",
	[FRAME_IP_OPTIONS] = "ip_options",
	[FRAME_IP_FRAGMENT] = "frag",
	[FRAME_IP_EXTENSION] = "ip_extension",
	[FRAME_IP_MARTIAN_SRC] = "martian_src",
	[FRAME_IP_DST] = "ip_dst",
	[FRAME_IP_PROTOCOL] = "ip_protocol",
	[FRAME_UDP_LENGTH] = "udp_length",
	[FRAME_UDP_CHECKSUM] = "udp_csum",
	[FRAME_UDP_PORT] = "udp_src_port",
	[FRAME_ARP] = "arp",
	[FRAME_ND] = "nd",
	[FRAME_ICMP_CHECKSUM] = "icmp_csum",
	[FRAME_ICMP_TYPE] = "icmp_type",
};
static_assert(FRAME_ICMP_TYPE + 1 == FRAME_RESULT_COUNT, "the last result has its text");
static_assert(ARRAY_COUNT(((struct frame_interface *)0)->addresses) == INTERFACE_ADDRESSES_MAX,
	      "an interface of the configuration fits the parser's");

enum destination {
	DESTINATION_OURS,
	DESTINATION_BROADCAST, /* of Ethernet: for ARP only */
	DESTINATION_GROUP,     /* all nodes, or a solicited-node group of ours: for ND */
	DESTINATION_FOREIGN,
};

/* A frame with its Ethernet header taken off. */
struct packet {
	const struct frame_interface *interface;
	const uint8_t *at;
	size_t left_bytes;
	enum destination l2_destination;
	uint8_t pcp;
	struct mac src_mac;
};

/* What the IPv6 header says, for the layer above. */
struct ipv6_header {
	struct address src;
	struct address dst;
	const uint8_t *payload;
	size_t payload_bytes;
	uint8_t next;
	uint8_t hop_limit;
	bool src_unspecified;
	enum destination destination;
};

/* How the two ends of an IPv4 or ARP packet relate to an interface. */
struct ipv4_ends {
	uint32_t src;
	uint32_t dst;
	bool src_own;
	bool src_broadcast; /* of a subnet of ours */
	bool src_on_link;
	bool dst_own;
};

/* What an IPv6 source address is. */
enum ipv6_source {
	IPV6_SOURCE_UNICAST,
	IPV6_SOURCE_UNSPECIFIED,
	IPV6_SOURCE_LINK_LOCAL,
	IPV6_SOURCE_MARTIAN,
};

static bool mac_is_group(const struct mac *mac)
{
	return (mac->bytes[0] & FRAME_WIRE_MAC_GROUP) != 0;
}

/* May a host have this MAC, and is it somebody else? */
static bool mac_is_foreign_unicast(const struct frame_interface *interface, const struct mac *mac)
{
	static const struct mac zero;

	return !mac_is_group(mac) && !mac_equal(mac, &zero) && !mac_equal(mac, &interface->mac);
}

static struct address address_at(const uint8_t *at)
{
	struct address a;

	memcpy(a.bytes, at, ADDRESS_BYTES);
	return a;
}

static struct mac mac_at(const uint8_t *at)
{
	struct mac mac;

	memcpy(mac.bytes, at, FRAME_WIRE_MAC_BYTES);
	return mac;
}

/* ---- Ethernet ---- */

/* May the group MAC be that of the solicited-node group of an address in a source prefix? Longer prefixes fix some of
 * the 24 bits. */
static bool group_mac_is_of_prefix(const struct frame_interface *interface, const struct mac *mac)
{
	for (unsigned i = 0; i < interface->source_prefix_count; i++) {
		const struct prefix *prefix = &interface->source_prefixes[i];
		struct address target = prefix->address;
		struct address group;
		struct mac wanted;

		memcpy(target.bytes + ADDRESS_BYTES - FRAME_WIRE_GROUP_ID_BYTES,
		       mac->bytes + FRAME_WIRE_MAC_BYTES - FRAME_WIRE_GROUP_ID_BYTES,
		       FRAME_WIRE_GROUP_ID_BYTES);
		group = frame_wire_solicited_group(&target);
		wanted = frame_wire_multicast_mac(&group);
		if (mac_equal(mac, &wanted) && prefix_contains(prefix, &target))
			return true;
	}
	return false;
}

/* Is the group MAC that of the solicited-node group of one of our addresses, or of one in a source prefix, or of all
 * nodes? */
static bool group_mac_is_ours(const struct frame_interface *interface, const struct mac *mac)
{
	struct mac group = frame_wire_multicast_mac(&frame_wire_all_nodes);
	struct address solicited = frame_wire_solicited_group(&interface->link_local);

	if (mac_equal(mac, &group))
		return true;
	group = frame_wire_multicast_mac(&solicited);
	if (mac_equal(mac, &group))
		return true;
	for (unsigned i = 0; i < interface->address_count; i++) {
		const struct address *own = &interface->addresses[i].address;

		if (address_is_v4(own))
			continue;
		solicited = frame_wire_solicited_group(own);
		group = frame_wire_multicast_mac(&solicited);
		if (mac_equal(mac, &group))
			return true;
	}
	return group_mac_is_of_prefix(interface, mac);
}

static enum destination mac_destination(const struct frame_interface *interface,
					const struct mac *mac)
{
	if (LIKELY(mac_equal(mac, &interface->mac)))
		return DESTINATION_OURS;
	if (mac_equal(mac, &frame_wire_broadcast))
		return DESTINATION_BROADCAST;
	if (mac_is_group(mac) && group_mac_is_ours(interface, mac))
		return DESTINATION_GROUP;
	return DESTINATION_FOREIGN;
}

static bool type_is_tag(uint16_t ethertype)
{
	return ethertype == FRAME_WIRE_TYPE_VLAN || ethertype == FRAME_WIRE_TYPE_SERVICE_VLAN ||
	       ethertype == FRAME_WIRE_TYPE_OLD_QINQ;
}

/* Takes the tag off, wherever it is. *ethertype is that of the first tag on entry, and what the
 * frame carries on FRAME_OK. */
static enum frame_result parse_vlan(struct packet *p, uint16_t stripped_vlan, uint16_t *ethertype)
{
	uint16_t wanted = p->interface->vlan;
	uint16_t tci = stripped_vlan;

	if (stripped_vlan == FRAME_VLAN_NONE && *ethertype == FRAME_WIRE_TYPE_VLAN) {
		if (p->left_bytes < FRAME_WIRE_VLAN_BYTES)
			return FRAME_SHORT;
		tci = wire_get_u16(p->at);
		*ethertype = wire_get_u16(p->at + 2);
		p->at += FRAME_WIRE_VLAN_BYTES;
		p->left_bytes -= FRAME_WIRE_VLAN_BYTES;
	} else if (stripped_vlan == FRAME_VLAN_NONE) {
		return wanted == FRAME_VLAN_NONE && !type_is_tag(*ethertype) ? FRAME_OK
									     : FRAME_VLAN;
	}
	/* An interface without a VLAN wants FRAME_VLAN_NONE, which no tag equals, VID 0 neither. */
	if ((tci & FRAME_WIRE_VID_MASK) != wanted || type_is_tag(*ethertype))
		return FRAME_VLAN;
	p->pcp = (uint8_t)(tci >> FRAME_WIRE_PCP_SHIFT);
	return FRAME_OK;
}

static enum frame_result parse_ethernet(struct packet *p, struct span frame, uint16_t stripped_vlan,
					uint16_t *ethertype)
{
	struct mac dst;

	if (frame.length_bytes < FRAME_WIRE_ETHERNET_BYTES)
		return FRAME_SHORT;
	dst = mac_at(frame.data);
	p->src_mac = mac_at(frame.data + FRAME_WIRE_ETHERNET_SRC);
	p->at = frame.data + FRAME_WIRE_ETHERNET_BYTES;
	p->left_bytes = frame.length_bytes - FRAME_WIRE_ETHERNET_BYTES;
	p->pcp = 0;
	p->l2_destination = mac_destination(p->interface, &dst);
	if (p->l2_destination == DESTINATION_FOREIGN)
		return FRAME_L2_DST;
	if (!mac_is_foreign_unicast(p->interface, &p->src_mac))
		return FRAME_L2_SRC;
	*ethertype = wire_get_u16(frame.data + FRAME_WIRE_ETHERNET_TYPE);
	if (LIKELY(stripped_vlan == FRAME_VLAN_NONE && p->interface->vlan == FRAME_VLAN_NONE &&
		   !type_is_tag(*ethertype)))
		return FRAME_OK;
	return parse_vlan(p, stripped_vlan, ethertype);
}

/* ---- UDP and ICMP ---- */

/* What an IPv4 datagram may do and an IPv6 one may not: come without a checksum (RFC 768, RFC 8200
 * section 8.1). */
enum udp_zero_checksum { UDP_ZERO_CHECKSUM_ALLOWED, UDP_ZERO_CHECKSUM_WRONG };

/* Writes all of *out but the addresses, which are the caller's.
 *   addresses_sum  of both, for the pseudo-header */
static enum frame_result parse_udp(const struct packet *p, struct span udp, uint64_t addresses_sum,
				   enum udp_zero_checksum zero_checksum, struct frame_view *out)
{
	uint64_t sum;
	uint16_t src_port;

	if (udp.length_bytes < FRAME_WIRE_UDP_BYTES ||
	    wire_get_u16(udp.data + FRAME_WIRE_UDP_LENGTH) != udp.length_bytes)
		return FRAME_UDP_LENGTH;
	if (UNLIKELY(wire_get_u16(udp.data + FRAME_WIRE_UDP_CHECKSUM) == 0)) {
		if (zero_checksum == UDP_ZERO_CHECKSUM_WRONG)
			return FRAME_UDP_CHECKSUM;
	} else {
		sum = frame_wire_add(addresses_sum,
				     frame_wire_pseudo(FRAME_WIRE_UDP, udp.length_bytes));
		if (frame_wire_fold(frame_wire_sum(sum, udp.data, udp.length_bytes)) != UINT16_MAX)
			return FRAME_UDP_CHECKSUM;
	}
	src_port = wire_get_u16(udp.data);
	if (src_port == 0)
		return FRAME_UDP_PORT;
	*out = (struct frame_view){
		.kind = FRAME_UDP,
		.src_mac = p->src_mac,
		.src_port = src_port,
		.dst_port = wire_get_u16(udp.data + FRAME_WIRE_UDP_DST),
		.payload = {udp.data + FRAME_WIRE_UDP_BYTES,
			    udp.length_bytes - FRAME_WIRE_UDP_BYTES},
		.vlan_pcp = p->pcp,
	};
	return FRAME_OK;
}

/* The request's type has been looked at; message has at least an ICMP header, and a right
 * checksum. Writes all of *out but the addresses, which are the caller's. */
static enum frame_result parse_echo(const struct packet *p, struct span message,
				    struct frame_view *out)
{
	if (message.data[FRAME_WIRE_ICMP_CODE] != 0 ||
	    message.length_bytes > FRAME_WIRE_ICMP_BYTES + FRAME_WIRE_ECHO_DATA_BYTES_MAX)
		return FRAME_ICMP_TYPE;
	*out = (struct frame_view){
		.kind = FRAME_ECHO_REQUEST,
		.src_mac = p->src_mac,
		.payload = message,
		.vlan_pcp = p->pcp,
	};
	return FRAME_OK;
}

/* ---- IPv4 and ARP ---- */

static struct ipv4_ends ipv4_ends(const struct frame_interface *interface, uint32_t src,
				  uint32_t dst)
{
	struct ipv4_ends ends = {.src = src, .dst = dst};

	for (unsigned i = 0; i < interface->address_count; i++) {
		const struct prefix *own = &interface->addresses[i];
		uint32_t own_address, host_mask;

		if (!address_is_v4(&own->address) || own->bits < ADDRESS_V4_OFFSET * 8)
			continue;
		own_address = wire_get_u32(own->address.bytes + ADDRESS_V4_OFFSET);
		host_mask = (uint32_t)(UINT64_C(0xffffffff) >> (own->bits - ADDRESS_V4_OFFSET * 8));
		ends.src_own |= src == own_address;
		ends.dst_own |= dst == own_address;
		ends.src_on_link |= (src & ~host_mask) == (own_address & ~host_mask);
		/* A /31 or /32 has no broadcast address (RFC 3021). */
		ends.src_broadcast |= host_mask > 1 && src == (own_address | host_mask);
	}
	return ends;
}

/* May nobody send from that source? RFC 1122 section 3.2.1.3, RFC 6890. */
static bool ipv4_is_martian(const struct ipv4_ends *ends)
{
	uint32_t first = ends->src >> 24;

	/* 224/4 and 240/4 with 255.255.255.255 are all that begins with 224 or more. */
	if (ends->src_own || ends->src_broadcast || first == 0 || first == 127 || first >= 224)
		return true;
	/* 169.254/16 has no routers (RFC 3927): it may speak where we have such an address. */
	return ends->src >> 16 == 0xa9fe && !ends->src_on_link;
}

static enum frame_result parse_icmp(const struct packet *p, struct span message,
				    struct frame_view *out)
{
	if (message.length_bytes < FRAME_WIRE_ICMP_BYTES)
		return FRAME_SHORT;
	if (message.data[0] != FRAME_WIRE_ICMP_ECHO)
		return FRAME_ICMP_TYPE;
	if (frame_wire_fold(frame_wire_sum(0, message.data, message.length_bytes)) != UINT16_MAX)
		return FRAME_ICMP_CHECKSUM;
	return parse_echo(p, message, out);
}

/* The header alone: everything that does not depend on whom it is from or to. */
static enum frame_result parse_ipv4_header(const struct packet *p, size_t *total_bytes)
{
	const uint8_t *ip = p->at;

	if (p->left_bytes < FRAME_WIRE_IPV4_BYTES)
		return FRAME_SHORT;
	if (UNLIKELY(ip[0] != FRAME_WIRE_IPV4_VERSION_IHL))
		return ip[0] >> 4 == FRAME_WIRE_IPV4_VERSION_IHL >> 4 &&
				       ip[0] > FRAME_WIRE_IPV4_VERSION_IHL
			       ? FRAME_IP_OPTIONS
			       : FRAME_IP_HEADER;
	*total_bytes = wire_get_u16(ip + FRAME_WIRE_IPV4_LENGTH);
	if (*total_bytes < FRAME_WIRE_IPV4_BYTES || *total_bytes > FRAME_WIRE_IP_BYTES_MAX)
		return FRAME_IP_HEADER;
	if (*total_bytes > p->left_bytes)
		return FRAME_SHORT;
	if (frame_wire_fold(frame_wire_sum(0, ip, FRAME_WIRE_IPV4_BYTES)) != UINT16_MAX)
		return FRAME_IP_CHECKSUM;
	if (wire_get_u16(ip + FRAME_WIRE_IPV4_FRAGMENT) & FRAME_WIRE_IPV4_MF_OFFSET)
		return FRAME_IP_FRAGMENT;
	return FRAME_OK;
}

static enum frame_result parse_ipv4(const struct packet *p, struct frame_view *out)
{
	const uint8_t *ip = p->at;
	size_t total_bytes;
	enum frame_result result;
	struct ipv4_ends ends;
	struct span payload;

	if (p->l2_destination != DESTINATION_OURS)
		return FRAME_L2_DST;
	result = parse_ipv4_header(p, &total_bytes);
	if (result != FRAME_OK)
		return result;
	ends = ipv4_ends(p->interface, wire_get_u32(ip + FRAME_WIRE_IPV4_SRC),
			 wire_get_u32(ip + FRAME_WIRE_IPV4_DST));
	if (ipv4_is_martian(&ends))
		return FRAME_IP_MARTIAN_SRC;
	if (!ends.dst_own)
		return FRAME_IP_DST;
	payload = (struct span){ip + FRAME_WIRE_IPV4_BYTES, total_bytes - FRAME_WIRE_IPV4_BYTES};
	if (LIKELY(ip[FRAME_WIRE_IPV4_PROTOCOL] == FRAME_WIRE_UDP)) {
		uint64_t sum = frame_wire_sum(0, ip + FRAME_WIRE_IPV4_SRC,
					      2 * FRAME_WIRE_IPV4_ADDRESS_BYTES);

		result = parse_udp(p, payload, sum, UDP_ZERO_CHECKSUM_ALLOWED, out);
	} else if (ip[FRAME_WIRE_IPV4_PROTOCOL] == FRAME_WIRE_ICMP) {
		result = parse_icmp(p, payload, out);
	} else {
		return FRAME_IP_PROTOCOL;
	}
	if (result == FRAME_OK) {
		out->src = address_from_v4(ip + FRAME_WIRE_IPV4_SRC);
		out->dst = address_from_v4(ip + FRAME_WIRE_IPV4_DST);
	}
	return result;
}

static enum frame_result parse_arp(const struct packet *p, struct frame_view *out)
{
	/* Ethernet, IPv4, and their address lengths. */
	static const uint8_t kinds[FRAME_WIRE_ARP_OPERATION] = {0, 1, 8, 0, 6, 4};
	const uint8_t *arp = p->at;
	struct frame_view view = {.src_mac = p->src_mac, .vlan_pcp = p->pcp};
	struct ipv4_ends ends;
	uint16_t operation;

	if (p->l2_destination == DESTINATION_GROUP)
		return FRAME_L2_DST;
	if (p->left_bytes < FRAME_WIRE_ARP_BYTES)
		return FRAME_SHORT;
	operation = wire_get_u16(arp + FRAME_WIRE_ARP_OPERATION);
	view.src = address_from_v4(arp + FRAME_WIRE_ARP_SENDER);
	view.dst = address_from_v4(arp + FRAME_WIRE_ARP_TARGET);
	view.target = view.src;
	view.target_mac = mac_at(arp + FRAME_WIRE_ARP_SENDER_MAC);
	view.target_mac_present = true;
	if (memcmp(arp, kinds, sizeof(kinds)) != 0 ||
	    (operation != FRAME_WIRE_ARP_REQUEST && operation != FRAME_WIRE_ARP_REPLY) ||
	    !mac_is_foreign_unicast(p->interface, &view.target_mac))
		return FRAME_ARP;
	ends = ipv4_ends(p->interface, wire_get_u32(arp + FRAME_WIRE_ARP_SENDER),
			 wire_get_u32(arp + FRAME_WIRE_ARP_TARGET));
	if (ends.src == 0) { /* a probe (RFC 5227 section 2.1.1): nobody speaks as 0.0.0.0 yet */
		if (operation != FRAME_WIRE_ARP_REQUEST || !ends.dst_own)
			return FRAME_ARP;
	} else if (!ends.src_on_link || ipv4_is_martian(&ends)) {
		return FRAME_ARP;
	}
	if (operation == FRAME_WIRE_ARP_REQUEST && ends.dst_own) {
		/* Answered to the frame's MAC, which has to be the sender's own. */
		if (!mac_equal(&view.target_mac, &p->src_mac))
			return FRAME_ARP;
		view.kind = FRAME_ARP_REQUEST;
	} else if (ends.dst_own) {
		/* Not compared with the frame's MAC: virtual routers (RFC 5798) have another. */
		view.kind = FRAME_ARP_REPLY;
		view.solicited = p->l2_destination == DESTINATION_OURS;
	} else if (ends.src == ends.dst) {
		view.kind = FRAME_NEIGHBOUR_HINT;
	} else {
		return FRAME_ARP;
	}
	*out = view;
	return FRAME_OK;
}

/* ---- IPv6 and ND ---- */

static bool ipv6_is_link_local(const struct address *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool ipv6_is_multicast(const struct address *a)
{
	return a->bytes[0] == 0xff;
}

/* IPv4-mapped or -compatible, with :: and ::1. None may stand in an IPv6 header, and a mapped one
 * would pass for one of our IPv4 addresses. */
static bool ipv6_embeds_v4(const struct address *a)
{
	static const uint8_t zero[ADDRESS_V4_OFFSET];

	return memcmp(a->bytes, zero, sizeof(zero)) == 0 || address_is_v4(a);
}

static bool ipv6_is_own(const struct frame_interface *interface, const struct address *a)
{
	if (ipv6_embeds_v4(a))
		return false;
	for (unsigned i = 0; i < interface->address_count; i++)
		if (address_equal(a, &interface->addresses[i].address))
			return true;
	return false;
}

static bool ipv6_is_own_or_link_local(const struct frame_interface *interface,
				      const struct address *a)
{
	return address_equal(a, &interface->link_local) || ipv6_is_own(interface, a);
}

/* May it be an address of ours for a while? Only the caller knows. */
static bool ipv6_is_in_source_prefix(const struct frame_interface *interface,
				     const struct address *a)
{
	for (unsigned i = 0; i < interface->source_prefix_count; i++)
		if (prefix_contains(&interface->source_prefixes[i], a))
			return !ipv6_embeds_v4(a);
	return false;
}

static enum ipv6_source ipv6_source(const struct frame_interface *interface,
				    const struct address *a)
{
	static const struct address unspecified;

	if (address_equal(a, &unspecified))
		return IPV6_SOURCE_UNSPECIFIED;
	if (ipv6_is_multicast(a) || ipv6_embeds_v4(a) || ipv6_is_own_or_link_local(interface, a))
		return IPV6_SOURCE_MARTIAN;
	return ipv6_is_link_local(a) ? IPV6_SOURCE_LINK_LOCAL : IPV6_SOURCE_UNICAST;
}

/* To whom an IPv6 packet is. Groups and our link-local address serve ICMPv6 only. */
static enum destination ipv6_destination(const struct frame_interface *interface,
					 const struct address *a)
{
	struct mac group;

	if (LIKELY(ipv6_is_own(interface, a)))
		return DESTINATION_OURS;
	if (address_equal(a, &interface->link_local) || ipv6_is_in_source_prefix(interface, a))
		return DESTINATION_OURS;
	if (address_equal(a, &frame_wire_all_nodes))
		return DESTINATION_GROUP;
	if (memcmp(a->bytes, frame_wire_solicited_node, sizeof(frame_wire_solicited_node)) != 0)
		return DESTINATION_FOREIGN;
	group = frame_wire_multicast_mac(a);
	return group_mac_is_ours(interface, &group) ? DESTINATION_GROUP : DESTINATION_FOREIGN;
}

/* Walks the options of an ND message (RFC 4861 section 4.6); each is at least 8 bytes, so there are
 * few. *mac is the first link-layer address option of the wanted kind. */
static enum frame_result parse_nd_options(const struct packet *p, struct span options,
					  uint8_t wanted, struct mac *mac, bool *present)
{
	*present = false;
	while (options.length_bytes != 0) {
		size_t option_bytes;

		if (options.length_bytes < FRAME_WIRE_ND_OPTION_UNIT_BYTES)
			return FRAME_ND;
		option_bytes = (size_t)options.data[1] * FRAME_WIRE_ND_OPTION_UNIT_BYTES;
		if (option_bytes == 0 || option_bytes > options.length_bytes)
			return FRAME_ND;
		if (options.data[0] == wanted && !*present) {
			*mac = mac_at(options.data + FRAME_WIRE_ND_OPTION_MAC);
			*present = true;
			if (option_bytes != FRAME_WIRE_ND_OPTION_UNIT_BYTES ||
			    !mac_is_foreign_unicast(p->interface, mac))
				return FRAME_ND;
		}
		options.data += option_bytes;
		options.length_bytes -= option_bytes;
	}
	return FRAME_OK;
}

/* RFC 4861 section 7.1.1. */
static enum frame_result parse_solicit(const struct packet *p, const struct ipv6_header *ip,
				       struct frame_view *view)
{
	struct address group = frame_wire_solicited_group(&view->target);
	bool to_group = ip->destination == DESTINATION_GROUP;

	if (!ipv6_is_own_or_link_local(p->interface, &view->target) &&
	    !ipv6_is_in_source_prefix(p->interface, &view->target))
		return FRAME_ND;
	/* In a source prefix: who asks for the address that it has claims one of ours, or one of nobody's concern. */
	if (address_equal(&ip->src, &view->target))
		return FRAME_ND;
	/* A group other than the target's own is no place to ask (section 4.3). */
	if (to_group && !address_equal(&ip->dst, &group))
		return FRAME_ND;
	if (ip->src_unspecified && (!to_group || view->target_mac_present))
		return FRAME_ND;
	view->kind = FRAME_ND_SOLICIT;
	view->dst = view->target;
	return FRAME_OK;
}

/* RFC 4861 section 7.1.2. */
static enum frame_result parse_advertise(const struct packet *p, const struct ipv6_header *ip,
					 struct frame_view *view)
{
	bool to_group = ip->destination == DESTINATION_GROUP;

	view->solicited = (ip->payload[FRAME_WIRE_ND_FLAGS] & FRAME_WIRE_NA_SOLICITED) != 0;
	if ((to_group && view->solicited) || ipv6_embeds_v4(&view->target) ||
	    ipv6_is_own_or_link_local(p->interface, &view->target))
		return FRAME_ND;
	if (!view->target_mac_present)
		view->target_mac = p->src_mac;
	view->kind = to_group ? FRAME_NEIGHBOUR_HINT : FRAME_ND_ADVERTISE;
	return FRAME_OK;
}

static enum frame_result parse_nd(const struct packet *p, const struct ipv6_header *ip,
				  struct frame_view *out)
{
	struct frame_view view = {.src_mac = p->src_mac, .vlan_pcp = p->pcp};
	bool solicit = ip->payload[0] == FRAME_WIRE_ND_SOLICIT;
	enum frame_result result;
	struct span options;

	if (ip->hop_limit != FRAME_WIRE_ND_HOP_LIMIT || ip->payload[FRAME_WIRE_ICMP_CODE] != 0 ||
	    ip->payload_bytes < FRAME_WIRE_ND_BYTES)
		return FRAME_ND;
	view.src = ip->src;
	view.dst = ip->dst;
	view.target = address_at(ip->payload + FRAME_WIRE_ND_TARGET);
	if (ipv6_is_multicast(&view.target))
		return FRAME_ND;
	options = (struct span){ip->payload + FRAME_WIRE_ND_BYTES,
				ip->payload_bytes - FRAME_WIRE_ND_BYTES};
	result = parse_nd_options(
		p, options, solicit ? FRAME_WIRE_ND_OPTION_SOURCE : FRAME_WIRE_ND_OPTION_TARGET,
		&view.target_mac, &view.target_mac_present);
	if (result == FRAME_OK)
		result = solicit ? parse_solicit(p, ip, &view) : parse_advertise(p, ip, &view);
	if (result == FRAME_OK)
		*out = view;
	return result;
}

static enum frame_result parse_icmpv6(const struct packet *p, const struct ipv6_header *ip,
				      uint64_t addresses_sum, struct frame_view *out)
{
	struct span message = {ip->payload, ip->payload_bytes};
	uint64_t sum = frame_wire_add(addresses_sum,
				      frame_wire_pseudo(FRAME_WIRE_ICMPV6, ip->payload_bytes));
	enum frame_result result;
	bool echo, nd;

	if (ip->payload_bytes < FRAME_WIRE_ICMP_BYTES)
		return FRAME_SHORT;
	echo = message.data[0] == FRAME_WIRE_ICMPV6_ECHO && ip->destination == DESTINATION_OURS;
	nd = message.data[0] == FRAME_WIRE_ND_SOLICIT || message.data[0] == FRAME_WIRE_ND_ADVERTISE;
	if (!echo && !nd)
		return FRAME_ICMP_TYPE;
	if (frame_wire_fold(frame_wire_sum(sum, ip->payload, ip->payload_bytes)) != UINT16_MAX)
		return FRAME_ICMP_CHECKSUM;
	if (nd)
		return parse_nd(p, ip, out);
	result = parse_echo(p, message, out);
	if (result == FRAME_OK) {
		out->src = ip->src;
		out->dst = ip->dst;
	}
	return result;
}

/* Is the source one that this kind of packet may come from? */
static enum frame_result check_ipv6_source(const struct packet *p, struct ipv6_header *ip)
{
	switch (ipv6_source(p->interface, &ip->src)) {
	case IPV6_SOURCE_UNICAST:
		/* In a source prefix too nobody speaks to himself. */
		return address_equal(&ip->src, &ip->dst) ? FRAME_IP_MARTIAN_SRC : FRAME_OK;
	case IPV6_SOURCE_LINK_LOCAL:
		return ip->next == FRAME_WIRE_ICMPV6 ? FRAME_OK : FRAME_IP_MARTIAN_SRC;
	case IPV6_SOURCE_UNSPECIFIED:
		/* Duplicate address detection asks from nowhere (RFC 4862 section 5.4.2). */
		ip->src_unspecified = true;
		return ip->next == FRAME_WIRE_ICMPV6 && ip->payload[0] == FRAME_WIRE_ND_SOLICIT
			       ? FRAME_OK
			       : FRAME_IP_MARTIAN_SRC;
	case IPV6_SOURCE_MARTIAN:
		break;
	}
	return FRAME_IP_MARTIAN_SRC;
}

/* Names the packets whose next header is not a transport of ours. */
static enum frame_result check_ipv6_next(uint8_t next)
{
	switch (next) {
	case FRAME_WIRE_FRAGMENT:
		return FRAME_IP_FRAGMENT;
	case FRAME_WIRE_HOP_BY_HOP:
	case FRAME_WIRE_ROUTING:
	case FRAME_WIRE_ESP:
	case FRAME_WIRE_AH:
	case FRAME_WIRE_DST_OPTIONS:
	case FRAME_WIRE_MOBILITY:
	case FRAME_WIRE_HIP:
	case FRAME_WIRE_SHIM6:
	case FRAME_WIRE_EXPERIMENT_1:
	case FRAME_WIRE_EXPERIMENT_2:
		return FRAME_IP_EXTENSION;
	default: /* a wire value, not an enum */
		return FRAME_OK;
	}
}

static enum frame_result parse_ipv6_header(const struct packet *p, struct ipv6_header *ip)
{
	const uint8_t *header = p->at;

	if (p->left_bytes < FRAME_WIRE_IPV6_BYTES)
		return FRAME_SHORT;
	if ((header[0] & 0xf0) != FRAME_WIRE_IPV6_VERSION)
		return FRAME_IP_HEADER;
	*ip = (struct ipv6_header){
		.src = address_at(header + FRAME_WIRE_IPV6_SRC),
		.dst = address_at(header + FRAME_WIRE_IPV6_DST),
		.payload = header + FRAME_WIRE_IPV6_BYTES,
		.payload_bytes = wire_get_u16(header + FRAME_WIRE_IPV6_LENGTH),
		.next = header[FRAME_WIRE_IPV6_NEXT],
		.hop_limit = header[FRAME_WIRE_IPV6_HOP_LIMIT],
	};
	/* Length 0 announces a jumbogram (RFC 2675), or a packet with nothing in it. */
	if (ip->payload_bytes == 0 || ip->hop_limit == 0 ||
	    ip->payload_bytes > FRAME_WIRE_IP_BYTES_MAX - FRAME_WIRE_IPV6_BYTES)
		return FRAME_IP_HEADER;
	if (ip->payload_bytes > p->left_bytes - FRAME_WIRE_IPV6_BYTES)
		return FRAME_SHORT;
	return check_ipv6_next(ip->next);
}

static enum frame_result parse_ipv6(const struct packet *p, struct frame_view *out)
{
	struct ipv6_header ip;
	enum frame_result result = parse_ipv6_header(p, &ip);
	uint64_t sum;

	if (result != FRAME_OK)
		return result;
	if (p->l2_destination == DESTINATION_BROADCAST ||
	    (p->l2_destination == DESTINATION_GROUP && ip.next != FRAME_WIRE_ICMPV6))
		return FRAME_L2_DST;
	result = check_ipv6_source(p, &ip);
	if (result != FRAME_OK)
		return result;
	ip.destination = ipv6_destination(p->interface, &ip.dst);
	if (ip.destination == DESTINATION_FOREIGN)
		return FRAME_IP_DST;
	/* A group may come to our own MAC (RFC 6085), but what is meant for one host is not sent
	 * to a group. */
	if (p->l2_destination == DESTINATION_GROUP && ip.destination != DESTINATION_GROUP)
		return FRAME_IP_DST;
	sum = frame_wire_sum(0, p->at + FRAME_WIRE_IPV6_SRC, 2 * ADDRESS_BYTES);
	if (LIKELY(ip.next == FRAME_WIRE_UDP)) {
		struct span udp = {ip.payload, ip.payload_bytes};

		if (ip.destination != DESTINATION_OURS ||
		    address_equal(&ip.dst, &p->interface->link_local))
			return FRAME_IP_DST;
		result = parse_udp(p, udp, sum, UDP_ZERO_CHECKSUM_WRONG, out);
	} else if (ip.next == FRAME_WIRE_ICMPV6) {
		return parse_icmpv6(p, &ip, sum, out);
	} else {
		return FRAME_IP_PROTOCOL;
	}
	if (result == FRAME_OK) {
		out->src = ip.src;
		out->dst = ip.dst;
	}
	return result;
}

enum frame_result frame_parse_any(const struct frame_interface *interface, struct span frame,
				  uint16_t stripped_vlan, struct frame_view *out)
{
	struct packet p = {.interface = interface};
	uint16_t ethertype;
	enum frame_result result = parse_ethernet(&p, frame, stripped_vlan, &ethertype);

	if (result != FRAME_OK)
		return result;
	switch (ethertype) {
	case FRAME_WIRE_TYPE_IPV4:
		return parse_ipv4(&p, out);
	case FRAME_WIRE_TYPE_IPV6:
		return parse_ipv6(&p, out);
	case FRAME_WIRE_TYPE_ARP:
		return parse_arp(&p, out);
	default: /* a wire value, not an enum */
		return FRAME_ETHERTYPE;
	}
}
