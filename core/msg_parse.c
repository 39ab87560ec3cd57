#include "msg_parse.h"

#include "dns_const.h"
#include "limits.h"
#include "msg_parse_own.h"
#include "msg_referral.h"
#include "wire_cursor.h"

#define OPTION_HEADER_BYTES 4
/* A pointer to the question's name: what most owners are. */
#define POINTER_TO_QUESTION (DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES)

const char *const msg_query_result_text[] = {
	[MSG_QUERY_OK] = "ok",
	[MSG_QUERY_SHORT] = "no header",
	[MSG_QUERY_IS_RESPONSE] = "is a response",
	[MSG_QUERY_OPCODE] = "opcode other than QUERY",
	[MSG_QUERY_COUNTS] = "section counts",
	[MSG_QUERY_QUESTION] = "malformed question",
	[MSG_QUERY_OPT] = "malformed OPT",
	[MSG_QUERY_OPTION] = "malformed EDNS option",
	[MSG_QUERY_VERSION] = "unknown EDNS version",
	[MSG_QUERY_COOKIE_ONLY] = "cookie without a question",
	[MSG_QUERY_TRUNCATED_FLAG] = "truncated flag in a query",
};
static_assert(ARRAY_COUNT(msg_query_result_text) == MSG_QUERY_RESULT_COUNT, "a text each");

const char *const msg_response_result_text[] = {
	[MSG_RESPONSE_OK] = "ok",
	[MSG_RESPONSE_SHORT] = "no header",
	[MSG_RESPONSE_IS_QUERY] = "is a query",
	[MSG_RESPONSE_OPCODE] = "opcode other than QUERY",
	[MSG_RESPONSE_QUESTION] = "no question or a malformed one",
	[MSG_RESPONSE_RECORD] = "malformed record",
	[MSG_RESPONSE_OPT] = "malformed OPT",
	[MSG_RESPONSE_TRAILING] = "trailing bytes",
	[MSG_RESPONSE_TOO_MANY] = "too many records",
};
static_assert(ARRAY_COUNT(msg_response_result_text) == MSG_RESPONSE_RESULT_COUNT, "a text each");

/* ---- EDNS ---- */

/* The options that anybody looks at: the first of each kind. data NULL: not there. */
struct edns_options {
	struct span cookie;
	struct span client_subnet;
};

/* Read the fixed part of the OPT record whose type stands at opt. */
static void edns_fixed(const uint8_t *opt, struct msg_edns *edns)
{
	edns->present = true;
	edns->udp_size_bytes = wire_get_u16(opt + 2);
	edns->extended_rcode = opt[4];
	edns->version = opt[5];
	edns->dnssec_ok = (wire_get_u16(opt + 6) & DNS_EDNS_FLAG_DO) != 0;
}

/* Walk at most EDNS_OPTIONS_PARSED_MAX options; false: one runs past the RDATA. */
static bool options_walk(struct span rdata, struct msg_edns *edns, struct edns_options *options)
{
	size_t at = 0;

	while (at < rdata.length_bytes && edns->option_count < EDNS_OPTIONS_PARSED_MAX) {
		const uint8_t *p = rdata.data + at;
		size_t left = rdata.length_bytes - at;

		if (left < OPTION_HEADER_BYTES)
			return false;

		struct span value = {p + OPTION_HEADER_BYTES, wire_get_u16(p + 2)};

		if (value.length_bytes > left - OPTION_HEADER_BYTES)
			return false;
		edns->option_count++;
		at += OPTION_HEADER_BYTES + value.length_bytes;

		uint16_t code = wire_get_u16(p);

		if (code == DNS_OPTION_COOKIE && options->cookie.data == NULL)
			options->cookie = value;
		else if (code == DNS_OPTION_ECS && options->client_subnet.data == NULL)
			options->client_subnet = value;
	}
	return true;
}

/* RFC 7873 section 5.2.2. */
static bool cookie_length_ok(struct span cookie)
{
	size_t length = cookie.length_bytes;

	return length == DNS_COOKIE_CLIENT_BYTES ||
	       (length >= DNS_COOKIE_CLIENT_BYTES + DNS_COOKIE_SERVER_BYTES_MIN &&
		length <= DNS_COOKIE_CLIENT_BYTES + DNS_COOKIE_SERVER_BYTES_MAX);
}

