/* The short way of referrals against the general one: what is parsed, what is believed of it, and the cut that it makes. */
#include "core/msg_referral.h"

#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/dns_const.h"
#include "core/scrub.h"
#include "core/wire_cursor.h"
#include "core/zone_cut.h"
#include "msg_reference.h"
#include "unit.h"

#define NOW_S 1000u
#define ROUNDS 200000

/* ---- both ways ---- */

/* What one way makes of a message. */
struct outcome {
	enum msg_response_result result;
	struct msg_response response;
	struct scrubbed scrubbed;
	bool has_cut;
	size_t cut_bytes;
	uint8_t cut[ZONE_CUT_PACKED_BYTES_MAX];
};

static void judge(struct outcome *o, unsigned labels_below)
{
	struct name qname, zone;
	struct scrub_question question = {&zone, &qname, o->response.qtype, false, true, 0};
	struct zone_cut parent, cut;
	size_t at;

	name_lower(&o->response.qname, &qname);
	if (labels_below > name_label_count(&qname))
		labels_below = name_label_count(&qname);
	at = name_at_label(&qname, labels_below);
	zone.length_bytes = (uint8_t)(qname.length_bytes - at);
	memcpy(zone.bytes, qname.bytes + at, zone.length_bytes);
	scrub_response(&o->response, &question, &o->scrubbed);
	o->has_cut = false;
	if (o->scrubbed.verdict != SCRUB_REFERRAL)
		return;
	zone_cut_init(&parent, &zone, 0, NOW_S + 7200);
	memset(&cut, 0xa5, sizeof(cut));
	o->has_cut =
		zone_cut_from_referral(&o->response, &o->scrubbed.target, &parent, NOW_S, &cut);
	if (!o->has_cut)
		return;
	zone_cut_check(&cut);
	o->cut_bytes = zone_cut_pack(&cut, (struct buffer){o->cut, sizeof(o->cut)});
}

static bool outcomes_equal(const struct outcome *a, const struct outcome *b)
{
	if (a->result != b->result)
		return false;
	if (a->result != MSG_RESPONSE_OK)
		return true;
	if (!msg_responses_equal(&a->response, &b->response) ||
	    a->scrubbed.verdict != b->scrubbed.verdict ||
	    a->scrubbed.if_believed != b->scrubbed.if_believed ||
	    a->scrubbed.rcode != b->scrubbed.rcode || a->scrubbed.links != b->scrubbed.links ||
	    !name_equal_exact(&a->scrubbed.target, &b->scrubbed.target) || a->has_cut != b->has_cut)
		return false;
	return !a->has_cut ||
	       (a->cut_bytes == b->cut_bytes && memcmp(a->cut, b->cut, a->cut_bytes) == 0);
}

/* The copy ends where the message does, so that the sanitizer sees any step beyond. *is_noted: it went the short way. */
static bool is_same(const struct entry_message *m, unsigned labels_below, bool *is_noted)
{
	static struct outcome general, other;
	uint8_t *bytes = malloc(m->length_bytes > 0 ? m->length_bytes : 1);
	struct span copy = {bytes, m->length_bytes};
	struct msg_referral referral;
	size_t offset = DNS_HEADER_BYTES;
	struct name qname;
	bool same = true;

	CU_ASSERT_FATAL(bytes != NULL);
	memcpy(bytes, m->bytes, m->length_bytes);
	memset(&referral, 0x5a, sizeof(referral));
	*is_noted = false;
	if (name_parse_plain(copy, &offset, &qname) == NAME_OK) {
		general.result = msg_parse_response_any(copy, &general.response);
		other.result = msg_parse_response_of(copy, &qname, &referral, &other.response);
		if (general.result == MSG_RESPONSE_OK)
			judge(&general, labels_below);
		if (other.result == MSG_RESPONSE_OK) {
			judge(&other, labels_below);
			*is_noted = other.response.referral != NULL;
		}
		same = outcomes_equal(&general, &other);
	}
	free(bytes);
	return same;
}

/* ---- what is a referral of the usual kind ---- */

#define SIG "8 2 3600 20300101000000 20200101000000 1 com. AAAA"

struct shape {
	struct entry_case response;
	bool is_noted;
};

