#include "query_policy.h"

#include "dns_const.h"

static struct query_verdict reply(uint16_t rcode, bool question_echoed)
{
	return (struct query_verdict){QUERY_REPLY, rcode, question_echoed};
}

/* A well-formed question: its class, type and flags decide. */
static struct query_verdict judge_question(const struct msg_query *query)
{
	if (query->qclass != DNS_CLASS_IN)
		return reply(DNS_RCODE_REFUSED, true);
	switch (query->qtype) {
	case 0:
	case DNS_TYPE_OPT:
	case DNS_TYPE_TSIG:
	case DNS_TYPE_TKEY:
		return reply(DNS_RCODE_FORMERR, true);
	case DNS_TYPE_AXFR:
	case DNS_TYPE_IXFR:
	case DNS_TYPE_RRSIG: /* asked for alone it is an answer that only a cache or the zone itself can give whole */
		return reply(DNS_RCODE_REFUSED, true);
	case DNS_TYPE_MAILA:
	case DNS_TYPE_MAILB:
		return reply(DNS_RCODE_NOTIMP, true);
	case DNS_TYPE_ANY:
		return (struct query_verdict){QUERY_REPLY_ANY, DNS_RCODE_NOERROR, true};
	default:
		break;
	}
	if (query->qtype >= DNS_TYPE_META_FIRST && query->qtype <= DNS_TYPE_META_LAST)
		return reply(DNS_RCODE_FORMERR, true);
	if ((query->flags & DNS_FLAG_RD) == 0)
		return (struct query_verdict){QUERY_REPLY_CACHED, DNS_RCODE_REFUSED, true};
	return (struct query_verdict){QUERY_RESOLVE, DNS_RCODE_NOERROR, true};
}

struct query_verdict query_policy_judge(enum msg_query_result result, const struct msg_query *query)
{
	bool question = query->question_present;

	if (query_policy_is_ordinary(result, query))
		return (struct query_verdict){QUERY_RESOLVE, DNS_RCODE_NOERROR, true};
	switch (result) {
	case MSG_QUERY_OK:
		return judge_question(query);
	case MSG_QUERY_SHORT:
		return (struct query_verdict){QUERY_DROP_SHORT, 0, false};
	case MSG_QUERY_IS_RESPONSE:
		return (struct query_verdict){QUERY_DROP_IS_RESPONSE, 0, false};
	case MSG_QUERY_OPCODE:
		return reply(DNS_RCODE_NOTIMP, false);
	case MSG_QUERY_QUESTION:
		return reply(DNS_RCODE_FORMERR, false);
	case MSG_QUERY_COUNTS:
	case MSG_QUERY_OPT:
	case MSG_QUERY_OPTION:
	case MSG_QUERY_TRUNCATED_FLAG:
		return reply(DNS_RCODE_FORMERR, question);
	case MSG_QUERY_VERSION:
		return reply(DNS_RCODE_BADVERS, question);
	case MSG_QUERY_COOKIE_ONLY:
		return (struct query_verdict){QUERY_REPLY_COOKIE, DNS_RCODE_NOERROR, false};
	case MSG_QUERY_RESULT_COUNT:
		break;
	}
	CHECK(false);
	return reply(DNS_RCODE_FORMERR, false);
}