/* RFC 7871 section 6: family, source and scope prefix length, and the source's bits, no octet more
 * or fewer, zero beyond. Family 0 with no bits is how some clients say "no subnet". */
static bool client_subnet_ok(struct span subnet)
{
	enum { FAMILY_NONE = 0, FAMILY_IPV4 = 1, FAMILY_IPV6 = 2, FIXED_BYTES = 4 };
	static const uint8_t bits_max[] = {
		[FAMILY_NONE] = 0, [FAMILY_IPV4] = 32, [FAMILY_IPV6] = 128};

	if (subnet.length_bytes < FIXED_BYTES)
		return false;

	unsigned family = wire_get_u16(subnet.data);
	unsigned source_bits = subnet.data[2];
	unsigned scope_bits = subnet.data[3];

	if (family >= ARRAY_COUNT(bits_max) || source_bits > bits_max[family] || scope_bits != 0)
		return false;
	if (subnet.length_bytes != FIXED_BYTES + (source_bits + 7) / 8)
		return false;
	return source_bits % 8 == 0 ||
	       (subnet.data[subnet.length_bytes - 1] & (0xffu >> (source_bits % 8))) == 0;
}

/* ---- a client's query ---- */

static void query_clear(struct msg_query *q)
{
	q->id = 0;
	q->flags = 0;
	q->qtype = 0;
	q->qclass = 0;
	q->question_present = false;
	q->question_end = DNS_HEADER_BYTES;
	q->qname.length_bytes = 0; /* its bytes are not worth the time */
	q->edns = (struct msg_edns){0};
}

static bool query_question(struct span message, size_t *offset, struct msg_query *out)
{
	size_t at = *offset;

	if (name_parse_plain(message, &at, &out->qname) != NAME_OK)
		return false;
	if (message.length_bytes - at < MSG_QUESTION_FIXED_BYTES) {
		out->qname.length_bytes = 0;
		return false;
	}
	out->qtype = wire_get_u16(message.data + at);
	out->qclass = wire_get_u16(message.data + at + 2);
	at += MSG_QUESTION_FIXED_BYTES;
	out->question_present = true;
	out->question_end = (uint16_t)at;
	*offset = at;
	return true;
}

/* The OPT's RDATA, its fixed part is read. */
static enum msg_query_result query_options(struct span rdata, struct msg_edns *edns)
{
	struct edns_options options = {{NULL, 0}, {NULL, 0}};

	if (edns->version != DNS_EDNS_VERSION)
		return MSG_QUERY_VERSION;
	if (!options_walk(rdata, edns, &options))
		return MSG_QUERY_OPT;
	if (options.cookie.data != NULL) {
		if (!cookie_length_ok(options.cookie))
			return MSG_QUERY_OPTION;
		edns->cookie = options.cookie;
	}
	if (options.client_subnet.data != NULL && !client_subnet_ok(options.client_subnet))
		return MSG_QUERY_OPTION;
	return MSG_QUERY_OK;
}

/* One OPT, or an OPT and a TSIG, or nothing. */
static enum msg_query_result query_additional(struct span message, size_t offset,
					      unsigned record_count, struct msg_query *out)
{
	enum { ALLOWED = 2 };
	enum msg_query_result result = MSG_QUERY_OK;

	for (unsigned i = 0; i < record_count && i < ALLOWED; i++) {
		size_t at = offset;

		if (name_skip(message, &at) != NAME_OK ||
		    message.length_bytes - at < MSG_RECORD_FIXED_BYTES)
			return MSG_QUERY_COUNTS;

		const uint8_t *fixed = message.data + at;
		unsigned type = wire_get_u16(fixed);
		struct span rdata = {fixed + MSG_RECORD_FIXED_BYTES, wire_get_u16(fixed + 8)};
		bool is_cut =
			rdata.length_bytes > message.length_bytes - at - MSG_RECORD_FIXED_BYTES;

		if (type == DNS_TYPE_OPT) {
			if (out->edns.present)
				return MSG_QUERY_OPT;
			edns_fixed(fixed, &out->edns);
			if (message.data[offset] != 0 || is_cut)
				return MSG_QUERY_OPT;
			result = query_options(rdata, &out->edns);
		} else if (type != DNS_TYPE_TSIG || i == 0 || is_cut) {
			return MSG_QUERY_COUNTS;
		}
		offset = at + MSG_RECORD_FIXED_BYTES + rdata.length_bytes;
	}
	return record_count > ALLOWED ? MSG_QUERY_COUNTS : result;
}

