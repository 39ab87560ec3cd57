#include "dpdk_app/rx_wake.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dpdk_app/port.h"

static bool is_packet_socket_on(int fd, unsigned if_index)
{
	struct sockaddr_ll address = {0};
	socklen_t address_bytes = sizeof(address);
	socklen_t domain_bytes = sizeof(int);
	int domain = 0;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_bytes) == 0 &&
	       domain == AF_PACKET &&
	       getsockname(fd, (struct sockaddr *)&address, &address_bytes) == 0 &&
	       address.sll_ifindex == (int)if_index;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

bool rx_wake_find(unsigned if_index, int fds[], unsigned count)
{
	DIR *directory = opendir("/proc/self/fd");
	int found[PORT_WAKE_QUEUES_MAX];
	unsigned found_count = 0;
	const struct dirent *entry;

	if (directory == NULL || count > PORT_WAKE_QUEUES_MAX) {
		if (directory != NULL)
			closedir(directory);
		return false;
	}
	while ((entry = readdir(directory)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || !is_packet_socket_on(fd, if_index))
			continue;
		if (found_count < count)
			found[found_count] = fd;
		found_count++;
	}
	closedir(directory);
	if (found_count != count)
		return false;
	qsort(found, count, sizeof(found[0]), by_number);
	memcpy(fds, found, count * sizeof(found[0]));
	return true;
}
