#include "zone_cut.h"

#include <string.h>

#include "dns_const.h"
#include "wire_cursor.h"

/* Of one referral: NS records and glue that are looked at. Servers of a flood beyond these are not worth their time. */
#define CANDIDATES_MAX 32
#define GLUE_RECORDS_MAX 256

static_assert(CANDIDATES_MAX >= ZONE_CUT_SERVERS_MAX, "all that are kept can be found");
static_assert(ZONE_CUT_NAMES_BYTES >= DNS_NAME_BYTES_MAX, "one name always fits");
static_assert(ZONE_CUT_SERVERS_MAX <= 16, "a bit each in packed form");

/* ---- by hand ---- */

void zone_cut_init(struct zone_cut *out, const struct name *zone, uint8_t flags,
		   uint32_t expires_at_s)
{
	out->expires_at_s = expires_at_s;
	out->names_bytes = 0;
	out->flags = flags;
	out->server_count = 0;
	out->address_count = 0;
	name_lower(zone, &out->zone);
}

/* The server of that name, which is in lower case; server_count: none is. */
static unsigned server_find(const struct zone_cut *cut, const struct name *name)
{
	unsigned i;

	for (i = 0; i < cut->server_count; i++) {
		const struct zone_cut_server *server = &cut->servers[i];

		if (server->name_bytes == name->length_bytes &&
		    memcmp(cut->names + server->name_offset, name->bytes, name->length_bytes) == 0)
			break;
	}
	return i;
}

bool zone_cut_add_server(struct zone_cut *cut, const struct name *server)
{
	struct name name;

	name_lower(server, &name);
	if (cut->server_count == ZONE_CUT_SERVERS_MAX ||
	    name.length_bytes > ZONE_CUT_NAMES_BYTES - cut->names_bytes ||
	    server_find(cut, &name) < cut->server_count)
		return false;
	cut->servers[cut->server_count++] =
		(struct zone_cut_server){cut->names_bytes, name.length_bytes, false};
	memcpy(cut->names + cut->names_bytes, name.bytes, name.length_bytes);
	cut->names_bytes = (uint16_t)(cut->names_bytes + name.length_bytes);
	return true;
}

bool zone_cut_add_address(struct zone_cut *cut, const struct endpoint *endpoint,
			  unsigned server_idx)
{
	unsigned of_server = 0;

	CHECK(server_idx < cut->server_count || server_idx == ZONE_CUT_NO_SERVER);
	for (unsigned i = 0; i < cut->address_count; i++) {
		if (endpoint_equal(&cut->addresses[i].endpoint, endpoint)) {
			if (server_idx != ZONE_CUT_NO_SERVER)
				cut->servers[server_idx].has_addresses = true;
			return false;
		}
		of_server += cut->addresses[i].server == server_idx;
	}
	if (cut->address_count == ZONE_CUT_ADDRESSES_MAX)
		return false;
	if (server_idx != ZONE_CUT_NO_SERVER) {
		if (of_server == ADDRESSES_PER_SERVER_MAX)
			return false;
		cut->servers[server_idx].has_addresses = true;
	}
	cut->addresses[cut->address_count++] =
		(struct zone_cut_address){*endpoint, (uint8_t)server_idx};
	return true;
}

void zone_cut_server_name(const struct zone_cut *cut, unsigned server_idx, struct name *out)
{
	const struct zone_cut_server *server = &cut->servers[server_idx];

	CHECK(server_idx < cut->server_count);
	out->length_bytes = server->name_bytes;
	memcpy(out->bytes, cut->names + server->name_offset, server->name_bytes);
}

/* ---- addresses ---- */

