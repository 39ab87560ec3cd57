#include "dpdk_app/capture_writer.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "dpdk_app/version.h"

#define BUFFER_BYTES ((size_t)4 << 20)
#define BURST 32u
/* Written at once while more keeps coming: what a pipe holds by default. */
#define WRITE_BYTES ((size_t)1 << 16)
/* Anchors are read until the counter was read twice within this, or this often. */
#define ANCHOR_CYCLES_GOOD 200u
#define ANCHOR_TRIES 16

static_assert(BUFFER_BYTES / 2 > BURST / 2 * CAPTURE_PCAPNG_ROOM,
	      "frames fit while a pipe is slow");

/* The reading of the clock that took the counter least: one in which nothing came between. */
static void set_anchor(struct capture_writer *w)
{
	uint64_t best_cycles = UINT64_MAX;

	for (int i = 0; i < ANCHOR_TRIES && best_cycles > ANCHOR_CYCLES_GOOD; i++) {
		struct timespec now;
		uint64_t before = rte_rdtsc_precise();
		uint64_t cycles;

		clock_gettime(CLOCK_REALTIME, &now);
		cycles = rte_rdtsc_precise() - before;
		if (cycles >= best_cycles)
			continue;
		best_cycles = cycles;
		w->anchor_tsc = before + cycles / 2;
		w->anchor_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	}
}

static uint64_t time_of(const struct capture_writer *w, uint64_t tsc)
{
	__extension__ typedef __int128 i128;
	i128 cycles = (int64_t)(tsc - w->anchor_tsc);

	return w->anchor_ns + (uint64_t)(int64_t)(cycles * (i128)NS_PER_S / (i128)w->tsc_hz);
}

static void put_head(struct capture_writer *w, const struct capture_writer_params *params)
{
	capture_pcapng_put_section(&w->file, "portico " PORTICO_VERSION);
	for (unsigned i = 0; i < params->ports->port_count; i++) {
		const struct capture_pcapng_interface interface = {
			.name = params->config->interfaces[i].name,
			.device = params->config->interfaces[i].device,
			.mac = &params->ports->ports[i].mac,
			.filter = params->filter,
			.snaplen_bytes = params->snaplen_bytes,
		};

		capture_pcapng_put_interface(&w->file, &interface);
	}
}

bool capture_writer_init(struct capture_writer *w, struct capture_tap *tap,
			 const struct capture_writer_params *params)
{
	*w = (struct capture_writer){
		.tap = tap,
		.file = {.fd = params->fd,
			 .buffer = malloc(BUFFER_BYTES),
			 .capacity_bytes = BUFFER_BYTES},
		.count_max = params->count_max,
		.tsc_hz = rte_get_tsc_hz(),
		.interface_count = params->ports->port_count,
	};
	if (w->file.buffer == NULL)
		return false;
	set_anchor(w);
	put_head(w, params);
	return true;
}

void capture_writer_fini(struct capture_writer *w)
{
	free(w->file.buffer);
	w->file.buffer = NULL;
}

static void put_frame(struct capture_writer *w, struct rte_mbuf *copy)
{
	const struct capture_tap_note *note = capture_tap_note(copy);
	const struct capture_pcapng_frame frame = {
		.time_ns = time_of(w, note->tsc),
		.interface_idx = note->interface_idx,
		.queue_idx = note->queue_idx,
		.present_bytes = copy->pkt_len,
		.original_bytes = note->original_bytes,
		.direction = (enum capture_direction)note->direction,
	};

	capture_pcapng_begin_frame(&w->file, &frame);
	for (const struct rte_mbuf *m = copy; m != NULL; m = m->next)
		capture_pcapng_put_bytes(&w->file, rte_pktmbuf_mtod(m, const void *), m->data_len);
	capture_pcapng_end_frame(&w->file, &frame);
	w->written[note->interface_idx]++;
}

/* Returns the frames moved from the ring into the buffer: no more than are wanted and have room. */
static unsigned take_burst(struct capture_writer *w)
{
	struct rte_mbuf *copies[BURST];
	uint64_t captured = atomic_load_explicit(&w->captured, memory_order_relaxed);
	uint64_t wanted = w->count_max - captured;
	size_t room = capture_pcapng_room(&w->file) / CAPTURE_PCAPNG_ROOM;
	unsigned count;

	if (wanted > BURST)
		wanted = BURST;
	if (wanted > room)
		wanted = room;
	count = wanted == 0 ? 0 : capture_tap_take(w->tap, copies, (unsigned)wanted);
	for (unsigned i = 0; i < count; i++)
		put_frame(w, copies[i]);
	if (count > 0)
		rte_pktmbuf_free_bulk(copies, count);
	atomic_store_explicit(&w->captured, captured + count, memory_order_relaxed);
	return count;
}

static bool is_read(const struct capture_writer *w)
{
	struct pollfd end = {.fd = w->file.fd};

	return poll(&end, 1, 0) <= 0 || (end.revents & (POLLERR | POLLNVAL)) == 0;
}

enum capture_writer_result capture_writer_step(struct capture_writer *w)
{
	unsigned count;

	if (rte_rdtsc() - w->anchor_tsc >= w->tsc_hz)
		set_anchor(w);
	count = take_burst(w);
	/* A full pipe leaves frames in the buffer, then in the ring, and at last uncaptured. */
	if ((count < BURST || capture_pcapng_waiting(&w->file) >= WRITE_BYTES) &&
	    capture_pcapng_flush(&w->file) == CAPTURE_PCAPNG_GONE)
		return CAPTURE_WRITER_GONE;
	if (atomic_load_explicit(&w->captured, memory_order_relaxed) == w->count_max)
		return CAPTURE_WRITER_COUNT;
	if (count > 0)
		return CAPTURE_WRITER_MOVED;
	return is_read(w) ? CAPTURE_WRITER_IDLE : CAPTURE_WRITER_GONE;
}

void capture_writer_put_stats(struct capture_writer *w)
{
	for (unsigned i = 0; i < w->interface_count; i++) {
		struct capture_tap_drops drops = capture_tap_drops(w->tap, i);
		const struct capture_pcapng_stats stats = {
			.time_ns = time_of(w, rte_rdtsc()),
			.written = w->written[i],
			.dropped = drops.no_buffer + drops.ring_full,
		};

		if (capture_pcapng_room(&w->file) >= CAPTURE_PCAPNG_ROOM)
			capture_pcapng_put_stats(&w->file, i, &stats);
	}
}

enum capture_pcapng_result capture_writer_flush(struct capture_writer *w)
{
	return capture_pcapng_flush(&w->file);
}
