/* Where the kernel's own sockets reach the networks that workers serve: interfaces that it shares (xdp.h), and those that have a
 * TAP of ours. TCP is only there.
 *
 * Threads: filled before threads are made, then read by all.
 */
#ifndef PORTICO_KERNEL_PATH_H
#define PORTICO_KERNEL_PATH_H

#include <stdbool.h>

#include "config/config.h"
#include "core/address.h"
#include "core/check.h"
#include "core/limits.h"

struct kernel_path {
	struct kernel_path_interface {
		bool is_there;
		unsigned ifindex; /* the kernel's interface with our addresses, in that namespace */
		int netns_fd; /* the network namespace that has the addresses; -1: this process's */
		uint8_t address_count;
		struct address addresses[INTERFACE_ADDRESSES_MAX];
	} interfaces[INTERFACES_MAX];
	int own_netns_fd; /* this process's; -1: none of the others is another */
};

/* No interface has one yet. */
void kernel_path_init(struct kernel_path *path, const struct config *config);
/* The kernel has this interface's addresses on ifindex in that namespace (borrowed until the end; -1: in ours). False: ours cannot be
 * found again (errno). */
MUST_USE bool kernel_path_add(struct kernel_path *path, unsigned interface_idx, unsigned ifindex,
			      int netns_fd);

bool kernel_path_any(const struct kernel_path *path);
static inline bool kernel_path_has(const struct kernel_path *path, unsigned interface_idx)
{
	return path->interfaces[interface_idx].is_there;
}
/* Can the kernel send from this address? */
bool kernel_path_has_address(const struct kernel_path *path, const struct address *local);

/* A TCP socket (not blocking, closed on exec) of the address's family, in the namespace of the interface that has it; nothing
 * is bound. An address that no interface has (all zeroes, say): in ours. -1: failed (errno). */
MUST_USE int kernel_path_socket(const struct kernel_path *path, const struct address *local);

#endif
