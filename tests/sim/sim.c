/* The simulator: `make sim SEED=n` runs one seed, and says what happens; `make sim RUNS=n` runs seeds from SEED (1) on, each in a
 * process of its own, and shrinks the first that fails: fewer questions, fewer kinds of faults, up to the step that shows it. */
#include "tests/sim/sim_run.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_SECONDS_MAX 60
#define MESSAGE_BYTES 4096

struct totals {
	uint64_t runs;
	uint64_t questions;
	uint64_t answered;
	uint64_t servfails;
	uint64_t silent;
	uint64_t queries;
	uint64_t steps;
	uint64_t faults[SIM_FAULT_COUNT];
	double seconds;
	double seconds_max;
};

struct child_result {
	bool is_good;
	struct sim_outcome outcome;
	char message[MESSAGE_BYTES];
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void be_child(const struct sim_options *options, int outcome_fd, int message_fd)
{
	struct sim_outcome outcome;

	dup2(message_fd, STDERR_FILENO);
	alarm(RUN_SECONDS_MAX);
	sim_run(options, &outcome);
	if (write(outcome_fd, &outcome, sizeof(outcome)) != (ssize_t)sizeof(outcome))
		_exit(2);
	_exit(0);
}

/* What the child has said, and how it ended. */
static void listen_to(int fd, char message[MESSAGE_BYTES])
{
	size_t bytes = 0;
	ssize_t got;

	while (bytes + 1 < MESSAGE_BYTES &&
	       (got = read(fd, message + bytes, MESSAGE_BYTES - 1 - bytes)) > 0)
		bytes += (size_t)got;
	message[bytes] = '\0';
}

static void run_child(const struct sim_options *options, struct child_result *result)
{
	int outcome_pipe[2];
	int message_pipe[2];
	int status = 0;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	if (pipe(outcome_pipe) != 0 || pipe(message_pipe) != 0 || (pid = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (pid == 0)
		be_child(options, outcome_pipe[1], message_pipe[1]);
	close(outcome_pipe[1]);
	close(message_pipe[1]);
	listen_to(message_pipe[0], result->message);
	result->is_good = read(outcome_pipe[0], &result->outcome, sizeof(result->outcome)) ==
			  (ssize_t)sizeof(result->outcome);
	close(outcome_pipe[0]);
	close(message_pipe[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	result->is_good = result->is_good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!result->is_good && WIFSIGNALED(status))
		snprintf(result->message + strlen(result->message),
			 MESSAGE_BYTES - strlen(result->message), "seed %llu: %s\n",
			 (unsigned long long)options->seed,
			 WTERMSIG(status) == SIGALRM ? "does not end"
						     : strsignal(WTERMSIG(status)));
}

static bool still_fails(const struct sim_options *options, struct child_result *result)
{
	run_child(options, result);
	return !result->is_good;
}

/* Whatever can be left out, is: kinds of faults one by one, then questions by halves. */
static void shrink(struct sim_options *options, const struct child_result *first)
{
	struct child_result best = *first;
	struct child_result tried;
	unsigned questions = options->question_count;

	for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
		struct sim_options less = *options;

		less.faults_off |= 1u << fault;
		if (still_fails(&less, &tried)) {
			*options = less;
			best = tried;
		}
	}
	if (questions == 0)
		questions = 4096;
	for (unsigned part = questions / 2; part > 0; part /= 2) {
		struct sim_options less = *options;

		less.question_count = questions - part;
		if (still_fails(&less, &tried)) {
			*options = less;
			questions = less.question_count;
			best = tried;
		}
	}
	printf("shrunk: --seed %llu --questions %u --faults-off 0x%x\n%s",
	       (unsigned long long)options->seed, options->question_count, options->faults_off,
	       best.message);
}

static void print_one(const struct sim_outcome *o)
{
	printf("%u engines, %u zones, faults:", o->engines, o->zones);
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++)
		if ((o->faults >> i & 1) != 0)
			printf(" %s,", sim_fault_text[i]);
	printf("\n%u questions: %u answered, %u of them SERVFAIL, %u silent; %llu queries, %llu steps\n"
	       "fingerprint %016llx\n",
	       o->questions, o->answered, o->servfails, o->silent, (unsigned long long)o->queries,
	       (unsigned long long)o->steps, (unsigned long long)o->fingerprint);
}

static void add(struct totals *t, const struct sim_outcome *o, double seconds)
{
	t->runs++;
	t->questions += o->questions;
	t->answered += o->answered;
	t->servfails += o->servfails;
	t->silent += o->silent;
	t->queries += o->queries;
	t->steps += o->steps;
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++)
		t->faults[i] += o->faults >> i & 1;
	t->seconds += seconds;
	if (seconds > t->seconds_max)
		t->seconds_max = seconds;
}

static void print_totals(const struct totals *t)
{
	printf("%llu runs: %llu questions, %llu answered, %llu SERVFAIL, %llu silent; %llu queries, "
	       "%llu steps\n%.1f ms a run, the longest %.1f; runs with",
	       (unsigned long long)t->runs, (unsigned long long)t->questions,
	       (unsigned long long)t->answered, (unsigned long long)t->servfails,
	       (unsigned long long)t->silent, (unsigned long long)t->queries,
	       (unsigned long long)t->steps, 1e3 * t->seconds / (double)(t->runs + !t->runs),
	       1e3 * t->seconds_max);
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++)
		printf(" %s %llu%s", sim_fault_text[i], (unsigned long long)t->faults[i],
		       i + 1 < SIM_FAULT_COUNT ? "," : "\n");
}

