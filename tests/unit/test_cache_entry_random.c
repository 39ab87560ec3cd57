/* Random responses: what is kept of them, and that answers out of the cache have the records, and the TTLs, that answers
 * straight from the response would have. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "canonical_records.h"
#include "core/cache_entry_layout.h"
#include "unit.h"

#define RESPONSES 3000
#define STORED_AT_S 0xffffff00u /* the clock wraps within a test */
#define LINE_BYTES 320

static unsigned long long state;

static unsigned pick(unsigned bound)
{
	return (unsigned)(unit_random(&state) % bound);
}

/* ---- responses ---- */

static const char *const names[] = {
	"example.",
	"www.example.",
	"WWW.Example.",
	"a.www.example.",
	"ns1.example.",
	"mail.EXAMPLE.",
	"net.",
	".",
	"cdn.a.net.",
	"x.cdn.a.net.",
	"\\000\\255.example.",
};

static const struct {
	uint16_t type;
	const char *text; /* %1$s is a name */
} kinds[] = {
	{1, "A 198.18.0.%2$u"},
	{1, "A 198.18.1.%2$u"},
	{28, "AAAA 2001:2::%2$u"},
	{2, "NS %1$s"},
	{5, "CNAME %1$s"},
	{6, "SOA %1$s h.example. 1 2 3 4 %2$u"},
	{15, "MX %2$u %1$s"},
	{16, "TXT \"text %2$u\""},
	{33, "SRV 1 2 %2$u %1$s"},
	{43, "DS %2$u 13 2 0011"},
	{46, "RRSIG A 13 2 300 20300101000000 20200101000000 %2$u %1$s AQIDBA=="},
	{47, "NSEC %1$s A NS RRSIG"},
	{50, "NSEC3 1 0 5 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A"},
	{65, "TYPE65 \\# 3 000100"},
};

struct random_case {
	struct entry_case c;
	char lines[3 * ENTRY_RIG_LINES][LINE_BYTES];
	unsigned used;
	bool has_zero;
};

static const char *random_line(struct random_case *r, bool of_question)
{
	static const uint32_t ttls[] = {1, 10, 60, 300, 3600, 90000, 0};
	char *line = r->lines[r->used++];
	char rdata[LINE_BYTES / 2];
	unsigned kind = pick(ARRAY_COUNT(kinds));
	const char *owner = of_question ? r->c.qname : names[pick(ARRAY_COUNT(names))];
	unsigned ttl = ttls[pick(pick(8) == 0 ? ARRAY_COUNT(ttls) : ARRAY_COUNT(ttls) - 1)];

	while (of_question && kinds[kind].type != r->c.qtype)
		kind = pick(ARRAY_COUNT(kinds));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(rdata, sizeof(rdata), kinds[kind].text, names[pick(ARRAY_COUNT(names))],
		 pick(200));
#pragma GCC diagnostic pop
	snprintf(line, LINE_BYTES, "%s %u %s", owner, ttl, rdata);
	return line;
}

static void random_case(struct random_case *r)
{
	const char **sections[] = {r->c.answer, r->c.authority, r->c.additional};

	memset(r, 0, sizeof(*r));
	r->c.qname = names[pick(ARRAY_COUNT(names))];
	r->c.qtype = kinds[pick(ARRAY_COUNT(kinds))].type;
	r->c.rcode = pick(5) == 0 ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
	for (unsigned section = 0; section < 3; section++) {
		unsigned count = pick(3) == 0 ? pick(ENTRY_RIG_LINES) : pick(3);

		for (unsigned i = 0; i < count; i++)
			sections[section][i] = random_line(r, section == 0 && pick(2) == 0);
	}
	/* Often all that stands there is what was asked for. */
	if (pick(3) == 0) {
		memset(r->c.authority, 0, sizeof(r->c.authority));
		memset(r->c.additional, 0, sizeof(r->c.additional));
		for (unsigned i = 0; r->c.answer[i] != NULL; i++) {
			r->used = i;
			r->c.answer[i] = random_line(r, true);
		}
	}
}

/* ---- what should come of them ---- */

static uint32_t within(const struct cache_entry_rules *rules, uint32_t ttl_s)
{
	ttl_s = ttl_s < rules->min_ttl_s ? rules->min_ttl_s : ttl_s;
	return ttl_s > rules->max_ttl_s ? rules->max_ttl_s : ttl_s;
}

static uint32_t soa_minimum(const struct canonical_record *record)
{
	return wire_get_u32(record->bytes + record->length_bytes - 4);
}

/* The TTLs that the entry must have, in place; returns the least. */
static uint32_t kept_ttls(struct canonical_records *records, const struct cache_entry_rules *rules,
			  bool negative)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < records->count; i++) {
		struct canonical_record *record = &records->records[i];

		if (negative && record->section == 1 && record->type == DNS_TYPE_SOA) {
			uint32_t minimum = within(rules, soa_minimum(record));

			record->ttl_s = within(rules, record->ttl_s);
			record->ttl_s = minimum < record->ttl_s ? minimum : record->ttl_s;
			if (record->ttl_s > rules->negative_max_ttl_s)
				record->ttl_s = rules->negative_max_ttl_s;
		} else {
			record->ttl_s = within(rules, record->ttl_s);
		}
		least = record->ttl_s < least ? record->ttl_s : least;
	}
	return least;
}

