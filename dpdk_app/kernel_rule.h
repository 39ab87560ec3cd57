/* Policy routing of a TAP's addresses: what leaves from one of them and is not for a network that the main table knows
 * goes to the gateway of the interface, whatever default route the host has besides.
 *
 * An address has two rules: `from ADDRESS lookup main suppress_prefixlength 0`, `from ADDRESS lookup TABLE`; the table, which
 * the TAP's number names, has the default route. Routes go with the TAP; rules do not: those whose TAP has gone are a
 * killed Portico's, which is told by their protocol and table.
 *
 * Threads: main and who reloads, one at a time, in the TAP's network namespace. man 8 ip-rule; linux/fib_rules.h, libmnl.
 */
#ifndef PORTICO_KERNEL_RULE_H
#define PORTICO_KERNEL_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"

/* Of rules and routes: `ip rule list proto 80`. */
#define KERNEL_RULE_PROTOCOL 80

static inline uint32_t kernel_rule_table(unsigned ifindex)
{
	return 0x50000000u + ifindex;
}

/* False: errno. Those that are there already are fine, those that are not, too. */
MUST_USE bool kernel_rule_add(const struct address *from, unsigned ifindex);
void kernel_rule_remove(const struct address *from, unsigned ifindex);
/* Remove those of TAPs that have gone. False: they could not be listed or removed (errno). */
MUST_USE bool kernel_rule_recover(void);

#endif
