#include "dpdk_app/streams.h"

#include <errno.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "dpdk_app/log.h"
#include "dpdk_app/stream_clients.h"
#include "dpdk_app/stream_listen.h"
#include "dpdk_app/stream_mbuf.h"
#include "dpdk_app/stream_servers.h"

/* Bursts that are taken from one worker in a turn, so that sockets have theirs. */
#define BURSTS_MAX 16
/* While the workers' rings are full of questions: when to look again. */
#define ROOM_WAIT_NS NS_PER_MS
/* Descriptors besides the clients': connections to servers, devices, sockets of control and telemetry. */
#define OTHER_DESCRIPTORS (STREAM_SERVERS_CONNECTIONS_MAX + 1024)
/* What the engine may write behind a question: its answer. */
#define QUESTION_ROOM_BYTES UINT16_MAX

struct streams {
	struct streams_params params;
	struct worker *worker;
	struct engine *engine;
	struct handoff *handoff;
	struct stream_counters counters;
	uv_loop_t loop;
	uv_poll_t wake; /* what others have passed */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t busy; /* active: the next turn comes at once */
	uv_timer_t timer;
	uv_async_t changed; /* a reload wants something */
	struct stream_clients *clients;
	struct stream_servers *servers;
	struct stream_report *report;
	mono_ns now;
	bool stopping;
	bool has_handles; /* that the loop has to close */
	bool has_thread;
	pthread_t thread;

	/* Who reloads: writes, then waits for `taken`; the thread reads when `changed` tells it to. */
	struct stream_listen listen, next_listen;
	struct stream_clients_settings next_settings;
	sem_t taken;

	uint8_t question[STREAM_MESSAGE_BYTES_MAX + QUESTION_ROOM_BYTES];
	uint8_t message[STREAM_MESSAGE_BYTES_MAX];
};

/* ---- time ---- */

/* A counter that a hypervisor sets back must not make time go back. */
static mono_ns time_now(void *context)
{
	struct streams *s = context;
	mono_ns now = tsc_clock_ns(&s->worker->clock, rte_rdtsc());

	if (now > s->now)
		s->now = now;
	return s->now;
}

/* ---- questions of clients ---- */

/* The question is another worker's. */
static enum stream_asked pass(struct streams *s, const struct rx_slot *slot)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(s->worker->stream_pool);
	unsigned lost = 1;

	if (mbuf != NULL) {
		CHECK(slot->length_bytes <= STREAM_PIECE_BYTES);
		memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), slot->data, slot->length_bytes);
		mbuf->data_len = (uint16_t)slot->length_bytes;
		mbuf->pkt_len = slot->length_bytes;
		mbuf->port = s->worker->ports->ports[0].port_id;
		lost = handoff_put(s->handoff, slot->to_worker, HANDOFF_QUESTION, mbuf);
	}
	if (lost == 0)
		return STREAM_ASKED_PASSED;
	engine_not_passed(s->engine, RX_PASSED_QUESTION, lost);
	return mbuf == NULL ? STREAM_ASKED_DROPPED : STREAM_ASKED_PASSED;
}

/* What is no query at all: its sender speaks something else. */
static bool is_garbage(const struct rx_slot *slot)
{
	return slot->outcome == COUNTER_DROP_QUERY_SHORT ||
	       slot->outcome == COUNTER_DROP_QUERY_IS_RESPONSE;
}

static enum stream_asked ask(void *context, struct stream_question *q)
{
	struct streams *s = context;
	struct rx_slot slot = {
		.data = s->question,
		.length_bytes = (uint32_t)q->message.length_bytes,
		.tailroom_bytes = QUESTION_ROOM_BYTES,
		.vlan = FRAME_VLAN_NONE,
		.in_place = true,
		.kind = RX_PACKET,
	};

	memcpy(s->question, q->message.data, q->message.length_bytes);
	switch (engine_stream_question(s->engine, &slot, &q->origin, time_now(s))) {
	case RX_SEND:
		q->answer = slot.data;
		q->answer_bytes = slot.length_bytes;
		q->answer_capacity = (uint32_t)(s->question + sizeof(s->question) - slot.data);
		return STREAM_ASKED_ANSWERED;
	case RX_WORKER:
		return pass(s, &slot);
	case RX_KERNEL:
	case RX_FREE:
		break;
	}
	return is_garbage(&slot) ? STREAM_ASKED_GARBAGE : STREAM_ASKED_DROPPED;
}

/* ---- between workers and streams ---- */

static void count_lost(struct streams *s, unsigned count)
{
	stream_counter_add(&s->counters, STREAM_HANDOFF_LOST, count);
}

