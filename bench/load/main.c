/* load: asks a DNS forwarder over one DPDK device as very many clients, and is the servers that it asks. */
#include "dpdk_app/dpdk.h"

#include <errno.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/run.h"
#include "bench/load/trace.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define ARGUMENTS_MAX 64
#define ARGUMENT_BYTES 512

/* EAL keeps and reorders what it is given: it lives as long as the process. */
struct arguments {
	int count;
	char text[16][ARGUMENT_BYTES];
	char *pointers[ARGUMENTS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *a, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(a->text[a->count], ARGUMENT_BYTES, format, list);
	va_end(list);
	a->pointers[a->count] = a->text[a->count];
	a->count++;
}

static bool start_eal(const struct options *o)
{
	static struct arguments a;

	if (o->eal_argc > ARGUMENTS_MAX - (int)ARRAY_COUNT(a.text)) {
		fprintf(stderr, "load: too many arguments for DPDK\n");
		return false;
	}
	add(&a, "load");
	add(&a, "--lcores=0@%u", o->cpu);
	add(&a, "--no-pci");
	add(&a, "--no-telemetry");
	add(&a, "--log-level=warning");
	add(&a, "--log-level=lib.eal:error");
	/* It complains of each try to reach a server that is not there yet. */
	add(&a, "--log-level=pmd.net.memif:critical");
	add(&a, "--file-prefix=%s", o->file_prefix);
	add(&a, "-m");
	add(&a, "%u", o->memory_mb);
	add(&a, o->hugepages ? "--in-memory" : "--no-huge");
	add(&a, "--no-shconf");
	add(&a, "--vdev=%s", o->vdev);
	for (int i = 0; i < o->eal_argc; i++)
		a.pointers[a.count++] = o->eal_argv[i];
	if (rte_eal_init(a.count, a.pointers) >= 0)
		return true;
	fprintf(stderr, "load: DPDK does not start: %s\n", rte_strerror(rte_errno));
	return false;
}

/* Its directory is empty, as nothing is shared with other processes; EAL leaves it behind. */
static void stop_eal(void)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	rmdir(directory);
}

static void on_signal(int signal)
{
	(void)signal;
	run_stop();
}

enum figures_kind { FIGURES_JSON, FIGURES_CDF };

/* To a file, or standard output. */
static bool write_figures(const struct options *o, const struct run_figures *figures,
			  const char *path, enum figures_kind kind)
{
	bool to_stdout = strcmp(path, "-") == 0;
	FILE *file = to_stdout ? stdout : fopen(path, "w");
	bool good = file != NULL;

	if (good) {
		if (kind == FIGURES_JSON)
			report_json(file, o, figures);
		else
			report_cdf(file, figures);
		good = (to_stdout ? fflush(file) : fclose(file)) == 0;
	}
	if (!good)
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
	return good;
}

static int measure(const struct options *o)
{
	static struct run_figures figures;

	if (run(o, &figures) != RUN_OK)
		return EXIT_FAILED;
	if (o->json_file == NULL || strcmp(o->json_file, "-") != 0)
		report_text(stdout, o, &figures);
	if (o->json_file != NULL && !write_figures(o, &figures, o->json_file, FIGURES_JSON))
		return EXIT_FAILED;
	if (o->cdf_file != NULL && !write_figures(o, &figures, o->cdf_file, FIGURES_CDF))
		return EXIT_FAILED;
	if (figures.counters.of[LOAD_WRONG] == 0)
		return EXIT_DONE;
	fprintf(stderr, "load: %llu wrong answers\n",
		(unsigned long long)figures.counters.of[LOAD_WRONG]);
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static struct options options;
	const struct sigaction action = {.sa_handler = on_signal};
	int exit_code = EXIT_FAILED;

	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return EXIT_DONE;
	case OPTIONS_USAGE:
		return EXIT_USAGE;
	}
	if (options.trace_file != NULL)
		return trace_write(&options) ? EXIT_DONE : EXIT_FAILED;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (start_eal(&options)) {
		exit_code = measure(&options);
		stop_eal();
	}
	return exit_code;
}
