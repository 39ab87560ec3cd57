#include <string.h>

#include "core/limits.h"
#include "core/name.h"
#include "core/wire_cursor.h"
#include "unit.h"

static struct name name_of(const char *text)
{
	struct name n = {0};

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &n));
	return n;
}

/* 12 bytes of header, then what a row gives; the name starts at `at`. Bytes as a string, so that a
 * row can be read; its own NUL is not part of it. */
struct parse_row {
	const char *says;
	const char *bytes;
	size_t length_bytes;
	size_t at;
	enum name_result want;
	const char *want_text;
	size_t want_end;
};
#define HEADER "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ROW_BYTES(text) HEADER text, sizeof(HEADER text) - 1

static const struct parse_row parse_rows[] = {
	{"the root", ROW_BYTES("\0"), 12, NAME_OK, ".", 13},
	{"a plain name", ROW_BYTES("\3www\7example\0!"), 12, NAME_OK, "www.example.", 25},
	{"a pointer alone", ROW_BYTES("\3com\0\xc0\x0c"), 17, NAME_OK, "com.", 19},
	{"labels, then a pointer", ROW_BYTES("\3com\0\1a\xc0\x0c!"), 17, NAME_OK, "a.com.", 21},
	{"a pointer to a pointer", ROW_BYTES("\3com\0\xc0\x0c\1b\xc0\x11"), 19, NAME_OK, "b.com.",
	 23},
	{"a pointer into the middle of a name", ROW_BYTES("\1a\3com\0\xc0\x0e"), 19, NAME_OK,
	 "com.", 21},
	{"a pointer to a root", ROW_BYTES("\0\xc0\x0c"), 13, NAME_OK, ".", 15},
	{"NUL and dot in a label", ROW_BYTES("\3a\0.\0"), 12, NAME_OK, "a\\000\\..", 17},

	/* RFC 9267 section 2: unvalidated pointers. */
	{"a pointer to itself", ROW_BYTES("\xc0\x0c"), 12, NAME_POINTER, NULL, 0},
	{"a pointer to its own name", ROW_BYTES("\1a\xc0\x0c"), 12, NAME_POINTER, NULL, 0},
	{"a pointer to its own name, which a loop would make too long", ROW_BYTES("\3abc\xc0\x0c"),
	 12, NAME_POINTER, NULL, 0},
	{"a pointer to its own second byte", ROW_BYTES("\xc0\x0d"), 12, NAME_POINTER, NULL, 0},
	{"a pointer forward", ROW_BYTES("\xc0\x0e\0"), 12, NAME_POINTER, NULL, 0},
	{"a pointer past the end", ROW_BYTES("\xff\xff"), 12, NAME_POINTER, NULL, 0},
	{"a pointer to the header", ROW_BYTES("\xc0\x00"), 12, NAME_POINTER, NULL, 0},
	{"a pointer to the header's last byte", ROW_BYTES("\xc0\x0b"), 12, NAME_POINTER, NULL, 0},
	{"two pointers to each other", ROW_BYTES("\xc0\x0e\xc0\x0c"), 14, NAME_POINTER, NULL, 0},
	{"back, then forward again", ROW_BYTES("\xc0\x0f\0\1a\xc0\x0c"), 15, NAME_POINTER, NULL, 0},
	{"a pointer to a label that reaches over it", ROW_BYTES("\4ab\xc0\x0c\0"), 15, NAME_POINTER,
	 NULL, 0},
	{"a pointer to labels that go on behind it", ROW_BYTES("\2ab\1a\xc0\x0c\0"), 15,
	 NAME_POINTER, NULL, 0},
	{"back into a run that leads here", ROW_BYTES("\1a\1b\xc0\x0e\xc0\x0c"), 18, NAME_POINTER,
	 NULL, 0},
	/* Section 3: label and name length. */
	{"label type 01",
	 ROW_BYTES("\x41"
		   "a\0"),
	 12, NAME_LABEL_TYPE, NULL, 0},
	{"label type 10", ROW_BYTES("\x80\0"), 12, NAME_LABEL_TYPE, NULL, 0},
	{"a pointer to a label of type 01", ROW_BYTES("\x41\0\xc0\x0c"), 14, NAME_LABEL_TYPE, NULL,
	 0},
	/* Section 4: no final zero; section 5: what a record claims beyond the message. */
	{"no final zero", ROW_BYTES("\3www"), 12, NAME_TRUNCATED, NULL, 0},
	{"a label past the end", ROW_BYTES("\4www"), 12, NAME_TRUNCATED, NULL, 0},
	{"a pointer cut in half", ROW_BYTES("\1a\xc0"), 12, NAME_TRUNCATED, NULL, 0},
	{"nothing at all", ROW_BYTES(""), 12, NAME_TRUNCATED, NULL, 0},
	{"an offset past the end", ROW_BYTES(""), 13, NAME_TRUNCATED, NULL, 0},
};

