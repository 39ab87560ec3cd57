#include "scrub.h"

#include <string.h>

#include "dns_const.h"
#include "msg_records.h"
#include "msg_referral.h"
#include "wire_cursor.h"

#define POINTER_TO_QUESTION (DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES)
#define PLAIN_RDATA 12 /* offset in a record whose owner is a pointer */

const char *const scrub_verdict_text[] = {
	[SCRUB_ANSWER] = "answer",
	[SCRUB_NODATA] = "no data",
	[SCRUB_NXDOMAIN] = "no such name",
	[SCRUB_LINK] = "leads elsewhere",
	[SCRUB_REFERRAL] = "referral",
	[SCRUB_UPWARD] = "referral upward or sideways",
	[SCRUB_LAME] = "lame",
	[SCRUB_LOOP] = "links that loop",
	[SCRUB_LINKS] = "too many links",
	[SCRUB_RCODE] = "rcode",
	[SCRUB_TCP] = "to be asked over TCP",
	[SCRUB_BROKEN] = "contradictory",
};
static_assert(ARRAY_COUNT(scrub_verdict_text) == SCRUB_VERDICT_COUNT, "a text each");

struct scrubbing {
	const struct msg_response *response;
	const struct scrub_question *question;
	struct scrubbed *out;
	size_t answers_end;   /* offset of the authority section */
	size_t kept_end;      /* offset behind the record kept last */
	bool is_rewritten;    /* what is kept is not the message's beginning */
	bool has_ns;          /* authority section: of any name, */
	bool has_soa_above;   /* of a zone that the one asked for lies in */
	bool has_referral;    /* of one below the zone, at or above the last of the chain: */
	struct name referral; /* that name */
	/* Of the chain; the last is names[out->links]. */
	struct name names[LINKS_MAX + 1];
};

static inline const struct name *current_name(const struct scrubbing *s)
{
	return &s->names[s->out->links];
}

/* Lower-case name at that offset, which the parser found good. */
static bool read_name(struct span message, size_t at, struct name *out)
{
	if (name_parse(message, &at, out) != NAME_OK)
		return false;
	name_lower(out, out);
	return true;
}

static bool owner_is(struct span message, const struct msg_record *record, const struct name *name)
{
	struct name owner;

	return read_name(message, record->owner_offset, &owner) && name_equal(&owner, name);
}

/* As no name comes twice in a chain, a pointer to the question is its first name only. */
static bool owner_is_current(const struct scrubbing *s, const struct msg_record *record)
{
	struct span message = s->response->message;

	if (wire_get_u16(message.data + record->owner_offset) == POINTER_TO_QUESTION)
		return s->out->links == 0;
	return owner_is(message, record, current_name(s));
}

/* The type that an RRSIG is for (RFC 4034 section 3.1.1). */
static uint16_t covered_type(struct span message, const struct msg_record *record)
{
	return wire_get_u16(message.data + record->rdata_offset);
}

/* As msg_response.has_dnssec_records counts them. */
static inline bool is_dnssec_type(uint16_t type)
{
	return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3;
}

/* Is a CNAME a link for this type? Else it is what was asked for. */
static bool has_links(uint16_t qtype)
{
	return qtype != DNS_TYPE_CNAME && qtype != DNS_TYPE_ANY;
}

/* ---- what is kept ---- */

static bool keep(struct scrubbing *s, const struct msg_record *record)
{
	struct scrubbed *out = s->out;
	unsigned count = out->answer_count + out->authority_count;

	if (count == SCRUB_RECORDS_MAX)
		return false;
	if (record->owner_offset != s->kept_end)
		s->is_rewritten = true;
	s->kept_end = record->end_offset;
	out->records[count] = record->owner_offset;
	return true;
}

/* Which records of the answer section, by owner and type. */
struct wanted {
	const struct name *owner;
	uint16_t type; /* DNS_TYPE_ANY: all */
	bool is_one;   /* only the first of them, and all RRSIGs of it */
};

