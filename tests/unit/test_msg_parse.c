#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"
#include "unit.h"

/* Messages are written as strings, field by field; a row's own NUL is not part of it. */
#define HEAD(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define WWW "\3www\7example\0" /* at 12, 13 bytes */
#define QUESTION WWW "\0\1\0\1"
#define OPT_HEAD(ttl, rdlength) "\0\0\x29\x04\xd0" ttl "\0" rdlength
#define OPT OPT_HEAD("\0\0\0\0", "\0")
#define OPT_WITH(rdlength, options) OPT_HEAD("\0\0\x80\0", rdlength) options
#define A_RECORD "\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1"
#define TSIG "\0\0\xfa\0\xff\0\0\0\0\0\0"
#define BYTES(text) text, sizeof(text) - 1
#define COOKIE_8                                                                                   \
	"\0\x0a\0\x08"                                                                             \
	"clientck"

struct query_row {
	const char *says;
	const char *bytes;
	size_t length_bytes;
	enum msg_query_result want;
	bool question; /* read */
	bool opt;      /* its fixed part read */
};

/* Every line of SECURITY.md section 3.1 that is decided while parsing. */
static const struct query_row query_rows[] = {
	{"a plain query", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OK, true,
	 false},
	{"a query with OPT", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT), MSG_QUERY_OK,
	 true, true},
	{"the root's", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\0\0\2\0\1"), MSG_QUERY_OK, true,
	 false},
	{"AA, RA, Z, AD, CD and an rcode are ignored",
	 BYTES(HEAD("\5\xf5", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OK, true, false},
	{"NUL and dot in the qname", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\3\0.x\0\0\1\0\1"),
	 MSG_QUERY_OK, true, false},

	{"empty datagram", BYTES(""), MSG_QUERY_SHORT, false, false},
	{"1 byte", BYTES("\x12"), MSG_QUERY_SHORT, false, false},
	{"11 bytes", BYTES("\x12\x34\1\0\0\1\0\0\0\0\0"), MSG_QUERY_SHORT, false, false},
	{"QR=1", BYTES(HEAD("\x81\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_IS_RESPONSE,
	 false, false},
	{"QR=1 with an opcode", BYTES(HEAD("\xa8\0", "\1", "\0", "\0", "\0") QUESTION),
	 MSG_QUERY_IS_RESPONSE, false, false},
	{"opcode 1", BYTES(HEAD("\x08\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OPCODE,
	 false, false},
	{"opcode 2", BYTES(HEAD("\x10\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OPCODE,
	 false, false},
	{"opcode 3", BYTES(HEAD("\x18\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OPCODE,
	 false, false},
	{"opcode 4, NOTIFY", BYTES(HEAD("\x20\0", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_QUERY_OPCODE, false, false},
	{"opcode 5, UPDATE", BYTES(HEAD("\x28\0", "\1", "\0", "\0", "\0") QUESTION),
	 MSG_QUERY_OPCODE, false, false},
	{"opcode 6, DSO, all counts zero", BYTES(HEAD("\x30\0", "\0", "\0", "\0", "\0")),
	 MSG_QUERY_OPCODE, false, false},
	{"opcode 15", BYTES(HEAD("\x78\0", "\1", "\0", "\0", "\0") QUESTION), MSG_QUERY_OPCODE,
	 false, false},

	{"header only, QDCOUNT=0", BYTES(HEAD("\1\0", "\0", "\0", "\0", "\0")), MSG_QUERY_COUNTS,
	 false, false},
	{"QDCOUNT=0 with OPT, no cookie", BYTES(HEAD("\1\0", "\0", "\0", "\0", "\1") OPT),
	 MSG_QUERY_COUNTS, false, true},
	{"QDCOUNT=0 with a cookie",
	 BYTES(HEAD("\1\0", "\0", "\0", "\0", "\1") OPT_WITH("\x0c", COOKIE_8)),
	 MSG_QUERY_COOKIE_ONLY, false, true},
	{"QDCOUNT=0 with a bad cookie",
	 BYTES(HEAD("\1\0", "\0", "\0", "\0", "\1") OPT_WITH("\x0b", "\0\x0a\0\x07"
								     "clientc")),
	 MSG_QUERY_OPTION, false, true},
	{"QDCOUNT=2", BYTES(HEAD("\1\0", "\2", "\0", "\0", "\0") QUESTION QUESTION),
	 MSG_QUERY_COUNTS, false, false},
	{"QDCOUNT=65535", BYTES("\x12\x34\1\0\xff\xff\0\0\0\0\0\0" QUESTION), MSG_QUERY_COUNTS,
	 false, false},
	{"ANCOUNT=1 with a record", BYTES(HEAD("\1\0", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_QUERY_COUNTS, true, false},
	{"NSCOUNT=1 with a record", BYTES(HEAD("\1\0", "\1", "\0", "\1", "\0") QUESTION A_RECORD),
	 MSG_QUERY_COUNTS, true, false},
	{"ANCOUNT=256", BYTES("\x12\x34\1\0\0\1\1\0\0\0\0\0" QUESTION), MSG_QUERY_COUNTS, true,
	 false},
	{"OPT in the answer section", BYTES(HEAD("\1\0", "\1", "\1", "\0", "\0") QUESTION OPT),
	 MSG_QUERY_COUNTS, true, false},
	{"ARCOUNT=1, an A record", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION A_RECORD),
	 MSG_QUERY_COUNTS, true, false},
	{"ARCOUNT=1 but absent", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION),
	 MSG_QUERY_COUNTS, true, false},
	{"ARCOUNT=2, OPT and A", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT A_RECORD),
	 MSG_QUERY_COUNTS, true, true},
	{"ARCOUNT=2, OPT and TSIG", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT TSIG),
	 MSG_QUERY_OK, true, true},
	{"ARCOUNT=2, TSIG before OPT",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION TSIG OPT), MSG_QUERY_COUNTS, true,
	 false},
	{"ARCOUNT=1, TSIG", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION TSIG),
	 MSG_QUERY_COUNTS, true, false},
	{"ARCOUNT=2, TSIG cut",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT "\0\0\xfa\0\xff\0\0\0\0\0\1"),
	 MSG_QUERY_COUNTS, true, true},
	{"ARCOUNT=3", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\3") QUESTION OPT TSIG TSIG),
	 MSG_QUERY_COUNTS, true, true},

	{"QDCOUNT=1, question missing", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0")),
	 MSG_QUERY_QUESTION, false, false},
	{"question cut within the name", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\3www"),
	 MSG_QUERY_QUESTION, false, false},
	{"question cut within the class", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") WWW "\0\1\0"),
	 MSG_QUERY_QUESTION, false, false},
	{"label type 01",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\x41"
						    "a\0\0\1\0\1"),
	 MSG_QUERY_QUESTION, false, false},
	{"label type 10", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\x80\0\0\1\0\1"),
	 MSG_QUERY_QUESTION, false, false},
	{"qname pointer to itself", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\xc0\x0c\0\1\0\1"),
	 MSG_QUERY_QUESTION, false, false},
	{"qname pointer forward",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\xc0\x12\0\1\0\1\1a\0"), MSG_QUERY_QUESTION,
	 false, false},
	{"qname pointer to the header",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\xc0\4\0\1\0\1"), MSG_QUERY_QUESTION, false,
	 false},
	{"qname label, then a pointer loop",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") "\1a\xc0\x0c\0\1\0\1"), MSG_QUERY_QUESTION,
	 false, false},

	{"two OPT", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT OPT), MSG_QUERY_OPT,
	 true, true},
	{"OPT owner not the root", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION "\1a" OPT),
	 MSG_QUERY_OPT, true, true},
	{"OPT owner a pointer",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION "\xc0\x18\0\x29\4\xd0\0\0\0\0\0\0"),
	 MSG_QUERY_OPT, true, true},
	{"OPT RDLEN beyond the packet",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x0d", COOKIE_8)),
	 MSG_QUERY_OPT, true, true},
	{"OPT cut before its RDLEN",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION "\0\0\x29\4\xd0\0\0\0\0\0"),
	 MSG_QUERY_COUNTS, true, false},
	{"option length overflow",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x0c", "\0\x0a\0\x09"
									      "clientck")),
	 MSG_QUERY_OPT, true, true},
	{"option header cut",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\3", "\0\x0a\0")),
	 MSG_QUERY_OPT, true, true},
	{"an empty NSID",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\4", "\0\3\0\0")),
	 MSG_QUERY_OK, true, true},
	{"unknown option 65001",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\5", "\xfd\xe9\0\1x")),
	 MSG_QUERY_OK, true, true},
	{"EDNS version 1",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_HEAD("\0\1\0\0", "\0")),
	 MSG_QUERY_VERSION, true, true},
	{"EDNS version 255, options unreadable",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_HEAD("\0\xff\0\0", "\1") "x"),
	 MSG_QUERY_VERSION, true, true},
	{"EDNS Z bits and extended rcode",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_HEAD("\7\0\x7f\xff", "\0")),
	 MSG_QUERY_OK, true, true},

	{"cookie, 8 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x0c", COOKIE_8)),
	 MSG_QUERY_OK, true, true},
	{"cookie, 7 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x0b", "\0\x0a\0\7clientc")),
	 MSG_QUERY_OPTION, true, true},
	{"cookie, 0 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\4", "\0\x0a\0\0")),
	 MSG_QUERY_OPTION, true, true},
	{"cookie, 15 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x13", "\0\x0a\0\x0f"
									      "clientck1234567")),
	 MSG_QUERY_OPTION, true, true},
	{"cookie, 16 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x14", "\0\x0a\0\x10"
									      "clientck12345678")),
	 MSG_QUERY_OK, true, true},
	{"cookie, 40 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x2c", "\0\x0a\0\x28"
						 "clientck12345678123456781234567812345678")),
	 MSG_QUERY_OK, true, true},
	{"cookie, 41 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x2d", "\0\x0a\0\x29"
						 "clientck123456781234567812345678123456789")),
	 MSG_QUERY_OPTION, true, true},
	{"a bad cookie after a good one is ignored",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x10", COOKIE_8 "\0\x0a\0\0")),
	 MSG_QUERY_OK, true, true},

	{"subnet, IPv4 /24",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0b", "\0\x08\0\7\0\1\x18\0\xc0\0\2")),
	 MSG_QUERY_OK, true, true},
	{"subnet, IPv4 /0",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x08", "\0\x08\0\4\0\1\0\0")),
	 MSG_QUERY_OK, true, true},
	{"subnet, no family, /0",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x08", "\0\x08\0\4\0\0\0\0")),
	 MSG_QUERY_OK, true, true},
	{"subnet, IPv6 /128",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x18", "\0\x08\0\x14\0\2\x80\0"
						 "0123456789abcdef")),
	 MSG_QUERY_OK, true, true},
	{"subnet, family 3",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0b", "\0\x08\0\7\0\3\x18\0\xc0\0\2")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, no family, /8",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x09", "\0\x08\0\5\0\0\x08\0\x0a")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, IPv4 /33",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0d", "\0\x08\0\x09\0\1\x21\0\xc0\0\2\1\0")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, IPv6 /129",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x19", "\0\x08\0\x15\0\2\x81\0"
						 "0123456789abcdef\0")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, an octet too many",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0c", "\0\x08\0\x08\0\1\x18\0\xc0\0\2\0")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, an octet too few",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0a", "\0\x08\0\6\0\1\x18\0\xc0\0")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, bits beyond the prefix",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0b", "\0\x08\0\7\0\1\x17\0\xc0\0\1")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, bits up to the prefix",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0b", "\0\x08\0\7\0\1\x17\0\xc0\0\2")),
	 MSG_QUERY_OK, true, true},
	{"subnet with a scope",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1")
		       QUESTION OPT_WITH("\x0b", "\0\x08\0\7\0\1\x18\x18\xc0\0\2")),
	 MSG_QUERY_OPTION, true, true},
	{"subnet, 3 bytes",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\7", "\0\x08\0\3\0\1\0")),
	 MSG_QUERY_OPTION, true, true},

	{"1 trailing byte", BYTES(HEAD("\1\0", "\1", "\0", "\0", "\0") QUESTION "x"), MSG_QUERY_OK,
	 true, false},
	{"trailing bytes after OPT",
	 BYTES(HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT "0123456789"), MSG_QUERY_OK, true,
	 true},
	{"TC=1", BYTES(HEAD("\3\0", "\1", "\0", "\0", "\1") QUESTION OPT), MSG_QUERY_TRUNCATED_FLAG,
	 true, true},
	{"TC=1 and another EDNS version",
	 BYTES(HEAD("\3\0", "\1", "\0", "\0", "\1") QUESTION OPT_HEAD("\0\1\0\0", "\0")),
	 MSG_QUERY_VERSION, true, true},
};