/* Any query: the reading that the header describes. */
__attribute__((noinline)) static enum msg_query_result query_any(struct span message,
								 struct msg_query *out)
{
	size_t offset = DNS_HEADER_BYTES;

	query_clear(out);
	if (message.length_bytes < DNS_HEADER_BYTES)
		return MSG_QUERY_SHORT;
	if (message.length_bytes > DNS_MESSAGE_BYTES_MAX)
		message.length_bytes = DNS_MESSAGE_BYTES_MAX; /* the rest is trailing bytes */
	out->id = wire_get_u16(message.data);
	out->flags = wire_get_u16(message.data + 2);
	if ((out->flags & DNS_FLAG_QR) != 0)
		return MSG_QUERY_IS_RESPONSE;
	if ((out->flags & DNS_OPCODE_MASK) != DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT)
		return MSG_QUERY_OPCODE;

	unsigned question_count = wire_get_u16(message.data + 4);
	uint32_t answer_authority_counts = wire_get_u32(message.data + 6);

	if (question_count == 1 && !query_question(message, &offset, out))
		return MSG_QUERY_QUESTION;
	if (question_count > 1 || answer_authority_counts != 0)
		return MSG_QUERY_COUNTS;

	enum msg_query_result result =
		query_additional(message, offset, wire_get_u16(message.data + 10), out);

	if (result != MSG_QUERY_OK)
		return result;
	if (question_count == 0 && out->edns.cookie.length_bytes == 0)
		return MSG_QUERY_COUNTS;
	if ((out->flags & DNS_FLAG_TC) != 0)
		return MSG_QUERY_TRUNCATED_FLAG;
	return question_count == 0 ? MSG_QUERY_COOKIE_ONLY : MSG_QUERY_OK;
}

static_assert(DNS_OPCODE_QUERY == 0, "a good query's opcode bits are all zero");

/* The way of nearly every query: a question, and no more than an OPT of our version without options. True: that it is and
 * *out is what query_any makes of it; else *out is undefined. */
static inline bool query_plain(struct span message, struct msg_query *out)
{
	/* Of the header's first eight bytes: the flags and opcode that a good query has not, and two counts. */
	const uint64_t head_mask =
		(uint64_t)(DNS_FLAG_QR | DNS_OPCODE_MASK | DNS_FLAG_TC) << 32 | UINT32_MAX;
	const uint64_t head_wanted = UINT64_C(1) << 16; /* one question, no answer */
	size_t at = DNS_HEADER_BYTES;
	size_t name_bytes;
	uint64_t head;
	uint32_t counts;
	const uint8_t *opt;

	if (message.length_bytes < DNS_HEADER_BYTES)
		return false; /* too long is none: what is looked at ends long before */
	head = (uint64_t)wire_get_u32(message.data) << 32 | wire_get_u32(message.data + 4);
	counts = wire_get_u32(message.data + 8); /* authority, additional */
	if ((head & head_mask) != head_wanted || counts > 1)
		return false;
	name_bytes = name_plain_bytes(message, at);
	if (name_bytes == 0 || message.length_bytes - at - name_bytes < MSG_QUESTION_FIXED_BYTES)
		return false;
	name_copy_plain(&out->qname, message, at, name_bytes);
	at += name_bytes;
	out->id = (uint16_t)(head >> 48);
	out->flags = (uint16_t)(head >> 32);
	out->qtype = wire_get_u16(message.data + at);
	out->qclass = wire_get_u16(message.data + at + 2);
	at += MSG_QUESTION_FIXED_BYTES;
	out->question_present = true;
	out->question_end = (uint16_t)at;
	out->edns = (struct msg_edns){0};
	if (counts == 0)
		return true;
	opt = message.data + at;
	if (message.length_bytes - at < 1 + MSG_RECORD_FIXED_BYTES || opt[0] != 0 ||
	    wire_get_u16(opt + 1) != DNS_TYPE_OPT || wire_get_u16(opt + 9) != 0)
		return false;
	edns_fixed(opt + 1, &out->edns);
	return out->edns.version == DNS_EDNS_VERSION;
}