static bool is_wanted(const struct scrubbing *s, const struct msg_record *record,
		      const struct wanted *wanted)
{
	struct span message = s->response->message;

	if (record->class_or_size != DNS_CLASS_IN)
		return false;
	if (record->type != wanted->type && wanted->type != DNS_TYPE_ANY &&
	    (record->type != DNS_TYPE_RRSIG || covered_type(message, record) != wanted->type))
		return false;
	if (wanted->owner == current_name(s))
		return owner_is_current(s, record);
	return owner_is(message, record, wanted->owner);
}

/* False: too many. */
static bool keep_answers(struct scrubbing *s, const struct wanted *wanted)
{
	size_t offset = s->response->records_offset;
	unsigned of_type = 0;
	uint32_t ttl_s = 0;

	for (unsigned i = 0; i < s->response->answer_count; i++) {
		struct msg_record record;

		msg_record_next_checked(s->response->message.data, &offset, &record);
		if (!is_wanted(s, &record, wanted))
			continue;
		if (record.type == wanted->type) {
			if (wanted->is_one && of_type > 0)
				continue;
			if (of_type++ > 0 && record.ttl_s != ttl_s)
				s->is_rewritten = true;
			ttl_s = record.ttl_s;
		}
		if (!keep(s, &record))
			return false;
		s->out->answer_count++;
		s->out->has_dnssec |= is_dnssec_type(record.type);
	}
	if (wanted->type == DNS_TYPE_ANY)
		s->is_rewritten = true;
	return true;
}

/* ---- links ---- */

/* What the answer section says of the name at hand. */
struct found {
	bool has_cname;
	bool has_dname;
	bool has_type; /* what was asked for */
	struct msg_record cname;
	struct msg_record dname; /* above the name */
	struct name dname_owner;
};

static void find_dname(const struct scrubbing *s, const struct msg_record *record,
		       struct found *found)
{
	const struct name *current = current_name(s);
	struct name owner;

	if (!read_name(s->response->message, record->owner_offset, &owner) ||
	    owner.length_bytes >= current->length_bytes || !name_is_below(current, &owner) ||
	    !name_is_below(&owner, s->question->zone))
		return;
	/* There is nothing below a DNAME: the highest counts. */
	if (found->has_dname && owner.length_bytes >= found->dname_owner.length_bytes)
		return;
	found->has_dname = true;
	found->dname = *record;
	name_copy(&found->dname_owner, &owner);
}

/* Also finds the section's end. False: a record that has no business there. */
static bool find(struct scrubbing *s, struct found *found)
{
	uint16_t qtype = s->question->qtype;
	size_t offset = s->response->records_offset;

	found->has_cname = found->has_dname = found->has_type = false;
	for (unsigned i = 0; i < s->response->answer_count; i++) {
		struct msg_record record;

		msg_record_next_checked(s->response->message.data, &offset, &record);
		if (record.class_or_size != DNS_CLASS_IN)
			return false;
		if (record.type == DNS_TYPE_DNAME)
			find_dname(s, &record, found);
		if (record.type != DNS_TYPE_CNAME && record.type != qtype && qtype != DNS_TYPE_ANY)
			continue;
		if (!owner_is_current(s, &record))
			continue;
		if (record.type != DNS_TYPE_CNAME || !has_links(qtype))
			found->has_type = true;
		if (record.type == DNS_TYPE_CNAME && !found->has_cname) {
			found->has_cname = true;
			found->cname = record;
		}
	}
	s->answers_end = offset;
	return true;
}

/* Go on to the name behind a link. ANSWER: done. */
static enum scrub_verdict go_to(struct scrubbing *s, const struct name *target)
{
	struct scrubbed *out = s->out;

	for (unsigned i = 0; i <= out->links; i++)
		if (name_equal(&s->names[i], target))
			return SCRUB_LOOP;
	if (out->links == LINKS_MAX)
		return SCRUB_LINKS;
	name_copy(&s->names[++out->links], target);
	return SCRUB_ANSWER;
}

/* The name below a DNAME's owner as it is below its target (RFC 6672 section 2.2). False: too long. */
static bool substitute(const struct name *name, const struct name *owner, const struct name *target,
		       struct name *out)
{
	size_t prefix_bytes = (size_t)name->length_bytes - owner->length_bytes;

