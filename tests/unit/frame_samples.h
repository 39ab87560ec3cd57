/* Frames to start from, with an oracle for their checksums that shares nothing with the code under
 * test. test_frame.c changes them and looks what frame_parse makes of it; test_frame_build.c
 * answers them.
 */
#ifndef PORTICO_FRAME_SAMPLES_H
#define PORTICO_FRAME_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/frame.h"

/* Where things stand in an untagged frame. */
enum {
	ETH_SRC = 6,
	ETH_TYPE = 12,
	IP = 14, /* of either version, or ARP */
	V4_LENGTH = 16,
	V4_FRAGMENT = 20,
	V4_PROTOCOL = 23,
	V4_CHECKSUM = 24,
	V4_SRC = 26,
	V4_DST = 30,
	V4_UDP = 34,
	V4_PAYLOAD = 42,
	V6_LENGTH = 18,
	V6_NEXT = 20,
	V6_HOP_LIMIT = 21,
	V6_SRC = 22,
	V6_DST = 38,
	V6_UDP = 54,
	ND_CODE = 55,
	ND_FLAGS = 58,
	ND_TARGET = 62,
	ND_OPTION = 78,
	ARP_OPERATION = 20,
	ARP_SENDER_MAC = 22,
	ARP_SENDER = 28,
	ARP_TARGET = 38,
	PAYLOAD_BYTES = 20,
	ROOM_BYTES = 9300,
	TEST_VLAN = 7,
};

#define MAC_OURS 0x02, 0, 0, 0, 0, 0x01
#define MAC_CLIENT 0x02, 0, 0, 0, 0, 0x99
#define MAC_OTHER 0x02, 0, 0, 0, 0, 0x55
#define MAC_ALL 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define V4_OURS 192, 0, 2, 1
#define V4_CLIENT 192, 0, 2, 77
#define V6_NET 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0
#define V6_OURS V6_NET, 0, 0x11, 0x22, 0x33
/* In the source prefix of frame_sample_prefixed(), which is 2001:db8:0:5::/64, and in its longer one, of /112. */
#define V6_PREFIX 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 5
#define V6_IN_PREFIX V6_PREFIX, 0x7a, 1, 2, 3, 4, 0x55, 0x66, 0x77
#define V6_PREFIX_LONG 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0x42
#define V6_IN_PREFIX_LONG V6_PREFIX_LONG, 0x43, 0x44
#define V6_CLIENT V6_NET, 0, 0, 0, 0x77
#define V6_LOCAL_OURS 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0x01
#define V6_LOCAL_CLIENT 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0x99
#define V6_ALL_NODES 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01
#define V6_GROUP_OURS 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0x11, 0x22, 0x33
#define V6_GROUP_LOCAL 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0, 0, 0x01
#define V6_UNSPECIFIED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define V6_MAPPED_OURS 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, V4_OURS
#define MAC_ALL_NODES 0x33, 0x33, 0, 0, 0, 0x01
#define MAC_GROUP_OURS 0x33, 0x33, 0xff, 0x11, 0x22, 0x33
#define MAC_GROUP_LOCAL 0x33, 0x33, 0xff, 0, 0, 0x01

struct test_frame {
	uint8_t bytes[ROOM_BYTES];
	size_t length;
};

enum base_idx { UDP4, UDP6, ECHO4, ECHO6, ARP_ASK, ARP_TELL, NS, DAD, NA, NA_ALL, BASE_COUNT };

struct frame_sample {
	const char *says;
	const uint8_t *bytes;
	size_t length;
	enum frame_kind kind;
};

/* Bytes to lay over a sample. */
struct patch {
	uint16_t at;
	uint8_t length;
	uint8_t bytes[16];
};
#define PATCH(at, ...)                                                                             \
	{                                                                                          \
		at, sizeof((uint8_t[]){__VA_ARGS__}),                                              \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

extern const struct frame_sample frame_samples[BASE_COUNT];

/* The interface that the samples are for, and the same with VLAN TEST_VLAN. */
extern const struct frame_interface frame_sample_ours;
struct frame_interface frame_sample_ours_tagged(void);
/* The same with two source prefixes. */
struct frame_interface frame_sample_prefixed(void);

void frame_sample_make(struct test_frame *f, enum base_idx base);
void frame_sample_insert_tag(struct test_frame *f, unsigned type, unsigned tci);

unsigned frame_sample_get16(const uint8_t *at);
void frame_sample_put16(uint8_t *at, unsigned value);
/* RFC 1071 as its text has it: word after word, the carry added each time. */
unsigned frame_sample_naive_sum(unsigned sum, const uint8_t *at, size_t length);
/* Recomputes the checksums of an untagged IP frame that is long enough for them. */
void frame_sample_fix_checksums(struct test_frame *f);

/* Parses a copy that ends where the frame ends, so that the sanitizer sees any step beyond. The
 * payload of the view is moved back into f. */
enum frame_result frame_sample_parse(const struct frame_interface *interface,
				     const struct test_frame *f, uint16_t stripped,
				     struct frame_view *view);

void frame_sample_expect(const char *says, enum frame_result got, enum frame_result want);

#endif
