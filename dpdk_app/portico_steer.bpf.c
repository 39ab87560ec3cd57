/* In the kernel, for every packet that comes in on a NIC that Portico shares with it: is it Portico's (xdp_steer.h)?
 *
 * portico_steer (XDP) passes Portico's packets to its AF_XDP sockets; where the queue has none, as when Portico is dead, the
 * kernel has them. portico_drop (tc ingress) is for the fallback: Portico reads copies from a packet socket, and what
 * is its own is dropped here, so that the kernel does not answer that nobody listens; only while Portico lives. Where the
 * kernel has what is its by a TAP (drop_all), all copies are dropped.
 *
 * Compiled by clang for the bpf target into an object that is part of the portico program.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "xdp_steer.h"

#define VLAN_ID 0x0fff
#define VLAN_TAG_BYTES 4
#define IPV4_PLAIN 0x45            /* version 4, five words: no options */
#define IPV4_MORE_OR_OFFSET 0x3fff /* a fragment, be it the first */
#define IPV4_LEAST_BYTES (20 + 8)
#define IPV6_VERSION 6
#define IPV6_LEAST_PAYLOAD_BYTES 8
/* RFC 4291 section 2.5.5.2: an IPv4 address behind ten zeroes and ff ff. */
#define MAPPED bpf_htonl(0xffff)
#define HEADERS_BYTES_MAX (14 + VLAN_TAG_BYTES + 40 + 8)

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_STEER_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_steer);
} portico_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, XDP_STEER_PEERS_MAX);
	__type(key, struct xdp_steer_peer);
	__type(value, __u32);
} portico_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_STEER_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} portico_count SEC(".maps");

/* Where a UDP packet goes, and whence it comes. */
struct flow {
	struct xdp_steer_address to;
	struct xdp_steer_address from;
	__u16 to_port;
	__u16 from_port;
};

static __always_inline bool read_udp(const struct udphdr *udp, const void *end, struct flow *out)
{
	if ((const void *)(udp + 1) > end)
		return false;
	out->to_port = bpf_ntohs(udp->dest);
	out->from_port = bpf_ntohs(udp->source);
	return true;
}

static __always_inline bool read_ipv4(const struct iphdr *ip, const void *end, struct flow *out)
{
	if ((const void *)(ip + 1) > end || *(const __u8 *)ip != IPV4_PLAIN)
		return false;
	if (ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(IPV4_MORE_OR_OFFSET)) != 0)
		return false;
	if (bpf_ntohs(ip->tot_len) < IPV4_LEAST_BYTES)
		return false;
	out->to.words[0] = 0;
	out->to.words[1] = (__u64)ip->daddr << 32 | MAPPED;
	out->from.words[0] = 0;
	out->from.words[1] = (__u64)ip->saddr << 32 | MAPPED;
	return read_udp((const void *)(ip + 1), end, out);
}

static __always_inline bool is_mapped(const struct xdp_steer_address *address)
{
	return address->words[0] == 0 && (__u32)address->words[1] == MAPPED;
}

static __always_inline bool read_ipv6(const struct ipv6hdr *ip, const void *end, struct flow *out)
{
	if ((const void *)(ip + 1) > end || *(const __u8 *)ip >> 4 != IPV6_VERSION)
		return false;
	if (ip->nexthdr != IPPROTO_UDP || bpf_ntohs(ip->payload_len) < IPV6_LEAST_PAYLOAD_BYTES)
		return false;
	out->to.words[0] = (__u64)ip->daddr.s6_addr32[1] << 32 | ip->daddr.s6_addr32[0];
	out->to.words[1] = (__u64)ip->daddr.s6_addr32[3] << 32 | ip->daddr.s6_addr32[2];
	out->from.words[0] = (__u64)ip->saddr.s6_addr32[1] << 32 | ip->saddr.s6_addr32[0];
	out->from.words[1] = (__u64)ip->saddr.s6_addr32[3] << 32 | ip->saddr.s6_addr32[2];
	/* Stands for IPv4 addresses, and for none on the wire. */
	if (is_mapped(&out->to) || is_mapped(&out->from))
		return false;
	return read_udp((const void *)(ip + 1), end, out);
}

/* vlan: in: of a tag that was taken off, or XDP_STEER_NO_VLAN; out: of the one tag, wherever it was. */
static __always_inline bool read_frame(const void *data, const void *end, __u32 *vlan,
				       struct flow *out)
{
	const struct ethhdr *ethernet = data;
	const __be16 *type = data + 2 * ETH_ALEN;