/* A copy of exactly its length, so that ASan sees a byte read beyond. */
static uint8_t *exact_copy(const void *bytes, size_t length_bytes)
{
	uint8_t *copy = malloc(length_bytes + (length_bytes == 0));

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, bytes, length_bytes);
	return copy;
}

static void msg_parse_query__decides_the_policy_table(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(query_rows); i++) {
		const struct query_row *row = &query_rows[i];
		uint8_t *bytes = exact_copy(row->bytes, row->length_bytes);
		struct msg_query q;

		CU_ASSERT_EQUAL(msg_parse_query((struct span){bytes, row->length_bytes}, &q),
				row->want);
		CU_ASSERT_EQUAL(q.question_present, row->question);
		CU_ASSERT_EQUAL(q.qname.length_bytes != 0, row->question);
		CU_ASSERT_EQUAL(q.edns.present, row->opt);
		CU_ASSERT_EQUAL(q.id, row->length_bytes < 12 ? 0 : 0x1234);
		free(bytes);
	}
}

static void msg_parse_query__reads_every_field(void)
{
	static const char bytes[] = HEAD("\1\x10", "\1", "\0", "\0", "\1") WWW
		"\0\x1c\0\1" OPT_WITH("\x10", "\0\3\0\0" COOKIE_8);
	struct msg_query q;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_query((struct span){(const uint8_t *)bytes, sizeof(bytes) - 1}, &q),
		MSG_QUERY_OK);
	CU_ASSERT_EQUAL(q.flags, DNS_FLAG_RD | DNS_FLAG_CD);
	CU_ASSERT_EQUAL(q.qtype, DNS_TYPE_AAAA);
	CU_ASSERT_EQUAL(q.qclass, DNS_CLASS_IN);
	CU_ASSERT_EQUAL(q.question_end, 12 + 13 + 4);
	CU_ASSERT_EQUAL(q.qname.length_bytes, 13);
	CU_ASSERT_EQUAL(memcmp(q.qname.bytes, WWW, 13), 0);
	CU_ASSERT_TRUE(q.edns.dnssec_ok);
	CU_ASSERT_EQUAL(q.edns.udp_size_bytes, 1232);
	CU_ASSERT_EQUAL(q.edns.option_count, 2);
	CU_ASSERT_EQUAL(q.edns.cookie.length_bytes, 8);
	CU_ASSERT_EQUAL(memcmp(q.edns.cookie.data, "clientck", 8), 0);
}

