/* The network namespaces that have the kernel's side of our interfaces: this process's as a rule, and those of TAPs.
 *
 * Threads: immutable once it is found. A socket stays in the namespace that it was made in. man 7 network_namespaces.
 */
#ifndef PORTICO_KERNEL_SPACE_H
#define PORTICO_KERNEL_SPACE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "dpdk_app/kernel_path.h"

struct kernel_spaces {
	const struct kernel_path *path;
	unsigned count;
	int netns_fds[INTERFACES_MAX]; /* -1: this process's */
	uint8_t of_interface[INTERFACES_MAX];
};

/* Each namespace once, of the interfaces that have a kernel path. path: with all of them, and it stays. */
void kernel_spaces_find(const struct kernel_path *path, struct kernel_spaces *out);
/* The interface of ours that is this one of the kernel's; -1: it is none of ours. */
int kernel_spaces_interface(const struct kernel_spaces *s, unsigned space, unsigned ifindex);

/* A bound netlink socket (NETLINK_ROUTE, closed on exec) there. NULL: failed (errno). */
MUST_USE struct mnl_socket *kernel_spaces_open(const struct kernel_spaces *s, unsigned space);

#endif
