/* What the micro-benchmarks share: rounds and what is said of them, pinned threads, memory on pages
 * of either size, random bytes. Cycles are TSC cycles.
 *
 * Threads: a struct bench_rounds is one thread's. A failure of the system ends the program by CHECK.
 */
#ifndef PORTICO_BENCH_TIMING_H
#define PORTICO_BENCH_TIMING_H

#include <errno.h>
#include <openssl/rand.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "core/check.h"
#include "core/entropy.h"

#define BENCH_ROUNDS_MAX 1000
#define BENCH_HUGE_BYTES (UINT64_C(2) << 20)

struct bench_rounds {
	unsigned count;
	double cycles[BENCH_ROUNDS_MAX]; /* an operation */
	double yard[BENCH_ROUNDS_MAX];   /* bench_yardstick at that time */
};

struct bench_figures {
	double median;
	double best;
	double worst;
	double quiet; /* median of the quiet rounds; 0: there were none */
	unsigned quiet_count;
};

/* Arithmetic that always costs the same on a core that is ours alone: on a machine that is shared
 * (a virtual CPU is often one of a core's two threads), cycles of rounds in which it cost more say
 * more of the neighbours than of us. A round is quiet if its yardsticks, before and after, were
 * within BENCH_QUIET of the run's shortest. */
#define BENCH_YARD_STEPS 2000
#define BENCH_QUIET 1.1
static double bench_yard_shortest = 1e9;

static inline double bench_yardstick(void)
{
	double cycles;
	uint64_t a = 1, b = 2, c = 3, d = 4;
	unsigned long long begun = __rdtsc();

	for (unsigned i = 0; i < BENCH_YARD_STEPS; i++) {
		a = (a ^ a >> 29) + b;
		b = (b ^ b >> 31) + c;
		c = (c ^ c >> 27) + d;
		d = (d ^ d >> 25) + i;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	cycles = (double)(__rdtsc() - begun);
	if (cycles < bench_yard_shortest)
		bench_yard_shortest = cycles;
	return cycles;
}

/* Enough of them that some are quiet: before the first row. */
static inline void bench_yardsticks(void)
{
	for (unsigned i = 0; i < 1000; i++)
		(void)bench_yardstick();
}

/* yard: the longest yardstick around this round. */
static inline void bench_rounds_add(struct bench_rounds *r, double cycles, double yard)
{
	CHECK(r->count < BENCH_ROUNDS_MAX);
	r->cycles[r->count] = cycles;
	r->yard[r->count++] = yard;
}

static inline int bench_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline struct bench_figures bench_figures_of(const struct bench_rounds *r)
{
	static double sorted[BENCH_ROUNDS_MAX];
	struct bench_figures f = {0};

	CHECK(r->count > 0);
	for (unsigned i = 0; i < r->count; i++)
		if (r->yard[i] <= bench_yard_shortest * BENCH_QUIET)
			sorted[f.quiet_count++] = r->cycles[i];
	qsort(sorted, f.quiet_count, sizeof(sorted[0]), bench_by_value);
	f.quiet = f.quiet_count > 0 ? sorted[f.quiet_count / 2] : 0;
	memcpy(sorted, r->cycles, r->count * sizeof(sorted[0]));
	qsort(sorted, r->count, sizeof(sorted[0]), bench_by_value);
	f.median = sorted[r->count / 2];
	f.best = sorted[0];
	f.worst = sorted[r->count - 1];
	return f;
}

static inline double bench_longer(double a, double b)
{
	return a > b ? a : b;
}

/* The number of rounds in a program's argument, or 0 if it is none. */
static inline unsigned bench_round_count(const char *text)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	return *text != '\0' && *end == '\0' && count <= BENCH_ROUNDS_MAX ? (unsigned)count : 0;
}

/* Bind the calling thread to the nth of the CPUs in `allowed`. */
static inline void bench_pin(const cpu_set_t *allowed, unsigned nth)
{
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;

		if (!CPU_ISSET(cpu, allowed) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
		return;
	}
	CHECK(false);
}

/* Kilobytes of this process that stand on transparent huge pages now; -1: the kernel does not say. */
static inline long bench_huge_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[128];
	long kb = -1;

	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "AnonHugePages: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

enum bench_pages { BENCH_PAGES_HUGE, BENCH_PAGES_ORDINARY };

/* Zeroed memory, aligned to 2 MiB; never given back. */
static inline void *bench_memory(size_t bytes, enum bench_pages pages)
{
	size_t whole = (bytes + BENCH_HUGE_BYTES - 1) & ~(BENCH_HUGE_BYTES - 1);
	uint8_t *memory = mmap(NULL, whole + BENCH_HUGE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memory += -(uintptr_t)memory & (BENCH_HUGE_BYTES - 1);
	/* EINVAL: a kernel without transparent huge pages. bench_huge_kb says what came of it. */
	CHECK(madvise(memory, whole, pages == BENCH_PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) ==
		      0 ||
	      errno == EINVAL);
	memset(memory, 0, whole);
	return memory;
}

static inline void bench_random(void *out, size_t bytes)
{
	CHECK(RAND_bytes(out, (int)bytes) == 1);
}

/* Fill whichever blocks want it. */
static inline void bench_feed(struct entropy *e)
{
	for (struct buffer block = entropy_block_to_fill(e); block.capacity_bytes > 0;
	     block = entropy_block_to_fill(e)) {
		bench_random(block.data, block.capacity_bytes);
		entropy_filled(e);
	}
}

/* The result of what is timed: this keeps the compiler from leaving it out. */
static inline void bench_keep(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

/* ---- functions of one argument: rows of a table ---- */

#define BENCH_CALLS 4096 /* of a round */

/* What one row times. The result is only kept from being left out. */
struct bench_case {
	const char *what;
	uint64_t (*call)(const void *argument);
	const void *argument;
};

static inline void bench_case_run(const struct bench_case *c, unsigned round_count)
{
	struct bench_rounds rounds = {0};
	struct bench_figures f;

	for (unsigned round = 0; round < round_count; round++) {
		double yard = bench_yardstick();
		unsigned long long begun = __rdtsc();
		double cycles;

		for (unsigned i = 0; i < BENCH_CALLS; i++)
			bench_keep(c->call(c->argument));
		cycles = (double)(__rdtsc() - begun) / BENCH_CALLS;
		bench_rounds_add(&rounds, cycles, bench_longer(yard, bench_yardstick()));
	}
	f = bench_figures_of(&rounds);
	printf("| %s | %.0f | %.0f (%u) | %.0f | %.0f |\n", c->what, f.median, f.quiet,
	       f.quiet_count, f.best, f.worst);
	fflush(stdout);
}

/* The whole of such a program: a table of all cases; ROUNDS is its only argument. */
static inline int bench_cases_main(const char *name, const struct bench_case cases[],
				   unsigned case_count, int argc, char **argv)
{
	unsigned round_count = argc > 1 ? bench_round_count(argv[1]) : 100;
	cpu_set_t cpus;

	if (argc > 2 || round_count == 0) {
		fprintf(stderr, "usage: bench_%s [ROUNDS, 1 to %d]\n", name, BENCH_ROUNDS_MAX);
		return 2;
	}
	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	bench_pin(&cpus, 0);
	bench_yardsticks();
	printf("| %s, cycles (%u rounds of %d) | median | of quiet rounds | best | worst |\n"
	       "|---|---|---|---|---|\n",
	       name, round_count, BENCH_CALLS);
	for (unsigned i = 0; i < case_count; i++)
		bench_case_run(&cases[i], round_count);
	return 0;
}

#endif
