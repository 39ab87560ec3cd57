#include "dpdk_app/kernel_path.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void kernel_path_init(struct kernel_path *path, const struct config *config)
{
	*path = (struct kernel_path){.own_netns_fd = -1};
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *from = &config->interfaces[i];
		struct kernel_path_interface *to = &path->interfaces[i];

		to->netns_fd = -1;
		to->address_count = from->address_count;
		for (unsigned a = 0; a < from->address_count; a++)
			to->addresses[a] = from->addresses[a].address;
	}
}

bool kernel_path_add(struct kernel_path *path, unsigned interface_idx, unsigned ifindex,
		     int netns_fd)
{
	if (netns_fd >= 0 && path->own_netns_fd < 0) {
		path->own_netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (path->own_netns_fd < 0)
			return false;
	}
	path->interfaces[interface_idx].is_there = true;
	path->interfaces[interface_idx].ifindex = ifindex;
	path->interfaces[interface_idx].netns_fd = netns_fd;
	return true;
}

bool kernel_path_any(const struct kernel_path *path)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++)
		if (path->interfaces[i].is_there)
			return true;
	return false;
}

static const struct kernel_path_interface *find(const struct kernel_path *path,
						const struct address *local)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		const struct kernel_path_interface *interface = &path->interfaces[i];

		for (unsigned a = 0; interface->is_there && a < interface->address_count; a++)
			if (address_equal(&interface->addresses[a], local))
				return interface;
	}
	return NULL;
}

bool kernel_path_has_address(const struct kernel_path *path, const struct address *local)
{
	return find(path, local) != NULL;
}

int kernel_path_socket(const struct kernel_path *path, const struct address *local)
{
	const struct kernel_path_interface *interface = find(path, local);
	const int netns_fd = interface != NULL ? interface->netns_fd : -1;
	int fd, error;

	/* A namespace is a thread's; a socket stays in the one it was made in. */
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) != 0)
		return -1;
	fd = socket(address_is_v4(local) ? AF_INET : AF_INET6,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	error = errno;
	if (netns_fd >= 0)
		CHECK(setns(path->own_netns_fd, CLONE_NEWNET) == 0);
	errno = error;
	return fd;
}
