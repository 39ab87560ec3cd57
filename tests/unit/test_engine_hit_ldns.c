/* Answers from the cache against those that are built from the server's response, over random responses that ldns makes: the
 * one who asked first and the one who asks the same afterwards get the same records, as ldns reads them. */
#include <ldns/ldns.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define CASES 600

static unsigned long long random_state;

static unsigned pick(unsigned below)
{
	return (unsigned)(unit_random(&random_state) % below);
}

/* ---- responses ---- */

static void push(ldns_pkt *packet, ldns_pkt_section section, const char *owner, const char *rest)
{
	char text[512];
	ldns_rr *rr = NULL;

	snprintf(text, sizeof(text), "%s %u IN %s", owner, 1 + pick(5000), rest);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	CU_ASSERT_TRUE_FATAL(ldns_pkt_push_rr(packet, section, rr));
}

static void push_signature(ldns_pkt *packet, ldns_pkt_section section, const char *owner,
			   const char *type)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "RRSIG %s 13 3 300 20260101000000 20250101000000 4711 example.com. %s", type,
		 pick(2) == 0 ? "aGVsbG8gd29ybGQ=" : "AAECAwQFBgcICQoLDA0ODw==");
	push(packet, section, owner, text);
}

/* An RRset at owner. */
static void push_set(ldns_pkt *packet, ldns_pkt_section section, const char *owner,
		     ldns_rr_type type)
{
	unsigned count = pick(4) == 0 ? 1 + pick(30) : 1 + pick(3);
	char text[256];

	for (unsigned i = 0; i < count; i++) {
		switch ((int)type) {
		case LDNS_RR_TYPE_A:
			snprintf(text, sizeof(text), "A 192.0.%u.%u", i, pick(256));
			break;
		case LDNS_RR_TYPE_AAAA:
			snprintf(text, sizeof(text), "AAAA 2001:db8::%x:%x", i, pick(65536));
			break;
		case LDNS_RR_TYPE_MX:
			snprintf(text, sizeof(text), "MX %u mx%u.%s", pick(100), i,
				 pick(2) == 0 ? owner : "example.net.");
			break;
		default:
			snprintf(text, sizeof(text), "TXT \"%u %.*s\"", i, (int)pick(80),
				 "Lorem ipsum dolor sit amet, consectetur adipisici elit, sed "
				 "eiusmod tempor incidunt");
			break;
		}
		push(packet, section, owner, text);
	}
	if (pick(2) == 0) {
		char *name = ldns_rr_type2str(type);

		push_signature(packet, section, owner, name);
		free(name);
	}
}

static void push_soa(ldns_pkt *packet)
{
	push(packet, LDNS_SECTION_AUTHORITY, "example.com.",
	     "SOA ns1.example.com. host.example.com. 1 3600 600 86400 300");
	if (pick(2) == 0) {
		push_signature(packet, LDNS_SECTION_AUTHORITY, "example.com.", "SOA");
		push(packet, LDNS_SECTION_AUTHORITY, "w.example.com.", "NSEC x.example.com. A");
		push_signature(packet, LDNS_SECTION_AUTHORITY, "w.example.com.", "NSEC");
	}
}

/* A response to the question: what it says is chosen at random. Returns its rcode. */
static void fill(ldns_pkt *packet, const char *qname, ldns_rr_type qtype)
{
	char owner[64], next[64], text[128];
	unsigned links = pick(3) == 0 ? 1 + pick(3) : 0;
	bool negative = pick(4) == 0;

	snprintf(owner, sizeof(owner), "%s", qname);
	for (unsigned i = 0; i < links; i++) {
		snprintf(next, sizeof(next), "link%u.%s", i,
			 pick(2) == 0 ? "example.com." : "cdn.example.net.");
		snprintf(text, sizeof(text), "CNAME %s", next);
		push(packet, LDNS_SECTION_ANSWER, owner, text);
		snprintf(owner, sizeof(owner), "%s", next);
	}
	if (negative) {
		ldns_pkt_set_rcode(packet, pick(2) == 0 ? LDNS_RCODE_NXDOMAIN : LDNS_RCODE_NOERROR);
		push_soa(packet);
		return;
	}
	push_set(packet, LDNS_SECTION_ANSWER, owner, qtype);
	if (pick(3) == 0) {
		push(packet, LDNS_SECTION_AUTHORITY, "example.com.", "NS ns1.example.com.");
		push(packet, LDNS_SECTION_AUTHORITY, "example.com.", "NS ns2.example.org.");
		push_set(packet, LDNS_SECTION_ADDITIONAL, "ns1.example.com.", LDNS_RR_TYPE_A);
	}
}