enum msg_query_result msg_parse_query(struct span message, struct msg_query *out)
{
	if (LIKELY(query_plain(message, out)))
		return MSG_QUERY_OK;
	return query_any(message, out);
}

/* ---- records ---- */

struct msg_rdata_layout msg_rdata_layout(uint16_t type)
{
	static const struct msg_rdata_layout one_name = {.name_count = 1, .compressible = true};
	static const struct msg_rdata_layout opaque = {.suffix_bytes = MSG_RDATA_REST};

	switch (type) {
	case DNS_TYPE_A:
		return (struct msg_rdata_layout){.prefix_bytes = 4};
	case DNS_TYPE_AAAA:
		return (struct msg_rdata_layout){.prefix_bytes = 16};
	case DNS_TYPE_NS:
	case DNS_TYPE_MD:
	case DNS_TYPE_MF:
	case DNS_TYPE_CNAME:
	case DNS_TYPE_MB:
	case DNS_TYPE_MG:
	case DNS_TYPE_MR:
	case DNS_TYPE_PTR:
		return one_name;
	case DNS_TYPE_SOA: /* two names, then serial, refresh, retry, expire, minimum */
		return (struct msg_rdata_layout){
			.name_count = 2, .suffix_bytes = 20, .compressible = true};
	case DNS_TYPE_MINFO:
		return (struct msg_rdata_layout){.name_count = 2, .compressible = true};
	case DNS_TYPE_MX:
		return (struct msg_rdata_layout){
			.prefix_bytes = 2, .name_count = 1, .compressible = true};
	case DNS_TYPE_RP:
		return (struct msg_rdata_layout){.name_count = 2};
	case DNS_TYPE_AFSDB:
	case DNS_TYPE_RT:
	case DNS_TYPE_KX:
		return (struct msg_rdata_layout){.prefix_bytes = 2, .name_count = 1};
	case DNS_TYPE_SIG:
	case DNS_TYPE_RRSIG: /* signer's name behind the fixed fields, then the signature */
		return (struct msg_rdata_layout){
			.prefix_bytes = 18, .name_count = 1, .suffix_bytes = MSG_RDATA_REST};
	case DNS_TYPE_PX:
		return (struct msg_rdata_layout){.prefix_bytes = 2, .name_count = 2};
	case DNS_TYPE_NXT:
	case DNS_TYPE_NSEC: /* next name, then the bitmap of types */
		return (struct msg_rdata_layout){.name_count = 1, .suffix_bytes = MSG_RDATA_REST};
	case DNS_TYPE_SRV:
		return (struct msg_rdata_layout){.prefix_bytes = 6, .name_count = 1};
	case DNS_TYPE_NAPTR:
		return (struct msg_rdata_layout){
			.prefix_bytes = 4, .string_count = 3, .name_count = 1};
	case DNS_TYPE_DNAME:
		return (struct msg_rdata_layout){.name_count = 1};
	default:
		return opaque;
	}
}

/* CUT: the message ends before the record does, but nothing before that end is wrong. */
enum record_result { RECORD_OK, RECORD_CUT, RECORD_BAD };

/* What comes after the owner name, which ends at `at`. */
static enum record_result record_fixed(struct span message, size_t owner, size_t at,
				       struct msg_record *out)
{
	if (message.length_bytes - at < MSG_RECORD_FIXED_BYTES)
		return RECORD_CUT;

	const uint8_t *fixed = message.data + at;
	size_t rdata_length = wire_get_u16(fixed + 8);

	at += MSG_RECORD_FIXED_BYTES;
	if (message.length_bytes - at < rdata_length)
		return RECORD_CUT;
	out->type = wire_get_u16(fixed);
	out->class_or_size = wire_get_u16(fixed + 2);
	out->ttl_s = wire_get_u32(fixed + 4);
	out->owner_offset = (uint16_t)owner;
	out->rdata_offset = (uint16_t)at;
	out->rdata_length_bytes = (uint16_t)rdata_length;
	out->end_offset = (uint16_t)(at + rdata_length);
	return RECORD_OK;
}

