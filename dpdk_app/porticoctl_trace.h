/* porticoctl trace NAME TYPE: how a question is resolved, step by step.
 *
 * Memory: what is shown, freed. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_TRACE_H
#define PORTICO_PORTICOCTL_TRACE_H

#include <stdbool.h>

#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_socket.h"

/* args: a name, and a type such as A or TYPE65. False: printed what is wrong. */
bool porticoctl_check_trace(const struct porticoctl_options *o, const char *const args[]);
/* A line a step, or with --json a list of objects. False: printed why. */
bool porticoctl_trace(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		      const char *const args[]);

#endif
