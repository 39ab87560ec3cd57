#include "port_set.h"

#include <string.h>

const struct port_exclusion port_exclusions_default[] = {
	/* NICs and switches parse these by their destination port: steered, decapsulated or hashed
	 * as what they are not. */
	{2152, 2152, "GTP-U: parsed by NICs (3GPP TS 29.281)"},
	{3544, 3544, "Teredo: parsed by NICs (RFC 4380)"},
	{4500, 4500, "IPsec NAT traversal: parsed by NICs (RFC 3948)"},
	{4789, 4789, "VXLAN: parsed by NICs (RFC 7348)"},
	{4790, 4790, "VXLAN-GPE: parsed by NICs (IANA)"},
	{4791, 4791, "RoCEv2: RDMA NICs take it (InfiniBand annex A17)"},
	{6081, 6081, "Geneve: parsed by NICs (RFC 8926)"},
	{6635, 6635, "MPLS over UDP: parsed by NICs (RFC 7510)"},
	{8472, 8472, "VXLAN as Linux had it before 4789: parsed by NICs"},
	/* Services that hosts and routers commonly bind: a reply to us must not reach them, nor may
	 * a firewall's or flood filter's rule for them reach our replies. */
	{1194, 1194, "OpenVPN"},
	{1645, 1646, "RADIUS, the old ports"},
	{1701, 1701, "L2TP (RFC 2661)"},
	{1812, 1813, "RADIUS (RFC 2865, RFC 2866)"},
	{1900, 1900, "SSDP: filtered as a reflector"},
	{2049, 2049, "NFS"},
	{2055, 2055, "NetFlow"},
	{2123, 2123, "GTP-C (3GPP TS 29.274)"},
	{3478, 3478, "STUN and TURN (RFC 8489)"},
	{3784, 3785, "BFD, one hop (RFC 5881)"},
	{3799, 3799, "RADIUS dynamic authorization (RFC 5176)"},
	{4739, 4739, "IPFIX (RFC 7011)"},
	{4784, 4784, "BFD, many hops (RFC 5883)"},
	{5060, 5061, "SIP: rewritten by gateways (RFC 3261)"},
	{5353, 5353, "mDNS (RFC 6762)"},
	{5355, 5355, "LLMNR (RFC 4795)"},
	{6343, 6343, "sFlow"},
	{6784, 6784, "BFD on link aggregates (RFC 7130)"},
	{7784, 7784, "Seamless BFD (RFC 7881)"},
	{11211, 11211, "memcached: filtered as a reflector"},
	{51820, 51820, "WireGuard"},
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
