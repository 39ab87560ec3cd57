#include "name.h"

#include <string.h>

#include "limits.h"

/* ---- wire form ---- */

/* Check the name at message[*offset] and, unless copy is NULL, expand it into copy (at least
 * DNS_NAME_BYTES_MAX bytes). Each run of labels is copied at its end, in one go.
 *
 * A pointer must lead before the run that it stands in, so that runs start ever earlier and no loop
 * is possible; every name that was written before this one satisfies that. */
static inline enum name_result walk(struct span message, size_t *offset, uint8_t *copy,
				    size_t *length_bytes)
{
	size_t at = *offset;
	size_t run = at;
	size_t end = 0;
	size_t length = 0;
	unsigned hops = 0;

	for (;;) {
		if (at >= message.length_bytes)
			return NAME_TRUNCATED;

		size_t label = message.data[at];

		if (label <= DNS_LABEL_BYTES_MAX) {
			if (label >= message.length_bytes - at)
				return NAME_TRUNCATED;
			length += 1 + label;
			if (length > DNS_NAME_BYTES_MAX)
				return NAME_TOO_LONG;
			at += 1 + label;
			if (label != 0)
				continue;
			if (copy != NULL)
				memcpy(copy + length - (at - run), message.data + run, at - run);
			*offset = end != 0 ? end : at;
			*length_bytes = length;
			return NAME_OK;
		}
		if (label < DNS_POINTER_FLAG)
			return NAME_LABEL_TYPE;
		if (message.length_bytes - at < 2)
			return NAME_TRUNCATED;

		size_t target = (label & ~(size_t)DNS_POINTER_FLAG) << 8 | message.data[at + 1];

		if (target >= run || target < DNS_HEADER_BYTES || ++hops > NAME_POINTERS_MAX)
			return NAME_POINTER;
		if (copy != NULL)
			memcpy(copy + length - (at - run), message.data + run, at - run);
		if (end == 0)
			end = at + 2;
		at = target;
		run = target;
	}
}

enum name_result name_parse(struct span message, size_t *offset, struct name *out)
{
	uint8_t bytes[DNS_NAME_BYTES_MAX];
	size_t length;
	enum name_result result = walk(message, offset, bytes, &length);

	if (result == NAME_OK) {
		out->length_bytes = (uint8_t)length;
		memcpy(out->bytes, bytes, length);
	}
	return result;
}

enum name_result name_skip(struct span message, size_t *offset)
{
	size_t length;

	return walk(message, offset, NULL, &length);
}

enum name_result name_parse_plain(struct span message, size_t *offset, struct name *out)
{
	size_t at = *offset;
	size_t label;

	do {
		if (at >= message.length_bytes)
			return NAME_TRUNCATED;
		label = message.data[at];
		if (label > DNS_LABEL_BYTES_MAX)
			return label >= DNS_POINTER_FLAG ? NAME_POINTER : NAME_LABEL_TYPE;
		if (label >= message.length_bytes - at)
			return NAME_TRUNCATED;
		at += 1 + label;
		if (at - *offset > DNS_NAME_BYTES_MAX)
			return NAME_TOO_LONG;
	} while (label != 0);
	out->length_bytes = (uint8_t)(at - *offset);
	memcpy(out->bytes, message.data + *offset, at - *offset);
	*offset = at;
	return NAME_OK;
}

/* ---- letter case ---- */

#define EVERY_BYTE UINT64_C(0x0101010101010101)

/* 0x80 in every byte that is an ASCII upper-case letter. Lengths of labels are below 'A', so that
 * whole names can be treated as if they were text. */
static inline uint64_t upper_mask(uint64_t word)
{
	uint64_t low7 = word & (0x7f * EVERY_BYTE);
	uint64_t from_a = low7 + (0x80 - 'A') * EVERY_BYTE;
	uint64_t past_z = low7 + (0x80 - 'Z' - 1) * EVERY_BYTE;

	return from_a & ~past_z & ~word & (0x80 * EVERY_BYTE);
}

static inline uint64_t load_lower(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word |
	       upper_mask(word) >> 2; /* 0x80 >> 2 is the bit that makes a letter lower case */
}

