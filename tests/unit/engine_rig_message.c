/* The messages of the rig's clients and servers: built, with whatever is to be wrong with them, and read. */
#include <string.h>

#include "core/wire_cursor.h"
#include "engine_rig.h"
#include "unit.h"

/* ---- building ---- */

size_t rig_question_build(const struct rig_question *q, uint8_t out[RIG_MESSAGE_BYTES_MAX])
{
	struct wire_writer w = wire_writer_init((struct buffer){out, RIG_MESSAGE_BYTES_MAX});
	struct name qname;

	CU_ASSERT_FATAL(name_from_text(q->name, &qname));
	wire_write_u16(&w, q->id);
	wire_write_u16(&w, (uint16_t)((q->rd_off ? 0 : DNS_FLAG_RD) | q->flags_on));
	wire_write_u16(&w, 1);
	wire_write_u16(&w, 0);
	wire_write_u16(&w, 0);
	wire_write_u16(&w, q->edns);
	wire_write_span(&w, (struct span){qname.bytes, qname.length_bytes});
	wire_write_u16(&w, q->qtype != 0 ? q->qtype : DNS_TYPE_A);
	wire_write_u16(&w, q->qclass != 0 ? q->qclass : DNS_CLASS_IN);
	if (q->edns) {
		wire_write_u8(&w, 0);
		wire_write_u16(&w, DNS_TYPE_OPT);
		wire_write_u16(&w, q->udp_size_bytes != 0 ? q->udp_size_bytes : EDNS_UDP_BYTES);
		wire_write_u32(&w, q->dnssec_ok ? DNS_EDNS_FLAG_DO : 0);
		wire_write_u16(&w, q->options_length_bytes);
		wire_write_span(&w, (struct span){q->options, q->options_length_bytes});
	}
	CU_ASSERT_FATAL(w.ok);
	return w.offset;
}

static void put_record(struct wire_writer *w, uint16_t type, const void *rdata, uint16_t length)
{
	wire_write_u16(w, DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES);
	wire_write_u16(w, type);
	wire_write_u16(w, DNS_CLASS_IN);
	wire_write_u32(w, 300);
	wire_write_u16(w, length);
	wire_write_span(w, (struct span){rdata, length});
}

static void put_question(struct wire_writer *w, const struct rig_query *q,
			 const struct rig_reply *reply)
{
	struct name qname;
	size_t end = q->parsed.question_end;

	qname = q->parsed.qname;
	if (reply->letters == RIG_LETTERS_LOWER)
		name_lower(&qname, &qname);
	for (size_t i = 1; reply->letters == RIG_LETTERS_FLIPPED && i < qname.length_bytes; i++)
		if (((qname.bytes[i] | 0x20) >= 'a') && (qname.bytes[i] | 0x20) <= 'z') {
			qname.bytes[i] ^= 0x20;
			break;
		}
	if (reply->other_qname)
		qname.bytes[1] = qname.bytes[1] == 'q' || qname.bytes[1] == 'Q' ? 'x' : 'q';
	wire_write_span(w, (struct span){qname.bytes, qname.length_bytes});
	wire_write_u16(w, rig_u16(q->message, end - 4) ^ reply->qtype_xor);
	wire_write_u16(w, rig_u16(q->message, end - 2) ^ reply->qclass_xor);
}

static uint16_t put_answers(struct wire_writer *w, const struct rig_query *q,
			    const struct rig_reply *reply)
{
	uint8_t address[4] = {192, 0, 2, reply->last_byte != 0 ? reply->last_byte : 1};
	uint8_t signature[27] = {0, DNS_TYPE_A, 13, 2, 0, 0, 1, 44};
	unsigned count = reply->record_count != 0 ? reply->record_count : 1;

	(void)q;
	for (unsigned i = 0; i < count; i++) {
		if (count > 1) {
			address[2] = (uint8_t)(i >> 8);
			address[3] = (uint8_t)i;
		}
		put_record(w, DNS_TYPE_A, address, sizeof(address));
	}
	if (reply->signature) {
		put_record(w, DNS_TYPE_RRSIG, signature, sizeof(signature));
		count++;
	}
	return (uint16_t)count;
}

static uint16_t put_authority(struct wire_writer *w)
{
	static const uint8_t nsec[] = {0, 0, 1, 0x40};
	static const uint8_t ds[] = {0x12, 0x34, 13, 2, 1, 2, 3, 4};

	put_record(w, DNS_TYPE_NSEC, nsec, sizeof(nsec));
	put_record(w, DNS_TYPE_DS, ds, sizeof(ds));
	return 2;
}

static void put_opt(struct wire_writer *w, uint16_t rcode)
{
	wire_write_u8(w, 0);
	wire_write_u16(w, DNS_TYPE_OPT);
	wire_write_u16(w, 4096);
	wire_write_u32(w, (uint32_t)(rcode >> 4) << 24 | DNS_EDNS_FLAG_DO);
	wire_write_u16(w, 0);
}

