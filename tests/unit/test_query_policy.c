/* The table of verdicts by itself; on the wire it is tested by test_engine_client.c. */
#include "core/dns_const.h"
#include "core/query_policy.h"
#include "unit.h"

static struct msg_query question(uint16_t qtype, uint16_t qclass, uint16_t flags)
{
	return (struct msg_query){
		.flags = flags, .qtype = qtype, .qclass = qclass, .question_present = true};
}

static void query_policy_judge__knows_every_parse_result(void)
{
	static const struct {
		enum msg_query_result result;
		enum query_action action;
		uint16_t rcode;
		bool present; /* a question could be read */
		int echoed;   /* -1: does not matter */
	} rows[] = {
		{MSG_QUERY_OK, QUERY_RESOLVE, DNS_RCODE_NOERROR, true, -1},
		{MSG_QUERY_SHORT, QUERY_DROP_SHORT, 0, false, -1},
		{MSG_QUERY_IS_RESPONSE, QUERY_DROP_IS_RESPONSE, 0, true, -1},
		{MSG_QUERY_OPCODE, QUERY_REPLY, DNS_RCODE_NOTIMP, true, 0},
		{MSG_QUERY_OPCODE, QUERY_REPLY, DNS_RCODE_NOTIMP, false, 0},
		{MSG_QUERY_COUNTS, QUERY_REPLY, DNS_RCODE_FORMERR, true, -1},
		{MSG_QUERY_COUNTS, QUERY_REPLY, DNS_RCODE_FORMERR, false, 0},
		{MSG_QUERY_QUESTION, QUERY_REPLY, DNS_RCODE_FORMERR, true, 0},
		{MSG_QUERY_QUESTION, QUERY_REPLY, DNS_RCODE_FORMERR, false, 0},
		{MSG_QUERY_OPT, QUERY_REPLY, DNS_RCODE_FORMERR, true, -1},
		{MSG_QUERY_OPTION, QUERY_REPLY, DNS_RCODE_FORMERR, true, -1},
		{MSG_QUERY_OPTION, QUERY_REPLY, DNS_RCODE_FORMERR, false, 0},
		{MSG_QUERY_VERSION, QUERY_REPLY, DNS_RCODE_BADVERS, true, -1},
		{MSG_QUERY_VERSION, QUERY_REPLY, DNS_RCODE_BADVERS, false, 0},
		{MSG_QUERY_COOKIE_ONLY, QUERY_REPLY_COOKIE, DNS_RCODE_NOERROR, false, 0},
		{MSG_QUERY_TRUNCATED_FLAG, QUERY_REPLY, DNS_RCODE_FORMERR, true, -1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct msg_query query = question(DNS_TYPE_A, DNS_CLASS_IN, DNS_FLAG_RD);
		struct query_verdict verdict;

		query.question_present = rows[i].present;
		verdict = query_policy_judge(rows[i].result, &query);
		CU_ASSERT_EQUAL(verdict.action, rows[i].action);
		if (verdict.action == QUERY_REPLY || verdict.action == QUERY_RESOLVE)
			CU_ASSERT_EQUAL(verdict.rcode, rows[i].rcode);
		if (rows[i].echoed >= 0)
			CU_ASSERT_EQUAL(verdict.question_echoed, rows[i].echoed != 0);
	}
}

/* All 65,536 types, class IN, RD=1: exactly those of the table are not resolved. */
static void query_policy_judge__resolves_every_type_that_is_one(void)
{
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		struct msg_query query = question((uint16_t)type, DNS_CLASS_IN, DNS_FLAG_RD);
		struct query_verdict verdict = query_policy_judge(MSG_QUERY_OK, &query);
		enum query_action action = QUERY_REPLY;
		uint16_t rcode = DNS_RCODE_FORMERR;

		switch (type) {
		case 0:   /* reserved */
		case 41:  /* OPT */
		case 249: /* TKEY */
		case 250: /* TSIG */
			break;
		case 46:  /* RRSIG */
		case 251: /* IXFR */
		case 252: /* AXFR */
			rcode = DNS_RCODE_REFUSED;
			break;
		case 253: /* MAILB */
		case 254: /* MAILA */
			rcode = DNS_RCODE_NOTIMP;
			break;
		case 255: /* ANY */
			action = QUERY_REPLY_ANY;
			rcode = DNS_RCODE_NOERROR;
			break;
		default:
			if (type >= 128 && type <= 248)
				break;
			action = QUERY_RESOLVE;
			rcode = DNS_RCODE_NOERROR;
		}
		CU_ASSERT_EQUAL(verdict.action, action);
		CU_ASSERT_EQUAL(verdict.rcode, rcode);
	}
}

static void query_policy_judge__refuses_every_class_but_in(void)
{
	for (uint32_t qclass = 0; qclass <= UINT16_MAX; qclass++) {
		struct msg_query query = question(DNS_TYPE_TXT, (uint16_t)qclass, DNS_FLAG_RD);
		struct query_verdict verdict = query_policy_judge(MSG_QUERY_OK, &query);
		bool in = qclass == DNS_CLASS_IN;

		CU_ASSERT_EQUAL(verdict.action, in ? QUERY_RESOLVE : QUERY_REPLY);
		CU_ASSERT_EQUAL(verdict.rcode, in ? DNS_RCODE_NOERROR : DNS_RCODE_REFUSED);
	}
}

/* RD=0 is for the cache alone, or refused; AA, RA, Z, AD, CD and the rcode change nothing. */
static void query_policy_judge__looks_at_rd_alone(void)
{
	for (uint32_t flags = 0; flags <= UINT16_MAX; flags++) {
		struct msg_query query = question(DNS_TYPE_A, DNS_CLASS_IN, (uint16_t)flags);
		struct query_verdict verdict;

		if ((flags & (DNS_FLAG_QR | DNS_OPCODE_MASK | DNS_FLAG_TC)) != 0)
			continue; /* other parse results */
		verdict = query_policy_judge(MSG_QUERY_OK, &query);
		CU_ASSERT_EQUAL(verdict.action,
				(flags & DNS_FLAG_RD) != 0 ? QUERY_RESOLVE : QUERY_REPLY_CACHED);
		CU_ASSERT_EQUAL(verdict.rcode,
				(flags & DNS_FLAG_RD) != 0 ? DNS_RCODE_NOERROR : DNS_RCODE_REFUSED);
		CU_ASSERT(verdict.question_echoed);
	}
}

static void query_policy_port_is_loop__knows_six_ports(void)
{
	unsigned loops = 0;

	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		loops += query_policy_port_is_loop((uint16_t)port);
	CU_ASSERT_EQUAL(loops, 6);
	CU_ASSERT(query_policy_port_is_loop(0) && query_policy_port_is_loop(7) &&
		  query_policy_port_is_loop(13) && query_policy_port_is_loop(17) &&
		  query_policy_port_is_loop(19) && query_policy_port_is_loop(37));
}

static const struct unit_test tests[] = {
	UNIT_TEST(query_policy_judge__knows_every_parse_result),
	UNIT_TEST(query_policy_judge__resolves_every_type_that_is_one),
	UNIT_TEST(query_policy_judge__refuses_every_class_but_in),
	UNIT_TEST(query_policy_judge__looks_at_rd_alone),
	UNIT_TEST(query_policy_port_is_loop__knows_six_ports),
};
UNIT_SUITE(query_policy, tests)