/* The response to what was asked of a server; returns its length. */
static size_t response_to(const struct rig_query *q, const char *qname, ldns_rr_type qtype,
			  uint8_t out[RIG_MESSAGE_BYTES_MAX])
{
	ldns_pkt *packet =
		ldns_pkt_query_new(ldns_dname_new_frm_str(qname), qtype, LDNS_RR_CLASS_IN, LDNS_RD);
	uint8_t *wire = NULL;
	size_t length = 0;

	CU_ASSERT_FATAL(packet != NULL);
	ldns_pkt_set_id(packet, q->parsed.id);
	ldns_pkt_set_qr(packet, true);
	ldns_pkt_set_ra(packet, true);
	fill(packet, qname, qtype);
	if (pick(2) == 0) {
		ldns_pkt_set_edns_udp_size(packet, 1232);
		ldns_pkt_set_edns_do(packet, true);
	}
	CU_ASSERT_EQUAL_FATAL(ldns_pkt2wire(&wire, packet, &length), LDNS_STATUS_OK);
	ldns_pkt_free(packet);
	if (length > EDNS_UDP_BYTES) {
		free(wire);
		return 0;
	}
	memcpy(out, wire, length);
	/* The question in the letter case that it was asked in. */
	memcpy(out + DNS_HEADER_BYTES, q->message + DNS_HEADER_BYTES, q->parsed.qname.length_bytes);
	free(wire);
	return length;
}

/* ---- comparing ---- */

/* The section as text, TTLs too: no time has passed. */
static char *text_of(const ldns_rr_list *section)
{
	char *text = ldns_rr_list2str(section);

	CU_ASSERT_FATAL(text != NULL);
	return text;
}

static bool section_is_equal(const ldns_rr_list *a, const ldns_rr_list *b)
{
	char *first = text_of(a), *second = text_of(b);
	bool equal = strcasecmp(first, second) == 0;

	if (!equal)
		fprintf(stderr, "%s\n--- hit:\n%s\n", first, second);
	free(first);
	free(second);
	return equal;
}

/* Does the hit say what the first answer said? Where that had to be cut off, the hit may have kept all but the additional
 * section, which may be left out (RFC 2181 section 9). */
static bool says_the_same(const struct rig_answer *first, const struct rig_answer *again)
{
	ldns_pkt *a = NULL, *b = NULL;
	bool same;

	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&a, first->message, first->length_bytes),
			      LDNS_STATUS_OK);
	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&b, again->message, again->length_bytes),
			      LDNS_STATUS_OK);
	same = ldns_pkt_get_rcode(a) == ldns_pkt_get_rcode(b) &&
	       ldns_pkt_edns(a) == ldns_pkt_edns(b) && ldns_pkt_edns_do(a) == ldns_pkt_edns_do(b) &&
	       ldns_pkt_edns_udp_size(a) == ldns_pkt_edns_udp_size(b) &&
	       section_is_equal(ldns_pkt_question(a), ldns_pkt_question(b));
	if (ldns_pkt_tc(a) && !ldns_pkt_tc(b))
		same &= ldns_rr_list_rr_count(ldns_pkt_additional(b)) == 0;
	else
		same &= rig_flags(first) == rig_flags(again) &&
			section_is_equal(ldns_pkt_answer(a), ldns_pkt_answer(b)) &&
			section_is_equal(ldns_pkt_authority(a), ldns_pkt_authority(b)) &&
			section_is_equal(ldns_pkt_additional(a), ldns_pkt_additional(b));
	ldns_pkt_free(a);
	ldns_pkt_free(b);
	return same;
}

