/* The driver's part: packets in, verdicts carried out, and the rings between the engines. */
#include <stdlib.h>
#include <string.h>

#include "engine_rig_own.h"
#include "unit.h"

/* A packet in a buffer of exactly what is lent, so that a sanitizer sees a step beyond it. */
struct rig_packet {
	uint64_t serial;
	mono_ns due;
	uint8_t kind; /* enum rx_kind */
	bool in_place;
	bool multi_segment;
	bool carried;    /* in memory of who carries TCP: nothing may be sent in it */
	uint8_t *memory; /* RIG_HEADROOM_BYTES before the frame, then room_bytes */
	uint32_t room_bytes;
	uint32_t length_bytes;
	uint32_t original_length_bytes;
	uint8_t original
		[]; /* as it came: what may not be written to, or is passed on as it is, stays so */
};

/* Who waits for the outcomes of packets, innermost first: what an engine sends may make us send it more. */
struct rig_watch {
	uint64_t first; /* serial */
	unsigned count;
	uint8_t verdict; /* where the last of them was received */
	enum counter *outcomes;
	struct rig_watch *outer;
};

static struct rig_packet *packet_new(struct rig *r, const uint8_t *frame, uint32_t length)
{
	struct rig_packet *p = malloc(sizeof(*p) + length);
	uint32_t tailroom = RIG_BUFFER_BYTES - RIG_HEADROOM_BYTES - length;

	CU_ASSERT_FATAL(p != NULL && length <= RIG_BUFFER_BYTES - RIG_HEADROOM_BYTES);
	if (tailroom > r->tailroom_bytes)
		tailroom = r->tailroom_bytes;
	*p = (struct rig_packet){.serial = ++r->serial,
				 .kind = r->kind,
				 .in_place = r->in_place,
				 .multi_segment = r->multi_segment,
				 .memory = malloc(RIG_HEADROOM_BYTES + length + tailroom),
				 .room_bytes = length + tailroom,
				 .length_bytes = length,
				 .original_length_bytes = length};
	CHECK(p->memory != NULL);
	memcpy(p->memory + RIG_HEADROOM_BYTES, frame, length);
	memcpy(p->original, frame, length);
	return p;
}

static void packet_free(struct rig_packet *p)
{
	free(p->memory);
	free(p);
}

static bool packet_unchanged(const struct rig_packet *p)
{
	return p->length_bytes == p->original_length_bytes &&
	       memcmp(p->memory + RIG_HEADROOM_BYTES, p->original, p->length_bytes) == 0;
}

/* The outcome of a passed question, or of a message, is that it was passed on; a packet's, what it is where it goes. */
static void note(const struct rig *r, uint64_t serial, uint8_t kind, enum counter outcome,
		 uint8_t verdict)
{
	if (kind >= RX_PASSED_QUESTION)
		return;
	for (struct rig_watch *w = r->watch; w != NULL; w = w->outer)
		if (serial - w->first < w->count) {
			w->outcomes[serial - w->first] = outcome;
			if (kind == r->kind)
				w->verdict = verdict;
		}
}

/* ---- rings ---- */

static void ring_new(struct rig_ring *ring, unsigned capacity)
{
	*ring = (struct rig_ring){.packets = calloc(capacity, sizeof(struct rig_packet *)),
				  .capacity = capacity};
	CHECK(ring->packets != NULL);
}

static void ring_free(struct rig_ring *ring)
{
	for (; ring->count > 0; ring->count--) {
		packet_free(ring->packets[ring->first]);
		ring->first = (ring->first + 1) % ring->capacity;
	}
	free(ring->packets);
}

static bool ring_push(struct rig_ring *ring, struct rig_packet *p, mono_ns due)
{
	if (ring->count == ring->capacity)
		return false;
	p->due = due > ring->last_due ? due : ring->last_due;
	ring->last_due = p->due;
	ring->packets[(ring->first + ring->count++) % ring->capacity] = p;
	return true;
}

static mono_ns ring_next(const struct rig_ring *ring)
{
	return ring->count > 0 ? ring->packets[ring->first]->due : MONO_NEVER;
}

void rig_rings_new(struct rig *r)
{
	for (unsigned to = 0; to < r->engine_count; to++) {
		ring_new(&r->devices[to], r->device_capacity);
		for (unsigned from = 0; from < r->engine_count; from++)
			for (unsigned kind = 0; kind < RIG_RING_KINDS; kind++)
				ring_new(&r->rings[kind][to][from], r->ring_capacity);
	}
}

