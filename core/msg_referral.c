#include "msg_referral.h"

#include "dns_const.h"
#include "msg_parse_own.h"
#include "wire_cursor.h"

#define POINTER_BYTES 2
/* Type and class, as four bytes on the wire. */
#define TYPE_IN(type) ((uint32_t)(type) << 16 | DNS_CLASS_IN)

struct reading {
	struct span message;
	struct msg_response *response;
	struct msg_referral *referral;
	size_t at;
	uint16_t owner;    /* of the NS records: the pointer; 0: there is none yet */
	uint8_t last_glue; /* whose the glue record before was */
};

/* ---- names ---- */

/* Does a label of the question, or its root, begin at that offset of the message? */
static bool is_question_label(const struct name *qname, size_t offset)
{
	size_t at = DNS_HEADER_BYTES;

	while (at < offset && at + 1 < DNS_HEADER_BYTES + (size_t)qname->length_bytes)
		at += 1 + (size_t)qname->bytes[at - DNS_HEADER_BYTES];
	return at == offset;
}

static size_t pointer_at(const uint8_t *p)
{
	return (size_t)wire_get_u16(p) & DNS_POINTER_OFFSET_MAX;
}

/* Labels, if any, and then the rest of the question's name or the root, up to `end`? */
static bool is_of_question(const struct reading *g, size_t end, struct msg_referral_server *server)
{
	const struct name *qname = &g->response->qname;
	const uint8_t *data = g->message.data;
	size_t question_end = DNS_HEADER_BYTES + (size_t)qname->length_bytes;
	size_t at = server->offset, rest_at;

	while (at < end && data[at] <= DNS_LABEL_BYTES_MAX && data[at] != 0)
		at += 1 + (size_t)data[at];
	if (at + 1 == end && data[at] == 0)
		rest_at = question_end - 1;
	else if (at + POINTER_BYTES == end && data[at] >= DNS_POINTER_FLAG)
		rest_at = pointer_at(data + at);
	else
		return false;
	if (rest_at != g->referral->zone_offset && !is_question_label(qname, rest_at))
		return false;
	if (at - server->offset + question_end - rest_at > DNS_NAME_BYTES_MAX)
		return false;
	server->own_bytes = (uint8_t)(at - server->offset);
	server->rest_at = (uint16_t)rest_at;
	return true;
}

bool msg_referral_server_name(const struct msg_response *response, unsigned server_idx,
			      struct name *out)
{
	const struct msg_referral_server *server = &response->referral->servers[server_idx];
	const struct name *qname = &response->qname;
	size_t at = server->offset;
	size_t from = (size_t)server->rest_at - DNS_HEADER_BYTES;

	if (server->rest_at == 0) {
		if (name_parse(response->message, &at, out) != NAME_OK)
			return false;
		name_lower(out, out);
		return true;
	}
	out->length_bytes = (uint8_t)(server->own_bytes + qname->length_bytes - from);
	/* On the way: what was just stored in other pieces is slow to read. */
	name_lower_bytes(response->message.data + at, server->own_bytes, out->bytes);
	name_lower_bytes(qname->bytes + from, qname->length_bytes - from,
			 out->bytes + server->own_bytes);
	return true;
}

/* ---- the authority section ---- */

/* The NS record at g->at, whose owner is good. */
static bool take_server(struct reading *g, uint32_t ttl_s)
{
	struct msg_referral *referral = g->referral;
	struct msg_referral_server *server = &referral->servers[referral->server_count];
	size_t rdata = g->at + POINTER_BYTES + MSG_RECORD_FIXED_BYTES;
	size_t end = rdata + wire_get_u16(g->message.data + rdata - 2), at = rdata;

	if (end > g->message.length_bytes || referral->server_count == ZONE_CUT_SERVERS_MAX)
		return false;
	server->offset = (uint16_t)rdata;
	if (!is_of_question(g, end, server)) {
		server->rest_at = 0;
		if (name_skip((struct span){g->message.data, end}, &at) != NAME_OK || at != end)
			return false;
	} else if (server->own_bytes == 0 && g->message.data[server->rest_at] == 0) {
		return false; /* the root is no server */
	}
	referral->server_count++;
	if (ttl_s < referral->ttl_s)
		referral->ttl_s = ttl_s;
	g->at = end;
	return true;
}

