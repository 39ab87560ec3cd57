#include "core/zone_cut.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/msg_referral.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define NOW_S 1000u

static struct name name_of(const char *text)
{
	struct name name;

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &name));
	name_lower(&name, &name);
	return name;
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint e = {.port = DNS_PORT};
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		e.address = address_from_v4(v4);
	else
		CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, text, e.address.bytes), 1);
	return e;
}

static void put_endpoint(const struct endpoint *e, char *text, size_t text_bytes)
{
	char address[INET6_ADDRSTRLEN];
	bool is_v4 = address_is_v4(&e->address);

	CU_ASSERT_PTR_NOT_NULL_FATAL(inet_ntop(is_v4 ? AF_INET : AF_INET6,
					       e->address.bytes + (is_v4 ? ADDRESS_V4_OFFSET : 0),
					       address, sizeof(address)));
	if (e->port == DNS_PORT)
		snprintf(text, text_bytes, "%s", address);
	else
		snprintf(text, text_bytes, "%s@%u", address, e->port);
}

/* "zone TTL [ds] [liar] server=address,address server=-", servers in their order; those of nobody last, as "*". */
static const char *text_of(const struct zone_cut *cut)
{
	static char text[8192];
	char part[NAME_TEXT_BYTES_MAX];
	size_t length;

	zone_cut_check(cut);
	name_to_text(&cut->zone, part);
	length = (size_t)snprintf(text, sizeof(text), "%s %u%s%s", part, cut->expires_at_s - NOW_S,
				  (cut->flags & ZONE_CUT_HAS_DS) != 0 ? " ds" : "",
				  (cut->flags & ZONE_CUT_ENT_LIAR) != 0 ? " liar" : "");
	for (unsigned i = 0; i <= cut->server_count; i++) {
		unsigned server = i < cut->server_count ? i : ZONE_CUT_NO_SERVER;
		struct name name;
		char between = '=';

		strcpy(part, "*");
		if (i < cut->server_count) {
			zone_cut_server_name(cut, i, &name);
			name_to_text(&name, part);
			length += (size_t)snprintf(text + length, sizeof(text) - length, " %s%s",
						   part, cut->servers[i].has_addresses ? "" : "=-");
		}
		for (unsigned j = 0; j < cut->address_count; j++) {
			if (cut->addresses[j].server != server)
				continue;
			if (i == cut->server_count && between == '=')
				length += (size_t)snprintf(text + length, sizeof(text) - length,
							   " *");
			put_endpoint(&cut->addresses[j].endpoint, part, sizeof(part));
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%c%s",
						   between, part);
			between = ',';
		}
	}
	return text;
}

static void expect(const struct zone_cut *cut, const char *says, const char *want)
{
	const char *got = text_of(cut);

	if (strcmp(got, want) != 0)
		printf("\n%s:\n got  %s\n want %s\n", says, got, want);
	CU_ASSERT_STRING_EQUAL(got, want);
}

/* What is noted of a referral is good until the next. */
static struct msg_response parsed(const struct entry_message *message)
{
	static struct msg_referral referral;
	struct span span = {message->bytes, message->length_bytes};
	size_t offset = DNS_HEADER_BYTES;
	struct msg_response r;
	struct name qname;

	CU_ASSERT_EQUAL_FATAL(name_parse_plain(span, &offset, &qname), NAME_OK);
	CU_ASSERT_EQUAL_FATAL(msg_parse_response_of(span, &qname, &referral, &r), MSG_RESPONSE_OK);
	return r;
}

static struct zone_cut parent_of(const char *zone, uint32_t ttl_s)
{
	struct zone_cut cut;
	struct name name = name_of(zone);

	zone_cut_init(&cut, &name, 0, NOW_S + ttl_s);
	return cut;
}

/* ---- referrals ---- */

struct referral_case {
	struct entry_case response;
	const char *parent; /* asked */
	uint32_t parent_ttl_s;
	const char *zone;
	const char *want; /* NULL: no cut */
};

