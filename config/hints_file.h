/* The root's servers from the text of a file in zone format, as IANA's named.root: NS records of the root, and A and AAAA records of
 * the names that they give. What else the zone has is passed over, so that a copy of the root zone does as well.
 *
 * Memory: lent by the caller. Threads: any. RFCs: 1035 section 5, 9609 section 2.
 */
#ifndef PORTICO_HINTS_FILE_H
#define PORTICO_HINTS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/check.h"
#include "core/zone_cut.h"

#define HINTS_FILE_BYTES_MAX (8u << 20) /* the root zone has 2 MiB */
#define HINTS_FILE_WRONG_BYTES 128

struct hints_wrong {
	unsigned line; /* of the text; 0: of none of them */
	char text[HINTS_FILE_WRONG_BYTES];
};

/* False: *wrong says what is; *out is not to be used. Of more servers or addresses than a zone cut has, the first ones are taken. */
MUST_USE bool hints_file_parse(const char *text, size_t text_bytes, struct zone_cut *out,
			       struct hints_wrong *wrong);

#endif
