/* Cycles that workers' engines spend on a forwarded miss, without any device: a question in, its query out, the server's
 * reply in, the answer out, each in the packet it came in. Names are never the same. What a second worker brings:
 * two engines that share all that workers share, each in a thread on a CPU of its own; every question and every reply
 * comes to either of them by chance, and goes to its owner through a ring. Beside it, two engines that share nothing,
 * on the same two CPUs: what they lose is the machine's doing.
 *
 *   bench_engine [ROUNDS] [--workers N] [--cache] [--no-bounce]
 *       ROUNDS       of each row (320), by visits of ROUNDS_A_VISIT, and no more visits after
 *                    LONGEST_S; rows take turns
 *       --workers N  only one worker, or only two that share; else all rows, and how they compare
 *       --cache      with a cache, as Portico has one: each question is looked up, each answer is kept
 *       --no-bounce  no thread beside those of the rows (for callgrind, which runs one at a time)
 *
 * Timed (TSC cycles): engine_rx() in bursts of at most 32, and for what passes between workers also the rings and what is
 * read from and written to the packet's own line. Not timed: clients and servers, which each thread plays for
 * itself, so that a packet is in the cache of the thread that receives it; timers; random bytes. Threads go
 * turn by turn together, so that they use what they share at the same time. Exit code 1: the books do not balance.
 */
#include <time.h>

#include "bench/bench_engine_bounce.h"
#include "bench/bench_engine_crew.h"

#define SMALL_UNDER_WAY 256 /* over all workers */
#define LONGEST_S 20

/* ---- rows ---- */

struct row {
	struct crew *crew;
	unsigned quota; /* under way, a worker */
	struct bench_rounds rounds;
	struct bench_rounds parts[PART_COUNT]; /* cycles a question */
	unsigned long long packets[PART_COUNT], answered;
};

static void row_add_round(struct row *r, unsigned round)
{
	double cycles[PART_COUNT] = {0}, sum = 0, yard = 0;
	unsigned long long answered = 0;

	for (unsigned i = 0; i < r->crew->worker_count; i++) {
		const struct tally *t = &r->crew->workers[i]->tallies[round];

		answered += t->answered;
		yard = bench_longer(yard, t->yard);
		for (unsigned s = 0; s < PART_COUNT; s++) {
			cycles[s] += (double)t->cycles[s];
			r->packets[s] += t->packets[s];
		}
	}
	for (unsigned s = 0; s < PART_COUNT; s++) {
		bench_rounds_add(&r->parts[s], cycles[s] / (double)answered, yard);
		sum += cycles[s];
	}
	r->answered += answered;
	bench_rounds_add(&r->rounds, sum / (double)answered, yard);
}

static bool row_visit(struct row *r)
{
	if (!crew_visit(r->crew, r->quota))
		return false;
	for (unsigned round = 0; round < ROUNDS_A_VISIT; round++)
		row_add_round(r, round);
	return true;
}

/* ---- the tables ---- */

static void print_rows(const struct row rows[], unsigned row_count)
{
	printf("| engine: forwarded miss, cycles a question (%u rounds of %u turns) | under way | "
	       "median | of quiet rounds | best | worst |\n|---|---|---|---|---|---|\n",
	       rows[0].rounds.count, ROUND_TURNS);
	for (unsigned i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];
		struct bench_figures f = bench_figures_of(&r->rounds);

		printf("| %s | %u | %.0f | %.0f (%u) | %.0f | %.0f |\n", r->crew->what,
		       r->quota * r->crew->worker_count, f.median, f.quiet, f.quiet_count, f.best,
		       f.worst);
	}
	printf("\n| of these, median of quiet rounds, else of all (packets a question) | under way "
	       "| questions received | replies received | questions passed | replies passed | "
	       "flushes |\n|---|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];

		printf("| %s | %u ", r->crew->what, r->quota * r->crew->worker_count);
		for (unsigned s = 0; s < PART_COUNT; s++) {
			struct bench_figures f = bench_figures_of(&r->parts[s]);

			printf("| %.0f (%.2f) ", f.quiet_count > 0 ? f.quiet : f.median,
			       (double)r->packets[s] / (double)r->answered);
		}
		printf("|\n");
	}
}

/* One of them is 0 if there were no quiet rounds. */
static void print_times(double one, double two)
{
	if (one > 0 && two > 0)
		printf(" %.2f |", 2 * one / two);
	else
		printf(" - |");
}