bool msg_record_next(struct span message, size_t *offset, struct msg_record *out)
{
	struct msg_record record;
	size_t at = *offset;

	if (name_skip(message, &at) != NAME_OK ||
	    record_fixed(message, *offset, at, &record) != RECORD_OK)
		return false;
	if (record.type != DNS_TYPE_OPT && (record.ttl_s & MSG_TTL_TOP_BIT) != 0)
		record.ttl_s = 0;
	*out = record;
	*offset = record.end_offset;
	return true;
}

/* Does the RDATA have its type's shape? Names must end within it, wherever their pointers lead. */
static bool rdata_ok(struct span message, const struct msg_record *record)
{
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	struct span until_end = {message.data, record->end_offset};
	size_t at = record->rdata_offset;

	if (layout.name_count == 0 && record->class_or_size != DNS_CLASS_IN)
		return true;
	if (record->rdata_length_bytes < layout.prefix_bytes)
		return false;
	at += layout.prefix_bytes;
	for (unsigned i = 0; i < layout.string_count; i++) {
		if (at >= record->end_offset)
			return false;
		at += 1 + (size_t)message.data[at];
	}
	for (unsigned i = 0; i < layout.name_count; i++)
		if (name_skip(until_end, &at) != NAME_OK)
			return false;
	return layout.suffix_bytes == MSG_RDATA_REST ||
	       at + layout.suffix_bytes == record->end_offset;
}

bool msg_parse_record(struct span message, size_t offset, struct msg_record *out)
{
	size_t at = offset;

	return name_skip(message, &at) == NAME_OK &&
	       record_fixed(message, offset, at, out) == RECORD_OK && out->type != DNS_TYPE_OPT &&
	       rdata_ok(message, out);
}

/* ---- an upstream's answer ---- */

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

struct response_parse {
	struct msg_response *response;
	size_t offset;
	bool cut; /* the message ended within a record */
};

bool msg_parse_opt(struct msg_response *r, const struct msg_record *record)
{
	const uint8_t *rdata = r->message.data + record->rdata_offset;
	struct edns_options options = {{NULL, 0}, {NULL, 0}};

	if (r->message.data[record->owner_offset] != 0)
		return false;
	edns_fixed(rdata - MSG_RECORD_FIXED_BYTES, &r->edns);
	r->opt_offset = record->owner_offset;
	if (!options_walk((struct span){rdata, record->rdata_length_bytes}, &r->edns, &options))
		return false;
	if (options.cookie.data != NULL && cookie_length_ok(options.cookie))
		r->edns.cookie = options.cookie;
	return true;
}

/* The record at p->offset, which may be an OPT. RECORD_CUT sets p->cut. */
static enum record_result response_record(struct response_parse *p, struct msg_record *record)
{
	struct span message = p->response->message;
	size_t at = p->offset;

	/* The question's name has been checked: its pointer needs no walk; nor does the root, of an OPT. */
	if (message.length_bytes - at >= 2 &&
	    wire_get_u16(message.data + at) == POINTER_TO_QUESTION) {
		at += 2;
	} else if (message.length_bytes > at && message.data[at] == 0) {
		at++;
	} else {
		enum name_result owner = name_skip(message, &at);

		if (owner == NAME_TRUNCATED)
			return RECORD_CUT;
		if (owner != NAME_OK)
			return RECORD_BAD;
	}
	return record_fixed(message, p->offset, at, record);
}

static void response_note(struct msg_response *r, const struct msg_record *record,
			  enum section section)
{
	switch (record->type) {
	case DNS_TYPE_DS:
		if (section == SECTION_AUTHORITY)
			r->has_dnssec_records = true;
		break;
	case DNS_TYPE_RRSIG:
	case DNS_TYPE_NSEC:
	case DNS_TYPE_NSEC3:
		r->has_dnssec_records = true;
		break;
	default:
		break;
	}
	if ((record->ttl_s & MSG_TTL_TOP_BIT) != 0)
		r->has_ttl_over_max = true;
}

