#include <stdlib.h>
#include <string.h>

#include "core/frame.h"
#include "frame_samples.h"
#include "unit.h"

/* ---- one row for every outcome ---- */

struct row {
	const char *says;
	enum base_idx base;
	enum frame_result want;
	struct patch patches[4];
	int grow;            /* bytes of garbage after the frame, or taken off its end */
	bool keep_checksums; /* as they were before the patches */
	bool kind_changes;
	enum frame_kind kind;
};

/* A row a line. */
// clang-format off
static const struct row rows[] = {
	/* Ethernet */
	{.says = "as it is", UDP4, FRAME_OK},
	{.says = "v6 as it is", UDP6, FRAME_OK},
	{.says = "13 bytes", UDP4, FRAME_SHORT, .grow = -49},
	{.says = "foreign MAC", UDP4, FRAME_L2_DST, {PATCH(0, MAC_OTHER)}},
	{.says = "UDP to broadcast", UDP4, FRAME_L2_DST, {PATCH(0, MAC_ALL)}},
	{.says = "v6 to broadcast", UDP6, FRAME_L2_DST, {PATCH(0, MAC_ALL)}},
	{.says = "UDP to all nodes", UDP6, FRAME_L2_DST, {PATCH(0, MAC_ALL_NODES)}},
	{.says = "v4 to a group", UDP4, FRAME_L2_DST, {PATCH(0, MAC_GROUP_OURS)}},
	{.says = "group of nobody", NS, FRAME_L2_DST,
	 {PATCH(0, 0x33, 0x33, 0xff, 0x11, 0x22, 0x34)}},
	{.says = "all routers", NS, FRAME_L2_DST, {PATCH(0, 0x33, 0x33, 0, 0, 0, 2)}},
	{.says = "LLDP's group", UDP4, FRAME_L2_DST, {PATCH(0, 0x01, 0x80, 0xc2, 0, 0, 0x0e)}},
	{.says = "zero source MAC", UDP4, FRAME_L2_SRC, {PATCH(ETH_SRC, 0, 0, 0, 0, 0, 0)}},
	{.says = "group source MAC", UDP4, FRAME_L2_SRC, {PATCH(ETH_SRC, 3, 0, 0, 0, 0, 9)}},
	{.says = "broadcast source MAC", UDP4, FRAME_L2_SRC, {PATCH(ETH_SRC, MAC_ALL)}},
	{.says = "our own source MAC", UDP4, FRAME_L2_SRC, {PATCH(ETH_SRC, MAC_OURS)}},
	{.says = "LLC length", UDP4, FRAME_ETHERTYPE, {PATCH(ETH_TYPE, 0, 48)}},
	{.says = "MPLS", UDP4, FRAME_ETHERTYPE, {PATCH(ETH_TYPE, 0x88, 0x47)}},
	{.says = "unknown type to broadcast", UDP4, FRAME_ETHERTYPE,
	 {PATCH(0, MAC_ALL), PATCH(ETH_TYPE, 0x88, 0xcc)}, .keep_checksums = true},
	/* IPv4 */
	{.says = "padding", UDP4, FRAME_OK, .grow = 18},
	{.says = "version 5", UDP4, FRAME_IP_HEADER, {PATCH(IP, 0x55)}, .keep_checksums = true},
	{.says = "header of 4 words", UDP4, FRAME_IP_HEADER, {PATCH(IP, 0x44)},
	 .keep_checksums = true},
	{.says = "header of 6 words", UDP4, FRAME_IP_OPTIONS, {PATCH(IP, 0x46)}},
	{.says = "header of 15 words", UDP4, FRAME_IP_OPTIONS, {PATCH(IP, 0x4f)},
	 .keep_checksums = true},
	{.says = "total length 19", UDP4, FRAME_IP_HEADER, {PATCH(V4_LENGTH, 0, 19)},
	 .keep_checksums = true},
	{.says = "total length 20", UDP4, FRAME_UDP_LENGTH, {PATCH(V4_LENGTH, 0, 20)}},
	{.says = "total length one more than the frame", UDP4, FRAME_SHORT,
	 {PATCH(V4_LENGTH, 0, 49)}},
	{.says = "total length beyond a jumbo frame", UDP4, FRAME_IP_HEADER,
	 {PATCH(V4_LENGTH, 0x23, 0x29), PATCH(V4_UDP + 4, 0x23, 0x15)}, .grow = 9001 - 48},
	{.says = "jumbo frame", UDP4, FRAME_OK,
	 {PATCH(V4_LENGTH, 0x23, 0x28), PATCH(V4_UDP + 4, 0x23, 0x14)}, .grow = 9000 - 48},
	{.says = "header checksum", UDP4, FRAME_IP_CHECKSUM, {PATCH(V4_CHECKSUM, 1, 2)},
	 .keep_checksums = true},
	{.says = "header checksum 0", UDP4, FRAME_IP_CHECKSUM, {PATCH(V4_CHECKSUM, 0, 0)},
	 .keep_checksums = true},
	{.says = "more fragments", UDP4, FRAME_IP_FRAGMENT, {PATCH(V4_FRAGMENT, 0x20, 0)}},
	{.says = "offset 1", UDP4, FRAME_IP_FRAGMENT, {PATCH(V4_FRAGMENT, 0, 1)}},
	{.says = "offset 4096 with DF", UDP4, FRAME_IP_FRAGMENT, {PATCH(V4_FRAGMENT, 0x50, 0)}},
	{.says = "DF", UDP4, FRAME_OK, {PATCH(V4_FRAGMENT, 0x40, 0)}},
	{.says = "TTL 0", UDP4, FRAME_OK, {PATCH(22, 0)}},
	{.says = "ECN CE and DSCP", UDP4, FRAME_OK, {PATCH(15, 0xff)}},
	{.says = "from 0.0.0.0", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 0, 0, 0, 0)}},
	{.says = "from 0.1.2.3", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 0, 1, 2, 3)}},
	{.says = "from 1.0.0.0", UDP4, FRAME_OK, {PATCH(V4_SRC, 1, 0, 0, 0)}},
	{.says = "from 127.0.0.1", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 127, 0, 0, 1)}},
	{.says = "from 126.255.255.255", UDP4, FRAME_OK, {PATCH(V4_SRC, 126, 255, 255, 255)}},
	{.says = "from 128.0.0.0", UDP4, FRAME_OK, {PATCH(V4_SRC, 128, 0, 0, 0)}},
	{.says = "from 169.254.0.1", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 169, 254, 0, 1)}},
	{.says = "from 169.253.255.255", UDP4, FRAME_OK, {PATCH(V4_SRC, 169, 253, 255, 255)}},
	{.says = "from 169.255.0.0", UDP4, FRAME_OK, {PATCH(V4_SRC, 169, 255, 0, 0)}},
	{.says = "from 223.255.255.255", UDP4, FRAME_OK, {PATCH(V4_SRC, 223, 255, 255, 255)}},
	{.says = "from 224.0.0.1", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 224, 0, 0, 1)}},
	{.says = "from 240.0.0.1", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, 240, 0, 0, 1)}},
	{.says = "from 255.255.255.255", UDP4, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V4_SRC, 255, 255, 255, 255)}},
	{.says = "from the subnet's broadcast", UDP4, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V4_SRC, 192, 0, 2, 255)}},
	{.says = "from another subnet's .255", UDP4, FRAME_OK, {PATCH(V4_SRC, 192, 0, 3, 255)}},
	{.says = "from the other end of a /31", UDP4, FRAME_OK, {PATCH(V4_SRC, 198, 51, 100, 9)}},
	{.says = "LAND", UDP4, FRAME_IP_MARTIAN_SRC, {PATCH(V4_SRC, V4_OURS)}},
	{.says = "from another address of ours", UDP4, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V4_SRC, 203, 0, 113, 5)}},
	{.says = "to a neighbour", UDP4, FRAME_IP_DST, {PATCH(V4_DST, 192, 0, 2, 2)}},
	{.says = "to the subnet's broadcast", UDP4, FRAME_IP_DST, {PATCH(V4_DST, 192, 0, 2, 255)}},
	{.says = "to 255.255.255.255", UDP4, FRAME_IP_DST, {PATCH(V4_DST, 255, 255, 255, 255)}},
	{.says = "to 224.0.0.251", UDP4, FRAME_IP_DST, {PATCH(V4_DST, 224, 0, 0, 251)}},
	{.says = "to our second address", UDP4, FRAME_OK, {PATCH(V4_DST, 198, 51, 100, 8)}},
	{.says = "to our /32", UDP4, FRAME_OK, {PATCH(V4_DST, 203, 0, 113, 5)}},
	{.says = "TCP", UDP4, FRAME_IP_PROTOCOL, {PATCH(V4_PROTOCOL, 6)}},
	{.says = "UDP-Lite", UDP4, FRAME_IP_PROTOCOL, {PATCH(V4_PROTOCOL, 136)}},
	{.says = "ICMPv6 over IPv4", UDP4, FRAME_IP_PROTOCOL, {PATCH(V4_PROTOCOL, 58)}},
	/* IPv6 */
	{.says = "v6: padding", UDP6, FRAME_OK, .grow = 9},
	{.says = "v6: version 4", UDP6, FRAME_IP_HEADER, {PATCH(IP, 0x40)}},
	{.says = "v6: version 7", UDP6, FRAME_IP_HEADER, {PATCH(IP, 0x70)}},
	{.says = "v6: traffic class and flow label", UDP6, FRAME_OK,
	 {PATCH(IP, 0x6f, 0xff, 0xff, 0xff)}},
	{.says = "v6: jumbogram", UDP6, FRAME_IP_HEADER,
	 {PATCH(V6_LENGTH, 0, 0), PATCH(V6_NEXT, 0)}},
	{.says = "v6: length 0", UDP6, FRAME_IP_HEADER, {PATCH(V6_LENGTH, 0, 0)}},
	{.says = "v6: length one more than the frame", UDP6, FRAME_SHORT,
	 {PATCH(V6_LENGTH, 0, 29)}},
	{.says = "v6: length beyond a jumbo frame", UDP6, FRAME_IP_HEADER,
	 {PATCH(V6_LENGTH, 0x23, 0x01), PATCH(V6_UDP + 4, 0x23, 0x01)}, .grow = 8961 - 28},
	{.says = "v6: jumbo frame", UDP6, FRAME_OK,
	 {PATCH(V6_LENGTH, 0x23, 0x00), PATCH(V6_UDP + 4, 0x23, 0x00)}, .grow = 8960 - 28},
	{.says = "v6: hop limit 0", UDP6, FRAME_IP_HEADER, {PATCH(V6_HOP_LIMIT, 0)}},
	{.says = "v6: hop limit 1", UDP6, FRAME_OK, {PATCH(V6_HOP_LIMIT, 1)}},
	{.says = "v6: fragment header", UDP6, FRAME_IP_FRAGMENT, {PATCH(V6_NEXT, 44)}},
	{.says = "v6: atomic fragment", UDP6, FRAME_IP_FRAGMENT,
	 {PATCH(V6_NEXT, 44), PATCH(V6_UDP, 17, 0, 0, 0, 0, 0, 0, 1)}},
	{.says = "v6: hop-by-hop", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 0)}},
	{.says = "v6: routing header", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 43)}},
	{.says = "v6: ESP", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 50)}},
	{.says = "v6: AH", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 51)}},
	{.says = "v6: destination options", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 60)}},
	{.says = "v6: mobility", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 135)}},
	{.says = "v6: HIP", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 139)}},
	{.says = "v6: shim6", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 140)}},
	{.says = "v6: experiment 1", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 253)}},
	{.says = "v6: experiment 2", UDP6, FRAME_IP_EXTENSION, {PATCH(V6_NEXT, 254)}},
	{.says = "v6: TCP", UDP6, FRAME_IP_PROTOCOL, {PATCH(V6_NEXT, 6)}},
	{.says = "v6: no next header", UDP6, FRAME_IP_PROTOCOL, {PATCH(V6_NEXT, 59)}},
	{.says = "v6: ICMP of version 4", UDP6, FRAME_IP_PROTOCOL, {PATCH(V6_NEXT, 1)}},
	{.says = "v6: from ::", UDP6, FRAME_IP_MARTIAN_SRC, {PATCH(V6_SRC, V6_UNSPECIFIED)}},
	{.says = "v6: from ::1", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)}},
	{.says = "v6: from a group", UDP6, FRAME_IP_MARTIAN_SRC, {PATCH(V6_SRC, V6_ALL_NODES)}},
	{.says = "v6: from a mapped address", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_CLIENT)}},
	{.says = "v6: from a compatible address", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, V4_CLIENT)}},
	{.says = "v6: LAND", UDP6, FRAME_IP_MARTIAN_SRC, {PATCH(V6_SRC, V6_OURS)}},
	{.says = "v6: from our link-local address", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, V6_LOCAL_OURS)}},
	{.says = "v6: UDP from a link-local address", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, V6_LOCAL_CLIENT)}},
	{.says = "v6: febf:: is link-local", UDP6, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, 0xfe, 0xbf)}},
	{.says = "v6: fec0:: is not", UDP6, FRAME_OK, {PATCH(V6_SRC, 0xfe, 0xc0)}},
	{.says = "v6: to a neighbour", UDP6, FRAME_IP_DST,
	 {PATCH(V6_DST, V6_NET, 0, 0x11, 0x22, 0x34)}},
	{.says = "v6: to our link-local address", UDP6, FRAME_IP_DST,
	 {PATCH(V6_DST, V6_LOCAL_OURS)}},
	{.says = "v6: to all nodes by our MAC", UDP6, FRAME_IP_DST, {PATCH(V6_DST, V6_ALL_NODES)}},
	{.says = "v6: to our mapped IPv4 address", UDP6, FRAME_IP_DST,
	 {PATCH(V6_DST, V6_MAPPED_OURS)}},
	{.says = "v6: one host by a group's MAC", ECHO6, FRAME_IP_DST, {PATCH(0, MAC_ALL_NODES)}},
	/* UDP */
	{.says = "UDP length 7", UDP4, FRAME_UDP_LENGTH,
	 {PATCH(V4_LENGTH, 0, 27), PATCH(V4_UDP + 4, 0, 7)}},
	{.says = "UDP length 8", UDP4, FRAME_OK,
	 {PATCH(V4_LENGTH, 0, 28), PATCH(V4_UDP + 4, 0, 8)}},
	{.says = "UDP one more than IP", UDP4, FRAME_UDP_LENGTH, {PATCH(V4_UDP + 4, 0, 29)}},
	{.says = "UDP one less than IP", UDP4, FRAME_UDP_LENGTH, {PATCH(V4_UDP + 4, 0, 27)}},
	{.says = "UDP length 0", UDP4, FRAME_UDP_LENGTH, {PATCH(V4_UDP + 4, 0, 0)}},
	{.says = "v6: UDP length 7", UDP6, FRAME_UDP_LENGTH,
	 {PATCH(V6_LENGTH, 0, 7), PATCH(V6_UDP + 4, 0, 7)}},
	{.says = "v6: UDP length 8", UDP6, FRAME_OK,
	 {PATCH(V6_LENGTH, 0, 8), PATCH(V6_UDP + 4, 0, 8)}},
	{.says = "v6: UDP one more than IP", UDP6, FRAME_UDP_LENGTH, {PATCH(V6_UDP + 4, 0, 29)}},
	{.says = "v6: UDP one less than IP", UDP6, FRAME_UDP_LENGTH, {PATCH(V6_UDP + 4, 0, 27)}},
	{.says = "UDP checksum", UDP4, FRAME_UDP_CHECKSUM, {PATCH(V4_UDP + 6, 1, 2)},
	 .keep_checksums = true},
	{.says = "no UDP checksum", UDP4, FRAME_OK, {PATCH(V4_UDP + 6, 0, 0)},
	 .keep_checksums = true},
	{.says = "v6: UDP checksum", UDP6, FRAME_UDP_CHECKSUM, {PATCH(V6_UDP + 6, 1, 2)},
	 .keep_checksums = true},
	{.says = "v6: no UDP checksum", UDP6, FRAME_UDP_CHECKSUM, {PATCH(V6_UDP + 6, 0, 0)},
	 .keep_checksums = true},
	{.says = "source port 0", UDP4, FRAME_UDP_PORT, {PATCH(V4_UDP, 0, 0)}},
	{.says = "v6: source port 0", UDP6, FRAME_UDP_PORT, {PATCH(V6_UDP, 0, 0)}},
	{.says = "source port 1", UDP4, FRAME_OK, {PATCH(V4_UDP, 0, 1)}},
	/* ICMP */
	{.says = "echo", ECHO4, FRAME_OK},
	{.says = "v6: echo", ECHO6, FRAME_OK},
	{.says = "ICMP of 7 bytes", ECHO4, FRAME_SHORT, {PATCH(V4_LENGTH, 0, 27)}},
	{.says = "ICMP of 8 bytes", ECHO4, FRAME_OK, {PATCH(V4_LENGTH, 0, 28)}},
	{.says = "echo checksum", ECHO4, FRAME_ICMP_CHECKSUM, {PATCH(V4_UDP + 2, 1, 2)},
	 .keep_checksums = true},
	{.says = "echo reply", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP, 0)}},
	{.says = "echo code 1", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP + 1, 1)}},
	{.says = "unreachable", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP, 3)}},
	{.says = "redirect", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP, 5)}},
	{.says = "timestamp", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP, 13)}},
	{.says = "address mask", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_UDP, 17)}},
	{.says = "echo of 1472 bytes", ECHO4, FRAME_OK, {PATCH(V4_LENGTH, 0x05, 0xdc)},
	 .grow = 1467},
	{.says = "echo of 1473 bytes", ECHO4, FRAME_ICMP_TYPE, {PATCH(V4_LENGTH, 0x05, 0xdd)},
	 .grow = 1468},
	{.says = "v6: ICMP of 7 bytes", ECHO6, FRAME_SHORT, {PATCH(V6_LENGTH, 0, 7)}},
	{.says = "v6: echo checksum", ECHO6, FRAME_ICMP_CHECKSUM, {PATCH(V6_UDP + 2, 1, 2)},
	 .keep_checksums = true},
	{.says = "v6: echo from a link-local address", ECHO6, FRAME_OK,
	 {PATCH(V6_SRC, V6_LOCAL_CLIENT)}},
	{.says = "v6: echo to our link-local address", ECHO6, FRAME_OK,
	 {PATCH(V6_DST, V6_LOCAL_OURS)}},
	{.says = "v6: echo from ::", ECHO6, FRAME_IP_MARTIAN_SRC, {PATCH(V6_SRC, V6_UNSPECIFIED)}},
	{.says = "v6: echo to all nodes", ECHO6, FRAME_ICMP_TYPE,
	 {PATCH(0, MAC_ALL_NODES), PATCH(V6_DST, V6_ALL_NODES)}},
	{.says = "v6: echo reply", ECHO6, FRAME_ICMP_TYPE, {PATCH(V6_UDP, 129)}},
	{.says = "v6: unreachable", ECHO6, FRAME_ICMP_TYPE, {PATCH(V6_UDP, 1)}},
	{.says = "v6: packet too big", ECHO6, FRAME_ICMP_TYPE, {PATCH(V6_UDP, 2)}},
	{.says = "v6: router advertisement", NA_ALL, FRAME_ICMP_TYPE, {PATCH(V6_UDP, 134)}},
	{.says = "v6: redirect", NA, FRAME_ICMP_TYPE, {PATCH(V6_UDP, 137)}},
	/* ARP */
	{.says = "ARP request", ARP_ASK, FRAME_OK},
	{.says = "ARP request to us alone", ARP_ASK, FRAME_OK, {PATCH(0, MAC_OURS)}},
	{.says = "ARP probe", ARP_ASK, FRAME_OK, {PATCH(ARP_SENDER, 0, 0, 0, 0)}},
	{.says = "ARP probe for another", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER, 0, 0, 0, 0), PATCH(ARP_TARGET, 192, 0, 2, 2)}},
	{.says = "ARP reply from 0.0.0.0", ARP_TELL, FRAME_ARP, {PATCH(ARP_SENDER, 0, 0, 0, 0)}},
	{.says = "ARP to a group", ARP_ASK, FRAME_L2_DST, {PATCH(0, MAC_GROUP_OURS)}},
	{.says = "ARP of 27 bytes", ARP_ASK, FRAME_SHORT, .grow = -1},
	{.says = "ARP padded", ARP_ASK, FRAME_OK, .grow = 18},
	{.says = "ARP over token ring", ARP_ASK, FRAME_ARP, {PATCH(IP, 0, 6)}},
	{.says = "ARP for IPX", ARP_ASK, FRAME_ARP, {PATCH(IP + 2, 0x81, 0x37)}},
	{.says = "ARP with long MACs", ARP_ASK, FRAME_ARP, {PATCH(IP + 4, 8)}},
	{.says = "ARP with long addresses", ARP_ASK, FRAME_ARP, {PATCH(IP + 5, 16)}},
	{.says = "ARP operation 0", ARP_ASK, FRAME_ARP, {PATCH(ARP_OPERATION, 0, 0)}},
	{.says = "RARP", ARP_ASK, FRAME_ARP, {PATCH(ARP_OPERATION, 0, 3)}},
	{.says = "ARP operation 257", ARP_ASK, FRAME_ARP, {PATCH(ARP_OPERATION, 1, 1)}},
	{.says = "ARP for another", ARP_ASK, FRAME_ARP, {PATCH(ARP_TARGET, 192, 0, 2, 2)}},
	{.says = "ARP from off-link", ARP_ASK, FRAME_ARP, {PATCH(ARP_SENDER, 192, 0, 3, 77)}},
	{.says = "ARP from the broadcast address", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER, 192, 0, 2, 255)}},
	{.says = "ARP for another from our address", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER, V4_OURS), PATCH(ARP_TARGET, 192, 0, 2, 2)}},
	{.says = "ARP for somebody else's MAC", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER_MAC, MAC_OTHER)}},
	{.says = "ARP with a group for sender", ARP_TELL, FRAME_ARP,
	 {PATCH(ARP_SENDER_MAC, MAC_ALL)}},
	{.says = "ARP with our MAC for sender", ARP_TELL, FRAME_ARP,
	 {PATCH(ARP_SENDER_MAC, MAC_OURS)}},
	{.says = "ARP with no MAC for sender", ARP_TELL, FRAME_ARP,
	 {PATCH(ARP_SENDER_MAC, 0, 0, 0, 0, 0, 0)}},
	{.says = "ARP reply", ARP_TELL, FRAME_OK},
	{.says = "ARP reply of a virtual router", ARP_TELL, FRAME_OK, {PATCH(ETH_SRC, MAC_OTHER)}},
	{.says = "ARP reply to another", ARP_TELL, FRAME_ARP, {PATCH(ARP_TARGET, 192, 0, 2, 2)}},
	{.says = "ARP reply from off-link", ARP_TELL, FRAME_ARP, {PATCH(ARP_SENDER, 8, 8, 8, 8)}},
	{.says = "gratuitous ARP request", ARP_ASK, FRAME_OK, {PATCH(ARP_TARGET, V4_CLIENT)},
	 .kind_changes = true, .kind = FRAME_NEIGHBOUR_HINT},
	{.says = "gratuitous ARP reply", ARP_TELL, FRAME_OK,
	 {PATCH(0, MAC_ALL), PATCH(ARP_TARGET, V4_CLIENT)},
	 .kind_changes = true, .kind = FRAME_NEIGHBOUR_HINT},
	{.says = "gratuitous ARP for our address", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER, V4_OURS)}},
	{.says = "gratuitous ARP from off-link", ARP_ASK, FRAME_ARP,
	 {PATCH(ARP_SENDER, 8, 8, 8, 8), PATCH(ARP_TARGET, 8, 8, 8, 8)}},
	/* ND */
	{.says = "solicitation", NS, FRAME_OK},
	{.says = "solicitation to us alone", NS, FRAME_OK,
	 {PATCH(0, MAC_OURS), PATCH(V6_DST, V6_OURS)}},
	{.says = "solicitation from a global address", NS, FRAME_OK, {PATCH(V6_SRC, V6_CLIENT)}},
	{.says = "solicitation for our link-local address", NS, FRAME_OK,
	 {PATCH(0, MAC_GROUP_LOCAL), PATCH(V6_DST, V6_GROUP_LOCAL),
	  PATCH(ND_TARGET, V6_LOCAL_OURS)}},
	{.says = "solicitation by our MAC to the group", NS, FRAME_OK, {PATCH(0, MAC_OURS)}},
	{.says = "duplicate address detection", DAD, FRAME_OK},
	{.says = "DAD with an address option", NS, FRAME_ND, {PATCH(V6_SRC, V6_UNSPECIFIED)}},
	{.says = "DAD to us alone", DAD, FRAME_ND, {PATCH(0, MAC_OURS), PATCH(V6_DST, V6_OURS)}},
	{.says = "DAD to all nodes", DAD, FRAME_ND,
	 {PATCH(0, MAC_ALL_NODES), PATCH(V6_DST, V6_ALL_NODES)}},
	{.says = "solicitation with hop limit 254", NS, FRAME_ND, {PATCH(V6_HOP_LIMIT, 254)}},
	{.says = "solicitation with code 1", NS, FRAME_ND, {PATCH(ND_CODE, 1)}},
	{.says = "solicitation checksum", NS, FRAME_ICMP_CHECKSUM, {PATCH(V6_UDP + 2, 1, 2)},
	 .keep_checksums = true},
	{.says = "solicitation of 23 bytes", DAD, FRAME_ND, {PATCH(V6_LENGTH, 0, 23)}},
	{.says = "solicitation for a group", NS, FRAME_ND, {PATCH(ND_TARGET, V6_GROUP_OURS)}},
	{.says = "solicitation for a neighbour", NS, FRAME_ND, {PATCH(ND_TARGET, V6_CLIENT)}},
	{.says = "solicitation for our mapped address", NS, FRAME_ND,
	 {PATCH(ND_TARGET, V6_MAPPED_OURS)}},
	{.says = "solicitation to another group of ours", NS, FRAME_ND,
	 {PATCH(0, MAC_GROUP_LOCAL), PATCH(V6_DST, V6_GROUP_LOCAL)}},
	{.says = "solicitation from a group", NS, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, V6_ALL_NODES)}},
	{.says = "option length 0", NS, FRAME_ND, {PATCH(ND_OPTION + 1, 0)}},
	{.says = "unknown option length 0", NS, FRAME_ND, {PATCH(ND_OPTION, 14, 0)}},
	{.says = "option longer than the message", NS, FRAME_ND, {PATCH(ND_OPTION + 1, 2)}},
	{.says = "unknown option longer than the message", NS, FRAME_ND, {PATCH(ND_OPTION, 14, 2)}},
	{.says = "option cut to 7 bytes", NS, FRAME_ND, {PATCH(V6_LENGTH, 0, 31)}},
	{.says = "option cut to 1 byte", NS, FRAME_ND, {PATCH(V6_LENGTH, 0, 25)}},
	{.says = "unknown option", NS, FRAME_OK, {PATCH(ND_OPTION, 14)}},
	{.says = "address option of 16 bytes", NS, FRAME_ND,
	 {PATCH(V6_LENGTH, 0, 40), PATCH(ND_OPTION + 1, 2)}, .grow = 8},
	{.says = "option with a group for MAC", NS, FRAME_ND, {PATCH(ND_OPTION + 2, MAC_ALL)}},
	{.says = "option with no MAC", NS, FRAME_ND, {PATCH(ND_OPTION + 2, 0, 0, 0, 0, 0, 0)}},
	{.says = "option with our MAC", NS, FRAME_ND, {PATCH(ND_OPTION + 2, MAC_OURS)}},
	{.says = "advertisement", NA, FRAME_OK},
	{.says = "advertisement without being asked", NA, FRAME_OK, {PATCH(ND_FLAGS, 0x20)}},
	{.says = "advertisement without option", NA, FRAME_OK, {PATCH(V6_LENGTH, 0, 24)}},
	{.says = "advertisement of the wrong option", NA, FRAME_OK, {PATCH(ND_OPTION, 1)}},
	{.says = "advertisement with hop limit 64", NA, FRAME_ND, {PATCH(V6_HOP_LIMIT, 64)}},
	{.says = "advertisement with code 1", NA, FRAME_ND, {PATCH(ND_CODE, 1)}},
	{.says = "advertisement of 23 bytes", NA, FRAME_ND, {PATCH(V6_LENGTH, 0, 23)}},
	{.says = "advertisement of a group", NA, FRAME_ND, {PATCH(ND_TARGET, V6_ALL_NODES)}},
	{.says = "advertisement of our address", NA, FRAME_ND, {PATCH(ND_TARGET, V6_OURS)}},
	{.says = "advertisement of our link-local address", NA, FRAME_ND,
	 {PATCH(ND_TARGET, V6_LOCAL_OURS)}},
	{.says = "advertisement of a mapped address", NA, FRAME_ND,
	 {PATCH(ND_TARGET, V6_MAPPED_OURS)}},
	{.says = "advertisement from ::", NA, FRAME_IP_MARTIAN_SRC,
	 {PATCH(V6_SRC, V6_UNSPECIFIED)}},
	{.says = "announcement", NA_ALL, FRAME_OK},
	{.says = "announcement with S", NA_ALL, FRAME_ND, {PATCH(ND_FLAGS, 0x60)}},
	{.says = "announcement to a foreign group", NA_ALL, FRAME_IP_DST, {PATCH(V6_DST + 15, 2)}},
};
// clang-format on