static void msg_parse_query__bounds_the_qname_at_255_bytes(void)
{
	for (size_t last = 61; last <= 62; last++) {
		uint8_t bytes[12 + 256 + 4] = HEAD("\1\0", "\1", "\0", "\0", "\0");
		size_t at = 12;
		struct msg_query q;

		for (unsigned i = 0; i < 4; i++) {
			bytes[at] = (uint8_t)(i < 3 ? 63 : last);
			memset(bytes + at + 1, 'x', bytes[at]);
			at += 1 + (size_t)bytes[at];
		}
		at += 1 + 4; /* root, type 0, class 0 */
		CU_ASSERT_EQUAL(msg_parse_query((struct span){bytes, at}, &q),
				last == 61 ? MSG_QUERY_OK : MSG_QUERY_QUESTION);
		CU_ASSERT_EQUAL(q.qname.length_bytes, last == 61 ? 255 : 0);
	}
}

/* 200 unknown options are no error, and what comes after the 16th is not looked at. */
static void msg_parse_query__looks_at_16_options(void)
{
	uint8_t bytes[1024] = HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT;
	size_t opt_end = 12 + 17 + 11;

	for (unsigned count = 0; count <= 200; count += 4) {
		size_t at = opt_end;
		struct msg_query q;

		for (unsigned i = 0; i < count; i++, at += 4)
			memcpy(bytes + at, "\xfd\xe9\0\0", 4);
		memcpy(bytes + at, COOKIE_8, 12);
		at += 12;
		wire_put_u16(bytes + opt_end - 2, (uint16_t)(at - opt_end));
		CU_ASSERT_EQUAL(msg_parse_query((struct span){bytes, at}, &q), MSG_QUERY_OK);
		CU_ASSERT_EQUAL(q.edns.option_count, count < 16 ? count + 1 : 16);
		CU_ASSERT_EQUAL(q.edns.cookie.length_bytes, count < 16 ? 8 : 0);
	}
}

