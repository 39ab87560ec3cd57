#include "dpdk_app/mailbox.h"

#include <string.h>
#include <time.h>

#define POLL_NS 100000L

void mailbox_init(struct mailbox *m)
{
	atomic_init(&m->state, MAILBOX_EMPTY);
}

/* May the request be written? Not while a former one is being filled. */
static bool is_ours(const struct mailbox *m)
{
	/* Acquire: what the worker wrote of a former request is over before it is written over. */
	return atomic_load_explicit(&m->state, memory_order_acquire) != MAILBOX_FILLING;
}

static void post(struct mailbox *m, enum mailbox_report report, uint32_t cursor, unsigned row_count)
{
	m->report = report;
	m->cursor = cursor;
	m->row_count = row_count;
	atomic_store_explicit(&m->state, MAILBOX_POSTED, memory_order_release);
}

enum mailbox_result mailbox_post(struct mailbox *m, enum mailbox_report report, uint32_t cursor)
{
	if (!is_ours(m))
		return MAILBOX_SILENT;
	post(m, report, cursor, 0);
	return MAILBOX_OK;
}

enum mailbox_result mailbox_post_asks(struct mailbox *m, const struct mailbox_ask asks[],
				      unsigned row_count)
{
	CHECK(row_count <= ENGINE_ASKS_MAX);
	if (!is_ours(m))
		return MAILBOX_SILENT;
	memcpy(m->rows.asks, asks, row_count * sizeof(asks[0]));
	post(m, MAILBOX_ASK, 0, row_count);
	return MAILBOX_OK;
}

enum mailbox_result mailbox_post_asked(struct mailbox *m, const uint32_t handles[],
				       unsigned row_count)
{
	CHECK(row_count <= ENGINE_ASKS_MAX);
	if (!is_ours(m))
		return MAILBOX_SILENT;
	for (unsigned i = 0; i < row_count; i++)
		m->rows.asked[i].handle = handles[i];
	post(m, MAILBOX_ASKED, 0, row_count);
	return MAILBOX_OK;
}

enum mailbox_result mailbox_wait(struct mailbox *m)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	const unsigned polls_max = MAILBOX_TIMEOUT_MS * (unsigned)(NS_PER_MS / POLL_NS);
	uint32_t posted = MAILBOX_POSTED;

	for (unsigned i = 0; i < polls_max; i++) {
		if (atomic_load_explicit(&m->state, memory_order_acquire) == MAILBOX_FILLED)
			return MAILBOX_OK;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	atomic_compare_exchange_strong_explicit(&m->state, &posted, MAILBOX_EMPTY,
						memory_order_acquire, memory_order_acquire);
	return posted == MAILBOX_FILLED ? MAILBOX_OK : MAILBOX_SILENT;
}

static void answer_ports(struct mailbox *m, const struct engine *engine)
{
	const uint32_t outgoing_idx = m->cursor >> MAILBOX_PORTS_PLACE_BITS;
	uint32_t place = m->cursor & ((UINT32_C(1) << MAILBOX_PORTS_PLACE_BITS) - 1);

	memset(m->rows.port_counts, 0, sizeof(m->rows.port_counts));
	engine_report_ports(engine, outgoing_idx, m->rows.port_counts, &place);
	m->cursor = place == ENGINE_REPORT_END ? ENGINE_REPORT_END
					       : outgoing_idx << MAILBOX_PORTS_PLACE_BITS | place;
}

static void answer_asks(struct mailbox *m, struct engine *engine, mono_ns now)
{
	for (unsigned i = 0; i < m->row_count; i++) {
		struct mailbox_ask *row = &m->rows.asks[i];

		row->result = engine_ask(engine, &row->qname, row->qtype, row->how, now,
					 &row->handle, &row->owner);
	}
}

static void answer_asked(struct mailbox *m, struct engine *engine)
{
	for (unsigned i = 0; i < m->row_count; i++) {
		struct mailbox_asked *row = &m->rows.asked[i];

		row->known = engine_asked(engine, row->handle, &row->asked);
	}
}

void mailbox_answer(struct mailbox *m, struct engine *engine, mono_ns now)
{
	uint32_t posted = MAILBOX_POSTED;

	if (!atomic_compare_exchange_strong_explicit(&m->state, &posted, MAILBOX_FILLING,
						     memory_order_acquire, memory_order_relaxed))
		return;
	switch (m->report) {
	case MAILBOX_UPSTREAMS:
		m->row_count = engine_report_upstreams(engine, m->rows.upstreams,
						       MAILBOX_UPSTREAM_ROWS, &m->cursor);
		break;
	case MAILBOX_LEARNED:
		m->row_count = engine_report_learned(engine, m->rows.upstreams,
						     MAILBOX_UPSTREAM_ROWS, &m->cursor);
		break;
	case MAILBOX_INFLIGHT:
		m->row_count = engine_report_inflight(engine, m->rows.inflight,
						      MAILBOX_INFLIGHT_ROWS, &m->cursor, now);
		break;
	case MAILBOX_NEIGHBOURS:
		m->row_count = engine_report_neighbours(engine, m->rows.neighbours,
							MAILBOX_NEIGHBOUR_ROWS, &m->cursor);
		break;
	case MAILBOX_ROUTES:
		m->row_count = engine_report_routes(engine, m->rows.routes, MAILBOX_ROUTE_ROWS,
						    &m->cursor);
		break;
	case MAILBOX_PORTS:
		answer_ports(m, engine);
		break;
	case MAILBOX_EVENTS:
		m->row_count = engine_report_events(engine, m->rows.events, MAILBOX_EVENT_ROWS,
						    &m->cursor);
		break;
	case MAILBOX_ASK:
		answer_asks(m, engine, now);
		break;
	case MAILBOX_ASKED:
		answer_asked(m, engine);
		break;
	}
	atomic_store_explicit(&m->state, MAILBOX_FILLED, memory_order_release);
}
