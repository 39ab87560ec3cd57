/* The policy table of SECURITY.md section 3.1 on the wire: every row, sizes, silence and rates. */
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define RD DNS_FLAG_RD
#define QUESTION_DEFAULT NULL, 0
#define NO_BYTES (const uint8_t *)"", 0
#define OPT_BYTES "\0\0\051\004\320\0\0\0\0\0\0"
/* An OPT with RDLENGTH length (one byte in octal). */
#define OPT_WITH(length) "\0\0\051\004\320\0\0\0\0\0" length
#define A_RECORD "\300\014\0\1\0\1\0\0\1\0\0\4\300\0\2\1"
#define TSIG_RECORD "\1k\0\0\372\0\377\0\0\0\0\0\20\0\0\0\0\0\0\0\0\1\54\0\0\22\64\0\0\0\0"
#define ZEROES_8 "\0\0\0\0\0\0\0\0"

enum { RESOLVES = -1, SILENT = -2 };
enum echo { ECHO_ANY, ECHO_YES, ECHO_NO };
enum opt { OPT_ANY, OPT_YES, OPT_NO };

struct policy_row {
	const char *says;
	uint16_t flags;
	uint16_t counts[4];
	const uint8_t *question; /* NULL: www.example.com A IN */
	size_t question_bytes;
	const uint8_t *tail;
	size_t tail_bytes;
	int want; /* rcode, RESOLVES or SILENT */
	enum echo echo;
	enum opt opt;
};

static const uint8_t question_default[] = "\3wWw\7example\3com\0\0\1\0\1";
#define QUESTION_DEFAULT_BYTES (sizeof(question_default) - 1)
#define WWW "\3www\7example\3com\0"
#define FORMERR DNS_RCODE_FORMERR
#define REFUSED DNS_RCODE_REFUSED
#define NOTIMP DNS_RCODE_NOTIMP