/* ---- responses ---- */

#define SOA_RECORD                                                                                 \
	"\xc0\x10\0\6\0\1\0\0\0\x3c\0\x18\xc0\x0c\xc0\x10\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"

struct response_row {
	const char *says;
	const char *bytes;
	size_t length_bytes;
	enum msg_response_result want;
};

static const struct response_row response_rows[] = {
	{"one record", BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_RESPONSE_OK},
	{"no record", BYTES(HEAD("\x81\x83", "\1", "\0", "\0", "\0") QUESTION), MSG_RESPONSE_OK},
	{"all sections",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\1", "\2") QUESTION A_RECORD SOA_RECORD A_RECORD OPT),
	 MSG_RESPONSE_OK},
	{"SERVFAIL with the question", BYTES(HEAD("\x81\x82", "\1", "\0", "\0", "\0") QUESTION),
	 MSG_RESPONSE_OK},

	/* SECURITY.md section 3.2. */
	{"QDCOUNT=0 with an answer",
	 BYTES(HEAD("\x81\x80", "\0", "\1", "\0", "\0") "\0\0\1\0\1\0\0\0\0\0\4abcd"),
	 MSG_RESPONSE_QUESTION},
	{"QDCOUNT=2", BYTES(HEAD("\x81\x80", "\2", "\0", "\0", "\0") QUESTION QUESTION),
	 MSG_RESPONSE_QUESTION},
	{"QR=0", BYTES(HEAD("\1\0", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_RESPONSE_IS_QUERY},
	{"opcode UPDATE", BYTES(HEAD("\xa9\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_RESPONSE_OPCODE},
	{"header only, FORMERR", BYTES(HEAD("\x81\x81", "\0", "\0", "\0", "\0")),
	 MSG_RESPONSE_QUESTION},
	{"header only, SERVFAIL", BYTES(HEAD("\x81\x82", "\0", "\0", "\0", "\0")),
	 MSG_RESPONSE_QUESTION},
	{"header only, NOTIMP", BYTES(HEAD("\x81\x84", "\0", "\0", "\0", "\0")),
	 MSG_RESPONSE_QUESTION},
	{"header only, REFUSED", BYTES(HEAD("\x81\x85", "\0", "\0", "\0", "\0")),
	 MSG_RESPONSE_QUESTION},
	{"junk after the header",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") "\xde\xad\xbe\xef\xde\xad"),
	 MSG_RESPONSE_QUESTION},
	{"0 bytes", BYTES(""), MSG_RESPONSE_SHORT},
	{"11 bytes", BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0"), MSG_RESPONSE_SHORT},
	{"compression loop in the answer",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
	       "\1a\xc0\x1d\0\1\0\1\0\0\0\0\0\4abcd"),
	 MSG_RESPONSE_RECORD},
	{"cut mid answer",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
	       "\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0"),
	 MSG_RESPONSE_RECORD},
	{"one trailing byte", BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD "x"),
	 MSG_RESPONSE_TRAILING},
	{"a record more than counted",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD A_RECORD),
	 MSG_RESPONSE_TRAILING},
	{"a record fewer than counted",
	 BYTES(HEAD("\x81\x80", "\1", "\2", "\0", "\0") QUESTION A_RECORD), MSG_RESPONSE_RECORD},
	{"question compressed",
	 BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\0") "\1a\xc0\x0c\0\1\0\1"),
	 MSG_RESPONSE_QUESTION},
	{"question cut", BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\0") WWW "\0\1\0"),
	 MSG_RESPONSE_QUESTION},
	{"RDLENGTH beyond the message",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
	       "\xc0\x0c\0\1\0\1\0\0\x0e\x10\xff\xff\xc0\0\2\1"),
	 MSG_RESPONSE_RECORD},
	{"owner points forward",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
	       "\xc0\x30\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1"),
	 MSG_RESPONSE_RECORD},
	{"owner points into the header",
	 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
	       "\xc0\4\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1"),
	 MSG_RESPONSE_RECORD},

	{"OPT in the answer section", BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION OPT),
	 MSG_RESPONSE_OPT},
	{"OPT in the authority section",
	 BYTES(HEAD("\x81\x80", "\1", "\0", "\1", "\0") QUESTION OPT), MSG_RESPONSE_OPT},
	{"two OPT", BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\2") QUESTION OPT OPT),
	 MSG_RESPONSE_OPT},
	{"OPT owner not the root",
	 BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\1") QUESTION "\1a" OPT), MSG_RESPONSE_OPT},
	{"option overflow",
	 BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\5", "\0\3\0\2x")),
	 MSG_RESPONSE_OPT},
	{"cookie of bad length",
	 BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\5", "\0\x0a\0\1x")),
	 MSG_RESPONSE_OK},

	/* RFC 2181 section 9. */
	{"TC=1, whole", BYTES(HEAD("\x83\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD),
	 MSG_RESPONSE_OK},
	{"TC=1, cut within a record",
	 BYTES(HEAD("\x83\x80", "\1", "\2", "\0", "\0") QUESTION A_RECORD "\xc0\x0c\0\1\0"),
	 MSG_RESPONSE_OK},
	{"TC=1, cut within an owner",
	 BYTES(HEAD("\x83\x80", "\1", "\1", "\0", "\0") QUESTION "\3ww"), MSG_RESPONSE_OK},
	{"TC=1, cut between records",
	 BYTES(HEAD("\x83\x80", "\1", "\1", "\1", "\0") QUESTION A_RECORD), MSG_RESPONSE_OK},
	{"TC=1, a bad pointer",
	 BYTES(HEAD("\x83\x80", "\1", "\1", "\0", "\0") QUESTION "\xc0\x1d\0\1\0\1"),
	 MSG_RESPONSE_RECORD},
	{"TC=1, trailing byte", BYTES(HEAD("\x83\x80", "\1", "\0", "\0", "\0") QUESTION "x"),
	 MSG_RESPONSE_TRAILING},
};

static void msg_parse_response__accepts_good_and_names_the_fault(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(response_rows); i++) {
		const struct response_row *row = &response_rows[i];
		uint8_t *bytes = exact_copy(row->bytes, row->length_bytes);
		struct msg_response r = {.id = 7};
		enum msg_response_result got =
			msg_parse_response((struct span){bytes, row->length_bytes}, &r);

		CU_ASSERT_EQUAL(got, row->want);
		CU_ASSERT_EQUAL(r.id, got == MSG_RESPONSE_OK ? 0x1234 : 7);
		free(bytes);
	}
}

static void msg_parse_response__reads_every_field(void)
{
	static const char bytes[] = HEAD("\x81\x80", "\1", "\1", "\1", "\2")
		QUESTION A_RECORD SOA_RECORD OPT_HEAD("\1\0\x80\0", "\x0c") COOKIE_8 A_RECORD;
	struct span message = {(const uint8_t *)bytes, sizeof(bytes) - 1};
	struct msg_response r;

	CU_ASSERT_EQUAL_FATAL(msg_parse_response(message, &r), MSG_RESPONSE_OK);
	CU_ASSERT_EQUAL(r.flags, 0x8180);
	CU_ASSERT_EQUAL(r.qtype, DNS_TYPE_A);
	CU_ASSERT_EQUAL(r.qclass, DNS_CLASS_IN);
	CU_ASSERT_EQUAL(memcmp(r.qname.bytes, WWW, 13), 0);
	CU_ASSERT_EQUAL(r.records_offset, 12 + 17);
	CU_ASSERT_EQUAL(r.answer_count, 1);
	CU_ASSERT_EQUAL(r.authority_count, 1);
	CU_ASSERT_EQUAL(r.additional_count, 2);
	CU_ASSERT_FALSE(r.opt_is_last);
	CU_ASSERT_EQUAL(r.opt_offset, 12 + 17 + 16 + 36);
	CU_ASSERT_FALSE(r.has_dnssec_records);
	CU_ASSERT_FALSE(r.has_ttl_over_max);
	CU_ASSERT_EQUAL(r.edns.extended_rcode, 1);
	CU_ASSERT_TRUE(r.edns.dnssec_ok);
	CU_ASSERT_EQUAL(r.edns.cookie.length_bytes, 8);
}

static void msg_parse_response__counts_what_is_whole_under_tc(void)
{
	static const char bytes[] =
		HEAD("\x83\x80", "\1", "\1", "\2", "\3") QUESTION A_RECORD SOA_RECORD "\xc0\x0c\0";
	struct msg_response r;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){(const uint8_t *)bytes, sizeof(bytes) - 1}, &r),
		MSG_RESPONSE_OK);
	CU_ASSERT_EQUAL(r.answer_count, 1);
	CU_ASSERT_EQUAL(r.authority_count, 1);
	CU_ASSERT_EQUAL(r.additional_count, 0);
}

