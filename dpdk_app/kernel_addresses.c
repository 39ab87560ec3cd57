#include "dpdk_app/kernel_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool from_sockaddr(const struct sockaddr *from, struct address *out)
{
	if (from == NULL)
		return false;
	if (from->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof(in));
		*out = address_from_v4((const uint8_t *)&in.sin_addr);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, from, sizeof(in6));
		memcpy(out->bytes, &in6.sin6_addr, sizeof(out->bytes));
		return true;
	}
	return false;
}

/* Addresses come by interface: it is asked for once each. */
struct owner {
	char name[IFNAMSIZ];
	uint32_t ifindex;
};

static uint32_t index_of(struct owner *owner, const char *label)
{
	/* An IPv4 address may have a label instead: "eth0:1". */
	size_t length = strcspn(label, ":");

	if (length >= sizeof(owner->name))
		return 0;
	if (strncmp(owner->name, label, length) != 0 || owner->name[length] != '\0') {
		memcpy(owner->name, label, length);
		owner->name[length] = '\0';
		owner->ifindex = if_nametoindex(owner->name);
	}
	return owner->ifindex;
}

bool kernel_addresses_read(struct kernel_addresses *out)
{
	struct owner owner = {.name = ""};
	struct ifaddrs *list;

	if (getifaddrs(&list) != 0)
		return false;
	out->count = 0;
	out->is_whole = true;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct address address;

		if (!from_sockaddr(i->ifa_addr, &address))
			continue;
		if (out->count == KERNEL_ADDRESSES_MAX) {
			out->is_whole = false;
			break;
		}
		out->ifindexes[out->count] = index_of(&owner, i->ifa_name);
		out->list[out->count++] = address;
	}
	freeifaddrs(list);
	return true;
}

bool kernel_addresses_any(const struct kernel_addresses *a, const struct prefix *inside)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (prefix_contains(inside, &a->list[i]))
			return true;
	}
	return false;
}

bool kernel_addresses_reach(const struct kernel_addresses *a, const struct prefix *inside,
			    uint32_t ifindex)
{
	bool elsewhere = false;

	if (ifindex == 0 || !a->is_whole)
		return true;
	for (unsigned i = 0; i < a->count; i++) {
		if (!prefix_contains(inside, &a->list[i]))
			continue;
		if (a->ifindexes[i] == ifindex || a->ifindexes[i] == 0)
			return true;
		elsewhere = true;
	}
	return !elsewhere;
}
