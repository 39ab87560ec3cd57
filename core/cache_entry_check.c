/* Entries that come from a file: nothing in them is believed. */
#include <string.h>

#include "cache_entry.h"
#include "cache_entry_layout.h"

struct checking {
	const uint8_t *content;
	size_t content_bytes;
	const struct cache_key *key;
	struct cache_head head;
	uint32_t ttl_s;         /* the least of the records' */
	uint32_t longest_ttl_s; /* of all */
};

/* A name as keys have it: labels only, up to the very end, no upper-case letter. */
static bool name_ok(const uint8_t *name, size_t length_bytes)
{
	size_t at = 0;

	while (at < length_bytes && name[at] != 0) {
		size_t end = at + 1 + (size_t)name[at];

		if (name[at] > DNS_LABEL_BYTES_MAX)
			return false;
		for (at++; at < end && at < length_bytes; at++)
			if (name[at] >= 'A' && name[at] <= 'Z')
				return false;
	}
	return at + 1 == length_bytes;
}

static bool take_key(const uint8_t *bytes, size_t length_bytes, struct cache_key *key)
{
	const uint8_t *image = bytes + CACHE_HEAD_WORDS * 8;
	size_t name_bytes = image[CACHE_KEY_NAME - 1];

	if (cache_entry_content_at((unsigned)name_bytes) > length_bytes ||
	    !name_ok(image + CACHE_KEY_NAME, name_bytes))
		return false;
	memset(key, 0, sizeof(*key));
	key->image_bytes = (uint16_t)(CACHE_KEY_NAME + name_bytes);
	memcpy(key->image, image, key->image_bytes);
	return true;
}

static bool ends_in_last_word(const struct checking *c, size_t used_bytes)
{
	return used_bytes <= c->content_bytes && c->content_bytes - used_bytes < 8;
}

static void take_ttl(struct checking *c, uint32_t ttl_s)
{
	if (ttl_s < c->ttl_s)
		c->ttl_s = ttl_s;
	if (ttl_s > c->longest_ttl_s)
		c->longest_ttl_s = ttl_s;
}

static bool compact_ok(struct checking *c)
{
	uint16_t qtype = cache_key_type(c->key);
	size_t record_bytes = cache_entry_compact_bytes(qtype);

	if (record_bytes == 0 || c->head.record_count == 0 || c->head.rcode != DNS_RCODE_NOERROR ||
	    !ends_in_last_word(c, c->head.record_count * record_bytes))
		return false;
	for (unsigned i = 0; i < c->head.record_count; i++) {
		const uint8_t *record = c->content + i * record_bytes;

		if (!cache_entry_is_compact_record(record, qtype, record_bytes))
			return false;
		take_ttl(c, wire_get_u32(record + CACHE_ENTRY_TTL));
	}
	return true;
}

static bool failure_ok(const struct checking *c)
{
	uint16_t rcode;

	if (!ends_in_last_word(c, CACHE_ENTRY_FAILURE_BYTES))
		return false;
	rcode = cache_entry_load_u16(c->content);
	return rcode <= 0xfff && (rcode & DNS_RCODE_MASK) == c->head.rcode;
}

/* The form as a message, which is written to bytes, read back: is it one, with the records that the form counts? */
static bool form_parses(const struct checking *c, const struct cache_form *form, uint8_t *bytes,
			struct msg_response *out)
{
	size_t name_bytes = (size_t)c->key->image_bytes - CACHE_KEY_NAME;
	uint8_t *p = bytes;

	wire_put_u16(p, 0);
	wire_put_u16(p + 2, DNS_FLAG_QR);
	wire_put_u16(p + 4, 1);
	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++)
		wire_put_u16(p + 6 + 2 * section, form->counts[section]);
	p += DNS_HEADER_BYTES;
	memcpy(p, c->key->image + CACHE_KEY_NAME, name_bytes);
	p += name_bytes;
	wire_put_u16(p, cache_key_type(c->key));
	wire_put_u16(p + 2, DNS_CLASS_IN);
	p += CACHE_ENTRY_QUESTION_FIXED_BYTES;
	memcpy(p, c->content + form->records_at, form->length_bytes);
	p += form->length_bytes;

	struct span message = {bytes, (size_t)(p - bytes)};

	return msg_parse_response(message, out) == MSG_RESPONSE_OK && !out->edns.present &&
	       !out->has_ttl_over_max &&
	       cache_entry_names_ok(message, out->records_offset, cache_form_count(form), false);
}

/* What of the form's rotation has been seen. */
struct turning {
	unsigned count;
	size_t from; /* the run's first byte in the message */
};

static bool turning_ok(const struct msg_response *r, const struct cache_form *form,
		       const struct turning *t, unsigned records_before)
{
	size_t end = t->from + (size_t)form->rotate_count * form->rotate_bytes;

	if (form->rotate_count == 0)
		return true;
	return t->count == form->rotate_count &&
	       !cache_entry_points_into(r->message, t->from,
					cache_form_count(form) - records_before, t->from, end);
}

