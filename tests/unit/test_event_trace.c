#include <stdlib.h>
#include <string.h>

#include "core/event_trace.h"
#include "unit.h"

static struct event_trace *new_trace(void)
{
	struct event_trace *t = calloc(1, sizeof(*t));

	CU_ASSERT_FATAL(t != NULL);
	return t;
}

static void event_trace__gives_back_what_was_added_in_order(void)
{
	struct event_trace *t = new_trace();
	struct event out[8];
	uint32_t from = 0;

	CU_ASSERT_EQUAL(event_trace_read(t, &from, out, 8), 0);
	CU_ASSERT_EQUAL(from, 0);
	for (unsigned i = 0; i < 5; i++)
		event_trace_add(t, 100 + i)->qtype = (uint16_t)i;
	CU_ASSERT_EQUAL(event_trace_read(t, &from, out, 3), 3);
	CU_ASSERT_EQUAL(from, 3);
	CU_ASSERT_EQUAL(event_trace_read(t, &from, out + 3, 5), 2);
	CU_ASSERT_EQUAL(event_trace_read(t, &from, out, 8), 0);
	for (unsigned i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(out[i].at, 100 + i);
		CU_ASSERT_EQUAL(out[i].qtype, i);
		CU_ASSERT_EQUAL(out[i].number, i);
	}
	free(t);
}

static void event_trace_add__clears_what_stood_there(void)
{
	struct event_trace *t = new_trace();
	struct event *event;

	memset(t->events, 0xa5, sizeof(t->events));
	event = event_trace_add(t, 7);
	CU_ASSERT_EQUAL(event->at, 7);
	CU_ASSERT_EQUAL(event->qname.length_bytes, 0);
	CU_ASSERT_EQUAL(event->other.length_bytes, 0);
	CU_ASSERT(event->verdict == NULL);
	free(t);
}

static void event_trace_read__leaves_out_what_was_written_over(void)
{
	/* From where the count wraps, too. */
	static const uint32_t begins[] = {0, UINT32_MAX - EVENT_TRACE_EVENTS, UINT32_MAX - 3};

	for (size_t b = 0; b < ARRAY_COUNT(begins); b++) {
		struct event_trace *t = new_trace();
		struct event *out = calloc(2 * EVENT_TRACE_EVENTS, sizeof(*out));
		uint32_t from = begins[b];

		CU_ASSERT_FATAL(out != NULL);
		t->count = begins[b];
		for (unsigned i = 0; i < EVENT_TRACE_EVENTS + 10; i++)
			event_trace_add(t, i);
		CU_ASSERT_EQUAL(event_trace_read(t, &from, out, 2 * EVENT_TRACE_EVENTS),
				EVENT_TRACE_EVENTS);
		CU_ASSERT_EQUAL(from, t->count);
		CU_ASSERT_EQUAL(out[0].at, 10);
		CU_ASSERT_EQUAL(out[EVENT_TRACE_EVENTS - 1].at, EVENT_TRACE_EVENTS + 9);
		free(out);
		free(t);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(event_trace__gives_back_what_was_added_in_order),
	UNIT_TEST(event_trace_add__clears_what_stood_there),
	UNIT_TEST(event_trace_read__leaves_out_what_was_written_over),
};
UNIT_SUITE(event_trace, tests)