static bool is_negative(const struct entry_case *c, const struct canonical_records *records)
{
	if (c->rcode != DNS_RCODE_NOERROR)
		return true;
	for (unsigned i = 0; i < records->count; i++)
		if (records->records[i].section == 0 && records->records[i].type == c->qtype)
			return false;
	return true;
}

static enum cache_entry_make expected(const struct canonical_records *records, bool negative,
				      uint32_t ttl_s)
{
	bool has_soa = false;

	for (unsigned i = 0; i < records->count; i++)
		has_soa |= records->records[i].section == 1 &&
			   records->records[i].type == DNS_TYPE_SOA;
	if (negative && !has_soa)
		return CACHE_ENTRY_NO_SOA;
	return ttl_s == 0 ? CACHE_ENTRY_TTL_ZERO : CACHE_ENTRY_OK;
}

/* An answer to this client against msg_build_answer's. */
static void check_answer(const struct random_case *r, const struct msg_response *response,
			 const struct entry_made *made, const struct cache_entry_rules *rules,
			 bool negative)
{
	static struct entry_message got, want;
	struct cache_entry_answer asked = entry_asked(STORED_AT_S + pick(400));
	struct canonical_records ours, theirs;
	struct msg_response answer, reference;
	struct msg_reply_params params = {.qtype = response->qtype,
					  .qclass = response->qclass,
					  .recursion_available = true,
					  .qname = &response->qname,
					  .ede = DNS_EDE_NONE};

	asked.client.edns = pick(3) != 0;
	asked.client.dnssec_ok = asked.client.edns && pick(2) == 0;
	asked.rotation = pick(20);
	params.client = asked.client;
	CU_ASSERT_EQUAL_FATAL(msg_build_answer((struct buffer){want.bytes, sizeof(want.bytes)},
					       response, &params, &want.length_bytes),
			      MSG_ANSWER_OK);
	CU_ASSERT_FALSE(entry_answer(made->words, r->c.qname, asked, &got));
	answer = entry_parsed(&got);
	reference = entry_parsed(&want);
	CU_ASSERT_EQUAL(answer.flags, reference.flags);
	CU_ASSERT_EQUAL(answer.edns.present, reference.edns.present);
	CU_ASSERT_EQUAL(answer.edns.dnssec_ok, reference.edns.dnssec_ok);
	ours = canonical_records(&answer);
	theirs = canonical_records(&reference);
	kept_ttls(&theirs, rules, negative);
	for (unsigned i = 0; i < theirs.count; i++) {
		uint32_t age_s = asked.now_s - STORED_AT_S;
		uint32_t *ttl_s = &theirs.records[i].ttl_s;

		*ttl_s = *ttl_s > age_s ? *ttl_s - age_s : 0;
	}
	qsort(theirs.records, theirs.count, sizeof(*theirs.records), canonical_compare);
	CU_ASSERT_EQUAL_FATAL(ours.count, theirs.count);
	for (unsigned i = 0; i < ours.count; i++)
		CU_ASSERT_EQUAL(canonical_compare(&ours.records[i], &theirs.records[i]), 0);
	canonical_records_free(&ours);
	canonical_records_free(&theirs);
}

static void cache_entry__answers_as_the_response_would(void)
{
	static struct random_case r;
	static struct entry_message message;
	static struct entry_made made;
	unsigned kept = 0, refused = 0, compact = 0, two_forms = 0;

	state = unit_seed();
	for (unsigned i = 0; i < RESPONSES; i++) {
		struct cache_entry_rules rules = {pick(4) == 0 ? 30 : 0, pick(3) == 0 ? 200 : 86400,
						  100};
		struct canonical_records records;
		struct msg_response response;
		struct cache_key key;
		bool negative;
		uint32_t ttl_s;

		random_case(&r);
		entry_response(&r.c, pick(3) != 0, &message);
		response = entry_parsed(&message);
		entry_of_message(&message, &rules, STORED_AT_S, &made);
		records = canonical_records(&response);
		negative = is_negative(&r.c, &records);
		ttl_s = kept_ttls(&records, &rules, negative);
		CU_ASSERT_EQUAL_FATAL(made.result, expected(&records, negative, ttl_s));
		canonical_records_free(&records);
		if (made.result != CACHE_ENTRY_OK) {
			refused++;
			continue;
		}
		kept++;
		compact += (cache_head_get(made.words).flags & CACHE_ENTRY_COMPACT) != 0;
		two_forms += (cache_head_get(made.words).flags & CACHE_ENTRY_TWO_FORMS) != 0;
		CU_ASSERT_EQUAL(cache_head_get(made.words).ttl_s, ttl_s);
		CU_ASSERT_EQUAL(cache_entry_own_ttl_s(made.words), ttl_s);
		CU_ASSERT_TRUE(cache_entry_check(made.words, made.word_count, &key));
		for (unsigned client = 0; client < 6; client++)
			check_answer(&r, &response, &made, &rules, negative);
	}
	CU_ASSERT_TRUE(kept > RESPONSES / 4 && refused > RESPONSES / 10);
	CU_ASSERT_TRUE(compact > RESPONSES / 50 && two_forms > RESPONSES / 20);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_entry__answers_as_the_response_would),
};
UNIT_SUITE(cache_entry_random, tests)
