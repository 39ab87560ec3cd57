/* How the bytes of an entry stand behind its head and its key's image: for cache_entry*.c alone.
 *
 *   compact   (CACHE_ENTRY_COMPACT) head.record_count records of 16 bytes (A) or 28 (AAAA), each `c00c type IN ttl length rdata`
 *   failure   (CACHE_ENTRY_FAILURE) two 16-bit numbers: rcode, EDE
 *   cut       (CACHE_ENTRY_CUT) what zone_cut_pack makes
 *   general   one struct cache_form, or two (CACHE_ENTRY_TWO_FORMS: without and with DNSSEC records); the offsets of
 *             the TTLs, 16 bits each; records. Where the plain form is a beginning of the full one they share both.
 *
 * Numbers are in host order, those in records in the network's. Nothing is aligned. Offsets of records hold behind any
 * question of the key's name, as all such questions have one length.
 */
#ifndef PORTICO_CACHE_ENTRY_LAYOUT_H
#define PORTICO_CACHE_ENTRY_LAYOUT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cache.h"
#include "cache_key.h"
#include "check.h"
#include "dns_const.h"
#include "msg_parse.h"
#include "msg_records.h"
#include "wire_cursor.h"

/* Flags of the head. */
#define CACHE_ENTRY_COMPACT 0x01u
#define CACHE_ENTRY_FAILURE 0x02u
/* 0x04u: CACHE_ENTRY_MADE_STALE (cache_entry.h) */
#define CACHE_ENTRY_TWO_FORMS 0x08u
#define CACHE_ENTRY_CUT 0x10u
#define CACHE_ENTRY_FLAGS 0x0fu /* of what is served, and kept in files */

#define CACHE_ENTRY_RECORDS_MAX 255
#define CACHE_ENTRY_QUESTION_FIXED_BYTES 4
#define CACHE_ENTRY_A_BYTES 16
#define CACHE_ENTRY_AAAA_BYTES 28
#define CACHE_ENTRY_TTL 6 /* offset in a compact record */
/* From a record's RDATA back to its TTL: the TTL itself and RDLENGTH. */
#define CACHE_ENTRY_TTL_BEFORE_RDATA 6
#define CACHE_ENTRY_FAILURE_BYTES 4
#define CACHE_ENTRY_RECORD_FIXED_BYTES 10 /* type, class, TTL, RDLENGTH */
#define CACHE_ENTRY_TTL_TOP_BIT UINT32_C(0x80000000)

/* One way to answer. Offsets: *_at of the content, *_offset of the form's first record. */
struct cache_form {
	uint16_t records_at;
	uint16_t length_bytes;
	uint16_t ttls_at;           /* as many as records */
	uint16_t additional_offset; /* where the additional section begins */
	uint16_t rotate_offset; /* of the answer's last RRset, if its records may change places */
	uint16_t rotate_bytes;  /* of one of its records */
	uint8_t rotate_count;   /* 0: they may not */
	uint8_t counts[MSG_SECTION_COUNT];
};
static_assert(sizeof(struct cache_form) == 16, "no padding: it is copied as bytes");

static inline uint8_t *cache_entry_bytes(uint64_t words[])
{
	return (uint8_t *)words;
}

static inline const uint8_t *cache_entry_image(const uint64_t words[])
{
	return (const uint8_t *)(words + CACHE_HEAD_WORDS);
}

/* Offset of the content in the entry, from the length of the key's name. */
static inline size_t cache_entry_content_at(unsigned name_bytes)
{
	return CACHE_HEAD_WORDS * 8 + CACHE_KEY_NAME + (size_t)name_bytes;
}

static inline const uint8_t *cache_entry_content(const uint64_t words[])
{
	return (const uint8_t *)words +
	       cache_entry_content_at(cache_entry_image(words)[CACHE_KEY_NAME - 1]);
}

static inline size_t cache_entry_question_end(unsigned name_bytes)
{
	return DNS_HEADER_BYTES + (size_t)name_bytes + CACHE_ENTRY_QUESTION_FIXED_BYTES;
}

static inline unsigned cache_form_count(const struct cache_form *form)
{
	return (unsigned)form->counts[MSG_SECTION_ANSWER] + form->counts[MSG_SECTION_AUTHORITY] +
	       form->counts[MSG_SECTION_ADDITIONAL];
}

static inline uint16_t cache_entry_load_u16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline struct cache_form cache_entry_form(const uint8_t *content, unsigned form_idx)
{
	struct cache_form form;

	memcpy(&form, content + form_idx * sizeof(form), sizeof(form));
	return form;
}

/* The record's own bytes at the question's name, as a compact entry has them? */
static inline bool cache_entry_is_compact_record(const uint8_t *record, uint16_t qtype,
						 size_t record_bytes)
{
	return wire_get_u32(record) ==
		       ((uint32_t)(DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES) << 16 | qtype) &&
	       wire_get_u16(record + 4) == DNS_CLASS_IN &&
	       wire_get_u16(record + 10) == record_bytes - (CACHE_ENTRY_A_BYTES - 4);
}

/* Bytes of a compact record of this type; 0: no such. */
static inline size_t cache_entry_compact_bytes(uint16_t qtype)
{
	return qtype == DNS_TYPE_A      ? CACHE_ENTRY_A_BYTES
	       : qtype == DNS_TYPE_AAAA ? CACHE_ENTRY_AAAA_BYTES
					: 0;
}

/* msg_record_next for a message whose names have been checked: by msg_parse_response, or as we wrote them. */
static inline void cache_entry_record_next(const uint8_t *message, size_t *offset,
					   struct msg_record *out)
{
	size_t at = *offset;

	while (message[at] != 0 && message[at] < DNS_POINTER_FLAG)
		at += 1 + (size_t)message[at];
	at += message[at] == 0 ? 1 : 2;

	const uint8_t *fixed = message + at;

	out->owner_offset = (uint16_t)*offset;
	out->type = wire_get_u16(fixed);
	out->class_or_size = wire_get_u16(fixed + 2);
	out->ttl_s = wire_get_u32(fixed + 4);
	if ((out->ttl_s & CACHE_ENTRY_TTL_TOP_BIT) != 0)
		out->ttl_s = 0; /* RFC 2181 section 8 */
	out->rdata_length_bytes = wire_get_u16(fixed + 8);
	out->rdata_offset = (uint16_t)(at + CACHE_ENTRY_RECORD_FIXED_BYTES);
	out->end_offset = (uint16_t)(out->rdata_offset + out->rdata_length_bytes);
	*offset = out->end_offset;
}

/* The least TTL among an entry's records, which was its own when it was made. Not of a failure. */
uint32_t cache_entry_own_ttl_s(const uint64_t entry[]);

/* A message that msg_parse_response accepted, with record_count records from `offset` on: does every pointer lead to where a
 * label of the question or of an earlier name begins, so that TTLs may change? With only_pointers owners must be
 * nothing but a pointer, or the root. message: at most CACHE_ENTRY_BYTES_MAX. */
bool cache_entry_names_ok(struct span message, size_t offset, unsigned record_count,
			  bool only_pointers);
/* Does a name from `offset` on, among record_count records, point into [from, to)? Likewise. */
bool cache_entry_points_into(struct span message, size_t offset, unsigned record_count, size_t from,
			     size_t to);

#endif
