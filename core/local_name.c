#include "local_name.h"

#include <assert.h>
#include <string.h>

#include "wire_cursor.h"

/* RFC 6303 section 3. */
#define TTL_S 10800
#define SOA_SERIAL 1
#define SOA_REFRESH_S 3600
#define SOA_RETRY_S 1200
#define SOA_EXPIRE_S 604800

enum local_kind {
	LOCAL_EMPTY,    /* there is nothing below the zone's own name */
	LOCAL_LOOPBACK, /* it and all names below it are this machine's */
	LOCAL_NAT64,    /* as LOCAL_EMPTY, but has the addresses of RFC 8880 itself */
	LOCAL_NO_DATA,  /* there may be names below it, of which nothing is known */
	LOCAL_POINTER,  /* as LOCAL_EMPTY, but one name points to a target */
};

/* A name in wire form without its end. */
struct labels {
	const char *bytes;
	uint8_t length_bytes;
};
#define LABELS(literal)                                                                            \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

struct local_zone {
	struct labels name;
	struct labels host;   /* LOCAL_POINTER: what that name has before the zone's */
	struct labels target; /* LOCAL_POINTER */
	uint8_t kind;
	uint8_t first,
		last; /* zones of one number more each, from first to last; 0, 0: it is one zone */
	bool is_delegated; /* in the DNS: its DS is its parent's to say */
	bool is_forwarded; /* by forwarders for all names */
};

#define V4 "\7in-addr\4arpa"
#define V6 "\3ip6\4arpa"
/* Labels of zeroes, 1, 3, and 31 of them. */
#define Z1 "\001\060"
#define Z3 Z1 Z1 Z1
#define Z31 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z1

static const struct local_zone zones[] = {
	{.name = LABELS("\011localhost"), .kind = LOCAL_LOOPBACK},
	{.name = LABELS("\7invalid")},
	{.name = LABELS("\5onion")},
	{.name = LABELS("\5local"), .is_forwarded = true},
	{.name = LABELS("\4home\4arpa"), .is_delegated = true},
	{.name = LABELS("\7service\4arpa"), .is_delegated = true},
	{.name = LABELS("\010resolver\4arpa"), .kind = LOCAL_NO_DATA, .is_delegated = true},
	{.name = LABELS("\010ipv4only\4arpa"), .kind = LOCAL_NAT64, .is_delegated = true},
	{.name = LABELS(Z1 Z1 "\003192" V4), /* RFC 8880 section 7.2: 192.0.0.170 and 171 */
	 .kind = LOCAL_POINTER,
	 .target = LABELS("\010ipv4only\4arpa"),
	 .first = 170,
	 .last = 171},
	{.name = LABELS("\00210" V4), .is_delegated = true}, /* RFC 6303 section 4.1 */
	{.name = LABELS("\003172" V4), .first = 16, .last = 31, .is_delegated = true},
	{.name = LABELS("\003168\003192" V4), .is_delegated = true},
	{.name = LABELS("\003100" V4),
	 .first = 64,
	 .last = 127,
	 .is_delegated = true},                        /* RFC 7793 */
	{.name = LABELS(Z1 V4), .is_delegated = true}, /* RFC 6303 section 4.2 */
	{.name = LABELS("\003127" V4),
	 .kind = LOCAL_POINTER,
	 .host = LABELS("\1\061" Z1 Z1),
	 .target = LABELS("\011localhost"),
	 .is_delegated = true},
	{.name = LABELS("\003254\003169" V4), .is_delegated = true},
	{.name = LABELS("\1\062" Z1 "\003192" V4), .is_delegated = true},
	{.name = LABELS("\003100\00251\003198" V4), .is_delegated = true},
	{.name = LABELS("\003113" Z1 "\003203" V4), .is_delegated = true},
	{.name = LABELS("\003255\003255\003255\003255" V4), .is_delegated = true},
	{.name = LABELS(Z1 Z31 V6), .is_delegated = true}, /* sections 4.3 to 4.6 */
	{.name = LABELS("\1\061" Z31 V6),
	 .kind = LOCAL_POINTER,
	 .target = LABELS("\011localhost"),
	 .is_delegated = true},
	{.name = LABELS("\1d\1f" V6), .is_delegated = true},
	{.name = LABELS("\1\070\1e\1f" V6), .is_delegated = true},
	{.name = LABELS("\1\071\1e\1f" V6), .is_delegated = true},
	{.name = LABELS("\1a\1e\1f" V6), .is_delegated = true},
	{.name = LABELS("\1b\1e\1f" V6), .is_delegated = true},
	{.name = LABELS("\1\070\1b\1d" Z1 "\1\061" Z1 Z1 "\1\062" V6), .is_delegated = true},
};

