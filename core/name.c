/* immintrin.h: SSE 4.1, which every CPU that we are built for has. */
#include "name.h"

#include <immintrin.h>
#include <string.h>

#include "limits.h"
#include "name_case.h"

/* ---- wire form ---- */

/* Check the name at message[*offset] and, unless copy is NULL, expand it into copy (at least
 * DNS_NAME_BYTES_MAX bytes). Each run of labels is copied at its end, in one go.
 *
 * A pointer must lead before the run that it stands in, so that runs start ever earlier and no loop
 * is possible; and what it leads to must end before that run: labels that reach over it are made of what happens to follow. Every
 * name that was written before this one satisfies both. */
static inline enum name_result walk(struct span message, size_t *offset, uint8_t *copy,
				    size_t *length_bytes)
{
	size_t at = *offset;
	size_t run = at;
	size_t run_limit = message.length_bytes;
	size_t end = 0;
	size_t length = 0;
	unsigned hops = 0;

	for (;;) {
		if (at >= run_limit)
			return hops > 0 ? NAME_POINTER : NAME_TRUNCATED;

		size_t label = message.data[at];

		if (label <= DNS_LABEL_BYTES_MAX) {
			if (label >= run_limit - at)
				return hops > 0 ? NAME_POINTER : NAME_TRUNCATED;
			length += 1 + label;
			if (length > DNS_NAME_BYTES_MAX)
				return NAME_TOO_LONG;
			at += 1 + label;
			if (label != 0)
				continue;
			if (copy != NULL)
				bytes_copy(copy + length - (at - run), message.data + run,
					   at - run);
			*offset = end != 0 ? end : at;
			*length_bytes = length;
			return NAME_OK;
		}
		if (label < DNS_POINTER_FLAG)
			return NAME_LABEL_TYPE;
		if (run_limit - at < 2)
			return hops > 0 ? NAME_POINTER : NAME_TRUNCATED;

		size_t target = (label & ~(size_t)DNS_POINTER_FLAG) << 8 | message.data[at + 1];

		if (target >= run || target < DNS_HEADER_BYTES || ++hops > NAME_POINTERS_MAX)
			return NAME_POINTER;
		if (copy != NULL && at > run)
			bytes_copy(copy + length - (at - run), message.data + run, at - run);
		if (end == 0)
			end = at + 2;
		run_limit = run;
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
		bytes_copy(out->bytes, bytes, length);
	}
	return result;
}

enum name_result name_skip(struct span message, size_t *offset)
{
	size_t length;

	return walk(message, offset, NULL, &length);
}

/* What is wrong with the uncompressed name at `at`, which name_plain_bytes does not take: the first thing that is. */
static enum name_result plain_fault(struct span message, size_t at)
{
	size_t begun = at;
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
		if (at - begun > DNS_NAME_BYTES_MAX)
			return NAME_TOO_LONG;
	} while (label != 0);
	return NAME_OK;
}

enum name_result name_parse_plain(struct span message, size_t *offset, struct name *out)
{
	size_t length_bytes = name_plain_bytes(message, *offset);

	if (UNLIKELY(length_bytes == 0))
		return plain_fault(message, *offset);
	name_copy_plain(out, message, *offset, length_bytes);
	*offset += length_bytes;
	return NAME_OK;
}

/* ---- letter case ---- */

#define PIECE NAME_CASE_PIECE

static inline __m128i load_piece(const uint8_t *p)
{
	return _mm_loadu_si128((const void *)p);
}

static inline __m128i lower_piece(__m128i bytes)
{
	return _mm_or_si128(bytes,
			    _mm_and_si128(name_case_letters(bytes, 'A'), _mm_set1_epi8(0x20)));
}

