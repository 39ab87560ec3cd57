#include "utf8.h"

#include <stdint.h>

const char *const utf8_result_text[UTF8_RESULT_COUNT] = {
	[UTF8_OK] = "fine",
	[UTF8_MALFORMED] = "this byte is not UTF-8: save the file as UTF-8",
	[UTF8_NUL] = "a NUL byte: this is not a text file",
};

/* Bytes of the character at `at`, 0: malformed, overlong, a surrogate or beyond U+10FFFF. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
	size_t length = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (length == 1)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || left < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

enum utf8_result utf8_check(const char *text, size_t length_bytes, struct place *place)
{
	const uint8_t *bytes = (const uint8_t *)text;
	struct place here = {1, 1};

	for (size_t i = 0; i < length_bytes;) {
		size_t length = character_bytes(bytes + i, length_bytes - i);

		if (length == 0 || bytes[i] == 0) {
			*place = here;
			return length == 0 ? UTF8_MALFORMED : UTF8_NUL;
		}
		if (bytes[i] == '\n')
			here = (struct place){here.line + 1, 1};
		else
			here.column++;
		i += length;
	}
	return UTF8_OK;
}