/* ---- which ---- */

/* Where the labels begin that the name ends with; its length: it does not. */
static size_t find_suffix(const struct name *name, struct labels suffix)
{
	size_t end = name->length_bytes - (size_t)1;
	size_t begin, at = 0;

	if (end < suffix.length_bytes)
		return name->length_bytes;
	begin = end - suffix.length_bytes;
	if (memcmp(name->bytes + begin, suffix.bytes, suffix.length_bytes) != 0)
		return name->length_bytes;
	while (at < begin)
		at += 1 + (size_t)name->bytes[at];
	return at == begin ? begin : name->length_bytes;
}

/* The number that a label is, as addresses are written; UINT8_MAX + 1: none. */
static unsigned label_number(const uint8_t *label)
{
	unsigned number = 0;

	if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return UINT8_MAX + 1;
	for (unsigned i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return UINT8_MAX + 1;
		number = 10 * number + (unsigned)(label[i] - '0');
	}
	return number <= UINT8_MAX ? number : UINT8_MAX + 1;
}

/* Where the zone's own name begins in a name at or below it; the name's length: it is elsewhere. */
static size_t find_zone(const struct name *name, const struct local_zone *zone)
{
	size_t suffix = find_suffix(name, zone->name);
	size_t at = 0, label = 0;
	unsigned number;

	if (suffix == name->length_bytes || zone->last == 0)
		return suffix;
	if (suffix == 0)
		return name->length_bytes;
	while (at < suffix) {
		label = at;
		at += 1 + (size_t)name->bytes[at];
	}
	number = label_number(name->bytes + label);
	return number >= zone->first && number <= zone->last ? label : name->length_bytes;
}

bool local_name_find_any(const struct name *qname, uint16_t qtype, struct local_name *out)
{
	for (unsigned i = 0; i < ARRAY_COUNT(zones); i++) {
		size_t begin = find_zone(qname, &zones[i]);

		if (begin == qname->length_bytes)
			continue;
		if (begin == 0 && qtype == DNS_TYPE_DS && zones[i].is_delegated)
			return false;
		out->zone = &zones[i];
		out->zone_bytes = (uint8_t)(qname->length_bytes - begin);
		return true;
	}
	return false;
}

bool local_name_is_for_forwarders(const struct local_name *local)
{
	return local->zone->is_forwarded;
}

/* ---- what ---- */

enum exists { EXISTS_NOT, EXISTS, EXISTS_WITH_POINTER };

/* The name's part before the zone, against the host that the zone has. */
static enum exists pointer_exists(const struct local_zone *zone, const struct name *qname,
				  size_t zone_begin)
{
	size_t host_bytes = zone->host.length_bytes;

	if (zone_begin == 0)
		return host_bytes == 0 ? EXISTS_WITH_POINTER : EXISTS;
	if (zone_begin > host_bytes ||
	    memcmp(qname->bytes, zone->host.bytes + host_bytes - zone_begin, zone_begin) != 0)
		return EXISTS_NOT;
	return zone_begin == host_bytes ? EXISTS_WITH_POINTER : EXISTS;
}

static enum exists name_exists(const struct local_name *local, const struct name *qname)
{
	size_t zone_begin = (size_t)qname->length_bytes - local->zone_bytes;

	switch ((enum local_kind)local->zone->kind) {
	case LOCAL_LOOPBACK:
	case LOCAL_NO_DATA:
		return EXISTS;
	case LOCAL_POINTER:
		return pointer_exists(local->zone, qname, zone_begin);
	case LOCAL_EMPTY:
	case LOCAL_NAT64:
		break;
	}
	return zone_begin == 0 ? EXISTS : EXISTS_NOT;
}

struct writing {
	struct wire_writer w;
	const struct local_name *local;
	uint16_t qname_pointer;
	uint16_t zone_pointer;
	unsigned answers;
	unsigned authorities;
};

/* Everything of a record before its RDATA. */
static void write_head(struct writing *out, uint16_t owner, uint16_t type, size_t rdata_bytes)
{
	wire_write_u16(&out->w, owner);
	wire_write_u16(&out->w, type);
	wire_write_u16(&out->w, DNS_CLASS_IN);
	wire_write_u32(&out->w, TTL_S);
	wire_write_u16(&out->w, (uint16_t)rdata_bytes);
}

