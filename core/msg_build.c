#include "msg_build.h"

#include <string.h>

#include "dns_const.h"
#include "frame_wire.h"
#include "limits.h"
#include "msg_query.h"
#include "msg_records.h"
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

size_t msg_build_opt_bytes(const struct msg_client *client, uint16_t ede)
{
	size_t length = DNS_OPT_BYTES_MIN;

	if (!client->edns)
		return 0;
	CHECK(client->cookie_length_bytes <= COOKIE_BYTES_MAX);
	if (client->cookie != NULL)
		length += OPTION_HEADER_BYTES + client->cookie_length_bytes;
	if (ede != DNS_EDE_NONE)
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

static uint8_t *put_ede(uint8_t *p, uint16_t ede)
{
	wire_put_u16(p, DNS_OPTION_EDE);
	wire_put_u16(p + 2, EDE_CODE_BYTES);
	wire_put_u16(p + OPTION_HEADER_BYTES, ede);
	return p + OPTION_HEADER_BYTES + EDE_CODE_BYTES;
}

size_t msg_add_ede(uint8_t *opt, uint16_t ede)
{
	uint8_t *length = opt + DNS_OPT_BYTES_MIN - 2;
	uint16_t before = wire_get_u16(length);

	wire_put_u16(length, (uint16_t)(before + OPTION_HEADER_BYTES + EDE_CODE_BYTES));
	(void)put_ede(opt + DNS_OPT_BYTES_MIN + before, ede);
	return OPTION_HEADER_BYTES + EDE_CODE_BYTES;
}

uint8_t *msg_build_opt(uint8_t *p, const struct msg_client *client, uint16_t rcode, uint16_t ede)
{
	size_t length = msg_build_opt_bytes(client, ede);

	if (!client->edns)
		return p;
	p = opt_fixed(p, EDNS_UDP_BYTES, (uint8_t)(rcode >> 4), client->dnssec_ok);
	wire_put_u16(p - 2, (uint16_t)(length - DNS_OPT_BYTES_MIN));
	if (client->cookie != NULL) {
		wire_put_u16(p, DNS_OPTION_COOKIE);
		wire_put_u16(p + 2, client->cookie_length_bytes);
		memcpy(p + OPTION_HEADER_BYTES, client->cookie, client->cookie_length_bytes);
		p += OPTION_HEADER_BYTES + client->cookie_length_bytes;
	}
	return ede != DNS_EDE_NONE ? put_ede(p, ede) : p;
}

static size_t opt_bytes(const struct msg_reply_params *params)
{
	return msg_build_opt_bytes(&params->client, params->ede);
}

static uint8_t *reply_opt(uint8_t *p, const struct msg_reply_params *params)
{
	return msg_build_opt(p, &params->client, params->rcode, params->ede);
}

size_t msg_build_query(struct buffer output, const struct msg_query_params *params)
{
	uint8_t message[MSG_BUILD_BYTES_MIN];
	uint64_t sum;
	size_t length_bytes =
		msg_query_put(message, params, msg_query_name_sum(params->qname), &sum);

	if (length_bytes > output.capacity_bytes)
		return 0;
	memcpy(output.data, message, length_bytes);
	return length_bytes;
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

/* ---- records one by one ---- */

/* Returns how many records of the section, which begins at *offset, were written. */
static uint16_t write_section(struct msg_records *r, enum msg_section section, size_t *offset,
			      const struct msg_reply_params *params)
{
	const struct msg_response *response = r->response;
	const uint16_t counts[] = {response->answer_count, response->authority_count,
				   response->additional_count};
	uint16_t written = 0;

	for (unsigned i = 0; i < counts[section] && r->writer.ok; i++) {
		struct msg_record record;

		if (!msg_record_next(response->message, offset, &record)) {
			r->writer.ok = false;
			break;
		}
		if (record.type == DNS_TYPE_OPT ||
		    (!params->client.dnssec_ok &&
		     msg_records_is_dnssec(section, record.type, params->qtype)))
			continue;
		msg_records_write(r, &record);
		written++;
	}
	return written;
}

/* The whole answer, records one by one; 0: longer than limit_bytes. */
static size_t answer_rebuild(struct buffer output, size_t limit_bytes,
			     const struct msg_response *response,
			     const struct msg_reply_params *params)
{
	struct msg_records r;
	struct counts counts;
	size_t offset = response->records_offset;

	msg_records_init(&r, (struct buffer){output.data, limit_bytes - opt_bytes(params)},
			 response, params->qname);
	counts.answer = write_section(&r, MSG_SECTION_ANSWER, &offset, params);
	counts.authority = write_section(&r, MSG_SECTION_AUTHORITY, &offset, params);
	counts.additional = write_section(&r, MSG_SECTION_ADDITIONAL, &offset, params);
	if (!r.writer.ok)
		return 0;
	reply_head(output.data, params, &counts); /* last, with the counts */
	return (size_t)(reply_opt(output.data + r.writer.offset, params) - output.data);
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
