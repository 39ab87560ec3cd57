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
#include "dpdk_app/kernel_path.h"
#include "dpdk_app/kernel_pump.h"
#include "dpdk_app/kernel_reservation.h"
#include "dpdk_app/kernel_routes.h"
#include "dpdk_app/kernel_tap.h"
#include "dpdk_app/kernel_watch.h"
#include "dpdk_app/listen_conflict.h"
#include "dpdk_app/log.h"
#include "dpdk_app/metrics.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/reload.h"
#include "dpdk_app/stream_mbuf.h"
#include "dpdk_app/streams.h"
#include "dpdk_app/telemetry.h"
#include "dpdk_app/telemetry_cache.h"
#include "dpdk_app/test_hooks.h"
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
	"       portico --version | --help\n" TEST_HOOKS_USAGE
	"Exit codes: 0 done, 1 refused or failed with a reason on stderr, 2 usage.\n"
	"Manual: portico(8), portico.yaml(5), porticoctl(8)\n";

/* Everything that runs, in the order in which it is started. */
struct program {
	const struct config *config;
	struct control control;
	struct xdp_table xdp;
	struct eal eal;
	struct port_table ports;
	struct kernel_tap_table taps;
	struct kernel_pump *pump; /* NULL: no TAP */
	struct kernel_path path;
	struct port_keeper *keeper;
	struct engine_setup *setup;
	struct cache_control *cache;
	struct kernel_spaces spaces;
	/* NULL: the kernel keeps none. */
	struct kernel_routes *routes;
	struct kernel_neighbours *neighbours;
	struct kernel_watch *watch;
	struct handoff *handoff;
	struct rte_mempool *stream_pool;
	struct streams *streams; /* NULL: the kernel has no path anywhere, so there is no TCP */
	unsigned worker_count;
	unsigned participant_count; /* with the stream thread, the last of workers */
	struct worker workers[HANDOFF_PARTICIPANTS_MAX];
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
		TEST_HOOKS_OPTIONS{0},
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
			if (!test_hooks_take(option, optarg))
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
	const bool is_streams = idx == p->worker_count;

	*w = (struct worker){
		.ports = &p->ports,
		.handoff = &p->handoff[idx],
		.pump = p->pump,
		.clock = *clock,
		.poll = (uint8_t)p->config->poll,
		.lcore_id = is_streams ? rte_get_main_lcore() : idx + 1,
		.cpu = is_streams ? p->eal.cpus.control_cpu : p->eal.cpus.worker_cpus[idx],
		.shares_cpu = is_streams || cpu_plan_shares(&p->eal.cpus, idx),
		.stream_pool = p->stream_pool,
		.stream_message = p->stream_pool != NULL ? malloc(STREAM_MESSAGE_BYTES_MAX) : NULL,
	};
	if (p->stream_pool != NULL && w->stream_message == NULL)
		return false;
	mailbox_init(&w->mailbox);
	w->engine = engine_setup_worker(p->setup, (uint8_t)idx, p->eal.pages,
					(int)rte_lcore_to_socket_id(w->lcore_id),
					tsc_clock_ns(&w->clock, rte_rdtsc()));
	return w->engine != NULL;
}

/* Is there TCP at all? Then its thread takes part in what workers do. */
static bool find_participants(struct program *p)
{
	p->participant_count = p->worker_count;
	if (!kernel_path_any(&p->path)) {
		if (p->config->tcp.enabled)
			log_write(
				CONFIG_LOG_INFO, "streams",
				"no TCP: the kernel has none of our addresses (interfaces[].kernel)");
		return true;
	}
	p->participant_count++;
	p->stream_pool = stream_mbuf_pool_make();
	return p->stream_pool != NULL;
}

static bool make_pump(struct program *p)
{
	bool failed;

	p->pump = kernel_pump_make(p->config, &p->taps, &p->ports, p->handoff, p->worker_count,
				   &failed);
	return !failed;
}

static bool make_workers(struct program *p)
{
	struct tsc_clock clock;

	if (!find_participants(p))
		return false;
	p->setup = engine_setup_make(p->config, &p->ports, &p->xdp, &p->path, p->keeper, p->routes);
	p->handoff = handoff_make(p->worker_count, p->participant_count > p->worker_count
							   ? HANDOFF_WITH_STREAMS
							   : HANDOFF_WITHOUT_STREAMS);
	if (p->setup == NULL || p->handoff == NULL || !make_pump(p))
		return false;
	tsc_clock_init(&clock, rte_get_tsc_hz(), rte_rdtsc());
	for (unsigned i = 0; i < p->participant_count; i++) {
		if (!make_worker(p, i, &clock))
			return false;
	}
	p->control.worker_count = p->participant_count;
	p->cache = cache_control_make(p->config, p->setup->cache, p->workers, p->participant_count);
	return p->cache != NULL;
}

