#include "bench/load/referral.h"

#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/wire_cursor.h"

#define POINTER_BYTES 2
#define RECORD_HEAD_BYTES 10
#define LABEL_BYTES 3 /* n1 */
/* An NS record and an AAAA record, each with a pointer for an owner. */
#define SERVER_BYTES                                                                               \
	(POINTER_BYTES + RECORD_HEAD_BYTES + LABEL_BYTES + POINTER_BYTES + POINTER_BYTES +         \
	 RECORD_HEAD_BYTES + ADDRESS_BYTES)
#define SOA_BYTES 64
#define SOA_NUMBERS 5
#define SOA_RDATA_BYTES (2 + 4 * SOA_NUMBERS)
#define OPT_BYTES 11

struct section {
	const struct options *options;
	uint8_t *dns;
	const struct msg_query *query;
	uint32_t ttl_s;
	unsigned labels; /* of the zone that is spoken of */
	uint32_t first;  /* its servers */
	uint32_t count;
	uint16_t target_offsets[OPTIONS_SERVERS_MAX];
};

unsigned referral_bytes_max(const struct options *options)
{
	return options_is_tree(options) ? OPTIONS_SERVERS_MAX * SERVER_BYTES + SOA_BYTES + OPT_BYTES
					: 0;
}

static uint8_t *put_pointer(uint8_t *at, unsigned offset)
{
	wire_put_u16(at, (uint16_t)(DNS_POINTER_FLAG << 8 | offset));
	return at + POINTER_BYTES;
}

uint8_t *referral_put_zone(uint8_t *at, const uint8_t *dns, const struct name *qname,
			   unsigned labels)
{
	unsigned offset = DNS_HEADER_BYTES;

	for (unsigned left = name_label_count(qname); left > labels; left--)
		offset += dns[offset] + 1u;
	if (dns[offset] != 0)
		return put_pointer(at, offset);
	*at++ = 0;
	return at;
}

static uint8_t *put_record_head(uint8_t *at, uint16_t type, uint32_t ttl_s, size_t rdata_bytes)
{
	wire_put_u16(at, type);
	wire_put_u16(at + 2, DNS_CLASS_IN);
	wire_put_u32(at + 4, ttl_s);
	wire_put_u16(at + 8, (uint16_t)rdata_bytes);
	return at + RECORD_HEAD_BYTES;
}

static uint8_t digit_of(uint32_t server)
{
	return (uint8_t)(server < 9 ? '1' + server : 'a' + server - 9);
}

bool referral_own_name(const struct options *options, const struct msg_query *query,
		       struct content_answer *out)
{
	const uint8_t *label = query->qname.bytes;

	if (!options_is_tree(options) || label[0] != LABEL_BYTES - 1 || (label[1] | 0x20) != 'n')
		return false;
	*out = (struct content_answer){.kind = CONTENT_NODATA};
	for (uint32_t i = 0; i < options->server_count; i++) {
		const struct address *a = &options->servers[i];
		unsigned skipped = address_is_v4(a) ? ADDRESS_V4_OFFSET : 0;

		if ((label[2] | 0x20) != (digit_of(i) | 0x20) ||
		    query->qtype != (address_is_v4(a) ? DNS_TYPE_A : DNS_TYPE_AAAA))
			continue;
		out->kind = CONTENT_RECORD;
		out->rdata_bytes = (uint8_t)(ADDRESS_BYTES - skipped);
		memcpy(out->rdata, a->bytes + skipped, out->rdata_bytes);
	}
	return true;
}

/* The zone's NS set. */
static uint8_t *put_servers(struct section *s, uint8_t *at)
{
	const struct name *qname = &s->query->qname;
	uint8_t zone[POINTER_BYTES];
	size_t zone_bytes = (size_t)(referral_put_zone(zone, s->dns, qname, s->labels) - zone);

	for (unsigned i = 0; i < s->count; i++) {
		memcpy(at, zone, zone_bytes);
		at = put_record_head(at + zone_bytes, DNS_TYPE_NS, s->ttl_s,
				     LABEL_BYTES + zone_bytes);
		s->target_offsets[i] = (uint16_t)(at - s->dns);
		at[0] = LABEL_BYTES - 1;
		at[1] = 'n';
		at[2] = digit_of(i);
		memcpy(at + LABEL_BYTES, zone, zone_bytes);
		at += LABEL_BYTES + zone_bytes;
	}
	return at;
}

