/* A message's records in a form that can be compared whatever their order, compression and letter case: section, type,
 * class, owner and RDATA with names expanded and in lower case, TTL.
 *
 * For unit tests and fuzzers: it allocates, and what it reads was accepted by msg_parse_response.
 */
#ifndef PORTICO_CANONICAL_RECORDS_H
#define PORTICO_CANONICAL_RECORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/name.h"

struct canonical_record {
	uint8_t section;
	uint16_t type;
	uint16_t class;
	uint32_t ttl_s;
	size_t length_bytes;
	uint8_t *bytes; /* owner, then RDATA */
};

struct canonical_records {
	unsigned count;
	struct canonical_record *records;
};

static inline void canonical_put(struct canonical_record *c, const void *bytes, size_t length_bytes)
{
	memcpy(c->bytes + c->length_bytes, bytes, length_bytes);
	c->length_bytes += length_bytes;
}

static inline void canonical_put_name(struct canonical_record *c, struct span message, size_t *at)
{
	struct name name;

	CHECK(name_parse(message, at, &name) == NAME_OK);
	name_lower(&name, &name);
	canonical_put(c, name.bytes, name.length_bytes);
}

static inline struct canonical_record canonical_record(struct span message, unsigned section,
						       const struct msg_record *record)
{
	struct canonical_record c = {.section = (uint8_t)section,
				     .type = record->type,
				     .class = record->class_or_size,
				     .ttl_s = record->ttl_s};
	struct msg_rdata_layout layout = msg_rdata_layout(record->type);
	size_t at = record->owner_offset;

	c.bytes = malloc(3 * DNS_NAME_BYTES_MAX + record->rdata_length_bytes);
	CHECK(c.bytes != NULL);
	canonical_put_name(&c, message, &at);
	at = record->rdata_offset;
	if (layout.name_count != 0) {
		size_t names = at + layout.prefix_bytes;

		for (unsigned i = 0; i < layout.string_count; i++)
			names += 1 + (size_t)message.data[names];
		canonical_put(&c, message.data + at, names - at);
		at = names;
		for (unsigned i = 0; i < layout.name_count; i++)
			canonical_put_name(&c, message, &at);
	}
	canonical_put(&c, message.data + at, record->end_offset - at);
	return c;
}

static inline int canonical_compare(const void *left, const void *right)
{
	const struct canonical_record *a = left;
	const struct canonical_record *b = right;
	size_t common = a->length_bytes < b->length_bytes ? a->length_bytes : b->length_bytes;
	int order;

	if (a->section != b->section)
		return a->section < b->section ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	order = memcmp(a->bytes, b->bytes, common);
	if (order != 0)
		return order;
	if (a->length_bytes != b->length_bytes)
		return a->length_bytes < b->length_bytes ? -1 : 1;
	return a->ttl_s == b->ttl_s ? 0 : a->ttl_s < b->ttl_s ? -1 : 1;
}

/* All records but the OPT, sorted. Give them back with canonical_records_free. */
static inline struct canonical_records canonical_records(const struct msg_response *r)
{
	const unsigned counts[] = {r->answer_count, r->authority_count, r->additional_count};
	struct canonical_records all = {0, NULL};
	size_t at = r->records_offset;

	all.records = malloc((counts[0] + counts[1] + counts[2] + 1) * sizeof(*all.records));
	CHECK(all.records != NULL);
	for (unsigned section = 0; section < ARRAY_COUNT(counts); section++)
		for (unsigned i = 0; i < counts[section]; i++) {
			struct msg_record record;

			CHECK(msg_record_next(r->message, &at, &record));
			if (record.type != DNS_TYPE_OPT)
				all.records[all.count++] =
					canonical_record(r->message, section, &record);
		}
	qsort(all.records, all.count, sizeof(*all.records), canonical_compare);
	return all;
}

static inline void canonical_records_free(struct canonical_records *all)
{
	for (unsigned i = 0; i < all->count; i++)
		free(all->records[i].bytes);
	free(all->records);
	all->records = NULL;
}

/* The same but for TTLs, in the sections before section_count? */
static inline bool canonical_records_same(const struct canonical_records *a,
					  const struct canonical_records *b, unsigned section_count)
{
	unsigned i = 0;

	for (;; i++) {
		bool end_a = i == a->count || a->records[i].section >= section_count;
		bool end_b = i == b->count || b->records[i].section >= section_count;

		if (end_a || end_b)
			return end_a && end_b;

		struct canonical_record left = a->records[i];
		struct canonical_record right = b->records[i];

		left.ttl_s = right.ttl_s = 0;
		if (canonical_compare(&left, &right) != 0)
			return false;
	}
}

#endif
