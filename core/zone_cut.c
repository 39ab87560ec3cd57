#include "zone_cut.h"

#include <string.h>

#include "dns_const.h"
#include "msg_referral.h"
#include "wire_cursor.h"

/* Of one referral: NS records and glue that are looked at. Servers of a flood beyond these are not worth their time. */
#define CANDIDATES_MAX 32
#define GLUE_RECORDS_MAX 256

static_assert(CANDIDATES_MAX >= ZONE_CUT_SERVERS_MAX, "all that are kept can be found");
static_assert(ZONE_CUT_NAMES_BYTES >= DNS_NAME_BYTES_MAX, "one name always fits");

/* ---- by hand ---- */

void zone_cut_init(struct zone_cut *out, const struct name *zone, uint8_t flags,
		   uint32_t expires_at_s)
{
	out->hash = 0;
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
		    name_bytes_equal(cut->names + server->name_offset, name->bytes,
				     name->length_bytes))
			break;
	}
	return i;
}

/* The name, in lower case, is none that is there. */
static bool add_server(struct zone_cut *cut, const struct name *name)
{
	if (cut->server_count == ZONE_CUT_SERVERS_MAX ||
	    name->length_bytes > ZONE_CUT_NAMES_BYTES - cut->names_bytes)
		return false;
	cut->servers[cut->server_count++] =
		(struct zone_cut_server){cut->names_bytes, name->length_bytes, false};
	bytes_copy(cut->names + cut->names_bytes, name->bytes, name->length_bytes);
	cut->names_bytes = (uint16_t)(cut->names_bytes + name->length_bytes);
	return true;
}

