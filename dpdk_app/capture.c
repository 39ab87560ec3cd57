#include "dpdk_app/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_telemetry.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_app/capture_filter.h"
#include "dpdk_app/capture_params.h"
#include "dpdk_app/capture_tap.h"
#include "dpdk_app/capture_writer.h"
#include "dpdk_app/log.h"
#include "dpdk_app/telemetry_rows.h"

#define NAP_NS (5 * NS_PER_MS)
/* A reader that takes nothing for this long while the end is written has stopped. */
#define FINISH_MS 1000u
#define JOIN_S 3
#define LAST_LOOK_MS 500u
#define PATH_BYTES 256

enum state { STATE_NONE, STATE_RUNNING, STATE_ENDED, STATE_COUNT };

static const char *const state_text[] = {
	[STATE_NONE] = "none",
	[STATE_RUNNING] = "running",
	[STATE_ENDED] = "ended",
};
static_assert(ARRAY_COUNT(state_text) == STATE_COUNT, "a text each");

enum end {
	END_NOT,
	END_COUNT,
	END_SECONDS,
	END_STOPPED,
	END_READER,
	END_SILENCE,
	END_PORTICO,
	END_REASONS
};

static const char *const end_text[] = {
	[END_NOT] = "running",          [END_COUNT] = "count",
	[END_SECONDS] = "seconds",      [END_STOPPED] = "stopped",
	[END_READER] = "reader gone",   [END_SILENCE] = "porticoctl silent",
	[END_PORTICO] = "Portico ends",
};
static_assert(ARRAY_COUNT(end_text) == END_REASONS, "a text each");

/* What capture_start asks for. */
struct request {
	char filter[CAPTURE_PARAMS_BYTES];
	char pipe_path[PATH_BYTES];
	uint64_t count_max;
	uint64_t seconds; /* 0: no end */
	uint64_t snaplen_bytes;
};

struct figures {
	uint64_t captured;
	struct capture_tap_drops drops;
	unsigned callback_count;
};

/* DPDK's commands take no argument of ours, so what they work on is the file's. Under the lock but where said. */
static struct {
	pthread_mutex_t lock;
	bool open;
	bool thread_made; /* and not joined */
	bool end_told;    /* its owner knows the figures */
	bool is_whole;    /* all of it went into the pipe */
	enum state state;
	enum end ended_by;
	uint32_t id;
	int fd;
	pthread_t thread;
	struct capture_sources sources;
	struct capture_filter *filter;
	struct capture_tap tap;
	struct capture_writer writer; /* the thread's, but for what it says is read by others */
	struct figures last;          /* of the capture that has ended */
	mono_ns deadline;
	_Atomic uint32_t end;      /* enum end: the first to set it ends the capture; no lock */
	_Atomic mono_ns asked_at;  /* when its owner asked last; no lock */
	_Atomic bool workers_gone; /* no lock */
} capture = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static mono_ns monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_ns)now.tv_sec * NS_PER_S + (mono_ns)now.tv_nsec;
}

