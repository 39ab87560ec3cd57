/* `porticoctl tcp`: connections of clients by state, and each server that was asked over TCP.
 *
 * Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_TCP_H
#define PORTICO_PORTICOCTL_TCP_H

#include <stdbool.h>

#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_socket.h"

/* False: printed why. */
bool porticoctl_tcp(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		    const char *const args[]);

#endif