/* ---- the test ---- */

struct tally {
	unsigned hits, truncated, negative;
};

/* The same question by several kinds of clients, all waiting for one response, and then again by each. */
static void try_one(struct rig *r, unsigned number, struct tally *t)
{
	static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA,
					     LDNS_RR_TYPE_MX, LDNS_RR_TYPE_TXT};
	static const uint16_t sizes[] = {512, 700, 1232, 4096};
	enum { CLIENTS = 6 };
	struct rig_question questions[CLIENTS];
	struct rig_answer firsts[CLIENTS], again;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	char lower[64], mixed[64];
	struct rig_query query;
	ldns_rr_type qtype = types[pick(ARRAY_COUNT(types))];
	size_t length = 0;

	snprintf(lower, sizeof(lower), "host%u.%s", number,
		 pick(2) == 0 ? "example.com." : "a.rather.long.subdomain.of.example.com.");
	snprintf(mixed, sizeof(mixed), "%s", lower);
	mixed[pick(4)] &= ~0x20;
	for (unsigned i = 0; i < CLIENTS; i++)
		questions[i] = (struct rig_question){.name = pick(2) == 0 ? lower : mixed,
						     .qtype = (uint16_t)qtype,
						     .id = (uint16_t)pick(65536),
						     .edns = i > 0,
						     .dnssec_ok = i > 0 && pick(2) == 0,
						     .udp_size_bytes = sizes[pick(4)],
						     .family = i % 2 == 0 ? RIG_V4 : RIG_V6,
						     .client = (uint16_t)i,
						     .client_port = (uint16_t)(1024 + i)};
	for (unsigned i = 0; i < CLIENTS; i++)
		CU_ASSERT_EQUAL_FATAL(rig_ask(r, &questions[i]),
				      i == 0 ? COUNTER_QUESTION_NEW : COUNTER_COALESCED);
	CU_ASSERT_FATAL(rig_query_next(r, &query));
	while (length == 0)
		length = response_to(&query, lower, qtype, message);
	CU_ASSERT_EQUAL_FATAL(rig_answer_bytes(r, &query, message, length),
			      COUNTER_UPSTREAM_RESPONSE);
	rig_poll(r);
	for (unsigned i = 0; i < CLIENTS; i++) {
		CU_ASSERT_FATAL(rig_answer_next(r, &firsts[i]));
		CU_ASSERT_EQUAL_FATAL(firsts[i].client.port, 1024 + i);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		CU_ASSERT_EQUAL_FATAL(rig_ask(r, &questions[i]), COUNTER_CACHE_HIT);
		CU_ASSERT_FATAL(rig_answer_next(r, &again));
		CU_ASSERT(rig_question_is(&again, &questions[i]));
		CU_ASSERT_FATAL(says_the_same(&firsts[i], &again));
		t->hits++;
		t->truncated += (rig_flags(&again) & DNS_FLAG_TC) != 0;
		t->negative += rig_rcode(&again) == DNS_RCODE_NXDOMAIN;
	}
}

static void engine_hit__says_what_the_server_said(void)
{
	struct rig *r = rig_new(1);
	struct tally t = {0};

	random_state = unit_seed();
	r->cache_bytes = 16 * CACHE_BYTES_MIN;
	rig_start(r);
	for (unsigned i = 0; i < CASES; i++)
		try_one(r, i, &t);
	/* There was something to compare. */
	CU_ASSERT_EQUAL(t.hits, CASES * 6);
	CU_ASSERT(t.truncated > CASES / 10);
	CU_ASSERT(t.negative > CASES / 4);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_hit__says_what_the_server_said),
};
UNIT_SUITE(engine_hit_ldns, tests)