	if (prefix_bytes + target->length_bytes > DNS_NAME_BYTES_MAX)
		return false;
	memcpy(out->bytes, name->bytes, prefix_bytes);
	memcpy(out->bytes + prefix_bytes, target->bytes, target->length_bytes);
	out->length_bytes = (uint8_t)(prefix_bytes + target->length_bytes);
	return true;
}

static bool is_among(const uint16_t *offsets, unsigned count, uint16_t offset)
{
	for (unsigned i = 0; i < count; i++)
		if (offsets[i] == offset)
			return true;
	return false;
}

/* The DNAME with its signatures, or, where it has led on before, its place in the chain. False: too many records. */
static bool keep_dname(struct scrubbing *s, const struct found *found)
{
	struct wanted wanted = {&found->dname_owner, DNS_TYPE_DNAME, true};
	struct scrubbed *out = s->out;

	if (!is_among(out->records, out->answer_count, found->dname.owner_offset))
		return keep_answers(s, &wanted);
	if (!keep(s, &found->dname))
		return false;
	out->answer_count++;
	return true;
}

/* What came of a link: the chain goes on (ANSWER, to a new name), or ends. */
static enum scrub_verdict follow_dname(struct scrubbing *s, const struct found *found)
{
	struct span message = s->response->message;
	struct name target, synthesised, cname;

	if (!s->question->is_safe)
		return SCRUB_TCP;
	if ((found->has_type && has_links(s->question->qtype)) ||
	    !read_name(message, found->dname.rdata_offset, &target) || !keep_dname(s, found))
		return SCRUB_BROKEN;
	s->is_rewritten = true;
	if (!substitute(current_name(s), &found->dname_owner, &target, &synthesised)) {
		s->out->rcode = DNS_RCODE_YXDOMAIN;
		return found->has_cname ? SCRUB_BROKEN : SCRUB_ANSWER;
	}
	if (found->has_cname && (!read_name(message, found->cname.rdata_offset, &cname) ||
				 !name_equal(&cname, &synthesised)))
		return SCRUB_BROKEN;
	return go_to(s, &synthesised);
}

static enum scrub_verdict follow_cname(struct scrubbing *s, const struct found *found)
{
	struct wanted wanted = {current_name(s), DNS_TYPE_CNAME, true};
	struct name target;

	if (!read_name(s->response->message, found->cname.rdata_offset, &target) ||
	    !keep_answers(s, &wanted))
		return SCRUB_BROKEN;
	return go_to(s, &target);
}

/* ---- the authority section ---- */

static void note_ns(struct scrubbing *s, const struct name *owner)
{
	const struct name *zone = s->question->zone;

	s->has_ns = true;
	if (s->has_referral || owner->length_bytes <= zone->length_bytes ||
	    !name_is_below(owner, zone) ||
	    (owner != current_name(s) && !name_is_below(current_name(s), owner)))
		return;
	s->has_referral = true;
	name_copy(&s->referral, owner);
}

/* Is the record, whose owner is in the zone, one that stays? Of a SOA: the first. */
static bool is_kept_authority(struct scrubbing *s, const struct msg_record *record,
			      const struct name *owner, bool negative)
{
	uint16_t type = record->type;

	if (type == DNS_TYPE_RRSIG) {
		type = covered_type(s->response->message, record);
		if (type == DNS_TYPE_SOA)
			return negative && name_is_below(current_name(s), owner);
	}
	if (type == DNS_TYPE_SOA) {
		if (!negative || s->out->has_soa || !name_is_below(current_name(s), owner))
			return false;
		s->out->has_soa = true;
		s->out->soa_offset = record->owner_offset;
		return true;
	}
	return type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3;
}

/* The record's owner, which is read into *room unless the question has it in lower case. NULL: cannot be. */
static const struct name *owner_of(const struct scrubbing *s, const struct msg_record *record,
				   struct name *room)
{
	struct span message = s->response->message;

	if (wire_get_u16(message.data + record->owner_offset) == POINTER_TO_QUESTION)
		return &s->names[0];
	return read_name(message, record->owner_offset, room) ? room : NULL;
}

