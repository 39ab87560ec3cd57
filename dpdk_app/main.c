/* portico: reads the configuration, starts DPDK, the ports and the workers, and stays until told to stop. */
#include "dpdk_app/dpdk.h"

#include <getopt.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"
#include "dpdk_app/cache_control.h"
#include "dpdk_app/capture.h"
#include "dpdk_app/control.h"
#include "dpdk_app/device.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/engine_setup.h"
#include "dpdk_app/kernel_neighbours.h"
#include "dpdk_app/kernel_reservation.h"
#include "dpdk_app/listen_conflict.h"
#include "dpdk_app/log.h"
#include "dpdk_app/metrics.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/reload.h"
#include "dpdk_app/telemetry.h"
#include "dpdk_app/telemetry_cache.h"
#include "dpdk_app/version.h"
#include "dpdk_app/worker.h"
#include "dpdk_app/xdp.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

enum task { TASK_RUN, TASK_CHECK, TASK_SCHEMA, TASK_DEFAULTS, TASK_VERSION, TASK_HELP };

struct command_line {
	enum task task;
	const char *file;
};

static const char usage[] =
	"Usage: portico -c FILE           run in the foreground\n"
	"       portico --check -c FILE   check the configuration\n"
	"       portico --schema          print the configuration's JSON Schema\n"
	"       portico --defaults        print every key with its default, unit and help\n"
	"       portico --version | --help\n"
	"Exit codes: 0 done, 1 refused or failed with a reason on stderr, 2 usage.\n"
	"Manual: portico(8), portico.yaml(5), porticoctl(8)\n";

/* Everything that runs, in the order in which it is started. */
struct program {
	const struct config *config;
	struct control control;
	struct xdp_table xdp;
	struct eal eal;
	struct port_table ports;
	struct port_keeper *keeper;
	struct engine_setup *setup;
	struct cache_control *cache;
	struct kernel_neighbours *neighbours; /* NULL: the kernel shares no interface */
	struct handoff *handoff;
	unsigned worker_count;
	struct worker workers[WORKERS_MAX];
};

/* False: usage. */
static bool parse_command_line(int argc, char **argv, struct command_line *out)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, TASK_CHECK},
		{"schema", no_argument, NULL, TASK_SCHEMA},
		{"defaults", no_argument, NULL, TASK_DEFAULTS},
		{"version", no_argument, NULL, TASK_VERSION},
		{"help", no_argument, NULL, TASK_HELP},
		{0},
	};
	int option;

	*out = (struct command_line){.task = TASK_RUN};
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			out->file = optarg;
			break;
		case 'h':
			out->task = TASK_HELP;
			break;
		case TASK_CHECK:
		case TASK_SCHEMA:
		case TASK_DEFAULTS:
		case TASK_VERSION:
		case TASK_HELP:
			out->task = (enum task)option;
			break;
		default:
			return false;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "portico: what is \"%s\"?\n", argv[optind]);
		return false;
	}
	if (out->file == NULL && (out->task == TASK_RUN || out->task == TASK_CHECK)) {
		fputs("portico: which configuration? -c FILE is missing\n", stderr);
		return false;
	}
	return true;
}

/* ---- starting and stopping ---- */

static bool make_worker(struct program *p, unsigned idx, const struct tsc_clock *clock)
{
	struct worker *w = &p->workers[idx];

	*w = (struct worker){
		.ports = &p->ports,
		.handoff = &p->handoff[idx],
		.clock = *clock,
		.poll = (uint8_t)p->config->poll,
		.lcore_id = idx + 1,
		.cpu = p->eal.cpus.worker_cpus[idx],
		.shares_cpu = cpu_plan_shares(&p->eal.cpus, idx),
	};
	mailbox_init(&w->mailbox);
	w->engine = engine_setup_worker(p->setup, (uint8_t)idx, p->eal.pages,
					(int)rte_lcore_to_socket_id(w->lcore_id),
					tsc_clock_ns(&w->clock, rte_rdtsc()));
	return w->engine != NULL;
}