/* ---- networks of which some addresses are ours for a while ---- */

#define GROUP(...) 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, __VA_ARGS__
#define MAC_GROUP(...) 0x33, 0x33, 0xff, __VA_ARGS__

/* Each as frame_sample_prefixed() sees it; without the prefixes it is `without`. A row a line. */
// clang-format off
static const struct prefix_row {
	struct row row;
	enum frame_result without;
} prefix_rows[] = {
	{{.says = "to an address of a prefix", UDP6, FRAME_OK, {PATCH(V6_DST, V6_IN_PREFIX)}}, FRAME_IP_DST},
	{{.says = "to one of a longer prefix", UDP6, FRAME_OK, {PATCH(V6_DST, V6_IN_PREFIX_LONG)}},
	 FRAME_IP_DST},
	{{.says = "to the last of a longer prefix", UDP6, FRAME_OK,
	  {PATCH(V6_DST, V6_PREFIX_LONG, 0xff, 0xff)}}, FRAME_IP_DST},
	{{.says = "just outside of a longer prefix", UDP6, FRAME_IP_DST,
	  {PATCH(V6_DST, V6_PREFIX_LONG, 0, 0), PATCH(V6_DST + 13, 0x43)}}, FRAME_IP_DST},
	{{.says = "to the next network", UDP6, FRAME_IP_DST,
	  {PATCH(V6_DST, V6_IN_PREFIX), PATCH(V6_DST + 7, 4)}}, FRAME_IP_DST},
	{{.says = "from an address of a prefix: somebody else's", UDP6, FRAME_OK,
	  {PATCH(V6_SRC, V6_IN_PREFIX)}}, FRAME_OK},
	{{.says = "LAND in a prefix", UDP6, FRAME_IP_MARTIAN_SRC,
	  {PATCH(V6_DST, V6_IN_PREFIX), PATCH(V6_SRC, V6_IN_PREFIX)}}, FRAME_IP_MARTIAN_SRC},
	{{.says = "solicitation for the address that asks", NS, FRAME_ND,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x77)), PATCH(V6_DST, GROUP(0x55, 0x66, 0x77)),
	   PATCH(V6_SRC, V6_IN_PREFIX), PATCH(ND_TARGET, V6_IN_PREFIX)}}, FRAME_L2_DST},
	{{.says = "from our own address still", UDP6, FRAME_IP_MARTIAN_SRC, {PATCH(V6_SRC, V6_OURS)}},
	 FRAME_IP_MARTIAN_SRC},
	{{.says = "TCP to it", UDP6, FRAME_IP_PROTOCOL, {PATCH(V6_NEXT, 6), PATCH(V6_DST, V6_IN_PREFIX)}},
	 FRAME_IP_DST},
	{{.says = "echo to it", ECHO6, FRAME_OK, {PATCH(V6_DST, V6_IN_PREFIX)}}, FRAME_IP_DST},
	{{.says = "solicitation to its group", NS, FRAME_OK,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x77)), PATCH(V6_DST, GROUP(0x55, 0x66, 0x77)),
	   PATCH(ND_TARGET, V6_IN_PREFIX)}}, FRAME_L2_DST},
	{{.says = "solicitation to another's group", NS, FRAME_ND,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x78)), PATCH(V6_DST, GROUP(0x55, 0x66, 0x78)),
	   PATCH(ND_TARGET, V6_IN_PREFIX)}}, FRAME_L2_DST},
	{{.says = "solicitation to it alone", NS, FRAME_OK,
	  {PATCH(0, MAC_OURS), PATCH(V6_DST, V6_IN_PREFIX), PATCH(ND_TARGET, V6_IN_PREFIX)}}, FRAME_IP_DST},
	{{.says = "solicitation for an address outside", NS, FRAME_ND,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x77)), PATCH(V6_DST, GROUP(0x55, 0x66, 0x77)),
	   PATCH(ND_TARGET, V6_IN_PREFIX), PATCH(ND_TARGET + 7, 4)}}, FRAME_L2_DST},
	{{.says = "duplicate address detection of another host", DAD, FRAME_OK,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x77)), PATCH(V6_DST, GROUP(0x55, 0x66, 0x77)),
	   PATCH(ND_TARGET, V6_IN_PREFIX)}}, FRAME_L2_DST},
	{{.says = "advertisement of an address of a prefix", NA, FRAME_OK, {PATCH(ND_TARGET, V6_IN_PREFIX)}},
	 FRAME_OK},
	{{.says = "UDP to the group's MAC", UDP6, FRAME_L2_DST,
	  {PATCH(0, MAC_GROUP(0x55, 0x66, 0x77)), PATCH(V6_DST, V6_IN_PREFIX)}}, FRAME_L2_DST},
	{{.says = "not a group MAC of solicited nodes", NS, FRAME_L2_DST,
	  {PATCH(0, 0x33, 0x33, 0xfe, 0x55, 0x66, 0x77)}}, FRAME_L2_DST},
	{{.says = "v4 is what it was", UDP4, FRAME_IP_DST, {PATCH(V4_DST, 192, 0, 2, 2)}}, FRAME_IP_DST},
};
// clang-format on