bool zone_cut_add_server(struct zone_cut *cut, const struct name *server)
{
	struct name name;

	name_lower(server, &name);
	return server_find(cut, &name) == cut->server_count && add_server(cut, &name);
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
	bytes_copy(out->bytes, cut->names + server->name_offset, server->name_bytes);
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

/* The address in the RDATA of an A or AAAA record. False: none that may be asked. */
static bool rdata_address(const uint8_t *rdata, bool is_v6, struct endpoint *out)
{
	out->port = DNS_PORT;
	if (is_v6) {
		memcpy(out->address.bytes, rdata, ADDRESS_BYTES);
		/* ::ffff:0/96 would pass for IPv4. */
		if (address_is_v4(&out->address))
			return false;
	} else {
		out->address = address_from_v4(rdata);
	}
	return zone_cut_may_ask(&out->address);
}

/* The address of an A or AAAA record of class IN. False: it is none, or none that may be asked. */
static bool record_address(struct span message, const struct msg_record *record,
			   struct endpoint *out)
{
	return record->class_or_size == DNS_CLASS_IN &&
	       (record->type == DNS_TYPE_A || record->type == DNS_TYPE_AAAA) &&
	       rdata_address(message.data + record->rdata_offset, record->type == DNS_TYPE_AAAA,
			     out);
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
	size_t zone_place;                 /* of an owner that was the zone; 0: none yet */
	struct name names[CANDIDATES_MAX]; /* of servers, lower case */
	size_t places[CANDIDATES_MAX];
	uint8_t servers
		[CANDIDATES_MAX]; /* each one's index in the cut; ZONE_CUT_NO_SERVER: it is not in there */
	bool has_glue[CANDIDATES_MAX];
};

/* Where the name at that offset, which the parser found good, is written out, as far as it is nothing but a pointer: names with
 * one place are the same. Pointers lead backwards. */
static size_t place_of(struct span message, size_t offset)
{
	while (message.data[offset] >= DNS_POINTER_FLAG)
		offset = (size_t)wire_get_u16(message.data + offset) & DNS_POINTER_OFFSET_MAX;
	return offset;
}

static bool owner_is_zone(struct reading *g, const struct msg_record *record)
{
	size_t at = record->owner_offset, place = place_of(g->response->message, at);
	struct name owner;

	if (place == g->zone_place)
		return true;
	if (place == DNS_HEADER_BYTES) {
		if (!name_equal(&g->response->qname, g->zone))
			return false;
	} else if (name_parse(g->response->message, &at, &owner) != NAME_OK ||
		   !name_equal(&owner, g->zone)) {
		return false;
	}
	g->zone_place = place;
	return true;
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
	g->places[g->count] = place_of(g->response->message, record->rdata_offset);
	g->servers[g->count] = ZONE_CUT_NO_SERVER;
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
		    !owner_is_zone(g, &record))
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

/* Which of the candidates the record is of; count: none. */
static unsigned candidate_of(const struct reading *g, const struct msg_record *record)
{
	struct span message = g->response->message;
	size_t place = place_of(message, record->owner_offset);
	struct name owner;
	unsigned i;

	for (i = 0; i < g->count; i++)
		if (g->places[i] == place)
			return i;
	if (!read_name(message, record->owner_offset, &owner))
		return g->count;
	for (i = 0; i < g->count; i++)
		if (name_equal_exact(&g->names[i], &owner))
			break;
	return i;
}

struct glue {
	size_t offset; /* of the next record */
	unsigned record_idx;
	/* of the last one: */
	unsigned candidate;
	struct endpoint endpoint;
	uint32_t ttl_s;
};

/* The next glue record. False: there is no more. */
static bool next_glue(const struct reading *g, struct glue *glue)
{
	while (glue->record_idx < g->response->additional_count &&
	       glue->record_idx < GLUE_RECORDS_MAX) {
		struct msg_record record;

		glue->record_idx++;
		msg_record_next_checked(g->response->message.data, &glue->offset, &record);
		if (!record_address(g->response->message, &record, &glue->endpoint))
			continue;
		glue->candidate = candidate_of(g, &record);
		glue->ttl_s = record.ttl_s;
		if (glue->candidate < g->count &&
		    name_is_below(&g->names[glue->candidate], g->bailiwick))
			return true;
	}
	return false;
}

/* Only where there are more servers than can be kept. */
static void mark_those_with_glue(struct reading *g)
{
	struct glue glue = {.offset = g->glue_offset};

	while (next_glue(g, &glue))
		g->has_glue[glue.candidate] = true;
}

static void add_servers(struct reading *g, bool has_glue, struct zone_cut *out)
{
	for (unsigned i = 0; i < g->count; i++)
		if (g->has_glue[i] == has_glue && add_server(out, &g->names[i]))
			g->servers[i] = (uint8_t)(out->server_count - 1);
}

static void add_glue(struct reading *g, struct zone_cut *out)
{
	struct glue glue = {.offset = g->glue_offset};

	while (next_glue(g, &glue)) {
		uint8_t server = g->servers[glue.candidate];

		if (server != ZONE_CUT_NO_SERVER &&
		    zone_cut_add_address(out, &glue.endpoint, server) && glue.ttl_s < g->ttl_s)
			g->ttl_s = glue.ttl_s;
	}
}

static uint32_t expiry(uint32_t now_s, uint32_t ttl_s)
{
	return now_s + ttl_s < now_s ? UINT32_MAX : now_s + ttl_s;
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
	out->expires_at_s = expiry(now_s, g->ttl_s);
	return true;
}

/* ---- out of what was noted of a referral ---- */

static bool is_noted_of(const struct msg_response *response, const struct name *zone)
{
	const struct name *qname = &response->qname;

	return response->referral != NULL &&
	       response->referral->zone_offset + zone->length_bytes ==
		       DNS_HEADER_BYTES + qname->length_bytes &&
	       name_is_below(qname, zone);
}

/* Is the server's name at or below the bailiwick? Most are by way of the question's labels, which are. */
static bool is_noted_below(const struct msg_referral_server *server, const struct name *name,
			   size_t bailiwick_at, const struct name *bailiwick)
{
	return (server->rest_at != 0 && server->rest_at <= bailiwick_at) ||
	       name_is_below(name, bailiwick);
}

/* *below: bit i: server i's name lies at or below the bailiwick. False: a name comes twice, is the root or finds no room. */
static bool add_noted_servers(const struct msg_response *response, const struct name *bailiwick,
			      struct zone_cut *out, uint32_t *below)
{
	const struct msg_referral *noted = response->referral;
	const struct name *qname = &response->qname;
	size_t bailiwick_at = 0; /* in the question */
	struct name name;

	if (name_is_below(qname, bailiwick))
		bailiwick_at =
			DNS_HEADER_BYTES + (size_t)qname->length_bytes - bailiwick->length_bytes;
	*below = 0;
	for (unsigned i = 0; i < noted->server_count; i++) {
		if (!msg_referral_server_name(response, i, &name) || name.length_bytes == 1 ||
		    server_find(out, &name) < out->server_count || !add_server(out, &name))
			return false;
		*below |=
			(uint32_t)is_noted_below(&noted->servers[i], &name, bailiwick_at, bailiwick)
			<< i;
	}
	return true;
}

/* False: it is to be made of the records. */
static bool from_noted(const struct msg_response *response, const struct name *zone,
		       const struct name *bailiwick, uint32_t now_s, struct zone_cut *out)
{
	const struct msg_referral *noted = response->referral;
	uint32_t ttl_s = noted->ttl_s < CUT_TTL_S_MAX ? noted->ttl_s : CUT_TTL_S_MAX;
	uint32_t below;

	zone_cut_init(out, zone, noted->has_ds ? ZONE_CUT_HAS_DS : 0, 0);
	if (!add_noted_servers(response, bailiwick, out, &below))
		return false;
	for (unsigned i = 0; i < noted->glue_count; i++) {
		const struct msg_referral_glue *glue = &noted->glue[i];
		struct endpoint endpoint;

		if ((below >> glue->server & 1) != 0 &&
		    rdata_address(response->message.data + glue->rdata_offset, glue->is_v6,
				  &endpoint) &&
		    zone_cut_add_address(out, &endpoint, glue->server) && glue->ttl_s < ttl_s)
			ttl_s = glue->ttl_s;
	}
	out->expires_at_s = expiry(now_s, ttl_s);
	return true;
}

static bool from_records(const struct msg_response *response, const struct name *zone,
			 const struct name *bailiwick, uint32_t now_s, struct zone_cut *out)
{
	struct reading g;

	g.response = response;
	g.zone = zone;
	g.bailiwick = bailiwick;
	g.glue_offset = response->records_offset;
	g.ttl_s = CUT_TTL_S_MAX;
	g.has_ds = false;
	g.count = 0;
	g.zone_place = 0;
	skip_records(response->message, &g.glue_offset, response->answer_count);
	read_servers(&g, &g.glue_offset, response->authority_count);
	return finish(&g, now_s, out);
}

bool zone_cut_from_referral(const struct msg_response *response, const struct name *zone,
			    const struct zone_cut *parent, uint32_t now_s, struct zone_cut *out)
{
	if (!(is_noted_of(response, zone) &&
	      from_noted(response, zone, &parent->zone, now_s, out)) &&
	    !from_records(response, zone, &parent->zone, now_s, out))
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
	g.zone_place = 0;
	read_servers(&g, &g.glue_offset, response->answer_count);
	skip_records(response->message, &g.glue_offset, response->authority_count);
	return finish(&g, now_s, out) && out->address_count > 0;
}

/* ---- packed: the head, then what is used of the zone, the servers, the addresses and the names ---- */

#define HEAD_BYTES offsetof(struct zone_cut, zone)
/* The head, and of the zone what is used, which follows it in both forms. */
static size_t front_bytes(uint8_t zone_length_bytes)
{
	return HEAD_BYTES + 1 + zone_length_bytes;
}

static size_t servers_bytes(const struct zone_cut *cut)
{
	return cut->server_count * sizeof(cut->servers[0]);
}

static size_t addresses_bytes(const struct zone_cut *cut)
{
	return cut->address_count * sizeof(cut->addresses[0]);
}

size_t zone_cut_pack(const struct zone_cut *cut, struct buffer out)
{
	size_t front = front_bytes(cut->zone.length_bytes);
	size_t servers = servers_bytes(cut), addresses = addresses_bytes(cut);
	size_t length_bytes = front + servers + addresses + cut->names_bytes;
	uint8_t *at = out.data;

	if (length_bytes > out.capacity_bytes)
		return 0;
	bytes_copy(at, cut, front);
	bytes_copy(at += front, cut->servers, servers);
	bytes_copy(at += servers, cut->addresses, addresses);
	bytes_copy(at + addresses, cut->names, cut->names_bytes);
	return length_bytes;
}

/* Do the parts refer to each other? */
static bool is_coherent(const struct zone_cut *cut)
{
	unsigned wrong = cut->zone.length_bytes == 0;

	for (unsigned i = 0; i < cut->server_count; i++)
		wrong |=
			cut->servers[i].name_bytes == 0 ||
			cut->servers[i].name_offset + cut->servers[i].name_bytes > cut->names_bytes;
	for (unsigned i = 0; i < cut->address_count; i++)
		wrong |= cut->addresses[i].server >= cut->server_count &&
			 cut->addresses[i].server != ZONE_CUT_NO_SERVER;
	return wrong == 0;
}

bool zone_cut_unpack(struct span packed, struct zone_cut *out)
{
	const uint8_t *at = packed.data;
	size_t front, servers, addresses;

	if (packed.length_bytes <= HEAD_BYTES)
		return false;
	memcpy(out, at, HEAD_BYTES);
	front = front_bytes(at[HEAD_BYTES]);
	servers = servers_bytes(out);
	addresses = addresses_bytes(out);
	if (out->server_count > ZONE_CUT_SERVERS_MAX ||
	    out->address_count > ZONE_CUT_ADDRESSES_MAX ||
	    out->names_bytes > ZONE_CUT_NAMES_BYTES ||
	    front + servers + addresses + out->names_bytes > packed.length_bytes)
		return false;
	bytes_copy(&out->zone, at + HEAD_BYTES, front - HEAD_BYTES);
	bytes_copy(out->servers, at += front, servers);
	bytes_copy(out->addresses, at += servers, addresses);
	bytes_copy(out->names, at + addresses, out->names_bytes);
	return is_coherent(out);
}

void zone_cut_copy(struct zone_cut *to, const struct zone_cut *from)
{
	bytes_copy(to, from, front_bytes(from->zone.length_bytes));
	bytes_copy(to->servers, from->servers, servers_bytes(from));
	bytes_copy(to->addresses, from->addresses, addresses_bytes(from));
	bytes_copy(to->names, from->names, from->names_bytes);
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
