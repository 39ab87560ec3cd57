/* Filter expressions as tcpdump knows them (pcap-filter(7)), compiled and run by libpcap.
 *
 * Run by libpcap's interpreter and not by rte_bpf_convert() with DPDK's JIT: those of 22.11 answer wrongly for
 * `ether multicast` and `tcp[tcpflags] & tcp-syn != 0`, and crash on the latter.
 *
 * Memory: on the heap, by make and free only. Threads: make and free on one, matches on any at once.
 */
#ifndef PORTICO_CAPTURE_FILTER_H
#define PORTICO_CAPTURE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"

#define CAPTURE_WHY_BYTES 128

struct capture_filter;

/* NULL: no such filter, and `why` says so in libpcap's words. May ask the resolver of this host where the expression
 * has host names, so for seconds. "" matches everything. */
MUST_USE struct capture_filter *capture_filter_make(const char *expression,
						    char why[CAPTURE_WHY_BYTES]);
void capture_filter_free(struct capture_filter *f);

/* Does an Ethernet frame match? The frame is untrusted; what lies beyond present_bytes of its frame_bytes does not match.
 * A program only jumps forward, so each of its instructions runs once at most. */
bool capture_filter_matches(const struct capture_filter *f, const uint8_t *frame,
			    uint32_t frame_bytes, uint32_t present_bytes);

#endif
