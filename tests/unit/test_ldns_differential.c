/* Our parser and builder against ldns, over generated messages of many types and damaged copies.
 *
 * Whatever msg_parse_response accepts ldns accepts too, and both see the same records. We refuse
 * more, on purpose, and this counts it by our reason: trailing bytes, names that point into the
 * header or not strictly backwards, RDATA that does not end where its last field does, a second OPT
 * or one out of place. ldns refuses more only inside RDATA that is opaque to us (a TXT whose
 * strings overflow); such records are counted, and must be of such a type.
 */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define MESSAGES 1500
#define DAMAGED_COPIES 4
#define RECORDS_PER_SECTION_MAX 6
#define RECORD_WIRE_BYTES_MAX 2048

static unsigned long long state;

static unsigned pick(unsigned bound)
{
	return (unsigned)(unit_random(&state) % bound);
}

/* ---- generated messages ---- */

#define NAME_TEXT_BYTES 80

/* Names that share suffixes, in any letter case. */
static void random_name(char text[NAME_TEXT_BYTES])
{
	static const char *const names[] = {
		".",
		"example.",
		"www.example.",
		"mail.example.",
		"a.b.c.d.e.example.",
		"com.",
		"ns1.dns.com.",
		"ns2.dns.com.",
		"_sip._udp.example.",
		"x.y.z.",
		"\\000\\255.example.",
		"a-very-long-label-that-nobody-would-ever-type-in-by-hand.example.",
	};

	snprintf(text, NAME_TEXT_BYTES, "%s", names[pick(ARRAY_COUNT(names))]);
	if (pick(4) == 0)
		for (char *p = text; *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z' && pick(2) == 0)
				*p = (char)(*p - 'a' + 'A');
}

/* %1$s and %2$s are names. */
static const char *const rdata_formats[] = {
	"A 192.0.2.1",
	"AAAA 2001:db8::1",
	"NS %1$s",
	"MD %1$s",
	"MF %1$s",
	"CNAME %1$s",
	"SOA %1$s %2$s 1 2 3 4 5",
	"MB %1$s",
	"MG %1$s",
	"MR %1$s",
	"NULL \\# 3 c00c00",
	"PTR %1$s",
	"HINFO \"cpu\" \"os\"",
	"MINFO %1$s %2$s",
	"MX 10 %1$s",
	"TXT \"one\" \"\" \"three\"",
	"RP %1$s %2$s",
	"AFSDB 1 %1$s",
	"X25 \"311061700956\"",
	"RT 10 %1$s",
	"PX 10 %1$s %2$s",
	"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
	"SRV 1 2 53 %1$s",
	"NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" %1$s",
	"KX 10 %1$s",
	"CERT 1 2 3 AQID",
	"DNAME %1$s",
	"APL 1:192.0.2.0/24",
	"DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
	"SSHFP 1 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
	"RRSIG A 13 2 3600 20300101000000 20200101000000 1 %1$s AQIDBA==",
	"NSEC %1$s A NS RRSIG",
	"DNSKEY 257 3 13 AQIDBA==",
	"NSEC3 1 0 5 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG",
	"NSEC3PARAM 1 0 5 aabb",
	"TLSA 3 1 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
	"SPF \"v=spf1 -all\"",
	"CAA 0 issue \"ca.example\"",
	"URI 10 1 \"https://example/\"",
	"TYPE65280 \\# 4 c00c0001",
};

static void push_record(ldns_pkt *packet, ldns_pkt_section section)
{
	char owner[NAME_TEXT_BYTES], first[NAME_TEXT_BYTES], second[NAME_TEXT_BYTES];
	char rdata[400];
	char text[600];
	ldns_rr *rr = NULL;

	random_name(owner);
	random_name(first);
	random_name(second);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(rdata, sizeof(rdata), rdata_formats[pick(ARRAY_COUNT(rdata_formats))], first,
		 second);
#pragma GCC diagnostic pop
	snprintf(text, sizeof(text), "%s %u IN %s", owner, pick(100000), rdata);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	if (pick(40) == 0)
		ldns_rr_set_ttl(rr, 0x80000000u + pick(1000));
	CU_ASSERT_TRUE_FATAL(ldns_pkt_push_rr(packet, section, rr));
}

/* A response; the caller frees *wire. */
static size_t random_response(uint8_t **wire)
{
	static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_NSEC, LDNS_RR_TYPE_RRSIG,
					     LDNS_RR_TYPE_DS, LDNS_RR_TYPE_MX};
	static const ldns_pkt_section sections[] = {LDNS_SECTION_ANSWER, LDNS_SECTION_AUTHORITY,
						    LDNS_SECTION_ADDITIONAL};
	char qname[NAME_TEXT_BYTES];
	ldns_pkt *packet;
	size_t length;

	random_name(qname);
	packet = ldns_pkt_query_new(ldns_dname_new_frm_str(qname), types[pick(ARRAY_COUNT(types))],
				    LDNS_RR_CLASS_IN, LDNS_RD);
	CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
	ldns_pkt_set_id(packet, (uint16_t)pick(65536));
	ldns_pkt_set_qr(packet, true);
	ldns_pkt_set_ra(packet, true);
	ldns_pkt_set_rcode(packet, (uint8_t)pick(6));
	for (size_t i = 0; i < ARRAY_COUNT(sections); i++)
		for (unsigned records = pick(RECORDS_PER_SECTION_MAX); records > 0; records--)
			push_record(packet, sections[i]);
	if (pick(2) == 0) {
		ldns_pkt_set_edns_udp_size(packet, 1232);
		ldns_pkt_set_edns_do(packet, pick(2) == 0);
	}
	CU_ASSERT_EQUAL_FATAL(ldns_pkt2wire(wire, packet, &length), LDNS_STATUS_OK);
	ldns_pkt_free(packet);
	return length;
}

