/* What another thread is told of connections, while the loop runs or does not. */
#include "dpdk_app/stream_report.h"
#include "stream_servers_rig.h"
#include "unit.h"

static struct stream_rig rig;

static void count_clients(void *context, uint32_t counts[STREAM_CLIENT_STATE_COUNT])
{
	const uint32_t *idle = context;

	counts[STREAM_CLIENT_IDLE] = *idle;
}

struct asking {
	struct stream_report *report;
	struct stream_report_page page;
	bool good;
	_Atomic bool done;
};

static void ask(void *context)
{
	struct asking *a = context;

	a->good = stream_report_ask(a->report, &a->page);
	a->done = true;
}

static void stream_report__loop_answers_another_thread(void)
{
	uint32_t idle = 5;
	static struct asking asking;
	uv_thread_t thread;

	stream_rig_start(&rig);
	asking = (struct asking){
		.report = stream_report_make(&rig.loop, rig.servers, count_clients, &idle)};
	CU_ASSERT_FATAL(asking.report != NULL);
	stream_rig_ask(&rig, 0);
	CU_ASSERT_FATAL(uv_thread_create(&thread, ask, &asking) == 0);
	while (!asking.done)
		stream_rig_run_ms(&rig, 1);
	CU_ASSERT(uv_thread_join(&thread) == 0);
	CU_ASSERT(asking.good && asking.page.cursor == UINT32_MAX);
	CU_ASSERT(asking.page.clients[STREAM_CLIENT_IDLE] == 5);
	CU_ASSERT(asking.page.clients[STREAM_CLIENT_SENDING] == 0);
	CU_ASSERT(asking.page.row_count == 1 && asking.page.rows[0].under_way == 1);
	stream_report_close(asking.report);
	stream_rig_stop(&rig);
}

static void stream_report__loop_that_stands_still_is_not_waited_for(void)
{
	uint32_t idle = 0;
	struct stream_report_page page = {.cursor = 0};
	struct stream_report *report;
	uint64_t since;

	stream_rig_start(&rig);
	report = stream_report_make(&rig.loop, rig.servers, count_clients, &idle);
	CU_ASSERT_FATAL(report != NULL);
	since = uv_hrtime();
	CU_ASSERT(!stream_report_ask(report, &page));
	CU_ASSERT((uv_hrtime() - since) / 1000000 >= STREAM_REPORT_TIMEOUT_MS - 1);
	/* Nobody wants it any more: the loop writes nowhere. */
	page.row_count = 77;
	stream_rig_run_ms(&rig, 5);
	CU_ASSERT(page.row_count == 77);
	stream_report_close(report);
	stream_rig_stop(&rig);
}

static void stream_report__every_state_has_a_text(void)
{
	for (unsigned i = 0; i < STREAM_CLIENT_STATE_COUNT; i++)
		CU_ASSERT(stream_client_state_text[i] != NULL);
}

static const struct unit_test tests[] = {
	UNIT_TEST(stream_report__loop_answers_another_thread),
	UNIT_TEST(stream_report__loop_that_stands_still_is_not_waited_for),
	UNIT_TEST(stream_report__every_state_has_a_text),
};
UNIT_SUITE(stream_report, tests)
