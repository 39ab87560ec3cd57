/* What happened to the questions that are traced, one event a step: a ring that keeps the last EVENT_TRACE_EVENTS of them. It takes
 * the place of log lines in the packet path; of questions that are not traced nothing is written.
 *
 * Memory: part of its engine, pages touched lazily. Threads: the engine's. Time: given.
 */
#ifndef PORTICO_EVENT_TRACE_H
#define PORTICO_EVENT_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "mono.h"
#include "name.h"

#define EVENT_TRACE_EVENTS                                                                         \
	512 /* a question costs 64 packets at most, over all workers, and each two events or three */

enum event_kind {
	EVENT_BEGIN, /* the question has begun, at `other`: a zone or zone cut */
	EVENT_SENT, /* to server, from local (port 0: the carrier of TCP knows), with id; other: the zone */
	EVENT_REPLY,   /* from server: rcode, verdict, after_us; other: the zone */
	EVENT_SILENCE, /* none from server: verdict says how, after_us; other: the zone */
	EVENT_CUT,     /* it goes on at the zone cut `other` */
	EVENT_ASKS,    /* the question `other`, other_qtype, of worker `owner`; verdict: what for */
	EVENT_TOLD,    /* what that has brought: verdict, rcode */
	EVENT_END,     /* rcode, ede (DNS_EDE_NONE: none), after_us since it began */
	EVENT_KIND_COUNT,
};
extern const char *const event_kind_text[EVENT_KIND_COUNT];

struct event {
	mono_ns at;
	uint32_t number;     /* of all that this ring was given; wraps */
	uint64_t question;   /* the same in all events of a question, of this worker */
	const char *verdict; /* a constant; NULL: none */
	uint32_t after_us;
	uint16_t qtype, other_qtype;
	uint16_t id;
	uint16_t rcode, ede;
	uint8_t kind; /* enum event_kind */
	uint8_t owner;
	bool is_tcp;
	struct endpoint server, local;
	struct name qname, other; /* length 0: none */
};

struct event_trace {
	uint32_t count; /* added so far; wraps */
	struct event events[EVENT_TRACE_EVENTS];
};

/* The next event's place, cleared but for its time; to be filled before anything else is called. */
struct event *event_trace_add(struct event_trace *t, mono_ns now);
/* Copies events from number *from on, `most` at most, and moves it; those that have been written over are left out. Returns how many. */
unsigned event_trace_read(const struct event_trace *t, uint32_t *from, struct event out[],
			  unsigned most);

#endif
