#include "bench/load/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/link.h"
#include "bench/load/names.h"
#include "bench/load/query.h"
#include "core/dns_const.h"

#define FIRST_PORT 20000
#define MAGIC 0xa1b2c3d4u
#define VERSION_MAJOR 2
#define VERSION_MINOR 4
#define SNAPLEN 65535
#define LINKTYPE_ETHERNET 1

struct trace {
	const struct options *options;
	FILE *file;
	struct link link;
	struct names names;
	struct random random;
};

struct file_head {
	uint32_t magic;
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t snaplen;
	uint32_t linktype;
};

struct frame_head {
	uint32_t seconds;
	uint32_t microseconds;
	uint32_t captured_bytes;
	uint32_t length_bytes;
};

/* All but the name by chance: client, port, ID. */
static unsigned put_frame(struct trace *t, uint8_t *frame)
{
	const struct options *o = t->options;
	uint64_t word = random_next(&t->random);
	enum options_version version = o->family == OPTIONS_FAMILY_6 ? OPTIONS_V6 : OPTIONS_V4;
	struct frame_udp_params params = {.vlan = FRAME_VLAN_NONE, .dst_port = DNS_PORT};
	struct question question;
	struct query query = {(uint16_t)word, (uint32_t)random_next(&t->random), &question};
	unsigned headers;

	if (o->family == OPTIONS_FAMILY_MIXED)
		version = (word >> 16 & 1) != 0 ? OPTIONS_V6 : OPTIONS_V4;
	params.src_mac = t->link.mac;
	params.dst_mac = t->link.target_macs[version];
	params.src = link_client(&t->link, random_scale(word, o->client_count), version);
	params.dst = o->targets[version];
	params.src_port =
		(uint16_t)(FIRST_PORT + random_scale(random_next(&t->random), o->ports_each));
	names_question(&t->names, names_draw(&t->names, &t->random), &question);
	headers = frame_udp_header_bytes(&params.dst, FRAME_VLAN_NONE);
	return frame_build_udp(frame, &params, query_put(frame + headers, o, &query));
}

static bool put_all(struct trace *t)
{
	const struct file_head head = {MAGIC, VERSION_MAJOR, VERSION_MINOR,    0,
				       0,     SNAPLEN,       LINKTYPE_ETHERNET};
	uint8_t frame[LINK_MTU_BYTES];
	bool good = fwrite(&head, sizeof(head), 1, t->file) == 1;

	for (uint64_t i = 0; good && i < t->options->count; i++) {
		struct frame_head frame_head = {.microseconds = (uint32_t)(i % 1000000)};
		unsigned length = put_frame(t, frame);

		frame_head.captured_bytes = frame_head.length_bytes = length;
		good = fwrite(&frame_head, sizeof(frame_head), 1, t->file) == 1 &&
		       fwrite(frame, length, 1, t->file) == 1;
	}
	return good;
}

bool trace_write(const struct options *options)
{
	static struct trace trace;
	struct trace *t = &trace;
	const struct mac own = {{2, 0, 0, 0, 0, 0x20}};
	const struct mac replayed = {{2, 'p', 'c', 'a', 'p', 0}};
	bool good;

	*t = (struct trace){.options = options, .random = {options->seed + 7}};
	link_init(&t->link, options, &own);
	for (unsigned v = 0; v < OPTIONS_VERSIONS; v++)
		t->link.target_macs[v] = replayed;
	good = names_init(&t->names, options);
	if (good) {
		t->file = fopen(options->trace_file, "w");
		good = t->file != NULL && put_all(t);
		if (t->file != NULL)
			good = fclose(t->file) == 0 && good;
		if (!good)
			fprintf(stderr, "load: %s: %s\n", options->trace_file, strerror(errno));
	}
	names_fini(&t->names);
	return good;
}
