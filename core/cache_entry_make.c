/* An entry out of an upstream's response. */
#include <string.h>

#include "cache_entry.h"
#include "cache_entry_layout.h"
#include "dns_const.h"
#include "limits.h"

#define RRSET_RECORDS_MAX 128
#define SOA_MINIMUM_BYTES 4 /* the last of its RDATA */

/* What there is in the response, the OPT apart. */
struct survey {
	unsigned plain[MSG_SECTION_COUNT];
	unsigned dnssec[MSG_SECTION_COUNT];
	bool positive; /* the answer has what was asked for */
	bool has_soa;  /* in the authority section */
};

struct making {
	uint64_t *words;
	const struct cache_key *key;
	const struct msg_response *response;
	const struct cache_entry_rules *rules;
	uint16_t qtype;
	bool negative;
	struct survey survey;
	uint32_t ttl_s;    /* the least so far */
	size_t content_at; /* in the entry */
	size_t used_bytes; /* of the entry */
};

static unsigned total(const unsigned counts[MSG_SECTION_COUNT])
{
	return counts[0] + counts[1] + counts[2];
}

/* RFC 2181 section 8: the top bit set counts as 0. */
static uint32_t clamped(const struct cache_entry_rules *rules, uint32_t ttl_s)
{
	if ((ttl_s & CACHE_ENTRY_TTL_TOP_BIT) != 0)
		ttl_s = 0;
	if (ttl_s < rules->min_ttl_s)
		ttl_s = rules->min_ttl_s;
	return ttl_s < rules->max_ttl_s ? ttl_s : rules->max_ttl_s;
}

/* Head, and zeroes in what the last word has left. */
static void finish(const struct making *m, struct cache_head head, uint32_t now_s,
		   unsigned *word_count)
{
	size_t words = (m->used_bytes + 7) / 8;

	memset(cache_entry_bytes(m->words) + m->used_bytes, 0, words * 8 - m->used_bytes);
	head.word_count = (uint16_t)words;
	head.stored_at_s = now_s;
	head.ttl_s = m->ttl_s;
	cache_head_set(m->words, &head);
	*word_count = (unsigned)words;
}

static void copy_key(struct making *m)
{
	memcpy(m->words + CACHE_HEAD_WORDS, m->key->image, m->key->image_bytes);
	m->content_at = CACHE_HEAD_WORDS * 8 + m->key->image_bytes;
}

/* ---- compact ---- */

/* Records of an answer that has nothing else, if all are as the compact shape wants them. */
static bool make_compact(struct making *m, struct span records, unsigned record_count)
{
	size_t record_bytes = cache_entry_compact_bytes(m->qtype);
	uint8_t *to = cache_entry_bytes(m->words) + m->content_at;
	uint32_t least = UINT32_MAX;

	if (record_count == 0 || record_count > RRSET_RECORDS_MAX ||
	    records.length_bytes != record_count * record_bytes)
		return false;
	for (unsigned i = 0; i < record_count; i++) {
		const uint8_t *from = records.data + i * record_bytes;
		uint32_t ttl_s = clamped(m->rules, wire_get_u32(from + CACHE_ENTRY_TTL));

		if (!cache_entry_is_compact_record(from, m->qtype, record_bytes))
			return false;
		memcpy(to, from, CACHE_ENTRY_A_BYTES);
		if (record_bytes == CACHE_ENTRY_AAAA_BYTES)
			memcpy(to + CACHE_ENTRY_A_BYTES, from + CACHE_ENTRY_A_BYTES,
			       CACHE_ENTRY_AAAA_BYTES - CACHE_ENTRY_A_BYTES);
		wire_put_u32(to + CACHE_ENTRY_TTL, ttl_s);
		to += record_bytes;
		least = ttl_s < least ? ttl_s : least;
	}
	m->ttl_s = least;
	m->used_bytes = m->content_at + record_count * record_bytes;
	return true;
}

/* The response as it came, without looking at more of it than must be. */
static bool make_compact_at_once(struct making *m)
{
	const struct msg_response *r = m->response;
	struct span records = {r->message.data + r->records_offset,
			       (size_t)r->opt_offset - r->records_offset};

	if (cache_entry_compact_bytes(m->qtype) == 0 || r->authority_count != 0 ||
	    r->additional_count != r->edns.present)
		return false;
	return make_compact(m, records, r->answer_count);
}

/* ---- compact, at once ---- */