/* The owner of the first NS record, a pointer. */
static bool take_zone(struct reading *g, uint16_t owner)
{
	size_t offset = owner & DNS_POINTER_OFFSET_MAX;

	if (!is_question_label(&g->response->qname, offset))
		return false;
	g->owner = owner;
	g->referral->zone_offset = (uint16_t)offset;
	return true;
}

/* What else stands there: DNSSEC's. */
static bool take_proof(struct reading *g)
{
	struct msg_record record;

	if (!msg_parse_record(g->message, g->at, &record) || record.class_or_size != DNS_CLASS_IN)
		return false;
	switch (record.type) {
	case DNS_TYPE_DS:
		if (wire_get_u16(g->message.data + g->at) != g->owner)
			return false;
		g->referral->has_ds = true;
		break;
	case DNS_TYPE_RRSIG:
	case DNS_TYPE_NSEC:
	case DNS_TYPE_NSEC3:
		break;
	default:
		return false;
	}
	g->response->has_dnssec_records = true;
	g->at = record.end_offset;
	return (record.ttl_s & MSG_TTL_TOP_BIT) == 0;
}

static bool take_authority(struct reading *g, unsigned record_count)
{
	for (; record_count > 0; record_count--) {
		const uint8_t *p = g->message.data + g->at;
		uint32_t ttl_s;

		if (g->message.length_bytes - g->at < POINTER_BYTES + MSG_RECORD_FIXED_BYTES)
			return false;
		if (wire_get_u32(p + POINTER_BYTES) != TYPE_IN(DNS_TYPE_NS) ||
		    p[0] < DNS_POINTER_FLAG) {
			if (g->owner == 0 || !take_proof(g))
				return false;
			continue;
		}
		if (wire_get_u16(p) != g->owner &&
		    (g->owner != 0 || !take_zone(g, wire_get_u16(p))))
			return false;
		ttl_s = wire_get_u32(p + POINTER_BYTES + 4);
		if ((ttl_s & MSG_TTL_TOP_BIT) != 0 || !take_server(g, ttl_s))
			return false;
	}
	return g->owner != 0;
}

/* ---- the additional section ---- */

static bool is_named_at(const struct msg_referral_server *server, size_t offset)
{
	return server->offset == offset || (server->own_bytes == 0 && server->rest_at == offset);
}

/* The server whose name is at that offset; server_count: none's is. Glue comes in the servers' order. */
static unsigned server_at(const struct reading *g, size_t offset)
{
	const struct msg_referral *referral = g->referral;
	unsigned server = g->last_glue;

	for (unsigned i = 0; i < referral->server_count; i++) {
		if (is_named_at(&referral->servers[server], offset))
			return server;
		if (++server == referral->server_count)
			server = 0;
	}
	return referral->server_count;
}