static void make_row(struct test_frame *f, const struct row *row)
{
	frame_sample_make(f, row->base);
	for (int i = 0; i < row->grow; i++)
		f->bytes[f->length + (size_t)i] = (uint8_t)(0xa0 + i);
	f->length = (size_t)((int)f->length + row->grow);
	for (size_t i = 0; i < ARRAY_COUNT(row->patches); i++)
		memcpy(f->bytes + row->patches[i].at, row->patches[i].bytes,
		       row->patches[i].length);
	if (!row->keep_checksums && frame_sample_get16(f->bytes + ETH_TYPE) != 0x0806)
		frame_sample_fix_checksums(f);
}

static void check_row(const struct row *row, const struct frame_interface *interface,
		      const struct test_frame *f, uint16_t stripped)
{
	struct frame_view view, untouched;
	enum frame_result result;

	memset(&view, 0x5a, sizeof(view));
	memset(&untouched, 0x5a, sizeof(untouched));
	result = frame_sample_parse(interface, f, stripped, &view);
	frame_sample_expect(row->says, result, row->want);
	if (result == FRAME_OK) {
		CU_ASSERT_EQUAL(view.kind,
				row->kind_changes ? row->kind : frame_samples[row->base].kind);
	} else {
		CU_ASSERT_EQUAL(memcmp(&view, &untouched, sizeof(view)), 0);
	}
}

