#include "core/scrub.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire_cursor.h"
#include "scrub_cases.h"
#include "unit.h"

static struct name name_of(const char *text)
{
	struct name name;

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &name));
	name_lower(&name, &name);
	return name;
}

static struct msg_response parsed(struct entry_message *message)
{
	struct msg_response r;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	return r;
}

static void set_flags(const struct scrub_case *c, struct entry_message *message)
{
	uint16_t flags = wire_get_u16(message->bytes + 2);

	flags = (uint16_t)(flags & ~(DNS_FLAG_AA | DNS_FLAG_RA | DNS_FLAG_TC));
	flags = (uint16_t)(flags | ((c->how & NO_AA) != 0 ? 0 : DNS_FLAG_AA));
	flags = (uint16_t)(flags | ((c->how & NO_RA) != 0 ? 0 : DNS_FLAG_RA));
	flags = (uint16_t)(flags | ((c->how & TRUNCATED) != 0 ? DNS_FLAG_TC : 0));
	wire_put_u16(message->bytes + 2, flags);
}

/* Wire form of the line's record, as ldns has it. */
static char *canonical_text(ldns_rr *rr)
{
	char *text = ldns_rr2str(rr);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	return text;
}

/* Is the section what the lines up to the next "--" say? Moves *line behind them. */
static bool section_is(const ldns_rr_list *section, const char *const **line)
{
	bool same = true;
	size_t i = 0;

	for (; **line != NULL && strcmp(**line, "--") != 0; ++*line, i++) {
		ldns_rr *rr = NULL;
		char *want, *got;

		CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, **line, 0, NULL, NULL),
				      LDNS_STATUS_OK);
		want = canonical_text(rr);
		got = i < ldns_rr_list_rr_count(section)
			      ? canonical_text(ldns_rr_list_rr(section, i))
			      : strdup("nothing\n");
		if (strcasecmp(want, got) != 0) {
			printf("\n got  %s want %s", got, want);
			same = false;
		}
		free(want);
		free(got);
		ldns_rr_free(rr);
	}
	if (i != ldns_rr_list_rr_count(section))
		printf("\n got %zu records\n", ldns_rr_list_rr_count(section));
	return same && i == ldns_rr_list_rr_count(section);
}

static bool clean_is(const struct scrub_case *c, const struct msg_response *clean)
{
	const char *const *line = c->clean;
	ldns_pkt *packet = NULL;
	bool same;

	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&packet, clean->message.data,
					    clean->message.length_bytes),
			      LDNS_STATUS_OK);
	same = section_is(ldns_pkt_answer(packet), &line);
	line += *line != NULL;
	same &= section_is(ldns_pkt_authority(packet), &line);
	same &= ldns_pkt_arcount(packet) == 0 && !ldns_pkt_edns(packet) && !ldns_pkt_aa(packet) &&
		!ldns_pkt_tc(packet) && ldns_pkt_get_rcode(packet) == (ldns_pkt_rcode)c->rcode;
	ldns_pkt_free(packet);
	return same;
}

/* What scrub_clean says of the message is what a parser says. */
static bool view_is_true(const struct msg_response *clean)
{
	struct msg_response again;

	return msg_parse_response(clean->message, &again) == MSG_RESPONSE_OK &&
	       again.flags == clean->flags && again.id == clean->id &&
	       again.answer_count == clean->answer_count &&
	       again.authority_count == clean->authority_count &&
	       again.additional_count == clean->additional_count &&
	       again.opt_offset == clean->opt_offset && again.opt_is_last == clean->opt_is_last &&
	       again.has_dnssec_records == clean->has_dnssec_records &&
	       again.records_offset == clean->records_offset && !clean->edns.present &&
	       name_equal_exact(&again.qname, &clean->qname);
}

static bool case_holds(const struct scrub_case *c, bool compressed)
{
	static struct entry_message message;
	static uint8_t room[UINT16_MAX];
	struct name zone = name_of(c->zone), qname = name_of(c->response.qname);
	struct name target = name_of(c->target != NULL ? c->target : c->response.qname);
	struct scrub_question question = {.zone = &zone,
					  .qname = &qname,
					  .qtype = c->response.qtype,
					  .is_recursive = (c->how & RECURSIVE) != 0,
					  .is_safe = (c->how & UNSAFE) == 0};
	struct msg_response r, clean;
	struct scrubbed s;

	entry_response(&c->response, compressed, &message);
	set_flags(c, &message);
	r = parsed(&message);
	memset(&s, 0xa5, sizeof(s));
	scrub_response(&r, &question, &s);
	if (s.verdict != c->verdict ||
	    s.if_believed != (c->verdict == SCRUB_LAME ? c->if_believed : c->verdict)) {
		printf("\n got %s\n", scrub_verdict_text[s.verdict]);
		return false;
	}
	if (!name_equal_exact(&s.target, &target)) {
		printf("\n target differs\n");
		return false;
	}
	if (s.if_believed >= SCRUB_REFERRAL)
		return true;
	/* Owners that do not point to the question are no plain ones, so that they stay all the same. */
	if (s.is_whole != ((c->how & IS_WHOLE) != 0)) {
		printf("\n is_whole differs\n");
		return false;
	}
	return scrub_clean(&r, &s, message.bytes, (struct buffer){room, sizeof(room)}, &clean) &&
	       clean_is(c, &clean) && view_is_true(&clean);
}