	if ((const void *)(ethernet + 1) > end)
		return false;
	if (*type == bpf_htons(ETH_P_8021Q) && *vlan == XDP_STEER_NO_VLAN) {
		if ((const void *)(ethernet + 1) + VLAN_TAG_BYTES > end)
			return false;
		*vlan = bpf_ntohs(type[1]) & VLAN_ID;
		type += 2;
	}
	if (*type == bpf_htons(ETH_P_IP))
		return read_ipv4((const void *)(type + 1), end, out);
	if (*type == bpf_htons(ETH_P_IPV6))
		return read_ipv6((const void *)(type + 1), end, out);
	return false;
}

static __always_inline bool has_port(const __u8 ports[XDP_STEER_PORT_BYTES], __u16 port)
{
	return ports[port >> 3] >> (port & 7) & 1;
}

static __always_inline bool is_question(const struct xdp_steer *steer, const struct flow *flow)
{
	for (__u32 i = 0; i < XDP_STEER_LISTEN_MAX; i++) {
		const struct xdp_steer_listen *listen = &steer->listen[i];

		if (i >= steer->listen_count)
			return false;
		if (listen->port == flow->to_port &&
		    listen->address.words[0] == flow->to.words[0] &&
		    listen->address.words[1] == flow->to.words[1])
			return true;
	}
	return false;
}

static __always_inline bool is_asked(const struct xdp_steer *steer, const struct flow *flow)
{
	const struct xdp_steer_peer peer = {.address = flow->from, .port = flow->from_port};

	if (!has_port(steer->asked_ports, flow->from_port))
		return false;
	return steer->only_peers == 0 || bpf_map_lookup_elem(&portico_peers, &peer) != NULL;
}

static __always_inline bool is_to_eligible(const struct xdp_steer *steer, const struct flow *flow)
{
	for (__u32 i = 0; i < XDP_STEER_OUTGOING_MAX; i++) {
		const struct xdp_steer_outgoing *outgoing = &steer->outgoing[i];
		const __u64 *address = outgoing->address.words;
		const __u64 *mask = outgoing->mask.words;

		if (i >= steer->outgoing_count)
			return false;
		if (((flow->to.words[0] ^ address[0]) & mask[0]) == 0 &&
		    ((flow->to.words[1] ^ address[1]) & mask[1]) == 0 &&
		    has_port(outgoing->ports, flow->to_port))
			return true;
	}
	return false;
}

static __always_inline enum xdp_steer_counter judge(const struct xdp_steer *steer, const void *data,
						    const void *end, __u32 vlan)
{
	struct flow flow;

	if (!read_frame(data, end, &vlan, &flow) || vlan != steer->vlan)
		return XDP_STEER_KERNEL;
	if (is_question(steer, &flow))
		return XDP_STEER_QUESTIONS;
	if (is_to_eligible(steer, &flow) && is_asked(steer, &flow))
		return XDP_STEER_REPLIES;
	return XDP_STEER_KERNEL;
}

static __always_inline void count(enum xdp_steer_counter which)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&portico_count, &key);

	if (value != NULL)
		(*value)++;
}

static __always_inline const struct xdp_steer *steer_table(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&portico_ports, &key);
}

SEC("xdp")
int portico_steer(struct xdp_md *packet)
{
	const struct xdp_steer *steer = steer_table();
	enum xdp_steer_counter verdict;

	if (steer == NULL)
		return XDP_PASS;
	verdict = judge(steer, (const void *)(long)packet->data,
			(const void *)(long)packet->data_end, XDP_STEER_NO_VLAN);
	count(verdict);
	if (verdict == XDP_STEER_KERNEL)
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks_map, packet->rx_queue_index, XDP_PASS);
}

/* "?": not loaded with the other, for whoever wants that one. */
SEC("?tc")
int portico_drop(struct __sk_buff *packet)
{
	const struct xdp_steer *steer = steer_table();
	__u32 vlan = packet->vlan_present ? packet->vlan_tci & VLAN_ID : XDP_STEER_NO_VLAN;
	__u32 wanted = packet->len < HEADERS_BYTES_MAX ? packet->len : HEADERS_BYTES_MAX;
	enum xdp_steer_counter verdict;

	if (steer == NULL || bpf_ktime_get_ns() - steer->alive_ns >= XDP_STEER_ALIVE_NS)
		return TC_ACT_UNSPEC;
	if (packet->vlan_present && packet->vlan_proto != bpf_htons(ETH_P_8021Q))
		return TC_ACT_UNSPEC;
	if (steer->drop_all != 0)
		return vlan == steer->vlan ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	/* Headers may lie in pages of their own. */
	if ((__u64)packet->data + wanted > packet->data_end &&
	    bpf_skb_pull_data(packet, wanted) != 0)
		return TC_ACT_UNSPEC;
	verdict = judge(steer, (const void *)(long)packet->data,
			(const void *)(long)packet->data_end, vlan);
	count(verdict);
	return verdict == XDP_STEER_KERNEL ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* Some helpers are for programs under this licence only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
