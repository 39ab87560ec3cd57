/* The parser of queries as it was before its fast lane: test_msg_same.c wants both to agree on every message. */
#include "msg_reference.h"

#include "core/limits.h"
#include "core/wire_cursor.h"

#define RECORD_FIXED_BYTES 10 /* type, class, TTL, RDLENGTH */
#define OPTION_HEADER_BYTES 4
#define QUESTION_FIXED_BYTES 4

static enum name_result parse_plain(struct span message, size_t *offset, struct name *out)
{
	size_t at = *offset;
	size_t label;

	do {
		if (at >= message.length_bytes)
			return NAME_TRUNCATED;
		label = message.data[at];
		if (label > DNS_LABEL_BYTES_MAX)
			return label >= DNS_POINTER_FLAG ? NAME_POINTER : NAME_LABEL_TYPE;
		if (label >= message.length_bytes - at)
			return NAME_TRUNCATED;
		at += 1 + label;
		if (at - *offset > DNS_NAME_BYTES_MAX)
			return NAME_TOO_LONG;
	} while (label != 0);
	out->length_bytes = (uint8_t)(at - *offset);
	memcpy(out->bytes, message.data + *offset, at - *offset);
	*offset = at;
	return NAME_OK;
}

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

	if (parse_plain(message, &at, &out->qname) != NAME_OK)
		return false;
	if (message.length_bytes - at < QUESTION_FIXED_BYTES) {
		out->qname.length_bytes = 0;
		return false;
	}
	out->qtype = wire_get_u16(message.data + at);
	out->qclass = wire_get_u16(message.data + at + 2);
	at += QUESTION_FIXED_BYTES;
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
		    message.length_bytes - at < RECORD_FIXED_BYTES)
			return MSG_QUERY_COUNTS;

		const uint8_t *fixed = message.data + at;
		unsigned type = wire_get_u16(fixed);
		struct span rdata = {fixed + RECORD_FIXED_BYTES, wire_get_u16(fixed + 8)};
		bool is_cut = rdata.length_bytes > message.length_bytes - at - RECORD_FIXED_BYTES;

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
		offset = at + RECORD_FIXED_BYTES + rdata.length_bytes;
	}
	return record_count > ALLOWED ? MSG_QUERY_COUNTS : result;
}

enum msg_query_result msg_reference_query(struct span message, struct msg_query *out)
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

bool msg_responses_equal(const struct msg_response *a, const struct msg_response *b)
{
	return a->message.data == b->message.data &&
	       a->message.length_bytes == b->message.length_bytes && a->id == b->id &&
	       a->flags == b->flags && a->qtype == b->qtype && a->qclass == b->qclass &&
	       name_equal_exact(&a->qname, &b->qname) && a->records_offset == b->records_offset &&
	       a->answer_count == b->answer_count && a->authority_count == b->authority_count &&
	       a->additional_count == b->additional_count && a->opt_is_last == b->opt_is_last &&
	       a->opt_offset == b->opt_offset && a->has_dnssec_records == b->has_dnssec_records &&
	       a->has_ttl_over_max == b->has_ttl_over_max && a->edns.present == b->edns.present &&
	       a->edns.dnssec_ok == b->edns.dnssec_ok && a->edns.version == b->edns.version &&
	       a->edns.extended_rcode == b->edns.extended_rcode &&
	       a->edns.udp_size_bytes == b->edns.udp_size_bytes &&
	       a->edns.option_count == b->edns.option_count &&
	       a->edns.cookie.data == b->edns.cookie.data &&
	       a->edns.cookie.length_bytes == b->edns.cookie.length_bytes;
}