/* ---- reading ---- */

struct tally {
	unsigned accepted_by_both;
	unsigned records_compared;
	unsigned opaque_refused_by_ldns;
	unsigned opaque_read_otherwise; /* ldns expanded a pointer in a type that has none for us */
	unsigned refused_by_us_only[MSG_RESPONSE_RESULT_COUNT];
	unsigned answers_built;
};

/* Our view of a record, uncompressed: owner, fixed fields, RDATA. */
static size_t our_record(struct span message, const struct msg_record *record,
			 uint8_t out[RECORD_WIRE_BYTES_MAX])
{
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	struct wire_writer w = wire_writer_init((struct buffer){out, RECORD_WIRE_BYTES_MAX});
	size_t at = record->owner_offset;
	struct name name;
	size_t rdata;

	CU_ASSERT_EQUAL_FATAL(name_parse(message, &at, &name), NAME_OK);
	wire_write_span(&w, (struct span){name.bytes, name.length_bytes});
	wire_write_u16(&w, record->type);
	wire_write_u16(&w, record->class_or_size);
	wire_write_u32(&w, record->ttl_s);
	wire_write_u16(&w, 0);
	rdata = w.offset;
	at = record->rdata_offset;
	if (layout.name_count != 0) {
		size_t names = at + layout.prefix_bytes;

		for (unsigned i = 0; i < layout.string_count; i++)
			names += 1 + (size_t)message.data[names];
		wire_write_span(&w, (struct span){message.data + at, names - at});
		at = names;
		for (unsigned i = 0; i < layout.name_count; i++) {
			CU_ASSERT_EQUAL_FATAL(name_parse(message, &at, &name), NAME_OK);
			wire_write_span(&w, (struct span){name.bytes, name.length_bytes});
		}
	}
	wire_write_span(&w, (struct span){message.data + at, record->end_offset - at});
	if (!w.ok) /* a mutated RDLENGTH over 1,500: nothing is lost by not comparing it */
		return 0;
	wire_put_u16(out + rdata - 2, (uint16_t)(w.offset - rdata));
	return w.offset;
}

/* Compare one record of a message that we accepted with what ldns makes of it. False: ldns does not
 * take it, which only opaque ones may. */
static bool same_record(struct span message, const struct msg_record *record, struct tally *tally)
{
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	bool opaque = layout.name_count == 0 && (layout.suffix_bytes == MSG_RDATA_REST ||
						 record->class_or_size != DNS_CLASS_IN);
	uint8_t ours[RECORD_WIRE_BYTES_MAX];
	size_t ours_bytes = our_record(message, record, ours);
	size_t at = record->owner_offset;
	ldns_buffer *theirs = ldns_buffer_new(RECORD_WIRE_BYTES_MAX);
	ldns_rr *rr = NULL;
	bool same;

	if (ldns_wire2rr(&rr, message.data, message.length_bytes, &at, LDNS_SECTION_ANSWER) !=
		    LDNS_STATUS_OK ||
	    at != record->end_offset) {
		CU_ASSERT_TRUE_FATAL(opaque);
		tally->opaque_refused_by_ldns++;
		ldns_rr_free(rr);
		ldns_buffer_free(theirs);
		return false;
	}
	if ((ldns_rr_ttl(rr) & 0x80000000u) != 0) /* RFC 2181 section 8; ldns leaves it as it is */
		ldns_rr_set_ttl(rr, 0);
	CU_ASSERT_EQUAL_FATAL(ldns_rr2buffer_wire(theirs, rr, LDNS_SECTION_ANSWER), LDNS_STATUS_OK);
	same = ours_bytes == 0 || (ldns_buffer_position(theirs) == ours_bytes &&
				   memcmp(ldns_buffer_begin(theirs), ours, ours_bytes) == 0);
	if (!same && opaque)
		tally->opaque_read_otherwise++;
	else
		CU_ASSERT_TRUE_FATAL(same);
	tally->records_compared++;
	ldns_rr_free(rr);
	ldns_buffer_free(theirs);
	return same;
}

