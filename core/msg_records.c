#include "msg_records.h"

#include <assert.h>
#include <string.h>

/* ---- compression ---- */

/* Probes of one look-up: a table at most half full rarely needs more than two. */
#define COMPRESSION_PROBES_MAX 4
/* The hash has no key, so a stranger may craft names that collide, and each collision costs a
 * comparison of 255 bytes: after so many in one message nothing more is compressed. Honest messages
 * see none. */
#define COMPRESSION_FALSE_HITS_MAX 16

static_assert((MSG_RECORDS_PLACES & (MSG_RECORDS_PLACES - 1)) == 0, "masked");

static inline uint32_t lower_byte(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20u : c;
}

/* Fill in all but the name. From the last label to the first, so that one pass gives every
 * suffix's hash (FNV-1a's multiply and xor; length bytes go in last, as part of their label). */
static void suffixes_hash(struct msg_suffixes *s)
{
	const uint8_t *bytes = s->name.bytes;
	uint32_t hash = UINT32_C(2166136261);

	s->label_count = 0;
	for (size_t at = 0; bytes[at] != 0; at += 1 + (size_t)bytes[at])
		s->offsets[s->label_count++] = (uint8_t)at;
	for (unsigned label = s->label_count; label-- > 0;) {
		const uint8_t *p = bytes + s->offsets[label];

		for (size_t i = *p + (size_t)1; i-- > 0;)
			hash = (hash ^ lower_byte(p[i])) * UINT32_C(16777619);
		s->hashes[label] = hash ^ hash >> 15;
	}
}

/* Is the name at offset of our own output, which may be compressed, equal to the uncompressed one
 * at suffix? Each step goes on in both, so at most 255 bytes and as many pointers as labels. */
static bool output_equals(const uint8_t *output, size_t offset, const uint8_t *suffix)
{
	for (;;) {
		while (output[offset] >= DNS_POINTER_FLAG)
			offset = wire_get_u16(output + offset) & DNS_POINTER_OFFSET_MAX;

		size_t label = *suffix;

		for (size_t i = 0; i <= label; i++)
			if (lower_byte(output[offset + i]) != lower_byte(suffix[i]))
				return false;
		if (label == 0)
			return true;
		offset += 1 + label;
		suffix += 1 + label;
	}
}

/* Offset in the output where the suffix stands, or 0. */
static size_t compression_find(struct msg_compression *c, const uint8_t *output, uint32_t hash,
			       const uint8_t *suffix)
{
	for (unsigned probe = 0; probe < COMPRESSION_PROBES_MAX; probe++) {
		unsigned place = (hash + probe) % MSG_RECORDS_PLACES;

		if (c->offsets[place] == 0 || c->false_hits >= COMPRESSION_FALSE_HITS_MAX)
			return 0;
		if (c->hashes[place] != hash)
			continue;
		if (output_equals(output, c->offsets[place], suffix))
			return c->offsets[place];
		c->false_hits++;
	}
	return 0;
}

static void compression_add(struct msg_compression *c, uint32_t hash, size_t offset)
{
	if (c->count >= COMPRESSION_ENTRIES_MAX || offset > DNS_POINTER_OFFSET_MAX)
		return;
	for (unsigned probe = 0; probe < COMPRESSION_PROBES_MAX; probe++) {
		unsigned place = (hash + probe) % MSG_RECORDS_PLACES;

		if (c->offsets[place] == 0) {
			c->offsets[place] = (uint16_t)offset;
			c->hashes[place] = hash;
			c->count++;
			return;
		}
	}
}

/* Write the name: the labels that stand nowhere yet, then a pointer or the root. */
static void write_compressed(struct wire_writer *w, struct msg_compression *c,
			     struct msg_suffixes *s)
{
	const struct name *name = &s->name;
	size_t start = w->offset;
	size_t target = 0;
	unsigned literal = 0;

	suffixes_hash(s);
	for (; literal < s->label_count; literal++) {
		target = compression_find(c, w->output.data, s->hashes[literal],
					  name->bytes + s->offsets[literal]);
		if (target != 0)
			break;
	}
	if (target == 0) {
		wire_write_span(w, (struct span){name->bytes, name->length_bytes});
	} else {
		wire_write_span(w, (struct span){name->bytes, s->offsets[literal]});
		wire_write_u16(w, (uint16_t)(DNS_POINTER_FLAG << 8 | target));
	}
	if (!w->ok)
		return;
	for (unsigned i = 0; i < literal; i++)
		compression_add(c, s->hashes[i], start + s->offsets[i]);
}

/* ---- records one by one ---- */