static bool take_authority_record(struct scrubbing *s, const struct msg_record *record,
				  bool negative)
{
	const struct name *owner;
	struct name room;

	switch (record->type) {
	case DNS_TYPE_NS:
	case DNS_TYPE_SOA:
	case DNS_TYPE_NSEC:
	case DNS_TYPE_NSEC3:
	case DNS_TYPE_RRSIG:
		break;
	default:
		return true;
	}
	if (record->class_or_size != DNS_CLASS_IN)
		return true;
	owner = owner_of(s, record, &room);
	if (owner == NULL)
		return true;
	if (record->type == DNS_TYPE_NS) {
		note_ns(s, owner);
		return true;
	}
	if (!name_is_below(owner, s->question->zone)) {
		s->has_soa_above |=
			record->type == DNS_TYPE_SOA && name_is_below(s->question->zone, owner);
		return true;
	}
	if (!is_kept_authority(s, record, owner, negative))
		return true;
	if (!keep(s, record))
		return false;
	s->out->authority_count++;
	s->out->has_dnssec |= record->type != DNS_TYPE_SOA;
	return true;
}

/* Keep what there is to keep, find a referral, and see whether the message can stay as it is. False: too many records. */
static bool take_authority(struct scrubbing *s, bool negative)
{
	const struct msg_response *r = s->response;
	unsigned record_count = r->authority_count;
	size_t offset = s->answers_end;
	struct scrubbed *out = s->out;

	/* What is kept of a positive answer is for validators. */
	if (!negative && !r->has_dnssec_records)
		record_count = 0;
	if (record_count > SCRUB_SCANNED_MAX)
		return false;
	for (unsigned i = 0; i < record_count; i++) {
		struct msg_record record;

		msg_record_next_checked(r->message.data, &offset, &record);
		if (!take_authority_record(s, &record, negative))
			return false;
	}
	out->is_whole = !s->is_rewritten;
	out->end_offset = (uint16_t)s->kept_end;
	return true;
}

/* ---- verdicts ---- */

static unsigned rcode_of(const struct msg_response *r)
{
	return (unsigned)r->edns.extended_rcode << 4 | (r->flags & DNS_RCODE_MASK);
}

/* Nothing, but perhaps links to it, was said of the name at hand. */
static enum scrub_verdict judge_negative(struct scrubbing *s)
{
	const struct msg_response *r = s->response;
	bool is_nxdomain = rcode_of(r) == DNS_RCODE_NXDOMAIN;
	bool is_authoritative = (r->flags & DNS_FLAG_AA) != 0;

	if (!take_authority(s, true))
		return SCRUB_BROKEN;
	if (is_nxdomain) {
		s->out->rcode = DNS_RCODE_NXDOMAIN;
		return SCRUB_NXDOMAIN;
	}
	if (s->out->has_soa)
		return SCRUB_NODATA;
	if (s->out->links > 0)
		return SCRUB_LINK;
	if (r->answer_count > 0) /* of other names only, and nothing denies this one */
		return SCRUB_BROKEN;
	if (s->question->is_recursive) /* one that does not recurse refers */
		return s->has_ns && (r->flags & DNS_FLAG_RA) == 0 ? SCRUB_LAME : SCRUB_NODATA;
	if (s->has_referral)
		return SCRUB_REFERRAL;
	if (is_authoritative)
		return SCRUB_NODATA; /* RFC 2308 section 2.2, type 3 */
	return s->has_ns ? SCRUB_UPWARD : SCRUB_LAME;
}

static enum scrub_verdict judge_answer(struct scrubbing *s)
{
	struct wanted wanted = {current_name(s), s->question->qtype, false};

	if (rcode_of(s->response) == DNS_RCODE_NXDOMAIN || !keep_answers(s, &wanted) ||
	    !take_authority(s, false))
		return SCRUB_BROKEN;
	return SCRUB_ANSWER;
}

/* Along the chain, as if the server were authoritative. At most LINKS_MAX times round. */
static enum scrub_verdict judge_chain(struct scrubbing *s)
{
	uint16_t qtype = s->question->qtype;
	struct found found;

