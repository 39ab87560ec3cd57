#include "msg_build.h"

#include <string.h>

#include "dns_const.h"
#include "limits.h"
#include "wire_cursor.h"

#define QUESTION_FIXED_BYTES 4
#define OPTION_HEADER_BYTES 4
#define EDE_CODE_BYTES 2
#define COOKIE_BYTES_MAX (DNS_COOKIE_CLIENT_BYTES + DNS_COOKIE_SERVER_BYTES_MAX)

/* RFC 8482 section 4.2: owner (a pointer to the question's name), HINFO, IN, TTL 3600, CPU
 * "RFC8482", OS "". */
static const uint8_t any_hinfo_record[] = {DNS_POINTER_FLAG,
					   DNS_HEADER_BYTES,
					   0,
					   DNS_TYPE_HINFO,
					   0,
					   DNS_CLASS_IN,
					   0,
					   0,
					   0x0e,
					   0x10,
					   0,
					   9,
					   7,
					   'R',
					   'F',
					   'C',
					   '8',
					   '4',
					   '8',
					   '2',
					   0};

static_assert(DNS_HEADER_BYTES + DNS_NAME_BYTES_MAX + QUESTION_FIXED_BYTES +
			      sizeof(any_hinfo_record) + DNS_OPT_BYTES_MIN + OPTION_HEADER_BYTES +
			      COOKIE_BYTES_MAX + OPTION_HEADER_BYTES + EDE_CODE_BYTES <=
		      MSG_BUILD_BYTES_MIN,
	      "any reply without an upstream's records fits");

/* ---- header, question, OPT ---- */

struct counts {
	uint16_t answer;
	uint16_t authority;
	uint16_t additional; /* without our OPT */
};

static uint16_t reply_flags(const struct msg_reply_params *params)
{
	uint32_t flags = DNS_FLAG_QR | (params->rcode & DNS_RCODE_MASK);

	if (params->authoritative)
		flags |= DNS_FLAG_AA;
	if (params->truncated)
		flags |= DNS_FLAG_TC;
	if (params->client.recursion_desired)
		flags |= DNS_FLAG_RD;
	if (params->recursion_available)
		flags |= DNS_FLAG_RA;
	if (params->authentic_data)
		flags |= DNS_FLAG_AD;
	if (params->client.checking_disabled)
		flags |= DNS_FLAG_CD;
	return (uint16_t)flags;
}

static size_t question_bytes(const struct name *qname)
{
	return qname == NULL ? 0 : qname->length_bytes + QUESTION_FIXED_BYTES;
}

/* How long reply_opt() will be. */
static size_t opt_bytes(const struct msg_reply_params *params)
{
	size_t length = DNS_OPT_BYTES_MIN;

	if (!params->client.edns)
		return 0;
	CHECK(params->client.cookie_length_bytes <= COOKIE_BYTES_MAX);
	if (params->client.cookie != NULL)
		length += OPTION_HEADER_BYTES + params->client.cookie_length_bytes;
	if (params->ede != DNS_EDE_NONE)
		length += OPTION_HEADER_BYTES + EDE_CODE_BYTES;
	return length;
}

/* Writes header and question to p; the caller has seen to the room. Returns the byte after them. */
static uint8_t *reply_head(uint8_t *p, const struct msg_reply_params *params,
			   const struct counts *counts)
{
	const struct name *qname = params->qname;

	wire_put_u16(p, params->client.id);
	wire_put_u16(p + 2, reply_flags(params));
	wire_put_u16(p + 4, qname != NULL);
	wire_put_u16(p + 6, counts->answer);
	wire_put_u16(p + 8, counts->authority);
	wire_put_u16(p + 10, (uint16_t)(counts->additional + params->client.edns));
	p += DNS_HEADER_BYTES;
	if (qname == NULL)
		return p;
	memcpy(p, qname->bytes, qname->length_bytes);
	p += qname->length_bytes;
	wire_put_u16(p, params->qtype);
	wire_put_u16(p + 2, params->qclass);
	return p + QUESTION_FIXED_BYTES;
}

/* RFC 6891 section 6.1.2: root, OPT, our receive size, extended rcode, version, DO, RDLENGTH. */
static uint8_t *opt_fixed(uint8_t *p, uint16_t udp_size_bytes, uint8_t extended_rcode,
			  bool dnssec_ok)
{
	p[0] = 0;
	wire_put_u16(p + 1, DNS_TYPE_OPT);
	wire_put_u16(p + 3, udp_size_bytes);
	p[5] = extended_rcode;
	p[6] = DNS_EDNS_VERSION;
	wire_put_u16(p + 7, dnssec_ok ? DNS_EDNS_FLAG_DO : 0);
	wire_put_u16(p + 9, 0);
	return p + DNS_OPT_BYTES_MIN;
}

