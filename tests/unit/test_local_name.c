#include "core/local_name.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/msg_parse.h"
#include "unit.h"

#define ZEROES_31 "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."

/* What it says: records of the answer section by ldns's text, " SOA" for the negative's with its owner; NULL: not local. */
static const struct {
	const char *qname;
	uint16_t qtype;
	uint8_t rcode;
	const char *answer; /* RDATA, one after the other */
	const char *soa;    /* owner */
} cases[] = {
	{"localhost.", DNS_TYPE_A, 0, "127.0.0.1", NULL},
	{"localhost.", DNS_TYPE_AAAA, 0, "::1", NULL},
	{"a.b.localhost.", DNS_TYPE_A, 0, "127.0.0.1", NULL},
	{"a.localhost.", DNS_TYPE_MX, 0, "", "localhost."},
	{"localhost.", DNS_TYPE_DS, 0, "", "localhost."},
	{"localhost.", DNS_TYPE_NS, 0, "localhost.", NULL},
	{"localhost.", DNS_TYPE_SOA, 0, "localhost. nobody.invalid. 1 3600 1200 604800 10800",
	 NULL},
	{"a.localhost.", DNS_TYPE_SOA, 0, "", "localhost."},
	{"invalid.", DNS_TYPE_A, 0, "", "invalid."},
	{"a.invalid.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, "", "invalid."},
	{"www.example.onion.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, "", "onion."},
	{"printer.local.", DNS_TYPE_AAAA, DNS_RCODE_NXDOMAIN, "", "local."},
	{"tv.home.arpa.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, "", "home.arpa."},
	{"tv.home.arpa.", DNS_TYPE_DS, DNS_RCODE_NXDOMAIN, "", "home.arpa."},
	{"home.arpa.", DNS_TYPE_NS, 0, "home.arpa.", NULL},
	{"x.service.arpa.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, "", "service.arpa."},
	{"_dns.resolver.arpa.", 64, 0, "", "resolver.arpa."},
	{"resolver.arpa.", DNS_TYPE_A, 0, "", "resolver.arpa."},
	{"ipv4only.arpa.", DNS_TYPE_A, 0, "192.0.0.170 192.0.0.171", NULL},
	{"ipv4only.arpa.", DNS_TYPE_AAAA, 0, "", "ipv4only.arpa."},
	{"x.ipv4only.arpa.", DNS_TYPE_A, DNS_RCODE_NXDOMAIN, "", "ipv4only.arpa."},
	{"170.0.0.192.in-addr.arpa.", DNS_TYPE_PTR, 0, "ipv4only.arpa.", NULL},
	{"171.0.0.192.in-addr.arpa.", DNS_TYPE_PTR, 0, "ipv4only.arpa.", NULL},
	{"171.0.0.192.in-addr.arpa.", DNS_TYPE_A, 0, "", "171.0.0.192.in-addr.arpa."},
	{"10.in-addr.arpa.", DNS_TYPE_PTR, 0, "", "10.in-addr.arpa."},
	{"1.2.3.10.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "10.in-addr.arpa."},
	{"1.0.16.172.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "16.172.in-addr.arpa."},
	{"1.0.31.172.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "31.172.in-addr.arpa."},
	{"1.1.168.192.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "168.192.in-addr.arpa."},
	{"1.1.64.100.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "64.100.in-addr.arpa."},
	{"1.1.127.100.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "127.100.in-addr.arpa."},
	{"0.0.0.0.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "0.in-addr.arpa."},
	{"1.0.0.127.in-addr.arpa.", DNS_TYPE_PTR, 0, "localhost.", NULL},
	{"1.0.0.127.in-addr.arpa.", DNS_TYPE_TXT, 0, "", "127.in-addr.arpa."},
	{"0.0.127.in-addr.arpa.", DNS_TYPE_PTR, 0, "", "127.in-addr.arpa."},
	{"2.0.0.127.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "127.in-addr.arpa."},
	{"1.1.0.0.127.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "127.in-addr.arpa."},
	{"1.0.254.169.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "254.169.in-addr.arpa."},
	{"7.2.0.192.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "2.0.192.in-addr.arpa."},
	{"7.100.51.198.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "100.51.198.in-addr.arpa."},
	{"7.113.0.203.in-addr.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "113.0.203.in-addr.arpa."},
	{"255.255.255.255.in-addr.arpa.", DNS_TYPE_PTR, 0, "", "255.255.255.255.in-addr.arpa."},
	{"0." ZEROES_31 "ip6.arpa.", DNS_TYPE_PTR, 0, "", "0." ZEROES_31 "ip6.arpa."},
	{"1." ZEROES_31 "ip6.arpa.", DNS_TYPE_PTR, 0, "localhost.", NULL},
	{"1.d.f.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "d.f.ip6.arpa."},
	{"0.8.e.f.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "8.e.f.ip6.arpa."},
	{"0.9.e.f.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "9.e.f.ip6.arpa."},
	{"0.a.e.f.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "a.e.f.ip6.arpa."},
	{"0.b.e.f.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "", "b.e.f.ip6.arpa."},
	{"0.8.b.d.0.1.0.0.2.ip6.arpa.", DNS_TYPE_PTR, DNS_RCODE_NXDOMAIN, "",
	 "8.b.d.0.1.0.0.2.ip6.arpa."},
};

static struct name name_of(const char *text)
{
	struct name name;

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &name));
	return name;
}

/* RDATA of the answer section, a space between records. */
static void put_answer(ldns_rr_list *answer, const ldns_rdf *qname, char *text, size_t text_bytes)
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
		ldns_rr *rr = ldns_rr_list_rr(answer, i);

		CU_ASSERT_EQUAL(ldns_dname_compare(ldns_rr_owner(rr), qname), 0);
		for (size_t j = 0; j < ldns_rr_rd_count(rr); j++) {
			char *rdata = ldns_rdf2str(ldns_rr_rdf(rr, j));

			length += (size_t)snprintf(text + length, text_bytes - length, "%s%s",
						   i + j == 0 ? "" : " ", rdata);
			free(rdata);
		}
	}
}

static void expect(unsigned i, ldns_pkt *packet)
{
	char answer[512];
	ldns_rr_list *authority = ldns_pkt_authority(packet);
	ldns_rdf *qname = ldns_dname_new_frm_str(cases[i].qname);
	ldns_rdf *soa = cases[i].soa != NULL ? ldns_dname_new_frm_str(cases[i].soa) : NULL;

	put_answer(ldns_pkt_answer(packet), qname, answer, sizeof(answer));
	if (strcmp(answer, cases[i].answer) != 0)
		printf("\n%s: %s\n", cases[i].qname, answer);
	CU_ASSERT_STRING_EQUAL(answer, cases[i].answer);
	CU_ASSERT_EQUAL(ldns_pkt_get_rcode(packet), (ldns_pkt_rcode)cases[i].rcode);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_list_rr_count(authority), soa != NULL);
	if (soa != NULL) {
		ldns_rr *rr = ldns_rr_list_rr(authority, 0);

		CU_ASSERT_EQUAL(ldns_rr_get_type(rr), LDNS_RR_TYPE_SOA);
		CU_ASSERT_EQUAL(ldns_dname_compare(ldns_rr_owner(rr), soa), 0);
		CU_ASSERT_EQUAL(ldns_dname_compare(ldns_rr_rdf(rr, 0), soa), 0);
	}
	ldns_rdf_deep_free(qname);
	ldns_rdf_deep_free(soa);
}

static void local_name__is_answered(void)
{
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct name qname = name_of(cases[i].qname);
		uint8_t bytes[LOCAL_NAME_ANSWER_BYTES_MAX];
		struct msg_response response;
		struct local_name local;
		ldns_pkt *packet = NULL;
		size_t length_bytes;

		if (!local_name_find(&qname, cases[i].qtype, &local))
			printf("\n%s\n", cases[i].qname);
		CU_ASSERT_TRUE_FATAL(local_name_find(&qname, cases[i].qtype, &local));
		length_bytes = local_name_answer((struct buffer){bytes, sizeof(bytes)}, &local,
						 &qname, cases[i].qtype);
		CU_ASSERT_EQUAL_FATAL(msg_parse_response((struct span){bytes, length_bytes},
							 &response),
				      MSG_RESPONSE_OK);
		CU_ASSERT_TRUE(name_equal_exact(&response.qname, &qname));
		CU_ASSERT_EQUAL(response.qtype, cases[i].qtype);
		CU_ASSERT_EQUAL(response.flags & DNS_FLAG_AA, 0);
		CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&packet, bytes, length_bytes), LDNS_STATUS_OK);
		expect(i, packet);
		ldns_pkt_free(packet);
		for (size_t room = 0; room < length_bytes; room++)
			CU_ASSERT_EQUAL(local_name_answer((struct buffer){bytes, room}, &local,
							  &qname, cases[i].qtype),
					0);
	}
}

static void local_name__is_no_other(void)
{
	static const struct {
		const char *qname;
		uint16_t qtype;
	} others[] = {
		{".", DNS_TYPE_NS},
		{"arpa.", DNS_TYPE_NS},
		{"in-addr.arpa.", DNS_TYPE_NS},
		{"www.example.com.", DNS_TYPE_A},
		{"localhost.example.com.", DNS_TYPE_A},
		{"xlocalhost.", DNS_TYPE_A},
		{"xinvalid.", DNS_TYPE_A},
		{"\\009localhost.", DNS_TYPE_A}, /* a byte of a label that looks like a length */
		{"a\\007invalid.", DNS_TYPE_A},
		{"test.", DNS_TYPE_A},
		{"x.arpa.", DNS_TYPE_A},
		{"172.in-addr.arpa.", DNS_TYPE_PTR},
		{"1.15.172.in-addr.arpa.", DNS_TYPE_PTR},
		{"1.32.172.in-addr.arpa.", DNS_TYPE_PTR},
		{"016.172.in-addr.arpa.", DNS_TYPE_PTR},
		{"1.63.100.in-addr.arpa.", DNS_TYPE_PTR},
		{"1.128.100.in-addr.arpa.", DNS_TYPE_PTR},
		{"320.172.in-addr.arpa.", DNS_TYPE_PTR},
		{"110.in-addr.arpa.", DNS_TYPE_PTR},
		{"169.0.0.192.in-addr.arpa.", DNS_TYPE_PTR},
		{"0.0.192.in-addr.arpa.", DNS_TYPE_PTR},
		{"3.0.192.in-addr.arpa.", DNS_TYPE_PTR},
		{"c.f.ip6.arpa.", DNS_TYPE_PTR},
		{"c.e.f.ip6.arpa.", DNS_TYPE_PTR},
		{ZEROES_31 "ip6.arpa.", DNS_TYPE_PTR},
		/* Its parent has delegated it, and says so without a signature. */
		{"home.arpa.", DNS_TYPE_DS},
		{"10.in-addr.arpa.", DNS_TYPE_DS},
		{"16.172.in-addr.arpa.", DNS_TYPE_DS},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
		struct name qname = name_of(others[i].qname);
		struct local_name local;

		if (local_name_find(&qname, others[i].qtype, &local))
			printf("\n%s\n", others[i].qname);
		CU_ASSERT_FALSE(local_name_find(&qname, others[i].qtype, &local));
	}
}

static void local_name__says_how_long_its_zone_is(void)
{
	struct name qname = name_of("1.2.16.172.in-addr.arpa."),
		    zone = name_of("16.172.in-addr.arpa.");
	struct local_name local;

	CU_ASSERT_TRUE_FATAL(local_name_find(&qname, DNS_TYPE_PTR, &local));
	CU_ASSERT_EQUAL(local.zone_bytes, zone.length_bytes);
	CU_ASSERT_FALSE(local_name_is_for_forwarders(&local));
	qname = name_of("x.local.");
	CU_ASSERT_TRUE_FATAL(local_name_find(&qname, DNS_TYPE_A, &local));
	CU_ASSERT_TRUE(local_name_is_for_forwarders(&local));
}

static const struct unit_test tests[] = {
	UNIT_TEST(local_name__is_answered),
	UNIT_TEST(local_name__is_no_other),
	UNIT_TEST(local_name__says_how_long_its_zone_is),
};
UNIT_SUITE(local_name, tests)
