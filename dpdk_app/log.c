#include "dpdk_app/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 1024
#define SITE_COUNT 64

static const char *const level_text[] = {
	[CONFIG_LOG_ERROR] = "error",
	[CONFIG_LOG_WARNING] = "warning",
	[CONFIG_LOG_INFO] = "info",
	[CONFIG_LOG_DEBUG] = "debug",
};
static_assert(ARRAY_COUNT(level_text) == CONFIG_LOG_DEBUG + 1, "a word for every level");

struct site {
	const char *format;
	time_t window_start_s;
	unsigned shown;
	unsigned left_out;
};

/* Where this thread's errors go as well. */
static _Thread_local FILE *copy_to;

/* A process has one stderr, hence one log. */
static struct {
	pthread_mutex_t lock;
	enum config_log_level level;
	enum config_log_format format;
	struct site sites[SITE_COUNT];
} journal = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = CONFIG_LOG_INFO};

void log_init(enum config_log_level level, enum config_log_format format)
{
	pthread_mutex_lock(&journal.lock);
	journal.level = level;
	journal.format = format;
	pthread_mutex_unlock(&journal.lock);
}

enum config_log_level log_level(void)
{
	return journal.level;
}

/* The site's entry, or the one that has been quiet longest. */
static struct site *site_find(const char *format)
{
	struct site *oldest = &journal.sites[0];

	for (unsigned i = 0; i < SITE_COUNT; i++) {
		struct site *s = &journal.sites[i];

		if (s->format == format)
			return s;
		if (s->window_start_s < oldest->window_start_s)
			oldest = s;
	}
	*oldest = (struct site){.format = format};
	return oldest;
}

/* May a line of this site be shown now? Then *left_out says how many were not since the last. */
static bool site_admits(const char *format, unsigned *left_out)
{
	struct site *s = site_find(format);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*left_out = 0;
	if (s->shown == 0 || now.tv_sec - s->window_start_s >= LOG_WINDOW_S) {
		*left_out = s->left_out;
		*s = (struct site){.format = format, .window_start_s = now.tv_sec};
	}
	if (s->shown >= LOG_LINES_PER_SITE) {
		s->left_out++;
		return false;
	}
	s->shown++;
	return true;
}

/* \n and other control characters as \xNN; in JSON also quotes and backslashes. */
static void put_escaped(const char *text, enum config_log_format format)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char byte = (unsigned char)*p;

		if (byte < 0x20 || byte == 0x7f)
			fprintf(stderr, format == CONFIG_LOG_JSON ? "\\u%04x" : "\\x%02x", byte);
		else if (format == CONFIG_LOG_JSON && (byte == '"' || byte == '\\'))
			fprintf(stderr, "\\%c", byte);
		else
			putc(byte, stderr);
	}
}

static void put_json(enum config_log_level level, const char *component, const char *text)
{
	struct timespec now;
	struct tm utc;
	char time_text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(stderr,
		"{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"component\":\"%s\",\"message\":\"",
		time_text, now.tv_nsec / 1000000, level_text[level], component);
	put_escaped(text, CONFIG_LOG_JSON);
	fputs("\"}\n", stderr);
}

static void put_text(enum config_log_level level, const char *component, const char *text)
{
	fprintf(stderr, "%s %s: ", level_text[level], component);
	put_escaped(text, CONFIG_LOG_TEXT);
	putc('\n', stderr);
}

static void put_copy(const char *text)
{
	if (copy_to != NULL)
		fprintf(copy_to, "%s\n", text);
}

static void put(enum config_log_level level, const char *component, const char *text)
{
	flockfile(stderr);
	switch (journal.format) {
	case CONFIG_LOG_TEXT:
		put_text(level, component, text);
		break;
	case CONFIG_LOG_JSON:
		put_json(level, component, text);
		break;
	}
	fflush(stderr);
	funlockfile(stderr);
}

void log_write(enum config_log_level level, const char *component, const char *format, ...)
{
	char text[LINE_BYTES];
	char note[64];
	unsigned left_out;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (level == CONFIG_LOG_ERROR)
		put_copy(text);
	pthread_mutex_lock(&journal.lock);
	if (level <= journal.level && site_admits(format, &left_out)) {
		if (left_out > 0) {
			snprintf(note, sizeof(note), "lines left out count=%u", left_out);
			put(level, component, note);
		}
		put(level, component, text);
	}
	pthread_mutex_unlock(&journal.lock);
}

void log_refusal(struct log_place place, const char *format, ...)
{
	char text[LINE_BYTES];
	int used;
	va_list args;

	if (place.line > 0)
		used = snprintf(text, sizeof(text), "%s:%u:%u: ", place.file, place.line,
				place.column);
	else
		used = snprintf(text, sizeof(text), "%s: ", place.file);
	if (used < 0 || (size_t)used >= sizeof(text))
		used = 0;
	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	log_checked(text);
}

void log_checked(const char *line)
{
	put_copy(line);
	pthread_mutex_lock(&journal.lock);
	if (journal.format == CONFIG_LOG_JSON) {
		put(CONFIG_LOG_ERROR, "config", line);
	} else {
		put_escaped(line, CONFIG_LOG_TEXT);
		putc('\n', stderr);
	}
	pthread_mutex_unlock(&journal.lock);
}

void log_copy_to(FILE *copy)
{
	copy_to = copy;
}
