#include "dpdk_app/nic_lock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"

#define NAMES 8
#define NAME_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define DUMP_BYTES 32768 /* a message of the kernel's at most */
#define TIMEOUT_S 2
#define LIST_TRIES 8 /* a list that changed while it was read is read again */

/* With its leading zero. Returns its length. */
static size_t name_of(unsigned ifindex, unsigned idx, char name[NAME_BYTES])
{
	name[0] = '\0';
	return 1 + (size_t)snprintf(name + 1, NAME_BYTES - 1, "portico.nic.%u.%u", ifindex, idx);
}

/* -1 with errno: EADDRINUSE if somebody has it. */
static int bind_name(unsigned ifindex, unsigned idx)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = name_of(ifindex, idx, address.sun_path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- who has the names ---- */

struct holders {
	unsigned ifindex;
	unsigned own_idx; /* the name that we have; NAMES: none */
	bool portico;     /* root, or who runs as we do, has one of the others */
};

static int on_socket(const struct nlmsghdr *message, void *context)
{
	struct holders *holders = context;
	struct netlink_attributes all;
	const struct nlattr *name;
	uint32_t uid;

	netlink_attributes(message, sizeof(struct unix_diag_msg), &all);
	name = all.of[UNIX_DIAG_NAME];
	if (name == NULL || all.of[UNIX_DIAG_UID] == NULL)
		return MNL_CB_OK;
	uid = mnl_attr_get_u32(all.of[UNIX_DIAG_UID]);
	for (unsigned i = 0; i < NAMES; i++) {
		char wanted[NAME_BYTES];
		size_t length = name_of(holders->ifindex, i, wanted);

		if (i != holders->own_idx && (uid == 0 || uid == geteuid()) &&
		    mnl_attr_get_payload_len(name) == length &&
		    memcmp(mnl_attr_get_payload(name), wanted, length) == 0)
			holders->portico = true;
	}
	return MNL_CB_OK;
}

static bool dump_sockets(struct mnl_socket *socket, struct holders *holders)
{
	char buffer[DUMP_BYTES];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct unix_diag_req *request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	unsigned port_id = mnl_socket_get_portid(socket);
	int going = MNL_CB_OK;

	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->sdiag_family = AF_UNIX;
	request->udiag_states = UINT32_MAX;
	request->udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return false;
	while (going > MNL_CB_STOP) {
		ssize_t got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (got < 0)
			return false;
		going = mnl_cb_run(buffer, (size_t)got, 0, port_id, on_socket, holders);
	}
	return going == MNL_CB_STOP;
}

/* False: the kernel does not say (errno). */
static bool find_holders(struct holders *holders)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	bool done = false;
	int error = EINTR;

	for (unsigned i = 0; i < LIST_TRIES && !done && error == EINTR; i++) {
		struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

		if (socket == NULL)
			return false;
		done = setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
				  sizeof(timeout)) == 0 &&
		       mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
		       dump_sockets(socket, holders);
		error = errno;
		mnl_socket_close(socket);
		errno = error;
	}
	return done;
}

/* Ours first, then the others': of two who come at once at least one sees the other. */
enum nic_lock_result nic_lock_take(unsigned ifindex, int *fd)
{
	struct holders holders = {.ifindex = ifindex};
	bool met = false;
	int error = EADDRINUSE;

	*fd = -1;
	while (holders.own_idx < NAMES && error == EADDRINUSE) {
		*fd = bind_name(ifindex, holders.own_idx);
		if (*fd >= 0)
			break;
		error = errno;
		met = met || error == EADDRINUSE;
		holders.own_idx++;
	}
	/* Where the kernel does not tell whose a name is, it is a Portico's. */
	if (!find_holders(&holders))
		holders.portico = met;
	if (!holders.portico && *fd >= 0)
		return NIC_LOCK_HELD;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	if (holders.portico)
		return NIC_LOCK_TAKEN;
	log_write(
		CONFIG_LOG_WARNING, "xdp",
		"whether another Portico has this interface cannot be known: no name for it to be "
		"had ifindex=%u reason=\"%s\" remedy=\"ss -xap | grep portico.nic shows whose they "
		"are\"",
		ifindex, strerror(error));
	return NIC_LOCK_NONE;
}