static void print_ratio(const struct row *one, const struct row *two)
{
	struct bench_figures a = bench_figures_of(&one->rounds);
	struct bench_figures b = bench_figures_of(&two->rounds);

	printf("| %s | %u a worker |", two->crew->what, two->quota);
	print_times(a.median, b.median);
	print_times(a.quiet, b.quiet);
	print_times(a.best, b.best);
	printf("\n");
}

#define ROWS_MOST 6

/* The crews that were asked for (0: all), of the CPUs that there are. Returns how many. */
static unsigned choose_crews(struct crew *crews[], unsigned workers_wanted, const cpu_set_t *cpus)
{
	static struct crew one = {.what = "one worker", .worker_count = 1, .sharing = true};
	static struct crew two = {.what = "two workers", .worker_count = 2, .sharing = true};
	static struct crew apart = {.what = "two that share nothing", .worker_count = 2};
	unsigned count = 0;

	if (workers_wanted != 2)
		crews[count++] = &one;
	if (workers_wanted != 1 && CPU_COUNT(cpus) >= WORKERS_MOST) {
		crews[count++] = &two;
		if (workers_wanted == 0)
			crews[count++] = &apart;
	}
	return count;
}

struct wishes {
	unsigned round_count, workers;
	bool cache, no_bounce;
};

static bool arguments(int argc, char **argv, struct wishes *out)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--cache") == 0) {
			out->cache = true;
			continue;
		}
		if (strcmp(argv[i], "--no-bounce") == 0) {
			out->no_bounce = true;
			continue;
		}
		if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc) {
			out->workers = bench_round_count(argv[++i]);
			if (out->workers < 1 || out->workers > WORKERS_MOST)
				return false;
			continue;
		}
		out->round_count = bench_round_count(argv[i]);
		if (out->round_count == 0)
			return false;
	}
	return true;
}

/* Each row's visits in turn, so that what the machine does meanwhile is shared among them. */
static bool measure(struct row rows[], unsigned row_count, unsigned round_count)
{
	unsigned visits = (round_count + ROUNDS_A_VISIT - 1) / ROUNDS_A_VISIT;
	time_t begun = time(NULL);

	if (visits > BENCH_ROUNDS_MAX / ROUNDS_A_VISIT)
		visits = BENCH_ROUNDS_MAX / ROUNDS_A_VISIT;
	for (; visits > 0 && time(NULL) - begun < LONGEST_S; visits--)
		for (unsigned i = 0; i < row_count; i++)
			if (!row_visit(&rows[i]))
				return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct row rows[ROWS_MOST];
	static cpu_set_t cpus;
	struct crew *crews[ROWS_MOST / 2];
	double bounced = 0;
	struct wishes wishes = {.round_count = 320};
	unsigned crew_count;
	bool bounces;

	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	if (!arguments(argc, argv, &wishes)) {
		fprintf(stderr,
			"usage: bench_engine [ROUNDS, 1 to %d] [--workers 1|2] [--cache] "
			"[--no-bounce]\n",
			BENCH_ROUNDS_MAX);
		return 2;
	}
	bounces = CPU_COUNT(&cpus) >= WORKERS_MOST && !wishes.no_bounce;
	crew_count = choose_crews(crews, wishes.workers, &cpus);
	if (crew_count == 0) {
		fprintf(stderr, "bench_engine: two workers want two CPUs\n");
		return 2;
	}
	if (bounces)
		bounced = bounce_cycles(&cpus);
	bench_yardsticks();
	for (unsigned i = 0; i < crew_count; i++) {
		crews[i]->caching = wishes.cache;
		crew_make(crews[i], &cpus);
		rows[i].crew = rows[crew_count + i].crew = crews[i];
		rows[i].quota = SMALL_UNDER_WAY / crews[i]->worker_count;
		rows[crew_count + i].quota = LARGE_UNDER_WAY;
	}
	if (!measure(rows, 2 * crew_count, wishes.round_count))
		return 1;
	print_rows(rows, 2 * crew_count);
	for (unsigned i = 0; wishes.workers == 0 && i < crew_count * 2; i++) {
		if (i == 0)
			printf("\n| they do so many times the work of one | under way | by medians | by "
			       "quiet rounds | by the best |\n|---|---|---|---|---|\n");
		if (i % crew_count > 0)
			print_ratio(&rows[i / crew_count * crew_count], &rows[i]);
	}
	if (bounces)
		printf("\nA cache line from one CPU to the other and back: %.0f cycles before, %.0f "
		       "after.\n",
		       bounced, bounce_cycles(&cpus));
	printf("Memory on transparent huge pages, for one worker too: %ld MB of them.\n",
	       bench_huge_kb() / 1024);
	return 0;
}
