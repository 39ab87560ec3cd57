/* DNS messages: parse whatever comes as a query and as a response; build from what was accepted;
 * parse what was built.
 *
 * Input: byte 0: who asks (CLIENT_*), byte 1: what the message is taken for and how much fits
 * (TAKE_*), then the message.
 *
 * Promises that are checked: nothing is read past the message or written past the client's size
 * (buffers are exact, so that ASan sees it); what we build is what we parse; its question is the
 * client's to the letter; and an answer has the response's records, in order, less what is
 * stripped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/cookie.h"
#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/name.h"

enum {
	CLIENT_EDNS = 1,
	CLIENT_DNSSEC = 2,
	CLIENT_COOKIE = 4,
	CLIENT_EDE = 8,
	CLIENT_RD = 16,
	CLIENT_CD = 32,
	CLIENT_CASE = 64,  /* asks in upper case */
	CLIENT_RCODE = 128 /* an extended one */
};
enum { TAKE_QUERY = 0, TAKE_RESPONSE = 1, TAKE_BOTH = 2, TAKE_MASK = 3, TAKE_SIZE_SHIFT = 2 };

static const uint16_t sizes[] = {512, 513, 600, 1232, 4096, UINT16_MAX, 512, 700};

static const uint8_t cookie[40] = "clientckserver-cookie-of-thirty-two-byte";

static struct msg_reply_params params_from(uint8_t who, uint16_t udp_size_bytes)
{
	bool edns = (who & CLIENT_EDNS) != 0;

	return (struct msg_reply_params){
		.client = {.id = 0x4242,
			   .recursion_desired = (who & CLIENT_RD) != 0,
			   .checking_disabled = (who & CLIENT_CD) != 0,
			   .edns = edns,
			   .dnssec_ok = edns && (who & CLIENT_DNSSEC) != 0,
			   .udp_size_bytes = udp_size_bytes,
			   .cookie = (who & CLIENT_COOKIE) != 0 ? cookie : NULL,
			   .cookie_length_bytes = 24},
		.rcode = (who & CLIENT_RCODE) != 0 ? DNS_RCODE_BADCOOKIE : DNS_RCODE_REFUSED,
		.recursion_available = true,
		.ede = (who & CLIENT_EDE) != 0 ? DNS_EDE_PROHIBITED : DNS_EDE_NONE,
	};
}

static void check_name(const struct name *n)
{
	char text[NAME_TEXT_BYTES_MAX];
	struct hash_key key = {1, 2};
	struct name again, lower;
	struct name_case letter_case;

	CHECK(name_to_text(n, text) < NAME_TEXT_BYTES_MAX);
	CHECK(name_from_text(text, &again) && name_equal_exact(n, &again));
	name_lower(n, &lower);
	CHECK(name_equal(n, &lower) && name_hash(&key, n) == name_hash(&key, &lower));
	CHECK(name_is_below(n, &lower) && name_label_count(n) <= DNS_LABELS_MAX);
	name_case_take(n, &letter_case);
	name_case_apply(&letter_case, lower.bytes, lower.length_bytes);
	CHECK(name_equal_exact(n, &lower));
}

/* ---- queries ---- */

static void build_query(const struct msg_query *q, uint8_t who)
{
	struct msg_query_params params = {.id = q->id,
					  .qname = &q->qname,
					  .qtype = q->qtype,
					  .qclass = q->qclass,
					  .recursion_desired = (who & CLIENT_RD) != 0,
					  .checking_disabled = (who & CLIENT_CD) != 0,
					  .edns = (who & CLIENT_EDNS) != 0,
					  .edns_udp_size_bytes = EDNS_UDP_BYTES};
	uint8_t *out = malloc(MSG_BUILD_BYTES_MIN);
	size_t length = msg_build_query((struct buffer){out, MSG_BUILD_BYTES_MIN}, &params);
	struct msg_query again;

	CHECK(length != 0);
	CHECK(msg_parse_query((struct span){out, length}, &again) == MSG_QUERY_OK);
	CHECK(name_equal_exact(&again.qname, &q->qname) && again.qtype == q->qtype);
	CHECK(again.edns.present == params.edns && again.id == q->id);
	free(out);
}

