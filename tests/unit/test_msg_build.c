#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define HEAD(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define WWW "\3www\7example\0"
#define QUESTION WWW "\0\1\0\1"
#define OPT "\0\0\x29\x04\xd0\0\0\0\0\0\0"
#define RR(type, rdlength, rdata) "\xc0\x0c\0" type "\0\1\0\0\x0e\x10\0" rdlength rdata
#define A_RECORD RR("\1", "\4", "\xc0\0\2\1")
#define RRSIG_RECORD                                                                               \
	RR("\x2e", "\x1d",                                                                         \
	   "\0\1\x0d\2\0\0\x0e\x10"                                                                \
	   "expiincekt"                                                                            \
	   "\7example\0"                                                                           \
	   "si")
#define NSEC_RECORD RR("\x2f", "\x0b", "\1z\7example\0")
#define NSEC3_RECORD RR("\x32", "\3", "abc")
#define DS_RECORD RR("\x2b", "\5", "tagad")
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static struct name name_of(const char *text)
{
	struct name n = {0};

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &n));
	return n;
}

static struct msg_reply_params params_for(const struct name *qname)
{
	return (struct msg_reply_params){
		.client = {.id = 0xbeef, .recursion_desired = true, .udp_size_bytes = 1232},
		.recursion_available = true,
		.qname = qname,
		.qtype = DNS_TYPE_A,
		.qclass = DNS_CLASS_IN,
		.ede = DNS_EDE_NONE,
	};
}

/* ---- queries ---- */

static void msg_build_query__writes_what_was_asked_for(void)
{
	static const struct {
		const char *says;
		struct msg_query_params params;
		const uint8_t *want;
		size_t want_bytes;
	} rows[] = {
		{"plain",
		 {.id = 0x1234, .qtype = 1, .qclass = 1},
		 BYTES(HEAD("\0\0", "\1", "\0", "\0", "\0") "\3wWw\7eXample\0\0\1\0\1")},
		{"RD and CD",
		 {.id = 0x1234,
		  .qtype = 28,
		  .qclass = 1,
		  .recursion_desired = true,
		  .checking_disabled = true},
		 BYTES(HEAD("\1\x10", "\1", "\0", "\0", "\0") "\3wWw\7eXample\0\0\x1c\0\1")},
		{"EDNS",
		 {.id = 0x1234, .qtype = 1, .qclass = 1, .edns = true, .edns_udp_size_bytes = 1232},
		 BYTES(HEAD("\0\0", "\1", "\0", "\0", "\1") "\3wWw\7eXample\0\0\1\0\1"
							    "\0\0\x29\x04\xd0\0\0\x80\0\0\0")},
	};
	struct name qname = name_of("wWw.eXample.");

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct msg_query_params params = rows[i].params;
		uint8_t *out = malloc(rows[i].want_bytes);

		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		params.qname = &qname;
		CU_ASSERT_EQUAL(
			msg_build_query((struct buffer){out, rows[i].want_bytes - 1}, &params), 0);
		CU_ASSERT_EQUAL_FATAL(msg_build_query((struct buffer){out, rows[i].want_bytes},
						      &params),
				      rows[i].want_bytes);
		CU_ASSERT_EQUAL(memcmp(out, rows[i].want, rows[i].want_bytes), 0);
		free(out);
	}
}

/* ---- replies ---- */

