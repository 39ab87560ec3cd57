#include "dpdk_app/stream_report.h"

#include <stdlib.h>

#include "core/mono.h"

const char *const stream_client_state_text[STREAM_CLIENT_STATE_COUNT] = {
#define X(symbol, text) [STREAM_CLIENT_##symbol] = text,
	STREAM_CLIENT_STATES(X)
#undef X
};

struct stream_report {
	uv_async_t async;
	uv_mutex_t lock; /* of what follows */
	uv_cond_t filled;
	struct stream_report_page *wanted; /* the asker's, while it waits; NULL: nothing to fill */
	const struct stream_servers *servers;
	stream_report_count_clients *count_clients;
	void *context;
};

static void fill(const struct stream_report *r, struct stream_report_page *page)
{
	for (unsigned i = 0; i < STREAM_CLIENT_STATE_COUNT; i++)
		page->clients[i] = 0;
	r->count_clients(r->context, page->clients);
	page->row_count =
		stream_servers_report(r->servers, &page->cursor, page->rows, STREAM_REPORT_ROWS);
}

static void on_asked(uv_async_t *async)
{
	struct stream_report *r = async->data;

	uv_mutex_lock(&r->lock);
	if (r->wanted != NULL) {
		fill(r, r->wanted);
		r->wanted = NULL;
		uv_cond_signal(&r->filled);
	}
	uv_mutex_unlock(&r->lock);
}

struct stream_report *stream_report_make(uv_loop_t *loop, const struct stream_servers *servers,
					 stream_report_count_clients *count_clients, void *context)
{
	struct stream_report *r = calloc(1, sizeof(*r));

	if (r == NULL || uv_async_init(loop, &r->async, on_asked) != 0) {
		free(r);
		return NULL;
	}
	CHECK(uv_mutex_init(&r->lock) == 0 && uv_cond_init(&r->filled) == 0);
	r->async.data = r;
	r->servers = servers;
	r->count_clients = count_clients;
	r->context = context;
	return r;
}

bool stream_report_ask(struct stream_report *r, struct stream_report_page *page)
{
	const uint64_t until_ns = uv_hrtime() + STREAM_REPORT_TIMEOUT_MS * NS_PER_MS;
	bool good;

	uv_mutex_lock(&r->lock);
	r->wanted = page;
	uv_async_send(&r->async);
	while (r->wanted != NULL) {
		const uint64_t now_ns = uv_hrtime();

		if (now_ns >= until_ns)
			break;
		uv_cond_timedwait(&r->filled, &r->lock, until_ns - now_ns);
	}
	good = r->wanted == NULL;
	r->wanted = NULL;
	uv_mutex_unlock(&r->lock);
	return good;
}

static void on_closed(uv_handle_t *async)
{
	struct stream_report *r = async->data;

	uv_cond_destroy(&r->filled);
	uv_mutex_destroy(&r->lock);
	free(r);
}

void stream_report_close(struct stream_report *r)
{
	uv_close((uv_handle_t *)&r->async, on_closed);
}
