/* The addresses of this network namespace's interfaces, as the kernel has them now (getifaddrs).
 *
 * Memory: the struct's; what has no place in it is not seen (is_whole says so). Threads: any, one at a time a struct.
 */
#ifndef PORTICO_KERNEL_ADDRESSES_H
#define PORTICO_KERNEL_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"

#define KERNEL_ADDRESSES_MAX 4096

struct kernel_addresses {
	unsigned count;
	bool is_whole;
	struct address list[KERNEL_ADDRESSES_MAX];
	uint32_t ifindexes[KERNEL_ADDRESSES_MAX]; /* whose it is; 0: it has gone meanwhile */
};

/* False: the kernel did not answer (errno); *out is untouched then. */
MUST_USE bool kernel_addresses_read(struct kernel_addresses *out);

/* Has the kernel an address inside? bits 128: this address. */
bool kernel_addresses_any(const struct kernel_addresses *a, const struct prefix *inside);
/* Do packets to an address inside come to this interface (0: any)? Yes, too, where no interface is known to have one. */
bool kernel_addresses_reach(const struct kernel_addresses *a, const struct prefix *inside,
			    uint32_t ifindex);

#endif