static void nap(void)
{
	const struct timespec pause = {.tv_nsec = NAP_NS};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static void set_end(enum end why)
{
	uint32_t not_yet = END_NOT;

	atomic_compare_exchange_strong_explicit(&capture.end, &not_yet, why, memory_order_acq_rel,
						memory_order_relaxed);
}

/* ---- the capture's thread ---- */

static void look_at_clock(void)
{
	mono_ns now = monotonic_ns();
	mono_ns asked_at = atomic_load_explicit(&capture.asked_at, memory_order_relaxed);

	if (capture.deadline != 0 && now >= capture.deadline)
		set_end(END_SECONDS);
	else if (now > asked_at && now - asked_at > CAPTURE_SILENCE_MS * NS_PER_MS)
		set_end(END_SILENCE);
}

static void move_until_end(void)
{
	while (atomic_load_explicit(&capture.end, memory_order_acquire) == END_NOT) {
		switch (capture_writer_step(&capture.writer)) {
		case CAPTURE_WRITER_MOVED:
			break;
		case CAPTURE_WRITER_IDLE:
			nap();
			break;
		case CAPTURE_WRITER_COUNT:
			set_end(END_COUNT);
			break;
		case CAPTURE_WRITER_GONE:
			set_end(END_READER);
			break;
		}
		look_at_clock();
	}
}

/* The frames that are captured and not written yet. False: nobody takes them. */
static bool write_rest(void)
{
	mono_ns until = monotonic_ns() + FINISH_MS * NS_PER_MS;

	while (monotonic_ns() < until) {
		switch (capture_writer_step(&capture.writer)) {
		case CAPTURE_WRITER_MOVED:
			until = monotonic_ns() + FINISH_MS * NS_PER_MS;
			break;
		case CAPTURE_WRITER_IDLE:
			if (capture_writer_flush(&capture.writer) == CAPTURE_PCAPNG_OK)
				return true;
			nap();
			break;
		case CAPTURE_WRITER_COUNT:
			return true;
		case CAPTURE_WRITER_GONE:
			return false;
		}
	}
	return false;
}

static bool write_tail(void)
{
	mono_ns until = monotonic_ns() + FINISH_MS * NS_PER_MS;

	capture_writer_put_stats(&capture.writer);
	while (monotonic_ns() < until) {
		switch (capture_writer_flush(&capture.writer)) {
		case CAPTURE_PCAPNG_OK:
			return true;
		case CAPTURE_PCAPNG_FULL:
			nap();
			break;
		case CAPTURE_PCAPNG_GONE:
			return false;
		}
	}
	return false;
}

/* Under the lock. */
static struct figures read_figures(void)
{
	struct figures f = capture.last;

	if (capture.state != STATE_RUNNING)
		return f;
	f = (struct figures){
		.captured = atomic_load_explicit(&capture.writer.captured, memory_order_relaxed),
		.callback_count = capture_tap_callback_count(&capture.tap),
	};
	for (unsigned i = 0; i < capture.sources.ports->port_count; i++) {
		struct capture_tap_drops drops = capture_tap_drops(&capture.tap, i);

		f.drops.no_buffer += drops.no_buffer;
		f.drops.ring_full += drops.ring_full;
	}
	return f;
}

/* The lock may be held, by whoever starts one, but not for control to wait for. */
static bool leave_workers(void)
{
	capture_tap_stop(&capture.tap);
	if (capture_tap_wait(&capture.tap, capture.sources.workers, capture.sources.worker_count,
			     &capture.workers_gone) == CAPTURE_TAP_OK)
		return true;
	log_write(CONFIG_LOG_WARNING, "capture",
		  "a worker has not begun a turn in time: what it may hold is not freed");
	return false;
}

/* With the workers out of it; under the lock. */
static void free_all(bool is_left)
{
	if (is_left) {
		capture_tap_close(&capture.tap);
		capture_filter_free(capture.filter);
	} else {
		capture_tap_abandon(&capture.tap);
	}
	capture.filter = NULL;
	capture_writer_fini(&capture.writer);
	if (capture.fd >= 0)
		close(capture.fd);
	capture.fd = -1;
}

static void log_end(const struct figures *f, enum end why)
{
	log_write(CONFIG_LOG_INFO, "capture",
		  "ended id=%" PRIu32 " reason=\"%s\" captured=%" PRIu64 " dropped=%" PRIu64,
		  capture.id, end_text[why], f->captured, f->drops.no_buffer + f->drops.ring_full);
}

static void *run(void *nothing)
{
	bool is_left, is_whole;
	enum end why;

	(void)nothing;
	move_until_end();
	why = (enum end)atomic_load_explicit(&capture.end, memory_order_acquire);
	is_left = leave_workers();
	is_whole = why != END_READER && write_rest() && write_tail();
	pthread_mutex_lock(&capture.lock);
	capture.last = read_figures();
	capture.is_whole = is_whole;
	capture.ended_by = why;
	capture.state = STATE_ENDED;
	log_end(&capture.last, why);
	/* The pipe's end comes last: who reads it finds the figures. */
	free_all(is_left);
	pthread_mutex_unlock(&capture.lock);
	return NULL;
}

/* ---- start ---- */

/* "": the default. */
static bool parse_number(const char *params, const char *key, uint64_t minimum, uint64_t maximum,
			 uint64_t *in_out)
{
	char text[CAPTURE_PARAMS_BYTES];
	unsigned long long value;
	char *end;

	capture_params_find(params, key, text);
	if (text[0] == '\0')
		return true;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < minimum ||
	    value > maximum)
		return false;
	*in_out = value;
	return true;
}

/* Only names that porticoctl gives, so that the path stays in our own directory. */
static bool parse_pipe(const char *params, char path[PATH_BYTES])
{
	char name[CAPTURE_PARAMS_BYTES];
	size_t prefix_bytes = strlen(CAPTURE_PIPE_PREFIX);
	int length;

	capture_params_find(params, "pipe", name);
	if (strncmp(name, CAPTURE_PIPE_PREFIX, prefix_bytes) != 0 || name[prefix_bytes] == '\0' ||
	    strspn(name + prefix_bytes, "0123456789") != strlen(name + prefix_bytes))
		return false;
	length = snprintf(path, PATH_BYTES, "%s/%s", rte_eal_get_runtime_dir(), name);
	return length > 0 && length < PATH_BYTES;
}

