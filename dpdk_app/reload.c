#include "dpdk_app/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "config/config_change.h"
#include "config/config_zones.h"
#include "dpdk_app/kernel_routes.h"
#include "dpdk_app/listen_conflict.h"
#include "dpdk_app/log.h"
#include "dpdk_app/metrics.h"
#include "dpdk_app/telemetry.h"

/* A snapshot that finds no place: places come free by the second. */
#define ROUTES_RETRY_S 1
/* Keys named in the one line that says that it is done. */
#define KEYS_SHOWN 8
#define KEYS_BYTES 512

struct reload {
	struct reload_parts parts;
	/* The thread's own. */
	struct config *running;
	mono_ns outgoing_gone_at[OUTGOING_SLOTS_MAX]; /* of those that are retired in it */

	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t
		wake; /* the thread: something is wanted; and those who wait: something was done */
	bool quit, ended;
	bool routes_wanted;
	uint64_t wanted, finished; /* counts: the reload that is wanted, the last one finished */
	enum reload_result result; /* of that */
	struct reload_status status;
	char *report;
};

static mono_ns monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_ns)now.tv_sec * NS_PER_S + (mono_ns)now.tv_nsec;
}

/* ---- what the file says ---- */

/* Each line of a text to the log, and with that to the report. */
static void log_lines(char *text)
{
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] != '\0')
			log_checked(line);
	}
}

/* NULL: it is not valid (logged). */
static struct config *load(const char *file)
{
	char *text = NULL;
	size_t length;
	FILE *lines = open_memstream(&text, &length);
	struct config *config;

	if (lines == NULL) {
		log_write(CONFIG_LOG_ERROR, "reload", "no memory");
		return NULL;
	}
	config = config_load(file, lines, NULL, NULL);
	fclose(lines);
	log_lines(text);
	free(text);
	return config;
}

struct changes {
	unsigned count;
	struct config_change *list;
};

/* False: no memory (logged). */
static bool compare(const struct config *running, const struct config *next, struct changes *out)
{
	out->count = config_changes(running, next, NULL, 0);
	out->list = calloc(out->count + 1, sizeof(out->list[0]));
	if (out->list == NULL) {
		log_write(CONFIG_LOG_ERROR, "reload", "no memory");
		return false;
	}
	(void)config_changes(running, next, out->list, out->count);
	return true;
}

/* All of what cannot change while we run. */
static bool check_restart(const struct config *next, const struct changes *changes)
{
	bool ok = true;

	for (unsigned i = 0; i < changes->count; i++) {
		const struct config_change *change = &changes->list[i];
		char path[CONFIG_CHANGE_PATH_BYTES];

		if (!change->needs_restart)
			continue;
		log_refusal((struct log_place){next->file, change->line, change->column},
			    "%s: needs a restart: it cannot %s while Portico runs",
			    config_change_path(change, path),
			    change->line != 0 ? "change" : "be taken out");
		ok = false;
	}
	return ok;
}

/* ---- places of outgoing addresses ---- */

static bool align_outgoing(const struct reload *r, struct config *next, mono_ns now)
{
	const uint64_t grace_ns = engine_setup_grace_ns(r->running, next);
	bool is_free[OUTGOING_SLOTS_MAX];

	for (unsigned i = 0; i < OUTGOING_SLOTS_MAX; i++)
		is_free[i] = now - r->outgoing_gone_at[i] >= grace_ns;
	switch (config_align_outgoing(r->running, next, is_free)) {
	case CONFIG_ALIGN_OK:
		return true;
	case CONFIG_ALIGN_FULL:
		break;
	}
	log_refusal((struct log_place){.file = next->file},
		    "outgoing.addresses: those that reloads have taken out still hold their "
		    "places: reload again in some seconds");
	return false;
}

static void note_gone(struct reload *r, const struct config *next, mono_ns now)
{
	for (unsigned i = 0; i < next->outgoing_count; i++) {
		bool was_gone = i < r->running->outgoing_count && r->running->outgoing[i].retired;

		if (next->outgoing[i].retired && !was_gone)
			r->outgoing_gone_at[i] = now;
	}
}