static const uint8_t cookie_24[24] = "clientckserverckserverc";
static const struct reply_row {
	const char *says;
	struct msg_reply_params params;
	bool question;
	const uint8_t *want;
	size_t want_bytes;
} reply_rows[] = {
	{"REFUSED",
	 {.rcode = 5, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\5", "\1", "\0", "\0", "\0") QUESTION)},
	{"without a question",
	 {.rcode = 1, .ede = DNS_EDE_NONE},
	 false,
	 BYTES(HEAD("\x80\1", "\0", "\0", "\0", "\0"))},
	{"every flag",
	 {.client = {.recursion_desired = true, .checking_disabled = true},
	  .ede = DNS_EDE_NONE,
	  .authentic_data = true,
	  .authoritative = true,
	  .recursion_available = true,
	  .truncated = true},
	 true,
	 BYTES(HEAD("\x87\xb0", "\1", "\0", "\0", "\0") QUESTION)},
	{"EDNS",
	 {.client = {.edns = true}, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\0", "\1", "\0", "\0", "\1") QUESTION OPT)},
	{"EDNS, DO",
	 {.client = {.edns = true, .dnssec_ok = true}, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\0", "\1", "\0", "\0", "\1") QUESTION "\0\0\x29\x04\xd0\0\0\x80\0\0\0")},
	{"BADVERS",
	 {.client = {.edns = true}, .rcode = 16, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\0", "\1", "\0", "\0", "\1") QUESTION "\0\0\x29\x04\xd0\1\0\0\0\0\0")},
	{"BADCOOKIE without EDNS",
	 {.rcode = 23, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\7", "\1", "\0", "\0", "\0") QUESTION)},
	{"extended error",
	 {.client = {.edns = true}, .rcode = 5, .ede = DNS_EDE_PROHIBITED},
	 true,
	 BYTES(HEAD("\x80\5", "\1", "\0", "\0", "\1") QUESTION
	       "\0\0\x29\x04\xd0\0\0\0\0\0\6\0\x0f\0\2\0\x12")},
	{"extended error without EDNS",
	 {.rcode = 5, .ede = DNS_EDE_PROHIBITED},
	 true,
	 BYTES(HEAD("\x80\5", "\1", "\0", "\0", "\0") QUESTION)},
	{"cookie and extended error",
	 {.client = {.edns = true, .cookie = cookie_24, .cookie_length_bytes = 24},
	  .ede = DNS_EDE_OTHER},
	 true,
	 BYTES(HEAD("\x80\0", "\1", "\0", "\0", "\1") QUESTION
	       "\0\0\x29\x04\xd0\0\0\0\0\0\x22\0\x0a\0\x18"
	       "clientckserverckserverc\0"
	       "\0\x0f\0\2\0\0")},
	{"ANY",
	 {.any_hinfo = true, .ede = DNS_EDE_NONE},
	 true,
	 BYTES(HEAD("\x80\0", "\1", "\1", "\0", "\0") QUESTION
	       "\xc0\x0c\0\x0d\0\1\0\0\x0e\x10\0\x09\7RFC8482\0")},
};

static void msg_build_reply__writes_header_question_and_opt(void)
{
	struct name qname = name_of("www.example.");

	for (size_t i = 0; i < ARRAY_COUNT(reply_rows); i++) {
		struct msg_reply_params params = reply_rows[i].params;
		uint8_t *out = malloc(reply_rows[i].want_bytes);

		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		params.client.id = 0x1234;
		params.qname = reply_rows[i].question ? &qname : NULL;
		params.qtype = DNS_TYPE_A;
		params.qclass = DNS_CLASS_IN;
		CU_ASSERT_EQUAL(msg_build_reply((struct buffer){out, reply_rows[i].want_bytes - 1},
						&params),
				0);
		CU_ASSERT_EQUAL_FATAL(
			msg_build_reply((struct buffer){out, reply_rows[i].want_bytes}, &params),
			reply_rows[i].want_bytes);
		CU_ASSERT_EQUAL(memcmp(out, reply_rows[i].want, reply_rows[i].want_bytes), 0);
		free(out);
	}
}

/* The longest name, the longest cookie, an extended error, ANY: MSG_BUILD_BYTES_MIN is enough. */
static void msg_build_reply__fits_in_the_promised_size(void)
{
	static const uint8_t cookie[40] = {1};
	struct name qname = {255, {0}};
	struct msg_reply_params params = params_for(&qname);
	uint8_t out[MSG_BUILD_BYTES_MIN];

	for (unsigned at = 0; at < 254; at += 2)
		qname.bytes[at] = 1;
	params.any_hinfo = true;
	params.ede = DNS_EDE_OTHER;
	params.client.edns = true;
	params.client.cookie = cookie;
	params.client.cookie_length_bytes = sizeof(cookie);
	CU_ASSERT_EQUAL(msg_build_reply((struct buffer){out, sizeof(out)}, &params),
			12 + 255 + 4 + 21 + 11 + 44 + 6);
}

/* ---- answers ---- */

static struct msg_response parsed(const uint8_t *bytes, size_t length_bytes)
{
	struct msg_response r = {.id = 0};

	CU_ASSERT_EQUAL_FATAL(msg_parse_response((struct span){bytes, length_bytes}, &r),
			      MSG_RESPONSE_OK);
	return r;
}

struct answer_row {
	const char *says;
	const uint8_t *response;
	size_t response_bytes;
	uint16_t qtype;
	bool edns, dnssec_ok;
	const uint8_t *want;
	size_t want_bytes;
};

#define REPLY(flags, an, ns, ar, type)                                                             \
	"\xbe\xef" flags "\0\1\0" an "\0" ns "\0" ar "\3WWW\7Example\0\0" type "\0\1"
#define ASKED(flags, an, ns, ar, type) HEAD(flags, "\1", an, ns, ar) WWW "\0" type "\0\1"

static const struct answer_row answer_rows[] = {
	{"one record, no EDNS anywhere", BYTES(ASKED("\x85\xb0", "\1", "\0", "\0", "\1") A_RECORD),
	 1, false, false, BYTES(REPLY("\x81\x80", "\1", "\0", "\0", "\1") A_RECORD)},
	{"the upstream's OPT is dropped",
	 BYTES(ASKED("\x81\x80", "\1", "\0", "\1", "\1") A_RECORD OPT), 1, false, false,
	 BYTES(REPLY("\x81\x80", "\1", "\0", "\0", "\1") A_RECORD)},
	{"ours takes its place",
	 BYTES(ASKED("\x81\x80", "\1", "\0", "\1", "\1") A_RECORD
	       "\0\0\x29\x10\0\0\0\x80\0\0\5\0\3\0\1x"),
	 1, true, true,
	 BYTES(REPLY("\x81\x80", "\1", "\0", "\1", "\1") A_RECORD
	       "\0\0\x29\x04\xd0\0\0\x80\0\0\0")},
	{"NXDOMAIN stays", BYTES(ASKED("\x81\x83", "\0", "\0", "\0", "\1")), 1, false, false,
	 BYTES(REPLY("\x81\x83", "\0", "\0", "\0", "\1"))},
	{"the extended rcode is passed on",
	 BYTES(ASKED("\x81\x87", "\0", "\0", "\1", "\1") "\0\0\x29\x10\0\1\0\0\0\0\0"), 1, true,
	 false, BYTES(REPLY("\x81\x87", "\0", "\0", "\1", "\1") "\0\0\x29\x04\xd0\1\0\0\0\0\0")},
	{"OPT before another record",
	 BYTES(ASKED("\x81\x80", "\1", "\0", "\2", "\1") A_RECORD OPT A_RECORD), 1, false, false,
	 BYTES(REPLY("\x81\x80", "\1", "\0", "\1", "\1") A_RECORD A_RECORD)},
	{"a TTL of 2^31 becomes 0",
	 BYTES(ASKED("\x81\x80", "\1", "\0", "\0", "\1") "\xc0\x0c\0\1\0\1\x80\0\0\0\0\4abcd"), 1,
	 false, false,
	 BYTES(REPLY("\x81\x80", "\1", "\0", "\0", "\1") "\xc0\x0c\0\1\0\1\0\0\0\0\0\4abcd")},
	{"without DO no RRSIG, NSEC, NSEC3, and no DS in authority",
	 BYTES(ASKED("\x81\x80", "\2", "\4", "\2", "\1") A_RECORD RRSIG_RECORD NSEC_RECORD
		       NSEC3_RECORD DS_RECORD RR("\x10", "\2", "\1t") RRSIG_RECORD OPT),
	 1, true, false,
	 BYTES(REPLY("\x81\x80", "\1", "\1", "\1", "\1") A_RECORD RR("\x10", "\2", "\1t") OPT)},
	{"with DO all of them",
	 BYTES(ASKED("\x81\x80", "\2", "\3", "\0", "\1")
		       A_RECORD RRSIG_RECORD NSEC_RECORD NSEC3_RECORD DS_RECORD),
	 1, true, true,
	 BYTES(REPLY("\x81\x80", "\2", "\3", "\1", "\1")
		       A_RECORD RRSIG_RECORD NSEC_RECORD NSEC3_RECORD DS_RECORD
	       "\0\0\x29\x04\xd0\0\0\x80\0\0\0")},
	{"NSEC asked for by type is kept, its RRSIG not",
	 BYTES(ASKED("\x81\x80", "\2", "\0", "\0", "\x2f") NSEC_RECORD RRSIG_RECORD), 47, false,
	 false, BYTES(REPLY("\x81\x80", "\1", "\0", "\0", "\x2f") NSEC_RECORD)},
	{"DS in the answer is kept",
	 BYTES(ASKED("\x81\x80", "\2", "\0", "\0", "\x2b") DS_RECORD RRSIG_RECORD), 43, false,
	 false, BYTES(REPLY("\x81\x80", "\1", "\0", "\0", "\x2b") DS_RECORD)},
};

static void msg_build_answer__builds(void)
{
	struct name qname = name_of("WWW.Example.");

	for (size_t i = 0; i < ARRAY_COUNT(answer_rows); i++) {
		const struct answer_row *row = &answer_rows[i];
		struct msg_reply_params params = params_for(&qname);
		struct msg_response r = parsed(row->response, row->response_bytes);
		size_t length = 0;
		uint8_t *out = malloc(row->want_bytes);

		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		params.qtype = row->qtype;
		params.client.edns = row->edns;
		params.client.dnssec_ok = row->dnssec_ok;
		CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, row->want_bytes}, &r, &params,
						 &length),
				MSG_ANSWER_OK);
		CU_ASSERT_EQUAL_FATAL(length, row->want_bytes);
		CU_ASSERT_EQUAL(memcmp(out, row->want, length), 0);
		free(out);
	}
}

/* OPT first in the additional section, so that everything is rebuilt. */
static void msg_build_answer__compresses_rfc1035_names_only(void)
{
	static const char response[] =
		ASKED("\x81\x80", "\4", "\1", "\2",
		      "\1") "\3wWw\7eXample\0\0\5\0\1\0\0\0\1\0\x0e"
			    "\4mail\7EXAMPLE\0"
			    "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x0f"
			    "\0\1\0\2\0\x35\6server\xc0\x10"
			    "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\4"
			    "\0\5\xc0\x10"
			    "\6server\7example\0\0\x0d\0\1\0\0\0\1\0\4"
			    "\1c\1o"
			    "\7example\0\0\6\0\1\0\0\0\1\0\x18"
			    "\xc0\x10\xc0\x0c"
			    "01234567890123456789" OPT "\1a\xc0\x10\0\1\0\1\0\0\0\1\0\4"
			    "abcd";
	/* at 29: CNAME, RDATA at 41: mail; SRV's name stands in full and is no target. */
	static const char want[] =
		REPLY("\x81\x80", "\4", "\1", "\1", "\1") "\xc0\x0c\0\5\0\1\0\0\0\1\0\7"
							  "\4mail\xc0\x10"
							  "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x16"
							  "\0\1\0\2\0\x35\6server\7example\0"
							  "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\4"
							  "\0\5\xc0\x10"
							  "\6server\xc0\x10\0\x0d\0\1\0\0\0\1\0\4"
							  "\1c\1o"
							  "\xc0\x10\0\6\0\1\0\0\0\1\0\x18"
							  "\xc0\x10\xc0\x0c"
							  "01234567890123456789"
							  "\1a\xc0\x10\0\1\0\1\0\0\0\1\0\4"
							  "abcd";
	struct name qname = name_of("WWW.Example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r = parsed(BYTES(response));
	uint8_t out[1232];
	size_t length;

	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_OK);
	CU_ASSERT_EQUAL_FATAL(length, sizeof(want) - 1);
	for (size_t i = 0; i < length; i++)
		CU_ASSERT_EQUAL_FATAL(out[i], (uint8_t)want[i]);
}

/* Every limit from too small for anything to enough: an answer or TC, never more than allowed. */
static void msg_build_answer__truncates_at_the_clients_size(void)
{
	static const char response[] =
		ASKED("\x81\x80", "\4", "\0", "\1", "\1") A_RECORD A_RECORD A_RECORD A_RECORD OPT;
	struct name qname = name_of("www.example.");
	struct msg_response r = parsed(BYTES(response));
	size_t whole = sizeof(response) - 1;

	for (size_t limit = 12; limit <= whole + 1; limit++) {
		struct msg_reply_params params = params_for(&qname);
		uint8_t *out = malloc(whole + 1);
		struct msg_response again;
		size_t length = 99;
		enum msg_answer_result result;

		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		params.client.edns = true;
		params.client.udp_size_bytes = (uint16_t)limit;
		result = msg_build_answer((struct buffer){out, whole + 1}, &r, &params, &length);
		again = parsed(out, length);
		CU_ASSERT_EQUAL(result, limit < whole ? MSG_ANSWER_TRUNCATED : MSG_ANSWER_OK);
		CU_ASSERT_EQUAL(length, limit < whole ? 12 + 17 + 11 : whole);
		CU_ASSERT_EQUAL((again.flags & DNS_FLAG_TC) != 0, limit < whole);
		CU_ASSERT_EQUAL(again.answer_count, limit < whole ? 0 : 4);
		CU_ASSERT_TRUE(again.edns.present);
		free(out);
	}
}

static void msg_build_answer__says_when_not_even_the_question_fits(void)
{
	static const char response[] = ASKED("\x81\x80", "\1", "\0", "\0", "\1") A_RECORD;
	struct name qname = name_of("www.example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r = parsed(BYTES(response));
	uint8_t out[28];
	size_t length = 99;

	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_TRUNCATED);
	CU_ASSERT_EQUAL(length, 0);
}

static void msg_build_answer__passes_truncation_on_without_records(void)
{
	static const char cut[] = ASKED("\x83\x80", "\2", "\0", "\0", "\1") A_RECORD "\xc0\x0c\0";
	static const char whole[] = ASKED("\x81\x80", "\1", "\0", "\0", "\1") A_RECORD;
	static const char want[] = REPLY("\x83\x80", "\0", "\0", "\0", "\1");
	struct name qname = name_of("WWW.Example.");

	for (unsigned i = 0; i < 2; i++) {
		struct msg_reply_params params = params_for(&qname);
		struct msg_response r = i == 0 ? parsed(BYTES(cut)) : parsed(BYTES(whole));
		uint8_t out[512];
		size_t length;

		params.truncated = i == 1;
		CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params,
						 &length),
				MSG_ANSWER_TRUNCATED);
		CU_ASSERT_EQUAL_FATAL(length, sizeof(want) - 1);
		CU_ASSERT_EQUAL(memcmp(out, want, length), 0);
	}
}

/* An upstream that does not compress: what would not fit as it is fits when rebuilt. */
static void msg_build_answer__rebuilds_what_would_not_fit(void)
{
	uint8_t bytes[12 + 17 + 20 * 27] = ASKED("\x81\x80", "\x14", "\0", "\0", "\1");
	struct name qname = name_of("www.example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r;
	uint8_t out[512];
	size_t length;

	for (unsigned i = 0; i < 20; i++)
		memcpy(bytes + 29 + 27 * (size_t)i,
		       WWW "\0\1\0\1\0\0\0\1\0\4"
			   "abcd",
		       27);
	r = parsed(bytes, sizeof(bytes));
	params.client.udp_size_bytes = 512;
	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_OK);
	CU_ASSERT_EQUAL(length, 29 + 20 * 16);
	CU_ASSERT_EQUAL(parsed(out, length).answer_count, 20);
}

/* ---- bigger answers ---- */

/* Append one record that differs from all others: owner <index>.<filler>.example, PTR to itself. */
static void append_ptr(struct wire_writer *w, unsigned index, size_t filler_bytes)
{
	uint8_t name[80] = {4};
	size_t length = 5;

	for (unsigned digit = 0; digit < 4; digit++)
		name[1 + digit] = (uint8_t)('a' + (index >> (4 * digit)) % 16);
	name[length] = (uint8_t)filler_bytes;
	for (size_t i = 0; i < filler_bytes; i++)
		name[length + 1 + i] = (uint8_t)('a' + index % 23);
	length += 1 + filler_bytes;
	wire_write_span(w, (struct span){name, length});
	wire_write_span(w, (struct span){BYTES("\7example\0")});
	wire_write_span(w, (struct span){BYTES("\0\x0c\0\1\0\0\0\1")});
	wire_write_u16(w, (uint16_t)(length + 9));
	wire_write_span(w, (struct span){name, length});
	wire_write_span(w, (struct span){BYTES("\7example\0")});
}

/* Owner and target of every record, in order, must be the same names in both. */
static void assert_same_ptrs(const struct msg_response *a, const struct msg_response *b)
{
	size_t at_a = a->records_offset;
	size_t at_b = b->records_offset;

	for (unsigned i = 0; i < a->answer_count; i++) {
		struct msg_record record_a, record_b;
		struct name owner_a, owner_b, target_a, target_b;
		size_t at;

		CU_ASSERT_TRUE_FATAL(msg_record_next(a->message, &at_a, &record_a));
		CU_ASSERT_TRUE_FATAL(msg_record_next(b->message, &at_b, &record_b));
		at = record_a.owner_offset;
		CU_ASSERT_EQUAL_FATAL(name_parse(a->message, &at, &owner_a), NAME_OK);
		at = record_b.owner_offset;
		CU_ASSERT_EQUAL_FATAL(name_parse(b->message, &at, &owner_b), NAME_OK);
		at = record_a.rdata_offset;
		CU_ASSERT_EQUAL_FATAL(name_parse(a->message, &at, &target_a), NAME_OK);
		at = record_b.rdata_offset;
		CU_ASSERT_EQUAL_FATAL(name_parse(b->message, &at, &target_b), NAME_OK);
		CU_ASSERT_TRUE_FATAL(name_equal(&owner_a, &owner_b));
		CU_ASSERT_TRUE_FATAL(name_equal(&target_a, &target_b));
	}
}

/* More names than the table holds, and names beyond what a pointer reaches (16,383). */
static void msg_build_answer__survives_more_names_than_it_remembers(void)
{
	static const struct {
		const char *says;
		unsigned records;
		size_t filler_bytes;
	} rows[] = {
		{"as many as the table holds", COMPRESSION_ENTRIES_MAX / 2, 3},
		{"more", 4 * COMPRESSION_ENTRIES_MAX, 3},
		{"beyond the reach of pointers", 300, 50},
	};
	static uint8_t bytes[65535];
	static uint8_t out[65535];

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct wire_writer w = wire_writer_init((struct buffer){bytes, sizeof(bytes)});
		struct name qname = name_of("www.example.");
		struct msg_reply_params params = params_for(&qname);
		struct msg_response r, again;
		size_t length;

		wire_write_span(&w,
				(struct span){BYTES(ASKED("\x81\x80", "\0", "\1", "\0", "\1"))});
		wire_put_u16(bytes + 6, (uint16_t)rows[i].records);
		for (unsigned record = 0; record < rows[i].records; record++)
			append_ptr(&w, record, rows[i].filler_bytes);
		wire_write_span(&w, (struct span){BYTES(NSEC_RECORD)}); /* to be stripped */
		CU_ASSERT_TRUE_FATAL(w.ok);
		r = parsed(bytes, w.offset);
		params.client.udp_size_bytes = UINT16_MAX;
		CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params,
						 &length),
				MSG_ANSWER_OK);
		again = parsed(out, length);
		CU_ASSERT_EQUAL_FATAL(again.answer_count, rows[i].records);
		CU_ASSERT_EQUAL(again.authority_count, 0);
		CU_ASSERT(length < w.offset);
		assert_same_ptrs(&r, &again);
	}
}

/* A name that stands beyond offset 16,383 is no target: its copy is written in full again. */
static void msg_build_answer__points_no_further_than_pointers_reach(void)
{
	static uint8_t bytes[20000];
	static uint8_t out[20000];
	struct wire_writer w = wire_writer_init((struct buffer){bytes, sizeof(bytes)});
	struct name qname = name_of("www.example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r, again;
	struct msg_record record;
	size_t length;

	wire_write_span(&w, (struct span){BYTES(ASKED("\x81\x80", "\2", "\1", "\0", "\1"))});
	append_ptr(&w, 1, 3);
	append_ptr(&w, 1, 3);
	wire_write_span(&w, (struct span){BYTES(NSEC_RECORD)}); /* to be stripped */
	CU_ASSERT_TRUE_FATAL(w.ok);
	for (unsigned far = 0; far < 2; far++) {
		size_t filler = far == 0 ? 0 : 12 + 16384;
		size_t at = 29;

		/* An opaque record in front moves the others out of reach. */
		if (far == 1) {
			memmove(bytes + 29 + filler, bytes + 29, w.offset - 29);
			memset(bytes + 29, 0, filler);
			memcpy(bytes + 29, "\xc0\x0c\xff\0\0\1\0\0\0\1\x40\0", 12);
			wire_put_u16(bytes + 6, 3);
		}
		r = parsed(bytes, w.offset + filler);
		params.client.udp_size_bytes = UINT16_MAX;
		CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params,
						 &length),
				MSG_ANSWER_OK);
		again = parsed(out, length);
		for (unsigned i = 0; i < again.answer_count; i++)
			CU_ASSERT_TRUE_FATAL(msg_record_next(again.message, &at, &record));
		CU_ASSERT_EQUAL(out[record.owner_offset] >= DNS_POINTER_FLAG, far == 0);
		CU_ASSERT_EQUAL(out[record.rdata_offset] >= DNS_POINTER_FLAG, far == 0);
	}
}

/* 300 owners, then all of them again: only so many are remembered and come out as a pointer. */
static void msg_build_answer__remembers_a_bounded_number_of_names(void)
{
	enum { OWNERS = 300 };
	static uint8_t bytes[65535];
	static uint8_t out[65535];
	struct wire_writer w = wire_writer_init((struct buffer){bytes, sizeof(bytes)});
	struct name qname = name_of("www.example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r, again;
	unsigned pointers = 0;
	size_t at = 29;
	size_t length;

	wire_write_span(&w, (struct span){BYTES(ASKED("\x81\x80", "\0", "\1", "\0", "\1"))});
	wire_put_u16(bytes + 6, 2 * OWNERS);
	for (unsigned i = 0; i < 2 * OWNERS; i++) {
		wire_write_u8(&w, 2);
		wire_write_u16(&w, (uint16_t)(0x6100 + i % OWNERS));
		wire_write_span(&w, (struct span){BYTES("\7example\0\0\x10\0\1\0\0\0\1\0\0")});
	}
	wire_write_span(&w, (struct span){BYTES(NSEC_RECORD)}); /* to be stripped */
	CU_ASSERT_TRUE_FATAL(w.ok);
	r = parsed(bytes, w.offset);
	params.client.udp_size_bytes = UINT16_MAX;
	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_OK);
	again = parsed(out, length);
	for (unsigned i = 0; i < 2 * OWNERS; i++) {
		struct msg_record record;

		CU_ASSERT_TRUE_FATAL(msg_record_next(again.message, &at, &record));
		pointers += out[record.owner_offset] >= DNS_POINTER_FLAG;
	}
	/* The question's two suffixes take two places; letters i and I are one name. */
	CU_ASSERT(pointers > COMPRESSION_ENTRIES_MAX * 3 / 4);
	CU_ASSERT(pointers <= COMPRESSION_ENTRIES_MAX + 52);
}

/* Two names all of whose suffixes collide in the compression table's hash (pmjmaomm and jtefskfc
 * do; the same labels in front keep it so). They must not be taken for one another; and after so many
 * false hits nothing more is compressed, not even the first name's copy. A change of the hash makes
 * the last assertion fail: search another pair then. */
static void msg_build_answer__gives_up_on_names_made_to_collide(void)
{
	static const char *const last_labels[] = {"\x08pmjmaomm", "\x08jtefskfc", "\x08pmjmaomm"};
	uint8_t bytes[1024];
	uint8_t out[1024];
	struct wire_writer w = wire_writer_init((struct buffer){bytes, sizeof(bytes)});
	struct name qname = name_of("www.example.");
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r, again;
	struct msg_record record;
	size_t at = 29;
	size_t length;

	wire_write_span(&w, (struct span){BYTES(ASKED("\x81\x80", "\3", "\1", "\0", "\1"))});
	for (unsigned i = 0; i < ARRAY_COUNT(last_labels); i++) {
		for (unsigned label = 0; label < 20; label++)
			wire_write_u16(&w, (uint16_t)(0x0161 + label));
		wire_write_span(&w, (struct span){(const uint8_t *)last_labels[i], 9});
		wire_write_span(&w, (struct span){BYTES("\0\0\x0c\0\1\0\0\0\1\0\x0a")});
		wire_write_span(&w, (struct span){(const uint8_t *)last_labels[i], 9});
		wire_write_u8(&w, 0);
	}
	wire_write_span(&w, (struct span){BYTES(NSEC_RECORD)}); /* to be stripped */
	CU_ASSERT_TRUE_FATAL(w.ok);
	r = parsed(bytes, w.offset);
	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_OK);
	again = parsed(out, length);
	assert_same_ptrs(&r, &again);
	for (unsigned i = 0; i < ARRAY_COUNT(last_labels); i++)
		CU_ASSERT_TRUE_FATAL(msg_record_next(again.message, &at, &record));
	CU_ASSERT_EQUAL(out[record.owner_offset], 1);
}

