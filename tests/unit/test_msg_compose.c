#include "core/msg_compose.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache_entry_rig.h"
#include "core/limits.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define SOA "test. 300 SOA ns.test. h.test. 1 7200 3600 1209600 300"

struct compose_case {
	struct entry_case links, rest;
	const char *answer[ENTRY_RIG_LINES];
	const char *authority[ENTRY_RIG_LINES];
};

static const struct compose_case cases[] = {
	{{.says = "an address behind a CNAME",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"www.example.com. 60 CNAME host.test."}},
	 {.qname = "host.test.", .qtype = DNS_TYPE_A, .answer = {"host.test. 30 A 192.0.2.1"}},
	 {"www.example.com. 60 CNAME host.test.", "host.test. 30 A 192.0.2.1"},
	 {NULL}},
	{{.says = "names of both share their suffixes; those of rest's question are its own",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_MX,
	  .answer = {"www.example.com. 60 CNAME a.example.com.",
		     "a.example.com. 60 CNAME mail.test."}},
	 {.qname = "mail.test.",
	  .qtype = DNS_TYPE_MX,
	  .answer = {"mail.test. 30 MX 1 mx.mail.test.", "mail.test. 30 MX 2 mail.test.",
		     "mail.test. 30 MX 3 www.example.com."}},
	 {"www.example.com. 60 CNAME a.example.com.", "a.example.com. 60 CNAME mail.test.",
	  "mail.test. 30 MX 1 mx.mail.test.", "mail.test. 30 MX 2 mail.test.",
	  "mail.test. 30 MX 3 www.example.com."},
	 {NULL}},
	{{.says = "a negative answer at the end",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"www.example.com. 60 CNAME no.test."}},
	 {.qname = "no.test.",
	  .qtype = DNS_TYPE_A,
	  .rcode = DNS_RCODE_NXDOMAIN,
	  .authority = {SOA}},
	 {"www.example.com. 60 CNAME no.test."},
	 {SOA}},
	{{.says = "the links' proof comes after",
	  .qname = "w.example.com.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"w.example.com. 60 CNAME no.test."},
	  .authority = {"a.example.com. 300 NSEC z.example.com. A RRSIG NSEC"}},
	 {.qname = "no.test.", .qtype = DNS_TYPE_A, .authority = {SOA}},
	 {"w.example.com. 60 CNAME no.test."},
	 {SOA, "a.example.com. 300 NSEC z.example.com. A RRSIG NSEC"}},
	{{.says = "additional sections of either are left out",
	  .qname = "www.example.com.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"www.example.com. 60 CNAME host.test."},
	  .additional = {"evil.test. 60 A 192.0.2.66"}},
	 {.qname = "host.test.",
	  .qtype = DNS_TYPE_A,
	  .answer = {"host.test. 30 A 192.0.2.1"},
	  .additional = {"evil.test. 60 A 192.0.2.66"}},
	 {"www.example.com. 60 CNAME host.test.", "host.test. 30 A 192.0.2.1"},
	 {NULL}},
	{{.says = "from the root",
	  .qname = "x.",
	  .qtype = DNS_TYPE_NS,
	  .answer = {"x. 60 CNAME ."}},
	 {.qname = ".", .qtype = DNS_TYPE_NS, .answer = {". 30 NS a.root-servers.net."}},
	 {"x. 60 CNAME .", ". 30 NS a.root-servers.net."},
	 {NULL}},
};

static struct msg_response parsed(const struct entry_message *message)
{
	struct msg_response r;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	return r;
}

static bool section_is(const ldns_rr_list *section, const char *const lines[])
{
	size_t i = 0;
	bool same = true;

	for (; lines[i] != NULL; i++) {
		ldns_rr *rr = NULL;
		char *want, *got = NULL;

		CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, lines[i], 0, NULL, NULL),
				      LDNS_STATUS_OK);
		want = ldns_rr2str(rr);
		if (i < ldns_rr_list_rr_count(section))
			got = ldns_rr2str(ldns_rr_list_rr(section, i));
		if (got == NULL || strcasecmp(want, got) != 0) {
			printf("\n got  %s want %s", got != NULL ? got : "nothing\n", want);
			same = false;
		}
		free(want);
		free(got);
		ldns_rr_free(rr);
	}
	return same && i == ldns_rr_list_rr_count(section);
}

