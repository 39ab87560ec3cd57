/* Is a text UTF-8 (RFC 3629), without NUL bytes? */
#ifndef PORTICO_UTF8_H
#define PORTICO_UTF8_H

#include <stddef.h>

#include "core/check.h"
#include "problems.h"

enum utf8_result { UTF8_OK, UTF8_MALFORMED, UTF8_NUL, UTF8_RESULT_COUNT };
extern const char *const utf8_result_text[UTF8_RESULT_COUNT];

/* place: out, unless UTF8_OK: of the offending byte. One pass. */
MUST_USE enum utf8_result utf8_check(const char *text, size_t length_bytes, struct place *place);

#endif