static inline uint8_t lower_byte(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static inline bool is_letter(uint8_t c)
{
	return lower_byte(c) >= 'a' && lower_byte(c) <= 'z';
}

#define BYTE_DIAGONAL UINT64_C(0x8040201008040201)

/* Eight bytes at p, little-endian as on every machine that DPDK's x86 build runs on; of fewer, zeroes follow. */
static inline uint64_t load_part(const uint8_t *p, size_t left_bytes)
{
	uint64_t word = 0;

	if (left_bytes >= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		return word;
	}
	for (size_t i = 0; i < left_bytes; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

static inline void store_part(uint8_t *p, uint64_t word, size_t left_bytes)
{
	for (size_t i = 0; i < left_bytes; i++)
		p[i] = (uint8_t)(word >> (8 * i));
}

/* 0x20 in every byte that is an ASCII letter of either case. */
static inline uint64_t letters_of(uint64_t word)
{
	return upper_mask(word & ~(0x20 * EVERY_BYTE)) >> 2;
}

static bool equal_without_case(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
	size_t i = 0;

	if (length_bytes >= sizeof(uint64_t)) {
		size_t last = length_bytes - sizeof(uint64_t);

		for (; i < last; i += sizeof(uint64_t))
			if (load_lower(a + i) != load_lower(b + i))
				return false;
		return load_lower(a + last) == load_lower(b + last);
	}
	for (; i < length_bytes; i++)
		if (lower_byte(a[i]) != lower_byte(b[i]))
			return false;
	return true;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->length_bytes == b->length_bytes &&
	       equal_without_case(a->bytes, b->bytes, a->length_bytes);
}

bool name_equal_exact(const struct name *a, const struct name *b)
{
	return a->length_bytes == b->length_bytes &&
	       memcmp(a->bytes, b->bytes, a->length_bytes) == 0;
}

static inline void lower_word(const uint8_t *from, uint8_t *to)
{
	uint64_t word = load_lower(from);

	memcpy(to, &word, sizeof(word));
}

void name_lower(const struct name *n, struct name *out)
{
	size_t length = n->length_bytes;
	size_t i = 0;

	out->length_bytes = n->length_bytes;
	if (length < sizeof(uint64_t)) {
		for (; i < length; i++)
			out->bytes[i] = lower_byte(n->bytes[i]);
		return;
	}
	/* The last word overlaps the one before it: lowering twice does no harm. */
	for (; i + sizeof(uint64_t) < length; i += sizeof(uint64_t))
		lower_word(n->bytes + i, out->bytes + i);
	lower_word(n->bytes + length - sizeof(uint64_t), out->bytes + length - sizeof(uint64_t));
}

uint64_t name_hash(const struct hash_key *key, const struct name *n)
{
	struct name lower;

	name_lower(n, &lower);
	return hash_table(key, (struct span){lower.bytes, lower.length_bytes});
}

void name_case_take(const struct name *n, struct name_case *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n->length_bytes; i += sizeof(uint64_t)) {
		uint64_t word = load_part(n->bytes + i, n->length_bytes - i);
		uint64_t upper = upper_mask(word);

		/* Bit 7 of each byte, gathered into one byte: the products do not meet. */
		out->bits[i / 8] = (uint8_t)((upper >> 7) * UINT64_C(0x0102040810204080) >> 56);
	}
}

void name_case_apply(const struct name_case *letter_case, uint8_t *wire, size_t length_bytes)
{
	DCHECK(length_bytes <= DNS_NAME_BYTES_MAX);
	for (size_t i = 0; i < length_bytes; i += sizeof(uint64_t)) {
		size_t part =
			length_bytes - i < sizeof(uint64_t) ? length_bytes - i : sizeof(uint64_t);
		uint64_t word = load_part(wire + i, part);
		uint64_t letters = letters_of(word);
		/* Each of the eight bits to its byte, there to bit 5. */
		uint64_t spread = (letter_case->bits[i / 8] * EVERY_BYTE) & BYTE_DIAGONAL;
		uint64_t upper = ((spread + 0x7f * EVERY_BYTE) | spread) >> 2;

		word = (word | letters) & ~(upper & letters);
		if (part == sizeof(uint64_t))
			memcpy(wire + i, &word, sizeof(uint64_t));
		else
			store_part(wire + i, word, part);
	}
}

unsigned name_letter_count(const struct name *n)
{
	unsigned letters = 0;

	for (size_t i = 0; i < n->length_bytes; i++)
		letters += is_letter(n->bytes[i]);
	return letters;
}

/* ---- labels ---- */

unsigned name_label_count(const struct name *n)
{
	unsigned labels = 0;

	for (size_t at = 0; at < n->length_bytes && n->bytes[at] != 0; at += 1 + n->bytes[at])
		labels++;
	return labels;
}

bool name_is_below(const struct name *a, const struct name *ancestor)
{
	size_t at = 0;

	if (a->length_bytes < ancestor->length_bytes)
		return false;

	size_t suffix = (size_t)a->length_bytes - ancestor->length_bytes;

	/* The bytes first: most names that are not below differ in the first ones compared. */
	if (!equal_without_case(a->bytes + suffix, ancestor->bytes, ancestor->length_bytes))
		return false;
	while (at < suffix)
		at += 1 + (size_t)a->bytes[at];
	return at == suffix;
}

/* ---- presentation form ---- */

static size_t byte_to_text(uint8_t c, char *text)
{
	if (c <= ' ' || c >= 0x7f) {
		text[0] = '\\';
		text[1] = (char)('0' + c / 100);
		text[2] = (char)('0' + c / 10 % 10);
		text[3] = (char)('0' + c % 10);
		return 4;
	}
	/* What has a meaning of its own in a zone file (RFC 1035 section 5.1). */
	if (c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' ||
	    c == '$') {
		text[0] = '\\';
		text[1] = (char)c;
		return 2;
	}
	text[0] = (char)c;
	return 1;
}

size_t name_to_text(const struct name *n, char text[NAME_TEXT_BYTES_MAX])
{
	size_t length = 0;
	size_t at = 0;

	while (at < n->length_bytes && n->bytes[at] != 0) {
		size_t end = at + 1 + n->bytes[at];

		for (at++; at < end; at++)
			length += byte_to_text(n->bytes[at], text + length);
		text[length++] = '.';
	}
	if (length == 0)
		text[length++] = '.';
	text[length] = '\0';
	return length;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One byte of a label at *text, escapes undone, and move past it. */
static bool byte_from_text(const char **text, uint8_t *out)
{
	const char *t = *text;

	if (t[0] != '\\') {
		*out = (uint8_t)t[0];
		*text = t + 1;
		return true;
	}
	if (is_digit(t[1])) {
		if (!is_digit(t[2]) || !is_digit(t[3]))
			return false;

		int value = (t[1] - '0') * 100 + (t[2] - '0') * 10 + (t[3] - '0');

		*out = (uint8_t)value;
		*text = t + 4;
		return value <= UINT8_MAX;
	}
	*out = (uint8_t)t[1];
	*text = t + 2;
	return t[1] != '\0';
}

bool name_from_text(const char *text, struct name *out)
{
	struct name n;
	size_t label_at = 0; /* where the length of the label being read stands */
	size_t at = 1;

	if (text[0] == '.' && text[1] == '\0') {
		*out = (struct name){1, {0}};
		return true;
	}
	do {
		if (*text == '.' || *text == '\0') /* an empty label */
			return false;
		while (*text != '.' && *text != '\0') {
			if (at - label_at > DNS_LABEL_BYTES_MAX || at >= DNS_NAME_BYTES_MAX - 1)
				return false;
			if (!byte_from_text(&text, &n.bytes[at++]))
				return false;
		}
		n.bytes[label_at] = (uint8_t)(at - label_at - 1);
		label_at = at++;
		if (*text == '.')
			text++;
	} while (*text != '\0');
	n.bytes[label_at] = 0;
	n.length_bytes = (uint8_t)at;
	out->length_bytes = n.length_bytes;
	memcpy(out->bytes, n.bytes, at);
	return true;
}
