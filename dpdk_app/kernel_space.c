#include "dpdk_app/kernel_space.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "dpdk_app/netns.h"

/* However often they have been opened. */
static bool same_namespace(int a, int b)
{
	struct stat x, y;

	if (a < 0 || b < 0)
		return a < 0 && b < 0;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

void kernel_spaces_find(const struct kernel_path *path, struct kernel_spaces *out)
{
	*out = (struct kernel_spaces){.path = path};
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		const int netns_fd = path->interfaces[i].netns_fd;
		unsigned space = 0;

		if (!path->interfaces[i].is_there)
			continue;
		while (space < out->count && !same_namespace(out->netns_fds[space], netns_fd))
			space++;
		if (space == out->count)
			out->netns_fds[out->count++] = netns_fd;
		out->of_interface[i] = (uint8_t)space;
	}
}

int kernel_spaces_interface(const struct kernel_spaces *s, unsigned space, unsigned ifindex)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		const struct kernel_path_interface *interface = &s->path->interfaces[i];

		if (interface->is_there && s->of_interface[i] == space &&
		    interface->ifindex == ifindex)
			return (int)i;
	}
	return -1;
}

static struct mnl_socket *open_here(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int error;

	if (socket == NULL || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return socket;
	error = errno;
	mnl_socket_close(socket);
	errno = error;
	return NULL;
}

struct mnl_socket *kernel_spaces_open(const struct kernel_spaces *s, unsigned space)
{
	struct mnl_socket *socket;
	int back, error;

	if (!netns_enter(s->netns_fds[space], &back))
		return NULL;
	socket = open_here();
	error = errno;
	netns_leave(back);
	errno = error;
	return socket;
}
