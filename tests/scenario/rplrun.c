/* rplrun [--workers N] [--seed N] [--strict] [--verbose] [--here] FILE...
 *
 * Plays scenarios (.rpl, of Unbound's testbound or of Deckard) on a world of engines, and prints a line each:
 * PASS, PASS-LENIENT, FAIL or SKIP, the file, a reason. Each is played by a child process, so that what it does to itself is
 * its own; --here plays them in this one, for a debugger. --strict: one that is skipped or lenient counts as failed, as it may
 * be no file of ours that nobody plays.
 *
 * Exit status: 0, all have passed (or were skipped); 1, not all; 2, not called as it should be.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"
#include "rpl.h"

#define SECONDS_MAX 30 /* of the clock on the wall, for one file */

struct settings {
	struct rpl_options options;
	bool is_strict;
	bool here;
};

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t length = 0;
	size_t capacity = 65536;
	char *text = malloc(capacity);

	CHECK(text != NULL);
	if (file == NULL)
		return NULL;
	for (size_t got; (got = fread(text + length, 1, capacity - length - 1, file)) > 0;) {
		length += got;
		if (length + 1 == capacity) {
			capacity *= 2;
			text = realloc(text, capacity);
			CHECK(text != NULL);
		}
	}
	fclose(file);
	text[length] = '\0';
	return text;
}

static void say(enum rpl_verdict verdict, const char *path, const char *reason)
{
	printf("%s %s: %s\n", rpl_verdict_text[verdict], path, reason);
}

static enum rpl_verdict play_here(const char *path, const struct rpl_options *options)
{
	struct rpl_file *f = rpl_new(sizeof(*f));

	f->path = path;
	f->text = read_file(path);
	f->next_line = f->text;
	if (f->text == NULL) {
		say(RPL_FAIL, path, strerror(errno));
		return RPL_FAIL;
	}
	if (setjmp(f->stop) == 0) {
		rpl_config_parse(f);
		rpl_parse(f);
		rpl_play(f, options);
	}
	say(f->verdict, path, f->reason);
	return f->verdict;
}

static enum rpl_verdict play_in_child(const char *path, const struct rpl_options *options)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		enum rpl_verdict verdict;

		alarm(SECONDS_MAX);
		verdict = play_here(path, options);
		fflush(stdout);
		_exit((int)verdict);
	}
	CHECK(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) < RPL_VERDICT_COUNT)
		return (enum rpl_verdict)WEXITSTATUS(status);
	printf("%s %s: %s\n", rpl_verdict_text[RPL_FAIL], path,
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "it does not end"
								  : "it has crashed");
	return RPL_FAIL;
}

static bool parse_arguments(int argc, char **argv, struct settings *s)
{
	static const struct option long_options[] = {
		{"workers", required_argument, NULL, 'w'}, {"seed", required_argument, NULL, 's'},
		{"strict", no_argument, NULL, 't'},        {"verbose", no_argument, NULL, 'v'},
		{"here", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'w':
			s->options.workers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			s->options.seed = strtoull(optarg, NULL, 10);
			break;
		case 't':
			s->is_strict = true;
			break;
		case 'v':
			s->options.is_verbose = true;
			break;
		case 'h':
			s->here = true;
			break;
		default:
			return false;
		}
	}
	return optind < argc && s->options.workers >= 1 && s->options.workers <= 8;
}

int main(int argc, char **argv)
{
	struct settings s = {.options = {.workers = 1, .seed = 1}};
	unsigned counts[RPL_VERDICT_COUNT] = {0};
	unsigned failed, passed;

	if (!parse_arguments(argc, argv, &s)) {
		fprintf(stderr,
			"rplrun [--workers 1..8] [--seed N] [--strict] [--verbose] [--here] "
			"FILE...\n");
		return 2;
	}
	for (int i = optind; i < argc; i++)
		counts[s.here ? play_here(argv[i], &s.options)
			      : play_in_child(argv[i], &s.options)]++;
	failed = counts[RPL_FAIL] + (s.is_strict ? counts[RPL_SKIP] + counts[RPL_LENIENT] : 0);
	passed = counts[RPL_PASS] + (s.is_strict ? 0 : counts[RPL_LENIENT]);
	if (counts[RPL_LENIENT] + counts[RPL_SKIP] > 0)
		printf("%u leniently, %u skipped\n", counts[RPL_LENIENT], counts[RPL_SKIP]);
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
