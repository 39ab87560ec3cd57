/* Responses that match their query and parse: judged, cleaned, composed, kept.
 *
 * Input: byte 0: how it was asked (HOW_*) and how many labels of the question's name are below the zone, then the message.
 *
 * Promises that are checked: a clean message parses, has nothing from outside the zone but what a link's RDATA names, no
 * additional section, at most one SOA and no NS in its authority section; its answer section begins at the question's
 * name and each name in it was led to; scrubbed once more it is the same. A referral leads downwards, and is the same cut
 * whichever way it was read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/cache_entry.h"
#include "core/check.h"
#include "core/dns_const.h"
#include "core/msg_compose.h"
#include "core/msg_parse.h"
#include "core/msg_referral.h"
#include "core/scrub.h"
#include "core/zone_cut.h"

enum { HOW_RECURSIVE = 1, HOW_SAFE = 2, HOW_LABELS_SHIFT = 2 };

struct asked {
	struct name zone;
	struct name qname;
	struct scrub_question question;
};

static struct name owner_of(const struct msg_response *r, const struct msg_record *record)
{
	struct name name;
	size_t at = record->owner_offset;

	CHECK(name_parse(r->message, &at, &name) == NAME_OK);
	name_lower(&name, &name);
	return name;
}

static struct name target_of(const struct msg_response *r, const struct msg_record *record)
{
	struct name name;
	size_t at = record->rdata_offset;

	CHECK(name_parse(r->message, &at, &name) == NAME_OK);
	name_lower(&name, &name);
	return name;
}

/* The names of the chain that answers may stand at. */
struct chain {
	unsigned count;
	struct name names[LINKS_MAX + 2];
};

static bool is_in_chain(const struct chain *chain, const struct name *name)
{
	for (unsigned i = 0; i < chain->count; i++)
		if (name_equal(&chain->names[i], name))
			return true;
	return false;
}

static void check_answer(const struct msg_response *clean, const struct asked *asked,
			 const struct scrubbed *s, const struct msg_record *record,
			 struct chain *chain)
{
	struct name owner = owner_of(clean, record);

	CHECK(record->class_or_size == DNS_CLASS_IN);
	CHECK(name_is_below(&owner, &asked->zone));
	/* Only DNAMEs and their signatures stand above the names. */
	if (!is_in_chain(chain, &owner)) {
		CHECK(record->type == DNS_TYPE_DNAME || record->type == DNS_TYPE_RRSIG);
		CHECK(name_is_below(&chain->names[chain->count - 1], &owner) || chain->count > 1);
	} else if (record->type == DNS_TYPE_CNAME && chain->count <= s->links) {
		CHECK(name_equal(&chain->names[chain->count - 1], &owner));
		CHECK(chain->count < ARRAY_COUNT(chain->names));
		chain->names[chain->count++] = target_of(clean, record);
	}
}

static void check_authority(const struct msg_response *clean, const struct asked *asked,
			    const struct msg_record *record, unsigned *soa_count)
{
	struct name owner = owner_of(clean, record);

	CHECK(name_is_below(&owner, &asked->zone));
	CHECK(record->type == DNS_TYPE_SOA || record->type == DNS_TYPE_NSEC ||
	      record->type == DNS_TYPE_NSEC3 || record->type == DNS_TYPE_RRSIG);
	*soa_count += record->type == DNS_TYPE_SOA;
}