static void build_reply(const struct msg_query *q, struct msg_reply_params params)
{
	uint8_t *out = malloc(MSG_BUILD_BYTES_MIN);
	struct msg_response r;
	size_t length;

	params.qname = q->question_present ? &q->qname : NULL;
	params.qtype = q->qtype;
	params.qclass = q->qclass;
	params.any_hinfo = q->question_present && q->qtype == DNS_TYPE_ANY;
	length = msg_build_reply((struct buffer){out, MSG_BUILD_BYTES_MIN}, &params);
	CHECK(length >= DNS_HEADER_BYTES);
	/* One byte less is too little, and nothing is written past it. */
	uint8_t *exact = malloc(length - 1);
	CHECK(msg_build_reply((struct buffer){exact, length - 1}, &params) == 0);
	free(exact);
	if (q->question_present) {
		CHECK(msg_parse_response((struct span){out, length}, &r) == MSG_RESPONSE_OK);
		CHECK(name_equal_exact(&r.qname, &q->qname) && r.id == params.client.id);
		CHECK(r.edns.present == params.client.edns && r.answer_count == params.any_hinfo);
	}
	free(out);
}

static void take_query(struct span message, uint8_t who, uint16_t udp_size_bytes)
{
	struct msg_query q;
	enum msg_query_result result = msg_parse_query(message, &q);
	struct address client = {{0}};
	struct hash_key key = {1, 2};

	CHECK(result < MSG_QUERY_RESULT_COUNT && msg_query_result_text[result] != NULL);
	CHECK(result != MSG_QUERY_OK || q.question_present);
	CHECK(q.edns.option_count <= EDNS_OPTIONS_PARSED_MAX);
	if (result == MSG_QUERY_SHORT || result == MSG_QUERY_IS_RESPONSE)
		return;
	CHECK(q.question_end <= message.length_bytes);
	if (q.edns.cookie.length_bytes != 0)
		CHECK(cookie_check(&key, q.edns.cookie, &client, 0) < COOKIE_RESULT_COUNT);
	build_reply(&q, params_from(who, udp_size_bytes));
	if (q.question_present) {
		check_name(&q.qname);
		build_query(&q, who);
	}
}

/* ---- responses ---- */

static bool is_stripped(const struct msg_record *record, unsigned section,
			const struct msg_reply_params *params)
{
	if (record->type == DNS_TYPE_OPT)
		return true;
	if (params->client.dnssec_ok || record->type == params->qtype)
		return false;
	return record->type == DNS_TYPE_RRSIG || record->type == DNS_TYPE_NSEC ||
	       record->type == DNS_TYPE_NSEC3 || (record->type == DNS_TYPE_DS && section == 1);
}

static bool same_name_at(struct span a, size_t *at_a, struct span b, size_t *at_b)
{
	struct name name_a, name_b;

	return name_parse(a, at_a, &name_a) == NAME_OK && name_parse(b, at_b, &name_b) == NAME_OK &&
	       name_equal(&name_a, &name_b);
}

static bool same_record(struct span a, const struct msg_record *record_a, struct span b,
			const struct msg_record *record_b)
{
	struct msg_rdata_layout layout = msg_rdata_layout(record_a->type);
	size_t at_a = record_a->owner_offset;
	size_t at_b = record_b->owner_offset;

	if (record_a->type != record_b->type || record_a->ttl_s != record_b->ttl_s ||
	    record_a->class_or_size != record_b->class_or_size || !same_name_at(a, &at_a, b, &at_b))
		return false;
	at_a = record_a->rdata_offset;
	at_b = record_b->rdata_offset;
	if (layout.name_count != 0) {
		size_t names = at_a + layout.prefix_bytes;

		for (unsigned i = 0; i < layout.string_count; i++)
			names += 1 + (size_t)a.data[names];
		if (memcmp(a.data + at_a, b.data + at_b, names - at_a) != 0)
			return false;
		at_b += names - at_a;
		at_a = names;
		for (unsigned i = 0; i < layout.name_count; i++)
			if (!same_name_at(a, &at_a, b, &at_b))
				return false;
	}
	return record_a->end_offset - at_a == record_b->end_offset - at_b &&
	       memcmp(a.data + at_a, b.data + at_b, record_a->end_offset - at_a) == 0;
}

