/* Sub-questions: what one question asks another for, of the same worker or another one. By value; pointers hold for the call.
 *
 * Threads: crosses workers as bytes of a message (engine_sub.c).
 */
#ifndef PORTICO_SUB_H
#define PORTICO_SUB_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "limits.h"
#include "mono.h"
#include "msg_parse.h"
#include "name.h"
#include "zone_cut.h"

/* A question ends so long before its asker's wait: for the answer's way, by which what it has spent comes back. */
#define SUB_RETURN_NS (2 * NS_PER_MS)

enum sub_purpose {
	SUB_STEP,    /* is there a zone cut at this name? */
	SUB_ADDRESS, /* of a name server */
	SUB_LINK,    /* what a CNAME leads to */
	SUB_PRIME,   /* (. NS), for the cache's sake: nobody waits for it, and there is no answer */
	SUB_PURPOSE_COUNT,
};
extern const char *const sub_purpose_text[SUB_PURPOSE_COUNT];

struct sub_question {
	enum sub_purpose purpose;
	bool traced;
	bool checking_disabled;
	uint8_t ancestor_count; /* these two are engine_sub_ask's to fill in */
	uint16_t qtype;
	mono_ns deadline_at;
	uint64_t hash; /* its key's; 0: engine_sub_ask's to make */
	struct budget lent;
	uint64_t ancestors[SUB_ANCESTORS_MAX]; /* key hashes of those who wait, the asker's last */
	struct name qname;                     /* lower case */
	/* STEP: to be asked at; NULL: none given. Of the asker's question it is the one at hand (engine_iterate_cut), which stays
	 * what it is as long as it waits. */
	const struct zone_cut *cut;
};

enum sub_verdict {
	SUB_CUT,      /* STEP: there is one at the name: cut */
	SUB_NO_CUT,   /* STEP: its zone answers for the name itself */
	SUB_NXDOMAIN, /* STEP: its zone denies the name */
	SUB_ANSWER,   /* ADDRESS, LINK: response, positive or negative */
	SUB_CACHED, /* ADDRESS, LINK: the answer is too long for a message, and was put into the cache */
	SUB_FAILED, /* rcode and ede say how */
	SUB_VERDICT_COUNT,
};
extern const char *const sub_verdict_text[SUB_VERDICT_COUNT];

struct sub_answer {
	enum sub_verdict verdict;
	enum sub_purpose purpose;
	uint16_t rcode;
	uint16_t ede;
	bool is_loop; /* FAILED: it would wait for its asker */
	bool is_ours; /* FAILED: for want of room or by a lost message; says nothing about the question */
	/* Of what the asker has now: less what was spent of what it lent, if the question was begun or had its budget raised for
	 * this asker; else all of it, as somebody else pays. On its way: of what was lent. */
	struct budget left;
	const struct zone_cut *cut;          /* CUT */
	const struct msg_response *response; /* ANSWER */
};

#endif
