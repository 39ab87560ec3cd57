/* UDP ports, and TCP ports listened on, that processes on this machine hold, asked of the kernel by sock_diag (NETLINK_SOCK_DIAG, libmnl), and which
 * process that is (/proc). Needs no privilege; but other users' processes are named to root only.
 *
 * Memory: the caller's; a buffer a call. Threads: any. man 7 sock_diag.
 */
#ifndef PORTICO_KERNEL_SOCKETS_H
#define PORTICO_KERNEL_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"

struct kernel_socket {
	struct endpoint bound; /* wildcard: all zeroes (:: or 0.0.0.0, IPv4 mapped) */
	bool v6_only;          /* of a wildcard ::, holds no IPv4 port */
	uint32_t ifindex; /* gets what this interface receives only (SO_BINDTODEVICE); 0: of all */
	uint32_t inode;   /* 0: none (a kernel socket) */
	uint32_t uid;
};

/* Called for every bound UDP socket of this network namespace, connected ones too, IPv4 then IPv6. */
typedef void kernel_socket_visit(const struct kernel_socket *socket, void *context);

/* False: the kernel did not answer, or not to the end (errno). */
MUST_USE bool kernel_sockets_each(kernel_socket_visit *visit, void *context);
/* The same for every TCP socket that listens. */
MUST_USE bool kernel_sockets_each_listener(kernel_socket_visit *visit, void *context);

bool kernel_socket_is_wildcard(const struct kernel_socket *socket);
/* Is a socket bound so for packets to an address of this network, if they come to its interface? */
bool kernel_socket_meets(const struct kernel_socket *socket, const struct prefix *network);

/* The sockets of any kind that this process has open (/proc/self/fd). Returns how many, `most` at most. */
unsigned kernel_sockets_ours(uint32_t inodes[], unsigned most);

struct kernel_process {
	long pid; /* 0: unknown (another namespace, no permission, the kernel itself) */
	char name
		[64]; /* printable ASCII without quotes and backslashes, whatever it calls itself */
};
/* Who has the sockets open: the first process that is found for each. Walks /proc once: not for every poll. */
void kernel_processes_of(const uint32_t inodes[], unsigned count, struct kernel_process out[]);
struct kernel_process kernel_process_of(uint32_t inode);

#endif