static void frame_parse__gives_each_frame_its_outcome(void)
{
	static struct test_frame f;
	bool seen[FRAME_RESULT_COUNT] = {[FRAME_VLAN] = true}; /* which has its own test */
	struct frame_interface with_vlan = frame_sample_ours_tagged();

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		make_row(&f, &rows[i]);
		seen[rows[i].want] = true;
		check_row(&rows[i], &frame_sample_ours, &f, FRAME_VLAN_NONE);
		check_row(&rows[i], &with_vlan, &f, TEST_VLAN);
		if (f.length < IP)
			continue;
		frame_sample_insert_tag(&f, 0x8100, TEST_VLAN);
		check_row(&rows[i], &with_vlan, &f, FRAME_VLAN_NONE);
	}
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++)
		CU_ASSERT(seen[i]);
}

static void frame_parse__lets_source_prefixes_pass(void)
{
	static struct test_frame f;
	struct frame_interface prefixed = frame_sample_prefixed();

	for (size_t i = 0; i < ARRAY_COUNT(prefix_rows); i++) {
		struct row without = prefix_rows[i].row;

		without.want = prefix_rows[i].without;
		make_row(&f, &prefix_rows[i].row);
		check_row(&prefix_rows[i].row, &prefixed, &f, FRAME_VLAN_NONE);
		check_row(&without, &frame_sample_ours, &f, FRAME_VLAN_NONE);
	}
	/* And nothing that was said of other frames changes. */
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (strcmp(rows[i].says, "group of nobody") == 0)
			continue;
		make_row(&f, &rows[i]);
		check_row(&rows[i], &prefixed, &f, FRAME_VLAN_NONE);
	}
}

