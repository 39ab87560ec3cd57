/* Which CPU the control thread and each worker run on, from the configuration and from the CPUs that this
 * process may use.
 *
 * Lcores (DPDK's word for its threads) are numbered 0 for control, 1.. for workers, whatever their CPUs.
 */
#ifndef PORTICO_CPU_PLAN_H
#define PORTICO_CPU_PLAN_H

#include <stddef.h>

#include "config/config.h"
#include "core/check.h"

#define CPU_PLAN_TEXT_BYTES (16u * (WORKERS_MAX + 1))

struct cpu_plan {
	unsigned control_cpu;
	unsigned worker_count;
	unsigned worker_cpus[WORKERS_MAX];
};

/* False: a CPU that the configuration names is not ours to use (logged). Workers get CPUs of their own as
 * long as there are enough; control shares one rather than take a worker's only one. */
MUST_USE bool cpu_plan_make(const struct config *config, struct cpu_plan *out);

/* Does another worker run on this worker's CPU? */
bool cpu_plan_shares(const struct cpu_plan *plan, unsigned worker_idx);

/* As EAL's --lcores wants it: "0@2,1@3". */
void cpu_plan_lcores(const struct cpu_plan *plan, char text[CPU_PLAN_TEXT_BYTES]);

#endif