#define PLAIN_IMAGE_BYTES 64 /* the longest key that is copied in one piece */

/* The first six bytes of a compact record, as they lie in memory. */
static inline uint64_t compact_begins(uint16_t qtype)
{
	const uint8_t first[8] = {DNS_POINTER_FLAG, DNS_HEADER_BYTES,  (uint8_t)(qtype >> 8),
				  (uint8_t)qtype,   DNS_CLASS_IN >> 8, DNS_CLASS_IN};
	uint64_t word;

	memcpy(&word, first, sizeof(word));
	return word;
}

/* One record of so many bytes; its TTL, or 0: none, or it is not as it should be. */
static inline uint32_t put_plain(uint8_t *to, uint8_t *from, size_t record_bytes, uint64_t begins,
				 const struct cache_entry_rules *rules)
{
	const uint64_t begin_mask = (UINT64_C(1) << 8 * CACHE_ENTRY_TTL) - 1;
	uint32_t was_s = wire_get_u32(from + CACHE_ENTRY_TTL);
	uint32_t ttl_s = clamped(rules, was_s);
	uint64_t first;

	memcpy(&first, from, sizeof(first));
	if ((first & begin_mask) != begins ||
	    wire_get_u16(from + CACHE_ENTRY_TTL + 4) != record_bytes - (CACHE_ENTRY_A_BYTES - 4))
		return 0;
	if (UNLIKELY(ttl_s != was_s))
		wire_put_u32(from + CACHE_ENTRY_TTL, ttl_s);
	memcpy(to, from, CACHE_ENTRY_A_BYTES);
	if (record_bytes == CACHE_ENTRY_AAAA_BYTES)
		memcpy(to + CACHE_ENTRY_A_BYTES, from + CACHE_ENTRY_A_BYTES,
		       CACHE_ENTRY_AAAA_BYTES - CACHE_ENTRY_A_BYTES);
	return ttl_s;
}

bool cache_entry_make_plain(uint64_t words[], unsigned *word_count, const struct cache_key *key,
			    const struct msg_response *response, uint8_t *message,
			    const struct cache_entry_rules *rules, uint32_t now_s)
{
	uint16_t qtype = cache_key_type(key);
	size_t record_bytes = cache_entry_compact_bytes(qtype);
	unsigned record_count = response->answer_count;
	uint8_t *from = message + response->records_offset;
	uint8_t *to = cache_entry_bytes(words + CACHE_HEAD_WORDS) + key->image_bytes;
	struct cache_head head = {.stored_at_s = now_s,
				  .ttl_s = UINT32_MAX,
				  .record_count = (uint8_t)record_count,
				  .flags = CACHE_ENTRY_COMPACT};

	if (((response->flags & (DNS_FLAG_TC | DNS_RCODE_MASK)) | response->edns.extended_rcode |
	     response->authority_count) != 0 ||
	    response->additional_count != response->edns.present || record_count == 0 ||
	    record_count > RRSET_RECORDS_MAX || key->image_bytes > PLAIN_IMAGE_BYTES ||
	    record_count * record_bytes != (size_t)response->opt_offset - response->records_offset)
		return false;
	memcpy(words + CACHE_HEAD_WORDS, key->image, PLAIN_IMAGE_BYTES);
	for (unsigned i = 0; i < record_count; i++) {
		uint32_t ttl_s = put_plain(to, from, record_bytes, compact_begins(qtype), rules);

		if (UNLIKELY(ttl_s == 0))
			return false;
		head.ttl_s = ttl_s < head.ttl_s ? ttl_s : head.ttl_s;
		from += record_bytes;
		to += record_bytes;
	}
	memset(to, 0, sizeof(uint64_t)); /* what the last word has left */
	head.word_count =
		(uint16_t)((size_t)(to - cache_entry_bytes(words) + 7) / sizeof(uint64_t));
	cache_head_set(words, &head);
	*word_count = head.word_count;
	return true;
}

/* ---- what there is ---- */

/* More than 128 of one type among at most 255 are a majority: who leads by Boyer and Moore's vote, then is counted. */
static bool one_type_is_too_many(const struct msg_response *response, unsigned record_count)
{
	size_t offset = response->records_offset;
	struct msg_record record;
	unsigned votes = 0, of_type = 0;
	uint16_t type = 0;

	for (unsigned i = 0; i < record_count; i++) {
		cache_entry_record_next(response->message.data, &offset, &record);
		if (votes == 0)
			type = record.type;
		votes = record.type == type ? votes + 1 : votes - 1;
	}
	offset = response->records_offset;
	for (unsigned i = 0; i < record_count; i++) {
		cache_entry_record_next(response->message.data, &offset, &record);
		of_type += record.type == type;
	}
	return of_type > RRSET_RECORDS_MAX;
}