static const struct shape shapes[] = {
	{{.says = "servers and their glue",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.",
			"example.com. 300 NS NS2.Example.Com."},
	  .additional = {"ns1.example.com. 3600 A 192.0.2.1",
			 "ns1.example.com. 60 AAAA 2001:db8::1",
			 "NS2.Example.Com. 3600 A 192.0.2.2"}},
	 true},
	{{.says = "servers elsewhere, without glue",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS a.b.example.", "example.com. 3600 NS c.b.example."}},
	 true},
	{{.says = "servers that are the question's ancestors",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS example.com.", "example.com. 3600 NS com."},
	  .additional = {"com. 3600 A 192.0.2.3", "example.com. 3600 A 192.0.2.1"}},
	 true},
	{{.says = "servers that share a name's end, as those of TLDs",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"com. 172800 NS a.gtld-servers.net.", "com. 172800 NS b.gtld-servers.net.",
			"com. 172800 NS c.gtld-servers.net."},
	  .additional = {"a.gtld-servers.net. 172800 A 192.0.2.1",
			 "b.gtld-servers.net. 172800 A 192.0.2.2",
			 "b.gtld-servers.net. 172800 AAAA 2001:db8::2",
			 "a.gtld-servers.net. 172800 AAAA 2001:db8::1"}},
	 true},
	{{.says = "signed, with DS",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.", "example.com. 3600 DS 1 8 2 00ff",
			"example.com. 3600 RRSIG DS " SIG},
	  .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
	 true},
	{{.says = "without DS, which is proven",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.",
			"abc.com. 3600 NSEC3 1 1 0 - 0123456789abcdefghij0123456789ab NS",
			"abc.com. 3600 RRSIG NSEC3 " SIG, "example.com. 3600 NSEC z.com. NS"},
	  .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
	 true},
	{{.says = "the same server twice",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.",
			"example.com. 300 NS NS1.example.com."},
	  .additional = {"ns1.example.com. 3600 A 192.0.2.1"}},
	 true},
	{{.says = "addresses that nobody may be sent to",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com."},
	  .additional = {"ns1.example.com. 3600 A 127.0.0.1",
			 "ns1.example.com. 60 AAAA ::ffff:192.0.2.1",
			 "ns1.example.com. 60 A 192.0.2.1", "ns1.example.com. 5 A 192.0.2.1"}},
	 true},
	{{.says = "sideways",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.net. 3600 NS ns1.example.com."}},
	 false},
	{{.says = "of two zones",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.", "com. 3600 NS ns1.example.com."}},
	 false},
	{{.says = "with a SOA",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.",
			"example.com. 3600 SOA a. b. 1 2 3 4 5"}},
	 false},
	{{.says = "DS of another name",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com.", "com. 3600 DS 1 8 2 00ff"}},
	 false},
	{{.says = "an answer",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"www.example.com. 60 A 192.0.2.1"},
	  .authority = {"example.com. 3600 NS ns1.example.com."}},
	 false},
	{{.says = "no server",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 DS 1 8 2 00ff"}},
	 false},
	{{.says = "glue of a stranger",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com."},
	  .additional = {"ns2.example.com. 3600 A 192.0.2.1"}},
	 false},
	{{.says = "glue of another class",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com."},
	  .additional = {"ns1.example.com. 3600 CH A 192.0.2.1"}},
	 false},
	{{.says = "what is no address of a server",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ns1.example.com."},
	  .additional = {"ns1.example.com. 3600 TXT \"a\""}},
	 false},
	{{.says = "the root for a server",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .authority = {"example.com. 3600 NS ."}},
	 false},
};

static void msg_referral__takes_the_usual_and_comes_to_the_same(void)
{
	static struct entry_message message;
	bool is_noted;

	for (unsigned i = 0; i < ARRAY_COUNT(shapes); i++) {
		for (unsigned below = 0; below <= 3; below++) {
			entry_response(&shapes[i].response, true, &message);
			if (!is_same(&message, below, &is_noted) || is_noted != shapes[i].is_noted)
				printf("\n%s, %u labels below: noted %d\n", shapes[i].response.says,
				       below, is_noted);
			CU_ASSERT_TRUE(is_same(&message, below, &is_noted));
			CU_ASSERT_EQUAL(is_noted, shapes[i].is_noted);
		}
	}
}

/* ---- at random ---- */

struct making {
	struct entry_message *m;
	unsigned long long *state;
	unsigned labels[8]; /* offsets of the question's */
	unsigned label_count;
	unsigned zone; /* of labels */
	unsigned names[40];
	unsigned name_count;
};

static unsigned pick(struct making *g, unsigned count)
{
	return (unsigned)(unit_random(g->state) % count);
}

static void put(struct making *g, const void *bytes, size_t length)
{
	memcpy(g->m->bytes + g->m->length_bytes, bytes, length);
	g->m->length_bytes += length;
}

static void put_u16(struct making *g, unsigned value)
{
	put(g, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_pointer(struct making *g, unsigned offset)
{
	put_u16(g, (unsigned)DNS_POINTER_FLAG << 8 | offset);
}

static void put_question(struct making *g)
{
	unsigned labels = 2 + pick(g, 3);

	g->label_count = 0;
	for (unsigned i = 0; i < labels; i++) {
		uint8_t length = (uint8_t)(pick(g, 30) == 0 ? 63 : 1 + pick(g, 4));

		g->labels[g->label_count++] = (unsigned)g->m->length_bytes;
		put(g, &length, 1);
		for (unsigned j = 0; j < length; j++)
			put(g, &"aAbz"[pick(g, 4)], 1);
	}
	g->labels[g->label_count] = (unsigned)g->m->length_bytes;
	put(g, (const uint8_t[]){0, 0, 1, 0, 1}, 5);
	g->zone = pick(g, g->label_count);
}

/* Where names go on: in the question mostly, in a name before, at the root. */
static void put_rest(struct making *g)
{
	unsigned where = pick(g, 8);

	if (where == 0)
		put(g, "", 1);
	else if (where == 1 && g->name_count > 0)
		put_pointer(g, g->names[pick(g, g->name_count)]);
	else
		put_pointer(g, g->labels[pick(g, g->label_count + 1)]);
}

static void put_server_name(struct making *g)
{
	g->names[g->name_count++] = (unsigned)g->m->length_bytes;
	for (unsigned labels = pick(g, 8) == 0 ? pick(g, 3) : 1; labels > 0; labels--) {
		uint8_t length = (uint8_t)(pick(g, 20) == 0 ? 63 : 1 + pick(g, 3));

		put(g, &length, 1);
		for (unsigned j = 0; j < length; j++)
			put(g, &"nNs1"[pick(g, 4)], 1);
	}
	put_rest(g);
}

static void put_fixed(struct making *g, unsigned type, unsigned rdata_bytes)
{
	static const uint8_t ttls[][4] = {
		{0, 0, 1, 44}, {0, 0, 14, 16}, {0, 0, 0, 0}, {0, 2, 163, 0}, {0x80, 0, 0, 0}};

	put_u16(g, type);
	put_u16(g, pick(g, 100) == 0 ? 3 : DNS_CLASS_IN);
	put(g, ttls[pick(g, 50) == 0 ? 4 : pick(g, 4)], 4);
	put_u16(g, rdata_bytes);
}

static void put_server(struct making *g)
{
	size_t rdata;

	put_pointer(g, g->labels[pick(g, 50) == 0 ? pick(g, g->label_count) : g->zone]);
	put_fixed(g, DNS_TYPE_NS, 0);
	rdata = g->m->length_bytes;
	put_server_name(g);
	wire_put_u16(g->m->bytes + rdata - 2, (uint16_t)(g->m->length_bytes - rdata));
}

static void put_proof(struct making *g)
{
	static const uint8_t ds[] = {0, 1, 8, 2, 0xff};
	static const uint8_t sig[] = {0, 43, 8, 2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 4, 0, 0, 9};
	static const uint8_t nsec[] = {1, 'z', 0, 0, 1, 0x20};

	put_pointer(g, g->labels[pick(g, 10) == 0 ? pick(g, g->label_count) : g->zone]);
	switch (pick(g, 4)) {
	case 0:
		put_fixed(g, DNS_TYPE_DS, sizeof(ds));
		put(g, ds, sizeof(ds));
		break;
	case 1:
		put_fixed(g, DNS_TYPE_RRSIG, sizeof(sig));
		put(g, sig, sizeof(sig));
		break;
	case 2:
		put_fixed(g, pick(g, 8) == 0 ? DNS_TYPE_TXT : DNS_TYPE_NSEC3, sizeof(ds));
		put(g, ds, sizeof(ds));
		break;
	default:
		put_fixed(g, DNS_TYPE_NSEC, sizeof(nsec));
		put(g, nsec, sizeof(nsec));
		break;
	}
}

static void put_glue(struct making *g)
{
	static const uint8_t addresses[][16] = {
		{192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
		{127, 0, 0, 1},
		{0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		{198, 18, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		{198, 18, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2},
	};
	bool is_v6 = pick(g, 2) == 0;

	if (pick(g, 60) == 0 || g->name_count == 0)
		put_rest(g);
	else
		put_pointer(g, g->names[pick(g, g->name_count)]);
	put_fixed(g, is_v6 ? DNS_TYPE_AAAA : DNS_TYPE_A, is_v6 ? 16 : 4);
	put(g, addresses[pick(g, ARRAY_COUNT(addresses))], is_v6 ? 16 : 4);
}

static void message_make(struct making *g)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0};
	static const uint8_t with_cookie[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 12, 0,
					      8, 0, 8,  1, 2,   3, 4, 5,    6, 7, 8};
	unsigned servers = pick(g, 40) == 0 ? 14 : 1 + pick(g, 4);
	unsigned proofs = pick(g, 3) == 0 ? pick(g, 3) : 0;
	unsigned glue = pick(g, 60) == 0 ? 27 : pick(g, 6);
	unsigned opts = pick(g, 4) != 0;

	memset(g->m->bytes, 0, DNS_HEADER_BYTES);
	g->m->length_bytes = DNS_HEADER_BYTES;
	g->name_count = 0;
	wire_put_u16(g->m->bytes + 2,
		     pick(g, 10) != 0 ? DNS_FLAG_QR : (uint16_t)unit_random(g->state));
	wire_put_u16(g->m->bytes + 4, 1);
	wire_put_u16(g->m->bytes + 6, pick(g, 100) == 0);
	wire_put_u16(g->m->bytes + 8, (uint16_t)(servers + proofs));
	wire_put_u16(g->m->bytes + 10, (uint16_t)(glue + opts));
	put_question(g);
	for (unsigned i = 0; i < servers; i++)
		put_server(g);
	for (unsigned i = 0; i < proofs; i++)
		put_proof(g);
	for (unsigned i = 0; i < glue; i++)
		put_glue(g);
	if (opts != 0 && pick(g, 4) == 0)
		put(g, with_cookie, sizeof(with_cookie));
	else if (opts != 0)
		put(g, opt, sizeof(opt));
}

static void change(struct making *g)
{
	struct entry_message *m = g->m;

	if (pick(g, 4) == 0)
		m->length_bytes -= pick(g, m->length_bytes < 20 ? (unsigned)m->length_bytes : 20);
	else
		m->bytes[pick(g, (unsigned)m->length_bytes)] = (uint8_t)unit_random(g->state);
}

static void msg_referral__is_the_same_either_way(void)
{
	static struct entry_message message;
	unsigned long long state = unit_seed();
	struct making g = {.m = &message, .state = &state};
	unsigned noted_count = 0, wrong = 0;
	bool is_noted;

	for (unsigned round = 0; round < ROUNDS; round++) {
		message_make(&g);
		for (unsigned i = pick(&g, 3); i > 0 && message.length_bytes > 30; i--)
			change(&g);
		wrong += !is_same(&message, pick(&g, 5), &is_noted);
		noted_count += is_noted;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(noted_count > ROUNDS / 5 && noted_count < ROUNDS - ROUNDS / 5);
}

static void msg_referral__is_the_same_wherever_it_ends(void)
{
	static struct entry_message message;
	unsigned long long state = unit_seed();
	struct making g = {.m = &message, .state = &state};
	unsigned wrong = 0;
	bool is_noted;

	for (unsigned round = 0; round < 200; round++) {
		message_make(&g);
		while (message.length_bytes > 0) {
			message.length_bytes--;
			wrong += !is_same(&message, 1, &is_noted) || is_noted;
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* A server's name that is a pointer to a pointer and so on, and glue with one more: as many as there may be, then too many. */
static void msg_referral__bears_no_pointer_too_many(void)
{
	static struct entry_message message;
	unsigned long long state = unit_seed();
	struct making g = {.m = &message, .state = &state};
	bool is_noted;

	for (unsigned hops = 120; hops < NAME_POINTERS_MAX + 2; hops++) {
		memset(message.bytes, 0, DNS_HEADER_BYTES);
		message.length_bytes = DNS_HEADER_BYTES;
		wire_put_u16(message.bytes + 2, DNS_FLAG_QR);
		wire_put_u16(message.bytes + 4, 1);
		wire_put_u16(message.bytes + 8, (uint16_t)hops);
		wire_put_u16(message.bytes + 10, 1);
		put(&g, "\1w\2ex\0\0\1\0\1", 10);
		for (unsigned i = 1; i <= hops; i++) {
			bool is_server = i == 1 || i == hops;

			put_pointer(&g, DNS_HEADER_BYTES + 2);
			put(&g, is_server ? "\0\2\0\1\0\0\1\0\0\2" : "\0\57\0\1\0\0\1\0\0\2", 10);
			g.names[0] = i == 1 ? DNS_HEADER_BYTES + 2 : g.names[1];
			g.names[1] = (unsigned)message.length_bytes;
			put_pointer(&g, g.names[0]);
		}
		put_pointer(&g, g.names[1]);
		put(&g, "\0\1\0\1\0\0\1\0\0\4\300\0\2\1", 14);
		CU_ASSERT_TRUE(is_same(&message, 2, &is_noted));
		CU_ASSERT_EQUAL(is_noted, hops < NAME_POINTERS_MAX);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_referral__takes_the_usual_and_comes_to_the_same),
	UNIT_TEST(msg_referral__is_the_same_either_way),
	UNIT_TEST(msg_referral__is_the_same_wherever_it_ends),
	UNIT_TEST(msg_referral__bears_no_pointer_too_many),
};
UNIT_SUITE(msg_referral, tests)