	if (s->response->answer_count > SCRUB_SCANNED_MAX)
		return SCRUB_BROKEN;
	for (;;) {
		enum scrub_verdict verdict;

		if (!find(s, &found))
			return SCRUB_BROKEN;
		/* These stand beside a CNAME (RFC 4034 sections 3 and 4). */
		if (found.has_type && (qtype == DNS_TYPE_RRSIG || qtype == DNS_TYPE_NSEC))
			found.has_cname = false;
		if (found.has_dname)
			verdict = follow_dname(s, &found);
		else if (found.has_cname && has_links(qtype))
			verdict = follow_cname(s, &found);
		else
			return found.has_type ? judge_answer(s) : judge_negative(s);
		if (verdict != SCRUB_ANSWER)
			return verdict;
		/* The CNAME that a DNAME makes is what was asked for, or it makes none. */
		if (!has_links(qtype) || s->out->rcode == DNS_RCODE_YXDOMAIN)
			return take_authority(s, false) ? SCRUB_ANSWER : SCRUB_BROKEN;
		if (!name_is_below(current_name(s), s->question->zone) ||
		    s->out->links == s->question->links_max)
			return take_authority(s, false) ? SCRUB_LINK : SCRUB_BROKEN;
	}
}

/* One RRset at the question's own name, and nothing else, in the answer section, with its signatures: most answers, and the only
 * ones that may be of any length. */
static inline bool is_plain(struct scrubbing *s)
{
	const struct msg_response *r = s->response;
	const uint8_t *data = r->message.data;
	uint16_t qtype = s->question->qtype;
	size_t at = r->records_offset;
	uint32_t ttl = 0;
	bool has_type = false;

	if (r->answer_count == 0 || qtype == DNS_TYPE_ANY || qtype == DNS_TYPE_CNAME ||
	    qtype == DNS_TYPE_RRSIG)
		return false;
	s->out->has_dnssec = is_dnssec_type(qtype);
	for (unsigned i = 0; i < r->answer_count; i++) {
		const uint8_t *p = data + at;
		uint16_t type;

		if (wire_get_u16(p) != POINTER_TO_QUESTION || wire_get_u16(p + 4) != DNS_CLASS_IN)
			return false;
		type = wire_get_u16(p + 2);
		if (type == qtype) {
			uint32_t this_ttl = wire_get_u32(p + 6);

			if (has_type && this_ttl != ttl)
				return false;
			ttl = this_ttl;
			has_type = true;
		} else if (type == DNS_TYPE_RRSIG && wire_get_u16(p + PLAIN_RDATA) == qtype) {
			s->out->has_dnssec = true;
		} else {
			return false;
		}
		at += PLAIN_RDATA + (size_t)wire_get_u16(p + PLAIN_RDATA - 2);
	}
	s->answers_end = at;
	return has_type;
}

/* The plain answer is whole, unless the authority section has proofs for it beside other things. */
static bool take_plain(struct scrubbing *s)
{
	struct scrubbed *out = s->out;

	if (!is_plain(s))
		return false;
	if (s->response->has_dnssec_records && s->response->authority_count > 0 &&
	    s->response->answer_count <= SCRUB_RECORDS_MAX)
		return false;
	out->answer_count = s->response->answer_count;
	out->end_offset = (uint16_t)s->answers_end;
	out->is_whole = true;
	return true;
}

static enum scrub_verdict judge(struct scrubbing *s)
{
	const struct msg_response *r = s->response;
	unsigned rcode = rcode_of(r);
	enum scrub_verdict verdict;

	if ((r->flags & DNS_FLAG_TC) != 0)
		return s->question->is_safe ? SCRUB_BROKEN : SCRUB_TCP;
	if (rcode == DNS_RCODE_NOERROR && take_plain(s))
		return SCRUB_ANSWER;
	if (rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN &&
	    rcode != DNS_RCODE_YXDOMAIN)
		return SCRUB_RCODE;
	s->out->has_dnssec = false;
	verdict = judge_chain(s);
	if (rcode == DNS_RCODE_YXDOMAIN && verdict < SCRUB_UPWARD &&
	    s->out->rcode != DNS_RCODE_YXDOMAIN)
		return SCRUB_RCODE;
	return verdict;
}

