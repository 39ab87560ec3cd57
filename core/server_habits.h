/* What a server does that the protocol does not want, and that somebody guesses at queries to it: noted for a while. And what
 * is measured of any server.
 *
 * Threads: words of all workers (server_shared), or of one (server_learned). All loads and stores are relaxed, as each word
 * says all by itself.
 */
#ifndef PORTICO_SERVER_HABITS_H
#define PORTICO_SERVER_HABITS_H

#include <stdatomic.h>
#include <stdint.h>

#include "check.h"
#include "mono.h"

#define SERVER_LINE_BYTES 64

struct server_habits {
	_Atomic mono_ns edns_off_until; /* answered FORMERR or NOTIMP to EDNS and not without */
	_Atomic mono_ns case_off_until; /* does not keep letter case */
	_Atomic uint32_t case_proofs;   /* answers in a row that lost the letter case */
	/* Guesses at its queries: second since when they are counted 32 | marks in a row 16 | how many 16. any worker:
	 * writes, by server_on_guess() only; all: read */
	_Atomic uint64_t guesses;
	_Atomic mono_ns tcp_only_until; /* asked over TCP only (a mark) */
	/* The latest of the three: who asks most servers need look at no more. any worker: writes, by doubt_until() only */
	_Atomic mono_ns doubted_until;
};

static inline void server_habits_clear(struct server_habits *h)
{
	atomic_store_explicit(&h->edns_off_until, 0, memory_order_relaxed);
	atomic_store_explicit(&h->case_off_until, 0, memory_order_relaxed);
	atomic_store_explicit(&h->case_proofs, 0, memory_order_relaxed);
	atomic_store_explicit(&h->guesses, 0, memory_order_relaxed);
	atomic_store_explicit(&h->tcp_only_until, 0, memory_order_relaxed);
	atomic_store_explicit(&h->doubted_until, 0, memory_order_relaxed);
}

/* RFC 6298 section 2; a round trip of 0 us is taken for 1, as 0 means unknown. */
static inline void server_rtt_note(uint32_t *srtt_us, uint32_t *rttvar_us, uint32_t rtt_us)
{
	uint64_t rtt = rtt_us > 0 ? rtt_us : 1;
	uint64_t srtt = *srtt_us;
	uint64_t distance = srtt > rtt ? srtt - rtt : rtt - srtt;

	if (UNLIKELY(srtt == 0)) {
		*srtt_us = (uint32_t)rtt;
		*rttvar_us = (uint32_t)(rtt / 2);
		return;
	}
	srtt = (7 * srtt + rtt) / 8;
	*rttvar_us = (uint32_t)((3 * (uint64_t)*rttvar_us + distance) / 4);
	*srtt_us = srtt > 0 ? (uint32_t)srtt : 1;
}

#endif