void rig_rings_free(struct rig *r)
{
	for (unsigned to = 0; to < r->engine_count; to++) {
		ring_free(&r->devices[to]);
		for (unsigned from = 0; from < r->engine_count; from++)
			for (unsigned kind = 0; kind < RIG_RING_KINDS; kind++)
				ring_free(&r->rings[kind][to][from]);
	}
}

uint64_t rig_in_rings(const struct rig *r)
{
	uint64_t sum = 0;

	for (unsigned to = 0; to < r->engine_count; to++)
		for (unsigned from = 0; from < r->engine_count; from++)
			for (unsigned kind = 0; kind < RIG_RING_KINDS; kind++)
				sum += r->rings[kind][to][from].count;
	return sum;
}

uint64_t rig_in_devices(const struct rig *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->engine_count; i++)
		sum += r->devices[i].count;
	return sum;
}

mono_ns rig_rings_next(const struct rig *r)
{
	mono_ns next = MONO_NEVER;

	for (unsigned to = 0; to < r->engine_count; to++) {
		if (r->stopped[to])
			continue;
		if (ring_next(&r->devices[to]) < next)
			next = ring_next(&r->devices[to]);
		if (r->passing == RIG_PASS_NEVER)
			continue;
		for (unsigned from = 0; from < r->engine_count; from++)
			for (unsigned kind = 0; kind < RIG_RING_KINDS; kind++)
				if (ring_next(&r->rings[kind][to][from]) < next)
					next = ring_next(&r->rings[kind][to][from]);
	}
	return next;
}

/* ---- a burst ---- */

static unsigned ring_kind(enum rx_kind kind)
{
	switch (kind) {
	case RX_PASSED_PACKET:
		return RIG_RING_PACKETS;
	case RX_PASSED_SUB_ANSWER:
		return RIG_RING_SUB_ANSWERS;
	case RX_PASSED_SUB_QUESTION:
		return RIG_RING_SUB_QUESTIONS;
	case RX_PASSED_QUESTION:
	case RX_PACKET:
	case RX_KIND_COUNT:
		break;
	}
	CU_ASSERT_FATAL(kind == RX_PASSED_QUESTION);
	return RIG_RING_QUESTIONS;
}

/* Takes the packet. False: the ring was full, and the engine was told. */
static bool push(struct rig *r, unsigned from, unsigned to, struct rig_packet *p)
{
	unsigned kind = ring_kind((enum rx_kind)p->kind);
	struct rig_ring *ring = &r->rings[kind][to][from];
	mono_ns due = r->now;

	if (r->passing == RIG_PASS_AT_POLLS && r->ring_delay_ns_max > 0)
		due += unit_random(&r->random) % r->ring_delay_ns_max;
	if (!ring_push(ring, p, due)) {
		engine_not_passed(r->engines[from], (enum rx_kind)p->kind, 1);
		r->ring_drops[kind]++;
		packet_free(p);
		return false;
	}
	if (ring->count > r->ring_most)
		r->ring_most = ring->count;
	return true;
}

/* The verdict RX_WORKER: into the ring, or counted as dropped. Returns the outcome. */
static enum counter pass(struct rig *r, unsigned from, struct rig_packet *p,
			 const struct rx_slot *slot)
{
	static const enum counter outcomes[RX_KIND_COUNT] = {
		[RX_PASSED_PACKET] = COUNTER_PACKET_HANDED_OFF,
		[RX_PASSED_QUESTION] = COUNTER_QUESTION_HANDED_OFF,
		[RX_PASSED_SUB_ANSWER] = COUNTER_SUB_QUESTION, /* answered at once */
	};
	bool is_packet = slot->kind == RX_PASSED_PACKET;

	CU_ASSERT_FATAL(slot->to_worker < r->engine_count && slot->to_worker != from);
	CU_ASSERT_FATAL(is_packet || slot->kind == RX_PASSED_QUESTION ||
			slot->kind == RX_PASSED_SUB_ANSWER);
	CU_ASSERT(slot->outcome == outcomes[slot->kind]);
	CU_ASSERT(slot->data == p->memory + RIG_HEADROOM_BYTES);
	CU_ASSERT_FATAL(slot->length_bytes <= p->room_bytes);
	/* A question is written over the packet; a packet goes as it is. */
	CU_ASSERT(is_packet ? packet_unchanged(p) : p->in_place);
	CU_ASSERT(!is_packet || slot->length_bytes == p->length_bytes);
	p->length_bytes = slot->length_bytes;
	p->kind = slot->kind;
	if (!push(r, from, slot->to_worker, p) && slot->kind != RX_PASSED_SUB_ANSWER)
		return COUNTER_DROP_HANDOFF_FULL;
	return (enum counter)slot->outcome;
}