static bool make_workers(struct program *p)
{
	struct tsc_clock clock;

	p->setup = engine_setup_make(p->config, &p->ports, &p->xdp, p->keeper);
	p->handoff = handoff_make(p->worker_count);
	if (p->setup == NULL || p->handoff == NULL)
		return false;
	tsc_clock_init(&clock, rte_get_tsc_hz(), rte_rdtsc());
	for (unsigned i = 0; i < p->worker_count; i++) {
		if (!make_worker(p, i, &clock))
			return false;
	}
	p->cache = cache_control_make(p->config, p->setup->cache, p->workers, p->worker_count);
	return p->cache != NULL;
}

/* What stands on the started ports, before there are engines. */
static bool keep_ports(struct program *p)
{
	if (!xdp_attach(p->config, &p->xdp))
		return false;
	p->keeper = port_keeper_make(p->config, &p->xdp);
	p->control.keeper = p->keeper;
	return p->keeper != NULL;
}

static bool open_neighbours(struct program *p)
{
	bool any_shared = false;

	for (unsigned i = 0; i < p->config->interface_count; i++)
		any_shared = any_shared || xdp_is_shared(&p->xdp, i);
	if (!any_shared)
		return true;
	p->neighbours = kernel_neighbours_open(
		&p->xdp, atomic_load_explicit(&p->setup->current, memory_order_relaxed),
		&p->setup->neighbours);
	return p->neighbours != NULL;
}

static bool launch_workers(struct program *p)
{
	for (unsigned i = 0; i < p->worker_count; i++) {
		struct worker *w = &p->workers[i];

		if (rte_eal_remote_launch(worker_main, w, w->lcore_id) != 0) {
			log_write(CONFIG_LOG_ERROR, "worker", "lcore is not there lcore=%u",
				  w->lcore_id);
			return false;
		}
		log_write(CONFIG_LOG_INFO, "worker", "started worker=%u cpu=%u", i, w->cpu);
	}
	return true;
}

static void stop_workers(struct program *p)
{
	for (unsigned i = 0; i < p->worker_count; i++)
		worker_order(&p->workers[i], WORKER_ORDER_QUIT);
	rte_eal_mp_wait_lcore();
}

static struct stats_sources stats_sources(const struct program *p)
{
	struct stats_sources sources = {
		.ports = &p->ports,
		.xdp = &p->xdp,
		.keeper = p->keeper,
		.workers = p->workers,
		.worker_count = p->worker_count,
	};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sources.started_s = now.tv_sec;
	for (unsigned i = 0; i < p->config->interface_count; i++)
		snprintf(sources.interface_names[i], sizeof(sources.interface_names[i]), "%s",
			 p->config->interfaces[i].name);
	return sources;
}

static bool start_telemetry(const struct program *p, struct worker *workers)
{
	const struct telemetry_sources sources = {
		.config = p->config,
		.eal = &p->eal,
		.ports = &p->ports,
		.xdp = &p->xdp,
		.keeper = p->keeper,
		.workers = workers,
		.worker_count = p->worker_count,
		.stats = stats_sources(p),
	};

	return telemetry_open(&sources) &&
	       metrics_open(&sources.stats, atomic_load(&p->setup->current),
			    &p->config->metrics_listen);
}

static bool start_capture(const struct program *p, struct worker *workers)
{
	const struct capture_sources sources = {
		.config = p->config,
		.ports = &p->ports,
		.workers = workers,
		.worker_count = p->worker_count,
		.control_cpu = p->eal.cpus.control_cpu,
	};

	return capture_open(&sources);
}

/* With the workers running. */
static bool start_reload(struct program *p)
{
	const struct reload_parts parts = {
		.config = p->config,
		.setup = p->setup,
		.keeper = p->keeper,
		.xdp = &p->xdp,
		.neighbours = p->neighbours,
		.cache = p->cache,
		.control = &p->control,
		.workers = p->workers,
		.worker_count = p->worker_count,
	};

	p->control.reload = reload_start(&parts);
	telemetry_set_reload(p->control.reload);
	return p->control.reload != NULL;
}