static bool make_streams(struct program *p)
{
	const struct streams_params params = {
		.config = p->config,
		.path = &p->path,
		.worker = &p->workers[p->worker_count],
		.cpu = p->eal.cpus.control_cpu,
	};

	if (p->participant_count == p->worker_count)
		return true;
	p->streams = streams_make(&params);
	return p->streams != NULL;
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

/* Where the kernel has our addresses, before there are engines. */
static bool find_paths(struct program *p)
{
	kernel_path_init(&p->path, p->config);
	for (unsigned i = 0; i < p->config->interface_count; i++) {
		if (xdp_is_shared(&p->xdp, i) &&
		    !kernel_path_add(&p->path, i, p->xdp.interfaces[i].address_ifindex, -1))
			return false;
		if (kernel_tap_has(&p->taps, i) &&
		    !kernel_path_add(&p->path, i, p->taps.taps[i].ifindex,
				     p->taps.taps[i].netns.fd))
			return false;
	}
	return true;
}

/* Where the kernel keeps them; before there are engines, whose ways they are. */
static bool read_routes(struct program *p)
{
	kernel_spaces_find(&p->path, &p->spaces);
	if (p->spaces.count == 0)
		return true;
	p->routes = kernel_routes_open(&p->spaces);
	return p->routes != NULL;
}

static bool open_neighbours(struct program *p)
{
	const struct engine_config *snapshot =
		atomic_load_explicit(&p->setup->current, memory_order_relaxed);
	struct timespec now;

	if (p->spaces.count == 0)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	kernel_routes_tell(NULL, snapshot);
	p->neighbours =
		kernel_neighbours_open(&p->spaces, snapshot, &p->setup->neighbours,
				       &p->workers[0].clock, (mono_ns)now.tv_sec * NS_PER_S);
	return p->neighbours != NULL;
}

/* With reload there. */
static bool watch_kernel(struct program *p)
{
	const struct kernel_watch_parts parts = {
		.spaces = &p->spaces,
		.routes = p->routes,
		.neighbours = p->neighbours,
		.reload = p->control.reload,
	};

	if (p->spaces.count == 0)
		return true;
	p->watch = kernel_watch_start(&parts);
	return p->watch != NULL;
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
	if (p->streams == NULL)
		return true;
	if (!streams_start(p->streams))
		return false;
	telemetry_set_streams(streams_report(p->streams));
	return true;
}

static void stop_workers(struct program *p)
{
	telemetry_set_streams(NULL);
	for (unsigned i = 0; i < p->participant_count; i++)
		worker_order(&p->workers[i], WORKER_ORDER_QUIT);
	rte_eal_mp_wait_lcore();
	streams_join(p->streams);
}

static struct stats_sources stats_sources(const struct program *p)
{
	struct stats_sources sources = {
		.ports = &p->ports,
		.xdp = &p->xdp,
		.keeper = p->keeper,
		.workers = p->workers,
		.worker_count = p->worker_count,
		.streams = p->streams != NULL ? streams_counters(p->streams) : NULL,
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
		.taps = &p->taps,
		.neighbours = p->neighbours,
		.cache = p->cache,
		.control = &p->control,
		.streams = p->streams,
		.workers = p->workers,
		.worker_count = p->participant_count,
	};

	p->control.reload = reload_start(&parts);
	telemetry_set_reload(p->control.reload);
	return p->control.reload != NULL;
}

/* With workers to be launched: until the end. */
static int answer(struct program *p)
{
	int exit_code = EXIT_REFUSED;

	if (kernel_pump_start(p->pump, p->eal.cpus.control_cpu) && launch_workers(p) &&
	    port_keeper_start(p->keeper, p->workers, p->participant_count) &&
	    cache_control_start(p->cache) && start_reload(p) && watch_kernel(p) &&
	    control_run(&p->control) == CONTROL_STOPPED)
		exit_code = EXIT_DONE;
	/* While the workers still run: they wait for their turns. */
	kernel_watch_stop(p->watch);
	reload_stop(p->control.reload);
	cache_control_stop(p->cache);
	port_keeper_stop(p->keeper);
	stop_workers(p);
	kernel_pump_stop(p->pump);
	return exit_code;
}

/* With EAL up: ports, source ports, engines, workers, until the end. */
static int serve(struct program *p)
{
	int exit_code = EXIT_REFUSED;

	if (port_start_all(p->config, &p->xdp, &p->eal.cpus, &p->ports) &&
	    kernel_tap_open_all(p->config, &p->ports, &p->taps) && keep_ports(p) && find_paths(p) &&
	    read_routes(p) && make_workers(p) && make_streams(p) && open_neighbours(p) &&
	    start_telemetry(p, p->workers) && telemetry_cache_open(p->cache) &&
	    start_capture(p, p->workers))
		exit_code = answer(p);
	port_keeper_stop(p->keeper);
	capture_close();
	metrics_close();
	telemetry_cache_close();
	telemetry_close();
	kernel_neighbours_close(p->neighbours);
	kernel_routes_close(p->routes);
	streams_free(p->streams);
	kernel_pump_free(p->pump);
	kernel_tap_close_all(&p->taps);
	handoff_free(p->handoff);
	stream_mbuf_pool_free(p->stream_pool);
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
	       kernel_reservation_recover(config) && kernel_tap_prepare(config) &&
	       xdp_prepare(config, &p->xdp) && listen_conflict_check(config, NULL, &p->xdp) &&
	       control_block_signals(&p->control);
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
