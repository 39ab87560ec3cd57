/* Where the names of records stand and where their pointers lead. All messages here were checked when they were
 * parsed. */
#include "cache_entry_layout.h"

/* Places in a message of at most CACHE_ENTRY_BYTES_MAX bytes, a bit each. */
struct places {
	uint64_t words[CACHE_ENTRY_BYTES_MAX / 64];
};

static bool has_place(const struct places *p, size_t offset)
{
	return (p->words[offset / 64] >> offset % 64 & 1) != 0;
}

/* Walk the name's own bytes and mark where its labels begin. False: its pointer leads to no such place. */
static bool mark_name(struct places *p, const uint8_t *message, size_t *offset)
{
	size_t at = *offset;

	for (;; at += 1 + (size_t)message[at]) {
		p->words[at / 64] |= UINT64_C(1) << at % 64;
		if (message[at] == 0) {
			*offset = at + 1;
			return true;
		}
		if (message[at] >= DNS_POINTER_FLAG) {
			*offset = at + 2;
			return has_place(p, wire_get_u16(message + at) & DNS_POINTER_OFFSET_MAX);
		}
	}
}

/* Where the RDATA's names begin. */
static size_t rdata_names(const uint8_t *message, const struct msg_record *record,
			  const struct msg_rdata_layout *layout)
{
	size_t at = record->rdata_offset + (size_t)layout->prefix_bytes;

	for (unsigned i = 0; i < layout->string_count; i++)
		at += 1 + (size_t)message[at];
	return at;
}

bool cache_entry_names_ok(struct span message, size_t offset, unsigned record_count,
			  bool only_pointers)
{
	const uint8_t *bytes = message.data;
	struct places places;
	size_t question = DNS_HEADER_BYTES;

	CHECK(message.length_bytes <= CACHE_ENTRY_BYTES_MAX);
	memset(places.words, 0, (message.length_bytes + 63) / 64 * 8);
	if (!mark_name(&places, bytes, &question))
		return false;
	for (unsigned i = 0; i < record_count; i++) {
		struct msg_record record;
		size_t owner = offset;

		if (only_pointers && bytes[owner] != 0 && bytes[owner] < DNS_POINTER_FLAG)
			return false;
		cache_entry_record_next(bytes, &offset, &record);
		if (!mark_name(&places, bytes, &owner))
			return false;

		struct msg_rdata_layout layout = msg_rdata_layout(record.type);
		size_t at = layout.name_count == 0 ? 0 : rdata_names(bytes, &record, &layout);

		for (unsigned name = 0; name < layout.name_count; name++)
			if (!mark_name(&places, bytes, &at))
				return false;
	}
	return true;
}

/* Move past the name's own bytes; does its pointer lead into [from, to)? */
static bool points(const uint8_t *message, size_t *offset, size_t from, size_t to)
{
	size_t at = *offset;

	while (message[at] != 0 && message[at] < DNS_POINTER_FLAG)
		at += 1 + (size_t)message[at];
	*offset = at + 1;
	if (message[at] == 0)
		return false;
	*offset = at + 2;

	size_t target = wire_get_u16(message + at) & DNS_POINTER_OFFSET_MAX;

	return target >= from && target < to;
}

bool cache_entry_points_into(struct span message, size_t offset, unsigned record_count, size_t from,
			     size_t to)
{
	const uint8_t *bytes = message.data;

	for (unsigned i = 0; i < record_count; i++) {
		struct msg_record record;
		size_t owner = offset;

		cache_entry_record_next(bytes, &offset, &record);
		if (points(bytes, &owner, from, to))
			return true;

		struct msg_rdata_layout layout = msg_rdata_layout(record.type);
		size_t at = layout.name_count == 0 ? 0 : rdata_names(bytes, &record, &layout);

		for (unsigned name = 0; name < layout.name_count; name++)
			if (points(bytes, &at, from, to))
				return true;
	}
	return false;
}