static void name_parse__expands_or_names_the_fault(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(parse_rows); i++) {
		const struct parse_row *row = &parse_rows[i];
		struct span message = {(const uint8_t *)row->bytes, row->length_bytes};
		size_t parsed = row->at;
		size_t skipped = row->at;
		struct name n = {77, {0}};
		char text[NAME_TEXT_BYTES_MAX];

		CU_ASSERT_EQUAL_FATAL(name_parse(message, &parsed, &n), row->want);
		CU_ASSERT_EQUAL_FATAL(name_skip(message, &skipped), row->want);
		CU_ASSERT_EQUAL(parsed, skipped);
		if (row->want != NAME_OK) {
			CU_ASSERT_EQUAL(parsed, row->at);
			CU_ASSERT_EQUAL(n.length_bytes, 77);
			continue;
		}
		CU_ASSERT_EQUAL(parsed, row->want_end);
		name_to_text(&n, text);
		CU_ASSERT_STRING_EQUAL(text, row->want_text);
	}
}

/* Four labels that make a name of length_bytes (196..256 with the root). */
static size_t long_name(uint8_t *out, size_t length_bytes)
{
	size_t left = length_bytes - 1;
	size_t at = 0;

	while (left > 0) {
		size_t label = left > 64 ? 63 : left - 1;

		out[at] = (uint8_t)label;
		memset(out + at + 1, 'x', label);
		at += 1 + label;
		left -= 1 + label;
	}
	out[at] = 0;
	return at + 1;
}

static void name_parse__stops_at_255_bytes(void)
{
	static const struct {
		size_t length_bytes;
		enum name_result want;
	} rows[] = {{254, NAME_OK}, {255, NAME_OK}, {256, NAME_TOO_LONG}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint8_t bytes[300] = {0};
		size_t length = 12 + long_name(bytes + 12, rows[i].length_bytes);
		struct span message = {bytes, length};
		size_t at = 12;
		struct name n;

		CU_ASSERT_EQUAL(name_parse(message, &at, &n), rows[i].want);
		at = 12;
		CU_ASSERT_EQUAL(name_parse_plain(message, &at, &n), rows[i].want);
		if (rows[i].want == NAME_OK)
			CU_ASSERT_EQUAL(n.length_bytes, rows[i].length_bytes);
	}
}

/* RFC 9267 section 3: many short runs, each allowed by itself, may not add up to more than 255. */
static void name_parse__counts_length_over_pointers(void)
{
	uint8_t bytes[600] = {0};
	size_t at = 12;
	size_t previous = at++; /* the root */
	struct name n;

	for (unsigned labels = 1; labels <= 64; labels++) {
		size_t start = at;
		size_t offset = at;
		bool fits = labels * 4 + 1 <= DNS_NAME_BYTES_MAX;

		bytes[at] = 3;
		memcpy(bytes + at + 1, "abc", 3);
		wire_put_u16(bytes + at + 4, (uint16_t)(0xc000 | previous));
		at += 6;
		previous = start;
		CU_ASSERT_EQUAL(name_parse((struct span){bytes, at}, &offset, &n),
				fits ? NAME_OK : NAME_TOO_LONG);
		if (!fits)
			continue;
		CU_ASSERT_EQUAL(name_label_count(&n), labels);
		CU_ASSERT_EQUAL(name_at_label(&n, 0), 0);
		CU_ASSERT_EQUAL(name_at_label(&n, labels - 1), n.length_bytes - 5u);
		CU_ASSERT_EQUAL(name_at_label(&n, labels), n.length_bytes - 1u);
	}
}

