#include "port_set.h"

#include <string.h>

const struct port_exclusion port_exclusions_default[] = {
	/* NICs and switches parse these by their destination port: steered, decapsulated, stamped or
	 * hashed as what they are not. */
	{319, 320, "PTP: stamped by NICs (IEEE 1588)"},
	{623, 623, "RMCP: NICs pass it to the management controller (DMTF DSP0136)"},
	{664, 664, "secure RMCP: NICs pass it to the management controller (DMTF DSP0136)"},
	{2152, 2152, "GTP-U: parsed by NICs (3GPP TS 29.281)"},
	{3544, 3544, "Teredo: parsed by NICs (RFC 4380)"},
	{4341, 4342, "LISP: parsed by NICs and switches (RFC 9300, RFC 9301)"},
	{4500, 4500, "IPsec NAT traversal: parsed by NICs (RFC 3948)"},
	{4754, 4755, "GRE in UDP: parsed by NICs and switches (RFC 8086)"},
	{4789, 4789, "VXLAN: parsed by NICs (RFC 7348)"},
	{4790, 4790, "VXLAN-GPE: parsed by NICs (IANA)"},
	{4791, 4791, "RoCEv2: RDMA NICs take it (InfiniBand annex A17)"},
	{5246, 5247, "CAPWAP: parsed by switches (RFC 5415)"},
	{6080, 6080, "GUE: decapsulated by hosts and NICs (IANA)"},
	{6081, 6081, "Geneve: parsed by NICs (RFC 8926)"},
	{6635, 6636, "MPLS over UDP: parsed by NICs (RFC 7510)"},
	{8472, 8472, "VXLAN as Linux had it before 4789 (flannel, Cilium): parsed by NICs"},
	{8805, 8805, "PFCP: steered with GTP (3GPP TS 29.244)"},
	/* Routers and switches take these to their own processors, wherever they are bound. */
	{520, 521, "RIP, RIPng (RFC 2453, RFC 2080)"},
	{646, 646, "LDP (RFC 5036)"},
	{862, 862, "STAMP (RFC 8762)"},
	{1985, 1985, "HSRP (RFC 2281)"},
	{2029, 2029, "HSRP for IPv6"},
	{2123, 2123, "GTP-C (3GPP TS 29.274)"},
	{3222, 3222, "GLBP"},
	{3503, 3503, "MPLS echo (RFC 8029)"},
	{3784, 3785, "BFD, one hop (RFC 5881)"},
	{4784, 4784, "BFD, many hops (RFC 5883)"},
	{6696, 6696, "Babel (RFC 8966)"},
	{6784, 6784, "BFD on link aggregates (RFC 7130)"},
	{7784, 7784, "Seamless BFD (RFC 7881)"},
	/* Flood filters, here or at a provider, drop what comes from or goes to them. */
	{17, 17, "quote of the day: filtered as a reflector (RFC 865)"},
	{19, 19, "chargen: filtered as a reflector (RFC 864)"},
	{69, 69, "TFTP: filtered as a reflector (RFC 1350)"},
	{111, 111, "portmapper: filtered as a reflector (RFC 1833)"},
	{123, 123, "NTP: filtered as a reflector (RFC 5905)"},
	{137, 138, "NetBIOS: filtered as a reflector (RFC 1002)"},
	{161, 162, "SNMP: filtered as a reflector (RFC 3417)"},
	{177, 177, "XDMCP: filtered as a reflector"},
	{389, 389, "CLDAP: filtered as a reflector"},
	{427, 427, "SLP: filtered as a reflector (RFC 2608)"},
	{1434, 1434, "SQL Server Browser: filtered as a reflector and for its worm"},
	{1900, 1900, "SSDP: filtered as a reflector"},
	{3283, 3283, "Apple Remote Desktop: filtered as a reflector"},
	{3702, 3702, "WS-Discovery: filtered as a reflector"},
	{5093, 5093, "Sentinel license manager: filtered as a reflector"},
	{5353, 5353, "mDNS: filtered as a reflector (RFC 6762)"},
	{5683, 5684, "CoAP: filtered as a reflector (RFC 7252)"},
	{6881, 6881, "BitTorrent: filtered or slowed"},
	{10001, 10001, "Ubiquiti discovery: filtered as a reflector"},
	{11211, 11211, "memcached: filtered as a reflector"},
	{37810, 37810, "DVR discovery: filtered as a reflector"},
	{47808, 47808, "BACnet: filtered as a reflector"},
	/* Services that hosts and routers commonly bind: a reply to us must not reach them, nor may
	 * a firewall's rule for them reach our replies. */
	{67, 68, "DHCP (RFC 2131)"},
	{88, 88, "Kerberos (RFC 4120)"},
	{443, 443, "QUIC (RFC 9114)"},
	{464, 464, "Kerberos passwords (RFC 3244)"},
	{500, 500, "IKE (RFC 7296)"},
	{514, 514, "syslog (RFC 5426)"},
	{546, 547, "DHCPv6 (RFC 8415)"},
	{853, 853, "DNS over QUIC and DTLS (RFC 9250, RFC 8094)"},
	{1194, 1194, "OpenVPN"},
	{1645, 1646, "RADIUS, the old ports"},
	{1701, 1701, "L2TP (RFC 2661)"},
	{1719, 1719, "H.323 gatekeepers (ITU-T H.225.0)"},
	{1812, 1813, "RADIUS (RFC 2865, RFC 2866)"},
	{2049, 2049, "NFS"},
	{2055, 2055, "NetFlow"},
	{2083, 2083, "RADIUS over DTLS (RFC 7360)"},
	{2427, 2427, "MGCP gateways (RFC 3435)"},
	{2727, 2727, "MGCP call agents (RFC 3435)"},
	{3389, 3389, "Remote Desktop"},
	{3478, 3478, "STUN and TURN (RFC 8489, RFC 8656)"},
	{3799, 3799, "RADIUS dynamic authorization (RFC 5176)"},
	{4739, 4740, "IPFIX (RFC 7011)"},
	{5004, 5005, "RTP (RFC 3551)"},
	{5060, 5061, "SIP: rewritten by gateways (RFC 3261)"},
	{5349, 5349, "STUN and TURN over DTLS (RFC 8489, RFC 8656)"},
	{5350, 5351, "PCP and NAT-PMP (RFC 6887, RFC 6886)"},
	{5355, 5355, "LLMNR (RFC 4795)"},
	{5404, 5405, "Corosync"},
	{6343, 6343, "sFlow"},
	{6514, 6514, "syslog over DTLS (RFC 6012)"},
	{8125, 8125, "StatsD"},
	{8285, 8285, "flannel's UDP backend"},
	{8301, 8302, "Consul (Serf)"},
	{9899, 9899, "SCTP over UDP (RFC 6951)"},
	{9993, 9993, "ZeroTier"},
	{9995, 9996, "NetFlow, other common ports"},
	{10161, 10162, "SNMP over DTLS (RFC 6353)"},
	{25826, 25826, "collectd"},
	{41641, 41641, "Tailscale"},
	{51820, 51821, "WireGuard (and flannel's, for IPv6)"},
	{51871, 51871, "Cilium's WireGuard"},
};
const unsigned port_exclusions_default_count = ARRAY_COUNT(port_exclusions_default);