static void take_stock(struct making *m)
{
	const struct msg_response *r = m->response;
	const unsigned counts[] = {r->answer_count, r->authority_count, r->additional_count};
	struct survey *s = &m->survey;
	size_t offset = r->records_offset;

	*s = (struct survey){.positive = false};
	for (enum msg_section section = 0; section < MSG_SECTION_COUNT; section++) {
		for (unsigned i = 0; i < counts[section]; i++) {
			struct msg_record record;

			cache_entry_record_next(r->message.data, &offset, &record);
			if (record.type == DNS_TYPE_OPT)
				continue;
			if (msg_records_is_dnssec(section, record.type, m->qtype))
				s->dnssec[section]++;
			else
				s->plain[section]++;
			if (section == MSG_SECTION_ANSWER)
				s->positive |= record.type == m->qtype || m->qtype == DNS_TYPE_ANY;
			if (section == MSG_SECTION_AUTHORITY)
				s->has_soa |= record.type == DNS_TYPE_SOA;
		}
	}
}

/* Do all plain records come before all DNSSEC ones once each section has them last? */
static bool plain_is_beginning(const struct survey *s)
{
	bool seen = false;

	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++) {
		if (seen && s->plain[section] != 0)
			return false;
		seen |= s->dnssec[section] != 0;
	}
	return true;
}

/* ---- records into their shape ---- */

struct rebuilt {
	struct msg_records records;
	uint8_t message
		[CACHE_ENTRY_BYTES_MAX]; /* as long as an entry: its records stand further in there than here */
};

/* Records of one kind of the section that begins at *offset; moves it past the section. */
static void rebuild_kind(struct making *m, struct msg_records *records, enum msg_section section,
			 bool dnssec, size_t *offset)
{
	const struct msg_response *r = m->response;
	const unsigned counts[] = {r->answer_count, r->authority_count, r->additional_count};

	for (unsigned i = 0; i < counts[section]; i++) {
		struct msg_record record;

		cache_entry_record_next(r->message.data, offset, &record);
		if (record.type != DNS_TYPE_OPT &&
		    msg_records_is_dnssec(section, record.type, m->qtype) == dnssec)
			msg_records_write(records, &record);
	}
}

/* The plain records, or all with DNSSEC's last in each section. *message: from its header on, with no header written. */
static bool rebuild(struct making *m, struct rebuilt *b, bool dnssec, struct span *message)
{
	size_t begin = m->response->records_offset;

	msg_records_init(&b->records, (struct buffer){b->message, sizeof(b->message)}, m->response,
			 &m->response->qname);
	for (enum msg_section section = 0; section < MSG_SECTION_COUNT; section++) {
		size_t end = begin;

		rebuild_kind(m, &b->records, section, false, &end);
		if (dnssec && m->survey.dnssec[section] != 0)
			rebuild_kind(m, &b->records, section, true, &begin);
		begin = end;
	}
	*message = (struct span){b->message, b->records.writer.offset};
	return b->records.writer.ok;
}

/* ---- general ---- */

/* The run of like records that the plain part of the answer section ends with. */
struct run {
	size_t from;
	size_t record_bytes;
	size_t owner_bytes;
	unsigned count;
};

static void run_on(struct run *run, const uint8_t *message, const struct msg_record *record)
{
	const uint8_t *owner = message + record->owner_offset;
	size_t bytes = (size_t)record->end_offset - record->owner_offset;
	/* Owner, type and class are one after the other. */
	size_t same =
		(size_t)record->rdata_offset - CACHE_ENTRY_TTL_BEFORE_RDATA - record->owner_offset;

	if (run->count != 0 && run->record_bytes == bytes && run->owner_bytes == same &&
	    memcmp(owner, owner - bytes, same) == 0) {
		run->count++;
		return;
	}
	*run = (struct run){record->owner_offset, bytes, same, 1};
}