/* A prefix of more than 104 bits fixes bits of the groups that are its. */
static void frame_parse__takes_groups_of_its_prefixes_only(void)
{
	static struct test_frame f;
	struct frame_interface interface = frame_sample_prefixed();
	struct frame_view view;

	interface.source_prefix_count = 1; /* ...:42xx */
	frame_sample_make(&f, NS);
	memcpy(f.bytes, (uint8_t[]){MAC_GROUP(0x42, 0x43, 0x44)}, 6);
	memcpy(f.bytes + V6_DST, (uint8_t[]){GROUP(0x42, 0x43, 0x44)}, 16);
	memcpy(f.bytes + ND_TARGET, (uint8_t[]){V6_IN_PREFIX_LONG}, 16);
	frame_sample_fix_checksums(&f);
	frame_sample_expect("its group", frame_sample_parse(&interface, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT_EQUAL(view.kind, FRAME_ND_SOLICIT);
	CU_ASSERT_EQUAL(memcmp(view.dst.bytes, (uint8_t[]){V6_IN_PREFIX_LONG}, 16), 0);
	for (unsigned bit = 0; bit < 24; bit++) {
		struct test_frame other = f;
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		other.bytes[3 + bit / 8] ^= mask;
		other.bytes[V6_DST + 13 + bit / 8] ^= mask;
		frame_sample_fix_checksums(&other);
		/* What only the target tells is its group's business. */
		frame_sample_expect("another group",
				    frame_sample_parse(&interface, &other, FRAME_VLAN_NONE, &view),
				    bit < 8 ? FRAME_L2_DST : FRAME_ND);
	}
}

struct vlan_case {
	const char *says;
	bool interface_tagged;
	uint16_t stripped;
	uint16_t tags[2][2]; /* outermost first: type and TCI; type 0: none */
	enum frame_result want;
	uint8_t pcp;
};
/* A row a line. */
// clang-format off
static const struct vlan_case vlan_cases[] = {
	{"untagged", false, FRAME_VLAN_NONE, {{0}}, FRAME_OK, 0},
	{"tag on an untagged interface", false, FRAME_VLAN_NONE, {{0x8100, 7}}, FRAME_VLAN, 0},
	{"VID 0 on an untagged interface", false, FRAME_VLAN_NONE, {{0x8100, 0}}, FRAME_VLAN, 0},
	{"VID 4095 on an untagged interface", false, FRAME_VLAN_NONE, {{0x8100, 0xfff}}, FRAME_VLAN,
	 0},
	{"stripped tag on an untagged interface", false, 7, {{0}}, FRAME_VLAN, 0},
	{"stripped VID 0 on an untagged interface", false, 0, {{0}}, FRAME_VLAN, 0},
	{"missing tag", true, FRAME_VLAN_NONE, {{0}}, FRAME_VLAN, 0},
	{"our tag", true, FRAME_VLAN_NONE, {{0x8100, 7}}, FRAME_OK, 0},
	{"our tag, priority 5", true, FRAME_VLAN_NONE, {{0x8100, 0xa007}}, FRAME_OK, 5},
	{"our tag, drop eligible", true, FRAME_VLAN_NONE, {{0x8100, 0x1007}}, FRAME_OK, 0},
	{"another VID", true, FRAME_VLAN_NONE, {{0x8100, 8}}, FRAME_VLAN, 0},
	{"priority tag", true, FRAME_VLAN_NONE, {{0x8100, 0xa000}}, FRAME_VLAN, 0},
	{"802.1ad tag", true, FRAME_VLAN_NONE, {{0x88a8, 7}}, FRAME_VLAN, 0},
	{"802.1ad tag on an untagged interface", false, FRAME_VLAN_NONE, {{0x88a8, 7}}, FRAME_VLAN,
	 0},
	{"double tag", true, FRAME_VLAN_NONE, {{0x8100, 7}, {0x8100, 7}}, FRAME_VLAN, 0},
	{"802.1ad outside", true, FRAME_VLAN_NONE, {{0x88a8, 9}, {0x8100, 7}}, FRAME_VLAN, 0},
	{"802.1ad inside", true, FRAME_VLAN_NONE, {{0x8100, 7}, {0x88a8, 7}}, FRAME_VLAN, 0},
	{"old QinQ inside", true, FRAME_VLAN_NONE, {{0x8100, 7}, {0x9100, 7}}, FRAME_VLAN, 0},
	{"our tag, stripped", true, 7, {{0}}, FRAME_OK, 0},
	{"our tag, stripped, priority 7", true, 0xf007, {{0}}, FRAME_OK, 7},
	{"another, stripped", true, 8, {{0}}, FRAME_VLAN, 0},
	{"priority tag, stripped", true, 0xe000, {{0}}, FRAME_VLAN, 0},
	{"stripped, and a tag within", true, 7, {{0x8100, 7}}, FRAME_VLAN, 0},
	{"stripped, and 802.1ad within", true, 7, {{0x88a8, 7}}, FRAME_VLAN, 0},
};
// clang-format on

static void frame_parse__takes_its_own_vlan_only(void)
{
	static struct test_frame f;

	for (size_t i = 0; i < ARRAY_COUNT(vlan_cases); i++) {
		const struct vlan_case *c = &vlan_cases[i];
		struct frame_interface interface =
			c->interface_tagged ? frame_sample_ours_tagged() : frame_sample_ours;
		struct frame_view view = {.vlan_pcp = 99};

		frame_sample_make(&f, UDP4);
		for (int tag = 1; tag >= 0; tag--)
			if (c->tags[tag][0] != 0)
				frame_sample_insert_tag(&f, c->tags[tag][0], c->tags[tag][1]);
		frame_sample_expect(c->says, frame_sample_parse(&interface, &f, c->stripped, &view),
				    c->want);
		if (c->want == FRAME_OK)
			CU_ASSERT_EQUAL(view.vlan_pcp, c->pcp);
	}
}

static void frame_parse__finds_every_cut_short(void)
{
	static struct test_frame f;
	struct frame_interface with_vlan = frame_sample_ours_tagged();
	struct frame_view view;

	for (unsigned base = 0; base < BASE_COUNT; base++) {
		frame_sample_make(&f, (enum base_idx)base);
		for (f.length = 0; f.length < frame_samples[base].length; f.length++)
			frame_sample_expect(frame_samples[base].says,
					    frame_sample_parse(&frame_sample_ours, &f,
							       FRAME_VLAN_NONE, &view),
					    FRAME_SHORT);
		frame_sample_insert_tag(&f, 0x8100, TEST_VLAN);
		for (f.length = 0; f.length < frame_samples[base].length + 4; f.length++)
			frame_sample_expect(frame_samples[base].says,
					    frame_sample_parse(&with_vlan, &f, FRAME_VLAN_NONE,
							       &view),
					    FRAME_SHORT);
		frame_sample_expect(frame_samples[base].says,
				    frame_sample_parse(&with_vlan, &f, FRAME_VLAN_NONE, &view),
				    FRAME_OK);
	}
}

/* Bytes that neither a checksum nor a length rule covers: none in IPv4; in IPv6 the traffic class
 * and flow label, and the hop limit. */
static bool is_covered(enum base_idx base, size_t byte, unsigned bit)
{
	if (base == UDP4 || byte > V6_HOP_LIMIT)
		return true;
	if (byte == IP)
		return bit >= 4;
	return byte >= V6_LENGTH && byte != V6_HOP_LIMIT;
}

static void frame_parse__catches_every_flipped_bit(void)
{
	static const enum base_idx udp[] = {UDP4, UDP6};
	static struct test_frame f;
	struct frame_view view;

	for (size_t i = 0; i < ARRAY_COUNT(udp); i++) {
		frame_sample_make(&f, udp[i]);
		for (size_t byte = IP; byte < f.length; byte++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				enum frame_result result;

				f.bytes[byte] ^= (uint8_t)(1u << bit);
				result = frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE,
							    &view);
				CU_ASSERT_EQUAL(result != FRAME_OK, is_covered(udp[i], byte, bit));
				f.bytes[byte] ^= (uint8_t)(1u << bit);
			}
		}
		frame_sample_expect("restored",
				    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE,
						       &view),
				    FRAME_OK);
	}
}