static void write_data(struct writing *out, uint16_t type, const void *rdata, size_t rdata_bytes)
{
	write_head(out, out->qname_pointer, type, rdata_bytes);
	wire_write_span(&out->w, (struct span){rdata, rdata_bytes});
	out->answers++;
}

/* `@ SOA @ nobody.invalid. 1 3600 1200 604800 10800` */
static void write_soa(struct writing *out)
{
	static const char nobody[] = "\6nobody\7invalid";
	static const uint32_t numbers[] = {SOA_SERIAL, SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S,
					   TTL_S};

	write_head(out, out->zone_pointer, DNS_TYPE_SOA,
		   sizeof(out->zone_pointer) + sizeof(nobody) + sizeof(numbers));
	wire_write_u16(&out->w, out->zone_pointer);
	wire_write_span(&out->w, (struct span){(const uint8_t *)nobody, sizeof(nobody)});
	for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++)
		wire_write_u32(&out->w, numbers[i]);
}

static void write_addresses(struct writing *out, uint16_t qtype, bool is_apex)
{
	static const uint8_t loopback[] = {127, 0, 0, 1};
	static const uint8_t loopback_v6[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t nat64[][4] = {{192, 0, 0, 170}, {192, 0, 0, 171}};
	uint8_t kind = out->local->zone->kind;

	if (kind == LOCAL_LOOPBACK && qtype == DNS_TYPE_A)
		write_data(out, qtype, loopback, sizeof(loopback));
	else if (kind == LOCAL_LOOPBACK && qtype == DNS_TYPE_AAAA)
		write_data(out, qtype, loopback_v6, sizeof(loopback_v6));
	else if (kind == LOCAL_NAT64 && qtype == DNS_TYPE_A && is_apex)
		for (unsigned i = 0; i < ARRAY_COUNT(nat64); i++)
			write_data(out, qtype, nat64[i], sizeof(nat64[i]));
}

static void write_answers(struct writing *out, uint16_t qtype, bool is_apex, enum exists exists)
{
	struct labels target = out->local->zone->target;

	write_addresses(out, qtype, is_apex);
	if (qtype == DNS_TYPE_PTR && exists == EXISTS_WITH_POINTER) {
		write_head(out, out->qname_pointer, qtype, target.length_bytes + (size_t)1);
		wire_write_span(&out->w,
				(struct span){(const uint8_t *)target.bytes, target.length_bytes});
		wire_write_u8(&out->w, 0);
		out->answers++;
	} else if (qtype == DNS_TYPE_NS && is_apex) {
		write_head(out, out->qname_pointer, qtype, sizeof(out->zone_pointer));
		wire_write_u16(&out->w, out->zone_pointer);
		out->answers++;
	} else if (qtype == DNS_TYPE_SOA && is_apex) {
		write_soa(out);
		out->answers++;
	}
	if (out->answers == 0) {
		write_soa(out);
		out->authorities++;
	}
}

size_t local_name_answer(struct buffer message, const struct local_name *local,
			 const struct name *qname, uint16_t qtype)
{
	size_t zone_begin = (size_t)qname->length_bytes - local->zone_bytes;
	enum exists exists = name_exists(local, qname);
	struct writing out = {
		.w = wire_writer_init(message),
		.local = local,
		.qname_pointer = DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES,
		.zone_pointer = (uint16_t)(DNS_POINTER_FLAG << 8 | (DNS_HEADER_BYTES + zone_begin)),
	};
	uint16_t rcode = exists == EXISTS_NOT ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;

	wire_write_u16(&out.w, 0);
	wire_write_u16(&out.w, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RA | rcode));
	wire_write_u16(&out.w, 1);
	wire_write_u16(&out.w, 0);
	wire_write_u32(&out.w, 0);
	wire_write_span(&out.w, (struct span){qname->bytes, qname->length_bytes});
	wire_write_u16(&out.w, qtype);
	wire_write_u16(&out.w, DNS_CLASS_IN);
	write_answers(&out, qtype, zone_begin == 0, exists);
	if (!out.w.ok)
		return 0;
	wire_put_u16(message.data + 6, (uint16_t)out.answers);
	wire_put_u16(message.data + 8, (uint16_t)out.authorities);
	return out.w.offset;
}