/* ---- what may be refused ---- */

/* All servers whose replies may still come. */
static bool widen_xdp(const struct reload *r, const struct config *next,
		      const struct engine_config *snapshot)
{
	const struct engine_plan *plan = &r->parts.setup->plan;
	struct endpoint *peers = calloc(snapshot->server_count + 1u, sizeof(*peers));
	unsigned count = 0;
	bool ok;

	if (peers == NULL) {
		log_write(CONFIG_LOG_ERROR, "reload", "no memory");
		return false;
	}
	for (uint16_t i = 0; i < snapshot->server_count; i++) {
		if (!snapshot->server_retired[i] || !engine_plan_server_is_over(plan, i))
			peers[count++] = snapshot->server_endpoints[i];
	}
	ok = xdp_widen(r->parts.xdp, next, peers, count);
	free(peers);
	return ok;
}

/* With new source sets made: the rest, up to the point of no return. NULL: refused (logged). */
static struct engine_config *make_snapshot(const struct reload *r, const struct config *next,
					   mono_ns now)
{
	struct engine_config *snapshot = engine_setup_snapshot(
		r->parts.setup, next, now, engine_setup_grace_ns(r->running, next));

	if (snapshot == NULL)
		return NULL;
	/* The addresses first: streams listen on them. */
	if (kernel_tap_widen(r->parts.taps, next) && streams_prepare(r->parts.streams, next)) {
		if (widen_xdp(r, next, snapshot) && metrics_change(snapshot, &next->metrics_listen))
			return snapshot;
		streams_abandon(r->parts.streams);
	}
	xdp_narrow(r->parts.xdp, r->running);
	kernel_tap_narrow(r->parts.taps, r->running);
	engine_setup_discard(snapshot);
	return NULL;
}

static struct engine_config *prepare(const struct reload *r, struct config *next, mono_ns now)
{
	struct engine_config *snapshot;

	if (!align_outgoing(r, next, now) ||
	    !listen_conflict_check(next, r->running, r->parts.xdp) ||
	    !xdp_check(r->parts.xdp, next) || !port_keeper_prepare(r->parts.keeper, next))
		return NULL;
	snapshot = make_snapshot(r, next, now);
	if (snapshot == NULL)
		port_keeper_abandon(r->parts.keeper);
	return snapshot;
}

/* ---- what cannot fail ---- */

static void wait_for_workers(const struct reload *r)
{
	/* Two turns: the order is taken at the beginning of one, the snapshot in the course of it. */
	for (unsigned turns = 0; turns < 2; turns++) {
		while (!worker_wait_turn(r->parts.workers, r->parts.worker_count))
			log_write(CONFIG_LOG_WARNING, "reload",
				  "a worker takes its time: waiting for it");
	}
}

static void follow(const struct reload *r, const struct config *next)
{
	const struct reload_parts *p = &r->parts;

	xdp_narrow(p->xdp, next);
	kernel_tap_narrow(p->taps, next);
	port_keeper_commit(p->keeper);
	telemetry_follow(next);
	cache_control_configure(p->cache, next);
	streams_commit(p->streams);
	control_follow(p->control, next);
	for (unsigned i = 0; i < p->worker_count; i++)
		worker_set_poll(&p->workers[i], next->poll);
	log_init(next->log_level, next->log_format);
}

/* What other servers have said of names that are not theirs any more. */
static void flush_moved_zones(const struct reload *r, const struct config *next)
{
	const struct name *moved[CONFIG_ZONES_MOVED_MAX];
	unsigned count = config_zones_moved(r->running, next, moved);

	cache_control_flush_zones(r->parts.cache, moved, count);
}

/* Every worker goes by it when this returns. Returns the one before, which only the caller knows of. */
static struct engine_config *put_in_force(struct reload *r, const struct engine_config *snapshot)
{
	const struct reload_parts *p = &r->parts;
	struct engine_config *last;

