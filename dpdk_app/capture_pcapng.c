#include "dpdk_app/capture_pcapng.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Block types and options of the draft, sections 4.1 to 4.6. */
#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_STATS 5u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINK_TYPE_ETHERNET 1u
#define OPTION_END 0u
#define OPTION_SECTION_APPLICATION 4u
#define OPTION_INTERFACE_NAME 2u
#define OPTION_INTERFACE_DESCRIPTION 3u
#define OPTION_INTERFACE_MAC 6u
#define OPTION_INTERFACE_RESOLUTION 9u
#define OPTION_INTERFACE_FILTER 11u
#define OPTION_PACKET_FLAGS 2u
#define OPTION_PACKET_QUEUE 6u
#define OPTION_STATS_DROPPED 7u
#define OPTION_STATS_DELIVERED 8u

#define RESOLUTION_NS 9  /* 10^-9 s */
#define FILTER_IS_TEXT 0 /* the first byte of if_filter */
#define OPTION_HEADER_BYTES 4u
#define PACKET_HEADER_BYTES 28u
/* flags and queue with their headers, the end of the options, the length again */
#define PACKET_TRAILER_BYTES (8u + 8u + 4u + 4u)
#define OPTION_TEXT_MAX 1024

static size_t padding(size_t count)
{
	return -count & 3;
}

void capture_pcapng_put_bytes(struct capture_pcapng *p, const void *bytes, size_t count)
{
	CHECK(count <= p->capacity_bytes - p->end);
	memcpy(p->buffer + p->end, bytes, count);
	p->end += count;
}

static void put_padding(struct capture_pcapng *p, size_t count)
{
	static const uint8_t zeros[4];

	capture_pcapng_put_bytes(p, zeros, padding(count));
}

static void put_u16(struct capture_pcapng *p, uint32_t value)
{
	uint16_t word = (uint16_t)value;

	capture_pcapng_put_bytes(p, &word, sizeof(word));
}

static void put_u32(struct capture_pcapng *p, uint32_t value)
{
	capture_pcapng_put_bytes(p, &value, sizeof(value));
}

/* Times are two words, the high one first in any byte order. */
static void put_time(struct capture_pcapng *p, uint64_t time_ns)
{
	put_u32(p, (uint32_t)(time_ns >> 32));
	put_u32(p, (uint32_t)time_ns);
}

static void put_option(struct capture_pcapng *p, uint32_t option, const void *value, size_t count)
{
	put_u16(p, option);
	put_u16(p, (uint32_t)count);
	capture_pcapng_put_bytes(p, value, count);
	put_padding(p, count);
}

static void put_text(struct capture_pcapng *p, uint32_t option, const char *text)
{
	put_option(p, option, text, strnlen(text, OPTION_TEXT_MAX));
}

/* Blocks whose length is known when they end: 0 stands for it meanwhile. */
static size_t begin_block(struct capture_pcapng *p, uint32_t type)
{
	size_t start = p->end;

	put_u32(p, type);
	put_u32(p, 0);
	return start;
}

static void end_block(struct capture_pcapng *p, size_t start)
{
	uint32_t length;

	put_u16(p, OPTION_END);
	put_u16(p, 0);
	length = (uint32_t)(p->end + sizeof(length) - start);
	put_u32(p, length);
	memcpy(p->buffer + start + sizeof(uint32_t), &length, sizeof(length));
}

size_t capture_pcapng_room(const struct capture_pcapng *p)
{
	return p->capacity_bytes - p->end;
}

size_t capture_pcapng_waiting(const struct capture_pcapng *p)
{
	return p->end - p->start;
}

void capture_pcapng_put_section(struct capture_pcapng *p, const char *application)
{
	const uint64_t unknown_length = UINT64_MAX;
	size_t start = begin_block(p, BLOCK_SECTION);

	put_u32(p, BYTE_ORDER_MAGIC);
	put_u16(p, 1); /* version 1.0 */
	put_u16(p, 0);
	capture_pcapng_put_bytes(p, &unknown_length, sizeof(unknown_length));
	put_text(p, OPTION_SECTION_APPLICATION, application);
	end_block(p, start);
}