/* Writes the opt_bytes() of the OPT record, none without EDNS. */
static uint8_t *reply_opt(uint8_t *p, const struct msg_reply_params *params)
{
	const struct msg_client *client = &params->client;
	size_t length = opt_bytes(params);

	if (!client->edns)
		return p;
	p = opt_fixed(p, EDNS_UDP_BYTES, (uint8_t)(params->rcode >> 4), client->dnssec_ok);
	wire_put_u16(p - 2, (uint16_t)(length - DNS_OPT_BYTES_MIN));
	if (client->cookie != NULL) {
		wire_put_u16(p, DNS_OPTION_COOKIE);
		wire_put_u16(p + 2, client->cookie_length_bytes);
		memcpy(p + OPTION_HEADER_BYTES, client->cookie, client->cookie_length_bytes);
		p += OPTION_HEADER_BYTES + client->cookie_length_bytes;
	}
	if (params->ede != DNS_EDE_NONE) {
		wire_put_u16(p, DNS_OPTION_EDE);
		wire_put_u16(p + 2, EDE_CODE_BYTES);
		wire_put_u16(p + OPTION_HEADER_BYTES, params->ede);
		p += OPTION_HEADER_BYTES + EDE_CODE_BYTES;
	}
	return p;
}

size_t msg_build_query(struct buffer output, const struct msg_query_params *params)
{
	const struct name *qname = params->qname;
	size_t length = DNS_HEADER_BYTES + question_bytes(qname) +
			(params->edns ? (size_t)DNS_OPT_BYTES_MIN : 0);
	uint8_t *p = output.data;

	if (length > output.capacity_bytes)
		return 0;
	wire_put_u16(p, params->id);
	wire_put_u16(p + 2, (uint16_t)((params->recursion_desired ? DNS_FLAG_RD : 0) |
				       (params->checking_disabled ? DNS_FLAG_CD : 0)));
	wire_put_u16(p + 4, 1);
	wire_put_u32(p + 6, 0);
	wire_put_u16(p + 10, params->edns);
	p += DNS_HEADER_BYTES;
	memcpy(p, qname->bytes, qname->length_bytes);
	p += qname->length_bytes;
	wire_put_u16(p, params->qtype);
	wire_put_u16(p + 2, params->qclass);
	if (params->edns)
		opt_fixed(p + QUESTION_FIXED_BYTES, params->edns_udp_size_bytes, 0, true);
	return length;
}

size_t msg_build_reply(struct buffer output, const struct msg_reply_params *params)
{
	struct counts counts = {params->any_hinfo, 0, 0};
	size_t length = DNS_HEADER_BYTES + question_bytes(params->qname) +
			(params->any_hinfo ? sizeof(any_hinfo_record) : 0) + opt_bytes(params);
	uint8_t *p = output.data;

	CHECK(!params->any_hinfo || params->qname != NULL);
	if (length > output.capacity_bytes)
		return 0;
	p = reply_head(p, params, &counts);
	if (params->any_hinfo) {
		memcpy(p, any_hinfo_record, sizeof(any_hinfo_record));
		p += sizeof(any_hinfo_record);
	}
	reply_opt(p, params);
	return length;
}

/* ---- compression ---- */

/* Probes of one look-up: a table at most half full rarely needs more than two. */
#define COMPRESSION_PROBES_MAX 4
/* The hash has no key, so a stranger may craft names that collide, and each collision costs a
 * comparison of 255 bytes: after so many in one message nothing more is compressed. Honest messages
 * see none. */
#define COMPRESSION_FALSE_HITS_MAX 16
#define COMPRESSION_PLACES (2 * COMPRESSION_ENTRIES_MAX)

static_assert((COMPRESSION_PLACES & (COMPRESSION_PLACES - 1)) == 0, "masked");

/* Suffixes of names that stand in the output, by the hash of their lower-case form. */
struct compression {
	uint16_t count;
	uint16_t false_hits;
	uint16_t offsets[COMPRESSION_PLACES]; /* 0: empty, no name stands in the header */
	uint32_t hashes[COMPRESSION_PLACES];
};

