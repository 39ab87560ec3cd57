#include "dpdk_app/porticoctl_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_app/porticoctl_table.h"

#define PIPE_BYTES (1 << 20)
#define COPY_BYTES (1 << 16)
/* After the order to end: this many polls until the pipe's end comes. */
#define ENDING_POLLS_MAX 25
#define FILE_MODE 0600

struct figures {
	uint64_t captured;
	uint64_t dropped;
	uint64_t dropped_no_buffer;
	uint64_t dropped_ring_full;
	char reason[32];
	bool ended;
	bool whole;
};

struct run {
	const struct porticoctl_socket *socket;
	const struct porticoctl_capture *options;
	char pipe_path[sizeof(((struct sockaddr_un *)0)->sun_path) + 32];
	char id[16];
	int pipe_fd;
	int signal_fd;
	int file_fd;
	bool file_made;    /* by us: removed if no capture comes of it */
	bool file_is_disk; /* takes any amount at once */
	bool stop_sent;
	bool reader_gone;  /* of our standard output */
	bool failed;       /* printed why */
	bool portico_gone; /* printed why */
	unsigned ending_polls;
	uint64_t next_poll_ms;
	uint64_t file_bytes;
	size_t start, end; /* of what the buffer holds */
	uint8_t buffer[COPY_BYTES];
	struct figures figures;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void complain(struct run *r, const char *what, int error)
{
	fprintf(stderr, "porticoctl: capture: %s: %s\n", what, strerror(error));
	r->failed = true;
}

/* ---- the file ---- */

/* Not through a link, and nothing that is there unless asked to; it is emptied when the capture has begun. */
static bool open_file(struct run *r)
{
	const char *path = r->options->file;
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
	struct stat status;

	r->file_fd = open(path, flags | O_CREAT | O_EXCL, FILE_MODE);
	r->file_made = r->file_fd >= 0;
	if (r->file_fd < 0 && errno == EEXIST && r->options->replace)
		r->file_fd = open(path, flags);
	if (r->file_fd < 0) {
		complain(r, path, errno);
		if (errno == EEXIST)
			fputs("  --force replaces it\n", stderr);
		return false;
	}
	r->file_is_disk = fstat(r->file_fd, &status) == 0 && S_ISREG(status.st_mode);
	return true;
}

static bool open_output(struct run *r)
{
	if (strcmp(r->options->file, "-") != 0)
		return open_file(r);
	if (isatty(STDOUT_FILENO)) {
		fputs("porticoctl: capture: standard output is a terminal: pipe it into a program\n",
		      stderr);
		r->failed = true;
		return false;
	}
	r->file_fd = STDOUT_FILENO;
	return true;
}

static void forget_file(struct run *r)
{
	if (r->file_made)
		unlink(r->options->file);
}

static bool close_file(struct run *r)
{
	if (r->file_fd == STDOUT_FILENO || r->file_fd < 0)
		return true;
	if (close(r->file_fd) == 0)
		return true;
	complain(r, r->options->file, errno);
	return false;
}

/* ---- the pipe ---- */

/* In the directory of the socket that we are connected to: its user's, and seen by Portico whatever else is not. */
static bool name_pipe(struct run *r)
{
	struct sockaddr_un peer = {0};
	socklen_t length = sizeof(peer);
	char *slash;

	if (getpeername(r->socket->fd, (struct sockaddr *)&peer, &length) != 0) {
		complain(r, "telemetry socket", errno);
		return false;
	}
	slash = memrchr(peer.sun_path, '/', strnlen(peer.sun_path, sizeof(peer.sun_path)));
	snprintf(r->pipe_path, sizeof(r->pipe_path), "%.*s/" CAPTURE_PIPE_PREFIX "%ld",
		 slash != NULL ? (int)(slash - peer.sun_path) : 0, peer.sun_path, (long)getpid());
	return true;
}

static bool make_pipe(struct run *r)
{
	if (!name_pipe(r))
		return false;
	/* One of this name is of a process that had our number, and was killed. */
	if (mkfifo(r->pipe_path, FILE_MODE) != 0 && (errno != EEXIST || unlink(r->pipe_path) != 0 ||
						     mkfifo(r->pipe_path, FILE_MODE) != 0)) {
		complain(r, r->pipe_path, errno);
		return false;
	}
	r->pipe_fd = open(r->pipe_path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (r->pipe_fd < 0) {
		complain(r, r->pipe_path, errno);
		unlink(r->pipe_path);
		return false;
	}
	/* Larger if we may: Portico loses nothing while we write. */
	(void)fcntl(r->pipe_fd, F_SETPIPE_SZ, PIPE_BYTES);
	return true;
}

/* ---- what Portico says ---- */

static struct fy_node *field(const struct porticoctl_reply *reply, const char *key)
{
	return fy_node_mapping_lookup_by_string(reply->body, key, strlen(key));
}

static uint64_t number_of(const struct porticoctl_reply *reply, const char *key)
{
	char *text = porticoctl_copy_scalar(field(reply, key));
	uint64_t number = strtoull(text, NULL, 10);

	free(text);
	return number;
}

static void copy_text(const struct porticoctl_reply *reply, const char *key, char *out, size_t size)
{
	char *text = porticoctl_copy_scalar(field(reply, key));

	snprintf(out, size, "%s", text);
	free(text);
}

static bool add_number(char params[CAPTURE_PARAMS_BYTES], const char *key, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return number == 0 || capture_params_add(params, key, text);
}

static bool start(struct run *r)
{
	const struct porticoctl_capture *c = r->options;
	char params[CAPTURE_PARAMS_BYTES] = "";
	struct porticoctl_reply reply;

	if (!capture_params_add(params, "pipe", strrchr(r->pipe_path, '/') + 1) ||
	    !add_number(params, "count", c->count) || !add_number(params, "seconds", c->seconds) ||
	    !add_number(params, "snaplen", c->snaplen_bytes) ||
	    (c->filter != NULL && !capture_params_add(params, "filter", c->filter))) {
		fprintf(stderr, "porticoctl: capture: --filter is too long: %d bytes at most\n",
			CAPTURE_PARAMS_BYTES);
		return false;
	}
	if (!porticoctl_socket_ask_with(r->socket, "capture_start", params, &reply))
		return false;
	snprintf(r->id, sizeof(r->id), "%" PRIu64, number_of(&reply, "id"));
	porticoctl_reply_free(&reply);
	return true;
}

/* What Portico says of our capture; that we ask keeps it alive. */
static void look(struct run *r)
{
	struct porticoctl_reply reply;
	struct figures *f = &r->figures;
	char id[16], state[16];

	if (r->portico_gone)
		return;
	if (!porticoctl_socket_ask_with(r->socket, "capture_status", r->id, &reply)) {
		r->portico_gone = true;
		return;
	}
	copy_text(&reply, "id", id, sizeof(id));
	if (strcmp(id, r->id) == 0) {
		copy_text(&reply, "state", state, sizeof(state));
		f->ended = strcmp(state, "ended") == 0;
		f->captured = number_of(&reply, "captured");
		f->dropped = number_of(&reply, "dropped");
		f->dropped_no_buffer = number_of(&reply, "dropped_no_buffer");
		f->dropped_ring_full = number_of(&reply, "dropped_ring_full");
		f->whole = number_of(&reply, "whole") != 0;
		copy_text(&reply, "reason", f->reason, sizeof(f->reason));
	}
	porticoctl_reply_free(&reply);
}

static void stop(struct run *r)
{
	struct porticoctl_reply reply;

	if (r->stop_sent)
		return;
	r->stop_sent = true;
	if (r->portico_gone)
		return;
	if (porticoctl_socket_ask_with(r->socket, "capture_stop", r->id, &reply))
		porticoctl_reply_free(&reply);
	else
		r->portico_gone = true;
}

/* ---- while it runs ---- */

static void on_file_error(struct run *r, int error)
{
	if (error == EPIPE)
		r->reader_gone = true;
	else
		complain(r, r->options->file, error);
	stop(r);
}

static void write_some(struct run *r)
{
	/* A pipe that poll calls ready has room for this much; more might make us wait. */
	size_t most = r->file_is_disk ? COPY_BYTES : PIPE_BUF;
	size_t count = r->end - r->start < most ? r->end - r->start : most;
	ssize_t written = write(r->file_fd, r->buffer + r->start, count);

	if (written < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (written < 0) {
		on_file_error(r, errno);
		return;
	}
	r->start += (size_t)written;
	r->file_bytes += (uint64_t)written;
}

/* False: the pipe has ended. */
static bool read_some(struct run *r)
{
	ssize_t count = read(r->pipe_fd, r->buffer, sizeof(r->buffer));

	if (count < 0)
		return errno == EINTR || errno == EAGAIN;
	r->start = 0;
	r->end = (size_t)count;
	return count > 0;
}

/* True: it is time to go. */
static bool on_tick(struct run *r)
{
	if (now_ms() < r->next_poll_ms)
		return false;
	r->next_poll_ms = now_ms() + CAPTURE_POLL_MS;
	look(r);
	return r->stop_sent && ++r->ending_polls >= ENDING_POLLS_MAX;
}

static bool on_signal(struct run *r)
{
	struct signalfd_siginfo info;
	bool again = r->stop_sent;

	if (read(r->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	stop(r);
	return again;
}

/* One wait and what it brings. False: the end. */
static bool step(struct run *r)
{
	bool holds = r->start < r->end;
	struct pollfd ends[] = {
		{.fd = r->signal_fd, .events = POLLIN},
		/* As long as we hold something: only whether its reader is there. */
		{.fd = holds ? -1 : r->pipe_fd, .events = POLLIN},
		{.fd = r->file_is_disk && !holds ? -1 : r->file_fd, .events = holds ? POLLOUT : 0},
	};

	if (poll(ends, ARRAY_COUNT(ends), CAPTURE_POLL_MS) > 0) {
		if (ends[0].revents != 0 && on_signal(r))
			return false;
		if ((ends[2].revents & POLLOUT) != 0)
			write_some(r);
		else if ((ends[2].revents & (POLLERR | POLLNVAL)) != 0)
			on_file_error(r, EPIPE);
		if (r->reader_gone || r->failed)
			return false;
		if (ends[1].revents != 0 && !read_some(r))
			return false;
	}
	return !on_tick(r);
}

static void print_summary(const struct run *r)
{
	const struct figures *f = &r->figures;
	FILE *out = r->file_fd == STDOUT_FILENO ? stderr : stdout;

	if (!r->options->json) {
		fprintf(out, "%" PRIu64 " captured, %" PRIu64 " dropped by capture\n", f->captured,
			f->dropped);
		return;
	}
	fprintf(out,
		"{\n  \"captured\": %" PRIu64 ",\n  \"dropped\": %" PRIu64
		",\n  \"dropped_no_buffer\": %" PRIu64 ",\n  \"dropped_ring_full\": %" PRIu64
		",\n  \"bytes\": %" PRIu64 ",\n  \"reason\": \"%s\"\n}\n",
		f->captured, f->dropped, f->dropped_no_buffer, f->dropped_ring_full, r->file_bytes,
		f->reason);
}

/* The pipe's end comes after the figures; a pipe that we closed ourselves ends the capture a moment later. */
static void await_figures(struct run *r)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000000};

	close(r->pipe_fd);
	r->pipe_fd = -1;
	for (int i = 0; i < 150 && !r->figures.ended && !r->portico_gone; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		look(r);
	}
}

static enum porticoctl_capture_result conclude(struct run *r)
{
	await_figures(r);
	if (!close_file(r))
		return PORTICOCTL_CAPTURE_FAILED;
	if (r->portico_gone || !r->figures.ended) {
		fprintf(stderr,
			"porticoctl: capture: Portico has ended without a word: the file holds "
			"%" PRIu64 " bytes, and its last packet may be cut\n",
			r->file_bytes);
		return PORTICOCTL_CAPTURE_FAILED;
	}
	print_summary(r);
	if (!r->figures.whole && !r->reader_gone && !r->failed) {
		fprintf(stderr, "porticoctl: capture: the end of the file is missing: %s\n",
			r->figures.reason);
		r->failed = true;
	}
	return r->failed ? PORTICOCTL_CAPTURE_FAILED : PORTICOCTL_CAPTURE_OK;
}

/* Those that end it; what was to be ignored from the start (nohup, a script's background) stays so. */
static bool take_signals(struct run *r)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction before;
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		if (sigaction(ends[i], NULL, &before) != 0 || before.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	}
	r->signal_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0
			       ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
			       : -1;
	if (r->signal_fd < 0)
		complain(r, "signals", errno);
	return r->signal_fd >= 0;
}

/* With file, pipe and signals ready. */
static enum porticoctl_capture_result capture(struct run *r)
{
	bool started = start(r);

	/* Portico has it open, or never will. */
	unlink(r->pipe_path);
	if (!started) {
		forget_file(r);
		return PORTICOCTL_CAPTURE_FAILED;
	}
	if (r->file_is_disk && ftruncate(r->file_fd, 0) != 0)
		complain(r, r->options->file, errno);
	fprintf(stderr, "porticoctl: capturing to %s\n",
		r->file_fd == STDOUT_FILENO ? "standard output" : r->options->file);
	while (step(r))
		;
	return conclude(r);
}

enum porticoctl_capture_result porticoctl_capture_run(const struct porticoctl_socket *s,
						      const struct porticoctl_capture *c)
{
	enum porticoctl_capture_result result = PORTICOCTL_CAPTURE_FAILED;
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		fputs("porticoctl: out of memory\n", stderr);
		return result;
	}
	r->socket = s;
	r->options = c;
	r->pipe_fd = -1;
	r->signal_fd = -1;
	r->file_fd = -1;
	if (take_signals(r) && open_output(r)) {
		if (make_pipe(r))
			result = capture(r);
		else
			forget_file(r);
	}
	if (r->pipe_fd >= 0)
		close(r->pipe_fd);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	free(r);
	return result;
}