static void check_clean(const struct msg_response *clean, const struct asked *asked,
			const struct scrubbed *s)
{
	struct chain chain = {1, {asked->qname}};
	size_t at = clean->records_offset;
	unsigned soa_count = 0;
	struct msg_response again;
	struct msg_record record;

	CHECK(msg_parse_response(clean->message, &again) == MSG_RESPONSE_OK);
	CHECK(again.answer_count == clean->answer_count && again.flags == clean->flags &&
	      again.authority_count == clean->authority_count && again.additional_count == 0 &&
	      clean->additional_count == 0 &&
	      again.has_dnssec_records == clean->has_dnssec_records);
	CHECK((clean->flags & (DNS_FLAG_AA | DNS_FLAG_TC)) == 0);
	for (unsigned i = 0; i < clean->answer_count; i++) {
		CHECK(msg_record_next(clean->message, &at, &record));
		check_answer(clean, asked, s, &record, &chain);
	}
	for (unsigned i = 0; i < clean->authority_count; i++) {
		CHECK(msg_record_next(clean->message, &at, &record));
		check_authority(clean, asked, &record, &soa_count);
	}
	CHECK(at == clean->message.length_bytes);
	CHECK(soa_count == s->has_soa);
	CHECK(chain.count == s->links + 1u);
	CHECK(name_equal(&chain.names[chain.count - 1], &s->target));
}

/* Kept, as it would be; a cut of it likewise. */
static void check_kept(const struct msg_response *clean)
{
	const struct cache_entry_rules rules = {0, 86400, 3600};
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key, checked;
	unsigned word_count;
	struct name lower;

	memset(&key, 0, sizeof(key));
	name_lower(&clean->qname, &lower);
	cache_key_set(&key, clean->qtype, 0, false, lower.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, lower.bytes, lower.length_bytes);
	if (cache_entry_make(words, &word_count, &key, clean, &rules, 1) == CACHE_ENTRY_OK)
		CHECK(cache_entry_check(words, word_count, &checked));
}

static void check_composed(const struct msg_response *clean)
{
	struct buffer room = {malloc(UINT16_MAX), UINT16_MAX};
	struct msg_response whole;

	CHECK(room.data != NULL);
	if (msg_compose_chain(clean, clean, room, &whole)) {
		CHECK(whole.answer_count == 2 * clean->answer_count);
		CHECK(whole.authority_count == 2 * clean->authority_count);
		CHECK(name_equal_exact(&whole.qname, &clean->qname));
	}
	free(room.data);
}

static void check_again(const struct msg_response *clean, struct asked *asked,
			const struct scrubbed *before)
{
	struct scrubbed s;

	asked->question.is_recursive = true;
	asked->question.is_safe = true;
	if (clean->answer_count > SCRUB_RECORDS_MAX)
		return;
	scrub_response(clean, &asked->question, &s);
	/* What is said of no name at all may be taken for a link then, and the other way round. */
	CHECK(s.verdict == before->if_believed);
	CHECK(s.links == before->links && s.has_soa == before->has_soa);
	CHECK(name_equal(&s.target, &before->target));
}

static void check_believed(struct msg_response *r, uint8_t *message, struct asked *asked,
			   const struct scrubbed *s)
{
	struct buffer room = {malloc(UINT16_MAX), UINT16_MAX};
	struct msg_response clean;

	CHECK(room.data != NULL);
	if (scrub_clean(r, s, message, room, &clean)) {
		check_clean(&clean, asked, s);
		check_kept(&clean);
		check_composed(&clean);
		check_again(&clean, asked, s);
	}
	free(room.data);
}

static void check_referral(const struct msg_response *r, const struct asked *asked,
			   const struct scrubbed *s)
{
	struct zone_cut parent, cut;

	CHECK(s->target.length_bytes > asked->zone.length_bytes);
	CHECK(name_is_below(&s->target, &asked->zone) && name_is_below(&asked->qname, &s->target));
	zone_cut_init(&parent, &asked->zone, 0, 100);
	if (!zone_cut_from_referral(r, &s->target, &parent, 10, &cut))
		return;
	zone_cut_check(&cut);
	CHECK(cut.expires_at_s <= 100 && cut.server_count > 0);
	for (unsigned i = 0; i < cut.address_count; i++)
		CHECK(zone_cut_may_ask(&cut.addresses[i].endpoint.address));
}