/* All records of an accepted response; true: ldns sees every one of them alike. */
static bool same_records(const struct msg_response *r, struct tally *tally)
{
	unsigned records = (unsigned)r->answer_count + r->authority_count + r->additional_count;
	size_t offset = r->records_offset;
	bool same = true;

	for (unsigned i = 0; i < records; i++) {
		struct msg_record record;

		CU_ASSERT_TRUE_FATAL(msg_record_next(r->message, &offset, &record));
		if (record.type != DNS_TYPE_OPT)
			same &= same_record(r->message, &record, tally);
	}
	return same;
}

static void same_header(const struct msg_response *r, const ldns_pkt *packet)
{
	const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);

	CU_ASSERT_EQUAL_FATAL(ldns_pkt_id(packet), r->id);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns(packet), r->edns.present);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_ancount(packet), r->answer_count);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_nscount(packet), r->authority_count);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_list_rr_count(ldns_pkt_additional(packet)),
			      (size_t)(r->additional_count - r->edns.present));
	CU_ASSERT_EQUAL_FATAL(ldns_rr_get_type(question), r->qtype);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_get_class(question), r->qclass);
	CU_ASSERT_EQUAL_FATAL(ldns_rdf_size(ldns_rr_owner(question)), r->qname.length_bytes);
	CU_ASSERT_EQUAL_FATAL(memcmp(ldns_rdf_data(ldns_rr_owner(question)), r->qname.bytes,
				     r->qname.length_bytes),
			      0);
	if (r->edns.present) {
		CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns_udp_size(packet), r->edns.udp_size_bytes);
		CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns_do(packet), r->edns.dnssec_ok);
		CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns_version(packet), r->edns.version);
	}
}

/* ---- building ---- */

static bool stripped(const ldns_rr *rr, const struct msg_reply_params *params, unsigned section)
{
	ldns_rr_type type = ldns_rr_get_type(rr);

	if (params->client.dnssec_ok || type == params->qtype)
		return false;
	return type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC ||
	       type == LDNS_RR_TYPE_NSEC3 || (type == LDNS_RR_TYPE_DS && section == 1);
}

/* Section by section, record by record, in order: what went in, less what was to be stripped, came
 * out. Letter case may change with compression: compared is the canonical form. */
static void same_answer(const ldns_pkt *in, const ldns_pkt *out,
			const struct msg_reply_params *params)
{
	const ldns_rr_list *lists_in[] = {ldns_pkt_answer(in), ldns_pkt_authority(in),
					  ldns_pkt_additional(in)};
	const ldns_rr_list *lists_out[] = {ldns_pkt_answer(out), ldns_pkt_authority(out),
					   ldns_pkt_additional(out)};

	for (unsigned section = 0; section < ARRAY_COUNT(lists_in); section++) {
		size_t next = 0;

		for (size_t i = 0; i < ldns_rr_list_rr_count(lists_in[section]); i++) {
			ldns_rr *before = ldns_rr_list_rr(lists_in[section], i);
			ldns_rr *after;

			if (stripped(before, params, section))
				continue;
			CU_ASSERT_FATAL(next < ldns_rr_list_rr_count(lists_out[section]));
			after = ldns_rr_list_rr(lists_out[section], next++);
			if ((ldns_rr_ttl(before) & 0x80000000u) != 0)
				ldns_rr_set_ttl(before, 0);
			ldns_rr2canonical(before);
			ldns_rr2canonical(after);
			CU_ASSERT_EQUAL_FATAL(ldns_rr_ttl(before), ldns_rr_ttl(after));
			CU_ASSERT_EQUAL_FATAL(ldns_rr_compare(before, after), 0);
		}
		CU_ASSERT_EQUAL_FATAL(next, ldns_rr_list_rr_count(lists_out[section]));
	}
}