void rig_pass_message(struct rig *r, unsigned from, const struct tx_slot *slot)
{
	struct rig_packet *p = packet_new(r, slot->data, slot->length_bytes);

	CU_ASSERT_FATAL(slot->to_worker < r->engine_count && slot->to_worker != from);
	CU_ASSERT_FATAL(slot->kind == RX_PASSED_SUB_QUESTION || slot->kind == RX_PASSED_SUB_ANSWER);
	CU_ASSERT_FATAL(slot->length_bytes <= slot->capacity_bytes);
	p->kind = slot->kind;
	p->in_place = true;
	p->multi_segment = false;
	(void)push(r, from, slot->to_worker, p);
}

bool rig_carrier_passes(struct rig *r, unsigned to, const uint8_t *data, uint32_t length_bytes)
{
	struct rig_packet *p = packet_new(r, data, length_bytes);

	/* No engine passes anything to itself: that ring is the carrier's. */
	p->kind = RX_PASSED_QUESTION;
	p->in_place = true;
	p->multi_segment = false;
	p->carried = true;
	if (ring_push(&r->rings[RIG_RING_QUESTIONS][to][to], p, r->now))
		return true;
	r->ring_drops[RIG_RING_QUESTIONS]++;
	packet_free(p);
	return false;
}

static struct rx_slot slot_of(const struct rig_packet *p)
{
	return (struct rx_slot){.data = p->memory + RIG_HEADROOM_BYTES,
				.length_bytes = p->length_bytes,
				.headroom_bytes = RIG_HEADROOM_BYTES,
				.tailroom_bytes = (uint16_t)(p->room_bytes - p->length_bytes),
				.vlan = FRAME_VLAN_NONE,
				.in_place = p->in_place,
				.multi_segment = p->multi_segment,
				.kind = p->kind,
				.verdict = UINT8_MAX,
				.to_worker = UINT8_MAX,
				.outcome = UINT16_MAX};
}

static void burst_in(struct rig *r, unsigned engine, struct rig_packet *packets[], unsigned count)
{
	struct rx_slot slots[BURST_SLOTS_MAX];

	CU_ASSERT_FATAL(count <= BURST_SLOTS_MAX && !r->stopped[engine]);
	for (unsigned i = 0; i < count; i++) {
		slots[i] = slot_of(packets[i]);
		r->delivered[engine]++;
		r->from_device[engine] += packets[i]->kind == RX_PACKET;
	}
	engine_rx(r->engines[engine], slots, count, r->now);
	/* First into the rings: what is sent may come back to us with more, and the books must balance then. */
	for (unsigned i = 0; i < count; i++) {
		struct rig_packet *p = packets[i];
		uint64_t serial = p->serial;
		uint8_t kind = p->kind;
		enum counter outcome = (enum counter)slots[i].outcome;

		CU_ASSERT_FATAL(slots[i].outcome < COUNTER_OUTCOME_COUNT);
		CU_ASSERT_FATAL(slots[i].verdict <= RX_KERNEL);
		if (!p->in_place)
			CU_ASSERT(packet_unchanged(p));
		CU_ASSERT(!p->carried || slots[i].verdict == RX_FREE);
		CU_ASSERT((slots[i].verdict == RX_WORKER) ==
				  (outcome == COUNTER_PACKET_HANDED_OFF ||
				   outcome == COUNTER_QUESTION_HANDED_OFF) ||
			  outcome == COUNTER_SUB_QUESTION);
		if (slots[i].verdict == RX_WORKER) {
			packets[i] = NULL;
			outcome = pass(r, engine, p, &slots[i]);
		} else if (slots[i].verdict == RX_FREE) {
			CU_ASSERT(slots[i].length_bytes == p->length_bytes);
		}
		note(r, serial, kind, outcome, slots[i].verdict);
	}
	for (unsigned i = 0; i < count; i++) {
		if (packets[i] == NULL)
			continue;
		if (slots[i].verdict == RX_SEND)
			rig_take_frame(r, engine, slots[i].data, slots[i].length_bytes,
				       slots[i].interface_idx);
		packet_free(packets[i]);
	}
}

/* What is due of one ring, at most a burst. Returns how many. */
static unsigned ring_run(struct rig *r, unsigned engine, struct rig_ring *ring)
{
	struct rig_packet *packets[BURST_SLOTS_MAX];
	unsigned count = 0;

	while (count < BURST_SLOTS_MAX && ring_next(ring) <= r->now) {
		packets[count++] = ring->packets[ring->first];
		ring->first = (ring->first + 1) % ring->capacity;
		ring->count--;
	}
	if (count > 0)
		burst_in(r, engine, packets, count);
	return count;
}