static bool cut_of(const struct msg_response *r, const struct scrubbed *s,
		   const struct asked *asked, uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX],
		   size_t *packed_bytes)
{
	struct zone_cut parent, cut;

	zone_cut_init(&parent, &asked->zone, 0, 100);
	memset(&cut, 0xa5, sizeof(cut));
	if (!zone_cut_from_referral(r, &s->target, &parent, 10, &cut))
		return false;
	*packed_bytes = zone_cut_pack(&cut, (struct buffer){packed, ZONE_CUT_PACKED_BYTES_MAX});
	return true;
}

/* The short way of referrals comes to the same as the general one. */
static void check_either_way(struct span message, const struct asked *asked)
{
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX], noted_packed[ZONE_CUT_PACKED_BYTES_MAX];
	size_t packed_bytes = 0, noted_packed_bytes = 0;
	struct msg_response r, noted;
	struct msg_referral referral;
	struct scrubbed s, noted_s;
	bool has_cut;

	CHECK(msg_parse_response_any(message, &r) == MSG_RESPONSE_OK);
	CHECK(msg_parse_response_of(message, &r.qname, &referral, &noted) == MSG_RESPONSE_OK);
	CHECK(r.authority_count == noted.authority_count && r.flags == noted.flags &&
	      r.additional_count == noted.additional_count && r.opt_offset == noted.opt_offset &&
	      r.has_dnssec_records == noted.has_dnssec_records &&
	      r.has_ttl_over_max == noted.has_ttl_over_max);
	scrub_response(&r, &asked->question, &s);
	scrub_response(&noted, &asked->question, &noted_s);
	CHECK(s.verdict == noted_s.verdict && s.if_believed == noted_s.if_believed);
	CHECK(name_equal_exact(&s.target, &noted_s.target));
	if (s.verdict != SCRUB_REFERRAL)
		return;
	has_cut = cut_of(&r, &s, asked, packed, &packed_bytes);
	CHECK(cut_of(&noted, &s, asked, noted_packed, &noted_packed_bytes) == has_cut);
	CHECK(packed_bytes == noted_packed_bytes);
	CHECK(memcmp(packed, noted_packed, packed_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_response r;
	struct asked asked;
	struct scrubbed s;
	uint8_t *message;
	size_t at = 0;

	if (size < 1 || size - 1 > UINT16_MAX)
		return 0;
	message = malloc(size);
	CHECK(message != NULL);
	memcpy(message, data + 1, size - 1);
	if (msg_parse_response((struct span){message, size - 1}, &r) != MSG_RESPONSE_OK) {
		free(message);
		return 0;
	}
	name_lower(&r.qname, &asked.qname);
	for (unsigned labels = data[0] >> HOW_LABELS_SHIFT;
	     labels > 0 && asked.qname.bytes[at] != 0; labels--)
		at += 1 + (size_t)asked.qname.bytes[at];
	asked.zone.length_bytes = (uint8_t)(asked.qname.length_bytes - at);
	memcpy(asked.zone.bytes, asked.qname.bytes + at, asked.zone.length_bytes);
	asked.question = (struct scrub_question){&asked.zone,
						 &asked.qname,
						 r.qtype,
						 (data[0] & HOW_RECURSIVE) != 0,
						 (data[0] & HOW_SAFE) != 0,
						 0};
	check_either_way((struct span){message, size - 1}, &asked);
	memset(&s, 0xa5, sizeof(s));
	scrub_response(&r, &asked.question, &s);
	CHECK(s.verdict < SCRUB_VERDICT_COUNT && s.links <= LINKS_MAX);
	CHECK(s.verdict == s.if_believed || s.verdict == SCRUB_LAME);
	if (s.verdict == SCRUB_REFERRAL)
		check_referral(&r, &asked, &s);
	else if (s.if_believed < SCRUB_REFERRAL)
		check_believed(&r, message, &asked, &s);
	free(message);
	return 0;
}