/* A server that has the zone above, but not the one that it was asked for as the server of? */
static bool is_denied_from_above(const struct scrubbing *s)
{
	return s->has_soa_above && !s->out->has_soa &&
	       (s->out->verdict == SCRUB_NODATA || s->out->verdict == SCRUB_NXDOMAIN);
}

static void scrubbed_begin(const struct msg_response *response, struct scrubbed *out)
{
	out->rcode = DNS_RCODE_NOERROR;
	out->links = 0;
	out->is_whole = out->has_soa = out->has_dnssec = false;
	out->answer_count = out->authority_count = 0;
	out->end_offset = out->soa_offset = response->records_offset;
}

/* What was found to be a referral when it was parsed, and is to a zone below the one that was asked? */
static bool is_referral(const struct msg_response *response, const struct scrub_question *question,
			struct scrubbed *out)
{
	const struct name *qname = question->qname;
	struct name *target = &out->target;
	size_t at;

	if (response->referral == NULL || question->is_recursive ||
	    rcode_of(response) != DNS_RCODE_NOERROR)
		return false;
	DCHECK(name_equal(qname, &response->qname));
	at = (size_t)response->referral->zone_offset - DNS_HEADER_BYTES;
	target->length_bytes = (uint8_t)(qname->length_bytes - at);
	bytes_copy(target->bytes, qname->bytes + at, target->length_bytes);
	if (target->length_bytes <= question->zone->length_bytes ||
	    !name_is_below(target, question->zone))
		return false;
	scrubbed_begin(response, out);
	out->verdict = out->if_believed = SCRUB_REFERRAL;
	return true;
}

void scrub_response(const struct msg_response *response, const struct scrub_question *question,
		    struct scrubbed *out)
{
	struct scrubbing s;

	if (is_referral(response, question, out))
		return;
	scrubbed_begin(response, out);
	s.response = response;
	s.question = question;
	s.out = out;
	s.answers_end = response->records_offset;
	s.kept_end = response->records_offset;
	s.is_rewritten = s.has_ns = s.has_referral = s.has_soa_above = false;
	name_copy(&s.names[0], question->qname);
	out->verdict = judge(&s);
	out->if_believed = out->verdict;
	if (out->verdict < SCRUB_REFERRAL && !question->is_recursive &&
	    ((response->flags & DNS_FLAG_AA) == 0 || is_denied_from_above(&s)))
		out->verdict = SCRUB_LAME;
	name_copy(&out->target, out->verdict == SCRUB_REFERRAL ? &s.referral : current_name(&s));
}

/* ---- the clean message ---- */

static void clean_header(uint8_t *message, const struct msg_response *r, const struct scrubbed *s,
			 unsigned answer_count)
{
	uint16_t flags =
		(uint16_t)((r->flags & (DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | DNS_FLAG_CD)) |
			   (s->rcode & DNS_RCODE_MASK));

	wire_put_u16(message, r->id);
	wire_put_u16(message + 2, flags);
	wire_put_u16(message + 4, 1);
	wire_put_u16(message + 6, (uint16_t)answer_count);
	wire_put_u16(message + 8, (uint16_t)s->authority_count);
	wire_put_u16(message + 10, 0);
}

static void clean_whole(const struct msg_response *response, const struct scrubbed *scrubbed,
			uint8_t *message, struct msg_response *clean)
{
	clean_header(message, response, scrubbed, scrubbed->answer_count);
	if (clean != response)
		msg_response_copy(clean, response);
	clean->message.length_bytes = scrubbed->end_offset;
	clean->flags = wire_get_u16(message + 2);
	clean->answer_count = (uint16_t)scrubbed->answer_count;
	clean->authority_count = (uint16_t)scrubbed->authority_count;
	clean->additional_count = 0;
	clean->opt_is_last = true;
	clean->opt_offset = scrubbed->end_offset;
	clean->has_dnssec_records = scrubbed->has_dnssec;
	clean->edns = (struct msg_edns){0};
	clean->referral = NULL;
}

