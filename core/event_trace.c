#include "event_trace.h"

#include <assert.h>
#include <string.h>

const char *const event_kind_text[EVENT_KIND_COUNT] = {
	[EVENT_BEGIN] = "begin",     [EVENT_SENT] = "sent", [EVENT_REPLY] = "reply",
	[EVENT_SILENCE] = "silence", [EVENT_CUT] = "cut",   [EVENT_ASKS] = "asks",
	[EVENT_TOLD] = "told",       [EVENT_END] = "end",
};

static_assert((EVENT_TRACE_EVENTS & (EVENT_TRACE_EVENTS - 1)) == 0,
	      "numbers may wrap: a power of two");

struct event *event_trace_add(struct event_trace *t, mono_ns now)
{
	struct event *event = &t->events[t->count % EVENT_TRACE_EVENTS];

	memset(event, 0, sizeof(*event));
	event->number = t->count++;
	event->at = now;
	return event;
}

unsigned event_trace_read(const struct event_trace *t, uint32_t *from, struct event out[],
			  unsigned most)
{
	unsigned filled = 0;

	if (t->count - *from > EVENT_TRACE_EVENTS)
		*from = t->count - EVENT_TRACE_EVENTS;
	for (; filled < most && *from != t->count; (*from)++)
		out[filled++] = t->events[*from % EVENT_TRACE_EVENTS];
	return filled;
}