/* A hostile answer: 127 labels a name, every record another first label. */
static void msg_build_answer__survives_the_longest_names(void)
{
	static uint8_t bytes[65535] = HEAD("\x81\x80", "\1", "\0", "\1", "\0");
	static uint8_t out[65535];
	struct wire_writer w = wire_writer_init((struct buffer){bytes, sizeof(bytes)});
	struct name qname = {255, {0}};
	struct msg_reply_params params = params_for(&qname);
	struct msg_response r, again;
	size_t length;

	for (unsigned at = 0; at < 254; at += 2) {
		qname.bytes[at] = 1;
		qname.bytes[at + 1] = (uint8_t)('a' + at % 26);
	}
	w.offset = 12;
	wire_write_span(&w, (struct span){qname.bytes, 255});
	wire_write_u32(&w, 0x000c0001);
	wire_put_u16(bytes + 6, 200);
	for (unsigned i = 0; i < 200; i++) {
		qname.bytes[1] = (uint8_t)i;
		wire_write_span(&w, (struct span){qname.bytes, 2});
		wire_write_span(&w, (struct span){BYTES("\xc0\x0e\0\x0c\0\1\0\0\0\1\0\4\1")});
		wire_write_u8(&w, (uint8_t)(i + 1));
		wire_write_u16(&w, 0xc00e);
	}
	wire_write_span(&w, (struct span){BYTES(NSEC_RECORD)});
	CU_ASSERT_TRUE_FATAL(w.ok);
	r = parsed(bytes, w.offset);
	qname = r.qname;
	params.qtype = 12;
	params.client.udp_size_bytes = UINT16_MAX;
	CU_ASSERT_EQUAL(msg_build_answer((struct buffer){out, sizeof(out)}, &r, &params, &length),
			MSG_ANSWER_OK);
	again = parsed(out, length);
	CU_ASSERT_EQUAL_FATAL(again.answer_count, 200);
	assert_same_ptrs(&r, &again);
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_build_query__writes_what_was_asked_for),
	UNIT_TEST(msg_build_reply__writes_header_question_and_opt),
	UNIT_TEST(msg_build_reply__fits_in_the_promised_size),
	UNIT_TEST(msg_build_answer__builds),
	UNIT_TEST(msg_build_answer__compresses_rfc1035_names_only),
	UNIT_TEST(msg_build_answer__truncates_at_the_clients_size),
	UNIT_TEST(msg_build_answer__says_when_not_even_the_question_fits),
	UNIT_TEST(msg_build_answer__passes_truncation_on_without_records),
	UNIT_TEST(msg_build_answer__rebuilds_what_would_not_fit),
	UNIT_TEST(msg_build_answer__survives_more_names_than_it_remembers),
	UNIT_TEST(msg_build_answer__points_no_further_than_pointers_reach),
	UNIT_TEST(msg_build_answer__remembers_a_bounded_number_of_names),
	UNIT_TEST(msg_build_answer__gives_up_on_names_made_to_collide),
	UNIT_TEST(msg_build_answer__survives_the_longest_names),
};
UNIT_SUITE(msg_build, tests)