static void frame_parse__ignores_padding(void)
{
	static struct test_frame f;
	struct frame_view view;

	for (unsigned base = 0; base < BASE_COUNT; base++) {
		unsigned long long state = unit_seed();

		frame_sample_make(&f, (enum base_idx)base);
		for (int i = 0; i < 40; i++) {
			frame_sample_expect(frame_samples[base].says,
					    frame_sample_parse(&frame_sample_ours, &f,
							       FRAME_VLAN_NONE, &view),
					    FRAME_OK);
			CU_ASSERT(view.payload.data == NULL ||
				  view.payload.data + view.payload.length_bytes ==
					  f.bytes + frame_samples[base].length);
			f.bytes[f.length++] = (uint8_t)unit_random(&state);
		}
	}
}

static void frame_parse__shows_what_a_datagram_says(void)
{
	static const struct address client4 = {
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_CLIENT}};
	static const struct address client6 = {{V6_CLIENT}};
	static const struct mac client_mac = {{MAC_CLIENT}};
	static struct test_frame f;
	struct frame_view view;

	frame_sample_make(&f, UDP4);
	frame_sample_expect(
		"v4", frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view), FRAME_OK);
	CU_ASSERT(address_equal(&view.src, &client4));
	CU_ASSERT(address_equal(&view.dst, &frame_sample_ours.addresses[0].address));
	CU_ASSERT(mac_equal(&view.src_mac, &client_mac));
	CU_ASSERT_EQUAL(view.src_port, 12345);
	CU_ASSERT_EQUAL(view.dst_port, 53);
	CU_ASSERT_PTR_EQUAL(view.payload.data, f.bytes + V4_PAYLOAD);
	CU_ASSERT_EQUAL(view.payload.length_bytes, PAYLOAD_BYTES);
	frame_sample_make(&f, UDP6);
	frame_sample_expect(
		"v6", frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view), FRAME_OK);
	CU_ASSERT(address_equal(&view.src, &client6));
	CU_ASSERT(address_equal(&view.dst, &frame_sample_ours.addresses[2].address));
	CU_ASSERT_EQUAL(view.payload.length_bytes, PAYLOAD_BYTES);
}