static uint32_t ttl_of(const struct making *m, const uint8_t *message, enum msg_section section,
		       const struct msg_record *record)
{
	uint32_t minimum, ttl_s;

	if (!m->negative || section != MSG_SECTION_AUTHORITY || record->type != DNS_TYPE_SOA)
		return clamped(m->rules, record->ttl_s);
	/* RFC 2308 section 5. */
	minimum = clamped(m->rules, wire_get_u32(message + record->end_offset - SOA_MINIMUM_BYTES));
	ttl_s = clamped(m->rules, record->ttl_s);
	if (minimum < ttl_s)
		ttl_s = minimum;
	return ttl_s < m->rules->negative_max_ttl_s ? ttl_s : m->rules->negative_max_ttl_s;
}

/* What a walk over a form's records finds out. */
struct walk {
	struct cache_form form;
	size_t plain_end; /* behind plain_count records */
	unsigned plain_count;
	unsigned plain_answers;
};

/* Copy the records behind message[records_offset..) to where form.records_at says, and write their TTLs and these offsets.
 * form.counts are those of the message. */
static void lay_records(struct making *m, struct span message, struct walk *w)
{
	uint8_t *content = cache_entry_bytes(m->words) + m->content_at;
	size_t first = m->response->records_offset;
	struct cache_form *form = &w->form;
	uint8_t *records = content + form->records_at;
	uint8_t *ttls = content + form->ttls_at;
	struct run run = {.count = 0};
	size_t offset = first;
	unsigned done = 0;

	form->length_bytes = (uint16_t)(message.length_bytes - first);
	memcpy(records, message.data + first, form->length_bytes);
	w->plain_end = first;
	for (enum msg_section section = 0; section < MSG_SECTION_COUNT; section++) {
		if (section == MSG_SECTION_ADDITIONAL)
			form->additional_offset = (uint16_t)(offset - first);
		for (unsigned i = 0; i < form->counts[section]; i++) {
			struct msg_record record;

			cache_entry_record_next(message.data, &offset, &record);

			uint32_t ttl_s = ttl_of(m, message.data, section, &record);
			uint16_t ttl_offset = (uint16_t)(record.rdata_offset -
							 CACHE_ENTRY_TTL_BEFORE_RDATA - first);

			wire_put_u32(records + ttl_offset, ttl_s);
			memcpy(ttls, &ttl_offset, sizeof(ttl_offset));
			ttls += sizeof(ttl_offset);
			m->ttl_s = ttl_s < m->ttl_s ? ttl_s : m->ttl_s;
			if (section == MSG_SECTION_ANSWER && i < w->plain_answers)
				run_on(&run, message.data, &record);
			if (++done == w->plain_count)
				w->plain_end = offset;
		}
	}
	form->rotate_count = 0;
	if (run.count >= 2 &&
	    !cache_entry_points_into(message, run.from, done - (w->plain_answers - run.count),
				     run.from, run.from + run.count * run.record_bytes)) {
		form->rotate_offset = (uint16_t)(run.from - first);
		form->rotate_bytes = (uint16_t)run.record_bytes;
		form->rotate_count = (uint8_t)run.count;
	}
}

/* The next form, whose records and TTL offsets go behind what there is; false: too long. */
static bool lay_form(struct making *m, struct span message,
		     const unsigned counts[MSG_SECTION_COUNT], struct walk *w)
{
	size_t at = m->used_bytes - m->content_at;
	size_t ttls = 2 * (size_t)total(counts);
	size_t records = message.length_bytes - m->response->records_offset;

	if (m->used_bytes + ttls + records > CACHE_ENTRY_BYTES_MAX)
		return false;
	w->form = (struct cache_form){.ttls_at = (uint16_t)at, .records_at = (uint16_t)(at + ttls)};
	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++)
		w->form.counts[section] = (uint8_t)counts[section];
	w->plain_count = total(m->survey.plain);
	w->plain_answers = m->survey.plain[MSG_SECTION_ANSWER];
	m->used_bytes += ttls + records;
	lay_records(m, message, w);
	return true;
}

static void put_form(struct making *m, unsigned form_idx, const struct cache_form *form)
{
	memcpy(cache_entry_bytes(m->words) + m->content_at + form_idx * sizeof(*form), form,
	       sizeof(*form));
}

/* The plain form as the beginning of the full one. */
static struct cache_form beginning_of(const struct making *m, const struct walk *full)
{
	struct cache_form plain = full->form;

	plain.length_bytes = (uint16_t)(full->plain_end - m->response->records_offset);
	if (plain.additional_offset > plain.length_bytes)
		plain.additional_offset = plain.length_bytes;
	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++)
		plain.counts[section] = (uint8_t)m->survey.plain[section];
	return plain;
}