static inline uint8_t lower_byte(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static inline bool is_letter(uint8_t c)
{
	return lower_byte(c) >= 'a' && lower_byte(c) <= 'z';
}

#define SHORT_PIECE 4

/* Fewer bytes than a piece, but SHORT_PIECE at least: the first and the last of them, which overlap. */
static inline __m128i load_short(const uint8_t *from, size_t length_bytes)
{
	uint64_t first = 0, last = 0;

	if (length_bytes >= sizeof(first)) {
		memcpy(&first, from, sizeof(first));
		memcpy(&last, from + length_bytes - sizeof(last), sizeof(last));
	} else {
		memcpy(&first, from, SHORT_PIECE);
		memcpy(&last, from + length_bytes - SHORT_PIECE, SHORT_PIECE);
	}
	return _mm_set_epi64x((long long)last, (long long)first);
}

static inline void store_short(uint8_t *to, size_t length_bytes, __m128i piece)
{
	uint64_t first = (uint64_t)_mm_cvtsi128_si64(piece);
	uint64_t last = (uint64_t)_mm_extract_epi64(piece, 1);

	if (length_bytes >= sizeof(first)) {
		memcpy(to, &first, sizeof(first));
		memcpy(to + length_bytes - sizeof(last), &last, sizeof(last));
	} else {
		memcpy(to, &first, SHORT_PIECE);
		memcpy(to + length_bytes - SHORT_PIECE, &last, SHORT_PIECE);
	}
}

static bool equal_without_case(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
	size_t i = 0;

	if (length_bytes >= SHORT_PIECE && length_bytes < PIECE) {
		__m128i differs = _mm_xor_si128(lower_piece(load_short(a, length_bytes)),
						lower_piece(load_short(b, length_bytes)));

		return _mm_testz_si128(differs, differs) != 0;
	}
	if (length_bytes >= PIECE) {
		size_t last = length_bytes - PIECE;
		__m128i differs = _mm_xor_si128(lower_piece(load_piece(a + last)),
						lower_piece(load_piece(b + last)));

		for (; i < last; i += PIECE)
			differs = _mm_or_si128(differs,
					       _mm_xor_si128(lower_piece(load_piece(a + i)),
							     lower_piece(load_piece(b + i))));
		return _mm_testz_si128(differs, differs) != 0;
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
	       name_bytes_equal(a->bytes, b->bytes, a->length_bytes);
}

void name_lower_bytes(const uint8_t *from, size_t length_bytes, uint8_t *to)
{
	size_t i = 0;
	__m128i piece;

	if (length_bytes < PIECE && length_bytes >= SHORT_PIECE) {
		store_short(to, length_bytes, lower_piece(load_short(from, length_bytes)));
		return;
	}
	if (length_bytes < SHORT_PIECE) {
		for (; i < length_bytes; i++)
			to[i] = lower_byte(from[i]);
		return;
	}
	/* The last piece overlaps the one before it: lowering twice does no harm. */
	for (; i + PIECE < length_bytes; i += PIECE) {
		piece = lower_piece(load_piece(from + i));
		memcpy(to + i, &piece, PIECE);
	}
	piece = lower_piece(load_piece(from + length_bytes - PIECE));
	memcpy(to + length_bytes - PIECE, &piece, PIECE);
}

void name_lower(const struct name *n, struct name *out)
{
	out->length_bytes = n->length_bytes;
	name_lower_bytes(n->bytes, n->length_bytes, out->bytes);
}

uint64_t name_hash(const struct hash_key *key, const struct name *n)
{
	struct name lower;

	name_lower(n, &lower);
	return hash_table(key, (struct span){lower.bytes, lower.length_bytes});
}

void name_case_take(const struct name *n, struct name_case *out)
{
	size_t i = 0;

	memset(out, 0, sizeof(*out));
	/* A piece may end behind the name, but not behind the 255 bytes that it has room for: those are put off to the loop
	 * below. */
	for (; i < n->length_bytes && i + PIECE <= DNS_NAME_BYTES_MAX; i += PIECE) {
		unsigned upper = (unsigned)_mm_movemask_epi8(
			name_case_letters(load_piece(n->bytes + i), 'A'));
		size_t left = n->length_bytes - i;

		if (left < PIECE)
			upper &= (1u << left) - 1;
		out->bits[i / 8] = (uint8_t)upper;
		out->bits[i / 8 + 1] = (uint8_t)(upper >> 8);
	}
	for (; i < n->length_bytes; i++)
		out->bits[i / 8] |= (uint8_t)((n->bytes[i] >= 'A' && n->bytes[i] <= 'Z') << i % 8);
}

void name_case_apply(const struct name_case *letter_case, uint8_t *wire, size_t length_bytes)
{
	size_t i = 0;
	__m128i piece;

	DCHECK(length_bytes <= DNS_NAME_BYTES_MAX);
	if (length_bytes < PIECE) {
		for (; i < length_bytes; i++)
			if (is_letter(wire[i]))
				wire[i] = (letter_case->bits[i / 8] >> i % 8 & 1) != 0
						  ? (uint8_t)(wire[i] & ~0x20)
						  : (uint8_t)(wire[i] | 0x20);
		return;
	}
	for (; i + PIECE < length_bytes; i += PIECE) {
		piece = name_case_piece(load_piece(wire + i), name_case_bits(letter_case, i));
		memcpy(wire + i, &piece, PIECE);
	}
	/* The last piece overlaps the one before it: the same case once more. */
	i = length_bytes - PIECE;
	piece = name_case_piece(load_piece(wire + i), name_case_bits(letter_case, i));
	memcpy(wire + i, &piece, PIECE);
}

void name_case_copy(const struct name_case *letter_case, const struct name *from, struct name *to)
{
	size_t i = 0;
	__m128i piece;

	to->length_bytes = from->length_bytes;
	do {
		piece = name_case_piece(load_piece(from->bytes + i),
					name_case_bits(letter_case, i));
		memcpy(to->bytes + i, &piece, PIECE);
		i += PIECE;
	} while (i < from->length_bytes && i + PIECE <= DNS_NAME_BYTES_MAX);
	if (UNLIKELY(i < from->length_bytes)) {
		i = DNS_NAME_BYTES_MAX - PIECE;
		piece = name_case_piece(load_piece(from->bytes + i),
					name_case_bits(letter_case, i));
		memcpy(to->bytes + i, &piece, PIECE);
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