/* Do the form's offsets say where its records have their TTLs, its sections and the records that may change places? */
static bool form_offsets_ok(struct checking *c, const struct msg_response *r,
			    const struct cache_form *form)
{
	const uint8_t *ttls = c->content + form->ttls_at;
	size_t first = r->records_offset;
	struct turning turning = {0, first + form->rotate_offset};
	unsigned before = 0;
	size_t offset = first;

	for (enum msg_section section = 0; section < MSG_SECTION_COUNT; section++) {
		if (section == MSG_SECTION_ADDITIONAL && form->additional_offset != offset - first)
			return false;
		for (unsigned i = 0; i < form->counts[section]; i++, ttls += 2) {
			struct msg_record record;

			cache_entry_record_next(r->message.data, &offset, &record);
			if (cache_entry_load_u16(ttls) !=
			    record.rdata_offset - CACHE_ENTRY_TTL_BEFORE_RDATA - first)
				return false;
			take_ttl(c, record.ttl_s);
			if (record.owner_offset < turning.from)
				before++;
			else if (section == MSG_SECTION_ANSWER &&
				 record.owner_offset == turning.from + (size_t)turning.count *
									       form->rotate_bytes &&
				 record.end_offset - record.owner_offset == form->rotate_bytes &&
				 turning.count < form->rotate_count)
				turning.count++;
		}
	}
	return turning_ok(r, form, &turning, before);
}

static bool form_ok(struct checking *c, const struct cache_form *form)
{
	uint8_t message[CACHE_ENTRY_BYTES_MAX]; /* an entry is longer than its form as a message */
	struct msg_response r;

	return cache_form_count(form) <= CACHE_ENTRY_RECORDS_MAX &&
	       (size_t)form->records_at + form->length_bytes <= c->content_bytes &&
	       form->ttls_at + 2 * (size_t)cache_form_count(form) <= c->content_bytes &&
	       form_parses(c, form, message, &r) && form_offsets_ok(c, &r, form);
}

static bool general_ok(struct checking *c)
{
	unsigned form_count = (c->head.flags & CACHE_ENTRY_TWO_FORMS) != 0 ? 2 : 1;
	size_t used_bytes = 0;

	if (c->content_bytes < form_count * sizeof(struct cache_form) ||
	    (c->head.rcode != DNS_RCODE_NOERROR && c->head.rcode != DNS_RCODE_NXDOMAIN))
		return false;
	for (unsigned i = 0; i < form_count; i++) {
		struct cache_form form = cache_entry_form(c->content, i);

		c->ttl_s = UINT32_MAX; /* the last form has all records */
		if (!form_ok(c, &form))
			return false;
		if (i + 1 == form_count && cache_form_count(&form) != c->head.record_count)
			return false;

		size_t end = (size_t)form.records_at + form.length_bytes;

		used_bytes = end > used_bytes ? end : used_bytes;
	}
	return ends_in_last_word(c, used_bytes);
}

/* An entry's TTL is its records', or, made stale, longer. */
static bool ttl_ok(const struct checking *c)
{
	if (c->ttl_s == 0 || c->longest_ttl_s > CACHE_TTL_S_MAX)
		return false;
	if ((c->head.flags & CACHE_ENTRY_MADE_STALE) != 0)
		return c->head.ttl_s >= c->ttl_s;
	return c->head.ttl_s == c->ttl_s;
}

bool cache_entry_check(const uint64_t words[], unsigned word_count, struct cache_key *key)
{
	const uint8_t *bytes = (const uint8_t *)words;
	struct checking c = {.key = key, .ttl_s = UINT32_MAX};
	unsigned shape;

	if (word_count <= CACHE_HEAD_WORDS || word_count > CACHE_ENTRY_WORDS_MAX)
		return false;
	c.head = cache_head_get(words);
	if (c.head.word_count != word_count || !take_key(bytes, (size_t)word_count * 8, key))
		return false;
	c.content = cache_entry_content(words);
	c.content_bytes = (size_t)(bytes + (size_t)word_count * 8 - c.content);
	shape = c.head.flags & (CACHE_ENTRY_COMPACT | CACHE_ENTRY_FAILURE | CACHE_ENTRY_TWO_FORMS);
	if ((c.head.flags & ~CACHE_ENTRY_FLAGS) != 0)
		return false;
	switch (shape) {
	case CACHE_ENTRY_COMPACT:
		return compact_ok(&c) && ttl_ok(&c);
	case CACHE_ENTRY_FAILURE:
		return (c.head.flags & CACHE_ENTRY_MADE_STALE) == 0 && failure_ok(&c);
	case 0:
	case CACHE_ENTRY_TWO_FORMS:
		return general_ok(&c) && ttl_ok(&c);
	default:
		return false;
	}
}
