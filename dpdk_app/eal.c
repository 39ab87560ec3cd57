#include "dpdk_app/eal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpdk_app/device.h"
#include "dpdk_app/hugepage.h"
#include "dpdk_app/log.h"
#include "dpdk_app/telemetry_path.h"

/* Ours: program, lcores, main lcore, prefix, memory, log level, bus: fewer than 20, two a device. */
#define ARGUMENTS_MAX (20 + 2 * INTERFACES_MAX + CONFIG_EAL_ARGS_MAX)

/* The last error lines are kept to say which of the user's devices they are about. */
#define ERRORS_KEPT 8
#define ERROR_BYTES 256

/* EAL changes the order of its arguments and refers to them later: they live as long as the process. */
struct arguments {
	int count;
	char *text[ARGUMENTS_MAX + 1];
	char *lent[ARGUMENTS_MAX + 1]; /* to EAL, which overwrites some */
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
						      const char *format, ...)
{
	char *text;
	va_list args;

	CHECK(arguments->count < ARGUMENTS_MAX);
	va_start(args, format);
	CHECK(vasprintf(&text, format, args) >= 0);
	va_end(args);
	arguments->text[arguments->count++] = text;
}

/* ---- EAL's own log lines ---- */

static enum config_log_level level_of_current_message(void)
{
	int level = rte_log_cur_msg_loglevel();

	if (level <= (int)RTE_LOG_ERR)
		return CONFIG_LOG_ERROR;
	return level == (int)RTE_LOG_WARNING ? CONFIG_LOG_WARNING : CONFIG_LOG_DEBUG;
}

/* DPDK logs through one stream, from the main thread while it starts. */
static struct {
	char text[ERRORS_KEPT][ERROR_BYTES];
	unsigned count;
} errors;

const char *eal_error_about(const char *text)
{
	for (unsigned i = 0; i < ERRORS_KEPT && i < errors.count; i++) {
		const char *line = errors.text[(errors.count - 1 - i) % ERRORS_KEPT];

		if (strstr(line, text) != NULL)
			return line;
	}
	return NULL;
}

static void take_line(const char *line, int length)
{
	enum config_log_level level = level_of_current_message();

	if (level == CONFIG_LOG_ERROR)
		snprintf(errors.text[errors.count++ % ERRORS_KEPT], ERROR_BYTES, "%.*s", length,
			 line);
	log_write(level, "dpdk", "%.*s", length, line);
}

/* EAL flushes after every message, so that a call is a message as a rule. */
static ssize_t on_eal_message(void *cookie, const char *bytes, size_t count)
{
	(void)cookie;
	for (size_t start = 0; start < count;) {
		const char *end = memchr(bytes + start, '\n', count - start);
		size_t length = end == NULL ? count - start : (size_t)(end - bytes) - start;

		if (length > 0)
			take_line(bytes + start, (int)length);
		start += length + 1;
	}
	return (ssize_t)count;
}

static void take_over_log(void)
{
	const cookie_io_functions_t functions = {.write = on_eal_message};
	FILE *stream = fopencookie(NULL, "w", functions);

	if (stream != NULL)
		rte_openlog_stream(stream);
}

/* ---- what to ask of EAL ---- */

static bool choose_pages(const struct config *config, enum eal_pages *out)
{
	uint64_t free_mb = hugepage_free_mb();
	bool enough = free_mb >= config->memory_mb;

	switch (config->hugepages) {
	case CONFIG_HUGEPAGES_NEVER:
		*out = EAL_PAGES_ORDINARY;
		break;
	case CONFIG_HUGEPAGES_AUTO:
		*out = enough ? EAL_PAGES_HUGE : EAL_PAGES_ORDINARY;
		break;
	case CONFIG_HUGEPAGES_REQUIRED:
		if (!enough) {
			log_refusal((struct log_place){.file = config->file},
				    "dpdk.hugepages: required, but of dpdk.memory_mb %u only "
				    "%" PRIu64 " MB of huge pages are free; e.g. `sysctl "
				    "vm.nr_hugepages=%u`, or hugepages: auto",
				    config->memory_mb, free_mb, config->memory_mb / 2 + 1);
			return false;
		}
		*out = EAL_PAGES_HUGE;
		break;
	}
	log_write(CONFIG_LOG_INFO, "memory", "%s memory_mb=%u free_hugepages_mb=%" PRIu64,
		  *out == EAL_PAGES_HUGE ? "huge pages" : "ordinary pages", config->memory_mb,
		  free_mb);
	return true;
}

/* net_af_packet's own default is a ring of 512 frames: 13 ms at 40,000 packets/s, less than another process may keep
 * the CPU from us, and then packets are lost. Where the configuration leaves the ring alone, it is larger. */
static const char *ring_arguments(const char *device)
{
	bool af_packet = strncmp(device, "net_af_packet", strlen("net_af_packet")) == 0 ||
			 strncmp(device, "eth_af_packet", strlen("eth_af_packet")) == 0;
	bool given = strstr(device, "framecnt=") != NULL || strstr(device, "framesz=") != NULL ||
		     strstr(device, "blocksz=") != NULL;

	return af_packet && !given ? ",blocksz=65536,framesz=2048,framecnt=8192" : "";
}