/* From a server: for the worker that has asked. */
static void on_done(void *context, const struct stream_slot *done)
{
	struct streams *s = context;
	struct rte_mbuf *mbuf = stream_mbuf_make(s->worker->stream_pool, done);

	if (mbuf == NULL)
		count_lost(s, 1);
	else
		count_lost(s, handoff_put(s->handoff, done->worker, HANDOFF_STREAM, mbuf));
}

static void take_message(struct streams *s, const struct stream_slot *slot)
{
	switch ((enum stream_kind)slot->kind) {
	case STREAM_QUERY:
		stream_servers_ask(s->servers, slot);
		return;
	case STREAM_ANSWER:
		stream_clients_answer(s->clients, slot->handle, slot->data, slot->length_bytes,
				      slot->capacity_bytes);
		return;
	case STREAM_RESPONSE:
	case STREAM_FAILED:
	case STREAM_KIND_COUNT:
		break;
	}
	CHECK(false); /* what we give to workers does not come back */
}

/* Returns whether there is more. */
static bool take_from(struct streams *s, unsigned worker_idx)
{
	for (unsigned burst = 0; burst < BURSTS_MAX; burst++) {
		struct rte_mbuf *mbufs[PORT_BURST];
		unsigned count =
			handoff_take(s->handoff, (uint8_t)worker_idx, HANDOFF_STREAM, mbufs);

		for (unsigned i = 0; i < count; i++) {
			struct stream_slot slot;

			stream_mbuf_read(mbufs[i], s->message, &slot);
			take_message(s, &slot);
			rte_pktmbuf_free(mbufs[i]);
		}
		if (count < PORT_BURST)
			return false;
	}
	return true;
}

static bool take_messages(struct streams *s)
{
	bool more = false;

	for (unsigned w = 0; w < s->handoff->worker_count; w++)
		more = take_from(s, w) || more;
	return more;
}

/* Of our own engine. */
static void take_own(struct streams *s)
{
	struct stream_slot slot = {.data = s->message, .capacity_bytes = sizeof(s->message)};

	while (engine_stream_wants_out(s->engine) && engine_stream_out(s->engine, &slot, s->now)) {
		take_message(s, &slot);
		slot = (struct stream_slot){.data = s->message,
					    .capacity_bytes = sizeof(s->message)};
	}
}

static void flush(struct streams *s)
{
	unsigned lost = handoff_flush(s->handoff, HANDOFF_QUESTION);

	if (lost > 0)
		engine_not_passed(s->engine, RX_PASSED_QUESTION, lost);
	count_lost(s, handoff_flush(s->handoff, HANDOFF_STREAM));
	counter_add(engine_counters_mut(s->engine), COUNTER_WAKES, handoff_wake(s->handoff));
}

/* ---- orders ---- */

static void on_timer(uv_timer_t *timer)
{
	(void)timer; /* that there is a turn is enough */
}

static void on_busy(uv_idle_t *idle)
{
	(void)idle;
}

static void set_state(struct streams *s, uint32_t bit, bool on)
{
	uint32_t state = atomic_load_explicit(&s->worker->state, memory_order_relaxed);
	uint32_t wanted = on ? state | bit : state & ~bit;

	if (state != wanted)
		atomic_store_explicit(&s->worker->state, wanted, memory_order_release);
}

static void close_all(struct streams *s)
{
	uv_handle_t *const own[] = {
		(uv_handle_t *)&s->wake, (uv_handle_t *)&s->prepare, (uv_handle_t *)&s->check,
		(uv_handle_t *)&s->busy, (uv_handle_t *)&s->timer,   (uv_handle_t *)&s->changed,
	};

	if (s->report != NULL)
		stream_report_close(s->report);
	if (s->servers != NULL)
		stream_servers_close(s->servers);
	if (s->clients != NULL)
		stream_clients_close(s->clients);
	for (size_t i = 0; i < ARRAY_COUNT(own); i++)
		uv_close(own[i], NULL);
}

/* As worker.c's. Returns false on QUIT. */
static bool obey_orders(struct streams *s)
{
	struct worker *w = s->worker;
	/* acquire: what control wrote before the order is seen after it. */
	uint32_t orders = atomic_load_explicit(&w->orders, memory_order_acquire);

	if (orders == 0)
		return true;
	atomic_fetch_and_explicit(&w->orders, ~orders, memory_order_acq_rel);
	if ((orders & WORKER_ORDER_REPORT) != 0)
		mailbox_answer(&w->mailbox, s->engine, s->now);
	if ((orders & WORKER_ORDER_STOP_TAKING) != 0) {
		engine_stop_taking(s->engine);
		s->stopping = true;
		stream_clients_keep(s->clients, NULL, 0);
	}
	return (orders & WORKER_ORDER_QUIT) == 0;
}

