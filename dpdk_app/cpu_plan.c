#include "dpdk_app/dpdk.h"

#include "dpdk_app/cpu_plan.h"

#include <assert.h>
#include <rte_config.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "dpdk_app/log.h"

static_assert(WORKERS_MAX - 1 < RTE_MAX_LCORE, "lcore 0 is control's, worker 127 is not");

static bool is_worker_cpu(const struct cpu_plan *plan, unsigned cpu)
{
	for (unsigned i = 0; i < plan->worker_count; i++) {
		if (plan->worker_cpus[i] == cpu)
			return true;
	}
	return false;
}

/* The CPUs that this process may run on, ascending. */
static unsigned list_usable(const cpu_set_t *usable, unsigned cpus[CPU_SETSIZE])
{
	unsigned count = 0;

	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, usable))
			cpus[count++] = cpu;
	}
	return count;
}

/* Workers from the highest CPU down, so that CPU 0, where the kernel keeps most of its own work, comes last;
 * round again when there are too few. */
static void choose_worker_cpus(const struct config *config, const unsigned usable[],
			       unsigned usable_count, struct cpu_plan *plan)
{
	unsigned candidates[CPU_SETSIZE];
	unsigned count = 0;

	for (unsigned i = usable_count; i-- > 0;) {
		if (config->control_cpu < 0 || usable[i] != (unsigned)config->control_cpu)
			candidates[count++] = usable[i];
	}
	if (count == 0)
		candidates[count++] = usable[0];
	for (unsigned i = 0; i < plan->worker_count; i++)
		plan->worker_cpus[i] = candidates[i % count];
}

static bool check_cpu(const cpu_set_t *usable, unsigned cpu, struct log_place place,
		      const char *key)
{
	if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, usable))
		return true;
	log_refusal(
		place,
		"%s: CPU %u does not exist or is not allowed to this process; see `taskset -p $$`",
		key, cpu);
	return false;
}

bool cpu_plan_make(const struct config *config, struct cpu_plan *out)
{
	const struct log_place place = {.file = config->file};
	struct cpu_plan plan = {.worker_count = config->worker_count};
	unsigned usable_list[CPU_SETSIZE];
	unsigned usable_count;
	cpu_set_t usable;

	CHECK(plan.worker_count >= 1 && plan.worker_count <= WORKERS_MAX);
	if (sched_getaffinity(0, sizeof(usable), &usable) != 0) {
		log_write(CONFIG_LOG_ERROR, "cpu", "cannot read this process's CPUs error=\"%m\"");
		return false;
	}
	usable_count = list_usable(&usable, usable_list);
	for (unsigned i = 0; i < config->worker_cpu_count; i++) {
		if (!check_cpu(&usable, config->worker_cpus[i], place, "workers"))
			return false;
		plan.worker_cpus[i] = config->worker_cpus[i];
	}
	if (config->control_cpu >= 0 &&
	    !check_cpu(&usable, (unsigned)config->control_cpu, place, "control_cpu"))
		return false;
	if (config->worker_cpu_count == 0)
		choose_worker_cpus(config, usable_list, usable_count, &plan);
	plan.control_cpu =
		config->control_cpu >= 0 ? (unsigned)config->control_cpu : usable_list[0];
	for (unsigned i = 0; config->control_cpu < 0 && i < usable_count; i++) {
		if (!is_worker_cpu(&plan, usable_list[i])) {
			plan.control_cpu = usable_list[i];
			break;
		}
	}
	*out = plan;
	return true;
}

bool cpu_plan_shares(const struct cpu_plan *plan, unsigned worker_idx)
{
	for (unsigned i = 0; i < plan->worker_count; i++) {
		if (i != worker_idx && plan->worker_cpus[i] == plan->worker_cpus[worker_idx])
			return true;
	}
	return false;
}

void cpu_plan_lcores(const struct cpu_plan *plan, char text[CPU_PLAN_TEXT_BYTES])
{
	size_t used = (size_t)snprintf(text, CPU_PLAN_TEXT_BYTES, "0@%u", plan->control_cpu);

	for (unsigned i = 0; i < plan->worker_count && used < CPU_PLAN_TEXT_BYTES; i++)
		used += (size_t)snprintf(text + used, CPU_PLAN_TEXT_BYTES - used, ",%u@%u", i + 1,
					 plan->worker_cpus[i]);
}