static bool parse_request(const char *params, struct request *out, char why[CAPTURE_WHY_BYTES])
{
	const char *wrong = NULL;

	*out = (struct request){.count_max = UINT64_MAX, .snaplen_bytes = CAPTURE_SNAPLEN_MAX};
	if (params == NULL)
		params = "";
	capture_params_find(params, "filter", out->filter);
	if (!parse_pipe(params, out->pipe_path))
		wrong = "pipe";
	else if (!parse_number(params, "count", 1, UINT64_MAX - 1, &out->count_max))
		wrong = "count";
	else if (!parse_number(params, "seconds", 1, CAPTURE_SECONDS_MAX, &out->seconds))
		wrong = "seconds";
	else if (!parse_number(params, "snaplen", CAPTURE_SNAPLEN_MIN, CAPTURE_SNAPLEN_MAX,
			       &out->snaplen_bytes))
		wrong = "snaplen";
	if (wrong != NULL)
		snprintf(why, CAPTURE_WHY_BYTES, "%s: no such value", wrong);
	return wrong == NULL;
}

/* Only a pipe of our own user's, which somebody holds open to read. */
static int open_pipe(const char *path, char why[CAPTURE_WHY_BYTES])
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0) {
		snprintf(why, CAPTURE_WHY_BYTES, "cannot open porticoctl's pipe: %s",
			 strerror(errno));
		return -1;
	}
	if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && status.st_uid == geteuid())
		return fd;
	snprintf(why, CAPTURE_WHY_BYTES, "porticoctl's pipe is none, or somebody else's");
	close(fd);
	return -1;
}

static bool start_thread(char why[CAPTURE_WHY_BYTES])
{
	pthread_attr_t attributes;
	cpu_set_t cpus;
	int error;

	CPU_ZERO(&cpus);
	CPU_SET(capture.sources.control_cpu, &cpus);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	error = pthread_create(&capture.thread, &attributes, run, NULL);
	pthread_attr_destroy(&attributes);
	if (error != 0) {
		snprintf(why, CAPTURE_WHY_BYTES, "no thread: %s", strerror(error));
		return false;
	}
	pthread_setname_np(capture.thread, "portico-capture");
	capture.thread_made = true;
	return true;
}

/* What has a reason to fail, in turn. */
static bool make_parts(const struct request *request, char why[CAPTURE_WHY_BYTES])
{
	const struct capture_tap_params tap = {
		.ports = capture.sources.ports,
		.filter = request->filter[0] != '\0' ? capture.filter : NULL,
		.snaplen_bytes = (uint32_t)request->snaplen_bytes,
	};
	struct capture_writer_params writer = {
		.config = capture.sources.config,
		.ports = capture.sources.ports,
		.filter = request->filter,
		.count_max = request->count_max,
		.snaplen_bytes = (uint32_t)request->snaplen_bytes,
	};

	capture.fd = open_pipe(request->pipe_path, why);
	if (capture.fd < 0)
		return false;
	writer.fd = capture.fd;
	if (!capture_writer_init(&capture.writer, &capture.tap, &writer)) {
		snprintf(why, CAPTURE_WHY_BYTES, "out of memory");
		return false;
	}
	return capture_tap_open(&capture.tap, &tap, why) && start_thread(why);
}

/* Under the lock; takes the filter, whatever comes of it. */
static bool start_locked(const struct request *request, struct capture_filter *filter,
			 char why[CAPTURE_WHY_BYTES])
{
	if (!capture.open || capture.state == STATE_RUNNING) {
		snprintf(why, CAPTURE_WHY_BYTES, "%s",
			 capture.open ? "another capture is running, and there is one at a time"
				      : "Portico is ending");
		capture_filter_free(filter);
		return false;
	}
	/* It has ended, all but for its return. */
	if (capture.thread_made)
		pthread_join(capture.thread, NULL);
	capture.thread_made = false;
	capture.filter = filter;
	capture.end_told = false;
	capture.deadline = request->seconds == 0 ? 0 : monotonic_ns() + request->seconds * NS_PER_S;
	atomic_store_explicit(&capture.end, END_NOT, memory_order_relaxed);
	atomic_store_explicit(&capture.asked_at, monotonic_ns(), memory_order_relaxed);
	/* Before its thread: that ends it under the same lock. */
	if (!make_parts(request, why)) {
		free_all(leave_workers());
		return false;
	}
	capture.state = STATE_RUNNING;
	capture.id++;
	log_write(CONFIG_LOG_INFO, "capture",
		  "started id=%" PRIu32 " filter=\"%s\" snaplen=%" PRIu64, capture.id,
		  request->filter, request->snaplen_bytes);
	return true;
}