size_t rig_reply_build(const struct rig_query *q, const struct rig_reply *reply,
		       uint8_t out[RIG_MESSAGE_BYTES_MAX])
{
	struct wire_writer w = wire_writer_init((struct buffer){out, RIG_MESSAGE_BYTES_MAX});
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA |
				    (reply->rcode & DNS_RCODE_MASK));
	uint16_t answers = 0;
	uint16_t authorities = 0;

	flags = (uint16_t)((flags | reply->flags_on) & ~reply->flags_off);
	wire_write_u16(&w, q->parsed.id ^ reply->id_xor);
	wire_write_u16(&w, flags);
	wire_write_u16(&w, !reply->header_only && !reply->question_count_0);
	for (unsigned i = 0; i < 3; i++)
		wire_write_u16(&w, 0);
	if (reply->header_only)
		return w.offset;
	put_question(&w, q, reply);
	if (reply->compression_loop) {
		wire_write_u16(&w, (uint16_t)(DNS_POINTER_FLAG << 8 | w.offset));
		wire_write_span(&w, (struct span){(const uint8_t *)"\0\1\0\1\0\0\0\1\0\4abcd", 14});
		answers = 1;
	} else if (!reply->no_records) {
		answers = put_answers(&w, q, reply);
	}
	if (reply->signature)
		authorities = put_authority(&w);
	if (reply->edns)
		put_opt(&w, reply->rcode);
	for (unsigned i = 0; i < reply->trailing_bytes; i++)
		wire_write_u8(&w, 0x55);
	CU_ASSERT_FATAL(w.ok && w.offset > reply->cut_bytes);
	wire_put_u16(out + 6, answers);
	wire_put_u16(out + 8, authorities);
	wire_put_u16(out + 10, reply->edns);
	return w.offset - reply->cut_bytes;
}

/* ---- reading messages ---- */

uint16_t rig_u16(const uint8_t *message, size_t offset)
{
	return (uint16_t)(message[offset] << 8 | message[offset + 1]);
}

uint16_t rig_flags(const struct rig_answer *a)
{
	return rig_u16(a->message, 2);
}

/* Walks all records; calls nothing: returns the next one. */
static bool record_next(const struct rig_answer *a, size_t *offset, unsigned *left,
			struct msg_record *record)
{
	struct span message = {a->message, a->length_bytes};
	struct name qname;

	if (*offset == 0) {
		*offset = DNS_HEADER_BYTES;
		*left = (unsigned)rig_u16(a->message, 6) + rig_u16(a->message, 8) +
			rig_u16(a->message, 10);
		for (unsigned i = 0; i < rig_u16(a->message, 4); i++) {
			CU_ASSERT_FATAL(name_parse_plain(message, offset, &qname) == NAME_OK);
			*offset += 4;
		}
	}
	if (*left == 0) {
		CU_ASSERT_EQUAL(*offset, a->length_bytes);
		return false;
	}
	--*left;
	CU_ASSERT_FATAL(msg_record_next(message, offset, record));
	return true;
}

unsigned rig_record_count(const struct rig_answer *a, uint16_t type)
{
	struct msg_record record;
	size_t offset = 0;
	unsigned left = 0;
	unsigned count = 0;

	while (record_next(a, &offset, &left, &record))
		count += record.type == type;
	return count;
}

bool rig_opt(const struct rig_answer *a, struct msg_edns *edns, struct span *options)
{
	struct msg_record record;
	size_t offset = 0;
	unsigned left = 0;

	while (record_next(a, &offset, &left, &record)) {
		if (record.type != DNS_TYPE_OPT)
			continue;
		CU_ASSERT_EQUAL(a->message[record.owner_offset], 0);
		*edns = (struct msg_edns){
			.present = true,
			.dnssec_ok = (record.ttl_s & DNS_EDNS_FLAG_DO) != 0,
			.version = (uint8_t)(record.ttl_s >> 16),
			.extended_rcode = (uint8_t)(record.ttl_s >> 24),
			.udp_size_bytes = record.class_or_size,
		};
		if (options != NULL)
			*options = (struct span){a->message + record.rdata_offset,
						 record.rdata_length_bytes};
		return true;
	}
	return false;
}

uint16_t rig_rcode(const struct rig_answer *a)
{
	struct msg_edns edns = {0};

	(void)rig_opt(a, &edns, NULL);
	return (uint16_t)((unsigned)edns.extended_rcode << 4 | (rig_flags(a) & DNS_RCODE_MASK));
}

bool rig_option(const struct rig_answer *a, uint16_t code, struct span *contents)
{
	struct msg_edns edns;
	struct span options;
	size_t at = 0;

	if (!rig_opt(a, &edns, &options))
		return false;
	while (at + 4 <= options.length_bytes) {
		uint16_t length = rig_u16(options.data, at + 2);

		CU_ASSERT_FATAL(at + 4 + length <= options.length_bytes);
		if (rig_u16(options.data, at) == code) {
			*contents = (struct span){options.data + at + 4, length};
			return true;
		}
		at += 4 + (size_t)length;
	}
	CU_ASSERT_EQUAL(at, options.length_bytes);
	return false;
}

bool rig_question_is(const struct rig_answer *a, const struct rig_question *q)
{
	uint8_t asked[RIG_MESSAGE_BYTES_MAX];
	struct rig_question plain = *q;
	size_t length;

	plain.edns = false;
	length = rig_question_build(&plain, asked);
	return a->length_bytes >= length && rig_u16(a->message, 4) == 1 &&
	       rig_u16(a->message, 0) == q->id &&
	       memcmp(a->message + DNS_HEADER_BYTES, asked + DNS_HEADER_BYTES,
		      length - DNS_HEADER_BYTES) == 0;
}