/* Build the answer for a random client and let ldns read it. */
static void check_build(const struct msg_response *r, const ldns_pkt *in, struct tally *tally)
{
	static uint8_t out[UINT16_MAX];
	struct name qname = r->qname;
	struct name_case letter_case;
	struct msg_reply_params params = {
		.client = {.id = (uint16_t)pick(65536),
			   .recursion_desired = pick(2) == 0,
			   .edns = pick(2) == 0,
			   .udp_size_bytes = UINT16_MAX},
		.recursion_available = true,
		.qname = &qname,
		.qtype = r->qtype,
		.qclass = r->qclass,
		.ede = DNS_EDE_NONE,
	};
	ldns_pkt *built = NULL;
	size_t length;

	for (size_t i = 0; i < sizeof(letter_case.bits); i++)
		letter_case.bits[i] = (uint8_t)pick(256);
	name_case_apply(&letter_case, qname.bytes, qname.length_bytes);
	params.client.dnssec_ok = params.client.edns && pick(2) == 0;
	CU_ASSERT_EQUAL_FATAL(msg_build_answer((struct buffer){out, sizeof(out)}, r, &params,
					       &length),
			      MSG_ANSWER_OK);
	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&built, out, length), LDNS_STATUS_OK);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_id(built), params.client.id);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_rd(built), params.client.recursion_desired);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns(built), params.client.edns);
	CU_ASSERT_EQUAL_FATAL(ldns_pkt_edns_do(built), params.client.dnssec_ok);
	CU_ASSERT_EQUAL_FATAL(memcmp(out + DNS_HEADER_BYTES, qname.bytes, qname.length_bytes), 0);
	same_answer(in, built, &params);
	ldns_pkt_free(built);
	tally->answers_built++;
}

/* ---- the tests ---- */

static enum msg_response_result check_message(const uint8_t *wire, size_t length,
					      struct tally *tally)
{
	struct msg_response r;
	ldns_pkt *packet = NULL;
	bool theirs = ldns_wire2pkt(&packet, wire, length) == LDNS_STATUS_OK;
	enum msg_response_result ours = msg_parse_response((struct span){wire, length}, &r);

	if (ours != MSG_RESPONSE_OK) {
		tally->refused_by_us_only[ours] += theirs ? 1 : 0;
	} else if (same_records(&r, tally)) {
		/* A cut message is one for us under TC=1 only, and never for ldns. */
		bool cut = !theirs && (r.flags & DNS_FLAG_TC) != 0;

		CU_ASSERT_FATAL(theirs || cut);
		if (!cut) {
			same_header(&r, packet);
			tally->accepted_by_both++;
			if ((r.flags & DNS_FLAG_TC) == 0)
				check_build(&r, packet, tally);
		}
	}
	if (theirs)
		ldns_pkt_free(packet);
	return ours;
}

static void msg_parse_response__accepts_what_ldns_writes(void)
{
	struct tally tally = {0};

	state = unit_seed();
	for (unsigned i = 0; i < MESSAGES; i++) {
		uint8_t *wire;
		size_t length = random_response(&wire);

		CU_ASSERT_EQUAL_FATAL(check_message(wire, length, &tally), MSG_RESPONSE_OK);
		free(wire);
	}
	CU_ASSERT_EQUAL(tally.accepted_by_both, MESSAGES);
	CU_ASSERT_EQUAL(tally.answers_built, MESSAGES);
	CU_ASSERT_EQUAL(tally.opaque_refused_by_ldns, 0);
	CU_ASSERT_EQUAL(tally.opaque_read_otherwise, 0);
	CU_ASSERT(tally.records_compared > 5 * MESSAGES);
}

/* Flip bits, cut, lengthen, plant pointers and other types. QR and opcode are left alone, so that
 * more than headers is looked at. */
static size_t damage(uint8_t *wire, size_t length, size_t room_bytes)
{
	for (unsigned times = 1 + pick(3); times > 0; times--) {
		size_t at = DNS_HEADER_BYTES / 2 + pick((unsigned)length - DNS_HEADER_BYTES / 2);

		switch (pick(7)) {
		case 0:
			wire[at] ^= (uint8_t)(1u << pick(8));
			break;
		case 1:
			wire[at] = (uint8_t)pick(256);
			break;
		case 2: /* a pointer, mostly to somewhere */
			if (at + 2 <= length)
				wire_put_u16(wire + at,
					     (uint16_t)(0xc000u | pick((unsigned)length)));
			break;
		case 3:
			if (pick(4) == 0 && at > DNS_HEADER_BYTES)
				length = at;
			break;
		case 4:
			for (unsigned extra = 1 + pick(4); extra > 0 && length < room_bytes;
			     extra--)
				wire[length++] = (uint8_t)pick(256);
			break;
		case 5: /* a count one more or less */
			wire[7 + 2 * pick(3)] = (uint8_t)(wire[7 + 2 * pick(3)] + 1 - 2 * pick(2));
			break;
		default: /* TC */
			wire[2] ^= 2;
			break;
		}
	}
	return length;
}