static uint8_t *put_addresses(const struct section *s, uint8_t *at)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct address *a = &s->options->servers[s->first + i];
		unsigned skipped = address_is_v4(a) ? ADDRESS_V4_OFFSET : 0;
		unsigned length = ADDRESS_BYTES - skipped;

		at = put_pointer(at, s->target_offsets[i]);
		at = put_record_head(at, address_is_v4(a) ? DNS_TYPE_A : DNS_TYPE_AAAA, s->ttl_s,
				     length);
		memcpy(at, a->bytes + skipped, length);
		at += length;
	}
	return at;
}

static uint8_t *put_soa(const struct section *s, uint8_t *at)
{
	at = referral_put_zone(at, s->dns, &s->query->qname, s->labels);
	at = put_record_head(at, DNS_TYPE_SOA, s->ttl_s, SOA_RDATA_BYTES);
	*at++ = 0; /* primary server */
	*at++ = 0; /* mailbox */
	for (unsigned i = 0; i < SOA_NUMBERS; i++, at += 4)
		wire_put_u32(at, s->ttl_s);
	return at;
}

static uint8_t *put_opt(uint8_t *at, const struct msg_edns *asked)
{
	*at++ = 0;
	wire_put_u16(at, DNS_TYPE_OPT);
	wire_put_u16(at + 2, EDNS_UDP_BYTES);
	wire_put_u32(at + 4, asked->dnssec_ok ? DNS_EDNS_FLAG_DO : 0);
	wire_put_u16(at + 8, 0);
	return at + 10;
}

/* Which zone the message is about and who serves it: that below the server's own, or, where qname is no deeper, its own.
 * True: there is a cut to refer to. */
static bool find_zone(struct section *s, uint32_t server_idx)
{
	const struct options *o = s->options;
	bool is_root = options_role_of(o, server_idx) == OPTIONS_ROLE_ROOT;
	unsigned own = is_root ? 0 : 1, asked = name_label_count(&s->query->qname);

	/* A cut's DS is its parent's (RFC 4035 section 3.1.4.1). */
	if (asked > own && !(asked == own + 1 && s->query->qtype == DNS_TYPE_DS)) {
		s->labels = own + 1;
		s->first = is_root ? o->server_count : 0;
		s->count = is_root ? o->tld_count : o->server_count;
		return true;
	}
	s->labels = own < asked ? own : asked;
	s->first = o->server_count + (is_root ? o->tld_count : 0);
	s->count = is_root ? o->root_count : o->tld_count;
	return false;
}

unsigned referral_put(const struct options *options, uint32_t server_idx, uint8_t *dns,
		      const struct msg_query *query, uint32_t ttl_s)
{
	struct section s = {.options = options, .dns = dns, .query = query, .ttl_s = ttl_s};
	uint8_t *at = dns + query->question_end;
	uint16_t flags = DNS_FLAG_QR | (query->flags & (DNS_FLAG_RD | DNS_FLAG_CD));
	uint16_t answers = 0, authorities = 0, additionals = 0;

	if (find_zone(&s, server_idx)) {
		at = put_addresses(&s, put_servers(&s, at));
		authorities = additionals = (uint16_t)s.count;
	} else if (query->qtype == DNS_TYPE_NS && s.labels == name_label_count(&query->qname)) {
		at = put_addresses(&s, put_servers(&s, at));
		answers = additionals = (uint16_t)s.count;
		flags |= DNS_FLAG_AA;
	} else {
		at = put_soa(&s, at);
		authorities = 1;
		flags |= DNS_FLAG_AA;
	}
	if (query->edns.present) {
		at = put_opt(at, &query->edns);
		additionals++;
	}
	wire_put_u16(dns + 2, flags);
	wire_put_u16(dns + 6, answers);
	wire_put_u16(dns + 8, authorities);
	wire_put_u16(dns + 10, additionals);
	return (unsigned)(at - dns);
}
