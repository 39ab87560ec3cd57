/* Answers as entries of the cache: made of a response once, turned into an answer by a copy of its bytes and a patch of its
 * TTLs, as often as it is asked for.
 *
 * An entry is the records of the answer in wire form as they stand behind a question of the same length, owner names
 * compressed to the question. Two shapes of content, one entry: without DNSSEC records for clients that did not set DO, and
 * with them (the former is a beginning of the latter where that can be). The commonest, an RRset of A or AAAA at the
 * question's own name, carries nothing else: name + rdata + 40 bytes at most for one record.
 *
 * RFCs: 1035, 2181 (sections 5.2, 8, 9), 2308, 4035 (3.2.1), 6891, 8767, 8914, 9520.
 * Memory: words lent by the caller. Threads: pure functions.
 */
#ifndef PORTICO_CACHE_ENTRY_H
#define PORTICO_CACHE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "cache_key.h"
#include "check.h"
#include "msg_build.h"
#include "msg_parse.h"

struct zone_cut;

#define CACHE_ENTRY_MADE_STALE                                                                     \
	0x04u /* a flag of the head: its ttl_s counts to the end of the time that was added */
/* Of its TTL, an entry is refreshed in the last tenth. */
#define CACHE_ENTRY_REFRESH_SHARE 10

/* What the configuration says of TTLs. */
struct cache_entry_rules {
	uint32_t min_ttl_s;
	uint32_t max_ttl_s; /* <= CACHE_TTL_S_MAX */
	uint32_t negative_max_ttl_s;
};

enum cache_entry_make {
	CACHE_ENTRY_OK,
	CACHE_ENTRY_TTL_ZERO,  /* nothing to keep */
	CACHE_ENTRY_TRUNCATED, /* TC=1 */
	CACHE_ENTRY_RCODE,     /* neither NOERROR nor NXDOMAIN */
	CACHE_ENTRY_NO_SOA,   /* negative for who knows how long (RFC 2308 section 5); a referral */
	CACHE_ENTRY_TOO_MANY, /* over 128 of one type (SECURITY.md table 1.1), or 255 in all */
	CACHE_ENTRY_TOO_LONG,
	CACHE_ENTRY_MAKE_COUNT,
};
/* words[0..CACHE_ENTRY_WORDS_MAX); *word_count is written on OK. response: its question is the key's but for letter case.
 * The entry's TTL is the least of its records', after min and max; of a negative answer the SOA's (the lesser of its TTL and
 * its MINIMUM, which its record then shows). TTLs in the entry are after min and max. */
MUST_USE enum cache_entry_make cache_entry_make(uint64_t words[], unsigned *word_count,
						const struct cache_key *key,
						const struct msg_response *response,
						const struct cache_entry_rules *rules,
						uint32_t now_s);
/* cache_entry_make's short way for what most answers are: addresses at the question's name and at most an OPT. Also writes
 * the records' TTLs, after min and max, into the message. False: cache_entry_make is to do it; TTLs in the message may have
 * been written, words and *word_count are of no use. */
MUST_USE bool cache_entry_make_plain(uint64_t words[], unsigned *word_count,
				     const struct cache_key *key,
				     const struct msg_response *response, uint8_t *message,
				     const struct cache_entry_rules *rules, uint32_t now_s);
/* A failure (RFC 9520): rcode and EDE without records. */
void cache_entry_make_failure(uint64_t words[], unsigned *word_count, const struct cache_key *key,
			      uint16_t rcode, uint16_t ede, uint32_t ttl_s, uint32_t now_s);
/* A zone cut (zone_cut.h), kept until it expires and not a second longer: it is neither served, nor stale, nor in cache files.
 * key: the zone's name and CACHE_ENTRY_CUT_TYPE. False: there is nothing to keep (expired; hints and stubs are not learnt). */
#define CACHE_ENTRY_CUT_TYPE 0
MUST_USE bool cache_entry_make_cut(uint64_t words[], unsigned *word_count,
				   const struct cache_key *key, const struct zone_cut *cut,
				   uint32_t now_s);
bool cache_entry_is_cut(const uint64_t entry[]);
/* The cut of a fresh entry. False: the entry is none. */
MUST_USE bool cache_entry_cut(const uint64_t entry[], struct zone_cut *out);
/* An expired entry served on for ttl_s seconds more, because it could not be refreshed (RFC 8767 section 5); its age goes on
 * from when it was first stored. False: older than max_stale_s beyond its own TTL. words may be entry. */
MUST_USE bool cache_entry_make_stale(uint64_t words[], unsigned *word_count, const uint64_t entry[],
				     uint32_t ttl_s, uint32_t max_stale_s, uint32_t now_s);

/* What state an entry is in. */
enum cache_entry_state {
	CACHE_ENTRY_FRESH,
	CACHE_ENTRY_FRESH_STALE, /* cache_entry_make_stale's, within its time: served as stale, not asked for again */
	CACHE_ENTRY_STALE, /* expired, not beyond max_stale_s: better than nothing */
	CACHE_ENTRY_DEAD,
};
/* CACHE_ENTRY_FRESH, and not in the last tenth of its TTL? Then cache_entry_wants_refresh need not be asked either. What seems
 * to come from the future is left to cache_entry_state: its age is beyond any TTL here. */
static inline bool cache_entry_is_young(const uint64_t entry[], uint32_t now_s)
{
	uint32_t age = now_s - (uint32_t)entry[1];
	uint32_t ttl_s = entry[1] >> 32 & CACHE_TTL_S_MAX;

	return (uint64_t)age * CACHE_ENTRY_REFRESH_SHARE <
		       ttl_s * (uint64_t)(CACHE_ENTRY_REFRESH_SHARE - 1) &&
	       (entry[1] >> 56 & CACHE_ENTRY_MADE_STALE) == 0;
}
enum cache_entry_state cache_entry_state(const uint64_t entry[], uint32_t max_stale_s,
					 uint32_t now_s);
bool cache_entry_is_failure(const uint64_t entry[]);
/* In the last tenth of its TTL, and worth refreshing (no failure, nothing stale)? */
bool cache_entry_wants_refresh(const uint64_t entry[], uint32_t now_s);

#define CACHE_STALE_TTL_S 30 /* RFC 8767 section 5: what a stale record's TTL says */

struct cache_entry_answer {
	struct msg_client client; /* cookie and all */
	uint16_t question_end;    /* the question stands in the message, from byte 12 to here */
	uint32_t now_s;
	uint32_t rotation; /* RRsets of several begin with record rotation % count; 0: as stored */
	bool stale;        /* TTLs of CACHE_STALE_TTL_S at most, and EDE 3 or 19 (RFC 8914) */
};
/* The answer around a question that stands in its place: header, records, OPT. message: room for at least
 * client.udp_size_bytes and MSG_BUILD_BYTES_MIN. Returns the length; *truncated: it did not fit, TC=1 and no records
 * (additional records go first: without them alone it is whole, RFC 2181 section 9). *rcode: what the answer says. */
size_t cache_entry_answer(uint8_t *message, const uint64_t entry[],
			  const struct cache_entry_answer *answer, bool *truncated,
			  uint16_t *rcode);

/* Is this a well-formed entry (untrusted: from a file)? Then every other function may be given it. *key: but for its hash. */
MUST_USE bool cache_entry_check(const uint64_t words[], unsigned word_count, struct cache_key *key);

/* The answer as a message of its own with DNSSEC records, for reports: at most 65,535 bytes; 0: no room. TTLs aged. */
size_t cache_entry_message(struct buffer output, const uint64_t entry[], uint32_t now_s);

#endif