static void name_parse__follows_at_most_126_pointers(void)
{
	uint8_t bytes[12 + 1 + 2 * (NAME_POINTERS_MAX + 1)] = {0};
	struct span message = {bytes, sizeof(bytes)};
	struct name n;

	/* The root at 12, then pointers, each to the one before. */
	for (unsigned i = 0; i <= NAME_POINTERS_MAX; i++) {
		size_t at = 13 + 2 * (size_t)i;
		size_t offset = at;

		wire_put_u16(bytes + at, (uint16_t)(0xc000 | (i == 0 ? 12 : at - 2)));
		CU_ASSERT_EQUAL(name_parse(message, &offset, &n),
				i < NAME_POINTERS_MAX ? NAME_OK : NAME_POINTER);
	}
}

static void name_parse_plain__refuses_any_pointer(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(parse_rows); i++) {
		const struct parse_row *row = &parse_rows[i];
		struct span message = {(const uint8_t *)row->bytes, row->length_bytes};
		size_t at = row->at;
		size_t skipped = row->at;
		struct name n;
		enum name_result got = name_parse_plain(message, &at, &n);

		if (got == NAME_OK) {
			CU_ASSERT_EQUAL(name_skip(message, &skipped), NAME_OK);
			CU_ASSERT_EQUAL(at, skipped);
			CU_ASSERT_EQUAL(at - row->at, n.length_bytes);
		} else {
			CU_ASSERT_EQUAL(at, row->at);
			CU_ASSERT(got == row->want || got == NAME_POINTER);
		}
	}

	size_t at = 17;
	struct name n;

	CU_ASSERT_EQUAL(
		name_parse_plain((struct span){(const uint8_t *)HEADER "\3com\0\xc0\x0c", 19}, &at,
				 &n),
		NAME_POINTER);
}

static void name_equal__ignores_ascii_case_only(void)
{
	static const struct {
		const char *says, *a, *b;
		bool equal, exact;
	} rows[] = {
		{"the same", "www.example.", "www.example.", true, true},
		{"case", "WWW.eXample.", "wWw.ExaMPLE.", true, false},
		{"short, case", "A.", "a.", true, false},
		{"7 bytes", "abCde.", "ABcDE.", true, false},
		{"the last byte of a long one", "aaaaaaaaaaaaaaaaab.", "aaaaaaaaaaaaaaaaac.", false,
		 false},
		{"another length", "www.example.", "www.example.a.", false, false},
		{"labels cut elsewhere", "ab.c.", "a.bc.", false, false},
		{"@ and `, which differ in the case bit", "\\064.", "\\096.", false, false},
		{"[ and {", "aaaaaaaaa\\091.", "aaaaaaaaa\\123.", false, false},
		{"beyond ASCII", "\\193aaaaaaaa.", "\\225aaaaaaaa.", false, false},
		{"the root", ".", ".", true, true},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct name a = name_of(rows[i].a);
		struct name b = name_of(rows[i].b);
		struct hash_key key = {1, 2};

		CU_ASSERT_EQUAL(name_equal(&a, &b), rows[i].equal);
		CU_ASSERT_EQUAL(name_equal(&b, &a), rows[i].equal);
		CU_ASSERT_EQUAL(name_equal_exact(&a, &b), rows[i].exact);
		CU_ASSERT_EQUAL(name_hash(&key, &a) == name_hash(&key, &b), rows[i].equal);
	}
}

/* Every byte value at every place of a word: only A..Z change. */
static void name_lower__changes_only_a_to_z(void)
{
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned place = 1; place < 19; place++) {
			struct name n = {20, {18}};
			struct name lower;

			memset(n.bytes + 1, 'q', 18);
			n.bytes[place] = (uint8_t)c;
			name_lower(&n, &lower);
			CU_ASSERT_EQUAL(lower.bytes[place], c >= 'A' && c <= 'Z' ? c + 32 : c);
			lower.bytes[place] = n.bytes[place];
			CU_ASSERT(name_equal_exact(&n, &lower));
			name_lower(&n, &n);
			CU_ASSERT_EQUAL(n.bytes[place], c >= 'A' && c <= 'Z' ? c + 32 : c);
		}
	}
}

