/* Packets on their way to the engines and between them; the driver's part: their verdicts carried out. */
#include <stdlib.h>
#include <string.h>

#include "world_own.h"

struct world_packet {
	mono_ns due;
	uint8_t kind; /* enum rx_kind */
	uint32_t length_bytes;
	bool carried; /* in memory of who carries TCP: nothing may be sent in it */
	uint8_t memory[WORLD_HEADROOM_BYTES + WORLD_BUFFER_BYTES];
};

static struct world_packet *packet_new(enum rx_kind kind, const uint8_t *data, uint32_t length)
{
	struct world_packet *p = malloc(sizeof(*p));

	CHECK(p != NULL && length <= WORLD_BUFFER_BYTES);
	p->kind = (uint8_t)kind;
	p->carried = false;
	p->length_bytes = length;
	memcpy(p->memory + WORLD_HEADROOM_BYTES, data, length);
	return p;
}

/* ---- rings ---- */

static void ring_new(struct world_ring *ring, unsigned capacity)
{
	*ring = (struct world_ring){.packets = calloc(capacity, sizeof(struct world_packet *)),
				    .capacity = capacity};
	CHECK(ring->packets != NULL);
}

static struct world_packet *ring_pop(struct world_ring *ring)
{
	struct world_packet *p = ring->packets[ring->first];

	ring->first = (ring->first + 1) % ring->capacity;
	ring->count--;
	return p;
}

static bool ring_push(struct world_ring *ring, struct world_packet *p, mono_ns due)
{
	if (ring->count == ring->capacity)
		return false;
	p->due = due > ring->last_due ? due : ring->last_due;
	ring->last_due = p->due;
	ring->packets[(ring->first + ring->count++) % ring->capacity] = p;
	return true;
}

static void ring_free(struct world_ring *ring)
{
	while (ring->count > 0)
		free(ring_pop(ring));
	free(ring->packets);
}

static mono_ns ring_next(const struct world_ring *ring)
{
	return ring->count > 0 ? ring->packets[ring->first]->due : MONO_NEVER;
}

/* RX_PACKET is no ring's: that is the device. */
#define EACH_RING(kind, from, w)                                                                   \
	for (unsigned kind = RX_PACKET + 1; kind < RX_KIND_COUNT; kind++)                          \
		for (unsigned from = 0; from <= (w)->engine_count; from++)

void world_rings_new(struct world *w)
{
	for (unsigned to = 0; to < w->engine_count; to++) {
		ring_new(&w->devices[to], w->params.ring_capacity);
		EACH_RING(kind, from, w)
		ring_new(&w->rings[kind][to][from], w->params.ring_capacity);
	}
}

void world_rings_free(struct world *w)
{
	for (unsigned to = 0; to < w->engine_count; to++) {
		if (w->devices[to].packets == NULL)
			continue;
		ring_free(&w->devices[to]);
		EACH_RING(kind, from, w)
		ring_free(&w->rings[kind][to][from]);
	}
}

mono_ns world_rings_next(const struct world *w)
{
	mono_ns next = MONO_NEVER;

	for (unsigned to = 0; to < w->engine_count; to++) {
		if (w->stopped[to])
			continue;
		if (ring_next(&w->devices[to]) < next)
			next = ring_next(&w->devices[to]);
		EACH_RING(kind, from, w)
		if (ring_next(&w->rings[kind][to][from]) < next)
			next = ring_next(&w->rings[kind][to][from]);
	}
	return next;
}

uint64_t world_in_rings(const struct world *w)
{
	uint64_t sum = 0;

	for (unsigned to = 0; to < w->engine_count; to++) {
		sum += w->devices[to].count;
		EACH_RING(kind, from, w)
		sum += w->rings[kind][to][from].count;
	}
	return sum;
}

static bool pass(struct world *w, unsigned from, unsigned to, struct world_packet *p)
{
	enum rx_kind kind = (enum rx_kind)p->kind;
	mono_ns due = w->now;

	CHECK(to < w->engine_count && to != from && kind > RX_PACKET && kind < RX_KIND_COUNT);
	if (w->params.ring_delay_ns != NULL)
		due += w->params.ring_delay_ns(w->params.context, from, to, kind);
	if (ring_push(&w->rings[kind][to][from], p, due))
		return true;
	w->ring_drops[kind]++;
	free(p);
	engine_not_passed(w->engines[from], kind, 1);
	return false;
}

bool world_pass(struct world *w, unsigned from, unsigned to, enum rx_kind kind, const uint8_t *data,
		uint32_t length_bytes)
{
	struct world_packet *p = packet_new(kind, data, length_bytes);

	p->carried = from == w->engine_count;
	return pass(w, from, to, p);
}

void world_frame(struct world *w, unsigned engine, const uint8_t *frame, uint32_t length_bytes)
{
	struct world_packet *p = packet_new(RX_PACKET, frame, length_bytes);

	CHECK(engine < w->engine_count);
	w->steps++;
	if (!ring_push(&w->devices[engine], p, w->now)) {
		w->ring_drops[RX_PACKET]++;
		free(p);
	}
}

/* ---- a burst ---- */

static void carry_out(struct world *w, unsigned engine, struct world_packet *p,
		      const struct rx_slot *slot)
{
	CHECK(slot->outcome < COUNTER_OUTCOME_COUNT && slot->verdict <= RX_KERNEL);
	CHECK(!p->carried || slot->verdict == RX_FREE);
	w->outcomes[slot->outcome]++;
	switch ((enum rx_verdict)slot->verdict) {
	case RX_SEND:
		world_take_frame(w, engine, slot->data, slot->length_bytes);
		break;
	case RX_WORKER:
		CHECK(slot->data == p->memory + WORLD_HEADROOM_BYTES);
		p->length_bytes = slot->length_bytes;
		p->kind = slot->kind;
		(void)pass(w, engine, slot->to_worker, p);
		return;
	case RX_FREE:
	case RX_KERNEL:
		break;
	}
	free(p);
}

static void burst_in(struct world *w, unsigned engine, struct world_packet *packets[],
		     unsigned count)
{
	struct rx_slot slots[BURST_SLOTS_MAX];

	for (unsigned i = 0; i < count; i++) {
		slots[i] = (struct rx_slot){
			.data = packets[i]->memory + WORLD_HEADROOM_BYTES,
			.length_bytes = packets[i]->length_bytes,
			.headroom_bytes = WORLD_HEADROOM_BYTES,
			.tailroom_bytes = (uint16_t)(WORLD_BUFFER_BYTES - packets[i]->length_bytes),
			.vlan = FRAME_VLAN_NONE,
			.in_place = true,
			.kind = packets[i]->kind,
			.verdict = UINT8_MAX,
			.outcome = UINT16_MAX,
		};
		w->rx_packets[engine] += packets[i]->kind == RX_PACKET;
	}
	engine_rx(w->engines[engine], slots, count, w->now);
	for (unsigned i = 0; i < count; i++)
		carry_out(w, engine, packets[i], &slots[i]);
}

static void ring_run(struct world *w, unsigned engine, struct world_ring *ring)
{
	struct world_packet *packets[BURST_SLOTS_MAX];
	unsigned count = 0;

	while (count < BURST_SLOTS_MAX && ring_next(ring) <= w->now)
		packets[count++] = ring_pop(ring);
	if (count == 0)
		return;
	w->steps++;
	burst_in(w, engine, packets, count);
}

void world_receive(struct world *w, unsigned engine)
{
	EACH_RING(kind, from, w)
	ring_run(w, engine, &w->rings[kind][engine][from]);
	ring_run(w, engine, &w->devices[engine]);
}
