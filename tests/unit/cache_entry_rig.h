/* Entries of the cache for tests: responses out of text by ldns, the answers that ldns would give, and what comes of them.
 */
#ifndef PORTICO_CACHE_ENTRY_RIG_H
#define PORTICO_CACHE_ENTRY_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache_entry.h"
#include "core/cache_key.h"
#include "core/msg_parse.h"

#define ENTRY_RIG_LINES 14

/* A response: records as lines of a zone file ("name TTL TYPE rdata"), NULL ends a section. */
struct entry_case {
	const char *says;
	const char *qname;
	uint16_t qtype;
	uint8_t rcode;
	const char *answer[ENTRY_RIG_LINES];
	const char *authority[ENTRY_RIG_LINES];
	const char *additional[ENTRY_RIG_LINES];
};

struct entry_message {
	size_t length_bytes;
	uint8_t bytes[UINT16_MAX];
};

struct entry_made {
	enum cache_entry_make result;
	unsigned word_count;
	struct cache_key key;
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
};

extern const struct cache_entry_rules entry_rules; /* 0, a day, an hour */

struct cache_key entry_key(const char *qname, uint16_t qtype);

/* What an upstream sends: AA, AD, an OPT of its own; names compressed by ldns, or not at all. */
void entry_response(const struct entry_case *c, bool compressed, struct entry_message *out);
/* What ldns makes of it for this client at this age: DNSSEC records left out, or last in their section; our flags and OPT. */
void entry_expect(const struct entry_case *c, const struct cache_entry_answer *asked,
		  const char *qname, uint32_t age_s, struct entry_message *out);

/* The entry of a response that must parse. */
void entry_of_message(const struct entry_message *response, const struct cache_entry_rules *rules,
		      uint32_t now_s, struct entry_made *out);
/* The same from the case. */
void entry_of(const struct entry_case *c, const struct cache_entry_rules *rules, uint32_t now_s,
	      struct entry_made *out);

/* A client with EDNS and all the room there is. */
struct cache_entry_answer entry_asked(uint32_t now_s);
/* The answer to it, asked in this letter case; question_end is filled in. *truncated as cache_entry_answer says. */
bool entry_answer(const uint64_t entry[], const char *qname, struct cache_entry_answer asked,
		  struct entry_message *out);
/* The answer parsed: it borrows out. */
struct msg_response entry_parsed(const struct entry_message *message);
/* The TTL of record record_idx, all sections counted. */
uint32_t entry_ttl(const struct entry_message *message, unsigned record_idx);

#endif