bool zone_cut_may_ask(const struct address *address)
{
	static const uint8_t zeroes[ADDRESS_V4_OFFSET];
	const uint8_t *b = address->bytes;

	if (address_is_v4(address)) {
		b += ADDRESS_V4_OFFSET;
		return b[0] != 0 && b[0] != 127 && !(b[0] == 169 && b[1] == 254) && b[0] < 224;
	}
	/* ::/96 has :: and ::1, and otherwise IPv4 addresses as nobody writes them any more. */
	return memcmp(b, zeroes, sizeof(zeroes)) != 0 && b[0] != 0xff &&
	       !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

/* The address of an A or AAAA record of class IN. False: it is none, or none that may be asked. */
static bool record_address(struct span message, const struct msg_record *record,
			   struct endpoint *out)
{
	const uint8_t *rdata = message.data + record->rdata_offset;

	if (record->class_or_size != DNS_CLASS_IN)
		return false;
	if (record->type == DNS_TYPE_A) {
		out->address = address_from_v4(rdata);
	} else if (record->type == DNS_TYPE_AAAA) {
		memcpy(out->address.bytes, rdata, ADDRESS_BYTES);
		/* ::ffff:0/96 would pass for IPv4. */
		if (address_is_v4(&out->address))
			return false;
	} else {
		return false;
	}
	out->port = DNS_PORT;
	return zone_cut_may_ask(&out->address);
}

unsigned zone_cut_take_addresses(struct zone_cut *cut, unsigned server_idx,
				 const struct msg_response *answer)
{
	size_t offset = answer->records_offset;
	unsigned taken = 0;

	for (unsigned i = 0; i < answer->answer_count && i < GLUE_RECORDS_MAX; i++) {
		struct msg_record record;
		struct endpoint endpoint;

		msg_record_next_checked(answer->message.data, &offset, &record);
		if (record_address(answer->message, &record, &endpoint))
			taken += zone_cut_add_address(cut, &endpoint, server_idx);
	}
	return taken;
}

/* ---- out of a response ---- */

/* The delegation that is being read. */
struct reading {
	const struct msg_response *response;
	const struct name *zone;
	const struct name *bailiwick; /* glue's owners are at or below it */
	size_t glue_offset;           /* of the additional section */
	uint32_t ttl_s;
	bool has_ds;
	unsigned count;
	struct name names[CANDIDATES_MAX]; /* of servers, lower case */
	bool has_glue[CANDIDATES_MAX];
};

static bool owner_is(struct span message, const struct msg_record *record, const struct name *name)
{
	struct name owner;
	size_t at = record->owner_offset;

	return name_parse(message, &at, &owner) == NAME_OK && name_equal(&owner, name);
}

/* Lower-case name at that offset, which the parser found good. */
static bool read_name(struct span message, size_t at, struct name *out)
{
	if (name_parse(message, &at, out) != NAME_OK)
		return false;
	name_lower(out, out);
	return true;
}

static void take_candidate(struct reading *g, const struct msg_record *record)
{
	struct name *name = &g->names[g->count];

	if (g->count == CANDIDATES_MAX ||
	    !read_name(g->response->message, record->rdata_offset, name) || name->bytes[0] == 0)
		return;
	for (unsigned i = 0; i < g->count; i++)
		if (name_equal_exact(&g->names[i], name))
			return;
	g->has_glue[g->count++] = false;
	if (record->ttl_s < g->ttl_s)
		g->ttl_s = record->ttl_s;
}

/* The zone's NS set (and whether there is a DS) in the so many records from *offset on, which moves behind them. */
static void read_servers(struct reading *g, size_t *offset, unsigned record_count)
{
	struct span message = g->response->message;

	for (unsigned i = 0; i < record_count; i++) {
		struct msg_record record;

		msg_record_next_checked(message.data, offset, &record);
		if (record.class_or_size != DNS_CLASS_IN ||
		    (record.type != DNS_TYPE_NS && record.type != DNS_TYPE_DS) ||
		    !owner_is(message, &record, g->zone))
			continue;
		if (record.type == DNS_TYPE_DS)
			g->has_ds = true;
		else
			take_candidate(g, &record);
	}
}

static void skip_records(struct span message, size_t *offset, unsigned record_count)
{
	struct msg_record record;

	for (unsigned i = 0; i < record_count; i++)
		msg_record_next_checked(message.data, offset, &record);
}

/* The next glue record: its owner, in lower case, and address. False: there is no more. */
static bool next_glue(const struct reading *g, size_t *offset, unsigned *record_idx,
		      struct name *owner, struct endpoint *endpoint, uint32_t *ttl_s)
{
	struct span message = g->response->message;

	while (*record_idx < g->response->additional_count && *record_idx < GLUE_RECORDS_MAX) {
		struct msg_record record;

		++*record_idx;
		msg_record_next_checked(message.data, offset, &record);
		if (!record_address(message, &record, endpoint) ||
		    !read_name(message, record.owner_offset, owner) ||
		    !name_is_below(owner, g->bailiwick))
			continue;
		*ttl_s = record.ttl_s;
		return true;
	}
	return false;
}

/* Only where there are more servers than can be kept. */
static void mark_those_with_glue(struct reading *g)
{
	size_t offset = g->glue_offset;
	unsigned record_idx = 0;
	struct endpoint endpoint;
	struct name owner;
	uint32_t ttl_s;

	while (next_glue(g, &offset, &record_idx, &owner, &endpoint, &ttl_s))
		for (unsigned i = 0; i < g->count; i++)
			if (name_equal_exact(&g->names[i], &owner))
				g->has_glue[i] = true;
}

static void add_servers(const struct reading *g, bool has_glue, struct zone_cut *out)
{
	for (unsigned i = 0; i < g->count; i++)
		if (g->has_glue[i] == has_glue && !zone_cut_add_server(out, &g->names[i]) &&
		    out->server_count == ZONE_CUT_SERVERS_MAX)
			return;
}

static void add_glue(struct reading *g, struct zone_cut *out)
{
	size_t offset = g->glue_offset;
	unsigned record_idx = 0;
	struct endpoint endpoint;
	struct name owner;
	uint32_t ttl_s;

	while (next_glue(g, &offset, &record_idx, &owner, &endpoint, &ttl_s)) {
		unsigned server = server_find(out, &owner);

		if (server < out->server_count && zone_cut_add_address(out, &endpoint, server) &&
		    ttl_s < g->ttl_s)
			g->ttl_s = ttl_s;
	}
}

/* What has been read, as a cut. */
static bool finish(struct reading *g, uint32_t now_s, struct zone_cut *out)
{
	if (g->count == 0)
		return false;
	if (g->count > ZONE_CUT_SERVERS_MAX)
		mark_those_with_glue(g);
	zone_cut_init(out, g->zone, g->has_ds ? ZONE_CUT_HAS_DS : 0, 0);
	add_servers(g, true, out);
	add_servers(g, false, out);
	add_glue(g, out);
	out->expires_at_s = now_s + g->ttl_s < now_s ? UINT32_MAX : now_s + g->ttl_s;
	return true;
}

bool zone_cut_from_referral(const struct msg_response *response, const struct name *zone,
			    const struct zone_cut *parent, uint32_t now_s, struct zone_cut *out)
{
	struct reading g;

	g.response = response;
	g.zone = zone;
	g.bailiwick = &parent->zone;
	g.glue_offset = response->records_offset;
	g.ttl_s = CUT_TTL_S_MAX;
	g.has_ds = false;
	g.count = 0;
	skip_records(response->message, &g.glue_offset, response->answer_count);
	read_servers(&g, &g.glue_offset, response->authority_count);
	if (!finish(&g, now_s, out))
		return false;
	if (parent->expires_at_s < out->expires_at_s)
		out->expires_at_s = parent->expires_at_s;
	return true;
}

bool zone_cut_from_priming(const struct msg_response *response, uint32_t now_s,
			   struct zone_cut *out)
{
	static const struct name root = {.length_bytes = 1, .bytes = {0}};
	struct reading g;

	if ((response->flags & DNS_FLAG_AA) == 0 ||
	    (response->flags & DNS_RCODE_MASK) != DNS_RCODE_NOERROR)
		return false;
	g.response = response;
	g.zone = &root;
	g.bailiwick = &root;
	g.glue_offset = response->records_offset;
	g.ttl_s = CUT_TTL_S_MAX;
	g.has_ds = false;
	g.count = 0;
	read_servers(&g, &g.glue_offset, response->answer_count);
	skip_records(response->message, &g.glue_offset, response->authority_count);
	return finish(&g, now_s, out) && out->address_count > 0;
}

/* ---- packed ----
 *   length 2 | expires_at_s 4 | flags 1 | server_count 1 | address_count 1 | has_addresses of each server, a bit each 2 |
 *   zone, then the servers' names: each length 1, bytes |
 *   addresses: server 1 | form 1 | 4 or 16 bytes | port 2 where it is not 53
 */
enum { FORM_V4 = 1, FORM_PORT = 2, FORM_MASK = FORM_V4 | FORM_PORT };

static void write_name(struct wire_writer *w, const uint8_t *bytes, uint8_t length_bytes)
{
	wire_write_u8(w, length_bytes);
	wire_write_span(w, (struct span){bytes, length_bytes});
}

size_t zone_cut_pack(const struct zone_cut *cut, struct buffer out)
{
	struct wire_writer w = wire_writer_init(out);
	unsigned has_addresses = 0;

	for (unsigned i = 0; i < cut->server_count; i++)
		has_addresses |= (unsigned)cut->servers[i].has_addresses << i;
	wire_write_u16(&w, 0);
	wire_write_u32(&w, cut->expires_at_s);
	wire_write_u8(&w, cut->flags);
	wire_write_u8(&w, cut->server_count);
	wire_write_u8(&w, cut->address_count);
	wire_write_u16(&w, (uint16_t)has_addresses);
	write_name(&w, cut->zone.bytes, cut->zone.length_bytes);
	for (unsigned i = 0; i < cut->server_count; i++)
		write_name(&w, cut->names + cut->servers[i].name_offset,
			   cut->servers[i].name_bytes);
	for (unsigned i = 0; i < cut->address_count; i++) {
		const struct zone_cut_address *a = &cut->addresses[i];
		const uint8_t *bytes = a->endpoint.address.bytes;
		bool is_v4 = address_is_v4(&a->endpoint.address);
		bool has_port = a->endpoint.port != DNS_PORT;

		wire_write_u8(&w, a->server);
		wire_write_u8(&w, (uint8_t)((is_v4 ? FORM_V4 : 0) | (has_port ? FORM_PORT : 0)));
		wire_write_span(&w, is_v4 ? (struct span){bytes + ADDRESS_V4_OFFSET, 4}
					  : (struct span){bytes, ADDRESS_BYTES});
		if (has_port)
			wire_write_u16(&w, a->endpoint.port);
	}
	if (!w.ok)
		return 0;
	wire_put_u16(out.data, (uint16_t)w.offset);
	return w.offset;
}

/* A name as write_name makes it: whole, and in lower case. */
static bool unpack_name(struct wire_reader *r, struct name *out)
{
	struct span bytes = wire_read_span(r, wire_read_u8(r));
	struct name lower;

	if (!r->ok || bytes.length_bytes == 0 || name_plain_bytes(bytes, 0) != bytes.length_bytes)
		return false;
	out->length_bytes = (uint8_t)bytes.length_bytes;
	memcpy(out->bytes, bytes.data, bytes.length_bytes);
	name_lower(out, &lower);
	return name_equal_exact(out, &lower);
}

static bool unpack_address(struct wire_reader *r, struct zone_cut *out)
{
	uint8_t server = wire_read_u8(r);
	uint8_t form = wire_read_u8(r);
	bool is_v4 = (form & FORM_V4) != 0;
	struct span bytes = wire_read_span(r, is_v4 ? 4 : ADDRESS_BYTES);
	struct endpoint endpoint;

	endpoint.port = (form & FORM_PORT) != 0 ? wire_read_u16(r) : DNS_PORT;
	if (!r->ok || (form & ~FORM_MASK) != 0 ||
	    (server >= out->server_count && server != ZONE_CUT_NO_SERVER))
		return false;
	if (is_v4)
		endpoint.address = address_from_v4(bytes.data);
	else
		memcpy(endpoint.address.bytes, bytes.data, ADDRESS_BYTES);
	return zone_cut_add_address(out, &endpoint, server);
}

bool zone_cut_unpack(struct span packed, struct zone_cut *out)
{
	struct wire_reader r = wire_reader_at(packed, 0);
	size_t length_bytes = wire_read_u16(&r);
	uint32_t expires_at_s = wire_read_u32(&r);
	uint8_t flags = wire_read_u8(&r);
	unsigned server_count = wire_read_u8(&r);
	unsigned address_count = wire_read_u8(&r);
	unsigned has_addresses = wire_read_u16(&r);
	struct name name;

	if (!r.ok || length_bytes > packed.length_bytes || !unpack_name(&r, &name))
		return false;
	zone_cut_init(out, &name, flags, expires_at_s);
	for (unsigned i = 0; i < server_count; i++)
		if (!unpack_name(&r, &name) || !zone_cut_add_server(out, &name))
			return false;
	for (unsigned i = 0; i < address_count; i++)
		if (!unpack_address(&r, out))
			return false;
	for (unsigned i = 0; i < server_count; i++)
		out->servers[i].has_addresses |= (has_addresses >> i & 1) != 0;
	return r.offset == length_bytes;
}

/* ---- invariants ---- */

static void check_server(const struct zone_cut *cut, unsigned server_idx)
{
	const struct zone_cut_server *server = &cut->servers[server_idx];
	bool has_addresses = false;

	CHECK(server->name_bytes > 0 &&
	      server->name_offset + server->name_bytes <= cut->names_bytes);
	CHECK(name_plain_bytes((struct span){cut->names, cut->names_bytes}, server->name_offset) ==
	      server->name_bytes);
	for (unsigned i = 0; i < cut->address_count; i++)
		has_addresses |= cut->addresses[i].server == server_idx;
	CHECK(server->has_addresses || !has_addresses); /* it may be another's as well */
}

void zone_cut_check(const struct zone_cut *cut)
{
	struct name lower;

	CHECK(cut->server_count <= ZONE_CUT_SERVERS_MAX);
	CHECK(cut->address_count <= ZONE_CUT_ADDRESSES_MAX);
	CHECK(cut->names_bytes <= ZONE_CUT_NAMES_BYTES);
	CHECK(cut->zone.length_bytes > 0);
	name_lower(&cut->zone, &lower);
	CHECK(name_equal_exact(&cut->zone, &lower));
	for (unsigned i = 0; i < cut->server_count; i++)
		check_server(cut, i);
	for (unsigned i = 0; i < cut->address_count; i++) {
		const struct zone_cut_address *a = &cut->addresses[i];

		CHECK(a->server < cut->server_count || a->server == ZONE_CUT_NO_SERVER);
		for (unsigned j = 0; j < i; j++)
			CHECK(!endpoint_equal(&a->endpoint, &cut->addresses[j].endpoint));
	}
}
