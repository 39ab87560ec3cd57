/* One Portico at most shares a NIC with the kernel: which one, is told by a name in the network namespace (an abstract
 * socket), which the kernel takes back when the process ends, however it ends. Who has the NIC thereby knows that all that is
 * left on it of a Portico is a dead one's.
 *
 * Anybody can take such names. There are several, and a name counts only if the kernel says (unix_diag) that its holder is
 * root or the same user as we are; so no other user can keep a Portico from starting.
 *
 * Threads: main.
 */
#ifndef PORTICO_NIC_LOCK_H
#define PORTICO_NIC_LOCK_H

#include "core/check.h"

enum nic_lock_result {
	NIC_LOCK_HELD,  /* by us: *fd, until it is closed */
	NIC_LOCK_TAKEN, /* another Portico has it */
	NIC_LOCK_NONE, /* other users have all the names, or the kernel has none: it cannot be known; logged */
};

MUST_USE enum nic_lock_result nic_lock_take(unsigned ifindex, int *fd);

#endif
