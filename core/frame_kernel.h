/* What a frame is to the kernel that stands behind a TAP of ours and gets all that is not DNS: whether it may have it at all,
 * and which UDP ports it is about, behind whatever IP options and extension headers there are, so that nothing that is for
 * a port of ours slips by.
 *
 * Memory: a view is its own. Threads: pure functions. Bound: one IP header and FRAME_KERNEL_EXTENSIONS_MAX extension headers.
 * RFCs: 791, 768, 8200, 7045; IEEE 802.3, 802.1Q. Test: test_frame_kernel.c; fuzz_frame.c.
 */
#ifndef PORTICO_FRAME_KERNEL_H
#define PORTICO_FRAME_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "check.h"
#include "frame.h"
#include "span.h"

#define FRAME_KERNEL_EXTENSIONS_MAX 8

struct frame_kernel_view {
	/* UDP, or a fragment of what may be UDP. All else here says nothing without it. */
	bool is_udp;
	bool is_fragment;
	bool has_ports; /* else they are in another fragment, or the packet ends before them */
	struct address src;
	struct address dst;
	uint16_t src_port;
	uint16_t dst_port;
};

/* A received frame (untrusted). FRAME_OK: Ethernet is well-formed, the tag is the interface's, it is for us or a group, from
 * somebody else; an IP header, if there is one, is whole. *out is written then only.
 *   stripped_vlan  a tag that the NIC has taken off (TCI), or FRAME_VLAN_NONE */
MUST_USE enum frame_result frame_kernel_parse(const struct frame_interface *interface,
					      struct span frame, uint16_t stripped_vlan,
					      struct frame_kernel_view *out);

/* A frame of the kernel's as it is to be sent, with the interface's tag: what of it is UDP. FRAME_OK: *out is written. */
MUST_USE enum frame_result frame_kernel_parse_sent(const struct frame_interface *interface,
						   struct span frame,
						   struct frame_kernel_view *out);

#endif
