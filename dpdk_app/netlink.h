/* Questions to the kernel's rtnetlink, one at a time, each on a socket of its own: for start and end. What asks often
 * keeps its own socket.
 *
 * Threads: any. man 7 netlink; libmnl.
 */
#ifndef PORTICO_NETLINK_H
#define PORTICO_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"

/* Send the messages and take the answers: an acknowledgement or the end of a dump for each. visit: for each message that is
 * neither; NULL: none is expected. 0, or -1 with errno: the kernel's first refusal, EINTR: what was listed changed
 * meanwhile, or EAGAIN: no answer for 2 s. */
MUST_USE int netlink_talk(const void *messages, size_t length_bytes, unsigned message_count,
			  mnl_cb_t visit, void *context);

/* The same on a socket of the caller's, which has no more of its own under way. */
MUST_USE int netlink_ask(struct mnl_socket *socket, const void *messages, size_t length_bytes,
			 unsigned message_count, mnl_cb_t visit, void *context);

/* Attributes by type, the last of each; NULL: it has none. They point into the message. */
#define NETLINK_ATTRIBUTES_MAX 64
struct netlink_attributes {
	const struct nlattr *of[NETLINK_ATTRIBUTES_MAX];
};
/* header_bytes: of what stands between netlink's own header and the attributes. */
void netlink_attributes(const struct nlmsghdr *message, unsigned header_bytes,
			struct netlink_attributes *out);
/* Those inside of one. */
void netlink_nested(const struct nlattr *attribute, struct netlink_attributes *out);
/* Those that stand here. */
void netlink_list(const void *attributes, size_t length_bytes, struct netlink_attributes *out);

#endif
