/* What stands below DNS: Ethernet, 802.1Q, IPv4, IPv6, UDP, ARP, ND and ICMP echo, parsed with all
 * the checks that a kernel would have made (SECURITY.md section 3.3), and built.
 *
 * Memory: a view borrows the frame. Threads: pure functions. Bound: one header of each layer; no
 * extension header is followed, no fragment is kept.
 * RFCs: 791, 826, 768, 792, 1122, 4443, 4861, 5227, 8200; IEEE 802.3, 802.1Q.
 */
#ifndef PORTICO_FRAME_H
#define PORTICO_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "span.h"

#define FRAME_VLAN_NONE 0xffffu
/* Room that headers take at most: Ethernet 14 + 802.1Q 4 + IPv6 40 + UDP 8. */
#define FRAME_HEADER_BYTES_MAX 66

/* What the kernel has of an interface. */
enum frame_kernel {
	FRAME_KERNEL_NONE, /* nothing: ARP, ND and echo are ours to answer */
	FRAME_KERNEL_SHARES, /* device and addresses: ARP, ND, ICMP and all that is not for us is its */
	FRAME_KERNEL_TAP, /* the addresses, on a TAP of ours: the same, but we bring it there */
};

/* What an interface is to the parser. Written at start, read by workers. */
struct frame_interface {
	struct mac mac;
	uint16_t vlan; /* 1..4094, or FRAME_VLAN_NONE: only untagged */
	uint16_t mtu_bytes;
	uint8_t address_count;
	struct prefix addresses[32]; /* own addresses, each with its on-link prefix length */
	/* Link-local address from the MAC (RFC 4291 appendix A): ours too, for ND. */
	struct address link_local;
	/* Networks of which some addresses are ours, for a while (random interface identifiers): packets, ND solicitations
	 * and echo requests to any address in them pass the parser, and the caller knows which are ours. */
	uint8_t source_prefix_count;
	struct prefix source_prefixes[16];
	uint8_t kernel; /* enum frame_kernel */
};

enum frame_kind {
	FRAME_UDP,
	FRAME_ARP_REQUEST,  /* for one of our addresses, sender on-link, sender MAC = frame MAC */
	FRAME_ARP_REPLY,    /* addressed to us; whether we asked is the caller's question */
	FRAME_ND_SOLICIT,   /* neighbour solicitation for one of ours; valid by RFC 4861 7.1.1 */
	FRAME_ND_ADVERTISE, /* neighbour advertisement; valid by RFC 4861 section 7.1.2 */
	FRAME_ECHO_REQUEST, /* ICMP or ICMPv6, unicast to us */
	/* A gratuitous or unsolicited word of a neighbour's address (ARP announcement): a hint that
	 * it may have moved, never learned from (SECURITY.md section 3.3 row 25). */
	FRAME_NEIGHBOUR_HINT,
};

/* Why a frame is not for us. One name each; each has its counter. */
enum frame_result {
	FRAME_OK,
	FRAME_SHORT,     /* shorter than its headers say, IP total length included */
	FRAME_L2_DST,    /* destination MAC not ours */
	FRAME_L2_SRC,    /* source MAC zero, multicast or our own */
	FRAME_VLAN,      /* tag missing, wrong, double or priority-only */
	FRAME_ETHERTYPE, /* neither IPv4, IPv6 nor ARP */
	FRAME_IP_HEADER, /* version, header length, total length, jumbogram */
	FRAME_IP_CHECKSUM,
	FRAME_IP_OPTIONS,     /* IPv4 header longer than 20 bytes */
	FRAME_IP_FRAGMENT,    /* MF, offset, or a v6 fragment header, atomic too */
	FRAME_IP_EXTENSION,   /* any other IPv6 extension header */
	FRAME_IP_MARTIAN_SRC, /* source that no host may have, our own, or a subnet broadcast */
	FRAME_IP_DST,         /* destination not one of our addresses */
	FRAME_IP_PROTOCOL,    /* neither UDP nor ICMP */
	FRAME_UDP_LENGTH,     /* < 8 or not exactly the IP payload */
	FRAME_UDP_CHECKSUM,   /* wrong, or zero over IPv6 */
	FRAME_UDP_PORT,       /* source port 0 */
	FRAME_ARP,            /* malformed, not for us, sender off-link or claiming our address */
	FRAME_ND,             /* violates RFC 4861 section 7.1, not for us, or claims our address */
	FRAME_ICMP_CHECKSUM,
	FRAME_ICMP_TYPE, /* errors, redirects, router advertisements, timestamps, multicast echo,
				 echo of more than 1 472 bytes: not served */
	FRAME_RESULT_COUNT,
};
extern const char *const frame_result_text[FRAME_RESULT_COUNT];