static enum msg_response_result response_section(struct response_parse *p, enum section section,
						 unsigned record_count, uint16_t *parsed_count)
{
	struct msg_response *r = p->response;

	for (*parsed_count = 0; *parsed_count < record_count && !p->cut; ++*parsed_count) {
		struct msg_record record;
		enum record_result result = response_record(p, &record);

		if (result == RECORD_CUT && (r->flags & DNS_FLAG_TC) != 0) {
			p->cut = true;
			break;
		}
		if (result != RECORD_OK)
			return MSG_RESPONSE_RECORD;
		r->opt_is_last = record.type == DNS_TYPE_OPT || !r->edns.present;
		if (record.type == DNS_TYPE_OPT) {
			if (section != SECTION_ADDITIONAL || r->edns.present ||
			    !msg_parse_opt(r, &record))
				return MSG_RESPONSE_OPT;
		} else {
			if (!rdata_ok(r->message, &record))
				return MSG_RESPONSE_RECORD;
			response_note(r, &record, section);
		}
		p->offset = record.end_offset;
	}
	return MSG_RESPONSE_OK;
}

/* All three sections, from p->offset to the message's end. */
static enum msg_response_result response_records(struct response_parse *p)
{
	struct msg_response *r = p->response;
	unsigned answers = wire_get_u16(r->message.data + 6);
	unsigned authorities = wire_get_u16(r->message.data + 8);
	unsigned additionals = wire_get_u16(r->message.data + 10);
	enum msg_response_result result;

	if (answers + authorities + additionals > RECORDS_PARSED_MAX)
		return MSG_RESPONSE_TOO_MANY;
	result = response_section(p, SECTION_ANSWER, answers, &r->answer_count);
	if (result == MSG_RESPONSE_OK)
		result = response_section(p, SECTION_AUTHORITY, authorities, &r->authority_count);
	if (result == MSG_RESPONSE_OK)
		result = response_section(p, SECTION_ADDITIONAL, additionals, &r->additional_count);
	if (result == MSG_RESPONSE_OK && !p->cut && p->offset != r->message.length_bytes)
		result = MSG_RESPONSE_TRAILING;
	return result;
}

enum msg_response_result msg_parse_response_any(struct span message, struct msg_response *out)
{
	struct msg_response r;
	struct response_parse p = {&r, DNS_HEADER_BYTES, false};

	if (message.length_bytes < DNS_HEADER_BYTES)
		return MSG_RESPONSE_SHORT;
	r.message = message;
	r.id = wire_get_u16(message.data);
	r.flags = wire_get_u16(message.data + 2);
	if ((r.flags & DNS_FLAG_QR) == 0)
		return MSG_RESPONSE_IS_QUERY;
	if ((r.flags & DNS_OPCODE_MASK) != DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT)
		return MSG_RESPONSE_OPCODE;
	if (wire_get_u16(message.data + 4) != 1 ||
	    name_parse_plain(message, &p.offset, &r.qname) != NAME_OK ||
	    message.length_bytes - p.offset < MSG_QUESTION_FIXED_BYTES)
		return MSG_RESPONSE_QUESTION;
	if (message.length_bytes > DNS_MESSAGE_BYTES_MAX)
		return MSG_RESPONSE_TRAILING;
	r.qtype = wire_get_u16(message.data + p.offset);
	r.qclass = wire_get_u16(message.data + p.offset + 2);
	p.offset += MSG_QUESTION_FIXED_BYTES;
	r.records_offset = (uint16_t)p.offset;
	r.opt_is_last = true;
	r.opt_offset = (uint16_t)message.length_bytes;
	r.has_dnssec_records = false;
	r.has_ttl_over_max = false;
	r.edns = (struct msg_edns){0};
	r.referral = NULL;

	enum msg_response_result result = response_records(&p);

	if (result == MSG_RESPONSE_OK)
		msg_response_copy(out, &r);
	return result;
}

#define OWNER_AND_TYPE(type) ((uint32_t)POINTER_TO_QUESTION << 16 | (type))

/* Past records of the question's name that are all A or AAAA of class IN, and whole; 0: they are not. *ttls: all of them, one
 * over the other. */