static void reply_start(const char *params, struct rte_tel_data *data)
{
	char why[CAPTURE_WHY_BYTES] = "";
	struct capture_filter *filter = NULL;
	struct request request;
	bool started = false;

	/* Not under the lock: a name in a filter may take the resolver a while. */
	if (parse_request(params, &request, why))
		filter = capture_filter_make(request.filter, why);
	pthread_mutex_lock(&capture.lock);
	if (filter != NULL)
		started = start_locked(&request, filter, why);
	if (started)
		rte_tel_data_add_dict_u64(data, "id", capture.id);
	pthread_mutex_unlock(&capture.lock);
	if (!started)
		rte_tel_data_add_dict_string(data, "error", why);
}

/* ---- status and stop ---- */

static bool is_owner(const char *params)
{
	return params != NULL && strtoul(params, NULL, 10) == capture.id;
}

static void reply_status(const char *params, struct rte_tel_data *data)
{
	struct figures f;

	pthread_mutex_lock(&capture.lock);
	f = read_figures();
	if (is_owner(params)) {
		atomic_store_explicit(&capture.asked_at, monotonic_ns(), memory_order_relaxed);
		capture.end_told = capture.state == STATE_ENDED;
	}
	rte_tel_data_add_dict_u64(data, "id", capture.id);
	rte_tel_data_add_dict_string(data, "state", state_text[capture.state]);
	rte_tel_data_add_dict_u64(data, "captured", f.captured);
	rte_tel_data_add_dict_u64(data, "dropped", f.drops.no_buffer + f.drops.ring_full);
	rte_tel_data_add_dict_u64(data, "dropped_no_buffer", f.drops.no_buffer);
	rte_tel_data_add_dict_u64(data, "dropped_ring_full", f.drops.ring_full);
	rte_tel_data_add_dict_u64(data, "callbacks", f.callback_count);
	if (capture.state == STATE_ENDED) {
		rte_tel_data_add_dict_string(data, "reason", end_text[capture.ended_by]);
		rte_tel_data_add_dict_u64(data, "whole", capture.is_whole);
	}
	pthread_mutex_unlock(&capture.lock);
}

static void reply_stop(const char *params, struct rte_tel_data *data)
{
	pthread_mutex_lock(&capture.lock);
	if (capture.state == STATE_RUNNING && is_owner(params))
		set_end(END_STOPPED);
	rte_tel_data_add_dict_string(data, "state", state_text[capture.state]);
	pthread_mutex_unlock(&capture.lock);
}

/* ---- the socket ---- */

static const struct command {
	const char *name;
	void (*reply)(const char *params, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/portico/capture_start", reply_start, "For porticoctl: packets into a pipe."},
	{"/portico/capture_status", reply_status,
	 "The capture. Parameter: its id, if it is yours."},
	{"/portico/capture_stop", reply_stop, "Ends the capture. Parameter: its id."},
};

static int on_command(const char *name, const char *params, struct rte_tel_data *data)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		rte_tel_data_start_dict(data);
		commands[i].reply(params, data);
		return 0;
	}
	return -1;
}

bool capture_open(const struct capture_sources *sources)
{
	pthread_mutex_lock(&capture.lock);
	capture.sources = *sources;
	capture.open = true;
	pthread_mutex_unlock(&capture.lock);
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (!telemetry_offer(commands[i].name, on_command, commands[i].help))
			return false;
	return true;
}

/* Its owner asks every CAPTURE_POLL_MS. */
static void let_owner_look(void)
{
	mono_ns until = monotonic_ns() + LAST_LOOK_MS * NS_PER_MS;
	bool told = false;

	while (!told && monotonic_ns() < until) {
		nap();
		pthread_mutex_lock(&capture.lock);
		told = capture.end_told;
		pthread_mutex_unlock(&capture.lock);
	}
}

void capture_close(void)
{
	struct timespec until;
	bool was_running, thread_made;

	atomic_store_explicit(&capture.workers_gone, true, memory_order_release);
	pthread_mutex_lock(&capture.lock);
	was_running = capture.state == STATE_RUNNING;
	thread_made = capture.thread_made;
	capture.thread_made = false;
	capture.open = false;
	pthread_mutex_unlock(&capture.lock);
	if (!thread_made)
		return;
	set_end(END_PORTICO);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_S;
	if (pthread_timedjoin_np(capture.thread, NULL, &until) != 0) {
		log_write(CONFIG_LOG_WARNING, "capture", "the capture does not end");
		return;
	}
	if (was_running)
		let_owner_look();
}