/* ---- turns ---- */

static mono_ns next_deadline(const struct streams *s)
{
	mono_ns at = engine_next_deadline(s->engine);
	mono_ns clients_at = stream_clients_next(s->clients);

	if (clients_at < at)
		at = clients_at;
	if (stream_clients_want_room(s->clients) && s->now + ROOM_WAIT_NS < at)
		at = s->now + ROOM_WAIT_NS;
	return at;
}

/* What the loop waits for: nothing, if there is more to do. */
static void sleep_or_not(struct streams *s, bool more)
{
	const mono_ns at = next_deadline(s);

	if (!more)
		more = !handoff_asleep(s->handoff);
	/* An order that was given before asleep was seen did not call. */
	if (more || worker_orders(s->worker) != 0) {
		uv_idle_start(&s->busy, on_busy);
		return;
	}
	uv_idle_stop(&s->busy);
	if (at == MONO_NEVER) {
		uv_timer_stop(&s->timer);
		return;
	}
	uv_update_time(&s->loop);
	uv_timer_start(&s->timer, on_timer,
		       at > s->now ? (at - s->now + NS_PER_MS - 1) / NS_PER_MS : 0, 0);
}

/* A turn, before the loop sleeps: all that came since the last one goes out. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct streams *s = prepare->data;
	bool more;

	time_now(s);
	if (!obey_orders(s)) {
		close_all(s);
		return;
	}
	/* Before anything is taken from a ring: its sender may call itself idle when it is empty. */
	if (s->stopping)
		set_state(s, WORKER_STATE_IDLE, false);
	more = take_messages(s);
	(void)engine_tx(s->engine, NULL, 0, s->now);
	take_own(s);
	stream_clients_turn(s->clients, s->now, handoff_room(s->handoff, HANDOFF_QUESTION));
	flush(s);
	if (s->stopping)
		set_state(s, WORKER_STATE_IDLE,
			  !more && stream_clients_idle(s->clients) && engine_idle(s->engine) &&
				  handoff_all_taken(s->handoff));
	sleep_or_not(s, more);
}

static void on_check(uv_check_t *check)
{
	struct streams *s = check->data;

	handoff_awake(s->handoff);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	const struct streams *s = poll->data;
	uint64_t count;

	(void)status;
	(void)events;
	(void)!read(s->handoff->wake_fd, &count, sizeof(count));
}

/* ---- reload ---- */

static void listen_on(struct streams *s, struct stream_listen *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (l->fds[i] < 0)
			continue;
		if (!stream_clients_listen(s->clients, &l->endpoints[i], l->fds[i]))
			log_write(CONFIG_LOG_ERROR, "streams", "cannot listen error=\"%m\"");
		l->fds[i] = -1;
	}
}

static void on_changed(uv_async_t *async)
{
	struct streams *s = async->data;

	if (!s->stopping) {
		listen_on(s, &s->next_listen);
		stream_clients_keep(s->clients, s->next_listen.endpoints, s->next_listen.count);
		if (!stream_clients_follow(s->clients, &s->next_settings))
			log_write(CONFIG_LOG_ERROR, "memory", "no memory for=tcp.max_clients");
	} else {
		stream_listen_close(&s->next_listen);
	}
	sem_post(&s->taken);
}

/* As many as there may be descriptors for. */
static struct stream_clients_settings settings_of(const struct config *config)
{
	const rlim_t wanted = (rlim_t)config->tcp.max_clients + OTHER_DESCRIPTORS;
	struct stream_clients_settings settings = {
		.max_clients = config->tcp.max_clients,
		.idle_s = config->tcp.idle_s,
	};
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return settings;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return settings;
	settings.max_clients = limit.rlim_cur > OTHER_DESCRIPTORS
				       ? (uint32_t)(limit.rlim_cur - OTHER_DESCRIPTORS)
				       : 1;
	log_write(CONFIG_LOG_WARNING, "streams",
		  "fewer TCP clients than tcp.max_clients: the limit of open files is low "
		  "tcp.max_clients=%u clients=%u remedy=\"LimitNOFILE=%llu, or ulimit -n\"",
		  config->tcp.max_clients, settings.max_clients, (unsigned long long)wanted);
	return settings;
}

bool streams_prepare(struct streams *s, const struct config *next)
{
	if (s == NULL)
		return true;
	if (!stream_listen_open(s->params.path, next, &s->listen, &s->next_listen))
		return false;
	s->next_settings = settings_of(next);
	return true;
}

