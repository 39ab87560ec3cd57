/* porticoctl's side of DPDK's telemetry socket: a command goes out, one JSON text comes back, a packet each.
 *
 * Memory: a reply is the caller's to free. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_SOCKET_H
#define PORTICO_PORTICOCTL_SOCKET_H

#include <libfyaml.h>
#include <stdint.h>

#include "core/check.h"

struct porticoctl_socket {
	int fd;
	size_t reply_bytes_max;
};

struct porticoctl_reply {
	char *text; /* the document borrows it */
	struct fy_document *document;
	struct fy_node *body; /* a mapping: what the command gave */
};

/* Connect and read the greeting. False: the reason, where it looked and what to do are on stderr. */
MUST_USE bool porticoctl_socket_open(struct porticoctl_socket *s, const char *prefix);
void porticoctl_socket_close(struct porticoctl_socket *s);

/* Send "/portico/COMMAND,start" and parse the reply. False: printed why. */
MUST_USE bool porticoctl_socket_ask(const struct porticoctl_socket *s, const char *command,
				    uint32_t start, struct porticoctl_reply *out);
/* The same with parameters as they are; command and parameters take 1,000 bytes at most. */
MUST_USE bool porticoctl_socket_ask_with(const struct porticoctl_socket *s, const char *command,
					 const char *params, struct porticoctl_reply *out);
void porticoctl_reply_free(struct porticoctl_reply *reply);

#endif
