#include "dpdk_app/mailbox.h"

#include <time.h>

#define POLL_NS 100000L

void mailbox_init(struct mailbox *m)
{
	atomic_init(&m->state, MAILBOX_EMPTY);
}

enum mailbox_result mailbox_post(struct mailbox *m, enum mailbox_report report, uint32_t cursor)
{
	uint32_t state = atomic_load_explicit(&m->state, memory_order_acquire);

	if (state == MAILBOX_FILLING)
		return MAILBOX_SILENT;
	m->report = report;
	m->cursor = cursor;
	m->row_count = 0;
	atomic_store_explicit(&m->state, MAILBOX_POSTED, memory_order_release);
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

void mailbox_answer(struct mailbox *m, const struct engine *engine, mono_ns now)
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
	case MAILBOX_INFLIGHT:
		m->row_count = engine_report_inflight(engine, m->rows.inflight,
						      MAILBOX_INFLIGHT_ROWS, &m->cursor, now);
		break;
	case MAILBOX_NEIGHBOURS:
		m->row_count = engine_report_neighbours(engine, m->rows.neighbours,
							MAILBOX_NEIGHBOUR_ROWS, &m->cursor);
		break;
	}
	atomic_store_explicit(&m->state, MAILBOX_FILLED, memory_order_release);
}