void streams_commit(struct streams *s)
{
	if (s == NULL)
		return;
	uv_async_send(&s->changed);
	while (sem_wait(&s->taken) != 0)
		;
	s->listen = s->next_listen;
}

void streams_abandon(struct streams *s)
{
	if (s != NULL)
		stream_listen_close(&s->next_listen);
}

/* ---- beginning and end ---- */

static bool make_handles(struct streams *s)
{
	if (uv_loop_init(&s->loop) != 0)
		return false;
	if (uv_poll_init(&s->loop, &s->wake, s->handoff->wake_fd) != 0 ||
	    uv_async_init(&s->loop, &s->changed, on_changed) != 0)
		return false;
	uv_prepare_init(&s->loop, &s->prepare);
	uv_check_init(&s->loop, &s->check);
	uv_idle_init(&s->loop, &s->busy);
	uv_timer_init(&s->loop, &s->timer);
	s->has_handles = true;
	s->wake.data = s->prepare.data = s->check.data = s->changed.data = s;
	return uv_poll_start(&s->wake, UV_READABLE, on_wake) == 0 &&
	       uv_prepare_start(&s->prepare, on_prepare) == 0 &&
	       uv_check_start(&s->check, on_check) == 0;
}

static bool make_parts(struct streams *s)
{
	const struct stream_servers_params servers = {
		.on_done = on_done,
		.context = s,
		.counters = &s->counters,
		.path = s->params.path,
	};
	const struct stream_clients_params clients = {
		.loop = &s->loop,
		.ask = ask,
		.clock = time_now,
		.context = s,
		.counters = &s->counters,
		.settings = settings_of(s->params.config),
	};

	s->clients = stream_clients_make(&clients);
	s->servers = stream_servers_make(&s->loop, &servers);
	if (s->clients == NULL || s->servers == NULL)
		return false;
	s->report = stream_report_make(&s->loop, s->servers, stream_clients_count, s->clients);
	return s->report != NULL;
}

struct streams *streams_make(const struct streams_params *params)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=streams bytes=%zu",
			  sizeof(*s));
		return NULL;
	}
	s->params = *params;
	s->worker = params->worker;
	s->engine = params->worker->engine;
	s->handoff = params->worker->handoff;
	sem_init(&s->taken, 0, 0);
	if (!stream_listen_open(params->path, params->config, NULL, &s->listen)) {
		streams_free(s);
		return NULL;
	}
	if (!make_handles(s) || !make_parts(s)) {
		log_write(CONFIG_LOG_ERROR, "streams", "cannot prepare TCP error=\"%m\"");
		streams_free(s);
		return NULL;
	}
	listen_on(s, &s->listen);
	return s;
}

static void *run(void *argument)
{
	struct streams *s = argument;

	/* Of this thread only. Without it TCP has more of a CPU that it shares. */
	(void)setpriority(PRIO_PROCESS, 0, STREAMS_NICE);
	/* Without an lcore the pools' caches are not used, which is all. */
	if (rte_thread_register() != 0)
		log_write(CONFIG_LOG_WARNING, "streams", "is no lcore error=\"%s\"",
			  rte_strerror(rte_errno));
	set_state(s, WORKER_STATE_READY, true);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	rte_thread_unregister();
	return NULL;
}

bool streams_start(struct streams *s)
{
	pthread_attr_t attributes;
	cpu_set_t cpus;
	int error;

	CPU_ZERO(&cpus);
	CPU_SET(s->params.cpu, &cpus);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	error = pthread_create(&s->thread, &attributes, run, s);
	pthread_attr_destroy(&attributes);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "streams", "no thread error=\"%s\"", strerror(error));
		return false;
	}
	s->has_thread = true;
	pthread_setname_np(s->thread, "portico-streams");
	log_write(CONFIG_LOG_INFO, "streams", "started cpu=%u listen=%u", s->params.cpu,
		  s->listen.count);
	return true;
}

void streams_join(struct streams *s)
{
	if (s == NULL || !s->has_thread)
		return;
	pthread_join(s->thread, NULL);
	s->has_thread = false;
	s->has_handles = false;
	uv_loop_close(&s->loop);
}

void streams_free(struct streams *s)
{
	if (s == NULL)
		return;
	/* The loop has never run. */
	if (s->has_handles) {
		close_all(s);
		(void)uv_run(&s->loop, UV_RUN_DEFAULT);
		uv_loop_close(&s->loop);
	}
	stream_listen_close(&s->listen);
	sem_destroy(&s->taken);
	free(s);
}

const struct stream_counters *streams_counters(const struct streams *s)
{
	return &s->counters;
}

struct stream_report *streams_report(struct streams *s)
{
	return s->report;
}