static inline size_t addresses_end(struct span message, size_t at, unsigned record_count,
				   uint32_t *ttls)
{
	enum { OWNER_BYTES = 2, LEAST = OWNER_BYTES + MSG_RECORD_FIXED_BYTES + 4 };

	for (; record_count > 0; record_count--) {
		const uint8_t *p = message.data + at;
		uint32_t owner_and_type;
		size_t rdata_bytes;

		if (message.length_bytes - at < LEAST)
			return 0;
		owner_and_type = wire_get_u32(p);
		rdata_bytes = owner_and_type == OWNER_AND_TYPE(DNS_TYPE_A) ? 4 : 16;
		if ((owner_and_type != OWNER_AND_TYPE(DNS_TYPE_A) &&
		     owner_and_type != OWNER_AND_TYPE(DNS_TYPE_AAAA)) ||
		    wire_get_u16(p + 4) != DNS_CLASS_IN || wire_get_u16(p + 10) != rdata_bytes)
			return 0;
		*ttls |= wire_get_u32(p + 6);
		at += OWNER_BYTES + MSG_RECORD_FIXED_BYTES + rdata_bytes;
		if (at > message.length_bytes)
			return 0;
	}
	return at;
}

/* The way of most answers: whole, of addresses only, with no more than an OPT without options behind them. True: that it is
 * and *out is what msg_parse_response_any makes of it; else nothing is written. */
static inline __attribute__((always_inline)) bool response_plain(struct span message,
								 const struct name *qname,
								 struct msg_response *out)
{
	const uint64_t head_mask = (uint64_t)(DNS_FLAG_QR | DNS_OPCODE_MASK | DNS_FLAG_TC) << 32 |
				   UINT32_C(0xffff0000);
	const uint64_t head_wanted = (uint64_t)DNS_FLAG_QR << 32 | UINT32_C(1) << 16;
	const uint8_t *data = message.data;
	size_t name_bytes, records, end;
	uint32_t counts, ttls = 0;
	uint64_t head;

	if (message.length_bytes < DNS_HEADER_BYTES || message.length_bytes > DNS_MESSAGE_BYTES_MAX)
		return false;
	head = (uint64_t)wire_get_u32(data) << 32 | wire_get_u32(data + 4);
	counts = wire_get_u32(data + 8); /* authority, additional */
	if ((head & head_mask) != head_wanted || counts > 1)
		return false;
	name_bytes =
		qname != NULL ? qname->length_bytes : name_plain_bytes(message, DNS_HEADER_BYTES);
	records = DNS_HEADER_BYTES + name_bytes + MSG_QUESTION_FIXED_BYTES;
	if (name_bytes == 0 || records > message.length_bytes)
		return false;
	end = addresses_end(message, records, (uint16_t)head, &ttls);
	if (end == 0 || message.length_bytes - end != counts * DNS_OPT_BYTES_MIN)
		return false;
	if (counts != 0 && (data[end] != 0 || wire_get_u16(data + end + 1) != DNS_TYPE_OPT ||
			    wire_get_u16(data + end + 9) != 0))
		return false;
	out->message = message;
	out->id = (uint16_t)(head >> 48);
	out->flags = (uint16_t)(head >> 32);
	out->qtype = wire_get_u16(data + records - MSG_QUESTION_FIXED_BYTES);
	out->qclass = wire_get_u16(data + records - 2);
	if (qname != NULL)
		name_copy(&out->qname, qname);
	else
		name_copy_plain(&out->qname, message, DNS_HEADER_BYTES, name_bytes);
	out->records_offset = (uint16_t)records;
	out->answer_count = (uint16_t)head;
	out->authority_count = 0;
	out->additional_count = (uint16_t)counts;
	out->opt_is_last = true;
	out->opt_offset = (uint16_t)end;
	out->has_dnssec_records = false;
	out->has_ttl_over_max = (ttls & MSG_TTL_TOP_BIT) != 0;
	out->referral = NULL;
	out->edns = (struct msg_edns){0};
	if (counts != 0)
		edns_fixed(data + end + 1, &out->edns);
	return true;
}

enum msg_response_result msg_parse_response(struct span message, struct msg_response *out)
{
	if (LIKELY(response_plain(message, NULL, out)))
		return MSG_RESPONSE_OK;
	return msg_parse_response_any(message, out);
}

enum msg_response_result msg_parse_response_of(struct span message, const struct name *qname,
					       struct msg_referral *referral,
					       struct msg_response *out)
{
	if (UNLIKELY(qname == NULL))
		return msg_parse_response(message, out);
	if (response_plain(message, qname, out) ||
	    msg_referral_parse(message, qname, referral, out))
		return MSG_RESPONSE_OK;
	return msg_parse_response_any(message, out);
}
