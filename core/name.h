/* Domain names in uncompressed wire form (RFC 1035 section 3.1): labels and the root's zero byte.
 *
 * Memory: a name is a value; functions that take wire bytes borrow them for the call.
 * Threads: pure functions. RFC 4343: ASCII letters compare without case, all other octets as are.
 */
#ifndef PORTICO_NAME_H
#define PORTICO_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "dns_const.h"
#include "hash.h"
#include "span.h"

struct name {
	uint8_t length_bytes; /* 1..255, the root's zero byte included; 0: not a name */
	uint8_t bytes[DNS_NAME_BYTES_MAX];
};

enum name_result {
	NAME_OK,
	NAME_TRUNCATED,  /* runs past the end of the message */
	NAME_TOO_LONG,   /* more than 255 bytes */
	NAME_LABEL_TYPE, /* label type 01 or 10 (RFC 6891 section 5) */
	NAME_POINTER, /* not strictly backwards, into the header, to what reaches over it, or not allowed here */
	NAME_RESULT_COUNT,
};

/* One bit a byte of a name: set where the letter was upper case. Taken from a client's question
 * and laid over the answer, or drawn at random for 0x20. */
struct name_case {
	uint8_t bits[32];
};

/* Expand the possibly compressed name (RFC 1035 section 4.1.4) at message[*offset].
 *   message   the whole DNS message, untrusted
 *   offset    in: first byte of the name; out, on NAME_OK only: first byte after it
 * Pointers must go strictly backwards and not into the header, to labels that end before the run that the pointer stands in.
 * At most DNS_NAME_BYTES_MAX + NAME_POINTERS_MAX steps, whatever the input. */
MUST_USE enum name_result name_parse(struct span message, size_t *offset, struct name *out);

/* As name_parse, but without expanding: only checks, and moves *offset past the name. */
MUST_USE enum name_result name_skip(struct span message, size_t *offset);

/* A name that must not be compressed (a question's): any pointer is NAME_POINTER. */
MUST_USE enum name_result name_parse_plain(struct span message, size_t *offset, struct name *out);

/* Bytes of the uncompressed name at that offset; 0: it is not one (name_parse_plain says why). */
static inline size_t name_plain_bytes(struct span message, size_t offset)
{
	size_t at = offset;
	/* One check a label: where the name's last byte must be at the latest. */
	size_t end = message.length_bytes < offset + DNS_NAME_BYTES_MAX
			     ? message.length_bytes
			     : offset + DNS_NAME_BYTES_MAX;

	while (LIKELY(at < end)) {
		size_t label = message.data[at++];

		if (label == 0)
			return at - offset;
		if (UNLIKELY(label > DNS_LABEL_BYTES_MAX))
			return 0;
		at += label;
	}
	return 0;
}

/* That name, of length_bytes, as a value: memcpy without its call, for the few bytes that a name has. Bytes behind the
 * name's end in *out may be written too. */
static inline void name_copy_plain(struct name *out, struct span message, size_t offset,
				   size_t length_bytes)
{
	enum { PIECE = 16 };
	const uint8_t *from = message.data + offset;
	size_t i = 0;

	out->length_bytes = (uint8_t)length_bytes;
	if (LIKELY(length_bytes <= 2 * PIECE && message.length_bytes - offset >= 2 * PIECE)) {
		memcpy(out->bytes, from, PIECE);
		memcpy(out->bytes + PIECE, from + PIECE, PIECE);
	} else if (length_bytes >= PIECE) {
		/* The last piece overlaps the one before it. */
		for (; i + PIECE < length_bytes; i += PIECE)
			memcpy(out->bytes + i, from + i, PIECE);
		memcpy(out->bytes + length_bytes - PIECE, from + length_bytes - PIECE, PIECE);
	} else {
		for (; i < length_bytes; i++)
			out->bytes[i] = from[i];
	}
}

/* Are they the same, byte for byte? memcmp without its call. */
static inline bool name_bytes_equal(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
	uint64_t differs, x, y;
	size_t i = 0, last;

	if (UNLIKELY(length_bytes < sizeof(x)))
		return memcmp(a, b, length_bytes) == 0;
	/* The last word overlaps the one before it. */
	last = length_bytes - sizeof(x);
	memcpy(&x, a + last, sizeof(x));
	memcpy(&y, b + last, sizeof(y));
	for (differs = x ^ y; i < last; i += sizeof(x)) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		differs |= x ^ y;
	}
	return differs == 0;
}

bool name_equal(const struct name *a, const struct name *b);       /* without case */
bool name_equal_exact(const struct name *a, const struct name *b); /* byte for byte */

/* Is a equal to or below ancestor (label boundaries respected, without case)? */
bool name_is_below(const struct name *a, const struct name *ancestor);

/* Number of labels, the root's not counted. */
unsigned name_label_count(const struct name *n);
/* Where the name goes on after so many of its labels: at most as many as it has. */
static inline size_t name_at_label(const struct name *n, unsigned label_count)
{
	size_t at = 0;

	for (; label_count > 0; label_count--)
		at += (size_t)n->bytes[at] + 1;
	return at;
}

/* Its bytes to where there is room for DNS_NAME_BYTES_MAX of them; up to 15 more than it has are written. memcpy without its
 * call. */
static inline void name_put(uint8_t *to, const struct name *from)
{
	enum { PIECE = 16 };
	size_t i = 0;

	do {
		memcpy(to + i, from->bytes + i, PIECE);
		i += PIECE;
	} while (i < from->length_bytes && i + PIECE <= DNS_NAME_BYTES_MAX);
	if (UNLIKELY(i < from->length_bytes))
		memcpy(to + DNS_NAME_BYTES_MAX - PIECE, from->bytes + DNS_NAME_BYTES_MAX - PIECE,
		       PIECE);
}

/* Only about as many bytes as there are: the rest of 256 would be cache lines moved for nothing. */
static inline void name_copy(struct name *to, const struct name *from)
{
	to->length_bytes = from->length_bytes;
	name_put(to->bytes, from);
}

/* Lower-case copy (ASCII). out may be n. */
void name_lower(const struct name *n, struct name *out);
/* The same of some bytes of a name. to may be from. */
void name_lower_bytes(const uint8_t *from, size_t length_bytes, uint8_t *to);

/* Keyed hash of the lower-case form. */
uint64_t name_hash(const struct hash_key *key, const struct name *n);

void name_case_take(const struct name *n, struct name_case *out);
/* Write the case into wire bytes (length_bytes of an uncompressed name): letters only. */
void name_case_apply(const struct name_case *letter_case, uint8_t *wire, size_t length_bytes);
/* name_copy and name_case_apply in one: *to, which is not *from, has that case. */
void name_case_copy(const struct name_case *letter_case, const struct name *from, struct name *to);
/* Letters in the name: how many bits 0x20 can hide in it. */
unsigned name_letter_count(const struct name *n);

#define NAME_TEXT_BYTES_MAX (4 * DNS_NAME_BYTES_MAX + 2)
/* Presentation form with a final dot, \DDD for what is not printable (RFC 1035 section 5.1, RFC
 * 4343 section 2.1); NUL-terminated. Returns the length. For reports, never the packet path. */
size_t name_to_text(const struct name *n, char text[NAME_TEXT_BYTES_MAX]);

/* From presentation form (NUL-terminated; final dot optional; "." is the root; \DDD and \X
 * escapes). False: not a domain name (empty label, label > 63, name > 255, bad escape). */
MUST_USE bool name_from_text(const char *text, struct name *out);

#endif