static void msg_parse_response__agrees_with_ldns_on_damaged_messages(void)
{
	struct tally tally = {0};

	state = unit_seed() + 1;
	for (unsigned i = 0; i < MESSAGES; i++) {
		uint8_t *wire;
		size_t length = random_response(&wire);

		for (unsigned copy = 0; copy < DAMAGED_COPIES; copy++) {
			size_t room_bytes = length + 16;
			uint8_t *damaged = malloc(room_bytes);

			CU_ASSERT_PTR_NOT_NULL_FATAL(damaged);
			memcpy(damaged, wire, length);
			(void)check_message(damaged, damage(damaged, length, room_bytes), &tally);
			free(damaged);
		}
		free(wire);
	}
	/* None of it must be vacuous. */
	CU_ASSERT(tally.accepted_by_both > MESSAGES / 4);
	CU_ASSERT(tally.answers_built > MESSAGES / 8);
	CU_ASSERT(tally.opaque_refused_by_ldns > 0);
	CU_ASSERT(tally.refused_by_us_only[MSG_RESPONSE_TRAILING] > 0);
	CU_ASSERT(tally.refused_by_us_only[MSG_RESPONSE_RECORD] > 0);
	CU_ASSERT_EQUAL(tally.refused_by_us_only[MSG_RESPONSE_SHORT], 0);
	CU_ASSERT_EQUAL(tally.refused_by_us_only[MSG_RESPONSE_IS_QUERY], 0);
	CU_ASSERT_EQUAL(tally.refused_by_us_only[MSG_RESPONSE_OPCODE], 0);
	if (getenv("VERBOSE") != NULL) {
		printf("\n  both accept %u, records %u, answers %u; opaque: refused by ldns %u, read "
		       "otherwise %u; refused by us only:",
		       tally.accepted_by_both, tally.records_compared, tally.answers_built,
		       tally.opaque_refused_by_ldns, tally.opaque_read_otherwise);
		for (unsigned i = 0; i < MSG_RESPONSE_RESULT_COUNT; i++)
			printf(" %s %u;", msg_response_result_text[i], tally.refused_by_us_only[i]);
		printf("\n");
	}
}

static void msg_build_query__writes_what_ldns_writes(void)
{
	state = unit_seed() + 2;
	for (unsigned i = 0; i < 1000; i++) {
		struct msg_query_params params = {.id = (uint16_t)pick(65536),
						  .qtype = (uint16_t)(1 + pick(60)),
						  .qclass = DNS_CLASS_IN,
						  .recursion_desired = pick(2) == 0,
						  .checking_disabled = pick(2) == 0,
						  .edns = pick(2) == 0,
						  .edns_udp_size_bytes = 1232};
		uint16_t flags = (uint16_t)((params.recursion_desired ? LDNS_RD : 0) |
					    (params.checking_disabled ? LDNS_CD : 0));
		char text[NAME_TEXT_BYTES];
		struct name qname;
		ldns_pkt *packet;
		uint8_t *want;
		uint8_t got[512];
		size_t want_bytes;

		random_name(text);
		CU_ASSERT_TRUE_FATAL(name_from_text(text, &qname));
		params.qname = &qname;
		packet = ldns_pkt_query_new(ldns_dname_new_frm_str(text),
					    (ldns_rr_type)params.qtype, LDNS_RR_CLASS_IN, flags);
		CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
		ldns_pkt_set_id(packet, params.id);
		if (params.edns) {
			ldns_pkt_set_edns_udp_size(packet, params.edns_udp_size_bytes);
			ldns_pkt_set_edns_do(packet, true);
		}
		CU_ASSERT_EQUAL_FATAL(ldns_pkt2wire(&want, packet, &want_bytes), LDNS_STATUS_OK);
		CU_ASSERT_EQUAL_FATAL(msg_build_query((struct buffer){got, sizeof(got)}, &params),
				      want_bytes);
		CU_ASSERT_EQUAL_FATAL(memcmp(got, want, want_bytes), 0);
		free(want);
		ldns_pkt_free(packet);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_parse_response__accepts_what_ldns_writes),
	UNIT_TEST(msg_parse_response__agrees_with_ldns_on_damaged_messages),
	UNIT_TEST(msg_build_query__writes_what_ldns_writes),
};
UNIT_SUITE(ldns_differential, tests)
