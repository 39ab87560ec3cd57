/* A sample of the ports and IDs that a worker has sent from one outgoing address, counted in blocks: what
 * estimates of their randomness are made of (dpdk_app/entropy_meter.h).
 *
 * Two successive tickets in SOURCE_METER_STRIDE are counted, and the step between them: a counter shows in the
 * steps, a bias in the values. Memory: 16 KiB each. Threads: worker: writes; others: read, relaxed.
 */
#ifndef PORTICO_SOURCE_METER_H
#define PORTICO_SOURCE_METER_H

#include <stdint.h>

#include "ticket.h"

#define SOURCE_METER_BLOCKS 1024
#define SOURCE_METER_BLOCK_SHIFT 6 /* 64 values a block */
#define SOURCE_METER_STRIDE 7

struct source_meter {
	uint32_t ports[SOURCE_METER_BLOCKS];
	uint32_t ids[SOURCE_METER_BLOCKS];
	uint32_t port_steps[SOURCE_METER_BLOCKS]; /* (this - the one before) mod 65,536 */
	uint32_t id_steps[SOURCE_METER_BLOCKS];
	uint32_t sent; /* tickets, counted or not */
	struct ticket last;
};

static inline void source_meter_add(struct source_meter *m, struct ticket ticket)
{
	uint32_t phase = m->sent++ % SOURCE_METER_STRIDE;

	if (phase > 1)
		return;
	m->ports[ticket.port >> SOURCE_METER_BLOCK_SHIFT]++;
	m->ids[ticket.id >> SOURCE_METER_BLOCK_SHIFT]++;
	if (phase == 1) {
		m->port_steps[(uint16_t)(ticket.port - m->last.port) >> SOURCE_METER_BLOCK_SHIFT]++;
		m->id_steps[(uint16_t)(ticket.id - m->last.id) >> SOURCE_METER_BLOCK_SHIFT]++;
	}
	m->last = ticket;
}

#endif