#define RR(type, rdlength, rdata) "\xc0\x0c\0" type "\0\1\0\0\0\1\0" rdlength rdata

/* RDATA of every shape: exactly fitting, one byte short, one byte long, a name that leaves it. */
static const struct {
	const char *says;
	const char *record;
	size_t length_bytes;
	bool ok;
} rdata_rows[] = {
	{"A", BYTES(RR("\1", "\4", "abcd")), true},
	{"A, 3 bytes", BYTES(RR("\1", "\3", "abc")), false},
	{"A, 5 bytes", BYTES(RR("\1", "\5", "abcde")), false},
	{"A of class CHAOS", BYTES("\xc0\x0c\0\1\0\3\0\0\0\1\0\2ab"), true},
	{"AAAA", BYTES(RR("\x1c", "\x10", "0123456789abcdef")), true},
	{"AAAA, 4 bytes", BYTES(RR("\x1c", "\4", "0123")), false},
	{"NS", BYTES(RR("\2", "\2", "\xc0\x0c")), true},
	{"NS, empty", BYTES(RR("\2", "\0", "")), false},
	{"NS, a byte left",
	 BYTES(RR("\2", "\3",
		  "\xc0\x0c"
		  "x")),
	 false},
	{"NS, pointer to itself", BYTES(RR("\2", "\2", "\xc0\x29")), false},
	{"NS, pointer cut by RDLENGTH", BYTES(RR("\2", "\1", "\xc0") "\x0c"), false},
	{"CNAME, a name that ends beyond RDLENGTH", BYTES(RR("\5", "\3", "\3ab") "c\0"), false},
	{"SOA, one name",
	 BYTES(RR("\6", "\x16",
		  "\xc0\x0c"
		  "01234567890123456789")),
	 false},
	{"SOA, 19 bytes after the names",
	 BYTES(RR("\6", "\x17",
		  "\xc0\x0c\xc0\x0c"
		  "0123456789012345678")),
	 false},
	{"SOA",
	 BYTES(RR("\6", "\x18",
		  "\xc0\x0c\xc0\x0c"
		  "01234567890123456789")),
	 true},
	{"MX", BYTES(RR("\x0f", "\4", "\0\1\xc0\x0c")), true},
	{"MX, no name", BYTES(RR("\x0f", "\2", "\0\1")), false},
	{"MX, half a preference", BYTES(RR("\x0f", "\1", "\0")), false},
	{"MINFO, two names", BYTES(RR("\x0e", "\4", "\xc0\x0c\xc0\x0c")), true},
	{"RP, one name", BYTES(RR("\x11", "\2", "\xc0\x0c")), false},
	{"SRV", BYTES(RR("\x21", "\x08", "\0\1\0\2\0\x35\xc0\x0c")), true},
	{"SRV, label type 01", BYTES(RR("\x21", "\x08", "\0\1\0\2\0\x35\x41\0")), false},
	{"NAPTR", BYTES(RR("\x23", "\x0b", "\0\1\0\2\1u\1s\0\xc0\x0c")), true},
	{"NAPTR, a string beyond RDLENGTH", BYTES(RR("\x23", "\x0b", "\0\1\0\2\1u\1s\7\xc0\x0c")),
	 false},
	{"NAPTR, strings missing", BYTES(RR("\x23", "\4", "\0\1\0\2")), false},
	{"PX, two names", BYTES(RR("\x1a", "\6", "\0\1\xc0\x0c\xc0\x0c")), true},
	{"DNAME", BYTES(RR("\x27", "\3", "\1a\0")), true},
	{"DNAME, no name", BYTES(RR("\x27", "\0", "")), false},
	{"RRSIG, no signer", BYTES(RR("\x2e", "\x12", "012345678901234567")), false},
	{"RRSIG", BYTES(RR("\x2e", "\x16", "012345678901234567\1a\0s")), true},
	{"NSEC", BYTES(RR("\x2f", "\6", "\1a\0\0\1\x40")), true},
	{"NSEC, no next name", BYTES(RR("\x2f", "\0", "")), false},
	{"TXT is opaque", BYTES(RR("\x10", "\2", "\7x")), true},
	{"an unknown type, pointers and all, is opaque",
	 BYTES("\xc0\x0c\xff\x01\0\1\0\0\0\1\0\2\xc0\xff"), true},
	{"an unknown type, empty", BYTES("\xc0\x0c\xff\x01\0\1\0\0\0\1\0\0"), true},
};

