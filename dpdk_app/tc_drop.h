/* Our program at tc ingress of a kernel interface (portico_drop), for the fallback of a shared NIC: put there, taken off, and
 * what a killed Portico left behind removed.
 *
 * The kernel keeps such a filter, and the clsact qdisc that it hangs on, after its owner's death. So the filter's
 * handle says whether its owner made the qdisc; and whoever has the interface to himself (nic_lock.h) knows that any such
 * filter is a remain. A qdisc that was there before us stays, and one that others have hung filters on.
 *
 * To make or delete a clsact qdisc, the kernel deactivates the interface's queues, and drops what it sends meanwhile: some 100
 * microseconds, when Portico starts and when it ends. On a qdisc that is there already nothing is lost.
 *
 * Threads: main. man 8 tc-bpf; linux/rtnetlink.h, libmnl.
 */
#ifndef PORTICO_TC_DROP_H
#define PORTICO_TC_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"

struct tc_drop {
	bool active;
	unsigned ifindex;
	uint32_t handle;
};

/* With the interface to ourselves: take off what is there. False: it could not be (errno). *made_qdisc: a dead one had made
 * the clsact qdisc, which is still there. */
MUST_USE bool tc_drop_recover(unsigned ifindex, bool *made_qdisc);
/* made_qdisc: as tc_drop_recover said. False: not attached (errno). */
MUST_USE bool tc_drop_attach(struct tc_drop *drop, unsigned ifindex, int program_fd,
			     bool made_qdisc);
void tc_drop_detach(struct tc_drop *drop);

#endif
