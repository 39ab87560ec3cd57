#include "bench/load/answer_check.h"

#include <string.h>

#include "core/dns_const.h"
#include "core/wire_cursor.h"

#define RECORD_HEAD_BYTES 10

struct record {
	uint16_t type;
	uint16_t class;
	uint32_t ttl_s;
	uint16_t rdata_bytes;
	const uint8_t *rdata;
};

static bool read_record(struct span message, size_t offset, struct record *out)
{
	const uint8_t *at;

	/* A name ends at the root, or with a pointer. */
	while (offset < message.length_bytes && message.data[offset] != 0 &&
	       message.data[offset] < DNS_POINTER_FLAG)
		offset += message.data[offset] + 1u;
	if (offset >= message.length_bytes)
		return false;
	offset += message.data[offset] == 0 ? 1 : 2;
	if (offset + RECORD_HEAD_BYTES > message.length_bytes)
		return false;
	at = message.data + offset;
	*out = (struct record){
		.type = wire_get_u16(at),
		.class = wire_get_u16(at + 2),
		.ttl_s = wire_get_u32(at + 4),
		.rdata_bytes = wire_get_u16(at + 8),
		.rdata = at + RECORD_HEAD_BYTES,
	};
	return offset + RECORD_HEAD_BYTES + out->rdata_bytes <= message.length_bytes;
}

static enum load_counter check_ttl(const struct answer_want *want, uint32_t found_s,
				   uint32_t *ttl_s)
{
	if (found_s > want->ttl_most_s || (found_s == 0 && want->ttl_most_s > 0))
		return LOAD_WRONG_TTL;
	*ttl_s = found_s;
	return ANSWER_RIGHT;
}

/* NXDOMAIN or no data: no answer, one SOA. */
static enum load_counter check_denial(const struct answer_want *want, struct span message,
				      size_t offset, uint32_t *ttl_s)
{
	struct record record;

	if (wire_get_u16(message.data + 6) != 0 || wire_get_u16(message.data + 8) != 1 ||
	    !read_record(message, offset, &record) || record.type != DNS_TYPE_SOA)
		return LOAD_WRONG_RECORD;
	return check_ttl(want, record.ttl_s, ttl_s);
}

static enum load_counter check_record(const struct answer_want *want, struct span message,
				      size_t offset, uint32_t *ttl_s)
{
	const struct content_answer *content = &want->content;
	struct record record;

	if (wire_get_u16(message.data + 6) != 1 || !read_record(message, offset, &record) ||
	    record.type != want->qtype || record.class != DNS_CLASS_IN ||
	    record.rdata_bytes != content->rdata_bytes ||
	    memcmp(record.rdata, content->rdata, content->rdata_bytes) != 0)
		return LOAD_WRONG_RECORD;
	return check_ttl(want, record.ttl_s, ttl_s);
}

enum load_counter answer_check(const struct answer_want *want, struct span message,
			       size_t records_offset, uint32_t *ttl_s)
{
	uint16_t flags = wire_get_u16(message.data + 2);
	uint16_t rcode = flags & DNS_RCODE_MASK;

	if ((rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN) ||
	    (flags & DNS_FLAG_TC) != 0)
		return ANSWER_RIGHT;
	switch (want->content.kind) {
	case CONTENT_SILENCE:
		break;
	case CONTENT_NXDOMAIN:
		return rcode == DNS_RCODE_NXDOMAIN
			       ? check_denial(want, message, records_offset, ttl_s)
			       : LOAD_WRONG_RCODE;
	case CONTENT_NODATA:
		return rcode == DNS_RCODE_NOERROR
			       ? check_denial(want, message, records_offset, ttl_s)
			       : LOAD_WRONG_RCODE;
	case CONTENT_RECORD:
		return rcode == DNS_RCODE_NOERROR
			       ? check_record(want, message, records_offset, ttl_s)
			       : LOAD_WRONG_RCODE;
	}
	return LOAD_WRONG_RCODE;
}