static void msg_parse_response__checks_the_shape_of_rdata(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(rdata_rows); i++) {
		uint8_t bytes[512] = HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION;
		size_t length = 12 + 17;
		struct msg_response r;
		enum msg_response_result got;

		memcpy(bytes + length, rdata_rows[i].record, rdata_rows[i].length_bytes);
		got = msg_parse_response((struct span){bytes, length + rdata_rows[i].length_bytes},
					 &r);
		CU_ASSERT_EQUAL(got == MSG_RESPONSE_OK, rdata_rows[i].ok);
	}
}

static void msg_parse_response__notes_what_building_must_know(void)
{
	static const struct {
		const char *says;
		const char *bytes;
		size_t length_bytes;
		bool dnssec, opt_is_last, ttl_over_max;
	} rows[] = {
		{"plain", BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\1") QUESTION A_RECORD OPT),
		 false, true, false},
		{"no OPT", BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION A_RECORD), false,
		 true, false},
		{"OPT first", BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\2") QUESTION OPT A_RECORD),
		 false, false, false},
		{"RRSIG",
		 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0")
			       QUESTION RR("\x2e", "\x13", "012345678901234567\0")),
		 true, true, false},
		{"NSEC",
		 BYTES(HEAD("\x81\x80", "\1", "\0", "\1", "\0") QUESTION RR("\x2f", "\1", "\0")),
		 true, true, false},
		{"NSEC3",
		 BYTES(HEAD("\x81\x80", "\1", "\0", "\1", "\0") QUESTION RR("\x32", "\1", "x")),
		 true, true, false},
		{"DS in authority",
		 BYTES(HEAD("\x81\x80", "\1", "\0", "\1", "\0") QUESTION RR("\x2b", "\1", "x")),
		 true, true, false},
		{"DS in answer",
		 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION RR("\x2b", "\1", "x")),
		 false, true, false},
		{"DNSKEY",
		 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION RR("\x30", "\1", "x")),
		 false, true, false},
		{"a TTL of 2^31",
		 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
		       "\xc0\x0c\0\1\0\1\x80\0\0\0\0\4abcd"),
		 false, true, true},
		{"a TTL of 2^31-1",
		 BYTES(HEAD("\x81\x80", "\1", "\1", "\0", "\0") QUESTION
		       "\xc0\x0c\0\1\0\1\x7f\xff\xff\xff\0\4abcd"),
		 false, true, false},
		{"an OPT's rcode is no TTL",
		 BYTES(HEAD("\x81\x80", "\1", "\0", "\0", "\1")
			       QUESTION OPT_HEAD("\xff\0\0\0", "\0")),
		 false, true, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct span message = {(const uint8_t *)rows[i].bytes, rows[i].length_bytes};
		struct msg_response r;

		CU_ASSERT_EQUAL_FATAL(msg_parse_response(message, &r), MSG_RESPONSE_OK);
		CU_ASSERT_EQUAL(r.has_dnssec_records, rows[i].dnssec);
		CU_ASSERT_EQUAL(r.opt_is_last, rows[i].opt_is_last);
		CU_ASSERT_EQUAL(r.has_ttl_over_max, rows[i].ttl_over_max);
	}
}

