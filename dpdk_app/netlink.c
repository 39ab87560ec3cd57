#include "dpdk_app/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

/* The kernel fills what it is given, up to 32 KiB a message of a dump. */
#define ANSWER_BYTES 32768
/* An answer that was lost must not hold up start or end. */
#define TIMEOUT_S 2

static int take_answers(struct mnl_socket *socket, unsigned message_count, mnl_cb_t visit,
			void *context)
{
	char buffer[ANSWER_BYTES];

	while (message_count > 0) {
		ssize_t got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		int result;

		if (got < 0)
			return -1;
		result = mnl_cb_run(buffer, (size_t)got, 0, mnl_socket_get_portid(socket), visit,
				    context);
		if (result < 0)
			return -1;
		if (result == MNL_CB_STOP)
			message_count--;
	}
	return 0;
}

int netlink_ask(struct mnl_socket *socket, const void *messages, size_t length_bytes,
		unsigned message_count, mnl_cb_t visit, void *context)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};

	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) != 0 ||
	    mnl_socket_sendto(socket, messages, length_bytes) < 0)
		return -1;
	return take_answers(socket, message_count, visit, context);
}

int netlink_talk(const void *messages, size_t length_bytes, unsigned message_count, mnl_cb_t visit,
		 void *context)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int result = -1, error;

	if (socket == NULL)
		return -1;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0)
		result = netlink_ask(socket, messages, length_bytes, message_count, visit, context);
	error = errno;
	mnl_socket_close(socket);
	errno = error;
	return result;
}

static int on_attribute(const struct nlattr *attribute, void *context)
{
	struct netlink_attributes *out = context;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < NETLINK_ATTRIBUTES_MAX)
		out->of[type] = attribute;
	return MNL_CB_OK;
}

void netlink_attributes(const struct nlmsghdr *message, unsigned header_bytes,
			struct netlink_attributes *out)
{
	*out = (struct netlink_attributes){0};
	(void)mnl_attr_parse(message, header_bytes, on_attribute, out);
}

void netlink_nested(const struct nlattr *attribute, struct netlink_attributes *out)
{
	*out = (struct netlink_attributes){0};
	(void)mnl_attr_parse_nested(attribute, on_attribute, out);
}

void netlink_list(const void *attributes, size_t length_bytes, struct netlink_attributes *out)
{
	*out = (struct netlink_attributes){0};
	(void)mnl_attr_parse_payload(attributes, length_bytes, on_attribute, out);
}
