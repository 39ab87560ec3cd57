/* The only file that speaks both DPDK's packet buffers (mbufs) and core's slots.
 *
 * Memory: a slot borrows its mbuf until the mbuf is sent or freed. Threads: the worker's.
 */
#ifndef PORTICO_MBUF_SPAN_H
#define PORTICO_MBUF_SPAN_H

#include "dpdk_app/dpdk.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "core/check.h"
#include "core/engine.h"
#include "core/frame.h"

/* What one received buffer holds after its headroom; frames that need more come in segments. */
#define MBUF_DATA_BYTES 2048

/* May it be written to? Not if somebody else holds it too, or it only points to what another owns. */
static inline bool mbuf_is_ours(const struct rte_mbuf *mbuf)
{
	return rte_mbuf_refcnt_read(mbuf) == 1 && RTE_MBUF_DIRECT(mbuf);
}

static inline void mbuf_to_rx_slot(struct rte_mbuf *mbuf, uint8_t interface_idx, enum rx_kind kind,
				   struct rx_slot *out)
{
	*out = (struct rx_slot){
		.data = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.length_bytes = mbuf->data_len,
		.headroom_bytes = rte_pktmbuf_headroom(mbuf),
		.tailroom_bytes = rte_pktmbuf_tailroom(mbuf),
		.vlan = (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? mbuf->vlan_tci
									    : FRAME_VLAN_NONE,
		.interface_idx = interface_idx,
		.kind = (uint8_t)kind,
		.in_place = mbuf->nb_segs == 1 && mbuf_is_ours(mbuf),
		.multi_segment = mbuf->nb_segs > 1,
	};
}

/* The frame that the engine left in the buffer (data anywhere in it), ready for rte_eth_tx_burst. */
static inline void mbuf_set_frame(struct rte_mbuf *mbuf, const uint8_t *data, uint32_t length_bytes)
{
	size_t offset = (size_t)(data - (const uint8_t *)mbuf->buf_addr);

	CHECK(offset + length_bytes <= mbuf->buf_len);
	mbuf->data_off = (uint16_t)offset;
	mbuf->data_len = (uint16_t)length_bytes;
	mbuf->pkt_len = length_bytes;
	/* What reception noted (VLAN, RSS, checksums) must not be read as a wish for transmission. */
	mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	mbuf->tx_offload = 0;
	mbuf->vlan_tci = 0;
}

static inline void mbuf_to_tx_slot(struct rte_mbuf *mbuf, struct tx_slot *out)
{
	*out = (struct tx_slot){
		.data = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.capacity_bytes = rte_pktmbuf_tailroom(mbuf),
	};
}

#endif