static void add_devices(struct arguments *arguments, const struct config *config,
			const struct xdp_table *xdp)
{
	unsigned pci_count = 0;

	for (unsigned i = 0; i < config->interface_count; i++) {
		const char *device = xdp->interfaces[i].device;

		switch (device_bus(device)) {
		case DEVICE_PCI:
			add(arguments, "-a");
			add(arguments, "%s", device);
			pci_count++;
			break;
		case DEVICE_VIRTUAL:
			add(arguments, "--vdev=%s%s", device, ring_arguments(device));
			break;
		}
	}
	if (pci_count == 0)
		add(arguments, "--no-pci");
}

static void add_all(struct arguments *arguments, const struct config *config,
		    const struct xdp_table *xdp, const struct eal *eal)
{
	char lcores[CPU_PLAN_TEXT_BYTES];

	cpu_plan_lcores(&eal->cpus, lcores);
	add(arguments, "portico");
	add(arguments, "--lcores=%s", lcores);
	add(arguments, "--main-lcore=0");
	add(arguments, "--file-prefix=%s", config->file_prefix);
	add(arguments, "--log-level=%s", log_level() == CONFIG_LOG_DEBUG ? "info" : "warning");
	if (log_level() != CONFIG_LOG_DEBUG) {
		/* They warn of what is as it should be: page sizes and parts that are not used. */
		add(arguments, "--log-level=lib.eal:error");
		add(arguments, "--log-level=lib.telemetry:error");
	}
	switch (eal->pages) {
	case EAL_PAGES_HUGE: /* nothing is left in hugetlbfs if we are killed */
		add(arguments, "--in-memory");
		break;
	case EAL_PAGES_ORDINARY: /* EAL does not take both */
		add(arguments, "--no-huge");
		break;
	}
	add(arguments, "-m");
	add(arguments, "%u", config->memory_mb);
	add_devices(arguments, config, xdp);
	for (unsigned i = 0; i < config->eal_arg_count; i++)
		add(arguments, "%s", config->eal_args[i]);
}

/* EAL does not lock its prefix when it runs in memory, and a second instance would have its socket under
 * another name than porticoctl looks for: ask whether somebody answers there. */
bool eal_check_prefix(const struct config *config)
{
	struct ucred peer;
	socklen_t peer_bytes = sizeof(peer);
	char path[TELEMETRY_PATH_BYTES];
	int fd = telemetry_path_connect(config->file_prefix, path);

	if (fd < 0)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) != 0)
		peer.pid = 0;
	close(fd);
	log_refusal(
		(struct log_place){.file = config->file},
		"dpdk.file_prefix: %s: another instance runs with it (pid %ld, socket %s); stop "
		"it or give this one another file_prefix",
		config->file_prefix, (long)peer.pid, path);
	return false;
}

/* EAL prints its usage to stdout where it refuses an argument: a hundred lines around the one that says which. */
static int init_quietly(struct arguments *arguments)
{
	int saved = dup(STDOUT_FILENO);
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int result;

	fflush(stdout);
	if (saved >= 0 && null_fd >= 0)
		dup2(null_fd, STDOUT_FILENO);
	memcpy(arguments->lent, arguments->text, sizeof(arguments->lent));
	result = rte_eal_init(arguments->count, arguments->lent);
	fflush(stdout);
	if (saved >= 0 && null_fd >= 0)
		dup2(saved, STDOUT_FILENO);
	if (saved >= 0)
		close(saved);
	if (null_fd >= 0)
		close(null_fd);
	return result;
}

static void explain_failure(const struct config *config, const struct xdp_table *xdp)
{
	bool named = false;

	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		char name[DEVICE_NAME_BYTES];
		const char *line;

		device_port_name(xdp->interfaces[i].device, name);
		line = eal_error_about(name);
		if (line == NULL)
			continue;
		named = true;
		log_refusal((struct log_place){config->file, interface->line, interface->column},
			    "interfaces[%u].device: %s: DPDK knows no driver for it or cannot open "
			    "it: %s",
			    i, interface->device, line);
	}
	if (!named)
		log_write(CONFIG_LOG_ERROR, "eal",
			  "DPDK did not start reason=\"%s\" memory_mb=%u hint=\"the lines above "
			  "say why; log.level: debug shows more\"",
			  rte_strerror(rte_errno), config->memory_mb);
}

bool eal_start(const struct config *config, const struct xdp_table *xdp, struct eal *out)
{
	static struct arguments arguments;
	struct eal eal = {0};

	if (!cpu_plan_make(config, &eal.cpus) || !choose_pages(config, &eal.pages))
		return false;
	/* systemd's RuntimeDirectory= would move the telemetry socket away from where porticoctl looks. */
	unsetenv("RUNTIME_DIRECTORY");
	take_over_log();
	add_all(&arguments, config, xdp, &eal);
	for (int i = 1; i < arguments.count; i++)
		log_write(CONFIG_LOG_DEBUG, "eal", "argument %s", arguments.text[i]);
	if (init_quietly(&arguments) < 0) {
		explain_failure(config, xdp);
		return false;
	}
	*out = eal;
	return true;
}

void eal_stop(void)
{
	rte_eal_cleanup();
}