/* What is written, record by record. */
struct cleaning {
	const struct msg_response *response;
	const struct scrubbed *scrubbed;
	struct msg_records writer;
	struct name name; /* of the chain */
	unsigned links;   /* followed */
	unsigned written; /* records, CNAMEs that were made included */
};

static bool read_record(const struct cleaning *c, unsigned record_idx, struct msg_record *out)
{
	size_t offset = c->scrubbed->records[record_idx];

	return msg_record_next(c->response->message, &offset, out);
}

/* The least of its RRset's. Of the same type, what is kept has few owners: they are compared last. */
static uint32_t rrset_ttl(const struct cleaning *c, unsigned from, unsigned to,
			  const struct msg_record *record)
{
	struct span message = c->response->message;
	uint32_t ttl_s = record->ttl_s;
	struct msg_record other;
	struct name owner;
	size_t at = record->owner_offset;

	if (record->type == DNS_TYPE_RRSIG || name_parse(message, &at, &owner) != NAME_OK)
		return ttl_s;
	for (unsigned i = from; i < to; i++)
		if (read_record(c, i, &other) && other.ttl_s < ttl_s &&
		    other.type == record->type && owner_is(message, &other, &owner))
			ttl_s = other.ttl_s;
	return ttl_s;
}

/* The record has been written: does it lead the chain to another name? */
static void follow_written(struct cleaning *c, const struct msg_record *record)
{
	struct span message = c->response->message;
	struct name owner, target, synthesised;
	size_t at = record->rdata_offset;

	if (c->links == c->scrubbed->links ||
	    (record->type != DNS_TYPE_CNAME && record->type != DNS_TYPE_DNAME) ||
	    name_parse(message, &at, &target) != NAME_OK ||
	    !read_name(message, record->owner_offset, &owner))
		return;
	c->links++;
	if (record->type == DNS_TYPE_CNAME) {
		name_copy(&c->name, &target);
		return;
	}
	if (!substitute(&c->name, &owner, &target, &synthesised))
		return;
	msg_records_write_cname(&c->writer, &c->name, record->ttl_s, &synthesised);
	c->written++;
	name_copy(&c->name, &synthesised);
}

static bool write_records(struct cleaning *c, unsigned from, unsigned to)
{
	const uint16_t *offsets = c->scrubbed->records;

	for (unsigned i = from; i < to; i++) {
		struct msg_record record;

		if (!read_record(c, i, &record))
			return false;
		record.ttl_s = rrset_ttl(c, from, to, &record);
		/* One DNAME may lead on more than once. */
		if (record.type != DNS_TYPE_DNAME || !is_among(offsets, i, offsets[i])) {
			msg_records_write(&c->writer, &record);
			c->written++;
		}
		follow_written(c, &record);
	}
	return c->writer.writer.ok;
}

bool scrub_clean(const struct msg_response *response, const struct scrubbed *scrubbed,
		 uint8_t *message, struct buffer out, struct msg_response *clean)
{
	unsigned answers = scrubbed->answer_count, answers_written;
	uint8_t *question_end = out.data + response->records_offset;
	struct cleaning c;

	CHECK(scrubbed->if_believed < SCRUB_REFERRAL);
	if (scrubbed->is_whole) {
		CHECK(message == response->message.data);
		clean_whole(response, scrubbed, message, clean);
		return true;
	}
	if (out.capacity_bytes < response->records_offset)
		return false;
	c.response = response;
	c.scrubbed = scrubbed;
	c.links = c.written = 0;
	name_copy(&c.name, &response->qname);
	msg_records_init(&c.writer, out, response, &response->qname);
	wire_put_u16(question_end - 4, response->qtype);
	wire_put_u16(question_end - 2, response->qclass);
	if (!write_records(&c, 0, answers))
		return false;
	answers_written = c.written;
	if (!write_records(&c, answers, answers + scrubbed->authority_count))
		return false;
	clean_header(out.data, response, scrubbed, answers_written);
	return msg_parse_response((struct span){out.data, c.writer.writer.offset}, clean) ==
	       MSG_RESPONSE_OK;
}