/* A name, and of each of its suffixes where it begins and its hash; the root is not among them. */
struct suffixes {
	struct name name;
	unsigned label_count;
	uint8_t offsets[DNS_LABELS_MAX];
	uint32_t hashes[DNS_LABELS_MAX];
};

static inline uint32_t lower_byte(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20u : c;
}

/* Fill in all but the name. From the last label to the first, so that one pass gives every
 * suffix's hash (FNV-1a's multiply and xor; length bytes go in last, as part of their label). */
static void suffixes_hash(struct suffixes *s)
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
static size_t compression_find(struct compression *c, const uint8_t *output, uint32_t hash,
			       const uint8_t *suffix)
{
	for (unsigned probe = 0; probe < COMPRESSION_PROBES_MAX; probe++) {
		unsigned place = (hash + probe) % COMPRESSION_PLACES;

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

static void compression_add(struct compression *c, uint32_t hash, size_t offset)
{
	if (c->count >= COMPRESSION_ENTRIES_MAX || offset > DNS_POINTER_OFFSET_MAX)
		return;
	for (unsigned probe = 0; probe < COMPRESSION_PROBES_MAX; probe++) {
		unsigned place = (hash + probe) % COMPRESSION_PLACES;

		if (c->offsets[place] == 0) {
			c->offsets[place] = (uint16_t)offset;
			c->hashes[place] = hash;
			c->count++;
			return;
		}
	}
}

/* Write the name: the labels that stand nowhere yet, then a pointer or the root. */
static void write_compressed(struct wire_writer *w, struct compression *c, struct suffixes *s)
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

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

struct rebuild {
	struct wire_writer writer;
	const struct msg_response *response;
	const struct msg_reply_params *params;
	size_t offset; /* of the next record in the response */
	struct compression compression;
	struct suffixes scratch;
};

/* RFC 4035 section 3.2.1; what was asked for by type is always kept. */
static bool is_stripped(const struct msg_reply_params *params, enum section section, uint16_t type)
{
	if (type == DNS_TYPE_OPT)
		return true;
	if (params->client.dnssec_ok || type == params->qtype)
		return false;
	return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3 ||
	       (type == DNS_TYPE_DS && section == SECTION_AUTHORITY);
}

/* Expand the name at *offset into scratch. The response was checked when it was parsed. */
static void read_name(struct rebuild *b, size_t *offset)
{
	if (name_parse(b->response->message, offset, &b->scratch.name) != NAME_OK)
		b->writer.ok = false;
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
static bool keep_question_pointer(struct rebuild *b, size_t *offset)
{
	const uint8_t *at = b->response->message.data + *offset;
	size_t target;

	if (at[0] < DNS_POINTER_FLAG)
		return false;
	target = wire_get_u16(at) & DNS_POINTER_OFFSET_MAX;
	if (!is_question_label(&b->response->qname, target))
		return false;
	wire_write_span(&b->writer, (struct span){at, 2});
	*offset += 2;
	return true;
}

static void write_rdata(struct rebuild *b, const struct msg_record *record)
{
	const uint8_t *message = b->response->message.data;
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	size_t at = record->rdata_offset;

	if (layout.name_count == 0) {
		wire_write_span(&b->writer,
				(struct span){message + at, record->rdata_length_bytes});
		return;
	}

	size_t names = at + layout.prefix_bytes;

	for (unsigned i = 0; i < layout.string_count; i++)
		names += 1 + (size_t)message[names];
	wire_write_span(&b->writer, (struct span){message + at, names - at});
	at = names;
	for (unsigned i = 0; i < layout.name_count && b->writer.ok; i++) {
		struct name *name = &b->scratch.name;

		if (layout.compressible && keep_question_pointer(b, &at))
			continue;
		read_name(b, &at);
		if (layout.compressible)
			write_compressed(&b->writer, &b->compression, &b->scratch);
		else
			wire_write_span(&b->writer, (struct span){name->bytes, name->length_bytes});
	}
	wire_write_span(&b->writer, (struct span){message + at, record->end_offset - at});
}

static void write_record(struct rebuild *b, const struct msg_record *record)
{
	struct wire_writer *w = &b->writer;
	size_t owner = record->owner_offset;

	if (!keep_question_pointer(b, &owner)) {
		read_name(b, &owner);
		write_compressed(w, &b->compression, &b->scratch);
	}
	wire_write_u16(w, record->type);
	wire_write_u16(w, record->class_or_size);
	wire_write_u32(w, record->ttl_s);
	wire_write_u16(w, 0);

	size_t rdata = w->offset;

	write_rdata(b, record);
	if (w->ok)
		wire_put_u16(w->output.data + rdata - 2, (uint16_t)(w->offset - rdata));
}

/* Returns how many records of the section were written. */
static uint16_t write_section(struct rebuild *b, enum section section, unsigned record_count)
{
	uint16_t written = 0;

	for (unsigned i = 0; i < record_count && b->writer.ok; i++) {
		struct msg_record record;

		if (!msg_record_next(b->response->message, &b->offset, &record)) {
			b->writer.ok = false;
			break;
		}
		if (is_stripped(b->params, section, record.type))
			continue;
		write_record(b, &record);
		written++;
	}
	return written;
}

/* The whole answer, records one by one; 0: longer than limit_bytes. */
static size_t answer_rebuild(struct buffer output, size_t limit_bytes,
			     const struct msg_response *response,
			     const struct msg_reply_params *params)
{
	struct rebuild b;
	struct counts counts;
	size_t records_offset = response->records_offset;

	b.writer = wire_writer_init((struct buffer){output.data, limit_bytes - opt_bytes(params)});
	b.writer.offset = records_offset; /* header and question come last, with the counts */
	b.response = response;
	b.params = params;
	b.offset = records_offset;
	b.compression.count = 0;
	b.compression.false_hits = 0;
	memset(b.compression.offsets, 0, sizeof(b.compression.offsets));
	b.scratch.name = *params->qname;
	memcpy(output.data + DNS_HEADER_BYTES, params->qname->bytes, params->qname->length_bytes);
	suffixes_hash(&b.scratch);
	for (unsigned i = 0; i < b.scratch.label_count; i++)
		compression_add(&b.compression, b.scratch.hashes[i],
				DNS_HEADER_BYTES + (size_t)b.scratch.offsets[i]);

	counts.answer = write_section(&b, SECTION_ANSWER, response->answer_count);
	counts.authority = write_section(&b, SECTION_AUTHORITY, response->authority_count);
	counts.additional = write_section(&b, SECTION_ADDITIONAL, response->additional_count);
	if (!b.writer.ok)
		return 0;
	reply_head(output.data, params, &counts);
	return (size_t)(reply_opt(output.data + b.writer.offset, params) - output.data);
}

/* ---- records in one piece ---- */

/* The whole answer with the records as they stand; 0: longer than limit_bytes. */
static size_t answer_copy(struct buffer output, size_t limit_bytes,
			  const struct msg_response *response,
			  const struct msg_reply_params *params)
{
	size_t records_bytes = (size_t)response->opt_offset - response->records_offset;
	struct counts counts = {
		response->answer_count,
		response->authority_count,
		(uint16_t)(response->additional_count - response->edns.present),
	};

	if (response->records_offset + records_bytes + opt_bytes(params) > limit_bytes)
		return 0;

	uint8_t *p = reply_head(output.data, params, &counts);

	memcpy(p, response->message.data + response->records_offset, records_bytes);
	return (size_t)(reply_opt(p + records_bytes, params) - output.data);
}

enum msg_answer_result msg_build_answer(struct buffer output, const struct msg_response *response,
					const struct msg_reply_params *params, size_t *length_bytes)
{
	struct msg_reply_params reply = *params;
	size_t limit_bytes = output.capacity_bytes;
	bool as_it_is = response->opt_is_last && !response->has_ttl_over_max &&
			(params->client.dnssec_ok || !response->has_dnssec_records);

	CHECK(params->qname != NULL && params->qname->length_bytes == response->qname.length_bytes);
	reply.rcode = (uint16_t)((unsigned)response->edns.extended_rcode << 4 |
				 (response->flags & DNS_RCODE_MASK));
	reply.truncated = params->truncated || (response->flags & DNS_FLAG_TC) != 0;
	reply.any_hinfo = false;
	*length_bytes = 0;
	if (limit_bytes > params->client.udp_size_bytes)
		limit_bytes = params->client.udp_size_bytes;
	if (response->records_offset + opt_bytes(params) > limit_bytes)
		reply.truncated = true;
	if (!reply.truncated && as_it_is)
		*length_bytes = answer_copy(output, limit_bytes, response, &reply);
	if (!reply.truncated && *length_bytes == 0)
		*length_bytes = answer_rebuild(output, limit_bytes, response, &reply);
	if (*length_bytes != 0)
		return MSG_ANSWER_OK;
	reply.truncated = true;
	*length_bytes = msg_build_reply(output, &reply);
	return MSG_ANSWER_TRUNCATED;
}