	if (p->neighbours != NULL)
		kernel_neighbours_prepare(p->neighbours, snapshot, monotonic_ns());
	last = engine_setup_publish(p->setup, snapshot);
	wait_for_workers(r);
	/* Until now workers have begun what refers to what is gone. */
	engine_plan_on_taken(&p->setup->plan, monotonic_ns());
	if (p->neighbours != NULL) {
		kernel_neighbours_follow(p->neighbours, snapshot, monotonic_ns());
		kernel_routes_tell(last, snapshot);
	}
	return last;
}

static void commit(struct reload *r, struct config *next, const struct engine_config *snapshot)
{
	struct engine_config *last = put_in_force(r, snapshot);

	follow(r, next);
	flush_moved_zones(r, next);
	note_gone(r, next, monotonic_ns());
	engine_setup_discard(last);
	/* The first one stays: what cannot change is read from it. */
	if (r->running != r->parts.config)
		config_free(r->running);
	r->running = next;
}

/* ---- routes ---- */

/* False: no place for it now. */
static bool follow_routes(struct reload *r)
{
	struct engine_config *snapshot =
		engine_setup_snapshot(r->parts.setup, r->running, monotonic_ns(),
				      engine_setup_grace_ns(r->running, r->running));
	struct engine_config *last;

	if (snapshot == NULL)
		return false;
	last = put_in_force(r, snapshot);
	metrics_follow(snapshot);
	engine_setup_discard(last);
	return true;
}

/* With the lock, which is given up while it lasts. */
static void run_routes(struct reload *r)
{
	bool done;

	r->routes_wanted = false;
	pthread_mutex_unlock(&r->lock);
	done = follow_routes(r);
	pthread_mutex_lock(&r->lock);
	if (!done && !r->quit) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += ROUTES_RETRY_S;
		r->routes_wanted = true;
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
	}
}

/* ---- one reload ---- */

static void tell_done(const struct changes *changes)
{
	char keys[KEYS_BYTES] = "";
	size_t used = 0;

	for (unsigned i = 0; i < changes->count && i < KEYS_SHOWN && used < sizeof(keys); i++) {
		char path[CONFIG_CHANGE_PATH_BYTES];

		used += (size_t)snprintf(keys + used, sizeof(keys) - used, "%s%.80s",
					 i > 0 ? ", " : "",
					 config_change_path(&changes->list[i], path));
	}
	log_write(CONFIG_LOG_INFO, "reload", "reloaded changes=%u keys=\"%s%s\"", changes->count,
		  keys, changes->count > KEYS_SHOWN ? ", ..." : "");
}

static bool reload_with(struct reload *r, struct config *next, const struct changes *changes)
{
	struct engine_config *snapshot;

	if (!check_restart(next, changes))
		return false;
	snapshot = prepare(r, next, monotonic_ns());
	if (snapshot == NULL)
		return false;
	/* Before the running one goes, whose keys may be among them. */
	tell_done(changes);
	commit(r, next, snapshot);
	return true;
}

static bool reload_once(struct reload *r)
{
	struct config *next = load(r->parts.config->file);
	struct changes changes = {0};
	bool done = false;

	if (next != NULL && compare(r->running, next, &changes))
		done = reload_with(r, next, &changes);
	free(changes.list);
	if (!done)
		config_free(next);
	return done;
}

/* What systemd wants to hear, unless it has heard that we stop: nothing may follow that. With the lock, so that it does not. */
static void notify_reloading(const struct reload *r)
{
	if (!r->quit)
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
			   monotonic_ns() / NS_PER_US);
}

static void notify_ready(const struct reload *r, bool done)
{
	if (!r->quit)
		sd_notify(0, done ? "READY=1\nSTATUS=answering"
				  : "READY=1\nSTATUS=answering; the last reload was refused");
}