static void frame_parse__shows_whose_mac_an_answer_tells(void)
{
	static const struct mac client_mac = {{MAC_CLIENT}}, other_mac = {{MAC_OTHER}};
	static const struct address client4 = {
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_CLIENT}};
	static const struct address client6 = {{V6_CLIENT}};
	static struct test_frame f;
	struct frame_view view;

	frame_sample_make(&f, ARP_TELL);
	memcpy(f.bytes + ETH_SRC, other_mac.bytes, sizeof(other_mac.bytes));
	frame_sample_expect("ARP",
			    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT(address_equal(&view.target, &client4) && address_equal(&view.src, &client4));
	CU_ASSERT(mac_equal(&view.target_mac, &client_mac) && view.target_mac_present);
	CU_ASSERT(mac_equal(&view.src_mac, &other_mac));
	CU_ASSERT(view.solicited);
	memset(f.bytes, 0xff, 6);
	frame_sample_expect("ARP to all",
			    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT_FALSE(view.solicited);
	frame_sample_make(&f, NA);
	memcpy(f.bytes + ETH_SRC, other_mac.bytes, sizeof(other_mac.bytes));
	frame_sample_expect(
		"NA", frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view), FRAME_OK);
	CU_ASSERT(address_equal(&view.target, &client6));
	CU_ASSERT(mac_equal(&view.target_mac, &client_mac) && view.target_mac_present);
	CU_ASSERT(view.solicited);
	f.bytes[V6_LENGTH + 1] = 24; /* without its option */
	frame_sample_fix_checksums(&f);
	frame_sample_expect("NA, bare",
			    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT(mac_equal(&view.target_mac, &other_mac) && !view.target_mac_present);
	frame_sample_make(&f, NA_ALL);
	frame_sample_expect("announcement",
			    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	CU_ASSERT(address_equal(&view.target, &client6));
	CU_ASSERT(mac_equal(&view.target_mac, &client_mac) && !view.solicited);
}

static void frame_parse__lets_linked_autoconfigured_hosts_speak(void)
{
	static struct test_frame f;
	struct frame_interface interface = frame_sample_ours;
	struct frame_view view;

	frame_sample_make(&f, UDP4);
	memcpy(f.bytes + V4_SRC, (uint8_t[]){169, 254, 3, 3}, 4);
	frame_sample_fix_checksums(&f);
	interface.addresses[0] = (struct prefix){
		{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254, 1, 1}}, 96 + 16};
	memcpy(f.bytes + V4_DST, (uint8_t[]){169, 254, 1, 1}, 4);
	frame_sample_fix_checksums(&f);
	frame_sample_expect("linked", frame_sample_parse(&interface, &f, FRAME_VLAN_NONE, &view),
			    FRAME_OK);
	memcpy(f.bytes + V4_DST, (uint8_t[]){203, 0, 113, 5}, 4);
	frame_sample_fix_checksums(&f);
	frame_sample_expect("not linked",
			    frame_sample_parse(&frame_sample_ours, &f, FRAME_VLAN_NONE, &view),
			    FRAME_IP_MARTIAN_SRC);
}

static void frame_result_text__names_every_result(void)
{
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(frame_result_text[i]);
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(frame_result_text[i], frame_result_text[j]);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(frame_parse__gives_each_frame_its_outcome),
	UNIT_TEST(frame_parse__lets_source_prefixes_pass),
	UNIT_TEST(frame_parse__takes_groups_of_its_prefixes_only),
	UNIT_TEST(frame_parse__takes_its_own_vlan_only),
	UNIT_TEST(frame_parse__finds_every_cut_short),
	UNIT_TEST(frame_parse__catches_every_flipped_bit),
	UNIT_TEST(frame_parse__ignores_padding),
	UNIT_TEST(frame_parse__shows_what_a_datagram_says),
	UNIT_TEST(frame_parse__shows_whose_mac_an_answer_tells),
	UNIT_TEST(frame_parse__lets_linked_autoconfigured_hosts_speak),
	UNIT_TEST(frame_result_text__names_every_result),
};
UNIT_SUITE(frame, tests)
