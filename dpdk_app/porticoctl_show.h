/* porticoctl's plain reports: one object (status), a flat list of numbers (stats), rows (upstreams and others).
 *
 * Memory: what is shown, freed. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_SHOW_H
#define PORTICO_PORTICOCTL_SHOW_H

#include "core/check.h"
#include "dpdk_app/porticoctl_socket.h"

enum porticoctl_output { PORTICOCTL_TEXT, PORTICOCTL_AS_JSON };

/* Each false: printed why. command as in telemetry, without /portico/. */
MUST_USE bool porticoctl_show_object(const struct porticoctl_socket *s, const char *command,
				     enum porticoctl_output output);
MUST_USE bool porticoctl_show_numbers(const struct porticoctl_socket *s, const char *command,
				      enum porticoctl_output output);
MUST_USE bool porticoctl_show_rows(const struct porticoctl_socket *s, const char *command,
				   enum porticoctl_output output);

#endif
