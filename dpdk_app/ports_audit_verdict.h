/* What became of our queries' ports and IDs on the way to a server that answers with what it saw of each: judged from
 * what left and what arrived.
 *
 * Judged are groups: the queries of one outgoing address or, of IPv6, of one /64. Rounds matter: what was asked in one
 * round left at about the same time, in no known order.
 *
 * Memory: the caller's. Threads: pure functions.
 */
#ifndef PORTICO_PORTS_AUDIT_VERDICT_H
#define PORTICO_PORTS_AUDIT_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/span.h"

#define PORTS_AUDIT_ROUND 16 /* questions a round */
/* Fewer answers than this say nothing. */
#define PORTS_AUDIT_ENOUGH 16
/* A NAT that draws from fewer ports takes randomness away, whatever it calls random: a forger has this many to try. */
#define PORTS_AUDIT_SMALL_RANGE 8192
#define PORTS_AUDIT_TEXT_BYTES 128

struct ports_audit_sample {
	unsigned round;
	uint16_t rcode;
	/* Of the query that was answered, as it left. Port 0: none was. */
	struct address sent_address;
	uint16_t sent_port;
	uint16_t sent_id;
	/* What the server says that it saw. */
	bool understood;
	struct address seen_address;
	uint16_t seen_port;
	uint16_t seen_id;
};

enum ports_audit_verdict {
	PORTS_AUDIT_TOO_FEW,  /* answers, to say anything */
	PORTS_AUDIT_NO_NAT,   /* what arrives is what leaves */
	PORTS_AUDIT_ADDRESS,  /* a NAT that keeps ports */
	PORTS_AUDIT_RANDOM,   /* a NAT that gives other ports, at random from many */
	PORTS_AUDIT_FEW,      /* at random from few */
	PORTS_AUDIT_IN_ORDER, /* rising or falling, with gaps: it counts, and others use it too */
	PORTS_AUDIT_STRIDE,   /* the one before plus a number */
	PORTS_AUDIT_ONE_PORT, /* always the same */
	PORTS_AUDIT_PROXY,    /* IDs change: something asks in our place */
	PORTS_AUDIT_VERDICT_COUNT,
};
/* One word each. */
extern const char *const ports_audit_verdict_text[PORTS_AUDIT_VERDICT_COUNT];

/* Does it take away randomness that left us? */
bool ports_audit_verdict_is_bad(enum ports_audit_verdict verdict);

struct ports_audit_group {
	struct address address;      /* of the first sample: which one it was sent from, */
	struct address seen_address; /* and which one was seen */
	uint32_t answered, understood;
	uint32_t addresses_changed, ports_changed, ids_changed;
	uint32_t sent_ports, seen_ports; /* different ones */
	uint16_t first_port, last_port;  /* the smallest and largest seen */
	double port_bits; /* estimated: log2 of how many ports are drawn from outside */
	int stride;       /* STRIDE: from one port to the next */
	enum ports_audit_verdict verdict;
};

struct ports_audit_judgement {
	uint32_t asked, answered, understood;
	uint32_t no_name;  /* NXDOMAIN */
	uint32_t failed;   /* SERVFAIL: no server answered usefully, or in time */
	uint32_t silent;   /* of answered: without a text of the echo server's */
	uint32_t rejected; /* any other rcode */
	unsigned group_count;
	struct ports_audit_group groups[OUTGOING_MAX];
	bool bad; /* a group is */
};

void ports_audit_judge(const struct ports_audit_sample samples[], size_t sample_count,
		       struct ports_audit_judgement *out);

/* The first TXT record of an answer (untrusted), as text; what is not printable, quotes and backslashes become '?', what does
 * not fit is cut off. "" if there is none. */
void ports_audit_text(struct span message, char text[PORTS_AUDIT_TEXT_BYTES]);

/* The echo server's text, "from=ADDRESS port=NUMBER id=NUMBER" (untrusted), into the sample: sets understood. */
void ports_audit_understand(struct ports_audit_sample *sample, const char *text);

#endif
