/* Is it the right answer? What our servers say of a name (content.h) against the records of a message.
 *
 * Threads: pure functions; a verdict is a counter's name.
 */
#ifndef LOAD_ANSWER_CHECK_H
#define LOAD_ANSWER_CHECK_H

#include <stdint.h>

#include "bench/load/content.h"
#include "bench/load/load_counter.h"
#include "core/span.h"

/* What an answer is compared with. */
struct answer_want {
	struct content_answer content;
	uint16_t qtype;
	uint32_t ttl_most_s;
};

/* A verdict that is none: nothing is wrong. */
#define ANSWER_RIGHT LOAD_COUNTER_COUNT

/* The records behind the question of a message whose header and question were looked at. An rcode that says "I could not" is
 * counted by its name and is not a wrong answer; then, and with TC=1, *ttl_s stays as it is. No byte behind the message's
 * end is read, whatever it says.
 *   records_offset  first byte after the question
 *   *ttl_s          what is left: the least of the answer's, or the SOA's of a denial */
enum load_counter answer_check(const struct answer_want *want, struct span message,
			       size_t records_offset, uint32_t *ttl_s);

#endif