/* Seeds in turn; the status of the process. */
static int run_many(struct sim_options options, uint64_t runs, unsigned keep_going, bool shrinks)
{
	struct totals totals = {0};
	uint64_t failed = 0;

	for (uint64_t i = 0; i < runs; i++) {
		struct child_result result;
		double start = now_s();

		run_child(&options, &result);
		if (result.is_good) {
			add(&totals, &result.outcome, now_s() - start);
		} else {
			printf("FAIL %s", result.message);
			if (failed++ == 0 && shrinks) {
				struct sim_options shrunk = options;

				shrink(&shrunk, &result);
			}
			if (failed > keep_going)
				break;
		}
		fflush(stdout);
		options.seed++;
	}
	print_totals(&totals);
	printf("%llu passed, %llu failed\n", (unsigned long long)totals.runs,
	       (unsigned long long)failed);
	return failed > 0;
}

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"sim --seed N [--verbose] [--questions N] [--faults-off MASK] [--steps N]\n"
		"sim --runs N [--seed FIRST] [--keep-going N] [--no-shrink]\n");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"seed", required_argument, NULL, 's'},
		{"runs", required_argument, NULL, 'r'},
		{"questions", required_argument, NULL, 'q'},
		{"faults-off", required_argument, NULL, 'f'},
		{"steps", required_argument, NULL, 't'},
		{"keep-going", required_argument, NULL, 'k'},
		{"no-shrink", no_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct sim_options options = {.seed = 1};
	struct sim_outcome outcome;
	unsigned keep_going = 0;
	uint64_t runs = 0;
	bool shrinks = true;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 's')
			options.seed = strtoull(optarg, NULL, 0);
		else if (c == 'r')
			runs = strtoull(optarg, NULL, 0);
		else if (c == 'q')
			options.question_count = (unsigned)strtoul(optarg, NULL, 0);
		else if (c == 'f')
			options.faults_off = (uint32_t)strtoul(optarg, NULL, 0);
		else if (c == 't')
			options.step_max = strtoull(optarg, NULL, 0);
		else if (c == 'k')
			keep_going = (unsigned)strtoul(optarg, NULL, 0);
		else if (c == 'n')
			shrinks = false;
		else if (c == 'v')
			options.verbose = true;
		else
			return usage(c == 'h' ? 0 : 2);
	}
	if (runs > 0)
		return run_many(options, runs, keep_going, shrinks);
	sim_run(&options, &outcome);
	print_one(&outcome);
	return 0;
}