/* A burst of each of the rings from the other engines. Returns how many packets. */
static unsigned passed_run(struct rig *r, unsigned engine)
{
	unsigned first = r->ring_delay_ns_max > 0
				 ? (unsigned)(unit_random(&r->random) % r->engine_count)
				 : 0;
	unsigned count = 0;

	for (unsigned kind = 0; kind < RIG_RING_KINDS; kind++)
		for (unsigned i = 0; i < r->engine_count; i++)
			count += ring_run(r, engine,
					  &r->rings[kind][engine][(first + i) % r->engine_count]);
	return count;
}

void rig_rings_run(struct rig *r)
{
	unsigned count;

	if (r->passing != RIG_PASS_AT_ONCE)
		return;
	do {
		count = 0;
		for (unsigned i = 0; i < r->engine_count; i++)
			count += r->stopped[i] ? 0 : passed_run(r, i);
	} while (count > 0);
}

void rig_receive(struct rig *r, unsigned engine)
{
	if (r->passing != RIG_PASS_NEVER)
		(void)passed_run(r, engine);
	(void)ring_run(r, engine, &r->devices[engine]);
}

/* ---- packets in ---- */

/* Who receives what the device has for this engine. */
static unsigned receiver(const struct rig *r, unsigned engine)
{
	CU_ASSERT_FATAL(engine < r->engine_count);
	return r->receiver_count > 0 ? engine % r->receiver_count : engine;
}

/* To the device of a stopped engine. */
static void device_keep(struct rig *r, unsigned engine, struct rig_packet *p)
{
	if (ring_push(&r->devices[engine], p, r->now))
		return;
	r->device_drops++;
	packet_free(p);
}

enum counter rig_send_frame(struct rig *r, unsigned engine, const uint8_t *frame,
			    uint32_t length_bytes)
{
	struct rig_packet *p = packet_new(r, frame, length_bytes);
	enum counter outcome = COUNTER_OUTCOME_COUNT;
	struct rig_watch watch = {p->serial, 1, UINT8_MAX, &outcome, r->watch};

	engine = receiver(r, engine);
	r->injected += p->kind != RX_PACKET;
	if (r->bursting) {
		CU_ASSERT_FATAL(r->burst_count < BURST_SLOTS_MAX);
		r->burst_engines[r->burst_count] = engine;
		r->burst[r->burst_count++] = p;
		return COUNTER_OUTCOME_COUNT;
	}
	if (r->stopped[engine]) {
		device_keep(r, engine, p);
		return COUNTER_OUTCOME_COUNT;
	}
	r->watch = &watch;
	burst_in(r, engine, &p, 1);
	rig_rings_run(r);
	r->watch = watch.outer;
	r->last_verdict = watch.verdict;
	if (r->checks)
		rig_check(r);
	return outcome;
}

void rig_burst_begin(struct rig *r)
{
	r->bursting = true;
	r->burst_count = 0;
}

unsigned rig_burst_end(struct rig *r, enum counter outcomes[BURST_SLOTS_MAX])
{
	unsigned burst_count = r->burst_count;
	struct rig_watch watch = {r->serial + 1 - burst_count, burst_count, UINT8_MAX, outcomes,
				  r->watch};

	r->bursting = false;
	r->watch = &watch;
	for (unsigned i = 0; i < burst_count; i++)
		outcomes[i] = COUNTER_OUTCOME_COUNT;
	for (unsigned engine = 0; engine < r->engine_count; engine++) {
		struct rig_packet *packets[BURST_SLOTS_MAX];
		unsigned count = 0;

		for (unsigned i = 0; i < burst_count; i++) {
			if (r->burst_engines[i] != engine)
				continue;
			if (r->stopped[engine])
				device_keep(r, engine, r->burst[i]);
			else
				packets[count++] = r->burst[i];
		}
		if (count > 0)
			burst_in(r, engine, packets, count);
	}
	rig_rings_run(r);
	r->watch = watch.outer;
	r->last_verdict = watch.verdict;
	if (r->checks)
		rig_check(r);
	return burst_count;
}

void rig_stop_engine(struct rig *r, unsigned engine)
{
	CU_ASSERT_FATAL(engine < r->engine_count);
	r->stopped[engine] = true;
}

void rig_go_engine(struct rig *r, unsigned engine)
{
	CU_ASSERT_FATAL(engine < r->engine_count);
	r->stopped[engine] = false;
}