static void expect(const struct compose_case *c, const struct msg_response *links,
		   const struct msg_response *rest, const struct msg_response *whole)
{
	ldns_pkt *packet = NULL;
	bool same;

	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&packet, whole->message.data,
					    whole->message.length_bytes),
			      LDNS_STATUS_OK);
	same = section_is(ldns_pkt_answer(packet), c->answer) &&
	       section_is(ldns_pkt_authority(packet), c->authority) &&
	       ldns_pkt_arcount(packet) == 0 && !ldns_pkt_edns(packet);
	if (!same)
		printf("\n%s\n", c->links.says);
	CU_ASSERT_TRUE(same);
	ldns_pkt_free(packet);
	CU_ASSERT_EQUAL(whole->id, links->id);
	CU_ASSERT_EQUAL(whole->qtype, links->qtype);
	CU_ASSERT_EQUAL(whole->qclass, DNS_CLASS_IN);
	CU_ASSERT_TRUE(name_equal_exact(&whole->qname, &links->qname));
	CU_ASSERT_EQUAL(whole->flags & DNS_RCODE_MASK, rest->flags & DNS_RCODE_MASK);
}

static void msg_compose__is_the_links_and_what_they_lead_to(void)
{
	static struct entry_message links_message, rest_message;
	static uint8_t room[UINT16_MAX];

	for (unsigned i = 0; i < 4 * ARRAY_COUNT(cases); i++) {
		const struct compose_case *c = &cases[i / 4];
		struct msg_response links, rest, whole;
		size_t needs;

		entry_response(&c->links, (i & 1) != 0, &links_message);
		entry_response(&c->rest, (i & 2) != 0, &rest_message);
		wire_put_u16(links_message.bytes, 0x1234);
		links = parsed(&links_message);
		rest = parsed(&rest_message);
		CU_ASSERT_TRUE_FATAL(msg_compose_chain(
			&links, &rest, (struct buffer){room, sizeof(room)}, &whole));
		expect(c, &links, &rest, &whole);
		needs = whole.message.length_bytes;
		for (size_t bytes = 0; bytes < needs; bytes++)
			CU_ASSERT_FALSE(msg_compose_chain(&links, &rest,
							  (struct buffer){room, bytes}, &whole));
		CU_ASSERT_TRUE(
			msg_compose_chain(&links, &rest, (struct buffer){room, needs}, &whole));
	}
}

static void msg_compose__is_not_longer_than_what_may_be_kept(void)
{
	static const struct entry_case links_case = {
		.qname = "www.example.com.",
		.qtype = DNS_TYPE_A,
		.answer = {"www.example.com. 60 CNAME h.test."}};
	static const struct entry_case rest_case = {
		.qname = "h.test.", .qtype = DNS_TYPE_A, .answer = {"h.test. 60 A 192.0.2.1"}};
	enum { RECORD_BYTES = 16, OPT_BYTES = 11 };
	static struct entry_message links_message, rest_message;
	static uint8_t room[UINT16_MAX];
	struct msg_response links, rest, whole;

	entry_response(&links_case, true, &links_message);
	links = parsed(&links_message);
	for (unsigned extra = 0; extra < 2; extra++) {
		unsigned count = SCRUB_RECORDS_MAX - 1 + extra;

		entry_response(&rest_case, true, &rest_message);
		rest_message.length_bytes -= OPT_BYTES;
		for (unsigned i = 1; i < count; i++, rest_message.length_bytes += RECORD_BYTES)
			memcpy(rest_message.bytes + rest_message.length_bytes,
			       rest_message.bytes + rest_message.length_bytes - RECORD_BYTES,
			       RECORD_BYTES);
		wire_put_u16(rest_message.bytes + 6, (uint16_t)count);
		wire_put_u16(rest_message.bytes + 10, 0);
		rest = parsed(&rest_message);
		CU_ASSERT_EQUAL(msg_compose_chain(&links, &rest,
						  (struct buffer){room, sizeof(room)}, &whole),
				extra == 0);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_compose__is_the_links_and_what_they_lead_to),
	UNIT_TEST(msg_compose__is_not_longer_than_what_may_be_kept),
};
UNIT_SUITE(msg_compose, tests)