static bool take_glue(struct reading *g)
{
	struct msg_referral *referral = g->referral;
	struct msg_referral_glue *glue = &referral->glue[referral->glue_count];
	const uint8_t *p = g->message.data + g->at;
	size_t rdata = g->at + POINTER_BYTES + MSG_RECORD_FIXED_BYTES, at = g->at;
	uint32_t type, ttl_s;
	size_t rdata_bytes;
	unsigned server;

	if (g->message.length_bytes < rdata || referral->glue_count == ZONE_CUT_ADDRESSES_MAX ||
	    p[0] < DNS_POINTER_FLAG)
		return false;
	type = wire_get_u32(p + POINTER_BYTES);
	ttl_s = wire_get_u32(p + POINTER_BYTES + 4);
	rdata_bytes = type == TYPE_IN(DNS_TYPE_A) ? 4 : 16;
	if ((type != TYPE_IN(DNS_TYPE_A) && type != TYPE_IN(DNS_TYPE_AAAA)) ||
	    wire_get_u16(p + POINTER_BYTES + 8) != rdata_bytes ||
	    g->message.length_bytes - rdata < rdata_bytes || (ttl_s & MSG_TTL_TOP_BIT) != 0)
		return false;
	server = server_at(g, pointer_at(p));
	if (server == referral->server_count)
		return false;
	/* One more pointer may be one too many. */
	if (referral->servers[server].rest_at == 0 && name_skip(g->message, &at) != NAME_OK)
		return false;
	g->last_glue = (uint8_t)server;
	referral->glue_count++;
	glue->ttl_s = ttl_s;
	glue->rdata_offset = (uint16_t)rdata;
	glue->server = (uint8_t)server;
	glue->is_v6 = rdata_bytes == 16;
	g->at = rdata + rdata_bytes;
	return true;
}

static bool take_opt(struct reading *g)
{
	const uint8_t *p = g->message.data + g->at;
	struct msg_record record;

	if (g->message.length_bytes - g->at < DNS_OPT_BYTES_MIN || p[0] != 0 ||
	    wire_get_u16(p + 1) != DNS_TYPE_OPT)
		return false;
	record.owner_offset = (uint16_t)g->at;
	record.rdata_offset = (uint16_t)(g->at + DNS_OPT_BYTES_MIN);
	record.rdata_length_bytes = wire_get_u16(p + DNS_OPT_BYTES_MIN - 2);
	if (g->message.length_bytes - record.rdata_offset != record.rdata_length_bytes)
		return false;
	g->at = g->message.length_bytes;
	return msg_parse_opt(g->response, &record);
}

static bool take_additional(struct reading *g, unsigned record_count)
{
	for (; record_count > 0; record_count--)
		if (!take_glue(g))
			return record_count == 1 && take_opt(g);
	return true;
}

/* ---- the whole ---- */

bool msg_referral_parse(struct span message, const struct name *qname,
			struct msg_referral *referral, struct msg_response *out)
{
	const uint8_t *data = message.data;
	struct reading g = {message, out, referral, 0, 0, 0};
	unsigned authorities;
	uint32_t counts, flags;

	g.at = DNS_HEADER_BYTES + (size_t)qname->length_bytes + MSG_QUESTION_FIXED_BYTES;
	if (message.length_bytes < g.at || message.length_bytes > DNS_MESSAGE_BYTES_MAX)
		return false;
	flags = wire_get_u16(data + 2);
	counts = wire_get_u32(data + 4); /* questions, answers */
	authorities = wire_get_u16(data + 8);
	if ((flags & (DNS_FLAG_QR | DNS_OPCODE_MASK | DNS_FLAG_TC)) != DNS_FLAG_QR ||
	    counts != UINT32_C(1) << 16 || authorities == 0 || authorities > SCRUB_RECORDS_MAX)
		return false;
	out->message = message;
	out->id = wire_get_u16(data);
	out->flags = (uint16_t)flags;
	out->qtype = wire_get_u16(data + g.at - MSG_QUESTION_FIXED_BYTES);
	out->qclass = wire_get_u16(data + g.at - 2);
	name_copy(&out->qname, qname);
	out->records_offset = (uint16_t)g.at;
	out->answer_count = 0;
	out->authority_count = (uint16_t)authorities;
	out->additional_count = wire_get_u16(data + 10);
	out->opt_is_last = true;
	out->opt_offset = (uint16_t)message.length_bytes;
	out->has_dnssec_records = false;
	out->has_ttl_over_max = false;
	out->edns = (struct msg_edns){0};
	out->referral = referral;
	referral->ttl_s = INT32_MAX;
	referral->server_count = 0;
	referral->glue_count = 0;
	referral->has_ds = false;
	return take_authority(&g, authorities) && take_additional(&g, out->additional_count) &&
	       g.at == message.length_bytes;
}
