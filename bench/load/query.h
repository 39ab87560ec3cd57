/* A question as it stands on the wire. All that is not the question itself (OPT, DO, letter case) follows from its salt,
 * so that the very same bytes can be made again when the answer is checked.
 *
 * Threads: pure functions.
 */
#ifndef LOAD_QUERY_H
#define LOAD_QUERY_H

#include <stdint.h>

#include "bench/load/names.h"
#include "bench/load/options.h"
#include "core/span.h"

/* Header, the longest name, type and class, OPT. */
#define QUERY_BYTES_MAX (12 + 255 + 4 + 11)

struct query {
	uint16_t id;
	uint32_t salt;
	const struct question *question;
};

enum query_kind { QUERY_PLAIN, QUERY_EDNS, QUERY_DNSSEC_OK };

enum query_kind query_kind(const struct options *options, uint32_t salt);
/* With ID 0 and the letters as they are. */
unsigned query_put_kind(uint8_t *output, enum query_kind kind, const struct question *question);
/* Returns the length; output holds QUERY_BYTES_MAX. */
unsigned query_put(uint8_t *output, const struct options *options, const struct query *query);

#endif