/* Records with DNSSEC's among them: two forms. */
static bool make_two_forms(struct making *m, struct rebuilt *b)
{
	const struct survey *s = &m->survey;
	unsigned all[MSG_SECTION_COUNT];
	struct cache_form plain;
	struct walk full, alone;
	struct span message;

	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++)
		all[section] = s->plain[section] + s->dnssec[section];
	m->used_bytes = m->content_at + 2 * sizeof(struct cache_form);
	if (!rebuild(m, b, true, &message) || !lay_form(m, message, all, &full))
		return false;
	if (plain_is_beginning(s)) {
		plain = beginning_of(m, &full);
	} else {
		if (!rebuild(m, b, false, &message) || !lay_form(m, message, s->plain, &alone))
			return false;
		plain = alone.form;
	}
	put_form(m, 0, &plain);
	put_form(m, 1, &full.form);
	return true;
}

static bool make_one_form(struct making *m, struct span message)
{
	struct walk walk;

	m->used_bytes = m->content_at + sizeof(struct cache_form);
	if (!lay_form(m, message, m->survey.plain, &walk))
		return false;
	put_form(m, 0, &walk.form);
	return true;
}

/* Everything but an answer that came in the compact shape. *flags: how it was made. */
static bool make_general(struct making *m, uint8_t *flags)
{
	const struct msg_response *r = m->response;
	struct span as_it_is = {r->message.data, r->opt_offset};
	unsigned record_count = total(m->survey.plain);
	struct rebuilt b;

	*flags = 0;
	if (total(m->survey.dnssec) != 0) {
		*flags = CACHE_ENTRY_TWO_FORMS;
		return make_two_forms(m, &b);
	}
	if (r->opt_is_last && as_it_is.length_bytes <= CACHE_ENTRY_BYTES_MAX &&
	    cache_entry_names_ok(as_it_is, r->records_offset, record_count, true))
		return make_one_form(m, as_it_is);

	struct span message;

	if (!rebuild(m, &b, false, &message))
		return false;
	if (!m->negative && record_count == m->survey.plain[MSG_SECTION_ANSWER] &&
	    make_compact(m,
			 (struct span){message.data + r->records_offset,
				       message.length_bytes - r->records_offset},
			 record_count)) {
		*flags = CACHE_ENTRY_COMPACT;
		return true;
	}
	m->ttl_s = UINT32_MAX;
	return make_one_form(m, message);
}

enum cache_entry_make cache_entry_make(uint64_t words[], unsigned *word_count,
				       const struct cache_key *key,
				       const struct msg_response *response,
				       const struct cache_entry_rules *rules, uint32_t now_s)
{
	struct making m = {.words = words, .key = key, .response = response, .rules = rules};
	unsigned rcode =
		(unsigned)response->edns.extended_rcode << 4 | (response->flags & DNS_RCODE_MASK);
	struct cache_head head = {.rcode = (uint8_t)rcode};

	CHECK(key->image_bytes == CACHE_KEY_NAME + response->qname.length_bytes);
	if ((response->flags & DNS_FLAG_TC) != 0)
		return CACHE_ENTRY_TRUNCATED;
	if (rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN)
		return CACHE_ENTRY_RCODE;
	m.qtype = cache_key_type(key);
	m.ttl_s = UINT32_MAX;
	copy_key(&m);
	if (rcode == DNS_RCODE_NOERROR && make_compact_at_once(&m)) {
		head.flags = CACHE_ENTRY_COMPACT;
		head.record_count = (uint8_t)response->answer_count;
	} else {
		take_stock(&m);

		unsigned record_count = total(m.survey.plain) + total(m.survey.dnssec);

		m.negative = rcode == DNS_RCODE_NXDOMAIN || !m.survey.positive;
		if (m.negative && !m.survey.has_soa)
			return CACHE_ENTRY_NO_SOA;
		if (record_count > CACHE_ENTRY_RECORDS_MAX ||
		    (record_count > RRSET_RECORDS_MAX &&
		     one_type_is_too_many(response, record_count + response->edns.present)))
			return CACHE_ENTRY_TOO_MANY;
		if (!make_general(&m, &head.flags))
			return CACHE_ENTRY_TOO_LONG;
		head.record_count = (uint8_t)record_count;
	}
	if (m.ttl_s == 0)
		return CACHE_ENTRY_TTL_ZERO;
	finish(&m, head, now_s, word_count);
	return CACHE_ENTRY_OK;
}
