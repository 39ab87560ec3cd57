#include "bench/load/template.h"

#include <immintrin.h>
#include <string.h>

#include "bench/load/query.h"
#include "core/dns_const.h"
#include "core/wire_cursor.h"

#define IPV4_CHECKSUM 24
#define IPV4_SRC 26
#define IPV6_SRC_END 38
#define VECTOR_BYTES 16

/* Sums are of words in the machine's order: a sum's bytes may be swapped before or after (RFC 1071 section 2 B). */
static uint32_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint32_t)((sum & UINT16_MAX) + (sum >> 16));
}

static void put_word(uint8_t *at, uint32_t word)
{
	uint16_t low = (uint16_t)word;

	memcpy(at, &low, sizeof(low));
}

static uint32_t sum_words(const uint8_t *at, unsigned bytes)
{
	uint64_t sum = 0;
	uint16_t word;

	for (unsigned i = 0; i < bytes; i += 2) {
		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return fold(sum);
}

/* The frame of client 0 with zeroes for what differs, as the slow way builds it; then both sums without checksums. */
static void make(struct template *t, const struct options *o, const struct link *link,
		 enum options_version version, enum query_kind kind)
{
	struct template_frame *f = &t->frames[version][kind];
	struct question question = {.qtype = 0};
	struct frame_udp_params params = {
		.src_mac = link->mac,
		.dst_mac = link->target_macs[version],
		.vlan = FRAME_VLAN_NONE,
		.src = link_client(link, 0, version),
		.dst = o->targets[version],
		.src_port = 1,
		.dst_port = DNS_PORT,
	};
	unsigned headers = frame_udp_header_bytes(&params.dst, FRAME_VLAN_NONE);
	uint8_t *udp = f->bytes + headers - 8;
	uint32_t checksum;

	question.qname.bytes[0] = NAMES_DIGITS;
	memset(question.qname.bytes + 1, 0, NAMES_DIGITS);
	memcpy(question.qname.bytes + NAMES_LABEL_BYTES, o->zone.bytes, o->zone.length_bytes);
	question.qname.length_bytes = (uint8_t)(NAMES_LABEL_BYTES + o->zone.length_bytes);
	t->label_offset[version] = (uint16_t)(headers + DNS_HEADER_BYTES + 1);
	t->type_offset[version] =
		(uint16_t)(headers + DNS_HEADER_BYTES + question.qname.length_bytes);
	f->length_bytes = (uint16_t)frame_build_udp(
		f->bytes, &params, query_put_kind(f->bytes + headers, kind, &question));
	/* What the checksum was made of: its complement, less port and address, which come with each question. */
	checksum = (uint16_t)~sum_words(udp + 6, 2);
	put_word(udp + 6, 0);
	f->udp_sum = checksum + (uint16_t)~sum_words(udp, 2);
	put_word(udp, 0);
	if (version == OPTIONS_V4) {
		f->ip_sum = (uint16_t)~sum_words(f->bytes + IPV4_CHECKSUM, 2) +
			    (uint16_t)~sum_words(f->bytes + IPV4_SRC, 4);
		f->udp_sum += (uint16_t)~sum_words(f->bytes + IPV4_SRC, 4);
	} else {
		f->udp_sum += (uint16_t)~sum_words(f->bytes + IPV6_SRC_END - 4, 4);
	}
}

void template_init(struct template *t, const struct options *options, const struct link *link)
{
	unsigned longest =
		62u + DNS_HEADER_BYTES + NAMES_LABEL_BYTES + options->zone.length_bytes + 4u + 11u;
	struct address first = link_client(link, 0, OPTIONS_V4);

	memset(t, 0, sizeof(*t));
	t->usable = options->names != OPTIONS_NAMES_FILE && !options->mixed_case &&
		    options->cold == OPTIONS_COLD_NONE && longest <= TEMPLATE_BYTES_MAX;
	if (!t->usable)
		return;
	t->client_v4 = wire_get_u32(first.bytes + ADDRESS_V4_OFFSET);
	for (unsigned v = 0; v < OPTIONS_VERSIONS; v++) {
		for (unsigned kind = 0; kind < TEMPLATE_KINDS; kind++)
			make(t, options, link, (enum options_version)v, (enum query_kind)kind);
	}
}

unsigned template_put(const struct template *t, const struct options *options, uint8_t *output,
		      const struct template_fields *fields)
{
	const struct template_frame *f =
		&t->frames[fields->version][query_kind(options, fields->salt)];
	uint8_t *label = output + t->label_offset[fields->version];
	uint8_t *udp = output + t->label_offset[fields->version] - DNS_HEADER_BYTES - 9;
	uint64_t sum = f->udp_sum, halves[2], label_sum;
	uint32_t source;

	for (unsigned i = 0; i < f->length_bytes; i += VECTOR_BYTES)
		_mm_storeu_si128((void *)(output + i),
				 _mm_load_si128((const void *)(f->bytes + i)));
	names_put_digits(label, fields->word);
	memcpy(halves, label, sizeof(halves));
	label_sum = (halves[0] & UINT32_MAX) + (halves[0] >> 32) + (halves[1] & UINT32_MAX) +
		    (halves[1] >> 32);
	/* The label begins at an odd offset: its words are the sum's with their bytes swapped. */
	sum += __builtin_bswap16((uint16_t)fold(label_sum));

	wire_put_u16(udp, fields->port);
	sum += __builtin_bswap16(fields->port);
	wire_put_u16(udp + 8, fields->id);
	sum += __builtin_bswap16(fields->id);
	wire_put_u16(output + t->type_offset[fields->version], fields->qtype);
	sum += (t->type_offset[fields->version] & 1) != 0 ? fields->qtype
							  : __builtin_bswap16(fields->qtype);
	if (fields->version == OPTIONS_V4) {
		source = __builtin_bswap32(t->client_v4 + fields->client_idx);
		memcpy(output + IPV4_SRC, &source, sizeof(source));
		put_word(output + IPV4_CHECKSUM, ~fold((uint64_t)f->ip_sum + source));
	} else {
		source = __builtin_bswap32(fields->client_idx + 1);
		memcpy(output + IPV6_SRC_END - 4, &source, sizeof(source));
	}
	sum = fold(sum + source);
	/* Zero would say that there is no checksum (RFC 768). */
	put_word(udp + 6, sum == UINT16_MAX ? UINT16_MAX : ~(uint32_t)sum);
	return f->length_bytes;
}
