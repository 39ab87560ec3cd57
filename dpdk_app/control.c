#include "dpdk_app/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/log.h"
#include "dpdk_app/reload.h"
#include "dpdk_app/telemetry.h"

/* How often workers' random bytes are looked after. At 50 MB/s (a million queries a second) a block
 * lasts 20 ms, and there are two. */
#define TICK_MS 10
#define DRAINED_TICKS 2
/* Without a sign of life for XDP_STEER_ALIVE_NS the kernel gets our packets too. */
#define ALIVE_NS (100 * NS_PER_MS)

struct run {
	struct control *control;
	bool ready;
	bool draining;
	bool at_once;
	bool reload_wanted;  /* as soon as all is ready */
	unsigned idle_ticks; /* in a row, of all workers */
	mono_ns drain_until;
	mono_ns alive_at; /* the next sign of life */
};

static mono_ns monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_ns)now.tv_sec * NS_PER_S + (mono_ns)now.tv_nsec;
}

bool control_block_signals(struct control *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	else
		c->signal_fd = -1;
	/* Whoever reads our stderr or the telemetry socket may go away. */
	signal(SIGPIPE, SIG_IGN);
	if (c->signal_fd < 0)
		log_write(CONFIG_LOG_ERROR, "control", "cannot take signals error=\"%m\"");
	return c->signal_fd >= 0;
}

void control_follow(struct control *c, const struct config *config)
{
	atomic_store_explicit(&c->shutdown_s, config->shutdown_s, memory_order_relaxed);
}

static bool all_workers_say(const struct control *c, uint32_t state)
{
	for (unsigned i = 0; i < c->worker_count; i++) {
		if ((worker_state(&c->workers[i]) & state) != state)
			return false;
	}
	return true;
}

static void begin_draining(struct run *r)
{
	const struct control *c = r->control;
	const uint32_t shutdown_s = atomic_load_explicit(&c->shutdown_s, memory_order_relaxed);

	r->draining = true;
	r->drain_until = monotonic_ns() + shutdown_s * NS_PER_S;
	/* No READY=1 of a reload may come after STOPPING=1. */
	reload_quit(c->reload);
	telemetry_set_phase(TELEMETRY_DRAINING);
	sd_notify(0, "STOPPING=1\nSTATUS=finishing the questions under way");
	for (unsigned i = 0; i < c->worker_count; i++)
		worker_order(&c->workers[i], WORKER_ORDER_STOP_TAKING);
	log_write(CONFIG_LOG_INFO, "control", "stopping shutdown_s=%u", shutdown_s);
}

static void on_signal(struct run *r, uint32_t signal_number)
{
	switch (signal_number) {
	case SIGHUP:
		r->reload_wanted = true;
		break;
	case SIGTERM:
	case SIGINT:
		if (r->draining)
			r->at_once = true;
		else
			begin_draining(r);
		break;
	default: /* no other is in the set */
		break;
	}
}

static void begin_reload(struct run *r)
{
	r->reload_wanted = false;
	reload_ask(r->control->reload);
}

static void read_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->control->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(r, info.ssi_signo);
}

static void announce_ready(struct run *r)
{
	const struct port_keeper_least least = port_keeper_least(r->control->keeper);

	r->ready = true;
	telemetry_set_phase(TELEMETRY_READY);
	log_write(CONFIG_LOG_INFO, "control",
		  "answering listen=%u zones=%u ports=%" PRIu32 " port_entropy_bits=%.2f",
		  r->control->listen_count, r->control->zone_count, least.ports,
		  least.entropy_bits);
	fputs("portico: ready\n", stderr);
	fflush(stderr);
	sd_notify(0, "READY=1\nSTATUS=answering");
}

static bool has_drained(struct run *r)
{
	/* Seen twice, a tick apart: a question may have been between two workers when each was looked at. A worker calls itself idle
	 * only when all that it passed was taken, and whoever takes something is not idle any more before it does. */
	r->idle_ticks = all_workers_say(r->control, WORKER_STATE_IDLE) ? r->idle_ticks + 1 : 0;
	if (r->idle_ticks >= DRAINED_TICKS)
		return true;
	if (r->at_once || monotonic_ns() >= r->drain_until) {
		log_write(CONFIG_LOG_WARNING, "control",
			  "stopped before all questions under way were answered");
		return true;
	}
	return false;
}

static enum entropy_feed_result feed_workers(const struct control *c)
{
	for (unsigned i = 0; i < c->worker_count; i++) {
		if (entropy_feed_fill(engine_entropy(c->workers[i].engine)) != ENTROPY_FEED_OK)
			return ENTROPY_FEED_FAILED;
	}
	return ENTROPY_FEED_OK;
}

static void tell_alive(struct run *r)
{
	mono_ns now = monotonic_ns();

	if (now < r->alive_at)
		return;
	r->alive_at = now + ALIVE_NS;
	xdp_tell_alive(r->control->xdp);
}

enum control_result control_run(struct control *c)
{
	struct run r = {.control = c};

	for (;;) {
		struct pollfd wait = {.fd = c->signal_fd, .events = POLLIN};
		bool whole_tick;

		tell_alive(&r);
		whole_tick = poll(&wait, 1, TICK_MS) == 0;

		if (!whole_tick)
			read_signals(&r);
		if (feed_workers(c) != ENTROPY_FEED_OK)
			return CONTROL_FAILED;
		if (r.draining && whole_tick && has_drained(&r))
			return CONTROL_STOPPED;
		if (!r.ready && !r.draining && all_workers_say(c, WORKER_STATE_READY))
			announce_ready(&r);
		if (r.reload_wanted && r.ready && !r.draining)
			begin_reload(&r);
	}
}