static void put_filter(struct capture_pcapng *p, const char *filter)
{
	uint8_t value[1 + OPTION_TEXT_MAX] = {FILTER_IS_TEXT};
	size_t count = strnlen(filter, OPTION_TEXT_MAX);

	if (count == 0)
		return;
	memcpy(value + 1, filter, count);
	put_option(p, OPTION_INTERFACE_FILTER, value, 1 + count);
}

void capture_pcapng_put_interface(struct capture_pcapng *p,
				  const struct capture_pcapng_interface *interface)
{
	const uint8_t resolution = RESOLUTION_NS;
	size_t start = begin_block(p, BLOCK_INTERFACE);

	put_u16(p, LINK_TYPE_ETHERNET);
	put_u16(p, 0);
	put_u32(p, interface->snaplen_bytes);
	put_text(p, OPTION_INTERFACE_NAME, interface->name);
	put_text(p, OPTION_INTERFACE_DESCRIPTION, interface->device);
	put_option(p, OPTION_INTERFACE_MAC, interface->mac->bytes, sizeof(interface->mac->bytes));
	put_option(p, OPTION_INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	put_filter(p, interface->filter);
	end_block(p, start);
}

void capture_pcapng_put_stats(struct capture_pcapng *p, uint32_t interface_idx,
			      const struct capture_pcapng_stats *stats)
{
	size_t start = begin_block(p, BLOCK_STATS);

	put_u32(p, interface_idx);
	put_time(p, stats->time_ns);
	put_option(p, OPTION_STATS_DROPPED, &stats->dropped, sizeof(stats->dropped));
	put_option(p, OPTION_STATS_DELIVERED, &stats->written, sizeof(stats->written));
	end_block(p, start);
}

static uint32_t frame_block_bytes(const struct capture_pcapng_frame *frame)
{
	return (uint32_t)(PACKET_HEADER_BYTES + frame->present_bytes +
			  padding(frame->present_bytes) + PACKET_TRAILER_BYTES);
}

void capture_pcapng_begin_frame(struct capture_pcapng *p, const struct capture_pcapng_frame *frame)
{
	put_u32(p, BLOCK_PACKET);
	put_u32(p, frame_block_bytes(frame));
	put_u32(p, frame->interface_idx);
	put_time(p, frame->time_ns);
	put_u32(p, frame->present_bytes);
	put_u32(p, frame->original_bytes);
}

void capture_pcapng_end_frame(struct capture_pcapng *p, const struct capture_pcapng_frame *frame)
{
	const uint32_t flags = (uint32_t)frame->direction;

	put_padding(p, frame->present_bytes);
	put_option(p, OPTION_PACKET_FLAGS, &flags, sizeof(flags));
	put_option(p, OPTION_PACKET_QUEUE, &frame->queue_idx, sizeof(frame->queue_idx));
	put_u16(p, OPTION_END);
	put_u16(p, 0);
	put_u32(p, frame_block_bytes(frame));
}

/* Not for every byte that a slow pipe takes. */
static void compact(struct capture_pcapng *p)
{
	if (p->end <= p->capacity_bytes / 2 || p->start == 0)
		return;
	memmove(p->buffer, p->buffer + p->start, p->end - p->start);
	p->end -= p->start;
	p->start = 0;
}

enum capture_pcapng_result capture_pcapng_flush(struct capture_pcapng *p)
{
	while (p->start < p->end) {
		ssize_t count = write(p->fd, p->buffer + p->start, p->end - p->start);

		if (count > 0) {
			p->start += (size_t)count;
			continue;
		}
		if (count < 0 && errno == EINTR)
			continue;
		if (count == 0 || errno != EAGAIN)
			return CAPTURE_PCAPNG_GONE;
		compact(p);
		return CAPTURE_PCAPNG_FULL;
	}
	p->start = 0;
	p->end = 0;
	return CAPTURE_PCAPNG_OK;
}