static void name_is_below__respects_label_boundaries(void)
{
	static const struct {
		const char *says, *name, *ancestor;
		bool want;
	} rows[] = {
		{"itself", "example.com.", "example.com.", true},
		{"a child, other case", "www.EXAMPLE.com.", "example.COM.", true},
		{"a grandchild", "a.b.example.com.", "example.com.", true},
		{"everything is below the root", "com.", ".", true},
		{"the root is below itself", ".", ".", true},
		{"the parent", "com.", "example.com.", false},
		{"ends alike, in the middle of a label", "badexample.com.", "example.com.", false},
		{"a label that holds the ancestor's wire bytes", "a\\003com\\000.", "com.", false},
		{"another tree", "example.org.", "example.com.", false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct name n = name_of(rows[i].name);
		struct name ancestor = name_of(rows[i].ancestor);

		CU_ASSERT_EQUAL(name_is_below(&n, &ancestor), rows[i].want);
	}
}

static void name_case__carries_over_to_another_spelling(void)
{
	struct name from = name_of("wWw.EXAMPLE-1.c\\064m.");
	struct name onto = name_of("WwW.example-1.C\\064M.");
	struct name_case letter_case;

	name_case_take(&from, &letter_case);
	name_case_apply(&letter_case, onto.bytes, onto.length_bytes);
	CU_ASSERT(name_equal_exact(&from, &onto));
	CU_ASSERT_EQUAL(name_letter_count(&from), 3 + 7 + 2);
}

/* Random bits, as 0x20 draws them, must change nothing but letters. */
static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static uint8_t with_case(uint8_t c, const struct name_case *letter_case, unsigned i)
{
	bool upper = (letter_case->bits[i / 8] >> i % 8 & 1) != 0;

	if (!is_letter(c))
		return c;
	return (uint8_t)(upper ? c & ~0x20 : c | 0x20);
}

/* Byte by byte, of names of any bytes: the pieces by which it is done meet
 * everywhere. */
static void name_case__is_right_at_every_length(void)
{
	static const uint8_t near[] = {'a', 'Z', '@', '[', '`', '{', 0xc1, 0xfa};
	unsigned long long random = unit_seed();

	for (unsigned length = 1; length <= DNS_NAME_BYTES_MAX; length++)
		for (unsigned round = 0; round < 20; round++) {
			struct name n = {.length_bytes = (uint8_t)length}, copy, lower;
			uint8_t wire[DNS_NAME_BYTES_MAX + 1];
			struct name_case drawn, taken;
			unsigned wrong = 0, at = (unsigned)unit_random(&random) % length;

			for (unsigned i = 0; i < sizeof(n.bytes); i++)
				n.bytes[i] = round % 2 ? (uint8_t)unit_random(&random)
						       : near[unit_random(&random) % sizeof(near)];
			for (unsigned i = 0; i < sizeof(drawn.bits); i++)
				drawn.bits[i] = (uint8_t)unit_random(&random);
			memcpy(wire, n.bytes, length);
			wire[length] = 'x';
			name_case_apply(&drawn, wire, length);
			wrong += wire[length] != 'x';
			name_case_copy(&drawn, &n, &copy);
			wrong += copy.length_bytes != length;
			name_case_take(&n, &taken);
			name_lower(&n, &lower);
			for (unsigned i = 0; i < length; i++) {
				uint8_t c = n.bytes[i];
				bool upper = c >= 'A' && c <= 'Z';

				wrong += wire[i] != with_case(c, &drawn, i);
				wrong += copy.bytes[i] != wire[i];
				wrong += (taken.bits[i / 8] >> i % 8 & 1) != upper;
				wrong += lower.bytes[i] != (upper ? c + 0x20 : c);
			}
			for (unsigned i = length; i < 8 * sizeof(taken.bits); i++)
				wrong += taken.bits[i / 8] >> i % 8 & 1;
			wrong += !name_equal(&n, &lower) || !name_equal(&n, &copy);
			name_copy(&copy, &n);
			wrong += !name_equal_exact(&n, &copy);
			copy.bytes[at] ^= 0x20;
			wrong += name_equal_exact(&n, &copy);
			wrong += name_equal(&n, &copy) != is_letter(n.bytes[at]);
			CU_ASSERT_EQUAL(wrong, 0);
		}
}

static void name_case_apply__touches_letters_only(void)
{
	struct name_case all;
	struct name n = name_of("a1-\\200[z{@`.");
	struct name want = name_of("A1-\\200[Z{@`.");

	memset(&all, 0xff, sizeof(all));
	name_case_apply(&all, n.bytes, n.length_bytes);
	CU_ASSERT(name_equal_exact(&n, &want));
}

static void name_from_text__accepts_names_and_nothing_else(void)
{
	static const struct {
		const char *says, *text;
		const char *want; /* NULL: not a name */
	} rows[] = {
		{"the root", ".", "."},
		{"a final dot", "example.com.", "example.com."},
		{"no final dot", "example.com", "example.com."},
		{"an escaped dot", "a\\.b.c", "a\\.b.c."},
		{"a byte by number", "\\065\\255.", "A\\255."},
		{"special bytes", "\\@\\$\\;\\(.", "\\@\\$\\;\\(."},
		{"nothing", "", NULL},
		{"two dots", "..", NULL},
		{"an empty label", "a..b", NULL},
		{"a leading dot", ".a", NULL},
		{"a byte over 255", "\\256.", NULL},
		{"a short number", "\\12", NULL},
		{"a lone backslash", "a\\", NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct name n = {77, {0}};
		char text[NAME_TEXT_BYTES_MAX];

		CU_ASSERT_EQUAL_FATAL(name_from_text(rows[i].text, &n), rows[i].want != NULL);
		if (rows[i].want == NULL) {
			CU_ASSERT_EQUAL(n.length_bytes, 77);
			continue;
		}
		CU_ASSERT_EQUAL(name_to_text(&n, text), strlen(rows[i].want));
		CU_ASSERT_STRING_EQUAL(text, rows[i].want);
	}
}

/* 63 and 64 bytes a label, 255 and 256 bytes a name. */
static void name_from_text__knows_the_bounds_of_labels_and_names(void)
{
	char text[300];
	struct name n;

	memset(text, 'x', sizeof(text));
	text[63] = '\0';
	CU_ASSERT_TRUE(name_from_text(text, &n));
	text[63] = 'x';
	text[64] = '\0';
	CU_ASSERT_FALSE(name_from_text(text, &n));

	memset(text, 'x', sizeof(text));
	text[63] = text[127] = text[191] = '.';
	text[253] = '\0'; /* 3 * 64 + 1 + 61 + 1 = 255 */
	CU_ASSERT_TRUE(name_from_text(text, &n));
	CU_ASSERT_EQUAL(n.length_bytes, 255);
	text[253] = 'x';
	text[254] = '\0';
	CU_ASSERT_FALSE(name_from_text(text, &n));
}

/* Any name: text and back, parsed from the wire, lower case, all agree. */
static void name__survives_round_trips(void)
{
	unsigned long long state = unit_seed();

	for (unsigned run = 0; run < 2000; run++) {
		uint8_t bytes[12 + 300] = {0};
		size_t at = 12;
		size_t offset = 12;
		struct name n, again, lower;
		char text[NAME_TEXT_BYTES_MAX];

		for (unsigned labels = unit_random(&state) % 8; labels > 0; labels--) {
			size_t label = 1 + unit_random(&state) % 30;

			bytes[at++] = (uint8_t)label;
			while (label-- > 0)
				bytes[at++] = (uint8_t)unit_random(&state);
		}
		bytes[at++] = 0;
		CU_ASSERT_EQUAL_FATAL(name_parse((struct span){bytes, at}, &offset, &n), NAME_OK);
		CU_ASSERT_EQUAL(n.length_bytes, at - 12);
		CU_ASSERT(name_to_text(&n, text) < sizeof(text));
		CU_ASSERT_TRUE_FATAL(name_from_text(text, &again));
		CU_ASSERT(name_equal_exact(&n, &again));
		name_lower(&n, &lower);
		CU_ASSERT(name_equal(&n, &lower));
		CU_ASSERT(name_is_below(&n, &lower));
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(name_parse__expands_or_names_the_fault),
	UNIT_TEST(name_parse__stops_at_255_bytes),
	UNIT_TEST(name_parse__counts_length_over_pointers),
	UNIT_TEST(name_parse__follows_at_most_126_pointers),
	UNIT_TEST(name_parse_plain__refuses_any_pointer),
	UNIT_TEST(name_equal__ignores_ascii_case_only),
	UNIT_TEST(name_lower__changes_only_a_to_z),
	UNIT_TEST(name_is_below__respects_label_boundaries),
	UNIT_TEST(name_case__carries_over_to_another_spelling),
	UNIT_TEST(name_case_apply__touches_letters_only),
	UNIT_TEST(name_case__is_right_at_every_length),
	UNIT_TEST(name_from_text__accepts_names_and_nothing_else),
	UNIT_TEST(name_from_text__knows_the_bounds_of_labels_and_names),
	UNIT_TEST(name__survives_round_trips),
};
UNIT_SUITE(name, tests)