struct frame_view {
	enum frame_kind kind;
	struct mac src_mac;
	struct address src; /* ARP: sender protocol address; NA: the source address */
	struct address dst; /* ARP request, NS: the address asked for (ours) */
	uint16_t src_port;
	uint16_t dst_port;
	/* UDP: the DNS message. Echo: the ICMP message from its type byte on. */
	struct span payload;
	/* ARP reply, NA and hints: whose MAC this is, and which. */
	struct address target;
	struct mac target_mac; /* NA without a link-layer address option: the frame's source MAC */
	bool target_mac_present;
	bool solicited;   /* NA: S flag; ARP reply: unicast to us */
	uint8_t vlan_pcp; /* priority bits of the tag, echoed in an answer */
};

/* Parse one received frame (untrusted), from its destination MAC on, without FCS. Padding beyond
 * the IP length is ignored. *out is written on FRAME_OK only.
 *   stripped_vlan  a tag that the NIC has taken off (TCI), or FRAME_VLAN_NONE */
MUST_USE static inline enum frame_result frame_parse(const struct frame_interface *interface,
						     struct span frame, uint16_t stripped_vlan,
						     struct frame_view *out);

/* Its two halves: plain UDP datagrams to us (false: not one of them, *out is untouched), and whatever there is. */
MUST_USE bool frame_udp_parse(const struct frame_interface *interface, struct span frame,
			      uint16_t stripped_vlan, struct frame_view *out);
MUST_USE enum frame_result frame_parse_any(const struct frame_interface *interface,
					   struct span frame, uint16_t stripped_vlan,
					   struct frame_view *out);

static inline enum frame_result frame_parse(const struct frame_interface *interface,
					    struct span frame, uint16_t stripped_vlan,
					    struct frame_view *out)
{
	if (LIKELY(frame_udp_parse(interface, frame, stripped_vlan, out)))
		return FRAME_OK;
	return frame_parse_any(interface, frame, stripped_vlan, out);
}

struct frame_udp_params {
	struct mac src_mac;
	struct mac dst_mac;
	uint16_t vlan; /* or FRAME_VLAN_NONE */
	uint8_t vlan_pcp;
	struct address src; /* both of one family */
	struct address dst;
	uint16_t src_port;
	uint16_t dst_port;
};

/* Bytes of headers before the UDP payload for this family and VLAN: 42, 46, 62 or 66. */
static inline unsigned frame_udp_header_bytes(const struct address *dst, uint16_t vlan)
{
	return 14u + (vlan != FRAME_VLAN_NONE ? 4u : 0u) + (address_is_v4(dst) ? 20u : 40u) + 8u;
}

/* Write the headers for a payload of payload_bytes that already stands at
 * frame + frame_udp_header_bytes(); both checksums computed (IPv4 DF=1, ID 0; IPv6 UDP checksum
 * never 0). Returns the frame's length; frames below 60 bytes are not padded (drivers and NICs
 * do). */
unsigned frame_build_udp(uint8_t *frame, const struct frame_udp_params *params,
			 unsigned payload_bytes);

/* The same for the answer to a question, in place: its headers become the answer's, byte for byte those that
 * frame_build_udp would write from view's dst to its src, ours to its src_mac, with the interface's VLAN and
 * the question's priority. view is frame_parse's of that very frame (kind FRAME_UDP, headers untouched since), and the
 * answer's payload stands where the question's stood. Returns the frame's length; 0, and nothing is
 * written, where the NIC took the question's tag off: then headers and payload belong 4 bytes further on, and
 * frame_build_udp builds the answer. */
MUST_USE unsigned frame_reflect_udp(const struct frame_interface *interface, uint8_t *frame,
				    const struct frame_view *view, unsigned payload_bytes);

/* The same of a payload whose sum is known: unfolded, of its words as they lie in memory (frame_wire_sum). */
MUST_USE unsigned frame_reflect_udp_summed(const struct frame_interface *interface, uint8_t *frame,
					   const struct frame_view *view, unsigned payload_bytes,
					   uint64_t payload_sum);

/* The answer to an ARP request, NS or echo request, over the frame that asked (in place, it has
 * capacity_bytes): returns the length, 0 if it does not fit. view is frame_parse's of that
 * frame. */
unsigned frame_build_answer(const struct frame_interface *interface, struct buffer frame,
			    const struct frame_view *view);

/* ARP request or neighbour solicitation for target. dst_mac NULL: broadcast, or the solicited-node
 * multicast group; else unicast (a probe). src is our address of the same family. Returns the
 * length; 90 bytes suffice. */
unsigned frame_build_solicit(const struct frame_interface *interface, struct buffer frame,
			     const struct address *src, const struct address *target,
			     const struct mac *dst_mac);

/* RFC 4291 appendix A: the link-local address that a MAC makes. */
struct address frame_link_local(const struct mac *mac);

/* RFC 1071 sum over bytes as big-endian words, added to sum, folded to 16 bits, not complemented.
 * An odd last byte is padded with zero, so only the last piece of a sum may be of odd length. */
uint32_t frame_sum(uint32_t sum, struct span bytes);

#endif
