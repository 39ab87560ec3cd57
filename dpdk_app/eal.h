/* DPDK's environment (EAL), started from the configuration: CPUs, memory, devices; no command line of DPDK's own
 * to know.
 *
 * Memory: EAL keeps what it is given until the process ends. Threads: the main thread.
 */
#ifndef PORTICO_EAL_H
#define PORTICO_EAL_H

#include <stdbool.h>

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/cpu_plan.h"
#include "dpdk_app/xdp.h"

enum eal_pages { EAL_PAGES_HUGE, EAL_PAGES_ORDINARY };

struct eal {
	struct cpu_plan cpus;
	enum eal_pages pages;
};

/* Before anything else. False: another instance runs with this file_prefix (logged). */
MUST_USE bool eal_check_prefix(const struct config *config);
/* xdp: after xdp_prepare; names the devices to open. False: refused or failed, with the reason logged; nothing is left
 * running. Once a process. */
MUST_USE bool eal_start(const struct config *config, const struct xdp_table *xdp, struct eal *out);
void eal_stop(void);

/* The latest of DPDK's error lines that contains `text` (a device's name); NULL: none. Valid until the next
 * error. */
const char *eal_error_about(const char *text);

#endif