/* The answer's records are the response's, less what is stripped. */
static void check_records(const struct msg_response *r, const struct msg_response *answer,
			  const struct msg_reply_params *params)
{
	const unsigned in[] = {r->answer_count, r->authority_count, r->additional_count};
	unsigned left[] = {answer->answer_count, answer->authority_count,
			   (unsigned)answer->additional_count - answer->edns.present};
	size_t at_in = r->records_offset;
	size_t at_out = answer->records_offset;

	for (unsigned section = 0; section < ARRAY_COUNT(in); section++) {
		for (unsigned i = 0; i < in[section]; i++) {
			struct msg_record before, after;

			CHECK(msg_record_next(r->message, &at_in, &before));
			if (is_stripped(&before, section, params))
				continue;
			CHECK(left[section]-- > 0);
			CHECK(msg_record_next(answer->message, &at_out, &after));
			CHECK(same_record(r->message, &before, answer->message, &after));
		}
		CHECK(left[section] == 0);
	}
}

static void take_response(struct span message, uint8_t who, uint16_t udp_size_bytes)
{
	struct msg_reply_params params = params_from(who, udp_size_bytes);
	struct msg_response r, answer;
	enum msg_response_result parsed = msg_parse_response(message, &r);
	enum msg_answer_result built;
	struct name qname;
	size_t length;
	uint8_t *out;

	CHECK(parsed < MSG_RESPONSE_RESULT_COUNT && msg_response_result_text[parsed] != NULL);
	if (parsed != MSG_RESPONSE_OK)
		return;
	check_name(&r.qname);
	qname = r.qname;
	if ((who & CLIENT_CASE) != 0) {
		struct name_case upper;

		memset(&upper, 0xff, sizeof(upper));
		name_case_apply(&upper, qname.bytes, qname.length_bytes);
	}
	params.qname = &qname;
	params.qtype = r.qtype;
	params.qclass = r.qclass;
	out = malloc(udp_size_bytes);
	built = msg_build_answer((struct buffer){out, udp_size_bytes}, &r, &params, &length);
	CHECK(length != 0 && length <= udp_size_bytes);
	CHECK(msg_parse_response((struct span){out, length}, &answer) == MSG_RESPONSE_OK);
	CHECK(name_equal_exact(&answer.qname, &qname) && answer.id == params.client.id);
	CHECK(answer.qtype == r.qtype && answer.qclass == r.qclass);
	CHECK(answer.edns.present == params.client.edns && !answer.has_ttl_over_max);
	CHECK(answer.edns.dnssec_ok == params.client.dnssec_ok);
	CHECK(((answer.flags & DNS_FLAG_TC) != 0) == (built == MSG_ANSWER_TRUNCATED));
	if (built == MSG_ANSWER_OK)
		check_records(&r, &answer, &params);
	else
		CHECK(answer.answer_count + answer.authority_count + answer.additional_count ==
		      params.client.edns);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;

	struct span message = {data + 2, size - 2};
	uint16_t udp_size_bytes = sizes[data[1] >> TAKE_SIZE_SHIFT & 7];
	unsigned take = data[1] & TAKE_MASK;

	if (take != TAKE_RESPONSE)
		take_query(message, data[0], udp_size_bytes);
	if (take != TAKE_QUERY)
		take_response(message, data[0], udp_size_bytes);
	return 0;
}