static void scrub__judges_by_content(void)
{
	for (unsigned i = 0; i < 2 * scrub_case_count; i++) {
		bool holds = case_holds(&scrub_cases[i / 2], i % 2 == 0);

		if (!holds)
			printf("\n%s%s\n", scrub_cases[i / 2].response.says,
			       i % 2 == 0 ? "" : " (not compressed)");
		CU_ASSERT_TRUE(holds);
	}
}

/* The clean message is clean: scrubbed again it is what it was. */
static void scrub__leaves_nothing_to_scrub(void)
{
	static struct entry_message message;
	static uint8_t room[UINT16_MAX], more_room[UINT16_MAX];

	for (unsigned i = 0; i < scrub_case_count; i++) {
		const struct scrub_case *c = &scrub_cases[i];
		struct name zone = name_of(c->zone), qname = name_of(c->response.qname);
		struct scrub_question question = {&zone, &qname, c->response.qtype, true, true, 0};
		struct msg_response r, clean, again;
		struct scrubbed s, t;

		if (c->verdict >= SCRUB_REFERRAL)
			continue;
		entry_response(&c->response, true, &message);
		set_flags(c, &message);
		r = parsed(&message);
		scrub_response(&r, &question, &s);
		CU_ASSERT_TRUE_FATAL(scrub_clean(&r, &s, message.bytes,
						 (struct buffer){room, sizeof(room)}, &clean));
		scrub_response(&clean, &question, &t);
		CU_ASSERT_EQUAL(t.verdict, s.verdict);
		uint8_t *bytes = clean.message.data == message.bytes ? message.bytes : room;
		CU_ASSERT_TRUE_FATAL(scrub_clean(
			&clean, &t, bytes, (struct buffer){more_room, sizeof(more_room)}, &again));
		CU_ASSERT_TRUE(clean_is(c, &again));
	}
}

/* ---- what no line of a zone file says ---- */

static struct entry_message *message_of(const struct entry_case *c)
{
	static struct entry_message message;

	entry_response(c, true, &message);
	return &message;
}

static enum scrub_verdict verdict_of(const struct entry_message *message, const char *zone,
				     struct scrubbed *out)
{
	static struct msg_response r;
	struct name name = name_of(zone), qname;
	struct scrub_question question = {&name, &qname, 0, false, true, 0};

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	name_lower(&r.qname, &qname);
	question.qtype = r.qtype;
	scrub_response(&r, &question, out);
	return out->verdict;
}

static void scrub__takes_an_rrset_of_any_length_but_no_chain(void)
{
	static const struct entry_case one = {.says = "",
					      .qname = "www.example.com.",
					      .qtype = DNS_TYPE_A,
					      .answer = {"www.example.com. 60 A 192.0.2.1"}};
	static const struct entry_case chain = {
		.says = "",
		.qname = "www.example.com.",
		.qtype = DNS_TYPE_A,
		.answer = {"www.example.com. 60 CNAME a.example.com.",
			   "a.example.com. 60 A 192.0.2.1"}};
	enum { RECORD_BYTES = 16, OPT_BYTES = 11, COUNT = 1000 };
	static uint8_t room[UINT16_MAX];
	struct entry_message *message = message_of(&one);
	struct msg_response r, clean;
	struct scrubbed s;
	size_t at = message->length_bytes - OPT_BYTES;

	message->length_bytes = at;
	wire_put_u16(message->bytes + 10, 0);
	for (unsigned i = 1; i < COUNT; i++, message->length_bytes += RECORD_BYTES)
		memcpy(message->bytes + message->length_bytes,
		       message->bytes + message->length_bytes - RECORD_BYTES, RECORD_BYTES);
	wire_put_u16(message->bytes + 6, COUNT);
	CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s), SCRUB_ANSWER);
	CU_ASSERT_TRUE_FATAL(s.is_whole);
	r = parsed(message);
	CU_ASSERT_TRUE(scrub_clean(&r, &s, message->bytes, (struct buffer){room, 0}, &clean));
	CU_ASSERT_EQUAL(clean.answer_count, COUNT);
	/* Behind a link: as many as are kept, then one more. */
	for (unsigned extra = 0; extra < 2; extra++) {
		message = message_of(&chain);
		message->length_bytes -= OPT_BYTES;
		wire_put_u16(message->bytes + 10, 0);
		for (unsigned i = 2; i < SCRUB_RECORDS_MAX + extra;
		     i++, message->length_bytes += RECORD_BYTES)
			memcpy(message->bytes + message->length_bytes,
			       message->bytes + message->length_bytes - RECORD_BYTES, RECORD_BYTES);
		wire_put_u16(message->bytes + 6, (uint16_t)(SCRUB_RECORDS_MAX + extra));
		CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s),
				extra == 0 ? SCRUB_ANSWER : SCRUB_BROKEN);
	}
}