/* The counts may claim more than anybody looks at, before a single record is read. */
static void msg_parse_response__refuses_too_many_records(void)
{
	static uint8_t bytes[12 + 17 + 11 * (RECORDS_PARSED_MAX + 1)] =
		HEAD("\x81\x80", "\1", "\0", "\0", "\0") QUESTION;
	static const uint8_t record[11] = {0, 0xff, 1, 0, 1};
	struct msg_response r;

	for (unsigned i = 0; i <= RECORDS_PARSED_MAX; i++)
		memcpy(bytes + 29 + 11 * (size_t)i, record, sizeof(record));
	wire_put_u16(bytes + 6, RECORDS_PARSED_MAX);
	CU_ASSERT_EQUAL(msg_parse_response((struct span){bytes, sizeof(bytes) - 11}, &r),
			MSG_RESPONSE_OK);
	wire_put_u16(bytes + 10, 1);
	CU_ASSERT_EQUAL(msg_parse_response((struct span){bytes, sizeof(bytes)}, &r),
			MSG_RESPONSE_TOO_MANY);
}

/* No beginning of a good message is a good message, and none is read past its end. */
static void msg_parse__refuses_every_beginning(void)
{
	static const char query[] =
		HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH("\x0c", COOKIE_8);
	static const char response[] =
		HEAD("\x81\x80", "\1", "\1", "\1", "\1") QUESTION A_RECORD SOA_RECORD OPT;

	for (size_t length = 0; length < sizeof(query) - 1; length++) {
		uint8_t *bytes = exact_copy(query, length);
		struct msg_query q;

		CU_ASSERT_NOT_EQUAL(msg_parse_query((struct span){bytes, length}, &q),
				    MSG_QUERY_OK);
		free(bytes);
	}
	for (size_t length = 0; length < sizeof(response) - 1; length++) {
		uint8_t *bytes = exact_copy(response, length);
		struct msg_response r;

		CU_ASSERT_NOT_EQUAL(msg_parse_response((struct span){bytes, length}, &r),
				    MSG_RESPONSE_OK);
		free(bytes);
	}
}

