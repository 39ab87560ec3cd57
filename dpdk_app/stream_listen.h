/* The listening TCP sockets of a configuration: on every listen endpoint that the kernel has a path to (kernel_path.h).
 *
 * Memory: the struct. Threads: who starts or reloads; the sockets are then the stream thread's.
 */
#ifndef PORTICO_STREAM_LISTEN_H
#define PORTICO_STREAM_LISTEN_H

#include "config/config.h"
#include "core/check.h"
#include "dpdk_app/kernel_path.h"

struct stream_listen {
	unsigned count;
	struct endpoint endpoints[LISTEN_MAX];
	int fds[LISTEN_MAX]; /* -1: it is open since before */
};

/* Opens what `running` (NULL: nothing) does not have. False: one cannot be opened (logged); then none is. */
MUST_USE bool stream_listen_open(const struct kernel_path *path, const struct config *config,
				 const struct stream_listen *running, struct stream_listen *out);
/* Those that it has opened. */
void stream_listen_close(struct stream_listen *l);

#endif