static void scrub__says_yxdomain_where_a_dname_makes_too_long_a_name(void)
{
	static uint8_t room[UINT16_MAX];
	char qname[300], dname[300];
	struct entry_case c = {.says = "", .qname = qname, .qtype = DNS_TYPE_A, .answer = {dname}};
	struct msg_response r, clean;
	struct scrubbed s;

	/* 200 bytes below the owner; a target of 55 is the longest that fits. */
	for (unsigned extra = 0; extra < 2; extra++) {
		struct entry_message *message;
		int length = 0;

		for (unsigned i = 0; i < 4; i++)
			length += snprintf(qname + length, sizeof(qname) - (size_t)length, "%049u.",
					   i);
		snprintf(qname + length, sizeof(qname) - (size_t)length, "example.com.");
		snprintf(dname, sizeof(dname), "example.com. 60 DNAME %0*u.", 53 + (int)extra, 1);
		for (unsigned yxdomain = 0; yxdomain < 1 + extra; yxdomain++) {
			c.rcode = yxdomain != 0 ? DNS_RCODE_YXDOMAIN : DNS_RCODE_NOERROR;
			message = message_of(&c);
			CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s),
					extra == 0 ? SCRUB_LINK : SCRUB_ANSWER);
			CU_ASSERT_EQUAL(s.rcode,
					extra == 0 ? DNS_RCODE_NOERROR : DNS_RCODE_YXDOMAIN);
			r = parsed(message);
			CU_ASSERT_TRUE_FATAL(scrub_clean(&r, &s, message->bytes,
							 (struct buffer){room, sizeof(room)},
							 &clean));
			CU_ASSERT_EQUAL(clean.answer_count, 2 - extra);
			CU_ASSERT_EQUAL(clean.flags & DNS_RCODE_MASK, s.rcode);
		}
	}
}

static void scrub__needs_room_for_what_it_rewrites(void)
{
	static const struct entry_case c = {.says = "",
					    .qname = "www.example.com.",
					    .qtype = DNS_TYPE_A,
					    .answer = {"a.example.com. 60 A 192.0.2.1",
						       "www.example.com. 60 CNAME a.example.com."}};
	static uint8_t room[UINT16_MAX];
	struct entry_message *message = message_of(&c);
	struct msg_response r = parsed(message), clean;
	struct scrubbed s;
	size_t needs;

	CU_ASSERT_EQUAL_FATAL(verdict_of(message, "example.com.", &s), SCRUB_ANSWER);
	CU_ASSERT_TRUE_FATAL(
		scrub_clean(&r, &s, message->bytes, (struct buffer){room, sizeof(room)}, &clean));
	needs = clean.message.length_bytes;
	for (size_t i = 0; i < needs; i++)
		CU_ASSERT_FALSE(
			scrub_clean(&r, &s, message->bytes, (struct buffer){room, i}, &clean));
	CU_ASSERT_TRUE(scrub_clean(&r, &s, message->bytes, (struct buffer){room, needs}, &clean));
}

/* An extended RCODE is not the one that its lower bits say. */
static void scrub__reads_the_whole_rcode(void)
{
	static const struct entry_case c = {.says = "",
					    .qname = "www.example.com.",
					    .qtype = DNS_TYPE_A,
					    .answer = {"www.example.com. 60 A 192.0.2.1"}};
	struct entry_message *message = message_of(&c);
	struct scrubbed s;

	message->bytes[message->length_bytes - 6] = 1;
	CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s), SCRUB_RCODE);
}

static const struct unit_test tests[] = {
	UNIT_TEST(scrub__judges_by_content),
	UNIT_TEST(scrub__leaves_nothing_to_scrub),
	UNIT_TEST(scrub__takes_an_rrset_of_any_length_but_no_chain),
	UNIT_TEST(scrub__says_yxdomain_where_a_dname_makes_too_long_a_name),
	UNIT_TEST(scrub__needs_room_for_what_it_rewrites),
	UNIT_TEST(scrub__reads_the_whole_rcode),
};
UNIT_SUITE(scrub, tests)