static void msg_record_next__walks_what_was_accepted(void)
{
	static const char bytes[] = HEAD("\x81\x80", "\1", "\2", "\0", "\1") QUESTION A_RECORD
		"\xc0\x0c\0\1\0\1\x80\0\0\1\0\4abcd" OPT_HEAD("\x80\0\0\0", "\0");
	struct span message = {(const uint8_t *)bytes, sizeof(bytes) - 1};
	size_t offset = 29;
	struct msg_record record;

	CU_ASSERT_TRUE_FATAL(msg_record_next(message, &offset, &record));
	CU_ASSERT_EQUAL(record.type, DNS_TYPE_A);
	CU_ASSERT_EQUAL(record.class_or_size, DNS_CLASS_IN);
	CU_ASSERT_EQUAL(record.ttl_s, 3600);
	CU_ASSERT_EQUAL(record.owner_offset, 29);
	CU_ASSERT_EQUAL(record.rdata_offset, 41);
	CU_ASSERT_EQUAL(record.rdata_length_bytes, 4);
	CU_ASSERT_EQUAL(record.end_offset, 45);
	CU_ASSERT_EQUAL(offset, 45);
	CU_ASSERT_TRUE_FATAL(msg_record_next(message, &offset, &record));
	CU_ASSERT_EQUAL(record.ttl_s, 0);
	CU_ASSERT_TRUE_FATAL(msg_record_next(message, &offset, &record));
	CU_ASSERT_EQUAL(record.type, DNS_TYPE_OPT);
	CU_ASSERT_EQUAL(record.ttl_s, 0x80000000u);
	CU_ASSERT_EQUAL(offset, message.length_bytes);
	CU_ASSERT_FALSE(msg_record_next(message, &offset, &record));
	CU_ASSERT_EQUAL(offset, message.length_bytes);
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_parse_query__decides_the_policy_table),
	UNIT_TEST(msg_parse_query__reads_every_field),
	UNIT_TEST(msg_parse_query__bounds_the_qname_at_255_bytes),
	UNIT_TEST(msg_parse_query__looks_at_16_options),
	UNIT_TEST(msg_parse_response__accepts_good_and_names_the_fault),
	UNIT_TEST(msg_parse_response__reads_every_field),
	UNIT_TEST(msg_parse_response__counts_what_is_whole_under_tc),
	UNIT_TEST(msg_parse_response__checks_the_shape_of_rdata),
	UNIT_TEST(msg_parse_response__notes_what_building_must_know),
	UNIT_TEST(msg_parse_response__refuses_too_many_records),
	UNIT_TEST(msg_parse__refuses_every_beginning),
	UNIT_TEST(msg_record_next__walks_what_was_accepted),
};
UNIT_SUITE(msg_parse, tests)