/* report: owned from here on; NULL: there was no memory for it. */
static void note_result(struct reload *r, bool done, char *report)
{
	struct reload_status *s = &r->status;

	free(r->report);
	r->report = report;
	r->result = done ? RELOAD_DONE : RELOAD_REFUSED;
	if (done) {
		s->done++;
		s->last_done_s = time(NULL);
		return;
	}
	s->refused++;
	s->last_refused_s = time(NULL);
	snprintf(s->why, sizeof(s->why), "%.*s", report != NULL ? (int)strcspn(report, "\n") : 0,
		 report != NULL ? report : "");
}

/* With the lock, which is given up while it lasts. */
static void run_one(struct reload *r)
{
	char *text = NULL;
	size_t length;
	FILE *report = open_memstream(&text, &length);
	bool done;

	notify_reloading(r);
	pthread_mutex_unlock(&r->lock);
	log_copy_to(report);
	done = reload_once(r);
	if (!done)
		log_write(CONFIG_LOG_ERROR, "reload", "refused, nothing has changed config=%s",
			  r->parts.config->file);
	log_copy_to(NULL);
	if (report != NULL)
		fclose(report);
	pthread_mutex_lock(&r->lock);
	notify_ready(r, done);
	note_result(r, done, text);
}

static void *run(void *argument)
{
	struct reload *r = argument;

	pthread_mutex_lock(&r->lock);
	while (!r->quit) {
		uint64_t number = r->wanted;

		if (number == r->finished && r->routes_wanted) {
			run_routes(r);
			continue;
		}
		if (number == r->finished) {
			pthread_cond_wait(&r->wake, &r->lock);
			continue;
		}
		run_one(r);
		/* Those that were wanted meanwhile are one more. */
		r->finished = number;
		pthread_cond_broadcast(&r->wake);
	}
	r->ended = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- for others ---- */

struct reload *reload_start(const struct reload_parts *parts)
{
	struct reload *r = calloc(1, sizeof(*r));
	int error;

	if (r == NULL) {
		log_write(CONFIG_LOG_ERROR, "reload", "no memory");
		return NULL;
	}
	r->parts = *parts;
	/* Never written to, nor freed. */
	r->running = (struct config *)(uintptr_t)parts->config;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	error = pthread_create(&r->thread, NULL, run, r);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "reload", "no thread error=\"%s\"", strerror(error));
		free(r);
		return NULL;
	}
	pthread_setname_np(r->thread, "portico-reload");
	return r;
}

void reload_quit(struct reload *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->quit = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void reload_stop(struct reload *r)
{
	if (r == NULL)
		return;
	reload_quit(r);
	pthread_join(r->thread, NULL);
}

void reload_ask(struct reload *r)
{
	pthread_mutex_lock(&r->lock);
	r->wanted++;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void reload_routes(struct reload *r)
{
	pthread_mutex_lock(&r->lock);
	r->routes_wanted = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

enum reload_result reload_run(struct reload *r)
{
	enum reload_result result = RELOAD_ENDING;
	uint64_t number;

	pthread_mutex_lock(&r->lock);
	number = ++r->wanted;
	pthread_cond_broadcast(&r->wake);
	while (r->finished < number && !r->ended)
		pthread_cond_wait(&r->wake, &r->lock);
	if (r->finished >= number)
		result = r->result;
	pthread_mutex_unlock(&r->lock);
	return result;
}

bool reload_report_line(struct reload *r, unsigned idx, char line[RELOAD_LINE_BYTES])
{
	const char *at;
	bool found = false;

	pthread_mutex_lock(&r->lock);
	at = r->report;
	for (; at != NULL && *at != '\0' && idx > 0; idx--) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	if (at != NULL && *at != '\0') {
		snprintf(line, RELOAD_LINE_BYTES, "%.*s", (int)strcspn(at, "\n"), at);
		found = true;
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

void reload_status(struct reload *r, struct reload_status *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->status;
	pthread_mutex_unlock(&r->lock);
}