/* A row stays in a line or two. */
/* clang-format off */
static const struct policy_row policy_rows[] = {
	{"plain", RD, {1, 0, 0, 0}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"header only, QD=0", RD, {0, 0, 0, 0}, NO_BYTES, NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"header only, QD=1", RD, {1, 0, 0, 0}, NO_BYTES, NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"opcode 1", RD | 1 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 2", RD | 2 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 3", RD | 3 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 4", 4 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 5", 5 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 6, header only", 6 << 11, {0}, NO_BYTES, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"opcode 15", RD | 15 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, NOTIMP, ECHO_NO, OPT_ANY},
	{"QD=2", RD, {2}, QUESTION_DEFAULT, BYTES(WWW "\0\1\0\1"), FORMERR, ECHO_ANY, OPT_NO},
	{"QD=65535", RD, {65535}, QUESTION_DEFAULT, NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"question cut short", RD, {1}, BYTES(WWW "\0\1\0"), NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"name cut short", RD, {1}, BYTES("\3www\7exam"), NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"1 trailing byte", RD, {1}, QUESTION_DEFAULT, BYTES("x"), RESOLVES, ECHO_YES, OPT_NO},
	{"20 trailing bytes", RD, {1}, QUESTION_DEFAULT, BYTES("01234567890123456789"), RESOLVES,
	 ECHO_YES, OPT_NO},
	{"label type 01", RD, {1}, BYTES("\101www\0\0\1\0\1"), NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"label type 10", RD, {1}, BYTES("\201www\0\0\1\0\1"), NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"pointer to itself", RD, {1}, BYTES("\300\14\0\1\0\1"), NO_BYTES, FORMERR, ECHO_NO,
	 OPT_NO},
	{"pointer forward", RD, {1}, BYTES("\300\22\0\1\0\1\3www\0"), NO_BYTES, FORMERR, ECHO_NO,
	 OPT_NO},
	{"pointer to header", RD, {1}, BYTES("\300\0\0\1\0\1"), NO_BYTES, FORMERR, ECHO_NO, OPT_NO},
	{"label, pointer loop", RD, {1}, BYTES("\3www\300\14\0\1\0\1"), NO_BYTES, FORMERR, ECHO_NO,
	 OPT_NO},
	{"AN=1", RD, {1, 1}, QUESTION_DEFAULT, BYTES(A_RECORD), FORMERR, ECHO_ANY, OPT_NO},
	{"NS=1", RD, {1, 0, 1}, QUESTION_DEFAULT, BYTES(A_RECORD), FORMERR, ECHO_ANY, OPT_NO},
	{"AR=1, an A", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES(A_RECORD), FORMERR, ECHO_ANY,
	 OPT_NO},
	{"AR=1, absent", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"AR=3", RD, {1, 0, 0, 3}, QUESTION_DEFAULT, BYTES(OPT_BYTES A_RECORD TSIG_RECORD), FORMERR,
	 ECHO_ANY, OPT_ANY},
	{"OPT and TSIG", RD, {1, 0, 0, 2}, QUESTION_DEFAULT, BYTES(OPT_BYTES TSIG_RECORD), RESOLVES,
	 ECHO_YES, OPT_YES},
	{"two OPT", RD, {1, 0, 0, 2}, QUESTION_DEFAULT, BYTES(OPT_BYTES OPT_BYTES), FORMERR,
	 ECHO_ANY, OPT_YES},
	{"OPT as answer", RD, {1, 1}, QUESTION_DEFAULT, BYTES(OPT_BYTES), FORMERR, ECHO_ANY,
	 OPT_ANY},
	{"OPT not at the root", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\1x\0\0\051\004\320\0\0\0\0\0\0"), FORMERR, ECHO_ANY, OPT_ANY},
	{"OPT RDLEN overflow", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES(OPT_WITH("\7")), FORMERR,
	 ECHO_ANY, OPT_YES},
	{"option overflow", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\5") "\377\0\0\2\1"), FORMERR, ECHO_ANY, OPT_YES},
	{"EDNS version 1", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\0\0\051\004\320\0\1\0\0\0\0"), DNS_RCODE_BADVERS, ECHO_ANY, OPT_YES},
	{"EDNS version 255", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\0\0\051\004\320\0\377\0\0\0\0"), DNS_RCODE_BADVERS, ECHO_ANY, OPT_YES},
	{"EDNS", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES(OPT_BYTES), RESOLVES, ECHO_YES, OPT_YES},
	{"EDNS size 0", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES("\0\0\051\0\0\0\0\0\0\0\0"),
	 RESOLVES, ECHO_YES, OPT_YES},
	{"EDNS size 65535", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\0\0\051\377\377\0\0\0\0\0\0"), RESOLVES, ECHO_YES, OPT_YES},
	{"EDNS Z bits", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\0\0\051\004\320\0\0\177\377\0\0"), RESOLVES, ECHO_YES, OPT_YES},
	{"EDNS ext-rcode", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES("\0\0\051\004\320\1\0\0\0\0\0"), RESOLVES, ECHO_YES, OPT_YES},
	{"unknown option", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\5") "\375\351\0\1x"), RESOLVES, ECHO_YES, OPT_YES},
	{"NSID, padding, keepalive", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\16") "\0\3\0\0\0\14\0\2\0\0\0\13\0\0"), RESOLVES, ECHO_YES, OPT_YES},
	{"cookie 0", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES(OPT_WITH("\4") "\0\12\0\0"), FORMERR,
	 ECHO_ANY, OPT_YES},
	{"cookie 7", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\13") "\0\12\0\0071234567"), FORMERR, ECHO_ANY, OPT_YES},
	{"cookie 15", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\23") "\0\12\0\017123456789012345"), FORMERR, ECHO_ANY, OPT_YES},
	{"cookie 41", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\55") "\0\12\0\051" ZEROES_8 ZEROES_8 ZEROES_8 ZEROES_8 ZEROES_8 "\0"),
	 FORMERR, ECHO_ANY, OPT_YES},
	{"cookie 8", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\14") "\0\12\0\01012345678"), RESOLVES, ECHO_YES, OPT_YES},
	{"cookie 24, wrong", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\34") "\0\12\0\030" ZEROES_8 ZEROES_8 ZEROES_8), RESOLVES, ECHO_YES,
	 OPT_YES},
	{"ECS /24", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\13") "\0\10\0\7\0\1\30\0\12\1\2"), RESOLVES, ECHO_YES, OPT_YES},
	{"ECS /0", RD, {1, 0, 0, 1}, QUESTION_DEFAULT, BYTES(OPT_WITH("\10") "\0\10\0\4\0\1\0\0"),
	 RESOLVES, ECHO_YES, OPT_YES},
	{"ECS family 3", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\13") "\0\10\0\7\0\3\30\0\12\1\2"), FORMERR, ECHO_ANY, OPT_YES},
	{"ECS /33", RD, {1, 0, 0, 1}, QUESTION_DEFAULT,
	 BYTES(OPT_WITH("\15") "\0\10\0\11\0\1\41\0\12\1\2\3\0"), FORMERR, ECHO_ANY, OPT_YES},
	{"TC=1", RD | DNS_FLAG_TC, {1}, QUESTION_DEFAULT, NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"RD=0", 0, {1}, QUESTION_DEFAULT, NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"AA=1", RD | DNS_FLAG_AA, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"RA=1", RD | DNS_FLAG_RA, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"Z=1", RD | DNS_FLAG_Z, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"AD=1", RD | DNS_FLAG_AD, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"CD=1", RD | DNS_FLAG_CD, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"rcode 5", RD | 5, {1}, QUESTION_DEFAULT, NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"QR=1", RD | DNS_FLAG_QR, {1}, QUESTION_DEFAULT, NO_BYTES, SILENT, ECHO_ANY, OPT_ANY},
	{"QR=1, opcode 4", DNS_FLAG_QR | 4 << 11, {1}, QUESTION_DEFAULT, NO_BYTES, SILENT, ECHO_ANY,
	 OPT_ANY},
	{"CH version.bind TXT", RD, {1}, BYTES("\7version\4bind\0\0\20\0\3"), NO_BYTES, REFUSED,
	 ECHO_YES, OPT_NO},
	{"CH id.server TXT", RD, {1}, BYTES("\2id\6server\0\0\20\0\3"), NO_BYTES, REFUSED, ECHO_YES,
	 OPT_NO},
	{"CH A", RD, {1}, BYTES(WWW "\0\1\0\3"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class HS", RD, {1}, BYTES(WWW "\0\1\0\4"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class 0", RD, {1}, BYTES(WWW "\0\1\0\0"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class NONE", RD, {1}, BYTES(WWW "\0\1\0\376"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class ANY", RD, {1}, BYTES(WWW "\0\1\0\377"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class CS", RD, {1}, BYTES(WWW "\0\1\0\2"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"class 65535", RD, {1}, BYTES(WWW "\0\1\377\377"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"AXFR", RD, {1}, BYTES(WWW "\0\374\0\1"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"IXFR", RD, {1}, BYTES(WWW "\0\373\0\1"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"MAILB", RD, {1}, BYTES(WWW "\0\375\0\1"), NO_BYTES, NOTIMP, ECHO_YES, OPT_NO},
	{"MAILA", RD, {1}, BYTES(WWW "\0\376\0\1"), NO_BYTES, NOTIMP, ECHO_YES, OPT_NO},
	{"type OPT", RD, {1}, BYTES(WWW "\0\51\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type TSIG", RD, {1}, BYTES(WWW "\0\372\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type TKEY", RD, {1}, BYTES(WWW "\0\371\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type 0", RD, {1}, BYTES(WWW "\0\0\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type 127", RD, {1}, BYTES(WWW "\0\177\0\1"), NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"type 128", RD, {1}, BYTES(WWW "\0\200\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type 248", RD, {1}, BYTES(WWW "\0\370\0\1"), NO_BYTES, FORMERR, ECHO_ANY, OPT_NO},
	{"type 256", RD, {1}, BYTES(WWW "\1\0\0\1"), NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"type 65535", RD, {1}, BYTES(WWW "\377\377\0\1"), NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"type NULL", RD, {1}, BYTES(WWW "\0\12\0\1"), NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"type SVCB", RD, {1}, BYTES(WWW "\0\100\0\1"), NO_BYTES, RESOLVES, ECHO_YES, OPT_NO},
	{"type RRSIG", RD, {1}, BYTES(WWW "\0\56\0\1"), NO_BYTES, REFUSED, ECHO_YES, OPT_NO},
	{"NUL and dot in labels", RD, {1}, BYTES("\4a\0.b\0\0\1\0\1"), NO_BYTES, RESOLVES, ECHO_YES,
	 OPT_NO},
};
/* clang-format on */

static size_t policy_build(const struct policy_row *row, uint8_t out[RIG_MESSAGE_BYTES_MAX])
{
	size_t length = DNS_HEADER_BYTES;
	const uint8_t *question = row->question != NULL ? row->question : question_default;
	size_t question_bytes =
		row->question != NULL ? row->question_bytes : QUESTION_DEFAULT_BYTES;

	memset(out, 0, DNS_HEADER_BYTES);
	out[0] = 0xab;
	out[1] = 0xcd;
	out[2] = (uint8_t)(row->flags >> 8);
	out[3] = (uint8_t)row->flags;
	for (unsigned i = 0; i < 4; i++) {
		out[4 + 2 * i] = (uint8_t)(row->counts[i] >> 8);
		out[5 + 2 * i] = (uint8_t)row->counts[i];
	}
	memcpy(out + length, question, question_bytes);
	length += question_bytes;
	memcpy(out + length, row->tail, row->tail_bytes);
	return length + row->tail_bytes;
}

/* What all replies have in common, whatever they say. */
static void reply_check(const struct policy_row *row, const struct rig_answer *a)
{
	uint16_t flags = rig_flags(a);
	struct msg_edns edns = {0};
	bool opt = rig_opt(a, &edns, NULL);

	RIG_ROW(row->says, rig_u16(a->message, 0) == 0xabcd);
	RIG_ROW(row->says, (flags & (DNS_FLAG_AA | DNS_FLAG_TC | DNS_FLAG_Z | DNS_FLAG_AD)) == 0);
	RIG_ROW(row->says, (flags & DNS_FLAG_RA) != 0);
	RIG_ROW(row->says, (flags & DNS_FLAG_RD) == (row->flags & DNS_FLAG_RD));
	RIG_ROW(row->says, (flags & DNS_OPCODE_MASK) == (row->flags & DNS_OPCODE_MASK));
	if (row->want == RESOLVES)
		RIG_ROW(row->says, (flags & DNS_FLAG_CD) == (row->flags & DNS_FLAG_CD));
	RIG_ROW(row->says, row->opt == OPT_ANY || opt == (row->opt == OPT_YES));
	RIG_ROW(row->says, !opt || (edns.version == 0 && edns.udp_size_bytes >= 512));
	if (row->echo == ECHO_NO)
		RIG_ROW(row->says, rig_u16(a->message, 4) == 0);
	if (row->echo == ECHO_YES) {
		const uint8_t *question = row->question != NULL ? row->question : question_default;
		size_t bytes = row->question != NULL ? row->question_bytes : QUESTION_DEFAULT_BYTES;

		RIG_ROW(row->says, rig_u16(a->message, 4) == 1);
		RIG_ROW(row->says, memcmp(a->message + DNS_HEADER_BYTES, question, bytes) == 0);
	}
}

static void policy_resolves(struct rig *r, const struct policy_row *row, enum counter outcome)
{
	struct rig_query q;
	struct rig_answer a;

	RIG_ROW(row->says, outcome == COUNTER_QUESTION_NEW);
	if (!rig_query_next(r, &q)) {
		RIG_ROW(row->says, false);
		return;
	}
	/* Nothing of the client's strange bits goes upstream but CD. */
	RIG_ROW(row->says, q.parsed.flags == (DNS_FLAG_RD | (row->flags & DNS_FLAG_CD)));
	RIG_ROW(row->says,
		rig_answer_query(r, &q, &(struct rig_reply){0}) == COUNTER_UPSTREAM_RESPONSE);
	if (!rig_answer_next(r, &a)) {
		RIG_ROW(row->says, false);
		return;
	}
	RIG_ROW(row->says, rig_rcode(&a) == DNS_RCODE_NOERROR);
	RIG_ROW(row->says, rig_record_count(&a, DNS_TYPE_A) == 1);
	reply_check(row, &a);
}

static void policy_replied(struct rig *r, const struct policy_row *row, enum counter outcome,
			   size_t query_bytes)
{
	struct rig_answer a;

	RIG_ROW(row->says, outcome == COUNTER_QUESTION_REPLIED);
	RIG_ROW(row->says, rig_query_count(r) == 0);
	if (!rig_answer_next(r, &a)) {
		RIG_ROW(row->says, false);
		return;
	}
	RIG_ROW(row->says, rig_rcode(&a) == row->want);
	RIG_ROW(row->says, a.length_bytes <= query_bytes);
	reply_check(row, &a);
}

static void policy_row_run(struct rig *r, const struct policy_row *row, enum rig_family family)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length = policy_build(row, message);
	enum counter outcome =
		rig_send(r, &(struct rig_question){.family = family}, message, length);

	if (row->want == SILENT) {
		RIG_ROW(row->says, outcome == COUNTER_DROP_QUERY_IS_RESPONSE);
		RIG_ROW(row->says, rig_answer_count(r) == 0 && rig_query_count(r) == 0);
	} else if (row->want == RESOLVES) {
		policy_resolves(r, row, outcome);
	} else {
		policy_replied(r, row, outcome, length);
	}
	rig_forget(r);
	rig_advance(r, 100 * NS_PER_MS); /* the rate of errors is another test */
}

static void engine_policy__answers_by_the_policy_table(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_new(1);

		rig_start(r);
		for (size_t i = 0; i < ARRAY_COUNT(policy_rows); i++)
			policy_row_run(r, &policy_rows[i], (enum rig_family)family);
		CU_ASSERT_EQUAL(rig_count(r, COUNTER_SHED_UNDER_WAY), 0);
		rig_finish(r);
	}
}

/* Four labels of 63, 63, 63 and last_bytes octets. */
static size_t name_of(uint8_t *out, uint8_t last_bytes)
{
	size_t at = 0;

	for (unsigned label = 0; label < 4; label++) {
		uint8_t bytes = label == 3 ? last_bytes : DNS_LABEL_BYTES_MAX;

		out[at++] = bytes;
		memset(out + at, 'a' + (int)label, bytes);
		at += bytes;
	}
	out[at++] = 0;
	memcpy(out + at, "\0\1\0\1", 4);
	return at + 4;
}

static void engine_policy__takes_names_of_255_octets_and_no_more(void)
{
	uint8_t question[300];
	struct policy_row longest = {"255 octets", RD,       {1},      question, 0,
				     NO_BYTES,     RESOLVES, ECHO_YES, OPT_NO};
	struct policy_row longer = {"256 octets", RD,      {1},     question, 0,
				    NO_BYTES,     FORMERR, ECHO_NO, OPT_NO};

	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct rig *r = rig_new(1);

		rig_start(r);
		longest.question_bytes = name_of(question, 61);
		CU_ASSERT_EQUAL(longest.question_bytes, 255 + 4);
		policy_row_run(r, &longest, (enum rig_family)family);
		longer.question_bytes = name_of(question, 62);
		policy_row_run(r, &longer, (enum rig_family)family);
		rig_finish(r);
	}
}

static void engine_policy__skips_200_unknown_options(void)
{
	uint8_t options[200 * 5];
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com",
				 .edns = true,
				 .options = options,
				 .options_length_bytes = sizeof(options)};
	struct rig_query query;

	for (unsigned i = 0; i < 200; i++)
		memcpy(options + 5 * i, "\375\351\0\1x", 5);
	rig_start(r);
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_NEW);
	CU_ASSERT(rig_query_next(r, &query));
	/* None of them goes on. */
	CU_ASSERT_EQUAL(query.parsed.edns.option_count, 0);
	rig_finish(r);
}

static void engine_policy__says_nothing_to_what_has_no_header(void)
{
	static const uint8_t zeroes[DNS_HEADER_BYTES - 1];
	struct rig *r = rig_new(1);

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t length = 0; length < DNS_HEADER_BYTES; length++)
			CU_ASSERT_EQUAL(
				rig_send(r,
					 &(struct rig_question){.family = (enum rig_family)family},
					 zeroes, length),
				COUNTER_DROP_QUERY_SHORT);
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_finish(r);
}

static void engine_policy__says_nothing_to_loop_ports(void)
{
	static const struct {
		uint16_t port;
		bool silent;
	} rows[] = {{7, true},   {13, true},  {17, true},    {19, true},     {37, true},
		    {1, false},  {8, false},  {12, false},   {18, false},    {36, false},
		    {38, false}, {53, false}, {1024, false}, {65535, false}, {123, false}};
	struct rig *r = rig_new(1);

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			struct rig_question q = {.name = "www.example.com",
						 .qtype = DNS_TYPE_AXFR,
						 .family = (enum rig_family)family,
						 .client_port = rows[i].port};

			CU_ASSERT_EQUAL(rig_ask(r, &q), rows[i].silent ? COUNTER_DROP_UDP_SRC_PORT
								       : COUNTER_QUESTION_REPLIED);
			CU_ASSERT_EQUAL(rig_answer_count(r), rows[i].silent ? 0 : 1);
			rig_forget(r);
		}
	rig_finish(r);
}

static void engine_policy__says_nothing_to_port_0(void)
{
	struct rig *r = rig_new(1);
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	struct rig_question q = {.name = "www.example.com"};
	struct span payload = {message, rig_question_build(&q, message)};

	rig_start(r);
	for (int family = 0; family < RIG_FAMILY_COUNT; family++) {
		struct endpoint client = rig_client((enum rig_family)family, 1, 1);

		client.port = 0;
		CU_ASSERT_EQUAL(rig_send_udp(r, 0, &client, &r->config.listen[family].endpoint,
					     payload),
				COUNTER_DROP_UDP_SRC_PORT);
	}
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	rig_finish(r);
}

static void engine_policy__rations_errors_by_prefix(void)
{
	struct rig *r = rig_new(1);
	struct rig_question q = {.name = "www.example.com", .qtype = DNS_TYPE_AXFR};
	unsigned replied = 0;

	r->collects = false;
	rig_start(r);
	for (unsigned i = 0; i < 1000; i++) {
		enum counter outcome;

		q.client = (uint16_t)(i % 250); /* all of 10.1.0.0/24 */
		outcome = rig_ask(r, &q);
		CU_ASSERT(outcome == COUNTER_QUESTION_REPLIED ||
			  outcome == COUNTER_DROP_RATE_ERROR);
		replied += outcome == COUNTER_QUESTION_REPLIED;
	}
	CU_ASSERT_EQUAL(replied, ERROR_REPLIES_PER_S);
	CU_ASSERT_EQUAL(r->answers_sent, ERROR_REPLIES_PER_S);
	/* Another prefix has its own, and this one again a second later. */
	q.client = 0x0101;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_REPLIED);
	rig_advance(r, NS_PER_S);
	q.client = 1;
	CU_ASSERT_EQUAL(rig_ask(r, &q), COUNTER_QUESTION_REPLIED);
	/* Good questions are not rationed. */
	q.qtype = DNS_TYPE_A;
	for (unsigned i = 0; i < 300; i++)
		CU_ASSERT(rig_ask(r, &q) != COUNTER_DROP_RATE_ERROR);
	rig_finish(r);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_policy__answers_by_the_policy_table),
	UNIT_TEST(engine_policy__takes_names_of_255_octets_and_no_more),
	UNIT_TEST(engine_policy__skips_200_unknown_options),
	UNIT_TEST(engine_policy__says_nothing_to_what_has_no_header),
	UNIT_TEST(engine_policy__says_nothing_to_loop_ports),
	UNIT_TEST(engine_policy__says_nothing_to_port_0),
	UNIT_TEST(engine_policy__rations_errors_by_prefix),
};
UNIT_SUITE(engine_policy, tests)