/* With workers to be launched: until the end. */
static int answer(struct program *p)
{
	int exit_code = EXIT_REFUSED;

	if (launch_workers(p) &&
	    port_keeper_start(p->keeper, p->workers, p->worker_count, p->neighbours) &&
	    cache_control_start(p->cache) && start_reload(p) &&
	    control_run(&p->control) == CONTROL_STOPPED)
		exit_code = EXIT_DONE;
	/* While the workers still run: they wait for their turns. */
	reload_stop(p->control.reload);
	cache_control_stop(p->cache);
	port_keeper_stop(p->keeper);
	stop_workers(p);
	return exit_code;
}

/* With EAL up: ports, source ports, engines, workers, until the end. */
static int serve(struct program *p)
{
	int exit_code = EXIT_REFUSED;

	if (port_start_all(p->config, &p->xdp, &p->eal.cpus, &p->ports) && keep_ports(p) &&
	    make_workers(p) && open_neighbours(p) && start_telemetry(p, p->workers) &&
	    telemetry_cache_open(p->cache) && start_capture(p, p->workers))
		exit_code = answer(p);
	port_keeper_stop(p->keeper);
	capture_close();
	metrics_close();
	telemetry_cache_close();
	telemetry_close();
	if (p->neighbours != NULL)
		kernel_neighbours_close(p->neighbours);
	handoff_free(p->handoff);
	/* The kernel gets its packets again before anything else of ours goes. */
	xdp_detach(&p->xdp);
	port_stop_all(&p->ports);
	cache_control_save_at_end(p->cache);
	return exit_code;
}

/* Before EAL. */
static bool prepare(struct program *p)
{
	const struct config *config = p->config;

	/* Before anything is touched that a living instance may be using. */
	return eal_check_prefix(config) && device_check_all(config) &&
	       kernel_reservation_recover(config) && xdp_prepare(config, &p->xdp) &&
	       listen_conflict_check(config, NULL) && control_block_signals(&p->control);
}

static int run(const struct config *config)
{
	/* Reports may look at it until the very end. */
	static struct program program;
	struct program *p = &program;
	int exit_code = EXIT_REFUSED;

	p->config = config;
	p->worker_count = config->worker_count;
	control_follow(&p->control, config);
	p->control.listen_count = config->listen_count;
	p->control.zone_count = config->forward_count;
	p->control.workers = p->workers;
	p->control.worker_count = p->worker_count;
	p->control.xdp = &p->xdp;
	log_init(config->log_level, config->log_format);
	log_write(CONFIG_LOG_INFO, "portico", "starting version=%s config=%s", PORTICO_VERSION,
		  config->file);
	if (!prepare(p)) {
		xdp_detach(&p->xdp);
		return EXIT_REFUSED;
	}
	if (eal_start(config, &p->xdp, &p->eal)) {
		exit_code = serve(p);
		eal_stop();
	}
	xdp_detach(&p->xdp);
	log_write(CONFIG_LOG_INFO, "portico", "ended exit_code=%d", exit_code);
	return exit_code;
}

static int with_config(const struct command_line *command)
{
	unsigned error_count = 0, warning_count = 0;
	struct config *config = config_load(command->file, stderr, &error_count, &warning_count);

	if (config == NULL)
		return EXIT_REFUSED;
	if (command->task == TASK_CHECK) {
		printf("%s: no errors, %u warnings\n", command->file, warning_count);
		config_free(config);
		return EXIT_DONE;
	}
	/* Not freed: threads of DPDK may report from it until the process ends. */
	return run(config);
}

int main(int argc, char **argv)
{
	struct command_line command;

	if (!parse_command_line(argc, argv, &command)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	switch (command.task) {
	case TASK_RUN:
	case TASK_CHECK:
		return with_config(&command);
	case TASK_SCHEMA:
		config_print_schema(stdout);
		break;
	case TASK_DEFAULTS:
		config_print_defaults(stdout);
		break;
	case TASK_VERSION:
		puts("portico " PORTICO_VERSION);
		break;
	case TASK_HELP:
		fputs(usage, stdout);
		break;
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_REFUSED;
}