/* Expand the name at *offset into scratch. The response was checked when it was parsed. */
static void read_name(struct msg_records *r, size_t *offset)
{
	if (name_parse(r->response->message, offset, &r->scratch.name) != NAME_OK)
		r->writer.ok = false;
}

/* Does a label of the question's name begin at this offset of the message? A pointer to anywhere else may lead out of
 * the question. */
static bool is_question_label(const struct name *qname, size_t offset)
{
	size_t at = 0;

	while (at + DNS_HEADER_BYTES < offset && qname->bytes[at] != 0)
		at += 1 + (size_t)qname->bytes[at];
	return at + DNS_HEADER_BYTES == offset;
}

/* A name that is nothing but a pointer to a label of the question stays as it is: the question has the same bytes at
 * the same place in our output, letter case apart. *offset moves past it. */
static bool keep_question_pointer(struct msg_records *r, size_t *offset)
{
	const uint8_t *at = r->response->message.data + *offset;
	size_t target;

	if (at[0] < DNS_POINTER_FLAG || r->has_own_question)
		return false;
	target = wire_get_u16(at) & DNS_POINTER_OFFSET_MAX;
	if (!is_question_label(&r->response->qname, target))
		return false;
	wire_write_span(&r->writer, (struct span){at, 2});
	*offset += 2;
	return true;
}

static void write_rdata(struct msg_records *r, const struct msg_record *record)
{
	const uint8_t *message = r->response->message.data;
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	size_t at = record->rdata_offset;

	if (layout.name_count == 0) {
		wire_write_span(&r->writer,
				(struct span){message + at, record->rdata_length_bytes});
		return;
	}

	size_t names = at + layout.prefix_bytes;

	for (unsigned i = 0; i < layout.string_count; i++)
		names += 1 + (size_t)message[names];
	wire_write_span(&r->writer, (struct span){message + at, names - at});
	at = names;
	for (unsigned i = 0; i < layout.name_count && r->writer.ok; i++) {
		struct name *name = &r->scratch.name;

		if (layout.compressible && keep_question_pointer(r, &at))
			continue;
		read_name(r, &at);
		if (layout.compressible)
			write_compressed(&r->writer, &r->compression, &r->scratch);
		else
			wire_write_span(&r->writer, (struct span){name->bytes, name->length_bytes});
	}
	wire_write_span(&r->writer, (struct span){message + at, record->end_offset - at});
}

void msg_records_init(struct msg_records *r, struct buffer output,
		      const struct msg_response *response, const struct name *qname)
{
	r->writer = wire_writer_init(output);
	r->writer.offset = response->records_offset;
	r->response = response;
	r->has_own_question = false;
	r->compression.count = 0;
	r->compression.false_hits = 0;
	memset(r->compression.offsets, 0, sizeof(r->compression.offsets));
	name_copy(&r->scratch.name, qname);
	memcpy(output.data + DNS_HEADER_BYTES, qname->bytes, qname->length_bytes);
	suffixes_hash(&r->scratch);
	for (unsigned i = 0; i < r->scratch.label_count; i++)
		compression_add(&r->compression, r->scratch.hashes[i],
				DNS_HEADER_BYTES + (size_t)r->scratch.offsets[i]);
}

void msg_records_go_on(struct msg_records *r, const struct msg_response *response)
{
	r->response = response;
	r->has_own_question = true;
}

void msg_records_write(struct msg_records *r, const struct msg_record *record)
{
	struct wire_writer *w = &r->writer;
	size_t owner = record->owner_offset;

	if (!keep_question_pointer(r, &owner)) {
		read_name(r, &owner);
		write_compressed(w, &r->compression, &r->scratch);
	}
	wire_write_u16(w, record->type);
	wire_write_u16(w, record->class_or_size);
	wire_write_u32(w, record->ttl_s);
	wire_write_u16(w, 0);

	size_t rdata = w->offset;

	write_rdata(r, record);
	if (w->ok)
		wire_put_u16(w->output.data + rdata - 2, (uint16_t)(w->offset - rdata));
}

void msg_records_write_cname(struct msg_records *r, const struct name *owner, uint32_t ttl_s,
			     const struct name *target)
{
	struct wire_writer *w = &r->writer;
	size_t rdata;

	name_copy(&r->scratch.name, owner);
	write_compressed(w, &r->compression, &r->scratch);
	wire_write_u16(w, DNS_TYPE_CNAME);
	wire_write_u16(w, DNS_CLASS_IN);
	wire_write_u32(w, ttl_s);
	wire_write_u16(w, 0);
	rdata = w->offset;
	name_copy(&r->scratch.name, target);
	write_compressed(w, &r->compression, &r->scratch);
	if (w->ok)
		wire_put_u16(w->output.data + rdata - 2, (uint16_t)(w->offset - rdata));
}