#define WORD_BITS 64

void port_map_clear(struct port_map *m)
{
	memset(m, 0, sizeof(*m));
}

void port_map_add(struct port_map *m, uint16_t first, uint16_t last)
{
	CHECK(first <= last);
	for (uint32_t port = first; port <= last; port++)
		m->bits[port / WORD_BITS] |= UINT64_C(1) << (port % WORD_BITS);
}

void port_map_remove(struct port_map *m, uint16_t first, uint16_t last)
{
	CHECK(first <= last);
	for (uint32_t port = first; port <= last; port++)
		m->bits[port / WORD_BITS] &= ~(UINT64_C(1) << (port % WORD_BITS));
}

bool port_map_has(const struct port_map *m, uint16_t port)
{
	return (m->bits[port / WORD_BITS] >> (port % WORD_BITS)) & 1;
}

uint32_t port_map_count(const struct port_map *m)
{
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(m->bits); i++)
		count += (uint32_t)__builtin_popcountll(m->bits[i]);
	return count;
}

void port_set_build(struct port_set *s, const struct port_map *m)
{
	s->map = *m;
	port_map_remove(&s->map, 0, 0);
	s->port_count = 0;
	for (uint32_t port = 1; port < PORT_COUNT; port++)
		if (port_map_has(&s->map, (uint16_t)port))
			s->ports[s->port_count++] = (uint16_t)port;
}
