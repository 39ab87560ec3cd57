/* `porticoctl reload`: has the configuration read again and waits for it. Threads: one. */
#ifndef PORTICO_PORTICOCTL_RELOAD_H
#define PORTICO_PORTICOCTL_RELOAD_H

#include <stdbool.h>

#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_socket.h"

/* What it had to say goes to stderr; as JSON, with the result ("ok", "refused"), to stdout. False: it was refused, or could not
 * be asked for. */
bool porticoctl_reload(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		       const char *const args[]);

#endif