static const struct referral_case referrals[] = {
	{
		{.says = "servers and their glue",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com.",
			       "example.com. 3600 NS NS2.Example.Com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1",
				"ns1.example.com. 3600 AAAA 2001:db8::1",
				"ns2.example.com. 3600 A 192.0.2.2"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=192.0.2.1,2001:db8::1 ns2.example.com.=192.0.2.2",
	},
	{
		{.says = "glue of an ancestor is kept, of a stranger is not (SECURITY C1)",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.other.com.",
			       "example.com. 3600 NS ns1.other.net."},
		 .additional = {"ns1.other.com. 3600 A 192.0.2.1",
				"ns1.other.net. 3600 A 192.0.2.66"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.other.com.=192.0.2.1 ns1.other.net.=-",
	},
	{
		{.says = "addresses of what is no server are left out",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com."},
		 .additional = {"www.victim.com. 3600 A 192.0.2.66",
				"ns1.example.com. 3600 A 192.0.2.1",
				"ns1.example.com. 3600 TXT \"no address\""}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=192.0.2.1",
	},
	{
		{.says = "NS of other names are left out (sibling, parent, root)",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"victim.com. 3600 NS ns1.example.com.", ". 3600 NS evil.com.",
			       "example.com. 3600 NS ns1.example.com.", "com. 3600 NS evil.com."},
		 .additional = {"evil.com. 3600 A 192.0.2.66",
				"ns1.example.com. 3600 A 192.0.2.1"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=192.0.2.1",
	},
	{
		{.says = "the least TTL counts: of an NS",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com.",
			       "example.com. 60 NS ns2.example.com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 60 ns1.example.com.=192.0.2.1 ns2.example.com.=-",
	},
	{
		{.says = "the least TTL counts: of glue that is kept",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com."},
		 .additional = {"ns1.example.com. 30 A 192.0.2.1",
				"www.example.com. 1 A 192.0.2.7"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 30 ns1.example.com.=192.0.2.1",
	},
	{
		{.says = "the least TTL counts: what the parent has left (ghosts, SECURITY C4)",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
		"com.",
		20,
		"example.com.",
		"example.com. 20 ns1.example.com.=192.0.2.1",
	},
	{
		{.says = "no longer than a day",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 604800 NS ns1.example.com."},
		 .additional = {"ns1.example.com. 604800 A 192.0.2.1"}},
		"com.",
		700000,
		"example.com.",
		"example.com. 86400 ns1.example.com.=192.0.2.1",
	},
	{
		{.says = "addresses that nobody may be sent to (SECURITY C11)",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com.",
			       "example.com. 3600 NS ns2.example.com."},
		 .additional = {"ns1.example.com. 3600 A 127.0.0.1",
				"ns1.example.com. 3600 AAAA ::1",
				"ns1.example.com. 3600 AAAA ::ffff:192.0.2.1",
				"ns2.example.com. 3600 A 0.0.0.0",
				"ns2.example.com. 3600 AAAA ::"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=- ns2.example.com.=-",
	},
	{
		{.says = "no address twice: both servers are known by it",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com.",
			       "example.com. 3600 NS ns2.example.com.",
			       "example.com. 3600 NS NS1.example.com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1",
				"ns2.example.com. 3600 A 192.0.2.1",
				"ns1.example.com. 3600 A 192.0.2.1"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=192.0.2.1 ns2.example.com.",
	},
	{
		{.says = "four addresses a server",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1",
				"ns1.example.com. 3600 A 192.0.2.2",
				"ns1.example.com. 3600 A 192.0.2.3",
				"ns1.example.com. 3600 A 192.0.2.4",
				"ns1.example.com. 3600 A 192.0.2.5"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ns1.example.com.=192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4",
	},
	{
		{.says = "a DS is noted, also without its signature",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ns1.example.net.",
			       "example.com. 3600 DS 1 8 2 "
			       "00000000000000000000000000000000000000000000000000000000000000ab"}},
		"com.",
		7200,
		"example.com.",
		"example.com. 3600 ds ns1.example.net.=-",
	},
	{
		{.says = "the root is nobody's server",
		 .qname = "www.example.com.",
		 .qtype = DNS_TYPE_A,
		 .authority = {"example.com. 3600 NS ."}},
		"com.",
		7200,
		"example.com.",
		NULL,
	},
	{
		{.says = "NS in the answer section is no referral",
		 .qname = "example.com.",
		 .qtype = DNS_TYPE_NS,
		 .answer = {"example.com. 3600 NS ns1.example.com."},
		 .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
		"com.",
		7200,
		"example.com.",
		NULL,
	},
};

static void zone_cut__is_what_the_parent_says(void)
{
	static struct entry_message message;

	for (unsigned i = 0; i < 2 * ARRAY_COUNT(referrals); i++) {
		const struct referral_case *c = &referrals[i / 2];
		struct zone_cut parent = parent_of(c->parent, c->parent_ttl_s);
		struct name zone = name_of(c->zone);
		struct msg_response r;
		struct zone_cut cut;
		bool made;

		entry_response(&c->response, i % 2 == 0, &message);
		r = parsed(&message);
		made = zone_cut_from_referral(&r, &zone, &parent, NOW_S, &cut);
		CU_ASSERT_EQUAL(made, c->want != NULL);
		if (made && c->want != NULL)
			expect(&cut, c->response.says, c->want);
	}
}

/* ---- floods ---- */

struct flood {
	struct entry_message message;
	struct msg_response response;
};

static void put_name(struct entry_message *m, const char *text)
{
	struct name name = name_of(text);

	memcpy(m->bytes + m->length_bytes, name.bytes, name.length_bytes);
	m->length_bytes += name.length_bytes;
}

static void put_record(struct entry_message *m, const char *owner, uint16_t type, const void *rdata,
		       uint16_t rdata_bytes)
{
	uint8_t *p;

	put_name(m, owner);
	p = m->bytes + m->length_bytes;
	wire_put_u16(p, type);
	wire_put_u16(p + 2, DNS_CLASS_IN);
	wire_put_u32(p + 4, 3600);
	wire_put_u16(p + 8, rdata_bytes);
	memcpy(p + 10, rdata, rdata_bytes);
	m->length_bytes += 10 + (size_t)rdata_bytes;
}

/* So many servers of the label's length, of which those from `first` on have glue. */
static void flood_make(struct flood *f, unsigned server_count, unsigned label_bytes, unsigned first)
{
	struct entry_message *m = &f->message;
	char text[128];

	memset(m->bytes, 0, DNS_HEADER_BYTES);
	m->length_bytes = DNS_HEADER_BYTES;
	wire_put_u16(m->bytes + 2, DNS_FLAG_QR);
	wire_put_u16(m->bytes + 4, 1);
	wire_put_u16(m->bytes + 8, (uint16_t)server_count);
	wire_put_u16(m->bytes + 10, (uint16_t)(server_count - first));
	put_name(m, "www.example.com.");
	wire_put_u16(m->bytes + m->length_bytes, DNS_TYPE_A);
	wire_put_u16(m->bytes + m->length_bytes + 2, DNS_CLASS_IN);
	m->length_bytes += 4;
	for (unsigned i = 0; i < server_count; i++) {
		struct name name;

		snprintf(text, sizeof(text), "%0*u.example.com.", (int)label_bytes, i);
		name = name_of(text);
		put_record(m, "example.com.", DNS_TYPE_NS, name.bytes, name.length_bytes);
	}
	for (unsigned i = first; i < server_count; i++) {
		uint8_t address[4] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i};

		snprintf(text, sizeof(text), "%0*u.example.com.", (int)label_bytes, i);
		put_record(m, text, DNS_TYPE_A, address, sizeof(address));
	}
	f->response = parsed(m);
}

static struct zone_cut flood_cut(const struct flood *f)
{
	struct zone_cut parent = parent_of("com.", 7200);
	struct name zone = name_of("example.com.");
	struct zone_cut cut;

	CU_ASSERT_TRUE_FATAL(zone_cut_from_referral(&f->response, &zone, &parent, NOW_S, &cut));
	zone_cut_check(&cut);
	return cut;
}

static void zone_cut__keeps_thirteen_servers_those_with_glue_first(void)
{
	static struct flood f;
	struct zone_cut cut;
	struct name name, want;

	flood_make(&f, 20, 2, 18);
	cut = flood_cut(&f);
	CU_ASSERT_EQUAL(cut.server_count, ZONE_CUT_SERVERS_MAX);
	CU_ASSERT_EQUAL(cut.address_count, 2);
	want = name_of("18.example.com.");
	zone_cut_server_name(&cut, 0, &name);
	CU_ASSERT_TRUE(name_equal_exact(&name, &want));
	want = name_of("00.example.com.");
	zone_cut_server_name(&cut, 2, &name);
	CU_ASSERT_TRUE(name_equal_exact(&name, &want));
}

static void zone_cut__bears_a_flood_of_servers(void)
{
	static struct flood f;
	struct zone_cut cut;

	flood_make(&f, 600, 10, 0);
	cut = flood_cut(&f);
	CU_ASSERT_EQUAL(cut.server_count, ZONE_CUT_SERVERS_MAX);
	CU_ASSERT_EQUAL(cut.address_count, ZONE_CUT_SERVERS_MAX);
	/* Names that do not all fit: 80 bytes each. */
	flood_make(&f, 13, 63, 0);
	cut = flood_cut(&f);
	CU_ASSERT_EQUAL(cut.server_count, ZONE_CUT_NAMES_BYTES / (63 + 1 + 13));
	CU_ASSERT_EQUAL(cut.address_count, cut.server_count);
}

/* ---- the root ---- */

static void zone_cut__is_primed_from_an_authoritative_answer(void)
{
	static const struct entry_case root = {
		.says = "priming",
		.qname = ".",
		.qtype = DNS_TYPE_NS,
		.answer = {". 518400 NS a.root-servers.net.", ". 518400 NS b.root-servers.net."},
		.additional = {"a.root-servers.net. 518400 A 198.41.0.4",
			       "a.root-servers.net. 518400 AAAA 2001:503:ba3e::2:30",
			       "b.root-servers.net. 518400 A 170.247.170.2"}};
	static struct entry_message message;
	struct msg_response r;
	struct zone_cut cut;

	entry_response(&root, true, &message);
	r = parsed(&message);
	CU_ASSERT_TRUE_FATAL(zone_cut_from_priming(&r, NOW_S, &cut));
	expect(&cut, root.says,
	       ". 86400 a.root-servers.net.=198.41.0.4,2001:503:ba3e::2:30 "
	       "b.root-servers.net.=170.247.170.2");
	/* Without its addresses the hints are better. */
	r.additional_count = 0;
	CU_ASSERT_FALSE(zone_cut_from_priming(&r, NOW_S, &cut));
	r = parsed(&message);
	r.flags &= (uint16_t)~DNS_FLAG_AA;
	CU_ASSERT_FALSE(zone_cut_from_priming(&r, NOW_S, &cut));
	r = parsed(&message);
	r.flags |= DNS_RCODE_SERVFAIL;
	CU_ASSERT_FALSE(zone_cut_from_priming(&r, NOW_S, &cut));
}

/* ---- by hand, packed, addresses ---- */

static struct zone_cut sample(void)
{
	struct name zone = name_of("Example.COM.");
	struct name one = name_of("ns1.example.com."), two = name_of("ns2.example.net.");
	struct endpoint a = endpoint_of("192.0.2.1"), b = endpoint_of("2001:db8::1");
	struct zone_cut cut;

	zone_cut_init(&cut, &zone, ZONE_CUT_HAS_DS | ZONE_CUT_ENT_LIAR, NOW_S + 5);
	CU_ASSERT_TRUE(zone_cut_add_server(&cut, &one));
	CU_ASSERT_TRUE(zone_cut_add_server(&cut, &two));
	CU_ASSERT_FALSE(zone_cut_add_server(&cut, &one));
	CU_ASSERT_TRUE(zone_cut_add_address(&cut, &a, 0));
	CU_ASSERT_FALSE(zone_cut_add_address(&cut, &a, 0));
	CU_ASSERT_TRUE(zone_cut_add_address(&cut, &b, 0));
	a.port = 5353;
	CU_ASSERT_TRUE(zone_cut_add_address(&cut, &a, ZONE_CUT_NO_SERVER));
	return cut;
}

#define SAMPLE_TEXT                                                                                \
	"example.com. 5 ds liar ns1.example.com.=192.0.2.1,2001:db8::1 ns2.example.net.=- "        \
	"*=192.0.2.1@5353"

static void zone_cut__is_the_same_after_packing(void)
{
	struct zone_cut cut = sample(), again;
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX + 8];
	size_t length_bytes = zone_cut_pack(&cut, (struct buffer){packed, sizeof(packed)});

	expect(&cut, "by hand", SAMPLE_TEXT);
	CU_ASSERT_TRUE_FATAL(length_bytes > 0);
	memset(&again, 0xa5, sizeof(again));
	CU_ASSERT_TRUE_FATAL(zone_cut_unpack((struct span){packed, length_bytes}, &again));
	expect(&again, "unpacked", SAMPLE_TEXT);
	/* The last word of a cache entry is filled up. */
	CU_ASSERT_TRUE(zone_cut_unpack((struct span){packed, length_bytes + 7}, &again));
	for (size_t i = 0; i < length_bytes; i++) {
		CU_ASSERT_EQUAL(zone_cut_pack(&cut, (struct buffer){packed, i}), 0);
		CU_ASSERT_FALSE(zone_cut_unpack((struct span){packed, i}, &again));
	}
}

static void zone_cut__packs_the_longest(void)
{
	struct name zone, server;
	struct zone_cut cut, again;
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX];
	size_t length_bytes;
	char text[300];

	for (unsigned i = 0; i < 4; i++)
		snprintf(text + 64 * i, sizeof(text) - 64 * i, "%0*u.", i < 3 ? 63 : 61, i);
	zone = name_of(text);
	CU_ASSERT_EQUAL(zone.length_bytes, DNS_NAME_BYTES_MAX);
	zone_cut_init(&cut, &zone, 0, NOW_S);
	for (unsigned i = 0; i < ZONE_CUT_SERVERS_MAX; i++) {
		snprintf(text, sizeof(text), "%0*u.%0*u.", 63, i, 11, i);
		server = name_of(text);
		CU_ASSERT_TRUE(zone_cut_add_server(&cut, &server));
	}
	for (unsigned i = 0; i < ZONE_CUT_ADDRESSES_MAX; i++) {
		struct endpoint e = endpoint_of("2001:db8::1");

		e.address.bytes[15] = (uint8_t)i;
		e.port = 1053;
		CU_ASSERT_TRUE(zone_cut_add_address(&cut, &e, i / 2));
	}
	length_bytes = zone_cut_pack(&cut, (struct buffer){packed, sizeof(packed)});
	CU_ASSERT_TRUE_FATAL(length_bytes > 0);
	CU_ASSERT_TRUE(zone_cut_unpack((struct span){packed, length_bytes}, &again));
	zone_cut_check(&again);
	CU_ASSERT_EQUAL(again.address_count, ZONE_CUT_ADDRESSES_MAX);
}

/* Whatever is damaged, its parts are as many as may be, and refer to what there is. */
static void zone_cut__unpacks_nothing_beyond_its_bounds(void)
{
	unsigned long long seed = unit_seed();
	struct zone_cut cut = sample(), again;
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX], damaged[ZONE_CUT_PACKED_BYTES_MAX];
	size_t length_bytes = zone_cut_pack(&cut, (struct buffer){packed, sizeof(packed)});
	unsigned taken = 0;

	for (unsigned i = 0; i < 20000; i++) {
		size_t at = unit_random(&seed) % length_bytes;

		memcpy(damaged, packed, length_bytes);
		damaged[at] = (uint8_t)(damaged[at] + 1 + unit_random(&seed) % 255);
		memset(&again, 0xa5, sizeof(again));
		if (!zone_cut_unpack((struct span){damaged, length_bytes}, &again))
			continue;
		CU_ASSERT_TRUE_FATAL(again.server_count <= ZONE_CUT_SERVERS_MAX &&
				     again.address_count <= ZONE_CUT_ADDRESSES_MAX &&
				     again.zone.length_bytes > 0);
		for (unsigned j = 0; j < again.server_count; j++)
			CU_ASSERT_TRUE(again.servers[j].name_offset + again.servers[j].name_bytes <=
				       again.names_bytes);
		for (unsigned j = 0; j < again.address_count; j++)
			CU_ASSERT_TRUE(again.addresses[j].server < again.server_count ||
				       again.addresses[j].server == ZONE_CUT_NO_SERVER);
		CU_ASSERT_TRUE(zone_cut_pack(&again, (struct buffer){damaged, length_bytes}) > 0);
		taken++;
	}
	CU_ASSERT_TRUE(taken > 0 && taken < 20000); /* addresses and names may be any */
}

static void zone_cut__takes_the_addresses_of_an_answer(void)
{
	static const struct entry_case answer = {
		.says = "addresses",
		.qname = "ns2.example.net.",
		.qtype = DNS_TYPE_A,
		.answer = {"ns2.example.net. 60 CNAME host.example.net.",
			   "host.example.net. 60 A 192.0.2.9", "host.example.net. 60 A 127.0.0.1",
			   "host.example.net. 60 A 192.0.2.1"}};
	static struct entry_message message;
	struct zone_cut cut = sample();
	struct msg_response r;

	entry_response(&answer, true, &message);
	r = parsed(&message);
	CU_ASSERT_EQUAL(zone_cut_take_addresses(&cut, 1, &r), 1);
	expect(&cut, answer.says,
	       "example.com. 5 ds liar ns1.example.com.=192.0.2.1,2001:db8::1 "
	       "ns2.example.net.=192.0.2.9 *=192.0.2.1@5353");
}

static void zone_cut__may_not_ask_ourselves_or_nobody(void)
{
	static const struct {
		const char *address;
		bool may;
	} cases[] = {
		{"0.0.0.0", false},
		{"0.255.255.255", false},
		{"1.0.0.0", true},
		{"126.255.255.255", true},
		{"127.0.0.1", false},
		{"127.255.255.255", false},
		{"128.0.0.1", true},
		{"169.253.255.255", true},
		{"169.254.0.1", false},
		{"169.254.255.255", false},
		{"169.255.0.0", true},
		{"198.18.0.1", true},
		{"223.255.255.255", true},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::192.0.2.1", false},
		{"::1:0:0:0", true},
		{"2001:2::1", true},
		{"fe7f::1", true},
		{"fe80::1", false},
		{"febf::1", false},
		{"fec0::1", true},
		{"fd00::1", true},
		{"feff::1", true},
		{"ff00::1", false},
		{"ff02::1", false},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct endpoint e = endpoint_of(cases[i].address);

		if (zone_cut_may_ask(&e.address) != cases[i].may)
			printf("\n%s\n", cases[i].address);
		CU_ASSERT_EQUAL(zone_cut_may_ask(&e.address), cases[i].may);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(zone_cut__is_what_the_parent_says),
	UNIT_TEST(zone_cut__keeps_thirteen_servers_those_with_glue_first),
	UNIT_TEST(zone_cut__bears_a_flood_of_servers),
	UNIT_TEST(zone_cut__is_primed_from_an_authoritative_answer),
	UNIT_TEST(zone_cut__is_the_same_after_packing),
	UNIT_TEST(zone_cut__packs_the_longest),
	UNIT_TEST(zone_cut__unpacks_nothing_beyond_its_bounds),
	UNIT_TEST(zone_cut__takes_the_addresses_of_an_answer),
	UNIT_TEST(zone_cut__may_not_ask_ourselves_or_nobody),
};
UNIT_SUITE(zone_cut, tests)
