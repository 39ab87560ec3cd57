/* What a near miss aims at, where few ports carry many queries. There the bucket of a query's word depends on its ID, so
 * that a reply with a wrong one does not find it. Instead each such query has a second word, in the bucket that its
 * question, our address and its server lead to: whoever guesses at a question that is under way is noticed
 * there, whatever port or ID he tries.
 *
 * The word is entered after the query's own with inflight_enter, with its ID, and goes when the query ends or times out.
 * It is no more than a hint: its owner compares everything.
 *
 * Memory: the words of inflight.h. Threads: as there. RFC 5452 section 9.
 */
#ifndef PORTICO_INFLIGHT_AIM_H
#define PORTICO_INFLIGHT_AIM_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "inflight.h"
#include "name.h"
#include "span.h"

struct inflight_aim {
	struct name qname;
	uint16_t qtype;
	uint16_t qclass;
};

/* The question of a reply (untrusted): just one, its name uncompressed. False: it has none such; *out may be
 * written all the same. At most DNS_NAME_BYTES_MAX bytes are looked at. */
MUST_USE bool inflight_aim_parse(struct span message, struct inflight_aim *out);

/* peer_hash: inflight_peer_hash. The name's letter case makes no difference. */
uint64_t inflight_aim_hash(const struct inflight_words *w, uint64_t peer_hash,
			   const struct name *qname, uint16_t qtype, uint16_t qclass);

/* Which question, ID and port a query had: what the duplicate of its reply has, too. */
struct inflight_mark {
	uint64_t tag_and_id; /* 0: none */
	uint32_t bucket;
	uint16_t local_port;
};
/* Of a slot that has an aim word. */
struct inflight_mark inflight_mark_of(const struct inflight_words *w,
				      const struct inflight_slot *slot);
/* Of a reply. */
struct inflight_mark inflight_mark_of_reply(const struct inflight_words *w, uint64_t aim_hash,
					    uint16_t id, uint16_t local_port);
static inline bool inflight_mark_equal(const struct inflight_mark *a, const struct inflight_mark *b)
{
	return a->tag_and_id == b->tag_and_id && a->bucket == b->bucket &&
	       a->local_port == b->local_port;
}

/* All live words of the bucket with this tag, whatever their ID, in no order. Returns how many. */
MUST_USE unsigned inflight_aim_find(const struct inflight_words *w, uint64_t aim_hash,
				    struct inflight_hit hits[INFLIGHT_BUCKET_WORDS]);

#endif
